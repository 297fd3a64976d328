/*
 * server_file.c - write random numbers into a file that is mapped: memory that stays.
 *
 * Usage: server_file [FILE [COUNT]]
 *
 * Maps FILE (numbers.map; created if it does not exist) and appends COUNT numbers (15).
 * They continue the sequence where the last server stopped, also if that was killed. Exit
 * code 0, or 1 if another server writes, if FILE contains something else, or if another
 * call fails.
 *
 * No program waits for another: a number does not change any more once it is counted, and a
 * reader looks at the count first. Counterpart: ../unix/server_file.c, with the same
 * file. For messages in one direction that are never deleted, this is enough.
 * To try: server_file f 3; client_file f; server_file f 3; client_file f.
 */

#include "contract.h"
#include "ipclab.h"

static size_t size_for(size_t records);
static bool is_journal(const struct journal *head, size_t size);
static HANDLE open_alone(const char *name, size_t *size);
static void flush(struct journal *journal, size_t size, HANDLE file);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the file, and how many numbers to append. */
    begin_program("server", "[FILE [COUNT]]", &argv);
    if (argc > 3 || (argc > 1 && *argv[1] == '\0'))
        usage_exit();
    const char *name = argc > 1 ? argv[1] : DEFAULT_FILE;
    size_t count = FILE_COUNT;
    if (argc > 2)
        count = (size_t)parse_long("COUNT", argv[2], 0, MAX_RECORDS);

    /* STEP 2: Open the file. Only one server at a time may write to it. */
    size_t size;
    HANDLE file = open_alone(name, &size);

    /* STEP 3: Give the file the size that it will need, and map it. CreateFileMapping
     * extends the file to the size of the mapping. */
    struct journal head = {0};
    DWORD read = sizeof head;
    if (size > 0 && !ReadFile(file, &head, sizeof head, &read, NULL))
        sys_error("ReadFile");
    if (size > 0 && (read < sizeof head || !is_journal(&head, size))) {
        fatal("%s is not a file of numbers", name);
    }
    uint32_t first = head.count;
    if (size < size_for(first + count))
        size = size_for(first + count);
    HANDLE mapping = CreateFileMappingW(file, NULL, PAGE_READWRITE,
                                        (DWORD)((uint64_t)size >> 32), (DWORD)size, NULL);
    if (mapping == NULL)
        sys_error("CreateFileMapping");
    struct journal *journal = MapViewOfFile(mapping, FILE_MAP_WRITE, 0, 0, size);
    if (journal == NULL)
        sys_error("MapViewOfFile");
    log_event("server: ready %s", name);

    /* STEP 4: Continue the sequence where the file ends. */
    uint32_t state = FIRST_STATE;
    for (uint32_t i = 0; i < first; i++)
        next_number(&state);

    /* STEP 5: Write each number, and count it only after it has been flushed. If the
     * server is killed in between, or the machine loses its power, no half number is
     * counted. */
    for (size_t i = first; i < first + count; i++) {
        unsigned number = next_number(&state);
        memset(journal->records[i], 0, RECORD_SIZE);
        snprintf(journal->records[i], RECORD_SIZE, "%u", number);
        flush(journal, size, file);
        atomic_store(&journal->count, (uint32_t)i + 1);
        flush(journal, size, file);
        log_event("server: sent \"%u\"", number);
    }

    /* STEP 6: Unmap and close. The numbers stay: they are the file's. */
    if (!UnmapViewOfFile(journal))
        sys_error("UnmapViewOfFile");
    if (!CloseHandle(mapping) || !CloseHandle(file))
        sys_error("CloseHandle");
    log_event("server: done");
    return EXIT_SUCCESS;
}

/* Returns whether a file of `size` bytes that begins with `head` can be ours. A file of
 * another program must not be changed. */
static bool is_journal(const struct journal *head, size_t size)
{
    static const char nothing[sizeof head->unused];
    return memcmp(head->unused, nothing, sizeof nothing) == 0 &&
           size >= size_for(head->count);
}

static size_t size_for(size_t records)
{
    return sizeof(struct journal) + records * RECORD_SIZE;
}

/* Opens the file, and returns its size in `size`. The share mode allows others to read it
 * meanwhile, and nothing else. */
static HANDLE open_alone(const char *name, size_t *size)
{
    wchar_t *path = to_utf16(name);
    HANDLE file = CreateFileW(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, NULL,
                              OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE)
        sys_error(
            "CreateFile"); /* error 32, a sharing violation: another server writes */
    free(path);
    LARGE_INTEGER length;
    if (!GetFileSizeEx(file, &length))
        sys_error("GetFileSizeEx");
    *size = (size_t)length.QuadPart;
    return file;
}

/* Waits until the changes are on the disk. Other processes see them at once, without this:
 * it is for the time after a power failure. FlushViewOfFile does not wait for the disk, so
 * FlushFileBuffers comes after it. */
static void flush(struct journal *journal, size_t size, HANDLE file)
{
    if (!FlushViewOfFile(journal, size))
        sys_error("FlushViewOfFile");
    if (!FlushFileBuffers(file))
        sys_error("FlushFileBuffers");
}
