/*
 * server_sigwait.c - as server.c, but no handler runs: it takes signals one by one.
 *
 * Usage: server_sigwait [COUNT]
 *
 * The signals stay blocked in every thread, and sigwaitinfo() takes one that waits. It returns
 * like any other call: so the code that follows may call any function. It waits for signals
 * only. A second thread watches standard input, and sends a signal at its end.
 *
 * Everything else is server.c.
 * To try: strace -f -e trace=signal server_sigwait 2, and kill -INT from another terminal.
 */
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include "contract.h"
#include "ipclab.h"

/* What the second thread sends: a real-time signal that is not in contract.h. (Not SIGRTMAX,
 * which valgrind uses.) */
#define INPUT_ENDED (SIGRTMIN + 1)

static sigset_t block_signals(void);
static void do_nothing(int number);
static void watch_input(void *unused);
static void report(const siginfo_t *signal, bool coloured);
static void end_by_signal(int number);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: after how many events to end (-1: never). */
    begin_program("server", "[COUNT]", &argv);
    if (argc > 2)
        usage_exit();
    long count = argc > 1 ? parse_long("COUNT", argv[1], 1, MAX_COUNT) : -1;

    /* STEP 2: Find out whether output is a terminal: only a terminal has colours. */
    bool coloured = isatty(STDOUT_FILENO);

    /* STEP 3: Block the signals. Before the second thread starts, which inherits that: a
     * signal goes to any thread that has not blocked it, and would end the process there. */
    sigset_t ours = block_signals();

    /* STEP 4: Print the process ID, to which signals are sent. Not before STEP 3: a signal
     * that has no handler yet would end this process. */
    log_event(READY_LINE "%ld", (long)getpid());

    /* STEP 5: Wait for a signal. The thread waits for the end of standard input, if it is a
     * pipe. (When a terminal is closed, SIGHUP comes.) */
    struct stat file;
    bool piped = fstat(STDIN_FILENO, &file) == 0 && S_ISFIFO(file.st_mode);
    if (piped && !start_thread(watch_input, NULL))
        sys_error("pthread_create");
    while (count != 0) {
        siginfo_t signal;
        if (sigwaitinfo(&ours, &signal) == -1) {
            if (errno == EINTR) /* this process was stopped and continued */
                continue;
            sys_error("sigwaitinfo");
        }
        if (signal.si_signo == INPUT_ENDED)
            break; /* the program that started this one has closed the pipe, or ended */
        report(&signal, coloured);
        if (count > 0)
            count--;
    }

    /* STEP 6: End, after COUNT events or the end of standard input. */
    log_event("server: done");
    return EXIT_SUCCESS;
}

/* Blocks the signals in contract.h and INPUT_ENDED, and returns them. Gives them a handler, which
 * never runs: POSIX allows that a signal is lost, although it is blocked, if its action is to
 * ignore it. That is the default of SIGCHLD and SIGWINCH; for others it can be inherited. */
static sigset_t block_signals(void)
{
    struct sigaction action = {.sa_handler = do_nothing};
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, INPUT_ENDED);
    for (size_t i = 0; i < EVENTS; i++)
        sigaddset(&ours, event_number(&events[i]));
    int error = pthread_sigmask(SIG_BLOCK, &ours, NULL);
    if (error != 0)
        sys_error_number("pthread_sigmask", error);
    for (size_t i = 0; i < EVENTS; i++)
        if (sigaction(event_number(&events[i]), &action, NULL) == -1)
            sys_error("sigaction");
    if (sigaction(INPUT_ENDED, &action, NULL) == -1)
        sys_error("sigaction");
    return ours;
}

static void do_nothing(int number)
{
    (void)number;
}

/* The second thread: waits until standard input, a pipe, has lost its writer. poll() asks for
 * no events: it reports the end in any case. */
static void watch_input(void *unused)
{
    (void)unused;
    struct pollfd input = {.fd = STDIN_FILENO};
    while (poll(&input, 1, -1) == -1)
        if (errno != EINTR)
            sys_error("poll");
    if (kill(getpid(), INPUT_ENDED) == -1)
        sys_error("kill");
}

/* Reports one signal. Does not return if the signal is to end this process. */
static void report(const siginfo_t *signal, bool coloured)
{
    /* STEP 7: Print the event in its colours, then ESC [ 0 m, which puts back the
     * terminal's own. Of a signal from the kernel (a key, a child), si_pid is no sender. */
    const struct event *event = event_numbered(signal->si_signo);
    char sender[LINE_SIZE] = "", value[LINE_SIZE] = "";
    if (signal->si_code == SI_USER || signal->si_code == SI_QUEUE)
        snprintf(sender, sizeof sender, " from %ld", (long)signal->si_pid);
    if (signal->si_code == SI_QUEUE)
        snprintf(value, sizeof value, ", value %d", signal->si_value.sival_int);
    if (coloured)
        log_event("\033[%sm" RECEIVED_LINE "%s%s\033[0m", event->colours, event->name,
                  sender, value);
    else
        log_event(RECEIVED_LINE "%s%s", event->name, sender, value);

    if (event->ends)
        end_by_signal(signal->si_signo);
}

/* Ends this process by the signal's default action. */
static void end_by_signal(int number)
{
    /* STEP 8: End by the signal. With exit(), the parent would not learn of it: a script would
     * go on after Ctrl-\. Put back the default action, send the signal again, unblock it. */
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, number);
    if (signal(number, SIG_DFL) == SIG_ERR || raise(number) != 0 ||
        pthread_sigmask(SIG_UNBLOCK, &only, NULL) != 0)
        sys_error("raise");
}
