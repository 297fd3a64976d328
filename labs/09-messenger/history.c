/*
 * history.c - a file that is mapped into memory: see history.h.
 */
#include "history.h"

#include "ipclab.h"

#ifdef _WIN32

struct history *map_history(const char *name)
{
    wchar_t *wide = to_utf16(name);
    /* Nobody else can open it meanwhile: no sharing. */
    HANDLE file = CreateFileW(wide, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_ALWAYS,
                              FILE_ATTRIBUTE_NORMAL, NULL);
    free(wide);
    LARGE_INTEGER size;
    if (file == INVALID_HANDLE_VALUE)
        sys_error("CreateFile");
    if (!GetFileSizeEx(file, &size))
        sys_error("GetFileSizeEx");
    if (size.QuadPart != 0 && size.QuadPart != sizeof(struct history))
        fatal("%s is no history of messages", name);
    HANDLE mapping = CreateFileMappingW(file, NULL, PAGE_READWRITE, 0,
                                        sizeof(struct history), NULL);
    if (mapping == NULL)
        sys_error("CreateFileMapping");
    struct history *history = MapViewOfFile(mapping, FILE_MAP_WRITE, 0, 0,
                                            sizeof *history);
    if (history == NULL)
        sys_error("MapViewOfFile");
    CloseHandle(mapping); /* the view keeps it */
    /* The file stays open, so that nobody else opens it. */
    return history;
}

#else

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct history *map_history(const char *name)
{
    int file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat status;
    if (file == -1)
        sys_error("open");
    if (flock(file, LOCK_EX | LOCK_NB) == -1) /* until the process ends */
        sys_error("flock");
    if (fstat(file, &status) == -1)
        sys_error("fstat");
    if (status.st_size != 0 && status.st_size != sizeof(struct history))
        fatal("%s is no history of messages", name);
    /* ftruncate() would take no room on the disk. With a full disk a write into the memory would
     * then be the signal SIGBUS. */
    int error = posix_fallocate(file, 0, sizeof(struct history));
    if (error != 0)
        sys_error_number("posix_fallocate", error);
    struct history *history = mmap(NULL, sizeof *history, PROT_READ | PROT_WRITE,
                                   MAP_SHARED, file, 0);
    if (history == MAP_FAILED)
        sys_error("mmap");
    /* cppcheck-suppress resourceLeak ; the file stays open for its lock */
    return history;
}

#endif
