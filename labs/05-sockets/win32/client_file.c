/*
 * client_file.c - receives the file that a server sends, and writes it.
 *
 * Usage: client_file OUTPUT [HOST [PORT]]
 *
 * Reads the header, the number of bytes that it contains, and the trailer. Without a
 * trailer the end of the connection could be mistaken for the end of the file. Exit
 * code 0 if all came, else 1.
 *
 * Counterpart: ../unix/client_file.c. To try: client_file copy, then fc with the
 * original.
 */
#include <winsock2.h> /* must come before windows.h */
#include <ws2tcpip.h>
#include <errno.h>
#include <inttypes.h>

#include "contract.h"
#include "ipclab.h"

static void receive(SOCKET server, char *bytes, size_t length);
static void receive_line(SOCKET server, char line[HEADER_ROOM]);
static int64_t size_from(const char *line);
_Noreturn static void fail_in_library(const char *call);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: where to write the file, and to which server to
     * connect. */
    begin_program("client", "OUTPUT [HOST [PORT]]", &argv);
    if (argc < 2 || argc > 4)
        usage_exit();
    const char *host = argc > 2 ? argv[2] : DEFAULT_HOST;
    const char *port = argc > 3 ? argv[3] : DEFAULT_PORT;
    parse_long("PORT", port, 1, MAX_PORT);

    /* STEP 2: Nothing to prepare: tcp_connect() loads Winsock. */

    /* STEP 3: Connect to the server. */
    SOCKET server = tcp_connect(host, port);

    /* STEP 4: Receive the header. */
    char line[HEADER_ROOM];
    receive_line(server, line);
    int64_t size = size_from(line);

    /* STEP 5: Receive the file, a portion at a time, and write it. */
    FILE *output = _wfopen(to_utf16(argv[1]), L"wb");
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

    /* STEP 6: Receive the trailer: without it the file may be incomplete. */
    receive(server, line, strlen(FILE_TRAILER));
    if (memcmp(line, FILE_TRAILER, strlen(FILE_TRAILER)) != 0) {
        log_error("expected the trailer after the file, got other bytes");
        return EXIT_FAILURE;
    }
    log_event("client: received %" PRId64 " bytes", size);

    /* STEP 7: Close the connection. */
    if (closesocket(server) == SOCKET_ERROR)
        sys_error("closesocket");
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Receives exactly `length` bytes. If the server closes the connection before, ends the
 * program. */
static void receive(SOCKET server, char *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        int received = recv(server, bytes + done, (int)(length - done), 0);
        if (received == SOCKET_ERROR)
            sys_error("recv");
        if (received == 0) {
            log_error("the server closed the connection before all had come");
            exit(EXIT_FAILURE);
        }
        done += (size_t)received;
    }
}

/* Receives a line, and replaces its newline by a NUL. It receives single bytes, because
 * what comes after the line belongs to the file. */
static void receive_line(SOCKET server, char line[HEADER_ROOM])
{
    for (size_t length = 0; length < HEADER_ROOM; length++) {
        receive(server, line + length, 1);
        if (line[length] == '\n') {
            line[length] = '\0';
            return;
        }
    }
    log_error("expected a header, got other bytes");
    exit(EXIT_FAILURE);
}

/* Returns the size that the header contains. */
static int64_t size_from(const char *line)
{
    int64_t size = -1;
    char *end = NULL;
    if (strncmp(line, "FILE ", 5) == 0 && line[5] >= '0' && line[5] <= '9')
        size = strtoll(line + 5, &end, 10);
    if (size < 0 || *end != '\0') {
        char *text = quoted(line, strlen(line));
        log_error("expected a file, got %s", text);
        free(text);
        exit(EXIT_FAILURE);
    }
    return size;
}

/* Reports a failed function of the C library, which sets errno, not the value of
 * GetLastError(). Ends the program. */
_Noreturn static void fail_in_library(const char *call)
{
    log_error("%s: error %d: %s", call, errno, strerror(errno));
    exit(EXIT_FAILURE);
}
