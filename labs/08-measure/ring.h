/*
 * ring.h - a ring of messages in memory that two processes share, on both systems.
 *
 * Each process has two rings, one to write and one to read. memory.c of each system creates the
 * memory, and defines how to wait.
 */
#ifndef RING_H
#define RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE 64
#define BELLS 4 /* two rings have four counts, each with a bell that wakes its waiter */

/* A count that one process advances and the other waits for. Each part has its own cache line, so
 * that two cores do not write to the same one. */
struct count {
    _Alignas(CACHE_LINE) _Atomic uint32_t value;
    _Alignas(CACHE_LINE) _Atomic uint32_t sleeper; /* not 0 if a process must be woken */
    int bell;                                      /* which one: 0 to BELLS - 1 */
};

struct ring {
    struct count sent, taken;
    _Alignas(CACHE_LINE) char messages[];
};

/* How to wait until count->value is no longer `seen`, and how to wake the process that waits. A
 * wait may return early. */
struct manner {
    void (*wait)(struct count *count, uint32_t seen);
    void (*wake)(struct count *count);
};

/* Returns the number of bytes of a ring for messages of `size` bytes. */
size_t ring_bytes(size_t size);

/* Makes `memory`, all zero, an empty ring with bells `bell` and `bell` + 1. */
void make_ring(struct ring *memory, int bell);

/* From now on this process reads messages of `size` bytes from `to_read`, writes to `to_write`,
 * and waits by `to_wait`. */
void use_rings(struct ring *to_read, struct ring *to_write, size_t size,
               const struct manner *to_wait);

/* For struct mechanism. */
void put(const void *message);
const void *take(void *buffer);

/* Announces that we are about to sleep, for bells that count, such as a semaphore. Returns true
 * if the caller must wait for the bell: it is rung already, or will be. */
bool lie_down(struct count *count, uint32_t seen);

/* Reads count->value again and again until it is no longer `seen`, at most `looks` times; 0 is
 * without limit. Returns whether it has changed. */
bool spin(struct count *count, uint32_t seen, int looks);

#endif
