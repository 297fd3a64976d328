/*
 * client_robust.c - client.c, and what it takes if programs are killed.
 *
 * Usage: client_robust [NAME [COUNT]]
 *
 * As client.c. If the server was killed, it reads the number that is left, reports the
 * kill, and exits with 1. What is different (see with: make diff LAB=04 SYSTEM=unix):
 *   - A thread waits for a lock that the server holds until it ends, also if it is killed.
 *     UNIX has no call that waits for a semaphore or for the end of a process.
 *   - It locks a byte, too: a second client is refused. A post wakes one of two clients,
 *     and if that one is killed before it looks, the other would not be woken.
 *   - If the owner of the mutex was killed, lock_mutex() gets EOWNERDEAD.
 *   - It looks at the memory before it waits: the client before may have taken the post of
 *     `value`, and been killed.
 *   - It wakes the server first, and resets `unread` after that: see server_robust.c.
 *
 * Counterpart: ../win32/client_robust.c.
 * To try: kill -9 the server while the client waits, or the client while the server waits;
 * two clients at once.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "contract.h"
#include "ipclab.h"

static struct shared *shared;   /* the shared memory: see contract.h */
static atomic_bool server_left; /* set by the thread that waits for it */

static void map_object(int object);
static void claim_place(int object);
static void watch_server(void *object);
static bool read_number(char *text);
static void take_posts(sem_t *semaphore);
static void wake(sem_t *semaphore);
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
    char path[NAME_SIZE];
    if (snprintf(path, sizeof path, "/%s", name) >= NAME_SIZE)
        sys_error_number("shm_open", ENAMETOOLONG);
    static int object; /* static: watch_server() may use it when main has returned */
    object = shm_open(path, O_RDWR, 0);
    if (object == -1)
        sys_error("shm_open");

    /* STEP 3: Map it: from now on it is memory. */
    map_object(object);

    /* STEP 4: Use the mutex and the two semaphores only if the server has created
     * them. */
    if (atomic_load(&shared->state) == BEING_MADE)
        fatal("the server of %s is not ready", name);
    claim_place(object);
    /* A server that is only READY holds no lock: its end cannot be waited for. */
    if (atomic_load(&shared->state) != READY && !start_thread(watch_server, &object))
        sys_error("pthread_create");

    /* STEP 5: Read the numbers, each when the server has written it. */
    char text[TEXT_SIZE];
    long i = 0;
    for (; (count == 0 || i < count) && read_number(text); i++)
        log_text("client: received", text, strnlen(text, TEXT_SIZE));
    if ((count == 0 || i < count) && atomic_load(&shared->state) != ENDED)
        fatal("the server was killed");

    /* STEP 6: The end of the program unmaps the memory: the thread may still use it. The
     * name is removed by the server. */
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Maps the object if it has its size already: an access to memory beyond its end would
 * kill this program with SIGBUS. MAP_SHARED, because with MAP_PRIVATE the first store
 * copies the memory, and the mutex would be ours alone. */
static void map_object(int object)
{
    struct stat status;
    if (fstat(object, &status) == -1)
        sys_error("fstat");
    if (status.st_size < (off_t)sizeof *shared)
        fatal("the server is not ready: the object has %ld bytes", (long)status.st_size);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
    if (shared == MAP_FAILED)
        sys_error("mmap");
}

/* Makes this program the one reader, until it ends. */
static void claim_place(int object)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_CLIENT, .l_len = 1};
    if (fcntl(object, F_SETLK, &lock) == 0)
        return;
    if (errno != EAGAIN && errno != EACCES)
        sys_error("fcntl");
    fatal("another client reads here");
}

/* The thread: gets the server's lock when the server has ended, and wakes main, which may
 * be waiting for a number that will never come. */
static void watch_server(void *object)
{
    struct flock lock = {
        .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = LOCK_ALIVE, .l_len = 1};
    while (fcntl(*(int *)object, F_SETLKW, &lock) == -1)
        if (errno != EINTR)
            sys_error("fcntl");
    atomic_store(&server_left, true);
    wake(&shared->value);
}

/* Waits for a number and copies it to `text`. Returns false if the server has ended. A
 * post means only "look again", as the server posts at its end, too: `unread` and `state`
 * decide. */
static bool read_number(char *text)
{
    for (;;) {
        take_posts(&shared->value);
        /* Before the look at `unread`: after its end the server writes nothing. */
        bool ended = atomic_load(&shared->state) == ENDED || atomic_load(&server_left);
        lock_mutex();
        bool unread = atomic_load(&shared->slot.unread);
        if (unread) {
            memcpy(text, shared->slot.text, TEXT_SIZE);
            wake(&shared->room);
            atomic_store(&shared->slot.unread, 0);
        }
        unlock_mutex();
        if (unread || ended)
            return unread;
        if (sem_wait(&shared->value) == -1 && errno != EINTR)
            sys_error("sem_wait");
    }
}

/* Takes what has been posted so far: see server_robust.c. */
static void take_posts(sem_t *semaphore)
{
    while (sem_trywait(semaphore) == 0 || errno == EINTR)
        continue;
    if (errno != EAGAIN)
        sys_error("sem_trywait");
}

/* Posts whatever the value is: see server_robust.c. */
static void wake(sem_t *semaphore)
{
    if (sem_post(semaphore) == -1)
        sys_error("sem_post");
}

/* If the owner was killed, this program owns the mutex and must repair what it guards.
 * Nothing has to be repaired: `unread` is set last, so a text that is marked as unread is
 * whole. Without pthread_mutex_consistent() every later lock would fail with
 * ENOTRECOVERABLE. */
static void lock_mutex(void)
{
    int error = pthread_mutex_lock(&shared->mutex);
    if (error == EOWNERDEAD) {
        log_event("client: mutex abandoned");
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
