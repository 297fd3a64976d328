/*
 * capacity.c - how many bytes a pipe holds before a write to it would block.
 *
 * Usage: capacity [SIZE]
 *
 * Makes a pipe, asks for SIZE bytes of capacity if given, writes until no byte more fits,
 * and compares what it could write with what the system says.
 *
 * Its twin: ../win32/capacity.c. To try: capacity; capacity 1; capacity 1048576.
 */
#define PROGRAM "capacity"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fail.h"
#include "say.h"

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: the capacity to ask for, in bytes; 0 leaves the default. */
    char *end = NULL;
    long size = argc > 1 ? strtol(argv[1], &end, 10) : 0;
    if (argc > 2 || size < 0 || size > INT_MAX ||
        (end != NULL && (end == argv[1] || *end))) {
        say(stderr, "usage: capacity [SIZE], SIZE in bytes");
        return 2;
    }

    /* STEP 2: Make the pipe, its writing end such that a write fails where it would block. */
    int ends[2];
    if (pipe2(ends, O_NONBLOCK) == -1)
        fail("pipe2");
    if (size > 0 && fcntl(ends[1], F_SETPIPE_SZ, (int)size) == -1)
        fail("F_SETPIPE_SZ");
    say(stdout, "capacity: asked for %ld bytes", size);

    /* STEP 3: Write until the pipe is full, the last bytes one at a time. */
    long written = 0;
    static const char bytes[PIPE_BUF];
    for (size_t portion = sizeof bytes; portion > 0;) {
        ssize_t length = write(ends[1], bytes, portion);
        if (length == -1 && errno != EAGAIN)
            fail("write");
        if (length == -1)
            portion /= 2;
        else
            written += length;
    }
    say(stdout, "capacity: wrote %ld bytes before a write would block", written);

    /* STEP 4: Ask how many bytes wait to be read, and what the pipe's capacity is. */
    int waiting;
    if (ioctl(ends[0], FIONREAD, &waiting) == -1)
        fail("FIONREAD");
    int capacity = fcntl(ends[0], F_GETPIPE_SZ);
    if (capacity == -1)
        fail("F_GETPIPE_SZ");
    say(stdout, "capacity: %d bytes wait to be read", waiting);
    say(stdout,
        "capacity: the system says %d bytes; one write of up to %d stays in one piece",
        capacity, PIPE_BUF);

    /* STEP 5: Read everything, and see that it was all there. */
    long drained = 0;
    char portion[PIPE_BUF];
    for (ssize_t length; (length = read(ends[0], portion, sizeof portion)) > 0;)
        drained += length;
    say(stdout, "capacity: read %ld bytes", drained);
    if (close(ends[0]) == -1 || close(ends[1]) == -1)
        fail("close");
    say(stdout, "capacity: done");
    return EXIT_SUCCESS;
}
