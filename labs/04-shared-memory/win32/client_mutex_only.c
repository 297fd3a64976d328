/*
 * client_mutex_only.c - read what is in shared memory, as the listing does.
 *
 * Usage: client_mutex_only [NAME [COUNT [PACE]]]
 *
 * Opens the shared memory NAME (MyFileMappingObject) that server_mutex_only, or the
 * report's server, has created. Prints COUNT times (15; 0: no limit) the number that is
 * there, new or not, every PACE milliseconds (1000). Ends early if server_mutex_only has
 * ended. Exit code 0, or 1 if there is no server, if it was killed, or if another call
 * fails.
 *
 * Mirrors listing 9 of the report. Counterpart: ../unix/client_mutex_only.c. A client
 * that reads each number once: client.c.
 * To try: see server_mutex_only.c.
 */
#include "contract.h"
#include "ipclab.h"

static struct slot *slot; /* the shared memory */
static HANDLE mutex, alive;

static void open_mutexes(const wchar_t *name);
static wchar_t *object_name(const wchar_t *format, const wchar_t *name);
static DWORD wait_for_end(DWORD milliseconds);
static void copy_number(char *text);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the name, how many numbers, and how often one. */
    begin_program("client", "[NAME [COUNT [PACE]]]", &argv);
    if (argc > 4 || (argc > 1 && *argv[1] == '\0'))
        usage_exit();
    wchar_t *name = to_utf16(argc > 1 ? argv[1] : DEFAULT_NAME);
    long count = argc > 2 ? parse_long("COUNT", argv[2], 0, MAX_COUNT) : CLIENT_COUNT;
    long pace = argc > 3 ? parse_long("PACE", argv[3], 0, MAX_PACE) : DEFAULT_PACE;

    /* STEP 2: Open the object. If there is no server, OpenFileMapping fails with
     * ERROR_FILE_NOT_FOUND. */
    HANDLE mapping = OpenFileMappingW(FILE_MAP_ALL_ACCESS, FALSE, name);
    if (mapping == NULL)
        sys_error("OpenFileMapping");

    /* STEP 3: Map it: from now on it is memory. */
    slot = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, sizeof *slot);
    if (slot == NULL)
        sys_error("MapViewOfFile");

    /* STEP 4: Open the mutex. (The listing goes on without one.) */
    open_mutexes(name);

    /* STEP 5: Copy the number that is there, and print it. Nothing shows whether it is
     * new. `alive` shows whether it may still be one of a server that runs. */
    for (long i = 0; count == 0 || i < count; i++) {
        DWORD result = wait_for_end(i == 0 ? 0 : (DWORD)pace);
        char text[TEXT_SIZE];
        copy_number(text);
        if (result == WAIT_ABANDONED) /* `alive` stays ours: the next sees it abandoned */
            fatal("the server was killed");
        if (result == WAIT_OBJECT_0) {
            if (!ReleaseMutex(alive))
                sys_error("ReleaseMutex");
            break;
        }
        log_text("client: received", text, strnlen(text, TEXT_SIZE));
    }

    /* STEP 6: Unmap the memory, and close everything. */
    if (!UnmapViewOfFile(slot))
        sys_error("UnmapViewOfFile");
    if ((alive != NULL && !CloseHandle(alive)) || !CloseHandle(mutex) ||
        !CloseHandle(mapping))
        sys_error("CloseHandle");
    free(name);
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Opens what the server has created. The report's server has no `alive`. */
static void open_mutexes(const wchar_t *name)
{
    bool usual = wcscmp(name, L"" DEFAULT_NAME) == 0;
    mutex = OpenMutexW(SYNCHRONIZE | MUTEX_MODIFY_STATE, FALSE,
                       usual ? DEFAULT_MUTEX_NAME : object_name(MUTEX_NAME, name));
    if (mutex == NULL)
        sys_error("OpenMutex");
    alive = OpenMutexW(SYNCHRONIZE | MUTEX_MODIFY_STATE, FALSE,
                       object_name(ALIVE_NAME, name));
}

/* Returns the name that `format` makes of `name`, until the next call. */
static wchar_t *object_name(const wchar_t *format, const wchar_t *name)
{
    static wchar_t full[NAME_SIZE];
    if (swprintf(full, NAME_SIZE, format, name) < 0)
        sys_error_number("OpenMutex", ERROR_FILENAME_EXCED_RANGE);
    return full;
}

/* Lets the time pass, or less if the server ends: then it returns WAIT_OBJECT_0, or
 * WAIT_ABANDONED if the server was killed, and this program owns `alive`. */
static DWORD wait_for_end(DWORD milliseconds)
{
    if (alive == NULL) {
        Sleep(milliseconds);
        return WAIT_TIMEOUT;
    }
    DWORD result = WaitForSingleObject(alive, milliseconds);
    if (result == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    return result;
}

/* Copies the number while it owns the mutex: meanwhile the server cannot write. If the
 * owner was killed, the number may be half written. */
static void copy_number(char *text)
{
    DWORD result = WaitForSingleObject(mutex, INFINITE);
    if (result == WAIT_FAILED)
        sys_error("WaitForSingleObject");
    if (result == WAIT_ABANDONED) {
        log_event("client: mutex abandoned");
        fatal("the number may be half written");
    }
    memcpy(text, slot->text, TEXT_SIZE);
    if (!ReleaseMutex(mutex))
        sys_error("ReleaseMutex");
}
