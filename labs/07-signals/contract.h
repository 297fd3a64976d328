/*
 * contract.h - what both programs of this lab share, on both systems: the events, their
 * names, their colours in the report of the server, and which of them end the server.
 *
 * Windows NT has five console events. The UNIX signals that come nearest to them are SIGINT,
 * SIGQUIT, SIGHUP (also at logoff) and SIGTERM (shutdown). UNIX has many more signals. Bright red
 * on blue is the listing's.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The greatest COUNT. */
#define MAX_COUNT 1000000

/* The client waits for lines of the server that begin like this. */
#define READY_LINE "server: ready "
#define RECEIVED_LINE "server: received \"%s\""

/* No line about an event, and no part of one, has more bytes than this. */
#define LINE_SIZE 64

/* How many bytes one read asks for. A longer line takes more reads. */
#define READ_SIZE 4096

/* UNIX: the exit code of a child that cannot become the server. Shells use the same. */
#define EXEC_FAILED 127

/* Windows: the longest command line of CreateProcess, with its NUL. */
#define COMMAND_LINE_SIZE 32767

#ifdef _WIN32

#include <winsock2.h> /* before windows.h */
#include <windows.h>

/* A console has its colours as bits, for the text and for the background. Without a bit for
 * the text it is black. */
#define YELLOW (FOREGROUND_RED | FOREGROUND_GREEN)
#define WHITE (FOREGROUND_RED | FOREGROUND_GREEN | FOREGROUND_BLUE)
#define BRIGHT(text_colour) ((text_colour) | FOREGROUND_INTENSITY)

struct event {
    const char *name; /* as in the transcript and in the client's arguments */
    DWORD colours;    /* for SetConsoleTextAttribute(), which takes 16 bits */
    int number;       /* the argument of the handler */
    bool ends;        /* the server reports it, and is then ended by it */
};

static const struct event events[] = {
    {"CTRL_C_EVENT", BRIGHT(FOREGROUND_RED) | BACKGROUND_BLUE, CTRL_C_EVENT, false},
    {"CTRL_BREAK_EVENT", BRIGHT(YELLOW) | BACKGROUND_RED, CTRL_BREAK_EVENT, true},
    {"CTRL_CLOSE_EVENT", BRIGHT(WHITE) | BACKGROUND_RED, CTRL_CLOSE_EVENT, true},
    {"CTRL_LOGOFF_EVENT", BACKGROUND_GREEN, CTRL_LOGOFF_EVENT, true},
    {"CTRL_SHUTDOWN_EVENT", BACKGROUND_GREEN | BACKGROUND_BLUE, CTRL_SHUTDOWN_EVENT,
     true},
};

/* What the client sends if its arguments name no events. */
static char *const default_events[] = {"CTRL_C_EVENT", "CTRL_C_EVENT"};

#else

#include <signal.h>

struct event {
    const char *name;    /* as in the transcript and in the client's arguments */
    const char *colours; /* of text and background, as in the terminal's ESC [ 91;44 m */
    int number;          /* of the signal; see event_number() */
    bool ends;           /* the server reports it, and is then ended by it */
};

/* SIGRTMIN is no constant: the C library keeps some of the real-time signals for itself. */
#define FIRST_REAL_TIME (-1)

static const struct event events[] = {
    {"SIGINT", "91;44", SIGINT, false},  /* bright red on blue */
    {"SIGQUIT", "93;41", SIGQUIT, true}, /* bright yellow on red */
    {"SIGHUP", "97;41", SIGHUP, true},   /* bright white on red */
    {"SIGTERM", "30;46", SIGTERM, true}, /* black on cyan */
    /* Nothing on Windows corresponds to these: bright green on black. */
    {"SIGCHLD", "92;40", SIGCHLD, false},
    {"SIGWINCH", "92;40", SIGWINCH, false},
    {"SIGALRM", "92;40", SIGALRM, false},
    {"SIGUSR1", "92;40", SIGUSR1, false},
    {"SIGRTMIN", "92;40", FIRST_REAL_TIME, false},
};

/* What the client sends if its arguments name no events. */
static char *const default_events[] = {"SIGINT", "SIGUSR1", "SIGTERM"};

#endif

#define EVENTS (sizeof events / sizeof *events)
#define DEFAULT_EVENTS (sizeof default_events / sizeof *default_events)

/* The number by which the system knows the event. */
static inline int event_number(const struct event *event)
{
#ifdef FIRST_REAL_TIME
    if (event->number == FIRST_REAL_TIME)
        return SIGRTMIN;
#endif
    return event->number;
}

/* The event with that number, or NULL. */
static inline const struct event *event_numbered(int number)
{
    for (size_t i = 0; i < EVENTS; i++)
        if (event_number(&events[i]) == number)
            return &events[i];
    return NULL;
}

/* The event with that name, or NULL. */
static inline const struct event *event_named(const char *name)
{
    for (size_t i = 0; i < EVENTS; i++)
        if (strcmp(events[i].name, name) == 0)
            return &events[i];
    return NULL;
}

#endif
