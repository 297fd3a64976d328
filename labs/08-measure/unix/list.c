/*
 * list.c - the mechanisms of UNIX, in the order of the table.
 */
#include "mechanisms.h"

const struct mechanism *const mechanisms[] = {
    &pipe_usual,
    &pipe_large,
    &pipe_vmsplice,
    &fifo,
    &unix_stream,
    &unix_datagram,
    &unix_seqpacket,
    &posix_queue,
    &sysv_queue,
    &udp,
    &tcp,
    &memory_semaphore,
    &memory_eventfd,
    &memory_signal,
    &memory_futex,
    &memory_spin,
    &memory_wise,
    NULL,
};
