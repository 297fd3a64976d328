/*
 * server_fork.c - a TCP server with a process for each client.
 *
 * Usage: server_fork [PORT [ADDRESS]]
 *
 * fork() copies the process with its descriptors, so the child has the connection. An
 * error in the process of one client does not harm the others.
 *
 * The contract is that of server.c. A signal to the server alone ends only the server:
 * the children serve their clients to the end. Ctrl-C in a terminal goes to all of
 * them.
 *
 * The same with threads: server.c. To try: server_fork 0, some clients, and ps
 * --forest.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "contract.h"
#include "ipclab.h"

/* The children, and the number of each one's client. */
static struct child {
    pid_t pid; /* 0: a free place */
    long number;
} children[MAX_CLIENTS];
static int count;

/* No descriptor is free for one more client, until one leaves. */
static bool crowded;

static void wake(int number);
static sigset_t block_child_signal(void);
static bool is_full(void);
static int accept_client(int listener);
static void start_child(int listener, int socket, long number);
static void serve_client(int socket, long number);
static void remember(pid_t child, long number);
static void reap(void);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: on which port and address to listen. */
    begin_program("server", "[PORT [ADDRESS]]", &argv);
    if (argc > 3)
        usage_exit();
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    const char *host = argc > 2 ? argv[2] : DEFAULT_HOST;
    parse_long("PORT", port, 0, MAX_PORT);

    /* STEP 2: Prepare for clients that close early: send() must fail with EPIPE, not end
     * this program by the signal SIGPIPE. Prepare for Ctrl-C and SIGCHLD, too. */
    signal(SIGPIPE, SIG_IGN);
    int interrupt = interrupt_event();
    sigset_t mask = block_child_signal();

    /* STEP 3: Create the socket that listens. From now on clients can connect. accept()
     * must not block: the client that was reported may have left before the call. */
    int listener = tcp_listen(host, port);
    if (fcntl(listener, F_SETFL, O_NONBLOCK) == -1)
        sys_error("fcntl");
    log_event("server: ready %s", socket_address(listener));

    for (long number = 0;;) {
        /* STEP 4: Wait for a client, or for the end of a child. If there is no place for
         * one more client, leave the listener out: poll() skips negative numbers. */
        bool full = is_full();
        struct pollfd events[] = {{.fd = interrupt, .events = POLLIN},
                                  {.fd = full ? -1 : listener, .events = POLLIN}};
        if (ppoll(events, 2, NULL, &mask) == -1 && errno != EINTR)
            sys_error("poll");
        if (events[0].revents != 0)
            break;
        reap();
        int socket = full ? -1 : accept_client(listener);
        if (socket == -1)
            continue;
        log_event("server: client %ld connected", ++number);

        /* STEP 5: Start a child that serves it, and close the connection here: the client
         * receives the end of file when no process has it open. */
        start_child(listener, socket, number);
        if (close(socket) == -1)
            sys_error("close");
    }

    /* End in order. */
    log_last("server: done");
    return EXIT_SUCCESS;
}

/* Does nothing, but a signal that has a handler interrupts a wait. */
static void wake(int number)
{
    (void)number;
}

/* Blocks SIGCHLD. Returns the mask for ppoll(), which does not block it: so the
 * signal comes only during ppoll(), and interrupts it. */
static sigset_t block_child_signal(void)
{
    sigset_t child, before;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    struct sigaction action = {.sa_handler = wake};
    if (sigaction(SIGCHLD, &action, NULL) == -1)
        sys_error("sigaction");
    if (sigprocmask(SIG_BLOCK, &child, &before) == -1)
        sys_error("sigprocmask");
    sigdelset(&before, SIGCHLD); /* the parent may have blocked it */
    return before;
}

/* Returns whether there is no place for one more client, and prints it the first time. */
static bool is_full(void)
{
    static bool was_full;
    bool full = count == MAX_CLIENTS || crowded;
    if (full && !was_full)
        log_error("full with %d clients: the next has to wait", count);
    was_full = full;
    return full;
}

/* Accepts a client. Returns its socket; -1 if it has left already, or if there is no
 * descriptor for it. Then it waits until another leaves; without another that is an
 * error. */
static int accept_client(int listener)
{
    int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (socket == -1) {
        crowded = count > 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                                errno == ENOMEM);
        if (crowded)
            log_sys_error("accept");
        else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED &&
                 errno != EPROTO)
            sys_error("accept");
    }
    return socket;
}

/* Starts a process that serves the client. If that fails, only this client's session
 * ends. */
static void start_child(int listener, int socket, long number)
{
    pid_t child = fork();
    if (child > 0) {
        remember(child, number);
    } else if (child == -1) {
        log_sys_error("fork");
        log_event("server: client %ld left", number);
    } else {
        /* The child has a copy of every descriptor. Close the listener: the child
         * would keep the port after the server has ended. Unblock Ctrl-C: it ends the
         * child. */
        if (close(listener) == -1)
            sys_error("close");
        sigset_t none;
        sigemptyset(&none);
        if (sigprocmask(SIG_SETMASK, &none, NULL) == -1)
            sys_error("sigprocmask");
        serve_client(socket, number);
        exit(EXIT_SUCCESS);
    }
}

/* The child process of one client, until the end of its session. */
static void serve_client(int socket, long number)
{
    /* STEP 6: Receive what has come. 0 bytes are the end of file: the client will
     * send no more. */
    char bytes[READ_SIZE];
    ssize_t length;
    while ((length = recv(socket, bytes, sizeof bytes, 0)) > 0) {
        log_text("server: received", bytes, (size_t)length);
        if (length == QUIT_SIZE && memcmp(bytes, QUIT, QUIT_SIZE) == 0)
            break;

        /* STEP 7: Send it back. send() blocks while the client does not receive. */
        if (!send_all(socket, bytes, (size_t)length)) {
            length = -1;
            break;
        }
    }
    if (length == -1)
        log_error("client %ld: error %d: %s", number, errno, strerror(errno));
}

/* Adds the child to the table, in which is_full() has found a free place. */
static void remember(pid_t child, long number)
{
    int place = 0;
    while (children[place].pid != 0)
        place++;
    children[place] = (struct child){.pid = child, .number = number};
    count++;
}

/* Waits for the children that have ended: until then they stay in the process table, as
 * zombies. One SIGCHLD can report several. */
static void reap(void)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        int place = 0;
        while (place < MAX_CLIENTS && children[place].pid != pid)
            place++;
        if (place == MAX_CLIENTS)
            continue; /* a child from before this program's exec() */
        if (WIFSIGNALED(status))
            log_error("client %ld: its process was ended by signal %d",
                      children[place].number, WTERMSIG(status));
        log_event("server: client %ld left", children[place].number);
        children[place].pid = 0;
        count--;
        crowded = false;
    }
}
