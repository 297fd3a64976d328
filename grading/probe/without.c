/*
 * without.c - starts a program without some of its three standard streams.
 *
 * Usage: without MASK PROGRAM [ARGUMENT...]
 *
 * Each bit of MASK is a stream that the program does not get: 1 standard input, 2 standard
 * output, 4 standard error. On UNIX that descriptor is closed, on Windows the handle is NULL.
 * UNIX: becomes the program. Windows: waits for the program, and exits with its exit code. If
 * this process is killed, so is the program. Exit code 99 if PROGRAM cannot be started.
 *
 * It uses nothing of labs/lib: begin_program() opens the streams that the program must not get.
 */
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32

#include <windows.h>

/* Returns what follows the first word of a command line. */
static wchar_t *after_word(wchar_t *line)
{
    line += *line == L'"' ? wcscspn(line + 1, L"\"") + 2 : wcscspn(line, L" ");
    return line + wcsspn(line, L" ");
}

/* A standard handle, or NULL if `bit` is set in `mask`. */
static HANDLE stream(DWORD number, long mask, long bit)
{
    return mask & bit ? NULL : GetStdHandle(number);
}

int main(int argc, char *argv[])
{
    if (argc < 3)
        return 99;
    long mask = atol(argv[1]);
    /* Use the rest of our own command line: then no word must be quoted again. */
    wchar_t *command = after_word(after_word(GetCommandLineW()));
    STARTUPINFOW startup = {.cb = sizeof startup,
                            .dwFlags = STARTF_USESTDHANDLES,
                            .hStdInput = stream(STD_INPUT_HANDLE, mask, 1),
                            .hStdOutput = stream(STD_OUTPUT_HANDLE, mask, 2),
                            .hStdError = stream(STD_ERROR_HANDLE, mask, 4)};
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limit = {
        .BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE};
    HANDLE job = CreateJobObjectW(NULL, NULL);
    PROCESS_INFORMATION program;
    DWORD code = 99;
    if (job == NULL ||
        !SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limit,
                                 sizeof limit) ||
        !CreateProcessW(NULL, command, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, NULL,
                        &startup, &program))
        return 99;
    AssignProcessToJobObject(job, program.hProcess);
    ResumeThread(program.hThread);
    WaitForSingleObject(program.hProcess, INFINITE);
    GetExitCodeProcess(program.hProcess, &code);
    return (int)code;
}

#else

#include <unistd.h>

int main(int argc, char *argv[])
{
    if (argc < 3)
        return 99;
    for (int stream = 0; stream < 3; stream++)
        if (atol(argv[1]) & 1L << stream)
            close(stream);
    execv(argv[2], argv + 2);
    return 99;
}

#endif
