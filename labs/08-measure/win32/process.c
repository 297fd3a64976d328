/*
 * process.c - the second process on Windows, which has no fork: the same program once more,
 * with other arguments.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "mechanisms.h"

#define SECOND_ARGUMENT "--second" /* and then: mechanism, size, core, apart, address */

bool apart;
char address[ADDRESS_ROOM];
static HANDLE second;

/* If the first process ends, by a mistake or by the clock, nobody is left to talk to: the system
 * closes its handle of this job then, and ends who is in it. */
static void tie_to_us(HANDLE process)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {
        .BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE};
    HANDLE job = CreateJobObjectA(NULL, NULL);
    if (job == NULL)
        fail("CreateJobObject");
    if (!SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits,
                                 sizeof limits))
        fail("SetInformationJobObject");
    if (!AssignProcessToJobObject(job, process))
        fail("AssignProcessToJobObject");
}

void start_second(const struct mechanism *mechanism, size_t size, int core)
{
    char program[MAX_PATH] = "", command[MAX_PATH + ADDRESS_ROOM + 64];
    DWORD length = GetModuleFileNameA(NULL, program, sizeof program);
    if (length == 0 || length == sizeof program)
        fail("GetModuleFileName");
    snprintf(command, sizeof command, "\"%s\" %s %s %lu %d %d \"%s\"", program,
             SECOND_ARGUMENT, mechanism->name, (unsigned long)size, core, apart, address);
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION process;
    if (!CreateProcessA(program, command, NULL, NULL, TRUE, 0, NULL, NULL, &startup,
                        &process))
        fail("CreateProcess");
    if (!CloseHandle(process.hThread))
        fail("CloseHandle");
    second = process.hProcess;
    tie_to_us(second);
}

bool await_second(void)
{
    DWORD code;
    if (WaitForSingleObject(second, INFINITE) == WAIT_FAILED)
        fail("WaitForSingleObject");
    if (!GetExitCodeProcess(second, &code))
        fail("GetExitCodeProcess");
    if (!CloseHandle(second))
        fail("CloseHandle");
    return code == 0;
}

void answer_if_second(int argc, char *argv[])
{
    if (argc != 7 || strcmp(argv[1], SECOND_ARGUMENT) != 0)
        return;
    int core = atoi(argv[4]);
    if (core != -1)
        pin(core);
    apart = atoi(argv[5]) != 0;
    snprintf(address, sizeof address, "%s", argv[6]);
    for (const struct mechanism *const *m = mechanisms; *m != NULL; m++)
        if (strcmp((*m)->name, argv[2]) == 0)
            answer(*m, (size_t)strtoul(argv[3], NULL, 10));
    exit(0);
}
