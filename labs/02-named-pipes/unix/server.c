/*
 * server.c - FIFOs between a server and any number of clients: echo their messages.
 *
 * Usage: server [PIPE]
 *
 * A FIFO (named pipe) is one queue of bytes, for all processes that open it. So clients announce
 * themselves on the FIFO PIPE ($XDG_RUNTIME_DIR/$$MyPipe$$, or /tmp/$$MyPipe$$.UID), and each has
 * two more to itself:
 *
 *            server                                              client, process 4711
 *     reads  <------ PIPE <----------------- "4711" -----------  announces itself, once
 *     reads  <------ PIPE.4711.to_server <-- messages ---------  sends
 *     writes ------> PIPE.4711.to_client --> messages -------->  receives
 *
 * The text "exit" ends a client's session, Ctrl-C the server.
 *
 * Mirrors listing 3 of the report. Counterpart: ../win32/server.c. The same without FIFOs:
 * server_seqpacket.c (a socket, which has connections and messages).
 * Not here, but in server_robust.c: the FIFO of a server that was killed, clients that are
 * killed while they connect, other writers on PIPE, and no descriptor or thread for a
 * client.
 * To try: server in one terminal, client in two more; ls -l /proc/PID/fd while they talk.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>

#include "message.h" /* send_message, receive_message, is_exit */

/* A client. Its thread frees it. */
struct client {
    long number;
    int from, to; /* our ends of its two FIFOs */
};

static const char *path; /* of the FIFO on which clients announce themselves */

static FILE *create_fifo(void);
static long next_announcement(FILE *fifo);
static struct client *open_pair(long pid);
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

    for (long number = 1;; number++) {
        /* STEP 3: Wait for a client: read the next announcement. */
        long pid = next_announcement(fifo);

        /* STEP 4: Open its two FIFOs, and start a thread for it, so that no client waits for
         * another. The client sends nothing until that thread has greeted it (STEP 5). */
        struct client *client = open_pair(pid);
        client->number = number;
        if (!start_thread(serve, client))
            sys_error("pthread_create");
    }
}

/* Creates the FIFO and opens it. */
static FILE *create_fifo(void)
{
    // LEVEL 1
    if (mkfifo(path, FIFO_MODE) == -1)
        sys_error("mkfifo");
    end_on_interrupt(remove_fifo);
    signal(SIGPIPE, SIG_IGN); /* write() to a client that has left fails with EPIPE */

    /* Both ends, although we only read. With O_RDONLY open() would block until a client
     * comes, and read() would return 0, end of file, as soon as no client has the FIFO open. */
    int fifo = open(path, O_RDWR | O_CLOEXEC);
    if (fifo == -1)
        sys_error("open");
    FILE *stream = fdopen(fifo, "r");
    if (stream == NULL)
        sys_error("fdopen");
    return stream;
    // END
}

/* Returns the process ID of the next client. The announcement "\n4711\n" is an empty line,
 * which is skipped, and the number. */
static long next_announcement(FILE *fifo)
{
    // LEVEL 2
    char line[ANNOUNCEMENT_SIZE];
    long pid = 0;
    while (pid <= 0) {
        if (fgets(line, sizeof line, fifo) == NULL)
            sys_error("read");
        pid = strtol(line, NULL, 10);
    }
    return pid;
    // END
}

/* Opens the FIFOs of a client. It has opened its own ends before, so open() does not block.
 * Then removes their names: nothing is left of them when both programs have closed them. */
static struct client *open_pair(long pid)
{
    // LEVEL 2
    char to_server[PATH_MAX], to_client[PATH_MAX];
    snprintf(to_server, sizeof to_server, TO_SERVER, path, pid);
    snprintf(to_client, sizeof to_client, TO_CLIENT, path, pid);
    struct client *client = allocate(sizeof *client);
    client->from = open(to_server, O_RDONLY | O_CLOEXEC);
    client->to = open(to_client, O_WRONLY | O_CLOEXEC);
    if (client->from == -1 || client->to == -1)
        sys_error("open");
    unlink(to_server);
    unlink(to_client);
    return client;
    // END
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
    // LEVEL 2
    bool more = send_message(client->to, "", 0);
    while (more && receive_message(client->from, text, &length)) {
        log_text("server: received", text, length);
        more = send_message(client->to, text, length) && !is_exit(text, length);
    }
    // END

    /* STEP 6: Close our ends. The client can still read what was written. */
    // LEVEL 2
    if (close(client->from) == -1 || close(client->to) == -1)
        sys_error("close");
    // END
    log_event("server: client %ld left", client->number);
    free(client);
}

/* STEP 7: End on Ctrl-C, by end_on_interrupt() before the loop: remove the name, which would
 * stay without the server. */
static void remove_fifo(void)
{
    unlink(path);
}
