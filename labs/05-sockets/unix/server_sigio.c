/*
 * server_sigio.c - a TCP server in one thread, which learns by signals who is ready.
 *
 * Usage: server_sigio [PORT [ADDRESS]]
 *
 * With O_ASYNC a socket sends a signal when it becomes ready; with F_SETSIG a real-time one,
 * which queues, and carries the descriptor. It tells of a change and not of a state: whoever
 * is told must go on until the call would block. When the queue of signals is full the kernel
 * sends SIGIO instead, without a descriptor: then everybody has to be looked at.
 *
 * The contract is that of server.c. Linux alone has F_SETSIG. The modern form: epoll, lab 06.
 * To try: in bash, with no room in the queue, (ulimit -i 0; server_sigio 0)
 */
#define PROGRAM "server"

#include <netdb.h>
#include <netinet/in.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* Which signal the sockets send. The first real-time signals belong to the C library. */
#define READY_SIGNAL (SIGRTMIN + 1)

/* Whether there is no descriptor for one more client: up to the next that leaves. */
static bool crowded;

/* One client: its socket, and the echo that it has not taken yet. */
struct client {
    int socket;
    long number; /* counted from 1 */
    bool ready;  /* was told to be, and has not said since that it would block */
    size_t length, sent;
    char bytes[READ_SIZE];
};

/* The clients by their descriptors, as the signals name them: 0 to MAX_DESCRIPTOR - 1. Whoever
 * started us may have left some open, so there is room for more than MAX_CLIENTS. */
#define MAX_DESCRIPTOR 2048
static struct client *clients[MAX_DESCRIPTOR];

static bool is_port(const char *text);
static sigset_t block_signals(void);
static int listen_at(const char *host, const char *port);
static void ask_for_signals(int socket);
static bool take_signal(const sigset_t *signals, bool wait, int listener, bool *waiting);
static int serve_all(int *count);
static struct client *accept_client(int listener, bool alone, bool *waiting);
static bool serve(struct client *client);
static bool goes_on(struct client *client);
static void release(struct client *client);

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
     * not our life. All signals that we wait for are blocked: they come when they are asked
     * for, and no handler is needed. */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        fail("signal");
    sigset_t signals = block_signals();

    /* STEP 3: Make the socket that listens, and ask for its signals. */
    int listener = listen_at(host, port);
    ask_for_signals(listener);

    /* STEP 4: Take the signals one after the other: who is ready? As long as somebody is
     * known to be, look without waiting: so no client waits for another one's last byte. */
    int count = 0, ready = 0;
    bool waiting = true; /* clients in the queue, as far as is known */
    bool full = false, was_full = false;
    while (take_signal(&signals, ready == 0 && (!waiting || full), listener, &waiting)) {
        /* STEP 5: Serve each that is ready a little, and take in a new one. */
        ready = serve_all(&count);
        if (waiting && count < MAX_CLIENTS && !crowded) {
            struct client *client = accept_client(listener, count == 0, &waiting);
            if (client != NULL) {
                clients[client->socket] = client;
                count++;
                ready++;
            }
        }
        full = waiting && (count == MAX_CLIENTS || crowded);
        if (full && !was_full)
            say(stderr, "server: full with %d clients: the next has to wait", count);
        was_full = full;
    }

    /* End in order. */
    for (int i = 0; i < MAX_DESCRIPTOR; i++)
        if (clients[i] != NULL)
            release(clients[i]);
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

static bool is_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && port <= 65535;
}

/* Blocks the signals that this program waits for, and returns them as a set. */
static sigset_t block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, READY_SIGNAL);
    sigaddset(&signals, SIGIO);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) == -1)
        fail("sigprocmask");
    return signals;
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
    int listener = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                          0);
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

/* From now on the socket sends this process READY_SIGNAL when something about it changes. */
static void ask_for_signals(int socket)
{
    int flags = fcntl(socket, F_GETFL);
    if (flags == -1 || fcntl(socket, F_SETOWN, getpid()) == -1 ||
        fcntl(socket, F_SETSIG, READY_SIGNAL) == -1 ||
        fcntl(socket, F_SETFL, flags | O_ASYNC) == -1)
        fail("fcntl");
}

/* Takes a signal, if `wait` whenever it comes, and notes who is ready by it. Returns false
 * where the signal is to end the program. */
static bool take_signal(const sigset_t *signals, bool wait, int listener, bool *waiting)
{
    siginfo_t signal;
    struct timespec at_once = {0};
    int number = wait ? sigwaitinfo(signals, &signal)
                      : sigtimedwait(signals, &signal, &at_once);
    if (number == -1 && errno != EAGAIN && errno != EINTR)
        fail("sigwaitinfo");
    if (number == SIGIO) {
        say(stderr, "server: the queue of signals was full: looking at everybody");
        *waiting = true;
        for (int i = 0; i < MAX_DESCRIPTOR; i++)
            if (clients[i] != NULL)
                clients[i]->ready = true;
    } else if (number == READY_SIGNAL && signal.si_fd == listener) {
        *waiting = true;
    } else if (number == READY_SIGNAL && signal.si_fd >= 0 &&
               signal.si_fd < MAX_DESCRIPTOR && clients[signal.si_fd] != NULL) {
        /* The signal may be older than this client, and mean one that had the number before
         * it: that costs a call that would block, and no more. */
        clients[signal.si_fd]->ready = true;
    }
    return number != SIGINT && number != SIGTERM;
}

/* Serves each client that is ready. Returns how many still are. */
static int serve_all(int *count)
{
    int ready = 0;
    for (int i = 0; i < MAX_DESCRIPTOR; i++) {
        if (clients[i] == NULL || !clients[i]->ready)
            continue;
        if (!serve(clients[i])) {
            release(clients[i]);
            clients[i] = NULL;
            --*count;
        } else if (clients[i]->ready) {
            ready++;
        }
    }
    return ready;
}

/* Accepts a client that waits. Returns NULL, and notes whether others still do, where it has
 * gone again or cannot be taken in; where there is no descriptor for it, it waits until another
 * leaves, if we are not `alone`. */
static struct client *accept_client(int listener, bool alone, bool *waiting)
{
    static long number;
    int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket == -1) {
        *waiting = errno != EAGAIN;
        crowded = !alone && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                             errno == ENOMEM);
        if (crowded)
            say(stderr, PROGRAM ": accept: error %d: %s", errno, strerror(errno));
        else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED &&
                 errno != EPROTO)
            fail("accept");
        return NULL;
    }
    if (socket >= MAX_DESCRIPTOR) {
        say(stderr, "server: there is no place for descriptor %d", socket);
        if (close(socket) == -1)
            fail("close");
        return NULL;
    }
    /* First the signals, then the first look: what came before them has sent none. */
    ask_for_signals(socket);
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        fail("calloc");
    client->socket = socket;
    client->number = ++number;
    client->ready = true;
    say(stdout, "server: client %ld connected", client->number);
    return client;
}

/* Closes the connection and frees what belongs to it. */
static void release(struct client *client)
{
    if (close(client->socket) == -1)
        fail("close");
    say(stdout, "server: client %ld left", client->number);
    free(client);
    crowded = false;
}

/* Does for a client what can be done without waiting. Returns whether it is still there. */
static bool serve(struct client *client)
{
    /* STEP 6: Receive, if the echo of what came before has gone. So a client that takes no
     * echoes is not read from either, and TCP tells it to wait. */
    if (client->sent == client->length) {
        ssize_t length = recv(client->socket, client->bytes, sizeof client->bytes, 0);
        if (length <= 0)
            return length == -1 && goes_on(client);
        client->length = (size_t)length;
        client->sent = 0;
        char *text = quoted(client->bytes, client->length);
        say(stdout, "server: received %s", text);
        free(text);
        if (length == QUIT_SIZE && memcmp(client->bytes, QUIT, QUIT_SIZE) == 0)
            return false;
    }

    /* STEP 7: Send back as much as the socket takes; the rest when it takes more. */
    ssize_t sent = send(client->socket, client->bytes + client->sent,
                        client->length - client->sent, 0);
    if (sent == -1)
        return goes_on(client);
    client->sent += (size_t)sent;
    return true;
}

/* Whether the call that failed had only to wait. If not, the client has gone; says why. */
static bool goes_on(struct client *client)
{
    if (errno == EINTR)
        return true;
    if (errno == EAGAIN) {
        client->ready = false; /* the next signal tells when it is again */
        return true;
    }
    say(stderr, PROGRAM ": client %ld: error %d: %s", client->number, errno,
        strerror(errno));
    return false;
}
