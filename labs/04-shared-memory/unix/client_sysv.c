/*
 * client_sysv.c - read the numbers of server_sysv, each once.
 *
 * Usage: client_sysv [KEY [COUNT]]
 *
 * Opens the segment and the semaphores of KEY (0x4D79464D). Reads and prints COUNT numbers
 * (15; 0: no limit), or all until the server ends. Exit code 0, or 1 if there is no server,
 * if it was killed, or if another call fails.
 *
 * No thread watches the server, as in client_robust.c: if it ends, the kernel wakes this
 * program, because it undoes what the server has changed with SEM_UNDO.
 * To try: see server_sysv.c.
 */
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "contract.h"
#include "ipclab.h"

static int set; /* the semaphores */
static struct segment *shared;

static key_t parse_key(const char *text);
static void open_key(key_t key);
static void claim_place(void);
static bool change(unsigned short semaphore, short by, short flags);
static bool read_number(char *text);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the key, and how many numbers. */
    begin_program("client", "[KEY [COUNT]]", &argv);
    if (argc > 3)
        usage_exit();
    key_t key = argc > 1 ? parse_key(argv[1]) : DEFAULT_KEY;
    long count = argc > 2 ? parse_long("COUNT", argv[2], 0, MAX_COUNT) : CLIENT_COUNT;

    /* STEP 2: Open the semaphores and the segment. */
    /* STEP 3: Attach the segment. */
    open_key(key);

    /* STEP 4: Claim the place of the one client. */
    claim_place();

    /* STEP 5: Read the numbers, each when the server has written it. */
    char text[TEXT_SIZE];
    long received = 0;
    for (; (count == 0 || received < count) && read_number(text); received++) {
        log_text("client: received", text, strnlen(text, TEXT_SIZE));
    }
    if ((count == 0 || received < count) && atomic_load(&shared->state) != ENDED)
        fatal("the server was killed");

    /* STEP 6: Detach. The server removes the segment. */
    if (shmdt(shared) == -1)
        sys_error("shmdt");
    log_event("client: done");
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

static void open_key(key_t key)
{
    set = semget(key, SEM_COUNT, 0);
    if (set == -1)
        sys_error("semget");
    int segment = shmget(key, sizeof *shared, 0);
    if (segment == -1)
        sys_error("shmget");
    shared = shmat(segment, NULL, 0);
    if (shared == (void *)-1)
        sys_error("shmat");
    if (atomic_load(&shared->state) != READY || semctl(set, SEM_ALIVE, GETVAL) < 1) {
        fatal("the server of the key 0x%X is not ready, or was killed", (unsigned)key);
    }
}

/* Takes the 1 of SEM_CLIENT, which the kernel gives back when this program ends. */
static void claim_place(void)
{
    if (change(SEM_CLIENT, -1, SEM_UNDO | IPC_NOWAIT) || errno != EAGAIN)
        return; /* any other error shows at the first look */
    fatal("another client reads here");
}

/* Adds `by` to a semaphore. Waits if the result would be below 0. Returns false if the set
 * was removed, or if it would have to wait and has IPC_NOWAIT. */
static bool change(unsigned short semaphore, short by, short flags)
{
    struct sembuf operation = {.sem_num = semaphore, .sem_op = by, .sem_flg = flags};
    while (semop(set, &operation, 1) == -1) {
        if (errno == EIDRM || errno == EINVAL || errno == EAGAIN)
            return false;
        if (errno != EINTR)
            sys_error("semop");
    }
    return true;
}

/* Waits for a number and copies it to `text`. Returns false if the server has ended. */
static bool read_number(char *text)
{
    for (;;) {
        /* If SEM_ALIVE is 0, or the set is removed, and the mutex with it, the server has
         * ended. But a number may still be there. */
        bool last_look = semctl(set, SEM_ALIVE, GETVAL) < 1;
        change(SEM_MUTEX, -1, SEM_UNDO);
        bool unread = atomic_load(&shared->slot.unread);
        if (unread) {
            memcpy(text, shared->slot.text, TEXT_SIZE);
            if (semctl(set, SEM_ROOM, GETVAL) == 0)
                change(SEM_ROOM, 1, 0); /* first: see server_robust.c */
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
