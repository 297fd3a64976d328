/*
 * contract.h - what both programs of this lab agree on, on both systems: which events there
 * are, what they are called, in which colours the server reports them, and which of them end
 * it.
 *
 * Windows NT has five events of the console. Each has a nearest relative among the signals of
 * UNIX, which has many more; a line of the one table mirrors the same line of the other. The
 * colours are those of a terminal, 0 to 15; bright red on blue is the listing's.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The greatest COUNT. */
#define MAX_COUNT 1000000

/* The server's lines that the client waits for begin so. */
#define READY_LINE "server: ready "
#define RECEIVED_LINE "server: received \"%s\""

/* How many bytes one read asks for, and how long a command line of Windows may be. */
#define READ_SIZE 4096
#define COMMAND_LINE_ROOM 32767

/* The colours, in the numbers of ANSI: 1 red, 2 green, 4 blue, and 8 more for the bright ones.
 * A terminal takes 30 + number for the text (90 + number - 8 for a bright one) and 40 + number
 * for the ground; the order of the bits that a Windows console takes is another: see there. */
enum colour {
    BLACK = 0,
    RED = 1,
    GREEN = 2,
    BLUE = 4,
    CYAN = 6,
    BRIGHT_RED = 9,
    BRIGHT_GREEN = 10,
    BRIGHT_YELLOW = 11,
    BRIGHT_WHITE = 15
};

struct event {
    const char *name; /* as in the transcript, and in the client's arguments */
    int number;       /* of the signal, or the console event */
    enum colour text, ground;
    bool ends; /* the server reports it, and then lets it end the process */
};

#ifdef _WIN32

#include <windows.h>

static const struct event events[] = {
    {"CTRL_C_EVENT", CTRL_C_EVENT, BRIGHT_RED, BLUE, false},
    {"CTRL_BREAK_EVENT", CTRL_BREAK_EVENT, BRIGHT_YELLOW, RED, true},
    {"CTRL_CLOSE_EVENT", CTRL_CLOSE_EVENT, BRIGHT_WHITE, RED, true},
    {"CTRL_LOGOFF_EVENT", CTRL_LOGOFF_EVENT, BLACK, GREEN, true},
    {"CTRL_SHUTDOWN_EVENT", CTRL_SHUTDOWN_EVENT, BLACK, CYAN, true},
};

/* What the client sends when nobody says otherwise. */
static const char *const default_events[] = {"CTRL_C_EVENT", "CTRL_C_EVENT"};

#else

#include <signal.h>

/* A real-time signal: SIGRTMIN is no constant, because the C library keeps some for itself. */
#define REAL_TIME (-1)

static const struct event events[] = {
    {"SIGINT", SIGINT, BRIGHT_RED, BLUE, false},
    {"SIGQUIT", SIGQUIT, BRIGHT_YELLOW, RED, true},
    {"SIGHUP", SIGHUP, BRIGHT_WHITE, RED, true},
    {"SIGTERM", SIGTERM, BLACK, CYAN, true},
    /* Windows has nothing like these. */
    {"SIGCHLD", SIGCHLD, BRIGHT_GREEN, BLACK, false},
    {"SIGWINCH", SIGWINCH, BRIGHT_GREEN, BLACK, false},
    {"SIGALRM", SIGALRM, BRIGHT_GREEN, BLACK, false},
    {"SIGUSR1", SIGUSR1, BRIGHT_GREEN, BLACK, false},
    {"SIGRTMIN", REAL_TIME, BRIGHT_GREEN, BLACK, false},
};

/* What the client sends when nobody says otherwise. */
static const char *const default_events[] = {"SIGINT", "SIGUSR1", "SIGTERM"};

#endif

#define EVENTS (sizeof events / sizeof *events)
#define DEFAULT_EVENTS (sizeof default_events / sizeof *default_events)

/* The number that the system knows the event by. */
static inline int number_of(const struct event *event)
{
#ifdef REAL_TIME
    if (event->number == REAL_TIME)
        return SIGRTMIN;
#endif
    return event->number;
}

/* The event of that number, or NULL. */
static inline const struct event *event_numbered(int number)
{
    for (size_t i = 0; i < EVENTS; i++)
        if (number_of(&events[i]) == number)
            return &events[i];
    return NULL;
}

/* The event of that name, or NULL. */
static inline const struct event *event_named(const char *name)
{
    for (size_t i = 0; i < EVENTS; i++)
        if (strcmp(events[i].name, name) == 0)
            return &events[i];
    return NULL;
}

#endif
