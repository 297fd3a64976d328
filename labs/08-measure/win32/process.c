/*
 * process.c - the second process on Windows. There is no fork: it is the same program with other
 * arguments.
 */

#include "mechanisms.h"

#define SECOND_ARGUMENT "--second" /* and then: mechanism, size, core, apart, address */

bool apart;
char address[ADDRESS_SIZE];
static HANDLE second;

/* If the first process fails or is killed by its time limit, the second one must end too. The
 * system then closes the handle of this job, and ends the processes in it. */
static void tie_to_us(HANDLE process)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {
        .BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE};
    HANDLE job = CreateJobObjectA(NULL, NULL);
    if (job == NULL)
        sys_error("CreateJobObject");
    if (!SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits,
                                 sizeof limits))
        sys_error("SetInformationJobObject");
    if (!AssignProcessToJobObject(job, process))
        sys_error("AssignProcessToJobObject");
}

void start_second(const struct mechanism *mechanism, size_t size, int core)
{
    char program[MAX_PATH] = "", command[MAX_PATH + ADDRESS_SIZE + 64];
    DWORD length = GetModuleFileNameA(NULL, program, sizeof program);
    if (length == 0 || length == sizeof program)
        sys_error("GetModuleFileName");
    snprintf(command, sizeof command, "\"%s\" %s %s %lu %d %d \"%s\"", program,
             SECOND_ARGUMENT, mechanism->name, (unsigned long)size, core, apart, address);
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION process;
    if (!CreateProcessA(program, command, NULL, NULL, TRUE, 0, NULL, NULL, &startup,
                        &process))
        sys_error("CreateProcess");
    if (!CloseHandle(process.hThread))
        sys_error("CloseHandle");
    second = process.hProcess;
    tie_to_us(second);
}

bool await_second(void)
{
    DWORD code;
    if (WaitForSingleObject(second, INFINITE) == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    if (!GetExitCodeProcess(second, &code))
        sys_error("GetExitCodeProcess");
    if (!CloseHandle(second))
        sys_error("CloseHandle");
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
