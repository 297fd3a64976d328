/*
 * server_overlapped.c - as server.c, one thread for all clients: overlapped operations.
 *
 * Usage: server_overlapped [--remote] [--idle SECONDS] [PIPE]
 *
 * Sends back what clients send on the pipe PIPE (\\.\pipe\$$MyPipe$$). Ends on Ctrl-C; with
 * --idle also when for SECONDS nothing has happened and no client is there.
 *
 * Each call starts an operation and returns. That a client has connected is told by an event;
 * that a read or a write is over, by a call of a completion routine, which this thread makes
 * itself, while it waits, in the order in which they are over. A wait takes 64 objects at the most;
 * completion routines need none, so there may be any number of clients.
 */
#define PROGRAM "server"

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
#define MAX_IDLE_SECONDS 86400
#define PAUSE_MILLISECONDS 1000 /* before an instance is tried again */

/* An instance of the pipe, and later its client. As long as an operation is under way, the
 * system writes into `io` and `message`: they must stay until it is over. */
struct instance {
    OVERLAPPED io; /* first, because a completion routine gets its address alone */
    HANDLE pipe;
    bool waits; /* for a client */
    bool leaves;
    LONG number;
    wchar_t message[MAX_MESSAGE / sizeof(wchar_t)];
};

/* What every instance of the pipe is made with. */
static const wchar_t *name;
static DWORD remote_clients = PIPE_REJECT_REMOTE_CLIENTS;
static SECURITY_ATTRIBUTES security = {.nLength = sizeof security};

static LONG client_count, clients_here;
static HANDLE stop;

static bool take_arguments(int argc, wchar_t *argv[], bool *remote, DWORD *idle);
static struct instance *start_connect(HANDLE event, DWORD flags);
static struct instance *give_back(struct instance *instance, const char *call,
                                  DWORD error);
static void cancel_connect(struct instance *instance);
static void serve(struct instance *client);
static void start_read(struct instance *client);
static void CALLBACK on_read(DWORD error, DWORD length, OVERLAPPED *io);
static void CALLBACK on_written(DWORD error, DWORD length, OVERLAPPED *io);
static void disconnect(struct instance *client);
static char *quoted_text(const wchar_t *message, DWORD length);
static char *utf8(const wchar_t *wide, size_t units, size_t *size);
static bool is_exit(const wchar_t *message, DWORD length);
static BOOL WINAPI on_control_event(DWORD event);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: whether other machines are let in, how long to wait for the
     * next client, and the pipe's name. */
    bool remote = false;
    DWORD idle = INFINITE;
    if (!take_arguments(argc, argv, &remote, &idle)) {
        say(stderr, "usage: server_overlapped [--remote] [--idle SECONDS] [PIPE]");
        return 2;
    }
    stop = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (stop == NULL || !SetConsoleCtrlHandler(on_control_event, TRUE))
        fail("SetConsoleCtrlHandler");

    /* STEP 2: Make the name on which clients find us, with as many free instances as clients may
     * come at once. Who may open them stands in the security descriptor. */
    if (remote)
        remote_clients = PIPE_ACCEPT_REMOTE_CLIENTS;
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(
            remote ? WIDE(REMOTE_SDDL) : WIDE(LOCAL_SDDL), SDDL_REVISION_1,
            &security.lpSecurityDescriptor, NULL))
        fail("ConvertStringSecurityDescriptorToSecurityDescriptor");
    struct instance *waiting[FREE_INSTANCES];
    HANDLE events[1 + FREE_INSTANCES] = {stop};
    for (int i = 0; i < FREE_INSTANCES; i++) {
        events[1 + i] = CreateEventW(NULL, TRUE, FALSE, NULL);
        if (events[1 + i] == NULL)
            fail("CreateEvent");
        waiting[i] = start_connect(events[1 + i],
                                   i == 0 ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0);
        if (waiting[i] == NULL)
            return EXIT_FAILURE;
    }
    size_t size;
    char *shown = utf8(name, wcslen(name), &size);
    say(stdout, "server: ready %s", shown);
    free(shown);

    for (bool over = false, lacking = false; !over;) {
        /* STEP 3: Wait for a client, and meanwhile let completion routines run: this is an
         * alertable wait, and they run in no other. */
        DWORD which = WaitForMultipleObjectsEx(1 + FREE_INSTANCES, events, FALSE,
                                               lacking ? PAUSE_MILLISECONDS : idle, TRUE);
        if (which == WAIT_FAILED)
            fail("WaitForMultipleObjectsEx");
        if (which == WAIT_TIMEOUT && lacking) { /* try again what has failed */
            lacking = false;
            for (int i = 0; i < FREE_INSTANCES; i++)
                if (waiting[i] == NULL &&
                    (waiting[i] = start_connect(events[1 + i], 0)) == NULL)
                    lacking = true;
            continue;
        }
        over = which == WAIT_OBJECT_0 || (which == WAIT_TIMEOUT && clients_here == 0);
        if (over || which == WAIT_TIMEOUT || which == WAIT_IO_COMPLETION)
            continue;

        /* STEP 4: Make another free instance in the place of the one that is taken, and start
         * with the client; STEP 5 and STEP 6 follow in the completion routines. */
        struct instance *client = waiting[which - WAIT_OBJECT_0 - 1];
        waiting[which - WAIT_OBJECT_0 - 1] = start_connect(events[which - WAIT_OBJECT_0],
                                                           0);
        lacking = lacking || waiting[which - WAIT_OBJECT_0 - 1] == NULL;
        serve(client);
    }

    /* STEP 7: End on Ctrl-C, or when nobody has come for so long. */
    for (int i = 0; i < FREE_INSTANCES; i++)
        if (waiting[i] != NULL)
            cancel_connect(waiting[i]);
    LocalFree(security.lpSecurityDescriptor);
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

static bool take_arguments(int argc, wchar_t *argv[], bool *remote, DWORD *idle)
{
    int next = 1;
    if (next < argc && wcscmp(argv[next], L"--remote") == 0) {
        *remote = true;
        next++;
    }
    if (next + 1 < argc && wcscmp(argv[next], L"--idle") == 0) {
        wchar_t *end;
        unsigned long seconds = wcstoul(argv[next + 1], &end, 10);
        if (*end != L'\0' || seconds == 0 || seconds > MAX_IDLE_SECONDS)
            return false;
        *idle = seconds * 1000;
        next += 2;
    }
    name = next < argc ? argv[next] : WIDE(PIPE_PREFIX) WIDE(PIPE_NAME);
    return argc - next <= 1 && *name != L'\0' && *name != L'-';
}

/* Makes an instance of the pipe and starts to wait for its client; `event` tells when one has
 * come. An operation on a handle made for overlapped ones needs an OVERLAPPED always: without
 * it, ConnectNamedPipe may return before anybody has come. Returns NULL if it cannot be made. */
static struct instance *start_connect(HANDLE event, DWORD flags)
{
    if (!ResetEvent(event))
        fail("ResetEvent");
    struct instance *instance = calloc(1, sizeof *instance);
    if (instance == NULL)
        return give_back(NULL, "calloc", ERROR_OUTOFMEMORY);
    /* No room for echoes: a write is over when the client has read it, and then nothing is
     * left to flush. FlushFileBuffers has no overlapped form: it would keep everybody waiting. */
    instance->pipe = CreateNamedPipeW(
        name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | flags,
        PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_WAIT | remote_clients,
        PIPE_UNLIMITED_INSTANCES, 0, BUFFER_SIZE, DEFAULT_WAIT_MILLISECONDS, &security);
    if (instance->pipe == INVALID_HANDLE_VALUE)
        return give_back(instance, "CreateNamedPipe", GetLastError());
    instance->io.hEvent = event;
    DWORD error = ConnectNamedPipe(instance->pipe, &instance->io) ? ERROR_PIPE_CONNECTED
                                                                  : GetLastError();
    instance->waits = error == ERROR_IO_PENDING;
    if (!instance->waits && error != ERROR_PIPE_CONNECTED && error != ERROR_NO_DATA) {
        CloseHandle(instance->pipe);
        return give_back(instance, "ConnectNamedPipe", error);
    }
    /* A client that was quicker than this call is there already, or has even left again. */
    if (!instance->waits && !SetEvent(event))
        fail("SetEvent");
    return instance;
}

/* Reports a failed call, which must not end the conversations with others. Returns NULL. */
static struct instance *give_back(struct instance *instance, const char *call,
                                  DWORD error)
{
    say(stderr, PROGRAM ": %s: error %lu", call, error);
    free(instance);
    return NULL;
}

/* Ends the wait for a client. To ask for the end is not enough: until the operation is over,
 * the system may write into our memory, so wait before it is freed. A client may have come at
 * that very moment; it sees the end of the pipe. */
static void cancel_connect(struct instance *instance)
{
    DWORD nothing;
    if (instance->waits && !CancelIoEx(instance->pipe, &instance->io) &&
        GetLastError() != ERROR_NOT_FOUND)
        fail("CancelIoEx");
    if (instance->waits &&
        !GetOverlappedResult(instance->pipe, &instance->io, &nothing, TRUE) &&
        GetLastError() != ERROR_OPERATION_ABORTED && GetLastError() != ERROR_BROKEN_PIPE)
        fail("GetOverlappedResult");
    if (!CloseHandle(instance->pipe))
        fail("CloseHandle");
    free(instance);
}

static void serve(struct instance *client)
{
    DWORD nothing;
    bool came = !client->waits ||
                GetOverlappedResult(client->pipe, &client->io, &nothing, FALSE);
    client->number = ++client_count;
    clients_here++;
    say(stdout, "server: client %ld connected", client->number);
    if (came)
        start_read(client);
    else
        disconnect(client); /* it has left again */
}

/* STEP 5: Send back each message as it came, until "exit" or the client's end. Here a message
 * starts; the two routines below are called when it has come, and when its echo is read. */
static void start_read(struct instance *client)
{
    client->io = (OVERLAPPED){0};
    /* A message that is too long is told by the routine, whether or not it is there already. */
    if (!ReadFileEx(client->pipe, client->message, MAX_MESSAGE, &client->io, on_read) &&
        GetLastError() != ERROR_MORE_DATA)
        disconnect(client);
}

static void CALLBACK on_read(DWORD error, DWORD length, OVERLAPPED *io)
{
    struct instance *client = (struct instance *)io;
    if (error == ERROR_MORE_DATA)
        say(stderr, PROGRAM ": client %ld sent a message of more than %d bytes",
            client->number, MAX_MESSAGE);
    else if (error != 0 && error != ERROR_BROKEN_PIPE)
        say(stderr, PROGRAM ": ReadFileEx: error %lu", error);
    if (error != 0) {
        disconnect(client);
        return;
    }
    char *text = quoted_text(client->message, length);
    say(stdout, "server: received %s", text);
    free(text);
    client->leaves = is_exit(client->message, length);
    client->io = (OVERLAPPED){0};
    if (!WriteFileEx(client->pipe, client->message, length, &client->io, on_written))
        disconnect(client);
}

static void CALLBACK on_written(DWORD error, DWORD length, OVERLAPPED *io)
{
    (void)length;
    struct instance *client = (struct instance *)io;
    if (error != 0 || client->leaves)
        disconnect(client);
    else
        start_read(client);
}

/* STEP 6: Disconnect. No operation is under way: each starts where the one before is over. */
static void disconnect(struct instance *client)
{
    DisconnectNamedPipe(client->pipe);
    if (!CloseHandle(client->pipe))
        fail("CloseHandle");
    say(stdout, "server: client %ld left", client->number);
    clients_here--;
    free(client);
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
