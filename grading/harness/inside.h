/*
 * inside.h - what the files of the harness share among themselves; a check.c never sees it.
 *
 *     judge.c    the list of tests, the command line, libcheck, verdicts
 *     program.c  start a program, talk to it, wait for it
 *     system.c   what starting means on each system: UNIX, Wine, WSL
 *     cell.c     the sandbox around the programs of a test
 *     watch.c    look at processes from outside: who waits, who is left
 *     report.c   verdicts for people and as JSON
 *     lint.c     reads the advice of the tests
 *     lessons.c  which known mistake fails the same tests
 *
 * A run has three kinds of processes. The keeper makes the run's folder, waits, and cleans up
 * when the run is over, however it ended: by Ctrl-C, too, or by a crash of ours. The runner, its
 * child, reads the command line and reports. For each test there is a child of the runner,
 * forked by libcheck, in which the test runs; it hands its verdict and its evidence over in a
 * file in memory, where no program under test can reach them by a name. Memory of a test is
 * freed by its end.
 */
#ifndef INSIDE_H
#define INSIDE_H

#include <jansson.h>

#include "harness.h"

/* A whole test may last as long as that many waits. */
#define LIMITS_PER_TEST 30

/* One test with the programs that play in it. */
struct plan {
    const struct test *test;
    const char *server, *client; /* paths of the programs */
    const char *guest; /* of the guest among the lab's other programs, or NULL */
    const char *cast;  /* "your server, our client", or "" */
    size_t number;     /* in the order in which plans are made */
    /* The test for which these programs must be mended: this one if they failed it, or the one that
     * has blocked it; NULL if they passed it. */
    const struct test *failed;
    bool passed; /* it was run, and they passed it */
};

/* What the whole run knows. Set by the runner, read by all. */
struct run {
    enum system system;
    const char *lab, *title; /* "01-anon-pipes", "anonymous pipes" */
    const char *pair;        /* "mqueue": server_mqueue and client_mqueue; or "" */
    const char *variant;     /* which program plays in place of the pair's own, or "" */
    const char *build;       /* where everything built lies */
    const char *labs;        /* where the labs' sources lie */
    const char *command;     /* the command that repeats this run, for the report */
    char folder[64];         /* this run's own folder, removed at its end */
    char scratch[80];        /* in it, the folder that programs run in */
    uint64_t seed;
    char mark[8];          /* the beginning of every token of this run */
    double limit;          /* seconds that one wait may last */
    bool staged;           /* the lab's tests are in more than one stage */
    bool private_room;     /* nobody else sees our /tmp, /dev/shm and IPC objects */
    bool show;             /* print every line as it comes: --run */
    bool cell;             /* programs run in a cell: --cell */
    const char *guests[3]; /* the files of programs that are not the kit's, or NULL */
    pid_t runner;
    const struct plan *plan; /* the test that runs now */
};
extern struct run run;

/* ---- judge.c ---- */

/* Ends the test with `evidence`, to which verdict and reason are added. Steals it. */
_Noreturn void end_test(json_t *evidence, const char *verdict, const char *format,
                        va_list values);

/* Ends the test as failed with `evidence`, which it steals, and a reason in the manner of printf.
 * "notes" in it is an array of sentences that explain the reason. */
_Noreturn void fail_with_evidence(json_t *evidence, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds to `evidence` what was expected and what came, with the place of the first difference. */
void add_difference(json_t *evidence, const void *expected, size_t expected_length,
                    const void *got, size_t length);

/* The first line of events ("client: sent ...") in bytes that should have none, or NULL. The
 * caller frees the string. */
const char *event_line(const void *bytes, size_t length);

/* `bytes` fit for a line of a report: as quoted() writes them, but without the
 * quotes, and with quotes and backslashes as they are. The caller frees the string. */
char *printable(const char *bytes, size_t length);

/* The test `id`, if it runs before `test`; else NULL. */
const struct test *test_before(const struct test *test, const char *id);

/* Whether the file `path` is the program `name`. */
bool is_named(const char *path, const char *name);

/* Whether the file `path` is a program or a probe of the kit, and not a guest. */
bool is_ours(const char *path);

/* Removes all that is in a folder, which stays. */
void clear_folder(const char *path);

/* ---- program.c ---- */

/* The file of the program that plays `role`, or of the program `name` beside it. */
const char *file_of(enum role role, const char *name);

/* The file of the probe `name`. */
const char *probe_file(const char *name);

/* Ends every program that the test started. */
void end_programs(void);

/* The transcript so far, its last lines, as an array of objects; what was cut as a note. */
json_t *transcript(void);

/* What ASan or UBSan have reported in this test, in one line, or NULL. */
const char *sanitizer_report(void);

/* "server" for the program that has the process `pid`, NULL for none. */
const char *program_name(pid_t pid);

/* ---- system.c ---- */

/* Gets the system ready: under Wine a private prefix with its server running. Measures how
 * long a program takes to start, and returns by what factor waits must be longer than usual. */
double open_system(void);

/* Ends what open_system() started. */
void close_system(void);

/* Removes what the system keeps outside of this run's folder, when all processes have ended. */
void clean_up_system(void);

/* Gets the place ready in which a test's programs run, before the test; and tidies it up after
 * it, where `tidy` tells that the test has not failed and left nothing. With --cell each test has a
 * fresh cell, be it one that no program of the last test has entered; under Wine, which takes longer
 * to start than many a test, a tidy one serves on. */
void open_place(void);
void close_place(bool tidy);

/* Whether the Wine server of this run has ended before its time, and another one, if any, is in its
 * place; never with --cell, where a failed test gets a new cell anyway. restart_wine() starts one
 * as at the beginning. */
bool wine_has_fallen(void);
void restart_wine(void);

/* Wine's own folder in this run's: the prefix is in it. */
const char *wine_folder(void);

/* Whether `path` is the folder in /tmp that Wine's server keeps. */
bool is_of_wine(const char *path);

/* How Windows programs run here: "under Wine", "natively, by WSL". */
const char *win32_runner(void);

/* The words that start the program file `path` of `system`, NULL at the end, room for `more`
 * words. */
char **command_for(enum system system, const char *path, size_t more);

/* Adds what the system needs to the environment of a child that is about to exec; with --cell
 * there is nothing else in it. */
void set_environment(void);

/* `path` as the system under test writes it. */
const char *system_path(const char *path);

/* ".exe" or "", for the system under test and for any. */
const char *program_suffix(void);
const char *suffix_of(enum system system);

/* Runs a command, its three streams on /dev/null, and returns its exit code, -1 on failure. */
int run_command(const char *const words[]);

/* ---- cell.c ---- */

/* Makes a new cell. The runner calls it, between tests. */
void open_cell(void);

/* Ends the cell, if there is one, and with it every process in it. */
void close_cell(void);

/* As fork(2), but the child is in the cell, and -1 may have any errno. It has rights there that it
 * must give up by lock_in(). */
pid_t fork_into_cell(void);

/* Whether fork_into_cell() was called, by a test, too, since note_entries(). */
bool was_entered(void);
void note_entries(void);

/* Gives up every right, and sets the limits, in a child in the cell that is about to exec;
 * `serves` for Wine's server, which works for many programs; `may_trace` for a probe that needs
 * ptrace(2). Returns NULL, or the call that failed, with errno. */
const char *lock_in(bool serves, bool may_trace);

/* The name under which programs know the program `file`, which it makes visible to them; in the
 * scratch folder, and without a cell, it has but one name. */
const char *cell_path(const char *file);

/* Takes away from the cell what cell_path() has made visible. */
void forget_programs(void);

/* Why the watcher has ended the cell, or NULL. */
const char *end_of_cell(void);

/* Whether a process belongs to the cell itself. */
bool is_of_cell(pid_t pid);

/* ---- watch.c ---- */

struct process {
    pid_t pid, parent;
    char state;        /* as in proc(5): R, S, Z ... */
    char words[200];   /* the beginning of its command line, or [name] */
    char program[256]; /* the name of the file that it runs, without the folder */
};

/* Notes what is there before the first test: the processes below the runner, which belong to
 * the system itself (wineserver), and what stands in the folders that a census looks into. */
void note_baseline(void);

/* Notes the system's own processes anew. */
void note_processes(void);

/* Whether `path`, in one of those folders, stood there before the first test. */
bool is_baseline_name(const char *path);

/* Our number for the process that programs call `number`; 0 if there is none. */
pid_t process_in_cell(pid_t number);

/* The living processes below the runner but the test's own and the baseline; returns how
 * many, and in `*list` an array that the caller frees. */
size_t our_processes(struct process **list);

/* Whether the command line in `process` runs the program `name` ("client", "client.exe"). */
bool runs_program(const struct process *process, const char *name);

/* Processor time that our processes have used up to now, in seconds. */
double processor_time(void);

/* Time that our processes have waited for a processor to be free, in seconds, all their threads
 * added up. */
double queueing_time(void);

/* How many children of `parent` have ended and were not waited for. */
size_t count_zombies(pid_t parent);

/* What the process `pid` has open and holds. */
struct resources look_at_resources(pid_t pid);

/* What each of our processes is doing: an array of sentences. */
json_t *who_waits(void);

/* Removes whatever the test left: processes, and IPC objects. Returns an array of sentences,
 * one for each; empty is good. Waits a little for processes that are about to end. Without a
 * private room only what has the run's mark in its name is told from what others have, and
 * objects of System V, which have no names, are not looked at; nor are message queues where
 * nothing is mounted at /dev/mqueue. */
json_t *take_census(void);

/* Kills every process below the runner, the system's own too, and reaps those it can. */
void kill_all(void);

/* Removes a folder and all that is in it. */
void remove_tree(const char *path);

/* ---- lint.c ---- */

/* Prints what is wrong with the advice of a test, a line each; returns how many lines. */
int lint_test(const struct test *test);

/* ---- lessons.c ---- */

/* Whether `id` is one of the `ids` of tests that a mistake fails, with blanks or commas between them; sets
 * `*may` to whether "?" is behind it: it may fail, and need not. */
bool is_among(const char *ids, const char *id, bool *may);

/* The mistake that fails the same tests, or nearly, as one of the guests in the `count` plans, and
 * what it teaches; NULL if there is none, or too many. */
const char *closest_lesson(const struct plan *plans, size_t count);

/* ---- report.c ---- */

struct stage_totals {
    int run, failed; /* how many tests */
    int stopped;     /* how many were not run because of an earlier stage */
    int points, maximum;
};

struct totals {
    int passed, failed, skipped, errors, blocked;
    int points, maximum;
    struct stage_totals stages[ROBUST + 1];
};

/* "basic", "complete", "robust". */
const char *stage_name(enum stage stage);

/* Prints what the run is about, without a newline. */
void report_title(void);

/* Prints the heading of the run: its title, and its seed. */
void report_start(void);

/* Prints one result and returns it as JSON: `evidence` with the test's own facts added. */
json_t *report_result(const struct plan *plan, json_t *evidence, double seconds);

/* Prints once more what failed, a line each; the failure to mend first, with `lesson`, if that is not
 * NULL; and the points. */
void report_end(const struct totals *totals, const char *lesson);

/* Prints one line of a program, for --run. */
void show_line(const char *program, const char *line, size_t length);

#endif
