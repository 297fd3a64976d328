/*
 * program.h - the programs of a test. harness.h has what a check.c does with them.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "harness.h"

/* Fails the test if a program has printed that one of its steps is still to be written, as a
 * starter does (tools/starter). All other faults follow from that. */
void expect_written(void);

/* Ends every program that the test started. */
void end_programs(void);

/* Returns the last lines of the transcript as an array of objects, with a note on what was
 * cut. */
json_t *transcript(void);

/* Returns the reason to report for a test that has failed: `reason`, or, if a program that is judged has
 * ended with an error and the test waited for another one, that first. */
const char *explain_end(const char *reason);

/* Returns the last line of standard error of each program that has failed, and a line about an error of
 * those that run, as an array of sentences. Those that `reason` quotes are left out. */
json_t *error_lines(const char *reason);

/* Returns the last call that has failed in the program that plays `role` and is judged, as its line on
 * standard error names it: "CreateProcess: error 2". It has ended the program, or no peer misbehaves in this
 * test. Otherwise, or if the test waits for a usage line, returns NULL. */
const char *failed_call(enum role role);

/* Returns whether the missing output of a program cannot be in its buffer: it exited, it printed
 * another line in place of the expected one, or a program waits for its peer. */
bool was_flushed(const json_t *evidence);

/* Returns whether a program with this name, "client", was started. */
bool was_started(const char *name);

/* Returns whether the test has killed a program, or is about to. */
bool must_be_killed(void);

/* Returns what ASan or UBSan have reported in this test, in one line, or NULL. */
const char *sanitizer_report(void);

/* Returns the name of the program with the process `pid`, for example "server", or NULL. */
const char *program_name(pid_t pid);

#endif
