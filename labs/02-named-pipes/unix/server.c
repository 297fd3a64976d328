/*
 * server.c - FIFOs between a server and any number of clients: echo whatever they send.
 *
 * Usage: server [PIPE]
 *
 * Makes the FIFO PIPE ($XDG_RUNTIME_DIR/$$MyPipe$$, or /tmp/$$MyPipe$$.UID), on which clients
 * announce themselves. Each has two more FIFOs, on which a thread of its own sends back what
 * comes, until "exit" comes or the client leaves. Ends on Ctrl-C.
 *
 * Mirrors listing 3 of the report. Its twin: ../win32/server.c. Another way, with messages and
 * connections made by the system: server_seqpacket.c.
 * To try: server in one terminal, client in two more; mkfifo p (or mknod p p), then server p.
 */
#define PROGRAM "server"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <libgen.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* A client, owned by the thread that serves it. */
struct client {
    int from, to; /* our ends of its two FIFOs */
    long number;
    char message[MAX_MESSAGE];
};

static const char *path; /* of the well-known FIFO */

static const char *default_path(void);
static int make_fifo(void);
static int open_fifo(const char *name, int flags);
static void remove_stale_pairs(void);
static void *accept_clients(void *argument);
static long next_announcement(int fifo);
static struct client *open_pair(long pid);
static void *serve(void *argument);
static void close_pair(struct client *client);
static bool is_exit(const char *bytes, size_t length);
static ssize_t receive_message(struct client *client);
static ssize_t read_all(int fifo, void *bytes, size_t length);
static bool send_message(int fifo, const void *bytes, size_t length);
static bool write_all(int fifo, const void *bytes, size_t length);
static int end_on_ctrl_c(const sigset_t *stop);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: where the well-known FIFO is to be. */
    if (argc > 2 || (argc == 2 && (*argv[1] == '\0' || *argv[1] == '-'))) {
        say(stderr, "usage: server [PIPE]");
        return 2;
    }
    path = argc == 2 ? argv[1] : default_path();

    /* Ctrl-C is waited for at the end; a client that reads no more costs an error, not a life. */
    sigset_t stop;
    if (sigemptyset(&stop) == -1 || sigaddset(&stop, SIGINT) == -1 ||
        sigaddset(&stop, SIGTERM) == -1)
        fail("sigaddset");
    int error = pthread_sigmask(SIG_BLOCK, &stop, NULL);
    if (error != 0)
        fail_with(error, "pthread_sigmask");
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        fail("signal");

    /* STEP 2: Make the name on which clients find us. The writing end is ours: a FIFO is at its
     * end whenever its last writer has closed it, and here that shall never be. */
    int fifo = make_fifo();
    remove_stale_pairs();
    if (open_fifo(path, O_WRONLY) == -1)
        fail(path);
    pthread_t thread;
    error = pthread_create(&thread, NULL, accept_clients, &fifo);
    if (error != 0)
        fail_with(error, "pthread_create");
    say(stdout, "server: ready %s", path);

    /* The other threads do the rest; this one waits for the end. */
    return end_on_ctrl_c(&stop);
}

/* In the folder that is the user's own and goes with the session; else in the one of all. */
static const char *default_path(void)
{
    static char name[PATH_MAX];
    const char *folder = getenv("XDG_RUNTIME_DIR");
    int length = folder != NULL && *folder == '/'
                     ? snprintf(name, sizeof name, "%s/%s", folder, PIPE_NAME)
                     : snprintf(name, sizeof name, "/tmp/%s.%ld", PIPE_NAME,
                                (long)getuid());
    if (length >= (int)sizeof name)
        fail_with(ENAMETOOLONG, "XDG_RUNTIME_DIR");
    return name;
}

/* Makes the well-known FIFO, or takes the one that a killed server has left. Returns its
 * reading end, locked: the lock goes with the process, however that ends. */
static int make_fifo(void)
{
    for (;;) {
        if (mkfifo(path, FIFO_MODE) == -1 && errno != EEXIST)
            fail("mkfifo");
        /* Opening a FIFO waits for somebody at the other end, unless it is told not to. */
        int fifo = open_fifo(path, O_RDONLY | O_NONBLOCK);
        if (fifo == -1 && errno == ENOENT)
            continue; /* a server that was about to end has removed it under our hands */
        if (fifo == -1)
            fail(path);
        if (flock(fifo, LOCK_EX | LOCK_NB) == -1) {
            if (errno != EWOULDBLOCK)
                fail("flock");
            say(stderr, PROGRAM ": %s: another server is there", path);
            exit(EXIT_FAILURE);
        }
        struct stat ours, there;
        if (fstat(fifo, &ours) == -1)
            fail("fstat");
        if (stat(path, &there) == 0 && there.st_ino == ours.st_ino &&
            there.st_dev == ours.st_dev) {
            if (fcntl(fifo, F_SETFL, 0) == -1) /* from here on, reads shall wait */
                fail("fcntl");
            if (fchmod(fifo, FIFO_MODE) == -1) /* it may have been made by mknod */
                fail("fchmod");
            return fifo;
        }
        close(fifo); /* locked, but removed before: make another */
    }
}

/* Opens a FIFO, no link, no file, and nobody else's. Returns -1 with errno if there is none. */
static int open_fifo(const char *name, int flags)
{
    int fifo = open(name, flags | O_CLOEXEC | O_NOFOLLOW);
    struct stat facts;
    if (fifo == -1 || (fstat(fifo, &facts) == 0 && S_ISFIFO(facts.st_mode) &&
                       facts.st_uid == geteuid()))
        return fifo;
    close(fifo);
    errno = EPERM;
    return -1;
}

/* Removes the pairs of clients that died before a server took them. */
static void remove_stale_pairs(void)
{
    char folder[PATH_MAX], base[PATH_MAX], name[2 * PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    snprintf(base, sizeof base, "%s", path);
    const char *where = dirname(folder), *prefix = basename(base);
    DIR *entries = opendir(where);
    if (entries == NULL)
        fail("opendir");
    struct dirent *entry;
    while (errno = 0, (entry = readdir(entries)) != NULL) {
        char *end;
        size_t length = strlen(prefix);
        if (strncmp(entry->d_name, prefix, length) != 0 || entry->d_name[length] != '.')
            continue;
        long pid = strtol(entry->d_name + length + 1, &end, 10);
        if (pid > 0 &&
            (strcmp(end, ".to_server") == 0 || strcmp(end, ".to_client") == 0) &&
            kill((pid_t)pid, 0) == -1 && errno == ESRCH) {
            snprintf(name, sizeof name, "%s/%s", where, entry->d_name);
            unlink(name);
        }
    }
    if (errno != 0)
        fail("readdir");
    closedir(entries);
}

static void *accept_clients(void *argument)
{
    int fifo = *(int *)argument;
    for (long count = 0;;) {
        /* STEP 3: Wait for a client to announce itself. */
        long pid = next_announcement(fifo);

        /* STEP 4: Open its two FIFOs, and give it a thread, so that nobody waits for anybody.
         * Where one of these cannot be had, this client has to go, and no other. */
        struct client *client = open_pair(pid);
        if (client == NULL)
            continue;
        client->number = count + 1;
        pthread_t thread;
        int error = pthread_create(&thread, NULL, serve, client);
        if (error != 0) {
            say(stderr, PROGRAM ": no thread for a client: error %d: %s", error,
                strerror(error));
            close_pair(client);
            continue;
        }
        count++;
        error = pthread_detach(thread);
        if (error != 0)
            fail_with(error, "pthread_detach");
    }
}

/* Reads the well-known FIFO up to the next announcement; what is none is told and skipped. */
static long next_announcement(int fifo)
{
    long pid = 0;
    bool good = true;
    for (;;) {
        /* Byte by byte, because a read may bring half an announcement or ten of them. */
        char byte;
        ssize_t got = read(fifo, &byte, 1);
        if (got == -1)
            fail("read");
        if (got == 0) {
            say(stderr, PROGRAM ": %s is at its end: nobody holds its writing end", path);
            exit(EXIT_FAILURE);
        }
        if (byte == '\n') {
            if (good && pid > 0)
                return pid;
            if (!good)
                say(stderr, PROGRAM ": what came on %s is no announcement", path);
            pid = 0;
            good = true;
        } else if (byte >= '0' && byte <= '9' && pid < INT_MAX / 10) {
            pid = pid * 10 + (byte - '0');
        } else {
            good = false;
        }
    }
}

/* Opens the FIFOs of the client `pid` and removes their names, for nobody else is to open
 * them. Without waiting: the client has opened all its ends before it announced itself, so
 * whoever is not there now is dead, and no reason to keep others waiting. */
static struct client *open_pair(long pid)
{
    char to_server[PATH_MAX], to_client[PATH_MAX];
    if (snprintf(to_server, sizeof to_server, TO_SERVER, path, pid) >= PATH_MAX ||
        snprintf(to_client, sizeof to_client, TO_CLIENT, path, pid) >= PATH_MAX)
        fail_with(ENAMETOOLONG, path);
    struct client *client = malloc(sizeof *client);
    int to = client == NULL ? -1 : open_fifo(to_client, O_WRONLY | O_NONBLOCK);
    int from = to == -1 ? -1 : open_fifo(to_server, O_RDONLY | O_NONBLOCK);
    /* One more must be left: with none, the next client could not even be sent away. */
    int left = from == -1 ? -1 : dup(from);
    if (left == -1) {
        say(stderr,
            PROGRAM ": process %ld announced itself and cannot be served: error %d: %s",
            pid, errno, strerror(errno));
        if (from != -1)
            close(from);
        if (to != -1)
            close(to); /* which it notices */
        free(client);
        client = NULL;
    } else {
        close(left);
        if (fcntl(from, F_SETFL, 0) == -1 || fcntl(to, F_SETFL, 0) == -1)
            fail("fcntl");
        client->from = from;
        client->to = to;
    }
    unlink(to_server);
    unlink(to_client);
    return client;
}

/* The thread of one client. Whatever that client does, or fails to do, only this one waits. */
static void *serve(void *argument)
{
    struct client *client = argument;
    long number = client->number;
    say(stdout, "server: client %ld connected", number);

    /* STEP 5: Send back each message as it came, until "exit" or the client's end. */
    /* We are here, and hold both ends: it may let go of its spare one. */
    bool goes_on = send_message(client->to, "", 0);
    ssize_t length;
    while (goes_on && (length = receive_message(client)) >= 0) {
        char *text = quoted(client->message, (size_t)length);
        say(stdout, "server: received %s", text);
        free(text);
        goes_on = send_message(client->to, client->message, (size_t)length) &&
                  !is_exit(client->message, (size_t)length);
    }

    /* STEP 6: Close the pair. What was written can still be read. */
    close_pair(client);
    say(stdout, "server: client %ld left", number);
    return NULL;
}

static void close_pair(struct client *client)
{
    if (close(client->from) == -1 || close(client->to) == -1)
        fail("close");
    free(client);
}

/* The whole text, not its beginning: "exitus" is a message. */
static bool is_exit(const char *bytes, size_t length)
{
    if (length > 0 && bytes[length - 1] == '\n')
        length--;
    return length == strlen(EXIT_TEXT) && memcmp(bytes, EXIT_TEXT, length) == 0;
}

/* Reads one message. Returns its length, or -1 when the client has left or must. */
static ssize_t receive_message(struct client *client)
{
    unsigned char header[HEADER_SIZE];
    ssize_t got = read_all(client->from, header, sizeof header);
    if (got == 0)
        return -1; /* between two messages: this is how a client leaves */
    size_t length = (size_t)header[0] << 24 | (size_t)header[1] << 16 |
                    (size_t)header[2] << 8 | header[3];
    if (got == HEADER_SIZE && length > MAX_MESSAGE) {
        say(stderr,
            PROGRAM ": client %ld announced a message of %zu bytes; %d is the limit",
            client->number, length, MAX_MESSAGE);
        return -1;
    }
    if (got == HEADER_SIZE &&
        read_all(client->from, client->message, length) == (ssize_t)length)
        return (ssize_t)length;
    say(stderr, PROGRAM ": client %ld left in the middle of a message", client->number);
    return -1;
}

/* Reads `length` bytes, in as many reads as it takes. Returns fewer only at the end. */
static ssize_t read_all(int fifo, void *bytes, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t got = read(fifo, (char *)bytes + done, length - done);
        if (got == -1)
            fail("read");
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* Returns whether there was somebody to read it. */
static bool send_message(int fifo, const void *bytes, size_t length)
{
    unsigned char header[HEADER_SIZE] = {(unsigned char)(length >> 24),
                                         (unsigned char)(length >> 16),
                                         (unsigned char)(length >> 8),
                                         (unsigned char)length};
    return write_all(fifo, header, sizeof header) && write_all(fifo, bytes, length);
}

static bool write_all(int fifo, const void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t written = write(fifo, (const char *)bytes + done, length - done);
        if (written == -1 && errno == EPIPE)
            return false;
        if (written == -1)
            fail("write");
        done += (size_t)written;
    }
    return true;
}

static int end_on_ctrl_c(const sigset_t *stop)
{
    int number;
    int error = sigwait(stop, &number);
    if (error != 0)
        fail_with(error, "sigwait");
    /* STEP 7: End. The name would outlive us; the clients see the end of their FIFOs. */
    if (unlink(path) == -1)
        fail("unlink");
    flockfile(stdout); /* nobody prints behind this line, or while exit() does */
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}
