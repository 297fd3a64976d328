/*
 * server_robust.c - server.c, and what it takes if programs are killed.
 *
 * Usage: server_robust [NAME [COUNT]]
 *
 * As server.c. What is different (see with: make diff LAB=04 SYSTEM=unix):
 *   - It locks two bytes of the object. The kernel removes the locks when this program
 *     ends, also if it is killed. So a client can wait for that, and the next server knows
 *     a name that was left from a name in use. (A server without the locks looks killed.)
 *   - It does not use an old object: a client may still have it. It creates a new one.
 *   - Its mutex is robust. If the owner is killed, lock_mutex() gets EOWNERDEAD.
 *   - It looks at the memory before it waits: a client that was killed may have taken the
 *     post of `room`, and the memory keeps what the semaphore has lost.
 *   - It wakes the client first, and sets `unread` after that. Killed in between, it has
 *     woken a client for nothing. Killed in between in the other order, it would leave a
 *     number that no client comes to read.
 *   - It reserves the memory: without room for it, a store would end in SIGBUS.
 *
 * Counterpart: ../win32/server_robust.c. A client for it: client_robust.c.
 * To try: kill -9 the server, ls -l /dev/shm, and start it again.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "contract.h"
#include "ipclab.h"

static struct shared *shared; /* the shared memory: see contract.h */
static atomic_bool stopped;   /* Ctrl-C has come */

static int create_object(const char *path);
static bool lock_byte(int object, off_t byte);
static void map_object(int object);
static void create_sync_objects(void);
static void stop(void);
static bool wait_for_room(void);
static void write_number(unsigned number);
static void take_posts(sem_t *semaphore);
static void wake(sem_t *semaphore);
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

    /* STEP 2: Create the object. If another server uses the name, end: two servers would
     * overwrite each other's numbers. */
    char path[NAME_SIZE];
    if (snprintf(path, sizeof path, "/%s", name) >= NAME_SIZE)
        sys_error_number("shm_open", ENAMETOOLONG);
    int object = create_object(path);

    /* STEP 3: Give it a size, and map it: from now on it is memory. The object stays open:
     * close() would remove the locks. */
    map_object(object);

    /* STEP 4: Create the mutex and two semaphores, in the memory itself. The server posts
     * `value` when it has written a number. The client posts `room` when it has read it.
     * Set `state` last: before that, clients must use nothing of this. */
    create_sync_objects();
    end_on_interrupt(stop);
    signal(SIGPIPE, SIG_IGN); /* if nobody reads our output, go on */
    atomic_store(&shared->state, READY_LOCKED);
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
    if (shm_unlink(path) == -1)
        sys_error("shm_unlink");
    atomic_store(&shared->state, ENDED);
    wake(&shared->value);
    log_last("server: done");
    return EXIT_SUCCESS;
}

/* Creates the object and locks its bytes: this is the only server of the name. */
static int create_object(const char *path)
{
    for (;;) {
        int object = shm_open(path, O_RDWR | O_CREAT, 0600);
        if (object == -1)
            sys_error("shm_open");
        if (!lock_byte(object, LOCK_SERVER))
            fatal("another server uses the name %s", path + 1);
        struct stat status;
        if (fstat(object, &status) == -1)
            sys_error("fstat");
        if (status.st_nlink > 0 && status.st_size == 0 && lock_byte(object, LOCK_ALIVE))
            return object;
        /* A killed server has left it, or its server has just removed it (no link). */
        if (status.st_nlink > 0 && shm_unlink(path) == -1)
            sys_error("shm_unlink");
        if (close(object) == -1)
            sys_error("close");
    }
}

/* Returns false if another process has locked the byte. */
static bool lock_byte(int object, off_t byte)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    if (fcntl(object, F_SETLK, &lock) == 0)
        return true;
    if (errno != EAGAIN && errno != EACCES)
        sys_error("fcntl");
    return false;
}

/* A new object has 0 bytes, and an access to memory beyond its end kills a program with
 * SIGBUS. So does a store for which the system has no memory: unlike ftruncate(),
 * posix_fallocate() reserves it. */
static void map_object(int object)
{
    int error = posix_fallocate(object, 0, sizeof *shared);
    if (error != 0)
        sys_error_number("posix_fallocate", error);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
    if (shared == MAP_FAILED)
        sys_error("mmap");
}

/* Initializes the mutex and the semaphores. By default each is for the threads of one
 * process: both must be created as process-shared. */
static void create_sync_objects(void)
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
    if (sem_init(&shared->value, 1, 0) == -1 || sem_init(&shared->room, 1, 0) == -1)
        sys_error("sem_init");
}

/* Called on Ctrl-C, in a thread of its own: wakes main, which then ends the program. */
static void stop(void)
{
    atomic_store(&stopped, true);
    wake(&shared->room);
    for (;;)
        pause();
}

/* Waits until no unread number is in the memory. Returns false after Ctrl-C. A post
 * means only "look again", as stop() posts, too: `unread` decides. */
static bool wait_for_room(void)
{
    for (;;) {
        take_posts(&shared->room);
        if (atomic_load(&stopped))
            return false;
        lock_mutex();
        bool unread = atomic_load(&shared->slot.unread);
        unlock_mutex();
        if (!unread)
            return true;
        if (sem_wait(&shared->room) == -1 && errno != EINTR)
            sys_error("sem_wait");
    }
}

static void write_number(unsigned number)
{
    lock_mutex();
    snprintf(shared->slot.text, TEXT_SIZE, "%u", number);
    wake(&shared->value);
    atomic_store(&shared->slot.unread, 1);
    unlock_mutex();
}

/* Takes what has been posted so far: as this program looks before it waits, the posts that
 * it did not wait for would add up. Only the program that waits may do so, before it looks:
 * a post that comes later stays. */
static void take_posts(sem_t *semaphore)
{
    while (sem_trywait(semaphore) == 0 || errno == EINTR)
        continue;
    if (errno != EAGAIN)
        sys_error("sem_trywait");
}

/* Posts whatever the value is: if it is 1 already, the program that posted may have been
 * killed before it woke the sleeper. */
static void wake(sem_t *semaphore)
{
    if (sem_post(semaphore) == -1)
        sys_error("sem_post");
}

/* If the owner was killed, this program owns the mutex and must repair what it guards.
 * A client changes only `unread`, in one step, so nothing has to be repaired. Without
 * pthread_mutex_consistent() every later lock would fail with ENOTRECOVERABLE. */
static void lock_mutex(void)
{
    int error = pthread_mutex_lock(&shared->mutex);
    if (error == EOWNERDEAD) {
        log_event("server: mutex abandoned");
        error = pthread_mutex_consistent(&shared->mutex);
    }
    if (error != 0)
        sys_error_number("pthread_mutex_lock", error);
}

static void unlock_mutex(void)
{
    int error = pthread_mutex_unlock(&shared->mutex);
    if (error != 0)
        sys_error_number("pthread_mutex_unlock", error);
}
