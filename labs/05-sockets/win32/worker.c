/*
 * worker.c - serves one client, whose connection it was given by another process.
 *
 * Usage: worker PIPE
 *
 * PIPE is the named pipe over which the server tells of the connection (server_handoff). Exit
 * code 0 if the session ended as sessions do, 1 if the connection broke.
 *
 * After the child of an article on passing sockets. Its twin: ../unix/worker.c.
 * To try: worker by hand, with a name that is no pipe.
 */
#define PROGRAM "server"

#include <winsock2.h>
#include <ws2tcpip.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static HANDLE call_server(const wchar_t *name);
static SOCKET take_connection(HANDLE server, long *number);
static bool send_all(SOCKET socket, const char *bytes, int length);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: where the connection comes from. */
    if (argc != 2) {
        say(stderr, "usage: worker PIPE; a server starts it");
        return 2;
    }
    WSADATA data;
    int error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        fail_with((DWORD)error, "WSAStartup");

    /* STEP 2: Take the connection. */
    long number;
    SOCKET client = take_connection(call_server(argv[1]), &number);

    /* STEP 3: Receive what has come. 0 bytes mean that the client will send no more. */
    char bytes[READ_SIZE];
    int length;
    while ((length = recv(client, bytes, sizeof bytes, 0)) > 0) {
        char *text = quoted(bytes, (size_t)length);
        say(stdout, "server: received %s", text);
        free(text);
        if (length == QUIT_SIZE && memcmp(bytes, QUIT, QUIT_SIZE) == 0)
            break;

        /* STEP 4: Send it back. While the client takes nothing this process stands here. */
        if (!send_all(client, bytes, length)) {
            length = SOCKET_ERROR;
            break;
        }
    }
    if (length == SOCKET_ERROR)
        say(stderr, PROGRAM ": client %ld: error %d", number, WSAGetLastError());

    /* STEP 5: Close the connection: nobody else has it any more, so the client sees the end.
     * The server learns it by the end of this process. */
    if (closesocket(client) == SOCKET_ERROR)
        fail_with((DWORD)WSAGetLastError(), "closesocket");
    return length == SOCKET_ERROR ? EXIT_FAILURE : EXIT_SUCCESS;
}

static HANDLE call_server(const wchar_t *name)
{
    HANDLE server = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL,
                                OPEN_EXISTING, 0, NULL);
    if (server == INVALID_HANDLE_VALUE)
        fail("CreateFile");
    return server;
}

/* Makes a socket of what the server tells, and tells it so: only then may it close its own. */
static SOCKET take_connection(HANDLE server, long *number)
{
    struct handoff handoff;
    DWORD length;
    for (DWORD done = 0; done < sizeof handoff; done += length)
        if (!ReadFile(server, (char *)&handoff + done, sizeof handoff - done, &length,
                      NULL))
            fail("ReadFile");
    SOCKET client = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
                               &handoff.info, 0, WSA_FLAG_OVERLAPPED);
    if (client == INVALID_SOCKET)
        fail_with((DWORD)WSAGetLastError(), "WSASocket");
    if (!WriteFile(server, "", 1, &length, NULL))
        fail("WriteFile");
    if (!CloseHandle(server))
        fail("CloseHandle");
    *number = handoff.number;
    return client;
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
