/*
 * server_select.c - a TCP server in one thread, which waits for all its clients in select().
 *
 * Usage: server_select [PORT [ADDRESS]]
 *
 * An fd_set of Winsock is a list of sockets, with room for FD_SETSIZE of them: 64, unless the
 * program defines more before it includes winsock2.h. FD_SET() leaves out what finds no room,
 * without a word. One place is the listener's; who finds none waits in the listener's queue.
 *
 * The contract is that of server.c. Another way: server_eventselect.c.
 * Its twin: ../unix/server_select.c, where a set is a map of bits, and its limit another.
 * To try: server_select 0, and 64 clients
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

/* As many clients fit into a set beside the listener. */
#define MOST_CLIENTS (FD_SETSIZE - 1)

/* One client: its socket, and the echo that it has not taken yet. */
struct client {
    SOCKET socket;
    long number; /* counted from 1 */
    int length, sent;
    char bytes[READ_SIZE];
};

/* Whether there is no room for one more client: up to the next that leaves. */
static bool crowded;

static bool is_port(const wchar_t *text);
static BOOL WINAPI end_on_event(DWORD event);
static SOCKET listen_at(const wchar_t *host, const wchar_t *port);
static struct client *accept_client(SOCKET listener, bool alone);
static bool serve(struct client *client);
static bool goes_on(const struct client *client);
static void release(struct client *client);

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

    /* STEP 3: Make the socket that listens, and tell where: clients can connect from now. */
    SOCKET listener = listen_at(host, port);
    /* It does not block: the client that woke us may have gone again when we accept it. The
     * clients' sockets inherit that. */
    u_long nonblocking = 1;
    if (ioctlsocket(listener, FIONBIO, &nonblocking) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "ioctlsocket");

    static struct client *clients[MOST_CLIENTS];
    int count = 0;
    bool was_full = false;
    for (;;) {
        /* STEP 4: Wait until somebody is ready. select() overwrites its sets, so they are
         * filled anew each time. Its first argument means nothing to Winsock. */
        fd_set readable, writable;
        FD_ZERO(&readable);
        FD_ZERO(&writable);
        bool full = count == MOST_CLIENTS || crowded;
        if (full && !was_full)
            say(stderr, "server: full with %d clients: the next has to wait", count);
        was_full = full;
        if (!full)
            FD_SET(listener, &readable);
        for (int i = 0; i < count; i++) {
            if (clients[i]->sent < clients[i]->length)
                FD_SET(clients[i]->socket, &writable);
            else
                FD_SET(clients[i]->socket, &readable);
        }
        if (select(0, &readable, &writable, NULL, NULL) == SOCKET_ERROR)
            fail_with((DWORD)WSAGetLastError(), "select");

        /* STEP 5: Serve the clients that are ready, and take in a new one. The last of the
         * list takes the place of one that leaves. */
        for (int i = count; i-- > 0;)
            if ((FD_ISSET(clients[i]->socket, &readable) ||
                 FD_ISSET(clients[i]->socket, &writable)) &&
                !serve(clients[i])) {
                release(clients[i]);
                clients[i] = clients[--count];
            }
        if (!full && FD_ISSET(listener, &readable)) {
            clients[count] = accept_client(listener, count == 0);
            if (clients[count] != NULL)
                count++;
        }
    }
    /* Nothing is left to do here: Ctrl-C ends the program, in a thread of its own. */
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

/* Accepts a client that waits. Returns NULL where there is none (any more). */
static struct client *accept_client(SOCKET listener, bool alone)
{
    static long number;
    SOCKET socket = accept(listener, NULL, NULL);
    if (socket == INVALID_SOCKET) {
        int error = WSAGetLastError();
        crowded = !alone && (error == WSAEMFILE || error == WSAENOBUFS);
        if (crowded)
            say(stderr, PROGRAM ": accept: error %d", error);
        else if (error != WSAEWOULDBLOCK && error != WSAECONNRESET)
            fail_with((DWORD)error, "accept");
        return NULL;
    }
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        fail_with(ERROR_OUTOFMEMORY, "calloc");
    client->socket = socket;
    client->number = ++number;
    say(stdout, "server: client %ld connected", client->number);
    return client;
}

/* Closes the connection and frees what belongs to it. */
static void release(struct client *client)
{
    if (closesocket(client->socket) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "closesocket");
    say(stdout, "server: client %ld left", client->number);
    free(client);
    crowded = false;
}

/* Does for a client what can be done without waiting. Returns whether it is still there. */
static bool serve(struct client *client)
{
    /* STEP 6: Receive, if the echo of what came before has gone. So a client that takes no
     * echoes is not read from either, and TCP tells it to wait. */
    if (client->sent == client->length) {
        int length = recv(client->socket, client->bytes, sizeof client->bytes, 0);
        if (length <= 0)
            return length == SOCKET_ERROR && goes_on(client);
        client->length = length;
        client->sent = 0;
        char *text = quoted(client->bytes, (size_t)length);
        say(stdout, "server: received %s", text);
        free(text);
        if (length == QUIT_SIZE && memcmp(client->bytes, QUIT, QUIT_SIZE) == 0)
            return false;
    }

    /* STEP 7: Send back as much as the socket takes; the rest when it takes more. */
    int sent = send(client->socket, client->bytes + client->sent,
                    client->length - client->sent, 0);
    if (sent == SOCKET_ERROR)
        return goes_on(client);
    client->sent += sent;
    return true;
}

/* Whether the call that failed had only to wait. If not, the client has gone; says why. */
static bool goes_on(const struct client *client)
{
    if (WSAGetLastError() == WSAEWOULDBLOCK)
        return true;
    say(stderr, PROGRAM ": client %ld: error %d", client->number, WSAGetLastError());
    return false;
}
