/*
 * check.c - judges lab 07 from outside, by the contract alone.
 *
 * A server gets its signals from this checker itself, by its number; under Wine it gets SIGINT,
 * which arrives as Ctrl-C, and on Windows a probe on its console sends (starter.c). Where the
 * circumstances matter the same probe starts it: with signals blocked or ignored, on a console
 * of other colours, with nobody who reads its output, or watched step by step. A client is
 * given a scripted server (target.c).
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

/* What Ctrl-C is called, and what is enough to tell that it has come. */
static const char *interrupt_name(void)
{
    return under_test() == UNIX ? "SIGINT" : "CTRL_C_EVENT";
}

/* Waits until the server is ready. Returns its number, which it tells. */
static pid_t ready(struct program *server)
{
    const char *line = wait_line_like(server, "server: ready *");
    char *end;
    long pid = strtol(line + strlen("server: ready "), &end, 10);
    if (pid <= 1 || *end != '\0')
        fail_test("\"%s\" does not tell the number of a process", line);
    return under_test() == UNIX ? process_told((pid_t)pid) : (pid_t)pid;
}

/* Sends Ctrl-C. */
static void interrupt(struct program *server, pid_t pid)
{
    if (under_test() == UNIX)
        kill(pid, SIGINT);
    else if (!on_windows())
        send_signal(server, SIGINT);
    else
        expect_end(start_probe("starter", "send", "0", "0", text("%ld", (long)pid), NULL),
                   0);
}

/* Sends Ctrl-C to all on the terminal of a program, as its keyboard would. On UNIX that is what
 * is done; Wine does not look at the keyboard before somebody reads it, so there a probe joins
 * the console that the process `pid` is on. What Wine takes for all on a console is all of one
 * process group: `leader` is its number. */
static void press_ctrl_c(struct program *program, pid_t pid, pid_t leader)
{
    if (under_test() == UNIX)
        send_bytes(program, "\x03", 1);
    else
        expect_end(start_probe("starter", "send", "0",
                               text("%ld", on_windows() ? 0 : (long)leader),
                               text("%ld", (long)pid), NULL),
                   0);
}

/* The process group that the probe "starter" and what it starts are in. */
static pid_t group_of(struct program *starter)
{
    const char *line = wait_line_like(starter, "*starter: process *");
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

/* Ends the server's input, and waits for its end in order. */
static void expect_done(struct program *server)
{
    close_input(server);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

static void needs_unix(const char *what)
{
    if (under_test() != UNIX)
        skip_test("Windows has no %s", what);
}

/* Sends a signal with a value; where the queue is full that is nobody's fault. */
static void send_value(pid_t pid, int number, int value)
{
    if (sigqueue(pid, number, (union sigval){.sival_int = value}) == -1)
        kit_error("sigqueue failed; see ulimit -i");
}

static const char *reports(const char *name)
{
    return text("server: received \"%s\"*", name);
}

/* The colours in which a terminal paints: numbers of ANSI, or -1 for those it had. */
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

/* How many characters, blanks left out, a program has painted in these colours. In `*last` the
 * colours of the last one, in `*first` those of the first. */
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
        }
    }
    return count;
}

/* Fails unless the report of the event was painted in its colours, and the colours from the
 * beginning are there again. */
static void expect_colours(struct program *server, const char *name, const char *reported)
{
    struct paint first = {-1, -1}, last = {-1, -1};
    const struct event *event = event_named(name);
    size_t count = painted(server, (int)event->text, (int)event->ground, &first, &last);
    size_t wanted = strlen("server:received") + strlen(reported) + 2;
    if (count < wanted)
        fail_test(
            "%zu characters were painted in colours %d on %d, and the report has %zu",
            count, (int)event->text, (int)event->ground, wanted);
    (void)last;
}

static struct program *start_on_terminal(const char *count)
{
    struct start_options terminal = {.terminal_input = true, .terminal_output = true};
    return start_with(SERVER, terminal, count, NULL);
}

/* ---- The pair ----------------------------------------------------------------------- */

/* The client with our server or theirs, and the events named. */
static struct program *start_pair(const char *first, const char *second,
                                  const char *third)
{
    return start(CLIENT, path_of(SERVER, NULL), first, second, third, NULL);
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

TEST(
    conversation_of_three, .judges = PAIR, .points = 3, .step = 5,
    .name = "three events are sent and reported, and both end well",
    .hint =
        "Each event, its report, then the next; the end of the server's input is its end.")
{
    const char *name = interrupt_name();
    struct program *client = start_pair(name, name, name);
    wait_line_like(client, "server: ready *");
    for (int i = 1; i <= 3; i++)
        expect_exchange(client, name, i);
    wait_line(client, "server: done");
    wait_line(client, "client: server exited with code 0");
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(
    default_list, .judges = PAIR, .points = 1, .step = 1,
    .name = "without arguments the client starts the server beside it and sends its list",
    .hint =
        "The server is found by the folder of the client's own file, not of the caller.")
{
    const char *file = copy_program(CLIENT, "client");
    copy_program(SERVER, "server");
    struct program *client = start_with(CLIENT, (struct start_options){.file = file},
                                        NULL);
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

TEST(every_ending, .judges = PAIR, .points = 2, .step = 8,
     .name = "an event that is to end the server does, and the client tells which it was",
     .hint = "UNIX: SIG_DFL, and raise again. Windows: the handler returns FALSE.")
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

TEST(on_a_terminal, .judges = PAIR, .points = 2, .step = 3,
     .name = "on a terminal, or a console that both share, it is the same conversation",
     .hint = "Windows: what is sent to the server's group must not end the client.")
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

TEST(client_killed, .judges = PAIR, .points = 2, .step = 5,
     .name = "when the client dies the server ends, too",
     .hint = "The end of its standard input tells the server; the client alone holds the "
             "other end.")
{
    /* A script ends the client in the middle: the server has been told to wait for more. */
    struct program *client = start_pair(interrupt_name(), NULL, NULL);
    wait_line_like(client, "server: ready *");
    kill_program(client);
    wait_silence(client);
}

TEST(nobody_listens, .judges = PAIR, .points = 1, .step = 5,
     .name = "where nobody reads what the client prints, nothing hangs",
     .hint =
         "Whether the client dies of it or goes on: the server must see its input end.")
{
    struct program *client = start_pair(interrupt_name(), interrupt_name(), NULL);
    wait_line_like(client, "server: ready *");
    close_output(client);
    wait_silence(client);
}

TEST(ten_at_once, .judges = PAIR, .points = 1, .step = 5,
     .name = "ten pairs at once do not hear each other's events",
     .hint = "Send to your own server alone: kill(0, ...) or a shared console hits all.")
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
            fail_test("a pair tells of %zu events, not of 2",
                      count_lines(clients[i], reports(name)));
    }
}

/* ---- The server --------------------------------------------------------------------- */

TEST(life_goes_on, .judges = SERVER, .points = 3, .step = 5,
     .name = "each Ctrl-C is reported, and life goes on",
     .hint = "The handler stays installed: sigaction, without SA_RESETHAND.")
{
    struct program *server = start(SERVER, NULL);
    pid_t pid = ready(server);
    for (int i = 0; i < 5; i++)
        expect_interrupt(server, pid);
    expect_done(server);
    if (count_lines(server, reports(interrupt_name())) != 5)
        fail_test("5 events were sent, and %zu are reported",
                  count_lines(server, reports(interrupt_name())));
}

TEST(count_obeyed, .judges = SERVER, .points = 2, .step = 6,
     .name = "after COUNT events the server says \"done\" and ends, for 1, 2 and 7",
     .hint = "Count what you report.")
{
    static const int counts[] = {1, 2, 7};
    for (size_t i = 0; i < 3; i++) {
        struct program *server = start(SERVER, text("%d", counts[i]), NULL);
        pid_t pid = ready(server);
        for (int n = 0; n < counts[i]; n++)
            expect_interrupt(server, pid);
        wait_line(server, "server: done");
        expect_end(server, 0);
    }
}

TEST(input_ends, .judges = SERVER, .points = 2, .step = 5,
     .name = "the end of the input ends the server, what stands in it does not",
     .hint = "Wait for both, signals and the end of the input.")
{
    struct program *server = start(SERVER, "5", NULL);
    pid_t pid = ready(server);
    send_bytes(server, "exit\n\x03\x1A\x04", 8);
    expect_interrupt(server, pid);
    expect_done(server);
}

TEST(
    terminal_goes, .judges = SERVER, .points = 1, .step = 5,
    .name = "when its terminal goes, the server is ended by SIGHUP, and says so",
    .hint = "A terminal that goes is at its end, too. Only a pipe's end is yours to see.")
{
    needs_unix("terminal that a checker can close");
    struct program *server =
        start_with(SERVER, (struct start_options){.terminal_input = true}, NULL);
    ready(server);
    hang_up(server);
    wait_line(server, "server: received \"SIGHUP\"");
    expect_end(server, 128 + SIGHUP);
}

TEST(every_signal, .judges = SERVER, .points = 2, .step = 7,
     .name = "every event of the table is reported by its name, with its sender",
     .hint = "SA_SIGINFO: the handler's siginfo_t tells si_pid.")
{
    if (under_test() == WIN32 && !on_windows())
        skip_test("needs Windows: Wine sends CTRL_C_EVENT alone");
    if (under_test() == WIN32) {
        struct program *server = start(SERVER, NULL);
        pid_t pid = ready(server);
        expect_end(start_probe("starter", "send", "1", "0", text("%ld", (long)pid), NULL),
                   0);
        expect_report(server, "CTRL_BREAK_EVENT");
        wait_end(server);
        return;
    }
    for (size_t i = 0; i < EVENTS; i++) {
        struct program *server = start(SERVER, NULL);
        pid_t pid = ready(server);
        kill(pid, number_of(&events[i]));
        expect_report(server, events[i].name);
        if (!events[i].ends)
            expect_done(server);
    }
}

TEST(exit_status, .judges = SERVER, .points = 3, .step = 8,
     .name = "a signal that ends the server is in its exit status",
     .hint =
         "Restore SIG_DFL, raise the signal again, and let it in: exit() would hide it.")
{
    if (under_test() == WIN32 && !on_windows())
        skip_test("needs Windows: Wine sends no CTRL_BREAK_EVENT");
    if (under_test() == WIN32) {
        struct program *server = start(SERVER, NULL);
        pid_t pid = ready(server);
        expect_end(start_probe("starter", "send", "1", "0", text("%ld", (long)pid), NULL),
                   0);
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
            int code = wait_end(server);
            if (code != 128 + number)
                fail_test("%s was reported, and the server then exited with code %d, and "
                          "was not ended by the signal",
                          names[i], code);
            if (count_lines(server, reports(names[i])) != 1)
                fail_test("%s is reported %zu times", names[i],
                          count_lines(server, reports(names[i])));
            if (printed_like(server, "server: done"))
                fail_test("the server says \"done\", though %s ended it", names[i]);
        }
}

TEST(from_the_kernel, .judges = SERVER, .points = 1, .step = 7,
     .name = "the death of a child is reported, and has no sender",
     .hint =
         "si_pid is the child's there. A sender there is only where si_code is SI_USER "
         "or SI_QUEUE.")
{
    needs_unix("signal that tells of a child");
    const char *script =
        text("#!/bin/sh\nsleep 100 >/dev/null & echo child $!\nexec '%s'\n",
             path_of(SERVER, NULL));
    struct program *server = start_with(
        SERVER,
        (struct start_options){.file = write_file(token(), script, strlen(script), 0755)},
        NULL);
    pid_t child = process_told(
        (pid_t)strtol(wait_line_like(server, "child *") + 6, NULL, 10));
    ready(server);
    kill(child, SIGKILL);
    wait_line(server, "server: received \"SIGCHLD\"");
    expect_done(server);
}

TEST(values, .judges = SERVER, .points = 2, .step = 7,
     .name = "the value of sigqueue is reported, for 0, -1 and the greatest",
     .hint = "si_value.sival_int holds it where si_code is SI_QUEUE.")
{
    needs_unix("values with its events");
    static const int numbers[] = {0, 1, -1, 7710, INT_MAX, INT_MIN};
    struct program *server = start(SERVER, NULL);
    pid_t pid = ready(server);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const char *name = i % 2 == 0 ? "SIGUSR1" : "SIGRTMIN";
        send_value(pid, number_of(event_named(name)), numbers[i]);
        wait_line(server, "server: received \"%s\" from %ld, value %d", name,
                  (long)our_number(), numbers[i]);
    }
    expect_done(server);
}

TEST(storm, .judges = SERVER, .points = 2, .step = 5,
     .name = "a storm of Ctrl-C kills nobody, and some of it is reported",
     .hint =
         "Standard signals merge while they wait: less than was sent is right, 0 is not.")
{
    struct program *server = start(SERVER, NULL);
    pid_t pid = ready(server);
    size_t sent = under_test() == UNIX ? STORM : 40;
    for (size_t i = 0; i < sent; i++)
        interrupt(server, pid);
    expect_report(server, interrupt_name());
    expect_done(server);
    if (count_lines(server, reports(interrupt_name())) > sent)
        fail_test("more events are reported than were sent");
}

TEST(two_at_once, .judges = SERVER, .points = 2, .step = 5,
     .name = "signals of two kinds at the same time are both reported, 300 times",
     .hint =
         "One flag holds one signal: block the others while the handler runs, or keep "
         "one for each.")
{
    needs_unix("two kinds of events that go on");
    struct program *server = start(SERVER, NULL);
    pid_t pid = ready(server);
    for (int i = 0; i < 300; i++) {
        if (i % 3 == 0)
            kill(pid, SIGSTOP); /* then both wait, and come together */
        kill(pid, SIGUSR1);
        kill(pid, SIGWINCH);
        kill(pid, SIGCONT);
        /* In which order is the system's business. */
        while (count_lines(server, reports("SIGUSR1")) < (size_t)i + 1 ||
               count_lines(server, reports("SIGWINCH")) < (size_t)i + 1)
            wait_line_like(server, "server: received *");
    }
    expect_done(server);
}

TEST(queue_in_order, .judges = SERVER, .points = 3, .step = 5,
     .name = "400 real-time signals at once all arrive, in order, each with its value",
     .hint = "They queue in the kernel; only who keeps fewer than come loses some.")
{
    needs_unix("signals that queue");
    struct program *server = start(SERVER, NULL);
    pid_t pid = ready(server);
    for (int i = 0; i < QUEUE; i++)
        send_value(pid, SIGRTMIN, i);
    for (int i = 0; i < QUEUE; i++)
        wait_line(server, "server: received \"SIGRTMIN\" from %ld, value %d",
                  (long)our_number(), i);
    expect_done(server);
    if (count_lines(server, reports("SIGRTMIN")) != QUEUE)
        fail_test("%zu signals are reported", count_lines(server, reports("SIGRTMIN")));
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

TEST(during_a_write, .judges = SERVER, .points = 2, .step = 7,
     .name = "signals that come while the server waits in a write lose no line",
     .hint = "SA_RESTART, or block them meanwhile: else the write ends with EINTR.")
{
    needs_unix("calls that an event interrupts");
    struct program *server = start_probe("starter", "unread", path_of(SERVER, NULL),
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
    worst_moments, .judges = SERVER, .points = 3, .step = 5,
    .name = "a signal in the middle of a report, or just before the wait, is not lost",
    .hint =
        "pause() waits for the next signal, not for the one that came just before. Block "
        "the signals, and unblock them in the wait: sigsuspend, ppoll.")
{
    needs_unix("code that is interrupted anywhere");
    if (instrumented())
        skip_test("a watched program cannot be stepped through");
    struct program *server = start_probe("starter", "steps", path_of(SERVER, NULL), NULL);
    ready(server);
    const char *line = wait_line_like(server, "s*: *");
    if (strcmp(line, "starter: no steps") == 0)
        skip_test("programs are stepped through on x86-64 alone");
    if (strcmp(line, "starter: fault: PTRACE_SEIZE") == 0)
        skip_test("needs ptrace, which this machine does not allow");
    if (strcmp(line, "starter: threads") != 0) {
        const char *end = wait_line_like(server, "starter: * rounds of * steps");
        size_t rounds = strtoul(end + strlen("starter: "), NULL, 10);
        if (count_lines(server, reports("SIGUSR1")) != rounds ||
            count_lines(server, reports("SIGRTMIN")) != rounds)
            fail_test("%zu signals of each kind were sent, and %zu and %zu are reported",
                      rounds, count_lines(server, reports("SIGUSR1")),
                      count_lines(server, reports("SIGRTMIN")));
    }
    expect_end(server, 128 + SIGTERM);
}

TEST(inherited, .judges = SERVER, .points = 2, .step = 3,
     .name = "started with its signals blocked or ignored, the server handles them all",
     .hint = "Both are inherited through exec, and by Windows' children, too: set both "
             "yourself.")
{
    if (under_test() == WIN32) {
        struct start_options terminal = {.probe = "starter", .terminal_input = true};
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
            struct program *server = start_probe("starter", ways[i],
                                                 path_of(SERVER, NULL), NULL);
            pid_t pid = ready(server);
            for (size_t e = EVENTS; e-- > 0;)
                if (!events[e].ends) {
                    kill(pid, number_of(&events[e]));
                    expect_report(server, events[e].name);
                }
            int number = event_named(ends[k])->number;
            kill(pid, number);
            expect_report(server, ends[k]);
            if (wait_end(server) != 128 + number)
                fail_test("started with its signals %s, it is not ended by %s", ways[i],
                          ends[k]);
        }
}

TEST(stopped, .judges = SERVER, .points = 1, .step = 5,
     .name = "stopped and continued, the server goes on waiting",
     .hint = "EINTR without a signal of yours is no failure: wait again.")
{
    needs_unix("signal that stops a process");
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
    typed, .judges = SERVER, .points = 2, .step = 7,
    .name = "Ctrl-C from the keyboard is an event without a sender",
    .hint = "si_pid has a meaning only where a process has sent the signal: see si_code.")
{
    struct program *server = start_on_terminal(NULL);
    pid_t pid = ready(server);
    for (int i = 0; i < 2; i++) {
        press_ctrl_c(server, pid, pid);
        const char *line = wait_line_like(server, text("*server: received \"%s\"*",
                                                       interrupt_name()));
        if (strstr(line, "from") != NULL || strstr(line, "value") != NULL)
            fail_test("the line tells of a sender or a value that there is not");
    }
    if (under_test() == UNIX) {
        send_bytes(server, "\x1c", 1);
        wait_line_like(server, "*server: received \"SIGQUIT\"*");
        expect_end(server, 128 + SIGQUIT);
    }
}

TEST(in_colour, .judges = SERVER, .points = 2, .step = 7,
     .name = "on a terminal a report is in its colours, and then the old ones are back",
     .hint = "Text and ground of the table; put back before the line ends.")
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
    if (first.text != last.text || first.ground != last.ground)
        fail_test("the last line is painted in %d on %d, the first in %d on %d",
                  last.text, last.ground, first.text, first.ground);
}

TEST(other_colours, .judges = SERVER, .points = 2, .step = 2,
     .name = "each kind of event has its own colours, which are gone when the server is",
     .hint = "Put the colours back before the signal ends you: afterwards nobody will.")
{
    needs_unix("second kind of event that Wine could send");
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
        if (end.text != -1 || end.ground != -1)
            fail_test("after %s the terminal is left in other colours", names[i]);
    }
}

TEST(colours_found, .judges = SERVER, .points = 2, .step = 2, .win32_only = true,
     .name = "the colours put back are those that were there, and not the usual ones",
     .hint = "GetConsoleScreenBufferInfo tells them; to set white on black is a guess.")
{
    struct start_options terminal = {.probe = "starter",
                                     .terminal_input = true,
                                     .terminal_output = true};
    struct program *server = start_with(SERVER, terminal, "colours", "2e",
                                        path_of(SERVER, NULL), "2", NULL);
    pid_t group = group_of(server), pid = ready(server);
    for (int i = 0; i < 2; i++) {
        press_ctrl_c(server, pid, group);
        wait_line_like(server, "*server: received \"CTRL_C_EVENT\"*");
    }
    wait_line_like(server, "*starter: the colours are 2e*");
    expect_end(server, 0);
}

TEST(no_colours, .judges = SERVER, .points = 1, .step = 2,
     .name = "into a pipe go no colours",
     .hint = "isatty; on Windows, GetConsoleScreenBufferInfo fails there.")
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
        fail_test("there are control sequences in the output");
}

TEST(idle, .judges = SERVER, .points = 3, .step = 5,
     .name = "waiting costs nothing, before the first event and after it",
     .hint = "The listing's while (1) {} is a processor at work.")
{
    struct program *server = start(SERVER, NULL);
    pid_t pid = ready(server);
    expect_idle(server, 0.3, 10);
    expect_interrupt(server, pid);
    expect_idle(server, 0.3, 10);
    expect_done(server);
}

TEST(many_events, .judges = SERVER, .points = 1, .step = 7,
     .name = "a thousand events, one after the other, leak nothing",
     .hint = "Free and close, for each event, what was made for it.")
{
    int count = under_test() == UNIX ? 1000 : 150;
    struct program *server = start(SERVER, NULL);
    pid_t pid = ready(server);
    struct resources before = {0};
    for (int i = 0; i < count; i++) {
        expect_interrupt(server, pid);
        if (i == count / 5)
            before = resources_of(server);
    }
    struct resources after = resources_of(server);
    /* Wine clears away a handler's thread when it has time: one or the other may be left. */
    if (after.descriptors > before.descriptors + 20)
        fail_test("the server has %zu descriptors open, %zu more than after the first",
                  after.descriptors, after.descriptors - before.descriptors);
    if (!instrumented() &&
        after.memory > before.memory + (under_test() == UNIX ? 1 << 16 : 4 << 20))
        fail_test("the server holds %zu bytes more", after.memory - before.memory);
    expect_done(server);
}

TEST(server_usage, .judges = SERVER, .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "COUNT is a whole number from 1 to 1000000, and the only argument.")
{
    static const char *const wrong[] = {"ten", "0", "-1", "1000001", "", "1x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *server = start(SERVER, wrong[i], NULL);
        wait_error_like(server, "usage: *");
        expect_end(server, 2);
    }
    expect_end(start(SERVER, "1", "2", NULL), 2);
}

/* ---- The client --------------------------------------------------------------------- */

/* Starts the client with a server that follows `script`, and up to three events to send. */
static struct program *start_with_target(const char *script, const char *first,
                                         const char *second, const char *third)
{
    const char *target = place_probe("target", "server", script);
    return start(CLIENT, target, first, second, third, NULL);
}

/* What the target tells of an event that came from its parent. */
static void expect_got(struct program *client, const char *name, int value)
{
    if (under_test() == UNIX)
        wait_line(client, "target: got %s, value %d, from the parent", name, value);
    else
        wait_line(client, "target: got %s", name);
}

static const char *answer(const char *name)
{
    return text("await\ntell server: received \"%s\"\n", name);
}

TEST(sends_in_order, .judges = CLIENT, .points = 3, .step = 5,
     .name = "the events are sent in order, each with its number as its value",
     .hint = "sigqueue, not kill, gives a value.")
{
    const char *names[] = {"SIGUSR1", "SIGINT", "SIGRTMIN"};
    for (size_t i = 0; i < 3 && under_test() == WIN32; i++)
        names[i] = "CTRL_C_EVENT";
    struct program *client = start_with_target(text("tell server: ready 1\n%s%s%sdrain\n",
                                                    answer(names[0]), answer(names[1]),
                                                    answer(names[2])),
                                               names[0], names[1], names[2]);
    for (int i = 0; i < 3; i++)
        expect_got(client, names[i], i + 1);
    wait_line(client, "target: end of input");
    wait_line(client, "client: server exited with code 0");
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(waits_for_reports, .judges = CLIENT, .points = 3, .step = 6,
     .name =
         "nothing is sent before the server is ready, and no event before the report of "
         "the one before",
     .hint = "Wait for the server's own line, and not for a time or for any line.")
{
    const char *name = interrupt_name();
    const char *other = under_test() == UNIX ? "SIGUSR1" : name;
    struct program *client =
        start_with_target(text("nap 60\npending\ntell server: starting\nnap 60\npending\n"
                               "tell server: ready 1\nawait\nnap 60\npending\n"
                               "tell server: received \"nothing\"\nnap 60\npending\n"
                               "tell server: received \"%s\" from 1\n%sdrain\n",
                               name, answer(other)),
                          name, other, NULL);
    wait_line(client, "server: ready 1");
    expect_got(client, name, 1);
    expect_got(client, other, 2);
    expect_end(client, 0);
    if (count_lines(client, "target: 0 pending") != 4)
        fail_test("an event came before its time");
}

TEST(tells_the_end, .judges = CLIENT, .points = 2, .step = 8,
     .name = "however the server ends, by a code or a signal, the client tells it",
     .hint = "WIFSIGNALED, WTERMSIG, WEXITSTATUS take the status apart.")
{
    const char *name = interrupt_name();
    static const int codes[] = {0, 7, 255, 1000};
    for (size_t i = 0; i < (under_test() == UNIX ? 3 : 4); i++) {
        struct program *client = start_with_target(
            text("tell server: ready 1\n%sexit %d\n", answer(name), codes[i]), name, NULL,
            NULL);
        wait_line(client, "client: server exited with code %d", codes[i]);
        wait_line(client, "client: done");
        expect_end(client, codes[i] == 0 ? 0 : 1);
    }
    /* The end of what it prints is not its end yet. */
    const char *target =
        place_probe("target", "server",
                    text("tell server: ready 1\n%sclose-output\nuntil watched\nexit 3\n",
                         answer(name)));
    /* On a terminal, because the console that Wine makes otherwise holds the pipe open. */
    struct program *slow = start_with(CLIENT,
                                      (struct start_options){.terminal_input = true},
                                      target, name, NULL);
    wait_line_like(slow, reports(name));
    expect_idle(slow, 0.2, 10);
    write_file("watched", "", 0, 0644);
    wait_line(slow, "client: server exited with code 3");
    expect_end(slow, 1);
    static const int signals[] = {SIGKILL, SIGTERM, SIGSEGV, SIGALRM};
    for (size_t i = 0; i < 4 && under_test() == UNIX; i++) {
        struct program *client = start_with_target(
            text("tell server: ready 1\n%sraise %d\n", answer(name), signals[i]), name,
            NULL, NULL);
        wait_line(client, "client: server was ended by signal %d", signals[i]);
        wait_line(client, "client: done");
        expect_end(client, 1);
    }
    if (under_test() == WIN32) {
        struct program *client = start_with_target(
            text("tell server: ready 1\n%sexit 0xC000013A\n", answer(name)), name, NULL,
            NULL);
        wait_line(client, "client: server was ended by a console event");
        expect_end(client, 1);
    }
}

TEST(
    child_signal_ignored, .judges = CLIENT, .unix_only = true, .points = 1, .step = 3,
    .name = "started with SIGCHLD ignored, the client still reports how the server ended",
    .hint =
        "Ignored signals are inherited, and with SIGCHLD ignored waitpid() fails with "
        "ECHILD: set SIGCHLD to SIG_DFL before fork().")
{
    const char *target = place_probe(
        "target", "server", text("tell server: ready 1\n%sexit 7\n", answer("SIGUSR1")));
    struct program *client = start_with(CLIENT,
                                        (struct start_options){.ignores_children = true},
                                        target, "SIGUSR1", NULL);
    wait_line(client, "client: server exited with code 7");
    expect_end(client, 1);
}

TEST(survives_the_event, .judges = CLIENT, .points = 1, .step = 8,
     .name = "a server that an event was to end, and that ends otherwise, is told",
     .hint = "After SIGTERM the server must have been ended by SIGTERM.")
{
    if (under_test() == WIN32 && !on_windows())
        skip_test("needs Windows: Wine sends no CTRL_BREAK_EVENT");
    const char *name = under_test() == UNIX ? "SIGTERM" : "CTRL_BREAK_EVENT";
    struct program *client = start_with_target(
        text("tell server: ready 1\n%s", answer(name)), name, NULL, NULL);
    wait_line(client, "client: server exited with code 0");
    expect_end(client, 1);
    if (under_test() == WIN32)
        return;
    client = start_with_target(text("tell server: ready 1\n%sraise %d\n", answer(name),
                                    SIGKILL),
                               name, NULL, NULL);
    wait_line(client, "client: server was ended by signal 9");
    expect_end(client, 1);
}

TEST(server_dies, .judges = CLIENT, .points = 2, .step = 6,
     .name = "a server that dies at once, or before its report, is told, and exit code 1",
     .hint = "The end of its output is the end of waiting.")
{
    static const char *const scripts[] = {"", "tell server: starting\nexit 3\n",
                                          "tell server: ready 1\nawait\nexit 3\n",
                                          "tell server: ready 1\nexit 3\n"};
    for (size_t i = 0; i < 4; i++) {
        struct program *client = start_with_target(scripts[i], interrupt_name(), NULL,
                                                   NULL);
        wait_error_like(client, "client: *");
        /* Under Wine and on Windows an event cannot be sent to who is no more. */
        if (under_test() == UNIX)
            wait_line(client, "client: server exited with code %d", i == 0 ? 0 : 3);
        expect_end(client, 1);
    }
}

TEST(no_such_server, .judges = CLIENT, .points = 1, .step = 3,
     .name =
         "a server that cannot be started is one line on standard error, and exit code 1",
     .hint = "Check exec and CreateProcess; a child whose exec failed leaves by _exit.")
{
    struct program *client = start(CLIENT, "no-such-program", NULL);
    wait_error_like(client, "client: *error 2: *");
    expect_end(client, 1);
    wait_silence(client);
}

TEST(
    nothing_inherited, .judges = CLIENT, .points = 2, .step = 3,
    .name = "the server inherits no blocked or ignored signal, and no third pipe",
    .hint =
        "Mask and ignored signals survive exec: put back in the child what it shall have.")
{
    const char *name = interrupt_name();
    struct program *client = start_with_target(
        text("inventory\ntell server: ready 1\n%sdrain\n", answer(name)), name, NULL,
        NULL);
    wait_line(client, "target: 0 extra");
    expect_end(client, 0);
}

TEST(passes_lines_on, .judges = CLIENT, .points = 1, .step = 6,
     .name = "the server's lines are passed on whole, however long, and in pieces",
     .hint = "One read is not one line.")
{
    const char *name = interrupt_name(), *word = token();
    struct program *client = start_with_target(
        text("part server: re\nnap 20\ntell ady 1\nflood 100000\ntell %s\n"
             "tell \ntell %s\n%spart the end\n",
             word, word, answer(name)),
        name, NULL, NULL);
    wait_line(client, "server: ready 1");
    const char *line = wait_line_like(client, text("a*%s", word));
    if (strlen(line) != 100000 + strlen(word))
        fail_test("a line of %zu bytes came as one of %zu", 100000 + strlen(word),
                  strlen(line));
    wait_line(client, "%s", word);
    wait_line(client, "the end");
    expect_end(client, 0);
}

TEST(client_stays, .judges = CLIENT, .points = 2, .step = 3,
     .name = "Ctrl-C on the keyboard is for the server: the client stays to tell its end",
     .hint = "UNIX: ignore SIGINT meanwhile, as system(3) does. Windows: a handler that "
             "returns TRUE.")
{
    const char *name = interrupt_name();
    const char *target = place_probe("target", "server",
                                     text("ready\nawait\ntell target: waiting\nawait\n"
                                          "tell server: received \"%s\"\ndrain\n",
                                          name));
    struct program *client = start_with(CLIENT,
                                        (struct start_options){.terminal_input = true},
                                        target, name, NULL);
    pid_t pid = ready(client);
    wait_line(client, "target: waiting");
    if (under_test() == WIN32 && !on_windows())
        interrupt(client, pid);
    press_ctrl_c(client, pid, pid);
    wait_line_like(client, text("target: got %s%s", name,
                                under_test() == UNIX ? ", from the system" : ""));
    wait_line(client, "client: server exited with code 0");
    expect_end(client, 0);
}

TEST(silent_server, .judges = CLIENT, .points = 1, .step = 6,
     .name = "a server that says nothing costs the client nothing",
     .hint = "Wait in the read; do not ask again and again.")
{
    struct program *client = start_with_target("tell server: ready 1\nawait\ndrain\n",
                                               interrupt_name(), NULL, NULL);
    wait_line(client, "client: sent \"%s\"%s", interrupt_name(),
              under_test() == UNIX ? ", value 1" : "");
    expect_idle(client, 0.3, 10);
    kill_child(client, "server");
    expect_end(client, 1);
}

TEST(client_usage, .judges = CLIENT, .points = 1, .step = 1,
     .name =
         "an event that there is not is a usage line on standard error, and exit code 2",
     .hint = "Look at all the names before the server is started.")
{
    static const char *const wrong[] = {"SIGKILL", "sigint", "", "2", "CTRL_C"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *client = start(CLIENT, "no-such-program", interrupt_name(),
                                       wrong[i], NULL);
        wait_error_like(client, "usage: *");
        expect_end(client, 2);
    }
}

/* ---- What `make run` shows ---------------------------------------------------------- */

static void conversation(void)
{
    narrate(
        "The client starts the server, sends it events, each when the one before has been\n"
        "reported, and tells how it ended. Run the server alone to see its colours.");
    struct program *client = start(CLIENT, path_of(SERVER, NULL), NULL);
    wait_end(client);
}

CHECKER("07-signals", "signals")
