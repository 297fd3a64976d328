/*
 * client.c - a TCP client: sends the lines of its input, and waits for the echo of each.
 *
 * Usage: client [HOST [PORT]]
 *
 * Connects to PORT (5050) of HOST (127.0.0.1), a name or an address. Of a line its bytes are
 * sent, and no newline; an empty line has none. A line QUIT ends the session, and so does
 * the end of input; exit code 0. A server that cannot be reached, or closes first: 1.
 *
 * Mirrors listing 11 of the report. Its twin: ../win32/client.c.
 * To try: client; client localhost 7 </etc/passwd; printf 'one\ntwo\nQUIT\n' | client.
 */
#define PROGRAM "client"

#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static bool is_port(const char *text);
static int connect_to(const char *host, const char *port);
static void exchange(int server, char *line, size_t length);
static void send_all(int server, const char *bytes, size_t length);
static void receive_echo(int server, char *bytes, size_t length);
static void await_close(int server);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: whom to call. */
    if (argc > 3 || (argc > 2 && !is_port(argv[2]))) {
        say(stderr, "usage: client [HOST [PORT]], PORT from 1 to 65535");
        return 2;
    }
    const char *host = argc > 1 ? argv[1] : DEFAULT_HOST;
    const char *port = argc > 2 ? argv[2] : DEFAULT_PORT;

    /* STEP 2: Prepare for a server that vanishes: an error of send(), not our death. */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        fail("signal");

    /* STEP 3: Find the server's address, and connect. */
    int server = connect_to(host, port);

    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while ((length = getline(&line, &room, stdin)) != -1) {
        /* STEP 4: Take a line, of any length and with any bytes, but without its end. */
        if (line[length - 1] == '\n' && --length > 0 && line[length - 1] == '\r')
            length--;
        if (length == 0)
            continue; /* no bytes to send, and none to wait for */
        if (length == QUIT_SIZE && memcmp(line, QUIT, QUIT_SIZE) == 0) {
            send_all(server, QUIT, QUIT_SIZE);
            say(stdout, "client: sent \"" QUIT "\"");
            await_close(server);
            break;
        }

        /* STEP 5: Send it, and receive as many bytes as were sent: that is its echo. */
        exchange(server, line, (size_t)length);
    }
    if (length == -1 && ferror(stdin))
        fail("getline");
    free(line);

    /* STEP 6: Close the connection, by which the server learns that we are done. */
    if (close(server) == -1)
        fail("close");
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

static bool is_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && port >= 1 && port <= 65535;
}

/* A socket that is connected to `port` of `host`. A name may stand for several addresses,
 * of IPv6 and of IPv4, and the server may listen on one of them alone: each is tried. */
static int connect_to(const char *host, const char *port)
{
    struct addrinfo *list,
        hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int error = getaddrinfo(host, port, &hints, &list);
    if (error != 0) {
        say(stderr, PROGRAM ": getaddrinfo: error %d: %s", error, gai_strerror(error));
        exit(EXIT_FAILURE);
    }
    int server = -1;
    for (struct addrinfo *address = list; address != NULL && server == -1;
         address = address->ai_next) {
        server = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (server == -1)
            continue;
        if (connect(server, address->ai_addr, address->ai_addrlen) == -1) {
            error = errno;
            close(server);
            server = -1;
            errno = error;
        }
    }
    if (server == -1)
        fail("connect");
    freeaddrinfo(list);
    return server;
}

/* Sends a line and puts its echo in its place. */
static void exchange(int server, char *line, size_t length)
{
    char *sent = quoted(line, length);
    /* In pieces, and each only when the one before has come back: if a long line were sent
     * at a stretch, the server would wait for us to read, and we for the server. A line
     * that is longer than QUIT must not end in a piece that looks like it. */
    for (size_t done = 0, size; done < length; done += size) {
        size = length - done < PIECE_SIZE ? length - done : PIECE_SIZE;
        if (length - done - size == QUIT_SIZE)
            size--;
        send_all(server, line + done, size);
        if (done + size == length)
            say(stdout, "client: sent %s", sent);
        receive_echo(server, line + done, size);
    }
    free(sent);
    char *received = quoted(line, length);
    say(stdout, "client: received %s", received);
    free(received);
}

static void send_all(int server, const char *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t sent = send(server, bytes + done, length - done, 0);
        if (sent == -1)
            fail("send");
        done += (size_t)sent;
    }
}

/* Receives `length` bytes, in as many calls as it takes. */
static void receive_echo(int server, char *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t received = recv(server, bytes + done, length - done, 0);
        if (received == -1)
            fail("recv");
        if (received == 0) {
            say(stderr, "client: the server closed the connection before it replied");
            exit(EXIT_FAILURE);
        }
        done += (size_t)received;
    }
}

/* Waits until the server has closed the connection, which is its answer to QUIT. */
static void await_close(int server)
{
    char rest[READ_SIZE];
    ssize_t length;
    while ((length = recv(server, rest, sizeof rest, 0)) > 0)
        ;
    if (length == -1)
        fail("recv");
}
