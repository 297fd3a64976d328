/*
 * client.c - read random numbers from shared memory, each once.
 *
 * Usage: client [NAME [COUNT]]
 *
 * Opens the shared memory NAME (MyFileMappingObject) that a server has created. Reads and
 * prints COUNT numbers (15; 0: no limit), or all until the server ends. Exit code 0, or
 * 1 if there is no server or another call fails.
 *
 * Mirrors listing 9 of the report, which has the mutex alone, as client_mutex_only.c
 * has. Counterpart: ../win32/client.c.
 * Not here, but in client_robust.c: a server that is killed, also while it owns the
 * mutex; two clients at once; a client that is killed.
 * To try: server N 3 and client N; client N 2, twice; strace client N 3: which calls
 * carry the numbers?
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "contract.h"
#include "ipclab.h"

static struct shared *shared; /* the shared memory: see contract.h */

static void map_object(int object);
static bool read_number(char *text);
static void lock_mutex(void);
static void unlock_mutex(void);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the name of the memory, and how many numbers. */
    begin_program("client", "[NAME [COUNT]]", &argv);
    if (argc > 3 || (argc > 1 && *argv[1] == '\0'))
        usage_exit();
    const char *name = argc > 1 ? argv[1] : DEFAULT_NAME;
    long count = argc > 2 ? parse_long("COUNT", argv[2], 0, MAX_COUNT) : CLIENT_COUNT;

    /* STEP 2: Open the object. Without O_CREAT it must exist: if there is no server,
     * shm_open() fails with ENOENT. */
    // LEVEL 2: int object;
    char path[NAME_SIZE];
    if (snprintf(path, sizeof path, "/%s", name) >= NAME_SIZE)
        sys_error_number("shm_open", ENAMETOOLONG);
    int object = shm_open(path, O_RDWR, 0);
    if (object == -1)
        sys_error("shm_open");
    // END

    /* STEP 3: Map it: from now on it is memory. */
    map_object(object);
    if (close(object) == -1) /* the mapping stays */
        sys_error("close");

    /* STEP 4: Use the mutex and the two semaphores only if the server has created
     * them. */
    // LEVEL 2
    if (atomic_load(&shared->state) == BEING_MADE)
        fatal("the server of %s is not ready", name);
    // END

    /* STEP 5: Read the numbers, each when the server has written it. */
    char text[TEXT_SIZE];
    for (long i = 0; (count == 0 || i < count) && read_number(text); i++)
        log_text("client: received", text, strnlen(text, TEXT_SIZE));

    /* STEP 6: Unmap the memory. Its name is removed by the server. */
    // LEVEL 2
    if (munmap(shared, sizeof *shared) == -1)
        sys_error("munmap");
    // END
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Maps the object if it has its size already: an access to memory beyond its end would
 * kill this program with SIGBUS. MAP_SHARED, because with MAP_PRIVATE the first store
 * copies the memory, and the mutex would be ours alone. */
static void map_object(int object)
{
    // LEVEL 1
    struct stat status;
    if (fstat(object, &status) == -1)
        sys_error("fstat");
    if (status.st_size < (off_t)sizeof *shared)
        fatal("the server is not ready: the object has %ld bytes", (long)status.st_size);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
    if (shared == MAP_FAILED)
        sys_error("mmap");
    // END
}

/* Waits for a number and copies it to `text`. Returns false if the server has ended. A
 * post means only "look again", as the server posts at its end, too: `unread` and `state`
 * decide. After the end do not wait: one post may have been for the last number, too. */
static bool read_number(char *text)
{
    // LEVEL 2
    for (;;) {
        if (atomic_load(&shared->state) != ENDED && sem_wait(&shared->value) == -1)
            sys_error("sem_wait");
        /* Before the look at `unread`: after ENDED the server writes nothing. */
        bool ended = atomic_load(&shared->state) == ENDED;
        lock_mutex();
        bool unread = shared->slot.unread;
        if (unread) {
            memcpy(text, shared->slot.text, TEXT_SIZE);
            shared->slot.unread = 0;
            if (sem_post(&shared->room) == -1)
                sys_error("sem_post");
        }
        unlock_mutex();
        if (unread || ended)
            return unread;
    }
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
