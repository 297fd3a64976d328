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
 * Mirrors listing 2 of the report. Counterpart: ../win32/client.c.
 * To try: server 3; client 2 | tr '\0' '\n'; yes | tr '\n' '\0' | client 2 >/dev/null.
 */
#include <signal.h>

#include "contract.h"
#include "ipclab.h"

static size_t receive_message(int pipe, struct buffer *inbox);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: how many messages to send. */
    begin_program("client", "[COUNT]", &argv);
    if (argc > 2)
        usage_exit();
    long count = argc > 1 ? parse_long("COUNT", argv[1], 0, MAX_COUNT) : DEFAULT_COUNT;
    log_to_stderr();

    /* STEP 2: Take the pipes: descriptors 0 (input) and 1 (output). If the server reads
     * no more, write() must fail with EPIPE; by default SIGPIPE would end this program. */
    // LEVEL 2: int from_server, to_server;
    int from_server = STDIN_FILENO, to_server = STDOUT_FILENO;
    signal(SIGPIPE, SIG_IGN);
    // END

    struct buffer inbox = {0};
    for (long number = 1; number <= count; number++) {
        /* STEP 3: Send a message with its NUL. */
        char text[MESSAGE_SIZE];
        int length = snprintf(text, sizeof text, MESSAGE_TEXT, number);
        // LEVEL 2
        if (!write_all(to_server, text, (size_t)length + 1))
            sys_error("write");
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

    /* STEP 5: Close the pipe: the server reads end of file. */
    // LEVEL 2
    if (close(to_server) == -1)
        sys_error("close");
    // END
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Reads until `inbox` begins with a whole message: one read() can return half a message,
 * or three. Returns the size of the message with its NUL, or 0 at end of file. */
static size_t receive_message(int pipe, struct buffer *inbox)
{
    // LEVEL 1
    char bytes[READ_SIZE];
    size_t size;
    while ((size = buffer_find(inbox, '\0')) == 0) {
        ssize_t length = read(pipe, bytes, sizeof bytes);
        if (length == -1)
            sys_error("read");
        if (length == 0 && inbox->length > 0)
            fatal("the pipe ended in the middle of a message (%zu bytes)", inbox->length);
        if (length == 0)
            break;
        buffer_append(inbox, bytes, (size_t)length);
    }
    return size;
    // END
}
