/*
 * line.h - the line that a user types at a terminal, and how it is shown: pure C, for both systems.
 *
 * A message that arrives must not destroy the line. So the client takes the line off the screen,
 * prints the message, and shows the line again. This works with "\r" and blanks alone: no terminal
 * needs to know escape sequences. The cursor is always at the end of the line: there are no arrow
 * keys, and of a line wider than the terminal only the end is shown.
 */
#ifndef LINE_H
#define LINE_H

#include "contract.h"
#include "ipclab.h"

enum key {
    KEY_NONE, /* nothing to show: a part of a character, a key that has no meaning here */
    KEY_CHANGED, /* the line is another one */
    KEY_ENTER,   /* the line is complete: take it, then call line_clear() */
    KEY_END      /* Ctrl-D (on Windows Ctrl-Z) in an empty line: the user has finished */
};

struct line {
    char text[TEXT_LIMIT + 1];
    size_t length;
    /* The rest is line.c's own. */
    char partial[4]; /* the beginning of a UTF-8 character */
    size_t partial_length;
    int escape;   /* how far a sequence of an arrow key or the like has come */
    size_t shown; /* columns that the line takes on the screen now */
};

/* One byte from the keyboard, as UTF-8. */
enum key line_key(struct line *line, unsigned char byte);

/* Empties the line. */
void line_clear(struct line *line);

/* Appends to `out` what takes the line off the screen, or shows it on a terminal of `columns`. */
void line_hide(struct line *line, struct buffer *out);
void line_show(struct line *line, struct buffer *out, size_t columns);

/* Appends to `out` what prints `text` as a row of its own, and moves the line below it. */
void line_print(struct line *line, struct buffer *out, size_t columns, const char *text,
                size_t length);

#endif
