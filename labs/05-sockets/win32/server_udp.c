/*
 * server_udp.c - a UDP server: sends every datagram back to its sender.
 *
 * Usage: server_udp [PORT [ADDRESS]]
 *
 * A datagram is a message: it comes whole, or not at all, and one recvfrom() returns
 * one. There are no connections: one socket and one thread serve all clients, and no
 * client makes another wait. Ctrl-C ends the server, exit code 0.
 *
 * If ADDRESS is 0.0.0.0 or ::, the system chooses the address from which the echo is
 * sent. It can be another one than the datagram was sent to, and client_udp then drops
 * the echo (README.md, experiment 13). IP_PKTINFO and WSASendMsg can set it.
 *
 * Counterpart: ../unix/server_udp.c. To try: server_udp 0, and client_udp in another
 * window.
 */
#include <winsock2.h> /* must come before windows.h */
#include <ws2tcpip.h>

#include "contract.h"
#include "ipclab.h"

static SOCKET bind_to(const char *host, const char *port);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: on which port and address to listen. */
    begin_program("server", "[PORT [ADDRESS]]", &argv);
    if (argc > 3)
        usage_exit();
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    const char *host = argc > 2 ? argv[2] : DEFAULT_HOST;
    parse_long("PORT", port, 0, MAX_PORT);

    /* STEP 2: Load Winsock, version 2.2: sockets are in a library beside the system.
     * Prepare for Ctrl-C, too. */
    WSADATA data;
    int error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        sys_error_number("WSAStartup", error);
    end_on_interrupt(NULL);

    /* STEP 3: Create the socket and bind it to the port. There are no connections, so
     * no listen(). */
    SOCKET socket = bind_to(host, port);
    log_event("server: ready %s", socket_address(socket));
    for (;;) {
        /* STEP 4: Receive one datagram, and its sender's address. What does not fit
         * into the buffer is lost, so the buffer has room for the largest. */
        static char bytes[MAX_DATAGRAM];
        SOCKADDR_STORAGE sender;
        int size = sizeof sender;
        int length = recvfrom(socket, bytes, sizeof bytes, 0, (SOCKADDR *)&sender, &size);
        if (length == SOCKET_ERROR) {
            /* Windows reports here that no program received an earlier echo. */
            if (WSAGetLastError() == WSAECONNRESET || WSAGetLastError() == WSAENETRESET)
                continue;
            sys_error("recvfrom");
        }
        log_text("server: received", bytes, (size_t)length);

        /* STEP 5: Send it back. If that fails, go on: a datagram can be lost at any
         * time. */
        if (sendto(socket, bytes, length, 0, (SOCKADDR *)&sender, size) == SOCKET_ERROR)
            log_sys_error("sendto");
    }
}

/* Returns a socket for datagrams to `port` of this machine's address `host`. */
static SOCKET bind_to(const char *host, const char *port)
{
    struct addrinfo *address, hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_PASSIVE};
    int error = getaddrinfo(host, port, &hints, &address);
    if (error != 0)
        sys_error_number("getaddrinfo", error);
    SOCKET bound_socket = socket(address->ai_family, SOCK_DGRAM, 0);
    if (bound_socket == INVALID_SOCKET)
        sys_error("socket");

    /* Without it another program could take the port, by SO_REUSEADDR. */
    DWORD yes = 1, no = 0;
    if (setsockopt(bound_socket, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (char *)&yes,
                   sizeof yes) == SOCKET_ERROR)
        sys_error("setsockopt");
    /* :: means IPv4 as well */
    if (address->ai_family == AF_INET6 &&
        setsockopt(bound_socket, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&no, sizeof no) ==
            SOCKET_ERROR)
        sys_error("setsockopt");
    if (bind(bound_socket, address->ai_addr, (int)address->ai_addrlen) == SOCKET_ERROR)
        sys_error("bind");
    freeaddrinfo(address);
    return bound_socket;
}
