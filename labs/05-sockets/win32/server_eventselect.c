/*
 * server_eventselect.c - a TCP server in one thread, which waits for events of its sockets.
 *
 * Usage: server_eventselect [PORT [ADDRESS]]
 *
 * WSAEventSelect makes a socket set an event object when something happens to it; the program
 * waits for all events at once, as for any other objects of Windows. One wait takes 64, so 63
 * clients are served beside the listener, and more wait in its queue. The network events are
 * told once: FD_READ again after recv() if more is there, FD_WRITE after send() would have
 * blocked, FD_CLOSE never again.
 *
 * The contract is that of server.c. Another way: server_asyncselect.c.
 * To try: server_eventselect 0, and 64 clients
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

/* As many clients can be waited for beside the listener. */
#define MOST_CLIENTS (WSA_MAXIMUM_WAIT_EVENTS - 1)

/* One client: its socket, and the echo that it has not taken yet. */
struct client {
    SOCKET socket;
    long number; /* counted from 1 */
    bool ending; /* FD_CLOSE has come: what is still to be read is all there */
    int length, sent;
    char bytes[READ_SIZE];
};

/* The event objects, and whose they are. Number 0 is the listener's. */
static WSAEVENT events[1 + MOST_CLIENTS];
static struct client *clients[1 + MOST_CLIENTS];
static DWORD count;

/* Whether there is no room for one more client: up to the next that leaves. */
static bool crowded;

static bool is_port(const wchar_t *text);
static BOOL WINAPI end_on_event(DWORD event);
static SOCKET listen_at(const wchar_t *host, const wchar_t *port);
static void add(SOCKET socket, struct client *client, long interest);
static void ask_for_event(SOCKET socket, WSAEVENT event, long interest);
static void take_out(DWORD place);
static void accept_next(SOCKET listener, bool *waiting);
static struct client *accept_client(SOCKET listener);
static bool serve(struct client *client);
static bool flush(struct client *client);
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

    /* STEP 3: Make the socket that listens, and ask for its event, by which it no longer
     * blocks: the client that woke us may have gone again when we accept it. */
    SOCKET listener = listen_at(host, port);
    add(listener, NULL, FD_ACCEPT);

    bool waiting = false; /* clients in the listener's queue, as far as is known */
    for (;;) {
        /* STEP 4: Wait until an event is set. The wait tells the first; that others are not
         * always behind it, all from there on are looked at. */
        DWORD first = WSAWaitForMultipleEvents(count, events, FALSE, WSA_INFINITE, FALSE);
        if (first == WSA_WAIT_FAILED)
            fail_with((DWORD)WSAGetLastError(), "WSAWaitForMultipleEvents");

        /* STEP 5: Ask what has happened to each socket, which also resets its event, and
         * serve it. The last of the list takes the place of one that leaves. */
        for (DWORD i = count; i-- > first - WSA_WAIT_EVENT_0;) {
            WSANETWORKEVENTS happened;
            SOCKET socket = clients[i] == NULL ? listener : clients[i]->socket;
            if (WSAEnumNetworkEvents(socket, events[i], &happened) == SOCKET_ERROR)
                fail_with((DWORD)WSAGetLastError(), "WSAEnumNetworkEvents");
            if (happened.lNetworkEvents == 0)
                continue;
            if (clients[i] == NULL) {
                waiting = true;
                continue;
            }
            clients[i]->ending |= (happened.lNetworkEvents & FD_CLOSE) != 0;
            if (!serve(clients[i]))
                take_out(i);
        }
        accept_next(listener, &waiting);
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

/* Puts a socket into the list, to be told of the events in `interest`. */
static void add(SOCKET socket, struct client *client, long interest)
{
    clients[count] = client;
    events[count] = WSACreateEvent();
    if (events[count] == WSA_INVALID_EVENT)
        fail_with((DWORD)WSAGetLastError(), "WSACreateEvent");
    ask_for_event(socket, events[count], interest);
    count++;
}

static void ask_for_event(SOCKET socket, WSAEVENT event, long interest)
{
    if (WSAEventSelect(socket, event, interest) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "WSAEventSelect");
}

/* Takes a client out of the list. */
static void take_out(DWORD place)
{
    release(clients[place]);
    if (!WSACloseEvent(events[place]))
        fail_with((DWORD)WSAGetLastError(), "WSACloseEvent");
    count--;
    clients[place] = clients[count];
    events[place] = events[count];
}

/* Takes in a client that waits, if there is a place. When none has waited the listener's
 * event is asked for anew: Wine 8 may tell of a client that was accepted already, and after an
 * accept() that finds none tells of no other. On Windows any accept() renews the telling. */
static void accept_next(SOCKET listener, bool *waiting)
{
    if (*waiting && count <= MOST_CLIENTS && !crowded) {
        struct client *client = accept_client(listener);
        *waiting = crowded;
        if (crowded)
            return;
        if (client == NULL) {
            ask_for_event(listener, events[0], FD_ACCEPT);
            return;
        }
        /* First the events, then a first look: what came before them may have set none. */
        add(client->socket, client, FD_READ | FD_WRITE | FD_CLOSE);
        if (count > MOST_CLIENTS)
            say(stderr, "server: full with %d clients: the next has to wait",
                MOST_CLIENTS);
        if (!serve(client))
            take_out(count - 1);
    }
}

/* Accepts a client that waits. Returns NULL where there is none (any more). */
static struct client *accept_client(SOCKET listener)
{
    static long number;
    SOCKET socket = accept(listener, NULL, NULL);
    if (socket == INVALID_SOCKET) {
        int error = WSAGetLastError();
        crowded = count > 1 && (error == WSAEMFILE || error == WSAENOBUFS);
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
    do {
        /* STEP 6: Receive, if the echo of what came before has gone. So a client that takes
         * no echoes is not read from either, and TCP tells it to wait. */
        if (!flush(client))
            return goes_on(client);
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

        /* STEP 7: Send back as much as the socket takes; the rest at the next FD_WRITE. */
        if (!flush(client))
            return goes_on(client);
        /* FD_READ is told again when there is more, because recv() was called. The end was
         * told and is not told again: once it is known we go on until recv() says so. */
    } while (client->ending);
    return true;
}

/* Sends what waits. Returns false where the socket takes no more, or has failed. */
static bool flush(struct client *client)
{
    while (client->sent < client->length) {
        int sent = send(client->socket, client->bytes + client->sent,
                        client->length - client->sent, 0);
        if (sent == SOCKET_ERROR)
            return false;
        client->sent += sent;
    }
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
