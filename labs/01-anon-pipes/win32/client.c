/*
 * client.c - the child at the other end of two anonymous pipes: send messages, read replies.
 *
 * Usage: client [COUNT]
 *
 * Sends "message num 1" to "message num COUNT" (10) on its standard output, each ended by a
 * NUL, and waits for the reply to each on its standard input. Its transcript goes to
 * standard error, since standard output is the pipe. Exit code 0 if every reply came, else 1.
 *
 * Mirrors listing 2 of the report. Its twin: ../unix/client.c.
 * To try: server 3; client 2 from a prompt, where the console takes the place of the pipes.
 */
#define PROGRAM "client"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* What has been read: the reply at hand, and behind it what a read brought too much. */
struct inbox {
    char *bytes;
    size_t length, room;
};

static long count_from(const wchar_t *text);
static void send_message(HANDLE pipe, const char *text);
static size_t receive_reply(HANDLE pipe, struct inbox *inbox);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: how many messages to send. */
    long count = argc > 1 ? count_from(argv[1]) : DEFAULT_COUNT;
    if (argc > 2 || count == -1) {
        say(stderr, "usage: client [COUNT], COUNT from 0 to %d", MAX_COUNT);
        return 2;
    }

    /* STEP 2: The pipes are there already, as standard input and output: the server put
     * them in place. */
    HANDLE from_server = GetStdHandle(STD_INPUT_HANDLE);
    HANDLE to_server = GetStdHandle(STD_OUTPUT_HANDLE);
    if (from_server == INVALID_HANDLE_VALUE || to_server == INVALID_HANDLE_VALUE)
        fail("GetStdHandle");

    struct inbox inbox = {0};
    for (long number = 1; number <= count; number++) {
        /* STEP 3: Send one message, its NUL included. */
        char text[MESSAGE_ROOM];
        snprintf(text, sizeof text, MESSAGE_TEXT, number);
        send_message(to_server, text);
        say(stderr, "client: sent \"%s\"", text);

        /* STEP 4: Read until the reply's own NUL has come, however many reads that takes. */
        size_t size = receive_reply(from_server, &inbox);
        char *reply = quoted(inbox.bytes, size - 1);
        say(stderr, "client: received %s", reply);
        free(reply);
        inbox.length -= size;
        memmove(inbox.bytes, inbox.bytes + size, inbox.length);
    }

    /* STEP 5: Close the pipe, by which the server learns that we are done. */
    free(inbox.bytes);
    if (!CloseHandle(to_server))
        fail("CloseHandle");
    say(stderr, "client: done");
    return EXIT_SUCCESS;
}

/* The number that `text` is, or -1 where it is not a number from 0 to MAX_COUNT. */
static long count_from(const wchar_t *text)
{
    wchar_t *end;
    long count = wcstol(text, &end, 10);
    bool good = *text >= L'0' && *text <= L'9' && *end == L'\0' && count <= MAX_COUNT;
    return good ? count : -1;
}

/* Writes `text` and its NUL. WriteFile on a pipe that waits returns when all is written. */
static void send_message(HANDLE pipe, const char *text)
{
    DWORD written;
    if (!WriteFile(pipe, text, (DWORD)strlen(text) + 1, &written, NULL))
        fail("WriteFile");
}

/* Reads until the inbox begins with a whole reply. Returns its size, with its NUL. */
static size_t receive_reply(HANDLE pipe, struct inbox *inbox)
{
    for (size_t searched = 0;;) {
        if (inbox->room - inbox->length < READ_SIZE) {
            inbox->room = 2 * inbox->room + READ_SIZE;
            inbox->bytes = realloc(inbox->bytes, inbox->room);
            if (inbox->bytes == NULL)
                fail_with(ERROR_OUTOFMEMORY, "realloc");
        }
        char *nul = memchr(inbox->bytes + searched, '\0', inbox->length - searched);
        if (nul != NULL)
            return (size_t)(nul + 1 - inbox->bytes);
        searched = inbox->length;

        /* A pipe's end is an error, ERROR_BROKEN_PIPE. Of a file, a console, or what Wine makes
         * of a pipe of UNIX, the end is a read of 0 bytes. */
        DWORD length = 0;
        BOOL ok = ReadFile(pipe, inbox->bytes + inbox->length, READ_SIZE, &length, NULL);
        if (!ok && GetLastError() != ERROR_BROKEN_PIPE)
            fail("ReadFile");
        if (length == 0) {
            say(stderr, "client: the server closed the pipe before it replied");
            exit(EXIT_FAILURE);
        }
        inbox->length += length;
    }
}
