/*
 * scratch.c - the scratch folder, in which programs run, and the programs beside them.
 */
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../probe/seal.h"
#include "cell.h"
#include "folders.h"
#include "run.h"
#include "system.h"
#include "verdict.h"

#define MOST_PLACED 64
#define MOST_REPORTERS 64 /* processes that run the same placed probe */

/* The probes that were placed in this test, and what they have reported. */
static struct placed {
    struct brief *brief;
    char *file;          /* for what it receives, in the scratch folder */
    uint64_t count, sum; /* of the bytes that it has received, at its last report */
    struct {
        unsigned process, number; /* of its last report: none may come twice */
    } reporters[MOST_REPORTERS];
    size_t reporter_count;
} placed[MOST_PLACED];
static size_t placed_count;

void make_scratch(void)
{
    if (run.cell) { /* a file system of its own: nothing of the last test can be in it */
        new_scratch();
        return;
    }
    remove_tree(run.scratch);
    if (mkdir(run.scratch, 0700) == -1)
        kit_error("%s: %s", run.scratch, strerror(errno));
}

/* Opens a file of the scratch folder. A program under test may have made a link of that name,
 * which is not followed, or a FIFO, which must not block us. */
static int open_in_scratch(const char *name, int flags, mode_t mode)
{
    int folder = open(run.scratch, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC | O_NONBLOCK),
                           .mode = flags & O_CREAT ? mode & 07777 : 0,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    int file = folder == -1 ? -1
                            : (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
    int error = errno;
    if (folder != -1)
        close(folder);
    errno = error;
    return file;
}

const char *write_file(const char *name, const void *bytes, size_t length, mode_t mode)
{
    const char *path = text("%s/%s", run.scratch, name);
    int file = open_in_scratch(name, O_WRONLY | O_CREAT | O_TRUNC, mode);
    if (file == -1 || write(file, bytes, length) != (ssize_t)length ||
        fchmod(file, mode) == -1 || close(file) == -1) {
        /* In a cell the folder is theirs, and its space is limited. */
        if (run.cell)
            fail_test("the file %s cannot be written into the programs' folder: %s", name,
                      strerror(errno));
        kit_error("%s: %s", path, strerror(errno));
    }
    return path;
}

/* Reads the open `file`, of `path`, and closes it. Returns NULL on failure. */
static char *read_whole(int file, const char *path, size_t *length)
{
    struct stat facts;
    if (file == -1 || fstat(file, &facts) == -1)
        return NULL;
    char *bytes = malloc((size_t)facts.st_size + 1);
    if (bytes == NULL)
        kit_error("no memory for %s", path);
    ssize_t got = read(file, bytes, (size_t)facts.st_size);
    close(file);
    if (got < 0) {
        free(bytes);
        return NULL;
    }
    *length = (size_t)got;
    return bytes;
}

/* Fails the test if `bytes`, from the file `name`, are not what the probe has received that writes
 * this file. A program under test can write there, too. */
static void expect_received(const char *name, const char *bytes, size_t length)
{
    for (size_t i = placed_count; i-- > 0;) {
        struct seal seal;
        if (strcmp(placed[i].file, name) != 0)
            continue;
        seal_begin(&seal, placed[i].brief->key);
        seal_add(&seal, bytes, placed[i].count < length ? placed[i].count : length);
        if (placed[i].count > length || seal_end(seal) != placed[i].sum)
            fail_test(
                "the file %s does not contain what the test's program has received: "
                "another program has written it",
                name);
        return;
    }
}

char *read_file(const char *name, size_t *length)
{
    char *bytes = read_whole(open_in_scratch(name, O_RDONLY, 0), name, length);
    if (bytes == NULL)
        fail_test("the file %s was not written", name);
    expect_received(name, bytes, *length);
    return bytes;
}

/* Makes the program file `name` of the `bytes`, beside the others of this test. Returns its path.
 * In a cell the folder is read-only, and a UNIX program of ours can only be executed there. */
static const char *place_bytes(const char *name, const void *bytes, size_t length,
                               bool ours)
{
    const char *slash = strchr(name, '/'), *folder = placed_folder();
    const char *path = text("%s/%s%s", folder, name, program_suffix());
    if (slash != NULL &&
        mkdir(text("%s/%.*s", folder, (int)(slash - name), name), 0755) == -1 &&
        errno != EEXIST)
        kit_error("%s: %s", name, strerror(errno));
    unlink(path); /* one that was placed before, and may still run */
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    mode_t mode = !run.cell ? 0755 : ours && run.system == UNIX ? 0111 : 0555;
    if (file == -1 || write(file, bytes, length) != (ssize_t)length ||
        fchmod(file, mode) == -1 || close(file) == -1)
        kit_error("%s: %s", path, strerror(errno));
    return path;
}

/* Returns the bytes of a program file, in new memory. */
static char *read_program(const char *file, size_t *length)
{
    char *bytes = read_whole(open(file, O_RDONLY | O_CLOEXEC), file, length);
    if (bytes == NULL)
        kit_error("%s: %s", file, strerror(errno));
    return bytes;
}

const char *place_program(const char *file, const char *name)
{
    size_t length;
    char *bytes = read_program(file, &length);
    const char *path = place_bytes(name, bytes, length, is_ours(file));
    free(bytes);
    return path;
}

const char *copy_program(enum role role, const char *name)
{
    return copy_named(role, NULL, name);
}

const char *copy_named(enum role role, const char *original, const char *name)
{
    return place_program(file_of(role, original), name);
}

const char *place_probe(const char *probe, const char *name, const char *script)
{
    const char *file = probe_file(probe);
    size_t length;
    char *bytes = read_program(file, &length);
    struct brief *brief = memmem(bytes, length, BRIEF_MARK, sizeof brief->mark);
    if (brief == NULL || placed_count == MOST_PLACED || strlen(script) >= MOST_SCRIPT)
        kit_error("%s: it takes no brief", file);
    struct placed *one = &placed[placed_count++];
    *one = (struct placed){.brief = calloc(1, sizeof *brief),
                           .file = text("%s.received", name)};
    if (one->brief == NULL || getrandom(one->brief->key, KEY_SIZE, 0) != KEY_SIZE)
        kit_error("getrandom: %s", strerror(errno));
    memcpy(one->brief->mark, BRIEF_MARK, sizeof brief->mark);
    one->brief->given = 1;
    snprintf(one->brief->received, sizeof brief->received, "%s",
             system_path(text("%s/%s", run.scratch, one->file)));
    memcpy(one->brief->script, script, strlen(script) + 1);
    struct seal nothing;
    seal_begin(&nothing, one->brief->key);
    one->sum = seal_end(nothing);
    memcpy(brief, one->brief, sizeof *brief); /* not aligned there, perhaps */
    const char *path = place_bytes(name, bytes, length, true);
    free(bytes);
    return system_path(path);
}

/* Returns whether the report `number` of `process` is a new one. */
static bool is_new(struct placed *one, unsigned process, unsigned number)
{
    size_t i = 0;
    while (i < one->reporter_count && one->reporters[i].process != process)
        i++;
    if (i == MOST_REPORTERS ||
        (i < one->reporter_count && number <= one->reporters[i].number))
        return false;
    one->reporters[i].process = process;
    one->reporters[i].number = number;
    one->reporter_count += i == one->reporter_count;
    return true;
}

/* Returns whether `line` is a report of `one`, and a new one. */
static bool is_report(struct placed *one, const char *line)
{
    unsigned process, number;
    uint64_t count, sum, seal;
    int before, after;
    if (sscanf(line, "test:%x.%x.%" SCNx64 ".%16" SCNx64 "%n.%16" SCNx64 "%n", &process,
               &number, &count, &sum, &before, &seal, &after) != 5 ||
        line[after] != ' ')
        return false;
    char *sealed = text("%.*s%s", before - 5, line + 5, line + after);
    bool good = seal_of(one->brief->key, sealed) == seal && is_new(one, process, number);
    free(sealed);
    if (good) {
        one->count = count;
        one->sum = sum;
    }
    return good;
}

void unseal(char *line, size_t *length)
{
    if (placed_count == 0 || strncmp(line, "test:", 5) != 0)
        return;
    for (size_t i = 0; i < placed_count; i++)
        if (is_report(&placed[i], line)) {
            const char *words = strchr(line, ' ');
            *length -= (size_t)(words - line) - 5;
            memmove(line + 5, words, strlen(words) + 1);
            return;
        }
    line[4] = '?'; /* "test? ...": no test's program has printed this */
}
