/*
 * session.c - what a client knows besides its keyboard and its connection: see session.h.
 */
#include "session.h"

static void take_address(struct session *session, char *argv[])
{
    const char *where = DEFAULT_ADDRESS;
    if (*argv != NULL)
        where = *argv++;
    if (*argv != NULL || !parse_address(where, &session->address))
        usage_exit();
}

void session_begin(struct session *session, char *argv[], long long now)
{
    session->pause_seconds = FIRST_PAUSE;
    session->credit = 1000LL * CLIENT_BURST;
    session->counted = now;
    session->find = argv[1] != NULL && strcmp(argv[1], "--find") == 0 && argv[2] == NULL;
    if (session->find)
        return;
    for (argv++; *argv != NULL && strncmp(*argv, "--", 2) == 0; argv++) {
        if (strcmp(*argv, "--retry") == 0) {
            session->retry = true;
        } else if (strcmp(*argv, "--name") == 0 && argv[1] != NULL && is_name(argv[1])) {
            argv++;
            memcpy(session->name, *argv, strlen(*argv) + 1);
        } else {
            usage_exit();
        }
    }
    take_address(session, argv);
}

/* ---- What is sent ---------------------------------------------------------------------- */

/* Lines that still come do not make the wait longer. `counted` is now. */
static void leave(struct session *session)
{
    session->leaving = true;
    session->leave_by = session->counted + 1000LL * LEAVING_SECONDS;
}

/* Puts one line into `line`, without its CR and with a newline; nothing if it is empty. Of a line that
 * is too long only so much that the server refuses it. */
static void make_line(struct session *session, const char *text, size_t length,
                      struct buffer *line)
{
    if (length > 0 && text[length - 1] == '\r')
        length--;
    if (length == 0)
        return;
    if (length == 5 && memcmp(text, "/quit", 5) == 0)
        leave(session);
    if (length > 6 && length < 6 + NAME_SIZE && memcmp(text, "/name ", 6) == 0)
        snprintf(session->name, sizeof session->name, "%.*s", (int)length - 6,
                 text + 6); /* for --retry */
    buffer_append(line, text, length <= TEXT_LIMIT ? length : TEXT_LIMIT + 1);
    buffer_append(line, "\n", 1);
    session->credit -= 1000;
}

void session_connected(struct session *session, struct buffer *line)
{
    session->pause_seconds = FIRST_PAUSE;
    session->received.length = 0;
    line->length = 0;
    if (session->name[0] != '\0') {
        char command[NAME_SIZE + 8];
        int length = snprintf(command, sizeof command, "/name %s", session->name);
        make_line(session, command, (size_t)length, line);
    }
}

const char *session_lost(struct session *session, const char *why, long long now)
{
    static char text[100];
    int seconds = session->pause_seconds;
    snprintf(text, sizeof text, "%s; next attempt in %d s", why, seconds);
    session->next_attempt = now + 1000LL * seconds;
    session->pause_seconds = 2 * seconds < LONGEST_PAUSE ? 2 * seconds : LONGEST_PAUSE;
    return text;
}

void session_key(struct session *session, struct line *line, unsigned char byte)
{
    enum key key = line_key(line, byte);
    if (key == KEY_ENTER) {
        buffer_append(&session->typed, line->text, line->length);
        buffer_append(&session->typed, "\n", 1);
        line_clear(line);
    } else if (key == KEY_END) {
        session->input_ended = true;
    }
}

/* A line without an end must not fill the memory: of one that is too long, so much is kept that the
 * server refuses it. */
void session_bytes(struct session *session, const char *bytes, size_t length)
{
    buffer_append(&session->typed, bytes, length);
    if (!session_waits(session) && session->typed.length > TEXT_LIMIT + 1)
        session->typed.length = TEXT_LIMIT + 1;
}

bool session_waits(const struct session *session)
{
    return buffer_find(&session->typed, '\n') > 0;
}

/* How many lines may be sent now, in thousandths: the server counts in the same way. */
static void count_credit(struct session *session, long long now)
{
    session->credit += (now - session->counted) * LINE_RATE;
    if (session->credit > 1000LL * CLIENT_BURST)
        session->credit = 1000LL * CLIENT_BURST;
    session->counted = now;
}

bool session_next_line(struct session *session, bool connected, long long now,
                       struct buffer *line)
{
    struct buffer *typed = &session->typed;
    count_credit(session, now);
    line->length = 0;
    while (connected && !session->leaving && session->credit >= 1000 &&
           session_waits(session) && line->length == 0) {
        size_t size = buffer_find(typed, '\n');
        make_line(session, typed->bytes, size - 1, line);
        buffer_remove(typed, size);
    }
    if (line->length > 0)
        return true;
    if (!session->input_ended || session->leaving || session_waits(session))
        return false;
    if (!connected && typed->length > 0) /* the last line waits for a connection */
        return false;
    make_line(session, typed->bytes, typed->length, line);
    typed->length = 0;
    if (line->length > 0)
        return true;
    if (connected)
        make_line(session, "/quit", 5, line); /* which is never too fast */
    leave(session);
    return line->length > 0;
}

/* ---- What is received ------------------------------------------------------------------ */

void session_received(struct session *session, const char *bytes, size_t length)
{
    buffer_append(&session->received, bytes, length);
}

/* The server may be another program than ours: its lines are cleaned again. */
const char *session_text(struct session *session, size_t *length)
{
    static char text[3 * LINE_SIZE + 1];
    struct buffer *received = &session->received;
    size_t size = buffer_find(received, '\n');
    if (size == 0 && received->length <= LINE_SIZE)
        return NULL;
    bool whole = size > 0 && size <= LINE_SIZE;
    size_t most = whole ? size : LINE_SIZE, used = whole ? size - 1 : LINE_SIZE;
    if (whole && used > 0 && received->bytes[used - 1] == '\r')
        used--;
    *length = clean_text(text, received->bytes, used);
    buffer_remove(received, most);
    return text;
}

/* ---- How long to wait ------------------------------------------------------------------ */

int session_wait(const struct session *session, bool connected, long long now)
{
    if (!connected || session->leaving) {
        long long end = connected ? session->leave_by : session->next_attempt;
        return end > now ? (int)(end - now) : 0;
    }
    if (session_waits(session))
        return (int)((1000 - session->credit) / LINE_RATE + 1);
    return -1;
}
