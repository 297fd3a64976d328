/*
 * students.c - finds the students of a class in what their system has exported.
 *
 * Usage: students OUT LABS [--as ID] [--map FILE] [PATH...]   LABS: all labs, separated by commas
 *        students --unpack OUT LABS <ARCHIVE
 *
 * A PATH is a folder or an archive. It may be one student's, a folder of those, or the download of
 * all submissions from Canvas, Moodle, Gradescope or GitHub Classroom. Only names decide, so this
 * reads no student's file; it follows no link. Makes OUT/ID for each student: a link to the archive or
 * folder, or a folder with copies of several files. FILE lists the students: a CSV file in any of the encodings and with any
 * of the separators that spreadsheets write, or such a list of these systems.
 *
 * Prints:
 *
 *     { "students": [ {"id", "from", "path", "name", "email", "submitted", "late"} ],
 *                                       "path": the PATH that was taken apart into several, or null
 *       "map":      { ID: {"name", "email", "submitted"} },       null without --map
 *       "said":     [ sentences for the instructor ],
 *       "refused":  null, or why nothing of it can be graded }
 *
 * With --unpack it is run in the sandbox. If the archive contains a class, it is unpacked into OUT, as
 * folders and regular files only. Prints "class" or "one".
 *
 * Returns 0, 1 if something of ours failed, 2 for wrong arguments.
 */
#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archives.h"
#include "names.h"
#include "table.h"

#define MOST_DEPTH 8      /* folders that are looked into */
#define MOST_NODES 500000 /* files and folders of a class */
#define MOST_EACH 20000   /* of them, in one folder of a class: intake refuses more */
#define MOST_BYTES (256LL * 1024 * 1024)      /* of one file of a class */
#define MOST_CLASS (4LL * 1024 * 1024 * 1024) /* of all of them */

static json_t *said;
static char *refused;
static const char *out;

static void say(char *sentence)
{
    json_array_append_new(said, json_string(sentence));
    free(sentence);
}

/* ---- The tree of names ------------------------------------------------------------------- */

struct node {
    char *name; /* in UTF-8 */
    char *path; /* as the system knows it; NULL in an archive */
    enum { FOLDER, FILE_OF_BYTES, NO_FILE } kind;
    bool used; /* it belongs to a student already */
    struct node **child;
    size_t count;
};

static size_t node_count;

static struct node *add(struct node *folder, const char *name, const char *path)
{
    if (++node_count > MOST_NODES) {
        fprintf(stderr, "students: more than %d files\n", MOST_NODES);
        exit(1);
    }
    struct node *node = need(calloc(1, sizeof *node));
    node->name = decoded_name(name);
    node->path = path != NULL ? need(strdup(path)) : NULL;
    folder->child = need(realloc(folder->child, (folder->count + 1) * sizeof(void *)));
    folder->child[folder->count++] = node;
    return node;
}

static int by_name(const void *one, const void *other)
{
    return strcmp((*(struct node *const *)one)->name,
                  (*(struct node *const *)other)->name);
}

static void sort(struct node *folder)
{
    if (folder->count > 1)
        qsort(folder->child, folder->count, sizeof(void *), by_name);
    for (size_t i = 0; i < folder->count; i++)
        sort(folder->child[i]);
}

static void set_kind(struct node *node, mode_t mode)
{
    node->kind = S_ISDIR(mode) ? FOLDER : S_ISREG(mode) ? FILE_OF_BYTES : NO_FILE;
}

/* Reads a folder, as long as there are no more than `most` files and folders of the class. Returns
 * false if there are more. */
static bool read_folder(struct node *folder, int depth, size_t most)
{
    DIR *directory = opendir(folder->path);
    if (directory == NULL) {
        say(text("%s cannot be read: %s", folder->name, strerror(errno)));
        return true;
    }
    struct dirent *entry;
    while (node_count <= most && (entry = readdir(directory)) != NULL) {
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            (is_left_out(entry->d_name) && strcmp(entry->d_name, ".git") != 0))
            continue;
        char *path = text("%s/%s", folder->path, entry->d_name);
        if (lstat(path, &status) == 0) {
            struct node *node = add(folder, entry->d_name, path);
            set_kind(node, status.st_mode);
        }
        free(path);
    }
    closedir(directory);
    size_t visible = 0;
    for (size_t i = 0; i < folder->count; i++)
        visible += *folder->child[i]->name != '.';
    /* A folder beside others may be that of one student, who must not stop the others. */
    for (size_t i = 0; node_count <= most && depth > 1 && i < folder->count; i++) {
        struct node *node = folder->child[i];
        size_t limit = node_count + MOST_EACH;
        if (node->kind != FOLDER || *node->name == '.')
            continue;
        if (visible == 1 || limit > most)
            read_folder(node, depth - 1, most);
        else if (!read_folder(node, depth - 1, limit))
            say(text("%s contains more than %d files and folders, and was not read whole",
                     node->name, MOST_EACH));
    }
    return node_count <= most;
}

static struct node *find(const struct node *folder, const char *name)
{
    for (size_t i = 0; i < folder->count; i++)
        if (strcmp(folder->child[i]->name, name) == 0)
            return folder->child[i];
    return NULL;
}

static bool is_hidden(const struct node *node)
{
    return *node->name == '.' || is_left_out(node->name);
}

/* ---- The students ------------------------------------------------------------------------ */

struct student {
    char *id;
    char *key;    /* what items of one student have in common */
    char *name;   /* from the export, or NULL */
    char *number; /* the system's number of the student, or NULL */
    char *sid, *email, *submitted;
    int late; /* -1: unknown */
    const char *from;
    const char
        *path; /* the PATH that was taken apart into this student and others, or NULL */
    struct node **item;
    char **item_name;
    long long *item_version;
    size_t count;
    bool left_out;
};

static struct student *students;
static size_t student_count;

static const char *apart; /* the PATH that is taken apart, in UTF-8 */

static struct student *student_of(const char *key, const char *from)
{
    for (size_t i = 0; i < student_count; i++)
        if (strcmp(students[i].key, key) == 0)
            return &students[i];
    students = need(realloc(students, (student_count + 1) * sizeof *students));
    struct student *student = &students[student_count++];
    *student = (struct student){
        .key = need(strdup(key)), .from = from, .path = apart, .late = -1};
    return student;
}

/* Adds a file or folder of the student. If there is one of this name already, the later version counts. */
static void give(struct student *student, struct node *node, const char *name,
                 long long version)
{
    size_t i = 0;
    while (i < student->count && strcmp(student->item_name[i], name) != 0)
        i++;
    if (i < student->count) {
        say(text("%s: %s is there several times: the last version is taken", student->key,
                 name));
        if (version < student->item_version[i])
            return;
    } else {
        student->count++;
        student->item = need(realloc(student->item, student->count * sizeof(void *)));
        student->item_name = need(
            realloc(student->item_name, student->count * sizeof(void *)));
        student->item_version = need(realloc(
            student->item_version, student->count * sizeof *student->item_version));
        student->item_name[i] = need(strdup(name));
    }
    student->item[i] = node;
    student->item_version[i] = version;
}

static bool is_source(const char *name)
{
    return ends_with(name, ".c") || ends_with(name, ".cpp") || ends_with(name, ".cc") ||
           ends_with(name, ".cxx") || ends_with(name, ".c.txt") ||
           ends_with(name, ".cpp.txt");
}

static void leave_out(const struct node *node)
{
    if (node->kind == NO_FILE)
        say(text("%s is a symbolic link or no file, and was left out", node->name));
    else if (!is_hidden(node))
        say(text("%s is no archive, and was left out", node->name));
}

/* ---- Exports of systems -------------------------------------------------------------------- */

/* Canvas adds -1, -2 to the name of a file that is handed in again. */
static char *without_version(const char *name)
{
    const char *dot = strrchr(name, '.');
    const char *end = dot;
    while (end != NULL && end > name && isdigit((unsigned char)end[-1]))
        end--;
    if (end == NULL || end == dot || *end == '0' || end - name < 2 || end[-1] != '-' ||
        !is_source(name))
        return need(strdup(name));
    return text("%.*s%s", (int)(end - 1 - name), name, dot);
}

/* All files must have names of Canvas, and each number one name. */
static bool from_canvas(struct node *top)
{
    struct export_name parts;
    long long file;
    size_t found = 0;
    char *last = NULL, *last_number = NULL;
    bool clash = false;
    for (size_t i = 0; i < top->count; i++) {
        struct node *node = top->child[i];
        if (node->kind != FILE_OF_BYTES || !canvas_name(node->name, &parts, &file)) {
            if ((node->kind == FOLDER && !is_hidden(node)) || is_archive(node->name) ||
                is_source(node->name))
                clash = true;
            continue;
        }
        found++;
        /* The files are sorted by name: two names with one number are no numbers of users. */
        if (last != NULL && strcmp(last_number, parts.number) == 0 &&
            strcmp(last, parts.name) != 0)
            clash = true;
        free(last);
        free(last_number);
        last = parts.name;
        last_number = parts.number;
        free(parts.rest);
    }
    free(last);
    free(last_number);
    if (found == 0 || clash)
        return false;
    for (size_t i = 0; i < top->count; i++) {
        struct node *node = top->child[i];
        if (node->kind != FILE_OF_BYTES || !canvas_name(node->name, &parts, &file)) {
            leave_out(node);
            continue;
        }
        bool named = *parts.name != '\0';
        char *key = text("%s%s%s", parts.name, named ? "_" : "", parts.number);
        char *name = without_version(parts.rest);
        struct student *student = student_of(key, "Canvas");
        if (student->number == NULL) {
            student->name = named ? need(strdup(parts.name)) : NULL;
            student->number = need(strdup(parts.number));
        }
        student->late = parts.late || student->late == 1;
        give(student, node, name, file);
        free(name);
        free(key);
        free_export_name(&parts);
    }
    return true;
}

static bool from_moodle(struct node *top)
{
    struct export_name parts;
    size_t found = 0;
    for (size_t i = 0; i < top->count; i++) {
        struct node *node = top->child[i];
        if (node->kind == NO_FILE || !moodle_name(node->name, &parts))
            continue;
        found++;
        node->used = true;
        char *key = text("%s%s%s", parts.name, *parts.number != '\0' ? "_" : "",
                         parts.number);
        struct student *student = student_of(key, "Moodle");
        if (student->name == NULL) {
            student->name = need(strdup(parts.name));
            student->number = *parts.number != '\0' ? need(strdup(parts.number)) : NULL;
        }
        if (node->kind == FILE_OF_BYTES) {
            give(student, node, *parts.rest != '\0' ? parts.rest : node->name, 0);
        } else {
            for (size_t k = 0; k < node->count; k++)
                give(student, node->child[k], node->child[k]->name, 0);
            if (node->count == 0)
                give(student, node, "empty", 0);
        }
        free(key);
        free_export_name(&parts);
    }
    return found > 0;
}

/* The metadata name the students of each folder; a group has several. */
static bool from_gradescope(struct node *top)
{
    struct node *metadata = find(top, "submission_metadata.yml");
    if (metadata == NULL || metadata->kind != FILE_OF_BYTES)
        return false;
    if (metadata->path == NULL) { /* in an archive: it is a class, that is enough */
        student_of("one", "Gradescope");
        student_of("other", "Gradescope");
        return true;
    }
    json_t *rows = read_metadata(metadata->path);
    if (rows == NULL)
        say(text(
            "the names of Gradescope's students cannot be read: submission_metadata.yml is damaged, "
            "or the kit was built without libyaml; tools/setup installs it"));
    for (size_t i = 0; i < top->count; i++) {
        struct node *node = top->child[i];
        if (node == metadata || is_hidden(node) || node->kind == NO_FILE)
            continue;
        json_t *row = json_object_get(rows, node->name),
               *owners = json_object_get(row, "submitters");
        if (row == NULL && node->kind != FOLDER) {
            leave_out(node);
            continue;
        }
        if (rows != NULL && json_array_size(owners) == 0)
            say(text("%s is not in submission_metadata.yml", node->name));
        for (size_t k = 0; k == 0 || k < json_array_size(owners); k++) {
            json_t *owner = json_array_get(owners, k);
            const char *name = json_string_value(json_object_get(owner, "name"));
            const char *sid = json_string_value(json_object_get(owner, "sid"));
            const char *email = json_string_value(json_object_get(owner, "email"));
            const char *at = json_string_value(json_object_get(row, "created_at"));
            const char *digits = node->name + strcspn(node->name, "0123456789");
            /* The number is that of the submission: another one, if the student hands in again. */
            char *key = owner == NULL                     ? need(strdup(node->name))
                        : email != NULL && *email != '\0' ? need(strdup(email))
                        : sid != NULL && *sid != '\0'
                            ? need(strdup(sid))
                            : text("%s_%.*s", name != NULL ? name : "nobody",
                                   (int)strspn(digits, "0123456789"), digits);
            struct student *student = student_of(key, "Gradescope");
            student->name = name != NULL ? need(strdup(name)) : NULL;
            student->sid = sid != NULL && *sid != '\0' ? need(strdup(sid)) : NULL;
            student->email = email != NULL ? need(strdup(email)) : NULL;
            student->submitted = at != NULL ? need(strdup(at)) : NULL;
            give(student, node, node->name, 0);
            free(key);
        }
        if (json_array_size(owners) > 1)
            say(text("%s is the work of %zu students: each of them is graded", node->name,
                     json_array_size(owners)));
    }
    const char *folder;
    json_t *row;
    json_object_foreach(rows, folder, row) if (find(top, folder) == NULL)
        say(text("%s is in submission_metadata.yml, and not in the export", folder));
    return true;
}

/* ---- Other folders ------------------------------------------------------------------------- */

/* Visual Studio makes a folder for each program: PipeServer/PipeServer.cpp. Returns "server" or "client" if
 * the folder can be one of these, or NULL. A clone is none. */
static const char *project_of(const struct node *node)
{
    const char *role = node->kind == FOLDER ? role_named(node->name) : NULL;
    if (role == NULL || same_name(node->name, role) || find(node, ".git") != NULL)
        return NULL;
    for (size_t i = 0; i < node->count; i++)
        if (node->child[i]->kind == FILE_OF_BYTES && is_source(node->child[i]->name))
            return role;
    return NULL;
}

/* Returns whether a name can be that of a part of one submission: a lab, a system, a program. */
static bool is_part(const struct node *node)
{
    static const char *const folders[] = {"server", "client",  "src",
                                          "source", "sources", "code"};
    if (node->kind == FILE_OF_BYTES && !is_archive(node->name))
        return (is_source(node->name) && (strncasecmp(node->name, "server.", 7) == 0 ||
                                          strncasecmp(node->name, "client.", 7) == 0)) ||
               ends_with(node->name, ".sln") || ends_with(node->name, ".vcxproj");
    char *name = need(strndup(node->name, stem_length(node->name)));
    bool part = is_lab(name) || system_named(name) != NULL;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        part = part || (same_name(name, folders[i]) && (node->kind == FOLDER || i < 2));
    free(name);
    return (part && node->kind != NO_FILE) || project_of(node) != NULL;
}

static bool has_work(const struct node *node)
{
    if (node->kind != FOLDER)
        return node->kind == FILE_OF_BYTES &&
               (is_archive(node->name) || is_source(node->name));
    for (size_t i = 0; i < node->count; i++)
        if (!is_hidden(node->child[i]) && has_work(node->child[i]))
            return true;
    return false;
}

/* Returns whether it is the folder of a lab, with the archives of a class in it. */
static bool is_shelf(const struct node *node)
{
    size_t archives = 0;
    bool lab = node->kind == FOLDER && is_part(node) && project_of(node) == NULL;
    for (size_t i = 0; lab && i < node->count; i++) {
        if (node->child[i]->kind == FOLDER && is_part(node->child[i]))
            return false;
        archives += node->child[i]->kind == FILE_OF_BYTES &&
                    is_archive(node->child[i]->name) && !is_part(node->child[i]);
    }
    return archives > 0;
}

/* ivanov_server.c: sets `*owner` to what comes before the program's name. */
static bool is_owned(const char *name, char **owner)
{
    for (size_t i = 0; is_source(name) && name[i] != '\0'; i++)
        if (i > 1 && strchr("-_ .", name[i - 1]) != NULL &&
            (strncasecmp(name + i, "server.", 7) == 0 ||
             strncasecmp(name + i, "client.", 7) == 0)) {
            *owner = need(strndup(name, i - 1));
            return true;
        }
    return false;
}

struct census {
    size_t parts, students, shelves, owned;
    struct node *only, *part;
    size_t servers, clients; /* of the parts: folders of Visual Studio */
    struct node *server, *client;
};

/* One student has one server and one client. Several folders of one of these, and no other parts, are the
 * work of students: ivanov_server, petrov_server. */
static void take_for_students(struct census *census)
{
    bool of_servers = census->servers > census->clients;
    size_t most = of_servers ? census->servers : census->clients;
    if (most < 2 || census->servers + census->clients < census->parts)
        return;
    census->parts -= most;
    census->students += most;
    census->part = of_servers ? census->client : census->server;
}

static struct census count_entries(const struct node *top)
{
    struct census census = {0};
    size_t visible = 0;
    for (size_t i = 0; i < top->count; i++) {
        struct node *node = top->child[i];
        char *owner;
        if (node->used || is_hidden(node) || node->kind == NO_FILE)
            continue;
        visible++;
        census.only = node;
        if (is_shelf(node)) {
            census.shelves++;
        } else if (is_part(node)) {
            census.parts++;
            census.part = node;
            const char *role = project_of(node);
            if (role != NULL && *role == 's') {
                census.servers++;
                census.server = node;
            } else if (role != NULL) {
                census.clients++;
                census.client = node;
            }
        } else if ((node->kind == FILE_OF_BYTES && is_archive(node->name)) ||
                   (node->kind == FOLDER && find(node, ".grade") == NULL &&
                    has_work(node))) {
            census.students++;
        } else if (node->kind == FILE_OF_BYTES && is_owned(node->name, &owner)) {
            census.owned++;
            free(owner);
        }
    }
    take_for_students(&census);
    if (visible != 1 || census.only->kind != FOLDER)
        census.only = NULL;
    return census;
}

static bool is_class(struct node *top)
{
    struct export_name parts;
    long long file;
    size_t canvas = 0;
    for (size_t i = 0; i < top->count; i++) {
        if (moodle_name(top->child[i]->name, &parts)) {
            free_export_name(&parts);
            return true;
        }
        if (canvas_name(top->child[i]->name, &parts, &file)) {
            free_export_name(&parts);
            canvas++;
        }
    }
    if (canvas > 1 || find(top, "submission_metadata.yml") != NULL)
        return true;
    struct census census = count_entries(top);
    return census.parts == 0 && census.students + census.owned / 2 > 1;
}

/* Whether most of the folders here are clones. A single student's .git says nothing: the due date counts. */
static bool holds_clones(const struct node *top)
{
    size_t folders = 0, clones = 0;
    for (size_t i = 0; i < top->count; i++)
        if (top->child[i]->kind == FOLDER && !is_hidden(top->child[i])) {
            folders++;
            clones += find(top->child[i], ".git") != NULL;
        }
    return clones * 2 > folders;
}

/* Takes the folder apart into students. Returns false if it is one student's. */
static bool take_apart(struct node *top)
{
    if (from_gradescope(top))
        return true;
    bool found = from_moodle(top);
    if (!found && from_canvas(top))
        return true;
    struct census census = count_entries(top);
    if (!found && census.parts == 0 && census.only != NULL && is_class(census.only)) {
        say(text("the class is in the folder %s", census.only->name));
        return take_apart(census.only);
    }
    if (census.parts > 0 && census.students == 0 && census.shelves == 0 && !found)
        return false;
    if (census.parts > 0) {
        refused = text(
            "%s contains %s beside %zu submissions: is it one student, or a class? If it is a "
            "class, move %s out of it; if it is one student, use --as ID",
            top->name, census.part->name,
            found ? student_count : census.students + census.shelves, census.part->name);
        return true;
    }
    bool clones = holds_clones(top);
    for (size_t i = 0; i < top->count; i++) {
        struct node *node = top->child[i];
        char *owner;
        if (node->used || is_hidden(node))
            continue;
        if (node->kind == FOLDER && find(node, ".grade") != NULL) {
            say(text("%s contains results of grade, and was left out", node->name));
        } else if (is_shelf(node)) {
            say(text(
                "%s holds archives for one lab, and was left out: grade each lab by itself, with "
                "--labs and an --out of its own",
                node->name));
        } else if (node->kind == FOLDER ||
                   (node->kind == FILE_OF_BYTES && is_archive(node->name))) {
            size_t stem = node->kind == FOLDER ? strlen(node->name)
                                               : stem_length(node->name);
            char *name = need(strndup(node->name, stem));
            /* Two archives of one name are two students: nobody can know. */
            char *key = text("%s\n%s", name, node->name);
            bool clone = clones && node->kind == FOLDER && find(node, ".git") != NULL;
            struct student *student = student_of(key, clone ? "git" : "");
            if (student->count == 0)
                give(student, node, node->name, 0);
            free(key);
            free(name);
        } else if (node->kind == FILE_OF_BYTES && is_owned(node->name, &owner)) {
            give(student_of(owner, ""), node, node->name + strlen(owner) + 1, 0);
            free(owner);
        } else {
            leave_out(node);
        }
    }
    return true;
}

static void take_path(const char *path)
{
    struct node root = {0};
    char *plain = realpath(path, NULL);
    struct stat status;
    if (plain == NULL || stat(plain, &status) == -1)
        give_up(path);
    const char *slash = strrchr(plain, '/');
    struct node *node = add(&root, slash[1] != '\0' ? slash + 1 : "root", plain);
    set_kind(node, status.st_mode);
    if (node->kind == FOLDER && !read_folder(node, MOST_DEPTH, MOST_NODES - 1)) {
        refused = text("%s contains too many files and folders: at most %d can be read",
                       node->name, MOST_NODES);
        free(plain);
        return;
    }
    sort(node);
    apart = decoded_name(path);
    bool taken = node->kind == FOLDER && take_apart(node);
    apart = NULL;
    if (!taken) {
        char *name = need(strndup(node->name, node->kind == FOLDER
                                                  ? strlen(node->name)
                                                  : stem_length(node->name)));
        char *key = text("%s\n%s", name, plain);
        struct student *student = student_of(key, "");
        if (student->count == 0)
            give(student, node, node->name, 0);
        free(key);
        free(name);
    }
    free(plain);
}

/* ---- Students and their names --------------------------------------------------------------- */

static bool same_text(const char *one, const char *other)
{
    if (one == NULL || other == NULL || *one == '\0' || *other == '\0')
        return false;
    char *a = squashed(one), *b = squashed(other);
    bool same = *a != '\0' && strcmp(a, b) == 0;
    free(a);
    free(b);
    return same;
}

/* Canvas writes the last name first, without a separator. */
static bool same_person(const char *name, const char *other)
{
    if (same_text(name, other))
        return true;
    const char *blank = other != NULL ? strrchr(other, ' ') : NULL;
    if (blank == NULL)
        return false;
    char *turned = text("%s %.*s", blank + 1, (int)(blank - other), other);
    bool same = same_text(name, turned);
    free(turned);
    return same;
}

/* GitHub Classroom calls a clone PREFIX-LOGIN. Returns "PREFIX-", in new memory, or NULL if the student's
 * name does not end in the login of the row. */
static char *prefix_of(const struct student *student, const struct row *row)
{
    size_t tail = row->login != NULL ? strlen(row->login) : 0;
    char *key = need(strndup(student->key, strcspn(student->key, "\n")));
    size_t length = strlen(key);
    if (tail > 0 && length >= tail && same_name(key + length - tail, row->login) &&
        (length == tail || key[length - tail - 1] == '-')) {
        key[length - tail] = '\0';
        return key;
    }
    free(key);
    return NULL;
}

/* How many pairs of a clone and a row have each prefix. A student chooses their login, but not the
 * prefix of the class. */
static json_t *prefixes;

static void count_prefixes(const struct table *table)
{
    prefixes = need(json_object());
    for (size_t i = 0; i < student_count; i++)
        for (size_t r = 0; table != NULL && r < table->count; r++) {
            char *prefix = prefix_of(&students[i], &table->row[r]);
            if (prefix != NULL) {
                json_int_t count = json_integer_value(json_object_get(prefixes, prefix));
                json_object_set_new(prefixes, prefix, json_integer(count + 1));
            }
            free(prefix);
        }
}

/* Returns how well the clone fits the row, or 0: best with the most frequent prefix, then with the shortest.
 * An empty prefix is the worst. */
static json_int_t fit(const struct student *student, const struct row *row)
{
    char *prefix = prefix_of(student, row);
    if (prefix == NULL)
        return 0;
    json_int_t count = json_integer_value(json_object_get(prefixes, prefix));
    size_t length = strlen(prefix); /* below 256, as a file's name */
    free(prefix);
    return count * 1000 - (json_int_t)(length > 0 ? length : 999);
}

/* Returns whether no other row and no other student fits better: `lab1-a-ivanov` ends in the login
 * `ivanov`, but belongs to `a-ivanov`. `lab1-ivanov` belongs to `ivanov`, even if there is a login
 * `lab1-ivanov`. */
static bool is_closest(const struct student *student, const struct row *row,
                       const struct table *table)
{
    json_int_t mine = fit(student, row);
    if (mine == 0)
        return false;
    for (size_t i = 0; i < table->count; i++)
        if (fit(student, &table->row[i]) > mine)
            return false;
    for (size_t i = 0; i < student_count; i++)
        if (fit(&students[i], row) > mine)
            return false;
    return true;
}

/* Returns whether the row of the map is the student, by the Nth of these ways: the surest one first. */
#define WAYS 5
static bool is_row(const struct student *student, const struct row *row,
                   const struct table *table, int way)
{
    char *key = need(strndup(student->key, strcspn(student->key, "\n")));
    bool same = false;
    switch (way) {
    case 0:
        same = same_text(student->number, row->number) ||
               (student->email != NULL && row->email != NULL &&
                same_name(student->email, row->email));
        break;
    case 1:
        same = same_text(student->sid, row->raw) || same_text(student->sid, row->number);
        break;
    case 2: { /* but the name of a clone is more than a login */
        char *id = id_of(key);
        same = same_name(id, row->id) &&
               (row->login == NULL || !same_name(row->login, row->raw));
        free(id);
        break;
    }
    case 3: same = is_closest(student, row, table); break;
    case 4:
        same = same_person(student->name, row->name) ||
               same_text(student->name, row->raw);
        break;
    }
    free(key);
    return same;
}

/* Students whose work was named by itself choose their ids first: a folder of one student that contains
 * several must not take the places of others. */
static void sort_students(void)
{
    struct student *sorted = need(calloc(student_count + 1, sizeof *sorted));
    size_t count = 0;
    for (int several = 0; several < 2; several++)
        for (size_t i = 0; i < student_count; i++)
            if ((students[i].path != NULL) == several)
                sorted[count++] = students[i];
    free(students);
    students = sorted;
}

static void set_ids(struct table *table, const char *as)
{
    sort_students();
    count_prefixes(table);
    for (int way = 0; way < WAYS; way++)
        for (size_t i = 0; i < student_count; i++)
            for (size_t r = 0;
                 students[i].id == NULL && table != NULL && r < table->count; r++)
                if (!table->row[r].taken &&
                    is_row(&students[i], &table->row[r], table, way)) {
                    students[i].id = need(strdup(table->row[r].id));
                    table->row[r].taken = true;
                }
    for (size_t i = 0; i < student_count; i++) {
        struct student *student = &students[i];
        char *key = need(strndup(student->key, strcspn(student->key, "\n")));
        if (as != NULL)
            student->id = need(strdup(as));
        if (student->id == NULL && table != NULL && table->of_github &&
            strcmp(student->from, "git") == 0) {
            say(text("%s is a repository of nobody in the map, and was left out", key));
            student->left_out = true;
        }
        if (student->id == NULL)
            student->id = id_of(key);
        free(key);
    }
    /* Two students must not have one id. */
    for (size_t i = 0; i < student_count; i++) {
        struct student *student = &students[i];
        unsigned sum = 0;
        for (const char *c = student->key; *c != '\0'; c++)
            sum = sum * 31 + (unsigned char)*c;
        for (size_t k = 0; k < i; k++) {
            if (student->left_out || students[k].left_out ||
                strcmp(student->id, students[k].id) != 0)
                continue;
            const char *name = student->item[0]->name;
            char *id = text("%.55s-%06x", student->id, sum++ & 0xFFFFFF);
            say(text("there is a %s already: %s is %s", student->id, name, id));
            free(student->id);
            student->id = id;
            k = (size_t)-1; /* compare the new one with all */
        }
    }
}

/* ---- Writing it ---------------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int copy = in != -1 ? open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644) : -1;
    struct stat status;
    static char buffer[65536];
    ssize_t got = 0;
    if (copy == -1 || fstat(in, &status) == -1)
        give_up(from);
    for (long long all = 0;
         all <= MOST_BYTES && (got = read(in, buffer, sizeof buffer)) > 0; all += got)
        if (write(copy, buffer, (size_t)got) != got)
            give_up(to);
    if (got == -1)
        give_up(from);
    struct timespec times[2] = {status.st_mtim, status.st_mtim};
    futimens(copy, times);
    close(in);
    close(copy);
}

static void copy_node(const struct node *node, const char *to)
{
    if (node->kind == FILE_OF_BYTES)
        copy_file(node->path, to);
    if (node->kind != FOLDER)
        return;
    make_folder(to);
    for (size_t i = 0; i < node->count; i++) {
        const struct node *child = node->child[i];
        char *path = text("%s/%s", to, strrchr(child->path, '/') + 1);
        copy_node(child, path);
        free(path);
    }
}

static int forget_time(const char *path, const struct stat *status, int type,
                       struct FTW *place)
{
    (void)status;
    (void)place;
    static const struct timespec times[2];
    if (type == FTW_DP && utimensat(AT_FDCWD, path, times, 0) == -1)
        give_up(path);
    return 0;
}

/* Sets the times of all folders to 0: what was copied again must have the same checksum. */
static void forget_times(const char *folder)
{
    if (nftw(folder, forget_time, 16, FTW_DEPTH | FTW_PHYS) == -1)
        give_up(folder);
}

/* Makes OUT/ID: a link to the student's work, or a folder with copies. */
static void place(const struct student *student)
{
    char *to = text("%s/%s", out, student->id);
    bool whole = student->count == 1 &&
                 (student->item[0]->kind == FOLDER ||
                  is_archive(student->item[0]->name) || *student->from == '\0');
    if (whole) {
        if (symlink(student->item[0]->path, to) == -1)
            give_up(to);
    } else {
        make_folder(to);
        for (size_t i = 0; i < student->count; i++) {
            char *path = text("%s/%s", to, student->item_name[i]);
            copy_node(student->item[i], path);
            free(path);
        }
        forget_times(to);
    }
    free(to);
}

static json_t *write_students(void)
{
    json_t *list = need(json_array());
    for (size_t i = 0; i < student_count; i++) {
        const struct student *student = &students[i];
        if (student->left_out)
            continue;
        place(student);
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:o}", "id", student->id,
                      "from", student->from, "path", student->path, "name", student->name,
                      "email", student->email, "submitted", student->submitted, "late",
                      student->late == -1 ? json_null() : json_boolean(student->late)));
    }
    return list;
}

static json_t *write_map(const struct table *table)
{
    if (table == NULL)
        return json_null();
    json_t *map = need(json_object());
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->row[i];
        json_object_set_new(map, row->id,
                            json_pack("{s:s?, s:s?, s:s?}", "name", row->name, "email",
                                      row->email, "submitted", row->submitted));
    }
    return map;
}

/* ---- An archive of a class --------------------------------------------------------------- */

static struct archive *open_input(void)
{
    struct archive *archive = new_archive();
    if (lseek(STDIN_FILENO, 0, SEEK_SET) == -1 ||
        archive_read_open_fd(archive, STDIN_FILENO, 65536) != ARCHIVE_OK) {
        archive_read_free(archive);
        return NULL;
    }
    return archive;
}

/* Returns the entry's path in UTF-8, or NULL if it is not to be unpacked. In new memory. */
static char *plain_path(struct archive_entry *entry)
{
    const char *raw = archive_entry_pathname(entry);
    if (raw == NULL || archive_entry_hardlink(entry) != NULL ||
        archive_entry_filetype(entry) != AE_IFREG)
        return NULL;
    char *path = decoded_name(raw), *copy, *rest, *part;
    for (char *c = path; *c != '\0'; c++)
        if (*c == '\\')
            *c = '/';
        else if ((unsigned char)*c < 32 || *c == 127)
            *c = '_';
    rest = copy = need(strdup(path));
    bool good = *path != '/' && *path != '\0';
    for (size_t depth = 0; (part = strsep(&rest, "/")) != NULL; depth++)
        good = good && strcmp(part, "..") != 0 && strlen(part) < 250 && depth < 64 &&
               !is_left_out(part);
    free(copy);
    if (good)
        return path;
    free(path);
    return NULL;
}

static void insert(struct node *top, char *path)
{
    char *part;
    while ((part = strsep(&path, "/")) != NULL) {
        if (*part == '\0' || strcmp(part, ".") == 0)
            continue;
        struct node *node = find(top, part);
        if (node == NULL)
            node = add(top, part, NULL);
        node->kind = path != NULL ? FOLDER : FILE_OF_BYTES;
        top = node;
    }
}

static void unpack_entry(struct archive *archive, const char *path, time_t time)
{
    char *to = text("%s/%s", out, path);
    make_folders(to, strlen(out));
    int file = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    static char buffer[65536];
    static long long whole;
    la_ssize_t got = 0;
    if (file == -1 && errno != EEXIST && errno != EISDIR)
        give_up(to);
    /* A file that is too large stays a byte too large: then the student is told so. */
    for (long long all = 0; file != -1 && all <= MOST_BYTES &&
                            (got = archive_read_data(archive, buffer, sizeof buffer)) > 0;
         all += got) {
        if (write(file, buffer, (size_t)got) != got)
            give_up(to);
        if ((whole += got) > MOST_CLASS) {
            fputs("students: the archive unpacks to more than 4 GB\n", stderr);
            exit(1);
        }
    }
    struct timespec times[2] = {{.tv_sec = time}, {.tv_sec = time}};
    if (file != -1) {
        futimens(file, times);
        close(file);
    }
    free(to);
}

/* Reads the names. Returns false if the archive is damaged after some of them. */
static bool read_names(struct node *top)
{
    struct archive_entry *entry;
    struct archive *archive = open_input();
    int result = ARCHIVE_EOF;
    while (archive != NULL &&
           (result = archive_read_next_header(archive, &entry)) != ARCHIVE_EOF &&
           result != ARCHIVE_FATAL) {
        char *path = plain_path(entry);
        if (path != NULL)
            insert(top, path);
        free(path);
    }
    if (archive != NULL)
        archive_read_free(archive);
    sort(top);
    return result == ARCHIVE_EOF || top->count == 0;
}

static int unpack(void)
{
    struct node top = {.name = "archive"};
    struct archive_entry *entry;
    bool whole = read_names(&top);
    bool many = take_apart(&top) && (student_count > 1 || refused != NULL);
    if (many && !whole) {
        fputs("students: the archive is damaged: download it again\n", stderr);
        puts("class");
        return 1;
    }
    puts(many ? "class" : "one");
    fflush(stdout);
    struct archive *archive = many ? open_input() : NULL;
    if (archive == NULL)
        return 0;
    int result;
    while ((result = archive_read_next_header(archive, &entry)) != ARCHIVE_EOF &&
           result != ARCHIVE_FATAL) {
        char *path = plain_path(entry);
        if (path != NULL)
            unpack_entry(archive, path, archive_entry_mtime(entry));
        free(path);
    }
    archive_read_free(archive);
    forget_times(out);
    return 0;
}

/* ---- The beginning ------------------------------------------------------------------------- */

int main(int argc, char *argv[])
{
    program_name = "students";
    if (setlocale(LC_ALL, "C.UTF-8") == NULL)
        give_up("the locale C.UTF-8");
    said = need(json_array());
    bool unpacking = argc > 1 && strcmp(argv[1], "--unpack") == 0;
    int at = 1 + unpacking;
    const char *as = NULL, *map = NULL;
    if (argc < at + 2) {
        fputs("usage: students OUT LABS [--as ID] [--map FILE] [PATH...]\n"
              "       students --unpack OUT LABS <ARCHIVE\n",
              stderr);
        return 2;
    }
    out = argv[at];
    split_list(argv[at + 1], &set_labs);
    if (unpacking)
        return unpack();
    for (at += 2; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        if (strcmp(argv[at], "--as") == 0)
            as = argv[at + 1];
        else if (strcmp(argv[at], "--map") == 0)
            map = argv[at + 1];
    }
    char *error = NULL;
    struct table *table = map != NULL ? read_table(map, &error) : NULL;
    if (error != NULL)
        refused = error;
    else if (as != NULL && is_ours(as))
        refused = text("grade uses the name %s itself: use another one with --as", as);
    for (; at < argc && refused == NULL; at++) {
        if (as == NULL) {
            take_path(argv[at]);
            continue;
        }
        /* A link to it must lead there from any folder. */
        char *plain = realpath(argv[at], NULL);
        struct stat status;
        if (plain == NULL || stat(plain, &status) == -1)
            give_up(argv[at]);
        struct node root = {0}, *node = add(&root, as, plain);
        set_kind(node, status.st_mode);
        give(student_of(as, ""), node, as, 0);
        free(plain);
    }
    json_t *list = need(json_array());
    if (refused == NULL) {
        set_ids(table, as);
        json_decref(list);
        list = write_students();
    }
    json_t *whole = json_pack("{s:o, s:o, s:o, s:s?}", "students", list, "map",
                              write_map(table), "said", said, "refused", refused);
    if (whole == NULL || json_dumpf(whole, stdout, JSON_INDENT(1)) == -1 ||
        fflush(stdout) != 0)
        give_up("the list");
    json_decref(whole);
    return 0;
}
