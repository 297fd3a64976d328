/*
 * client_udp.c - a UDP client: sends each line as a datagram, and waits a while for its echo.
 *
 * Usage: client_udp [HOST [PORT]]
 *
 * A datagram may be lost, and nobody tells. So the wait for the echo has a limit, and then
 * the line is sent once more: the server may get it twice. What never came back is told, and
 * makes the exit code 1. An empty line is a datagram of 0 bytes, which is no end of anything.
 *
 * Its twin: ../win32/client_udp.c. To try: client_udp with no server; with server_udp.
 */
#define PROGRAM "client"

#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static bool is_port(const char *text);
static int connect_to(const char *host, const char *port);
static bool exchange(int server, const char *line, size_t length);
static long long milliseconds(void);
static bool await_echo(int server, const char *line, size_t length);

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

    /* STEP 2: Make a socket that talks to this address alone, and gives up a wait. */
    int server = connect_to(host, port);
    struct timeval limit = {.tv_sec = UDP_TIMEOUT / 1000,
                            .tv_usec = UDP_TIMEOUT % 1000 * 1000};
    if (setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == -1)
        fail("setsockopt");

    bool complete = true;
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while ((length = getline(&line, &room, stdin)) != -1) {
        /* STEP 3: Take a line, without its end. */
        if (line[length - 1] == '\n' && --length > 0 && line[length - 1] == '\r')
            length--;

        /* STEP 4: Send it, and wait for the echo; if none comes, once more. */
        if (!exchange(server, line, (size_t)length))
            complete = false;
    }
    if (ferror(stdin))
        fail("getline");
    free(line);

    /* STEP 5: Close the socket. The server does not learn of it: there is no connection. */
    if (close(server) == -1)
        fail("close");
    say(stdout, "client: done");
    return complete ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool is_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && port >= 1 && port <= 65535;
}

/* A socket for datagrams to and from `port` of `host`. connect() sends nothing here: it notes
 * the address, and from then on the system drops what comes from any other. */
static int connect_to(const char *host, const char *port)
{
    struct addrinfo *list,
        hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
    int error = getaddrinfo(host, port, &hints, &list);
    if (error != 0) {
        say(stderr, PROGRAM ": getaddrinfo: error %d: %s", error, gai_strerror(error));
        exit(EXIT_FAILURE);
    }
    int server = -1;
    for (struct addrinfo *address = list; address != NULL && server == -1;
         address = address->ai_next) {
        server = socket(address->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
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

/* Sends a line as a datagram, and again if no echo comes. Returns whether one came. */
static bool exchange(int server, const char *line, size_t length)
{
    char *text = quoted(line, length);
    bool echoed = false;
    for (int attempt = 1; attempt <= UDP_ATTEMPTS && !echoed; attempt++) {
        /* ECONNREFUSED is news of an earlier datagram, which found nobody. With it this one
         * has not gone: send it all the same. */
        while (send(server, line, length, 0) == -1)
            if (errno != ECONNREFUSED)
                fail("send");
        say(stdout, "client: sent %s", text);
        echoed = await_echo(server, line, length);
    }
    say(stdout, echoed ? "client: received %s" : "client: no reply to %s", text);
    free(text);
    return echoed;
}

static long long milliseconds(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) == -1)
        fail("clock_gettime");
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Waits for the echo. What comes and is not it belongs to an earlier line. */
static bool await_echo(int server, const char *line, size_t length)
{
    static char bytes[MAX_DATAGRAM];
    long long end = milliseconds() + UDP_TIMEOUT;
    for (;;) {
        ssize_t received = recv(server, bytes, sizeof bytes, 0);
        if (received == -1 && (errno == EAGAIN || errno == ECONNREFUSED))
            return false;
        if (received == -1 && errno == EINTR)
            continue; /* with a limit recv() ends so when the process was stopped (Ctrl-Z) */
        if (received == -1)
            fail("recv");
        if ((size_t)received == length && memcmp(bytes, line, length) == 0)
            return true;
        if (milliseconds() >= end)
            return false; /* else somebody who keeps sending would keep us here */
    }
}
