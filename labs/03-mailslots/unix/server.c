/*
 * server.c - own a slot: a datagram socket with a name, from which one process reads.
 *
 * Usage: server [SLOT [COUNT]]
 *
 * Makes SLOT, a path ($XDG_RUNTIME_DIR/sample_mailslot), reads messages and prints them, until
 * COUNT (0: no end) have come, or Ctrl-C or SIGTERM; then removes SLOT. Exit code 0, or 1 where
 * the slot has an owner already or a call fails.
 *
 * Mirrors listing 7 of the report, which calls the reader "client". Its twin:
 * ../win32/server.c. Related: server_echo.c (it answers), server_mqueue.c (a POSIX queue).
 * To try: server & client; server x & server x; server x & kill -9 $!; server x.
 */
#define PROGRAM "server"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static bool is_count(const char *text);
static struct sockaddr_un address_of(const char *path);
static int catch_signals(void);
static int own(const struct sockaddr_un *address);
static bool is_stale(const struct sockaddr_un *address);
static bool wait_for_message(int slot, int signals);
static void print_message(int slot);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: which slot, and how many messages to read. */
    if (argc > 3 || (argc > 2 && !is_count(argv[2]))) {
        say(stderr, "usage: server [SLOT [COUNT]], COUNT from 0 to %d", MAX_COUNT);
        return 2;
    }
    struct sockaddr_un address = address_of(argc > 1 ? argv[1] : NULL);
    long count = argc > 2 ? atol(argv[2]) : 0;

    /* STEP 2: Ask to be told of Ctrl-C, instead of being ended by it: the slot is a file, and
     * would stay behind. */
    int signals = catch_signals();

    /* STEP 3: Make the slot. From now on messages may come, and wait until they are read. */
    int slot = own(&address);
    say(stdout, "server: ready %s", address.sun_path);

    for (long number = 0; count == 0 || number < count; number++) {
        /* STEP 4: Wait for a message or for Ctrl-C, whichever comes first. The listing looks
         * every three seconds instead: too often while nothing comes, too late when it does. */
        if (!wait_for_message(slot, signals))
            break;

        /* STEP 5: Read one message, whole, and print it. */
        print_message(slot);
    }

    /* STEP 6: Give up the slot. What nobody has read by now is lost with it. Its name is a
     * file, which does not go with the socket. */
    char first;
    if (recv(slot, &first, sizeof first, MSG_PEEK | MSG_DONTWAIT) != -1)
        say(stdout, "server: unread messages are lost");
    if (unlink(address.sun_path) == -1)
        fail("unlink");
    if (close(slot) == -1 || close(signals) == -1)
        fail("close");
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

static bool is_count(const char *text)
{
    char *end;
    long count = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && count <= MAX_COUNT;
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
    /* An empty path would not be refused: it asks Linux for a name of its own choice. */
    if (length == 0)
        fail_with(ENOENT, "bind");
    if (length >= (int)room)
        fail_with(ENAMETOOLONG, "bind");
    return address;
}

/* Returns a descriptor that becomes readable when Ctrl-C (SIGINT) or SIGTERM comes. So poll can
 * wait for it beside the slot; elsewhere than on Linux a handler writes into a pipe for that. */
static int catch_signals(void)
{
    sigset_t ending;
    if (sigemptyset(&ending) == -1 || sigaddset(&ending, SIGINT) == -1 ||
        sigaddset(&ending, SIGTERM) == -1)
        fail("sigaddset");
    if (sigprocmask(SIG_BLOCK, &ending, NULL) == -1)
        fail("sigprocmask");
    int signals = signalfd(-1, &ending, SFD_CLOEXEC);
    if (signals == -1)
        fail("signalfd");
    return signals;
}

/* Makes the slot at `address`; ends the program if it has a living owner. */
static int own(const struct sockaddr_un *address)
{
    int slot = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (slot == -1)
        fail("socket");
    const struct sockaddr *name = (const struct sockaddr *)address;
    if (bind(slot, name, sizeof *address) == 0)
        return slot;
    /* A killed server has left its file. Between the look at it and its removal another server
     * may come to life under this name, and would lose it: to be sure takes a lock file. */
    if (errno == EADDRINUSE && is_stale(address)) {
        if (unlink(address->sun_path) == -1)
            fail("unlink");
        if (bind(slot, name, sizeof *address) == 0)
            return slot;
    }
    fail("bind");
}

/* Whether a socket file stands there that no process has open. A file that is no socket
 * refuses a connection as well, and is somebody's file: so that is asked first. */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat facts;
    bool stale = false;
    if (lstat(address->sun_path, &facts) == 0 && S_ISSOCK(facts.st_mode)) {
        int visitor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (visitor == -1)
            fail("socket");
        stale = connect(visitor, (const struct sockaddr *)address, sizeof *address) ==
                    -1 &&
                errno == ECONNREFUSED;
        close(visitor);
    }
    errno = EADDRINUSE;
    return stale;
}

/* Returns true when a message waits, false when a signal has come. The signal counts first: or
 * a server that is never out of messages would never end. */
static bool wait_for_message(int slot, int signals)
{
    struct pollfd ready[] = {{.fd = signals, .events = POLLIN},
                             {.fd = slot, .events = POLLIN}};
    if (poll(ready, 2, -1) == -1)
        fail("poll");
    return ready[0].revents == 0;
}

/* Reads the next message, of whatever length, and prints it. */
static void print_message(int slot)
{
    /* A buffer that is too small would cut the message, without an error. So look first:
     * MSG_PEEK leaves it there, MSG_TRUNC returns its real length. */
    char first;
    ssize_t length = recv(slot, &first, sizeof first, MSG_PEEK | MSG_TRUNC);
    if (length == -1)
        fail("recv");
    char *bytes = malloc((size_t)length + 1);
    if (bytes == NULL)
        fail("malloc");
    /* 0 bytes are no end here, as they are on a stream: they are an empty message. */
    length = recv(slot, bytes, (size_t)length, 0);
    if (length == -1)
        fail("recv");
    char *text = quoted(bytes, (size_t)length);
    say(stdout, "server: received %s", text);
    free(text);
    free(bytes);
}
