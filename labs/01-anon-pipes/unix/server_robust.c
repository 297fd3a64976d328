/*
 * server_robust.c - as server.c, for a client and a start that cause trouble.
 *
 * Usage: server_robust [COUNT [CLIENT]]
 *
 * Starts the program CLIENT ("client" in the folder of this program) with the argument
 * COUNT (10). A CLIENT without a slash is searched for in PATH. The client's standard
 * input and output are pipes to this server. The server sends COUNT messages back. Exit
 * code 0 if the client ended after a whole message and exited with 0, else 1.
 *
 * What it adds to server.c, to be read beside it (make diff):
 * - STEP 1: SIGCHLD gets its default action. A program inherits ignored signals; if
 *   SIGCHLD is ignored, no exit code is kept for waitpid(), which fails with ECHILD.
 * - STEP 3: SIGPIPE gets its default action in the client, which may rely on it. All other
 *   descriptors are closed there: what this program has inherited is not close-on-exec.
 * - STEP 5: a thread writes the echoes. A pipe holds 65,536 bytes: if the client writes
 *   much before it reads, both pipes become full. If both programs then block in write(),
 *   nobody reads. The thread reports a write that fails, and main goes on reading.
 * - STEP 6: half a message is reported, and the program still reports the client's end.
 * Standard streams that are closed at the start are opened by begin_program() already.
 *
 * Counterpart: ../win32/server_robust.c. The same with poll() and one thread:
 * server_poll.c. Not here: a limit for the memory of the echoes.
 * To try: env --ignore-signal=CHLD server 3, and the same with server_robust.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "contract.h"
#include "ipclab.h"

/* The echoes that wait until the client reads: main adds them, a thread writes them. */
struct outbox {
    pthread_mutex_t lock; /* for `waiting` and `closed` */
    pthread_cond_t changed;
    struct buffer waiting;
    bool closed; /* main adds no more */
    bool failed; /* a write failed: for main after the thread's end */
    int pipe;
};

static pid_t start_client(const char *path, long count, int input, int output);
static void *write_echoes(void *argument);
static void post(struct outbox *outbox, const char *bytes, size_t length);
static void finish(struct outbox *outbox);
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

    /* STEP 5: Send COUNT messages back. A thread writes them, and this one reads on. */
    struct outbox outbox = {.lock = PTHREAD_MUTEX_INITIALIZER,
                            .changed = PTHREAD_COND_INITIALIZER,
                            .pipe = to_client[1]};
    pthread_t writer;
    int error = pthread_create(&writer, NULL, write_echoes, &outbox);
    if (error != 0)
        sys_error_number("pthread_create", error);
    struct buffer inbox = {0}; /* what has been read, and not been sent back yet */
    size_t size;
    for (; count > 0 && (size = receive_message(from_client[0], &inbox)) > 0; count--) {
        log_text("server: received", inbox.bytes, size - 1);
        post(&outbox, inbox.bytes, size);
        buffer_remove(&inbox, size);
    }

    /* STEP 6: Let the thread close the pipe to the client, which may wait for end of file
     * before it exits. Read what it still sends: a full pipe would block the client. */
    finish(&outbox);
    while ((size = receive_message(from_client[0], &inbox)) > 0) {
        log_text("server: received", inbox.bytes, size - 1);
        buffer_remove(&inbox, size);
    }
    if (inbox.length > 0)
        log_error("client 1 left in the middle of a message (%zu bytes)", inbox.length);
    free(inbox.bytes);
    log_event("server: client 1 left");

    /* STEP 7: Wait for the thread and the client, and report how the client ended. */
    error = pthread_join(writer, NULL);
    if (error != 0)
        sys_error_number("pthread_join", error);
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

/* The thread: writes what main adds until main adds no more, then closes the pipe. */
static void *write_echoes(void *argument)
{
    struct outbox *outbox = argument;
    for (;;) {
        pthread_mutex_lock(&outbox->lock);
        while (outbox->waiting.length == 0 && !outbox->closed)
            pthread_cond_wait(&outbox->changed, &outbox->lock);
        struct buffer taken = outbox->waiting;
        outbox->waiting = (struct buffer){0};
        pthread_mutex_unlock(&outbox->lock);

        /* Without the lock: main can add more while the client makes this write wait. */
        if (taken.length == 0)
            break;
        if (!outbox->failed && !write_all(outbox->pipe, taken.bytes, taken.length)) {
            log_sys_error("write"); /* EPIPE: the client has closed its input */
            outbox->failed = true;
        }
        free(taken.bytes);
    }
    if (close(outbox->pipe) == -1)
        sys_error("close");
    return NULL;
}

/* Adds `length` bytes to what the thread has to write. */
static void post(struct outbox *outbox, const char *bytes, size_t length)
{
    pthread_mutex_lock(&outbox->lock);
    buffer_append(&outbox->waiting, bytes, length);
    pthread_cond_signal(&outbox->changed);
    pthread_mutex_unlock(&outbox->lock);
}

/* Tells the thread that main adds no more. */
static void finish(struct outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    outbox->closed = true;
    pthread_cond_signal(&outbox->changed);
    pthread_mutex_unlock(&outbox->lock);
}

/* Reads until `inbox` begins with a whole message: one read() can return half a message,
 * or three. Returns the size of the message with its NUL, or 0 at end of file. */
static size_t receive_message(int pipe, struct buffer *inbox)
{
    char bytes[READ_SIZE];
    size_t size;
    while ((size = buffer_find(inbox, '\0')) == 0) {
        ssize_t length = read(pipe, bytes, sizeof bytes);
        if (length == -1)
            sys_error("read");
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
