/*
 * worker.c - serves one client, whose connection it was given by another process.
 *
 * Usage: worker NUMBER          the connection is the standard input (server_handoff)
 *        worker NUMBER SOCKET   it comes over the UNIX-domain socket SOCKET (server_scm)
 *
 * NUMBER is the client's, for the transcript. Exit code 0 if the session ended as sessions
 * do, 1 if the connection broke.
 *
 * After the child of an article on passing sockets. Its twin: ../win32/worker.c.
 * To try: worker 1 by hand, whose standard input is no connection.
 */
#define PROGRAM "server"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static int call_server(const char *name);
static int take_connection(int server);
static bool send_all(int socket, const char *bytes, size_t length);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: whose connection it is, and where it comes from. */
    if (argc < 2 || argc > 3) {
        say(stderr, "usage: worker NUMBER [SOCKET]; a server starts it");
        return 2;
    }
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        fail("signal");

    /* STEP 2: Take the connection. */
    int server = argc > 2 ? call_server(argv[2]) : -1;
    int client = argc > 2 ? take_connection(server) : STDIN_FILENO;

    /* STEP 3: Receive what has come. 0 bytes mean that the client will send no more. */
    char bytes[READ_SIZE];
    ssize_t length;
    while ((length = recv(client, bytes, sizeof bytes, 0)) > 0) {
        char *text = quoted(bytes, (size_t)length);
        say(stdout, "server: received %s", text);
        free(text);
        if (length == QUIT_SIZE && memcmp(bytes, QUIT, QUIT_SIZE) == 0)
            break;

        /* STEP 4: Send it back. While the client takes nothing this process stands here. */
        if (!send_all(client, bytes, (size_t)length)) {
            length = -1;
            break;
        }
    }
    if (length == -1)
        say(stderr, PROGRAM ": client %s: error %d: %s", argv[1], errno, strerror(errno));

    /* STEP 5: Close the connection: nobody else has it any more, so the client sees the end.
     * The server learns it by the end of this process. */
    if (close(client) == -1)
        fail("close");
    if (server != -1 && send(server, "", 1, 0) == -1 && errno != EPIPE)
        fail(
            "send"); /* EPIPE: the server has ended before us, and nobody asks any more */
    return length == -1 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Connects to the server's socket, which has an abstract name: behind a NUL, and no file. */
static int call_server(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(name) >= sizeof address.sun_path)
        fail_with(ENAMETOOLONG, "connect");
    memcpy(address.sun_path + 1, name, strlen(name));
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server == -1)
        fail("socket");
    if (connect(server, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))) ==
        -1)
        fail("connect");
    return server;
}

/* Receives a byte and, beside it, a descriptor. */
static int take_connection(int server)
{
    union { /* aligned as a control message has to be */
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    char byte;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.room};
    ssize_t length = recvmsg(server, &message, MSG_CMSG_CLOEXEC);
    if (length == -1)
        fail("recvmsg");
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (length == 0 || header == NULL || header->cmsg_level != SOL_SOCKET ||
        header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int)))
        fail_with(EPROTO, "recvmsg");
    int client;
    memcpy(&client, CMSG_DATA(header), sizeof client);
    return client;
}

/* Sends all of `bytes`, in as many calls as it takes. Returns whether it could. */
static bool send_all(int socket, const char *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t sent = send(socket, bytes + done, length - done, 0);
        if (sent == -1)
            return false;
        done += (size_t)sent;
    }
    return true;
}
