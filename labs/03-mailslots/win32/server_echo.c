/*
 * server_echo.c - as server_robust.c, and send each message back to its sender.
 *
 * Usage: server_echo [SLOT [COUNT]]
 *
 * Creates the mailslot SLOT (\\.\mailslot\sample_mailslot). Reads messages and prints
 * them, until COUNT messages have come (0, the default: no limit) or until Ctrl-C. Exit
 * code 0, or 1 if the slot has an owner already or another call fails.
 *
 * A message is the name of the sender's own slot, a NUL, the text, and a NUL. What it
 * adds to server_robust.c, all in STEP 4:
 * - is_request, for is_text: the message must have this form.
 * - send_back: no client can end this server, or make it wait, or make it write to a
 *   file. A reply that cannot be sent is one line on standard error.
 *
 * Counterpart: ../unix/server_echo.c.
 * To try: server_echo in one window, client_echo in another; client, which has no slot.
 */
#include "contract.h"
#include "ipclab.h"

static bool is_request(const wchar_t *message, DWORD size);
static void send_back(const wchar_t *name, const wchar_t *text, DWORD size);

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
    wchar_t *name = to_utf16(path);
    HANDLE slot = CreateMailslotW(name, MAX_MESSAGE, MAILSLOT_WAIT_FOREVER, NULL);
    if (slot == INVALID_HANDLE_VALUE)
        sys_error("CreateMailslot");
    free(name);
    end_on_interrupt(NULL);
    log_event("server: ready %s", path);

    for (long number = 0; count == 0 || number < count; number++) {
        /* STEP 3: Wait for a message, and read it whole. If the buffer were too small,
         * ReadFile would fail with ERROR_INSUFFICIENT_BUFFER and leave the message in
         * the slot. (The listing looks for messages every three seconds, and so it reads
         * them late.) */
        static wchar_t message[MAX_MESSAGE / sizeof(wchar_t) + 1];
        DWORD size;
        if (!ReadFile(slot, message, sizeof message, &size, NULL))
            sys_error("ReadFile");

        /* STEP 4: Print the text, and send it back, with its NUL. */
        if (!is_request(message, size)) {
            log_error("not a name and a text: a message of %lu bytes", size);
            continue;
        }
        const wchar_t *text = message + wcslen(message) + 1;
        size_t length = size / sizeof *message - (size_t)(text - message);
        log_utf16("server: received", text, length - 1);
        send_back(message, text, (DWORD)(length * sizeof *text));
    }

    /* STEP 5: Close the slot. Unread messages are lost. The system removes the name
     * with the last handle, also on Ctrl-C and if this program is killed. */
    if (!CloseHandle(slot))
        sys_error("CloseHandle");
    log_last("server: done"); /* Ctrl-C prints nothing after it */
    return EXIT_SUCCESS;
}

/* Whether a message is whole, UTF-16, and has two NULs, the second at its end. */
static bool is_request(const wchar_t *message, DWORD size)
{
    int length = (int)(size / sizeof *message);
    return size <= MAX_MESSAGE && size % sizeof *message == 0 && length > 0 &&
           message[length - 1] == L'\0' &&
           wcsnlen(message, length) < (size_t)length - 1 &&
           WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, message, length, NULL, 0,
                               NULL, NULL) > 0;
}

/* Writes `text` to the slot `name`, if it exists. A mailslot's WriteFile does not
 * wait. */
static void send_back(const wchar_t *name, const wchar_t *text, DWORD size)
{
    /* CreateFile opens files and devices, too, with this program's rights. So accept
     * only the name of a local mailslot. GetFullPathName removes "..", which leads out
     * of there. */
    wchar_t path[MAX_PATH], *prefix = to_utf16(LOCAL_PREFIX);
    DWORD length = GetFullPathNameW(name, MAX_PATH, path, NULL), written;
    bool local = length > 0 && length < MAX_PATH &&
                 _wcsnicmp(path, prefix, wcslen(prefix)) == 0;
    free(prefix);
    if (!local) {
        log_error("the address for a reply is not a mailslot of this machine");
        return;
    }
    HANDLE slot = CreateFileW(path, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                              NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (slot == INVALID_HANDLE_VALUE) {
        log_sys_error("CreateFile"); /* ERROR_FILE_NOT_FOUND: the sender has exited */
        return;
    }
    if (!WriteFile(slot, text, size, &written, NULL))
        log_sys_error("WriteFile");
    if (!CloseHandle(slot))
        sys_error("CloseHandle");
}
