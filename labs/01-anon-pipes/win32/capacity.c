/*
 * capacity.c - how many bytes a pipe holds before a write to it would block.
 *
 * Usage: capacity [SIZE]
 *
 * Creates a pipe, and asks for a capacity of SIZE bytes if it is given. Writes until no
 * more bytes fit. Compares the number of bytes written with the capacity that the
 * system reports.
 *
 * Counterpart: ../unix/capacity.c. To try: capacity; capacity 1; capacity 1048576.
 */
#include <limits.h>

#include "contract.h"
#include "ipclab.h"

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the capacity to ask for, in bytes. 0 keeps the
     * default. */
    begin_program("capacity", "[SIZE]", &argv);
    if (argc > 2)
        usage_exit();
    long size = argc > 1 ? parse_long("SIZE", argv[1], 0, INT_MAX) : 0;

    /* STEP 2: Create the pipe. PIPE_NOWAIT: a write that would block writes 0 bytes. An
     * anonymous pipe is a named pipe inside, and this function for named pipes works on
     * it. */
    HANDLE ends[2];
    if (!CreatePipe(&ends[0], &ends[1], NULL, (DWORD)size))
        sys_error("CreatePipe");
    DWORD mode = PIPE_READMODE_BYTE | PIPE_NOWAIT;
    if (!SetNamedPipeHandleState(ends[1], &mode, NULL, NULL))
        sys_error("SetNamedPipeHandleState");
    log_event("capacity: asked for %ld bytes", size);

    /* STEP 3: Write until the pipe is full, the last bytes one at a time. */
    static const char bytes[READ_SIZE];
    long written = 0;
    for (DWORD portion = sizeof bytes; portion > 0;) {
        DWORD length;
        if (!WriteFile(ends[1], bytes, portion, &length, NULL))
            sys_error("WriteFile");
        if (length == 0)
            portion /= 2;
        else
            written += (long)length;
    }
    log_event("capacity: wrote %ld bytes before a write would block", written);

    /* STEP 4: Ask how many bytes wait to be read, and what the capacity of the pipe
     * is. */
    DWORD waiting, capacity;
    if (!GetNamedPipeInfo(ends[0], NULL, NULL, &capacity, NULL))
        sys_error("GetNamedPipeInfo");
    if (!PeekNamedPipe(ends[0], NULL, 0, NULL, &waiting, NULL))
        sys_error("PeekNamedPipe");
    log_event("capacity: %lu bytes wait to be read", waiting);
    log_event("capacity: the system says %lu bytes", capacity);

    /* STEP 5: Read everything: all that was written must be there. No more than that,
     * because a read from an empty pipe would block. */
    char taken[READ_SIZE];
    DWORD drained = 0, length;
    for (; drained < waiting; drained += length)
        if (!ReadFile(ends[0], taken, sizeof taken, &length, NULL))
            sys_error("ReadFile");
    log_event("capacity: read %lu bytes", drained);
    if (!CloseHandle(ends[0]) || !CloseHandle(ends[1]))
        sys_error("CloseHandle");
    log_event("capacity: done");
    return EXIT_SUCCESS;
}
