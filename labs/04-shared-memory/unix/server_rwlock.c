/*
 * server_rwlock.c - a notice board: one process writes the latest number, many read it.
 *
 * Usage: server_rwlock [NAME]
 *
 * Creates the shared memory NAME (MyNoticeBoard). For each line of standard input it
 * writes the next number, when no reader is inside. At end of file, or on Ctrl-C, it
 * removes the memory. Exit code 0, or 1 if another server uses NAME or another call
 * fails.
 *
 * A readers-writer lock lets in many readers or one writer. The POSIX one is not robust:
 * if a reader is killed inside, the writer waits forever.
 * Counterpart: ../win32/server_rwlock.c, which builds the lock.
 * To try: server_rwlock in one terminal, client_rwlock in two others, Enter in each.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "contract.h"
#include "ipclab.h"

static char path[NAME_SIZE];
static struct board *board;

static int create_object(void);
static void create_lock(void);
static void enter(void);
static void leave(void);
static void remove_board(void);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the name of the memory. */
    begin_program("server", "[NAME]", &argv);
    if (argc > 2 || (argc > 1 && *argv[1] == '\0'))
        usage_exit();
    const char *name = argc > 1 ? argv[1] : DEFAULT_BOARD;
    if (snprintf(path, sizeof path, "/%s", name) >= NAME_SIZE)
        sys_error_number("shm_open", ENAMETOOLONG);

    /* STEP 2: Create the memory and map it. The object stays open: close() would remove
     * its lock. */
    int object = create_object();
    int error = posix_fallocate(object, 0, sizeof *board);
    if (error != 0)
        sys_error_number("posix_fallocate", error);
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
    if (board == MAP_FAILED)
        sys_error("mmap");

    /* STEP 3: Create the lock, in the memory itself. */
    create_lock();
    end_on_interrupt(remove_board);
    signal(SIGPIPE, SIG_IGN); /* if nobody reads our output, go on */
    atomic_store(&board->state, READY);
    log_event("server: ready %s", name);

    /* STEP 4: For each line, write the next number, while no reader is inside. */
    uint32_t generator = FIRST_STATE;
    for (size_t length; read_line(&length) != NULL;) {
        unsigned number = next_number(&generator);
        enter();
        snprintf(board->text, TEXT_SIZE, "%u", number);
        leave();
        log_event("server: sent \"%u\"", number);
    }

    /* STEP 5: Remove the name. A reader that has the memory mapped can go on reading. */
    claim_end(); /* so that Ctrl-C does not remove the next server's board */
    remove_board();
    log_last("server: done");
    return EXIT_SUCCESS;
}

/* Creates the object and locks a byte of it: see server_robust.c. */
static int create_object(void)
{
    for (;;) {
        int object = shm_open(path, O_RDWR | O_CREAT, 0600);
        if (object == -1)
            sys_error("shm_open");
        struct flock lock = {
            .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_SERVER, .l_len = 1};
        if (fcntl(object, F_SETLK, &lock) == -1) {
            if (errno != EAGAIN && errno != EACCES)
                sys_error("fcntl");
            fatal("another server uses the name %s", path + 1);
        }
        struct stat status;
        if (fstat(object, &status) == -1)
            sys_error("fstat");
        if (status.st_nlink > 0 && status.st_size == 0)
            return object;
        if (status.st_nlink > 0 && shm_unlink(path) == -1)
            sys_error("shm_unlink");
        if (close(object) == -1)
            sys_error("close");
    }
}

static void create_lock(void)
{
    pthread_rwlockattr_t attributes;
    int error = pthread_rwlockattr_init(&attributes);
    if (error == 0)
        error = pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (error == 0)
        error = pthread_rwlock_init(&board->lock, &attributes);
    if (error != 0)
        sys_error_number("pthread_rwlock_init", error);
    pthread_rwlockattr_destroy(&attributes);
}

/* Waits until no reader is inside, and goes in. */
static void enter(void)
{
    int error = pthread_rwlock_wrlock(&board->lock);
    if (error != 0)
        sys_error_number("pthread_rwlock_wrlock", error);
}

static void leave(void)
{
    int error = pthread_rwlock_unlock(&board->lock);
    if (error != 0)
        sys_error_number("pthread_rwlock_unlock", error);
}

/* Removes the name, also on Ctrl-C. It goes in as a reader first, and stays there: so main
 * is not inside, and cannot go in any more. If main ended inside, readers that wait would
 * wait forever. */
static void remove_board(void)
{
    int error = pthread_rwlock_rdlock(&board->lock);
    if (error != 0)
        sys_error_number("pthread_rwlock_rdlock", error);
    if (shm_unlink(path) == -1)
        log_sys_error("shm_unlink");
}
