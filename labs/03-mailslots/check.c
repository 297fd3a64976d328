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

static void expect_count(struct program *program, const char *pattern, size_t expected)
{
    size_t count = count_lines(program, pattern);
    if (count != expected)
        fail_test("there are %zu lines \"%s\", and there should be %zu", count, pattern,
                  expected);
}

/* ---- The pair ------------------------------------------------------------------------- */

static const char *const usual[] = DEFAULT_MESSAGES();

TEST(three_messages, .judges = PAIR, .points = 3, .step = 5,
     .name = "the report's three messages arrive in order, and both end well",
     .hint = "Read a message, print it, until COUNT have come.")
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
    expect_count(server, "server: received *", 3);
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
    end_server(server);
}

#define DEFAULT_NAMES                                                          \
    .judges = PAIR, .points = 1, .step = 1,                                    \
    .name = "without arguments server and client meet under the default name", \
    .hint = "The contract names it; on UNIX it is in $XDG_RUNTIME_DIR."

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
     .name =
         "without $XDG_RUNTIME_DIR the default slot is in /tmp, with the user's number",
     .hint = "Programs that cron or su started have no runtime folder.")
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
    end_server(server);
}

TEST(odd_texts, .judges = PAIR, .points = 2, .step = 5,
     .name = "empty, long, Cyrillic and many-line texts arrive as they were given",
     .hint = "What one call wrote, one read brings: print as much as was read.")
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
     .name = "50 clients at once: each one's messages arrive, in its order",
     .hint = "A slot takes messages from any number of writers at a time.")
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
            expect_count(clients[i], "client: received *", 2);
    }
    expect_end(server, 0);
    expect_count(server, "server: received *", 2 * CLIENTS);
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
     .name = "a new server on the same slot gets what is sent from then on",
     .hint = "The name goes with the server that ends, so that the next can have it.")
{
    const char *slot = fresh_slot();
    for (int round = 0; round < 3; round++) {
        struct program *server = start_server(slot, round < 2 ? "3" : "0");
        expect_end(start(CLIENT, slot, NULL), 0);
        wait_line(server, "server: received \"%s\"", usual[2]);
        if (round < 2)
            expect_end(server, 0);
        else
            end_server(server);
    }
}

/* ---- The server ----------------------------------------------------------------------- */

TEST(in_order, .judges = SERVER, .points = 2, .step = 5,
     .name =
         "200 messages of five writers in turn arrive whole, each writer's in its order",
     .hint = "One read is one message.")
{
    const char *slot = fresh_slot(), *word = token();
    struct program *server = start_server(slot, "200"), *writer = start_writer(slot);
    command(writer, "burst 5 40 %s", word);
    for (int number = 1; number <= 40; number++)
        for (int one = 1; one <= 5; one++)
            wait_line(server, "server: received \"%s-%d-%d\"", word, one, number);
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_count(server, "server: received *", 200);
}

TEST(any_size, .judges = SERVER, .points = 2, .step = 5,
     .name =
         "messages of 2 bytes to 64 KiB arrive whole, and a short one behind a long one",
     .hint = "Ask for the size before the read, or have room for the longest.")
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
    end_server(server);
}

TEST(empty_message, .judges = SERVER, .points = 2, .step = 5,
     .name = "an empty text is a message, and not the end",
     .hint = "On a stream, 0 bytes are its end. Here they are an empty message.")
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
     .name = "a message of no bytes at all is an empty text",
     .hint =
         "A read of 0 bytes is a message, and what is there before its NUL is nothing.")
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

TEST(any_bytes, .judges = SERVER, .points = 1, .step = 5, .pair = "",
     .name = "a message ends with its last byte, whatever bytes are in it",
     .hint = "Print by the length that the read returned, not up to a NUL.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "3"), *writer = start_writer(slot);
    if (under_test() == UNIX) {
        send_raw(writer, "a\0b\0", 4);
        send_raw(writer, "\x01\x1A\x7F\xFF\n\"", 6);
        wait_line(server, "server: received \"a\\0b\\0\"");
        wait_line(server, "server: received \"\\x01\\x1A\\x7F\\xFF\\n\\\"\"");
    } else {
        send_raw(writer, "n\0o\0N\0U\0L\0", 10);
        send_raw(writer, "a\0\0\0b\0\x1A\0\0\0", 10);
        wait_line(server, "server: received \"noNUL\"");
        wait_line(server, "server: received \"a\\0b\\x1A\"");
    }
    command(writer, "text last");
    wait_line(server, "server: received \"last\"");
    expect_end(server, 0);
}

TEST(no_text, .judges = SERVER, .win32_only = true, .points = 1, .step = 5, .pair = "",
     .name =
         "a message that is no UTF-16 is a line on standard error, and the next is read",
     .hint = "Check what WideCharToMultiByte returns, and that the length is even.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "3"), *writer = start_writer(slot);
    send_raw(writer, "odd", 3);
    wait_error_like(server, "server: *");
    send_raw(writer,
             "\x00\xD8"
             "a\0",
             4); /* half of a surrogate pair */
    wait_error_like(server, "server: *");
    command(writer, "text last");
    wait_line(server, "server: received \"last\"");
    expect_end(server, 0);
}

TEST(at_once, .judges = SERVER, .points = 2, .step = 4,
     .name = "a message is read when it comes, not at the next look",
     .hint = "Wait in the read. The listing looks every three seconds.")
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
    end_server(server);
}

TEST(idle, .judges = SERVER, .points = 1, .step = 4,
     .name = "a server to which nobody writes uses no processor",
     .hint = "Wait in the read, or in poll; do not ask again and again.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "0");
    expect_idle(server, 0.4, 5);
    end_server(server);
}

TEST(ctrl_c, .judges = SERVER, .points = 2, .step = 6,
     .name = "Ctrl-C ends the server in order: it says so, and its name is free again",
     .hint = "Wait for messages and for Ctrl-C at a time; then remove the name.")
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

TEST(
    second_owner, .judges = SERVER, .points = 2, .step = 3,
    .name = "a second server is refused, and the first keeps the slot",
    .hint = "Check the call that makes the slot; never remove a name that somebody uses.")
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
            fail_test("the second server says \"ready\"");
    }
    command(writer, "text %s", word);
    wait_line(server, "server: received \"%s\"", word);
    struct program *late = start_writer(slot);
    command(late, "text late");
    wait_line(server, "server: received \"late\"");
    if (is_pair("broadcast")) {
        wait_line(second, "server: received \"late\"");
        end_server(second);
    }
    end_server(server);
}

TEST(
    killed_server, .judges = SERVER, .points = 2, .step = 3,
    .name = "a new server takes over the slot of one that was killed",
    .hint =
        "UNIX: the file stays behind. If nobody answers there, remove it and bind again.")
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

/* Starts a server on a name that cannot be a slot. */
static void expect_refusal(const char *slot)
{
    struct program *server = start(SERVER, slot, "1", NULL);
    wait_error_like(server, "server: *error *");
    expect_end(server, 1);
    if (printed_like(server, "server: ready*"))
        fail_test("the server says \"ready\" on \"%s\"", slot);
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
        fail_test("the server has removed the name of a living stream socket");
    close(stranger);
    unlink(living);
    if (access(file, F_OK) == -1 ||
        memcmp(read_file("precious", &length), "data", 4) != 0)
        fail_test("the server has removed a file that is no socket");
    expect_refusal("no-such-folder/slot");
    expect_refusal(text("%s", random_bytes(300, 'a', 'a')));
    expect_refusal("");
}

#define BAD_NAMES                                                                        \
    .judges = SERVER, .points = 2, .step = 3,                                            \
    .name = "a name that cannot be a slot is one line and exit code 1, and a file that " \
            "stands there stays",                                                        \
    .hint =                                                                              \
        "Whoever removes a stale socket first looks that it is a socket. A path has "    \
        "107 bytes at the most."

TEST(bad_names, BAD_NAMES, .pair = "")
{
    use_bad_names();
}

TEST(bad_names_echo, BAD_NAMES, .pair = "echo")
{
    use_bad_names();
}

TEST(burst, .judges = SERVER, .points = 2, .step = 5,
     .name = "of 1,000 messages that come while the server does not read, none is lost",
     .hint = "A writer waits while the slot is full, or the slot takes them all.")
{
    if (on_windows())
        skip_test("needs a server that can be stopped, which Windows does not offer");
    /* UDP never waits: of what does not fit the rest is lost, so that is tried with less. */
    const char *slot = fresh_slot(), *word = token();
    int count = is_pair("broadcast") ? 100 : 1000;
    struct program *server = start_server(slot, text("%d", count));
    struct program *writer = start_writer(slot);
    send_signal(server, SIGSTOP);
    command(writer, "burst 1 %d %s", count, word);
    wait_line(writer, "mailslot: burst begins");
    send_signal(server, SIGCONT);
    for (int number = 1; number <= count; number++)
        wait_line(server, "server: received \"%s-1-%d\"", word, number);
    expect_end(server, 0);
    expect_count(server, "server: received *", (size_t)count);
}

TEST(two_thousand, .judges = SERVER, .points = 2, .step = 5,
     .name = "2,000 messages leave no memory, descriptor or handle in use",
     .hint = "What is made for a message, or for a wait, is freed behind it.")
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
    end_server(server);
    expect_count(server, "server: received *", 2000);
}

TEST(
    server_usage, .judges = SERVER, .points = 1, .step = 1,
    .name = "wrong arguments are a usage line on standard error, and exit code 2",
    .hint =
        "COUNT is a whole number from 0 to 1000000, and there are two arguments at most.")
{
    static const char *const wrong[] = {"ten", "-1", "1000001", "", "1x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *server = start(SERVER, fresh_slot(), wrong[i], NULL);
        wait_error_like(server, "usage: *");
        expect_end(server, 2);
    }
    struct program *server = start(SERVER, fresh_slot(), "1", "2", NULL);
    wait_error_like(server, "usage: *");
    expect_end(server, 2);
    end_server(start_server(fresh_slot(), "1000000")); /* the greatest that is right */
}

/* ---- The client ----------------------------------------------------------------------- */

TEST(on_the_wire, .judges = CLIENT, .points = 3, .step = 3,
     .name = "what the client sends is what the contract says, byte by byte",
     .hint = "Windows: UTF-16LE and a NUL of two bytes. UNIX: the text and nothing else.")
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
     .name = "each argument is one message, the empty one too",
     .hint = "One write for each message; an empty text is none to leave out.")
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
    expect_count(client, "client: sent *", 4);
    farewell(owner);
}

TEST(no_owner, .judges = CLIENT, .points = 2, .step = 2,
     .name = "where no server owns the slot the client says so, and ends with 1",
     .hint = "Check the open. A socket's file without a server is no owner either.")
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
        fail_test("the client says that it has sent something");
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
     .hint = "Look at the length before the path goes into sun_path.")
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
     .hint = "Check the write: EMSGSIZE says that nothing of it was sent.")
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
     .hint =
         "Windows: FILE_SHARE_READ alone refuses a second writer; FILE_SHARE_WRITE, too.")
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
     .hint = "A buffer of your own, or a small SO_SNDBUF, is no limit of the mechanism.")
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
     .hint =
         "A write waits while the slot is full. Whoever does not wait must try again, or "
         "loses what did not fit.")
{
    send_twenty();
}

TEST(queue_is_full, .judges = CLIENT, .points = 2, .step = 3, .pair = "mqueue",
     .name = "20 messages to a queue that has room for 10 all arrive, in order",
     .hint = "mq_send waits while the queue is full. With O_NONBLOCK it is EAGAIN: then "
             "nothing was sent.")
{
    send_twenty();
}

TEST(owner_dies, .judges = CLIENT, .points = 1, .step = 3, .pair = "",
     .name = "when the owner dies the client ends, with an error or without one",
     .hint = "Check the write. That a message was sent never meant that it is read.")
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
        fail_test("the client ended with %d%s%s", code, done ? ", and says \"done\"" : "",
                  said ? ", and tells of an error" : "");
}

TEST(everybody_limit, .judges = CLIENT, .points = 2, .step = 1, .pair = "",
     .win32_only = true,
     .name =
         "to every slot of a name nothing longer than 424 bytes goes, and nothing at all "
         "if one message is longer",
     .hint =
         "212 units of UTF-16, the NUL among them, are 424 bytes. Look before the first "
         "write.")
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
     .hint =
         "The name is \\\\*\\mailslot\\NAME; the server's own is \\\\.\\mailslot\\NAME.")
{
    if (!on_windows())
        skip_test("needs Windows: Wine knows no \\\\*\\mailslot\\ (error 3)");
    const char *name = token();
    struct program *server = start_server(text("\\\\.\\mailslot\\%s", name), "0");
    struct program *client = start(CLIENT, text("\\\\*\\mailslot\\%s", name), name, NULL);
    if (wait_end(client) != 0)
        skip_test("needs remote mailslots, which this Windows has turned off");
    wait_line(server, "server: received \"%s\"", name);
    end_server(server);
}

/* ---- The pair "echo" ------------------------------------------------------------------ */

TEST(crowd, .judges = SERVER, .points = 3, .step = 5, .pair = "echo",
     .name = "of 50 clients at once each gets its own reply",
     .hint = "The address belongs to the message that it came with; keep no other.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    command(writer, "crowd 50");
    wait_line(writer, "mailslot: visitors done");
    if (printed_like(writer, "mailslot: astray*"))
        fail_test("a reply went astray");
    end_server(server);
}

TEST(
    two_thousand_clients, .judges = SERVER, .points = 2, .step = 5, .pair = "echo",
    .name =
        "2,000 clients, one after the other, leave no memory, descriptor or handle in use",
    .hint = "Close what was opened for a reply.")
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
        fail_test("a reply went astray");
    if (late.descriptors > early.descriptors + 8)
        fail_test(
            "after 400 clients the server had %zu descriptors, after 2,000 it has %zu",
            early.descriptors, late.descriptors);
    if (!instrumented() && late.memory > early.memory + 256 * 1024)
        fail_test("after 400 clients the server held %zu kB, after 2,000 it holds %zu",
                  early.memory / 1024, late.memory / 1024);
    end_server(server);
}

TEST(client_gone, .judges = SERVER, .points = 2, .step = 5, .pair = "echo",
     .name = "a client that leaves before its reply, or has no address, ends nothing",
     .hint = "A reply that cannot be sent is one line on standard error, and no more.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "0"), *writer = start_writer(slot);
    command(writer, "text nowhere to");
    wait_line(server, "server: received \"nowhere to\"");
    wait_error_like(server, "server: *");
    if (!on_windows()) {
        const char *own = under_test() == WIN32 ? fresh_slot() : token();
        struct program *leaver = start_owner(own);
        command(leaver, "open %s", slot);
        wait_line(leaver, "mailslot: open");
        send_signal(server, SIGSTOP);
        command(leaver, "text leaving");
        wait_line_like(leaver, "mailslot: sent *");
        farewell(leaver);
        send_signal(server, SIGCONT);
        wait_line(server, "server: received \"leaving\"");
        wait_error_like(server, "server: *");
    }
    command(writer, "visitors 3");
    wait_line(writer, "mailslot: visitors done");
    end_server(server);
}

TEST(does_not_read, .judges = SERVER, .points = 2, .step = 5, .pair = "echo",
     .name = "a client that never reads its replies does not hold up the others",
     .hint = "Send a reply without waiting; one that does not fit is lost.")
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
    end_server(server);
    farewell(deaf);
}

TEST(address_is_file, .judges = SERVER, .points = 2, .step = 5, .pair = "echo",
     .win32_only = true,
     .name = "a message that gives a file for its address does not get the file written",
     .hint = "CreateFile opens whatever it is given. Look that it is a mailslot's name.")
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
    end_server(server);
}

TEST(no_reply, .judges = CLIENT, .points = 2, .step = 5, .pair = "echo",
     .name = "a reply that does not come is one line, and exit code 1",
     .hint = "Nothing promises a reply, so wait for it with a limit.")
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
        fail_test("the client has waited %.1f s for a reply, and not 3", now() - sent);
    expect_end(client, 1);
    farewell(owner);
}

TEST(
    stopped, .judges = CLIENT, .points = 1, .step = 5, .pair = "echo", .unix_only = true,
    .name = "stopped while it waits for its reply, and continued, the client goes on",
    .hint =
        "A call with a time limit ends with EINTR then, without any handler: call again.")
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

/* ---- The pair "mqueue" ---------------------------------------------------------------- */

TEST(priorities, .judges = SERVER, .points = 2, .step = 5, .pair = "mqueue",
     .name = "of the messages that wait the most urgent is read first",
     .hint = "The queue keeps that order by itself: read one at a time.")
{
    const char *slot = fresh_slot();
    struct program *server = start_server(slot, "4"), *writer = start_writer(slot);
    send_signal(server, SIGSTOP);
    command(writer, "text usual");
    command(writer, "priority 9");
    command(writer, "text urgent");
    command(writer, "priority 31");
    command(writer, "text most urgent");
    command(writer, "priority 9");
    command(writer, "text also urgent");
    for (int i = 0; i < 4; i++)
        wait_line_like(writer, "mailslot: sent *");
    send_signal(server, SIGCONT);
    wait_line(server, "server: received \"most urgent\"");
    wait_line(server, "server: received \"urgent\"");
    wait_line(server, "server: received \"also urgent\"");
    wait_line(server, "server: received \"usual\"");
    expect_end(server, 0);
}

TEST(with_priority, .judges = CLIENT, .points = 2, .step = 3, .pair = "mqueue",
     .name = "-p gives a client's messages their priority",
     .hint = "The last argument of mq_send.")
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
     .name = "what a killed server had not read is there for the next",
     .hint = "A queue lives until it is unlinked: open the one that is there.")
{
    const char *slot = fresh_slot(), *word = token();
    struct program *killed = start_server(slot, "0"), *writer = start_writer(slot);
    send_signal(killed, SIGSTOP);
    command(writer, "text %s", word);
    wait_line_like(writer, "mailslot: sent *");
    kill_program(killed);
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
        expect_count(client, "client: sent *", 2);
    }
    for (size_t i = 0; i < 3; i++) {
        for (int round = 0; round < 2; round++) {
            wait_line(servers[i], "server: received \"%s\"", word);
            wait_line(servers[i], "server: received \"\"");
        }
        end_server(servers[i]);
        expect_count(servers[i], "server: received *", 4);
    }
}

TEST(three_readers, .judges = PAIR, .points = 3, .step = 3, .pair = "broadcast",
     .name = "what is sent once is read by three servers on one port",
     .hint = "SO_REUSEADDR on each of them, before bind; SO_BROADCAST on the sender.")
{
    reach_three(NULL);
}

TEST(three_members, .judges = PAIR, .points = 3, .step = 3, .pair = "broadcast",
     .name = "what is sent once to the group is read by its three members",
     .hint = "IP_ADD_MEMBERSHIP and IP_MULTICAST_IF, both with the loopback interface.")
{
    reach_three("-m");
}

TEST(strangers_port, .judges = SERVER, .points = 1, .step = 3, .pair = "broadcast",
     .name = "what is sent to another port is not read",
     .hint = "Bind to the port that was given.")
{
    const char *port = fresh_slot(), *other = fresh_slot();
    struct program *server = start_server(port, "1"), *stranger = start_writer(other);
    command(stranger, "text stranger");
    wait_line_like(stranger, "mailslot: sent *");
    struct program *writer = start_writer(port);
    command(writer, "text friend");
    wait_line(server, "server: received \"friend\"");
    expect_end(server, 0);
    expect_count(server, "server: received *", 1);
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
