/*
 * server_robust.c - server.c, and what it takes to survive clients and servers that are killed.
 *
 * Usage: server_robust [PIPE]
 *
 * What is added to server.c (`make diff LAB=02 SYSTEM=unix` shows the lines), and why:
 * - create_fifo, lock_fifo: a server that was killed leaves its FIFO, on which mkfifo() fails.
 *   This server uses it again, unless another process reads it. The lock decides between two
 *   servers that start at the same time: the system releases it however its process ends.
 * - remove_stale_pairs: clients that are killed before a server has opened their FIFOs leave
 *   them.
 * - next_announcement: any process of the user can write to PIPE. What is not a process ID is
 *   reported and skipped.
 * - open_fifo: in a folder like /tmp other users can create names. Only FIFOs of this user are
 *   opened, no files and no links.
 * - open_pair: open() would block forever if the client was killed after it announced itself.
 *   With O_NONBLOCK it fails.
 * - open_pair, STEP 4: if there is no descriptor or no thread for a client, only that client is
 *   let go. One descriptor stays free: without it the next client's FIFO could not be opened
 *   and closed, and that client would wait in vain.
 *
 * Counterpart: ../win32/server_robust.c.
 * To try: kill -9 a server, and start it again; two servers; echo nonsense >PIPE.
 */
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "message.h" /* send_message, receive_message, is_exit */

/* A client. Its thread frees it. */
struct client {
    long number;
    int from, to; /* our ends of its two FIFOs */
};

static const char *path; /* of the FIFO on which clients announce themselves */

static FILE *create_fifo(void);
static int lock_fifo(void);
static int open_fifo(const char *name, int flags);
static void remove_stale_pairs(void);
static long next_announcement(FILE *fifo);
static struct client *open_pair(long pid);
static void close_pair(struct client *client);
static void serve(void *argument);
static void remove_fifo(void);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the path of the FIFO. */
    begin_program("server", "[PIPE]", &argv);
    path = argc > 1 ? argv[1] : runtime_path(PIPE_NAME);
    if (argc > 2 || *path == '\0' || *path == '-')
        usage_exit();

    /* STEP 2: Create the name that clients open, and ignore SIGPIPE. */
    FILE *fifo = create_fifo();
    log_event("server: ready %s", path);

    for (long number = 1;;) {
        /* STEP 3: Wait for a client: read the next announcement. */
        long pid = next_announcement(fifo);

        /* STEP 4: Open its two FIFOs, and start a thread for it, so that no client waits for
         * another. The client sends nothing until that thread has greeted it (STEP 5). */
        struct client *client = open_pair(pid);
        if (client == NULL)
            continue;
        client->number = number;
        if (start_thread(serve, client)) {
            number++;
        } else {
            log_sys_error("pthread_create");
            close_pair(client);
            free(client);
        }
    }
}

/* Creates the FIFO, or takes the one that a killed server left, and opens it. */
static FILE *create_fifo(void)
{
    int fifo;
    do {
        if (mkfifo(path, FIFO_MODE) == -1 && errno != EEXIST)
            sys_error("mkfifo");
    } while ((fifo = lock_fifo()) == -1);
    end_on_interrupt(remove_fifo);
    signal(SIGPIPE, SIG_IGN); /* write() to a client that has left fails with EPIPE */
    remove_stale_pairs();

    FILE *stream = fdopen(fifo, "r");
    if (stream == NULL)
        sys_error("fdopen");
    return stream;
}

/* Opens the FIFO and locks it. Returns -1 if a server that was about to end has removed it. */
static int lock_fifo(void)
{
    /* Fails with ENXIO if no process reads the FIFO. The reader need not hold the lock: server.c
     * does without. */
    if (open_fifo(path, O_WRONLY | O_NONBLOCK) != -1)
        fatal("another server has %s", path);

    /* Both ends, although we only read. With O_RDONLY open() would block until a client
     * comes, and read() would return 0, end of file, as soon as no client has the FIFO open. */
    int fifo = open_fifo(path, O_RDWR);
    if (fifo == -1 && errno == ENOENT)
        return -1;
    if (fifo == -1)
        sys_error("open");
    if (flock(fifo, LOCK_EX | LOCK_NB) == -1)
        fatal("another server has %s", path);

    /* Between open() and flock() the name may have been removed, or given to another FIFO. */
    struct stat ours, named;
    if (fstat(fifo, &ours) == -1)
        sys_error("fstat");
    if (stat(path, &named) == -1 || named.st_ino != ours.st_ino ||
        named.st_dev != ours.st_dev) {
        close(fifo);
        return -1;
    }
    if (fchmod(fifo, FIFO_MODE) == -1) /* another program may have created it */
        sys_error("fchmod");
    return fifo;
}

/* Opens a FIFO of this user. Returns -1, with errno, if `name` is not one. */
static int open_fifo(const char *name, int flags)
{
    struct stat status;
    int fifo = open(name, flags | O_CLOEXEC | O_NOFOLLOW);
    if (fifo == -1 || (fstat(fifo, &status) == 0 && S_ISFIFO(status.st_mode) &&
                       status.st_uid == geteuid()))
        return fifo;
    close(fifo);
    errno = EPERM;
    return -1;
}

/* Removes the FIFOs of clients whose process does not exist any more: PIPE.NUMBER.to_server and
 * PIPE.NUMBER.to_client. */
static void remove_stale_pairs(void)
{
    char pattern[PATH_MAX];
    size_t length = strlen(path);
    snprintf(pattern, sizeof pattern, "%s.*.to_*", path);
    glob_t found;
    if (glob(pattern, 0, NULL, &found) != 0)
        return; /* there are none */
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char *name = found.gl_pathv[i], *end;
        if (strncmp(name, path, length) != 0)
            continue; /* PIPE contains a character like *, which has a meaning in patterns */
        long pid = strtol(name + length + 1, &end, 10);
        if ((strcmp(end, ".to_server") == 0 || strcmp(end, ".to_client") == 0) &&
            pid > 0 && kill((pid_t)pid, 0) == -1 && errno == ESRCH)
            unlink(name);
    }
    globfree(&found);
}

/* Returns the process ID of the next client. The announcement "\n4711\n" is an empty line,
 * which is skipped, and the number. Of a line that is too long for `line` the rest is skipped:
 * fgets() would return it as a line of its own. */
static long next_announcement(FILE *fifo)
{
    for (;;) {
        char line[ANNOUNCEMENT_SIZE] = "", number[ANNOUNCEMENT_SIZE];
        size_t length = 0;
        for (int byte; (byte = getc(fifo)) != '\n';) {
            if (byte == EOF)
                sys_error("read");
            if (length < sizeof line - 1)
                line[length++] = (char)byte;
        }
        long pid = strtol(line, NULL, 10);
        int digits = snprintf(number, sizeof number, "%ld", pid);
        if (pid > 0 && length == (size_t)digits && memcmp(line, number, length) == 0)
            return pid;
        if (length > 0)
            log_error("not an announcement: a line of %s", path);
    }
}

/* Opens the FIFOs of a client. It has opened its own ends before, so open() does not block.
 * Then removes their names: nothing is left of them when both programs have closed them.
 * Returns NULL if the client has been killed since, or if there is no descriptor for it. */
static struct client *open_pair(long pid)
{
    char to_server[PATH_MAX], to_client[PATH_MAX];
    snprintf(to_server, sizeof to_server, TO_SERVER, path, pid);
    snprintf(to_client, sizeof to_client, TO_CLIENT, path, pid);
    struct client *client = allocate(sizeof *client);
    client->to = open_fifo(to_client, O_WRONLY | O_NONBLOCK);
    client->from = client->to == -1 ? -1 : open_fifo(to_server, O_RDONLY | O_NONBLOCK);
    int reserve = client->from == -1 ? -1 : dup(client->from);
    if (reserve == -1) {
        log_sys_error(client->to == -1 ? to_client : to_server);
        close_pair(client); /* the client reads end of file in place of the greeting */
        free(client);
        client = NULL;
    } else {
        close(reserve);
        if (fcntl(client->from, F_SETFL, 0) == -1 || fcntl(client->to, F_SETFL, 0) == -1)
            sys_error(
                "fcntl"); /* without O_NONBLOCK: from now on read() and write() block */
    }
    unlink(to_server);
    unlink(to_client);
    return client;
}

static void close_pair(struct client *client)
{
    if (client->from != -1 && close(client->from) == -1)
        log_sys_error("close");
    if (client->to != -1 && close(client->to) == -1)
        log_sys_error("close");
}

/* The thread of one client. */
static void serve(void *argument)
{
    struct client *client = argument;
    char text[MAX_MESSAGE];
    size_t length;
    log_event("server: client %ld connected", client->number);

    /* STEP 5: Greet the client with an empty message, and send back each message as it came,
     * until "exit" or the end of file. The greeting reports that both FIFOs are open. */
    bool more = send_message(client->to, "", 0);
    while (more && receive_message(client->from, text, &length)) {
        log_text("server: received", text, length);
        more = send_message(client->to, text, length) && !is_exit(text, length);
    }

    /* STEP 6: Close our ends. The client can still read what was written. */
    close_pair(client);
    log_event("server: client %ld left", client->number);
    free(client);
}

/* STEP 7: End on Ctrl-C, by end_on_interrupt() before the loop: remove the name, which would
 * stay without the server. */
static void remove_fifo(void)
{
    unlink(path);
}
