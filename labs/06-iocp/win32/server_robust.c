/*
 * server_robust.c - server.c, and what clients that leave, and too many clients, take.
 *
 * Usage: server_robust [PORT]
 *
 * What is added to server.c (`make diff LAB=06 SYSTEM=win32` shows the lines), and why:
 * - accept_client: a client may leave before it is accepted (WSAECONNRESET). If the system has no
 *   room for another client, that one waits until a client has left; the semaphore `left` counts
 *   these. Without it accept() would fail again and again, at full speed.
 * - sent, length: a send that took a part only is continued.
 * - clients, lock, stop: Ctrl-C cancels every operation that is under way. Each still completes,
 *   as failed or as done; only then its memory is free. The program waits until all are.
 *
 * A client that does not read takes nothing more here: its send is under way, no thread waits for
 * it, and it costs one buffer, because the next receive starts when the send is done.
 *
 * Counterpart: ../unix/server_robust.c.
 * To try: load 127.0.0.1 7710 1000 100, and Ctrl-C in the server's window meanwhile.
 */
#include "contract.h"
#include "ipclab.h"

#include <limits.h>

/* A client, and the one operation that is under way for it. Meanwhile all of this belongs to the
 * system. It is free for the thread that takes the packet, and that thread starts the next. */
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
static HANDLE left; /* a semaphore: how many clients have left and were not yet counted */

/* What the threads share. */
static SRWLOCK lock = SRWLOCK_INIT;
static CONDITION_VARIABLE empty = CONDITION_VARIABLE_INIT;
static struct client *clients;
static bool stopping;

static void start_workers(void);
static void work(void *argument);
static void accept_client(void);
static void accept_failed(long here);
static void add_to_list(struct client *client);
static void serve(struct client *client, bool done, DWORD length);
static void start_receive(struct client *client);
static void start_send(struct client *client);
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
    left = CreateSemaphoreW(NULL, 0, LONG_MAX, NULL);
    if (left == NULL)
        sys_error("CreateSemaphore");

    /* STEP 3: Create the queue, a completion port, and the threads that wait at it. The last 0
     * lets as many of them run at the same time as there are processors. */
    queue = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    if (queue == NULL)
        sys_error("CreateIoCompletionPort");
    start_workers();
    const char *address = socket_address(listener); /* before stop() may close it */
    end_on_interrupt(stop);
    log_event("server: ready %s", address);

    /* This thread waits for clients (STEP 5), the workers for completions (STEP 4). */
    for (;;)
        accept_client();
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

/* A worker: one of the threads at the queue. */
static void work(void *argument)
{
    (void)argument;
    for (;;) {
        /* STEP 4: Wait until an operation is done. FALSE with an OVERLAPPED: the operation has
         * failed. FALSE without one: this call itself has failed. */
        DWORD length;
        ULONG_PTR key; /* what CreateIoCompletionPort stored for the socket: its client */
        OVERLAPPED *overlapped;
        bool done = GetQueuedCompletionStatus(queue, &length, &key, &overlapped,
                                              INFINITE);
        if (overlapped == NULL)
            sys_error("GetQueuedCompletionStatus");
        serve((struct client *)key, done, length);
    }
}

/* STEP 5: Wait until a client has connected, bind its socket to the queue, and send the welcome.
 * From now on its packets come to the queue. */
static void accept_client(void)
{
    static long number;
    static long here; /* clients that have come and were not yet counted as left */
    while (WaitForSingleObject(left, 0) == WAIT_OBJECT_0)
        here--;
    SOCKET socket = accept(listener, NULL, NULL);
    if (socket == INVALID_SOCKET) {
        accept_failed(here);
        return;
    }
    here++;
    struct client *client = allocate(sizeof *client);
    client->socket = socket;
    client->number = ++number;
    log_event("server: client %ld connected", client->number);
    if (CreateIoCompletionPort((HANDLE)client->socket, queue, (ULONG_PTR)client, 0) ==
        NULL)
        sys_error("CreateIoCompletionPort");
    memcpy(client->bytes, WELCOME, sizeof WELCOME);
    client->sent = 0;
    client->length = sizeof WELCOME;
    add_to_list(client);
    start_send(client);
}

/* accept() has failed, and `here` clients are connected. Returns when it can be tried again. */
static void accept_failed(long here)
{
    int error = WSAGetLastError();
    AcquireSRWLockExclusive(&lock);
    bool ending = stopping;
    ReleaseSRWLockExclusive(&lock);
    if (ending) /* stop() has closed the listener, and its thread ends the program */
        Sleep(INFINITE);
    if (error == WSAECONNRESET)
        return; /* the client has left already */
    if (here == 0 || (error != WSAEMFILE && error != WSAENOBUFS))
        sys_error_number("accept", error);
    SetLastError((DWORD)error);
    log_sys_error("accept");
    if (WaitForSingleObject(left, INFINITE) != WAIT_OBJECT_0 ||
        !ReleaseSemaphore(left, 1, NULL)) /* accept_client() counts it */
        sys_error("WaitForSingleObject");
}

/* From here on stop() sees the client. One that comes after stop() is closed at once: its first
 * operation fails. */
static void add_to_list(struct client *client)
{
    AcquireSRWLockExclusive(&lock);
    client->next = clients;
    client->predecessor = &clients;
    if (clients != NULL)
        clients->predecessor = &client->next;
    clients = client;
    if (stopping)
        shutdown(client->socket, SD_BOTH);
    ReleaseSRWLockExclusive(&lock);
}

/* STEP 6: A client's operation is done: start the next. A send follows each receive, and a
 * receive each send. Never two at once, so that the bytes stay in order. */
static void serve(struct client *client, bool done, DWORD length)
{
    if (!done || length == 0) {
        leave(client); /* the connection was reset or cancelled, or end of file */
    } else if (client->operation == RECEIVE) {
        client->sent = 0;
        client->length = length;
        start_send(client);
    } else {
        client->sent += length;
        if (client->sent < client->length)
            start_send(client);
        else
            start_receive(client);
    }
}

/* Note the operation before you start it, and do not touch the client after that: another thread
 * may have its packet before WSARecv returns. Only if the call fails is there no packet. */
static void start_receive(struct client *client)
{
    WSABUF buffer = {sizeof client->bytes, client->bytes};
    DWORD flags = 0;
    client->operation = RECEIVE;
    client->overlapped = (OVERLAPPED){0};
    if (WSARecv(client->socket, &buffer, 1, NULL, &flags, &client->overlapped, NULL) !=
            0 &&
        WSAGetLastError() != WSA_IO_PENDING)
        leave(client);
}

static void start_send(struct client *client)
{
    WSABUF buffer = {client->length - client->sent, client->bytes + client->sent};
    client->operation = SEND;
    client->overlapped = (OVERLAPPED){0};
    if (WSASend(client->socket, &buffer, 1, NULL, 0, &client->overlapped, NULL) != 0 &&
        WSAGetLastError() != WSA_IO_PENDING)
        leave(client);
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
    if (clients == NULL)
        WakeConditionVariable(&empty);
    ReleaseSRWLockExclusive(&lock);
    free(client);
    if (!ReleaseSemaphore(left, 1, NULL))
        sys_error("ReleaseSemaphore");
}

/* STEP 8: End on Ctrl-C, in a thread of its own: cancel what is under way, and wait until every
 * operation has completed and its client is freed. */
static void stop(void)
{
    AcquireSRWLockExclusive(&lock);
    stopping = true;
    closesocket(listener);
    for (struct client *client = clients; client != NULL; client = client->next) {
        /* A worker may be about to start the next operation: after shutdown() it fails.
         * CancelIoEx fails if nothing is under way: that is no error here. */
        shutdown(client->socket, SD_BOTH);
        CancelIoEx((HANDLE)client->socket, NULL);
    }
    while (clients != NULL)
        if (!SleepConditionVariableSRW(&empty, &lock, INFINITE, 0))
            sys_error("SleepConditionVariableSRW");
    ReleaseSRWLockExclusive(&lock);
}
