/*
 * server.c - handle signals, and report each in colour.
 *
 * Usage: server [COUNT]
 *
 * Reports the signals of the table in contract.h as they come, who sent them, and the value
 * that sigqueue(3) gave them. Ends after COUNT of them, or when standard input, a pipe, has
 * lost its writer: exit code 0. A signal that is meant to end a process (SIGQUIT, SIGHUP,
 * SIGTERM) is reported, and then does end it.
 *
 * Mirrors listing 13 of the report. Its twin: ../win32/server.c. Other ways to do the same:
 * server_sigwait.c (a thread that waits for signals), server_signalfd.c (signals as something
 * to read), server_selfpipe.c (a handler that writes to a pipe of the process's own).
 * To try: server 3, with Ctrl-C, Ctrl-\ and kill -USR1 from another terminal.
 */
#define PROGRAM "server"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* What the handler has noted; read only where it cannot run. */
static siginfo_t noted;
static volatile sig_atomic_t has_noted;

static bool is_count(const char *text);
static int piped_input(void);
static sigset_t install_handler(void);
static void note(int number, siginfo_t *info, void *context);
static void report(const siginfo_t *signal, bool coloured);
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

    /* STEP 2: See whether there are colours: in a file or a pipe they would be rubbish. Few
     * terminals report their colours, but all know a sequence that puts back their own. */
    bool coloured = isatty(STDOUT_FILENO) == 1;

    /* STEP 3: Install the handler. From here on our signals are blocked, that is, they wait,
     * but for the moments in which we wait for them. */
    sigset_t while_waiting = install_handler();

    /* STEP 4: Say who we are, since a signal is sent to a process by its number. */
    say(stdout, READY_LINE "%ld", (long)getpid());

    /* STEP 5: Wait until there is something to do, at no cost. The listing ran in a circle. */
    struct pollfd input = {
        .fd = piped_input()}; /* no events: POLLHUP is told in any case */
    while (count != 0) {
        /* ppoll unblocks the signals and waits in one step. With pause(), which waits only, a
         * signal might be handled just before it, and we would wait for one that was here. */
        has_noted = false;
        if (ppoll(&input, 1, NULL, &while_waiting) == -1 && errno != EINTR)
            fail("ppoll");
        if (has_noted) {
            report(&noted, coloured);
            let_end(event_numbered(noted.si_signo));
            if (count > 0)
                count--;
        } else if (input.revents != 0) {
            break; /* whoever started us and held the other end has gone */
        }
        input.revents = 0;
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

/* Makes note() the handler of our signals, and blocks them. Returns the mask under which they
 * are let in. Whoever started us may have blocked or ignored them: both are inherited. */
static sigset_t install_handler(void)
{
    sigset_t ours, mask;
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigemptyset(&ours);
    for (size_t i = 0; i < EVENTS; i++)
        sigaddset(&ours, number_of(&events[i]));
    /* While the handler runs all of ours are blocked, and when it returns ppoll has blocked
     * them again: so there is one signal to note at a time, and those behind it wait. */
    action.sa_mask = ours;
    if (sigprocmask(SIG_BLOCK, &ours, &mask) == -1)
        fail("sigprocmask");
    for (size_t i = 0; i < EVENTS; i++) {
        if (sigaction(number_of(&events[i]), &action, NULL) == -1)
            fail("sigaction");
        sigdelset(&mask, number_of(&events[i]));
    }
    return mask;
}

/* The handler. It may run in the middle of anything, so it may call next to nothing: printf
 * or malloc, called by whom it interrupted, would be entered a second time (the functions
 * that are safe stand in signal-safety(7)). This one calls none, so errno stays, too. */
static void note(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    noted = *info;
    has_noted = true;
}

static void report(const siginfo_t *signal, bool coloured)
{
    /* STEP 7: Report the event in its colours, and put back those that were there: all in one
     * write, so that nobody ever finds the terminal halfway. */
    const struct event *event = event_numbered(signal->si_signo);
    char on[32] = "", sender[32] = "", value[32] = "";
    if (coloured)
        snprintf(on, sizeof on, "\033[%d;%dm",
                 event->text < 8 ? 30 + event->text : 90 + event->text - 8,
                 40 + event->ground);
    /* The kernel, too, sends signals: the terminal's keys, the death of a child. */
    if (signal->si_code == SI_USER || signal->si_code == SI_QUEUE)
        snprintf(sender, sizeof sender, " from %ld", (long)signal->si_pid);
    if (signal->si_code == SI_QUEUE)
        snprintf(value, sizeof value, ", value %d", signal->si_value.sival_int);
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
