/*
 * lessons.h - which known mistake fails the same tests.
 */
#ifndef LESSONS_H
#define LESSONS_H

#include <stdbool.h>
#include "run.h"

/* Returns whether `id` is one of `ids`, the tests that a mistake fails, separated by blanks or
 * commas. Sets `*may` if a "?" follows it: the test may fail. */
bool is_among(const char *ids, const char *id, bool *may);

/* Returns the mistake that fails the same tests as one of the submissions in the `count`
 * plans, and its lesson. If there is none, or too many: a mistake whose tests have all failed, and the
 * first test that failed is one of them. Then `*test` is its id, else NULL. Returns NULL if there is none, or
 * too many. */
const char *closest_lesson(const struct plan *plans, size_t count, const char **test);

#endif
