/*
 * room.h - the room: its users, what their lines mean, and what waits to be sent to them. Pure C,
 * for both systems, without system calls: a server moves bytes between this and its connections.
 *
 * A server calls room_enter() for each connection, room_input() for what it has received, and then
 * room_ready() until that returns NULL: each user that it returns has something to be sent, or is
 * to be closed. No function here closes or frees a connection: only the server does.
 */
#ifndef ROOM_H
#define ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "contract.h"
#include "history.h"
#include "ipclab.h"
#include "wire.h"

enum stay {
    STAYS,
    LEAVES, /* close the connection when all its output is sent */
    GONE    /* close it now */
};

struct user {
    void *connection; /* the server's */
    enum stay stay;
    struct buffer output; /* what waits to be sent to this user */

    /* The rest is the room's own. */
    size_t shown; /* bytes of the history in the queue: QUEUE_LIMIT does not count them */
    long number;
    char name[NAME_SIZE], looks[NAME_SIZE]; /* empty: not yet in the room */
    char line[TEXT_LIMIT + 1]; /* the beginning of a line that has no end yet */
    size_t line_length;        /* of the whole line, also if it is too long */
    bool ready, overflows, warned;
    long long credit,
        counted;    /* thousandths of lines that may come now; when that was counted */
    size_t ignored; /* lines since the user was warned */
    long long leave_by; /* LEAVES: when it becomes GONE */
    struct user *next, *previous, *next_ready;
};

/* Takes the server's arguments. Wrong ones end the program. */
struct room_options {
    long rate, silence;  /* --rate LINES, --silence SECONDS */
    const char *history; /* --history FILE; NULL without it */
    struct address address;
};
#define SERVER_USAGE "[--rate LINES] [--silence SECONDS] [--history FILE] [ADDRESS]"
void take_room_options(char *argv[], struct room_options *options);

/* Sets how many lines a second a user may send (0: any number), and where messages are kept
 * (NULL: nowhere). A file of zeros becomes a history. Returns false if it is something else. */
bool room_open(long rate, struct history *history);

/* A client has connected. `connection` is what room_ready() returns in the user. */
struct user *room_enter(void *connection);

/* The client has sent these bytes: lines, parts of lines. `now` are milliseconds by any clock. */
void room_input(struct user *user, const char *bytes, size_t length, long long now);

/* The client has sent its last byte: it leaves. A last line without a newline counts. */
void room_end_of_input(struct user *user, long long now);

/* The connection is lost, or closed by the server, which prints why: "left". */
void room_lost(struct user *user);

/* Returns a user that has output to be sent, or is to be closed; NULL if there is none. */
struct user *room_ready(void);

/* The server has sent so many bytes of the user's output. */
void room_sent(struct user *user, size_t length);

/* Users that have not read the last bytes in time become GONE. Returns whether the server must call
 * this again, within a second. */
bool room_tick(long long now);

/* The server ends: all users leave. */
void room_close(long long now);

/* The user's connection is closed: frees the user. */
void room_forget(struct user *user);

/* The first user of all, named or not; then follow `next`. */
struct user *room_users(void);

#endif
