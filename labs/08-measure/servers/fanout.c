/*
 * fanout.c - one user writes, and all others of a chat get each message: how fast, and how late?
 *
 * Usage: fanout PORT PROTOCOL RECEIVERS SECONDS [SIZE [SESSION [PROCESS]]]
 *
 * PROTOCOL is room (the messenger of lab 09), irc (ngircd) or chat (ncat --chat). Connects a sender
 * and RECEIVERS to the server at PORT of this machine. The sender sends the next message when all
 * receivers have the one before. Its text has SIZE (64) bytes, and is compared: each receiver must
 * get each message, once and in order. This lasts SECONDS, or longer, until LEAST_MESSAGES have come
 * to all. Other lines of the server, such as notices, do not count.
 *
 * Memory and processor time are read as in load.c: without users, when all are there and one message
 * has come to all, and at the end.
 *
 * Prints one line of JSON, with the names of load.c: rate counts deliveries a second, and a latency is
 * the time from sending a message until one receiver has it. Exit codes as of load.c.
 */
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "instrument.h"
#include "ipclab.h"

#define CONNECTING 10 /* connections that are set up at the same time */
#define EVENTS_AT_ONCE 256
#define MOST_RECEIVERS 20000
#define MOST_SIZE 400 /* a line of IRC has at most 512 bytes, with its sender */
#define LEAST_SIZE 16
#define LINE_ROOM 600 /* what is kept of a line */
#define PATIENCE 20   /* seconds without anything, after which the server is given up */
#define WARM_UP 5     /* a fifth of the time is not measured */
#define LEAST_MESSAGES 20
#define MARK "fan-out " /* each message begins with it, and no other line contains it */

/* What users say. Lines of the server are known by a part of them. */
static const struct protocol {
    const char *name;
    const char *hello, *hello_end; /* sent first, with the user's number between them */
    const char *welcome, *join;    /* after this line, this is sent: NULL if nothing is */
    const char *joined;            /* after this line the user is there */
    const char *message, *end;     /* before and after a text */
} protocols[] = {
    {"room", "/name r", "\n", NULL, NULL, "* you are ", "", "\n"},
    {"irc", "NICK r", "\r\nUSER r 0 * :r\r\n", " 001 ", "JOIN #room\r\n", " 366 ",
     "PRIVMSG #room :", "\r\n"},
    {"chat", NULL, NULL, NULL, NULL, "<announce> ", "", "\n"},
};

struct user {
    int socket;
    long number; /* 0 is the sender */
    bool connected, welcome, joined;
    long messages; /* that it has received */
    size_t length; /* of the line that has no end yet */
    char line[LINE_ROOM];
};

enum phase { SET_UP, WARMING, MEASURING, DRAINING, ENDING };

static struct {
    const struct protocol *protocol;
    struct sockaddr_in server;
    long receivers, started, joined;
    size_t size;
    pid_t session, process;
    struct user *all;
    enum phase phase;
    int queue;
    char text[MOST_SIZE + 1]; /* of the message that is under way */
    long messages, missing; /* sent so far; receivers that do not have the last one yet */
    uint64_t sent_at, begun;    /* the last message; the phase */
    size_t measured, delivered; /* while measuring; from warming to draining */
} run = {.size = 64};

static void take_arguments(int argc, char *argv[], double *seconds);
static void start_user(void);
static void send_line(const struct user *user, const char *begin, const char *text,
                      const char *end);
static void send_next(void);
static void wait_for_events(void);
static void wait_for_all(void);
static void go_on(double seconds, size_t least);
static void handle(struct user *user);
static void take(struct user *user, const char *bytes, size_t length);
static void take_line(struct user *user);
static void take_message(struct user *user, const char *text, size_t length);
_Noreturn static void give_up(const struct user *user, const char *why);

int main(int argc, char *argv[])
{
    double seconds;
    begin_program("fanout", "PORT PROTOCOL RECEIVERS SECONDS [SIZE [SESSION [PROCESS]]]",
                  &argv);
    take_arguments(argc, argv, &seconds);
    long users = run.receivers + 1;
    need_descriptors((size_t)users + 20); /* ours, and those of the C library */
    run.all = calloc((size_t)users, sizeof *run.all);
    run.queue = epoll_create1(EPOLL_CLOEXEC);
    if (run.all == NULL || run.queue == -1)
        sys_error("epoll_create1");

    /* All come, and one message reaches all. */
    struct use empty = use_of(run.session, run.process);
    uint64_t start = now();
    while (run.started < users && run.started < CONNECTING)
        start_user();
    while (run.joined < users)
        wait_for_events();
    send_next();
    wait_for_all();
    double set_up = (double)(now() - start) / 1e9;
    struct use full = use_of(run.session, run.process);

    /* The sender begins. After the warm-up we begin to measure. */
    run.phase = WARMING;
    run.begun = now();
    send_next();
    go_on(seconds / WARM_UP, 0);
    run.phase = MEASURING;
    run.begun = now();
    go_on(seconds, LEAST_MESSAGES * (size_t)run.receivers);
    double passed = (double)(now() - run.begun) / 1e9;
    run.phase = DRAINING;
    wait_for_all();
    struct use after = use_of(run.session, run.process);

    /* What has come twice comes before the last message, which is not measured. */
    run.phase = ENDING;
    send_next();
    wait_for_all();
    if (run.measured == 0)
        fatal("no message came while we measured");
    printf("{\"receivers\": %ld, \"size\": %zu, \"seconds\": %.3f, \"deliveries\": %zu, "
           "\"rate\": %.1f, ",
           run.receivers, run.size, passed, run.measured, (double)run.measured / passed);
    print_latencies();
    printf(", \"setup\": %.4f", set_up);
    if (run.session != 0)
        printf(", \"memory_per_client\": %.0f, \"cpu_per_client\": %.2f, "
               "\"cpu_per_message\": %.3f",
               (full.memory - empty.memory) / (double)users,
               (full.time - empty.time) / (double)users,
               (after.time - full.time) / (double)run.delivered);
    printf("}\n");
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void take_arguments(int argc, char *argv[], double *seconds)
{
    if (argc < 5 || argc > 8)
        usage_exit();
    long port = parse_long("PORT", argv[1], 1, 65535);
    run.server = (struct sockaddr_in){.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        if (strcmp(argv[2], protocols[i].name) == 0)
            run.protocol = &protocols[i];
    if (run.protocol == NULL)
        usage_exit();
    run.receivers = parse_long("RECEIVERS", argv[3], 1, MOST_RECEIVERS);
    *seconds = parse_seconds(argv[4]);
    if (argc > 5)
        run.size = (size_t)parse_long("SIZE", argv[5], LEAST_SIZE, MOST_SIZE);
    if (argc > 6)
        run.session = (pid_t)parse_long("SESSION", argv[6], 1, INT32_MAX);
    if (argc > 7)
        run.process = (pid_t)parse_long("PROCESS", argv[7], 1, INT32_MAX);
}

static void watch(int operation, struct user *user, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = user};
    if (epoll_ctl(run.queue, operation, user->socket, &event) == -1)
        sys_error("epoll_ctl");
}

static void start_user(void)
{
    struct user *user = &run.all[run.started];
    user->number = run.started++;
    user->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (user->socket == -1)
        sys_error("socket");
    if (connect(user->socket, (struct sockaddr *)&run.server, sizeof run.server) == -1 &&
        errno != EINPROGRESS)
        sys_error("connect");
    watch(EPOLL_CTL_ADD, user, EPOLLOUT);
}

/* A line is short, and the one before has arrived: the socket has room for it. */
static void send_line(const struct user *user, const char *begin, const char *text,
                      const char *end)
{
    char line[LINE_ROOM];
    int length = snprintf(line, sizeof line, "%s%s%s", begin, text, end);
    if (send(user->socket, line, (size_t)length, MSG_NOSIGNAL) != length)
        give_up(user, "send() did not take a whole line");
}

/* The next message. It differs from the one before in its number and its letters. */
static void send_next(void)
{
    int length = snprintf(run.text, sizeof run.text, MARK "%06ld ", ++run.messages);
    for (size_t i = (size_t)length; i < run.size; i++)
        run.text[i] = (char)('A' + (run.messages + (long)i) % 26);
    run.text[run.size] = '\0';
    run.missing = run.receivers;
    run.sent_at = now();
    send_line(&run.all[0], run.protocol->message, run.text, run.protocol->end);
}

static void wait_for_events(void)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(run.queue, events, EVENTS_AT_ONCE, PATIENCE * 1000);
    if (count == -1 && errno != EINTR)
        sys_error("epoll_wait");
    if (count == 0)
        fatal(
            "nothing has come for %d s; %ld of %ld users are there, and %ld receivers lack "
            "message %ld",
            PATIENCE, run.joined, run.receivers + 1, run.missing, run.messages);
    for (int i = 0; i < count; i++)
        handle(events[i].data.ptr);
}

static void wait_for_all(void)
{
    while (run.missing > 0)
        wait_for_events();
}

/* Lets messages be sent for so many seconds, and until there are so many deliveries. */
static void go_on(double seconds, size_t least)
{
    while ((double)(now() - run.begun) / 1e9 < seconds || run.measured < least)
        wait_for_events();
}

static void handle(struct user *user)
{
    static char bytes[1 << 16];
    int error;
    socklen_t size = sizeof error;
    if (user->connected) {
        ssize_t length = recv(user->socket, bytes, sizeof bytes, 0);
        if (length == 0)
            give_up(user, "the server closed the connection");
        if (length == -1 && errno != EAGAIN && errno != EINTR)
            give_up(user, strerror(errno));
        if (length > 0)
            take(user, bytes, (size_t)length);
        return;
    }
    if (getsockopt(user->socket, SOL_SOCKET, SO_ERROR, &error, &size) == -1)
        sys_error("getsockopt");
    if (error != 0)
        sys_error_number("connect", error);
    user->connected = true;
    watch(EPOLL_CTL_MOD, user, EPOLLIN);
    char number[24];
    snprintf(number, sizeof number, "%ld", user->number);
    if (run.protocol->hello != NULL)
        send_line(user, run.protocol->hello, number, run.protocol->hello_end);
}

/* Makes lines of what has come. Of a line that is too long only the beginning is kept. */
static void take(struct user *user, const char *bytes, size_t length)
{
    while (length > 0) {
        const char *end = memchr(bytes, '\n', length);
        size_t part = end != NULL ? (size_t)(end - bytes) : length;
        size_t room = sizeof user->line - 1 - user->length,
               kept = part < room ? part : room;
        memcpy(user->line + user->length, bytes, kept);
        user->length += kept;
        if (end == NULL)
            return;
        take_line(user);
        user->length = 0;
        bytes += part + 1;
        length -= part + 1;
    }
}

static void take_line(struct user *user)
{
    const struct protocol *protocol = run.protocol;
    if (user->length > 0 && user->line[user->length - 1] == '\r')
        user->length--;
    user->line[user->length] = '\0';
    const char *text = strstr(user->line, MARK);
    if (text != NULL && user->number > 0) {
        take_message(user, text, strlen(text));
    } else if (!user->welcome && protocol->join != NULL) {
        user->welcome = strstr(user->line, protocol->welcome) != NULL;
        if (user->welcome)
            send_line(user, protocol->join, "", "");
    } else if (!user->joined && strstr(user->line, protocol->joined) != NULL) {
        user->joined = true;
        run.joined++;
        if (run.started <= run.receivers)
            start_user();
    }
}

static void take_message(struct user *user, const char *text, size_t length)
{
    if (length != run.size || memcmp(text, run.text, length) != 0)
        give_up(user, "a message differs from the one that was sent last");
    if (user->messages == run.messages)
        give_up(user, "a message came twice");
    user->messages++;
    run.missing--;
    if (run.phase != SET_UP && run.phase != ENDING)
        run.delivered++;
    if (run.phase == MEASURING) {
        run.measured++;
        note_latency(now() - run.sent_at);
    }
    if (run.missing == 0 && (run.phase == WARMING || run.phase == MEASURING))
        send_next();
}

_Noreturn static void give_up(const struct user *user, const char *why)
{
    fatal("user %ld of %ld, message %ld: %s", user->number, run.receivers + 1,
          run.messages, why);
}
