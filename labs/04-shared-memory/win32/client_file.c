/*
 * client_file.c - read the numbers that stand in a mapped file.
 *
 * Usage: client_file [FILE [COUNT]]
 *
 * Maps FILE (numbers.map) and tells of the first COUNT numbers in it (0: all that are there
 * now), whether their server still writes, has ended, or was killed. Exit code 0; 1 if there
 * is no such file, or it is no file of numbers.
 *
 * Its twin: ../unix/client_file.c. To try: see server_file.c.
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

static bool is_number(const wchar_t *text, long most);
static size_t size_of(HANDLE file);

int wmain(int argc, wchar_t *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: the file, and how many numbers to read. */
    if (argc > 3 || (argc > 1 && *argv[1] == L'\0') ||
        (argc > 2 && !is_number(argv[2], MAX_RECORDS))) {
        say(stderr, "usage: client_file [FILE [COUNT]], COUNT from 0 to %d", MAX_RECORDS);
        return 2;
    }
    const wchar_t *name = argc > 1 ? argv[1] : L"" DEFAULT_FILE;
    size_t wanted = argc > 2 ? wcstoul(argv[2], NULL, 10) : 0;

    /* STEP 2: Open the file, and look how long it is. Who does not let others write while he
     * reads cannot open what a server has open. */
    HANDLE file = CreateFileW(name, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE,
                              NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE)
        fail("CreateFile");
    size_t size = size_of(file);

    /* STEP 3: Map it, to be read only. The count comes first: with it (and the acquire that an
     * atomic load is) come all the numbers that it counts. A file may hold anything, so what
     * it says of itself is not believed before it has been compared with its length; as that
     * is now, for the server may have made it longer. What came since is not in our view. */
    const struct journal *journal = NULL;
    HANDLE mapping = NULL;
    size_t count = 0;
    if (size >= sizeof *journal) {
        mapping = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
        if (mapping == NULL)
            fail("CreateFileMapping");
        journal = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, size);
        if (journal == NULL)
            fail("MapViewOfFile");
        count = atomic_load(&journal->count);
    }
    if (journal == NULL || count > (size_of(file) - sizeof *journal) / RECORD_SIZE) {
        say(stderr, PROGRAM ": this is not a file of numbers");
        return EXIT_FAILURE;
    }
    if (count > (size - sizeof *journal) / RECORD_SIZE)
        count = (size - sizeof *journal) / RECORD_SIZE;

    /* STEP 4: Tell of the numbers. */
    for (size_t i = 0; i < count && (wanted == 0 || i < wanted); i++) {
        const char *record = journal->records[i];
        char *line = quoted(record, strnlen(record, RECORD_SIZE));
        say(stdout, "client: received %s", line);
        free(line);
    }

    /* STEP 5: Unmap and close. */
    if (!UnmapViewOfFile(journal))
        fail("UnmapViewOfFile");
    if (!CloseHandle(mapping) || !CloseHandle(file))
        fail("CloseHandle");
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

static bool is_number(const wchar_t *text, long most)
{
    wchar_t *end;
    long number = wcstol(text, &end, 10);
    return *text >= L'0' && *text <= L'9' && *end == L'\0' && number <= most;
}

static size_t size_of(HANDLE file)
{
    LARGE_INTEGER size;
    if (!GetFileSizeEx(file, &size))
        fail("GetFileSizeEx");
    return (size_t)size.QuadPart;
}
