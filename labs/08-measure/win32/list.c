/*
 * list.c - the mechanisms of Windows, in the order of the table.
 */
#include <stddef.h>

#include "mechanisms.h"

const struct mechanism *const mechanisms[] = {
    &pipe_anonymous, &pipe_byte, &pipe_message, &pipe_overlapped,
    &mailslot,       &tcp,       &memory_event, &memory_semaphore,
    &memory_spin,    NULL,
};
