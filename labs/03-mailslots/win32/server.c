/*
 * server.c - create a mailslot, and read messages from it.
 *
 * Usage: server [SLOT [COUNT]]
 *
 * Creates the mailslot SLOT (\\.\mailslot\sample_mailslot). Reads messages and prints
 * them, until COUNT messages have come (0, the default: no limit) or until Ctrl-C. Exit
 * code 0, or 1 if the slot has an owner already or another call fails.
 *
 * Mirrors listing 7 of the report, which calls the reader "client". Counterpart:
 * ../unix/server.c. Another kind of server: server_echo.c (it replies).
 * Not here, but in server_robust.c: messages that are not text.
 * To try: server \\.\mailslot\box 2 in one window, client \\.\mailslot\box hello in
 * another; two servers at once.
 */
#include "contract.h"
#include "ipclab.h"

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the slot's name, and how many messages to read. */
    begin_program("server", "[SLOT [COUNT]]", &argv);
    if (argc > 3)
        usage_exit();
    const char *path = argc > 1 ? argv[1] : LOCAL_PREFIX SLOT_NAME;
    long count = argc > 2 ? parse_long("COUNT", argv[2], 0, MAX_COUNT) : 0;

    /* STEP 2: Create the slot. From now on clients can send messages, which wait in the
     * slot until they are read. If the name exists, CreateMailslot fails with
     * ERROR_ALREADY_EXISTS. WriteFile in a client fails if a message has more than
     * MAX_MESSAGE bytes. */
    // LEVEL 2: HANDLE slot;
    wchar_t *name = to_utf16(path);
    HANDLE slot = CreateMailslotW(name, MAX_MESSAGE, MAILSLOT_WAIT_FOREVER, NULL);
    if (slot == INVALID_HANDLE_VALUE)
        sys_error("CreateMailslot");
    free(name);
    // END
    end_on_interrupt(NULL);
    log_event("server: ready %s", path);

    for (long number = 0; count == 0 || number < count; number++) {
        /* STEP 3: Wait for a message, and read it whole. If the buffer were too small,
         * ReadFile would fail with ERROR_INSUFFICIENT_BUFFER and leave the message in
         * the slot. (The listing looks for messages every three seconds, and so it reads
         * them late.) */
        static wchar_t message[MAX_MESSAGE / sizeof(wchar_t)];
        DWORD size;
        // LEVEL 1
        if (!ReadFile(slot, message, sizeof message, &size, NULL))
            sys_error("ReadFile");
        // END

        /* STEP 4: Print the message, without the NUL at its end. Not every client sends
         * one: only `size` shows where the message ends. */
        size_t length = size / sizeof *message;
        if (length > 0 && message[length - 1] == L'\0')
            length--;
        log_utf16("server: received", message, length);
    }

    /* STEP 5: Close the slot. Unread messages are lost. The system removes the name
     * with the last handle, also on Ctrl-C and if this program is killed. */
    // LEVEL 2
    if (!CloseHandle(slot))
        sys_error("CloseHandle");
    // END
    log_last("server: done"); /* Ctrl-C prints nothing after it */
    return EXIT_SUCCESS;
}
