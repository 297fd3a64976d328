/*
 * options.h - the command line of a checker.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include "harness.h"

struct choices {
    const char *server, *client; /* the submission: files or folders, or NULL */
    const char *program;         /* a submission that is neither, or NULL */
    const char *only;            /* a pattern for the ids of tests */
    const char *json;            /* where the JSON goes */
    const char *must_fail;       /* ids that must fail, and no other */
    bool conversation, list, lint;
    bool named;            /* --system names the system */
    bool list_pair;        /* list only what judges a student's server and client */
    bool plain;            /* our own pair is server and client, not the robust ones */
    bool all;              /* no test is blocked */
    bool stop;             /* a stage with failures is the last one */
    enum stage last_stage; /* later ones are not judged */
    double limit;
    double first_limit; /* of a wait in the first run of a test, or 0 */
    double time;        /* seconds for all tests together, or 0 */
};

/* Reads the command line into `choices`, and into `run`. Ends the process if it is wrong. */
void read_options(int argc, char *argv[], struct choices *choices);

#endif
