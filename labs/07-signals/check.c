/*
 * check.c - judges lab 07 from outside, by the contract alone.
 *
 * A server gets its signals from this checker, by its process ID. Under Wine it gets SIGINT,
 * which arrives as Ctrl-C. On Windows a probe on its console sends the event (launcher.c). The
 * same probe starts a server with signals blocked or ignored, on a console of other colours,
 * or with output that is not read. stepper.c steps through a server by instructions. A client
 * starts a server that follows a script (scripted_server.c); on Windows both are on a console.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "contract.h"
#include "harness.h"

/* How many signals a storm has, and how many wait in a queue. */
#define STORM 300
#define QUEUE 400

/* ---- What the tests share ----------------------------------------------------------- */

/* The name of Ctrl-C. */
static const char *interrupt_name(void)
{
    return under_test() == UNIX ? "SIGINT" : "CTRL_C_EVENT";
}

/* Waits until the server is ready. Returns its process ID, which it prints. */
static pid_t ready(struct program *server)
{
    const char *line = wait_line_like(server, "server: ready *");
    char *end;
    long pid = strtol(line + strlen("server: ready "), &end, 10);
    if (pid <= 1 || *end != '\0')
        fail_test("expected a process ID after \"server: ready\", got: %s", line);
    return under_test() == UNIX ? process_told((pid_t)pid) : (pid_t)pid;
}

/* Windows: a probe joins the console of the process `pid`, and sends the event ("0": Ctrl-C, "1":
 * Ctrl-Break) to the process group of `leader`, 0 for all processes of the console. */
static void send_event(const char *event, pid_t leader, pid_t pid)
{
    expect_end(start_probe("launcher", "send", event, text("%ld", (long)leader),
                           text("%ld", (long)pid), NULL),
               0);
}

/* Sends Ctrl-C. */
static void interrupt(struct program *server, pid_t pid)
{
    if (under_test() == UNIX)
        kill(pid, SIGINT);
    else if (!on_windows())
        send_signal(server, SIGINT);
    else
        send_event("0", 0, pid);
}

/* Sends Ctrl-C to all processes on the terminal of a program, as its keyboard would. On UNIX
 * the key is typed. Wine ignores the keyboard until a program reads it: there a probe joins the
 * console of the process `pid`. If the event is for all processes of a console, Wine takes all
 * of one process group: that of the process `leader`. */
static void press_ctrl_c(struct program *program, pid_t pid, pid_t leader)
{
    if (under_test() == UNIX)
        send_bytes(program, "\x03", 1);
    else
        send_event("0", on_windows() ? 0 : leader, pid);
}

/* The process group of the probe "launcher" and of what it starts. */
static pid_t group_of(struct program *launcher)
{
    const char *line = wait_line_like(launcher, "*test: process *");
    return (pid_t)strtol(strstr(line, "process ") + strlen("process "), NULL, 10);
}

/* Waits for the server's report of a signal that this process has sent by kill. */
static void expect_report(struct program *server, const char *name)
{
    if (under_test() == UNIX)
        wait_line(server, "server: received \"%s\" from %ld", name, (long)our_number());
    else
        wait_line(server, "server: received \"%s\"", name);
}

/* Sends Ctrl-C, and waits for the report. */
static void expect_interrupt(struct program *server, pid_t pid)
{
    interrupt(server, pid);
    expect_report(server, interrupt_name());
}

/* Waits until a program exits with 0, after it has printed `last` ("server: done") once. */
static void expect_last(struct program *program, const char *last)
{
    wait_line(program, "%s", last);
    expect_end(program, 0);
    size_t count = count_lines(program, last);
    if (count != 1)
        fail_test("expected one line \"%s\", got %zu", last, count);
}

/* Ends the server's input, and waits until it exits with 0. */
static void expect_done(struct program *server)
{
    close_input(server);
    expect_last(server, "server: done");
}

/* Waits until a process of UNIX is stopped, and lets it continue. */
static void stop_and_continue(pid_t pid)
{
    kill(pid, SIGSTOP);
    for (int tries = 0;; tries++) {
        char line[256] = "";
        FILE *file = fopen(text("/proc/%ld/stat", (long)pid), "re");
        if (file == NULL || fgets(line, sizeof line, file) == NULL || tries == 5000)
            kit_error("process %ld does not stop", (long)pid);
        fclose(file);
        const char *state = strrchr(line, ')'); /* "1234 (name) T ..." */
        if (state != NULL && strncmp(state, ") T", 3) == 0)
            break;
        usleep(1000);
    }
    kill(pid, SIGCONT);
}

/* Sends a signal with a value. If the queue is full, no program is to blame. */
static void send_value(pid_t pid, int number, int value)
{
    if (sigqueue(pid, number, (union sigval){.sival_int = value}) == -1)
        kit_error("sigqueue failed; see ulimit -i");
}

static const char *reports(const char *name)
{
    return text("server: received \"%s\"*", name);
}

/* The colours in which a terminal paints: ANSI numbers, or -1 for its own. */
struct paint {
    int text, ground;
};

/* Follows one sequence "ESC [ numbers m". */
static void take_colours(struct paint *paint, const char *numbers)
{
    int codes[16] = {0}, count = 0;
    do {
        codes[count++] = (int)strtol(numbers, (char **)&numbers, 10);
    } while (*numbers++ == ';' && count < 16);
    for (int i = 0; i < count; i++) {
        int code = codes[i];
        if (code == 0)
            *paint = (struct paint){-1, -1};
        else if ((code == 38 || code == 48) && i + 2 < count && codes[i + 1] == 5) {
            *(code == 38 ? &paint->text : &paint->ground) = codes[i + 2];
            i += 2;
        } else if (code >= 30 && code <= 37)
            paint->text = code - 30;
        else if (code >= 90 && code <= 97)
            paint->text = code - 90 + 8;
        else if (code == 39)
            paint->text = -1;
        else if (code >= 40 && code <= 47)
            paint->ground = code - 40;
        else if (code == 49)
            paint->ground = -1;
    }
}

/* Whether these are the colours of the terminal. White on black are those of many terminals: a
 * program of UNIX may put them back, too. */
static bool are_the_terminals(struct paint paint)
{
    return (paint.text == -1 || paint.text == 7) &&
           (paint.ground == -1 || paint.ground == 0);
}

/* How many characters but blanks a program has printed in these colours. `*first` and `*last`
 * become the colours of the first and the last of them. Fails if a program of UNIX prints a newline in
 * other colours than the terminal's: some terminals then paint the whole next line. */
static size_t painted(struct program *program, int text_colour, int ground,
                      struct paint *first, struct paint *last)
{
    size_t length, count = 0;
    const char *output = output_of(program, &length);
    struct paint paint = {-1, -1};
    bool begun = false;
    for (size_t i = 0; i < length; i++) {
        if (output[i] == '\033' && i + 1 < length && output[i + 1] == '[') {
            size_t end = i + 2;
            while (end < length && output[end] >= ' ' && output[end] <= '?')
                end++;
            if (end < length && output[end] == 'm' && output[i + 2] != '?')
                take_colours(&paint, output + i + 2);
            i = end;
        } else if (output[i] > ' ') {
            count += paint.text == text_colour && paint.ground == ground;
            *(begun ? last : first) = paint;
            begun = true;
        } else if (output[i] == '\n' && under_test() == UNIX &&
                   !are_the_terminals(paint)) {
            fail_test(
                "expected the terminal's own colours before the newline, got %d on %d",
                paint.text, paint.ground);
        }
    }
    return count;
}

/* Fails unless the report of the event was printed in its colours. */
static void expect_colours(struct program *server, const char *name, const char *reported)
{
    struct paint first = {-1, -1}, last = {-1, -1}, wanted = {-1, -1};
    take_colours(&wanted, event_named(name)->colours);
    size_t count = painted(server, wanted.text, wanted.ground, &first, &last);
    size_t least = strlen("server:received") + strlen(reported) + 2;
    if (count < least)
        fail_test(
            "expected all %zu characters of the report in colours %d on %d, got %zu",
            least, wanted.text, wanted.ground, count);
}

static struct program *start_on_terminal(const char *count)
{
    struct start_options terminal = {.terminal_input = true, .terminal_output = true};
    return start_with(SERVER, terminal, count, NULL);
}

/* A client of Windows has a console, on which it sends events. */
static struct start_options on_a_console(void)
{
    return (struct start_options){.terminal_input = under_test() == WIN32};
}

/* Starts the client with the server of the pair, and up to three events to send. */
static struct program *start_pair(const char *first, const char *second,
                                  const char *third)
{
    return start_with(CLIENT, on_a_console(), path_of(SERVER, NULL), first, second, third,
                      NULL);
}

static void expect_exchange(struct program *client, const char *name, int value)
{
    if (under_test() == UNIX)
        wait_line(client, "client: sent \"%s\", value %d", name, value);
    else
        wait_line(client, "client: sent \"%s\"", name);
    wait_line_like(client,
                   under_test() == UNIX
                       ? text("server: received \"%s\" from *, value %d", name, value)
                       : text("server: received \"%s\"", name));
}

/* Starts the client with a server that follows `script`, and up to three events to send. */
static struct program *start_with_scripted_server(const char *script, const char *first,
                                                  const char *second, const char *third)
{
    const char *scripted_server = place_probe("scripted_server", "server", script);
    return start_with(CLIENT, on_a_console(), scripted_server, first, second, third,
                      NULL);
}

/* Waits for the scripted server's line about an event that came from its parent. */
static void expect_got(struct program *client, const char *name, int value)
{
    if (under_test() == UNIX)
        wait_line(client, "test: got %s, value %d, from the parent", name, value);
    else
        wait_line(client, "test: got %s", name);
}

static const char *answer(const char *name)
{
    return text("await\ntell server: received \"%s\"\n", name);
}

/* ==== Basic ===================================================================== */

TEST(
    reports_each, .judges = SERVER, .stage = BASIC, .points = 3, .step = 7,
    .name = "each Ctrl-C is reported, and the server goes on",
    .hint_unix =
        "Install the handler with sigaction() and without SA_RESETHAND, so that it stays installed. "
        "A read() that fails with EINTR is not the end of the input. Print each report at once" FLUSH_AT_ONCE,
    .hint_win32 =
        "Return TRUE from the handler for CTRL_C_EVENT: FALSE ends the process. Print each report at once" FLUSH_AT_ONCE)
{
    look_at(SERVER, 4, "Install the handler, then " LINE_AT_ONCE);
    struct program *server = start(SERVER, NULL);
    pid_t pid = ready(server);
    look_at(SERVER, 0, NULL);
    for (int i = 0; i < 5; i++)
        expect_interrupt(server, pid);
    if (!is_running(server))
        fail_test("expected the server to go on after five events, but it has ended");
    if (count_lines(server, reports(interrupt_name())) != 5)
        fail_test("expected 5 reports, got %zu",
                  count_lines(server, reports(interrupt_name())));
}

TEST(
    input_ends, .judges = SERVER, .stage = BASIC, .needs = "reports_each", .points = 2,
    .step = 5,
    .name = "the end of standard input ends the server, the bytes in it do not",
    .hint_unix =
        "Wait for the signals and for POLLHUP on standard input at the same time, and ignore the bytes. At the end print \"server: done\".",
    .hint_win32 =
        "Read standard input in a thread of its own until ReadFile() fails or returns 0 bytes. Then print \"server: done\" and end.")
{
    struct program *server = start(SERVER, "5", NULL);
    pid_t pid = ready(server);
    send_bytes(server, "exit\n\x03\x1A\x04", 8);
    expect_interrupt(server, pid);
    expect_done(server);
    size_t count = count_lines(server, reports(interrupt_name()));
    if (count != 1)
        fail_test("expected one report, got %zu", count);
}

/* Windows: the hints if the first event is sent and not reported. If not `first`, those of the
 * test. */
static void look_at_first_event(bool first)
{
    int step = first && under_test() == WIN32 ? 3 : 0;
    look_at(SERVER, step,
            "In a new process group Ctrl-C is ignored at first: call "
            "SetConsoleCtrlHandler(NULL, FALSE) before you print \"ready\".");
    look_at(CLIENT, step,
            "Start the server with CREATE_NEW_PROCESS_GROUP, and pass its process ID to "
            "GenerateConsoleCtrlEvent(): it is the number of the new group.");
}

TEST(
    conversation_of_three, .judges = PAIR, .stage = BASIC, .needs = "input_ends",
    .points = 3, .step = 5, .client_step = 5,
    .name = "three events are sent and reported, and both programs exit with 0",
    .hint = "Report each event as it comes, and end when standard input ends.",
    .client_hint =
        "Send an event, wait for the server's line about it, then send the next. After the last, close the server's standard input.")
{
    const char *name = interrupt_name();
    struct program *client = start_pair(name, name, name);
    wait_line_like(client, "server: ready *");
    for (int i = 1; i <= 3; i++) {
        look_at_first_event(i == 1);
        expect_exchange(client, name, i);
    }
    wait_line(client, "server: done");
    look_at(
        CLIENT, 3,
        under_test() == UNIX
            ? "If the client still reads, close the server's ends of both pipes after "
              "fork(): read() returns 0 only when no process has the write end open."
            : "If the client still reads, close the server's ends of both pipes after "
              "CreateProcess(): ReadFile() fails with ERROR_BROKEN_PIPE only when no "
              "process has the write end open.");
    wait_line(client, "client: server exited with code 0");
    look_at(CLIENT, 0, NULL);
    expect_last(client, "client: done");
    if (count_lines(client, "server: done") != 1)
        fail_test("expected one line \"server: done\", got %zu",
                  count_lines(client, "server: done"));
}

TEST(
    sends_in_order, .judges = CLIENT, .stage = BASIC, .needs = "conversation_of_three",
    .points = 3, .step = 5, .name = "the events are sent in the order of the arguments",
    .hint_unix =
        "Send with sigqueue(), with the number in the list as the value: kill() sends no value.",
    .hint_win32 =
        "Send each with GenerateConsoleCtrlEvent(), in the order of the arguments.")
{
    const char *names[] = {"SIGUSR1", "SIGINT", "SIGRTMIN"};
    for (size_t i = 0; i < 3 && under_test() == WIN32; i++)
        names[i] = "CTRL_C_EVENT";
    struct program *client = start_with_scripted_server(
        text("tell server: ready 1\n%s%s%sdrain\n", answer(names[0]), answer(names[1]),
             answer(names[2])),
        names[0], names[1], names[2]);
    for (int i = 0; i < 3; i++)
        expect_got(client, names[i], i + 1);
    wait_line(client, "test: end of input");
    wait_line(client, "client: server exited with code 0");
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(
    ends_after_count, .judges = SERVER, .stage = BASIC, .needs = "reports_each",
    .points = 2, .step = 6,
    .name =
        "after COUNT events the server prints \"server: done\" once and exits with 0, for 1, 2 and 7",
    .hint = "Count the events that you report, and print \"server: done\" in one place.")
{
    static const int counts[] = {1, 2, 7};
    for (size_t i = 0; i < 3; i++) {
        struct program *server = start(SERVER, text("%d", counts[i]), NULL);
        pid_t pid = ready(server);
        for (int n = 0; n < counts[i]; n++)
            expect_interrupt(server, pid);
        expect_last(server, "server: done");
    }
}

/* ==== Complete: the server ====================================================== */

TEST(
    ended_by_the_event, .judges = SERVER, .stage = COMPLETE, .needs = "reports_each",
    .points = 3, .step = 8,
    .name =
        "an event that is to end the server is reported, and the exit status shows it",
    .hint_unix =
        "Set SIG_DFL, call raise() and unblock the signal. exit(128 + n) is an exit code and no end by a signal.",
    .hint_win32 =
        "Return FALSE from the handler, so that the exit code is STATUS_CONTROL_C_EXIT.")
{
    if (under_test() == WIN32 && !on_windows())
        skip_test("needs Windows: Wine sends no CTRL_BREAK_EVENT");
    if (under_test() == WIN32) {
        struct program *server = start(SERVER, NULL);
        pid_t pid = ready(server);
        send_event("1", 0, pid);
        expect_end(server, 0x3A); /* of STATUS_CONTROL_C_EXIT, 0xC000013A */
        return;
    }
    static const char *const names[] = {"SIGQUIT", "SIGHUP", "SIGTERM"};
    for (size_t i = 0; i < 3; i++)
        for (int with_count = 0; with_count < 2; with_count++) {
            int number = event_named(names[i])->number;
            struct program *server = start(SERVER, with_count ? "1" : NULL, NULL);
            kill(ready(server), number);
            expect_report(server, names[i]);
            expect_signal(server, number);
            if (count_lines(server, reports(names[i])) != 1)
                fail_test("expected one report of %s, got %zu", names[i],
                          count_lines(server, reports(names[i])));
            if (printed_like(server, "server: done"))
                fail_test(
                    "expected no line \"server: done\" of a server that %s ends, got one",
                    names[i]);
        }
}

TEST(every_event, .judges = SERVER, .stage = COMPLETE, .needs = "input_ends", .points = 2,
     .step = 7,
     .name = "every event of the table is reported by its name, with its sender",
     .hint_unix =
         "Install the handler with SA_SIGINFO: its siginfo_t has the sender in si_pid.",
     .hint_win32 =
         "Compare the handler's argument with each event of the table in contract.h.")
{
    if (under_test() == WIN32 && !on_windows())
        skip_test("needs Windows: Wine sends CTRL_C_EVENT alone");
    if (under_test() == WIN32) {
        struct program *server = start(SERVER, NULL);
        pid_t pid = ready(server);
        send_event("1", 0, pid);
        expect_report(server, "CTRL_BREAK_EVENT");
        wait_end(server);
        return;
    }
    for (size_t i = 0; i < EVENTS; i++) {
        struct program *server = start(SERVER, NULL);
        pid_t pid = ready(server);
        kill(pid, event_number(&events[i]));
        expect_report(server, events[i].name);
        if (!events[i].ends)
            expect_done(server);
    }
}

TEST(values, .judges = SERVER, .unix_only = true, .stage = COMPLETE,
     .needs = "every_event", .points = 2, .step = 7,
     .name = "the value from sigqueue() is reported, for 0, -1 and the greatest",
     .hint = "Print si_value.sival_int if si_code is SI_QUEUE.")
{
    static const int numbers[] = {0, 1, -1, 7710, INT_MAX, INT_MIN};
    struct program *server = start(SERVER, NULL);
    pid_t pid = ready(server);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const char *name = i % 2 == 0 ? "SIGUSR1" : "SIGRTMIN";
        send_value(pid, event_number(event_named(name)), numbers[i]);
        wait_line(server, "server: received \"%s\" from %ld, value %d", name,
                  (long)our_number(), numbers[i]);
    }
    expect_done(server);
}

/* Starts the server by the command `by` ("" for none), in a process that has a child. */
static struct program *start_with_child(const char *by, pid_t *child)
{
    const char *script =
        text("#!/bin/sh\nsleep 100 >/dev/null & echo child $!\nexec %s '%s'\n", by,
             path_of(SERVER, NULL));
    struct program *server = start_with(
        SERVER,
        (struct start_options){.file = write_file(token(), script, strlen(script), 0755)},
        NULL);
    *child = process_told((pid_t)strtol(wait_line_like(server, "child *") + 6, NULL, 10));
    return server;
}

TEST(
    from_the_kernel, .judges = SERVER, .unix_only = true, .stage = COMPLETE,
    .needs = "every_event", .points = 1, .step = 7,
    .name = "the end of a child is reported as SIGCHLD without a sender",
    .hint =
        "In a SIGCHLD from the kernel si_pid is the child. Print a sender only if si_code is SI_USER or SI_QUEUE.")
{
    pid_t child;
    struct program *server = start_with_child("", &child);
    ready(server);
    kill(child, SIGKILL);
    wait_line(server, "server: received \"SIGCHLD\"");
    expect_done(server);
}

TEST(from_the_keyboard, .judges = SERVER, .stage = COMPLETE,
     .needs = "ended_by_the_event", .points = 2, .step = 7,
     .name = "Ctrl-C from the keyboard is reported without a sender",
     .hint_unix = "Print si_pid only if si_code is SI_USER or SI_QUEUE.",
     .hint_win32 = "A console event has no sender: print only its name.")
{
    struct program *server = start_on_terminal(NULL);
    pid_t pid = ready(server);
    for (int i = 0; i < 2; i++) {
        press_ctrl_c(server, pid, pid);
        const char *line = wait_line_like(server, text("*server: received \"%s\"*",
                                                       interrupt_name()));
        if (strstr(line, "from") != NULL || strstr(line, "value") != NULL)
            fail_test("expected no sender and no value, got: %s", line);
    }
    if (under_test() == UNIX) {
        send_bytes(server, "\x1c", 1);
        wait_line_like(server, "*server: received \"SIGQUIT\"*");
        expect_signal(server, SIGQUIT);
    }
}

TEST(
    terminal_closed, .judges = SERVER, .unix_only = true, .stage = COMPLETE,
    .needs = "ended_by_the_event", .points = 1, .step = 5,
    .name =
        "the end of a file or of /dev/null does not end the server; if its terminal is closed, SIGHUP does",
    .hint =
        "A terminal that is closed is at its end, too, and so is a file. Watch standard input only if it is a pipe: S_ISFIFO().")
{
    static const char *const inputs[] = {"/dev/null", "input"};
    write_file("input", "one line\n", 9, 0644);
    for (size_t i = 0; i < 2; i++) {
        const char *script = text("#!/bin/sh\nexec '%s' <%s\n", path_of(SERVER, NULL),
                                  inputs[i]);
        struct start_options options = {
            .file = write_file(token(), script, strlen(script), 0755)};
        struct program *server = start_with(SERVER, options, NULL);
        pid_t pid = ready(server);
        for (int n = 0; n < 5; n++)
            expect_interrupt(server, pid);
    }
    struct program *server =
        start_with(SERVER, (struct start_options){.terminal_input = true}, NULL);
    ready(server);
    hang_up(server);
    wait_line(server, "server: received \"SIGHUP\"");
    expect_signal(server, SIGHUP);
}

TEST(
    in_colour, .judges = SERVER, .stage = COMPLETE, .needs = "ends_after_count",
    .points = 2, .step = 7,
    .name =
        "on a terminal a report is in its colours, and the colours from before are back after it",
    .hint_unix =
        "Print ESC [ colours m before the report and ESC [ 0 m before the newline.",
    .hint_win32 = "Call SetConsoleTextAttribute() before the report and again after it.")
{
    struct program *server = start_on_terminal("2");
    pid_t pid = ready(server);
    for (int i = 0; i < 2; i++) {
        if (under_test() == UNIX)
            kill(pid, SIGINT);
        else
            press_ctrl_c(server, pid, pid);
        wait_line_like(server, text("*server: received \"%s\"*", interrupt_name()));
    }
    expect_end(server, 0);
    expect_colours(server, "SIGINT", interrupt_name());
    struct paint first = {-1, -1}, last = {-1, -1};
    painted(server, 0, 0, &first, &last);
    bool back = under_test() == UNIX
                    ? are_the_terminals(last)
                    : first.text == last.text && first.ground == last.ground;
    if (!back)
        fail_test(
            "expected the last line in colours %d on %d, as the first, got %d on %d",
            first.text, first.ground, last.text, last.ground);
}

TEST(other_colours, .judges = SERVER, .unix_only = true, .stage = COMPLETE,
     .needs = "in_colour", .points = 2, .step = 7,
     .name =
         "each kind of event has its own colours, and none of them stays on the terminal",
     .hint = "Print ESC [ 0 m before the signal ends the server.")
{
    static const char *const names[] = {"SIGQUIT", "SIGHUP", "SIGTERM", "SIGUSR1"};
    for (size_t i = 0; i < 4; i++) {
        struct program *server = start_on_terminal("1");
        kill(ready(server), event_named(names[i])->number);
        wait_line_like(server, text("*server: received \"%s\"*", names[i]));
        wait_end(server);
        expect_colours(server, names[i], names[i]);
        size_t length;
        const char *output = output_of(server, &length);
        struct paint end = {-1, -1};
        for (const char *at = output;
             (at = memchr(at, '\033', (size_t)(output + length - at))); at++)
            take_colours(&end, at + 2);
        if (!are_the_terminals(end))
            fail_test("expected the terminal's own colours after %s, got %d on %d",
                      names[i], end.text, end.ground);
    }
}

TEST(earlier_colours, .judges = SERVER, .win32_only = true, .stage = COMPLETE,
     .needs = "in_colour", .points = 2, .step = 2,
     .name = "the colours put back are those from before, not the usual ones",
     .hint =
         "GetConsoleScreenBufferInfo() returns the colours: keep them and put them back.")
{
    struct start_options terminal = {.probe = "launcher",
                                     .terminal_input = true,
                                     .terminal_output = true};
    struct program *server = start_with(SERVER, terminal, "colours", "2e",
                                        path_of(SERVER, NULL), "2", NULL);
    pid_t group = group_of(server), pid = ready(server);
    for (int i = 0; i < 2; i++) {
        press_ctrl_c(server, pid, group);
        wait_line_like(server, "*server: received \"CTRL_C_EVENT\"*");
    }
    wait_line_like(server, "*test: the colours are 2e*");
    expect_end(server, 0);
}

TEST(no_colours, .judges = SERVER, .stage = COMPLETE, .needs = "ends_after_count",
     .points = 1, .step = 2, .name = "output that is a pipe gets no colours",
     .hint_unix = "Use colours only if isatty(STDOUT_FILENO) returns 1.",
     .hint_win32 = "Use colours only if GetConsoleScreenBufferInfo() succeeds.")
{
    struct program *server =
        start_with(SERVER, (struct start_options){.terminal_input = true}, "1", NULL);
    pid_t pid = ready(server);
    if (under_test() == UNIX)
        kill(pid, SIGINT);
    else
        press_ctrl_c(server, pid, pid);
    expect_report(server, interrupt_name());
    expect_end(server, 0);
    size_t length;
    const char *output = output_of(server, &length);
    if (memchr(output, '\033', length) != NULL)
        fail_test("expected no control sequences in the output, got one");
}

TEST(
    idle, .judges = SERVER, .stage = COMPLETE, .needs = "input_ends", .points = 3,
    .step = 5,
    .name = "the server uses no processor time while it waits, before and after an event",
    .hint_unix =
        "Wait in a call: ppoll(), sigsuspend(), sigwaitinfo(). The listing's while (1) {} uses a whole processor.",
    .hint_win32 =
        "Wait in WaitForSingleObject(). The listing's while (1) {} uses a whole processor.")
{
    struct program *server = start(SERVER, NULL);
    pid_t pid = ready(server);
    expect_idle(server, 0.3, 10);
    expect_interrupt(server, pid);
    expect_idle(server, 0.3, 10);
    expect_done(server);
}

TEST(server_usage, .judges = SERVER, .stage = COMPLETE, .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error and exit code 2",
     .hint = "Accept one argument at most, a whole number from 1 to 1000000.")
{
    static const char *const wrong[] = {"ten", "0", "-1", "1000001", "", "1x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *server = start(SERVER, wrong[i], NULL);
        wait_error_like(server, "usage: *");
        expect_end(server, 2);
    }
    expect_end(start(SERVER, "1", "2", NULL), 2);
}

/* ==== Complete: the pair ======================================================== */

TEST(
    default_list, .judges = PAIR, .stage = COMPLETE, .needs = "ended_by_the_event",
    .points = 1, .step = 5, .client_step = 1,
    .name =
        "without arguments the client starts the server in its own folder and sends its default events",
    .hint_unix = "Report SIGINT, SIGUSR1 and SIGTERM, and let SIGTERM end the server.",
    .hint_win32 = "Report CTRL_C_EVENT each time it comes.",
    .client_hint_unix =
        "Find the server in the folder of the client's own file (readlink of /proc/self/exe, or program_beside()), not in the current folder.",
    .client_hint_win32 =
        "Find server.exe in the folder of the client's own file (GetModuleFileNameW, or program_beside()), not in the current folder.")
{
    const char *file = copy_program(CLIENT, "client");
    copy_program(SERVER, "server");
    struct start_options options = on_a_console();
    options.file = file;
    struct program *client = start_with(CLIENT, options, NULL);
    if (under_test() == UNIX) {
        expect_exchange(client, "SIGINT", 1);
        expect_exchange(client, "SIGUSR1", 2);
        expect_exchange(client, "SIGTERM", 3);
        wait_line(client, "client: server was ended by signal %d", SIGTERM);
    } else {
        expect_exchange(client, "CTRL_C_EVENT", 0);
        expect_exchange(client, "CTRL_C_EVENT", 0);
        wait_line(client, "client: server exited with code 0");
    }
    expect_end(client, 0);
}

TEST(
    every_ending, .judges = PAIR, .stage = COMPLETE, .needs = "ended_by_the_event",
    .points = 2, .step = 8, .client_step = 7,
    .name =
        "an event that is to end the server ends it, and the client reports which it was",
    .hint_unix =
        "Report the signal, set SIG_DFL, call raise() and unblock the signal. exit(128 + n) is no end by a signal.",
    .hint_win32 =
        "Return FALSE from the handler, so that the system's own handler ends the process.",
    .client_hint_unix = "Use WIFSIGNALED and WTERMSIG on the status from waitpid().",
    .client_hint_win32 =
        "GetExitCodeProcess() returns STATUS_CONTROL_C_EXIT (0xC000013A) if a console event ended the server.")
{
    if (under_test() == WIN32 && !on_windows())
        skip_test("needs Windows: Wine sends no CTRL_BREAK_EVENT");
    if (under_test() == WIN32) {
        struct program *client = start_pair("CTRL_C_EVENT", "CTRL_BREAK_EVENT", NULL);
        wait_line(client, "server: received \"CTRL_BREAK_EVENT\"");
        wait_line(client, "client: server was ended by a console event");
        expect_end(client, 0);
        return;
    }
    static const char *const names[] = {"SIGQUIT", "SIGHUP", "SIGTERM"};
    for (size_t i = 0; i < 3; i++) {
        struct program *client = start_pair("SIGUSR1", names[i], NULL);
        expect_exchange(client, names[i], 2);
        wait_line(client, "client: server was ended by signal %d",
                  event_named(names[i])->number);
        expect_end(client, 0);
    }
}

TEST(
    on_a_terminal, .judges = PAIR, .stage = COMPLETE, .needs = "conversation_of_three",
    .points = 2, .step = 3, .client_step = 3,
    .name = "on a terminal, or a console that both share, the conversation is the same",
    .hint_unix = "Do not watch standard input if it is a terminal.",
    .hint_win32 =
        "Call SetConsoleCtrlHandler(NULL, FALSE): in a new process group Ctrl-C is ignored.",
    .client_hint_unix = "Give the server your pipe as standard input, not the terminal.",
    .client_hint_win32 =
        "Start the server with CREATE_NEW_PROCESS_GROUP, so that its events do not end the client.")
{
    const char *name = interrupt_name();
    struct program *client = start_with(CLIENT,
                                        (struct start_options){.terminal_input = true},
                                        path_of(SERVER, NULL), name, name, NULL);
    expect_exchange(client, name, 1);
    expect_exchange(client, name, 2);
    wait_line(client, "client: server exited with code 0");
    expect_end(client, 0);
}

TEST(
    ten_at_once, .judges = PAIR, .stage = COMPLETE, .needs = "conversation_of_three",
    .points = 1, .step = 5, .client_step = 5,
    .name = "ten pairs at once do not get each other's events",
    .hint = "Report only the events that came, each once.",
    .client_hint_unix =
        "Send to the server's own process ID. kill(0, ...) sends to the whole process group.",
    .client_hint_win32 =
        "Send to the server's own process group: 0 means every process on the console.")
{
    struct program *clients[10];
    const char *name = interrupt_name();
    size_t count = under_test() == UNIX ? 10 : 4;
    for (size_t i = 0; i < count; i++)
        clients[i] = start_pair(name, name, NULL);
    for (size_t i = 0; i < count; i++) {
        wait_line(clients[i], "client: done");
        expect_end(clients[i], 0);
        if (count_lines(clients[i], reports(name)) != 2)
            fail_test("expected 2 reports of a pair, got %zu",
                      count_lines(clients[i], reports(name)));
    }
}

/* ==== Complete: the client ====================================================== */

TEST(
    waits_for_reports, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_in_order",
    .points = 3, .step = 5,
    .name =
        "nothing is sent before the server is ready, and no event before the report of the one before",
    .hint =
        "Wait for the line that begins with \"server: ready\", then for the line about the event, not for any line or for a time.")
{
    const char *name = interrupt_name();
    const char *other = under_test() == UNIX ? "SIGUSR1" : name;
    struct program *client = start_with_scripted_server(
        text("nap 60\npending\ntell server: starting\nnap 60\npending\n"
             "tell server: ready 1\nawait\nnap 60\npending\n"
             "tell server: received \"nothing\"\nnap 60\npending\n"
             "tell server: received \"%s\" from 1\n%sdrain\n",
             name, answer(other)),
        name, other, NULL);
    wait_line(client, "server: ready 1");
    expect_got(client, name, 1);
    expect_got(client, other, 2);
    expect_end(client, 0);
    if (count_lines(client, "test: 0 pending") != 4)
        fail_test(
            "expected no event before the server was ready and had reported the one "
            "before, got one");
}

TEST(
    reports_the_end, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_in_order",
    .points = 2, .step = 7, .name = "the client reports how the server ended",
    .hint_unix =
        "Call waitpid() after the end of the output, and use WIFSIGNALED, WTERMSIG and WEXITSTATUS on the status.",
    .hint_win32 =
        "Call WaitForSingleObject() on the process after the end of the output, then GetExitCodeProcess().")
{
    const char *name = interrupt_name();
    static const int codes[] = {0, 7, 255, 1000};
    for (size_t i = 0; i < (under_test() == UNIX ? 3 : 4); i++) {
        struct program *client = start_with_scripted_server(
            text("tell server: ready 1\n%sexit %d\n", answer(name), codes[i]), name, NULL,
            NULL);
        wait_line(client, "client: server exited with code %d", codes[i]);
        wait_line(client, "client: done");
        expect_end(client, codes[i] == 0 ? 0 : 1);
    }
    /* The end of what it prints is not its end yet. */
    const char *scripted_server =
        place_probe("scripted_server", "server",
                    text("tell server: ready 1\n%sclose-output\nuntil watched\nexit 3\n",
                         answer(name)));
    struct program *slow = start_with(CLIENT, on_a_console(), scripted_server, name,
                                      NULL);
    look_at(CLIENT, 5,
            "Print what the server reports as soon as you have read it." EACH_AT_ONCE);
    wait_line_like(slow, reports(name));
    look_at(CLIENT, 0, NULL);
    expect_idle(slow, 0.2, 10);
    write_file("watched", "", 0, 0644);
    wait_line(slow, "client: server exited with code 3");
    expect_end(slow, 1);
    static const int signals[] = {SIGKILL, SIGTERM, SIGSEGV, SIGALRM};
    for (size_t i = 0; i < 4 && under_test() == UNIX; i++) {
        struct program *client = start_with_scripted_server(
            text("tell server: ready 1\n%sraise %d\n", answer(name), signals[i]), name,
            NULL, NULL);
        wait_line(client, "client: server was ended by signal %d", signals[i]);
        wait_line(client, "client: done");
        expect_end(client, 1);
    }
    if (under_test() == WIN32) {
        struct program *client = start_with_scripted_server(
            text("tell server: ready 1\n%sexit 0xC000013A\n", answer(name)), name, NULL,
            NULL);
        wait_line(client, "client: server was ended by a console event");
        expect_end(client, 1);
    }
}

TEST(
    wrong_end, .judges = CLIENT, .stage = COMPLETE, .needs = "reports_the_end",
    .points = 1, .step = 7,
    .name =
        "if the server ends otherwise than by the event that was to end it, the client exits with 1",
    .hint_unix =
        "After SIGTERM compare WTERMSIG with SIGTERM: exit code 0 or another signal is a failure.",
    .hint_win32 =
        "After CTRL_BREAK_EVENT compare the exit code with STATUS_CONTROL_C_EXIT: 0 is a failure.")
{
    if (under_test() == WIN32 && !on_windows())
        skip_test("needs Windows: Wine sends no CTRL_BREAK_EVENT");
    const char *name = under_test() == UNIX ? "SIGTERM" : "CTRL_BREAK_EVENT";
    struct program *client = start_with_scripted_server(
        text("tell server: ready 1\n%s", answer(name)), name, NULL, NULL);
    wait_line(client, "client: server exited with code 0");
    expect_end(client, 1);
    if (under_test() == WIN32)
        return;
    client = start_with_scripted_server(text("tell server: ready 1\n%sraise %d\n",
                                             answer(name), SIGKILL),
                                        name, NULL, NULL);
    wait_line(client, "client: server was ended by signal 9");
    expect_end(client, 1);
}

TEST(no_such_server, .judges = CLIENT, .stage = COMPLETE, .points = 1, .step = 3,
     .name =
         "a server that cannot be started is one line on standard error and exit code 1",
     .hint_unix = "In the child print the error of exec and call _exit().",
     .hint_win32 = "Check CreateProcess(), and print GetLastError().")
{
    /* On UNIX with a slash: a name is looked up in PATH, and where a folder of it must not be read
     * the error is another. */
    struct program *client = start(
        CLIENT, under_test() == UNIX ? "./no-such-program" : "no-such-program", NULL);
    wait_error_like(client, "client: *error 2: *");
    expect_end(client, 1);
    wait_silence(client);
}

TEST(
    passes_lines_on, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_in_order",
    .points = 1, .step = 5,
    .name =
        "the server's lines are passed on whole: long ones, and ones that come in pieces",
    .hint_unix =
        "One read() is not one line: use getline(), or read on until the newline.",
    .hint_win32 = "One ReadFile() is not one line: read on until the newline.")
{
    const char *name = interrupt_name(), *word = token();
    struct program *client = start_with_scripted_server(
        text("part server: re\nnap 20\ntell ady 1\nflood 100000\ntell %s\n"
             "tell \ntell %s\n%spart the end\n",
             word, word, answer(name)),
        name, NULL, NULL);
    wait_line(client, "server: ready 1");
    const char *line = wait_line_like(client, text("a*%s", word));
    if (strlen(line) != 100000 + strlen(word))
        fail_test("expected a line of %zu bytes, got one of %zu", 100000 + strlen(word),
                  strlen(line));
    wait_line(client, "%s", word);
    wait_line(client, "the end");
    expect_end(client, 0);
}

TEST(
    signals_restored, .judges = CLIENT, .unix_only = true, .stage = COMPLETE,
    .needs = "sends_in_order", .points = 1, .step = 3,
    .name = "the server inherits no signal that the client blocks or ignores",
    .hint =
        "exec keeps the signal mask and the ignored signals: put them back in the child before exec.")
{
    struct program *client = start_with_scripted_server(
        text("inventory\ntell server: ready 1\n%sdrain\n", answer("SIGUSR1")), "SIGUSR1",
        NULL, NULL);
    wait_line_like(client, "test: * extra");
    expect_end(client, 0);
    size_t count = count_lines(client, "test: extra: signal *");
    if (count > 0)
        fail_test("expected no blocked or ignored signal in the server, got %zu", count);
}

TEST(
    ctrl_c_at_the_client, .judges = CLIENT, .stage = COMPLETE, .needs = "reports_the_end",
    .points = 2, .step = 3,
    .name = "Ctrl-C on the keyboard does not end the client while its server runs",
    .hint_unix =
        "Ignore SIGINT in the client while the server runs, as system(3) does, but not in the server.",
    .hint_win32 =
        "Install a handler that returns TRUE for CTRL_C_EVENT, with SetConsoleCtrlHandler().")
{
    const char *name = interrupt_name();
    const char *scripted_server =
        place_probe("scripted_server", "server",
                    text("ready\nawait\ntell test: waiting\nawait\nuntil seen\n"
                         "tell server: received \"%s\"\ndrain\n",
                         name));
    struct program *client = start_with(CLIENT,
                                        (struct start_options){.terminal_input = true},
                                        scripted_server, name, NULL);
    pid_t pid = ready(client);
    wait_line(client, "test: waiting");
    bool one_group = under_test() == WIN32 && !on_windows();
    if (one_group) /* each group gets an event of its own */
        interrupt(client, pid);
    else
        press_ctrl_c(client, pid, pid);
    const char *end = ending_within(client, 0.3); /* the server waits for the file */
    if (end != NULL)
        fail_test("expected the client to go on after Ctrl-C, but it %s", end);
    if (one_group)
        press_ctrl_c(client, pid, pid);
    wait_line_like(client, text("test: got %s%s", name,
                                under_test() == UNIX ? ", from the system" : ""));
    write_file("seen", "", 0, 0644);
    wait_line(client, "client: server exited with code 0");
    expect_end(client, 0);
}

TEST(
    silent_server, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_in_order",
    .points = 1, .step = 5,
    .name = "the client uses no processor time while it waits for the server",
    .hint_unix = "Block in read(): do not ask again and again.",
    .hint_win32 = "Block in ReadFile(): do not ask again and again with PeekNamedPipe().")
{
    struct program *client = start_with_scripted_server(
        "tell server: ready 1\nawait\ndrain\n", interrupt_name(), NULL, NULL);
    wait_line(client, "client: sent \"%s\"%s", interrupt_name(),
              under_test() == UNIX ? ", value 1" : "");
    expect_idle(client, 0.3, 10);
    kill_child(client, "server");
    expect_end(client, 1);
}

TEST(client_usage, .judges = CLIENT, .stage = COMPLETE, .points = 1, .step = 1,
     .name = "an unknown event is a usage line on standard error and exit code 2",
     .hint = "Compare all arguments with the table before you start the server.")
{
    static const char *const wrong[] = {"SIGKILL", "sigint", "", "2", "CTRL_C"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *client = start(CLIENT, "no-such-program", interrupt_name(),
                                       wrong[i], NULL);
        wait_error_like(client, "usage: *");
        expect_end(client, 2);
    }
}

/* ==== Robust: the server ======================================================== */

TEST(
    inherited, .judges = SERVER, .stage = ROBUST, .needs = "ended_by_the_event",
    .points = 2, .step = 3,
    .name = "started with its events blocked or ignored, the server handles them all",
    .hint_unix =
        "exec keeps the signal mask and the ignored signals: set a handler for each, and unblock them.",
    .hint_win32 =
        "Call SetConsoleCtrlHandler(NULL, FALSE): a child inherits that Ctrl-C is ignored.")
{
    if (under_test() == WIN32) {
        struct start_options terminal = {.probe = "launcher", .terminal_input = true};
        struct program *server = start_with(SERVER, terminal, "ignored",
                                            path_of(SERVER, NULL), "2", NULL);
        pid_t pid = ready(server); /* of a group of its own */
        for (int i = 0; i < 2; i++) {
            press_ctrl_c(server, pid, pid);
            expect_report(server, interrupt_name());
        }
        expect_end(server, 0);
        return;
    }
    static const char *const ways[] = {"blocked", "ignored"};
    static const char *const ends[] = {"SIGQUIT", "SIGHUP", "SIGTERM"};
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 3; k++) {
            struct program *server = start_probe("launcher", ways[i],
                                                 path_of(SERVER, NULL), NULL);
            pid_t pid = ready(server);
            for (size_t e = EVENTS; e-- > 0;)
                if (!events[e].ends) {
                    kill(pid, event_number(&events[e]));
                    expect_report(server, events[e].name);
                }
            int number = event_named(ends[k])->number;
            kill(pid, number);
            expect_report(server, ends[k]);
            expect_signal(server, number);
        }
}

TEST(stopped, .judges = SERVER, .unix_only = true, .stage = ROBUST, .needs = "input_ends",
     .points = 1, .step = 5, .name = "stopped and continued, the server goes on",
     .hint = "Wait again if a call fails with EINTR and no signal of yours has come.")
{
    struct program *server = start(SERVER, NULL);
    pid_t pid = ready(server);
    for (int i = 0; i < 20; i++) {
        kill(pid, SIGSTOP);
        kill(pid, SIGCONT);
    }
    expect_interrupt(server, pid);
    kill(pid, SIGSTOP);
    kill(pid, SIGINT);
    kill(pid, SIGCONT);
    expect_report(server, "SIGINT");
    expect_done(server);
}

TEST(
    without_streams, .judges = SERVER, .unix_only = true, .stage = ROBUST,
    .needs = "ends_after_count", .points = 1, .step = 5,
    .name = "started without standard input, or without standard error, the server works",
    .hint =
        "A closed descriptor is not a pipe at its end. The next file that is opened gets its number: open /dev/null first, or call begin_program().")
{
    static const unsigned missing[] = {1, 4, 5};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        struct program *server =
            start_with(SERVER, (struct start_options){.closed = missing[i]}, "2", NULL);
        pid_t pid = ready(server);
        expect_interrupt(server, pid);
        expect_interrupt(server, pid);
        expect_last(server, "server: done");
    }
}

TEST(
    child_runs, .judges = SERVER, .unix_only = true, .stage = ROBUST,
    .needs = "from_the_kernel", .points = 1, .step = 7,
    .name =
        "a SIGCHLD from a process is reported, and the server does not wait for a child",
    .hint =
        "SIGCHLD does not mean that a child has ended: anyone can send it. Call waitpid() with WNOHANG, if at all.")
{
    for (int round = 0; round < 2; round++) {
        bool ignored = round == 1;
        pid_t child;
        struct program *server =
            start_with_child(ignored ? "env --ignore-signal=CHLD" : "", &child);
        pid_t pid = ready(server);
        for (int i = 0; i < 2; i++) {
            kill(pid, SIGCHLD);
            expect_report(server, "SIGCHLD");
            expect_interrupt(server, pid);
        }
        if (ignored)
            look_at(
                SERVER, 3,
                "The server was started with SIGCHLD ignored: then the end of a child sends "
                "none. Set a handler or SIG_DFL.");
        kill(child, SIGKILL);
        wait_line(server, "server: received \"SIGCHLD\"");
        expect_done(server);
    }
}

TEST(
    storm, .judges = SERVER, .stage = ROBUST, .needs = "input_ends", .points = 2,
    .step = 5,
    .name = "many Ctrl-C in a row do not end the server, and some of them are reported",
    .hint_unix =
        "Standard signals merge while they wait: fewer reports than signals are right, none is wrong.",
    .hint_win32 =
        "Lock what the handler shares with other threads. Fewer reports than events are right, none is wrong.")
{
    struct program *server = start(SERVER, NULL);
    pid_t pid = ready(server);
    size_t sent = under_test() == UNIX ? STORM : 40;
    for (size_t i = 0; i < sent; i++)
        interrupt(server, pid);
    expect_report(server, interrupt_name());
    expect_done(server);
    if (count_lines(server, reports(interrupt_name())) > sent)
        fail_test("expected at most %zu reports, got %zu", sent,
                  count_lines(server, reports(interrupt_name())));
}

TEST(
    two_at_once, .judges = SERVER, .unix_only = true, .stage = ROBUST,
    .needs = "every_event", .points = 2, .step = 5,
    .name = "signals of two kinds at the same time are both reported, 300 times",
    .hint =
        "One variable holds one signal: block the others with sa_mask while the handler runs, or keep a variable for each kind.")
{
    struct program *server = start(SERVER, NULL);
    pid_t pid = ready(server);
    for (int i = 0; i < 300; i++) {
        if (i % 3 == 0)
            kill(pid, SIGSTOP); /* then both wait, and come together */
        kill(pid, SIGUSR1);
        kill(pid, SIGWINCH);
        kill(pid, SIGCONT);
        /* The system chooses the order. */
        while (count_lines(server, reports("SIGUSR1")) < (size_t)i + 1 ||
               count_lines(server, reports("SIGWINCH")) < (size_t)i + 1)
            wait_line_like(server, "server: received *");
    }
    expect_done(server);
}

TEST(
    queue_in_order, .judges = SERVER, .unix_only = true, .stage = ROBUST,
    .needs = "values", .points = 3, .step = 5,
    .name = "400 real-time signals at once all arrive, in order, each with its value",
    .hint =
        "Real-time signals queue in the kernel: take one at a time, or keep as many as may come.")
{
    struct program *server = start(SERVER, NULL);
    pid_t pid = ready(server);
    for (int i = 0; i < QUEUE; i++)
        send_value(pid, SIGRTMIN, i);
    for (int i = 0; i < QUEUE; i++)
        wait_line(server, "server: received \"SIGRTMIN\" from %ld, value %d",
                  (long)our_number(), i);
    expect_done(server);
    if (count_lines(server, reports("SIGRTMIN")) != QUEUE)
        fail_test("expected %d reports, got %zu", QUEUE,
                  count_lines(server, reports("SIGRTMIN")));
}

/* Waits until the process stands in a write, for a while: it may have a way not to. */
static void let_it_write(pid_t pid)
{
    char before[128] = "";
    for (int i = 0, same = 0; i < 1000; i++) {
        char line[128] = "";
        FILE *file = fopen(text("/proc/%ld/syscall", (long)pid), "r");
        bool writes = file != NULL && fgets(line, sizeof line, file) != NULL &&
                      line[0] != 'r' && strtol(line, NULL, 10) == SYS_write;
        if (file != NULL)
            fclose(file);
        /* The same call for so long: it waits, and is not just on its way through. */
        same = writes && strcmp(line, before) == 0 ? same + 1 : 0;
        if (same == 20)
            return;
        memcpy(before, line, sizeof before);
        usleep(1000);
    }
}

TEST(
    during_a_write, .judges = SERVER, .unix_only = true, .stage = ROBUST,
    .needs = "queue_in_order", .points = 2, .step = 7,
    .name = "signals that come while the server waits in write() lose no line",
    .hint =
        "Use SA_RESTART, or block the signals during the write: otherwise write() fails with EINTR or writes only a part.")
{
    struct program *server = start_probe("launcher", "unread", path_of(SERVER, NULL),
                                         NULL);
    pid_t pid = ready(server);
    for (int i = 0; i < QUEUE / 2; i++)
        send_value(pid, SIGRTMIN, i);
    let_it_write(pid);
    for (int i = QUEUE / 2; i < QUEUE; i++)
        send_value(pid, SIGRTMIN, i);
    let_it_write(pid);           /* and until it has taken them */
    send_bytes(server, "\n", 1); /* only now is anything read */
    for (int i = 0; i < QUEUE; i++)
        wait_line(server, "server: received \"SIGRTMIN\" from %ld, value %d",
                  (long)our_number(), i);
    kill(pid, SIGTERM);
    expect_end(server, 128 + SIGTERM);
}

TEST(
    worst_moments, .judges = SERVER, .unix_only = true, .stage = ROBUST,
    .needs = "ended_by_the_event", .points = 3, .step = 5,
    .name = "a signal at any moment of a report, or just before the wait, is not lost",
    .hint =
        "Block the signals, and unblock them in the wait itself: sigsuspend(), ppoll(). pause() loses a signal that came just before it. A handler that calls functions must save and restore errno.")
{
    if (instrumented())
        skip_test("a watched program cannot be stepped through");
    struct program *server = start_unix_probe("stepper", "each", text("%d", SIGUSR1),
                                              text("%d", SIGRTMIN), path_of(SERVER, NULL),
                                              NULL);
    const char *line = wait_line_like(server, "test: *"), *why;
    size_t moment, passed;
    if ((why = strstr(line, "not possible: ")) != NULL)
        skip_test("needs ptrace: %s", why + strlen("not possible: "));
    if (strcmp(line, "test: the program never waits") == 0)
        skip_test("the server waits in no call that the probe knows");
    size_t first = count_lines(server, reports("SIGUSR1"));
    size_t second = count_lines(server, reports("SIGRTMIN"));
    if (sscanf(line, "test: moment %zu", &moment) == 1) {
        const char *when =
            moment == 0
                ? "SIGUSR1 came while the server waited"
                : text("SIGRTMIN came %zu instructions after SIGUSR1 had woken the "
                       "server from its wait",
                       moment - 1);
        if (strstr(line, "ended") != NULL)
            fail_test("%s, and the server ended", when);
        fail_test("%s, and %s was not reported", when,
                  first <= second ? "SIGUSR1" : "SIGRTMIN");
    }
    expect_end(server, 128 + SIGTERM);
    if (first != second + 1) /* SIGUSR1 came once more */
        fail_test("expected %zu reports of SIGRTMIN beside %zu of SIGUSR1, got %zu",
                  first - 1, first, second);
    if (sscanf(line, "test: %zu of", &passed) == 1 && passed == 0)
        skip_test("no breakpoint stops a program here");
}

/* Sends that many Ctrl-C, each when the one before is reported. */
static struct resources after_events(struct program *server, pid_t pid, int count)
{
    for (int i = 0; i < count; i++)
        expect_interrupt(server, pid);
    return resources_of(server);
}

TEST(many_events, .judges = SERVER, .stage = ROBUST, .needs = "input_ends", .points = 1,
     .step = 7, .name = "the server leaks nothing with many events, one after the other",
     .hint = "Free and close what you make for an event before the next.")
{
    bool on_unix = under_test() == UNIX;
    int stretch = on_unix ? 5000 : 100;
    struct program *server = start(SERVER, NULL);
    pid_t pid = ready(server);
    struct resources before = after_events(server, pid, 30);
    /* Memory that a program has reserved, and touches for the first time, is no leak; nor are
     * threads that Wine keeps for later. Only what grows in each of three stretches leaks. */
    size_t descriptors = 0, memory = 0;
    for (int i = 0; i < 3; i++) {
        struct resources after = after_events(server, pid, stretch);
        descriptors = after.descriptors > before.descriptors + 20
                          ? after.descriptors - before.descriptors
                          : 0;
        memory = !instrumented() &&
                         after.memory > before.memory + (on_unix ? 1 << 16 : 4 << 20) &&
                         after.addresses > before.addresses
                     ? after.memory - before.memory
                     : 0;
        if (descriptors == 0 && memory == 0)
            break;
        before = after;
    }
    if (descriptors > 0)
        fail_test("after %d more events the server has %zu more descriptors open",
                  stretch, descriptors);
    if (memory > 0)
        fail_test("after %d more events the server holds %zu bytes more", stretch,
                  memory);
    expect_done(server);
}

/* ==== Robust: the client ======================================================== */

TEST(server_ends_early, .judges = CLIENT, .stage = ROBUST, .needs = "reports_the_end",
     .points = 2, .step = 5,
     .name = "a server that ends too early is reported, and the client exits with 1",
     .hint = "Stop waiting for a line when the server's output is at its end, and report "
             "that on standard error.")
{
    static const char *const scripts[] = {"", "tell server: starting\nexit 3\n",
                                          "tell server: ready 1\nawait\nexit 3\n",
                                          "tell server: ready 1\nexit 3\n"};
    for (size_t i = 0; i < 4; i++) {
        struct program *client = start_with_scripted_server(scripts[i], interrupt_name(),
                                                            NULL, NULL);
        wait_error_that(client, "?*", "a line about the end");
        /* Under Wine and on Windows no event can be sent to a process that has ended. */
        if (under_test() == UNIX)
            wait_line(client, "client: server exited with code %d", i == 0 ? 0 : 3);
        expect_end(client, 1);
    }
}

TEST(
    nothing_inherited, .judges = CLIENT, .stage = ROBUST, .needs = "sends_in_order",
    .points = 2, .step = 3,
    .name =
        "the server inherits no other descriptor or pipe, and no blocked or ignored signal",
    .hint_unix =
        "Open the pipes with O_CLOEXEC, so that exec closes what dup2() has not copied.",
    .hint_win32 =
        "CreateProcess() with TRUE passes on every inheritable handle, also the standard handles that you have inherited. Name the server's three in PROC_THREAD_ATTRIBUTE_HANDLE_LIST, or make the others not inheritable with SetHandleInformation().")
{
    const char *name = interrupt_name();
    struct program *client = start_with_scripted_server(
        text("inventory\ntell server: ready 1\n%sdrain\n", answer(name)), name, NULL,
        NULL);
    wait_line(client, "test: 0 extra");
    expect_end(client, 0);
}

TEST(
    server_stopped, .judges = CLIENT, .unix_only = true, .stage = ROBUST,
    .needs = "reports_the_end", .points = 1, .step = 5,
    .name =
        "a server that is stopped and continued has not ended: the client waits for it",
    .hint =
        "SIGCHLD comes also when a child is stopped or continued. A handler needs SA_RESTART, or read() and waitpid() fail with EINTR.")
{
    const char *scripted_server =
        place_probe("scripted_server", "server",
                    text("ready\nawait\nuntil go\n%s"
                         "close-output\nuntil end\nexit 7\n",
                         "tell server: received \"SIGUSR1\"\n"));
    struct program *client = start(CLIENT, scripted_server, "SIGUSR1", NULL);
    pid_t pid = ready(client);
    wait_line(client, "client: sent \"SIGUSR1\", value 1");
    for (int i = 0; i < 3; i++)
        stop_and_continue(pid);
    write_file("go", "", 0, 0644);
    wait_line(client, "server: received \"SIGUSR1\"");
    for (int i = 0; i < 3; i++)
        stop_and_continue(pid);
    write_file("end", "", 0, 0644);
    wait_line(client, "client: server exited with code 7");
    expect_end(client, 1);
}

TEST(
    sigchld_ignored, .judges = CLIENT, .unix_only = true, .stage = ROBUST,
    .needs = "reports_the_end", .points = 1, .step = 3,
    .name = "started with SIGCHLD ignored, the client still reports how the server ended",
    .hint =
        "Ignored signals are inherited, and with SIGCHLD ignored waitpid() fails with ECHILD: set SIGCHLD to SIG_DFL before fork().")
{
    const char *scripted_server = place_probe("scripted_server", "server",
                                              text("tell server: ready 1\n%sexit 7\n",
                                                   answer("SIGUSR1")));
    struct program *client = start_with(CLIENT,
                                        (struct start_options){.ignores_children = true},
                                        scripted_server, "SIGUSR1", NULL);
    wait_line(client, "client: server exited with code 7");
    expect_end(client, 1);
}

TEST(quit_at_the_client, .judges = CLIENT, .unix_only = true, .stage = ROBUST,
     .needs = "ctrl_c_at_the_client", .points = 1, .step = 3,
     .name = "Ctrl-\\ on the keyboard does not end the client while its server runs",
     .hint =
         "Ignore SIGQUIT as you ignore SIGINT: both go to all processes of the terminal.")
{
    const char *scripted_server =
        place_probe("scripted_server", "server",
                    "ready\nawait\ntell test: waiting\nawait\n"
                    "tell server: received \"SIGINT\"\ndrain\n");
    struct program *client = start_with(CLIENT,
                                        (struct start_options){.terminal_input = true},
                                        scripted_server, "SIGINT", NULL);
    ready(client);
    wait_line(client, "test: waiting");
    send_bytes(client, "\x1c", 1);
    wait_line(client, "test: got SIGQUIT, from the system");
    wait_line(client, "client: server exited with code 0");
    expect_end(client, 0);
}

/* Windows: the client has no console, and GenerateConsoleCtrlEvent() or AttachConsole() failed. */
#define WITHOUT_CONSOLE                                                                      \
    "Without a console, start the server with CREATE_NO_WINDOW, which gives it one. "        \
    "Call FreeConsole() and AttachConsole(), send the event, and call FreeConsole() again. " \
    "AttachConsole() replaces the standard handles: put yours back with SetStdHandle()."

TEST(
    client_without_streams, .judges = CLIENT, .stage = ROBUST, .needs = "sends_in_order",
    .points = 1, .step = 3,
    .name = "started without standard input, output or error, the client works",
    .hint_unix =
        "The next pipe gets the number of a closed descriptor, and dup2() onto the same number keeps close-on-exec: open /dev/null first, or call begin_program().",
    .hint_win32 =
        "GetStdHandle() returns NULL if there is no stream, and SetHandleInformation() then fails with 6: open NUL first, or call begin_program(). There is no console, either: see the test without_console.")
{
    look_at_error(CLIENT, "*Console*: error *", 5, WITHOUT_CONSOLE);
    static const unsigned missing[] = {1, 7, 3};
    const char *name = interrupt_name();
    for (size_t i = 0; i < (under_test() == UNIX ? 3 : 2); i++) {
        const char *scripted_server = place_probe("scripted_server", text("server%zu", i),
                                                  text("tell server: ready 1\n%sdrain\n",
                                                       answer(name)));
        struct program *client = start_with(CLIENT,
                                            (struct start_options){.closed = missing[i]},
                                            scripted_server, name, NULL);
        expect_end(client, 0);
        if ((missing[i] & 2) == 0 && !printed_like(client, "client: done"))
            fail_test("expected the line \"client: done\", got none");
    }
}

/* ==== Robust: the pair ========================================================== */

TEST(
    client_killed, .judges = PAIR, .stage = ROBUST, .needs = "conversation_of_three",
    .points = 2, .step = 5, .client_step = 3,
    .name = "if the client is killed, the server ends too",
    .hint = "End when standard input, a pipe, has lost its writer.",
    .client_hint_unix =
        "Open the pipes with O_CLOEXEC: the server must not inherit the write end of its own standard input.",
    .client_hint_win32 =
        "Make only the server's ends inheritable: the server must not inherit the write end of its own standard input.")
{
    /* Without a console, whose end would end the server, too. */
    struct program *client = start(CLIENT, path_of(SERVER, NULL), interrupt_name(), NULL);
    wait_line_like(client, "server: ready *");
    kill_program(client);
    wait_silence(client);
}

TEST(
    output_unread, .judges = PAIR, .stage = ROBUST, .needs = "conversation_of_three",
    .points = 1, .step = 5, .client_step = 6,
    .name = "if nobody reads what the client prints, both programs end",
    .hint =
        "End when standard input has lost its writer, also after a write that failed.",
    .client_hint_unix =
        "You may be ended by SIGPIPE or go on. The server's standard input must end in either case.",
    .client_hint_win32 =
        "You may exit when a write fails or go on. The server's standard input must end in either case.")
{
    struct program *client = start_pair(interrupt_name(), interrupt_name(), NULL);
    wait_line_like(client, "server: ready *");
    close_output(client);
    wait_silence(client);
}

TEST(without_console, .judges = PAIR, .win32_only = true, .stage = ROBUST,
     .needs = "conversation_of_three", .points = 2, .step = 3, .client_step = 3,
     .name = "the conversation is the same if the client has no console",
     .hint = "Report each console event, also if the console has no window.",
     .client_hint_win32 = WITHOUT_CONSOLE)
{
    look_at_error(CLIENT, "*Console*: error *", 5, WITHOUT_CONSOLE);
    const char *name = interrupt_name();
    struct program *client = start(CLIENT, path_of(SERVER, NULL), name, name, NULL);
    expect_exchange(client, name, 1);
    expect_exchange(client, name, 2);
    wait_line(client, "client: server exited with code 0");
    expect_end(client, 0);
}

/* ---- What `make run` shows ---------------------------------------------------------- */

static void conversation(void)
{
    narrate(
        "The client starts the server. It sends each event when the server has reported the\n"
        "one before, and reports how the server ended. Run the server alone in a terminal to\n"
        "see its colours.");
    struct program *client = start_with(CLIENT, on_a_console(), path_of(SERVER, NULL),
                                        NULL);
    expect_end(client, 0);
}

CHECKER("07-signals", "signals")
