/*
 * client_file.c - receives the file that a server sends, and keeps it.
 *
 * Usage: client_file OUTPUT [HOST [PORT]]
 *
 * Reads the header, as many bytes as it says, and the trailer, which tells that they are all
 * there: the end of the connection alone would not. Exit code 0 if they were, else 1.
 *
 * Its twin: ../unix/client_file.c. To try: client_file copy; cmp with the original.
 */
#define PROGRAM "client"

#include <winsock2.h>
#include <ws2tcpip.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static bool is_port(const wchar_t *text);
static SOCKET connect_to(const wchar_t *host, const wchar_t *port);
static void receive(SOCKET server, char *bytes, size_t length);
static void receive_line(SOCKET server, char line[HEADER_ROOM]);
static int64_t size_from(const char *line);
_Noreturn static void fail_in_library(const char *call);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: where to put the file, and whom to call. */
    if (argc < 2 || argc > 4 || (argc > 3 && !is_port(argv[3]))) {
        say(stderr, "usage: client_file OUTPUT [HOST [PORT]], PORT from 1 to 65535");
        return 2;
    }
    const wchar_t *host = argc > 2 ? argv[2] : L"" DEFAULT_HOST;
    const wchar_t *port = argc > 3 ? argv[3] : L"" DEFAULT_PORT;

    /* STEP 2: Load Winsock, which is a library beside the system, in version 2.2. */
    WSADATA data;
    int error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        fail_with((DWORD)error, "WSAStartup");

    /* STEP 3: Find the server's address, and connect. */
    SOCKET server = connect_to(host, port);

    /* STEP 4: Receive the header. */
    char line[HEADER_ROOM];
    receive_line(server, line);
    int64_t size = size_from(line);

    /* STEP 5: Receive the file, a portion at a time, and write it. */
    FILE *output = _wfopen(argv[1], L"wb");
    if (output == NULL)
        fail_in_library("fopen");
    static char bytes[FILE_PORTION];
    for (int64_t left = size; left > 0;) {
        size_t part = left < FILE_PORTION ? (size_t)left : FILE_PORTION;
        receive(server, bytes, part);
        if (fwrite(bytes, 1, part, output) != part)
            fail_in_library("fwrite");
        left -= (int64_t)part;
    }
    if (fclose(output) != 0)
        fail_in_library("fclose");

    /* STEP 6: Receive the trailer: without it the file may be a part of one. */
    receive(server, line, strlen(FILE_TRAILER));
    if (memcmp(line, FILE_TRAILER, strlen(FILE_TRAILER)) != 0) {
        say(stderr, "client: what came behind the file is no trailer");
        return EXIT_FAILURE;
    }
    say(stdout, "client: received %" PRId64 " bytes", size);

    /* STEP 7: Close the connection. */
    if (closesocket(server) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "closesocket");
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

static bool is_port(const wchar_t *text)
{
    wchar_t *end;
    long port = wcstol(text, &end, 10);
    return *text >= L'0' && *text <= L'9' && *end == L'\0' && port >= 1 && port <= 65535;
}

/* A socket that is connected to `port` of `host`. A name may stand for several addresses,
 * of IPv6 and of IPv4, and the server may listen on one of them alone: each is tried. */
static SOCKET connect_to(const wchar_t *host, const wchar_t *port)
{
    ADDRINFOW *list, hints = {.ai_socktype = SOCK_STREAM};
    int error = GetAddrInfoW(host, port, &hints, &list);
    if (error != 0)
        fail_with((DWORD)error, "GetAddrInfo");
    SOCKET server = INVALID_SOCKET;
    for (ADDRINFOW *address = list; address != NULL && server == INVALID_SOCKET;
         address = address->ai_next) {
        server = socket(address->ai_family, SOCK_STREAM, 0);
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

/* Receives exactly `length` bytes. The server's close before them is the end of us. */
static void receive(SOCKET server, char *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        int received = recv(server, bytes + done, (int)(length - done), 0);
        if (received == SOCKET_ERROR)
            fail_with((DWORD)WSAGetLastError(), "recv");
        if (received == 0) {
            say(stderr, "client: the server closed the connection before all had come");
            exit(EXIT_FAILURE);
        }
        done += (size_t)received;
    }
}

/* Receives a line, and puts a NUL in the place of its newline. Byte by byte, for what stands
 * behind it belongs to the file; a header is short. */
static void receive_line(SOCKET server, char line[HEADER_ROOM])
{
    for (size_t length = 0; length < HEADER_ROOM; length++) {
        receive(server, line + length, 1);
        if (line[length] == '\n') {
            line[length] = '\0';
            return;
        }
    }
    say(stderr, "client: the server sends what is no header");
    exit(EXIT_FAILURE);
}

/* Takes the size out of the header. */
static int64_t size_from(const char *line)
{
    int64_t size = -1;
    char *end = NULL;
    if (strncmp(line, "FILE ", 5) == 0 && line[5] >= '0' && line[5] <= '9')
        size = strtoll(line + 5, &end, 10);
    if (size < 0 || *end != '\0') {
        char *text = quoted(line, strlen(line));
        say(stderr, "client: the server sends no file: %s", text);
        free(text);
        exit(EXIT_FAILURE);
    }
    return size;
}

/* Reports that a function of the C library failed, which sets errno and not what GetLastError()
 * returns, and ends the program. */
_Noreturn static void fail_in_library(const char *call)
{
    say(stderr, PROGRAM ": %s: error %d: %s", call, errno, strerror(errno));
    exit(EXIT_FAILURE);
}
