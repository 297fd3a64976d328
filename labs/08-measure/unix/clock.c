/*
 * clock.c - the clock and the core on UNIX, and how to end when something fails.
 */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "measure.h"

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

void fail(const char *call)
{
    give_up("%s: error %d: %s", call, errno, strerror(errno));
}

void give_up(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    fputs("measure: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    exit(1);
}
