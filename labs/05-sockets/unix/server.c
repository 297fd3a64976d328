/*
 * server.c - a TCP server with a thread for each client: every byte goes back, in order.
 *
 * Usage: server [PORT [ADDRESS]]
 *
 * Listens on PORT (5050; 0 is any free one) of ADDRESS (127.0.0.1): ::1 is the same machine
 * by IPv6, 0.0.0.0 all of this machine's IPv4 addresses, :: all it has. The bytes QUIT alone
 * end the client's session. Ctrl-C, or SIGTERM, ends the server; exit code 0.
 *
 * Mirrors listing 10 of the report. Its twin: ../win32/server.c. Other ways to do the same:
 * server_fork.c, server_select.c, server_poll.c, server_sigio.c, server_handoff.c.
 * To try: server 0; server 5050 ::; nc 127.0.0.1 5050 in another terminal.
 */
#define PROGRAM "server"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* What a client's thread needs to know. Each client has one of its own: the listing gave all
 * threads the address of one variable, and the next client overwrote it. */
struct client {
    int socket;
    long number; /* counted from 1 */
};

/* How many clients are here, as far as the thread that accepts them has counted; and a post by
 * each that has left, for it to count. */
static int here;
static sem_t left;

static bool is_port(const char *text);
static void end_on_signal(void);
static void *wait_for_signal(void *argument);
static int listen_at(const char *host, const char *port);
static void await_departure(void);
static int accept_client(int listener);
static void start_thread(int socket, long number);
static void *serve_client(void *argument);
static void end_session(struct client *client);
static bool send_all(int socket, const char *bytes, size_t length);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: the port, and at which of our addresses. */
    if (argc > 3 || (argc > 1 && !is_port(argv[1]))) {
        say(stderr, "usage: server [PORT [ADDRESS]], PORT from 0 to 65535");
        return 2;
    }
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    const char *host = argc > 2 ? argv[2] : DEFAULT_HOST;

    /* STEP 2: Prepare for a client that vanishes, which shall cost us an error of send() and
     * not our life, and for Ctrl-C. */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        fail("signal");
    end_on_signal();
    if (sem_init(&left, 0, 0) == -1)
        fail("sem_init");

    /* STEP 3: Make the socket that listens, and tell where: clients can connect from now. */
    int listener = listen_at(host, port);

    /* STEP 4: Accept one client after the other, and give each a thread of its own, so that
     * none waits for another. */
    for (long number = 1;; number++) {
        while (sem_trywait(&left) == 0)
            here--;
        if (here == MAX_CLIENTS)
            await_departure();
        start_thread(accept_client(listener), number);
        here++;
    }
}

static bool is_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && port <= 65535;
}

/* From now on Ctrl-C and SIGTERM end the program in order. A thread waits for them, because
 * a handler may do almost nothing: not even print. */
static void end_on_signal(void)
{
    static sigset_t signals; /* blocked here, and so in every thread that starts later */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_t thread;
    int error = pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (error != 0)
        fail_with(error, "pthread_sigmask");
    error = pthread_create(&thread, NULL, wait_for_signal, &signals);
    if (error == 0)
        error = pthread_detach(thread);
    if (error != 0)
        fail_with(error, "pthread_create");
}

static void *wait_for_signal(void *argument)
{
    int number;
    int error = sigwait(argument, &number);
    if (error != 0)
        fail_with(error, "sigwait");
    silence_others(); /* no other thread prints after this line, or while exit() does */
    say(stdout, "server: done");
    exit(EXIT_SUCCESS);
}

/* A socket that listens on `port` of our address `host`. Prints where that is. */
static int listen_at(const char *host, const char *port)
{
    struct addrinfo *address,
        hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int error = getaddrinfo(host, port, &hints, &address);
    if (error != 0) {
        say(stderr, PROGRAM ": getaddrinfo: error %d: %s", error, gai_strerror(error));
        exit(EXIT_FAILURE);
    }
    int listener = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener == -1)
        fail("socket");

    /* A connection that was closed here is kept for a minute, against packets that come
     * late (TIME_WAIT), and the port with it: without this option a server that is started
     * again would not get it. Two servers that listen on one port it does not allow. */
    int yes = 1, no = 0;
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == -1)
        fail("setsockopt");
    /* ADDRESS :: is to mean IPv4 too, whatever the machine's default is. */
    if (address->ai_family == AF_INET6 &&
        setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no) == -1)
        fail("setsockopt");
    if (bind(listener, address->ai_addr, address->ai_addrlen) == -1)
        fail("bind");
    freeaddrinfo(address);
    if (listen(listener, SOMAXCONN) == -1)
        fail("listen");

    /* Where we are bound tells the system: PORT may have been 0. */
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    if (getsockname(listener, (struct sockaddr *)&bound, &size) == -1)
        fail("getsockname");
    char name[NI_MAXHOST], number[NI_MAXSERV];
    error = getnameinfo((struct sockaddr *)&bound, size, name, sizeof name, number,
                        sizeof number, NI_NUMERICHOST | NI_NUMERICSERV);
    if (error != 0) {
        say(stderr, PROGRAM ": getnameinfo: error %d: %s", error, gai_strerror(error));
        exit(EXIT_FAILURE);
    }
    say(stdout,
        bound.ss_family == AF_INET6 ? "server: ready [%s]:%s" : "server: ready %s:%s",
        name, number);
    return listener;
}

/* Waits until a client has left. Who comes meanwhile waits in the listener's queue. */
static void await_departure(void)
{
    say(stderr, "server: full with %d clients: the next has to wait", here);
    if (sem_wait(&left) == -1)
        fail("sem_wait");
    here--;
}

/* Waits for a client. A connection that was reset while it waited in the queue is none.
 * (accept(2) names more errors of the network; Linux leaves those to the first recv().) Where
 * there is no descriptor for the next, those who are here go on, and it waits for one of them
 * to leave. */
static int accept_client(int listener)
{
    int client;
    while ((client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) == -1) {
        if (here > 0 &&
            (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            say(stderr, PROGRAM ": accept: error %d: %s", errno, strerror(errno));
            await_departure();
        } else if (errno != ECONNABORTED && errno != EPROTO && errno != EINTR) {
            fail("accept");
        }
    }
    return client;
}

static void start_thread(int socket, long number)
{
    struct client *client = malloc(sizeof *client);
    if (client == NULL)
        fail("malloc");
    *client = (struct client){.socket = socket, .number = number};
    say(stdout, "server: client %ld connected", number);

    pthread_t thread;
    int error = pthread_create(&thread, NULL, serve_client, client);
    if (error != 0) { /* no room for a thread: this client has to go, and no other */
        say(stderr, PROGRAM ": pthread_create: error %d: %s", error, strerror(error));
        if (close(client->socket) == -1)
            fail("close");
        end_session(client);
        return;
    }
    error = pthread_detach(thread); /* nobody waits for its end */
    if (error != 0)
        fail_with(error, "pthread_detach");
}

/* The thread of one client, from its first byte to its last. */
static void *serve_client(void *argument)
{
    struct client *client = argument;

    /* STEP 5: Receive what has come: part of what the client sent, or all, or more than one
     * piece. 0 bytes mean that it will send no more. */
    char bytes[READ_SIZE];
    ssize_t length;
    while ((length = recv(client->socket, bytes, sizeof bytes, 0)) > 0) {
        char *text = quoted(bytes, (size_t)length);
        say(stdout, "server: received %s", text);
        free(text);
        if (length == QUIT_SIZE && memcmp(bytes, QUIT, QUIT_SIZE) == 0)
            break;

        /* STEP 6: Send it back. While the client takes nothing we stand here, and receive
         * nothing from it: so what it can make us keep is this buffer. */
        if (!send_all(client->socket, bytes, (size_t)length)) {
            length = -1;
            break;
        }
    }
    if (length == -1)
        say(stderr, PROGRAM ": client %ld: error %d: %s", client->number, errno,
            strerror(errno));

    /* STEP 7: Close the connection, by which the client learns that all has been said. */
    if (close(client->socket) == -1)
        fail("close");
    end_session(client);
    return NULL;
}

/* The client has left: says so, to the thread that accepts, too. */
static void end_session(struct client *client)
{
    say(stdout, "server: client %ld left", client->number);
    free(client);
    if (sem_post(&left) == -1)
        fail("sem_post");
}

/* Sends all of `bytes`, in as many calls as it takes. Returns whether it could. */
static bool send_all(int socket, const char *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t sent = send(socket, bytes + done, length - done, 0);
        if (sent == -1)
            return false;
        done += (size_t)sent;
    }
    return true;
}
