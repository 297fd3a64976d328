/*
 * server_robust.c - server.c, and what it takes if programs are killed.
 *
 * Usage: server_robust [NAME [COUNT]]
 *
 * As server.c. What is different (see with: make diff LAB=04 SYSTEM=win32):
 *   - It creates an object to which only servers have a handle. The system removes it when
 *     this program ends, also if it is killed. The memory may stay: the client of a killed
 *     server keeps it, under its name. So this server uses the old memory, and first
 *     deletes the number in it.
 *   - It waits for `alive`: the client of a killed server may own it for a moment.
 *   - If the owner of the mutex was killed, the wait returns WAIT_ABANDONED.
 *   - It looks at the memory before it waits: a client that was killed may have reset the
 *     event `room`, and the memory keeps what the event has lost.
 *   - It wakes the client first, and sets `unread` after that. Killed in between, it has
 *     woken a client for nothing. Killed in between in the other order, it would leave a
 *     number that no client comes to read.
 *
 * Counterpart: ../unix/server_robust.c. A client for it: client_robust.c.
 * To try: end the server in the task manager while a client waits, and start it again.
 */
#include "contract.h"
#include "ipclab.h"

static struct slot *slot; /* the shared memory: see contract.h */
static HANDLE mutex, value, room, alive;
static HANDLE stopped; /* Ctrl-C sets it */

static HANDLE claim_name(const wchar_t *name);
static void create_sync_objects(const wchar_t *name);
static void delete_old_number(void);
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
     * call succeeds, and opens it. If another server uses it, end: two servers would
     * overwrite each other's numbers. */
    HANDLE claimed = claim_name(name);
    HANDLE mapping = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0,
                                        sizeof *slot, name);
    if (mapping == NULL)
        sys_error("CreateFileMapping");

    /* STEP 3: Map it: from now on it is memory. It has its size. It contains zeros,
     * or what a killed server has left. */
    slot = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, sizeof *slot);
    if (slot == NULL)
        sys_error("MapViewOfFile");

    /* STEP 4: Create the mutex, two events, and the mutex `alive`, objects with names of
     * their own. The server sets `value` when it has written a number. The client sets
     * `room` when it has read it. */
    stopped = interrupt_event();
    create_sync_objects(name);
    delete_old_number();
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
    if (!ReleaseMutex(alive))
        sys_error("ReleaseMutex");
    close_objects(mapping);
    if (!CloseHandle(claimed))
        sys_error("CloseHandle");
    free(name);
    log_last("server: done");
    return EXIT_SUCCESS;
}

/* Creates the object that shows that the name has a server. If it existed, the call
 * succeeds, too: ask. */
static HANDLE claim_name(const wchar_t *name)
{
    HANDLE claimed = CreateMutexW(NULL, FALSE, object_name(SERVER_NAME, name));
    if (claimed == NULL)
        sys_error("CreateMutex");
    if (GetLastError() == ERROR_ALREADY_EXISTS)
        fatal("another server uses this name");
    return claimed;
}

/* Creates the mutex; the two events, each of which is reset when it has woken one waiter;
 * and the mutex `alive`. This program owns `alive` until it ends: a client can wait for
 * it. The client opens `alive` last, so it is created last. */
static void create_sync_objects(const wchar_t *name)
{
    bool usual = wcscmp(name, L"" DEFAULT_NAME) == 0;
    mutex = CreateMutexW(NULL, FALSE,
                         usual ? DEFAULT_MUTEX_NAME : object_name(MUTEX_NAME, name));
    if (mutex == NULL)
        sys_error("CreateMutex");
    value = CreateEventW(NULL, FALSE, FALSE, object_name(VALUE_NAME, name));
    room = CreateEventW(NULL, FALSE, FALSE, object_name(ROOM_NAME, name));
    if (value == NULL || room == NULL)
        sys_error("CreateEvent");
    alive = CreateMutexW(NULL, TRUE, object_name(ALIVE_NAME, name));
    if (alive == NULL)
        sys_error("CreateMutex");
    if (GetLastError() == ERROR_ALREADY_EXISTS && /* then TRUE has no effect */
        WaitForSingleObject(alive, INFINITE) == WAIT_FAILED)
        sys_error("WaitForSingleObject");
}

/* Deletes what a killed server has left. Only servers write, so the memory is ours. */
static void delete_old_number(void)
{
    lock_mutex();
    atomic_store(&slot->unread, 0);
    memset(slot->text, 0, TEXT_SIZE);
    unlock_mutex();
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
    HANDLE events[] = {stopped, room};
    for (;;) {
        lock_mutex();
        bool unread = atomic_load(&slot->unread);
        unlock_mutex();
        if (!unread)
            return WaitForSingleObject(stopped, 0) == WAIT_TIMEOUT;
        DWORD result = WaitForMultipleObjects(2, events, FALSE, INFINITE);
        if (result == WAIT_FAILED)
            sys_error("WaitForMultipleObjects");
        if (result == WAIT_OBJECT_0)
            return false;
    }
}

static void write_number(unsigned number)
{
    lock_mutex();
    snprintf(slot->text, TEXT_SIZE, "%u", number);
    if (!SetEvent(value))
        sys_error("SetEvent");
    atomic_store(&slot->unread, 1);
    unlock_mutex();
}

/* If the owner was killed, this program owns the mutex and must repair what it guards.
 * A client changes only `unread`, in one step, and the number of a killed server is
 * deleted: nothing else has to be repaired. */
static void lock_mutex(void)
{
    DWORD result = WaitForSingleObject(mutex, INFINITE);
    if (result == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    if (result == WAIT_ABANDONED)
        log_event("server: mutex abandoned");
}

static void unlock_mutex(void)
{
    if (!ReleaseMutex(mutex))
        sys_error("ReleaseMutex");
}

static void close_objects(HANDLE mapping)
{
    if (!UnmapViewOfFile(slot))
        sys_error("UnmapViewOfFile");
    if (!CloseHandle(alive) || !CloseHandle(room) || !CloseHandle(value) ||
        !CloseHandle(mutex) || !CloseHandle(mapping))
        sys_error("CloseHandle");
}
