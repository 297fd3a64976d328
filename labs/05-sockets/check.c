/*
 * check.c - judges lab 05 from outside, by the contract alone.
 *
 * Servers and clients are spoken to over TCP by a probe (grading/probe/unix/peer.c), which is
 * a program of UNIX in every run: TCP does not care what system is at its other end.
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
    return strrchr(line, ':') + 1;
}

/* Reads any file; the bytes live as long as the test. */
static char *load_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        kit_error("%s cannot be read", path);
    *length = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*length + 1);
    if (bytes == NULL || fread(bytes, 1, *length, file) != *length)
        kit_error("%s cannot be read", path);
    fclose(file);
    return bytes;
}

/* Gives the peer a command. */
static void tell(struct program *peer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(struct program *peer, const char *format, ...)
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
    tell(peer, "connect %d " LOOPBACK " %s", k, port);
    wait_line(peer, "test: %d connected", k);
}

/* Starts a peer with one connection, number 1, to `port`. */
static struct program *peer_at(const char *port)
{
    struct program *peer = start_unix_probe("peer", NULL);
    connect_peer(peer, 1, port);
    return peer;
}

/* Waits until what the peer was told to read on connection `k` is there, and nothing has
 * ended it. */
static void expect_received(struct program *peer, int k)
{
    const char *line = wait_line_like(peer, text("test: %d received *", k));
    if (strstr(line, "received all") == NULL)
        fail_test("the connection ended before all was received (%s)", line);
}

/* Waits until the peer, which drains connection `k`, has come to its end. */
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

/* Sends `bytes` as `verb` says ("send", "trickle"), while the echo is read, which must be
 * exact. */
static void exchange_by(const char *verb, struct program *peer, int k, const char *bytes,
                        size_t length)
{
    const char *name = token();
    write_file(name, bytes, length, 0644);
    tell(peer, "%s %d %s", verb, k, name);
    if (strcmp(verb, "lockstep") != 0)
        tell(peer, "read %d %zu", k, length);
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
    tell(peer, "send %d %s", k, name);
}

/* Fails unless somebody new is served at `port`. */
static void expect_service(struct program *peer, int k, const char *port)
{
    connect_peer(peer, k, port);
    exchange(peer, k, token());
    tell(peer, "close %d", k);
    wait_line(peer, "test: %d closed", k);
}

static void send_line(struct program *client, const char *line)
{
    send_bytes(client, text("%s\n", line), strlen(line) + 1);
}

/* ---- The pair ----------------------------------------------------------------------- */

/* A socket of the checker's own that listens at `port`, 0 for any; -1 if it cannot. Sets `*port`
 * to the one that it got. */
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

TEST(lines, .judges = PAIR, .pair = "", .points = 3, .step = 5,
     .name = "lines are sent, received and echoed, in order, and QUIT ends the session",
     .hint = "Send back as many bytes as recv() returned. After QUIT send "
             "nothing, and close.",
     .client_step = 5,
     .client_hint = "Send the bytes of the line. Then call recv() until as many bytes "
                    "have come back. After QUIT wait for the end.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *client = start(CLIENT, LOOPBACK, port, NULL);
    wait_line(server, "server: client 1 connected");
    for (int i = 0; i < 5; i++) {
        const char *line = text("%s %s " CYRILLIC, token(), token());
        send_line(client, line);
        wait_line(client, "client: sent \"%s\"", line);
        wait_line(server, "server: received \"%s\"", line);
        wait_line(client, "client: received \"%s\"", line);
    }
    send_line(client, QUIT);
    wait_line(client, "client: sent \"QUIT\"");
    wait_line(server, "server: received \"QUIT\"");
    wait_line(server, "server: client 1 left");
    wait_line(client, "client: done");
    expect_end(client, 0);
    if (printed_like(client, "client: received \"QUIT\""))
        fail_test("the server replied to QUIT");
}

/* Holds what the kit's runs share, port 5050, until the test's process ends. */
static void hold_default_port(void)
{
    static int file; /* the end of the test closes it */
    file = open(reference_file("05-sockets", UNIX, "server"), O_RDONLY | O_CLOEXEC);
    if (file == -1 || flock(file, LOCK_EX) == -1)
        kit_error("the file that stands for port " DEFAULT_PORT " cannot be locked");
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(DEFAULT_PORT)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1, probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(probe, (struct sockaddr *)&address, sizeof address) == -1)
        skip_test("somebody else uses port " DEFAULT_PORT);
    close(probe);
}

TEST(default_address, .judges = PAIR, .pair = "", .points = 1, .step = 3,
     .name = "without arguments both use 127.0.0.1, port 5050",
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

TEST(two_clients, .judges = PAIR, .pair = "", .points = 2, .step = 4,
     .name = "two clients at once each get their own echo",
     .hint = "Give each thread a variable of its own for its client. The loop's "
             "variable is overwritten by the next client.",
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
    for (int i = 0; i < 2; i++) {
        close_input(clients[i]);
        expect_end(clients[i], 0);
    }
    wait_line_like(server, "server: client [12] left");
    wait_line_like(server, "server: client [12] left");
}

TEST(long_lines, .judges = PAIR, .pair = "", .points = 2, .step = 6,
     .name = "lines of any length come back whole: around 1000, 1024, 4096, 65536 bytes",
     .hint = "Call send() again with the rest until all is sent. A longer text "
             "that ends in QUIT is not QUIT: compare its length first.",
     .client_step = 5,
     .client_hint = "Call recv() until as many bytes have come back as were sent. Send "
                    "no part of a longer line as QUIT alone.")
{
    static const size_t lengths[] = {1,    3,     4,     5,     996,  999,  1000,
                                     1001, 1003,  1004,  1005,  1023, 1024, 1025,
                                     4096, 65535, 65536, 65537, 2};
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

TEST(by_name, .judges = PAIR, .pair = "", .points = 1, .step = 3,
     .name = "the client finds a server by name, whichever address it listens on",
     .hint = "Bind to the ADDRESS given, of IPv4 or of IPv6, and print it in the "
             "line \"server: ready\".",
     .client_step = 3,
     .client_hint = "getaddrinfo() returns a list: call connect() with one address "
                    "after the other.")
{
    /* What the name stands for is the machine's own affair: one address, or both. */
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

TEST(six_and_four, .judges = PAIR, .pair = "", .points = 1, .step = 3,
     .name = "a server at :: is reached by IPv6 and by IPv4",
     .hint = "Set IPV6_V6ONLY to 0 before bind(): its default is not the same "
             "everywhere.",
     .client_step = 3,
     .client_hint = "Ask getaddrinfo() for any family: AF_UNSPEC, not AF_INET.")
{
    struct program *server = start(SERVER, "0", "::", NULL);
    const char *port = strrchr(wait_line_like(server, "server: ready \\[::\\]:*"), ':') +
                       1;
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

/* The killed program is one of UNIX in every run: of a killed one of Windows, Wine 8 now
 * and then keeps the connection open. */
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

TEST(client_killed, .judges = SERVER, .pair = "", .points = 1, .step = 5,
     .name = "when a client is killed the server sees it leave, and serves the next",
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

TEST(server_killed, .judges = CLIENT, .pair = "", .points = 1, .step = 5,
     .name = "when the server is killed the client says so at its next line, exit code 1",
     .hint = "recv() that returns 0 is no reply: print a line on standard error, "
             "and exit with 1.")
{
    struct program *server = start_reference(SERVER, "0", NULL);
    struct program *client = start(CLIENT, LOOPBACK, port_of(server), NULL);
    send_line(client, "one");
    wait_line(client, "client: received \"one\"");
    kill_program(server);
    offer_bytes(client, "two\n", 4); /* it may have noticed, and ended, by itself */
    wait_error_like(client, "client: *");
    expect_end(client, 1);
}

/* ---- Across the systems --------------------------------------------------------------- */

TEST(client_of_unix, .judges = SERVER, .pair = "", .win32_only = true, .points = 2,
     .step = 5, .name = "a client of UNIX talks to the Windows server",
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

TEST(server_of_unix, .judges = CLIENT, .pair = "", .win32_only = true, .points = 2,
     .step = 5, .name = "the Windows client talks to a server of UNIX",
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

TEST(two_hosts, .judges = PAIR, .pair = "", .points = 1, .step = 3,
     .name = "a server and a client on two hosts talk over the network between them",
     .hint = "Bind to the ADDRESS given: no other machine reaches 127.0.0.1.",
     .client_step = 3, .client_hint = "Connect to the HOST given, not to 127.0.0.1.")
{
    if (on_windows())
        skip_test("needs two machines, or Linux, which can play two");
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

TEST(any_bytes, .judges = SERVER, .pair = "", .points = 2, .step = 6,
     .name = "every byte comes back as it was sent, 0x00 to 0xFF",
     .hint = "Use the length that recv() returned. strlen(), strcpy() and "
             "printf() stop at a byte of value 0.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *peer = peer_at(port_of(server));
    char bytes[256];
    for (int byte = 0; byte < 256; byte++)
        bytes[byte] = (char)byte;
    exchange_by("send", peer, 1, bytes, sizeof bytes);
    exchange_by("send", peer, 1, "a\0b\x1A\xFF\r\n", 7);
    wait_line(server, "server: received \"a\\0b\\x1A\\xFF\\x0D\\n\"");
    exchange(peer, 1, "longer text");
    exchange(peer, 1, "short");
    wait_line(server, "server: received \"short\"");
}

TEST(any_pieces, .judges = SERVER, .pair = "", .points = 2, .step = 6,
     .name =
         "bytes come back in order however they are cut: singly, or a megabyte at once",
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

TEST(quit, .judges = SERVER, .pair = "", .points = 2, .step = 5,
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
    tell(peer, "drain 2");
    expect_stream_end(peer, 2);
    size_t length;
    read_file("2.received", &length);
    if (length != strlen(token()))
        fail_test("behind the echo of the first text %zu more bytes came",
                  length - strlen(token()));
    wait_line(server, "server: received \"QUIT\"");
    wait_line_like(server, "server: client [12] left");
    exchange(peer, 1, token());
    connect_peer(peer, 3, port);
    push(peer, 3, QUIT, QUIT_SIZE); /* as the first word, too */
    tell(peer, "drain 3");
    expect_stream_end(peer, 3);
}

TEST(
    quit_in_text, .judges = SERVER, .pair = "", .points = 2, .step = 5,
    .name = "QUIT as a part of a longer piece is text, and so are its letters one by one",
    .hint = "Take only four bytes that arrive alone for QUIT. QUIT with a line "
            "end, at the beginning or at the end of a longer text is text. So "
            "are bytes that were sent back before.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *peer = peer_at(port_of(server));
    static const char *const texts[] = {"QUITTER", "xQUIT",    "QUIT\n", "QUIT\r\n",
                                        "QUIT\r",  "QUITQUIT", "quit",   "QUI",
                                        " QUIT",   "QUIT "};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        exchange(peer, 1, texts[i]);
    exchange_by("send", peer, 1, "QUIT", 5); /* with its NUL */
    char *piece = random_bytes(PIECE_SIZE, 'a', 'z');
    snprintf(piece + PIECE_SIZE - QUIT_SIZE, QUIT_SIZE + 1, "%s", QUIT);
    exchange_by("send", peer, 1, piece, PIECE_SIZE);
    /* A program that reads less than a piece at a time finds QUIT alone behind one of these. */
    static const size_t before[] = {32,  64,  100, 128, 200, 250,
                                    255, 256, 500, 511, 512, 996};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        piece = random_bytes(before[i] + QUIT_SIZE, 'a', 'z');
        snprintf(piece + before[i], QUIT_SIZE + 1, "%s", QUIT);
        exchange_by("send", peer, 1, piece, before[i] + QUIT_SIZE);
    }
    exchange_by("lockstep", peer, 1, QUIT, QUIT_SIZE);
    exchange(peer, 1, token());
}

TEST(half_close, .judges = SERVER, .pair = "", .points = 2, .step = 7,
     .name = "a client that has said all still gets every echo, and then the end",
     .hint = "recv() returns 0 when the client sends no more. It still reads: "
             "send all echoes before you close.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *peer = peer_at(port_of(server));
    size_t length = 300 * 1000;
    char *bytes = random_bytes(length, 'a', 'z');
    push(peer, 1, bytes, length);
    tell(peer, "shut 1");
    tell(peer, "drain 1");
    expect_stream_end(peer, 1);
    size_t got;
    char *received = read_file("1.received", &got);
    expect_bytes("the echo", NULL, 0, bytes, length, received, got);
    wait_line(server, "server: client 1 left");
}

TEST(says_nothing, .judges = SERVER, .pair = "", .points = 1, .step = 7,
     .name = "a client that connects and leaves without a word is counted, and closed",
     .hint = "The first recv() may return 0.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *peer = peer_at(port_of(server));
    wait_line(server, "server: client 1 connected");
    tell(peer, "shut 1");
    tell(peer, "drain 1");
    expect_stream_end(peer, 1);
    wait_line(server, "server: client 1 left");
    if (printed_like(server, "server: received *"))
        fail_test("the server received what nobody sent");
}

TEST(resets, .judges = SERVER, .pair = "", .points = 2, .step = 5,
     .name = "a client that breaks the connection takes nobody with it",
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
        /* On Windows accept() may fail for who breaks off before it, and nobody is told. */
        if (k % 3 == 0 || (k % 3 == 2 && on_windows()))
            exchange(peer, k, token());
        if (k % 3 == 1) { /* echoes are on their way to nobody */
            push(peer, k, random_bytes(100000, 'a', 'z'), 100000);
            wait_line(peer, "test: %d sent", k);
            tell(peer, "shut %d", k);
        }
        tell(peer, "reset %d", k);
        wait_line(peer, "test: %d closed", k);
    }
    /* Bytes, the end, and then a break, all before the server looks: an echo of the bytes
     * is what UNIX has the signal SIGPIPE for. */
    connect_peer(peer, 22, port);
    exchange(peer, 22, token());
    if (under_test() == UNIX)
        send_signal(server, SIGSTOP);
    push(peer, 22, random_bytes(3000, 'a', 'z'), 3000);
    wait_line(peer, "test: 22 sent");
    tell(peer, "shut 22");
    tell(peer, "settle 22");
    wait_line(peer, "test: 22 settled");
    tell(peer, "reset 22");
    wait_line(peer, "test: 22 closed");
    if (under_test() == UNIX)
        send_signal(server, SIGCONT);
    exchange(peer, 1, token());
    expect_service(peer, 30, port);
    for (int k = 0; k < 22; k++)
        wait_line_like(server, "server: client * left");
    if (!is_running(server))
        fail_test("the server has ended");
}

/* Waits until for QUIET seconds the server has told of nothing but what is said to it on
 * connection `k` meanwhile. */
static void await_quiet(struct program *server, struct program *peer, int k)
{
    for (double since = now(); now() - since < QUIET;) {
        size_t before = count_lines(server, "server: *");
        exchange(peer, k, token());
        if (count_lines(server, "server: *") > before + 1)
            since = now();
    }
}

TEST(never_reads, .judges = SERVER, .pair = "", .points = 3, .step = 6,
     .name = "a client that sends much and reads late costs neither others nor memory",
     .hint = "Receive nothing from a client while it does not take its echoes: "
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
    tell(peer, "stall 1");
    wait_line_like(peer, "test: 1 s*");
    /* What it has received up to now it may still be working off. */
    connect_peer(peer, 3, port);
    await_quiet(server, peer, 3);
    struct resources during = resources_of(server);
    if (!instrumented() && during.memory > before.memory + 8 * MEGABYTE)
        fail_test("a client that reads nothing has made the server %zu bytes larger",
                  during.memory - before.memory);
    expect_idle(server, 0.3, 10);
    tell(peer, "reset 1");
    tell(peer, "close 3");
    expect_service(peer, 2, port);
    wait_line(server, "server: client 1 left");
}

TEST(reads_late, .judges = SERVER, .pair = "", .points = 1, .step = 6,
     .name = "echoes that had to wait come whole and in order when the client reads",
     .hint = "Keep what send() did not take, and send it later.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    size_t length = 2 * MEGABYTE;
    char *bytes = random_bytes(length, 'a', 'z');
    push(peer, 1, bytes, length);
    tell(peer, "stall 1");
    wait_line_like(peer, "test: 1 s*");
    expect_service(peer, 2, port);
    tell(peer, "read 1 %zu", length);
    expect_received(peer, 1);
    expect_last(1, "the echo", bytes, length);
}

/* Fails if the server has many children that have ended and that it has not waited for: a few may
 * have ended just now, or wait for the next client to come. */
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

TEST(hundred_at_once, .judges = SERVER, .pair = "", .points = 2, .step = 4,
     .name = "100 clients come at once, 50 stay until all 50 are served; all are served",
     .hint = "Give each client its own thread, or its own place in the table. If "
             "there is no place, let it wait until one is free. Pass SOMAXCONN "
             "to listen().")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    tell(peer, "crowd 100 50 " LOOPBACK " %s", port);
    wait_line(peer, "test: crowd served 100");
    for (int i = 0; i < 100; i++)
        wait_line_like(server, "server: client * left");
    if (!printed_like(server, "server: client 100 connected"))
        fail_test("the transcript does not count to client 100");
}

TEST(all_reaped, .judges = SERVER, .pair = "", .unix_only = true, .points = 1, .step = 4,
     .name = "child processes that end at the same moment are all waited for",
     .hint = "One SIGCHLD may stand for several children: call waitpid() with "
             "WNOHANG until it returns no more of them.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    tell(peer, "crowd 100 100 " LOOPBACK " %s", port);
    wait_line(peer, "test: crowd served 100");
    for (int i = 0; i < 2; i++) /* a server without SIGCHLD may look at each client */
        expect_service(peer, 1, port);
    expect_reaped(server);
}

TEST(no_descriptors, .judges = SERVER, .pair = "", .unix_only = true, .points = 2,
     .step = 4,
     .name = "24 clients, and descriptors for fewer: the rest wait until others leave",
     .hint = "accept() fails with EMFILE: do not end. The listener stays ready, "
             "so do not call accept() again before a client has left.")
{
    if (instrumented())
        skip_test(
            "valgrind has a limit of its own, and closes what it accepts beyond it");
    /* A server may need two descriptors for a client, or three. Some clients wait in the
     * listener's queue; where that is short others ask again until they find a place in it. */
    enum { CLIENTS = 24, FIRST = 4, DESCRIPTORS = 24 };
    struct program *server =
        start_with(SERVER, (struct start_options){.descriptors = DESCRIPTORS}, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    const char *words[CLIENTS + 1];
    for (int k = 1; k <= CLIENTS; k++) {
        tell(peer, "reach %d " LOOPBACK " %s", k, port);
        words[k] = token();
        push(peer, k, words[k], strlen(words[k]));
    }
    for (int k = 1; k <= CLIENTS; k++) {
        tell(peer, "read %d %zu", k, strlen(words[k]));
        expect_received(peer, k);
        expect_last(k, "the echo", words[k], strlen(words[k]));
        if (k == FIRST) {
            /* Up to here others were let in. Now only these are to be served, or none waits. */
            await_quiet(server, peer, 1);
            for (int i = 1; i <= FIRST; i++)
                exchange(peer, i, token());
            if (!printed_like(server, text("server: client %d connected", CLIENTS)))
                expect_idle(server, 0.5, 30);
            for (int i = 1; i <= FIRST; i++)
                tell(peer, "close %d", i);
        } else if (k > FIRST) {
            tell(peer, "close %d", k);
        }
    }
    for (int k = 1; k <= CLIENTS; k++)
        wait_line_like(server, "server: client * left");
    expect_service(peer, 1, port);
}

TEST(high_descriptors, .judges = SERVER, .pair = "", .unix_only = true, .points = 1,
     .step = 4,
     .name = "clients with descriptors of 1,024 and above do no harm to others",
     .hint = "FD_SET() with a descriptor of FD_SETSIZE or above writes beyond "
             "the set: close such a connection, or use poll().")
{
    if (instrumented())
        skip_test("valgrind has descriptors of its own");
    enum { CLIENTS = 60, TAKEN = 1000 };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == -1 || files.rlim_max < 2 * TAKEN)
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
        tell(peer, "close %d", k);
        wait_line(peer, "test: %d closed", k);
    }
    expect_service(peer, 2, port);
    exchange(peer, 1, token());
    if (!is_running(server))
        fail_test("the server has ended");
}

TEST(no_threads, .judges = SERVER, .pair = "", .unix_only = true, .points = 1, .step = 4,
     .name = "a server that has no room for a thread refuses one client, and serves on",
     .hint = "pthread_create() or fork() can fail: close this one client, and "
             "serve on.")
{
    if (instrumented())
        skip_test("valgrind and the sanitizers need more memory than the test leaves");
    /* One heap serves all its threads: a second takes 64 MB of addresses, if it finds them at
     * a multiple of 64 MB. */
    static const char *const environment[] = {"MALLOC_ARENA_MAX=1", NULL};
    struct program *server =
        start_with(SERVER, (struct start_options){.environment = environment}, "0", NULL);
    const char *port = port_of(server);
    limit_addresses(server, 64 * MEGABYTE); /* what it has made beforehand it has */
    struct program *peer = peer_at(port);
    int k = 1;
    bool served = true;
    while (served && k < 60) {
        connect_peer(peer, ++k, port);
        const char *word = token();
        push(peer, k, word, strlen(word));
        tell(peer, "read %d %zu", k, strlen(word));
        const char *line = wait_line_like(peer, text("test: %d received *", k));
        served = strstr(line, "received all") != NULL;
        exchange(peer, 1, token());
    }
    for (int i = 2; i <= k; i++)
        tell(peer, "close %d", i);
    for (int i = 2; i <= (served ? k : k - 1); i++)
        wait_line_like(server, "server: client * left");
    expect_service(peer, 2, port);
    exchange(peer, 1, token());
}

/* Lets up to `count` clients come one after the other, for half a second at the most. Returns
 * how many were served: all. */
static int serve_series(struct program *peer, const char *port, int count)
{
    int came, served;
    tell(peer, "series %d " LOOPBACK " %s", count, port);
    const char *line = wait_line_like(peer, "test: series served *");
    if (sscanf(line, "test: series served %d of %d", &served, &came) != 2 ||
        served != came)
        fail_test("of clients that came one after the other not all were served: %s",
                  line);
    return served;
}

/* Waits, not for ever, until nobody listens at the port. A server that was killed may leave
 * processes of its own, which die after it, if only just. */
static void await_refusal(struct program *peer, int k, const char *port)
{
    for (double end = now() + 1; now() < end; usleep(10000)) {
        tell(peer, "connect %d " LOOPBACK " %s", k, port);
        if (strstr(wait_line_like(peer, text("test: %d *", k)), "refused") != NULL)
            return;
        tell(peer, "close %d", k);
        wait_line(peer, "test: %d closed", k);
    }
}

TEST(leaks_nothing, .judges = SERVER, .pair = "", .points = 2, .step = 7,
     .name = "2,000 clients, or a second of them, leave nothing behind",
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
    /* Threads that are just ending take some, too, or took more, once. A leak goes on. */
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

/* Lets a client send `count` messages, each when the one before is back. */
static void talk(struct program *peer, int k, int count)
{
    long talked;
    tell(peer, "talk %d %d %d", k, under_test() == UNIX ? 200 : PIECE_SIZE, count);
    const char *line = wait_line_like(peer, text("test: %d talked *", k));
    if (sscanf(line, "test: %*d talked %ld", &talked) != 1 || talked != count)
        fail_test("of %d messages not all came back: %s", count, line);
}

TEST(long_talk, .judges = SERVER, .pair = "", .points = 1, .step = 6,
     .name = "a connection over which thousands of messages pass takes no more memory",
     .hint = "free() what you allocate for a message, such as a copy of its "
             "text, before you receive the next.")
{
    if (instrumented())
        skip_test("valgrind and the sanitizers keep memory that is free");
    struct program *server = start_with(
        SERVER, (struct start_options){.output_limit = (size_t)256 << 20}, "0", NULL);
    struct program *peer = peer_at(port_of(server));
    const int count = under_test() == UNIX ? 5000 : 1500;
    talk(peer, 1, count); /* what the first messages take is used again */
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

TEST(restart, .judges = SERVER, .pair = "", .points = 2, .step = 3,
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
    tell(peer, "drain 1");
    expect_stream_end(peer, 1);
    tell(peer, "close 1");
    wait_line(server, "server: client 1 left");
    connect_peer(peer, 2, port);
    exchange(peer, 2, token());
    kill_program(server);
    await_refusal(peer, 4, port);
    server = start(SERVER, port, NULL);
    wait_line(server, "server: ready " DEFAULT_HOST ":%s", port);
    expect_service(peer, 3, port);
}

TEST(port_taken, .judges = SERVER, .pair = "", .points = 2, .step = 3,
     .name = "a second server on the same port says so, exit code 1; the first serves on",
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
        fail_test("the second server says it is ready on the first one's port");
    struct program *peer = start_unix_probe("peer", NULL);
    expect_service(peer, 1, port);
    wait_line(server, "server: client 1 left");
}

/* Waits for a line "WHO: CALL: error N: text" on standard error, whose N must be one of the two
 * given: the number of what has really happened. */
static void expect_error_number(struct program *program, const char *who, int number,
                                int other)
{
    const char *line = wait_error_like(program, text("%s: *error *", who));
    int told = 0;
    if (sscanf(strstr(line, "error ") + strlen("error "), "%d", &told) != 1 ||
        (told != number && told != other))
        fail_test("expected error %d, got \"%s\"", number, line);
}

#define WSAEACCES 10013
#define WSAEADDRINUSE 10048
#define WSAECONNREFUSED 10061

TEST(error_number, .judges = SERVER, .pair = "", .points = 1, .step = 3,
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
    else /* with SO_EXCLUSIVEADDRUSE on the first it is the one or the other */
        expect_error_number(second, "server", WSAEADDRINUSE, WSAEACCES);
    expect_end(second, 1);
}

TEST(only_here, .judges = SERVER, .pair = "", .points = 1, .step = 3,
     .name = "without an ADDRESS nobody reaches the server but by 127.0.0.1",
     .hint = "Bind to the ADDRESS given. INADDR_ANY opens the server to the "
             "whole network.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    tell(peer, "connect 1 127.0.0.2 %s", port);
    wait_line(peer, "test: 1 refused");
    expect_service(peer, 2, port);
    server = start(SERVER, "0", "127.0.0.2", NULL);
    tell(peer, "connect 1 127.0.0.2 %s", port_of(server));
    wait_line(peer, "test: 1 connected");
    exchange(peer, 1, token());
    tell(peer, "close 1");
    wait_line(server, "server: client 1 left");
}

TEST(ends_in_order, .judges = SERVER, .pair = "", .points = 1, .step = 2,
     .name = "Ctrl-C ends the server in order, exit code 0, and its clients see the end",
     .hint = "The end of the process closes every socket, if no child has a copy "
             "of it.")
{
    static const int signals[] = {SIGINT, SIGTERM};
    for (int i = 0; i < (under_test() == UNIX ? 2 : 1); i++) {
        struct program *server = start(SERVER, "0", NULL);
        struct program *peer = peer_at(port_of(server));
        exchange(peer, 1, token());
        send_signal(server, signals[i]);
        wait_line(server, "server: done");
        expect_end(server, 0);
        tell(peer, "shut 1"); /* a process of its own may serve a client to its end */
        tell(peer, "drain 1");
        wait_line_like(peer, "test: 1 received *");
    }
}

TEST(ends_when_busy, .judges = SERVER, .pair = "", .points = 1, .step = 4,
     .name = "Ctrl-C ends a server that its clients never leave idle",
     .hint_unix = "pselect() and ppoll() let a signal in only while they wait, and "
                  "they do not wait if a client is ready. Look for the signal "
                  "yourself, with sigpending().",
     .hint_win32 = "The handler of SetConsoleCtrlHandler() runs in a thread of its "
                   "own: end the program there, or set a flag that the loop reads each "
                   "time.")
{
    /* It prints 2 KB for each message, and goes on until it learns of the signal. */
    struct start_options options = {.output_limit = (size_t)256 << 20};
    struct program *server = start_with(SERVER, options, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    tell(peer, "flood %d " LOOPBACK " %s", under_test() == UNIX ? 40 : 2, port);
    for (int i = 0; i < 1000; i++)
        wait_line_like(server, "server: received *");
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
    kill_program(peer); /* processes of their own may serve its connections up to here */
    wait_silence(server);
}

TEST(last_line, .judges = SERVER, .pair = "", .points = 1, .step = 2,
     .name = "after \"server: done\" the server prints nothing",
     .hint_unix = "Threads run until the process has ended: take the lock of standard "
                  "output with flockfile(), print, and exit() without giving it back.",
     .hint_win32 = "Threads run until ExitProcess() has ended them: take the lock with "
                   "which lines are printed, print the last, and do not give it back.")
{
    /* It needs some luck to meet a thread between the line and the end. */
    for (int i = 0; i < (under_test() == UNIX ? 5 : 6); i++) {
        struct start_options options = {.output_limit = (size_t)256 << 20};
        struct program *server = start_with(SERVER, options, "0", NULL);
        const char *port = port_of(server);
        struct program *peer = peer_at(port);
        exchange(peer, 1, token());
        if (helper_count() > 0)
            return; /* processes of its own, which may serve on, print what they like */
        tell(peer, "flood 30 " LOOPBACK " %s", port);
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

/* A port that is free at this moment, for a server that cannot tell which one it got. */
static const char *free_port(void)
{
    uint16_t port = 0;
    int listener = listen_here(&port);
    if (listener == -1)
        kit_error("no port is free");
    close(listener);
    return text("%d", port);
}

/* Connects to a server that cannot tell when it is ready. */
static void connect_to_silent(struct program *peer, struct program *server, int k,
                              const char *port)
{
    for (double end = now() + 10; now() < end && is_running(server); usleep(5000)) {
        tell(peer, "connect %d " LOOPBACK " %s", k, port);
        if (strstr(wait_line_like(peer, text("test: %d *", k)), "refused") == NULL)
            return;
    }
    fail_test("the server, which has no standard output, does not listen at its port");
}

#define INPUT 1u
#define OUTPUT 2u
#define ERRORS 4u

TEST(missing_streams, .judges = SERVER, .pair = "", .points = 1, .step = 3,
     .name = "a server without standard input, output or error serves as usual",
     .hint_unix = "socket() and accept() return the lowest free number, 1 if standard "
                  "output is closed, and printf() writes into that. Open /dev/null "
                  "until 0 to 2 are taken.",
     .hint_win32 = "GetStdHandle() may return NULL: a program without that stream is "
                   "no failure.")
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
        tell(peer, "reset 2"); /* of which a server may tell on standard error */
        wait_line(peer, "test: 2 closed");
        exchange(peer, 1, token());
        tell(peer, "look 1"); /* not one byte more has come */
        wait_line(peer, "test: 1 has 0 bytes to read");
        tell(peer, "close 1");
        wait_line(peer, "test: 1 closed");
        kill_program(server);
    }
}

/* Starts a server that gets SIGINT when it has done `step` instructions after a client has
 * connected, or with 0 just before it waits again. Returns at which step that was, or 0 if it ended
 * before. */
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
    struct program *peer = peer_at(port);
    wait_line(stepper, "server: done");
    kill_program(peer); /* a process of its own may serve it up to here */
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

TEST(interrupted_anywhere, .judges = SERVER, .pair = "", .unix_only = true, .points = 1,
     .step = 2,
     .name = "SIGINT ends the server in order, whatever it is doing at that moment",
     .hint = "A handler may interrupt printf() or malloc(): do not call them "
             "there. Set a flag of type volatile sig_atomic_t, or wait for the "
             "signal in sigwait().")
{
    if (instrumented())
        skip_test("a watched program cannot be stepped through");
    enum { MOMENTS = 8 };
    long steps = interrupt_at(0);
    for (int i = 1; i < MOMENTS && steps > MOMENTS; i++)
        interrupt_at(steps * i / MOMENTS);
}

TEST(idle_server, .judges = SERVER, .pair = "", .points = 1, .step = 5,
     .name = "clients that stay silent cost the server nothing",
     .hint = "Wait in a call that blocks. Stop to wait for a socket whose recv() "
             "has returned 0: it stays ready.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    for (int k = 2; k < 5; k++) {
        connect_peer(peer, k, port);
        exchange(peer, k, token());
    }
    tell(peer, "shut 3");
    wait_line(server, "server: client 3 left");
    expect_idle(server, 0.3, 5);
    exchange(peer, 1, token());
}

TEST(sanitized_server, .judges = SERVER, .pair = "", .unix_only = true, .sanitized = true,
     .points = 2, .step = 6,
     .name = "under ASan and UBSan the server serves without a report",
     .hint = "Keep within your buffers: recv() may fill the whole buffer, and "
             "bytes[length] = 0 is then one byte beyond it.")
{
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
    tell(peer, "reset 1");
    expect_service(peer, 3, port);
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(server_usage, .judges = SERVER, .pair = "", .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "PORT is a number from 0 to 65535, and there are at most two "
             "arguments.")
{
    static const char *const wrong[] = {"port", "-1", "65536", "", "80x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *server = start(SERVER, wrong[i], NULL);
        wait_error_like(server, "usage: *");
        expect_end(server, 2);
    }
    expect_end(start(SERVER, "0", LOOPBACK, "x", NULL), 2);
}

/* ---- The client --------------------------------------------------------------------- */

/* Starts a client that has connected to a peer, as the peer's connection 1. */
static struct program *client_of_peer(struct program **peer)
{
    *peer = start_unix_probe("peer", NULL);
    tell(*peer, "listen " LOOPBACK);
    const char *line = wait_line_like(*peer, "test: listening at *");
    struct program *client = start(CLIENT, LOOPBACK, strrchr(line, ' ') + 1, NULL);
    tell(*peer, "accept 1");
    wait_line(*peer, "test: 1 accepted");
    return client;
}

/* Receives `line` from the client, and sends `reply`. */
static void expect_line(struct program *peer, const char *line)
{
    tell(peer, "read 1 %zu", strlen(line));
    expect_received(peer, 1);
    expect_last(1, "the line", line, strlen(line));
}

static bool is_called(int listener)
{
    return poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, 0) == 1;
}

TEST(right_port, .judges = CLIENT, .pair = "", .points = 1, .step = 3,
     .name = "the client connects to the port that it was given",
     .hint = "Convert the port with htons(), or let getaddrinfo() do it: "
             "connect() takes it in network byte order.")
{
    /* Two ports whose bytes are each other's in the other order. */
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
        skip_test("no two ports are free whose bytes are each other's");
    struct program *client = start(CLIENT, LOOPBACK, text("%d", port), NULL);
    int both = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (both == -1 || epoll_ctl(both, EPOLL_CTL_ADD, right, &event) == -1 ||
        epoll_ctl(both, EPOLL_CTL_ADD, wrong, &event) == -1)
        kit_error("epoll");
    while (!is_called(both)) {
        if (!is_running(client))
            fail_test("the client ended, and has not connected to port %d", port);
        wait_descriptor(both, "the client to connect");
    }
    if (!is_called(right))
        fail_test("expected a connection to port %d, got one to port %d: the same two "
                  "bytes in the wrong order",
                  port, swapped);
}

TEST(sends_bytes, .judges = CLIENT, .pair = "", .points = 3, .step = 4,
     .name = "the client sends each line's bytes, blanks and all, and nothing else",
     .hint = "Send the whole line, blanks included, without newline or NUL. Of "
             "an empty line send nothing.")
{
    struct program *peer, *client = client_of_peer(&peer);
    static const char *const lines[] = {
        "one two  three ", "\tx\x01\xFF", CYRILLIC, "with CR\r", "", "\r",
        "QUITTER",         " QUIT"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        send_line(client, lines[i]);
        size_t length = strcspn(lines[i], "\r");
        char *bytes = text("%.*s", (int)length, lines[i]);
        if (length == 0)
            continue;
        expect_line(peer, bytes);
        push(peer, 1, bytes, length);
    }
    wait_line(client, "client: sent \"\\x09x\\x01\\xFF\"");
    wait_line(client, "client: sent \"" CYRILLIC "\"");
    wait_line(client, "client: received \" QUIT\"");
    send_bytes(client,
               "a\0b\x1A"
               "c\n",
               6);
    tell(peer, "read 1 5");
    expect_received(peer, 1);
    expect_last(1, "a line with a NUL in it",
                "a\0b\x1A"
                "c",
                5);
    push(peer, 1,
         "a\0b\x1A"
         "c",
         5);
    wait_line(client, "client: received \"a\\0b\\x1A"
                      "c\"");
    /* A last line without its newline is a line, and what is no CR LF stays. */
    send_bytes(client, "last\r", 5);
    close_input(client);
    tell(peer, "read 1 5");
    expect_received(peer, 1);
    expect_last(1, "a last line that ends with a CR", "last\r", 5);
    push(peer, 1, "last\r", 5);
    wait_line(client, "client: received \"last\\x0D\"");
    tell(peer, "drain 1");
    expect_stream_end(peer, 1);
    expect_last(1, "all that came",
                "a\0b\x1A"
                "clast\r",
                10);
    wait_line(client, "client: done");
    expect_end(client, 0);
    if (printed_like(client, "client: * \"\""))
        fail_test("an empty line has no bytes, and the client tells that it sent some");
}

TEST(sends_quit, .judges = CLIENT, .pair = "", .points = 2, .step = 4,
     .name = "a line QUIT is sent, and is the last; the server's close is no failure",
     .hint = "QUIT has no reply: the server closes.")
{
    struct program *peer, *client = client_of_peer(&peer);
    send_bytes(client, "QUIT\nmore\n", 10);
    expect_line(peer, QUIT);
    wait_line(client, "client: sent \"QUIT\"");
    tell(peer, "close 1");
    wait_line(client, "client: done");
    expect_end(client, 0);
    if (printed_like(client, "client: sent \"more\""))
        fail_test("the client sent a line behind QUIT");
}

TEST(end_of_input, .judges = CLIENT, .pair = "", .points = 2, .step = 6,
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
    tell(peer, "drain 1");
    expect_stream_end(peer, 1);
    wait_line(client, "client: done");
    expect_end(client, 0);
    size_t length;
    read_file("1.received", &length);
    if (length != strlen(word))
        fail_test("%zu bytes came, and the only line has %zu", length, strlen(word));
}

TEST(waits_for_echo, .judges = CLIENT, .pair = "", .points = 2, .step = 5,
     .name = "an echo that comes byte by byte is one, and the next line waits for it",
     .hint = "One recv() need not bring all: call it until as many bytes have "
             "come as were sent.")
{
    struct program *peer, *client = client_of_peer(&peer);
    const char *first = token(), *second = token();
    send_bytes(client, text("%s\n%s\n", first, second),
               strlen(first) + strlen(second) + 2);
    expect_line(peer, first);
    write_file("part", first, strlen(first) - 1, 0644);
    tell(peer, "trickle 1 part");
    wait_line(peer, "test: 1 sent");
    expect_idle(client, 0.3, 10);
    tell(peer, "look 1");
    wait_line(peer, "test: 1 has 0 bytes to read");
    push(peer, 1, first + strlen(first) - 1, 1);
    wait_line(client, "client: received \"%s\"", first);
    expect_line(peer, second);
    push(peer, 1, second, strlen(second));
    wait_line(client, "client: received \"%s\"", second);
    if (count_lines(client, "client: received *") != 2)
        fail_test("two echoes came, and the transcript tells of %zu",
                  count_lines(client, "client: received *"));
}

TEST(longest_line, .judges = CLIENT, .pair = "", .points = 2, .step = 5,
     .name = "a line of 3 megabytes goes to a server that holds little, and comes back",
     .hint = "Send a part, receive its echo, and so on. If the client sends all "
             "of a long line before it reads, both programs block in send().")
{
    struct program *peer, *client = client_of_peer(&peer);
    tell(peer, "echo 1");
    char *line = random_bytes(3 * MEGABYTE + 1, 'a', 'z');
    line[3 * MEGABYTE] = '\0';
    send_line(client, line);
    wait_line(client, "client: received \"%s\"", line);
    close_input(client);
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(client_missing_streams, .judges = CLIENT, .pair = "", .points = 1, .step = 3,
     .name = "a client without a standard stream keeps its lines out of the connection",
     .hint_unix = "socket() returns the lowest free number, 0 if standard input is "
                  "closed, and the client reads its lines from that. Open /dev/null "
                  "until 0 to 2 are taken.",
     .hint_win32 = "GetStdHandle() may return NULL. Without standard input there is "
                   "nothing to send, as at the end of the input.")
{
    static const unsigned missing[] = {INPUT, OUTPUT, OUTPUT + ERRORS};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        struct program *peer = start_unix_probe("peer", NULL);
        tell(peer, "listen " LOOPBACK);
        const char *listening = wait_line_like(peer, "test: listening at *");
        struct program *client = start_with(CLIENT,
                                            (struct start_options){.closed = missing[i]},
                                            LOOPBACK, strrchr(listening, ' ') + 1, NULL);
        tell(peer, "accept 1");
        wait_line(peer, "test: 1 accepted");
        const char *word = missing[i] & INPUT ? "" : token();
        if (*word != '\0') {
            send_line(client, word);
            expect_line(peer, word);
            push(peer, 1, word, strlen(word));
            close_input(client);
        }
        tell(peer, "drain 1");
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

TEST(server_closes, .judges = CLIENT, .pair = "", .points = 2, .step = 5,
     .name =
         "when the server closes before it has replied the client says so, exit code 1",
     .hint = "recv() that returns 0 is the end, also in the middle of an echo.")
{
    static const char *const parts[] = {"", "some"};
    for (size_t i = 0; i < 2; i++) {
        struct program *peer, *client = client_of_peer(&peer);
        send_line(client, "something");
        expect_line(peer, "something");
        push(peer, 1, parts[i], strlen(parts[i]));
        tell(peer, "shut 1");
        wait_error_like(client, "client: *");
        expect_end(client, 1);
        if (printed_like(client, "client: done") ||
            printed_like(client, "client: received *"))
            fail_test("the client goes on as if the reply had come");
        kill_program(peer);
    }
}

TEST(server_resets, .judges = CLIENT, .pair = "", .points = 1, .step = 5,
     .name = "a connection that breaks is a line on standard error, and exit code 1",
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
    tell(peer, "shut 1"); /* first the end, then the break: to send is SIGPIPE now */
    tell(peer, "settle 1");
    wait_line(peer, "test: 1 settled");
    tell(peer, "reset 1");
    wait_line(peer, "test: 1 closed");
    offer_bytes(client, "two\n", 4); /* it may have noticed, and ended, by itself */
    wait_error_like(client, "client: *");
    expect_end(client, 1);
}

TEST(no_server, .judges = CLIENT, .pair = "", .points = 2, .step = 3,
     .name = "no server, or no such name, is a line on standard error, and exit code 1",
     .hint = "Check connect() and getaddrinfo(). The latter returns an error "
             "number of its own.")
{
    struct program *peer = start_unix_probe("peer", NULL);
    tell(peer, "listen " LOOPBACK);
    const char *line = wait_line_like(peer, "test: listening at *");
    kill_program(peer); /* now nobody listens there */
    struct program *client = start(CLIENT, LOOPBACK, strrchr(line, ' ') + 1, NULL);
    wait_error_like(client, "client: *error *");
    expect_end(client, 1);
    /* No name has a part of more than 63 letters, so nobody need be asked. */
    client = start(CLIENT, random_bytes(64, 'x', 'x'), NULL);
    wait_error_like(client, "client: *error *");
    expect_end(client, 1);
}

TEST(client_error_number, .judges = CLIENT, .pair = "", .points = 1, .step = 3,
     .name = "the line about a failed connect() has the number of its error",
     .hint_unix = "Take the number from errno before any other call, close() too, and "
                  "print it with strerror().",
     .hint_win32 = "Take the number from WSAGetLastError() before any other call. "
                   "Winsock does not set errno.")
{
    struct program *peer = start_unix_probe("peer", NULL);
    tell(peer, "listen " LOOPBACK);
    const char *line = wait_line_like(peer, "test: listening at *");
    kill_program(peer); /* now nobody listens there */
    struct program *client = start(CLIENT, LOOPBACK, strrchr(line, ' ') + 1, NULL);
    int refused = under_test() == UNIX ? ECONNREFUSED : WSAECONNREFUSED;
    expect_error_number(client, "client", refused, refused);
    expect_end(client, 1);
}

TEST(sanitized_client, .judges = CLIENT, .pair = "", .unix_only = true, .sanitized = true,
     .points = 1, .step = 4,
     .name = "under ASan and UBSan the client works without a report",
     .hint = "Keep within your buffers: a line may be as long as the buffer, or "
             "longer, and bytes[length] = 0 is then one byte beyond it.")
{
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

TEST(client_usage, .judges = CLIENT, .pair = "", .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "PORT is a number from 1 to 65535, and there are at most two "
             "arguments.")
{
    static const char *const wrong[] = {"port", "-1", "0", "65536", "", "80x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *client = start(CLIENT, LOOPBACK, wrong[i], NULL);
        wait_error_like(client, "usage: *");
        expect_end(client, 2);
    }
    expect_end(start(CLIENT, LOOPBACK, "1", "x", NULL), 2);
}

/* ---- server_udp and client_udp ---------------------------------------------------------- */

/* Sends a datagram to `port` from the peer's connection `k`, and waits for the echo. */
static void exchange_datagram(struct program *peer, int k, const char *bytes,
                              size_t length)
{
    const char *name = token();
    write_file(name, bytes, length, 0644);
    tell(peer, "cast %d %s", k, name);
    tell(peer, "catch %d", k);
    wait_line_like(peer, text("test: %d caught *", k));
    size_t got;
    char *received = read_file(text("%d.caught", k), &got);
    expect_bytes("the echo", bytes, length, bytes, length, received, got);
}

TEST(udp_lines, .judges = PAIR, .pair = "udp", .points = 3, .step = 4,
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

TEST(udp_largest, .judges = PAIR, .pair = "udp", .points = 2, .step = 4,
     .name =
         "the largest datagram has 65,507 bytes; a longer line is an error, exit code 1",
     .hint = "Give recvfrom() a buffer for the largest datagram: what does not "
             "fit is lost.",
     .client_step = 4,
     .client_hint = "Check send(): it fails for more than 65,507 bytes.")
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

TEST(
    udp_server, .judges = SERVER, .pair = "udp", .points = 2, .step = 5,
    .name =
        "each datagram goes back to its own sender, bytes and all; who is gone is no harm",
    .hint_unix = "Send to the address that recvfrom() has stored, and use the length "
                 "that it returned.",
    .hint_win32 = "Send to the address that recvfrom() has stored. If it fails with "
                  "WSAECONNRESET, an earlier echo found nobody: call it again.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    for (int k = 1; k <= 3; k++)
        tell(peer, "datagram %d " LOOPBACK " %s", k, port);
    exchange_datagram(peer, 1, "a\0b\xFF\r\n", 6);
    exchange_datagram(peer, 2, "", 0);
    write_file("gone", "gone", 4, 0644);
    tell(peer, "cast 3 gone");
    tell(peer, "close 3");
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

TEST(udp_second_server, .judges = SERVER, .pair = "udp", .points = 1, .step = 3,
     .name = "a second server on the same port says so, exit code 1",
     .hint = "Check bind(); SO_REUSEADDR lets two sockets share a UDP port.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *second = start(SERVER, port_of(server), NULL);
    wait_error_like(second, "server: *error *");
    expect_end(second, 1);
    server = start(SERVER, "port", NULL);
    wait_error_like(server, "usage: *");
    expect_end(server, 2);
}

/* Starts a client that talks to a peer. */
static struct program *client_of_caster(struct program **peer)
{
    *peer = start_unix_probe("peer", NULL);
    tell(*peer, "bind 1 " LOOPBACK);
    const char *line = wait_line_like(*peer, "test: bound to *");
    return start(CLIENT, LOOPBACK, strrchr(line, ' ') + 1, NULL);
}

/* Waits for what the peer was told to catch, which must be `line`. */
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
    tell(peer, "catch 1");
    expect_caught(peer, line);
}

static void cast(struct program *peer, const char *bytes)
{
    const char *name = token();
    write_file(name, bytes, strlen(bytes), 0644);
    tell(peer, "cast 1 %s", name);
}

/* Takes a datagram, which must be `line`, and sends it back at once. */
static void echo_datagram(struct program *peer, const char *line)
{
    tell(peer, "catch 1");
    cast(peer, line);
    expect_caught(peer, line);
}

TEST(
    udp_lost, .judges = CLIENT, .pair = "udp", .points = 3, .step = 4,
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
        fail_test("the client has given the line up after %.2f s, not 2", now() - begun);
    send_line(client, third);
    expect_datagram(peer, third);
    cast(peer, second); /* it comes too late, and is no reply to the third */
    cast(peer, third);
    wait_line(client, "client: received \"%s\"", third);
    close_input(client);
    wait_line(client, "client: done");
    expect_end(client, 1);
    if (count_lines(client, text("client: sent \"%s\"", second)) != 2)
        fail_test("the transcript tells of %zu sendings of \"%s\", and there were two",
                  count_lines(client, text("client: sent \"%s\"", second)), second);
}

TEST(udp_stranger, .judges = CLIENT, .pair = "udp", .points = 2, .step = 2,
     .name = "a datagram from a stranger is no reply",
     .hint = "connect() the socket, or compare the address that recvfrom() has "
             "stored.")
{
    struct program *peer, *client = client_of_caster(&peer);
    const char *word = token();
    send_line(client, word);
    expect_datagram(peer, word);
    write_file("lie", word, strlen(word), 0644);
    tell(peer, "stranger 1 lie"); /* the same bytes, from another port */
    echo_datagram(peer, word);    /* so the client goes on waiting, and asks again */
    wait_line(client, "client: received \"%s\"", word);
    close_input(client);
    expect_end(client, 0);
}

/* ---- server_file and client_file --------------------------------------------------------- */

TEST(file_copied, .judges = PAIR, .pair = "file", .points = 3, .step = 6,
     .name = "a file arrives as it is: of 0, 1, 65,536 and 5,000,000 bytes of any value",
     .hint_unix = "sendfile() may send a part: call it again. A file may have 0 "
                  "bytes.",
     .hint_win32 = "Open the file without text mode. For a file of 0 bytes call "
                   "TransmitFile() without a file.",
     .client_step = 5,
     .client_hint = "Receive as many bytes as the header says, and write the file in "
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

TEST(file_missing, .judges = PAIR, .pair = "file", .points = 2, .step = 6,
     .name = "a file that is not there is told to the client, and the server serves on",
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
    write_file("original", "now", 3, 0644);
    client = start(CLIENT, "copy", LOOPBACK, port, NULL);
    wait_line(client, "client: received 3 bytes");
    expect_end(client, 0);
}

TEST(file_wire, .judges = SERVER, .pair = "file", .points = 2, .step = 7,
     .name = "on the wire are the header, the file and the trailer",
     .hint = "Send the size of the file in the header, and the trailer directly "
             "after the file.")
{
    char *bytes = random_bytes(3 * MEGABYTE, 'a', 'z');
    write_file("original", bytes, 3 * MEGABYTE, 0644);
    struct program *server = start(SERVER, "original", "0", NULL);
    struct program *peer = peer_at(port_of(server));
    tell(peer, "drain 1");
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

TEST(file_leaks, .judges = SERVER, .pair = "file", .points = 1, .step = 6,
     .name = "100 clients later no more descriptors are open than before",
     .hint = "Close the file, and the connection, on every way out.")
{
    write_file("original", "abc", 3, 0644);
    struct program *server = start(SERVER, "original", "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    struct resources before = {0};
    for (int i = 0; i < 100; i++) {
        connect_peer(peer, 1, port);
        tell(peer, "drain 1");
        expect_stream_end(peer, 1);
        tell(peer, "close 1");
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

/* Starts the client of files with a peer for its server, and takes in its connection. */
static struct program *file_client_of_peer(const char *output, struct program **peer)
{
    *peer = start_unix_probe("peer", NULL);
    tell(*peer, "listen " LOOPBACK);
    const char *line = wait_line_like(*peer, "test: listening at *");
    struct program *client = start(CLIENT, output, LOOPBACK, strrchr(line, ' ') + 1,
                                   NULL);
    tell(*peer, "accept 1");
    wait_line(*peer, "test: 1 accepted");
    return client;
}

TEST(file_no_room, .judges = CLIENT, .pair = "file", .unix_only = true, .points = 1,
     .step = 5, .name = "a file that cannot be written is a line and exit code 1",
     .hint = "Check fwrite() and fclose(): they fail when the disk is full.")
{
    struct program *peer, *client = file_client_of_peer("/dev/full", &peer);
    push(peer, 1, "FILE 4\nabcdEND\n", 15);
    tell(peer, "shut 1");
    wait_error_like(client, "client: *");
    expect_end(client, 1);
}

TEST(file_broken, .judges = SERVER, .pair = "file", .points = 1, .step = 7,
     .name = "a client that breaks off in the middle of the file does no harm",
     .hint = "If sending fails, this client has left: print a line, and serve "
             "the next.")
{
    if (under_test() == WIN32 && !on_windows())
        skip_test("needs Windows: under Wine 8 a TransmitFile that waits for room mostly "
                  "misses that the connection has broken");
    char *bytes = random_bytes(3 * MEGABYTE, 'a', 'z');
    write_file("original", bytes, 3 * MEGABYTE, 0644);
    struct program *server = start(SERVER, "original", "0", NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    tell(peer, "read 1 100");
    expect_received(peer, 1);
    tell(peer, "reset 1");
    wait_line(peer, "test: 1 closed");
    wait_error_like(server, "server: client 1: *error *");
    wait_line(server, "server: client 1 left");
    connect_peer(peer, 2, port);
    tell(peer, "read 2 %zu", 3 * (size_t)MEGABYTE);
    expect_received(peer, 2);
}

TEST(file_cut, .judges = CLIENT, .pair = "file", .points = 2, .step = 6,
     .name = "a file that is cut off, or has a wrong trailer, is a line and exit code 1",
     .hint = "The file is complete only if as many bytes came as the header "
             "says, and the trailer after them.")
{
    static const char *const streams[] = {"FILE 4\nabc",    "FILE 4\nabcd",
                                          "FILE 4\nabcdEN", "FILE 4\nabcdENT\n",
                                          "FILE x\nabcd",   "FI"};
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        struct program *peer = start_unix_probe("peer", NULL);
        tell(peer, "listen " LOOPBACK);
        const char *line = wait_line_like(peer, "test: listening at *");
        struct program *client = start(CLIENT, "copy", LOOPBACK, strrchr(line, ' ') + 1,
                                       NULL);
        tell(peer, "accept 1");
        wait_line(peer, "test: 1 accepted");
        push(peer, 1, streams[i], strlen(streams[i]));
        tell(peer, "shut 1");
        wait_error_like(client, "client: *");
        expect_end(client, 1);
        if (printed_like(client, "client: received *"))
            fail_test("of \"%s\" the client says that it is a whole file", streams[i]);
        kill_program(peer);
    }
}

TEST(file_in_bytes, .judges = CLIENT, .pair = "file", .points = 1, .step = 4,
     .name = "header, file and trailer that come byte by byte are taken as they are",
     .hint = "One recv() may bring a part of the header, or the header with a "
             "part of the file.")
{
    struct program *peer, *client = file_client_of_peer("copy", &peer);
    write_file("stream",
               "FILE 7\nEND\n\r\n\x1A"
               "END\n",
               18, 0644);
    tell(peer, "trickle 1 stream");
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

static void check_worker_lives_on(const char *name)
{
    struct program *server = start_handoff(name);
    struct program *peer = peer_at(port_of(server));
    exchange(peer, 1, token());
    kill_program(server);
    exchange(peer, 1, token());
    push(peer, 1, QUIT, QUIT_SIZE);
    tell(peer, "drain 1");
    expect_stream_end(peer, 1);
}

static void check_worker_dies(const char *name)
{
    if (under_test() == WIN32 && !on_windows())
        skip_test("needs Windows: under Wine a killed worker leaves its connection open, "
                  "and exit code 0");
    struct program *server = start_handoff(name);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    exchange(peer, 1, token());
    kill_child(server, "worker");
    tell(peer, "drain 1");
    wait_line_like(peer, "test: 1 received *");
    wait_error_like(server, "server: client 1: *");
    wait_line(server, "server: client 1 left");
    expect_service(peer, 2, port);
}

#define WAITS "wait\n" /* the script of a worker that never calls */

/* A copy of the server stands where its worker is missing, or is a scripted client. */
static void check_no_worker(const char *name, const char *script)
{
    const char *suffix = under_test() == UNIX ? "" : ".exe";
    size_t length;
    const char *original = under_test() == UNIX
                               ? path_of(SERVER, name)
                               : reference_file("05-sockets", WIN32, name);
    char *bytes = load_file(original, &length);
    const char *file = write_file(text("%s%s", token(), suffix), bytes, length, 0755);
    if (script != NULL)
        place_probe("scripted_client", "worker", script);
    struct start_options options = {.name = name, .file = file};
    /* Only where the worker has to call is there something to wait for. */
    struct program *server = under_test() == UNIX && strcmp(name, "server_scm") != 0
                                 ? start_with(SERVER, options, "0", NULL)
                                 : start_with(SERVER, options, "0", LOOPBACK, "2000",
                                              NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    tell(peer, "drain 1");
    wait_line_like(peer, "test: 1 received *");
    wait_error_like(server, "server: *");
    wait_line(server, "server: client 1 left");
    connect_peer(peer, 2, port);
    wait_line(server, "server: client 2 connected");
    wait_line(server,
              "server: client 2 left"); /* and nobody is left who waits for a call */
    kill_program(server);
    if (script != NULL && strcmp(script, WAITS) == 0 && under_test() == UNIX)
        kill_child(server, "worker");
}

TEST(handoff_lives_on, .judges = SERVER, .only = "server_handoff", .points = 1, .step = 6,
     .name = "when the server dies, the worker goes on, and its end is the client's",
     .hint = "The worker's copy of the connection does not depend on the "
             "server's.")
{
    check_worker_lives_on("server_handoff");
}

TEST(handoff_worker_dies, .judges = SERVER, .only = "server_handoff", .points = 1,
     .step = 7,
     .name = "when a worker dies, its client sees the end, and the server says so",
     .hint = "Close the server's copy after the handoff: it would keep the "
             "connection open.")
{
    check_worker_dies("server_handoff");
}

TEST(handoff_no_worker, .judges = SERVER, .only = "server_handoff", .points = 1,
     .step = 5,
     .name = "a worker that is missing, or ends at once, costs one client, and a line",
     .hint = "Limit the wait for the worker, and end it if the worker has ended.")
{
    check_no_worker("server_handoff", NULL);
    check_no_worker("server_handoff", "exit 3\n");
    if (under_test() == WIN32)
        check_no_worker("server_handoff", WAITS);
}

TEST(scm_lives_on, .judges = SERVER, .only = "server_scm", .unix_only = true, .points = 1,
     .step = 6, .name = "when the server dies, a worker that is no child goes on, too",
     .hint = "The worker's copy of the connection does not depend on the "
             "server's.")
{
    check_worker_lives_on("server_scm");
}

TEST(scm_worker_dies, .judges = SERVER, .only = "server_scm", .unix_only = true,
     .points = 1, .step = 7,
     .name = "when a worker that is no child dies, the server learns it all the same",
     .hint = "The connection to the worker ends with it: wait for that.")
{
    check_worker_dies("server_scm");
}

TEST(scm_no_worker, .judges = SERVER, .only = "server_scm", .unix_only = true,
     .points = 1, .step = 5,
     .name = "a worker that does not call in time costs one client, and a line",
     .hint = "Nobody reports that the worker will never connect: limit the wait.")
{
    check_no_worker("server_scm", WAITS);
}

/* ---- Limits of some ways to wait --------------------------------------------------------- */

/* Starts `name` by a command that sets a limit, or uses it up, and then becomes the server. */
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

TEST(select_limit, .judges = SERVER, .only = "server_select", .unix_only = true,
     .points = 1, .step = 5,
     .name =
         "a client whose descriptor does not fit into a set is turned away; others stay",
     .hint = "Compare the descriptor with FD_SETSIZE: FD_SET() with a larger one "
             "writes beyond the set.")
{
    if (instrumented() || access("/bin/bash", X_OK) != 0)
        skip_test("needs bash, and descriptors that nobody else takes");
    /* Up to 1021 all are taken, but for those that bash closes when it goes. */
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
        fail_test("client %d was answered by \"%s\"", k, line);
    tell(peer, "drain %d", k);
    wait_line_like(peer, text("test: %d received *", k));
    exchange(peer, k - 1, token());
    tell(peer, "close 1");
    wait_line(server, "server: client 1 left");
    expect_service(peer, k + 1, port);
}

TEST(signals_lost, .judges = SERVER, .only = "server_sigio", .unix_only = true,
     .points = 1, .step = 4,
     .name = "a server whose queue of signals is full loses nobody",
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
    tell(peer, "close 1");
    wait_line(server, "server: client 1 left");
    tell(peer, "shut 2");
    tell(peer, "drain 2");
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
