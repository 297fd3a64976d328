/*
 * server_file.c - sends each client one file, between a header and a trailer.
 *
 * Usage: server_file FILE [PORT [ADDRESS]]
 *
 * To each client goes "FILE size", a newline, the file's bytes, "END", a newline, and the end
 * of the connection; "ERROR number" and a newline where there is no such file. sendfile()
 * moves the bytes from the file to the connection inside the kernel; MSG_MORE lets the header
 * wait for them, so that it does not travel alone.
 *
 * One client after the other, for the sending is what is shown here. Ctrl-C ends it.
 * Its twin: ../win32/server_file.c. To try: server_file server_file.c 0; nc 127.0.0.1 PORT.
 */
#define PROGRAM "server"

#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static bool is_port(const char *text);
static void end_on_signal(void);
static void *wait_for_signal(void *argument);
static int listen_at(const char *host, const char *port);
static int accept_client(int listener);
static bool send_file(int client, const char *path);
static bool send_parts(int client, int file, int64_t size);
static bool send_all(int socket, const char *bytes, size_t length, int flags);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: which file, the port, and at which of our addresses. */
    if (argc < 2 || argc > 4 || (argc > 2 && !is_port(argv[2]))) {
        say(stderr, "usage: server_file FILE [PORT [ADDRESS]], PORT from 0 to 65535");
        return 2;
    }
    const char *port = argc > 2 ? argv[2] : DEFAULT_PORT;
    const char *host = argc > 3 ? argv[3] : DEFAULT_HOST;

    /* STEP 2: Prepare for a client that vanishes, which shall cost us an error of send() and
     * not our life, and for Ctrl-C. */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        fail("signal");
    end_on_signal();

    /* STEP 3: Make the socket that listens, and tell where: clients can connect from now. */
    int listener = listen_at(host, port);
    for (long number = 1;; number++) {
        /* STEP 4: Accept a client, and send it the file. */
        int client = accept_client(listener);
        say(stdout, "server: client %ld connected", number);
        if (!send_file(client, argv[1]))
            say(stderr, PROGRAM ": client %ld: not all was sent: error %d: %s", number,
                errno, strerror(errno));

        /* STEP 5: Close the connection, by which the client learns that all has been said. */
        if (close(client) == -1)
            fail("close");
        say(stdout, "server: client %ld left", number);
    }
}

static bool is_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && port <= 65535;
}

/* From now on Ctrl-C and SIGTERM end the program in order. A thread waits for them, because
 * a handler may do almost nothing: not even print. */
static void end_on_signal(void)
{
    static sigset_t signals; /* blocked here, and so in every thread that starts later */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_t thread;
    int error = pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (error != 0)
        fail_with(error, "pthread_sigmask");
    error = pthread_create(&thread, NULL, wait_for_signal, &signals);
    if (error == 0)
        error = pthread_detach(thread);
    if (error != 0)
        fail_with(error, "pthread_create");
}

static void *wait_for_signal(void *argument)
{
    int number;
    int error = sigwait(argument, &number);
    if (error != 0)
        fail_with(error, "sigwait");
    silence_others(); /* no other thread prints after this line, or while exit() does */
    say(stdout, "server: done");
    exit(EXIT_SUCCESS);
}

/* A socket that listens on `port` of our address `host`. Prints where that is. */
static int listen_at(const char *host, const char *port)
{
    struct addrinfo *address,
        hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int error = getaddrinfo(host, port, &hints, &address);
    if (error != 0) {
        say(stderr, PROGRAM ": getaddrinfo: error %d: %s", error, gai_strerror(error));
        exit(EXIT_FAILURE);
    }
    int listener = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener == -1)
        fail("socket");

    /* A connection that was closed here is kept for a minute, against packets that come
     * late (TIME_WAIT), and the port with it: without this option a server that is started
     * again would not get it. Two servers that listen on one port it does not allow. */
    int yes = 1, no = 0;
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == -1)
        fail("setsockopt");
    /* ADDRESS :: is to mean IPv4 too, whatever the machine's default is. */
    if (address->ai_family == AF_INET6 &&
        setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no) == -1)
        fail("setsockopt");
    if (bind(listener, address->ai_addr, address->ai_addrlen) == -1)
        fail("bind");
    freeaddrinfo(address);
    if (listen(listener, SOMAXCONN) == -1)
        fail("listen");

    /* Where we are bound tells the system: PORT may have been 0. */
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    if (getsockname(listener, (struct sockaddr *)&bound, &size) == -1)
        fail("getsockname");
    char name[NI_MAXHOST], number[NI_MAXSERV];
    error = getnameinfo((struct sockaddr *)&bound, size, name, sizeof name, number,
                        sizeof number, NI_NUMERICHOST | NI_NUMERICSERV);
    if (error != 0) {
        say(stderr, PROGRAM ": getnameinfo: error %d: %s", error, gai_strerror(error));
        exit(EXIT_FAILURE);
    }
    say(stdout,
        bound.ss_family == AF_INET6 ? "server: ready [%s]:%s" : "server: ready %s:%s",
        name, number);
    return listener;
}

/* Waits for a client. A connection that was reset while it waited in the queue is none. */
static int accept_client(int listener)
{
    int client;
    while ((client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) == -1)
        if (errno != ECONNABORTED && errno != EPROTO && errno != EINTR)
            fail("accept");
    return client;
}

/* Sends header, file and trailer. Returns whether all went. */
static bool send_file(int client, const char *path)
{
    /* STEP 6: Open the file anew for each client: it may have come, gone or changed. */
    char line[HEADER_ROOM];
    struct stat about = {0};
    /* Of a FIFO open() would wait for a writer; O_NONBLOCK means nothing to a file. */
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    int error = file == -1 || fstat(file, &about) == -1 ? errno : 0;
    if (error == 0 &&
        !S_ISREG(about.st_mode)) /* a folder, or a device: nothing with a size */
        error = S_ISDIR(about.st_mode) ? EISDIR : EINVAL;
    if (error != 0) {
        say(stderr, PROGRAM ": open %s: error %d: %s", path, error, strerror(error));
        int length = snprintf(line, sizeof line, ERROR_HEADER, error);
        if (file != -1)
            close(file);
        return send_all(client, line, (size_t)length, 0);
    }
    bool sent = send_parts(client, file, about.st_size);
    error = errno;
    if (close(file) == -1)
        fail("close");
    errno = error;
    if (sent)
        say(stdout, "server: sent %" PRId64 " bytes", (int64_t)about.st_size);
    return sent;
}

static bool send_parts(int client, int file, int64_t size)
{
    /* STEP 7: Send the header, with the promise of more; the file, in as many calls as it
     * takes, for each sends as much as the socket has room for; and the trailer. */
    char line[HEADER_ROOM];
    int length = snprintf(line, sizeof line, FILE_HEADER, size);
    if (!send_all(client, line, (size_t)length, MSG_MORE))
        return false;
    for (int64_t left = size; left > 0;) {
        size_t part = left < SENDFILE_PART ? (size_t)left : SENDFILE_PART;
        ssize_t sent = sendfile(client, file, NULL, part);
        if (sent == 0)
            errno = EIO; /* the file has become shorter than the header says */
        if (sent <= 0)
            return false;
        left -= sent;
    }
    return send_all(client, FILE_TRAILER, strlen(FILE_TRAILER), 0);
}

/* Sends all of `bytes`, in as many calls as it takes. Returns whether it could. */
static bool send_all(int socket, const char *bytes, size_t length, int flags)
{
    for (size_t done = 0; done < length;) {
        ssize_t sent = send(socket, bytes + done, length - done, flags);
        if (sent == -1)
            return false;
        done += (size_t)sent;
    }
    return true;
}
