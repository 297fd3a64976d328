/*
 * clock.c - the clock and the core on UNIX.
 */
#include <sched.h>
#include <time.h>

#include "measure.h"

double now(void)
{
    struct timespec time;
    if (clock_gettime(CLOCK_MONOTONIC, &time) == -1)
        sys_error("clock_gettime");
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (sched_setaffinity(0, sizeof set, &set) == -1)
        sys_error("sched_setaffinity");
}
