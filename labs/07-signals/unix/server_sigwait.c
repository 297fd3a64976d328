/*
 * server_sigwait.c - the signal server without a handler: wait for signals, one by one.
 *
 * Usage: server_sigwait [COUNT]
 *
 * Obeys the same contract as server.c. All signals stay blocked, in every thread, and
 * sigwaitinfo() takes one that waits. What it returns is handled here, in the middle of main,
 * where any function may be called: there is no handler, so nothing is interrupted. It waits
 * for nothing but signals; so a second thread watches the input, and tells by a signal.
 *
 * To try: strace -f -e trace=signal server_sigwait 2, and kill -INT from another terminal.
 */
#define PROGRAM "server"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* What the watching thread sends: a real-time signal that is none of the contract's. (Not the
 * last of them, SIGRTMAX: valgrind keeps that for itself.) */
#define INPUT_ENDED (SIGRTMIN + 1)

static bool is_count(const char *text);
static int piped_input(void);
static sigset_t block_signals(void);
static void *watch_input(void *argument);
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

    /* STEP 2: See whether there are colours: in a file or a pipe they would be rubbish. */
    bool coloured = isatty(STDOUT_FILENO) == 1;

    /* STEP 3: Block the signals, before the second thread is made, which inherits that. A
     * signal goes to any thread that has it not blocked, and there its default action would
     * end us all. */
    sigset_t ours = block_signals();
    pthread_t watcher;
    struct pollfd input = {
        .fd = piped_input()}; /* no events: POLLHUP is told in any case */
    int error = pthread_create(&watcher, NULL, watch_input, &input);
    if (error != 0)
        fail_with(error, "pthread_create");

    /* STEP 4: Say who we are, since a signal is sent to a process by its number. */
    say(stdout, READY_LINE "%ld", (long)getpid());

    /* STEP 5: Wait for the next signal, at no cost. It need not come while we wait: one that
     * came before was blocked, and is taken now. */
    while (count != 0) {
        siginfo_t signal;
        if (sigwaitinfo(&ours, &signal) == -1) {
            if (errno == EINTR) /* stopped and continued */
                continue;
            fail("sigwaitinfo");
        }
        if (signal.si_signo == INPUT_ENDED)
            break;
        report(&signal, coloured);
        let_end(event_numbered(signal.si_signo));
        if (count > 0)
            count--;
    }

    /* STEP 6: End in order, after COUNT events or with our input: the thread first. */
    error = pthread_cancel(watcher);
    if (error != 0)
        fail_with(error, "pthread_cancel");
    error = pthread_join(watcher, NULL);
    if (error != 0)
        fail_with(error, "pthread_join");
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

/* Blocks our signals, and returns them as a set. (Where there are threads, what sigprocmask does
 * is unspecified.) Whoever started us may have had them ignored, and an ignored signal may be
 * thrown away, though it is blocked: Linux keeps it, but POSIX leaves it open. So each gets its
 * default action back. That of SIGCHLD and SIGWINCH is to be thrown away, too, and there POSIX
 * leaves it open again. */
static sigset_t block_signals(void)
{
    sigset_t ours;
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigemptyset(&ours);
    sigaddset(&ours, INPUT_ENDED);
    for (size_t i = 0; i < EVENTS; i++)
        sigaddset(&ours, number_of(&events[i]));
    int error = pthread_sigmask(SIG_BLOCK, &ours, NULL);
    if (error != 0)
        fail_with(error, "pthread_sigmask");
    for (size_t i = 0; i < EVENTS; i++)
        if (sigaction(number_of(&events[i]), &action, NULL) == -1)
            fail("sigaction");
    return ours;
}

/* A thread: waits until standard input, if it is a pipe, has lost its writer. */
static void *watch_input(void *argument)
{
    struct pollfd *input = argument;
    while (poll(input, 1, -1) == -1)
        if (errno != EINTR)
            fail("poll");
    if (kill(getpid(), INPUT_ENDED) == -1)
        fail("kill");
    return NULL;
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
    int error = pthread_sigmask(SIG_UNBLOCK, &this, NULL); /* it has waited until here */
    if (error != 0)
        fail_with(error, "pthread_sigmask");
}
