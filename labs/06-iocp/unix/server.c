/*
 * server.c - echo to any number of clients from one thread, told by epoll who is ready.
 *
 * Usage: server [PORT]
 *
 * Listens on 127.0.0.1, on PORT (7710; 0: any free one), sends each client the welcome, then
 * all that it sends, back. Ends on Ctrl-C or SIGTERM, with exit code 0.
 *
 * Mirrors listing 12 of the report. Its twin: ../win32/server.c. There the system says "it is
 * done", here it says "you can do it now". server_io_uring.c does it the Windows way, on Linux.
 * To try: server & client 127.0.0.1 7710 1000 100; strace -c server.
 */
#define PROGRAM "server"

#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

#define EVENTS_AT_ONCE 64

/* A client: its socket, and the one buffer that bounds what it can make us hold. */
struct client {
    int socket;
    long number;
    uint32_t watched;              /* what epoll watches: EPOLLIN, or EPOLLOUT */
    size_t from, to;               /* the part of the buffer that waits to be sent */
    struct client *next, **before; /* the list of all, for the end */
    char buffer[BUFFER_SIZE];
};

static struct client *clients;
static int queue, listener; /* the epoll, and the socket that listens */
static bool accepting;      /* whether epoll watches the listener */

static long port_from(const char *text);
static void raise_limit(void);
static int listen_on(long port);
static int signals_to_read(void);
static void watch(int operation, int descriptor, uint32_t events, void *whose);
static void accept_client(void);
static void serve(struct client *client);
static void leave(struct client *client);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: the port. */
    long port = argc > 1 ? port_from(argv[1]) : DEFAULT_PORT;
    if (argc > 2 || port == -1) {
        say(stderr, "usage: server [PORT], PORT from 0 to %d", MAX_PORT);
        return 2;
    }
    raise_limit();

    /* STEP 2: Listen. The socket does not block: a client that was there when epoll said so
     * may have gone when we accept, and all others would wait for the next. Signals are made
     * events first, because one may come as soon as we have said that we are ready. */
    int signals = signals_to_read();
    listener = listen_on(port);

    /* STEP 3: Make the queue of events. All is told here: clients that arrive, clients that
     * are ready, and the signals that end us. */
    queue = epoll_create1(EPOLL_CLOEXEC);
    if (queue == -1)
        fail("epoll_create1");
    watch(EPOLL_CTL_ADD, signals, EPOLLIN, &signals);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, &listener);
    accepting = true;

    /* STEP 4: Wait for events and give each client its turn, until a signal comes. */
    for (bool stop = false; !stop;) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(queue, events, EVENTS_AT_ONCE, -1);
        if (count == -1 && errno != EINTR) /* a debugger, or a stop and continue */
            fail("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &signals)
                stop = true;
            else if (events[i].data.ptr == &listener)
                accept_client();
            else
                serve(events[i].data.ptr);
        }
    }

    /* STEP 5: Stop accepting, close every client, free all. Nothing is under way: between
     * two events all memory is ours. */
    if (close(listener) == -1)
        fail("close");
    accepting = true; /* there is nobody to accept any more */
    while (clients != NULL)
        leave(clients);
    if (close(queue) == -1 || close(signals) == -1)
        fail("close");
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

/* The port that `text` names, or -1. */
static long port_from(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    bool good = *text >= '0' && *text <= '9' && *end == '\0' && port <= MAX_PORT;
    return good ? port : -1;
}

/* A descriptor for each client: as many as this process is allowed at all. The usual limit of
 * 1024 is there for programs that use select. */
static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        fail("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
        fail("setrlimit");
}

static int listen_on(long port)
{
    int made = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (made == -1)
        fail("socket");
    /* Connections of a server that was here a moment ago may linger in TIME_WAIT. */
    if (setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1)
        fail("setsockopt");
    if (bind(made, (struct sockaddr *)&address, size) == -1)
        fail("bind");
    /* The listing asks for a queue of 5. Here thousands may come at once. */
    if (listen(made, SOMAXCONN) == -1)
        fail("listen");
    if (getsockname(made, (struct sockaddr *)&address, &size) == -1)
        fail("getsockname");
    say(stdout, "server: ready 127.0.0.1:%d", ntohs(address.sin_port));
    return made;
}

/* A descriptor from which SIGINT and SIGTERM are read, so that they are events like others. */
static int signals_to_read(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        fail("sigprocmask");
    int made = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (made == -1)
        fail("signalfd");
    return made;
}

static void watch(int operation, int descriptor, uint32_t events, void *whose)
{
    struct epoll_event event = {.events = events, .data.ptr = whose};
    if (epoll_ctl(queue, operation, descriptor, &event) == -1)
        fail("epoll_ctl");
}

/* STEP 6: A client has arrived: the welcome is the first thing that waits to be sent. */
static void accept_client(void)
{
    static long number;
    int made = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (made == -1 && clients != NULL &&
        (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
        /* No room. The client still waits, and epoll would tell of it again and again: so
         * look there no more until another has left. */
        say(stderr, PROGRAM ": accept4: error %d: %s", errno, strerror(errno));
        watch(EPOLL_CTL_DEL, listener, 0, NULL);
        accepting = false;
        return;
    }
    if (made == -1 &&
        (errno == EAGAIN || errno == ECONNABORTED || errno == EPROTO || errno == EINTR))
        return; /* it has gone again */
    if (made == -1)
        fail("accept4");
    struct client *client = malloc(sizeof *client);
    if (client == NULL)
        fail("malloc");
    client->socket = made;
    client->number = ++number;
    client->watched = 0;
    memcpy(client->buffer, WELCOME, sizeof WELCOME);
    client->from = 0;
    client->to = sizeof WELCOME;
    client->next = clients;
    client->before = &clients;
    if (clients != NULL)
        clients->before = &client->next;
    clients = client;
    say(stdout, "server: client %ld connected", client->number);
    watch(EPOLL_CTL_ADD, made, 0, client);
    serve(client);
}

/* STEP 7: A client is ready: receive if nothing waits to be sent, send what waits, and watch
 * for what is needed next. While an echo waits nothing is received: so a client that does not
 * read is held back by TCP itself, and costs one buffer. */
static void serve(struct client *client)
{
    ssize_t length;
    if (client->from == client->to) {
        length = recv(client->socket, client->buffer, sizeof client->buffer, 0);
        if (length == 0 || (length == -1 && errno != EAGAIN && errno != EINTR)) {
            leave(client); /* it is done, or it was reset: this client's affair alone */
            return;
        }
        client->from = 0;
        client->to = length == -1 ? 0 : (size_t)length;
    }
    if (client->from < client->to) {
        /* No SIGPIPE for a client that has gone: an error is enough. */
        length = send(client->socket, client->buffer + client->from,
                      client->to - client->from, MSG_NOSIGNAL);
        if (length == -1 && errno != EAGAIN && errno != EINTR) {
            leave(client);
            return;
        }
        client->from += length == -1 ? 0 : (size_t)length;
    }
    /* One of the two, never both: a socket can be written to nearly always, and whoever
     * watches for that with nothing to send is told so for ever. */
    uint32_t needed = client->from < client->to ? EPOLLOUT : EPOLLIN;
    if (client->watched != needed)
        watch(EPOLL_CTL_MOD, client->socket, needed, client);
    client->watched = needed;
}

static void leave(struct client *client)
{
    if (close(client->socket) == -1) /* which takes it out of the epoll, too */
        fail("close");
    say(stdout, "server: client %ld left", client->number);
    *client->before = client->next;
    if (client->next != NULL)
        client->next->before = client->before;
    free(client);
    if (!accepting)
        watch(EPOLL_CTL_ADD, listener, EPOLLIN, &listener);
    accepting = true;
}
