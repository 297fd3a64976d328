/*
 * server_handoff.c - a TCP server that passes each client to a worker process.
 *
 * Usage: server_handoff [PORT [ADDRESS [MILLISECONDS]]]
 *
 * The worker is another program, "worker.exe" in the folder of this one. It could
 * inherit the handle of the socket, but not if a layered provider is installed.
 * WSADuplicateSocket always works: it makes a description of the socket for one
 * process, and WSASocket makes a socket from it there. The description is sent over a
 * named pipe that only this worker uses.
 *
 * If a worker does not answer for MILLISECONDS (30,000), the server gives it up. The
 * contract is that of server.c. If the server alone ends, the workers serve their
 * clients to the end. Ctrl-C goes to all programs of a console.
 *
 * After an article on passing sockets in Windows. Counterpart:
 * ../unix/server_handoff.c. To try: server_handoff 0, a client, the task manager;
 * rename worker.exe.
 */
#define _CRT_RAND_S

#include <winsock2.h> /* must come before windows.h */
#include <ws2tcpip.h>
#include <limits.h>

#include "contract.h"
#include "ipclab.h"

/* What a thread must know about its client. */
struct client {
    SOCKET socket;
    long number; /* counted from 1 */
};

/* How many clients are here, as the thread of main has counted; and a semaphore that each
 * thread posts when its client has left. */
static int here;
static HANDLE left;
static wchar_t *worker; /* the path of the program that serves */
static long patience = HANDOFF_TIMEOUT;

static void let_worker_print(void);
static void await_departure(void);
static SOCKET accept_client(SOCKET listener);
static void serve_client(void *argument);
static void end_session(struct client *client);
static HANDLE make_pipe(wchar_t name[PIPE_NAME_ROOM]);
static HANDLE start_worker(const wchar_t *pipe_name, DWORD *id);
static bool hand_over(const struct client *client, HANDLE pipe, HANDLE process, DWORD id);
static bool finish(const char *call, BOOL done, HANDLE pipe, OVERLAPPED *operation,
                   HANDLE process);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: on which port and address to listen, and how long to
     * wait. */
    begin_program("server", "[PORT [ADDRESS [MILLISECONDS]]]", &argv);
    if (argc > 4)
        usage_exit();
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    const char *host = argc > 2 ? argv[2] : DEFAULT_HOST;
    parse_long("PORT", port, 0, MAX_PORT);
    if (argc > 3)
        patience = parse_long("MILLISECONDS", argv[3], 1, LONG_MAX);
    worker = to_utf16(program_beside("worker"));

    /* STEP 2: Prepare for Ctrl-C. tcp_listen() loads Winsock. */
    end_on_interrupt(NULL);
    let_worker_print();
    left = CreateSemaphoreW(NULL, 0, MAX_CLIENTS, NULL);
    if (left == NULL)
        sys_error("CreateSemaphore");

    /* STEP 3: Create the socket that listens. From now on clients can connect. */
    SOCKET listener = tcp_listen(host, port);
    log_event("server: ready %s", socket_address(listener));

    /* STEP 4: Accept one client after the other. Each gets a thread, which starts a
     * worker and waits for it. */
    for (long number = 1;; number++) {
        while (WaitForSingleObject(left, 0) == WAIT_OBJECT_0)
            here--;
        if (here == MAX_CLIENTS)
            await_departure();
        struct client *client = allocate(sizeof *client);
        client->number = number;
        client->socket = accept_client(listener);
        here++;
        log_event("server: client %ld connected", number);
        if (!start_thread(serve_client, client)) {
            log_sys_error("_beginthreadex");
            if (closesocket(client->socket) == SOCKET_ERROR)
                sys_error("closesocket");
            end_session(client);
        }
    }
}

/* Lets the worker inherit standard output and error, where it prints its events. */
static void let_worker_print(void)
{
    if (!SetHandleInformation(GetStdHandle(STD_OUTPUT_HANDLE), HANDLE_FLAG_INHERIT,
                              HANDLE_FLAG_INHERIT) ||
        !SetHandleInformation(GetStdHandle(STD_ERROR_HANDLE), HANDLE_FLAG_INHERIT,
                              HANDLE_FLAG_INHERIT))
        sys_error("SetHandleInformation");
}

/* Waits until a client leaves. Meanwhile others wait in the queue of the listener. */
static void await_departure(void)
{
    log_error("full with %d clients: the next has to wait", here);
    if (WaitForSingleObject(left, INFINITE) == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    here--;
}

/* Waits for a client, and if there is no room for it, until another leaves. A connection
 * that was reset in the queue is skipped. */
static SOCKET accept_client(SOCKET listener)
{
    SOCKET client;
    while ((client = accept(listener, NULL, NULL)) == INVALID_SOCKET) {
        int error = WSAGetLastError();
        if (here > 0 && (error == WSAEMFILE || error == WSAENOBUFS)) {
            log_sys_error("accept");
            await_departure();
        } else if (error != WSAECONNRESET) {
            sys_error_number("accept", error);
        }
    }
    return client;
}

/* The thread of one client. */
static void serve_client(void *argument)
{
    struct client *client = argument;

    /* STEP 5: Start a worker, and pass the connection to it. */
    wchar_t name[PIPE_NAME_ROOM];
    HANDLE pipe = make_pipe(name);
    DWORD id;
    HANDLE process = start_worker(name, &id);
    bool handed = process != NULL && hand_over(client, pipe, process, id);
    if (!CloseHandle(pipe))
        sys_error("CloseHandle");

    /* STEP 6: Close the connection here. The client receives the end of file when its
     * last copy is closed, and the worker has that. */
    if (closesocket(client->socket) == SOCKET_ERROR)
        sys_error("closesocket");

    /* STEP 7: Wait for the worker, and report it if it failed. End a worker that did not
     * take the connection. */
    if (process != NULL) {
        DWORD code;
        if (!handed)
            TerminateProcess(process, EXIT_FAILURE);
        if (WaitForSingleObject(process, INFINITE) == WAIT_FAILED)
            sys_error("WaitForSingleObject");
        if (!GetExitCodeProcess(process, &code))
            sys_error("GetExitCodeProcess");
        if (code != 0)
            log_error("client %ld: its worker exited with code %lu", client->number,
                      code);
        if (!CloseHandle(process))
            sys_error("CloseHandle");
    }
    end_session(client);
}

/* Ends a session: prints it, and posts the semaphore. */
static void end_session(struct client *client)
{
    log_event("server: client %ld left", client->number);
    free(client);
    if (!ReleaseSemaphore(left, 1, NULL))
        sys_error("ReleaseSemaphore");
}

/* Creates a pipe with one instance. Its name cannot be guessed, and the call fails if the
 * name exists: so no other program can take the place of the worker, or of this server. */
static HANDLE make_pipe(wchar_t name[PIPE_NAME_ROOM])
{
    unsigned one, two;
    if (rand_s(&one) != 0 || rand_s(&two) != 0)
        sys_error_number("rand_s", ERROR_GEN_FAILURE);
    swprintf(name, PIPE_NAME_ROOM, L"\\\\.\\pipe\\ipc-lab-handoff-%lu-%08x%08x",
             GetCurrentProcessId(), one, two);
    HANDLE pipe = CreateNamedPipeW(
        name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
        PIPE_TYPE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS, 1,
        sizeof(WSAPROTOCOL_INFOW), sizeof(WSAPROTOCOL_INFOW), 0, NULL);
    if (pipe == INVALID_HANDLE_VALUE)
        sys_error("CreateNamedPipe");
    return pipe;
}

/* Starts the worker. It inherits only the handles in the list: sockets are inheritable by
 * default, and a copy of another client's socket would keep its connection open. Returns
 * NULL if the worker cannot be started. */
static HANDLE start_worker(const wchar_t *pipe_name, DWORD *id)
{
    HANDLE output = GetStdHandle(STD_OUTPUT_HANDLE),
           error = GetStdHandle(STD_ERROR_HANDLE);
    HANDLE list[] = {output, error};
    SIZE_T size = 0;
    InitializeProcThreadAttributeList(NULL, 1, 0,
                                      &size); /* fails, and returns the size */
    LPPROC_THREAD_ATTRIBUTE_LIST attributes = allocate(size);
    if (!InitializeProcThreadAttributeList(attributes, 1, 0, &size))
        sys_error("InitializeProcThreadAttributeList");
    if (!UpdateProcThreadAttribute(attributes, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, list,
                                   output == error ? sizeof *list : sizeof list, NULL,
                                   NULL))
        sys_error("UpdateProcThreadAttribute");

    STARTUPINFOEXW startup = {.StartupInfo = {.cb = sizeof startup,
                                              .dwFlags = STARTF_USESTDHANDLES,
                                              .hStdOutput = output,
                                              .hStdError = error},
                              .lpAttributeList = attributes};
    PROCESS_INFORMATION process = {0};
    wchar_t *command = allocate(COMMAND_LINE_ROOM * sizeof *command);
    if (swprintf(command, COMMAND_LINE_ROOM, L"\"%ls\" %ls", worker, pipe_name) < 0)
        sys_error_number("CreateProcess", ERROR_FILENAME_EXCED_RANGE);
    if (CreateProcessW(worker, command, NULL, NULL, TRUE, EXTENDED_STARTUPINFO_PRESENT,
                       NULL, NULL, &startup.StartupInfo, &process)) {
        if (!CloseHandle(process.hThread))
            sys_error("CloseHandle");
    } else {
        log_sys_error("CreateProcess worker.exe");
    }
    free(command);
    DeleteProcThreadAttributeList(attributes);
    free(attributes);
    *id = process.dwProcessId;
    return process.hProcess;
}

/* Waits until the worker connects to the pipe, sends it the description of the socket
 * and the client's number, and waits until it confirms. Returns whether it did. */
static bool hand_over(const struct client *client, HANDLE pipe, HANDLE process, DWORD id)
{
    OVERLAPPED operation = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
    if (operation.hEvent == NULL)
        sys_error("CreateEvent");
    struct handoff handoff = {.number = client->number};
    char word;
    ULONG caller = 0;
    bool handed = finish("ConnectNamedPipe", ConnectNamedPipe(pipe, &operation), pipe,
                         &operation, process);
    if (handed && (!GetNamedPipeClientProcessId(pipe, &caller) || caller != id)) {
        log_error("process %lu connected, but the worker is %lu", caller, id);
        handed = false;
    }
    /* Only this process can make a socket from the description. */
    if (handed &&
        WSADuplicateSocketW(client->socket, id, &handoff.info) == SOCKET_ERROR) {
        log_sys_error("WSADuplicateSocket");
        handed = false; /* the worker may have ended at this moment */
    }
    handed = handed &&
             finish("WriteFile",
                    WriteFile(pipe, &handoff, sizeof handoff, NULL, &operation), pipe,
                    &operation, process) &&
             finish("ReadFile", ReadFile(pipe, &word, 1, NULL, &operation), pipe,
                    &operation, process);
    if (!CloseHandle(operation.hEvent))
        sys_error("CloseHandle");
    return handed;
}

/* Waits until the operation that `call` began is done, `patience` has passed, or the
 * worker has ended. Returns whether it succeeded. Reports what failed. */
static bool finish(const char *call, BOOL done, HANDLE pipe, OVERLAPPED *operation,
                   HANDLE process)
{
    DWORD error = done ? 0 : GetLastError(), length;
    if (error == ERROR_PIPE_CONNECTED) /* the worker has connected already */
        return true;
    if (error != 0 && error != ERROR_IO_PENDING) {
        log_sys_error(call);
        return false;
    }
    HANDLE either[] = {operation->hEvent, process};
    DWORD result = WaitForMultipleObjects(2, either, FALSE, (DWORD)patience);
    if (result == WAIT_FAILED)
        sys_error("WaitForMultipleObjects");
    if (result != WAIT_OBJECT_0) {
        /* Cancel it, and wait until that is done: until then the system may write into
         * `operation`, which does not exist after this function returns. */
        log_error("%s: the worker %s", call,
                  result == WAIT_TIMEOUT ? "does not answer" : "has ended");
        CancelIoEx(pipe, operation);
    }
    bool succeeded = GetOverlappedResult(pipe, operation, &length, TRUE);
    if (!succeeded && result == WAIT_OBJECT_0)
        log_sys_error(call);
    return succeeded && result == WAIT_OBJECT_0;
}
