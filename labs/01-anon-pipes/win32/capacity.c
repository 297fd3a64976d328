/*
 * capacity.c - how many bytes a pipe holds before a write to it would block.
 *
 * Usage: capacity [SIZE]
 *
 * Makes a pipe, asks for SIZE bytes of capacity if given, writes until no byte more fits,
 * and compares what it could write with what the system says.
 *
 * Its twin: ../unix/capacity.c. To try: capacity; capacity 1; capacity 1048576.
 */
#define PROGRAM "capacity"

#include <limits.h>
#include <stdlib.h>
#include <windows.h>

#include "fail.h"
#include "say.h"

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: the capacity to ask for, in bytes; 0 leaves the default. */
    wchar_t *end = NULL;
    long size = argc > 1 ? wcstol(argv[1], &end, 10) : 0;
    if (argc > 2 || size < 0 || (end != NULL && (end == argv[1] || *end))) {
        say(stderr, "usage: capacity [SIZE], SIZE in bytes");
        return 2;
    }

    /* STEP 2: Make the pipe, its writing end such that a write fails where it would block.
     * Underneath, an anonymous pipe is a named one, and takes the mode of one. */
    HANDLE ends[2];
    if (!CreatePipe(&ends[0], &ends[1], NULL, (DWORD)size))
        fail("CreatePipe");
    DWORD mode = PIPE_READMODE_BYTE | PIPE_NOWAIT;
    if (!SetNamedPipeHandleState(ends[1], &mode, NULL, NULL))
        fail("SetNamedPipeHandleState");
    say(stdout, "capacity: asked for %ld bytes", size);

    /* STEP 3: Write until the pipe is full, the last bytes one at a time. Full is no error
     * here: the write succeeds, and has written 0 bytes. */
    long written = 0;
    static const char bytes[4096];
    for (DWORD portion = sizeof bytes; portion > 0;) {
        DWORD length;
        if (!WriteFile(ends[1], bytes, portion, &length, NULL))
            fail("WriteFile");
        if (length == 0)
            portion /= 2;
        else
            written += (long)length;
    }
    say(stdout, "capacity: wrote %ld bytes before a write would block", written);

    /* STEP 4: Ask how many bytes wait to be read, and what the pipe's capacity is. */
    DWORD waiting, capacity;
    if (!PeekNamedPipe(ends[0], NULL, 0, NULL, &waiting, NULL))
        fail("PeekNamedPipe");
    if (!GetNamedPipeInfo(ends[0], NULL, NULL, &capacity, NULL))
        fail("GetNamedPipeInfo");
    say(stdout, "capacity: %lu bytes wait to be read", waiting);
    say(stdout, "capacity: the system says %lu bytes", capacity);

    /* STEP 5: Read everything, and see that it was all there. PeekNamedPipe has told how
     * much: a read of an empty pipe would wait. */
    DWORD drained = 0, length;
    for (char portion[4096]; drained < waiting; drained += length)
        if (!ReadFile(ends[0], portion, sizeof portion, &length, NULL))
            fail("ReadFile");
    say(stdout, "capacity: read %lu bytes", drained);
    if (!CloseHandle(ends[0]) || !CloseHandle(ends[1]))
        fail("CloseHandle");
    say(stdout, "capacity: done");
    return EXIT_SUCCESS;
}
