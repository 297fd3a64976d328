/*
 * client_robust.c - client.c, and what it takes if programs are killed.
 *
 * Usage: client_robust [NAME [COUNT]]
 *
 * As client.c. If the server was killed, it reads the number that is left, reports the
 * kill, and exits with 1. What is different (see with: make diff LAB=04 SYSTEM=win32):
 *   - The wait for `alive` returns WAIT_ABANDONED if the server was killed, WAIT_OBJECT_0
 *     if it released `alive`.
 *   - It creates an object to which only clients have a handle: a second client is
 *     refused. An event wakes one of two clients, and if that one is killed before it
 *     looks, the other would not be woken.
 *   - If the owner of the mutex was killed, the wait returns WAIT_ABANDONED, too.
 *   - It looks at the memory before it waits: the client before may have reset the event
 *     `value`, and been killed.
 *   - It wakes the server first, and resets `unread` after that: see server_robust.c.
 *
 * Counterpart: ../unix/client_robust.c.
 * To try: end the server in the task manager while the client waits; two clients at once.
 */
#include "contract.h"
#include "ipclab.h"

static struct slot *slot; /* the shared memory: see contract.h */
static HANDLE mutex, value, room, alive;
static enum { RUNNING, ENDED, KILLED } server = RUNNING;

static HANDLE claim_place(const wchar_t *name);
static void open_sync_objects(const wchar_t *name);
static wchar_t *object_name(const wchar_t *format, const wchar_t *name);
static bool read_number(char *text);
static void wait_for_number(void);
static bool take_number(char *text);
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
    HANDLE mapping = OpenFileMappingW(FILE_MAP_ALL_ACCESS, FALSE, name);
    if (mapping == NULL)
        sys_error("OpenFileMapping");

    /* STEP 3: Map it: from now on it is memory. */
    slot = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, sizeof *slot);
    if (slot == NULL)
        sys_error("MapViewOfFile");

    /* STEP 4: Open the mutex, the two events, and the mutex `alive`. (The listing goes on
     * without the mutex if the server has not created it yet.) */
    open_sync_objects(name);
    HANDLE claimed = claim_place(name);

    /* STEP 5: Read the numbers, each when the server has written it. */
    char text[TEXT_SIZE];
    long i = 0;
    for (; (count == 0 || i < count) && read_number(text); i++)
        log_text("client: received", text, strnlen(text, TEXT_SIZE));
    if ((count == 0 || i < count) && server == KILLED)
        fatal("the server was killed");

    /* STEP 6: Unmap the memory, and close everything: the mapping last, because the next
     * server can begin when it is gone. */
    if (!UnmapViewOfFile(slot))
        sys_error("UnmapViewOfFile");
    if (!CloseHandle(alive) || !CloseHandle(room) || !CloseHandle(value) ||
        !CloseHandle(mutex) || !CloseHandle(claimed) || !CloseHandle(mapping))
        sys_error("CloseHandle");
    free(name);
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Creates the object that shows that there is a client. If it existed, the call succeeds,
 * too: ask. */
static HANDLE claim_place(const wchar_t *name)
{
    HANDLE claimed = CreateMutexW(NULL, FALSE, object_name(CLIENT_NAME, name));
    if (claimed == NULL)
        sys_error("CreateMutex");
    if (GetLastError() == ERROR_ALREADY_EXISTS)
        fatal("another client reads here");
    return claimed;
}

/* Opens what the server has created. The server owns `alive` until it ends. */
static void open_sync_objects(const wchar_t *name)
{
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
 * event means only "look again": `unread` decides. */
static bool read_number(char *text)
{
    bool unread = server == RUNNING && take_number(text);
    while (!unread && server == RUNNING) {
        wait_for_number();
        unread = take_number(text);
        /* If `alive` can be had, the server has ended, and this program owns `alive`. It
         * releases it after the last look: the next server waits for it, and then the
         * same memory contains that server's numbers. */
        if (server != RUNNING && !ReleaseMutex(alive))
            sys_error("ReleaseMutex");
    }
    return unread;
}

static void wait_for_number(void)
{
    HANDLE events[] = {alive, value};
    switch (WaitForMultipleObjects(2, events, FALSE, INFINITE)) {
    case WAIT_OBJECT_0: server = ENDED; break;
    case WAIT_ABANDONED_0: server = KILLED; break;
    case WAIT_FAILED: sys_error("WaitForMultipleObjects");
    }
}

/* Takes the number if there is an unread one. */
static bool take_number(char *text)
{
    lock_mutex();
    bool unread = atomic_load(&slot->unread);
    if (unread) {
        memcpy(text, slot->text, TEXT_SIZE);
        if (!SetEvent(room))
            sys_error("SetEvent");
        atomic_store(&slot->unread, 0);
    }
    unlock_mutex();
    return unread;
}

/* If the owner was killed, this program owns the mutex and must repair what it guards.
 * Nothing has to be repaired: `unread` is set last, so a text that is marked as unread is
 * whole. */
static void lock_mutex(void)
{
    DWORD result = WaitForSingleObject(mutex, INFINITE);
    if (result == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    if (result == WAIT_ABANDONED)
        log_event("client: mutex abandoned");
}

static void unlock_mutex(void)
{
    if (!ReleaseMutex(mutex))
        sys_error("ReleaseMutex");
}
