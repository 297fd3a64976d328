/*
 * server_event.c - as server.c, but the handler only sets an event object.
 *
 * Usage: server_event [COUNT]
 *
 * There is an event object for each kind of console event. main waits for all of them, and
 * makes the reports. So only one thread does, nothing is locked, and main can wait for other
 * objects as well. An object that is set twice is set: two Ctrl-C that come faster than they
 * are reported are one, as with the standard signals of UNIX. A semaphore would count them.
 *
 * Everything else is server.c. To try: server_event 3, and hold Ctrl-C down.
 */
#include "contract.h"
#include "ipclab.h"

/* What main and the handler share. The handler runs in a thread of its own. */
static HANDLE came[EVENTS]; /* event objects: an event of this kind has come */
static HANDLE reported;     /* and one that ends this process has been reported */

/* What main and the other thread share. */
static HANDLE input_ended;

static HANDLE console;
static bool coloured;
static WORD usual_colours;

static HANDLE new_event(BOOL manual_reset);
static void watch_input(void *unused);
static void report(const struct event *event);
static BOOL WINAPI handle_event(DWORD number);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: after how many events to end (-1: never). */
    begin_program("server", "[COUNT]", &argv);
    if (argc > 2)
        usage_exit();
    long count = argc > 1 ? parse_long("COUNT", argv[1], 1, MAX_COUNT) : -1;

    /* STEP 2: Ask the console for its colours, to put them back. The call fails if output is
     * a file or a pipe: only a console has colours. */
    CONSOLE_SCREEN_BUFFER_INFO screen = {0};
    console = GetStdHandle(STD_OUTPUT_HANDLE);
    coloured = GetConsoleScreenBufferInfo(console, &screen);
    usual_colours = screen.wAttributes;

    /* STEP 3: Create the event objects, and install the handler that sets them. The first call
     * undoes what may be inherited: Ctrl-C can be ignored when a program starts, and always
     * is in a new process group. */
    HANDLE sources[EVENTS + 1];
    for (size_t i = 0; i < EVENTS; i++)
        sources[i] = came[i] = new_event(FALSE);
    sources[EVENTS] = input_ended = new_event(TRUE);
    reported = new_event(TRUE);
    if (!SetConsoleCtrlHandler(NULL, FALSE) || !SetConsoleCtrlHandler(handle_event, TRUE))
        sys_error("SetConsoleCtrlHandler");

    /* STEP 4: Print the process ID: it is also that of the process group, to which events are
     * sent. Not before STEP 3: an event that has no handler yet would end this process. */
    log_event(READY_LINE "%lu", GetCurrentProcessId());

    /* STEP 5: Wait for an event, or for the end of standard input, if it is a pipe. */
    if (GetFileType(GetStdHandle(STD_INPUT_HANDLE)) == FILE_TYPE_PIPE &&
        !start_thread(watch_input, NULL))
        sys_error("_beginthreadex");
    while (count != 0) {
        DWORD which = WaitForMultipleObjects(EVENTS + 1, sources, FALSE, INFINITE);
        if (which == WAIT_FAILED)
            sys_error("WaitForMultipleObjects");
        if (which == WAIT_OBJECT_0 + EVENTS)
            break; /* the program that started this one has closed the pipe, or ended */
        report(&events[which - WAIT_OBJECT_0]);
        if (count > 0)
            count--;
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

/* Reports one event. Does not return if the event is to end this process. */
static void report(const struct event *event)
{
    /* STEP 7: Print the event in its colours, then put back the usual ones. */
    if (coloured)
        SetConsoleTextAttribute(console, (WORD)event->colours);
    log_event(RECEIVED_LINE, event->name);
    if (coloured)
        SetConsoleTextAttribute(console, usual_colours);
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
    if (!SetEvent(came[event - events]))
        sys_error("SetEvent");

    /* STEP 8: End by the event, if it is one that ends a process, but not before main has
     * reported it: when this function returns FALSE, the process ends. */
    if (event->ends)
        WaitForSingleObject(reported, INFINITE);
    return !event->ends;
}
