/*
 * server_udp.c - a UDP server: every datagram goes back to where it came from.
 *
 * Usage: server_udp [PORT [ADDRESS]]
 *
 * A datagram is a message: it comes whole, or not at all, and one receives one. There are no
 * connections, so one socket, and one thread, serve everybody, and nobody is ever served so
 * slowly that others wait. Ctrl-C ends it; exit code 0.
 *
 * Its twin: ../unix/server_udp.c. To try: server_udp 0; client_udp in another window.
 */
#define PROGRAM "server"

#include <winsock2.h>
#include <ws2tcpip.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static bool is_port(const wchar_t *text);
static BOOL WINAPI end_on_event(DWORD event);
static SOCKET bind_to(const wchar_t *host, const wchar_t *port);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: the port, and at which of our addresses. */
    if (argc > 3 || (argc > 1 && !is_port(argv[1]))) {
        say(stderr, "usage: server [PORT [ADDRESS]], PORT from 0 to 65535");
        return 2;
    }
    const wchar_t *port = argc > 1 ? argv[1] : L"" DEFAULT_PORT;
    const wchar_t *host = argc > 2 ? argv[2] : L"" DEFAULT_HOST;

    /* STEP 2: Load Winsock, which is a library beside the system, in version 2.2, and prepare
     * for Ctrl-C. */
    WSADATA data;
    int error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        fail_with((DWORD)error, "WSAStartup");
    if (!SetConsoleCtrlHandler(end_on_event, TRUE))
        fail("SetConsoleCtrlHandler");

    /* STEP 3: Make the socket and bind it to the port. There is nothing to listen for. */
    SOCKET socket = bind_to(host, port);
    for (;;) {
        /* STEP 4: Receive one datagram, and the address that it came from. What does not fit
         * into the buffer would be lost, so the buffer takes the largest there is. */
        static char bytes[MAX_DATAGRAM];
        SOCKADDR_STORAGE sender;
        int size = sizeof sender;
        int length = recvfrom(socket, bytes, sizeof bytes, 0, (SOCKADDR *)&sender, &size);
        if (length == SOCKET_ERROR) {
            /* Windows tells here that an earlier echo found nobody at its address. */
            if (WSAGetLastError() == WSAECONNRESET || WSAGetLastError() == WSAENETRESET)
                continue;
            fail_with((DWORD)WSAGetLastError(), "recvfrom");
        }
        char *text = quoted(bytes, (size_t)length);
        say(stdout, "server: received %s", text);
        free(text);

        /* STEP 5: Send it back. An error is no reason to end: a datagram may be lost on any
         * way, and this is one of them. */
        if (sendto(socket, bytes, length, 0, (SOCKADDR *)&sender, size) == SOCKET_ERROR)
            say(stderr, PROGRAM ": sendto: error %d", WSAGetLastError());
    }
}

static bool is_port(const wchar_t *text)
{
    wchar_t *end;
    long port = wcstol(text, &end, 10);
    return *text >= L'0' && *text <= L'9' && *end == L'\0' && port <= 65535;
}

/* Ends the program in order on Ctrl-C, Ctrl-Break, and when the console is closed. Windows
 * calls this in a thread of its own, so it may do what any function may. */
static BOOL WINAPI end_on_event(DWORD event)
{
    (void)event;
    silence_others(); /* no other thread prints after this line */
    say(stdout, "server: done");
    ExitProcess(EXIT_SUCCESS);
}

/* A socket for datagrams to `port` of our address `host`. Prints where that is. */
static SOCKET bind_to(const wchar_t *host, const wchar_t *port)
{
    ADDRINFOW *address, hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_PASSIVE};
    int error = GetAddrInfoW(host, port, &hints, &address);
    if (error != 0)
        fail_with((DWORD)error, "GetAddrInfo");
    SOCKET bound_socket = socket(address->ai_family, SOCK_DGRAM, 0);
    if (bound_socket == INVALID_SOCKET)
        fail_with((DWORD)WSAGetLastError(), "socket");

    /* With SO_REUSEADDR somebody else could take the port from us: this refuses it. */
    DWORD yes = 1, no = 0;
    if (setsockopt(bound_socket, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (char *)&yes,
                   sizeof yes) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "setsockopt");
    /* ADDRESS :: is to mean IPv4 too, which is not the default here. */
    if (address->ai_family == AF_INET6 &&
        setsockopt(bound_socket, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&no, sizeof no) ==
            SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "setsockopt");
    if (bind(bound_socket, address->ai_addr, (int)address->ai_addrlen) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "bind");
    FreeAddrInfoW(address);

    /* Where we are bound tells the system: PORT may have been 0. */
    SOCKADDR_STORAGE bound = {0};
    int size = sizeof bound;
    wchar_t text[ADDRESS_ROOM];
    DWORD room = ADDRESS_ROOM;
    if (getsockname(bound_socket, (SOCKADDR *)&bound, &size) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "getsockname");
    if (WSAAddressToStringW((SOCKADDR *)&bound, (DWORD)size, NULL, text, &room) ==
        SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "WSAAddressToString");
    say(stdout, "server: ready %ls", text);
    return bound_socket;
}
