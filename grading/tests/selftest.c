/*
 * selftest.c - a checker whose verdicts are known, for it judges a program that misbehaves as
 * it is told (wicked.c).
 *
 * The beginning of a test's id says what must come of it, and its hint is a regular expression
 * that the report must fit; grading/tests/judge compares:
 *
 *     pass_     passed, and nothing is left
 *     fail_     failed, for a reason that fits the hint
 *     late_     the same, after a wait in vain
 *     skip_     skipped, for a reason that fits the hint
 *     error_    not judged, because the kit itself failed, with a message that fits the hint
 *     left_     passed, and something is left: a finding fits the hint
 *     left_failed_   the same, but failed
 *
 * Those that wait in vain, or whose processes have to be waited for, begin with l: they get a
 * shorter limit, and the one that begins with slow a still shorter one.
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

static void needs_unix(void)
{
    if (under_test() != UNIX)
        skip_test("only UNIX has such a thing");
}

/* Objects whose names are not the kit's can be told from those of others in a room alone. */
static void needs_room(void)
{
    const char *room = getenv("PRIVATE_ROOM");
    if (room == NULL || strcmp(room, "yes") != 0)
        skip_test("needs a private room");
}

/* ---- What must pass ------------------------------------------------------------------- */

TEST(pass_unix_probe, .name = "a probe of UNIX talks, whatever system the run is about")
{
    struct program *peer = start_unix_probe("peer", NULL);
    send_bytes(peer, "listen 127.0.0.1\n", 17);
    const char *line = wait_line_like(peer, "peer: listening at *");
    char *command = text("connect 1 127.0.0.1 %s\naccept 2\n", strrchr(line, ' ') + 1);
    send_bytes(peer, command, strlen(command));
    wait_line(peer, "peer: 1 connected");
    wait_line(peer, "peer: 2 accepted");
    close_input(peer);
    expect_end(peer, 0);
}

TEST(pass_echo, .name = "lines come back, one byte at a time, too")
{
    struct program *wicked = start(SERVER, "echo-lines", NULL);
    const char *word = token();
    char *line = text("%s\n", word);
    send_bytes(wicked, line, strlen(line));
    wait_line(wicked, "wicked: received %s", word);
    trickle_bytes(wicked, "drop by drop\n", 13);
    wait_line(wicked, "wicked: received drop by drop");
    if (!is_running(wicked))
        fail_test("it is not running");
    close_input(wicked);
    wait_line(wicked, "wicked: end of input");
    expect_end(wicked, 0);
    if (count_lines(wicked, "wicked: received *") != 2 || is_running(wicked))
        fail_test("there are not two lines, or it still runs");
}

/* The only Wine server that there is in a room; 0 for none. */
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

TEST(pass_wine_files, .name = "Wine's own server may open as many files as is allowed")
{
    const char *room = getenv("PRIVATE_ROOM");
    if (under_test() == UNIX || on_windows() || room == NULL || strcmp(room, "yes") != 0)
        return;
    pid_t server = wine_server_in_room();
    struct rlimit limit;
    if (server == 0 || prlimit(server, RLIMIT_NOFILE, NULL, &limit) == -1)
        fail_test("it is not there");
    if (limit.rlim_cur != limit.rlim_max)
        fail_test("expected %lu, got %lu", (unsigned long)limit.rlim_max,
                  (unsigned long)limit.rlim_cur);
}

TEST(pass_wine_falls, .name = "a test in which Wine's own server falls is repeated")
{
    const char *room = getenv("PRIVATE_ROOM"), *prefix = getenv("WINEPREFIX");
    const char *fell = text("%s/fell", prefix == NULL ? "" : prefix);
    bool falls = under_test() == WIN32 && !on_windows() && room != NULL &&
                 strcmp(room, "yes") == 0 && access(fell, F_OK) == -1;
    if (falls && mkdir(fell, 0700) == -1)
        fail_test("the mark cannot be made");
    struct program *wicked = start(SERVER, "echo-lines", NULL);
    send_bytes(wicked, "one\n", 4);
    wait_line(wicked, "wicked: received one");
    if (falls)
        kill(wine_server_in_room(), SIGKILL);
    send_bytes(wicked, "two\n", 4);
    wait_line(wicked, "wicked: received two");
    close_input(wicked);
    expect_end(wicked, 0);
}

TEST(pass_megabytes, .name = "8 MB go out and come back at once")
{
    struct program *wicked = start(SERVER, "echo", NULL);
    char *bytes = random_bytes(MEGABYTES, 0, 255);
    size_t length;
    if (offer_bytes(wicked, bytes, MEGABYTES) != MEGABYTES)
        fail_test("not all went out");
    close_input(wicked);
    expect_end(wicked, 0);
    const char *output = output_of(wicked, &length);
    expect_bytes("the echo", bytes, MEGABYTES, bytes, MEGABYTES, output, length);
}

TEST(pass_messages, .name = "messages of any length are told apart by their last byte")
{
    struct program *wicked = start(SERVER, "echo", NULL);
    size_t length, other;
    char *bytes = random_bytes(300000, 'a', 'z');
    bytes[0] = bytes[200000] = bytes[299999] = '\0';
    send_bytes(wicked, bytes, 300000);
    receive_until(wicked, '\0', &length);
    if (length != 1)
        fail_test("the first message has %zu bytes", length);
    receive_until(wicked, '\0', &length);
    char *last = receive_until(wicked, '\0', &other);
    if (length != 200000)
        fail_test("the second message has %zu bytes", length);
    expect_bytes("the third message", NULL, 0, bytes + 200001, 99999, last, other);
}

TEST(pass_exit_code, .name = "an exit code is told as it is")
{
    expect_end(start(SERVER, "exit", "3", NULL), 3);
    expect_end(start(SERVER, "exit", "255", NULL), 255);
    expect_end(start(SERVER, NULL), 0);
}

TEST(pass_crash, .name = "a crash is an end")
{
    struct program *wicked = start(SERVER, "crash", NULL);
    wait_line(wicked, "wicked: ready");
    int code = wait_end(wicked);
    if (code != (under_test() == UNIX ? 128 + SIGSEGV : 5))
        fail_test("wait_end returns %d", code);
}

TEST(pass_silenced, .name = "the end of a program that has closed its outputs is seen")
{
    struct program *wicked = start(SERVER, "close-output-exit", NULL);
    wait_silence(wicked);
    expect_end(wicked, 5);
}

TEST(pass_no_newline, .name = "a last line without a newline is a line")
{
    struct program *wicked = start(SERVER, "no-newline", NULL);
    wait_line(wicked, "wicked: half a li");
    expect_end(wicked, 0);
}

TEST(pass_crlf, .name = "a line may end with CR and LF")
{
    struct program *wicked = start(SERVER, "crlf", NULL);
    wait_line(wicked, "wicked: one");
    wait_line(wicked, "wicked: two");
    expect_end(wicked, 0);
}

TEST(pass_descriptor, .name = "the checker's own descriptors are waited for, too")
{
    struct program *wicked = start(SERVER, "echo-lines", NULL);
    int ends[2];
    char byte = 0;
    if (pipe(ends) == -1)
        kit_error("pipe");
    send_bytes(wicked, "one\n", 4);
    wait_line(wicked, "wicked: received one");
    if (write(ends[1], "x", 1) != 1)
        kit_error("write");
    wait_descriptor(ends[0], "a byte");
    if (read(ends[0], &byte, 1) != 1 || byte != 'x')
        fail_test("it is not there");
}

TEST(pass_long_line, .name = "a line of 80000 characters is a line")
{
    struct program *wicked = start(SERVER, "long-line", NULL);
    const char *line = wait_line_like(wicked, "0*f");
    if (strlen(line) != 80000)
        fail_test("it has %zu", strlen(line));
}

TEST(pass_killed, .name = "what ignores every signal but one is killed by that")
{
    struct program *wicked = start(SERVER, "hang", NULL);
    wait_line(wicked, "wicked: ready");
    kill_program(wicked);
    if (is_running(wicked))
        fail_test("it still runs");
    send_signal(wicked, SIGTERM); /* to nobody, which is no error */
}

TEST(pass_kill_child, .name = "a child is found by its name and killed")
{
    struct program *wicked = start(SERVER, "child-hang", NULL);
    wait_line(wicked, "wicked: ready");
    kill_child(wicked, "wicked");
    kill_program(wicked);
    wait_silence(wicked);
}

TEST(pass_still_running, .name = "what still runs when the test is over is ended with it")
{
    for (int i = 0; i < 5; i++)
        wait_line(start(SERVER, "hang", NULL), "wicked: ready");
}

TEST(pass_flooding, .name = "a flood ends with the test, too")
{
    struct program *wicked = start(SERVER, "flood", NULL);
    size_t length;
    wait_line(wicked, "wicked: and on, and on");
    output_of(wicked, &length);
    count_lines(wicked, "*");
}

TEST(pass_environment, .name = "input that has ended, and other options, arrive")
{
    struct start_options closed = {.closed_input = true};
    struct program *wicked = start_with(SERVER, closed, "echo-lines", NULL);
    wait_line(wicked, "wicked: end of input");
    expect_end(wicked, 0);
}

TEST(pass_output_closed, .name = "who reads no more is no trouble")
{
    struct program *wicked = start(SERVER, "echo-lines", NULL);
    close_output(wicked);
    offer_bytes(wicked, "hello\n", 6);
    close_input(wicked);
    wait_end(wicked);
}

TEST(pass_copy, .name = "a copy of the program runs in the scratch folder")
{
    struct start_options copied = {.file = copy_program(SERVER, "copied")};
    wait_line(start_with(SERVER, copied, "hang", NULL), "wicked: ready");
    kill_child(start(SERVER, "hang", NULL), "copied");
}

TEST(pass_idle, .name = "who waits is idle")
{
    struct program *wicked = start(SERVER, "echo-lines", NULL);
    send_bytes(wicked, "hello\n", 6);
    wait_line(wicked, "wicked: received hello");
    expect_idle(wicked, 0.3, 30);
}

TEST(pass_terminal_input, .name = "a terminal for input: lines, and the end of input")
{
    struct start_options typed = {.terminal_input = true};
    struct program *wicked = start_with(SERVER, typed, "terminals", NULL);
    wait_line(wicked, "wicked: input 1, output 0, errors 0");
    send_bytes(wicked, "hello\n", 6);
    wait_line(wicked, "wicked: received hello");
    close_input(wicked);
    wait_line(wicked, "wicked: end of input");
    expect_end(wicked, 0);
    if (printed_like(wicked, "hello*"))
        fail_test("the terminal echoes");
}

TEST(pass_terminal, .name = "a terminal for everything: lines, and the end of input")
{
    struct start_options typed = {.terminal_input = true, .terminal_output = true};
    struct program *wicked = start_with(SERVER, typed, "terminals", NULL);
    wait_line(wicked, "wicked: input 1, output 1, errors 1");
    send_bytes(wicked, "hello\n", 6);
    wait_line(wicked, "wicked: received hello");
    close_input(wicked);
    wait_line(wicked, "wicked: end of input");
    expect_end(wicked, 0);
}

TEST(pass_terminal_output, .name = "a terminal for output alone")
{
    struct start_options shown = {.terminal_output = true};
    struct program *wicked = start_with(SERVER, shown, "terminals", NULL);
    wait_line(wicked, "wicked: input 0, output 1, errors 1");
    close_input(wicked);
    wait_line(wicked, "wicked: end of input");
    expect_end(wicked, 0);
    wait_silence(wicked);
}

/* ---- What must fail at once ----------------------------------------------------------- */

TEST(fail_silent, .hint = "^the server exited with code 0 without a line wicked: ready$",
     .name = "a program that ends without a word")
{
    wait_line(start(SERVER, NULL), "wicked: ready");
}

TEST(fail_exit_code, .hint = "^the server exited with code 3; expected: exit code 0$",
     .name = "a wrong exit code")
{
    expect_end(start(SERVER, "exit", "3", NULL), 0);
}

TEST(fail_crash,
     .hint = "^the server (was ended by signal 11 \\(Seg.*\\)|exited with code 5)",
     .name = "a crash")
{
    expect_end(start(SERVER, "crash", NULL), 0);
}

TEST(fail_signal, .hint = "^the server (was ended by signal 6 |exited with code 6)",
     .name = "an end by a signal")
{
    wait_line(start(SERVER, "die", "6", NULL), "wicked: ready");
}

TEST(fail_nul, .hint = "without a line wicked: done$",
     .name = "a line with a NUL in it is not the line before the NUL")
{
    wait_line(start(SERVER, "nul", NULL), "wicked: done");
}

TEST(fail_pattern, .hint = "without a line like wicked: \\?\\?\\?\\?\\?$",
     .name = "a line that fits no pattern")
{
    wait_line_like(start(SERVER, "crlf", NULL), "wicked: ?????");
}

TEST(fail_order, .hint = "without a line wicked: one$",
     .name = "lines in another order than expected")
{
    struct program *wicked = start(SERVER, "crlf", NULL);
    wait_line(wicked, "wicked: two");
    wait_line(wicked, "wicked: one");
}

TEST(fail_garbage, .hint = "without a line .xC3\\( .x1B\\[31m$",
     .name = "output that is no text")
{
    wait_line(start(SERVER, "garbage", NULL), "\xC3\x28 \x1B[31m");
}

TEST(fail_forged, .hint = "^nothing of that counts$",
     .name = "output that looks like a report")
{
    struct program *wicked = start(SERVER, "forge", NULL);
    expect_end(wicked, 0);
    fail_test("nothing of that counts");
}

TEST(fail_long_reason, .hint = "^the line is 0123.* \\.\\.\\.$",
     .name = "a reason that quotes far too much")
{
    fail_test("the line is %s", wait_line_like(start(SERVER, "long-line", NULL), "0*"));
}

TEST(fail_changed_byte, .hint = "^the echo is not what it should be$",
     .name = "one byte of many is not what was sent")
{
    struct program *wicked = start(SERVER, "echo-changed", NULL);
    char *bytes = random_bytes(400, 'a', 'y'); /* 200 is where wicked.c changes one */
    bytes[200] = 'Q';
    send_bytes(wicked, bytes, 400);
    close_input(wicked);
    expect_end(wicked, 0);
    size_t length;
    const char *output = output_of(wicked, &length);
    expect_bytes("the echo", bytes, 400, bytes, 400, output, length);
}

TEST(fail_cut_short, .hint = "^the text is cut short$", .name = "bytes are missing")
{
    expect_bytes("the text", NULL, 0, "abcdef", 6, "abc", 3);
}

TEST(fail_too_much, .hint = "^the text has more at its end than it should$",
     .name = "there are bytes too many")
{
    expect_bytes("the text", "abc", 3, "abc", 3, "abc\n\x1B[2J", 8);
}

TEST(fail_cyrillic, .hint = "^the text is not what it should be$",
     .name = "the difference is inside of a character")
{
    expect_bytes("the text", NULL, 0, "\xD0\xBF\xD1\x80\xD0\xB8", 6,
                 "\xD0\xBF\xD1\x83\xD0\xB8", 6);
}

TEST(fail_no_child, .hint = "^the server has no child that runs nobody$",
     .name = "a child that is not there")
{
    struct program *wicked = start(SERVER, "hang", NULL);
    wait_line(wicked, "wicked: ready");
    kill_child(wicked, "nobody");
}

TEST(fail_busy,
     .hint = "^while nothing happened the server and its children used [0-9]+ %",
     .name = "who waits in a loop is not idle")
{
    struct program *wicked = start(SERVER, "spin", NULL);
    wait_line(wicked, "wicked: ready");
    expect_idle(wicked, 1.0, 5); /* a spinner on a busy machine has its share, too */
}

TEST(fail_no_file, .hint = "^the file nothing was not written$",
     .name = "a file that is not there")
{
    size_t length;
    read_file("nothing", &length);
}

TEST(fail_absent,
     .hint = "^the absent could not be started: .*: No such file or directory$",
     .name = "a program that is not there")
{
    struct start_options absent = {.name = "absent"};
    start_with(SERVER, absent, NULL);
}

TEST(fail_cut_output,
     .hint = "^the server exited with code 0 without a line nothing \\(and has "
             "printed so much that 79001 bytes of it were not kept\\)$",
     .name = "more output than is kept")
{
    struct start_options little = {.output_limit = 1000};
    struct program *wicked = start_with(SERVER, little, "long-line", NULL);
    wait_end(wicked);
    size_t length;
    output_of(wicked, &length);
    if (length != 1000)
        kit_error("%zu bytes are kept", length);
    wait_line(wicked, "nothing");
}

TEST(fail_cut_message,
     .hint = "^the server has printed more than 1000 bytes on standard output",
     .name = "a message longer than what is kept")
{
    struct start_options little = {.output_limit = 1000};
    struct program *wicked = start_with(SERVER, little, "flood", NULL);
    size_t length;
    receive_until(wicked, '\0', &length);
}

TEST(fail_ended_message,
     .hint = "^standard output of the server has ended, .* came \"wicked: "
             "one.x0D.nwicked: two.x0D.n\"$",
     .name = "a message without its end")
{
    size_t length;
    receive_until(start(SERVER, "crlf", NULL), '\0', &length);
}

TEST(fail_input_closed,
     .hint = "^the server closed its standard input after [0-9]+ of 8388608",
     .name = "a program that ends before it has read all")
{
    struct program *wicked = start(SERVER, "exit", "0", NULL);
    send_bytes(wicked, random_bytes(MEGABYTES, 'a', 'z'), MEGABYTES);
}

TEST(fail_tokens, .hint = "^the words are [a-z0-9]{13} and [a-z0-9]{13}, [a-z]{8}$",
     .name = "words by chance, for the judge to compare")
{
    const char *one = token(), *two = token();
    fail_test("the words are %s and %s, %s", one, two, random_bytes(8, 'a', 'z'));
}

TEST(fail_alone, .judges = PAIR, .hint = "^of its own accord$",
     .name = "a failure that has nothing to do with any program")
{
    fail_test("of its own accord");
}

/* ---- What must fail after a wait in vain ---------------------------------------------- */

TEST(late_hang,
     .hint = "^waited [0-9]+ seconds for a line wicked: done; the server is still "
             "running$",
     .name = "a program that hangs, and ignores signals")
{
    struct program *wicked = start(SERVER, "hang", NULL);
    wait_line(wicked, "wicked: ready");
    if (under_test() == UNIX) /* Wine's processes end by it, whatever the program wants */
        send_signal(wicked, SIGTERM);
    wait_line(wicked, "wicked: done");
}

TEST(late_end, .hint = "^the server has not ended; waited for [0-9]+ seconds$",
     .name = "a program that goes on after the end of its input")
{
    struct program *wicked = start(SERVER, "read-all-go-on", NULL);
    send_bytes(wicked, "hello\n", 6);
    close_input(wicked);
    wait_line(wicked, "wicked: ready");
    expect_end(wicked, 0);
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

TEST(late_deaf,
     .hint = "^for [0-9]+ seconds the server has not read its standard input: "
             "[0-9]+ of 8388608 bytes are sent$",
     .name = "a program that never reads its input")
{
    struct program *wicked = start(SERVER, "hang", NULL);
    wait_line(wicked, "wicked: ready");
    send_bytes(wicked, random_bytes(MEGABYTES, 'a', 'z'), MEGABYTES);
}

TEST(late_flood,
     .hint = "^the server has not printed a line wicked: done "
             "\\(and has printed so much that [0-9]+ bytes",
     .name = "a program that prints lines without end")
{
    struct start_options little = {.output_limit = 100000};
    wait_line(start_with(SERVER, little, "flood", NULL), "wicked: done");
}

TEST(late_endless_line, .hint = "^the server has not ended",
     .name = "a program that prints a line without end")
{
    wait_end(start(SERVER, "endless-line", NULL));
}

TEST(late_no_newline,
     .hint = "^waited [0-9]+ seconds for a line wicked: half a line; the server "
             "is still running$",
     .name = "a line that is not finished")
{
    wait_line(start(SERVER, "no-newline-hang", NULL), "wicked: half a line");
}

TEST(late_silence, .hint = "^somebody still holds the standard error of the server after",
     .name = "a child that holds an output")
{
    struct program *wicked = start(SERVER, "child", NULL);
    expect_end(wicked, 0);
    wait_silence(wicked);
}

TEST(late_message,
     .hint = "^the server has sent nothing for [0-9]+ seconds, and the byte .x00",
     .name = "a message whose end does not come")
{
    size_t length;
    receive_until(start(SERVER, "hang", NULL), '\0', &length);
}

/* Alone in its run, with a limit still shorter. */
TEST(slow_chatter,
     .hint = "^the whole test has taken [0-9]+ seconds, and comes to no end$",
     .name = "a program that prints now and then, without end")
{
    wait_line(start(SERVER, "chatter", NULL), "wicked: done");
}

/* ---- What is not judged --------------------------------------------------------------- */

TEST(skip_reason, .hint = "^not possible here: .x1B\\[31m$",
     .name = "a test that is skipped")
{
    wait_line(start(SERVER, "hang", NULL), "wicked: ready");
    skip_test("not possible here: %s", "\x1B[31m");
}

TEST(error_reason, .hint = "^the kit is to blame$", .name = "a test whose own means fail")
{
    wait_line(start(SERVER, "hang", NULL), "wicked: ready");
    kit_error("the kit is to blame");
}

TEST(error_crash, .hint = "signal 11", .name = "a test that crashes")
{
    struct program *wicked = start(SERVER, "hang", NULL);
    wait_line(wicked, "wicked: ready");
    raise(SIGSEGV);
}

TEST(error_killed, .hint = "signal 9", .name = "a test whose process is killed")
{
    struct program *wicked = start(SERVER, "hang", NULL);
    wait_line(wicked, "wicked: ready");
    raise(SIGKILL);
}

TEST(error_exit, .hint = "^the test's own process has given no verdict",
     .name = "a test that ends its own process")
{
    exit(0);
}

/* ---- What is left --------------------------------------------------------------------- */

TEST(left_child, .hint = "^process [0-9]+ still runs: .*wicked.* silent-hang$",
     .name = "a child that lives on")
{
    expect_end(start(SERVER, "child", NULL), 0);
}

TEST(left_daemon, .hint = "^process [0-9]+ still runs: .*wicked.* silent-hang$",
     .name = "a child that has cut every tie")
{
    expect_end(start(SERVER, "daemonise", NULL), 0);
}

TEST(left_family, .hint = "^process [0-9]+ still runs: .*wicked.* silent-hang$",
     .name = "many children that live on")
{
    expect_end(start(SERVER, "family", NULL), 0);
}

TEST(left_hopping, .hint = "^process [0-9]+ still runs: .*wicked",
     .name = "a process that starts itself anew again and again")
{
    expect_end(start(SERVER, "hop", NULL), 0);
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
     .name = "POSIX shared memory by a name of its own")
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

TEST(left_failed_child, .hint = "^process [0-9]+ still runs: .*wicked.* silent-hang$",
     .name = "a test that fails, and whose child lives on")
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
    narrate("It prints what no terminal should obey.");
    expect_end(start(SERVER, "garbage", NULL), 0);
    abridge("*many*", 2);
    struct program *echo = start(SERVER, "echo-lines", NULL);
    send_bytes(echo, "many 1\nmany 2\nmany 3\nmany 4\nlast\n", 33);
    close_input(echo);
    wait_end(echo);
}

CHECKER("00-selftest", "the harness itself")
