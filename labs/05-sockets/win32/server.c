/*
 * server.c - a TCP server with a thread for each client: every byte goes back, in order.
 *
 * Usage: server [PORT [ADDRESS]]
 *
 * Listens on PORT (5050; 0 is any free one) of ADDRESS (127.0.0.1): ::1 is the same machine
 * by IPv6, 0.0.0.0 all of this machine's IPv4 addresses, :: all it has. The bytes QUIT alone
 * end the client's session. Ctrl-C ends the server; exit code 0.
 *
 * Mirrors listing 10 of the report. Its twin: ../unix/server.c. Other ways to do the same:
 * server_select.c, server_eventselect.c, server_asyncselect.c, server_overlapped.c,
 * server_handoff.c.
 * To try: server 0; server 5050 ::; the client in two other windows.
 */
#define PROGRAM "server"

#include <winsock2.h>
#include <ws2tcpip.h>
#include <errno.h>
#include <process.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* What a client's thread needs to know. Each client has one of its own: the listing gave all
 * threads the address of one variable, and the next client overwrote it. */
struct client {
    SOCKET socket;
    long number; /* counted from 1 */
};

/* How many clients are here, as far as the thread that accepts them has counted; and a unit
 * for each that has left, for it to count. */
static int here;
static HANDLE left;

static bool is_port(const wchar_t *text);
static BOOL WINAPI end_on_event(DWORD event);
static SOCKET listen_at(const wchar_t *host, const wchar_t *port);
static void await_departure(void);
static SOCKET accept_client(SOCKET listener);
static void start_thread(SOCKET socket, long number);
static unsigned __stdcall serve_client(void *argument);
static void end_session(struct client *client);
static bool send_all(SOCKET socket, const char *bytes, int length);

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
    left = CreateSemaphoreW(NULL, 0, MAX_CLIENTS, NULL);
    if (left == NULL)
        fail("CreateSemaphore");

    /* STEP 3: Make the socket that listens, and tell where: clients can connect from now. */
    SOCKET listener = listen_at(host, port);

    /* STEP 4: Accept one client after the other, and give each a thread of its own, so that
     * none waits for another. */
    for (long number = 1;; number++) {
        while (WaitForSingleObject(left, 0) == WAIT_OBJECT_0)
            here--;
        if (here == MAX_CLIENTS)
            await_departure();
        start_thread(accept_client(listener), number);
        here++;
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

/* A socket that listens on `port` of our address `host`. Prints where that is. */
static SOCKET listen_at(const wchar_t *host, const wchar_t *port)
{
    ADDRINFOW *address, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    int error = GetAddrInfoW(host, port, &hints, &address);
    if (error != 0)
        fail_with((DWORD)error, "GetAddrInfo");
    SOCKET listener = socket(address->ai_family, SOCK_STREAM, 0);
    if (listener == INVALID_SOCKET)
        fail_with((DWORD)WSAGetLastError(), "socket");

    /* Connections that were closed do not hold the port on Windows. What SO_REUSEADDR allows
     * there is to take a port from a server that still listens on it: this option refuses
     * that to everyone. Its price: a connection that lives on keeps the port, too. */
    DWORD yes = 1, no = 0;
    if (setsockopt(listener, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (char *)&yes, sizeof yes) ==
        SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "setsockopt");
    /* ADDRESS :: is to mean IPv4 too, which is not the default here. */
    if (address->ai_family == AF_INET6 &&
        setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&no, sizeof no) ==
            SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "setsockopt");
    if (bind(listener, address->ai_addr, (int)address->ai_addrlen) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "bind");
    FreeAddrInfoW(address);
    if (listen(listener, SOMAXCONN) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "listen");

    /* Where we are bound tells the system: PORT may have been 0. */
    SOCKADDR_STORAGE bound = {0};
    int size = sizeof bound;
    wchar_t text[ADDRESS_ROOM];
    DWORD room = ADDRESS_ROOM;
    if (getsockname(listener, (SOCKADDR *)&bound, &size) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "getsockname");
    if (WSAAddressToStringW((SOCKADDR *)&bound, (DWORD)size, NULL, text, &room) ==
        SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "WSAAddressToString");
    say(stdout, "server: ready %ls", text);
    return listener;
}

/* Waits until a client has left. Who comes meanwhile waits in the listener's queue. */
static void await_departure(void)
{
    say(stderr, "server: full with %d clients: the next has to wait", here);
    if (WaitForSingleObject(left, INFINITE) == WAIT_FAILED)
        fail("WaitForSingleObject");
    here--;
}

/* Waits for a client. A connection that was reset while it waited in the queue is none. Where
 * there is no room for the next, those who are here go on, and it waits for one of them to
 * leave. */
static SOCKET accept_client(SOCKET listener)
{
    SOCKET client;
    while ((client = accept(listener, NULL, NULL)) == INVALID_SOCKET) {
        int error = WSAGetLastError();
        if (here > 0 && (error == WSAEMFILE || error == WSAENOBUFS)) {
            say(stderr, PROGRAM ": accept: error %d", error);
            await_departure();
        } else if (error != WSAECONNRESET) {
            fail_with((DWORD)error, "accept");
        }
    }
    return client;
}

static void start_thread(SOCKET socket, long number)
{
    struct client *client = malloc(sizeof *client);
    if (client == NULL)
        fail_with(ERROR_OUTOFMEMORY, "malloc");
    *client = (struct client){.socket = socket, .number = number};
    say(stdout, "server: client %ld connected", number);

    HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, serve_client, client, 0, NULL);
    if (thread == NULL) { /* no room for a thread: this client has to go, and no other */
        say(stderr, PROGRAM ": _beginthreadex: error %d: %s", errno, strerror(errno));
        if (closesocket(client->socket) == SOCKET_ERROR)
            fail_with((DWORD)WSAGetLastError(), "closesocket");
        end_session(client);
        return;
    }
    if (!CloseHandle(thread)) /* nobody waits for its end */
        fail("CloseHandle");
}

/* The thread of one client, from its first byte to its last. */
static unsigned __stdcall serve_client(void *argument)
{
    struct client *client = argument;

    /* STEP 5: Receive what has come: part of what the client sent, or all, or more than one
     * piece. 0 bytes mean that it will send no more. */
    char bytes[READ_SIZE];
    int length;
    while ((length = recv(client->socket, bytes, sizeof bytes, 0)) > 0) {
        char *text = quoted(bytes, (size_t)length);
        say(stdout, "server: received %s", text);
        free(text);
        if (length == QUIT_SIZE && memcmp(bytes, QUIT, QUIT_SIZE) == 0)
            break;

        /* STEP 6: Send it back. While the client takes nothing we stand here, and receive
         * nothing from it: so what it can make us keep is this buffer. */
        if (!send_all(client->socket, bytes, length)) {
            length = SOCKET_ERROR;
            break;
        }
    }
    if (length == SOCKET_ERROR)
        say(stderr, PROGRAM ": client %ld: error %d", client->number, WSAGetLastError());

    /* STEP 7: Close the connection, by which the client learns that all has been said. */
    if (closesocket(client->socket) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "closesocket");
    end_session(client);
    return 0;
}

/* The client has left: says so, to the thread that accepts, too. */
static void end_session(struct client *client)
{
    say(stdout, "server: client %ld left", client->number);
    free(client);
    if (!ReleaseSemaphore(left, 1, NULL))
        fail("ReleaseSemaphore");
}

/* Sends all of `bytes`, in as many calls as it takes. Returns whether it could. */
static bool send_all(SOCKET socket, const char *bytes, int length)
{
    for (int done = 0; done < length;) {
        int sent = send(socket, bytes + done, length - done, 0);
        if (sent == SOCKET_ERROR)
            return false;
        done += sent;
    }
    return true;
}
