/*
 * clock.c - the clock and the core on Windows.
 */
#include "mechanisms.h"

double now(void)
{
    LARGE_INTEGER ticks, frequency;
    if (!QueryPerformanceCounter(&ticks) || !QueryPerformanceFrequency(&frequency))
        sys_error("QueryPerformanceCounter");
    return (double)ticks.QuadPart / (double)frequency.QuadPart;
}

void pin(int core)
{
    if (!SetProcessAffinityMask(GetCurrentProcess(), (DWORD_PTR)1 << core))
        sys_error("SetProcessAffinityMask");
}
