/*
 * run.c - the facts of the run, the clock, texts, and names of files.
 */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ipclab.h"

#define SANITIZED_SUFFIX ".asan"

struct run run;

enum system under_test(void)
{
    return run.system;
}

const char *pair_under_test(void)
{
    return run.pair;
}

bool only_pair(void)
{
    return run.pair_only;
}

double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- Texts -------------------------------------------------------------------------- */

char *text(const char *format, ...)
{
    char *string;
    va_list values;
    va_start(values, format);
    if (vasprintf(&string, format, values) == -1)
        abort();
    va_end(values);
    return string;
}

char *printable(const char *bytes, size_t length)
{
    char *clean = malloc(4 * length + 1), *out = clean;
    if (clean == NULL)
        abort();
    for (size_t i = 0, size; i < length; i += size) {
        size = utf8_length((const unsigned char *)bytes + i, length - i);
        if (size == 0 && bytes[i] >= ' ' && bytes[i] <= '~')
            size = 1;
        if (size > 0) {
            memcpy(out, bytes + i, size);
            out += size;
        } else {
            out += snprintf(out, 5, "\\x%02X", (unsigned char)bytes[i]);
            size = 1;
        }
    }
    *out = '\0';
    return clean;
}

/* ---- Files -------------------------------------------------------------------------- */

const char *program_suffix(void)
{
    return suffix_of(run.system);
}

const char *suffix_of(enum system system)
{
    return system == WIN32 ? ".exe" : "";
}

bool is_named(const char *path, const char *name)
{
    const char *base = strrchr(path, '/') + 1;
    return strcmp(base, text("%s%s", name, program_suffix())) == 0;
}

bool is_ours(const char *path)
{
    for (size_t i = 0; i < sizeof run.submissions / sizeof *run.submissions; i++) {
        const char *submission = run.submissions[i];
        if (submission != NULL &&
            (strcmp(path, submission) == 0 ||
             strcmp(path, text("%s" SANITIZED_SUFFIX, submission)) == 0))
            return false;
    }
    const char *const folders[] = {"labs", "grading"};
    for (size_t i = 0; i < 2; i++) {
        const char *folder = text("%s/%s/", run.build, folders[i]);
        if (strncmp(path, folder, strlen(folder)) == 0)
            return true;
    }
    return false;
}

/* Returns the file for `role`. If that is a folder, returns the program `name`, or the role's, in
 * it. */
const char *file_of(enum role role, const char *name)
{
    const char *given = role == SERVER ? run.plan->server : run.plan->client;
    if (name == NULL)
        return run.plan->test->sanitized && role == run.plan->test->judges
                   ? text("%s" SANITIZED_SUFFIX, given)
                   : given;
    if (run.plan->submission != NULL && is_named(run.plan->submission, name))
        return run.plan->submission;
    return text("%.*s/%s%s", (int)(strrchr(given, '/') - given), given, name,
                program_suffix());
}

const char *reference_file(const char *lab, enum system system, const char *name)
{
    return text("%s/labs/%s/%s/%s%s", run.build, lab, system == UNIX ? "unix" : "win32",
                name, suffix_of(system));
}

const char *tool_file(const char *name)
{
    return text("%s/grading/harness/%s", run.build, name);
}

const char *probe_file(const char *name)
{
    return text("%s/grading/probe/%s/%s%s", run.build,
                run.system == UNIX ? "unix" : "win32", name, program_suffix());
}

const char *wine_folder(void)
{
    return run.cell ? text("%s/wine", run.folder) : run.folder;
}
