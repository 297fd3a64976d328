/*
 * archives.c - writes hostile archives for `run`: archives FOLDER makes one file per kind.
 *
 * Each also contains an honest unix/server.c of lab 05, to show what is still taken.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MB (1 << 20)
#define HONEST "05-sockets/unix/server.c"
#define CLIENT "05-sockets/unix/client.c"

static struct archive *archive;

static void check(int result)
{
    if (result < ARCHIVE_WARN) {
        fprintf(stderr, "archives: %s\n", archive_error_string(archive));
        exit(1);
    }
}

static void begin(const char *name, const char *format)
{
    archive = archive_write_new();
    bool zip = strcmp(format, "zip") == 0;
    check(zip ? archive_write_set_format_zip(archive)
              : archive_write_set_format_pax_restricted(archive));
    if (strcmp(format, "gz") == 0)
        check(archive_write_add_filter_gzip(archive));
    if (strcmp(name, "encrypted") == 0) {
        check(archive_write_set_options(archive, "zip:encryption=traditional"));
        check(archive_write_set_passphrase(archive, "secret"));
    }
    check(archive_write_open_filename(archive, name));
}

static struct archive_entry *entry_of(const char *path, mode_t type, mode_t mode)
{
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, path);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, mode);
    archive_entry_set_mtime(entry, 1750000000, 0);
    return entry;
}

static void put(struct archive_entry *entry, const char *bytes, size_t length)
{
    archive_entry_set_size(entry, (la_int64_t)length);
    check(archive_write_header(archive, entry));
    if (length > 0)
        check((int)(archive_write_data(archive, bytes, length) < 0 ? ARCHIVE_FATAL
                                                                   : ARCHIVE_OK));
    archive_entry_free(entry);
}

static void file(const char *path, mode_t mode, const char *text)
{
    put(entry_of(path, AE_IFREG, mode), text, strlen(text));
}

static void honest(void)
{
    file(HONEST, 0644, "int main(void) { return 0; }\n");
}

static void end(void)
{
    check(archive_write_close(archive));
    archive_write_free(archive);
}

static void one_file(const char *kind, const char *format, const char *path, mode_t mode)
{
    begin(kind, format);
    honest();
    file(path, mode, "int main(void) { return 1; }\n");
    end();
}

static void link_entry(const char *kind, bool hard, const char *target)
{
    begin(kind, "gz");
    honest();
    struct archive_entry *entry = entry_of(CLIENT, hard ? AE_IFREG : AE_IFLNK, 0777);
    if (hard)
        archive_entry_set_hardlink(entry, target);
    else
        archive_entry_set_symlink(entry, target);
    put(entry, "", 0);
    end();
}

static void special(const char *kind, mode_t type)
{
    begin(kind, "tar");
    honest();
    struct archive_entry *entry = entry_of(CLIENT, type, 0666);
    archive_entry_set_rdev(entry, 0x103);
    put(entry, "", 0);
    end();
}

/* A folder that is a link, and a file that would be written through it. */
static void through_link(void)
{
    begin("through_link", "gz");
    struct archive_entry *entry = entry_of("05-sockets/unix", AE_IFLNK, 0777);
    archive_entry_set_symlink(entry, "/tmp");
    put(entry, "", 0);
    file(CLIENT, 0644, "int main(void) { return 2; }\n");
    honest();
    end();
}

static void bomb(const char *kind, const char *format, const char *path, size_t megabytes)
{
    static char zeros[MB];
    begin(kind, format);
    struct archive_entry *entry = entry_of(path, AE_IFREG, 0644);
    archive_entry_set_size(entry, (la_int64_t)megabytes * MB);
    check(archive_write_header(archive, entry));
    for (size_t i = 0; i < megabytes; i++)
        if (archive_write_data(archive, zeros, MB) < 0)
            check(ARCHIVE_FATAL);
    archive_entry_free(entry);
    honest();
    end();
}

static void many_entries(void)
{
    begin("many_entries", "gz");
    for (int i = 0; i < 100000; i++) {
        char path[64];
        snprintf(path, sizeof path, "entries/%d.txt", i);
        file(path, 0644, "");
    }
    honest();
    end();
}

static void deep(void)
{
    char *path = malloc(4096 * 4);
    begin("deep", "tar");
    for (size_t i = 0, at = 0; i < 2000; i++, at += 2)
        memcpy(path + at, "d/", 3);
    memcpy(path + 4000, HONEST, sizeof HONEST);
    file(path, 0644, "int main(void) { return 0; }\n");
    end();
    free(path);
}

static void same_name(void)
{
    begin("same_name", "gz");
    honest();
    file(HONEST, 0644, "int main(void) { return 3; }\n");
    file("05-SOCKETS/UNIX/SERVER.C", 0644, "int main(void) { return 4; }\n");
    end();
}

static void strange_names(void)
{
    char *longest = malloc(5001);
    memset(longest, 'n', 5000);
    longest[5000] = '\0';
    begin("strange_names", "tar");
    honest();
    file("05-sockets/unix/\033[2Jclient.c", 0644, "x");
    file("05-sockets/unix/new\nline.c", 0644, "x");
    file("05-sockets/unix/<script>alert(1)</script>.h", 0644, "x");
    file("05-sockets/unix/$(touch owned).h", 0644, "x");
    file("05-sockets/unix/-o.h", 0644, "x");
    file("05-sockets/unix/\xFF\xFE.h", 0644, "x");
    file(longest, 0644, "x");
    end();
    free(longest);
}

static void empty_parts(void)
{
    begin("empty_names", "tar");
    honest();
    file("05-sockets//unix/./client.c", 0644, "int main(void) { return 5; }\n");
    file("./", 0644, "x");
    end();
}

/* A tar whose header gives a file a terabyte that the tar does not contain. */
static void terabyte(void)
{
    begin("terabyte", "tar");
    honest();
    struct archive_entry *entry = entry_of(CLIENT, AE_IFREG, 0644);
    archive_entry_set_size(entry, (la_int64_t)1 << 40);
    archive_entry_sparse_add_entry(entry, ((la_int64_t)1 << 40) - 1, 1);
    check(archive_write_header(archive, entry));
    (void)archive_write_data(archive, "x", 1);
    archive_entry_free(entry);
    archive_write_close(archive);
    archive_write_free(archive);
}

static void raw(const char *kind, const char *bytes, size_t length)
{
    FILE *out = fopen(kind, "wb");
    if (out == NULL || fwrite(bytes, 1, length, out) != length || fclose(out) != 0) {
        fprintf(stderr, "archives: %s: %s\n", kind, strerror(errno));
        exit(1);
    }
}

static void cut_short(const char *kind, const char *from, double part)
{
    FILE *in = fopen(from, "rb");
    static char bytes[8 * MB];
    size_t length = in == NULL ? 0 : fread(bytes, 1, sizeof bytes, in);
    if (in != NULL)
        fclose(in);
    raw(kind, bytes, (size_t)((double)length * part));
}

int main(int argc, char *argv[])
{
    if (argc != 2 || (mkdir(argv[1], 0755) == -1 && errno != EEXIST) ||
        chdir(argv[1]) == -1) {
        fputs("usage: archives FOLDER\n", stderr);
        return 2;
    }
    one_file("parent_path", "gz", "../../../../tmp/owned", 0644);
    one_file("parent_path_zip", "zip", "../" CLIENT, 0644);
    one_file("absolute_path", "gz", "/tmp/owned", 0644);
    one_file("absolute_source", "gz", "/" CLIENT, 0644);
    one_file("setuid", "tar", CLIENT, 06755);
    one_file("kits_makefile", "gz", "05-sockets/Makefile", 0644);
    one_file("kits_header", "gz", "05-sockets/contract.h", 0644);
    one_file("script", "gz", "05-sockets/unix/client", 0755);
    link_entry("symlink", false, "/etc/passwd");
    link_entry("symlink_out", false, "../../../../../home");
    link_entry("hard_link", true, "/etc/shadow");
    link_entry("hard_link_inside", true, HONEST);
    through_link();
    special("device", AE_IFCHR);
    special("block_device", AE_IFBLK);
    special("fifo", AE_IFIFO);
    bomb("bomb", "gz", "zeros", 400);
    bomb("bomb_zip", "zip", "zeros", 400);
    bomb("large_source", "gz", CLIENT, 20);
    many_entries();
    deep();
    same_name();
    strange_names();
    empty_parts();
    terabyte();
    one_file("encrypted", "zip", CLIENT, 0644);
    cut_short("truncated", "setuid", 0.4);
    cut_short("truncated_gz", "symlink", 0.5);
    raw("no_archive", "MZ\x90\0this is no archive\033[2J", 24);
    raw("nothing", "", 0);
    return 0;
}
