/*
 * client_file.c - read the numbers that stand in a mapped file.
 *
 * Usage: client_file [FILE [COUNT]]
 *
 * Maps FILE (numbers.map) and tells of the first COUNT numbers in it (0: all that are there
 * now), whether their server still writes, has ended, or was killed. Exit code 0; 1 if there
 * is no such file, or it is no file of numbers.
 *
 * Its twin: ../win32/client_file.c. To try: see server_file.c.
 */
#define PROGRAM "client"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static bool is_number(const char *text, long most);
static size_t size_of(int file);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: the file, and how many numbers to read. */
    if (argc > 3 || (argc > 1 && *argv[1] == '\0') ||
        (argc > 2 && !is_number(argv[2], MAX_RECORDS))) {
        say(stderr, "usage: client_file [FILE [COUNT]], COUNT from 0 to %d", MAX_RECORDS);
        return 2;
    }
    const char *name = argc > 1 ? argv[1] : DEFAULT_FILE;
    size_t wanted = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

    /* STEP 2: Open the file, and look how long it is. */
    int file = open(name, O_RDONLY | O_CLOEXEC);
    if (file == -1)
        fail("open");
    size_t size = size_of(file);

    /* STEP 3: Map it, to be read only. The count comes first: with it (and the acquire that an
     * atomic load is) come all the numbers that it counts. A file may hold anything, so what
     * it says of itself is not believed before it has been compared with its length; as that
     * is now, for the server may have made it longer. What came since is not in our view. */
    const struct journal *journal = NULL;
    size_t count = 0;
    if (size >= sizeof *journal) {
        journal = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
        if (journal == MAP_FAILED)
            fail("mmap");
        count = atomic_load(&journal->count);
    }
    if (journal == NULL || count > (size_of(file) - sizeof *journal) / RECORD_SIZE) {
        say(stderr, PROGRAM ": %s is not a file of numbers", name);
        exit(EXIT_FAILURE);
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
    if (munmap((void *)journal, size) == -1)
        fail("munmap");
    if (close(file) == -1)
        fail("close");
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

static bool is_number(const char *text, long most)
{
    char *end;
    long number = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && number <= most;
}

static size_t size_of(int file)
{
    struct stat facts;
    if (fstat(file, &facts) == -1)
        fail("fstat");
    return (size_t)facts.st_size;
}
