/*
 * client_echo.c - two-way by two sockets: have an address of one's own for the replies.
 *
 * Usage: client_echo [SLOT [MESSAGE...]]
 *
 * Sends each MESSAGE (the three of the report) to the server that owns SLOT, a path
 * ($XDG_RUNTIME_DIR/sample_mailslot), from a socket with an address of its own, and waits for
 * the reply there before it sends the next. Exit code 0 if every reply came, else 1.
 *
 * Its twin: ../win32/client_echo.c. To try: client_echo with server_echo, then with server:
 * a reply that never comes.
 */
#define PROGRAM "client"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static struct sockaddr_un address_of(const char *path);
static int own_socket(void);
static void open_slot(int own, const struct sockaddr_un *address);
static void send_message(int own, const char *text);
static void receive_reply(int own);
static void print(const char *event, const char *bytes, size_t length);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: which slot, and what to write into it. */
    static const char *const usual[] = DEFAULT_MESSAGES();
    struct sockaddr_un address = address_of(argc > 1 ? argv[1] : NULL);
    const char *const *messages = argc > 2 ? (const char *const *)argv + 2 : usual;
    size_t count = argc > 2 ? (size_t)argc - 2 : sizeof usual / sizeof *usual;

    /* STEP 2: Make a socket with an address for the replies. */
    int own = own_socket();

    /* STEP 3: Open the server's slot. */
    open_slot(own, &address);

    for (size_t i = 0; i < count; i++) {
        /* STEP 4: Send one message, with the address for the reply. */
        send_message(own, messages[i]);
        print("sent", messages[i], strlen(messages[i]));

        /* STEP 5: Wait for the reply, but not for ever: nobody promised that it comes. */
        receive_reply(own);
    }

    /* STEP 6: Close it. This address leaves no file behind. */
    if (close(own) == -1)
        fail("close");
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

/* The address that `path` is; that of the default slot for NULL. */
static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *folder = getenv("XDG_RUNTIME_DIR");
    size_t room = sizeof address.sun_path;
    int length = path != NULL ? snprintf(address.sun_path, room, "%s", path)
                 : folder != NULL && *folder != '\0'
                     ? snprintf(address.sun_path, room, "%s/" DEFAULT_NAME, folder)
                     : snprintf(address.sun_path, room, "/tmp/" DEFAULT_NAME "-%ld",
                                (long)getuid());
    if (length >= (int)room)
        fail_with(ENAMETOOLONG, "connect");
    return address;
}

static int own_socket(void)
{
    int own = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (own == -1)
        fail("socket");
    /* An address without a name: Linux chooses one that nobody else has, outside the file
     * system, so it goes with us even if we are killed. Elsewhere this takes a path with our
     * process's number in it, and an unlink on every way out. */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (bind(own, (struct sockaddr *)&address, sizeof address.sun_family) == -1)
        fail("bind");
    struct timeval limit = {.tv_sec = REPLY_MILLISECONDS / 1000,
                            .tv_usec = REPLY_MILLISECONDS % 1000 * 1000};
    if (setsockopt(own, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == -1 ||
        setsockopt(own, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == -1)
        fail("setsockopt");
    return own;
}

/* On a datagram socket, connect also lets in only what comes from that address: nobody but the
 * server can reply. */
static void open_slot(int own, const struct sockaddr_un *address)
{
    if (connect(own, (const struct sockaddr *)address, sizeof *address) == -1) {
        int error = errno; /* the next call may change errno */
        if (error == ENOENT || error == ECONNREFUSED)
            say(stderr, "client: no server owns %s", address->sun_path);
        fail_with(error, "connect");
    }
}

/* The address goes along by itself. */
static void send_message(int own, const char *text)
{
    while (send(own, text, strlen(text), MSG_NOSIGNAL) == -1)
        if (errno != EINTR) /* stopped and continued: see below */
            fail("send");
}

static void receive_reply(int own)
{
    /* Looking at the length first, as server.c: no reply is cut. */
    char first;
    ssize_t length;
    /* Stopped and continued: a call with a time limit does not go on by itself. */
    while ((length = recv(own, &first, sizeof first, MSG_PEEK | MSG_TRUNC)) == -1 &&
           errno == EINTR)
        continue;
    if (length == -1) {
        int error = errno;
        if (error == EAGAIN)
            say(stderr, "client: no reply came in %d ms", REPLY_MILLISECONDS);
        fail_with(error, "recv");
    }
    char *reply = malloc((size_t)length + 1);
    if (reply == NULL)
        fail("malloc");
    length = recv(own, reply, (size_t)length, 0);
    if (length == -1)
        fail("recv");
    print("received", reply, (size_t)length);
    free(reply);
}

static void print(const char *event, const char *bytes, size_t length)
{
    char *text = quoted(bytes, length);
    say(stdout, "client: %s %s", event, text);
    free(text);
}
