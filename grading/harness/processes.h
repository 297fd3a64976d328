/*
 * processes.h - looks at processes from outside: which ones are ours, what they wait for and use.
 */
#ifndef PROCESSES_H
#define PROCESSES_H

#include <jansson.h>
#include "harness.h"

struct process {
    pid_t pid, parent;
    char state;        /* as in proc(5): R, S, Z ... */
    bool ending;       /* it has no memory any more */
    char words[200];   /* the beginning of its command line, or [name] */
    char program[256]; /* the name of the file that it runs, without the folder */
};

/* Lists the processes below the runner, except this one, the system's own and the baseline; with
 * `living` without zombies. Returns their number, and in `*list` an array that the caller frees. */
size_t below_runner(struct process **list, bool living);

/* The same with the system's own. */
size_t descendants(struct process **list);

/* Notes what exists before the first test: the processes below the runner, which belong to the
 * system itself (wineserver), and the files in the folders of the leak check. */
void note_baseline(void);

/* Notes the system's own processes again. */
void note_processes(void);

/* Returns whether any other process runs below the runner, even one that looks like the system's
 * own. */
bool strangers_run(void);

/* Returns our number for the process that programs call `number`, or 0 if there is none. */
pid_t process_in_cell(pid_t number);

/* Lists the running processes below the runner, except the test's own and the baseline. Returns
 * their number, and in `*list` an array that the caller frees. */
size_t our_processes(struct process **list);

/* Returns whether the command line in `process` runs the program `name` ("client",
 * "client.exe"). */
bool runs_program(const struct process *process, const char *name);

/* Returns the processor time that our processes have used up to now, in seconds. */
double processor_time(void);

struct thread_times {
    pid_t thread;
    double running, queued; /* seconds on a processor, and waiting for a free one */
};

/* Reads /proc/PID/task/TID/schedstat of every thread of our processes. Returns their number, 0 if
 * the kernel does not count these times, and in `*list` an array that the caller frees. */
size_t thread_times(struct thread_times **list);

/* Returns how many children of `parent` have ended without a wait for them. */
size_t count_zombies(pid_t parent);

/* Returns the resources of the process `pid`. */
struct resources look_at_resources(pid_t pid);

/* Returns what each of our processes is doing: an array of sentences. `name_of` returns the name of
 * the program with the process `pid`, or NULL. */
json_t *who_waits(const char *(*name_of)(pid_t pid));

#endif
