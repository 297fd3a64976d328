/*
 * client.c - a TCP client: sends the lines of its input, and waits for the echo of each.
 *
 * Usage: client [HOST [PORT]]
 *
 * Connects to PORT (5050) of HOST (127.0.0.1), a name or an address. Sends the bytes of
 * each line without the newline, but no empty line. The line QUIT, or the end of the
 * input, ends the session, exit code 0. If the server cannot be reached, or closes the
 * connection first, exit code 1.
 *
 * Mirrors listing 11 of the report. Counterpart: ../win32/client.c.
 * To try: client; client localhost </etc/passwd; printf 'one\ntwo\nQUIT\n' | client.
 */
#include <netdb.h>
#include <signal.h>
#include <sys/socket.h>

#include "contract.h"
#include "ipclab.h"

static int connect_to(const char *host, const char *port);
static void exchange(int server, const char *line, size_t length);
static void receive_echo(int server, char *echo, size_t length);
static void quit(int server);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: to which server to connect. */
    begin_program("client", "[HOST [PORT]]", &argv);
    if (argc > 3)
        usage_exit();
    const char *host = argc > 1 ? argv[1] : DEFAULT_HOST;
    const char *port = argc > 2 ? argv[2] : DEFAULT_PORT;
    parse_long("PORT", port, 1, MAX_PORT); /* getaddrinfo() takes it as text */

    /* STEP 2: Prepare for a server that closes early: send() must fail with EPIPE. By
     * default the signal SIGPIPE would end this program. */
    // LEVEL 2
    signal(SIGPIPE, SIG_IGN);
    // END

    /* STEP 3: Connect to the server. */
    int server = connect_to(host, port);

    char *line;
    size_t length;
    while ((line = read_line(&length)) != NULL) {
        /* STEP 4: Take a line; QUIT ends the session. An empty line is not sent. */
        if (length == 0)
            continue;
        if (length == QUIT_SIZE && memcmp(line, QUIT, QUIT_SIZE) == 0) {
            quit(server);
            break;
        }

        /* STEP 5: Send it, and receive its echo: as many bytes as were sent. */
        exchange(server, line, length);
    }

    /* STEP 6: Close the connection: the server receives the end of file. */
    // LEVEL 2
    if (close(server) == -1)
        sys_error("close");
    // END
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Returns a socket that is connected to `port` of `host`. A name can have several
 * addresses, of IPv6 and IPv4, and the server listens perhaps on one of them: try each. */
static int connect_to(const char *host, const char *port)
{
    // LEVEL 1
    struct addrinfo *list, hints = {.ai_socktype = SOCK_STREAM};
    int error = getaddrinfo(host, port, &hints, &list);
    if (error != 0)
        fatal("getaddrinfo: error %d: %s", error, gai_strerror(error));
    for (struct addrinfo *one = list; one != NULL; one = one->ai_next) {
        int server = socket(one->ai_family, SOCK_STREAM, 0);
        if (server != -1 && connect(server, one->ai_addr, one->ai_addrlen) == 0) {
            freeaddrinfo(list);
            return server;
        }
        error = errno;
        if (server != -1)
            close(server);
    }
    sys_error_number("connect", error);
    // END
}

/* Sends a line and receives its echo, a piece at a time. If a long line were sent as a
 * whole, both programs would block in send(), because neither receives. */
static void exchange(int server, const char *line, size_t length)
{
    char *echo = allocate(length);
    for (size_t done = 0, size; done < length; done += size) {
        size = length - done < PIECE_SIZE ? length - done : PIECE_SIZE;
        if (length - done - size == QUIT_SIZE)
            size--; /* the last piece of a line must not be QUIT alone */
        // LEVEL 2
        if (!send_all(server, line + done, size))
            sys_error("send");
        // END
        if (done + size == length)
            log_text("client: sent", line, length);
        receive_echo(server, echo + done, size);
    }
    log_text("client: received", echo, length);
    free(echo);
}

/* Receives `length` bytes. One recv() can return a part of them. */
static void receive_echo(int server, char *echo, size_t length)
{
    // LEVEL 2
    for (size_t done = 0; done < length;) {
        ssize_t received = recv(server, echo + done, length - done, 0);
        if (received == -1)
            sys_error("recv");
        if (received == 0)
            fatal("the server closed the connection before it replied");
        done += (size_t)received;
    }
    // END
}

/* Sends QUIT, which has no echo, and waits until the server closes the connection. */
static void quit(int server)
{
    // LEVEL 2
    if (!send_all(server, QUIT, QUIT_SIZE))
        sys_error("send");
    log_text("client: sent", QUIT, QUIT_SIZE);
    char bytes[READ_SIZE];
    ssize_t received;
    do
        received = recv(server, bytes, sizeof bytes, 0);
    while (received > 0);
    if (received == -1)
        sys_error("recv");
    // END
}
