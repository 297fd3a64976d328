/*
 * intake.c - takes the programs of one student out of what was handed in.
 *
 * Usage: intake OUT LABS SYSTEMS ARCHIVE     LABS and SYSTEMS are separated by commas:
 *                                            01-anon-pipes,05-sockets unix,win32
 *
 * ARCHIVE is any archive that libarchive reads; its bytes show which. Archives within it are read too. intake
 * takes only C and C++ sources and headers: server and client, and the files beside them. The
 * folders around them may have many names (names.h), and if they do not name the system, the
 * sources do by the headers that they include. It writes only regular files, under names of its
 * own: so an archive cannot choose where its bytes go. Texts become UTF-8 with UNIX line ends. A
 * program is only guessed if nothing else can be meant, and a note says so.
 *
 * Writes OUT/sources/LAB/SYSTEM/NAME, or LAB/SYSTEM/server/NAME and LAB/SYSTEM/client/NAME if the
 * files of the two programs have the same names. Writes OUT/intake.json:
 *
 *     { "files":   [ {"path": "01-anon-pipes/unix/server.c", "from": "name in the archive"} ],
 *       "refused": [ {"path": …, "why": "is a symbolic link"} ],
 *       "notes":   [ for people ],
 *       "look":    [ why the instructor must look at it: nobody loses points silently ],
 *       "newest":  seconds since 1970 of the newest file taken, or 0,
 *       "error":   null, or a sentence: why the archive could not be read to its end }
 *
 * `grade` runs it inside the sandbox, because an archive is untrusted input. Returns 0 if
 * intake.json is complete, 1 if something of ours failed, 2 for wrong arguments.
 */
#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipclab.h"
#include "archives.h"
#include "names.h"

#define MOST_BYTES (1024 * 1024)            /* of one source file */
#define MOST_UNPACKED (256LL * 1024 * 1024) /* of all that is read from the archives */
#define MOST_INNER (64LL * 1024 * 1024)     /* of an archive in the archive */
#define MOST_ENTRIES 20000
#define MOST_FILES 600 /* sources and headers */
#define MOST_PARTS 20  /* headers and other sources beside the programs */
#define MOST_NOTES 20
#define MOST_NAME 64 /* bytes in the name of such a file */
#define MOST_DEPTH 64
#define MOST_ARCHIVES 3 /* one in the other */
#define UNREADABLE "the file is no archive that can be read here"

static json_t *notes, *refused, *look;
static size_t notes_left_out;

/* Adds a sentence to a list, and frees it. If there are too many, only their number is kept. */
static void note(char *sentence)
{
    if (json_array_size(notes) < MOST_NOTES)
        json_array_append_new(notes, json_string(sentence));
    else
        notes_left_out++;
    free(sentence);
}

static void must_look(char *sentence)
{
    if (json_array_size(look) < 6)
        json_array_append_new(look, json_string(sentence));
    free(sentence);
}

/* ---- What was found -------------------------------------------------------------------- */

enum kind { C_SOURCE, CPP_SOURCE, HEADER };

struct file {
    char *from;    /* its name in the archive, shown() */
    char *folder;  /* the folder in which it is */
    char *archive; /* the archive in the archive that contains it, or "" */
    char *name;    /* its name, without a .txt at the end; .cc and .cxx are .cpp */
    char *around;  /* the folder around that of the lab, shown(), or NULL */
    const char *lab, *system; /* from its folders: NULL if unknown, lab "" if not set */
    char *why;                /* why it cannot be taken, or NULL */
    char *bytes;
    size_t length;
    const char *encoding;
    long long time;
    char *path; /* LAB/SYSTEM/NAME if it is taken */
    enum kind kind;
    bool renamed; /* it had .txt at the end */
};

static struct file files[MOST_FILES];
static size_t file_count;
static long long newest, unpacked;
static json_t *others; /* names of files that are no sources, a few of them */
static size_t other_count, too_many;
static const char *class_of; /* the system whose export the archive looks like, or NULL */
static size_t owner_count;   /* the students that it then names */

static bool is_set(const struct words *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->word[i], word) == 0)
            return true;
    return false;
}

/* Splits `path` at slashes, in place; "." and empty parts are dropped. Returns the number of
 * parts, or 0 if there are too many. */
static size_t split_path(char *path, char *parts[])
{
    size_t count = 0;
    for (char *part; (part = strsep(&path, "/")) != NULL;) {
        if (*part == '\0' || strcmp(part, ".") == 0)
            continue;
        if (count == MOST_DEPTH)
            return 0;
        parts[count++] = part;
    }
    return count;
}

/* Returns the name of a source or header as the compiler needs it, or NULL for another file. */
static char *source_name(const char *name, enum kind *kind, bool *renamed)
{
    static const struct {
        const char *end, *plain;
        enum kind kind;
    } ends[] = {{".c", ".c", C_SOURCE},      {".cpp", ".cpp", CPP_SOURCE},
                {".cc", ".cpp", CPP_SOURCE}, {".cxx", ".cpp", CPP_SOURCE},
                {".h", "", HEADER},          {".hpp", "", HEADER},
                {".hh", "", HEADER},         {".hxx", "", HEADER}};
    size_t length = strlen(name);
    *renamed = ends_with(name, ".txt");
    if (*renamed)
        length -= 4;
    char *plain = need(strndup(name, length));
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(plain, ends[i].end)) {
            *kind = ends[i].kind;
            size_t stem = length - strlen(ends[i].end);
            char *result = *kind == HEADER
                               ? need(strdup(plain))
                               : text("%.*s%s", (int)stem, plain, ends[i].plain);
            free(plain);
            return result;
        }
    free(plain);
    return NULL;
}

static bool is_role(const struct file *file, const char *role)
{
    size_t length = strlen(role);
    return file->kind != HEADER && strncasecmp(file->name, role, length) == 0 &&
           file->name[length] == '.';
}

/* Returns the folder's name: the last part of its path, of an archive without .zip. */
static char *last_part(const char *folder)
{
    const char *slash = strrchr(folder, '/');
    const char *name = slash != NULL ? slash + 1 : folder;
    return need(strndup(name, stem_length(name)));
}

/* ---- Reading --------------------------------------------------------------------------- */

static const char *kind_of(struct archive_entry *entry)
{
    if (archive_entry_hardlink(entry) != NULL)
        return "is a link to another file";
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG: return NULL;
    case AE_IFLNK: return "is a symbolic link";
    case AE_IFDIR: return "is a folder";
    default: return "is no regular file";
    }
}

/* Returns why reading failed, for a sentence that begins with the file's name. */
static char *failure(struct archive *archive)
{
    const char *said = archive_error_string(archive);
    if (archive_read_has_encrypted_entries(archive) > 0 ||
        (said != NULL && strcasestr(said, "encrypt") != NULL))
        return text("is encrypted; ask for it without a password");
    if (said != NULL && strcasestr(said, "unsupported") != NULL) {
        char *safe = shown(said);
        char *why =
            text("is compressed by a method that cannot be read here (%s); ask for a "
                 "plain .zip or .tar.gz",
                 safe);
        free(safe);
        return why;
    }
    return text("cannot be unpacked: the archive is damaged");
}

/* Reads the entry's content. Returns why it cannot be taken, or NULL. */
static char *read_bytes(struct archive *archive, size_t most, char **bytes,
                        size_t *length)
{
    size_t room = 65536;
    char *buffer = need(malloc(room));
    size_t have = 0;
    la_ssize_t got;
    while ((got = archive_read_data(archive, buffer + have, room - have)) > 0) {
        have += (size_t)got;
        unpacked += got;
        if (have > most) {
            free(buffer);
            return text("has more than %zu MB", most / (1024 * 1024));
        }
        if (have == room)
            buffer = need(realloc(buffer, room *= 2));
    }
    if (got < 0) {
        free(buffer);
        return failure(archive);
    }
    *bytes = buffer;
    *length = have;
    return NULL;
}

/* Makes UTF-8 of it, and removes the CR of each CR LF. */
static void make_plain(struct file *file)
{
    char *plain = decoded(file->bytes, &file->length, &file->encoding);
    free(file->bytes);
    file->bytes = plain;
    char *out = plain, *end = plain + file->length;
    for (char *in = plain; in < end; in++)
        if (*in != '\r' || in + 1 == end || in[1] != '\n')
            *out++ = *in;
    *out = '\0';
    file->length = (size_t)(out - plain);
}

/* Sets the lab and the system that the folders name; the nearest one counts. */
static void read_folders(struct file *file, char *parts[], size_t count)
{
    size_t before = count;
    for (size_t i = count; i-- > 0;) {
        char *folder = need(strndup(parts[i], stem_length(parts[i])));
        if (file->system == NULL)
            file->system = system_named(folder);
        if (file->lab == NULL) {
            file->lab = lab_named(folder);
            if (file->lab != NULL || system_named(folder) != NULL)
                before = i;
        }
        free(folder);
    }
    if (file->lab == NULL && set_labs.count == 1)
        file->lab = set_labs.word[0];
    char *around = NULL;
    for (size_t i = 0; i < before; i++) {
        char *longer = around == NULL ? need(strdup(parts[i]))
                                      : text("%s/%s", around, parts[i]);
        free(around);
        around = longer;
    }
    if (around != NULL && before < count)
        file->around = shown(around);
    free(around);
}

/* Counts the students whose names an export has given to the entry. */
static void count_owners(char *parts[], size_t count)
{
    static char *owner;
    struct export_name name;
    long long number;
    bool of_moodle = moodle_name(parts[0], &name);
    if (!of_moodle && count > 1)
        of_moodle = moodle_name(parts[1], &name);
    if (of_moodle || canvas_name(parts[count - 1], &name, &number)) {
        class_of = of_moodle ? "Moodle" : "Canvas";
        char *this = text("%s %s", name.name, name.number);
        free_export_name(&name);
        if (owner == NULL || strcmp(owner, this) != 0)
            owner_count++;
        free(owner);
        owner = this;
    } else if (same_name(parts[count - 1], "submission_metadata.yml")) {
        class_of = "Gradescope";
        owner_count = 2;
    }
}

/* Keeps the entry, a source or header. `folder` and `archive` are copied. */
static void keep(struct archive *archive, struct archive_entry *entry, struct file file,
                 const char *inner, char *parts[], size_t count)
{
    if (file_count == MOST_FILES) {
        too_many++;
        free(file.from);
        free(file.name);
        return;
    }
    file.archive = need(strdup(inner));
    file.folder = need(strdup(inner));
    for (size_t i = 0; i + 1 < count; i++) {
        char *longer = text("%s/%s", file.folder, parts[i]);
        free(file.folder);
        file.folder = longer;
    }
    char *whole = need(strdup(file.folder)), *folders[MOST_DEPTH];
    read_folders(&file, folders, split_path(whole, folders));
    free(whole);
    if (file.lab == NULL && file.kind != HEADER && role_named(file.name) != NULL)
        file.lab = lab_named(file.name); /* lab01_unix_server.c */
    const char *why = kind_of(entry);
    if (why != NULL)
        file.why = text("%s", why);
    else
        file.why = read_bytes(archive, MOST_BYTES, &file.bytes, &file.length);
    if (file.why == NULL)
        make_plain(&file);
    file.time = archive_entry_mtime(entry);
    files[file_count++] = file;
}

static char *read_archive(struct archive *archive, const char *inner, int depth);

/* Returns a reader for the kinds of archives that a student may hand in. */
static struct archive *new_submission(void)
{
    struct archive *archive = new_archive();
    archive_read_support_filter_lzma(archive);
    archive_read_support_format_rar(archive);
    archive_read_support_format_rar5(archive);
    archive_read_support_format_cab(archive);
    return archive;
}

/* Opens an archive in the archive. */
static void open_inner(struct archive *archive, struct archive_entry *entry,
                       const char *from, const char *path, int depth)
{
    const char *kind = kind_of(entry);
    char *bytes = NULL, *why = kind != NULL ? text("%s", kind) : NULL;
    size_t length = 0;
    if (why == NULL && depth == MOST_ARCHIVES)
        why = text("is an archive in an archive in an archive, and was not opened");
    if (why == NULL)
        why = read_bytes(archive, MOST_INNER, &bytes, &length);
    if (why == NULL) {
        struct archive *inside = new_submission();
        if (archive_read_open_memory(inside, bytes, length) != ARCHIVE_OK)
            why = text("is no archive that can be read here; ask for a .zip or .tar.gz");
        else {
            char *error = read_archive(inside, path, depth + 1);
            if (error != NULL)
                why = text("could not be read to its end: %s", error);
            free(error);
        }
        archive_read_free(inside);
    }
    free(bytes);
    if (why != NULL) {
        must_look(text("%s %s", from, why));
        note(text("%s %s", from, why));
    }
    free(why);
}

static void look_at(struct archive *archive, struct archive_entry *entry,
                    const char *inner, int depth)
{
    const char *raw = archive_entry_pathname(entry);
    if (raw == NULL || *raw == '\0') {
        note(text("an entry whose name cannot be read was left out"));
        return;
    }
    char *name = decoded_name(raw), *path = need(strdup(name)), *parts[MOST_DEPTH];
    for (char *c = path; *c != '\0'; c++)
        if (*c == '\\') /* as some Windows programs write it */
            *c = '/';
    bool outside = *path == '/' || (isalpha((unsigned char)path[0]) && path[1] == ':');
    size_t count = split_path(path, parts);
    bool left_out = count == 0 || archive_entry_filetype(entry) == AE_IFDIR;
    for (size_t i = 0; i < count; i++) {
        outside = outside || strcmp(parts[i], "..") == 0;
        left_out = left_out || is_left_out(parts[i]);
    }
    if (*inner == '\0' && count > 0 && !outside && !left_out)
        count_owners(parts, count);
    char *whole = *inner != '\0' ? text("%s/%s", inner, name) : need(strdup(name));
    char *from = shown(whole);
    struct file file = {.from = from};
    if (outside)
        note(text("%s leads out of the archive, and was left out", from));
    else if (left_out)
        ;
    else if (is_archive(parts[count - 1]))
        open_inner(archive, entry, from, whole, depth);
    else if ((file.name = source_name(parts[count - 1], &file.kind, &file.renamed)) !=
             NULL)
        keep(archive, entry, file, inner, parts, count);
    else if (other_count++ < 8)
        json_array_append_new(others, json_string(from));
    if (file.name == NULL)
        free(from);
    free(whole);
    free(path);
    free(name);
}

/* Reads the archive. Returns NULL, or why it could not be read to its end. */
static char *read_archive(struct archive *archive, const char *inner, int depth)
{
    static int count;
    struct archive_entry *entry;
    long long before = unpacked;
    bool any = false;
    for (;; count++) {
        int result = archive_read_next_header(archive, &entry);
        if (result == ARCHIVE_EOF)
            return NULL;
        if (result == ARCHIVE_FATAL && !any) {
            char *why = failure(archive);
            char *error = strstr(why, "damaged") != NULL ? need(strdup(UNREADABLE))
                                                         : text("the archive %s", why);
            free(why);
            return error;
        }
        if (result == ARCHIVE_FATAL)
            return text("the archive is damaged after %d entries", count);
        if (count == MOST_ENTRIES)
            return text("the archive has more than %d entries", MOST_ENTRIES);
        if (unpacked > MOST_UNPACKED ||
            before + archive_filter_bytes(archive, 0) > MOST_UNPACKED)
            return text("the archive unpacks to more than 256 MB");
        any = true;
        if (result != ARCHIVE_RETRY)
            look_at(archive, entry, inner, depth);
    }
}

/* ---- What is meant --------------------------------------------------------------------- */

/* Returns whether the source has an entry point; a comment counts as well. */
static bool has_main(const struct file *file)
{
    for (const char *at = file->bytes; at != NULL && (at = strstr(at, "main")) != NULL;
         at++)
        if (at[4 + strspn(at + 4, " \t")] == '(')
            return true;
    return false;
}

static bool includes(const struct file *file, const char *const headers[])
{
    for (const char *at = file->bytes; at != NULL && (at = strchr(at, '#')) != NULL;
         at++) {
        const char *word = at + 1 + strspn(at + 1, " \t");
        if (strncmp(word, "include", 7) != 0)
            continue;
        word += 7 + strspn(word + 7, " \t<\"");
        for (size_t i = 0; headers[i] != NULL; i++)
            if (strncasecmp(word, headers[i], strlen(headers[i])) == 0)
                return true;
    }
    return false;
}

/* Returns the systems whose headers the source includes: 1 for UNIX, 2 for Windows, 3 for both. */
static int systems_of_source(const struct file *file)
{
    static const char *const unix_headers[] = {"unistd.h", "sys/",   "pthread.h",
                                               "netinet/", "arpa/",  "semaphore.h",
                                               "mqueue.h", "poll.h", NULL};
    static const char *const windows[] = {"windows.h", "winsock2.h", "ws2tcpip.h",
                                          "tchar.h",   "mswsock.h",  "conio.h",
                                          "stdafx.h",  NULL};
    return includes(file, unix_headers) + 2 * includes(file, windows);
}

/* Returns the system that a word of a program's name is, as in "server_linux.c". Returns NULL if there is none, if
 * the folder names the system, and for what is no program: a UNIX program may have a win_compat.h. */
static const char *system_of_name(const struct file *file)
{
    if (file->system != NULL || file->kind == HEADER || role_named(file->name) == NULL)
        return NULL;
    char *words = need(strndup(file->name, strcspn(file->name, ".")));
    const char *system = NULL;
    for (char *word, *rest = words; (word = strsep(&rest, "_- ")) != NULL && !system;)
        system = system_named(word);
    free(words);
    return system;
}

/* Returns the system of a source in no folder of a system: the one that its name contains, else the only one whose
 * headers it includes, or NULL. If it includes none, the server and the client beside it decide: a pair is for one
 * system. */
static const char *system_of_source(const struct file *file)
{
    const char *named = system_of_name(file);
    if (named != NULL)
        return named;
    int systems = systems_of_source(file);
    bool known = systems != 0;
    for (size_t i = 0; !known && i < file_count; i++)
        if (files[i].system == NULL && strcmp(files[i].folder, file->folder) == 0 &&
            strcmp(files[i].archive, file->archive) == 0 &&
            (is_role(&files[i], "server") || is_role(&files[i], "client")))
            systems |= systems_of_source(&files[i]);
    return systems == 1 ? "unix" : systems == 2 ? "win32" : NULL;
}

/* How far a file is from what was asked for: 0 is LAB/SYSTEM/server.c, -1 is never meant. */
#define OTHER_PLACE 100
static int distance(const struct file *file, const char *lab, const char *system,
                    const char *role)
{
    if (file->kind == HEADER || file->lab == NULL || strcmp(file->lab, lab) != 0)
        return -1;
    int far = 0;
    if (file->system == NULL) {
        const char *other = system_of_source(file);
        if (other == NULL && set_systems.count == 1)
            other = set_systems.word[0];
        if (other == NULL || strcmp(other, system) != 0)
            return -1;
        far = OTHER_PLACE;
    } else if (strcmp(file->system, system) != 0) {
        return -1;
    }
    if (is_role(file, role))
        return far + file->renamed;
    if (is_role(file, "server") || is_role(file, "client") || file->bytes == NULL)
        return -1;
    /* Another name: the file's name or its folder's contains the role. */
    char *folder = last_part(file->folder);
    const char *by_name = role_named(file->name), *by_folder = role_named(folder);
    free(folder);
    const char *meant = by_name != NULL ? by_name : by_folder;
    if (meant == NULL || strcmp(meant, role) != 0 || !has_main(file))
        return -1;
    return far + (by_name != NULL ? 10 : 20);
}

/* Returns the number at the end of an archive's name, as a system gives it to a file that is handed in
 * again: work.zip, work-1.zip. */
static long version_of(const char *archive, size_t *stem)
{
    *stem = stem_length(archive);
    size_t end = *stem;
    while (end > 0 && isdigit((unsigned char)archive[end - 1]))
        end--;
    if (end == *stem || end == 0 || archive[end - 1] != '-' || archive[end] == '0')
        return 0;
    *stem = end - 1;
    return strtol(archive + end, NULL, 10);
}

/* Returns whether one archive is a later version of the other. */
static bool is_newer(const struct file *one, const struct file *other)
{
    size_t stem, other_stem;
    long version = version_of(one->archive, &stem);
    long other_version = version_of(other->archive, &other_stem);
    return stem > 0 && stem == other_stem && version > other_version &&
           strncasecmp(one->archive, other->archive, stem) == 0;
}

static bool same_content(const struct file *one, const struct file *other)
{
    return one->why == NULL && other->why == NULL && one->kind == other->kind &&
           one->length == other->length &&
           memcmp(one->bytes, other->bytes, one->length) == 0;
}

static void refuse(const char *path, char *why)
{
    json_array_append_new(refused, json_pack("{s:s, s:s}", "path", path, "why", why));
    must_look(text("%s %s", path, why));
    free(why);
}

/* Returns the file that is the program, or NULL. `least` is the smallest distance of both programs. */
static struct file *program_of(const char *lab, const char *system, const char *role,
                               int least)
{
    struct file *best = NULL, *rival = NULL;
    int nearest = -1;
    for (size_t i = 0; i < file_count; i++) {
        struct file *file = &files[i];
        int far = distance(file, lab, system, role);
        if (far < 0 || (least < OTHER_PLACE && far >= OTHER_PLACE))
            continue;
        if (best == NULL || far < nearest || (far == nearest && is_newer(file, best))) {
            best = file;
            nearest = far;
            rival = NULL;
        } else if (far == nearest && !same_content(file, best) && !is_newer(best, file)) {
            rival = file;
        }
    }
    if (best == NULL)
        return NULL;
    char *path = text("%s/%s/%s.%s", lab, system, role,
                      best->kind == CPP_SOURCE ? "cpp" : "c");
    if (best->why != NULL) {
        refuse(path, need(strdup(best->why)));
        best->path = path;
        return NULL;
    }
    if (rival != NULL) { /* nobody can know which one is meant */
        refuse(path, text("is there twice: %s and %s", best->from, rival->from));
        best->path = need(strdup(path));
        rival->path = path;
        return NULL;
    }
    best->path = path;
    if (nearest > 0 && (nearest != OTHER_PLACE || set_systems.count > 1))
        note(text("%s was taken as %s", best->from, path));
    if (best->kind == CPP_SOURCE)
        note(text("%s is C++: a C++ compiler builds it", path));
    return best;
}

static bool is_plain_name(const char *name)
{
    if (strlen(name) > MOST_NAME || *name == '.' || *name == '-')
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("_.-", *c) == NULL)
            return false;
    return true;
}

static struct file *file_at(const char *path)
{
    for (size_t i = 0; i < file_count; i++)
        if (files[i].path != NULL && strcasecmp(files[i].path, path) == 0)
            return &files[i];
    return NULL;
}

static bool same_if_known(const char *one, const char *other)
{
    return one == NULL || other == NULL || strcmp(one, other) == 0;
}

/* A file beside the programs of two labs or systems is a part of both. Returns the file if no lab has taken it yet,
 * else a second entry for it. Returns NULL if `into` has it, and for a program, which is taken only once. */
static struct file *for_another(struct file *file, const char *into)
{
    if (file->path == NULL)
        return file;
    if (strncmp(file->path, into, strlen(into)) == 0 || file_count == MOST_FILES ||
        (file->kind != HEADER && has_main(file)))
        return NULL;
    files[file_count] = *file;
    files[file_count].path = NULL;
    files[file_count].encoding = NULL; /* once noted is enough */
    return &files[file_count++];
}

/* Takes the files in the program's folder, into the folder `into`. Returns false if another file of that name
 * is there already. */
static bool take_parts(const struct file *program, const char *system, const char *into)
{
    size_t count = 0, handed_in = file_count;
    for (size_t i = 0; i < handed_in; i++) {
        struct file *file = &files[i];
        if (strcmp(file->folder, program->folder) != 0 || is_role(file, "server") ||
            is_role(file, "client") || !same_if_known(file->lab, program->lab) ||
            !same_if_known(system_of_name(file), system) ||
            (file = for_another(file, into)) == NULL)
            continue;
        if (!is_plain_name(file->name)) {
            char *safe = shown(file->name);
            note(text("%s: %s is not expected, and was ignored", into, safe));
            free(safe);
            continue;
        }
        char *path = text("%s/%s", into, file->name);
        struct file *there = file_at(path);
        if (file->why != NULL) {
            refuse(path, need(strdup(file->why)));
        } else if (there != NULL && !same_content(there, file)) {
            free(path);
            return false;
        } else if (there == NULL && ++count > MOST_PARTS) {
            note(text("%s: too many files; this one was not taken", path));
        }
        if (count > MOST_PARTS)
            free(path);
        else
            file->path = path;
    }
    return true;
}

/* Takes the two programs of a lab on a system. */
static void take_pair(const char *lab, const char *system)
{
    static const char *const roles[] = {"server", "client"};
    struct file *program[2];
    int least = -1;
    for (size_t i = 0; i < file_count; i++)
        for (int r = 0; r < 2; r++) {
            int far = distance(&files[i], lab, system, roles[r]);
            if (far >= 0 && (least < 0 || far < least))
                least = far;
        }
    for (int r = 0; r < 2; r++)
        program[r] = program_of(lab, system, roles[r], least);
    char *into = text("%s/%s", lab, system);
    bool taken = true;
    for (int r = 0; r < 2; r++)
        taken = taken && (program[r] == NULL || take_parts(program[r], system, into));
    /* The two programs are in folders of their own, with other files of the same names. */
    for (int r = 0; !taken && r < 2; r++)
        for (size_t i = 0; program[r] != NULL && i < file_count; i++)
            if (&files[i] != program[r] && files[i].path != NULL &&
                strcmp(files[i].folder, program[r]->folder) == 0) {
                free(files[i].path);
                files[i].path = NULL;
            }
    for (int r = 0; !taken && r < 2; r++) {
        if (program[r] == NULL)
            continue;
        char *own = text("%s/%s", into, roles[r]);
        char *path = text("%s/%s", own, strrchr(program[r]->path, '/') + 1);
        free(program[r]->path);
        program[r]->path = path;
        take_parts(program[r], system, own);
        free(own);
    }
    free(into);
}

/* ---- What was not used ----------------------------------------------------------------- */

static const char *why_unused(const struct file *file)
{
    if (file->lab == NULL)
        return "is in no folder of a lab";
    bool named = is_role(file, "server") || is_role(file, "client");
    if (file->system == NULL && (named || system_of_source(file) == NULL) &&
        (named || set_systems.count > 1))
        return "is in no folder unix or win32";
    return "is neither server.c nor client.c, nor beside one of them";
}

/* Returns the file that was taken in place of this one: a copy, or a later version of its archive. */
static const struct file *taken_instead(const struct file *file)
{
    for (size_t i = 0; i < file_count; i++)
        if (files[i].path != NULL && same_name(files[i].name, file->name) &&
            (same_content(&files[i], file) ||
             (is_newer(&files[i], file) && same_if_known(files[i].lab, file->lab) &&
              same_if_known(files[i].system, file->system))))
            return &files[i];
    return NULL;
}

/* Returns whether the file was taken as a part of the program beside it, and seems to be another
 * program. labs/build-program leaves these out. */
static bool is_other_program(const struct file *file)
{
    if (file->path == NULL || file->why != NULL || file->kind == HEADER)
        return false;
    const char *name = strrchr(file->path, '/') + 1;
    return strncasecmp(name, "server.", 7) != 0 && strncasecmp(name, "client.", 7) != 0 &&
           has_main(file);
}

/* Names each source that was seen and not used. Those of labs and systems that were not set are
 * one sentence. */
static void name_unused(void)
{
    size_t unset = 0, unused = 0;
    const char *first = NULL;
    for (size_t i = 0; i < file_count; i++) {
        const struct file *file = &files[i];
        const char *system = file->system != NULL ? file->system : system_of_source(file);
        if (is_other_program(file)) {
            note(text("%s seems to have a main of its own: then it was not used",
                      file->from));
            unused++;
        }
        if (file->path != NULL || file->kind == HEADER)
            continue;
        if ((file->lab != NULL && *file->lab == '\0') ||
            (system != NULL && !is_set(&set_systems, system))) {
            first = first == NULL ? file->from : first;
            unset++;
            continue;
        }
        const struct file *instead = taken_instead(file);
        if (instead != NULL && !same_content(instead, file))
            note(text("%s is an older version of %s", file->from, instead->from));
        if (instead != NULL)
            continue;
        unused++;
        note(text("%s %s, and was ignored", file->from, why_unused(file)));
    }
    if (unset > 0)
        note(text("%s%s of a lab or a system that was not set", first,
                  unset == 1 ? " is" : " and others are"));
    bool missing = false, any = false;
    for (size_t l = 0; l < set_labs.count; l++)
        for (size_t s = 0; s < set_systems.count; s++)
            for (int r = 0; r < 2; r++) {
                char *path = text("%s/%s/%s", set_labs.word[l], set_systems.word[s],
                                  r == 0 ? "server" : "client");
                bool there = false;
                for (size_t i = 0; !there && i < file_count; i++)
                    there = files[i].path != NULL &&
                            is_role(&files[i], r == 0 ? "server" : "client") &&
                            strncmp(files[i].path, path, strlen(path)) == 0;
                for (size_t i = 0; !there && i < file_count; i++)
                    there = files[i].path != NULL &&
                            strncmp(files[i].path, path, strlen(path)) == 0 &&
                            files[i].path[strlen(path)] == '.';
                any = any || there;
                missing = missing || !there;
                free(path);
            }
    if (missing && unused > 0)
        note(text("the programs must be LAB/SYSTEM/server.c and client.c, for example "
                  "%s/%s/server.c",
                  set_labs.word[0], set_systems.word[0]));
    if (missing && unused > 0)
        must_look(text("a program is missing, and %zu %s not used: see the remarks; the "
                       "programs must be LAB/SYSTEM/server.c and client.c",
                       unused, unused == 1 ? "source was" : "sources were"));
    else if (!any && unset > 0)
        must_look(text("all sources are of labs or systems that were not set"));
    else if (!any && file_count == 0 && other_count > 0)
        must_look(text("no source was handed in, but other files: see the remarks"));
    if (file_count == 0 && other_count > 0) {
        char *list = need(strdup(""));
        for (size_t i = 0; i < json_array_size(others); i++) {
            char *longer = text("%s%s%s", list, i > 0 ? ", " : "",
                                json_string_value(json_array_get(others, i)));
            free(list);
            list = longer;
        }
        note(text("no .c or .cpp file was there, but %s%s", list,
                  other_count > json_array_size(others) ? " and others" : ""));
        free(list);
    }
    if (too_many > 0)
        note(text("too many files: %zu sources and headers were not read", too_many));
}

/* Returns a sentence if the archive is the download of a whole class, else NULL. Then nothing of it
 * is taken: one student's archive must not be graded as the work of others. */
static char *whole_class(void)
{
    if (class_of == NULL || owner_count < 2)
        return NULL;
    file_count = other_count = 0;
    return text(
        "the archive is the download of a whole class from %s; grade it by itself",
        class_of);
}

/* ---- Writing it ---------------------------------------------------------------------- */

static void write_file(const char *out, const struct file *file)
{
    char *path = text("%s/sources/%s", out, file->path);
    make_folders(path, strlen(out));
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (descriptor == -1)
        give_up(path);
    for (size_t done = 0; done < file->length;) {
        ssize_t wrote = write(descriptor, file->bytes + done, file->length - done);
        if (wrote == -1)
            give_up(path);
        done += (size_t)wrote;
    }
    if (close(descriptor) == -1)
        give_up(path);
    free(path);
}

static bool is_refused(const char *path)
{
    size_t i;
    json_t *one;
    json_array_foreach(refused, i,
                       one) if (strcmp(json_string_value(json_object_get(one, "path")),
                                       path) == 0) return true;
    return false;
}

/* Writes the files taken. Returns the list of these. */
static json_t *write_files(const char *out)
{
    json_t *taken = need(json_array());
    char *sources = text("%s/sources", out), *around = NULL;
    make_folder(sources);
    free(sources);
    for (size_t i = 0; i < file_count; i++) {
        struct file *file = &files[i];
        if (file->path == NULL || file->why != NULL || is_refused(file->path) ||
            file_at(file->path) != file)
            continue;
        write_file(out, file);
        if (file->time > newest)
            newest = file->time;
        json_array_append_new(taken, json_pack("{s:s, s:s}", "path", file->path, "from",
                                               file->from));
        if (file->encoding != NULL)
            note(text("%s was in %s, and was converted to UTF-8", file->from,
                      file->encoding));
        if (file->around != NULL && around == NULL) {
            around = file->around;
            note(text("the labs are in the folder %s of the archive", around));
        }
    }
    return taken;
}

int main(int argc, char *argv[])
{
    if (argc != 5) {
        fputs("usage: intake OUT LABS SYSTEMS ARCHIVE\n", stderr);
        return 2;
    }
    /* libarchive converts names to the locale. Bytes that are not UTF-8 stay. */
    if (setlocale(LC_ALL, "C.UTF-8") == NULL)
        give_up("the locale C.UTF-8");
    umask(022);
    split_list(argv[2], &set_labs);
    split_list(argv[3], &set_systems);
    notes = need(json_array());
    refused = need(json_array());
    look = need(json_array());
    others = need(json_array());

    struct archive *archive = new_submission();
    char *error = NULL;
    if (archive_read_open_filename(archive, argv[4], 65536) != ARCHIVE_OK)
        error = text(UNREADABLE);
    else
        error = read_archive(archive, "", 0);
    archive_read_free(archive);
    if (error == NULL)
        error = whole_class();
    for (size_t l = 0; l < set_labs.count; l++)
        for (size_t s = 0; s < set_systems.count; s++)
            take_pair(set_labs.word[l], set_systems.word[s]);
    json_t *taken = write_files(argv[1]);
    name_unused();
    if (error != NULL)
        must_look(need(strdup(error)));
    if (notes_left_out > 0)
        json_array_append_new(notes,
                              json_sprintf("and %zu more of the kind", notes_left_out));

    char *path = text("%s/intake.json", argv[1]);
    json_t *whole = json_pack("{s:o, s:o, s:o, s:o, s:I, s:s?}", "files", taken,
                              "refused", refused, "notes", notes, "look", look, "newest",
                              (json_int_t)newest, "error", error);
    if (whole == NULL || json_dump_file(whole, path, JSON_INDENT(2)) == -1)
        give_up(path);
    json_decref(whole);
    free(path);
    free(error);
    return 0;
}
