/*
 * leaks.h - what a test has left: processes, files and named objects.
 */
#ifndef LEAKS_H
#define LEAKS_H

#include <jansson.h>

/* Removes what the test left: processes and IPC objects. Returns an array with a sentence for
 * each; empty is good. Waits a little for processes that are about to end. Without a private namespace
 * only names with the run's mark are known to be ours. System V objects, which have no names, are
 * not checked then. Nor are message queues if nothing is mounted at /dev/mqueue. */
json_t *check_for_leaks(void);

/* Kills every process below the runner, also the system's own, and reaps those that it can. */
void kill_all(void);

#endif
