/*
 * client_mutex_only.c - read what is in shared memory, as the listing does.
 *
 * Usage: client_mutex_only [NAME [COUNT [PACE]]]
 *
 * Opens the shared memory NAME (MyFileMappingObject) that server_mutex_only has created.
 * Prints COUNT times (15; 0: no limit) the number that is there, new or not, every PACE
 * milliseconds (1000). Ends early if the server has ended. Exit code 0, or 1 if there is
 * no server, if it was killed, or if another call fails.
 *
 * Mirrors listing 9 of the report. Counterpart: ../win32/client_mutex_only.c. A client
 * that reads each number once: client.c.
 * To try: see server_mutex_only.c.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "contract.h"
#include "ipclab.h"

static struct shared *shared; /* the shared memory */

static void map_object(int object);
static void copy_number(char *text);
static bool has_server(int object);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the name, how many numbers, and how often one. */
    begin_program("client", "[NAME [COUNT [PACE]]]", &argv);
    if (argc > 4 || (argc > 1 && *argv[1] == '\0'))
        usage_exit();
    const char *name = argc > 1 ? argv[1] : DEFAULT_NAME;
    long count = argc > 2 ? parse_long("COUNT", argv[2], 0, MAX_COUNT) : CLIENT_COUNT;
    long pace = argc > 3 ? parse_long("PACE", argv[3], 0, MAX_PACE) : DEFAULT_PACE;

    /* STEP 2: Open the object. If there is no server, shm_open() fails with ENOENT. */
    char path[NAME_SIZE];
    if (snprintf(path, sizeof path, "/%s", name) >= NAME_SIZE)
        sys_error_number("shm_open", ENAMETOOLONG);
    int object = shm_open(path, O_RDWR, 0);
    if (object == -1)
        sys_error("shm_open");

    /* STEP 3: Map it: from now on it is memory. */
    map_object(object);

    /* STEP 4: Use the mutex only if the server has created it. */
    if (atomic_load(&shared->state) == BEING_MADE)
        fatal("the server of %s is not ready", name);

    /* STEP 5: Copy the number that is there, and print it. Nothing shows whether it is
     * new. The server's lock shows whether it may still be one of a server that runs. */
    for (long i = 0; count == 0 || i < count; i++) {
        if (i > 0 && poll(NULL, 0, (int)pace) == -1 && errno != EINTR)
            sys_error("poll");
        char text[TEXT_SIZE];
        copy_number(text);
        if (!has_server(object)) {
            if (atomic_load(&shared->state) != ENDED)
                fatal("the server was killed");
            break;
        }
        log_text("client: received", text, strnlen(text, TEXT_SIZE));
    }

    /* STEP 6: Unmap the memory. Its name is removed by the server. */
    if (munmap(shared, sizeof *shared) == -1)
        sys_error("munmap");
    if (close(object) == -1)
        sys_error("close");
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Maps the object if it has its size already: an access to memory beyond its end would
 * kill this program with SIGBUS. */
static void map_object(int object)
{
    struct stat status;
    if (fstat(object, &status) == -1)
        sys_error("fstat");
    if (status.st_size < (off_t)sizeof *shared)
        fatal("the server is not ready: the object has %ld bytes", (long)status.st_size);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
    if (shared == MAP_FAILED)
        sys_error("mmap");
}

/* Copies the number while it owns the mutex: meanwhile the server cannot write. If the
 * owner was killed, the number may be half written. */
static void copy_number(char *text)
{
    int error = pthread_mutex_lock(&shared->mutex);
    if (error == EOWNERDEAD) {
        log_event("client: mutex abandoned");
        /* Otherwise no program could lock it again (ENOTRECOVERABLE). */
        pthread_mutex_consistent(&shared->mutex);
        pthread_mutex_unlock(&shared->mutex);
        fatal("the number may be half written");
    }
    if (error != 0)
        sys_error_number("pthread_mutex_lock", error);
    memcpy(text, shared->slot.text, TEXT_SIZE);
    error = pthread_mutex_unlock(&shared->mutex);
    if (error != 0)
        sys_error_number("pthread_mutex_unlock", error);
}

/* Returns whether a process has the lock that a server holds until it ends. */
static bool has_server(int object)
{
    struct flock lock = {
        .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = LOCK_ALIVE, .l_len = 1};
    if (fcntl(object, F_GETLK, &lock) == -1)
        sys_error("fcntl");
    return lock.l_type != F_UNLCK;
}
