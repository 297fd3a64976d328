/*
 * client.c - send lines to the server through FIFOs, and print its replies.
 *
 * Usage: client [PIPE]
 *
 * Announces itself on the FIFO PIPE ($XDG_RUNTIME_DIR/$$MyPipe$$, or /tmp/$$MyPipe$$.UID). Then
 * sends each line of its input as a message through a FIFO of its own, and reads the reply from
 * another. The line "exit", or the end of the input, ends it.
 *
 * Mirrors listing 4 of the report. Counterpart: ../win32/client.c.
 * To try: server in another terminal; client, and type; client /tmp/no_such.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include "message.h" /* send_message, receive_message, is_exit */

static char to_server_name[PATH_MAX], to_client_name[PATH_MAX]; /* of our two FIFOs */

static int open_server(const char *path);
static void let_block(int fifo);
static void create_pair(const char *path);
static void remove_pair(void);
static int open_end(const char *name, int flags);
static void announce(int server, int to_client);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the path of the server's FIFO. */
    begin_program("client", "[PIPE]", &argv);
    const char *path = argc > 1 ? argv[1] : runtime_path(PIPE_NAME);
    if (argc > 2 || *path == '\0' || *path == '-')
        usage_exit();
    signal(SIGPIPE, SIG_IGN); /* write() to a server that has ended fails with EPIPE */

    /* STEP 2: Find the server: open its FIFO. */
    int server = open_server(path);

    /* STEP 3: Connect: create two FIFOs, open them, and announce them. open() blocks until a
     * process opens the other end, and the server does not know of them yet. For reading,
     * O_NONBLOCK helps. For writing it does not: open() then fails while no process has the
     * FIFO open for reading. So this process has it open, until the server has. The flag stays:
     * wait for the greeting, an empty message, with poll(), and clear it before you read. */
    // LEVEL 2: int to_client, to_server;
    create_pair(path);
    int to_client = open_end(to_client_name, O_RDONLY | O_NONBLOCK);
    int spare = open_end(to_server_name, O_RDONLY | O_NONBLOCK);
    int to_server = open_end(to_server_name, O_WRONLY);
    announce(server, to_client);
    /* While a process has the spare end open, write() does not fail when the server has ended. */
    if (close(spare) == -1 || close(server) == -1)
        sys_error("close");
    // END

    char *line, reply[MAX_MESSAGE];
    size_t length;
    bool more = true;
    while (more && (line = read_line(&length)) != NULL) {
        /* STEP 4: Send one line as one message. */
        if (length > MAX_MESSAGE)
            fatal("a line of the input is too long for a message");
        // LEVEL 2
        if (!send_message(to_server, line, length))
            sys_error("write");
        // END
        log_text("client: sent", line, length);
        more = !is_exit(line, length);

        /* STEP 5: Wait for the reply, and read all of it. */
        // LEVEL 2
        if (!receive_message(to_client, reply, &length))
            fatal("the server closed the pipe before it replied");
        // END
        log_text("client: received", reply, length);
    }

    /* STEP 6: Close the FIFOs: the server reads end of file. */
    // LEVEL 2
    if (close(to_server) == -1 || close(to_client) == -1)
        sys_error("close");
    // END
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Opens the server's FIFO for writing. With O_NONBLOCK this fails with ENXIO if no process
 * has it open for reading; without, it would block until one has. */
static int open_server(const char *path)
{
    // LEVEL 1
    struct stat status;
    int server = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (server == -1)
        sys_error("open");
    if (fstat(server, &status) == -1 || !S_ISFIFO(status.st_mode))
        fatal("%s is not a FIFO", path); /* a file: write() would change it */
    let_block(server);
    return server;
    // END
}

/* From now on read() and write() block, as without O_NONBLOCK. */
static void let_block(int fifo)
{
    if (fcntl(fifo, F_SETFL, 0) == -1)
        sys_error("fcntl");
}

/* Creates our two FIFOs. Our process ID makes their names unique. */
static void create_pair(const char *path)
{
    // LEVEL 2
    snprintf(to_server_name, PATH_MAX, TO_SERVER, path, (long)getpid());
    snprintf(to_client_name, PATH_MAX, TO_CLIENT, path, (long)getpid());
    remove_pair(); /* those of a killed process that had our process ID */
    if (mkfifo(to_server_name, FIFO_MODE) == -1 ||
        mkfifo(to_client_name, FIFO_MODE) == -1)
        sys_error("mkfifo");
    atexit(remove_pair); /* unless the server has done it, or a signal kills us */
    // END
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
        sys_error("open");
    return fifo;
}

/* Sends the server our process ID, in one write(): other clients may write at the same time.
 * Then waits for its greeting, an empty message: it has now opened both FIFOs. */
static void announce(int server, int to_client)
{
    // LEVEL 2
    char line[ANNOUNCEMENT_SIZE], greeting[MAX_MESSAGE];
    int size = snprintf(line, sizeof line, ANNOUNCEMENT, (long)getpid());
    if (write(server, line, (size_t)size) != size)
        sys_error("write");

    /* Wait with poll(): until the server opens the other end, read() would return 0. If the
     * server ends, its FIFO is not open for reading any more, which poll() reports, too. */
    struct pollfd ends[] = {{.fd = to_client, .events = POLLIN}, {.fd = server}};
    if (poll(ends, 2, WAIT_MILLISECONDS) == -1)
        sys_error("poll");
    if (!(ends[0].revents & POLLIN))
        fatal("the server did not greet this client");
    let_block(to_client);
    size_t length;
    if (!receive_message(to_client, greeting, &length) || length != 0)
        fatal("the greeting is not an empty message");
    // END
}
