/*
 * load.c - some clients that talk without pause, beside others that are silent.
 *
 * Usage: load PORT WELCOME BUSY IDLE SECONDS [SIZE [SESSION [PROCESS]]]
 *
 * Connects BUSY + IDLE clients to the echo server at PORT of this machine. Each takes the
 * welcome of lab 06, if WELCOME is 1, and has one message echoed, so that the server surely
 * has it. Then the idle ones are silent, while each of the busy ones sends a message of SIZE
 * (64) bytes as soon as the echo of the one before is there, for SECONDS, or longer until each
 * had LEAST_TURNS echoes on the average. Every byte is compared. At last all close, and the
 * server must have sent nothing else.
 *
 * With SESSION the memory and processor time of all processes of that session, and of PROCESS,
 * are taken from /proc: without clients, with all of them, and when the last echo is there. To
 * look takes time, in which a server goes on: so it is done when nothing is under way.
 *
 * Prints one line of JSON: latencies and times for a message in microseconds, set-up in
 * seconds. Exit code 1, and the reason on stderr, for a wrong byte, a lost connection, or when
 * nothing comes for PATIENCE seconds; 3 where the system lacks room for so many connections.
 */
#define PROGRAM "load"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../06-iocp/contract.h"
#include "../../fail.h"
#include "../../say.h"

#define CONNECTING 100 /* connections that are being made at the same time */
#define EVENTS_AT_ONCE 256
#define MOST_SIZE 16384
#define LEAST_SIZE 17 /* two numbers of eight digits, and one letter */
#define WARM_UP 5     /* this part of the time is not measured: a fifth */
#define LEAST_TURNS 4 /* echoes for each client, on the average, that are measured */

/* A client: what it waits for, and the bytes that must come next. */
struct client {
    int socket;
    bool busy, connected;
    uint32_t number, message; /* which message is under way, from 1 */
    size_t expected, come;    /* so many bytes are to come; so many have */
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
    uint32_t *latencies; /* in nanoseconds, of each echo while measuring */
    size_t noted, room;
    size_t echoes, messages; /* while measuring; from warming to draining */
    uint64_t begun;          /* the phase */
} run = {.size = 64};

static double number_of(const char *text, double least, double most);
static void make_room(void);
static void start_client(void);
static void handle(struct client *client, uint32_t events);
static void take(struct client *client, const char *bytes, size_t length);
static void complete(struct client *client);
static void note_latency(const struct client *client);
static void send_next(struct client *client);
static void send_rest(struct client *client);
static void watch(int operation, struct client *client, uint32_t events);
static void wait_for_events(int milliseconds);
static void go_on(double seconds, const size_t *echoes, size_t least);
_Noreturn static void give_up(const struct client *client, const char *why);
static uint64_t now(void);
static double microseconds_of(size_t thousandths);

/* What the server's processes have used: memory in bytes, processor time in microseconds. */
struct use {
    double memory, time;
};
static struct use use_of_server(void);

int main(int argc, char *argv[])
{
    open_missing_streams();
    if (argc < 6 || argc > 9) {
        say(stderr,
            "usage: load PORT WELCOME BUSY IDLE SECONDS [SIZE [SESSION [PROCESS]]]");
        return 2;
    }
    run.server = (struct sockaddr_in){.sin_family = AF_INET,
                                      .sin_port = htons(
                                          (uint16_t)number_of(argv[1], 1, 65535)),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    run.welcome = number_of(argv[2], 0, 1) == 1;
    run.busy = (long)number_of(argv[3], 1, MAX_CONNECTIONS);
    run.idle = (long)number_of(argv[4], 0, MAX_CONNECTIONS);
    run.seconds = number_of(argv[5], 0.01, 3600);
    if (argc > 6)
        run.size = (size_t)number_of(argv[6], LEAST_SIZE, MOST_SIZE);
    if (argc > 7)
        run.session = (pid_t)number_of(argv[7], 1, INT32_MAX);
    if (argc > 8)
        run.process = (pid_t)number_of(argv[8], 1, INT32_MAX);
    make_room();

    /* Connect all, a hundred at a time, until each has had its first echo. */
    struct use empty = use_of_server();
    long clients = run.busy + run.idle;
    uint64_t start = now();
    while (run.started < clients && run.started < CONNECTING)
        start_client();
    while (run.ready < clients)
        wait_for_events(PATIENCE * 1000);
    double set_up = (double)(now() - start) / 1e9;
    struct use full = use_of_server();

    /* The busy ones begin, and after a while we begin to look. */
    run.phase = WARMING;
    run.begun = now();
    for (long i = 0; i < run.busy; i++)
        send_next(&run.all[i]);
    go_on(run.seconds / WARM_UP, &run.messages, (size_t)run.busy);
    run.phase = MEASURING;
    run.begun = now();
    go_on(run.seconds, &run.echoes, (size_t)run.busy * LEAST_TURNS);
    double seconds = (double)(now() - run.begun) / 1e9;

    /* Whoever has waited since before we began is not to be forgotten: that is the slowest. */
    for (long i = 0; i < run.busy; i++)
        if (run.all[i].sent_at < run.begun)
            note_latency(&run.all[i]);

    /* Let the last echoes come: then the server has worked for all messages that we count. */
    run.phase = DRAINING;
    while (run.drained < run.busy)
        wait_for_events(PATIENCE * 1000);
    struct use after = use_of_server();

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
    printf("\"p50\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"setup\": %.4f",
           microseconds_of(500), microseconds_of(990), microseconds_of(999), set_up);
    if (run.session != 0)
        printf(
            ", \"memory_per_client\": %.0f, \"cpu_per_client\": %.2f, \"cpu_per_message\": %.3f",
            (after.memory - empty.memory) / (double)clients,
            (full.time - empty.time) / (double)clients,
            (after.time - full.time) / (double)run.messages);
    printf("}\n");
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static double number_of(const char *text, double least, double most)
{
    char *end;
    double number = strtod(text, &end);
    if (*text < '0' || *text > '9' || *end != '\0' ||
        !(number >= least && number <= most)) {
        say(stderr, PROGRAM ": %s is no number from %.0f to %.0f", text, least, most);
        exit(2);
    }
    return number;
}

/* A descriptor for each client, its bytes, and room for the first latencies. */
static void make_room(void)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)(run.busy + run.idle) +
                    20; /* ours, and those of the C library */
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        fail("getrlimit");
    if (limit.rlim_max < needed && geteuid() == 0)
        limit.rlim_max = needed; /* which root may, in most rooms */
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_max < needed) {
        say(stderr, PROGRAM ": needs %ju descriptors, the limit is %ju",
            (uintmax_t)needed, (uintmax_t)limit.rlim_max);
        exit(3);
    }
    size_t clients = (size_t)(run.busy + run.idle);
    run.room = 1 << 16;
    run.latencies = malloc(run.room * sizeof *run.latencies);
    run.all = calloc(clients, sizeof *run.all);
    size_t bytes = run.size < sizeof WELCOME ? sizeof WELCOME : run.size;
    char *texts = malloc(clients * bytes);
    if (run.latencies == NULL || run.all == NULL || texts == NULL)
        fail("malloc");
    for (size_t i = 0; i < clients; i++)
        run.all[i].text = texts + i * bytes;
    run.queue = epoll_create1(EPOLL_CLOEXEC);
    if (run.queue == -1)
        fail("epoll_create1");
}

static void start_client(void)
{
    struct client *client = &run.all[run.started++];
    client->number = (uint32_t)run.started;
    client->busy = run.started <= run.busy;
    client->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->socket == -1)
        fail("socket");
    if (connect(client->socket, (struct sockaddr *)&run.server, sizeof run.server) ==
            -1 &&
        errno != EINPROGRESS)
        fail("connect");
    watch(EPOLL_CTL_ADD, client, EPOLLOUT);
}

/* Waits, and gives each client that is ready its turn. */
static void wait_for_events(int milliseconds)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(run.queue, events, EVENTS_AT_ONCE, milliseconds);
    if (count == -1 && errno != EINTR)
        fail("epoll_wait");
    if (count == 0) {
        say(stderr,
            PROGRAM ": for %d s nothing has come; %ld of %ld clients were served at all",
            PATIENCE, run.ready, run.busy + run.idle);
        exit(EXIT_FAILURE);
    }
    for (int i = 0; i < count; i++)
        handle(events[i].data.ptr, events[i].events);
}

/* Lets the clients talk for so many seconds, and until there are so many echoes: where a thousand
 * wait in turn, a short time shows only some of them. But no longer than PATIENCE. */
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
            fail("getsockopt");
        if (error != 0)
            fail_with(error, "connect");
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
                fail("close");
            run.closed++;
        }
    }
}

/* Compares what has come with what must come. */
static void take(struct client *client, const char *bytes, size_t length)
{
    if (length > client->expected - client->come)
        give_up(client, "more has come than was sent");
    if (memcmp(bytes, client->text + client->come, length) != 0)
        give_up(client, "another byte has come than was sent");
    client->come += length;
    if (client->come == client->expected)
        complete(client);
}

/* All has come that was to come: the welcome, or an echo. */
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
            note_latency(client);
        }
        if (run.phase == DRAINING)
            run.drained++;
        else
            send_next(client);
    }
}

static void note_latency(const struct client *client)
{
    if (run.noted == run.room) {
        run.room *= 2;
        run.latencies = realloc(run.latencies, run.room * sizeof *run.latencies);
        if (run.latencies == NULL)
            fail("realloc");
    }
    uint64_t latency = now() - client->sent_at;
    run.latencies[run.noted++] = latency > UINT32_MAX ? UINT32_MAX : (uint32_t)latency;
}

/* The next message differs from that before, and from those of all others: the number of the
 * client, that of the message, and letters. */
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
    /* What is too long for both buffers of the socket comes back before all is sent. */
    if (client->unsent > 0)
        watch(EPOLL_CTL_MOD, client, EPOLLIN | EPOLLOUT);
}

static void watch(int operation, struct client *client, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = client};
    if (epoll_ctl(run.queue, operation, client->socket, &event) == -1)
        fail("epoll_ctl");
}

_Noreturn static void give_up(const struct client *client, const char *why)
{
    if (client == NULL)
        say(stderr, PROGRAM ": %s", why);
    else
        say(stderr, PROGRAM ": client %" PRIu32 " of %ld, message %" PRIu32 ": %s",
            client->number, run.busy + run.idle, client->message, why);
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
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* In microseconds, what so many thousandths of the latencies did not exceed. */
static double microseconds_of(size_t thousandths)
{
    static bool sorted;
    if (!sorted)
        qsort(run.latencies, run.noted, sizeof *run.latencies, compare);
    sorted = true;
    size_t rank = (run.noted * thousandths + 999) / 1000; /* from 1, rounded up */
    return run.latencies[rank - 1] / 1e3;
}

/* Adds what one process has used, if it belongs to the server. It may end while we look: then
 * it counts no more. */
static void add_use(struct use *use, const char *pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    /* The program's name is in brackets, and may have any in itself. */
    const char *behind = read ? strrchr(line, ')') : NULL;
    long session, user, system; /* the times are those of children that have ended */
    pid_t process = (pid_t)atol(pid);
    if (behind == NULL ||
        sscanf(behind, ") %*c %*d %*d %ld %*d %*d %*u %*u %*u %*u %*u %*d %*d %ld %ld",
               &session, &user, &system) != 3 ||
        (session != run.session && process != run.process))
        return;
    use->time += (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
    /* Its own time by its clock: /proc tells it in hundredths of a second, of which each of a
     * thousand processes may use less. */
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(process, &clock) == 0 && clock_gettime(clock, &time) == 0)
        use->time += (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
    snprintf(path, sizeof path, "/proc/%.20s/smaps_rollup", pid);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        double kilobytes;
        if (sscanf(line, "Pss: %lf", &kilobytes) == 1)
            use->memory += kilobytes * 1024;
    }
    if (file != NULL)
        fclose(file);
}

static struct use use_of_server(void)
{
    struct use use = {0};
    DIR *folder = run.session == 0 ? NULL : opendir("/proc");
    if (run.session != 0 && folder == NULL)
        fail("opendir");
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        if (isdigit((unsigned char)entry->d_name[0]))
            add_use(&use, entry->d_name);
    if (folder != NULL)
        closedir(folder);
    return use;
}
