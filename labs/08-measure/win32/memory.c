/*
 * memory.c - a file mapping without a file, and three ways to wait for the other process.
 */

#include "mechanisms.h"
#include "ring.h"

#define LARGEST_COUNT 1000000 /* of a semaphore; two would do */

static HANDLE mapping, bells[BELLS];
static struct ring *rings[2]; /* from the first process to the second, and back */

/* The second ring begins on a cache line, as the first one does. */
static size_t rounded_bytes(size_t size)
{
    return (ring_bytes(size) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static void map_rings(size_t size)
{
    size_t bytes = rounded_bytes(size);
    char *view = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, 2 * bytes);
    if (view == NULL)
        sys_error("MapViewOfFile");
    rings[0] = (struct ring *)(void *)view;
    rings[1] = (struct ring *)(void *)(view + bytes);
}

static void create_rings(size_t size)
{
    snprintf(address, sizeof address, "measure-%lu", GetCurrentProcessId());
    mapping = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0,
                                 (DWORD)(2 * rounded_bytes(size)), address);
    if (mapping == NULL)
        sys_error("CreateFileMapping");
    map_rings(size);
    make_ring(rings[0], 0);
    make_ring(rings[1], 2);
}

static void join(enum side side, size_t size, const struct manner *manner)
{
    if (side == SECOND) {
        if ((mapping = OpenFileMappingA(FILE_MAP_ALL_ACCESS, FALSE, address)) == NULL)
            sys_error("OpenFileMapping");
        map_rings(size);
    }
    use_rings(rings[side == FIRST ? 1 : 0], rings[side == FIRST ? 0 : 1], size, manner);
}

static void remove_rings(void)
{
    if (!UnmapViewOfFile(rings[0]) || !CloseHandle(mapping))
        sys_error("UnmapViewOfFile");
    for (int i = 0; i < BELLS; i++)
        if (bells[i] != NULL && !CloseHandle(bells[i]))
            sys_error("CloseHandle");
}

static const char *bell_name(int number)
{
    static char name[ADDRESS_SIZE + 16];
    snprintf(name, sizeof name, "%s-%d", address, number);
    return name;
}

static void wait_for_bell(struct count *count, uint32_t seen)
{
    if (lie_down(count, seen) &&
        WaitForSingleObject(bells[count->bell], INFINITE) != WAIT_OBJECT_0)
        sys_error("WaitForSingleObject");
}

/* ---- By events -------------------------------------------------------------------------- */

static void set_event(struct count *count)
{
    if (!SetEvent(bells[count->bell]))
        sys_error("SetEvent");
}

/* CreateEvent opens an event that exists already, so both processes can call it. */
static void join_event(enum side side, size_t size)
{
    static const struct manner manner = {wait_for_bell, set_event};
    for (int i = 0; i < BELLS; i++)
        if ((bells[i] = CreateEventA(NULL, FALSE, FALSE, bell_name(i))) == NULL)
            sys_error("CreateEvent");
    join(side, size, &manner);
}

/* ---- By semaphores ------------------------------------------------------------------------ */

static void release_semaphore(struct count *count)
{
    if (!ReleaseSemaphore(bells[count->bell], 1, NULL))
        sys_error("ReleaseSemaphore");
}

static void join_semaphore(enum side side, size_t size)
{
    static const struct manner manner = {wait_for_bell, release_semaphore};
    for (int i = 0; i < BELLS; i++)
        if ((bells[i] = CreateSemaphoreA(NULL, 0, LARGEST_COUNT, bell_name(i))) == NULL)
            sys_error("CreateSemaphore");
    join(side, size, &manner);
}

/* ---- By spinning --------------------------------------------------------------------------- */

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

const struct mechanism memory_event = {"memory-event", "mapping, events", NULL, NULL,
                                       create_rings,   join_event,        put,  take,
                                       remove_rings};
const struct mechanism memory_semaphore = {
    "memory-semaphore", "mapping, semaphores", NULL, NULL,
    create_rings,       join_semaphore,        put,  take,
    remove_rings};
const struct mechanism memory_spin = {"memory-spin", "mapping, spinning", NULL, NULL,
                                      create_rings,  join_spin,           put,  take,
                                      remove_rings};
