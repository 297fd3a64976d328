/*
 * server_handoff.c - a TCP server that accepts, and leaves each client to a worker process.
 *
 * Usage: server_handoff [PORT [ADDRESS [MILLISECONDS]]]
 *
 * The worker is another program, "worker.exe" in the folder of this one. It could inherit the
 * socket's handle, but not if a layered provider is installed. WSADuplicateSocket works always:
 * it makes a description of the socket for one process, which makes a socket of it by WSASocket.
 * It travels over a named pipe that is this worker's alone.
 *
 * A worker that has not answered after MILLISECONDS (30,000) is given up. The contract is that
 * of server.c. When the server ends alone sessions go on in their workers; Ctrl-C goes to all
 * programs of a console.
 * After an article on passing sockets in Windows. Its twin: ../unix/server_handoff.c.
 * To try: server_handoff 0, a client, the task manager; rename worker.exe.
 */
#define PROGRAM "server"
#define _CRT_RAND_S

#include <winsock2.h>
#include <ws2tcpip.h>
#include <errno.h>
#include <limits.h>
#include <process.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* What a client's thread needs to know. */
struct client {
    SOCKET socket;
    long number; /* counted from 1 */
};

/* How many clients are here, as far as the thread that accepts them has counted; and a unit
 * for each that has left, for it to count. */
static int here;
static HANDLE left;
static wchar_t worker[COMMAND_LINE_ROOM]; /* the path of the program that serves */
static long patience = HANDOFF_TIMEOUT;

static bool is_port(const wchar_t *text);
static bool is_patience(const wchar_t *text);
static BOOL WINAPI end_on_event(DWORD event);
static SOCKET listen_at(const wchar_t *host, const wchar_t *port);
static void find_worker(void);
static void let_worker_print(void);
static void await_departure(void);
static SOCKET accept_client(SOCKET listener);
static void start_thread(SOCKET socket, long number);
static unsigned __stdcall serve_client(void *argument);
static void end_session(struct client *client);
static HANDLE make_pipe(wchar_t name[PIPE_NAME_ROOM]);
static HANDLE start_worker(const wchar_t *pipe_name, DWORD *id);
static bool hand_over(const struct client *client, HANDLE pipe, HANDLE process, DWORD id);
static bool finish(const char *call, BOOL done, HANDLE pipe, OVERLAPPED *operation,
                   HANDLE process);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: the port, at which of our addresses, how long to wait. */
    if (argc > 4 || (argc > 1 && !is_port(argv[1])) ||
        (argc > 3 && !is_patience(argv[3]))) {
        say(stderr,
            "usage: server [PORT [ADDRESS [MILLISECONDS]]], PORT from 0 to 65535");
        return 2;
    }
    const wchar_t *port = argc > 1 ? argv[1] : L"" DEFAULT_PORT;
    const wchar_t *host = argc > 2 ? argv[2] : L"" DEFAULT_HOST;
    find_worker();

    /* STEP 2: Load Winsock, which is a library beside the system, in version 2.2, and prepare
     * for Ctrl-C. */
    WSADATA data;
    int error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        fail_with((DWORD)error, "WSAStartup");
    if (!SetConsoleCtrlHandler(end_on_event, TRUE))
        fail("SetConsoleCtrlHandler");
    let_worker_print();
    left = CreateSemaphoreW(NULL, 0, MAX_CLIENTS, NULL);
    if (left == NULL)
        fail("CreateSemaphore");

    /* STEP 3: Make the socket that listens, and tell where: clients can connect from now. */
    SOCKET listener = listen_at(host, port);

    /* STEP 4: Accept one client after the other, and give each a thread, which sees to its
     * worker from the beginning to the end. */
    for (long number = 1;; number++) {
        while (WaitForSingleObject(left, 0) == WAIT_OBJECT_0)
            here--;
        if (here == MAX_CLIENTS)
            await_departure();
        start_thread(accept_client(listener), number);
        here++;
    }
}

static bool is_port(const wchar_t *text)
{
    wchar_t *end;
    long port = wcstol(text, &end, 10);
    return *text >= L'0' && *text <= L'9' && *end == L'\0' && port <= 65535;
}

/* Takes the milliseconds that a worker is waited for. Returns whether `text` says any. */
static bool is_patience(const wchar_t *text)
{
    wchar_t *end;
    long value = wcstol(text, &end, 10);
    if (*text < L'1' || *text > L'9' || *end != L'\0' || value == LONG_MAX)
        return false;
    patience = value;
    return true;
}

/* Ends the program in order on Ctrl-C, Ctrl-Break, and when the console is closed. Windows
 * calls this in a thread of its own, so it may do what any function may. */
static BOOL WINAPI end_on_event(DWORD event)
{
    (void)event;
    silence_others(); /* no other thread prints after this line */
    say(stdout, "server: done");
    ExitProcess(EXIT_SUCCESS);
}

/* The worker stands in the folder that this program's own file is in. */
static void find_worker(void)
{
    DWORD length = GetModuleFileNameW(NULL, worker, COMMAND_LINE_ROOM);
    if (length == 0 || length == COMMAND_LINE_ROOM)
        fail("GetModuleFileName");
    wchar_t *slash = wcsrchr(worker, L'\\');
    wchar_t *file = slash == NULL ? worker : slash + 1;
    swprintf(file, (size_t)(worker + COMMAND_LINE_ROOM - file), L"worker.exe");
}

/* The worker tells its part of the transcript on our standard output and error. */
static void let_worker_print(void)
{
    if (!SetHandleInformation(GetStdHandle(STD_OUTPUT_HANDLE), HANDLE_FLAG_INHERIT,
                              HANDLE_FLAG_INHERIT) ||
        !SetHandleInformation(GetStdHandle(STD_ERROR_HANDLE), HANDLE_FLAG_INHERIT,
                              HANDLE_FLAG_INHERIT))
        fail("SetHandleInformation");
}

/* A socket that listens on `port` of our address `host`. Prints where that is. */
static SOCKET listen_at(const wchar_t *host, const wchar_t *port)
{
    ADDRINFOW *address, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    int error = GetAddrInfoW(host, port, &hints, &address);
    if (error != 0)
        fail_with((DWORD)error, "GetAddrInfo");
    SOCKET listener = socket(address->ai_family, SOCK_STREAM, 0);
    if (listener == INVALID_SOCKET)
        fail_with((DWORD)WSAGetLastError(), "socket");

    /* Connections that were closed do not hold the port on Windows. What SO_REUSEADDR allows
     * there is to take a port from a server that still listens on it: this option refuses
     * that to everyone. Its price: a connection that lives on keeps the port, too. */
    DWORD yes = 1, no = 0;
    if (setsockopt(listener, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (char *)&yes, sizeof yes) ==
        SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "setsockopt");
    /* ADDRESS :: is to mean IPv4 too, which is not the default here. */
    if (address->ai_family == AF_INET6 &&
        setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&no, sizeof no) ==
            SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "setsockopt");
    if (bind(listener, address->ai_addr, (int)address->ai_addrlen) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "bind");
    FreeAddrInfoW(address);
    if (listen(listener, SOMAXCONN) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "listen");

    /* Where we are bound tells the system: PORT may have been 0. */
    SOCKADDR_STORAGE bound = {0};
    int size = sizeof bound;
    wchar_t text[ADDRESS_ROOM];
    DWORD room = ADDRESS_ROOM;
    if (getsockname(listener, (SOCKADDR *)&bound, &size) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "getsockname");
    if (WSAAddressToStringW((SOCKADDR *)&bound, (DWORD)size, NULL, text, &room) ==
        SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "WSAAddressToString");
    say(stdout, "server: ready %ls", text);
    return listener;
}

/* Waits until a client has left. Who comes meanwhile waits in the listener's queue. */
static void await_departure(void)
{
    say(stderr, "server: full with %d clients: the next has to wait", here);
    if (WaitForSingleObject(left, INFINITE) == WAIT_FAILED)
        fail("WaitForSingleObject");
    here--;
}

/* Waits for a client. A connection that was reset while it waited in the queue is none. Where
 * there is no room for the next, those who are here go on, and it waits for one of them to
 * leave. */
static SOCKET accept_client(SOCKET listener)
{
    SOCKET client;
    while ((client = accept(listener, NULL, NULL)) == INVALID_SOCKET) {
        int error = WSAGetLastError();
        if (here > 0 && (error == WSAEMFILE || error == WSAENOBUFS)) {
            say(stderr, PROGRAM ": accept: error %d", error);
            await_departure();
        } else if (error != WSAECONNRESET) {
            fail_with((DWORD)error, "accept");
        }
    }
    return client;
}

static void start_thread(SOCKET socket, long number)
{
    struct client *client = malloc(sizeof *client);
    if (client == NULL)
        fail_with(ERROR_OUTOFMEMORY, "malloc");
    *client = (struct client){.socket = socket, .number = number};
    say(stdout, "server: client %ld connected", number);

    HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, serve_client, client, 0, NULL);
    if (thread == NULL) { /* no room for a thread: this client has to go, and no other */
        say(stderr, PROGRAM ": _beginthreadex: error %d: %s", errno, strerror(errno));
        if (closesocket(client->socket) == SOCKET_ERROR)
            fail_with((DWORD)WSAGetLastError(), "closesocket");
        end_session(client);
        return;
    }
    if (!CloseHandle(thread)) /* nobody waits for its end */
        fail("CloseHandle");
}

/* The thread of one client. */
static unsigned __stdcall serve_client(void *argument)
{
    struct client *client = argument;

    /* STEP 5: Start a worker, and hand the connection over to it. */
    wchar_t name[PIPE_NAME_ROOM];
    HANDLE pipe = make_pipe(name);
    DWORD id;
    HANDLE process = start_worker(name, &id);
    bool handed = process != NULL && hand_over(client, pipe, process, id);
    if (!CloseHandle(pipe))
        fail("CloseHandle");

    /* STEP 6: Close our copy at once: the client sees the end of the connection when the last
     * copy is closed, and that is to be the worker's. */
    if (closesocket(client->socket) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "closesocket");

    /* STEP 7: Wait for the worker's end, and tell if it was not a good one. A worker that has
     * not taken the connection has nothing to do any more. */
    if (process != NULL) {
        DWORD code;
        if (!handed)
            TerminateProcess(process, EXIT_FAILURE);
        if (WaitForSingleObject(process, INFINITE) == WAIT_FAILED)
            fail("WaitForSingleObject");
        if (!GetExitCodeProcess(process, &code))
            fail("GetExitCodeProcess");
        if (code != 0)
            say(stderr, PROGRAM ": client %ld: its worker exited with code %lu",
                client->number, code);
        if (!CloseHandle(process))
            fail("CloseHandle");
    }
    end_session(client);
    return 0;
}

/* The client has left: says so, to the thread that accepts, too. */
static void end_session(struct client *client)
{
    say(stdout, "server: client %ld left", client->number);
    free(client);
    if (!ReleaseSemaphore(left, 1, NULL))
        fail("ReleaseSemaphore");
}

/* A pipe with one instance, under a name that nobody can guess, and that is refused to us if
 * somebody has it already: so nobody else can be in the worker's place, or in ours. */
static HANDLE make_pipe(wchar_t name[PIPE_NAME_ROOM])
{
    unsigned one, two;
    if (rand_s(&one) != 0 || rand_s(&two) != 0)
        fail_with(ERROR_GEN_FAILURE, "rand_s");
    swprintf(name, PIPE_NAME_ROOM, L"\\\\.\\pipe\\ipc-lab-handoff-%lu-%08x%08x",
             GetCurrentProcessId(), one, two);
    HANDLE pipe = CreateNamedPipeW(
        name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
        PIPE_TYPE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS, 1,
        sizeof(WSAPROTOCOL_INFOW), sizeof(WSAPROTOCOL_INFOW), 0, NULL);
    if (pipe == INVALID_HANDLE_VALUE)
        fail("CreateNamedPipe");
    return pipe;
}

/* Starts the worker. Of our handles it inherits those in the list and no other: sockets are
 * inheritable by default, and a copy of another client's would keep its connection open.
 * Returns NULL where there is no starting it. */
static HANDLE start_worker(const wchar_t *pipe_name, DWORD *id)
{
    HANDLE output = GetStdHandle(STD_OUTPUT_HANDLE),
           error = GetStdHandle(STD_ERROR_HANDLE);
    HANDLE list[] = {output, error};
    SIZE_T size = 0;
    InitializeProcThreadAttributeList(NULL, 1, 0, &size); /* fails, and tells the size */
    LPPROC_THREAD_ATTRIBUTE_LIST attributes = malloc(size);
    if (attributes == NULL)
        fail_with(ERROR_OUTOFMEMORY, "malloc");
    if (!InitializeProcThreadAttributeList(attributes, 1, 0, &size))
        fail("InitializeProcThreadAttributeList");
    if (!UpdateProcThreadAttribute(attributes, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, list,
                                   output == error ? sizeof *list : sizeof list, NULL,
                                   NULL))
        fail("UpdateProcThreadAttribute");

    STARTUPINFOEXW startup = {.StartupInfo = {.cb = sizeof startup,
                                              .dwFlags = STARTF_USESTDHANDLES,
                                              .hStdOutput = output,
                                              .hStdError = error},
                              .lpAttributeList = attributes};
    PROCESS_INFORMATION process = {0};
    wchar_t *command = malloc(COMMAND_LINE_ROOM * sizeof *command);
    if (command == NULL)
        fail_with(ERROR_OUTOFMEMORY, "malloc");
    if (swprintf(command, COMMAND_LINE_ROOM, L"\"%ls\" %ls", worker, pipe_name) < 0)
        fail_with(ERROR_FILENAME_EXCED_RANGE, "CreateProcess");
    if (CreateProcessW(worker, command, NULL, NULL, TRUE, EXTENDED_STARTUPINFO_PRESENT,
                       NULL, NULL, &startup.StartupInfo, &process)) {
        if (!CloseHandle(process.hThread))
            fail("CloseHandle");
    } else {
        say(stderr, PROGRAM ": CreateProcess %ls: error %lu", worker, GetLastError());
    }
    free(command);
    DeleteProcThreadAttributeList(attributes);
    free(attributes);
    *id = process.dwProcessId;
    return process.hProcess;
}

/* Waits for the worker at the pipe, gives it the description of the socket and the client's
 * number, and waits for its word that it has the connection. Returns whether it has. */
static bool hand_over(const struct client *client, HANDLE pipe, HANDLE process, DWORD id)
{
    OVERLAPPED operation = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
    if (operation.hEvent == NULL)
        fail("CreateEvent");
    struct handoff handoff = {.number = client->number};
    char word;
    ULONG caller = 0;
    bool handed = finish("ConnectNamedPipe", ConnectNamedPipe(pipe, &operation), pipe,
                         &operation, process);
    if (handed && (!GetNamedPipeClientProcessId(pipe, &caller) || caller != id)) {
        say(stderr, PROGRAM ": process %lu called, and the worker is %lu", caller, id);
        handed = false;
    }
    /* The description is for this one process; in any other it is worth nothing. */
    if (handed &&
        WSADuplicateSocketW(client->socket, id, &handoff.info) == SOCKET_ERROR) {
        say(stderr, PROGRAM ": WSADuplicateSocket: error %d", WSAGetLastError());
        handed = false; /* the worker may have ended at this moment */
    }
    handed = handed &&
             finish("WriteFile",
                    WriteFile(pipe, &handoff, sizeof handoff, NULL, &operation), pipe,
                    &operation, process) &&
             finish("ReadFile", ReadFile(pipe, &word, 1, NULL, &operation), pipe,
                    &operation, process);
    if (!CloseHandle(operation.hEvent))
        fail("CloseHandle");
    return handed;
}

/* Waits until the operation that `call` began is done, but not for ever, and not for a worker
 * that has ended. Returns whether it succeeded; says what did not. */
static bool finish(const char *call, BOOL done, HANDLE pipe, OVERLAPPED *operation,
                   HANDLE process)
{
    DWORD error = done ? 0 : GetLastError(), length;
    if (error == ERROR_PIPE_CONNECTED) /* the worker was there before we asked */
        return true;
    if (error != 0 && error != ERROR_IO_PENDING) {
        say(stderr, PROGRAM ": %s: error %lu", call, error);
        return false;
    }
    HANDLE either[] = {operation->hEvent, process};
    DWORD result = WaitForMultipleObjects(2, either, FALSE, (DWORD)patience);
    if (result == WAIT_FAILED)
        fail("WaitForMultipleObjects");
    if (result != WAIT_OBJECT_0) {
        /* Called off, and waited for, because until then the system may write into
         * `operation`, which is gone when we return. */
        say(stderr, PROGRAM ": %s: the worker %s", call,
            result == WAIT_TIMEOUT ? "does not answer" : "has ended");
        CancelIoEx(pipe, operation);
    }
    bool succeeded = GetOverlappedResult(pipe, operation, &length, TRUE);
    if (!succeeded && result == WAIT_OBJECT_0)
        say(stderr, PROGRAM ": %s: error %lu", call, GetLastError());
    return succeeded && result == WAIT_OBJECT_0;
}
