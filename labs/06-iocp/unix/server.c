/*
 * server.c - one thread, any number of clients: wait for all of them in one call of epoll.
 *
 * Usage: server [PORT]
 *
 * Listens on 127.0.0.1, on PORT (7710; 0: any free port). Sends each client a welcome, then sends
 * back what comes. epoll is a list of sockets that the kernel keeps for this program. The program
 * blocks in one place only, epoll_wait(), until one of these sockets is ready: until accept() or
 * recv() on it would not block.
 *
 *     epoll_ctl(queue, EPOLL_CTL_ADD, socket)     watch this socket
 *     epoll_wait(queue) ... blocks ...            returns: "this socket is ready"
 *     recv(socket, bytes)                         does not block; the bytes are here
 *
 * Mirrors listing 12 of the report. Counterpart: ../win32/server.c, where the system does the
 * receiving and then reports that it is done. The same on Linux: server_io_uring.c.
 * Not here, but in server_robust.c: a client that does not read (send_all() blocks, and with it
 * the whole server); more clients than descriptors; an end that frees everything.
 * To try: server in one terminal, client in two more; strace server; then load 127.0.0.1 7710 500.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "contract.h"
#include "ipclab.h"

struct client {
    int socket;
    long number;
    struct client *next, **predecessor; /* the list of all clients */
};

static int queue; /* the epoll: what is watched, and what has happened */
static int listener;

/* Only the kernel would know the clients without this list. A tool like valgrind would then report
 * their memory as lost. */
static struct client *clients;

static void watch(int socket, struct client *owner);
static void accept_client(void);
static void serve(struct client *client);
static void leave(struct client *client);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the port. */
    begin_program("server", "[PORT]", &argv);
    if (argc > 2)
        usage_exit();
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    parse_long("PORT", port, 0, MAX_PORT);

    /* STEP 2: Listen on the port. Ctrl-C ends the program (STEP 8). */
    end_on_interrupt(NULL);
    signal(SIGPIPE, SIG_IGN); /* send() to a client that has left fails with EPIPE */
    listener = tcp_listen(DEFAULT_HOST, port);

    /* STEP 3: Create the queue, and watch the listener: it is ready when a client waits. NULL
     * marks its events; a client's events carry the client. */
    // LEVEL 2
    queue = epoll_create1(0);
    if (queue == -1)
        sys_error("epoll_create1");
    // END
    watch(listener, NULL);
    log_event("server: ready %s", socket_address(listener));

    for (;;) {
        /* STEP 4: Wait until a socket is ready. Its event contains what watch() stored. */
        struct epoll_event event;
        // LEVEL 1: int count;
        int count = epoll_wait(queue, &event, 1, -1);
        if (count == -1 &&
            errno != EINTR) /* EINTR: the program was stopped and continued */
            sys_error("epoll_wait");
        // END
        if (count == 1 && event.data.ptr == NULL)
            accept_client();
        else if (count == 1)
            serve(event.data.ptr);
    }
}

/* Adds a socket to the queue. EPOLLIN means ready to read. */
static void watch(int socket, struct client *owner)
{
    // LEVEL 2
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = owner};
    if (epoll_ctl(queue, EPOLL_CTL_ADD, socket, &event) == -1)
        sys_error("epoll_ctl");
    // END
}

/* STEP 5: A client has connected: send the welcome, and watch its socket. */
static void accept_client(void)
{
    static long number;
    // LEVEL 2: int socket;
    int socket = accept(listener, NULL, NULL);
    if (socket == -1)
        sys_error("accept");
    // END
    struct client *client = allocate(sizeof *client);
    client->socket = socket;
    client->number = ++number;
    client->next = clients;
    client->predecessor = &clients;
    if (clients != NULL)
        clients->predecessor = &client->next;
    clients = client;
    log_event("server: client %ld connected", client->number);
    watch(client->socket, client);
    // LEVEL 2
    if (!send_all(client->socket, WELCOME, sizeof WELCOME))
        leave(client);
    // END
}

/* STEP 6: A client's socket is ready: receive once, and send back what came. More than one
 * recv() could block: epoll has promised only that the first does not. */
static void serve(struct client *client)
{
    // LEVEL 2
    char bytes[BUFFER_SIZE];
    ssize_t length = recv(client->socket, bytes, sizeof bytes, 0);
    if (length <= 0 || !send_all(client->socket, bytes, (size_t)length))
        leave(client); /* end of file, or the connection was reset */
    // END
}

/* STEP 7: A client has left: close its socket, which also removes it from the queue. */
static void leave(struct client *client)
{
    // LEVEL 2
    if (close(client->socket) == -1)
        sys_error("close");
    // END
    log_event("server: client %ld left", client->number);
    *client->predecessor = client->next;
    if (client->next != NULL)
        client->next->predecessor = client->predecessor;
    free(client);
}

/* STEP 8: End on Ctrl-C, by end_on_interrupt() before the loop. It ends the process in another
 * thread. The system then closes all sockets and frees all memory. */
