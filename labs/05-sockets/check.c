/*
 * check.c - judges lab 05 from outside, by the contract alone.
 *
 * A probe (grading/probe/unix/peer.c) talks to servers and clients over TCP. It is a UNIX
 * program in every run: over TCP the system at the other end makes no difference.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contract.h"
#include "harness.h"

#define CYRILLIC "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82" /* "привет" */
#define LOOPBACK "127.0.0.1"
#define MEGABYTE (1024 * 1024)
#define QUIET 0.2 /* seconds */

/* ---- What the tests share ------------------------------------------------------------- */

/* Waits until the server is ready. Returns its port. */
static const char *port_of(struct program *server)
{
    const char *line = wait_line_like(server, "server: ready *:*");
    const char *port = strrchr(line, ':') + 1;
    if (strcmp(port, "0") == 0)
        fail_test("expected the port that the system chose, got %s; call getsockname()",
                  line);
    return port;
}

/* Waits for any line on standard error. */
static void expect_error_line(struct program *program)
{
    wait_error_that(program, "?*", "a line about the error");
}

/* Gives the peer a command. */
static void command(struct program *peer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void command(struct program *peer, const char *format, ...)
{
    char line[256];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line, sizeof line - 1, format, values);
    va_end(values);
    line[length] = '\n';
    send_bytes(peer, line, (size_t)length + 1);
}

static void connect_peer(struct program *peer, int k, const char *port)
{
    command(peer, "connect %d " LOOPBACK " %s", k, port);
    wait_line(peer, "test: %d connected", k);
}

/* Starts a peer with one connection, number 1, to `port`. */
static struct program *peer_at(const char *port)
{
    struct program *peer = start_unix_probe("peer", NULL);
    connect_peer(peer, 1, port);
    return peer;
}

/* Waits for the result of the peer's last command "read" for connection `k`. Fails if the
 * connection ended before all was received. */
static void expect_received(struct program *peer, int k)
{
    const char *line = wait_line_like(peer, text("test: %d received *", k));
    if (strstr(line, "received all") == NULL)
        fail_test("the connection ended before all was received (%s)", line);
}

/* Waits until the peer, which drains connection `k`, has received end of file. */
static void expect_stream_end(struct program *peer, int k)
{
    const char *line = wait_line_like(peer, text("test: %d received *", k));
    if (strstr(line, "received the end") == NULL)
        fail_test("the connection was not closed in order (%s)", line);
}

/* Fails unless the last bytes received on connection `k` are `bytes`. */
static void expect_last(int k, const char *what, const char *bytes, size_t length)
{
    size_t received_length;
    char *received = read_file(text("%d.received", k), &received_length);
    size_t skipped = received_length > length ? received_length - length : 0;
    expect_bytes(what, bytes, length, bytes, length, received + skipped,
                 received_length - skipped);
}

/* Sends `bytes` by the peer's command `verb` ("send", "trickle", "lockstep"), and receives the
 * echo meanwhile. Fails unless it is exact. */
static void exchange_by(const char *verb, struct program *peer, int k, const char *bytes,
                        size_t length)
{
    const char *name = token();
    write_file(name, bytes, length, 0644);
    command(peer, "%s %d %s", verb, k, name);
    if (strcmp(verb, "lockstep") != 0)
        command(peer, "read %d %zu", k, length);
    expect_received(peer, k);
    expect_last(k, "the echo", bytes, length);
}

static void exchange(struct program *peer, int k, const char *string)
{
    exchange_by("send", peer, k, string, strlen(string));
}

/* Sends `bytes` and does not wait for anything. */
static void push(struct program *peer, int k, const void *bytes, size_t length)
{
    const char *name = token();
    write_file(name, bytes, length, 0644);
    command(peer, "send %d %s", k, name);
}

/* Fails unless a new client, connection `k`, is served at `port`. */
static void expect_service(struct program *peer, int k, const char *port)
{
    connect_peer(peer, k, port);
    exchange(peer, k, token());
    command(peer, "close %d", k);
    wait_line(peer, "test: %d closed", k);
}

static void send_line(struct program *client, const char *line)
{
    send_bytes(client, text("%s\n", line), strlen(line) + 1);
}

/* ---- The pair ----------------------------------------------------------------------- */

/* Returns a socket that listens at `*port`, 0 for any port, and sets `*port` to its port.
 * Returns -1 if that fails. */
static int listen_here(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(*port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener == -1)
        kit_error("no socket");
    if (bind(listener, (struct sockaddr *)&address, size) == -1 ||
        listen(listener, 5) == -1 ||
        getsockname(listener, (struct sockaddr *)&address, &size) == -1) {
        close(listener);
        return -1;
    }
    *port = ntohs(address.sin_port);
    return listener;
}

#define PORT_HINT                                                                       \
    "Convert the port with htons(), or let getaddrinfo() do it: connect() takes it in " \
    "network byte order."

#define RECEIVES                                                                        \
    "Receive up to 1,000 bytes at once, and print all that one recv() returned in one " \
    "line." EACH_AT_ONCE

TEST(lines, .judges = PAIR, .stage = BASIC, .pair = "", .points = 2, .step = 5,
     .name = "lines are sent, received and echoed, in order, and QUIT ends the session",
     .hint = "Send back as many bytes as recv() returned. After QUIT send nothing, and "
             "close the connection in every process that has it open.",
     .client_step = 5,
     .client_hint =
         "Send the bytes of the whole line, with its blanks. Then call recv() "
         "until as many bytes have come back. After QUIT wait until it returns "
         "0.")
{
    look_at(SERVER, 3, "Call bind() and listen(), then " LINE_AT_ONCE);
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    look_at(SERVER, 4,
            "accept() returns a new socket for each client: print the line, and give the "
            "client a thread." EACH_AT_ONCE);
    look_at(CLIENT, 3, PORT_HINT);
    struct program *client = start(CLIENT, LOOPBACK, port, NULL);
    wait_line(server, "server: client 1 connected");
    look_at(CLIENT, 0, NULL);
    for (int i = 0; i < 5; i++) {
        /* Some are shorter than the one before: of that nothing may come back. */
        const char *line = i % 2 == 0 ? text("%s %s " CYRILLIC, token(), token())
                                      : text("%s " CYRILLIC, token());
        look_at(SERVER, 5, RECEIVES);
        send_line(client, line);
        wait_line(client, "client: sent \"%s\"", line);
        wait_line(server, "server: received \"%s\"", line);
        look_at(SERVER, 6,
                "Send back as many bytes as recv() returned: not strlen(bytes), nor the "
                "size of the buffer.");
        wait_line(client, "client: received \"%s\"", line);
    }
    look_at(SERVER, 5, "QUIT ends the session: leave the loop, and send nothing.");
    send_line(client, QUIT);
    look_at(
        CLIENT, 4,
        "Send the four bytes of QUIT, and print that. Then send nothing: there is no echo to "
        "wait for. If you call recv(), it returns 0." EACH_AT_ONCE);
    wait_line(client, "client: sent \"QUIT\"");
    wait_line(server, "server: received \"QUIT\"");
    look_at(
        SERVER, 7,
        under_test() == WIN32
            ? "After QUIT close the connection with closesocket(), in every process that "
              "has it open: close() is for files only." EACH_AT_ONCE
            : "After QUIT close() the connection, in every process that has it "
              "open." EACH_AT_ONCE);
    wait_line(server, "server: client 1 left");
    wait_line(client, "client: done");
    look_at(CLIENT, 6, "Close the connection, print \"client: done\" and exit with 0.");
    expect_end(client, 0);
    look_at(CLIENT, 0, NULL);
    look_at(SERVER, 0, NULL);
    if (printed_like(client, "client: received \"QUIT\""))
        fail_test("the server replied to QUIT");
}

#define STREAM_END                                                                       \
    "recv() returns 0 when the client sends no more: leave the loop. Each further call " \
    "returns 0 at once."

TEST(end_of_session, .judges = SERVER, .stage = BASIC, .needs = "lines", .pair = "",
     .points = 1, .step = 5,
     .name = "a client that closes its connection has left, and costs no processor time",
     .hint = STREAM_END)
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *peer = peer_at(port_of(server));
    exchange(peer, 1, token());
    command(peer, "close 1");
    wait_line(peer, "test: 1 closed");
    wait_line(server, "server: client 1 left");
    expect_idle(server, 0.2, 20);
}

/* Reserves port 5050, which all runs of the kit share, until the test's process ends. */
static void hold_default_port(void)
{
    static int file; /* the end of the test closes it */
    file = open(reference_file("05-sockets", UNIX, "server"), O_RDONLY | O_CLOEXEC);
    if (file == -1 || flock(file, LOCK_EX) == -1)
        kit_error("the lock for port " DEFAULT_PORT " cannot be taken");
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(DEFAULT_PORT)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1, probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(probe, (struct sockaddr *)&address, sizeof address) == -1)
        skip_test("another program uses port " DEFAULT_PORT);
    close(probe);
}

TEST(default_address, .judges = PAIR, .stage = COMPLETE, .needs = "lines", .pair = "",
     .points = 1, .step = 3, .name = "without arguments both use 127.0.0.1, port 5050",
     .hint = "Convert the port with htons(), or let getaddrinfo() do it: the "
             "address has it in network byte order.",
     .client_step = 3,
     .client_hint = "Convert the port with htons(), or let getaddrinfo() do it: "
                    "connect() takes it in network byte order.")
{
    hold_default_port();
    struct program *server = start(SERVER, NULL);
    wait_line(server, "server: ready " DEFAULT_HOST ":" DEFAULT_PORT);
    struct program *client = start(CLIENT, NULL);
    const char *word = token();
    send_line(client, word);
    wait_line(server, "server: received \"%s\"", word);
    wait_line(client, "client: received \"%s\"", word);
    close_input(client);
    expect_end(client, 0);
}

TEST(two_clients, .judges = PAIR, .stage = COMPLETE, .needs = "lines", .pair = "",
     .points = 2, .step = 4, .name = "two clients at once each get their own echo",
     .hint =
         "Give each client a thread of its own, and each thread a variable of its own "
         "for its client: the next client overwrites the loop's variable.",
     .client_step = 5,
     .client_hint = "Wait for the echo of a line before you send the next.")
{
    struct program *server = start(SERVER, "0", NULL), *clients[2];
    const char *port = port_of(server);
    for (int i = 0; i < 2; i++)
        clients[i] = start(CLIENT, LOOPBACK, port, NULL);
    for (int i = 0; i < 6; i++) {
        const char *word = token();
        send_line(clients[i % 2], word);
        wait_line(clients[i % 2], "client: received \"%s\"", word);
    }
    look_at(SERVER, 5, STREAM_END);
    for (int i = 0; i < 2; i++) {
        close_input(clients[i]);
        expect_end(clients[i], 0);
    }
    wait_line_like(server, "server: client [12] left");
    wait_line_like(server, "server: client [12] left");
}

TEST(
    long_lines, .judges = PAIR, .stage = COMPLETE, .needs = "lines", .pair = "",
    .points = 2, .step = 6,
    .name = "lines of any length come back whole: around 1000, 1024, 4096, 65536 bytes",
    .hint = "Call send() again with the rest until all is sent. A longer text "
            "that ends in QUIT is not QUIT: compare its length first.",
    .client_step = 5,
    .client_hint =
        "Send each part from where the one before has ended. Call recv() until as many "
        "bytes have come back as were sent. Send no part of a longer line as QUIT alone.")
{
    /* All but the shortest end in QUIT. After parts of 500, 512, 1000 bytes and so on, that could be
     * the last part. */
    static const size_t lengths[] = {1,     3,     4,     5,     996,  999,  1000,
                                     1001,  1003,  1004,  1005,  1023, 1024, 1025,
                                     1028,  1504,  2004,  2052,  4096, 4100, 8196,
                                     16388, 65535, 65536, 65537, 2};
    struct program *server = start(SERVER, "0", NULL);
    struct program *client = start(CLIENT, LOOPBACK, port_of(server), NULL);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char *line = random_bytes(lengths[i] + 1, 'a', 'z');
        line[lengths[i]] = '\0';
        if (lengths[i] > 4)
            memcpy(line + lengths[i] - 4, QUIT, 4);
        send_line(client, line);
        wait_line(client, "client: received \"%s\"", line);
    }
    close_input(client);
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(by_name, .judges = PAIR, .stage = COMPLETE, .needs = "lines", .pair = "",
     .points = 1, .step = 3,
     .name = "the client finds a server by name, whichever address it listens on",
     .hint = "Bind to the ADDRESS given, of IPv4 or of IPv6, and print it in the "
             "line \"server: ready\".",
     .client_step = 3,
     .client_hint = "getaddrinfo() returns a list: call connect() with one address "
                    "after the other.")
{
    /* Each machine has its own addresses for this name: one of them, or both. */
    struct addrinfo *list, hints = {.ai_socktype = SOCK_STREAM};
    if (getaddrinfo("localhost", NULL, &hints, &list) != 0)
        skip_test("this machine has no name localhost");
    for (struct addrinfo *one = list; one != NULL; one = one->ai_next) {
        char address[64];
        getnameinfo(one->ai_addr, one->ai_addrlen, address, sizeof address, NULL, 0,
                    NI_NUMERICHOST);
        struct program *server = start(SERVER, "0", address, NULL);
        struct program *client = start(CLIENT, "localhost", port_of(server), NULL);
        const char *word = token();
        send_line(client, word);
        wait_line(client, "client: received \"%s\"", word);
        kill_program(client);
        kill_program(server);
    }
    freeaddrinfo(list);
}

TEST(six_and_four, .judges = PAIR, .stage = COMPLETE, .needs = "lines", .pair = "",
     .points = 1, .step = 3, .name = "a server at :: is reached by IPv6 and by IPv4",
     .hint = "Set IPV6_V6ONLY to 0 before bind(): its default is not the same "
             "everywhere.",
     .client_step = 3,
     .client_hint = "Ask getaddrinfo() for any family: AF_UNSPEC, not AF_INET.")
{
    look_at(
        SERVER, 3,
        "Let getaddrinfo() convert ADDRESS: it takes IPv4 and IPv6. Print [::]:PORT.");
    struct program *server = start(SERVER, "0", "::", NULL);
    const char *port = strrchr(wait_line_like(server, "server: ready \\[::\\]:*"), ':') +
                       1;
    look_at(SERVER, 0, NULL);
    static const char *const addresses[] = {"127.0.0.1", "::1"};
    for (size_t i = 0; i < 2; i++) {
        struct program *client = start(CLIENT, addresses[i], port, NULL);
        const char *word = token();
        send_line(client, word);
        wait_line(client, "client: received \"%s\"", word);
        close_input(client);
        expect_end(client, 0);
    }
}

/* The program that will be killed is a UNIX program in every run: Wine 8 sometimes keeps the
 * connection of a killed Windows program open. */
static struct program *start_reference(enum role role, const char *first,
                                       const char *second)
{
    const char *name = role == SERVER ? "server" : "client";
    return start_with(role,
                      (struct start_options){.file = reference_file("05-sockets", UNIX,
                                                                    name),
                                             .of_unix = true},
                      first, second, NULL);
}

TEST(client_killed, .judges = SERVER, .stage = ROBUST, .needs = "lines", .pair = "",
     .points = 1, .step = 5,
     .name =
         "when a client is killed, the server reports that it left, and serves the next",
     .hint = "recv() that returns 0 or fails is the end of one client, not of "
             "the server.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server), *word = token();
    struct program *client = start_reference(CLIENT, LOOPBACK, port);
    send_line(client, word);
    wait_line(client, "client: received \"%s\"", word);
    kill_program(client);
    wait_line(server, "server: client 1 left");
    client = start_reference(CLIENT, LOOPBACK, port);
    send_line(client, word);
    wait_line(client, "client: received \"%s\"", word);
}

TEST(server_killed, .judges = CLIENT, .stage = ROBUST, .needs = "lines", .pair = "",
     .points = 1, .step = 5,
     .name =
         "when the server is killed, the client reports it at its next line, exit code 1",
     .hint = "recv() that returns 0 is no reply: print a line on standard error, "
             "and exit with 1.")
{
    struct program *server = start_reference(SERVER, "0", NULL);
    struct program *client = start(CLIENT, LOOPBACK, port_of(server), NULL);
    send_line(client, "one");
    wait_line(client, "client: received \"one\"");
    kill_program(server);
    offer_bytes(client, "two\n", 4); /* the client may have exited already */
    expect_error_line(client);
    expect_end(client, 1);
}

/* ---- Across the systems --------------------------------------------------------------- */

TEST(client_of_unix, .judges = SERVER, .stage = COMPLETE, .needs = "lines", .pair = "",
     .win32_only = true, .points = 2, .step = 5,
     .name = "a client of UNIX talks to the Windows server",
     .hint = "Send the bytes that came, and no NUL, no newline, no UTF-16.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *client = start_with(
        CLIENT,
        (struct start_options){.file = reference_file("05-sockets", UNIX, "client"),
                               .of_unix = true},
        LOOPBACK, port_of(server), NULL);
    const char *line = text("%s " CYRILLIC, token());
    send_line(client, line);
    wait_line(server, "server: received \"%s\"", line);
    wait_line(client, "client: received \"%s\"", line);
    send_line(client, QUIT);
    wait_line(server, "server: client 1 left");
    expect_end(client, 0);
}

TEST(server_of_unix, .judges = CLIENT, .stage = COMPLETE, .needs = "lines", .pair = "",
     .win32_only = true, .points = 2, .step = 5,
     .name = "the Windows client talks to a server of UNIX",
     .hint = "Send the bytes of the line, and no NUL, no newline, no UTF-16.")
{
    struct program *server = start_with(
        SERVER,
        (struct start_options){.file = reference_file("05-sockets", UNIX, "server"),
                               .of_unix = true},
        "0", NULL);
    struct program *client = start(CLIENT, LOOPBACK, port_of(server), NULL);
    const char *line = text("%s " CYRILLIC, token());
    send_line(client, line);
    wait_line(server, "server: received \"%s\"", line);
    wait_line(client, "client: received \"%s\"", line);
    send_line(client, QUIT);
    wait_line(server, "server: client 1 left");
    expect_end(client, 0);
}

/* ---- Across hosts ----------------------------------------------------------------------- */

TEST(two_hosts, .judges = PAIR, .stage = COMPLETE, .needs = "lines", .pair = "",
     .points = 1, .step = 3,
     .name = "a server and a client on two hosts talk over the network between them",
     .hint = "Bind to the ADDRESS given: no other machine reaches 127.0.0.1.",
     .client_step = 3, .client_hint = "Connect to the HOST given, not to 127.0.0.1.")
{
    if (on_windows())
        skip_test("needs two machines, or Linux with its network namespaces");
    const char *word = token();
    struct program *hosts =
        start_with(SERVER,
                   (struct start_options){.name = "two-hosts",
                                          .file = tool_file("two-hosts"),
                                          .of_unix = true},
                   under_test() == UNIX ? "unix" : "win32", path_of(SERVER, NULL),
                   path_of(CLIENT, NULL), word, NULL);
    static const char skipped[] = "two-hosts: skipped: ";
    const char *line = wait_line_like(hosts, "*[:] [rs]*");
    if (strncmp(line, skipped, strlen(skipped)) == 0)
        skip_test("%s", line + strlen(skipped));
    wait_line(hosts, "client: received \"%s\"", word);
    wait_line(hosts, "client: done");
    wait_line(hosts, "server: client 1 left");
    expect_end(hosts, 0);
}

/* ---- The server --------------------------------------------------------------------- */

TEST(any_bytes, .judges = SERVER, .stage = COMPLETE, .needs = "lines", .pair = "",
     .points = 2, .step = 6, .name = "every byte comes back as it was sent, 0x00 to 0xFF",
     .hint = "Use the length that recv() returned. strlen(), strcpy() and "
             "printf() stop at a byte of value 0.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *peer = peer_at(port_of(server));
    char bytes[256];
    for (int byte = 0; byte < 256; byte++)
        bytes[byte] = (char)byte;
    exchange_by("send", peer, 1, bytes, sizeof bytes);
    exchange_by("send", peer, 1, "a\0b\x1A\xFF\"\\\r\n", 9);
    wait_line(server, "server: received \"a\\0b\\x1A\\xFF\\\"\\\\\\x0D\\n\"");
    exchange(peer, 1, "longer text");
    exchange(peer, 1, "short");
    wait_line(server, "server: received \"short\"");
}

TEST(any_pieces, .judges = SERVER, .stage = COMPLETE, .needs = "lines", .pair = "",
     .points = 2, .step = 6,
     .name = "bytes come back in order, sent singly or a megabyte at once",
     .hint = "send() may take a part only: call it again with the rest.")
{
    static const size_t lengths[] = {1,    1000, 1023,  1024,  1025, 4095,
                                     4096, 4097, 65536, 65537, 1};
    struct program *server = start(SERVER, "0", NULL);
    struct program *peer = peer_at(port_of(server));
    exchange_by("trickle", peer, 1, random_bytes(300, 'a', 'z'), 300);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        exchange_by("send", peer, 1, random_bytes(lengths[i], 'a', 'z'), lengths[i]);
    exchange_by("send", peer, 1, random_bytes(MEGABYTE, 'a', 'z'), MEGABYTE);
    exchange_by("lockstep", peer, 1, random_bytes(20, 'a', 'z'), 20);
}

TEST(quit, .judges = SERVER, .stage = COMPLETE, .needs = "two_clients", .pair = "",
     .points = 2, .step = 5,
     .name = "QUIT ends its own session, without a reply, and no other",
     .hint = "Compare the length that recv() returned, and the bytes with "
             "memcmp(): they are no string.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    connect_peer(peer, 2, port);
    exchange(peer, 1, token());
    exchange(peer, 2, token());
    push(peer, 2, QUIT, QUIT_SIZE);
    command(peer, "drain 2");
    expect_stream_end(peer, 2);
    size_t length;
    read_file("2.received", &length);
    look_at(SERVER, 5, "QUIT has no echo: compare before you send, and leave the loop.");
    if (length != strlen(token()))
        fail_test("%zu more bytes came after the echo of the first text",
                  length - strlen(token()));
    look_at(SERVER, 0, NULL);
    wait_line(server, "server: received \"QUIT\"");
    wait_line_like(server, "server: client [12] left");
    exchange(peer, 1, token());
    connect_peer(peer, 3, port);
    push(peer, 3, QUIT, QUIT_SIZE); /* as the first word, too */
    command(peer, "drain 3");
    expect_stream_end(peer, 3);
}

TEST(
    quit_in_text, .judges = SERVER, .stage = COMPLETE, .needs = "quit", .pair = "",
    .points = 2, .step = 5,
    .name = "QUIT as a part of a longer piece is text, and so are its letters one by one",
    .hint = "Take only four bytes that arrive alone for QUIT. QUIT with a line "
            "end, at the beginning or at the end of a longer text is text. So "
            "are bytes that were sent back before. Let recv() take 1,000 bytes at "
            "once.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *peer = peer_at(port_of(server));
    static const char *const texts[] = {"QUITTER", "xQUIT",    "QUIT\n", "QUIT\r\n",
                                        "QUIT\r",  "QUITQUIT", "quit",   "QUI",
                                        " QUIT",   "QUIT "};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        in_case("with the text \"%s\"", texts[i]);
        exchange(peer, 1, texts[i]);
    }
    in_case("with QUIT and a NUL");
    exchange_by("send", peer, 1, "QUIT", 5);
    in_case("with %d bytes that end in QUIT", PIECE_SIZE);
    char *piece = random_bytes(PIECE_SIZE + 1, 'a', 'z');
    snprintf(piece + PIECE_SIZE - QUIT_SIZE, QUIT_SIZE + 1, "%s", QUIT);
    exchange(peer, 1, piece);
    wait_line(server, "server: received \"%s\"", piece); /* received as one */
    in_case("with the letters of QUIT one by one");
    exchange_by("lockstep", peer, 1, QUIT, QUIT_SIZE);
    exchange(peer, 1, token());
}

TEST(half_close, .judges = SERVER, .stage = COMPLETE, .needs = "lines", .pair = "",
     .points = 2, .step = 7,
     .name =
         "a client that has finished sending still gets every echo, and then end of file",
     .hint = "recv() returns 0 when the client sends no more. It still reads: "
             "send all echoes before you close.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *peer = peer_at(port_of(server));
    size_t length = 300 * 1000;
    char *bytes = random_bytes(length, 'a', 'z');
    push(peer, 1, bytes, length);
    command(peer, "shut 1");
    command(peer, "drain 1");
    expect_stream_end(peer, 1);
    size_t got;
    char *received = read_file("1.received", &got);
    expect_bytes("the echo", NULL, 0, bytes, length, received, got);
    wait_line(server, "server: client 1 left");
}

TEST(says_nothing, .judges = SERVER, .stage = COMPLETE, .needs = "half_close", .pair = "",
     .points = 1, .step = 7,
     .name =
         "a client that connects and sends nothing is counted, and its connection closed",
     .hint = "The first recv() may return 0.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *peer = peer_at(port_of(server));
    wait_line(server, "server: client 1 connected");
    command(peer, "shut 1");
    command(peer, "drain 1");
    expect_stream_end(peer, 1);
    wait_line(server, "server: client 1 left");
    if (printed_like(server, "server: received *"))
        fail_test("the server printed \"received\", but nothing was sent");
}

TEST(stopped, .judges = SERVER, .stage = ROBUST, .needs = "lines", .pair = "",
     .unix_only = true, .points = 1, .step = 5,
     .name = "a server that is stopped and continued goes on",
     .hint = "sigwaitinfo() and epoll_wait() fail with EINTR after SIGSTOP and SIGCONT: "
             "call them again.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *peer = peer_at(port_of(server));
    exchange(peer, 1, token());
    let_block();
    send_signal(server, SIGSTOP);
    send_signal(server, SIGCONT);
    exchange(peer, 1, token());
}

TEST(resets, .judges = SERVER, .stage = ROBUST, .needs = "lines", .pair = "", .points = 2,
     .step = 5, .name = "a client that resets its connection affects no other client",
     .hint_unix = "Ignore SIGPIPE, so that send() fails with EPIPE. An error of "
                  "recv() or send() is the end of one client, not of the server.",
     .hint_win32 = "An error of recv() or send(), WSAECONNRESET for example, is the "
                   "end of one client, not of the server.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    for (int k = 2; k < 22; k++) {
        connect_peer(peer, k, port);
        /* On Windows accept() can fail for a client that was reset before: it is not reported. */
        if (k % 3 == 0 || (k % 3 == 2 && on_windows()))
            exchange(peer, k, token());
        if (k % 3 == 1) { /* its echoes are on their way */
            push(peer, k, random_bytes(100000, 'a', 'z'), 100000);
            wait_line(peer, "test: %d sent", k);
            command(peer, "shut %d", k);
        }
        command(peer, "reset %d", k);
        wait_line(peer, "test: %d closed", k);
    }
    /* Bytes, end of file and a reset, all before the server runs again: on UNIX its send() then
     * raises SIGPIPE. */
    connect_peer(peer, 22, port);
    exchange(peer, 22, token());
    if (under_test() == UNIX)
        send_signal(server, SIGSTOP);
    push(peer, 22, random_bytes(3000, 'a', 'z'), 3000);
    wait_line(peer, "test: 22 sent");
    command(peer, "shut 22");
    command(peer, "settle 22");
    wait_line(peer, "test: 22 settled");
    command(peer, "reset 22");
    wait_line(peer, "test: 22 closed");
    if (under_test() == UNIX)
        send_signal(server, SIGCONT);
    exchange(peer, 1, token());
    expect_service(peer, 30, port);
    for (int k = 0; k < 22; k++)
        wait_line_like(server, "server: client * left");
    if (!is_running(server))
        fail_test("expected the server to go on, but it has exited");
}

/* Waits until the server has printed nothing for QUIET seconds, except about the messages that
 * this function sends on connection `k`. */
static void await_quiet(struct program *server, struct program *peer, int k)
{
    for (double since = now(); now() - since < QUIET;) {
        size_t before = count_lines(server, "server: *");
        exchange(peer, k, token());
        if (count_lines(server, "server: *") > before + 1)
            since = now();
    }
}

TEST(
    never_reads, .judges = SERVER, .stage = ROBUST, .needs = "lines", .pair = "",
    .points = 3, .step = 6,
    .name = "a client that sends much and reads late: no other waits, memory stays small",
    .hint = "Receive nothing from a client while it does not receive its echoes: "
            "TCP then makes it wait. Otherwise it fills your memory, or blocks "
            "the server in send() for all others.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    exchange(peer, 1, token());
    struct resources before = resources_of(server);
    static char letters[16 * MEGABYTE];
    memset(letters, 'x', sizeof letters);
    push(peer, 1, letters, sizeof letters);
    for (int i = 0; i < 5; i++)
        expect_service(peer, 2, port);
    command(peer, "stall 1");
    wait_line_like(peer, "test: 1 s*");
    /* The server may still be working on what it has received. */
    connect_peer(peer, 3, port);
    await_quiet(server, peer, 3);
    struct resources during = resources_of(server);
    if (!instrumented() && during.memory > before.memory + CLIENT_LIMIT)
        fail_test(
            "the server takes %zu more bytes of memory for a client that reads nothing, the limit is %d",
            during.memory - before.memory, CLIENT_LIMIT);
    expect_idle(server, 0.3, 10);
    command(peer, "reset 1");
    command(peer, "close 3");
    expect_service(peer, 2, port);
    wait_line(server, "server: client 1 left");
}

TEST(reads_late, .judges = SERVER, .stage = ROBUST, .needs = "never_reads", .pair = "",
     .points = 1, .step = 6,
     .name = "echoes that had to wait come whole and in order when the client reads",
     .hint = "Keep the bytes that send() did not take, and send them later.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    size_t length = 2 * MEGABYTE;
    char *bytes = random_bytes(length, 'a', 'z');
    push(peer, 1, bytes, length);
    command(peer, "stall 1");
    wait_line_like(peer, "test: 1 s*");
    expect_service(peer, 2, port);
    command(peer, "read 1 %zu", length);
    expect_received(peer, 1);
    expect_last(1, "the echo", bytes, length);
}

/* Fails if the server has many zombies: children that have ended, and that it has not waited for.
 * A few may have ended just now, or some servers look only when the next client connects. */
static void expect_reaped(struct program *server)
{
    enum { FEW = 10 };
    size_t zombies = 0;
    for (double end = now() + 1; now() < end; usleep(10000))
        if ((zombies = zombies_of(server)) <= FEW)
            return;
    fail_test(
        "%zu child processes of the server have ended, and it has not waited for them",
        zombies);
}

TEST(hundred_at_once, .judges = SERVER, .stage = COMPLETE, .needs = "two_clients",
     .pair = "", .points = 2, .step = 4,
     .name = "100 clients come at once, 50 stay until all 50 are served; all are served",
     .hint = "Give each client its own thread, or its own place in the table. If "
             "there is no place, let it wait until one is free. Pass SOMAXCONN "
             "to listen().")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    command(peer, "crowd 100 50 " LOOPBACK " %s", port);
    wait_line(peer, "test: crowd served 100");
    for (int i = 0; i < 100; i++)
        wait_line_like(server, "server: client * left");
    if (!printed_like(server, "server: client 100 connected"))
        fail_test("expected the line \"server: client 100 connected\"");
}

TEST(all_reaped, .judges = SERVER, .stage = ROBUST, .needs = "lines", .pair = "",
     .unix_only = true, .points = 1, .step = 4,
     .name = "child processes that end at the same moment are all waited for",
     .hint = "One SIGCHLD may stand for several children: call waitpid() with "
             "WNOHANG until it returns no more of them.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    for (int i = 0; i < 2; i++) {
        command(peer, "crowd 50 50 " LOOPBACK " %s", port);
        wait_line(peer, "test: crowd served 50");
    }
    /* Some servers wait for children only when a client connects. */
    for (int i = 0; i < 2; i++)
        expect_service(peer, 1, port);
    expect_reaped(server);
}

TEST(no_descriptors, .judges = SERVER, .stage = ROBUST, .needs = "hundred_at_once",
     .pair = "", .unix_only = true, .points = 2, .step = 4,
     .name = "24 clients, and descriptors for fewer: the rest wait until others leave",
     .hint = "accept() fails with EMFILE: go on. The listener stays ready, "
             "so do not call accept() again before a client has left.")
{
    if (instrumented())
        skip_test(
            "valgrind has a limit of its own, and closes what it accepts beyond it");
    /* A server may need two or three descriptors for a client. Some clients wait in the queue of the
     * listener. If it is short, the peer connects again until there is room. */
    enum { CLIENTS = 24, FIRST = 4, DESCRIPTORS = 24 };
    struct program *server =
        start_with(SERVER, (struct start_options){.descriptors = DESCRIPTORS}, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    const char *words[CLIENTS + 1];
    for (int k = 1; k <= CLIENTS; k++) {
        command(peer, "reach %d " LOOPBACK " %s", k, port);
        words[k] = token();
        push(peer, k, words[k], strlen(words[k]));
    }
    for (int k = 1; k <= CLIENTS; k++) {
        command(peer, "read %d %zu", k, strlen(words[k]));
        expect_received(peer, k);
        expect_last(k, "the echo", words[k], strlen(words[k]));
        if (k == FIRST) {
            /* Up to here other clients were accepted. Now only these are served, or none waits. */
            await_quiet(server, peer, 1);
            for (int i = 1; i <= FIRST; i++)
                exchange(peer, i, token());
            if (!printed_like(server, text("server: client %d connected", CLIENTS)))
                expect_idle(server, 0.5, 30);
            for (int i = 1; i <= FIRST; i++)
                command(peer, "close %d", i);
        } else if (k > FIRST) {
            command(peer, "close %d", k);
        }
    }
    for (int k = 1; k <= CLIENTS; k++)
        wait_line_like(server, "server: client * left");
    expect_service(peer, 1, port);
}

TEST(high_descriptors, .judges = SERVER, .stage = ROBUST, .needs = "lines", .pair = "",
     .unix_only = true, .points = 1, .step = 4,
     .name = "clients with descriptors of 1,024 and above affect no others",
     .hint = "FD_SET() with a descriptor of FD_SETSIZE or above writes beyond "
             "the set: close such a connection, or use poll().")
{
    if (instrumented())
        skip_test("valgrind has descriptors of its own");
    /* A server with a process for each client has CLIENTS * TAKEN: a cell allows 24,000. */
    enum { CLIENTS = 20, TAKEN = 1015, NEEDED = 2000 };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == -1 || files.rlim_max < NEEDED)
        skip_test("needs 2,000 descriptors a process (ulimit -Hn)");
    struct program *server = start_with(SERVER, (struct start_options){.taken = TAKEN},
                                        "0", NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    exchange(peer, 1, token());
    for (int k = 2; k <= CLIENTS; k++) { /* served, closed, or waiting */
        connect_peer(peer, k, port);
        push(peer, k, token(), strlen(token()));
        exchange(peer, 1, token());
    }
    expect_idle(server, 0.3, 30);
    for (int k = 2; k <= CLIENTS; k++) {
        command(peer, "close %d", k);
        wait_line(peer, "test: %d closed", k);
    }
    expect_service(peer, 2, port);
    exchange(peer, 1, token());
    if (!is_running(server))
        fail_test("expected the server to go on, but it has exited");
}

TEST(no_threads, .judges = SERVER, .stage = ROBUST, .needs = "hundred_at_once",
     .pair = "", .unix_only = true, .points = 1, .step = 4,
     .name = "without room for a thread the server refuses one client, and goes on",
     .hint = "pthread_create() or fork() can fail: close this client's connection, "
             "and go on.")
{
    if (instrumented())
        skip_test("valgrind and the sanitizers need more memory than the test leaves");
    /* All threads use one heap: each further heap would take 64 MB of addresses. */
    static const char *const environment[] = {"MALLOC_ARENA_MAX=1", NULL};
    struct program *server =
        start_with(SERVER, (struct start_options){.environment = environment}, "0", NULL);
    const char *port = port_of(server);
    limit_addresses(server, 64 * MEGABYTE); /* it keeps what it has allocated before */
    struct program *peer = peer_at(port);
    int k = 1;
    bool served = true;
    while (served && k < 50) { /* a server may let further clients wait */
        connect_peer(peer, ++k, port);
        const char *word = token();
        push(peer, k, word, strlen(word));
        command(peer, "read %d %zu", k, strlen(word));
        const char *line = wait_line_like(peer, text("test: %d received *", k));
        served = strstr(line, "received all") != NULL;
        exchange(peer, 1, token());
    }
    for (int i = 2; i <= k; i++)
        command(peer, "close %d", i);
    for (int i = 2; i <= (served ? k : k - 1); i++)
        wait_line_like(server, "server: client * left");
    expect_service(peer, 2, port);
    exchange(peer, 1, token());
}

/* Up to `count` clients connect, each after the one before, for at most half a second. Returns how
 * many there were. Fails unless all were served. */
static int serve_series(struct program *peer, const char *port, int count)
{
    int came, served;
    command(peer, "series %d " LOOPBACK " %s", count, port);
    const char *line = wait_line_like(peer, "test: series served *");
    if (sscanf(line, "test: series served %d of %d", &served, &came) != 2 ||
        served != came)
        fail_test("expected all clients of a series to be served, got: %s", line);
    return served;
}

/* Waits up to a second until no process listens at the port. A killed server may have processes of
 * its own, which end a little later. */
static void await_refusal(struct program *peer, int k, const char *port)
{
    for (double end = now() + 1; now() < end; usleep(10000)) {
        command(peer, "connect %d " LOOPBACK " %s", k, port);
        if (strstr(wait_line_like(peer, text("test: %d *", k)), "refused") != NULL)
            return;
        command(peer, "close %d", k);
        wait_line(peer, "test: %d closed", k);
    }
}

TEST(leaks_nothing, .judges = SERVER, .stage = ROBUST, .needs = "lines", .pair = "",
     .points = 2, .step = 7,
     .name = "2,000 clients, or those of a second, leave nothing open or allocated",
     .hint_unix = "On every way out close() the socket and free() what belongs to the "
                  "client. Call pthread_detach() for its thread, or waitpid() for its "
                  "process.",
     .hint_win32 = "On every way out call closesocket(), free the client's memory, and "
                   "call CloseHandle() for its thread and its events.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    int count = serve_series(peer, port, 50);
    wait_line(server, "server: client %d left", count);
    struct resources before = resources_of(server);
    count += serve_series(peer, port, 1950);
    wait_line(server, "server: client %d left", count);
    expect_service(peer, 1, port);
    struct resources after = resources_of(server);
    expect_reaped(server);
    if (after.descriptors > before.descriptors + 10)
        fail_test("%d clients have left %zu descriptors open", count,
                  after.descriptors - before.descriptors);
    if (instrumented())
        return;
    /* Threads that are ending need memory, too. But a leak grows with each series. */
    const size_t slack = under_test() == UNIX ? 16384 : MEGABYTE;
    size_t held = before.memory, holds = after.memory;
    for (int series = 1; holds > held + slack; series++) {
        if (series == (under_test() == UNIX ? 4 : 2))
            fail_test("%d clients have left %zu bytes in use", count,
                      holds - before.memory);
        held = holds;
        count += serve_series(peer, port, 1950);
        wait_line(server, "server: client %d left", count + 1);
        holds = resources_of(server).memory;
    }
}

/* Connection `k` sends `count` messages, each after the echo of the one before. */
static void talk(struct program *peer, int k, int count)
{
    long talked;
    command(peer, "talk %d %d %d", k, under_test() == UNIX ? 200 : PIECE_SIZE, count);
    const char *line = wait_line_like(peer, text("test: %d talked *", k));
    if (sscanf(line, "test: %*d talked %ld", &talked) != 1 || talked != count)
        fail_test("of %d messages not all came back: %s", count, line);
}

TEST(long_talk, .judges = SERVER, .stage = ROBUST, .needs = "leaks_nothing", .pair = "",
     .points = 1, .step = 6,
     .name = "memory does not grow with the messages of one connection",
     .hint = "free() what you allocate for a message, such as a copy of its "
             "text, before you receive the next.")
{
    if (instrumented())
        skip_test("valgrind and the sanitizers keep memory that is free");
    struct program *server = start_with(
        SERVER, (struct start_options){.output_limit = (size_t)256 << 20}, "0", NULL);
    struct program *peer = peer_at(port_of(server));
    const int count = under_test() == UNIX ? 5000 : 800;
    talk(peer, 1, count); /* the memory of the first messages is used again */
    const size_t slack = under_test() == UNIX ? MEGABYTE / 16 : MEGABYTE / 2;
    size_t held = resources_of(server).memory;
    for (int talks = 1;; talks++) {
        talk(peer, 1, count);
        size_t holds = resources_of(server).memory;
        if (holds <= held + slack)
            break;
        if (talks == 3)
            fail_test("the last %d messages of a connection took %zu bytes of memory",
                      count, holds - held);
        held = holds;
    }
}

TEST(restart, .judges = SERVER, .stage = ROBUST, .needs = "lines", .pair = "",
     .points = 2, .step = 3,
     .name = "a server that was killed can be started again at once on the same port",
     .hint_unix = "Set SO_REUSEADDR before bind(): connections that the server closed "
                  "first hold the port for a minute.",
     .hint_win32 = "Set SO_EXCLUSIVEADDRUSE before bind(), and let no child process "
                   "hold a connection: it would hold the port.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    push(peer, 1, QUIT,
         QUIT_SIZE); /* the server closes first: TIME_WAIT is on its side */
    command(peer, "drain 1");
    expect_stream_end(peer, 1);
    command(peer, "close 1");
    wait_line(server, "server: client 1 left");
    connect_peer(peer, 2, port);
    exchange(peer, 2, token());
    kill_program(server);
    await_refusal(peer, 4, port);
    server = start(SERVER, port, NULL);
    wait_line(server, "server: ready " DEFAULT_HOST ":%s", port);
    expect_service(peer, 3, port);
}

TEST(
    port_taken, .judges = SERVER, .stage = COMPLETE, .needs = "lines", .pair = "",
    .points = 2, .step = 3,
    .name = "a second server on the port prints an error, exit code 1; the first goes on",
    .hint_unix = "Check bind(): it fails with EADDRINUSE.",
    .hint_win32 = "Check bind(). Do not set SO_REUSEADDR, which lets the second "
                  "server take the port; set SO_EXCLUSIVEADDRUSE.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *second = start(SERVER, port, NULL);
    wait_error_like(second, "server: *error *");
    expect_end(second, 1);
    if (printed_like(second, "server: ready*"))
        fail_test("the second server printed \"ready\", although the first has the port");
    struct program *peer = start_unix_probe("peer", NULL);
    expect_service(peer, 1, port);
    wait_line(server, "server: client 1 left");
}

/* Waits for a line "NAME: CALL: error N: text" on standard error. Fails unless N is `number` or
 * `other`. */
static void expect_error_number(struct program *program, const char *name, int number,
                                int other)
{
    const char *line = wait_error_like(program, text("%s: *error *", name));
    int got = 0;
    if (sscanf(strstr(line, "error ") + strlen("error "), "%d", &got) != 1 ||
        (got != number && got != other))
        fail_test("expected error %d, got \"%s\"", number, line);
}

#define WSAEACCES 10013
#define WSAEADDRINUSE 10048
#define WSAECONNREFUSED 10061

TEST(error_number, .judges = SERVER, .stage = COMPLETE, .needs = "port_taken", .pair = "",
     .points = 1, .step = 3,
     .name = "the line about a failed call has the number of its error",
     .hint_unix = "Take the number from errno before any other call, and print it "
                  "with strerror().",
     .hint_win32 = "Take the number from WSAGetLastError(). Winsock does not set "
                   "errno.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *second = start(SERVER, port_of(server), NULL);
    if (under_test() == UNIX)
        expect_error_number(second, "server", EADDRINUSE, EADDRINUSE);
    else /* WSAEACCES if the first server has SO_EXCLUSIVEADDRUSE */
        expect_error_number(second, "server", WSAEADDRINUSE, WSAEACCES);
    expect_end(second, 1);
}

TEST(only_here, .judges = SERVER, .stage = COMPLETE, .needs = "lines", .pair = "",
     .points = 1, .step = 3,
     .name = "without an ADDRESS the server listens only on 127.0.0.1",
     .hint = "Bind to the ADDRESS given. INADDR_ANY opens the server to the "
             "whole network.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    command(peer, "connect 1 127.0.0.2 %s", port);
    wait_line(peer, "test: 1 refused");
    expect_service(peer, 2, port);
    server = start(SERVER, "0", "127.0.0.2", NULL);
    command(peer, "connect 1 127.0.0.2 %s", port_of(server));
    wait_line(peer, "test: 1 connected");
    exchange(peer, 1, token());
    command(peer, "close 1");
    wait_line(server, "server: client 1 left");
}

TEST(ends_in_order, .judges = SERVER, .stage = COMPLETE, .needs = "lines", .pair = "",
     .points = 1, .step = 2,
     .name = "on Ctrl-C the server exits with 0, and its clients get end of file",
     .hint_unix =
         "Handle SIGINT and SIGTERM before the loop, or call end_on_interrupt(): "
         "print \"server: done\" and exit with 0.",
     .hint_win32 = "Call end_on_interrupt() before the loop, or install a handler with "
                   "SetConsoleCtrlHandler: print \"server: done\" and exit with 0. "
                   "Without one Ctrl-C ends the process at once.")
{
    static const int signals[] = {SIGINT, SIGTERM};
    for (int i = 0; i < (under_test() == UNIX ? 2 : 1); i++) {
        struct program *server = start(SERVER, "0", NULL);
        struct program *peer = peer_at(port_of(server));
        exchange(peer, 1, token());
        send_signal(server, signals[i]);
        wait_line(server, "server: done");
        expect_end(server, 0);
        look_at(
            SERVER, 2,
            "The end of the process closes every socket, if no child has a copy of it.");
        /* Another process of the server may serve this client to the end. */
        command(peer, "shut 1");
        command(peer, "drain 1");
        wait_line_like(peer, "test: 1 received *");
        look_at(SERVER, 0, NULL);
    }
}

TEST(ends_when_busy, .judges = SERVER, .stage = ROBUST, .needs = "ends_in_order",
     .pair = "", .points = 1, .step = 4,
     .name = "Ctrl-C ends a server that is never idle",
     .hint_unix = "pselect() and ppoll() let a signal in only while they wait, and "
                  "they do not wait if a client is ready. Look for the signal "
                  "yourself, with sigpending().",
     .hint_win32 = "The handler of SetConsoleCtrlHandler() runs in a thread of its "
                   "own: end the program there, or set a flag that the loop reads each "
                   "time.")
{
    /* The server prints 2 KB for each message until the signal arrives. */
    struct start_options options = {.output_limit = (size_t)256 << 20};
    struct program *server = start_with(SERVER, options, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    command(peer, "flood %d " LOOPBACK " %s", under_test() == UNIX ? 40 : 2, port);
    for (int i = 0; i < 1000; i++)
        wait_line_like(server, "server: received *");
    if (getenv("PROGRAM_PREFIX") != NULL && helper_count() > 0)
        skip_test(
            "Valgrind does not always end a process while its threads start others");
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
    /* Other processes of the server may serve its connections up to here. */
    kill_program(peer);
    wait_silence(server);
}

TEST(last_line, .judges = SERVER, .stage = ROBUST, .needs = "ends_in_order", .pair = "",
     .points = 1, .step = 2, .name = "after \"server: done\" the server prints nothing",
     .hint_unix = "Threads run until the process has ended: take the lock of standard "
                  "output with flockfile(), print, and call exit() without releasing it.",
     .hint_win32 = "Threads run until ExitProcess() has ended them: take the lock with "
                   "which lines are printed, print the last line, and do not release it.")
{
    /* A thread prints between the line and the end only sometimes: try several times. */
    for (int i = 0; i < (under_test() == UNIX ? 5 : 6); i++) {
        struct start_options options = {.output_limit = (size_t)256 << 20};
        struct program *server = start_with(SERVER, options, "0", NULL);
        const char *port = port_of(server);
        struct program *peer = peer_at(port);
        exchange(peer, 1, token());
        if (helper_count() > 0)
            return; /* other processes of the server may go on and print */
        command(peer, "flood 30 " LOOPBACK " %s", port);
        for (int n = 0; n < 100; n++)
            wait_line_like(server, "server: received *");
        send_signal(server, SIGINT);
        wait_line(server, "server: done");
        expect_end(server, 0);
        size_t length;
        const char *output = output_of(server, &length);
        const char *done = memmem(output, length, "server: done", 12);
        const char *next = done == NULL
                               ? NULL
                               : memchr(done, '\n', length - (size_t)(done - output));
        if (next != NULL && next + 1 < output + length)
            fail_test("%zu bytes were printed after \"server: done\": %.60s",
                      (size_t)(output + length - next - 1), next + 1);
    }
}

/* Returns a port that is free at this moment, for a server that cannot report its own. */
static const char *free_port(void)
{
    uint16_t port = 0;
    int listener = listen_here(&port);
    if (listener == -1)
        kit_error("no port is free");
    close(listener);
    return text("%d", port);
}

/* Connects to a server that cannot report when it is ready. */
static void connect_to_silent(struct program *peer, struct program *server, int k,
                              const char *port)
{
    for (double end = now() + 10; now() < end && is_running(server); usleep(5000)) {
        command(peer, "connect %d " LOOPBACK " %s", k, port);
        if (strstr(wait_line_like(peer, text("test: %d *", k)), "refused") == NULL)
            return;
    }
    fail_test("the server, which has no standard output, does not listen at its port");
}

#define INPUT 1u
#define OUTPUT 2u
#define ERRORS 4u

TEST(missing_streams, .judges = SERVER, .stage = ROBUST, .needs = "lines", .pair = "",
     .points = 1, .step = 3,
     .name = "a server without standard input, output or error serves as usual",
     .hint_unix = "socket() and accept() return the lowest free number, 1 if standard "
                  "output is closed, and printf() writes into that. Open /dev/null "
                  "until 0 to 2 are taken.",
     .hint_win32 = "GetStdHandle() may return NULL: go on without that stream.")
{
    static const unsigned missing[] = {INPUT, OUTPUT, ERRORS, OUTPUT + ERRORS,
                                       INPUT + OUTPUT + ERRORS};
    struct program *peer = start_unix_probe("peer", NULL);
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        const char *port = free_port();
        struct program *server =
            start_with(SERVER, (struct start_options){.closed = missing[i]}, port, NULL);
        connect_to_silent(peer, server, 1, port);
        exchange(peer, 1, token());
        connect_peer(peer, 2, port);
        exchange(peer, 2, token());
        command(peer, "reset 2"); /* a server may report that on standard error */
        wait_line(peer, "test: 2 closed");
        exchange(peer, 1, token());
        command(peer, "look 1"); /* not one byte more has come */
        wait_line(peer, "test: 1 has 0 bytes to read");
        command(peer, "close 1");
        wait_line(peer, "test: 1 closed");
        kill_program(server);
    }
}

/* Starts a server, which gets SIGINT `step` instructions after a client has connected; with 0 just
 * before it waits again. Returns at which step that was, or 0 if the server ended before. */
static long interrupt_at(long step)
{
    struct program *stepper = start_unix_probe("stepper", "once", text("%d", SIGINT),
                                               text("%ld", step), "1",
                                               path_of(SERVER, NULL), "0", NULL);
    const char *line = wait_line_like(stepper, "[st]e*[rt]: [rn]*"), *why;
    if ((why = strstr(line, "not possible: ")) != NULL)
        skip_test("needs ptrace: %s", why + strlen("not possible: "));
    const char *port = strrchr(line, ':') + 1;
    line = wait_line_like(stepper, "test: *");
    if (strcmp(line, "test: it waits") != 0)
        skip_test("the server waits in no call that the probe knows");
    if (helper_count() > 1) /* the first is the server, which the probe has started */
        skip_test("another process of the server accepts its clients");
    /* The server may end before the peer sees that it is connected. */
    struct program *peer = start_unix_probe("peer", NULL);
    command(peer, "connect 1 " LOOPBACK " %s", port);
    wait_line(stepper, "server: done");
    kill_program(peer); /* another process of the server may serve it up to here */
    expect_end(stepper, 0);
    if (count_lines(stepper, "server: client 1 connected") > 1 ||
        count_lines(stepper, "server: done") > 1)
        fail_test(
            "SIGINT came %ld instructions after a client, and a line was printed twice",
            step);
    size_t length;
    const char *output = output_of(stepper, &length), mark[] = "test: sent at step ";
    const char *sent = memmem(output, length, mark, strlen(mark));
    return sent == NULL ? 0 : atol(sent + strlen(mark));
}

TEST(interrupted_anywhere, .judges = SERVER, .stage = ROBUST, .needs = "ends_in_order",
     .pair = "", .unix_only = true, .points = 1, .step = 2,
     .name = "SIGINT ends the server in order, whatever it is doing at that moment",
     .hint = "A handler may interrupt printf() or malloc(): do not call them "
             "there. Set a flag of type volatile sig_atomic_t, or wait for the "
             "signal in sigwait().")
{
    if (instrumented())
        skip_test("a program under valgrind or a sanitizer cannot be stepped through");
    enum { MOMENTS = 8 };
    long steps = interrupt_at(0);
    for (int i = 1; i < MOMENTS && steps > MOMENTS; i++)
        interrupt_at(steps * i / MOMENTS);
}

TEST(idle_server, .judges = SERVER, .stage = COMPLETE, .needs = "two_clients", .pair = "",
     .points = 1, .step = 5, .name = "clients that send nothing cost no processor time",
     .hint = "Wait in a call that blocks. Do not wait for a socket again after its "
             "recv() has returned 0: it stays ready.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    for (int k = 2; k < 5; k++) {
        connect_peer(peer, k, port);
        exchange(peer, k, token());
    }
    command(peer, "shut 3");
    wait_line(server, "server: client 3 left");
    expect_idle(server, 0.3, 5);
    exchange(peer, 1, token());
}

/* Both tools replace malloc(), so they exclude each other. */
static void skip_under_valgrind(void)
{
    if (getenv("PROGRAM_PREFIX") != NULL)
        skip_test("valgrind cannot run a program with AddressSanitizer");
}

TEST(sanitized_server, .judges = SERVER, .stage = ROBUST, .needs = "lines", .pair = "",
     .unix_only = true, .sanitized = true, .points = 2, .step = 6,
     .name = "under ASan and UBSan the server serves without a report",
     .hint = "Keep within your buffers: recv() may fill the whole buffer, and "
             "bytes[length] = 0 is then one byte beyond it.")
{
    skip_under_valgrind();
    static const size_t lengths[] = {1,    99,   100,  127,  128,  255,   256,   511,
                                     512,  999,  1000, 1023, 1024, 1025,  2047,  2048,
                                     2049, 4095, 4096, 4097, 8192, 16384, 65536, 1};
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        exchange_by("send", peer, 1,
                    random_bytes(lengths[i], '\0', (unsigned char)'\xFF'), lengths[i]);
    exchange_by("send", peer, 1, random_bytes(MEGABYTE, 'a', 'z'), MEGABYTE);
    connect_peer(peer, 2, port);
    exchange(peer, 2, token());
    push(peer, 2, QUIT, QUIT_SIZE);
    command(peer, "reset 1");
    expect_service(peer, 3, port);
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

#define SERVER_ARGUMENTS \
    "PORT is a number from 0 to 65535, and there are at most two arguments."

TEST(server_usage, .judges = SERVER, .stage = COMPLETE, .pair = "", .points = 1,
     .step = 1, .name = "wrong arguments: a usage line on standard error, exit code 2",
     .hint = SERVER_ARGUMENTS)
{
    static const char *const wrong[] = {"port", "-1", "65536", "", "80x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        in_case("PORT is \"%s\"", wrong[i]);
        struct program *server = start(SERVER, wrong[i], NULL);
        wait_error_like(server, "usage: *");
        expect_end(server, 2);
    }
    in_case("with three arguments");
    expect_end(start(SERVER, "0", LOOPBACK, "x", NULL), 2);
}

/* ---- The client --------------------------------------------------------------------- */

/* Starts a client that has connected to a peer, as the peer's connection 1. */
static struct program *client_of_peer(struct program **peer)
{
    *peer = start_unix_probe("peer", NULL);
    command(*peer, "listen " LOOPBACK);
    const char *line = wait_line_like(*peer, "test: listening at *");
    struct program *client = start(CLIENT, LOOPBACK, strrchr(line, ' ') + 1, NULL);
    command(*peer, "accept 1");
    wait_line(*peer, "test: 1 accepted");
    return client;
}

/* Receives `line` from the client. */
static void expect_line(struct program *peer, const char *line)
{
    command(peer, "read 1 %zu", strlen(line));
    expect_received(peer, 1);
    expect_last(1, "the line", line, strlen(line));
}

static bool has_client(int listener)
{
    return poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, 0) == 1;
}

TEST(right_port, .judges = CLIENT, .stage = COMPLETE, .needs = "lines", .pair = "",
     .points = 1, .step = 3, .name = "the client connects to the port that it was given",
     .hint = PORT_HINT)
{
    /* Two free ports: the bytes of one are those of the other in reverse order. */
    uint16_t port, swapped;
    int right, wrong = -1;
    for (int i = 0; i < 100 && wrong == -1; i++) {
        port = 0;
        right = listen_here(&port);
        swapped = (uint16_t)(port << 8 | port >> 8);
        wrong = right == -1 || swapped == port || swapped == 0 ? -1
                                                               : listen_here(&swapped);
        if (wrong == -1 && right != -1)
            close(right);
    }
    if (wrong == -1)
        skip_test("found no two free ports with the same bytes in reverse order");
    struct program *client = start(CLIENT, LOOPBACK, text("%d", port), NULL);
    int both = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (both == -1 || epoll_ctl(both, EPOLL_CTL_ADD, right, &event) == -1 ||
        epoll_ctl(both, EPOLL_CTL_ADD, wrong, &event) == -1)
        kit_error("epoll");
    while (!has_client(both)) {
        if (!is_running(client))
            fail_test("the client ended, and has not connected to port %d", port);
        wait_descriptor(both, "the client to connect");
    }
    if (!has_client(right))
        fail_test("expected a connection to port %d, got one to port %d: the same two "
                  "bytes in the wrong order",
                  port, swapped);
}

TEST(sends_bytes, .judges = CLIENT, .stage = COMPLETE, .needs = "lines", .pair = "",
     .points = 3, .step = 4,
     .name = "the client sends each line's bytes, with its blanks, and nothing else",
     .hint = "Send the whole line, blanks included, without newline or NUL. Of "
             "an empty line send nothing.")
{
    struct program *peer, *client = client_of_peer(&peer);
    static const char *const lines[] = {"one two  three ",
                                        "\tx\x01\xFF\"\\",
                                        CYRILLIC,
                                        "with CR\r",
                                        "",
                                        "\r",
                                        "QUITTER",
                                        " QUIT"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        send_line(client, lines[i]);
        size_t length = strcspn(lines[i], "\r");
        char *bytes = text("%.*s", (int)length, lines[i]);
        if (length == 0)
            continue;
        expect_line(peer, bytes);
        push(peer, 1, bytes, length);
    }
    /* All bytes were right: only what is printed can be wrong now. */
    look_at(
        CLIENT, 5,
        "Print bytes that are not text as \\xNN, NUL as \\0, a quote and a backslash with a "
        "backslash before: call log_text(). printf() stops at a NUL." EACH_AT_ONCE);
    wait_line(client, "client: sent \"\\x09x\\x01\\xFF\\\"\\\\\"");
    wait_line(client, "client: sent \"" CYRILLIC "\"");
    wait_line(client, "client: received \" QUIT\"");
    look_at(CLIENT, 4,
            "A line can contain a NUL, and fgets() does not report the length: call "
            "getline() or read_line().");
    send_bytes(client,
               "a\0b\x1A"
               "c\n",
               6);
    command(peer, "read 1 5");
    expect_received(peer, 1);
    expect_last(1, "a line with a NUL in it",
                "a\0b\x1A"
                "c",
                5);
    push(peer, 1,
         "a\0b\x1A"
         "c",
         5);
    look_at(CLIENT, 5, "Print as many bytes as came: \"%s\" of printf() stops at a NUL.");
    wait_line(client, "client: received \"a\\0b\\x1A"
                      "c\"");
    look_at(CLIENT, 0, NULL);
    /* A last line without a newline is a line, too. A CR without LF belongs to it. */
    send_bytes(client, "last\r", 5);
    close_input(client);
    command(peer, "read 1 5");
    expect_received(peer, 1);
    expect_last(1, "a last line that ends with a CR", "last\r", 5);
    push(peer, 1, "last\r", 5);
    wait_line(client, "client: received \"last\\x0D\"");
    command(peer, "drain 1");
    expect_stream_end(peer, 1);
    expect_last(1, "all that came",
                "a\0b\x1A"
                "clast\r",
                10);
    wait_line(client, "client: done");
    expect_end(client, 0);
    if (printed_like(client, "client: * \"\""))
        fail_test("expected no report about an empty line: it has no bytes");
}

TEST(sends_quit, .judges = CLIENT, .stage = COMPLETE, .needs = "lines", .pair = "",
     .points = 2, .step = 4,
     .name = "a line QUIT is sent, and is the last; then the server closes, exit code 0",
     .hint = "QUIT has no reply: the server closes. Leave the loop.")
{
    struct program *peer, *client = client_of_peer(&peer);
    send_bytes(client, "QUIT\nmore\n", 10);
    expect_line(peer, QUIT);
    wait_line(client, "client: sent \"QUIT\"");
    command(peer, "close 1");
    wait_line(client, "client: done");
    expect_end(client, 0);
    if (printed_like(client, "client: sent \"more\""))
        fail_test("the client sent a line after QUIT");
}

TEST(end_of_input, .judges = CLIENT, .stage = BASIC, .needs = "lines", .pair = "",
     .points = 2, .step = 6,
     .name = "at the end of its input the client closes, and repeats nothing",
     .hint = "Check what the read of a line returns: at the end of input the "
             "buffer still has the last line.")
{
    struct program *peer, *client = client_of_peer(&peer);
    const char *word = token();
    send_line(client, word);
    expect_line(peer, word);
    push(peer, 1, word, strlen(word));
    wait_line(client, "client: received \"%s\"", word);
    close_input(client);
    command(peer, "drain 1");
    expect_stream_end(peer, 1);
    wait_line(client, "client: done");
    expect_end(client, 0);
    size_t length;
    read_file("1.received", &length);
    if (length != strlen(word))
        fail_test("got %zu bytes from the client, expected %zu", length, strlen(word));
}

TEST(waits_for_echo, .judges = CLIENT, .stage = COMPLETE, .needs = "lines", .pair = "",
     .points = 2, .step = 5,
     .name = "an echo can come byte by byte; the next line is sent when it is whole",
     .hint = "One recv() can return a part: call it until as many bytes have come "
             "as were sent. Then print these bytes.")
{
    struct program *peer, *client = client_of_peer(&peer);
    const char *first = token(), *second = token();
    send_bytes(client, text("%s\n%s\n", first, second),
               strlen(first) + strlen(second) + 2);
    expect_line(peer, first);
    write_file("part", first, strlen(first) - 1, 0644);
    command(peer, "trickle 1 part");
    wait_line(peer, "test: 1 sent");
    expect_idle(client, 0.3, 10);
    command(peer, "look 1");
    wait_line(peer, "test: 1 has 0 bytes to read");
    push(peer, 1, first + strlen(first) - 1, 1);
    wait_line(client, "client: received \"%s\"", first);
    expect_line(peer, second);
    push(peer, 1, second, strlen(second));
    wait_line(client, "client: received \"%s\"", second);
    if (count_lines(client, "client: received *") != 2)
        fail_test("expected 2 lines \"client: received\", got %zu",
                  count_lines(client, "client: received *"));
    /* Other bytes come back: the client reports these, or an error. */
    const char *third = token();
    send_line(client, third);
    expect_line(peer, third);
    push(peer, 1, token(), strlen(third));
    close_input(client);
    wait_end(client);
    if (printed_like(client, text("client: received \"%s\"", third)))
        fail_test("other bytes came back than the client sent, but it reports its own as "
                  "received");
}

TEST(longest_line, .judges = CLIENT, .stage = COMPLETE, .needs = "long_lines", .pair = "",
     .points = 2, .step = 5,
     .name = "a line of 3 megabytes comes back from a server with a small buffer",
     .hint = "Send a part, receive its echo, and so on. If the client sends all "
             "of a long line before it reads, both programs block in send().")
{
    struct program *peer, *client = client_of_peer(&peer);
    command(peer, "echo 1");
    char *line = random_bytes(3 * MEGABYTE + 1, 'a', 'z');
    line[3 * MEGABYTE] = '\0';
    send_line(client, line);
    wait_line(client, "client: received \"%s\"", line);
    close_input(client);
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(client_missing_streams, .judges = CLIENT, .stage = ROBUST, .needs = "lines",
     .pair = "", .points = 1, .step = 3,
     .name = "a client without standard input, output or error works as usual",
     .hint_unix = "socket() returns the lowest free number, 0 if standard input is "
                  "closed, and the client reads its lines from that. Open /dev/null "
                  "until 0 to 2 are taken.",
     .hint_win32 = "GetStdHandle() may return NULL. Without standard input there is "
                   "nothing to send, as at the end of the input.")
{
    static const unsigned missing[] = {INPUT, OUTPUT, OUTPUT + ERRORS};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        struct program *peer = start_unix_probe("peer", NULL);
        command(peer, "listen " LOOPBACK);
        const char *listening = wait_line_like(peer, "test: listening at *");
        struct program *client = start_with(CLIENT,
                                            (struct start_options){.closed = missing[i]},
                                            LOOPBACK, strrchr(listening, ' ') + 1, NULL);
        command(peer, "accept 1");
        wait_line(peer, "test: 1 accepted");
        const char *word = missing[i] & INPUT ? "" : token();
        if (*word != '\0') {
            send_line(client, word);
            expect_line(peer, word);
            push(peer, 1, word, strlen(word));
            close_input(client);
        }
        command(peer, "drain 1");
        expect_stream_end(peer, 1);
        size_t length;
        read_file("1.received", &length);
        if (length != strlen(word))
            fail_test("expected %zu bytes from the client, got %zu", strlen(word),
                      length);
        expect_end(client, 0);
        kill_program(peer);
    }
}

TEST(server_closes, .judges = CLIENT, .stage = COMPLETE, .needs = "lines", .pair = "",
     .points = 2, .step = 5,
     .name = "if the server closes before it has replied: an error line, exit code 1",
     .hint = "recv() that returns 0 is the end, also in the middle of an echo.")
{
    static const char *const parts[] = {"", "some"};
    for (size_t i = 0; i < 2; i++) {
        struct program *peer, *client = client_of_peer(&peer);
        send_line(client, "something");
        expect_line(peer, "something");
        push(peer, 1, parts[i], strlen(parts[i]));
        command(peer, "shut 1");
        expect_error_line(client);
        expect_end(client, 1);
        if (printed_like(client, "client: done") ||
            printed_like(client, "client: received *"))
            fail_test("the client goes on, although no whole reply came");
        kill_program(peer);
    }
}

TEST(server_resets, .judges = CLIENT, .stage = ROBUST, .needs = "lines", .pair = "",
     .points = 1, .step = 5,
     .name = "if the connection is reset: an error line, exit code 1",
     .hint_unix = "Ignore SIGPIPE: send() on a connection that is closed must fail "
                  "with EPIPE.",
     .hint_win32 = "Check what send() and recv() return: SOCKET_ERROR is a line on "
                   "standard error, and exit code 1.")
{
    struct program *peer, *client = client_of_peer(&peer);
    send_line(client, "one");
    expect_line(peer, "one");
    push(peer, 1, "one", 3);
    wait_line(client, "client: received \"one\"");
    command(peer, "shut 1"); /* end of file, then a reset: send() raises SIGPIPE now */
    command(peer, "settle 1");
    wait_line(peer, "test: 1 settled");
    command(peer, "reset 1");
    wait_line(peer, "test: 1 closed");
    offer_bytes(client, "two\n", 4); /* the client may have exited already */
    expect_error_line(client);
    expect_end(client, 1);
}

TEST(client_stopped, .judges = CLIENT, .stage = ROBUST, .needs = "lines", .pair = "",
     .unix_only = true, .points = 1, .step = 5,
     .name = "a client that is stopped and continued goes on",
     .hint = "recv() with SO_RCVTIMEO fails with EINTR after SIGSTOP and SIGCONT: call "
             "it again.")
{
    struct program *peer, *client = client_of_peer(&peer);
    const char *word = token();
    send_line(client, word);
    expect_line(peer, word);
    let_block();
    send_signal(client, SIGSTOP);
    send_signal(client, SIGCONT);
    push(peer, 1, word, strlen(word));
    wait_line(client, "client: received \"%s\"", word);
}

TEST(no_server, .judges = CLIENT, .stage = COMPLETE, .pair = "", .points = 2, .step = 3,
     .name = "no server, or no such name: an error line, exit code 1",
     .hint = "Check connect() and getaddrinfo(). The latter returns an error "
             "number of its own.")
{
    struct program *peer = start_unix_probe("peer", NULL);
    command(peer, "listen " LOOPBACK);
    const char *line = wait_line_like(peer, "test: listening at *");
    kill_program(peer); /* now no process listens there */
    struct program *client = start(CLIENT, LOOPBACK, strrchr(line, ' ') + 1, NULL);
    wait_error_like(client, "client: *error *");
    expect_end(client, 1);
    /* A part of a name has at most 63 letters: no DNS server is asked for this one. */
    client = start(CLIENT, random_bytes(64, 'x', 'x'), NULL);
    wait_error_like(client, "client: *error [!0]*");
    expect_end(client, 1);
}

TEST(client_error_number, .judges = CLIENT, .stage = COMPLETE, .needs = "no_server",
     .pair = "", .points = 1, .step = 3,
     .name = "the line about a failed connect() has the number of its error",
     .hint_unix = "Take the number from errno before any other call, close() too, and "
                  "print it with strerror().",
     .hint_win32 = "Take the number from WSAGetLastError() before any other call. "
                   "Winsock does not set errno.")
{
    struct program *peer = start_unix_probe("peer", NULL);
    command(peer, "listen " LOOPBACK);
    const char *line = wait_line_like(peer, "test: listening at *");
    kill_program(peer); /* now no process listens there */
    struct program *client = start(CLIENT, LOOPBACK, strrchr(line, ' ') + 1, NULL);
    int refused = under_test() == UNIX ? ECONNREFUSED : WSAECONNREFUSED;
    expect_error_number(client, "client", refused, refused);
    expect_end(client, 1);
}

TEST(sanitized_client, .judges = CLIENT, .stage = ROBUST, .needs = "lines", .pair = "",
     .unix_only = true, .sanitized = true, .points = 1, .step = 4,
     .name = "under ASan and UBSan the client works without a report",
     .hint = "Keep within your buffers: a line may be as long as the buffer, or "
             "longer, and bytes[length] = 0 is then one byte beyond it.")
{
    skip_under_valgrind();
    static const size_t lengths[] = {1,    99,   100,  127,  128,  255,   256,  511,
                                     512,  999,  1000, 1023, 1024, 1025,  2047, 2048,
                                     2049, 4095, 4096, 4097, 8192, 65536, 1};
    struct program *server = start_reference(SERVER, "0", NULL);
    struct program *client = start(CLIENT, LOOPBACK, port_of(server), NULL);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char *line = random_bytes(lengths[i], 'a', 'z');
        send_line(client, line);
        wait_line(client, "client: received \"%s\"", line);
    }
    send_line(client, "");
    send_line(client, QUIT);
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(client_usage, .judges = CLIENT, .stage = COMPLETE, .pair = "", .points = 1,
     .step = 1, .name = "wrong arguments: a usage line on standard error, exit code 2",
     .hint = "PORT is a number from 1 to 65535, and there are at most two arguments.")
{
    static const char *const wrong[] = {"port", "-1", "0", "65536", "", "80x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        in_case("PORT is \"%s\"", wrong[i]);
        struct program *client = start(CLIENT, LOOPBACK, wrong[i], NULL);
        wait_error_like(client, "usage: *");
        expect_end(client, 2);
    }
    in_case("with three arguments");
    expect_end(start(CLIENT, LOOPBACK, "1", "x", NULL), 2);
}

/* ---- server_udp and client_udp ---------------------------------------------------------- */

/* Sends a datagram to `port` from the peer's connection `k`, and waits for the echo. */
static void exchange_datagram(struct program *peer, int k, const char *bytes,
                              size_t length)
{
    const char *name = token();
    write_file(name, bytes, length, 0644);
    command(peer, "cast %d %s", k, name);
    command(peer, "catch %d", k);
    wait_line_like(peer, text("test: %d caught *", k));
    size_t got;
    char *received = read_file(text("%d.caught", k), &got);
    expect_bytes("the echo", bytes, length, bytes, length, received, got);
}

TEST(udp_lines, .judges = PAIR, .stage = BASIC, .pair = "udp", .points = 3, .step = 4,
     .name = "each line is a datagram, and comes back; an empty one, too",
     .hint = "recvfrom() that returns 0 has received an empty datagram: send it "
             "back.",
     .client_step = 4,
     .client_hint = "Send an empty line as a datagram of 0 bytes. recv() that returns 0 "
                    "is its echo.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *client = start(CLIENT, LOOPBACK, port_of(server), NULL);
    const char *words = "two words " CYRILLIC;
    const char *const lines[] = {token(), words, "", "QUIT", token()};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        send_line(client, lines[i]);
        wait_line(client, "client: sent \"%s\"", lines[i]);
        wait_line(server, "server: received \"%s\"", lines[i]);
        wait_line(client, "client: received \"%s\"", lines[i]);
    }
    close_input(client);
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(udp_largest, .judges = PAIR, .stage = COMPLETE, .needs = "udp_lines", .pair = "udp",
     .points = 2, .step = 4,
     .name =
         "the largest datagram of IPv4 has 65,507 bytes; a longer line is an error, exit "
         "code 1",
     .hint = "Give recvfrom() a buffer for the largest datagram: what does not "
             "fit is lost.",
     .client_step = 4,
     .client_hint = "Check send(): over IPv4 it fails for more than 65,507 bytes.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *client = start(CLIENT, LOOPBACK, port_of(server), NULL);
    char *line = random_bytes(65508, 'a', 'z');
    line[65507] = '\0';
    send_line(client, line);
    wait_line(client, "client: received \"%s\"", line);
    line[65507] = 'x';
    send_bytes(client, line, 65508);
    send_bytes(client, "\n", 1);
    wait_error_like(client, "client: *error *");
    expect_end(client, 1);
}

TEST(udp_server, .judges = SERVER, .stage = COMPLETE, .needs = "udp_lines", .pair = "udp",
     .points = 2, .step = 5,
     .name = "each datagram goes back to its own sender, with all its bytes",
     .hint_unix = "Send to the address that recvfrom() has stored, and use the length "
                  "that it returned.",
     .hint_win32 = "Send to the address that recvfrom() has stored. If it fails with "
                   "WSAECONNRESET, no program received an earlier echo: call it again.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    for (int k = 1; k <= 3; k++)
        command(peer, "datagram %d " LOOPBACK " %s", k, port);
    exchange_datagram(peer, 1, "a\0b\xFF\r\n", 6);
    exchange_datagram(peer, 2, "", 0);
    write_file("gone", "gone", 4, 0644);
    command(peer, "cast 3 gone");
    command(peer, "close 3");
    wait_line(peer, "test: 3 closed");
    wait_line(server, "server: received \"gone\"");
    for (int i = 0; i < 6; i++) {
        const char *word = token();
        exchange_datagram(peer, 1 + i % 2, word, strlen(word));
    }
    expect_idle(server, 0.3, 10);
    send_signal(server, under_test() == UNIX ? SIGTERM : SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(udp_second_server, .judges = SERVER, .stage = COMPLETE, .needs = "udp_lines",
     .pair = "udp", .points = 1, .step = 3,
     .name = "a second server on the same port prints an error, exit code 1",
     .hint = "Check bind(); SO_REUSEADDR lets two sockets share a UDP port.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *second = start(SERVER, port_of(server), NULL);
    wait_error_like(second, "server: *error *");
    expect_end(second, 1);
    in_case("PORT is \"port\"");
    look_at(SERVER, 1, SERVER_ARGUMENTS);
    server = start(SERVER, "port", NULL);
    wait_error_like(server, "usage: *");
    expect_end(server, 2);
}

/* Starts a client that talks to a peer. */
static struct program *client_of_caster(struct program **peer)
{
    *peer = start_unix_probe("peer", NULL);
    command(*peer, "bind 1 " LOOPBACK);
    const char *line = wait_line_like(*peer, "test: bound to *");
    return start(CLIENT, LOOPBACK, strrchr(line, ' ') + 1, NULL);
}

/* Waits for the datagram of the last command "catch", which must be `line`. */
static void expect_caught(struct program *peer, const char *line)
{
    wait_line_like(peer, "test: 1 caught *");
    size_t got;
    char *received = read_file("1.caught", &got);
    expect_bytes("the datagram", NULL, 0, line, strlen(line), received, got);
}

/* Takes a datagram, which must be `line`. */
static void expect_datagram(struct program *peer, const char *line)
{
    command(peer, "catch 1");
    expect_caught(peer, line);
}

static void cast(struct program *peer, const char *bytes)
{
    const char *name = token();
    write_file(name, bytes, strlen(bytes), 0644);
    command(peer, "cast 1 %s", name);
}

/* Takes a datagram, which must be `line`, and sends it back at once. */
static void echo_datagram(struct program *peer, const char *line)
{
    command(peer, "catch 1");
    cast(peer, line);
    expect_caught(peer, line);
}

TEST(
    udp_lost, .judges = CLIENT, .stage = COMPLETE, .needs = "udp_lines", .pair = "udp",
    .points = 3, .step = 4,
    .name = "a line whose echo is lost is sent once more, and then given up; exit code 1",
    .hint = "Set SO_RCVTIMEO: without it recv() waits for a lost datagram "
            "without end.")
{
    struct program *peer, *client = client_of_caster(&peer);
    const char *first = token(), *second = token(), *third = token();
    send_line(client, first);
    expect_datagram(peer, first); /* this one is lost */
    wait_line(client, "client: sent \"%s\"", first);
    send_signal(client, SIGSTOP); /* as by Ctrl-Z: to be stopped is no failure */
    send_signal(client, SIGCONT);
    echo_datagram(peer, first);
    wait_line(client, "client: received \"%s\"", first);
    double begun = now();
    send_line(client, second);
    expect_datagram(peer, second); /* and these two */
    expect_datagram(peer, second);
    wait_line(client, "client: no reply to \"%s\"", second);
    if (now() - begun < 1.6)
        fail_test("expected the client to wait 2 s for a reply, but it waited %.2f s",
                  now() - begun);
    send_line(client, third);
    expect_datagram(peer, third);
    cast(peer, second); /* it comes too late, and is no reply to the third */
    cast(peer, third);
    wait_line(client, "client: received \"%s\"", third);
    close_input(client);
    wait_line(client, "client: done");
    expect_end(client, 1);
    if (count_lines(client, text("client: sent \"%s\"", second)) != 2)
        fail_test("expected 2 lines 'client: sent \"%s\"', got %zu", second,
                  count_lines(client, text("client: sent \"%s\"", second)));
}

TEST(udp_stranger, .judges = CLIENT, .stage = ROBUST, .needs = "udp_lines", .pair = "udp",
     .points = 2, .step = 2, .name = "a datagram from a stranger is no reply",
     .hint = "connect() the socket, or compare the address that recvfrom() has "
             "stored.")
{
    struct program *peer, *client = client_of_caster(&peer);
    const char *word = token();
    send_line(client, word);
    expect_datagram(peer, word);
    write_file("fake", word, strlen(word), 0644);
    command(peer, "stranger 1 fake"); /* the same bytes, from another port */
    echo_datagram(peer, word);        /* so the client goes on waiting, and asks again */
    wait_line(client, "client: received \"%s\"", word);
    close_input(client);
    expect_end(client, 0);
}

/* ---- server_file and client_file --------------------------------------------------------- */

TEST(file_copied, .judges = PAIR, .stage = BASIC, .pair = "file", .points = 3, .step = 6,
     .name = "a file arrives as it is: of 0, 1, 65,536 and 5,000,000 bytes of any value",
     .hint_unix = "sendfile() may send a part: call it again. A file may have 0 "
                  "bytes.",
     .hint_win32 = "Open the file without text mode. For a file of 0 bytes call "
                   "TransmitFile() without a file.",
     .client_step = 5,
     .client_hint = "Receive as many bytes as the header reports, and write the file in "
                    "binary mode.")
{
    static const size_t sizes[] = {0, 1, 65536, 5000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *bytes = random_bytes(sizes[i], '\0', (unsigned char)'\xFF');
        write_file("original", bytes, sizes[i], 0644);
        struct program *server = start(SERVER, "original", "0", NULL);
        struct program *client = start(CLIENT, "copy", LOOPBACK, port_of(server), NULL);
        wait_line(client, "client: received %zu bytes", sizes[i]);
        wait_line(client, "client: done");
        expect_end(client, 0);
        wait_line(server, "server: sent %zu bytes", sizes[i]);
        size_t length;
        char *copy = read_file("copy", &length);
        expect_bytes("the copy", bytes, sizes[i], bytes, sizes[i], copy, length);
        kill_program(server);
    }
}

TEST(file_missing, .judges = PAIR, .stage = COMPLETE, .needs = "file_copied",
     .pair = "file", .points = 2, .step = 6,
     .name =
         "a file that does not exist is reported to the client, and the server goes on",
     .hint = "Open the file anew for each client, and send the error in the "
             "header.",
     .client_step = 4,
     .client_hint = "A header that begins with ERROR is a line on standard error, and "
                    "exit code 1.")
{
    struct program *server = start(SERVER, "original", "0", NULL);
    const char *port = port_of(server);
    struct program *client = start(CLIENT, "copy", LOOPBACK, port, NULL);
    wait_error_like(server, "server: *error 2*");
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    in_case("with a file that is there now");
    const char *path = write_file("original", "now", 3, 0644);
    client = start(CLIENT, "copy", LOOPBACK, port, NULL);
    wait_line(client, "client: received 3 bytes");
    expect_end(client, 0);
    in_case("with another file of that name");
    if (on_windows()) /* an open file cannot be removed there */
        wait_line(server, "server: client 2 left");
    if (unlink(path) == -1)
        fail_test("expected a file that can be removed, got an error of unlink(): %s",
                  strerror(errno));
    write_file("original", "another", 7, 0644);
    client = start(CLIENT, "copy", LOOPBACK, port, NULL);
    wait_line(client, "client: received 7 bytes");
    expect_end(client, 0);
}

TEST(file_wire, .judges = SERVER, .stage = COMPLETE, .needs = "file_copied",
     .pair = "file", .points = 2, .step = 7,
     .name = "on the wire are the header, the file and the trailer",
     .hint = "Send the size of the file in the header, and the trailer directly "
             "after the file.")
{
    char *bytes = random_bytes(3 * MEGABYTE, 'a', 'z');
    write_file("original", bytes, 3 * MEGABYTE, 0644);
    struct program *server = start(SERVER, "original", "0", NULL);
    struct program *peer = peer_at(port_of(server));
    command(peer, "drain 1");
    expect_stream_end(peer, 1);
    size_t length, before = strlen("FILE 3145728\n");
    char *received = read_file("1.received", &length);
    char *whole = text("FILE 3145728\n%sEND\n", bytes);
    expect_bytes("the stream", NULL, 0, whole, before + 3 * MEGABYTE + 4, received,
                 length);
    send_signal(server, under_test() == UNIX ? SIGTERM : SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(file_leaks, .judges = SERVER, .stage = ROBUST, .needs = "file_copied",
     .pair = "file", .points = 1, .step = 6,
     .name = "after 100 clients no more descriptors are open than before",
     .hint = "Close the file, and the connection, on every way out.")
{
    write_file("original", "abc", 3, 0644);
    struct program *server = start(SERVER, "original", "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    struct resources before = {0};
    for (int i = 0; i < 100; i++) {
        connect_peer(peer, 1, port);
        command(peer, "drain 1");
        expect_stream_end(peer, 1);
        command(peer, "close 1");
        wait_line(peer, "test: 1 closed");
        wait_line(server, "server: client %d left", i + 1);
        if (i == 10)
            before = resources_of(server);
    }
    struct resources after = resources_of(server);
    if (after.descriptors > before.descriptors + 10)
        fail_test("90 clients have left %zu descriptors open",
                  after.descriptors - before.descriptors);
}

/* Starts client_file with a peer as its server, and accepts its connection. */
static struct program *file_client_of_peer(const char *output, struct program **peer)
{
    *peer = start_unix_probe("peer", NULL);
    command(*peer, "listen " LOOPBACK);
    const char *line = wait_line_like(*peer, "test: listening at *");
    struct program *client = start(CLIENT, output, LOOPBACK, strrchr(line, ' ') + 1,
                                   NULL);
    command(*peer, "accept 1");
    wait_line(*peer, "test: 1 accepted");
    return client;
}

TEST(file_no_room, .judges = CLIENT, .stage = ROBUST, .needs = "file_copied",
     .pair = "file", .unix_only = true, .points = 1, .step = 5,
     .name = "a file that cannot be written: an error line, exit code 1",
     .hint = "Check fwrite() and fclose(): they fail when the disk is full.")
{
    struct program *peer, *client = file_client_of_peer("/dev/full", &peer);
    push(peer, 1, "FILE 4\nabcdEND\n", 15);
    command(peer, "shut 1");
    expect_error_line(client);
    expect_end(client, 1);
}

TEST(file_broken, .judges = SERVER, .stage = ROBUST, .needs = "file_copied",
     .pair = "file", .points = 1, .step = 7,
     .name = "a client that resets its connection in the middle affects no other",
     .hint = "If sending fails, this client has left: print an error, and serve "
             "the next.")
{
    if (under_test() == WIN32 && !on_windows())
        skip_test("needs Windows: under Wine 8 a TransmitFile that waits for room "
                  "mostly does not notice a reset");
    char *bytes = random_bytes(3 * MEGABYTE, 'a', 'z');
    write_file("original", bytes, 3 * MEGABYTE, 0644);
    struct program *server = start(SERVER, "original", "0", NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    command(peer, "read 1 100");
    expect_received(peer, 1);
    command(peer, "reset 1");
    wait_line(peer, "test: 1 closed");
    wait_line(server, "server: client 1 left");
    connect_peer(peer, 2, port);
    command(peer, "read 2 %zu", 3 * (size_t)MEGABYTE);
    expect_received(peer, 2);
}

TEST(file_cut, .judges = CLIENT, .stage = ROBUST, .needs = "file_copied", .pair = "file",
     .points = 2, .step = 6,
     .name = "a file that is cut off, or has a wrong trailer: an error line, exit code 1",
     .hint = "The file is complete only if as many bytes came as the header "
             "reports, and the trailer after them.")
{
    static const struct {
        const char *bytes, *what;
    } streams[] = {{"FILE 4\nabc", "a file of 3 bytes, not 4"},
                   {"FILE 4\nabcd", "no trailer"},
                   {"FILE 4\nabcdEN", "half a trailer"},
                   {"FILE 4\nabcdENT\n", "a wrong trailer"},
                   {"FILE x\nabcd", "a header without a number"},
                   {"FI", "half a header"}};
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        in_case("with %s", streams[i].what);
        struct program *peer = start_unix_probe("peer", NULL);
        command(peer, "listen " LOOPBACK);
        const char *line = wait_line_like(peer, "test: listening at *");
        struct program *client = start(CLIENT, "copy", LOOPBACK, strrchr(line, ' ') + 1,
                                       NULL);
        command(peer, "accept 1");
        wait_line(peer, "test: 1 accepted");
        push(peer, 1, streams[i].bytes, strlen(streams[i].bytes));
        command(peer, "shut 1");
        expect_error_line(client);
        expect_end(client, 1);
        if (printed_like(client, "client: received *"))
            fail_test("expected an error, but the client took that for a whole file");
        kill_program(peer);
    }
}

TEST(file_in_bytes, .judges = CLIENT, .stage = COMPLETE, .needs = "file_copied",
     .pair = "file", .points = 1, .step = 4,
     .name = "header, file and trailer can come byte by byte",
     .hint = "One recv() may bring a part of the header, or the header with a "
             "part of the file.")
{
    struct program *peer, *client = file_client_of_peer("copy", &peer);
    write_file("stream",
               "FILE 7\nEND\n\r\n\x1A"
               "END\n",
               18, 0644);
    command(peer, "trickle 1 stream");
    wait_line(client, "client: received 7 bytes");
    expect_end(client, 0);
    size_t length;
    char *copy = read_file("copy", &length);
    expect_bytes("the copy", NULL, 0, "END\n\r\n\x1A", 7, copy, length);
}

/* ---- Handing a connection over ------------------------------------------------------------ */

/* Starts `server_handoff` or `server_scm` by itself, with its own worker. */
static struct program *start_handoff(const char *name)
{
    return start_with(SERVER, (struct start_options){.name = name}, "0", NULL);
}

static void check_worker_goes_on(const char *name)
{
    struct program *server = start_handoff(name);
    struct program *peer = peer_at(port_of(server));
    exchange(peer, 1, token());
    kill_program(server);
    exchange(peer, 1, token());
    push(peer, 1, QUIT, QUIT_SIZE);
    command(peer, "drain 1");
    expect_stream_end(peer, 1);
}

/* SIGCHLD is ignored when the server starts: without a reset waitpid() would return no status. */
static void check_worker_killed(const char *name)
{
    if (under_test() == WIN32 && !on_windows())
        skip_test("needs Windows: under Wine a killed worker leaves its connection "
                  "open, and its exit code is 0");
    struct start_options options = {.name = name, .ignores_children = true};
    struct program *server = start_with(SERVER, options, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    exchange(peer, 1, token());
    kill_child(server, "worker");
    command(peer, "drain 1");
    wait_line_like(peer, "test: 1 received *");
    wait_error_like(server, "server: client 1: *");
    wait_line(server, "server: client 1 left");
    expect_service(peer, 2, port);
}

#define WAITS "wait\n" /* the script of a worker that never connects */

/* Starts a copy of the server in a folder where its worker is missing, or is a scripted client. */
static void check_no_worker(const char *name, const char *script)
{
    const char *file = copy_named(SERVER, name, token());
    if (script != NULL)
        place_probe("scripted_client", "worker", script);
    struct start_options options = {.name = name, .file = file};
    /* Only where the worker must connect does the server have a limit. */
    struct program *server = under_test() == UNIX && strcmp(name, "server_scm") != 0
                                 ? start_with(SERVER, options, "0", NULL)
                                 : start_with(SERVER, options, "0", LOOPBACK, "2000",
                                              NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    command(peer, "drain 1");
    wait_line_like(peer, "test: 1 received *");
    wait_error_like(server, "server: *");
    wait_line(server, "server: client 1 left");
    connect_peer(peer, 2, port);
    wait_line(server, "server: client 2 connected");
    wait_line(server, "server: client 2 left"); /* the server waits for no worker now */
    kill_program(server);
    if (script != NULL && strcmp(script, WAITS) == 0 && under_test() == UNIX)
        kill_child(server, "worker");
}

TEST(handoff_goes_on, .judges = SERVER, .stage = ROBUST, .needs = "lines",
     .only = "server_handoff", .points = 1, .step = 6,
     .name = "if the server is killed, the worker serves its client to the end",
     .hint = "The worker's copy of the connection does not depend on the "
             "server's.")
{
    check_worker_goes_on("server_handoff");
}

TEST(handoff_worker_killed, .judges = SERVER, .stage = ROBUST, .needs = "lines",
     .only = "server_handoff", .points = 1, .step = 7,
     .name =
         "if a worker is killed, its client gets end of file, and the server reports it",
     .hint = "Close the server's copy after the handoff: it would keep the "
             "connection open.")
{
    check_worker_killed("server_handoff");
}

TEST(
    handoff_no_worker, .judges = SERVER, .stage = ROBUST, .needs = "lines",
    .only = "server_handoff", .points = 1, .step = 5,
    .name =
        "a missing worker, or one that exits at once: an error line, one client is lost",
    .hint_unix =
        "An error of posix_spawn(), or an exit code that is not 0, is an error line, and "
        "the end of this client's connection, not of the server.",
    .hint_win32 = "Limit the wait for the worker, and end it if the worker has ended.")
{
    in_case("without a worker");
    check_no_worker("server_handoff", NULL);
    in_case("with a worker that exits at once");
    check_no_worker("server_handoff", "exit 3\n");
    if (under_test() == UNIX)
        return; /* there the worker inherits the connection, and connects to nothing */
    in_case("with a worker that does not connect");
    check_no_worker("server_handoff", WAITS);
}

TEST(scm_goes_on, .judges = SERVER, .stage = ROBUST, .needs = "lines",
     .only = "server_scm", .unix_only = true, .points = 1, .step = 6,
     .name = "if the server is killed, a worker that is no child goes on",
     .hint = "The worker's copy of the connection does not depend on the "
             "server's.")
{
    check_worker_goes_on("server_scm");
}

TEST(scm_worker_killed, .judges = SERVER, .stage = ROBUST, .needs = "lines",
     .only = "server_scm", .unix_only = true, .points = 1, .step = 7,
     .name = "if a worker that is no child is killed, the server reports it",
     .hint = "The connection to the worker ends with it: wait for that.")
{
    check_worker_killed("server_scm");
}

TEST(scm_no_worker, .judges = SERVER, .stage = ROBUST, .needs = "lines",
     .only = "server_scm", .unix_only = true, .points = 1, .step = 5,
     .name =
         "a worker that does not connect in time: an error line, and one client is lost",
     .hint = "No call reports that the worker will never connect: limit the wait.")
{
    check_no_worker("server_scm", WAITS);
}

/* ---- Limits of some ways to wait --------------------------------------------------------- */

/* Starts `name` by a shell script: `command` sets a limit, or uses it up; then exec. */
static struct program *start_limited(const char *name, const char *command)
{
    const char *script = text("#!/bin/bash\n%s exec '%s' 0\n", command,
                              path_of(SERVER, name));
    return start_with(SERVER,
                      (struct start_options){.name = name,
                                             .file = write_file(token(), script,
                                                                strlen(script), 0755),
                                             .of_unix = true},
                      NULL);
}

TEST(select_limit, .judges = SERVER, .stage = ROBUST, .needs = "lines",
     .only = "server_select", .unix_only = true, .points = 1, .step = 5,
     .name = "a client whose descriptor does not fit into a set is closed; others stay",
     .hint = "Compare the descriptor with FD_SETSIZE: FD_SET() with a larger one "
             "writes beyond the set.")
{
    if (instrumented() || access("/bin/bash", X_OK) != 0)
        skip_test(
            "needs bash, and a program without descriptors of valgrind or a sanitizer");
    /* All descriptors up to 1021 are in use, except those that bash closes at exec. */
    struct program *server = start_limited(
        "server_select", "ulimit -n 2048 || exit\n"
                         "for i in {3..9}; do eval \"exec $i</dev/null\"; done\n"
                         "while exec {i}</dev/null; [ $i -lt 1021 ]; do :; done\n");
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    int k = 0;
    const char *line;
    do {
        connect_peer(peer, ++k, port);
        line = wait_line_like(server, "server: [cd]*");
    } while (strstr(line, "descriptor 1024") == NULL && k < 5);
    if (k < 2 || k == 5)
        fail_test(
            "expected an error about descriptor 1024, but at client %d the server printed \"%s\"",
            k, line);
    command(peer, "drain %d", k);
    wait_line_like(peer, text("test: %d received *", k));
    exchange(peer, k - 1, token());
    command(peer, "close 1");
    wait_line(server, "server: client 1 left");
    expect_service(peer, k + 1, port);
}

TEST(signals_lost, .judges = SERVER, .stage = ROBUST, .needs = "lines",
     .only = "server_sigio", .unix_only = true, .points = 1, .step = 4,
     .name = "if the queue of signals is full, all clients are still served",
     .hint = "SIGIO comes without a descriptor when the queue of signals was "
             "full: look at all clients.")
{
    if (access("/bin/bash", X_OK) != 0)
        skip_test("needs bash, whose ulimit knows the queue of signals");
    struct program *server = start_limited("server_sigio", "ulimit -i 0 || exit\n");
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    connect_peer(peer, 2, port);
    for (int i = 0; i < 3; i++) {
        exchange(peer, 1, token());
        exchange_by("send", peer, 2, random_bytes(65536, 'a', 'z'), 65536);
    }
    wait_error_like(server, "server: the queue of signals was full*");
    command(peer, "close 1");
    wait_line(server, "server: client 1 left");
    command(peer, "shut 2");
    command(peer, "drain 2");
    expect_stream_end(peer, 2);
}

/* ---- What `make run` shows ---------------------------------------------------------- */

static void conversation(void)
{
    narrate(
        "The server listens on a free port of this machine, and two clients connect.");
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *one = start(CLIENT, LOOPBACK, port, NULL);
    wait_line(server, "server: client 1 connected");
    send_line(one, "hello from the one");
    wait_line_like(one, "client: received *");
    struct program *other = start(CLIENT, LOOPBACK, port, NULL);
    wait_line(server, "server: client 2 connected");
    send_line(other, "hello from the other");
    wait_line_like(other, "client: received *");
    narrate("QUIT ends one session, the end of input the other. Ctrl-C ends the server.");
    send_line(one, QUIT);
    wait_line(server, "server: client 1 left");
    expect_end(one, 0);
    close_input(other);
    wait_line(server, "server: client 2 left");
    expect_end(other, 0);
    send_signal(server, SIGINT);
    expect_end(server, 0);
}

CHECKER("05-sockets", "sockets")
