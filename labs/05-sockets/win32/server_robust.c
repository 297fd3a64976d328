/*
 * server_robust.c - as server.c, for many clients and a system without room for more.
 *
 * Usage: server_robust [PORT [ADDRESS]]
 *
 * What it adds to server.c, to be read beside it (make diff):
 * - STEP 4: at most MAX_CLIENTS clients have a thread. The others wait in the queue of the
 *   listening socket until one leaves. `here` counts the clients; a thread that ends
 *   posts the semaphore `left`, so that only the thread of main changes `here`.
 * - accept_client: if there is no room for the next client, this server waits until
 *   one leaves, too. A connection that was reset while it was in the queue is no error.
 * - STEP 4: if there is no thread for a client, only this client's connection is closed.
 * Nothing else is needed: a client that is killed, or never receives, blocks or ends only
 * its own thread.
 *
 * Counterpart: ../unix/server_robust.c.
 * To try: 501 clients, and one of them leaves.
 */
#include <winsock2.h> /* must come before windows.h */
#include <ws2tcpip.h>

#include "contract.h"
#include "ipclab.h"

/* What a thread must know about its client. Each client has a struct of its own. (The
 * listing has one for all: the next client overwrites it while a thread reads it.) */
struct client {
    SOCKET socket;
    long number; /* counted from 1 */
};

/* How many clients are here, as the thread of main has counted; and a semaphore that each
 * thread posts when its client has left. */
static int here;
static HANDLE left;

static SOCKET listen_on(const char *host, const char *port);
static void set_option(SOCKET socket, int level, int option, int value);
static void wait_until_one_leaves(void);
static SOCKET accept_client(SOCKET listener);
static void serve_client(void *argument);
static void end_session(struct client *client);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: on which port and address to listen. */
    begin_program("server", "[PORT [ADDRESS]]", &argv);
    if (argc > 3)
        usage_exit();
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    const char *host = argc > 2 ? argv[2] : DEFAULT_HOST;
    parse_long("PORT", port, 0, MAX_PORT); /* getaddrinfo() takes it as text */

    /* STEP 2: Load Winsock, version 2.2, and prepare for Ctrl-C: sockets are in a library
     * beside the system. */
    WSADATA data;
    int error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        sys_error_number("WSAStartup", error);
    end_on_interrupt(NULL);
    left = CreateSemaphoreW(NULL, 0, MAX_CLIENTS, NULL);
    if (left == NULL)
        sys_error("CreateSemaphore");

    /* STEP 3: Create the socket that listens. From now on clients can connect. */
    SOCKET listener = listen_on(host, port);
    log_event("server: ready %s", socket_address(listener));

    /* STEP 4: Accept one client after the other. accept() blocks until one connects, and
     * returns a new socket, for this client alone. The client gets a thread of its own,
     * so that it does not have to wait while another is served. */
    for (long number = 1;; number++) {
        while (WaitForSingleObject(left, 0) == WAIT_OBJECT_0)
            here--;
        if (here == MAX_CLIENTS)
            wait_until_one_leaves();
        struct client *client = allocate(sizeof *client);
        client->number = number;
        client->socket = accept_client(listener);
        here++;
        log_event("server: client %ld connected", number);
        if (!start_thread(serve_client, client)) {
            log_sys_error("_beginthreadex");
            end_session(client);
        }
    }
}

/* Returns a socket that listens on `port` of this machine's address `host`. */
static SOCKET listen_on(const char *host, const char *port)
{
    /* Convert the text to a binary address, of IPv4 or IPv6, with the port in network
     * byte order: the most significant byte first. */
    struct addrinfo *address, hints = {.ai_socktype = SOCK_STREAM};
    int error = getaddrinfo(host, port, &hints, &address);
    if (error != 0)
        sys_error_number("getaddrinfo", error);
    SOCKET listener = socket(address->ai_family, SOCK_STREAM, 0);
    if (listener == INVALID_SOCKET)
        sys_error("socket");

    /* Without SO_EXCLUSIVEADDRUSE another program could take the port, by SO_REUSEADDR,
     * while this one listens on it. (SO_REUSEADDR is not needed here: the port of a
     * server that has ended is free.) */
    set_option(listener, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
    if (address->ai_family == AF_INET6) /* :: means IPv4 as well */
        set_option(listener, IPPROTO_IPV6, IPV6_V6ONLY, 0);

    /* bind() gives the socket its address. listen() makes the system accept connections,
     * and keep them in a queue until accept() takes them. */
    if (bind(listener, address->ai_addr, (int)address->ai_addrlen) == SOCKET_ERROR)
        sys_error("bind");
    if (listen(listener, SOMAXCONN) == SOCKET_ERROR)
        sys_error("listen");
    freeaddrinfo(address);
    return listener;
}

static void set_option(SOCKET socket, int level, int option, int value)
{
    if (setsockopt(socket, level, option, (const char *)&value, sizeof value) ==
        SOCKET_ERROR)
        sys_error("setsockopt");
}

/* Waits until a client leaves. Meanwhile others wait in the queue of the listener. */
static void wait_until_one_leaves(void)
{
    log_error("full with %d clients: the next has to wait", here);
    if (WaitForSingleObject(left, INFINITE) == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    here--;
}

/* Waits for a client, and if there is no room for it, until another leaves. A connection
 * that was reset in the queue is skipped. */
static SOCKET accept_client(SOCKET listener)
{
    SOCKET socket;
    while ((socket = accept(listener, NULL, NULL)) == INVALID_SOCKET) {
        int error = WSAGetLastError();
        if (here > 0 && (error == WSAEMFILE || error == WSAENOBUFS)) {
            log_sys_error("accept");
            wait_until_one_leaves();
        } else if (error != WSAECONNRESET) {
            sys_error("accept");
        }
    }
    return socket;
}

/* The thread of one client, until the end of its session. */
static void serve_client(void *argument)
{
    struct client *client = argument;
    char bytes[READ_SIZE];
    int length;

    /* STEP 5: Receive what has come: a part of what the client sent, or several pieces
     * at once. 0 bytes are the end of file: the client will send no more. An error ends
     * this session only. */
    while ((length = recv(client->socket, bytes, sizeof bytes, 0)) > 0) {
        log_text("server: received", bytes, (size_t)length);
        if (length == QUIT_SIZE && memcmp(bytes, QUIT, QUIT_SIZE) == 0)
            break;

        /* STEP 6: Send it back. send() blocks while the client does not receive. */
        if (!send_all(client->socket, bytes, (size_t)length)) {
            log_sys_error("send");
            break;
        }
    }
    if (length == SOCKET_ERROR)
        log_sys_error("recv");
    end_session(client);
}

static void end_session(struct client *client)
{
    /* STEP 7: Close the connection: the client receives the end of file. */
    if (closesocket(client->socket) == SOCKET_ERROR)
        sys_error("closesocket");
    log_event("server: client %ld left", client->number);
    free(client);
    if (!ReleaseSemaphore(left, 1, NULL))
        sys_error("ReleaseSemaphore");
}
