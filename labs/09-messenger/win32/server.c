/*
 * server.c - the messenger's server: one thread, one completion port, any number of users.
 *
 * Usage: server [--rate LINES] [--silence SECONDS] [--history FILE] [ADDRESS]
 *
 * ADDRESS is tcp:HOST:PORT (tcp:127.0.0.1:7709; port 0: any free port) or pipe:NAME, the named pipe
 * \\.\pipe\NAME. --rate sets how many lines a second a user may send (20; 0: any number).
 * --silence sets after how many seconds of silence a connection is tested (30). --history keeps the
 * last 100 messages in FILE, also if the server is killed.
 *
 * The room (../room.c) knows users, names and lines, and no handles. This file knows handles and no
 * names: it moves bytes from connections into the room and back. A receive or a send is only
 * started; when it is done, its packet comes to the port. A socket and a named pipe differ in how
 * they are made, written and closed: ReadFile takes both.
 *
 * Why one thread: one user's line goes to all users. With many workers the room needs a lock, which
 * all of them would wait for; and the users must all see one order.
 *
 * Grown from lab 06's server_robust.c and server_acceptex.c. Counterpart: ../unix/server.c, with
 * epoll, which reports that a receive would not block, not that it is done.
 * To try: server in one window, client --name anna and client --name boris in two more.
 */
#include "contract.h"
#include "endpoint.h"
#include "find.h"
#include "history.h"
#include "ipclab.h"
#include "room.h"

#include <mswsock.h>

#define TICK_MILLISECONDS 500
#define ADDRESS_SPACE (sizeof(struct sockaddr_storage) + 16) /* what AcceptEx asks for */

struct connection {
    HANDLE file;              /* a socket, or one instance of the pipe */
    struct user *user;        /* NULL: not yet connected, or we have closed it */
    OVERLAPPED receive, send; /* the first is also for the accept */
    int under_way; /* operations: while there are any, this memory is the system's, too */
    bool sends, ended, shut;
    char received[BUFFER_SIZE];
    char sending[BUFFER_SIZE]; /* what the send that is under way sends */
};

static HANDLE queue; /* the completion port */
static SOCKET listener = INVALID_SOCKET;
static struct room_options options;
static struct connection *next_connection; /* of the accept that is under way */
static char accepted_addresses[2 * ADDRESS_SPACE];

static void stop(void);
static bool wait_for_packet(void);
static void start_accept(void);
static SOCKET start_accept_socket(struct connection *connection);
static HANDLE start_accept_pipe(void);
static void accept_user(DWORD error);
static void start_receive(struct connection *connection);
static void end_input(struct connection *connection, DWORD error);
static void received(struct connection *connection, DWORD error, DWORD length);
static bool start_send(struct connection *connection, DWORD length);
static void send_waiting(struct user *user);
static void sent(struct connection *connection, DWORD error);
static void close_connection(struct connection *connection);
static void free_connection(struct connection *connection);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the options and the address. */
    (void)argc;
    begin_program("server", SERVER_USAGE, &argv);
    take_room_options(argv, &options);

    /* STEP 2: Open the room, with the messages of the server before. */
    const char *file = options.history;
    if (!room_open(options.rate, file != NULL ? map_history(file) : NULL))
        fatal("%s is no history of messages", file);

    /* STEP 3: Listen. Ctrl-C calls stop(), in a thread of its own. */
    if (!options.address.pipe)
        listener = tcp_listen(options.address.host, options.address.port);

    /* STEP 4: Create the queue, and start the first accept: its packet comes when a client has
     * connected. Each packet carries the key of its socket or pipe, which is the connection, and
     * its OVERLAPPED, which is the operation. */
    // LEVEL 2
    queue = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    if (queue == NULL || (!options.address.pipe &&
                          CreateIoCompletionPort((HANDLE)listener, queue, 0, 0) == NULL))
        sys_error("CreateIoCompletionPort");
    // END
    start_accept();
    end_on_interrupt(stop);
    if (!options.address.pipe)
        answer_questions(socket_address(listener)); /* client --find asks */
    log_event("server: ready %s%s", options.address.pipe ? "pipe:" : "tcp:",
              options.address.pipe ? options.address.host : socket_address(listener));

    for (bool end = false; !end || room_users() != NULL;) {
        end = wait_for_packet() || end; /* STEP 5; it calls what is in STEP 6 and 7 */
        if (end)
            room_close(milliseconds());
        for (struct user *user; (user = room_ready()) != NULL;)
            send_waiting(user); /* STEP 8 */
    }

    /* The end: all have got the notice (STEP 9). */
    log_event("server: done");
    return EXIT_SUCCESS;
}

/* On Ctrl-C: a packet of its own wakes the main thread, which alone may touch the room. If that does not end
 * the program in time, this thread does. */
static void stop(void)
{
    if (PostQueuedCompletionStatus(queue, 0, 0, NULL))
        Sleep(2 * 1000 * LEAVING_SECONDS);
}

/* STEP 5: Wait until an operation is done, with a time limit if a user still has to leave, and go on
 * with its connection. Returns whether the server has to end. */
static bool wait_for_packet(void)
{
    // LEVEL 1: DWORD length; ULONG_PTR key; OVERLAPPED *overlapped; bool done; DWORD error;
    DWORD length;
    ULONG_PTR key;
    OVERLAPPED *overlapped;
    bool again = room_tick(milliseconds());
    bool done = GetQueuedCompletionStatus(queue, &length, &key, &overlapped,
                                          again ? TICK_MILLISECONDS : INFINITE);
    DWORD error = done ? 0 : GetLastError();
    // END
    if (overlapped == NULL && !done && error != WAIT_TIMEOUT)
        sys_error("GetQueuedCompletionStatus");
    if (overlapped == NULL) /* what stop() has posted, or nothing */
        return done;
    struct connection *connection = (struct connection *)key;
    if (overlapped == &next_connection->receive) /* its key is the listener's */
        accept_user(error);
    else if (overlapped == &connection->receive)
        received(connection, error, length);
    else
        sent(connection, error);
    return false;
}

/* ---- Clients come -------------------------------------------------------------- */

/* Starts the next accept. Its packet comes when a client has connected. */
static void start_accept(void)
{
    struct connection *connection = allocate(sizeof *connection);
    *connection = (struct connection){.under_way = 1};
    next_connection = connection;
    connection->file = options.address.pipe ? start_accept_pipe()
                                            : (HANDLE)start_accept_socket(connection);
    if (CreateIoCompletionPort(connection->file, queue, (ULONG_PTR)connection, 0) == NULL)
        sys_error("CreateIoCompletionPort");
    /* The pipe must belong to the port before it is connected, a socket only before the receive. */
    if (options.address.pipe &&
        !ConnectNamedPipe(connection->file, &connection->receive) &&
        GetLastError() != ERROR_IO_PENDING) {
        /* The client was faster: no packet comes. After another error it has left already. */
        if (!PostQueuedCompletionStatus(queue, 0, 0, &connection->receive))
            sys_error("PostQueuedCompletionStatus");
    }
}

static SOCKET start_accept_socket(struct connection *connection)
{
    WSAPROTOCOL_INFOW info;
    int size = sizeof info;
    if (getsockopt(listener, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&info, &size) != 0)
        sys_error("getsockopt");
    SOCKET socket = WSASocketW(info.iAddressFamily, SOCK_STREAM, 0, NULL, 0,
                               WSA_FLAG_OVERLAPPED);
    if (socket == INVALID_SOCKET)
        sys_error("WSASocket");
    // LEVEL 2
    DWORD length;
    while (!AcceptEx(listener, socket, accepted_addresses, 0, ADDRESS_SPACE,
                     ADDRESS_SPACE, &length, &connection->receive) &&
           WSAGetLastError() != ERROR_IO_PENDING)
        /* This error means: a client came and has left. Then try again. */
        if (WSAGetLastError() != WSAECONNRESET)
            sys_error("AcceptEx");
    // END
    return socket;
}

/* One more instance of the pipe. The default security descriptor lets this user and administrators
 * write to it, and PIPE_REJECT_REMOTE_CLIENTS no other machine. */
static HANDLE start_accept_pipe(void)
{
    static bool first = true;
    HANDLE pipe = CreateNamedPipeW(pipe_path(&options.address),
                                   PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED |
                                       (first ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0),
                                   PIPE_TYPE_BYTE | PIPE_REJECT_REMOTE_CLIENTS,
                                   PIPE_UNLIMITED_INSTANCES, BUFFER_SIZE, BUFFER_SIZE, 0,
                                   NULL);
    if (pipe == INVALID_HANDLE_VALUE)
        sys_error("CreateNamedPipe");
    first = false;
    return pipe;
}

/* STEP 6: A client has connected, or has tried to. */
static void accept_user(DWORD error)
{
    struct connection *connection = next_connection;
    connection->under_way--;
    start_accept();
    if (error != 0) { /* the client has left already */
        free_connection(connection);
        return;
    }
    ULONG process;
    if (options.address.pipe && GetNamedPipeClientProcessId(connection->file, &process))
        log_event("server: process %lu", process);
    if (!options.address.pipe) {
        /* Without this shutdown() fails. An error is printed: the client may have left. */
        if (setsockopt((SOCKET)connection->file, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT,
                       (char *)&listener, sizeof listener) != 0)
            log_sys_error("setsockopt");
        set_keep_alive((SOCKET)connection->file, options.silence);
    }
    /* An operation that is done at once has no packet. */
    if (!SetFileCompletionNotificationModes(connection->file,
                                            FILE_SKIP_COMPLETION_PORT_ON_SUCCESS))
        sys_error("SetFileCompletionNotificationModes");
    // LEVEL 2
    connection->user = room_enter(connection);
    start_receive(connection);
    // END
}

/* ---- Bytes come ---------------------------------------------------------------- */

/* If the receive is done at once, posts its packet, so that other users are served first. */
static void start_receive(struct connection *connection)
{
    DWORD length;
    connection->receive = (OVERLAPPED){0};
    connection->under_way++;
    if (ReadFile(connection->file, connection->received, sizeof connection->received,
                 &length, &connection->receive)) {
        if (!PostQueuedCompletionStatus(queue, length, (ULONG_PTR)connection,
                                        &connection->receive))
            sys_error("PostQueuedCompletionStatus");
    } else if (GetLastError() != ERROR_IO_PENDING) {
        connection->under_way--;
        end_input(connection, GetLastError());
    }
}

/* No bytes come any more: the user has ended its output, or is lost. */
static void end_input(struct connection *connection, DWORD error)
{
    connection->ended = true;
    if (error == ERROR_BROKEN_PIPE || error == ERROR_HANDLE_EOF)
        room_end_of_input(connection->user, milliseconds());
    else
        room_lost(connection->user);
}

/* STEP 7: A receive is done: give the bytes to the room. A socket reports the end by 0 bytes, a pipe by an
 * error. What a user sends after it has left is read, too: to close a socket with unread bytes would
 * reset the connection, and the other side could lose the last lines. */
static void received(struct connection *connection, DWORD error, DWORD length)
{
    connection->under_way--;
    if (connection->user == NULL) { /* we have closed it meanwhile */
        free_connection(connection);
        return;
    }
    struct user *user = connection->user;
    if (error == 0 && length == 0 && !options.address.pipe)
        error = ERROR_HANDLE_EOF;
    // LEVEL 2
    if (error != 0) {
        end_input(connection, error);
    } else {
        if (user->stay == STAYS)
            room_input(user, connection->received, length, milliseconds());
        start_receive(connection);
    }
    // END
    send_waiting(user);
}

/* ---- Bytes go ------------------------------------------------------------------ */

/* Starts to send what is in `sending`. WriteFile would take a socket, too, but under Wine it is never done
 * there if it is pending. */
static bool start_send(struct connection *connection, DWORD length)
{
    WSABUF bytes = {length, connection->sending};
    connection->send = (OVERLAPPED){0};
    if (options.address.pipe)
        return WriteFile(connection->file, bytes.buf, length, NULL, &connection->send);
    return WSASend((SOCKET)connection->file, &bytes, 1, NULL, 0, &connection->send,
                   NULL) == 0;
}

/* STEP 8: Send what waits, as long as each send is done at once. One send at a time, so that the bytes
 * stay in order: while one is under way, the rest waits in the user's queue for its packet. The queue
 * may move in memory, so what is being sent is a copy. */
static void send_waiting(struct user *user)
{
    struct connection *connection = user->connection;
    // LEVEL 2
    while (user->stay != GONE && !connection->sends && user->output.length > 0) {
        size_t length = user->output.length < BUFFER_SIZE ? user->output.length
                                                          : BUFFER_SIZE;
        memcpy(connection->sending, user->output.bytes, length);
        room_sent(user, length);
        bool done = start_send(connection, (DWORD)length);
        connection->sends = !done && GetLastError() == ERROR_IO_PENDING;
        if (connection->sends)
            connection->under_way++;
        else if (!done)
            room_lost(user);
    }
    // END
    bool all_sent = user->stay == LEAVES && !connection->sends;
    if (user->stay == GONE || (all_sent && (connection->ended || options.address.pipe))) {
        close_connection(connection); /* what is in a pipe can still be read */
    } else if (all_sent &&
               !connection->shut) { /* the client reads end of file, and closes */
        connection->shut = true;
        shutdown((SOCKET)connection->file, SD_SEND);
    }
}

/* A send is done. */
static void sent(struct connection *connection, DWORD error)
{
    connection->under_way--;
    connection->sends = false;
    if (connection->user == NULL) {
        free_connection(connection);
        return;
    }
    if (error != 0)
        room_lost(connection->user);
    send_waiting(connection->user);
}

/* ---- Connections end ----------------------------------------------------------- */

/* STEP 9: Close a connection. The operations that are under way are cancelled; each still has its packet,
 * and until it comes the memory and the handle are in use. */
static void close_connection(struct connection *connection)
{
    room_forget(connection->user);
    connection->user = NULL;
    if (connection->under_way > 0)
        CancelIoEx(connection->file,
                   NULL); /* it fails if all are done, and the packets wait */
    free_connection(connection);
}

/* Frees the connection if no operation uses it any more. */
static void free_connection(struct connection *connection)
{
    if (connection->under_way > 0)
        return;
    close_endpoint(&options.address, connection->file);
    free(connection);
}
