/*
 * server_seqpacket.c - as server.c, over a socket that carries messages: SOCK_SEQPACKET.
 *
 * Usage: server_seqpacket [SOCKET]
 *
 * Sends back what clients send on the socket SOCKET ($XDG_RUNTIME_DIR/$$MyPipe$$.socket, or
 * /tmp/$$MyPipe$$.socket.UID), each in a thread of its own, until "exit" comes or the client
 * leaves. Ends on Ctrl-C.
 *
 * This, and not the FIFO, is the nearest relative of a named pipe of Windows: two-way,
 * a connection for each client, and a read brings one message, never a part of the next.
 * Compare win32/server.c. To try: server_seqpacket, and then client_seqpacket.
 */
#define PROGRAM "server"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

#define PAUSE_SECONDS 1 /* after an accept() that failed */

/* A client, owned by the thread that serves it. */
struct client {
    int socket;
    long number;
    char message[MAX_MESSAGE];
};

static const char *default_path(void);
static int make_socket(const char *path);
static void *accept_clients(void *argument);
static void *serve(void *argument);
static void hang_up(struct client *client);
static bool receive_message(struct client *client, size_t *length);
static size_t text_length(const char *message, size_t length);
static bool is_exit(const char *message, size_t length);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: where the socket is to be. */
    if (argc > 2 || (argc == 2 && (*argv[1] == '\0' || *argv[1] == '-'))) {
        say(stderr, "usage: server_seqpacket [SOCKET]");
        return 2;
    }
    const char *path = argc == 2 ? argv[1] : default_path();

    /* Ctrl-C is waited for in STEP 7. */
    sigset_t stop;
    if (sigemptyset(&stop) == -1 || sigaddset(&stop, SIGINT) == -1 ||
        sigaddset(&stop, SIGTERM) == -1)
        fail("sigaddset");
    int error = pthread_sigmask(SIG_BLOCK, &stop, NULL);
    if (error != 0)
        fail_with(error, "pthread_sigmask");

    /* STEP 2: Make the name on which clients find us. */
    int listener = make_socket(path);
    pthread_t thread;
    error = pthread_create(&thread, NULL, accept_clients, &listener);
    if (error != 0)
        fail_with(error, "pthread_create");
    say(stdout, "server: ready %s", path);

    /* STEP 7: End on Ctrl-C. The name would outlive us; the clients see the end. */
    int number;
    error = sigwait(&stop, &number);
    if (error != 0)
        fail_with(error, "sigwait");
    if (unlink(path) == -1)
        fail("unlink");
    flockfile(stdout); /* nobody prints behind this line, or while exit() does */
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

/* In the folder that is the user's own and goes with the session; else in the one of all. */
static const char *default_path(void)
{
    static char name[PATH_MAX];
    const char *folder = getenv("XDG_RUNTIME_DIR");
    int length = folder != NULL && *folder == '/'
                     ? snprintf(name, sizeof name, "%s/%s", folder, SOCKET_NAME)
                     : snprintf(name, sizeof name, "/tmp/%s.%ld", SOCKET_NAME,
                                (long)getuid());
    if (length >= (int)sizeof name)
        fail_with(ENAMETOOLONG, "XDG_RUNTIME_DIR");
    return name;
}

static int make_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        fail_with(ENAMETOOLONG, path);
    memcpy(address.sun_path, path, strlen(path) + 1);

    /* A name that a killed server has left would refuse us for ever. Whether somebody is there
     * is found out by calling; should two servers do so at the same moment, one is left without
     * its name, where server.c has a lock against it. */
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    int caller = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (listener == -1 || caller == -1)
        fail("socket");
    if (connect(caller, (struct sockaddr *)&address, sizeof address) == 0) {
        say(stderr, PROGRAM ": %s: another server is there", path);
        exit(EXIT_FAILURE);
    }
    /* What is no socket refuses a call as well, and is somebody's file. */
    bool refused = errno == ECONNREFUSED;
    struct stat facts;
    if (refused && lstat(path, &facts) == 0 && S_ISSOCK(facts.st_mode) &&
        unlink(path) == -1)
        fail("unlink");
    umask(~(mode_t)FIFO_MODE & 0777); /* nobody else's clients */
    if (bind(listener, (struct sockaddr *)&address, sizeof address) == -1)
        fail("bind");
    if (listen(listener, BACKLOG) == -1)
        fail("listen");
    close(caller);
    return listener;
}

static void *accept_clients(void *argument)
{
    int listener = *(int *)argument;
    for (long count = 0;;) {
        /* STEP 3: Wait for a client. */
        int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (socket == -1) {
            /* The client may have left again, or something is short, perhaps for a while: without
             * a pause this would try again and again at full speed. */
            say(stderr, PROGRAM ": accept4: error %d: %s", errno, strerror(errno));
            sleep(PAUSE_SECONDS);
            continue;
        }

        /* STEP 4: Give it a thread, so that nobody waits for anybody. Where that cannot be done
         * this client has to go, and no other. One descriptor must be left behind: without it
         * the next client could not even be sent away. */
        struct client *client = malloc(sizeof *client);
        int left = client == NULL ? -1 : dup(socket);
        if (left == -1) {
            say(stderr, PROGRAM ": no room for a client: error %d: %s", errno,
                strerror(errno));
            close(socket);
            free(client);
            continue;
        }
        close(left);
        client->socket = socket;
        client->number = count + 1;
        pthread_t thread;
        int error = pthread_create(&thread, NULL, serve, client);
        if (error != 0) {
            say(stderr, PROGRAM ": no thread for a client: error %d: %s", error,
                strerror(error));
            hang_up(client);
            continue;
        }
        count++;
        error = pthread_detach(thread);
        if (error != 0)
            fail_with(error, "pthread_detach");
    }
}

/* The thread of one client. Whatever that client does, or fails to do, only this one waits. */
static void *serve(void *argument)
{
    struct client *client = argument;
    long number = client->number;
    say(stdout, "server: client %ld connected", number);

    /* STEP 5: Send back each message as it came, until "exit" or the client's end. */
    size_t length;
    bool goes_on = true;
    while (goes_on && receive_message(client, &length)) {
        char *text = quoted(client->message, text_length(client->message, length));
        say(stdout, "server: received %s", text);
        free(text);
        goes_on = send(client->socket, client->message, length, MSG_NOSIGNAL) != -1 &&
                  !is_exit(client->message, length);
    }

    /* STEP 6: Close the connection. What was sent can still be read. */
    hang_up(client);
    say(stdout, "server: client %ld left", number);
    return NULL;
}

/* Closes the connection. A socket that is closed with something unread in it is reset, and then
 * the client gets an error in place of our last reply: so let nothing more come, and take out
 * what has. (A message of no bytes among it looks like the end, and what is behind it stays.) */
static void hang_up(struct client *client)
{
    if (shutdown(client->socket, SHUT_RD) == 0)
        while (recv(client->socket, client->message, 1, MSG_TRUNC) > 0)
            continue;
    if (close(client->socket) == -1)
        fail("close");
    free(client);
}

/* Reads one message. Returns false when the client has left or must. One of no bytes cannot be
 * told from the end: this is why a text brings its NUL along. */
static bool receive_message(struct client *client, size_t *length)
{
    /* With MSG_TRUNC recv returns the message's own length, whatever the room for it. */
    ssize_t got = recv(client->socket, client->message, MAX_MESSAGE, MSG_TRUNC);
    if (got > MAX_MESSAGE)
        say(stderr, PROGRAM ": client %ld sent a message of %zd bytes; %d is the limit",
            client->number, got, MAX_MESSAGE);
    else if (got == -1 && errno != ECONNRESET) /* it left, and had not read all echoes */
        say(stderr, PROGRAM ": recv: error %d: %s", errno, strerror(errno));
    *length = got > 0 ? (size_t)got : 0;
    return got > 0 && got <= MAX_MESSAGE;
}

/* Without the NUL, if there is one. */
static size_t text_length(const char *message, size_t length)
{
    return length > 0 && message[length - 1] == '\0' ? length - 1 : length;
}

/* The whole text, not its beginning: "exitus" is a message. */
static bool is_exit(const char *message, size_t length)
{
    length = text_length(message, length);
    if (length > 0 && message[length - 1] == '\n')
        length--;
    return length == strlen(EXIT_TEXT) && memcmp(message, EXIT_TEXT, length) == 0;
}
