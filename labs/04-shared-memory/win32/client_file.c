/*
 * client_file.c - read the numbers in a file that is mapped.
 *
 * Usage: client_file [FILE [COUNT]]
 *
 * Maps FILE (numbers.map) and prints the first COUNT numbers in it (0, the default: all
 * that are there now). Its server may run, have ended, or have been killed. Exit code 0,
 * or 1 if there is no such file or it contains something else.
 *
 * Counterpart: ../unix/client_file.c. To try: see server_file.c.
 */

#include "contract.h"
#include "ipclab.h"

static size_t size_of(HANDLE file);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the file, and how many numbers to read. */
    begin_program("client", "[FILE [COUNT]]", &argv);
    if (argc > 3 || (argc > 1 && *argv[1] == '\0'))
        usage_exit();
    wchar_t *name = to_utf16(argc > 1 ? argv[1] : DEFAULT_FILE);
    size_t wanted = 0;
    if (argc > 2)
        wanted = (size_t)parse_long("COUNT", argv[2], 0, MAX_RECORDS);

    /* STEP 2: Open the file, and get its size. Without FILE_SHARE_WRITE the call fails
     * while a server has the file open for writing. */
    HANDLE file = CreateFileW(name, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE,
                              NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE)
        sys_error("CreateFile");
    free(name);
    size_t size = size_of(file);

    /* STEP 3: Map it, for reading only. Read the count first: after an atomic load that
     * returns a count, all numbers that it counts can be read. The file may contain
     * anything, so compare the count with the size before you use it: with the size now,
     * because a server may have made the file longer. Numbers that were added since STEP 2
     * are not in this mapping. */
    const struct journal *journal = NULL;
    HANDLE mapping = NULL;
    size_t count = 0;
    if (size >= sizeof *journal) {
        mapping = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
        if (mapping == NULL)
            sys_error("CreateFileMapping");
        journal = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, size);
        if (journal == NULL)
            sys_error("MapViewOfFile");
        count = atomic_load(&journal->count);
    }
    if (journal == NULL || count > (size_of(file) - sizeof *journal) / RECORD_SIZE) {
        fatal("this is not a file of numbers");
    }
    if (count > (size - sizeof *journal) / RECORD_SIZE)
        count = (size - sizeof *journal) / RECORD_SIZE;

    /* STEP 4: Print the numbers. */
    for (size_t i = 0; i < count && (wanted == 0 || i < wanted); i++) {
        const char *record = journal->records[i];
        log_text("client: received", record, strnlen(record, RECORD_SIZE));
    }

    /* STEP 5: Unmap and close. */
    if (!UnmapViewOfFile(journal))
        sys_error("UnmapViewOfFile");
    if (!CloseHandle(mapping) || !CloseHandle(file))
        sys_error("CloseHandle");
    log_event("client: done");
    return EXIT_SUCCESS;
}

static size_t size_of(HANDLE file)
{
    LARGE_INTEGER size;
    if (!GetFileSizeEx(file, &size))
        sys_error("GetFileSizeEx");
    return (size_t)size.QuadPart;
}
