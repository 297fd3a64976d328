/*
 * server_acceptex.c - a completion port for everything: accepting is an operation, too.
 *
 * Usage: server_acceptex [PORT]
 *
 * The contract is that of server.c. Three things differ. No thread blocks in accept(): ACCEPTS
 * operations AcceptEx are under way, and their packets come to the port. A worker takes several
 * packets at once (GetQueuedCompletionStatusEx). An operation that is done at once makes no
 * packet (FILE_SKIP_COMPLETION_PORT_ON_SUCCESS): the thread that started it goes on.
 *
 * To try: server_acceptex, then load 127.0.0.1 7710 1000 100.
 */
#include "contract.h"
#include "ipclab.h"

#include <mswsock.h>

#define PACKETS_AT_ONCE 32

/* How many AcceptEx are under way: so many clients are accepted before a worker comes to them. */
#define ACCEPTS 16

/* How many operations a worker does at once for one client before others get a turn. */
#define TURNS 16

/* One AcceptEx. It is not under way if the system has no room for another socket. */
struct accept {
    OVERLAPPED overlapped; /* first, so that its address is the accept's */
    SOCKET socket;         /* what the next client will be connected to */
    bool waiting;          /* it is under way */
    char addresses[2 *
                   (sizeof(struct sockaddr_in) + 16)]; /* the size that AcceptEx needs */
};

/* A client, and the one operation that is under way for it. Meanwhile all of this belongs to the
 * system. It is free for the thread that learns that it is done, which starts the next. */
struct client {
    OVERLAPPED overlapped; /* where the system keeps the operation's state */
    enum { RECEIVE, SEND } operation;
    SOCKET socket;
    long number;
    DWORD sent, length;                 /* of the bytes that wait to be sent */
    struct client *next, **predecessor; /* the list of all clients */
    char bytes[BUFFER_SIZE];
};

static HANDLE queue; /* the completion port */
static SOCKET listener;
static LPFN_ACCEPTEX accept_ex;

/* What the threads share. */
static SRWLOCK lock = SRWLOCK_INIT;
static CONDITION_VARIABLE empty = CONDITION_VARIABLE_INIT;
static struct client *clients;
static struct accept accepts[ACCEPTS];
static int accepts_waiting;
static bool stopping;

static void start_workers(void);
static void work(void *argument);
static void find_accept(void);
static void start_accepts(void);
static void expect_room(const char *call, int error);
static void accept_client(struct accept *accept, bool done);
static struct client *new_client(SOCKET socket);
static void add_to_list(struct client *client);
static void serve(struct client *client, bool done, DWORD length);
static bool start_next(struct client *client, DWORD *length);
static void leave(struct client *client);
static void stop(void);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the port. */
    begin_program("server", "[PORT]", &argv);
    if (argc > 2)
        usage_exit();
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    parse_long("PORT", port, 0, MAX_PORT);

    /* STEP 2: Listen on the port. */
    listener = tcp_listen(DEFAULT_HOST, port);

    /* STEP 3: Create the queue, a completion port, bind the listener to it, with the key 0, and
     * start what waits for clients. The workers do everything else. */
    queue = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    if (queue == NULL)
        sys_error("CreateIoCompletionPort");
    if (CreateIoCompletionPort((HANDLE)listener, queue, 0, 0) == NULL)
        sys_error("CreateIoCompletionPort");
    find_accept();
    AcquireSRWLockExclusive(&lock);
    start_accepts();
    ReleaseSRWLockExclusive(&lock);
    start_workers();
    const char *address = socket_address(listener); /* before stop() may close it */
    end_on_interrupt(stop);
    log_event("server: ready %s", address);
    for (;;)
        Sleep(INFINITE);
}

/* Starts two threads for each processor: while one is blocked elsewhere, another can run. */
static void start_workers(void)
{
    SYSTEM_INFO machine;
    GetSystemInfo(&machine);
    for (DWORD i = 0; i < 2 * machine.dwNumberOfProcessors; i++)
        if (!start_thread(work, NULL))
            sys_error("_beginthreadex");
}

/* A worker: takes as many packets as there are, and does what follows for each. */
static void work(void *argument)
{
    (void)argument;
    for (;;) {
        /* STEP 4: Wait until operations are done. A packet does not contain whether its operation
         * has failed; the OVERLAPPED does. */
        OVERLAPPED_ENTRY packets[PACKETS_AT_ONCE];
        ULONG count;
        if (!GetQueuedCompletionStatusEx(queue, packets, PACKETS_AT_ONCE, &count,
                                         INFINITE, FALSE))
            sys_error("GetQueuedCompletionStatusEx");
        for (ULONG i = 0; i < count; i++) {
            struct client *client = (struct client *)packets[i].lpCompletionKey;
            DWORD length, flags;
            bool done = WSAGetOverlappedResult(client != NULL ? client->socket : listener,
                                               packets[i].lpOverlapped, &length, FALSE,
                                               &flags);
            if (client == NULL)
                accept_client((struct accept *)packets[i].lpOverlapped, done);
            else
                serve(client, done, length);
        }
    }
}

/* Finds AcceptEx. No import library that every compiler has contains it. */
static void find_accept(void)
{
    GUID name = WSAID_ACCEPTEX;
    DWORD length;
    if (WSAIoctl(listener, SIO_GET_EXTENSION_FUNCTION_POINTER, &name, sizeof name,
                 &accept_ex, sizeof accept_ex, &length, NULL, NULL) != 0)
        sys_error("WSAIoctl");
}

/* Starts every AcceptEx that is not under way. The caller holds the lock. If there is no room for
 * a socket, leave() tries again. */
static void start_accepts(void)
{
    for (int i = 0; i < ACCEPTS && !stopping;) {
        struct accept *accept = &accepts[i];
        if (accept->waiting) {
            i++;
            continue;
        }
        DWORD length;
        accept->overlapped = (OVERLAPPED){0};
        accept->socket = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0,
                                    WSA_FLAG_OVERLAPPED);
        if (accept->socket == INVALID_SOCKET) {
            expect_room("WSASocket", WSAGetLastError());
            return;
        }
        /* 0: do not wait for the client's first bytes, because the server sends first. */
        accept->waiting = accept_ex(listener, accept->socket, accept->addresses, 0,
                                    sizeof accept->addresses / 2,
                                    sizeof accept->addresses / 2, &length,
                                    &accept->overlapped) ||
                          WSAGetLastError() == WSA_IO_PENDING;
        if (accept->waiting) {
            accepts_waiting++;
            continue;
        }
        int error = WSAGetLastError();
        closesocket(accept->socket);
        if (error !=
            WSAECONNRESET) { /* which means: a client came and has left; try again */
            expect_room("AcceptEx", error);
            return;
        }
    }
}

/* A call has failed with `error`. Ends the program, unless the reason is that there is no room,
 * and a client that leaves or an AcceptEx that is done will make some. */
static void expect_room(const char *call, int error)
{
    if ((clients == NULL && accepts_waiting == 0) ||
        (error != WSAEMFILE && error != WSAENOBUFS))
        sys_error_number(call, error);
    SetLastError((DWORD)error);
    log_sys_error(call);
}

/* STEP 5: A client has connected, or AcceptEx has failed or was cancelled. Start the next
 * AcceptEx, and send the welcome. */
static void accept_client(struct accept *accept, bool done)
{
    SOCKET socket = accept->socket;
    struct client *client = done ? new_client(socket) : NULL;
    AcquireSRWLockExclusive(&lock);
    accept->waiting = false;
    accepts_waiting--;
    if (client != NULL && !stopping) {
        add_to_list(client);
    } else {
        closesocket(socket);
        free(client);
        client = NULL;
    }
    start_accepts();
    if (clients == NULL && accepts_waiting == 0)
        WakeConditionVariable(&empty);
    ReleaseSRWLockExclusive(&lock);
    if (client == NULL)
        return;

    /* The welcome is sent as if it had come from the client. */
    memcpy(client->bytes, WELCOME, sizeof WELCOME);
    client->operation = RECEIVE;
    serve(client, true, sizeof WELCOME);
}

/* Returns a client for a socket that was accepted, or NULL if it has left. */
static struct client *new_client(SOCKET socket)
{
    /* Before this call the socket does not know its listener, and shutdown() fails. */
    if (setsockopt(socket, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (const char *)&listener,
                   sizeof listener) != 0)
        return NULL;
    struct client *client = allocate(sizeof *client);
    client->socket = socket;
    if (CreateIoCompletionPort((HANDLE)socket, queue, (ULONG_PTR)client, 0) == NULL)
        sys_error("CreateIoCompletionPort");
    if (!SetFileCompletionNotificationModes((HANDLE)socket,
                                            FILE_SKIP_COMPLETION_PORT_ON_SUCCESS))
        sys_error("SetFileCompletionNotificationModes");
    return client;
}

/* From here on stop() sees the client. The caller holds the lock. */
static void add_to_list(struct client *client)
{
    static long number;
    client->number = ++number;
    client->next = clients;
    client->predecessor = &clients;
    if (clients != NULL)
        clients->predecessor = &client->next;
    clients = client;
    log_event("server: client %ld connected", client->number);
}

/* STEP 6: A client's operation is done: start the next. If that is done at once, there is no
 * packet: go on. Never two at once, so that the bytes stay in order. */
static void serve(struct client *client, bool done, DWORD length)
{
    for (int turn = 0; done && length > 0; turn++) {
        if (turn == TURNS) {
            /* Other clients wait. The packet that was spared is put at the end of the queue. */
            if (!PostQueuedCompletionStatus(queue, length, (ULONG_PTR)client,
                                            &client->overlapped))
                sys_error("PostQueuedCompletionStatus");
            return;
        }
        if (client->operation == RECEIVE) {
            client->sent = 0;
            client->length = length;
        } else {
            client->sent += length;
        }
        done = start_next(client, &length);
        if (!done && WSAGetLastError() == WSA_IO_PENDING)
            return; /* the client is the system's now, and perhaps another worker's */
    }
    leave(client); /* the connection was reset or cancelled, or end of file */
}

/* Starts to send what is left, or to receive. Returns true if that is done at once, with `length`
 * bytes. */
static bool start_next(struct client *client, DWORD *length)
{
    WSABUF rest = {client->length - client->sent, client->bytes + client->sent};
    WSABUF whole = {sizeof client->bytes, client->bytes};
    DWORD flags = 0;
    client->operation = rest.len > 0 ? SEND : RECEIVE;
    client->overlapped = (OVERLAPPED){0};
    if (client->operation == SEND)
        return WSASend(client->socket, &rest, 1, length, 0, &client->overlapped, NULL) ==
               0;
    return WSARecv(client->socket, &whole, 1, length, &flags, &client->overlapped,
                   NULL) == 0;
}

/* STEP 7: A client has left: close its socket, which also removes it from the queue. */
static void leave(struct client *client)
{
    AcquireSRWLockExclusive(&lock); /* stop() must not use the socket meanwhile */
    if (closesocket(client->socket) != 0)
        sys_error("closesocket");
    log_event("server: client %ld left", client->number);
    *client->predecessor = client->next;
    if (client->next != NULL)
        client->next->predecessor = client->predecessor;
    start_accepts(); /* there may be room again */
    if (clients == NULL && accepts_waiting == 0)
        WakeConditionVariable(&empty);
    ReleaseSRWLockExclusive(&lock);
    free(client);
}

/* STEP 8: End on Ctrl-C, in a thread of its own: cancel what is under way, and wait until every
 * operation has completed and its client is freed. */
static void stop(void)
{
    AcquireSRWLockExclusive(&lock);
    stopping = true;
    CancelIoEx((HANDLE)listener, NULL);
    for (struct client *client = clients; client != NULL; client = client->next) {
        /* A worker may be about to start the next operation: after shutdown() it fails.
         * CancelIoEx fails if nothing is under way: that is no error here. */
        shutdown(client->socket, SD_BOTH);
        CancelIoEx((HANDLE)client->socket, NULL);
    }
    while (clients != NULL || accepts_waiting > 0)
        if (!SleepConditionVariableSRW(&empty, &lock, INFINITE, 0))
            sys_error("SleepConditionVariableSRW");
    closesocket(listener);
    ReleaseSRWLockExclusive(&lock);
}
