/*
 * archives.h - reading and writing for students' archives. intake.c and students.c share it.
 *
 * A function that fails ends the program.
 */
#ifndef ARCHIVES_H
#define ARCHIVES_H

#include <archive.h>

/* Returns a reader for the kinds of archives in which a class may come: tar, plain or compressed, zip,
 * and 7z. */
struct archive *new_archive(void);

/* Makes the folder, if it does not exist. */
void make_folder(const char *path);

/* Makes the folders in which `path` is, as far as they are below the first `length` bytes of it, which
 * are a folder that exists. */
void make_folders(char *path, size_t length);

#endif
