/*
 * scratch.h - the scratch folder, in which programs run. harness.h has write_file() and others.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <stddef.h>

/* Makes the folder, empty, before a test. */
void make_scratch(void);

/* Turns the sealed line of a placed probe into its text, "test: ...". Makes a line "test: ..." that
 * no placed probe has printed into one that no wait expects. */
void unseal(char *line, size_t *length);

#endif
