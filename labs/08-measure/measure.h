/*
 * measure.h - what the parts of `measure` share, on both systems.
 *
 *     measure.c one mechanism, one size; which messages the two processes exchange
 *     unix/     process.c (second process), clock.c (clock, core), list.c, and the mechanisms
 *     win32/    the same for Windows
 *
 * A mechanism is a few functions. Each ends the program if a call fails: a conversation with a
 * failed call gives no figure.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdint.h>

#include "ipclab.h"

/* The process that measures, and the one that answers. */
enum side { FIRST, SECOND };

struct mechanism {
    const char *name;  /* "pipe", as MECHANISM= takes it */
    const char *title; /* "anonymous pipe" */

    /* Returns the largest message in bytes, or 0 for any size. NULL means any size. */
    size_t (*limit)(void);

    /* Why a one-way stream of messages cannot be sent, or NULL. */
    const char *no_one_way;

    /* Creates what both sides need. Called in the first process, before the second one exists. */
    void (*create)(size_t size);

    /* Opens `side`'s end. Called in each process when both exist. */
    void (*join)(enum side side, size_t size);

    /* Sends one message of the size that join() got. Blocks while there is no room. */
    void (*send)(const void *message);

    /* Waits for one message and returns its address: `buffer`, or, if the mechanism needs no copy,
     * memory that is valid until the next call. */
    const void *(*receive)(void *buffer);

    /* Removes what create() made. Called in the first process when the second has ended. */
    void (*destroy)(void);
};

/* The mechanisms of this system, a NULL at the end. */
extern const struct mechanism *const mechanisms[];

/* ---- clock.c of each system ---------------------------------------------------------- */

/* Returns seconds since a fixed moment, by a clock that nobody sets. */
double now(void);

/* Lets this process (on UNIX, this thread) run on one core only, counted from 0. */
void pin(int core);

/* ---- process.c of each system -------------------------------------------------------- */

/* True if the two processes can run at the same time: they are not pinned to the same core. */
extern bool apart;

/* Starts the second process, which calls answer() with `mechanism` and `size` on `core` (-1:
 * any). */
void start_second(const struct mechanism *mechanism, size_t size, int core);

/* Waits for the end of the second process. Returns whether its exit code is 0. */
bool await_second(void);

/* On Windows the second process is this program, started again: there this function answers and
 * does not return. In all other cases it does nothing: on UNIX the second process is a fork. */
void answer_if_second(int argc, char *argv[]);

/* ---- measure.c ----------------------------------------------------------------------- */

/* The second process: checks every message, and sends back those that ask for it. */
void answer(const struct mechanism *mechanism, size_t size);

#endif
