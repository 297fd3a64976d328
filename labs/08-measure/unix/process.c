/*
 * process.c - the second process on UNIX: a fork.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "measure.h"

bool apart;
static pid_t second;

void start_second(const struct mechanism *mechanism, size_t size, int core)
{
    pid_t first = getpid();
    /* If our caller ignores SIGCHLD, so do we, and waitpid would fail with ECHILD. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        sys_error("signal");
    fflush(stdout); /* or a child that fails would print our text once more */
    if ((second = fork()) == -1)
        sys_error("fork");
    if (second != 0)
        return;
    /* If the first process fails or is killed by its time limit, the second one must end too. */
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
        sys_error("waitpid");
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

void answer_if_second(int argc, char *argv[])
{
    (void)argc, (void)argv;
}
