/*
 * process.c - the second process on UNIX: a fork.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

bool apart;
static pid_t second;

void start_second(const struct mechanism *mechanism, size_t size, int core)
{
    pid_t first = getpid();
    /* If our caller ignores SIGCHLD, so do we, and waitpid would fail with ECHILD. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        fail("signal");
    if ((second = fork()) == -1)
        fail("fork");
    if (second != 0)
        return;
    /* If the first ends, by a mistake or by the clock, nobody is left to talk to. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != first)
        _exit(EXIT_FAILURE);
    if (core != -1)
        pin(core);
    answer(mechanism, size);
    _exit(EXIT_SUCCESS);
}

bool await_second(void)
{
    int status;
    if (waitpid(second, &status, 0) == -1)
        fail("waitpid");
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

void answer_if_second(int argc, char *argv[])
{
    (void)argc, (void)argv;
}
