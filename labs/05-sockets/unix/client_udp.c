/*
 * client_udp.c - a UDP client: sends each line as a datagram, and waits for its echo.
 *
 * Usage: client_udp [HOST [PORT]]
 *
 * A datagram can be lost, and no call reports it. So the wait for the echo has a limit,
 * and then the line is sent once more: the server may get it twice. A line without an
 * echo is reported, exit code 1. An empty line is a datagram of 0 bytes, which is not
 * the end of file.
 *
 * Counterpart: ../win32/client_udp.c. To try: client_udp without a server; with
 * server_udp.
 */
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "contract.h"
#include "ipclab.h"

static int connect_to(const char *host, const char *port);
static bool exchange(int server, const char *line, size_t length);
static long long milliseconds(void);
static bool await_echo(int server, const char *line, size_t length);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: to which server to send. */
    begin_program("client", "[HOST [PORT]]", &argv);
    if (argc > 3)
        usage_exit();
    const char *host = argc > 1 ? argv[1] : DEFAULT_HOST;
    const char *port = argc > 2 ? argv[2] : DEFAULT_PORT;
    parse_long("PORT", port, 1, MAX_PORT);

    /* STEP 2: Create a socket for this address only, and limit how long recv() blocks. */
    int server = connect_to(host, port);
    struct timeval limit = {.tv_sec = UDP_TIMEOUT / 1000,
                            .tv_usec = UDP_TIMEOUT % 1000 * 1000};
    if (setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == -1)
        sys_error("setsockopt");

    bool complete = true;
    char *line;
    size_t length;
    while ((line = read_line(&length)) != NULL) {
        /* STEP 3: Take a line, without its end. An empty one is sent, too. */
        /* STEP 4: Send it, and wait for the echo. If none comes, send it again. */
        if (!exchange(server, line, length))
            complete = false;
    }

    /* STEP 5: Close the socket. There is no connection, so the server is not informed. */
    if (close(server) == -1)
        sys_error("close");
    log_event("client: done");
    return complete ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Returns a socket for datagrams to and from `port` of `host`. connect() sends
 * nothing here: it sets the address, and the system then drops datagrams from any
 * other. So it hardly ever fails: of a name with several addresses the first is used,
 * whether or not a server is there. */
static int connect_to(const char *host, const char *port)
{
    struct addrinfo *list,
        hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
    int error = getaddrinfo(host, port, &hints, &list);
    if (error != 0)
        fatal("getaddrinfo: error %d: %s", error, gai_strerror(error));
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
        sys_error("connect");
    freeaddrinfo(list);
    return server;
}

/* Sends a line as a datagram, and again if no echo comes. Returns whether one came. */
static bool exchange(int server, const char *line, size_t length)
{
    char *text = quoted(line, length);
    bool echoed = false;
    for (int attempt = 1; attempt <= UDP_ATTEMPTS && !echoed; attempt++) {
        /* ECONNREFUSED reports that no program received an earlier datagram. This one was
         * not sent: send it again. */
        while (send(server, line, length, 0) == -1)
            if (errno != ECONNREFUSED)
                sys_error("send");
        log_event("client: sent %s", text);
        echoed = await_echo(server, line, length);
    }
    log_event(echoed ? "client: received %s" : "client: no reply to %s", text);
    free(text);
    return echoed;
}

static long long milliseconds(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) == -1)
        sys_error("clock_gettime");
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Waits for the echo. Any other datagram is the late echo of an earlier line. */
static bool await_echo(int server, const char *line, size_t length)
{
    static char bytes[MAX_DATAGRAM];
    long long end = milliseconds() + UDP_TIMEOUT;
    for (;;) {
        ssize_t received = recv(server, bytes, sizeof bytes, 0);
        if (received == -1 && (errno == EAGAIN || errno == ECONNREFUSED))
            return false;
        if (received == -1 && errno == EINTR)
            continue; /* recv() with a limit fails so if the process was stopped (Ctrl-Z) */
        if (received == -1)
            sys_error("recv");
        if ((size_t)received == length && memcmp(bytes, line, length) == 0)
            return true;
        if (milliseconds() >= end)
            return false; /* otherwise a server that sends without end would block this program */
    }
}
