/*
 * server.c - random numbers into shared memory, one at a time, each for one reader.
 *
 * Usage: server [--mutex-only] [NAME [COUNT [PACE]]]
 *
 * Makes the shared memory NAME (MyFileMappingObject) and writes COUNT numbers into it (0: until
 * Ctrl-C), each when the one before has been read. With --mutex-only a number is written
 * every PACE milliseconds (1000), read or not: what the listing does. Exit code 0.
 *
 * Mirrors listing 8 of the report. Its twin: ../unix/server.c. Other ways to share: server_file
 * (a file that stays), server_rwlock (many readers).
 * To try: server N 5 beside client N; server --mutex-only beside client --mutex-only.
 */
#define PROGRAM "server"

#include <stdbool.h>
#include <stdlib.h>
#include <wchar.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static struct slot *slot;
static HANDLE mutex, value, room, stopped;

static bool is_number(const wchar_t *text, long most);
static wchar_t *name_of(const wchar_t *format, const wchar_t *name);
static HANDLE make_event(const wchar_t *name);
static HANDLE claim(const wchar_t *name);
static HANDLE make_alive(const wchar_t *name);
static void forget_old_number(void);
static BOOL WINAPI on_stop(DWORD event);
static bool has_stopped(void);
static void take_mutex(void);
static void release_mutex(void);
static bool write_number(unsigned number);
static void wait_for_room(void);
static void pause_for(long milliseconds);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: the name to share under, and how many numbers. */
    bool mutex_only = argc > 1 && wcscmp(argv[1], L"--mutex-only") == 0;
    wchar_t **words = argv + mutex_only;
    int count_of_words = argc - mutex_only;
    if (count_of_words > (mutex_only ? 4 : 3) ||
        (count_of_words > 1 && *words[1] == L'\0') ||
        (count_of_words > 2 && !is_number(words[2], MAX_COUNT)) ||
        (count_of_words > 3 && !is_number(words[3], MAX_PACE))) {
        say(stderr,
            "usage: server [--mutex-only] [NAME [COUNT [PACE]]], COUNT from 0 to %d, "
            "PACE only with --mutex-only",
            MAX_COUNT);
        return 2;
    }
    const wchar_t *name = count_of_words > 1 ? words[1] : L"" DEFAULT_NAME;
    long count = count_of_words > 2 ? wcstol(words[2], NULL, 10) : SERVER_COUNT;
    long pace = count_of_words > 3 ? wcstol(words[3], NULL, 10) : DEFAULT_PACE;

    /* STEP 2: Claim the name. Two servers would write over each other's numbers. */
    HANDLE claimed = claim(name), alive = make_alive(name);

    /* STEP 3: Make the memory and map it: a section of the paging file, born with its size
     * and full of zeros. A section that is not mapped is of no use to anybody. */
    HANDLE mapping = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0,
                                        sizeof *slot, name);
    if (mapping == NULL)
        fail("CreateFileMapping");
    slot = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, sizeof *slot);
    if (slot == NULL)
        fail("MapViewOfFile");

    /* STEP 4: Make the mutex and the two signals, objects of the kernel with names of their
     * own, and let go of whatever a killed server has left. */
    bool usual = wcscmp(name, L"" DEFAULT_NAME) == 0;
    mutex = CreateMutexW(NULL, FALSE,
                         usual ? DEFAULT_MUTEX_NAME : name_of(MUTEX_NAME, name));
    if (mutex == NULL)
        fail("CreateMutex");
    value = make_event(name_of(VALUE_NAME, name));
    room = make_event(name_of(ROOM_NAME, name));
    stopped = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (stopped == NULL)
        fail("CreateEvent");
    if (!SetConsoleCtrlHandler(on_stop, TRUE))
        fail("SetConsoleCtrlHandler");
    forget_old_number();
    char shown[4 * NAME_ROOM] = "";
    WideCharToMultiByte(CP_UTF8, 0, name, -1, shown, sizeof shown, NULL, NULL);
    say(stdout, "server: ready %s", shown);

    /* STEP 5: Write the numbers, each when the reader has made room for it. */
    uint32_t state = FIRST_STATE;
    for (long written = 0; !has_stopped() && (count == 0 || written < count); written++) {
        unsigned number = next_number(&state);
        if (mutex_only) {
            take_mutex();
            snprintf(slot->text, TEXT_SIZE, "%u", number);
            release_mutex();
        } else if (!write_number(number)) {
            break;
        }
        say(stdout, "server: sent \"%u\"", number);
        /* Here, with the mutex free: the listing sleeps while it owns it, and whoever wants
         * to read stands in a queue for a mutex that is free for an instant each second. */
        if (mutex_only)
            pause_for(pace);
    }

    /* STEP 6: Wait until the last number has been read too. */
    if (!mutex_only)
        wait_for_room();

    /* STEP 7: Let go of everything. No name is to be taken away: each object goes, with its
     * name, when its last handle does; `stopped` with us, as Ctrl-C may still set it. */
    if (!ReleaseMutex(alive))
        fail("ReleaseMutex");
    if (!UnmapViewOfFile(slot))
        fail("UnmapViewOfFile");
    if (!CloseHandle(alive) || !CloseHandle(mapping) || !CloseHandle(mutex) ||
        !CloseHandle(value) || !CloseHandle(room) || !CloseHandle(claimed))
        fail("CloseHandle");
    say(stdout, "server: done");
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
        fail_with(ERROR_FILENAME_EXCED_RANGE, "CreateMutex");
    return full;
}

/* An auto-reset event: SetEvent wakes one waiter, or the next to come, and then it is reset. */
static HANDLE make_event(const wchar_t *name)
{
    HANDLE event = CreateEventW(NULL, FALSE, FALSE, name);
    if (event == NULL)
        fail("CreateEvent");
    return event;
}

/* Makes an object that nobody but a server has a handle to, so that it exists as long as
 * a server does, however that ends. To create what exists is no error; one has to ask. */
static HANDLE claim(const wchar_t *name)
{
    HANDLE claimed = CreateMutexW(NULL, FALSE, name_of(SERVER_NAME, name));
    if (claimed == NULL)
        fail("CreateMutex");
    if (GetLastError() == ERROR_ALREADY_EXISTS) {
        say(stderr, PROGRAM ": another server uses this name");
        exit(EXIT_FAILURE);
    }
    return claimed;
}

/* The mutex that we own until we end, so that a client can wait for that. */
static HANDLE make_alive(const wchar_t *name)
{
    HANDLE alive = CreateMutexW(NULL, FALSE, name_of(ALIVE_NAME, name));
    if (alive == NULL)
        fail("CreateMutex");
    /* It may still be there, and even be owned for a moment: by a client that has just seen
     * the server before us die. */
    if (WaitForSingleObject(alive, INFINITE) == WAIT_FAILED)
        fail("WaitForSingleObject");
    return alive;
}

/* The client of a killed server may still have the memory, and keeps it in being with what
 * the dead one wrote. Nobody else writes, so it is ours now, and empty. */
static void forget_old_number(void)
{
    take_mutex();
    atomic_store(&slot->unread, 0);
    memset(slot->text, 0, TEXT_SIZE); /* it may be half a number */
    release_mutex();
}

/* Ctrl-C, Ctrl-Break, or the console's window is closed: called on a thread of its own, and what
 * stays set cannot come too early. */
static BOOL WINAPI on_stop(DWORD event)
{
    SetEvent(stopped);
    /* After a return Windows would end the program at once when the window is closed, and leave
     * `alive` abandoned. Until then main has some seconds; it ends this thread, too. */
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
        Sleep(INFINITE);
    return TRUE;
}

static bool has_stopped(void)
{
    DWORD result = WaitForSingleObject(stopped, 0);
    if (result == WAIT_FAILED)
        fail("WaitForSingleObject");
    return result == WAIT_OBJECT_0;
}

static void take_mutex(void)
{
    DWORD result = WaitForSingleObject(mutex, INFINITE);
    if (result == WAIT_FAILED)
        fail("WaitForSingleObject");
    /* We own it as ever, but its owner died over it. That was a reader, which changes nothing
     * but `unread`, or a server before us, whose number is being forgotten: all is well. */
    if (result == WAIT_ABANDONED)
        say(stdout, "server: mutex abandoned");
}

static void release_mutex(void)
{
    if (!ReleaseMutex(mutex))
        fail("ReleaseMutex");
}

/* Writes `number` as soon as there is room. Returns false where Ctrl-C came before that. */
static bool write_number(unsigned number)
{
    wait_for_room();
    if (has_stopped())
        return false;
    /* Room stays room: nobody else writes. */
    take_mutex();
    snprintf(slot->text, TEXT_SIZE, "%u", number);
    if (!SetEvent(value))
        fail("SetEvent");
    atomic_store(&slot->unread, 1);
    release_mutex();
    return true;
}

/* Returns when the number has been read, or at Ctrl-C. The event says no more than "look
 * again": what is true stands in the memory, where a reader that was killed between its steps
 * cannot have taken it along. */
static void wait_for_room(void)
{
    HANDLE either[] = {stopped, room};
    for (;;) {
        take_mutex();
        bool unread = atomic_load(&slot->unread);
        release_mutex();
        if (!unread || has_stopped())
            return;
        if (WaitForMultipleObjects(2, either, FALSE, INFINITE) == WAIT_FAILED)
            fail("WaitForMultipleObjects");
    }
}

/* Lets the time pass, or less of it at Ctrl-C. */
static void pause_for(long milliseconds)
{
    if (WaitForSingleObject(stopped, (DWORD)milliseconds) == WAIT_FAILED)
        fail("WaitForSingleObject");
}
