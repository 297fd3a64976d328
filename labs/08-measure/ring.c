/*
 * ring.c - messages through shared memory.
 *
 * The memory itself costs one copy, into the ring: the receiver reads where the message lies.
 * What a message costs beyond that is the waiting. One process writes `sent`, the other
 * `taken`, and each looks at the other's; who finds nothing to do waits in the system's manner.
 */
#include "ring.h"

#include <string.h>

#define RING_BYTES 262144 /* two rings fit into the second cache of most processors */

static struct ring *in, *out;
static const struct manner *manner;
static size_t length;
static uint32_t places;         /* messages that fit into a ring */
static uint32_t next;           /* the number of the next message to put in */
static uint32_t received, told; /* taken out; and how many of these the sender knows of */

/* What we last saw of the other's counts. To look again costs the line of the cache in which the
 * other process is writing: so only when what we know of is used up. */
static uint32_t seen_sent, seen_taken;

static uint32_t places_for(size_t size)
{
    return (uint32_t)(RING_BYTES / size < 2 ? 2 : RING_BYTES / size);
}

size_t ring_bytes(size_t size)
{
    return sizeof(struct ring) + places_for(size) * size;
}

void make_ring(struct ring *memory, int bell)
{
    memory->sent.bell = bell;
    memory->taken.bell = bell + 1;
}

void use_rings(struct ring *to_read, struct ring *to_write, size_t size,
               const struct manner *to_wait)
{
    in = to_read;
    out = to_write;
    length = size;
    places = places_for(size);
    manner = to_wait;
}

/* Advances a count, and wakes whoever sleeps for it. The sleeper raises its flag and then looks
 * at the count for the last time; here the count is advanced, and then the flag looked at. So at
 * least one of the two sees what the other has done. */
static void advance(struct count *count, uint32_t value)
{
    atomic_store(&count->value, value);
    if (atomic_load(&count->sleeper) != 0 && atomic_exchange(&count->sleeper, 0) != 0)
        manner->wake(count);
}

bool lie_down(struct count *count, uint32_t seen)
{
    atomic_store(&count->sleeper, 1);
    if (atomic_load(&count->value) == seen)
        return true;
    /* Too late to sleep. If the flag is down already, the other process has taken it down, and
     * rings: that must not be left over for the next sleep. */
    return atomic_exchange(&count->sleeper, 0) == 0;
}

bool spin(struct count *count, uint32_t seen, int looks)
{
    for (int look = 0; looks == 0 || look < looks; look++) {
        if (atomic_load_explicit(&count->value, memory_order_acquire) != seen)
            return true;
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    }
    return false;
}

/* Waits until `count` is no longer `seen`, and returns it. */
static uint32_t wait_while(struct count *count, uint32_t seen)
{
    uint32_t value;
    while ((value = atomic_load(&count->value)) == seen)
        manner->wait(count, seen);
    return value;
}

void put(const void *message)
{
    if (next - seen_taken == places)
        seen_taken = wait_while(&out->taken, seen_taken);
    memcpy(out->messages + next % places * length, message, length);
    advance(&out->sent, ++next);
}

/* The message before is no longer looked at: its place is free. The sender is told of free
 * places when there are enough to be worth waking it for, or when we are about to wait. */
const void *take(void *room)
{
    (void)room;
    if (received == seen_sent)
        seen_sent = atomic_load(&in->sent.value);
    bool idle = received == seen_sent;
    if (received != told && (idle || received - told >= places / 2)) {
        told = received;
        advance(&in->taken, told);
    }
    if (idle)
        seen_sent = wait_while(&in->sent, received);
    return in->messages + received++ % places * length;
}
