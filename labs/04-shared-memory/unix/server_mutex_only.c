/*
 * server_mutex_only.c - write random numbers into shared memory, as the listing does.
 *
 * Usage: server_mutex_only [NAME [COUNT [PACE]]]
 *
 * Creates the shared memory NAME (MyFileMappingObject). Writes COUNT numbers (0, the
 * default: no limit), one every PACE milliseconds (1000), read or not. Ends after the
 * last one, or on Ctrl-C, and removes NAME. Exit code 0, or 1 if the name exists already
 * or another call fails.
 *
 * Mirrors listing 8 of the report. Counterpart: ../win32/server_mutex_only.c. The mutex
 * lets one program at a time into the memory. It does not show whether a number has been
 * read: server.c adds that.
 * To try: server_mutex_only N 0 20 in one terminal, client_mutex_only N 12 5 in another:
 * numbers repeat; client_mutex_only N 5 100: numbers are missing.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>

#include "contract.h"
#include "ipclab.h"

static struct shared *shared; /* the shared memory */

static void lock_alive(int object);
static void create_mutex(void);
static void write_number(unsigned number);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the name, how many numbers, and how often one. */
    begin_program("server", "[NAME [COUNT [PACE]]]", &argv);
    if (argc > 4 || (argc > 1 && *argv[1] == '\0'))
        usage_exit();
    const char *name = argc > 1 ? argv[1] : DEFAULT_NAME;
    long count = argc > 2 ? parse_long("COUNT", argv[2], 0, MAX_COUNT) : SERVER_COUNT;
    long pace = argc > 3 ? parse_long("PACE", argv[3], 0, MAX_PACE) : DEFAULT_PACE;

    /* STEP 2: Create the object. O_EXCL makes it fail with EEXIST if the name exists. */
    char path[NAME_SIZE];
    if (snprintf(path, sizeof path, "/%s", name) >= NAME_SIZE)
        sys_error_number("shm_open", ENAMETOOLONG);
    int object = shm_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (object == -1)
        sys_error("shm_open");
    lock_alive(object);

    /* STEP 3: Give it a size, and map it: from now on it is memory. */
    if (ftruncate(object, sizeof *shared) == -1)
        sys_error("ftruncate");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
    if (shared == MAP_FAILED)
        sys_error("mmap");

    /* STEP 4: Create the mutex, in the memory itself. Only then let clients use it. */
    create_mutex();
    struct pollfd interrupt = {.fd = interrupt_event(), .events = POLLIN};
    signal(SIGPIPE, SIG_IGN); /* if nobody reads our output, go on */
    atomic_store(&shared->state, READY_LOCKED);
    log_event("server: ready %s", name);

    /* STEP 5: Write a number, and wait: PACE milliseconds, or until Ctrl-C. The mutex is
     * free meanwhile. (The listing sleeps while it owns the mutex: a reader gets it for a
     * moment each second.) */
    uint32_t generator = FIRST_STATE;
    for (long i = 0; (count == 0 || i < count) && interrupt.revents == 0; i++) {
        unsigned number = next_number(&generator);
        write_number(number);
        log_event("server: sent \"%u\"", number);
        if (poll(&interrupt, 1, (int)pace) == -1 && errno != EINTR)
            sys_error("poll");
    }

    /* STEP 6: Remove the name. Without shm_unlink() the object stays, also without any
     * process. close() removes the lock, which shows clients the end. */
    if (shm_unlink(path) == -1)
        sys_error("shm_unlink");
    atomic_store(&shared->state, ENDED);
    if (munmap(shared, sizeof *shared) == -1)
        sys_error("munmap");
    if (close(object) == -1)
        sys_error("close");
    log_event("server: done");
    return EXIT_SUCCESS;
}

/* Locks a byte of the object until this program ends: clients look for the lock. */
static void lock_alive(int object)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_ALIVE, .l_len = 1};
    if (fcntl(object, F_SETLK, &lock) == -1)
        sys_error("fcntl");
}

/* By default a mutex is for the threads of one process, and if its owner is killed,
 * no program gets it any more. */
static void create_mutex(void)
{
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);
    if (error == 0)
        error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (error == 0)
        error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (error == 0)
        error = pthread_mutex_init(&shared->mutex, &attributes);
    if (error != 0) /* these functions return the error, and leave errno alone */
        sys_error_number("pthread_mutex_init", error);
    pthread_mutexattr_destroy(&attributes);
}

/* If the owner was killed, it was a reader, which changes nothing: go on. */
static void write_number(unsigned number)
{
    int error = pthread_mutex_lock(&shared->mutex);
    if (error == EOWNERDEAD) {
        log_event("server: mutex abandoned");
        error = pthread_mutex_consistent(&shared->mutex);
    }
    if (error != 0)
        sys_error_number("pthread_mutex_lock", error);
    snprintf(shared->slot.text, TEXT_SIZE, "%u", number);
    error = pthread_mutex_unlock(&shared->mutex);
    if (error != 0)
        sys_error_number("pthread_mutex_unlock", error);
}
