/*
 * server_echo.c - as server_robust.c, and send each message back to its sender.
 *
 * Usage: server_echo [SLOT [COUNT]]
 *
 * Creates the socket SLOT, a path ($XDG_RUNTIME_DIR/sample_mailslot, or
 * /tmp/sample_mailslot.UID). Reads messages and prints them, until COUNT messages have
 * come (0, the default: no limit) or until Ctrl-C. Then removes SLOT. Exit code 0, or 1
 * if the name exists already or another call fails.
 *
 * What it adds to server_robust.c:
 * - STEP 3: recvfrom() returns the sender's address beside the message.
 * - STEP 4, send_back: no client can end this server, or make it wait. A reply that
 *   cannot be sent is one line on standard error.
 *
 * Counterpart: ../win32/server_echo.c.
 * To try: server_echo box & client_echo box; client box, which has no address.
 */
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "contract.h"
#include "ipclab.h"

static const char *path; /* the slot's name */

static struct sockaddr_un address_of_slot(void);
static void remove_stale_slot(const struct sockaddr_un *address);
static void send_back(int slot, const char *message, size_t length,
                      const struct sockaddr_un *sender, socklen_t size);
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
     * slot until they are read. If the name exists, bind() fails with EADDRINUSE. */
    struct sockaddr_un address = address_of_slot();
    int slot = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (slot == -1)
        sys_error("socket");
    remove_stale_slot(&address);
    if (bind(slot, (struct sockaddr *)&address, sizeof address) == -1)
        sys_error("bind");
    end_on_interrupt(remove_slot);
    signal(SIGPIPE, SIG_IGN); /* if nobody reads our output, go on */
    log_event("server: ready %s", path);

    for (long number = 0; count == 0 || number < count; number++) {
        /* STEP 3: Wait for a message, and read it whole. A buffer that is too small
         * would cut it, and no call would fail. So get its length first: with MSG_TRUNC
         * recv() returns the whole length, with MSG_PEEK it leaves the message in the
         * slot. */
        char byte;
        ssize_t length = recv(slot, &byte, sizeof byte, MSG_PEEK | MSG_TRUNC);
        if (length == -1)
            sys_error("recv");
        char *message = allocate((size_t)length);
        struct sockaddr_un sender;
        socklen_t size = sizeof sender;
        if (recvfrom(slot, message, (size_t)length, 0, (struct sockaddr *)&sender,
                     &size) == -1)
            sys_error("recvfrom");

        /* STEP 4: Print the message, and send it back. */
        log_text("server: received", message, (size_t)length);
        send_back(slot, message, (size_t)length, &sender, size);
        free(message);
    }

    /* STEP 5: Remove the slot: its name, then the socket. Unread messages are lost. */
    claim_end(); /* so that Ctrl-C does not remove the next server's slot */
    remove_slot();
    if (close(slot) == -1)
        sys_error("close");
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

/* Removes the socket file that a killed server has left. If `path` is another file, or a
 * socket that a process has open, it stays, and bind() fails. */
static void remove_stale_slot(const struct sockaddr_un *address)
{
    /* Look at the kind of file first: connect() to any other file fails with
     * ECONNREFUSED, too, and to remove it would destroy it. */
    struct stat status;
    if (lstat(path, &status) == -1 || !S_ISSOCK(status.st_mode))
        return;
    int visitor = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (visitor == -1)
        sys_error("socket");
    if (connect(visitor, (const struct sockaddr *)address, sizeof *address) == -1 &&
        errno == ECONNREFUSED && unlink(path) == -1)
        sys_error("unlink");
    if (close(visitor) == -1)
        sys_error("close");
}

/* Sends a message back to its sender, if that is possible at once. A socket without
 * bind() has no address: `size` is then 0 (on other systems, the size of the family). */
static void send_back(int slot, const char *message, size_t length,
                      const struct sockaddr_un *sender, socklen_t size)
{
    /* ECONNREFUSED: the sender has exited. EAGAIN: it does not read its replies.
     * Without MSG_DONTWAIT sendto() would block then, and all other clients would
     * have to wait. */
    if (size <= sizeof sender->sun_family)
        log_error("a sender has no address, and gets no reply");
    else if (sendto(slot, message, length, MSG_DONTWAIT, (const struct sockaddr *)sender,
                    size) == -1)
        log_sys_error("sendto");
}

/* Removes the slot's name, also on Ctrl-C: it is a file, and would stay without the
 * server. */
static void remove_slot(void)
{
    if (unlink(path) == -1)
        log_sys_error("unlink");
}
