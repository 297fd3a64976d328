/*
 * client_sysv.c - read the numbers of server_sysv, each once.
 *
 * Usage: client_sysv [KEY [COUNT]]
 *
 * Finds the segment and the semaphores of KEY (0x4D79464D) and reads COUNT numbers (15; 0: until
 * the server ends). Exit code 0 if it read COUNT numbers or the server ended in order, 1 if
 * there is no server or it was killed.
 *
 * No thread watches the server here: the kernel itself wakes us at its death, by what the
 * server has asked to be undone. To try: see server_sysv.c.
 */
#define PROGRAM "client"

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

static bool is_number(const char *text, unsigned long most);
static void find(key_t key);
static void claim(void);
static bool change(unsigned short semaphore, short by, short flags);
static bool read_number(char *text);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: the key, and how many numbers. */
    if (argc > 3 ||
        (argc > 1 &&
         (!is_number(argv[1], 0x7fffffff) || strtol(argv[1], NULL, 0) == 0)) ||
        (argc > 2 && !is_number(argv[2], MAX_COUNT))) {
        say(stderr,
            "usage: client_sysv [KEY [COUNT]], KEY a number from 1, COUNT from 0 to %d",
            MAX_COUNT);
        return 2;
    }
    key_t key = argc > 1 ? (key_t)strtol(argv[1], NULL, 0) : DEFAULT_KEY;
    long count = argc > 2 ? atol(argv[2]) : CLIENT_COUNT;

    /* STEP 2: Find the semaphores and the segment, and attach it. */
    find(key);

    /* STEP 3: Claim the reader's place. */
    claim();

    /* STEP 4: Read numbers, each when it has come, until there are enough or the server has
     * left. */
    char text[TEXT_SIZE];
    long received = 0;
    for (; (count == 0 || received < count) && read_number(text); received++) {
        char *line = quoted(text, strnlen(text, TEXT_SIZE));
        say(stdout, "client: received %s", line);
        free(line);
    }
    if ((count == 0 || received < count) && atomic_load(&shared->state) != ENDED) {
        say(stderr, "client: the server was killed");
        return EXIT_FAILURE;
    }

    /* STEP 5: Detach. */
    if (shmdt(shared) == -1)
        fail("shmdt");
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

static bool is_number(const char *text, unsigned long most)
{
    char *end;
    unsigned long number = strtoul(text, &end, 0);
    return *text >= '0' && *text <= '9' && *end == '\0' && number <= most;
}

static void find(key_t key)
{
    set = semget(key, SEM_COUNT, 0);
    if (set == -1)
        fail("semget");
    int segment = shmget(key, sizeof *shared, 0);
    if (segment == -1)
        fail("shmget");
    shared = shmat(segment, NULL, 0);
    if (shared == (void *)-1)
        fail("shmat");
    if (atomic_load(&shared->state) != READY || semctl(set, SEM_ALIVE, GETVAL) < 1) {
        say(stderr, PROGRAM ": the server of the key 0x%X is not ready, or dead",
            (unsigned)key);
        exit(EXIT_FAILURE);
    }
}

/* Makes us the one reader: takes the 1 that the kernel gives back when we end. */
static void claim(void)
{
    if (change(SEM_CLIENT, -1, SEM_UNDO | IPC_NOWAIT) || errno != EAGAIN)
        return; /* what else it can be, the first look will tell */
    say(stderr, PROGRAM ": another client reads here");
    exit(EXIT_FAILURE);
}

/* Adds `by` to a semaphore, waiting until it can be done. Returns false when the set is gone,
 * or it would have to wait and must not. */
static bool change(unsigned short semaphore, short by, short flags)
{
    struct sembuf operation = {.sem_num = semaphore, .sem_op = by, .sem_flg = flags};
    while (semop(set, &operation, 1) == -1) {
        if (errno == EIDRM || errno == EINVAL || errno == EAGAIN)
            return false;
        if (errno != EINTR)
            fail("semop");
    }
    return true;
}

/* Waits for the next number and takes it. Returns false where none can come any more. */
static bool read_number(char *text)
{
    for (;;) {
        /* The kernel has taken SEM_ALIVE back, or the set is gone, and the mutex with it: then
         * nobody writes any more, but what was written is still there. */
        bool last_look = semctl(set, SEM_ALIVE, GETVAL) < 1;
        change(SEM_MUTEX, -1, SEM_UNDO);
        bool unread = atomic_load(&shared->slot.unread);
        if (unread) {
            memcpy(text, shared->slot.text, TEXT_SIZE);
            if (semctl(set, SEM_ROOM, GETVAL) == 0)
                change(SEM_ROOM, 1, 0); /* first, as in client.c */
            atomic_store(&shared->slot.unread, 0);
        }
        change(SEM_MUTEX, 1, SEM_UNDO);
        if (unread)
            return true;
        if (last_look)
            return false;
        change(SEM_VALUE, -1, 0);
    }
}
