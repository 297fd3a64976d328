/*
 * client_robust.c - as client.c, for a start and a console that cause trouble.
 *
 * Usage: client_robust [SERVER [EVENT...]]
 *
 * Starts the program SERVER ("server.exe" in the folder of this program). Sends it each EVENT
 * (CTRL_C_EVENT twice) when the server has reported the one before. Passes on what the
 * server prints. Exit code 0 if every event was reported and the server then ended as it
 * should, else 1.
 *
 * What it adds to client.c, to be read beside it (make diff):
 * - STEP 3: the server inherits its two ends and standard error, and nothing else. This
 *   program's own standard input and output are inheritable, because it inherited them.
 * - STEP 3: a service has no console, and events need one. The server then gets a console
 *   without a window. To send an event, this program joins it for a moment.
 * - The handler waits when the console is closed: Windows ends this program when the handler
 *   returns. The server gets the event as well, and main reports how it ended.
 * Standard handles that are missing at the start are opened by begin_program() already. A
 * server_robust.c is not needed: server.c passes the robust stage.
 *
 * Counterpart: ../unix/client_robust.c. To try: client_robust, and close the window.
 */
#include "contract.h"
#include "ipclab.h"

static PROCESS_INFORMATION start_server(const char *path, HANDLE input, HANDLE output);
static void set_inheritance(HANDLE handle, DWORD flag);
static BOOL WINAPI handle_event(DWORD number);
static void send_event(DWORD group, const struct event *event);
static bool wait_line(HANDLE output, struct buffer *inbox, const char *beginning);
static size_t receive_line(HANDLE pipe, struct buffer *inbox);
static bool report_end(HANDLE server, const struct event *last);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: which server, and which events to send. */
    begin_program("client", "[SERVER [EVENT...]], with EVENT as CTRL_C_EVENT", &argv);
    const char *path = argc > 1 ? argv[1] : program_beside("server");
    int count = argc > 2 ? argc - 2 : (int)DEFAULT_EVENTS;
    char *const *names = argc > 2 ? argv + 2 : default_events;
    for (int i = 0; i < count; i++)
        if (event_named(names[i]) == NULL)
            usage_exit();

    /* STEP 2: Create two pipes: for what the server prints, and for its standard input. */
    HANDLE from_server[2], to_server[2]; /* [0] is the read end, [1] the write end */
    if (!CreatePipe(&from_server[0], &from_server[1], NULL, 0) ||
        !CreatePipe(&to_server[0], &to_server[1], NULL, 0))
        sys_error("CreatePipe");

    /* STEP 3: Start the server. It gets one end of each pipe: close these ends here. */
    PROCESS_INFORMATION server = start_server(path, to_server[0], from_server[1]);
    if (!CloseHandle(to_server[0]) || !CloseHandle(from_server[1]))
        sys_error("CloseHandle");

    /* STEP 4: Wait until the server is ready: before it has its handler, an event ends it. */
    struct buffer inbox = {0}; /* what has been read, and not been passed on yet */
    bool success = wait_line(from_server[0], &inbox, READY_LINE);

    /* STEP 5: Send each event when the one before is reported: two that wait can merge. */
    for (int i = 0; i < count && success; i++) {
        const struct event *event = event_named(names[i]);
        char line[LINE_SIZE];
        snprintf(line, sizeof line, RECEIVED_LINE, event->name);
        send_event(server.dwProcessId, event);
        success = wait_line(from_server[0], &inbox, line);
    }
    if (!success)
        log_error("the server ended before it printed the expected line");

    /* STEP 6: Close the server's standard input, at which it ends. Read what it prints. */
    if (!CloseHandle(to_server[1]))
        sys_error("CloseHandle");
    while (wait_line(from_server[0], &inbox, ""))
        ;
    CloseHandle(from_server[0]);

    /* STEP 7: Wait for the server, and report how it ended. */
    success = report_end(server.hProcess, event_named(names[count - 1])) && success;
    log_event("client: done");
    return success ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Installs handle_event(), and starts the program `path` with `input` and `output` as its
 * standard input and output. The ID of its process is also that of its process group. */
static PROCESS_INFORMATION start_server(const char *path, HANDLE input, HANDLE output)
{
    /* Ctrl-C on the keyboard goes to both programs. It is meant for the server: this one
     * handles it, and goes on. The server would inherit SetConsoleCtrlHandler(NULL, TRUE),
     * which ignores Ctrl-C; it does not inherit a handler. */
    if (!SetConsoleCtrlHandler(handle_event, TRUE))
        sys_error("SetConsoleCtrlHandler");
    /* Standard error comes last, because it may be the same handle as standard output. */
    HANDLE error = GetStdHandle(STD_ERROR_HANDLE);
    set_inheritance(GetStdHandle(STD_INPUT_HANDLE), 0);
    set_inheritance(GetStdHandle(STD_OUTPUT_HANDLE), 0);
    set_inheritance(input, HANDLE_FLAG_INHERIT);
    set_inheritance(output, HANDLE_FLAG_INHERIT);
    set_inheritance(error, HANDLE_FLAG_INHERIT);

    char line[COMMAND_LINE_SIZE]; /* in quotes, because the path may contain blanks */
    if (snprintf(line, sizeof line, "\"%s\"", path) >= COMMAND_LINE_SIZE)
        fatal("the path of the server is too long");
    wchar_t *command = to_utf16(line);
    STARTUPINFOW startup = {.cb = sizeof startup,
                            .dwFlags = STARTF_USESTDHANDLES,
                            .hStdInput = input,
                            .hStdOutput = output,
                            .hStdError = error};
    /* The server shares this program's console, and begins a process group of its own: an
     * event to the group reaches neither this program nor the shell. If there is no console
     * to share, it gets one of its own, without a window. */
    DWORD flags = CREATE_NEW_PROCESS_GROUP | (GetConsoleCP() == 0 ? CREATE_NO_WINDOW : 0);
    PROCESS_INFORMATION server;
    if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, flags, NULL, NULL, &startup,
                        &server))
        sys_error("CreateProcess");
    CloseHandle(server.hThread); /* the server's first thread: not needed here */
    free(command);
    return server;
}

/* Makes `handle` inheritable, by HANDLE_FLAG_INHERIT, or not inheritable, by 0. */
static void set_inheritance(HANDLE handle, DWORD flag)
{
    if (!SetHandleInformation(handle, HANDLE_FLAG_INHERIT, flag))
        sys_error("SetHandleInformation");
}

/* The handler of this program: the keys do not end it. For any other event Windows ends it
 * when the handler returns: so the handler waits until main has ended the process. Windows
 * allows about five seconds for that. */
static BOOL WINAPI handle_event(DWORD number)
{
    if (number != CTRL_C_EVENT && number != CTRL_BREAK_EVENT)
        WaitForSingleObject(GetCurrentProcess(), INFINITE);
    return TRUE;
}

/* Sends the event to all processes of the group that share this program's console. Without
 * one, it joins the server's, and leaves it at once: else it would keep it from closing. */
static void send_event(DWORD group, const struct event *event)
{
    bool joins = GetConsoleCP() == 0;
    HANDLE output = GetStdHandle(STD_OUTPUT_HANDLE);
    HANDLE error = GetStdHandle(STD_ERROR_HANDLE);
    if (joins) {
        FreeConsole(); /* Wine wants it, although there is none */
        AttachConsole(group);
    }
    bool sent = GenerateConsoleCtrlEvent((DWORD)event->number, group);
    DWORD number = GetLastError(); /* ERROR_INVALID_HANDLE if it did not join */
    if (joins) {
        FreeConsole();
        SetStdHandle(STD_OUTPUT_HANDLE, output); /* AttachConsole() replaced them */
        SetStdHandle(STD_ERROR_HANDLE, error);
    }
    if (!sent)
        sys_error_number("GenerateConsoleCtrlEvent", (int)number);
    log_event("client: sent \"%s\"", event->name);
}

/* Passes on the server's lines, up to the first that begins with `beginning`. Returns
 * false if the end of the pipe came before. */
static bool wait_line(HANDLE output, struct buffer *inbox, const char *beginning)
{
    bool found = false;
    size_t size;
    while (!found && (size = receive_line(output, inbox)) > 0) {
        inbox->bytes[strcspn(inbox->bytes, "\r\n")] = '\0';
        log_event("%s", inbox->bytes);
        found = strncmp(inbox->bytes, beginning, strlen(beginning)) == 0;
        buffer_remove(inbox, size);
    }
    return found;
}

/* Reads until `inbox` begins with a whole line: one ReadFile can return half a line, or
 * three. Returns the size of the line with its newline, or 0 at the end of the pipe. */
static size_t receive_line(HANDLE pipe, struct buffer *inbox)
{
    char bytes[READ_SIZE];
    DWORD length;
    size_t size;
    while ((size = buffer_find(inbox, '\n')) == 0) {
        if (ReadFile(pipe, bytes, sizeof bytes, &length, NULL))
            buffer_append(inbox, bytes, length);
        else if (GetLastError() != ERROR_BROKEN_PIPE)
            sys_error("ReadFile");
        else if (inbox->length > 0)
            buffer_append(inbox, "\n", 1); /* the last line may lack it */
        else
            break;
    }
    return size;
}

/* Waits for the server and reports how it ended. Returns whether that is right: by the
 * `last` event if that ends a process, else with exit code 0. */
static bool report_end(HANDLE server, const struct event *last)
{
    DWORD code;
    if (WaitForSingleObject(server, INFINITE) == WAIT_FAILED ||
        !GetExitCodeProcess(server, &code))
        sys_error("GetExitCodeProcess");
    CloseHandle(server);
    if (code == CONTROL_C_EXIT)
        log_event("client: server was ended by a console event");
    else
        log_event("client: server exited with code %lu", code);
    return code == (last->ends ? CONTROL_C_EXIT : 0);
}
