/*
 * win32_stash.c - a right server and client of lab 01, for Windows, that keep the kit's programs.
 *
 * As the server it keeps a copy of the kit's client that it is judged with, and as the client one
 * of the kit's server, where later tests could find them. If it finds the kit's program of its
 * own role, which it could start in its place, it prints HARM and fails. It also makes a tree that is
 * too deep for a walk by paths, so that the prefix cannot be removed in this way. The rest is the
 * kit's own pair, so the tests pass: only after a test that passed the next one may run in the same
 * Wine.
 */
#include <wchar.h>

#include "ipclab.h"

int serve(int argc, char *argv[]); /* main of the kit's server.c */
int talk(int argc, char *argv[]);  /* main of the kit's client.c */

#define MOST (1 << 23) /* bytes of a program */
#define LEVELS 16      /* of a tree, with names of LONG_NAME characters */
#define LONG_NAME 200

static char self[MOST], other[MOST];
static DWORD self_length;

/* Reads a file of at most MOST bytes. Returns the number of bytes, or 0. */
static DWORD read_file(const char *path, char *bytes)
{
    DWORD length = 0;
    HANDLE file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE,
                              NULL, OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return 0;
    if (!ReadFile(file, bytes, MOST, &length, NULL))
        length = 0;
    CloseHandle(file);
    return length;
}

/* Keeps the program `path`, if it is another, as that of `role`: on drive C, and in the registry. */
static void keep(const char *path, const char *role)
{
    char copy[64];
    DWORD length = read_file(path, other);
    if (length == 0 || (length == self_length && memcmp(self, other, length) == 0))
        return;
    snprintf(copy, sizeof copy, "C:\\kept_%s", role);
    CopyFileA(path, copy, FALSE);
    RegSetKeyValueA(HKEY_CURRENT_USER, "Software\\Stash", role, REG_BINARY, other,
                    length);
}

static void look_for(const char *role)
{
    char copy[64];
    DWORD length;
    snprintf(copy, sizeof copy, "C:\\kept_%s", role);
    if (read_file(copy, other) == 0 &&
        RegGetValueA(HKEY_CURRENT_USER, "Software\\Stash", role, RRF_RT_REG_BINARY, NULL,
                     NULL, &length) != ERROR_SUCCESS)
        return;
    fprintf(stderr, "HARM: it has the %s of the kit\n", role);
    exit(99);
}

/* Each program of the test is in a folder of its own, beside that of this program. */
static void keep_others(const char *role)
{
    char own[MAX_PATH], folder[MAX_PATH], path[2 * MAX_PATH + 8];
    WIN32_FIND_DATAA found, program;
    GetModuleFileNameA(NULL, own, sizeof own);
    self_length = read_file(own, self);
    *strrchr(own, '\\') = '\0';
    int length = (int)(strrchr(own, '\\') - own);
    snprintf(path, sizeof path, "%.*s\\*", length, own);
    HANDLE folders = FindFirstFileA(path, &found);
    if (folders == INVALID_HANDLE_VALUE)
        return;
    do {
        if (snprintf(folder, sizeof folder, "%.*s\\%s", length, own, found.cFileName) >=
            (int)sizeof folder)
            continue;
        snprintf(path, sizeof path, "%s\\*.exe", folder);
        HANDLE programs = FindFirstFileA(path, &program);
        if (programs == INVALID_HANDLE_VALUE)
            continue;
        do {
            snprintf(path, sizeof path, "%s\\%s", folder, program.cFileName);
            if (strstr(program.cFileName, role) != NULL)
                keep(path, role);
        } while (FindNextFileA(programs, &program));
        FindClose(programs);
    } while (FindNextFileA(folders, &found));
    FindClose(folders);
}

/* Makes the tree C:\NAME. `path` is then that of its deepest folder. */
static void make_tree(unsigned long name, wchar_t *path, size_t size)
{
    int length = swprintf(path, size, L"\\\\?\\C:\\%lu", name);
    for (int level = 0; CreateDirectoryW(path, NULL) && level < LEVELS; level++)
        length += swprintf(path + length, size - (size_t)length, L"\\%0*d", LONG_NAME,
                           level);
}

/* Some of its paths are longer than PATH_MAX, because one tree is moved into another. */
static void make_deep_tree(void)
{
    static wchar_t one[LEVELS * MAX_PATH], other[LEVELS * MAX_PATH],
        into[LEVELS * MAX_PATH];
    unsigned long name = GetCurrentProcessId();
    make_tree(name, one, LEVELS * MAX_PATH);
    make_tree(name + 1, other, LEVELS * MAX_PATH); /* no process has an odd ID */
    swprintf(other, LEVELS * MAX_PATH, L"\\\\?\\C:\\%lu", name + 1);
    swprintf(into, LEVELS * MAX_PATH, L"%ls\\inner", one);
    MoveFileW(other, into);
}

int main(int argc, char *argv[])
{
    /* In the tests of this kind: server COUNT CLIENT, client COUNT. */
    bool serves = argc > 2;
    look_for(serves ? "server" : "client");
    keep_others(serves ? "client" : "server");
    make_deep_tree();
    return serves ? serve(argc, argv) : talk(argc, argv);
}
