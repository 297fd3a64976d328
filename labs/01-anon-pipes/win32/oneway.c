/*
 * oneway.c - a pipe from a command, the short way: _popen and _pclose.
 *
 * Usage: oneway [COMMAND]
 *
 * Lets cmd.exe run COMMAND ("echo message num 1") with its output in a pipe, prints each
 * line that comes, and tells how the command ended. Exit code 0 if that was with 0, else 1.
 *
 * _popen makes the pipe and starts cmd.exe; what server.c does in four steps. It runs one
 * way only: to read and to write takes two pipes, and the care of server.c. Not part of
 * Win32 but of the C library, which took it over from UNIX.
 * Its twin: ../unix/oneway.c. To try: oneway "dir | find /c \".c\""; oneway "exit 3".
 */
#define PROGRAM "oneway"

#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "say.h"

static size_t read_line(FILE *pipe, char **line, size_t *room);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: the command. It goes to a shell, with all that a shell may
     * do: never put text from a stranger into it. */
    if (argc > 2) {
        say(stderr, "usage: oneway [COMMAND]");
        return 2;
    }
    const wchar_t *command = argc > 1 ? argv[1] : L"echo message num 1";

    /* STEP 2: Start it with its standard output in a pipe to us. In text mode, which turns
     * the command's line ends into ours. */
    FILE *pipe = _wpopen(command, L"rt");
    if (pipe == NULL)
        fail_with(ERROR_NOT_ENOUGH_MEMORY, "_popen");

    /* STEP 3: Read lines to the end of the pipe, which is the end of the command and of
     * whoever else it gave its output to. */
    char *line = NULL;
    size_t room = 0, length;
    while ((length = read_line(pipe, &line, &room)) > 0) {
        if (line[length - 1] == '\n')
            length--;
        char *text = quoted(line, length);
        say(stdout, "oneway: received %s", text);
        free(text);
    }
    if (ferror(pipe))
        fail_with(ERROR_READ_FAULT, "fgetc");
    free(line);

    /* STEP 4: Close the pipe; _pclose waits for cmd.exe and returns its exit code. */
    int code = _pclose(pipe);
    if (code == -1)
        fail_with(ERROR_INVALID_HANDLE, "_pclose");
    say(stdout, "oneway: command exited with code %d", code);
    say(stdout, "oneway: done");
    return code == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Reads one line, its newline included, as getline(3) does. Returns its length, 0 at the
 * end. The C library here has only fgets, which cannot tell a NUL in the line from its end. */
static size_t read_line(FILE *pipe, char **line, size_t *room)
{
    size_t length = 0;
    for (int c; (c = fgetc(pipe)) != EOF;) {
        if (length == *room) {
            *room = 2 * *room + 128;
            *line = realloc(*line, *room);
            if (*line == NULL)
                fail_with(ERROR_OUTOFMEMORY, "realloc");
        }
        (*line)[length++] = (char)c;
        if (c == '\n')
            break;
    }
    return length;
}
