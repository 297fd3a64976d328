/*
 * client_rwlock.c - read a notice board, together with any number of others.
 *
 * Usage: client_rwlock [NAME]
 *
 * Opens the shared memory NAME (MyNoticeBoard) that a server has made. A line on its standard
 * input lets it in, to read the number; the next line lets it out again, and so on. At the
 * end of the input it goes. Exit code 0; 1 if there is no server.
 *
 * It stays inside from line to line, so that one can see who lets whom wait: other readers
 * come in, the writer does not. Its twin: ../unix/client_rwlock.c. To try: see server_rwlock.c.
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

static HANDLE readers; /* the mutex: whoever changes the count of readers owns it */
static HANDLE
    inside; /* the semaphore: the writer has taken it, or all readers together */

static wchar_t *name_of(const wchar_t *format, const wchar_t *name);
static struct board *open_board(const wchar_t *name, HANDLE mapping);
static bool read_line(void);
static void enter(struct board *board);
static void leave(struct board *board);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: the name. */
    if (argc > 2 || (argc > 1 && *argv[1] == L'\0')) {
        say(stderr, "usage: client_rwlock [NAME]");
        return 2;
    }
    const wchar_t *name = argc > 1 ? argv[1] : L"" DEFAULT_BOARD;

    /* STEP 2: Open what the server has made, and map it. To read under a lock is to write: the
     * count of its readers stands in the memory. */
    HANDLE mapping = OpenFileMappingW(FILE_MAP_ALL_ACCESS, FALSE, name);
    if (mapping == NULL)
        fail("OpenFileMapping");
    struct board *board = open_board(name, mapping);

    /* STEP 3: At each other line go in and read. What is read while inside stays what it is. */
    bool in = false;
    while (read_line()) {
        if (in) {
            leave(board);
            say(stdout, "client: outside");
        } else {
            enter(board);
            char *text = quoted(board->text, strnlen(board->text, TEXT_SIZE));
            say(stdout, "client: received %s", text);
            free(text);
        }
        in = !in;
    }

    /* STEP 4: Go, and not without leaving: nobody else can do it for us. */
    if (in)
        leave(board);
    if (ferror(stdin))
        fail_with(ERROR_READ_FAULT, "getchar");
    if (!UnmapViewOfFile(board))
        fail("UnmapViewOfFile");
    if (!CloseHandle(mapping) || !CloseHandle(readers) || !CloseHandle(inside))
        fail("CloseHandle");
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

/* The name that `format` makes of `name`. It is good until the next call. */
static wchar_t *name_of(const wchar_t *format, const wchar_t *name)
{
    static wchar_t full[NAME_ROOM];
    if (swprintf(full, NAME_ROOM, format, name) < 0)
        fail_with(ERROR_FILENAME_EXCED_RANGE, "OpenMutex");
    return full;
}

static struct board *open_board(const wchar_t *name, HANDLE mapping)
{
    readers = OpenMutexW(SYNCHRONIZE | MUTEX_MODIFY_STATE, FALSE,
                         name_of(READERS_NAME, name));
    if (readers == NULL)
        fail("OpenMutex");
    inside = OpenSemaphoreW(SYNCHRONIZE | SEMAPHORE_MODIFY_STATE, FALSE,
                            name_of(INSIDE_NAME, name));
    if (inside == NULL)
        fail("OpenSemaphore");
    struct board *board = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0,
                                        sizeof *board);
    if (board == NULL)
        fail("MapViewOfFile");
    return board;
}

/* Reads to the end of a line; the last may lack its newline. Returns false at the end. */
static bool read_line(void)
{
    int byte = getchar();
    bool some = byte != EOF;
    while (byte != EOF && byte != '\n')
        byte = getchar();
    return some;
}

/* The first reader takes the semaphore for all. While it waits for the writer it keeps the
 * mutex, so that the next readers wait behind it. A semaphore and no mutex, for the last
 * reader, who gives it back, need not be the first, and a mutex can be released by nobody but
 * its owner. */
static void enter(struct board *board)
{
    if (WaitForSingleObject(readers, INFINITE) == WAIT_FAILED)
        fail("WaitForSingleObject");
    if (board->readers == 0 && WaitForSingleObject(inside, INFINITE) != WAIT_OBJECT_0)
        fail("WaitForSingleObject");
    board->readers++;
    if (!ReleaseMutex(readers))
        fail("ReleaseMutex");
}

static void leave(struct board *board)
{
    if (WaitForSingleObject(readers, INFINITE) == WAIT_FAILED)
        fail("WaitForSingleObject");
    if (--board->readers == 0 && !ReleaseSemaphore(inside, 1, NULL))
        fail("ReleaseSemaphore");
    if (!ReleaseMutex(readers))
        fail("ReleaseMutex");
}
