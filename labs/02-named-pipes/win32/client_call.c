/*
 * client_call.c - as client.c, with a connection for each message: CallNamedPipe.
 *
 * Usage: client_call [PIPE]
 *
 * Sends each line of its input to the pipe PIPE (\\.\pipe\$$MyPipe$$; \\HOST\pipe\NAME is one
 * on another machine) as a message, over a connection of its own, and waits for the reply. The
 * line "exit", or the end of the input, ends it.
 *
 * Open (and wait where it is busy), write, read, close: all in one call. To the server each
 * message is another client. Right for one question now and then, dear for a conversation.
 */
#define PROGRAM "client"

#include <fcntl.h>
#include <io.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

#define WIDE_AGAIN(text) L##text
#define WIDE(text) WIDE_AGAIN(text) /* contract.h's names as UTF-16 */
#define CTRL_Z L'\x1A'

/* A line of the input: `length` units of UTF-16, and room for a NUL behind them. */
struct line {
    wchar_t *text;
    size_t length, room;
};

static bool read_line(struct line *line);
static bool read_console(HANDLE input, struct line *line);
static bool read_file(struct line *line);
static void make_room(struct line *line, size_t more);
static char *quoted_text(const wchar_t *message, size_t length);
_Noreturn static void give_up(const char *why);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: the pipe's name, \\.\pipe\NAME or \\HOST\pipe\NAME. */
    const wchar_t *name = argc == 2 ? argv[1] : WIDE(PIPE_PREFIX) WIDE(PIPE_NAME);
    if (argc > 2 || *name == L'\0' || *name == L'-') {
        say(stderr, "usage: client_call [PIPE]");
        return 2;
    }
    /* As the bytes are: in text mode 0x1A would end the input. */
    if (_setmode(_fileno(stdin), _O_BINARY) == -1)
        fail("_setmode");

    /* STEP 2: Finding the server is part of the call. */
    /* STEP 3: Connecting is, too. What does not fit the buffer would be lost with the
     * connection, so here there is room for the longest reply from the start. */
    wchar_t *reply = malloc(MAX_MESSAGE);
    if (reply == NULL)
        fail_with(ERROR_OUTOFMEMORY, "malloc");

    struct line line = {0};
    bool over = false;
    while (!over && read_line(&line)) {
        /* STEP 4: Make one line one message, with a NUL in place of what ends the line. */
        line.text[line.length] = L'\0';
        size_t size = (line.length + 1) * sizeof *line.text;
        if (size > MAX_MESSAGE)
            give_up("a line of the input is too long for a message");
        over = line.length == strlen(EXIT_TEXT) &&
               wmemcmp(line.text, WIDE(EXIT_TEXT), line.length) == 0;
        char *sent = quoted_text(line.text, size);

        /* STEP 5: Connect, send it, wait for the reply, and close. */
        DWORD length;
        ULONGLONG now = GetTickCount64(), limit = now + WAIT_MILLISECONDS;
        while (!CallNamedPipeW(name, line.text, (DWORD)size, reply, MAX_MESSAGE, &length,
                               (DWORD)(limit - now))) {
            now = GetTickCount64();
            /* It has waited for a free instance, and another client was quicker. */
            if (GetLastError() == ERROR_PIPE_BUSY && now < limit)
                continue;
            if (GetLastError() == ERROR_FILE_NOT_FOUND)
                give_up("no server is there");
            if (GetLastError() == ERROR_BROKEN_PIPE || GetLastError() == ERROR_NO_DATA ||
                GetLastError() == ERROR_PIPE_NOT_CONNECTED ||
                GetLastError() == ERROR_BAD_PIPE)
                give_up("the server has gone");
            fail("CallNamedPipe");
        }
        say(stdout, "client: sent %s", sent);
        char *received = quoted_text(reply, length);
        say(stdout, "client: received %s", received);
        free(sent);
        free(received);
    }

    /* STEP 6: There is nothing to close: each call has. */
    free(line.text);
    free(reply);
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

/* Reads a line of the input, without its end, into `line`. Returns false at the end. */
static bool read_line(struct line *line)
{
    HANDLE input = GetStdHandle(STD_INPUT_HANDLE);
    DWORD mode;
    line->length = 0;
    bool more = GetConsoleMode(input, &mode) ? read_console(input, line)
                                             : read_file(line);
    if (line->length > 0 && line->text[line->length - 1] == L'\n' && --line->length > 0 &&
        line->text[line->length - 1] == L'\r')
        line->length--;
    return more;
}

/* From the keyboard, as UTF-16: what the C library reads there has been through the console's
 * code page, which may know no Cyrillic. Ctrl-Z at the beginning of a line is the end. */
static bool read_console(HANDLE input, struct line *line)
{
    DWORD got;
    do {
        make_room(line, BUFFER_SIZE);
        if (!ReadConsoleW(input, line->text + line->length, BUFFER_SIZE, &got, NULL))
            fail("ReadConsole");
        line->length += got;
    } while (got > 0 && line->text[line->length - 1] != L'\n');
    return line->length > 0 && line->text[0] != CTRL_Z;
}

/* From a file or a pipe, where text is UTF-8. */
static bool read_file(struct line *line)
{
    char *bytes = NULL;
    size_t length = 0, room = 0;
    for (int byte = 0; byte != '\n' && (byte = getchar()) != EOF;) {
        if (length == room)
            bytes = realloc(bytes, room = 2 * room + BUFFER_SIZE);
        if (bytes == NULL)
            fail_with(ERROR_OUTOFMEMORY, "realloc");
        bytes[length++] = (char)byte;
    }
    if (ferror(stdin))
        fail_with(ERROR_READ_FAULT, "getchar");
    if (length > 0) {
        make_room(line, length); /* no more units than bytes */
        int units = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, bytes, (int)length,
                                        line->text, (int)line->room);
        if (units == 0)
            give_up("a line of the input is not UTF-8");
        line->length = (size_t)units;
    }
    free(bytes);
    return length > 0;
}

/* Room for `more` units, and a NUL. */
static void make_room(struct line *line, size_t more)
{
    if (line->length + more < line->room)
        return;
    line->room = 2 * (line->length + more) + 1;
    line->text = realloc(line->text, line->room * sizeof *line->text);
    if (line->text == NULL)
        fail_with(ERROR_OUTOFMEMORY, "realloc");
}

/* The text of a message for the transcript, without its NUL, if it has one. */
static char *quoted_text(const wchar_t *message, size_t length)
{
    int units = (int)(length / sizeof *message);
    if (units > 0 && message[units - 1] == L'\0')
        units--;
    char *bytes = malloc((size_t)units * 3 +
                         1); /* a unit is 3 bytes of UTF-8 at the most */
    if (bytes == NULL)
        fail_with(ERROR_OUTOFMEMORY, "malloc");
    int size = units == 0 ? 0
                          : WideCharToMultiByte(CP_UTF8, 0, message, units, bytes,
                                                units * 3, NULL, NULL);
    char *text = quoted(bytes, (size_t)size);
    free(bytes);
    return text;
}

_Noreturn static void give_up(const char *why)
{
    say(stderr, PROGRAM ": %s", why);
    exit(EXIT_FAILURE);
}
