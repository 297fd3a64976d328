/*
 * client.c - read random numbers out of shared memory, each once.
 *
 * Usage: client [--mutex-only] [NAME [COUNT [PACE]]]
 *
 * Opens the shared memory NAME (MyFileMappingObject) that a server has made and reads COUNT
 * numbers (15; 0: until the server ends). With --mutex-only it looks every PACE milliseconds
 * (1000) at what is there, new or not: what the listing does. Exit code 0 if it read COUNT
 * numbers or the server ended in order, 1 if there is no server or it was killed.
 *
 * Mirrors listing 9 of the report. Its twin: ../unix/client.c.
 * To try: client; server N 3 beside client N; client --mutex-only N 10 200.
 */
#define PROGRAM "client"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* What became of the server. */
enum fate { LIVES, LEFT, KILLED };

static struct slot *slot;
static HANDLE mutex, value, room, alive;
static enum fate server = LIVES;

static bool is_number(const wchar_t *text, long most);
static wchar_t *name_of(const wchar_t *format, const wchar_t *name);
static HANDLE open_event(const wchar_t *name);
static HANDLE claim(const wchar_t *name);
static void take_mutex(bool text_may_be_torn);
static void release_mutex(void);
static bool look(char *text);
static bool read_number(char *text);
static enum fate fate_of(DWORD result, const char *call);
static void report(const char *text);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: the name to look for, and how many numbers. */
    bool mutex_only = argc > 1 && wcscmp(argv[1], L"--mutex-only") == 0;
    wchar_t **words = argv + mutex_only;
    int count_of_words = argc - mutex_only;
    if (count_of_words > (mutex_only ? 4 : 3) ||
        (count_of_words > 1 && *words[1] == L'\0') ||
        (count_of_words > 2 && !is_number(words[2], MAX_COUNT)) ||
        (count_of_words > 3 && !is_number(words[3], MAX_PACE))) {
        say(stderr,
            "usage: client [--mutex-only] [NAME [COUNT [PACE]]], COUNT from 0 to %d, "
            "PACE only with --mutex-only",
            MAX_COUNT);
        return 2;
    }
    const wchar_t *name = count_of_words > 1 ? words[1] : L"" DEFAULT_NAME;
    long count = count_of_words > 2 ? wcstol(words[2], NULL, 10) : CLIENT_COUNT;
    long pace = count_of_words > 3 ? wcstol(words[3], NULL, 10) : DEFAULT_PACE;

    /* STEP 2: Open what the server has made, and map it. The listing goes on without the
     * mutex when there is none, and waits for a NULL handle that never makes it wait. */
    bool usual = wcscmp(name, L"" DEFAULT_NAME) == 0;
    HANDLE mapping = OpenFileMappingW(FILE_MAP_ALL_ACCESS, FALSE, name);
    if (mapping == NULL)
        fail("OpenFileMapping");
    mutex = OpenMutexW(SYNCHRONIZE | MUTEX_MODIFY_STATE, FALSE,
                       usual ? DEFAULT_MUTEX_NAME : name_of(MUTEX_NAME, name));
    if (mutex == NULL)
        fail("OpenMutex");
    alive = OpenMutexW(SYNCHRONIZE | MUTEX_MODIFY_STATE, FALSE,
                       name_of(ALIVE_NAME, name));
    if (alive == NULL && !mutex_only) /* the listing's server has none */
        fail("OpenMutex");
    slot = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, sizeof *slot);
    if (slot == NULL)
        fail("MapViewOfFile");

    /* STEP 3: With --mutex-only look at the number now and then, as the listing does. Nothing
     * says whether it is a new one; that nobody writes any more, `alive` says. It says "killed"
     * to one alone: who ends with it in hand passes that on to the next. */
    char text[TEXT_SIZE];
    long received = 0;
    while (mutex_only && (count == 0 || received < count)) {
        if (alive != NULL)
            server = fate_of(WaitForSingleObject(alive, received > 0 ? (DWORD)pace : 0),
                             "WaitForSingleObject");
        else if (received > 0)
            Sleep((DWORD)pace);
        take_mutex(true);
        memcpy(text, slot->text, TEXT_SIZE);
        release_mutex();
        if (server != LIVES)
            break;
        report(text);
        received++;
    }
    if (mutex_only && server == LEFT && !ReleaseMutex(alive))
        fail("ReleaseMutex");

    if (!mutex_only) {
        /* STEP 4: Claim the reader's place. To wait for a number or for the server's end takes
         * one call here. */
        HANDLE claimed = claim(name);
        value = open_event(name_of(VALUE_NAME, name));
        room = open_event(name_of(ROOM_NAME, name));

        /* STEP 5: Read numbers, each when it has come, until there are enough or the server
         * has left. */
        while ((count == 0 || received < count) && read_number(text)) {
            report(text);
            received++;
        }
        if (!CloseHandle(value) || !CloseHandle(room) || !CloseHandle(claimed))
            fail("CloseHandle");
    }
    if ((count == 0 || received < count) && server == KILLED) {
        say(stderr, "client: the server was killed");
        return EXIT_FAILURE;
    }

    /* STEP 6: Unmap. The memory goes when its last handle and its last view do. */
    if (!UnmapViewOfFile(slot))
        fail("UnmapViewOfFile");
    if (!CloseHandle(mapping) || !CloseHandle(mutex) ||
        (alive != NULL && !CloseHandle(alive)))
        fail("CloseHandle");
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

static bool is_number(const wchar_t *text, long most)
{
    wchar_t *end;
    long number = wcstol(text, &end, 10);
    return *text >= L'0' && *text <= L'9' && *end == L'\0' && number <= most;
}

/* The name that `format` makes of `name`. It is good until the next call. */
static wchar_t *name_of(const wchar_t *format, const wchar_t *name)
{
    static wchar_t full[NAME_ROOM];
    if (swprintf(full, NAME_ROOM, format, name) < 0)
        fail_with(ERROR_FILENAME_EXCED_RANGE, "OpenMutex");
    return full;
}

static HANDLE open_event(const wchar_t *name)
{
    HANDLE event = OpenEventW(SYNCHRONIZE | EVENT_MODIFY_STATE, FALSE, name);
    if (event == NULL)
        fail("OpenEvent");
    return event;
}

/* Makes us the one reader, by an object that nobody but a client has a handle to. A wake-up is
 * for one; were there two readers, one could be killed between its wake-up and its look, and
 * the other would sleep on beside a number. */
static HANDLE claim(const wchar_t *name)
{
    HANDLE claimed = CreateMutexW(NULL, FALSE, name_of(CLIENT_NAME, name));
    if (claimed == NULL)
        fail("CreateMutex");
    if (GetLastError() == ERROR_ALREADY_EXISTS) {
        say(stderr, PROGRAM ": another client reads here");
        exit(EXIT_FAILURE);
    }
    return claimed;
}

static void take_mutex(bool text_may_be_torn)
{
    DWORD result = WaitForSingleObject(mutex, INFINITE);
    if (result == WAIT_FAILED)
        fail("WaitForSingleObject");
    if (result == WAIT_ABANDONED) {
        /* We own it as ever, but its owner died over it. */
        say(stdout, "client: mutex abandoned");
        if (text_may_be_torn) {
            release_mutex();
            say(stderr, PROGRAM ": the number may be half written");
            exit(EXIT_FAILURE);
        }
    }
}

static void release_mutex(void)
{
    if (!ReleaseMutex(mutex))
        fail("ReleaseMutex");
}

/* Takes the number, if there is an unread one, and says whether. */
static bool look(char *text)
{
    take_mutex(false); /* `unread` is set last: a text that has it is whole */
    bool unread = atomic_load(&slot->unread);
    if (unread) {
        memcpy(text, slot->text, TEXT_SIZE);
        /* First wake the server, which then waits for the mutex: were we killed between the
         * change and the wake-up, it would sleep on beside all the room it needs. */
        if (!SetEvent(room))
            fail("SetEvent");
        atomic_store(&slot->unread, 0);
    }
    release_mutex();
    return unread;
}

/* Waits for the next number and takes it. Returns false where none can come any more. */
static bool read_number(char *text)
{
    HANDLE either[] = {alive, value};
    bool unread = server == LIVES && look(text);
    while (!unread && server == LIVES) {
        DWORD result = WaitForMultipleObjects(2, either, FALSE, INFINITE);
        if (result != WAIT_OBJECT_0 + 1)
            server = fate_of(result, "WaitForMultipleObjects");
        unread = look(text);
        /* Not before this last look: the next server waits for `alive`, and then the same
         * memory holds its numbers. */
        if (server != LIVES && !ReleaseMutex(alive))
            fail("ReleaseMutex");
    }
    return unread;
}

/* What `call`, a wait for `alive`, says of the server. If it does not live, `alive` is ours now. */
static enum fate fate_of(DWORD result, const char *call)
{
    switch (result) {
    case WAIT_TIMEOUT: return LIVES;
    case WAIT_OBJECT_0: return LEFT;
    case WAIT_ABANDONED: return KILLED;
    default: fail(call);
    }
}

static void report(const char *text)
{
    char *line = quoted(text, strnlen(text, TEXT_SIZE));
    say(stdout, "client: received %s", line);
    free(line);
}
