/*
 * ipclab.h - what every program of the labs needs and no lab teaches.
 *
 * A function is the same on both systems unless its comment names one. Each part below is one
 * .c file. A program is compiled with all of them in one command:
 *
 *     gcc -D_GNU_SOURCE -pthread -I.. -I../../lib server.c ../../lib/?*.c -o server
 *     x86_64-w64-mingw32-gcc -static -I.. -I../../lib server.c ../../lib/?*.c -lws2_32 -o server.exe
 */
#ifndef IPCLAB_H
#define IPCLAB_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN /* no printing, OLE and so on: compiles in half the time */
#endif
#include <winsock2.h> /* must come before windows.h */
#include <windows.h>
typedef HANDLE ipc_file;
typedef SOCKET ipc_socket;
#else
#include <errno.h>
#include <unistd.h>
typedef int ipc_file; /* a descriptor */
typedef int ipc_socket;
#endif

/* Lets the compiler check arguments against a format. MinGW has two kinds of printf. */
#ifdef __MINGW_PRINTF_FORMAT
#define LIKE_PRINTF(a, b) __attribute__((format(__MINGW_PRINTF_FORMAT, a, b)))
#else
#define LIKE_PRINTF(a, b) __attribute__((format(__printf__, a, b)))
#endif

/* The functions can also be called from C++. */
#ifdef __cplusplus
#define _Noreturn [[noreturn]]
extern "C" {
#endif

/* ---- Start and arguments (start.c) ---------------------------------------------------- */
/* The first call of main. `name` begins the program's error lines. `usage` lists its arguments:
 * "[COUNT [CLIENT]]". On Windows argv becomes UTF-8, and the standard streams become binary. A
 * closed standard stream becomes the null device, so that no other file gets its number: reads
 * return end of file, writes fail. */
void begin_program(const char *name, const char *usage, char **argv[]);

/* Prints "usage: NAME USAGE" on standard error and exits with 2. */
_Noreturn void usage_exit(void);

/* Returns the decimal number in `text`. If it is no whole number from `least` to `most`, this exits
 * as usage_exit() does and names the argument `what`. */
long parse_long(const char *what, const char *text, long least, long most);

/* ---- Events and errors (log.c) -------------------------------------------------------- */
/* Prints one line on standard output, at once and in one piece, also if other threads and
 * processes print there. `format` is printf's, without the newline. A failed write is ignored; but
 * on UNIX SIGPIPE ends a program that does not ignore it, if nobody reads its output any more. */
void log_event(const char *format, ...) LIKE_PRINTF(1, 2);

/* log_text("server: received", "one\ntwo", 7) prints: server: received "one\ntwo" */
void log_text(const char *what, const void *bytes, size_t length);

/* Prints the last event: a thread that calls log_event() after it blocks. */
void log_last(const char *format, ...) LIKE_PRINTF(1, 2);

/* Sends later events to standard error, because standard output carries the messages. */
void log_to_stderr(void);

/* Prints one line on standard error: the program's name, ": ", the text. fatal() exits with 1. */
void log_error(const char *format, ...) LIKE_PRINTF(1, 2);
_Noreturn void fatal(const char *format, ...) LIKE_PRINTF(1, 2);

/* Reports a failed call by errno or GetLastError(), or by a number that the call returned itself:
 * server: CreateNamedPipe: error 231: All pipe instances are busy. sys_error() exits with 1. */
void log_sys_error(const char *call);
_Noreturn void sys_error(const char *call);
_Noreturn void sys_error_number(const char *call, int error);

/* ---- Text and memory (text.c) --------------------------------------------------------- */
/* Returns the bytes in double quotes, safe for a terminal: ASCII and UTF-8 text as it is, newline,
 * NUL, quote and backslash as \n, \0, \" and \\, any other byte as \xNN. The caller frees it. */
char *quoted(const void *bytes, size_t length);

/* Returns the length, 2 to 4, of the UTF-8 character (RFC 3629, section 4) at `text`; 0 for ASCII,
 * malformed bytes, and the control characters U+0080 to U+009F. */
size_t utf8_length(const unsigned char *text, size_t length);

/* As malloc() and realloc(), but without memory they print an error and exit with 1. */
void *allocate(size_t size);
void *reallocate(void *memory, size_t size);

/* A buffer that grows. Initialize it with {0}, free `bytes` at the end. */
struct buffer {
    char *bytes;
    size_t length, capacity;
};
void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
void buffer_remove(struct buffer *buffer, size_t length); /* from the beginning */
/* Returns the number of bytes up to and including the first `end`; 0 if there is none. */
size_t buffer_find(const struct buffer *buffer, char end);

#ifdef _WIN32
/* log_text() for `units` of UTF-16; a character has one or two units. */
void log_utf16(const char *what, const wchar_t *text, size_t units);
/* UTF-8 as UTF-16 and back, with a NUL added; malformed becomes U+FFFD. The caller frees it. */
wchar_t *to_utf16(const char *text);
char *to_utf8(const wchar_t *text, size_t units);
#endif

/* ---- Whole reads and writes (io.c) ---------------------------------------------------- */
/* Reads until it has `length` bytes. Returns fewer only at end of file; -1 if a read fails. */
long read_full(ipc_file file, void *bytes, size_t length);

/* Writes all bytes, in several calls if needed. Returns false if a write fails. */
bool write_all(ipc_file file, const void *bytes, size_t length);

/* Returns a line of standard input in UTF-8, without its newline or CR LF, with a NUL added. The
 * next call overwrites it. Returns NULL at end of file; exits with 1 if a read fails. */
char *read_line(size_t *length);
#ifdef _WIN32
/* The same in UTF-16. Exits with 1 if a line is not UTF-8. */
wchar_t *read_line_utf16(size_t *units);
#endif

/* ---- Sockets (tcp.c) ------------------------------------------------------------------ */
/* A socket that listens on, or is connected to, `host` and `port`. If that fails, exit with 1. */
ipc_socket tcp_listen(const char *host, const char *port);
ipc_socket tcp_connect(const char *host, const char *port);

/* As tcp_connect(), for a program that tries again: returns NULL, or the name of the call that failed;
 * then errno or GetLastError() is the reason, on UNIX for "getaddrinfo" its error, below 0. */
const char *tcp_try_connect(const char *host, const char *port, ipc_socket *connection);

/* Returns the socket's own address, "127.0.0.1:5050" or "[::1]:5050", until the next call. */
const char *socket_address(ipc_socket socket);

/* write_all() for a socket: if it fails, errno or WSAGetLastError() is the reason. */
bool send_all(ipc_socket socket, const void *bytes, size_t length);

/* ---- Threads and the end (end.c) ------------------------------------------------------ */
/* Runs `function` in a detached thread. Returns false if no thread can be created. */
bool start_thread(void (*function)(void *), void *argument);

/* After this, Ctrl-C, SIGTERM or the closing of the console ends the program. (On UNIX the closing is
 * SIGHUP, which nohup lets a program ignore.) A thread calls `clean_up` (may be NULL), prints "NAME:
 * done" as the last event and exits with 0. If then the output is full and nobody reads it for 2
 * seconds, it exits with 1, without that line. On UNIX, call it before the first thread is started. */
void end_on_interrupt(void (*clean_up)(void));

/* For a main that does at its end what `clean_up` does: it calls this first. From then on Ctrl-C changes
 * nothing. After Ctrl-C this blocks until the program has ended. So a name is removed once: a
 * second time it could be the next program's. */
void claim_end(void);

/* For a program that waits for several things: returns what becomes readable (UNIX) or signaled
 * (Windows) at Ctrl-C and the like, which then no longer end the program. */
ipc_file interrupt_event(void);

/* ---- Files (files.c) ------------------------------------------------------------------ */
/* The path of `name` in this program's folder, on Windows with ".exe"; valid until the next call. */
const char *program_beside(const char *name);

#ifndef _WIN32
/* Where `name` is by default: $XDG_RUNTIME_DIR, or /tmp/NAME.UID; valid until the next call. */
const char *runtime_path(const char *name);
#endif

#ifdef __cplusplus
}
#endif

#endif
