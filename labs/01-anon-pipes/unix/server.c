/*
 * server.c - start a client with two anonymous pipes, and send its messages back.
 *
 * Usage: server [COUNT [CLIENT]]
 *
 * Starts the program CLIENT ("client" in the folder of this program) with the argument
 * COUNT (10). A CLIENT without a slash is searched for in PATH. The client's standard
 * input and output are pipes to this server. The server sends COUNT messages back. Exit
 * code 0 if the client ended after a whole message and exited with 0, else 1.
 *
 * Mirrors listing 1 of the report. Counterpart: ../win32/server.c. The same by other
 * calls: server_spawn.c (posix_spawn), server_socketpair.c (one two-way socket).
 * Not here, but in server_robust.c: a client that writes much before it reads (both
 * programs then block in write), that stops reading, or is killed. Also not here:
 * signals that are already ignored when this program starts.
 * To try: server 3; server 2 /bin/cat; server 1 /bin/false; server 1 /no/such.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "contract.h"
#include "ipclab.h"

static pid_t start_client(const char *path, long count, int input, int output);
static size_t receive_message(int pipe, struct buffer *inbox);
static bool report_exit(pid_t client);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: how many messages to send back, and which client. */
    begin_program("server", "[COUNT [CLIENT]]", &argv);
    if (argc > 3)
        usage_exit();
    long count = argc > 1 ? parse_long("COUNT", argv[1], 0, MAX_COUNT) : DEFAULT_COUNT;
    const char *path = argc > 2 ? argv[2] : program_beside("client");

    /* STEP 2: Create two one-way pipes, each with a read end [0] and a write end [1].
     * O_CLOEXEC: exec closes all four ends; STEP 3 gives the client two. */
    int to_client[2], from_client[2];
    // LEVEL 2
    if (pipe2(to_client, O_CLOEXEC) == -1 || pipe2(from_client, O_CLOEXEC) == -1)
        sys_error("pipe2");
    // END
    log_event("server: ready");

    /* STEP 3: Start the client. It gets one end of each pipe. */
    pid_t client = start_client(path, count, to_client[0], from_client[1]);

    /* STEP 4: Close the client's ends here. read() reports end of file when no process
     * has the write end open: if this process had, it would wait for itself. */
    // LEVEL 2
    if (close(to_client[0]) == -1 || close(from_client[1]) == -1)
        sys_error("close");
    // END

    /* STEP 5: Send COUNT messages back. */
    struct buffer inbox = {0}; /* what has been read, and not been sent back yet */
    size_t size;
    for (; count > 0 && (size = receive_message(from_client[0], &inbox)) > 0; count--) {
        log_text("server: received", inbox.bytes, size - 1);
        if (!write_all(to_client[1], inbox.bytes, size))
            sys_error("write");
        buffer_remove(&inbox, size);
    }

    /* STEP 6: Close the pipe to the client, which may wait for end of file before it
     * exits. Read what it still sends: in a full pipe, write() would block the client. */
    // LEVEL 2
    if (close(to_client[1]) == -1)
        sys_error("close");
    // END
    while ((size = receive_message(from_client[0], &inbox)) > 0) {
        log_text("server: received", inbox.bytes, size - 1);
        buffer_remove(&inbox, size);
    }
    free(inbox.bytes);
    log_event("server: client 1 left");

    /* STEP 7: Wait for the client, and report how it ended. */
    bool success = report_exit(client);
    log_event("server: done");
    return success ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Starts the program `path` with the argument `count`, and with `input` and `output` as
 * its standard input and output. Returns its process ID. */
static pid_t start_client(const char *path, long count, int input, int output)
{
    // LEVEL 1
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
        execlp(path, path, argument, (char *)NULL);
        log_sys_error("execlp"); /* it returns only if it fails */
        _exit(EXEC_FAILED);
    }

    /* A write to a pipe that nobody reads ends a process by SIGPIPE. If that is ignored,
     * write() fails with EPIPE. Not before fork(), because it is inherited. */
    signal(SIGPIPE, SIG_IGN);
    return client;
    // END
}

/* Reads until `inbox` begins with a whole message: one read() can return half a message,
 * or three. Returns the size of the message with its NUL, or 0 at end of file. */
static size_t receive_message(int pipe, struct buffer *inbox)
{
    // LEVEL 2
    char bytes[READ_SIZE];
    size_t size;
    while ((size = buffer_find(inbox, '\0')) == 0) {
        ssize_t length = read(pipe, bytes, sizeof bytes);
        if (length == -1)
            sys_error("read");
        if (length == 0 && inbox->length > 0)
            fatal("the pipe ended in the middle of a message (%zu bytes)", inbox->length);
        if (length == 0)
            break;
        buffer_append(inbox, bytes, (size_t)length);
    }
    return size;
    // END
}

/* Waits for the client and reports how it ended. Returns whether it exited with 0. Until
 * its parent waits for it, an ended child stays in the process table, as a zombie. */
static bool report_exit(pid_t client)
{
    // LEVEL 2
    int status;
    if (waitpid(client, &status, 0) == -1)
        sys_error("waitpid");
    if (WIFSIGNALED(status))
        log_event("server: client was ended by signal %d", WTERMSIG(status));
    else
        log_event("server: client exited with code %d", WEXITSTATUS(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    // END
}
