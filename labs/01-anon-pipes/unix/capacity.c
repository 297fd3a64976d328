/*
 * capacity.c - how many bytes a pipe holds before a write to it would block.
 *
 * Usage: capacity [SIZE]
 *
 * Creates a pipe, and asks for a capacity of SIZE bytes if it is given. Writes until no
 * more bytes fit. Compares the number of bytes written with the capacity that the
 * system reports.
 *
 * Counterpart: ../win32/capacity.c. To try: capacity; capacity 1; capacity 1048576.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>

#include "ipclab.h"

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the capacity to ask for, in bytes. 0 keeps the
     * default. */
    begin_program("capacity", "[SIZE]", &argv);
    if (argc > 2)
        usage_exit();
    long size = argc > 1 ? parse_long("SIZE", argv[1], 0, INT_MAX) : 0;

    /* STEP 2: Create the pipe. O_NONBLOCK: a write that would block fails with EAGAIN. */
    int ends[2];
    if (pipe2(ends, O_NONBLOCK) == -1)
        sys_error("pipe2");
    if (size > 0 && fcntl(ends[1], F_SETPIPE_SZ, (int)size) == -1)
        sys_error("F_SETPIPE_SZ");
    log_event("capacity: asked for %ld bytes", size);

    /* STEP 3: Write until the pipe is full, the last bytes one at a time. */
    static const char bytes[PIPE_BUF];
    long written = 0;
    for (size_t portion = sizeof bytes; portion > 0;) {
        ssize_t length = write(ends[1], bytes, portion);
        if (length == -1 && errno != EAGAIN)
            sys_error("write");
        if (length == -1)
            portion /= 2;
        else
            written += length;
    }
    log_event("capacity: wrote %ld bytes before a write would block", written);

    /* STEP 4: Ask how many bytes wait to be read, and what the capacity of the pipe
     * is. */
    int waiting, capacity = fcntl(ends[0], F_GETPIPE_SZ);
    if (capacity == -1)
        sys_error("F_GETPIPE_SZ");
    if (ioctl(ends[0], FIONREAD, &waiting) == -1)
        sys_error("FIONREAD");
    log_event("capacity: %d bytes wait to be read", waiting);
    log_event(
        "capacity: the system says %d bytes; one write of up to %d stays in one piece",
        capacity, PIPE_BUF);

    /* STEP 5: Read everything: all that was written must be there. */
    char taken[PIPE_BUF];
    long drained = 0;
    for (ssize_t length; (length = read(ends[0], taken, sizeof taken)) > 0;)
        drained += length;
    log_event("capacity: read %ld bytes", drained);
    if (close(ends[0]) == -1 || close(ends[1]) == -1)
        sys_error("close");
    log_event("capacity: done");
    return EXIT_SUCCESS;
}
