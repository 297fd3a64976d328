/*
 * process.c - the clock, the core and the second process on UNIX.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"

bool apart;
static pid_t second;

double now(void)
{
    struct timespec time;
    if (clock_gettime(CLOCK_MONOTONIC, &time) == -1)
        fail("clock_gettime");
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (sched_setaffinity(0, sizeof set, &set) == -1)
        fail("sched_setaffinity");
}

void start_second(const struct mechanism *mechanism, size_t size, int core)
{
    pid_t first = getpid();
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

void fail(const char *call)
{
    give_up("%s: error %d: %s", call, errno, strerror(errno));
}
