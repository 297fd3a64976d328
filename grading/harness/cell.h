/*
 * cell.h - the sandbox around the programs of a test: --cell.
 */
#ifndef CELL_H
#define CELL_H

#include <stdbool.h>
#include <sys/types.h>

/* Gives this process its own mounts, so that it can make file systems. Called once. */
void own_mounts(void);

/* Makes a new file system for the scratch folder. open_cell() makes it visible in the new cell,
 * refresh_cell() in the cell that there is. */
void new_scratch(void);
void refresh_cell(void);

/* Makes a new cell. The runner calls it between tests. */
void open_cell(void);

/* Ends the cell, if there is one, and all processes in it. */
void close_cell(void);

/* Like fork(2), but the child is in the cell, and errno may have any value on failure. The child
 * has rights there that it must give up by lock_in(). */
pid_t fork_into_cell(void);

/* Returns whether anything, also a test, has called fork_into_cell() since note_entries(). */
bool was_entered(void);
void note_entries(void);

/* Gives up all rights and sets the limits, in a child in the cell that is about to exec. `serves`
 * is for Wine's server, which works for many programs; `may_trace` for a probe that needs
 * ptrace(2). Returns NULL, or the call that failed, with errno. */
const char *lock_in(bool serves, bool may_trace);

/* Makes the program `file` visible in the cell, and returns its path there. Without a cell, and
 * in the scratch folder, this is the same path. */
const char *cell_path(const char *file);

/* Returns the folder for programs that a program under test finds by their names: in a cell a
 * read-only one, else the scratch folder. */
const char *placed_folder(void);

/* Makes the files of cell_path() and in placed_folder() invisible again. */
void forget_programs(void);

/* Returns why the watcher has ended the cell, or NULL. */
const char *end_of_cell(void);

/* Returns how many descriptors a program in the cell may have open. */
unsigned long most_descriptors(void);

/* Returns whether a process belongs to the cell itself. */
bool is_of_cell(pid_t pid);

#endif
