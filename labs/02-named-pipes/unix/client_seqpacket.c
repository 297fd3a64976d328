/*
 * client_seqpacket.c - as client.c, over a socket that carries messages: SOCK_SEQPACKET.
 *
 * Usage: client_seqpacket [SOCKET]
 *
 * Connects to the socket SOCKET ($XDG_RUNTIME_DIR/$$MyPipe$$.socket, or
 * /tmp/$$MyPipe$$.socket.UID), sends each line of its input as a message, and waits for the
 * reply. The line "exit", or the end of the input, ends it.
 *
 * Compare win32/client.c. To try: server_seqpacket in another terminal.
 */
#define PROGRAM "client"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static const char *default_path(void);
static int connect_to(const char *path);
static char *receive_message(int socket, size_t *length);
_Noreturn static void give_up(const char *why);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: where the server's socket is. */
    if (argc > 2 || (argc == 2 && (*argv[1] == '\0' || *argv[1] == '-'))) {
        say(stderr, "usage: client_seqpacket [SOCKET]");
        return 2;
    }

    /* STEP 2: Find the server. */
    /* STEP 3: Connect: where client.c makes FIFOs, and announces them, here one call does. */
    int server = connect_to(argc == 2 ? argv[1] : default_path());

    char *line = NULL;
    size_t room = 0;
    bool over = false;
    for (ssize_t length; !over && (length = getline(&line, &room, stdin)) > 0;) {
        /* STEP 4: Send one line as one message, with a NUL in place of what ends the line. */
        if (line[length - 1] == '\n' && --length > 0 && line[length - 1] == '\r')
            length--;
        line[length] = '\0';
        if (length + 1 > MAX_MESSAGE)
            give_up("a line of the input is too long for a message");
        if (send(server, line, (size_t)length + 1, MSG_NOSIGNAL) == -1)
            give_up("the server has gone");
        char *sent = quoted(line, (size_t)length);
        say(stdout, "client: sent %s", sent);
        free(sent);
        over = (size_t)length == strlen(EXIT_TEXT) &&
               memcmp(line, EXIT_TEXT, (size_t)length) == 0;

        /* STEP 5: Wait for the reply, and read all of it. */
        size_t reply_length;
        char *reply = receive_message(server, &reply_length);
        char *received = quoted(reply, reply_length);
        say(stdout, "client: received %s", received);
        free(received);
        free(reply);
    }
    if (ferror(stdin))
        fail("getline");

    /* STEP 6: Close the connection, by which the server learns that we have left. */
    free(line);
    if (close(server) == -1)
        fail("close");
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

/* As in server_seqpacket.c: where both look when nobody says otherwise. */
static const char *default_path(void)
{
    static char name[PATH_MAX];
    const char *folder = getenv("XDG_RUNTIME_DIR");
    int length = folder != NULL && *folder == '/'
                     ? snprintf(name, sizeof name, "%s/%s", folder, SOCKET_NAME)
                     : snprintf(name, sizeof name, "/tmp/%s.%ld", SOCKET_NAME,
                                (long)getuid());
    if (length >= (int)sizeof name)
        fail_with(ENAMETOOLONG, "XDG_RUNTIME_DIR");
    return name;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        fail_with(ENAMETOOLONG, path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int server = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (server == -1)
        fail("socket");
    if (connect(server, (struct sockaddr *)&address, sizeof address) == -1) {
        if (errno == ENOENT || errno == ECONNREFUSED)
            give_up("no server is there");
        fail("connect");
    }
    return server;
}

/* Reads one message, of any length, without its NUL. Returns it, for the caller to free. */
static char *receive_message(int socket, size_t *length)
{
    /* How long it is can be asked first: look at it, and leave it there. */
    char first;
    ssize_t size = recv(socket, &first, sizeof first, MSG_PEEK | MSG_TRUNC);
    if (size == -1 && errno != ECONNRESET)
        fail("recv");
    if (size <= 0)
        give_up("the server has gone");
    char *bytes = malloc((size_t)size);
    if (bytes == NULL)
        fail("malloc");
    if (recv(socket, bytes, (size_t)size, 0) != size)
        fail("recv");
    *length = bytes[size - 1] == '\0' ? (size_t)size - 1 : (size_t)size;
    return bytes;
}

_Noreturn static void give_up(const char *why)
{
    say(stderr, PROGRAM ": %s", why);
    exit(EXIT_FAILURE);
}
