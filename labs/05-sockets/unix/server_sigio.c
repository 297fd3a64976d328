/*
 * server_sigio.c - a TCP server in one thread, to which signals report which client is ready.
 *
 * Usage: server_sigio [PORT [ADDRESS]]
 *
 * With O_ASYNC a socket sends a signal when it becomes ready. With F_SETSIG this is a
 * real-time signal, which is queued and contains the descriptor. It reports a change,
 * not a state: the program must go on until a call fails with EAGAIN. If the queue of
 * signals is full, the kernel sends SIGIO without a descriptor: then try all clients.
 *
 * The contract is that of server.c. Only Linux has F_SETSIG. Today its successor is
 * used: epoll, lab 06. To try, in bash, without room in the queue: (ulimit -i 0;
 * server_sigio 0).
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "contract.h"
#include "ipclab.h"

/* The signal that the sockets send. The C library uses the first real-time signals
 * itself. */
#define READY_SIGNAL (SIGRTMIN + 1)

/* No descriptor is free for one more client, until one leaves. */
static bool crowded;

/* One client: its socket, and the echo that has not been sent yet. */
struct client {
    int socket;
    long number; /* counted from 1 */
    bool ready;  /* a signal has come, and no call has returned EAGAIN since */
    size_t length, sent;
    char bytes[READ_SIZE];
};

/* The clients by their descriptors, which the signals contain: 0 to MAX_DESCRIPTOR - 1.
 * This program may have inherited some, so there is room for more than MAX_CLIENTS. */
#define MAX_DESCRIPTOR 2048
static struct client *clients[MAX_DESCRIPTOR];
static int count;

static sigset_t block_signals(void);
static void ask_for_signals(int socket);
static bool take_signal(const sigset_t *signals, bool wait, int listener, bool *waiting);
static int serve_all(void);
static bool is_full(void);
static bool accept_client(int listener, bool *waiting);
static bool serve(struct client *client);
static bool goes_on(struct client *client);
static void release(struct client *client);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: on which port and address to listen. */
    begin_program("server", "[PORT [ADDRESS]]", &argv);
    if (argc > 3)
        usage_exit();
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    const char *host = argc > 2 ? argv[2] : DEFAULT_HOST;
    parse_long("PORT", port, 0, MAX_PORT);

    /* STEP 2: Prepare for clients that close early: send() must fail with EPIPE. By
     * default the signal SIGPIPE would end this program. Block the signals that
     * sigwaitinfo() returns: they need no handler. */
    signal(SIGPIPE, SIG_IGN);
    sigset_t signals = block_signals();

    /* STEP 3: Create the socket that listens, non-blocking, and ask for its signals. */
    int listener = tcp_listen(host, port);
    log_event("server: ready %s", socket_address(listener));
    if (fcntl(listener, F_SETFL, O_NONBLOCK) == -1)
        sys_error("fcntl");
    ask_for_signals(listener);

    /* STEP 4: Take one signal after the other: which client is ready? Do not wait while a
     * client is known to be ready: it must not wait for another's signal. */
    int ready = 0;
    bool waiting = true, full = false; /* waiting: there may be clients in the queue */
    while (take_signal(&signals, ready == 0 && (!waiting || full), listener, &waiting)) {
        /* STEP 5: Serve each client that is ready, one message each, and accept a new
         * one, which is ready, too. */
        ready = serve_all();
        full = is_full();
        if (waiting && !full && accept_client(listener, &waiting))
            ready++;
    }

    /* End in order. */
    for (int i = 0; i < MAX_DESCRIPTOR; i++)
        if (clients[i] != NULL)
            release(clients[i]);
    log_last("server: done");
    return EXIT_SUCCESS;
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
        sys_error("sigprocmask");
    return signals;
}

/* From now on the socket sends READY_SIGNAL to this process when it becomes ready. */
static void ask_for_signals(int socket)
{
    int flags = fcntl(socket, F_GETFL);
    if (flags == -1 || fcntl(socket, F_SETOWN, getpid()) == -1 ||
        fcntl(socket, F_SETSIG, READY_SIGNAL) == -1 ||
        fcntl(socket, F_SETFL, flags | O_ASYNC) == -1)
        sys_error("fcntl");
}

/* Takes a signal, and marks the client that it reports. If `wait` is true, waits for one.
 * Returns false if the signal asks the program to end. */
static bool take_signal(const sigset_t *signals, bool wait, int listener, bool *waiting)
{
    siginfo_t signal;
    struct timespec at_once = {0};
    int number = wait ? sigwaitinfo(signals, &signal)
                      : sigtimedwait(signals, &signal, &at_once);
    if (number == -1 && errno != EAGAIN && errno != EINTR)
        sys_error("sigwaitinfo");
    if (number == SIGIO) {
        log_error("the queue of signals was full: trying all clients");
        *waiting = true;
        for (int i = 0; i < MAX_DESCRIPTOR; i++)
            if (clients[i] != NULL)
                clients[i]->ready = true;
    } else if (number == READY_SIGNAL && signal.si_fd == listener) {
        *waiting = true;
    } else if (number == READY_SIGNAL && signal.si_fd >= 0 &&
               signal.si_fd < MAX_DESCRIPTOR && clients[signal.si_fd] != NULL) {
        /* The signal can be an earlier client's, whose descriptor had the same
         * number: then recv() fails with EAGAIN. */
        clients[signal.si_fd]->ready = true;
    }
    return number != SIGINT && number != SIGTERM;
}

/* Serves each client that is ready. Returns how many still are. */
static int serve_all(void)
{
    int ready = 0;
    for (int i = 0; i < MAX_DESCRIPTOR; i++) {
        if (clients[i] == NULL || !clients[i]->ready)
            continue;
        if (!serve(clients[i])) {
            release(clients[i]);
            clients[i] = NULL;
            count--;
        } else if (clients[i]->ready) {
            ready++;
        }
    }
    return ready;
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

/* Accepts a client. Returns false if none waits, which clears `waiting`, or if there is
 * no descriptor for it. Then it waits until another leaves; without another that is an
 * error. */
static bool accept_client(int listener, bool *waiting)
{
    static long number;
    int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket == -1) {
        *waiting = errno != EAGAIN;
        crowded = count > 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                                errno == ENOMEM);
        if (crowded)
            log_sys_error("accept");
        else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED &&
                 errno != EPROTO)
            sys_error("accept");
        return false;
    }
    if (socket >= MAX_DESCRIPTOR) {
        log_error("there is no place for descriptor %d", socket);
        if (close(socket) == -1)
            sys_error("close");
        return false;
    }
    /* Ask for signals first, then try recv(): bytes that came before have sent no
     * signal. */
    ask_for_signals(socket);
    struct client *client = allocate(sizeof *client);
    number++;
    *client = (struct client){.socket = socket, .number = number, .ready = true};
    log_event("server: client %ld connected", client->number);
    clients[socket] = client;
    count++;
    return true;
}

/* Closes the connection and frees what belongs to it. */
static void release(struct client *client)
{
    if (close(client->socket) == -1)
        sys_error("close");
    log_event("server: client %ld left", client->number);
    free(client);
    crowded = false;
}

/* Does for a client what does not block. Returns whether its session goes on. */
static bool serve(struct client *client)
{
    /* STEP 6: Receive, if the last echo has been sent. Otherwise a client that does not
     * receive could fill this program's memory. */
    if (client->sent == client->length) {
        ssize_t length = recv(client->socket, client->bytes, sizeof client->bytes, 0);
        if (length <= 0)
            return length == -1 && goes_on(client);
        client->length = (size_t)length;
        client->sent = 0;
        log_text("server: received", client->bytes, client->length);
        if (length == QUIT_SIZE && memcmp(client->bytes, QUIT, QUIT_SIZE) == 0)
            return false;
    }

    /* STEP 7: Send back what the socket has room for; the rest when it has room again. */
    ssize_t sent = send(client->socket, client->bytes + client->sent,
                        client->length - client->sent, 0);
    if (sent == -1)
        return goes_on(client);
    client->sent += (size_t)sent;
    return true;
}

/* Returns whether the call failed only because it would block. If not, reports the error. */
static bool goes_on(struct client *client)
{
    if (errno == EINTR)
        return true;
    if (errno == EAGAIN) {
        client->ready = false; /* the next signal reports when it is ready again */
        return true;
    }
    log_error("client %ld: error %d: %s", client->number, errno, strerror(errno));
    return false;
}
