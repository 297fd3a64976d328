/*
 * random.h - random texts, the same for the same seed. harness.h has token() and random_bytes().
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stddef.h>

/* Begins a new sequence, for the seed of the run and `what`. */
void seed_random(const char *what);

/* Writes `length` random letters and digits to `word`, and a NUL. */
void random_word(char *word, size_t length);

#endif
