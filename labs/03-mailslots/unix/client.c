/*
 * client.c - write messages into a slot: send datagrams to a named socket.
 *
 * Usage: client [SLOT [MESSAGE...]]
 *
 * Sends each MESSAGE (the three of the report) to the server that owns SLOT, a path
 * ($XDG_RUNTIME_DIR/sample_mailslot). Exit code 0 if all were sent, else 1. That they were
 * sent does not mean that they were, or will be, read.
 *
 * Mirrors listing 6 of the report, which calls the writer "server". Its twin:
 * ../win32/client.c. To try: client; client x ""; client /tmp/nobody.
 */
#define PROGRAM "client"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static struct sockaddr_un address_of(const char *path);
static int open_slot(const struct sockaddr_un *address);
static void send_message(int slot, const char *message);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: which slot, and what to write into it. */
    static const char *const usual[] = DEFAULT_MESSAGES();
    struct sockaddr_un address = address_of(argc > 1 ? argv[1] : NULL);
    const char *const *messages = argc > 2 ? (const char *const *)argv + 2 : usual;
    size_t count = argc > 2 ? (size_t)argc - 2 : sizeof usual / sizeof *usual;

    /* STEP 2: Open the slot. That fails if nobody owns it. */
    int slot = open_slot(&address);

    /* STEP 3: Write each message with one call: what one call writes, one call reads. */
    for (size_t i = 0; i < count; i++) {
        send_message(slot, messages[i]);
        char *text = quoted(messages[i], strlen(messages[i]));
        say(stdout, "client: sent %s", text);
        free(text);
    }

    /* STEP 4: Close the slot. The owner does not notice: there is no connection. */
    if (close(slot) == -1)
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

static int open_slot(const struct sockaddr_un *address)
{
    int slot = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (slot == -1)
        fail("socket");
    /* A message must fit into the sender's buffer, so that is how long it may be. Linux
     * doubles what is asked for, to have room for its own book-keeping. */
    int room = MAX_MESSAGE;
    if (setsockopt(slot, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == -1)
        fail("setsockopt");
    /* On a datagram socket this only notes where messages go; but it looks whether somebody
     * is there: no file is ENOENT, a file that nobody has open is ECONNREFUSED. */
    if (connect(slot, (const struct sockaddr *)address, sizeof *address) == -1) {
        int error = errno; /* the next call may change errno */
        if (error == ENOENT || error == ECONNREFUSED)
            say(stderr, "client: no server owns %s", address->sun_path);
        fail_with(error, "connect");
    }
    return slot;
}

/* Sends one message, an empty one too. While the owner's queue is full, send waits; after the
 * owner has gone, it fails. It never sends a part: EMSGSIZE, if the whole is too long. */
static void send_message(int slot, const char *message)
{
    if (send(slot, message, strlen(message), MSG_NOSIGNAL) == -1)
        fail("send");
}
