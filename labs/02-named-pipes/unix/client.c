/*
 * client.c - send lines to the server through FIFOs, and print its replies.
 *
 * Usage: client [PIPE]
 *
 * Announces itself on the FIFO PIPE ($XDG_RUNTIME_DIR/$$MyPipe$$, or /tmp/$$MyPipe$$.UID), and
 * then sends each line of its input on a FIFO of its own, and waits for the reply on another.
 * The line "exit", or the end of the input, ends it.
 *
 * Mirrors listing 4 of the report. Its twin: ../win32/client.c.
 * To try: server in another terminal; echo hello | client; client </dev/null; client no_such.
 */
#define PROGRAM "client"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* The names of our two FIFOs, while they have names. */
static char to_server_name[PATH_MAX], to_client_name[PATH_MAX];

static const char *default_path(void);
static void make_pair(const char *path);
static void remove_pair(void);
static int open_end(const char *name, int flags);
static void await_greeting(int to_client, int server);
static void send_message(int fifo, const char *bytes, size_t length);
static char *receive_message(int fifo, size_t *length);
static void read_all(int fifo, void *bytes, size_t length);
_Noreturn static void give_up(const char *why);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: where the well-known FIFO is. */
    if (argc > 2 || (argc == 2 && (*argv[1] == '\0' || *argv[1] == '-'))) {
        say(stderr, "usage: client [PIPE]");
        return 2;
    }
    const char *path = argc == 2 ? argv[1] : default_path();
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        fail("signal");

    /* STEP 2: Find the server. Without O_NONBLOCK this would wait until one comes; with it, a
     * FIFO that nobody reads is the error ENXIO. Writes to it shall wait, though. */
    int server = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (server == -1 && (errno == ENOENT || errno == ENXIO))
        give_up("no server is there");
    if (server == -1)
        fail(path);
    /* Anything else would be written over. */
    struct stat facts;
    if (fstat(server, &facts) == -1 || !S_ISFIFO(facts.st_mode) ||
        facts.st_uid != geteuid())
        give_up("this is no FIFO of ours");
    if (fcntl(server, F_SETFL, 0) == -1)
        fail("fcntl");

    /* STEP 3: Connect: make a pair of FIFOs, open every end that can be opened, and only then
     * announce it, in one write of less than PIPE_BUF bytes, which nobody's bytes can split.
     * Who lets open() wait before he has announced himself waits for ever; who announces himself
     * before he has opened is taken for dead. */
    make_pair(path);
    int to_client = open_end(to_client_name, O_RDONLY | O_NONBLOCK);
    int spare = open_end(to_server_name,
                         O_RDONLY | O_NONBLOCK); /* lets us open the other end */
    int to_server = open_end(to_server_name, O_WRONLY);
    char announcement[32];
    int size = snprintf(announcement, sizeof announcement, ANNOUNCEMENT, (long)getpid());
    if (write(server, announcement, (size_t)size) != size)
        fail("write");
    await_greeting(to_client, server);
    if (close(spare) == -1 || close(server) == -1)
        fail("close");

    char *line = NULL;
    size_t room = 0;
    bool over = false;
    for (ssize_t length; !over && (length = getline(&line, &room, stdin)) > 0;) {
        /* STEP 4: Send one line as one message, without what ends the line. */
        if (line[length - 1] == '\n' && --length > 0 && line[length - 1] == '\r')
            length--;
        if (length > MAX_MESSAGE)
            give_up("a line of the input is too long for a message");
        send_message(to_server, line, (size_t)length);
        char *sent = quoted(line, (size_t)length);
        say(stdout, "client: sent %s", sent);
        free(sent);
        over = (size_t)length == strlen(EXIT_TEXT) &&
               memcmp(line, EXIT_TEXT, (size_t)length) == 0;

        /* STEP 5: Wait for the reply, and read all of it. */
        size_t reply_length;
        char *reply = receive_message(to_client, &reply_length);
        char *received = quoted(reply, reply_length);
        say(stdout, "client: received %s", received);
        free(received);
        free(reply);
    }
    if (ferror(stdin))
        fail("getline");

    /* STEP 6: Close the pair, by which the server learns that we have left. */
    free(line);
    if (close(to_server) == -1 || close(to_client) == -1)
        fail("close");
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

/* As in server.c: where both look when nobody says otherwise. */
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

/* Makes our FIFOs, and has them removed at our end, if the server has not done so before. */
static void make_pair(const char *path)
{
    long pid = (long)getpid();
    if (snprintf(to_server_name, PATH_MAX, TO_SERVER, path, pid) >= PATH_MAX ||
        snprintf(to_client_name, PATH_MAX, TO_CLIENT, path, pid) >= PATH_MAX)
        fail_with(ENAMETOOLONG, path);
    remove_pair(); /* of a dead process that had our number */
    if (mkfifo(to_server_name, FIFO_MODE) == -1)
        fail("mkfifo");
    if (atexit(remove_pair) != 0)
        fail_with(ENOMEM, "atexit");
    if (mkfifo(to_client_name, FIFO_MODE) == -1)
        fail("mkfifo");
}

static void remove_pair(void)
{
    unlink(to_server_name);
    unlink(to_client_name);
}

static int open_end(const char *name, int flags)
{
    int fifo = open(name, flags | O_CLOEXEC);
    if (fifo == -1)
        fail(name);
    return fifo;
}

/* Waits until the server has opened both FIFOs, and says so by an empty message. A server
 * that dies before is noticed on its well-known FIFO, which then has no reader. */
static void await_greeting(int to_client, int server)
{
    struct pollfd ends[] = {{.fd = to_client, .events = POLLIN}, {.fd = server}};
    int ready = poll(ends, 2, WAIT_MILLISECONDS);
    if (ready == -1)
        fail("poll");
    if (ready == 0)
        give_up("the server did not answer in time");
    if ((ends[0].revents & POLLIN) == 0)
        give_up("the server has gone");
    if (fcntl(to_client, F_SETFL, 0) == -1) /* from here on, reads shall wait */
        fail("fcntl");
    size_t length;
    free(receive_message(to_client, &length));
    if (length != 0)
        give_up("what answered is no server of this kind");
}

/* Writes the length and the text, both at once. */
static void send_message(int fifo, const char *bytes, size_t length)
{
    static char frame[HEADER_SIZE + MAX_MESSAGE];
    for (int i = 0; i < HEADER_SIZE; i++)
        frame[i] = (char)(length >> 8 * (HEADER_SIZE - 1 - i));
    memcpy(frame + HEADER_SIZE, bytes, length);
    for (size_t done = 0; done < HEADER_SIZE + length;) {
        ssize_t written = write(fifo, frame + done, HEADER_SIZE + length - done);
        if (written == -1 && errno == EPIPE)
            give_up("the server has gone");
        if (written == -1)
            fail("write");
        done += (size_t)written;
    }
}

/* Reads one message, of any length. Returns it, for the caller to free. */
static char *receive_message(int fifo, size_t *length)
{
    unsigned char header[HEADER_SIZE];
    read_all(fifo, header, sizeof header);
    *length = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 |
              header[3];
    if (*length > MAX_MESSAGE)
        give_up("the server announced a reply that is too long");
    char *bytes = malloc(*length + 1); /* malloc(0) may return NULL */
    if (bytes == NULL)
        fail("malloc");
    read_all(fifo, bytes, *length);
    return bytes;
}

static void read_all(int fifo, void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t got = read(fifo, (char *)bytes + done, length - done);
        if (got == -1)
            fail("read");
        if (got == 0)
            give_up("the server has gone");
        done += (size_t)got;
    }
}

_Noreturn static void give_up(const char *why)
{
    say(stderr, PROGRAM ": %s", why);
    exit(EXIT_FAILURE);
}
