/*
 * server.c - two anonymous pipes to a child process: echo whatever the child sends.
 *
 * Usage: server [COUNT [CLIENT]]
 *
 * Starts CLIENT (the program "client" beside this one) with the argument COUNT (10), its
 * standard input and output being pipes to this server; sends COUNT messages back; reports
 * how the client ended. Exit code 0 if the client left between messages and with 0, else 1.
 *
 * Mirrors listing 1 of the report. Its twin: ../win32/server.c. Other ways to do the same:
 * server_spawn.c (posix_spawn), server_socketpair.c (one two-way descriptor, and poll).
 * To try: server 3; server 2 /bin/cat; server 1 /bin/false; server 1 /no/such.
 */
#define PROGRAM "server"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* Bytes on their way, as many as come. */
struct buffer {
    char *bytes;
    size_t length, room;
};

/* The echoes that wait for the client to read them: filled by main, emptied by a thread. */
struct outbox {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct buffer waiting;
    bool closed; /* main has nothing more to add */
    int error;   /* why the thread gave up writing, or 0 */
    int pipe;
};

static const char *program_beside(const char *name);
static bool is_count(const char *text);
static pid_t start_client(const char *path, const char *count, int input, int output);
static bool echo(int from_client, int to_client, long count);
static void *write_echoes(void *argument);
static void finish(struct outbox *outbox);
static void post(struct outbox *outbox, const char *bytes, size_t length);
static void append(struct buffer *buffer, const char *bytes, size_t length);
static bool report_end(pid_t client);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: how many messages to ask for, and from which client. */
    if (argc > 3 || (argc > 1 && !is_count(argv[1]))) {
        say(stderr, "usage: server [COUNT [CLIENT]], COUNT from 0 to %d", MAX_COUNT);
        return 2;
    }
    char count[MESSAGE_ROOM];
    snprintf(count, sizeof count, "%ld", argc > 1 ? atol(argv[1]) : (long)DEFAULT_COUNT);
    const char *path = argc > 2 ? argv[2] : program_beside("client");

    /* Whoever started us may have had SIGCHLD ignored, and then waitpid() finds no exit code. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        fail("signal");

    /* STEP 2: Make two pipes, because each runs one way. Close-on-exec keeps all four ends
     * from whatever program this process starts: the client is to get two, and no other. */
    int to_client[2], from_client[2];
    if (pipe2(to_client, O_CLOEXEC) == -1 || pipe2(from_client, O_CLOEXEC) == -1)
        fail("pipe2");
    say(stdout, "server: ready");

    /* STEP 3: Start the client with its two ends as its standard input and output. */
    pid_t client = start_client(path, count, to_client[0], from_client[1]);

    /* STEP 4: Close the client's ends here. A pipe is at its end when nobody can write to
     * it any more, so while we held the client's writing end we would wait for ourselves. */
    if (close(to_client[0]) == -1 || close(from_client[1]) == -1)
        fail("close");

    /* STEP 5: Send COUNT messages back, and read on until the client closes its end. */
    bool complete = echo(from_client[0], to_client[1], atol(count));
    say(stdout, "server: client 1 left");

    /* STEP 6: Wait for the client, and report how it ended: until its exit code is fetched,
     * a dead child stays in the process table. */
    if (close(from_client[0]) == -1)
        fail("close");
    bool well = report_end(client);
    say(stdout, "server: done");
    return complete && well ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The path of the program `name` in the folder that this program's own file is in. Linux
 * keeps a link to that file; argv[0] is whatever our parent wrote there. */
static const char *program_beside(const char *name)
{
    static char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    if (length == -1)
        fail("readlink");
    if (length == sizeof path)
        fail_with(ENAMETOOLONG, "readlink");
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    char *file = slash == NULL ? path : slash + 1;
    size_t room = (size_t)(path + sizeof path - file);
    if (snprintf(file, room, "%s", name) >= (int)room)
        fail_with(ENAMETOOLONG, "snprintf");
    return path;
}

static bool is_count(const char *text)
{
    char *end;
    long count = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && count <= MAX_COUNT;
}

static pid_t start_client(const char *path, const char *count, int input, int output)
{
    pid_t client = fork();
    if (client == -1)
        fail("fork");
    if (client == 0) {
        /* The copies that dup2 makes are not close-on-exec: they alone reach the client. An
         * ignored signal would reach it, too, and whoever started us may have ignored this
         * one; a filter counts on dying when nobody reads it. */
        if (dup2(input, STDIN_FILENO) != -1 && dup2(output, STDOUT_FILENO) != -1 &&
            signal(SIGPIPE, SIG_DFL) != SIG_ERR)
            execlp(path, path, count, (char *)NULL);
        say(stderr, PROGRAM ": exec %s: error %d: %s", path, errno, strerror(errno));
        /* Not exit(): what the server has in its output buffers is not ours to write. */
        _exit(127);
    }
    /* Here, and not in the client: one that no longer reads shall cost us an error at
     * write(), not our life. */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        fail("signal");
    return client;
}

/* Sends back `count` messages of the client, then closes the pipe to it, and reads on until
 * the client closes its own. Returns whether it left between two messages, and read all that
 * we sent. */
static bool echo(int from_client, int to_client, long count)
{
    /* One thread reads, one writes. A single loop of read and write stands still for ever
     * when the client writes much before it reads: both pipes fill, both sides are stuck
     * in write(), and nobody is left to read. */
    struct outbox outbox = {.lock = PTHREAD_MUTEX_INITIALIZER,
                            .changed = PTHREAD_COND_INITIALIZER,
                            .pipe = to_client};
    pthread_t writer;
    int error = pthread_create(&writer, NULL, write_echoes, &outbox);
    if (error != 0)
        fail_with(error, "pthread_create");

    struct buffer message = {0}; /* what has come of the message that comes now */
    if (count == 0)
        finish(&outbox);
    char portion[READ_SIZE];
    ssize_t length;
    while ((length = read(from_client, portion, sizeof portion)) > 0) {
        char *start = portion, *nul;
        while ((nul = memchr(start, '\0', (size_t)(portion + length - start))) != NULL) {
            append(&message, start, (size_t)(nul + 1 - start));
            char *text = quoted(message.bytes, message.length - 1);
            say(stdout, "server: received %s", text);
            free(text);
            post(&outbox, message.bytes, message.length);
            if (--count == 0)
                finish(&outbox);
            message.length = 0;
            start = nul + 1;
        }
        append(&message, start, (size_t)(portion + length - start));
    }
    if (length == -1)
        fail("read");

    finish(&outbox);
    error = pthread_join(writer, NULL);
    if (error != 0)
        fail_with(error, "pthread_join");

    if (outbox.error != 0)
        say(stderr, PROGRAM ": write: error %d: %s", outbox.error,
            strerror(outbox.error));
    if (message.length > 0)
        say(stderr, PROGRAM ": client 1 left in the middle of a message (%zu bytes)",
            message.length);
    bool complete = outbox.error == 0 && message.length == 0;
    free(message.bytes);
    free(outbox.waiting.bytes);
    return complete;
}

/* The writing thread: takes all that waits and writes it, until nothing more is to come.
 * Then it closes the pipe, because the client may be waiting for the end of its input. */
static void *write_echoes(void *argument)
{
    struct outbox *outbox = argument;
    int error = 0;
    for (;;) {
        pthread_mutex_lock(&outbox->lock);
        outbox->error = error;
        while (outbox->waiting.length == 0 && !outbox->closed)
            pthread_cond_wait(&outbox->changed, &outbox->lock);
        struct buffer taken = outbox->waiting;
        outbox->waiting = (struct buffer){0};
        pthread_mutex_unlock(&outbox->lock);

        if (taken.length == 0 || error != 0) {
            free(taken.bytes);
            break;
        }
        /* Outside the lock: however long the client lets us wait, main goes on reading. */
        for (size_t done = 0; done < taken.length && error == 0;) {
            ssize_t written = write(outbox->pipe, taken.bytes + done,
                                    taken.length - done);
            if (written == -1)
                error = errno;
            else
                done += (size_t)written;
        }
        free(taken.bytes);
    }
    if (close(outbox->pipe) == -1)
        fail("close");
    return NULL;
}

/* Tells the writing thread that nothing more is to come. */
static void finish(struct outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    outbox->closed = true;
    pthread_cond_signal(&outbox->changed);
    pthread_mutex_unlock(&outbox->lock);
}

/* Hands `length` bytes to the writing thread; drops them if it writes no more. */
static void post(struct outbox *outbox, const char *bytes, size_t length)
{
    pthread_mutex_lock(&outbox->lock);
    if (outbox->error == 0 && !outbox->closed)
        append(&outbox->waiting, bytes, length);
    pthread_cond_signal(&outbox->changed);
    pthread_mutex_unlock(&outbox->lock);
}

static void append(struct buffer *buffer, const char *bytes, size_t length)
{
    if (length == 0)
        return; /* an empty buffer has no memory yet, and memcpy wants some even for nothing */
    if (buffer->length + length > buffer->room) {
        buffer->room = 2 * (buffer->length + length);
        buffer->bytes = realloc(buffer->bytes, buffer->room);
        if (buffer->bytes == NULL)
            fail("realloc");
    }
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

/* Waits for the client and tells how it ended. Returns whether that was with exit code 0. */
static bool report_end(pid_t client)
{
    int status;
    if (waitpid(client, &status, 0) == -1)
        fail("waitpid");
    if (WIFSIGNALED(status))
        say(stdout, "server: client was ended by signal %d", WTERMSIG(status));
    else
        say(stdout, "server: client exited with code %d", WEXITSTATUS(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
