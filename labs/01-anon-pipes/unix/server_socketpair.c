/*
 * server_socketpair.c - as server.c, with one two-way socket in place of two pipes.
 *
 * Usage: server_socketpair [COUNT [CLIENT]]
 *
 * The client's standard input and output are one socket. To close one of these two
 * descriptors ends nothing, because the other is still open: shutdown() ends a direction.
 *
 * Everything else is server.c. Counterpart: ../win32/server.c.
 * Leaves out what server.c leaves out (see server_robust.c). And if the client exits
 * before it has read all echoes, read() fails with ECONNRESET, and this program exits.
 * To try: ls -l /proc/PID/fd of a client that waits, here and under server.
 */
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "contract.h"
#include "ipclab.h"

static pid_t start_client(const char *path, long count, int end);
static size_t receive_message(int socket, struct buffer *inbox);
static bool report_exit(pid_t client);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: how many messages to send back, and which client. */
    begin_program("server", "[COUNT [CLIENT]]", &argv);
    if (argc > 3)
        usage_exit();
    long count = argc > 1 ? parse_long("COUNT", argv[1], 0, MAX_COUNT) : DEFAULT_COUNT;
    const char *path = argc > 2 ? argv[2] : program_beside("client");

    /* STEP 2: Create two connected sockets. Each is two-way: [0] is the server's, [1] the
     * client's. SOCK_CLOEXEC: exec closes them, so that the client gets only its own. */
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
        sys_error("socketpair");
    log_event("server: ready");

    /* STEP 3: Start the client. It gets one of the sockets. */
    pid_t client = start_client(path, count, ends[1]);

    /* STEP 4: Close the client's socket here. read() reports end of file when no process
     * has it open: if this process had, it would wait for itself. */
    if (close(ends[1]) == -1)
        sys_error("close");

    /* STEP 5: Send COUNT messages back. */
    struct buffer inbox = {0}; /* what has been read, and not been sent back yet */
    size_t size;
    for (; count > 0 && (size = receive_message(ends[0], &inbox)) > 0; count--) {
        log_text("server: received", inbox.bytes, size - 1);
        if (!write_all(ends[0], inbox.bytes, size))
            sys_error("write");
        buffer_remove(&inbox, size);
    }

    /* STEP 6: Shut down the direction to the client, which may wait for end of file
     * before it exits. ENOTCONN: it has. Then read what the client still sends. */
    if (shutdown(ends[0], SHUT_WR) == -1 && errno != ENOTCONN)
        sys_error("shutdown");
    while ((size = receive_message(ends[0], &inbox)) > 0) {
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

/* Starts the program `path` with the argument `count`, and with `end` as its standard
 * input and output. Returns its process ID. */
static pid_t start_client(const char *path, long count, int end)
{
    char argument[MESSAGE_SIZE];
    snprintf(argument, sizeof argument, "%ld", count);

    /* fork() returns twice: 0 in the child, which is a copy of this process, and the
     * child's ID in the parent. */
    pid_t client = fork();
    if (client == -1)
        sys_error("fork");
    if (client == 0) {
        /* The copies that dup2() makes stay open: they are not close-on-exec. execlp()
         * replaces this program by the client; the second `path` is its argv[0]. */
        if (dup2(end, STDIN_FILENO) == -1 || dup2(end, STDOUT_FILENO) == -1) {
            log_sys_error("dup2");
            _exit(EXEC_FAILED); /* not exit(): this is still a copy of the server */
        }
        execlp(path, path, argument, (char *)NULL);
        log_sys_error("execlp"); /* it returns only if it fails */
        _exit(EXEC_FAILED);
    }

    /* A write to a socket that nobody reads ends a process by SIGPIPE. If that is
     * ignored, write() fails with EPIPE. Not before fork(), because it is inherited. */
    signal(SIGPIPE, SIG_IGN);
    return client;
}

/* Reads until `inbox` begins with a whole message: one read() can return half a message,
 * or three. Returns the size of the message with its NUL, or 0 at end of file. */
static size_t receive_message(int socket, struct buffer *inbox)
{
    char bytes[READ_SIZE];
    size_t size;
    while ((size = buffer_find(inbox, '\0')) == 0) {
        ssize_t length = read(socket, bytes, sizeof bytes);
        if (length == -1)
            sys_error("read");
        if (length == 0 && inbox->length > 0)
            fatal("the connection ended in the middle of a message (%zu bytes)",
                  inbox->length);
        if (length == 0)
            break;
        buffer_append(inbox, bytes, (size_t)length);
    }
    return size;
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
