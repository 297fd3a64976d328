/*
 * server_io_uring.c - the completion port's true twin on Linux: hand operations to the kernel
 * through one ring, take their completions from another.
 *
 * Usage: server_io_uring [PORT]
 *
 * By the same contract as server.c, in the manner of ../win32/server.c: receive and send are
 * started, not done, and each client's memory is the kernel's until its completion has come.
 * Where the system does not permit io_uring (many containers do not) it says so and ends
 * with exit code 1.
 *
 * To try: server_io_uring & client 127.0.0.1 7710 1000 100; strace -fc server_io_uring.
 */
#define PROGRAM "server"

#include <liburing.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* How many operations can be handed over at once. There may be more of them under way. */
#define RING_SIZE 256

/* What a completion is about: the address of one of these went along with the operation. */
enum operation { ACCEPT, SIGNAL, CANCEL, RECEIVE, SEND };

/* A client, and the one operation that is under way for it. */
struct client {
    enum operation operation; /* first, so that its address is the client's */
    int socket;
    long number;
    size_t from, to;               /* the part of the buffer that waits to be sent */
    struct client *next, **before; /* the list of all, for the end */
    char buffer[BUFFER_SIZE];
};

static enum operation accept_operation = ACCEPT;
static struct client *clients;
static struct io_uring ring;
static int listener;
static bool accepting; /* whether an accept is under way */
static bool stopping;

static long port_from(const char *text);
static void raise_limit(void);
static int listen_on(long port);
static int signals_to_read(void);
static struct io_uring_sqe *entry(void);
static void start_accept(void);
static void start_receive(struct client *client);
static void start_send(struct client *client);
static void stop(void);
static void accepted(int result);
static void advance(struct client *client, int result);
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

    /* STEP 2: Make the rings. First, for all else is in vain where that is not permitted. */
    int error = io_uring_queue_init(RING_SIZE, &ring, 0);
    if (error < 0)
        fail_with(-error, "io_uring_queue_init");

    /* STEP 3: Listen, and start what waits for clients and for the signals that end us: one
     * may come as soon as we have said that we are ready. */
    int signals = signals_to_read();
    listener = listen_on(port);
    struct signalfd_siginfo news;
    enum operation signalled = SIGNAL;
    struct io_uring_sqe *read_signal = entry();
    io_uring_prep_read(read_signal, signals, &news, sizeof news, 0);
    io_uring_sqe_set_data(read_signal, &signalled);
    start_accept();

    /* STEP 4: Hand over what was started, wait for completions, start what follows. After
     * the signal go on until each operation has completed: until then its memory is lent. */
    while (!stopping || clients != NULL || accepting) {
        struct io_uring_cqe *completion;
        unsigned head, count = 0;
        error = io_uring_submit_and_wait(&ring, 1);
        if (error < 0 && error != -EINTR && error != -EBUSY && error != -EAGAIN)
            fail_with(-error, "io_uring_submit_and_wait");
        io_uring_for_each_cqe(&ring, head, completion)
        {
            enum operation *what = io_uring_cqe_get_data(completion);
            if (*what == SIGNAL)
                stop();
            else if (*what == ACCEPT)
                accepted(completion->res);
            else if (*what != CANCEL)
                advance((struct client *)what, completion->res);
            count++;
        }
        io_uring_cq_advance(&ring, count);
    }

    /* STEP 5: Nothing is under way any more, all memory is ours again. */
    io_uring_queue_exit(&ring);
    if (close(listener) == -1 || close(signals) == -1)
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

/* A descriptor for each client: as many as this process is allowed at all. */
static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        fail("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
        fail("setrlimit");
}

/* The sockets may block: the kernel waits for them, and not this thread. */
static int listen_on(long port)
{
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
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
    if (listen(made, SOMAXCONN) == -1)
        fail("listen");
    if (getsockname(made, (struct sockaddr *)&address, &size) == -1)
        fail("getsockname");
    say(stdout, "server: ready 127.0.0.1:%d", ntohs(address.sin_port));
    return made;
}

/* A descriptor from which SIGINT and SIGTERM are read, as one more operation. */
static int signals_to_read(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        fail("sigprocmask");
    int made = signalfd(-1, &set, SFD_CLOEXEC);
    if (made == -1)
        fail("signalfd");
    return made;
}

/* A free entry of the ring, into which an operation is written. */
static struct io_uring_sqe *entry(void)
{
    struct io_uring_sqe *free_entry;
    while ((free_entry = io_uring_get_sqe(&ring)) == NULL) {
        int error = io_uring_submit(&ring); /* the ring is full: hand it over */
        if (error < 0 && error != -EINTR && error != -EBUSY && error != -EAGAIN)
            fail_with(-error, "io_uring_submit");
    }
    return free_entry;
}

static void start_accept(void)
{
    struct io_uring_sqe *accept = entry();
    io_uring_prep_accept(accept, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data(accept, &accept_operation);
    accepting = true;
}

/* From here to the completion client and buffer are lent to the kernel: the operation does not
 * tell that there are bytes, it puts them there. */
static void start_receive(struct client *client)
{
    struct io_uring_sqe *receive = entry();
    client->operation = RECEIVE;
    io_uring_prep_recv(receive, client->socket, client->buffer, sizeof client->buffer, 0);
    io_uring_sqe_set_data(receive, client);
}

static void start_send(struct client *client)
{
    struct io_uring_sqe *send = entry();
    client->operation = SEND;
    io_uring_prep_send(send, client->socket, client->buffer + client->from,
                       client->to - client->from, MSG_NOSIGNAL);
    io_uring_sqe_set_data(send, client);
}

/* Asks for the end of everything that is under way. Each operation still completes, as
 * cancelled or as done; only then its client is closed. */
static void stop(void)
{
    static enum operation cancelled = CANCEL;
    stopping = true;
    if (accepting) {
        struct io_uring_sqe *cancel = entry();
        io_uring_prep_cancel(cancel, &accept_operation, 0);
        io_uring_sqe_set_data(cancel, &cancelled);
    }
    for (struct client *client = clients; client != NULL; client = client->next) {
        struct io_uring_sqe *cancel = entry();
        io_uring_prep_cancel(cancel, client, 0);
        io_uring_sqe_set_data(cancel, &cancelled);
    }
}

/* STEP 6: A client has arrived: start sending the welcome, and the next accept. */
static void accepted(int result)
{
    static long number;
    accepting = false;
    if (result >= 0 && stopping) {
        close(result);
    } else if (result >= 0) {
        struct client *client = malloc(sizeof *client);
        if (client == NULL)
            fail("malloc");
        client->socket = result;
        client->number = ++number;
        memcpy(client->buffer, WELCOME, sizeof WELCOME);
        client->from = 0;
        client->to = sizeof WELCOME;
        client->next = clients;
        client->before = &clients;
        if (clients != NULL)
            clients->before = &client->next;
        clients = client;
        say(stdout, "server: client %ld connected", client->number);
        start_send(client);
    } else if (clients != NULL && (result == -EMFILE || result == -ENFILE ||
                                   result == -ENOBUFS || result == -ENOMEM)) {
        /* No room: the next accept is started when a client has left. */
        say(stderr, PROGRAM ": accept: error %d: %s", -result, strerror(-result));
        return;
    } else if (result != -ECONNABORTED && result != -EPROTO && result != -EINTR &&
               result != -ECANCELED) {
        fail_with(-result, "accept");
    }
    if (!stopping)
        start_accept();
}

/* STEP 7: A client's operation is done: start the next. One at a time, so what waits to be
 * sent is bounded by the buffer, and the order of the bytes is never in doubt. */
static void advance(struct client *client, int result)
{
    if (stopping || result <= 0) {
        leave(client); /* it is done, or was reset or cancelled: nothing follows */
    } else if (client->operation == RECEIVE) {
        client->from = 0;
        client->to = (size_t)result;
        start_send(client);
    } else {
        client->from += (size_t)result;
        if (client->from < client->to)
            start_send(client); /* a part only was taken */
        else
            start_receive(client);
    }
}

static void leave(struct client *client)
{
    if (close(client->socket) == -1)
        fail("close");
    say(stdout, "server: client %ld left", client->number);
    *client->before = client->next;
    if (client->next != NULL)
        client->next->before = client->before;
    free(client);
    if (!accepting && !stopping)
        start_accept();
}
