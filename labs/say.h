/*
 * say.h - print one event as one line.
 *
 * The programs of a lab tell what happens to them, one event a line. Several processes and
 * threads share a terminal or a pipe for that, so a line is put together in memory first, and
 * handed over and flushed at once: up to the buffer of the C library, 4096 bytes for a pipe,
 * it leaves in one write, with no other line in the middle of it. The text of a message may
 * be longer; then the lines of other processes, though not of other threads, may get between.
 */
#ifndef SAY_H
#define SAY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#include <windows.h>
#else
#include <fcntl.h>
#include <unistd.h>
#endif

/* Which printf the compiler is to check `format` against: MinGW has two. */
#ifdef __MINGW_PRINTF_FORMAT
#define SAY_PRINTF __MINGW_PRINTF_FORMAT
#else
#define SAY_PRINTF __printf__
#endif

#ifdef _WIN32

/* We end the line as Windows does, and let the C library leave the bytes alone: where it has
 * to turn "\n" into this it may hand a line over in pieces (Wine's does, of 2,047 bytes). */
#define LINE_END "\r\n"

static inline void leave_bytes_alone(FILE *stream)
{
    _setmode(_fileno(stream), _O_BINARY);
}

/* Writes `length` bytes of UTF-8 to the console that `stream` is, and returns true; returns
 * false if it is none. Bytes written there would be shown in the console's code page, which
 * is hardly ever UTF-8; so a console is given UTF-16. */
static inline bool show_on_console(FILE *stream, const char *bytes, size_t length)
{
    HANDLE console = (HANDLE)_get_osfhandle(_fileno(stream));
    DWORD unit;
    if (!GetConsoleMode(console, &unit))
        return false;
    wchar_t *wide = malloc((length + 1) * sizeof *wide); /* no more units than bytes */
    if (wide == NULL)
        abort();
    int units = MultiByteToWideChar(CP_UTF8, 0, bytes, (int)length, wide, (int)length);
    fflush(stream);
    WriteConsoleW(console, wide, (DWORD)units, &unit, NULL);
    free(wide);
    return true;
}

/* Held while a line is printed. The C library has a lock for each stream, but its function to
 * take one does not lock what fwrite() locks, in every version. */
static SRWLOCK line_lock = SRWLOCK_INIT;
static volatile DWORD last_speaker; /* the thread that keeps the lock, or 0 */

static inline void lock_line(FILE *stream)
{
    (void)stream;
    if (last_speaker != GetCurrentThreadId())
        AcquireSRWLockExclusive(&line_lock);
}

static inline void unlock_line(FILE *stream)
{
    (void)stream;
    if (last_speaker != GetCurrentThreadId())
        ReleaseSRWLockExclusive(&line_lock);
}

/* From now on say() prints for the calling thread alone; it blocks in every other. */
static inline void silence_others(void)
{
    AcquireSRWLockExclusive(&line_lock);
    last_speaker = GetCurrentThreadId();
}

/* Call it first in main: see below. Where a call fails, the stream stays as it was. */
static inline void open_missing_streams(void)
{
    FILE *const streams[] = {stdin, stdout, stderr};
    const DWORD numbers[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    for (int i = 0; i < 3; i++) {
        HANDLE handle = GetStdHandle(numbers[i]);
        if (handle != NULL && handle != INVALID_HANDLE_VALUE)
            continue;
        FILE *opened = freopen("NUL", "r", streams[i]);
        int file = opened == NULL ? _open("NUL", _O_RDONLY) : -1;
        if (file != -1 && _dup2(file, i) == 0) {
#ifndef _UCRT /* Wine's library does not reopen a stream that has no file */
            streams[i]->_file = i;
#endif
        }
        if (file != -1 && file != i)
            _close(file);
        /* Not every C library makes what it opens as number 0, 1 or 2 the standard handle, too. */
        if (_fileno(streams[i]) >= 0)
            SetStdHandle(numbers[i], (HANDLE)_get_osfhandle(_fileno(streams[i])));
    }
}

#else

#define LINE_END "\n"

static inline void leave_bytes_alone(FILE *stream)
{
    (void)stream; /* UNIX knows no other way */
}

static inline bool show_on_console(FILE *stream, const char *bytes, size_t length)
{
    (void)stream, (void)bytes, (void)length;
    return false; /* a terminal of UNIX takes UTF-8 */
}

static inline void lock_line(FILE *stream)
{
    flockfile(stream);
}

static inline void unlock_line(FILE *stream)
{
    funlockfile(stream);
}

/* From now on standard output is the calling thread's alone: say() and exit() of any other
 * block. */
static inline void silence_others(void)
{
    flockfile(stdout);
}

/* Call it first in main. A program may be started without a standard stream (`server 2>&-`).
 * Then the next pipe, file or socket that it opens becomes that stream. This opens the missing
 * ones. As before, writes to them fail; reads find the end of file. */
static inline void open_missing_streams(void)
{
    int file; /* open() takes the lowest number that is free */
    do
        file = open("/dev/null", O_RDONLY);
    while (file >= 0 && file <= STDERR_FILENO);
    if (file > STDERR_FILENO)
        close(file);
}

#endif

/* Prints one line, `format` filled in as by printf and LINE_END added, on `stream`, and
 * flushes it. Where the line cannot be written there is nobody left to tell: it is lost. */
#ifdef __GNUC__
__attribute__((format(SAY_PRINTF, 2, 3)))
#endif
static inline void
say(FILE *stream, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = vsnprintf(NULL, 0, format, values);
    va_end(values);
    char *line = length < 0 ? NULL : malloc((size_t)length + sizeof LINE_END);
    if (line == NULL)
        abort();
    va_start(values, format);
    vsnprintf(line, (size_t)length + 1, format, values);
    va_end(values);
    memcpy(line + length, LINE_END, sizeof LINE_END);
    size_t size = (size_t)length + sizeof LINE_END - 1;
    lock_line(stream);
    if (!show_on_console(stream, line, size)) {
        leave_bytes_alone(stream);
        fwrite(line, 1, size, stream);
        fflush(stream);
    }
    unlock_line(stream);
    free(line);
}

/* How many bytes the UTF-8 character at `text` has (2 to 4), or 0 where none starts: for a
 * single byte, for a malformed, overlong or cut-off sequence, and for the control characters
 * U+0080 to U+009F, which terminals obey. By the table of RFC 3629, section 4. */
static inline size_t utf8_length(const unsigned char *text, size_t length)
{
    unsigned char low = 0x80, high = 0xBF;
    size_t size = text[0] < 0xC2   ? 0
                  : text[0] < 0xE0 ? 2
                  : text[0] < 0xF0 ? 3
                  : text[0] < 0xF5 ? 4
                                   : 0;
    if (size == 0 || size > length)
        return 0;
    switch (text[0]) {
    case 0xC2: low = 0xA0; break;
    case 0xE0: low = 0xA0; break;
    case 0xED: high = 0x9F; break;
    case 0xF0: low = 0x90; break;
    case 0xF4: high = 0x8F; break;
    default: break;
    }
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    return size;
}

/* The `length` bytes at `bytes` in double quotes, made fit for one line of a terminal: ASCII
 * and UTF-8 text as it is, a newline as \n, NUL as \0, a quote as \", a backslash as \\, any
 * other byte as \xNN. Returns a string that the caller frees; ends the program when there is
 * no memory for it. */
static inline char *quoted(const void *bytes, size_t length)
{
    const unsigned char *in = bytes;
    char *text = malloc(length * 4 + 3), *out = text;
    if (text == NULL)
        abort();
    *out++ = '"';
    for (size_t i = 0, size; i < length; i += size) {
        size = utf8_length(in + i, length - i);
        if (size > 0) {
            memcpy(out, in + i, size);
            out += size;
            continue;
        }
        size = 1;
        if (in[i] == '\n' || in[i] == '\0' || in[i] == '"' || in[i] == '\\') {
            *out++ = '\\';
            *out++ = in[i] == '\n' ? 'n' : in[i] == '\0' ? '0' : (char)in[i];
        } else if (in[i] >= ' ' && in[i] <= '~') {
            *out++ = (char)in[i];
        } else {
            out += snprintf(out, 5, "\\x%02X", in[i]);
        }
    }
    *out++ = '"';
    *out = '\0';
    return text;
}

#endif
