/*
 * server_select.c - a TCP server in one thread, which waits for all its clients in select().
 *
 * Usage: server_select [PORT [ADDRESS]]
 *
 * A set of select() has one bit for each descriptor, FD_SETSIZE (1,024) in all. A
 * descriptor with a larger number does not fit, even if few are open: FD_SET() would
 * write past the end of the set. The connection of such a client is closed, and a line
 * on standard error reports it.
 *
 * The contract is that of server.c. Counterpart: ../win32/server_select.c, where a set
 * is a list and has another limit. Without a limit: server_poll.c. To try:
 * server_select 0; and, in bash, with most descriptors in use:
 * (ulimit -n 2048; while exec {i}</dev/null; [ $i -lt 1021 ]; do :; done; server_select 0)
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "contract.h"
#include "ipclab.h"

/* One client: its socket, and the echo that has not been sent yet. */
struct client {
    int socket;
    long number; /* counted from 1 */
    size_t length, sent;
    char bytes[READ_SIZE];
};

static struct client *clients[MAX_CLIENTS];
static int count;

/* No descriptor is free for one more client, until one leaves. */
static bool crowded;

static int fill_sets(int interrupt, int listener, fd_set *readable, fd_set *writable);
static bool is_full(void);
static void accept_client(int listener);
static void serve_all(const fd_set *readable, const fd_set *writable);
static bool serve(struct client *client);
static bool goes_on(const struct client *client);
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

    /* STEP 2: Prepare for Ctrl-C, and for clients that close early: send() must fail with
     * EPIPE. By default the signal SIGPIPE would end this program. */
    signal(SIGPIPE, SIG_IGN);
    int interrupt = interrupt_event();

    /* STEP 3: Create the socket that listens. From now on clients can connect. accept()
     * must not block: the client that was reported may have left before the call. */
    int listener = tcp_listen(host, port);
    if (fcntl(listener, F_SETFL, O_NONBLOCK) == -1)
        sys_error("fcntl");
    if (listener >= FD_SETSIZE)
        sys_error_number("select", EMFILE);
    log_event("server: ready %s", socket_address(listener));

    for (;;) {
        /* STEP 4: Wait until something is ready. select() overwrites its sets: fill them
         * each time. If there is no place for one more client, leave the listener out. */
        fd_set readable, writable;
        int largest = fill_sets(interrupt, listener, &readable, &writable);
        if (select(largest + 1, &readable, &writable, NULL, NULL) == -1) {
            if (errno != EINTR)
                sys_error("select");
            continue;
        }
        if (FD_ISSET(interrupt, &readable))
            break;

        /* STEP 5: Serve the clients that are ready, and accept a new one. */
        serve_all(&readable, &writable);
        if (FD_ISSET(listener, &readable))
            accept_client(listener);
    }

    /* End in order. */
    while (count > 0)
        release(clients[--count]);
    log_last("server: done");
    return EXIT_SUCCESS;
}

/* Fills the sets. Each client is in one of them: in `writable` if the rest of an echo
 * waits, otherwise in `readable`. Returns the largest descriptor. */
static int fill_sets(int interrupt, int listener, fd_set *readable, fd_set *writable)
{
    int largest = listener > interrupt ? listener : interrupt;
    FD_ZERO(readable);
    FD_ZERO(writable);
    FD_SET(interrupt, readable);
    if (!is_full())
        FD_SET(listener, readable);
    for (int i = 0; i < count; i++) {
        FD_SET(clients[i]->socket,
               clients[i]->sent < clients[i]->length ? writable : readable);
        if (clients[i]->socket > largest)
            largest = clients[i]->socket;
    }
    return largest;
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

/* Accepts a client, and adds it to the list. If it has left already, does nothing. If
 * there is no descriptor for it, it waits until another leaves; without another that is an
 * error. */
static void accept_client(int listener)
{
    static long number;
    int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket == -1) {
        crowded = count > 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                                errno == ENOMEM);
        if (crowded)
            log_sys_error("accept");
        else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED &&
                 errno != EPROTO)
            sys_error("accept");
        return;
    }
    if (socket >= FD_SETSIZE) {
        log_error("descriptor %d does not fit into a set of %d", socket, FD_SETSIZE);
        if (close(socket) == -1)
            sys_error("close");
        return;
    }
    struct client *client = allocate(sizeof *client);
    number++;
    *client = (struct client){.socket = socket, .number = number};
    log_event("server: client %ld connected", client->number);
    clients[count++] = client;
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

/* Serves each client that is ready. The last of the list takes the place of one that
 * leaves. */
static void serve_all(const fd_set *readable, const fd_set *writable)
{
    for (int i = count; i-- > 0;)
        if ((FD_ISSET(clients[i]->socket, readable) ||
             FD_ISSET(clients[i]->socket, writable)) &&
            !serve(clients[i])) {
            release(clients[i]);
            clients[i] = clients[--count];
        }
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
static bool goes_on(const struct client *client)
{
    if (errno == EAGAIN || errno == EINTR)
        return true;
    log_error("client %ld: error %d: %s", client->number, errno, strerror(errno));
    return false;
}
