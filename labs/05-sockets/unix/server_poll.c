/*
 * server_poll.c - a TCP server in one thread, which waits for all its clients in poll().
 *
 * Usage: server_poll [PORT [ADDRESS]]
 *
 * poll() takes a list of descriptors, of any number and with any values, and tells which are
 * ready. A client whose echo waits is asked for room to send, every other for bytes to
 * receive; no call on a socket ever blocks.
 *
 * The contract is that of server.c. Another way: server_select.c, server_sigio.c.
 * To try: strace -e trace=poll,ppoll,recvfrom,sendto server_poll 0
 */
#define PROGRAM "server"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
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

    /* STEP 4: Wait until somebody is ready. The listener is the first in the list; behind it
     * stand the clients, in any order. */
    static struct pollfd events[1 + MAX_CLIENTS];
    static struct client *clients[1 + MAX_CLIENTS];
    nfds_t count = 1;
    events[0].events = POLLIN;
    while (!is_over()) {
        /* Who finds no place waits in the listener's queue: poll() skips a negative number. */
        bool full = count > MAX_CLIENTS || crowded;
        if (full && events[0].fd == listener)
            say(stderr, "server: full with %d clients: the next has to wait",
                (int)count - 1);
        events[0].fd = full ? ~listener : listener;
        for (nfds_t i = 1; i < count; i++)
            events[i].events = clients[i]->sent < clients[i]->length ? POLLOUT : POLLIN;
        if (ppoll(events, count, NULL, &mask) == -1) {
            if (errno != EINTR)
                fail("poll");
            continue;
        }

        /* STEP 5: Serve the clients that are ready, and take in a new one. The last of the
         * list takes the place of one that leaves. */
        for (nfds_t i = count; i-- > 1;)
            if (events[i].revents != 0 && !serve(clients[i])) {
                release(clients[i]);
                clients[i] = clients[--count];
                events[i] = events[count];
            }
        if (events[0].revents != 0 && count <= MAX_CLIENTS) {
            clients[count] = accept_client(listener, count == 1);
            if (clients[count] != NULL) {
                events[count].fd = clients[count]->socket;
                count++;
            }
        }
    }

    /* End in order. */
    while (count > 1)
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

/* Whether Ctrl-C or SIGTERM has come. ppoll() lets them in only when it has to wait: where it finds
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
