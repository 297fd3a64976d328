/*
 * names.h - names and texts of students' files: which encoding they are in, what they mean.
 *
 * intake.c and students.c share it. A function that fails for lack of memory ends the program.
 */
#ifndef NAMES_H
#define NAMES_H

#include <stdbool.h>
#include <stddef.h>

extern const char *program_name; /* for the messages of give_up() */

_Noreturn void give_up(const char *what);
void *need(void *memory);

/* Returns the formatted text, in new memory. */
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Returns a name, quoted for a report; the middle of a long one is left out. In new memory. */
char *shown(const char *name);

/* Returns the bytes as UTF-8, in new memory. Text that is not UTF-8 is taken for UTF-16 if it has a
 * BOM or looks like it, else for the code page of Windows or DOS in which it has the most
 * likely letters. A BOM is removed. Sets `*encoding` to the encoding's name, or to NULL for UTF-8,
 * and `*length` to the length of the result. */
char *decoded(const char *bytes, size_t *length, const char **encoding);

/* The same for a name, which is no UTF-16. */
char *decoded_name(const char *name);

/* Returns the letters and digits of a name in UTF-8, in lower case. In new memory. */
char *squashed(const char *name);

/* Returns an id made of the name in UTF-8: [A-Za-z0-9_.-], at most 64 characters. In new memory. */
char *id_of(const char *name);

/* Returns whether `grade` uses the name itself in the folder of results: then it can be no id. */
bool is_ours(const char *id);

bool same_name(const char *one,
               const char *other); /* capital and small letters are the same */
bool ends_with(const char *name, const char *end); /* likewise */
bool is_archive(const char *name);
size_t stem_length(const char *name); /* of an archive's name, without .zip or .tar.gz */

/* Labs and systems that were set; from lists that are separated by commas. */
#define MOST_WORDS 16
struct words {
    size_t count;
    char *word[MOST_WORDS];
};
extern struct words set_labs, set_systems;
void split_list(char *list, struct words *words);

/* Returns the lab that a folder's name means: its name, its number, "lab" and its number. Returns
 * "" for a lab that was not set, and NULL if the name means no lab. */
const char *lab_named(const char *name);

/* Returns whether a name is a lab's and nothing else: "01-anon-pipes", "Lab 1", but not
 * "lab01_ivanov". */
bool is_lab(const char *name);

/* The parts of a name that Canvas or Moodle gives to a submission. `rest` is the file's own name, ""
 * for a folder. All are copies. */
struct export_name {
    char *name, *number, *rest;
    bool late;
};

/* Reads "lastfirst_LATE_12345_67890_file.zip" of Canvas: name, user, file. `*file` is set to the number of
 * the file. Returns false for another name. */
bool canvas_name(const char *name, struct export_name *parts, long long *file);

/* Reads "Full Name_123456_assignsubmission_file_" of Moodle, also with a file's name after it. */
bool moodle_name(const char *name, struct export_name *parts);
void free_export_name(struct export_name *parts);

/* Returns "unix" or "win32", or NULL if the name means no system. */
const char *system_named(const char *name);

/* Returns "server" or "client" if the name contains only one of these words, or NULL. */
const char *role_named(const char *name);

/* Returns whether the file or folder is made by a build or by an editor, or is litter of a
 * system. */
bool is_left_out(const char *name);

#endif
