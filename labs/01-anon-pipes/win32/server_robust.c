/*
 * server_robust.c - as server.c, for a client and a start that cause trouble.
 *
 * Usage: server_robust [COUNT [CLIENT]]
 *
 * Starts the program CLIENT ("client.exe" in the folder of this program) with the
 * argument COUNT (10). The client's standard input and output are pipes to this server.
 * The server sends COUNT messages back. Exit code 0 if the client ended after a whole
 * message and exited with 0, else 1.
 *
 * What it adds to server.c, to be read beside it (make diff):
 * - STEP 3: the client inherits its two ends and standard error. The server's own standard
 *   input and output are inheritable, because it inherited them: it clears that.
 * - STEP 5: a thread writes the echoes. A pipe holds a few thousand bytes: if the client
 *   writes much before it reads, both pipes become full. If both programs then block in
 *   WriteFile, nobody reads. The thread reports a write that fails, and main goes on
 *   reading.
 * - STEP 6: half a message is reported, and the program still reports the client's end.
 * Standard handles that are missing at the start are opened by begin_program() already.
 *
 * Counterpart: ../unix/server_robust.c. Not here: a limit for the memory of the echoes;
 * other handles that this program has inherited, which its client inherits from it.
 * To try: server_robust 3 <nul; and server_handlelist.c, the better way for STEP 3, which
 * passes on no other handle.
 */
#include <errno.h>
#include <process.h>

#include "contract.h"
#include "ipclab.h"

/* The echoes that wait until the client reads: main adds them, a thread writes them. */
struct outbox {
    SRWLOCK lock; /* for `waiting` and `closed` */
    CONDITION_VARIABLE changed;
    struct buffer waiting;
    bool closed; /* main adds no more */
    bool failed; /* a write failed: for main after the thread's end */
    HANDLE pipe;
};

static HANDLE start_client(const char *path, long count, HANDLE input, HANDLE output);
static void set_inheritance(HANDLE handle, DWORD flag);
static unsigned __stdcall write_echoes(void *argument);
static void post(struct outbox *outbox, const char *bytes, size_t length);
static void finish(struct outbox *outbox);
static size_t receive_message(HANDLE pipe, struct buffer *inbox);
static bool report_exit(HANDLE client);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: how many messages to send back, and which client. */
    begin_program("server", "[COUNT [CLIENT]]", &argv);
    if (argc > 3)
        usage_exit();
    long count = argc > 1 ? parse_long("COUNT", argv[1], 0, MAX_COUNT) : DEFAULT_COUNT;
    const char *path = argc > 2 ? argv[2] : program_beside("client");

    /* STEP 2: Create two one-way pipes, each with a read end [0] and a write end [1]. */
    HANDLE to_client[2], from_client[2];
    if (!CreatePipe(&to_client[0], &to_client[1], NULL, 0) ||
        !CreatePipe(&from_client[0], &from_client[1], NULL, 0))
        sys_error("CreatePipe");
    log_event("server: ready");

    /* STEP 3: Start the client. It gets one end of each pipe. */
    HANDLE client = start_client(path, count, to_client[0], from_client[1]);

    /* STEP 4: Close the client's ends here. ReadFile reports the end of a pipe when no
     * process has the write end open: if this process had, it would wait for itself. */
    if (!CloseHandle(to_client[0]) || !CloseHandle(from_client[1]))
        sys_error("CloseHandle");

    /* STEP 5: Send COUNT messages back. A thread writes them, and this one reads on. */
    struct outbox outbox = {.lock = SRWLOCK_INIT,
                            .changed = CONDITION_VARIABLE_INIT,
                            .pipe = to_client[1]};
    HANDLE writer = (HANDLE)_beginthreadex(NULL, 0, write_echoes, &outbox, 0, NULL);
    if (writer == NULL)
        fatal("_beginthreadex: error %d: %s", errno, strerror(errno));
    struct buffer inbox = {0}; /* what has been read, and not been sent back yet */
    size_t size;
    for (; count > 0 && (size = receive_message(from_client[0], &inbox)) > 0; count--) {
        log_text("server: received", inbox.bytes, size - 1);
        post(&outbox, inbox.bytes, size);
        buffer_remove(&inbox, size);
    }

    /* STEP 6: Let the thread close the pipe to the client, which may wait for its end
     * before it exits. Read what it still sends: a full pipe would block the client. */
    finish(&outbox);
    while ((size = receive_message(from_client[0], &inbox)) > 0) {
        log_text("server: received", inbox.bytes, size - 1);
        buffer_remove(&inbox, size);
    }
    if (inbox.length > 0)
        log_error("client 1 left in the middle of a message (%zu bytes)", inbox.length);
    free(inbox.bytes);
    log_event("server: client 1 left");

    /* STEP 7: Wait for the thread and the client, and report how the client ended. */
    if (WaitForSingleObject(writer, INFINITE) == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    CloseHandle(writer);
    bool success = report_exit(client);
    log_event("server: done");
    return success && !outbox.failed && inbox.length == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Starts the program `path` with the argument `count`, and with `input` and `output` as
 * its standard input and output. Returns the handle of its process. */
static HANDLE start_client(const char *path, long count, HANDLE input, HANDLE output)
{
    /* CreateProcess with TRUE: the client inherits every inheritable handle. Make these
     * three inheritable, and no other. Standard error comes last, because it may be the
     * same handle as standard output. */
    HANDLE error = GetStdHandle(STD_ERROR_HANDLE);
    set_inheritance(GetStdHandle(STD_INPUT_HANDLE), 0);
    set_inheritance(GetStdHandle(STD_OUTPUT_HANDLE), 0);
    set_inheritance(input, HANDLE_FLAG_INHERIT);
    set_inheritance(output, HANDLE_FLAG_INHERIT);
    set_inheritance(error, HANDLE_FLAG_INHERIT);

    /* The path in quotes, because it may contain blanks. CreateProcess may write into the
     * command line: it must not be a constant. */
    char line[COMMAND_LINE_SIZE];
    if (snprintf(line, sizeof line, "\"%s\" %ld", path, count) >= COMMAND_LINE_SIZE)
        fatal("the path of the client is too long");
    wchar_t *command = to_utf16(line);

    STARTUPINFOW startup = {.cb = sizeof startup,
                            .dwFlags = STARTF_USESTDHANDLES,
                            .hStdInput = input,
                            .hStdOutput = output,
                            .hStdError = error};
    PROCESS_INFORMATION client;
    if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &startup,
                        &client))
        sys_error("CreateProcess");
    CloseHandle(client.hThread); /* the client's first thread: not needed here */
    free(command);
    return client.hProcess;
}

/* Makes `handle` inheritable, by HANDLE_FLAG_INHERIT, or not inheritable, by 0. */
static void set_inheritance(HANDLE handle, DWORD flag)
{
    if (!SetHandleInformation(handle, HANDLE_FLAG_INHERIT, flag))
        sys_error("SetHandleInformation");
}

/* The thread: writes what main adds until main adds no more, then closes the pipe. */
static unsigned __stdcall write_echoes(void *argument)
{
    struct outbox *outbox = argument;
    for (;;) {
        AcquireSRWLockExclusive(&outbox->lock);
        while (outbox->waiting.length == 0 && !outbox->closed)
            SleepConditionVariableSRW(&outbox->changed, &outbox->lock, INFINITE, 0);
        struct buffer taken = outbox->waiting;
        outbox->waiting = (struct buffer){0};
        ReleaseSRWLockExclusive(&outbox->lock);

        /* Without the lock: main can add more while the client makes this write wait. */
        if (taken.length == 0)
            break;
        if (!outbox->failed && !write_all(outbox->pipe, taken.bytes, taken.length)) {
            log_sys_error(
                "WriteFile"); /* ERROR_NO_DATA: the client has closed its input */
            outbox->failed = true;
        }
        free(taken.bytes);
    }
    if (!CloseHandle(outbox->pipe))
        sys_error("CloseHandle");
    return 0;
}

/* Adds `length` bytes to what the thread has to write. */
static void post(struct outbox *outbox, const char *bytes, size_t length)
{
    AcquireSRWLockExclusive(&outbox->lock);
    buffer_append(&outbox->waiting, bytes, length);
    WakeConditionVariable(&outbox->changed);
    ReleaseSRWLockExclusive(&outbox->lock);
}

/* Tells the thread that main adds no more. */
static void finish(struct outbox *outbox)
{
    AcquireSRWLockExclusive(&outbox->lock);
    outbox->closed = true;
    WakeConditionVariable(&outbox->changed);
    ReleaseSRWLockExclusive(&outbox->lock);
}

/* Reads until `inbox` begins with a whole message: one ReadFile can return half a
 * message, or three. Returns the size of the message with its NUL, or 0 at the end of the
 * pipe. */
static size_t receive_message(HANDLE pipe, struct buffer *inbox)
{
    char bytes[READ_SIZE];
    DWORD length;
    size_t size;
    while ((size = buffer_find(inbox, '\0')) == 0) {
        /* The end of a pipe is an error; 0 bytes are only a client's write of 0 bytes. */
        bool at_end = !ReadFile(pipe, bytes, sizeof bytes, &length, NULL);
        if (at_end && GetLastError() != ERROR_BROKEN_PIPE)
            sys_error("ReadFile");
        if (at_end)
            break;
        buffer_append(inbox, bytes, length);
    }
    return size;
}

/* Waits for the client and reports how it ended. Returns whether it exited with 0. Its
 * exit code stays available while a handle to the process is open. */
static bool report_exit(HANDLE client)
{
    DWORD code;
    if (WaitForSingleObject(client, INFINITE) == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    if (!GetExitCodeProcess(client, &code))
        sys_error("GetExitCodeProcess");
    CloseHandle(client);
    log_event("server: client exited with code %lu", code);
    return code == 0;
}
