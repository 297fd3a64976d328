/*
 * check.c - judges lab 03 from outside, by the contract alone.
 *
 * A server is tested with a probe for a writer, a client with the same probe for an owner
 * (grading/probe/mailslot.c). It speaks whatever the pair under test speaks: so most tests are
 * for every pair, and few ask which it is.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "contract.h"
#include "harness.h"
#include "say.h"

#define CYRILLIC "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82" /* "привет" */
#define MEGABYTE (1024 * 1024)

/* ---- What the tests share ------------------------------------------------------------- */

static bool is_pair(const char *name)
{
    return strcmp(pair_under_test(), name) == 0;
}

/* A port that no other run uses: a socket of ours has it, on another address. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    static int holder; /* the harness's process ends with the test, and closes it */
    holder = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (holder == -1 || bind(holder, (struct sockaddr *)&address, size) == -1 ||
        getsockname(holder, (struct sockaddr *)&address, &size) == -1 ||
        setsockopt(holder, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1)
        kit_error("no port: %s", strerror(errno));
    return ntohs(address.sin_port);
}

/* A slot that nobody has used before, as programs take it for an argument. */
static const char *fresh_slot(void)
{
    return under_test() == WIN32  ? text("\\\\.\\mailslot\\%s", token())
           : is_pair("mqueue")    ? text("/%s", token())
           : is_pair("broadcast") ? text("%d", free_port())
                                  : token();
}

/* The same as it stands behind "server: ready". */
static const char *address_of(const char *slot)
{
    return is_pair("broadcast") ? text(BROADCAST_ADDRESS ":%s", slot) : slot;
}

static struct program *start_server(const char *slot, const char *count)
{
    struct program *server = start(SERVER, slot, count, NULL);
    wait_line(server, "server: ready %s", address_of(slot));
    return server;
}

static void command(struct program *probe, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Has the probe obey a command. */
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

static struct program *start_hand(void)
{
    const char *pair = pair_under_test();
    return start_probe("mailslot", *pair == '\0' ? "slot" : pair, NULL);
}

/* A probe that writes into `slot`. */
static struct program *start_writer(const char *slot)
{
    struct program *writer = start_hand();
    command(writer, "open %s", slot);
    wait_line(writer, "mailslot: open");
    return writer;
}

/* A probe that owns `slot`. A test ends it by farewell(), or its name stays behind. */
static struct program *start_owner(const char *slot)
{
    struct program *owner = start_hand();
    command(owner, "own %s", slot);
    wait_line(owner, "mailslot: owns %s", slot);
    return owner;
}

static void farewell(struct program *probe)
{
    close_input(probe);
    expect_end(probe, 0);
}

/* Has the probe send one message whose bytes are those of `words`, as they are. */
static void send_raw(struct program *writer, const char *bytes, size_t length)
{
    const char *name = token();
    write_file(name, bytes, length, 0644);
    command(writer, "file %s", name);
    wait_line(writer, "mailslot: sent %zu bytes", length);
}

/* ASCII `words` as they stand on the wire, and how many bytes that is. */
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

/* Waits until the probe has read a message, just the ASCII text `words`. */
static void expect_message(struct program *owner, const char *words)
{
    size_t length;
    char *bytes = on_wire(words, &length);
    char *line = quoted(bytes, length);
    wait_line(owner, "mailslot: received %s", line);
    free(line);
}

/* Ends the server as Ctrl-C does; it must end in order. */
static void end_server(struct program *server)
{
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

/* Ends a server that has passed its test. Whether Ctrl-C ends it in order, only the tests of Ctrl-C
 * ask: that one slip is not to cost the points of all others. Under Wine no name stays behind. */
static void dismiss(struct program *server)
{
    if (under_test() == WIN32 && !on_windows()) {
        if (!is_running(server))
            fail_test("expected a running server, but it has exited");
        kill_program(server);
        return;
    }
    send_signal(server, SIGINT);
    int code = wait_end(server);
    if (code != 0 && code != 128 + SIGINT)
        expect_end(server, 0);
}

/* Fails the test unless `program` has printed `expected` lines that begin with `start`. */
static void expect_count(struct program *program, const char *start, size_t expected)
{
    size_t count = count_lines(program, text("%s *", start));
    if (count != expected)
        fail_test("expected %zu line%s that begin%s with %s, got %zu", expected,
                  expected == 1 ? "" : "s", expected == 1 ? "s" : "", start, count);
}

/* ---- The pair ------------------------------------------------------------------------- */

static const char *const usual[] = DEFAULT_MESSAGES();

TEST(three_messages, .judges = PAIR, .points = 3, .step = 5,
     .name = "the three default messages arrive in order, and both programs exit with 0",
     .hint = "Read one message, print it, and stop after COUNT messages.",
     .client_step = 3,
     .client_hint =
         "Write each message with one call and print \"sent\". Exit with 0 after "
         "the last one.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "3");
    struct program *client = start(CLIENT, slot, NULL);
    for (size_t i = 0; i < 3; i++) {
        wait_line(client, "client: sent \"%s\"", usual[i]);
        wait_line(server, "server: received \"%s\"", usual[i]);
        if (is_pair("echo"))
            wait_line(client, "client: received \"%s\"", usual[i]);
    }
    wait_line(client, "client: done");
    expect_end(client, 0);
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_count(server, "server: received", 3);
}

static void use_default_names(void)
{
    if (!private_names())
        skip_test("the default name is another's, too, without a room of its own");
    struct program *server = start(SERVER, NULL);
    wait_line_like(server, "server: ready *sample_mailslot*");
    struct program *client = start(CLIENT, NULL);
    for (size_t i = 0; i < 3; i++)
        wait_line(server, "server: received \"%s\"", usual[i]);
    wait_line(client, "client: done");
    expect_end(client, 0);
    dismiss(server);
}

#define SLOT_UNIX                                                                 \
    "Use $XDG_RUNTIME_DIR/sample_mailslot, as a message queue /sample_mailslot. " \
    "The contract names the path without that variable."
#define SLOT_WIN32 "Use \\\\.\\mailslot\\sample_mailslot."
#define DEFAULT_NAMES                                                          \
    .judges = PAIR, .points = 1, .step = 1,                                    \
    .name = "without arguments server and client meet under the default name", \
    .hint_unix = SLOT_UNIX, .hint_win32 = SLOT_WIN32, .client_step = 1,        \
    .client_hint_unix = SLOT_UNIX, .client_hint_win32 = SLOT_WIN32

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

TEST(no_runtime_folder, .judges = PAIR, .points = 1, .step = 1, .pair = "",
     .name = "without $XDG_RUNTIME_DIR the default slot is in /tmp, with the user's "
             "number in its name",
     .hint_unix =
         "Use /tmp/sample_mailslot-UID if getenv(\"XDG_RUNTIME_DIR\") returns NULL "
         "or an empty text.",
     .hint_win32 = "The default slot does not depend on the environment.",
     .client_step = 1,
     .client_hint_unix =
         "Use /tmp/sample_mailslot-UID if getenv(\"XDG_RUNTIME_DIR\") returns NULL "
         "or an empty text.",
     .client_hint_win32 = "The default slot does not depend on the environment.")
{
    if (!private_names())
        skip_test("the default name is another's, too, without a room of its own");
    /* An empty value is no folder, and the start of a program cannot take one away. */
    const char *const environment[] = {"XDG_RUNTIME_DIR=", NULL};
    struct start_options options = {.environment = environment};
    struct program *server = start_with(SERVER, options, NULL);
    if (under_test() == UNIX)
        wait_line(server, "server: ready /tmp/" DEFAULT_NAME "-%ld", (long)getuid());
    else
        wait_line_like(server, "server: ready *");
    expect_end(start_with(CLIENT, options, NULL), 0);
    wait_line(server, "server: received \"%s\"", usual[2]);
    dismiss(server);
}

TEST(odd_texts, .judges = PAIR, .points = 2, .step = 5,
     .name = "empty, long, Cyrillic and many-line texts arrive as they were given",
     .hint = "Print as many bytes as the read returned. A message may be empty, and may "
             "contain a newline.",
     .client_step = 3,
     .client_hint =
         "Write each argument with one call, also the empty one. Print its newline "
         "as \\n.")
{
    const char *slot = fresh_slot(), *word = token();
    const char *longer = text("%s", random_bytes(5000, 'a', 'z'));
    struct program *server = start_server(slot, "5");
    struct program *client = start(CLIENT, slot, text("%.5000s", longer), "", CYRILLIC,
                                   "two\nlines", word, NULL);
    const char *const shown[] = {text("%.5000s", longer), "", CYRILLIC, "two\\nlines",
                                 word};
    for (size_t i = 0; i < 5; i++) {
        wait_line(client, "client: sent \"%s\"", shown[i]);
        wait_line(server, "server: received \"%s\"", shown[i]);
        if (is_pair("echo"))
            wait_line(client, "client: received \"%s\"", shown[i]);
    }
    expect_end(client, 0);
    expect_end(server, 0);
}

TEST(fifty_clients, .judges = PAIR, .points = 2, .step = 5,
     .name = "50 clients at once: the messages of each one arrive in order",
     .hint = "Read one message after the other; any number of clients may write at a "
             "time.",
     .client_step = 2,
     .client_hint_unix =
         "Wait in send() while the slot is full. EAGAIN means that nothing was "
         "sent: send again.",
     .client_hint_win32 =
         "Open the slot with FILE_SHARE_READ | FILE_SHARE_WRITE. Otherwise "
         "CreateFile fails with error 32 while another client writes.")
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

TEST(restart, .judges = PAIR, .points = 1, .step = 6,
     .name = "a new server on the same slot receives what is sent from then on",
     .hint_unix =
         "Remove the slot's file with unlink() at the end, so that the next bind() "
         "succeeds.",
     .hint_win32 = "Close the slot's handle at the end, so that the next CreateMailslot "
                   "succeeds.",
     .client_step = 2, .client_hint = "Open the slot anew in each run, by its name.")
{
    const char *slot = fresh_slot();
    for (int round = 0; round < 3; round++) {
        struct program *server = start_server(slot, round < 2 ? "3" : "0");
        expect_end(start(CLIENT, slot, NULL), 0);
        wait_line(server, "server: received \"%s\"", usual[2]);
        if (round < 2)
            expect_end(server, 0);
        else
            dismiss(server);
    }
}

/* ---- The server ----------------------------------------------------------------------- */

TEST(in_order, .judges = SERVER, .points = 2, .step = 5,
     .name =
         "200 messages of five writers in turn arrive whole, each writer's in its order",
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

TEST(any_size, .judges = SERVER, .points = 2, .step = 5,
     .name = "messages of 2 bytes to 64 KiB arrive whole, also a short one after a long "
             "one",
     .hint_unix = "Get the length first: recv() with MSG_PEEK | MSG_TRUNC returns it. A "
                  "buffer that is too small cuts the message, and no call fails.",
     .hint_win32 =
         "Have a buffer for the longest message, or ask GetMailslotInfo for the "
         "size of the next. ReadFile fails with error 122 if the buffer is too "
         "small.")
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
    if (under_test() == UNIX && is_pair("")) { /* longer than anybody has to take */
        const char *words = text("%.*s", 100000, random_bytes(100001, 'a', 'z'));
        send_raw(writer, words, 100000);
        command(writer, "text last");
        wait_line(server, "server: received \"last\"");
        if (printed_like(server, text("server: received \"%.40s*", words)) &&
            !printed_like(server, text("server: received \"%s\"", words)))
            fail_test("of a message of 100,000 bytes only a part was received");
    }
    dismiss(server);
}

TEST(empty_message, .judges = SERVER, .points = 2, .step = 5,
     .name = "an empty text is a message, and not the end",
     .hint_unix =
         "Do not stop when recv() returns 0: on a datagram socket that is an empty "
         "message.",
     .hint_win32 =
         "Do not stop at a message that has nothing before its NUL: it is an empty "
         "text.")
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

TEST(no_bytes, .judges = SERVER, .win32_only = true, .points = 1, .step = 5, .pair = "",
     .name = "a message of 0 bytes is an empty text",
     .hint_win32 = "Accept a ReadFile that returns 0 bytes: it is a message, and no end.")
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

TEST(any_bytes, .judges = SERVER, .points = 2, .step = 5,
     .name = "a message ends with its last byte, whatever bytes are in it",
     .hint = "Print as many bytes as the read returned, not up to a NUL. Do the same in "
             "a reply.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "3"), *writer = start_writer(slot);
    if (under_test() == UNIX) {
        send_raw(writer, "a\0b\0", 4);
        send_raw(writer, "\x01\x1A\x7F\xFF\n\"", 6);
        wait_line(server, "server: received \"a\\0b\\0\"");
        wait_line(server, "server: received \"\\x01\\x1A\\x7F\\xFF\\n\\\"\"");
    } else {
        /* On the wire "echo" an address comes first, here an empty one, and a NUL comes last. */
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
    command(writer, "text last");
    wait_line(server, "server: received \"last\"");
    expect_end(server, 0);
}

/* `count` bytes of UTF-16LE behind the address `name`, as they stand on the wire of Windows. */
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

TEST(no_text, .judges = SERVER, .win32_only = true, .points = 1, .step = 5,
     .name =
         "a message that is no UTF-16 is a line on standard error, and the next is read",
     .hint_win32 =
         "Check that the length is even, and that WideCharToMultiByte with "
         "WC_ERR_INVALID_CHARS succeeds. If not, print one line and read the next "
         "message.")
{
    const char *slot = fresh_slot(), *own = fresh_slot();
    struct program *server = start_server(slot, "3"), *writer = start_owner(own);
    command(writer, "open %s", slot);
    wait_line(writer, "mailslot: open");
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
    farewell(writer);
}

TEST(at_once, .judges = SERVER, .points = 2, .step = 4,
     .name = "a message is read when it arrives, not at the next look",
     .hint_unix = "Wait in recv() or poll() instead of looking every few seconds.",
     .hint_win32 =
         "Wait in ReadFile, with MAILSLOT_WAIT_FOREVER. The listing looks every "
         "three seconds.")
{
    const char *slot = fresh_slot(), *word = token();
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    /* Whoever looks now and then has just looked when the next message is sent, and takes most
     * of his time for each. On a busy machine some take long for other reasons, but not all.
     * Where our own pause was too long, the next look may be near: that is no proof. */
    int quick = 0, count = 0;
    for (double end = now() + 10; quick < 2 && now() < end; count++) {
        double before = now();
        usleep(30000); /* by then it looks no more, and waits, or sleeps */
        double start = now();
        command(writer, "text %s %d", word, count);
        wait_line(server, "server: received \"%s %d\"", word, count);
        if (count > 0 && start - before < 0.04 && now() - start < 0.04)
            quick++;
    }
    if (quick < 2)
        fail_test(
            "of %d messages, each sent 30 ms after the one before was read, %d were read "
            "within 40 ms",
            count, quick);
    dismiss(server);
}

TEST(idle, .judges = SERVER, .points = 1, .step = 4,
     .name = "a server to which nobody writes uses no processor",
     .hint_unix =
         "Wait in recv() or in poll() without a timeout; do not ask again and again.",
     .hint_win32 =
         "Wait in ReadFile, with MAILSLOT_WAIT_FOREVER; do not call GetMailslotInfo "
         "again and again.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "0");
    expect_idle(server, 0.4, 5);
    dismiss(server);
}

TEST(ctrl_c, .judges = SERVER, .points = 2, .step = 6,
     .name = "Ctrl-C ends the server in order: it prints \"done\", and its name is free "
             "again",
     .hint_unix =
         "Wait for SIGINT, SIGTERM and the slot together: signalfd() and poll(). "
         "Then remove the name and exit with 0.",
     .hint_win32 =
         "Print \"done\" and call ExitProcess in the handler of "
         "SetConsoleCtrlHandler. Under Wine ReadFile on a mailslot blocks even if "
         "it is overlapped, so the main thread cannot wait for an event.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    command(writer, "text before");
    wait_line(server, "server: received \"before\"");
    farewell(writer); /* under Wine a slot that a writer has open keeps its name */
    end_server(server);
    server = start_server(slot, "0");
    if (under_test() == UNIX) {
        send_signal(server, SIGTERM);
        wait_line(server, "server: done");
        expect_end(server, 0);
    } else {
        end_server(server);
    }
    struct program *late = start_hand();
    command(late, "open %s", slot);
    if (is_pair("broadcast"))
        wait_line(late, "mailslot: open");
    else
        wait_line_like(late, "mailslot: cannot open: *");
}

TEST(second_owner, .judges = SERVER, .points = 2, .step = 3,
     .name = "a second server is refused, and the first one keeps the slot",
     .hint_unix =
         "Check bind(): EADDRINUSE means that the name exists. Never unlink() the "
         "name of a server that still runs: connect() succeeds there.",
     .hint_win32 =
         "Check CreateMailslot: error 183 (ERROR_ALREADY_EXISTS) means that the "
         "slot has an owner.")
{
    const char *slot = fresh_slot(), *word = token();
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    struct program *second = start(SERVER, slot, "0", NULL);
    if (is_pair("broadcast")) { /* where there is no owner: both read everything */
        wait_line(second, "server: ready %s", address_of(slot));
    } else {
        wait_error_like(second, "server: *error *");
        expect_end(second, 1);
        if (printed_like(second, "server: ready*"))
            fail_test("the second server prints \"ready\"");
    }
    command(writer, "text %s", word);
    wait_line(server, "server: received \"%s\"", word);
    struct program *late = start_writer(slot);
    command(late, "text late");
    wait_line(server, "server: received \"late\"");
    if (is_pair("broadcast")) {
        wait_line(second, "server: received \"late\"");
        dismiss(second);
    }
    dismiss(server);
}

TEST(killed_server, .judges = SERVER, .points = 2, .step = 3,
     .name = "a new server takes over the slot of a killed one",
     .hint_unix = "A killed server leaves its file. If connect() fails there with "
                  "ECONNREFUSED, unlink() it and bind() again.",
     .hint_win32 =
         "Windows removes the slot with its owner. Make it with CreateMailslot as "
         "if it had never existed.")
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

/* Waits until a server that cannot have its slot has told so, and has exited with 1. */
static void expect_error(struct program *server)
{
    if (strncmp(wait_line_like(server, "server: *"), "server: ready", 13) == 0)
        fail_test("expected an error, got \"server: ready\": the name cannot be a slot");
    size_t length;
    const char *errors = errors_of(server, &length);
    if (memmem(errors, length, "error ", strlen("error ")) == NULL)
        wait_error_like(server, "server: *error *");
    expect_end(server, 1);
}

/* Starts a server on a name that cannot be a slot. */
static void expect_refusal(const char *slot)
{
    expect_error(start(SERVER, slot, "1", NULL));
}

static void use_bad_names(void)
{
    if (under_test() == WIN32) {
        expect_refusal("\\\\.\\nonsense\\x");
        expect_refusal("");
        return;
    }
    size_t length;
    const char *file = write_file("precious", "data", 4, 0644);
    expect_refusal("precious");
    /* A socket with a living server, though of another type: it is not stale. */
    const char *living = write_file("living", "", 0, 0600);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", living);
    int stranger = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (unlink(living) == -1 || stranger == -1 ||
        bind(stranger, (struct sockaddr *)&address, sizeof address) == -1 ||
        listen(stranger, 1) == -1)
        kit_error("a stream socket cannot be made");
    expect_refusal("living");
    if (access(living, F_OK) == -1)
        fail_test("the server has removed the name of a stream socket that is in use");
    close(stranger);
    unlink(living);
    if (access(file, F_OK) == -1 ||
        memcmp(read_file("precious", &length), "data", 4) != 0)
        fail_test("the server has removed a file that is no socket");
    expect_refusal("no-such-folder/slot");
    expect_refusal(text("%s", random_bytes(300, 'a', 'a')));
    expect_refusal("");
}

#define BAD_NAMES                                                                       \
    .judges = SERVER, .points = 2, .step = 3,                                           \
    .name = "a name that cannot be a slot is one line and exit code 1; a file of that " \
            "name stays",                                                               \
    .hint_unix =                                                                        \
        "Before unlink() look with lstat() whether it is a socket (S_ISSOCK). Refuse "  \
        "a path that is empty or longer than 107 bytes.",                               \
    .hint_win32 = "Check CreateMailslot, and exit with 1 if it fails."

TEST(bad_names, BAD_NAMES, .pair = "")
{
    use_bad_names();
}

TEST(bad_names_echo, BAD_NAMES, .pair = "echo")
{
    use_bad_names();
}

TEST(bad_names_mqueue, .judges = SERVER, .points = 1, .step = 3, .pair = "mqueue",
     .unix_only = true,
     .name = "a name that cannot be a message queue is one line and exit code 1",
     .hint_unix = "Check mq_open(): a second slash in the name is EACCES, more than 255 "
                  "bytes are ENAMETOOLONG.")
{
    expect_refusal("/no/queue");
    expect_refusal(text("/%s", random_bytes(300, 'a', 'a')));
}

/* The same for the address of a network: somebody has the port, and does not share it. */
TEST(taken_port, .judges = SERVER, .points = 1, .step = 3, .pair = "broadcast",
     .unix_only = true,
     .name = "a port that another program does not share is one line and exit code 1",
     .hint_unix = "Check bind(): it fails with EADDRINUSE.")
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int holder = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (holder == -1 || bind(holder, (struct sockaddr *)&address, size) == -1 ||
        getsockname(holder, (struct sockaddr *)&address, &size) == -1)
        kit_error("no port: %s", strerror(errno));
    const char *port = text("%d", ntohs(address.sin_port));
    expect_refusal(port);
    expect_error(start(SERVER, "-m", port, "1", NULL));
    close(holder);
}

static void send_burst(void)
{
    enum { COUNT = 1000 };
    const char *slot = fresh_slot(), *word = token();
    struct program *server = start_server(slot, text("%d", COUNT));
    struct program *writer = start_writer(slot);
    command(writer, "burst 1 %d %s", COUNT, word);
    for (int number = 1; number <= COUNT; number++)
        wait_line(server, "server: received \"%s-1-%d\"", word, number);
    expect_end(server, 0);
    expect_count(server, "server: received", COUNT);
}

/* Not for UDP, which never waits: what does not fit is lost. */
#define BURST                                                                       \
    .judges = SERVER, .points = 2, .step = 5,                                       \
    .name = "of 1,000 messages that are sent as fast as possible none is lost",     \
    .hint_unix =                                                                    \
        "After each wake-up read until nothing is left, or wait again before each " \
        "read. Drop nothing because the output is slow.",                           \
    .hint_win32 =                                                                   \
        "Read again after each message. Drop nothing because the output is slow."

TEST(burst, BURST, .pair = "")
{
    send_burst();
}

TEST(burst_echo, BURST, .pair = "echo")
{
    send_burst();
}

TEST(burst_mqueue, BURST, .pair = "mqueue")
{
    send_burst();
}

TEST(two_thousand, .judges = SERVER, .points = 2, .step = 5,
     .name = "2,000 messages leave no memory, descriptor or handle in use",
     .hint = "Free what is allocated for a message, and close what is opened for a "
             "wait, before the next message.")
{
    const char *slot = fresh_slot(), *word = text("%.200s", random_bytes(300, 'a', 'z'));
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    struct resources early = {0};
    for (int bunch = 1; bunch <= 20; bunch++) {
        command(writer, "burst 1 100 %s-%d", word, bunch);
        wait_line(server, "server: received \"%s-%d-1-100\"", word, bunch);
        if (bunch == 4)
            early = resources_of(server);
    }
    struct resources late = resources_of(server);
    if (late.descriptors > early.descriptors + 8)
        fail_test(
            "after 400 messages the server had %zu descriptors, after 2,000 it has %zu",
            early.descriptors, late.descriptors);
    if (!instrumented() && late.memory > early.memory + 256 * 1024)
        fail_test("after 400 messages the server held %zu kB, after 2,000 it holds %zu",
                  early.memory / 1024, late.memory / 1024);
    dismiss(server);
    expect_count(server, "server: received", 2000);
}

TEST(server_usage, .judges = SERVER, .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "Accept at most two arguments. COUNT is a whole number from 0 to 1000000. "
             "Otherwise print a line that begins with \"usage: \" on standard error, "
             "and exit with 2.")
{
    static const char *const wrong[] = {"ten", "-1", "1000001", "", "1x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *server = start(SERVER, fresh_slot(), wrong[i], NULL);
        wait_error_like(server, "usage: *");
        expect_end(server, 2);
    }
    static const char *const no_ports[] = {"0", "65536", "port", ""};
    for (size_t i = 0; i < 4 && is_pair("broadcast"); i++) {
        struct program *server = start(SERVER, no_ports[i], NULL);
        wait_error_like(server, "usage: *");
        expect_end(server, 2);
    }
    struct program *server = start(SERVER, fresh_slot(), "1", "2", NULL);
    wait_error_like(server, "usage: *");
    expect_end(server, 2);
    dismiss(start_server(fresh_slot(), "1000000")); /* the greatest that is right */
}

/* Without a standard stream, by a bit of `closed`: 1 input, 2 output, 4 errors. Whether it is ready
 * is not always printed then, so clients come until one has reached it. */
TEST(server_streams, .judges = SERVER, .points = 1, .step = 1,
     .name = "a server without any of its standard streams reads its messages",
     .hint_unix =
         "Open /dev/null first until the numbers 0 to 2 are in use. Otherwise the slot "
         "becomes a standard stream.",
     .hint_win32 = "Do not depend on a standard handle: GetStdHandle may return NULL.")
{
    for (unsigned closed = 1; closed <= 7; closed++) {
        const char *slot = fresh_slot(), *word = token();
        struct program *server =
            start_with(SERVER, (struct start_options){.closed = closed}, slot, "1", NULL);
        if ((closed & 2) == 0)
            wait_line(server, "server: ready %s", address_of(slot));
        for (double end = now() + 10; is_running(server);) {
            wait_end(start(CLIENT, slot, word, NULL));
            if (now() > end)
                fail_test(
                    "the server does not read what clients have sent for 10 seconds");
        }
        expect_end(server, 0);
        if ((closed & 2) == 0 &&
            !printed_like(server, text("server: received \"%s\"", word)))
            fail_test("the server has not printed the message");
    }
}

/* ---- The client ----------------------------------------------------------------------- */

TEST(on_the_wire, .judges = CLIENT, .points = 3, .step = 3,
     .name = "the client sends exactly the bytes of the contract",
     .hint_unix = "Send the text without its NUL: send(slot, text, strlen(text), 0).",
     .hint_win32 =
         "Send UTF-16LE with a final NUL of two bytes: (wcslen(text) + 1) * 2 bytes.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    command(owner, "answer 3");
    struct program *client = start(CLIENT, slot, NULL);
    for (size_t i = 0; i < 3; i++) {
        expect_message(owner, usual[i]);
        wait_line(client, "client: sent \"%s\"", usual[i]);
        if (is_pair("echo"))
            wait_line(client, "client: received \"%s\"", usual[i]);
    }
    wait_line(client, "client: done");
    expect_end(client, 0);
    farewell(owner);
}

TEST(given_messages, .judges = CLIENT, .points = 2, .step = 3,
     .name = "each argument is one message, also an empty one",
     .hint = "Write once for each argument. Do not leave out an empty text.")
{
    const char *slot = fresh_slot(), *word = token();
    struct program *owner = start_owner(slot);
    command(owner, "answer 4");
    struct program *client = start(CLIENT, slot, word, "", "x", text("%s two", word),
                                   NULL);
    expect_message(owner, word);
    expect_message(owner, "");
    expect_message(owner, "x");
    expect_message(owner, text("%s two", word));
    wait_line(client, "client: done");
    expect_end(client, 0);
    expect_count(client, "client: sent", 4);
    farewell(owner);
}

TEST(bytes_of_argument, .judges = CLIENT, .points = 1, .step = 3, .unix_only = true,
     .name = "any bytes of an argument are sent as they are",
     .hint_unix = "Take the text from argv as bytes, and print it as the contract says: "
                  "what is no UTF-8 as \\xNN.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    command(owner, "answer 1");
    struct program *client = start(CLIENT, slot, "\x01\x7F\xFF\xC3\"\\", NULL);
    wait_line(owner, "mailslot: received \"\\x01\\x7F\\xFF\\xC3\\\"\\\\\"");
    wait_line(client, "client: sent \"\\x01\\x7F\\xFF\\xC3\\\"\\\\\"");
    wait_line(client, "client: done");
    expect_end(client, 0);
    farewell(owner);
}

/* Without a standard stream, by a bit of `closed`: 1 input, 2 output, 4 errors. */
TEST(client_streams, .judges = CLIENT, .points = 1, .step = 1,
     .name =
         "a client without any of its standard streams sends its messages, and only them",
     .hint_unix =
         "Open /dev/null first until the numbers 0 to 2 are in use. Otherwise the slot "
         "becomes standard output, and receives the transcript.",
     .hint_win32 = "Do not depend on a standard handle: GetStdHandle may return NULL.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    for (unsigned closed = 1; closed <= 7; closed++) {
        const char *word = token();
        command(owner, "answer 2");
        struct program *client = start_with(CLIENT,
                                            (struct start_options){.closed = closed},
                                            slot, word, "two", NULL);
        expect_message(owner, word);
        expect_message(owner, "two");
        expect_end(client, 0);
        if ((closed & 2) == 0)
            wait_line(client, "client: done");
    }
    command(owner, "answer 1");
    struct program *last = start(CLIENT, slot, "last", NULL);
    expect_message(owner, "last");
    expect_end(last, 0);
    if (count_lines(owner, "mailslot: received *client*") > 0)
        fail_test("the slot has received lines of the transcript");
    farewell(owner);
}

TEST(no_owner, .judges = CLIENT, .points = 2, .step = 2,
     .name = "if no server owns the slot, the client reports it and exits with 1",
     .hint_unix =
         "Check connect() or sendto(): ENOENT means no file, ECONNREFUSED a file "
         "without a server.",
     .hint_win32 = "Check CreateFile: it fails with error 2 if nobody owns the slot.")
{
    const char *slot = fresh_slot();
    struct program *client = start(CLIENT, slot, NULL);
    if (is_pair("broadcast")) { /* nobody can know */
        wait_line(client, "client: done");
        expect_end(client, 0);
        return;
    }
    wait_error_like(client, "client: *error *");
    expect_end(client, 1);
    if (printed_like(client, "client: sent*") || printed_like(client, "client: done"))
        fail_test("the client prints \"sent\" or \"done\" though nobody owns the slot");
    if (is_pair("mqueue"))
        return; /* a queue lives on without its server, and takes messages */
    struct program *owner = start_owner(slot);
    kill_program(owner);
    client = start(CLIENT, slot, NULL);
    wait_error_like(client, "client: *error *");
    expect_end(client, 1);
    if (under_test() == UNIX) {
        owner = start_hand(); /* removes the file that it has not made */
        command(owner, "own %s", slot);
        wait_line_like(owner, "mailslot: cannot own*");
        farewell(owner);
    }
}

TEST(long_name, .judges = CLIENT, .points = 1, .step = 1, .unix_only = true, .pair = "",
     .name = "a path of 107 bytes is a slot, and a longer one is refused, not cut",
     .hint_unix = "Check the path's length before it is copied to sun_path.")
{
    const char *slot = text("%.107s", random_bytes(200, 'a', 'z'));
    struct program *owner = start_owner(slot);
    struct program *client = start(CLIENT, text("%sx", slot), "astray", NULL);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    command(owner, "answer 1");
    expect_end(start(CLIENT, slot, "right", NULL), 0);
    expect_message(owner, "right");
    farewell(owner);
}

TEST(too_long, .judges = CLIENT, .points = 2, .step = 3,
     .name = "a message that is too long is refused with a line, or arrives whole",
     .hint_unix = "Check send(): EMSGSIZE means that nothing was sent.",
     .hint_win32 = "Check WriteFile: an error means that nothing was sent.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    size_t length = under_test() == WIN32 ? 32000 : is_pair("mqueue") ? 8193 : 131060;
    const char *words = text("%.*s", (int)length, random_bytes(length + 1, 'a', 'z'));
    struct program *client = start(CLIENT, slot, words, "last", NULL);
    command(owner, "answer 1");
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
        command(owner, "answer 1");
        wait_line(client, "client: done");
        expect_end(client, 0);
    }
    farewell(owner);
}

TEST(beside_another, .judges = CLIENT, .points = 2, .step = 2,
     .name = "the client may write while another writer has the slot open",
     .hint_unix = "Open the slot without a lock: any number of clients may write.",
     .hint_win32 =
         "Open the slot with FILE_SHARE_READ | FILE_SHARE_WRITE. With "
         "FILE_SHARE_READ alone CreateFile fails with error 32 while another client "
         "writes.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot), *other = start_writer(slot);
    command(owner, "answer 3");
    struct program *client = start(CLIENT, slot, "one", "two", NULL);
    expect_message(owner, "one");
    expect_message(owner, "two");
    expect_end(client, 0);
    command(other, "text three");
    wait_line_like(owner, "mailslot: received *");
    farewell(owner);
}

/* How many datagrams may wait in a socket: 10 by Linux itself, more where the machine's
 * administrator, or systemd, has said so. */
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

TEST(longest, .judges = CLIENT, .points = 2, .step = 3,
     .name = "the longest message that the contract promises is taken, and arrives whole",
     .hint_unix =
         "Set SO_SNDBUF to at least 65,536 bytes, or leave it alone; and copy the "
         "text to no buffer of a fixed size.",
     .hint_win32 = "Copy the text to no buffer of a fixed size.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    size_t length = under_test() == WIN32  ? 32000 /* a command line has no more */
                    : is_pair("mqueue")    ? 8192
                    : is_pair("broadcast") ? 65002
                                           : MAX_MESSAGE;
    const char *words = text("%.*s", (int)length, random_bytes(length + 1, 'a', 'z'));
    command(owner, "answer 1");
    struct program *client = start(CLIENT, slot, words, NULL);
    expect_message(owner, words);
    wait_line(client, "client: done");
    expect_end(client, 0);
    farewell(owner);
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
        expect_message(owner, text("%d", i));
    wait_line(client, "client: done");
    expect_end(client, 0);
    farewell(owner);
}

TEST(client_waits, .judges = CLIENT, .points = 2, .step = 3, .pair = "",
     .name = "20 messages to an owner that does not read yet all arrive, in order",
     .hint_unix =
         "Let send() wait while the slot is full. With MSG_DONTWAIT it fails with "
         "EAGAIN, and nothing was sent: send again.",
     .hint_win32 = "Check WriteFile, and write each message once.")
{
    send_twenty();
}

TEST(queue_is_full, .judges = CLIENT, .points = 2, .step = 3, .pair = "mqueue",
     .name = "20 messages to a queue that has room for 10 all arrive, in order",
     .hint_unix =
         "Let mq_send() wait while the queue is full. With O_NONBLOCK it fails with "
         "EAGAIN, and nothing was sent.")
{
    send_twenty();
}

TEST(owner_dies, .judges = CLIENT, .points = 1, .step = 3, .pair = "",
     .name = "if the owner exits, the client exits too, with an error or without",
     .hint_unix =
         "Check send(), with MSG_NOSIGNAL: ECONNREFUSED means that the owner has "
         "gone.",
     .hint_win32 = "Check WriteFile. Print \"done\" only if every write succeeded.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    struct program *client = start(CLIENT, slot, "1", "2", "3", "4", "5", "6", "7", "8",
                                   "9", "10", "11", "12", "13", "14", "15", "16", "17",
                                   "18", "19", "20", NULL);
    wait_line(client, "client: sent \"10\"");
    farewell(owner);
    int code = wait_end(client);
    bool said = printed_like(client, "client: *error *");
    bool done = printed_like(client, "client: done");
    if (code > 1 || (code == 0) != done || (code == 1) != said)
        fail_test("the client exited with code %d%s%s", code,
                  done ? ", and prints \"done\"" : "",
                  said ? ", and prints an error" : "");
}

TEST(everybody_limit, .judges = CLIENT, .points = 2, .step = 1, .pair = "",
     .win32_only = true,
     .name = "nothing longer than 424 bytes is sent to every slot of a name, and "
             "nothing at all if one message is longer",
     .hint_win32 =
         "Compare every message with 424 bytes (212 units of UTF-16 with the NUL) "
         "before the first write.")
{
    const char *slot = text("\\\\*\\mailslot\\%s", token());
    const char *words = text("%.211s", random_bytes(300, 'a', 'a'));
    struct program *client = start(CLIENT, slot, "short", text("%sa", words), NULL);
    wait_error_like(client, "client: *424*");
    expect_end(client, 1);
    if (printed_like(client, "client: sent *"))
        fail_test("the client has sent the message before the one that is too long");
    client = start(CLIENT, slot, words, NULL);
    wait_end(client);
    if (printed_like(client, "client: *424*"))
        fail_test("the client refuses a message of 424 bytes");
}

TEST(everybody, .judges = PAIR, .points = 1, .step = 2, .pair = "", .win32_only = true,
     .name = "a message to every slot of a name arrives",
     .hint_win32 = "Make the server's slot as \\\\.\\mailslot\\NAME.", .client_step = 2,
     .client_hint_win32 = "Open \\\\*\\mailslot\\NAME as it is given, with CreateFile.")
{
    if (!on_windows())
        skip_test("needs Windows: Wine knows no \\\\*\\mailslot\\ (error 3)");
    const char *name = token();
    struct program *server = start_server(text("\\\\.\\mailslot\\%s", name), "0");
    struct program *client = start(CLIENT, text("\\\\*\\mailslot\\%s", name), name, NULL);
    if (wait_end(client) != 0)
        skip_test("needs remote mailslots, which this Windows has turned off");
    wait_line(server, "server: received \"%s\"", name);
    dismiss(server);
}

/* ---- The pair "echo" ------------------------------------------------------------------ */

TEST(crowd, .judges = SERVER, .points = 3, .step = 5, .pair = "echo",
     .name = "of 50 clients at once each gets its own reply",
     .hint_unix =
         "Send each reply to the address that recvfrom() returned with its message.",
     .hint_win32 = "Send each reply to the slot that its own message names.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    command(writer, "crowd 50");
    wait_line(writer, "mailslot: visitors done");
    if (printed_like(writer, "mailslot: astray*"))
        fail_test("a client got no reply, or the reply of another one");
    dismiss(server);
}

TEST(two_thousand_clients, .judges = SERVER, .points = 2, .step = 5, .pair = "echo",
     .name = "2,000 clients, one after the other, leave no memory, descriptor or handle "
             "in use",
     .hint_unix = "Free each message, and close what was opened for its reply.",
     .hint_win32 = "Close the handle of the reply's slot, and free each message.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    command(writer, "visitors 400");
    wait_line(writer, "mailslot: visitors done");
    struct resources early = resources_of(server);
    command(writer, "visitors 1600");
    wait_line(writer, "mailslot: visitors done");
    struct resources late = resources_of(server);
    if (printed_like(writer, "mailslot: astray*"))
        fail_test("a client got no reply, or the reply of another one");
    if (late.descriptors > early.descriptors + 8)
        fail_test(
            "after 400 clients the server had %zu descriptors, after 2,000 it has %zu",
            early.descriptors, late.descriptors);
    if (!instrumented() && late.memory > early.memory + 256 * 1024)
        fail_test("after 400 clients the server held %zu kB, after 2,000 it holds %zu",
                  early.memory / 1024, late.memory / 1024);
    dismiss(server);
}

TEST(client_gone, .judges = SERVER, .points = 2, .step = 5, .pair = "echo",
     .name = "a client that leaves before its reply, or has no address, does not end "
             "the server",
     .hint_unix =
         "Check sendto(): ENOENT or ECONNREFUSED is one line on standard error. A "
         "sender without an address has an addrlen of 2 bytes.",
     .hint_win32 =
         "Check CreateFile for the reply's slot: error 2 is one line on standard "
         "error.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    command(writer, "text nowhere to");
    wait_line(server, "server: received \"nowhere to\"");
    wait_error_like(server, "server: *");
    const char *own = under_test() == WIN32 ? fresh_slot() : token();
    struct program *leaver = start_owner(own);
    command(leaver, "open %s", slot);
    wait_line(leaver, "mailslot: open");
    command(leaver, "vanish");
    wait_line(leaver, "mailslot: vanished");
    command(leaver, "text leaving");
    wait_line(server, "server: received \"leaving\"");
    wait_error_like(server, "server: *");
    farewell(leaver);
    command(writer, "visitors 3");
    wait_line(writer, "mailslot: visitors done");
    dismiss(server);
}

TEST(does_not_read, .judges = SERVER, .points = 2, .step = 5, .pair = "echo",
     .name = "a client that never reads its replies does not delay the others",
     .hint_unix =
         "Send a reply with MSG_DONTWAIT. If it fails with EAGAIN, print a line and "
         "go on.",
     .hint_win32 = "Write a reply once, and do not wait until it has been read.")
{
    const char *slot = fresh_slot(),
               *own = under_test() == WIN32 ? fresh_slot() : token();
    struct program *server = start_server(slot, "0"), *deaf = start_owner(own);
    command(deaf, "open %s", slot);
    wait_line(deaf, "mailslot: open");
    for (int i = 0; i < 50; i++)
        command(deaf, "text unread %d", i);
    wait_line(server, "server: received \"unread 49\"");
    if (under_test() == UNIX && queue_limit() < 40)
        wait_error_like(server, "server: *"); /* for those that have found no room */
    struct program *writer = start_writer(slot);
    command(writer, "visitors 3");
    wait_line(writer, "mailslot: visitors done");
    dismiss(server);
    farewell(deaf);
}

TEST(address_is_file, .judges = SERVER, .points = 2, .step = 5, .pair = "echo",
     .win32_only = true,
     .name = "a message whose reply address is a file does not get the file written",
     .hint_win32 = "Accept only addresses that begin with \\\\.\\mailslot\\ after "
                   "GetFullPathName. CreateFile opens any file.")
{
    const char *slot = fresh_slot(), *precious = write_file("precious", "data", 4, 0644);
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    send_raw(writer, "p\0r\0e\0c\0i\0o\0u\0s\0\0\0g\0o\0n\0e\0\0\0", 28);
    wait_error_like(server, "server: *");
    /* The same by a name that begins like a mailslot's, and leads out of there. */
    char *name = text("\\\\.\\mailslot\\..\\Z:%s", precious);
    for (char *letter = name; *letter != '\0'; letter++)
        if (*letter == '/')
            *letter = '\\';
    size_t size, length;
    const char *address = on_wire(name, &size), *words = on_wire("gone", &length);
    char *message = random_bytes(size + length, 0, 0);
    memcpy(message, address, size);
    memcpy(message + size, words, length);
    send_raw(writer, message, size + length);
    wait_error_like(server, "server: *");
    char *bytes = read_file("precious", &length);
    expect_bytes("the file", NULL, 0, "data", 4, bytes, length);
    dismiss(server);
}

TEST(no_reply, .judges = CLIENT, .points = 2, .step = 5, .pair = "echo",
     .name = "a reply that does not arrive is one line, and exit code 1",
     .hint_unix =
         "Set SO_RCVTIMEO, or give poll() a timeout: recv() then fails with EAGAIN.",
     .hint_win32 =
         "Call SetMailslotInfo with 3000 ms: ReadFile then fails with error 121.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    struct program *client = start(CLIENT, slot, NULL);
    wait_line(client, "client: sent \"%s\"", usual[0]);
    double sent = now();
    if (!instrumented())
        expect_idle(client, 0.3, 10);
    wait_error_like(client, "client: *");
    if (now() - sent > 10)
        fail_test("expected an end after 3 seconds without a reply, got one after %.1f",
                  now() - sent);
    expect_end(client, 1);
    farewell(owner);
}

TEST(stopped, .judges = CLIENT, .points = 1, .step = 5, .pair = "echo", .unix_only = true,
     .name = "a client that is stopped and continued while it waits for its reply goes "
             "on",
     .hint_unix = "Call recv() again if it fails with EINTR. With SO_RCVTIMEO it does so "
                  "after SIGSTOP and SIGCONT, also without a handler.")
{
    const char *slot = fresh_slot();
    struct program *owner = start_owner(slot);
    struct program *client = start(CLIENT, slot, "one", "two", NULL);
    wait_line(client, "client: sent \"one\"");
    expect_idle(client, 0.1, 50); /* by then it waits */
    send_signal(client, SIGSTOP);
    command(owner, "answer 2");
    expect_message(owner, "one");
    send_signal(client, SIGCONT);
    wait_line(client, "client: received \"one\"");
    wait_line(client, "client: received \"two\"");
    wait_line(client, "client: done");
    expect_end(client, 0);
    farewell(owner);
}

TEST(echo_any_bytes, .judges = SERVER, .points = 2, .step = 5, .pair = "echo",
     .name = "a reply has the bytes of its message, NUL and all",
     .hint = "Send back as many bytes as were read, not up to a NUL.")
{
    const char *slot = fresh_slot(),
               *own = under_test() == WIN32 ? fresh_slot() : token();
    struct program *server = start_server(slot, "2"), *client = start_owner(own);
    command(client, "open %s", slot);
    wait_line(client, "mailslot: open");
    static const char bytes[] = "\0\0a\0\0\0b\0\xFF\0\0\0";
    size_t length = sizeof bytes - 1;
    const char *message = under_test() == UNIX
                              ? bytes
                              : addressed(own, bytes + 2, length - 2, &length);
    send_raw(client, message, length);
    command(client, "collect 1");
    char *expected = under_test() == UNIX ? quoted(bytes, sizeof bytes - 1)
                                          : quoted(bytes + 2, sizeof bytes - 3);
    wait_line(client, "mailslot: reply %s", expected);
    free(expected);
    command(client, "text last");
    wait_line(server, "server: received \"last\"");
    expect_end(server, 0);
    farewell(client);
}

TEST(reply_any_bytes, .judges = CLIENT, .points = 1, .step = 5, .pair = "echo",
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
    farewell(owner);
}

/* ---- The pair "mqueue" ---------------------------------------------------------------- */

TEST(priorities, .judges = SERVER, .points = 2, .step = 5, .pair = "mqueue",
     .name = "of several waiting messages the most urgent one is read first",
     .hint_unix =
         "Read one message at a time: mq_receive() returns the one with the highest "
         "priority.")
{
    const char *slot = fresh_slot();
    /* So that they wait: a queue lives on when its server is killed. */
    kill_program(start_server(slot, "4"));
    struct program *writer = start_writer(slot);
    command(writer, "text usual");
    command(writer, "priority 9");
    command(writer, "text urgent");
    command(writer, "priority 31");
    command(writer, "text most urgent");
    command(writer, "priority 9");
    command(writer, "text also urgent");
    for (int i = 0; i < 4; i++)
        wait_line_like(writer, "mailslot: sent *");
    struct program *server = start_server(slot, "4");
    wait_line(server, "server: received \"most urgent\"");
    wait_line(server, "server: received \"urgent\"");
    wait_line(server, "server: received \"also urgent\"");
    wait_line(server, "server: received \"usual\"");
    expect_end(server, 0);
}

TEST(with_priority, .judges = CLIENT, .points = 2, .step = 3, .pair = "mqueue",
     .name = "-p sets the priority of a client's messages",
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
    struct program *wrong = start(CLIENT, "-p", "32", slot, NULL);
    wait_error_like(wrong, "usage: *");
    expect_end(wrong, 2);
    wrong = start(CLIENT, "-p", NULL);
    wait_error_like(wrong, "usage: *");
    expect_end(wrong, 2);
    farewell(owner);
}

TEST(queue_survives, .judges = SERVER, .points = 2, .step = 3, .pair = "mqueue",
     .name = "the next server receives what a killed server had not read",
     .hint_unix =
         "Open the queue that exists: mq_open() with O_CREAT, without O_EXCL, and "
         "no mq_unlink() before it.")
{
    const char *slot = fresh_slot(), *word = token();
    kill_program(start_server(slot, "0"));
    struct program *writer = start_writer(slot);
    command(writer, "text %s", word);
    wait_line_like(writer, "mailslot: sent *");
    struct program *server = start_server(slot, "1");
    wait_line(server, "server: received \"%s\"", word);
    expect_end(server, 0);
}

/* ---- The pair "broadcast" ------------------------------------------------------------- */

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
        dismiss(servers[i]);
        expect_count(servers[i], "server: received", 4);
    }
}

TEST(three_readers, .judges = PAIR, .points = 3, .step = 3, .pair = "broadcast",
     .name = "three servers on one port read what is sent once",
     .hint_unix = "Set SO_REUSEADDR before bind(), in every server.", .client_step = 2,
     .client_hint_unix = "Set SO_BROADCAST. Otherwise send() fails with EACCES.")
{
    reach_three(NULL);
}

TEST(three_members, .judges = PAIR, .points = 3, .step = 3, .pair = "broadcast",
     .name = "three members of the group read what is sent once to the group",
     .hint_unix =
         "Join with IP_ADD_MEMBERSHIP on the loopback interface, after SO_REUSEADDR "
         "and bind().",
     .client_step = 2,
     .client_hint_unix = "Choose the loopback interface with IP_MULTICAST_IF.")
{
    reach_three("-m");
}

TEST(strangers_port, .judges = SERVER, .points = 1, .step = 3, .pair = "broadcast",
     .name = "what is sent to another port is not read",
     .hint_unix = "Bind to the port that was given.")
{
    const char *port = fresh_slot(), *other = fresh_slot();
    struct program *server = start_server(port, "1"), *stranger = start_writer(other);
    command(stranger, "text stranger");
    wait_line_like(stranger, "mailslot: sent *");
    struct program *writer = start_writer(port);
    command(writer, "text friend");
    wait_line(server, "server: received \"friend\"");
    expect_end(server, 0);
    expect_count(server, "server: received", 1);
}

/* ---- What `make run` shows ------------------------------------------------------------ */

static void conversation(void)
{
    const char *slot = fresh_slot();
    narrate(
        "The server makes a slot and reads from it. A client opens the slot, writes three\n"
        "messages and leaves. Then another one writes a single message.");
    struct program *server = start_server(slot, "4");
    expect_end(start(CLIENT, slot, NULL), 0);
    expect_end(start(CLIENT, slot, CYRILLIC, NULL), 0);
    expect_end(server, 0);

    narrate(
        "Two-way: the client has a slot of its own, and the server writes into that.");
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

    narrate("One to many: two servers, and a message that is sent once.");
    const char *port = text("%d", free_port());
    struct program *readers[2];
    for (size_t i = 0; i < 2; i++) {
        readers[i] = start_with(SERVER,
                                (struct start_options){.name = "server_broadcast"}, port,
                                "1", NULL);
        wait_line_like(readers[i], "server: ready *");
    }
    expect_end(start_with(CLIENT, (struct start_options){.name = "client_broadcast"},
                          port, "to everybody", NULL),
               0);
    for (size_t i = 0; i < 2; i++)
        expect_end(readers[i], 0);
}

CHECKER("03-mailslots", "mailslots")
