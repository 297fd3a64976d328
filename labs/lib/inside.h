/*
 * inside.h - what the files of the library know of each other, and programs do not.
 */
#ifndef INSIDE_H
#define INSIDE_H

#include "ipclab.h"

extern const char *program_name; /* as begin_program() was told */

/* Prints one line, `format` filled in, on `stream`: stdout or stderr. */
void print_line(FILE *stream, const char *format, ...) LIKE_PRINTF(2, 3);

#endif
