/*
 * server_io_uring.c - completion on Linux: hand operations to the kernel through one ring, and take
 * their completions from another.
 *
 * Usage: server_io_uring [PORT]
 *
 * The contract is that of server.c, the technique that of ../win32/server.c: accept, receive and
 * send are started, and each client's memory belongs to the kernel until the operation is done.
 * Where the system does not permit io_uring (many containers do not), the program reports it and
 * exits with 1.
 *
 * To try: server_io_uring, then load 127.0.0.1 7710 1000 100; strace -fc server_io_uring.
 */
#include <liburing.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "contract.h"
#include "ipclab.h"

/* How many operations fit into the ring until they are handed over. More can be under way. */
#define RING_SIZE 256

/* The kind of an operation. The kernel returns the address of one of these with a completion. */
enum operation { ACCEPT, INTERRUPT, CANCEL, RECEIVE, SEND };

/* A client, and the one operation that is under way for it. */
struct client {
    enum operation operation; /* first, so that its address is the client's */
    int socket;
    long number;
    size_t sent, length;                /* of the bytes that wait to be sent */
    struct client *next, **predecessor; /* the list of all clients */
    char bytes[BUFFER_SIZE];
};

static enum operation accept_operation = ACCEPT, interrupt_operation = INTERRUPT,
                      cancel_operation = CANCEL;
static struct io_uring queue; /* both rings */
static int listener;
static struct client *clients;
static bool accepting; /* an accept is under way */
static bool has_room;  /* a client has left since that accept was started */
static bool stopping;

static void raise_limit(void);
static void take_completions(void);
static struct io_uring_sqe *new_entry(void);
static void start_accept(void);
static void accept_client(int socket);
static void add_client(int socket);
static void serve(struct client *client, int result);
static void start_receive(struct client *client);
static void start_send(struct client *client);
static void leave(struct client *client);
static void stop(void);
static void cancel(void *data);

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

    /* STEP 3: Create the queue, and start what waits for Ctrl-C and for clients. */
    char interrupt_bytes[BUFFER_SIZE];
    int error = io_uring_queue_init(RING_SIZE, &queue, 0);
    if (error < 0)
        sys_error_number("io_uring_queue_init", -error);
    struct io_uring_sqe *entry = new_entry();
    io_uring_prep_read(entry, interrupt, interrupt_bytes, sizeof interrupt_bytes, 0);
    io_uring_sqe_set_data(entry, &interrupt_operation);
    start_accept();
    log_event("server: ready %s", socket_address(listener));

    /* STEP 4: Wait until operations are done. After Ctrl-C go on until the last is. */
    while (!stopping || clients != NULL || accepting)
        take_completions();

    io_uring_queue_exit(&queue);
    if (close(listener) == -1 || close(interrupt) == -1)
        sys_error("close");
    log_event("server: done");
    return EXIT_SUCCESS;
}

/* Raises the limit on descriptors as far as this user may. */
static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        sys_error("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
        sys_error("setrlimit");
}

/* Whether a call can be repeated: it was interrupted, or the kernel is short of room now. */
static bool can_be_repeated(int error)
{
    return error == -EINTR || error == -EBUSY || error == -EAGAIN;
}

/* Hands over what was started, and waits until at least one operation is done: one system call. */
static void take_completions(void)
{
    struct io_uring_cqe *completion;
    unsigned head, count = 0;
    int error = io_uring_submit_and_wait(&queue, 1);
    if (error < 0 && !can_be_repeated(error))
        sys_error_number("io_uring_submit_and_wait", -error);
    io_uring_for_each_cqe(&queue, head, completion)
    {
        enum operation *operation = io_uring_cqe_get_data(completion);
        if (*operation == INTERRUPT)
            stop();
        else if (*operation == ACCEPT)
            accept_client(completion->res);
        else if (*operation != CANCEL)
            serve((struct client *)operation, completion->res);
        count++;
    }
    io_uring_cq_advance(&queue, count);
}

/* Returns a free entry of the ring, which an operation is written into. If the ring is full,
 * hands over what it contains. */
static struct io_uring_sqe *new_entry(void)
{
    struct io_uring_sqe *entry;
    while ((entry = io_uring_get_sqe(&queue)) == NULL) {
        int error = io_uring_submit(&queue);
        if (error < 0 && !can_be_repeated(error))
            sys_error_number("io_uring_submit", -error);
    }
    return entry;
}

static void start_accept(void)
{
    struct io_uring_sqe *entry = new_entry();
    io_uring_prep_accept(entry, listener, NULL, NULL, 0);
    io_uring_sqe_set_data(entry, &accept_operation);
    accepting = true;
    has_room = false;
}

/* STEP 5: A client has connected, or accept has failed with the error -`socket`. */
static void accept_client(int socket)
{
    accepting = false;
    bool full = socket == -EMFILE || socket == -ENFILE || socket == -ENOBUFS ||
                socket == -ENOMEM;
    bool gone = socket == -ECONNABORTED || socket == -EPROTO || socket == -EINTR ||
                socket == -ECANCELED;
    if (socket >= 0 && stopping)
        close(socket);
    else if (socket >= 0)
        add_client(socket);
    else if (full && (clients != NULL || has_room))
        log_error("accept: error %d: %s", -socket, strerror(-socket));
    else if (!gone)
        sys_error_number("accept", -socket);
    /* An accept that is started while no descriptor is free fails at once. Leave the next to
     * leave(), unless that has closed a descriptor meanwhile. */
    if ((!full || has_room) && !stopping)
        start_accept();
}

static void add_client(int socket)
{
    static long number;
    struct client *client = allocate(sizeof *client);
    client->socket = socket;
    client->number = ++number;
    client->next = clients;
    client->predecessor = &clients;
    if (clients != NULL)
        clients->predecessor = &client->next;
    clients = client;
    log_event("server: client %ld connected", client->number);
    memcpy(client->bytes, WELCOME, sizeof WELCOME);
    client->sent = 0;
    client->length = sizeof WELCOME;
    start_send(client);
}

/* STEP 6: A client's operation is done: start the next. A send follows each receive, and a
 * receive each send. Never two at once, so that the bytes stay in order. */
static void serve(struct client *client, int result)
{
    if (stopping || result <= 0) {
        leave(client); /* end of file, or the connection was reset, or cancelled */
    } else if (client->operation == RECEIVE) {
        client->sent = 0;
        client->length = (size_t)result;
        start_send(client);
    } else {
        client->sent += (size_t)result;
        if (client->sent < client->length)
            start_send(client);
        else
            start_receive(client);
    }
}

static void start_receive(struct client *client)
{
    client->operation = RECEIVE;
    struct io_uring_sqe *entry = new_entry();
    io_uring_prep_recv(entry, client->socket, client->bytes, sizeof client->bytes, 0);
    io_uring_sqe_set_data(entry, client);
}

static void start_send(struct client *client)
{
    client->operation = SEND;
    struct io_uring_sqe *entry = new_entry();
    io_uring_prep_send(entry, client->socket, client->bytes + client->sent,
                       client->length - client->sent, MSG_NOSIGNAL);
    io_uring_sqe_set_data(entry, client);
}

/* STEP 7: A client has left: close its socket. */
static void leave(struct client *client)
{
    if (close(client->socket) == -1)
        sys_error("close");
    log_event("server: client %ld left", client->number);
    *client->predecessor = client->next;
    if (client->next != NULL)
        client->next->predecessor = client->predecessor;
    free(client);
    has_room = true;
    if (!accepting && !stopping)
        start_accept();
}

/* STEP 8: End on Ctrl-C: cancel what is under way. Each operation still completes, as cancelled
 * or as done; only then is its memory free. */
static void stop(void)
{
    stopping = true;
    if (accepting)
        cancel(&accept_operation);
    for (struct client *client = clients; client != NULL; client = client->next)
        cancel(client);
}

/* Starts one more operation, which ends the one whose completion returns `data`. */
static void cancel(void *data)
{
    struct io_uring_sqe *entry = new_entry();
    io_uring_prep_cancel(entry, data, 0);
    io_uring_sqe_set_data(entry, &cancel_operation);
}
