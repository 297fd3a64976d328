/*
 * oneway.c - read from a command through a pipe, the short way: _popen() and _pclose().
 *
 * Usage: oneway [COMMAND]
 *
 * Runs COMMAND ("echo message num 1") in cmd.exe with its standard output in a pipe,
 * prints each line that comes, and reports how the command ended. Exit code 0 if it
 * exited with 0, else 1.
 *
 * _popen() creates the pipe and starts cmd.exe: STEP 2 to 4 of server.c. The pipe is
 * one-way. A program that wants to write to the command as well needs two, and server.c.
 * These functions are not part of Win32, but of the C library, which has them from UNIX.
 * Counterpart: ../unix/oneway.c. To try: oneway "dir | find /c \".c\""; oneway "exit 3".
 */
#include <errno.h>

#include "ipclab.h"

static bool get_line(FILE *pipe, struct buffer *line);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the command. The shell obeys all of it: never put text
     * into it that comes from somebody else. */
    begin_program("oneway", "[COMMAND]", &argv);
    if (argc > 2)
        usage_exit();
    wchar_t *command = to_utf16(argc > 1 ? argv[1] : "echo message num 1");

    /* STEP 2: Start it with its standard output in a pipe. In text mode ("t") the C
     * library turns CR LF, the command's line end, into a newline. */
    FILE *pipe = _wpopen(command, L"rt");
    if (pipe == NULL)
        fatal("_popen: error %d: %s", errno, strerror(errno));
    free(command);

    /* STEP 3: Read lines until the end of the pipe. It comes when the command has ended,
     * and every program that inherited its standard output. */
    struct buffer line = {0};
    while (get_line(pipe, &line))
        log_text("oneway: received", line.bytes, line.length);
    if (ferror(pipe))
        fatal("fgetc: error %d: %s", errno, strerror(errno));
    free(line.bytes);

    /* STEP 4: Close the pipe. _pclose() waits for cmd.exe and returns its exit code. */
    int code = _pclose(pipe);
    if (code == -1)
        fatal("_pclose: error %d: %s", errno, strerror(errno));
    log_event("oneway: command exited with code %d", code);
    log_event("oneway: done");
    return code == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Reads one line, without its newline. Returns false at the end. The C library has
 * fgets() for this, but after it a NUL in the line looks like the line's end. */
static bool get_line(FILE *pipe, struct buffer *line)
{
    line->length = 0;
    for (int c; (c = fgetc(pipe)) != EOF;) {
        if (c == '\n')
            return true;
        char byte = (char)c;
        buffer_append(line, &byte, 1);
    }
    return line->length > 0;
}
