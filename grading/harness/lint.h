/*
 * lint.h - checks the advice of the tests.
 */
#ifndef LINT_H
#define LINT_H

#include "harness.h"

/* Prints what is wrong with the advice of a test, one line each. Returns the number of lines. */
int lint_test(const struct test *test);

#endif
