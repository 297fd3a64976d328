/*
 * server_spawn.c - as server.c, with posix_spawn for fork and exec, and poll for threads.
 *
 * Usage: server_spawn [COUNT [CLIENT]]
 *
 * Starts CLIENT (the program "client" beside this one) with the argument COUNT (10), its
 * standard input and output being pipes to this server; sends COUNT messages back; reports
 * how the client ended. Exit code 0 if the client left between messages and with 0, else 1.
 *
 * To try: server_spawn 1 /no/such, and the same with server: who notices the mistake?
 */
#define PROGRAM "server"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

extern char **environ;

/* Bytes on their way, as many as come. */
struct buffer {
    char *bytes;
    size_t length, room;
};

static const char *program_beside(const char *name);
static bool is_count(const char *text);
static pid_t start_client(const char *path, const char *count, int input, int output);
static bool echo(int from_client, int to_client, long count);
static bool receive(int from_client, struct buffer *message, struct buffer *waiting,
                    long *count);
static bool send_waiting(int to_client, struct buffer *waiting);
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
    /* What a child would do between fork and exec stands in a list here: the twin of the
     * STARTUPINFO that CreateProcess takes. And as with CreateProcess, a program that cannot
     * be started is an error of the call, not a child that dies. */
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (error != 0)
        fail_with(error, "posix_spawn_file_actions");

    /* An ignored signal would reach the client, and whoever started us may have ignored this
     * one; a filter counts on dying when nobody reads it. */
    posix_spawnattr_t attributes;
    sigset_t defaults;
    if (sigemptyset(&defaults) == -1 || sigaddset(&defaults, SIGPIPE) == -1)
        fail("sigaddset");
    error = posix_spawnattr_init(&attributes);
    if (error == 0)
        error = posix_spawnattr_setsigdefault(&attributes, &defaults);
    if (error == 0)
        error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    if (error != 0)
        fail_with(error, "posix_spawnattr");

    pid_t client;
    char *const words[] = {(char *)path, (char *)count, NULL};
    error = posix_spawnp(&client, path, &actions, &attributes, words, environ);
    if (error != 0)
        fail_with(error, "posix_spawn");
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);

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
    /* poll() tells which of the two can go on, so that no read and no write ever has to
     * wait: a client that writes much before it reads fills our memory, not the pipes. */
    if (fcntl(to_client, F_SETFL, O_NONBLOCK) == -1)
        fail("fcntl");
    struct buffer message = {0}, waiting = {0};
    bool left = false, deaf = false, closed = false;
    while (!left || !closed) {
        if (!closed && (deaf || (waiting.length == 0 && (left || count <= 0)))) {
            /* Nothing more will go out, and the client may be waiting to learn that. */
            if (close(to_client) == -1)
                fail("close");
            closed = true;
            continue;
        }
        struct pollfd events[2] = {
            {.fd = left ? -1 : from_client, .events = POLLIN},
            {.fd = closed || waiting.length == 0 ? -1 : to_client, .events = POLLOUT},
        };
        if (poll(events, 2, -1) == -1)
            fail("poll");
        if (events[0].revents != 0)
            left = !receive(from_client, &message, &waiting, closed ? NULL : &count);
        if (events[1].revents != 0)
            deaf = !send_waiting(to_client, &waiting);
    }
    if (message.length > 0)
        say(stderr, PROGRAM ": client 1 left in the middle of a message (%zu bytes)",
            message.length);
    bool complete = !deaf && message.length == 0;
    free(message.bytes);
    free(waiting.bytes);
    return complete;
}

/* Reads what has come, and moves whole messages from `message` to `waiting`, as many as
 * `count`, which may be NULL, allows. Returns false when nothing can come any more. */
static bool receive(int from_client, struct buffer *message, struct buffer *waiting,
                    long *count)
{
    char portion[READ_SIZE], *start = portion, *nul;
    ssize_t length = read(from_client, portion, sizeof portion);
    if (length == -1)
        fail("read");
    while ((nul = memchr(start, '\0', (size_t)(portion + length - start))) != NULL) {
        append(message, start, (size_t)(nul + 1 - start));
        char *text = quoted(message->bytes, message->length - 1);
        say(stdout, "server: received %s", text);
        free(text);
        if (count != NULL && (*count)-- > 0)
            append(waiting, message->bytes, message->length);
        message->length = 0;
        start = nul + 1;
    }
    append(message, start, (size_t)(portion + length - start));
    return length > 0;
}

/* Writes as much as the client takes now. Returns false when it will never take more. */
static bool send_waiting(int to_client, struct buffer *waiting)
{
    ssize_t written = write(to_client, waiting->bytes, waiting->length);
    if (written == -1 && errno == EAGAIN)
        return true;
    if (written == -1) {
        say(stderr, PROGRAM ": write: error %d: %s", errno, strerror(errno));
        return false;
    }
    waiting->length -= (size_t)written;
    memmove(waiting->bytes, waiting->bytes + written, waiting->length);
    return true;
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
