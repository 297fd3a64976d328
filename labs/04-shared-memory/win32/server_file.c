/*
 * server_file.c - shared memory that stays: numbers into a file that is mapped.
 *
 * Usage: server_file [FILE [COUNT]]
 *
 * Maps FILE (numbers.map, made if need be) and appends COUNT numbers (15) to those that are in
 * it, going on in the sequence where the last server stopped, however that ended. Exit code 0.
 *
 * Nobody needs to wait for anybody: a number is never changed once it is counted, and a reader
 * looks at the count first. Its twin: ../unix/server_file.c. The file is the same on both.
 * To try: server_file f 3; client_file f; server_file f 3; client_file f.
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

static bool is_number(const wchar_t *text, long most);
static const char *utf8_of(const wchar_t *text);
static size_t size_for(size_t records);
static bool is_journal(const struct journal *head, size_t size);
static HANDLE open_alone(const wchar_t *name, size_t *size);
static void flush(struct journal *journal, size_t size, HANDLE file);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: the file, and how many numbers to add. */
    if (argc > 3 || (argc > 1 && *argv[1] == L'\0') ||
        (argc > 2 && !is_number(argv[2], MAX_RECORDS))) {
        say(stderr, "usage: server_file [FILE [COUNT]], COUNT from 0 to %d", MAX_RECORDS);
        return 2;
    }
    const wchar_t *name = argc > 1 ? argv[1] : L"" DEFAULT_FILE;
    size_t count = argc > 2 ? wcstoul(argv[2], NULL, 10) : FILE_COUNT;

    /* STEP 2: Open the file, for ourselves alone as far as writing goes. */
    size_t size;
    HANDLE file = open_alone(name, &size);

    /* STEP 3: Make the file as long as it will be, and map it. Here the mapping object makes the
     * file longer by itself, where that is what its size says. */
    struct journal head = {0};
    DWORD read = sizeof head;
    if (size > 0 && !ReadFile(file, &head, sizeof head, &read, NULL))
        fail("ReadFile");
    if (size > 0 && (read < sizeof head || !is_journal(&head, size))) {
        say(stderr, PROGRAM ": %s is not a file of numbers", utf8_of(name));
        return EXIT_FAILURE;
    }
    uint32_t first = head.count;
    if (size < size_for(first + count))
        size = size_for(first + count);
    HANDLE mapping = CreateFileMappingW(file, NULL, PAGE_READWRITE,
                                        (DWORD)((uint64_t)size >> 32), (DWORD)size, NULL);
    if (mapping == NULL)
        fail("CreateFileMapping");
    struct journal *journal = MapViewOfFile(mapping, FILE_MAP_WRITE, 0, 0, size);
    if (journal == NULL)
        fail("MapViewOfFile");
    say(stdout, "server: ready %s", utf8_of(name));

    /* STEP 4: Go on where the file stops. */
    uint32_t state = FIRST_STATE;
    for (uint32_t i = 0; i < first; i++)
        next_number(&state);

    /* STEP 5: Write each number, and only when it is safe count it: a server that is killed in
     * between, or a machine that loses its power, leaves no half number that is counted. */
    for (size_t i = first; i < first + count; i++) {
        unsigned number = next_number(&state);
        memset(journal->records[i], 0, RECORD_SIZE);
        snprintf(journal->records[i], RECORD_SIZE, "%u", number);
        flush(journal, size, file);
        atomic_store(&journal->count, (uint32_t)i + 1);
        flush(journal, size, file);
        say(stdout, "server: sent \"%u\"", number);
    }

    /* STEP 6: Unmap and close. What was written stays: it is the file. */
    if (!UnmapViewOfFile(journal))
        fail("UnmapViewOfFile");
    if (!CloseHandle(mapping) || !CloseHandle(file))
        fail("CloseHandle");
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

/* Whether a file of `size` bytes that begins with `head` is ours: what is somebody else's must
 * not be written into. */
static bool is_journal(const struct journal *head, size_t size)
{
    static const char nothing[sizeof head->unused];
    return memcmp(head->unused, nothing, sizeof nothing) == 0 &&
           size >= size_for(head->count);
}

static bool is_number(const wchar_t *text, long most)
{
    wchar_t *end;
    long number = wcstol(text, &end, 10);
    return *text >= L'0' && *text <= L'9' && *end == L'\0' && number <= most;
}

/* `text` for a line of the transcript, in UTF-8. It is good until the next call. */
static const char *utf8_of(const wchar_t *text)
{
    static char bytes[4 * MAX_PATH];
    if (WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, sizeof bytes, NULL, NULL) == 0)
        fail("WideCharToMultiByte");
    return bytes;
}

static size_t size_for(size_t records)
{
    return sizeof(struct journal) + records * RECORD_SIZE;
}

/* Opens the file that only one server at a time may have; tells its size. What others may do
 * with the file meanwhile is said when it is opened: read it. */
static HANDLE open_alone(const wchar_t *name, size_t *size)
{
    HANDLE file = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, NULL,
                              OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE)
        fail("CreateFile"); /* another server writes: error 32, a sharing violation */
    LARGE_INTEGER length;
    if (!GetFileSizeEx(file, &length))
        fail("GetFileSizeEx");
    *size = (size_t)length.QuadPart;
    return file;
}

/* Waits until what was changed is on the disk. Other processes need no flush: they see the same
 * pages at once. It is for those who come after a power failure. The view alone is written
 * "lazily": the file's own buffers come second. */
static void flush(struct journal *journal, size_t size, HANDLE file)
{
    if (!FlushViewOfFile(journal, size))
        fail("FlushViewOfFile");
    if (!FlushFileBuffers(file))
        fail("FlushFileBuffers");
}
