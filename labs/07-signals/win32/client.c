/*
 * client.c - start the server, send it console control events, report how it ended.
 *
 * Usage: client [SERVER [EVENT...]]
 *
 * Starts SERVER (the program "server.exe" beside this one), waits until it is ready, and sends
 * it the events by name (CTRL_C_EVENT twice), each when the server has reported the one
 * before. Passes on what the server prints. Exit code 0 if every event was reported and the
 * server then ended as it was to, else 1.
 *
 * Mirrors listing 13's keyboard. Its twin: ../unix/client.c.
 * To try: client; client server.exe CTRL_C_EVENT CTRL_BREAK_EVENT; client nobody.exe.
 */
#define PROGRAM "client"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* What has been read of the server's output, and not yet passed on. */
struct inbox {
    HANDLE pipe;
    char *bytes;
    size_t length, room;
};

static HANDLE here; /* an event: what we sent has come to us, too */

static const wchar_t *program_beside(const wchar_t *name);
static const struct event *event_argument(const wchar_t *name);
static BOOL WINAPI stay(DWORD number);
static PROCESS_INFORMATION start_server(const wchar_t *path, bool own_console,
                                        HANDLE input, HANDLE output);
static void send_event(DWORD server, bool own_console, const struct event *event);
static bool wait_line(struct inbox *inbox, const char *beginning);
static bool report_end(HANDLE server, const struct event *last);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: which server, and which events to send. */
    int count = argc > 2 ? argc - 2 : (int)DEFAULT_EVENTS;
    for (int i = 2; i < argc; i++)
        if (event_argument(argv[i]) == NULL) {
            say(stderr, "usage: client [SERVER [EVENT...]], EVENT as CTRL_C_EVENT");
            return 2;
        }
    const wchar_t *path = argc > 1 ? argv[1] : program_beside(L"server.exe");

    /* STEP 2: Make two pipes: one brings what the server prints, the other is its input,
     * whose end tells it that we are done, or dead. */
    HANDLE from_server[2], to_server[2]; /* [0] is read from, [1] is written to */
    if (!CreatePipe(&from_server[0], &from_server[1], NULL, 0) ||
        !CreatePipe(&to_server[0], &to_server[1], NULL, 0))
        fail("CreatePipe");

    /* STEP 3: Start the server. Events come to processes by their console, so it must have
     * one: ours, or, where we have none, one of its own. */
    bool own_console = GetConsoleCP() == 0;
    PROCESS_INFORMATION server = start_server(path, own_console, to_server[0],
                                              from_server[1]);
    if (!CloseHandle(to_server[0]) || !CloseHandle(from_server[1]))
        fail("CloseHandle");

    /* STEP 4: Wait until it is ready: before it has its handler, an event would end it. */
    struct inbox output = {.pipe = from_server[0]};
    bool well = wait_line(&output, READY_LINE);
    if (!well)
        say(stderr, PROGRAM ": the server ended before it was ready");

    const struct event *last = NULL;
    for (int i = 0; i < count && well; i++) {
        /* STEP 5: Send one event. */
        last = argc > 2 ? event_argument(argv[i + 2]) : event_named(default_events[i]);
        send_event(server.dwProcessId, own_console, last);

        /* STEP 6: Wait for the server's line about it before the next. */
        char line[64];
        snprintf(line, sizeof line, RECEIVED_LINE, last->name);
        well = wait_line(&output, line);
        if (!well)
            say(stderr, PROGRAM ": the server ended before it reported \"%s\"",
                last->name);
    }

    /* STEP 7: Let the server go, by the end of its input, and read on to the end of what it
     * has to say. */
    if (!CloseHandle(to_server[1]))
        fail("CloseHandle");
    while (wait_line(&output, ""))
        ;
    free(output.bytes);
    if (!CloseHandle(output.pipe))
        fail("CloseHandle");

    /* STEP 8: Wait for the server, and report how it ended: its exit code is there to fetch
     * for as long as we hold a handle to the process. */
    well = report_end(server.hProcess, last) && well;
    say(stdout, "client: done");
    return well ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The path of the program `name` in the folder that this program's own file is in. */
static const wchar_t *program_beside(const wchar_t *name)
{
    static wchar_t path[COMMAND_LINE_ROOM];
    DWORD length = GetModuleFileNameW(NULL, path, COMMAND_LINE_ROOM);
    if (length == 0 || length == COMMAND_LINE_ROOM)
        fail("GetModuleFileName");
    wchar_t *slash = wcsrchr(path, L'\\');
    wchar_t *file = slash == NULL ? path : slash + 1;
    if (swprintf(file, (size_t)(path + COMMAND_LINE_ROOM - file), L"%ls", name) < 0)
        fail_with(ERROR_FILENAME_EXCED_RANGE, "GetModuleFileName");
    return path;
}

/* The event that an argument names, or NULL. */
static const struct event *event_argument(const wchar_t *name)
{
    char narrow[64] = "";
    if (WideCharToMultiByte(CP_UTF8, 0, name, -1, narrow, sizeof narrow, NULL, NULL) == 0)
        return NULL;
    return event_named(narrow);
}

/* Our own handler. What we send to all on a console comes to us, too, and so does the user's
 * Ctrl-C, which is meant for the server. We stay to report how the server ended. */
static BOOL WINAPI stay(DWORD number)
{
    SetEvent(here);
    /* When the handler returns from one of the other events, Windows ends the process. The server
     * gets the event as well: main reports its end and finishes, while we wait here. Windows
     * allows about five seconds for that. */
    if (number != CTRL_C_EVENT && number != CTRL_BREAK_EVENT)
        WaitForSingleObject(GetCurrentProcess(), INFINITE); /* for our end */
    return TRUE;
}

static PROCESS_INFORMATION start_server(const wchar_t *path, bool own_console,
                                        HANDLE input, HANDLE output)
{
    /* A child inherits every inheritable handle: not our own input and output, but its two ends
     * and standard error. In this order, for our output and standard error may be one handle. */
    HANDLE error = GetStdHandle(STD_ERROR_HANDLE);
    if (!SetHandleInformation(GetStdHandle(STD_INPUT_HANDLE), HANDLE_FLAG_INHERIT, 0) ||
        !SetHandleInformation(GetStdHandle(STD_OUTPUT_HANDLE), HANDLE_FLAG_INHERIT, 0) ||
        !SetHandleInformation(input, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) ||
        !SetHandleInformation(output, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) ||
        !SetHandleInformation(error, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT))
        fail("SetHandleInformation");

    static wchar_t command[COMMAND_LINE_ROOM];
    if (swprintf(command, COMMAND_LINE_ROOM, L"\"%ls\"", path) < 0)
        fail_with(ERROR_FILENAME_EXCED_RANGE, "CreateProcess");
    STARTUPINFOW startup = {.cb = sizeof startup,
                            .dwFlags = STARTF_USESTDHANDLES,
                            .hStdInput = input,
                            .hStdOutput = output,
                            .hStdError = error};
    /* On our console the server begins a group of its own, so that what is sent to it does not
     * hit the shell and whoever else is there. A console of its own needs no window. */
    DWORD flags = own_console ? CREATE_NO_WINDOW : CREATE_NEW_PROCESS_GROUP;
    here = CreateEventW(NULL, FALSE, FALSE, NULL);
    if (here == NULL)
        fail("CreateEvent");
    /* Not SetConsoleCtrlHandler(NULL, TRUE), which would have Ctrl-C ignored by the server as
     * well: that is inherited, a handler is not. */
    if (!SetConsoleCtrlHandler(stay, TRUE))
        fail("SetConsoleCtrlHandler");
    PROCESS_INFORMATION server;
    if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, flags, NULL, NULL, &startup,
                        &server))
        fail("CreateProcess");
    if (!CloseHandle(server.hThread))
        fail("CloseHandle");
    return server;
}

/* Sends the event to the server. On a console of its own there is nobody else, so all there
 * are meant, and we must be there too for a moment, as only who is on a console can send. */
static void send_event(DWORD server, bool own_console, const struct event *event)
{
    if (own_console) {
        FreeConsole(); /* there is none to leave, and Wine wants it all the same */
        if (!AttachConsole(server))
            fail("AttachConsole");
        /* A change of console takes all handlers away; and what is ignored does not come. */
        if (!SetConsoleCtrlHandler(stay, TRUE) || !SetConsoleCtrlHandler(NULL, FALSE))
            fail("SetConsoleCtrlHandler");
    }
    if (!GenerateConsoleCtrlEvent((DWORD)event->number, own_console ? 0 : server))
        fail("GenerateConsoleCtrlEvent");
    /* It comes to us, too, and must find our handler: so we do not leave before it is here. */
    if (own_console && WaitForSingleObject(here, INFINITE) == WAIT_FAILED)
        fail("WaitForSingleObject");
    if (own_console && !FreeConsole())
        fail("FreeConsole");
    say(stdout, "client: sent \"%s\"", event->name);
}

/* Passes on the server's lines, to the first with that `beginning`. Returns whether it came. */
static bool wait_line(struct inbox *inbox, const char *beginning)
{
    for (;;) {
        char *newline = inbox->length == 0 ? NULL
                                           : memchr(inbox->bytes, '\n', inbox->length);
        if (newline != NULL) {
            size_t size = (size_t)(newline + 1 - inbox->bytes);
            *newline = '\0';
            if (newline > inbox->bytes && newline[-1] == '\r')
                newline[-1] = '\0';
            say(stdout, "%s", inbox->bytes);
            bool found = strncmp(inbox->bytes, beginning, strlen(beginning)) == 0;
            inbox->length -= size;
            memmove(inbox->bytes, inbox->bytes + size, inbox->length);
            if (found)
                return true;
            continue;
        }
        if (inbox->room < inbox->length + READ_SIZE + 1) {
            inbox->room = 2 * inbox->room + READ_SIZE + 1;
            inbox->bytes = realloc(inbox->bytes, inbox->room);
            if (inbox->bytes == NULL)
                fail_with(ERROR_OUTOFMEMORY, "realloc");
        }
        DWORD length;
        if (ReadFile(inbox->pipe, inbox->bytes + inbox->length, READ_SIZE, &length, NULL))
            inbox->length += length;
        else if (GetLastError() != ERROR_BROKEN_PIPE)
            fail("ReadFile");
        else if (inbox->length >
                 0) /* nobody can write any more, and this has no newline */
            inbox->bytes[inbox->length++] = '\n';
        else
            return false;
    }
}

/* Waits for the server and tells how it ended. Returns whether that is as it should be: by the
 * event that was sent last, if that ends a process, else with exit code 0. */
static bool report_end(HANDLE server, const struct event *last)
{
    DWORD code;
    if (WaitForSingleObject(server, INFINITE) == WAIT_FAILED)
        fail("WaitForSingleObject");
    if (!GetExitCodeProcess(server, &code))
        fail("GetExitCodeProcess");
    if (!CloseHandle(server))
        fail("CloseHandle");
    if (code == CONTROL_C_EXIT)
        say(stdout, "client: server was ended by a console event");
    else
        say(stdout, "client: server exited with code %lu", code);
    return code == (last != NULL && last->ends ? CONTROL_C_EXIT : 0);
}
