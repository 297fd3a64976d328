/*
 * files.c - where programs and names are found.
 */
#include "ipclab.h"

/* The folder of `file` with its last separator, or nothing if it has none, then `name`. */
static const char *beside(const char *file, char separator, const char *name,
                          const char *suffix)
{
    static char *path;
    const char *last = strrchr(file, separator);
    int folder = last == NULL ? 0 : (int)(last + 1 - file);
    size_t size = (size_t)folder + strlen(name) + strlen(suffix) + 1;
    path = reallocate(path, size);
    snprintf(path, size, "%.*s%s%s", folder, file, name, suffix);
    return path;
}

#ifdef _WIN32

#define LONGEST_PATH 32768 /* units, which no path of Windows exceeds */

const char *program_beside(const char *name)
{
    wchar_t *wide = allocate(LONGEST_PATH * sizeof *wide);
    DWORD units = GetModuleFileNameW(NULL, wide, LONGEST_PATH);
    if (units == 0 || units == LONGEST_PATH)
        sys_error("GetModuleFileName");
    char *self = to_utf8(wide, units);
    const char *path = beside(self, '\\', name, ".exe");
    free(self);
    free(wide);
    return path;
}

#else

#include <limits.h>

/* Linux keeps a link to the running program's file; argv[0] is what its parent wrote there. */
const char *program_beside(const char *name)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length == -1)
        sys_error("readlink");
    self[length] = '\0';
    return beside(self, '/', name, "");
}

const char *runtime_path(const char *name)
{
    static char path[PATH_MAX];
    const char *folder = getenv("XDG_RUNTIME_DIR");
    int length = folder != NULL && *folder == '/'
                     ? snprintf(path, sizeof path, "%s/%s", folder, name)
                     : snprintf(path, sizeof path, "/tmp/%s.%ld", name, (long)getuid());
    if (length >= (int)sizeof path)
        fatal("XDG_RUNTIME_DIR is too long for a path");
    return path;
}

#endif
