/*
 * clock.c - the clock and the core on Windows, and how to end when something fails.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

#include "mechanisms.h"

double now(void)
{
    LARGE_INTEGER ticks, frequency;
    if (!QueryPerformanceCounter(&ticks) || !QueryPerformanceFrequency(&frequency))
        fail("QueryPerformanceCounter");
    return (double)ticks.QuadPart / (double)frequency.QuadPart;
}

void pin(int core)
{
    if (!SetProcessAffinityMask(GetCurrentProcess(), (DWORD_PTR)1 << core))
        fail("SetProcessAffinityMask");
}

void fail(const char *call)
{
    fail_with(GetLastError(), call);
}

void fail_with(unsigned long error, const char *call)
{
    give_up("%s: error %lu", call, error);
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
