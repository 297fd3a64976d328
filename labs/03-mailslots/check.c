/*
 * check.c - judges lab 03 from outside, by the contract alone.
 *
 * The test's client and the test's server are one program (grading/probe/mailslot_peer.c): it
 * writes to a slot to judge a server, and owns a slot to judge a client. It obeys commands on
 * its standard input and reports on its standard output. It speaks whatever the pair under
 * test speaks, so most tests are for every pair, and few ask which one it is.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "contract.h"
#include "harness.h"
#include "ipclab.h"

#define CYRILLIC "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82" /* "привет" */

/* What the reports of the test's client and server mean, for wait_report(). */
#define OF_CLIENT "the report of the test's client that "
#define OPENED OF_CLIENT "it has opened the slot"
#define NOT_OPENED OF_CLIENT "it cannot open the slot"
#define SENT OF_CLIENT "it has sent a message"
#define VISITED OF_CLIENT "every one of many clients has its reply"
#define REPLY OF_CLIENT "it has received the reply"
#define HANDLES "the report of the test's client about the server's handles"
#define VANISHED OF_CLIENT "it has removed the name of its own slot"
#define OF_SERVER "the report of the test's server that "
#define OWNS OF_SERVER "it owns the slot"
#define NOT_OWNED OF_SERVER "it cannot create the slot"
#define RECEIVED OF_SERVER "it has received a message"

/* ---- What the tests share -------------------------------------------------------------- */

static bool is_pair(const char *name)
{
    return strcmp(pair_under_test(), name) == 0;
}

/* A port that no other run uses: this process has it, at another address. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    static int holder; /* it is closed when this process ends, after the test */
    holder = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (holder == -1 || bind(holder, (struct sockaddr *)&address, size) == -1 ||
        getsockname(holder, (struct sockaddr *)&address, &size) == -1 ||
        setsockopt(holder, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1)
        kit_error("no port: %s", strerror(errno));
    return ntohs(address.sin_port);
}

/* The name of a slot that has not existed before, as an argument for a program. */
static const char *fresh_slot(void)
{
    return under_test() == WIN32  ? text(LOCAL_PREFIX "%s", token())
           : is_pair("mqueue")    ? text("/%s", token())
           : is_pair("broadcast") ? text("%d", free_port())
                                  : token();
}

/* The name of a slot for replies. On UNIX it is a path for every pair. */
static const char *fresh_own_slot(void)
{
    return under_test() == WIN32 ? fresh_slot() : token();
}

/* The slot as the line "server: ready" shows it. */
static const char *address_of(const char *slot)
{
    return is_pair("broadcast") ? text(BROADCAST_ADDRESS ":%s", slot) : slot;
}

static struct program *last_server; /* that start_server() has started */

/* Starts the server, which is to read `count` messages ("0" or NULL: no limit). */
static struct program *start_server(const char *slot, const char *count)
{
    struct program *server = start(SERVER, slot, count, NULL);
    wait_line(server, "server: ready %s", address_of(slot));
    return last_server = server;
}

static void command(struct program *probe, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Gives the test's client or server a command. */
static void command(struct program *probe, const char *format, ...)
{
    char line[1024];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line, sizeof line - 1, format, values);
    va_end(values);
    line[length++] = '\n';
    send_bytes(probe, line, (size_t)length);
}

/* Waits for a report of the test's client or server, and returns it. `pattern` is as for
 * fnmatch(3). A failure shows `meaning`, and not the report. */
static const char *wait_report(struct program *probe, const char *pattern,
                               const char *meaning)
{
    return wait_line_that(probe, text("test: %s", pattern), meaning);
}

static struct program *start_tester(void)
{
    const char *pair = pair_under_test();
    return start_probe("mailslot_peer", *pair == '\0' ? "slot" : pair, NULL);
}

/* Lets the test's client open `slot`. If it cannot, a server that has ended is the reason. */
static void open_slot(struct program *writer, const char *slot)
{
    command(writer, "open %s", slot);
    const char *report = wait_report(writer, "*open*", OPENED), *ending = NULL;
    if (strcmp(report, "test: open") == 0)
        return;
    if (last_server != NULL && (ending = ending_within(last_server, 1)) != NULL)
        fail_test("expected the server to wait for messages, but it %s", ending);
    fail_test("expected a slot that a client can open, got %s",
              report + strlen("test: "));
}

/* Starts the test's client: it writes to `slot`. */
static struct program *start_writer(const char *slot)
{
    struct program *writer = start_tester();
    open_slot(writer, slot);
    return writer;
}

/* Starts the test's server: it owns `slot`. A test ends it by end_tester(), so that the name
 * does not stay. */
static struct program *start_owner(const char *slot)
{
    struct program *owner = start_tester();
    command(owner, "own %s", slot);
    wait_report(owner, "owns *", OWNS);
    return owner;
}

/* Starts the test's client with a slot for replies: it owns `own`, and writes to `slot`. */
static struct program *start_visitor(const char *own, const char *slot)
{
    struct program *visitor = start_owner(own);
    open_slot(visitor, slot);
    return visitor;
}

static void end_tester(struct program *probe)
{
    close_input(probe);
    expect_end(probe, 0);
}

/* Lets the test's client send these bytes as one message. */
static void send_raw(struct program *writer, const char *bytes, size_t length)
{
    const char *name = token();
    write_file(name, bytes, length, 0644);
    command(writer, "file %s", name);
    wait_report(writer, text("sent %zu bytes", length), SENT);
}

/* The text `words`, in ASCII, in the form that it has on the wire: `*length` bytes. */
static char *on_wire(const char *words, size_t *length)
{
    size_t count = strlen(words);
    *length = count;
    if (under_test() == UNIX)
        return text("%s", words);
    *length = 2 * (count + 1);
    char *bytes = random_bytes(*length, 0, 0);
    for (size_t i = 0; i < count; i++)
        bytes[2 * i] = words[i];
    return bytes;
}

/* `count` bytes of UTF-16 after the address `name`, as a message of "echo" on Windows. */
static const char *addressed(const char *name, const char *bytes, size_t count,
                             size_t *length)
{
    size_t size;
    const char *address = on_wire(name, &size);
    char *message = random_bytes(size + count, 0, 0);
    memcpy(message, address, size);
    memcpy(message + size, bytes, count);
    *length = size + count;
    return message;
}

/* Lets the test's server receive so many messages, and reply if the pair is "echo". */
static void let_receive(struct program *owner, int count)
{
    command(owner, "%s %d", is_pair("echo") ? "answer" : "receive", count);
}

/* Waits until the test's server has received a message, which must be the text `words`. */
static void expect_message(struct program *owner, const char *words)
{
    size_t length;
    char *bytes = on_wire(words, &length), *expected = quoted(bytes, length);
    const char *report = wait_report(owner, "received *", RECEIVED);
    const char *got = strchr(report, '"');
    if (strcmp(got, expected) != 0)
        fail_test(
            "expected the client to send %.100s (%zu bytes), got %.100s (%ld bytes)",
            expected, length, got, strtol(report + strlen("test: received "), NULL, 10));
    free(expected);
}

/* The same for a message that `client` reports first: if it has failed, that is the reason. */
static void expect_sent(struct program *client, struct program *owner, const char *words)
{
    wait_line(client, "client: sent \"%s\"", words);
    expect_message(owner, words);
}

/* Lets the test's client send COUNT messages as fast as it can. All must arrive, in order. */
static void expect_burst(struct program *server, struct program *writer, int count)
{
    const char *word = token();
    command(writer, "burst 1 %d %s", count, word);
    for (int number = 1; number <= count; number++)
        wait_line(server, "server: received \"%s-1-%d\"", word, number);
}

/* Ends the server by Ctrl-C, as the contract says. */
static void end_server(struct program *server)
{
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

/* Ends a server that has passed its test. Whether it obeys Ctrl-C well is judged by the tests
 * of Ctrl-C alone. Under Wine it is killed: there no name stays. */
static void finish(struct program *server)
{
    if (under_test() == WIN32 && !on_windows()) {
        if (!is_running(server))
            fail_test("expected the server to run until Ctrl-C, but it has exited");
        kill_program(server);
        return;
    }
    send_signal(server, SIGINT);
    int code = wait_end(server);
    if (code != 0 && code != 128 + SIGINT)
        expect_end(server, 0);
}

/* Fails unless `program` has printed exactly `expected` lines that begin with `start`. */
static void expect_count(struct program *program, const char *start, size_t expected)
{
    size_t count = count_lines(program, text("%s *", start));
    if (count != expected)
        fail_test("expected %zu line%s that begin%s with %s, got %zu", expected,
                  expected == 1 ? "" : "s", expected == 1 ? "s" : "", start, count);
}

/* Returns how many handles the server has open on Windows, as the test's client counts them. On UNIX its
 * descriptors are counted by resources_of(). */
static unsigned long count_handles(struct program *writer)
{
    if (under_test() == UNIX)
        return 0;
    command(writer, "handles");
    return strtoul(wait_report(writer, "* handles", HANDLES) + strlen("test: "), NULL,
                   10);
}

/* The server must hold no more memory, descriptors and handles than it did `early`. */
static void expect_no_growth(struct program *server, struct program *writer,
                             const char *what, struct resources early,
                             unsigned long early_handles)
{
    struct resources late = resources_of(server);
    unsigned long late_handles = count_handles(writer);
    /* Wine counts the places in a table, which doubles when it is full. */
    if (late_handles > early_handles + 1000)
        fail_test("after 400 %s the server had %lu handles, after 2,000 it has %lu", what,
                  early_handles, late_handles);
    if (late.descriptors > early.descriptors + 8)
        fail_test("after 400 %s the server had %zu descriptors, after 2,000 it has %zu",
                  what, early.descriptors, late.descriptors);
    if (!instrumented() && late.memory > early.memory + 256 * 1024)
        fail_test("after 400 %s the server held %zu kB, after 2,000 it holds %zu kB",
                  what, early.memory / 1024, late.memory / 1024);
}

static void skip_without_private_names(void)
{
    if (!private_names())
        skip_test("needs private names: other programs may use the default name now");
}

static const char *const defaults[] = {DEFAULT_MESSAGES};

#define CLIENT_END "After the last message print \"client: done\", and exit with 0."

/* For a slot to which no client can write. */
static const char *slot_hint(void)
{
    return under_test() == WIN32
               ? "Create the slot with CreateMailslot, by the name that SLOT is."
           : is_pair("mqueue")
               ? "Create the queue with mq_open(), by the name that QUEUE is."
           : is_pair("broadcast")
               ? "Give bind() PORT, and an address at which broadcasts arrive."
               : "Give bind() the path that SLOT is, and socket() the type SOCK_DGRAM: "
                 "connect() fails with EPROTOTYPE (91) if the types differ.";
}

/* ==== Basic ============================================================================= */

TEST(
    on_the_wire, .judges = CLIENT, .stage = BASIC, .points = 3, .step = 3,
    .name =
        "without MESSAGE arguments the client sends exactly the bytes of its three texts",
    .hint_unix =
        "Send each text with one send(), without its NUL: send(slot, text, strlen(text), 0). Print \"sent\" after it.",
    .hint_win32 =
        "Send each text with one WriteFile, in UTF-16 with a final NUL: (wcslen(text) + 1) * 2 bytes. Print \"sent\" after it.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    let_receive(owner, 3);
    struct program *client = start(CLIENT, slot, NULL);
    for (size_t i = 0; i < 3; i++) {
        expect_sent(client, owner, defaults[i]);
        if (is_pair("echo"))
            wait_line(client, "client: received \"%s\"", defaults[i]);
    }
    look_at(CLIENT, 4, CLIENT_END);
    wait_line(client, "client: done");
    expect_end(client, 0);
    end_tester(owner);
}

TEST(
    three_messages, .judges = PAIR, .stage = BASIC, .needs = "on_the_wire", .points = 3,
    .step = 3, .client_step = 3,
    .name = "three messages arrive in order, and both programs exit with 0",
    .hint = "Read one message, print it, and end after COUNT messages.",
    .client_hint =
        "Write each message with one call, and print \"sent\". Exit with 0 after the last.")
{
    const char *slot = fresh_slot();
    look_at(SERVER, 2, "Create the slot, then " LINE_AT_ONCE);
    struct program *server = start_server(slot, "3");
    look_at(SERVER, 2, slot_hint());
    struct program *client = start(CLIENT, slot, NULL);
    for (size_t i = 0; i < 3; i++) {
        wait_line(client, "client: sent \"%s\"", defaults[i]);
        look_at(SERVER, 0, NULL); /* a client could write to its slot */
        wait_line(server, "server: received \"%s\"", defaults[i]);
        if (is_pair("echo"))
            wait_line(client, "client: received \"%s\"", defaults[i]);
    }
    look_at(CLIENT, 4, CLIENT_END);
    wait_line(client, "client: done");
    expect_end(client, 0);
    look_at(CLIENT, 0, NULL);
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_count(server, "server: received", 3);
}

TEST(
    prints_at_once, .judges = SERVER, .stage = BASIC, .needs = "three_messages",
    .points = 2, .step = 4,
    .name =
        "without COUNT the server reads on, and prints each message before the next comes",
    .hint =
        "Print a line for each message when it has come: call fflush(stdout), or use log_event(). Without COUNT read until Ctrl-C.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, NULL);
    look_at(SERVER, 3, "Without COUNT, or if it is 0, read until Ctrl-C.");
    struct program *writer = start_writer(slot);
    look_at(SERVER, 0, NULL);
    for (int i = 0; i < 5; i++) {
        const char *word = token();
        command(writer, "text %s", word);
        wait_line(server, "server: received \"%s\"", word);
    }
    finish(server);
    expect_count(server, "server: received", 5);
}

/* ==== Complete: the pair ================================================================ */

static void use_default_names(void)
{
    skip_without_private_names();
    /* Not the folder in which the programs run: a name without a folder is not the default. */
    const char *folder = text("%s-folder", write_file("default", "", 0, 0600));
    if (mkdir(folder, 0700) == -1)
        kit_error("mkdir");
    const char *const environment[] = {text("XDG_RUNTIME_DIR=%s", folder), NULL};
    struct start_options options = {.environment = environment};
    struct program *server = start_with(SERVER, options, NULL);
    wait_line_like(server, "server: ready *sample_mailslot*");
    struct program *client = start_with(CLIENT, options, NULL);
    for (size_t i = 0; i < 3; i++)
        wait_line(server, "server: received \"%s\"", defaults[i]);
    wait_line(client, "client: done");
    expect_end(client, 0);
    finish(server);
}

#define NAME_UNIX \
    "Use $XDG_RUNTIME_DIR/sample_mailslot: runtime_path(SLOT_NAME) returns it. A message queue is called /sample_mailslot."
#define NAME_WIN32 "Use \\\\.\\mailslot\\sample_mailslot."
#define DEFAULT_NAMES                                                          \
    .judges = PAIR, .stage = COMPLETE, .needs = "three_messages", .points = 1, \
    .step = 1, .name = "without arguments both programs use the default name", \
    .hint_unix = NAME_UNIX, .hint_win32 = NAME_WIN32, .client_step = 1,        \
    .client_hint_unix = NAME_UNIX, .client_hint_win32 = NAME_WIN32

TEST(default_names, DEFAULT_NAMES, .pair = "")
{
    use_default_names();
}

TEST(default_names_echo, DEFAULT_NAMES, .pair = "echo")
{
    use_default_names();
}

TEST(default_names_mqueue, DEFAULT_NAMES, .pair = "mqueue")
{
    use_default_names();
}

#define NO_FOLDER                                                                     \
    "Use /tmp/sample_mailslot.UID if getenv(\"XDG_RUNTIME_DIR\") returns NULL or an " \
    "empty text, as runtime_path() does."
#define NO_FOLDER_WIN32 "The default name does not depend on the environment."

TEST(
    no_runtime_folder, .judges = PAIR, .stage = COMPLETE, .needs = "three_messages",
    .points = 1, .step = 1, .client_step = 1, .pair = "",
    .name =
        "without $XDG_RUNTIME_DIR both programs use one default name, too (UNIX: in /tmp, with the user's number)",
    .hint_unix = NO_FOLDER, .hint_win32 = NO_FOLDER_WIN32, .client_hint_unix = NO_FOLDER,
    .client_hint_win32 = NO_FOLDER_WIN32)
{
    skip_without_private_names();
    /* Empty means the same as not set. */
    static const char *const without[] = {"XDG_RUNTIME_DIR=", "XDG_RUNTIME_DIR"};
    for (int i = 0; i < (under_test() == UNIX ? 2 : 1); i++) {
        const char *const environment[] = {without[i], NULL};
        struct start_options options = {.environment = environment};
        struct program *server = start_with(SERVER, options, NULL);
        if (under_test() == UNIX)
            wait_line(server, "server: ready /tmp/" SLOT_NAME ".%ld", (long)getuid());
        else
            wait_line_like(server, "server: ready *");
        expect_end(start_with(CLIENT, options, NULL), 0);
        wait_line(server, "server: received \"%s\"", defaults[2]);
        finish(server);
    }
}

TEST(
    odd_texts, .judges = PAIR, .stage = COMPLETE, .needs = "three_messages", .points = 2,
    .step = 4, .client_step = 3,
    .name = "empty, long, Cyrillic and many-line texts arrive as they were given",
    .hint =
        "Print as many bytes as the read returned. A message can be empty, and can contain a newline.",
    .client_hint =
        "Write each argument with one call, also an empty one. Print a newline in it as \\n.")
{
    const char *slot = fresh_slot(), *word = token();
    const char *longer = text("%.5000s", random_bytes(5000, 'a', 'z'));
    struct program *server = start_server(slot, "5");
    struct program *client = start(CLIENT, slot, longer, "", CYRILLIC, "two\nlines", word,
                                   NULL);
    const char *const shown[] = {longer, "", CYRILLIC, "two\\nlines", word};
    for (size_t i = 0; i < 5; i++) {
        wait_line(client, "client: sent \"%s\"", shown[i]);
        wait_line(server, "server: received \"%s\"", shown[i]);
        if (is_pair("echo"))
            wait_line(client, "client: received \"%s\"", shown[i]);
    }
    expect_end(client, 0);
    expect_end(server, 0);
}

TEST(
    fifty_clients, .judges = PAIR, .stage = COMPLETE, .needs = "three_messages",
    .points = 2, .step = 3, .client_step = 2,
    .name = "with 50 clients at once the messages of each client arrive in order",
    .hint =
        "Read one message after the other. Any number of clients can write at a time.",
    .client_hint_unix =
        "Let send() block while the slot is full. EAGAIN means that nothing was sent: send again.",
    .client_hint_win32 =
        "Open the slot with FILE_SHARE_READ | FILE_SHARE_WRITE. Otherwise CreateFile fails with error 32 while another client writes.")
{
    enum { CLIENTS = 50 };
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, text("%d", 2 * CLIENTS)),
                   *clients[CLIENTS];
    const char *words[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        words[i] = token();
        clients[i] = start(CLIENT, slot, text("%s one", words[i]),
                           text("%s two", words[i]), NULL);
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (is_pair("echo"))
            wait_line(clients[i], "client: received \"%s two\"", words[i]);
        expect_end(clients[i], 0);
        if (is_pair("echo"))
            expect_count(clients[i], "client: received", 2);
    }
    expect_end(server, 0);
    expect_count(server, "server: received", 2 * CLIENTS);
    size_t length;
    const char *lines = output_of(server, &length);
    for (int i = 0; i < CLIENTS; i++) {
        const char *one = strstr(lines, text("server: received \"%s one\"", words[i]));
        const char *two = strstr(lines, text("server: received \"%s two\"", words[i]));
        if (one == NULL || two == NULL || one > two)
            fail_test("the two messages of client %d did not arrive in order", i + 1);
    }
}

TEST(
    restart, .judges = PAIR, .stage = COMPLETE, .needs = "three_messages", .points = 1,
    .step = 5, .client_step = 2,
    .name =
        "after a server has ended, the next one receives what is sent to the same slot",
    .hint_unix =
        "Remove the slot's file with unlink() at the end. Otherwise the next bind() fails.",
    .hint_win32 =
        "Close the slot's handle at the end. Otherwise the next CreateMailslot fails.",
    .client_hint = "Open the slot by its name in each run.")
{
    const char *slot = fresh_slot();
    for (int round = 0; round < 3; round++) {
        struct program *server = start_server(slot, round < 2 ? "3" : "0");
        expect_end(start(CLIENT, slot, NULL), 0);
        wait_line(server, "server: received \"%s\"", defaults[2]);
        if (round < 2)
            expect_end(server, 0);
        else
            finish(server);
    }
}

TEST(every_slot, .judges = PAIR, .stage = COMPLETE, .needs = "three_messages",
     .points = 1, .step = 2, .client_step = 2, .pair = "", .win32_only = true,
     .name = "a message to every slot of a name arrives",
     .hint = "Create the server's slot as \\\\.\\mailslot\\NAME.",
     .client_hint = "Open \\\\*\\mailslot\\NAME as it is given, with CreateFile.")
{
    if (!on_windows())
        skip_test("needs Windows: Wine has no \\\\*\\mailslot\\ (error 3)");
    const char *name = token(), *every = text("\\\\*\\mailslot\\%s", name);
    struct program *server = start_server(text(LOCAL_PREFIX "%s", name), "0");
    struct program *writer = start_tester();
    command(writer, "open %s", every);
    bool possible = strcmp(wait_report(writer, "*open*", OPENED), "test: open") == 0;
    if (possible) {
        command(writer, "text %s", token());
        possible = strncmp(wait_report(writer, "*sen[dt]*", SENT), "test: sent", 10) == 0;
    }
    if (!possible)
        skip_test("needs remote mailslots, which are turned off on this Windows");
    expect_end(start(CLIENT, every, name, NULL), 0);
    wait_line(server, "server: received \"%s\"", name);
    finish(server);
}

/* ==== Complete: the server ============================================================== */

TEST(in_order, .judges = SERVER, .stage = COMPLETE, .needs = "prints_at_once",
     .points = 2, .step = 3,
     .name =
         "200 messages of five clients in turn arrive whole, each client's in its order",
     .hint = "One read returns one message. Print it before the next read.")
{
    const char *slot = fresh_slot(), *word = token();
    struct program *server = start_server(slot, "200"), *writer = start_writer(slot);
    command(writer, "burst 5 40 %s", word);
    for (int number = 1; number <= 40; number++)
        for (int one = 1; one <= 5; one++)
            wait_line(server, "server: received \"%s-%d-%d\"", word, one, number);
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_count(server, "server: received", 200);
}

TEST(
    any_size, .judges = SERVER, .stage = COMPLETE, .needs = "prints_at_once", .points = 2,
    .step = 3,
    .name =
        "messages of 2 bytes to 64 KB arrive whole, also a short one after a long one",
    .hint_unix =
        "Get the length first: recv() with MSG_PEEK | MSG_TRUNC returns it. A buffer that is too small cuts the message, and no call fails.",
    .hint_win32 =
        "Have a buffer for the longest message, or get the size of the next one from GetMailslotInfo. ReadFile fails with error 122 if the buffer is too small.")
{
    static const size_t sizes[] = {2,   98,    100,   102,         510,  512,
                                   514, 1000,  4094,  4096,        4098, 8192,
                                   8,   16384, 65002, MAX_MESSAGE, 8};
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t length, size = sizes[i];
        if ((is_pair("mqueue") && size > 8192) || (is_pair("broadcast") && size > 65002))
            continue;
        size_t count = under_test() == UNIX ? size : size / 2 - 1;
        char *words = text("%.*s", (int)count, random_bytes(count + 1, 'a', 'z'));
        char *bytes = on_wire(words, &length);
        if (is_pair("echo") && under_test() == WIN32) {
            if (size < 4 || size == MAX_MESSAGE)
                continue;
            memmove(bytes + 2, bytes, length - 4); /* an empty address */
            bytes[0] = bytes[1] = '\0';
            words[count - 1] = '\0';
        }
        send_raw(writer, bytes, length);
        wait_line(server, "server: received \"%s\"", words);
    }
    if (under_test() == UNIX && is_pair("")) { /* longer than a server must accept */
        const char *words = text("%.*s", 100000, random_bytes(100001, 'a', 'z'));
        send_raw(writer, words, 100000);
        command(writer, "text last");
        wait_line(server, "server: received \"last\"");
        if (printed_like(server, text("server: received \"%.40s*", words)) &&
            !printed_like(server, text("server: received \"%s\"", words)))
            fail_test(
                "expected a message of 100,000 bytes whole or not at all, got a part");
    }
    finish(server);
}

TEST(
    empty_message, .judges = SERVER, .stage = COMPLETE, .needs = "prints_at_once",
    .points = 2, .step = 4, .name = "an empty text is a message, and not the end",
    .hint_unix =
        "Do not stop when recv() returns 0: on a datagram socket that is an empty message.",
    .hint_win32 =
        "Do not stop at a message that consists of its NUL: it is an empty text.")
{
    const char *slot = fresh_slot(), *word = token();
    struct program *server = start_server(slot, "4"), *writer = start_writer(slot);
    command(writer, "text ");
    command(writer, "text %s", word);
    command(writer, "text ");
    command(writer, "text last");
    wait_line(server, "server: received \"\"");
    wait_line(server, "server: received \"%s\"", word);
    wait_line(server, "server: received \"\"");
    wait_line(server, "server: received \"last\"");
    expect_end(server, 0);
}

TEST(no_bytes, .judges = SERVER, .stage = COMPLETE, .needs = "empty_message", .points = 1,
     .step = 4, .pair = "", .win32_only = true,
     .name = "a message of 0 bytes is an empty text",
     .hint = "Accept a ReadFile that returns 0 bytes: it is a message, and not the end.")
{
    if (!on_windows())
        skip_test("needs Windows: under Wine a message of 0 bytes breaks the read");
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "2"), *writer = start_writer(slot);
    send_raw(writer, "", 0);
    command(writer, "text last");
    wait_line(server, "server: received \"\"");
    wait_line(server, "server: received \"last\"");
    expect_end(server, 0);
}

TEST(
    any_bytes, .judges = SERVER, .stage = COMPLETE, .needs = "prints_at_once",
    .points = 2, .step = 4,
    .name = "a message ends with its last byte, whatever bytes are in it",
    .hint =
        "Print as many bytes as the read returned, not up to a NUL. Print bytes that are not text as \\xNN in capital letters, or use log_text().")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "3"), *writer = start_writer(slot);
    if (under_test() == UNIX) {
        in_case("a message with a NUL in it and one at its end");
        send_raw(writer, "a\0b\0", 4);
        wait_line(server, "server: received \"a\\0b\\0\"");
        in_case("a message with bytes that are no text");
        const char *odd = "\x01\x1A\x7F\n\"\xC3(\xFF\xED\xA0\x80\xC2\x9B\xD0";
        send_raw(writer, odd, strlen(odd));
        wait_line(server, "server: received \"\\x01\\x1A\\x7F\\n\\\"\\xC3("
                          "\\xFF\\xED\\xA0\\x80\\xC2\\x9B\\xD0\"");
    } else {
        /* A message of "echo" begins with an address, here an empty one, and ends with a NUL. */
        bool echo = is_pair("echo");
        if (echo)
            send_raw(writer, "\0\0w\0h\0o\0l\0e\0\0\0", 14);
        else
            send_raw(writer, "n\0o\0N\0U\0L\0", 10);
        static const char bytes[] = "\0\0a\0\0\0b\0\x1A\0\xFF\0\0\0";
        send_raw(writer, &bytes[echo ? 0 : 2], sizeof bytes - (echo ? 1 : 3));
        wait_line(server, "server: received \"%s\"", echo ? "whole" : "noNUL");
        wait_line(server, "server: received \"a\\0b\\x1A\xC3\xBF\"");
    }
    in_case(NULL);
    command(writer, "text last");
    wait_line(server, "server: received \"last\"");
    expect_end(server, 0);
}

TEST(
    at_once, .judges = SERVER, .stage = COMPLETE, .needs = "prints_at_once", .points = 2,
    .step = 3, .name = "a message is read when it arrives, not some time later",
    .hint_unix = "Block in recv() or poll(). Do not look for messages every few seconds.",
    .hint_win32 =
        "Block in ReadFile: create the slot with MAILSLOT_WAIT_FOREVER. The listing looks for messages every three seconds.")
{
    const char *slot = fresh_slot(), *word = token();
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    /* A server that looks now and then has just looked when the next message is sent, and is
     * late with most of them. On a busy machine a right server is late with some, but not with
     * all. If the pause was longer than intended, the next look may be near: no proof. */
    int quick = 0, count = 0;
    for (double end = now() + 10; quick < 2 && now() < end; count++) {
        double before = now();
        usleep(30000); /* by then it has ended its look, and waits or sleeps */
        double start = now();
        command(writer, "text %s %d", word, count);
        wait_line(server, "server: received \"%s %d\"", word, count);
        if (count > 0 && start - before < 0.04 && now() - start < 0.04)
            quick++;
    }
    if (quick < 2)
        fail_test(
            "of %d messages, each sent 30 ms after the one before was read, %d were "
            "read within 40 ms",
            count, quick);
    finish(server);
}

TEST(
    idle, .judges = SERVER, .stage = COMPLETE, .needs = "prints_at_once", .points = 1,
    .step = 3, .name = "a server that waits for messages uses no processor time",
    .hint_unix = "Block in recv(), or in poll() without a timeout.",
    .hint_win32 =
        "Block in ReadFile: create the slot with MAILSLOT_WAIT_FOREVER. Do not call GetMailslotInfo again and again.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "0");
    expect_idle(server, 0.4, 5);
    finish(server);
}

TEST(
    ctrl_c, .judges = SERVER, .stage = COMPLETE, .needs = "prints_at_once", .points = 2,
    .step = 5,
    .name = "on Ctrl-C the server prints \"done\" and exits with 0, and its name is free",
    .hint_unix =
        "On SIGINT and SIGTERM remove the name, print \"done\" and exit with 0; or use end_on_interrupt(), before the loop.",
    .hint_win32 =
        "Print \"done\" and exit in the handler of SetConsoleCtrlHandler, or use end_on_interrupt(). Under Wine ReadFile on a mailslot blocks even if it is overlapped, so the main thread cannot wait for an event.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    command(writer, "text before");
    wait_line(server, "server: received \"before\"");
    end_tester(writer); /* under Wine a slot that a client has open keeps its name */
    end_server(server);
    server = start_server(slot, "0");
    if (under_test() == UNIX) {
        send_signal(server, SIGTERM);
        wait_line(server, "server: done");
        expect_end(server, 0);
    } else {
        end_server(server);
    }
    struct program *late = start_tester();
    command(late, "open %s", slot);
    if (is_pair("broadcast"))
        wait_report(late, "open", OPENED);
    else
        wait_report(late, "cannot open: *", NOT_OPENED);
}

TEST(
    second_owner, .judges = SERVER, .stage = COMPLETE, .needs = "prints_at_once",
    .points = 2, .step = 2,
    .name =
        "a second server for a slot is an error line and exit code 1, and the first one goes on",
    .hint_unix =
        "Check bind(): EADDRINUSE means that the name exists. Never remove the name of a server that is running.",
    .hint_win32 =
        "Check CreateMailslot: error 183 (ERROR_ALREADY_EXISTS) means that the slot has an owner.")
{
    const char *slot = fresh_slot(), *word = token();
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    struct program *second = start(SERVER, slot, "0", NULL);
    if (is_pair("broadcast")) { /* no owner: both read every message */
        wait_line(second, "server: ready %s", address_of(slot));
    } else {
        wait_error_like(second, "server: *error *");
        expect_end(second, 1);
        if (printed_like(second, "server: ready*"))
            fail_test("expected no line \"server: ready\" of the second server, got one");
    }
    command(writer, "text %s", word);
    wait_line(server, "server: received \"%s\"", word);
    struct program *late = start_writer(slot);
    command(late, "text late");
    wait_line(server, "server: received \"late\"");
    if (is_pair("broadcast")) {
        wait_line(second, "server: received \"late\"");
        finish(second);
    }
    finish(server);
    expect_count(server, "server: received", 2); /* the second has sent nothing */
}

#define ERROR_LINE "a line \"server: CALL: error N: text\""

/* Waits until a server that cannot create its slot has reported it, and exited with 1. A failure names what
 * was `expected`. */
static void expect_error(struct program *server, const char *expected)
{
    if (strncmp(wait_line_like(server, "server: *"), "server: ready", 13) == 0)
        fail_test("expected an error line, got \"server: ready\"");
    size_t length;
    const char *errors = errors_of(server, &length);
    if (memmem(errors, length, "error ", strlen("error ")) == NULL)
        wait_error_that(server, "server: *error *", expected);
    expect_end(server, 1);
}

/* Starts a server with a name that cannot be a slot: it is `what`. */
static void expect_refusal(const char *what, const char *slot)
{
    in_case("SLOT is %s", what);
    expect_error(start(SERVER, slot, "1", NULL), ERROR_LINE);
}

/* The same for a name that is also a wrong argument: the server may print its usage, and exit with 2. */
static void expect_wrong_name(const char *what, const char *slot)
{
    in_case("SLOT is %s", what);
    struct program *server = start(SERVER, slot, "1", NULL);
    while (is_running(server) && !printed_like(server, "server: ready*"))
        wait_descriptor(-1, "the usage, or an error line");
    if (!is_running(server) && wait_end(server) == 2)
        wait_error_like(server, "usage: *");
    else
        expect_error(server, "the usage (exit code 2), or " ERROR_LINE);
}

/* Names of other things, and of nothing: none may become a slot, and nothing may be removed. */
static void use_bad_names(void)
{
    if (under_test() == WIN32) {
        expect_wrong_name("\\\\.\\nonsense\\x, no mailslot", "\\\\.\\nonsense\\x");
        expect_wrong_name("empty", "");
        return;
    }
    size_t length;
    const char *file = write_file("precious", "data", 4, 0644);
    expect_refusal("a file that is no socket (precious)", "precious");
    if (access(file, F_OK) == -1 ||
        memcmp(read_file("precious", &length), "data", 4) != 0)
        fail_test("the server has removed a file that is not a socket");
    /* A socket of another type, which a process has open: it is not stale. */
    const char *open_socket = write_file("stream", "", 0, 0600);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", open_socket);
    int stranger = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (unlink(open_socket) == -1 || stranger == -1 ||
        bind(stranger, (struct sockaddr *)&address, sizeof address) == -1 ||
        listen(stranger, 1) == -1)
        kit_error("a stream socket cannot be made");
    expect_refusal("a stream socket that a process has open (stream)", "stream");
    if (access(open_socket, F_OK) == -1)
        fail_test("the server has removed the name of a stream socket that is in use");
    close(stranger);
    unlink(open_socket);
    expect_refusal("in a folder that does not exist (no-such-folder/slot)",
                   "no-such-folder/slot");
    expect_wrong_name("a path of 300 bytes", random_bytes(300, 'a', 'a'));
    expect_wrong_name("empty", "");
}

#define BAD_NAMES                                                                                                                                         \
    .judges = SERVER, .stage = COMPLETE, .points = 2, .step = 2,                                                                                          \
    .name = "a name that cannot be a slot is refused (UNIX: a file of that name stays)",                                                                  \
    .hint_unix =                                                                                                                                          \
        "Check bind(). Refuse a path that is empty or longer than 107 bytes. Before unlink() look with lstat() whether the file is a socket (S_ISSOCK).", \
    .hint_win32 = "Check CreateMailslot, and exit with 1 if it fails."

TEST(bad_names, BAD_NAMES, .pair = "")
{
    use_bad_names();
}

TEST(bad_names_echo, BAD_NAMES, .pair = "echo")
{
    use_bad_names();
}

TEST(
    bad_names_mqueue, .judges = SERVER, .stage = COMPLETE, .points = 1, .step = 2,
    .pair = "mqueue", .unix_only = true,
    .name = "a name that cannot be a message queue is refused",
    .hint_unix =
        "Check mq_open(): with a second slash in the name it fails with EACCES, with more than 255 bytes with ENAMETOOLONG.")
{
    expect_wrong_name("a name with two slashes (/no/queue)", "/no/queue");
    expect_wrong_name("a name of 301 bytes", text("/%s", random_bytes(300, 'a', 'a')));
}

TEST(
    taken_port, .judges = SERVER, .stage = COMPLETE, .points = 1, .step = 2,
    .pair = "broadcast", .unix_only = true,
    .name = "a port that another program does not share is an error line and exit code 1",
    .hint_unix = "Check bind(): it fails with EADDRINUSE.")
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int holder = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (holder == -1 || bind(holder, (struct sockaddr *)&address, size) == -1 ||
        getsockname(holder, (struct sockaddr *)&address, &size) == -1)
        kit_error("no port: %s", strerror(errno));
    const char *port = text("%d", ntohs(address.sin_port));
    expect_refusal("a port that another program has", port);
    expect_error(start(SERVER, "-m", port, "1", NULL), ERROR_LINE);
    close(holder);
}

TEST(
    server_usage, .judges = SERVER, .stage = COMPLETE, .points = 1, .step = 1,
    .name = "wrong arguments are a usage line on standard error, and exit code 2",
    .hint =
        "Accept at most two arguments, and for COUNT a whole number from 0 to 1000000. Otherwise print a line that begins with \"usage: \" on standard error, and exit with 2.")
{
    static const char *const wrong[] = {
        "ten",  "-1", "1000001", "",          "1x",
        "0x10", "+5", " 5",      "4294967298"}; /* 2, cut to 32 bits */
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        in_case("COUNT is \"%s\"", wrong[i]);
        struct program *server = start(SERVER, fresh_slot(), wrong[i], NULL);
        wait_error_like(server, "usage: *");
        expect_end(server, 2);
    }
    static const char *const no_ports[] = {"0", "65536", "65537", "port", ""};
    for (size_t i = 0; i < 5 && is_pair("broadcast"); i++) {
        in_case("PORT is \"%s\"", no_ports[i]);
        struct program *server = start(SERVER, no_ports[i], NULL);
        wait_error_like(server, "usage: *");
        expect_end(server, 2);
    }
    in_case("with three arguments");
    struct program *server = start(SERVER, fresh_slot(), "1", "2", NULL);
    wait_error_like(server, "usage: *");
    expect_end(server, 2);
    in_case("COUNT is \"1000000\"");
    finish(start_server(fresh_slot(), "1000000")); /* the greatest that is right */
}

/* ==== Complete: the client ============================================================== */

TEST(given_messages, .judges = CLIENT, .stage = COMPLETE, .needs = "on_the_wire",
     .points = 2, .step = 3, .name = "each argument is one message, also an empty one",
     .hint = "Write once for each argument. Do not leave out an empty text.")
{
    const char *slot = fresh_slot(), *word = token();
    struct program *owner = start_owner(slot);
    let_receive(owner, 4);
    struct program *client = start(CLIENT, slot, word, "", "x", text("%s two", word),
                                   NULL);
    expect_sent(client, owner, word);
    expect_sent(client, owner, "");
    expect_sent(client, owner, "x");
    expect_sent(client, owner, text("%s two", word));
    wait_line(client, "client: done");
    expect_end(client, 0);
    expect_count(client, "client: sent", 4);
    end_tester(owner);
}

TEST(
    bytes_of_argument, .judges = CLIENT, .stage = COMPLETE, .needs = "given_messages",
    .points = 1, .step = 3, .unix_only = true,
    .name = "any bytes of an argument are sent as they are",
    .hint =
        "Send the bytes of the argument unchanged. Print those that are not UTF-8 text as \\xNN in capital letters, or use log_text().")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    let_receive(owner, 1);
    struct program *client = start(CLIENT, slot, "\x01\x7F\xFF\xC3\"\\", NULL);
    wait_line(client, "client: sent \"\\x01\\x7F\\xFF\\xC3\\\"\\\\\"");
    expect_message(owner, "\x01\x7F\xFF\xC3\"\\");
    wait_line(client, "client: done");
    expect_end(client, 0);
    end_tester(owner);
}

TEST(
    longest, .judges = CLIENT, .stage = COMPLETE, .needs = "on_the_wire", .points = 2,
    .step = 3,
    .name = "the longest message that the contract promises is sent, and arrives whole",
    .hint_unix =
        "Do not copy the text into a buffer of a fixed size. Do not set SO_SNDBUF, or set it to at least 65,536 bytes.",
    .hint_win32 = "Do not copy the text into a buffer of a fixed size.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    size_t length = under_test() == WIN32 ? 32000 /* about what a command line can have */
                    : is_pair("mqueue")   ? 8192
                    : is_pair("broadcast") ? 65002
                                           : MAX_MESSAGE;
    const char *words = text("%.*s", (int)length, random_bytes(length + 1, 'a', 'z'));
    let_receive(owner, 1);
    struct program *client = start(CLIENT, slot, words, NULL);
    expect_sent(client, owner, words);
    wait_line(client, "client: done");
    expect_end(client, 0);
    end_tester(owner);
}

TEST(too_long, .judges = CLIENT, .stage = COMPLETE, .needs = "longest", .points = 2,
     .step = 3, .name = "a message that is too long is an error line, or arrives whole",
     .hint_unix = "Check send(): EMSGSIZE means that nothing was sent.",
     .hint_win32 = "Check WriteFile: if it fails, nothing was sent.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    size_t length = under_test() == WIN32 ? 32000 : is_pair("mqueue") ? 8193 : 131060;
    const char *words = text("%.*s", (int)length, random_bytes(length + 1, 'a', 'z'));
    struct program *client = start(CLIENT, slot, words, "last", NULL);
    let_receive(owner, 1);
    size_t complaint = 0;
    for (bool sent = false; !sent && complaint == 0;) {
        sent = strncmp(wait_line_like(client, "client: *"), "client: sent ", 13) == 0;
        errors_of(client, &complaint);
    }
    if (complaint > 0) {
        expect_end(client, 1);
        struct program *other = start(CLIENT, slot, "other", NULL);
        expect_message(owner, "other");
        wait_end(other);
    } else {
        expect_message(owner, words);
        let_receive(owner, 1);
        wait_line(client, "client: done");
        expect_end(client, 0);
    }
    end_tester(owner);
}

TEST(no_owner, .judges = CLIENT, .stage = COMPLETE, .points = 2, .step = 2,
     .name =
         "if no server owns the slot, the client prints an error line and exits with 1",
     .hint_unix =
         "Check connect() or sendto(): it fails with ENOENT if the name does not exist.",
     .hint_win32 = "Check CreateFile: it fails with error 2 if no server owns the slot.")
{
    const char *slot = fresh_slot();
    struct program *client = start(CLIENT, slot, NULL);
    if (is_pair("broadcast")) { /* it cannot find out that no server reads */
        wait_line(client, "client: done");
        expect_end(client, 0);
        return;
    }
    wait_error_like(client, "client: *error *");
    expect_end(client, 1);
    if (printed_like(client, "client: sent*") || printed_like(client, "client: done"))
        fail_test("expected no line \"sent\" or \"done\" without a server, got one");
}

TEST(long_name, .judges = CLIENT, .stage = COMPLETE, .needs = "on_the_wire", .points = 1,
     .step = 1, .pair = "", .unix_only = true,
     .name = "a path of 107 bytes is a slot, and a longer one is refused: it is not cut",
     .hint = "Check the path's length before it is copied to sun_path.")
{
    const char *slot = text("%.107s", random_bytes(200, 'a', 'z'));
    struct program *owner = start_owner(slot);
    struct program *client = start(CLIENT, text("%sx", slot), "astray", NULL);
    if (wait_end(client) == 2) {
        wait_error_like(client, "usage: *"); /* a wrong argument */
    } else {
        wait_error_like(client, "client: *");
        expect_end(client, 1);
    }
    let_receive(owner, 1);
    expect_end(start(CLIENT, slot, "right", NULL), 0);
    expect_message(owner, "right");
    end_tester(owner);
}

TEST(
    beside_another, .judges = CLIENT, .stage = COMPLETE, .needs = "given_messages",
    .points = 2, .step = 2,
    .name = "the client can write while another client has the slot open",
    .hint_unix = "Open the slot without a lock: any number of clients can write.",
    .hint_win32 =
        "Open the slot with FILE_SHARE_READ | FILE_SHARE_WRITE. With FILE_SHARE_READ alone CreateFile fails with error 32 while another client has the slot open.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot), *other = start_writer(slot);
    let_receive(owner, 3);
    struct program *client = start(CLIENT, slot, "one", "two", NULL);
    expect_sent(client, owner, "one");
    expect_sent(client, owner, "two");
    expect_end(client, 0);
    command(other, "text three");
    wait_report(owner, "received *", RECEIVED);
    end_tester(owner);
}

/* How many datagrams can wait in a socket: 10 by default, more if the administrator or
 * systemd has set another number. */
static long queue_limit(void)
{
    long limit = 10;
    FILE *file = fopen("/proc/sys/net/unix/max_dgram_qlen", "re");
    if (file != NULL) {
        if (fscanf(file, "%ld", &limit) != 1)
            kit_error("max_dgram_qlen");
        fclose(file);
    }
    return limit;
}

static void send_twenty(void)
{
    const char *slot = fresh_slot(), *word = token();
    struct program *owner = start_owner(slot);
    struct program *client = start(CLIENT, slot, word, "2", "3", "4", "5", "6", "7", "8",
                                   "9", "10", "11", "12", "13", "14", "15", "16", "17",
                                   "18", "19", "20", NULL);
    wait_line(client, "client: sent \"%s\"", word);
    if (is_pair("mqueue") || (under_test() == UNIX && queue_limit() < 18))
        expect_idle(client, 0.3, 5);
    command(owner, "receive 20");
    expect_message(owner, word);
    for (int i = 2; i <= 20; i++)
        expect_sent(client, owner, text("%d", i));
    wait_line(client, "client: done");
    expect_end(client, 0);
    end_tester(owner);
}

TEST(
    client_waits, .judges = CLIENT, .stage = COMPLETE, .needs = "given_messages",
    .points = 2, .step = 3, .pair = "",
    .name = "20 messages to a server that does not read yet all arrive, in order",
    .hint_unix =
        "Let send() block while the slot is full. With MSG_DONTWAIT it fails with EAGAIN, and nothing was sent: send again." EACH_AT_ONCE,
    .hint_win32 = "Check WriteFile, and write each message once." EACH_AT_ONCE)
{
    send_twenty();
}

TEST(
    queue_is_full, .judges = CLIENT, .stage = COMPLETE, .needs = "given_messages",
    .points = 2, .step = 3, .pair = "mqueue",
    .name = "20 messages to a queue that has room for 10 all arrive, in order",
    .hint_unix =
        "Let mq_send() block while the queue is full. With O_NONBLOCK it fails with EAGAIN, and nothing was sent." EACH_AT_ONCE)
{
    send_twenty();
}

TEST(
    every_slot_limit, .judges = CLIENT, .stage = COMPLETE, .points = 2, .step = 1,
    .pair = "", .win32_only = true,
    .name =
        "to every slot of a name nothing is sent if one message is longer than 424 bytes",
    .hint =
        "Compare every message with 424 bytes (212 units of UTF-16 with the NUL) before the first write.")
{
    const char *slot = text("\\\\*\\mailslot\\%s", token());
    const char *words = text("%.211s", random_bytes(300, 'a', 'a'));
    struct program *client = start(CLIENT, slot, "short", text("%sa", words), NULL);
    look_at_error(
        CLIENT, "CreateFile*: error *", 1,
        "Check the lengths before you open the slot: the limit is an error also if it cannot be opened.");
    wait_error_like(client, "client: *424*");
    expect_end(client, 1);
    if (printed_like(client, "client: sent *"))
        fail_test(
            "expected nothing to be sent, got the message before the one that is too long");
    client = start(CLIENT, slot, words, NULL);
    wait_end(client);
    if (printed_like(client, "client: *424*"))
        fail_test("expected a message of 424 bytes to be accepted, got an error line");
}

/* ==== Complete: the pair "echo" ========================================================= */

TEST(crowd, .judges = SERVER, .stage = COMPLETE, .needs = "prints_at_once", .points = 3,
     .step = 4, .pair = "echo", .name = "of 50 clients at once each gets its own reply",
     .hint_unix =
         "Send each reply to the address that recvfrom() returned with its message.",
     .hint_win32 = "Send each reply to the slot that its own message names.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    command(writer, "crowd 50");
    wait_report(writer, "visitors done", VISITED);
    if (printed_like(writer, "test: astray*"))
        fail_test("a client got no reply, or the reply of another one");
    finish(server);
}

TEST(echo_any_bytes, .judges = SERVER, .stage = COMPLETE, .needs = "any_bytes",
     .points = 2, .step = 4, .pair = "echo",
     .name = "a reply has the bytes of its message, also a NUL",
     .hint = "Send back as many bytes as were read, not up to a NUL.")
{
    const char *slot = fresh_slot(), *own = fresh_own_slot();
    struct program *server = start_server(slot, "2"), *client = start_visitor(own, slot);
    static const char bytes[] = "\0\0a\0\0\0b\0\xFF\0\0\0";
    size_t length = sizeof bytes - 1;
    const char *message = under_test() == UNIX
                              ? bytes
                              : addressed(own, bytes + 2, length - 2, &length);
    send_raw(client, message, length);
    command(client, "collect 1");
    char *expected = under_test() == UNIX ? quoted(bytes, sizeof bytes - 1)
                                          : quoted(bytes + 2, sizeof bytes - 3);
    const char *got = strchr(wait_report(client, "reply *", REPLY), '"');
    if (strcmp(got, expected) != 0)
        fail_test("expected the reply %s, got %s", expected, got);
    free(expected);
    command(client, "text last");
    wait_line(server, "server: received \"last\"");
    expect_end(server, 0);
    end_tester(client);
}

TEST(reply_any_bytes, .judges = CLIENT, .stage = COMPLETE, .needs = "on_the_wire",
     .points = 1, .step = 3, .pair = "echo",
     .name = "a reply ends with its last byte, whatever bytes are in it",
     .hint = "Print as many bytes as the read returned, not up to a NUL.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    if (under_test() == UNIX)
        write_file("answer", "a\0b\xFF\0", 5, 0644);
    else
        write_file("answer", "a\0\0\0b\0\xFF\0\0\0", 10, 0644);
    command(owner, "reply answer");
    struct program *client = start(CLIENT, slot, "text", NULL);
    wait_line(client, under_test() == UNIX ? "client: received \"a\\0b\\xFF\\0\""
                                           : "client: received \"a\\0b\xC3\xBF\"");
    wait_line(client, "client: done");
    expect_end(client, 0);
    end_tester(owner);
}

/* ==== Complete: the pair "mqueue" ======================================================= */

TEST(
    priorities, .judges = SERVER, .stage = COMPLETE, .needs = "prints_at_once",
    .points = 2, .step = 3, .pair = "mqueue",
    .name =
        "of several messages that wait, the one with the highest priority is read first",
    .hint_unix =
        "Read one message at a time: mq_receive() returns the one with the highest priority.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "5"), *writer = start_writer(slot);
    /* The server is stopped, so that messages wait. A server that is blocked in mq_receive()
     * may get the first message, whatever comes after it. */
    send_signal(server, SIGSTOP);
    static const char *const messages[][2] = {{"31", "first"},
                                              {"0", "usual"},
                                              {"9", "urgent"},
                                              {"31", "most urgent"},
                                              {"9", "also urgent"}};
    for (size_t i = 0; i < 5; i++) {
        command(writer, "priority %s", messages[i][0]);
        command(writer, "text %s", messages[i][1]);
        wait_report(writer, "sent *", SENT);
    }
    send_signal(server, SIGCONT);
    wait_line(server, "server: received \"first\"");
    wait_line(server, "server: received \"most urgent\"");
    wait_line(server, "server: received \"urgent\"");
    wait_line(server, "server: received \"also urgent\"");
    wait_line(server, "server: received \"usual\"");
    expect_end(server, 0);
}

TEST(with_priority, .judges = CLIENT, .stage = COMPLETE, .needs = "on_the_wire",
     .points = 2, .step = 3, .pair = "mqueue",
     .name = "-p sets the priority of a client's messages, from 0 to 31",
     .hint_unix = "Pass PRIORITY to mq_send() as its last argument.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    expect_end(start(CLIENT, slot, "usual", NULL), 0);
    expect_end(start(CLIENT, "-p", "31", slot, "urgent", NULL), 0);
    expect_end(start(CLIENT, "-p", "0", slot, "usual, too", NULL), 0);
    command(owner, "receive 3");
    expect_message(owner, "urgent");
    expect_message(owner, "usual");
    expect_message(owner, "usual, too");
    look_at(CLIENT, 1,
            "Accept for PRIORITY a whole number from 0 to 31. If it is another one, or "
            "missing, print a usage line and exit with 2.");
    in_case("PRIORITY is \"32\"");
    struct program *wrong = start(CLIENT, "-p", "32", slot, NULL);
    wait_error_like(wrong, "usage: *");
    expect_end(wrong, 2);
    in_case("-p is the last argument");
    wrong = start(CLIENT, "-p", NULL);
    wait_error_like(wrong, "usage: *");
    expect_end(wrong, 2);
    in_case(NULL);
    end_tester(owner);
}

/* ==== Complete: the pair "broadcast" ==================================================== */

static void reach_three(const char *option)
{
    const char *port = fresh_slot(), *word = token();
    struct program *servers[3], *client;
    for (size_t i = 0; i < 3; i++) {
        servers[i] = option == NULL ? start(SERVER, port, NULL)
                                    : start(SERVER, option, port, NULL);
        wait_line(servers[i], "server: ready %s:%s",
                  option == NULL ? BROADCAST_ADDRESS : MULTICAST_ADDRESS, port);
    }
    for (int round = 0; round < 2; round++) {
        client = option == NULL ? start(CLIENT, port, word, "", NULL)
                                : start(CLIENT, option, port, word, "", NULL);
        expect_end(client, 0);
        expect_count(client, "client: sent", 2);
    }
    for (size_t i = 0; i < 3; i++) {
        for (int round = 0; round < 2; round++) {
            wait_line(servers[i], "server: received \"%s\"", word);
            wait_line(servers[i], "server: received \"\"");
        }
        finish(servers[i]);
        expect_count(servers[i], "server: received", 4);
    }
}

TEST(three_readers, .judges = PAIR, .stage = COMPLETE, .needs = "three_messages",
     .points = 3, .step = 2, .client_step = 2, .pair = "broadcast", .unix_only = true,
     .name = "three servers on one port read what is sent once",
     .hint_unix = "Set SO_REUSEADDR before bind(), in every server.",
     .client_hint_unix = "Set SO_BROADCAST. Otherwise send() fails with EACCES.")
{
    reach_three(NULL);
}

TEST(
    three_members, .judges = PAIR, .stage = COMPLETE, .needs = "three_messages",
    .points = 3, .step = 2, .client_step = 2, .pair = "broadcast", .unix_only = true,
    .name =
        "with -m three servers on one port read what is sent once to the multicast group",
    .hint_unix =
        "Set SO_REUSEADDR, call bind(), then join the group with IP_ADD_MEMBERSHIP on the loopback interface.",
    .client_hint_unix = "Choose the loopback interface with IP_MULTICAST_IF.")
{
    reach_three("-m");
}

TEST(strangers_port, .judges = SERVER, .stage = COMPLETE, .needs = "prints_at_once",
     .points = 1, .step = 2, .pair = "broadcast",
     .name = "what is sent to another port is not read",
     .hint_unix = "Give bind() the port that was given as PORT.")
{
    const char *port = fresh_slot(), *other = fresh_slot();
    struct program *server = start_server(port, "1"), *stranger = start_writer(other);
    command(stranger, "text stranger");
    wait_report(stranger, "sent *", SENT);
    struct program *writer = start_writer(port);
    command(writer, "text friend");
    wait_line(server, "server: received \"friend\"");
    expect_end(server, 0);
    expect_count(server, "server: received", 1);
}

/* ==== Robust: the server ================================================================ */

TEST(
    killed_server, .judges = SERVER, .stage = ROBUST, .needs = "prints_at_once",
    .points = 2, .step = 2, .name = "a server takes over the slot of one that was killed",
    .hint_unix =
        "A killed server leaves its file. If it is a socket, and connect() fails with ECONNREFUSED, remove it and call bind().",
    .hint_win32 =
        "Windows removes the name with the last handle. Call CreateMailslot as if the slot had never existed.")
{
    const char *slot = fresh_slot(), *word = token();
    for (int round = 0; round < 2; round++) {
        struct program *killed = start_server(slot, "0");
        kill_program(killed);
    }
    struct program *server = start_server(slot, "1"), *writer = start_writer(slot);
    command(writer, "text %s", word);
    wait_line(server, "server: received \"%s\"", word);
    expect_end(server, 0);
}

static void expect_thousand(void)
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "1000"), *writer = start_writer(slot);
    expect_burst(server, writer, 1000);
    expect_end(server, 0);
    expect_count(server, "server: received", 1000);
}

/* Not for UDP, which never blocks: a message that does not fit is lost. */
#define BURST                                                                                                     \
    .judges = SERVER, .stage = ROBUST, .needs = "in_order", .points = 2, .step = 3,                               \
    .name = "of 1,000 messages that a client sends as fast as it can none is lost",                               \
    .hint_unix =                                                                                                  \
        "If you wait with poll() or mq_notify(), read until no message is left, or wait again before each read.", \
    .hint_win32 = "Call ReadFile again after each message."

TEST(burst, BURST, .pair = "")
{
    expect_thousand();
}

TEST(burst_echo, BURST, .pair = "echo")
{
    expect_thousand();
}

TEST(burst_mqueue, BURST, .pair = "mqueue")
{
    expect_thousand();
}

TEST(
    two_thousand, .judges = SERVER, .stage = ROBUST, .needs = "in_order", .points = 2,
    .step = 4,
    .name =
        "after 2,000 messages the server has no more memory, descriptors or handles in use",
    .hint =
        "Free what was allocated for a message, and close what was opened for it, before you read the next one.")
{
    const char *slot = fresh_slot(), *word = text("%.200s", random_bytes(300, 'a', 'z'));
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    struct resources early = {0};
    unsigned long early_handles = 0;
    for (int bunch = 1; bunch <= 20; bunch++) {
        command(writer, "burst 1 100 %s-%d", word, bunch);
        wait_line(server, "server: received \"%s-%d-1-100\"", word, bunch);
        if (bunch != 4)
            continue;
        early = resources_of(server);
        early_handles = count_handles(writer);
    }
    expect_no_growth(server, writer, "messages", early, early_handles);
    finish(server);
    expect_count(server, "server: received", 2000);
}

TEST(
    no_text, .judges = SERVER, .stage = ROBUST, .needs = "prints_at_once", .points = 1,
    .step = 4, .win32_only = true,
    .name = "a message that is not UTF-16 is an error line, and the next one is read",
    .hint =
        "Check that the length is even, and that WideCharToMultiByte with WC_ERR_INVALID_CHARS succeeds. If not, print one line on standard error and read the next message.")
{
    const char *slot = fresh_slot(), *own = fresh_slot();
    struct program *server = start_server(slot, "3"), *writer = start_visitor(own, slot);
    static const char *const wrong[] = {"o\0d\0d\0\0\0!", "\x00\xD8\x61\0\0\0"};
    static const size_t lengths[] = {9, 6}; /* an odd one, and half of a surrogate pair */
    for (size_t i = 0; i < 2; i++) {
        size_t length = lengths[i];
        const char *bytes = is_pair("echo")
                                ? addressed(own, wrong[i], lengths[i], &length)
                                : wrong[i];
        send_raw(writer, bytes, length);
        wait_error_like(server, "server: *");
    }
    command(writer, "text last");
    wait_line(server, "server: received \"last\"");
    expect_end(server, 0);
    expect_count(server, "server: received", 1);
    end_tester(writer);
}

#define UNREAD_HINT                                                           \
    "A pipe that nobody reads any more is the server's output here. On UNIX " \
    "ignore SIGPIPE: by default it ends the server."

/* In `closed` each bit is a stream: 1 input, 2 output, 4 errors. Without output the server
 * does not print "ready", so clients are started until one has reached it. */
TEST(
    server_streams, .judges = SERVER, .stage = ROBUST, .needs = "prints_at_once",
    .points = 1, .step = 1,
    .name = "the server works without its standard input, output and error",
    .hint_unix =
        "socket() returns the lowest descriptor that is free: then the slot is a standard stream. Open /dev/null until descriptors 0 to 2 are in use, or call begin_program().",
    .hint_win32 = "GetStdHandle returns NULL here: do not exit, or call begin_program().")
{
    for (unsigned closed = 1; closed <= 7; closed++) {
        const char *slot = fresh_slot(), *word = token();
        struct program *server =
            start_with(SERVER, (struct start_options){.closed = closed}, slot, "1", NULL);
        if ((closed & 2) == 0)
            wait_line(server, "server: ready %s", address_of(slot));
        /* One message is enough: with more, a client can be left without a server. But a
         * client of UDP cannot know whether its message has reached the server. */
        int code = 1;
        for (double end = now() + 10;
             is_running(server) && (code != 0 || is_pair("broadcast"));) {
            code = wait_end(start(CLIENT, slot, word, NULL));
            if (now() > end)
                fail_test(
                    "expected the server to read a message, but for 10 seconds it has read none");
        }
        expect_end(server, 0);
        if ((closed & 2) == 0 &&
            !printed_like(server, text("server: received \"%s\"", word)))
            fail_test("expected the line: server: received \"%s\"", word);
    }
    look_at(SERVER, 2, UNREAD_HINT);
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "2");
    close_output(server);
    expect_end(start(CLIENT, slot, "one", "two", NULL), 0);
    expect_end(server, 0);
}

/* ==== Robust: the client ================================================================ */

static void send_to_killed(void)
{
    const char *slot = fresh_slot();
    kill_program(start_owner(slot));
    struct program *client = start(CLIENT, slot, NULL);
    wait_error_like(client, "client: *error *");
    expect_end(client, 1);
    if (under_test() == UNIX) { /* the test's server removes the file at its end */
        struct program *owner = start_tester();
        command(owner, "own %s", slot);
        wait_report(owner, "cannot own*", NOT_OWNED);
        end_tester(owner);
    }
}

/* Not for a queue, which accepts messages without its server, and not for UDP. */
#define KILLED_OWNER                                                                                    \
    .judges = CLIENT, .stage = ROBUST, .needs = "no_owner", .points = 1, .step = 2,                     \
    .name =                                                                                             \
        "if the slot's server was killed, the client prints an error line and exits with 1",            \
    .hint_unix =                                                                                        \
        "Check connect() or sendto(): a socket file without a server is ECONNREFUSED. Leave the file.", \
    .hint_win32 = "Check CreateFile: it fails with error 2 if no server owns the slot."

TEST(killed_owner, KILLED_OWNER, .pair = "")
{
    send_to_killed();
}

TEST(killed_owner_echo, KILLED_OWNER, .pair = "echo")
{
    send_to_killed();
}

TEST(owner_exits, .judges = CLIENT, .stage = ROBUST, .needs = "given_messages",
     .points = 1, .step = 3, .pair = "",
     .name = "if the server exits, the client exits too, with an error line or without",
     .hint_unix = "Check send(): it fails with ECONNREFUSED if the server has exited.",
     .hint_win32 = "Check WriteFile. Print \"done\" only if every write succeeded.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    struct program *client = start(CLIENT, slot, "1", "2", "3", "4", "5", "6", "7", "8",
                                   "9", "10", "11", "12", "13", "14", "15", "16", "17",
                                   "18", "19", "20", NULL);
    wait_line(client, "client: sent \"10\"");
    end_tester(owner);
    int code = wait_end(client);
    bool said = printed_like(client, "client: *error *");
    bool done = printed_like(client, "client: done");
    /* On UNIX a slot has no room for 20 messages: send() blocks, and then fails. */
    bool must_fail = under_test() == UNIX && queue_limit() < 18;
    if (must_fail && (code != 1 || !said))
        fail_test("expected code 1 and an error line, got code %d and %s", code,
                  said ? "an error line" : "no error line");
    if (code > 1 || (code == 0) != done || (code == 1) != said)
        fail_test(
            "expected code 0 and \"done\", or code 1 and an error line, got code %d, %s "
            "and %s",
            code, done ? "\"done\"" : "no \"done\"",
            said ? "an error line" : "no error line");
}

TEST(
    client_streams, .judges = CLIENT, .stage = ROBUST, .needs = "given_messages",
    .points = 1, .step = 1,
    .name =
        "the client works without its standard input, output and error, and sends only its messages",
    .hint_unix =
        "socket() returns the lowest descriptor that is free: then what is printed goes to the slot. Open /dev/null until descriptors 0 to 2 are in use, or call begin_program().",
    .hint_win32 = "GetStdHandle returns NULL here: do not exit, or call begin_program().")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    for (unsigned closed = 1; closed <= 7; closed++) {
        const char *word = token();
        let_receive(owner, 2);
        struct program *client = start_with(CLIENT,
                                            (struct start_options){.closed = closed},
                                            slot, word, "two", NULL);
        expect_end(client, 0);
        expect_message(owner, word);
        expect_message(owner, "two");
        if ((closed & 2) == 0)
            wait_line(client, "client: done");
    }
    let_receive(owner, 1);
    struct program *last = start(CLIENT, slot, "last", NULL);
    expect_end(last, 0);
    expect_message(owner, "last");
    end_tester(owner);
}

#define TEN(tens)                                                                   \
    tens "0", tens "1", tens "2", tens "3", tens "4", tens "5", tens "6", tens "7", \
        tens "8", tens "9"

TEST(client_keeps_nothing, .judges = CLIENT, .stage = ROBUST, .needs = "client_waits",
     .points = 1, .step = 3, .pair = "", .unix_only = true,
     .name = "after 30 messages the client has no more descriptors open than after 10",
     .hint = "Open the slot once, or close what you open for a message.")
{
    if (queue_limit() < 9 || queue_limit() > 18)
        skip_test("needs a slot that is full after 10 to 19 messages: here it takes %ld",
                  queue_limit() + 1);
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    struct program *client = start(CLIENT, slot, TEN("1"), TEN("2"), TEN("3"), TEN("4"),
                                   NULL);
    wait_line(client, "client: sent \"19\"");
    size_t early = resources_of(client).descriptors;
    let_receive(owner, 20);
    wait_line(client, "client: sent \"39\""); /* now it waits again */
    size_t late = resources_of(client).descriptors;
    if (late > early + 8)
        fail_test("after 10 messages the client had %zu descriptors, after 30 it has %zu",
                  early, late);
    let_receive(owner, 20);
    wait_line(client, "client: done");
    expect_end(client, 0);
    end_tester(owner);
}

/* ==== Robust: the pair "echo" =========================================================== */

TEST(
    two_thousand_clients, .judges = SERVER, .stage = ROBUST, .needs = "crowd",
    .points = 2, .step = 4, .pair = "echo",
    .name =
        "after 2,000 clients the server has no more memory, descriptors or handles in use",
    .hint_unix = "Free each message, and close what was opened for its reply.",
    .hint_win32 = "Close the handle of the reply's slot, and free each message.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    command(writer, "visitors 400");
    wait_report(writer, "visitors done", VISITED);
    struct resources early = resources_of(server);
    unsigned long early_handles = count_handles(writer);
    command(writer, "visitors 1600");
    wait_report(writer, "visitors done", VISITED);
    if (printed_like(writer, "test: astray*"))
        fail_test("a client got no reply, or the reply of another one");
    expect_no_growth(server, writer, "clients", early, early_handles);
    finish(server);
}

TEST(
    client_gone, .judges = SERVER, .stage = ROBUST, .needs = "prints_at_once",
    .points = 2, .step = 4, .pair = "echo",
    .name =
        "a client that exits before its reply, or has no address, does not end the server",
    .hint_unix =
        "Check sendto(): ENOENT or ECONNREFUSED is one line on standard error. For a sender without an address recvfrom() sets the length of the address to 0.",
    .hint_win32 =
        "Check CreateFile for the reply's slot: error 2 is one line on standard error.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    command(writer, "text nowhere to");
    wait_line(server, "server: received \"nowhere to\"");
    wait_error_like(server, "server: *");
    if (under_test() == UNIX)
        look_at(SERVER, 3,
                "Set the size of the address to the size of its buffer before each "
                "recvfrom(), which overwrites it: after a sender without an address it "
                "is 0.");
    command(writer, "visitors 1");
    wait_report(writer, "visitors done", VISITED);
    look_at(SERVER, 0, NULL);
    struct program *leaver = start_visitor(fresh_own_slot(), slot);
    command(leaver, "vanish");
    wait_report(leaver, "vanished", VANISHED);
    command(leaver, "text leaving");
    wait_line(server, "server: received \"leaving\"");
    wait_error_like(server, "server: *");
    end_tester(leaver);
    command(writer, "visitors 3");
    wait_report(writer, "visitors done", VISITED);
    finish(server);
}

TEST(
    does_not_read, .judges = SERVER, .stage = ROBUST, .needs = "prints_at_once",
    .points = 2, .step = 4, .pair = "echo",
    .name = "a client that never reads its replies does not delay the others",
    .hint_unix =
        "Send a reply with MSG_DONTWAIT. If it fails with EAGAIN, print a line on standard error and go on.",
    .hint_win32 = "Write a reply once, and do not wait until it has been read.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "0"),
                   *silent = start_visitor(fresh_own_slot(), slot);
    for (int i = 0; i < 50; i++)
        command(silent, "text unread %d", i);
    wait_line(server, "server: received \"unread 49\"");
    if (under_test() == UNIX && queue_limit() < 40)
        wait_error_like(server, "server: *"); /* for the replies that do not fit */
    struct program *writer = start_writer(slot);
    command(writer, "visitors 3");
    wait_report(writer, "visitors done", VISITED);
    finish(server);
    end_tester(silent);
}

TEST(
    address_is_file, .judges = SERVER, .stage = ROBUST, .needs = "prints_at_once",
    .points = 2, .step = 4, .pair = "echo", .win32_only = true,
    .name = "if the address for a reply is a file, nothing is written to it",
    .hint =
        "Accept only addresses that begin with \\\\.\\mailslot\\ after GetFullPathName. CreateFile opens any file.")
{
    const char *slot = fresh_slot(), *precious = write_file("precious", "data", 4, 0644);
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    send_raw(writer, "p\0r\0e\0c\0i\0o\0u\0s\0\0\0g\0o\0n\0e\0\0\0", 28);
    wait_error_like(server, "server: *");
    /* The same file by a name that begins like a mailslot's. */
    char *name = text(LOCAL_PREFIX "..\\Z:%s", precious);
    for (char *letter = name; *letter != '\0'; letter++)
        if (*letter == '/')
            *letter = '\\';
    size_t length;
    const char *words = on_wire("gone", &length);
    const char *message = addressed(name, words, length, &length);
    send_raw(writer, message, length);
    wait_error_like(server, "server: *");
    char *bytes = read_file("precious", &length);
    expect_bytes("the file", NULL, 0, "data", 4, bytes, length);
    finish(server);
}

TEST(
    no_reply, .judges = CLIENT, .stage = ROBUST, .needs = "on_the_wire", .points = 2,
    .step = 3, .pair = "echo",
    .name =
        "if a reply does not come, the client prints an error line after 3 seconds and exits with 1",
    .hint_unix =
        "Set SO_RCVTIMEO, so that recv() fails with EAGAIN; or give poll() a timeout.",
    .hint_win32 =
        "Give CreateMailslot a read timeout of 3000 ms: ReadFile then fails with error 121.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    struct program *client = start(CLIENT, slot, NULL);
    wait_line(client, "client: sent \"%s\"", defaults[0]);
    double sent = now();
    if (!instrumented())
        expect_idle(client, 0.3, 10);
    wait_error_like(client, "client: *");
    if (now() - sent > 10)
        fail_test(
            "expected an error line after 3 seconds without a reply, got one after %.1f",
            now() - sent);
    expect_end(client, 1);
    end_tester(owner);
}

TEST(
    stopped, .judges = CLIENT, .stage = ROBUST, .needs = "on_the_wire", .points = 1,
    .step = 3, .pair = "echo", .unix_only = true,
    .name = "a client that is stopped and continued while it waits for a reply goes on",
    .hint =
        "Call recv() again if it fails with EINTR. With SO_RCVTIMEO it does so after SIGSTOP and SIGCONT, without any handler.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    struct program *client = start(CLIENT, slot, "one", "two", NULL);
    wait_line(client, "client: sent \"one\"");
    expect_idle(client, 0.1, 50); /* by then it is blocked */
    send_signal(client, SIGSTOP);
    let_receive(owner, 2);
    expect_message(owner, "one");
    send_signal(client, SIGCONT);
    wait_line(client, "client: received \"one\"");
    wait_line(client, "client: received \"two\"");
    wait_line(client, "client: done");
    expect_end(client, 0);
    end_tester(owner);
}

/* ==== Robust: the pair "mqueue" ========================================================= */

TEST(
    queue_survives, .judges = SERVER, .stage = ROBUST, .needs = "prints_at_once",
    .points = 2, .step = 2, .pair = "mqueue",
    .name = "the next server receives what a killed server had not read",
    .hint_unix =
        "Open the queue that exists: call mq_open() with O_CREAT, without O_EXCL, and do not call mq_unlink() before it.")
{
    const char *slot = fresh_slot(), *word = token();
    kill_program(start_server(slot, "0"));
    struct program *writer = start_writer(slot);
    command(writer, "text %s", word);
    wait_report(writer, "sent *", SENT);
    struct program *server = start_server(slot, "1");
    wait_line(server, "server: received \"%s\"", word);
    expect_end(server, 0);
}

/* ---- What `make run` shows ------------------------------------------------------------- */

static void conversation(void)
{
    const char *slot = fresh_slot();
    narrate(
        "The server creates a slot and reads from it. A client opens the slot, writes three\n"
        "messages and exits. Then another client writes one message.");
    struct program *server = start_server(slot, "4");
    expect_end(start(CLIENT, slot, NULL), 0);
    expect_end(start(CLIENT, slot, CYRILLIC, NULL), 0);
    expect_end(server, 0);

    if (only_pair())
        return;
    narrate("Replies: the client has a slot of its own, and the server writes to it.");
    struct program *echo = start_with(SERVER,
                                      (struct start_options){.name = "server_echo"}, slot,
                                      "2", NULL);
    wait_line_like(echo, "server: ready *");
    expect_end(start_with(CLIENT, (struct start_options){.name = "client_echo"}, slot,
                          "there", "and back", NULL),
               0);
    expect_end(echo, 0);
    if (under_test() == WIN32)
        return;

    narrate("One message for many: two servers read what the client sends once.");
    const char *port = text("%d", free_port());
    struct program *readers[2];
    for (size_t i = 0; i < 2; i++) {
        readers[i] = start_with(SERVER,
                                (struct start_options){.name = "server_broadcast"}, port,
                                "1", NULL);
        wait_line_like(readers[i], "server: ready *");
    }
    expect_end(start_with(CLIENT, (struct start_options){.name = "client_broadcast"},
                          port, "to all servers", NULL),
               0);
    for (size_t i = 0; i < 2; i++)
        expect_end(readers[i], 0);
}

CHECKER("03-mailslots", "mailslots")
