/*
 * server_handoff.c - a TCP server that accepts, and leaves each client to a worker process.
 *
 * Usage: server_handoff [PORT [ADDRESS]]
 *
 * The worker is another program, "worker" in the folder of this one. It inherits the
 * connection over fork and exec, as its standard input: so inetd has started servers since
 * 1986. Here posix_spawn does both, and the file actions say what the worker gets.
 *
 * The contract is that of server.c. A signal to the server alone ends it, and sessions go on
 * in their workers; Ctrl-C in a terminal goes to all of them.
 * After an article on passing sockets in Windows. Its twin: ../win32/server_handoff.c. To a
 * process that is no child: server_scm.c.
 * To try: server_handoff 0, a client, ps --forest; kill the worker; kill the server.
 */
#define PROGRAM "server"

#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

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

static bool is_port(const char *text);
static void find_worker(const char *self);
static void end_on_signal(void);
static void *wait_for_signal(void *argument);
static int listen_at(const char *host, const char *port);
static void await_departure(void);
static int accept_client(int listener);
static void start_thread(int socket, long number);
static void *serve_client(void *argument);
static void end_session(struct client *client);
static pid_t start_worker(const struct client *client);
static void report_end(pid_t pid, long number);
extern char **environ;

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
    find_worker(argv[0]);

    /* STEP 2: Prepare for Ctrl-C. If the parent ignored SIGCHLD, so does this program, and the
     * system would forget how a worker ended before we ask. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        fail("signal");
    end_on_signal();
    if (sem_init(&left, 0, 0) == -1)
        fail("sem_init");

    /* STEP 3: Make the socket that listens, and tell where: clients can connect from now. */
    int listener = listen_at(host, port);

    /* STEP 4: Accept one client after the other, and give each a thread, which sees to its
     * worker from the beginning to the end. */
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

/* The worker stands in the folder that `self`, our argv[0], names. */
static void find_worker(const char *self)
{
    const char *slash = strrchr(self, '/');
    int folder = slash == NULL ? 0 : (int)(slash + 1 - self);
    if (snprintf(worker, sizeof worker, "%.*sworker", folder, self) >= (int)sizeof worker)
        fail_with(ENAMETOOLONG, "find_worker");
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
    pid_t pid = start_worker(client);

    /* STEP 6: Close our copy at once: the client sees the end of the connection when the last
     * copy is closed, and that is to be the worker's. */
    if (close(client->socket) == -1)
        fail("close");

    /* STEP 7: Wait for the worker's end, and tell if it was not a good one. */
    if (pid > 0)
        report_end(pid, client->number);
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

/* Starts the worker with the connection as its standard input. Every other socket here is
 * close-on-exec: a worker that inherited other clients' connections would keep them open.
 * Returns 0 where there is no starting it. */
static pid_t start_worker(const struct client *client)
{
    char number[32];
    snprintf(number, sizeof number, "%ld", client->number);
    char *words[] = {worker, number, NULL};

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(
        &none); /* Ctrl-C, which is blocked here, ends the worker as any program */
    pid_t pid = 0;
    int error = posix_spawn_file_actions_init(&actions);
    if (error == 0)
        error = posix_spawnattr_init(&attributes);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, client->socket, STDIN_FILENO);
    if (error == 0)
        error = posix_spawnattr_setsigmask(&attributes, &none);
    if (error == 0)
        error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (error != 0)
        fail_with(error, "posix_spawn");
    error = posix_spawn(&pid, worker, &actions, &attributes, words, environ);
    if (error != 0)
        say(stderr, PROGRAM ": posix_spawn %s: error %d: %s", worker, error,
            strerror(error));
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error == 0 ? pid : 0;
}

/* Waits for the worker's end; until it is asked for, a dead child stays in the table. */
static void report_end(pid_t pid, long number)
{
    int status;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            fail("waitpid");
    if (WIFSIGNALED(status))
        say(stderr, PROGRAM ": client %ld: its worker was ended by signal %d", number,
            WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        say(stderr, PROGRAM ": client %ld: its worker exited with code %d", number,
            WEXITSTATUS(status));
}
