/*
 * pipe_info.c - what can be told of a FIFO, looked at while it is in use.
 *
 * Usage: pipe_info [PIPE]
 *
 * Makes the FIFO PIPE (pipe_info.PID in the current folder), opens both ends, and tells what
 * the system knows about it: most lines stand in the output of the twin, too.
 *
 * Its twin: ../win32/pipe_info.c. To try: both, side by side.
 */
#define PROGRAM "pipe_info"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

#define FIRST "one"
#define SECOND "three"

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: the name. */
    if (argc > 2 || (argc == 2 && (*argv[1] == '\0' || *argv[1] == '-'))) {
        say(stderr, "usage: pipe_info [PIPE]");
        return 2;
    }
    char name[PATH_MAX];
    int size = argc == 2 ? snprintf(name, sizeof name, "%s", argv[1])
                         : snprintf(name, sizeof name, "pipe_info.%ld", (long)getpid());
    if (size >= (int)sizeof name)
        fail_with(ENAMETOOLONG, "pipe_info");

    /* STEP 2: Make the pipe, and open both ends: the reading one first, and without waiting,
     * for nobody else is there to open the other. */
    if (mkfifo(name, FIFO_MODE) == -1)
        fail("mkfifo");
    int reader = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    int writer = reader == -1 ? -1 : open(name, O_WRONLY | O_CLOEXEC);
    int error = errno;
    if (unlink(name) == -1) /* the ends stay, the name is not needed any more */
        fail("unlink");
    if (writer == -1)
        fail_with(error, name);
    say(stdout, "pipe_info: ready %s", name);

    /* STEP 3: What it is made to be, for good. */
    struct stat facts;
    if (fstat(reader, &facts) == -1)
        fail("fstat");
    say(stdout, "pipe_info: carries: bytes");
    say(stdout, "pipe_info: directions: 1");
    say(stdout, "pipe_info: instances: 1, for all who open it");
    say(stdout, "pipe_info: who may open it: mode %04o, user %ld",
        (unsigned)facts.st_mode & 07777, (long)facts.st_uid);
    int capacity = fcntl(reader, F_GETPIPE_SZ);
    if (capacity == -1)
        fail("F_GETPIPE_SZ");
    say(stdout, "pipe_info: room: %d bytes", capacity);

    /* STEP 4: What can be changed: its capacity for all, and for each end whether it waits. */
    capacity = fcntl(reader, F_SETPIPE_SZ, 2 * capacity);
    if (capacity == -1)
        fail("F_SETPIPE_SZ");
    say(stdout, "pipe_info: room, changed: %d bytes", capacity);
    char portion[BUFFER_SIZE];
    if (read(reader, portion, sizeof portion) != -1 || errno != EAGAIN)
        fail("read");
    say(stdout, "pipe_info: an empty pipe is read without waiting: error %d", errno);
    if (fcntl(reader, F_SETFL, 0) == -1)
        fail("F_SETFL");
    say(stdout, "pipe_info: reads wait again: %s",
        fcntl(reader, F_GETFL) & O_NONBLOCK ? "no" : "yes");

    /* STEP 5: Write twice, and look at what waits without reading it. */
    if (write(writer, FIRST, strlen(FIRST)) == -1 ||
        write(writer, SECOND, strlen(SECOND)) == -1)
        fail("write");
    int waiting;
    if (ioctl(reader, FIONREAD, &waiting) == -1)
        fail("FIONREAD");
    say(stdout, "pipe_info: written: %zu bytes and %zu", strlen(FIRST), strlen(SECOND));
    say(stdout, "pipe_info: waiting: %d bytes", waiting);

    /* STEP 6: Read once. */
    ssize_t got = read(reader, portion, sizeof portion);
    if (got == -1)
        fail("read");
    char *text = quoted(portion, (size_t)got);
    say(stdout, "pipe_info: one read brings: %s", text);
    free(text);
    if (ioctl(reader, FIONREAD, &waiting) == -1)
        fail("FIONREAD");
    say(stdout, "pipe_info: left: %d bytes", waiting);

    if (close(reader) == -1 || close(writer) == -1)
        fail("close");
    say(stdout, "pipe_info: done");
    return EXIT_SUCCESS;
}
