/*
 * ipclab.h - what every program of the labs needs and no lab teaches.
 *
 * One header, and one .c file for each of the parts below. No call that a lab is about is in
 * here. Each function is the same on both systems, if nothing else is said. A program is
 * compiled with the library in one command:
 *
 *     gcc -D_GNU_SOURCE -pthread -I../../lib server.c ../../lib/?*.c -o server
 *     x86_64-w64-mingw32-gcc -static -I../../lib server.c ../../lib/?*.c -lws2_32 -o server.exe
 */
#ifndef IPCLAB_H
#define IPCLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <winsock2.h> /* before windows.h, which else includes its first version */
#include <windows.h>
typedef HANDLE ipc_file;
typedef SOCKET ipc_socket;
#else
#include <errno.h>
#include <unistd.h>
typedef int ipc_file; /* a descriptor */
typedef int ipc_socket;
#endif

/* The compiler checks the values of calls against their format. MinGW has two kinds of printf. */
#ifdef __MINGW_PRINTF_FORMAT
#define LIKE_PRINTF(a, b) __attribute__((format(__MINGW_PRINTF_FORMAT, a, b)))
#else
#define LIKE_PRINTF(a, b) __attribute__((format(__printf__, a, b)))
#endif

/* ---- Start and arguments (start.c) ---------------------------------------------------- */

/* The first call of main. `name` begins the program's error lines, `usage` lists its arguments:
 * "[COUNT [CLIENT]]". On Windows it also puts the arguments in UTF-8 in place of argv. A
 * standard stream that is closed becomes the null device, so that no file gets its number: it is
 * at end of file, and writes to it fail. */
void begin_program(const char *name, const char *usage, char **argv[]);

/* Prints "usage: NAME USAGE" on standard error and ends the program with exit code 2. */
_Noreturn void usage_exit(void);

/* The whole number that `text` is, in decimal. If it is none, or not from `least` to `most`, it
 * ends the program as usage_exit() does; the line then names the argument `what`. */
long parse_long(const char *what, const char *text, long least, long most);

/* ---- Events and errors (log.c) --------------------------------------------------------- */

/* Prints one line on standard output, at once and in one piece, although other threads and
 * processes print there too. `format` is that of printf, without the newline. If the line
 * cannot be written, it is lost: there is no reader to report it to. */
void log_event(const char *format, ...) LIKE_PRINTF(1, 2);

/* The same with the text of a message behind `what`, as quoted() writes it:
 * log_text("server: received", "one\ntwo", 7) prints: server: received "one\ntwo" */
void log_text(const char *what, const void *bytes, size_t length);

/* From now on the events go to standard error: standard output carries the messages. */
void log_to_stderr(void);

/* As log_event(), and afterwards no thread prints an event any more: it blocks in its call. */
void log_last(const char *format, ...) LIKE_PRINTF(1, 2);

/* Prints one line on standard error: the program's name, ": " and `format` filled in. */
void log_error(const char *format, ...) LIKE_PRINTF(1, 2);

/* log_error(), then ends the program with exit code 1. */
_Noreturn void fatal(const char *format, ...) LIKE_PRINTF(1, 2);

/* Reports that `call` failed, by the number in errno or GetLastError() and the system's text:
 * server: CreateNamedPipe: error 231: All pipe instances are busy. The program goes on. */
void log_sys_error(const char *call);

/* log_sys_error(), then ends the program with exit code 1. */
_Noreturn void sys_error(const char *call);

/* The same with a number that `call` returned itself, as the pthread functions do. */
_Noreturn void sys_error_number(const char *call, int error);

/* ---- Text and memory (text.c) ---------------------------------------------------------- */

/* The `length` bytes in double quotes, fit for one line of a terminal: ASCII and UTF-8 text as
 * it is, newline, NUL, quote and backslash as \n, \0, \" and \\, any other byte as \xNN. The
 * caller frees it. */
char *quoted(const void *bytes, size_t length);

/* How many bytes the UTF-8 character at `text` has: 2 to 4, or 0 if none of several bytes begins
 * there, or if it is a control character (U+0080 to U+009F). By RFC 3629, section 4. */
size_t utf8_length(const unsigned char *text, size_t length);

/* As malloc and realloc; but if there is no memory, they end the program with an error line. */
void *allocate(size_t size);
void *reallocate(void *memory, size_t size);

/* Bytes that grow: begin with {0}, free `bytes` at the end. */
struct buffer {
    char *bytes;
    size_t length, capacity;
};
void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
void buffer_remove(struct buffer *buffer, size_t length); /* from the beginning */
/* How many bytes there are up to and including the first `end`; 0 if it is not there. */
size_t buffer_find(const struct buffer *buffer, char end);

#ifdef _WIN32
/* log_text() for `units` of UTF-16. */
void log_utf16(const char *what, const wchar_t *text, size_t units);

/* UTF-8 as UTF-16 and back, with a NUL behind it; the caller frees it. Of `units` (a character
 * takes one or two); what is malformed becomes U+FFFD. */
wchar_t *to_utf16(const char *text);
char *to_utf8(const wchar_t *text, size_t units);
#endif

/* ---- Whole reads and writes (io.c) ------------------------------------------------------ */

/* Reads until `length` bytes are there. Returns how many there are: fewer only at the end of
 * file, or -1 if a read fails (errno, GetLastError()). */
long read_full(ipc_file file, void *bytes, size_t length);

/* Writes all of the bytes, in as many calls as that takes. Returns false if a write fails. */
bool write_all(ipc_file file, const void *bytes, size_t length);

/* The same for a socket; false with errno, or WSAGetLastError(). */
bool send_all(ipc_socket socket, const void *bytes, size_t length);

/* A line of standard input in UTF-8, from a console or a file, without its newline or CR LF, with
 * a NUL behind it. It is valid until the next call. Returns NULL at the end of the input; if
 * reading fails, it ends the program. */
char *read_line(size_t *length);
#ifdef _WIN32
/* The same in UTF-16. If a line is not UTF-8, it ends the program with an error line. */
wchar_t *read_line_utf16(size_t *units);
#endif

/* ---- TCP (tcp.c) ------------------------------------------------------------------------ */

/* A socket that listens on `port` of this machine's address `host`, or is connected to it. Both
 * names may be numbers or names. If it fails, it ends the program with an error line. */
ipc_socket tcp_listen(const char *host, const char *port);
ipc_socket tcp_connect(const char *host, const char *port);

/* The address that a socket is bound to, "127.0.0.1:5050" or "[::1]:5050", until the next call. */
const char *socket_address(ipc_socket socket);

/* ---- Threads and the end (end.c) ---------------------------------------------------------- */

/* Runs `function` in a thread that nobody waits for. Returns false if there can be no more. */
bool start_thread(void (*function)(void *), void *argument);

/* From now on Ctrl-C, SIGTERM, or the closing of the console calls `clean_up` (NULL: nothing) in a
 * thread of its own, prints "NAME: done" as the last line, and ends the program with exit code 0.
 * On UNIX, call it before the first thread is started. */
void end_on_interrupt(void (*clean_up)(void));

/* For a program that waits for several things: what becomes readable (UNIX), or is signalled
 * (Windows), at Ctrl-C and the like. They do not end the program any more. */
ipc_file interrupt_event(void);

/* ---- Files (files.c) ---------------------------------------------------------------------- */

/* The path of the program `name` in the folder of this program's own file, with ".exe" on Windows.
 * It is valid until the next call. */
const char *program_beside(const char *name);

#ifndef _WIN32
/* Where `name` is found by default: in $XDG_RUNTIME_DIR, or as /tmp/NAME.UID. The string is valid
 * until the next call. */
const char *runtime_path(const char *name);
#endif

#endif
