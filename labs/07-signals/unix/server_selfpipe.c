/*
 * server_selfpipe.c - the signal server whose handler writes to a pipe of the process's own.
 *
 * Usage: server_selfpipe [COUNT]
 *
 * Obeys the same contract as server.c. Nothing is blocked while main works, and the handler
 * may run at any moment: what it learns it writes into a pipe, whose other end main reads when
 * it has time. So a signal becomes bytes to wait for, with poll or select or any event loop, on
 * any UNIX. No signal is lost between a look and a wait: the pipe keeps it.
 *
 * To try: strace -e trace=poll,read,write server_selfpipe 2, and kill -INT from elsewhere.
 */
#define PROGRAM "server"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* What the handler writes. So few bytes go into a pipe in one piece, and come out in one. A
 * pipe of Linux holds 4096 of them. */
struct note {
    int number, code, sender, value;
};

static int to_main; /* the pipe's writing end */

static bool is_count(const char *text);
static int piped_input(void);
static int open_pipe(void);
static void install_handler(void);
static void note(int number, siginfo_t *info, void *context);
static void report(const struct note *signal, bool coloured);
static void let_end(const struct event *event);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: after how many events to end. */
    if (argc > 2 || (argc > 1 && !is_count(argv[1]))) {
        say(stderr, "usage: server [COUNT], COUNT from 1 to %d", MAX_COUNT);
        return 2;
    }
    long count = argc > 1 ? atol(argv[1]) : -1;

    /* STEP 2: See whether there are colours: in a file or a pipe they would be rubbish. */
    bool coloured = isatty(STDOUT_FILENO) == 1;

    /* STEP 3: Make the pipe, and install the handler that writes to it. */
    int signals = open_pipe();
    install_handler();

    /* STEP 4: Say who we are, since a signal is sent to a process by its number. */
    say(stdout, READY_LINE "%ld", (long)getpid());

    /* STEP 5: Wait until a signal can be read, or the input has ended, at no cost. */
    struct pollfd sources[] = {{.fd = signals, .events = POLLIN}, {.fd = piped_input()}};
    while (count != 0) {
        if (poll(sources, 2, -1) == -1) {
            if (errno ==
                EINTR) /* by the handler: what it wrote is there at the next look */
                continue;
            fail("poll");
        }
        if (sources[0].revents == 0)
            break; /* whoever started us and held the other end has gone */
        struct note signal;
        if (read(signals, &signal, sizeof signal) == -1)
            fail("read");
        report(&signal, coloured);
        let_end(event_numbered(signal.number));
        if (count > 0)
            count--;
    }

    /* STEP 6: End in order, after COUNT events or with our input. */
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

static bool is_count(const char *text)
{
    char *end;
    long count = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && count >= 1 &&
           count <= MAX_COUNT;
}

/* Standard input, if it is a pipe, whose end tells us that whoever started us has gone; else -1,
 * which poll passes over. A terminal that goes ends, too, but that is for SIGHUP to tell. */
static int piped_input(void)
{
    struct stat input;
    bool piped = fstat(STDIN_FILENO, &input) == 0 && S_ISFIFO(input.st_mode);
    return piped ? STDIN_FILENO : -1;
}

/* Makes the pipe and returns its reading end. The writing end does not wait: a handler that
 * waited in a full pipe would wait for main, which waits for the handler. */
static int open_pipe(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        fail("pipe2");
    if (fcntl(ends[1], F_SETFL, O_NONBLOCK) == -1)
        fail("fcntl");
    to_main = ends[1];
    return ends[0];
}

/* Makes note() the handler of our signals, and lets them in, whoever had them blocked. */
static void install_handler(void)
{
    /* SA_RESTART: a write that the handler interrupts goes on by itself. Without it every call
     * that may wait would have to be asked whether it failed with EINTR, and begun again. */
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < EVENTS; i++)
        sigaddset(&action.sa_mask, number_of(&events[i]));
    for (size_t i = 0; i < EVENTS; i++)
        if (sigaction(number_of(&events[i]), &action, NULL) == -1)
            fail("sigaction");
    if (sigprocmask(SIG_UNBLOCK, &action.sa_mask, NULL) == -1)
        fail("sigprocmask");
}

/* The handler. write() is one of the few functions that it may call (signal-safety(7)). errno
 * belongs to whom it interrupts, perhaps between a failed call and the look at why. */
static void note(int number, siginfo_t *info, void *context)
{
    (void)context;
    int kept = errno;
    struct note signal = {number, info->si_code, 0, 0};
    if (info->si_code == SI_USER || info->si_code == SI_QUEUE)
        signal.sender = info->si_pid;
    if (info->si_code == SI_QUEUE)
        signal.value = info->si_value.sival_int;
    (void)!write(to_main, &signal, sizeof signal); /* what finds no room is lost */
    errno = kept;
}

static void report(const struct note *signal, bool coloured)
{
    /* STEP 7: Report the event in its colours, and put back those that were there: all in one
     * write, so that nobody ever finds the terminal halfway. */
    const struct event *event = event_numbered(signal->number);
    char on[32] = "", sender[32] = "", value[32] = "";
    if (coloured)
        snprintf(on, sizeof on, "\033[%d;%dm",
                 event->text < 8 ? 30 + event->text : 90 + event->text - 8,
                 40 + event->ground);
    /* The kernel, too, sends signals: the terminal's keys, the death of a child. */
    if (signal->code == SI_USER || signal->code == SI_QUEUE)
        snprintf(sender, sizeof sender, " from %ld", (long)signal->sender);
    if (signal->code == SI_QUEUE)
        snprintf(value, sizeof value, ", value %d", signal->value);
    say(stdout, "%s" RECEIVED_LINE "%s%s%s", on, event->name, sender, value,
        coloured ? "\033[0m" : "");
}

static void let_end(const struct event *event)
{
    /* STEP 8: Let an event that is to end us do so, so that whoever waits for us learns what
     * it was. exit(0) would be a lie, and a shell script would go on after its Ctrl-\. */
    if (!event->ends)
        return;
    struct sigaction action = {.sa_handler = SIG_DFL};
    if (sigaction(event->number, &action, NULL) == -1)
        fail("sigaction");
    if (raise(event->number) != 0) /* it is not blocked here, and so ends us at once */
        fail("raise");
}
