/*
 * load.c - connects busy clients, which send without pause, and idle ones, which are silent.
 *
 * Usage: load PORT WELCOME BUSY IDLE SECONDS [SIZE [SESSION [PROCESS]]]
 *
 * Connects BUSY + IDLE clients to the echo server at PORT of this machine. Each reads the welcome
 * of lab 06, if WELCOME is 1, and has one message echoed: this proves that the server has
 * accepted it. Then the idle ones are silent. Each busy one sends a message of SIZE (64) bytes
 * when it has the echo of the one before. This lasts SECONDS, or longer, until each has
 * LEAST_TURNS echoes on the average. Every byte is compared. At the end all close, and the server
 * must not have sent anything else.
 *
 * With SESSION it reads memory and processor time from /proc, for all processes of that session
 * and for PROCESS. It does so without clients, with all of them, and when the last echo is there.
 * Reading takes time, in which a server goes on. So it reads only while no message is under way.
 *
 * Prints one line of JSON: latencies and times for a message in microseconds, set-up in seconds.
 * Exit code 1, with the reason on stderr, for a wrong byte, a lost connection, or if nothing
 * comes for PATIENCE seconds. Exit code 3 if the system has no room for so many connections.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../../06-iocp/contract.h"
#include "instrument.h"
#include "ipclab.h"

#define CONNECTING 100 /* connections that are set up at the same time */
#define EVENTS_AT_ONCE 256
#define MOST_SIZE 16384
#define LEAST_SIZE 17 /* two numbers of eight digits, and one letter */
#define WARM_UP 5     /* a fifth of the time is not measured */
#define LEAST_TURNS 4 /* echoes for each client, on the average, that are measured */

/* A client: what it waits for, and the bytes that it must receive next. */
struct client {
    int socket;
    bool busy, connected;
    uint32_t number, message; /* the message that is under way, from 1 */
    size_t expected, come;    /* bytes expected; bytes received */
    size_t unsent;            /* at the end of text: not sent yet */
    uint64_t sent_at;         /* when sending it began, in nanoseconds */
    char *text;
};

enum phase { SET_UP, WARMING, MEASURING, DRAINING, ENDING };

static struct {
    struct sockaddr_in server;
    bool welcome;
    long busy, idle, started, ready, drained, closed;
    double seconds;
    size_t size;
    pid_t session, process;
    struct client *all;
    enum phase phase;
    int queue;
    size_t echoes, messages; /* while measuring; from warming to draining */
    uint64_t begun;          /* the phase */
} run = {.size = 64};

static void make_clients(void);
static void start_client(void);
static void handle(struct client *client, uint32_t events);
static void take(struct client *client, const char *bytes, size_t length);
static void complete(struct client *client);
static void send_next(struct client *client);
static void send_rest(struct client *client);
static void watch(int operation, struct client *client, uint32_t events);
static void wait_for_events(int milliseconds);
static void go_on(double seconds, const size_t *echoes, size_t least);
_Noreturn static void give_up(const struct client *client, const char *why);

int main(int argc, char *argv[])
{
    begin_program("load", "PORT WELCOME BUSY IDLE SECONDS [SIZE [SESSION [PROCESS]]]",
                  &argv);
    if (argc < 6 || argc > 9)
        usage_exit();
    run.server = (struct sockaddr_in){.sin_family = AF_INET,
                                      .sin_port = htons((
                                          uint16_t)parse_long("PORT", argv[1], 1, 65535)),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    run.welcome = parse_long("WELCOME", argv[2], 0, 1) == 1;
    run.busy = parse_long("BUSY", argv[3], 1, MAX_CONNECTIONS);
    run.idle = parse_long("IDLE", argv[4], 0, MAX_CONNECTIONS);
    run.seconds = parse_seconds(argv[5]);
    if (argc > 6)
        run.size = (size_t)parse_long("SIZE", argv[6], LEAST_SIZE, MOST_SIZE);
    if (argc > 7)
        run.session = (pid_t)parse_long("SESSION", argv[7], 1, INT32_MAX);
    if (argc > 8)
        run.process = (pid_t)parse_long("PROCESS", argv[8], 1, INT32_MAX);
    make_clients();

    /* Connect all, a hundred at a time, until each has its first echo. */
    struct use empty = use_of(run.session, run.process);
    long clients = run.busy + run.idle;
    uint64_t start = now();
    while (run.started < clients && run.started < CONNECTING)
        start_client();
    while (run.ready < clients)
        wait_for_events(PATIENCE * 1000);
    double set_up = (double)(now() - start) / 1e9;
    struct use full = use_of(run.session, run.process);

    /* The busy ones begin. After the warm-up we begin to measure. */
    run.phase = WARMING;
    run.begun = now();
    for (long i = 0; i < run.busy; i++)
        send_next(&run.all[i]);
    go_on(run.seconds / WARM_UP, &run.messages, (size_t)run.busy);
    run.phase = MEASURING;
    run.begun = now();
    go_on(run.seconds, &run.echoes, (size_t)run.busy * LEAST_TURNS);
    double seconds = (double)(now() - run.begun) / 1e9;

    /* Count clients without an echo since we began: they are the slowest. */
    for (long i = 0; i < run.busy; i++)
        if (run.all[i].sent_at < run.begun)
            note_latency(now() - run.all[i].sent_at);

    /* Wait for the last echoes: then the server has finished the work for all messages that we
     * count. */
    run.phase = DRAINING;
    while (run.drained < run.busy)
        wait_for_events(PATIENCE * 1000);
    struct use after = use_of(run.session, run.process);

    /* All close in order. */
    run.phase = ENDING;
    for (long i = 0; i < clients; i++)
        if (shutdown(run.all[i].socket, SHUT_WR) == -1)
            give_up(&run.all[i], "shutdown failed: the connection was lost");
    while (run.closed < clients)
        wait_for_events(PATIENCE * 1000);

    if (run.echoes == 0)
        give_up(NULL, "no echo came while we measured");
    printf(
        "{\"connections\": %ld, \"idle\": %ld, \"size\": %zu, \"seconds\": %.3f, \"echoes\": %zu, "
        "\"rate\": %.1f, ",
        run.busy, run.idle, run.size, seconds, run.echoes, (double)run.echoes / seconds);
    print_latencies();
    printf(", \"setup\": %.4f", set_up);
    if (run.session != 0)
        printf(
            ", \"memory_per_client\": %.0f, \"cpu_per_client\": %.2f, \"cpu_per_message\": %.3f",
            (after.memory - empty.memory) / (double)clients,
            (full.time - empty.time) / (double)clients,
            (after.time - full.time) / (double)run.messages);
    printf("}\n");
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Prepares a descriptor limit for all clients, their texts, and room for the first latencies. */
static void make_clients(void)
{
    size_t clients = (size_t)(run.busy + run.idle);
    need_descriptors(clients + 20); /* ours, and those of the C library */
    run.all = calloc(clients, sizeof *run.all);
    size_t bytes = run.size < sizeof WELCOME ? sizeof WELCOME : run.size;
    char *texts = allocate(clients * bytes);
    if (run.all == NULL)
        sys_error("calloc");
    for (size_t i = 0; i < clients; i++)
        run.all[i].text = texts + i * bytes;
    run.queue = epoll_create1(EPOLL_CLOEXEC);
    if (run.queue == -1)
        sys_error("epoll_create1");
}

static void start_client(void)
{
    struct client *client = &run.all[run.started++];
    client->number = (uint32_t)run.started;
    client->busy = run.started <= run.busy;
    client->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->socket == -1)
        sys_error("socket");
    if (connect(client->socket, (struct sockaddr *)&run.server, sizeof run.server) ==
            -1 &&
        errno != EINPROGRESS)
        sys_error("connect");
    watch(EPOLL_CTL_ADD, client, EPOLLOUT);
}

/* Waits for events, and serves each client that is ready. */
static void wait_for_events(int milliseconds)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(run.queue, events, EVENTS_AT_ONCE, milliseconds);
    if (count == -1 && errno != EINTR)
        sys_error("epoll_wait");
    if (count == 0) {
        fatal("nothing has come for %d s; %ld of %ld clients have an echo", PATIENCE,
              run.ready, run.busy + run.idle);
    }
    for (int i = 0; i < count; i++)
        handle(events[i].data.ptr, events[i].events);
}

/* Lets the clients send for so many seconds, and until there are so many echoes: with a thousand
 * clients a short time shows only some of them. Lasts at most PATIENCE. */
static void go_on(double seconds, const size_t *echoes, size_t least)
{
    for (;;) {
        double passed = (double)(now() - run.begun) / 1e9;
        if ((passed >= seconds && *echoes >= least) || passed >= seconds + PATIENCE)
            return;
        wait_for_events(PATIENCE * 1000);
    }
}

static void handle(struct client *client, uint32_t events)
{
    char bytes[MOST_SIZE];
    if (!client->connected) {
        int error;
        socklen_t size = sizeof error;
        if (getsockopt(client->socket, SOL_SOCKET, SO_ERROR, &error, &size) == -1)
            sys_error("getsockopt");
        if (error != 0)
            sys_error_number("connect", error);
        client->connected = true;
        watch(EPOLL_CTL_MOD, client, EPOLLIN);
        if (run.welcome) {
            memcpy(client->text, WELCOME, sizeof WELCOME);
            client->expected = sizeof WELCOME;
        } else {
            send_next(client);
        }
    } else if ((events & EPOLLOUT) != 0) {
        watch(EPOLL_CTL_MOD, client, EPOLLIN);
        send_rest(client);
    } else {
        ssize_t length = recv(client->socket, bytes, sizeof bytes, 0);
        if (length > 0)
            take(client, bytes, (size_t)length);
        else if (length == -1 && errno != EAGAIN && errno != EINTR)
            give_up(client, strerror(errno));
        else if (length == 0 && (run.phase != ENDING || client->expected != 0))
            give_up(client, "the server closed the connection");
        else if (length == 0) {
            if (close(client->socket) == -1)
                sys_error("close");
            run.closed++;
        }
    }
}

/* Compares the bytes received with the expected ones. */
static void take(struct client *client, const char *bytes, size_t length)
{
    if (length > client->expected - client->come)
        give_up(client, "more bytes came back than were sent");
    if (memcmp(bytes, client->text + client->come, length) != 0)
        give_up(client, "a byte of the echo differs from what was sent");
    client->come += length;
    if (client->come == client->expected)
        complete(client);
}

/* The welcome or an echo is complete. */
static void complete(struct client *client)
{
    client->expected = client->come = 0;
    if (client->message == 0) {
        send_next(client); /* that was the welcome */
    } else if (run.phase == SET_UP) {
        run.ready++;
        if (run.started < run.busy + run.idle)
            start_client();
    } else {
        run.messages++;
        if (run.phase == MEASURING) {
            run.echoes++;
            note_latency(now() - client->sent_at);
        }
        if (run.phase == DRAINING)
            run.drained++;
        else
            send_next(client);
    }
}

/* Makes the next message. It differs from the one before, and from all other clients': it
 * contains the number of the client, the number of the message, and letters. */
static void send_next(struct client *client)
{
    static const char digits[] = "0123456789abcdef";
    char *text = client->text;
    client->message++;
    for (int i = 0; i < 8; i++) {
        text[i] = digits[client->number >> (28 - 4 * i) & 15];
        text[8 + i] = digits[client->message >> (28 - 4 * i) & 15];
    }
    for (size_t i = 16; i < run.size; i++)
        text[i] = (char)('A' + (client->message + i) % 26);
    client->expected = client->unsent = run.size;
    client->come = 0;
    client->sent_at = now();
    send_rest(client);
}

static void send_rest(struct client *client)
{
    ssize_t sent = send(client->socket, client->text + run.size - client->unsent,
                        client->unsent, MSG_NOSIGNAL);
    if (sent == -1 && errno != EAGAIN && errno != EINTR)
        give_up(client, strerror(errno));
    client->unsent -= sent == -1 ? 0 : (size_t)sent;
    /* If a message is too long for both buffers of the socket, its echo begins before all of it
     * is sent. */
    if (client->unsent > 0)
        watch(EPOLL_CTL_MOD, client, EPOLLIN | EPOLLOUT);
}

static void watch(int operation, struct client *client, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = client};
    if (epoll_ctl(run.queue, operation, client->socket, &event) == -1)
        sys_error("epoll_ctl");
}

_Noreturn static void give_up(const struct client *client, const char *why)
{
    if (client == NULL)
        fatal("%s", why);
    fatal("client %" PRIu32 " of %ld, message %" PRIu32 ": %s", client->number,
          run.busy + run.idle, client->message, why);
}
