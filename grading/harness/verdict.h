/*
 * verdict.h - how a test ends: verdict, reason and evidence.
 *
 * A test runs in its own process. It passes its evidence to the runner in a file in memory.
 * harness.h has fail_test(), skip_test(), kit_error(), expect_bytes() and look_at().
 */
#ifndef VERDICT_H
#define VERDICT_H

#include <jansson.h>
#include <stdarg.h>
#include "harness.h"

/* What a test that ends asks of the layer that knows its programs. */
struct witness {
    /* Returns the reason to report: `reason`, or a better one. */
    const char *(*explain)(const char *verdict, const char *reason);
    /* Adds what the programs have printed, and what they wait for. */
    void (*testify)(json_t *evidence, const char *verdict);
    void (*end_programs)(void);
};
void call_witness(const struct witness *called);

/* Ends the test with `evidence`, to which it adds verdict and reason. Takes ownership of it. */
_Noreturn void end_test(json_t *evidence, const char *verdict, const char *format,
                        va_list values);

/* Ends the test as failed with `evidence`, which it takes ownership of, and a reason as for
 * printf(). "notes" in it is an array of sentences that explain the reason. */
_Noreturn void fail_with_evidence(json_t *evidence, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds to `evidence` what was expected, what was received, and where the first difference is. */
void add_difference(json_t *evidence, const void *expected, size_t expected_length,
                    const void *got, size_t length);

/* Returns the first line with an event ("client: sent ...") in bytes that must not contain one,
 * or NULL. The caller frees the string. */
const char *event_line(const void *bytes, size_t length);

/* Prepares the passing of evidence. The runner calls it once. */
void open_evidence(void);

/* Forgets the evidence of the test before. */
void clear_evidence(void);

/* In a test: passes `evidence` and the verdict to the runner. */
void hand_over(json_t *evidence, const char *verdict);

/* In the runner: returns the evidence of the test, or NULL. */
json_t *load_evidence(void);

#endif
