/*
 * client.c - write messages to a mailslot.
 *
 * Usage: client [SLOT [MESSAGE...]]
 *
 * Sends each MESSAGE (by default the report's three) to the server that owns SLOT
 * (\\.\mailslot\sample_mailslot), in UTF-16 with a NUL. \\*\mailslot\NAME as SLOT means
 * every slot of that name in the network's domain. Exit code 0 if all were sent, else 1.
 * A message that was sent may still be lost: the server may exit before it reads it.
 *
 * Mirrors listing 6 of the report, which calls the writer "server". Counterpart:
 * ../unix/client.c. A client that gets replies: client_echo.c.
 * To try: client, with a server and without; client \\.\mailslot\box "" hello.
 */
#include "contract.h"
#include "ipclab.h"

static void check_lengths(char *messages[]);
static void send_message(HANDLE slot, const char *text);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the slot's name, and the messages. */
    static char *defaults[] = {DEFAULT_MESSAGES, NULL};
    begin_program("client", "[SLOT [MESSAGE...]]", &argv);
    const char *path = argc > 1 ? argv[1] : LOCAL_PREFIX SLOT_NAME;
    char **messages = argc > 2 ? argv + 2 : defaults;
    if (strncmp(path, EVERY_SLOT_PREFIX, strlen(EVERY_SLOT_PREFIX)) == 0)
        check_lengths(messages);

    /* STEP 2: Open the slot. CreateFile fails if no process owns it
     * (ERROR_FILE_NOT_FOUND). The share mode lets others open it, too. With
     * FILE_SHARE_READ alone, as in the listing, a second client would get
     * ERROR_SHARING_VIOLATION. */
    // LEVEL 2: HANDLE slot;
    wchar_t *name = to_utf16(path);
    HANDLE slot = CreateFileW(name, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                              NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (slot == INVALID_HANDLE_VALUE)
        sys_error("CreateFile");
    free(name);
    // END

    /* STEP 3: Write each message with one call. */
    for (size_t i = 0; messages[i] != NULL; i++) {
        send_message(slot, messages[i]);
        log_text("client: sent", messages[i], strlen(messages[i]));
    }

    /* STEP 4: Close the slot. The server does not notice it: there is no connection. */
    // LEVEL 2
    if (!CloseHandle(slot))
        sys_error("CloseHandle");
    // END
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Writes one message, in UTF-16 with its NUL: the report's reader prints up to the
 * NUL. */
static void send_message(HANDLE slot, const char *text)
{
    // LEVEL 1
    wchar_t *message = to_utf16(text);
    DWORD size = (DWORD)((wcslen(message) + 1) * sizeof *message), written;
    if (!WriteFile(slot, message, size, &written, NULL))
        sys_error("WriteFile");
    free(message);
    // END
}

/* Ends the program if a message is too long to be sent to every slot of a name: it is
 * sent as one datagram of the network. Before the first is sent, so that either all are
 * sent or none. */
static void check_lengths(char *messages[])
{
    for (size_t i = 0; messages[i] != NULL; i++) {
        wchar_t *message = to_utf16(messages[i]);
        size_t size = (wcslen(message) + 1) * sizeof *message;
        if (size > EVERY_SLOT_MAX)
            fatal("message %zu has %zu bytes; to every slot of a name %d can be sent",
                  i + 1, size, EVERY_SLOT_MAX);
        free(message);
    }
}
