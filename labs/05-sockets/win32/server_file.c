/*
 * server_file.c - sends each client one file, between a header and a trailer.
 *
 * Usage: server_file FILE [PORT [ADDRESS]]
 *
 * Sends "FILE size" and a newline, the bytes of the file, "END" and a newline, and
 * closes the connection. If the file cannot be opened, sends "ERROR number" and a
 * newline. TransmitFile sends all three in one call: the file in the kernel, and before
 * and after it what TRANSMIT_FILE_BUFFERS contains.
 *
 * Serves one client after the other. Ctrl-C ends the server, exit code 0.
 *
 * Counterpart: ../unix/server_file.c. To try: server_file server_file.c 0, and
 * client_file in another window.
 */
#include <winsock2.h> /* must come before windows.h */
#include <ws2tcpip.h>
#include <mswsock.h>
#include <inttypes.h>

#include "contract.h"
#include "ipclab.h"

static SOCKET accept_client(SOCKET listener);
static bool send_file(SOCKET client, const char *path);
static bool send_parts(SOCKET client, HANDLE file, int64_t size);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: which file to send, and on which port and address to
     * listen. */
    begin_program("server", "FILE [PORT [ADDRESS]]", &argv);
    if (argc < 2 || argc > 4)
        usage_exit();
    const char *port = argc > 2 ? argv[2] : DEFAULT_PORT;
    const char *host = argc > 3 ? argv[3] : DEFAULT_HOST;
    parse_long("PORT", port, 0, MAX_PORT);

    /* STEP 2: Prepare for Ctrl-C. tcp_listen() loads Winsock. */
    end_on_interrupt(NULL);

    /* STEP 3: Create the socket that listens. From now on clients can connect. */
    SOCKET listener = tcp_listen(host, port);
    log_event("server: ready %s", socket_address(listener));
    for (long number = 1;; number++) {
        /* STEP 4: Accept a client, and send it the file. */
        SOCKET client = accept_client(listener);
        log_event("server: client %ld connected", number);
        if (!send_file(client, argv[1]))
            log_error("client %ld: not all was sent: error %d", number,
                      WSAGetLastError());

        /* STEP 5: Close the connection: the client receives the end of file. */
        if (closesocket(client) == SOCKET_ERROR)
            sys_error("closesocket");
        log_event("server: client %ld left", number);
    }
}

/* Waits for a client. A connection that was reset in the queue is skipped. */
static SOCKET accept_client(SOCKET listener)
{
    SOCKET client;
    while ((client = accept(listener, NULL, NULL)) == INVALID_SOCKET)
        if (WSAGetLastError() != WSAECONNRESET)
            sys_error("accept");
    return client;
}

/* Sends the header, the file and the trailer. Returns whether all were sent. */
static bool send_file(SOCKET client, const char *path)
{
    /* STEP 6: Open the file again for each client: it may have been created, removed or
     * changed. */
    LARGE_INTEGER size;
    wchar_t *name = to_utf16(path);
    HANDLE file = CreateFileW(name, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING,
                              FILE_FLAG_SEQUENTIAL_SCAN, NULL);
    bool opened = file != INVALID_HANDLE_VALUE && GetFileSizeEx(file, &size);
    int error = (int)GetLastError(); /* a device can be opened, but has no size */
    free(name);
    if (!opened) {
        char line[HEADER_ROOM];
        log_error("CreateFile %s: error %d", path, error);
        if (file != INVALID_HANDLE_VALUE && !CloseHandle(file))
            sys_error("CloseHandle");
        int length = snprintf(line, sizeof line, ERROR_HEADER, error);
        return send_all(client, line, (size_t)length);
    }
    bool sent = send_parts(client, file, size.QuadPart);
    error = WSAGetLastError();
    if (!CloseHandle(file))
        sys_error("CloseHandle");
    WSASetLastError(error);
    if (sent)
        log_event("server: sent %" PRId64 " bytes", (int64_t)size.QuadPart);
    return sent;
}

static bool send_parts(SOCKET client, HANDLE file, int64_t size)
{
    /* STEP 7: Send the header, the file and the trailer. One call sends less than 2
     * GB: a larger file takes several. The first has the header, the last the
     * trailer. */
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
        /* With a file, 0 bytes would mean the whole file. Without a file, there is
         * none to send. */
        if (!TransmitFile(client, part > 0 ? file : NULL, part, 0, NULL, &around, 0))
            return false;
        if (left == 0)
            return true;
        around = (TRANSMIT_FILE_BUFFERS){0};
    }
}
