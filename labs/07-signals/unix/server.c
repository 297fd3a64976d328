/*
 * server.c - handle signals, and report each in colour.
 *
 * Usage: server [COUNT]
 *
 * Reports the signals that contract.h lists: name, sender, and the value that sigqueue()
 * gave. Ends after COUNT of them, or when standard input, a pipe, has lost its writer, with
 * exit code 0. SIGQUIT, SIGHUP and SIGTERM are reported, and then end the process.
 *
 * Mirrors listing 13 of the report. Counterpart: ../win32/server.c. The same without a
 * handler: server_sigwait.c, server_signalfd.c. A handler that writes to a pipe, for any
 * event loop: server_selfpipe.c. This program passes the robust stage, too.
 * To try: server 3 in a terminal; press Ctrl-C, Ctrl-\, and kill -USR1 from another one.
 */
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include "contract.h"
#include "ipclab.h"

/* What the handler has noted. main reads it only while the handler cannot run. */
static siginfo_t noted;
static volatile sig_atomic_t has_noted;

static void install_handler(void);
static void note_signal(int number, siginfo_t *info, void *context);
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

    /* STEP 3: Install the handler. From here on signals are blocked: they wait. */
    install_handler();

    /* STEP 4: Print the process ID, to which signals are sent. Not before STEP 3: a signal
     * that has no handler yet would end this process. */
    log_event(READY_LINE "%ld", (long)getpid());

    /* STEP 5: Wait for a signal, or for the end of standard input, if it is a pipe. (When a
     * terminal is closed, SIGHUP comes.) poll() reports the end of a pipe even if it is asked
     * for no events. It ignores a descriptor of -1. */
    struct stat file;
    bool piped = fstat(STDIN_FILENO, &file) == 0 && S_ISFIFO(file.st_mode);
    struct pollfd input = {.fd = piped ? STDIN_FILENO : -1};
    sigset_t none;
    sigemptyset(&none);
    while (count != 0) {
        // LEVEL 2: int ready;
        /* ppoll() unblocks the signals and waits, in one step. If these were two steps, a
         * signal could come between them: this program would then wait for the next one. */
        has_noted = false;
        int ready = ppoll(&input, 1, NULL, &none);
        if (ready == -1 && errno != EINTR)
            sys_error("ppoll");
        // END
        if (has_noted) {
            report(&noted, coloured);
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

/* Makes note_signal() the handler of the signals in contract.h, and blocks all signals.
 * This also undoes what is inherited: a signal can be ignored when a program starts. */
static void install_handler(void)
{
    // LEVEL 1
    struct sigaction action = {.sa_sigaction = note_signal, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask); /* no other signal interrupts the handler */
    if (sigprocmask(SIG_BLOCK, &action.sa_mask, NULL) == -1)
        sys_error("sigprocmask");
    for (size_t i = 0; i < EVENTS; i++)
        if (sigaction(event_number(&events[i]), &action, NULL) == -1)
            sys_error("sigaction");
    // END
}

/* The handler. It interrupts the program, which may be inside printf() or malloc(): so the
 * handler must not call them. signal-safety(7) lists what it may call. This one only copies. */
static void note_signal(int number, siginfo_t *info, void *context)
{
    // LEVEL 2
    (void)number;
    (void)context;
    noted = *info;
    has_noted = true;
    // END
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
    // LEVEL 2
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, number);
    if (signal(number, SIG_DFL) == SIG_ERR || raise(number) != 0 ||
        sigprocmask(SIG_UNBLOCK, &only, NULL) == -1)
        sys_error("raise");
    // END
}
