/*
 * server.c - a few threads, any number of clients: wait for all of them at a completion port.
 *
 * Usage: server [PORT]
 *
 * Listens on 127.0.0.1, on PORT (7710; 0: any free port). Sends each client a welcome, then sends
 * back what comes. A receive or a send is only started; the system does it. When it is done, the
 * system puts a packet into the queue (the port), and one of the threads takes it out.
 *
 *     WSARecv(socket, bytes, overlapped)               returns at once; do not touch `bytes`
 *     GetQueuedCompletionStatus(port) ... blocks ...   returns: "it is done, 512 bytes are here"
 *
 * Mirrors listing 12 of the report, and adds the echo, which the listing forgot. Counterpart:
 * ../unix/server.c. With accept through the port, too: server_acceptex.c.
 * Not here, but in server_robust.c: clients that leave before they are accepted; more clients
 * than the system has room for; an end that cancels what is under way and frees everything.
 * To try: server in one window, client in two more; load 127.0.0.1 7710 500.
 */
#include "contract.h"
#include "ipclab.h"

/* A client, and the one operation that is under way for it. Meanwhile all of this belongs to the
 * system. It is free for the thread that takes the packet, and that thread starts the next. */
struct client {
    OVERLAPPED overlapped; /* where the system keeps the operation's state */
    enum { RECEIVE, SEND } operation;
    SOCKET socket;
    long number;
    char bytes[BUFFER_SIZE];
};

static HANDLE queue; /* the completion port */

static void start_workers(void);
static void work(void *argument);
static void accept_client(SOCKET listener);
static void serve(struct client *client, bool done, DWORD length);
static void start_receive(struct client *client);
static void start_send(struct client *client, DWORD length);
static void leave(struct client *client);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the port. */
    begin_program("server", "[PORT]", &argv);
    if (argc > 2)
        usage_exit();
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    parse_long("PORT", port, 0, MAX_PORT);

    /* STEP 2: Listen on the port. Ctrl-C ends the program (STEP 8). */
    end_on_interrupt(NULL);
    SOCKET listener = tcp_listen(DEFAULT_HOST, port);

    /* STEP 3: Create the queue, a completion port, and the threads that wait at it. The last 0
     * lets as many of them run at the same time as there are processors. */
    // LEVEL 2
    queue = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    if (queue == NULL)
        sys_error("CreateIoCompletionPort");
    // END
    start_workers();
    log_event("server: ready %s", socket_address(listener));

    /* This thread waits for clients (STEP 5), the workers for completions (STEP 4). */
    for (;;)
        accept_client(listener);
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
        // LEVEL 1: bool done;
        bool done = GetQueuedCompletionStatus(queue, &length, &key, &overlapped,
                                              INFINITE);
        if (overlapped == NULL)
            sys_error("GetQueuedCompletionStatus");
        // END
        serve((struct client *)key, done, length);
    }
}

/* STEP 5: Wait until a client has connected, bind its socket to the queue, and send the welcome.
 * From now on its packets come to the queue. */
static void accept_client(SOCKET listener)
{
    static long number;
    struct client *client = allocate(sizeof *client);
    // LEVEL 2
    client->socket = accept(listener, NULL, NULL);
    if (client->socket == INVALID_SOCKET)
        sys_error("accept");
    // END
    client->number = ++number;
    log_event("server: client %ld connected", client->number);
    // LEVEL 2
    if (CreateIoCompletionPort((HANDLE)client->socket, queue, (ULONG_PTR)client, 0) ==
        NULL)
        sys_error("CreateIoCompletionPort");
    // END
    memcpy(client->bytes, WELCOME, sizeof WELCOME);
    start_send(client, sizeof WELCOME);
}

/* STEP 6: A client's operation is done: start the next. A send follows each receive, and a
 * receive each send. Never two at once, so that the bytes stay in order. */
static void serve(struct client *client, bool done, DWORD length)
{
    if (!done || length == 0)
        leave(client); /* the connection was reset, or end of file */
    else if (client->operation == RECEIVE)
        start_send(client, length);
    else
        start_receive(client);
}

/* Note the operation before you start it, and do not touch the client after that: another thread
 * may have its packet before WSARecv returns. Only if the call fails is there no packet. */
static void start_receive(struct client *client)
{
    // LEVEL 2
    WSABUF buffer = {sizeof client->bytes, client->bytes};
    DWORD flags = 0;
    client->operation = RECEIVE;
    client->overlapped = (OVERLAPPED){0};
    if (WSARecv(client->socket, &buffer, 1, NULL, &flags, &client->overlapped, NULL) !=
            0 &&
        WSAGetLastError() != WSA_IO_PENDING)
        leave(client);
    // END
}

static void start_send(struct client *client, DWORD length)
{
    // LEVEL 2
    WSABUF buffer = {length, client->bytes};
    client->operation = SEND;
    client->overlapped = (OVERLAPPED){0};
    if (WSASend(client->socket, &buffer, 1, NULL, 0, &client->overlapped, NULL) != 0 &&
        WSAGetLastError() != WSA_IO_PENDING)
        leave(client);
    // END
}

/* STEP 7: A client has left: close its socket, which also removes it from the queue. */
static void leave(struct client *client)
{
    // LEVEL 2
    if (closesocket(client->socket) != 0)
        sys_error("closesocket");
    // END
    log_event("server: client %ld left", client->number);
    free(client);
}

/* STEP 8: End on Ctrl-C, by end_on_interrupt() before the loop. It ends the process in another
 * thread. The system then cancels what is under way, closes all sockets and frees all memory. */
