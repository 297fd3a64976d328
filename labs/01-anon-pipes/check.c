/*
 * check.c - judges lab 01 from outside, by the contract alone.
 *
 * A server is tested with a puppet for a client (grading/probe/puppet.c), which does at the
 * server's pipes what a script says. A client is tested with this checker for a server, at
 * the other end of its standard input and output. A pair is let run, watched, and disturbed.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "contract.h"
#include "harness.h"

#define CYRILLIC "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82" /* "привет" */
#define MEGABYTE (1024 * 1024)

/* ---- What the tests of the server share --------------------------------------------- */

/* Starts the server with a puppet that follows `script`, as `server COUNT client`. */
static struct program *start_with_puppet(const char *count, const char *script)
{
    const char *puppet = place_probe("puppet", "client", script);
    return start(SERVER, count, puppet, NULL);
}

/* Fails unless the puppet has received exactly `bytes`, which it sent. */
static void expect_echo(const char *what, const char *bytes, size_t length)
{
    size_t received_length;
    char *received = read_file("client.received", &received_length);
    expect_bytes(what, bytes, length, bytes, length, received, received_length);
}

/* Lets a puppet send `bytes` as `verb` says ("send", "trickle") and wait for `messages`
 * replies; the echo must be exact, and server and client end well. Returns the server. */
static struct program *expect_exchange(const char *verb, const char *bytes, size_t length,
                                       int messages)
{
    write_file("bytes", bytes, length, 0644);
    struct program *server = start_with_puppet(
        text("%d", messages), text("%s bytes\nreceive %d\n", verb, messages));
    wait_line(server, "puppet: received");
    wait_line(server, "server: client 1 left");
    wait_line(server, "server: client exited with code 0");
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_echo("the echo", bytes, length);
    return server;
}

/* Makes the file `name`, and a lock on it, for which the puppet's command "await" waits. Close
 * the descriptor to let it go on. */
static int lock_file(const char *name)
{
    int file = open(write_file(name, "", 0, 0644), O_RDONLY | O_CLOEXEC);
    if (file == -1 || flock(file, LOCK_EX) == -1)
        kit_error("flock");
    return file;
}

/* The end of a server whose client was killed. On Windows whoever kills chooses the exit code,
 * and under Wine a UNIX signal leaves 0. */
static void expect_end_of_killed(struct program *server)
{
    if (under_test() == WIN32) {
        wait_end(server);
        return;
    }
    wait_line(server, "server: client was ended by signal 9");
    expect_end(server, 1);
}

/* ---- The pair ----------------------------------------------------------------------- */

TEST(
    ten_messages, .judges = PAIR, .points = 3, .step = 5, .client_step = 3,
    .name =
        "ten messages are sent, received and echoed in order, and both programs exit with 0",
    .hint =
        "Read, print what was read and send it back, until the client closes its end.",
    .client_hint =
        "Write each message with its NUL to standard output, then read the reply. Print both lines on standard error.")
{
    const char *client = path_of(CLIENT, NULL);
    struct program *server = start(SERVER, "10", client, NULL);
    wait_line(server, "server: ready");
    for (int number = 1; number <= DEFAULT_COUNT; number++) {
        wait_line(server, "server: received \"message num %d\"", number);
        wait_line(server, "client: sent \"message num %d\"", number);
        wait_line(server, "client: received \"message num %d\"", number);
    }
    wait_line(server, "client: done");
    wait_line(server, "server: client 1 left");
    wait_line(server, "server: client exited with code 0");
    wait_line(server, "server: done");
    expect_end(server, 0);
    if (count_lines(server, "server: received *") != DEFAULT_COUNT ||
        count_lines(server, "client: received *") != DEFAULT_COUNT)
        fail_test(
            "there are more messages in the transcript than the client was to send");
}

TEST(
    no_arguments, .judges = PAIR, .points = 1, .step = 1, .client_step = 1,
    .name = "without arguments the server starts the client beside it, for ten messages",
    .hint_unix =
        "Find the client in the folder of the server's own file (readlink of /proc/self/exe), not in the current folder.",
    .hint_win32 =
        "Find the client in the folder of the server's own file (GetModuleFileNameW), not in the current folder.",
    .client_hint = "Take COUNT from the first argument. Without one, send 10 messages.")
{
    /* In a folder of their own, so that whoever plays the client stands beside the server. */
    const char *server_file = copy_program(SERVER, "server");
    copy_program(CLIENT, "client");
    struct program *server =
        start_with(SERVER, (struct start_options){.file = server_file}, NULL);
    expect_end(server, 0);
    if (count_lines(server, "server: received \"message num *\"") != DEFAULT_COUNT)
        fail_test("the server received %zu messages, not %d",
                  count_lines(server, "server: received \"message num *\""),
                  DEFAULT_COUNT);
}

TEST(
    any_count, .judges = PAIR, .points = 2, .step = 1, .client_step = 1,
    .name = "COUNT messages are sent, for 0, 1, 2 and 1000",
    .hint =
        "Pass COUNT to the client and send COUNT messages back. With COUNT 0 close the pipe to the client at once.",
    .client_hint = "With COUNT 0 send nothing, close standard output and exit with 0.")
{
    static const char *const counts[] = {"0", "1", "2", "1000"};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct program *server = start(SERVER, counts[i], path_of(CLIENT, NULL), NULL);
        expect_end(server, 0);
        size_t received = count_lines(server, "server: received \"message num *\"");
        if (received != strtoul(counts[i], NULL, 10))
            fail_test("with COUNT %s the server received %zu messages", counts[i],
                      received);
    }
}

TEST(
    client_killed, .judges = PAIR, .points = 2, .step = 4, .client_step = 2,
    .name = "when the client is killed the server reads the end of the pipe, and exits",
    .hint_unix =
        "Close the client's pipe ends in the server. Otherwise read() never returns 0.",
    .hint_win32 =
        "Close the client's pipe ends in the server. Otherwise ReadFile never fails with ERROR_BROKEN_PIPE (109).",
    .client_hint =
        "Keep the pipe as standard output only: start no process that inherits it.")
{
    struct program *server = start(SERVER, "100000", path_of(CLIENT, NULL), NULL);
    wait_line(server, "client: received \"message num 3\"");
    kill_child(server, "client");
    wait_line(server, "server: client 1 left");
    expect_end_of_killed(server);
}

TEST(
    server_killed, .judges = PAIR, .points = 2, .step = 3, .client_step = 4,
    .name = "when the server is killed the client reports it and exits",
    .hint_unix =
        "Make all four pipe ends close-on-exec (pipe2 with O_CLOEXEC). A client that inherits the server's ends never reads the end of file.",
    .hint_win32 =
        "Make only the client's two ends inheritable. A client that inherits the server's ends never sees ERROR_BROKEN_PIPE (109).",
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
        fail_test("the client says \"done\" though its server was killed");
    if (count_lines(server, "client: *") ==
        count_lines(server, "client: sent *") + count_lines(server, "client: received *"))
        fail_test("the client ends without a word when its server is killed");
}

TEST(fifty_runs, .judges = PAIR, .points = 1, .step = 6, .client_step = 5,
     .name = "50 conversations, two at a time, all end with exit code 0",
     .hint = "Wait for the client's end, and close every handle.",
     .client_hint = "Close standard output and exit with 0 after the last reply.")
{
    struct program *servers[2];
    for (int round = 0; round < 25; round++) {
        for (size_t i = 0; i < 2; i++)
            servers[i] = start(SERVER, "2", path_of(CLIENT, NULL), NULL);
        for (size_t i = 0; i < 2; i++) {
            wait_line(servers[i], "client: received \"message num 2\"");
            expect_end(servers[i], 0);
        }
    }
}

/* ---- The server --------------------------------------------------------------------- */

TEST(echoes_at_once, .judges = SERVER, .points = 2, .step = 5,
     .name = "each message comes back before the next is sent",
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

    struct program *server = start_with_puppet("5", script);
    for (int i = 0; i < 5; i++) {
        wait_line(server, "server: received \"%s\"", words[i]);
        wait_line(server, "puppet: received");
    }
    expect_end(server, 0);
    expect_echo("the echo of five messages", bytes, length);
}

TEST(single_bytes, .judges = SERVER, .points = 2, .step = 5,
     .name = "a message that comes one byte at a time is one message",
     .hint = "One read is not one message: collect bytes until the NUL.")
{
    const char *word = token();
    char *bytes = text("%s %s", word, CYRILLIC);
    struct program *server = expect_exchange("trickle", bytes, strlen(bytes) + 1, 1);
    if (!printed_like(server, text("server: received \"%s\"", bytes)))
        fail_test("the transcript has no line: server: received \"%s\"", bytes);
}

TEST(many_in_one_write, .judges = SERVER, .points = 2, .step = 5,
     .name = "60 messages that come in one read are 60 messages",
     .hint = "Look for more messages after the first NUL: one read can bring several.")
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
        fail_test("60 messages came, and the transcript tells of %zu", printed);
    if (!printed_like(server, text("server: received \"%s\"", words[59])))
        fail_test("the last message, \"%s\", is not in the transcript", words[59]);
}

TEST(
    any_length, .judges = SERVER, .points = 2, .step = 5,
    .name =
        "texts of any length come back whole: 99, 100, 101, around 4096 and 65536, 1 MB",
    .hint =
        "Let the buffer grow, or pass on what has come: no fixed size is enough. Print as many bytes as came.")
{
    static const size_t lengths[] = {1,     98,    99,   100,     101,   1000,
                                     4094,  4095,  4096, 4097,    40960, 65535,
                                     65536, 65537, 2,    MEGABYTE};
    const size_t count = sizeof lengths / sizeof *lengths;
    size_t total = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        total += lengths[i] + 1;
    char *bytes = random_bytes(total, 'a', 'z');
    for (size_t i = 0; i < count; i++) {
        at += lengths[i];
        bytes[at++] = '\0';
    }
    struct program *server = expect_exchange("send", bytes, total, (int)count);
    size_t printed = count_lines(server, "server: received *");
    if (printed != count)
        fail_test("%zu messages came, and the transcript tells of %zu", count, printed);
    /* A short text behind a long one: what is left of the long one must not show. */
    const char *shorter = bytes + total - (MEGABYTE + 1) - 3;
    if (!printed_like(server, text("server: received \"%s\"", shorter)))
        fail_test(
            "the text \"%s\", which came behind a long one, is not in the transcript as "
            "it was sent",
            shorter);
}

TEST(empty_message, .judges = SERVER, .points = 1, .step = 5,
     .name = "an empty text is a message, and comes back as one",
     .hint = "A NUL alone is a message of 0 bytes. It is not the end.")
{
    struct program *server = expect_exchange("send", "\0a\0\0", 4, 3);
    if (count_lines(server, "server: received \"\"") != 2)
        fail_test("two empty texts came, and the transcript tells of %zu",
                  count_lines(server, "server: received \"\""));
}

TEST(
    empty_write, .judges = SERVER, .win32_only = true, .points = 1, .step = 5,
    .name = "a write of 0 bytes by the client is neither a message nor the end",
    .hint =
        "ReadFile returns TRUE with 0 bytes for such a write: read again. The end of the pipe is ERROR_BROKEN_PIPE (109).")
{
    if (!on_windows())
        skip_test(
            "needs Windows: Wine does not deliver a write of 0 bytes to the reader");
    write_file("bytes", "one\0two", 8, 0644);
    struct program *server = start_with_puppet("2",
                                               "empty\nsend bytes\nempty\nreceive 2\n");
    wait_line(server, "puppet: received");
    expect_end(server, 0);
    expect_echo("the echo", "one\0two", 8);
}

TEST(
    any_byte, .judges = SERVER, .points = 1, .step = 5,
    .name =
        "bytes 0x01 to 0xFF come back unchanged, and Cyrillic text is printed as it is",
    .hint_unix = "Pass the bytes on as they came. Print UTF-8 text as it is.",
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
        fail_test("the transcript has no line: server: received \"" CYRILLIC "\"");
}

TEST(
    shows_odd_bytes, .judges = SERVER, .points = 1, .step = 5,
    .name =
        "the transcript shows a newline, a quote, a backslash and odd bytes as escapes",
    .hint =
        "Print newlines as \\n, quotes as \\\", backslashes as \\\\, and bytes that are no text as \\xNN.")
{
    static const char bytes[] = "a\nb\"c\\d\x1B[31me\xFF\xC2\x85"
                                "f";
    write_file("bytes", bytes, sizeof bytes, 0644);
    struct program *server = start_with_puppet("1", "send bytes\nreceive 1\n");
    wait_line(server, "%s",
              "server: received \"a\\nb\\\"c\\\\d\\x1B[31me\\xFF\\xC2\\x85f\"");
    expect_end(server, 0);
    expect_echo("the echo", bytes, sizeof bytes);
}

TEST(hundred_thousand, .judges = SERVER, .points = 1, .step = 5,
     .name = "99,999 messages come back in order, and leave no memory or handle in use",
     .hint = "Free and close what was made for a message before the next one.")
{
    char *bytes = malloc((size_t)MAX_COUNT * MESSAGE_SIZE), *script = malloc(64 * 1000);
    size_t length = 0, written = 0;
    for (int bunch = 0; bunch < 1000; bunch++) {
        size_t first = length;
        /* One short of COUNT: so the server stays, and can be looked at. */
        int size = bunch < 999 ? MAX_COUNT / 1000 : MAX_COUNT / 1000 - 1;
        for (long i = 1; i <= size; i++)
            length += (size_t)sprintf(bytes + length, MESSAGE_TEXT,
                                      (long)bunch * (MAX_COUNT / 1000) + i) +
                      1;
        write_file(text("bytes%d", bunch), bytes + first, length - first, 0644);
        written += (size_t)sprintf(script + written, "send bytes%d\nreceive %d\n", bunch,
                                   size);
        if (bunch == 99 || bunch == 999)
            written += (size_t)sprintf(script + written, "tell bunch %d\n", bunch);
    }
    sprintf(script + written, "drain\n");
    struct program *server = start_with_puppet("100000", script);
    wait_line(server, "puppet: bunch 99");
    struct resources early = resources_of(server);
    wait_line(server, "puppet: bunch 999");
    struct resources late = resources_of(server);
    kill_child(server, "client");
    wait_line(server, "server: done");
    wait_end(server);
    expect_echo("the echo of 99,999 messages", bytes, length);
    if (count_lines(server, "server: received \"message num *\"") != MAX_COUNT - 1)
        fail_test("the transcript tells of %zu messages, not of 99,999",
                  count_lines(server, "server: received \"message num *\""));
    if (late.descriptors > early.descriptors + 8)
        fail_test(
            "after 10,000 messages the server had %zu descriptors open, after 100,000 "
            "it has %zu",
            early.descriptors, late.descriptors);
    if (!instrumented() && late.memory > early.memory + 2 * MEGABYTE)
        fail_test(
            "after 10,000 messages the server held %zu kB, after 100,000 it holds %zu",
            early.memory / 1024, late.memory / 1024);
}

TEST(
    writes_before_it_reads, .judges = SERVER, .points = 2, .step = 5,
    .name = "a client may write 1 MB before it reads the first echo",
    .hint_unix =
        "Read on while echoes wait: two threads, or poll() and O_NONBLOCK. If both programs block in write(), nobody reads.",
    .hint_win32 =
        "Read on while echoes wait: one thread reads, another writes. If both programs block in WriteFile, nobody reads.")
{
    char *bytes = random_bytes(MEGABYTE, 'a', 'z');
    for (size_t i = 1023; i < MEGABYTE; i += 1024)
        bytes[i] = '\0';
    expect_exchange("send", bytes, MEGABYTE, MEGABYTE / 1024);
}

TEST(
    closes_after_count, .judges = SERVER, .points = 2, .step = 5,
    .name =
        "after COUNT messages the client reads the end of its input, and can still send",
    .hint =
        "Close the pipe to the client after the last echo, and read on: the client may wait for the end of its input before it closes anything.")
{
    const char *last = token(), *more = token();
    write_file("last", last, strlen(last) + 1, 0644);
    write_file("more", more, strlen(more) + 1, 0644);
    struct program *server =
        start_with_puppet("1", "send last\nreceive 1\ndrain\nsend more\n");
    wait_line(server, "server: received \"%s\"", last);
    wait_line(server, "puppet: end of input");
    wait_line(server, "server: received \"%s\"", more);
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_echo("the echo", last, strlen(last) + 1);
}

TEST(
    reads_on, .judges = SERVER, .points = 1, .step = 5,
    .name = "after COUNT messages the client can write 1 MB, and the server reads it all",
    .hint_unix = "Read until read() returns 0, and only then call waitpid(): a client "
                 "that blocks in write() does not exit.",
    .hint_win32 =
        "Read until ReadFile fails with ERROR_BROKEN_PIPE (109), and only then "
        "wait for the process: a client that blocks in WriteFile does not exit.")
{
    const char *first = token(), *last = token();
    char *more = random_bytes(MEGABYTE, 'a', 'z');
    for (size_t i = 1023; i < MEGABYTE; i += 1024)
        more[i] = '\0';
    memcpy(more + MEGABYTE - 1 - strlen(last), last, strlen(last));
    more[MEGABYTE - 2 - strlen(last)] = '\0';
    write_file("first", first, strlen(first) + 1, 0644);
    write_file("more", more, MEGABYTE, 0644);
    struct program *server = start_with_puppet("1", "send first\nreceive 1\nsend more\n");
    wait_line(server, "puppet: received");
    wait_line(server, "server: received \"%s\"", last);
    wait_line(server, "server: client exited with code 0");
    expect_end(server, 0);
    expect_echo("the echo", first, strlen(first) + 1);
}

TEST(
    half_close, .judges = SERVER, .points = 2, .step = 6,
    .name =
        "a client that has closed its output still gets every echo, and then the end of its input",
    .hint =
        "Close the pipe to the client after the last echo, and only then wait for the client's end.")
{
    const char *word = token();
    char *bytes = text("%s", word);
    write_file("bytes", bytes, strlen(bytes) + 1, 0644);
    struct program *server = start_with_puppet("5", "send bytes\nclose-output\ndrain\n");
    wait_line(server, "puppet: end of input");
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_echo("the echo", bytes, strlen(bytes) + 1);
}

TEST(
    middle_of_message, .judges = SERVER, .points = 1, .step = 5,
    .name =
        "a client that leaves in the middle of a message is an error line, and exit code 1",
    .hint =
        "Bytes after the last NUL are no message: print a line on standard error and exit with 1.")
{
    write_file("bytes", "whole\0half", 10, 0644);
    struct program *server = start_with_puppet("5", "send bytes\nreceive 1\n");
    wait_line(server, "server: received \"whole\"");
    wait_error_like(server, "server: *");
    expect_end(server, 1);
    if (printed_like(server, "server: received \"half*"))
        fail_test("half a message is in the transcript as if it were one");
    /* Whoever sends back each byte as it comes has sent the half, too. */
    size_t length;
    char *received = read_file("client.received", &length);
    size_t expected = length < 6 ? 6 : length > 10 ? 10 : length;
    expect_bytes("the echo", NULL, 0, "whole\0half", expected, received, length);
}

TEST(
    never_reads, .judges = SERVER, .points = 1, .step = 5,
    .name = "the messages of a client that reads nothing and exits are all received",
    .hint_unix = "Ignore SIGPIPE, and read on after write() has failed with EPIPE.",
    .hint_win32 =
        "Read on after WriteFile has failed with ERROR_NO_DATA (232) or ERROR_BROKEN_PIPE (109).")
{
    char *bytes = random_bytes(MEGABYTE, 'a', 'z');
    for (size_t i = 1023; i < MEGABYTE; i += 1024)
        bytes[i] = '\0';
    write_file("bytes", bytes, MEGABYTE, 0644);
    struct program *server = start_with_puppet("1024", "send bytes\n");
    wait_line(server, "server: received \"%s\"", bytes + MEGABYTE - 1024);
    wait_line(server, "server: client 1 left");
    wait_line(server, "server: client exited with code 0");
    wait_line(server, "server: done");
    wait_end(server); /* 0 or 1: whether the pipe broke before all was in it is a race */
}

TEST(
    passes_count, .judges = SERVER, .points = 1, .step = 3,
    .name = "the client is started with COUNT as its only argument",
    .hint_unix = "Give exec the client's path as argv[0] and COUNT as argv[1].",
    .hint_win32 =
        "Write the quoted path, a blank and COUNT into the command line of CreateProcess.")
{
    struct program *server = start_with_puppet("7", "arguments\n");
    wait_line(server, "puppet: argument 1 is 7");
    wait_line(server, "puppet: 1 arguments");
    expect_end(server, 0);
}

TEST(
    odd_path, .judges = SERVER, .points = 1, .step = 3,
    .name = "the client's path can contain blanks and Cyrillic letters",
    .hint_unix =
        "Pass the path to exec as it came. Do not build a shell command from it.",
    .hint_win32 =
        "Put the path in quotes in the command line of CreateProcess, and call the W functions.")
{
    /* Who forgets the quotes starts the program "my", with two arguments too many. */
    place_probe("puppet", "my", "tell wrong\n");
    const char *puppet = place_probe("puppet", "my " CYRILLIC " client", "arguments\n");
    struct program *server = start(SERVER, "1", puppet, NULL);
    wait_line(server, "puppet: argument 1 is 1");
    wait_line(server, "puppet: 1 arguments");
    expect_end(server, 0);
}

TEST(
    exit_code, .judges = SERVER, .points = 2, .step = 6,
    .name = "the client's exit code is reported",
    .hint_unix =
        "Call waitpid(), and take the exit code from its status with WEXITSTATUS.",
    .hint_win32 =
        "Wait for the process handle with WaitForSingleObject, then call GetExitCodeProcess.")
{
    static const int codes[] = {0, 7, 255};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct program *server =
            start_with_puppet("1", text("close-output\ndrain\nexit %d\n", codes[i]));
        wait_line(server, "server: client exited with code %d", codes[i]);
        expect_end(server, codes[i] == 0 ? 0 : 1);
    }
}

TEST(
    exits_at_once, .judges = SERVER, .points = 1, .step = 5,
    .name = "a client that exits at once, without a message, is a short conversation",
    .hint =
        "The first read may already find the end of the pipe: report it, and exit with the client's result.")
{
    struct program *server = start_with_puppet("1", "");
    wait_line(server, "server: client 1 left");
    wait_line(server, "server: client exited with code 0");
    expect_end(server, 0);
    if (printed_like(server, "server: received *"))
        fail_test("the server received a message that nobody sent");
}

TEST(
    no_such_client, .judges = SERVER, .points = 2, .step = 3,
    .name =
        "a client that cannot be started is one line on standard error, and exit code 1",
    .hint_unix =
        "Print the error of exec and leave the child with _exit(). Report its exit code, and exit with 1.",
    .hint_win32 =
        "Check what CreateProcess returns, print GetLastError() and exit with 1.")
{
    /* On UNIX with a slash: a name is looked up in PATH, and where a folder of it must not be read
     * the error is another. */
    struct program *server =
        start(SERVER, "1", under_test() == UNIX ? "./no-such-program" : "no-such-program",
              NULL);
    if (instrumented()) {
        /* The child that tells posix_spawn's caller of a failed exec shares its memory; under
         * valgrind it is a fork, which cannot. */
        wait_silence(server);
        if (printed_like(server, "server: client exited with code 127") &&
            !printed_like(server, "server: *error 2: *"))
            skip_test("valgrind hides from posix_spawn that exec has failed");
    }
    wait_error_like(server, "server: *error 2: *"); /* on both systems: no such file */
    expect_end(server, 1);
    wait_silence(server);
    if (count_lines(server, "server: ready") > 1)
        fail_test("\"server: ready\" was printed %zu times",
                  count_lines(server, "server: ready"));
}

TEST(silent_client, .judges = SERVER, .points = 1, .step = 5,
     .name = "the server uses no processor time while the client is silent",
     .hint = "Wait in a blocking read. Do not ask again and again.")
{
    struct program *server = start_with_puppet("1", "tell here\ndrain\n");
    wait_line(server, "puppet: here");
    expect_idle(server, 1.0, 5);
    kill_child(server, "client");
    wait_line(server, "server: client 1 left");
    expect_end_of_killed(server);
}

TEST(tells_at_once, .judges = SERVER, .points = 1, .step = 5,
     .name = "the line of a message is printed when the message has come, not at the end",
     .hint =
         "Call fflush(stdout) after each line: the C library buffers output to a pipe.")
{
    const char *word = token();
    write_file("bytes", word, strlen(word) + 1, 0644);
    struct program *server = start_with_puppet("2", "send bytes\nreceive 1\ndrain\n");
    wait_line(server, "server: ready");
    wait_line(server, "server: received \"%s\"", word);
    if (!is_running(server)) /* the client is there still, and so is the server */
        fail_test("the line came when the server had ended");
    kill_child(server, "client");
    wait_line(server, "server: client 1 left");
    expect_end_of_killed(server);
}

TEST(
    sees_server_go, .judges = SERVER, .points = 2, .step = 3,
    .name = "the client reads the end of its input when the server is killed",
    .hint_unix =
        "Make the server's pipe ends close-on-exec (O_CLOEXEC). A client that inherits the writing end keeps its own input open.",
    .hint_win32 =
        "Do not make the server's pipe ends inheritable. A client that inherits the writing end keeps its own input open.")
{
    struct program *server = start_with_puppet("1", "tell here\ndrain\n");
    wait_line(server, "puppet: here");
    kill_program(server);
    wait_line(server, "puppet: end of input");
    wait_silence(server);
}

TEST(
    no_extra_handles, .judges = SERVER, .points = 2, .step = 3,
    .name =
        "the client inherits its two ends and standard error, and no other pipe or socket",
    .hint_unix =
        "Make all four pipe ends close-on-exec, and set SIGPIPE to SIG_DFL in the child.",
    .hint_win32 =
        "Make only the client's ends inheritable. Clear HANDLE_FLAG_INHERIT on the server's own standard input and output.")
{
    struct program *server = start_with_puppet("1", "inventory\n");
    wait_line(server, "puppet: 0 extra");
    expect_end(server, 0);
}

/* Writes a shell script that ignores the signal `name` and becomes the program `file`. */
static struct start_options ignoring(const char *name, const char *file)
{
    const char *script = text("#!/bin/sh\nexec env --ignore-signal=%s '%s' \"$@\"\n",
                              name, file);
    return (struct start_options){
        .file = write_file("starter", script, strlen(script), 0755)};
}

TEST(
    sigpipe_default, .judges = SERVER, .unix_only = true, .points = 1, .step = 3,
    .name =
        "SIGPIPE is at its default in the client, also if the server was started with it "
        "ignored",
    .hint = "An ignored signal stays ignored after fork and exec. Call signal(SIGPIPE, "
            "SIG_DFL) in the child, or use POSIX_SPAWN_SETSIGDEF.")
{
    const char *puppet = place_probe("puppet", "client", "inventory\n");
    struct program *server = start_with(SERVER, ignoring("PIPE", path_of(SERVER, NULL)),
                                        "1", puppet, NULL);
    wait_line_like(server, "puppet: * extra");
    if (printed_like(server, "puppet: extra: the signal SIGPIPE *"))
        fail_test("the server was started with SIGPIPE ignored, and so is its client");
}

TEST(sigchld_ignored, .judges = SERVER, .unix_only = true, .points = 1, .step = 6,
     .name =
         "the exit code is reported also if the server was started with SIGCHLD ignored",
     .hint =
         "If SIGCHLD is ignored waitpid() fails with ECHILD (10). Call signal(SIGCHLD, "
         "SIG_DFL) before the client is started.")
{
    const char *puppet = place_probe("puppet", "client", "");
    struct program *server = start_with(SERVER, ignoring("CHLD", path_of(SERVER, NULL)),
                                        "1", puppet, NULL);
    wait_line(server, "server: client exited with code 0");
    expect_end(server, 0);
}

/* Lets the programs run for a tenth of a second, so that one gets to the call in which it
 * blocks: no event tells that. What they print is read meanwhile. */
static void let_block(void)
{
    struct itimerspec tenth = {.it_value.tv_nsec = 100000000};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (timer == -1 || timerfd_settime(timer, 0, &tenth, NULL) == -1)
        kit_error("timerfd");
    for (uint64_t times; read(timer, &times, sizeof times) == -1;)
        wait_descriptor(timer, "the timer");
    close(timer);
}

/* Sends the signals that a program ignores unless it asks for them, while it is blocked in a
 * call: there a handler without SA_RESTART makes the call fail with EINTR. */
static void interrupt(struct program *program)
{
    static const int signals[] = {SIGCHLD, SIGWINCH, SIGURG, SIGCONT};
    let_block();
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        send_signal(program, signals[i]);
    let_block(); /* before a read finds bytes, which end it as well */
}

TEST(interrupted, .judges = SERVER, .unix_only = true, .points = 1, .step = 5,
     .name = "signals that interrupt a read or a write of the server change nothing",
     .hint = "Install handlers with SA_RESTART, or call read(), write() and poll() again "
             "if they fail with EINTR.")
{
    /* The echo pipe takes 64 messages. The others fit into the pipe to the server. */
    const size_t size = (size_t)96 * 1024;
    char *bytes = random_bytes(size, 'a', 'z');
    for (size_t i = 1023; i < size; i += 1024)
        bytes[i] = '\0';
    write_file("bytes", bytes, size, 0644);
    int go = lock_file("go"), unread = lock_file("unread");
    struct program *server = start_with_puppet(
        "96", "tell here\nawait go\nsend bytes\ntell sent\nawait unread\nreceive 96\n");
    wait_line(server, "puppet: here");
    interrupt(server); /* in a read */
    close(go);
    wait_line(server, "puppet: sent");
    interrupt(server); /* in the write of an echo that nobody reads */
    close(unread);
    wait_line(server, "puppet: received");
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_echo("the echo", bytes, size);
}

TEST(server_without_streams, .judges = SERVER, .points = 1, .step = 3,
     .name = "the server works without its standard input, output and error",
     .hint_unix =
         "A closed descriptor is the next one that pipe() returns, and dup2() onto "
         "the same number keeps close-on-exec. Open /dev/null until descriptors 0 "
         "to 2 are in use, or call open_missing_streams().",
     .hint_win32 = "GetStdHandle returns NULL here: pass only valid handles to "
                   "SetHandleInformation, or call open_missing_streams().")
{
    static const unsigned missing[] = {1, 2, 4, 7};
    const char *word = token();
    write_file("bytes", word, strlen(word) + 1, 0644);
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        const char *puppet = place_probe("puppet", "client", "send bytes\nreceive 1\n");
        struct program *server = start_with(SERVER,
                                            (struct start_options){.closed = missing[i]},
                                            "1", puppet, NULL);
        expect_end(server, 0);
        expect_echo("the echo", word, strlen(word) + 1);
    }
}

TEST(server_usage, .judges = SERVER, .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint =
         "Accept a whole number from 0 to 100000 for COUNT, and at most two arguments.")
{
    static const char *const wrong[] = {"ten", "-1", "100001", "", "1x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *server = start(SERVER, wrong[i], NULL);
        wait_error_like(server, "usage: *");
        expect_end(server, 2);
    }
    expect_end(start(SERVER, "1", "a", "b", NULL), 2);
}

/* ---- The client --------------------------------------------------------------------- */

/* Receives message `number` from the client, which must be on its pipe as the contract has
 * it, and in its transcript. */
static void expect_message(struct program *client, long number)
{
    size_t length;
    char *expected = text(MESSAGE_TEXT, number);
    char *got = receive_until(client, '\0', &length);
    expect_bytes(text("message %ld", number), NULL, 0, expected, strlen(expected) + 1,
                 got, length);
}

/* Sends `reply` and its NUL, and waits until the client tells of it. */
static void reply_with(struct program *client, const char *reply)
{
    send_bytes(client, reply, strlen(reply) + 1);
    wait_line(client, "client: received \"%s\"", reply);
}

TEST(
    sends_ten, .judges = CLIENT, .points = 2, .step = 3,
    .name = "without an argument the client sends ten messages, and waits for each reply",
    .hint = "Write the NUL as part of the message, and nothing else to standard output.")
{
    struct program *client = start(CLIENT, NULL);
    for (int number = 1; number <= DEFAULT_COUNT; number++) {
        expect_message(client, number);
        wait_line(client, "client: sent \"message num %d\"", number);
        reply_with(client, token());
    }
    wait_line(client, "client: done");
    expect_end(client, 0);
    size_t length;
    output_of(client, &length);
    if (length != 9 * 14 + 15)
        fail_test("ten messages are 141 bytes, and %zu came on standard output", length);
}

TEST(sends_count, .judges = CLIENT, .points = 1, .step = 1,
     .name = "the client sends COUNT messages, for 0 and for 10,000",
     .hint = "Take COUNT from the first argument.")
{
    struct program *client = start(CLIENT, "0", NULL);
    wait_line(client, "client: done");
    expect_end(client, 0);

    client = start(CLIENT, "10000", NULL);
    for (long number = 1; number <= 10000; number++) {
        expect_message(client, number);
        send_bytes(client, "ok", 3);
    }
    wait_line(client, "client: done");
    expect_end(client, 0);
    if (count_lines(client, "client: received \"ok\"") != 10000)
        fail_test("the transcript tells of %zu replies, not of 10,000",
                  count_lines(client, "client: received \"ok\""));
}

TEST(reply_in_bytes, .judges = CLIENT, .points = 2, .step = 4,
     .name = "a reply that comes one byte at a time is one reply",
     .hint = "One read is not one message: read on until the NUL.")
{
    struct program *client = start(CLIENT, "2", NULL);
    for (int number = 1; number <= 2; number++) {
        const char *reply = token();
        expect_message(client, number);
        trickle_bytes(client, reply, strlen(reply) + 1);
        wait_line(client, "client: received \"%s\"", reply);
    }
    expect_end(client, 0);
}

TEST(replies_in_one, .judges = CLIENT, .points = 1, .step = 4,
     .name = "two replies that come in one read are two replies",
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
    expect_end(client, 0);
}

TEST(
    reply_any_length, .judges = CLIENT, .points = 2, .step = 4,
    .name = "replies of any length are read whole: 0, 99, 100, 101, around 4096, 1 MB",
    .hint =
        "Let the buffer grow, and print as many bytes as came. A reply need not be as long as its message.")
{
    static const size_t lengths[] = {200,  3,    0,    99,   100,      101,
                                     4094, 4095, 4096, 4097, MEGABYTE, 1};
    const size_t count = sizeof lengths / sizeof *lengths;
    struct program *client = start(CLIENT, text("%zu", count), NULL);
    for (size_t i = 0; i < count; i++) {
        expect_message(client, (long)i + 1);
        reply_with(client, random_bytes(lengths[i], 'a', 'z'));
    }
    expect_end(client, 0);
}

TEST(
    reply_any_byte, .judges = CLIENT, .points = 1, .step = 4,
    .name = "a reply in Cyrillic is printed as it is, and control bytes as \\xNN",
    .hint_unix = "Print UTF-8 text as it is, and bytes that are no text as \\xNN.",
    .hint_win32 =
        "Read with ReadFile or in binary mode: text mode ends the reply at 0x1A. Print bytes that are no text as \\xNN.")
{
    struct program *client = start(CLIENT, "2", NULL);
    expect_message(client, 1);
    reply_with(client, CYRILLIC);
    expect_message(client, 2);
    send_bytes(client, "a\x1A\x1B\xFF\r\nb", 8);
    wait_line(client, "client: received \"a\\x1A\\x1B\\xFF\\x0D\\nb\"");
    expect_end(client, 0);
}

TEST(
    server_closes, .judges = CLIENT, .points = 2, .step = 4,
    .name = "when the server closes the pipe the client reports it and exits with 1",
    .hint_unix =
        "Take a read() that returns 0 as the end: print a line on standard error and exit with 1.",
    .hint_win32 =
        "Take ERROR_BROKEN_PIPE (109), and a ReadFile that brings 0 bytes, as the end: print a line on standard error and exit with 1.")
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
        fail_test("the client says \"done\", with three messages unsent");
}

TEST(
    server_closes_midway, .judges = CLIENT, .points = 1, .step = 4,
    .name = "half a reply and then the end is no reply, and the client reports it",
    .hint =
        "A reply is whole only with its NUL. Report the end of the pipe, not half a reply.")
{
    struct program *client = start(CLIENT, "1", NULL);
    expect_message(client, 1);
    wait_line(client, "client: sent \"message num 1\"");
    send_bytes(client, "half", 4);
    close_input(client);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    if (printed_like(client, "client: received *"))
        fail_test("the client takes half a reply for a whole one");
}

TEST(server_deaf, .judges = CLIENT, .points = 1, .step = 3,
     .name = "a server that no longer reads is an error line, and exit code 1",
     .hint_unix = "Ignore SIGPIPE so that write() fails with EPIPE, and print its error.",
     .hint_win32 = "Check what WriteFile returns, and print GetLastError().")
{
    struct program *client = start(CLIENT, "5", NULL);
    expect_message(client, 1);
    close_output(client);
    send_bytes(client, "ok", 3);
    wait_error_like(client, "client: *error *");
    expect_end(client, 1);
}

TEST(silent_server, .judges = CLIENT, .points = 1, .step = 4,
     .name = "the client uses no processor time while the server is silent",
     .hint = "Wait in a blocking read. Do not ask again and again.")
{
    struct program *client = start(CLIENT, "1", NULL);
    expect_message(client, 1);
    expect_idle(client, 1.0, 5);
    reply_with(client, token());
    expect_end(client, 0);
}

TEST(client_interrupted, .judges = CLIENT, .unix_only = true, .points = 1, .step = 4,
     .name = "signals that interrupt a read of the client change nothing",
     .hint = "Install handlers with SA_RESTART, or call read() again if it fails with "
             "EINTR.")
{
    struct program *client = start(CLIENT, "2", NULL);
    for (int number = 1; number <= 2; number++) {
        expect_message(client, number);
        interrupt(client);
        reply_with(client, token());
    }
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(client_usage, .judges = CLIENT, .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "Accept a whole number from 0 to 100000 as the only argument.")
{
    static const char *const wrong[] = {"ten", "-1", "100001", "", "1x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *client = start(CLIENT, wrong[i], NULL);
        wait_error_like(client, "usage: *");
        expect_end(client, 2);
    }
    expect_end(start(CLIENT, "1", "2", NULL), 2);
}

/* ---- The two small programs --------------------------------------------------------- */

static struct program *start_oneway(const char *command)
{
    return start_with(SERVER, (struct start_options){.name = "oneway"}, command, NULL);
}

TEST(
    oneway_lines, .judges = SERVER, .only = "oneway", .points = 1, .step = 3,
    .name = "oneway prints every line of the command",
    .hint =
        "Let the line buffer grow (on UNIX getline() does): a line may be longer than any fixed buffer.")
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

TEST(oneway_exit_code, .judges = SERVER, .only = "oneway", .points = 1, .step = 4,
     .name = "oneway reports the command's exit code",
     .hint_unix =
         "Take the exit code from the status that pclose() returns with WEXITSTATUS.",
     .hint_win32 = "Take the exit code from what _pclose returns.")
{
    struct program *oneway = start_oneway("exit 7");
    wait_line(oneway, "oneway: command exited with code 7");
    expect_end(oneway, 1);
}

TEST(oneway_sigchld_ignored, .judges = SERVER, .only = "oneway", .unix_only = true,
     .points = 1, .step = 2,
     .name = "oneway reports the exit code also if it was started with SIGCHLD ignored",
     .hint =
         "If SIGCHLD is ignored pclose() fails with ECHILD (10). Call signal(SIGCHLD, "
         "SIG_DFL) before popen().")
{
    struct start_options options = ignoring("CHLD", path_of(SERVER, "oneway"));
    options.name = "oneway";
    struct program *oneway = start_with(SERVER, options, "exit 7", NULL);
    wait_line(oneway, "oneway: command exited with code 7");
    expect_end(oneway, 1);
}

/* The number in the line that `pattern` describes. */
static long number_in(struct program *program, const char *pattern)
{
    const char *line = wait_line_like(program, pattern);
    return strtol(line + strcspn(line, "0123456789"), NULL, 10);
}

TEST(capacity_adds_up, .judges = SERVER, .only = "capacity", .points = 2, .step = 3,
     .name = "capacity fills a pipe: bytes written, waiting and read are as many",
     .hint = "Count the bytes that were written, not those that were asked for.")
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
            fail_test("asked for %s: wrote %ld, waiting %ld, read %ld", sizes[i], wrote,
                      waiting, read);
        if (says != wrote)
            fail_test("asked for %s: wrote %ld bytes, and the system says %ld", sizes[i],
                      wrote, says);
    }
}

/* ---- What `make run` shows ---------------------------------------------------------- */

static void conversation(void)
{
    narrate(
        "The server makes two pipes and starts the client, whose standard input is the one\n"
        "and whose standard output is the other. The client tells what it does on standard\n"
        "error, for its standard output is the pipe.");
    struct program *server = start(SERVER, "3", path_of(CLIENT, NULL), NULL);
    expect_end(server, 0);
}

CHECKER("01-anon-pipes", "anonymous pipes")
