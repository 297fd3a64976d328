/*
 * table.c - random access: many processes change a table at once, anywhere in it.
 *
 * Usage: table [--unlocked] [PROCESSES [UPDATES]]
 *
 * Starts PROCESSES (4) processes. Each adds 1 to UPDATES (2000) cells, chosen at random, of
 * a shared table of 64. Then adds up the table. With a mutex the sum is PROCESSES *
 * UPDATES. With --unlocked updates are lost. Exit code 0 if the sum is right, else 1.
 *
 * A pipe or a socket carries bytes in order. In shared memory a process reads and writes
 * anywhere. Counterpart: ../unix/table.c.
 * To try: table; table --unlocked; table --unlocked 1.
 */

#include "contract.h"
#include "ipclab.h"

/* `volatile` makes the compiler load and store each time. It does not make one step of the
 * two, and it orders nothing between processors: see what --unlocked loses. */
struct table {
    volatile long cells[TABLE_CELLS];
};

static struct table *map(HANDLE mapping);
static HANDLE start_worker(HANDLE mapping, HANDLE mutex, long seed, long updates,
                           bool locked);
static int work(char *argv[]);
static bool wait_for_all(HANDLE *workers, long processes);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: how many processes, and how many updates each. */
    begin_program("table", "[--unlocked] [PROCESSES [UPDATES]]", &argv);
    if (argc == 7 && strcmp(argv[1], "--worker") == 0)
        return work(argv + 2);
    bool locked = !(argc > 1 && strcmp(argv[1], "--unlocked") == 0);
    char **words = argv + !locked;
    int count = argc - !locked;
    if (count > 3)
        usage_exit();
    long processes = TABLE_PROCESSES, updates = TABLE_UPDATES;
    if (count > 1)
        processes = parse_long("PROCESSES", words[1], 0, MAX_PROCESSES);
    if (count > 2)
        updates = parse_long("UPDATES", words[2], 0, MAX_UPDATES);

    /* STEP 2: Create the memory and the mutex. No name is needed if children inherit the
     * handles, which must be inheritable. */
    SECURITY_ATTRIBUTES inheritable = {sizeof inheritable, NULL, TRUE};
    HANDLE mapping = CreateFileMappingW(INVALID_HANDLE_VALUE, &inheritable,
                                        PAGE_READWRITE, 0, sizeof(struct table), NULL);
    if (mapping == NULL)
        sys_error("CreateFileMapping");
    HANDLE mutex = CreateMutexW(&inheritable, FALSE, NULL);
    if (mutex == NULL)
        sys_error("CreateMutex");
    struct table *table = map(mapping);

    /* STEP 3: Start the processes. Each inherits the handles, and gets their values as
     * arguments. */
    HANDLE workers[MAX_PROCESSES];
    for (long i = 0; i < processes; i++)
        workers[i] = start_worker(mapping, mutex, i + FIRST_STATE, updates, locked);
    log_event("table: %ld processes, %ld updates each", processes, updates);

    /* STEP 4: Wait for all of them, and add up. */
    bool ok = wait_for_all(workers, processes);
    long sum = 0;
    for (int i = 0; i < TABLE_CELLS; i++)
        sum += table->cells[i];
    log_event("table: sum %ld of %ld", sum, processes * updates);

    /* STEP 5: Unmap and close. */
    if (!UnmapViewOfFile((void *)table))
        sys_error("UnmapViewOfFile");
    if (!CloseHandle(mapping) || !CloseHandle(mutex))
        sys_error("CloseHandle");
    log_event("table: done");
    return ok && sum == processes * updates ? EXIT_SUCCESS : EXIT_FAILURE;
}

static struct table *map(HANDLE mapping)
{
    struct table *table = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0,
                                        sizeof *table);
    if (table == NULL)
        sys_error("MapViewOfFile");
    return table;
}

/* Starts this program again as a worker. An inherited handle has the same value there. */
static HANDLE start_worker(HANDLE mapping, HANDLE mutex, long seed, long updates,
                           bool locked)
{
    wchar_t path[MAX_PATH], command[MAX_PATH];
    DWORD length = GetModuleFileNameW(NULL, path, MAX_PATH);
    if (length == 0 || length == MAX_PATH)
        sys_error("GetModuleFileName");
    if (swprintf(command, MAX_PATH, L"table --worker %zu %zu %ld %ld %d", (size_t)mapping,
                 (size_t)mutex, seed, updates, (int)locked) < 0)
        sys_error_number("CreateProcess", ERROR_FILENAME_EXCED_RANGE);
    STARTUPINFOW start = {.cb = sizeof start};
    PROCESS_INFORMATION worker;
    if (!CreateProcessW(path, command, NULL, NULL, TRUE, 0, NULL, NULL, &start, &worker))
        sys_error("CreateProcess");
    if (!CloseHandle(worker.hThread))
        sys_error("CloseHandle");
    return worker.hProcess;
}

/* What each process does. An update is a load, an addition and a store. If another process
 * updates the cell between the load and the store, one of the two updates is lost. Without
 * the mutex, this yields the processor there, so that it happens on one processor, too. */
static int work(char *argv[])
{
    struct table *table = map((HANDLE)(size_t)strtoull(argv[0], NULL, 10));
    HANDLE mutex = (HANDLE)(size_t)strtoull(argv[1], NULL, 10);
    uint32_t seed = strtoul(argv[2], NULL, 10);
    long updates = strtol(argv[3], NULL, 10);
    bool locked = *argv[4] == '1';
    for (long i = 0; i < updates; i++) {
        unsigned cell = next_number(&seed) % TABLE_CELLS;
        /* Abandoned or not: a cell has changed or not, so there is nothing to repair. */
        if (locked && WaitForSingleObject(mutex, INFINITE) == WAIT_FAILED)
            sys_error("WaitForSingleObject");
        long value = table->cells[cell];
        if (!locked)
            SwitchToThread();
        table->cells[cell] = value + 1;
        if (locked && !ReleaseMutex(mutex))
            sys_error("ReleaseMutex");
    }
    return EXIT_SUCCESS;
}

/* Waits for the processes. Returns whether all of them exited with 0. */
static bool wait_for_all(HANDLE *workers, long processes)
{
    bool ok = true;
    for (long i = 0; i < processes; i++) {
        DWORD code;
        if (WaitForSingleObject(workers[i], INFINITE) == WAIT_FAILED)
            sys_error("WaitForSingleObject");
        if (!GetExitCodeProcess(workers[i], &code))
            sys_error("GetExitCodeProcess");
        if (!CloseHandle(workers[i]))
            sys_error("CloseHandle");
        if (code != 0) {
            log_error("a process did not do its work");
            ok = false;
        }
    }
    return ok;
}
