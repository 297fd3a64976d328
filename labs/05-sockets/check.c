/*
 * check.c - judges lab 05 from outside, by the contract alone.
 *
 * Servers and clients are spoken to over TCP by a probe (grading/probe/unix/peer.c), which is
 * a program of UNIX in every run: TCP does not care what system is at its other end.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <glob.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contract.h"
#include "harness.h"

#define CYRILLIC "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82" /* "привет" */
#define LOOPBACK "127.0.0.1"
#define MEGABYTE (1024 * 1024)

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
    wait_line(peer, "peer: %d connected", k);
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
    const char *line = wait_line_like(peer, text("peer: %d received *", k));
    if (strstr(line, "received all") == NULL)
        fail_test("the connection ended before all was received (%s)", line);
}

/* Waits until the peer, which drains connection `k`, has come to its end. */
static void expect_stream_end(struct program *peer, int k)
{
    const char *line = wait_line_like(peer, text("peer: %d received *", k));
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
    wait_line(peer, "peer: %d closed", k);
}

static void send_line(struct program *client, const char *line)
{
    send_bytes(client, text("%s\n", line), strlen(line) + 1);
}

/* ---- The pair ----------------------------------------------------------------------- */

TEST(lines, .judges = PAIR, .pair = "", .points = 3, .step = 5,
     .name = "lines are sent, received and echoed, in order, and QUIT ends the session",
     .hint = "Send the line, wait for as many bytes to come back; QUIT has no reply.")
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

TEST(default_address, .judges = PAIR, .pair = "", .points = 1, .step = 1,
     .name = "without arguments both use 127.0.0.1, port 5050",
     .hint =
         "The port goes over the network in its byte order: htons(), or getaddrinfo().")
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
     .hint = "Each thread needs a variable of its own for its client, not the loop's.")
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

TEST(long_lines, .judges = PAIR, .pair = "", .points = 2, .step = 5,
     .name = "lines of any length come back whole: around 1000, 1024, 4096, 65536 bytes",
     .hint = "Send until all has gone; and a long line that ends in QUIT is no QUIT.")
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
     .hint = "getaddrinfo() returns a list: try one address after the other.")
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
     .hint = "IPV6_V6ONLY: off on most Linux machines, on on Windows. Set it yourself.")
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

/* Whoever is killed is a program of UNIX in every run: of a killed one of Windows, Wine 8 now
 * and then keeps the connection open. */
static struct program *start_mortal(enum role role, const char *first, const char *second)
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
     .hint =
         "0 bytes, or an error of recv(), is the end of one client, not of the server.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server), *word = token();
    struct program *client = start_mortal(CLIENT, LOOPBACK, port);
    send_line(client, word);
    wait_line(client, "client: received \"%s\"", word);
    kill_program(client);
    wait_line(server, "server: client 1 left");
    client = start_mortal(CLIENT, LOOPBACK, port);
    send_line(client, word);
    wait_line(client, "client: received \"%s\"", word);
}

TEST(server_killed, .judges = CLIENT, .pair = "", .points = 1, .step = 5,
     .name = "when the server is killed the client says so at its next line, exit code 1",
     .hint = "A recv() of 0 bytes is no reply.")
{
    struct program *server = start_mortal(SERVER, "0", NULL);
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
     .hint = "Bytes are bytes: no NUL, no newline, no UTF-16.")
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
     .hint = "Bytes are bytes: no NUL, no newline, no UTF-16.")
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
     .hint = "Listen on the address that is told: 127.0.0.1 is no address of a network.")
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
     .hint =
         "A byte may be 0: no strlen(), no strcpy(), no printf() of what was received.")
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
     .hint = "send() may take a part only: go on with the rest.")
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
     .hint = "Compare what was received by its length: it is not a string.")
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
    .hint =
        "Only four bytes that come alone are QUIT: not what begins with it, not what ends "
        "with it, and not bytes that you have sent back already.")
{
    struct program *server = start(SERVER, "0", NULL);
    struct program *peer = peer_at(port_of(server));
    static const char *const texts[] = {"QUITTER", "xQUIT", "QUIT\n", "QUITQUIT",
                                        "quit",    "QUI",   " QUIT"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        exchange(peer, 1, texts[i]);
    exchange_by("send", peer, 1, "QUIT", 5); /* with its NUL */
    char *piece = random_bytes(PIECE_SIZE, 'a', 'z');
    snprintf(piece + PIECE_SIZE - QUIT_SIZE, QUIT_SIZE + 1, "%s", QUIT);
    exchange_by("send", peer, 1, piece, PIECE_SIZE);
    /* Whoever reads less than a piece at a time finds QUIT alone behind one of these. */
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

TEST(
    half_close, .judges = SERVER, .pair = "", .points = 2, .step = 7,
    .name = "a client that has said all still gets every echo, and then the end",
    .hint =
        "0 bytes received mean that the client sends no more, not that it hears no more.")
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
     .hint = "The first read may bring the end.")
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

TEST(
    resets, .judges = SERVER, .pair = "", .points = 2, .step = 5,
    .name = "a client that breaks the connection takes nobody with it",
    .hint =
        "An error of recv() or send() is the end of one client; UNIX: SIGPIPE must not be "
        "the end of the server.")
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
            wait_line(peer, "peer: %d sent", k);
            tell(peer, "shut %d", k);
        }
        tell(peer, "reset %d", k);
        wait_line(peer, "peer: %d closed", k);
    }
    /* Bytes, the end, and then a break, all before the server looks: an echo of the bytes
     * is what UNIX has the signal SIGPIPE for. */
    connect_peer(peer, 22, port);
    exchange(peer, 22, token());
    if (under_test() == UNIX)
        send_signal(server, SIGSTOP);
    push(peer, 22, random_bytes(3000, 'a', 'z'), 3000);
    wait_line(peer, "peer: 22 sent");
    tell(peer, "shut 22");
    tell(peer, "settle 22");
    wait_line(peer, "peer: 22 settled");
    tell(peer, "reset 22");
    wait_line(peer, "peer: 22 closed");
    if (under_test() == UNIX)
        send_signal(server, SIGCONT);
    exchange(peer, 1, token());
    expect_service(peer, 30, port);
    for (int k = 0; k < 22; k++)
        wait_line_like(server, "server: client * left");
    if (!is_running(server))
        fail_test("the server has ended");
}

TEST(never_reads, .judges = SERVER, .pair = "", .points = 3, .step = 6,
     .name = "a client that sends much and reads late costs neither others nor memory",
     .hint =
         "While a client takes no echoes, receive nothing from it: TCP then tells it to "
         "wait. Otherwise it fills your memory, or holds everybody up.")
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
    wait_line_like(peer, "peer: 1 s*");
    struct resources during = resources_of(server);
    if (!instrumented() && during.memory > before.memory + 8 * MEGABYTE)
        fail_test("a client that reads nothing has made the server %zu bytes larger",
                  during.memory - before.memory);
    expect_idle(server, 0.3, 10);
    tell(peer, "reset 1");
    expect_service(peer, 2, port);
    wait_line(server, "server: client 1 left");
}

TEST(reads_late, .judges = SERVER, .pair = "", .points = 1, .step = 6,
     .name = "echoes that had to wait come whole and in order when the client reads",
     .hint = "What a full socket did not take is still to be sent.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    size_t length = 2 * MEGABYTE;
    char *bytes = random_bytes(length, 'a', 'z');
    push(peer, 1, bytes, length);
    tell(peer, "stall 1");
    wait_line_like(peer, "peer: 1 s*");
    expect_service(peer, 2, port);
    tell(peer, "read 1 %zu", length);
    expect_received(peer, 1);
    expect_last(1, "the echo", bytes, length);
}

TEST(hundred_at_once, .judges = SERVER, .pair = "", .points = 2, .step = 4,
     .name = "100 clients come at once, 50 stay until all 50 are served; all are served",
     .hint =
         "Each client needs its own thread, or its own place in the table; who finds no "
         "place waits until one is free.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    tell(peer, "crowd 100 50 " LOOPBACK " %s", port);
    wait_line(peer, "peer: crowd served 100");
    for (int i = 0; i < 100; i++)
        wait_line_like(server, "server: client * left");
    if (!printed_like(server, "server: client 100 connected"))
        fail_test("the transcript does not count to client 100");
}

TEST(no_descriptors, .judges = SERVER, .pair = "", .unix_only = true, .points = 2,
     .step = 4,
     .name = "50 clients, and descriptors for fewer: the rest wait until others leave",
     .hint =
         "EMFILE of accept() is no reason to end. But the listener stays ready: whoever "
         "tries again at once is told so for ever.")
{
    if (instrumented())
        skip_test(
            "valgrind has a limit of its own, and closes what it accepts beyond it");
    enum { CLIENTS = 50, FIRST = 8 };
    struct program *server = start_with(SERVER, (struct start_options){.descriptors = 40},
                                        "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    const char *words[CLIENTS + 1];
    for (int k = 1; k <= CLIENTS; k++) {
        connect_peer(peer, k, port);
        words[k] = token();
        push(peer, k, words[k], strlen(words[k]));
    }
    for (int k = 1; k <= CLIENTS; k++) {
        tell(peer, "read %d %zu", k, strlen(words[k]));
        expect_received(peer, k);
        expect_last(k, "the echo", words[k], strlen(words[k]));
        if (k == FIRST) {
            /* Up to here others were let in. Now only these are to be served, or none waits. */
            for (int round = 0, quiet = 0; round < 50 && quiet < 3; round++) {
                size_t before = count_lines(server, "server: *");
                for (int i = 1; i <= FIRST; i++)
                    exchange(peer, i, token());
                quiet = count_lines(server, "server: *") == before + FIRST ? quiet + 1
                                                                           : 0;
            }
            if (!printed_like(server, "server: client 50 connected"))
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

TEST(
    no_threads, .judges = SERVER, .pair = "", .unix_only = true, .points = 1, .step = 4,
    .name = "a server that has no room for a thread refuses one client, and serves on",
    .hint = "pthread_create(), or fork(), can fail: that client has to go, and no other.")
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
        const char *line = wait_line_like(peer, text("peer: %d received *", k));
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
    const char *line = wait_line_like(peer, "peer: series served *");
    if (sscanf(line, "peer: series served %d of %d", &served, &came) != 2 ||
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
        if (strstr(wait_line_like(peer, text("peer: %d *", k)), "refused") != NULL)
            return;
        tell(peer, "close %d", k);
        wait_line(peer, "peer: %d closed", k);
    }
}

/* How many processes of servers have ended without anybody having asked how. */
static int count_zombies(void)
{
    int count = 0;
    glob_t found;
    if (glob("/proc/[0-9]*/stat", 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char name[32], state = '?';
        FILE *file = fopen(found.gl_pathv[i], "r");
        if (file == NULL)
            continue; /* it has gone meanwhile */
        if (fscanf(file, "%*d (%31[^)]) %c", name, &state) == 2)
            count += state == 'Z' && strncmp(name, "server", 6) == 0;
        fclose(file);
    }
    globfree(&found);
    return count;
}

TEST(
    leaks_nothing, .judges = SERVER, .pair = "", .points = 2, .step = 7,
    .name = "2,000 clients, or a second of them, leave nothing behind",
    .hint =
        "Close the socket on every way out, free what belongs to the client, let go of its "
        "thread, or wait for its process.")
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
    if (private_names() && count_zombies() > 10)
        fail_test(
            "%d of the server's processes have ended, and nobody has waited for them",
            count_zombies());
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

TEST(
    restart, .judges = SERVER, .pair = "", .points = 2, .step = 3,
    .name = "a server that was killed can be started again at once on the same port",
    .hint =
        "UNIX: SO_REUSEADDR before bind(): connections that the server closed first hold "
        "the port for a minute.")
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
     .hint =
         "Check bind(). Windows: SO_REUSEADDR would let the second one steal the port; "
         "SO_EXCLUSIVEADDRUSE does not.")
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

TEST(
    only_here, .judges = SERVER, .pair = "", .points = 1, .step = 3,
    .name = "without an ADDRESS nobody reaches the server but by 127.0.0.1",
    .hint = "INADDR_ANY opens the server to the whole network: bind to the address told.")
{
    struct program *server = start(SERVER, "0", NULL);
    const char *port = port_of(server);
    struct program *peer = start_unix_probe("peer", NULL);
    tell(peer, "connect 1 127.0.0.2 %s", port);
    wait_line(peer, "peer: 1 refused");
    expect_service(peer, 2, port);
    server = start(SERVER, "0", "127.0.0.2", NULL);
    tell(peer, "connect 1 127.0.0.2 %s", port_of(server));
    wait_line(peer, "peer: 1 connected");
    exchange(peer, 1, token());
    tell(peer, "close 1");
    wait_line(server, "server: client 1 left");
}

TEST(ends_in_order, .judges = SERVER, .pair = "", .points = 1, .step = 2,
     .name = "Ctrl-C ends the server in order, exit code 0, and its clients see the end",
     .hint = "The end of the process closes every socket, if no child holds a copy.")
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
        wait_line_like(peer, "peer: 1 received *");
    }
}

TEST(
    ends_when_busy, .judges = SERVER, .pair = "", .points = 1, .step = 4,
    .name = "Ctrl-C ends a server that its clients never leave idle",
    .hint =
        "pselect() and ppoll() let a signal in when they have to wait, and they do not as "
        "long as somebody is ready: look for it yourself.")
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

TEST(idle_server, .judges = SERVER, .pair = "", .points = 1, .step = 5,
     .name = "clients that stay silent cost the server nothing",
     .hint = "Wait in the call; do not ask again and again. After 0 bytes comes nothing.")
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

TEST(server_usage, .judges = SERVER, .pair = "", .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "PORT is a number from 0 to 65535, and there are at most two arguments.")
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
    const char *line = wait_line_like(*peer, "peer: listening at *");
    struct program *client = start(CLIENT, LOOPBACK, strrchr(line, ' ') + 1, NULL);
    tell(*peer, "accept 1");
    wait_line(*peer, "peer: 1 accepted");
    return client;
}

/* Receives `line` from the client, and sends `reply`. */
static void expect_line(struct program *peer, const char *line)
{
    tell(peer, "read 1 %zu", strlen(line));
    expect_received(peer, 1);
    expect_last(1, "the line", line, strlen(line));
}

TEST(sends_bytes, .judges = CLIENT, .pair = "", .points = 3, .step = 4,
     .name = "the client sends each line's bytes, blanks and all, and nothing else",
     .hint =
         "No newline, no NUL; a line goes as a whole, not word by word; an empty line is "
         "nothing.")
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
     .hint = "Check what the read of a line returns; the buffer still has the last one.")
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
     .hint = "One recv() need not bring all: receive until as much came as was sent.")
{
    struct program *peer, *client = client_of_peer(&peer);
    const char *first = token(), *second = token();
    send_bytes(client, text("%s\n%s\n", first, second),
               strlen(first) + strlen(second) + 2);
    expect_line(peer, first);
    write_file("part", first, strlen(first) - 1, 0644);
    tell(peer, "trickle 1 part");
    wait_line(peer, "peer: 1 sent");
    expect_idle(client, 0.3, 10);
    tell(peer, "look 1");
    wait_line(peer, "peer: 1 has 0 bytes to read");
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
     .hint =
         "If the client sends all of a long line before it reads, both wait for ever in "
         "send(): send a part, receive its echo, and so on.")
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

TEST(server_closes, .judges = CLIENT, .pair = "", .points = 2, .step = 5,
     .name =
         "when the server closes before it has replied the client says so, exit code 1",
     .hint = "recv() of 0 bytes is the end, also in the middle of an echo.")
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
     .hint = "UNIX: a send() to nobody is the signal SIGPIPE, unless that is ignored.")
{
    struct program *peer, *client = client_of_peer(&peer);
    send_line(client, "one");
    expect_line(peer, "one");
    push(peer, 1, "one", 3);
    wait_line(client, "client: received \"one\"");
    tell(peer, "shut 1"); /* first the end, then the break: to send is SIGPIPE now */
    tell(peer, "settle 1");
    wait_line(peer, "peer: 1 settled");
    tell(peer, "reset 1");
    wait_line(peer, "peer: 1 closed");
    offer_bytes(client, "two\n", 4); /* it may have noticed, and ended, by itself */
    wait_error_like(client, "client: *");
    expect_end(client, 1);
}

TEST(no_server, .judges = CLIENT, .pair = "", .points = 2, .step = 3,
     .name = "no server, or no such name, is a line on standard error, and exit code 1",
     .hint = "Check connect(), and getaddrinfo(), which has error numbers of its own.")
{
    struct program *peer = start_unix_probe("peer", NULL);
    tell(peer, "listen " LOOPBACK);
    const char *line = wait_line_like(peer, "peer: listening at *");
    kill_program(peer); /* now nobody listens there */
    struct program *client = start(CLIENT, LOOPBACK, strrchr(line, ' ') + 1, NULL);
    wait_error_like(client, "client: *error *");
    expect_end(client, 1);
    /* No name has a part of more than 63 letters, so nobody need be asked. */
    client = start(CLIENT, random_bytes(64, 'x', 'x'), NULL);
    wait_error_like(client, "client: *error *");
    expect_end(client, 1);
}

TEST(client_usage, .judges = CLIENT, .pair = "", .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "PORT is a number from 1 to 65535, and there are at most two arguments.")
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
    wait_line_like(peer, text("peer: %d caught *", k));
    size_t got;
    char *received = read_file(text("%d.caught", k), &got);
    expect_bytes("the echo", bytes, length, bytes, length, received, got);
}

TEST(udp_lines, .judges = PAIR, .pair = "udp", .points = 3, .step = 4,
     .name = "each line is a datagram, and comes back; an empty one, too",
     .hint = "A datagram of 0 bytes is one; it is not the end of anything.")
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
     .hint = "What does not fit into the buffer of recvfrom() is lost.")
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
    .hint =
        "Send to the address that recvfrom() told. Windows reports a sender that has gone "
        "as an error of the next recvfrom().")
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
    wait_line(peer, "peer: 3 closed");
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
    const char *line = wait_line_like(*peer, "peer: bound to *");
    return start(CLIENT, LOOPBACK, strrchr(line, ' ') + 1, NULL);
}

/* Waits for what the peer was told to catch, which must be `line`. */
static void expect_caught(struct program *peer, const char *line)
{
    wait_line_like(peer, "peer: 1 caught *");
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
    .hint =
        "SO_RCVTIMEO limits the wait; without it a lost datagram is waited for for ever.")
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
     .hint = "connect() the socket, or compare the address that recvfrom() tells.")
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
     .hint = "sendfile() may send a part; text mode changes bytes; 0 is a size.")
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
     .hint = "Open the file for each client, and tell of the error in the header.")
{
    struct program *server = start(SERVER, "original", "0", NULL);
    const char *port = port_of(server);
    struct program *client = start(CLIENT, "copy", LOOPBACK, port, NULL);
    wait_error_like(server, "server: *error 2*");
    wait_error_like(client, "client: *ERROR 2*");
    expect_end(client, 1);
    write_file("original", "now", 3, 0644);
    client = start(CLIENT, "copy", LOOPBACK, port, NULL);
    wait_line(client, "client: received 3 bytes");
    expect_end(client, 0);
}

TEST(file_wire, .judges = SERVER, .pair = "file", .points = 2, .step = 7,
     .name = "on the wire are the header, the file and the trailer",
     .hint = "The header has the size of the file; the trailer stands right behind it.")
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
        wait_line(peer, "peer: 1 closed");
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
    const char *line = wait_line_like(*peer, "peer: listening at *");
    struct program *client = start(CLIENT, output, LOOPBACK, strrchr(line, ' ') + 1,
                                   NULL);
    tell(*peer, "accept 1");
    wait_line(*peer, "peer: 1 accepted");
    return client;
}

TEST(file_no_room, .judges = CLIENT, .pair = "file", .unix_only = true, .points = 1,
     .step = 5, .name = "a file that cannot be written is a line and exit code 1",
     .hint = "fwrite() and fclose() tell of a full disk.")
{
    struct program *peer, *client = file_client_of_peer("/dev/full", &peer);
    push(peer, 1, "FILE 4\nabcdEND\n", 15);
    tell(peer, "shut 1");
    wait_error_like(client, "client: *");
    expect_end(client, 1);
}

TEST(file_broken, .judges = SERVER, .pair = "file", .points = 1, .step = 7,
     .name = "a client that breaks off in the middle of the file does no harm",
     .hint = "A client that has gone is an error of one sending.")
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
    wait_line(peer, "peer: 1 closed");
    wait_error_like(server, "server: client 1: *error *");
    wait_line(server, "server: client 1 left");
    connect_peer(peer, 2, port);
    tell(peer, "read 2 %zu", 3 * (size_t)MEGABYTE);
    expect_received(peer, 2);
}

TEST(file_cut, .judges = CLIENT, .pair = "file", .points = 2, .step = 6,
     .name = "a file that is cut off, or has a wrong trailer, is a line and exit code 1",
     .hint = "Neither the end of the connection nor the size alone say that all is well.")
{
    static const char *const streams[] = {"FILE 4\nabc",    "FILE 4\nabcd",
                                          "FILE 4\nabcdEN", "FILE 4\nabcdENT\n",
                                          "FILE x\nabcd",   "FI"};
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        struct program *peer = start_unix_probe("peer", NULL);
        tell(peer, "listen " LOOPBACK);
        const char *line = wait_line_like(peer, "peer: listening at *");
        struct program *client = start(CLIENT, "copy", LOOPBACK, strrchr(line, ' ') + 1,
                                       NULL);
        tell(peer, "accept 1");
        wait_line(peer, "peer: 1 accepted");
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
     .hint = "One recv() may bring a part of the header, or of the file with it.")
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
    wait_line_like(peer, "peer: 1 received *");
    wait_error_like(server, "server: client 1: *");
    wait_line(server, "server: client 1 left");
    expect_service(peer, 2, port);
}

#define WAITS "wait\n" /* the script of a worker that never calls */

/* A copy of the server stands where its worker is missing, or is a puppet. */
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
        place_probe("puppet", "worker", script);
    struct start_options options = {.name = name, .file = file};
    /* Only where the worker has to call is there something to wait for. */
    struct program *server = under_test() == UNIX && strcmp(name, "server_scm") != 0
                                 ? start_with(SERVER, options, "0", NULL)
                                 : start_with(SERVER, options, "0", LOOPBACK, "2000",
                                              NULL);
    const char *port = port_of(server);
    struct program *peer = peer_at(port);
    tell(peer, "drain 1");
    wait_line_like(peer, "peer: 1 received *");
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
     .hint = "The worker's copy of the connection does not depend on the server's.")
{
    check_worker_lives_on("server_handoff");
}

TEST(handoff_worker_dies, .judges = SERVER, .only = "server_handoff", .points = 1,
     .step = 7,
     .name = "when a worker dies, its client sees the end, and the server says so",
     .hint =
         "Close the server's copy after the handoff: it would keep the connection open.")
{
    check_worker_dies("server_handoff");
}

TEST(handoff_no_worker, .judges = SERVER, .only = "server_handoff", .points = 1,
     .step = 5,
     .name = "a worker that is missing, or ends at once, costs one client, and a line",
     .hint =
         "Wait for the worker's call, but not for ever, and not for one that has ended.")
{
    check_no_worker("server_handoff", NULL);
    check_no_worker("server_handoff", "exit 3\n");
    if (under_test() == WIN32)
        check_no_worker("server_handoff", WAITS);
}

TEST(scm_lives_on, .judges = SERVER, .only = "server_scm", .unix_only = true, .points = 1,
     .step = 6, .name = "when the server dies, a worker that is no child goes on, too",
     .hint = "The worker's copy of the connection does not depend on the server's.")
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
     .hint = "Nobody tells that it will never call: the wait needs a limit.")
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
     .hint = "FD_SET() of a descriptor from FD_SETSIZE on writes behind the set.")
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
    wait_line_like(peer, text("peer: %d received *", k));
    exchange(peer, k - 1, token());
    tell(peer, "close 1");
    wait_line(server, "server: client 1 left");
    expect_service(peer, k + 1, port);
}

TEST(signals_lost, .judges = SERVER, .only = "server_sigio", .unix_only = true,
     .points = 1, .step = 4,
     .name = "a server whose queue of signals is full loses nobody",
     .hint = "SIGIO, without a descriptor, means: look at everybody.")
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
