/*
 * pipes.c - anonymous and named pipes: bytes, messages, and overlapped.
 */
#include <stdio.h>
#include <windows.h>

#include "mechanisms.h"

#define BUFFER_SIZE 65536 /* what a pipe of UNIX has */

static HANDLE in, out; /* this process's ends; of a named pipe the same one */
static size_t length;

/* In message mode one call does; else a message may come, and go, in parts. */
static void write_all(const void *message)
{
    for (size_t done = 0; done < length;) {
        DWORD written;
        if (!WriteFile(out, (const char *)message + done, (DWORD)(length - done),
                       &written, NULL))
            fail("WriteFile");
        done += written;
    }
}

static const void *read_all(void *room)
{
    for (size_t done = 0; done < length;) {
        DWORD got;
        if (!ReadFile(in, (char *)room + done, (DWORD)(length - done), &got, NULL))
            fail("ReadFile");
        if (got == 0)
            give_up("the other process has ended");
        done += got;
    }
    return room;
}

/* ---- Anonymous pipes ------------------------------------------------------------------- */

static HANDLE ends[4]; /* for the second: read and write; for the first: read and write */

static void create_anonymous(size_t size)
{
    (void)size;
    SECURITY_ATTRIBUTES inherit = {.nLength = sizeof inherit, .bInheritHandle = TRUE};
    if (!CreatePipe(&ends[0], &ends[3], &inherit, BUFFER_SIZE) ||
        !CreatePipe(&ends[2], &ends[1], &inherit, BUFFER_SIZE))
        fail("CreatePipe");
    if (!SetHandleInformation(ends[2], HANDLE_FLAG_INHERIT, 0) ||
        !SetHandleInformation(ends[3], HANDLE_FLAG_INHERIT, 0))
        fail("SetHandleInformation");
    snprintf(address, sizeof address, "%p %p", ends[0], ends[1]);
}

static void join_anonymous(enum side side, size_t size)
{
    length = size;
    if (side == SECOND) {
        if (sscanf(address, "%p %p", &in, &out) != 2)
            give_up("no handles in the arguments");
        return;
    }
    in = ends[2];
    out = ends[3];
    if (!CloseHandle(ends[0]) || !CloseHandle(ends[1]))
        fail("CloseHandle");
}

static void close_anonymous(void)
{
    if (!CloseHandle(in) || !CloseHandle(out))
        fail("CloseHandle");
}

const struct mechanism pipe_anonymous = {"pipe",    "anonymous pipe", NULL,
                                         NULL,      create_anonymous, join_anonymous,
                                         write_all, read_all,         close_anonymous};

/* ---- Named pipes ------------------------------------------------------------------------- */

static OVERLAPPED reading, writing; /* with an event each, where the pipe is overlapped */

static void create_named(size_t size, DWORD mode, DWORD flags)
{
    DWORD buffer = (DWORD)(size > BUFFER_SIZE ? size : BUFFER_SIZE);
    snprintf(address, sizeof address, "\\\\.\\pipe\\measure-%lu", GetCurrentProcessId());
    in = out = CreateNamedPipeA(address, PIPE_ACCESS_DUPLEX | flags,
                                mode | PIPE_REJECT_REMOTE_CLIENTS, 1, buffer, buffer, 0,
                                NULL);
    if (in == INVALID_HANDLE_VALUE)
        fail("CreateNamedPipe");
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
        fail("CreateFile");
}

static void join_named(enum side side, size_t size)
{
    length = size;
    if (side == SECOND)
        open_pipe(0);
    else if (!ConnectNamedPipe(in, NULL) && GetLastError() != ERROR_PIPE_CONNECTED)
        fail("ConnectNamedPipe");
}

static void join_message(enum side side, size_t size)
{
    join_named(side, size);
    DWORD mode = PIPE_READMODE_MESSAGE;
    if (side == SECOND && !SetNamedPipeHandleState(in, &mode, NULL, NULL))
        fail("SetNamedPipeHandleState");
}

static void close_named(void)
{
    if (!CloseHandle(in))
        fail("CloseHandle");
}

/* Waits for an operation that may be under way. Returns how many bytes it has moved. */
static DWORD finish(BOOL done, OVERLAPPED *operation, const char *call)
{
    DWORD moved = 0;
    if (!done && GetLastError() != ERROR_IO_PENDING)
        fail(call);
    if (!GetOverlappedResult(in, operation, &moved, TRUE))
        fail(call);
    return moved;
}

static void join_overlapped(enum side side, size_t size)
{
    length = size;
    reading.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
    writing.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
    if (reading.hEvent == NULL || writing.hEvent == NULL)
        fail("CreateEvent");
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

static const void *read_overlapped(void *room)
{
    for (size_t done = 0; done < length;)
        done += finish(ReadFile(in, (char *)room + done, (DWORD)(length - done), NULL,
                                &reading),
                       &reading, "ReadFile");
    return room;
}

static void close_overlapped(void)
{
    if (!CloseHandle(reading.hEvent) || !CloseHandle(writing.hEvent))
        fail("CloseHandle");
    close_named();
}

const struct mechanism pipe_byte = {
    "named-pipe", "named pipe, bytes", NULL,     NULL,       create_byte,
    join_named,   write_all,           read_all, close_named};
const struct mechanism pipe_message = {
    "named-pipe-message", "named pipe, messages", NULL,      NULL,
    create_message,       join_message,           write_all, read_all,
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
