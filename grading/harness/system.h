/*
 * system.h - how each system starts programs: UNIX, Wine, Windows by WSL.
 */
#ifndef SYSTEM_H
#define SYSTEM_H

#include "harness.h"

/* Prepares the system: under Wine a private prefix with a running server. Measures how long a
 * program takes to start, and returns the factor by which waits must be longer than on a usual
 * machine. */
double open_system(void);

/* Ends what open_system() started. */
void close_system(void);

/* Removes what the system keeps outside of this run's folder. Called when all processes have
 * ended. */
void clean_up_system(void);

/* Prepares the place in which a test's programs run, before the test, and tidies it after the
 * test. `tidy` is true if the test did not fail and left nothing. With --cell each test has a
 * cell that no program of another test has entered. A new cell takes long under Wine: there a
 * tidy one is used again, for tests of the same submissions, which `players` tells apart. There
 * all can read the partners of a program. So what a client learns from our server must never
 * reach a server. */
void open_place(unsigned players);
void close_place(bool tidy);

/* Returns whether the Wine server of this run has crashed, even if another one has replaced it.
 * Always false with --cell, where a failed test gets a new cell anyway. restart_wine() starts a
 * new server. */
bool wine_has_fallen(void);
void restart_wine(void);

/* Returns whether `path` is the folder of Wine's server in /tmp. */
bool is_of_wine(const char *path);

/* Returns how Windows programs run here: "under Wine", "natively, by WSL". */
const char *win32_runner(void);

/* Returns the words that start the program file `path` of `system`, with NULL at the end, and
 * room for `more` words. */
char **command_for(enum system system, const char *path, size_t more);

/* Adds what the system needs to the environment of a child that is about to exec. With --cell the
 * environment contains nothing else. */
void set_environment(void);

/* Returns `path` as the system under test writes it. */
const char *system_path(const char *path);

#endif
