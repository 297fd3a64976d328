/*
 * table.c - random access: many processes change a table at once, wherever they like.
 *
 * Usage: table [--unlocked] [PROCESSES [UPDATES]]
 *
 * Starts PROCESSES (4) processes, each of which adds 1 to UPDATES (2000) cells of a shared
 * table of 64, chosen at random; then adds the table up. Under a mutex the sum is PROCESSES *
 * UPDATES. With --unlocked it is less. Exit code 0 if the sum is right.
 *
 * A pipe or a socket carries a stream, in its order; in shared memory one reads and writes
 * where one likes. Its twin: ../unix/table.c. To try: table; table --unlocked; table 1.
 */
#define PROGRAM "table"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* `volatile` makes the compiler load and store each time. It does not make the two one step,
 * and orders nothing between processors: see what --unlocked loses. */
struct table {
    volatile long cells[TABLE_CELLS];
};

static bool is_number(const wchar_t *text, long most);
static struct table *map(HANDLE mapping);
static HANDLE start_worker(HANDLE mapping, HANDLE mutex, long seed, long updates,
                           bool locked);
static int work(wchar_t *argv[]);
static bool wait_for_all(HANDLE *workers, long processes);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: how many processes, and what each has to do. */
    if (argc == 7 && wcscmp(argv[1], L"--worker") == 0)
        return work(argv + 2);
    bool locked = !(argc > 1 && wcscmp(argv[1], L"--unlocked") == 0);
    wchar_t **words = argv + !locked;
    int count = argc - !locked;
    if (count > 3 || (count > 1 && !is_number(words[1], MAX_PROCESSES)) ||
        (count > 2 && !is_number(words[2], MAX_UPDATES))) {
        say(stderr, "usage: table [--unlocked] [PROCESSES [UPDATES]], up to %d and %d",
            MAX_PROCESSES, MAX_UPDATES);
        return 2;
    }
    long processes = count > 1 ? wcstol(words[1], NULL, 10) : TABLE_PROCESSES;
    long updates = count > 2 ? wcstol(words[2], NULL, 10) : TABLE_UPDATES;

    /* STEP 2: Make the memory and the mutex. Who starts the processes himself needs no name,
     * but the handles must be inheritable. */
    SECURITY_ATTRIBUTES inheritable = {sizeof inheritable, NULL, TRUE};
    HANDLE mapping = CreateFileMappingW(INVALID_HANDLE_VALUE, &inheritable,
                                        PAGE_READWRITE, 0, sizeof(struct table), NULL);
    if (mapping == NULL)
        fail("CreateFileMapping");
    HANDLE mutex = CreateMutexW(&inheritable, FALSE, NULL);
    if (mutex == NULL)
        fail("CreateMutex");
    struct table *table = map(mapping);

    /* STEP 3: Start the processes. Each inherits the handles, and is told their numbers. */
    HANDLE workers[MAX_PROCESSES];
    for (long i = 0; i < processes; i++)
        workers[i] = start_worker(mapping, mutex, i + FIRST_STATE, updates, locked);
    say(stdout, "table: %ld processes, %ld updates each", processes, updates);

    /* STEP 4: Wait for all of them, and add up. */
    bool well = wait_for_all(workers, processes);
    long sum = 0;
    for (int i = 0; i < TABLE_CELLS; i++)
        sum += table->cells[i];
    say(stdout, "table: sum %ld of %ld", sum, processes * updates);

    /* STEP 5: Unmap and close. */
    if (!UnmapViewOfFile((void *)table))
        fail("UnmapViewOfFile");
    if (!CloseHandle(mapping) || !CloseHandle(mutex))
        fail("CloseHandle");
    say(stdout, "table: done");
    return well && sum == processes * updates ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool is_number(const wchar_t *text, long most)
{
    wchar_t *end;
    long number = wcstol(text, &end, 10);
    return *text >= L'0' && *text <= L'9' && *end == L'\0' && number <= most;
}

static struct table *map(HANDLE mapping)
{
    struct table *table = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0,
                                        sizeof *table);
    if (table == NULL)
        fail("MapViewOfFile");
    return table;
}

/* Starts this program anew as a worker. A handle has the same number in whoever inherits it. */
static HANDLE start_worker(HANDLE mapping, HANDLE mutex, long seed, long updates,
                           bool locked)
{
    wchar_t path[MAX_PATH], command[MAX_PATH];
    DWORD length = GetModuleFileNameW(NULL, path, MAX_PATH);
    if (length == 0 || length == MAX_PATH)
        fail("GetModuleFileName");
    if (swprintf(command, MAX_PATH, L"table --worker %zu %zu %ld %ld %d", (size_t)mapping,
                 (size_t)mutex, seed, updates, (int)locked) < 0)
        fail_with(ERROR_FILENAME_EXCED_RANGE, "CreateProcess");
    STARTUPINFOW start = {.cb = sizeof start};
    PROCESS_INFORMATION worker;
    if (!CreateProcessW(path, command, NULL, NULL, TRUE, 0, NULL, NULL, &start, &worker))
        fail("CreateProcess");
    if (!CloseHandle(worker.hThread))
        fail("CloseHandle");
    return worker.hProcess;
}

/* What each process does: an update is a load, an addition and a store. Between the load and
 * the store another process may do the same, and then one of the two is lost. Without the
 * mutex the processor is given away just there, so that this shows on one processor too. */
static int work(wchar_t *argv[])
{
    struct table *table = map((HANDLE)(size_t)wcstoull(argv[0], NULL, 10));
    HANDLE mutex = (HANDLE)(size_t)wcstoull(argv[1], NULL, 10);
    uint32_t seed = wcstoul(argv[2], NULL, 10);
    long updates = wcstol(argv[3], NULL, 10);
    bool locked = *argv[4] == L'1';
    for (long i = 0; i < updates; i++) {
        unsigned cell = next_number(&seed) % TABLE_CELLS;
        /* Abandoned or not: a dead owner changed one cell, or has not, and a cell is whole. */
        if (locked && WaitForSingleObject(mutex, INFINITE) == WAIT_FAILED)
            fail("WaitForSingleObject");
        long value = table->cells[cell];
        if (!locked)
            SwitchToThread();
        table->cells[cell] = value + 1;
        if (locked && !ReleaseMutex(mutex))
            fail("ReleaseMutex");
    }
    return EXIT_SUCCESS;
}

/* Waits for the processes. Returns whether all of them did their work. */
static bool wait_for_all(HANDLE *workers, long processes)
{
    bool well = true;
    for (long i = 0; i < processes; i++) {
        DWORD code;
        if (WaitForSingleObject(workers[i], INFINITE) == WAIT_FAILED)
            fail("WaitForSingleObject");
        if (!GetExitCodeProcess(workers[i], &code))
            fail("GetExitCodeProcess");
        if (!CloseHandle(workers[i]))
            fail("CloseHandle");
        if (code != 0) {
            say(stderr, PROGRAM ": a process did not do its work");
            well = false;
        }
    }
    return well;
}
