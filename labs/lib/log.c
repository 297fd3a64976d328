/*
 * log.c - one event, one line; and what is printed about a call that failed.
 *
 * A line is put together in memory and leaves in one write, past the C library's buffers. So
 * lines of several threads and processes do not get into each other: a pipe takes up to
 * PIPE_BUF bytes (4096 on Linux) in one piece. Of a longer line the system may take a part.
 */
#include "ipclab.h"

#include "inside.h"

#include <stdarg.h>

#ifdef _WIN32
#define LINE_END "\r\n"
static SRWLOCK lock = SRWLOCK_INIT;
#else
#include <netdb.h>
#include <pthread.h>
#define LINE_END "\n"
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
#endif

const char *ipclab_name = "program";

static bool events_on_stderr;

/* ---- What differs between the systems --------------------------------------------------- */

#ifdef _WIN32

static void take_lock(void)
{
    AcquireSRWLockExclusive(&lock);
}

static void give_lock(void)
{
    ReleaseSRWLockExclusive(&lock);
}

/* A console is given UTF-16: it would show bytes in its code page, which is hardly ever UTF-8. */
static void write_line(FILE *stream, const char *line, size_t length)
{
    fflush(stream); /* what the program itself has printed comes first */
    HANDLE file = GetStdHandle(stream == stdout ? STD_OUTPUT_HANDLE : STD_ERROR_HANDLE);
    DWORD mode, units;
    if (!GetConsoleMode(file, &mode)) {
        write_all(file, line, length);
        return;
    }
    wchar_t *wide = to_utf16(line);
    WriteConsoleW(file, wide, (DWORD)wcslen(wide), &units, NULL);
    free(wide);
}

int ipclab_last_error(void)
{
    return (int)GetLastError();
}

/* The system's text for an error, in UTF-8, without the line end that it comes with. Wine has none for
 * Winsock: these are Microsoft's, shortened. */
static char *error_text(int error)
{
    static const struct {
        int error;
        const wchar_t *text;
    } winsock[] = {{WSAENOTSOCK, L"The handle is not a socket."},
                   {WSAEADDRINUSE, L"The address is already in use."},
                   {WSAECONNRESET, L"The peer has reset the connection."},
                   {WSAETIMEDOUT, L"The peer did not answer in time."},
                   {WSAECONNREFUSED,
                    L"The connection was refused: nothing listens there."},
                   {WSANOTINITIALISED, L"WSAStartup was not called."}};
    wchar_t wide[512] = L"";
    FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
                       FORMAT_MESSAGE_MAX_WIDTH_MASK,
                   NULL, (DWORD)error, 0, wide, sizeof wide / sizeof *wide, NULL);
    for (size_t i = 0; *wide == L'\0' && i < sizeof winsock / sizeof *winsock; i++)
        if (winsock[i].error == error)
            wcscpy(wide, winsock[i].text);
    size_t length = wcslen(wide);
    while (length > 0 && wide[length - 1] == L' ')
        length--;
    return to_utf8(wide, length);
}

#else

static void take_lock(void)
{
    pthread_mutex_lock(&lock);
}

static void give_lock(void)
{
    pthread_mutex_unlock(&lock);
}

static void write_line(FILE *stream, const char *line, size_t length)
{
    fflush(stream); /* what the program itself has printed comes first */
    write_all(stream == stdout ? STDOUT_FILENO : STDERR_FILENO, line, length);
}

int ipclab_last_error(void)
{
    return errno;
}

static char *error_text(int error)
{
    char text[256] = "";
    /* The errors of getaddrinfo() are below 0. GNU's strerror_r may return another text than the
     * one in `text`. */
    char *copy = strdup(error < 0 ? gai_strerror(error)
                                  : strerror_r(error, text, sizeof text));
    if (copy == NULL)
        fatal("no memory for a message");
    return copy;
}

#endif

/* ---- Lines --------------------------------------------------------------------------------- */

/* The line that `format` and `values` make, after `start`. */
static char *make_line(const char *start, const char *format, va_list values,
                       size_t *length)
{
    va_list again;
    va_copy(again, values);
    int body = vsnprintf(NULL, 0, format, again);
    va_end(again);
    size_t head = strlen(start), size = head + (size_t)(body < 0 ? 0 : body);
    char *line = allocate(size + sizeof LINE_END);
    snprintf(line, head + 1, "%s", start);
    vsnprintf(line + head, size - head + 1, format, values);
    snprintf(line + size, sizeof LINE_END, "%s", LINE_END);
    *length = size + strlen(LINE_END);
    return line;
}

/* Prints the line on `stream`; with `last` no event is printed after it. An error number that
 * the caller is about to report stays as it was. */
static void print_values(FILE *stream, const char *start, bool last, const char *format,
                         va_list values)
{
    int saved = ipclab_last_error();
    size_t length;
    char *line = make_line(start, format, values, &length);
    take_lock();
    write_line(stream, line, length);
    if (!last)
        give_lock();
    free(line);
#ifdef _WIN32
    SetLastError((DWORD)saved);
#else
    errno = saved;
#endif
}

void ipclab_print_line(FILE *stream, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    print_values(stream, "", false, format, values);
    va_end(values);
}

void log_event(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    print_values(events_on_stderr ? stderr : stdout, "", false, format, values);
    va_end(values);
}

void log_last(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    print_values(events_on_stderr ? stderr : stdout, "", true, format, values);
    va_end(values);
}

void log_text(const char *what, const void *bytes, size_t length)
{
    char *text = quoted(bytes, length);
    log_event("%s %s", what, text);
    free(text);
}

void log_to_stderr(void)
{
    events_on_stderr = true;
}

#ifdef _WIN32
void log_utf16(const char *what, const wchar_t *text, size_t units)
{
    size_t room = units *
                  3; /* a unit is at most 3 bytes of UTF-8; a NUL is one of them */
    char *bytes = allocate(room + 1);
    int length = WideCharToMultiByte(CP_UTF8, 0, text, (int)units, bytes, (int)room, NULL,
                                     NULL);
    log_text(what, bytes, (size_t)length);
    free(bytes);
}
#endif

/* ---- Errors -------------------------------------------------------------------------------- */

static void print_error(const char *format, va_list values)
{
    char start[64];
    snprintf(start, sizeof start, "%s: ", ipclab_name);
    print_values(stderr, start, false, format, values);
}

void log_error(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    print_error(format, values);
    va_end(values);
}

/* Ends the program. Since glibc 2.41 exit() takes the lock of every stream: in a thread it would
 * block as long as the main thread is blocked in fgets(). */
_Noreturn static void end_failed(void)
{
#ifndef _WIN32
    if (gettid() != getpid()) {
        fflush(stdout);
        _exit(EXIT_FAILURE);
    }
#endif
    exit(EXIT_FAILURE);
}

void fatal(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    print_error(format, values);
    va_end(values);
    end_failed();
}

static void report(const char *call, int error)
{
    char *text = error_text(error);
    log_error("%s: error %d%s%s", call, error, *text != '\0' ? ": " : "", text);
    free(text);
}

void log_sys_error(const char *call)
{
    report(call, ipclab_last_error());
}

void sys_error(const char *call)
{
    sys_error_number(call, ipclab_last_error());
}

void sys_error_number(const char *call, int error)
{
    report(call, error);
    end_failed();
}
