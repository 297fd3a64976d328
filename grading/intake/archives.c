/*
 * archives.c - reading and writing for students' archives.
 */
#include "archives.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "names.h"

struct archive *new_archive(void)
{
    struct archive *archive = need(archive_read_new());
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_bzip2(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_filter_zstd(archive);
    archive_read_support_format_tar(archive);
    archive_read_support_format_zip(archive);
    archive_read_support_format_7zip(archive);
    return archive;
}

void make_folder(const char *path)
{
    if (mkdir(path, 0755) == -1 && errno != EEXIST)
        give_up(path);
}

void make_folders(char *path, size_t length)
{
    for (char *slash = path + length + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        make_folder(path);
        *slash = '/';
    }
}
