/*
 * instrument.h - what the programs that load a server measure with: the clock, the latencies, and
 * what the server's processes have used.
 */
#ifndef INSTRUMENT_H
#define INSTRUMENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Seconds, from an argument of the program. A wrong one ends it. */
double parse_seconds(const char *text);

/* Raises the limit on descriptors to `needed`. If that is not possible, the program ends with exit
 * code 3. */
void need_descriptors(size_t needed);

/* Nanoseconds by a clock that nobody sets, and that never runs backwards. */
uint64_t now(void);

/* Notes a latency in nanoseconds. */
void note_latency(uint64_t latency);

/* Prints three members of a JSON object: the microseconds that the half, 99 % and 99.9 % of the latencies
 * did not exceed. There must be a latency, and none is noted after this. */
void print_latencies(void);

/* What processes have used: memory in bytes, processor time in microseconds. */
struct use {
    double memory, time;
};

/* All processes of a session, and one more. Without a session (0) nothing is read. */
struct use use_of(pid_t session, pid_t process);

#endif
