/*
 * server_rwlock.c - a notice board: one writes the latest number, any number of processes read.
 *
 * Usage: server_rwlock [NAME]
 *
 * Makes the shared memory NAME (MyNoticeBoard). For each line on its standard input it writes
 * the next number there, when no reader is inside; at the end of the input it takes the board
 * away. Exit code 0.
 *
 * A readers-writer lock lets in many who read, or one who writes. That of POSIX is not robust: a
 * reader that is killed inside stays inside for ever, and the writer waits for ever.
 * Its twin: ../win32/server_rwlock.c, where the lock is built by hand.
 * To try: server_rwlock in one terminal, client_rwlock in two others, Enter in each.
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

static volatile sig_atomic_t stopped;

static int claim(const char *name);
static void make_lock(struct board *board);
static bool enter(struct board *board);
static void leave(struct board *board);
static void on_stop(int number);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: the name. */
    if (argc > 2 || (argc > 1 && *argv[1] == '\0')) {
        say(stderr, "usage: server_rwlock [NAME]");
        return 2;
    }
    const char *name = argc > 1 ? argv[1] : DEFAULT_BOARD;
    char path[NAME_ROOM];
    if (snprintf(path, sizeof path, "/%s", name) >= (int)sizeof path)
        fail_with(ENAMETOOLONG, "shm_open");

    /* STEP 2: Claim the name, make the memory and map it. */
    int object = claim(path);
    struct board *board;
    int error = posix_fallocate(object, 0, sizeof *board);
    if (error != 0)
        fail_with(error, "posix_fallocate");
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
    if (board == MAP_FAILED)
        fail("mmap");

    /* STEP 3: Make the lock. */
    make_lock(board);
    /* SA_RESTART: see server.c. */
    struct sigaction action = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    if (sigaction(SIGINT, &action, NULL) == -1 || sigaction(SIGTERM, &action, NULL) == -1)
        fail("sigaction");
    atomic_store(&board->state, READY);
    say(stdout, "server: ready %s", name);

    /* STEP 4: For each line, write the next number, alone. */
    uint32_t state = FIRST_STATE;
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) != -1) {
        unsigned number = next_number(&state);
        if (!enter(board))
            break;
        snprintf(board->text, TEXT_SIZE, "%u", number);
        leave(board);
        say(stdout, "server: sent \"%u\"", number);
    }
    error = ferror(stdin) && !stopped ? errno : 0; /* Ctrl-C has closed it */
    free(line);

    /* STEP 5: Take the board away. Who still has it mapped may go on reading. */
    if (shm_unlink(path) == -1)
        fail("shm_unlink");
    if (error != 0)
        fail_with(error, "getline");
    if (munmap(board, sizeof *board) == -1)
        fail("munmap");
    if (close(object) == -1)
        fail("close");
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

/* Opens the object `name`, empty, with its lock held: see server.c. */
static int claim(const char *name)
{
    for (;;) {
        int object = shm_open(name, O_RDWR | O_CREAT, 0600);
        if (object == -1)
            fail("shm_open");
        struct flock lock = {
            .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_SERVER, .l_len = 1};
        if (fcntl(object, F_SETLK, &lock) == -1) {
            if (errno != EAGAIN && errno != EACCES)
                fail("fcntl");
            say(stderr, PROGRAM ": another server uses the name %s", name + 1);
            exit(EXIT_FAILURE);
        }
        struct stat facts;
        if (fstat(object, &facts) == -1)
            fail("fstat");
        if (facts.st_nlink > 0 && facts.st_size == 0)
            return object;
        if (facts.st_nlink > 0 && shm_unlink(name) == -1)
            fail("shm_unlink");
        if (close(object) == -1)
            fail("close");
    }
}

static void make_lock(struct board *board)
{
    pthread_rwlockattr_t attributes;
    int error = pthread_rwlockattr_init(&attributes);
    if (error == 0)
        error = pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (error == 0)
        error = pthread_rwlock_init(&board->lock, &attributes);
    if (error != 0)
        fail_with(error, "pthread_rwlock_init");
    pthread_rwlockattr_destroy(&attributes);
}

/* Waits until no reader is inside, and goes in. Returns false where Ctrl-C came before that: no
 * signal ends the wait for a lock, so it is a wait of a second, again and again. */
static bool enter(struct board *board)
{
    int error = ETIMEDOUT;
    while (error == ETIMEDOUT && !stopped) {
        struct timespec until;
        if (clock_gettime(CLOCK_REALTIME, &until) == -1)
            fail("clock_gettime");
        until.tv_sec++;
        error = pthread_rwlock_timedwrlock(&board->lock, &until);
    }
    if (error != 0 && error != ETIMEDOUT)
        fail_with(error, "pthread_rwlock_timedwrlock");
    return error == 0;
}

static void leave(struct board *board)
{
    int error = pthread_rwlock_unlock(&board->lock);
    if (error != 0)
        fail_with(error, "pthread_rwlock_unlock");
}

/* Ctrl-C is the end of the input: the read that is under way is begun again, and finds it
 * closed, as does one that has yet to begin. A writer that waits for readers looks at the flag. */
static void on_stop(int number)
{
    (void)number;
    int saved = errno;
    stopped = 1;
    close(STDIN_FILENO);
    errno = saved;
}
