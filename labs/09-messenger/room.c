/*
 * room.c - the room: see room.h.
 */
#include "room.h"

#include <stdarg.h>
#include <time.h>

static struct user *users;                    /* the newest first */
static struct user *first_ready, *last_ready; /* each is sent to in its turn */
static size_t named;                          /* users that have a name */
static size_t departed; /* users that have left, and still have a connection */
static bool overflow;   /* a user has more output than QUEUE_LIMIT */
static long line_rate = LINE_RATE;
static struct history *messages;

void take_room_options(char *argv[], struct room_options *options)
{
    const char *where = DEFAULT_ADDRESS;
    *options = (struct room_options){.rate = LINE_RATE, .silence = SILENCE};
    for (argv++; *argv != NULL && strncmp(*argv, "--", 2) == 0; argv += 2) {
        if (argv[1] != NULL && strcmp(*argv, "--rate") == 0)
            options->rate = parse_long("LINES", argv[1], 0, MAX_RATE);
        else if (argv[1] != NULL && strcmp(*argv, "--silence") == 0)
            options->silence = parse_long("SECONDS", argv[1], LEAST_SILENCE,
                                          LONGEST_SILENCE);
        else if (argv[1] != NULL && strcmp(*argv, "--history") == 0)
            options->history = argv[1];
        else
            usage_exit();
    }
    if (*argv != NULL)
        where = *argv++;
    if (*argv != NULL || !parse_address(where, &options->address))
        usage_exit();
}

/* ---- Output ---------------------------------------------------------------------------- */

static void make_ready(struct user *user)
{
    if (user->ready)
        return;
    user->ready = true;
    user->next_ready = NULL;
    if (first_ready == NULL)
        first_ready = user;
    else
        last_ready->next_ready = user;
    last_ready = user;
}

/* Puts a line into the user's queue. A user whose queue is full is not dropped here: that would be
 * announced in the middle of a message, and not everybody would see both in the same order. */
static void put_line(struct user *user, const char *line, size_t length)
{
    if (user->stay != STAYS || user->overflows)
        return;
    if (user->output.length + length > QUEUE_LIMIT + user->shown) {
        user->overflows = overflow = true;
        return;
    }
    buffer_append(&user->output, line, length);
    make_ready(user);
}

static void reply(struct user *user, const char *format, ...) LIKE_PRINTF(2, 3);

/* One line for one user: `format` filled in. */
static void reply(struct user *user, const char *format, ...)
{
    char line[LINE_SIZE];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line, sizeof line - 1, format, values);
    va_end(values);
    line[length++] = '\n';
    put_line(user, line, (size_t)length);
}

/* The time of a message: HH:MM by the server's clock. */
static const char *clock_text(void)
{
    static char text[8];
    time_t now = time(NULL);
    /* cppcheck-suppress localtimeCalled ; one thread alone has the room */
    const struct tm *local = localtime(&now);
    strftime(text, sizeof text, "%H:%M", local);
    return text;
}

/* One line for everybody in the room, in one order: what is put first is sent first to all. */
static void tell_all(const char *line, size_t length)
{
    for (struct user *user = users; user != NULL; user = user->next)
        if (user->name[0] != '\0')
            put_line(user, line, length);
}

static void announce(const char *name, const char *what)
{
    char line[LINE_SIZE];
    if (named > ANNOUNCE_LIMIT)
        return;
    int length = snprintf(line, sizeof line, "%s * %s %s\n", clock_text(), name, what);
    tell_all(line, (size_t)length);
}

/* ---- History --------------------------------------------------------------------------- */

bool room_open(long rate, struct history *history)
{
    static const char zeros[sizeof messages->magic];
    line_rate = rate;
    messages = history;
    if (history == NULL)
        return true;
    if (memcmp(history->magic, zeros, sizeof zeros) == 0 && history->count == 0)
        memcpy(history->magic, HISTORY_MAGIC, sizeof HISTORY_MAGIC);
    return memcmp(history->magic, HISTORY_MAGIC, sizeof HISTORY_MAGIC) == 0;
}

/* Keeps a line with its newline. The count comes last: if the server is killed between the two, the
 * message is not there, and all others are. */
static void keep(const char *line, size_t length)
{
    if (messages == NULL)
        return;
    uint64_t slot = messages->count % (HISTORY_LENGTH + 1);
    memcpy(messages->entries[slot].text, line, length);
    messages->entries[slot].length = (uint32_t)length;
    messages->count++;
}

/* A file can contain anything: what comes from it is cleaned like what comes from a client. */
static void show_history(struct user *user)
{
    if (messages == NULL || messages->count == 0)
        return;
    uint64_t count = messages->count < HISTORY_LENGTH ? messages->count : HISTORY_LENGTH;
    reply(user, "* the last messages:");
    for (uint64_t i = messages->count - count; i < messages->count; i++) {
        uint64_t slot = i % (HISTORY_LENGTH + 1);
        uint32_t length = messages->entries[slot].length;
        char line[3 * LINE_SIZE + 1];
        if (length == 0 || length > LINE_SIZE)
            continue;
        size_t made = clean_text(line, messages->entries[slot].text, length - 1);
        line[made] = '\n';
        user->shown += made + 1;
        put_line(user, line, made + 1);
    }
}

/* ---- Coming and going ------------------------------------------------------------------ */

struct user *room_enter(void *connection)
{
    static long number;
    struct user *user = allocate(sizeof *user);
    number++;
    *user = (struct user){.connection = connection, .number = number, .next = users};
    user->credit = 1000LL * LINE_BURST;
    user->counted = -1;
    if (users != NULL)
        users->previous = user;
    users = user;
    log_event("server: client %ld connected", user->number);
    reply(user, "* welcome; type /name and your name, or /help");
    return user;
}

/* The user is no longer in the room; its connection is still there. */
static void depart(struct user *user, enum stay stay, const char *what)
{
    if (user->stay == STAYS) {
        log_event("server: client %ld %s", user->number, what);
        departed++;
    }
    if (user->stay < stay)
        user->stay = stay;
    make_ready(user);
    if (user->name[0] == '\0')
        return;
    char name[NAME_SIZE];
    memcpy(name, user->name, sizeof name);
    user->name[0] = '\0';
    announce(name, what);
    named--;
}

static void quit(struct user *user, long long now)
{
    if (user->stay == STAYS)
        user->leave_by = now + 1000LL * LEAVING_SECONDS;
    depart(user, LEAVES, "left");
}

void room_lost(struct user *user)
{
    depart(user, GONE, "left");
}

/* The reason is the last line that the user gets. */
static void drop_flooder(struct user *user, long long now)
{
    reply(user, "! dropped: too many lines");
    user->leave_by = now + 1000LL * LEAVING_SECONDS;
    depart(user, LEAVES, "was dropped: flooding");
}

struct user *room_ready(void)
{
    while (overflow) { /* to announce one may fill another's queue */
        overflow = false;
        for (struct user *user = users; user != NULL; user = user->next)
            if (user->overflows && user->stay == STAYS)
                depart(user, GONE, "was dropped: does not read");
    }
    struct user *user = first_ready;
    if (user != NULL) {
        first_ready = user->next_ready;
        user->ready = false;
    }
    return user;
}

void room_sent(struct user *user, size_t length)
{
    buffer_remove(&user->output, length);
    if (user->output.length == 0) { /* a silent user costs no memory for its queue */
        free(user->output.bytes);
        user->output = (struct buffer){0};
        user->shown = 0;
    }
}

bool room_tick(long long now)
{
    if (departed == 0) /* nearly always */
        return false;
    for (struct user *user = users; user != NULL; user = user->next) {
        if (user->stay == LEAVES && now >= user->leave_by) {
            user->stay = GONE;
            make_ready(user);
        }
    }
    return true;
}

void room_close(long long now)
{
    for (struct user *user = users; user != NULL; user = user->next)
        if (user->name[0] != '\0')
            reply(user, "%s * the server ends", clock_text());
    for (struct user *user = users; user != NULL; user = user->next)
        user->name[0] = '\0';
    for (struct user *user = users; user != NULL; user = user->next)
        quit(user, now);
}

void room_forget(struct user *user)
{
    if (user->previous != NULL)
        user->previous->next = user->next;
    else
        users = user->next;
    if (user->next != NULL)
        user->next->previous = user->previous;
    if (user->ready) { /* take it out of the list of those that are ready */
        struct user **place = &first_ready, *before = NULL;
        while (*place != user) {
            before = *place;
            place = &before->next_ready;
        }
        *place = user->next_ready;
        if (last_ready == user)
            last_ready = before;
    }
    if (user->stay != STAYS)
        departed--;
    free(user->output.bytes);
    free(user);
}

struct user *room_users(void)
{
    return users;
}

/* ---- Commands -------------------------------------------------------------------------- */

static struct user *find_user(const char *name)
{
    for (struct user *user = users; user != NULL; user = user->next)
        if (user->name[0] != '\0' && strcmp(user->name, name) == 0)
            return user;
    return NULL;
}

static struct user *find_alike(const char *looks, const struct user *except)
{
    for (struct user *user = users; user != NULL; user = user->next)
        if (user != except && user->name[0] != '\0' && strcmp(user->looks, looks) == 0)
            return user;
    return NULL;
}

static void take_name(struct user *user, const char *name)
{
    if (!is_name(name)) {
        reply(user, "! a name has 1 to %d letters, digits, - and _", NAME_LIMIT);
        return;
    }
    char looks[NAME_SIZE];
    looks_of(name, looks);
    const struct user *other = find_alike(looks, user);
    if (other != NULL && strcmp(other->name, name) == 0) {
        reply(user, "! the name %s is taken", name);
        return;
    }
    if (other != NULL) {
        reply(user, "! the name %s looks like %s, which is taken", name, other->name);
        return;
    }
    char old[NAME_SIZE];
    memcpy(old, user->name, sizeof old);
    memcpy(user->looks, looks, sizeof user->looks);
    snprintf(user->name, sizeof user->name, "%s", name);
    log_event("server: client %ld is %s", user->number, name);
    if (old[0] == '\0') {
        named++;
        show_history(user);
        reply(user, "* you are %s; users here: %zu", name, named);
        announce(name, "joined");
        return;
    }
    reply(user, "* you are %s; users here: %zu", name, named);
    if (strcmp(old, name) != 0) {
        char what[NAME_SIZE + 16];
        snprintf(what, sizeof what, "is now %s", name);
        announce(old, what);
    }
}

/* "/to NAME TEXT": the receiver and the sender get the line, and nobody else. */
static void send_to(struct user *user, const char *rest)
{
    char name[NAME_SIZE];
    size_t length = strcspn(rest, " ");
    const char *text = rest + length + strspn(rest + length, " ");
    if (length == 0 || *text == '\0') {
        reply(user, "! write /to NAME TEXT");
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : 0), rest);
    struct user *to = find_user(name);
    if (to == NULL) {
        reply(user, "! no user has this name; /who lists the names");
        return;
    }
    char line[LINE_SIZE];
    int made = snprintf(line, sizeof line, "%s %s > %s: %s\n", clock_text(), user->name,
                        name, text);
    put_line(to, line, (size_t)made);
    if (to != user)
        put_line(user, line, (size_t)made);
    log_event("server: %s wrote to %s", user->name, name);
}

static void say(struct user *user, const char *text)
{
    char line[LINE_SIZE];
    int length = snprintf(line, sizeof line, "%s %s: %s\n", clock_text(), user->name,
                          text);
    keep(line, (size_t)length);
    tell_all(line, (size_t)length);
    char what[NAME_SIZE + 16];
    snprintf(what, sizeof what, "server: %s:", user->name);
    log_text(what, text, strlen(text));
}

/* The names, as many in a line as TEXT_LIMIT allows, then how many there are. */
static void list_users(struct user *user)
{
    char line[TEXT_LIMIT + NAME_SIZE + 1] = "";
    size_t length = 0;
    for (const struct user *other = users; other != NULL; other = other->next) {
        if (other->name[0] == '\0')
            continue;
        length += (size_t)snprintf(line + length, sizeof line - length, " %s",
                                   other->name);
        if (length < TEXT_LIMIT - NAME_SIZE)
            continue;
        reply(user, "* here:%s", line);
        length = 0;
    }
    if (length > 0)
        reply(user, "* here:%s", line);
    reply(user, "* users here: %zu", named);
}

static void help(struct user *user)
{
    static const char *const lines[] = {
        "/name NAME       take a name, or change it",
        "TEXT             write to everybody",
        "//TEXT           write to everybody a text that begins with /",
        "/to NAME TEXT    write to one user",
        "/who             list the users",
        "/quit            leave",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        reply(user, "* %s", lines[i]);
}

/* Returns what follows the command in `line`, NULL if it is another command. */
static const char *after_command(const char *line, const char *command)
{
    size_t length = strlen(command);
    if (strncmp(line, command, length) != 0 ||
        (line[length] != ' ' && line[length] != '\0'))
        return NULL;
    return line + length + strspn(line + length, " ");
}

/* One clean line, which is not empty. */
static void obey(struct user *user, const char *line, long long now)
{
    const char *rest;
    bool command = line[0] == '/' && line[1] != '/';
    if (command && (rest = after_command(line, "/name")) != NULL) {
        take_name(user, rest);
    } else if (command && after_command(line, "/quit") != NULL) {
        reply(user, "* bye");
        quit(user, now);
    } else if (command && after_command(line, "/help") != NULL) {
        help(user);
    } else if (command && after_command(line, "/who") != NULL) {
        list_users(user);
    } else if (user->name[0] == '\0') {
        reply(user, "! first take a name: /name and your name");
    } else if (command && (rest = after_command(line, "/to")) != NULL) {
        send_to(user, rest);
    } else if (command) {
        reply(user, "! no such command; /help lists them");
    } else {
        say(user, line[0] == '/' ? line + 1 : line);
    }
}

/* ---- Input ----------------------------------------------------------------------------- */

/* Whether the user may send one more line now. Credit grows with time, up to LINE_BURST lines. */
static bool may_send(struct user *user, long long now)
{
    long long most = 1000LL * LINE_BURST;
    if (line_rate == 0)
        return true;
    if (user->counted != -1)
        user->credit += (now - user->counted) * line_rate;
    if (user->credit > most)
        user->credit = most;
    user->counted = now;
    if (user->credit < 1000)
        return false;
    user->credit -= 1000;
    return true;
}

/* A line came too fast: one error for the user, then drop it. */
static void refuse(struct user *user, long long now)
{
    if (!user->warned)
        reply(user, "! too fast: %ld lines a second; these lines are not sent on",
              line_rate);
    user->warned = true;
    user->ignored++;
    if (user->ignored > FLOOD_LIMIT)
        drop_flooder(user, now);
}

/* The line is complete, without its newline. */
static void end_line(struct user *user, long long now)
{
    char text[3 * TEXT_LIMIT + 1];
    size_t length = user->line_length;
    user->line_length = 0;
    if (length > 0 && length <= sizeof user->line && user->line[length - 1] == '\r')
        length--;
    if (length == 0)
        return;
    bool quits = length == 5 && memcmp(user->line, "/quit", 5) == 0;
    if (!quits && !may_send(user, now)) {
        refuse(user, now);
        return;
    }
    user->warned = false;
    user->ignored = 0;
    if (length > TEXT_LIMIT) {
        reply(user, "! a line has at most %d bytes", TEXT_LIMIT);
        return;
    }
    clean_text(text, user->line, length);
    obey(user, text, now);
}

void room_end_of_input(struct user *user, long long now)
{
    if (user->stay == STAYS && user->line_length > 0)
        end_line(user, now);
    quit(user, now);
}

void room_input(struct user *user, const char *bytes, size_t length, long long now)
{
    for (size_t i = 0; i < length && user->stay == STAYS; i++) {
        if (bytes[i] == '\n') {
            end_line(user, now);
            continue;
        }
        if (user->line_length < sizeof user->line)
            user->line[user->line_length] = bytes[i];
        user->line_length++;
        /* A line without an end costs as much as many lines. */
        if (user->line_length % TEXT_LIMIT == 0 && user->line_length > TEXT_LIMIT &&
            !may_send(user, now))
            refuse(user, now);
    }
}
