/*
 * server.c - a named pipe between a server and any number of clients: echo their messages.
 *
 * Usage: server [--remote] [PIPE]
 *
 * Makes instances of the pipe PIPE (\\.\pipe\$$MyPipe$$), each with a thread that waits for a
 * client on it and sends back what comes, until "exit" comes or the client leaves. Clients
 * from other machines are let in with --remote only. Ends on Ctrl-C.
 *
 * Mirrors listing 3 of the report, and the security of listing 5, which belongs here.
 * Its twin: ../unix/server.c. Another way, with one thread for all: server_overlapped.c.
 * To try: server in one window, client in two more.
 */
#define PROGRAM "server"

#include <limits.h>
#include <process.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

#include <sddl.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

#define WIDE_AGAIN(text) L##text
#define WIDE(text) WIDE_AGAIN(text) /* contract.h's names as UTF-16 */
#define PAUSE_MILLISECONDS 1000     /* before an instance is tried again */

/* What every instance of the pipe is made with. */
static const wchar_t *name;
static DWORD remote_clients = PIPE_REJECT_REMOTE_CLIENTS;
static SECURITY_ATTRIBUTES security = {.nLength = sizeof security};

static volatile LONG client_count;
static HANDLE stop,
    missing; /* a semaphore that counts instances that could not be made */
static SRWLOCK printing = SRWLOCK_INIT; /* taken for a line, and for good at the end */

static bool add_instance(DWORD flags);
static unsigned __stdcall serve(void *argument);
static void tell_of(LONG number, const char *what);
static bool receive_message(HANDLE pipe, LONG number, wchar_t *message, DWORD *length);
static char *quoted_text(const wchar_t *message, DWORD length);
static char *utf8(const wchar_t *wide, size_t units, size_t *size);
static bool is_exit(const wchar_t *message, DWORD length);
static bool report(const char *call, DWORD error);
static BOOL WINAPI on_control_event(DWORD event);
static int end_on_ctrl_c(void);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: whether other machines are let in, and the pipe's name. */
    bool remote = argc > 1 && wcscmp(argv[1], L"--remote") == 0;
    int names = argc - 1 - remote;
    name = names == 1 ? argv[argc - 1] : WIDE(PIPE_PREFIX) WIDE(PIPE_NAME);
    if (names > 1 || *name == L'\0' || *name == L'-') {
        say(stderr, "usage: server [--remote] [PIPE]");
        return 2;
    }
    stop = CreateEventW(NULL, TRUE, FALSE, NULL);
    missing = CreateSemaphoreW(NULL, 0, LONG_MAX, NULL);
    if (stop == NULL || missing == NULL || !SetConsoleCtrlHandler(on_control_event, TRUE))
        fail("SetConsoleCtrlHandler");

    /* STEP 2: Make the name on which clients find us, with as many free instances as clients may
     * come at once: one is taken at each connection, and who finds none is told "busy". Who
     * may open them stands in the security descriptor. That of listing 5 stands on the client's
     * side, where it is ignored, and has a NULL list, which lets everybody do everything. */
    if (remote)
        remote_clients = PIPE_ACCEPT_REMOTE_CLIENTS;
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(
            remote ? WIDE(REMOTE_SDDL) : WIDE(LOCAL_SDDL), SDDL_REVISION_1,
            &security.lpSecurityDescriptor, NULL))
        fail("ConvertStringSecurityDescriptorToSecurityDescriptor");
    /* FIRST: where another server has made this name, ours is refused. */
    for (int i = 0; i < FREE_INSTANCES; i++)
        if (!add_instance(i == 0 ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0))
            return EXIT_FAILURE;
    size_t size;
    char *shown = utf8(name, wcslen(name), &size);
    say(stdout, "server: ready %s", shown);
    free(shown);

    /* The other threads do the rest; this one waits for the end. */
    return end_on_ctrl_c();
}

/* Makes one more instance of the pipe and a thread for it. Returns false if it cannot. */
static bool add_instance(DWORD flags)
{
    HANDLE pipe = CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX | flags,
                                   PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_WAIT |
                                       remote_clients,
                                   PIPE_UNLIMITED_INSTANCES, BUFFER_SIZE, BUFFER_SIZE,
                                   DEFAULT_WAIT_MILLISECONDS, &security);
    if (pipe == INVALID_HANDLE_VALUE)
        return report("CreateNamedPipe", GetLastError());
    HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, serve, pipe, 0, NULL);
    if (thread == NULL) {
        report("_beginthreadex", _doserrno); /* it does not set GetLastError() */
        CloseHandle(pipe);
        return false;
    }
    return CloseHandle(thread) || report("CloseHandle", GetLastError());
}

/* The thread of one instance. Whatever its client does, or fails to do, only this one waits. */
static unsigned __stdcall serve(void *argument)
{
    HANDLE pipe = argument;

    /* STEP 3: Wait for a client. One that was quicker than this call is there already (535), or
     * has even left again (232), which the first read will tell. */
    if (!ConnectNamedPipe(pipe, NULL) && GetLastError() != ERROR_PIPE_CONNECTED &&
        GetLastError() != ERROR_NO_DATA) {
        report("ConnectNamedPipe", GetLastError());
        if (!CloseHandle(pipe))
            report("CloseHandle", GetLastError());
        ReleaseSemaphore(missing, 1, NULL);
        return 0;
    }
    LONG number = InterlockedIncrement(&client_count);
    tell_of(number, "connected");

    /* STEP 4: Make another free instance, with its own thread, so that no client waits for
     * another. If that fails this client is served all the same, and main tries again. */
    if (!add_instance(0))
        ReleaseSemaphore(missing, 1, NULL);

    /* STEP 5: Send back each message as it came, until "exit" or the client's end. */
    wchar_t *message = malloc(MAX_MESSAGE);
    if (message == NULL)
        report("malloc", ERROR_OUTOFMEMORY);
    DWORD length, written;
    bool goes_on = message != NULL;
    while (goes_on && receive_message(pipe, number, message, &length)) {
        char *text = quoted_text(message, length);
        AcquireSRWLockExclusive(&printing);
        say(stdout, "server: received %s", text);
        ReleaseSRWLockExclusive(&printing);
        free(text);
        goes_on = WriteFile(pipe, message, length, &written, NULL) &&
                  !is_exit(message, length);
    }
    free(message); /* the listing frees it from a heap that is none, and dies */

    /* STEP 6: Disconnect, which throws away what the client has not read: wait until it has.
     * If it has gone, both fail, and nothing is lost. */
    FlushFileBuffers(pipe);
    DisconnectNamedPipe(pipe);
    if (!CloseHandle(pipe))
        report("CloseHandle", GetLastError());
    tell_of(number, "left");
    return 0;
}

static void tell_of(LONG number, const char *what)
{
    AcquireSRWLockExclusive(&printing);
    say(stdout, "server: client %ld %s", number, what);
    ReleaseSRWLockExclusive(&printing);
}

/* Reads one message. Returns false when the client has left or must. */
static bool receive_message(HANDLE pipe, LONG number, wchar_t *message, DWORD *length)
{
    /* One read is one message, if there is room for it. With less room than for the longest,
     * ERROR_MORE_DATA would mean "read on", as it does in client.c; here it means "too long". */
    if (ReadFile(pipe, message, MAX_MESSAGE, length, NULL))
        return true;
    if (GetLastError() == ERROR_MORE_DATA)
        say(stderr, PROGRAM ": client %ld sent a message of more than %d bytes", number,
            MAX_MESSAGE);
    else if (GetLastError() != ERROR_BROKEN_PIPE)
        report("ReadFile", GetLastError());
    return false;
}

/* The text of a message for the transcript, without its NUL, if it has one. */
static char *quoted_text(const wchar_t *message, DWORD length)
{
    size_t units = length / sizeof *message, size;
    if (units > 0 && message[units - 1] == L'\0')
        units--;
    char *bytes = utf8(message, units, &size);
    char *text = quoted(bytes, size);
    free(bytes);
    return text;
}

/* `units` of UTF-16 as UTF-8 and a NUL, for the caller to free. */
static char *utf8(const wchar_t *wide, size_t units, size_t *size)
{
    int room = (int)units * 3; /* no unit takes more than 3 bytes */
    char *bytes = calloc((size_t)room + 1, 1);
    if (bytes == NULL)
        fail_with(ERROR_OUTOFMEMORY, "calloc");
    *size = (size_t)WideCharToMultiByte(CP_UTF8, 0, wide, (int)units, bytes, room, NULL,
                                        NULL);
    return bytes;
}

/* The whole text, with its NUL or without, and not its beginning: "exitus" is a message. */
static bool is_exit(const wchar_t *message, DWORD length)
{
    size_t units = length / sizeof *message;
    if (units > 0 && message[units - 1] == L'\0')
        units--;
    if (units > 0 && message[units - 1] == L'\n')
        units--;
    return length % sizeof *message == 0 && units == strlen(EXIT_TEXT) &&
           wmemcmp(message, WIDE(EXIT_TEXT), units) == 0;
}

/* Reports a failed call that concerns one instance, and must not end the others. */
static bool report(const char *call, DWORD error)
{
    say(stderr, PROGRAM ": %s: error %lu", call, error);
    return false;
}

/* Runs in a thread of its own, that Windows starts for the event. */
static BOOL WINAPI on_control_event(DWORD event)
{
    if (!SetEvent(stop))
        return FALSE;
    /* When the window is closed, at logoff and at shutdown Windows ends the program as soon as
     * this function returns. So it does not return: main ends the program. */
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
        Sleep(INFINITE);
    return TRUE;
}

static int end_on_ctrl_c(void)
{
    /* Meanwhile, make the instances that could not be made. What was short may be short for a
     * while: without a pause this would try again and again at full speed. */
    HANDLE events[] = {stop, missing};
    DWORD which;
    while ((which = WaitForMultipleObjects(2, events, FALSE, INFINITE)) ==
           WAIT_OBJECT_0 + 1)
        while (WaitForSingleObject(stop, PAUSE_MILLISECONDS) == WAIT_TIMEOUT &&
               !add_instance(0))
            continue;
    if (which == WAIT_FAILED)
        fail("WaitForMultipleObjects");
    /* STEP 7: End. The name goes with its last handle; the clients see the end. */
    AcquireSRWLockExclusive(&printing); /* nobody prints behind this line */
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}
