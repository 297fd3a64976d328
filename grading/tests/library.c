/*
 * library.c - judges labs/lib: library_subject.c calls its functions, on both systems.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

/* ---- Start and arguments ------------------------------------------------------------------ */

TEST(numbers, .name = "a number is taken if it is whole, and within its limits")
{
    static const char *const good[] = {"0", "7", "1000", "0010"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct program *subject = start(SERVER, "number", good[i], NULL);
        wait_line(subject, "subject: %ld", strtol(good[i], NULL, 10));
        expect_end(subject, 0);
    }
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "x",
                                      "1x",
                                      "1001",
                                      "1e2",
                                      "0x1",
                                      "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct program *subject = start(SERVER, "number", bad[i], NULL);
        wait_error_like(subject,
                        "usage: subject WHAT *; VALUE is a whole number from 0 to 1000");
        expect_end(subject, 2);
    }
}

TEST(usage, .name = "wrong arguments are a usage line and exit code 2")
{
    struct program *subject = start(SERVER, NULL);
    wait_error_like(subject, "usage: subject WHAT *");
    expect_end(subject, 2);
}

TEST(arguments, .name = "arguments arrive in UTF-8, and are quoted as they are")
{
    const char *word =
        "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82 \xF0\x9F\x98\x80";
    struct program *subject = start(SERVER, "text", word, NULL);
    wait_line(subject, "subject: \"%s\"", word);
    wait_line(subject, "subject: \"\\0\\n\\\"\\\\\\x09\\x7F\\xC2\\x9F\\xFF\"");
    expect_end(subject, 0);
}

TEST(missing_streams,
     .name = "a program without standard streams reads their end, and goes on")
{
    for (unsigned mask = 1; mask < 8; mask++) {
        struct program *subject =
            start_with(SERVER, (struct start_options){.closed = mask}, "lines", NULL);
        if (!(mask & 1))
            close_input(subject);
        if (!(mask & 2))
            wait_line(subject, "subject: end of input");
        expect_end(subject, 0);
    }
}

/* ---- Values ---------------------------------------------------------------------------------- */

TEST(values, .name = "buffers, UTF-8 and UTF-16")
{
    struct program *subject = start(SERVER, "values", NULL);
    wait_line(subject, "subject: \"\xD0\xB9\\n\"");
    expect_end(subject, 0);
}

/* ---- Events and errors ------------------------------------------------------------------------ */

TEST(errors, .name = "a failed call is one line with its number and its text")
{
    struct program *subject = start(SERVER, "errors", NULL);
    wait_error_like(subject, "subject: the number of the error stays");
    wait_error_like(subject,
                    "subject: first: error 2: ?*"); /* on both systems: no such file */
    wait_error_like(subject, "subject: on standard error");
    wait_error_like(subject, "subject: second: error 2: ?*");
    expect_end(subject, 1);
    subject = start(SERVER, "returned", "5", NULL);
    wait_error_like(subject, "subject: call: error 5: ?*");
    expect_end(subject, 1);
    if (under_test() == WIN32) { /* Wine has no text for these */
        subject = start(SERVER, "returned", "10093", NULL);
        wait_error_like(subject, "subject: call: error 10093: *WSAStartup*");
        expect_end(subject, 1);
        subject = start(SERVER, "returned", "10039", NULL);
        wait_error_like(subject,
                        "subject: call: error 1003*[0-9.]"); /* no colon at the end */
        expect_end(subject, 1);
    }
    subject = start(SERVER, "fatal", NULL);
    wait_error_like(subject, "subject: for 2 reasons");
    expect_end(subject, 1);
}

TEST(mixed, .name = "what printf has printed comes before the next event")
{
    struct program *subject = start(SERVER, "mixed", NULL);
    wait_line(subject, "subject: by printf");
    wait_line(subject, "subject: by log_event");
    expect_end(subject, 0);
}

/* Returns how many bytes at the beginning of `line` are equal. */
static size_t equal_bytes(const char *line, size_t length)
{
    size_t equal = 0;
    while (equal < length && line[equal] == line[0])
        equal++;
    return equal;
}

TEST(whole_lines, .name = "lines of several threads do not get into each other")
{
    struct program *subject = start(SERVER, "threads", NULL);
    for (int i = 0; i < 8; i++)
        wait_line_like(subject, "subject: thread [A-H] has ended");
    size_t length;
    const char *output = output_of(subject, &length), *end = output + length, *newline;
    for (const char *line = output; line < end; line = newline + 1) {
        newline = memchr(line, '\n', (size_t)(end - line));
        if (newline == NULL)
            fail_test("the last line is not whole");
        size_t size = (size_t)(newline - line) - (newline[-1] == '\r');
        if (*line != 's' && (size != 2000 || equal_bytes(line, size) != size))
            fail_test("a line of %c has %zu of its letters in %zu bytes", *line,
                      equal_bytes(line, size), size);
    }
}

/* ---- Input and output ---------------------------------------------------------------------------- */

TEST(lines,
     .name = "lines of any length are read without their ends, the last one as well")
{
    struct program *subject = start(SERVER, "lines", NULL);
    char *many = random_bytes(100000, 'a', 'z');
    const char *input = text("one\ntwo\r\n\n\r\na\rb\n%s\n\x1A\nlast\r", many);
    send_bytes(subject, input, strlen(input));
    close_input(subject);
    wait_line(subject, "subject: line \"one\"");
    wait_line(subject, "subject: line \"two\"");
    wait_line(subject, "subject: line \"\"");
    wait_line(subject, "subject: line \"\"");
    wait_line(subject, "subject: line \"a\\x0Db\"");
    wait_line(subject, "subject: line \"%s\"", many);
    wait_line(subject, "subject: line \"\\x1A\"");
    wait_line(subject, "subject: line \"last\\x0D\""); /* a CR alone ends no line */
    wait_line(subject, "subject: end of input");
    expect_end(subject, 0);
}

TEST(lines_utf16, .win32_only = true,
     .name = "lines are read in UTF-16, and input that is not UTF-8 is an error")
{
    struct program *subject = start(SERVER, "lines-utf16", NULL);
    static const char input[] = "one\n\n\xD0\x9F\xF0\x9F\x98\x80\r\nt\0wo\n";
    send_bytes(subject, input, sizeof input - 1);
    wait_line(subject, "subject: line \"one\"");
    wait_line(subject, "subject: line \"\"");
    wait_line(subject, "subject: line \"\xD0\x9F\xF0\x9F\x98\x80\"");
    wait_line(subject, "subject: line \"t\\0wo\"");
    send_bytes(subject, "\xFF\xFE\n", 3);
    wait_error_like(subject, "subject: *");
    expect_end(subject, 1);
}

TEST(no_lines, .name = "an empty input has no line")
{
    struct program *subject = start(SERVER, "lines", NULL);
    close_input(subject);
    wait_line(subject, "subject: end of input");
    expect_end(subject, 0);
    if (count_lines(subject, "subject: line *") != 0)
        fail_test("there is a line");
}

TEST(whole_reads, .name = "reads and writes are whole, whatever the pieces")
{
    struct program *subject = start(SERVER, "copy", "7", NULL);
    trickle_bytes(subject, "0123456789", 10);
    close_input(subject);
    wait_line(subject, "subject: 3 at the end");
    expect_end(subject, 0);
    size_t length;
    const char *output = output_of(subject, &length);
    expect_bytes("the copy", "0123456789", 10, "0123456789", 10, output, length);

    subject = start(SERVER, "copy", "1000000", NULL);
    char *bytes = random_bytes(1500000, 0, 255);
    send_bytes(subject, bytes, 1500000);
    close_input(subject);
    wait_line(subject, "subject: 500000 at the end");
    expect_end(subject, 0);
    output = output_of(subject, &length);
    expect_bytes("the copy", bytes, 1500000, bytes, 1500000, output, length);
}

/* ---- TCP ------------------------------------------------------------------------------------------ */

TEST(tcp, .name = "a listening socket, a connection and a megabyte")
{
    struct program *subject = start(SERVER, "tcp", "127.0.0.1", NULL);
    wait_line_like(subject, "subject: listening at 127.0.0.1:[1-9]*");
    wait_line(subject, "subject: 1048576 bytes received");
    expect_end(subject, 0);
    if (access("/proc/net/if_inet6", F_OK) == 0) {
        subject = start(SERVER, "tcp", "::1", NULL);
        wait_line_like(subject, "subject: listening at \\[::1\\]:[1-9]*");
        wait_line(subject, "subject: 1048576 bytes received");
        expect_end(subject, 0);
    }
}

TEST(tcp_fails, .name = "a connection or an address that is not there is an error line")
{
    struct program *subject = start(SERVER, "connect", "127.0.0.1", "1", NULL);
    wait_error_like(subject, "subject: connect: error *");
    expect_end(subject, 1);
    subject = start(SERVER, "connect", "no such host", "1", NULL);
    wait_error_like(subject, "subject: getaddrinfo: error *");
    expect_end(subject, 1);
    subject = start(SERVER, "listen", "192.0.2.1", "0", NULL);
    wait_error_like(subject, "subject: bind: error *");
    expect_end(subject, 1);
    subject = start(SERVER, "listen", "no such host", "0", NULL);
    wait_error_like(subject, "subject: getaddrinfo: error *");
    expect_end(subject, 1);
}

/* ---- The end ---------------------------------------------------------------------------------------- */

/* Fails the test unless the last line on standard output is `line`. */
static void expect_last(struct program *subject, const char *line)
{
    size_t length;
    const char *output = output_of(subject, &length);
    const char *end = under_test() == WIN32 ? "\r\n" : "\n";
    const char *whole = text("%s%s", line, end);
    size_t size = strlen(whole);
    if (length < size || memcmp(output + length - size, whole, size) != 0)
        fail_test("the last line is not %s", line);
}

TEST(last_line, .name = "no thread prints after the last line")
{
    struct program *subject = start(SERVER, "last", NULL);
    wait_line(subject, "subject: the last line");
    close_input(subject);
    expect_end(subject, 0);
    expect_last(subject, "subject: the last line");
}

TEST(interrupt,
     .name = "Ctrl-C cleans up and ends the program with its last line, busy or not")
{
    struct program *subject = start(SERVER, "interrupt", NULL);
    wait_line(subject, "subject: ready");
    send_signal(subject, SIGINT);
    wait_line(subject, "subject: done");
    expect_end(subject, 0);
    subject = start(SERVER, "interrupt", "clean", NULL);
    wait_line(subject, "subject: ready");
    send_signal(subject, SIGINT);
    wait_line(subject, "subject: cleaned up");
    wait_line(subject, "subject: done");
    expect_end(subject, 0);
    expect_last(subject, "subject: done");
}

TEST(closed_terminal, .unix_only = true,
     .name =
         "a terminal that is closed ends the program as Ctrl-C does, but not under nohup")
{
    struct program *subject = start(SERVER, "interrupt", "clean", NULL);
    wait_line(subject, "subject: ready");
    send_signal(subject, SIGHUP);
    wait_line(subject, "subject: cleaned up");
    expect_end(subject, 0);
    const char *script = text("#!/bin/sh\nexec env --ignore-signal=HUP '%s' \"$@\"\n",
                              path_of(SERVER, NULL));
    const char *nohup = write_file("starter", script, strlen(script), 0755);
    subject = start_with(SERVER, (struct start_options){.file = nohup}, "event", NULL);
    wait_line(subject, "subject: ready");
    send_signal(subject, SIGHUP);
    interrupt_calls(subject);
    if (!is_running(subject))
        fail_test("SIGHUP, which was ignored at the start, has ended the program");
    send_signal(subject, SIGINT);
    wait_line(subject, "subject: interrupted");
    expect_end(subject, 0);
}

TEST(claimed_end,
     .name = "after main has claimed the end, Ctrl-C does not clean up again")
{
    struct program *subject = start(SERVER, "claim", NULL);
    wait_line(subject, "subject: ready");
    send_signal(subject, SIGINT);
    let_block();
    send_bytes(subject, "line\n", 5);
    wait_line(subject, "subject: line \"line\"");
    close_input(subject);
    wait_line(subject, "subject: end of input");
    expect_end(subject, 0);
    if (printed_like(subject, "subject: cleaned up"))
        fail_test("the thread of end_on_interrupt() has cleaned up, too");
}

TEST(
    full_output,
    .name = "Ctrl-C ends a program whose output is full, and whose last line has no room")
{
    static const char *const values[] = {NULL, "busy"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct program *subject = start(SERVER, "full", values[i], NULL);
        wait_error_like(subject, "subject: ready");
        let_block();
        send_signal(subject, SIGINT);
        expect_end(subject, 1);
    }
}

TEST(
    ends_while_reading, .unix_only = true,
    .name =
        "Ctrl-C, or an error in a thread, ends a program whose main thread reads a stream")
{
    struct program *subject = start(SERVER, "reading", NULL);
    wait_line(subject, "subject: ready");
    send_signal(subject, SIGINT);
    expect_end(subject, 0);
    subject = start(SERVER, "reading", "fails", NULL);
    wait_error_like(subject, "subject: in a thread");
    expect_end(subject, 1);
}

TEST(interrupt_event, .name = "Ctrl-C can be waited for")
{
    struct program *subject = start(SERVER, "event", NULL);
    wait_line(subject, "subject: ready");
    send_signal(subject, SIGINT);
    wait_line(subject, "subject: interrupted");
    expect_end(subject, 0);
}

TEST(closed_console, .win32_only = true,
     .name = "a program whose console is closed ends in order before Windows ends it")
{
    struct program *subject = start(SERVER, "closed", NULL);
    wait_line(subject, "subject: cleaned up");
    wait_line(subject, "subject: done");
    expect_end(subject, 0);
    subject = start(SERVER, "closed", "event", NULL);
    wait_line(subject, "subject: done");
    expect_end(subject, 0);
}

/* ---- Files -------------------------------------------------------------------------------------------- */

TEST(beside, .name = "a program beside this one is found by this one's own file")
{
    struct program *subject = start(SERVER, "beside", "other", NULL);
    wait_line(subject, "subject: %s", path_of(SERVER, "other"));
    expect_end(subject, 0);
}

TEST(runtime, .unix_only = true,
     .name = "a default path is in the user's own folder, or has the user's number")
{
    wait_line_like(start(SERVER, "runtime", "name", NULL), "subject: /*/name");
    static const char *const none[] = {"XDG_RUNTIME_DIR=", NULL};
    struct program *subject = start_with(SERVER,
                                         (struct start_options){.environment = none},
                                         "runtime", "name", NULL);
    wait_line(subject, "subject: /tmp/name.%ld", (long)getuid());
}

static void conversation(void)
{
    expect_end(start(SERVER, "text", "hello", NULL), 0);
}

CHECKER("00-library", "the programs' library")
