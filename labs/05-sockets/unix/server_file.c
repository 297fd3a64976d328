/*
 * server_file.c - sends each client one file, between a header and a trailer.
 *
 * Usage: server_file FILE [PORT [ADDRESS]]
 *
 * Sends "FILE size" and a newline, the bytes of the file, "END" and a newline, and
 * closes the connection. If the file cannot be opened, sends "ERROR number" and a
 * newline. sendfile() copies the bytes from the file to the connection in the kernel.
 * With MSG_MORE the header waits for them, and is not sent in a packet of its own.
 *
 * Serves one client after the other. Ctrl-C or SIGTERM ends the server, exit code 0.
 *
 * Counterpart: ../win32/server_file.c. To try: server_file server_file.c 0, and nc
 * 127.0.0.1 PORT.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "contract.h"
#include "ipclab.h"

static int accept_client(int listener);
static bool send_file(int client, const char *path);
static bool send_parts(int client, int file, int64_t size);
static bool send_with(int socket, const char *bytes, size_t length, int flags);

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

    /* STEP 2: Prepare for Ctrl-C, and for clients that close early: send() must fail with
     * EPIPE. By default the signal SIGPIPE would end this program. */
    signal(SIGPIPE, SIG_IGN);
    end_on_interrupt(NULL);

    /* STEP 3: Create the socket that listens. From now on clients can connect. */
    int listener = tcp_listen(host, port);
    log_event("server: ready %s", socket_address(listener));
    for (long number = 1;; number++) {
        /* STEP 4: Accept a client, and send it the file. */
        int client = accept_client(listener);
        log_event("server: client %ld connected", number);
        if (!send_file(client, argv[1]))
            log_error("client %ld: not all was sent: error %d: %s", number, errno,
                      strerror(errno));

        /* STEP 5: Close the connection: the client receives the end of file. */
        if (close(client) == -1)
            sys_error("close");
        log_event("server: client %ld left", number);
    }
}

/* Waits for a client. A connection that was reset in the queue is skipped. */
static int accept_client(int listener)
{
    int client;
    while ((client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) == -1)
        if (errno != ECONNABORTED && errno != EPROTO && errno != EINTR)
            sys_error("accept");
    return client;
}

/* Sends the header, the file and the trailer. Returns whether all were sent. */
static bool send_file(int client, const char *path)
{
    /* STEP 6: Open the file again for each client: it may have been created, removed or
     * changed. */
    char line[HEADER_ROOM];
    struct stat about = {0};
    /* open() of a FIFO would block until it has a writer; O_NONBLOCK has no effect on
     * a file */
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    int error = file == -1 || fstat(file, &about) == -1 ? errno : 0;
    if (error == 0 && !S_ISREG(about.st_mode)) /* a folder or a device has no size */
        error = S_ISDIR(about.st_mode) ? EISDIR : EINVAL;
    if (error != 0) {
        log_error("open %s: error %d: %s", path, error, strerror(error));
        int length = snprintf(line, sizeof line, ERROR_HEADER, error);
        if (file != -1)
            close(file);
        return send_with(client, line, (size_t)length, 0);
    }
    bool sent = send_parts(client, file, about.st_size);
    error = errno;
    if (close(file) == -1)
        sys_error("close");
    errno = error;
    if (sent)
        log_event("server: sent %" PRId64 " bytes", (int64_t)about.st_size);
    return sent;
}

static bool send_parts(int client, int file, int64_t size)
{
    /* STEP 7: Send the header; MSG_MORE lets it wait for the file. Send the file:
     * each sendfile() sends as much as the socket has room for. Send the trailer. */
    char line[HEADER_ROOM];
    int length = snprintf(line, sizeof line, FILE_HEADER, size);
    if (!send_with(client, line, (size_t)length, MSG_MORE))
        return false;
    for (int64_t left = size; left > 0;) {
        size_t part = left < SENDFILE_PART ? (size_t)left : SENDFILE_PART;
        ssize_t sent = sendfile(client, file, NULL, part);
        if (sent == 0)
            errno = EIO; /* the file has become shorter than the header reports */
        if (sent <= 0)
            return false;
        left -= sent;
    }
    return send_with(client, FILE_TRAILER, strlen(FILE_TRAILER), 0);
}

/* send_all() with flags. Returns whether all was sent. */
static bool send_with(int socket, const char *bytes, size_t length, int flags)
{
    for (size_t done = 0; done < length;) {
        ssize_t sent = send(socket, bytes + done, length - done, flags);
        if (sent == -1)
            return false;
        done += (size_t)sent;
    }
    return true;
}
