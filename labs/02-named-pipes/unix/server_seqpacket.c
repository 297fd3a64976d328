/*
 * server_seqpacket.c - as server.c, with a socket that carries messages: SOCK_SEQPACKET.
 *
 * Usage: server_seqpacket [SOCKET]
 *
 * Sends back what clients send through the socket SOCKET ($XDG_RUNTIME_DIR/$$MyPipe$$.socket,
 * or /tmp/$$MyPipe$$.socket.UID), each in a thread of its own. The text "exit" ends a client's
 * session, Ctrl-C the server.
 *
 * Not the FIFO but this is what comes nearest to a named pipe of Windows: each client has a
 * two-way connection, and one read returns one message. Compare ../win32/server.c.
 * Not here: what server.c leaves out as well.
 * To try: client_seqpacket in other terminals.
 */
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "contract.h"
#include "ipclab.h"

/* A client. Its thread frees it. */
struct client {
    long number;
    int socket;
};

static const char *path; /* of the socket on which clients connect */

static int create_socket(void);
static void serve(void *argument);
static bool receive_message(int socket, char *message, size_t *size);
static void close_connection(int socket);
static size_t text_length(const char *message, size_t size);
static bool is_exit(const char *message, size_t size);
static void remove_socket(void);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the path of the socket. */
    begin_program("server", "[SOCKET]", &argv);
    path = argc > 1 ? argv[1] : runtime_path(SOCKET_NAME);
    if (argc > 2 || *path == '\0' || *path == '-')
        usage_exit();

    /* STEP 2: Create the name that clients connect to. */
    int listener = create_socket();
    log_event("server: ready %s", path);

    for (long number = 1;; number++) {
        /* STEP 3: Wait for a client. */
        int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (socket == -1)
            sys_error("accept4");

        /* STEP 4: Start a thread for it, so that no client waits for another. */
        struct client *client = allocate(sizeof *client);
        client->number = number;
        client->socket = socket;
        if (!start_thread(serve, client))
            sys_error("pthread_create");
    }
}

/* Creates the socket that waits for connections, with a name. */
static int create_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        fatal("%s is too long for the name of a socket", path);
    memcpy(address.sun_path, path, strlen(path) + 1);

    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (listener == -1)
        sys_error("socket");
    umask(~(mode_t)FIFO_MODE & 0777); /* only clients of this user can connect */
    if (bind(listener, (struct sockaddr *)&address, sizeof address) == -1)
        sys_error("bind");
    end_on_interrupt(remove_socket);
    signal(SIGPIPE, SIG_IGN); /* a lost reader of our output does not end the server */
    if (listen(listener, BACKLOG) == -1)
        sys_error("listen");
    return listener;
}

/* The thread of one client. */
static void serve(void *argument)
{
    struct client *client = argument;
    char message[MAX_MESSAGE];
    size_t size;
    log_event("server: client %ld connected", client->number);

    /* STEP 5: Send back each message as it came, until "exit" or the client's end.
     * MSG_NOSIGNAL: if the client has left, send() fails with EPIPE, and SIGPIPE does not
     * kill the server. */
    bool more = true;
    while (more && receive_message(client->socket, message, &size)) {
        log_text("server: received", message, text_length(message, size));
        more = send(client->socket, message, size, MSG_NOSIGNAL) != -1 &&
               !is_exit(message, size);
    }

    /* STEP 6: Close the connection. The client can still read what was sent. */
    close_connection(client->socket);
    log_event("server: client %ld left", client->number);
    free(client);
}

/* Receives one message. Returns false if the client has left, or if the message is too long.
 * A message of 0 bytes cannot be told from the end: therefore a text comes with its NUL. */
static bool receive_message(int socket, char *message, size_t *size)
{
    /* With MSG_TRUNC recv() returns the size of the message, not that of the part that fitted. */
    ssize_t got = recv(socket, message, MAX_MESSAGE, MSG_TRUNC);
    if (got > MAX_MESSAGE)
        log_error("a message of %zd bytes is too long", got);
    *size = got > 0 ? (size_t)got : 0;
    return got > 0 && got <= MAX_MESSAGE;
}

/* Closes the connection. If messages of the client are unread, close() resets it: the client
 * gets ECONNRESET in place of the last reply. So receive no more, and read what has come: up to
 * a packet of 0 bytes, which looks like the end. */
static void close_connection(int socket)
{
    char byte;
    if (shutdown(socket, SHUT_RD) == 0)
        while (recv(socket, &byte, 1, 0) > 0)
            ;
    close(socket);
}

/* How many bytes of a message are text: all but the NUL at its end, if it has one. */
static size_t text_length(const char *message, size_t size)
{
    return size > 0 && message[size - 1] == '\0' ? size - 1 : size;
}

/* Whether the whole text is "exit", with or without a newline: "exitus" is not. */
static bool is_exit(const char *message, size_t size)
{
    size_t length = text_length(message, size);
    if (length > 0 && message[length - 1] == '\n')
        length--;
    return length == strlen(EXIT_TEXT) && memcmp(message, EXIT_TEXT, length) == 0;
}

/* STEP 7: End on Ctrl-C, by end_on_interrupt() before the loop: remove the name, which would
 * stay without the server. */
static void remove_socket(void)
{
    unlink(path);
}
