/*
 * server_robust.c - server.c, and what clients that do not read, and too many clients, take.
 *
 * Usage: server_robust [PORT]
 *
 * What is added to server.c (`make diff LAB=06 SYSTEM=unix` shows the lines), and why:
 * - O_NONBLOCK, SOCK_NONBLOCK: send() to a client that does not read must not block, because all
 *   other clients would wait. accept() must not block either: the client may have left already.
 * - struct client, serve: what send() does not take now stays in the client's buffer. Meanwhile
 *   the program watches for EPOLLOUT (ready to write) and receives nothing. So TCP stops the
 *   client, and it costs one buffer, however much it sends.
 * - raise_limit: every client takes a descriptor. The usual limit is 1,024.
 * - accept_client: without a free descriptor the client stays in the backlog. The listener would
 *   be ready again and again, so it is not watched until another client has left (leave).
 * - EVENTS_AT_ONCE: fewer calls of epoll_wait().
 * - interrupt_event, STEP 8: Ctrl-C is an event like the others. The program closes all clients
 *   and frees all memory, so that a tool like valgrind finds what is lost.
 *
 * Counterpart: ../win32/server_robust.c.
 * To try: (ulimit -n 50; server_robust), then load 127.0.0.1 7710 100. A client that never reads:
 * bash -c 'exec 3<>/dev/tcp/127.0.0.1/7710; yes >&3'.
 */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "contract.h"
#include "ipclab.h"

#define EVENTS_AT_ONCE 64

struct client {
    int socket;
    long number;
    uint32_t watched;                   /* EPOLLIN or EPOLLOUT */
    size_t sent, length;                /* of the bytes that wait to be sent */
    struct client *next, **predecessor; /* the list of all clients */
    char bytes[BUFFER_SIZE];
};

static int queue; /* the epoll: what is watched, and what has happened */
static int listener;
static bool full; /* no descriptor is free: the listener is not watched */
static struct client *clients;

static void raise_limit(void);
static void watch(int operation, int socket, uint32_t events, void *owner);
static void accept_client(void);
static bool there_is_no_room(void);
static void serve(struct client *client);
static bool receive(struct client *client);
static bool send_rest(struct client *client);
static void leave(struct client *client);
static void stop(void);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the port. */
    begin_program("server", "[PORT]", &argv);
    if (argc > 2)
        usage_exit();
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    parse_long("PORT", port, 0, MAX_PORT);
    raise_limit();

    /* STEP 2: Listen on the port. Ctrl-C makes a descriptor readable. */
    int interrupt = interrupt_event();
    listener = tcp_listen(DEFAULT_HOST, port);
    if (fcntl(listener, F_SETFL, O_NONBLOCK) == -1)
        sys_error("fcntl");

    /* STEP 3: Create the queue, and watch the listener: it is ready when a client waits. NULL
     * marks its events, &queue those of Ctrl-C; a client's events carry the client. */
    queue = epoll_create1(0);
    if (queue == -1)
        sys_error("epoll_create1");
    watch(EPOLL_CTL_ADD, interrupt, EPOLLIN, &queue);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    log_event("server: ready %s", socket_address(listener));

    for (bool end = false; !end;) {
        /* STEP 4: Wait until sockets are ready. An event contains what watch() stored. */
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(queue, events, EVENTS_AT_ONCE, -1);
        if (count == -1 &&
            errno != EINTR) /* EINTR: the program was stopped and continued */
            sys_error("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                accept_client();
            else if (events[i].data.ptr == &queue)
                end = true;
            else
                serve(events[i].data.ptr);
        }
    }

    stop();
    if (close(interrupt) == -1)
        sys_error("close");
    log_event("server: done");
    return EXIT_SUCCESS;
}

/* Raises the limit on descriptors as far as this user may. The usual limit is for programs that
 * use select(), which cannot take more. */
static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        sys_error("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
        sys_error("setrlimit");
}

/* Adds a socket to the queue, changes what is watched, or removes it. EPOLLIN means ready to
 * read, EPOLLOUT ready to write. */
static void watch(int operation, int socket, uint32_t events, void *owner)
{
    struct epoll_event event = {.events = events, .data.ptr = owner};
    if (epoll_ctl(queue, operation, socket, &event) == -1)
        sys_error("epoll_ctl");
}

/* STEP 5: A client has connected: send the welcome, and watch its socket. */
static void accept_client(void)
{
    static long number;
    int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (socket == -1 &&
        (errno == EAGAIN || errno == ECONNABORTED || errno == EPROTO || errno == EINTR))
        return; /* the client has left already */
    if (socket == -1 && (clients == NULL || !there_is_no_room()))
        sys_error("accept4");
    if (socket == -1) {
        log_sys_error("accept4");
        watch(EPOLL_CTL_DEL, listener, 0, NULL);
        full = true;
        return;
    }
    struct client *client = allocate(sizeof *client);
    client->socket = socket;
    client->number = ++number;
    client->watched = EPOLLIN;
    client->next = clients;
    client->predecessor = &clients;
    if (clients != NULL)
        clients->predecessor = &client->next;
    clients = client;
    log_event("server: client %ld connected", client->number);
    watch(EPOLL_CTL_ADD, client->socket, EPOLLIN, client);
    memcpy(client->bytes, WELCOME, sizeof WELCOME);
    client->sent = 0;
    client->length = sizeof WELCOME;
    serve(client);
}

/* Whether a call has failed because the system is short of descriptors or of memory. */
static bool there_is_no_room(void)
{
    return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
}

/* STEP 6: A client's socket is ready: receive once, and send back what came. If a part is left,
 * wait until the socket is ready to write, and send the rest before the next receive. */
static void serve(struct client *client)
{
    bool waiting = client->sent < client->length;
    if ((!waiting && !receive(client)) || !send_rest(client)) {
        leave(client); /* end of file, or the connection was reset */
        return;
    }
    /* Never both: a socket is nearly always ready to write. epoll_wait() would return at once,
     * again and again, while there is nothing to send. */
    uint32_t events = client->sent < client->length ? EPOLLOUT : EPOLLIN;
    if (events != client->watched)
        watch(EPOLL_CTL_MOD, client->socket, events, client);
    client->watched = events;
}

/* Returns false at end of file, or if the connection was reset. */
static bool receive(struct client *client)
{
    ssize_t length = recv(client->socket, client->bytes, sizeof client->bytes, 0);
    client->sent = 0;
    client->length = length > 0 ? (size_t)length : 0;
    return length > 0 || (length == -1 && errno == EAGAIN);
}

/* Sends as much as the socket takes now. MSG_NOSIGNAL: to a client that has left send() fails
 * with EPIPE, and no signal ends this program. Returns false if the connection is lost. */
static bool send_rest(struct client *client)
{
    if (client->sent == client->length)
        return true;
    ssize_t length = send(client->socket, client->bytes + client->sent,
                          client->length - client->sent, MSG_NOSIGNAL);
    client->sent += length > 0 ? (size_t)length : 0;
    return length >= 0 || errno == EAGAIN;
}

/* STEP 7: A client has left: close its socket, which also removes it from the queue. */
static void leave(struct client *client)
{
    if (close(client->socket) == -1)
        sys_error("close");
    log_event("server: client %ld left", client->number);
    *client->predecessor = client->next;
    if (client->next != NULL)
        client->next->predecessor = client->predecessor;
    free(client);
    if (full) /* now there is room for one */
        watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    full = false;
}

/* STEP 8: End on Ctrl-C: close and free everything. Nothing is under way between two events. */
static void stop(void)
{
    while (clients != NULL)
        leave(clients);
    if (close(listener) == -1 || close(queue) == -1)
        sys_error("close");
}
