/*
 * server_overlapped.c - a TCP server in one thread, whose calls complete behind its back.
 *
 * Usage: server_overlapped [PORT [ADDRESS]]
 *
 * An overlapped WSARecv or WSASend returns at once, and Windows does the work. When it is done
 * a function of the program is called, the completion routine, in the thread that asked, and
 * only while that thread waits and says that it may be interrupted (an alertable wait). The
 * program never asks whether a socket is ready: it says what it wants, and is told when it has
 * it.
 *
 * The contract is that of server.c. The same without routines, for
 * many threads: lab 06.
 * To try: server_overlapped 0
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

/* One client, and the one operation on its socket that is under way. The system and the
 * routines know a client by the address of its operation, which stands first in it. */
struct client {
    WSAOVERLAPPED operation;
    SOCKET socket;
    long number; /* counted from 1 */
    DWORD length, sent;
    char bytes[READ_SIZE];
};

static int count; /* of the clients that are here */

/* Whether there is no room for one more client: up to the next that leaves. */
static bool crowded;

static bool is_port(const wchar_t *text);
static BOOL WINAPI end_on_event(DWORD event);
static SOCKET listen_at(const wchar_t *host, const wchar_t *port);
static void accept_next(SOCKET listener, WSAEVENT event, bool *waiting);
static void ask_for_event(SOCKET socket, WSAEVENT event, long interest);
static struct client *accept_client(SOCKET listener);
static void receive(struct client *client);
static void CALLBACK received(DWORD error, DWORD length, WSAOVERLAPPED *operation,
                              DWORD flags);
static void send_rest(struct client *client);
static void CALLBACK sent(DWORD error, DWORD length, WSAOVERLAPPED *operation,
                          DWORD flags);
static bool is_under_way(int result);
static void lose(struct client *client, int error);
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

    /* STEP 3: Make the socket that listens, and ask for its event, by which it no longer
     * blocks: the client that woke us may have gone again when we accept it. */
    SOCKET listener = listen_at(host, port);
    WSAEVENT event = WSACreateEvent();
    if (event == WSA_INVALID_EVENT)
        fail_with((DWORD)WSAGetLastError(), "WSACreateEvent");
    ask_for_event(listener, event, FD_ACCEPT);

    bool waiting = false; /* clients in the listener's queue, as far as is known */
    for (;;) {
        /* STEP 4: Wait, alertably: for a client that comes, and meanwhile for every operation
         * that completes. The routines run inside this call, one after the other. */
        DWORD result = WSAWaitForMultipleEvents(1, &event, FALSE, WSA_INFINITE, TRUE);
        if (result == WSA_WAIT_FAILED)
            fail_with((DWORD)WSAGetLastError(), "WSAWaitForMultipleEvents");

        /* STEP 5: Take in those who wait, if there is room for them, and begin to receive. */
        if (result == WSA_WAIT_EVENT_0) {
            WSANETWORKEVENTS happened; /* asked for, which resets the event */
            if (WSAEnumNetworkEvents(listener, event, &happened) == SOCKET_ERROR)
                fail_with((DWORD)WSAGetLastError(), "WSAEnumNetworkEvents");
            waiting |= happened.lNetworkEvents != 0;
        }
        accept_next(listener, event, &waiting);
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

/* Takes in a client that waits, if there is a place. When none has waited the listener's
 * event is asked for anew: Wine 8 may tell of a client that was accepted already, and after an
 * accept() that finds none tells of no other. On Windows any accept() renews the telling. */
static void accept_next(SOCKET listener, WSAEVENT event, bool *waiting)
{
    if (*waiting && count < MAX_CLIENTS && !crowded) {
        struct client *client = accept_client(listener);
        *waiting = crowded;
        if (crowded)
            return;
        if (client == NULL) {
            ask_for_event(listener, event, FD_ACCEPT);
            return;
        }
        if (++count == MAX_CLIENTS)
            say(stderr, "server: full with %d clients: the next has to wait",
                MAX_CLIENTS);
        receive(client);
    }
}

static void ask_for_event(SOCKET socket, WSAEVENT event, long interest)
{
    if (WSAEventSelect(socket, event, interest) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "WSAEventSelect");
}

/* Accepts a client that waits. Returns NULL where there is none (any more). */
static struct client *accept_client(SOCKET listener)
{
    static long number;
    SOCKET socket = accept(listener, NULL, NULL);
    if (socket == INVALID_SOCKET) {
        int error = WSAGetLastError();
        crowded = count > 0 && (error == WSAEMFILE || error == WSAENOBUFS);
        if (crowded)
            say(stderr, PROGRAM ": accept: error %d", error);
        else if (error != WSAEWOULDBLOCK && error != WSAECONNRESET)
            fail_with((DWORD)error, "accept");
        return NULL;
    }
    ask_for_event(socket, NULL, 0); /* what it has inherited from the listener */
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
    count--;
}

/* STEP 6: Begin to receive. The bytes arrive in the client's own buffer, and it must stay
 * where it is until received() has been called. */
static void receive(struct client *client)
{
    WSABUF buffer = {.len = sizeof client->bytes, .buf = client->bytes};
    DWORD flags = 0;
    client->operation = (WSAOVERLAPPED){0};
    if (!is_under_way(WSARecv(client->socket, &buffer, 1, NULL, &flags,
                              &client->operation, received)))
        lose(client, WSAGetLastError());
}

static void CALLBACK received(DWORD error, DWORD length, WSAOVERLAPPED *operation,
                              DWORD flags)
{
    (void)flags;
    struct client *client = (struct client *)operation;
    if (error != 0) {
        lose(client, (int)error);
        return;
    }
    if (length == 0) {
        release(client);
        return;
    }
    char *text = quoted(client->bytes, length);
    say(stdout, "server: received %s", text);
    free(text);
    if (length == QUIT_SIZE && memcmp(client->bytes, QUIT, QUIT_SIZE) == 0) {
        release(client);
        return;
    }
    client->length = length;
    client->sent = 0;
    send_rest(client);
}

/* STEP 7: Begin to send back what has not been sent yet. Until it has gone nothing is
 * received: so a client that takes no echoes is told by TCP to wait. */
static void send_rest(struct client *client)
{
    WSABUF buffer = {.len = client->length - client->sent,
                     .buf = client->bytes + client->sent};
    client->operation = (WSAOVERLAPPED){0};
    if (!is_under_way(
            WSASend(client->socket, &buffer, 1, NULL, 0, &client->operation, sent)))
        lose(client, WSAGetLastError());
}

static void CALLBACK sent(DWORD error, DWORD length, WSAOVERLAPPED *operation,
                          DWORD flags)
{
    (void)flags;
    struct client *client = (struct client *)operation;
    if (error != 0) {
        lose(client, (int)error);
        return;
    }
    client->sent += length;
    if (client->sent < client->length)
        send_rest(client);
    else
        receive(client);
}

/* Whether the operation's routine will be called: it is pending, or has been done at once. */
static bool is_under_way(int result)
{
    return result != SOCKET_ERROR || WSAGetLastError() == WSA_IO_PENDING;
}

static void lose(struct client *client, int error)
{
    say(stderr, PROGRAM ": client %ld: error %d", client->number, error);
    release(client);
}
