/*
 * server.c - write random numbers into shared memory, each for one reader.
 *
 * Usage: server [NAME [COUNT]]
 *
 * Creates the shared memory NAME (MyFileMappingObject). Writes COUNT numbers (0, the
 * default: no limit), each when the one before has been read. Ends when the last number
 * has been read, or on Ctrl-C. Exit code 0, or 1 if the name exists already or another
 * call fails.
 *
 * Mirrors listing 8 of the report, which has the mutex alone, as server_mutex_only.c
 * has. Counterpart: ../unix/server.c. Other ways to share: server_file.c (a file that
 * stays), server_rwlock.c (many readers).
 * Not here, but in server_robust.c: the memory of a server that was killed, which its
 * client still has open; a reader that is killed, also while it owns the mutex.
 * To try: server N 3 in one window, client N in another; two servers at once.
 */
#include "contract.h"
#include "ipclab.h"

static struct slot *slot; /* the shared memory: see contract.h */
static HANDLE mutex, value, room, alive;
static HANDLE stopped; /* Ctrl-C sets it */

static void create_sync_objects(const wchar_t *name);
static wchar_t *object_name(const wchar_t *format, const wchar_t *name);
static bool wait_for_room(void);
static void write_number(unsigned number);
static void lock_mutex(void);
static void unlock_mutex(void);
static void close_objects(HANDLE mapping);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the name of the memory, and how many numbers. */
    begin_program("server", "[NAME [COUNT]]", &argv);
    if (argc > 3 || (argc > 1 && *argv[1] == '\0'))
        usage_exit();
    wchar_t *name = to_utf16(argc > 1 ? argv[1] : DEFAULT_NAME);
    long count = argc > 2 ? parse_long("COUNT", argv[2], 0, MAX_COUNT) : SERVER_COUNT;

    /* STEP 2: Create the object, a section of the paging file. If the name exists, the
     * call succeeds, and opens it. Ask: two servers would overwrite each other's
     * numbers. */
    // LEVEL 2: HANDLE mapping;
    HANDLE mapping = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0,
                                        sizeof *slot, name);
    if (mapping == NULL || GetLastError() == ERROR_ALREADY_EXISTS)
        sys_error("CreateFileMapping");
    // END

    /* STEP 3: Map it: from now on it is memory. It has its size, and contains zeros. */
    // LEVEL 1
    slot = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, sizeof *slot);
    if (slot == NULL)
        sys_error("MapViewOfFile");
    // END

    /* STEP 4: Create the mutex, two events, and the mutex `alive`, objects with names of
     * their own. The server sets `value` when it has written a number. The client sets
     * `room` when it has read it. */
    stopped = interrupt_event();
    create_sync_objects(name);
    log_event("server: ready %s", argc > 1 ? argv[1] : DEFAULT_NAME);

    /* STEP 5: Write the numbers, each when the client has read the one before. */
    uint32_t generator = FIRST_STATE;
    for (long i = 0; (count == 0 || i < count) && wait_for_room(); i++) {
        unsigned number = next_number(&generator);
        write_number(number);
        log_event("server: sent \"%u\"", number);
    }

    /* STEP 6: Wait until the last number has been read, too. */
    wait_for_room();

    /* STEP 7: Wake the client, and close everything. The release of `alive` wakes it. The
     * system removes each object, with its name, with its last handle and view. */
    // LEVEL 2
    if (!ReleaseMutex(alive))
        sys_error("ReleaseMutex");
    // END
    close_objects(mapping);
    free(name);
    log_last("server: done");
    return EXIT_SUCCESS;
}

/* Creates the mutex; the two events, each of which is reset when it has woken one waiter;
 * and the mutex `alive`. This program owns `alive` until it ends: a client can wait for
 * it. The client opens `alive` last, so it is created last. */
static void create_sync_objects(const wchar_t *name)
{
    // LEVEL 2
    bool usual = wcscmp(name, L"" DEFAULT_NAME) == 0;
    mutex = CreateMutexW(NULL, FALSE,
                         usual ? DEFAULT_MUTEX_NAME : object_name(MUTEX_NAME, name));
    if (mutex == NULL)
        sys_error("CreateMutex");
    value = CreateEventW(NULL, FALSE, FALSE, object_name(VALUE_NAME, name));
    room = CreateEventW(NULL, FALSE, TRUE, object_name(ROOM_NAME, name));
    if (value == NULL || room == NULL)
        sys_error("CreateEvent");
    alive = CreateMutexW(NULL, TRUE, object_name(ALIVE_NAME, name));
    if (alive == NULL)
        sys_error("CreateMutex");
    if (GetLastError() == ERROR_ALREADY_EXISTS && /* then TRUE has no effect */
        WaitForSingleObject(alive, INFINITE) == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    // END
}

/* Returns the name that `format` makes of `name`, until the next call. */
static wchar_t *object_name(const wchar_t *format, const wchar_t *name)
{
    static wchar_t full[NAME_SIZE];
    if (swprintf(full, NAME_SIZE, format, name) < 0)
        sys_error_number("CreateMutex", ERROR_FILENAME_EXCED_RANGE);
    return full;
}

/* Waits until no unread number is in the memory. Returns false after Ctrl-C. An event
 * means only "look again": `unread` decides. */
static bool wait_for_room(void)
{
    // LEVEL 2
    HANDLE events[] = {stopped, room};
    bool unread = true;
    while (unread) {
        DWORD result = WaitForMultipleObjects(2, events, FALSE, INFINITE);
        if (result == WAIT_FAILED)
            sys_error("WaitForMultipleObjects");
        if (result == WAIT_OBJECT_0)
            return false;
        lock_mutex();
        unread = slot->unread;
        unlock_mutex();
    }
    return true;
    // END
}

static void write_number(unsigned number)
{
    // LEVEL 2
    lock_mutex();
    snprintf(slot->text, TEXT_SIZE, "%u", number);
    slot->unread = 1;
    if (!SetEvent(value))
        sys_error("SetEvent");
    unlock_mutex();
    // END
}

static void lock_mutex(void)
{
    // LEVEL 2
    if (WaitForSingleObject(mutex, INFINITE) == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    // END
}

static void unlock_mutex(void)
{
    // LEVEL 2
    if (!ReleaseMutex(mutex))
        sys_error("ReleaseMutex");
    // END
}

static void close_objects(HANDLE mapping)
{
    // LEVEL 2
    if (!UnmapViewOfFile(slot))
        sys_error("UnmapViewOfFile");
    if (!CloseHandle(alive) || !CloseHandle(room) || !CloseHandle(value) ||
        !CloseHandle(mutex) || !CloseHandle(mapping))
        sys_error("CloseHandle");
    // END
}
