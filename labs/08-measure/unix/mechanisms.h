/*
 * mechanisms.h - what the files with mechanisms share.
 */
#ifndef MECHANISMS_H
#define MECHANISMS_H

#include "measure.h"

/* streams.c: bytes without message boundaries. */
extern const struct mechanism pipe_usual, pipe_large, pipe_vmsplice, fifo, unix_stream,
    tcp;

/* messages.c: the system keeps messages apart. */
extern const struct mechanism unix_datagram, unix_seqpacket, posix_queue, sysv_queue, udp;

/* memory.c: a ring in shared memory, and six ways to wait. */
extern const struct mechanism memory_semaphore, memory_futex, memory_spin, memory_wise,
    memory_eventfd, memory_signal;

#endif
