/*
 * client.c - send lines to the server through a named pipe, and print its replies.
 *
 * Usage: client [PIPE]
 *
 * Opens the pipe PIPE (\\.\pipe\$$MyPipe$$; \\HOST\pipe\NAME is one of another machine). Sends
 * each line of its input as a message, and reads the reply. The line "exit", or the end of the
 * input, ends it.
 *
 * Mirrors listings 4 and 5 of the report. Counterpart: ../unix/client.c. In other ways:
 * client_transact.c (a message and its reply in one call), client_call.c (the connection as
 * well).
 * To try: server in another window; client, and type; client \\.\pipe\no_such.
 */
#include "contract.h"
#include "ipclab.h"

static HANDLE open_pipe(const char *path);
static wchar_t *receive_message(HANDLE pipe, size_t *length);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the pipe's name. */
    begin_program("client", "[PIPE]", &argv);
    const char *path = argc > 1 ? argv[1] : PIPE_PREFIX PIPE_NAME;
    if (argc > 2 || *path == '\0' || *path == '-')
        usage_exit();

    /* STEP 2: Find the server: open the pipe. */
    HANDLE pipe = open_pipe(path);

    /* STEP 3: Read whole messages from the open pipe, the connection. At first a client's
     * handle reads bytes, and then two replies can come as one. */
    // LEVEL 2
    DWORD mode = PIPE_READMODE_MESSAGE | PIPE_WAIT;
    if (!SetNamedPipeHandleState(pipe, &mode, NULL, NULL))
        sys_error("SetNamedPipeHandleState");
    // END

    wchar_t *line;
    size_t length;
    bool more = true;
    while (more && (line = read_line_utf16(&length)) != NULL) {
        /* STEP 4: Send one line as one message, with its NUL. */
        DWORD size = (DWORD)((length + 1) * sizeof *line), written;
        if (size > MAX_MESSAGE)
            fatal("a line of the input is too long for a message");
        // LEVEL 2
        if (!WriteFile(pipe, line, size, &written, NULL))
            sys_error("WriteFile");
        // END
        log_utf16("client: sent", line, length);
        more = length != wcslen(WIDE_EXIT_TEXT) || wcscmp(line, WIDE_EXIT_TEXT) != 0;

        /* STEP 5: Wait for the reply, and read all of it. */
        wchar_t *reply = receive_message(pipe, &length);
        log_utf16("client: received", reply, length);
        free(reply);
    }

    /* STEP 6: Close the pipe: the server's read fails with ERROR_BROKEN_PIPE. */
    // LEVEL 2
    if (!CloseHandle(pipe))
        sys_error("CloseHandle");
    // END
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Opens the pipe. If all instances are busy it waits for a free one, and tries again: another
 * client may take it first. */
static HANDLE open_pipe(const char *path)
{
    // LEVEL 1
    wchar_t *name = to_utf16(path);
    ULONGLONG now, limit = GetTickCount64() + WAIT_MILLISECONDS;
    HANDLE pipe;
    while ((pipe = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                               0, NULL)) == INVALID_HANDLE_VALUE) {
        if (GetLastError() != ERROR_PIPE_BUSY || (now = GetTickCount64()) >= limit)
            sys_error("CreateFile");
        WaitNamedPipeW(name, (DWORD)(limit - now));
    }
    free(name);
    return pipe;
    // END
}

/* Receives one message, of any length, and returns it; the caller frees it. `*length` is
 * that of its text, without the NUL. */
static wchar_t *receive_message(HANDLE pipe, size_t *length)
{
    // LEVEL 2
    struct buffer message = {0};
    char part[BUFFER_SIZE];
    DWORD size;
    BOOL whole;
    do {
        whole = ReadFile(pipe, part, sizeof part, &size, NULL);
        if (!whole &&
            GetLastError() != ERROR_MORE_DATA) /* there is more of the message */
            sys_error("ReadFile");
        buffer_append(&message, part, size);
    } while (!whole);
    wchar_t *text = (wchar_t *)message.bytes;
    *length = message.length / sizeof *text;
    if (*length > 0 && text[*length - 1] == L'\0')
        --*length;
    return text;
    // END
}
