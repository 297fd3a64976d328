/*
 * server.c - handle console events, and report each in colour.
 *
 * Usage: server [COUNT]
 *
 * Reports the console events that contract.h lists. Ends after COUNT of them, or when
 * standard input, a pipe, has lost its writer, with exit code 0. Every event but Ctrl-C is
 * reported, and then ends the process.
 *
 * Mirrors listing 13 of the report. Counterpart: ../unix/server.c. The same with a handler
 * that only sets an event object: server_event.c; one that interrupts the main thread, which
 * comes nearest to a signal: server_apc.c. This program passes the robust stage, too.
 * To try: server 3 in a console; press Ctrl-C, Ctrl-Break, and close the window.
 */
#include "contract.h"
#include "ipclab.h"

/* What main and the handler share. The handler runs in a thread of its own. */
static HANDLE console;
static bool coloured;
static WORD usual_colours;
static SRWLOCK lock = SRWLOCK_INIT; /* for `count`, and for a line with its colours */
static long count = -1;             /* how many events are still to come (-1: no limit) */
static HANDLE finished;             /* an event object: main may end */

static void watch_input(void *unused);
static void report(const struct event *event);
static BOOL WINAPI handle_event(DWORD number);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: after how many events to end (-1: never). */
    begin_program("server", "[COUNT]", &argv);
    if (argc > 2)
        usage_exit();
    if (argc > 1)
        count = parse_long("COUNT", argv[1], 1, MAX_COUNT);

    /* STEP 2: Ask the console for its colours, to put them back. The call fails if output is
     * a file or a pipe: only a console has colours. */
    CONSOLE_SCREEN_BUFFER_INFO screen = {0};
    console = GetStdHandle(STD_OUTPUT_HANDLE);
    coloured = GetConsoleScreenBufferInfo(console, &screen);
    usual_colours = screen.wAttributes;

    /* STEP 3: Install the handler, and undo what may be inherited: Ctrl-C can be ignored when
     * a program starts, and always is in a new process group. */
    finished = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (finished == NULL)
        sys_error("CreateEvent");
    // LEVEL 1
    if (!SetConsoleCtrlHandler(NULL, FALSE) || !SetConsoleCtrlHandler(handle_event, TRUE))
        sys_error("SetConsoleCtrlHandler");
    // END

    /* STEP 4: Print the process ID: it is also that of the process group, to which events are
     * sent. Not before STEP 3: an event that has no handler yet would end this process. */
    log_event(READY_LINE "%lu", GetCurrentProcessId());

    /* STEP 5: Wait for the last event, or for the end of standard input, if it is a pipe. The
     * handler does not need this thread: it could do other work. */
    if (GetFileType(GetStdHandle(STD_INPUT_HANDLE)) == FILE_TYPE_PIPE &&
        !start_thread(watch_input, NULL))
        sys_error("_beginthreadex");
    // LEVEL 2
    if (WaitForSingleObject(finished, INFINITE) == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    // END

    /* STEP 6: End, after COUNT events or the end of standard input. With the lock, because
     * a handler may be between a line and the usual colours. */
    AcquireSRWLockExclusive(&lock);
    log_event("server: done");
    return EXIT_SUCCESS;
}

/* A thread: reads standard input, ignores the bytes, and notices the end. */
static void watch_input(void *unused)
{
    (void)unused;
    char bytes[READ_SIZE];
    while (read_full(GetStdHandle(STD_INPUT_HANDLE), bytes, sizeof bytes) > 0)
        ;
    if (!SetEvent(finished))
        sys_error("SetEvent");
}

/* Reports one event. The caller has the lock. */
static void report(const struct event *event)
{
    /* STEP 7: Print the event in its colours, then put back the usual ones. */
    if (coloured)
        SetConsoleTextAttribute(console, (WORD)event->colours);
    log_event(RECEIVED_LINE, event->name);
    if (coloured)
        SetConsoleTextAttribute(console, usual_colours);
    if (count > 0)
        count--;
}

/* The handler. Windows starts a thread for each event, and calls it there. So it may call
 * any function, and must lock what threads share. It returns TRUE for an event that it has
 * dealt with. At FALSE, Windows calls the next handler: the last is its own, which ends the
 * process. WINAPI is how Windows calls it. The listing left it out, and hid that by a cast. */
static BOOL WINAPI handle_event(DWORD number)
{
    const struct event *event = event_numbered((int)number);
    if (event == NULL)
        return FALSE;
    // LEVEL 2
    AcquireSRWLockExclusive(&lock);
    if (count != 0)
        report(event);
    if (count == 0 && !event->ends && !SetEvent(finished))
        sys_error("SetEvent");
    ReleaseSRWLockExclusive(&lock);
    // END

    /* STEP 8: End by the event, if it is one that ends a process. At FALSE, the exit code is
     * STATUS_CONTROL_C_EXIT, by which the parent learns of the event. */
    // LEVEL 2
    return !event->ends;
    // END
}
