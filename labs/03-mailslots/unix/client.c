/*
 * client.c - write messages to a slot: send datagrams to a socket that has a name.
 *
 * Usage: client [SLOT [MESSAGE...]]
 *
 * Sends each MESSAGE (by default the report's three) to the server that owns SLOT, a
 * path ($XDG_RUNTIME_DIR/sample_mailslot, or /tmp/sample_mailslot.UID). Exit code 0 if
 * all were sent, else 1. A message that was sent may still be lost: the server may exit
 * before it reads it.
 *
 * Mirrors listing 6 of the report, which calls the writer "server". Counterpart:
 * ../win32/client.c. A client that gets replies: client_echo.c.
 * To try: client box "" hello, with server box and without; client box $(seq 20) while
 * the server is stopped (Ctrl-Z).
 */
#include <sys/socket.h>
#include <sys/un.h>

#include "contract.h"
#include "ipclab.h"

static const char *path; /* the slot's name */

static struct sockaddr_un address_of_slot(void);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the slot's name, and the messages. */
    static char *defaults[] = {DEFAULT_MESSAGES, NULL};
    begin_program("client", "[SLOT [MESSAGE...]]", &argv);
    path = argc > 1 ? argv[1] : runtime_path(SLOT_NAME);
    char **messages = argc > 2 ? argv + 2 : defaults;

    /* STEP 2: Open the slot. connect() makes no connection here: it sets the address for
     * send(). But it fails if the name does not exist (ENOENT), or if its server has
     * exited (ECONNREFUSED). */
    // LEVEL 2: int slot;
    struct sockaddr_un address = address_of_slot();
    int slot = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (slot == -1)
        sys_error("socket");
    if (connect(slot, (struct sockaddr *)&address, sizeof address) == -1)
        sys_error("connect");
    // END

    /* STEP 3: Write each message with one call. send() sends the whole message or
     * nothing: if it is too long, send() fails with EMSGSIZE. While the slot is full,
     * send() blocks. */
    for (size_t i = 0; messages[i] != NULL; i++) {
        // LEVEL 1
        if (send(slot, messages[i], strlen(messages[i]), 0) == -1)
            sys_error("send");
        // END
        log_text("client: sent", messages[i], strlen(messages[i]));
    }

    /* STEP 4: Close the slot. The server does not notice it: there is no connection. */
    // LEVEL 2
    if (close(slot) == -1)
        sys_error("close");
    // END
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Returns `path` as a socket address. It is copied into an array of 108 bytes, with a
 * NUL. */
static struct sockaddr_un address_of_slot(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        sys_error_number("connect", ENAMETOOLONG);
    memcpy(address.sun_path, path, strlen(path));
    return address;
}
