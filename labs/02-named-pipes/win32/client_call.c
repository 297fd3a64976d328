/*
 * client_call.c - as client.c, with a connection for each message: CallNamedPipe.
 *
 * Usage: client_call [PIPE]
 *
 * Sends each line of its input to the pipe PIPE (\\.\pipe\$$MyPipe$$; \\HOST\pipe\NAME is one
 * of another machine) as a message, over a connection of its own, and reads the reply. The line
 * "exit", or the end of the input, ends it.
 *
 * One call opens the pipe (and waits if all instances are busy), writes, reads and closes. For
 * the server each message is another client. Right for a question now and then, slow for a
 * conversation.
 * To try: server in another window; its client numbers.
 */
#include "contract.h"
#include "ipclab.h"

static DWORD call(const wchar_t *name, wchar_t *message, DWORD size, wchar_t *reply);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the pipe's name. */
    begin_program("client", "[PIPE]", &argv);
    const char *path = argc > 1 ? argv[1] : PIPE_PREFIX PIPE_NAME;
    if (argc > 2 || *path == '\0' || *path == '-')
        usage_exit();

    /* STEP 2: Finding the server is a part of the call. */
    wchar_t *name = to_utf16(path);

    /* STEP 3: So is the connection. What does not fit the buffer is lost when it is closed,
     * so there is room for the longest reply. */
    wchar_t *line, reply[MAX_MESSAGE / sizeof(wchar_t)];
    size_t length;
    bool more = true;
    while (more && (line = read_line_utf16(&length)) != NULL) {
        /* STEP 4: Make one line one message, with its NUL. */
        DWORD size = (DWORD)((length + 1) * sizeof *line);
        if (size > MAX_MESSAGE)
            fatal("a line of the input is too long for a message");
        more = length != wcslen(WIDE_EXIT_TEXT) || wcscmp(line, WIDE_EXIT_TEXT) != 0;

        /* STEP 5: Connect, send it, wait for the reply, and close. */
        size_t reply_length = call(name, line, size, reply) / sizeof *reply;
        if (reply_length > 0 && reply[reply_length - 1] == L'\0')
            reply_length--;
        log_utf16("client: sent", line, length);
        log_utf16("client: received", reply, reply_length);
    }

    /* STEP 6: There is nothing to close: each call has closed its connection. */
    free(name);
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Sends a message over a connection of its own. Returns how many bytes of `reply` came. If
 * all instances are busy it waits for a free one, and tries again: another client may take
 * it first. */
static DWORD call(const wchar_t *name, wchar_t *message, DWORD size, wchar_t *reply)
{
    DWORD got;
    ULONGLONG now = GetTickCount64(), limit = now + WAIT_MILLISECONDS;
    while (!CallNamedPipeW(name, message, size, reply, MAX_MESSAGE, &got,
                           (DWORD)(limit - now))) {
        if (GetLastError() != ERROR_PIPE_BUSY || (now = GetTickCount64()) >= limit)
            sys_error("CallNamedPipe");
    }
    return got;
}
