/*
 * table.h - the lists that tell who the students are: the map, and the metadata of Gradescope.
 */
#ifndef TABLE_H
#define TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct row {
    char *id;                       /* as grade uses it */
    char *raw;                      /* as it is in the file */
    char *name, *email, *submitted; /* NULL if not known */
    char *number; /* the student's number in Canvas or Moodle, or NULL */
    char *login;  /* at GitHub, or NULL */
    bool taken;   /* a submission of this student was found */
};

struct table {
    struct row *row;
    size_t count;
    bool of_github; /* a roster of GitHub Classroom */
};

/* Reads a CSV file: id,name,email[,submitted], or the list of students of Canvas (the gradebook), Moodle (the
 * grading worksheet) or GitHub Classroom (roster.csv). Its encoding and separator are found out.
 * Returns NULL with `*error` set, in new memory, if it cannot be read. */
struct table *read_table(const char *path, char **error);

/* Reads Gradescope's submission_metadata.yml: {FOLDER: {"created_at", "submitters": [{"name", "sid",
 * "email"}]}}. Returns NULL if it is damaged, or if the kit was built without libyaml. */
json_t *read_metadata(const char *path);

#endif
