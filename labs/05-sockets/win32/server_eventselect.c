/*
 * server_eventselect.c - a TCP server in one thread, which waits for events of its sockets.
 *
 * Usage: server_eventselect [PORT [ADDRESS]]
 *
 * After WSAEventSelect a socket sets an event object when something happens to it. The
 * program waits for all events at once, as for any other objects of Windows. One wait
 * takes 64, so at most 63 clients are served beside the listener; more wait in its
 * queue. A network event is reported once. FD_READ is reported again after recv(), if
 * there is more; FD_WRITE after send() has failed with WSAEWOULDBLOCK; FD_CLOSE never.
 *
 * The contract is that of server.c. Another way: server_asyncselect.c. To try:
 * server_eventselect 0, and 64 clients.
 */
#include <winsock2.h> /* must come before windows.h */
#include <ws2tcpip.h>

#include "contract.h"
#include "ipclab.h"

/* How many clients one wait can contain, beside the listener. */
#define MOST_CLIENTS (WSA_MAXIMUM_WAIT_EVENTS - 1)

/* One client: its socket, and the echo that has not been sent yet. */
struct client {
    SOCKET socket;
    long number; /* counted from 1 */
    bool ending; /* FD_CLOSE has come: all bytes that are left can be received */
    int length, sent;
    char bytes[READ_SIZE];
};

/* The event objects, and the client of each. Number 0 is the listener's. */
static WSAEVENT events[1 + MOST_CLIENTS];
static struct client *clients[1 + MOST_CLIENTS];
static DWORD count;

/* There is no room for one more client, until one leaves. */
static bool crowded;

static void add(SOCKET socket, struct client *client, long interest);
static void ask_for_event(SOCKET socket, WSAEVENT event, long interest);
static void take_out(DWORD place);
static void accept_next(SOCKET listener, bool *waiting);
static struct client *accept_client(SOCKET listener);
static bool serve(struct client *client);
static bool flush(struct client *client);
static bool goes_on(const struct client *client);
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
    add(listener, NULL, FD_ACCEPT);

    bool waiting = false; /* there may be clients in the listener's queue */
    for (;;) {
        /* STEP 4: Wait until an event is set. The result is the first that is set: look
         * at all after it, too, or a busy client would make the others wait. */
        DWORD first = WSAWaitForMultipleEvents(count, events, FALSE, WSA_INFINITE, FALSE);
        if (first == WSA_WAIT_FAILED)
            sys_error("WSAWaitForMultipleEvents");

        /* STEP 5: Ask what has happened to each socket, which also resets its event, and
         * serve it. The last of the list takes the place of one that leaves. */
        for (DWORD i = count; i-- > first - WSA_WAIT_EVENT_0;) {
            WSANETWORKEVENTS happened;
            SOCKET socket = clients[i] == NULL ? listener : clients[i]->socket;
            if (WSAEnumNetworkEvents(socket, events[i], &happened) == SOCKET_ERROR)
                sys_error("WSAEnumNetworkEvents");
            if (happened.lNetworkEvents == 0)
                continue;
            if (clients[i] == NULL) {
                waiting = true;
                continue;
            }
            clients[i]->ending |= (happened.lNetworkEvents & FD_CLOSE) != 0;
            if (!serve(clients[i]))
                take_out(i);
        }
        accept_next(listener, &waiting);
    }
    /* Ctrl-C ends the program, in a thread of its own. */
}

/* Adds a socket to the list, for the network events in `interest`. */
static void add(SOCKET socket, struct client *client, long interest)
{
    clients[count] = client;
    events[count] = WSACreateEvent();
    if (events[count] == WSA_INVALID_EVENT)
        sys_error("WSACreateEvent");
    ask_for_event(socket, events[count], interest);
    count++;
}

static void ask_for_event(SOCKET socket, WSAEVENT event, long interest)
{
    if (WSAEventSelect(socket, event, interest) == SOCKET_ERROR)
        sys_error("WSAEventSelect");
}

/* Takes a client out of the list. */
static void take_out(DWORD place)
{
    release(clients[place]);
    if (!WSACloseEvent(events[place]))
        sys_error("WSACloseEvent");
    count--;
    clients[place] = clients[count];
    events[place] = events[count];
}

/* Accepts a client, if there is a place. If none waits, ask for the listener's event
 * again: Wine 8 can report a client that was accepted already, and after an accept() that
 * fails it reports no other. On Windows each accept() makes the next report possible. */
static void accept_next(SOCKET listener, bool *waiting)
{
    if (*waiting && count <= MOST_CLIENTS && !crowded) {
        struct client *client = accept_client(listener);
        *waiting = crowded;
        if (crowded)
            return;
        if (client == NULL) {
            ask_for_event(listener, events[0], FD_ACCEPT);
            return;
        }
        /* Ask for the events first, then try recv(): bytes that came before may have
         * set none. */
        add(client->socket, client, FD_READ | FD_WRITE | FD_CLOSE);
        if (count > MOST_CLIENTS)
            log_error("full with %d clients: the next has to wait", MOST_CLIENTS);
        if (!serve(client))
            take_out(count - 1);
    }
}

/* Accepts a client. Returns NULL if none waits, or if there is no room for it. */
static struct client *accept_client(SOCKET listener)
{
    static long number;
    SOCKET socket = accept(listener, NULL, NULL);
    if (socket == INVALID_SOCKET) {
        int error = WSAGetLastError();
        crowded = count > 1 && (error == WSAEMFILE || error == WSAENOBUFS);
        if (crowded)
            log_sys_error("accept");
        else if (error != WSAEWOULDBLOCK && error != WSAECONNRESET)
            sys_error_number("accept", error);
        return NULL;
    }
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
}

/* Does for a client what does not block. Returns whether its session goes on. */
static bool serve(struct client *client)
{
    do {
        /* STEP 6: Receive, if the last echo has been sent. Otherwise a client that does
         * not receive could fill this program's memory. */
        if (!flush(client))
            return goes_on(client);
        int length = recv(client->socket, client->bytes, sizeof client->bytes, 0);
        if (length <= 0)
            return length == SOCKET_ERROR && goes_on(client);
        client->length = length;
        client->sent = 0;
        log_text("server: received", client->bytes, (size_t)length);
        if (length == QUIT_SIZE && memcmp(client->bytes, QUIT, QUIT_SIZE) == 0)
            return false;

        /* STEP 7: Send back what the socket has room for; the rest at the next
         * FD_WRITE. */
        if (!flush(client))
            return goes_on(client);
        /* FD_READ is reported again if there is more, because recv() was called. FD_CLOSE
         * is not: after it, go on until recv() returns 0. */
    } while (client->ending);
    return true;
}

/* Sends the rest of the echo. Returns false if send() would block, or failed. */
static bool flush(struct client *client)
{
    while (client->sent < client->length) {
        int sent = send(client->socket, client->bytes + client->sent,
                        client->length - client->sent, 0);
        if (sent == SOCKET_ERROR)
            return false;
        client->sent += sent;
    }
    return true;
}

/* Returns whether the call failed only because it would block. If not, reports the error. */
static bool goes_on(const struct client *client)
{
    if (WSAGetLastError() == WSAEWOULDBLOCK)
        return true;
    log_error("client %ld: error %d", client->number, WSAGetLastError());
    return false;
}
