/*
 * server_overlapped.c - as server.c, with one thread for all clients: overlapped operations.
 *
 * Usage: server_overlapped [--remote] [--idle SECONDS] [PIPE]
 *
 * Sends back what clients send through the pipe PIPE (\\.\pipe\$$MyPipe$$). Ctrl-C ends the
 * server; with --idle it also ends if for SECONDS nothing has happened and no client is
 * connected.
 *
 * An overlapped call starts an operation and returns. That a client has connected is reported
 * by an event. That a read or a write is over is reported by a call of a completion routine,
 * which this thread makes itself while it waits. A wait takes at most 64 objects; completion
 * routines need none, so there may be any number of clients.
 *
 * If an instance cannot be created, the server tries again once a second, and serves its clients
 * meanwhile.
 * To try: server_overlapped --idle 5.
 */
#include "contract.h"
#include "ipclab.h"

#include <sddl.h>

/* An instance of the pipe, and later its client. While an operation is pending the system
 * writes into `io` and `message`: they must stay until it is over. */
struct instance {
    OVERLAPPED io; /* first, because a completion routine gets its address */
    HANDLE pipe;
    bool pending; /* ConnectNamedPipe */
    bool ending;  /* the client has sent "exit" */
    LONG number;
    wchar_t message[MAX_MESSAGE / sizeof(wchar_t)];
};

/* What all instances are created with. */
static wchar_t *name;
static DWORD remote_clients = PIPE_REJECT_REMOTE_CLIENTS;
static SECURITY_ATTRIBUTES security = {.nLength = sizeof security};

static LONG clients, clients_here;

static void allow_clients(bool remote);
static struct instance *start_connect(HANDLE event, DWORD flags);
static void cancel_connect(struct instance *instance);
static void serve(struct instance *client);
static void start_read(struct instance *client);
static void CALLBACK on_read(DWORD error, DWORD size, OVERLAPPED *io);
static void CALLBACK on_written(DWORD error, DWORD size, OVERLAPPED *io);
static void disconnect(struct instance *client);
static size_t text_length(const wchar_t *message, DWORD size);
static bool is_exit(const wchar_t *message, DWORD size);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: whether other machines are let in, how long to wait for a
     * client, and the pipe's name. */
    begin_program("server", "[--remote] [--idle SECONDS] [PIPE]", &argv);
    bool remote = argc > 1 && strcmp(argv[1], "--remote") == 0;
    int next = 1 + remote;
    DWORD idle = INFINITE;
    if (argc > next + 1 && strcmp(argv[next], "--idle") == 0) {
        idle = 1000 * (DWORD)parse_long("SECONDS", argv[next + 1], 1, MAX_IDLE_SECONDS);
        next += 2;
    }
    const char *path = argc > next ? argv[next] : PIPE_PREFIX PIPE_NAME;
    if (argc > next + 1 || *path == '\0' || *path == '-')
        usage_exit();

    /* STEP 2: Create the name that clients open, with many instances. An event for each of them
     * reports that a client has connected. */
    name = to_utf16(path);
    allow_clients(remote);
    struct instance *waiting[FREE_INSTANCES];
    HANDLE events[1 + FREE_INSTANCES] = {interrupt_event()};
    bool missing = false; /* an instance could not be created */
    ULONGLONG next_try = 0;
    for (int i = 0; i < FREE_INSTANCES; i++) {
        events[1 + i] = CreateEventW(NULL, TRUE, FALSE, NULL);
        if (events[1 + i] == NULL)
            sys_error("CreateEvent");
        waiting[i] = start_connect(events[1 + i],
                                   i == 0 ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0);
        if (waiting[0] == NULL) /* another server has the name */
            return EXIT_FAILURE;
        missing = missing || waiting[i] == NULL;
    }
    log_event("server: ready %s", path);

    for (;;) {
        if (missing && GetTickCount64() >= next_try) {
            missing = false;
            for (int i = 0; i < FREE_INSTANCES; i++) {
                if (waiting[i] == NULL)
                    waiting[i] = start_connect(events[1 + i], 0);
                missing = missing || waiting[i] == NULL;
            }
            next_try = GetTickCount64() + PAUSE_MILLISECONDS;
        }

        /* STEP 3: Wait for a client. Completion routines run only in an alertable wait like
         * this one, which then returns WAIT_IO_COMPLETION. */
        DWORD which = WaitForMultipleObjectsEx(1 + FREE_INSTANCES, events, FALSE,
                                               missing ? PAUSE_MILLISECONDS : idle, TRUE);
        if (which == WAIT_FAILED)
            sys_error("WaitForMultipleObjectsEx");
        if (which == WAIT_OBJECT_0 ||
            (which == WAIT_TIMEOUT && clients_here == 0 && !missing))
            break;
        if (which == WAIT_TIMEOUT || which == WAIT_IO_COMPLETION)
            continue;

        /* STEP 4: Create another instance in place of the one that is taken. Begin with the
         * client: STEP 5 and STEP 6 follow in the completion routines. */
        DWORD i = which - WAIT_OBJECT_0 - 1;
        struct instance *client = waiting[i];
        waiting[i] = start_connect(events[1 + i], 0);
        missing = missing || waiting[i] == NULL;
        serve(client);
    }

    /* STEP 7: End on Ctrl-C, or if no client has come for so long. */
    for (int i = 0; i < FREE_INSTANCES; i++)
        if (waiting[i] != NULL)
            cancel_connect(waiting[i]);
    log_event("server: done");
    return EXIT_SUCCESS;
}

/* Decides who may open the pipe (contract.h). Listing 5 does this in the client, where it
 * has no effect: the security of an object is set when it is created. */
static void allow_clients(bool remote)
{
    if (remote)
        remote_clients = PIPE_ACCEPT_REMOTE_CLIENTS;
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(
            remote ? REMOTE_SDDL : LOCAL_SDDL, SDDL_REVISION_1,
            &security.lpSecurityDescriptor, NULL))
        sys_error("ConvertStringSecurityDescriptorToSecurityDescriptor");
}

/* Creates an instance of the pipe and starts to wait for its client; `event` reports when it
 * has come. On a handle that is opened with FILE_FLAG_OVERLAPPED every operation needs an
 * OVERLAPPED: without it, ConnectNamedPipe may return before a client has come. Returns NULL if
 * it fails. */
static struct instance *start_connect(HANDLE event, DWORD flags)
{
    ResetEvent(event);
    struct instance *instance = allocate(sizeof *instance);
    *instance = (struct instance){.io.hEvent = event};
    /* With an output buffer of 0 bytes a write is over when the client has read it. Then
     * nothing is left for FlushFileBuffers, which would keep all clients waiting. The input
     * buffer has room for a whole message: a client may send one more before it reads. */
    instance->pipe = CreateNamedPipeW(
        name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | flags,
        PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_WAIT | remote_clients,
        PIPE_UNLIMITED_INSTANCES, 0, MAX_MESSAGE, DEFAULT_WAIT_MILLISECONDS, &security);
    if (instance->pipe == INVALID_HANDLE_VALUE) {
        log_sys_error("CreateNamedPipe");
        free(instance);
        return NULL;
    }
    DWORD error = ConnectNamedPipe(instance->pipe, &instance->io) ? ERROR_PIPE_CONNECTED
                                                                  : GetLastError();
    instance->pending = error == ERROR_IO_PENDING;
    if (!instance->pending && error != ERROR_PIPE_CONNECTED && error != ERROR_NO_DATA) {
        log_sys_error("ConnectNamedPipe");
        CloseHandle(instance->pipe);
        free(instance);
        return NULL;
    }
    if (!instance->pending) /* a client that was quicker than this call */
        SetEvent(event);
    return instance;
}

/* Ends the wait for a client. CancelIoEx only asks for that: until the operation is over the
 * system may write into `io`, so wait before it is freed. */
static void cancel_connect(struct instance *instance)
{
    DWORD size;
    if (instance->pending && CancelIoEx(instance->pipe, &instance->io))
        GetOverlappedResult(instance->pipe, &instance->io, &size, TRUE);
    CloseHandle(instance->pipe);
    free(instance);
}

static void serve(struct instance *client)
{
    DWORD size;
    client->number = ++clients;
    clients_here++;
    log_event("server: client %ld connected", client->number);
    if (client->pending && !GetOverlappedResult(client->pipe, &client->io, &size, FALSE))
        disconnect(client); /* it has left again */
    else
        start_read(client);
}

/* STEP 5: Send back each message as it came, until "exit" or the client's end. This starts
 * to read a message. The system calls on_read when it has come, and on_written when its echo
 * is read. */
static void start_read(struct instance *client)
{
    client->io = (OVERLAPPED){0};
    /* If the message is there already and too long, on_read is called all the same. */
    if (!ReadFileEx(client->pipe, client->message, MAX_MESSAGE, &client->io, on_read) &&
        GetLastError() != ERROR_MORE_DATA)
        disconnect(client);
}

static void CALLBACK on_read(DWORD error, DWORD size, OVERLAPPED *io)
{
    struct instance *client = (struct instance *)io;
    if (error != 0) {
        if (error != ERROR_BROKEN_PIPE)
            log_error("ReadFileEx: error %lu", error);
        disconnect(client);
        return;
    }
    log_utf16("server: received", client->message, text_length(client->message, size));
    client->ending = is_exit(client->message, size);
    client->io = (OVERLAPPED){0};
    if (!WriteFileEx(client->pipe, client->message, size, &client->io, on_written))
        disconnect(client);
}

static void CALLBACK on_written(DWORD error, DWORD size, OVERLAPPED *io)
{
    (void)size;
    struct instance *client = (struct instance *)io;
    if (error != 0 || client->ending)
        disconnect(client);
    else
        start_read(client);
}

/* STEP 6: Disconnect. No operation is pending: each is started after the one before is over. */
static void disconnect(struct instance *client)
{
    DisconnectNamedPipe(client->pipe);
    CloseHandle(client->pipe);
    log_event("server: client %ld left", client->number);
    clients_here--;
    free(client);
}

/* How many units of a message are text: all but the NUL at its end, if it has one. */
static size_t text_length(const wchar_t *message, DWORD size)
{
    size_t length = size / sizeof *message;
    return length > 0 && message[length - 1] == L'\0' ? length - 1 : length;
}

/* Whether the whole text is "exit", with or without a newline: "exitus" is not. */
static bool is_exit(const wchar_t *message, DWORD size)
{
    size_t length = text_length(message, size);
    if (length > 0 && message[length - 1] == L'\n')
        length--;
    return size % sizeof *message == 0 && length == wcslen(WIDE_EXIT_TEXT) &&
           wcsncmp(message, WIDE_EXIT_TEXT, length) == 0;
}
