/*
 * check.c - judges lab 06 from outside, by the contract alone.
 *
 * For a server this file makes connections of its own, the peers: as many as a test needs, all
 * non-blocking, in one epoll. For a client it is the server. Other programs of the machine can have
 * any TCP port: so a server gets port 0, except in tests that say why not.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
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

/* ---- Peers -------------------------------------------------------------------------- */

/* A connection to the server under test. It sends the `period` bytes at `bytes` again and again,
 * `length` in all. It must receive the welcome, and the same bytes. */
struct peer {
    int socket;
    const char *bytes;
    size_t period, length, sent, received;
    bool connected, shut, ended; /* ended: the server has closed the connection */
    bool finish; /* shut down our half after the last byte, and wait for the end */
    bool unread; /* do not receive */
    bool done;   /* nothing is left to wait for */
};

static int queue = -1; /* an epoll of all peers */
static long port;      /* of the server that they connect to */
static struct program
    *other_end; /* the program under test at the other end of our sockets */

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

/* Fails the test because a connection is lost. If the program at its other end has ended, that
 * is the reason to report: its end closed the connection. */
__attribute__((format(printf, 1, 2))) _Noreturn static void lost(const char *format, ...)
{
    char reason[300];
    va_list values;
    va_start(values, format);
    vsnprintf(reason, sizeof reason, format, values);
    va_end(values);
    const char *ending = ending_within(other_end, 1);
    if (ending != NULL)
        fail_test("the program under test %s; before its end was seen: %s", ending,
                  reason);
    fail_test("%s", reason);
}

/* Connects, or goes on with that. Returns whether the connection is made. */
static bool is_connected(struct peer *peer)
{
    struct sockaddr_in address = address_of(port);
    if (!peer->connected &&
        connect(peer->socket, (struct sockaddr *)&address, sizeof address) == -1 &&
        errno != EISCONN) {
        if (errno == EALREADY || errno == EINPROGRESS)
            return false;
        lost("expected a connection to the server, got an error of connect(): %s",
             strerror(errno));
    }
    peer->connected = true;
    return true;
}

/* Makes the socket a peer, and starts to connect it. */
static void start_peer_on(struct peer *peer, int socket)
{
    if (queue == -1 && (queue = epoll_create1(EPOLL_CLOEXEC)) == -1)
        kit_error("epoll_create1: %s", strerror(errno));
    *peer = (struct peer){.socket = socket, .bytes = "", .period = 1, .done = true};
    setsockopt(peer->socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    is_connected(peer);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = peer};
    if (epoll_ctl(queue, EPOLL_CTL_ADD, peer->socket, &event) == -1)
        kit_error("epoll_ctl: %s", strerror(errno));
}

static void start_peer(struct peer *peer)
{
    start_peer_on(peer, make_socket());
}

/* Gives the peer `length` bytes to send. All bytes from before are sent. */
static void give(struct peer *peer, const char *bytes, size_t length)
{
    if (peer->sent < peer->length)
        kit_error("the peer has not sent all that it had");
    peer->bytes = bytes;
    peer->period = length;
    peer->length = peer->sent = 0;
    peer->length = length;
    peer->received = sizeof WELCOME;
}

/* Fails the test unless the `length` bytes that came are those that were expected. */
static void compare(struct peer *peer, const char *got, size_t length, const char *what)
{
    for (size_t i = 0; i < length; i++) {
        size_t at = peer->received + i;
        bool echo = at >= sizeof WELCOME;
        char expected = echo ? peer->bytes[(at - sizeof WELCOME) % peer->period]
                             : WELCOME[at];
        if (echo && at - sizeof WELCOME >= peer->sent)
            fail_test("%s: expected %zu bytes after the welcome, got more", what,
                      peer->sent);
        if (got[i] == expected)
            continue;
        size_t rest = length - i;
        char *wanted = random_bytes(rest, 0, 0);
        for (size_t k = 0; k < rest; k++)
            wanted[k] = at + k < sizeof WELCOME
                            ? WELCOME[at + k]
                            : peer->bytes[(at + k - sizeof WELCOME) % peer->period];
        expect_bytes(echo ? what : "the welcome", NULL, 0, wanted, rest, got + i, rest);
    }
    peer->received += length;
}

/* Sends and receives what is possible now. Returns whether the peer has all that it waits for. */
static bool advance(struct peer *peer, const char *what)
{
    static char portion[1 << 16];
    if (!is_connected(peer))
        return false;
    while (peer->sent < peer->length) {
        size_t at = peer->sent % peer->period, rest = peer->length - peer->sent;
        if (rest > peer->period - at)
            rest = peer->period - at;
        ssize_t length = send(peer->socket, peer->bytes + at, rest, MSG_NOSIGNAL);
        if (length == -1 && errno == EAGAIN)
            break;
        if (length == -1)
            lost("%s: the server closed the connection after %zu bytes were sent: %s",
                 what, peer->sent, strerror(errno));
        peer->sent += (size_t)length;
    }
    if (peer->finish && !peer->shut && peer->sent == peer->length) {
        shutdown(peer->socket, SHUT_WR);
        peer->shut = true;
    }
    size_t wanted = sizeof WELCOME + peer->length;
    while (!peer->unread && !peer->ended) {
        ssize_t length = recv(peer->socket, portion, sizeof portion, 0);
        if (length == -1 && errno == EAGAIN)
            break;
        if (length == -1)
            lost(
                "%s: expected %zu bytes with the welcome, got %zu, then the server reset "
                "the connection",
                what, wanted, peer->received);
        peer->ended = length == 0;
        compare(peer, portion, (size_t)length, what);
    }
    if (peer->ended && (peer->received < wanted || !peer->finish))
        lost(
            "%s: expected %zu bytes with the welcome, got %zu, then the server closed the "
            "connection",
            what, wanted, peer->received);
    return (peer->unread || peer->received == wanted) && peer->sent == peer->length &&
           (!peer->finish || peer->unread || peer->ended);
}

/* Takes all events out of the queue: the next wait is for new ones. */
static void forget_events(void)
{
    struct epoll_event events[64];
    while (epoll_wait(queue, events, 64, 0) == 64)
        ;
}

/* Advances all peers until each has what it waits for: `what`, for example "the echo". */
static void drive(struct peer *peers, size_t count, const char *what)
{
    size_t open = 0;
    for (size_t i = 0; i < count; i++) {
        peers[i].done = advance(&peers[i], what);
        open += !peers[i].done;
    }
    while (open > 0) {
        char reason[160];
        struct epoll_event events[64];
        snprintf(reason, sizeof reason, "%s: %zu of %zu clients do not have it", what,
                 open, count);
        if (count == 1 && peers->received > 0 && peers->received < sizeof WELCOME)
            snprintf(reason, sizeof reason, "%s: %zu of its %zu bytes have come", what,
                     peers->received, sizeof WELCOME);
        if (count == 1 && !peers->unread && peers->received >= sizeof WELCOME &&
            peers->received < sizeof WELCOME + peers->length)
            snprintf(reason, sizeof reason, "%s: %zu of its %zu bytes have come", what,
                     peers->received - sizeof WELCOME, peers->length);
        wait_descriptor(queue, reason);
        int ready = epoll_wait(queue, events, 64, 0);
        for (int i = 0; i < ready; i++) {
            struct peer *peer = events[i].data.ptr;
            if (!peer->done && advance(peer, what)) {
                peer->done = true;
                open--;
            }
        }
    }
}

/* Connects `count` peers, one after the other, and waits for the welcome of each. So the smallest
 * backlog is enough: only one test judges the backlog. */
static struct peer *connect_peers(size_t count)
{
    struct peer *peers = calloc(count, sizeof *peers);
    if (peers == NULL)
        kit_error("no memory");
    for (size_t i = 0; i < count; i++) {
        start_peer(&peers[i]);
        drive(&peers[i], 1, "the welcome");
    }
    return peers;
}

/* Each peer sends a token of its own, and must receive it. `rounds` times. */
static void exchange_tokens(struct peer *peers, size_t count, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            const char *word = token();
            give(&peers[i], word, strlen(word));
        }
        drive(peers, count, "the echo");
    }
}

/* Closes a peer: with an end of file, or with a reset. */
static void drop(struct peer *peer, bool reset)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        setsockopt(peer->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(peer->socket);
    peer->done = true;
}

/* Waits until the server has closed or reset the connection. */
static void await_end(struct peer *peer)
{
    char portion[4096];
    for (;;) {
        ssize_t length = recv(peer->socket, portion, sizeof portion, 0);
        if (length == 0 || (length == -1 && errno != EAGAIN))
            return;
        if (length > 0)
            continue;
        wait_descriptor(queue, "the close that a client gets when the server ends");
        forget_events();
    }
}

/* ---- The server --------------------------------------------------------------------- */

/* Waits for the line "ready", and takes the port from it. Skips the test where the system has no
 * io_uring, or does not permit it. */
static void await_ready(struct program *server)
{
    static const char ready[] = "server: ready 127.0.0.1:";
    const char *line;
    do {
        line = wait_line_like(server, "server: *");
        if (fnmatch("server: io_uring_queue_init: error *", line, 0) == 0)
            skip_test("io_uring is not available here: %s", line + strlen("server: "));
    } while (strncmp(line, ready, sizeof ready - 1) != 0);
    port = strtol(line + sizeof ready - 1, NULL, 10);
    if (port == 0)
        fail_test("expected the port that the system chose, got %s; call getsockname()",
                  line);
    other_end = server;
}

static struct program *start_server(void)
{
    struct program *server = start(SERVER, "0", NULL);
    await_ready(server);
    return server;
}

/* Starts a server on a port that we choose, and returns as soon as it listens: perhaps before it
 * has printed "ready". `*peer` is connected to it then. The system gives this port to no program
 * by itself. */
static struct program *start_at_known_port(struct start_options options,
                                           struct peer *peer)
{
    enum { FIRST = 10000, COUNT = 20000 };
    struct sockaddr_in address;
    for (int bound = -1; bound == -1;) {
        int probe = make_socket();
        unsigned char *random = (unsigned char *)random_bytes(2, 0, 255);
        port = FIRST + ((random[0] << 8 | random[1]) ^ getpid()) % COUNT;
        address = address_of(port);
        bound = bind(probe, (struct sockaddr *)&address, sizeof address);
        close(probe);
    }
    struct program *server = other_end = start_with(SERVER, options, text("%ld", port),
                                                    NULL);
    int socket = make_socket();
    fcntl(socket, F_SETFL,
          0); /* it may block: connect() then fails with the real error */
    for (double begun = now();
         connect(socket, (struct sockaddr *)&address, sizeof address) == -1 &&
         errno == ECONNREFUSED;) {
        usleep(100); /* no event reports that it listens */
        bool running = is_running(server);
        if (printed_like(server, "server: io_uring_queue_init: error *"))
            skip_test("io_uring is not available here");
        if (!running || now() > begun + 10)
            lost("expected a server that listens on port %ld, got none", port);
    }
    fcntl(socket, F_SETFL, O_NONBLOCK);
    start_peer_on(peer, socket);
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
    look_at(SERVER, 8, "On Ctrl-C print \"server: done\", and exit with 0.");
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
    look_at(SERVER, 0, NULL);
}

/* From now on a client has left: the server must notice it. */
static void look_at_leaving(void)
{
    look_at(
        SERVER, 7,
        text(
            "When %s, the client has left: close its socket, and print the line \"left\".",
            under_test() == UNIX ? "recv() returns 0"
                                 : "WSARecv completes with 0 bytes"));
}

/* From now on the client has all its echoes. */
static void look_at_close(void)
{
    look_at(
        CLIENT, 6,
        text("After the last echo call shutdown() with %s. Then call recv(), until it "
             "returns 0: the server has closed. A byte that comes is an error.",
             under_test() == UNIX ? "SHUT_WR" : "SD_SEND"));
}

TEST(
    welcomes, .judges = SERVER, .points = 1, .step = 5,
    .name = "a client gets the 19 bytes of the welcome before it has sent a byte",
    .hint_unix = "Send the welcome, its text and the NUL, as soon as accept() returns.",
    .hint_win32 =
        "Send the welcome, its text and the NUL, as soon as the client is accepted. Pass "
        "0 as dwReceiveDataLength to AcceptEx(): otherwise it waits for the client's "
        "first bytes.")
{
    look_at(SERVER, 2, "Listen, then " LINE_AT_ONCE);
    struct program *server = start_server();
    look_at(SERVER, 0, NULL);
    struct peer *peers = connect_peers(1);
    wait_line(server, "server: client 1 connected");
    look_at_leaving();
    drop(&peers[0], false);
    wait_line(server, "server: client 1 left");
    end_server(server);
}

TEST(
    echoes, .judges = SERVER, .needs = "welcomes", .points = 3, .step = 6,
    .name = "three short messages of one client come back",
    .hint =
        "Send back as many bytes as were received, on the connection on which they came. "
        "Then receive again, until the client shuts down its half.")
{
    static const char *const messages[] = {"one", "two and a half", "3"};
    struct program *server = start_server();
    struct peer *peers = connect_peers(1);
    wait_line(server, "server: client 1 connected");
    for (int i = 0; i < 3; i++) {
        give(&peers[0], messages[i], strlen(messages[i]) + 1);
        drive(peers, 1, "the echo");
    }
    look_at_leaving();
    peers[0].finish = true;
    drive(peers, 1, "the close after the client has shut down its half");
    wait_line(server, "server: client 1 left");
    end_server(server);
}

TEST(echoes_any_byte, .judges = SERVER, .stage = COMPLETE, .needs = "echoes", .points = 2,
     .step = 6,
     .name = "every byte comes back, of every value and in order, 1 MB at once",
     .hint = "Send back as many bytes as were received. Receive as much as the buffer "
             "holds, not as much as the last message had.")
{
    start_server();
    struct peer *peers = connect_peers(1);
    char *all = random_bytes(256, 0, 255);
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    give(&peers[0], all, 256);
    drive(peers, 1, "the echo of all 256 values");
    static const size_t lengths[] = {1,    18,   19,    20,    1023,  1024, 1025,
                                     4095, 4096, 16383, 16384, 16385, 65536};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        give(&peers[0], random_bytes(lengths[i], 0, 255), lengths[i]);
        drive(peers, 1, text("the echo of %zu bytes", lengths[i]));
    }
    give(&peers[0], random_bytes(MEGABYTE, 0, 255), MEGABYTE);
    drive(peers, 1, "the echo of 1 MB");
}

TEST(byte_by_byte, .judges = SERVER, .stage = COMPLETE, .needs = "echoes", .points = 1,
     .step = 6,
     .name = "300 bytes that come one at a time, without a pause, come back in order",
     .hint = "Start the next send when the one before is complete: neither earlier nor "
             "at the same time.")
{
    start_server();
    struct peer *peers = connect_peers(1);
    char *bytes = random_bytes(300, 0, 255);
    bytes[100] = '\0'; /* at least one */
    give(&peers[0], bytes, 300);
    for (size_t length = 1; length <= 300; length++) {
        peers[0].length = length;
        advance(&peers[0], "the echo");
    }
    drive(peers, 1, "the echo");
}

TEST(two_clients, .judges = SERVER, .stage = COMPLETE, .needs = "echoes", .points = 2,
     .step = 6, .name = "two clients in turn, and fifty at once, each get their own echo",
     .hint_unix = "Find the client by data.ptr of its event. Keep its buffer and its "
                  "counts in its own structure, not in static variables.",
     .hint_win32 =
         "Find the client by the completion key or the OVERLAPPED. Keep its buffer, its "
         "OVERLAPPED and its counts in its own structure, not in static variables.")
{
    struct program *server = start_server();
    struct peer *two = connect_peers(2);
    for (int i = 0; i < 10; i++)
        exchange_tokens(&two[i % 2], 1, 1);
    exchange_tokens(two, 2, 10);
    struct peer *fifty = connect_peers(50);
    exchange_tokens(fifty, 50, 4);
    for (int i = 0; i < 50; i++)
        drop(&fifty[i], false);
    wait_left(server, 50);
    exchange_tokens(two, 2, 1);
    /* One thread can print this line while another sends the welcome. */
    while (count_lines(server, "server: client * connected") < 52)
        wait_descriptor(-1, "52 lines that a client has connected");
    if (count_lines(server, "server: client * connected") != 52 ||
        count_lines(server, "server: client * left") != 50)
        fail_test("expected lines about 52 clients that connected and 50 that left, got "
                  "%zu and %zu",
                  count_lines(server, "server: client * connected"),
                  count_lines(server, "server: client * left"));
}

TEST(quit_is_text, .judges = SERVER, .stage = COMPLETE, .needs = "echoes", .points = 2,
     .step = 6,
     .name = "QUIT is text like any other: it comes back, and all clients are served",
     .hint =
         "Do not look for commands in what a client sends. This server has none: QUIT "
         "belongs to lab 05. A worker ends only when the server ends.")
{
    static const char *const words[] = {"QUIT", "QUIT\n", "QUIT\r\n", "BYE",
                                        "quit", "exit",   "exit\n",   "EXIT"};
    struct program *server = start_server();
    struct peer *peers = connect_peers(4);
    /* More QUITs than any server has workers. */
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 4; i++) {
            const char *word = words[round == 0 ? 0 : (round + i) % 8];
            give(&peers[i], word, strlen(word));
        }
        drive(peers, 4, "the echo of QUIT");
    }
    exchange_tokens(peers, 4, 1);
    exchange_tokens(connect_peers(2), 2, 1);
    if (printed_like(server, "server: client * left"))
        fail_test("expected no line that a client left, got one: a word of its text has "
                  "ended it");
}

TEST(stopped, .judges = SERVER, .unix_only = true, .stage = COMPLETE, .needs = "echoes",
     .points = 1, .step = 4, .name = "a server that is stopped and continued goes on",
     .hint = "epoll_wait() fails with EINTR after SIGSTOP and SIGCONT: call it again.")
{
    struct program *server = start_server();
    struct peer *peer = connect_peers(1);
    for (int i = 0; i < 2; i++) {
        exchange_tokens(peer, 1, 1);
        let_block();
        send_signal(server, SIGSTOP);
        let_block();
        send_signal(server, SIGCONT);
    }
    exchange_tokens(peer, 1, 1);
    end_server(server);
}

TEST(half_close, .judges = SERVER, .stage = COMPLETE, .needs = "echoes", .points = 2,
     .step = 6,
     .name = "a client that shuts down its half gets the rest, and then the close",
     .hint_unix = "When recv() returns 0, close the socket only if nothing waits to be "
                  "sent: send the rest first.",
     .hint_win32 =
         "When WSARecv completes with 0 bytes, close the socket only if nothing "
         "waits to be sent: send the rest first.")
{
    struct program *server = start_server();
    struct peer *peers = connect_peers(3);
    /* When the server goes on, all bytes of this client have come, and the end of file. */
    give(&peers[2], random_bytes(30000, 0, 255), 30000);
    peers[2].finish = true;
    send_signal(server, SIGSTOP);
    advance(&peers[2], "sending 30000 bytes");
    send_signal(server, SIGCONT);
    drive(&peers[2], 1, "the rest of the echo and the close");
    for (int i = 0; i < 2; i++) {
        give(&peers[i], random_bytes(100000, 0, 255), 100000);
        peers[i].finish = true;
    }
    drive(peers, 2, "the rest of the echo and the close");
    wait_left(server, 3);
    end_server(server);
}

TEST(half_close_unread, .judges = SERVER, .stage = ROBUST, .needs = "half_close",
     .points = 1, .step = 6,
     .name = "a client that shuts down its half before it reads an echo gets all of it",
     .hint =
         "When the end of file comes, close the socket only if nothing waits to be sent.")
{
    struct program *server = start_server();
    struct peer *peers = connect_peers(2);
    for (int i = 0; i < 2; i++) {
        give(&peers[i], random_bytes(100000, 0, 255), 100000);
        peers[i].finish = peers[i].unread = true;
    }
    drive(peers, 2, "sending 100000 bytes");
    peers[0].unread = peers[1].unread = false;
    drive(peers, 2, "the rest of the echo and the close");
    wait_left(server, 2);
    end_server(server);
}

TEST(arrive_at_once, .judges = SERVER, .stage = COMPLETE, .needs = "echoes", .points = 2,
     .step = 2,
     .name = "100 clients that come while the server is stopped wait, and are served",
     .hint = "Pass SOMAXCONN to listen(). Its second argument, the backlog, limits how "
             "many connections wait for accept(). Then accept every one that waits.")
{
    enum { COUNT = BACKLOG_NEEDED };
    struct program *server = start_server();
    struct peer peers[COUNT];
    send_signal(server, SIGSTOP);
    for (int i = 0; i < COUNT; i++)
        start_peer(&peers[i]);
    for (;;) {
        int waiting = 0;
        for (int i = 0; i < COUNT; i++)
            waiting += is_connected(&peers[i]);
        if (waiting == COUNT)
            break;
        wait_descriptor(queue, text("the connections of %d clients while the server is "
                                    "stopped; %d of them fit into its backlog",
                                    COUNT, waiting));
        forget_events();
    }
    send_signal(server, SIGCONT);
    drive(peers, COUNT, "the welcome of clients that waited in the backlog");
    exchange_tokens(peers, COUNT, 1);
}

TEST(leaves_at_once, .judges = SERVER, .stage = ROBUST, .needs = "echoes", .points = 1,
     .step = 5,
     .name =
         "clients that leave before they read the welcome, or the echo, disturb no other",
     .hint_unix =
         "End only this client if send() or recv() fails. accept() may fail with "
         "ECONNABORTED: go on. Pass MSG_NOSIGNAL to send() so that it fails with EPIPE.",
     .hint_win32 = "End only this client if WSASend or WSARecv fails. accept() may fail "
                   "with WSAECONNRESET: go on.")
{
    struct program *server = start_server();
    struct peer *steady = connect_peers(1);
    struct peer gone[100];
    for (int i = 0; i < 100; i++) {
        start_peer(&gone[i]);
        drop(&gone[i], i % 2 == 1);
        if (i % 5 == 4) /* a small backlog has room for these */
            exchange_tokens(steady, 1, 1);
    }
    exchange_tokens(steady, 1, 3);

    /* While the server is stopped, a client sends much and closes, without a reset. The server's
     * first send then causes a reset, and its second raises SIGPIPE. */
    struct peer *silent = connect_peers(1);
    give(silent, random_bytes(100000, 0, 255), 100000);
    silent->unread = true;
    send_signal(server, SIGSTOP);
    advance(silent, "sending 100000 bytes");
    drop(silent, false);
    send_signal(server, SIGCONT);
    wait_line_like(server, "server: client * left");
    exchange_tokens(steady, 1, 3);
    exchange_tokens(connect_peers(3), 3, 2);
}

TEST(resets, .judges = SERVER, .stage = ROBUST, .needs = "echoes", .points = 3, .step = 6,
     .name = "100 resets in a row and 100 at once end these clients, and no others",
     .hint_unix = "Take a reset for the end of this client: recv() and send() fail with "
                  "ECONNRESET, epoll reports EPOLLHUP.",
     .hint_win32 =
         "When GetQueuedCompletionStatus returns FALSE with an OVERLAPPED, an operation "
         "has failed: end this client, and stay in the loop.")
{
    struct program *server = start_server();
    struct peer *steady = connect_peers(1);
    for (size_t i = 0; i < 100; i++) {
        struct peer *peer = connect_peers(1);
        if (i % 2 == 0)
            give(peer, "x", 1);
        peer->unread = true;
        drive(peer, 1, "sending a byte");
        drop(peer, true);
        if (i % 10 == 0)
            exchange_tokens(steady, 1, 1);
    }
    wait_left(server, 100);
    struct peer *peers = connect_peers(100);
    exchange_tokens(peers, 100, 1);
    for (size_t i = 0; i < 100; i++)
        drop(&peers[i], true);
    wait_left(server, 100);
    exchange_tokens(steady, 1, 1);
    exchange_tokens(connect_peers(2), 2, 1);
}

#define SLOW_UNIX                                                                  \
    "Make the sockets non-blocking. When send() takes a part only, or fails with " \
    "EAGAIN, keep the rest, wait for EPOLLOUT and send it first."
#define SLOW_WIN32                                                                    \
    "Start WSASend with an OVERLAPPED, so that no thread waits for one client. When " \
    "it completes with fewer bytes, send the rest first."

/* Sends and does not receive, until the server has taken nothing for a quarter of a second (an
 * acknowledgement can take 40 ms). Meanwhile another client must get its echoes. Returns how many
 * bytes the server has taken. */
static size_t fill(struct peer *peers, size_t count, struct peer *steady, size_t limit)
{
    size_t before, taken = 0;
    look_at(SERVER, 6, under_test() == UNIX ? SLOW_UNIX : SLOW_WIN32);
    for (int quiet = 0; quiet < 25 && taken < limit; quiet++) {
        struct epoll_event events[64];
        before = taken;
        taken = 0;
        for (size_t i = 0; i < count; i++) {
            advance(&peers[i], "sending on and on");
            taken += peers[i].sent;
        }
        if (taken > before)
            quiet = 0;
        exchange_tokens(steady, 1, 1);
        epoll_wait(queue, events, 64, 10);
    }
    look_at(SERVER, 0, NULL);
    return taken;
}

/* Connects peers that will send without end, and not receive. */
static struct peer *connect_flooders(size_t count)
{
    struct peer *flooders = calloc(count, sizeof *flooders);
    char *bytes = random_bytes(MEGABYTE, 0, 255);
    int small = 16384; /* the receive buffer: it must be full soon */
    for (size_t i = 0; i < count; i++) {
        int socket = make_socket();
        setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        start_peer_on(&flooders[i], socket);
        drive(&flooders[i], 1, "the welcome");
        give(&flooders[i], bytes, MEGABYTE);
        flooders[i].length = ENDLESS;
        flooders[i].unread = true;
    }
    return flooders;
}

TEST(slow_reader, .judges = SERVER, .stage = ROBUST, .needs = "echoes", .points = 3,
     .step = 6, .name = "a client that does not read delays no other, and loses nothing",
     .hint_unix = SLOW_UNIX, .hint_win32 = SLOW_WIN32)
{
    struct program *server = start_server();
    struct peer *steady = connect_peers(5);
    struct peer *slow = connect_flooders(1);
    fill(slow, 1, steady, 64 * MEGABYTE);
    exchange_tokens(steady, 5, 20);
    slow->unread = false;
    slow->finish = true;
    slow->length = slow->sent;
    drive(slow, 1, "the echo, read at last");
    wait_left(server, 1);
}

/* A server that grows in so many stretches, one after the other, has a leak. To grow once is none:
 * a pool or a ring for 5,000 clients is used for the first time. */
#define STRETCHES 5

TEST(never_reads, .judges = SERVER, .stage = ROBUST, .needs = "echoes", .points = 3,
     .step = 6,
     .name = "clients that never read cost the server no more than 64 KiB each",
     .hint = "Do not receive from a client while echoes wait to be sent to it. Then TCP "
             "stops the client.")
{
    /* Wine itself sometimes uses more than a megabyte for the first time meanwhile. So there are
     * enough clients for their share to be larger. */
    const size_t count = 8, room = count * CLIENT_LIMIT,
                 slack = under_test() == UNIX ? MEGABYTE / 4 : 2 * MEGABYTE;
    struct program *server = start_server();
    struct peer *steady = connect_peers(1);
    for (int stretch = 1;; stretch++) {
        struct peer *flooders = connect_flooders(count);
        exchange_tokens(steady, 1, 1);
        size_t before = resources_of(server).memory;
        size_t taken = fill(flooders, count, steady, 256 * MEGABYTE);
        size_t after = resources_of(server).memory;
        if (taken >= 256 * MEGABYTE)
            fail_test("expected a server that stops receiving from %zu clients that do "
                      "not read, got one that has taken %zu MB from them",
                      count, taken / MEGABYTE);
        if (instrumented() || after <= before + room + slack)
            break;
        if (stretch == STRETCHES)
            fail_test("expected at most %zu KiB for %zu more clients that do not read, "
                      "got %zu KiB",
                      (room + slack) / 1024, count, (after - before) / 1024);
    }
    exchange_tokens(steady, 1, 1);
}

/* Fails the test if the server has more memory or descriptors after each call of `stretch`. `what`
 * says what that does. */
static void expect_no_growth(struct program *server, void (*stretch)(struct program *),
                             const char *what)
{
    const size_t slack = under_test() == UNIX ? 65536 : 2 * MEGABYTE, few = 2,
                 threads = under_test() == UNIX ? 0 : 200; /* with their descriptors */
    struct resources before = resources_of(server);
    for (int halves = 0;;) {
        stretch(server);
        struct resources after = resources_of(server);
        size_t most = before.descriptors + few;
        bool more = !instrumented() && after.memory > before.memory + slack;
        if (!more && after.descriptors <= most)
            break;
        /* Wine's pool of threads grows for a long time, but not without end. */
        bool pool = after.descriptors > most && after.descriptors <= most + threads;
        halves += pool ? 1 : 2;
        if (halves >= 2 * STRETCHES)
            fail_test("expected a server that does not grow with %s, got one that grows "
                      "each time, at last from %zu to %zu KiB of memory and from %zu to "
                      "%zu descriptors",
                      what, before.memory / 1024, after.memory / 1024, before.descriptors,
                      after.descriptors);
        before = after;
    }
}

/* 100 clients come and go, every second one with a reset. */
static void serve_wave(struct program *server)
{
    struct peer *peers = connect_peers(100);
    exchange_tokens(peers, 100, 1);
    for (int i = 0; i < 100; i++)
        drop(&peers[i], i % 2 == 1);
    free(peers);
    wait_left(server, 100);
}

static void serve_waves(struct program *server)
{
    for (int wave = 0; wave < 20; wave++)
        serve_wave(server);
}

TEST(nothing_leaks, .judges = SERVER, .stage = ROBUST, .needs = "echoes", .points = 2,
     .step = 6, .name = "2,000 connections later the server holds what it held before",
     .hint_unix =
         "Close the client's socket and free its memory, however the client has ended.",
     .hint_win32 =
         "Close the client's socket and free its memory when its last completion has "
         "come, however the client has ended.")
{
    struct program *server = start_server();
    serve_wave(server);
    serve_wave(server);
    expect_no_growth(server, serve_waves, "2,000 connections that come and go");
    end_server(server);
}

static struct peer *talkers;

static void talk_on(struct program *server)
{
    (void)server;
    enum { TALKERS = 20, LENGTH = 2000 };
    int rounds = under_test() == UNIX ? 200 : 100;
    if (talkers == NULL)
        talkers = connect_peers(TALKERS);
    char *bytes = random_bytes(TALKERS * LENGTH, 'a', 'z');
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < TALKERS; i++)
            give(&talkers[i], bytes + i * LENGTH, LENGTH);
        drive(talkers, TALKERS, "the echo of 2000 bytes");
    }
}

TEST(long_conversations, .judges = SERVER, .stage = ROBUST, .needs = "echoes",
     .points = 2, .step = 6,
     .name = "thousands of messages on connections that stay leave the server as it was",
     .hint = "Free what a message needed when its echo is sent, not when its client "
             "leaves; or use the client's one buffer again.")
{
    struct program *server = start_server();
    talk_on(server);
    expect_no_growth(server, talk_on, "thousands of messages on 20 connections");
}

TEST(
    hundreds_of_clients, .judges = SERVER, .stage = COMPLETE, .needs = "two_clients",
    .points = 2, .step = 4, .name = "500 clients at once each get their own echo",
    .hint_unix = "Do not make a thread for each client: wait for all sockets with epoll.",
    .hint_win32 = "Do not make a thread for each client. select() takes FD_SETSIZE (64) "
                  "sockets only: use a completion port.")
{
    enum { COUNT = 500 };
    struct program *server = start_server();
    struct peer *peers = connect_peers(COUNT);
    exchange_tokens(peers, COUNT, 2);
    for (size_t i = 0; i < COUNT; i++)
        drop(&peers[i], false);
    wait_left(server, COUNT);
    exchange_tokens(connect_peers(1), 1, 1);
}

TEST(many_clients, .judges = SERVER, .stage = ROBUST, .needs = "echoes", .points = 3,
     .step = 4, .name = "thousands of clients at once: 5,000, under Wine 1,000",
     .hint_unix =
         "Raise the limit on descriptors, usually 1,024, with setrlimit(RLIMIT_NOFILE). "
         "select() takes descriptors below FD_SETSIZE (1,024) only: use epoll.",
     .hint_win32 = "Do not make a thread for each client. select() takes FD_SETSIZE (64) "
                   "sockets only: use a completion port.")
{
    size_t count = under_test() == UNIX ? 5000 : 1000;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        kit_error("getrlimit: %s", strerror(errno));
    if (limit.rlim_max < count + 200)
        skip_test("needs %zu open files, and the hard limit (ulimit -Hn) is %lu",
                  count + 200, (unsigned long)limit.rlim_max);
    limit.rlim_cur = limit.rlim_max; /* of this checker */
    setrlimit(RLIMIT_NOFILE, &limit);
    /* The usual limit, which the server must raise. Under valgrind it cannot. */
    struct start_options options = {.descriptors = instrumented() ? 0 : 1024};
    struct program *server = start_with(SERVER, options, "0", NULL);
    await_ready(server);

    struct peer *peers = connect_peers(count);
    exchange_tokens(peers, count, 2);
    for (size_t i = 0; i < count; i++)
        drop(&peers[i], false);
    wait_left(server, count);
    exchange_tokens(connect_peers(1), 1, 1);
}

/* Whether the peer has its welcome. Waits for it as long as fill() waits, while another client is
 * served. */
static bool is_welcome(struct peer *peer, struct peer *steady)
{
    for (int quiet = 0; quiet < 25 && !advance(peer, "the welcome"); quiet++) {
        struct epoll_event events[64];
        epoll_wait(queue, events, 64, 10);
        if (!advance(peer, "the welcome"))
            exchange_tokens(steady, 1, 1);
    }
    return peer->received == sizeof WELCOME;
}

TEST(no_descriptors, .judges = SERVER, .stage = ROBUST, .needs = "echoes", .points = 2,
     .step = 5,
     .name =
         "more clients than descriptors: the rest wait, and are served when others leave",
     .hint_unix =
         "When accept() fails with EMFILE, go on. The listener stays ready, so take it "
         "out of the epoll until a client has left.")
{
    if (under_test() == WIN32)
        skip_test(
            "needs UNIX: the limit on descriptors is wineserver's, not the program's");
    if (instrumented())
        skip_test(
            "valgrind has a limit of its own, and closes what it accepts beyond it");
    /* First our own sockets, with numbers above the limit. Numbers below it stay for the harness. */
    enum { LIMIT = 120, CLIENTS = 130, GAP = 100, WAITING = 5 };
    int gap[GAP], sockets[CLIENTS];
    struct peer peers[CLIENTS];
    for (int i = 0; i < GAP; i++)
        gap[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < CLIENTS; i++)
        sockets[i] = make_socket();
    queue = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < GAP; i++)
        close(gap[i]);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){LIMIT, LIMIT});
    struct program *server = start_server();
    /* The server may need two descriptors for each client: find out how many it can serve. */
    int count = 1;
    start_peer_on(&peers[0], sockets[0]);
    drive(peers, 1, "the welcome");
    do
        start_peer_on(&peers[count], sockets[count]);
    while (is_welcome(&peers[count], &peers[0]) && ++count < CLIENTS - WAITING);
    if (count < LIMIT / 4)
        fail_test(
            "expected a server that serves at least %d clients with %d descriptors, "
            "got one that serves %d",
            LIMIT / 4, LIMIT, count);
    for (int i = 1; i < WAITING; i++)
        start_peer_on(&peers[count + i], sockets[count + i]);
    exchange_tokens(peers, (size_t)count, 1);
    expect_idle(server, 0.3, 15);
    /* The first that waits resets its connection. One place becomes free: the server accepts that
     * connection, cannot send, and has the place again. */
    struct peer *waiting = peers + count + 1;
    drop(&peers[count], true);
    drop(&peers[0], false);
    drive(waiting, 1,
          "the welcome of the second client that waited (the first was reset)");
    for (int i = 1; i < count / 2; i++)
        drop(&peers[i], false);
    drive(waiting, WAITING - 1, "the welcome of those that waited");
    exchange_tokens(peers + count / 2, (size_t)(count - count / 2), 1);
    exchange_tokens(waiting, WAITING - 1, 1);
}

TEST(idle, .judges = SERVER, .stage = COMPLETE, .needs = "echoes", .points = 2, .step = 4,
     .name = "20 clients that send nothing cost no processor time",
     .hint_unix = "Pass -1 to epoll_wait(): it blocks until a socket is ready.",
     .hint_win32 = "Wait in GetQueuedCompletionStatus with INFINITE.")
{
    struct program *server = start_server();
    struct peer *silent = connect_peers(20);
    exchange_tokens(silent, 20, 1);
    expect_idle(server, 0.5, 10);
    exchange_tokens(silent, 20, 1);
}

TEST(idle_stuck, .judges = SERVER, .stage = ROBUST, .needs = "idle", .points = 2,
     .step = 4,
     .name =
         "clients that do not read, have shut down or were reset cost no processor time",
     .hint_unix = "Watch for EPOLLOUT only while something waits to be sent, and not for "
                  "EPOLLIN then. Close a socket that reports EPOLLHUP or EPOLLERR.",
     .hint_win32 = "Wait in GetQueuedCompletionStatus with INFINITE. End a client whose "
                   "operation has failed: do not start the operation again.")
{
    struct program *server = start_server();
    struct peer *silent = connect_peers(20);
    exchange_tokens(silent, 20, 1);
    struct peer *stuck = connect_flooders(3);
    fill(stuck, 3, silent, 64 * MEGABYTE);
    stuck[1].length = stuck[1].sent;
    stuck[1].finish = true;
    advance(&stuck[1], "shutting down"); /* its end of file has come, its echo waits */
    drop(&stuck[2], true);
    wait_left(server, 1);
    expect_idle(server, 0.5, 10);
    exchange_tokens(silent, 20, 1);
}

TEST(
    ctrl_c, .judges = SERVER, .stage = COMPLETE, .needs = "echoes", .points = 2,
    .step = 8, .name = "Ctrl-C ends the server, and its clients see the close",
    .hint_unix = "Close the listener and every client, print \"server: done\", exit with "
                 "0, on SIGINT and on SIGTERM.",
    .hint_win32 =
        "On Ctrl-C print \"server: done\" and exit with 0. All sockets are closed then. If you call end_on_interrupt(): it must run before the loop.")
{
    static const int signals[] = {SIGINT, SIGTERM};
    for (int i = 0; i < (under_test() == UNIX ? 2 : 1); i++) {
        struct program *server = start_server();
        struct peer *silent = connect_peers(20);
        exchange_tokens(silent, 20, 1);
        send_signal(server, signals[i]);
        wait_line(server, "server: done");
        expect_end(server, 0);
        for (int k = 0; k < 20; k++)
            await_end(&silent[k]);
    }
    struct program *server = start_server();
    end_server(server); /* and without any client */
}

TEST(
    ctrl_c_stuck, .judges = SERVER, .stage = ROBUST, .needs = "ctrl_c", .points = 2,
    .step = 8, .name = "Ctrl-C ends the server although clients do not read",
    .hint_unix = "Close the listener and every client, print \"server: done\", exit with "
                 "0, on SIGINT and on SIGTERM.",
    .hint_win32 =
        "Stop accepting, call CancelIoEx for each socket, wait until every operation has "
        "completed, free, print \"server: done\", exit with 0.")
{
    static const int signals[] = {SIGINT, SIGTERM};
    for (int i = 0; i < (under_test() == UNIX ? 2 : 1); i++) {
        struct program *server = start_server();
        struct peer *silent = connect_peers(20);
        struct peer *stuck = connect_flooders(2);
        fill(stuck, 2, silent, 64 * MEGABYTE);
        send_signal(server, signals[i]);
        wait_line(server, "server: done");
        expect_end(server, 0);
        for (int k = 0; k < 20; k++)
            await_end(&silent[k]);
        await_end(&stuck[0]);
        await_end(&stuck[1]);
    }
}

/* What Wine 10 passes on of STATUS_CONTROL_C_EXIT (0xC000013A): its last byte. Wine 8 kills. */
#define CONTROL_C_EXIT 0x3A

TEST(ctrl_c_at_start, .judges = SERVER, .stage = ROBUST, .needs = "echoes", .points = 1,
     .step = 2,
     .name =
         "Ctrl-C as soon as the port is open, before the line \"ready\", is no failure",
     .hint_unix =
         "Block SIGINT and SIGTERM, or install their handlers, before listen(). A "
         "handler must not close what main() still uses.",
     .hint_win32 =
         "Call getsockname() before SetConsoleCtrlHandler(): after that call the "
         "handler may close the listener at any moment.")
{
    /* Wine sometimes fails (error 998) if Ctrl-C comes while it creates a thread. So under Wine
     * one failure proves nothing. Nor does a program that Wine's own handler has blocked while it
     * started: it has printed nothing yet. */
    bool wine = under_test() == WIN32 && !on_windows();
    int failures = 0, forgiven = wine;
    for (int i = 0; i < (under_test() == UNIX ? 40 : 6); i++) {
        struct peer peer;
        struct program *server = start_at_known_port((struct start_options){0}, &peer);
        send_signal(server, SIGINT);
        const char *ending = ending_within(server, 10);
        close(peer.socket);
        int ended = ending == NULL ? -1 : wait_end(server);
        /* Before the server has a handler, the system's own handler ends it. */
        bool right = ended == 0 || (under_test() == UNIX ? ended == 128 + SIGINT
                                                         : ended == 128 + SIGKILL ||
                                                               ended == CONTROL_C_EXIT);
        if (right && !printed_like(server, "server: *error *"))
            continue;
        bool started = !wine || ending != NULL || printed_like(server, "server: ready *");
        if (started && ++failures > forgiven)
            fail_test(
                "expected that Ctrl-C ends the server with 0 and without an error, got "
                "a server that %s",
                ending == NULL ? "is still running" : ending);
        kill_program(server);
    }
}

/* Which of the three standard streams are missing, as in start_options. */
static const unsigned missing[] = {3, 7, 1, 2,
                                   4, 5, 6}; /* the first has standard error */

static size_t missing_count(void)
{
    return under_test() == UNIX
               ? 7
               : 4; /* on Windows a missing stream changes no other handle */
}

TEST(
    server_without_streams, .judges = SERVER, .stage = ROBUST, .needs = "echoes",
    .points = 1, .step = 1,
    .name = "a server that is started without standard streams serves",
    .hint_unix = "Open /dev/null for a standard descriptor that is closed: otherwise the "
                 "next socket gets its number, and lines are written to it.",
    .hint_win32 = "Expect NULL from GetStdHandle(), and go on: what cannot be printed is "
                  "lost.")
{
    for (size_t i = 0; i < missing_count(); i++) {
        struct peer *peers = calloc(2, sizeof *peers);
        struct start_options options = {.closed = missing[i]};
        struct program *server = start_at_known_port(options, &peers[0]);
        start_peer(&peers[1]);
        drive(peers, 2, "the welcome");
        exchange_tokens(peers, 2, 2);
        if (under_test() ==
            WIN32) { /* Ctrl-C reaches only the program that has started the server */
            kill_program(server);
        } else {
            send_signal(server, SIGINT);
            expect_end(server, 0);
        }
    }
}

TEST(restart, .judges = SERVER, .stage = COMPLETE, .needs = "echoes", .points = 1,
     .step = 2,
     .name = "a server can be started again at once on the port of one that has ended",
     .hint_unix = "Set SO_REUSEADDR before bind(): connections of the former server stay "
                  "in TIME_WAIT, and bind() fails with EADDRINUSE.",
     .hint_win32 =
         "Close the listener and every client's socket before the process ends. "
         "Use SO_EXCLUSIVEADDRUSE, not SO_REUSEADDR.")
{
    struct program *server = start_server();
    struct peer *peers = connect_peers(3);
    exchange_tokens(peers, 3, 1);
    end_server(server);
    for (int i = 0; i < 3; i++)
        await_end(&peers[i]);
    long before = port;
    server = start(SERVER, text("%ld", port), NULL);
    await_ready(server);
    if (port != before)
        fail_test("expected a server that listens on port %ld, got %ld", before, port);
    exchange_tokens(connect_peers(1), 1, 1);
    end_server(server);
}

TEST(port_taken, .judges = SERVER, .stage = COMPLETE, .needs = "echoes", .points = 2,
     .step = 2,
     .name = "a second server on the port reports it and exits with 1; the first goes on",
     .hint_unix = "Check what bind() returns, and report errno: EADDRINUSE.",
     .hint_win32 =
         "Check what bind() returns, and report WSAGetLastError(): WSAEADDRINUSE. Do not "
         "set SO_REUSEADDR: on Windows it lets two servers have one port.")
{
    start_server();
    struct peer *peers = connect_peers(1);
    struct program *second = start(SERVER, text("%ld", port), NULL);
    wait_error_like(second, "server: *error [1-9]*");
    expect_end(second, 1);
    exchange_tokens(peers, 1, 1);
    exchange_tokens(connect_peers(1), 1, 1);
}

/* Returns a socket that has the default port. Several checkers can run: a lock on the checker's own
 * file lets one at a time have it, until the test ends. */
static int take_default_port(void)
{
    static int file; /* the end of the test closes it */
    int made = make_socket();
    file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (file == -1 || flock(file, LOCK_EX) == -1)
        kit_error("flock: %s", strerror(errno));
    struct sockaddr_in address = address_of(atol(DEFAULT_PORT));
    setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(made, (struct sockaddr *)&address, sizeof address) == -1)
        skip_test("another program has port %s: %s", DEFAULT_PORT, strerror(errno));
    return made;
}

TEST(default_port, .judges = SERVER, .stage = COMPLETE, .needs = "echoes", .points = 1,
     .step = 1,
     .name = "without an argument the server listens on 127.0.0.1 alone, port 7710",
     .hint =
         "Use DEFAULT_PORT when there is no argument, and bind to 127.0.0.1: INADDR_ANY "
         "opens the server to the whole network.")
{
    close(take_default_port());
    struct program *server = start(SERVER, NULL);
    await_ready(server);
    if (port != atol(DEFAULT_PORT))
        fail_test("expected a server that listens on port %s, got %ld", DEFAULT_PORT,
                  port);
    exchange_tokens(connect_peers(1), 1, 1);
    struct sockaddr_in other = address_of(port);
    other.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    int visitor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* it blocks */
    if (connect(visitor, (struct sockaddr *)&other, sizeof other) == 0)
        fail_test("expected a server that listens on 127.0.0.1 alone, but 127.0.0.2 is "
                  "connected, too");
}

TEST(server_usage, .judges = SERVER, .stage = COMPLETE, .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "Accept one argument at most, a whole number from 0 to 65535.")
{
    static const char *const wrong[] = {"x", "-1", "65536", "", "1x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        in_case("PORT is \"%s\"", wrong[i]);
        struct program *server = start(SERVER, wrong[i], NULL);
        wait_error_like(server, "usage: *");
        expect_end(server, 2);
    }
    in_case("with two arguments");
    expect_end(start(SERVER, "0", "1", NULL), 2);
}

/* ---- The client --------------------------------------------------------------------- */

/* Listens, as the server would, on 127.0.0.`last`. */
static int listen_at(unsigned last)
{
    int made = make_socket();
    struct sockaddr_in address = address_of(0);
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last);
    if (bind(made, (struct sockaddr *)&address, size) == -1 || listen(made, 128) == -1 ||
        getsockname(made, (struct sockaddr *)&address, &size) == -1)
        kit_error("no socket that listens: %s", strerror(errno));
    port = ntohs(address.sin_port);
    return made;
}

static int listen_here(void)
{
    return listen_at(1);
}

static bool loads; /* the program under test is load, not client */

static struct program *start_client(const char *messages)
{
    return other_end = start(CLIENT, DEFAULT_HOST, text("%ld", port), messages, NULL);
}

static struct program *start_load(const char *connections, const char *messages)
{
    loads = true;
    return other_end = start_with(CLIENT, (struct start_options){.name = "load"},
                                  DEFAULT_HOST, text("%ld", port), connections, messages,
                                  NULL);
}

/* Starts client, or load with one connection. */
static struct program *start_either(const char *messages)
{
    return loads ? start_load("1", messages) : start_client(messages);
}

/* Sends bytes. What the tests send here always fits into the socket's buffer. */
static void send_now(int socket, const void *bytes, size_t length)
{
    if (send(socket, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
        lost("the client closed its connection: %s", strerror(errno));
}

/* Accepts one connection, and sends `length` bytes of `welcome` on it. */
static int accept_one(int listener, const char *welcome, size_t length)
{
    int made;
    while ((made = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) == -1)
        wait_descriptor(listener, "the client's connection");
    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    send_now(made, welcome, length);
    return made;
}

/* Receives a message, up to its NUL, or NULL at the end of the connection. `what` is expected. */
static char *receive_message(int socket, const char *what)
{
    char *message = text("%*s", MESSAGE_SIZE, "");
    for (size_t length = 0;;) {
        ssize_t got = recv(socket, message + length, 1, 0);
        if (got == -1 && errno == EAGAIN) {
            wait_descriptor(socket, length == 0
                                        ? what
                                        : text("the NUL after the client's \"%.*s\"",
                                               (int)length, message));
            continue;
        }
        if (got <= 0)
            return NULL;
        if (message[length] == '\0')
            return message;
        if (++length == MESSAGE_SIZE)
            fail_test("expected a message of the contract with its NUL, got %d bytes "
                      "without a NUL",
                      MESSAGE_SIZE);
    }
}

/* Receives message `number` of a connection, and returns it. */
static char *expect_message(int socket, int number)
{
    char *message = receive_message(socket, text("the client's message %d", number));
    const char *pattern = loads ? "connection [0-9]* message %d" : "message num %d";
    const char *expected = loads ? "connection C message %d" : "message num %d";
    if (message == NULL)
        lost("expected \"%s\", got the end of the connection", text(expected, number));
    if (fnmatch(text(pattern, number), message, 0) != 0)
        fail_test("expected \"%s\", got \"%s\"", text(expected, number), message);
    return message;
}

static void expect_no_message(int socket)
{
    char *message = receive_message(
        socket, "the end of the client's half of the connection, by shutdown()");
    if (message != NULL)
        fail_test("expected the end of the client's half, got \"%s\"", message);
}

/* Fails unless the client reports what is wrong on standard error, and exits with 1. */
static void expect_refusal(struct program *client)
{
    wait_error_like(client, loads ? "load: *" : "client: *");
    expect_end(client, 1);
    if (printed_like(client, "*: done"))
        fail_test("expected no line \"done\" after the failure, got it");
}

TEST(talks, .judges = CLIENT, .points = 3, .step = 4,
     .name = "the client takes the welcome, sends 3 messages and gets their echoes",
     .hint =
         "Receive the 19 bytes of the welcome. Send each message with its NUL and "
         "receive its echo before you send the next. Then shut down the sending half, "
         "and wait until the server has closed.")
{
    int listener = listen_here();
    look_at(CLIENT, 2,
            "Convert the port with htons(), or let getaddrinfo() or tcp_connect() do it: "
            "connect() takes it in network byte order.");
    struct program *client = start_client("3");
    int socket = accept_one(listener, WELCOME, sizeof WELCOME);
    look_at(CLIENT, 3,
            "Receive the 19 bytes of the welcome, and print it without its NUL.");
    wait_line(client, "client: received \"%s\"", WELCOME);
    for (int number = 1; number <= 3; number++) {
        look_at(CLIENT, 4,
                "Send each message with its NUL: strlen(text) + 1 bytes. Then print the "
                "line \"sent\".");
        char *message = expect_message(socket, number);
        wait_line(client, "client: sent \"%s\"", message);
        look_at(CLIENT, 5,
                "Receive the echo, with its NUL, before you send the next message.");
        send_now(socket, message, strlen(message) + 1);
        wait_line(client, "client: received \"%s\"", message);
    }
    look_at_close();
    expect_no_message(socket);
    expect_idle(client, 0.2, 10);
    if (printed_like(client, "client: done"))
        fail_test("expected a client that waits for the server's close, got \"done\" "
                  "before it");
    close(socket);
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(client_reads_on, .judges = CLIENT, .stage = COMPLETE, .needs = "talks", .points = 2,
     .step = 5, .name = "the welcome and the echoes may come one byte at a time",
     .hint_unix = "Receive in a loop until all bytes are there: one recv() may return a "
                  "part of a message. With SO_RCVTIMEO it fails with EINTR after SIGSTOP "
                  "and SIGCONT: call it again.",
     .hint_win32 =
         "Receive in a loop until all bytes are there: one receive may return a "
         "part of a message.")
{
    int listener = listen_here();
    struct program *client = start_client("2");
    int socket = accept_one(listener, WELCOME, 0);
    send_now(socket, WELCOME, 1);
    expect_idle(client, 0.2, 50); /* it has received only that byte */
    for (size_t k = 1; k < sizeof WELCOME; k++)
        send_now(socket, &WELCOME[k], 1);
    for (int number = 1; number <= 2; number++) {
        char *message = expect_message(socket, number);
        send_now(socket, message, 1);
        expect_idle(client, 0.2, 50);
        if (under_test() == UNIX) { /* to be stopped is no failure */
            send_signal(client, SIGSTOP);
            send_signal(client, SIGCONT);
        }
        for (size_t k = 1; k <= strlen(message); k++)
            send_now(socket, &message[k], 1);
    }
    expect_no_message(socket);
    close(socket);
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(no_messages, .judges = CLIENT, .stage = COMPLETE, .needs = "talks", .points = 1,
     .step = 6,
     .name = "with MESSAGES 0 the client takes the welcome, and shuts down its half",
     .hint = "Shut down the sending half at once, and wait for the close.")
{
    int listener = listen_here();
    struct program *client = start_client("0");
    int socket = accept_one(listener, WELCOME, sizeof WELCOME);
    expect_no_message(socket);
    close(socket);
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(client_address, .judges = CLIENT, .stage = COMPLETE, .needs = "talks", .points = 1,
     .step = 1,
     .name =
         "the client connects to its HOST; alone it sends 10 messages to 127.0.0.1, 7710",
     .hint = "Use DEFAULT_HOST, DEFAULT_PORT and DEFAULT_MESSAGES only for the arguments "
             "that are missing.")
{
    int listener = listen_at(2);
    other_end = start(CLIENT, "127.0.0.2", text("%ld", port), "0", NULL);
    expect_no_message(accept_one(listener, WELCOME, sizeof WELCOME));
    listener = take_default_port();
    if (listen(listener, 1) == -1)
        skip_test("another program has port %s: %s", DEFAULT_PORT, strerror(errno));
    other_end = start(CLIENT, NULL);
    int socket = accept_one(listener, WELCOME, sizeof WELCOME);
    for (int number = 1; number <= DEFAULT_MESSAGES; number++) {
        char *message = expect_message(socket, number);
        send_now(socket, message, strlen(message) + 1);
    }
    expect_no_message(socket);
}

static void send_wrong_welcomes(void)
{
    static const struct {
        const char *bytes;
        size_t length;
    } welcomes[] = {{"You are connected?", 19}, {"You are connected!\n", 19},
                    {"You are connected", 18},  {"Zou are connected!", 19},
                    {"You are connected!", 18}, {"", 0}};
    int listener = listen_here();
    for (size_t i = 0; i < sizeof welcomes / sizeof *welcomes; i++) {
        in_case("after the welcome \"%s\", of %zu bytes", welcomes[i].bytes,
                welcomes[i].length);
        struct program *client = start_either("1");
        int socket = accept_one(listener, welcomes[i].bytes, welcomes[i].length);
        if (welcomes[i].length < sizeof WELCOME)
            shutdown(socket, SHUT_WR); /* it is cut short, which only the end shows */
        else if (receive_message(socket, "the end of the connection") != NULL)
            fail_test("expected the end of the connection, got a message");
        expect_refusal(client);
        close(socket);
    }
}

TEST(wrong_welcome, .judges = CLIENT, .stage = COMPLETE, .needs = "talks", .points = 2,
     .step = 3, .name = "a wrong welcome is an error, with exit code 1",
     .hint = "Compare all 19 bytes, the NUL too.")
{
    send_wrong_welcomes();
}

static void send_wrong_echoes(void)
{
    static const char *const kinds[] = {
        "after an echo with a wrong byte", "after an echo with another byte than its NUL",
        "after an echo without its NUL, and the end of the connection",
        "after the echo and one more byte",
        "after an echo with another message's number"};
    int listener = listen_here();
    for (int kind = 0; kind < 5; kind++) {
        in_case("%s", kinds[kind]);
        if (kind == 3)
            look_at_close();
        else
            look_at(CLIENT, 0, NULL);
        struct program *client = start_either("1");
        int socket = accept_one(listener, WELCOME, sizeof WELCOME);
        char *message = expect_message(socket, 1);
        size_t size = strlen(message) + 1;
        if (kind == 0)
            message[size / 2] ^= 1;
        if (kind == 1)
            message[size - 1] = '!';
        if (kind == 4)
            message[size - 2] = '2'; /* the number of another message */
        send_now(socket, message, kind == 2 ? size - 1 : size);
        if (kind == 3)
            send_now(socket, "x", 1);
        shutdown(socket, SHUT_WR);
        expect_refusal(client);
        close(socket);
    }
}

TEST(wrong_echo, .judges = CLIENT, .stage = COMPLETE, .needs = "talks", .points = 2,
     .step = 5,
     .name = "an echo with a wrong byte, one too few or one too many is an error",
     .hint = "Compare every byte with what was sent on this connection.")
{
    send_wrong_echoes();
}

TEST(no_server, .judges = CLIENT, .stage = COMPLETE, .needs = "talks", .points = 1,
     .step = 2,
     .name =
         "without a server the client reports the error of its connect, and exits with "
         "1",
     .hint_unix =
         "Check what connect() returns: it fails with ECONNREFUSED. Report errno.",
     .hint_win32 = "Check what connect() returns: it fails with WSAECONNREFUSED. Report "
                   "WSAGetLastError(). errno is 0 then.")
{
    close(listen_here()); /* a port on which no program listens now */
    struct program *client = start_client("1");
    wait_error_like(client, text(under_test() == UNIX ? "client: *error %d*"
                                                      : "client: *error [1-9]*",
                                 ECONNREFUSED));
    expect_end(client, 1);
}

TEST(client_usage, .judges = CLIENT, .stage = COMPLETE, .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "Accept three arguments at most: PORT from 1 to 65535, MESSAGES from 0 to "
             "1000000.")
{
    static const char *const wrong[][2] = {{"x", "1"},     {"65536", "1"},
                                           {"0", "1"},     {"7710", "1000001"},
                                           {"7710", "-1"}, {"7710", "1x"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        in_case("PORT is \"%s\", MESSAGES \"%s\"", wrong[i][0], wrong[i][1]);
        struct program *client = start(CLIENT, DEFAULT_HOST, wrong[i][0], wrong[i][1],
                                       NULL);
        wait_error_like(client, "usage: *");
        expect_end(client, 2);
    }
    in_case("with four arguments");
    expect_end(start(CLIENT, DEFAULT_HOST, "7710", "1", "1", NULL), 2);
}

/* Closes the connection before the last echo, in five ways. */
static void close_early(void)
{
    static const char *const kinds[] = {
        "after a close before the welcome", "after a close before an echo",
        "after a close in the middle of an echo",
        "after a reset in the middle of an echo",
        "after an echo, the end of the connection and a reset"};
    int listener = listen_here();
    for (int kind = 0; kind < (under_test() == UNIX ? 5 : 4); kind++) {
        in_case("%s", kinds[kind]);
        struct program *client = start_either("2");
        int socket = accept_one(listener, WELCOME, kind == 0 ? 0 : sizeof WELCOME);
        if (kind >= 1 && kind < 4)
            expect_message(socket, 1);
        if (kind == 4) { /* the echo, the end, a break: to send is SIGPIPE then */
            char *message = expect_message(socket, 1);
            send_signal(client, SIGSTOP);
            send_now(socket, message, strlen(message) + 1);
            shutdown(socket, SHUT_WR);
            for (int left = 1; left > 0 && ioctl(socket, SIOCOUTQ, &left) == 0;)
                usleep(1000); /* until all of it is with the client's system */
        }
        if (kind == 2 || kind == 3)
            send_now(socket, "conn", 4);
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        if (kind >= 3)
            setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(socket);
        if (kind == 4)
            send_signal(client, SIGCONT);
        expect_refusal(client);
    }
}

TEST(server_closes, .judges = CLIENT, .stage = ROBUST, .needs = "talks", .points = 2,
     .step = 5,
     .name = "a server that closes too early, in order or by a reset, is an error",
     .hint_unix =
         "Exit with 1 when recv() returns 0 or fails before the last echo. Ignore "
         "SIGPIPE: otherwise send() ends the client without a line.",
     .hint_win32 =
         "Exit with 1 when recv() returns 0, or fails with WSAECONNRESET, before the "
         "last echo.")
{
    close_early();
}

TEST(server_killed, .judges = CLIENT, .stage = ROBUST, .needs = "talks", .points = 1,
     .step = 5, .name = "a client whose server is killed reports it, and exits with 1",
     .hint = "Check what each receive and each send returns: the connection ends, or is "
             "reset.")
{
    /* Always the UNIX program: when a program is killed while AcceptEx is under way, wineserver 8
     * sometimes crashes, and every program ends, with 0. */
    struct start_options unix_server = {.file = reference_file("06-iocp", UNIX, "server"),
                                        .of_unix = true};
    struct program *server = start_with(SERVER, unix_server, "0", NULL);
    await_ready(server);
    struct program *client = start_client("1000000");
    wait_line(client, "client: received \"message num 10\"");
    kill_program(server);
    expect_refusal(client);
}

TEST(
    client_without_streams, .judges = CLIENT, .stage = ROBUST, .needs = "talks",
    .points = 1, .step = 1,
    .name = "a client that is started without standard streams sends what it must",
    .hint_unix = "Open /dev/null for a standard descriptor that is closed: otherwise the "
                 "next socket gets its number, and lines are sent to the server.",
    .hint_win32 = "Expect NULL from GetStdHandle(), and go on: what cannot be printed is "
                  "lost.")
{
    int listener = listen_here();
    for (size_t i = 0; i < missing_count(); i++) {
        struct start_options options = {.closed = missing[i]};
        struct program *client = other_end = start_with(CLIENT, options, DEFAULT_HOST,
                                                        text("%ld", port), "1", NULL);
        int socket = accept_one(listener, WELCOME, sizeof WELCOME);
        char *message = expect_message(socket, 1);
        send_now(socket, message, strlen(message) + 1);
        expect_no_message(socket);
        close(socket);
        expect_end(client, 0);
    }
}

/* ---- load ---------------------------------------------------------------------------- */

TEST(load_talks, .judges = CLIENT, .only = "load", .stage = BASIC, .points = 3, .step = 7,
     .name = "load has three connections; the welcome and the echoes come byte by byte",
     .hint = "Compare the bytes that have come, and wait for the rest: one receive may "
             "bring a part of a message only.")
{
    int listener = listen_here(), sockets[3];
    char *messages[3];
    struct program *client = start_load("3", "2");
    for (int i = 0; i < 3; i++) {
        sockets[i] = accept_one(listener, WELCOME, 0);
        for (size_t k = 0; k < sizeof WELCOME; k++)
            send_now(sockets[i], &WELCOME[k], 1);
    }
    wait_line(client, "load: connected 3");
    for (int number = 1; number <= 2; number++) {
        for (int i = 0; i < 3; i++) {
            messages[i] = expect_message(sockets[i], number);
            for (int k = 0; k < i; k++)
                if (strcmp(messages[i], messages[k]) == 0)
                    fail_test(
                        "expected messages that differ, got \"%s\" on two connections",
                        messages[i]);
        }
        for (int i = 2; i >= 0; i--)
            for (size_t k = 0; k <= strlen(messages[i]); k++)
                send_now(sockets[i], &messages[i][k], 1);
    }
    for (int i = 0; i < 3; i++)
        expect_no_message(sockets[i]);
    expect_idle(client, 0.2, 10);
    if (printed_like(client, "load: done"))
        fail_test("expected a client that waits for the server's close, got \"done\" "
                  "before it");
    for (int i = 0; i < 3; i++)
        close(sockets[i]);
    wait_line(client, "load: echoed 6 of 6");
    wait_line_like(client, "load: 6 echoes in * s, * a second");
    wait_line_like(client, "load: latency p50 * us, p99 * us, p99.9 * us");
    wait_line(client, "load: done");
    expect_end(client, 0);
}

TEST(load_no_messages, .judges = CLIENT, .only = "load", .stage = COMPLETE,
     .needs = "load_talks", .points = 1, .step = 6,
     .name = "with 0 messages load takes the welcome, and shuts down its half",
     .hint = "Print no latency when there was no echo.")
{
    int listener = listen_here();
    struct program *client = start_load("1", "0");
    int socket = accept_one(listener, WELCOME, sizeof WELCOME);
    expect_no_message(socket);
    close(socket);
    wait_line_like(client, "load: 0 echoes in * s, * a second");
    wait_line(client, "load: done");
    expect_end(client, 0);
    if (printed_like(client, "load: latency *"))
        fail_test("expected no line about latency without an echo, got one");
}

TEST(load_wrong_welcome, .judges = CLIENT, .only = "load", .stage = COMPLETE,
     .needs = "load_talks", .points = 2, .step = 7,
     .name = "load takes a wrong welcome for an error, with exit code 1",
     .hint = "Compare all 19 bytes, the NUL too.")
{
    loads = true;
    send_wrong_welcomes();
}

TEST(load_wrong_echo, .judges = CLIENT, .only = "load", .stage = COMPLETE,
     .needs = "load_talks", .points = 2, .step = 7,
     .name = "load takes a wrong byte, one too few or one too many for an error",
     .hint = "Compare every byte with what was sent on this connection.")
{
    loads = true;
    send_wrong_echoes();
}

TEST(swapped_echoes, .judges = CLIENT, .only = "load", .stage = COMPLETE,
     .needs = "load_talks", .points = 2, .step = 6,
     .name = "load takes the echo of another connection for an error",
     .hint = "Compare each echo with what was sent on this connection: each message "
             "contains its connection's number.")
{
    int listener = listen_here();
    struct program *client = start_load("2", "1");
    int first = accept_one(listener, WELCOME, sizeof WELCOME);
    int second = accept_one(listener, WELCOME, sizeof WELCOME);
    char *one = expect_message(first, 1), *other = expect_message(second, 1);
    send_now(first, other, strlen(other) + 1);
    send(second, one, strlen(one) + 1, MSG_NOSIGNAL); /* it may have ended by now */
    expect_refusal(client);
}

TEST(load_server_closes, .judges = CLIENT, .only = "load", .stage = ROBUST,
     .needs = "load_talks", .points = 2, .step = 7,
     .name = "load takes an early close, in order or by a reset, for an error",
     .hint_unix =
         "Exit with 1 when recv() returns 0 before the last echo. Pass MSG_NOSIGNAL to "
         "send(): otherwise SIGPIPE ends the client without a line.",
     .hint_win32 = "Exit with 1 when WSARecv completes with 0 bytes, or fails with "
                   "WSAECONNRESET, before the last echo.")
{
    loads = true;
    close_early();
}

TEST(load_no_server, .judges = CLIENT, .only = "load", .stage = COMPLETE,
     .needs = "load_talks", .points = 1, .step = 5,
     .name = "without a server load reports the error of its connect, and exits with 1",
     .hint_unix = "A non-blocking connect() fails with EINPROGRESS at first. After "
                  "EPOLLOUT or EPOLLERR, getsockopt(SO_ERROR) returns the real error.",
     .hint_win32 = "When ConnectEx has failed, GetQueuedCompletionStatus returns FALSE: "
                   "report GetLastError(). errno is 0 then.")
{
    close(listen_here()); /* a port on which no program listens now */
    struct program *client = start_load("10", "1");
    wait_error_like(client, text(under_test() == UNIX ? "load: *error %d*"
                                                      : "load: *error [1-9]*",
                                 ECONNREFUSED));
    expect_end(client, 1);
}

TEST(load_server_killed, .judges = CLIENT, .only = "load", .stage = ROBUST,
     .needs = "load_talks", .points = 1, .step = 7,
     .name = "if its server is killed, load reports it and exits with 1",
     .hint = "Check what each receive and each send returns: the connection ends, or is "
             "reset.")
{
    /* Always the UNIX program: when a program is killed while AcceptEx is under way, wineserver 8
     * sometimes crashes, and every program ends, with 0. */
    struct start_options unix_server = {.file = reference_file("06-iocp", UNIX, "server"),
                                        .of_unix = true};
    struct program *server = start_with(SERVER, unix_server, "0", NULL);
    await_ready(server);
    struct program *client = start_load("50", "10000");
    wait_line(client, "load: connected 50");
    kill_program(server);
    expect_refusal(client);
}

TEST(
    measures, .judges = CLIENT, .only = "load", .stage = COMPLETE, .needs = "load_talks",
    .points = 2, .step = 7,
    .name =
        "load: one echo of ten takes half a second; p99 shows it, and the wait costs nothing",
    .hint_unix = "Measure from before send() to the echo's last byte, with "
                 "CLOCK_MONOTONIC. p50 is the median; of ten, p99 is the greatest.",
    .hint_win32 =
        "Measure from before WSASend to the echo's last byte, with "
        "QueryPerformanceCounter. p50 is the median; of ten, p99 is the greatest.")
{
    int listener = listen_here();
    struct program *client = start_load("1", "10");
    int socket = accept_one(listener, WELCOME, sizeof WELCOME);
    for (int number = 1; number <= 10; number++) {
        char *message = expect_message(socket, number);
        if (number == 4)
            expect_idle(client, 0.5, 10);
        send_now(socket, message, strlen(message) + 1);
    }
    if (receive_message(socket, "the end of the connection") == NULL)
        close(socket);
    const char *line = wait_line_like(client,
                                      "load: latency p50 * us, p99 * us, p99.9 * us");
    double p50 = 0, p99 = 0, p999 = 0;
    sscanf(line, "load: latency p50 %lf us, p99 %lf us, p99.9 %lf us", &p50, &p99, &p999);
    expect_end(client, 0);
    if (p50 >= 500000 || p99 < 500000 || p99 > p999 || p999 > p99)
        fail_test(
            "expected p50 below 500000 us, p99 and p99.9 equal and above, since one "
            "echo of ten was held back for so long; got: %s",
            line);
}

TEST(
    load_usage, .judges = CLIENT, .only = "load", .stage = COMPLETE, .points = 1,
    .step = 1,
    .name = "wrong arguments of load are a usage line on standard error, and exit code 2",
    .hint = "Accept four arguments at most: PORT from 1 to 65535, CONNECTIONS from 1 to "
            "50000, MESSAGES from 0 to 1000000.")
{
    static const char *const wrong[][3] = {
        {"x", "1", "1"},     {"65536", "1", "1"},    {"0", "1", "1"},
        {"7710", "0", "1"},  {"7710", "50001", "1"}, {"7710", "1", "1000001"},
        {"7710", "1", "-1"}, {"7710", "1x", "1"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *client = start_with(CLIENT,
                                            (struct start_options){.name = "load"},
                                            DEFAULT_HOST, wrong[i][0], wrong[i][1],
                                            wrong[i][2], NULL);
        wait_error_like(client, "usage: *");
        expect_end(client, 2);
    }
    expect_end(start_with(CLIENT, (struct start_options){.name = "load"}, DEFAULT_HOST,
                          "7710", "1", "1", "1", NULL),
               2);
}

TEST(
    load_without_streams, .judges = CLIENT, .only = "load", .stage = ROBUST,
    .needs = "load_talks", .points = 1, .step = 1,
    .name = "load works without standard streams",
    .hint_unix = "Open /dev/null for a standard descriptor that is closed: otherwise the "
                 "next socket gets its number, and lines are sent to the server.",
    .hint_win32 = "Expect NULL from GetStdHandle(), and go on: what cannot be printed is "
                  "lost.")
{
    int listener = listen_here();
    loads = true;
    for (size_t i = 0; i < missing_count(); i++) {
        struct start_options options = {.name = "load", .closed = missing[i]};
        struct program *client = other_end =
            start_with(CLIENT, options, DEFAULT_HOST, text("%ld", port), "3", "1", NULL);
        int sockets[3];
        for (int k = 0; k < 3; k++)
            sockets[k] = accept_one(listener, WELCOME, sizeof WELCOME);
        for (int k = 0; k < 3; k++) {
            char *message = expect_message(sockets[k], 1);
            send_now(sockets[k], message, strlen(message) + 1);
        }
        for (int k = 0; k < 3; k++) {
            expect_no_message(sockets[k]);
            close(sockets[k]);
        }
        expect_end(client, 0);
    }
}

/* ---- The pair ----------------------------------------------------------------------- */

TEST(pair, .judges = PAIR, .needs = "welcomes", .points = 3, .step = 4,
     .name = "the client gets the welcome and 3 echoes, and both programs exit with 0",
     .hint = "Send every byte back on the connection on which it came, and close after "
             "the client has shut down its half.",
     .client_step = 4,
     .client_hint =
         "Send each message with its NUL, and receive its echo. After the last "
         "echo shut down the sending half, and wait for the server's close.")
{
    struct program *server = start_server();
    struct program *client = start_client("3");
    wait_line(client, "client: received \"%s\"", WELCOME);
    for (int number = 1; number <= 3; number++) {
        wait_line(client, "client: sent \"message num %d\"", number);
        wait_line(client, "client: received \"message num %d\"", number);
    }
    look_at_close();
    look_at_leaving();
    wait_line(client, "client: done");
    expect_end(client, 0);
    wait_line(server, "server: client 1 connected");
    wait_line(server, "server: client 1 left");
    end_server(server);
}

TEST(under_load, .judges = SERVER, .stage = COMPLETE, .needs = "pair", .points = 2,
     .step = 4, .name = "load gets 2,000 echoes on 400 connections",
     .hint = "Send every byte back on the connection on which it came, and close after "
             "the client has shut down its half.")
{
    struct program *server = start_server();
    struct program *load = start_load("400", "5");
    wait_line(load, "load: connected 400");
    wait_line(load, "load: echoed 1000 of 2000");
    wait_line(load, "load: echoed 2000 of 2000");
    wait_line_like(load, "load: 2000 echoes in * s, * a second");
    wait_line(load, "load: done");
    expect_end(load, 0);
    wait_left(server, 400);
    end_server(server);
}

/* The UNIX load, with 50 connections. */
static struct program *start_unix_load(const char *messages)
{
    struct start_options options = {.file = reference_file("06-iocp", UNIX, "load"),
                                    .of_unix = true};
    return start_with(CLIENT, options, DEFAULT_HOST, text("%ld", port), "50", messages,
                      NULL);
}

TEST(client_killed, .judges = SERVER, .stage = ROBUST, .needs = "echoes", .points = 1,
     .step = 6,
     .name = "when a client with 50 connections is killed, 50 clients leave, others stay",
     .hint = "End each of the 50 clients when its connection is reset, and print a line "
             "for each.")
{
    struct program *server = start_server();
    struct peer *steady = connect_peers(1);
    /* Always the UNIX program: wineserver sometimes keeps a socket of a killed one open. */
    struct program *client = start_unix_load("10000");
    wait_line(client, "load: connected 50");
    kill_program(client);
    wait_left(server, 50);
    exchange_tokens(steady, 1, 2);
}

TEST(unix_client, .judges = SERVER, .stage = COMPLETE, .needs = "echoes", .points = 1,
     .win32_only = true, .step = 6, .name = "the UNIX load talks to this server",
     .hint = "Send and expect the bytes of the contract: they are the same on both "
             "systems.")
{
    struct program *server = start_server();
    struct program *client = start_unix_load("4");
    wait_line(client, "load: done");
    expect_end(client, 0);
    end_server(server);
}

TEST(unix_server, .judges = CLIENT, .stage = COMPLETE, .needs = "talks", .points = 1,
     .win32_only = true, .step = 5, .name = "this client talks to the UNIX server",
     .hint = "Send and expect the bytes of the contract: they are the same on both "
             "systems.")
{
    struct start_options unix_server = {.file = reference_file("06-iocp", UNIX, "server"),
                                        .of_unix = true};
    struct program *server = start_with(SERVER, unix_server, "0", NULL);
    await_ready(server);
    struct program *client = start_client("4");
    wait_line(client, "client: done");
    expect_end(client, 0);
    end_server(server);
}

TEST(client_of_lab_05, .judges = SERVER, .stage = COMPLETE, .needs = "echoes",
     .points = 1, .step = 6,
     .name = "the client of lab 05, which expects no welcome, talks to this server",
     .hint = "Send the welcome's 19 bytes, then every byte that comes, in order.")
{
    struct program *server = start_server();
    struct start_options client_05 = {
        .file = reference_file("05-sockets", under_test(), "client")};
    struct program *client = start_with(CLIENT, client_05, DEFAULT_HOST,
                                        text("%ld", port), NULL);
    /* It waits for as many bytes as it has sent. The lines are as long as the welcome, so each comes
     * back one line late. */
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
        "The server waits for many clients at once, in one place. The client is one of\n"
        "them.");
    struct program *server = start_server();
    expect_end(start_client("3"), 0);
    end_server(server);
    if (only_pair())
        return;
    narrate(
        "load makes two hundred connections, with fifty messages on each. The server's lines "
        "are cut short.");
    abridge("server: client *", 3);
    server = start_server();
    expect_end(start_load("200", "50"), 0);
    end_server(server);
}

CHECKER("06-iocp", "I/O completion ports")
