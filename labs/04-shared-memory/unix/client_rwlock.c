/*
 * client_rwlock.c - read a notice board, together with any number of other readers.
 *
 * Usage: client_rwlock [NAME]
 *
 * Opens the shared memory NAME (MyNoticeBoard) that a server has created. A line of
 * standard input lets it in, to read the number; the next line lets it out, and so on. It
 * ends at end of file. Exit code 0, or 1 if there is no server or another call fails.
 *
 * It stays inside from line to line, so that you can see which program waits: other readers
 * come in, the writer does not. Counterpart: ../win32/client_rwlock.c.
 * To try: see server_rwlock.c.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "contract.h"
#include "ipclab.h"

static struct board *open_board(const char *name, int object);
static void enter(struct board *board);
static void leave(struct board *board);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the argument: the name of the memory. */
    begin_program("client", "[NAME]", &argv);
    if (argc > 2 || (argc > 1 && *argv[1] == '\0'))
        usage_exit();
    const char *name = argc > 1 ? argv[1] : DEFAULT_BOARD;
    char path[NAME_SIZE];
    if (snprintf(path, sizeof path, "/%s", name) >= NAME_SIZE)
        sys_error_number("shm_open", ENAMETOOLONG);

    /* STEP 2: Open the memory and map it. A reader needs write access, too: the lock
     * counts its readers in the memory. */
    int object = shm_open(path, O_RDWR, 0);
    if (object == -1)
        sys_error("shm_open");
    struct board *board = open_board(name, object);

    /* STEP 3: Go in and read, or leave, in turns. While this program is inside, the
     * number does not change. */
    bool inside = false;
    for (size_t length; read_line(&length) != NULL; inside = !inside) {
        if (inside) {
            leave(board);
            log_event("client: outside");
        } else {
            enter(board);
            log_text("client: received", board->text, strnlen(board->text, TEXT_SIZE));
        }
    }

    /* STEP 4: Leave before the end: no other program can do it for this one. */
    if (inside)
        leave(board);
    if (munmap(board, sizeof *board) == -1)
        sys_error("munmap");
    if (close(object) == -1)
        sys_error("close");
    log_event("client: done");
    return EXIT_SUCCESS;
}

static struct board *open_board(const char *name, int object)
{
    struct stat status;
    if (fstat(object, &status) == -1)
        sys_error("fstat");
    if (status.st_size >= (off_t)sizeof(struct board)) {
        struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE,
                                   MAP_SHARED, object, 0);
        if (board == MAP_FAILED)
            sys_error("mmap");
        if (atomic_load(&board->state) == READY)
            return board;
    }
    fatal("the server of %s is not ready", name);
}

static void enter(struct board *board)
{
    int error = pthread_rwlock_rdlock(&board->lock);
    if (error != 0)
        sys_error_number("pthread_rwlock_rdlock", error);
}

static void leave(struct board *board)
{
    int error = pthread_rwlock_unlock(&board->lock);
    if (error != 0)
        sys_error_number("pthread_rwlock_unlock", error);
}
