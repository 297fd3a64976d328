/*
 * client.c - many connections at once: verify every byte, and measure how long echoes take.
 *
 * Usage: client [HOST [PORT [CONNECTIONS [MESSAGES]]]]
 *
 * Builds up CONNECTIONS (100) connections to HOST (127.0.0.1), PORT (7710), and waits for the
 * welcome on each; then on all of them at once sends MESSAGES (10) messages, each when the
 * echo of the one before is there. Reports rate and latency. Exit code 0 if every byte came
 * as it should and the server closed each connection after ours, else 1.
 *
 * Mirrors the report's client of listing 11, a thousandfold. Its twin: ../win32/client.c.
 * To try: client 127.0.0.1 7710 5000 20; client 127.0.0.1 7710 1 100000.
 */
#define PROGRAM "client"

#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

#define EVENTS_AT_ONCE 64

/* What a connection waits for: to be connected, the welcome, all others to be greeted; then to
 * have sent a message, and its echo, again and again; at last the server's close. */
enum stage { CONNECT, WELCOMED, START, SENT, ECHOED, CLOSED };

struct connection {
    int socket;
    long number;
    enum stage stage;
    long message;            /* which one is under way, from 1 */
    size_t done, length;     /* how much of the text has been sent, or has come back */
    uint64_t sent;           /* when sending it began, in nanoseconds */
    char text[MESSAGE_ROOM]; /* what is to be sent, or to come, next */
};

/* All that the run is about. */
static struct {
    struct sockaddr_in server;
    long connections, messages;
    struct connection *all;
    long started, greeted, closed;
    uint64_t echoed, echoes; /* so many of so many */
    uint64_t *latencies;     /* of each echo, in nanoseconds */
    uint64_t begun, ended;   /* the first message, the last echo */
    int queue;
} run = {.connections = DEFAULT_CONNECTIONS, .messages = DEFAULT_MESSAGES};

static bool take_number(const char *text, long least, long most, long *number);
static struct sockaddr_in resolve(const char *host, long port);
static void raise_limit(void);
static void start_connection(void);
static void expect_welcome(struct connection *connection);
static void send_next(struct connection *connection);
static void send_rest(struct connection *connection);
static void receive(struct connection *connection);
static void take_echo(struct connection *connection);
static void watch(int operation, struct connection *connection, uint32_t events);
_Noreturn static void give_up(const struct connection *connection, const char *why);
_Noreturn static void lose_patience(void);
static uint64_t now(void);
static void report(void);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: whom to talk to, over how many connections, how much. */
    long port = DEFAULT_PORT;
    if (argc > 5 || (argc > 2 && !take_number(argv[2], 1, MAX_PORT, &port)) ||
        (argc > 3 && !take_number(argv[3], 1, MAX_CONNECTIONS, &run.connections)) ||
        (argc > 4 && !take_number(argv[4], 0, MAX_MESSAGES, &run.messages))) {
        say(stderr,
            "usage: client [HOST [PORT [CONNECTIONS [MESSAGES]]]], PORT to %d, "
            "CONNECTIONS to %d, MESSAGES to %d",
            MAX_PORT, MAX_CONNECTIONS, MAX_MESSAGES);
        return 2;
    }
    run.server = resolve(argc > 1 ? argv[1] : DEFAULT_HOST, port);
    raise_limit();

    /* STEP 2: Make the queue of events, and room for all that will be measured. */
    run.echoes = (uint64_t)run.connections * (uint64_t)run.messages;
    run.all = calloc((size_t)run.connections, sizeof *run.all);
    /* calloc fails if the product is too great for a size_t, which has 32 bits on some systems.
     * The 1 is there because calloc may return NULL for 0 bytes. */
    run.latencies = calloc((size_t)run.connections,
                           (size_t)(run.messages + 1) * sizeof *run.latencies);
    if (run.all == NULL || run.latencies == NULL)
        fail("calloc");
    run.queue = epoll_create1(EPOLL_CLOEXEC);
    if (run.queue == -1)
        fail("epoll_create1");

    /* STEP 3: Start the first connections. Each that is greeted starts one more. */
    while (run.started < run.connections && run.started < CONNECTING_AT_ONCE)
        start_connection();

    /* STEP 4: Wait for events and give each connection its turn, until all are closed. When
     * the last is greeted the clock starts, and all send their first message. */
    while (run.closed < run.connections) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(run.queue, events, EVENTS_AT_ONCE, PATIENCE * 1000);
        if (count == -1 && errno != EINTR)
            fail("epoll_wait");
        if (count == 0)
            lose_patience();
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection->stage == CONNECT)
                expect_welcome(connection);
            else if (connection->stage == SENT)
                send_rest(connection);
            else
                receive(connection);
        }
        if (run.begun == 0 && run.greeted == run.connections) {
            say(stdout, "client: connected %ld", run.connections);
            run.begun = run.ended = now();
            for (long i = 0; i < run.connections; i++)
                send_next(&run.all[i]);
        }
    }

    /* STEP 5: Report, and free all. */
    report();
    if (close(run.queue) == -1)
        fail("close");
    free(run.all);
    free(run.latencies);
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

/* Takes the number that `text` is; returns whether it is one from `least` to `most`. */
static bool take_number(const char *text, long least, long most, long *number)
{
    char *end;
    *number = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && *number >= least &&
           *number <= most;
}

static struct sockaddr_in resolve(const char *host, long port)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(host, NULL, &hints, &found);
    if (error != 0) {
        say(stderr, PROGRAM ": getaddrinfo: error %d: %s", error, gai_strerror(error));
        exit(EXIT_FAILURE);
    }
    struct sockaddr_in address;
    memcpy(&address, found->ai_addr, sizeof address);
    freeaddrinfo(found);
    address.sin_port = htons((uint16_t)port);
    return address;
}

/* A descriptor for each connection: as many as this process is allowed at all. */
static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        fail("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
        fail("setrlimit");
}

static void start_connection(void)
{
    struct connection *connection = &run.all[run.started++];
    connection->number = run.started;
    connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->socket == -1)
        fail("socket");
    /* Not done when it returns: the socket can be written to once it is. */
    if (connect(connection->socket, (struct sockaddr *)&run.server, sizeof run.server) ==
            -1 &&
        errno != EINPROGRESS)
        fail("connect");
    connection->stage = CONNECT;
    watch(EPOLL_CTL_ADD, connection, EPOLLOUT);
}

/* STEP 6: A connection is there, or has failed: wait for the welcome. */
static void expect_welcome(struct connection *connection)
{
    int error;
    socklen_t size = sizeof error;
    if (getsockopt(connection->socket, SOL_SOCKET, SO_ERROR, &error, &size) == -1)
        fail("getsockopt");
    if (error != 0)
        fail_with(error, "connect");
    memcpy(connection->text, WELCOME, sizeof WELCOME);
    connection->length = sizeof WELCOME;
    connection->stage = WELCOMED;
    watch(EPOLL_CTL_MOD, connection, EPOLLIN);
}

/* STEP 7: Send the next message, or tell the server that there is none by shutting our half
 * of the connection down: it will send what remains and close. */
static void send_next(struct connection *connection)
{
    if (connection->message == run.messages) {
        if (shutdown(connection->socket, SHUT_WR) == -1)
            fail("shutdown");
        connection->stage = CLOSED;
        return;
    }
    int length = snprintf(connection->text, MESSAGE_ROOM, MESSAGE_TEXT,
                          connection->number, ++connection->message);
    connection->length = (size_t)length + 1;
    connection->done = 0;
    connection->sent = now();
    send_rest(connection);
}

static void send_rest(struct connection *connection)
{
    ssize_t length = send(connection->socket, connection->text + connection->done,
                          connection->length - connection->done, MSG_NOSIGNAL);
    if (length == -1 && errno != EAGAIN && errno != EINTR)
        fail("send");
    connection->done += length == -1 ? 0 : (size_t)length;
    if (connection->done < connection->length) {
        connection->stage = SENT;
        watch(EPOLL_CTL_MOD, connection, EPOLLOUT);
    } else {
        if (connection->stage == SENT)
            watch(EPOLL_CTL_MOD, connection, EPOLLIN);
        connection->stage = ECHOED;
        connection->done = 0;
    }
}

/* STEP 8: Receive, and compare each byte with the one that must come. The end must come last,
 * and nothing before it that was not sent. */
static void receive(struct connection *connection)
{
    char bytes[BUFFER_SIZE];
    ssize_t length = recv(connection->socket, bytes, sizeof bytes, 0);
    if (length == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length == -1)
        fail("recv");
    if (length == 0 && connection->stage != CLOSED)
        give_up(connection, "the server has closed it before its time");
    if (length == 0) {
        if (close(connection->socket) == -1)
            fail("close");
        run.closed++;
        return;
    }
    size_t open = connection->length - connection->done;
    if (connection->stage == START || connection->stage == CLOSED ||
        (size_t)length > open)
        give_up(connection, "more has come than should");
    if (memcmp(bytes, connection->text + connection->done, (size_t)length) != 0)
        give_up(connection, connection->stage == WELCOMED ? "the welcome is wrong"
                                                          : "the echo is wrong");
    connection->done += (size_t)length;
    if (connection->done < connection->length)
        return;
    if (connection->stage == ECHOED) {
        take_echo(connection);
        return;
    }
    connection->stage = START;
    run.greeted++;
    if (run.started < run.connections)
        start_connection();
}

/* A whole echo is there: note how long it took, and go on. */
static void take_echo(struct connection *connection)
{
    run.ended = now();
    run.latencies[run.echoed++] = run.ended - connection->sent;
    if (run.echoed * 10 / run.echoes != (run.echoed - 1) * 10 / run.echoes)
        say(stdout, "client: echoed %" PRIu64 " of %" PRIu64, run.echoed, run.echoes);
    send_next(connection);
}

static void watch(int operation, struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(run.queue, operation, connection->socket, &event) == -1)
        fail("epoll_ctl");
}

_Noreturn static void give_up(const struct connection *connection, const char *why)
{
    say(stderr, PROGRAM ": connection %ld: %s", connection->number, why);
    exit(EXIT_FAILURE);
}

_Noreturn static void lose_patience(void)
{
    say(stderr,
        PROGRAM
        ": for %d s nothing has come; %ld of %ld connections are greeted, %" PRIu64
        " of %" PRIu64 " messages echoed, %ld connections closed",
        PATIENCE, run.greeted, run.connections, run.echoed, run.echoes, run.closed);
    exit(EXIT_FAILURE);
}

/* By a clock that nobody sets, and that never runs backwards. */
static uint64_t now(void)
{
    struct timespec time;
    if (clock_gettime(CLOCK_MONOTONIC, &time) == -1)
        fail("clock_gettime");
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* In microseconds, what so many thousandths of all echoes did not exceed. */
static double percentile(uint64_t thousandths)
{
    uint64_t rank = (run.echoes * thousandths + 999) /
                    1000; /* of 1 to `echoes`, rounded up */
    return (double)run.latencies[rank - 1] / 1e3;
}

static void report(void)
{
    double seconds = (double)(run.ended - run.begun) / 1e9;
    say(stdout, "client: %" PRIu64 " echoes in %.3f s, %.0f a second", run.echoes,
        seconds, seconds > 0 ? (double)run.echoes / seconds : 0);
    if (run.echoes == 0)
        return;
    qsort(run.latencies, (size_t)run.echoes, sizeof *run.latencies, compare);
    say(stdout, "client: latency p50 %.0f us, p99 %.0f us, p99.9 %.0f us",
        percentile(500), percentile(990), percentile(999));
}
