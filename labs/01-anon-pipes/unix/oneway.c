/*
 * oneway.c - a pipe from a command, the short way: popen and pclose.
 *
 * Usage: oneway [COMMAND]
 *
 * Lets the shell run COMMAND ("echo message num 1") with its output in a pipe, prints each
 * line that comes, and tells how the command ended. Exit code 0 if that was with 0, else 1.
 *
 * popen makes the pipe, forks, and starts a shell; what server.c does in four steps. It runs
 * one way only: to read and to write takes two pipes, and the care of server.c.
 * Its twin: ../win32/oneway.c. To try: oneway 'ls | wc -l'; oneway 'exit 3'.
 */
#define PROGRAM "oneway"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "fail.h"
#include "say.h"

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: the command. It goes to a shell, with all that a shell may
     * do: never put text from a stranger into it. */
    if (argc > 2) {
        say(stderr, "usage: oneway [COMMAND]");
        return 2;
    }
    const char *command = argc > 1 ? argv[1] : "echo message num 1";

    /* STEP 2: Start it with its standard output in a pipe to us. Whoever started us may have had
     * SIGCHLD ignored; then the system keeps no exit code for pclose. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        fail("signal");
    FILE *pipe = popen(command, "r");
    if (pipe == NULL)
        fail("popen");

    /* STEP 3: Read lines to the end of the pipe, which is the end of the command and of
     * whoever else it gave its output to. */
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while ((length = getline(&line, &room, pipe)) > 0) {
        if (line[length - 1] == '\n')
            length--;
        char *text = quoted(line, (size_t)length);
        say(stdout, "oneway: received %s", text);
        free(text);
    }
    if (ferror(pipe))
        fail("getline");
    free(line);

    /* STEP 4: Close the pipe; pclose waits for the shell and tells how it ended. */
    int status = pclose(pipe);
    if (status == -1)
        fail("pclose");
    if (WIFSIGNALED(status))
        say(stdout, "oneway: command was ended by signal %d", WTERMSIG(status));
    else
        say(stdout, "oneway: command exited with code %d", WEXITSTATUS(status));
    say(stdout, "oneway: done");
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
