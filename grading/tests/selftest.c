/*
 * selftest.c - a checker with known verdicts: it judges a program that misbehaves on request
 * (misbehaving.c).
 *
 * The beginning of a test's id names its expected result. Its hint is a regular expression that
 * the report must match. grading/tests/judge compares:
 *
 *     pass_     passed, and nothing is left
 *     fail_     failed, for a reason that matches the hint
 *     late_     the same, after a wait that reached its limit
 *     skip_     skipped, for a reason that matches the hint
 *     error_    not judged, because the kit itself failed, with a message that matches the hint
 *     left_     passed, and something is left: a finding matches the hint
 *     left_failed_   the same, but failed
 *
 * Ids of tests whose wait finds nothing, or that leave processes, begin with l: they get a
 * shorter limit. The one that begins with slow gets an even shorter one.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define MEGABYTES ((size_t)8 << 20)
#define SECONDS_OF_A_HANG 600

static void needs_unix(void)
{
    if (under_test() != UNIX)
        skip_test("only UNIX has such a thing");
}

/* Only in a private namespace the objects with names of their own are known to be ours. */
static void needs_room(void)
{
    const char *namespace = getenv("PRIVATE_NAMESPACE");
    if (namespace == NULL || strcmp(namespace, "yes") != 0)
        skip_test("needs a private namespace");
}

/* ---- What must pass ------------------------------------------------------------------- */

TEST(pass_unix_probe, .name = "a UNIX probe works in a run for either system")
{
    struct program *peer = start_unix_probe("peer", NULL);
    send_bytes(peer, "listen 127.0.0.1\n", 17);
    const char *line = wait_line_like(peer, "test: listening at *");
    char *command = text("connect 1 127.0.0.1 %s\naccept 2\n", strrchr(line, ' ') + 1);
    send_bytes(peer, command, strlen(command));
    wait_line(peer, "test: 1 connected");
    wait_line(peer, "test: 2 accepted");
    close_input(peer);
    expect_end(peer, 0);
}

TEST(pass_echo, .name = "lines come back, also one byte at a time")
{
    struct program *misbehaving = start(SERVER, "echo-lines", NULL);
    const char *word = token();
    char *line = text("%s\n", word);
    send_bytes(misbehaving, line, strlen(line));
    wait_line(misbehaving, "misbehaving: received %s", word);
    trickle_bytes(misbehaving, "drop by drop\n", 13);
    wait_line(misbehaving, "misbehaving: received drop by drop");
    if (!is_running(misbehaving))
        fail_test("it is not running");
    close_input(misbehaving);
    wait_line(misbehaving, "misbehaving: end of input");
    expect_end(misbehaving, 0);
    if (count_lines(misbehaving, "misbehaving: received *") != 2 ||
        is_running(misbehaving))
        fail_test("there are not two lines, or it still runs");
}

/* Returns the only Wine server in a private namespace, or 0. */
static pid_t wine_server_in_room(void)
{
    for (int pid = 2; pid < 100000; pid++) {
        char name[16] = "";
        FILE *file = fopen(text("/proc/%d/comm", pid), "re");
        if (file != NULL && fgets(name, sizeof name, file) != NULL &&
            strncmp(name, "wineserver", strlen("wineserver")) == 0) {
            fclose(file);
            return pid;
        }
        if (file != NULL)
            fclose(file);
    }
    return 0;
}

TEST(pass_wine_files,
     .name = "Wine's own server may open as many files as the limit allows")
{
    const char *namespace = getenv("PRIVATE_NAMESPACE");
    if (under_test() == UNIX || on_windows() || namespace == NULL ||
        strcmp(namespace, "yes") != 0)
        return;
    pid_t server = wine_server_in_room();
    struct rlimit limit;
    if (server == 0 || prlimit(server, RLIMIT_NOFILE, NULL, &limit) == -1)
        fail_test("it is not there");
    if (limit.rlim_cur != limit.rlim_max)
        fail_test("expected %lu, got %lu", (unsigned long)limit.rlim_max,
                  (unsigned long)limit.rlim_cur);
}

TEST(pass_wine_falls, .name = "a test in which Wine's own server crashes is repeated")
{
    const char *namespace = getenv("PRIVATE_NAMESPACE"), *prefix = getenv("WINEPREFIX");
    const char *fell = text("%s/fell", prefix == NULL ? "" : prefix);
    bool falls = under_test() == WIN32 && !on_windows() && namespace != NULL &&
                 strcmp(namespace, "yes") == 0 && access(fell, F_OK) == -1;
    if (falls && mkdir(fell, 0700) == -1)
        fail_test("the mark cannot be made");
    struct program *misbehaving = start(SERVER, "echo-lines", NULL);
    send_bytes(misbehaving, "one\n", 4);
    wait_line(misbehaving, "misbehaving: received one");
    if (falls)
        kill(wine_server_in_room(), SIGKILL);
    send_bytes(misbehaving, "two\n", 4);
    wait_line(misbehaving, "misbehaving: received two");
    close_input(misbehaving);
    expect_end(misbehaving, 0);
}

TEST(pass_megabytes, .name = "8 MB go out and come back at once")
{
    struct program *misbehaving = start(SERVER, "echo", NULL);
    char *bytes = random_bytes(MEGABYTES, 0, 255);
    size_t length;
    if (offer_bytes(misbehaving, bytes, MEGABYTES) != MEGABYTES)
        fail_test("not all went out");
    close_input(misbehaving);
    expect_end(misbehaving, 0);
    const char *output = output_of(misbehaving, &length);
    expect_bytes("the echo", bytes, MEGABYTES, bytes, MEGABYTES, output, length);
}

TEST(pass_messages, .name = "messages of any length are separated by their last byte")
{
    struct program *misbehaving = start(SERVER, "echo", NULL);
    size_t length, other;
    char *bytes = random_bytes(300000, 'a', 'z');
    bytes[0] = bytes[200000] = bytes[299999] = '\0';
    send_bytes(misbehaving, bytes, 300000);
    receive_until(misbehaving, '\0', &length);
    if (length != 1)
        fail_test("the first message has %zu bytes", length);
    receive_until(misbehaving, '\0', &length);
    char *last = receive_until(misbehaving, '\0', &other);
    if (length != 200000)
        fail_test("the second message has %zu bytes", length);
    expect_bytes("the third message", NULL, 0, bytes + 200001, 99999, last, other);
}

TEST(pass_exit_code, .name = "an exit code is reported unchanged")
{
    expect_end(start(SERVER, "exit", "3", NULL), 3);
    expect_end(start(SERVER, "exit", "255", NULL), 255);
    expect_end(start(SERVER, NULL), 0);
}

TEST(pass_crash, .name = "a crash is an end")
{
    struct program *misbehaving = start(SERVER, "crash", NULL);
    wait_line(misbehaving, "misbehaving: ready");
    int code = wait_end(misbehaving);
    if (code != (under_test() == UNIX ? 128 + SIGSEGV : 5))
        fail_test("wait_end returns %d", code);
}

TEST(pass_silenced, .name = "the end of a program that has closed its outputs is seen")
{
    struct program *misbehaving = start(SERVER, "close-output-exit", NULL);
    wait_silence(misbehaving);
    expect_end(misbehaving, 5);
}

TEST(pass_no_newline, .name = "a last line without a newline is a line")
{
    struct program *misbehaving = start(SERVER, "no-newline", NULL);
    wait_line(misbehaving, "misbehaving: half a li");
    expect_end(misbehaving, 0);
}

TEST(pass_crlf, .name = "a line may end with CR and LF")
{
    struct program *misbehaving = start(SERVER, "crlf", NULL);
    wait_line(misbehaving, "misbehaving: one");
    wait_line(misbehaving, "misbehaving: two");
    expect_end(misbehaving, 0);
}

TEST(pass_descriptor, .name = "the checker also waits for its own descriptors")
{
    struct program *misbehaving = start(SERVER, "echo-lines", NULL);
    int ends[2];
    char byte = 0;
    if (pipe(ends) == -1)
        kit_error("pipe");
    send_bytes(misbehaving, "one\n", 4);
    wait_line(misbehaving, "misbehaving: received one");
    if (write(ends[1], "x", 1) != 1)
        kit_error("write");
    wait_descriptor(ends[0], "a byte");
    if (read(ends[0], &byte, 1) != 1 || byte != 'x')
        fail_test("it is not there");
}

TEST(pass_long_line, .name = "a line of 80000 characters is a line")
{
    struct program *misbehaving = start(SERVER, "long-line", NULL);
    const char *line = wait_line_like(misbehaving, "0*f");
    if (strlen(line) != 80000)
        fail_test("it has %zu", strlen(line));
}

TEST(pass_killed,
     .name = "a program that ignores all signals but one is killed by that one")
{
    struct program *misbehaving = start(SERVER, "hang", NULL);
    wait_line(misbehaving, "misbehaving: ready");
    kill_program(misbehaving);
    if (is_running(misbehaving))
        fail_test("it still runs");
    send_signal(misbehaving, SIGTERM); /* to nobody, which is no error */
}

TEST(pass_kill_child, .name = "a child is found by its name and killed")
{
    struct program *misbehaving = start(SERVER, "child-hang", NULL);
    wait_line(misbehaving, "misbehaving: ready");
    kill_child(misbehaving, "misbehaving");
    kill_program(misbehaving);
    wait_silence(misbehaving);
}

TEST(pass_still_running,
     .name = "a program that still runs at the end of a test is ended")
{
    for (int i = 0; i < 5; i++)
        wait_line(start(SERVER, "hang", NULL), "misbehaving: ready");
}

TEST(pass_flooding, .name = "a flood also ends with the test")
{
    struct program *misbehaving = start(SERVER, "flood", NULL);
    size_t length;
    wait_line(misbehaving, "misbehaving: and on, and on");
    output_of(misbehaving, &length);
    count_lines(misbehaving, "*");
}

TEST(pass_environment, .name = "closed input and other options are passed on")
{
    struct start_options closed = {.closed_input = true};
    struct program *misbehaving = start_with(SERVER, closed, "echo-lines", NULL);
    wait_line(misbehaving, "misbehaving: end of input");
    expect_end(misbehaving, 0);
}

TEST(pass_without_streams, .name = "any of the three standard streams can be missing")
{
    for (unsigned mask = 0; mask < 8; mask++) {
        struct start_options options = {.closed = mask};
        expect_end(start_with(SERVER, options, "missing", NULL), (int)mask);
    }
    struct start_options options = {.closed = 1};
    struct program *misbehaving = start_with(SERVER, options, "echo-lines", NULL);
    wait_line(misbehaving, "misbehaving: end of input");
    expect_end(misbehaving, 0);
}

TEST(pass_output_closed, .name = "output that the checker no longer reads does no harm")
{
    struct program *misbehaving = start(SERVER, "echo-lines", NULL);
    close_output(misbehaving);
    offer_bytes(misbehaving, "hello\n", 6);
    close_input(misbehaving);
    wait_end(misbehaving);
}

TEST(pass_copy, .name = "a copy of the program runs in the scratch folder")
{
    struct start_options copied = {.file = copy_program(SERVER, "copied")};
    wait_line(start_with(SERVER, copied, "hang", NULL), "misbehaving: ready");
    kill_child(start(SERVER, "hang", NULL), "copied");
}

TEST(pass_idle, .name = "a program that waits is idle")
{
    struct program *misbehaving = start(SERVER, "echo-lines", NULL);
    send_bytes(misbehaving, "hello\n", 6);
    wait_line(misbehaving, "misbehaving: received hello");
    expect_idle(misbehaving, 0.3, 30);
}

TEST(pass_terminal_input, .name = "a terminal for input: lines, and the end of input")
{
    struct start_options typed = {.terminal_input = true};
    struct program *misbehaving = start_with(SERVER, typed, "terminals", NULL);
    wait_line(misbehaving, "misbehaving: input 1, output 0, errors 0");
    send_bytes(misbehaving, "hello\n", 6);
    wait_line(misbehaving, "misbehaving: received hello");
    close_input(misbehaving);
    wait_line(misbehaving, "misbehaving: end of input");
    expect_end(misbehaving, 0);
    if (printed_like(misbehaving, "hello*"))
        fail_test("the terminal echoes");
}

TEST(pass_terminal, .name = "a terminal for everything: lines, and the end of input")
{
    struct start_options typed = {.terminal_input = true, .terminal_output = true};
    struct program *misbehaving = start_with(SERVER, typed, "terminals", NULL);
    wait_line(misbehaving, "misbehaving: input 1, output 1, errors 1");
    send_bytes(misbehaving, "hello\n", 6);
    wait_line(misbehaving, "misbehaving: received hello");
    close_input(misbehaving);
    wait_line(misbehaving, "misbehaving: end of input");
    expect_end(misbehaving, 0);
}

TEST(pass_terminal_output, .name = "a terminal for output alone")
{
    struct start_options shown = {.terminal_output = true};
    struct program *misbehaving = start_with(SERVER, shown, "terminals", NULL);
    wait_line(misbehaving, "misbehaving: input 0, output 1, errors 1");
    close_input(misbehaving);
    wait_line(misbehaving, "misbehaving: end of input");
    expect_end(misbehaving, 0);
    wait_silence(misbehaving);
}

/* ---- What must fail at once ----------------------------------------------------------- */

TEST(
    fail_silent,
    .hint = "^expected the line 'misbehaving: ready', but the server exited with code 0$",
    .name = "a program that prints nothing")
{
    wait_line(start(SERVER, NULL), "misbehaving: ready");
}

TEST(fail_exit_code,
     .hint = "^expected the server to exit with code 0, but it exited with code 3$",
     .name = "a wrong exit code")
{
    expect_end(start(SERVER, "exit", "3", NULL), 0);
}

TEST(fail_crash,
     .hint = "^expected the server to exit with code 0, but it (was ended by signal 11 "
             "\\(Seg.*\\)|exited with code 5)$",
     .name = "a crash")
{
    expect_end(start(SERVER, "crash", NULL), 0);
}

TEST(fail_signal,
     .hint =
         "^expected the line 'misbehaving: ready', but the server (was ended by signal 6 "
         "|exited with code 6)",
     .name = "an end by a signal")
{
    wait_line(start(SERVER, "die", "6", NULL), "misbehaving: ready");
}

TEST(fail_nul,
     .hint = "^expected the line 'misbehaving: done', but the server exited with code 0$",
     .name = "a line with a NUL in it is not the line before the NUL")
{
    wait_line(start(SERVER, "nul", NULL), "misbehaving: done");
}

TEST(
    fail_after_message,
    .hint =
        "^expected the line 'misbehaving: done' on standard error, but the server printed "
        "it on standard output, which carries the messages$",
    .name = "a line after a message on standard output")
{
    wait_line(start(SERVER, "after-message", NULL), "misbehaving: done");
}

TEST(fail_newline_kept,
     .hint =
         "^expected the line 'misbehaving: read .one.', but the server printed a newline "
         "before the last quote: remove the newline from the text",
     .name = "a text that ends with a newline")
{
    wait_line(start(SERVER, "newline-kept", NULL), "misbehaving: read \"one\"");
}

TEST(
    fail_pattern,
    .hint =
        "^expected a line like 'misbehaving: \\.\\.\\.', but the server exited with code 0$",
    .name = "a line that fits no pattern")
{
    wait_line_like(start(SERVER, "crlf", NULL), "misbehaving: ?????");
}

TEST(
    fail_order,
    .hint =
        "^expected the line 'misbehaving: one' after 'misbehaving: two', but the server printed "
        "it before that line, too early: lines must come in order$",
    .name = "lines in another order than expected")
{
    struct program *misbehaving = start(SERVER, "crlf", NULL);
    wait_line(misbehaving, "misbehaving: two");
    wait_line(misbehaving, "misbehaving: one");
}

TEST(fail_again,
     .hint = "^expected the line 'misbehaving: one', but the server exited with code 0$",
     .name = "a line that was expected twice and came once, before the program ended")
{
    struct program *misbehaving = start(SERVER, "crlf", NULL);
    wait_line(misbehaving, "misbehaving: one");
    wait_line(misbehaving, "misbehaving: one");
}

TEST(
    fail_order_like,
    .hint =
        "^expected a line like 'misbehaving: one...', but the server exited with code 0$",
    .name = "a line that fits a pattern, but came too early")
{
    struct program *misbehaving = start(SERVER, "crlf", NULL);
    wait_line(misbehaving, "misbehaving: two");
    wait_line_like(misbehaving, "misbehaving: one*");
}

TEST(fail_bracket,
     .hint =
         "^expected a line like '...: done\\* ...', but the server exited with code 0$",
     .name = "a pattern with sets and escapes is shown in plain words")
{
    wait_line_like(start(SERVER, NULL), "[a-z]*[:] done\\* [!0-9]?");
}

TEST(fail_exact_pattern,
     .hint = "^expected the line 'misbehaving: done', but the server exited with code 0$",
     .name = "a pattern that fits one line alone is shown as that line")
{
    wait_line_like(start(SERVER, NULL), "misbehaving[:] done");
}

TEST(fail_meaning,
     .hint = "^expected the answer to nothing, but the server exited with code 0$",
     .name = "a pattern with a meaning is not shown")
{
    wait_line_that(start(SERVER, NULL), "misbehaving: *ed*", "the answer to nothing");
}

TEST(fail_error_meaning,
     .hint = "^expected a report of the failure on standard error, but the server exited "
             "with code 0$",
     .name = "a pattern for standard error with a meaning is not shown")
{
    wait_error_that(start(SERVER, NULL), "misbehaving: *ed*", "a report of the failure");
}

TEST(fail_stream,
     .hint =
         "^expected a line like 'usage: ...' on standard error, but the server printed "
         "'usage: misbehaving WHAT' on standard output$",
     .name = "a usage line on standard output")
{
    wait_error_like(start(SERVER, "wrong-stream", NULL), "usage: *");
}

TEST(fail_stream_error,
     .hint = "^expected a line like 'misbehaving: ...' on standard error, but the server "
             "printed 'misbehaving: open: error 2: No such file' on standard output$",
     .name = "a report of an error on standard output, and not the other lines there")
{
    wait_error_like(start(SERVER, "wrong-stream", NULL), "misbehaving: *");
}

TEST(
    fail_stream_silent,
    .hint =
        "^expected a line like 'misbehaving: ...' on standard error, but the server exited "
        "with code 0$",
    .name = "no line on standard error; other lines on standard output are none of it")
{
    wait_error_like(start(SERVER, "crlf", NULL), "misbehaving: *");
}

TEST(
    fail_case,
    .hint =
        "^expected the line 'misbehaving: all done', but the server printed 'Misbehaving: all  "
        "done.', which differs in "
        "upper and lower case, blanks, punctuation$",
    .name = "a line that is nearly right")
{
    wait_line(start(SERVER, "nearly", NULL), "misbehaving: all done");
}

TEST(
    fail_case_like,
    .hint =
        "^expected a line like 'misbehaving: all ...', but the server printed 'Misbehaving: all "
        " done.', which differs in "
        "upper and lower case, blanks or control bytes$",
    .name = "a line that nearly fits a pattern")
{
    wait_line_like(start(SERVER, "nearly", NULL), "misbehaving: all *");
}

TEST(fail_other_text,
     .hint = "^expected the line 'misbehaving: received .three.', but the server printed "
             "'misbehaving: received .two.'$",
     .name = "a line with another text in its quotes")
{
    struct program *misbehaving = start(SERVER, "quotes", NULL);
    wait_line(misbehaving, "misbehaving: received \"one\"");
    wait_line(misbehaving, "misbehaving: received \"three\"");
}

TEST(fail_far,
     .hint =
         "^expected the line 'misbehaving: all gone', but the server exited with code 0$",
     .name = "a line with another word is not nearly right")
{
    wait_line(start(SERVER, "nearly", NULL), "misbehaving: all gone");
}

TEST(
    fail_far_like,
    .hint =
        "^expected a line like 'misbehaving: ... all', but the server exited with code 0$",
    .name = "a line without a blank does not nearly fit a pattern")
{
    wait_line_like(start(SERVER, "nearly", NULL), "misbehaving: * all");
}

TEST(
    fail_stray_return,
    .hint =
        "^expected the line 'misbehaving: one', but the server printed 'misbehaving: one.x0D', "
        "which differs in control bytes$",
    .name = "a line that ends with two CR")
{
    wait_line(start(SERVER, "stray", NULL), "misbehaving: one");
}

TEST(
    fail_stray_nul,
    .hint =
        "^expected the line 'misbehaving: two', but the server printed '.x00misbehaving: two', "
        "which differs in control bytes$",
    .name = "a NUL behind a newline, at the beginning of the next line")
{
    wait_line(start(SERVER, "stray", NULL), "misbehaving: two");
}

TEST(fail_lost_output,
     .hint =
         "^expected the line 'misbehaving: ready', but the server (was ended by signal 9 "
         "|exited with code 9)",
     .name = "what was not flushed is lost when a signal ends the program")
{
    wait_line(start(SERVER, "unflushed-die", "9", NULL), "misbehaving: ready");
}

TEST(fail_no_handler,
     .hint = "^expected the server to exit with code 0, but it was ended by signal 10 "
             "\\(User "
             "defined signal 1\\)$",
     .name = "a signal without a handler, where an exit code is due")
{
    needs_unix();
    expect_end(start(SERVER, "die", "10", NULL), 0);
}

TEST(fail_broken_pipe,
     .hint =
         "^expected the line 'misbehaving: ready', but the server was ended by signal 13 "
         "\\(Broken pipe\\)$",
     .name = "an end by SIGPIPE while a line is waited for")
{
    needs_unix();
    wait_line(start(SERVER, "die", "13", NULL), "misbehaving: ready");
}

TEST(fail_end_for_signal,
     .hint = "^expected the server to be ended by signal 15, but it exited with code 3$",
     .name = "an exit code, where an end by a signal is due")
{
    expect_end(start(SERVER, "exit", "3", NULL), 128 + SIGTERM);
}

TEST(
    fail_garbage,
    .hint = "^expected the line '.xC3\\( .x1B\\[31m', but the server exited with code 0$",
    .name = "output that is no text")
{
    wait_line(start(SERVER, "garbage", NULL), "\xC3\x28 \x1B[31m");
}

TEST(fail_forged, .hint = "^nothing of that counts$",
     .name = "output that looks like a report")
{
    struct program *misbehaving = start(SERVER, "forge", NULL);
    expect_end(misbehaving, 0);
    fail_test("nothing of that counts");
}

TEST(fail_long_reason, .hint = "^the line is 0123.* \\.\\.\\.$",
     .name = "a reason that quotes far too much")
{
    fail_test("the line is %s", wait_line_like(start(SERVER, "long-line", NULL), "0*"));
}

TEST(fail_changed_byte,
     .hint = "^the echo differs from what was expected, from byte "
             "200 on$",
     .name = "one byte of many is not what was sent")
{
    struct program *misbehaving = start(SERVER, "echo-changed", NULL);
    char *bytes = random_bytes(400, 'a',
                               'y'); /* 200 is where misbehaving.c changes one */
    bytes[200] = 'Q';
    send_bytes(misbehaving, bytes, 400);
    close_input(misbehaving);
    expect_end(misbehaving, 0);
    size_t length;
    const char *output = output_of(misbehaving, &length);
    expect_bytes("the echo", bytes, 400, bytes, 400, output, length);
}

TEST(fail_cut_short, .hint = "^the text is too short: expected 6 bytes, got 3$",
     .name = "bytes are missing")
{
    expect_bytes("the text", NULL, 0, "abcdef", 6, "abc", 3);
}

TEST(fail_too_much, .hint = "^the text is too long: expected 3 bytes, got 8$",
     .name = "there are bytes too many")
{
    expect_bytes("the text", "abc", 3, "abc", 3, "abc\n\x1B[2J", 8);
}

TEST(fail_cyrillic, .hint = "^the text differs from what was expected, from byte 3 on$",
     .name = "the difference is inside of a character")
{
    expect_bytes("the text", NULL, 0, "\xD0\xBF\xD1\x80\xD0\xB8", 6,
                 "\xD0\xBF\xD1\x83\xD0\xB8", 6);
}

TEST(fail_no_child, .hint = "^the server has no child process that runs nobody$",
     .name = "a child that is not there")
{
    struct program *misbehaving = start(SERVER, "hang", NULL);
    wait_line(misbehaving, "misbehaving: ready");
    kill_child(misbehaving, "nobody");
}

TEST(fail_busy,
     .hint =
         "^expected the server to block while nothing happens, but it and its children "
         "used [0-9]+ %",
     .name = "a program that polls in a loop is not idle")
{
    struct program *misbehaving = start(SERVER, "spin", NULL);
    wait_line(misbehaving, "misbehaving: ready");
    expect_idle(misbehaving, 1.0,
                5); /* on a busy machine a spinning program also gets its share */
}

TEST(fail_no_file, .hint = "^the file nothing was not written$",
     .name = "a file that is not there")
{
    size_t length;
    read_file("nothing", &length);
}

TEST(fail_absent, .hint = "^absent could not be started: .*: No such file or directory$",
     .name = "a program that is not there")
{
    struct start_options absent = {.name = "absent"};
    start_with(SERVER, absent, NULL);
}

TEST(fail_cut_output,
     .hint = "^expected the line 'nothing', but the server exited with code 0 \\(it "
             "printed so much that 79001 bytes were not kept\\)$",
     .name = "more output than is kept")
{
    struct start_options little = {.output_limit = 1000};
    struct program *misbehaving = start_with(SERVER, little, "long-line", NULL);
    wait_end(misbehaving);
    size_t length;
    output_of(misbehaving, &length);
    if (length != 1000)
        kit_error("%zu bytes are kept", length);
    wait_line(misbehaving, "nothing");
}

TEST(fail_cut_message,
     .hint = "^the server printed more than 1000 bytes on standard output",
     .name = "a message longer than what is kept")
{
    struct start_options little = {.output_limit = 1000};
    struct program *misbehaving = start_with(SERVER, little, "flood", NULL);
    size_t length;
    receive_until(misbehaving, '\0', &length);
}

TEST(fail_ended_message,
     .hint =
         "^expected the byte .x00, the end of a message, on standard output, but the "
         "server exited with code 0; after the last complete message came .misbehaving: "
         "one.x0D.nmisbehaving: two.x0D.n.$",
     .name = "a message without its end")
{
    size_t length;
    receive_until(start(SERVER, "crlf", NULL), '\0', &length);
}

TEST(fail_output_closed,
     .hint = "^expected the byte .x00, the end of a message, on standard output, but the "
             "server closed it and is still running; after the last complete message "
             "came nothing$",
     .name = "a program that closes its output and goes on")
{
    needs_unix(); /* under Wine the process keeps the pipe open */
    size_t length;
    receive_until(start(SERVER, "close-output-hang", NULL), '\0', &length);
}

TEST(fail_input_closed,
     .hint = "^the server exited with code 0 before it read all of its standard input: "
             "[0-9]+ of 8388608 bytes were sent$",
     .name = "a program that ends before it has read all")
{
    struct program *misbehaving = start(SERVER, "exit", "0", NULL);
    send_bytes(misbehaving, random_bytes(MEGABYTES, 'a', 'z'), MEGABYTES);
}

TEST(fail_input_refused,
     .hint = "^the server closed its standard input, and is still running: 0 of 3 bytes "
             "were sent$",
     .name = "a program that closes its input and goes on")
{
    needs_unix(); /* under Wine the process keeps the pipe open */
    struct program *misbehaving = start(SERVER, "close-input-hang", NULL);
    wait_line(misbehaving, "misbehaving: ready");
    send_bytes(misbehaving, "one", 3);
}

TEST(fail_input_refused_later,
     .hint = "before it read all of its standard input: after 4 bytes, 0 of the next 14 "
             "bytes were sent$",
     .name = "a program that ends before the second part of its input")
{
    needs_unix(); /* under Wine another process may still have the pipe open */
    struct program *misbehaving = start(SERVER, "echo", NULL);
    send_bytes(misbehaving, "one\n", 4);
    kill_program(misbehaving);
    send_bytes(misbehaving, "fourteen bytes", 14);
}

TEST(fail_input_refused_byte,
     .hint = "^the server closed its standard input, and is still running: 0 of 1 byte "
             "was sent$",
     .name = "a program that closes its input, and is sent one byte")
{
    needs_unix(); /* under Wine the process keeps the pipe open */
    struct program *misbehaving = start(SERVER, "close-input-hang", NULL);
    wait_line(misbehaving, "misbehaving: ready");
    send_bytes(misbehaving, "1", 1);
}

TEST(fail_input_gone,
     .hint = "^the server exited with code 4 before it read all of its standard input: "
             "0 of 3 bytes were sent$",
     .name = "a program that has ended reads no input")
{
    struct program *misbehaving = start(SERVER, "exit", "4", NULL);
    wait_silence(misbehaving);
    trickle_bytes(misbehaving, "one", 3);
}

TEST(fail_events, .hint = "^the message differs from what was expected, from byte 0 on$",
     .name = "a line of events among the bytes of a message")
{
    static const char got[] = "client: sent \"one\"\none";
    expect_bytes("the message", NULL, 0, "one\0two\0three\0four\0five", 23, got, 23);
}

TEST(fail_advice, .judges = PAIR, .step = 1,
     .hint_unix = "^nobody follows advice for the server on UNIX$",
     .hint_win32 = "^nobody follows advice for the server on Win32$", .client_step = 2,
     .client_hint_unix = "^nobody follows advice for the client on UNIX$",
     .client_hint_win32 = "^nobody follows advice for the client on Win32$",
     .name = "advice is for the program that is judged, and for its system")
{
    fail_test("nobody follows advice for the server on %s",
              under_test() == UNIX ? "UNIX" : "Win32");
}

TEST(fail_blamed,
     .hint = "^the server exited with code 1: misbehaving: open: error 2: No such file; "
             "expected the line 'test: done', but the test's client exited with code 0$",
     .name = "the program that has failed is named, not the probe that waited for it")
{
    struct program *failing = start(SERVER, "fail-open", NULL);
    struct program *peer = start_unix_probe("peer", NULL);
    /* Under Wine it takes longer than the probe. This does not count as a wait for its end. */
    ending_within(failing, SECONDS_OF_A_HANG);
    close_input(peer);
    wait_line(peer, "test: done");
}

TEST(fail_not_blamed,
     .hint = "^expected the line 'test: done', but the test's client exited with code 0$",
     .name = "a program whose failure the test has waited for is not to blame")
{
    expect_end(start(SERVER, "fail-open", NULL), 1);
    struct program *peer = start_unix_probe("peer", NULL);
    close_input(peer);
    wait_line(peer, "test: done");
}

TEST(
    fail_said_why,
    .hint = "^expected the line 'misbehaving: ready', but the server exited with code 1$",
    .name = "what a program that has failed printed on standard error is shown")
{
    wait_line(start(SERVER, "fail-open", NULL), "misbehaving: ready");
}

TEST(fail_leaves_fifo, .hint = "^that is enough$",
     .name = "what is left because the test killed a program is no mistake")
{
    needs_unix();
    expect_end(start(SERVER, "fifo", "pipe", NULL), 0);
    wait_line(start(SERVER, "hang", NULL), "misbehaving: ready");
    fail_test("that is enough");
}

TEST(fail_unwritten, .step = 5, .hint = "a hint that nobody needs then",
     .name = "a starter's TODO is the reason, though the exit code is right")
{
    expect_end(start(SERVER, "todo", NULL), 1);
}

TEST(pass_todo_on_output, .name = "on standard output such a line is a line like others")
{
    struct program *misbehaving = start(SERVER, "todo-on-output", NULL);
    wait_line_like(misbehaving, "server: TODO STEP 3: *");
    expect_end(misbehaving, 1);
}

TEST(fail_lint_pair, .judges = PAIR, .points = 1, .step = 1,
     .hint_unix = "^no client reads it", .hint_win32 = "^no client reads it",
     .client_hint_win32 = "^ReadFile",
     .name = "a test of a pair without advice for the client on UNIX")
{
    fail_test("no client reads it");
}

TEST(fail_lint_unix, .points = 1, .hint = "^GetLastError has nothing to say$",
     .name = "a hint that names only a call of Win32, on both systems")
{
    fail_test("GetLastError has nothing to say");
}

TEST(fail_lint_win32, .points = 1, .hint = "^write[(][)] failed with EPIPE$",
     .name = "a hint that names only words of UNIX, on both systems")
{
    fail_test("write() failed with EPIPE");
}

TEST(fail_lint_ghost, .points = 1, .pair = "ghost", .hint = "^CreateFile: error 2$",
     .name = "a hint about a pair of programs that exists for one system only")
{
    fail_test("CreateFile: error 2");
}

TEST(fail_lint_swapped, .points = 1, .needs = "fail_no_test",
     .hint_unix = "^ERROR_BROKEN_PIPE and open.2.: SIGPIPE$",
     .hint_win32 = "^ERROR_BROKEN_PIPE and open.2.: SIGPIPE$",
     .name = "hints that name words of both systems")
{
    fail_test("ERROR_BROKEN_PIPE and open(2): SIGPIPE");
}

TEST(fail_tokens, .hint = "^the words are [a-z0-9]{13} and [a-z0-9]{13}, [a-z]{8}$",
     .name = "random words, for the judge to compare")
{
    const char *one = token(), *two = token();
    fail_test("the words are %s and %s, %s", one, two, random_bytes(8, 'a', 'z'));
}

TEST(fail_alone, .judges = PAIR, .hint = "^of its own accord$",
     .name = "a failure that has nothing to do with any program")
{
    fail_test("of its own accord");
}

/* ---- What must fail after a wait ------------------------------------------------------ */

TEST(
    late_hang,
    .hint =
        "^expected the line 'misbehaving: done', but the server did not print it in [0-9]+ "
        "seconds and is still running$",
    .name = "a program that hangs, and ignores signals")
{
    struct program *misbehaving = start(SERVER, "hang", NULL);
    wait_line(misbehaving, "misbehaving: ready");
    if (under_test() == UNIX) /* Wine's processes end by it, whatever the program wants */
        send_signal(misbehaving, SIGTERM);
    wait_line(misbehaving, "misbehaving: done");
}

TEST(late_end,
     .hint = "^expected the server to end, but after [0-9]+ seconds it is still running$",
     .name = "a program that goes on after the end of its input")
{
    struct program *misbehaving = start(SERVER, "read-all-go-on", NULL);
    send_bytes(misbehaving, "hello\n", 6);
    close_input(misbehaving);
    wait_line(misbehaving, "misbehaving: ready");
    expect_end(misbehaving, 0);
}

TEST(late_descriptor, .hint = "^waited [0-9]+ seconds for a byte$",
     .name = "a descriptor of the checker's own stays silent")
{
    int ends[2];
    if (pipe(ends) == -1)
        kit_error("pipe");
    start(SERVER, "silent-hang", NULL);
    for (;;)
        wait_descriptor(ends[0], "a byte");
}

/* Starts the server that behaves as `how`, and sends it more than a pipe holds. */
static void send_much(const char *how)
{
    struct program *misbehaving = start(SERVER, how, NULL);
    wait_line(misbehaving, "misbehaving: ready");
    send_bytes(misbehaving, random_bytes(MEGABYTES, 'a', 'z'), MEGABYTES);
}

TEST(late_deaf,
     .hint = "^the server did not read its standard input for [0-9]+ seconds: [0-9]+ of "
             "8388608 bytes were sent$",
     .name = "a program that never reads its input")
{
    send_much("hang");
}

TEST(late_reader,
     .hint =
         "^the server reads its standard input too slowly: in [0-9]+ seconds [0-9]+ of "
         "8388608 bytes were sent$",
     .name = "a program that reads its input slowly")
{
    send_much("read-slowly");
}

TEST(late_flood,
     .hint =
         "^expected the line 'misbehaving: done', but the server did not print it \\(it "
         "printed so much that [0-9]+ bytes were not kept\\)$",
     .name = "a program that prints lines without end")
{
    struct start_options little = {.output_limit = 100000};
    wait_line(start_with(SERVER, little, "flood", NULL), "misbehaving: done");
}

TEST(late_endless_line, .hint = "^expected the server to end, ",
     .name = "a program that prints a line without end")
{
    wait_end(start(SERVER, "endless-line", NULL));
}

TEST(
    late_no_newline,
    .hint =
        "^expected the line 'misbehaving: half a line', but the server did not print it in "
        "[0-9]+ seconds and is still running$",
    .name = "a line that is not finished")
{
    wait_line(start(SERVER, "no-newline-hang", NULL), "misbehaving: half a line");
}

/* Lets the server print `printed`. Then waits for another line. */
static struct program *prints(const char *printed)
{
    struct program *misbehaving = start(SERVER, "echo", NULL);
    send_bytes(misbehaving, printed, strlen(printed));
    return misbehaving;
}

TEST(late_again,
     .hint =
         "^expected the line 'server: client 1 left', but the server did not print it in "
         "[0-9]+ seconds and is still running$",
     .name = "a line that was expected twice and came once")
{
    struct program *misbehaving = prints("server: client 1 left\n");
    wait_line(misbehaving, "server: client 1 left");
    wait_line(misbehaving, "server: client 1 left");
}

TEST(late_wording,
     .hint =
         "^expected the line 'server: client 1 left', but the server printed 'server: "
         "client 1 has left'$",
     .name = "a line with the right event, and words that were not expected")
{
    wait_line(prints("server: client 1 connected\nserver: client 2 left\n"
                     "server: client 1 has left\n"),
              "server: client 1 left");
}

TEST(late_wording_like,
     .hint = "^expected a line like 'server: client ... left', but the server printed "
             "'server: client 1 left[.]'$",
     .name = "the same for a pattern")
{
    wait_line_like(prints("server: client 1 left.\n"), "server: client * left");
}

TEST(fail_wording,
     .hint = "^expected the line 'server: done', but the server printed 'server: all is "
             "done', and exited with code 0$",
     .name = "the same, of a program that has ended")
{
    struct program *misbehaving = prints("server: all is done\n");
    close_input(misbehaving);
    wait_line(misbehaving, "server: done");
}

TEST(late_number,
     .hint =
         "^expected the line 'server: client 1 connected', but the server did not print "
         "it in [0-9]+ seconds and is still running$",
     .name = "a line with another number")
{
    wait_line(prints("server: client 0 connected\n"), "server: client 1 connected");
}

TEST(late_ready,
     .hint =
         "^expected a line like 'server: ready ...', but the server did not print it in "
         "[0-9]+ seconds and is still running$",
     .name = "a first line with another word for the event")
{
    wait_line_like(prints("server: listening on 127.0.0.1:5050\n"), "server: ready *");
}

TEST(late_other_event,
     .hint =
         "^expected the line 'server: client 1 left', but the server did not print it in "
         "[0-9]+ seconds and is still running$",
     .name = "a line about another event is not like the expected one")
{
    wait_line(prints("server: client 1 connected\nserver: received \"left\"\n"
                     "server: recv: error 1: client 1 is gone\nclient: 1 joined\n"),
              "server: client 1 left");
}

TEST(
    late_message_is_whole,
    .hint =
        "^expected the line 'two', but the server did not print it in [0-9]+ seconds and "
        "is still running$",
    .name = "a message that ends with a NUL lacks no newline")
{
    struct program *misbehaving = start(SERVER, "echo", NULL);
    send_bytes(misbehaving, "one\0two", 8);
    wait_line(misbehaving, "two");
}

TEST(
    late_no_nul,
    .hint =
        "^expected the line 'two', but the server did not print it in [0-9]+ seconds and "
        "is still running$",
    .name = "a message that is not finished, after one that is")
{
    struct program *misbehaving = start(SERVER, "echo", NULL);
    send_bytes(misbehaving, "one\0tw", 6);
    wait_line(misbehaving, "two");
}

TEST(late_newline,
     .hint =
         "^expected the line 'misbehaving: half a li', but the server printed no newline "
         "after it$",
     .name = "a line that is right but for its newline")
{
    wait_line(start(SERVER, "no-newline-hang", NULL), "misbehaving: half a li");
}

TEST(late_unflushed,
     .hint =
         "^expected the line 'misbehaving: ready', but the server did not print it in "
         "[0-9]+ seconds and is still running$",
     .name = "a program that does not flush what it prints")
{
    wait_line(start(SERVER, "unflushed", NULL), "misbehaving: ready");
}

TEST(late_busy,
     .hint = "^expected the line 'misbehaving: done', but the server did not print it in "
             "[0-9]+ seconds and is still running$",
     .name = "a program that computes while the test waits for its line")
{
    struct program *misbehaving = start(SERVER, "spin", NULL);
    wait_line(misbehaving, "misbehaving: ready");
    wait_line(misbehaving, "misbehaving: done");
}

TEST(
    late_flushed,
    .hint =
        "^expected the line 'misbehaving: received one', but the client did not print it in "
        "[0-9]+ seconds and is still running$",
    .name = "a program that flushes what it prints when its input ends")
{
    struct start_options copied = {.file = copy_program(SERVER, "client")};
    struct program *misbehaving = start_with(CLIENT, copied, "echo-unflushed", NULL);
    wait_line(misbehaving, "misbehaving: ready");
    send_bytes(misbehaving, "one\n", 4);
    wait_line(misbehaving, "misbehaving: received one");
}

TEST(
    late_interrupted,
    .hint =
        "^expected a line like 'misbehaving: received ...', but the server did not print it "
        "in [0-9]+ seconds and is still running$",
    .name = "a program that flushes what it prints when it is interrupted")
{
    needs_unix();
    struct program *misbehaving = start(SERVER, "exit-on-interrupt", NULL);
    wait_line(misbehaving, "misbehaving: ready");
    wait_line_like(misbehaving, "misbehaving: received *");
}

TEST(late_unflushed_message,
     .hint = "the server sent nothing for [0-9]+ seconds and is still running; after the "
             "last complete message came nothing$",
     .name = "a program that does not flush its messages")
{
    size_t length;
    receive_until(start(SERVER, "unflushed", NULL), '\0', &length);
}

TEST(late_probe,
     .hint = "^expected the line 'test: done', but the test's client did not "
             "print it in [0-9]+ seconds and is still running$",
     .name = "a probe is not taken for a program that is judged")
{
    wait_line(start_unix_probe("peer", NULL), "test: done");
}

TEST(fail_started,
     .hint =
         "^expected the line 'misbehaving: done', but the server, started by the test, "
         "exited with code 0$",
     .name = "a program that a probe starts is named")
{
    needs_unix();
    wait_line(start_probe("launcher", "blocked", path_of(SERVER, NULL), "exit", "0",
                          NULL),
              "misbehaving: done");
}

TEST(late_silence,
     .hint = "^expected the standard error of the server to be closed, but after [0-9]+ "
             "seconds a process still has it open$",
     .name = "a child that holds an output")
{
    struct program *misbehaving = start(SERVER, "child", NULL);
    expect_end(misbehaving, 0);
    wait_silence(misbehaving);
}

TEST(late_poll,
     .hint = "^expected the line 'misbehaving: done', but the server did not print it in "
             "[0-9]+ seconds and is still running$",
     .name = "a program that polls, and prints so each time")
{
    wait_line(start(SERVER, "poll-aloud", NULL), "misbehaving: done");
}

TEST(late_repeat,
     .hint = "^expected the line 'misbehaving: done', but the server did not print it in "
             "[0-9]+ seconds and is still running$",
     .name = "a program that prints the same line of a transcript again and again")
{
    wait_line(start(SERVER, "repeat", NULL), "misbehaving: done");
}

TEST(late_message,
     .hint =
         "^expected the byte .x00, the end of a message, on standard output, but the "
         "server sent nothing for [0-9]+ seconds and is still running; after the last "
         "complete message came .misbehaving: ready.*n.$",
     .name = "a message whose end "
             "does not come")
{
    size_t length;
    receive_until(start(SERVER, "hang", NULL), '\0', &length);
}

TEST(late_chatter,
     .hint = "^expected the line 'misbehaving: done', but the server did not print it in "
             "[0-9]+ seconds and is still running$",
     .name =
         "a program that prints another line of a transcript now and then, without end")
{
    wait_line(start(SERVER, "chatter", NULL), "misbehaving: done");
}

TEST(late_drip,
     .hint = "^expected the byte .x00, .* the server did not send it in [0-9]+ seconds "
             "and is still running; after the last complete message came ",
     .name = "a message that goes on without end")
{
    size_t length;
    receive_until(start(SERVER, "chatter", NULL), '\0', &length);
}

/* This test runs alone, with an even shorter limit. */
TEST(slow_chatter, .hint = "^the test was stopped after [0-9]+ seconds, before its end$",
     .name = "a test that goes on without end")
{
    struct program *server = start(SERVER, "chatter", NULL);
    for (;;)
        wait_line_like(server, "misbehaving: still here, *");
}

/* ---- What is not judged --------------------------------------------------------------- */

TEST(skip_reason, .hint = "^not possible here: .x1B\\[31m$",
     .name = "a test that is skipped")
{
    wait_line(start(SERVER, "hang", NULL), "misbehaving: ready");
    skip_test("not possible here: %s", "\x1B[31m");
}

TEST(error_reason, .hint = "^the kit is to blame$",
     .name = "a test in which the kit fails")
{
    wait_line(start(SERVER, "hang", NULL), "misbehaving: ready");
    kit_error("the kit is to blame");
}

TEST(error_crash, .hint = "signal 11", .name = "a test that crashes")
{
    struct program *misbehaving = start(SERVER, "hang", NULL);
    wait_line(misbehaving, "misbehaving: ready");
    raise(SIGSEGV);
}

TEST(error_killed, .hint = "signal 9", .name = "a test whose process is killed")
{
    struct program *misbehaving = start(SERVER, "hang", NULL);
    wait_line(misbehaving, "misbehaving: ready");
    raise(SIGKILL);
}

TEST(error_exit, .hint = "^the test's own process gave no verdict",
     .name = "a test that ends its own process")
{
    exit(0);
}

/* ---- What is left --------------------------------------------------------------------- */

TEST(left_child, .hint = "^process [0-9]+ still runs: .*misbehaving.* silent-hang$",
     .name = "a child that still runs")
{
    expect_end(start(SERVER, "child", NULL), 0);
}

TEST(left_daemon, .hint = "^process [0-9]+ still runs: .*misbehaving.* silent-hang$",
     .name = "a child that is fully detached")
{
    expect_end(start(SERVER, "daemonise", NULL), 0);
}

TEST(left_family, .hint = "^process [0-9]+ still runs: .*misbehaving.* silent-hang$",
     .name = "many children that still run")
{
    expect_end(start(SERVER, "family", NULL), 0);
}

TEST(left_hopping, .hint = "^process [0-9]+ still runs: .*misbehaving",
     .name = "a process that starts itself again and again")
{
    expect_end(start(SERVER, "hop", NULL), 0);
}

TEST(
    left_disguised,
    .hint = "^process [0-9]+ still runs: (\\[wineserver\\]|.*start\\.exe.* silent-hang)$",
    .name = "a child with the name of one of Wine's own programs")
{
    expect_end(start(SERVER, "disguise", NULL), 0);
}

TEST(left_fifo, .hint = "^a FIFO: /tmp/ipclab\\.[^/]*/scratch/pipe.{5}\\[2J$",
     .name = "a FIFO in the scratch folder")
{
    needs_unix();
    expect_end(start(SERVER, "fifo", "pipe.\x1B[2J", NULL), 0);
}

TEST(left_socket, .hint = "^a socket file: /tmp/ipclab\\.[^/]*/scratch/socket$",
     .name = "a socket file in the scratch folder")
{
    needs_unix();
    expect_end(start(SERVER, "socket", "socket", NULL), 0);
}

TEST(left_file, .hint = "^a file: /tmp/[a-z0-9]{13}$", .name = "a file in /tmp")
{
    needs_unix();
    expect_end(start(SERVER, "file", text("/tmp/%s", token()), NULL), 0);
}

TEST(left_folder, .hint = "^a folder: /tmp/[a-z0-9]{13}$", .name = "a folder in /tmp")
{
    needs_unix();
    expect_end(start(SERVER, "folder", text("/tmp/%s", token()), NULL), 0);
}

TEST(left_shm, .hint = "^shared memory or a semaphore: /dev/shm/[a-z0-9]{13}$",
     .name = "POSIX shared memory")
{
    needs_unix();
    expect_end(start(SERVER, "shm", text("/%s", token()), NULL), 0);
}

TEST(left_queue, .hint = "^a message queue: /dev/mqueue/[a-z0-9]{13}$",
     .name = "a POSIX message queue")
{
    needs_unix();
    struct stat place, dev;
    if (stat("/dev/mqueue", &place) == -1 || stat("/dev", &dev) == -1 ||
        place.st_dev == dev.st_dev)
        skip_test("needs the queues to be seen in /dev/mqueue");
    expect_end(start(SERVER, "queue", text("/%s", token()), NULL), 0);
}

TEST(left_unnamed_shm, .hint = "^shared memory or a semaphore: /dev/shm/stranger$",
     .name = "POSIX shared memory with a name of its own")
{
    needs_unix();
    needs_room();
    expect_end(start(SERVER, "shm", "/stranger", NULL), 0);
}

TEST(left_unnamed_sysv,
     .hint = "^a System V (shared memory segment|message queue|semaphore set), "
             "identifier [0-9]+$",
     .name = "System V shared memory, messages and semaphores")
{
    needs_unix();
    needs_room();
    expect_end(start(SERVER, "sysv", NULL), 0);
}

TEST(left_failed_child,
     .hint = "^process [0-9]+ still runs: .*misbehaving.* silent-hang$",
     .name = "a test that fails, and whose child still runs")
{
    expect_end(start(SERVER, "daemonise", NULL), 1);
}

TEST(left_failed_fifo,
     .hint = "^a FIFO: ", .name = "a test that fails, and whose FIFO stays")
{
    needs_unix();
    expect_end(start(SERVER, "fifo", "pipe", NULL), 1);
}

/* ---- What --run shows ------------------------------------------------------------------ */

static void conversation(void)
{
    narrate("It prints what a terminal must not obey.");
    expect_end(start(SERVER, "garbage", NULL), 0);
    abridge("*many*", 2);
    struct program *echo = start(SERVER, "echo-lines", NULL);
    send_bytes(echo, "many 1\nmany 2\nmany 3\nmany 4\nlast\n", 33);
    close_input(echo);
    wait_end(echo);
}

CHECKER("00-selftest", "the harness itself")
