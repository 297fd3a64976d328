/*
 * server.c - create a slot, a datagram socket with a name, and read messages from it.
 *
 * Usage: server [SLOT [COUNT]]
 *
 * Creates the socket SLOT, a path ($XDG_RUNTIME_DIR/sample_mailslot, or
 * /tmp/sample_mailslot.UID). Reads messages and prints them, until COUNT messages have
 * come (0, the default: no limit) or until Ctrl-C. Then removes SLOT. Exit code 0, or 1
 * if the name exists already or another call fails.
 *
 * Mirrors listing 7 of the report, which calls the reader "client". Counterpart:
 * ../win32/server.c. Other kinds of slots: server_echo.c (it replies), server_mqueue.c
 * (messages have priorities), server_broadcast.c (many servers read one message).
 * Not here, but in server_robust.c: the file of a server that was killed.
 * To try: server box 2 in one terminal, client box "" hello in another; client box
 * again; two servers at once; kill -9 the server, and start it again.
 */
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "contract.h"
#include "ipclab.h"

static const char *path; /* the slot's name */

static struct sockaddr_un address_of_slot(void);
static void remove_slot(void);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the slot's name, and how many messages to read. */
    begin_program("server", "[SLOT [COUNT]]", &argv);
    if (argc > 3)
        usage_exit();
    path = argc > 1 ? argv[1] : runtime_path(SLOT_NAME);
    long count = argc > 2 ? parse_long("COUNT", argv[2], 0, MAX_COUNT) : 0;

    /* STEP 2: Create the slot. From now on clients can send messages, which wait in the
     * slot until they are read. If the name exists, bind() fails with EADDRINUSE, also
     * if the server that created it was killed. */
    // LEVEL 2: int slot;
    struct sockaddr_un address = address_of_slot();
    int slot = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (slot == -1)
        sys_error("socket");
    if (bind(slot, (struct sockaddr *)&address, sizeof address) == -1)
        sys_error("bind");
    // END
    end_on_interrupt(remove_slot);
    signal(SIGPIPE, SIG_IGN); /* if nobody reads our output, go on */
    log_event("server: ready %s", path);

    for (long number = 0; count == 0 || number < count; number++) {
        /* STEP 3: Wait for a message, and read it whole. A buffer that is too small
         * would cut it, and no call would fail. So get its length first: with MSG_TRUNC
         * recv() returns the whole length, with MSG_PEEK it leaves the message in the
         * slot. */
        // LEVEL 1: char *message; ssize_t length;
        char byte;
        ssize_t length = recv(slot, &byte, sizeof byte, MSG_PEEK | MSG_TRUNC);
        if (length == -1)
            sys_error("recv");
        char *message = allocate((size_t)length);
        if (recv(slot, message, (size_t)length, 0) == -1)
            sys_error("recv");
        // END

        /* STEP 4: Print the message. It may be empty: unlike on a stream, a length of 0
         * is not the end. */
        log_text("server: received", message, (size_t)length);
        free(message);
    }

    /* STEP 5: Remove the slot: its name, then the socket. Unread messages are lost. */
    claim_end(); /* so that Ctrl-C does not remove the next server's slot */
    remove_slot();
    // LEVEL 2
    if (close(slot) == -1)
        sys_error("close");
    // END
    log_last("server: done"); /* Ctrl-C prints nothing after it */
    return EXIT_SUCCESS;
}

/* Returns `path` as a socket address. It is copied into an array of 108 bytes, with a
 * NUL. */
static struct sockaddr_un address_of_slot(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (*path == '\0') /* Linux would take it for a name outside the file system */
        sys_error_number("bind", ENOENT);
    if (strlen(path) >= sizeof address.sun_path)
        sys_error_number("bind", ENAMETOOLONG);
    memcpy(address.sun_path, path, strlen(path));
    return address;
}

/* Removes the slot's name, also on Ctrl-C: it is a file, and would stay without the
 * server. */
static void remove_slot(void)
{
    if (unlink(path) == -1)
        log_sys_error("unlink");
}
