/*
 * measure.h - what the parts of the instrument agree on, on both systems.
 *
 *     measure.c one cell: a mechanism, a size; what the two processes say to each other
 *     unix/     process.c (clock, core, second process), list.c, and the mechanisms of UNIX
 *     win32/    the same for Windows
 *
 * A mechanism is a few functions. All of them end the program when a call fails: a figure
 * from a conversation that went wrong is no figure.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The process that measures, and the one that answers. */
enum side { FIRST, SECOND };

struct mechanism {
    const char *name;  /* "pipe", as MECHANISM= takes it */
    const char *title; /* "anonymous pipe" */

    /* The largest message in bytes, 0 for any. NULL means any, too. */
    size_t (*limit)(void);

    /* Why a one-way stream of messages cannot be sent, or NULL. */
    const char *no_one_way;

    /* Makes what both sides need, in the first process, before the second one exists. */
    void (*create)(size_t size);

    /* Takes `side`'s end: called in each process once both exist. */
    void (*join)(enum side side, size_t size);

    /* Sends one message of the size given to join(), waiting for room if need be. */
    void (*send)(const void *message);

    /* Waits for one message and returns where it is: in `room`, or, where the mechanism needs
     * no copy, in memory that is valid until the next call. */
    const void *(*receive)(void *room);

    /* Removes what create() made. Called in the first process, when the second has ended. */
    void (*destroy)(void);
};

/* The mechanisms of this system, a NULL at the end. */
extern const struct mechanism *const mechanisms[];

/* ---- clock.c of each system ---------------------------------------------------------- */

/* Seconds since some fixed moment, by a clock that nobody sets. */
double now(void);

/* Lets this process (on UNIX, this thread) run on one core only, counted from 0. */
void pin(int core);

/* Prints "measure: CALL: ..." with the system's last error and ends the process with 1. */
_Noreturn void fail(const char *call);

/* The same with words, in the manner of printf, instead of an error. */
_Noreturn void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- process.c of each system -------------------------------------------------------- */

/* Whether the two processes may run at the same time: they are not pinned to the same core. */
extern bool apart;

/* Starts the second process, which calls answer() with `mechanism` and `size` on `core` (-1:
 * any). */
void start_second(const struct mechanism *mechanism, size_t size, int core);

/* Waits for the end of the second process; returns whether it ended well. */
bool await_second(void);

/* On Windows the second process is this program once more: if it is, answers and does not
 * return. On UNIX, where the second is a fork, does nothing. */
void answer_if_second(int argc, char *argv[]);

/* ---- measure.c ----------------------------------------------------------------------- */

/* What the second process does: checks every message, sends back those that ask for it. */
void answer(const struct mechanism *mechanism, size_t size);

#endif
