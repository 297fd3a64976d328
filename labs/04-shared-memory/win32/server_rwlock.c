/*
 * server_rwlock.c - a notice board: one process writes the latest number, many read it.
 *
 * Usage: server_rwlock [NAME]
 *
 * Creates the shared memory NAME (MyNoticeBoard). For each line of standard input it
 * writes the next number, when no reader is inside. At end of file it ends, and the memory
 * with it. Exit code 0, or 1 if another server uses NAME or another call fails.
 *
 * Windows has readers-writer locks for threads (SRWLOCK), but none that processes can
 * share. This program and client_rwlock.c build one from a count in the shared memory, a
 * mutex for the count, and a semaphore of 1, which is 0 while a program is inside. The first
 * reader takes the semaphore for all readers, and the last one releases it. Like the POSIX
 * lock it is not robust: if a reader is killed inside, the writer waits forever.
 * Counterpart: ../unix/server_rwlock.c.
 * To try: server_rwlock in one window, client_rwlock in two others, Enter in each.
 */

#include "contract.h"
#include "ipclab.h"

static HANDLE readers; /* the readers' mutex: an open handle keeps it */
static HANDLE inside;  /* the semaphore */

static wchar_t *object_name(const wchar_t *format, const wchar_t *name);
static HANDLE claim_name(const wchar_t *name);
static void create_lock(const wchar_t *name);
static void enter(void);
static void leave(void);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the name of the memory. */
    begin_program("server", "[NAME]", &argv);
    if (argc > 2 || (argc > 1 && *argv[1] == '\0'))
        usage_exit();
    wchar_t *name = to_utf16(argc > 1 ? argv[1] : DEFAULT_BOARD);

    /* STEP 2: Create the memory and map it. */
    HANDLE claimed = claim_name(name);
    struct board *board;
    HANDLE mapping = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0,
                                        sizeof *board, name);
    if (mapping == NULL)
        sys_error("CreateFileMapping");
    board = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, sizeof *board);
    if (board == NULL)
        sys_error("MapViewOfFile");

    /* STEP 3: Create the lock. */
    create_lock(name);
    log_event("server: ready %s", argc > 1 ? argv[1] : DEFAULT_BOARD);

    /* STEP 4: For each line, write the next number, while no reader is inside. */
    uint32_t generator = FIRST_STATE;
    for (size_t length; read_line(&length) != NULL;) {
        unsigned number = next_number(&generator);
        enter();
        snprintf(board->text, TEXT_SIZE, "%u", number);
        leave();
        log_event("server: sent \"%u\"", number);
    }

    /* STEP 5: Close everything: the name is removed with the last handle. A reader that has
     * the memory mapped can go on reading. */
    if (!UnmapViewOfFile(board))
        sys_error("UnmapViewOfFile");
    if (!CloseHandle(mapping) || !CloseHandle(readers) || !CloseHandle(inside) ||
        !CloseHandle(claimed))
        sys_error("CloseHandle");
    log_event("server: done");
    return EXIT_SUCCESS;
}

/* Returns the name that `format` makes of `name`, until the next call. */
static wchar_t *object_name(const wchar_t *format, const wchar_t *name)
{
    static wchar_t full[NAME_SIZE];
    if (swprintf(full, NAME_SIZE, format, name) < 0)
        sys_error_number("CreateMutex", ERROR_FILENAME_EXCED_RANGE);
    return full;
}

/* Creates an object that exists as long as there is a server: see server_robust.c. */
static HANDLE claim_name(const wchar_t *name)
{
    HANDLE claimed = CreateMutexW(NULL, FALSE, object_name(SERVER_NAME, name));
    if (claimed == NULL)
        sys_error("CreateMutex");
    if (GetLastError() == ERROR_ALREADY_EXISTS) {
        fatal("another server uses this name");
    }
    return claimed;
}

static void create_lock(const wchar_t *name)
{
    readers = CreateMutexW(NULL, FALSE, object_name(READERS_NAME, name));
    if (readers == NULL)
        sys_error("CreateMutex");
    inside = CreateSemaphoreW(NULL, 1, 1, object_name(INSIDE_NAME, name));
    if (inside == NULL)
        sys_error("CreateSemaphore");
}

static void enter(void)
{
    if (WaitForSingleObject(inside, INFINITE) != WAIT_OBJECT_0)
        sys_error("WaitForSingleObject");
}

static void leave(void)
{
    if (!ReleaseSemaphore(inside, 1, NULL))
        sys_error("ReleaseSemaphore");
}
