/*
 * server_sysv.c - the same hand-off by System V: a segment, and a set of semaphores.
 *
 * Usage: server_sysv [KEY [COUNT]]
 *
 * Makes a shared memory segment and a semaphore set under KEY (0x4D79464D) and writes COUNT
 * numbers (0: until Ctrl-C), each when the one before has been read; shows what shmctl can
 * tell and do. Exit code 0.
 *
 * System V is older than mmap: a key in place of a name, an identifier in place of a descriptor,
 * and semaphores that know two things which POSIX lacks: several can be changed in one step,
 * and what a process has changed can be taken back by the kernel when it dies (SEM_UNDO).
 * No twin on Windows. To try: server_sysv & ipcs -m -s; kill -9 %1; ipcs -m -s; server_sysv.
 */
#define PROGRAM "server"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static int set; /* the semaphores */
static struct segment *shared;
static volatile sig_atomic_t stopped;

static bool is_number(const char *text, unsigned long most);
static void claim(key_t key);
static void show_and_change(int segment);
static void on_stop(int number);
static void change(unsigned short semaphore, short by, short flags);
static void wait_for_room(void);
static bool write_number(unsigned number);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: the key, and how many numbers. */
    if (argc > 3 ||
        (argc > 1 &&
         (!is_number(argv[1], 0x7fffffff) || strtol(argv[1], NULL, 0) == 0)) ||
        (argc > 2 && !is_number(argv[2], MAX_COUNT))) {
        say(stderr,
            "usage: server_sysv [KEY [COUNT]], KEY a number from 1, COUNT from 0 to %d",
            MAX_COUNT);
        return 2;
    }
    key_t key = argc > 1 ? (key_t)strtol(argv[1], NULL, 0) : DEFAULT_KEY;
    long count = argc > 2 ? atol(argv[2]) : SERVER_COUNT;

    /* STEP 2: Claim the key, and make the segment. */
    claim(key);
    int segment = shmget(key, sizeof *shared, IPC_CREAT | IPC_EXCL | 0600);
    if (segment == -1)
        fail("shmget");

    /* STEP 3: Attach it: the mmap of System V. */
    shared = shmat(segment, NULL, 0);
    if (shared == (void *)-1)
        fail("shmat");

    /* STEP 4: Let clients come, and see what shmctl can do. */
    /* SA_RESTART: see server.c. */
    struct sigaction action = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    if (sigaction(SIGINT, &action, NULL) == -1 || sigaction(SIGTERM, &action, NULL) == -1)
        fail("sigaction");
    atomic_store(&shared->state, READY);
    say(stdout, "server: ready 0x%X", (unsigned)key);
    show_and_change(segment);

    /* STEP 5: Write the numbers, each when the reader has made room for it. */
    uint32_t state = FIRST_STATE;
    for (long written = 0; count == 0 || written < count; written++) {
        unsigned number = next_number(&state);
        if (!write_number(number))
            break;
        say(stdout, "server: sent \"%u\"", number);
    }

    /* STEP 6: Wait until the last number has been read too. */
    wait_for_room();

    /* STEP 7: Detach and remove. Without IPC_RMID both stay until the machine is restarted. The
     * set goes at once, and whoever waits for it gets EIDRM: so the client learns of the end.
     * The segment goes when the last process detaches it. */
    atomic_store(&shared->state, ENDED);
    if (shmdt(shared) == -1)
        fail("shmdt");
    if (shmctl(segment, IPC_RMID, NULL) == -1)
        fail("shmctl");
    if (semctl(set, 0, IPC_RMID) == -1)
        fail("semctl");
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

static bool is_number(const char *text, unsigned long most)
{
    char *end;
    unsigned long number = strtoul(text, &end, 0);
    return *text >= '0' && *text <= '9' && *end == '\0' && number <= most;
}

/* Makes the semaphore set, new, and becomes its server: the only one of the key. */
static void claim(key_t key)
{
    /* All of this happens in one step, or nothing does. So nobody comes in between the look
     * whether a server lives and the word that we do; and whoever sees that finds the
     * semaphores as they should be. The last two are our last will: at our death the kernel
     * gives that 1 of SEM_VALUE back, as it takes SEM_ALIVE back, and that wakes the client. */
    struct sembuf office[] = {{SEM_ALIVE, 0, IPC_NOWAIT}, {SEM_ALIVE, 1, SEM_UNDO},
                              {SEM_MUTEX, 1, 0},          {SEM_CLIENT, 1, 0},
                              {SEM_VALUE, 1, 0},          {SEM_VALUE, -1, SEM_UNDO}};
    for (;;) {
        set = semget(key, SEM_COUNT, IPC_CREAT | IPC_EXCL | 0600);
        bool made = set != -1;
        if (!made && errno == EEXIST)
            set = semget(key, SEM_COUNT, 0);
        if (set == -1 && errno != ENOENT)
            fail("semget");
        if (set != -1 && semop(set, office, sizeof office / sizeof *office) == 0) {
            if (made)
                break;
            /* A killed server's. Its client may still be in it, so a new one takes its place. */
            if (semctl(set, 0, IPC_RMID) == -1)
                fail("semctl");
        } else if (errno == EAGAIN) {
            say(stderr, PROGRAM ": another server uses the key 0x%X", (unsigned)key);
            exit(EXIT_FAILURE);
        } else if (set != -1 && errno != EIDRM && errno != EINVAL) {
            fail("semop");
        } /* else somebody has removed it just now */
    }
    int old = shmget(key, 0, 0);
    if (old != -1 && shmctl(old, IPC_RMID, NULL) == -1)
        fail("shmctl");
}

static void show_and_change(int segment)
{
    struct shmid_ds facts;
    if (shmctl(segment, IPC_STAT, &facts) == -1)
        fail("shmctl");
    facts.shm_perm.mode = 0640;
    if (shmctl(segment, IPC_SET, &facts) == -1 || shmctl(segment, IPC_STAT, &facts) == -1)
        fail("shmctl");
    say(stdout, "server: segment of %zu bytes, mode %o, attached by %lu", facts.shm_segsz,
        (unsigned)facts.shm_perm.mode & 0777, (unsigned long)facts.shm_nattch);

    /* To keep it from being swapped out needs a privilege, or room in RLIMIT_MEMLOCK. */
    if (shmctl(segment, SHM_LOCK, NULL) == -1)
        say(stdout, "server: SHM_LOCK is not permitted: %s", strerror(errno));
    else if (shmctl(segment, SHM_UNLOCK, NULL) == -1)
        fail("shmctl");
    else
        say(stdout, "server: locked in memory, and unlocked");
}

/* Ctrl-C: the flag alone could be set just before the server goes to sleep; what is added to
 * SEM_ROOM is kept for it. semop is one system call, which a handler may make on Linux. */
static void on_stop(int number)
{
    (void)number;
    int saved = errno;
    stopped = 1;
    (void)semop(set, &(struct sembuf){.sem_num = SEM_ROOM, .sem_op = 1}, 1);
    errno = saved;
}

/* Adds `by` to a semaphore, waiting until it can be done. */
static void change(unsigned short semaphore, short by, short flags)
{
    struct sembuf operation = {.sem_num = semaphore, .sem_op = by, .sem_flg = flags};
    while (semop(set, &operation, 1) == -1)
        if (errno != EINTR)
            fail("semop");
}

/* Returns when the number has been read, or at Ctrl-C. SEM_ROOM says no more than "look again";
 * what is true stands in the memory. A mutex that a dead owner had comes back by SEM_UNDO, but
 * nobody is told: look at the memory as if it were so each time. */
static void wait_for_room(void)
{
    for (;;) {
        change(SEM_MUTEX, -1, SEM_UNDO);
        bool unread = atomic_load(&shared->slot.unread);
        change(SEM_MUTEX, 1, SEM_UNDO);
        if (!unread || stopped)
            return;
        change(SEM_ROOM, -1, 0);
    }
}

/* Writes `number` as soon as there is room. Returns false where Ctrl-C came before that. */
static bool write_number(unsigned number)
{
    wait_for_room();
    if (stopped)
        return false;
    change(SEM_MUTEX, -1, SEM_UNDO);
    snprintf(shared->slot.text, TEXT_SIZE, "%u", number);
    /* No SEM_UNDO for the wake-up: taken back, it would be a wake-up that nobody gave. And only
     * where there is none: unlike sem_post, semop cannot be cut in two. */
    if (semctl(set, SEM_VALUE, GETVAL) == 0)
        change(SEM_VALUE, 1, 0);
    atomic_store(&shared->slot.unread, 1);
    change(SEM_MUTEX, 1, SEM_UNDO);
    return true;
}
