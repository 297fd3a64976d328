/*
 * server_event.c - the console event server whose handler only notes what came.
 *
 * Usage: server_event [COUNT]
 *
 * Obeys the same contract as server.c. The handler sets an event object, one for each kind of
 * console event, and main waits for all of them: so reports are made by one thread, and
 * nothing needs a lock. This is what a program does that has more to wait for. An object
 * that is set twice is set: Ctrl-C that come faster than they are reported are one, as with
 * the standard signals of UNIX. (A semaphore would count them.)
 *
 * To try: server_event 3, with Ctrl-C held down.
 */
#define PROGRAM "server"

#include <process.h>
#include <stdbool.h>
#include <stdlib.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static HANDLE came[EVENTS]; /* for each kind: it has come, and has not been taken yet */
static HANDLE reported;     /* the report of an event that ends us is made */
static HANDLE input_ended;
static HANDLE console;
static bool coloured;
static WORD found; /* the colours that were there */

static bool is_count(const wchar_t *text);
static WORD attributes(enum colour text, enum colour ground);
static HANDLE new_event(bool manual);
static void start_watching(void);
static unsigned __stdcall watch_input(void *argument);
static BOOL WINAPI handle(DWORD number);
static void report(const struct event *event);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: after how many events to end. */
    if (argc > 2 || (argc > 1 && !is_count(argv[1]))) {
        say(stderr, "usage: server [COUNT], COUNT from 1 to %d", MAX_COUNT);
        return 2;
    }
    long count = argc > 1 ? wcstol(argv[1], NULL, 10) : -1;

    /* STEP 2: Ask the console which colours it has, to put them back. In a file or a pipe
     * there are none to set. */
    CONSOLE_SCREEN_BUFFER_INFO screen;
    console = GetStdHandle(STD_OUTPUT_HANDLE);
    coloured = GetConsoleScreenBufferInfo(console, &screen);
    found = coloured ? screen.wAttributes : 0;

    /* STEP 3: Make the objects, and install the handler that sets them. The first call undoes
     * that whoever started us may have had Ctrl-C ignored, which is inherited. */
    HANDLE sources[EVENTS + 1];
    for (size_t i = 0; i < EVENTS; i++)
        sources[i] = came[i] = new_event(false);
    sources[EVENTS] = input_ended = new_event(true);
    reported = new_event(true);
    if (!SetConsoleCtrlHandler(NULL, FALSE) || !SetConsoleCtrlHandler(handle, TRUE))
        fail("SetConsoleCtrlHandler");

    /* STEP 4: Say who we are. */
    say(stdout, READY_LINE "%lu", GetCurrentProcessId());
    start_watching();

    /* STEP 5: Wait for any of the objects, at no cost. */
    while (count != 0) {
        DWORD which = WaitForMultipleObjects(EVENTS + 1, sources, FALSE, INFINITE);
        if (which == WAIT_FAILED)
            fail("WaitForMultipleObjects");
        if (which == WAIT_OBJECT_0 + EVENTS)
            break;
        const struct event *event = &events[which - WAIT_OBJECT_0];
        report(event);
        if (event->ends) {
            SetEvent(reported);
            WaitForSingleObject(GetCurrentProcess(), INFINITE); /* for our end */
        }
        if (count > 0)
            count--;
    }

    /* STEP 6: End in order, after COUNT events or with our input. */
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

static bool is_count(const wchar_t *text)
{
    wchar_t *end;
    long number = wcstol(text, &end, 10);
    return *text >= L'0' && *text <= L'9' && *end == L'\0' && number >= 1 &&
           number <= MAX_COUNT;
}

/* The colours as a console takes them, whose bit for red is ANSI's for blue. */
static WORD attributes(enum colour text, enum colour ground)
{
    WORD swapped[2];
    const enum colour colours[] = {text, ground};
    for (int i = 0; i < 2; i++)
        swapped[i] = (WORD)((colours[i] & RED ? FOREGROUND_RED : 0) |
                            (colours[i] & GREEN ? FOREGROUND_GREEN : 0) |
                            (colours[i] & BLUE ? FOREGROUND_BLUE : 0) |
                            (colours[i] & 8 ? FOREGROUND_INTENSITY : 0));
    return (WORD)(swapped[0] | swapped[1] << 4); /* those of the ground stand behind */
}

/* An event object that nobody has set. */
static HANDLE new_event(bool manual)
{
    HANDLE event = CreateEventW(NULL, manual, FALSE, NULL);
    if (event == NULL)
        fail("CreateEvent");
    return event;
}

/* Has the input watched, if it is a pipe: then its end says that we are no longer wanted. */
static void start_watching(void)
{
    if (GetFileType(GetStdHandle(STD_INPUT_HANDLE)) != FILE_TYPE_PIPE)
        return;
    HANDLE watcher = (HANDLE)_beginthreadex(NULL, 0, watch_input, NULL, 0, NULL);
    if (watcher == NULL)
        fail_with(_doserrno, "_beginthreadex"); /* it does not set GetLastError() */
    if (!CloseHandle(watcher))
        fail("CloseHandle");
}

/* A thread: reads standard input, and what it reads is nothing to us but its end. */
static unsigned __stdcall watch_input(void *argument)
{
    (void)argument;
    char portion[READ_SIZE];
    DWORD length;
    while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), portion, sizeof portion, &length,
                    NULL) &&
           length > 0)
        ;
    if (!SetEvent(input_ended))
        fail("SetEvent");
    return 0;
}

static void report(const struct event *event)
{
    /* STEP 7: Report the event in its colours, and put back those that were there. */
    if (coloured)
        SetConsoleTextAttribute(console, attributes(event->text, event->ground));
    say(stdout, RECEIVED_LINE, event->name);
    if (coloured)
        SetConsoleTextAttribute(console, found);
}

/* The handler, in a thread of the system's making. */
static BOOL WINAPI handle(DWORD number)
{
    const struct event *event = event_numbered((int)number);
    if (event == NULL || !SetEvent(came[event - events]))
        return FALSE;
    /* STEP 8: Let an event that is to end us do so, but not before main has reported it: when
     * this function returns the process is over. */
    if (event->ends)
        WaitForSingleObject(reported, INFINITE);
    return !event->ends;
}
