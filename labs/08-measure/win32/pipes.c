/*
 * pipes.c - anonymous and named pipes: bytes, messages, and overlapped.
 */

#include "mechanisms.h"

#define BUFFER_SIZE 65536 /* the size of a pipe on Linux */

static HANDLE in, out; /* this process's ends; of a named pipe: the same handle */
static size_t length;

/* In message mode one call moves a whole message; otherwise a message may move in parts. */
static void send_all_bytes(const void *message)
{
    if (!write_all(out, message, length))
        sys_error("WriteFile");
}

static const void *receive_all_bytes(void *buffer)
{
    long got = read_full(in, buffer, length);
    if (got == -1)
        sys_error("ReadFile");
    if ((size_t)got < length)
        fatal("the other process has ended");
    return buffer;
}

/* ---- Anonymous pipes ------------------------------------------------------------------- */

static HANDLE ends[4]; /* for the second: read and write; for the first: read and write */

static void create_anonymous(size_t size)
{
    (void)size;
    SECURITY_ATTRIBUTES inherit = {.nLength = sizeof inherit, .bInheritHandle = TRUE};
    if (!CreatePipe(&ends[0], &ends[3], &inherit, BUFFER_SIZE) ||
        !CreatePipe(&ends[2], &ends[1], &inherit, BUFFER_SIZE))
        sys_error("CreatePipe");
    if (!SetHandleInformation(ends[2], HANDLE_FLAG_INHERIT, 0) ||
        !SetHandleInformation(ends[3], HANDLE_FLAG_INHERIT, 0))
        sys_error("SetHandleInformation");
    snprintf(address, sizeof address, "%p %p", ends[0], ends[1]);
}

static void join_anonymous(enum side side, size_t size)
{
    length = size;
    if (side == SECOND) {
        if (sscanf(address, "%p %p", &in, &out) != 2)
            fatal("no handles in the arguments");
        return;
    }
    in = ends[2];
    out = ends[3];
    if (!CloseHandle(ends[0]) || !CloseHandle(ends[1]))
        sys_error("CloseHandle");
}

static void close_anonymous(void)
{
    if (!CloseHandle(in) || !CloseHandle(out))
        sys_error("CloseHandle");
}

const struct mechanism pipe_anonymous = {
    "pipe",         "anonymous pipe",  NULL,
    NULL,           create_anonymous,  join_anonymous,
    send_all_bytes, receive_all_bytes, close_anonymous};

/* ---- Named pipes ------------------------------------------------------------------------- */

static OVERLAPPED reading, writing; /* each with an event, if the pipe is overlapped */

static void create_named(size_t size, DWORD mode, DWORD flags)
{
    DWORD buffer = (DWORD)(size > BUFFER_SIZE ? size : BUFFER_SIZE);
    snprintf(address, sizeof address, "\\\\.\\pipe\\measure-%lu", GetCurrentProcessId());
    in = out = CreateNamedPipeA(address, PIPE_ACCESS_DUPLEX | flags,
                                mode | PIPE_REJECT_REMOTE_CLIENTS, 1, buffer, buffer, 0,
                                NULL);
    if (in == INVALID_HANDLE_VALUE)
        sys_error("CreateNamedPipe");
}

static void create_byte(size_t size)
{
    create_named(size, PIPE_TYPE_BYTE, 0);
}

static void create_message(size_t size)
{
    create_named(size, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE, 0);
}

static void create_overlapped(size_t size)
{
    create_named(size, PIPE_TYPE_BYTE, FILE_FLAG_OVERLAPPED);
}

static void open_pipe(DWORD flags)
{
    in = out = CreateFileA(address, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                           flags, NULL);
    if (in == INVALID_HANDLE_VALUE)
        sys_error("CreateFile");
}

static void join_named(enum side side, size_t size)
{
    length = size;
    if (side == SECOND)
        open_pipe(0);
    else if (!ConnectNamedPipe(in, NULL) && GetLastError() != ERROR_PIPE_CONNECTED)
        sys_error("ConnectNamedPipe");
}

static void join_message(enum side side, size_t size)
{
    join_named(side, size);
    DWORD mode = PIPE_READMODE_MESSAGE;
    if (side == SECOND && !SetNamedPipeHandleState(in, &mode, NULL, NULL))
        sys_error("SetNamedPipeHandleState");
}

static void close_named(void)
{
    if (!CloseHandle(in))
        sys_error("CloseHandle");
}

/* Waits for an operation that may be pending. Returns how many bytes it has moved. */
static DWORD finish(BOOL done, OVERLAPPED *operation, const char *call)
{
    DWORD moved = 0;
    if (!done && GetLastError() != ERROR_IO_PENDING)
        sys_error(call);
    if (!GetOverlappedResult(in, operation, &moved, TRUE))
        sys_error(call);
    return moved;
}

static void join_overlapped(enum side side, size_t size)
{
    length = size;
    reading.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
    writing.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
    if (reading.hEvent == NULL || writing.hEvent == NULL)
        sys_error("CreateEvent");
    if (side == SECOND)
        open_pipe(FILE_FLAG_OVERLAPPED);
    else if (!ConnectNamedPipe(in, &reading) && GetLastError() != ERROR_PIPE_CONNECTED)
        finish(FALSE, &reading, "ConnectNamedPipe");
}

static void write_overlapped(const void *message)
{
    for (size_t done = 0; done < length;)
        done += finish(WriteFile(out, (const char *)message + done,
                                 (DWORD)(length - done), NULL, &writing),
                       &writing, "WriteFile");
}

static const void *read_overlapped(void *buffer)
{
    for (size_t done = 0; done < length;)
        done += finish(ReadFile(in, (char *)buffer + done, (DWORD)(length - done), NULL,
                                &reading),
                       &reading, "ReadFile");
    return buffer;
}

static void close_overlapped(void)
{
    if (!CloseHandle(reading.hEvent) || !CloseHandle(writing.hEvent))
        sys_error("CloseHandle");
    close_named();
}

const struct mechanism pipe_byte = {"named-pipe",   "named pipe, bytes", NULL,
                                    NULL,           create_byte,         join_named,
                                    send_all_bytes, receive_all_bytes,   close_named};
const struct mechanism pipe_message = {
    "named-pipe-message", "named pipe, messages", NULL,           NULL,
    create_message,       join_message,           send_all_bytes, receive_all_bytes,
    close_named};
const struct mechanism pipe_overlapped = {"named-pipe-overlapped",
                                          "named pipe, overlapped",
                                          NULL,
                                          NULL,
                                          create_overlapped,
                                          join_overlapped,
                                          write_overlapped,
                                          read_overlapped,
                                          close_overlapped};
