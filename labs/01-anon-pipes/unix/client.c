/*
 * client.c - the child at the other end of two anonymous pipes: send messages, read replies.
 *
 * Usage: client [COUNT]
 *
 * Sends "message num 1" to "message num COUNT" (10) on its standard output, each ended by a
 * NUL, and waits for the reply to each on its standard input. Its transcript goes to
 * standard error, since standard output is the pipe. Exit code 0 if every reply came, else 1.
 *
 * Mirrors listing 2 of the report. Its twin: ../win32/client.c.
 * To try: server 3; client 2 | tr '\0' '\n'; yes | tr '\n' '\0' | client 2 >/dev/null.
 */
#define PROGRAM "client"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* What has been read: the reply at hand, and behind it what a read brought too much. */
struct inbox {
    char *bytes;
    size_t length, room;
};

static long count_from(const char *text);
static void send_message(const char *text);
static size_t receive_reply(struct inbox *inbox);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: how many messages to send. */
    long count = argc > 1 ? count_from(argv[1]) : DEFAULT_COUNT;
    if (argc > 2 || count == -1) {
        say(stderr, "usage: client [COUNT], COUNT from 0 to %d", MAX_COUNT);
        return 2;
    }

    /* STEP 2: The pipes are there already, as standard input and output: the server put
     * them in place. A server that has gone shall cost us an error, not our life. */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        fail("signal");

    struct inbox inbox = {0};
    for (long number = 1; number <= count; number++) {
        /* STEP 3: Send one message, its NUL included. */
        char text[MESSAGE_ROOM];
        snprintf(text, sizeof text, MESSAGE_TEXT, number);
        send_message(text);
        say(stderr, "client: sent \"%s\"", text);

        /* STEP 4: Read until the reply's own NUL has come, however many reads that takes. */
        size_t size = receive_reply(&inbox);
        char *reply = quoted(inbox.bytes, size - 1);
        say(stderr, "client: received %s", reply);
        free(reply);
        inbox.length -= size;
        memmove(inbox.bytes, inbox.bytes + size, inbox.length);
    }

    /* STEP 5: Close the pipe, by which the server learns that we are done. */
    free(inbox.bytes);
    if (close(STDOUT_FILENO) == -1)
        fail("close");
    say(stderr, "client: done");
    return EXIT_SUCCESS;
}

/* The number that `text` is, or -1 where it is not a number from 0 to MAX_COUNT. */
static long count_from(const char *text)
{
    char *end;
    long count = strtol(text, &end, 10);
    bool good = *text >= '0' && *text <= '9' && *end == '\0' && count <= MAX_COUNT;
    return good ? count : -1;
}

/* Writes `text` and its NUL. A pipe takes up to PIPE_BUF bytes in one piece; of more, and on
 * a socket or a terminal, it may take a part only. No handler is installed, so no EINTR. */
static void send_message(const char *text)
{
    size_t size = strlen(text) + 1;
    for (size_t done = 0; done < size;) {
        ssize_t written = write(STDOUT_FILENO, text + done, size - done);
        if (written == -1)
            fail("write");
        done += (size_t)written;
    }
}

/* Reads until the inbox begins with a whole reply. Returns its size, with its NUL. */
static size_t receive_reply(struct inbox *inbox)
{
    for (size_t searched = 0;;) {
        if (inbox->room - inbox->length < READ_SIZE) {
            inbox->room = 2 * inbox->room + READ_SIZE;
            inbox->bytes = realloc(inbox->bytes, inbox->room);
            if (inbox->bytes == NULL)
                fail("realloc");
        }
        char *nul = memchr(inbox->bytes + searched, '\0', inbox->length - searched);
        if (nul != NULL)
            return (size_t)(nul + 1 - inbox->bytes);
        searched = inbox->length;

        ssize_t length = read(STDIN_FILENO, inbox->bytes + inbox->length, READ_SIZE);
        if (length == -1)
            fail("read");
        if (length == 0) {
            say(stderr, "client: the server closed the pipe before it replied");
            exit(EXIT_FAILURE);
        }
        inbox->length += (size_t)length;
    }
}
