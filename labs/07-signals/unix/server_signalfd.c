/*
 * server_signalfd.c - the signal server that reads its signals from a descriptor.
 *
 * Usage: server_signalfd [COUNT]
 *
 * Obeys the same contract as server.c. The signals stay blocked, and signalfd(), which Linux
 * alone has, gives a descriptor to read them from: so they can be waited for with poll beside
 * any other input, in one loop, without a handler and without a thread.
 *
 * To try: strace -e trace=poll,read server_signalfd 2, and kill -INT from another terminal.
 */
#define PROGRAM "server"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static bool is_count(const char *text);
static int piped_input(void);
static int open_signals(void);
static void report(const struct signalfd_siginfo *signal, bool coloured);
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

    /* STEP 3: Block the signals, and get the descriptor that they can be read from. */
    int signals = open_signals();

    /* STEP 4: Say who we are, since a signal is sent to a process by its number. */
    say(stdout, READY_LINE "%ld", (long)getpid());

    /* STEP 5: Wait until a signal can be read, or the input has ended, at no cost. */
    struct pollfd sources[] = {{.fd = signals, .events = POLLIN}, {.fd = piped_input()}};
    while (count != 0) {
        if (poll(sources, 2, -1) == -1) {
            if (errno == EINTR) /* stopped and continued */
                continue;
            fail("poll");
        }
        if (sources[0].revents == 0)
            break; /* whoever started us and held the other end has gone */
        struct signalfd_siginfo signal;
        if (read(signals, &signal, sizeof signal) == -1)
            fail("read");
        report(&signal, coloured);
        let_end(event_numbered((int)signal.ssi_signo));
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

/* Blocks our signals, and returns a descriptor to read them from. Whoever started us may have
 * had them ignored, and an ignored signal may be thrown away, though it is blocked: Linux keeps
 * it, but POSIX leaves it open. So each gets its default action back. That of SIGCHLD and
 * SIGWINCH is to be thrown away, too, and there POSIX leaves it open again. */
static int open_signals(void)
{
    sigset_t ours;
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigemptyset(&ours);
    for (size_t i = 0; i < EVENTS; i++)
        sigaddset(&ours, number_of(&events[i]));
    if (sigprocmask(SIG_BLOCK, &ours, NULL) == -1)
        fail("sigprocmask");
    for (size_t i = 0; i < EVENTS; i++)
        if (sigaction(number_of(&events[i]), &action, NULL) == -1)
            fail("sigaction");
    int descriptor = signalfd(-1, &ours, SFD_CLOEXEC);
    if (descriptor == -1)
        fail("signalfd");
    return descriptor;
}

static void report(const struct signalfd_siginfo *signal, bool coloured)
{
    /* STEP 7: Report the event in its colours, and put back those that were there: all in one
     * write, so that nobody ever finds the terminal halfway. */
    const struct event *event = event_numbered((int)signal->ssi_signo);
    char on[32] = "", sender[32] = "", value[32] = "";
    if (coloured)
        snprintf(on, sizeof on, "\033[%d;%dm",
                 event->text < 8 ? 30 + event->text : 90 + event->text - 8,
                 40 + event->ground);
    /* The kernel, too, sends signals: the terminal's keys, the death of a child. */
    if (signal->ssi_code == SI_USER || signal->ssi_code == SI_QUEUE)
        snprintf(sender, sizeof sender, " from %ld", (long)signal->ssi_pid);
    if (signal->ssi_code == SI_QUEUE)
        snprintf(value, sizeof value, ", value %d", signal->ssi_int);
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
    sigset_t this;
    sigemptyset(&this);
    sigaddset(&this, event->number);
    if (sigaction(event->number, &action, NULL) == -1)
        fail("sigaction");
    if (raise(event->number) != 0)
        fail("raise");
    if (sigprocmask(SIG_UNBLOCK, &this, NULL) == -1) /* it has waited until here */
        fail("sigprocmask");
}
