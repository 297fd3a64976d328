/*
 * table.c - random access: many processes change a table at once, wherever they like.
 *
 * Usage: table [--unlocked] [PROCESSES [UPDATES]]
 *
 * Starts PROCESSES (4) processes, each of which adds 1 to UPDATES (2000) cells of a shared
 * table of 64, chosen at random; then adds the table up. Under a mutex the sum is PROCESSES *
 * UPDATES. With --unlocked it is less. Exit code 0 if the sum is right.
 *
 * A pipe or a socket carries a stream, in its order; in shared memory one reads and writes
 * where one likes. Its twin: ../win32/table.c. To try: table; table --unlocked; table 1.
 */
#define PROGRAM "table"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

/* `volatile` makes the compiler load and store each time. It does not make the two one step,
 * and orders nothing between processors: see what --unlocked loses. */
struct table {
    pthread_mutex_t mutex;
    volatile long cells[TABLE_CELLS];
};

static bool is_number(const char *text, long most);
static struct table *make_table(void);
static void work(struct table *table, uint32_t seed, long updates, bool locked);
static void take_mutex(struct table *table);
static void release_mutex(struct table *table);
static bool wait_for_all(long processes);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: how many processes, and what each has to do. */
    bool locked = !(argc > 1 && strcmp(argv[1], "--unlocked") == 0);
    char **words = argv + !locked;
    int count = argc - !locked;
    if (count > 3 || (count > 1 && !is_number(words[1], MAX_PROCESSES)) ||
        (count > 2 && !is_number(words[2], MAX_UPDATES))) {
        say(stderr, "usage: table [--unlocked] [PROCESSES [UPDATES]], up to %d and %d",
            MAX_PROCESSES, MAX_UPDATES);
        return 2;
    }
    long processes = count > 1 ? atol(words[1]) : TABLE_PROCESSES;
    long updates = count > 2 ? atol(words[2]) : TABLE_UPDATES;

    /* STEP 2: Make the memory and the mutex. Who starts the processes himself needs no name. */
    struct table *table = make_table();

    /* STEP 3: Start the processes: each inherits the mapping. If our caller ignores SIGCHLD, so
     * do we: the exit code of a child would be thrown away, and wait would fail with ECHILD. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        fail("signal");
    for (long i = 0; i < processes; i++) {
        pid_t child = fork();
        if (child == -1)
            fail("fork");
        if (child == 0) {
            work(table, (uint32_t)i + FIRST_STATE, updates, locked);
            _exit(EXIT_SUCCESS);
        }
    }
    say(stdout, "table: %ld processes, %ld updates each", processes, updates);

    /* STEP 4: Wait for all of them, and add up. */
    bool well = wait_for_all(processes);
    long sum = 0;
    for (int i = 0; i < TABLE_CELLS; i++)
        sum += table->cells[i];
    say(stdout, "table: sum %ld of %ld", sum, processes * updates);

    /* STEP 5: Unmap: without a name there is nothing to unlink. */
    if (munmap(table, sizeof *table) == -1)
        fail("munmap");
    say(stdout, "table: done");
    return well && sum == processes * updates ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool is_number(const char *text, long most)
{
    char *end;
    long number = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && number <= most;
}

static struct table *make_table(void)
{
    struct table *table =
        mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE,
             /* cppcheck-suppress invalidFunctionArg ; mmap(2) wants -1 */
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (table == MAP_FAILED)
        fail("mmap");
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);
    if (error == 0)
        error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (error == 0)
        error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (error == 0)
        error = pthread_mutex_init(&table->mutex, &attributes);
    if (error != 0)
        fail_with(error, "pthread_mutex_init");
    pthread_mutexattr_destroy(&attributes);
    return table;
}

/* What each process does: an update is a load, an addition and a store. Between the load and
 * the store another process may do the same, and then one of the two is lost. Without the
 * mutex the processor is given away just there, so that this shows on one processor too. */
static void work(struct table *table, uint32_t seed, long updates, bool locked)
{
    for (long i = 0; i < updates; i++) {
        unsigned cell = next_number(&seed) % TABLE_CELLS;
        if (locked)
            take_mutex(table);
        long value = table->cells[cell];
        if (!locked)
            sched_yield();
        table->cells[cell] = value + 1;
        if (locked)
            release_mutex(table);
    }
}

static void take_mutex(struct table *table)
{
    int error = pthread_mutex_lock(&table->mutex);
    if (error == EOWNERDEAD) /* it changed one cell, or has not: a cell is always whole */
        error = pthread_mutex_consistent(&table->mutex);
    if (error != 0)
        fail_with(error, "pthread_mutex_lock");
}

/* The pthread functions return their error code, and leave errno alone. */
static void release_mutex(struct table *table)
{
    int error = pthread_mutex_unlock(&table->mutex);
    if (error != 0)
        fail_with(error, "pthread_mutex_unlock");
}

/* Waits for the processes. Returns whether all of them did their work. */
static bool wait_for_all(long processes)
{
    bool well = true;
    for (long i = 0; i < processes; i++) {
        int status;
        if (wait(&status) == -1)
            fail("wait");
        if (status != 0) {
            say(stderr, PROGRAM ": a process did not do its work");
            well = false;
        }
    }
    return well;
}
