/*
 * client_udp.c - a UDP client: sends each line as a datagram, and waits a while for its echo.
 *
 * Usage: client_udp [HOST [PORT]]
 *
 * A datagram may be lost, and nobody tells. So the wait for the echo has a limit, and then
 * the line is sent once more: the server may get it twice. What never came back is told, and
 * makes the exit code 1. An empty line is a datagram of 0 bytes, which is no end of anything.
 *
 * Its twin: ../unix/client_udp.c. To try: client_udp with no server; with server_udp.
 */
#define PROGRAM "client"

#include <winsock2.h>
#include <ws2tcpip.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* What has been read of the input and not been taken as a line yet. */
struct input {
    HANDLE handle;
    bool console;
    char *bytes;
    size_t length, room;
    size_t taken; /* the first that many bytes were the line before */
};

static bool is_port(const wchar_t *text);
static SOCKET connect_to(const wchar_t *host, const wchar_t *port);
static char *take_line(struct input *input, size_t *length);
static size_t read_input(struct input *input);
static bool exchange(SOCKET server, const char *line, size_t length);
static bool await_echo(SOCKET server, const char *line, size_t length);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: whom to call. */
    if (argc > 3 || (argc > 2 && !is_port(argv[2]))) {
        say(stderr, "usage: client [HOST [PORT]], PORT from 1 to 65535");
        return 2;
    }
    const wchar_t *host = argc > 1 ? argv[1] : L"" DEFAULT_HOST;
    const wchar_t *port = argc > 2 ? argv[2] : L"" DEFAULT_PORT;

    /* STEP 2: Load Winsock, and make a socket that talks to this address alone, and gives up
     * a wait. */
    WSADATA data;
    int error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        fail_with((DWORD)error, "WSAStartup");
    SOCKET server = connect_to(host, port);
    /* A connection whose wait ran out is to be closed, says Microsoft: what came at that very
     * moment may be lost. A datagram may be lost at any moment, and is sent once more. */
    DWORD limit = UDP_TIMEOUT;
    if (setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, (char *)&limit, sizeof limit) ==
        SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "setsockopt");

    bool complete = true;
    DWORD mode;
    struct input input = {.handle = GetStdHandle(STD_INPUT_HANDLE)};
    input.console = GetConsoleMode(input.handle, &mode);
    char *line;
    size_t length;
    while ((line = take_line(&input, &length)) != NULL) {
        /* STEP 3: Take a line, without its end. */
        if (line[length - 1] == '\n' && --length > 0 && line[length - 1] == '\r')
            length--;

        /* STEP 4: Send it, and wait for the echo; if none comes, once more. */
        if (!exchange(server, line, length))
            complete = false;
    }
    free(input.bytes);

    /* STEP 5: Close the socket. The server does not learn of it: there is no connection. */
    if (closesocket(server) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "closesocket");
    say(stdout, "client: done");
    return complete ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool is_port(const wchar_t *text)
{
    wchar_t *end;
    long port = wcstol(text, &end, 10);
    return *text >= L'0' && *text <= L'9' && *end == L'\0' && port >= 1 && port <= 65535;
}

/* A socket for datagrams to and from `port` of `host`. connect() sends nothing here: it notes
 * the address, and from then on the system drops what comes from any other. */
static SOCKET connect_to(const wchar_t *host, const wchar_t *port)
{
    ADDRINFOW *list, hints = {.ai_socktype = SOCK_DGRAM};
    int error = GetAddrInfoW(host, port, &hints, &list);
    if (error != 0)
        fail_with((DWORD)error, "GetAddrInfo");
    SOCKET server = INVALID_SOCKET;
    for (ADDRINFOW *address = list; address != NULL && server == INVALID_SOCKET;
         address = address->ai_next) {
        server = socket(address->ai_family, SOCK_DGRAM, 0);
        if (server == INVALID_SOCKET) {
            error = WSAGetLastError();
        } else if (connect(server, address->ai_addr, (int)address->ai_addrlen) ==
                   SOCKET_ERROR) {
            error = WSAGetLastError();
            closesocket(server);
            server = INVALID_SOCKET;
        }
    }
    if (server == INVALID_SOCKET)
        fail_with((DWORD)error, "connect");
    FreeAddrInfoW(list);
    return server;
}

/* The next line of the input, with its newline if it has one; NULL at the input's end. It
 * stays valid up to the next call. */
static char *take_line(struct input *input, size_t *length)
{
    input->length -= input->taken;
    if (input->length > 0)
        memmove(input->bytes, input->bytes + input->taken, input->length);
    input->taken = 0;
    for (size_t searched = 0;;) {
        char *newline = NULL;
        if (input->length > searched)
            newline = memchr(input->bytes + searched, '\n', input->length - searched);
        searched = input->length;
        if (newline != NULL)
            input->taken = (size_t)(newline + 1 - input->bytes);
        else if (read_input(input) == 0)
            input->taken = input->length; /* the last line may lack its newline */
        else
            continue;
        *length = input->taken;
        return input->taken > 0 ? input->bytes : NULL;
    }
}

/* Reads more of the input. Returns how many bytes that were, 0 at its end. */
static size_t read_input(struct input *input)
{
    if (input->room - input->length < READ_SIZE) {
        input->room = 2 * input->room + READ_SIZE;
        input->bytes = realloc(input->bytes, input->room);
        if (input->bytes == NULL)
            fail_with(ERROR_OUTOFMEMORY, "realloc");
    }
    char *end = input->bytes + input->length;
    DWORD length = 0;
    if (!input->console) {
        /* A pipe's end is an error, ERROR_BROKEN_PIPE; a file's a read of 0 bytes. */
        if (!ReadFile(input->handle, end, READ_SIZE, &length, NULL) &&
            GetLastError() != ERROR_BROKEN_PIPE)
            fail("ReadFile");
    } else {
        /* A console is asked for UTF-16: as bytes it would answer in its code page. No
         * character of UTF-16 takes more than three bytes of UTF-8. */
        wchar_t text[READ_SIZE / 3];
        if (!ReadConsoleW(input->handle, text, READ_SIZE / 3, &length, NULL))
            fail("ReadConsole");
        if (length > 0 && text[0] == L'\x1A')
            return 0; /* Ctrl-Z at the beginning of a line: the end, as everyone types it */
        if (length > 0)
            length = (DWORD)WideCharToMultiByte(CP_UTF8, 0, text, (int)length, end,
                                                READ_SIZE, NULL, NULL);
    }
    input->length += length;
    return length;
}

/* Sends a line as a datagram, and again if no echo comes. Returns whether one came. */
static bool exchange(SOCKET server, const char *line, size_t length)
{
    char *text = quoted(line, length);
    bool echoed = false;
    for (int attempt = 1; attempt <= UDP_ATTEMPTS && !echoed; attempt++) {
        /* WSAECONNRESET is news of an earlier datagram, which found nobody. With it this one
         * has not gone: send it all the same. */
        while (send(server, line, (int)length, 0) == SOCKET_ERROR)
            if (WSAGetLastError() != WSAECONNRESET)
                fail_with((DWORD)WSAGetLastError(), "send");
        say(stdout, "client: sent %s", text);
        echoed = await_echo(server, line, length);
    }
    say(stdout, echoed ? "client: received %s" : "client: no reply to %s", text);
    free(text);
    return echoed;
}

/* Waits for the echo. What comes and is not it belongs to an earlier line. */
static bool await_echo(SOCKET server, const char *line, size_t length)
{
    static char bytes[MAX_DATAGRAM];
    ULONGLONG end = GetTickCount64() + UDP_TIMEOUT;
    for (;;) {
        int received = recv(server, bytes, sizeof bytes, 0);
        /* A reset is news of a datagram, which found nobody at the server's port. */
        if (received == SOCKET_ERROR &&
            (WSAGetLastError() == WSAETIMEDOUT || WSAGetLastError() == WSAECONNRESET))
            return false;
        if (received == SOCKET_ERROR)
            fail_with((DWORD)WSAGetLastError(), "recv");
        if ((size_t)received == length && memcmp(bytes, line, length) == 0)
            return true;
        if (GetTickCount64() >= end)
            return false; /* else somebody who keeps sending would keep us here */
    }
}
