/*
 * client_echo.c - as client.c, and read a reply to each message.
 *
 * Usage: client_echo [SLOT [MESSAGE...]]
 *
 * Sends each MESSAGE (by default the report's three) to the server that owns SLOT, a
 * path ($XDG_RUNTIME_DIR/sample_mailslot, or /tmp/sample_mailslot.UID). Waits for the
 * reply to each before it sends the next, at most 3 seconds. Exit code 0 if every reply
 * came, else 1.
 *
 * What it adds to client.c: an address for the replies (STEP 2), the reply (STEP 3).
 * Counterpart: ../win32/client_echo.c. Its server: server_echo.c.
 * To try: client_echo box with server_echo box, then with server box: no reply comes.
 */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "contract.h"
#include "ipclab.h"

static const char *path; /* the slot's name */

static struct sockaddr_un address_of_slot(void);
static void get_own_address(int slot);
static void receive_reply(int slot);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the slot's name, and the messages. */
    static char *defaults[] = {DEFAULT_MESSAGES, NULL};
    begin_program("client", "[SLOT [MESSAGE...]]", &argv);
    path = argc > 1 ? argv[1] : runtime_path(SLOT_NAME);
    char **messages = argc > 2 ? argv + 2 : defaults;

    /* STEP 2: Get an address for the replies, and open the server's slot. After
     * connect() only the server can send to this socket. */
    struct sockaddr_un address = address_of_slot();
    int slot = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (slot == -1)
        sys_error("socket");
    get_own_address(slot);
    if (connect(slot, (struct sockaddr *)&address, sizeof address) == -1)
        sys_error("connect");

    /* STEP 3: Write each message with one call, and read the reply. The system sends
     * this program's address with the message. EINTR: a call with a time limit fails so,
     * if the program is stopped and continued (Ctrl-Z, fg); call it again. */
    for (size_t i = 0; messages[i] != NULL; i++) {
        while (send(slot, messages[i], strlen(messages[i]), 0) == -1)
            if (errno != EINTR)
                sys_error("send");
        log_text("client: sent", messages[i], strlen(messages[i]));
        receive_reply(slot);
    }

    /* STEP 4: Close the slot. The server does not notice it: there is no connection. */
    if (close(slot) == -1)
        sys_error("close");
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

/* Gives the socket an address, and calls on it a time limit. A bind() without a name
 * lets Linux choose one outside the file system, which goes with the process. (Other
 * systems need a file, with the process ID in its name, that is removed in the end.) */
static void get_own_address(int slot)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (bind(slot, (struct sockaddr *)&address, sizeof address.sun_family) == -1)
        sys_error("bind");
    struct timeval limit = {.tv_sec = REPLY_MILLISECONDS / 1000,
                            .tv_usec = REPLY_MILLISECONDS % 1000 * 1000};
    if (setsockopt(slot, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == -1 ||
        setsockopt(slot, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == -1)
        sys_error("setsockopt");
}

/* Waits for the reply, and prints it: first its length, then all of it, as in
 * server.c. */
static void receive_reply(int slot)
{
    char byte;
    ssize_t length;
    do
        length = recv(slot, &byte, sizeof byte, MSG_PEEK | MSG_TRUNC);
    while (length == -1 && errno == EINTR);
    if (length == -1 && errno == EAGAIN)
        fatal("no reply came in %d ms", REPLY_MILLISECONDS);
    if (length == -1)
        sys_error("recv");
    char *reply = allocate((size_t)length);
    if (recv(slot, reply, (size_t)length, 0) == -1)
        sys_error("recv");
    log_text("client: received", reply, (size_t)length);
    free(reply);
}
