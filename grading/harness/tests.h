/*
 * tests.h - the list of the tests of a lab.
 */
#ifndef TESTS_H
#define TESTS_H

#include "harness.h"

/* In the order of the source. harness.h has enlist(), which adds one. */
extern const struct test *tests[];
extern size_t test_count;

/* Returns the test `id` if it runs before `test`, else NULL. */
const struct test *test_before(const struct test *test, const char *id);

#endif
