/*
 * run.h - the facts of the run and of the test that runs, and names of files.
 *
 * The harness is in layers. A file calls only functions of files above it in this list, and each
 * has a header that names what it offers. harness.h names what a check.c may call, of any layer.
 *
 *     run.c        facts of the run, the clock, texts, names of files
 *     verdict.c    how a test ends
 *     tests.c      the list of tests
 *     random.c     random texts
 *     folders.c    what is in folders, and how to empty them
 *     cell.c       the sandbox around the programs of a test
 *     processes.c  look at processes from outside
 *     system.c     how each system starts programs: UNIX, Wine, WSL
 *     leaks.c      what a test has left
 *     scratch.c    the folder in which programs run
 *     report.c     verdicts for people and as JSON
 *     likeness.c   how alike two lines of a transcript are
 *     program.c    start a program, exchange data with it, wait for it
 *     lint.c       checks the advice of the tests
 *     lessons.c    which known mistake fails the same tests
 *     options.c    the command line
 *     judge.c      runs the tests
 *
 * A run has three kinds of processes. The keeper makes the run's folder, waits, and cleans up
 * when the run is over, even after Ctrl-C or a crash of ours. Its child, the runner, reads the
 * command line and prints the report. For each test libcheck forks a child of the runner, in
 * which the test runs. It passes its verdict and its evidence to the runner in a file in memory,
 * which has no name that a program under test could open. The memory of a test is freed when its
 * process ends.
 */
#ifndef RUN_H
#define RUN_H

#include "harness.h"

/* A whole test may last as long as that many waits. */
#define LIMITS_PER_TEST 30
#define LIMITS_PER_WAIT 6 /* while lines or bytes come */

/* One test with the programs that play in it. */
struct plan {
    const struct test *test;
    const char *server, *client; /* paths of the programs */
    const char
        *submission;  /* the submission, if it is neither server nor client, or NULL */
    const char *cast; /* "your server, our client", or "" */
    size_t number;    /* in the order in which plans are made */
    /* The test that these programs must pass first: this one if they failed it, or the one that
     * blocked it; NULL if they passed it. */
    const struct test *failed;
    bool passed; /* the test was run, and they passed it */
    /* Two submissions together: which of them has passed this test with our program, if the other has
     * not. */
    bool cleared[2];
    bool left;              /* they passed it, and left something */
    bool comes_last;        /* the leak check: it runs after the tests of all stages */
    const char *transcript; /* of the test that they failed, in lines, or NULL */
    const char *reason;     /* why they failed it, or NULL */
};

/* The facts of the whole run. The runner sets them, all read them. */
struct run {
    enum system system;
    const char *lab, *title; /* "01-anon-pipes", "anonymous pipes" */
    const char *pair;        /* "mqueue": server_mqueue and client_mqueue; or "" */
    const char *variant;     /* the program that replaces one of the pair, or "" */
    const char *build;       /* the folder with everything that was built */
    const char *labs;        /* the folder with the labs' sources */
    const char *command;     /* the command that repeats this run, for the report */
    char folder[64];         /* this run's own folder, removed at its end */
    char scratch[80];        /* the folder in it in which programs run */
    uint64_t seed;
    char mark[8];           /* the beginning of every token of this run */
    double limit;           /* seconds that one wait may last */
    int limits_per_wait;    /* ... or as many limits, while lines or bytes come */
    bool staged;            /* the lab's tests are in more than one stage */
    bool private_namespace; /* no other program sees our /tmp, /dev/shm, IPC objects */
    bool show;              /* print every line as it comes: --run */
    bool transcript;        /* show it also for tests that pass: --transcript */
    bool pair_only;         /* and only the first conversation: --run-pair */
    bool cell;              /* programs run in a cell: --cell */
    const char
        *submissions[3];     /* the files of programs that are not the kit's, or NULL */
    char *unbuilt[2];        /* why a submission was not built, for each role, or NULL */
    const char *compiler[2]; /* and what the compiler has printed about that */
    pid_t runner;
    const struct plan *plan; /* the test that runs now */
};
extern struct run run;

/* Returns `bytes` as text for a line of a report: like quoted(), but without the outer quotes,
 * and with quotes and backslashes unchanged. The caller frees the string. */
char *printable(const char *bytes, size_t length);

/* Return ".exe" or "", for the system under test and for any. */
const char *program_suffix(void);
const char *suffix_of(enum system system);

/* Returns whether the file `path` is the program `name`. */
bool is_named(const char *path, const char *name);

/* Returns whether the file `path` is a program or a probe of the kit, not a submission. */
bool is_ours(const char *path);

/* Returns the file of the program that plays `role`, or of the program `name` in the same
 * folder. */
const char *file_of(enum role role, const char *name);

/* The file of the probe `name`. */
const char *probe_file(const char *name);

/* Returns Wine's folder in the run's folder: it contains the prefix. */
const char *wine_folder(void);

#endif
