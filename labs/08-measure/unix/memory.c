/*
 * memory.c - shared memory, and six ways to wait for the other process.
 */
#include <linux/futex.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "mechanisms.h"
#include "ring.h"

#define PATIENCE 4000 /* reads before memory-wise sleeps: some tens of microseconds */

/* In shared memory beside the rings: for each count, what wakes the process that waits for it. */
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
        sys_error("mmap");
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
    /* The memory has no name: it is freed when both processes have ended. */
}

/* ---- By a semaphore ------------------------------------------------------------------------ */

static void pass_semaphore(struct count *count, uint32_t seen)
{
    if (lie_down(count, seen) && sem_wait(&bells->semaphores[count->bell]) == -1)
        sys_error("sem_wait");
}

static void raise_semaphore(struct count *count)
{
    if (sem_post(&bells->semaphores[count->bell]) == -1)
        sys_error("sem_post");
}

static void create_semaphore(size_t size)
{
    create_rings(size);
    for (int i = 0; i < BELLS; i++)
        if (sem_init(&bells->semaphores[i], 1, 0) == -1)
            sys_error("sem_init");
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
        sys_error("read");
}

static void write_event(struct count *count)
{
    uint64_t one = 1;
    if (write(bells->events[count->bell], &one, sizeof one) == -1)
        sys_error("write");
}

static void create_event(size_t size)
{
    create_rings(size);
    for (int i = 0; i < BELLS; i++)
        if ((bells->events[i] = eventfd(0, 0)) == -1)
            sys_error("eventfd");
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
        sys_error("sigwaitinfo");
}

static void send_signal(struct count *count)
{
    if (sigqueue(bells->waiters[count->bell], SIGRTMIN, (union sigval){0}) == -1)
        sys_error("sigqueue");
}

/* A blocked signal stays pending until sigwaitinfo(2) takes it. The second process inherits the
 * mask. */
static void create_signal(size_t size)
{
    sigemptyset(&signals);
    sigaddset(&signals, SIGRTMIN);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) == -1)
        sys_error("sigprocmask");
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

/* The kernel reads the count once more before we sleep. So there is never a wake-up left over for
 * the next wait. */
static void sleep_on_futex(struct count *count, uint32_t seen)
{
    atomic_store(&count->sleeper, 1);
    if (syscall(SYS_futex, &count->value, FUTEX_WAIT, seen, NULL) == -1 &&
        errno != EAGAIN && errno != EINTR)
        sys_error("futex");
}

static void wake_futex(struct count *count)
{
    if (syscall(SYS_futex, &count->value, FUTEX_WAKE, 1) == -1)
        sys_error("futex");
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

/* Spinning is the fastest way to learn what another core does. On the same core it is the
 * slowest: the other process cannot run before our time slice is used up. */
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
