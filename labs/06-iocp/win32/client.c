/*
 * client.c - many connections at once: verify every byte, and measure how long echoes take.
 *
 * Usage: client [HOST [PORT [CONNECTIONS [MESSAGES]]]]
 *
 * Builds up CONNECTIONS (100) connections to HOST (127.0.0.1), PORT (7710), and waits for the
 * welcome on each; then on all of them at once sends MESSAGES (10) messages, each when the
 * echo of the one before is there. Reports rate and latency. Exit code 0 if every byte came
 * as it should and the server closed each connection after ours, else 1.
 *
 * Mirrors the report's client of listing 11, a thousandfold. Its twin: ../unix/client.c. One
 * thread at a completion port does it all: a port is no matter of servers alone.
 * To try: client 127.0.0.1 7710 1000 20; client 127.0.0.1 7710 1 10000.
 */
#define PROGRAM "client"

#include <winsock2.h> /* before windows.h, which else brings the old winsock.h */

#include <inttypes.h>
#include <mswsock.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <ws2tcpip.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* What a connection waits for: to be connected, the welcome, all others to be greeted; then to
 * have sent a message, and its echo, again and again; at last the server's close. */
enum stage { CONNECT, WELCOMED, START, SENT, ECHOED, CLOSED };

/* A connection, and the one operation that is under way for it, which owns the buffer. */
struct connection {
    OVERLAPPED overlapped;
    SOCKET socket;
    long number;
    enum stage stage;
    long message;            /* which one is under way, from 1 */
    size_t done, length;     /* how much of the text has been sent, or has come back */
    uint64_t sent;           /* when sending it began, in nanoseconds */
    char text[MESSAGE_ROOM]; /* what is to be sent, or to come, next */
    char bytes[MESSAGE_ROOM];
};

/* All that the run is about. */
static struct {
    struct sockaddr_in server;
    long connections, messages;
    struct connection *all;
    long started, greeted, closed;
    uint64_t echoed, echoes; /* so many of so many */
    uint64_t *latencies;     /* of each echo, in nanoseconds */
    uint64_t begun, ended;   /* the first message, the last echo */
    HANDLE port;
} run = {.connections = DEFAULT_CONNECTIONS, .messages = DEFAULT_MESSAGES};

static bool take_number(const wchar_t *text, long least, long most, long *number);
static struct sockaddr_in resolve(const wchar_t *host, long port);
static void start_connection(void);
static void expect_welcome(struct connection *connection);
static void send_next(struct connection *connection);
static void start_send(struct connection *connection);
static void start_receive(struct connection *connection);
static void received(struct connection *connection, size_t length);
static void take_echo(struct connection *connection);
_Noreturn static void give_up(const struct connection *connection, const char *why);
_Noreturn static void lose_patience(void);
static uint64_t now(void);
static void report(void);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: whom to talk to, over how many connections, how much. */
    long port = DEFAULT_PORT;
    if (argc > 5 || (argc > 2 && !take_number(argv[2], 1, MAX_PORT, &port)) ||
        (argc > 3 && !take_number(argv[3], 1, MAX_CONNECTIONS, &run.connections)) ||
        (argc > 4 && !take_number(argv[4], 0, MAX_MESSAGES, &run.messages))) {
        say(stderr,
            "usage: client [HOST [PORT [CONNECTIONS [MESSAGES]]]], PORT to %d, "
            "CONNECTIONS to %d, MESSAGES to %d",
            MAX_PORT, MAX_CONNECTIONS, MAX_MESSAGES);
        return 2;
    }
    WSADATA winsock;
    int error = WSAStartup(MAKEWORD(2, 2), &winsock);
    if (error != 0)
        fail_with((DWORD)error, "WSAStartup");
    run.server = resolve(argc > 1 ? argv[1] : L"" DEFAULT_HOST, port);

    /* STEP 2: Make the queue of completions, and room for all that will be measured. */
    run.echoes = (uint64_t)run.connections * (uint64_t)run.messages;
    run.all = calloc((size_t)run.connections, sizeof *run.all);
    /* calloc fails if the product is too great for a size_t, which has 32 bits on some systems.
     * The 1 is there because calloc may return NULL for 0 bytes. */
    run.latencies = calloc((size_t)run.connections,
                           (size_t)(run.messages + 1) * sizeof *run.latencies);
    if (run.all == NULL || run.latencies == NULL)
        fail_with(ERROR_NOT_ENOUGH_MEMORY, "calloc");
    run.port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    if (run.port == NULL)
        fail("CreateIoCompletionPort");

    /* STEP 3: Start the first connections. Each that is greeted starts one more. */
    while (run.started < run.connections && run.started < CONNECTING_AT_ONCE)
        start_connection();

    /* STEP 4: Take completions and start for each connection what follows, until all are
     * closed. When the last is greeted the clock starts, and all send their first message. */
    while (run.closed < run.connections) {
        DWORD length;
        ULONG_PTR key;
        OVERLAPPED *overlapped;
        BOOL done = GetQueuedCompletionStatus(run.port, &length, &key, &overlapped,
                                              PATIENCE * 1000);
        struct connection *connection = (struct connection *)key;
        if (!done && overlapped == NULL && GetLastError() == WAIT_TIMEOUT)
            lose_patience();
        if (!done && overlapped == NULL)
            fail("GetQueuedCompletionStatus");
        if (!done)
            fail(connection->stage == CONNECT ? "ConnectEx"
                 : connection->stage == SENT  ? "WSASend"
                                              : "WSARecv");
        if (connection->stage == CONNECT) {
            expect_welcome(connection);
        } else if (connection->stage == SENT) {
            connection->done += length;
            start_send(connection);
        } else {
            received(connection, length);
        }
        if (run.begun == 0 && run.greeted == run.connections) {
            say(stdout, "client: connected %ld", run.connections);
            run.begun = run.ended = now();
            for (long i = 0; i < run.connections; i++)
                send_next(&run.all[i]);
        }
    }

    /* STEP 5: Report, and free all. */
    report();
    if (!CloseHandle(run.port))
        fail("CloseHandle");
    WSACleanup();
    free(run.all);
    free(run.latencies);
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

/* Takes the number that `text` is; returns whether it is one from `least` to `most`. */
static bool take_number(const wchar_t *text, long least, long most, long *number)
{
    wchar_t *end;
    *number = wcstol(text, &end, 10);
    return *text >= L'0' && *text <= L'9' && *end == L'\0' && *number >= least &&
           *number <= most;
}

static struct sockaddr_in resolve(const wchar_t *host, long port)
{
    ADDRINFOW hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    int error = GetAddrInfoW(host, NULL, &hints, &found);
    if (error != 0)
        fail_with((DWORD)error, "GetAddrInfo");
    struct sockaddr_in address;
    memcpy(&address, found->ai_addr, sizeof address);
    FreeAddrInfoW(found);
    address.sin_port = htons((u_short)port);
    return address;
}

/* The address of ConnectEx: it stands in no import library, Winsock tells it. */
static LPFN_CONNECTEX connect_function(SOCKET socket)
{
    static LPFN_CONNECTEX function;
    GUID name = WSAID_CONNECTEX;
    DWORD size;
    if (function == NULL &&
        WSAIoctl(socket, SIO_GET_EXTENSION_FUNCTION_POINTER, &name, sizeof name,
                 &function, sizeof function, &size, NULL, NULL) == SOCKET_ERROR)
        fail("WSAIoctl");
    return function;
}

static void start_connection(void)
{
    struct connection *connection = &run.all[run.started++];
    connection->number = run.started;
    connection->socket = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0,
                                    WSA_FLAG_OVERLAPPED);
    if (connection->socket == INVALID_SOCKET)
        fail("WSASocket"); /* what WSAGetLastError gives is the thread's GetLastError */
    if (CreateIoCompletionPort((HANDLE)connection->socket, run.port,
                               (ULONG_PTR)connection, 0) == NULL)
        fail("CreateIoCompletionPort");
    /* ConnectEx, unlike connect, wants a socket that has been bound. */
    struct sockaddr_in any = {.sin_family = AF_INET};
    if (bind(connection->socket, (struct sockaddr *)&any, sizeof any) == SOCKET_ERROR)
        fail("bind");
    connection->stage = CONNECT;
    if (!connect_function(connection->socket)(connection->socket,
                                              (struct sockaddr *)&run.server,
                                              sizeof run.server, NULL, 0, NULL,
                                              &connection->overlapped) &&
        WSAGetLastError() != WSA_IO_PENDING)
        fail("ConnectEx");
}

/* STEP 6: A connection is there: wait for the welcome. */
static void expect_welcome(struct connection *connection)
{
    /* Until this is said, shutdown does not know that the socket is connected. It takes no
     * value, which cppcheck does not know. */
    // cppcheck-suppress nullPointer
    if (setsockopt(connection->socket, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0) ==
        SOCKET_ERROR)
        fail("setsockopt");
    memcpy(connection->text, WELCOME, sizeof WELCOME);
    connection->length = sizeof WELCOME;
    connection->stage = WELCOMED;
    start_receive(connection);
}

/* STEP 7: Send the next message, or tell the server that there is none by shutting our half
 * of the connection down: it will send what remains and close. */
static void send_next(struct connection *connection)
{
    if (connection->message == run.messages) {
        if (shutdown(connection->socket, SD_SEND) == SOCKET_ERROR)
            fail("shutdown");
        connection->stage = CLOSED;
        start_receive(connection);
        return;
    }
    int length = snprintf(connection->text, MESSAGE_ROOM, MESSAGE_TEXT,
                          connection->number, ++connection->message);
    connection->length = (size_t)length + 1;
    connection->done = 0;
    connection->sent = now();
    connection->stage = SENT;
    start_send(connection);
}

/* Starts to send what remains of the message, or to receive its echo. */
static void start_send(struct connection *connection)
{
    if (connection->done == connection->length) {
        connection->stage = ECHOED;
        connection->done = 0;
        start_receive(connection);
        return;
    }
    WSABUF rest = {(ULONG)(connection->length - connection->done),
                   connection->text + connection->done};
    connection->overlapped = (OVERLAPPED){0};
    if (WSASend(connection->socket, &rest, 1, NULL, 0, &connection->overlapped, NULL) ==
            SOCKET_ERROR &&
        WSAGetLastError() != WSA_IO_PENDING)
        fail("WSASend");
}

static void start_receive(struct connection *connection)
{
    WSABUF whole = {sizeof connection->bytes, connection->bytes};
    DWORD flags = 0;
    connection->overlapped = (OVERLAPPED){0};
    if (WSARecv(connection->socket, &whole, 1, NULL, &flags, &connection->overlapped,
                NULL) == SOCKET_ERROR &&
        WSAGetLastError() != WSA_IO_PENDING)
        fail("WSARecv");
}

/* STEP 8: Bytes have come: compare each with the one that must. The end must come last, and
 * nothing before it that was not sent. */
static void received(struct connection *connection, size_t length)
{
    if (length == 0 && connection->stage != CLOSED)
        give_up(connection, "the server has closed it before its time");
    if (length == 0) {
        if (closesocket(connection->socket) == SOCKET_ERROR)
            fail("closesocket");
        run.closed++;
        return;
    }
    if (connection->stage == CLOSED || length > connection->length - connection->done)
        give_up(connection, "more has come than should");
    if (memcmp(connection->bytes, connection->text + connection->done, length) != 0)
        give_up(connection, connection->stage == WELCOMED ? "the welcome is wrong"
                                                          : "the echo is wrong");
    connection->done += length;
    if (connection->done < connection->length) {
        start_receive(connection);
    } else if (connection->stage == ECHOED) {
        take_echo(connection);
    } else {
        connection->stage = START;
        run.greeted++;
        if (run.started < run.connections)
            start_connection();
    }
}

/* A whole echo is there: note how long it took, and go on. */
static void take_echo(struct connection *connection)
{
    run.ended = now();
    run.latencies[run.echoed++] = run.ended - connection->sent;
    if (run.echoed * 10 / run.echoes != (run.echoed - 1) * 10 / run.echoes)
        say(stdout, "client: echoed %" PRIu64 " of %" PRIu64, run.echoed, run.echoes);
    send_next(connection);
}

_Noreturn static void give_up(const struct connection *connection, const char *why)
{
    say(stderr, PROGRAM ": connection %ld: %s", connection->number, why);
    exit(EXIT_FAILURE);
}

_Noreturn static void lose_patience(void)
{
    say(stderr,
        PROGRAM
        ": for %d s nothing has come; %ld of %ld connections are greeted, %" PRIu64
        " of %" PRIu64 " messages echoed, %ld connections closed",
        PATIENCE, run.greeted, run.connections, run.echoed, run.echoes, run.closed);
    exit(EXIT_FAILURE);
}

/* By a clock that nobody sets, and that never runs backwards. */
static uint64_t now(void)
{
    LARGE_INTEGER count, second;
    if (!QueryPerformanceFrequency(&second) || !QueryPerformanceCounter(&count))
        fail("QueryPerformanceCounter");
    return (uint64_t)((double)count.QuadPart / (double)second.QuadPart * 1e9);
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* In microseconds, what so many thousandths of all echoes did not exceed. */
static double percentile(uint64_t thousandths)
{
    uint64_t rank = (run.echoes * thousandths + 999) /
                    1000; /* of 1 to `echoes`, rounded up */
    return (double)run.latencies[rank - 1] / 1e3;
}

static void report(void)
{
    double seconds = (double)(run.ended - run.begun) / 1e9;
    say(stdout, "client: %" PRIu64 " echoes in %.3f s, %.0f a second", run.echoes,
        seconds, seconds > 0 ? (double)run.echoes / seconds : 0);
    if (run.echoes == 0)
        return;
    qsort(run.latencies, (size_t)run.echoes, sizeof *run.latencies, compare);
    say(stdout, "client: latency p50 %.0f us, p99 %.0f us, p99.9 %.0f us",
        percentile(500), percentile(990), percentile(999));
}
