/*
 * mailslot.c - how a client finds servers on Windows by mailslot, beside UDP: see find.h.
 *
 * A mailslot has one direction: the answer needs a slot of the client. So the question contains the
 * client's computer and a number, "messenger? COMPUTER NUMBER". The server makes the path from these:
 * with a path from the question anybody could make it write into any file.
 *
 * A name has one slot on each computer. So a second server there is found by UDP alone. Where mailslots
 * of other computers are turned off, as they are since Windows 11, nobody answers the broadcast.
 */
#include "find.h"

#include "contract.h"
#include "ipclab.h"

#ifdef _WIN32

#define SLOT "messenger"
#define MESSAGE_SIZE 64 /* a broadcast carries at most 424 bytes */
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static char answer[MESSAGE_SIZE];
static bool for_own_computer;

static const char *own_name(void)
{
    static char name[MESSAGE_SIZE];
    wchar_t wide[MAX_COMPUTERNAME_LENGTH + 1];
    DWORD units = MAX_COMPUTERNAME_LENGTH + 1;
    if (!GetComputerNameW(wide, &units))
        sys_error("GetComputerName");
    char *text = to_utf8(wide, units);
    snprintf(name, sizeof name, "%s", text);
    free(text);
    return name;
}

static HANDLE make_slot(const char *name, DWORD patience)
{
    char path[MESSAGE_SIZE];
    snprintf(path, sizeof path, "\\\\.\\mailslot\\%s", name);
    wchar_t *wide = to_utf16(path);
    HANDLE slot = CreateMailslotW(wide, MESSAGE_SIZE - 1, patience, NULL);
    free(wide);
    return slot;
}

/* `computer` may be "." for this one, or "*" for all. That nobody has such a slot is no error. */
static void write_to_slot(const char *computer, const char *name, const char *message)
{
    char path[2 * MESSAGE_SIZE];
    DWORD written;
    snprintf(path, sizeof path, "\\\\%s\\mailslot\\%s", computer, name);
    wchar_t *wide = to_utf16(path);
    HANDLE slot = CreateFileW(wide, GENERIC_WRITE, FILE_SHARE_READ, NULL, OPEN_EXISTING,
                              0, NULL);
    free(wide);
    if (slot == INVALID_HANDLE_VALUE)
        return;
    WriteFile(slot, message, (DWORD)strlen(message), &written, NULL);
    CloseHandle(slot);
}

/* ---- The server ------------------------------------------------------------------------ */

/* "messenger? COMPUTER NUMBER". Another message has no answer. */
static void answer_one(char *question)
{
    char name[2 * MESSAGE_SIZE], *computer = question + strlen(FIND_QUESTION " ");
    if (strncmp(question, FIND_QUESTION " ", strlen(FIND_QUESTION " ")) != 0)
        return;
    size_t length = strspn(computer, LETTERS);
    const char *number = computer + length + 1;
    if (length == 0 || computer[length] != ' ' || *number == '\0' ||
        number[strspn(number, "0123456789")] != '\0')
        return;
    computer[length] = '\0';
    bool own = strcmp(computer, own_name()) == 0;
    snprintf(name, sizeof name, SLOT "-%s", number);
    if (own || !for_own_computer)
        write_to_slot(own ? "." : computer, name, answer);
}

static void answer_all(void *slot)
{
    char question[MESSAGE_SIZE + 1];
    DWORD length;
    while (ReadFile(slot, question, MESSAGE_SIZE, &length, NULL)) {
        question[length] = '\0';
        answer_one(question);
    }
    log_sys_error("ReadFile");
}

void answer_by_mailslot(const char *port, bool own_computer_alone)
{
    snprintf(answer, sizeof answer, FIND_ANSWER "%s %s", port, own_name());
    for_own_computer = own_computer_alone;
    HANDLE slot = make_slot(SLOT, MAILSLOT_WAIT_FOREVER);
    if (slot == INVALID_HANDLE_VALUE) {
        if (GetLastError() != ERROR_ALREADY_EXISTS) /* a second server */
            log_sys_error("CreateMailslot");
    } else if (!start_thread(answer_all, slot)) {
        log_sys_error("start_thread");
    }
}

/* ---- The client ------------------------------------------------------------------------ */

HANDLE ask_by_mailslot(void)
{
    char name[MESSAGE_SIZE], question[MESSAGE_SIZE];
    unsigned long number = GetCurrentProcessId();
    snprintf(name, sizeof name, SLOT "-%lu", number);
    snprintf(question, sizeof question, FIND_QUESTION " %.15s %lu", own_name(), number);
    HANDLE answers = make_slot(name, 0); /* a read does not wait */
    if (answers == INVALID_HANDLE_VALUE)
        sys_error("CreateMailslot");
    write_to_slot(".", SLOT, question);
    write_to_slot("*", SLOT, question);
    return answers;
}

bool read_mailslot(HANDLE slot, char *bytes, size_t size, const char **host)
{
    DWORD length;
    if (!ReadFile(slot, bytes, (DWORD)size - 1, &length, NULL))
        return false;
    bytes[length] = '\0';
    char *computer = strrchr(bytes, ' '); /* "messenger PORT COMPUTER" */
    *host = "";
    if (computer != NULL && computer[1 + strspn(computer + 1, LETTERS)] == '\0') {
        *computer = '\0';
        *host = strcmp(computer + 1, own_name()) == 0 ? "127.0.0.1" : computer + 1;
    }
    return true;
}

#endif
