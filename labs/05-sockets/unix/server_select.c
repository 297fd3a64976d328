/*
 * server_select.c - a TCP server in one thread, which waits for all its clients in select().
 *
 * Usage: server_select [PORT [ADDRESS]]
 *
 * select() takes sets of descriptors as maps of bits, FD_SETSIZE (1,024) of them: a descriptor
 * with a larger number does not fit, however few are open, and FD_SET() would write behind the
 * set. Such a client is turned away, with a line.
 *
 * The contract is that of server.c. Another way: server_poll.c, which has no such limit.
 * Its twin: ../win32/server_select.c, where a set is a list, and its limit another.
 * To try: server_select 0; and in bash, with nearly all that fit taken by others,
 * (ulimit -n 2048; while exec {i}</dev/null; [ $i -lt 1021 ]; do :; done; server_select 0)
 */
#define PROGRAM "server"

#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* Set by Ctrl-C or SIGTERM, which are blocked but while the program waits: so neither can
 * come between a look at this variable and the wait. */
static volatile sig_atomic_t stopped;

/* One client: its socket, and the echo that it has not taken yet. */
struct client {
    int socket;
    long number; /* counted from 1 */
    size_t length, sent;
    char bytes[READ_SIZE];
};

/* Whether there is no descriptor for one more client: up to the next that leaves. */
static bool crowded;

static bool is_port(const char *text);
static void stop(int number);
static bool is_over(void);
static sigset_t block_signals(void);
static int listen_at(const char *host, const char *port);
static struct client *accept_client(int listener, bool alone);
static bool serve(struct client *client);
static bool goes_on(const struct client *client);
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
     * not our life, and for Ctrl-C. */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        fail("signal");
    sigset_t mask = block_signals();

    /* STEP 3: Make the socket that listens. It does not block: the client that woke us may
     * have gone again when we accept it. */
    int listener = listen_at(host, port);

    static struct client *clients[MAX_CLIENTS];
    int count = 0;
    bool was_full = false;
    while (!is_over()) {
        /* STEP 4: Wait until somebody is ready. select() overwrites its sets, so they are
         * filled anew each time. Who finds no place waits in the listener's queue. */
        fd_set readable, writable;
        FD_ZERO(&readable);
        FD_ZERO(&writable);
        int largest = listener;
        bool full = count == MAX_CLIENTS || crowded;
        if (full && !was_full)
            say(stderr, "server: full with %d clients: the next has to wait", count);
        was_full = full;
        if (!full)
            FD_SET(listener, &readable);
        for (int i = 0; i < count; i++) {
            FD_SET(clients[i]->socket,
                   clients[i]->sent < clients[i]->length ? &writable : &readable);
            if (clients[i]->socket > largest)
                largest = clients[i]->socket;
        }
        if (pselect(largest + 1, &readable, &writable, NULL, NULL, &mask) == -1) {
            if (errno != EINTR)
                fail("select");
            continue;
        }

        /* STEP 5: Serve the clients that are ready, and take in a new one. The last of the
         * list takes the place of one that leaves. */
        for (int i = count; i-- > 0;)
            if ((FD_ISSET(clients[i]->socket, &readable) ||
                 FD_ISSET(clients[i]->socket, &writable)) &&
                !serve(clients[i])) {
                release(clients[i]);
                clients[i] = clients[--count];
            }
        if (!full && FD_ISSET(listener, &readable)) {
            clients[count] = accept_client(listener, count == 0);
            if (clients[count] != NULL)
                count++;
        }
    }

    /* End in order. */
    while (count > 0)
        release(clients[--count]);
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

static bool is_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && port <= 65535;
}

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

/* Whether Ctrl-C or SIGTERM has come. pselect() lets them in only when it has to wait: where it finds
 * somebody ready every time they stay outside, and would do so for ever. */
static bool is_over(void)
{
    sigset_t outside;
    if (sigpending(&outside) == -1)
        fail("sigpending");
    return stopped || sigismember(&outside, SIGINT) == 1 ||
           sigismember(&outside, SIGTERM) == 1;
}

/* Blocks Ctrl-C and SIGTERM, and returns the mask to wait with, which lets them in. */
static sigset_t block_signals(void)
{
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    struct sigaction action = {.sa_handler = stop};
    if (sigaction(SIGINT, &action, NULL) == -1 || sigaction(SIGTERM, &action, NULL) == -1)
        fail("sigaction");
    if (sigprocmask(SIG_BLOCK, &signals, &before) == -1)
        fail("sigprocmask");
    /* The parent may have blocked them: then `before` would keep them blocked. */
    sigdelset(&before, SIGINT);
    sigdelset(&before, SIGTERM);
    return before;
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

    if (listener >= FD_SETSIZE)
        fail_with(EMFILE, "select");

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

/* Accepts a client that waits. Returns NULL where it has gone again, and where there is no
 * descriptor for it: then it waits until another leaves, if we are not `alone`. */
static struct client *accept_client(int listener, bool alone)
{
    static long number;
    int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket == -1) {
        crowded = !alone && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                             errno == ENOMEM);
        if (crowded)
            say(stderr, PROGRAM ": accept: error %d: %s", errno, strerror(errno));
        else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED &&
                 errno != EPROTO)
            fail("accept");
        return NULL;
    }
    if (socket >= FD_SETSIZE) {
        say(stderr, "server: descriptor %d does not fit into a set of %d", socket,
            FD_SETSIZE);
        if (close(socket) == -1)
            fail("close");
        return NULL;
    }
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        fail("calloc");
    client->socket = socket;
    client->number = ++number;
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
static bool goes_on(const struct client *client)
{
    if (errno == EAGAIN || errno == EINTR)
        return true;
    say(stderr, PROGRAM ": client %ld: error %d: %s", client->number, errno,
        strerror(errno));
    return false;
}
