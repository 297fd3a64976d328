/*
 * client_transact.c - as client.c, with a message and its reply in one call: TransactNamedPipe.
 *
 * Usage: client_transact [PIPE]
 *
 * Opens the pipe PIPE (\\.\pipe\$$MyPipe$$; \\HOST\pipe\NAME is one of another machine). Sends
 * each line of its input as a message, and reads the reply. The line "exit", or the end of the
 * input, ends it.
 *
 * One call in place of two: over a network that is one round trip, and no other thread's
 * message can come between a message and its reply. It works only on a pipe from which messages
 * are read.
 * To try: server in another window.
 */
#include "contract.h"
#include "ipclab.h"

static HANDLE open_pipe(const char *path);
static wchar_t *transact(HANDLE pipe, wchar_t *message, DWORD size, size_t *length);

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
     * handle reads bytes, and then TransactNamedPipe fails. */
    DWORD mode = PIPE_READMODE_MESSAGE | PIPE_WAIT;
    if (!SetNamedPipeHandleState(pipe, &mode, NULL, NULL))
        sys_error("SetNamedPipeHandleState");

    wchar_t *line;
    size_t length;
    bool more = true;
    while (more && (line = read_line_utf16(&length)) != NULL) {
        /* STEP 4: Make one line one message, with its NUL. */
        DWORD size = (DWORD)((length + 1) * sizeof *line);
        if (size > MAX_MESSAGE)
            fatal("a line of the input is too long for a message");
        more = length != wcslen(WIDE_EXIT_TEXT) || wcscmp(line, WIDE_EXIT_TEXT) != 0;

        /* STEP 5: Send it, wait for the reply, and read all of it. */
        size_t reply_length;
        wchar_t *reply = transact(pipe, line, size, &reply_length);
        log_utf16("client: sent", line, length);
        log_utf16("client: received", reply, reply_length);
        free(reply);
    }

    /* STEP 6: Close the pipe: the server's read fails with ERROR_BROKEN_PIPE. */
    if (!CloseHandle(pipe))
        sys_error("CloseHandle");
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Opens the pipe. If all instances are busy it waits for a free one, and tries again: another
 * client may take it first. */
static HANDLE open_pipe(const char *path)
{
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
}

/* Sends a message and returns its reply, of any length; the caller frees it. `*length` is
 * that of the reply's text, without the NUL. */
static wchar_t *transact(HANDLE pipe, wchar_t *message, DWORD size, size_t *length)
{
    struct buffer reply = {0};
    char part[BUFFER_SIZE];
    DWORD got;
    BOOL whole = TransactNamedPipe(pipe, message, size, part, sizeof part, &got, NULL);
    while (!whole && GetLastError() == ERROR_MORE_DATA) { /* the rest is read as usual */
        buffer_append(&reply, part, got);
        whole = ReadFile(pipe, part, sizeof part, &got, NULL);
    }
    if (!whole)
        sys_error("TransactNamedPipe");
    buffer_append(&reply, part, got);
    wchar_t *text = (wchar_t *)reply.bytes;
    *length = reply.length / sizeof *text;
    if (*length > 0 && text[*length - 1] == L'\0')
        --*length;
    return text;
}
