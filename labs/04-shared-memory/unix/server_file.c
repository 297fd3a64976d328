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
 * reader looks at the count first. Counterpart: ../win32/server_file.c, with the same
 * file. For messages in one direction that are never deleted, this is enough.
 * To try: server_file f 3; client_file f; server_file f 3; client_file f; od -c f.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "contract.h"
#include "ipclab.h"

static size_t size_for(size_t records);
static bool is_journal(const struct journal *head, size_t size);
static int open_alone(const char *name, size_t *size);
static void flush(struct journal *journal, size_t size);

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
    int file = open_alone(name, &size);

    /* STEP 3: Give the file the size that it will need, and map it. An access beyond the
     * last page of the file kills a program with SIGBUS. So does a store for which the
     * disk has no room: unlike ftruncate(), posix_fallocate() reserves it. */
    struct journal head = {0};
    if (size > 0 &&
        (pread(file, &head, sizeof head, 0) != sizeof head || !is_journal(&head, size))) {
        fatal("%s is not a file of numbers", name);
    }
    uint32_t first = head.count;
    if (size < size_for(first + count))
        size = size_for(first + count);
    int error = posix_fallocate(file, 0, (off_t)size);
    if (error != 0)
        sys_error_number("posix_fallocate", error);
    struct journal *journal = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file,
                                   0);
    if (journal == MAP_FAILED)
        sys_error("mmap");
    signal(SIGPIPE, SIG_IGN); /* if nobody reads our output, go on */
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
        flush(journal, size);
        atomic_store(&journal->count, (uint32_t)i + 1);
        flush(journal, size);
        log_event("server: sent \"%u\"", number);
    }

    /* STEP 6: Unmap and close. The numbers stay: they are the file's. */
    if (munmap(journal, size) == -1)
        sys_error("munmap");
    if (close(file) == -1)
        sys_error("close");
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

/* Opens and locks the file, and returns its size in `size`. */
static int open_alone(const char *name, size_t *size)
{
    int file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file == -1)
        sys_error("open");
    /* The lock stops only programs that ask for it. The kernel removes it when this
     * program ends. */
    if (flock(file, LOCK_EX | LOCK_NB) == -1) {
        if (errno != EWOULDBLOCK)
            sys_error("flock");
        fatal("another server writes to %s", name);
    }
    struct stat facts;
    if (fstat(file, &facts) == -1)
        sys_error("fstat");
    *size = (size_t)facts.st_size;
    return file;
}

/* Waits until the changes are on the disk. Other processes see them at once, without
 * msync(): it is for the time after a power failure. */
static void flush(struct journal *journal, size_t size)
{
    if (msync(journal, size, MS_SYNC) == -1)
        sys_error("msync");
}
