/*
 * client.c - a TCP client: sends the lines of its input, and waits for the echo of each.
 *
 * Usage: client [HOST [PORT]]
 *
 * Connects to PORT (5050) of HOST (127.0.0.1), a name or an address. Of a line its bytes are
 * sent (from a console: its text in UTF-8), and no newline; an empty line has none. A line
 * QUIT ends the session, and so does the end of input (Ctrl-Z and Enter); exit code 0. A
 * server that cannot be reached, or closes first: 1.
 *
 * Mirrors listing 11 of the report. Its twin: ../unix/client.c.
 * To try: client; client localhost 7 <client.c; (echo one& echo two& echo QUIT)| client.
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
static void exchange(SOCKET server, char *line, size_t length);
static void send_all(SOCKET server, const char *bytes, size_t length);
static void receive_echo(SOCKET server, char *bytes, size_t length);
static void await_close(SOCKET server);

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

    /* STEP 2: Load Winsock, which is a library beside the system, in version 2.2. */
    WSADATA data;
    int error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        fail_with((DWORD)error, "WSAStartup");

    /* STEP 3: Find the server's address, and connect. */
    SOCKET server = connect_to(host, port);

    DWORD mode;
    struct input input = {.handle = GetStdHandle(STD_INPUT_HANDLE)};
    input.console = GetConsoleMode(input.handle, &mode);
    char *line;
    size_t length;
    while ((line = take_line(&input, &length)) != NULL) {
        /* STEP 4: Take a line, of any length and with any bytes, but without its end. */
        if (line[length - 1] == '\n' && --length > 0 && line[length - 1] == '\r')
            length--;
        if (length == 0)
            continue; /* no bytes to send, and none to wait for */
        if (length == QUIT_SIZE && memcmp(line, QUIT, QUIT_SIZE) == 0) {
            send_all(server, QUIT, QUIT_SIZE);
            say(stdout, "client: sent \"" QUIT "\"");
            await_close(server);
            break;
        }

        /* STEP 5: Send it, and receive as many bytes as were sent: that is its echo. */
        exchange(server, line, length);
    }
    free(input.bytes);

    /* STEP 6: Close the connection, by which the server learns that we are done. */
    if (closesocket(server) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "closesocket");
    if (WSACleanup() == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "WSACleanup");
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

/* Sends a line and puts its echo in its place. */
static void exchange(SOCKET server, char *line, size_t length)
{
    char *sent = quoted(line, length);
    /* In pieces, and each only when the one before has come back: if a long line were sent
     * at a stretch, the server would wait for us to read, and we for the server. A line
     * that is longer than QUIT must not end in a piece that looks like it. */
    for (size_t done = 0, size; done < length; done += size) {
        size = length - done < PIECE_SIZE ? length - done : PIECE_SIZE;
        if (length - done - size == QUIT_SIZE)
            size--;
        send_all(server, line + done, size);
        if (done + size == length)
            say(stdout, "client: sent %s", sent);
        receive_echo(server, line + done, size);
    }
    free(sent);
    char *received = quoted(line, length);
    say(stdout, "client: received %s", received);
    free(received);
}

static void send_all(SOCKET server, const char *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        int sent = send(server, bytes + done, (int)(length - done), 0);
        if (sent == SOCKET_ERROR)
            fail_with((DWORD)WSAGetLastError(), "send");
        done += (size_t)sent;
    }
}

/* Receives `length` bytes, in as many calls as it takes. */
static void receive_echo(SOCKET server, char *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        int received = recv(server, bytes + done, (int)(length - done), 0);
        if (received == SOCKET_ERROR)
            fail_with((DWORD)WSAGetLastError(), "recv");
        if (received == 0) {
            say(stderr, "client: the server closed the connection before it replied");
            exit(EXIT_FAILURE);
        }
        done += (size_t)received;
    }
}

/* Waits until the server has closed the connection, which is its answer to QUIT. */
static void await_close(SOCKET server)
{
    char rest[READ_SIZE];
    int length;
    while ((length = recv(server, rest, sizeof rest, 0)) > 0)
        ;
    if (length == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "recv");
}
