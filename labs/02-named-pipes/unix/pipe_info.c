/*
 * pipe_info.c - what the system reports about a FIFO that is in use.
 *
 * Usage: pipe_info [PIPE]
 *
 * Creates the FIFO PIPE (pipe_info.PID in the current folder), opens both ends, and prints what
 * the system knows about it. Most lines are the same on both systems.
 *
 * Counterpart: ../win32/pipe_info.c. To try: both, side by side.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "contract.h"
#include "ipclab.h"

#define FIRST "one"
#define SECOND "three"

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the name. */
    begin_program("pipe_info", "[PIPE]", &argv);
    char own[OWN_NAME_SIZE];
    snprintf(own, sizeof own, "pipe_info.%ld", (long)getpid());
    const char *name = argc > 1 ? argv[1] : own;
    if (argc > 2 || *name == '\0' || *name == '-')
        usage_exit();

    /* STEP 2: Create the pipe, and open both ends. The one for reading comes first, with
     * O_NONBLOCK: otherwise open() would block until a process opens the other. */
    if (mkfifo(name, FIFO_MODE) == -1)
        sys_error("mkfifo");
    int reader = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    int writer = reader == -1 ? -1 : open(name, O_WRONLY | O_CLOEXEC);
    if (writer == -1)
        sys_error("open");
    if (unlink(name) == -1) /* the open ends stay, and the name is not needed any more */
        sys_error("unlink");
    log_event("pipe_info: ready %s", name);

    /* STEP 3: What cannot be changed later. */
    struct stat facts;
    if (fstat(reader, &facts) == -1)
        sys_error("fstat");
    log_event("pipe_info: carries: bytes");
    log_event("pipe_info: directions: 1");
    log_event("pipe_info: instances: 1, for all who open it");
    log_event("pipe_info: who may open it: mode %04o, user %ld",
              (unsigned)facts.st_mode & 07777, (long)facts.st_uid);
    int capacity = fcntl(reader, F_GETPIPE_SZ);
    if (capacity == -1)
        sys_error("F_GETPIPE_SZ");
    log_event("pipe_info: room: %d bytes", capacity);

    /* STEP 4: What can be changed: its capacity, and for each end whether its calls block. */
    capacity = fcntl(reader, F_SETPIPE_SZ, 2 * capacity);
    if (capacity == -1)
        sys_error("F_SETPIPE_SZ");
    log_event("pipe_info: room, changed: %d bytes", capacity);
    char portion[BUFFER_SIZE];
    if (read(reader, portion, sizeof portion) != -1 || errno != EAGAIN)
        sys_error("read");
    log_event("pipe_info: an empty pipe is read without waiting: error %d", errno);
    if (fcntl(reader, F_SETFL, 0) == -1)
        sys_error("F_SETFL");
    log_event("pipe_info: reads wait again: %s",
              fcntl(reader, F_GETFL) & O_NONBLOCK ? "no" : "yes");

    /* STEP 5: Write twice, and ask how many bytes can be read, without reading them. */
    if (write(writer, FIRST, strlen(FIRST)) == -1 ||
        write(writer, SECOND, strlen(SECOND)) == -1)
        sys_error("write");
    int waiting;
    if (ioctl(reader, FIONREAD, &waiting) == -1)
        sys_error("FIONREAD");
    log_event("pipe_info: written: %zu bytes and %zu", strlen(FIRST), strlen(SECOND));
    log_event("pipe_info: waiting: %d bytes", waiting);

    /* STEP 6: Read once. */
    ssize_t got = read(reader, portion, sizeof portion);
    if (got == -1)
        sys_error("read");
    log_text("pipe_info: one read brings:", portion, (size_t)got);
    if (ioctl(reader, FIONREAD, &waiting) == -1)
        sys_error("FIONREAD");
    log_event("pipe_info: left: %d bytes", waiting);

    if (close(reader) == -1 || close(writer) == -1)
        sys_error("close");
    log_event("pipe_info: done");
    return EXIT_SUCCESS;
}
