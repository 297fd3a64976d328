/*
 * load.c - many connections in one thread: verify every byte, and measure how long echoes take.
 *
 * Usage: load [HOST [PORT [CONNECTIONS [MESSAGES]]]]
 *
 * Makes CONNECTIONS (100) connections to HOST (127.0.0.1), PORT (7710), and waits for the welcome
 * on each. Then it sends MESSAGES (10) messages on every connection, each after the echo of the
 * one before. Reports rate and latency. Exit code 0 if every byte was right and the server closed
 * each connection after this program had shut down its half, else 1.
 *
 * A client with a queue, as in server_robust.c. Counterpart: ../win32/load.c.
 * To try: load 127.0.0.1 7710 5000 20; load 127.0.0.1 7710 1 100000: what changes?
 */
#include <netdb.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "load.h"

#define EVENTS_AT_ONCE 64

static struct addrinfo *server;
static int queue; /* the epoll */

static void resolve(void);
static void raise_limit(void);
static void start_connection(void);
static void serve(struct connection *connection);
static void finish_connect(struct connection *connection);
static void start_message(struct connection *connection);
static void send_rest(struct connection *connection);
static void receive(struct connection *connection);
static void take_text(struct connection *connection);
static void take_end(struct connection *connection);
static void watch(int operation, struct connection *connection, uint32_t events);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: where the server is, how many connections and messages. */
    begin_program("load", "[HOST [PORT [CONNECTIONS [MESSAGES]]]]", &argv);
    take_arguments(argc, argv);
    resolve();
    raise_limit();

    /* STEP 2: Create the queue. */
    queue = epoll_create1(0);
    if (queue == -1)
        sys_error("epoll_create1");

    /* STEP 3: Start the first connections. Each that is greeted starts one more. */
    while (started < connection_count && started < CONNECTING_AT_ONCE)
        start_connection();

    while (closed < connection_count) {
        /* STEP 4: Wait until sockets are ready, and do the next thing on each. When all are
         * greeted, all send their first message. */
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(queue, events, EVENTS_AT_ONCE, PATIENCE * 1000);
        if (count == -1 &&
            errno != EINTR) /* EINTR: the program was stopped and continued */
            sys_error("epoll_wait");
        if (count == 0)
            report_silence();
        for (int i = 0; i < count; i++)
            serve(events[i].data.ptr);
        if (begin == 0 && greeted == connection_count) {
            log_event("load: connected %ld", connection_count);
            begin = end = now();
            for (long i = 0; i < connection_count; i++)
                start_message(&connections[i]);
        }
    }

    report();
    if (close(queue) == -1)
        sys_error("close");
    freeaddrinfo(server);
    free(connections);
    free(latencies);
    log_event("load: done");
    return EXIT_SUCCESS;
}

static void resolve(void)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    int error = getaddrinfo(host, port, &hints, &server);
    if (error != 0)
        fatal("getaddrinfo: error %d: %s", error, gai_strerror(error));
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

/* A non-blocking connect() fails with EINPROGRESS. The socket is ready to write when the
 * connection is made, or has failed. */
static void start_connection(void)
{
    struct connection *connection = &connections[started++];
    *connection = (struct connection){.number = started};
    connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connection->socket == -1)
        sys_error("socket");
    if (connect(connection->socket, server->ai_addr, server->ai_addrlen) == -1 &&
        errno != EINPROGRESS)
        sys_error("connect");
    connection->stage = CONNECTING;
    watch(EPOLL_CTL_ADD, connection, EPOLLOUT);
}

/* A connection's socket is ready. */
static void serve(struct connection *connection)
{
    if (connection->stage == CONNECTING)
        finish_connect(connection);
    else if (connection->stage == SENDING)
        send_rest(connection);
    else
        receive(connection);
}

/* STEP 5: A connection is made, or has failed: wait for the welcome. */
static void finish_connect(struct connection *connection)
{
    int error;
    socklen_t size = sizeof error;
    if (getsockopt(connection->socket, SOL_SOCKET, SO_ERROR, &error, &size) == -1)
        sys_error("getsockopt");
    if (error != 0)
        sys_error_number("connect", error);
    expect_welcome(connection);
    watch(EPOLL_CTL_MOD, connection, EPOLLIN);
}

/* STEP 6: Send the next message. After the last, shut down our half: the server sends what is
 * left and closes. */
static void start_message(struct connection *connection)
{
    if (connection->message == message_count) {
        if (shutdown(connection->socket, SHUT_WR) == -1)
            sys_error("shutdown");
        connection->stage = CLOSING;
        return;
    }
    next_message(connection);
    send_rest(connection);
}

static void send_rest(struct connection *connection)
{
    ssize_t length = send(connection->socket, connection->text + connection->done,
                          connection->length - connection->done, MSG_NOSIGNAL);
    if (length == -1 && errno != EAGAIN)
        sys_error("send");
    connection->done += length > 0 ? (size_t)length : 0;
    bool rest = connection->done < connection->length;
    if (rest != (connection->stage == SENDING))
        watch(EPOLL_CTL_MOD, connection, rest ? EPOLLOUT : EPOLLIN);
    connection->stage = rest ? SENDING : RECEIVING;
    if (!rest)
        connection->done = 0;
}

/* STEP 7: Receive, and compare. End of file must come last. */
static void receive(struct connection *connection)
{
    char bytes[BUFFER_SIZE];
    ssize_t length = recv(connection->socket, bytes, sizeof bytes, 0);
    if (length == -1 && errno == EAGAIN)
        return;
    if (length == -1)
        sys_error("recv");
    if (length == 0)
        take_end(connection);
    else if (check_bytes(connection, bytes, (size_t)length))
        take_text(connection);
}

/* The welcome has come, or an echo. */
static void take_text(struct connection *connection)
{
    if (connection->stage == RECEIVING) {
        take_echo(connection);
        start_message(connection);
        return;
    }
    connection->stage = GREETED;
    greeted++;
    if (started < connection_count)
        start_connection();
}

/* The server has closed the connection. */
static void take_end(struct connection *connection)
{
    if (connection->stage != CLOSING)
        fatal("connection %ld: the server closed it too early", connection->number);
    if (close(connection->socket) == -1)
        sys_error("close");
    closed++;
}

static void watch(int operation, struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(queue, operation, connection->socket, &event) == -1)
        sys_error("epoll_ctl");
}

static uint64_t now(void)
{
    struct timespec time;
    if (clock_gettime(CLOCK_MONOTONIC, &time) == -1)
        sys_error("clock_gettime");
    return (uint64_t)time.tv_sec * NANOSECONDS + (uint64_t)time.tv_nsec;
}
