/*
 * server_file.c - sends each client one file, between a header and a trailer.
 *
 * Usage: server_file FILE [PORT [ADDRESS]]
 *
 * To each client goes "FILE size", a newline, the file's bytes, "END", a newline, and the end
 * of the connection; "ERROR number" and a newline where there is no such file. TransmitFile
 * sends all three in one call, the file inside the kernel; what stands around it is told by
 * TRANSMIT_FILE_BUFFERS.
 *
 * One client after the other, for the sending is what is shown here. Ctrl-C ends it.
 * Its twin: ../unix/server_file.c. To try: server_file server_file.c 0; nc 127.0.0.1 PORT.
 */
#define PROGRAM "server"

#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static bool is_port(const wchar_t *text);
static BOOL WINAPI end_on_event(DWORD event);
static SOCKET listen_at(const wchar_t *host, const wchar_t *port);
static SOCKET accept_client(SOCKET listener);
static bool send_file(SOCKET client, const wchar_t *path);
static bool send_parts(SOCKET client, HANDLE file, int64_t size);
static bool send_all(SOCKET socket, const char *bytes, int length);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: which file, the port, and at which of our addresses. */
    if (argc < 2 || argc > 4 || (argc > 2 && !is_port(argv[2]))) {
        say(stderr, "usage: server_file FILE [PORT [ADDRESS]], PORT from 0 to 65535");
        return 2;
    }
    const wchar_t *port = argc > 2 ? argv[2] : L"" DEFAULT_PORT;
    const wchar_t *host = argc > 3 ? argv[3] : L"" DEFAULT_HOST;

    /* STEP 2: Load Winsock, which is a library beside the system, in version 2.2, and prepare
     * for Ctrl-C. */
    WSADATA data;
    int error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        fail_with((DWORD)error, "WSAStartup");
    if (!SetConsoleCtrlHandler(end_on_event, TRUE))
        fail("SetConsoleCtrlHandler");

    /* STEP 3: Make the socket that listens, and tell where: clients can connect from now. */
    SOCKET listener = listen_at(host, port);
    for (long number = 1;; number++) {
        /* STEP 4: Accept a client, and send it the file. */
        SOCKET client = accept_client(listener);
        say(stdout, "server: client %ld connected", number);
        if (!send_file(client, argv[1]))
            say(stderr, PROGRAM ": client %ld: not all was sent: error %d", number,
                WSAGetLastError());

        /* STEP 5: Close the connection, by which the client learns that all has been said. */
        if (closesocket(client) == SOCKET_ERROR)
            fail_with((DWORD)WSAGetLastError(), "closesocket");
        say(stdout, "server: client %ld left", number);
    }
}

static bool is_port(const wchar_t *text)
{
    wchar_t *end;
    long port = wcstol(text, &end, 10);
    return *text >= L'0' && *text <= L'9' && *end == L'\0' && port <= 65535;
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

/* Waits for a client. A connection that was reset while it waited in the queue is none. */
static SOCKET accept_client(SOCKET listener)
{
    SOCKET client;
    while ((client = accept(listener, NULL, NULL)) == INVALID_SOCKET)
        if (WSAGetLastError() != WSAECONNRESET)
            fail_with((DWORD)WSAGetLastError(), "accept");
    return client;
}

/* Sends header, file and trailer. Returns whether all went. */
static bool send_file(SOCKET client, const wchar_t *path)
{
    /* STEP 6: Open the file anew for each client: it may have come, gone or changed. */
    LARGE_INTEGER size;
    HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING,
                              FILE_FLAG_SEQUENTIAL_SCAN, NULL);
    if (file == INVALID_HANDLE_VALUE || !GetFileSizeEx(file, &size)) {
        char line[HEADER_ROOM];
        DWORD error = GetLastError(); /* a device may be opened, and has no size */
        say(stderr, PROGRAM ": CreateFile %ls: error %lu", path, error);
        if (file != INVALID_HANDLE_VALUE && !CloseHandle(file))
            fail("CloseHandle");
        return send_all(client, line,
                        snprintf(line, sizeof line, ERROR_HEADER, (int)error));
    }
    bool sent = send_parts(client, file, size.QuadPart);
    int error = WSAGetLastError();
    if (!CloseHandle(file))
        fail("CloseHandle");
    WSASetLastError(error);
    if (sent)
        say(stdout, "server: sent %" PRId64 " bytes", (int64_t)size.QuadPart);
    return sent;
}

static bool send_parts(SOCKET client, HANDLE file, int64_t size)
{
    /* STEP 7: Send the header, the file and the trailer: one call, if the file is smaller
     * than a call can take, which is 2 GB; else as many as it takes, of which the first has
     * the header and the last the trailer. */
    char line[HEADER_ROOM];
    TRANSMIT_FILE_BUFFERS around = {.Head = line};
    around.HeadLength = (DWORD)snprintf(line, sizeof line, FILE_HEADER, size);
    for (int64_t left = size;;) {
        DWORD part = left < SENDFILE_PART ? (DWORD)left : SENDFILE_PART;
        left -= part;
        if (left == 0) {
            around.Tail = (char *)FILE_TRAILER;
            around.TailLength = sizeof FILE_TRAILER - 1;
        }
        LARGE_INTEGER start = {.QuadPart = size - left - (int64_t)part};
        if (!SetFilePointerEx(file, start, NULL, FILE_BEGIN)) {
            WSASetLastError((int)GetLastError());
            return false;
        }
        /* Of a file 0 bytes would mean all of it; without a file there is none to send. */
        if (!TransmitFile(client, part > 0 ? file : NULL, part, 0, NULL, &around, 0))
            return false;
        if (left == 0)
            return true;
        around = (TRANSMIT_FILE_BUFFERS){0};
    }
}

/* Sends all of `bytes`, in as many calls as it takes. Returns whether it could. */
static bool send_all(SOCKET socket, const char *bytes, int length)
{
    for (int done = 0; done < length;) {
        int sent = send(socket, bytes + done, length - done, 0);
        if (sent == SOCKET_ERROR)
            return false;
        done += sent;
    }
    return true;
}
