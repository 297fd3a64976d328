/*
 * server_udp.c - a UDP server: every datagram goes back to where it came from.
 *
 * Usage: server_udp [PORT [ADDRESS]]
 *
 * A datagram is a message: it comes whole, or not at all, and one receives one. There are no
 * connections, so one socket, and one thread, serve everybody, and nobody is ever served so
 * slowly that others wait. Ctrl-C, or SIGTERM, ends it; exit code 0.
 *
 * Its twin: ../win32/server_udp.c. To try: server_udp 0; nc -u 127.0.0.1 PORT.
 */
#define PROGRAM "server"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
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
static void end_on_signal(void);
static void *wait_for_signal(void *argument);
static int bind_to(const char *host, const char *port);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: the port, and at which of our addresses. */
    if (argc > 3 || (argc > 1 && !is_port(argv[1]))) {
        say(stderr, "usage: server [PORT [ADDRESS]], PORT from 0 to 65535");
        return 2;
    }
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    const char *host = argc > 2 ? argv[2] : DEFAULT_HOST;

    /* STEP 2: Prepare for Ctrl-C. */
    end_on_signal();

    /* STEP 3: Make the socket and bind it to the port. There is nothing to listen for. */
    int socket = bind_to(host, port);
    for (;;) {
        /* STEP 4: Receive one datagram, and the address that it came from. What does not fit
         * into the buffer would be lost, so the buffer takes the largest there is. */
        static char bytes[MAX_DATAGRAM];
        struct sockaddr_storage sender;
        socklen_t size = sizeof sender;
        ssize_t length = recvfrom(socket, bytes, sizeof bytes, 0,
                                  (struct sockaddr *)&sender, &size);
        if (length == -1)
            fail("recvfrom");
        char *text = quoted(bytes, (size_t)length);
        say(stdout, "server: received %s", text);
        free(text);

        /* STEP 5: Send it back. An error is no reason to end: a datagram may be lost on any
         * way, and this is one of them. */
        if (sendto(socket, bytes, (size_t)length, 0, (struct sockaddr *)&sender, size) ==
            -1)
            say(stderr, PROGRAM ": sendto: error %d: %s", errno, strerror(errno));
    }
}

static bool is_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && port <= 65535;
}

/* From now on Ctrl-C and SIGTERM end the program in order. A thread waits for them, because
 * a handler may do almost nothing: not even print. */
static void end_on_signal(void)
{
    static sigset_t signals; /* blocked here, and so in every thread that starts later */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_t thread;
    int error = pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (error != 0)
        fail_with(error, "pthread_sigmask");
    error = pthread_create(&thread, NULL, wait_for_signal, &signals);
    if (error == 0)
        error = pthread_detach(thread);
    if (error != 0)
        fail_with(error, "pthread_create");
}

static void *wait_for_signal(void *argument)
{
    int number;
    int error = sigwait(argument, &number);
    if (error != 0)
        fail_with(error, "sigwait");
    silence_others(); /* no other thread prints after this line, or while exit() does */
    say(stdout, "server: done");
    exit(EXIT_SUCCESS);
}

/* A socket for datagrams to `port` of our address `host`. Prints where that is. */
static int bind_to(const char *host, const char *port)
{
    struct addrinfo *address,
        hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int error = getaddrinfo(host, port, &hints, &address);
    if (error != 0) {
        say(stderr, PROGRAM ": getaddrinfo: error %d: %s", error, gai_strerror(error));
        exit(EXIT_FAILURE);
    }
    int bound_socket = socket(address->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bound_socket == -1)
        fail("socket");

    int no = 0;
    /* ADDRESS :: is to mean IPv4 too, whatever the machine's default is. */
    if (address->ai_family == AF_INET6 &&
        setsockopt(bound_socket, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no) == -1)
        fail("setsockopt");
    if (bind(bound_socket, address->ai_addr, address->ai_addrlen) == -1)
        fail("bind");
    freeaddrinfo(address);

    /* Where we are bound tells the system: PORT may have been 0. */
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    if (getsockname(bound_socket, (struct sockaddr *)&bound, &size) == -1)
        fail("getsockname");
    char name[NI_MAXHOST], number[NI_MAXSERV];
    error = getnameinfo((struct sockaddr *)&bound, size, name, sizeof name, number,
                        sizeof number, NI_NUMERICHOST | NI_NUMERICSERV);
    if (error != 0) {
        say(stderr, PROGRAM ": getnameinfo: error %d: %s", error, gai_strerror(error));
        exit(EXIT_FAILURE);
    }
    say(stdout,
        bound.ss_family == AF_INET6 ? "server: ready [%s]:%s" : "server: ready %s:%s",
        name, number);
    return bound_socket;
}
