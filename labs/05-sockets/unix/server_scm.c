/*
 * server_scm.c - a TCP server that passes each connection to a process that is no child.
 *
 * Usage: server_scm [PORT [ADDRESS [MILLISECONDS]]]
 *
 * A descriptor is more than a number: it can be sent through a socket of the UNIX domain, as
 * a control message of type SCM_RIGHTS, and arrives in the other process as a number of its
 * own for the same connection. The worker here is started so that it is nobody's child (its
 * parent has ended); it could as well have been running before, under another name.
 *
 * A worker that has not come after MILLISECONDS (30,000) is given up. The contract is that of
 * server.c. A signal to the server alone ends it, and sessions go on in their workers; Ctrl-C
 * in a terminal goes to all of them.
 * Compare: server_handoff.c, where the connection is inherited, and what Windows must do,
 * ../win32/server_handoff.c.
 * To try: server_scm 0, a client, ps --forest; mv the worker away.
 */
#define PROGRAM "server"

#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* Room for the name of the socket that the worker calls. */
#define NAME_ROOM sizeof(((struct sockaddr_un *)0)->sun_path)

/* As many descriptors are in use beside those of clients, and a few more. */
#define OTHER_DESCRIPTORS 10

/* What a client's thread needs to know. */
struct client {
    int socket;
    long number; /* counted from 1 */
};

/* How many clients are here, as far as the thread that accepts them has counted; and a post by
 * each that has left, for it to count. */
static int here;
static sem_t left;
static char worker[PATH_MAX]; /* the path of the program that serves */
static int patience = HANDOFF_TIMEOUT;

static bool is_port(const char *text);
static bool is_patience(const char *text);
static void find_worker(const char *self);
static int most_clients(void);
static void end_on_signal(void);
static void *wait_for_signal(void *argument);
static int listen_at(const char *host, const char *port);
static void await_departure(void);
static int accept_client(int listener);
static void start_thread(int socket, long number);
static void *serve_client(void *argument);
static void end_session(struct client *client);
static int meet_worker(const struct client *client);
static int accept_worker(int listener);
static long long milliseconds(void);
static int listen_privately(char name[NAME_ROOM]);
static bool start_worker(const struct client *client, const char *name);
static bool is_ours(int connection);
static bool hand_over(int connection, int socket);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: the port, at which of our addresses, how long to wait. */
    if (argc > 4 || (argc > 1 && !is_port(argv[1])) ||
        (argc > 3 && !is_patience(argv[3]))) {
        say(stderr,
            "usage: server [PORT [ADDRESS [MILLISECONDS]]], PORT from 0 to 65535");
        return 2;
    }
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    const char *host = argc > 2 ? argv[2] : DEFAULT_HOST;
    find_worker(argv[0]);

    /* STEP 2: Prepare for Ctrl-C. If the parent ignored SIGCHLD, so does this program, and the
     * system would forget how a child ended before we ask. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        fail("signal");
    end_on_signal();
    if (sem_init(&left, 0, 0) == -1)
        fail("sem_init");

    /* STEP 3: Make the socket that listens, and tell where: clients can connect from now. */
    int listener = listen_at(host, port);

    /* STEP 4: Accept one client after the other, and give each a thread, which sees to its
     * worker from the beginning to the end. */
    int most = most_clients();
    for (long number = 1;; number++) {
        while (sem_trywait(&left) == 0)
            here--;
        if (here >= most)
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

/* Takes the milliseconds that a worker is waited for. Returns whether `text` says any. */
static bool is_patience(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text < '1' || *text > '9' || *end != '\0' || value > INT_MAX)
        return false;
    patience = (int)value;
    return true;
}

/* The worker stands in the folder that `self`, our argv[0], names. */
static void find_worker(const char *self)
{
    const char *slash = strrchr(self, '/');
    int folder = slash == NULL ? 0 : (int)(slash + 1 - self);
    if (snprintf(worker, sizeof worker, "%.*sworker", folder, self) >= (int)sizeof worker)
        fail_with(ENAMETOOLONG, "find_worker");
}

/* How many clients there is room for: each takes three descriptors while it is handed over. */
static int most_clients(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        fail("getrlimit");
    if (limit.rlim_cur >= OTHER_DESCRIPTORS + 3 * MAX_CLIENTS)
        return MAX_CLIENTS;
    return limit.rlim_cur < OTHER_DESCRIPTORS + 3
               ? 1
               : (int)(limit.rlim_cur - OTHER_DESCRIPTORS) / 3;
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

/* Waits for a client. A connection that was reset while it waited in the queue is none. Where
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

/* The thread of one client. */
static void *serve_client(void *argument)
{
    struct client *client = argument;

    /* STEP 5: Start a worker, and hand the connection over to it. */
    int connection = meet_worker(client);
    bool handed = connection != -1 && hand_over(connection, client->socket);

    /* STEP 6: Close our copy at once: the client sees the end of the connection when the last
     * copy is closed, and that is to be the worker's. One that is still on its way counts,
     * too, and goes if the worker ends before it has taken it. */
    if (close(client->socket) == -1)
        fail("close");

    /* STEP 7: Wait for the worker's end. We are not its parent, and cannot wait for it; but
     * it has the other end of this connection, and says a last word when all went well. */
    char word;
    if (handed && recv(connection, &word, 1, 0) != 1)
        say(stderr, PROGRAM ": client %ld: its worker ended before its time",
            client->number);
    if (connection != -1 && close(connection) == -1)
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

/* Starts a worker, and waits until it calls. Returns the connection to it, or -1. */
static int meet_worker(const struct client *client)
{
    char name[NAME_ROOM];
    int listener = listen_privately(name);
    if (listener == -1)
        return -1;
    int connection = start_worker(client, name) ? accept_worker(listener) : -1;
    if (connection == -1)
        say(stderr, PROGRAM ": client %ld: its worker has not come", client->number);
    if (close(listener) == -1)
        fail("close");
    return connection;
}

/* Waits until the worker calls. It may never come, and nobody would tell us, as it is no child
 * of ours: so the wait has a limit. Any program of the machine may call; of strangers none is
 * taken for the worker. Returns the connection, or -1. */
static int accept_worker(int listener)
{
    long long end = milliseconds() + patience, rest;
    while ((rest = end - milliseconds()) > 0) {
        struct pollfd event = {.fd = listener, .events = POLLIN};
        if (poll(&event, 1, (int)rest) == -1 && errno != EINTR)
            fail("poll");
        if (!(event.revents & POLLIN))
            continue; /* the time is up, or a signal came: see above which it was */
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection == -1) {
            say(stderr, PROGRAM ": accept: error %d: %s", errno, strerror(errno));
            return -1;
        }
        if (is_ours(connection))
            return connection;
        close(connection);
    }
    return -1;
}

static long long milliseconds(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) == -1)
        fail("clock_gettime");
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* A socket that listens under a new name, which is returned in `name`. Linux chooses it when
 * bind() is given none: an abstract one, which is no file and goes with the socket. Returns -1
 * where there is no descriptor for it: that costs this client its session, and no other. */
static int listen_privately(char name[NAME_ROOM])
{
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener == -1) {
        say(stderr, PROGRAM ": socket: error %d: %s", errno, strerror(errno));
        return -1;
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, sizeof address.sun_family) == -1)
        fail("bind");
    if (listen(listener, 1) == -1)
        fail("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &size) == -1)
        fail("getsockname");
    /* An abstract name begins with a NUL and has none at its end. */
    int length = (int)(size - offsetof(struct sockaddr_un, sun_path) - 1);
    snprintf(name, NAME_ROOM, "%.*s", length, address.sun_path + 1);
    return listener;
}

/* Starts the worker as a grandchild whose parent ends at once. Between fork and exec only
 * what is safe in a signal handler may be called, for this program has threads: _Fork() is,
 * which does not run what pthread_atfork() was given. Returns whether there is room for both. */
static bool start_worker(const struct client *client, const char *name)
{
    char number[32];
    snprintf(number, sizeof number, "%ld", client->number);
    char *words[] = {worker, number, (char *)name, NULL};
    sigset_t none;
    sigemptyset(
        &none); /* Ctrl-C, which is blocked here, ends the worker as any program */

    pid_t child = fork();
    if (child == -1) {
        say(stderr, PROGRAM ": fork: error %d: %s", errno, strerror(errno));
        return false;
    }
    if (child == 0) {
        pid_t grandchild = -1;
        if (sigprocmask(SIG_SETMASK, &none, NULL) == 0 && (grandchild = _Fork()) == 0)
            execv(worker, words);
        _exit(grandchild == -1 ? 1 : 0); /* the grandchild's own code nobody reads */
    }
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            fail("waitpid");
    return status == 0;
}

/* Whether the caller is a process of this user: the kernel says so, not the caller. */
static bool is_ours(int connection)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           peer.uid == geteuid();
}

/* Sends the connection: a byte, because a control message needs company, and beside it the
 * descriptor. */
static bool hand_over(int connection, int socket)
{
    union { /* aligned as a control message has to be */
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    char byte = 0;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.room};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &socket, sizeof socket);
    if (sendmsg(connection, &message, MSG_NOSIGNAL) == 1)
        return true;
    say(stderr, PROGRAM ": sendmsg: error %d: %s", errno, strerror(errno));
    return false;
}
