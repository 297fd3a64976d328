/*
 * server_apc.c - as server.c, but the handler interrupts the main thread's wait.
 *
 * Usage: server_apc [COUNT]
 *
 * The handler queues an asynchronous procedure call (APC) to the main thread: a function that
 * runs there, in the middle of a wait. On Windows this comes nearest to a signal. An APC runs
 * only while its thread waits, and only if the wait is "alertable": so it may call printf(). It
 * carries a value, and none is lost: they queue, as real-time signals do.
 *
 * Everything else is server.c. To try: server_apc 3, and hold Ctrl-C down.
 */
#include "contract.h"
#include "ipclab.h"

/* What main and the handler share. The handler runs in a thread of its own. */
static HANDLE main_thread;
static HANDLE reported; /* an event object: an event that ends this process is reported */

/* What main and the other thread share. */
static HANDLE input_ended;

static HANDLE console;
static bool coloured;
static WORD usual_colours;
static long count = -1; /* how many events are still to come (-1: no limit) */

static HANDLE new_event(BOOL manual_reset);
static void watch_input(void *unused);
static void CALLBACK report(ULONG_PTR which);
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

    /* STEP 3: Get a handle of this thread, by which the handler can interrupt it, and install
     * the handler. The first call undoes what may be inherited: Ctrl-C can be ignored when a
     * program starts, and always is in a new process group. */
    main_thread = OpenThread(THREAD_SET_CONTEXT, FALSE, GetCurrentThreadId());
    if (main_thread == NULL)
        sys_error("OpenThread");
    input_ended = new_event(TRUE);
    reported = new_event(TRUE);
    if (!SetConsoleCtrlHandler(NULL, FALSE) || !SetConsoleCtrlHandler(handle_event, TRUE))
        sys_error("SetConsoleCtrlHandler");

    /* STEP 4: Print the process ID: it is also that of the process group, to which events are
     * sent. Not before STEP 3: an event that has no handler yet would end this process. */
    log_event(READY_LINE "%lu", GetCurrentProcessId());

    /* STEP 5: Wait for the end of standard input, if it is a pipe. TRUE: the wait is
     * alertable. It returns when one or more APCs have run. */
    if (GetFileType(GetStdHandle(STD_INPUT_HANDLE)) == FILE_TYPE_PIPE &&
        !start_thread(watch_input, NULL))
        sys_error("_beginthreadex");
    while (count != 0) {
        DWORD reason = WaitForSingleObjectEx(input_ended, INFINITE, TRUE);
        if (reason == WAIT_FAILED)
            sys_error("WaitForSingleObjectEx");
        if (reason == WAIT_OBJECT_0)
            break; /* the program that started this one has closed the pipe, or ended */
    }

    /* STEP 6: End, after COUNT events or the end of standard input. */
    log_event("server: done");
    return EXIT_SUCCESS;
}

/* Creates an event object that is not set. An object with manual reset stays set; any other
 * is reset when a wait for it returns. */
static HANDLE new_event(BOOL manual_reset)
{
    HANDLE event = CreateEventW(NULL, manual_reset, FALSE, NULL);
    if (event == NULL)
        sys_error("CreateEvent");
    return event;
}

/* A thread: reads standard input, ignores the bytes, and notices the end. */
static void watch_input(void *unused)
{
    (void)unused;
    char bytes[READ_SIZE];
    while (read_full(GetStdHandle(STD_INPUT_HANDLE), bytes, sizeof bytes) > 0)
        ;
    if (!SetEvent(input_ended))
        sys_error("SetEvent");
}

/* The APC: reports one event. Does not return if the event is to end this process. One wait
 * can run several APCs: those after the last of COUNT report nothing. */
static void CALLBACK report(ULONG_PTR which)
{
    const struct event *event = &events[which];
    if (count == 0)
        return;

    /* STEP 7: Print the event in its colours, then put back the usual ones. */
    if (coloured)
        SetConsoleTextAttribute(console, (WORD)event->colours);
    log_event(RECEIVED_LINE, event->name);
    if (coloured)
        SetConsoleTextAttribute(console, usual_colours);
    if (count > 0)
        count--;
    if (event->ends) {
        SetEvent(reported);
        WaitForSingleObject(GetCurrentProcess(), INFINITE); /* until it ends */
    }
}

/* The handler. Windows starts a thread for each event, and calls it there. */
static BOOL WINAPI handle_event(DWORD number)
{
    const struct event *event = event_numbered((int)number);
    if (event == NULL)
        return FALSE;
    if (!QueueUserAPC(report, main_thread, (ULONG_PTR)(event - events)))
        sys_error("QueueUserAPC");

    /* STEP 8: End by the event, if it is one that ends a process, but not before main has
     * reported it: when this function returns FALSE, the process ends. */
    if (event->ends)
        WaitForSingleObject(reported, INFINITE);
    return !event->ends;
}
