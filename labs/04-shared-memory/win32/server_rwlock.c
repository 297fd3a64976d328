/*
 * server_rwlock.c - a notice board: one writes the latest number, any number of processes read.
 *
 * Usage: server_rwlock [NAME]
 *
 * Makes the shared memory NAME (MyNoticeBoard). For each line on its standard input it writes
 * the next number there, when no reader is inside; at the end of the input it takes the board
 * away. Exit code 0.
 *
 * Windows has readers-writer locks for threads (SRWLOCK), but none that processes share. It is
 * built here from a count in the shared memory, a mutex for the count, and a semaphore of 1
 * that stands for "somebody is inside". The first reader takes the semaphore for all readers
 * and the last one gives it back. Like that of POSIX it is not robust: who is killed inside
 * stays inside. Its twin: ../unix/server_rwlock.c.
 * To try: server_rwlock in one terminal, client_rwlock in two others, Enter in each.
 */
#define PROGRAM "server"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static HANDLE
    readers; /* the readers' mutex: not for us, but our handle keeps it in being */
static HANDLE inside; /* the semaphore */

static wchar_t *name_of(const wchar_t *format, const wchar_t *name);
static HANDLE claim(const wchar_t *name);
static void make_lock(const wchar_t *name);
static bool read_line(void);
static void enter(void);
static void leave(void);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: the name. */
    if (argc > 2 || (argc > 1 && *argv[1] == L'\0')) {
        say(stderr, "usage: server_rwlock [NAME]");
        return 2;
    }
    const wchar_t *name = argc > 1 ? argv[1] : L"" DEFAULT_BOARD;

    /* STEP 2: Claim the name, make the memory and map it. */
    HANDLE claimed = claim(name);
    struct board *board;
    HANDLE mapping = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0,
                                        sizeof *board, name);
    if (mapping == NULL)
        fail("CreateFileMapping");
    board = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, sizeof *board);
    if (board == NULL)
        fail("MapViewOfFile");

    /* STEP 3: Make the lock. */
    make_lock(name);
    char shown[4 * NAME_ROOM] = "";
    WideCharToMultiByte(CP_UTF8, 0, name, -1, shown, sizeof shown, NULL, NULL);
    say(stdout, "server: ready %s", shown);

    /* STEP 4: For each line, write the next number, alone. */
    uint32_t state = FIRST_STATE;
    while (read_line()) {
        unsigned number = next_number(&state);
        enter();
        snprintf(board->text, TEXT_SIZE, "%u", number);
        leave();
        say(stdout, "server: sent \"%u\"", number);
    }
    if (ferror(stdin))
        fail_with(ERROR_READ_FAULT, "getchar");

    /* STEP 5: Take the board away: it goes with the last handle. Who still has it mapped may
     * go on reading. */
    if (!UnmapViewOfFile(board))
        fail("UnmapViewOfFile");
    if (!CloseHandle(mapping) || !CloseHandle(readers) || !CloseHandle(inside) ||
        !CloseHandle(claimed))
        fail("CloseHandle");
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

/* The name that `format` makes of `name`. It is good until the next call. */
static wchar_t *name_of(const wchar_t *format, const wchar_t *name)
{
    static wchar_t full[NAME_ROOM];
    if (swprintf(full, NAME_ROOM, format, name) < 0)
        fail_with(ERROR_FILENAME_EXCED_RANGE, "CreateMutex");
    return full;
}

/* Makes an object that exists as long as there is a server: see server.c. */
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

static void make_lock(const wchar_t *name)
{
    readers = CreateMutexW(NULL, FALSE, name_of(READERS_NAME, name));
    if (readers == NULL)
        fail("CreateMutex");
    inside = CreateSemaphoreW(NULL, 1, 1, name_of(INSIDE_NAME, name));
    if (inside == NULL)
        fail("CreateSemaphore");
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

static void enter(void)
{
    if (WaitForSingleObject(inside, INFINITE) != WAIT_OBJECT_0)
        fail("WaitForSingleObject");
}

static void leave(void)
{
    if (!ReleaseSemaphore(inside, 1, NULL))
        fail("ReleaseSemaphore");
}
