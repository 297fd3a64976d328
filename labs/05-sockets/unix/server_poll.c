/*
 * server_poll.c - a TCP server in one thread, which waits for all its clients in poll().
 *
 * Usage: server_poll [PORT [ADDRESS]]
 *
 * poll() takes a list of descriptors, with any number of them and any values, and
 * reports which are ready. If the echo for a client waits, the server asks for room to
 * send; otherwise, for bytes to receive. No call on a socket blocks.
 *
 * The contract is that of server.c. Other ways: server_select.c, server_sigio.c. To
 * try: strace -e trace=poll,recvfrom,sendto server_poll 0.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "contract.h"
#include "ipclab.h"

/* The index of the first client in the list for poll(). */
#define FIRST 2

/* One client: its socket, and the echo that has not been sent yet. */
struct client {
    int socket;
    long number; /* counted from 1 */
    size_t length, sent;
    char bytes[READ_SIZE];
};

/* The list for poll(): Ctrl-C, the listener, and after them the clients, in any order. */
static struct pollfd events[FIRST + MAX_CLIENTS];
static struct client *clients[FIRST + MAX_CLIENTS];
static nfds_t count = FIRST;

/* No descriptor is free for one more client, until one leaves. */
static bool crowded;

static bool is_full(void);
static void accept_client(int listener);
static void serve_all(void);
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
    log_event("server: ready %s", socket_address(listener));

    events[0] = (struct pollfd){.fd = interrupt, .events = POLLIN};
    events[1].events = POLLIN;
    for (;;) {
        /* STEP 4: Wait until something is ready. If there is no place for one more client,
         * leave the listener out: poll() skips negative numbers. */
        events[1].fd = is_full() ? -1 : listener;
        for (nfds_t i = FIRST; i < count; i++)
            events[i].events = clients[i]->sent < clients[i]->length ? POLLOUT : POLLIN;
        if (poll(events, count, -1) == -1) {
            if (errno != EINTR)
                sys_error("poll");
            continue;
        }
        if (events[0].revents != 0)
            break;

        /* STEP 5: Serve the clients that are ready, and accept a new one. */
        serve_all();
        if (events[1].revents != 0)
            accept_client(listener);
    }

    /* End in order. */
    while (count > FIRST)
        release(clients[--count]);
    log_last("server: done");
    return EXIT_SUCCESS;
}

/* Returns whether there is no place for one more client, and prints it the first time. */
static bool is_full(void)
{
    static bool was_full;
    bool full = count == FIRST + MAX_CLIENTS || crowded;
    if (full && !was_full)
        log_error("full with %d clients: the next has to wait", (int)(count - FIRST));
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
        crowded = count > FIRST && (errno == EMFILE || errno == ENFILE ||
                                    errno == ENOBUFS || errno == ENOMEM);
        if (crowded)
            log_sys_error("accept");
        else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED &&
                 errno != EPROTO)
            sys_error("accept");
        return;
    }
    struct client *client = allocate(sizeof *client);
    number++;
    *client = (struct client){.socket = socket, .number = number};
    log_event("server: client %ld connected", client->number);
    clients[count] = client;
    events[count].fd = socket;
    count++;
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
static void serve_all(void)
{
    for (nfds_t i = count; i-- > FIRST;)
        if (events[i].revents != 0 && !serve(clients[i])) {
            release(clients[i]);
            clients[i] = clients[--count];
            events[i] = events[count];
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
