/*
 * fail.h - report a failed call with its name, its error number and the system's own text,
 * then end the program with exit code 1:
 *
 *     server: CreateNamedPipe: error 231: All pipe instances are busy.
 *
 * A program defines PROGRAM, its name in such lines, before it includes this header:
 *
 *     #define PROGRAM "server"
 *     #include "fail.h"
 */
#ifndef FAIL_H
#define FAIL_H

#include <stdio.h>
#include <stdlib.h>

#include "say.h"

#ifdef _WIN32

#include <windows.h>

/* Reports that `call` failed with `error`, a code of GetLastError() or WSAGetLastError(), and
 * ends the process with exit code 1. Does not return. */
_Noreturn static inline void fail_with(DWORD error, const char *call)
{
    /* Asked for as UTF-16 and turned into UTF-8 here: the A function would answer in the
     * code page of the machine, and every line of ours is UTF-8. */
    wchar_t wide[512] = L"";
    char text[1536] = "";
    FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
                       FORMAT_MESSAGE_MAX_WIDTH_MASK,
                   NULL, error, 0, wide, sizeof wide / sizeof *wide, NULL);
    size_t length = wcslen(wide);
    while (length > 0 && wide[length - 1] == L' ')
        wide[--length] = L'\0';
    WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, sizeof text, NULL, NULL);
    say(stderr, PROGRAM ": %s: error %lu: %s", call, error, text);
    exit(EXIT_FAILURE);
}

/* Reports that `call` failed, with the calling thread's GetLastError(). Does not return. */
_Noreturn static inline void fail(const char *call)
{
    fail_with(GetLastError(), call);
}

#else

#include <errno.h>
#include <string.h>

/* Reports that `call` failed with `error`, an errno code (the pthread functions return
 * theirs), and ends the process with exit code 1. Does not return. */
_Noreturn static inline void fail_with(int error, const char *call)
{
    say(stderr, PROGRAM ": %s: error %d: %s", call, error, strerror(error));
    /* exit writes what stands in the buffers, and asks nobody: another thread may be writing
     * the same line at this moment. While we have the lock, none is. */
    flockfile(stdout);
    exit(EXIT_FAILURE);
}

/* Reports that `call` failed, with the calling thread's errno. Does not return. */
_Noreturn static inline void fail(const char *call)
{
    fail_with(errno, call);
}

#endif

#endif
