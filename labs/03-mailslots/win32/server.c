/*
 * server.c - own a mailslot, from which one process reads.
 *
 * Usage: server [SLOT [COUNT]]
 *
 * Makes SLOT (\\.\mailslot\sample_mailslot), reads messages and prints them, until COUNT (0: no
 * end) have come, or Ctrl-C. Exit code 0, or 1 where the slot has an owner already or a call
 * fails. A message is UTF-16LE text; the NUL at its end is not printed.
 *
 * Mirrors listing 7 of the report, which calls the reader "client". Its twin:
 * ../unix/server.c. Related: server_echo.c (it answers).
 * To try: start /b server & client; server twice; client from another machine.
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
static void print_message(const wchar_t *message, DWORD length);
static char *utf8(const wchar_t *wide, size_t length, size_t *size);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: which slot, and how many messages to read. */
    if (argc > 3 || (argc > 2 && !is_count(argv[2]))) {
        say(stderr, "usage: server [SLOT [COUNT]], COUNT from 0 to %d", MAX_COUNT);
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
    DWORD most;
    if (!GetMailslotInfo(slot, &most, NULL, NULL, NULL))
        fail("GetMailslotInfo");
    say(stdout, "server: a message has %lu bytes at the most", most);

    /* Room for one unit more than a message may have, to notice that it had more. */
    static wchar_t message[MAX_MESSAGE / sizeof(wchar_t) + 1];
    DWORD length;

    for (long number = 0; count == 0 || number < count; number++) {
        /* STEP 4: Wait until a message comes, and read it, whole. The listing looks every three
         * seconds instead: too often while nothing comes, too late when it does. */
        if (!ReadFile(slot, message, sizeof message, &length, NULL))
            fail("ReadFile");

        /* STEP 5: Print the message. */
        print_message(message, length);
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

static void print_message(const wchar_t *message, DWORD length)
{
    /* Windows does not let this happen; Wine cuts the message. */
    if (length > MAX_MESSAGE) {
        tell(stderr, "server: a message of more than %d bytes was cut", MAX_MESSAGE);
        return;
    }
    size_t units = length / sizeof *message, size;
    /* Not every writer sends the NUL: the length alone says where the message ends. */
    if (units > 0 && message[units - 1] == L'\0')
        units--;
    char *narrow = length % sizeof *message == 0 ? utf8(message, units, &size) : NULL;
    if (narrow == NULL) {
        tell(stderr, "server: a message of %lu bytes is no UTF-16 text", length);
        return;
    }
    char *text = quoted(narrow, size);
    tell(stdout, "server: received %s", text);
    free(text);
    free(narrow);
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
