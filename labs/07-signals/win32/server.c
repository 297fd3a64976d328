/*
 * server.c - handle console control events, and report each in colour.
 *
 * Usage: server [COUNT]
 *
 * Reports the events of the table in contract.h as they come. Ends after COUNT of them, or
 * when standard input, a pipe, has lost its writer: exit code 0. An event that is meant to
 * end a process (all but Ctrl-C) is reported, and then does end it.
 *
 * Mirrors listing 13 of the report. Its twin: ../unix/server.c. Other ways to do the same:
 * server_event.c (the handler only notes, and main reports), server_apc.c (the handler has
 * the main thread interrupted, which is the nearest thing to a signal that Windows has).
 * To try: server 3, with Ctrl-C, Ctrl-Break and the mouse on the window's cross.
 */
#define PROGRAM "server"

#include <process.h>
#include <stdbool.h>
#include <stdlib.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static bool is_count(const wchar_t *text);
static WORD attributes(enum colour text, enum colour ground);
static unsigned __stdcall watch_input(void *argument);
static BOOL WINAPI handle(DWORD number);

/* What main and the handler, which runs in a thread of its own, have in common. */
static HANDLE console;
static bool coloured;
static WORD found; /* the colours that were there */
static SRWLOCK lock =
    SRWLOCK_INIT;       /* for the two below, and for a line and its colours */
static long count = -1; /* how many events are still to come, or -1 for any number */
static HANDLE finished; /* an event: main may end */

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: after how many events to end. */
    if (argc > 2 || (argc > 1 && !is_count(argv[1]))) {
        say(stderr, "usage: server [COUNT], COUNT from 1 to %d", MAX_COUNT);
        return 2;
    }
    if (argc > 1)
        count = wcstol(argv[1], NULL, 10);

    /* STEP 2: Ask the console which colours it has, to put them back: the listing put back
     * what it took for the usual ones. In a file or a pipe there are none to set. */
    CONSOLE_SCREEN_BUFFER_INFO screen;
    console = GetStdHandle(STD_OUTPUT_HANDLE);
    coloured = GetConsoleScreenBufferInfo(console, &screen);
    found = coloured ? screen.wAttributes : 0;

    /* STEP 3: Install the handler. The first call undoes that whoever started us may have had
     * Ctrl-C ignored, which is inherited. */
    finished = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (finished == NULL)
        fail("CreateEvent");
    if (!SetConsoleCtrlHandler(NULL, FALSE) || !SetConsoleCtrlHandler(handle, TRUE))
        fail("SetConsoleCtrlHandler");

    /* STEP 4: Say who we are. Events are sent to a console, or to a group of processes on it,
     * and a group bears the number of its first process. */
    say(stdout, READY_LINE "%lu", GetCurrentProcessId());

    /* STEP 5: Wait until there is nothing more to do, at no cost. The listing ran in a circle.
     * The handler needs nothing of this thread: that is where Windows and UNIX part. */
    if (GetFileType(GetStdHandle(STD_INPUT_HANDLE)) == FILE_TYPE_PIPE) {
        HANDLE watcher = (HANDLE)_beginthreadex(NULL, 0, watch_input, NULL, 0, NULL);
        if (watcher == NULL)
            fail_with(_doserrno, "_beginthreadex"); /* it does not set GetLastError() */
        if (!CloseHandle(watcher))
            fail("CloseHandle");
    }
    if (WaitForSingleObject(finished, INFINITE) == WAIT_FAILED)
        fail("WaitForSingleObject");

    /* STEP 6: End in order, after COUNT events or with our input. Whoever is in the middle of
     * a report ends it first. */
    AcquireSRWLockExclusive(&lock);
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
    if (!SetEvent(finished))
        fail("SetEvent");
    return 0;
}

/* The handler. The system starts a thread for each event and calls it there, so it may do what
 * any thread may, printf and malloc, as long as it locks what it shares. It returns TRUE where
 * the event shall go no further, and FALSE where the next handler is to have it; the last
 * is the system's own, which ends the process. WINAPI is how the system calls it: left out, and
 * covered up by a cast as in the listing, it breaks the stack of 32-bit programs. In 64-bit
 * programs there is only one way to call, and nobody notices. */
static BOOL WINAPI handle(DWORD number)
{
    const struct event *event = event_numbered((int)number);
    if (event == NULL)
        return FALSE;

    /* STEP 7: Report the event in its colours, and put back those that were there. */
    AcquireSRWLockExclusive(&lock);
    bool late = count == 0; /* main is about to end us in order */
    if (!late) {
        if (coloured)
            SetConsoleTextAttribute(console, attributes(event->text, event->ground));
        say(stdout, RECEIVED_LINE, event->name);
        if (coloured)
            SetConsoleTextAttribute(console, found);
        if (count > 0 && --count == 0 && !event->ends && !SetEvent(finished))
            fail("SetEvent");
    }
    ReleaseSRWLockExclusive(&lock);

    /* STEP 8: Let an event that is to end us do so, so that whoever waits for us learns of it
     * by the exit code STATUS_CONTROL_C_EXIT. TRUE would make Ctrl-Break another Ctrl-C. When the
     * handler returns from CTRL_CLOSE_EVENT, Windows ends the process, whatever it returns: so
     * one that comes after the last of COUNT waits until main has finished. */
    if (late && event->ends)
        WaitForSingleObject(GetCurrentProcess(), INFINITE); /* for our end */
    return !event->ends;
}
