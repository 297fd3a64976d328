/*
 * session.h - what a client knows besides its keyboard and its connection: the lines that wait to be
 * sent, how fast they may be sent, what has been received, and when to try a lost server again. Pure
 * C, for both systems, without system calls: `now` is the time in milliseconds by any clock.
 */
#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "contract.h"
#include "ipclab.h"
#include "line.h"
#include "wire.h"

struct session {
    struct address address;
    bool find, retry;       /* the options --find and --retry */
    char name[NAME_SIZE];   /* to take on each connection; empty: none */
    bool input_ended;       /* nothing more will be typed */
    bool leaving;           /* /quit was sent, or there is nothing left to do */
    long long leave_by;     /* leaving: the client waits no longer for the server */
    struct buffer typed;    /* lines to send; the last one may not be complete */
    struct buffer received; /* the beginning of a line that is not yet complete */
    long long credit,
        counted; /* thousandths of lines that may be sent now; when it was counted */
    long long next_attempt; /* without a connection: when to try again */
    int pause_seconds;      /* the pause before that */
};

/* Takes the program's arguments. Wrong ones end the program. */
void session_begin(struct session *session, char *argv[], long long now);

/* There is a new connection. Puts the first line to send into `line`: it is empty without a name. */
void session_connected(struct session *session, struct buffer *line);

/* The connection is lost, or could not be made. Sets the next attempt, after a pause that doubles each
 * time. Returns what to report; valid until the next call. */
const char *session_lost(struct session *session, const char *why, long long now);

/* Takes one byte from a terminal, as UTF-8, which changes `line`; or the bytes that a filter has
 * read. */
void session_key(struct session *session, struct line *line, unsigned char byte);
void session_bytes(struct session *session, const char *bytes, size_t length);

/* Whether a line is complete and waits to be sent. Then the keyboard is left alone. */
bool session_waits(const struct session *session);

/* Puts the next line that may be sent now into `line`, with its newline. At the end of the input that
 * is what is left, and then /quit. Returns false if there is none, or if it is too early. */
bool session_next_line(struct session *session, bool connected, long long now,
                       struct buffer *line);

/* The server has sent these bytes. Then session_text() returns one complete line after the other,
 * clean and with a NUL, and NULL after the last. Each is valid until the next call. */
void session_received(struct session *session, const char *bytes, size_t length);
const char *session_text(struct session *session, size_t *length);

/* Returns for how many milliseconds the client may wait; -1: without a limit. */
int session_wait(const struct session *session, bool connected, long long now);

#endif
