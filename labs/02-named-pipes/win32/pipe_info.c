/*
 * pipe_info.c - what the system reports about a named pipe that is in use.
 *
 * Usage: pipe_info [PIPE]
 *
 * Creates the pipe PIPE (\\.\pipe\pipe_info.PID), opens both ends, and prints what the system
 * knows about it. Most lines are the same on both systems.
 *
 * Counterpart: ../unix/pipe_info.c. To try: both, side by side.
 */
#include "contract.h"
#include "ipclab.h"

#include <aclapi.h>
#include <sddl.h>

#define FIRST "one"
#define SECOND "three"

static void report_access(HANDLE pipe);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the name. */
    begin_program("pipe_info", "[PIPE]", &argv);
    char own[OWN_NAME_SIZE];
    snprintf(own, sizeof own, PIPE_PREFIX "pipe_info.%lu", GetCurrentProcessId());
    const char *path = argc > 1 ? argv[1] : own;
    if (argc > 2 || *path == '\0' || *path == '-')
        usage_exit();

    /* STEP 2: Create the pipe, and open both ends, the server's first. ConnectNamedPipe then
     * fails with ERROR_PIPE_CONNECTED: the client's end is open already. */
    wchar_t *name = to_utf16(path);
    HANDLE server = CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX,
                                     PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE |
                                         PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
                                     1, BUFFER_SIZE, BUFFER_SIZE,
                                     DEFAULT_WAIT_MILLISECONDS, NULL);
    if (server == INVALID_HANDLE_VALUE)
        sys_error("CreateNamedPipe");
    HANDLE client = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL,
                                OPEN_EXISTING, 0, NULL);
    if (client == INVALID_HANDLE_VALUE)
        sys_error("CreateFile");
    if (ConnectNamedPipe(server, NULL) || GetLastError() != ERROR_PIPE_CONNECTED)
        sys_error("ConnectNamedPipe");
    free(name);
    log_event("pipe_info: ready %s", path);

    /* STEP 3: What cannot be changed later. */
    DWORD type, out, in, most, state, now;
    if (!GetNamedPipeInfo(client, &type, &out, &in, &most))
        sys_error("GetNamedPipeInfo");
    if (!GetNamedPipeHandleStateW(client, &state, &now, NULL, NULL, NULL, 0))
        sys_error("GetNamedPipeHandleState");
    log_event("pipe_info: carries: %s", type & PIPE_TYPE_MESSAGE ? "messages" : "bytes");
    log_event("pipe_info: directions: 2");
    log_event("pipe_info: instances: %lu of at most %lu", now, most);
    report_access(server);
    log_event("pipe_info: room: %lu bytes out, %lu bytes in", out, in);

    /* STEP 4: What can be changed, for each end: whether its calls block, and whether it reads
     * messages. The buffers cannot. */
    log_event("pipe_info: the client's end at first reads by: %s",
              state & PIPE_READMODE_MESSAGE ? "messages" : "bytes");
    DWORD mode = PIPE_READMODE_MESSAGE | PIPE_NOWAIT;
    if (!SetNamedPipeHandleState(client, &mode, NULL, NULL))
        sys_error("SetNamedPipeHandleState");
    char portion[BUFFER_SIZE];
    DWORD got;
    if (ReadFile(client, portion, sizeof portion, &got, NULL) ||
        GetLastError() != ERROR_NO_DATA)
        sys_error("ReadFile");
    log_event("pipe_info: an empty pipe is read without waiting: error %lu",
              GetLastError());
    mode = PIPE_READMODE_MESSAGE | PIPE_WAIT;
    if (!SetNamedPipeHandleState(client, &mode, NULL, NULL) ||
        !GetNamedPipeHandleStateW(client, &state, NULL, NULL, NULL, NULL, 0))
        sys_error("SetNamedPipeHandleState");
    log_event("pipe_info: reads wait again: %s", state & PIPE_NOWAIT ? "no" : "yes");

    /* STEP 5: Write twice, and ask how many bytes can be read, without reading them. */
    DWORD written, waiting, rest;
    if (!WriteFile(server, FIRST, (DWORD)strlen(FIRST), &written, NULL) ||
        !WriteFile(server, SECOND, (DWORD)strlen(SECOND), &written, NULL))
        sys_error("WriteFile");
    if (!PeekNamedPipe(client, portion, 1, &got, &waiting, &rest))
        sys_error("PeekNamedPipe");
    log_event("pipe_info: written: %zu bytes and %zu", strlen(FIRST), strlen(SECOND));
    log_event("pipe_info: waiting: %lu bytes, %lu of them in the first message", waiting,
              got + rest);

    /* STEP 6: Read once. */
    if (!ReadFile(client, portion, sizeof portion, &got, NULL))
        sys_error("ReadFile");
    log_text("pipe_info: one read brings:", portion, got);
    if (!PeekNamedPipe(client, NULL, 0, NULL, &waiting, NULL))
        sys_error("PeekNamedPipe");
    log_event("pipe_info: left: %lu bytes", waiting);

    if (!CloseHandle(client) || !CloseHandle(server))
        sys_error("CloseHandle");
    log_event("pipe_info: done");
    return EXIT_SUCCESS;
}

/* Reports the list of who may do what. The pipe was created without one, so it is the default. */
static void report_access(HANDLE pipe)
{
    PSECURITY_DESCRIPTOR descriptor;
    DWORD error = GetSecurityInfo(pipe, SE_KERNEL_OBJECT, DACL_SECURITY_INFORMATION, NULL,
                                  NULL, NULL, NULL, &descriptor);
    if (error != ERROR_SUCCESS)
        sys_error_number("GetSecurityInfo", (int)error);
    char *list;
    if (!ConvertSecurityDescriptorToStringSecurityDescriptorA(
            descriptor, SDDL_REVISION_1, DACL_SECURITY_INFORMATION, &list, NULL))
        sys_error("ConvertSecurityDescriptorToStringSecurityDescriptor");
    /* Wine keeps a list only if it was given when the pipe was created. */
    log_event("pipe_info: who may open it: %s",
              strstr(list, "(A;") != NULL ? list
                                          : "cannot be read: the system gives no list");
    LocalFree(list);
    LocalFree(descriptor);
}
