/*
 * history.h - the last messages, in a file that is mapped into memory: calls that lab 04 teaches.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdint.h>

#include "contract.h"

/* The file of --history. A message is written before it is counted. So one entry more is needed:
 * the one that is being written shows no old message. */
struct history {
    char magic[16];
    volatile uint64_t count; /* of all messages that were ever written */
    struct {
        uint32_t length;
        char text[LINE_SIZE];
    } entries[HISTORY_LENGTH + 1];
};
#define HISTORY_MAGIC "ipc messenger 1"

/* Maps the file into memory; a new one contains zeros. What is written there is in the file, also
 * after kill -9, because the pages belong to the file and not to the process. The file stays open,
 * and no second server can open it. A failure ends the program. */
struct history *map_history(const char *name);

#endif
