/*
 * client_echo.c - two-way by two mailslots: own a slot for the replies.
 *
 * Usage: client_echo [SLOT [MESSAGE...]]
 *
 * Sends each MESSAGE (the three of the report) to the server that owns SLOT
 * (\\.\mailslot\sample_mailslot), behind the name of a slot of its own, and waits for the reply
 * there before it sends the next. Exit code 0 if every reply came, else 1.
 *
 * Its twin: ../unix/client_echo.c. To try: client_echo with server_echo, then with server:
 * a reply that never comes.
 */
#define PROGRAM "client"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static HANDLE own_slot(const wchar_t *server, wchar_t **name);
static HANDLE open_slot(const wchar_t *name);
static void send_message(HANDLE slot, const wchar_t *reply_to, const wchar_t *text);
static void receive_reply(HANDLE own);
static void print(const char *event, const wchar_t *wide, size_t length);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: which slot, and what to write into it. */
    static const wchar_t *const usual[] = DEFAULT_MESSAGES(L);
    const wchar_t *name = argc > 1 ? argv[1] : DEFAULT_SLOT;
    const wchar_t *const *messages = argc > 2 ? (const wchar_t *const *)argv + 2 : usual;
    size_t count = argc > 2 ? (size_t)argc - 2 : sizeof usual / sizeof *usual;

    /* STEP 2: Make a slot for the replies. */
    wchar_t *own_name;
    HANDLE own = own_slot(name, &own_name);

    /* STEP 3: Open the server's slot. */
    HANDLE slot = open_slot(name);

    for (size_t i = 0; i < count; i++) {
        /* STEP 4: Send one message, with the address for the reply. */
        send_message(slot, own_name, messages[i]);
        print("sent", messages[i], wcslen(messages[i]));

        /* STEP 5: Wait for the reply, but not for ever: nobody promised that it comes. */
        receive_reply(own);
    }

    /* STEP 6: Close both. With its last handle our slot goes, too. */
    if (!CloseHandle(slot) || !CloseHandle(own))
        fail("CloseHandle");
    free(own_name);
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

/* Makes a slot that nobody else has: the server's name with our process's number behind it.
 * A reply may never come: so reads from it get a time limit, which an owner may set, and change,
 * while the slot is there. */
static HANDLE own_slot(const wchar_t *server, wchar_t **name)
{
    size_t room = wcslen(server) + 32;
    *name = calloc(room, sizeof **name);
    if (*name == NULL)
        fail_with(ERROR_OUTOFMEMORY, "calloc");
    if (swprintf(*name, room, L"%ls-%lu", server, GetCurrentProcessId()) < 0)
        fail_with(ERROR_FILENAME_EXCED_RANGE, "CreateMailslot");
    HANDLE slot = CreateMailslotW(*name, MAX_MESSAGE, MAILSLOT_WAIT_FOREVER, NULL);
    if (slot == INVALID_HANDLE_VALUE)
        fail("CreateMailslot");
    if (!SetMailslotInfo(slot, REPLY_MILLISECONDS))
        fail("SetMailslotInfo");
    return slot;
}

static HANDLE open_slot(const wchar_t *name)
{
    HANDLE slot = CreateFileW(name, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                              NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (slot == INVALID_HANDLE_VALUE) {
        DWORD error = GetLastError();
        if (error == ERROR_FILE_NOT_FOUND)
            say(stderr, "client: no server owns this slot");
        fail_with(error, "CreateFile");
    }
    return slot;
}

/* A mailslot's message tells nobody who sent it. So the address stands in it, with its NUL;
 * and both go in one write, or another's message could come between. */
static void send_message(HANDLE slot, const wchar_t *reply_to, const wchar_t *text)
{
    size_t address_units = wcslen(reply_to) + 1, text_units = wcslen(text) + 1;
    size_t size = (address_units + text_units) * sizeof *text;
    wchar_t *message = malloc(size);
    DWORD written;
    if (message == NULL)
        fail_with(ERROR_OUTOFMEMORY, "malloc");
    wmemcpy(message, reply_to, address_units);
    wmemcpy(message + address_units, text, text_units);
    if (!WriteFile(slot, message, (DWORD)size, &written, NULL))
        fail("WriteFile");
    if (written != size)
        fail_with(ERROR_WRITE_FAULT, "WriteFile");
    free(message);
}

static void receive_reply(HANDLE own)
{
    static wchar_t reply[MAX_MESSAGE / sizeof(wchar_t)];
    DWORD length;
    if (!ReadFile(own, reply, sizeof reply, &length, NULL)) {
        DWORD error = GetLastError();
        if (error == ERROR_SEM_TIMEOUT)
            say(stderr, "client: no reply came in %d ms", REPLY_MILLISECONDS);
        fail_with(error, "ReadFile");
    }
    size_t units = length / sizeof *reply;
    if (units > 0 && reply[units - 1] == L'\0')
        units--;
    print("received", reply, units);
}

static void print(const char *event, const wchar_t *wide, size_t length)
{
    char *narrow = malloc(3 * length + 1);
    if (narrow == NULL)
        fail_with(ERROR_OUTOFMEMORY, "malloc");
    int size = length == 0 ? 0
                           : WideCharToMultiByte(CP_UTF8, 0, wide, (int)length, narrow,
                                                 (int)(3 * length), NULL, NULL);
    if (size == 0 && length > 0)
        fail("WideCharToMultiByte");
    char *text = quoted(narrow, (size_t)size);
    say(stdout, "client: %s %s", event, text);
    free(text);
    free(narrow);
}
