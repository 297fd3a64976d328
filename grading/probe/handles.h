/*
 * handles.h - for a probe on Windows: how many handles another process has open.
 */
#ifndef HANDLES_H
#define HANDLES_H

#include <winternl.h>

#include "ipclab.h"

#define MOST_PROCESSES (1024 * 1024) /* bytes of the list of all processes */

/* Returns how many handles the processes have whose program's name begins with `name`. Wine counts the
 * places in the table of a process, which doubles when it is full. Its GetProcessHandleCount returns 0. */
static unsigned long count_handles(const wchar_t *name)
{
    typedef NTSTATUS(NTAPI function)(SYSTEM_INFORMATION_CLASS, void *, ULONG, ULONG *);
    function *query = (function *)(void (*)(
        void))GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "NtQuerySystemInformation");
    char *bytes = allocate(MOST_PROCESSES);
    size_t at = 0;
    unsigned long handles = 0;
    if (query == NULL ||
        query(SystemProcessInformation, bytes, MOST_PROCESSES, NULL) != 0) {
        free(bytes);
        return 0;
    }
    for (ULONG next = 1; next != 0; at += next) {
        const SYSTEM_PROCESS_INFORMATION *process = (const void *)(bytes + at);
        const UNICODE_STRING *image = &process->ImageName;
        if (image->Length >= wcslen(name) * sizeof *name &&
            _wcsnicmp(image->Buffer, name, wcslen(name)) == 0)
            handles += process->HandleCount;
        next = process->NextEntryOffset;
    }
    free(bytes);
    return handles;
}

#endif
