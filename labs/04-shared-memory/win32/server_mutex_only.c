/*
 * server_mutex_only.c - write random numbers into shared memory, as the listing does.
 *
 * Usage: server_mutex_only [NAME [COUNT [PACE]]]
 *
 * Creates the shared memory NAME (MyFileMappingObject). Writes COUNT numbers (0, the
 * default: no limit), one every PACE milliseconds (1000), read or not. Ends after the
 * last one, or on Ctrl-C. Exit code 0, or 1 if the name exists already or another call
 * fails.
 *
 * Mirrors listing 8 of the report, whose client can read from it. Counterpart:
 * ../unix/server_mutex_only.c. The mutex lets one program at a time into the memory. It
 * does not show whether a number has been read: server.c adds that.
 * To try: server_mutex_only N 0 20 in one window, client_mutex_only N 12 5 in another:
 * numbers repeat; client_mutex_only N 5 100: numbers are missing.
 */
#include "contract.h"
#include "ipclab.h"

static struct slot *slot; /* the shared memory */
static HANDLE mutex, alive;

static void create_mutexes(const wchar_t *name);
static wchar_t *object_name(const wchar_t *format, const wchar_t *name);
static void write_number(unsigned number);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the name, how many numbers, and how often one. */
    begin_program("server", "[NAME [COUNT [PACE]]]", &argv);
    if (argc > 4 || (argc > 1 && *argv[1] == '\0'))
        usage_exit();
    wchar_t *name = to_utf16(argc > 1 ? argv[1] : DEFAULT_NAME);
    long count = argc > 2 ? parse_long("COUNT", argv[2], 0, MAX_COUNT) : SERVER_COUNT;
    long pace = argc > 3 ? parse_long("PACE", argv[3], 0, MAX_PACE) : DEFAULT_PACE;

    /* STEP 2: Create the object. If the name exists, the call succeeds, and opens it. */
    HANDLE mapping = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0,
                                        sizeof *slot, name);
    if (mapping == NULL || GetLastError() == ERROR_ALREADY_EXISTS)
        sys_error("CreateFileMapping");

    /* STEP 3: Map it: from now on it is memory. It has its size, and contains zeros. */
    slot = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, sizeof *slot);
    if (slot == NULL)
        sys_error("MapViewOfFile");

    /* STEP 4: Create the mutex, an object with a name of its own. */
    HANDLE stopped = interrupt_event();
    create_mutexes(name);
    log_event("server: ready %s", argc > 1 ? argv[1] : DEFAULT_NAME);

    /* STEP 5: Write a number, and wait: PACE milliseconds, or until Ctrl-C. The mutex is
     * free meanwhile. (The listing sleeps while it owns the mutex: a reader gets it for a
     * moment each second.) */
    uint32_t generator = FIRST_STATE;
    DWORD result = WAIT_TIMEOUT;
    for (long i = 0; (count == 0 || i < count) && result == WAIT_TIMEOUT; i++) {
        unsigned number = next_number(&generator);
        write_number(number);
        log_event("server: sent \"%u\"", number);
        result = WaitForSingleObject(stopped, (DWORD)pace);
        if (result == WAIT_FAILED)
            sys_error("WaitForSingleObject");
    }

    /* STEP 6: Close everything. The system removes each object, with its name, with its
     * last handle and view. The release of `alive` shows clients the end. */
    if (!ReleaseMutex(alive))
        sys_error("ReleaseMutex");
    if (!UnmapViewOfFile(slot))
        sys_error("UnmapViewOfFile");
    if (!CloseHandle(alive) || !CloseHandle(mutex) || !CloseHandle(mapping))
        sys_error("CloseHandle");
    free(name);
    log_event("server: done");
    return EXIT_SUCCESS;
}

/* Creates the mutex of the listing; and `alive`, which this program owns until it ends:
 * clients look whether they can have it. */
static void create_mutexes(const wchar_t *name)
{
    bool usual = wcscmp(name, L"" DEFAULT_NAME) == 0;
    mutex = CreateMutexW(NULL, FALSE,
                         usual ? DEFAULT_MUTEX_NAME : object_name(MUTEX_NAME, name));
    if (mutex == NULL)
        sys_error("CreateMutex");
    alive = CreateMutexW(NULL, TRUE, object_name(ALIVE_NAME, name));
    if (alive == NULL)
        sys_error("CreateMutex");
    if (GetLastError() == ERROR_ALREADY_EXISTS && /* then TRUE has no effect */
        WaitForSingleObject(alive, INFINITE) == WAIT_FAILED)
        sys_error("WaitForSingleObject");
}

/* Returns the name that `format` makes of `name`, until the next call. */
static wchar_t *object_name(const wchar_t *format, const wchar_t *name)
{
    static wchar_t full[NAME_SIZE];
    if (swprintf(full, NAME_SIZE, format, name) < 0)
        sys_error_number("CreateMutex", ERROR_FILENAME_EXCED_RANGE);
    return full;
}

/* If the owner was killed, it was a reader, which changes nothing: go on. */
static void write_number(unsigned number)
{
    DWORD result = WaitForSingleObject(mutex, INFINITE);
    if (result == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    if (result == WAIT_ABANDONED)
        log_event("server: mutex abandoned");
    snprintf(slot->text, TEXT_SIZE, "%u", number);
    if (!ReleaseMutex(mutex))
        sys_error("ReleaseMutex");
}
