/*
 * filter.h - the system calls that a program under test may not make.
 */
#ifndef FILTER_H
#define FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

#define MOST_INSTRUCTIONS 256

/* Writes the filter, a program for seccomp(2), into `filter`; `may_trace` leaves ptrace(2) in.
 * Returns how many instructions it has, 0 if there are too many for it. */
size_t make_filter(struct sock_filter filter[MOST_INSTRUCTIONS], bool may_trace);

#endif
