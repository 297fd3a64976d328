/*
 * server_fork.c - a TCP server with a process for each client.
 *
 * Usage: server_fork [PORT [ADDRESS]]
 *
 * fork() copies the process, and its descriptors with it: the child has the connection, and
 * nothing need be passed. What one client's process does wrong, another's does not feel.
 *
 * The contract is that of server.c. A signal to the server alone ends it, and sessions go on
 * until their clients end them; Ctrl-C in a terminal goes to all these processes.
 * To try: server_fork 0, then ps --forest
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
#include <sys/wait.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* Set by Ctrl-C or SIGTERM, which are blocked but while the program waits: so neither can
 * come between a look at this variable and the wait. */
static volatile sig_atomic_t stopped;

static bool is_port(const char *text);
static void stop(int number);
static bool is_over(void);
static void wake(int number);
static sigset_t block_signals(void);
static int listen_at(const char *host, const char *port);
static pid_t start_child(int listener, int socket, long number, const sigset_t *mask);
static void serve_client(int socket, long number);
static bool send_all(int socket, const char *bytes, size_t length);

/* The children, and the number of each one's client. */
static struct child {
    pid_t pid; /* 0: a free place */
    long number;
} children[MAX_CLIENTS];

static int reap(void);

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
     * not our life, for Ctrl-C, and for the ends of our children. */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        fail("signal");
    sigset_t mask = block_signals();

    /* STEP 3: Make the socket that listens. It does not block: the client that woke us may
     * have gone again when we accept it. */
    int listener = listen_at(host, port);

    /* STEP 4: Wait for a client, or for the end of a child. Who finds no place waits in the
     * listener's queue. */
    int count = 0;
    bool crowded = false,
         was_full = false; /* crowded: no descriptor for one more client */
    for (long number = 0; !is_over();) {
        bool full = count == MAX_CLIENTS || crowded;
        if (full && !was_full)
            say(stderr, "server: full with %d clients: the next has to wait", count);
        was_full = full;
        struct pollfd event = {.fd = full ? ~listener : listener, .events = POLLIN};
        if (ppoll(&event, 1, NULL, &mask) == -1 && errno != EINTR)
            fail("poll");
        int ended = reap();
        count -= ended;
        if (ended > 0)
            crowded = false;
        if (full)
            continue;
        int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (socket == -1) {
            crowded = count > 0 && (errno == EMFILE || errno == ENFILE ||
                                    errno == ENOBUFS || errno == ENOMEM);
            if (crowded)
                say(stderr, PROGRAM ": accept: error %d: %s", errno, strerror(errno));
            else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED &&
                     errno != EPROTO)
                fail("accept");
            continue;
        }
        say(stdout, "server: client %ld connected", ++number);

        /* STEP 5: Start a child that serves it, and close our copy of the connection: the
         * client sees the end when nobody holds one. */
        int place = 0;
        while (children[place].pid != 0)
            place++;
        pid_t child = start_child(listener, socket, number, &mask);
        if (close(socket) == -1)
            fail("close");
        if (child == -1) {
            /* No room for a process: this client has to go, and no other. */
            say(stdout, "server: client %ld left", number);
            continue;
        }
        children[place] = (struct child){.pid = child, .number = number};
        count++;
    }

    /* End in order. */
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

/* Does nothing, but a signal that is handled interrupts a wait. */
static void wake(int number)
{
    (void)number;
}

/* Blocks Ctrl-C, SIGTERM, and SIGCHLD, and returns the mask to wait with, which lets them in. */
static sigset_t block_signals(void)
{
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    struct sigaction action = {.sa_handler = stop}, child = {.sa_handler = wake};
    if (sigaction(SIGINT, &action, NULL) == -1 ||
        sigaction(SIGTERM, &action, NULL) == -1 || sigaction(SIGCHLD, &child, NULL) == -1)
        fail("sigaction");
    if (sigprocmask(SIG_BLOCK, &signals, &before) == -1)
        fail("sigprocmask");
    /* The parent may have blocked them: then `before` would keep them blocked. */
    sigdelset(&before, SIGINT);
    sigdelset(&before, SIGTERM);
    sigdelset(&before, SIGCHLD);
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

/* Starts a process that serves the client. Returns its number, or -1 where there can be none. */
static pid_t start_child(int listener, int socket, long number, const sigset_t *mask)
{
    pid_t child = fork();
    if (child == -1)
        say(stderr, PROGRAM ": fork: error %d: %s", errno, strerror(errno));
    if (child == 0) {
        /* The child has a copy of everything. The listener it gives back: it would keep the
         * port when the server has ended. Ctrl-C is to end it as it ends any program. */
        if (close(listener) == -1)
            fail("close");
        if (signal(SIGINT, SIG_DFL) == SIG_ERR || signal(SIGTERM, SIG_DFL) == SIG_ERR ||
            sigprocmask(SIG_SETMASK, mask, NULL) == -1)
            fail("signal");
        serve_client(socket, number);
        exit(EXIT_SUCCESS);
    }
    return child;
}

/* What the child does: one client, from its first byte to its last. */
static void serve_client(int socket, long number)
{
    /* STEP 6: Receive what has come. 0 bytes mean that the client will send no more. */
    char bytes[READ_SIZE];
    ssize_t length;
    while ((length = recv(socket, bytes, sizeof bytes, 0)) > 0) {
        char *text = quoted(bytes, (size_t)length);
        say(stdout, "server: received %s", text);
        free(text);
        if (length == QUIT_SIZE && memcmp(bytes, QUIT, QUIT_SIZE) == 0)
            break;

        /* STEP 7: Send it back. While the client takes nothing this process stands here. */
        if (!send_all(socket, bytes, (size_t)length)) {
            length = -1;
            break;
        }
    }
    if (length == -1)
        say(stderr, PROGRAM ": client %ld: error %d: %s", number, errno, strerror(errno));
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

/* Takes note of the children that have ended: until somebody asks how, they stay in the table
 * of processes, as zombies. Returns how many there were. One SIGCHLD may stand for several. */
static int reap(void)
{
    int ended = 0, status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        int place = 0;
        while (place < MAX_CLIENTS && children[place].pid != pid)
            place++;
        if (place == MAX_CLIENTS)
            continue; /* whoever started us by exec() may have had children before */
        if (WIFSIGNALED(status))
            say(stderr, PROGRAM ": client %ld: its process was ended by signal %d",
                children[place].number, WTERMSIG(status));
        say(stdout, "server: client %ld left", children[place].number);
        children[place].pid = 0;
        ended++;
    }
    return ended;
}
