/*
 * likeness.h - how alike two lines of a transcript are.
 */
#ifndef LIKENESS_H
#define LIKENESS_H

#include <stdbool.h>

/* How alike the expected line of a transcript and another one are. */
enum likeness {
    UNLIKE,
    NO_EVENT,     /* the line has no word for an event, and may be meant for the other */
    OTHER_NUMBER, /* the same event, another number */
    OTHER_WORDS   /* the same event */
};

/* Returns how much `line`, which a program printed, is like the expected one. `first`: the program has printed
 * nothing yet that was expected. */
enum likeness likeness_of(const char *expected, const char *line, bool first);

#endif
