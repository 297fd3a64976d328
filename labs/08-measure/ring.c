/*
 * ring.c - messages through shared memory.
 *
 * A message costs one copy, into the ring: the receiver reads it in place. The rest of its cost
 * is waiting. One process writes `sent`, the other writes `taken`, and each reads the other's
 * count. A process that finds nothing to do waits by a mechanism of the system (struct manner).
 */
#include "ring.h"

#include <string.h>

#define RING_BYTES 262144 /* two rings fit into most second-level caches */

static struct ring *in, *out;
static const struct manner *manner;
static size_t length;
static uint32_t places;         /* messages that fit into a ring */
static uint32_t next;           /* the number of the next message to put in */
static uint32_t received, told; /* messages taken out; those that the sender knows of */

/* The other process's counts as we last read them. Reading one again fetches the cache line that
 * the other process writes to, which is slow. So we read it only when we have used up what we
 * know of. */
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

/* Advances a count, and wakes the process that sleeps until it changes. The sleeper sets its
 * flag, then reads the count once more. Here the order is the reverse: the count first, then the
 * flag. So at least one of the two processes sees what the other one has done. */
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
    /* The count has changed, so we do not sleep. If the flag is clear already, the other process
     * has cleared it and rings the bell. That ring must not remain for the next sleep. */
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

/* The caller no longer reads the message before this one: its place is free. The sender learns of
 * free places when there are enough to be worth a wake-up, or when we are about to wait. */
const void *take(void *buffer)
{
    (void)buffer;
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
