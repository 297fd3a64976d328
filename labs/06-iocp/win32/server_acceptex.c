/*
 * server_acceptex.c - the completion port carried further: accepting is an operation, too.
 *
 * Usage: server_acceptex [PORT]
 *
 * By the same contract as server.c, with three differences. No thread accepts: ACCEPTS
 * operations AcceptEx wait, and their completions arrive at the port with all others. Workers
 * take packets by the dozen (GetQueuedCompletionStatusEx). And what is done at once makes no
 * packet (FILE_SKIP_COMPLETION_PORT_ON_SUCCESS): its starter goes on with it himself.
 *
 * To try: server_acceptex, then client 127.0.0.1 7710 1000 100.
 */
#define PROGRAM "server"

#include <winsock2.h> /* before windows.h, which else brings the old winsock.h */

#include <mswsock.h>
#include <process.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

#define MAX_WORKERS MAXIMUM_WAIT_OBJECTS
#define PACKETS_AT_ONCE 32

/* How many clients may be let in before a worker looks: beside the listener's own queue. */
#define ACCEPTS 16

/* How often a worker goes on at once with one client before it gives others a turn. */
#define TURNS 16

/* An AcceptEx that waits for a client, or lacks the room to. */
struct accept {
    OVERLAPPED overlapped; /* first, so that its address is the accept's */
    SOCKET socket;         /* what the next client will be connected to */
    bool waiting;
    char addresses[2 * (sizeof(struct sockaddr_in) + 16)]; /* as AcceptEx demands */
};

/* A client, and the one operation that is under way for it. While it is, all of this belongs
 * to the system; whoever learns that it is done owns it from then on, and starts the next. */
struct client {
    OVERLAPPED overlapped;
    enum { RECEIVE, SEND } operation;
    SOCKET socket;
    long number;
    DWORD from, to;                /* the part of the buffer that waits to be sent */
    struct client *next, **before; /* the list of all, for the end */
    char buffer[BUFFER_SIZE];
};

static HANDLE port, stop;
static SOCKET listener;
static LPFN_ACCEPTEX accept_function;

/* What threads share: who is there, and who may come. */
static SRWLOCK lock = SRWLOCK_INIT;
static CONDITION_VARIABLE empty = CONDITION_VARIABLE_INIT;
static struct client *clients;
static struct accept accepts[ACCEPTS];
static int accepts_waiting;
static bool stopping;

static long port_from(const wchar_t *text);
static BOOL WINAPI on_console_event(DWORD event);
static void listen_on(long number);
static DWORD start_workers(HANDLE workers[MAX_WORKERS]);
static void stop_clients(void);
static void start_accepts(void);
static void expect_room(const char *call, int error);
static struct client *make_client(SOCKET socket);
static void accepted(struct accept *accept, bool done);
static unsigned __stdcall work(void *argument);
static void advance(struct client *client, bool done, DWORD bytes);
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
    stop = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (stop == NULL)
        fail("CreateEvent");
    if (!SetConsoleCtrlHandler(on_console_event, TRUE))
        fail("SetConsoleCtrlHandler");

    /* STEP 2: Make the port, and bind the listener to it: its key is 0. */
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    if (port == NULL)
        fail("CreateIoCompletionPort");
    listen_on(number);

    /* STEP 3: Start what waits for clients, and the workers. From here on all is done by
     * whoever is told that something is done. */
    AcquireSRWLockExclusive(&lock);
    start_accepts();
    ReleaseSRWLockExclusive(&lock);
    HANDLE workers[MAX_WORKERS];
    DWORD count = start_workers(workers);

    /* STEP 4: Wait for Ctrl-C: this thread has nothing else to do. */
    if (WaitForSingleObject(stop, INFINITE) == WAIT_FAILED)
        fail("WaitForSingleObject");

    /* STEP 5: Cancel what is under way, wait until each operation has completed and what it
     * used is freed. Only then are the workers sent home. */
    stop_clients();
    if (closesocket(listener) == SOCKET_ERROR)
        fail("closesocket");
    if (!PostQueuedCompletionStatus(port, 0, 0, NULL))
        fail("PostQueuedCompletionStatus");
    if (WaitForMultipleObjects(count, workers, TRUE, INFINITE) == WAIT_FAILED)
        fail("WaitForMultipleObjects");
    for (DWORD i = 0; i < count; i++)
        if (!CloseHandle(workers[i]))
            fail("CloseHandle");
    if (!CloseHandle(port))
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
    if (event == CTRL_LOGOFF_EVENT || event == CTRL_SHUTDOWN_EVENT)
        return FALSE;
    SetEvent(stop);
    /* Windows ends the process when this function returns from a close: so it stays here until
     * main has printed "done" and ends the process itself. */
    if (event == CTRL_CLOSE_EVENT)
        Sleep(INFINITE);
    return TRUE;
}

static void listen_on(long number)
{
    WSADATA winsock;
    int error = WSAStartup(MAKEWORD(2, 2), &winsock);
    if (error != 0)
        fail_with((DWORD)error, "WSAStartup");
    listener = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0,
                          WSA_FLAG_OVERLAPPED);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((u_short)number),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int size = sizeof address;
    if (listener == INVALID_SOCKET)
        fail("WSASocket"); /* what WSAGetLastError gives is the thread's GetLastError */
    /* Else SO_REUSEADDR would let any program take the port from us, as it does on Windows. */
    if (setsockopt(listener, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (const char *)&(BOOL){TRUE},
                   sizeof(BOOL)) == SOCKET_ERROR)
        fail("setsockopt");
    if (bind(listener, (struct sockaddr *)&address, size) == SOCKET_ERROR)
        fail("bind");
    if (listen(listener, SOMAXCONN) == SOCKET_ERROR)
        fail("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &size) == SOCKET_ERROR)
        fail("getsockname");
    if (CreateIoCompletionPort((HANDLE)listener, port, 0, 0) == NULL)
        fail("CreateIoCompletionPort");
    /* AcceptEx stands in no import library that may be relied on: Winsock tells where it is. */
    GUID name = WSAID_ACCEPTEX;
    DWORD length;
    if (WSAIoctl(listener, SIO_GET_EXTENSION_FUNCTION_POINTER, &name, sizeof name,
                 &accept_function, sizeof accept_function, &length, NULL,
                 NULL) == SOCKET_ERROR)
        fail("WSAIoctl");
    say(stdout, "server: ready 127.0.0.1:%d", ntohs(address.sin_port));
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

/* Cancels all that is under way, and waits until nobody is there and nobody can come. */
static void stop_clients(void)
{
    AcquireSRWLockExclusive(&lock);
    stopping = true;
    CancelIoEx((HANDLE)listener, NULL);
    for (struct client *client = clients; client != NULL; client = client->next) {
        /* The shutdown is for a worker that is about to start the next operation right now:
         * it will fail. The other one fails where there was nothing to cancel: all is well. */
        shutdown(client->socket, SD_BOTH);
        CancelIoEx((HANDLE)client->socket, NULL);
    }
    while (clients != NULL || accepts_waiting > 0)
        if (!SleepConditionVariableSRW(&empty, &lock, INFINITE, 0))
            fail("SleepConditionVariableSRW");
    ReleaseSRWLockExclusive(&lock);
}

/* Starts every AcceptEx that does not wait; the caller has the lock. Where there is no room
 * for a socket it is tried again when a client has left. */
static void start_accepts(void)
{
    for (int i = 0; i < ACCEPTS && !stopping; i++) {
        struct accept *accept = &accepts[i];
        if (accept->waiting)
            continue;
        DWORD bytes;
        accept->overlapped = (OVERLAPPED){0};
        accept->socket = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0,
                                    WSA_FLAG_OVERLAPPED);
        if (accept->socket == INVALID_SOCKET) {
            expect_room("WSASocket", WSAGetLastError());
            return;
        }
        /* The 0 is for the client's first bytes: not to wait for them, for we speak first. */
        if (!accept_function(listener, accept->socket, accept->addresses, 0,
                             sizeof accept->addresses / 2, sizeof accept->addresses / 2,
                             &bytes, &accept->overlapped) &&
            WSAGetLastError() != WSA_IO_PENDING) {
            int error = WSAGetLastError();
            closesocket(accept->socket);
            if (error != WSAECONNRESET) {
                expect_room("AcceptEx", error);
                return;
            }
            i--; /* somebody came, and has gone again: once more */
            continue;
        }
        accept->waiting = true;
        accepts_waiting++;
    }
}

/* A call has failed with `error`: ends the program, unless it was for want of room, and some
 * will be made, by a client that leaves or an AcceptEx that ends. */
static void expect_room(const char *call, int error)
{
    if ((clients == NULL && accepts_waiting == 0) ||
        (error != WSAEMFILE && error != WSAENOBUFS))
        fail_with((DWORD)error, call);
    say(stderr, PROGRAM ": %s: error %d: no room for another client", call, error);
}

/* Makes a client of a socket that has been accepted, or NULL if it has gone again. */
static struct client *make_client(SOCKET socket)
{
    /* Until this is said the socket knows nothing of its listener, and shutdown fails. */
    if (setsockopt(socket, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (const char *)&listener,
                   sizeof listener) == SOCKET_ERROR)
        return NULL;
    struct client *client = malloc(sizeof *client);
    if (client == NULL)
        fail_with(ERROR_NOT_ENOUGH_MEMORY, "malloc");
    client->socket = socket;
    if (CreateIoCompletionPort((HANDLE)socket, port, (ULONG_PTR)client, 0) == NULL)
        fail("CreateIoCompletionPort");
    if (!SetFileCompletionNotificationModes((HANDLE)socket,
                                            FILE_SKIP_COMPLETION_PORT_ON_SUCCESS))
        fail("SetFileCompletionNotificationModes");
    return client;
}

/* STEP 6: A client has arrived: bind it to the port, and start sending the welcome. */
static void accepted(struct accept *accept, bool done)
{
    static long number;
    SOCKET socket = accept->socket;
    struct client *client = done ? make_client(socket) : NULL;

    AcquireSRWLockExclusive(&lock);
    accept->waiting = false;
    accepts_waiting--;
    if (client == NULL || stopping) {
        closesocket(socket);
        free(client);
        client = NULL;
        if (clients == NULL && accepts_waiting == 0)
            WakeConditionVariable(&empty);
    } else {
        client->number = ++number;
        client->next = clients;
        client->before = &clients;
        if (clients != NULL)
            clients->before = &client->next;
        clients = client;
        say(stdout, "server: client %ld connected", client->number);
    }
    start_accepts();
    ReleaseSRWLockExclusive(&lock);

    /* The welcome goes out as all else does: as if it had come from the client. */
    if (client != NULL) {
        memcpy(client->buffer, WELCOME, sizeof WELCOME);
        client->operation = RECEIVE;
        advance(client, true, sizeof WELCOME);
    }
}

/* A worker: takes packets, as many as are there, and deals with them one after the other. */
static unsigned __stdcall work(void *argument)
{
    (void)argument;
    for (;;) {
        OVERLAPPED_ENTRY packets[PACKETS_AT_ONCE];
        ULONG count;
        if (!GetQueuedCompletionStatusEx(port, packets, PACKETS_AT_ONCE, &count, INFINITE,
                                         FALSE))
            fail("GetQueuedCompletionStatusEx");
        for (ULONG i = 0; i < count; i++) {
            if (packets[i].lpOverlapped == NULL) {
                /* Main sends us home: one packet, that each passes on, for one worker might
                 * take several at once. */
                if (!PostQueuedCompletionStatus(port, 0, 0, NULL))
                    fail("PostQueuedCompletionStatus");
                return 0;
            }
            /* A packet does not say whether its operation has failed; the OVERLAPPED does. */
            struct client *client = (struct client *)packets[i].lpCompletionKey;
            DWORD bytes, flags;
            bool done = WSAGetOverlappedResult(client != NULL ? client->socket : listener,
                                               packets[i].lpOverlapped, &bytes, FALSE,
                                               &flags);
            if (client == NULL)
                accepted((struct accept *)packets[i].lpOverlapped, done);
            else
                advance(client, done, bytes);
        }
    }
}

/* STEP 7: A client's operation is done: start the next, and go on for as long as each is done
 * at once, for then no packet comes. One at a time, so what waits to be sent is bounded by the
 * buffer, and the order of the bytes is never in doubt. */
static void advance(struct client *client, bool done, DWORD bytes)
{
    for (int turn = 0; done && bytes > 0; turn++) {
        if (turn == TURNS) {
            /* Behind all who wait: this client may have more to say than others want to
             * hear. The packet that was spared is made after all. */
            if (!PostQueuedCompletionStatus(port, bytes, (ULONG_PTR)client,
                                            &client->overlapped))
                fail("PostQueuedCompletionStatus");
            return;
        }
        if (client->operation == RECEIVE) {
            client->from = 0;
            client->to = bytes;
        } else {
            client->from += bytes;
        }
        client->operation = client->from < client->to ? SEND : RECEIVE;
        client->overlapped = (OVERLAPPED){0};
        WSABUF rest = {client->to - client->from, client->buffer + client->from};
        WSABUF whole = {sizeof client->buffer, client->buffer};
        DWORD flags = 0;
        int result = client->operation == SEND
                         ? WSASend(client->socket, &rest, 1, &bytes, 0,
                                   &client->overlapped, NULL)
                         : WSARecv(client->socket, &whole, 1, &bytes, &flags,
                                   &client->overlapped, NULL);
        if (result == SOCKET_ERROR && WSAGetLastError() == WSA_IO_PENDING)
            return; /* the client is the system's now, and perhaps another worker's */
        done = result != SOCKET_ERROR;
    }
    leave(client); /* it was reset or cancelled; or it is done */
}

/* The end of a client, by whoever owns it. */
static void leave(struct client *client)
{
    AcquireSRWLockExclusive(&lock);
    *client->before = client->next;
    if (client->next != NULL)
        client->next->before = client->before;
    if (closesocket(client->socket) == SOCKET_ERROR)
        fail("closesocket");
    start_accepts(); /* there may be room again for those that found none */
    if (clients == NULL && accepts_waiting == 0)
        WakeConditionVariable(&empty);
    ReleaseSRWLockExclusive(&lock);
    say(stdout, "server: client %ld left", client->number);
    free(client);
}
