/*
 * client_rwlock.c - read a notice board, together with any number of other readers.
 *
 * Usage: client_rwlock [NAME]
 *
 * Opens the shared memory NAME (MyNoticeBoard) that a server has created. A line of
 * standard input lets it in, to read the number; the next line lets it out, and so on. It
 * ends at end of file. Exit code 0, or 1 if there is no server or another call fails.
 *
 * It stays inside from line to line, so that you can see which program waits: other readers
 * come in, the writer does not. Counterpart: ../unix/client_rwlock.c.
 * To try: see server_rwlock.c.
 */

#include "contract.h"
#include "ipclab.h"

static HANDLE readers; /* mutex: guards the count of the readers */
static HANDLE inside;  /* semaphore: taken by the writer or by all readers together */

static wchar_t *object_name(const wchar_t *format, const wchar_t *name);
static struct board *open_board(const wchar_t *name, HANDLE mapping);
static void enter(struct board *board);
static void leave(struct board *board);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the name of the memory. */
    begin_program("client", "[NAME]", &argv);
    if (argc > 2 || (argc > 1 && *argv[1] == '\0'))
        usage_exit();
    wchar_t *name = to_utf16(argc > 1 ? argv[1] : DEFAULT_BOARD);

    /* STEP 2: Open the memory and map it. A reader needs write access, too: the count of
     * the readers is in the memory. */
    HANDLE mapping = OpenFileMappingW(FILE_MAP_ALL_ACCESS, FALSE, name);
    if (mapping == NULL)
        sys_error("OpenFileMapping");
    struct board *board = open_board(name, mapping);

    /* STEP 3: Go in and read, or leave, in turns. While this program is inside, the
     * number does not change. */
    bool is_inside = false;
    for (size_t length; read_line(&length) != NULL; is_inside = !is_inside) {
        if (is_inside) {
            leave(board);
            log_event("client: outside");
        } else {
            enter(board);
            log_text("client: received", board->text, strnlen(board->text, TEXT_SIZE));
        }
    }

    /* STEP 4: Leave before the end: no other program can do it for this one. */
    if (is_inside)
        leave(board);
    if (!UnmapViewOfFile(board))
        sys_error("UnmapViewOfFile");
    if (!CloseHandle(mapping) || !CloseHandle(readers) || !CloseHandle(inside))
        sys_error("CloseHandle");
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Returns the name that `format` makes of `name`, until the next call. */
static wchar_t *object_name(const wchar_t *format, const wchar_t *name)
{
    static wchar_t full[NAME_SIZE];
    if (swprintf(full, NAME_SIZE, format, name) < 0)
        sys_error_number("OpenMutex", ERROR_FILENAME_EXCED_RANGE);
    return full;
}

static struct board *open_board(const wchar_t *name, HANDLE mapping)
{
    readers = OpenMutexW(SYNCHRONIZE | MUTEX_MODIFY_STATE, FALSE,
                         object_name(READERS_NAME, name));
    if (readers == NULL)
        sys_error("OpenMutex");
    inside = OpenSemaphoreW(SYNCHRONIZE | SEMAPHORE_MODIFY_STATE, FALSE,
                            object_name(INSIDE_NAME, name));
    if (inside == NULL)
        sys_error("OpenSemaphore");
    struct board *board = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0,
                                        sizeof *board);
    if (board == NULL)
        sys_error("MapViewOfFile");
    return board;
}

/* The first reader takes the semaphore for all. While it waits for the writer it owns the
 * mutex, so that the next readers wait for it. It must be a semaphore: the last reader
 * releases it, and only its owner could release a mutex. */
static void enter(struct board *board)
{
    if (WaitForSingleObject(readers, INFINITE) == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    if (board->readers == 0 && WaitForSingleObject(inside, INFINITE) != WAIT_OBJECT_0)
        sys_error("WaitForSingleObject");
    board->readers++;
    if (!ReleaseMutex(readers))
        sys_error("ReleaseMutex");
}

static void leave(struct board *board)
{
    if (WaitForSingleObject(readers, INFINITE) == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    if (--board->readers == 0 && !ReleaseSemaphore(inside, 1, NULL))
        sys_error("ReleaseSemaphore");
    if (!ReleaseMutex(readers))
        sys_error("ReleaseMutex");
}
