/*
 * server.c - random numbers into shared memory, one at a time, each for one reader.
 *
 * Usage: server [--mutex-only] [NAME [COUNT [PACE]]]
 *
 * Makes the shared memory NAME (MyFileMappingObject) and writes COUNT numbers into it (0: until
 * Ctrl-C), each when the one before has been read. With --mutex-only a number is written
 * every PACE milliseconds (1000), read or not: what the listing does. Exit code 0.
 *
 * Mirrors listing 8 of the report. Its twin: ../win32/server.c. Other ways to share: server_file
 * (a file that stays), server_sysv (System V), server_rwlock (many readers).
 * To try: server N 5 & client N; server --mutex-only & client --mutex-only.
 */
#define PROGRAM "server"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static struct shared *shared;
static volatile sig_atomic_t stopped;

static bool is_number(const char *text, long most);
static int claim(const char *name);
static bool lock_byte(int object, int command, off_t byte);
static void set_up(void);
static void on_stop(int number);
static void take_mutex(void);
static void release_mutex(void);
static bool write_number(unsigned number);
static void wait_for_room(void);
static void wake(sem_t *event);
static void pause_for(long milliseconds);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: the name to share under, and how many numbers. */
    bool mutex_only = argc > 1 && strcmp(argv[1], "--mutex-only") == 0;
    char **words = argv + mutex_only;
    int count_of_words = argc - mutex_only;
    if (count_of_words > (mutex_only ? 4 : 3) ||
        (count_of_words > 1 && *words[1] == '\0') ||
        (count_of_words > 2 && !is_number(words[2], MAX_COUNT)) ||
        (count_of_words > 3 && !is_number(words[3], MAX_PACE))) {
        say(stderr,
            "usage: server [--mutex-only] [NAME [COUNT [PACE]]], COUNT from 0 to %d, "
            "PACE only with --mutex-only",
            MAX_COUNT);
        return 2;
    }
    const char *name = count_of_words > 1 ? words[1] : DEFAULT_NAME;
    long count = count_of_words > 2 ? atol(words[2]) : SERVER_COUNT;
    long pace = count_of_words > 3 ? atol(words[3]) : DEFAULT_PACE;
    char path[NAME_ROOM];
    if (snprintf(path, sizeof path, "/%s", name) >= (int)sizeof path)
        fail_with(ENAMETOOLONG, "shm_open");

    /* STEP 2: Claim the name. Two servers would write over each other's numbers. */
    int object = claim(path);

    /* STEP 3: Make the memory and map it. An object is born with 0 bytes: whoever touches the
     * mapping of an object that has not been given its size dies of SIGBUS. So does who stores
     * where ftruncate has given a size and no room is left: here the room is asked for first. */
    int error = posix_fallocate(object, 0, sizeof *shared);
    if (error != 0)
        fail_with(error, "posix_fallocate");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
    if (shared == MAP_FAILED)
        fail("mmap");

    /* STEP 4: Make the mutex and the two signals, in the memory itself; and only then let
     * anybody use them. */
    set_up();
    /* SA_RESTART: or a write that waits for room would end, and the line be lost with it. */
    struct sigaction action = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    if (sigaction(SIGINT, &action, NULL) == -1 || sigaction(SIGTERM, &action, NULL) == -1)
        fail("sigaction");
    atomic_store(&shared->state, READY);
    say(stdout, "server: ready %s", name);

    /* STEP 5: Write the numbers, each when the reader has made room for it. */
    uint32_t state = FIRST_STATE;
    for (long written = 0; !stopped && (count == 0 || written < count); written++) {
        unsigned number = next_number(&state);
        if (mutex_only) {
            take_mutex();
            snprintf(shared->slot.text, TEXT_SIZE, "%u", number);
            release_mutex();
        } else if (!write_number(number)) {
            break;
        }
        say(stdout, "server: sent \"%u\"", number);
        /* Here, with the mutex free: the listing sleeps while it owns it, and whoever wants
         * to read stands in a queue for a mutex that is free for an instant each second. */
        if (mutex_only)
            pause_for(pace);
    }

    /* STEP 6: Wait until the last number has been read too. */
    if (!mutex_only)
        wait_for_room();

    /* STEP 7: Take the name away and let go. A POSIX object stays until it is unlinked, with or
     * without processes; the memory itself goes when the last process unmaps it. */
    if (shm_unlink(path) == -1)
        fail("shm_unlink");
    atomic_store(&shared->state, ENDED);
    action.sa_handler = SIG_IGN; /* ours posts in memory that is about to go */
    if (sigaction(SIGINT, &action, NULL) == -1 || sigaction(SIGTERM, &action, NULL) == -1)
        fail("sigaction");
    if (munmap(shared, sizeof *shared) == -1)
        fail("munmap");
    if (close(object) == -1)
        fail("close");
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

static bool is_number(const char *text, long most)
{
    char *end;
    long number = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && number <= most;
}

/* Opens the object `name`, empty, with its locks held: the only server of that name. */
static int claim(const char *name)
{
    for (;;) {
        int object = shm_open(name, O_RDWR | O_CREAT, 0600);
        if (object == -1)
            fail("shm_open");
        if (!lock_byte(object, F_SETLK, LOCK_SERVER)) {
            say(stderr, PROGRAM ": another server uses the name %s", name + 1);
            exit(EXIT_FAILURE);
        }
        struct stat facts;
        if (fstat(object, &facts) == -1)
            fail("fstat");
        if (facts.st_nlink > 0 && facts.st_size == 0) {
            lock_byte(object, F_SETLKW, LOCK_ALIVE);
            return object;
        }
        /* A killed server has left it (or its server unlinked it just now). Its client may
         * still be in it, so it is not ours to set up again: a new one takes its place. */
        if (facts.st_nlink > 0 && shm_unlink(name) == -1)
            fail("shm_unlink");
        if (close(object) == -1)
            fail("close");
    }
}

/* Locks a byte of the object's file. Returns false where another process has it. The kernel
 * takes such a lock back when its process ends in any way, or closes the file. */
static bool lock_byte(int object, int command, off_t byte)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    if (fcntl(object, command, &lock) == 0)
        return true;
    if (errno != EAGAIN && errno != EACCES)
        fail("fcntl");
    return false;
}

static void set_up(void)
{
    /* A mutex is for threads of one process unless it is told otherwise, and a dead owner
     * keeps it for ever unless it is robust. */
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);
    if (error == 0)
        error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (error == 0)
        error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (error == 0)
        error = pthread_mutex_init(&shared->mutex, &attributes);
    if (error != 0)
        fail_with(error, "pthread_mutex_init");
    pthread_mutexattr_destroy(&attributes);
    if (sem_init(&shared->value, 1, 0) == -1 || sem_init(&shared->room, 1, 0) == -1)
        fail("sem_init");
}

/* Ctrl-C: the flag alone could be set just before the server goes to sleep; the post is kept
 * for it. sem_post is one of the few functions that a handler may call. */
static void on_stop(int number)
{
    (void)number;
    int saved = errno;
    stopped = 1;
    sem_post(&shared->room);
    errno = saved;
}

static void take_mutex(void)
{
    int error = pthread_mutex_lock(&shared->mutex);
    if (error == EOWNERDEAD) {
        /* The dead owner was a reader, which changes nothing but `unread`: all is well. Who
         * does not say so makes the mutex useless for everybody (ENOTRECOVERABLE). */
        say(stdout, "server: mutex abandoned");
        error = pthread_mutex_consistent(&shared->mutex);
        if (error != 0)
            fail_with(error, "pthread_mutex_consistent");
    }
    if (error != 0)
        fail_with(error, "pthread_mutex_lock");
}

static void release_mutex(void)
{
    int error = pthread_mutex_unlock(&shared->mutex);
    if (error != 0)
        fail_with(error, "pthread_mutex_unlock");
}

/* Writes `number` as soon as there is room. Returns false where Ctrl-C came before that. */
static bool write_number(unsigned number)
{
    wait_for_room();
    if (stopped)
        return false;
    /* Room stays room: nobody else writes. */
    take_mutex();
    snprintf(shared->slot.text, TEXT_SIZE, "%u", number);
    wake(&shared->value);
    atomic_store(&shared->slot.unread, 1);
    release_mutex();
    return true;
}

/* Returns when the number has been read, or at Ctrl-C. The semaphore says no more than "look
 * again": what is true stands in the memory, where a reader that was killed between its steps
 * cannot have taken it along. */
static void wait_for_room(void)
{
    for (;;) {
        take_mutex();
        bool unread = atomic_load(&shared->slot.unread);
        release_mutex();
        if (!unread || stopped)
            return;
        if (sem_wait(&shared->room) == -1 && errno != EINTR)
            fail("sem_wait");
    }
}

/* Windows has auto-reset events, which are set or not. A semaphore is one as long as nobody
 * lets it count beyond 1. But a 1 does not say that the sleeper was called: who has posted may
 * have been killed before that. So one more first, and then one less. */
static void wake(sem_t *event)
{
    int count;
    if (sem_post(event) == -1)
        fail("sem_post");
    if (sem_getvalue(event, &count) == -1)
        fail("sem_getvalue");
    if (count > 1 && sem_trywait(event) == -1 && errno != EAGAIN)
        fail("sem_trywait");
}

/* Lets the time pass, or less of it at Ctrl-C: nobody else posts `room` with --mutex-only. */
static void pause_for(long milliseconds)
{
    struct timespec until;
    if (clock_gettime(CLOCK_REALTIME, &until) == -1)
        fail("clock_gettime");
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += milliseconds % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    if (sem_timedwait(&shared->room, &until) == -1 && errno != ETIMEDOUT &&
        errno != EINTR)
        fail("sem_timedwait");
}
