/*
 * steps.c - finds the step in which a program of the pair makes a call.
 *
 * tools/hints makes the file that is read here. Its lines, with tabs between the fields: system, program,
 * number of the step, heading, calls ("CreateProcessW(win32) write_all(labs/lib/ipclab.h)"), explanation.
 */
#include "steps.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

/* Returns whether `calls` has the call. An error line may omit the W or A of its name. */
static bool makes(const char *calls, const char *call)
{
    size_t length = strlen(call);
    for (const char *at = calls; (at = strstr(at, call)) != NULL; at += length) {
        const char *end = at + length;
        end += *end == 'W' || *end == 'A';
        if ((at == calls || at[-1] == ' ') && *end == '(')
            return true;
    }
    return false;
}

/* Returns the function of labs/lib that makes the call for a program, or the call itself. */
static const char *in_library(const char *call)
{
    static const char *const names[][2] = {{"read", "read_full"},
                                           {"ReadFile", "read_full"},
                                           {"write", "write_all"},
                                           {"WriteFile", "write_all"},
                                           {"send", "send_all"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(call, names[i][0]) == 0)
            return names[i][1];
    return call;
}

int step_of_call(const char *program, const char *call, int step)
{
    FILE *file = fopen(text("%s/labs/%s/hints.tsv", run.build, run.lab), "re");
    char *line = NULL;
    size_t size = 0;
    int found = -1;
    while (file != NULL && found != step && getline(&line, &size, file) != -1) {
        char *rest = line, *fields[5];
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            fields[i] = rest != NULL ? strsep(&rest, "\t") : "";
        if (strcmp(fields[0], run.system == UNIX ? "unix" : "win32") != 0 ||
            strcmp(fields[1], program) != 0 ||
            (!makes(fields[4], call) && !makes(fields[4], in_library(call))))
            continue;
        int number = (int)strtol(fields[2], NULL, 10);
        found = number == step || found == -1 ? number : 0;
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return found;
}

int last_step(const char *program)
{
    FILE *file = fopen(text("%s/labs/%s/hints.tsv", run.build, run.lab), "re");
    const char *start = text("%s\t%s\t", run.system == UNIX ? "unix" : "win32", program);
    char *line = NULL;
    size_t size = 0;
    int last = 0;
    while (file != NULL && getline(&line, &size, file) != -1)
        if (strncmp(line, start, strlen(start)) == 0)
            last = (int)strtol(line + strlen(start), NULL, 10);
    free(line);
    if (file != NULL)
        fclose(file);
    return last;
}
