/*
 * client.c - send messages to the server that started this program, and read the replies.
 *
 * Usage: client [COUNT]
 *
 * Its standard input and output are the two pipes. Sends "message num 1" to "message num
 * COUNT" (10), each with a NUL at its end, and reads the reply to each before it sends
 * the next. Prints events on standard error, because standard output is a pipe. Exit code
 * 0 if every reply came, else 1.
 *
 * Mirrors listing 2 of the report. Counterpart: ../unix/client.c.
 * To try: server 3; client 2 in a console, which then takes the place of the pipes.
 */
#include "contract.h"
#include "ipclab.h"

static size_t receive_message(HANDLE pipe, struct buffer *inbox);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: how many messages to send. */
    begin_program("client", "[COUNT]", &argv);
    if (argc > 2)
        usage_exit();
    long count = argc > 1 ? parse_long("COUNT", argv[1], 0, MAX_COUNT) : DEFAULT_COUNT;
    log_to_stderr();

    /* STEP 2: Take the pipes: they are standard input and output. */
    // LEVEL 2: HANDLE from_server, to_server;
    HANDLE from_server = GetStdHandle(STD_INPUT_HANDLE);
    HANDLE to_server = GetStdHandle(STD_OUTPUT_HANDLE);
    if (from_server == INVALID_HANDLE_VALUE || to_server == INVALID_HANDLE_VALUE)
        sys_error("GetStdHandle");
    // END

    struct buffer inbox = {0};
    for (long number = 1; number <= count; number++) {
        /* STEP 3: Send a message with its NUL. */
        char text[MESSAGE_SIZE];
        int length = snprintf(text, sizeof text, MESSAGE_TEXT, number);
        // LEVEL 2
        if (!write_all(to_server, text, (size_t)length + 1))
            sys_error("WriteFile");
        // END
        log_text("client: sent", text, (size_t)length);

        /* STEP 4: Read the reply, up to its NUL. */
        size_t size = receive_message(from_server, &inbox);
        if (size == 0)
            fatal("the server closed the pipe before it replied");
        log_text("client: received", inbox.bytes, size - 1);
        buffer_remove(&inbox, size);
    }
    free(inbox.bytes);

    /* STEP 5: Close the pipe: the server's ReadFile fails with ERROR_BROKEN_PIPE. */
    // LEVEL 2
    if (!CloseHandle(to_server))
        sys_error("CloseHandle");
    // END
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Reads until `inbox` begins with a whole message: one ReadFile can return half a
 * message, or three. Returns the size of the message with its NUL, or 0 at the end of the
 * pipe. */
static size_t receive_message(HANDLE pipe, struct buffer *inbox)
{
    // LEVEL 1
    char bytes[READ_SIZE];
    DWORD length;
    size_t size;
    while ((size = buffer_find(inbox, '\0')) == 0) {
        /* The end of a pipe is an error. That of a file or of a console's input is 0
         * bytes. */
        BOOL ok = ReadFile(pipe, bytes, sizeof bytes, &length, NULL);
        if (!ok && GetLastError() != ERROR_BROKEN_PIPE)
            sys_error("ReadFile");
        bool at_end = !ok || length == 0;
        if (at_end && inbox->length > 0)
            fatal("the pipe ended in the middle of a message (%zu bytes)", inbox->length);
        if (at_end)
            break;
        buffer_append(inbox, bytes, length);
    }
    return size;
    // END
}
