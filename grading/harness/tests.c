/*
 * tests.c - the list of the tests of a lab.
 */
#include "tests.h"

#include <string.h>

#define MOST_TESTS 256

const struct test *tests[MOST_TESTS];
size_t test_count;

void enlist(const struct test *test)
{
    if (test_count < MOST_TESTS)
        tests[test_count++] = test;
}

const struct test *test_before(const struct test *test, const char *id)
{
    bool passed_by =
        false; /* whether `test` itself was seen, in the order of the source */
    for (size_t i = 0; i < test_count; i++) {
        if (strcmp(tests[i]->id, id) == 0 &&
            (passed_by ? tests[i]->stage < test->stage : tests[i]->stage <= test->stage))
            return tests[i] != test ? tests[i] : NULL;
        passed_by = passed_by || tests[i] == test;
    }
    return NULL;
}
