/*
 * server_robust.c - server.c, and what it takes to go on when the system is short of something.
 *
 * Usage: server_robust [--remote] [PIPE]
 *
 * What is added to server.c (`make diff LAB=02 SYSTEM=win32` shows the lines), and why:
 * - add_instance, serve: a call that fails for one instance is reported, and does not end the
 *   server: the clients that are connected go on.
 * - missing: a semaphore counts the instances that are lost in this way. main creates others.
 *   Without this the server would have fewer free instances each time, and in the end none.
 * - PAUSE_MILLISECONDS: without a pause main would try again and again, at full speed.
 *
 * Clients that are killed, or never read, take nothing more here: each has its instance and its
 * thread, and the name of a killed server goes with its last handle.
 *
 * Counterpart: ../unix/server_robust.c.
 * To try: kill a client in the middle of its session; kill the server, and start it again.
 */
#include "contract.h"
#include "ipclab.h"

#include <limits.h>
#include <sddl.h>

/* What all instances are created with. */
static wchar_t *name;
static DWORD remote_clients = PIPE_REJECT_REMOTE_CLIENTS;
static SECURITY_ATTRIBUTES security = {.nLength = sizeof security};

static HANDLE missing; /* a semaphore: how many instances could not be created */

static void allow_clients(bool remote);
static void add_instance(DWORD flags);
static void serve(void *argument);
static bool receive_message(HANDLE pipe, wchar_t *message, DWORD *size);
static size_t text_length(const wchar_t *message, DWORD size);
static bool is_exit(const wchar_t *message, DWORD size);
_Noreturn static void wait_for_end(void);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: whether other machines are let in, and the pipe's name. */
    begin_program("server", "[--remote] [PIPE]", &argv);
    bool remote = argc > 1 && strcmp(argv[1], "--remote") == 0;
    const char *path = argc > 1 + remote ? argv[1 + remote] : PIPE_PREFIX PIPE_NAME;
    if (argc > 2 + remote || *path == '\0' || *path == '-')
        usage_exit();

    /* STEP 2: Create the name that clients open, with many instances: each client takes one,
     * and a client that finds none free gets ERROR_PIPE_BUSY. The first fails if another
     * server has the name. */
    name = to_utf16(path);
    allow_clients(remote);
    end_on_interrupt(NULL);
    missing = CreateSemaphoreW(NULL, 0, LONG_MAX, NULL);
    if (missing == NULL)
        sys_error("CreateSemaphore");
    add_instance(FILE_FLAG_FIRST_PIPE_INSTANCE);
    for (int i = 1; i < FREE_INSTANCES; i++)
        add_instance(0);
    log_event("server: ready %s", path);
    wait_for_end(); /* the threads do the rest */
}

/* Decides who may open the pipe (contract.h). Listing 5 does this in the client, where it
 * has no effect: the security of an object is set when it is created. */
static void allow_clients(bool remote)
{
    if (remote)
        remote_clients = PIPE_ACCEPT_REMOTE_CLIENTS;
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(
            remote ? REMOTE_SDDL : LOCAL_SDDL, SDDL_REVISION_1,
            &security.lpSecurityDescriptor, NULL))
        sys_error("ConvertStringSecurityDescriptorToSecurityDescriptor");
}

/* Creates one instance of the pipe, and a thread for it. It has room for a whole message of the
 * client, which may send one after "exit", and only then read the reply (STEP 6). */
static void add_instance(DWORD flags)
{
    HANDLE pipe = CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX | flags,
                                   PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_WAIT |
                                       remote_clients,
                                   PIPE_UNLIMITED_INSTANCES, BUFFER_SIZE, MAX_MESSAGE,
                                   DEFAULT_WAIT_MILLISECONDS, &security);
    if (pipe == INVALID_HANDLE_VALUE && flags != 0) /* another server has the name */
        sys_error("CreateNamedPipe");
    if (pipe == INVALID_HANDLE_VALUE) {
        log_sys_error("CreateNamedPipe");
        ReleaseSemaphore(missing, 1, NULL);
    } else if (!start_thread(serve, pipe)) {
        log_sys_error("_beginthreadex");
        CloseHandle(pipe);
        ReleaseSemaphore(missing, 1, NULL);
    }
}

/* The thread of one instance, and of its client. */
static void serve(void *argument)
{
    static volatile LONG clients;
    HANDLE pipe = argument;

    /* STEP 3: Wait for a client. One that was quicker than this call is connected already,
     * or has even left again; then the first read fails. */
    if (!ConnectNamedPipe(pipe, NULL) && GetLastError() != ERROR_PIPE_CONNECTED &&
        GetLastError() != ERROR_NO_DATA) {
        log_sys_error("ConnectNamedPipe");
        CloseHandle(pipe);
        ReleaseSemaphore(missing, 1, NULL);
        return;
    }
    LONG number = InterlockedIncrement(&clients);
    log_event("server: client %ld connected", number);

    /* STEP 4: Create another instance, with a thread of its own, so that no client waits for
     * another. */
    add_instance(0);

    /* STEP 5: Send back each message as it came, until "exit" or the client's end. */
    wchar_t message[MAX_MESSAGE / sizeof(wchar_t)];
    DWORD size, written;
    bool more = true;
    while (more && receive_message(pipe, message, &size)) {
        log_utf16("server: received", message, text_length(message, size));
        more = WriteFile(pipe, message, size, &written, NULL) && !is_exit(message, size);
    }

    /* STEP 6: Disconnect. This discards what the client has not read: after "exit", wait until
     * it has read the reply. Do not wait after a message that is too long: the client may still
     * be writing it. */
    if (!more)
        FlushFileBuffers(pipe);
    DisconnectNamedPipe(pipe);
    if (!CloseHandle(pipe))
        log_sys_error("CloseHandle");
    log_event("server: client %ld left", number);
}

/* Receives one message: in message mode one read returns one. Returns false if the client
 * has left (ERROR_BROKEN_PIPE), or if there is more of the message (ERROR_MORE_DATA). */
static bool receive_message(HANDLE pipe, wchar_t *message, DWORD *size)
{
    if (ReadFile(pipe, message, MAX_MESSAGE, size, NULL))
        return true;
    if (GetLastError() != ERROR_BROKEN_PIPE)
        log_sys_error("ReadFile");
    return false;
}

/* How many units of a message are text: all but the NUL at its end, if it has one. */
static size_t text_length(const wchar_t *message, DWORD size)
{
    size_t length = size / sizeof *message;
    return length > 0 && message[length - 1] == L'\0' ? length - 1 : length;
}

/* Whether the whole text is "exit", with or without a newline: "exitus" is not. */
static bool is_exit(const wchar_t *message, DWORD size)
{
    size_t length = text_length(message, size);
    if (length > 0 && message[length - 1] == L'\n')
        length--;
    return size % sizeof *message == 0 && length == wcslen(WIDE_EXIT_TEXT) &&
           wcsncmp(message, WIDE_EXIT_TEXT, length) == 0;
}

/* STEP 7: End on Ctrl-C, by end_on_interrupt() before the loop. The name goes with the last
 * handle, which the system closes. Until then create the instances that are missing. */
static void wait_for_end(void)
{
    while (WaitForSingleObject(missing, INFINITE) == WAIT_OBJECT_0) {
        Sleep(PAUSE_MILLISECONDS);
        add_instance(0);
    }
    sys_error("WaitForSingleObject");
}
