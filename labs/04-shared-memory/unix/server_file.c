/*
 * server_file.c - shared memory that stays: numbers into a file that is mapped.
 *
 * Usage: server_file [FILE [COUNT]]
 *
 * Maps FILE (numbers.map, made if need be) and appends COUNT numbers (15) to those that are in
 * it, going on in the sequence where the last server stopped, however that ended. Exit code 0.
 *
 * Nobody needs to wait for anybody: a number is never changed once it is counted, and a reader
 * looks at the count first. Its twin: ../win32/server_file.c. The file is the same on both.
 * To try: server_file f 3; client_file f; server_file f 3; client_file f; od -c f.
 */
#define PROGRAM "server"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static bool is_number(const char *text, long most);
static size_t size_for(size_t records);
static bool is_journal(const struct journal *head, size_t size);
static int open_alone(const char *name, size_t *size);
static void flush(struct journal *journal, size_t size);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: the file, and how many numbers to add. */
    if (argc > 3 || (argc > 1 && *argv[1] == '\0') ||
        (argc > 2 && !is_number(argv[2], MAX_RECORDS))) {
        say(stderr, "usage: server_file [FILE [COUNT]], COUNT from 0 to %d", MAX_RECORDS);
        return 2;
    }
    const char *name = argc > 1 ? argv[1] : DEFAULT_FILE;
    size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : FILE_COUNT;

    /* STEP 2: Open the file, for ourselves alone as far as writing goes. */
    size_t size;
    int file = open_alone(name, &size);

    /* STEP 3: Make the file as long as it will be, and map it. Memory beyond the last page of a
     * file has no place to go: whoever touches it dies of SIGBUS. No more has what ftruncate would
     * add, a hole, once the disk is full: posix_fallocate asks for the room, or is refused. */
    struct journal head = {0};
    if (size > 0 &&
        (pread(file, &head, sizeof head, 0) != sizeof head || !is_journal(&head, size))) {
        say(stderr, PROGRAM ": %s is not a file of numbers", name);
        return EXIT_FAILURE;
    }
    uint32_t first = head.count;
    if (size < size_for(first + count))
        size = size_for(first + count);
    int error = posix_fallocate(file, 0, (off_t)size);
    if (error != 0)
        fail_with(error, "posix_fallocate");
    struct journal *journal = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file,
                                   0);
    if (journal == MAP_FAILED)
        fail("mmap");
    say(stdout, "server: ready %s", name);

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
        flush(journal, size);
        atomic_store(&journal->count, (uint32_t)i + 1);
        flush(journal, size);
        say(stdout, "server: sent \"%u\"", number);
    }

    /* STEP 6: Unmap and close. What was written stays: it is the file. */
    if (munmap(journal, size) == -1)
        fail("munmap");
    if (close(file) == -1)
        fail("close");
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

static bool is_number(const char *text, long most)
{
    char *end;
    long number = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && number <= most;
}

/* Whether a file of `size` bytes that begins with `head` is ours: what is somebody else's must
 * not be written into. */
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

/* Opens the file that only one server at a time may have; tells its size. */
static int open_alone(const char *name, size_t *size)
{
    int file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file == -1)
        fail("open");
    /* A lock on the file binds those who ask for it, and goes with its owner. */
    if (flock(file, LOCK_EX | LOCK_NB) == -1) {
        if (errno != EWOULDBLOCK)
            fail("flock");
        say(stderr, PROGRAM ": another server writes to %s", name);
        exit(EXIT_FAILURE);
    }
    struct stat facts;
    if (fstat(file, &facts) == -1)
        fail("fstat");
    *size = (size_t)facts.st_size;
    return file;
}

/* Waits until what was changed is on the disk. Other processes need no msync: they see the
 * same pages at once. It is for those who come after a power failure. */
static void flush(struct journal *journal, size_t size)
{
    if (msync(journal, size, MS_SYNC) == -1)
        fail("msync");
}
