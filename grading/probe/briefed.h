/*
 * briefed.h - for a probe that a program under test starts: its brief, and its reports (seal.h).
 */
#ifndef BRIEFED_H
#define BRIEFED_H

#include <inttypes.h>
#include <stdarg.h>

#include "ipclab.h"
#include "seal.h"

/* The harness writes into a copy of this program file. So no compiler may know what it contains. */
#ifdef _WIN32
#define OWN_NUMBER GetCurrentProcessId()
#else
#define OWN_NUMBER (unsigned long)getpid()
#endif

struct brief brief = {.mark = BRIEF_MARK};

static struct seal received_seal; /* of all bytes received */

/* Prints a line "test: ...", sealed. */
static void report(const char *format, ...) LIKE_PRINTF(1, 2);

static void report(const char *format, ...)
{
    static unsigned number;
    static char words[4096], line[4096 + 100];
    va_list values;
    va_start(values, format);
    vsnprintf(words, sizeof words, format, values);
    va_end(values);
    int length = snprintf(line, sizeof line, "%lx.%x.%" PRIx64 ".%016" PRIx64, OWN_NUMBER,
                          ++number, received_seal.length, seal_end(received_seal));
    snprintf(line + length, sizeof line - (size_t)length, " %s", words);
    uint64_t seal = seal_of(brief.key, line);
    line[length] = '\0';
    log_event("test:%s.%016" PRIx64 " %s", line, seal, words);
}

#endif
