/*
 * client.c - write messages into a mailslot.
 *
 * Usage: client [SLOT [MESSAGE...]]
 *
 * Sends each MESSAGE (the three of the report) to the server that owns SLOT
 * (\\.\mailslot\sample_mailslot), as UTF-16LE with a NUL. Exit code 0 if all were sent, else 1.
 * That they were sent does not mean that they were, or will be, read.
 *
 * Mirrors listing 6 of the report, which calls the writer "server". Its twin: ../unix/client.c.
 * To try: client; client \\.\mailslot\nobody; client \\*\mailslot\sample_mailslot hello,
 * which goes to every slot of that name in the domain.
 */
#define PROGRAM "client"

#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static void check_lengths(const wchar_t *name, const wchar_t *const *messages,
                          size_t count);
static HANDLE open_slot(const wchar_t *name);
static void send_message(HANDLE slot, const wchar_t *message);
static void print_sent(const wchar_t *message);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: which slot, and what to write into it. */
    static const wchar_t *const usual[] = DEFAULT_MESSAGES(L);
    const wchar_t *name = argc > 1 ? argv[1] : DEFAULT_SLOT;
    const wchar_t *const *messages = argc > 2 ? (const wchar_t *const *)argv + 2 : usual;
    size_t count = argc > 2 ? (size_t)argc - 2 : sizeof usual / sizeof *usual;
    check_lengths(name, messages, count);

    /* STEP 2: Open the slot. That fails if nobody owns it. */
    HANDLE slot = open_slot(name);

    /* STEP 3: Write each message with one call: what one call writes, one call reads. */
    for (size_t i = 0; i < count; i++) {
        send_message(slot, messages[i]);
        print_sent(messages[i]);
    }

    /* STEP 4: Close the slot. The owner does not notice: there is no connection. */
    if (!CloseHandle(slot))
        fail("CloseHandle");
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

/* How many bytes `message` takes on the wire, with its NUL. */
static size_t size_of(const wchar_t *message)
{
    return (wcslen(message) + 1) * sizeof *message;
}

/* To every slot of a name a message goes as one datagram of the network, and no larger. What
 * is too long is refused here, before anything is sent, and not silently lost on its way. */
static void check_lengths(const wchar_t *name, const wchar_t *const *messages,
                          size_t count)
{
    if (wcsncmp(name, EVERYBODY_PREFIX, wcslen(EVERYBODY_PREFIX)) != 0)
        return;
    for (size_t i = 0; i < count; i++)
        if (size_of(messages[i]) > EVERYBODY_MAX) {
            say(stderr,
                "client: to everybody %d bytes can be sent, and message %zu has %zu",
                EVERYBODY_MAX, i + 1, size_of(messages[i]));
            exit(EXIT_FAILURE);
        }
}

static HANDLE open_slot(const wchar_t *name)
{
    /* The share mode is about us and the other writers. With FILE_SHARE_READ alone, as in the
     * listing, the second writer at a time is refused (ERROR_SHARING_VIOLATION). */
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

/* Sends one message: its NUL goes along, because the report's reader prints up to it. */
static void send_message(HANDLE slot, const wchar_t *message)
{
    DWORD written;
    if (!WriteFile(slot, message, (DWORD)size_of(message), &written, NULL))
        fail("WriteFile");
    if (written != size_of(message))
        fail_with(ERROR_WRITE_FAULT, "WriteFile");
}

static void print_sent(const wchar_t *message)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, message, -1, NULL, 0, NULL, NULL);
    if (size == 0)
        fail("WideCharToMultiByte");
    char *narrow = malloc((size_t)size);
    if (narrow == NULL)
        fail_with(ERROR_OUTOFMEMORY, "malloc");
    if (WideCharToMultiByte(CP_UTF8, 0, message, -1, narrow, size, NULL, NULL) == 0)
        fail("WideCharToMultiByte");
    char *text = quoted(narrow, strlen(narrow));
    say(stdout, "client: sent %s", text);
    free(text);
    free(narrow);
}
