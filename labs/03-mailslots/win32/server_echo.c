/*
 * server_echo.c - two-way by two mailslots: send each message back to the slot of its sender.
 *
 * Usage: server_echo [SLOT [COUNT]]
 *
 * As server.c, but a message is the name of the sender's own slot, a NUL, the text, a NUL; and
 * the text goes back there. A sender that has gone is told of on standard error, and ends
 * nothing.
 *
 * Its twin: ../unix/server_echo.c. To try: server_echo, and client_echo several times.
 */
#define PROGRAM "server"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static SRWLOCK printing = SRWLOCK_INIT; /* taken for a line, and for good at the end */

/* Prints a line as say() does, but none after "server: done". */
#define tell(...)                           \
    do {                                    \
        AcquireSRWLockExclusive(&printing); \
        say(__VA_ARGS__);                   \
        ReleaseSRWLockExclusive(&printing); \
    } while (0)

static bool is_count(const wchar_t *text);
_Noreturn static BOOL WINAPI end_server(DWORD event);
static HANDLE own(const wchar_t *name);
static void answer(const wchar_t *message, DWORD length);
static void send_back(const wchar_t *name, const wchar_t *text, DWORD size);
static char *utf8(const wchar_t *wide, size_t length, size_t *size);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: which slot, and how many messages to read. */
    if (argc > 3 || (argc > 2 && !is_count(argv[2]))) {
        say(stderr, "usage: server_echo [SLOT [COUNT]], COUNT from 0 to %d", MAX_COUNT);
        return 2;
    }
    const wchar_t *name = argc > 1 ? argv[1] : DEFAULT_SLOT;
    long count = argc > 2 ? wcstol(argv[2], NULL, 10) : 0;

    /* STEP 2: Ask to be told of Ctrl-C, instead of being ended by it: to end in order. Windows
     * tells it in a thread of its own, so it needs no place in the wait below. */
    if (!SetConsoleCtrlHandler(end_server, TRUE))
        fail("SetConsoleCtrlHandler");

    /* STEP 3: Make the slot. From now on messages may come, and wait until they are read. */
    HANDLE slot = own(name);
    size_t size;
    char *address = utf8(name, wcslen(name), &size);
    say(stdout, "server: ready %s", address == NULL ? "" : address);
    free(address);

    /* Room for one unit more than a message may have, to notice that it had more. */
    static wchar_t message[MAX_MESSAGE / sizeof(wchar_t) + 1];
    DWORD length;

    for (long number = 0; count == 0 || number < count; number++) {
        /* STEP 4: Wait until a message comes, and read it, whole. */
        if (!ReadFile(slot, message, sizeof message, &length, NULL))
            fail("ReadFile");

        /* STEP 5: Print the text, and send it back to the slot that the message names. */
        answer(message, length);
    }

    /* STEP 6: Give up the slot. What nobody has read by now is lost with it. Its name goes
     * with the last handle, without our doing. */
    DWORD waiting;
    if (!GetMailslotInfo(slot, NULL, NULL, &waiting, NULL))
        fail("GetMailslotInfo");
    if (waiting > 0)
        tell(stdout, "server: unread messages are lost");
    if (!CloseHandle(slot))
        fail("CloseHandle");
    end_server(CTRL_C_EVENT);
}

static bool is_count(const wchar_t *text)
{
    wchar_t *end;
    long count = wcstol(text, &end, 10);
    return *text >= L'0' && *text <= L'9' && *end == L'\0' && count <= MAX_COUNT;
}

/* Ends the program, while main may be waiting in a read: with the process that ends, too, and
 * the slot goes. (An overlapped read could be cancelled; Wine has none for mailslots.) The lock
 * is kept, so that no line about a message comes behind the last one. */
_Noreturn static BOOL WINAPI end_server(DWORD event)
{
    (void)event;
    AcquireSRWLockExclusive(&printing);
    say(stdout, "server: done");
    ExitProcess(EXIT_SUCCESS);
}

/* Makes the slot; ends the program if it has an owner (ERROR_ALREADY_EXISTS). Longer messages
 * than our buffer are then refused at their writer's WriteFile, and never come here. */
static HANDLE own(const wchar_t *name)
{
    HANDLE slot = CreateMailslotW(name, MAX_MESSAGE, MAILSLOT_WAIT_FOREVER, NULL);
    if (slot == INVALID_HANDLE_VALUE)
        fail("CreateMailslot");
    return slot;
}

/* Takes a message apart and answers it; one that is not of our form has a line, no answer. */
static void answer(const wchar_t *message, DWORD length)
{
    size_t units = length / sizeof *message, size;
    size_t name_length = units == 0 ? 0 : wcsnlen(message, units);
    const wchar_t *text = message + name_length + 1;
    char *narrow = NULL;
    if (length <= MAX_MESSAGE && length % sizeof *message == 0 &&
        units > name_length + 1 && message[units - 1] == L'\0')
        narrow = utf8(text, units - name_length - 2, &size);
    if (narrow == NULL) {
        tell(stderr, "server: a message of %lu bytes is no name and text", length);
        return;
    }
    char *shown = quoted(narrow, size);
    tell(stdout, "server: received %s", shown);
    free(shown);
    free(narrow);
    send_back(message, text, (DWORD)((units - name_length - 1) * sizeof *text));
}

/* Writes `text` into the slot `name`, if it is there and takes it. */
static void send_back(const wchar_t *name, const wchar_t *text, DWORD size)
{
    /* The name comes from a stranger, and CreateFile opens whatever it names: without this
     * look, any writer could have us write into any file of ours. */
    wchar_t path[MAX_PATH];
    DWORD length = GetFullPathNameW(name, MAX_PATH, path, NULL); /* which resolves ".." */
    if (length == 0 || length >= MAX_PATH ||
        _wcsnicmp(path, LOCAL_PREFIX, wcslen(LOCAL_PREFIX)) != 0) {
        tell(stderr, "server: a sender gave an address that is no mailslot here");
        return;
    }
    HANDLE slot = CreateFileW(path, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                              NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (slot == INVALID_HANDLE_VALUE) {
        DWORD error = GetLastError();
        tell(stderr, "server: a sender has gone: CreateFile: error %lu", error);
        return;
    }
    DWORD written;
    if (!WriteFile(slot, text, size, &written, NULL)) {
        DWORD error = GetLastError();
        tell(stderr, "server: a sender has gone: WriteFile: error %lu", error);
    } else if (written != size) {
        tell(stderr, "server: of a reply of %lu bytes went %lu", size, written);
    }
    if (!CloseHandle(slot))
        fail("CloseHandle");
}

/* `length` units of UTF-16 as UTF-8, with a NUL behind it that `*size` does not count; NULL
 * where they are no UTF-16. The caller frees it. */
static char *utf8(const wchar_t *wide, size_t length, size_t *size)
{
    char *narrow = malloc(3 * length + 1); /* no unit becomes more than three bytes */
    if (narrow == NULL)
        fail_with(ERROR_OUTOFMEMORY, "malloc");
    /* The function takes a length of 0 for a mistake. */
    int count = length == 0 ? 0
                            : WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, wide,
                                                  (int)length, narrow, (int)(3 * length),
                                                  NULL, NULL);
    if (count == 0 && length > 0) {
        free(narrow);
        return NULL;
    }
    narrow[count] = '\0';
    *size = (size_t)count;
    return narrow;
}
