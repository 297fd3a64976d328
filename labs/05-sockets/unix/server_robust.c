/*
 * server_robust.c - as server.c, for many clients and a system without room for more.
 *
 * Usage: server_robust [PORT [ADDRESS]]
 *
 * What it adds to server.c, to be read beside it (make diff):
 * - STEP 4: at most MAX_CLIENTS clients have a thread. The others wait in the queue of the
 *   listening socket until one leaves. `here` counts the clients; a thread that ends
 *   posts the semaphore `left`, so that only the thread of main changes `here`.
 * - accept_client: if there is no descriptor for the next client, this server waits until
 *   one leaves, too. A connection that was reset while it was in the queue is no error.
 * - STEP 4: if there is no thread for a client, only this client's connection is closed.
 * Nothing else is needed: a client that is killed, or never receives, blocks or ends only
 * its own thread.
 *
 * Counterpart: ../win32/server_robust.c.
 * To try, in bash: (ulimit -n 10; exec server_robust 5054) and 10 clients: what is printed
 * for the last ones, and what happens when the first one leaves?
 */
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
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

/* How many clients are here, as the thread of main has counted; and a semaphore that each
 * thread posts when its client has left. */
static int here;
static sem_t left;

static int listen_on(const char *host, const char *port);
static void set_option(int socket, int level, int option, int value);
static void wait_until_one_leaves(void);
static int accept_client(int listener);
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

    /* STEP 2: Prepare for Ctrl-C, and for clients that close early: send() must fail with
     * EPIPE. By default the signal SIGPIPE would end this program. */
    signal(SIGPIPE, SIG_IGN);
    end_on_interrupt(NULL);
    if (sem_init(&left, 0, 0) == -1)
        sys_error("sem_init");

    /* STEP 3: Create the socket that listens. From now on clients can connect. */
    int listener = listen_on(host, port);
    log_event("server: ready %s", socket_address(listener));

    /* STEP 4: Accept one client after the other. accept() blocks until one connects, and
     * returns a new socket, for this client alone. The client gets a thread of its own,
     * so that it does not have to wait while another is served. */
    for (long number = 1;; number++) {
        while (sem_trywait(&left) == 0)
            here--;
        if (here == MAX_CLIENTS)
            wait_until_one_leaves();
        struct client *client = allocate(sizeof *client);
        client->number = number;
        client->socket = accept_client(listener);
        here++;
        log_event("server: client %ld connected", number);
        if (!start_thread(serve_client, client)) {
            log_sys_error("pthread_create");
            end_session(client);
        }
    }
}

/* Returns a socket that listens on `port` of this machine's address `host`. */
static int listen_on(const char *host, const char *port)
{
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
}

static void set_option(int socket, int level, int option, int value)
{
    if (setsockopt(socket, level, option, &value, sizeof value) == -1)
        sys_error("setsockopt");
}

/* Waits until a client leaves. Meanwhile others wait in the queue of the listener. */
static void wait_until_one_leaves(void)
{
    log_error("full with %d clients: the next has to wait", here);
    if (sem_wait(&left) == -1)
        sys_error("sem_wait");
    here--;
}

/* Waits for a client, and if there is no descriptor for it, until another leaves. A
 * connection that was reset in the queue is skipped. */
static int accept_client(int listener)
{
    int socket;
    while ((socket = accept(listener, NULL, NULL)) == -1) {
        bool no_room = errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                       errno == ENOMEM;
        if (here > 0 && no_room) {
            log_sys_error("accept");
            wait_until_one_leaves();
        } else if (errno != ECONNABORTED && errno != EPROTO && errno != EINTR) {
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
    ssize_t length;

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
    if (length == -1)
        log_sys_error("recv");
    end_session(client);
}

static void end_session(struct client *client)
{
    /* STEP 7: Close the connection: the client receives the end of file. */
    if (close(client->socket) == -1)
        sys_error("close");
    log_event("server: client %ld left", client->number);
    free(client);
    if (sem_post(&left) == -1)
        sys_error("sem_post");
}
