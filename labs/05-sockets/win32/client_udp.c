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
 * Counterpart: ../unix/client_udp.c. To try: client_udp without a server; with
 * server_udp.
 */
#include <winsock2.h> /* must come before windows.h */
#include <ws2tcpip.h>

#include "contract.h"
#include "ipclab.h"

static SOCKET connect_to(const char *host, const char *port);
static bool exchange(SOCKET server, const char *line, size_t length);
static bool await_echo(SOCKET server, const char *line, size_t length);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: to which server to send. */
    begin_program("client", "[HOST [PORT]]", &argv);
    if (argc > 3)
        usage_exit();
    const char *host = argc > 1 ? argv[1] : DEFAULT_HOST;
    const char *port = argc > 2 ? argv[2] : DEFAULT_PORT;
    parse_long("PORT", port, 1, MAX_PORT);

    /* STEP 2: Load Winsock, create a socket for this address only, and limit how long
     * recv() blocks. */
    WSADATA data;
    int error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        sys_error_number("WSAStartup", error);
    SOCKET server = connect_to(host, port);
    /* By Microsoft's documentation the state of a connection is not known after a
     * timeout. For datagrams that does not matter: they are sent again. */
    DWORD limit = UDP_TIMEOUT;
    if (setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, (char *)&limit, sizeof limit) ==
        SOCKET_ERROR)
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
    if (closesocket(server) == SOCKET_ERROR)
        sys_error("closesocket");
    log_event("client: done");
    return complete ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Returns a socket for datagrams to and from `port` of `host`. connect() sends
 * nothing here: it sets the address, and the system then drops datagrams from any
 * other. So it hardly ever fails: of a name with several addresses the first is used,
 * whether or not a server is there. */
static SOCKET connect_to(const char *host, const char *port)
{
    struct addrinfo *list, hints = {.ai_socktype = SOCK_DGRAM};
    int error = getaddrinfo(host, port, &hints, &list);
    if (error != 0)
        sys_error_number("getaddrinfo", error);
    SOCKET server = INVALID_SOCKET;
    for (struct addrinfo *address = list; address != NULL && server == INVALID_SOCKET;
         address = address->ai_next) {
        server = socket(address->ai_family, SOCK_DGRAM, 0);
        if (server == INVALID_SOCKET) {
            error = WSAGetLastError();
        } else if (connect(server, address->ai_addr, (int)address->ai_addrlen) ==
                   SOCKET_ERROR) {
            error = WSAGetLastError();
            closesocket(server);
            server = INVALID_SOCKET;
        }
    }
    if (server == INVALID_SOCKET)
        sys_error_number("connect", error);
    freeaddrinfo(list);
    return server;
}

/* Sends a line as a datagram, and again if no echo comes. Returns whether one came. */
static bool exchange(SOCKET server, const char *line, size_t length)
{
    char *text = quoted(line, length);
    bool echoed = false;
    for (int attempt = 1; attempt <= UDP_ATTEMPTS && !echoed; attempt++) {
        /* WSAECONNRESET reports that no program received an earlier datagram. This one
         * was not sent: send it again. */
        while (send(server, line, (int)length, 0) == SOCKET_ERROR)
            if (WSAGetLastError() != WSAECONNRESET)
                sys_error("send");
        log_event("client: sent %s", text);
        echoed = await_echo(server, line, length);
    }
    log_event(echoed ? "client: received %s" : "client: no reply to %s", text);
    free(text);
    return echoed;
}

/* Waits for the echo. Any other datagram is the late echo of an earlier line. */
static bool await_echo(SOCKET server, const char *line, size_t length)
{
    static char bytes[MAX_DATAGRAM];
    ULONGLONG end = GetTickCount64() + UDP_TIMEOUT;
    for (;;) {
        int received = recv(server, bytes, sizeof bytes, 0);
        /* WSAECONNRESET reports that no program received the datagram. */
        if (received == SOCKET_ERROR &&
            (WSAGetLastError() == WSAETIMEDOUT || WSAGetLastError() == WSAECONNRESET))
            return false;
        if (received == SOCKET_ERROR)
            sys_error("recv");
        if ((size_t)received == length && memcmp(bytes, line, length) == 0)
            return true;
        if (GetTickCount64() >= end)
            return false; /* otherwise a server that sends without end would block this program */
    }
}
