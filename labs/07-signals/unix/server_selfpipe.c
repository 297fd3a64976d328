/*
 * server_selfpipe.c - as server.c, but the handler writes to a pipe of this process.
 *
 * Usage: server_selfpipe [COUNT]
 *
 * No signal is blocked while main works: the handler can run at any moment. It writes what it
 * learns to a pipe, and main reads the other end when it is ready to. So a signal becomes
 * bytes, for which poll(), select() or any event loop can wait, on any UNIX. No signal is
 * lost between a look and a wait, because the pipe keeps it.
 *
 * Everything else is server.c.
 * To try: strace -e trace=poll,read,write server_selfpipe 2, and kill -INT from elsewhere.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include "contract.h"
#include "ipclab.h"

/* What the handler writes. So few bytes are written in one piece, and read in one. A pipe of
 * Linux holds 4,096 of them. */
struct note {
    int number, code, sender, value;
};

static int to_main; /* the write end of the pipe */

static int open_pipe(void);
static void install_handler(void);
static void note_signal(int number, siginfo_t *info, void *context);
static void report(const struct note *signal, bool coloured);
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

    /* STEP 3: Create the pipe, and install the handler that writes to it. */
    int signals = open_pipe();
    install_handler();

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
        /* EINTR: the handler has run. The next poll() finds what it wrote. */
        int ready = poll(sources, 2, -1);
        if (ready == -1 && errno != EINTR)
            sys_error("poll");
        if (ready > 0 && sources[0].revents != 0) {
            struct note signal;
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

/* Creates the pipe and returns its read end. The write end does not block: a handler that
 * waited because the pipe is full would wait for main, which waits for the handler. */
static int open_pipe(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        sys_error("pipe2");
    if (fcntl(ends[1], F_SETFL, O_NONBLOCK) == -1)
        sys_error("fcntl");
    to_main = ends[1];
    return ends[0];
}

/* Makes note_signal() the handler of the signals in contract.h, and unblocks all signals: a
 * program inherits blocked and ignored ones. SA_RESTART: a read() or write() that the handler
 * interrupts goes on. Without it each would have to be repeated after EINTR. */
static void install_handler(void)
{
    struct sigaction action = {.sa_sigaction = note_signal,
                               .sa_flags = SA_SIGINFO | SA_RESTART};
    sigfillset(&action.sa_mask); /* no other signal interrupts the handler */
    for (size_t i = 0; i < EVENTS; i++)
        if (sigaction(event_number(&events[i]), &action, NULL) == -1)
            sys_error("sigaction");
    if (sigprocmask(SIG_UNBLOCK, &action.sa_mask, NULL) == -1)
        sys_error("sigprocmask");
}

/* The handler. write() is one of the few functions that it may call, see signal-safety(7). It
 * can change errno, which the interrupted code may be about to read. */
static void note_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    int before = errno;
    struct note signal = {number, info->si_code, 0, 0};
    if (info->si_code == SI_USER || info->si_code == SI_QUEUE)
        signal.sender = info->si_pid;
    if (info->si_code == SI_QUEUE)
        signal.value = info->si_value.sival_int;
    (void)!write(to_main, &signal, sizeof signal); /* lost if the pipe is full */
    errno = before;
}

/* Reports one signal. Does not return if the signal is to end this process. */
static void report(const struct note *signal, bool coloured)
{
    /* STEP 7: Print the event in its colours, then ESC [ 0 m, which puts back the
     * terminal's own. Of a signal from the kernel (a key, a child), the note has no sender. */
    const struct event *event = event_numbered(signal->number);
    char sender[LINE_SIZE] = "", value[LINE_SIZE] = "";
    if (signal->code == SI_USER || signal->code == SI_QUEUE)
        snprintf(sender, sizeof sender, " from %d", signal->sender);
    if (signal->code == SI_QUEUE)
        snprintf(value, sizeof value, ", value %d", signal->value);
    if (coloured)
        log_event("\033[%sm" RECEIVED_LINE "%s%s\033[0m", event->colours, event->name,
                  sender, value);
    else
        log_event(RECEIVED_LINE "%s%s", event->name, sender, value);

    if (event->ends)
        end_by_signal(signal->number);
}

/* Ends this process by the signal's default action. */
static void end_by_signal(int number)
{
    /* STEP 8: End by the signal. With exit(), the parent would not learn of it: a script would
     * go on after Ctrl-\. Put back the default action, and send it again (not blocked). */
    if (signal(number, SIG_DFL) == SIG_ERR || raise(number) != 0)
        sys_error("raise");
}
