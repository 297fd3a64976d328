/*
 * server_sysv.c - the same with System V: a segment, and a set of semaphores.
 *
 * Usage: server_sysv [KEY [COUNT]]
 *
 * Creates a shared memory segment and a semaphore set with the key KEY (0x4D79464D). Writes
 * COUNT numbers (0, the default: no limit), each when the one before has been read. Shows
 * what shmctl() reports and changes. Exit code 0, or 1 if another server uses KEY or
 * another call fails.
 *
 * System V is older than mmap(). It has a key instead of a name, and an identifier instead
 * of a descriptor. Its semaphores have two abilities that POSIX semaphores lack: one call
 * can change several of them in one step, and the kernel can undo the changes of a process
 * when it ends (SEM_UNDO). UNIX only.
 * To try: server_sysv & ipcs -m -s; kill -9 %1; ipcs -m -s; server_sysv.
 */
#include <signal.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "contract.h"
#include "ipclab.h"

static int set; /* the semaphores */
static struct segment *shared;
static atomic_bool stopped; /* Ctrl-C has come */

static key_t parse_key(const char *text);
static void claim_key(key_t key);
static void show_and_change(int segment);
static void stop(void);
static void change(unsigned short semaphore, short by, short flags);
static bool wait_for_room(void);
static void write_number(unsigned number);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the key, and how many numbers. */
    begin_program("server", "[KEY [COUNT]]", &argv);
    if (argc > 3)
        usage_exit();
    key_t key = argc > 1 ? parse_key(argv[1]) : DEFAULT_KEY;
    long count = argc > 2 ? parse_long("COUNT", argv[2], 0, MAX_COUNT) : SERVER_COUNT;

    /* STEP 2: Claim the key, and create the segment. */
    claim_key(key);
    int segment = shmget(key, sizeof *shared, IPC_CREAT | IPC_EXCL | 0600);
    if (segment == -1)
        sys_error("shmget");

    /* STEP 3: Attach it, as mmap() maps an object. */
    shared = shmat(segment, NULL, 0);
    if (shared == (void *)-1)
        sys_error("shmat");

    /* STEP 4: Let clients use it, and see what shmctl() can do. */
    end_on_interrupt(stop);
    signal(SIGPIPE, SIG_IGN); /* if nobody reads our output, go on */
    atomic_store(&shared->state, READY);
    log_event("server: ready 0x%X", (unsigned)key);
    show_and_change(segment);

    /* STEP 5: Write the numbers, each when the client has read the one before. */
    uint32_t generator = FIRST_STATE;
    for (long i = 0; (count == 0 || i < count) && wait_for_room(); i++) {
        unsigned number = next_number(&generator);
        write_number(number);
        log_event("server: sent \"%u\"", number);
    }

    /* STEP 6: Wait until the last number has been read, too. */
    wait_for_room();

    /* STEP 7: Detach and remove. Without IPC_RMID both stay until the machine is
     * restarted. The set is removed at once: a client that waits gets EIDRM, which shows it
     * the end. The segment is removed when the last process has detached it. */
    atomic_store(&shared->state, ENDED);
    if (shmdt(shared) == -1)
        sys_error("shmdt");
    if (shmctl(segment, IPC_RMID, NULL) == -1)
        sys_error("shmctl");
    if (semctl(set, 0, IPC_RMID) == -1)
        sys_error("semctl");
    log_last("server: done");
    return EXIT_SUCCESS;
}

/* Returns the key in `text`, a number as in C: 0x4D79464D is hexadecimal. */
static key_t parse_key(const char *text)
{
    char *end;
    long key = strtol(text, &end, 0);
    if (*text < '0' || *text > '9' || *end != '\0' || key < 1 || key > MAX_KEY)
        usage_exit();
    return (key_t)key;
}

/* Creates a new semaphore set, as the only server of the key. */
static void claim_key(key_t key)
{
    /* All operations are done in one step, or none. So no program comes between the test
     * that no server runs (SEM_ALIVE is 0) and the sign that this one does. The kernel undoes
     * the two with SEM_UNDO when this program ends, also if it is killed: SEM_ALIVE becomes
     * 0, and SEM_VALUE becomes 1, which wakes the client. */
    struct sembuf claim[] = {{SEM_ALIVE, 0, IPC_NOWAIT}, {SEM_ALIVE, 1, SEM_UNDO},
                             {SEM_MUTEX, 1, 0},          {SEM_CLIENT, 1, 0},
                             {SEM_VALUE, 1, 0},          {SEM_VALUE, -1, SEM_UNDO}};
    for (;;) {
        set = semget(key, SEM_COUNT, IPC_CREAT | IPC_EXCL | 0600);
        bool made = set != -1;
        if (!made && errno == EEXIST)
            set = semget(key, SEM_COUNT, 0);
        if (set == -1 && errno != ENOENT)
            sys_error("semget");
        if (set != -1 && semop(set, claim, sizeof claim / sizeof *claim) == 0) {
            if (made)
                break;
            /* A killed server has left it. Its client may still use it: create another. */
            if (semctl(set, 0, IPC_RMID) == -1)
                sys_error("semctl");
        } else if (errno == EAGAIN) {
            fatal("another server uses the key 0x%X", (unsigned)key);
        } else if (set != -1 && errno != EIDRM && errno != EINVAL) {
            sys_error("semop");
        } /* else it was removed just now: try again */
    }
    int old = shmget(key, 0, 0);
    if (old != -1 && shmctl(old, IPC_RMID, NULL) == -1)
        sys_error("shmctl");
}

static void show_and_change(int segment)
{
    struct shmid_ds status;
    if (shmctl(segment, IPC_STAT, &status) == -1)
        sys_error("shmctl");
    status.shm_perm.mode = 0640;
    if (shmctl(segment, IPC_SET, &status) == -1 ||
        shmctl(segment, IPC_STAT, &status) == -1)
        sys_error("shmctl");
    log_event("server: segment of %zu bytes, mode %o, attached by %lu", status.shm_segsz,
              (unsigned)status.shm_perm.mode & 0777, (unsigned long)status.shm_nattch);

    /* SHM_LOCK keeps it from being swapped out. It needs a privilege, or a limit
     * (RLIMIT_MEMLOCK) that is high enough. */
    if (shmctl(segment, SHM_LOCK, NULL) == -1)
        log_event("server: SHM_LOCK is not permitted: %s", strerror(errno));
    else if (shmctl(segment, SHM_UNLOCK, NULL) == -1)
        sys_error("shmctl");
    else
        log_event("server: locked in memory, and unlocked");
}

/* Called on Ctrl-C, in a thread of its own: wakes main, which then ends the program. */
static void stop(void)
{
    atomic_store(&stopped, true);
    struct sembuf wake = {.sem_num = SEM_ROOM, .sem_op = 1};
    (void)semop(set, &wake, 1); /* fails if main has just removed the set */
    for (;;)
        pause();
}

/* Adds `by` to a semaphore. Waits if the result would be below 0. */
static void change(unsigned short semaphore, short by, short flags)
{
    struct sembuf operation = {.sem_num = semaphore, .sem_op = by, .sem_flg = flags};
    while (semop(set, &operation, 1) == -1)
        if (errno != EINTR) /* as after Ctrl-Z and fg */
            sys_error("semop");
}

/* Waits until no unread number is in the memory. Returns false after Ctrl-C. SEM_ROOM means
 * only "look again": `unread` decides. If the owner of the mutex was killed, the kernel has
 * released it (SEM_UNDO), and reports it to no program. */
static bool wait_for_room(void)
{
    while (!atomic_load(&stopped)) {
        change(SEM_MUTEX, -1, SEM_UNDO);
        bool unread = atomic_load(&shared->slot.unread);
        change(SEM_MUTEX, 1, SEM_UNDO);
        if (!unread)
            return true;
        change(SEM_ROOM, -1, 0);
    }
    return false;
}

/* The wake-up has no SEM_UNDO: the kernel would take it back. And it comes only if there is
 * none yet: unlike sem_post(), semop() is done whole or not at all. */
static void write_number(unsigned number)
{
    change(SEM_MUTEX, -1, SEM_UNDO);
    snprintf(shared->slot.text, TEXT_SIZE, "%u", number);
    if (semctl(set, SEM_VALUE, GETVAL) == 0)
        change(SEM_VALUE, 1, 0);
    atomic_store(&shared->slot.unread, 1);
    change(SEM_MUTEX, 1, SEM_UNDO);
}
