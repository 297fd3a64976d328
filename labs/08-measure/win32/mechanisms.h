/*
 * mechanisms.h - what the files with mechanisms share.
 */
#ifndef MECHANISMS_H
#define MECHANISMS_H

#include "measure.h"

#define ADDRESS_SIZE 128

/* How the second process finds what create() has made: a name, or the numbers of the handles that
 * it inherits. create() writes it, and the second process gets it on its command line. */
extern char address[ADDRESS_SIZE];

/* pipes.c */
extern const struct mechanism pipe_anonymous, pipe_byte, pipe_message, pipe_overlapped;

/* others.c */
extern const struct mechanism mailslot, tcp;

/* memory.c: a ring in a file mapping, and three ways to wait. */
extern const struct mechanism memory_event, memory_semaphore, memory_spin;

#endif
