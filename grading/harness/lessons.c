/*
 * lessons.c - which of the lab's known mistakes fails the same tests as a program that is judged.
 *
 * tools/lessons makes the file that is read here. Its lines: program ("unix/server"), the ids of the
 * tests that fail ("id?" may fail), the mistake, the lesson; with tabs between them.
 */
#include "inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLOSE 0.6   /* how much of the failures must agree: 1 is all */
#define MOST_TIES 2 /* mistakes that agree equally well; more of them explain nothing */
#define MOST_LESSONS 256

struct lesson {
    char *program, *fails, *mistake, *text;
    double likeness;
};

static struct lesson lessons[MOST_LESSONS];
static size_t lesson_count;

/* Without the file there are no lessons. */
static void read_lessons(void)
{
    FILE *file = fopen(text("%s/labs/%s/lessons", run.build, run.lab), "re");
    char *line = NULL;
    size_t size = 0;
    while (file != NULL && lesson_count < MOST_LESSONS &&
           getline(&line, &size, file) != -1) {
        line[strcspn(line, "\n")] = '\0';
        char *rest = text("%s", line);
        struct lesson *lesson = &lessons[lesson_count];
        lesson->program = strsep(&rest, "\t");
        lesson->fails = strsep(&rest, "\t");
        lesson->mistake = strsep(&rest, "\t");
        lesson->text = strsep(&rest, "\t");
        lesson_count += lesson->text != NULL;
    }
    free(line);
    if (file != NULL)
        fclose(file);
}

bool is_among(const char *ids, const char *id, bool *may)
{
    size_t length = strlen(id);
    for (const char *at = ids; (at = strstr(at, id)) != NULL; at += length) {
        bool begins = at == ids || strchr(", ", at[-1]) != NULL;
        if (begins &&
            strchr(", ?", at[length]) != NULL) { /* or it is the NUL at the end */
            *may = at[length] == '?';
            return true;
        }
    }
    return false;
}

/* Whether `plan` judges the guest `file` and no other. */
static bool judges_alone(const struct plan *plan, const char *file)
{
    bool server = strcmp(plan->server, file) == 0;
    return (server || strcmp(plan->client, file) == 0) &&
           is_ours(server ? plan->client : plan->server);
}

/* How well the failures of the guest `file` agree with what the mistake fails, from 0 to 1. Tests
 * that were not run do not count; if they are as many as those that agree, it is 0. A test that one of the
 * mistake's own tests has blocked is no doubt, unless that is one basic test: it may have many reasons. */
static double likeness(const struct lesson *lesson, const char *file,
                       const struct plan *plans, size_t count)
{
    int same = 0, different = 0, unknown = 0, blocked = 0;
    bool late = false;
    for (size_t i = 0; i < count; i++) {
        bool may = false, any;
        if (!judges_alone(&plans[i], file))
            continue;
        bool failed = plans[i].failed == plans[i].test;
        bool listed = is_among(lesson->fails, plans[i].test->id, &may) && !may;
        if (failed && (listed || may)) {
            same++;
            late = late || plans[i].test->stage > BASIC;
        } else if (failed || (plans[i].passed && listed))
            different++;
        else if (listed && plans[i].failed != NULL &&
                 is_among(lesson->fails, plans[i].failed->id, &any))
            blocked++;
        else if (listed)
            unknown++;
    }
    if (same < 2 && !late)
        unknown += blocked;
    return same <= unknown ? 0 : (double)same / (same + different);
}

/* Whether the guest `file` plays in the first test that was failed: a lesson for another one would be
 * told of the wrong program. */
static bool failed_first(const char *file, const struct plan *plans, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (plans[i].failed != NULL && plans[i].failed == plans[i].test)
            return strcmp(plans[i].server, file) == 0 ||
                   strcmp(plans[i].client, file) == 0;
    return false;
}

const char *closest_lesson(const struct plan *plans, size_t count)
{
    static const char *const roles[] = {"server", "client"};
    if (lesson_count == 0)
        read_lessons();
    double best = CLOSE;
    for (size_t role = 0; role < 2; role++) {
        const char *program = text("%s/%s", run.system == UNIX ? "unix" : "win32",
                                   roles[role]);
        bool wanted = run.guests[role] != NULL &&
                      failed_first(run.guests[role], plans, count);
        for (size_t i = 0; wanted && i < lesson_count; i++) {
            size_t length = strlen(program); /* those of server_robust count, too */
            const char *rest = lessons[i].program + length;
            if (strncmp(lessons[i].program, program, length) != 0 ||
                (*rest != '\0' && strcmp(rest, "_robust") != 0))
                continue;
            lessons[i].likeness = likeness(&lessons[i], run.guests[role], plans, count);
            if (lessons[i].likeness > best)
                best = lessons[i].likeness;
        }
    }
    const char *found = NULL;
    size_t ties = 0;
    for (size_t i = 0; i < lesson_count; i++) {
        if (lessons[i].likeness < best)
            continue;
        ties++;
        found = found == NULL
                    ? text("%s. %s", lessons[i].mistake, lessons[i].text)
                    : text("%s Or: %s. %s", found, lessons[i].mistake, lessons[i].text);
    }
    return ties <= MOST_TIES ? found : NULL;
}
