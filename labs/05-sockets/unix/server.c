/*
 * server.c - a TCP server with a thread for each client: it sends every byte back.
 *
 * Usage: server [PORT [ADDRESS]]
 *
 * Listens on PORT (5050; 0 is any free port) of ADDRESS (127.0.0.1). ::1 is this machine
 * by IPv6, 0.0.0.0 all its IPv4 addresses, :: all its addresses. The four bytes QUIT,
 * if they come alone, end the client's session. So does an error of recv() or send().
 * Ctrl-C or SIGTERM ends the server, exit code 0. If another call fails, exit code 1.
 *
 * Mirrors listing 10 of the report. Counterpart: ../win32/server.c. The same by other
 * calls: server_fork.c, server_select.c, server_poll.c, server_sigio.c, server_handoff.c.
 * Not here, but in server_robust.c: a limit to the number of clients; and a system that
 * has no descriptor or no thread for the next client.
 * To try: server 0; server 5050 :: and, in another terminal, nc 127.0.0.1 5050.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include "contract.h"
#include "ipclab.h"

/* What a thread must know about its client. Each client has a struct of its own. (The
 * listing has one for all: the next client overwrites it while a thread reads it.) */
struct client {
    int socket;
    long number; /* counted from 1 */
};

static int listen_on(const char *host, const char *port);
static void set_option(int socket, int level, int option, int value);
static void serve_client(void *argument);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: on which port and address to listen. */
    begin_program("server", "[PORT [ADDRESS]]", &argv);
    if (argc > 3)
        usage_exit();
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    const char *host = argc > 2 ? argv[2] : DEFAULT_HOST;
    parse_long("PORT", port, 0, MAX_PORT); /* getaddrinfo() takes it as text */

    /* STEP 2: Prepare for Ctrl-C, and for clients that close early: send() must fail with
     * EPIPE. By default the signal SIGPIPE would end this program. */
    // LEVEL 2
    signal(SIGPIPE, SIG_IGN);
    // END
    end_on_interrupt(NULL);

    /* STEP 3: Create the socket that listens. From now on clients can connect. */
    int listener = listen_on(host, port);
    log_event("server: ready %s", socket_address(listener));

    /* STEP 4: Accept one client after the other. accept() blocks until one connects, and
     * returns a new socket, for this client alone. The client gets a thread of its own,
     * so that it does not have to wait while another is served. */
    for (long number = 1;; number++) {
        struct client *client = allocate(sizeof *client);
        client->number = number;
        // LEVEL 2
        client->socket = accept(listener, NULL, NULL);
        if (client->socket == -1)
            sys_error("accept");
        // END
        log_event("server: client %ld connected", number);
        if (!start_thread(serve_client, client))
            sys_error("pthread_create");
    }
}

/* Returns a socket that listens on `port` of this machine's address `host`. */
static int listen_on(const char *host, const char *port)
{
    // LEVEL 1
    /* Convert the text to a binary address, of IPv4 or IPv6, with the port in network
     * byte order: the most significant byte first. */
    struct addrinfo *address, hints = {.ai_socktype = SOCK_STREAM};
    int error = getaddrinfo(host, port, &hints, &address);
    if (error != 0)
        fatal("getaddrinfo: error %d: %s", error, gai_strerror(error));
    int listener = socket(address->ai_family, SOCK_STREAM, 0);
    if (listener == -1)
        sys_error("socket");

    /* TIME_WAIT: if this side has closed a connection, the system keeps it for a minute,
     * and its port. Without SO_REUSEADDR, bind() of a server that is started again would
     * fail with EADDRINUSE. On Linux two servers on one port are still not possible. */
    set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1);
    if (address->ai_family == AF_INET6) /* :: means IPv4 as well */
        set_option(listener, IPPROTO_IPV6, IPV6_V6ONLY, 0);

    /* bind() gives the socket its address. listen() makes the system accept connections,
     * and keep them in a queue until accept() takes them. */
    if (bind(listener, address->ai_addr, address->ai_addrlen) == -1)
        sys_error("bind");
    if (listen(listener, SOMAXCONN) == -1)
        sys_error("listen");
    freeaddrinfo(address);
    return listener;
    // END
}

static void set_option(int socket, int level, int option, int value)
{
    if (setsockopt(socket, level, option, &value, sizeof value) == -1)
        sys_error("setsockopt");
}

/* The thread of one client, until the end of its session. */
static void serve_client(void *argument)
{
    struct client *client = argument;
    char bytes[READ_SIZE];
    ssize_t length;

    /* STEP 5: Receive what has come: a part of what the client sent, or several pieces
     * at once. 0 bytes are the end of file: the client will send no more. An error ends
     * this session only. */
    while (true) {
        // LEVEL 2
        length = recv(client->socket, bytes, sizeof bytes, 0);
        // END
        if (length <= 0)
            break;
        log_text("server: received", bytes, (size_t)length);
        if (length == QUIT_SIZE && memcmp(bytes, QUIT, QUIT_SIZE) == 0)
            break;

        /* STEP 6: Send it back. send() blocks while the client does not receive. */
        // LEVEL 2
        if (!send_all(client->socket, bytes, (size_t)length)) {
            log_sys_error("send");
            break;
        }
        // END
    }
    if (length == -1)
        log_sys_error("recv");

    /* STEP 7: Close the connection: the client receives the end of file. */
    // LEVEL 2
    if (close(client->socket) == -1)
        sys_error("close");
    // END
    log_event("server: client %ld left", client->number);
    free(client);
}
