/*
 * server.c - start a client with two anonymous pipes, and send its messages back.
 *
 * Usage: server [COUNT [CLIENT]]
 *
 * Starts the program CLIENT ("client.exe" in the folder of this program) with the
 * argument COUNT (10). The client's standard input and output are pipes to this server.
 * The server sends COUNT messages back. Exit code 0 if the client ended after a whole
 * message and exited with 0, else 1.
 *
 * Mirrors listing 1 of the report. Counterpart: ../unix/server.c. The same by other
 * calls: server_handlelist.c (the client inherits the handles of a list, and no others).
 * Not here, but in server_robust.c: a client that writes much before it reads (both
 * programs then block in WriteFile), that stops reading, or is killed. Also not here:
 * handles that this program has inherited itself, and its client inherits from it: see
 * server_handlelist.c.
 * To try: server 3; server 2 C:\windows\system32\sort.exe; server 1 nobody.exe.
 */
#include "contract.h"
#include "ipclab.h"

static HANDLE start_client(const char *path, long count, HANDLE input, HANDLE output);
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
    // LEVEL 2
    if (!CreatePipe(&to_client[0], &to_client[1], NULL, 0) ||
        !CreatePipe(&from_client[0], &from_client[1], NULL, 0))
        sys_error("CreatePipe");
    // END
    log_event("server: ready");

    /* STEP 3: Start the client. It gets one end of each pipe. */
    HANDLE client = start_client(path, count, to_client[0], from_client[1]);

    /* STEP 4: Close the client's ends here. ReadFile reports the end of a pipe when no
     * process has the write end open: if this process had, it would wait for itself. */
    // LEVEL 2
    if (!CloseHandle(to_client[0]) || !CloseHandle(from_client[1]))
        sys_error("CloseHandle");
    // END

    /* STEP 5: Send COUNT messages back. */
    struct buffer inbox = {0}; /* what has been read, and not been sent back yet */
    size_t size;
    for (; count > 0 && (size = receive_message(from_client[0], &inbox)) > 0; count--) {
        log_text("server: received", inbox.bytes, size - 1);
        if (!write_all(to_client[1], inbox.bytes, size))
            sys_error("WriteFile");
        buffer_remove(&inbox, size);
    }

    /* STEP 6: Close the pipe to the client, which may wait for its end before it exits.
     * Read what it still sends: in a full pipe, WriteFile would block the client. */
    // LEVEL 2
    if (!CloseHandle(to_client[1]))
        sys_error("CloseHandle");
    // END
    while ((size = receive_message(from_client[0], &inbox)) > 0) {
        log_text("server: received", inbox.bytes, size - 1);
        buffer_remove(&inbox, size);
    }
    free(inbox.bytes);
    log_event("server: client 1 left");

    /* STEP 7: Wait for the client, and report how it ended. */
    bool success = report_exit(client);
    log_event("server: done");
    return success ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Starts the program `path` with the argument `count`, and with `input` and `output` as
 * its standard input and output. Returns the handle of its process. */
static HANDLE start_client(const char *path, long count, HANDLE input, HANDLE output)
{
    // LEVEL 1
    /* The client inherits every inheritable handle (CreateProcess with TRUE). CreatePipe
     * with NULL makes no end inheritable: make these two so. */
    if (!SetHandleInformation(input, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) ||
        !SetHandleInformation(output, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT))
        sys_error("SetHandleInformation");

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
                            .hStdError = GetStdHandle(STD_ERROR_HANDLE)};
    PROCESS_INFORMATION client;
    if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &startup,
                        &client))
        sys_error("CreateProcess");
    CloseHandle(client.hThread); /* the client's first thread: not needed here */
    free(command);
    return client.hProcess;
    // END
}

/* Reads until `inbox` begins with a whole message: one ReadFile can return half a
 * message, or three. Returns the size of the message with its NUL, or 0 at the end of the
 * pipe. */
static size_t receive_message(HANDLE pipe, struct buffer *inbox)
{
    // LEVEL 2
    char bytes[READ_SIZE];
    DWORD length;
    size_t size;
    while ((size = buffer_find(inbox, '\0')) == 0) {
        /* The end of a pipe is an error; 0 bytes are only a client's write of 0 bytes. */
        bool at_end = !ReadFile(pipe, bytes, sizeof bytes, &length, NULL);
        if (at_end && GetLastError() != ERROR_BROKEN_PIPE)
            sys_error("ReadFile");
        if (at_end && inbox->length > 0)
            fatal("the pipe ended in the middle of a message (%zu bytes)", inbox->length);
        if (at_end)
            break;
        buffer_append(inbox, bytes, length);
    }
    return size;
    // END
}

/* Waits for the client and reports how it ended. Returns whether it exited with 0. Its
 * exit code stays available while a handle to the process is open. */
static bool report_exit(HANDLE client)
{
    // LEVEL 2
    DWORD code;
    if (WaitForSingleObject(client, INFINITE) == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    if (!GetExitCodeProcess(client, &code))
        sys_error("GetExitCodeProcess");
    CloseHandle(client);
    log_event("server: client exited with code %lu", code);
    return code == 0;
    // END
}
