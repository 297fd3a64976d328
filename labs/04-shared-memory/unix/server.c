/*
 * server.c - write random numbers into shared memory, each for one reader.
 *
 * Usage: server [NAME [COUNT]]
 *
 * Creates the shared memory NAME (MyFileMappingObject). Writes COUNT numbers (0, the
 * default: no limit), each when the one before has been read. Ends when the last number
 * has been read, or on Ctrl-C, and removes NAME. Exit code 0, or 1 if the name exists
 * already or another call fails.
 *
 * Mirrors listing 8 of the report, which has the mutex alone, as server_mutex_only.c
 * has. Counterpart: ../win32/server.c. Other ways to share: server_file.c (a file that
 * stays), server_sysv.c (System V), server_rwlock.c (many readers).
 * Not here, but in server_robust.c: the memory of a server that was killed; a reader
 * that is killed, also while it owns the mutex.
 * To try: server N 3 in one terminal, ls -l /dev/shm and client N in another; two
 * servers at once; kill -9 the server, and start it again.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include "contract.h"
#include "ipclab.h"

static struct shared *shared; /* the shared memory: see contract.h */
static atomic_bool stopped;   /* Ctrl-C has come */

static void map_object(int object);
static void create_sync_objects(void);
static void stop(void);
static bool wait_for_room(void);
static void write_number(unsigned number);
static void lock_mutex(void);
static void unlock_mutex(void);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the name of the memory, and how many numbers. */
    begin_program("server", "[NAME [COUNT]]", &argv);
    if (argc > 3 || (argc > 1 && *argv[1] == '\0'))
        usage_exit();
    const char *name = argc > 1 ? argv[1] : DEFAULT_NAME;
    long count = argc > 2 ? parse_long("COUNT", argv[2], 0, MAX_COUNT) : SERVER_COUNT;

    /* STEP 2: Create the object. O_EXCL: if the name exists, fail with EEXIST. */
    // LEVEL 2: char path[NAME_SIZE]; int object;
    char path[NAME_SIZE];
    if (snprintf(path, sizeof path, "/%s", name) >= NAME_SIZE)
        sys_error_number("shm_open", ENAMETOOLONG);
    int object = shm_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (object == -1)
        sys_error("shm_open");
    // END

    /* STEP 3: Give it a size, and map it: from now on it is memory. */
    map_object(object);

    /* STEP 4: Create the mutex and the semaphores `value` and `room` in the memory itself.
     * Set `state` last: before that, clients must use nothing of this. */
    create_sync_objects();
    end_on_interrupt(stop);
    signal(SIGPIPE, SIG_IGN); /* if nobody reads our output, go on */
    atomic_store(&shared->state, READY);
    log_event("server: ready %s", name);

    /* STEP 5: Write the numbers, each when the client has read the one before. */
    uint32_t generator = FIRST_STATE;
    for (long i = 0; (count == 0 || i < count) && wait_for_room(); i++) {
        unsigned number = next_number(&generator);
        write_number(number);
        log_event("server: sent \"%u\"", number);
    }

    /* STEP 6: Wait until the last number has been read, too. */
    wait_for_room();

    /* STEP 7: Remove the name, and wake the client, which sees ENDED. Without
     * shm_unlink() the object stays, also without any process. The memory itself is freed
     * when no process maps it any more. (stop() may still use it: so no munmap() here.) */
    // LEVEL 2
    if (shm_unlink(path) == -1)
        sys_error("shm_unlink");
    atomic_store(&shared->state, ENDED);
    if (sem_post(&shared->value) == -1)
        sys_error("sem_post");
    // END
    log_last("server: done");
    return EXIT_SUCCESS;
}

/* A new object has 0 bytes, and an access to memory beyond its end kills a program with
 * SIGBUS. */
static void map_object(int object)
{
    // LEVEL 1
    if (ftruncate(object, sizeof *shared) == -1)
        sys_error("ftruncate");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
    if (shared == MAP_FAILED)
        sys_error("mmap");
    if (close(object) == -1) /* the mapping stays */
        sys_error("close");
    // END
}

/* Initializes the mutex and the semaphores. By default each is for the threads of one
 * process: both must be created as process-shared. */
static void create_sync_objects(void)
{
    // LEVEL 2
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);
    if (error == 0)
        error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (error == 0)
        error = pthread_mutex_init(&shared->mutex, &attributes);
    if (error != 0) /* these functions return the error, and leave errno alone */
        sys_error_number("pthread_mutex_init", error);
    pthread_mutexattr_destroy(&attributes);
    if (sem_init(&shared->value, 1, 0) == -1 || sem_init(&shared->room, 1, 1) == -1)
        sys_error("sem_init");
    // END
}

/* Called on Ctrl-C, in a thread of its own: wakes main, which then ends the program. */
static void stop(void)
{
    atomic_store(&stopped, true);
    sem_post(&shared->room);
    for (;;)
        pause();
}

/* Waits until no unread number is in the memory. Returns false after Ctrl-C. A post
 * means only "look again", as stop() posts, too: `unread` decides. */
static bool wait_for_room(void)
{
    // LEVEL 2
    bool unread = true;
    while (unread && !atomic_load(&stopped)) {
        if (sem_wait(&shared->room) == -1)
            sys_error("sem_wait");
        lock_mutex();
        unread = shared->slot.unread;
        unlock_mutex();
    }
    return !atomic_load(&stopped);
    // END
}

static void write_number(unsigned number)
{
    // LEVEL 2
    lock_mutex();
    snprintf(shared->slot.text, TEXT_SIZE, "%u", number);
    shared->slot.unread = 1;
    if (sem_post(&shared->value) == -1)
        sys_error("sem_post");
    unlock_mutex();
    // END
}

static void lock_mutex(void)
{
    // LEVEL 2
    int error = pthread_mutex_lock(&shared->mutex);
    if (error != 0)
        sys_error_number("pthread_mutex_lock", error);
    // END
}

static void unlock_mutex(void)
{
    // LEVEL 2
    int error = pthread_mutex_unlock(&shared->mutex);
    if (error != 0)
        sys_error_number("pthread_mutex_unlock", error);
    // END
}
