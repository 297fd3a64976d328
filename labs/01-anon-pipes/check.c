/*
 * check.c - judges lab 01 from outside, by the contract alone.
 *
 * A server is tested with the test's client (grading/probe/scripted_client.c), which follows a
 * script at the server's pipes. A client is tested with this checker as its server, at
 * the other ends of its standard input and output. A pair is started and watched.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "contract.h"
#include "harness.h"

#define CYRILLIC "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82" /* "привет" */
#define MEGABYTE (1024 * 1024)

/* What the lines of the test's client mean, for wait_client(). */
#define STARTED "the report of the test's client that it has started"
#define EVERY_ECHO "the report of the test's client that it has received every echo"
#define END_OF_INPUT \
    "the report of the test's client that it has read the end of its input"
#define ARGUMENTS "the report of the test's client about its arguments"
#define INHERITED "the report of the test's client about what it has inherited"
#define HANDLES "the report of the test's client about the server's handles"

/* ---- What the tests of the server share -------------------------------------------- */

/* Starts the server as `server COUNT client`, where the client is the test's: it follows
 * `script`. */
static struct program *start_with_client(const char *count, const char *script)
{
    return start(SERVER, count, place_probe("scripted_client", "client", script), NULL);
}

/* Waits for a line of the test's client, which prints on the server's standard error.
 * `pattern` is as for fnmatch(3). A failure shows `meaning`, and not the line. */
static void wait_client(struct program *server, const char *pattern, const char *meaning)
{
    wait_line_that(server, text("test: %s", pattern), meaning);
}

/* Returns how many handles the server has open on Windows, when the test's client obeys "handles". On UNIX
 * its descriptors are counted by resources_of(). */
static unsigned long handles_of(struct program *server)
{
    if (under_test() == UNIX)
        return 0;
    const char *line = wait_line_that(server, "test: * handles", HANDLES);
    return strtoul(line + strlen("test: "), NULL, 10);
}

/* Fails unless the test's client has received exactly the `bytes` that it sent. */
static void expect_echo(const char *what, const char *bytes, size_t length)
{
    size_t received_length;
    char *received = read_file("client.received", &received_length);
    expect_bytes(what, bytes, length, bytes, length, received, received_length);
}

/* The conversation of the server with a client that follows `script`, ends with the line
 * "received", and exits with 0. The server must exit with 0. Returns it. */
static struct program *expect_conversation(const char *count, const char *script)
{
    struct program *server = start_with_client(count, script);
    wait_client(server, "received", EVERY_ECHO);
    wait_line(server, "server: client 1 left");
    wait_line(server, "server: client exited with code 0");
    wait_line(server, "server: done");
    expect_end(server, 0);
    return server;
}

/* Lets the test's client send `bytes` as `verb` says ("send", "trickle") and wait for
 * `messages` replies. The echo must be the same bytes. Returns the server. */
static struct program *expect_exchange(const char *verb, const char *bytes, size_t length,
                                       int messages)
{
    write_file("bytes", bytes, length, 0644);
    struct program *server = expect_conversation(
        text("%d", messages), text("%s bytes\nreceive %d\n", verb, messages));
    expect_echo("the echo", bytes, length);
    return server;
}

/* `length` bytes of messages, each of 1024 bytes with its NUL. */
static char *messages_of_1024(size_t length)
{
    char *bytes = random_bytes(length, 'a', 'z');
    for (size_t i = 1023; i < length; i += 1024)
        bytes[i] = '\0';
    return bytes;
}

/* Creates the file `name`, and a lock on it, for which the command "await" of the test's
 * client waits. Close the descriptor to let the client go on. */
static int lock_file(const char *name)
{
    int file = open(write_file(name, "", 0, 0644), O_RDONLY | O_CLOEXEC);
    if (file == -1 || flock(file, LOCK_EX) == -1)
        kit_error("flock");
    return file;
}

/* Kills the server's child, which must be the client. */
static void kill_client(struct program *server)
{
    look_at(SERVER, 3,
            "Start the client by its path: as the first word of the command line, too.");
    kill_child(server, "client");
    look_at(SERVER, 0, NULL);
}

/* The end of a server whose client was killed. On Windows TerminateProcess chooses the
 * exit code, and under Wine a UNIX signal leaves 0. */
static void expect_end_of_killed(struct program *server)
{
    if (under_test() == WIN32) {
        wait_end(server);
        return;
    }
    wait_line(server, "server: client was ended by signal 9");
    expect_end(server, 1);
}

/* ---- What the tests of the client share -------------------------------------------- */

/* Receives message `number` from the client: its bytes must be those of the contract. */
static void expect_message(struct program *client, long number)
{
    size_t length;
    char *expected = text(MESSAGE_TEXT, number);
    char *got = receive_until(client, '\0', &length);
    expect_bytes(text("message %ld", number), NULL, 0, expected, strlen(expected) + 1,
                 got, length);
}

/* Sends `reply` and its NUL, and waits until the client has printed it. */
static void reply_with(struct program *client, const char *reply)
{
    send_bytes(client, reply, strlen(reply) + 1);
    wait_line(client, "client: received \"%s\"", reply);
}

/* Closes the pipe to the client after its last reply, as the server does: the client may wait for that. */
static void expect_done(struct program *client)
{
    close_input(client);
    wait_line(client, "client: done");
    expect_end(client, 0);
}

/* Waits for the line in which the client reports in its own words that the server reads no more. */
static void expect_report(struct program *client)
{
    const char *line;
    do {
        line = wait_error_like(client, "client: *");
    } while (strncmp(line, "client: sent ", 13) == 0 ||
             strncmp(line, "client: received ", 17) == 0);
}

/* ==== Basic ========================================================================= */

TEST(
    sends_ten, .judges = CLIENT, .stage = BASIC, .points = 2, .step = 3,
    .name =
        "without an argument the client sends ten messages, and waits for the reply to each",
    .hint =
        "Write the text and its NUL to standard output, and nothing else. Read the reply before you send the next message. Print all lines on standard error.")
{
    struct program *client = start(CLIENT, NULL);
    for (int number = 1; number <= DEFAULT_COUNT; number++) {
        expect_message(client, number);
        wait_line(client, "client: sent \"message num %d\"", number);
        reply_with(client, token());
    }
    expect_done(client);
    size_t length;
    output_of(client, &length);
    if (length != 9 * 14 + 15)
        fail_test("expected 141 bytes on standard output, which is ten messages, got %zu",
                  length);
}

TEST(
    seven_messages, .judges = PAIR, .stage = BASIC, .needs = "sends_ten", .points = 3,
    .step = 5, .client_step = 3,
    .name =
        "seven messages are sent, received and echoed in order, and both programs exit with 0",
    .hint =
        "Read a message, print it and send it back, until the client closes its end of the pipe.",
    .client_hint =
        "Write each message with its NUL to standard output, then read the reply. Print both lines on standard error.")
{
    const int count = 7; /* not the client's default: it must have been given COUNT */
    const char *client = path_of(CLIENT, NULL);
    look_at(SERVER, 2,
            "Print each line at once: call fflush(stdout), or use log_event().");
    look_at_client_error(
        under_test() == UNIX ? "*: error 9" : "*: error [56]", 3,
        under_test() == UNIX
            ? "The client's standard input or output is no pipe: call dup2() for both in the child."
            : "The client's standard input or output is no pipe: are the ends inheritable, and STARTF_USESTDHANDLES and bInheritHandles set?");
    struct program *server = start(SERVER, text("%d", count), client, NULL);
    wait_line(server, "server: ready");
    look_at(SERVER, 0, NULL);
    for (int number = 1; number <= count; number++) {
        wait_line(server, "server: received \"message num %d\"", number);
        wait_line(server, "client: sent \"message num %d\"", number);
        wait_line(server, "client: received \"message num %d\"", number);
    }
    look_at(
        SERVER, 3,
        under_test() == UNIX
            ? "Give the client COUNT as its first argument, after the program's name."
            : "Give the client COUNT as its first argument: the command line must begin with the program, and COUNT comes after it.");
    look_at(CLIENT, 1, "Take COUNT from the first argument.");
    wait_line(server, "client: done");
    look_at(CLIENT, 0, NULL);
    look_at(SERVER, 4,
            "Close the client's pipe ends in the server: a pipe is at its end when no "
            "process has its write end open.");
    wait_line(server, "server: client 1 left");
    look_at(
        SERVER, 7,
        "Print \"client 1 left\" at the end of the pipe. Only then wait until the client "
        "has ended, and print its exit code.");
    wait_line(server, "server: client exited with code 0");
    wait_line(server, "server: done");
    expect_end(server, 0);
    look_at(SERVER, 0, NULL);
    if (count_lines(server, "server: received *") != (size_t)count ||
        count_lines(server, "client: received *") != (size_t)count)
        fail_test("expected %d messages, got %zu at the server and %zu at the client",
                  count, count_lines(server, "server: received *"),
                  count_lines(server, "client: received *"));
}

TEST(echoes_at_once, .judges = SERVER, .stage = BASIC, .needs = "seven_messages",
     .points = 2, .step = 5,
     .name = "each message comes back before the client sends the next",
     .hint = "Send a message back as soon as its NUL has come.")
{
    char *script = text("%s", "");
    const char *words[5];
    size_t length = 0;
    char bytes[512];
    for (int i = 0; i < 5; i++) {
        words[i] = token();
        size_t size = strlen(words[i]) + 1;
        write_file(text("bytes%d", i), words[i], size, 0644);
        memcpy(bytes + length, words[i], size);
        length += size;
        script = text("%ssend bytes%d\nreceive 1\n", script, i);
    }

    struct program *server = start_with_client("5", script);
    for (int i = 0; i < 5; i++) {
        wait_line(server, "server: received \"%s\"", words[i]);
        wait_client(server, "received", EVERY_ECHO);
    }
    expect_end(server, 0);
    expect_echo("the echo of five messages", bytes, length);
}

TEST(
    prints_at_once, .judges = SERVER, .stage = BASIC, .needs = "seven_messages",
    .points = 1, .step = 5,
    .name = "the line of a message is printed when the message has come, not at the end",
    .hint =
        "Call fflush(stdout) after each line, or use log_event(): the C library buffers output to a pipe.")
{
    const char *word = token();
    write_file("bytes", word, strlen(word) + 1, 0644);
    struct program *server = start_with_client("2", "send bytes\nreceive 1\ndrain\n");
    wait_line(server, "server: ready");
    wait_line(server, "server: received \"%s\"", word);
    if (!is_running(server)) /* the client still waits for the end of its input */
        fail_test("the line was printed only when the server ended");
    kill_client(server); /* it would wait for a server that is gone */
}

/* ==== Complete: the pair ============================================================ */

TEST(
    no_arguments, .judges = PAIR, .stage = COMPLETE, .needs = "seven_messages",
    .points = 1, .step = 1, .client_step = 1,
    .name =
        "without arguments the server starts the client in its own folder, for ten messages",
    .hint_unix =
        "Find the client in the folder of the server's own file (readlink of /proc/self/exe, or program_beside()), not in the current folder.",
    .hint_win32 =
        "Find the client in the folder of the server's own file (GetModuleFileNameW, or program_beside()), not in the current folder.",
    .client_hint = "Take COUNT from the first argument. Without one, send 10 messages.")
{
    /* In a folder of their own, so that the judged client is beside the judged server, and in no
     * other place: not in the current folder. */
    const char *server_file = copy_program(SERVER, "apart/server");
    copy_program(CLIENT, "apart/client");
    struct program *server =
        start_with(SERVER, (struct start_options){.file = server_file}, NULL);
    expect_end(server, 0);
    if (count_lines(server, "server: received \"message num *\"") != DEFAULT_COUNT)
        fail_test("expected %d messages at the server, got %zu", DEFAULT_COUNT,
                  count_lines(server, "server: received \"message num *\""));
}

TEST(
    any_count, .judges = PAIR, .stage = COMPLETE, .needs = "seven_messages", .points = 2,
    .step = 6, .client_step = 1, .name = "COUNT messages are sent, for 0, 1, 2 and 1000",
    .hint =
        "Give the client COUNT as its argument, and send COUNT messages back. With COUNT 0 close the pipe to the client at once.",
    .client_hint = "With COUNT 0 send nothing, close standard output and exit with 0.")
{
    static const char *const counts[] = {"0", "1", "2", "1000"};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct program *server = start(SERVER, counts[i], path_of(CLIENT, NULL), NULL);
        expect_end(server, 0);
        size_t received = count_lines(server, "server: received \"message num *\"");
        if (received != strtoul(counts[i], NULL, 10))
            fail_test("expected %s messages at the server, got %zu", counts[i], received);
    }
}

TEST(many_runs, .judges = PAIR, .stage = COMPLETE, .needs = "seven_messages", .points = 1,
     .step = 7, .client_step = 5,
     .name = "many conversations, two at a time, all end with exit code 0",
     .hint = "Wait until the client has ended, and close every descriptor or handle.",
     .client_hint = "Close standard output and exit with 0 after the last reply.")
{
    struct program *servers[2];
    int rounds = under_test() == UNIX ? 25 : 6; /* under Wine a start takes much longer */
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < 2; i++)
            servers[i] = start(SERVER, "2", path_of(CLIENT, NULL), NULL);
        for (size_t i = 0; i < 2; i++) {
            wait_line(servers[i], "client: received \"message num 2\"");
            expect_end(servers[i], 0);
        }
    }
}

/* ==== Complete: the server ========================================================== */

TEST(single_bytes, .judges = SERVER, .stage = COMPLETE, .needs = "echoes_at_once",
     .points = 2, .step = 5,
     .name = "a message that comes one byte at a time is one message",
     .hint = "One read is not one message: collect bytes until the NUL.")
{
    const char *word = token();
    char *bytes = text("%s %s", word, CYRILLIC);
    struct program *server = expect_exchange("trickle", bytes, strlen(bytes) + 1, 1);
    if (!printed_like(server, text("server: received \"%s\"", bytes)))
        fail_test("expected the line: server: received \"%s\", got another", bytes);
}

TEST(many_in_one_write, .judges = SERVER, .stage = COMPLETE, .needs = "echoes_at_once",
     .points = 2, .step = 5, .name = "60 messages that come in one read are 60 messages",
     .hint = "Look for more messages after the first NUL: one read can return several.")
{
    char bytes[4096];
    const char *words[60];
    size_t length = 0;
    for (int i = 0; i < 60; i++) {
        words[i] = token();
        memcpy(bytes + length, words[i], strlen(words[i]) + 1);
        length += strlen(words[i]) + 1;
    }
    struct program *server = expect_exchange("send", bytes, length, 60);
    size_t printed = count_lines(server, "server: received *");
    if (printed != 60)
        fail_test("expected a line for each of 60 messages, got %zu", printed);
    if (!printed_like(server, text("server: received \"%s\"", words[59])))
        fail_test("expected a line for the last message, \"%s\", got none", words[59]);
}

TEST(
    any_length, .judges = SERVER, .stage = COMPLETE, .needs = "single_bytes", .points = 2,
    .step = 5,
    .name =
        "texts of any length come back whole: 99, 100, 101, around 4096 and 65536, 1 MB",
    .hint =
        "Use a buffer that grows, and print as many bytes as came. Read many bytes at once, and look for the NUL only in the new ones. Read the whole message before you send it back: the client reads only after it has written all of it.")
{
    static const size_t lengths[] = {1,     98,    99,   100,     101,   1000,
                                     4094,  4095,  4096, 4097,    40960, 65535,
                                     65536, 65537, 2,    MEGABYTE};
    const size_t count = sizeof lengths / sizeof *lengths;
    size_t total = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        total += lengths[i] + 1;
    char *bytes = random_bytes(total, 'a', 'z'), *script = text("%s", "");
    for (size_t i = 0; i < count; i++) {
        bytes[at + lengths[i]] = '\0';
        write_file(text("bytes%zu", i), bytes + at, lengths[i] + 1, 0644);
        script = text("%ssend bytes%zu\nreceive 1\n", script, i);
        at += lengths[i] + 1;
    }
    struct program *server = expect_conversation(text("%zu", count), script);
    expect_echo("the echo", bytes, total);
    size_t printed = count_lines(server, "server: received *");
    if (printed != count)
        fail_test("expected a line for each of %zu messages, got %zu", count, printed);
    /* A short text after a long one: nothing of the long one must be printed with it. */
    const char *shorter = bytes + total - (MEGABYTE + 1) - 3;
    if (!printed_like(server, text("server: received \"%s\"", shorter)))
        fail_test(
            "expected the line: server: received \"%s\", for the text after a long one, "
            "got another",
            shorter);
}

TEST(empty_message, .judges = SERVER, .stage = COMPLETE, .needs = "many_in_one_write",
     .points = 1, .step = 5, .name = "an empty text is a message, and comes back as one",
     .hint = "A NUL alone is a message of 0 bytes. It is not the end.")
{
    struct program *server = expect_exchange("send", "\0a\0\0", 4, 3);
    if (count_lines(server, "server: received \"\"") != 2)
        fail_test("expected two lines: server: received \"\", got %zu",
                  count_lines(server, "server: received \"\""));
}

TEST(
    empty_write, .judges = SERVER, .win32_only = true, .stage = COMPLETE,
    .needs = "echoes_at_once", .points = 1, .step = 5,
    .name = "a write of 0 bytes by the client is neither a message nor the end",
    .hint =
        "ReadFile returns TRUE with 0 bytes for such a write: read again. At the end of the pipe it fails with ERROR_BROKEN_PIPE (109).")
{
    if (!on_windows())
        skip_test(
            "needs Windows: Wine does not deliver a write of 0 bytes to the reader");
    write_file("bytes", "one\0two", 8, 0644);
    struct program *server = start_with_client("2",
                                               "empty\nsend bytes\nempty\nreceive 2\n");
    wait_client(server, "received", EVERY_ECHO);
    expect_end(server, 0);
    expect_echo("the echo", "one\0two", 8);
}

TEST(
    any_byte, .judges = SERVER, .stage = COMPLETE, .needs = "many_in_one_write",
    .points = 1, .step = 5,
    .name =
        "bytes 0x01 to 0xFF come back unchanged, and Cyrillic text is printed as it is",
    .hint_unix = "Send the bytes back as they came. Print UTF-8 text as it is.",
    .hint_win32 =
        "Use ReadFile and WriteFile, or binary mode: text mode changes 0x0A, 0x0D and 0x1A. Print UTF-8 text as it is.")
{
    char bytes[300];
    size_t length = 0;
    for (int byte = 0x01; byte <= 0xFF; byte++)
        bytes[length++] = (char)byte;
    bytes[length++] = '\0';
    memcpy(bytes + length, CYRILLIC, sizeof CYRILLIC);
    length += sizeof CYRILLIC;
    struct program *server = expect_exchange("send", bytes, length, 2);
    if (!printed_like(server, "server: received \"" CYRILLIC "\""))
        fail_test("expected the line: server: received \"" CYRILLIC "\"");
}

TEST(
    shows_odd_bytes, .judges = SERVER, .stage = COMPLETE, .needs = "echoes_at_once",
    .points = 1, .step = 5,
    .name =
        "the transcript shows a newline, a quote, a backslash and bytes that are no text as escapes",
    .hint =
        "Print newlines as \\n, quotes as \\\", backslashes as \\\\, and bytes that are no text as \\xNN in capital letters; or use log_text().")
{
    static const char bytes[] = "a\nb\"c\\d\x1B[31me\xFF\xC2\x85"
                                "f\xC3(\xED\xA0\x80\xD0";
    write_file("bytes", bytes, sizeof bytes, 0644);
    struct program *server = start_with_client("1", "send bytes\nreceive 1\n");
    wait_line(
        server, "%s",
        "server: received \"a\\nb\\\"c\\\\d\\x1B[31me\\xFF\\xC2\\x85f\\xC3(\\xED\\xA0\\x80\\xD0\"");
    expect_end(server, 0);
    expect_echo("the echo", bytes, sizeof bytes);
}

TEST(
    closes_after_count, .judges = SERVER, .stage = COMPLETE, .needs = "echoes_at_once",
    .points = 2, .step = 6,
    .name =
        "after COUNT messages the client reads the end of its input, and can still send",
    .hint =
        "Close the pipe to the client after the last echo, and read on. If the client inherited that end as well, it never reads end of file: let it inherit only its own two ends.")
{
    const char *last = token(), *more = token();
    write_file("last", last, strlen(last) + 1, 0644);
    write_file("more", more, strlen(more) + 1, 0644);
    struct program *server =
        start_with_client("1", "send last\nreceive 1\ndrain\nsend more\n");
    wait_line(server, "server: received \"%s\"", last);
    wait_client(server, "end of input", END_OF_INPUT);
    look_at(SERVER, 6,
            "Read on after the last echo, and print each message. Do not send it back.");
    wait_line(server, "server: received \"%s\"", more);
    look_at(SERVER, 0, NULL);
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_echo("the echo", last, strlen(last) + 1);
}

TEST(
    reads_on, .judges = SERVER, .stage = COMPLETE, .needs = "many_in_one_write",
    .points = 1, .step = 6,
    .name = "after COUNT messages the client can write 1 MB, and the server reads it all",
    .hint_unix =
        "Read until read() returns 0, and only then call waitpid(): a client that blocks in write() does not exit.",
    .hint_win32 =
        "Read until ReadFile fails with ERROR_BROKEN_PIPE (109), and only then wait for the process: a client that blocks in WriteFile does not exit.")
{
    const char *first = token(), *last = token();
    char *more = messages_of_1024(MEGABYTE);
    memcpy(more + MEGABYTE - 1 - strlen(last), last, strlen(last));
    more[MEGABYTE - 2 - strlen(last)] = '\0';
    write_file("first", first, strlen(first) + 1, 0644);
    write_file("more", more, MEGABYTE, 0644);
    struct program *server = start_with_client("1", "send first\nreceive 1\nsend more\n");
    wait_client(server, "received", EVERY_ECHO);
    wait_line(server, "server: received \"%s\"", last);
    wait_line(server, "server: client exited with code 0");
    expect_end(server, 0);
    expect_echo("the echo", first, strlen(first) + 1);
}

TEST(
    half_close, .judges = SERVER, .stage = COMPLETE, .needs = "closes_after_count",
    .points = 2, .step = 6,
    .name =
        "a client that has closed its output still receives every echo, and then the end of its input",
    .hint =
        "Close the pipe to the client when it has left, also if fewer than COUNT messages came. Only then wait until it has ended.")
{
    const char *word = token();
    char *bytes = text("%s", word);
    write_file("bytes", bytes, strlen(bytes) + 1, 0644);
    struct program *server = start_with_client("5", "send bytes\nclose-output\ndrain\n");
    wait_client(server, "end of input", END_OF_INPUT);
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_echo("the echo", bytes, strlen(bytes) + 1);
}

TEST(
    middle_of_message, .judges = SERVER, .stage = COMPLETE, .needs = "single_bytes",
    .points = 1, .step = 6,
    .name =
        "a client that exits in the middle of a message is an error line, and exit code 1",
    .hint =
        "Bytes after the last NUL are no message: at the end of the pipe print a line on standard error that begins with \"server: \", and exit with 1.")
{
    write_file("bytes", "whole\0half", 10, 0644);
    struct program *server = start_with_client("5", "send bytes\nreceive 1\n");
    wait_line(server, "server: received \"whole\"");
    wait_error_like(server, "server: *");
    expect_end(server, 1);
    if (printed_like(server, "server: received \"half*"))
        fail_test("expected no line for half a message, got one");
    /* A server that sends back each byte as it comes has sent the half as well. */
    size_t length;
    char *received = read_file("client.received", &length);
    size_t expected = length < 6 ? 6 : length > 10 ? 10 : length;
    expect_bytes("the echo", NULL, 0, "whole\0half", expected, received, length);
}

TEST(
    exits_at_once, .judges = SERVER, .stage = COMPLETE, .needs = "seven_messages",
    .points = 1, .step = 4,
    .name = "a client that exits at once, without a message, is a short conversation",
    .hint_unix =
        "Close the client's pipe ends in the server, and end the conversation when read() returns 0: the first read may do so.",
    .hint_win32 =
        "Close the client's pipe ends in the server, and end the conversation when ReadFile fails with ERROR_BROKEN_PIPE (109): the first one may do so.")
{
    struct program *server = start_with_client("1", "");
    wait_line(server, "server: client 1 left");
    wait_line(server, "server: client exited with code 0");
    expect_end(server, 0);
    if (printed_like(server, "server: received *"))
        fail_test("expected no message, got one that no client sent");
}

TEST(
    count_zero, .judges = SERVER, .stage = COMPLETE, .needs = "seven_messages",
    .points = 1, .step = 6,
    .name = "with COUNT 0 the client reads the end of its input at once",
    .hint =
        "Close the pipe to the client when COUNT messages were sent back. With COUNT 0 that is before the first one.")
{
    struct program *server = start_with_client("0", "drain\n");
    wait_client(server, "end of input", END_OF_INPUT);
    wait_line(server, "server: client exited with code 0");
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(
    passes_count, .judges = SERVER, .stage = COMPLETE, .needs = "exits_at_once",
    .points = 1, .step = 3,
    .name = "the client is started with COUNT as its only argument",
    .hint_unix = "Give exec the client's path as argv[0] and COUNT as argv[1].",
    .hint_win32 =
        "Write the path in quotes, a blank and COUNT into the command line of CreateProcess.")
{
    struct program *server = start_with_client("7", "arguments\n");
    wait_client(server, "argument 1 is 7", ARGUMENTS);
    wait_client(server, "1 arguments", ARGUMENTS);
    expect_end(server, 0);
}

TEST(
    odd_path, .judges = SERVER, .stage = COMPLETE, .needs = "passes_count", .points = 1,
    .step = 3, .name = "the client's path can contain blanks and Cyrillic letters",
    .hint_unix =
        "Pass the path to exec as it came. Do not build a shell command from it.",
    .hint_win32 =
        "Put the path in quotes in the command line of CreateProcess, and call the W functions.")
{
    /* Without quotes Windows starts the program "my", with two arguments too many. */
    place_probe("scripted_client", "my", "tell wrong\n");
    const char *client = place_probe("scripted_client", "my " CYRILLIC " client",
                                     "arguments\n");
    struct program *server = start(SERVER, "1", client, NULL);
    wait_client(server, "argument 1 is 1", ARGUMENTS);
    wait_client(server, "1 arguments", ARGUMENTS);
    expect_end(server, 0);
}

TEST(
    exit_code, .judges = SERVER, .stage = COMPLETE, .needs = "half_close", .points = 2,
    .step = 7, .name = "the client's exit code is reported",
    .hint_unix =
        "Call waitpid(), and take the exit code from its status with WEXITSTATUS.",
    .hint_win32 =
        "Wait for the process handle with WaitForSingleObject, then call GetExitCodeProcess.")
{
    static const int codes[] = {0, 7, 255};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct program *server =
            start_with_client("1", text("close-output\ndrain\nexit %d\n", codes[i]));
        wait_line(server, "server: client exited with code %d", codes[i]);
        expect_end(server, codes[i] == 0 ? 0 : 1);
    }
}

TEST(
    no_such_client, .judges = SERVER, .stage = COMPLETE, .needs = "seven_messages",
    .points = 2, .step = 3,
    .name =
        "a client that cannot be started is one line on standard error, and exit code 1",
    .hint_unix =
        "Print the error of exec and leave the child with _exit(). Report its exit code, and exit with 1.",
    .hint_win32 =
        "Check what CreateProcess returns, print GetLastError() and exit with 1.")
{
    /* On UNIX with a slash: a name without one is searched for in PATH, and a folder
     * there that cannot be read gives another error. */
    struct program *server =
        start(SERVER, "1", under_test() == UNIX ? "./no-such-program" : "no-such-program",
              NULL);
    if (instrumented()) {
        /* posix_spawn() learns from memory that it shares with the child that exec
         * failed. Under valgrind they share none. */
        wait_silence(server);
        if (printed_like(server, "server: client exited with code 127") &&
            !printed_like(server, "server: *error 2: *"))
            skip_test("valgrind hides from posix_spawn() that exec has failed");
    }
    wait_error_like(server, "server: *error 2: *"); /* on both systems: no such file */
    expect_end(server, 1);
    wait_silence(server);
    if (count_lines(server, "server: ready") > 1)
        fail_test("expected the line \"server: ready\" once, got it %zu times",
                  count_lines(server, "server: ready"));
}

TEST(no_room_for_pipes, .judges = SERVER, .unix_only = true, .stage = COMPLETE,
     .needs = "no_such_client", .points = 1, .step = 2,
     .name = "pipes that cannot be created are a line on standard error, and exit code 1",
     .hint = "Check pipe2(): if too many files are open, it fails with EMFILE (24).")
{
    if (instrumented())
        skip_test("needs a program without valgrind, which takes descriptors itself");
    /* One descriptor is left, beside the standard streams. */
    struct program *server = start_with(SERVER, (struct start_options){.descriptors = 4},
                                        "1", place_probe("scripted_client", "client", ""),
                                        NULL);
    wait_error_like(server, "server: *error 24: *");
    expect_end(server, 1);
    if (printed_like(server, "server: ready"))
        fail_test("expected no line \"server: ready\" without pipes, got one");
}

TEST(silent_client, .judges = SERVER, .stage = COMPLETE, .needs = "seven_messages",
     .points = 1, .step = 5,
     .name = "the server uses no processor time while the client is silent",
     .hint = "Wait in a blocking read. Do not ask again and again.")
{
    struct program *server = start_with_client("1", "tell here\ndrain\n");
    wait_client(server, "here", STARTED);
    expect_idle(server, 1.0, 5);
    kill_client(server); /* it would wait for a server that is gone */
}

TEST(server_usage, .judges = SERVER, .stage = COMPLETE, .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint =
         "Accept a whole number from 0 to 100000 for COUNT, and at most two arguments.")
{
    static const char *const wrong[] = {
        "ten",  "-1", "100001", "",          "1x",
        "0x10", "+5", " 5",     "4294967298"}; /* 2, cut to 32 bits */
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *server = start(SERVER, wrong[i], NULL);
        wait_error_like(server, "usage: *");
        expect_end(server, 2);
    }
    expect_end(start(SERVER, "1", "a", "b", NULL), 2);
}

/* ==== Complete: the client ========================================================== */

TEST(sends_count, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_ten", .points = 1,
     .step = 1, .name = "the client sends COUNT messages, for 0 and for 1,000",
     .hint = "Take COUNT from the first argument. With COUNT 0 send nothing.")
{
    expect_done(start(CLIENT, "0", NULL));

    struct program *client = start(CLIENT, "1000", NULL);
    for (long number = 1; number <= 1000; number++) {
        expect_message(client, number);
        send_bytes(client, "ok", 3);
    }
    expect_done(client);
    if (count_lines(client, "client: received \"ok\"") != 1000)
        fail_test("expected a line for each of 1000 replies, got %zu",
                  count_lines(client, "client: received \"ok\""));
}

TEST(reply_in_bytes, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_ten",
     .points = 2, .step = 4, .name = "a reply that comes one byte at a time is one reply",
     .hint = "One read is not one message: read on until the NUL.")
{
    struct program *client = start(CLIENT, "3", NULL);
    for (int number = 1; number <= 2; number++) {
        const char *reply = token();
        expect_message(client, number);
        trickle_bytes(client, reply, strlen(reply) + 1);
        wait_line(client, "client: received \"%s\"", reply);
    }
    expect_message(client, 3);
    reply_with(client,
               token()); /* the client exits after it, and not while bytes trickle */
    expect_done(client);
}

TEST(replies_in_one, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_ten",
     .points = 1, .step = 4, .name = "two replies that come in one read are two replies",
     .hint = "Keep what follows the first NUL: it belongs to the next reply.")
{
    const char *first = token(), *second = token(), *third = token();
    struct program *client = start(CLIENT, "3", NULL);
    expect_message(client, 1);
    char *both = text("%s_%s", first, second);
    both[strlen(first)] = '\0';
    send_bytes(client, both, strlen(first) + strlen(second) + 2);
    wait_line(client, "client: received \"%s\"", first);
    wait_line(client, "client: received \"%s\"", second);
    expect_message(client, 2);
    expect_message(client, 3);
    reply_with(client, third);
    expect_done(client);
}

TEST(
    reply_any_length, .judges = CLIENT, .stage = COMPLETE, .needs = "reply_in_bytes",
    .points = 2, .step = 4,
    .name = "replies of any length are read whole: 0, 99, 100, 101, around 4096, 1 MB",
    .hint =
        "Use a buffer that grows, and print as many bytes as came. Read many bytes at once, and look for the NUL only in the new ones. A reply can be longer or shorter than its message.")
{
    static const size_t lengths[] = {200,  3,    0,    99,   100,      101,
                                     4094, 4095, 4096, 4097, MEGABYTE, 1};
    const size_t count = sizeof lengths / sizeof *lengths;
    struct program *client = start(CLIENT, text("%zu", count), NULL);
    for (size_t i = 0; i < count; i++) {
        expect_message(client, (long)i + 1);
        reply_with(client, random_bytes(lengths[i], 'a', 'z'));
    }
    expect_done(client);
}

TEST(
    reply_any_byte, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_ten",
    .points = 1, .step = 4,
    .name = "a reply in Cyrillic is printed as it is, and control bytes as \\xNN",
    .hint_unix =
        "Print UTF-8 text as it is, and bytes that are no text as \\xNN in capital letters; or use log_text().",
    .hint_win32 =
        "Read with ReadFile or in binary mode: text mode ends the reply at 0x1A. Print bytes that are no text as \\xNN in capital letters; or use log_text().")
{
    struct program *client = start(CLIENT, "2", NULL);
    expect_message(client, 1);
    reply_with(client, CYRILLIC);
    expect_message(client, 2);
    send_bytes(client, "a\x1A\x1B\xFF\r\nb", 8);
    wait_line(client, "client: received \"a\\x1A\\x1B\\xFF\\x0D\\nb\"");
    expect_done(client);
}

TEST(
    server_closes, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_ten", .points = 2,
    .step = 4,
    .name = "when the server closes the pipe the client reports it and exits with 1",
    .hint_unix =
        "When read() returns 0, which is end of file, print a line on standard error that begins with \"client: \", and exit with 1.",
    .hint_win32 =
        "When ReadFile fails with ERROR_BROKEN_PIPE (109) or returns 0 bytes, print a line on standard error that begins with \"client: \", and exit with 1.")
{
    struct program *client = start(CLIENT, "5", NULL);
    expect_message(client, 1);
    reply_with(client, token());
    expect_message(client, 2);
    wait_line(client, "client: sent \"message num 2\"");
    close_input(client);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    if (printed_like(client, "client: done"))
        fail_test(
            "expected no line \"client: done\" with three messages unsent, got one");
}

TEST(
    server_closes_midway, .judges = CLIENT, .stage = COMPLETE, .needs = "server_closes",
    .points = 1, .step = 4,
    .name =
        "when the server closes the pipe in the middle of a reply the client reports it and exits with 1",
    .hint =
        "A reply is whole only with its NUL. Report the end of the pipe by a line on standard error that begins with \"client: \", and do not print half a reply.")
{
    struct program *client = start(CLIENT, "1", NULL);
    expect_message(client, 1);
    wait_line(client, "client: sent \"message num 1\"");
    send_bytes(client, "half", 4);
    close_input(client);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    if (printed_like(client, "client: received *"))
        fail_test("expected no line for half a reply, got one");
}

TEST(silent_server, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_ten",
     .points = 1, .step = 4,
     .name = "the client uses no processor time while the server is silent",
     .hint = "Wait in a blocking read. Do not ask again and again.")
{
    struct program *client = start(CLIENT, "1", NULL);
    expect_message(client, 1);
    expect_idle(client, 1.0, 5);
    reply_with(client, token());
    expect_done(client);
}

TEST(client_usage, .judges = CLIENT, .stage = COMPLETE, .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "Accept a whole number from 0 to 100000 as the only argument.")
{
    static const char *const wrong[] = {
        "ten",  "-1", "100001", "",          "1x",
        "0x10", "+5", " 5",     "4294967298"}; /* 2, cut to 32 bits */
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *client = start(CLIENT, wrong[i], NULL);
        wait_error_like(client, "usage: *");
        expect_end(client, 2);
    }
    expect_end(start(CLIENT, "1", "2", NULL), 2);
}

/* ==== Complete: the two small programs ============================================== */

static struct program *start_oneway(const char *command)
{
    return start_with(SERVER, (struct start_options){.name = "oneway"}, command, NULL);
}

TEST(
    oneway_lines, .judges = SERVER, .only = "oneway", .stage = COMPLETE, .points = 1,
    .step = 3, .name = "oneway prints every line of the command",
    .hint =
        "Use a line buffer that grows (on UNIX getline() does this): a line can be longer than any fixed buffer.")
{
    const char *word = token();
    char *line = random_bytes(100000, 'a', 'z');
    write_file("lines.txt", text("%s\n%s\nlast", word, line), 12 + 2 + 100000 + 5, 0644);
    struct program *oneway = start_oneway(under_test() == UNIX ? "cat lines.txt"
                                                               : "type lines.txt");
    wait_line_like(oneway, text("oneway: received \"%s*\"", word));
    wait_line_like(oneway, text("oneway: received \"%s*\"", line));
    wait_line_like(oneway, "oneway: received \"last*\"");
    wait_line(oneway, "oneway: command exited with code 0");
    expect_end(oneway, 0);
}

TEST(oneway_exit_code, .judges = SERVER, .only = "oneway", .stage = COMPLETE,
     .needs = "oneway_lines", .points = 1, .step = 4,
     .name = "oneway reports the command's exit code",
     .hint_unix =
         "Take the exit code from the status that pclose() returns with WEXITSTATUS.",
     .hint_win32 = "Take the exit code from what _pclose returns.")
{
    struct program *oneway = start_oneway("exit 7");
    wait_line(oneway, "oneway: command exited with code 7");
    expect_end(oneway, 1);
}

/* The number in the line that `pattern` describes. */
static long number_in(struct program *program, const char *pattern)
{
    const char *line = wait_line_like(program, pattern);
    return strtol(line + strcspn(line, "0123456789"), NULL, 10);
}

TEST(capacity_adds_up, .judges = SERVER, .only = "capacity", .stage = COMPLETE,
     .points = 2, .step = 3,
     .name =
         "capacity fills a pipe: the bytes written, waiting and read are the same number",
     .hint = "Count the bytes that were written, not those that you asked to write.")
{
    static const char *const sizes[] = {"0", "1", "8192", "100000"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct program *capacity = start_with(SERVER,
                                              (struct start_options){.name = "capacity"},
                                              sizes[i], NULL);
        long wrote = number_in(capacity,
                               "capacity: wrote * bytes before a write would block");
        long waiting = number_in(capacity, "capacity: * bytes wait to be read");
        long says = number_in(capacity, "capacity: the system says * bytes*");
        long read = number_in(capacity, "capacity: read * bytes");
        expect_end(capacity, 0);
        if (wrote != waiting || wrote != read || wrote < strtol(sizes[i], NULL, 10) ||
            wrote < 1)
            fail_test(
                "asked for %s bytes: expected three equal numbers, got %ld written, "
                "%ld waiting, %ld read",
                sizes[i], wrote, waiting, read);
        if (says != wrote)
            fail_test(
                "asked for %s bytes: expected two equal numbers, got %ld written, and "
                "%ld from the system",
                sizes[i], wrote, says);
    }
}

/* ==== Robust: the server ============================================================ */

TEST(
    writes_before_it_reads, .judges = SERVER, .stage = ROBUST,
    .needs = "many_in_one_write", .points = 2, .step = 5,
    .name = "a client can write 1 MB before it reads the first echo",
    .hint_unix =
        "Read on while echoes wait: use two threads, or poll() and O_NONBLOCK. If both programs block in write(), nobody reads.",
    .hint_win32 =
        "Read on while echoes wait: one thread reads, another writes. If both programs block in WriteFile, nobody reads.")
{
    expect_exchange("send", messages_of_1024(MEGABYTE), MEGABYTE, MEGABYTE / 1024);
}

TEST(
    never_reads, .judges = SERVER, .stage = ROBUST, .needs = "writes_before_it_reads",
    .points = 1, .step = 5,
    .name =
        "of a client that reads nothing and exits all messages are received, and the server reports it",
    .hint_unix =
        "Ignore SIGPIPE so that write() fails with EPIPE. Print a line on standard error, and read on.",
    .hint_win32 =
        "When WriteFile fails with ERROR_NO_DATA (232) or ERROR_BROKEN_PIPE (109), print a line on standard error, and read on.")
{
    char *bytes = messages_of_1024(MEGABYTE);
    write_file("bytes", bytes, MEGABYTE, 0644);
    struct program *server = start_with_client("1024", "send bytes\n");
    wait_line(server, "server: received \"%s\"", bytes + MEGABYTE - 1024);
    wait_line(server, "server: client 1 left");
    wait_line(server, "server: client exited with code 0");
    wait_line(server, "server: done");
    wait_error_like(server, "server: *"); /* 1 MB of echoes does not fit into the pipe */
    int code = wait_end(server); /* the client exited with 0, but a write failed */
    if (code > 1)
        fail_test("expected exit code 0 or 1, got %d", code);
}

TEST(
    long_conversation, .judges = SERVER, .stage = ROBUST, .needs = "many_in_one_write",
    .points = 1, .step = 5,
    .name =
        "many thousand messages come back in order, and leave no memory or handle in use",
    .hint =
        "Free and close what you allocated and opened for a message before the next one.")
{
    enum { BUNCHES = 1000, EARLY = 99 };
    /* Under Wine a message takes much longer. */
    const int bunch_size = (under_test() == UNIX ? MAX_COUNT : MAX_COUNT / 5) / BUNCHES;
    const long count = (long)bunch_size * BUNCHES, sent = count - 1;
    const size_t slack = under_test() == UNIX ? 2 * MEGABYTE : MEGABYTE / 2;
    char *bytes = malloc((size_t)MAX_COUNT * MESSAGE_SIZE),
         *script = malloc(64 * BUNCHES);
    size_t length = 0, written = 0;
    for (int bunch = 0; bunch < BUNCHES; bunch++) {
        size_t first = length;
        /* One fewer than COUNT: the server goes on running, and can be measured. */
        int size = bunch < BUNCHES - 1 ? bunch_size : bunch_size - 1;
        for (long i = 1; i <= size; i++)
            length += (size_t)sprintf(bytes + length, MESSAGE_TEXT,
                                      (long)bunch * bunch_size + i) +
                      1;
        write_file(text("bytes%d", bunch), bytes + first, length - first, 0644);
        written += (size_t)sprintf(script + written, "send bytes%d\nreceive %d\n", bunch,
                                   size);
        if (bunch == EARLY || bunch == BUNCHES - 1)
            written += (size_t)sprintf(script + written, "tell bunch %d\n%s", bunch,
                                       under_test() == WIN32 ? "handles\n" : "");
    }
    sprintf(script + written, "drain\n");
    struct program *server = start_with_client(text("%ld", count), script);
    wait_client(server, text("bunch %d", EARLY),
                "the report of the test's client on a tenth of the messages");
    struct resources early = resources_of(server);
    unsigned long early_handles = handles_of(server);
    wait_client(server, text("bunch %d", BUNCHES - 1),
                text("the report of the test's client on %ld messages", sent));
    struct resources late = resources_of(server);
    unsigned long late_handles = handles_of(server);
    kill_client(server);
    wait_line(server, "server: done");
    wait_end(server);
    expect_echo(text("the echo of %ld messages", sent), bytes, length);
    if (count_lines(server, "server: received \"message num *\"") != (size_t)sent)
        fail_test("expected a line for each of %ld messages, got %zu", sent,
                  count_lines(server, "server: received \"message num *\""));
    if (late.descriptors > early.descriptors + 8)
        fail_test(
            "expected no more descriptors in use after %ld messages than after a tenth "
            "of them, got %zu after a tenth and %zu after all",
            sent, early.descriptors, late.descriptors);
    /* Wine counts the places in a table, which doubles when it is full. */
    if (late_handles > early_handles + 1000)
        fail_test(
            "expected no more handles in use after %ld messages than after a tenth of "
            "them, got %lu after a tenth and %lu after all",
            sent, early_handles, late_handles);
    if (!instrumented() && late.memory > early.memory + slack)
        fail_test(
            "expected no more memory in use after %ld messages than after a tenth of "
            "them, got %zu kB after a tenth and %zu kB after all",
            sent, early.memory / 1024, late.memory / 1024);
}

TEST(
    reads_end_of_killed_server, .judges = SERVER, .stage = ROBUST,
    .needs = "closes_after_count", .points = 2, .step = 2,
    .name = "the client reads the end of its input when the server is killed",
    .hint_unix =
        "Make the server's pipe ends close-on-exec (O_CLOEXEC). A client that inherits the write end keeps its own input open.",
    .hint_win32 =
        "Do not make the server's pipe ends inheritable. A client that inherits the write end keeps its own input open.")
{
    struct program *server = start_with_client("1", "tell here\ndrain\n");
    wait_client(server, "here", STARTED);
    kill_program(server);
    wait_client(server, "end of input", END_OF_INPUT);
    wait_silence(server);
}

/* Writes the shell script, which becomes a program. */
static struct start_options starter(const char *script)
{
    return (struct start_options){
        .file = write_file("starter", script, strlen(script), 0755)};
}

TEST(
    no_extra_handles, .judges = SERVER, .stage = ROBUST, .needs = "seven_messages",
    .points = 2, .step = 3,
    .name =
        "the client inherits its two ends and standard error, and no other pipe or socket",
    .hint_unix =
        "Make all four pipe ends close-on-exec, and set SIGPIPE to SIG_DFL in the child.",
    .hint_win32 =
        "Make only the client's ends inheritable. Clear HANDLE_FLAG_INHERIT on the server's own standard input and output.")
{
    struct program *server = start_with_client("1", "inventory\n");
    wait_client(server, "* extra", INHERITED);
    if (printed_like(server, "test: nothing was inherited")) {
        look_at(SERVER, 3, "Pass TRUE for bInheritHandles to CreateProcess.");
        fail_test(
            "expected CreateProcess to let the client inherit handles, got FALSE for "
            "bInheritHandles: on Windows the client has no pipe then");
    }
    if (!printed_like(server, "test: 0 extra"))
        fail_test(
            "expected the client to inherit its two ends and standard error, got more: "
            "the lines \"test: extra\" name them");
    expect_end(server, 0);
    if (under_test() == WIN32)
        return;
    look_at(
        SERVER, 3,
        "A descriptor that the server has inherited is not close-on-exec. In the child "
        "call close_range(2) after dup2(), or use "
        "posix_spawn_file_actions_addclosefrom_np().");
    const char *script = text("#!/bin/sh\nexec '%s' \"$@\" 7<&0\n",
                              path_of(SERVER, NULL));
    server = start_with(SERVER, starter(script), "1",
                        place_probe("scripted_client", "client", "inventory\n"), NULL);
    wait_client(server, "* extra", INHERITED);
    if (!printed_like(server, "test: 0 extra"))
        fail_test(
            "expected the client not to inherit a pipe that the server has inherited as "
            "descriptor 7, got it: the lines \"test: extra\" name it");
    expect_end(server, 0);
}

/* Writes a shell script that ignores the signal `name` and becomes the program `file`. */
static struct start_options ignoring(const char *name, const char *file)
{
    return starter(
        text("#!/bin/sh\nexec env --ignore-signal=%s '%s' \"$@\"\n", name, file));
}

TEST(
    sigpipe_default, .judges = SERVER, .unix_only = true, .stage = ROBUST,
    .needs = "no_extra_handles", .points = 1, .step = 3,
    .name =
        "SIGPIPE is at its default in the client and not blocked, also if the server was started with it ignored",
    .hint =
        "A signal that is ignored or blocked stays so after fork and exec. In the child call signal(SIGPIPE, SIG_DFL), and sigprocmask() if you blocked it; or use POSIX_SPAWN_SETSIGDEF and POSIX_SPAWN_SETSIGMASK.")
{
    const char *client = place_probe("scripted_client", "client", "inventory\n");
    struct program *server = start_with(SERVER, ignoring("PIPE", path_of(SERVER, NULL)),
                                        "1", client, NULL);
    wait_client(server, "* extra", INHERITED);
    if (printed_like(server, "test: extra: the signal SIGPIPE arrived ignored"))
        fail_test(
            "expected SIGPIPE at its default in the client, got it ignored, as it was "
            "when the server was started");
    if (printed_like(server, "test: extra: the signal SIGPIPE arrived blocked"))
        fail_test("expected SIGPIPE not to be blocked in the client, but it is");
}

TEST(
    sigchld_ignored, .judges = SERVER, .unix_only = true, .stage = ROBUST,
    .needs = "exit_code", .points = 1, .step = 1,
    .name =
        "the exit code is reported also if the server was started with SIGCHLD ignored",
    .hint =
        "If SIGCHLD is ignored waitpid() fails with ECHILD (10). Call signal(SIGCHLD, SIG_DFL) before you start the client.")
{
    const char *client = place_probe("scripted_client", "client", "");
    struct program *server = start_with(SERVER, ignoring("CHLD", path_of(SERVER, NULL)),
                                        "1", client, NULL);
    wait_line(server, "server: client exited with code 0");
    expect_end(server, 0);
}

TEST(full_pipe, .judges = SERVER, .unix_only = true, .stage = ROBUST,
     .needs = "writes_before_it_reads", .points = 1, .step = 5,
     .name = "the server uses no processor time while its client reads no echoes, or has "
             "closed its input",
     .hint =
         "Wait in a call that blocks until the pipe has room: write(), or poll() with "
         "POLLOUT and without a timeout. If nothing waits to be written, leave that pipe "
         "out (-1): poll() always returns POLLERR for a pipe without a reader.")
{
    /* The echo pipe takes 64 messages. The others fit into the pipe to the server. */
    const size_t size = (size_t)96 * 1024;
    write_file("bytes", messages_of_1024(size), size, 0644);
    int unread = lock_file("unread");
    struct program *server =
        start_with_client("96", "send bytes\ntell sent\nawait unread\nreceive 96\n");
    wait_client(server, "sent",
                "the report of the test's client that it has sent everything");
    expect_idle(server, 1.0, 5);
    close(unread);
    wait_client(server, "received", EVERY_ECHO);
    expect_end(server, 0);

    server = start_with_client("1", "close-input\ntell closed\nwait\n");
    wait_client(server, "closed",
                "the report of the test's client that it has closed its input");
    expect_idle(server, 0.5, 5);
    kill_client(server);
}

TEST(
    interrupted, .judges = SERVER, .unix_only = true, .stage = ROBUST,
    .needs = "writes_before_it_reads", .points = 1, .step = 5,
    .name =
        "signals that interrupt a read, a write or the last wait of the server change nothing",
    .hint =
        "Install handlers with SA_RESTART, or call read(), write(), poll() and waitpid() again if they fail with EINTR.")
{
    /* The echo pipe takes 64 messages. The others fit into the pipe to the server. */
    const size_t size = (size_t)96 * 1024;
    char *bytes = messages_of_1024(size);
    write_file("bytes", bytes, size, 0644);
    int go = lock_file("go"), unread = lock_file("unread"), end = lock_file("end");
    struct program *server = start_with_client(
        "96", "tell here\nawait go\nsend bytes\ntell sent\nawait unread\nreceive 96\n"
              "close-output\nawait end\n");
    wait_client(server, "here", STARTED);
    interrupt_calls(server); /* in a read */
    close(go);
    wait_client(server, "sent",
                "the report of the test's client that it has sent everything");
    interrupt_calls(server); /* in the write of an echo that nobody reads */
    close(unread);
    wait_client(server, "received", EVERY_ECHO);
    wait_line(server, "server: client 1 left");
    interrupt_calls(server); /* while it waits for the client's end */
    close(end);
    wait_line(server, "server: client exited with code 0");
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_echo("the echo", bytes, size);
}

TEST(
    server_without_streams, .judges = SERVER, .stage = ROBUST, .needs = "echoes_at_once",
    .points = 1, .step = 1,
    .name = "the server works without its standard input, output and error",
    .hint_unix =
        "A closed descriptor is the next one that pipe() returns, and dup2() onto the same number keeps close-on-exec. Open /dev/null until descriptors 0 to 2 are in use, or call begin_program() first.",
    .hint_win32 =
        "GetStdHandle returns NULL here: pass only valid handles to SetHandleInformation, or call begin_program() first.")
{
    static const unsigned missing[] = {1, 2, 4, 7};
    const char *word = token();
    write_file("bytes", word, strlen(word) + 1, 0644);
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        const char *client = place_probe("scripted_client", "client",
                                         "send bytes\nreceive 1\n");
        struct program *server = start_with(SERVER,
                                            (struct start_options){.closed = missing[i]},
                                            "1", client, NULL);
        expect_end(server, 0);
        expect_echo("the echo", word, strlen(word) + 1);
    }
}

/* ==== Robust: the client ============================================================ */

TEST(
    server_stops_reading, .judges = CLIENT, .stage = ROBUST, .needs = "sends_ten",
    .points = 1, .step = 3,
    .name = "a server that reads no more is a line on standard error, and exit code 1",
    .hint_unix =
        "Ignore SIGPIPE so that write() fails with EPIPE, and print its error in a line that begins with \"client: \".",
    .hint_win32 =
        "Check what WriteFile returns, and print GetLastError() in a line that begins with \"client: \".")
{
    struct program *client = start(CLIENT, "5", NULL);
    expect_message(client, 1);
    close_output(client);
    offer_bytes(client, "ok", 3); /* the client may have noticed already, and ended */
    expect_report(client);
    expect_end(client, 1);
}

TEST(long_client, .judges = CLIENT, .stage = ROBUST, .needs = "sends_count", .points = 1,
     .step = 4,
     .name = "after 5,000 replies the client has no more memory or descriptors in use",
     .hint =
         "Free and close what you allocated and opened for a reply before the next one.")
{
    struct program *client = start(CLIENT, "5000", NULL);
    struct resources early = {0};
    char reply[101] = "";
    memset(reply, 'x', sizeof reply - 1);
    for (long number = 1; number < 5000; number++) {
        expect_message(client, number);
        if (number == 1000)
            early = resources_of(client);
        send_bytes(client, reply, sizeof reply);
    }
    expect_message(client, 5000);
    struct resources late = resources_of(client);
    reply_with(client, reply);
    expect_done(client);
    if (late.descriptors > early.descriptors + 8)
        fail_test("after 1,000 replies the client had %zu descriptors, after 5,000 %zu",
                  early.descriptors, late.descriptors);
    if (!instrumented() && late.memory > early.memory + MEGABYTE / 4)
        fail_test("after 1,000 replies the client held %zu kB, after 5,000 %zu kB",
                  early.memory / 1024, late.memory / 1024);
}

TEST(client_interrupted, .judges = CLIENT, .unix_only = true, .stage = ROBUST,
     .needs = "sends_ten", .points = 1, .step = 4,
     .name = "signals that interrupt a read of the client change nothing",
     .hint =
         "Install handlers with SA_RESTART, or call read() again if it fails with EINTR.")
{
    struct program *client = start(CLIENT, "2", NULL);
    for (int number = 1; number <= 2; number++) {
        expect_message(client, number);
        interrupt_calls(client);
        reply_with(client, token());
    }
    expect_done(client);
}

/* ==== Robust: the pair ============================================================== */

TEST(
    client_killed, .judges = PAIR, .stage = ROBUST, .needs = "seven_messages",
    .points = 2, .step = 4, .client_step = 2,
    .name =
        "when the client is killed the server reads the end of the pipe, and reports how the client ended",
    .hint_unix =
        "Close the client's pipe ends in the server. Otherwise read() never returns 0. A write that fails with EPIPE is not the end: report how the client ended. Check WIFSIGNALED first: after a signal WEXITSTATUS is 0.",
    .hint_win32 =
        "Close the client's pipe ends in the server. Otherwise ReadFile never fails with ERROR_BROKEN_PIPE (109). A WriteFile that fails is not the end: report how the client ended.",
    .client_hint =
        "Keep the pipe as standard output only: start no process that inherits it.")
{
    struct program *server = start(SERVER, "100000", path_of(CLIENT, NULL), NULL);
    wait_line(server, "client: received \"message num 3\"");
    kill_client(server);
    wait_line(server, "server: client 1 left");
    expect_end_of_killed(server);
    /* The same with a client that waits for its reply: the server's next write fails. */
    look_at(
        SERVER, 5,
        "A write that fails is not the end: the client has ended while its reply was on "
        "the way. Report how it ended.");
    server = start(SERVER, "100000", path_of(CLIENT, NULL), NULL);
    wait_line(server, "client: received \"message num 3\"");
    send_signal(server, SIGSTOP);
    let_block();
    kill_client(server);
    send_signal(server, SIGCONT);
    wait_line(server, "server: client 1 left");
    expect_end_of_killed(server);
}

TEST(
    server_killed, .judges = PAIR, .stage = ROBUST, .needs = "reads_end_of_killed_server",
    .points = 2, .step = 2, .client_step = 4,
    .name = "when the server is killed the client reports it and exits",
    .hint_unix =
        "Make all four pipe ends close-on-exec (pipe2 with O_CLOEXEC). A client that inherits the server's ends never reads end of file.",
    .hint_win32 =
        "Make only the client's two ends inheritable. If the client inherits the server's ends, its ReadFile never fails with ERROR_BROKEN_PIPE (109).",
    .client_hint_unix =
        "Print a line on standard error and exit with 1 when read() returns 0, and when write() fails with EPIPE. Ignore SIGPIPE.",
    .client_hint_win32 =
        "Print a line on standard error and exit with 1 when ReadFile fails with ERROR_BROKEN_PIPE (109), and when WriteFile fails.")
{
    struct program *server = start(SERVER, "100000", path_of(CLIENT, NULL), NULL);
    wait_line(server, "client: received \"message num 3\"");
    kill_program(server);
    wait_silence(server);
    if (printed_like(server, "client: done"))
        fail_test(
            "expected no line \"client: done\" after the server was killed, got one");
    if (count_lines(server, "client: *") ==
        count_lines(server, "client: sent *") + count_lines(server, "client: received *"))
        fail_test(
            "expected an error line of the client after the server was killed, got none");
}

/* ==== Robust: the small program ===================================================== */

TEST(
    oneway_sigchld_ignored, .judges = SERVER, .only = "oneway", .unix_only = true,
    .stage = ROBUST, .needs = "oneway_exit_code", .points = 1, .step = 2,
    .name = "oneway reports the exit code also if it was started with SIGCHLD ignored",
    .hint =
        "If SIGCHLD is ignored pclose() fails with ECHILD (10). Call signal(SIGCHLD, SIG_DFL) before popen().")
{
    struct start_options options = ignoring("CHLD", path_of(SERVER, "oneway"));
    options.name = "oneway";
    struct program *oneway = start_with(SERVER, options, "exit 7", NULL);
    wait_line(oneway, "oneway: command exited with code 7");
    expect_end(oneway, 1);
}

/* ---- What `make run` shows --------------------------------------------------------- */

static void conversation(void)
{
    narrate(
        "The server creates two pipes and starts the client. One pipe is the client's standard\n"
        "input, the other its standard output. The client prints its lines on standard error,\n"
        "because its standard output is a pipe.");
    struct program *server = start(SERVER, "3", path_of(CLIENT, NULL), NULL);
    expect_end(server, 0);
}

CHECKER("01-anon-pipes", "anonymous pipes")
