/*
 * oneway.c - read from a command through a pipe, the short way: popen() and pclose().
 *
 * Usage: oneway [COMMAND]
 *
 * Runs COMMAND ("echo message num 1") in a shell with its standard output in a pipe,
 * prints each line that comes, and reports how the command ended. Exit code 0 if it
 * exited with 0, else 1.
 *
 * popen() creates the pipe, calls fork() and starts the shell: STEP 2 to 4 of server.c.
 * The pipe is one-way. A program that wants to write to the command as well needs two,
 * and server.c.
 * Counterpart: ../win32/oneway.c. To try: oneway 'ls | wc -l'; oneway 'exit 3'.
 */
#include <signal.h>
#include <sys/wait.h>

#include "ipclab.h"

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the command. The shell obeys all of it: never put text
     * into it that comes from somebody else. */
    begin_program("oneway", "[COMMAND]", &argv);
    if (argc > 2)
        usage_exit();
    const char *command = argc > 1 ? argv[1] : "echo message num 1";

    /* STEP 2: Start it with its standard output in a pipe. If SIGCHLD is ignored, which a
     * program inherits, no exit code is kept for pclose(). */
    signal(SIGCHLD, SIG_DFL);
    FILE *pipe = popen(command, "r");
    if (pipe == NULL)
        sys_error("popen");

    /* STEP 3: Read lines until the end of the pipe. It comes when the command has ended,
     * and every program that inherited its standard output. */
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    while ((length = getline(&line, &size, pipe)) > 0) {
        if (line[length - 1] == '\n')
            length--;
        log_text("oneway: received", line, (size_t)length);
    }
    if (ferror(pipe))
        sys_error("getline");
    free(line);

    /* STEP 4: Close the pipe. pclose() waits for the shell and returns its status. */
    int status = pclose(pipe);
    if (status == -1)
        sys_error("pclose");
    if (WIFSIGNALED(status))
        log_event("oneway: command was ended by signal %d", WTERMSIG(status));
    else
        log_event("oneway: command exited with code %d", WEXITSTATUS(status));
    log_event("oneway: done");
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
