/*
 * client_rwlock.c - read a notice board, together with any number of others.
 *
 * Usage: client_rwlock [NAME]
 *
 * Opens the shared memory NAME (MyNoticeBoard) that a server has made. A line on its standard
 * input lets it in, to read the number; the next line lets it out again, and so on. At the
 * end of the input it goes. Exit code 0; 1 if there is no server.
 *
 * It stays inside from line to line, so that one can see who lets whom wait: other readers
 * come in, the writer does not. Its twin: ../win32/client_rwlock.c. To try: see server_rwlock.c.
 */
#define PROGRAM "client"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static struct board *open_board(const char *name, int object);
static void enter(struct board *board);
static void leave(struct board *board);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the argument: the name. */
    if (argc > 2 || (argc > 1 && *argv[1] == '\0')) {
        say(stderr, "usage: client_rwlock [NAME]");
        return 2;
    }
    const char *name = argc > 1 ? argv[1] : DEFAULT_BOARD;
    char path[NAME_ROOM];
    if (snprintf(path, sizeof path, "/%s", name) >= (int)sizeof path)
        fail_with(ENAMETOOLONG, "shm_open");

    /* STEP 2: Open what the server has made, and map it. To read under a lock is to write: the
     * lock counts its readers in the memory. */
    int object = shm_open(path, O_RDWR, 0);
    if (object == -1)
        fail("shm_open");
    struct board *board = open_board(name, object);

    /* STEP 3: At each other line go in and read. What is read while inside stays what it is. */
    bool inside = false;
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) != -1) {
        if (inside) {
            leave(board);
            say(stdout, "client: outside");
        } else {
            enter(board);
            char *text = quoted(board->text, strnlen(board->text, TEXT_SIZE));
            say(stdout, "client: received %s", text);
            free(text);
        }
        inside = !inside;
    }
    int error = ferror(stdin) ? errno : 0;
    free(line);

    /* STEP 4: Go, and not without leaving: nobody else can do it for us. */
    if (inside)
        leave(board);
    if (error != 0)
        fail_with(error, "getline");
    if (munmap(board, sizeof *board) == -1)
        fail("munmap");
    if (close(object) == -1)
        fail("close");
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

static struct board *open_board(const char *name, int object)
{
    struct stat facts;
    if (fstat(object, &facts) == -1)
        fail("fstat");
    if (facts.st_size >= (off_t)sizeof(struct board)) {
        struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE,
                                   MAP_SHARED, object, 0);
        if (board == MAP_FAILED)
            fail("mmap");
        if (atomic_load(&board->state) == READY)
            return board;
    }
    say(stderr, PROGRAM ": the server of %s is not ready", name);
    exit(EXIT_FAILURE);
}

static void enter(struct board *board)
{
    int error = pthread_rwlock_rdlock(&board->lock);
    if (error != 0)
        fail_with(error, "pthread_rwlock_rdlock");
}

static void leave(struct board *board)
{
    int error = pthread_rwlock_unlock(&board->lock);
    if (error != 0)
        fail_with(error, "pthread_rwlock_unlock");
}
