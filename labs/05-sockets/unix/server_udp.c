/*
 * server_udp.c - a UDP server: sends every datagram back to its sender.
 *
 * Usage: server_udp [PORT [ADDRESS]]
 *
 * A datagram is a message: it comes whole, or not at all, and one recvfrom() returns
 * one. There are no connections: one socket and one thread serve all clients, and no
 * client makes another wait. Ctrl-C or SIGTERM ends the server, exit code 0.
 *
 * If ADDRESS is 0.0.0.0 or ::, the system chooses the address from which the echo is
 * sent. It can be another one than the datagram was sent to, and client_udp then drops
 * the echo (README.md, experiment 13). IP_PKTINFO and sendmsg() can set it.
 *
 * Counterpart: ../win32/server_udp.c. To try: server_udp 0, and nc -u 127.0.0.1 PORT.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "contract.h"
#include "ipclab.h"

static int bind_to(const char *host, const char *port);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: on which port and address to listen. */
    begin_program("server", "[PORT [ADDRESS]]", &argv);
    if (argc > 3)
        usage_exit();
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    const char *host = argc > 2 ? argv[2] : DEFAULT_HOST;
    parse_long("PORT", port, 0, MAX_PORT);

    /* STEP 2: Prepare for Ctrl-C. */
    end_on_interrupt(NULL);

    /* STEP 3: Create the socket and bind it to the port. There are no connections, so
     * no listen(). */
    int socket = bind_to(host, port);
    log_event("server: ready %s", socket_address(socket));
    for (;;) {
        /* STEP 4: Receive one datagram, and its sender's address. What does not fit
         * into the buffer is lost, so the buffer has room for the largest. */
        static char bytes[MAX_DATAGRAM];
        struct sockaddr_storage sender;
        socklen_t size = sizeof sender;
        ssize_t length = recvfrom(socket, bytes, sizeof bytes, 0,
                                  (struct sockaddr *)&sender, &size);
        if (length == -1)
            sys_error("recvfrom");
        log_text("server: received", bytes, (size_t)length);

        /* STEP 5: Send it back. If that fails, go on: a datagram can be lost at any
         * time. */
        if (sendto(socket, bytes, (size_t)length, 0, (struct sockaddr *)&sender, size) ==
            -1)
            log_sys_error("sendto");
    }
}

/* Returns a socket for datagrams to `port` of this machine's address `host`. */
static int bind_to(const char *host, const char *port)
{
    struct addrinfo *address,
        hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int error = getaddrinfo(host, port, &hints, &address);
    if (error != 0)
        fatal("getaddrinfo: error %d: %s", error, gai_strerror(error));
    int bound_socket = socket(address->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bound_socket == -1)
        sys_error("socket");

    int no = 0;
    /* :: means IPv4 as well */
    if (address->ai_family == AF_INET6 &&
        setsockopt(bound_socket, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no) == -1)
        sys_error("setsockopt");
    if (bind(bound_socket, address->ai_addr, address->ai_addrlen) == -1)
        sys_error("bind");
    freeaddrinfo(address);
    return bound_socket;
}
