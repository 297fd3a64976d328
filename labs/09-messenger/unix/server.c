/*
 * server.c - the messenger's server: one thread, one epoll, any number of users.
 *
 * Usage: server [--rate LINES] [--silence SECONDS] [--history FILE] [ADDRESS]
 *
 * ADDRESS is tcp:HOST:PORT (tcp:127.0.0.1:7709; port 0: any free port) or pipe:NAME, a UNIX-domain
 * socket for this user's programs alone. --rate sets how many lines a second a user may send (20;
 * 0: any number), --silence after how many seconds of silence a connection is tested (30).
 * --history keeps the last 100 messages in FILE, also if the server is killed.
 *
 * The room (../room.c) knows users, names and lines, and no sockets. This file knows sockets and no
 * names: it moves bytes from connections into the room and back. All sockets are non-blocking, so
 * that no user waits for another. What a socket does not take now stays in the user's queue.
 *
 * Why epoll: one user's line goes to all users. Threads would need a lock for the room, so that all
 * users see one order; one thread needs none. poll() would copy all sockets for each call.
 *
 * Grown from lab 06's server_robust.c. Counterpart: ../win32/server.c, with a completion port.
 * To try: server in one terminal, client --name anna and client --name boris in two more; then
 * nc 127.0.0.1 7709, and type /name carl.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "contract.h"
#include "endpoint.h"
#include "find.h"
#include "history.h"
#include "ipclab.h"
#include "room.h"

#define TICK_MILLISECONDS 500

struct connection {
    int socket;
    uint32_t watched; /* EPOLLIN, EPOLLOUT */
    bool ended;       /* the client has sent its last byte */
    bool shut;        /* we have sent ours */
    struct user *user;
};

static int queue; /* the epoll: what is watched, and what has happened */
static int listener;
static bool full; /* no descriptor is free: the listener is not watched */
static struct room_options options;

static void raise_limit(void);
static void watch(int operation, int socket, uint32_t events, void *owner);
static bool wait_for_event(void);
static void accept_user(void);
static bool is_permitted(int socket);
static void serve(struct connection *connection, uint32_t events);
static void receive(struct connection *connection);
static void send_waiting(struct user *user);
static void close_connection(struct connection *connection);
static void stop(int interrupt);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the options and the address. */
    (void)argc;
    begin_program("server", SERVER_USAGE, &argv);
    take_room_options(argv, &options);
    raise_limit();

    /* STEP 2: Open the room, with the messages of the server before. */
    const char *file = options.history;
    if (!room_open(options.rate, file != NULL ? map_history(file) : NULL))
        fatal("%s is no history of messages", file);

    /* STEP 3: Listen. Ctrl-C makes a descriptor readable. */
    int interrupt = interrupt_event();
    signal(SIGPIPE, SIG_IGN); /* if our output is closed, the room goes on */
    listener = listen_at(&options.address);
    if (fcntl(listener, F_SETFL, O_NONBLOCK) == -1)
        sys_error("fcntl");

    /* STEP 4: Create the queue. NULL marks the events of the listener, &queue those of Ctrl-C; the
     * events of a connection carry the connection. */
    // LEVEL 2
    queue = epoll_create1(EPOLL_CLOEXEC);
    if (queue == -1)
        sys_error("epoll_create1");
    // END
    watch(EPOLL_CTL_ADD, interrupt, EPOLLIN, &queue);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    if (!options.address.pipe)
        answer_questions(socket_address(listener)); /* client --find asks */
    log_event("server: ready %s%s", options.address.pipe ? "pipe:" : "tcp:",
              options.address.pipe ? options.address.host : socket_address(listener));

    for (bool end = false; !end || room_users() != NULL;) {
        if (wait_for_event()) { /* STEP 5; it calls what is in STEP 6 and 7 */
            stop(interrupt);
            end = true;
        }
        for (struct user *user; (user = room_ready()) != NULL;)
            send_waiting(user); /* STEP 8 */
    }

    /* The end: all have got the notice (STEP 9). */
    if (close(queue) == -1)
        sys_error("close");
    log_event("server: done");
    return EXIT_SUCCESS;
}

/* Raises the limit on descriptors as far as this user may: each connection takes one. */
static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        sys_error("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
        sys_error("setrlimit");
}

/* Adds a socket to the queue, changes what is watched, or removes it. */
static void watch(int operation, int socket, uint32_t events, void *owner)
{
    // LEVEL 2
    struct epoll_event event = {.events = events, .data.ptr = owner};
    if (epoll_ctl(queue, operation, socket, &event) == -1)
        sys_error("epoll_ctl");
    // END
}

/* STEP 5: Wait until a socket is ready, and serve it. While a user leaves, the wait has a time limit.
 * Returns whether the server has to end. One event at a time: what it puts into the users' queues is
 * sent before the next one, otherwise many events could fill the queues of users that read. */
static bool wait_for_event(void)
{
    // LEVEL 1: struct epoll_event event; int count;
    struct epoll_event event;
    int count = epoll_wait(queue, &event, 1,
                           room_tick(milliseconds()) ? TICK_MILLISECONDS : -1);
    if (count == -1 && errno != EINTR) /* EINTR: the program was stopped and continued */
        sys_error("epoll_wait");
    // END
    if (count != 1)
        return false;
    if (event.data.ptr == &queue)
        return true;
    if (event.data.ptr == NULL)
        accept_user();
    else
        serve(event.data.ptr, event.events);
    return false;
}

/* STEP 6: A client has connected. Without a free descriptor it stays in the backlog, and the
 * listener is not watched until another has left. */
static void accept_user(void)
{
    // LEVEL 2: int socket;
    int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    // END
    if (socket == -1 &&
        (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) &&
        room_users() != NULL) {
        log_sys_error("accept4");
        watch(EPOLL_CTL_DEL, listener, 0, NULL);
        full = true;
        return;
    }
    if (socket == -1 &&
        (errno == EAGAIN || errno == ECONNABORTED || errno == EPROTO || errno == EINTR))
        return; /* the client has left already */
    if (socket == -1)
        sys_error("accept4");
    if (options.address.pipe && !is_permitted(socket)) {
        close(socket);
        return;
    }
    if (!options.address.pipe)
        set_keep_alive(socket, options.silence);
    struct connection *connection = allocate(sizeof *connection);
    *connection = (struct connection){.socket = socket, .watched = EPOLLIN};
    connection->user = room_enter(connection);
    watch(EPOLL_CTL_ADD, socket, EPOLLIN, connection);
}

/* The kernel knows which user has called connect(): only this server's user and root may. */
static bool is_permitted(int socket)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == -1)
        sys_error("getsockopt");
    bool permitted = peer.uid == geteuid() || peer.uid == 0;
    log_event("server: process %ld of user %ld%s", (long)peer.pid, (long)peer.uid,
              permitted ? "" : " refused");
    return permitted;
}

/* STEP 7: A connection is ready to be read, to be written, or both. */
static void serve(struct connection *connection, uint32_t events)
{
    if ((events & ~(uint32_t)EPOLLOUT) != 0)
        receive(connection);
    send_waiting(connection->user);
}

/* Receives once, and gives the bytes to the room. What a user sends after it has left is read, too:
 * to close a socket with unread bytes would reset the connection, and the other side could lose
 * the last lines. */
static void receive(struct connection *connection)
{
    char bytes[BUFFER_SIZE];
    struct user *user = connection->user;
    // LEVEL 2: ssize_t length;
    ssize_t length = recv(connection->socket, bytes, sizeof bytes, 0);
    // END
    if (length > 0 && user->stay == STAYS)
        room_input(user, bytes, (size_t)length, milliseconds());
    if (length == 0) {
        connection->ended = true;
        room_end_of_input(user, milliseconds());
    }
    if (length == -1 && errno != EAGAIN && errno != EINTR)
        room_lost(user);
}

/* STEP 8: Send as much as the socket takes now, and wait until it is ready for the rest. */
static void send_waiting(struct user *user)
{
    struct connection *connection = user->connection;
    // LEVEL 2
    while (user->stay != GONE && user->output.length > 0) {
        ssize_t length = send(connection->socket, user->output.bytes, user->output.length,
                              MSG_NOSIGNAL);
        if (length == -1 && errno == EAGAIN)
            break;
        if (length == -1 && errno != EINTR)
            room_lost(user);
        if (length > 0)
            room_sent(user, (size_t)length);
    }
    // END
    bool sent = user->stay == LEAVES && user->output.length == 0;
    if (user->stay == GONE || (sent && connection->ended)) {
        close_connection(connection);
        return;
    }
    if (sent && !connection->shut) { /* the client reads end of file, and closes */
        connection->shut = true;
        if (shutdown(connection->socket, SHUT_WR) == -1 && errno != ENOTCONN)
            sys_error("shutdown");
    }
    /* A socket is nearly always ready to write: watched for that while nothing waits, it would keep
     * the program busy. At end of file it is always ready to read. */
    uint32_t events = (user->output.length > 0 ? EPOLLOUT : 0u) |
                      (connection->ended ? 0u : EPOLLIN);
    if (events != connection->watched)
        watch(EPOLL_CTL_MOD, connection->socket, events, connection);
    connection->watched = events;
}

/* STEP 9: Close a connection, which also removes it from the queue. */
static void close_connection(struct connection *connection)
{
    room_forget(connection->user);
    if (close(connection->socket) == -1)
        sys_error("close");
    free(connection);
    if (full) /* now there is room for one */
        watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    full = false;
}

/* The end begins: all users leave, and no other comes. A descriptor that is closed leaves the queue. */
static void stop(int interrupt)
{
    room_close(milliseconds());
    if (options.address.pipe)
        remove_socket(&options.address);
    if (close(listener) == -1 || close(interrupt) == -1)
        sys_error("close");
    full = false;
}
