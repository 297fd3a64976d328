/*
 * pitfalls.c - seven pitfalls of measuring: a wrong figure beside the right one.
 *
 * Usage: pitfalls [WAY]
 *
 * The ways: unpinned, clock, cold, once, first-byte, buffer, closed-loop. Without WAY it shows
 * all of them. Each measures the same thing twice over a pipe: once with a common mistake, and
 * once correctly. A second process answers.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "measure.h"

#define SMALL 64
#define LARGE 65536
#define TURNS 5000
#define ROUNDS 21

static int down[2], up[2];
static pid_t second;

static void put(int out, const char *bytes, size_t length)
{
    if (!write_all(out, bytes, length))
        sys_error("write");
}

/* Returns false at the end of input. */
static bool get(int in, char *bytes, size_t length)
{
    long got = read_full(in, bytes, length);
    if (got == -1)
        sys_error("read");
    return (size_t)got == length;
}

/* Starts a second process on `core` (-1: any), in which `serve` runs until it returns. */
static void start(void (*serve)(void), int core)
{
    if (pipe(down) == -1 || pipe(up) == -1)
        sys_error("pipe");
    /* If our caller ignores SIGCHLD, so do we, and waitpid would fail with ECHILD. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        sys_error("signal");
    fflush(stdout); /* or a child that fails would print our text once more */
    if ((second = fork()) == -1)
        sys_error("fork");
    if (second == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
            sys_error("prctl");
        if (core != -1)
            pin(core);
        close(down[1]);
        close(up[0]);
        serve();
        _exit(EXIT_SUCCESS);
    }
    if (close(down[0]) == -1 || close(up[1]) == -1)
        sys_error("close");
}

static void end(void)
{
    if (close(down[1]) == -1 || close(up[0]) == -1 || waitpid(second, NULL, 0) == -1)
        sys_error("waitpid");
}

static void echo_small(void)
{
    char message[SMALL];
    while (get(down[0], message, sizeof message))
        put(up[1], message, sizeof message);
}

/* Returns microseconds for a round trip: the mean of `count` in a row. */
static double turns(long count)
{
    char message[SMALL] = "";
    double begun = now();
    for (long i = 0; i < count; i++) {
        put(down[1], message, sizeof message);
        if (!get(up[0], message, sizeof message))
            fatal("the second process has ended");
    }
    return (now() - begun) / (double)count * 1e6;
}

static double pinned(int core)
{
    start(echo_small, core);
    pin(0);
    turns(TURNS / 10);
    double figure = turns(TURNS);
    end();
    return figure;
}

static void run_anywhere(void)
{
    cpu_set_t all;
    CPU_ZERO(&all);
    for (int core = 0; core < CPU_SETSIZE; core++)
        CPU_SET(core, &all);
    if (sched_setaffinity(0, sizeof all, &all) == -1)
        sys_error("sched_setaffinity");
}

static void unpinned(void)
{
    puts("Without pinning, the figure depends on the cores that the system chooses:");
    for (int i = 0; i < 6; i++) {
        run_anywhere();
        start(echo_small, -1);
        printf("    wrong: %.1f us\n", turns(TURNS));
        end();
    }
    printf("    right: %.1f us on one core, %.1f us across two: two figures, not one\n",
           pinned(0), pinned(1));
}

static void wrong_clock(void)
{
    puts(
        "Processor time excludes waiting, and the time of a whole command includes its start:");
    start(echo_small, 1);
    pin(0);
    clock_t processor = clock();
    double right = turns(TURNS);
    double used = (double)(clock() - processor) / CLOCKS_PER_SEC / TURNS * 1e6;
    end();
    double few_begun = now();
    start(echo_small, 1);
    turns(10);
    end();
    printf("    wrong: %.1f us of processor time for a round trip across two cores\n",
           used);
    printf("    wrong: %.1f us by the time of a whole run of 10 round trips\n",
           (now() - few_begun) / 10 * 1e6);
    printf("    right: %.1f us of elapsed time, by a clock that nobody sets\n", right);
}

static int compare(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return one < other ? -1 : one > other;
}

/* The figures of ROUNDS rounds, the smallest first. */
static void take_rounds(double figures[ROUNDS])
{
    for (int i = 0; i < ROUNDS; i++)
        figures[i] = turns(TURNS / 10);
    qsort(figures, ROUNDS, sizeof *figures, compare);
}

static void cold(void)
{
    double figures[ROUNDS];
    puts("The first messages wait for a process to start, for pages and for caches:");
    pin(0);
    double begun = now();
    start(echo_small, 0);
    turns(1);
    double first = (now() - begun) * 1e6, others = turns(9);
    take_rounds(figures);
    end();
    printf("    wrong: %.1f us, from the start to the first echo\n", first);
    printf("    wrong: %.1f us, the mean of the first ten\n", (first + 9 * others) / 10);
    printf("    right: %.1f us, the median of %d rounds after them\n",
           figures[ROUNDS / 2], ROUNDS);
}

static void once(void)
{
    double figures[ROUNDS];
    puts("A single round may be any of these, and you do not know which:");
    start(echo_small, 0);
    pin(0);
    turns(TURNS / 10);
    take_rounds(figures);
    end();
    printf("    wrong: %.1f us, or %.1f us: the best and the worst of %d rounds\n",
           figures[0], figures[ROUNDS - 1], ROUNDS);
    printf("    right: %.1f us, the median; quartiles %.1f and %.1f\n",
           figures[ROUNDS / 2], figures[ROUNDS / 4], figures[ROUNDS * 3 / 4]);
}

/* Memory as a message box: to "receive" a megabyte is to read all of it, or only its first
 * byte. */
static void first_byte(void)
{
    enum { MESSAGES = 2000, SIZE = 1 << 20 };
    /* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS asks for */
    char *box = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                     0);
    char *expected = allocate(SIZE);
    if (box == MAP_FAILED)
        sys_error("mmap");
    memset(box, 'x', SIZE);
    memset(expected, 'x', SIZE);
    puts(
        "A message that nobody reads costs nothing (1 MB in shared memory, only received):");
    pin(0);
    volatile int same = 0;
    double begun = now();
    for (int i = 0; i < MESSAGES; i++)
        same += *(volatile char *)box == 'x';
    double first = now() - begun;
    begun = now();
    for (int i = 0; i < MESSAGES; i++) {
        same += memcmp(box, expected, SIZE) == 0;
        __asm__ volatile(""
                         :
                         : "r"(box)
                         : "memory"); /* it may change between two messages */
    }
    double whole = now() - begun;
    if (same != 2 * MESSAGES)
        fatal("the message has changed");
    printf("    wrong: %.0f MB/s, checking the first byte\n", MESSAGES / first);
    printf("    right: %.0f MB/s, checking all of them\n", MESSAGES / whole);
    free(expected);
}

static void swallow(void)
{
    static char message[LARGE];
    size_t count = 0;
    while (get(down[0], message, sizeof message))
        if (++count % 16 == 0)
            put(up[1], message, 1);
}

/* Sends sixteen messages; the last one is answered. Returns the microseconds of the first
 * write. */
static double sixteen(void)
{
    static char message[LARGE];
    char word;
    double begun = now();
    put(down[1], message, sizeof message);
    double burst = now() - begun;
    for (int i = 1; i < 16; i++)
        put(down[1], message, sizeof message);
    if (!get(up[0], &word, 1))
        fatal("the second process has ended");
    return burst * 1e6;
}

static void buffer(void)
{
    enum { TIMES = 256 };
    double bursts[ROUNDS];
    puts("A burst that fits into the pipe has been sent, but not received:");
    start(swallow, 0);
    pin(0);
    sixteen();
    for (int i = 0; i < ROUNDS; i++)
        bursts[i] = sixteen();
    qsort(bursts, ROUNDS, sizeof *bursts, compare);
    double begun = now();
    for (int i = 0; i < TIMES; i++)
        sixteen();
    double steady = (now() - begun) * 1e6;
    end();
    printf("    wrong: %.0f MB/s, 64 KB into an empty pipe of 64 KB\n",
           LARGE / bursts[ROUNDS / 2]);
    printf("    right: %.0f MB/s, %d times as much, until all of it is received\n",
           (double)LARGE * 16 * TIMES / steady, 16 * TIMES);
}

/* At every 500th message the server does something else for 20 ms. */
static void echo_with_pauses(void)
{
    char message[SMALL];
    for (long count = 1; get(down[0], message, sizeof message); count++) {
        double until = now() + (count % 500 == 0 ? 0.020 : 0);
        while (now() < until)
            ;
        put(up[1], message, sizeof message);
    }
}

static void closed_loop(void)
{
    enum { MESSAGES = 2000 };
    static double waits[MESSAGES];
    const double interval = 0.0002; /* a client comes every 200 microseconds */
    char message[SMALL] = "";
    puts(
        "A client that asks only after the last answer leaves out the requests that would have come "
        "meanwhile (the server now and then pauses for 20 ms):");
    for (int open = 0; open < 2; open++) {
        start(echo_with_pauses, 1);
        pin(0);
        double begun = now();
        for (int i = 0; i < MESSAGES; i++) {
            double due = begun + i * interval;
            while (open && now() < due)
                ;
            double from = open ? due : now();
            put(down[1], message, sizeof message);
            if (!get(up[0], message, sizeof message))
                fatal("the second process has ended");
            waits[i] = (now() - from) * 1e6;
        }
        end();
        qsort(waits, MESSAGES, sizeof *waits, compare);
        printf("    %s: p50 %.0f us, p99 %.0f us, p99.9 %.0f us, %s\n",
               open ? "right" : "wrong", waits[MESSAGES / 2], waits[MESSAGES * 99 / 100],
               waits[MESSAGES * 999 / 1000],
               open ? "counted from when each client came" : "one after the other");
    }
}

int main(int argc, char *argv[])
{
    begin_program(
        "pitfalls",
        "[WAY]; the ways are unpinned, clock, cold, once, first-byte, buffer, closed-loop",
        &argv);
    static const struct {
        const char *name;
        void (*show)(void);
    } ways[] = {{"unpinned", unpinned},
                {"clock", wrong_clock},
                {"cold", cold},
                {"once", once},
                {"first-byte", first_byte},
                {"buffer", buffer},
                {"closed-loop", closed_loop}};
    enum { WAYS = sizeof ways / sizeof *ways };
    bool known = argc == 1;
    for (int i = 0; i < WAYS; i++)
        if (argc == 1 || (argc == 2 && strcmp(argv[1], ways[i].name) == 0)) {
            known = true;
            printf("%s: ", ways[i].name);
            fflush(stdout);
            ways[i].show();
        }
    if (!known)
        usage_exit();
    return 0;
}
