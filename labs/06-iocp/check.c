/*
 * check.c - judges lab 06 from outside, by the contract alone.
 *
 * A server is tested with "hands": connections of this checker, as many as a test wants, all
 * non-blocking in one epoll. A client is tested with this checker for a server. TCP ports are
 * not private to a run: a server is always asked for any free one, but in one test.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contract.h"
#include "harness.h"

#define MEGABYTE ((size_t)1 << 20)
#define ENDLESS ((size_t)1 << 40)

/* ---- Hands -------------------------------------------------------------------------- */

/* A connection to the server under test. What it sends are the `period` bytes at `bytes`, over
 * and over, `length` in all; what must come back is the welcome, and the same. */
struct hand {
    int socket;
    const char *bytes;
    size_t period, length, sent, received;
    bool connected, shut, ended; /* ended: the server has closed the connection */
    bool finish; /* shut our half down behind the last byte, await the end */
    bool deaf;   /* do not read */
    bool done;   /* nothing is left to wait for */
};

static int queue = -1; /* an epoll of all hands */
static long port;      /* of the server that they reach for */

static struct sockaddr_in address_of(long number)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)number),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int make_socket(void)
{
    int made = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made == -1)
        kit_error("socket: %s", strerror(errno));
    return made;
}

/* Starts to connect; with a small buffer for what comes where `narrow`, for a hand that will fill it. */
static void reach_for(struct hand *hand, bool narrow)
{
    if (queue == -1 && (queue = epoll_create1(EPOLL_CLOEXEC)) == -1)
        kit_error("epoll_create1: %s", strerror(errno));
    *hand =
        (struct hand){.socket = make_socket(), .bytes = "", .period = 1, .done = true};
    int small = 16384;
    setsockopt(hand->socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (narrow)
        setsockopt(hand->socket, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    struct sockaddr_in address = address_of(port);
    if (connect(hand->socket, (struct sockaddr *)&address, sizeof address) == -1 &&
        errno != EINPROGRESS)
        fail_test("the server does not let us in: connect: %s", strerror(errno));
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = hand};
    if (epoll_ctl(queue, EPOLL_CTL_ADD, hand->socket, &event) == -1)
        kit_error("epoll_ctl: %s", strerror(errno));
}

/* Gives the hand `length` more bytes to send, when those it had are sent. */
static void give(struct hand *hand, const char *bytes, size_t length)
{
    if (hand->sent < hand->length)
        kit_error("the hand has not sent all that it had");
    hand->bytes = bytes;
    hand->period = length;
    hand->length = hand->sent = 0;
    hand->length = length;
    hand->received = sizeof WELCOME;
}

/* Fails the test unless the `length` bytes that came are those that had to. */
static void compare(struct hand *hand, const char *got, size_t length, const char *what)
{
    for (size_t i = 0; i < length; i++) {
        size_t at = hand->received + i;
        bool echo = at >= sizeof WELCOME;
        char expected = echo ? hand->bytes[(at - sizeof WELCOME) % hand->period]
                             : WELCOME[at];
        if (echo && at - sizeof WELCOME >= hand->sent)
            fail_test("%s: more came back than was sent", what);
        if (got[i] == expected)
            continue;
        size_t rest = length - i;
        char *wanted = random_bytes(rest, 0, 0);
        for (size_t k = 0; k < rest; k++)
            wanted[k] = at + k < sizeof WELCOME
                            ? WELCOME[at + k]
                            : hand->bytes[(at + k - sizeof WELCOME) % hand->period];
        expect_bytes(echo ? what : "the welcome", NULL, 0, wanted, rest, got + i, rest);
    }
    hand->received += length;
}

/* Does what the hand can do now. Returns whether it has all that it waits for. */
static bool advance(struct hand *hand, const char *what)
{
    static char portion[1 << 16];
    struct sockaddr_in address = address_of(port);
    if (!hand->connected &&
        connect(hand->socket, (struct sockaddr *)&address, sizeof address) == -1 &&
        errno != EISCONN) {
        if (errno == EALREADY || errno == EINPROGRESS)
            return false;
        fail_test("the server does not let us in: connect: %s", strerror(errno));
    }
    hand->connected = true;
    while (hand->sent < hand->length) {
        size_t at = hand->sent % hand->period, rest = hand->length - hand->sent;
        if (rest > hand->period - at)
            rest = hand->period - at;
        ssize_t length = send(hand->socket, hand->bytes + at, rest, MSG_NOSIGNAL);
        if (length == -1 && errno == EAGAIN)
            break;
        if (length == -1)
            fail_test("%s: the server has ended the connection, with %zu bytes sent: %s",
                      what, hand->sent, strerror(errno));
        hand->sent += (size_t)length;
    }
    if (hand->finish && !hand->shut && hand->sent == hand->length) {
        shutdown(hand->socket, SHUT_WR);
        hand->shut = true;
    }
    while (!hand->deaf && !hand->ended) {
        ssize_t length = recv(hand->socket, portion, sizeof portion, 0);
        if (length == -1 && errno == EAGAIN)
            break;
        if (length == -1)
            fail_test("%s: the server has reset the connection, with %zu bytes received",
                      what, hand->received);
        hand->ended = length == 0;
        compare(hand, portion, (size_t)length, what);
    }
    size_t wanted = sizeof WELCOME + hand->length;
    if (hand->ended && (hand->received < wanted || !hand->finish))
        fail_test("%s: the server has closed the connection, %zu bytes too early", what,
                  wanted - hand->received);
    return (hand->deaf || hand->received == wanted) && hand->sent == hand->length &&
           (!hand->finish || hand->deaf || hand->ended);
}

/* Drives all hands until each has what it waits for: `what`, "the echo". */
static void drive(struct hand *hands, size_t count, const char *what)
{
    size_t open = 0;
    for (size_t i = 0; i < count; i++) {
        hands[i].done = advance(&hands[i], what);
        open += !hands[i].done;
    }
    while (open > 0) {
        char reason[160];
        struct epoll_event events[64];
        snprintf(reason, sizeof reason, "%s: %zu of %zu clients have it not", what, open,
                 count);
        wait_descriptor(queue, reason);
        int ready = epoll_wait(queue, events, 64, 0);
        for (int i = 0; i < ready; i++) {
            struct hand *hand = events[i].data.ptr;
            if (!hand->done && advance(hand, what)) {
                hand->done = true;
                open--;
            }
        }
    }
}

/* Connects `count` hands, and waits for the welcome of each. */
static struct hand *connect_hands(size_t count)
{
    struct hand *hands = calloc(count, sizeof *hands);
    if (hands == NULL)
        kit_error("no memory");
    for (size_t i = 0; i < count; i++)
        reach_for(&hands[i], false);
    drive(hands, count, "the welcome");
    return hands;
}

/* Each hand sends a token of its own, and must get it back; and so `rounds` times. */
static void exchange_tokens(struct hand *hands, size_t count, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            const char *word = token();
            give(&hands[i], word, strlen(word));
        }
        drive(hands, count, "the echo");
    }
}

/* Closes a hand: in order, or with a reset. */
static void drop(struct hand *hand, bool reset)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        setsockopt(hand->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(hand->socket);
    hand->done = true;
}

/* Waits until the server has ended the connection, in whatever way. */
static void await_end(struct hand *hand)
{
    char portion[4096];
    for (;;) {
        ssize_t length = recv(hand->socket, portion, sizeof portion, 0);
        struct epoll_event events[64];
        if (length == 0 || (length == -1 && errno != EAGAIN))
            return;
        if (length > 0)
            continue;
        wait_descriptor(queue, "the close, which a client sees when the server ends");
        epoll_wait(queue, events, 64, 0);
    }
}

/* ---- The server --------------------------------------------------------------------- */

/* Waits for the line that the server is ready, and takes the port out of it. Where the system
 * has no io_uring, or does not permit it, the test is skipped. */
static void await_ready(struct program *server)
{
    static const char ready[] = "server: ready 127.0.0.1:";
    const char *line;
    do {
        line = wait_line_like(server, "server: *");
        if (fnmatch("server: io_uring_queue_init: error *", line, 0) == 0)
            skip_test("io_uring is not to be had here: %s", line + strlen("server: "));
    } while (strncmp(line, ready, sizeof ready - 1) != 0);
    port = strtol(line + sizeof ready - 1, NULL, 10);
}

static struct program *start_server(void)
{
    struct program *server = start(SERVER, "0", NULL);
    await_ready(server);
    return server;
}

static void wait_left(struct program *server, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wait_line_like(server, "server: client * left");
}

/* Ends the server by Ctrl-C. */
static void end_server(struct program *server)
{
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(welcomes, .judges = SERVER, .points = 1, .step = 6,
     .name = "a client is greeted with 19 bytes, before it has said a word",
     .hint =
         "The welcome is its text and a NUL. Do not wait for the client's first bytes: "
         "AcceptEx does, if it is given room for them.")
{
    struct program *server = start_server();
    struct hand *hands = connect_hands(1);
    wait_line(server, "server: client 1 connected");
    drop(&hands[0], false);
    wait_line(server, "server: client 1 left");
    end_server(server);
}

TEST(echoes_any_byte, .judges = SERVER, .points = 2, .step = 7,
     .name = "every byte comes back, of every value and in order, 1 MB at once",
     .hint =
         "As many bytes as were received are to be sent, and received is as much as the "
         "buffer holds, not as much as the last message had.")
{
    start_server();
    struct hand *hands = connect_hands(1);
    char *all = random_bytes(256, 0, 255);
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    give(&hands[0], all, 256);
    drive(hands, 1, "the echo of all 256 values");
    static const size_t lengths[] = {1,    18,   19,    20,    1023,  1024, 1025,
                                     4095, 4096, 16383, 16384, 16385, 65536};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        give(&hands[0], random_bytes(lengths[i], 0, 255), lengths[i]);
        drive(hands, 1, text("the echo of %zu bytes", lengths[i]));
    }
    give(&hands[0], random_bytes(MEGABYTE, 0, 255), MEGABYTE);
    drive(hands, 1, "the echo of 1 MB");
}

TEST(byte_by_byte, .judges = SERVER, .points = 1, .step = 7,
     .name = "300 bytes that come one at a time come back, without a pause between",
     .hint =
         "What the server sends next must not be sent before, or beside, what is still "
         "on its way.")
{
    start_server();
    struct hand *hands = connect_hands(1);
    char *bytes = random_bytes(300, 0, 255);
    bytes[100] = '\0'; /* at least one */
    give(&hands[0], bytes, 300);
    for (size_t length = 1; length <= 300; length++) {
        hands[0].length = length;
        advance(&hands[0], "the echo");
    }
    drive(hands, 1, "the echo");
}

TEST(two_clients, .judges = SERVER, .points = 2, .step = 7,
     .name = "two clients by turns, and fifty at once, each get their own echo",
     .hint =
         "What belongs to a client is to be found by what the event brings: the key, the "
         "OVERLAPPED, data.ptr. Nothing of it may stand where all clients share it.")
{
    struct program *server = start_server();
    struct hand *two = connect_hands(2);
    for (int i = 0; i < 10; i++)
        exchange_tokens(&two[i % 2], 1, 1);
    exchange_tokens(two, 2, 10);
    struct hand *fifty = connect_hands(50);
    exchange_tokens(fifty, 50, 4);
    for (int i = 0; i < 50; i++)
        drop(&fifty[i], false);
    wait_left(server, 50);
    exchange_tokens(two, 2, 1);
    if (count_lines(server, "server: client * connected") != 52 ||
        count_lines(server, "server: client * left") != 50)
        fail_test(
            "of 52 clients the transcript tells of %zu that connected, %zu that left",
            count_lines(server, "server: client * connected"),
            count_lines(server, "server: client * left"));
}

TEST(half_close, .judges = SERVER, .points = 2, .step = 7,
     .name = "a client that shuts its half down still gets the rest, and then the close",
     .hint = "The end of what comes is no reason to throw away what waits to be sent.")
{
    struct program *server = start_server();
    struct hand *hands = connect_hands(3);
    /* What it finds when it has stood still: all that one has to say, and the end behind it. */
    give(&hands[2], random_bytes(30000, 0, 255), 30000);
    hands[2].finish = true;
    send_signal(server, SIGSTOP);
    advance(&hands[2], "sending 30000 bytes");
    send_signal(server, SIGCONT);
    drive(&hands[2], 1, "the rest of the echo, and the close");
    for (int i = 0; i < 2; i++) {
        give(&hands[i], random_bytes(100000, 0, 255), 100000);
        hands[i].finish = hands[i].deaf = true;
    }
    drive(hands, 2, "sending 100000 bytes");
    hands[0].deaf = hands[1].deaf = false;
    drive(hands, 2, "the rest of the echo, and the close");
    wait_left(server, 3);
    end_server(server);
}

TEST(leaves_at_once, .judges = SERVER, .points = 1, .step = 6,
     .name = "clients that leave before they read the welcome, or the echo, harm nobody",
     .hint =
         "Sending the welcome may fail, and so may accept: that ends this client alone.")
{
    struct program *server = start_server();
    struct hand *steady = connect_hands(1);
    struct hand gone[100];
    for (int i = 0; i < 100; i++) {
        reach_for(&gone[i], false);
        drop(&gone[i], i % 2 == 1);
    }
    exchange_tokens(steady, 1, 3);

    /* While the server stands still somebody says much and goes, without a reset: it will send
     * to nobody, be told so, and send again. That raises SIGPIPE. */
    struct hand *silent = connect_hands(1);
    give(silent, random_bytes(100000, 0, 255), 100000);
    silent->deaf = true;
    send_signal(server, SIGSTOP);
    advance(silent, "sending 100000 bytes");
    drop(silent, false);
    send_signal(server, SIGCONT);
    wait_line_like(server, "server: client * left");
    exchange_tokens(steady, 1, 3);
    exchange_tokens(connect_hands(3), 3, 2);
}

TEST(
    resets, .judges = SERVER, .points = 3, .step = 7,
    .name = "100 resets in a row and 100 at once end these clients, and nobody else",
    .hint =
        "GetQueuedCompletionStatus returns FALSE for an operation that failed, too: that "
        "is no reason to leave the loop. A reset is an error of recv and send, and an "
        "EPOLLHUP.")
{
    struct program *server = start_server();
    struct hand *steady = connect_hands(1);
    struct hand *hands = calloc(200, sizeof *hands);
    for (size_t i = 0; i < 100; i++) {
        reach_for(&hands[i], false);
        drive(&hands[i], 1, "the welcome");
        if (i % 2 == 0)
            give(&hands[i], "x", 1);
        hands[i].deaf = true;
        drive(&hands[i], 1, "sending a byte");
        drop(&hands[i], true);
        if (i % 10 == 0)
            exchange_tokens(steady, 1, 1);
    }
    wait_left(server, 100);
    for (size_t i = 100; i < 200; i++)
        reach_for(&hands[i], false);
    drive(hands + 100, 100, "the welcome");
    exchange_tokens(hands + 100, 100, 1);
    for (size_t i = 100; i < 200; i++)
        drop(&hands[i], true);
    wait_left(server, 100);
    exchange_tokens(steady, 1, 1);
    exchange_tokens(connect_hands(2), 2, 1);
}

/* Sends without reading until the server takes no more, for a quarter of a second (an
 * acknowledgement may take 40 ms), though it is alive: another client's words go through it
 * all the while. Returns how many bytes it has taken. */
static size_t fill(struct hand *hands, size_t count, struct hand *steady, size_t limit)
{
    size_t before, taken = 0;
    for (int quiet = 0; quiet < 25 && taken < limit; quiet++) {
        struct epoll_event events[64];
        before = taken;
        taken = 0;
        for (size_t i = 0; i < count; i++) {
            advance(&hands[i], "sending on and on");
            taken += hands[i].sent;
        }
        if (taken > before)
            quiet = 0;
        exchange_tokens(steady, 1, 1);
        epoll_wait(queue, events, 64, 10);
    }
    return taken;
}

/* Connects hands that will send for ever, and not read. */
static struct hand *connect_hogs(size_t count)
{
    struct hand *hogs = calloc(count, sizeof *hogs);
    char *bytes = random_bytes(MEGABYTE, 0, 255);
    for (size_t i = 0; i < count; i++)
        reach_for(&hogs[i], true);
    drive(hogs, count, "the welcome");
    for (size_t i = 0; i < count; i++) {
        give(&hogs[i], bytes, MEGABYTE);
        hogs[i].length = ENDLESS;
        hogs[i].deaf = true;
    }
    return hogs;
}

TEST(slow_reader, .judges = SERVER, .points = 3, .step = 7,
     .name = "a client that does not read holds up nobody else, and loses nothing",
     .hint =
         "Never wait in send for one client while others have something to say. A send "
         "may take a part only: the rest goes out later, and first.")
{
    struct program *server = start_server();
    struct hand *steady = connect_hands(5);
    struct hand *slow = connect_hogs(1);
    fill(slow, 1, steady, 64 * MEGABYTE);
    exchange_tokens(steady, 5, 20);
    slow->deaf = false;
    slow->finish = true;
    slow->length = slow->sent;
    drive(slow, 1, "the echo, at last read");
    wait_left(server, 1);
}

TEST(never_reads, .judges = SERVER, .points = 3, .step = 7,
     .name = "clients that never read cost the server no more than 64 KiB each",
     .hint = "While echoes wait to be sent to a client, do not receive from it: then TCP "
             "holds it back.")
{
    /* What Wine itself touches for the first time meanwhile is more than a megabyte at times:
     * so there are enough clients for their share to count. */
    const size_t count = 8, room = count * CLIENT_LIMIT,
                 slack = under_test() == UNIX ? MEGABYTE / 4 : 2 * MEGABYTE;
    struct program *server = start_server();
    struct hand *steady = connect_hands(1);
    struct hand *hogs = connect_hogs(count);
    exchange_tokens(steady, 1, 1);
    size_t before = resources_of(server).memory;
    size_t taken = fill(hogs, count, steady, 256 * MEGABYTE);
    size_t after = resources_of(server).memory;
    if (taken >= 256 * MEGABYTE)
        fail_test(
            "the server has taken %zu MB of %zu clients that do not read, and would "
            "take more",
            taken / MEGABYTE, count);
    if (!instrumented() && after > before + room + slack)
        fail_test("%zu clients that do not read cost the server %zu KiB", count,
                  (after - before) / 1024);
    exchange_tokens(steady, 1, 1);
}

/* Clients that come and go, a hundred at a time, every second one by a reset. */
static void serve_waves(struct program *server, int waves)
{
    for (int wave = 0; wave < waves; wave++) {
        struct hand *hands = connect_hands(100);
        exchange_tokens(hands, 100, 1);
        for (int i = 0; i < 100; i++)
            drop(&hands[i], i % 2 == 1);
        free(hands);
        wait_left(server, 100);
    }
}

TEST(nothing_leaks, .judges = SERVER, .points = 2, .step = 7,
     .name = "2,000 connections later the server holds what it held before",
     .hint =
         "Whoever takes the last completion of a client frees its memory and closes its "
         "socket, however the client has ended.")
{
    struct program *server = start_server();
    serve_waves(server, 2);
    struct resources before = resources_of(server), after;
    /* It may take more once, where more come together than before. A leak goes on. */
    const size_t slack = under_test() == UNIX ? 65536 : 2 * MEGABYTE;
    size_t held = before.memory;
    for (int stretch = 1;; stretch++) {
        serve_waves(server, 20);
        after = resources_of(server);
        if (instrumented() || after.memory <= held + slack)
            break;
        if (stretch == (under_test() == UNIX ? 3 : 1))
            fail_test("after 200 connections the server held %zu KiB, %d later %zu",
                      before.memory / 1024, 2000 * stretch, after.memory / 1024);
        held = after.memory;
    }
    if (after.descriptors > before.descriptors + 2)
        fail_test("after 200 connections the server held %zu descriptors, 2,000 or more "
                  "later %zu",
                  before.descriptors, after.descriptors);
    end_server(server);
}

TEST(many_clients, .judges = SERVER, .points = 3, .step = 4,
     .name = "thousands of clients at once: 5,000, under Wine 1,000",
     .hint =
         "A thread for each is too much; so are the usual 1,024 descriptors: setrlimit. "
         "FD_SETSIZE is a limit, too.")
{
    size_t count = under_test() == UNIX ? 5000 : 1000;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        kit_error("getrlimit: %s", strerror(errno));
    if (limit.rlim_max < count + 200)
        skip_test("needs %zu open files, and the hard limit (ulimit -Hn) is %lu",
                  count + 200, (unsigned long)limit.rlim_max);
    limit.rlim_cur = limit.rlim_max; /* ours */
    setrlimit(RLIMIT_NOFILE, &limit);
    /* What is usual; a program may raise it, and has to. Under valgrind it cannot. */
    struct start_options options = {.descriptors = instrumented() ? 0 : 1024};
    struct program *server = start_with(SERVER, options, "0", NULL);
    await_ready(server);

    struct hand *hands = calloc(count, sizeof *hands);
    for (size_t at = 0; at < count; at += 100) {
        for (size_t i = at; i < at + 100; i++)
            reach_for(&hands[i], false);
        drive(&hands[at], 100, "the welcome");
    }
    exchange_tokens(hands, count, 2);
    for (size_t i = 0; i < count; i++)
        drop(&hands[i], false);
    wait_left(server, count);
    exchange_tokens(connect_hands(1), 1, 1);
}

TEST(no_descriptors, .judges = SERVER, .points = 2, .step = 6,
     .name =
         "more clients than descriptors: the rest wait, and are served when others leave",
     .hint = "EMFILE is no reason to end. But the listener stays ready: whoever goes on "
             "watching it is told so for ever.")
{
    if (under_test() == WIN32)
        skip_test(
            "needs UNIX: the limit on descriptors is wineserver's, not the program's");
    if (instrumented())
        skip_test(
            "valgrind has a limit of its own, and closes what it accepts beyond it");
    /* Our own sockets first, above the limit, and a gap below it, for the harness. */
    enum { LIMIT = 120, CLIENTS = 130, GAP = 100 };
    int gap[GAP];
    struct hand hands[CLIENTS];
    for (int i = 0; i < GAP; i++)
        gap[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < CLIENTS; i++)
        hands[i].socket = make_socket();
    queue = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < GAP; i++)
        close(gap[i]);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){LIMIT, LIMIT});
    struct program *server = start_server();
    struct sockaddr_in address = address_of(port);
    for (int i = 0; i < CLIENTS; i++) {
        hands[i] = (struct hand){
            .socket = hands[i].socket, .bytes = "", .period = 1, .done = true};
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
                                    .data.ptr = &hands[i]};
        if (connect(hands[i].socket, (struct sockaddr *)&address, sizeof address) == -1 &&
            errno != EINPROGRESS)
            fail_test("the server does not let us in: connect: %s", strerror(errno));
        epoll_ctl(queue, EPOLL_CTL_ADD, hands[i].socket, &event);
    }
    drive(hands, LIMIT / 2, "the welcome");
    exchange_tokens(hands, LIMIT / 2, 1);
    expect_idle(server, 0.3, 15);
    for (int i = 0; i < LIMIT / 2; i++)
        drop(&hands[i], false);
    drive(hands + LIMIT / 2, CLIENTS - LIMIT / 2, "the welcome of those who waited");
    exchange_tokens(hands + LIMIT / 2, CLIENTS - LIMIT / 2, 1);
}

TEST(idle, .judges = SERVER, .points = 2, .step = 4,
     .name = "clients that say nothing cost nothing: silent, stuck, shut, or reset ones",
     .hint = "Watch for what is needed alone. A socket is ready to be written to nearly "
             "always, and one that was reset is ready for everything for ever.")
{
    struct program *server = start_server();
    struct hand *silent = connect_hands(20);
    exchange_tokens(silent, 20, 1);
    struct hand *stuck = connect_hogs(3);
    fill(stuck, 3, silent, 64 * MEGABYTE);
    stuck[1].length = stuck[1].sent;
    stuck[1].finish = true;
    advance(&stuck[1], "shutting down"); /* its end has come, its echo waits */
    drop(&stuck[2], true);
    wait_left(server, 1);
    expect_idle(server, 0.5, 10);
    exchange_tokens(silent, 20, 1);
}

TEST(ctrl_c, .judges = SERVER, .points = 2, .step = 5,
     .name = "Ctrl-C ends the server in order, whatever its clients are at",
     .hint =
         "Stop accepting, cancel what is under way, wait until all of it has completed, "
         "free, say \"server: done\", exit with 0.")
{
    static const int signals[] = {SIGINT, SIGTERM};
    for (int i = 0; i < (under_test() == UNIX ? 2 : 1); i++) {
        struct program *server = start_server();
        struct hand *silent = connect_hands(20);
        struct hand *stuck = connect_hogs(2);
        fill(stuck, 2, silent, 64 * MEGABYTE);
        send_signal(server, signals[i]);
        wait_line(server, "server: done");
        expect_end(server, 0);
        for (int k = 0; k < 20; k++)
            await_end(&silent[k]);
        await_end(&stuck[0]);
        await_end(&stuck[1]);
    }
    struct program *server = start_server();
    end_server(server); /* and without any client */
}

TEST(restart, .judges = SERVER, .points = 1, .step = 2,
     .name = "a server can be started anew at once on the port of one that has ended",
     .hint = "UNIX: SO_REUSEADDR, for connections of the old one linger in TIME_WAIT.")
{
    struct program *server = start_server();
    struct hand *hands = connect_hands(3);
    exchange_tokens(hands, 3, 1);
    end_server(server);
    for (int i = 0; i < 3; i++)
        await_end(&hands[i]);
    long before = port;
    server = start(SERVER, text("%ld", port), NULL);
    await_ready(server);
    if (port != before)
        fail_test("the server was to listen on port %ld, not on %ld", before, port);
    exchange_tokens(connect_hands(1), 1, 1);
    end_server(server);
}

TEST(port_taken, .judges = SERVER, .points = 2, .step = 2,
     .name = "a second server on the port says so and ends, with 1; the first serves on",
     .hint = "Look at what bind returns. Windows: SO_REUSEADDR lets two servers have one "
             "port, and is not needed there.")
{
    start_server();
    struct hand *hands = connect_hands(1);
    struct program *second = start(SERVER, text("%ld", port), NULL);
    wait_error_like(second, "server: *error *");
    expect_end(second, 1);
    exchange_tokens(hands, 1, 1);
    exchange_tokens(connect_hands(1), 1, 1);
}

TEST(default_port, .judges = SERVER, .points = 1, .step = 1,
     .name = "without an argument the server listens on port 7710",
     .hint = "The default port is the listing's own.")
{
    /* One test at a time, in all runs: they hold a lock on this checker's own file. */
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), probe = make_socket();
    if (file == -1 || flock(file, LOCK_EX) == -1)
        kit_error("flock: %s", strerror(errno));
    struct sockaddr_in address = address_of(DEFAULT_PORT);
    setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(probe, (struct sockaddr *)&address, sizeof address) == -1)
        skip_test("somebody else has port %d: %s", DEFAULT_PORT, strerror(errno));
    close(probe);
    struct program *server = start(SERVER, NULL);
    await_ready(server);
    if (port != DEFAULT_PORT)
        fail_test("the server listens on port %ld", port);
    exchange_tokens(connect_hands(1), 1, 1);
}

TEST(server_usage, .judges = SERVER, .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "PORT is a whole number from 0 to 65535, and the only argument.")
{
    static const char *const wrong[] = {"x", "-1", "65536", "", "1x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *server = start(SERVER, wrong[i], NULL);
        wait_error_like(server, "usage: *");
        expect_end(server, 2);
    }
    expect_end(start(SERVER, "0", "1", NULL), 2);
}

/* ---- The client --------------------------------------------------------------------- */

/* Listens in the server's place. */
static int listen_here(void)
{
    int made = make_socket();
    struct sockaddr_in address = address_of(0);
    socklen_t size = sizeof address;
    if (bind(made, (struct sockaddr *)&address, size) == -1 || listen(made, 128) == -1 ||
        getsockname(made, (struct sockaddr *)&address, &size) == -1)
        kit_error("no socket that listens: %s", strerror(errno));
    port = ntohs(address.sin_port);
    return made;
}

static struct program *start_client(const char *connections, const char *messages)
{
    return start(CLIENT, DEFAULT_HOST, text("%ld", port), connections, messages, NULL);
}

/* Sends what fits into the socket's buffer, as all does that a test here says. */
static void tell(int socket, const void *bytes, size_t length)
{
    if (send(socket, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
        fail_test("the client has closed its connection: %s", strerror(errno));
}

/* Accepts one connection, and says `length` bytes of `welcome` on it. */
static int accept_one(int listener, const char *welcome, size_t length)
{
    int made;
    while ((made = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) == -1)
        wait_descriptor(listener, "the client's connection");
    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    tell(made, welcome, length);
    return made;
}

/* Receives a message, up to its NUL, or NULL at the end of the connection. */
static char *receive_message(int socket)
{
    char *message = text("%*s", MESSAGE_ROOM, "");
    for (size_t length = 0;;) {
        ssize_t got = recv(socket, message + length, 1, 0);
        if (got == -1 && errno == EAGAIN) {
            wait_descriptor(socket, "the client's message");
            continue;
        }
        if (got <= 0)
            return NULL;
        if (message[length] == '\0')
            return message;
        if (++length == MESSAGE_ROOM)
            fail_test("what the client sends is longer than any message of the contract");
    }
}

static void expect_message(int socket, int number)
{
    char *message = receive_message(socket);
    if (message == NULL ||
        fnmatch(text("connection * message %d", number), message, 0) != 0)
        fail_test("expected \"connection C message %d\", and %s came", number,
                  message == NULL ? "the end" : text("\"%s\"", message));
}

/* Fails unless the client says what is wrong on standard error, and ends with 1. */
static void expect_refusal(struct program *client)
{
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    if (printed_like(client, "client: done"))
        fail_test("the client says \"done\"");
}

TEST(talks, .judges = CLIENT, .points = 3, .step = 4,
     .name = "three connections are held at once; welcome and echoes may come in bytes",
     .hint =
         "One receive is not one message: compare what has come, and wait for the rest.")
{
    int listener = listen_here(), sockets[3];
    char *messages[3];
    struct program *client = start_client("3", "2");
    for (int i = 0; i < 3; i++) {
        sockets[i] = accept_one(listener, WELCOME, 0);
        for (size_t k = 0; k < sizeof WELCOME; k++)
            tell(sockets[i], &WELCOME[k], 1);
    }
    wait_line(client, "client: connected 3");
    for (int number = 1; number <= 2; number++) {
        for (int i = 0; i < 3; i++) {
            messages[i] = receive_message(sockets[i]);
            if (messages[i] == NULL ||
                fnmatch(text("connection [123] message %d", number), messages[i], 0) != 0)
                fail_test("expected \"connection C message %d\", and %s came", number,
                          messages[i] == NULL ? "the end" : messages[i]);
            for (int k = 0; k < i; k++)
                if (strcmp(messages[i], messages[k]) == 0)
                    fail_test("two connections send the same: \"%s\"", messages[i]);
        }
        for (int i = 2; i >= 0; i--)
            for (size_t k = 0; k <= strlen(messages[i]); k++)
                tell(sockets[i], &messages[i][k], 1);
    }
    for (int i = 0; i < 3; i++) {
        if (receive_message(sockets[i]) != NULL)
            fail_test("a third message came, where two were asked for");
    }
    expect_idle(client, 0.2, 10);
    if (printed_like(client, "client: done"))
        fail_test("the client has not waited for the server's close");
    for (int i = 0; i < 3; i++)
        close(sockets[i]);
    wait_line(client, "client: echoed 6 of 6");
    wait_line_like(client, "client: 6 echoes in * s, * a second");
    wait_line_like(client, "client: latency p50 * us, p99 * us, p99.9 * us");
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(no_messages, .judges = CLIENT, .points = 1, .step = 7,
     .name = "0 messages are a conversation too: the welcome, and the end",
     .hint = "There may be no echo to take the time of.")
{
    int listener = listen_here();
    struct program *client = start_client("1", "0");
    int socket = accept_one(listener, WELCOME, sizeof WELCOME);
    if (receive_message(socket) != NULL)
        fail_test("a message came, where none was asked for");
    close(socket);
    wait_line_like(client, "client: 0 echoes in * s, * a second");
    wait_line(client, "client: done");
    expect_end(client, 0);
    if (printed_like(client, "client: latency *"))
        fail_test("the client tells of the latency of no echo");
}

TEST(wrong_welcome, .judges = CLIENT, .points = 2, .step = 8,
     .name = "a welcome that is not the one is noticed",
     .hint = "Compare all 19 bytes, the NUL too.")
{
    static const struct {
        const char *bytes;
        size_t length;
    } welcomes[] = {{"You are connected?", 19}, {"You are connected!\n", 19},
                    {"You are connected", 18},  {"Zou are connected!", 19},
                    {"You are connected!", 18}, {"", 0}};
    int listener = listen_here();
    for (size_t i = 0; i < sizeof welcomes / sizeof *welcomes; i++) {
        struct program *client = start_client("1", "1");
        int socket = accept_one(listener, welcomes[i].bytes, welcomes[i].length);
        if (welcomes[i].length < sizeof WELCOME)
            shutdown(socket, SHUT_WR); /* it is cut short, which only the end shows */
        else if (receive_message(socket) != NULL)
            fail_test("the client goes on after the wrong welcome \"%s\"",
                      welcomes[i].bytes);
        expect_refusal(client);
        close(socket);
    }
}

TEST(wrong_echo, .judges = CLIENT, .points = 2, .step = 8,
     .name = "an echo with a wrong byte, one too few, or one too many is noticed",
     .hint = "Compare every byte with what was sent on this connection.")
{
    int listener = listen_here();
    for (int kind = 0; kind < 4; kind++) {
        struct program *client = start_client("1", "1");
        int socket = accept_one(listener, WELCOME, sizeof WELCOME);
        char *message = receive_message(socket);
        size_t size = message == NULL ? 0 : strlen(message) + 1;
        if (size < 2)
            fail_test("no message came");
        if (kind == 0)
            message[size / 2] ^= 1;
        if (kind == 1)
            message[size - 1] = '!';
        tell(socket, message, kind == 2 ? size - 1 : size);
        if (kind == 3)
            tell(socket, "x", 1);
        shutdown(socket, SHUT_WR);
        expect_refusal(client);
        close(socket);
    }
}

TEST(swapped_echoes, .judges = CLIENT, .points = 2, .step = 7,
     .name = "two connections that get each other's echo notice it",
     .hint = "Each message says whose it is.")
{
    int listener = listen_here();
    struct program *client = start_client("2", "1");
    int first = accept_one(listener, WELCOME, sizeof WELCOME);
    int second = accept_one(listener, WELCOME, sizeof WELCOME);
    char *one = receive_message(first), *other = receive_message(second);
    if (one == NULL || other == NULL)
        fail_test("no message came");
    tell(first, other, strlen(other) + 1);
    send(second, one, strlen(one) + 1, MSG_NOSIGNAL); /* it may have ended by now */
    expect_refusal(client);
}

TEST(server_closes, .judges = CLIENT, .points = 2, .step = 8,
     .name = "a server that closes too early, in order or by a reset, is noticed",
     .hint = "0 bytes received are the end; before the last echo that is no success.")
{
    int listener = listen_here();
    for (int kind = 0; kind < (under_test() == UNIX ? 5 : 4); kind++) {
        struct program *client = start_client("1", "2");
        int socket = accept_one(listener, WELCOME, kind == 0 ? 0 : sizeof WELCOME);
        if (kind >= 1 && kind < 4)
            expect_message(socket, 1);
        if (kind == 4) { /* the echo, the end, a break: to send is SIGPIPE then */
            char *message = receive_message(socket);
            send_signal(client, SIGSTOP);
            tell(socket, message, strlen(message) + 1);
            shutdown(socket, SHUT_WR);
            for (int left = 1; left > 0 && ioctl(socket, SIOCOUTQ, &left) == 0;)
                usleep(1000); /* until all of it is with the client's system */
        }
        if (kind == 2 || kind == 3)
            tell(socket, "conn", 4);
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        if (kind >= 3)
            setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(socket);
        if (kind == 4)
            send_signal(client, SIGCONT);
        expect_refusal(client);
    }
}

TEST(no_server, .judges = CLIENT, .points = 1, .step = 6,
     .name = "without a server the client says so, with exit code 1",
     .hint = "A connect that does not block tells later that it has failed.")
{
    close(listen_here()); /* a port on which nobody listens now */
    struct program *client = start_client("10", "1");
    wait_error_like(client, "client: *error *");
    expect_end(client, 1);
}

TEST(server_killed, .judges = CLIENT, .points = 1, .step = 8,
     .name = "a client whose server is killed says so and ends, with 1",
     .hint = "The end, or a reset: each is noticed where it is received, or sent to.")
{
    /* Of UNIX in any case: of Wine's own server Wine 8 leaves nothing now and then when a
     * program is killed in which AcceptEx waits; every program then ends, with 0. */
    struct start_options unix_server = {.file = reference_file("06-iocp", UNIX, "server"),
                                        .of_unix = true};
    struct program *server = start_with(SERVER, unix_server, "0", NULL);
    await_ready(server);
    struct program *client = start_client("50", "10000");
    wait_line(client, "client: connected 50");
    kill_program(server);
    expect_refusal(client);
}

TEST(
    measures, .judges = CLIENT, .points = 2, .step = 8,
    .name = "waiting costs nothing, and is measured: one echo of ten takes half a second",
    .hint = "From the first byte sent to the last received, by a monotonic clock. p50 is "
            "the median, and of ten latencies p99 is the greatest.")
{
    int listener = listen_here();
    struct program *client = start_client("1", "10");
    int socket = accept_one(listener, WELCOME, sizeof WELCOME);
    for (int number = 1; number <= 10; number++) {
        char *message = receive_message(socket);
        if (message == NULL)
            fail_test("message %d did not come", number);
        if (number == 4)
            expect_idle(client, 0.5, 10);
        tell(socket, message, strlen(message) + 1);
    }
    if (receive_message(socket) == NULL)
        close(socket);
    const char *line = wait_line_like(client,
                                      "client: latency p50 * us, p99 * us, p99.9 * us");
    long p50 = 0, p99 = 0, p999 = 0;
    sscanf(line, "client: latency p50 %ld us, p99 %ld us, p99.9 %ld us", &p50, &p99,
           &p999);
    expect_end(client, 0);
    if (p50 >= 500000 || p99 < 500000 || p999 != p99)
        fail_test("one echo of ten was held back for 500000 us, and the client says: %s",
                  line);
}

TEST(client_usage, .judges = CLIENT, .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint =
         "PORT from 1 to 65535, CONNECTIONS from 1 to 50000, MESSAGES from 0 to 1000000.")
{
    static const char *const wrong[][3] = {
        {"x", "1", "1"},     {"65536", "1", "1"},    {"0", "1", "1"},
        {"7710", "0", "1"},  {"7710", "50001", "1"}, {"7710", "1", "1000001"},
        {"7710", "1", "-1"}, {"7710", "1x", "1"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *client = start(CLIENT, DEFAULT_HOST, wrong[i][0], wrong[i][1],
                                       wrong[i][2], NULL);
        wait_error_like(client, "usage: *");
        expect_end(client, 2);
    }
    expect_end(start(CLIENT, DEFAULT_HOST, "7710", "1", "1", "1", NULL), 2);
}

/* ---- The pair ----------------------------------------------------------------------- */

TEST(pair, .judges = PAIR, .points = 3, .step = 4,
     .name = "hundreds of connections, thousands of echoes, and both end well",
     .hint = "Every byte comes back, on the connection on which it was sent.")
{
    struct program *server = start_server();
    struct program *client = start_client("400", "5");
    wait_line(client, "client: connected 400");
    wait_line(client, "client: echoed 1000 of 2000");
    wait_line(client, "client: echoed 2000 of 2000");
    wait_line_like(client, "client: 2000 echoes in * s, * a second");
    wait_line(client, "client: done");
    expect_end(client, 0);
    wait_left(server, 400);
    end_server(server);
}

/* Our client of UNIX, with 50 connections to whatever server. */
static struct program *start_unix_client(const char *messages)
{
    struct start_options options = {.file = reference_file("06-iocp", UNIX, "client"),
                                    .of_unix = true};
    return start_with(CLIENT, options, DEFAULT_HOST, text("%ld", port), "50", messages,
                      NULL);
}

TEST(client_killed, .judges = SERVER, .points = 1, .step = 7,
     .name =
         "when a client with 50 connections is killed, they all leave, and others stay",
     .hint = "50 resets are 50 clients that leave.")
{
    struct program *server = start_server();
    struct hand *steady = connect_hands(1);
    /* Of UNIX in any case: wineserver keeps a killed program's socket open now and then. */
    struct program *client = start_unix_client("10000");
    wait_line(client, "client: connected 50");
    kill_program(client);
    wait_left(server, 50);
    exchange_tokens(steady, 1, 2);
}

TEST(unix_client, .judges = SERVER, .points = 1, .win32_only = true, .step = 7,
     .name = "the client of the other system talks to this server",
     .hint = "On the wire the two systems do not differ.")
{
    struct program *server = start_server();
    struct program *client = start_unix_client("4");
    wait_line(client, "client: done");
    expect_end(client, 0);
    end_server(server);
}

TEST(unix_server, .judges = CLIENT, .points = 1, .win32_only = true, .step = 7,
     .name = "this client talks to the server of the other system",
     .hint = "On the wire the two systems do not differ.")
{
    struct start_options unix_server = {.file = reference_file("06-iocp", UNIX, "server"),
                                        .of_unix = true};
    struct program *server = start_with(SERVER, unix_server, "0", NULL);
    await_ready(server);
    struct program *client = start_client("50", "4");
    wait_line(client, "client: done");
    expect_end(client, 0);
    end_server(server);
}

TEST(client_of_lab_05, .judges = SERVER, .points = 1, .step = 7,
     .name = "the client of lab 05, which knows of no welcome, talks to this server",
     .hint = "The welcome is 19 bytes with its NUL; then every byte goes back, in order.")
{
    struct program *server = start_server();
    struct start_options client_05 = {
        .file = reference_file("05-sockets", under_test(), "client")};
    struct program *client = start_with(CLIENT, client_05, DEFAULT_HOST,
                                        text("%ld", port), NULL);
    /* It waits for as many bytes as it has sent: lines as long as the welcome come back one
     * line late. */
    const char *before = "You are connected!\\0";
    for (int i = 0; i < 4; i++) {
        const char *line = text("%.6s %.6s %.5s", token(), token(), token());
        send_bytes(client, text("%s\n", line), strlen(line) + 1);
        wait_line(client, "client: received \"%s\"", before);
        before = line;
    }
    close_input(client);
    wait_line(client, "client: done");
    expect_end(client, 0);
    wait_left(server, 1);
}

/* ---- What `make run` shows ---------------------------------------------------------- */

static void conversation(void)
{
    narrate(
        "The server waits for many clients at once, in one place. The client is three\n"
        "connections, with two messages on each.");
    struct program *server = start_server();
    expect_end(start_client("3", "2"), 0);
    end_server(server);
    narrate(
        "Two hundred, with fifty messages on each. The server's lines are cut short.");
    abridge("server: client *", 3);
    server = start_server();
    expect_end(start_client("200", "50"), 0);
    end_server(server);
}

CHECKER("06-iocp", "I/O completion ports")
