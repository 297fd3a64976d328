/*
 * inside.h - what the files of the library know of each other, and programs do not.
 */
#ifndef INSIDE_H
#define INSIDE_H

#include "ipclab.h"

/* The prefix keeps these names free for programs that are linked with the library. */
extern const char *ipclab_name; /* the program's name, from begin_program() */

/* Returns errno, or on Windows GetLastError(), which is WSAGetLastError(), too. */
int ipclab_last_error(void);

/* Prints one line, `format` filled in, on `stream`: stdout or stderr. */
void ipclab_print_line(FILE *stream, const char *format, ...) LIKE_PRINTF(2, 3);

#endif
