/*
 * server_overlapped.c - a TCP server in one thread, with overlapped calls and completion routines.
 *
 * Usage: server_overlapped [PORT [ADDRESS]]
 *
 * An overlapped WSARecv or WSASend returns at once, and Windows does the work. When it
 * is done, Windows calls a function of the program, the completion routine. It runs in
 * the thread that began the operation, and only during an alertable wait. So the
 * program does not ask whether a socket is ready: it begins an operation, and learns
 * when it is done.
 *
 * The contract is that of server.c. Without completion routines, for many threads: lab
 * 06. To try: server_overlapped 0.
 */
#include <winsock2.h> /* must come before windows.h */
#include <ws2tcpip.h>

#include "contract.h"
#include "ipclab.h"

/* One client, and the one pending operation on its socket. The completion routines get
 * the address of the operation, which is the client's, too: it is its first member. */
struct client {
    WSAOVERLAPPED operation;
    SOCKET socket;
    long number; /* counted from 1 */
    DWORD length, sent;
    char bytes[READ_SIZE];
};

static int count; /* how many clients are here */

/* There is no room for one more client, until one leaves. */
static bool crowded;

static void accept_next(SOCKET listener, WSAEVENT event, bool *waiting);
static void ask_for_event(SOCKET socket, WSAEVENT event, long interest);
static struct client *accept_client(SOCKET listener);
static void receive(struct client *client);
static void CALLBACK received(DWORD error, DWORD length, WSAOVERLAPPED *operation,
                              DWORD flags);
static void send_rest(struct client *client);
static void CALLBACK sent(DWORD error, DWORD length, WSAOVERLAPPED *operation,
                          DWORD flags);
static bool is_under_way(int result);
static void lose(struct client *client, int error);
static void release(struct client *client);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: on which port and address to listen. */
    begin_program("server", "[PORT [ADDRESS]]", &argv);
    if (argc > 3)
        usage_exit();
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    const char *host = argc > 2 ? argv[2] : DEFAULT_HOST;
    parse_long("PORT", port, 0, MAX_PORT);

    /* STEP 2: Prepare for Ctrl-C. tcp_listen() loads Winsock. */
    end_on_interrupt(NULL);

    /* STEP 3: Create the socket that listens, and ask for its event. That makes it
     * non-blocking: the client that was reported may have left before accept(). */
    SOCKET listener = tcp_listen(host, port);
    log_event("server: ready %s", socket_address(listener));
    WSAEVENT event = WSACreateEvent();
    if (event == WSA_INVALID_EVENT)
        sys_error("WSACreateEvent");
    ask_for_event(listener, event, FD_ACCEPT);

    bool waiting = false; /* there may be clients in the listener's queue */
    for (;;) {
        /* STEP 4: Wait for a client. The wait is alertable: the completion routines of
         * all operations run inside this call, one after the other. */
        DWORD result = WSAWaitForMultipleEvents(1, &event, FALSE, WSA_INFINITE, TRUE);
        if (result == WSA_WAIT_FAILED)
            sys_error("WSAWaitForMultipleEvents");

        /* STEP 5: Accept a client, if there is room for it, and begin to receive. */
        if (result == WSA_WAIT_EVENT_0) {
            WSANETWORKEVENTS happened; /* the call that gets them resets the event */
            if (WSAEnumNetworkEvents(listener, event, &happened) == SOCKET_ERROR)
                sys_error("WSAEnumNetworkEvents");
            waiting |= happened.lNetworkEvents != 0;
        }
        accept_next(listener, event, &waiting);
    }
    /* Ctrl-C ends the program, in a thread of its own. */
}

/* Accepts a client, if there is a place. If none waits, ask for the listener's event
 * again: Wine 8 can report a client that was accepted already, and after an accept() that
 * fails it reports no other. On Windows each accept() makes the next report possible. */
static void accept_next(SOCKET listener, WSAEVENT event, bool *waiting)
{
    if (*waiting && count < MAX_CLIENTS && !crowded) {
        struct client *client = accept_client(listener);
        *waiting = crowded;
        if (crowded)
            return;
        if (client == NULL) {
            ask_for_event(listener, event, FD_ACCEPT);
            return;
        }
        if (++count == MAX_CLIENTS)
            log_error("full with %d clients: the next has to wait", MAX_CLIENTS);
        receive(client);
    }
}

static void ask_for_event(SOCKET socket, WSAEVENT event, long interest)
{
    if (WSAEventSelect(socket, event, interest) == SOCKET_ERROR)
        sys_error("WSAEventSelect");
}

/* Accepts a client. Returns NULL if none waits, or if there is no room for it. */
static struct client *accept_client(SOCKET listener)
{
    static long number;
    SOCKET socket = accept(listener, NULL, NULL);
    if (socket == INVALID_SOCKET) {
        int error = WSAGetLastError();
        crowded = count > 0 && (error == WSAEMFILE || error == WSAENOBUFS);
        if (crowded)
            log_sys_error("accept");
        else if (error != WSAEWOULDBLOCK && error != WSAECONNRESET)
            sys_error_number("accept", error);
        return NULL;
    }
    ask_for_event(socket, NULL, 0); /* the listener's event, which it has inherited */
    struct client *client = allocate(sizeof *client);
    number++;
    *client = (struct client){.socket = socket, .number = number};
    log_event("server: client %ld connected", client->number);
    return client;
}

/* Closes the connection and frees what belongs to it. */
static void release(struct client *client)
{
    if (closesocket(client->socket) == SOCKET_ERROR)
        sys_error("closesocket");
    log_event("server: client %ld left", client->number);
    free(client);
    crowded = false;
    count--;
}

/* STEP 6: Begin to receive. The bytes come into the client's own buffer, which must exist
 * until received() is called. */
static void receive(struct client *client)
{
    WSABUF buffer = {.len = sizeof client->bytes, .buf = client->bytes};
    DWORD flags = 0;
    client->operation = (WSAOVERLAPPED){0};
    if (!is_under_way(WSARecv(client->socket, &buffer, 1, NULL, &flags,
                              &client->operation, received)))
        lose(client, WSAGetLastError());
}

static void CALLBACK received(DWORD error, DWORD length, WSAOVERLAPPED *operation,
                              DWORD flags)
{
    (void)flags;
    struct client *client = (struct client *)operation;
    if (error != 0) {
        lose(client, (int)error);
        return;
    }
    if (length == 0) {
        release(client);
        return;
    }
    log_text("server: received", client->bytes, length);
    if (length == QUIT_SIZE && memcmp(client->bytes, QUIT, QUIT_SIZE) == 0) {
        release(client);
        return;
    }
    client->length = length;
    client->sent = 0;
    send_rest(client);
}

/* STEP 7: Begin to send back what has not been sent yet. Nothing is received until it has
 * been sent: otherwise a client that does not receive could fill this program's memory. */
static void send_rest(struct client *client)
{
    WSABUF buffer = {.len = client->length - client->sent,
                     .buf = client->bytes + client->sent};
    client->operation = (WSAOVERLAPPED){0};
    if (!is_under_way(
            WSASend(client->socket, &buffer, 1, NULL, 0, &client->operation, sent)))
        lose(client, WSAGetLastError());
}

static void CALLBACK sent(DWORD error, DWORD length, WSAOVERLAPPED *operation,
                          DWORD flags)
{
    (void)flags;
    struct client *client = (struct client *)operation;
    if (error != 0) {
        lose(client, (int)error);
        return;
    }
    client->sent += length;
    if (client->sent < client->length)
        send_rest(client);
    else
        receive(client);
}

/* Returns whether the completion routine will be called: the operation is pending or
 * done. */
static bool is_under_way(int result)
{
    return result != SOCKET_ERROR || WSAGetLastError() == WSA_IO_PENDING;
}

static void lose(struct client *client, int error)
{
    log_error("client %ld: error %d", client->number, error);
    release(client);
}
