/*
 * report.h - verdicts, for people on a terminal or in a file, and as JSON for programs.
 */
#ifndef REPORT_H
#define REPORT_H

#include <jansson.h>
#include "run.h"

struct stage_totals {
    int run, failed; /* how many tests */
    int stopped;     /* how many were not run because of an earlier stage */
    int points, maximum;
};

struct totals {
    int passed, failed, skipped, errors, blocked;
    int unbuilt;     /* submissions that do not compile */
    bool unfinished; /* a step is not written yet, or a program could not be started */
    int points, maximum;
    struct stage_totals stages[ROBUST + 1];
    const char *lesson;      /* of the known mistake that fails the same tests, or NULL */
    const char *lesson_test; /* if it only fails this test, too: its id, or NULL */
};

/* "basic", "complete", "robust". */
const char *stage_name(enum stage stage);

/* Prints the title of the run, without a newline. */
void report_title(void);

/* Prints the heading of the run: its title, and its seed. */
void report_start(void);

/* Prints one result and returns it as JSON: `evidence` with the test's own facts added. */
json_t *report_result(const struct plan *plan, json_t *evidence, double seconds);

/* Prints the failures once more, one line each, the failure to fix first, with the lesson if
 * there is one, and the points. */
void report_end(const struct totals *totals);

/* Prints one line of a program, for --run. */
void show_line(const char *program, const char *line, size_t length);

#endif
