/*
 * wire.h - addresses, clean text and names: pure C, for both systems, without system calls.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "contract.h"

/* "tcp:HOST:PORT" or "pipe:NAME". */
struct address {
    bool pipe;
    char host[256]; /* of a pipe, its name */
    char port[8];
};

/* Takes an ADDRESS apart. HOST may be in brackets: "tcp:[::1]:7709". Returns false if it is none. */
bool parse_address(const char *text, struct address *address);

/* Copies `length` bytes so that they are safe for a terminal. U+FFFD replaces each byte that is not
 * UTF-8, each control character and each character that changes the direction of text. A tab
 * becomes a blank. `out` needs 3 * length + 1 bytes. Returns the new length, without the NUL. */
size_t clean_text(char *out, const char *bytes, size_t length);

/* Whether a text can be a name: 1 to NAME_LIMIT letters, digits, "-" and "_". */
bool is_name(const char *text);

/* Two names that look alike have the same looks: capitals count as small letters, a Cyrillic or
 * Greek letter as the Latin letter of the same shape, 0 as o, 1 and I as l. */
void looks_of(const char *name, char looks[NAME_SIZE]);

/* The next character of clean UTF-8 text, and how many bytes it has. */
uint32_t next_character(const char *text, size_t length, size_t *size);

/* How many columns of a terminal a character takes: 0, 1 or 2. */
size_t columns_of(uint32_t character);

#endif
