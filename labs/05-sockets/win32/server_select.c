/*
 * server_select.c - a TCP server in one thread, which waits for all its clients in select().
 *
 * Usage: server_select [PORT [ADDRESS]]
 *
 * A set of Winsock is a list with room for FD_SETSIZE sockets: 64, unless the program
 * defines more before it includes winsock2.h. FD_SET() ignores a socket for which there
 * is no room. One place is for the listener. If all are in use, the next client waits
 * in the queue of the listener.
 *
 * The contract is that of server.c. Counterpart: ../unix/server_select.c, where a set
 * has bits and another limit. Another way: server_eventselect.c. To try: server_select
 * 0, and 64 clients.
 */
#include <winsock2.h> /* must come before windows.h */
#include <ws2tcpip.h>

#include "contract.h"
#include "ipclab.h"

/* How many clients fit into a set beside the listener. */
#define MOST_CLIENTS (FD_SETSIZE - 1)

/* One client: its socket, and the echo that has not been sent yet. */
struct client {
    SOCKET socket;
    long number; /* counted from 1 */
    int length, sent;
    char bytes[READ_SIZE];
};

static struct client *clients[MOST_CLIENTS];
static int count;

/* There is no room for one more client, until one leaves. */
static bool crowded;

static void fill_sets(SOCKET listener, fd_set *readable, fd_set *writable);
static bool is_full(void);
static void accept_client(SOCKET listener);
static void serve_all(fd_set *readable, fd_set *writable);
static bool serve(struct client *client);
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

    /* STEP 3: Create the socket that listens. From now on clients can connect. */
    SOCKET listener = tcp_listen(host, port);
    log_event("server: ready %s", socket_address(listener));
    /* It is non-blocking: the client that was reported may have left before accept(). The
     * clients' sockets inherit that. */
    u_long nonblocking = 1;
    if (ioctlsocket(listener, FIONBIO, &nonblocking) == SOCKET_ERROR)
        sys_error("ioctlsocket");

    for (;;) {
        /* STEP 4: Wait until something is ready. select() overwrites its sets: fill them
         * each time. If there is no place for one more client, leave the listener out.
         * Winsock ignores the first argument of select(). */
        fd_set readable, writable;
        fill_sets(listener, &readable, &writable);
        if (select(0, &readable, &writable, NULL, NULL) == SOCKET_ERROR)
            sys_error("select");

        /* STEP 5: Serve the clients that are ready, and accept a new one. */
        serve_all(&readable, &writable);
        if (FD_ISSET(listener, &readable))
            accept_client(listener);
    }
    /* Ctrl-C ends the program, in a thread of its own. */
}

/* Fills the sets. Each client is in one of them: in `writable` if the rest of an echo
 * waits, otherwise in `readable`. */
static void fill_sets(SOCKET listener, fd_set *readable, fd_set *writable)
{
    FD_ZERO(readable);
    FD_ZERO(writable);
    if (!is_full())
        FD_SET(listener, readable);
    for (int i = 0; i < count; i++) {
        if (clients[i]->sent < clients[i]->length)
            FD_SET(clients[i]->socket, writable);
        else
            FD_SET(clients[i]->socket, readable);
    }
}

/* Returns whether there is no place for one more client, and prints it the first time. */
static bool is_full(void)
{
    static bool was_full;
    bool full = count == MOST_CLIENTS || crowded;
    if (full && !was_full)
        log_error("full with %d clients: the next has to wait", count);
    was_full = full;
    return full;
}

/* Accepts a client, and adds it to the list. If it has left already, does nothing. If
 * there is no room for it, it waits until another leaves; without another that is an
 * error. */
static void accept_client(SOCKET listener)
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
        return;
    }
    struct client *client = allocate(sizeof *client);
    number++;
    *client = (struct client){.socket = socket, .number = number};
    log_event("server: client %ld connected", client->number);
    clients[count++] = client;
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

/* Serves each client that is ready. The last of the list takes the place of one that
 * leaves. */
static void serve_all(fd_set *readable, fd_set *writable)
{
    for (int i = count; i-- > 0;)
        if ((FD_ISSET(clients[i]->socket, readable) ||
             FD_ISSET(clients[i]->socket, writable)) &&
            !serve(clients[i])) {
            release(clients[i]);
            clients[i] = clients[--count];
        }
}

/* Does for a client what does not block. Returns whether its session goes on. */
static bool serve(struct client *client)
{
    /* STEP 6: Receive, if the last echo has been sent. Otherwise a client that does not
     * receive could fill this program's memory. */
    if (client->sent == client->length) {
        int length = recv(client->socket, client->bytes, sizeof client->bytes, 0);
        if (length <= 0)
            return length == SOCKET_ERROR && goes_on(client);
        client->length = length;
        client->sent = 0;
        log_text("server: received", client->bytes, (size_t)length);
        if (length == QUIT_SIZE && memcmp(client->bytes, QUIT, QUIT_SIZE) == 0)
            return false;
    }

    /* STEP 7: Send back what the socket has room for; the rest when it has room again. */
    int sent = send(client->socket, client->bytes + client->sent,
                    client->length - client->sent, 0);
    if (sent == SOCKET_ERROR)
        return goes_on(client);
    client->sent += sent;
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
