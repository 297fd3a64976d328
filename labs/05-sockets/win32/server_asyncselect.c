/*
 * server_asyncselect.c - a TCP server in one thread, which gets messages of its sockets.
 *
 * Usage: server_asyncselect [PORT [ADDRESS]]
 *
 * WSAAsyncSelect makes a socket send a window a message when something happens to it: the way
 * of programs whose one thread waits for the user in GetMessage. The window here is never
 * shown; its parent HWND_MESSAGE makes it one that can do nothing but get messages. Microsoft
 * advises against this call today, for a busy server's messages pass through the one queue.
 *
 * The contract is that of server.c. Another way: server_eventselect.c.
 * To try: server_asyncselect 0
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

/* Which message the sockets send: wParam is the socket, lParam the event and an error. */
#define SOCKET_MESSAGE (WM_APP + 1)
#define INTEREST (FD_READ | FD_WRITE | FD_CLOSE)

/* One client: its socket, and the echo that it has not taken yet. */
struct client {
    SOCKET socket;
    long number; /* counted from 1 */
    bool ending; /* FD_CLOSE has come: what is still to be read is all there */
    int length, sent;
    char bytes[READ_SIZE];
};

static SOCKET listener;
static struct client *clients[MAX_CLIENTS];
static int count;
static bool waiting; /* clients in the listener's queue, as far as is known */

/* Whether there is no room for one more client: up to the next that leaves. */
static bool crowded;

static bool is_port(const wchar_t *text);
static BOOL WINAPI end_on_event(DWORD event);
static SOCKET listen_at(const wchar_t *host, const wchar_t *port);
static HWND make_window(void);
static LRESULT CALLBACK take_message(HWND window, UINT message, WPARAM word,
                                     LPARAM value);
static void ask_for_messages(SOCKET socket, HWND window, long interest);
static void accept_next(HWND window);
static struct client *accept_client(void);
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

    /* STEP 3: Make the socket that listens, and ask for its messages, by which it no longer
     * blocks: the client that woke us may have gone again when we accept it. */
    listener = listen_at(host, port);
    ask_for_messages(listener, make_window(), FD_ACCEPT);

    /* STEP 4: Wait for messages, as every program with a window does. DispatchMessage calls
     * the window's function, take_message(). */
    MSG message;
    BOOL result;
    while ((result = GetMessageW(&message, NULL, 0, 0)) > 0)
        DispatchMessageW(&message);
    if (result == -1)
        fail("GetMessage");
    /* Nothing is left to do here: Ctrl-C ends the program, in a thread of its own. */
    return EXIT_SUCCESS;
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
    SOCKET made = socket(address->ai_family, SOCK_STREAM, 0);
    if (made == INVALID_SOCKET)
        fail_with((DWORD)WSAGetLastError(), "socket");

    /* Connections that were closed do not hold the port on Windows. What SO_REUSEADDR allows
     * there is to take a port from a server that still listens on it: this option refuses
     * that to everyone. Its price: a connection that lives on keeps the port, too. */
    DWORD yes = 1, no = 0;
    if (setsockopt(made, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (char *)&yes, sizeof yes) ==
        SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "setsockopt");
    /* ADDRESS :: is to mean IPv4 too, which is not the default here. */
    if (address->ai_family == AF_INET6 &&
        setsockopt(made, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&no, sizeof no) ==
            SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "setsockopt");
    if (bind(made, address->ai_addr, (int)address->ai_addrlen) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "bind");
    FreeAddrInfoW(address);
    if (listen(made, SOMAXCONN) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "listen");

    /* Where we are bound tells the system: PORT may have been 0. */
    SOCKADDR_STORAGE bound = {0};
    int size = sizeof bound;
    wchar_t text[ADDRESS_ROOM];
    DWORD room = ADDRESS_ROOM;
    if (getsockname(made, (SOCKADDR *)&bound, &size) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "getsockname");
    if (WSAAddressToStringW((SOCKADDR *)&bound, (DWORD)size, NULL, text, &room) ==
        SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "WSAAddressToString");
    say(stdout, "server: ready %ls", text);
    return made;
}

/* A window that is not seen, and gets messages. */
static HWND make_window(void)
{
    WNDCLASSW class = {.lpfnWndProc = take_message,
                       .hInstance = GetModuleHandleW(NULL),
                       .lpszClassName = L"IPC lab server"};
    if (RegisterClassW(&class) == 0)
        fail("RegisterClass");
    HWND window = CreateWindowW(class.lpszClassName, L"", 0, 0, 0, 0, 0, HWND_MESSAGE,
                                NULL, class.hInstance, NULL);
    if (window == NULL)
        fail("CreateWindow");
    return window;
}

static LRESULT CALLBACK take_message(HWND window, UINT message, WPARAM word, LPARAM value)
{
    if (message != SOCKET_MESSAGE)
        return DefWindowProcW(window, message, word, value);

    /* STEP 5: Find whose socket it is, and serve it; the last of the list takes the place of
     * one that leaves. A message may be older than the end of its socket, and its number another
     * client's by now: what it tells is a hint, and serve() finds out. */
    if (word == listener)
        waiting = true;
    for (int i = count; i-- > 0;)
        if (clients[i]->socket == word) {
            clients[i]->ending |= WSAGETSELECTEVENT(value) == FD_CLOSE;
            if (!serve(clients[i])) {
                release(clients[i]);
                clients[i] = clients[--count];
            }
        }
    accept_next(window);
    return 0;
}

static void ask_for_messages(SOCKET socket, HWND window, long interest)
{
    if (WSAAsyncSelect(socket, window, SOCKET_MESSAGE, interest) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "WSAAsyncSelect");
}

/* Takes in a client that waits, if there is a place. When none has waited the listener's
 * message is asked for anew: Wine 8 may tell of a client that was accepted already, and after an
 * accept() that finds none tells of no other. On Windows any accept() renews the telling. */
static void accept_next(HWND window)
{
    if (waiting && count < MAX_CLIENTS && !crowded) {
        struct client *client = accept_client();
        waiting = crowded;
        if (crowded)
            return;
        if (client == NULL) {
            ask_for_messages(listener, window, FD_ACCEPT);
            return;
        }
        /* First the messages, then a first look: what came before may have sent none. */
        ask_for_messages(client->socket, window, INTEREST);
        if (!serve(client)) {
            release(client);
            return;
        }
        clients[count++] = client;
        if (count == MAX_CLIENTS)
            say(stderr, "server: full with %d clients: the next has to wait",
                MAX_CLIENTS);
    }
}

/* Accepts a client that waits. Returns NULL where there is none (any more). */
static struct client *accept_client(void)
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
        if (length == SOCKET_ERROR)
            client->ending = false; /* it was not this client's end that was told */
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
