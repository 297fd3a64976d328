/*
 * load.c - many connections in one thread: verify every byte, and measure how long echoes take.
 *
 * Usage: load [HOST [PORT [CONNECTIONS [MESSAGES]]]]
 *
 * Makes CONNECTIONS (100) connections to HOST (127.0.0.1), PORT (7710), and waits for the welcome
 * on each. Then it sends MESSAGES (10) messages on every connection, each after the echo of the
 * one before. Reports rate and latency. Exit code 0 if every byte was right and the server closed
 * each connection after this program had shut down its half, else 1.
 *
 * One thread at a completion port does it all. A connection is made through the port, too:
 * by ConnectEx. Counterpart: ../unix/load.c.
 * To try: load 127.0.0.1 7710 1000 20; load 127.0.0.1 7710 1 10000: what changes?
 */
#include "load.h"

#include <mswsock.h>
#include <ws2tcpip.h>

static struct addrinfo *server;
static HANDLE queue; /* the completion port */

/* What starts the operation of each stage: for error lines. */
static const char *const calls[] = {"ConnectEx", "WSARecv", "",
                                    "WSASend",   "WSARecv", "WSARecv"};

static void resolve(void);
static void start_connection(void);
static void serve(struct connection *connection, size_t length);
static void finish_connect(struct connection *connection);
static void start_message(struct connection *connection);
static void start_send(struct connection *connection);
static void start_receive(struct connection *connection);
static void received(struct connection *connection, size_t length);
static void take_text(struct connection *connection);
static void take_end(struct connection *connection);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: where the server is, how many connections and messages. */
    begin_program("load", "[HOST [PORT [CONNECTIONS [MESSAGES]]]]", &argv);
    take_arguments(argc, argv);
    resolve();

    /* STEP 2: Create the queue. */
    queue = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    if (queue == NULL)
        sys_error("CreateIoCompletionPort");

    /* STEP 3: Start the first connections. Each that is greeted starts one more. */
    while (started < connection_count && started < CONNECTING_AT_ONCE)
        start_connection();

    while (closed < connection_count) {
        /* STEP 4: Wait until an operation is done, and start the next for its connection. When
         * all are greeted, all send their first message. */
        DWORD length;
        ULONG_PTR key; /* what CreateIoCompletionPort stored for the socket */
        OVERLAPPED *overlapped;
        bool done = GetQueuedCompletionStatus(queue, &length, &key, &overlapped,
                                              PATIENCE * 1000);
        struct connection *connection = (struct connection *)key;
        if (!done && overlapped == NULL && GetLastError() == WAIT_TIMEOUT)
            report_silence();
        if (!done)
            sys_error(overlapped == NULL ? "GetQueuedCompletionStatus"
                                         : calls[connection->stage]);
        serve(connection, length);
        if (begin == 0 && greeted == connection_count) {
            log_event("load: connected %ld", connection_count);
            begin = end = now();
            for (long i = 0; i < connection_count; i++)
                start_message(&connections[i]);
        }
    }

    report();
    if (!CloseHandle(queue))
        sys_error("CloseHandle");
    freeaddrinfo(server);
    WSACleanup();
    free(connections);
    free(latencies);
    log_event("load: done");
    return EXIT_SUCCESS;
}

static void resolve(void)
{
    WSADATA winsock;
    int error = WSAStartup(MAKEWORD(2, 2), &winsock);
    if (error != 0)
        sys_error_number("WSAStartup", error);
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    error = getaddrinfo(host, port, &hints, &server);
    if (error != 0)
        sys_error_number("getaddrinfo", error);
}

/* Returns ConnectEx. No import library contains it: Winsock returns its address. */
static LPFN_CONNECTEX find_connect(SOCKET socket)
{
    static LPFN_CONNECTEX function;
    GUID name = WSAID_CONNECTEX;
    DWORD size;
    if (function == NULL &&
        WSAIoctl(socket, SIO_GET_EXTENSION_FUNCTION_POINTER, &name, sizeof name,
                 &function, sizeof function, &size, NULL, NULL) != 0)
        sys_error("WSAIoctl");
    return function;
}

/* ConnectEx needs a socket that is bound to an address of this machine, unlike connect(). */
static void start_connection(void)
{
    struct connection *connection = &connections[started++];
    *connection = (struct connection){.number = started};
    connection->socket = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0,
                                    WSA_FLAG_OVERLAPPED);
    if (connection->socket == INVALID_SOCKET)
        sys_error("WSASocket");
    if (CreateIoCompletionPort((HANDLE)connection->socket, queue, (ULONG_PTR)connection,
                               0) == NULL)
        sys_error("CreateIoCompletionPort");
    struct sockaddr_in any = {.sin_family = AF_INET};
    if (bind(connection->socket, (struct sockaddr *)&any, sizeof any) != 0)
        sys_error("bind");
    LPFN_CONNECTEX connect_ex = find_connect(connection->socket);
    connection->stage = CONNECTING;
    if (!connect_ex(connection->socket, server->ai_addr, (int)server->ai_addrlen, NULL, 0,
                    NULL, &connection->overlapped) &&
        WSAGetLastError() != WSA_IO_PENDING)
        sys_error("ConnectEx");
}

/* A connection's operation is done. */
static void serve(struct connection *connection, size_t length)
{
    if (connection->stage == CONNECTING) {
        finish_connect(connection);
    } else if (connection->stage == SENDING) {
        connection->done += length;
        start_send(connection);
    } else {
        received(connection, length);
    }
}

/* STEP 5: A connection is made: wait for the welcome. */
static void finish_connect(struct connection *connection)
{
    /* Before this call shutdown() takes the socket for one that is not connected. The option has
     * no value, which cppcheck does not know. */
    // cppcheck-suppress nullPointer
    if (setsockopt(connection->socket, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0) !=
        0)
        sys_error("setsockopt");
    expect_welcome(connection);
    start_receive(connection);
}

/* STEP 6: Send the next message. After the last, shut down our half: the server sends what is
 * left and closes. */
static void start_message(struct connection *connection)
{
    if (connection->message == message_count) {
        if (shutdown(connection->socket, SD_SEND) != 0)
            sys_error("shutdown");
        connection->stage = CLOSING;
        start_receive(connection);
        return;
    }
    next_message(connection);
    connection->stage = SENDING;
    start_send(connection);
}

/* Starts to send what is left of the message. If nothing is left, starts to receive its echo. */
static void start_send(struct connection *connection)
{
    if (connection->done == connection->length) {
        connection->stage = RECEIVING;
        connection->done = 0;
        start_receive(connection);
        return;
    }
    WSABUF rest = {(ULONG)(connection->length - connection->done),
                   connection->text + connection->done};
    connection->overlapped = (OVERLAPPED){0};
    if (WSASend(connection->socket, &rest, 1, NULL, 0, &connection->overlapped, NULL) !=
            0 &&
        WSAGetLastError() != WSA_IO_PENDING)
        sys_error("WSASend");
}

static void start_receive(struct connection *connection)
{
    WSABUF buffer = {sizeof connection->bytes, connection->bytes};
    DWORD flags = 0;
    connection->overlapped = (OVERLAPPED){0};
    if (WSARecv(connection->socket, &buffer, 1, NULL, &flags, &connection->overlapped,
                NULL) != 0 &&
        WSAGetLastError() != WSA_IO_PENDING)
        sys_error("WSARecv");
}

/* STEP 7: Bytes have come: compare. End of file must come last. */
static void received(struct connection *connection, size_t length)
{
    if (length == 0)
        take_end(connection);
    else if (check_bytes(connection, connection->bytes, length))
        take_text(connection);
    else
        start_receive(connection);
}

/* The welcome has come, or an echo. */
static void take_text(struct connection *connection)
{
    if (connection->stage == RECEIVING) {
        take_echo(connection);
        start_message(connection);
        return;
    }
    connection->stage = GREETED;
    greeted++;
    if (started < connection_count)
        start_connection();
}

/* The server has closed the connection. */
static void take_end(struct connection *connection)
{
    if (connection->stage != CLOSING)
        fatal("connection %ld: the server closed it too early", connection->number);
    if (closesocket(connection->socket) != 0)
        sys_error("closesocket");
    closed++;
}

static uint64_t now(void)
{
    LARGE_INTEGER count, second;
    if (!QueryPerformanceFrequency(&second) || !QueryPerformanceCounter(&count))
        sys_error("QueryPerformanceCounter");
    return (uint64_t)((double)count.QuadPart / (double)second.QuadPart * NANOSECONDS);
}
