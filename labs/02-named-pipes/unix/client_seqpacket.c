/*
 * client_seqpacket.c - as client.c, with a socket that carries messages: SOCK_SEQPACKET.
 *
 * Usage: client_seqpacket [SOCKET]
 *
 * Connects to the socket SOCKET ($XDG_RUNTIME_DIR/$$MyPipe$$.socket, or
 * /tmp/$$MyPipe$$.socket.UID). Sends each line of its input as a message, and reads the reply.
 * The line "exit", or the end of the input, ends it.
 *
 * Compare ../win32/client.c. To try: server_seqpacket in another terminal.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include "contract.h"
#include "ipclab.h"

static int connect_to(const char *path);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the path of the server's socket. */
    begin_program("client", "[SOCKET]", &argv);
    const char *path = argc > 1 ? argv[1] : runtime_path(SOCKET_NAME);
    if (argc > 2 || *path == '\0' || *path == '-')
        usage_exit();

    /* STEP 2: Find the server. */
    /* STEP 3: Connect. One call does what client.c does with two FIFOs and an announcement. */
    int server = connect_to(path);

    char *line, reply[MAX_MESSAGE];
    size_t length;
    bool more = true;
    while (more && (line = read_line(&length)) != NULL) {
        /* STEP 4: Send one line as one message, with its NUL. MSG_NOSIGNAL: if the server
         * has ended, send() fails with EPIPE, and SIGPIPE does not kill the client. */
        if (length + 1 > MAX_MESSAGE)
            fatal("a line of the input is too long for a message");
        if (send(server, line, length + 1, MSG_NOSIGNAL) == -1)
            sys_error("send");
        log_text("client: sent", line, length);
        more = length != strlen(EXIT_TEXT) || strcmp(line, EXIT_TEXT) != 0;

        /* STEP 5: Wait for the reply: one call returns all of it. */
        ssize_t size = recv(server, reply, sizeof reply, 0);
        if (size <= 0)
            fatal("the server closed the connection before it replied");
        length = (size_t)size;
        if (reply[length - 1] == '\0')
            length--;
        log_text("client: received", reply, length);
    }

    /* STEP 6: Close the connection: the server's recv() returns 0. */
    if (close(server) == -1)
        sys_error("close");
    log_event("client: done");
    return EXIT_SUCCESS;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        fatal("%s is too long for the name of a socket", path);
    memcpy(address.sun_path, path, strlen(path) + 1);

    int server = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (server == -1)
        sys_error("socket");
    if (connect(server, (struct sockaddr *)&address, sizeof address) == -1)
        sys_error("connect");
    return server;
}
