/*
 * pipe_info.c - what can be told of a named pipe, looked at while it is in use.
 *
 * Usage: pipe_info [PIPE]
 *
 * Makes the pipe PIPE (\\.\pipe\pipe_info.PID), opens both ends, and tells what the system
 * knows about it: most lines stand in the output of the twin, too.
 *
 * Its twin: ../unix/pipe_info.c. To try: both, side by side.
 */
#define PROGRAM "pipe_info"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

#include <aclapi.h>
#include <sddl.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

#define WIDE_AGAIN(text) L##text
#define WIDE(text) WIDE_AGAIN(text)
#define FIRST "one"
#define SECOND "three"

static void tell_access(HANDLE pipe);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: the name. */
    if (argc > 2 || (argc == 2 && (*argv[1] == L'\0' || *argv[1] == L'-'))) {
        say(stderr, "usage: pipe_info [PIPE]");
        return 2;
    }
    wchar_t own[64];
    swprintf(own, sizeof own / sizeof *own, WIDE(PIPE_PREFIX) L"pipe_info.%lu",
             GetCurrentProcessId());
    const wchar_t *name = argc == 2 ? argv[1] : own;

    /* STEP 2: Make the pipe, and open both ends: the server's first. The client's is there
     * before anybody waits for it, so there is nothing to wait for. */
    HANDLE server = CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX,
                                     PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE |
                                         PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
                                     1, BUFFER_SIZE, BUFFER_SIZE,
                                     DEFAULT_WAIT_MILLISECONDS, NULL);
    if (server == INVALID_HANDLE_VALUE)
        fail("CreateNamedPipe");
    HANDLE client = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL,
                                OPEN_EXISTING, 0, NULL);
    if (client == INVALID_HANDLE_VALUE)
        fail("CreateFile");
    if (ConnectNamedPipe(server, NULL) || GetLastError() != ERROR_PIPE_CONNECTED)
        fail("ConnectNamedPipe");
    char shown[3 * MAX_PATH] = "";
    WideCharToMultiByte(CP_UTF8, 0, name, -1, shown, sizeof shown - 1, NULL, NULL);
    say(stdout, "pipe_info: ready %s", shown);

    /* STEP 3: What it is made to be, for good. */
    DWORD type, out, in, most, state, now;
    if (!GetNamedPipeInfo(client, &type, &out, &in, &most))
        fail("GetNamedPipeInfo");
    if (!GetNamedPipeHandleStateW(client, &state, &now, NULL, NULL, NULL, 0))
        fail("GetNamedPipeHandleState");
    say(stdout, "pipe_info: carries: %s",
        type & PIPE_TYPE_MESSAGE ? "messages" : "bytes");
    say(stdout, "pipe_info: directions: 2");
    say(stdout, "pipe_info: instances: %lu of at most %lu", now, most);
    tell_access(server);
    say(stdout, "pipe_info: room: %lu bytes out, %lu bytes in", out, in);

    /* STEP 4: What can be changed, for each end: whether it waits, and whether it reads by
     * messages, which the client's at first does not. The room cannot. */
    say(stdout, "pipe_info: the client's end at first reads by: %s",
        state & PIPE_READMODE_MESSAGE ? "messages" : "bytes");
    DWORD mode = PIPE_READMODE_MESSAGE | PIPE_NOWAIT;
    if (!SetNamedPipeHandleState(client, &mode, NULL, NULL))
        fail("SetNamedPipeHandleState");
    char portion[BUFFER_SIZE];
    DWORD got;
    if (ReadFile(client, portion, sizeof portion, &got, NULL) ||
        GetLastError() != ERROR_NO_DATA)
        fail("ReadFile");
    say(stdout, "pipe_info: an empty pipe is read without waiting: error %lu",
        GetLastError());
    mode = PIPE_READMODE_MESSAGE | PIPE_WAIT;
    if (!SetNamedPipeHandleState(client, &mode, NULL, NULL) ||
        !GetNamedPipeHandleStateW(client, &state, NULL, NULL, NULL, NULL, 0))
        fail("SetNamedPipeHandleState");
    say(stdout, "pipe_info: reads wait again: %s", state & PIPE_NOWAIT ? "no" : "yes");

    /* STEP 5: Write twice, and look at what waits without reading it. */
    DWORD written, waiting, rest;
    if (!WriteFile(server, FIRST, (DWORD)strlen(FIRST), &written, NULL) ||
        !WriteFile(server, SECOND, (DWORD)strlen(SECOND), &written, NULL))
        fail("WriteFile");
    if (!PeekNamedPipe(client, portion, 1, &got, &waiting, &rest))
        fail("PeekNamedPipe");
    say(stdout, "pipe_info: written: %zu bytes and %zu", strlen(FIRST), strlen(SECOND));
    say(stdout, "pipe_info: waiting: %lu bytes, %lu of them in the first message",
        waiting, got + rest);

    /* STEP 6: Read once. */
    if (!ReadFile(client, portion, sizeof portion, &got, NULL))
        fail("ReadFile");
    char *text = quoted(portion, got);
    say(stdout, "pipe_info: one read brings: %s", text);
    free(text);
    if (!PeekNamedPipe(client, NULL, 0, NULL, &waiting, NULL))
        fail("PeekNamedPipe");
    say(stdout, "pipe_info: left: %lu bytes", waiting);

    if (!CloseHandle(client) || !CloseHandle(server))
        fail("CloseHandle");
    say(stdout, "pipe_info: done");
    return EXIT_SUCCESS;
}

/* The list of who may do what. We gave none, so this is what Windows gives by itself. */
static void tell_access(HANDLE pipe)
{
    PSECURITY_DESCRIPTOR descriptor;
    DWORD error = GetSecurityInfo(pipe, SE_KERNEL_OBJECT, DACL_SECURITY_INFORMATION, NULL,
                                  NULL, NULL, NULL, &descriptor);
    if (error != ERROR_SUCCESS)
        fail_with(error, "GetSecurityInfo");
    char *list;
    if (!ConvertSecurityDescriptorToStringSecurityDescriptorA(
            descriptor, SDDL_REVISION_1, DACL_SECURITY_INFORMATION, &list, NULL))
        fail("ConvertSecurityDescriptorToStringSecurityDescriptor");
    /* Wine keeps only a list that was given when the pipe was made. */
    say(stdout, "pipe_info: who may open it: %s",
        strstr(list, "(A;") != NULL ? list : "cannot be read: the system gives no list");
    LocalFree(list);
    LocalFree(descriptor);
}
