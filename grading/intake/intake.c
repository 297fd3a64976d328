/*
 * intake.c - takes the programs of one student out of an archive.
 *
 * Usage: intake OUT LABS SYSTEMS ARCHIVE     LABS and SYSTEMS are separated by commas:
 *                                            01-anon-pipes,05-sockets unix,win32
 *
 * ARCHIVE is a .zip or a tar, plain or by gzip or xz; which of them, its bytes tell. What is
 * taken is known beforehand: LAB/SYSTEM/server.c, client.c, and headers and other .c files
 * beside them, as deep as they may lie, in whatever case. Nothing else is ever written, under no
 * other name, and nothing but regular files: so an archive cannot choose where its bytes go.
 * Texts lose their BOM, and their lines end as UNIX has them. Where LABS and SYSTEMS are one
 * each, and nothing lies as it should, these files are taken from wherever they lie.
 *
 * Writes OUT/sources/LAB/SYSTEM/NAME and OUT/intake.json:
 *
 *     { "files":   [ {"path": "01-anon-pipes/unix/server.c", "from": "name in the archive"} ],
 *       "refused": [ {"path": …, "why": "is a symbolic link"} ],
 *       "notes":   [ for people ],
 *       "newest":  seconds since 1970 of the newest file taken, or 0,
 *       "error":   null, or a sentence: why the archive could not be read to its end }
 *
 * `grade` runs it inside the sandbox, for an archive is input that nobody vouches for. Returns
 * 0 if intake.json tells everything, 1 if something of ours failed, 2 for wrong arguments.
 */
#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <locale.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipclab.h"

#define MOST_BYTES (1024 * 1024)            /* of one source file */
#define MOST_UNPACKED (256LL * 1024 * 1024) /* of all that is read on the way to them */
#define MOST_ENTRIES 20000
#define MOST_FILES 256 /* files taken */
#define MOST_PARTS 20  /* headers and other .c files beside the programs */
#define MOST_NOTES 20
#define MOST_NAME 64 /* bytes in the name of such a file */
#define MOST_DEPTH 64
#define UNREADABLE \
    "the file is no archive that can be read here (.zip, .tar, .tar.gz, .tar.xz)"
#define MOST_WORDS 16 /* labs, systems */

static json_t *notes, *refused;
static size_t notes_left_out;

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "intake: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *need(void *memory)
{
    if (memory == NULL)
        give_up("memory");
    return memory;
}

/* `format` filled in. Whatever comes from the archive has been through quoted() before. */
static char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *text(const char *format, ...)
{
    char *string = NULL;
    va_list values;
    va_start(values, format);
    if (vasprintf(&string, format, values) == -1)
        give_up("memory");
    va_end(values);
    return string;
}

/* A name of the archive in quotes, fit for a report; the middle of a long one is left out. */
static char *shown(const char *name)
{
    size_t length = strlen(name);
    if (length <= 160)
        return quoted(name, length);
    char *head = quoted(name, 80), *tail = quoted(name + length - 60, 60);
    char *both = text("%s ... %s", head, tail);
    free(head);
    free(tail);
    return both;
}

/* Adds a note, which it frees; of too many only the number is kept. */
static void note(char *sentence)
{
    if (json_array_size(notes) < MOST_NOTES)
        json_array_append_new(notes, json_string(sentence));
    else
        notes_left_out++;
    free(sentence);
}

static void refuse(const char *path, const char *why)
{
    json_array_append_new(refused, json_pack("{s:s, s:s}", "path", path, "why", why));
}

/* ---- Which file is meant ------------------------------------------------------------- */

struct words {
    size_t count;
    char *word[MOST_WORDS];
};

static struct words set_labs, set_systems;

/* Splits `list` at its commas, in place. */
static void split_list(char *list, struct words *words)
{
    for (char *word; (word = strsep(&list, ",")) != NULL;)
        if (*word != '\0' && words->count < MOST_WORDS)
            words->word[words->count++] = word;
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

/* Whether two names differ in nothing but case, or in '_' and ' ' for '-'. */
static bool alike(const char *one, const char *other)
{
    for (; *one != '\0' && *other != '\0'; one++, other++) {
        char a = *one == '_' || *one == ' ' ? '-' : *one;
        char b = *other == '_' || *other == ' ' ? '-' : *other;
        if (tolower((unsigned char)a) != tolower((unsigned char)b))
            return false;
    }
    return *one == *other;
}

static const char *find_alike(const struct words *words, const char *name)
{
    for (size_t i = 0; i < words->count; i++)
        if (alike(words->word[i], name))
            return words->word[i];
    return NULL;
}

/* The lab that a folder's name means: its own name, its number, or "lab" and its number. */
static const char *lab_named(const char *name)
{
    const char *lab = find_alike(&set_labs, name);
    if (strncasecmp(name, "lab", 3) == 0)
        name += 3;
    name += strspn(name, "-_ ");
    for (size_t i = 0; lab == NULL && i < set_labs.count; i++) {
        size_t digits = strspn(set_labs.word[i], "0123456789");
        if (strncmp(set_labs.word[i], name, digits) == 0 && name[digits] == '\0')
            lab = set_labs.word[i];
    }
    return lab;
}

/* Whether it looks like any lab at all: two digits, then no letter; or "lab" and two digits. */
static bool looks_like_lab(const char *name)
{
    if (strncasecmp(name, "lab", 3) == 0) {
        name += 3 + strspn(name + 3, "-_ ");
        return strspn(name, "0123456789") == 2 && name[2] == '\0';
    }
    return isdigit((unsigned char)name[0]) && isdigit((unsigned char)name[1]) &&
           (name[2] == '-' || name[2] == '_' || name[2] == ' ' || name[2] == '\0');
}

/* Whether it is called like a system, set or not. */
static bool is_system(const char *name)
{
    return strcasecmp(name, "unix") == 0 || strcasecmp(name, "win32") == 0;
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length > tail && strcasecmp(name + length - tail, end) == 0;
}

/* A file that is expected, and what became of it. */
struct file {
    char *path; /* LAB/SYSTEM/NAME, of our own letters */
    char *from; /* its name in the archive, shown() */
    char *why;  /* why it is not taken, or NULL */
    char *bytes;
    size_t length;
    long long time;
    bool stray;   /* it lies in no folder of a lab and a system */
    bool dropped; /* and others lie as they should */
};

static struct file files[MOST_FILES];
static size_t file_count;
static long long newest;
static char *top; /* the folder around the labs, shown(), of the first file taken */

/* Whether it is a header, or a .c file that is linked with the programs. */
static bool is_part(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    if (strcasecmp(name, "server.c") == 0 || strcasecmp(name, "client.c") == 0)
        return false;
    return ends_with(name, ".h") || ends_with(name, ".c");
}

static bool is_archive(const char *name)
{
    static const char *const ends[] = {".zip",    ".tar", ".tar.gz", ".tgz",
                                       ".tar.xz", ".txz", ".rar",    ".7z"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i]))
            return true;
    return false;
}

/* The file's name as we would write it, or NULL if no such file is asked for. */
static const char *file_named(const char *name)
{
    if (strcasecmp(name, "server.c") == 0)
        return "server.c";
    if (strcasecmp(name, "client.c") == 0)
        return "client.c";
    if (!is_part(name) || strlen(name) > MOST_NAME || *name == '.' || *name == '-')
        return NULL;
    for (const char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("_.-", *c) == NULL)
            return NULL;
    return name;
}

/* Whether a file that lies in no folder of a lab and a system can be meant all the same: where
 * one of each is set, unless it is for another. */
static bool is_meant(char *folders[], size_t count)
{
    if (set_labs.count != 1 || set_systems.count != 1)
        return false;
    for (size_t i = 0; i < count; i++)
        if (is_system(folders[i]) ||
            (looks_like_lab(folders[i]) && lab_named(folders[i]) == NULL))
            return false;
    return true;
}

static void note_stray(const char *from)
{
    note(text("%s lies in no folder unix or win32, and was not looked at", from));
}

/* What the `count` parts of a path mean: LAB/SYSTEM/NAME in fresh memory, or NULL for a file
 * that is not asked for. `*before` says how many parts stand before the lab; `*stray` whether
 * it lies elsewhere, and is meant only if nothing lies there. `from` is the path, shown(). */
static char *meaning(char *parts[], size_t count, const char *from, size_t *before,
                     bool *stray)
{
    if (count == 0)
        return NULL;
    const char *last = parts[count - 1], *name = file_named(last);
    const char *folder = count >= 2 ? parts[count - 2] : "";
    const char *above = count >= 3 ? parts[count - 3] : "";
    const char *system = find_alike(&set_systems, folder), *lab = lab_named(above);
    *before = lab != NULL ? count - 3 : count >= 2 ? count - 2 : 0;
    /* Where one lab is set, its folder may be missing: make check WORK= takes that, too. */
    if (lab == NULL && set_labs.count == 1 && !looks_like_lab(above))
        lab = set_labs.word[0];
    if (is_archive(last)) {
        note(text("%s is an archive in the archive, and was not opened", from));
        return NULL;
    }
    if (lab != NULL && system != NULL) {
        if (name != NULL)
            return text("%s/%s/%s", lab, system, name);
        if (ends_with(last, ".cpp") || is_part(last)) {
            char *safe = shown(last);
            note(text("%s/%s: %s is not asked for, and was not looked at", lab, system,
                      safe));
            free(safe);
        }
        return NULL;
    }
    if (name == NULL)
        return NULL;
    if (is_meant(parts, count - 1)) {
        *stray = true;
        return text("%s/%s/%s", set_labs.word[0], set_systems.word[0], name);
    }
    if (is_part(name))
        return NULL;
    if (!is_system(folder))
        note_stray(from);
    else if (system != NULL && !looks_like_lab(above)) /* else it was not set */
        note(text("%s lies in no folder of a lab, and was not looked at", from));
    return NULL;
}

/* ---- Taking it ----------------------------------------------------------------------- */

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

/* Reads what the entry holds into `file`. Returns why it cannot be taken, or NULL. */
static const char *read_bytes(struct archive *archive, struct file *file)
{
    char *bytes = need(malloc(MOST_BYTES + 1));
    size_t length = 0;
    la_ssize_t got;
    while ((got = archive_read_data(archive, bytes + length, MOST_BYTES + 1 - length)) >
           0) {
        length += (size_t)got;
        if (length > MOST_BYTES) {
            free(bytes);
            return "has more than 1 MB";
        }
    }
    if (got < 0) {
        free(bytes);
        return archive_read_has_encrypted_entries(archive) > 0
                   ? "is encrypted"
                   : "cannot be unpacked: the archive is damaged";
    }
    file->bytes = bytes;
    file->length = length;
    return NULL;
}

/* Removes the BOM, and the CR of each CR LF. Returns why it is no text for a compiler. */
static const char *make_plain(struct file *file)
{
    char *in = file->bytes, *out = file->bytes, *end = file->bytes + file->length;
    if (file->length >= 2 &&
        (memcmp(in, "\xFF\xFE", 2) == 0 || memcmp(in, "\xFE\xFF", 2) == 0))
        return "is in UTF-16, which no compiler here reads; save it as UTF-8";
    if (file->length >= 3 && memcmp(in, "\xEF\xBB\xBF", 3) == 0)
        in += 3;
    for (; in < end; in++)
        if (*in != '\r' || in + 1 == end || in[1] != '\n')
            *out++ = *in;
    file->length = (size_t)(out - file->bytes);
    return NULL;
}

static size_t parts_beside(const char *path, bool stray)
{
    size_t folder = (size_t)(strrchr(path, '/') - path), count = 0;
    for (size_t i = 0; i < file_count; i++)
        count += files[i].stray == stray && is_part(files[i].path) &&
                 strncmp(files[i].path, path, folder + 1) == 0;
    return count;
}

static struct file *find_file(const char *path, bool stray)
{
    for (size_t i = 0; i < file_count; i++)
        if (files[i].stray == stray && strcasecmp(files[i].path, path) == 0)
            return &files[i];
    return NULL;
}

/* Takes the entry as `path`, which it keeps or frees. */
static void take(struct archive *archive, struct archive_entry *entry, char *path,
                 char *from, bool stray)
{
    struct file *file = find_file(path, stray);
    if (file != NULL) { /* which of them is meant nobody can know */
        file->why = text("is there twice: %s and %s", file->from, from);
        free(path);
        free(from);
        return;
    }
    if (file_count == MOST_FILES ||
        (is_part(path) && parts_beside(path, stray) >= MOST_PARTS)) {
        if (!stray)
            note(text("%s: too many files; this one was not taken", path));
        free(path);
        free(from);
        return;
    }
    file = &files[file_count++];
    file->path = path;
    file->from = from;
    file->stray = stray;
    const char *why = kind_of(entry);
    if (why == NULL)
        why = read_bytes(archive, file);
    if (why == NULL)
        why = make_plain(file);
    if (why != NULL)
        file->why = text("%s", why);
    file->time = archive_entry_mtime(entry);
}

/* Where anything lies as it should, what lies elsewhere is not meant. */
static void drop_strays(void)
{
    bool proper = false;
    for (size_t i = 0; i < file_count; i++)
        proper = proper || !files[i].stray;
    for (size_t i = 0; proper && i < file_count; i++) {
        files[i].dropped = files[i].stray;
        if (files[i].dropped && !is_part(files[i].path))
            note_stray(files[i].from);
    }
}

/* Whether a file is what systems put into archives by themselves. */
static bool is_litter(char *parts[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(parts[i], "__MACOSX") == 0)
            return true;
    return count > 0 && (strncmp(parts[count - 1], "._", 2) == 0 ||
                         strcasecmp(parts[count - 1], ".DS_Store") == 0);
}

/* What goes before the lab's folder: noted once, for the first file. */
static void note_top(char *parts[], size_t before)
{
    if (before == 0 || top != NULL)
        return;
    char *folder = text("%s", parts[0]);
    for (size_t i = 1; i < before; i++) {
        char *longer = text("%s/%s", folder, parts[i]);
        free(folder);
        folder = longer;
    }
    top = shown(folder);
    free(folder);
    note(text("the labs lie in the folder %s of the archive", top));
}

static void look_at(struct archive *archive, struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    if (name == NULL || *name == '\0') {
        note(text("an entry whose name cannot be read was left out"));
        return;
    }
    char *path = need(strdup(name)), *parts[MOST_DEPTH];
    for (char *c = path; *c != '\0'; c++)
        if (*c == '\\') /* as some programs of Windows have it */
            *c = '/';
    bool outside = *path == '/' || (isalpha((unsigned char)path[0]) && path[1] == ':');
    bool folder = archive_entry_filetype(entry) == AE_IFDIR;
    size_t count = split_path(path, parts), before = 0;
    bool stray = false;
    for (size_t i = 0; i < count; i++)
        outside = outside || strcmp(parts[i], "..") == 0;
    char *from = shown(name), *meant = NULL;
    if (outside)
        note(text("%s leads out of the archive, and was left out", from));
    else if (!is_litter(parts, count) && !folder)
        meant = meaning(parts, count, from, &before, &stray);
    if (meant != NULL) {
        if (!stray)
            note_top(parts, before);
        take(archive, entry, meant, from, stray);
    } else {
        free(from);
    }
    free(path);
}

/* Reads the archive. Returns NULL, or why that was not possible to its end. */
static char *read_archive(const char *path)
{
    struct archive *archive = need(archive_read_new());
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_format_tar(archive);
    archive_read_support_format_zip(archive);
    char *error = NULL;
    if (archive_read_open_filename(archive, path, 65536) != ARCHIVE_OK) {
        error = text(UNREADABLE);
        archive_read_free(archive);
        return error;
    }
    struct archive_entry *entry;
    int result;
    for (int count = 0; error == NULL; count++) {
        result = archive_read_next_header(archive, &entry);
        if (result == ARCHIVE_EOF)
            break;
        if (result == ARCHIVE_FATAL)
            error = count == 0 ? text(UNREADABLE)
                               : text("the archive is damaged after %d entries", count);
        else if (count == MOST_ENTRIES)
            error = text("the archive has more than %d entries", MOST_ENTRIES);
        else if (archive_filter_bytes(archive, 0) > MOST_UNPACKED)
            error = text("the archive unpacks to more than 256 MB");
        else if (result != ARCHIVE_RETRY)
            look_at(archive, entry);
    }
    archive_read_free(archive);
    return error;
}

/* ---- Writing it ---------------------------------------------------------------------- */

static void make_folder(const char *path)
{
    if (mkdir(path, 0755) == -1 && errno != EEXIST)
        give_up(path);
}

static void write_file(const char *out, const struct file *file)
{
    char *path = text("%s/sources/%s", out, file->path);
    for (char *slash = path + strlen(out) + 1; (slash = strchr(slash, '/')) != NULL;
         slash++) {
        *slash = '\0';
        make_folder(path);
        *slash = '/';
    }
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

/* Writes what was taken, and of the rest why it was not. Returns the list of the former. */
static json_t *write_files(const char *out)
{
    json_t *taken = need(json_array());
    char *sources = text("%s/sources", out);
    make_folder(sources);
    free(sources);
    for (size_t i = 0; i < file_count; i++) {
        struct file *file = &files[i];
        if (file->why != NULL && !file->dropped) {
            refuse(file->path, file->why);
        } else if (!file->dropped) {
            write_file(out, file);
            if (file->time > newest)
                newest = file->time;
            json_array_append_new(taken, json_pack("{s:s, s:s}", "path", file->path,
                                                   "from", file->from));
        }
        free(file->path);
        free(file->from);
        free(file->why);
        free(file->bytes);
    }
    return taken;
}

int main(int argc, char *argv[])
{
    if (argc != 5) {
        fputs("usage: intake OUT LABS SYSTEMS ARCHIVE\n", stderr);
        return 2;
    }
    /* libarchive turns names into those of the locale; bytes that are no UTF-8 stay. */
    if (setlocale(LC_ALL, "C.UTF-8") == NULL)
        give_up("the locale C.UTF-8");
    umask(022);
    split_list(argv[2], &set_labs);
    split_list(argv[3], &set_systems);
    notes = need(json_array());
    refused = need(json_array());

    char *error = read_archive(argv[4]);
    drop_strays();
    json_t *taken = write_files(argv[1]);
    if (notes_left_out > 0)
        json_array_append_new(notes,
                              json_sprintf("and %zu more of the kind", notes_left_out));

    char *path = text("%s/intake.json", argv[1]);
    json_t *whole = json_pack("{s:o, s:o, s:o, s:I, s:s?}", "files", taken, "refused",
                              refused, "notes", notes, "newest", (json_int_t)newest,
                              "error", error);
    if (whole == NULL || json_dump_file(whole, path, JSON_INDENT(2)) == -1)
        give_up(path);
    json_decref(whole);
    free(path);
    free(error);
    free(top);
    return 0;
}
