/*
 * fault_injection.c - mechanisms with a fault, to test whether `measure` notices it.
 *
 * In place of list.c this makes the program `fault_injection`, which the check runs. Each mechanism is a
 * pipe with one fault, after the first message. A measurement sends at least 5 messages, even on
 * a busy machine: the fault comes before the last of them.
 */

#include "mechanisms.h"

#define SOUND 2 /* messages before the fault */
#define FAULTS 7
#define STOP 2 /* in the lowest bits of the last message: measure.c */

static size_t length;
static enum side here; /* the second process makes the fault; the first one measures */
static long sent;

static void join(enum side side, size_t size)
{
    length = size;
    here = side;
    pipe_usual.join(side, size);
}

static bool is_time(void)
{
    return here == SECOND && sent++ == SOUND;
}

static void flip_last_byte(const void *message)
{
    char *copy = allocate(length);
    memcpy(copy, message, length);
    copy[length - 1] ^= is_time();
    pipe_usual.send(copy);
    free(copy);
}

static void lose_one(const void *message)
{
    if (!is_time())
        pipe_usual.send(message);
}

static void send_one_twice(const void *message)
{
    pipe_usual.send(message);
    if (is_time())
        pipe_usual.send(message);
}

static void stand_still(const void *message)
{
    if (is_time())
        pause();
    pipe_usual.send(message);
}

static void end_early(const void *message)
{
    if (is_time())
        _exit(EXIT_SUCCESS);
    pipe_usual.send(message);
}

/* All messages are right, but the second process fails after the last one. */
static bool was_last;

static const void *receive_the_last(void *buffer)
{
    const void *message = pipe_usual.receive(buffer);
    was_last = (*(const char *)message & 3) == STOP;
    return message;
}

static void send_and_fail(const void *message)
{
    pipe_usual.send(message);
    if (here == SECOND && was_last)
        _exit(EXIT_FAILURE);
}

static size_t hundred(void)
{
    return 100;
}

#define FAULT(identifier, name, limit, send)                             \
    static struct mechanism identifier = {name, name, limit, NULL, NULL, \
                                          join, send, NULL,  NULL};

FAULT(flips, "flips", NULL, flip_last_byte)
FAULT(loses, "loses", NULL, lose_one)
FAULT(doubles, "doubles", NULL, send_one_twice)
FAULT(hangs, "hangs", NULL, stand_still)
FAULT(ends, "ends", NULL, end_early)
FAULT(fails, "fails", NULL, send_and_fail)
FAULT(limited, "limited", hundred, flip_last_byte)

/* All other functions are the pipe's. They are copied at the start: a constant of another file is
 * not a constant expression. */
__attribute__((constructor)) static void complete(void)
{
    struct mechanism *all[FAULTS] = {&flips, &loses, &doubles, &hangs,
                                     &ends,  &fails, &limited};
    for (size_t i = 0; i < FAULTS; i++) {
        all[i]->create = pipe_usual.create;
        all[i]->receive = pipe_usual.receive;
        all[i]->destroy = pipe_usual.destroy;
    }
    fails.receive = receive_the_last;
}

const struct mechanism *const mechanisms[] = {&flips, &loses, &doubles, &hangs,
                                              &ends,  &fails, &limited, NULL};
