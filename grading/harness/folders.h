/*
 * folders.h - folders: what is in them before the first test, and how to empty them.
 */
#ifndef FOLDERS_H
#define FOLDERS_H

#include <stdbool.h>
#include <stddef.h>

/* Runs a command, its three streams on /dev/null, and returns its exit code, -1 on failure. */
int run_command(const char *const words[]);

/* Removes everything in a folder, but not the folder, however deep it is. Returns false on failure. */
bool clear_folder(const char *path);

/* Removes a folder and all that is in it. */
void remove_tree(const char *path);

/* The folders that contain named objects, in addition to the scratch folder. */
struct watched_folder {
    const char *path, *kind;
};
extern const struct watched_folder watched_folders[];
extern const size_t watched_count;

/* Notes the names in these folders. */
void note_names(void);

/* Returns whether `path`, in one of those folders, existed at that time. */
bool is_baseline_name(const char *path);

#endif
