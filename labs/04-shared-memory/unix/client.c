/*
 * client.c - read random numbers out of shared memory, each once.
 *
 * Usage: client [--mutex-only] [NAME [COUNT [PACE]]]
 *
 * Opens the shared memory NAME (MyFileMappingObject) that a server has made and reads COUNT
 * numbers (15; 0: until the server ends). With --mutex-only it looks every PACE milliseconds
 * (1000) at what is there, new or not: what the listing does. Exit code 0 if it read COUNT
 * numbers or the server ended in order, 1 if there is no server or it was killed.
 *
 * Mirrors listing 9 of the report. Its twin: ../win32/client.c.
 * To try: client; server N 3 & client N; client --mutex-only N 10 200.
 */
#define PROGRAM "client"

#include <fcntl.h>
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
static atomic_bool server_left; /* set by the watching thread */

static bool is_number(const char *text, long most);
static void open_memory(const char *name, int object);
static void claim(int object);
static bool has_server(int object);
static void *watch_server(void *object);
static void take_mutex(bool text_may_be_torn);
static void release_mutex(void);
static bool read_number(char *text);
static void wake(sem_t *event);
static void report(const char *text);
static void pause_for(long milliseconds);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: the name to look for, and how many numbers. */
    bool mutex_only = argc > 1 && strcmp(argv[1], "--mutex-only") == 0;
    char **words = argv + mutex_only;
    int count_of_words = argc - mutex_only;
    if (count_of_words > (mutex_only ? 4 : 3) ||
        (count_of_words > 1 && *words[1] == '\0') ||
        (count_of_words > 2 && !is_number(words[2], MAX_COUNT)) ||
        (count_of_words > 3 && !is_number(words[3], MAX_PACE))) {
        say(stderr,
            "usage: client [--mutex-only] [NAME [COUNT [PACE]]], COUNT from 0 to %d, "
            "PACE only with --mutex-only",
            MAX_COUNT);
        return 2;
    }
    const char *name = count_of_words > 1 ? words[1] : DEFAULT_NAME;
    long count = count_of_words > 2 ? atol(words[2]) : CLIENT_COUNT;
    long pace = count_of_words > 3 ? atol(words[3]) : DEFAULT_PACE;
    char path[NAME_ROOM];
    if (snprintf(path, sizeof path, "/%s", name) >= (int)sizeof path)
        fail_with(ENAMETOOLONG, "shm_open");

    /* STEP 2: Open what the server has made, and map it. MAP_SHARED, for a private mapping is
     * a copy from the first store on: the mutex would be ours alone. */
    int object = shm_open(path, O_RDWR, 0);
    if (object == -1)
        fail("shm_open");
    open_memory(name, object);

    /* STEP 3: With --mutex-only look at the number now and then, as the listing does. Nothing
     * says whether it is a new one; that nobody writes any more, the server's lock says. */
    char text[TEXT_SIZE];
    long received = 0;
    while (mutex_only && (count == 0 || received < count)) {
        if (received > 0)
            pause_for(pace);
        take_mutex(true);
        memcpy(text, shared->slot.text, TEXT_SIZE);
        release_mutex();
        if (!has_server(object))
            break;
        report(text);
        received++;
    }

    if (!mutex_only) {
        /* STEP 4: Claim the reader's place, and let a thread wait for the server's end. The
         * thread is what UNIX needs, where no call waits for a semaphore or a death. */
        claim(object);
        pthread_t watcher;
        int error = pthread_create(&watcher, NULL, watch_server, &object);
        if (error != 0)
            fail_with(error, "pthread_create");

        /* STEP 5: Read numbers, each when it has come, until there are enough or the server
         * has left. */
        while ((count == 0 || received < count) && read_number(text)) {
            report(text);
            received++;
        }
        error = pthread_cancel(watcher);
        if (error != 0)
            fail_with(error, "pthread_cancel");
        error = pthread_join(watcher, NULL);
        if (error != 0)
            fail_with(error, "pthread_join");
    }
    if ((count == 0 || received < count) && atomic_load(&shared->state) != ENDED) {
        say(stderr, "client: the server was killed");
        return EXIT_FAILURE;
    }

    /* STEP 6: Unmap. The object and its name are the server's to remove. */
    if (munmap(shared, sizeof *shared) == -1)
        fail("munmap");
    if (close(object) == -1)
        fail("close");
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

static bool is_number(const char *text, long most)
{
    char *end;
    long number = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && number <= most;
}

/* Maps the object into `shared`, if its server has set it up. */
static void open_memory(const char *name, int object)
{
    struct stat facts;
    if (fstat(object, &facts) == -1)
        fail("fstat");
    if (facts.st_size >= (off_t)sizeof *shared) {
        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, object,
                      0);
        if (shared == MAP_FAILED)
            fail("mmap");
        if (atomic_load(&shared->state) != BEING_MADE)
            return;
    }
    say(stderr, PROGRAM ": the server of %s is not ready", name);
    exit(EXIT_FAILURE);
}

/* Makes us the one reader. A wake-up is for one; were there two readers, one could be killed
 * between its wake-up and its look, and the other would sleep on beside a number. */
static void claim(int object)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_CLIENT, .l_len = 1};
    if (fcntl(object, F_SETLK, &lock) == 0)
        return;
    if (errno != EAGAIN && errno != EACCES)
        fail("fcntl");
    say(stderr, PROGRAM ": another client reads here");
    exit(EXIT_FAILURE);
}

/* Whether somebody has the lock that the server holds as long as it lives. */
static bool has_server(int object)
{
    struct flock lock = {
        .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = LOCK_ALIVE, .l_len = 1};
    if (fcntl(object, F_GETLK, &lock) == -1)
        fail("fcntl");
    return lock.l_type != F_UNLCK;
}

/* The watching thread: gets the server's lock when the server has let go of it, dead or alive,
 * and wakes the reader, which may be waiting for a number that will never come. */
static void *watch_server(void *object)
{
    /* Static: a thread that may be cancelled in a call is to leave nothing on its stack, or
     * AddressSanitizer takes it for a stack that goes wrong. */
    static struct flock lock = {
        .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = LOCK_ALIVE, .l_len = 1};
    if (fcntl(*(int *)object, F_SETLKW, &lock) == -1)
        fail("fcntl");
    atomic_store(&server_left, true);
    wake(&shared->value);
    return NULL;
}

static void take_mutex(bool text_may_be_torn)
{
    int error = pthread_mutex_lock(&shared->mutex);
    if (error == EOWNERDEAD) {
        /* Who does not say so makes the mutex useless for everybody (ENOTRECOVERABLE). */
        say(stdout, "client: mutex abandoned");
        error = pthread_mutex_consistent(&shared->mutex);
        if (error != 0)
            fail_with(error, "pthread_mutex_consistent");
        if (text_may_be_torn) {
            release_mutex();
            say(stderr, PROGRAM ": the number may be half written");
            exit(EXIT_FAILURE);
        }
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

/* Waits for the next number and takes it. Returns false where none can come any more. */
static bool read_number(char *text)
{
    for (;;) {
        /* Asked before the look: what the server wrote, it wrote before it left. */
        bool last_look = atomic_load(&server_left);
        take_mutex(false); /* `unread` is set last: a text that has it is whole */
        bool unread = atomic_load(&shared->slot.unread);
        if (unread) {
            memcpy(text, shared->slot.text, TEXT_SIZE);
            /* First wake the server, which then waits for the mutex: were we killed between
             * the change and the wake-up, it would sleep on beside all the room it needs. */
            wake(&shared->room);
            atomic_store(&shared->slot.unread, 0);
        }
        release_mutex();
        if (unread)
            return true;
        if (last_look)
            return false;
        if (sem_wait(&shared->value) == -1 && errno != EINTR)
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

static void report(const char *text)
{
    char *line = quoted(text, strnlen(text, TEXT_SIZE));
    say(stdout, "client: received %s", line);
    free(line);
}

static void pause_for(long milliseconds)
{
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&left, &left) == -1)
        if (errno != EINTR)
            fail("nanosleep");
}
