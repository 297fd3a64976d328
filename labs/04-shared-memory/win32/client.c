/*
 * client.c - read random numbers from shared memory, each once.
 *
 * Usage: client [NAME [COUNT]]
 *
 * Opens the shared memory NAME (MyFileMappingObject) that a server has created. Reads and
 * prints COUNT numbers (15; 0: no limit), or all until the server ends. Exit code 0, or
 * 1 if there is no server or another call fails.
 *
 * Mirrors listing 9 of the report, which has the mutex alone, as client_mutex_only.c
 * has. Counterpart: ../unix/client.c.
 * Not here, but in client_robust.c: a server that is killed, also while it owns the
 * mutex; two clients at once; a client that is killed.
 * To try: server N 3 and client N; client N 2, twice.
 */
#include "contract.h"
#include "ipclab.h"

static struct slot *slot; /* the shared memory: see contract.h */
static HANDLE mutex, value, room, alive;

static void open_sync_objects(const wchar_t *name);
static wchar_t *object_name(const wchar_t *format, const wchar_t *name);
static bool read_number(char *text);
static void lock_mutex(void);
static void unlock_mutex(void);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the name of the memory, and how many numbers. */
    begin_program("client", "[NAME [COUNT]]", &argv);
    if (argc > 3 || (argc > 1 && *argv[1] == '\0'))
        usage_exit();
    wchar_t *name = to_utf16(argc > 1 ? argv[1] : DEFAULT_NAME);
    long count = argc > 2 ? parse_long("COUNT", argv[2], 0, MAX_COUNT) : CLIENT_COUNT;

    /* STEP 2: Open the object. It must exist: if there is no server, OpenFileMapping
     * fails with ERROR_FILE_NOT_FOUND. */
    // LEVEL 2: HANDLE mapping;
    HANDLE mapping = OpenFileMappingW(FILE_MAP_ALL_ACCESS, FALSE, name);
    if (mapping == NULL)
        sys_error("OpenFileMapping");
    // END

    /* STEP 3: Map it: from now on it is memory. */
    // LEVEL 1
    slot = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, sizeof *slot);
    if (slot == NULL)
        sys_error("MapViewOfFile");
    // END

    /* STEP 4: Open the mutex, the two events, and the mutex `alive`. (The listing goes on
     * without the mutex if the server has not created it yet.) */
    open_sync_objects(name);

    /* STEP 5: Read the numbers, each when the server has written it. */
    char text[TEXT_SIZE];
    for (long i = 0; (count == 0 || i < count) && read_number(text); i++)
        log_text("client: received", text, strnlen(text, TEXT_SIZE));

    /* STEP 6: Unmap the memory, and close everything: the mapping last, because the next
     * server can begin when it is gone. */
    // LEVEL 2
    if (!UnmapViewOfFile(slot))
        sys_error("UnmapViewOfFile");
    if (!CloseHandle(alive) || !CloseHandle(room) || !CloseHandle(value) ||
        !CloseHandle(mutex) || !CloseHandle(mapping))
        sys_error("CloseHandle");
    // END
    free(name);
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Opens what the server has created. The server owns `alive` until it ends. */
static void open_sync_objects(const wchar_t *name)
{
    // LEVEL 2
    bool usual = wcscmp(name, L"" DEFAULT_NAME) == 0;
    mutex = OpenMutexW(SYNCHRONIZE | MUTEX_MODIFY_STATE, FALSE,
                       usual ? DEFAULT_MUTEX_NAME : object_name(MUTEX_NAME, name));
    if (mutex == NULL)
        sys_error("OpenMutex");
    value = OpenEventW(SYNCHRONIZE | EVENT_MODIFY_STATE, FALSE,
                       object_name(VALUE_NAME, name));
    if (value == NULL)
        sys_error("OpenEvent");
    room = OpenEventW(SYNCHRONIZE | EVENT_MODIFY_STATE, FALSE,
                      object_name(ROOM_NAME, name));
    if (room == NULL)
        sys_error("OpenEvent");
    alive = OpenMutexW(SYNCHRONIZE | MUTEX_MODIFY_STATE, FALSE,
                       object_name(ALIVE_NAME, name));
    if (alive == NULL)
        sys_error("OpenMutex");
    // END
}

/* Returns the name that `format` makes of `name`, until the next call. */
static wchar_t *object_name(const wchar_t *format, const wchar_t *name)
{
    static wchar_t full[NAME_SIZE];
    if (swprintf(full, NAME_SIZE, format, name) < 0)
        sys_error_number("OpenMutex", ERROR_FILENAME_EXCED_RANGE);
    return full;
}

/* Waits for a number and copies it to `text`. Returns false if the server has ended. An
 * event means only "look again": `unread` decides. If the wait for `alive` succeeds, the
 * server has ended. This program then owns `alive`, and releases it. */
static bool read_number(char *text)
{
    // LEVEL 2
    HANDLE events[] = {value, alive};
    for (;;) {
        DWORD result = WaitForMultipleObjects(2, events, FALSE, INFINITE);
        if (result == WAIT_FAILED)
            sys_error("WaitForMultipleObjects");
        bool ended = result != WAIT_OBJECT_0;
        lock_mutex();
        bool unread = slot->unread;
        if (unread) {
            memcpy(text, slot->text, TEXT_SIZE);
            slot->unread = 0;
            if (!SetEvent(room))
                sys_error("SetEvent");
        }
        unlock_mutex();
        if (ended && !ReleaseMutex(alive))
            sys_error("ReleaseMutex");
        if (unread || ended)
            return unread;
    }
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
