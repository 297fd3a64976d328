/*
 * server_scm.c - a TCP server that passes each client to a process that is no child.
 *
 * Usage: server_scm [PORT [ADDRESS [MILLISECONDS]]]
 *
 * A descriptor can be sent through a UNIX-domain socket, in a control message of type
 * SCM_RIGHTS. The other process gets a descriptor of its own for the same connection,
 * with another number. The worker here has no parent that waits for it (its parent has
 * ended). It could also run already.
 *
 * If a worker does not connect for MILLISECONDS (30,000), the server gives it up. The
 * contract is that of server.c. A signal to the server alone ends only the server: the
 * workers serve their clients to the end. Ctrl-C in a terminal goes to all of them.
 *
 * Compare server_handoff.c, where the worker inherits the connection, and what Windows
 * needs: ../win32/server_handoff.c. To try: server_scm 0, a client, ps --forest; rename
 * the worker.
 */
#include <limits.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "contract.h"
#include "ipclab.h"

/* Room for the name of the socket to which the worker connects. */
#define NAME_ROOM sizeof(((struct sockaddr_un *)0)->sun_path)

/* How many descriptors are used for other things than clients, and a few more. */
#define OTHER_DESCRIPTORS 10

/* What a thread must know about its client. */
struct client {
    int socket;
    long number; /* counted from 1 */
};

/* How many clients are here, as the thread of main has counted; and a semaphore that each
 * thread posts when its client has left. */
static int here;
static sem_t left;
static const char *worker; /* the path of the program that serves */
static int patience = HANDOFF_TIMEOUT;

static int most_clients(void);
static void await_departure(void);
static int accept_client(int listener);
static void serve_client(void *argument);
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
    /* STEP 1: Take the arguments: on which port and address to listen, and how long to
     * wait. */
    begin_program("server", "[PORT [ADDRESS [MILLISECONDS]]]", &argv);
    if (argc > 4)
        usage_exit();
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    const char *host = argc > 2 ? argv[2] : DEFAULT_HOST;
    parse_long("PORT", port, 0, MAX_PORT);
    if (argc > 3)
        patience = (int)parse_long("MILLISECONDS", argv[3], 1, INT_MAX);
    worker = program_beside("worker");

    /* STEP 2: Prepare for Ctrl-C. If the parent ignores SIGCHLD, this program inherits
     * that, and waitpid() would not return how a child ended. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        sys_error("signal");
    end_on_interrupt(NULL);
    if (sem_init(&left, 0, 0) == -1)
        sys_error("sem_init");

    /* STEP 3: Create the socket that listens. From now on clients can connect. */
    int listener = tcp_listen(host, port);
    log_event("server: ready %s", socket_address(listener));

    /* STEP 4: Accept one client after the other. Each gets a thread, which starts a
     * worker and waits for it. */
    int most = most_clients();
    for (long number = 1;; number++) {
        while (sem_trywait(&left) == 0)
            here--;
        if (here >= most)
            await_departure();
        int socket = accept_client(listener);
        struct client *client = allocate(sizeof *client);
        *client = (struct client){.socket = socket, .number = number};
        here++;
        log_event("server: client %ld connected", number);
        if (!start_thread(serve_client, client)) {
            log_sys_error("pthread_create");
            if (close(client->socket) == -1)
                sys_error("close");
            end_session(client);
        }
    }
}

/* Returns how many clients there is room for: each needs three descriptors until it
 * is passed. */
static int most_clients(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        sys_error("getrlimit");
    if (limit.rlim_cur >= OTHER_DESCRIPTORS + 3 * MAX_CLIENTS)
        return MAX_CLIENTS;
    return limit.rlim_cur < OTHER_DESCRIPTORS + 3
               ? 1
               : (int)(limit.rlim_cur - OTHER_DESCRIPTORS) / 3;
}

/* Waits until a client leaves. Meanwhile others wait in the queue of the listener. */
static void await_departure(void)
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
    int client;
    while ((client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) == -1) {
        if (here > 0 &&
            (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            log_sys_error("accept");
            await_departure();
        } else if (errno != ECONNABORTED && errno != EPROTO && errno != EINTR) {
            sys_error("accept");
        }
    }
    return client;
}

/* The thread of one client. */
static void serve_client(void *argument)
{
    struct client *client = argument;

    /* STEP 5: Start a worker, and pass the connection to it. */
    int connection = meet_worker(client);
    bool handed = connection != -1 && hand_over(connection, client->socket);

    /* STEP 6: Close the connection here. The client receives the end of file when its
     * last copy is closed, and the worker has that. A copy that the worker has not
     * received yet counts, too; the system closes it if the worker ends. */
    if (close(client->socket) == -1)
        sys_error("close");

    /* STEP 7: Wait for the worker. waitpid() needs a child, and it is none. But it has
     * the other end of `connection`, and sends one byte if all went well. */
    char word;
    if (handed && recv(connection, &word, 1, 0) != 1)
        log_error("client %ld: its worker ended before the session did", client->number);
    if (connection != -1 && close(connection) == -1)
        sys_error("close");
    end_session(client);
}

/* Ends a session: prints it, and posts the semaphore. */
static void end_session(struct client *client)
{
    log_event("server: client %ld left", client->number);
    free(client);
    if (sem_post(&left) == -1)
        sys_error("sem_post");
}

/* Starts a worker, and waits until it connects. Returns the connection to it, or -1. */
static int meet_worker(const struct client *client)
{
    char name[NAME_ROOM];
    int listener = listen_privately(name);
    if (listener == -1)
        return -1;
    int connection = start_worker(client, name) ? accept_worker(listener) : -1;
    if (connection == -1)
        log_error("client %ld: its worker did not connect", client->number);
    if (close(listener) == -1)
        sys_error("close");
    return connection;
}

/* Waits until the worker connects. The wait has a limit, because no call reports that a
 * process that is no child has ended. Any program of this machine can connect: those of
 * other users are refused. Returns the connection, or -1. */
static int accept_worker(int listener)
{
    long long end = milliseconds() + patience, rest;
    while ((rest = end - milliseconds()) > 0) {
        struct pollfd event = {.fd = listener, .events = POLLIN};
        if (poll(&event, 1, (int)rest) == -1 && errno != EINTR)
            sys_error("poll");
        if (!(event.revents & POLLIN))
            continue; /* the time is over, or a signal came: the loop checks which */
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection == -1) {
            log_sys_error("accept");
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
        sys_error("clock_gettime");
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Returns a socket that listens, and its new name in `name`. If bind() gets no name,
 * Linux chooses one: an abstract name, which is no file and ends with the socket. Returns
 * -1 if there is no descriptor: that ends only this client's session. */
static int listen_privately(char name[NAME_ROOM])
{
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener == -1) {
        log_sys_error("socket");
        return -1;
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, sizeof address.sun_family) == -1)
        sys_error("bind");
    if (listen(listener, 1) == -1)
        sys_error("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &size) == -1)
        sys_error("getsockname");
    /* An abstract name begins with a NUL and has none at its end. */
    int length = (int)(size - offsetof(struct sockaddr_un, sun_path) - 1);
    snprintf(name, NAME_ROOM, "%.*s", length, address.sun_path + 1);
    return listener;
}

/* Starts the worker as a grandchild, whose parent ends at once. This program has
 * threads, so between fork and exec only async-signal-safe functions are allowed.
 * _Fork() is one: it does not run the functions of pthread_atfork(). Returns whether
 * both processes could be created. */
static bool start_worker(const struct client *client, const char *name)
{
    char number[32];
    snprintf(number, sizeof number, "%ld", client->number);
    char *words[] = {(char *)worker, number, (char *)name, NULL};
    sigset_t none;
    sigemptyset(&none); /* Ctrl-C is blocked here, but must end the worker */

    pid_t child = fork();
    if (child == -1) {
        log_sys_error("fork");
        return false;
    }
    if (child == 0) {
        pid_t grandchild = -1;
        if (sigprocmask(SIG_SETMASK, &none, NULL) == 0 && (grandchild = _Fork()) == 0)
            execv(worker, words);
        _exit(grandchild == -1 ? 1 : 0); /* no process reads the grandchild's exit code */
    }
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            sys_error("waitpid");
    return status == 0;
}

/* Returns whether the other end is a process of this user. The kernel reports it, so
 * it cannot be faked. */
static bool is_ours(int connection)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           peer.uid == geteuid();
}

/* Sends the connection: its descriptor in a control message, and one byte, because a
 * control message cannot be sent alone. */
static bool hand_over(int connection, int socket)
{
    union { /* aligned as a control message must be */
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
    log_sys_error("sendmsg");
    return false;
}
