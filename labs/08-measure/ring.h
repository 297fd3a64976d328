/*
 * ring.h - a ring of messages in memory that two processes share, on both systems.
 *
 * Each process has two, one to write and one to read. The system's own file makes the memory,
 * and says how to wait.
 */
#ifndef RING_H
#define RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE 64
#define BELLS 4 /* of two rings: for each count, whatever wakes who waits for it */

/* A count that one process advances and the other waits for. Its parts lie on lines of the
 * cache of their own, so that two cores do not fight for one line. */
struct count {
    _Alignas(CACHE_LINE) _Atomic uint32_t value;
    _Alignas(CACHE_LINE) _Atomic uint32_t sleeper; /* whether somebody has to be woken */
    int bell;                                      /* which one: 0 to BELLS - 1 */
};

struct ring {
    struct count sent, taken;
    _Alignas(CACHE_LINE) char messages[];
};

/* How to wait until count->value is no longer `seen`, and how to tell that it has changed. A
 * wait may return early. */
struct manner {
    void (*wait)(struct count *count, uint32_t seen);
    void (*wake)(struct count *count);
};

/* How many bytes a ring for messages of `size` bytes takes. */
size_t ring_bytes(size_t size);

/* Makes `memory`, all zero, an empty ring with bells `bell` and `bell` + 1. */
void make_ring(struct ring *memory, int bell);

/* From now on this process reads from `to_read` and writes to `to_write`, messages of `size`
 * bytes, and waits in the manner given. */
void use_rings(struct ring *to_read, struct ring *to_write, size_t size,
               const struct manner *to_wait);

/* For struct mechanism. */
void put(const void *message);
const void *take(void *room);

/* For waits by something that counts, as a semaphore does: says that we are about to sleep.
 * Returns whether the bell is, or will be, rung, and must be waited for. */
bool lie_down(struct count *count, uint32_t seen);

/* Looks again and again until count->value is no longer `seen`, at most `looks` times, for ever
 * if that is 0. Returns whether it has changed. */
bool spin(struct count *count, uint32_t seen, int looks);

#endif
