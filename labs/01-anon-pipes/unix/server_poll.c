/*
 * server_poll.c - as server_robust.c, with poll() and one thread.
 *
 * Usage: server_poll [COUNT [CLIENT]]
 *
 * poll() waits until it is possible to read, or to write, without blocking. So one thread
 * can wait for both pipes, and needs no lock. But each write must be able to stop in the
 * middle: with O_NONBLOCK, write() takes as much as fits, or fails with EAGAIN.
 *
 * Everything else is server_robust.c; what differs is in STEP 5 to 7. Windows has no
 * counterpart: WaitForMultipleObjects cannot wait for anonymous pipes.
 * To try: strace -e trace=poll,read,write server_poll 3, and the same with server_robust.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "contract.h"
#include "ipclab.h"

/* The echoes that wait until the client reads. */
struct outbox {
    struct buffer waiting;
    bool closed; /* no more is added: the pipe is closed when nothing waits any more */
    bool failed; /* a write failed: the client reads no more */
    int pipe;    /* -1 when it is closed */
};

static pid_t start_client(const char *path, long count, int input, int output);
static size_t receive_message(int pipe, struct buffer *inbox, struct outbox *outbox);
static bool wait_for_pipes(int from_client, struct outbox *outbox);
static void write_some(struct outbox *outbox);
static bool report_exit(pid_t client);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: how many messages to send back, and which client. */
    begin_program("server", "[COUNT [CLIENT]]", &argv);
    if (argc > 3)
        usage_exit();
    long count = argc > 1 ? parse_long("COUNT", argv[1], 0, MAX_COUNT) : DEFAULT_COUNT;
    const char *path = argc > 2 ? argv[2] : program_beside("client");
    signal(SIGCHLD, SIG_DFL); /* if it is ignored, waitpid() finds no exit code */

    /* STEP 2: Create two one-way pipes, each with a read end [0] and a write end [1].
     * O_CLOEXEC: exec closes all four ends; STEP 3 gives the client two. */
    int to_client[2], from_client[2];
    if (pipe2(to_client, O_CLOEXEC) == -1 || pipe2(from_client, O_CLOEXEC) == -1)
        sys_error("pipe2");
    log_event("server: ready");

    /* STEP 3: Start the client. It gets one end of each pipe. */
    pid_t client = start_client(path, count, to_client[0], from_client[1]);

    /* STEP 4: Close the client's ends here. read() reports end of file when no process
     * has the write end open: if this process had, it would wait for itself. */
    if (close(to_client[0]) == -1 || close(from_client[1]) == -1)
        sys_error("close");

    /* STEP 5: Send COUNT messages back, as far as the pipe takes them: the rest waits. */
    struct outbox outbox = {.pipe = to_client[1]};
    if (fcntl(outbox.pipe, F_SETFL, O_NONBLOCK) == -1)
        sys_error("fcntl");
    struct buffer inbox = {0}; /* what has been read, and not been sent back yet */
    size_t size;
    while (count > 0 && (size = receive_message(from_client[0], &inbox, &outbox)) > 0) {
        log_text("server: received", inbox.bytes, size - 1);
        buffer_append(&outbox.waiting, inbox.bytes, size);
        buffer_remove(&inbox, size);
        count--;
    }

    /* STEP 6: Close the pipe to the client after the last echo: it may wait for end of
     * file before it exits. Read what it still sends: a full pipe would block it. */
    outbox.closed = true;
    write_some(&outbox);
    while ((size = receive_message(from_client[0], &inbox, &outbox)) > 0) {
        log_text("server: received", inbox.bytes, size - 1);
        buffer_remove(&inbox, size);
    }
    if (inbox.length > 0)
        log_error("client 1 left in the middle of a message (%zu bytes)", inbox.length);
    free(inbox.bytes);
    log_event("server: client 1 left");

    /* STEP 7: Write the last echoes. Wait for the client, and report how it ended. */
    while (outbox.pipe != -1)
        wait_for_pipes(-1, &outbox);
    free(outbox.waiting.bytes);
    bool success = report_exit(client);
    log_event("server: done");
    return success && !outbox.failed && inbox.length == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Starts the program `path` with the argument `count`, and with `input` and `output` as
 * its standard input and output. Returns its process ID. */
static pid_t start_client(const char *path, long count, int input, int output)
{
    char argument[MESSAGE_SIZE];
    snprintf(argument, sizeof argument, "%ld", count);

    /* fork() returns twice: 0 in the child, which is a copy of this process, and the
     * child's ID in the parent. */
    pid_t client = fork();
    if (client == -1)
        sys_error("fork");
    if (client == 0) {
        /* The copies that dup2() makes stay open: they do not have O_CLOEXEC. execlp()
         * replaces this program by the client; the second `path` is its argv[0]. */
        if (dup2(input, STDIN_FILENO) == -1 || dup2(output, STDOUT_FILENO) == -1) {
            log_sys_error("dup2");
            _exit(EXEC_FAILED); /* not exit(): this is still a copy of the server */
        }
        close_range(STDERR_FILENO + 1, ~0u, 0); /* exec() would keep what was inherited */
        signal(SIGPIPE, SIG_DFL); /* it may have been ignored when this program started */
        execlp(path, path, argument, (char *)NULL);
        log_sys_error("execlp"); /* it returns only if it fails */
        _exit(EXEC_FAILED);
    }

    /* A write to a pipe that nobody reads ends a process by SIGPIPE. If that is ignored,
     * write() fails with EPIPE. Not before fork(), because it is inherited. */
    signal(SIGPIPE, SIG_IGN);
    return client;
}

/* Reads until `inbox` begins with a whole message, and meanwhile writes what waits.
 * Returns the size of the message with its NUL, or 0 at end of file. */
static size_t receive_message(int pipe, struct buffer *inbox, struct outbox *outbox)
{
    char bytes[READ_SIZE];
    size_t size;
    while ((size = buffer_find(inbox, '\0')) == 0) {
        if (!wait_for_pipes(pipe, outbox))
            continue;
        ssize_t length = read(pipe, bytes, sizeof bytes);
        if (length == -1)
            sys_error("read");
        if (length == 0)
            break;
        buffer_append(inbox, bytes, (size_t)length);
    }
    return size;
}

/* Waits until a read from `from_client` would not block, because of bytes or end of
 * file, and returns true. Or waits until a part of the echoes can be written, and
 * writes it. If `from_client` is -1, it waits only for that. */
static bool wait_for_pipes(int from_client, struct outbox *outbox)
{
    int to_client = outbox->waiting.length > 0 ? outbox->pipe : -1; /* -1 is left out */
    struct pollfd events[2] = {{.fd = from_client, .events = POLLIN},
                               {.fd = to_client, .events = POLLOUT}};
    if (poll(events, sizeof events / sizeof *events, -1) == -1)
        sys_error("poll");
    if (events[1].revents != 0)
        write_some(outbox);
    return events[0].revents != 0;
}

/* Writes as many of the echoes as the pipe takes now. If none waits any more, and no more
 * are added, closes the pipe. */
static void write_some(struct outbox *outbox)
{
    struct buffer *waiting = &outbox->waiting;
    if (waiting->length > 0 && !outbox->failed) {
        ssize_t written = write(outbox->pipe, waiting->bytes, waiting->length);
        if (written == -1 && errno != EAGAIN) {
            log_sys_error("write"); /* EPIPE: the client has closed its input */
            outbox->failed = true;
        }
        if (written > 0)
            buffer_remove(waiting, (size_t)written);
    }
    if (outbox->failed)
        waiting->length = 0;
    if (outbox->closed && waiting->length == 0 && outbox->pipe != -1) {
        if (close(outbox->pipe) == -1)
            sys_error("close");
        outbox->pipe = -1;
    }
}

/* Waits for the client and reports how it ended. Returns whether it exited with 0. Until
 * its parent waits for it, an ended child stays in the process table, as a zombie. */
static bool report_exit(pid_t client)
{
    int status;
    if (waitpid(client, &status, 0) == -1)
        sys_error("waitpid");
    if (WIFSIGNALED(status))
        log_event("server: client was ended by signal %d", WTERMSIG(status));
    else
        log_event("server: client exited with code %d", WEXITSTATUS(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
