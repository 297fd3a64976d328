/*
 * server_asyncselect.c - a TCP server in one thread, to which its sockets send messages.
 *
 * Usage: server_asyncselect [PORT [ADDRESS]]
 *
 * After WSAAsyncSelect a socket sends a message to a window when something happens to
 * it. This is for programs that wait for the user in GetMessage. The window here is
 * never visible: with the parent HWND_MESSAGE it only receives messages. Microsoft
 * discourages this call today, because all messages pass through one queue.
 *
 * The contract is that of server.c. Another way: server_eventselect.c. To try:
 * server_asyncselect 0.
 */
#include <winsock2.h> /* must come before windows.h */
#include <ws2tcpip.h>

#include "contract.h"
#include "ipclab.h"

/* The message that the sockets send: wParam is the socket, lParam the event and an
 * error. */
#define SOCKET_MESSAGE (WM_APP + 1)
#define INTEREST (FD_READ | FD_WRITE | FD_CLOSE)

/* One client: its socket, and the echo that has not been sent yet. */
struct client {
    SOCKET socket;
    long number; /* counted from 1 */
    bool ending; /* FD_CLOSE has come: all bytes that are left can be received */
    int length, sent;
    char bytes[READ_SIZE];
};

static SOCKET listener;
static struct client *clients[MAX_CLIENTS];
static int count;
static bool waiting; /* there may be clients in the listener's queue */

/* There is no room for one more client, until one leaves. */
static bool crowded;

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

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: on which port and address to listen. */
    begin_program("server", "[PORT [ADDRESS]]", &argv);
    if (argc > 3)
        usage_exit();
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    const char *host = argc > 2 ? argv[2] : DEFAULT_HOST;
    parse_long("PORT", port, 0, MAX_PORT);

    /* STEP 2: Prepare for Ctrl-C. tcp_listen() loads Winsock. */
    end_on_interrupt(NULL);

    /* STEP 3: Create the socket that listens, and ask for its messages. That makes it
     * non-blocking: the client that was reported may have left before accept(). */
    listener = tcp_listen(host, port);
    log_event("server: ready %s", socket_address(listener));
    ask_for_messages(listener, make_window(), FD_ACCEPT);

    /* STEP 4: Wait for messages, as every program with a window does. DispatchMessage
     * calls the window's procedure, take_message(). */
    MSG message;
    BOOL result;
    while ((result = GetMessageW(&message, NULL, 0, 0)) > 0)
        DispatchMessageW(&message);
    if (result == -1)
        sys_error("GetMessage");
    /* Ctrl-C ends the program, in a thread of its own. */
    return EXIT_SUCCESS;
}

/* Returns a window that is not visible, and receives messages. */
static HWND make_window(void)
{
    WNDCLASSW class = {.lpfnWndProc = take_message,
                       .hInstance = GetModuleHandleW(NULL),
                       .lpszClassName = L"IPC lab server"};
    if (RegisterClassW(&class) == 0)
        sys_error("RegisterClass");
    HWND window = CreateWindowW(class.lpszClassName, L"", 0, 0, 0, 0, 0, HWND_MESSAGE,
                                NULL, class.hInstance, NULL);
    if (window == NULL)
        sys_error("CreateWindow");
    return window;
}

static LRESULT CALLBACK take_message(HWND window, UINT message, WPARAM word, LPARAM value)
{
    if (message != SOCKET_MESSAGE)
        return DefWindowProcW(window, message, word, value);

    /* STEP 5: Find the client by its socket, and serve it. The last of the list takes the
     * place of one that leaves. A message can be older than the client, if the socket's
     * number was used before: it is a hint only, and serve() tries the calls. */
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
        sys_error("WSAAsyncSelect");
}

/* Accepts a client, if there is a place. If none waits, ask for the listener's messages
 * again: Wine 8 can report a client that was accepted already, and after an accept() that
 * fails it reports no other. On Windows each accept() makes the next report possible. */
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
        /* Ask for messages first, then try recv(): bytes that came before may have
         * sent none. */
        ask_for_messages(client->socket, window, INTEREST);
        if (!serve(client)) {
            release(client);
            return;
        }
        clients[count++] = client;
        if (count == MAX_CLIENTS)
            log_error("full with %d clients: the next has to wait", MAX_CLIENTS);
    }
}

/* Accepts a client. Returns NULL if none waits, or if there is no room for it. */
static struct client *accept_client(void)
{
    static long number;
    SOCKET socket = accept(listener, NULL, NULL);
    if (socket == INVALID_SOCKET) {
        int error = WSAGetLastError();
        crowded = count > 0 && (error == WSAEMFILE || error == WSAENOBUFS);
        if (crowded)
            log_sys_error("accept");
        else if (error != WSAEWOULDBLOCK && error != WSAECONNRESET)
            sys_error_number("accept", error);
        return NULL;
    }
    struct client *client = allocate(sizeof *client);
    number++;
    *client = (struct client){.socket = socket, .number = number};
    log_event("server: client %ld connected", client->number);
    return client;
}

/* Closes the connection and frees what belongs to it. */
static void release(struct client *client)
{
    if (closesocket(client->socket) == SOCKET_ERROR)
        sys_error("closesocket");
    log_event("server: client %ld left", client->number);
    free(client);
    crowded = false;
}

/* Does for a client what does not block. Returns whether its session goes on. */
static bool serve(struct client *client)
{
    do {
        /* STEP 6: Receive, if the last echo has been sent. Otherwise a client that does
         * not receive could fill this program's memory. */
        if (!flush(client))
            return goes_on(client);
        int length = recv(client->socket, client->bytes, sizeof client->bytes, 0);
        if (length == SOCKET_ERROR)
            client->ending = false; /* the FD_CLOSE was an earlier client's */
        if (length <= 0)
            return length == SOCKET_ERROR && goes_on(client);
        client->length = length;
        client->sent = 0;
        log_text("server: received", client->bytes, (size_t)length);
        if (length == QUIT_SIZE && memcmp(client->bytes, QUIT, QUIT_SIZE) == 0)
            return false;

        /* STEP 7: Send back what the socket has room for; the rest at the next
         * FD_WRITE. */
        if (!flush(client))
            return goes_on(client);
        /* FD_READ is reported again if there is more, because recv() was called. FD_CLOSE
         * is not: after it, go on until recv() returns 0. */
    } while (client->ending);
    return true;
}

/* Sends the rest of the echo. Returns false if send() would block, or failed. */
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

/* Returns whether the call failed only because it would block. If not, reports the error. */
static bool goes_on(const struct client *client)
{
    if (WSAGetLastError() == WSAEWOULDBLOCK)
        return true;
    log_error("client %ld: error %d", client->number, WSAGetLastError());
    return false;
}
