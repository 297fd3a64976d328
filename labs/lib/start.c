/*
 * start.c - how a program begins: its name, its arguments, its standard streams.
 */
#include "ipclab.h"

#include "inside.h"

#include <errno.h>
#include <fcntl.h>

#ifdef _WIN32
#include <io.h>

/* The C runtime's own function, in no header of MinGW-w64. CommandLineToArgvW() does the same, but
 * brings shell32.dll and half of the desktop with it: a start under Wine takes three times as long. */
int __cdecl __wgetmainargs(int *count, wchar_t ***arguments, wchar_t ***environment,
                           int expand_wildcards, int *new_mode);
#endif

static const char *program_usage = "";

#ifdef _WIN32

/* A missing handle becomes one of the null device that can only be read: a write still fails. */
static void open_missing_streams(void)
{
    static const DWORD streams[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
                                    STD_ERROR_HANDLE};
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        HANDLE handle = GetStdHandle(streams[i]);
        if (handle != NULL && handle != INVALID_HANDLE_VALUE)
            continue;
        handle = CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE,
                             NULL, OPEN_EXISTING, 0, NULL);
        if (handle == INVALID_HANDLE_VALUE || !SetStdHandle(streams[i], handle))
            sys_error("CreateFile");
    }
}

/* The program's arguments in UTF-8: those of main are in the console's code page. */
static char **utf8_arguments(void)
{
    int count, new_mode = 0;
    wchar_t **wide, **environment;
    if (__wgetmainargs(&count, &wide, &environment, 0, &new_mode) != 0)
        fatal("the arguments cannot be read");
    char **arguments = allocate(((size_t)count + 1) * sizeof *arguments);
    for (int i = 0; i < count; i++)
        arguments[i] = to_utf8(wide[i], wcslen(wide[i]));
    arguments[count] = NULL;
    return arguments;
}

#else

/* open() returns the lowest number that is free: the closed stream's own, going upwards. It is
 * opened to be read only: a write to the stream still fails. */
static void open_missing_streams(void)
{
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        if (fcntl(stream, F_GETFD) == -1 && open("/dev/null", O_RDONLY) == -1)
            exit(EXIT_FAILURE); /* and nowhere to print why */
}

#endif

void begin_program(const char *name, const char *usage, char **argv[])
{
    ipclab_name = name;
    program_usage = usage;
    open_missing_streams();
#ifdef _WIN32
    *argv = utf8_arguments();
    /* As the bytes are: in text mode CR LF would become LF, and 0x1A would end the input. */
    _setmode(_fileno(stdin), _O_BINARY);
    _setmode(_fileno(stdout), _O_BINARY);
    _setmode(_fileno(stderr), _O_BINARY);
#else
    (void)argv;
#endif
}

void usage_exit(void)
{
    ipclab_print_line(stderr, "usage: %s %s", ipclab_name, program_usage);
    exit(2);
}

long parse_long(const char *what, const char *text, long least, long most)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    bool digits = *text >= '0' && *text <= '9'; /* strtol also takes blanks and a sign */
    if (!digits || *end != '\0' || errno == ERANGE || number < least || number > most) {
        ipclab_print_line(stderr, "usage: %s %s; %s is a whole number from %ld to %ld",
                          ipclab_name, program_usage, what, least, most);
        exit(2);
    }
    return number;
}
