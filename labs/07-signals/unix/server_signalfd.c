/*
 * server_signalfd.c - as server.c, but signals are read from a descriptor.
 *
 * Usage: server_signalfd [COUNT]
 *
 * The signals stay blocked, and signalfd() returns a descriptor from which they can be read.
 * So a program waits for them with poll(), beside its other input, in one loop: there is no
 * handler, no thread, and nothing is interrupted. Linux only.
 *
 * Everything else is server.c.
 * To try: strace -e trace=poll,read server_signalfd 2, and kill -INT from another terminal.
 */
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "contract.h"
#include "ipclab.h"

static int open_signals(void);
static void report(const struct signalfd_siginfo *signal, bool coloured);
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

    /* STEP 3: Block the signals, and get the descriptor from which they can be read. */
    int signals = open_signals();

    /* STEP 4: Print the process ID, to which signals are sent. Not before STEP 3: a signal
     * that has no handler yet would end this process. */
    log_event(READY_LINE "%ld", (long)getpid());

    /* STEP 5: Wait for a signal, or for the end of standard input, if it is a pipe. (When a
     * terminal is closed, SIGHUP comes.) poll() reports the end of a pipe even if it is asked
     * for no events. It ignores a descriptor of -1. */
    struct stat file;
    bool piped = fstat(STDIN_FILENO, &file) == 0 && S_ISFIFO(file.st_mode);
    struct pollfd sources[] = {{.fd = signals, .events = POLLIN},
                               {.fd = piped ? STDIN_FILENO : -1}};
    while (count != 0) {
        int ready = poll(sources, 2, -1);
        if (ready == -1 && errno != EINTR)
            sys_error("poll");
        if (ready > 0 && sources[0].revents != 0) {
            struct signalfd_siginfo signal;
            if (read(signals, &signal, sizeof signal) == -1)
                sys_error("read");
            report(&signal, coloured);
            if (count > 0)
                count--;
        } else if (ready > 0) {
            break; /* the program that started this one has closed the pipe, or ended */
        }
    }

    /* STEP 6: End, after COUNT events or the end of standard input. */
    log_event("server: done");
    return EXIT_SUCCESS;
}

/* Blocks the signals in contract.h, and returns a descriptor from which they can be read.
 * Linux keeps a blocked signal even if its action is to ignore it. (POSIX does not promise that:
 * see server_sigwait.c.) But if SIGCHLD is ignored, which can be inherited, the end of a child
 * sends none: so all get their default action back. */
static int open_signals(void)
{
    sigset_t ours;
    sigemptyset(&ours);
    for (size_t i = 0; i < EVENTS; i++)
        sigaddset(&ours, event_number(&events[i]));
    if (sigprocmask(SIG_BLOCK, &ours, NULL) == -1)
        sys_error("sigprocmask");
    for (size_t i = 0; i < EVENTS; i++)
        if (signal(event_number(&events[i]), SIG_DFL) == SIG_ERR)
            sys_error("signal");
    int descriptor = signalfd(-1, &ours, SFD_CLOEXEC);
    if (descriptor == -1)
        sys_error("signalfd");
    return descriptor;
}

/* Reports one signal. Does not return if the signal is to end this process. */
static void report(const struct signalfd_siginfo *signal, bool coloured)
{
    /* STEP 7: Print the event in its colours, then ESC [ 0 m, which puts back the
     * terminal's own. Of a signal from the kernel (a key, a child), ssi_pid is no sender. */
    const struct event *event = event_numbered((int)signal->ssi_signo);
    char sender[LINE_SIZE] = "", value[LINE_SIZE] = "";
    if (signal->ssi_code == SI_USER || signal->ssi_code == SI_QUEUE)
        snprintf(sender, sizeof sender, " from %ld", (long)signal->ssi_pid);
    if (signal->ssi_code == SI_QUEUE)
        snprintf(value, sizeof value, ", value %d", signal->ssi_int);
    if (coloured)
        log_event("\033[%sm" RECEIVED_LINE "%s%s\033[0m", event->colours, event->name,
                  sender, value);
    else
        log_event(RECEIVED_LINE "%s%s", event->name, sender, value);

    if (event->ends)
        end_by_signal((int)signal->ssi_signo);
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
        sigprocmask(SIG_UNBLOCK, &only, NULL) == -1)
        sys_error("raise");
}
