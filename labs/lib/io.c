/*
 * io.c - whole reads and writes: a system call may transfer a part of what it was asked for.
 */
#include "ipclab.h"

#define MOST_AT_ONCE (1u << 30) /* bytes for one call: Windows counts them in 32 bits */
#define LINE_PORTION 4096

static size_t portion(size_t length)
{
    return length < MOST_AT_ONCE ? length : MOST_AT_ONCE;
}

#ifdef _WIN32

/* Reads what is there, up to `length` bytes. Returns how many; 0 at the end of file, which for a
 * pipe is an error. A read of 0 bytes from a pipe is another program's write of 0 bytes. */
static long read_some(HANDLE file, void *bytes, size_t length)
{
    DWORD got = 0;
    BOOL ok;
    do
        ok = ReadFile(file, bytes, (DWORD)portion(length), &got, NULL);
    while (ok && got == 0 && length > 0 &&
           GetNamedPipeInfo(file, NULL, NULL, NULL, NULL));
    if (!ok && GetLastError() != ERROR_BROKEN_PIPE)
        return -1;
    return (long)got;
}

static long write_some(HANDLE file, const void *bytes, size_t length)
{
    DWORD written;
    return WriteFile(file, bytes, (DWORD)portion(length), &written, NULL) ? (long)written
                                                                          : -1;
}

#else

/* A signal handler that runs meanwhile ends a read or write with EINTR: it is begun again. */
static long read_some(int file, void *bytes, size_t length)
{
    ssize_t got;
    do
        got = read(file, bytes, portion(length));
    while (got == -1 && errno == EINTR);
    return got;
}

static long write_some(int file, const void *bytes, size_t length)
{
    ssize_t written;
    do
        written = write(file, bytes, portion(length));
    while (written == -1 && errno == EINTR);
    return written;
}

#endif

long read_full(ipc_file file, void *bytes, size_t length)
{
    size_t done = 0;
    while (done < length) {
        long got = read_some(file, (char *)bytes + done, length - done);
        if (got == -1)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (long)done;
}

bool write_all(ipc_file file, const void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        long written = write_some(file, (const char *)bytes + done, length - done);
        if (written == -1)
            return false;
        done += (size_t)written;
    }
    return true;
}

/* ---- Lines of standard input ------------------------------------------------------------- */

/* What has been read, and is no line yet, or was the line before. */
static struct buffer input;
static size_t taken; /* how much of it the line before was */
static bool at_end;

#ifdef _WIN32

/* From a console as UTF-16: bytes would come in its code page, which may know no Cyrillic.
 * Ctrl-Z at the beginning of a line is the end. */
static bool read_input(void)
{
    HANDLE file = GetStdHandle(STD_INPUT_HANDLE);
    DWORD mode;
    if (!GetConsoleMode(file, &mode)) {
        char bytes[LINE_PORTION];
        long got = read_some(file, bytes, sizeof bytes);
        if (got == -1)
            sys_error("ReadFile");
        buffer_append(&input, bytes, (size_t)got);
        return got > 0;
    }
    wchar_t wide[LINE_PORTION];
    DWORD units = 0;
    if (!ReadConsoleW(file, wide, LINE_PORTION, &units, NULL))
        sys_error("ReadConsole");
    if (units == 0 || (wide[0] == L'\x1A' && input.length == taken))
        return false;
    char *text = to_utf8(wide, units);
    buffer_append(&input, text, strlen(text));
    free(text);
    return true;
}

#else

static bool read_input(void)
{
    char bytes[LINE_PORTION];
    long got = read_some(STDIN_FILENO, bytes, sizeof bytes);
    if (got == -1)
        sys_error("read");
    buffer_append(&input, bytes, (size_t)got);
    return got > 0;
}

#endif

char *read_line(size_t *length)
{
    buffer_remove(&input, taken);
    while ((taken = buffer_find(&input, '\n')) == 0 && !at_end)
        at_end = !read_input();
    if (taken == 0 && input.length == 0)
        return NULL;
    if (taken > 0) {
        *length = taken - 1;
        if (*length > 0 && input.bytes[*length - 1] == '\r')
            --*length;
    } else { /* the last line has no newline */
        *length = input.length;
        buffer_append(&input, "", 1);
        taken = input.length;
    }
    input.bytes[*length] = '\0';
    return input.bytes;
}

#ifdef _WIN32
wchar_t *read_line_utf16(size_t *units)
{
    static wchar_t *wide;
    size_t length;
    const char *line = read_line(&length);
    free(wide);
    wide = NULL;
    if (line == NULL)
        return NULL;
    wide = allocate((length + 1) *
                    sizeof *wide); /* UTF-16 has no more units than bytes */
    *units = 0;
    if (length > 0)
        *units = (size_t)MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, line,
                                             (int)length, wide, (int)length);
    if (length > 0 && *units == 0)
        fatal("a line of the input is not UTF-8");
    wide[*units] = L'\0';
    return wide;
}
#endif
