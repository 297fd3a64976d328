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

union semun { /* the caller has to declare it: semctl(2) */
    int val;
    unsigned short *array;
};

static int set = -1; /* the semaphores */
static volatile sig_atomic_t stopped;

static bool is_number(const char *text, unsigned long most);
static void claim(key_t key);
static void set_up(void);
static void show_and_change(int segment);
static void on_stop(int number);
static bool change(unsigned short semaphore, short by, short flags);
static bool wait_for_room(struct slot *slot);
static bool write_number(struct slot *slot, unsigned number);

int main(int argc, char *argv[])
{
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
    int segment = shmget(key, sizeof(struct slot), IPC_CREAT | IPC_EXCL | 0600);
    if (segment == -1)
        fail("shmget");

    /* STEP 3: Attach it: the mmap of System V. */
    struct slot *slot = shmat(segment, NULL, 0);
    if (slot == (void *)-1)
        fail("shmat");

    /* STEP 4: Give the semaphores their values, and see what shmctl can do. */
    struct sigaction action = {.sa_handler = on_stop};
    if (sigaction(SIGINT, &action, NULL) == -1 || sigaction(SIGTERM, &action, NULL) == -1)
        fail("sigaction");
    set_up();
    say(stdout, "server: ready 0x%X", (unsigned)key);
    show_and_change(segment);

    /* STEP 5: Write the numbers, each when the reader has made room for it. */
    uint32_t state = FIRST_STATE;
    for (long written = 0; count == 0 || written < count; written++) {
        unsigned number = next_number(&state);
        if (!wait_for_room(slot) || !write_number(slot, number))
            break;
        say(stdout, "server: sent \"%u\"", number);
    }

    /* STEP 6: Wait until the last number has been read too. */
    wait_for_room(slot);

    /* STEP 7: Detach and remove. Without IPC_RMID both stay until the machine is restarted. The
     * set goes at once, and whoever waits for it gets EIDRM: so the client learns of the end.
     * The segment goes when the last process detaches it. */
    if (shmdt(slot) == -1)
        fail("shmdt");
    if (shmctl(segment, IPC_RMID, NULL) == -1)
        fail("shmctl");
    if (!stopped && semctl(set, 0, IPC_RMID) == -1)
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

/* Makes the semaphore set, new. One that is there belongs to a server that lives, or is what
 * is left of one: SEM_ALIVE tells, for the kernel takes back what the dead had added to it.
 * (A server that starts in the same instant, and has not come to that, is taken for dead.
 * System V has no remedy that a killed server would not spoil; POSIX locks have.) */
static void claim(key_t key)
{
    while ((set = semget(key, SEM_COUNT, IPC_CREAT | IPC_EXCL | 0600)) == -1) {
        if (errno != EEXIST)
            fail("semget");
        int old = semget(key, 0, 0);
        if (old != -1 && semctl(old, SEM_ALIVE, GETVAL) > 0) {
            say(stderr, PROGRAM ": another server uses the key 0x%X", (unsigned)key);
            exit(EXIT_FAILURE);
        }
        if (old != -1 && semctl(old, 0, IPC_RMID) == -1 && errno != EIDRM &&
            errno != EINVAL)
            fail("semctl");
    }
    int segment = shmget(key, 0, 0);
    if (segment != -1 && shmctl(segment, IPC_RMID, NULL) == -1)
        fail("shmctl");
}

static void set_up(void)
{
    unsigned short values[SEM_COUNT] = {
        [SEM_MUTEX] = 1, [SEM_VALUE] = 1, [SEM_CLIENT] = 1};
    if (semctl(set, 0, SETALL, (union semun){.array = values}) == -1)
        fail("semctl");
    /* Our last will: that 1 of SEM_VALUE is taken, and at our death the kernel will give it
     * back, which wakes the client. */
    if (!change(SEM_VALUE, -1, SEM_UNDO) || !change(SEM_ALIVE, 1, SEM_UNDO))
        fail_with(EIDRM, "semop");
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

/* Ctrl-C: without the set nobody waits any more, neither we nor the client. To remove it is one
 * system call, which a handler may make on Linux. */
static void on_stop(int number)
{
    (void)number;
    int saved = errno;
    if (!stopped)
        semctl(set, 0, IPC_RMID);
    stopped = 1;
    errno = saved;
}

/* Adds `by` to a semaphore, waiting until it can be done. Returns false when the set is gone. */
static bool change(unsigned short semaphore, short by, short flags)
{
    struct sembuf operation = {.sem_num = semaphore, .sem_op = by, .sem_flg = flags};
    while (semop(set, &operation, 1) == -1) {
        if (errno == EIDRM || (errno == EINVAL && stopped))
            return false;
        if (errno != EINTR)
            fail("semop");
    }
    return true;
}

/* Returns true when the number has been read, false at Ctrl-C. SEM_ROOM says no more than
 * "look again"; what is true stands in the memory. A mutex that a dead owner had comes back by
 * SEM_UNDO, but nobody is told: look at the memory as if it were so each time. */
static bool wait_for_room(struct slot *slot)
{
    for (;;) {
        if (stopped || !change(SEM_MUTEX, -1, SEM_UNDO))
            return false;
        bool unread = atomic_load(&slot->unread);
        if (!change(SEM_MUTEX, 1, SEM_UNDO))
            return false;
        if (!unread)
            return true;
        if (!change(SEM_ROOM, -1, 0))
            return false;
    }
}

static bool write_number(struct slot *slot, unsigned number)
{
    if (!change(SEM_MUTEX, -1, SEM_UNDO))
        return false;
    snprintf(slot->text, TEXT_SIZE, "%u", number);
    /* No SEM_UNDO for the wake-up: taken back, it would be a wake-up that nobody gave. */
    bool woken = semctl(set, SEM_VALUE, GETVAL) > 0 || change(SEM_VALUE, 1, 0);
    atomic_store(&slot->unread, 1);
    return change(SEM_MUTEX, 1, SEM_UNDO) && woken;
}
