/*
 * table.c - random access: many processes change a table at once, anywhere in it.
 *
 * Usage: table [--unlocked] [PROCESSES [UPDATES]]
 *
 * Starts PROCESSES (4) processes. Each adds 1 to UPDATES (2000) cells, chosen at random, of
 * a shared table of 64. Then adds up the table. With a mutex the sum is PROCESSES *
 * UPDATES. With --unlocked updates are lost. Exit code 0 if the sum is right, else 1.
 *
 * A pipe or a socket carries bytes in order. In shared memory a process reads and writes
 * anywhere. Counterpart: ../win32/table.c.
 * To try: table; table --unlocked; table --unlocked 1.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "contract.h"
#include "ipclab.h"

/* `volatile` makes the compiler load and store each time. It does not make one step of the
 * two, and it orders nothing between processors: see what --unlocked loses. */
struct table {
    pthread_mutex_t mutex;
    volatile long cells[TABLE_CELLS];
};

static struct table *create_table(void);
static void work(struct table *table, uint32_t seed, long updates, bool locked);
static void lock_mutex(struct table *table);
static void unlock_mutex(struct table *table);
static bool wait_for_all(const pid_t children[], long count);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: how many processes, and how many updates each. */
    begin_program("table", "[--unlocked] [PROCESSES [UPDATES]]", &argv);
    bool locked = !(argc > 1 && strcmp(argv[1], "--unlocked") == 0);
    char **words = argv + !locked;
    int count = argc - !locked;
    if (count > 3)
        usage_exit();
    long processes = TABLE_PROCESSES, updates = TABLE_UPDATES;
    if (count > 1)
        processes = parse_long("PROCESSES", words[1], 0, MAX_PROCESSES);
    if (count > 2)
        updates = parse_long("UPDATES", words[2], 0, MAX_UPDATES);

    /* STEP 2: Create the memory and the mutex. No name is needed: children inherit it. */
    struct table *table = create_table();

    /* STEP 3: Start the processes. Each inherits the mapping. The program that started this
     * one may ignore SIGCHLD, which is inherited: then waitpid() would fail with ECHILD. */
    static pid_t children[MAX_PROCESSES];
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        sys_error("signal");
    for (long i = 0; i < processes; i++) {
        children[i] = fork();
        if (children[i] == -1)
            sys_error("fork");
        if (children[i] == 0) {
            work(table, (uint32_t)i + FIRST_STATE, updates, locked);
            _exit(EXIT_SUCCESS);
        }
    }
    log_event("table: %ld processes, %ld updates each", processes, updates);

    /* STEP 4: Wait for all of them, and add up. */
    bool ok = wait_for_all(children, processes);
    long sum = 0;
    for (int i = 0; i < TABLE_CELLS; i++)
        sum += table->cells[i];
    log_event("table: sum %ld of %ld", sum, processes * updates);

    /* STEP 5: Unmap the memory. Without a name there is nothing to unlink. */
    if (munmap(table, sizeof *table) == -1)
        sys_error("munmap");
    log_event("table: done");
    return ok && sum == processes * updates ? EXIT_SUCCESS : EXIT_FAILURE;
}

static struct table *create_table(void)
{
    struct table *table =
        mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE,
             /* cppcheck-suppress invalidFunctionArg ; mmap(2) wants -1 */
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (table == MAP_FAILED)
        sys_error("mmap");
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);
    if (error == 0)
        error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (error == 0)
        error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (error == 0)
        error = pthread_mutex_init(&table->mutex, &attributes);
    if (error != 0)
        sys_error_number("pthread_mutex_init", error);
    pthread_mutexattr_destroy(&attributes);
    return table;
}

/* What each process does. An update is a load, an addition and a store. If another process
 * updates the cell between the load and the store, one of the two updates is lost. Without
 * the mutex, this yields the processor there, so that it happens on one processor, too. */
static void work(struct table *table, uint32_t seed, long updates, bool locked)
{
    for (long i = 0; i < updates; i++) {
        unsigned cell = next_number(&seed) % TABLE_CELLS;
        if (locked)
            lock_mutex(table);
        long value = table->cells[cell];
        if (!locked)
            sched_yield();
        table->cells[cell] = value + 1;
        if (locked)
            unlock_mutex(table);
    }
}

static void lock_mutex(struct table *table)
{
    int error = pthread_mutex_lock(&table->mutex);
    if (error == EOWNERDEAD) /* a cell has changed or not: nothing to repair */
        error = pthread_mutex_consistent(&table->mutex);
    if (error != 0)
        sys_error_number("pthread_mutex_lock", error);
}

static void unlock_mutex(struct table *table)
{
    int error = pthread_mutex_unlock(&table->mutex);
    if (error != 0)
        sys_error_number("pthread_mutex_unlock", error);
}

/* Waits for the processes. Returns whether all of them exited with 0. Not wait(), which waits for
 * any child: this process may have others, from before its exec(). */
static bool wait_for_all(const pid_t children[], long count)
{
    bool ok = true;
    for (long i = 0; i < count; i++) {
        int status;
        if (waitpid(children[i], &status, 0) == -1)
            sys_error("waitpid");
        if (status != 0) {
            log_error("a process did not do its work");
            ok = false;
        }
    }
    return ok;
}
