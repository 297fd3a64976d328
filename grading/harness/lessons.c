/*
 * lessons.c - finds the lab's known mistake that fails the same tests as a program that is
 * judged.
 *
 * grading/harness/collect-lessons makes the file that is read here. Its lines: program ("unix/server"), the ids of the
 * tests that fail ("id?" may fail), the mistake, the lesson, words that the transcript of the first test
 * that failed must not contain, and words that its reason must contain; with tabs between them. Either
 * may be missing. A wrong lesson costs a student more time than none: all that was run must agree.
 */
#include "lessons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_TIES 2 /* mistakes that agree; more of them explain nothing */
#define MOST_LESSONS 256

struct lesson {
    char *program, *fails, *mistake, *text, *unless, *reason;
    bool agrees;
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
        lesson->unless = strsep(&rest, "\t");
        lesson->reason = strsep(&rest, "\t");
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
        if (begins && strchr(", ?", at[length]) != NULL) { /* or the NUL at the end */
            *may = at[length] == '?';
            return true;
        }
    }
    return false;
}

/* Returns whether `plan` judges the submission `file` and no other. */
static bool judges_alone(const struct plan *plan, const char *file)
{
    bool server = strcmp(plan->server, file) == 0;
    return (server || strcmp(plan->client, file) == 0) &&
           is_ours(server ? plan->client : plan->server);
}

/* Returns whether the failures of the submission `file` are those of the mistake: every test that must
 * fail and was run has failed, and no other one. At least one must have failed, and those that were not
 * run must be fewer. A test that one of the mistake's own tests has blocked agrees, unless the only one
 * is a basic test: that may have failed for many reasons. */
static bool agrees(const struct lesson *lesson, const char *file,
                   const struct plan *plans, size_t count)
{
    int same = 0, unknown = 0, blocked = 0;
    bool late = false, certain = false;
    for (size_t i = 0; i < count; i++) {
        bool may = false, any;
        if (!judges_alone(&plans[i], file))
            continue;
        bool failed = plans[i].failed == plans[i].test;
        bool listed = is_among(lesson->fails, plans[i].test->id, &may) && !may;
        if (failed ? !listed && !may : plans[i].passed && listed)
            return false;
        if (failed) {
            same++;
            certain = certain || listed;
            late = late || plans[i].test->stage > BASIC;
        } else if (listed && plans[i].failed != NULL &&
                   is_among(lesson->fails, plans[i].failed->id, &any))
            blocked++;
        else if (listed)
            unknown++;
    }
    if (same < 2 && !late)
        unknown += blocked;
    return certain && same > unknown;
}

/* Returns the first test that failed. */
static const struct plan *first_failed(const struct plan *plans, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (plans[i].failed != NULL && plans[i].failed == plans[i].test)
            return &plans[i];
    return NULL;
}

/* Returns whether all tests of the mistake that were run have failed, and are more than those that were
 * not. They may be a part of the failures: a program can make several mistakes. */
static bool is_part(const struct lesson *lesson, const char *file,
                    const struct plan *plans, size_t count)
{
    int same = 0, unknown = 0;
    for (size_t i = 0; i < count; i++) {
        bool may = false;
        if (!judges_alone(&plans[i], file) ||
            !is_among(lesson->fails, plans[i].test->id, &may) || may)
            continue;
        if (plans[i].passed)
            return false;
        same += plans[i].failed == plans[i].test;
        unknown += plans[i].failed != plans[i].test;
    }
    return same > unknown;
}

/* Returns whether the mistake is one of a program that the submission `file` replaces. The lesson must
 * not be about another program than the first test that failed, nor may what that has shown disprove it. */
static bool concerns(const struct lesson *lesson, size_t role, const struct plan *first)
{
    static const char *const roles[] = {"server", "client"};
    const char *file = run.submissions[role];
    const char *program = text("%s/%s", run.system == UNIX ? "unix" : "win32",
                               roles[role]);
    size_t length = strlen(program); /* also those of server_robust */
    if (lesson->unless != NULL && *lesson->unless != '\0' &&
        strstr(first->transcript, lesson->unless) != NULL)
        return false;
    if (lesson->reason != NULL && strstr(first->reason, lesson->reason) == NULL)
        return false;
    return file != NULL &&
           (strcmp(first->server, file) == 0 || strcmp(first->client, file) == 0) &&
           strncmp(lesson->program, program, length) == 0 &&
           (lesson->program[length] == '\0' ||
            strcmp(lesson->program + length, "_robust") == 0);
}

/* Returns the lessons that agree, or NULL if there are too many. */
static const char *lessons_found(void)
{
    const char *found = NULL;
    size_t ties = 0;
    for (size_t i = 0; i < lesson_count; i++) {
        if (!lessons[i].agrees)
            continue;
        ties++;
        found = found == NULL
                    ? text("%s. %s", lessons[i].mistake, lessons[i].text)
                    : text("%s Or: %s. %s", found, lessons[i].mistake, lessons[i].text);
    }
    return ties <= MOST_TIES ? found : NULL;
}

const char *closest_lesson(const struct plan *plans, size_t count, const char **test)
{
    const struct plan *first = first_failed(plans, count);
    if (lesson_count == 0)
        read_lessons();
    *test = NULL;
    for (size_t role = 0; first != NULL && role < 2; role++)
        for (size_t i = 0; i < lesson_count; i++)
            if (concerns(&lessons[i], role, first))
                lessons[i].agrees = agrees(&lessons[i], run.submissions[role], plans,
                                           count);
    const char *found = lessons_found();
    /* A basic test may fail for many reasons. */
    if (found != NULL || first == NULL || first->test->stage == BASIC)
        return found;
    for (size_t i = 0; i < lesson_count; i++) {
        bool may = true;
        lessons[i].agrees = false;
        for (size_t role = 0; role < 2; role++)
            if (concerns(&lessons[i], role, first) &&
                is_among(lessons[i].fails, first->test->id, &may) && !may &&
                is_part(&lessons[i], run.submissions[role], plans, count))
                lessons[i].agrees = true;
    }
    found = lessons_found();
    *test = found != NULL ? first->test->id : NULL;
    return found;
}
