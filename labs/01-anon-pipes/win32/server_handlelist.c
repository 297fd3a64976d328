/*
 * server_handlelist.c - as server.c, with the handles that the client inherits in a list.
 *
 * Usage: server_handlelist [COUNT [CLIENT]]
 *
 * Starts CLIENT (the program "client" beside this one) with the argument COUNT (10), its
 * standard input and output being pipes to this server; sends COUNT messages back; reports
 * how the client ended. Exit code 0 if the client left between messages and with 0, else 1.
 *
 * Without the list, a child inherits every handle that is inheritable at that moment. A
 * program that starts children from several threads cannot know which those are.
 * For Windows 8 or later: before, the handle of a console was none of the kernel's, and
 * CreateProcess refused a list with one in it.
 */
#define PROGRAM "server"

#include <process.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* How many bytes one write takes at the most: 1 GiB. */
#define MOST_AT_ONCE (1ul << 30)

/* Bytes on their way, as many as come. */
struct buffer {
    char *bytes;
    size_t length, room;
};

/* The echoes that wait for the client to read them: filled by main, emptied by a thread. */
struct outbox {
    SRWLOCK lock;
    CONDITION_VARIABLE changed;
    struct buffer waiting;
    bool closed; /* main has nothing more to add */
    DWORD error; /* why the thread gave up writing, or 0 */
    HANDLE pipe;
};

static const wchar_t *program_beside(const wchar_t *name);
static bool is_count(const wchar_t *text);
static HANDLE start_client(const wchar_t *path, long count, HANDLE input, HANDLE output);
static bool echo(HANDLE from_client, HANDLE to_client, long count);
static unsigned __stdcall write_echoes(void *argument);
static void finish(struct outbox *outbox);
static void post(struct outbox *outbox, const char *bytes, size_t length);
static void append(struct buffer *buffer, const char *bytes, size_t length);
static bool report_end(HANDLE client);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: how many messages to ask for, and from which client. */
    if (argc > 3 || (argc > 1 && !is_count(argv[1]))) {
        say(stderr, "usage: server [COUNT [CLIENT]], COUNT from 0 to %d", MAX_COUNT);
        return 2;
    }
    long count = argc > 1 ? wcstol(argv[1], NULL, 10) : DEFAULT_COUNT;
    const wchar_t *path = argc > 2 ? argv[2] : program_beside(L"client.exe");

    /* STEP 2: Make two pipes, because each runs one way. No security attributes: so none of
     * the four ends is inheritable, and the client is to get two, and no other. */
    HANDLE to_client[2], from_client[2]; /* [0] is read from, [1] is written to */
    if (!CreatePipe(&to_client[0], &to_client[1], NULL, 0) ||
        !CreatePipe(&from_client[0], &from_client[1], NULL, 0))
        fail("CreatePipe");
    say(stdout, "server: ready");

    /* STEP 3: Start the client with its two ends as its standard input and output. */
    HANDLE client = start_client(path, count, to_client[0], from_client[1]);

    /* STEP 4: Close the client's ends here. A pipe is at its end when nobody can write to
     * it any more, so while we held the client's writing end we would wait for ourselves. */
    if (!CloseHandle(to_client[0]) || !CloseHandle(from_client[1]))
        fail("CloseHandle");

    /* STEP 5: Send COUNT messages back, and read on until the client closes its end. */
    bool complete = echo(from_client[0], to_client[1], count);
    say(stdout, "server: client 1 left");

    /* STEP 6: Wait for the client, and report how it ended: its exit code is there to fetch
     * for as long as we hold a handle to the process. */
    if (!CloseHandle(from_client[0]))
        fail("CloseHandle");
    bool well = report_end(client);
    say(stdout, "server: done");
    return complete && well ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The path of the program `name` in the folder that this program's own file is in. */
static const wchar_t *program_beside(const wchar_t *name)
{
    static wchar_t path[COMMAND_LINE_ROOM];
    DWORD length = GetModuleFileNameW(NULL, path, COMMAND_LINE_ROOM);
    if (length == 0 || length == COMMAND_LINE_ROOM)
        fail("GetModuleFileName");
    wchar_t *slash = wcsrchr(path, L'\\');
    wchar_t *file = slash == NULL ? path : slash + 1;
    if (swprintf(file, (size_t)(path + COMMAND_LINE_ROOM - file), L"%ls", name) < 0)
        fail_with(ERROR_FILENAME_EXCED_RANGE, "swprintf");
    return path;
}

static bool is_count(const wchar_t *text)
{
    wchar_t *end;
    long count = wcstol(text, &end, 10);
    return *text >= L'0' && *text <= L'9' && *end == L'\0' && count <= MAX_COUNT;
}

static HANDLE start_client(const wchar_t *path, long count, HANDLE input, HANDLE output)
{
    /* The client inherits what stands in this list and nothing else, whatever else in this
     * process is inheritable: what we were given ourselves, or what another thread has just
     * made so for a child of its own. What stands in the list must be inheritable, too. */
    HANDLE error = GetStdHandle(STD_ERROR_HANDLE);
    HANDLE list[] = {input, output, error};
    size_t listed = sizeof list / sizeof *list;
    if (error == NULL || error == INVALID_HANDLE_VALUE)
        listed--; /* a program without a console may have no standard error to pass on */
    for (size_t i = 0; i < listed; i++)
        if (!SetHandleInformation(list[i], HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT))
            fail("SetHandleInformation");
    SIZE_T size = 0;
    InitializeProcThreadAttributeList(NULL, 1, 0, &size); /* fails, and tells the size */
    LPPROC_THREAD_ATTRIBUTE_LIST attributes = malloc(size);
    if (attributes == NULL)
        fail_with(ERROR_OUTOFMEMORY, "malloc");
    if (!InitializeProcThreadAttributeList(attributes, 1, 0, &size))
        fail("InitializeProcThreadAttributeList");
    if (!UpdateProcThreadAttribute(attributes, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, list,
                                   listed * sizeof *list, NULL, NULL))
        fail("UpdateProcThreadAttribute");

    /* CreateProcess writes into the command line, so it cannot be a constant. In quotes,
     * because a path with a blank in it would else be taken for a program and an argument. */
    static wchar_t command[COMMAND_LINE_ROOM];
    if (swprintf(command, COMMAND_LINE_ROOM, L"\"%ls\" %ld", path, count) < 0)
        fail_with(ERROR_FILENAME_EXCED_RANGE, "CreateProcess");
    STARTUPINFOEXW startup = {.StartupInfo = {.cb = sizeof startup,
                                              .dwFlags = STARTF_USESTDHANDLES,
                                              .hStdInput = input,
                                              .hStdOutput = output,
                                              .hStdError = error},
                              .lpAttributeList = attributes};
    PROCESS_INFORMATION client;
    if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, EXTENDED_STARTUPINFO_PRESENT,
                        NULL, NULL, &startup.StartupInfo, &client))
        fail("CreateProcess");
    DeleteProcThreadAttributeList(attributes);
    free(attributes);
    if (!CloseHandle(client.hThread))
        fail("CloseHandle");
    return client.hProcess;
}

/* Sends back `count` messages of the client, then closes the pipe to it, and reads on until
 * the client closes its own. Returns whether it left between two messages, and read all that
 * we sent. */
static bool echo(HANDLE from_client, HANDLE to_client, long count)
{
    /* One thread reads, one writes. A single loop of read and write stands still for ever
     * when the client writes much before it reads: both pipes fill, both sides are stuck
     * in WriteFile, and nobody is left to read. */
    struct outbox outbox = {.lock = SRWLOCK_INIT,
                            .changed = CONDITION_VARIABLE_INIT,
                            .pipe = to_client};
    HANDLE writer = (HANDLE)_beginthreadex(NULL, 0, write_echoes, &outbox, 0, NULL);
    if (writer == NULL)
        fail_with(_doserrno, "_beginthreadex"); /* it does not set GetLastError() */

    struct buffer message = {0}; /* what has come of the message that comes now */
    if (count == 0)
        finish(&outbox);
    char portion[READ_SIZE];
    DWORD length;
    /* A read of 0 bytes is not the end here: it is what a WriteFile of 0 bytes sent. */
    while (ReadFile(from_client, portion, sizeof portion, &length, NULL)) {
        char *start = portion, *nul;
        while ((nul = memchr(start, '\0', (size_t)(portion + length - start))) != NULL) {
            append(&message, start, (size_t)(nul + 1 - start));
            char *text = quoted(message.bytes, message.length - 1);
            say(stdout, "server: received %s", text);
            free(text);
            post(&outbox, message.bytes, message.length);
            if (--count == 0)
                finish(&outbox);
            message.length = 0;
            start = nul + 1;
        }
        append(&message, start, (size_t)(portion + length - start));
    }
    if (GetLastError() != ERROR_BROKEN_PIPE) /* this one is the end: nobody can write */
        fail("ReadFile");

    finish(&outbox);
    if (WaitForSingleObject(writer, INFINITE) == WAIT_FAILED)
        fail("WaitForSingleObject");
    if (!CloseHandle(writer))
        fail("CloseHandle");

    if (outbox.error != 0)
        say(stderr, PROGRAM ": WriteFile: error %lu: the client reads no more",
            outbox.error);
    if (message.length > 0)
        say(stderr, PROGRAM ": client 1 left in the middle of a message (%zu bytes)",
            message.length);
    bool complete = outbox.error == 0 && message.length == 0;
    free(message.bytes);
    free(outbox.waiting.bytes);
    return complete;
}

/* The writing thread: takes all that waits and writes it, until nothing more is to come.
 * Then it closes the pipe, because the client may be waiting for the end of its input. */
static unsigned __stdcall write_echoes(void *argument)
{
    struct outbox *outbox = argument;
    DWORD error = 0;
    for (;;) {
        AcquireSRWLockExclusive(&outbox->lock);
        outbox->error = error;
        while (outbox->waiting.length == 0 && !outbox->closed)
            SleepConditionVariableSRW(&outbox->changed, &outbox->lock, INFINITE, 0);
        struct buffer taken = outbox->waiting;
        outbox->waiting = (struct buffer){0};
        ReleaseSRWLockExclusive(&outbox->lock);

        if (taken.length == 0 || error != 0) {
            free(taken.bytes);
            break;
        }
        /* Outside the lock: however long the client lets us wait, main goes on reading. */
        for (size_t done = 0; done < taken.length && error == 0;) {
            /* A length is a DWORD here, 32 bits, and more than that may be waiting. */
            size_t left = taken.length - done;
            DWORD written, portion = left < MOST_AT_ONCE ? (DWORD)left : MOST_AT_ONCE;
            if (!WriteFile(outbox->pipe, taken.bytes + done, portion, &written, NULL))
                error = GetLastError();
            else
                done += written;
        }
        free(taken.bytes);
    }
    if (!CloseHandle(outbox->pipe))
        fail("CloseHandle");
    return 0;
}

/* Tells the writing thread that nothing more is to come. */
static void finish(struct outbox *outbox)
{
    AcquireSRWLockExclusive(&outbox->lock);
    outbox->closed = true;
    WakeConditionVariable(&outbox->changed);
    ReleaseSRWLockExclusive(&outbox->lock);
}

/* Hands `length` bytes to the writing thread; drops them if it writes no more. */
static void post(struct outbox *outbox, const char *bytes, size_t length)
{
    AcquireSRWLockExclusive(&outbox->lock);
    if (outbox->error == 0 && !outbox->closed)
        append(&outbox->waiting, bytes, length);
    WakeConditionVariable(&outbox->changed);
    ReleaseSRWLockExclusive(&outbox->lock);
}

static void append(struct buffer *buffer, const char *bytes, size_t length)
{
    if (length == 0)
        return; /* an empty buffer has no memory yet, and memcpy wants some even for nothing */
    if (buffer->length + length > buffer->room) {
        buffer->room = 2 * (buffer->length + length);
        buffer->bytes = realloc(buffer->bytes, buffer->room);
        if (buffer->bytes == NULL)
            fail_with(ERROR_OUTOFMEMORY, "realloc");
    }
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

/* Waits for the client and tells how it ended. Returns whether that was with exit code 0. */
static bool report_end(HANDLE client)
{
    DWORD code;
    if (WaitForSingleObject(client, INFINITE) == WAIT_FAILED)
        fail("WaitForSingleObject");
    if (!GetExitCodeProcess(client, &code))
        fail("GetExitCodeProcess");
    if (!CloseHandle(client))
        fail("CloseHandle");
    say(stdout, "server: client exited with code %lu", code);
    return code == 0;
}
