/*
 * worker.c - serves one client, whose connection comes from another process.
 *
 * Usage: worker PIPE
 *
 * PIPE is the named pipe over which the server sends the description of the connection
 * (server_handoff). Exit code 0 if the session ended in order, 1 if the connection
 * broke.
 *
 * After the child program of an article on passing sockets. Counterpart:
 * ../unix/worker.c. To try: worker x, where x is no pipe.
 */
#include <winsock2.h> /* must come before windows.h */
#include <ws2tcpip.h>

#include "contract.h"
#include "ipclab.h"

static HANDLE call_server(const char *path);
static SOCKET take_connection(HANDLE server, long *number);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the pipe over which the connection comes. */
    begin_program("worker", "PIPE", &argv);
    if (argc != 2)
        usage_exit();

    WSADATA data;
    int error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        sys_error_number("WSAStartup", error);

    /* STEP 2: Receive the connection. */
    long number;
    SOCKET client = take_connection(call_server(argv[1]), &number);

    /* STEP 3: Receive what has come. 0 bytes are the end of file: the client will
     * send no more. */
    char bytes[READ_SIZE];
    int length;
    while ((length = recv(client, bytes, sizeof bytes, 0)) > 0) {
        log_text("server: received", bytes, (size_t)length);
        if (length == QUIT_SIZE && memcmp(bytes, QUIT, QUIT_SIZE) == 0)
            break;

        /* STEP 4: Send it back. send() blocks while the client does not receive. */
        if (!send_all(client, bytes, (size_t)length)) {
            length = SOCKET_ERROR;
            break;
        }
    }
    if (length == SOCKET_ERROR)
        log_error("client %ld: error %d", number, WSAGetLastError());

    /* STEP 5: Close the connection: this is its last copy, so the client receives the end
     * of file. The server waits for the end of this process. */
    if (closesocket(client) == SOCKET_ERROR)
        sys_error("closesocket");
    return length == SOCKET_ERROR ? EXIT_FAILURE : EXIT_SUCCESS;
}

static HANDLE call_server(const char *path)
{
    wchar_t *name = to_utf16(path);
    HANDLE server = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL,
                                OPEN_EXISTING, 0, NULL);
    if (server == INVALID_HANDLE_VALUE)
        sys_error("CreateFile");
    free(name);
    return server;
}

/* Makes a socket from the description that the server sends, and confirms it: before that
 * the server must not close its own. */
static SOCKET take_connection(HANDLE server, long *number)
{
    struct handoff handoff;
    DWORD length;
    for (DWORD done = 0; done < sizeof handoff; done += length)
        if (!ReadFile(server, (char *)&handoff + done, sizeof handoff - done, &length,
                      NULL))
            sys_error("ReadFile");
    SOCKET client = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
                               &handoff.info, 0, WSA_FLAG_OVERLAPPED);
    if (client == INVALID_SOCKET)
        sys_error("WSASocket");
    if (!WriteFile(server, "", 1, &length, NULL))
        sys_error("WriteFile");
    if (!CloseHandle(server))
        sys_error("CloseHandle");
    *number = handoff.number;
    return client;
}
