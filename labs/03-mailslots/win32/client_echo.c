/*
 * client_echo.c - as client.c, and read a reply to each message.
 *
 * Usage: client_echo [SLOT [MESSAGE...]]
 *
 * Sends each MESSAGE (by default the report's three) to the server that owns SLOT
 * (\\.\mailslot\sample_mailslot). A message is the name of this client's own slot, a
 * NUL, the text, and a NUL. Waits for the reply to each before it sends the next, at
 * most 3 seconds. Exit code 0 if every reply came, else 1.
 *
 * What it adds to client.c: a slot for the replies (STEP 2), the reply (STEP 3).
 * Counterpart: ../unix/client_echo.c. Its server: server_echo.c.
 * To try: client_echo with server_echo, then with server: no reply comes.
 */
#include "contract.h"
#include "ipclab.h"

static HANDLE create_own_slot(const char *path, wchar_t **name);
static void send_message(HANDLE slot, const wchar_t *own_name, const char *text);
static void receive_reply(HANDLE own);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the slot's name, and the messages. */
    static char *defaults[] = {DEFAULT_MESSAGES, NULL};
    begin_program("client", "[SLOT [MESSAGE...]]", &argv);
    const char *path = argc > 1 ? argv[1] : LOCAL_PREFIX SLOT_NAME;
    char **messages = argc > 2 ? argv + 2 : defaults;

    /* STEP 2: Create a slot for the replies, and open the server's slot. */
    wchar_t *own_name, *name = to_utf16(path);
    HANDLE own = create_own_slot(path, &own_name);
    HANDLE slot = CreateFileW(name, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                              NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (slot == INVALID_HANDLE_VALUE)
        sys_error("CreateFile");
    free(name);

    /* STEP 3: Write each message with one call, and read the reply. */
    for (size_t i = 0; messages[i] != NULL; i++) {
        send_message(slot, own_name, messages[i]);
        log_text("client: sent", messages[i], strlen(messages[i]));
        receive_reply(own);
    }

    /* STEP 4: Close both slots. The name of this client's own one goes with its
     * handle. */
    if (!CloseHandle(slot) || !CloseHandle(own))
        sys_error("CloseHandle");
    free(own_name);
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Creates a slot that no other process has: the process ID is added to the server's
 * name. A reply may never come, so a read of this slot has a time limit. */
static HANDLE create_own_slot(const char *path, wchar_t **name)
{
    size_t room = strlen(path) + sizeof "-4294967295";
    char *text = allocate(room);
    snprintf(text, room, "%s-%lu", path, GetCurrentProcessId());
    *name = to_utf16(text);
    free(text);
    HANDLE slot = CreateMailslotW(*name, MAX_MESSAGE, REPLY_MILLISECONDS, NULL);
    if (slot == INVALID_HANDLE_VALUE)
        sys_error("CreateMailslot");
    return slot;
}

/* Writes the own slot's name and the text, each with its NUL, in one message: a mailslot
 * does not report the sender of a message. */
static void send_message(HANDLE slot, const wchar_t *own_name, const char *text)
{
    wchar_t *wide = to_utf16(text);
    struct buffer message = {0};
    buffer_append(&message, own_name, (wcslen(own_name) + 1) * sizeof *own_name);
    buffer_append(&message, wide, (wcslen(wide) + 1) * sizeof *wide);
    DWORD written;
    if (!WriteFile(slot, message.bytes, (DWORD)message.length, &written, NULL))
        sys_error("WriteFile");
    free(message.bytes);
    free(wide);
}

/* Waits for the reply, and prints it without the NUL at its end. */
static void receive_reply(HANDLE own)
{
    static wchar_t reply[MAX_MESSAGE / sizeof(wchar_t)];
    DWORD size;
    BOOL ok = ReadFile(own, reply, sizeof reply, &size, NULL);
    if (!ok && GetLastError() == ERROR_SEM_TIMEOUT)
        fatal("no reply came in %d ms", REPLY_MILLISECONDS);
    if (!ok)
        sys_error("ReadFile");
    size_t length = size / sizeof *reply;
    if (length > 0 && reply[length - 1] == L'\0')
        length--;
    log_utf16("client: received", reply, length);
}
