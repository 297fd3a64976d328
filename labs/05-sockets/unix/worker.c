/*
 * worker.c - serves one client, whose connection comes from another process.
 *
 * Usage: worker NUMBER          the connection is standard input (server_handoff)
 *        worker NUMBER SOCKET   it comes over the UNIX-domain socket SOCKET (server_scm)
 *
 * NUMBER is the number of the client. Exit code 0 if the session ended in order, 1 if
 * the connection broke.
 *
 * After the child program of an article on passing sockets. Counterpart:
 * ../win32/worker.c. To try: worker 1, in a terminal: standard input is no connection.
 */
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "contract.h"
#include "ipclab.h"

static int call_server(const char *name);
static int take_connection(int server);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the client's number, and where its connection comes
     * from. */
    begin_program("worker", "NUMBER [SOCKET]", &argv);
    if (argc < 2 || argc > 3)
        usage_exit();
    signal(SIGPIPE, SIG_IGN);

    /* STEP 2: Receive the connection. */
    int server = argc > 2 ? call_server(argv[2]) : -1;
    int client = argc > 2 ? take_connection(server) : STDIN_FILENO;

    /* STEP 3: Receive what has come. 0 bytes are the end of file: the client will
     * send no more. */
    char bytes[READ_SIZE];
    ssize_t length;
    while ((length = recv(client, bytes, sizeof bytes, 0)) > 0) {
        log_text("server: received", bytes, (size_t)length);
        if (length == QUIT_SIZE && memcmp(bytes, QUIT, QUIT_SIZE) == 0)
            break;

        /* STEP 4: Send it back. send() blocks while the client does not receive. */
        if (!send_all(client, bytes, (size_t)length)) {
            length = -1;
            break;
        }
    }
    if (length == -1)
        log_error("client %s: error %d: %s", argv[1], errno, strerror(errno));

    /* STEP 5: Close the connection: this is its last copy, so the client receives the end
     * of file. The server waits for the end of this process. */
    if (close(client) == -1)
        sys_error("close");
    if (server != -1 && send(server, "", 1, 0) == -1 && errno != EPIPE)
        sys_error("send"); /* EPIPE: the server has ended already */
    return length == -1 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Connects to the server's socket, which has an abstract name: it begins with a NUL, and
 * is no file. */
static int call_server(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(name) >= sizeof address.sun_path)
        sys_error_number("connect", ENAMETOOLONG);
    memcpy(address.sun_path + 1, name, strlen(name));
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server == -1)
        sys_error("socket");
    if (connect(server, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))) ==
        -1)
        sys_error("connect");
    return server;
}

/* Receives one byte, and a descriptor in a control message. */
static int take_connection(int server)
{
    union { /* aligned as a control message must be */
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
        sys_error("recvmsg");
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (length == 0 || header == NULL || header->cmsg_level != SOL_SOCKET ||
        header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int)))
        sys_error_number("recvmsg", EPROTO);
    int client;
    memcpy(&client, CMSG_DATA(header), sizeof client);
    return client;
}
