/*
 * memory.c - shared memory, and six ways to wait for the other process.
 */
#include <errno.h>
#include <linux/futex.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mechanisms.h"
#include "ring.h"

#define PATIENCE 4000 /* looks before a wise process sleeps: some tens of microseconds */

/* Beside the rings, in shared memory too: what wakes who waits for a count. */
struct bells {
    sem_t semaphores[BELLS];
    int events[BELLS];    /* of eventfd(2) */
    pid_t waiters[BELLS]; /* the process to send a signal to */
};

static struct bells *bells;
static struct ring *rings[2]; /* from the first process to the second, and back */

static void *share(size_t size)
{
    const int kind = MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE;
    /* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS asks for */
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, kind, -1, 0);
    if (memory == MAP_FAILED)
        fail("mmap");
    return memory;
}

static void create_rings(size_t size)
{
    bells = share(sizeof *bells);
    for (int i = 0; i < 2; i++) {
        rings[i] = share(ring_bytes(size));
        make_ring(rings[i], 2 * i);
    }
}

static void join(enum side side, size_t size, const struct manner *manner)
{
    struct ring *in = rings[side == FIRST ? 1 : 0], *out = rings[side == FIRST ? 0 : 1];
    bells->waiters[in->sent.bell] = bells->waiters[out->taken.bell] = getpid();
    use_rings(in, out, size, manner);
}

static void remove_rings(void)
{
    /* The memory has no name: it goes with the processes. */
}

/* ---- By a semaphore ------------------------------------------------------------------------ */

static void pass_semaphore(struct count *count, uint32_t seen)
{
    if (lie_down(count, seen) && sem_wait(&bells->semaphores[count->bell]) == -1)
        fail("sem_wait");
}

static void raise_semaphore(struct count *count)
{
    if (sem_post(&bells->semaphores[count->bell]) == -1)
        fail("sem_post");
}

static void create_semaphore(size_t size)
{
    create_rings(size);
    for (int i = 0; i < BELLS; i++)
        if (sem_init(&bells->semaphores[i], 1, 0) == -1)
            fail("sem_init");
}

static void join_semaphore(enum side side, size_t size)
{
    static const struct manner manner = {pass_semaphore, raise_semaphore};
    join(side, size, &manner);
}

const struct mechanism memory_semaphore = {"memory-semaphore",
                                           "shared memory, semaphore",
                                           NULL,
                                           NULL,
                                           create_semaphore,
                                           join_semaphore,
                                           put,
                                           take,
                                           remove_rings};

/* ---- By an eventfd --------------------------------------------------------------------------- */

static void read_event(struct count *count, uint32_t seen)
{
    uint64_t events;
    if (lie_down(count, seen) &&
        read(bells->events[count->bell], &events, sizeof events) == -1)
        fail("read");
}

static void write_event(struct count *count)
{
    uint64_t one = 1;
    if (write(bells->events[count->bell], &one, sizeof one) == -1)
        fail("write");
}

static void create_event(size_t size)
{
    create_rings(size);
    for (int i = 0; i < BELLS; i++)
        if ((bells->events[i] = eventfd(0, 0)) == -1)
            fail("eventfd");
}

static void join_event(enum side side, size_t size)
{
    static const struct manner manner = {read_event, write_event};
    join(side, size, &manner);
}

const struct mechanism memory_eventfd = {"memory-eventfd",
                                         "shared memory, eventfd",
                                         NULL,
                                         NULL,
                                         create_event,
                                         join_event,
                                         put,
                                         take,
                                         remove_rings};

/* ---- By a signal ------------------------------------------------------------------------------ */

static sigset_t signals;

static void take_signal(struct count *count, uint32_t seen)
{
    if (lie_down(count, seen) && sigwaitinfo(&signals, NULL) == -1)
        fail("sigwaitinfo");
}

static void send_signal(struct count *count)
{
    if (sigqueue(bells->waiters[count->bell], SIGRTMIN, (union sigval){0}) == -1)
        fail("sigqueue");
}

/* Blocked, a signal waits until sigwaitinfo(2) takes it. The second process inherits that. */
static void create_signal(size_t size)
{
    sigemptyset(&signals);
    sigaddset(&signals, SIGRTMIN);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) == -1)
        fail("sigprocmask");
    create_rings(size);
}

static void join_signal(enum side side, size_t size)
{
    static const struct manner manner = {take_signal, send_signal};
    join(side, size, &manner);
}

const struct mechanism memory_signal = {"memory-signal",
                                        "shared memory, signals",
                                        NULL,
                                        NULL,
                                        create_signal,
                                        join_signal,
                                        put,
                                        take,
                                        remove_rings};

/* ---- By a futex, by spinning, wisely ---------------------------------------------------------- */

/* The kernel looks at the count once more before it lets us sleep, so that nothing is left over
 * that would have to be taken. */
static void sleep_on_futex(struct count *count, uint32_t seen)
{
    atomic_store(&count->sleeper, 1);
    if (syscall(SYS_futex, &count->value, FUTEX_WAIT, seen, NULL) == -1 &&
        errno != EAGAIN && errno != EINTR)
        fail("futex");
}

static void wake_futex(struct count *count)
{
    if (syscall(SYS_futex, &count->value, FUTEX_WAKE, 1) == -1)
        fail("futex");
}

static void join_futex(enum side side, size_t size)
{
    static const struct manner manner = {sleep_on_futex, wake_futex};
    join(side, size, &manner);
}

static void spin_for_ever(struct count *count, uint32_t seen)
{
    spin(count, seen, 0);
}

static void wake_nobody(struct count *count)
{
    (void)count;
}

static void join_spin(enum side side, size_t size)
{
    static const struct manner manner = {spin_for_ever, wake_nobody};
    join(side, size, &manner);
}

/* To look again and again is the fastest way to learn what another core does, and on the same
 * core the slowest: the other process cannot go on before our slice of time is used up. */
static void wait_wisely(struct count *count, uint32_t seen)
{
    if (!apart || !spin(count, seen, PATIENCE))
        sleep_on_futex(count, seen);
}

static void join_wise(enum side side, size_t size)
{
    static const struct manner manner = {wait_wisely, wake_futex};
    join(side, size, &manner);
}

const struct mechanism memory_futex = {"memory-futex",
                                       "shared memory, futex",
                                       NULL,
                                       NULL,
                                       create_rings,
                                       join_futex,
                                       put,
                                       take,
                                       remove_rings};
const struct mechanism memory_spin = {"memory-spin", "shared memory, spinning",
                                      NULL,          NULL,
                                      create_rings,  join_spin,
                                      put,           take,
                                      remove_rings};
const struct mechanism memory_wise = {"memory-wise", "shared memory, spin then futex",
                                      NULL,          NULL,
                                      create_rings,  join_wise,
                                      put,           take,
                                      remove_rings};
