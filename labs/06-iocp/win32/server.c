/*
 * server.c - echo to any number of clients from a few threads, through a completion port.
 *
 * Usage: server [PORT]
 *
 * Listens on 127.0.0.1, on PORT (7710; 0: any free one), sends each client the welcome, then
 * all that it sends, back. Ends on Ctrl-C, with exit code 0.
 *
 * Mirrors listing 12 of the report, and adds the echo, which the listing forgot. Its twin:
 * ../unix/server.c. Another way: server_acceptex.c (no thread that accepts, packets by the
 * dozen, none for what is done at once).
 * To try: server, then client 127.0.0.1 7710 1000 100; two servers on one port.
 */
#define PROGRAM "server"

#include <winsock2.h> /* before windows.h, which else brings the old winsock.h */

#include <limits.h>
#include <process.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

#define MAX_WORKERS MAXIMUM_WAIT_OBJECTS

/* A client, and the one operation that is under way for it. While it is, all of this belongs
 * to the system; whoever takes the completion owns it from then on, and starts the next. */
struct client {
    OVERLAPPED overlapped;
    enum { RECEIVE, SEND } operation;
    SOCKET socket;
    long number;
    DWORD from, to;                /* the part of the buffer that waits to be sent */
    struct client *next, **before; /* the list of all, for the end */
    char buffer[BUFFER_SIZE];
};

static SOCKET listener;
static HANDLE port, stop; /* the event says that Ctrl-C was pressed */

/* How many clients are here, as far as the thread that accepts them has counted; and a unit
 * for each that has left, for it to count. */
static long here;
static HANDLE left;

/* The only thing that threads share: who is there. */
static SRWLOCK lock = SRWLOCK_INIT;
static CONDITION_VARIABLE empty = CONDITION_VARIABLE_INIT;
static struct client *clients;

static long port_from(const wchar_t *text);
static BOOL WINAPI on_console_event(DWORD event);
static SOCKET listen_on(long *number);
static DWORD start_workers(HANDLE workers[MAX_WORKERS]);
static void stop_clients(void);
static bool accept_client(void);
static void add_client(SOCKET socket);
static unsigned __stdcall work(void *argument);
static void advance(struct client *client, bool done, DWORD bytes);
static void start_receive(struct client *client);
static void start_send(struct client *client);
static void leave(struct client *client);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: the port. */
    long number = argc > 1 ? port_from(argv[1]) : DEFAULT_PORT;
    if (argc > 2 || number == -1) {
        say(stderr, "usage: server [PORT], PORT from 0 to %d", MAX_PORT);
        return 2;
    }

    /* STEP 2: Listen. Ctrl-C will close the listener, and accept then fails. So whatever else
     * needs the listener comes before the handler is set. */
    WSADATA winsock;
    int error = WSAStartup(MAKEWORD(2, 2), &winsock);
    if (error != 0)
        fail_with((DWORD)error, "WSAStartup");
    listener = listen_on(&number);
    stop = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (stop == NULL)
        fail("CreateEvent");
    left = CreateSemaphoreW(NULL, 0, LONG_MAX, NULL);
    if (left == NULL)
        fail("CreateSemaphore");
    if (!SetConsoleCtrlHandler(on_console_event, TRUE))
        fail("SetConsoleCtrlHandler");

    /* STEP 3: Make the queue of completions, the port, and the workers that wait at it. The
     * last 0 lets as many of them run at once as there are processors. */
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    if (port == NULL)
        fail("CreateIoCompletionPort");
    HANDLE workers[MAX_WORKERS];
    DWORD count = start_workers(workers);

    /* STEP 4: Accept clients, each with its first operation, until Ctrl-C. All that follows
     * for a client the workers do. */
    say(stdout, "server: ready 127.0.0.1:%ld", number);
    while (accept_client())
        ;

    /* STEP 5: Cancel what is under way, and wait until each operation has completed and its
     * client is freed. Only then are the workers sent home, by one packet each, and what they
     * used is closed. */
    stop_clients();
    for (DWORD i = 0; i < count; i++)
        if (!PostQueuedCompletionStatus(port, 0, 0, NULL))
            fail("PostQueuedCompletionStatus");
    if (WaitForMultipleObjects(count, workers, TRUE, INFINITE) == WAIT_FAILED)
        fail("WaitForMultipleObjects");
    for (DWORD i = 0; i < count; i++)
        if (!CloseHandle(workers[i]))
            fail("CloseHandle");
    if (!CloseHandle(port) || !CloseHandle(left))
        fail("CloseHandle");
    WSACleanup();
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

/* The port that `text` names, or -1. */
static long port_from(const wchar_t *text)
{
    wchar_t *end;
    long number = wcstol(text, &end, 10);
    bool good = *text >= L'0' && *text <= L'9' && *end == L'\0' && number <= MAX_PORT;
    return good ? number : -1;
}

/* Runs in a thread of its own, which the system makes for it. */
static BOOL WINAPI on_console_event(DWORD event)
{
    static LONG times;
    if (event == CTRL_LOGOFF_EVENT || event == CTRL_SHUTDOWN_EVENT)
        return FALSE;
    if (InterlockedIncrement(&times) == 1) {
        SetEvent(stop);
        closesocket(listener);
    }
    /* Windows ends the process when this function returns from a close: so it stays here until
     * main has printed "done" and ends the process itself. */
    if (event == CTRL_CLOSE_EVENT)
        Sleep(INFINITE);
    return TRUE;
}

/* Listens on port `*number`, and puts there which one it is if that was 0. */
static SOCKET listen_on(long *number)
{
    SOCKET made = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0,
                             WSA_FLAG_OVERLAPPED);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((u_short)*number),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int size = sizeof address;
    if (made == INVALID_SOCKET)
        fail("WSASocket"); /* what WSAGetLastError gives is the thread's GetLastError */
    /* Else SO_REUSEADDR would let any program take the port from us, as it does on Windows. */
    if (setsockopt(made, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (const char *)&(BOOL){TRUE},
                   sizeof(BOOL)) == SOCKET_ERROR)
        fail("setsockopt");
    /* The listing does not look at the result: where another has the port, it spins. */
    if (bind(made, (struct sockaddr *)&address, size) == SOCKET_ERROR)
        fail("bind");
    if (listen(made, SOMAXCONN) == SOCKET_ERROR)
        fail("listen");
    if (getsockname(made, (struct sockaddr *)&address, &size) == SOCKET_ERROR)
        fail("getsockname");
    *number = ntohs(address.sin_port);
    return made;
}

/* Two for each processor: the port lets one per processor run, and another in its place when
 * one waits for something else than the port. */
static DWORD start_workers(HANDLE workers[MAX_WORKERS])
{
    SYSTEM_INFO machine;
    GetSystemInfo(&machine);
    DWORD count = 2 * machine.dwNumberOfProcessors;
    if (count > MAX_WORKERS)
        count = MAX_WORKERS;
    for (DWORD i = 0; i < count; i++) {
        workers[i] = (HANDLE)_beginthreadex(NULL, 0, work, NULL, 0, NULL);
        if (workers[i] == NULL)
            fail_with(_doserrno, "_beginthreadex"); /* it leaves GetLastError alone */
    }
    return count;
}

/* Cancels all that is under way, and waits until the last client has left. */
static void stop_clients(void)
{
    AcquireSRWLockExclusive(&lock);
    for (struct client *client = clients; client != NULL; client = client->next) {
        /* The shutdown is for a worker that is about to start the next operation right now:
         * it will fail. The other one fails where there was nothing to cancel: all is well. */
        shutdown(client->socket, SD_BOTH);
        CancelIoEx((HANDLE)client->socket, NULL);
    }
    while (clients != NULL)
        if (!SleepConditionVariableSRW(&empty, &lock, INFINITE, 0))
            fail("SleepConditionVariableSRW");
    ReleaseSRWLockExclusive(&lock);
}

/* Waits for the next client. Returns false if it is time to end instead. */
static bool accept_client(void)
{
    while (WaitForSingleObject(left, 0) == WAIT_OBJECT_0)
        here--;
    SOCKET made = accept(listener, NULL, NULL);
    int error = WSAGetLastError();
    if (made != INVALID_SOCKET) {
        add_client(made);
        here++;
        return true;
    }
    if (WaitForSingleObject(stop, 0) == WAIT_OBJECT_0)
        return false;
    if (here > 0 && (error == WSAEMFILE || error == WSAENOBUFS)) {
        /* No room. The next try comes when a client has left: at once, and it would fail
         * again and again. */
        say(stderr, PROGRAM ": accept: error %d: no room for another client", error);
        HANDLE events[2] = {stop, left};
        if (WaitForMultipleObjects(2, events, FALSE, INFINITE) == WAIT_OBJECT_0)
            return false;
        here--;
        return true;
    }
    if (error != WSAECONNRESET) /* it has gone again */
        fail_with((DWORD)error, "accept");
    return true;
}

/* STEP 6: A client has arrived: bind it to the port, and start sending the welcome. */
static void add_client(SOCKET socket)
{
    static long number;
    struct client *client = malloc(sizeof *client);
    if (client == NULL)
        fail_with(ERROR_NOT_ENOUGH_MEMORY, "malloc");
    client->socket = socket;
    client->number = ++number;
    if (CreateIoCompletionPort((HANDLE)socket, port, (ULONG_PTR)client, 0) == NULL)
        fail("CreateIoCompletionPort");
    AcquireSRWLockExclusive(&lock);
    client->next = clients;
    client->before = &clients;
    if (clients != NULL)
        clients->before = &client->next;
    clients = client;
    ReleaseSRWLockExclusive(&lock);
    say(stdout, "server: client %ld connected", client->number);
    memcpy(client->buffer, WELCOME, sizeof WELCOME);
    client->from = 0;
    client->to = sizeof WELCOME;
    start_send(client);
}

/* A worker: takes completions, one after the other. */
static unsigned __stdcall work(void *argument)
{
    (void)argument;
    for (;;) {
        DWORD bytes;
        ULONG_PTR key;
        OVERLAPPED *overlapped;
        BOOL done = GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE);
        /* FALSE says two things: without an OVERLAPPED, that the wait has failed; with one,
         * that its operation has. That is the client's affair, and no end of this loop: in
         * the listing each reset costs a worker, and two of them the server. */
        if (overlapped == NULL && !done)
            fail("GetQueuedCompletionStatus");
        if (overlapped == NULL)
            return 0; /* main sends us home */
        advance((struct client *)key, done, bytes);
    }
}

/* STEP 7: A client's operation is done: start the next. One at a time, so what waits to be
 * sent is bounded by the buffer, and the order of the bytes is never in doubt. */
static void advance(struct client *client, bool done, DWORD bytes)
{
    if (!done || bytes == 0) {
        leave(client); /* it was reset or cancelled; or it is done */
    } else if (client->operation == RECEIVE) {
        client->from = 0;
        client->to = bytes;
        start_send(client);
    } else {
        client->from += bytes;
        if (client->from < client->to)
            start_send(client); /* a part only was taken */
        else
            start_receive(client);
    }
}

/* What the operation is stands in the client before it is started: its completion may be in
 * another worker's hands before the call has returned. For the same reason the client is not
 * touched after the call, unless it failed: then no completion comes, and it is still ours. */
static void start_receive(struct client *client)
{
    client->operation = RECEIVE;
    client->overlapped = (OVERLAPPED){0};
    WSABUF whole = {sizeof client->buffer, client->buffer};
    DWORD flags = 0;
    if (WSARecv(client->socket, &whole, 1, NULL, &flags, &client->overlapped, NULL) ==
            SOCKET_ERROR &&
        WSAGetLastError() != WSA_IO_PENDING)
        leave(client);
}

static void start_send(struct client *client)
{
    client->operation = SEND;
    client->overlapped = (OVERLAPPED){0};
    WSABUF rest = {client->to - client->from, client->buffer + client->from};
    if (WSASend(client->socket, &rest, 1, NULL, 0, &client->overlapped, NULL) ==
            SOCKET_ERROR &&
        WSAGetLastError() != WSA_IO_PENDING)
        leave(client);
}

/* The end of a client, by whoever owns it. */
static void leave(struct client *client)
{
    AcquireSRWLockExclusive(&lock);
    *client->before = client->next;
    if (client->next != NULL)
        client->next->before = client->before;
    if (clients == NULL)
        WakeConditionVariable(&empty);
    ReleaseSRWLockExclusive(&lock);
    if (closesocket(client->socket) == SOCKET_ERROR)
        fail("closesocket");
    say(stdout, "server: client %ld left", client->number);
    free(client);
    if (!ReleaseSemaphore(left, 1, NULL))
        fail("ReleaseSemaphore");
}
