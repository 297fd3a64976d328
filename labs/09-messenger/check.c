/*
 * check.c - judges lab 09 from outside, by the contract alone.
 *
 * A server is tested with "peers": connections of this checker, which send lines and read lines. A
 * client is tested with this checker for a server. What a client shows on a terminal is read off a
 * screen: the checker does with its output what a terminal does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/securebits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "contract.h"
#include "harness.h"

#define CYRILLIC "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82" /* "привет" */
#define EMOJI "\xF0\x9F\x98\x80"
#define REPLACED "\xEF\xBF\xBD" /* U+FFFD */
#define CLOCK "[0-2][0-9]:[0-5][0-9]"
#define PATIENCE 60 /* seconds for what starts many processes */
#define NOTICE CLOCK " \\* "

/* ---- Peers ----------------------------------------------------------------------------- */

/* A connection to the program under test, and what has come from there. */
struct peer {
    int socket;
    char *bytes;
    size_t length, taken, room;
    bool ended; /* the other side has closed the connection, or reset it */
    char last[200];
    struct peer *next;
};

static struct peer *newest; /* of all peers */

static struct program *far_end; /* the program under test */

/* A connection is lost. If the program has ended, that is the reason to report. */
__attribute__((format(printf, 1, 2))) _Noreturn static void lost(const char *format, ...)
{
    char reason[600];
    va_list values;
    va_start(values, format);
    vsnprintf(reason, sizeof reason, format, values);
    va_end(values);
    const char *ending = ending_within(far_end, 0.5);
    if (ending != NULL)
        fail_test("the program under test %s; before its end was seen: %s", ending,
                  reason);
    fail_test("%s", reason);
}

static struct peer *new_peer(int socket)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        kit_error("no memory");
    peer->socket = socket;
    peer->next = newest;
    newest = peer;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return peer;
}

static struct sockaddr_in address_of(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int make_socket(void)
{
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made == -1)
        kit_error("socket: %s", strerror(errno));
    return made;
}

static struct peer *connect_peer(int port)
{
    struct sockaddr_in address = address_of(port);
    int made = make_socket();
    if (connect(made, (struct sockaddr *)&address, sizeof address) == -1)
        lost("expected a connection to the server, got an error of connect(): %s",
             strerror(errno));
    fcntl(made, F_SETFL, O_NONBLOCK);
    return new_peer(made);
}

/* Receives what is there. */
static void take_bytes(struct peer *peer)
{
    if (peer->length + 65536 > peer->room) {
        peer->room = 2 * peer->room + 65536;
        peer->bytes = realloc(peer->bytes, peer->room);
        if (peer->bytes == NULL)
            kit_error("no memory");
    }
    ssize_t length = recv(peer->socket, peer->bytes + peer->length, 65536, MSG_DONTWAIT);
    if (length > 0)
        peer->length += (size_t)length;
    else if (length == 0 || errno != EAGAIN)
        peer->ended = true;
}

/* The next line, if it is complete; NULL if not. Its end becomes a NUL. */
static char *cut_line(struct peer *peer)
{
    char *start = peer->bytes + peer->taken;
    char *end = peer->length > peer->taken
                    ? memchr(start, '\n', peer->length - peer->taken)
                    : NULL;
    if (end == NULL)
        return NULL;
    peer->taken += (size_t)(end - start) + 1;
    *end = '\0';
    if (end > start && end[-1] == '\r')
        end[-1] = '\0';
    snprintf(peer->last, sizeof peer->last, "%s", start);
    return start;
}

/* The next line; NULL if the connection ends before it. `what` is waited for. */
static char *next_line(struct peer *peer, const char *what)
{
    char *line;
    while ((line = cut_line(peer)) == NULL && !peer->ended) {
        wait_descriptor(peer->socket,
                        text("%s; the last line that came is \"%s\"", what, peer->last));
        take_bytes(peer);
    }
    return line;
}

/* Reads lines up to one that fits `pattern`, which is as for fnmatch(3). Returns it. */
static char *expect(struct peer *peer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static char *expect(struct peer *peer, const char *format, ...)
{
    char pattern[4096], *line;
    va_list values;
    va_start(values, format);
    vsnprintf(pattern, sizeof pattern, format, values);
    va_end(values);
    const char *what = text("a line like \"%.300s\"", pattern);
    do {
        line = next_line(peer, what);
        if (line == NULL)
            lost("expected %s, got the end of the connection; the last line is \"%s\"",
                 what, peer->last);
    } while (fnmatch(pattern, line, 0) != 0);
    return line;
}

/* The very next line must fit. */
static char *expect_next(struct peer *peer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static char *expect_next(struct peer *peer, const char *format, ...)
{
    char pattern[4096];
    va_list values;
    va_start(values, format);
    vsnprintf(pattern, sizeof pattern, format, values);
    va_end(values);
    char *line = next_line(peer, text("a line like \"%.300s\"", pattern));
    if (line == NULL)
        lost("expected a line like \"%.300s\", got the end of the connection", pattern);
    if (fnmatch(pattern, line, 0) != 0)
        fail_test("expected a line like \"%.300s\" next, got \"%.300s\"", pattern, line);
    return line;
}

/* Reads up to the end of the connection. */
static void expect_closed(struct peer *peer)
{
    while (next_line(peer, "the end of the connection") != NULL)
        ;
}

/* Waits until more can be sent. Meanwhile what programs print is read. */
static void await_room(struct peer *peer)
{
    int queue = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLOUT | EPOLLIN};
    if (queue == -1 || epoll_ctl(queue, EPOLL_CTL_ADD, peer->socket, &event) == -1)
        kit_error("epoll: %s", strerror(errno));
    wait_descriptor(queue, "the program under test to read what was sent to it");
    close(queue);
}

/* Sends bytes: all of them, or as many as go out before the connection is lost. */
static void send_raw(struct peer *peer, const char *bytes, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        ssize_t some = send(peer->socket, bytes + sent, length - sent, MSG_NOSIGNAL);
        if (some == -1 && errno == EAGAIN) {
            take_bytes(peer);
            await_room(peer);
        } else if (some == -1) {
            return;
        } else {
            sent += (size_t)some;
        }
    }
}

static void say(struct peer *peer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct peer *peer, const char *format, ...)
{
    char line[4096];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line, sizeof line - 1, format, values);
    va_end(values);
    line[length++] = '\n';
    send_raw(peer, line, (size_t)length);
}

static void leave(struct peer *peer)
{
    close(peer->socket);
    peer->socket = -1;
}

/* Closes the connection with a reset: as when a program is killed that has not read all. */
static void reset(struct peer *peer)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(peer->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    leave(peer);
}

/* ---- The server ------------------------------------------------------------------------ */

/* These arguments are wrong. `second` may be NULL. */
static void expect_usage(enum role role, const char *first, const char *second)
{
    in_case("with the arguments %s%s%s", first, second != NULL ? " " : "",
            second != NULL ? second : "");
    struct program *program = start(role, first, second, NULL);
    wait_error_like(program, "usage: *");
    expect_end(program, 2);
}

/* Waits for the line that the server is ready. Returns its port. */
static int await_ready(struct program *server)
{
    far_end = server;
    const char *line = wait_line_like(server, "server: ready tcp:127.0.0.1:*");
    int port = atoi(strrchr(line, ':') + 1);
    if (port == 0) {
        look_at(SERVER, 3,
                "Print the port that getsockname() returns, not the argument.");
        fail_test("expected the port that the system chose, got %s", line);
    }
    return port;
}

static struct program *start_server(int *port)
{
    struct program *server = start(SERVER, "tcp:127.0.0.1:0", NULL);
    *port = await_ready(server);
    return server;
}

/* A server that does not limit the rate of lines. */
static struct program *start_fast(int *port)
{
    struct program *server = start(SERVER, "--rate", "0", "tcp:127.0.0.1:0", NULL);
    *port = await_ready(server);
    return server;
}

static const char *address_text(int port)
{
    return text("tcp:127.0.0.1:%d", port);
}

/* A peer without a name, which has read all lines of the welcome. */
static struct peer *greet(int port)
{
    struct peer *peer = connect_peer(port);
    say(peer, "/nonsense");
    expect(peer, "! *");
    return peer;
}

/* A peer with a name. The notice of its joining may still come. */
static struct peer *enter(int port, const char *name)
{
    struct peer *peer = connect_peer(port);
    say(peer, "/name %s", name);
    expect(peer, "\\* you are %s; users here: *", name);
    return peer;
}

/* A peer with a name, which has read the reply and the notice of its joining. Either may be first. */
static struct peer *join(int port, const char *name)
{
    struct peer *peer = connect_peer(port);
    say(peer, "/name %s", name);
    const char *first = expect(peer, "*[*e] %s[; ]*", name);
    if (strncmp(first, "* you are ", 10) == 0)
        expect(peer, NOTICE "%s joined", name);
    else
        expect(peer, "\\* you are %s; users here: *", name);
    return peer;
}

/* The peer has got nothing else up to now: the reply to this comes next. */
static void expect_nothing(struct peer *peer)
{
    say(peer, "/nonsense");
    expect_next(peer, "! *");
}

/* Ends the server by Ctrl-C, as the contract says. */
static void end_server(struct program *server)
{
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

/* Ends a server that has passed its test. How it obeys Ctrl-C is judged by other tests: it need not
 * wait for peers. */
static void finish(struct program *server)
{
    if (!is_running(server))
        fail_test("expected the server to run until Ctrl-C, but it has ended");
    if (under_test() == WIN32 && !on_windows()) {
        kill_program(server);
        return;
    }
    for (struct peer *peer = newest; peer != NULL; peer = peer->next)
        if (peer->socket != -1)
            leave(peer);
    send_signal(server, SIGINT);
    int code = wait_end(server);
    if (code != 0 && code != 128 + SIGINT)
        expect_end(server, 0);
}

/* ---- The client ------------------------------------------------------------------------ */

/* The checker as a server: a socket that listens on that port; 0: any free one. */
static int listen_on(int port)
{
    struct sockaddr_in address = address_of(port);
    int made = make_socket();
    setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(made, (struct sockaddr *)&address, sizeof address) == -1 ||
        listen(made, 10) == -1)
        kit_error("no port: %s", strerror(errno));
    return made;
}

static int listen_here(int *port)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    int made = listen_on(0);
    if (getsockname(made, (struct sockaddr *)&address, &size) == -1)
        kit_error("getsockname: %s", strerror(errno));
    *port = ntohs(address.sin_port);
    return made;
}

/* Waits until the client has connected. */
static struct peer *accept_client(int listener, struct program *client)
{
    far_end = client;
    struct pollfd file = {.fd = listener, .events = POLLIN};
    while (poll(&file, 1, 0) == 0) {
        wait_descriptor(listener, "the client to connect");
        if (!is_running(client))
            lost("expected the client to connect");
    }
    int made = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (made == -1)
        kit_error("accept4: %s", strerror(errno));
    return new_peer(made);
}

/* Starts the client under test with a server of ours. */
static struct program *start_client(struct peer **peer, struct start_options options)
{
    int port, listener = listen_here(&port);
    struct program *client = start_with(CLIENT, options, "--name", "anna",
                                        address_text(port), NULL);
    *peer = accept_client(listener, client);
    close(listener);
    return client;
}

/* Ends a client that has passed its test: closes its input and its connection. */
static void end_client(struct program *client, struct peer *peer)
{
    close_input(client);
    expect(peer, "/quit");
    say(peer, "* bye");
    leave(peer);
    expect_end(client, 0);
}

/* The client says next that it leaves, and exits with 0 when its connection is closed. */
static void expect_quit(struct program *client, struct peer *peer)
{
    expect_next(peer, "/quit");
    leave(peer);
    expect_end(client, 0);
}

static void type(struct program *client, const char *keys)
{
    send_bytes(client, keys, strlen(keys));
}

/* ---- A screen -------------------------------------------------------------------------- */

enum { ROWS = 25, COLUMNS = 120, CELL = 8 }; /* as the harness makes a terminal */

struct screen {
    char cells[ROWS][COLUMNS][CELL];
    size_t row, column, saved_row, saved_column;
};

static size_t character_size(const char *bytes, size_t length)
{
    unsigned char first = (unsigned char)*bytes;
    size_t size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    return size <= length ? size : 1;
}

/* Makes cells blank, from one up to another one. They are counted row by row. */
static void erase(struct screen *screen, size_t from, size_t to)
{
    for (; from < to; from++)
        strcpy(screen->cells[from / COLUMNS][from % COLUMNS], " ");
}

/* In the last row all rows move up. */
static void next_row(struct screen *screen)
{
    if (screen->row + 1 < ROWS) {
        screen->row++;
        return;
    }
    memmove(screen->cells[0], screen->cells[1], sizeof screen->cells[0] * (ROWS - 1));
    erase(screen, (ROWS - 1) * COLUMNS, ROWS * COLUMNS);
}

static void put_cell(struct screen *screen, const char *bytes, size_t size)
{
    if (screen->column >= COLUMNS) {
        screen->column = 0;
        next_row(screen);
    }
    char *cell = screen->cells[screen->row][screen->column];
    memcpy(cell, bytes, size);
    cell[size] = '\0';
    screen->column++;
    if (size == 4) /* an emoji is two columns wide */
        screen->cells[screen->row][screen->column++ % COLUMNS][0] = '\0';
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A control sequence: ESC [ numbers letter. Returns how long it is. */
static size_t obey_sequence(struct screen *screen, const char *bytes, size_t length)
{
    size_t end = 2, numbers[2] = {0, 0}, at = 0;
    while (end < length && bytes[end] >= ' ' && bytes[end] < '@') {
        if (bytes[end] == ';')
            at = 1;
        else if (bytes[end] >= '0' && bytes[end] <= '9')
            numbers[at] = 10 * numbers[at] + (size_t)(bytes[end] - '0');
        end++;
    }
    size_t many = numbers[0] > 0 ? numbers[0] : 1;
    size_t column = least(screen->column, COLUMNS - 1), row_begin = screen->row * COLUMNS,
           row_end = row_begin + COLUMNS, here = row_begin + column;
    char(*cells)[CELL] = screen->cells[screen->row];
    size_t rest = least(many, COLUMNS - column);
    switch (end < length ? bytes[end] : '\0') {
    case 'A': screen->row -= least(many, screen->row); break;
    case 'B': screen->row = least(screen->row + many, ROWS - 1); break;
    case 'C': screen->column = least(column + many, COLUMNS - 1); break;
    case 'D': screen->column = column - least(many, column); break;
    case 'G': screen->column = least(many, COLUMNS) - 1; break;
    case 'd': screen->row = least(many, ROWS) - 1; break;
    case 'H':
        screen->row = least(many, ROWS) - 1;
        screen->column = numbers[1] > 0 ? least(numbers[1], COLUMNS) - 1 : 0;
        break;
    case 'J':
        erase(screen, numbers[0] == 0 ? here : 0,
              numbers[0] == 1 ? here + 1 : ROWS * COLUMNS);
        break;
    case 'K':
        erase(screen, numbers[0] == 0 ? here : row_begin,
              numbers[0] == 1 ? here + 1 : row_end);
        break;
    case 'X': erase(screen, here, here + rest); break;
    case 'P': /* the rest of the row moves left */
        memmove(cells[column], cells[column + rest], (COLUMNS - column - rest) * CELL);
        erase(screen, row_end - rest, row_end);
        break;
    case '@': /* the rest of the row moves right */
        memmove(cells[column + rest], cells[column], (COLUMNS - column - rest) * CELL);
        erase(screen, here, here + rest);
        break;
    case 's':
        screen->saved_row = screen->row;
        screen->saved_column = screen->column;
        break;
    case 'u':
        screen->row = screen->saved_row;
        screen->column = screen->saved_column;
        break;
    default: break;
    }
    return end + 1;
}

/* What begins with ESC. Returns how long it is. */
static size_t obey_escape(struct screen *screen, const char *bytes, size_t length)
{
    size_t size = 2;
    switch (length > 1 ? bytes[1] : '\0') {
    case '[': return obey_sequence(screen, bytes, length);
    case '7': obey_sequence(screen, "\033[s", 3); break;
    case '8': obey_sequence(screen, "\033[u", 3); break;
    case ']': /* the window's title */
        while (size < length && bytes[size - 1] != '\a')
            size++;
        break;
    default: break;
    }
    return size;
}

/* What the program's output shows on a terminal. */
static struct screen *screen_of(struct program *program)
{
    static struct screen screen;
    size_t length, size;
    const char *bytes = output_of(program, &length);
    memset(&screen, 0, sizeof screen);
    erase(&screen, 0, ROWS * COLUMNS);
    for (size_t i = 0; i < length; i += size) {
        size = 1;
        if (bytes[i] == '\r')
            screen.column = 0;
        else if (bytes[i] == '\n')
            next_row(&screen);
        else if (bytes[i] == '\b')
            screen.column -= screen.column > 0;
        else if (bytes[i] == '\033')
            size = obey_escape(&screen, bytes + i, length - i);
        else if ((unsigned char)bytes[i] >= ' ') {
            size = character_size(bytes + i, length - i);
            put_cell(&screen, bytes + i, size);
        }
    }
    return &screen;
}

/* A row of the screen, without the blanks at its end. */
static char *row_text(struct screen *screen, size_t row)
{
    char *line = random_bytes((size_t)COLUMNS * CELL + 1, 0, 0);
    size_t length = 0;
    for (size_t column = 0; column < COLUMNS; column++)
        length += (size_t)sprintf(line + length, "%s", screen->cells[row][column]);
    while (length > 0 && line[length - 1] == ' ')
        line[--length] = '\0';
    return line;
}

/* Waits until a row of the screen fits the pattern. Returns which. */
static size_t wait_row(struct program *program, const char *pattern)
{
    static int never = -1;
    if (never == -1)
        never = eventfd(0, EFD_CLOEXEC);
    for (;;) {
        struct screen *screen = screen_of(program);
        for (size_t row = 0; row < ROWS; row++)
            if (fnmatch(pattern, row_text(screen, row), 0) == 0)
                return row;
        wait_descriptor(
            never, text("\"%s\" on the terminal, where the last rows are \"%s\" and "
                        "\"%s\"",
                        pattern, row_text(screen, screen->row > 0 ? screen->row - 1 : 0),
                        row_text(screen, screen->row)));
        if (!is_running(program))
            lost("expected \"%s\" on the terminal", pattern);
    }
}

/* Starts the client under test at a terminal. It has taken the keyboard when it prints: a key that
 * is pressed before can mean something else. */
static struct program *start_at_terminal(struct peer **peer)
{
    static const struct start_options terminal = {.terminal_input = true,
                                                  .terminal_output = true};
    struct program *client = start_client(peer, terminal);
    expect_next(*peer, "/name anna");
    say(*peer, "* welcome");
    wait_row(client, "\\* welcome");
    let_block();
    return client;
}

/* ==== Basic ============================================================================= */

TEST(
    takes_a_name, .judges = SERVER, .stage = BASIC, .points = 3, .step = 6,
    .name = "a client gets a first line, takes a name, and is in the room",
    .hint =
        "Print \"server: ready ADDRESS\" with the real port. Send \"* welcome\" to each client. "
        "Reply to /name with \"* you are NAME; users here: N\".")
{
    int port;
    look_at(SERVER, 3, "Listen, then " LINE_AT_ONCE);
    struct program *server = start_server(&port);
    look_at(SERVER, 0, NULL);
    const char *name = token();
    struct peer *peer = connect_peer(port);
    expect_next(peer, "\\* *");
    wait_line(server, "server: client 1 connected");
    say(peer, "/name %s", name);
    expect(peer, "\\* you are %s; users here: 1", name);
    wait_line(server, "server: client 1 is %s", name);
    look_at(SERVER, 9, "When a connection ends, print \"server: client NUMBER left\".");
    leave(peer);
    wait_line(server, "server: client 1 left");
    look_at(SERVER, 0, NULL);
    finish(server);
}

TEST(everybody_gets_it, .judges = SERVER, .stage = BASIC, .needs = "takes_a_name",
     .points = 3, .step = 8,
     .name = "what one says comes to everybody, with time and name, also to itself",
     .hint = "Send each line to all users that have a name: \"HH:MM NAME: TEXT\".")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna"), *boris = join(port, "boris");
    const char *word = token();
    say(anna, "%s and more", word);
    expect(anna, CLOCK " anna: %s and more", word);
    expect(boris, CLOCK " anna: %s and more", word);
    wait_line(server, "server: anna: \"%s and more\"", word);
    say(boris, "two");
    expect_next(boris, CLOCK " boris: two");
    say(anna, "three");
    expect_next(boris, CLOCK " anna: three");
    finish(server);
}

TEST(comes_and_goes, .judges = SERVER, .stage = BASIC, .needs = "everybody_gets_it",
     .points = 2, .step = 9,
     .name = "everybody gets a notice when a user joins or leaves",
     .hint = "Send \"HH:MM * NAME joined\" and \"HH:MM * NAME left\" to all users.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna");
    struct peer *boris = join(port, "boris");
    expect_next(anna, NOTICE "boris joined");
    leave(boris);
    expect_next(anna, NOTICE "boris left");
    wait_line(server, "server: client 2 left");
    finish(server);
}

TEST(
    sends_lines, .judges = CLIENT, .stage = BASIC, .points = 3, .step = 5,
    .name = "the client sends its name, each line of its input, and /quit at the end",
    .hint =
        "With --name send \"/name NAME\" first. Send each line when it is complete. At the end of "
        "the input send \"/quit\"; exit with 0 when the server closes the connection.")
{
    struct peer *peer;
    struct program *client = start_client(&peer, (struct start_options){0});
    const char *word = token();
    expect_next(peer, "/name anna");
    type(client, text("%s one\n", word));
    expect_next(peer, "%s one", word);
    type(client, "two\n");
    expect_next(peer, "two");
    close_input(client);
    expect_next(peer, "/quit");
    say(peer, "* bye");
    leave(peer);
    expect_end(client, 0);
}

TEST(
    prints_lines, .judges = CLIENT, .stage = BASIC, .points = 3, .step = 6,
    .name = "the client prints each line of the server at once, and nothing else",
    .hint =
        "Print what comes, line by line, on standard output, and call fflush(stdout). What the "
        "client itself has to say belongs on standard error.")
{
    struct peer *peer;
    struct program *client = start_client(&peer, (struct start_options){0});
    const char *word = token();
    say(peer, "* welcome");
    wait_line(client, "* welcome");
    say(peer, "12:03 boris: %s", word);
    wait_line(client, "12:03 boris: %s", word);
    end_client(client, peer);
    size_t length;
    const char *output = output_of(client, &length);
    char *expected = text("* welcome\n12:03 boris: %s\n* bye\n", word);
    if (under_test() == UNIX)
        expect_bytes("the client's output", NULL, 0, expected, strlen(expected), output,
                     length);
}

TEST(conversation_of_two, .judges = PAIR, .stage = BASIC, .needs = "everybody_gets_it",
     .points = 3, .step = 8, .client_step = 6,
     .name = "two clients talk in a room; Ctrl-C ends the server",
     .hint = "On Ctrl-C print \"server: done\" and exit with 0.",
     .client_hint = "Print lines when they come, also while the keyboard is silent.")
{
    int port;
    struct program *server = start_server(&port);
    struct program *anna = start(CLIENT, "--name", "anna", address_text(port), NULL);
    wait_line_like(anna, NOTICE "anna joined");
    struct program *boris = start(CLIENT, "--name", "boris", address_text(port), NULL);
    wait_line_like(anna, NOTICE "boris joined");
    type(boris, "hello anna\n");
    wait_line_like(anna, CLOCK " boris: hello anna");
    wait_line_like(boris, CLOCK " boris: hello anna");
    type(anna, "hello boris\n");
    wait_line_like(boris, CLOCK " anna: hello boris");
    close_input(boris);
    expect_end(boris, 0);
    wait_line_like(anna, NOTICE "boris left");
    close_input(anna);
    expect_end(anna, 0);
    wait_line(server, "server: client 1 left");
    end_server(server);
}

/* ==== Complete: the server ============================================================== */

TEST(
    who, .judges = SERVER, .stage = COMPLETE, .needs = "takes_a_name", .points = 1,
    .step = 7, .name = "/who lists the names, to those with a name and without",
    .hint =
        "Reply with \"* here: NAME NAME\" and \"* users here: N\". A client without a name gets the "
        "reply, too, and is not counted.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna");
    join(port, "boris");
    struct peer *nobody = connect_peer(port);
    say(anna, "/who");
    bool found[2] = {false};
    for (const char *line = ""; fnmatch("\\* users here: 2", line, 0) != 0;) {
        line = expect(anna, "\\* *here: *"); /* the names, in one or more lines */
        found[0] = found[0] || strstr(line, " anna") != NULL;
        found[1] = found[1] || strstr(line, " boris") != NULL;
    }
    if (!found[0] || !found[1])
        fail_test("expected the names anna and boris, but %s is missing",
                  found[0] ? "boris" : "anna");
    say(nobody, "/who");
    expect(nobody, "\\* users here: 2");
    finish(server);
}

TEST(
    help, .judges = SERVER, .stage = COMPLETE, .needs = "takes_a_name", .points = 1,
    .step = 7, .name = "/help names every command, also to a client without a name",
    .hint = "Reply with lines that begin with \"* \", also before the client has a name.")
{
    static const char *const commands[] = {"/name", "/to", "/who", "/quit"};
    int port;
    struct program *server = start_server(&port);
    struct peer *peer = greet(port);
    say(peer, "/help");
    say(peer, "/nonsense");
    bool found[4] = {false};
    for (char *line; *(line = expect(peer, "[*!] *")) != '!';)
        for (size_t i = 0; i < 4; i++)
            found[i] = found[i] ||
                       (strncmp(line, "* ", 2) == 0 && strstr(line, commands[i]) != NULL);
    for (size_t i = 0; i < 4; i++)
        if (!found[i])
            fail_test("expected %s in the reply to /help, got none", commands[i]);
    finish(server);
}

TEST(
    quit, .judges = SERVER, .stage = COMPLETE, .needs = "comes_and_goes", .points = 2,
    .step = 9,
    .name = "/quit gets \"* bye\" and the end of the connection; the others get a notice",
    .hint =
        "Close the connection after all that waits for the client is sent. Free the name at once.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna"), *boris = join(port, "boris"),
                *nobody = connect_peer(port);
    expect(anna, NOTICE "boris joined");
    say(nobody, "/quit"); /* needs no name */
    expect(nobody, "\\* bye");
    expect_closed(nobody);
    say(boris, "/quit");
    expect_next(boris, "\\* bye");
    double begun = now();
    expect_closed(boris);
    if (now() - begun > LEAVING_SECONDS - 1)
        fail_test(
            "expected the end of the connection after \"* bye\", got it %.1f seconds later",
            now() - begun);
    expect_next(anna, NOTICE "boris left");
    leave(boris);
    join(port, "boris"); /* the name is free */
    finish(server);
}

TEST(
    end_of_file, .judges = SERVER, .stage = COMPLETE, .needs = "comes_and_goes",
    .points = 2, .step = 7,
    .name =
        "a client that sends its end of file gets all that waits for it, then the end",
    .hint =
        "recv() returns 0: the client may still read. A last line without a newline counts.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna"), *peer = connect_peer(port);
    send_raw(peer, "/name nc\none\nlast", 17);
    shutdown(peer->socket, SHUT_WR);
    expect(peer, CLOCK " nc: one");
    expect_next(peer, CLOCK " nc: last");
    expect_closed(peer);
    expect(anna, CLOCK " nc: last");
    expect_next(anna, NOTICE "nc left");
    finish(server);
}

TEST(
    to_one, .judges = SERVER, .stage = COMPLETE, .needs = "everybody_gets_it",
    .points = 2, .step = 7,
    .name = "/to NAME TEXT comes to that user and to the sender, and to nobody else",
    .hint =
        "Send \"HH:MM SENDER > NAME: TEXT\" to the two. An unknown name, or no text, is an error.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna"), *boris = join(port, "boris"),
                *carl = join(port, "carl");
    expect(anna, NOTICE "carl joined");
    expect(boris, NOTICE "carl joined");
    say(anna, "/to boris a  secret");
    expect_next(boris, CLOCK " anna > boris: a  secret");
    expect_next(anna, CLOCK " anna > boris: a  secret");
    expect_nothing(carl);
    say(anna, "/to dora hello");
    expect_next(anna, "! *");
    say(anna, "/to boris");
    expect_next(anna, "! *");
    say(anna, "/to");
    expect_next(anna, "! *");
    say(anna, "/to anna note");
    expect_next(anna, CLOCK " anna > anna: note");
    expect_nothing(boris);
    expect_nothing(anna);
    finish(server);
}

TEST(renames, .judges = SERVER, .stage = COMPLETE, .needs = "comes_and_goes", .points = 1,
     .step = 7, .name = "a second /name changes the name, and everybody gets a notice",
     .hint = "Send \"HH:MM * OLD is now NEW\" to all users. The old name is free then.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna"), *boris = join(port, "boris");
    say(boris, "/name bob");
    expect(anna, NOTICE "boris is now bob");
    expect(boris, NOTICE "boris is now bob");
    say(boris, "hi");
    expect_next(anna, CLOCK " bob: hi");
    join(port, "boris");
    finish(server);
}

TEST(
    name_rules, .judges = SERVER, .stage = COMPLETE, .needs = "takes_a_name", .points = 2,
    .step = 7,
    .name = "a name has 1 to 16 letters, digits, - and _; anything else is an error",
    .hint =
        "Count characters, not bytes. Letters are not only those of ASCII; blanks and signs are none.")
{
    static const char *const wrong[] = {
        "",    "two words",         "a:b",    "a>b", "*",   "a\342\200\213b",
        EMOJI, "seventeenletters_", "a\001b", "a/b", "\xFF"};
    static const char *const right[] = {
        "a",
        "Anna-2_",
        "sixteen-letters_",
        CYRILLIC,
        "\320\277\321\200\320\270\320\262\320\265\321\202-abcdefghi",
        "\xC3\xA9t\xC3\xA9"};
    int port;
    struct program *server = start_server(&port);
    struct peer *peer = greet(port);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        say(peer, "/name %s", wrong[i]);
        expect_next(peer, "! *");
    }
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        say(peer, "/name %s", right[i]);
        expect(peer, "\\* you are %s; users here: 1", right[i]);
    }
    finish(server);
}

TEST(
    name_taken, .judges = SERVER, .stage = COMPLETE, .needs = "takes_a_name", .points = 1,
    .step = 7,
    .name = "a name that is taken is an error; without a name nothing is sent on",
    .hint =
        "Compare with the names of all other users. A text before /name is an error, too.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna"), *other = greet(port);
    say(other, "hello");
    expect_next(other, "! *");
    say(other, "/to anna hello");
    expect_next(other, "! *");
    say(other, "/name anna");
    expect_next(other, "! *");
    expect_nothing(anna);
    say(anna, "/name anna"); /* its own */
    expect_next(anna, "\\* you are anna; users here: 1");
    finish(server);
}

TEST(
    slashes, .judges = SERVER, .stage = COMPLETE, .needs = "everybody_gets_it",
    .points = 1, .step = 7,
    .name =
        "an unknown command is an error, // sends a text with /, an empty line nothing",
    .hint =
        "A command is the whole word: /whole is not /who. A line is empty if nothing comes "
        "before its LF or CR LF.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna");
    say(anna, "/whole");
    expect_next(anna, "! *");
    say(anna, "/");
    expect_next(anna, "! *");
    say(anna, "%s", "");
    send_raw(anna, "\r\n", 2);
    say(anna, "//etc/passwd");
    expect_next(anna, CLOCK " anna: /etc/passwd");
    finish(server);
}

TEST(telnet, .judges = SERVER, .stage = COMPLETE, .needs = "everybody_gets_it",
     .points = 1, .step = 7, .name = "a line may end with CR LF, as telnet sends it",
     .hint = "Remove one CR before the newline.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *peer = connect_peer(port);
    send_raw(peer, "/name tel\r\nhello\r\n/who\r\n", 24);
    expect(peer, CLOCK " tel: hello");
    expect_next(peer, "\\* here: tel");
    finish(server);
}

TEST(
    all_characters, .judges = SERVER, .stage = COMPLETE, .needs = "everybody_gets_it",
    .points = 1, .step = 7, .name = "Cyrillic text and emoji arrive as they were sent",
    .hint =
        "Do not change valid UTF-8. A text can have \"%s\" in it: never use it as a format.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, CYRILLIC);
    say(anna, CYRILLIC " " EMOJI
                       " \xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB %%s%%n \"\\x41\"");
    const char *line = expect(anna, "*%%s%%n*");
    const char *expected = CYRILLIC
        ": " CYRILLIC " " EMOJI
        " \xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB %s%n \"\\x41\"";
    expect_bytes("the line after its time", NULL, 0, expected, strlen(expected), line + 6,
                 strlen(line + 6));
    finish(server);
}

static bool is_near(int minutes, const struct tm *clock)
{
    enum { DAY = 24 * 60 };
    int later = (minutes - (60 * clock->tm_hour + clock->tm_min) + DAY) % DAY;
    return later <= 1 || later == DAY - 1;
}

TEST(server_time, .judges = SERVER, .stage = COMPLETE, .needs = "everybody_gets_it",
     .points = 1, .step = 7, .name = "the time of a message is the time of day",
     .hint_unix = "Call time() and localtime() for each message.",
     .hint_win32 = "Call GetLocalTime() for each message.")
{
    int port, hours, minutes;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna");
    say(anna, "hello");
    const char *line = expect(anna, CLOCK " anna: hello");
    time_t seconds = time(NULL);
    struct tm local, universal; /* a container may not know the time zone */
    localtime_r(&seconds, &local);
    gmtime_r(&seconds, &universal);
    sscanf(line, "%d:%d", &hours, &minutes);
    if (!is_near(60 * hours + minutes, &local) &&
        !is_near(60 * hours + minutes, &universal))
        fail_test("expected a message of %02d:%02d, got \"%s\"", local.tm_hour,
                  local.tm_min, line);
    finish(server);
}

TEST(
    line_limit, .judges = SERVER, .stage = COMPLETE, .needs = "everybody_gets_it",
    .points = 2, .step = 7,
    .name = "a line of 1,000 bytes arrives whole; a longer one is one error",
    .hint =
        "Take bytes until the newline comes. Forget what is beyond the limit, and reply with an "
        "error at the end of the line.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna");
    char *longest = random_bytes(TEXT_LIMIT + 1, 'a', 'z');
    say(anna, "%.*s", TEXT_LIMIT, longest);
    const char *line = expect(anna, CLOCK " anna: *");
    expect_bytes("the text", NULL, 0, longest, TEXT_LIMIT, strchr(line + 6, ' ') + 1,
                 strlen(strchr(line + 6, ' ') + 1));
    say(anna, "%.*s", TEXT_LIMIT + 1, longest);
    expect_next(anna, "! *");
    say(anna, "short");
    expect_next(anna, CLOCK " anna: short");
    send_raw(anna, longest, TEXT_LIMIT);
    send_raw(anna, "\r\n", 2); /* the end of a line does not count */
    expect_next(anna, CLOCK " anna: *");
    finish(server);
}

TEST(
    pieces, .judges = SERVER, .stage = COMPLETE, .needs = "everybody_gets_it",
    .points = 2, .step = 7,
    .name = "a line that comes in pieces is one line; many that come at once are many",
    .hint =
        "One recv() can return a part of a line, or several lines. Keep the rest for the next one.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna");
    const char *line = CYRILLIC " in pieces\n";
    for (size_t i = 0; i < strlen(line); i++) {
        send_raw(anna, line + i, 1);
        usleep(2000); /* no event shows that it was read */
    }
    expect_next(anna, CLOCK " anna: " CYRILLIC " in pieces");
    send_raw(anna, "1\n2\n3\n4\n5\n6", 11);
    for (int i = 1; i <= 5; i++)
        expect_next(anna, CLOCK " anna: %d", i);
    send_raw(anna, "7\n", 2);
    expect_next(anna, CLOCK " anna: 67");
    finish(server);
}

TEST(
    same_order, .judges = SERVER, .stage = COMPLETE, .needs = "everybody_gets_it",
    .points = 3, .step = 8,
    .name = "all users get all messages in one order, none lost and none doubled",
    .hint =
        "One thread, or one lock, must take a line and put it into all queues before the next.")
{
    enum { GUESTS = 8, LINES = 40 };
    int port;
    struct program *server = start_fast(&port);
    struct peer *peers[GUESTS];
    char *orders[GUESTS];
    for (size_t i = 0; i < GUESTS; i++)
        peers[i] = join(port, text("user%zu", i));
    for (size_t k = 0; k < LINES; k++)
        for (size_t i = 0; i < GUESTS; i++)
            say(peers[i], "line %zu", k);
    for (size_t i = 0; i < GUESTS; i++) {
        size_t counts[GUESTS] = {0}, used = 0;
        orders[i] = random_bytes((size_t)GUESTS * LINES + 1, 0, 0);
        while (used < (size_t)GUESTS * LINES) {
            size_t user, number;
            const char *line = expect(peers[i], CLOCK " user?: line *");
            if (sscanf(line + 6, "user%zu: line %zu", &user, &number) != 2 ||
                user >= GUESTS)
                fail_test("expected a line of a user, got \"%s\"", line);
            if (number != counts[user])
                fail_test("expected line %zu of user%zu, got line %zu", counts[user],
                          user, number);
            counts[user]++;
            orders[i][used++] = (char)('0' + user);
        }
        if (strcmp(orders[i], orders[0]) != 0)
            fail_test(
                "expected one order of messages for everybody, got two: by user %.60s and "
                "by user %.60s",
                orders[0], orders[i]);
        expect_nothing(peers[i]);
    }
    finish(server);
}

TEST(
    no_limit, .judges = SERVER, .stage = COMPLETE, .needs = "everybody_gets_it",
    .points = 1, .step = 8,
    .name = "with --rate 0 a user may send 6,000 lines at once, and gets each of them",
    .hint =
        "0 means no limit. What is sent in one call may be a part of what waits: keep the rest.")
{
    enum { LINES = 6000 };
    int port;
    struct program *server = start_fast(&port);
    struct peer *anna = join(port, "anna");
    char *bytes = random_bytes((size_t)2 * LINES, 'a', 'z');
    for (size_t i = 0; i < LINES; i++)
        bytes[2 * i + 1] = '\n';
    send_raw(anna, bytes, (size_t)2 * LINES);
    for (size_t i = 0; i < LINES; i++)
        expect_next(anna, CLOCK " anna: %c", bytes[2 * i]);
    finish(server);
}

TEST(patient_sender, .judges = SERVER, .stage = COMPLETE, .needs = "everybody_gets_it",
     .points = 1, .step = 7, .name = "without --rate a user may send 60 lines at once",
     .hint = "Credit grows by 20 lines a second, up to 60; it begins with 60.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna");
    for (int i = 0; i < LINE_BURST - 1; i++) /* /name was one */
        say(anna, "%d", i);
    for (int i = 0; i < LINE_BURST - 1; i++)
        expect_next(anna, CLOCK " anna: %d", i);
    finish(server);
}

TEST(server_usage, .judges = SERVER, .stage = COMPLETE, .needs = "takes_a_name",
     .points = 1, .step = 1,
     .name = "wrong arguments of the server are a usage line and exit code 2",
     .hint = "Check the address, the number, and that nothing is left over.")
{
    static const char *const wrong[][3] = {
        {"nonsense"},  {"tcp:127.0.0.1"},   {"tcp:127.0.0.1:70000"},
        {"tcp::7709"}, {"tcp:localhost:x"}, {"pipe:"},
        {"--rate"},    {"--rate", "-1"},    {"--rate", "x"},
        {"--history"}, {"--nonsense", "1"}, {"tcp:127.0.0.1:0", "more"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_usage(SERVER, wrong[i][0], wrong[i][1]);
}

TEST(port_taken, .judges = SERVER, .stage = COMPLETE, .needs = "takes_a_name",
     .points = 1, .step = 3,
     .name = "a port that is taken is an error line and exit code 1",
     .hint = "Check bind() and listen(). On Windows set SO_EXCLUSIVEADDRUSE.")
{
    int port;
    struct program *server = start_server(&port);
    struct program *second = start(SERVER, address_text(port), NULL);
    wait_error_like(second, "server: *error *");
    expect_end(second, 1);
    join(port, "anna");
    finish(server);
}

TEST(
    address, .judges = SERVER, .stage = COMPLETE, .needs = "takes_a_name", .points = 1,
    .step = 3,
    .name =
        "the server listens at its ADDRESS and no other, by default at tcp:127.0.0.1:7709",
    .hint =
        "Bind the socket to HOST, not to INADDR_ANY. Without an argument take DEFAULT_ADDRESS.")
{
    int port;
    struct program *server = start_server(&port);
    struct sockaddr_in other = address_of(port);
    other.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    if (!on_windows() &&
        connect(make_socket(), (struct sockaddr *)&other, sizeof other) == 0)
        fail_test("expected no server at 127.0.0.2, got a connection");
    finish(server);
    if (!private_network())
        return; /* another program may have the port */
    server = start(SERVER, NULL);
    wait_line(server, "server: ready " DEFAULT_ADDRESS);
    finish(server);
}

TEST(
    ctrl_c, .judges = SERVER, .stage = COMPLETE, .needs = "everybody_gets_it",
    .points = 2, .step = 9,
    .name = "on Ctrl-C the server sends a notice to everybody, closes, and exits with 0",
    .hint =
        "Wait for the interrupt together with the sockets. Send \"HH:MM * the server ends\".")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna"), *boris = join(port, "boris");
    send_signal(server, SIGINT);
    expect(anna, NOTICE "the server ends");
    expect(boris, NOTICE "the server ends");
    expect_closed(anna);
    expect_closed(boris);
    leave(anna);
    leave(boris);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(
    idle, .judges = SERVER, .stage = COMPLETE, .needs = "everybody_gets_it", .points = 1,
    .step = 5, .name = "a server with silent users does not use the processor",
    .hint =
        "Block in one call. Watch for \"ready to write\" only while something waits to be sent.")
{
    int port;
    struct program *server = start_server(&port);
    join(port, "anna");
    connect_peer(port);
    struct peer *half = join(port, "boris");
    shutdown(half->socket, SHUT_WR);
    expect_closed(half);
    expect_idle(server, 0.5, 10);
    finish(server);
}

static void talk_over(struct program *server, struct program *anna, struct program *boris)
{
    wait_line_like(boris, NOTICE "boris joined");
    type(boris, CYRILLIC " " EMOJI "\n");
    wait_line(server, "server: boris: \"" CYRILLIC " " EMOJI "\"");
    wait_line_like(anna, CLOCK " boris: " CYRILLIC " " EMOJI);
    close_input(boris);
    expect_end(boris, 0);
    wait_line_like(anna, NOTICE "boris left");
    close_input(anna);
    expect_end(anna, 0);
}

/* The path of a file in the folder where the programs run. */
static const char *scratch_path(const char *name)
{
    const char *file = write_file(token(), "", 0, 0600);
    return text("%.*s/%s", (int)(strrchr(file, '/') - file), file, name);
}

TEST(
    over_a_pipe, .judges = PAIR, .stage = COMPLETE, .needs = "conversation_of_two",
    .points = 3, .step = 3, .client_step = 2,
    .name = "with pipe:NAME the clients talk over a local pipe",
    .hint_unix =
        "Make a UNIX-domain socket; runtime_path(NAME) is its path. Remove it at the end.",
    .hint_win32 =
        "Make an instance of \\\\.\\pipe\\NAME for each client, with FILE_FLAG_OVERLAPPED.",
    .client_hint_unix = "connect() to the path.",
    .client_hint_win32 =
        "CreateFile with FILE_FLAG_OVERLAPPED; on error 231 WaitNamedPipe.")
{
    const char *name = token(), *address = text("pipe:%s", name);
    struct program *server = start(SERVER, address, NULL);
    wait_line(server, "server: ready %s", address);
    struct program *anna = start(CLIENT, "--name", "anna", address, NULL);
    wait_line_like(anna, NOTICE "anna joined");
    struct program *boris = start(CLIENT, "--name", "boris", address, NULL);
    wait_line_like(server, "server: process *");
    talk_over(server, anna, boris);
    end_server(server);
    if (under_test() == UNIX && access(scratch_path(name), F_OK) == 0)
        fail_test(
            "expected no file of the socket after the server's end, but it is there");
    struct program *late = start(CLIENT, "--name", "late", address, NULL);
    wait_error_like(late, "client: *error *");
    expect_end(late, 1);
}

TEST(both_systems, .judges = PAIR, .stage = COMPLETE, .needs = "conversation_of_two",
     .points = 2, .step = 8, .client_step = 6, .win32_only = true,
     .name = "a client of Windows and one of UNIX talk in one room",
     .hint = "The bytes are the same on both systems: UTF-8, not UTF-16.",
     .client_hint = "Send UTF-8, and lines that end with a newline.")
{
    int port;
    struct program *server = start_server(&port);
    struct program *anna = start(CLIENT, "--name", "anna", address_text(port), NULL);
    wait_line_like(anna, NOTICE "anna joined");
    struct program *boris = start_with(
        CLIENT,
        (struct start_options){.file = reference_file("09-messenger", UNIX, "client"),
                               .of_unix = true},
        "--name", "boris", address_text(port), NULL);
    talk_over(server, anna, boris);
    finish(server);
}

/* Starts a server with a history; `file` is new or from the server before. */
static struct program *start_with_history(const char *file, int *port)
{
    struct program *server = start(SERVER, "--rate", "0", "--history", file,
                                   "tcp:127.0.0.1:0", NULL);
    *port = await_ready(server);
    return server;
}

TEST(
    history, .judges = SERVER, .stage = COMPLETE, .needs = "everybody_gets_it",
    .points = 2, .step = 2,
    .name =
        "with --history a new server shows the last 100 messages to a user that joins",
    .hint =
        "Keep the lines in a mapped file, oldest overwritten first. /to and notices are not kept.")
{
    const char *file = token();
    int port;
    struct program *server = start_with_history(file, &port);
    struct peer *anna = join(port, "anna");
    for (int i = 0; i < 130; i++)
        say(anna, "message %d", i);
    say(anna, "/to anna secret");
    expect(anna, CLOCK " anna > anna: secret");
    struct peer *early = connect_peer(port);
    say(early, "/name early");
    expect(early, CLOCK " anna: message 30");
    finish(server);

    server = start_with_history(file, &port);
    struct peer *boris = connect_peer(port);
    say(boris, "/name boris");
    say(boris, "/quit");
    expect(boris, "\\* the last messages:");
    for (int i = 30; i < 130; i++)
        expect_next(boris, CLOCK " anna: message %d", i);
    const char *line; /* "you are boris" and "boris joined" may be before or after */
    while (strcmp(line = expect(boris, "*"), "* bye") != 0)
        if (strstr(line, "anna") != NULL)
            fail_test("expected no more messages, got \"%s\"", line);
    finish(server);
}

TEST(
    finds_servers, .judges = PAIR, .stage = COMPLETE, .needs = "conversation_of_two",
    .points = 2, .step = 4, .client_step = 1,
    .name = "client --find prints the addresses of all servers that answer a broadcast",
    .hint =
        "Bind a UDP socket to port 7709 with SO_REUSEADDR. Answer \"messenger?\" with "
        "\"messenger PORT\".",
    .client_hint =
        "Set SO_BROADCAST, send \"messenger?\" to the broadcast address of each network and "
        "to 127.255.255.255, and print \"tcp:HOST:PORT\" for each answer in one second.")
{
    int ports[2];
    struct program *servers[2];
    for (size_t i = 0; i < 2; i++)
        servers[i] = start_server(&ports[i]);
    struct program *client = start(CLIENT, "--find", NULL);
    expect_end(client, 0);
    for (size_t i = 0; i < 2; i++)
        if (!printed_like(client, address_text(ports[i])))
            fail_test("expected the line %s, got none", address_text(ports[i]));
    for (size_t i = 0; i < 2; i++)
        finish(servers[i]);
    if (!private_network())
        return; /* another server of this machine may answer */
    look_at(CLIENT, 1, "Exit with 1 if no server has answered.");
    client = start(CLIENT, "--find", NULL);
    expect_end(client, 1);
}

TEST(
    finds_by_mailslot, .judges = PAIR, .stage = COMPLETE, .needs = "finds_servers",
    .points = 1, .step = 4, .client_step = 1, .win32_only = true,
    .name = "client --find also finds a server by mailslot, where UDP port 7709 is taken",
    .hint =
        "Read the mailslot \\\\.\\mailslot\\messenger in a thread. Answer \"messenger? COMPUTER "
        "NUMBER\" with \"messenger PORT COMPUTER\", in \\\\COMPUTER\\mailslot\\messenger-NUMBER.",
    .client_hint =
        "Make the slot for the answers before you ask. Ask \\\\.\\mailslot\\messenger and "
        "\\\\*\\mailslot\\messenger.")
{
    if (!private_network())
        skip_test("needs a private namespace: another program may have UDP port %d",
                  FIND_PORT);
    struct sockaddr_in address = address_of(FIND_PORT);
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    int taken = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (taken == -1 || bind(taken, (struct sockaddr *)&address, sizeof address) == -1)
        kit_error("no UDP port: %s", strerror(errno));
    int port;
    struct program *server = start_server(&port);
    struct program *client = start(CLIENT, "--find", NULL);
    wait_line(client, "%s", address_text(port));
    expect_end(client, 0);
    finish(server);
    close(taken);
}

/* Starts the programs on two machines that Linux plays, by two-hosts with that option and last word. Two
 * prefixes of Wine start there: the first line may take longer than one wait. */
static struct program *start_hosts(const char *option, const char *last)
{
    if (on_windows())
        skip_test("needs two machines, or Linux, which can play two");
    return start_with(SERVER,
                      (struct start_options){.name = "two-hosts",
                                             .file = tool_file("two-hosts"),
                                             .of_unix = true},
                      option, under_test() == UNIX ? "unix" : "win32",
                      path_of(SERVER, NULL), path_of(CLIENT, NULL), last, NULL);
}

/* Skips the test if the first line says that Linux cannot play two machines here. */
static void skip_without_hosts(struct program *hosts)
{
    static const char skipped[] = "two-hosts: skipped: ";
    const char *line = wait_line_like(hosts, "*");
    if (strncmp(line, skipped, strlen(skipped)) == 0)
        skip_test("%s", line + strlen(skipped));
}

TEST(
    two_machines, .judges = PAIR, .stage = COMPLETE, .needs = "finds_servers",
    .points = 2, .step = 3, .client_step = 2,
    .name = "on two machines the client finds the server by broadcast, and they talk",
    .hint =
        "With HOST 0.0.0.0 listen on all interfaces, and answer questions from all of them.",
    .client_hint = "Send the question to the broadcast address of each interface.")
{
    const char *word = token();
    struct program *hosts = start_hosts("--room", word);
    if (ending_within(hosts, PATIENCE) == NULL)
        fail_test(
            "expected server and client to end in %d seconds, but they are still running",
            PATIENCE);
    skip_without_hosts(hosts);
    wait_line_like(hosts, "client: found tcp:10.55.0.1:*");
    wait_line_like(hosts, text(CLOCK " anna: %s", word));
    wait_line(hosts, "server: client 1 left");
    expect_end(hosts, 0);
}

/* ==== Complete: the client ============================================================== */

TEST(client_usage, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines",
     .points = 1, .step = 1,
     .name = "wrong arguments of the client are a usage line and exit code 2",
     .hint = "Check the address, the name, and that nothing is left over.")
{
    static const char *const wrong[][3] = {
        {"nonsense"}, {"tcp:127.0.0.1"},       {"--name"},  {"--name", "two words"},
        {"pipe:"},    {"tcp:127.0.0.1:70000"}, {"--other"}, {"tcp:127.0.0.1:1", "more"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_usage(CLIENT, wrong[i][0], wrong[i][1]);
}

TEST(
    no_options, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines", .points = 1,
    .step = 1,
    .name = "without options the client uses tcp:127.0.0.1:7709, and takes no name",
    .hint = "Without an argument take DEFAULT_ADDRESS. Without --name do not send /name.")
{
    if (!private_network())
        skip_test("needs a private namespace: another program may have the port of %s",
                  DEFAULT_ADDRESS);
    int listener = listen_on(atoi(strrchr(DEFAULT_ADDRESS, ':') + 1));
    struct program *client = start(CLIENT, NULL);
    struct peer *peer = accept_client(listener, client);
    close(listener);
    type(client, "hello\n");
    expect_next(peer, "hello");
    kill_program(client); /* it closes first: the port is free at once */
}

TEST(
    no_server, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines", .points = 1,
    .step = 2,
    .name = "without a server the client prints an error line and exits with 1",
    .hint =
        "Check connect(). Print the number of its error on standard error, and exit with 1.")
{
    int port, listener = listen_here(&port);
    close(listener);
    struct program *client = start(CLIENT, "--name", "anna", address_text(port), NULL);
    wait_error_like(client, "client: *error *");
    expect_end(client, 1);
}

TEST(last_line, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines", .points = 1,
     .step = 5, .name = "the last line of the input counts without its newline",
     .hint = "At the end of the input send what is left, then /quit.")
{
    struct peer *peer;
    struct program *client = start_client(&peer, (struct start_options){0});
    expect_next(peer, "/name anna");
    type(client, "one\r\n\n\ntwo");
    close_input(client);
    expect_next(peer, "one");
    const char *line;
    do { /* the client may send empty lines: the server ignores them */
        line = expect(peer, "*");
    } while (*line == '\0');
    if (strcmp(line, "two") != 0)
        fail_test("expected \"two\" next, got \"%s\"", line);
    expect_quit(client, peer);
}

TEST(
    server_in_pieces, .judges = CLIENT, .stage = COMPLETE, .needs = "prints_lines",
    .points = 1, .step = 6,
    .name =
        "a line that comes in pieces is printed whole, also in the middle of a character",
    .hint = "Keep the bytes until the newline comes.")
{
    struct peer *peer;
    struct program *client = start_client(&peer, (struct start_options){0});
    const char *line = "12:03 boris: " CYRILLIC " " EMOJI "\n";
    for (size_t i = 0; i < strlen(line); i++) {
        send_raw(peer, line + i, 1);
        usleep(2000); /* no event shows that it was read */
    }
    wait_line(client, "12:03 boris: " CYRILLIC " " EMOJI);
    send_raw(peer, "1\n2\r\n3", 6);
    wait_line(client, "1");
    wait_line(client, "2");
    send_raw(peer, "4\n", 2);
    wait_line(client, "34");
    end_client(client, peer);
}

TEST(
    paces_itself, .judges = PAIR, .stage = COMPLETE, .needs = "conversation_of_two",
    .points = 2, .step = 7, .client_step = 5,
    .name =
        "a file of 90 lines arrives whole: the client does not send faster than permitted",
    .hint = "20 lines a second are permitted, and 60 at once.",
    .client_hint =
        "Send 30 lines at once, then 20 a second: wait with a time limit, and leave the "
        "keyboard alone meanwhile.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *boris = join(port, "boris");
    double begun = now();
    struct program *client = start(CLIENT, "--name", "anna", address_text(port), NULL);
    for (int i = 0; i < 90; i++)
        type(client, text("%d\n", i));
    close_input(client);
    for (int i = 0; i < 90; i++) {
        expect(boris, CLOCK " anna: %d", i);
        double seconds = now() - begun;
        if (i > CLIENT_BURST + LINE_RATE * seconds)
            fail_test("expected at most %d lines in %.2f seconds, got %d",
                      (int)(CLIENT_BURST + LINE_RATE * seconds), seconds, i + 1);
    }
    wait_line_like(client, CLOCK " anna: 89");
    expect_end(client, 0);
    if (count_lines(client, "! *") > 0)
        fail_test("expected no error from the server, got %zu",
                  count_lines(client, "! *"));
    finish(server);
}

TEST(
    client_ctrl_c, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines",
    .points = 1, .step = 5,
    .name = "on Ctrl-C the client sends /quit, prints what still comes, and exits with 0",
    .hint =
        "Wait for the interrupt together with the keyboard and the connection. After /quit wait "
        "for the connection's end, as at the end of the input.")
{
    struct peer *peer;
    struct program *client = start_client(&peer, (struct start_options){0});
    expect_next(peer, "/name anna");
    say(peer, "* you are anna; users here: 1");
    wait_line_like(client, "\\* you are anna; *");
    send_signal(client, SIGINT);
    expect_next(peer, "/quit");
    say(peer, "* bye");
    leave(peer);
    wait_line(client, "* bye");
    expect_end(client, 0);
}

TEST(server_lost, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines",
     .points = 2, .step = 6,
     .name = "a lost server is a line on standard error, and exit code 1",
     .hint = "recv() returns 0, or fails: it is an error unless /quit was sent before.")
{
    struct peer *peer;
    for (int i = 0; i < 2; i++) {
        struct program *client = start_client(&peer, (struct start_options){0});
        expect_next(peer, "/name anna");
        if (i == 0)
            leave(peer);
        else
            reset(peer);
        wait_error_like(client, "client: *");
        expect_end(client, 1);
    }
}

TEST(client_idle, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines",
     .points = 1, .step = 4, .name = "a client that waits does not use the processor",
     .hint = "Block in one call for all. Do not look at the keyboard from time to time.")
{
    struct peer *peer;
    struct program *client = start_client(&peer, (struct start_options){0});
    expect_next(peer, "/name anna");
    expect_idle(client, 0.5, 10);
    end_client(client, peer);
}

TEST(
    keyboard, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines", .points = 3,
    .step = 5,
    .name = "at a terminal Cyrillic and emoji are typed, seen, sent, and shown",
    .hint_unix =
        "Without ECHO the client must show what is typed: as UTF-8, whole characters.",
    .hint_win32 =
        "Read UTF-16 by ReadConsoleInputW, and print by WriteConsoleW. An emoji has two units.")
{
    struct peer *peer;
    struct program *client = start_at_terminal(&peer);
    type(client, CYRILLIC " " EMOJI "!");
    wait_row(client, "*" CYRILLIC "*!");
    type(client, "\n");
    expect_next(peer, CYRILLIC " " EMOJI "!");
    say(peer, "12:03 anna: " CYRILLIC " again");
    wait_row(client, "12:03 anna: " CYRILLIC " again");
    type(client, "/quit\n");
    expect_quit(client, peer);
}

TEST(line_survives, .judges = CLIENT, .stage = COMPLETE, .needs = "keyboard", .points = 3,
     .step = 6,
     .name = "a message that arrives while a line is typed does not destroy it",
     .hint = "Take the line off the screen, print the message, show the line again.")
{
    struct peer *peer;
    struct program *client = start_at_terminal(&peer);
    type(client, "my unfinished li");
    wait_row(client, "*my unfinished li");
    say(peer, "12:03 boris: short");
    size_t message = wait_row(client, "12:03 boris: short");
    size_t typed = wait_row(client, "*my unfinished li");
    if (typed <= message)
        fail_test(
            "expected the line that is typed below the message, got it in row %zu, and the "
            "message in row %zu",
            typed, message);
    type(client, "ne");
    wait_row(client, "*my unfinished line");
    say(peer, "12:04 boris: a longer message, which covers the line that is typed");
    wait_row(client,
             "12:04 boris: a longer message, which covers the line that is typed");
    wait_row(client, "*my unfinished line");
    type(client, "\n");
    expect_next(peer, "my unfinished line");
    type(client, "/quit\n");
    expect_quit(client, peer);
}

TEST(
    editing, .judges = CLIENT, .stage = COMPLETE, .needs = "keyboard", .points = 2,
    .step = 5,
    .name =
        "backspace removes a character, Ctrl-W a word, Ctrl-U the line; a function key sends nothing",
    .hint = "A character can have several bytes. Leave out escape sequences.")
{
    struct peer *peer;
    struct program *client = start_at_terminal(&peer);
    type(client, "ab" CYRILLIC);
    wait_row(client, "*ab" CYRILLIC);
    type(client, "\x7F\x7F\x7F\x7F\x7F\x7F"
                 "c\n");
    expect_next(peer, "abc");
    type(client, "wrong\x15"
                 "right\n");
    expect_next(peer, "right");
    type(client, "two words\x17"
                 "letters\n");
    expect_next(peer, "two letters");
    if (under_test() == UNIX) { /* F5 and F3 */
        type(client, "x\033[15~y\033ORz\n");
        expect_next(peer, "xyz");
    }
    type(client, "/quit\n");
    expect_quit(client, peer);
}

/* Returns whether a row contains 20 characters of the text that follow each other. */
static bool shows_part(const char *row, const char *words, size_t length)
{
    for (size_t i = 0; i + 20 <= length; i++)
        if (strstr(row, text("%.20s", words + i)) != NULL)
            return true;
    return false;
}

TEST(
    long_line, .judges = CLIENT, .stage = COMPLETE, .needs = "keyboard", .points = 1,
    .step = 5,
    .name = "a line that is longer than the terminal is sent whole, and takes one row",
    .hint =
        "Show only the end of the line: what runs over into the next row cannot be taken back.")
{
    struct peer *peer;
    struct program *client = start_at_terminal(&peer);
    char *words = random_bytes(300, 'a', 'z');
    type(client, text("%.300s", words));
    wait_row(client, text("*%.40s", words + 260));
    say(peer, "12:03 boris: hello");
    size_t message = wait_row(client, "12:03 boris: hello");
    size_t typed = wait_row(client, text("*%.40s", words + 260));
    if (typed <= message)
        fail_test("expected the message above the line, got row %zu and row %zu", message,
                  typed);
    struct screen *screen = screen_of(client);
    for (size_t row = 0; row < ROWS; row++)
        if (row != typed && shows_part(row_text(screen, row), words, 300))
            fail_test("expected the line in row %zu alone, got a part of it in row %zu",
                      typed, row);
    type(client, "\n");
    expect_next(peer, "%.300s", words);
    type(client, "/quit\n");
    expect_quit(client, peer);
}

TEST(end_key, .judges = CLIENT, .stage = COMPLETE, .needs = "keyboard", .points = 1,
     .step = 5, .name = "Ctrl-D (on Windows Ctrl-Z) in an empty line ends the client",
     .hint = "Without ICANON the key comes as a byte: 4, or 26.")
{
    struct peer *peer;
    struct program *client = start_at_terminal(&peer);
    type(client, under_test() == UNIX ? "\x04" : "\x1A");
    expect_quit(client, peer);
}

/* ==== Robust: the server ================================================================ */

TEST(
    no_escapes, .judges = SERVER, .stage = ROBUST, .needs = "all_characters", .points = 3,
    .step = 7,
    .name =
        "invalid UTF-8, control characters and escape sequences are replaced before anybody gets them",
    .hint = "Replace each such byte or character by U+FFFD, and a tab by a blank.")
{
    static const struct {
        const char *sent, *expected;
    } texts[] = {
        {"a\x1B[31mred", "a" REPLACED "[31mred"},
        {"b\a\b\x7F", "b" REPLACED REPLACED REPLACED},
        {"d\xFF\xC0\x80\xED\xA0\x80",
         "d" REPLACED REPLACED REPLACED REPLACED REPLACED REPLACED},
        {"e\xD0", "e" REPLACED},
        {"f\xE2\x80\xAEg", "f" REPLACED "g"}, /* U+202E turns the direction of text */
        {"f\xE2\x80\xAD\xE2\x81\xA7\xE2\x80\x8F\xD8\x9C",
         "f" REPLACED REPLACED REPLACED
             REPLACED}, /* U+202D, U+2067, U+200F, U+061C, too */
        {"h\ti", "h i"},
        {"j\rk", "j" REPLACED "k"},
    };
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna"), *boris = join(port, "boris");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        say(anna, "%s", texts[i].sent);
        const char *line = expect(boris, CLOCK " anna: *"), *text = line + 12;
        expect_bytes("the text", texts[i].sent, strlen(texts[i].sent), texts[i].expected,
                     strlen(texts[i].expected), text, strlen(text));
    }
    say(anna, "c\xC2\x9B"
              "31m"); /* U+009B is CSI, too: one character, two bytes */
    const char *line = expect(boris, CLOCK " anna: *") + 12;
    bool both = strstr(line, REPLACED REPLACED) != NULL; /* bytes are replaced */
    const char *expected = text("c" REPLACED "%s31m", both ? REPLACED : "");
    expect_bytes("the text", NULL, 0, expected, strlen(expected), line, strlen(line));
    send_raw(anna, "nul\0nul\n", 8);
    expect(boris, CLOCK " anna: nul" REPLACED "nul");
    say(anna, "/to boris \x1B]0;title\a");
    expect(boris, CLOCK " anna > boris: " REPLACED "]0;title" REPLACED);
    finish(server);
}

TEST(
    looks_alike, .judges = SERVER, .stage = ROBUST, .needs = "name_taken", .points = 2,
    .step = 7,
    .name =
        "a name that looks like another is refused: Anna, аnna with a Cyrillic а, ann4 is not",
    .hint =
        "Compare what names look like: small letters, Latin letters for Cyrillic and Greek ones of "
        "the same shape, o for 0, l for 1 and I.")
{
    static const char *const alike[] = {"Anna",         "\xD0\xB0nna",  "\xD0\x90nna",
                                        "ANNA",         "\xCE\x91nna",  "\xD1\x81opex",
                                        "c\xD0\xBEpex", "co\321\200ex", "cop\xD0\xB5x",
                                        "cope\xD1\x85", "c\xCE\x9Fpex"};
    static const char *const free_names[] = {"ann4", "ann", "annaa", "\xC3\xA1nna"};
    int port;
    struct program *server = start_server(&port);
    join(port, "anna");
    join(port, "lo1");
    join(port, "copex");
    struct peer *peer = greet(port);
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++) {
        say(peer, "/name %s", alike[i]);
        expect_next(peer, "! *");
    }
    say(peer, "/name IoI");
    expect_next(peer, "! *");
    say(peer, "/name 10l");
    expect_next(peer, "! *");
    for (size_t i = 0; i < sizeof free_names / sizeof *free_names; i++) {
        say(peer, "/name %s", free_names[i]);
        expect(peer, "\\* you are %s; *", free_names[i]);
    }
    finish(server);
}

TEST(
    flood, .judges = SERVER, .stage = ROBUST, .needs = "patient_sender", .points = 3,
    .step = 7,
    .name =
        "a user that sends too fast gets an error, then is dropped; the others get a notice",
    .hint =
        "Count credit for each user. Say once \"! too fast\"; drop after 100 lines more. Obey "
        "/quit without credit, too.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna"), *hasty = join(port, "hasty");
    char *lines = random_bytes(2 * FLOOD_LIMIT, 'a', 'z');
    for (size_t i = 0; i < FLOOD_LIMIT; i++)
        lines[2 * i + 1] = '\n';
    const char *all = text("%.*s/quit\n", 2 * FLOOD_LIMIT, lines);
    send_raw(hasty, all, strlen(all));
    expect(hasty, "\\* bye"); /* /quit is never too fast */
    double begun = now();
    struct peer *eve = join(port, "eve");
    expect(anna, NOTICE "eve joined");
    for (int i = 0; i < 100; i++)
        say(eve, "line %d", i);
    expect(eve, "! *");
    say(anna, "still here");
    expect(anna, CLOCK " anna: still here");
    for (int i = 0; i < 400; i++)
        say(eve, "more %d", i);
    size_t errors = 1;
    while (fnmatch("! dropped: *", expect(eve, "! *"), 0) != 0)
        errors++;
    expect_closed(eve);
    /* What time has permitted: on a slow machine more lines, and an error after each. */
    size_t later = (size_t)(LINE_RATE * (now() - begun)) + 1;
    expect(anna, NOTICE "eve was dropped: *");
    size_t sent_on = count_lines(server, "server: eve: *");
    if (sent_on > LINE_BURST - 1 + later)
        fail_test("expected at most %zu lines of eve to be sent on, got %zu",
                  LINE_BURST - 1 + later, sent_on);
    if (errors > 1 + later)
        fail_test("expected one error for lines that are too fast, got %zu", errors);
    leave(eve);
    join(port, "eve");
    finish(server);
}

/* A user that has used up its credit waits for 10 lines more. Of what it then sends as many lines are sent on
 * as the time permits that has really passed. */
static void use_up_and_wait(int port, int rate)
{
    struct peer *eve = join(port, "eve");
    for (int i = 0; i < LINE_BURST - 1 + FLOOD_LIMIT - 1; i++)
        say(eve, "line %d", i);
    expect(eve, "! *");
    double begun = now();
    usleep(10 * 1000000 / (useconds_t)rate); /* time is what this test is about */
    int permitted = (int)(rate * (now() - begun)) - 1, sent_on = 0;
    permitted = permitted < LINE_BURST ? permitted : LINE_BURST;
    for (int i = 0; i < permitted; i++)
        say(eve, "again %d", i);
    say(eve, "/quit");
    for (const char *line = ""; fnmatch("\\* bye", line, 0) != 0;) {
        line = expect(eve, "*");
        sent_on += strstr(line, " eve: ") != NULL;
    }
    if (sent_on < permitted)
        fail_test("expected %d more lines of eve to be sent on, %d each second, got %d",
                  permitted, rate, sent_on);
}

TEST(recovers, .judges = SERVER, .stage = ROBUST, .needs = "flood", .points = 1,
     .step = 7, .name = "a user that was too fast and then waits may send again",
     .hint =
         "Credit grows with time: by 20 lines a second, or as --rate sets. Drop a user "
         "only after 100 lines.")
{
    int port;
    struct program *server = start_server(&port);
    use_up_and_wait(port, LINE_RATE);
    finish(server);
    server = start(SERVER, "--rate", "40", "tcp:127.0.0.1:0", NULL);
    use_up_and_wait(await_ready(server), 40);
    finish(server);
}

TEST(
    endless_line, .judges = SERVER, .stage = ROBUST, .needs = "line_limit", .points = 2,
    .step = 7, .name = "a line without an end costs no memory, and its sender is dropped",
    .hint =
        "Keep no more than the limit of a line. Each further 1,000 bytes count as one line.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna"), *eve = join(port, "eve");
    struct resources early = resources_of(server);
    char *much = random_bytes(1 << 20, 'a', 'z');
    for (int i = 0; i < 20; i++)
        send_raw(eve, much, 1 << 20);
    expect(anna, NOTICE "eve was dropped: *");
    struct resources late = resources_of(server);
    if (!instrumented() && late.memory > early.memory + (4 << 20))
        fail_test("expected no more memory for an endless line, got %zu kB more",
                  (late.memory - early.memory) / 1024);
    say(anna, "hello");
    expect(anna, CLOCK " anna: hello");
    finish(server);
}

/* Reads up to the next line of anna. Returns whether the notice came before it. */
static bool read_up_to_line(struct peer *peer)
{
    bool notice = false;
    for (;;) {
        const char *line = next_line(peer, "the line that was just sent");
        if (line == NULL)
            lost("a user that reads was dropped");
        if (strstr(line, " anna: ") != NULL)
            return notice;
        notice = notice || fnmatch(NOTICE "deaf was dropped: *", line, 0) == 0;
    }
}

TEST(
    does_not_read, .judges = SERVER, .stage = ROBUST, .needs = "same_order", .points = 3,
    .step = 8,
    .name = "a user that does not read is dropped, and nobody else waits or loses a line",
    .hint =
        "Do not block in send(): keep what is not sent, up to 256 KB. Then drop the user, after the "
        "line is in all other queues.")
{
    enum { LINES = 20000 };
    int port;
    struct program *server = start_fast(&port);
    struct peer *anna = join(port, "anna"), *deaf = connect_peer(port);
    setsockopt(deaf->socket, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
    say(deaf, "/name deaf");
    expect(anna, NOTICE "deaf joined");
    struct peer *boris = join(port, "boris");
    char *words = random_bytes(900, 'a', 'z');
    size_t dropped[2] = {0, 0};
    struct resources early = resources_of(server);
    for (size_t i = 1; i <= LINES && (dropped[0] == 0 || dropped[1] == 0); i++) {
        say(anna, "%.900s", words);
        bool noticed[2] = {read_up_to_line(anna), read_up_to_line(boris)};
        for (size_t k = 0; k < 2; k++)
            if (noticed[k])
                dropped[k] = i;
        size_t memory = i % 500 == 0 && !instrumented() ? resources_of(server).memory : 0;
        if (memory > early.memory + (4 << 20))
            fail_test("expected at most %d bytes to wait for a user, but the server has "
                      "%zu kB more",
                      QUEUE_LIMIT, (memory - early.memory) / 1024);
    }
    if (dropped[0] == 0)
        fail_test(
            "expected the user that does not read to be dropped, but it was not after %d "
            "lines of 900 bytes",
            LINES);
    if (dropped[0] != dropped[1])
        fail_test(
            "expected the notice at one place for everybody, got it after %zu and after %zu "
            "lines",
            dropped[0], dropped[1]);
    finish(server);
}

/* Lets anna send lines past a user that does not read: so many, or up to the line with which it is dropped.
 * Returns that number, and the user. */
static size_t talk_past(struct peer *anna, int port, size_t most, struct peer **late)
{
    const char *words = random_bytes(TEXT_LIMIT, 0xFF,
                                     0xFF); /* each byte becomes three */
    *late = connect_peer(port);
    say(*late, "/name deaf");
    expect(anna, NOTICE "deaf joined");
    for (size_t i = 1; i <= most; i++) {
        say(anna, "%.*s", TEXT_LIMIT, words);
        if (read_up_to_line(anna))
            return i;
    }
    return most;
}

TEST(
    reads_late, .judges = SERVER, .stage = ROBUST, .needs = "does_not_read", .points = 1,
    .step = 8, .name = "a user that reads late gets all that waits for it",
    .hint_unix = "Watch for EPOLLOUT while something waits to be sent.",
    .hint_win32 =
        "Go on when the packet of a send that was pending comes. Send to a socket by WSASend: "
        "under Wine a pending WriteFile is never done.")
{
    enum { LINES = 20000, LEFT = 40 };
    int port;
    struct program *server = start_fast(&port);
    struct peer *anna = join(port, "anna"), *late;
    size_t most = talk_past(anna, port, LINES, &late);
    leave(late);
    if (most <= LEFT || most == LINES)
        fail_test("expected a user that does not read to be dropped, got %zu lines",
                  most);
    /* Now more waits in the queue than the system has taken. */
    size_t sent = talk_past(anna, port, most - LEFT, &late), got = 0;
    const char *line;
    /* It can be dropped if the system has taken less than before. */
    while (got < sent && (line = next_line(late, "the lines that wait for it")) != NULL)
        got += fnmatch(CLOCK " anna: *", line, 0) == 0;
    finish(server);
}

TEST(
    readers_stay, .judges = SERVER, .stage = ROBUST, .needs = "same_order", .points = 1,
    .step = 8,
    .name = "users that read are not dropped, however much comes at once from many",
    .hint_unix =
        "After each receive send what it has put into the queues: before that, no other receive.",
    .hint_win32 =
        "Send until the queue is empty or a send is pending: one part for each packet is too slow. "
        "With FILE_SKIP_COMPLETION_PORT_ON_SUCCESS a send that is done at once has no packet.")
{
    enum { GUESTS = 30, LINES = 4 };
    int port;
    struct program *server = start_server(&port);
    struct peer *guests[GUESTS];
    /* Each byte is replaced by three: one receive puts 12 KB into every queue. */
    const char *words = random_bytes(TEXT_LIMIT, 0xFF, 0xFF);
    for (size_t i = 0; i < GUESTS; i++)
        guests[i] = join(port, text("user%zu", i));
    let_block();
    if (under_test() == UNIX)
        send_signal(server, SIGSTOP);
    for (size_t i = 0; i < GUESTS; i++)
        for (size_t k = 0; k < LINES; k++)
            say(guests[i], "%.*s", TEXT_LIMIT, words);
    if (under_test() == UNIX)
        send_signal(server, SIGCONT);
    for (size_t i = 0; i < GUESTS; i++)
        for (size_t k = 0; k < (size_t)GUESTS * LINES; k++)
            expect(guests[i], CLOCK " user*: *");
    finish(server);
}

#define ONE_CONNECTION \
    "An error of a receive or a send ends this connection, not the server."

TEST(killed_client, .judges = SERVER, .stage = ROBUST, .needs = "comes_and_goes",
     .points = 2, .step = 7,
     .name = "a client that is killed has left at once, also with a reset",
     .hint = ONE_CONNECTION)
{
    int port;
    struct program *server = start_server(&port);
    look_at_error(SERVER, "*", 7, ONE_CONNECTION);
    struct peer *anna = join(port, "anna");
    for (int i = 0; i < 20; i++) {
        const char *name = text("peer%d", i);
        struct peer *peer = enter(port, name);
        expect(anna, NOTICE "%s joined", name);
        if (i % 2 == 0)
            say(peer, "last words");
        reset(peer);
        expect(anna, NOTICE "%s left", name);
    }
    struct peer *early = connect_peer(port);
    reset(early);
    say(anna, "hello");
    expect(anna, CLOCK " anna: hello");
    finish(server);
}

TEST(
    thousand, .judges = SERVER, .stage = ROBUST, .needs = "who", .points = 3, .step = 6,
    .name =
        "1,000 users are in the room, /who lists them all, and each gets a message once",
    .hint =
        "Raise the limit on descriptors. Announce no joining in a room of more than 100 users.")
{
    enum { USERS = 1000 };
    static struct peer *peers[USERS];
    int port;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < USERS + 100)
        skip_test("needs %d descriptors, here are %ld", USERS + 100,
                  (long)limit.rlim_max);
    struct program *server = start_server(&port);
    for (size_t i = 0; i < USERS; i++)
        peers[i] = enter(port, text("user%zu", i));
    expect(peers[0], NOTICE "user9[0-9] joined"); /* the last that is announced */
    say(peers[0], "/who");
    size_t names = 0;
    const char *line;
    do {
        line = next_line(peers[0], "the reply to /who");
        if (line == NULL)
            lost("expected the reply to /who");
        if (strstr(line, "user200 joined") != NULL)
            fail_test("expected no notice in a room of more than %d users, got \"%s\"",
                      ANNOUNCE_LIMIT, line);
        for (const char *at = line; (at = strstr(at, " user")) != NULL; at++)
            names += strncmp(line, "* here:", 7) == 0;
    } while (strncmp(line, "* users here:", 13) != 0);
    if (names != USERS)
        fail_test("expected %d names in the reply to /who, got %zu", USERS, names);
    const char *word = token();
    say(peers[USERS - 1], "%s", word);
    for (size_t i = 0; i < USERS; i++)
        expect(peers[i], CLOCK " user999: %s", word);
    for (size_t i = 0; i < USERS; i++)
        expect_nothing(peers[i]);
    for (size_t i = 0; i < USERS; i++)
        leave(peers[i]);
    struct peer *last = connect_peer(port);
    say(last, "/name last");
    expect(last, "\\* you are last; *");
    finish(server);
}

/* The timer of a program's connection: its own port is `port`, or for a client the other side's. /proc/net/tcp
 * shows it: 1 is for a repetition, 2 for keep-alive, with its time in 1/100 s. Returns false if there is no
 * connection. */
static bool find_timer(int port, bool of_client, unsigned *timer, unsigned long *when)
{
    char line[300];
    bool found = false;
    FILE *table = fopen("/proc/net/tcp", "r");
    if (table == NULL)
        kit_error("/proc/net/tcp: %s", strerror(errno));
    while (!found && fgets(line, sizeof line, table) != NULL) {
        unsigned from, to, state;
        found = sscanf(line, " %*d: %*8x:%4x %*8x:%4x %2x %*8x:%*8x %2x:%8lx", &from, &to,
                       &state, timer, when) == 5 &&
                (int)(of_client ? to : from) == port && state == 1;
    }
    fclose(table);
    return found;
}

static void expect_keep_alive(int port, bool of_client)
{
    unsigned timer = 0;
    unsigned long when = 0;
    bool found = find_timer(port, of_client, &timer, &when);
    for (int i = 0; i < 30 && found && timer == 1;
         i++) { /* bytes are not yet acknowledged */
        usleep(100000);
        found = find_timer(port, of_client, &timer, &when);
    }
    if (found && (timer != 2 || when > 100 * SILENCE + 100))
        fail_test("expected a connection with keep-alive after at most %d s, got %s",
                  SILENCE,
                  timer != 2 ? "one without" : text("one after %lu s", when / 100));
    if (!found)
        kit_error("the connection is not in /proc/net/tcp");
}

TEST(
    keeps_alive, .judges = SERVER, .stage = ROBUST, .needs = "takes_a_name", .points = 2,
    .step = 6, .name = "connections are tested by keep-alive after at most 30 seconds",
    .hint_unix =
        "Set SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT on each connection.",
    .hint_win32 = "Call WSAIoctl with SIO_KEEPALIVE_VALS for each connection.")
{
    int port;
    struct program *server = start_server(&port);
    join(port, "anna");
    expect_keep_alive(port, false);
    finish(server);
}

/* Runs two-hosts with that option up to its end: the client's cable is cut, and the server finds out. */
static struct program *cut_the_cable(const char *option)
{
    static const char cut[] = "two-hosts: the cable is cut";
    struct program *hosts = start_hosts(option, text("%d", LEAST_SILENCE));
    for (int i = 0; i < PATIENCE && !printed_like(hosts, cut); i++)
        if (ending_within(hosts, 1) != NULL)
            break;
    skip_without_hosts(hosts);
    wait_line(hosts, cut);
    if (ending_within(hosts, 10 * LEAST_SILENCE) == NULL)
        fail_test("expected the server to find out in %d seconds, but it has not in %d",
                  2 * LEAST_SILENCE, 10 * LEAST_SILENCE);
    return hosts;
}

TEST(
    cut_cable, .judges = SERVER, .stage = ROBUST, .needs = "keeps_alive", .points = 2,
    .step = 6,
    .name = "a client whose cable is cut has left after twice the seconds of --silence",
    .hint_unix =
        "Set all of TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT: the system makes nine tests, each "
        "after 75 seconds. An error of recv() ends the connection.",
    .hint_win32 =
        "SIO_KEEPALIVE_VALS takes two times, in milliseconds. An error of the receive ends "
        "the connection.")
{
    struct program *hosts = cut_the_cable("--cut");
    wait_line(hosts, "server: client 1 left");
    expect_end(hosts, 0);
}

TEST(cut_while_talking, .judges = SERVER, .stage = ROBUST, .needs = "cut_cable",
     .points = 1, .step = 6, .unix_only = true,
     .name = "a client whose cable is cut has left in time, also if others write to it",
     .hint = "Keep-alive waits while bytes are sent again. TCP_USER_TIMEOUT limits that.")
{
    struct program *hosts = cut_the_cable("--cut-and-talk");
    wait_line(hosts, "server: boris: \"hello\"");
    wait_line(hosts, "server: client 1 left");
    expect_end(hosts, 0);
}

/* Starts a server at a local socket. Returns its path. */
static const char *start_at_path(struct program **server)
{
    *server = start(SERVER, "--rate", "0", "pipe:./messenger", NULL);
    far_end = *server;
    wait_line_like(*server, "server: ready pipe:*");
    return scratch_path("messenger");
}

static struct peer *connect_path(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made == -1)
        kit_error("socket: %s", strerror(errno));
    if (connect(made, (struct sockaddr *)&name, sizeof name) == -1)
        lost("expected a connection to %s, got an error of connect(): %s", path,
             strerror(errno));
    fcntl(made, F_SETFL, O_NONBLOCK);
    return new_peer(made);
}

/* A peer that connects as another user. The capabilities stay, so that no mode of a file or folder refuses
 * it: then only the server can. */
static struct peer *connect_as(uid_t user, const char *path)
{
    if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) == -1 || seteuid(user) == -1)
        skip_test("needs root: only root can connect as another user");
    struct peer *peer = connect_path(path);
    if (seteuid(getuid()) == -1)
        kit_error("seteuid: %s", strerror(errno));
    return peer;
}

TEST(
    other_user, .judges = SERVER, .stage = ROBUST, .needs = "takes_a_name", .points = 2,
    .step = 6, .unix_only = true,
    .name = "with pipe:NAME another user is refused, and its own user is not",
    .hint =
        "getsockopt() with SO_PEERCRED returns the user that has called connect(). Close the "
        "connection of another user than geteuid() and root, before a byte is sent.")
{
    enum { NOBODY = 65534 };
    if (geteuid() != 0)
        skip_test("needs root: only root can connect as another user");
    struct program *server;
    const char *path = start_at_path(&server);
    struct peer *stranger = connect_as(NOBODY, path);
    say(stranger, "/name stranger");
    const char *line = next_line(stranger, "the end of the connection");
    if (line != NULL)
        fail_test("expected a closed connection for another user, got the line \"%s\"",
                  line);
    struct peer *own = connect_as(geteuid(), path);
    say(own, "/name anna");
    expect(own, "\\* you are anna; users here: 1");
    finish(server);
}

TEST(
    history_survives, .judges = SERVER, .stage = ROBUST, .needs = "history", .points = 2,
    .step = 2, .name = "after kill -9 the next server still shows the messages",
    .hint =
        "Map the file with MAP_SHARED, and write each message when it comes, not at the end.")
{
    const char *file = token(), *word = token();
    int port;
    struct program *server = start_with_history(file, &port);
    struct peer *anna = join(port, "anna");
    say(anna, "%s", word);
    expect(anna, CLOCK " anna: %s", word);
    kill_program(server);
    server = start_with_history(file, &port);
    struct peer *boris = connect_peer(port);
    say(boris, "/name boris");
    expect(boris, CLOCK " anna: %s", word);
    finish(server);
}

TEST(
    history_damaged, .judges = SERVER, .stage = ROBUST, .needs = "history", .points = 2,
    .step = 2,
    .name = "a file that is no history is left alone; one that is in use is an error",
    .hint =
        "Look at the size and at the first bytes before anything is written. Lock the file.")
{
    char *bytes = random_bytes(5000, 'a', 'z');
    const char *name = token(), *used = token();
    int port;
    write_file(name, bytes, 5000, 0644);
    struct program *server = start(SERVER, "--history", name, "tcp:127.0.0.1:0", NULL);
    wait_error_like(server, "server: *");
    expect_end(server, 1);
    size_t length;
    const char *after = read_file(name, &length);
    expect_bytes("the file", NULL, 0, bytes, 5000, after, length);
    server = start_with_history(used, &port);
    struct program *second = start(SERVER, "--history", used, "tcp:127.0.0.1:0", NULL);
    wait_error_like(second, "server: *");
    expect_end(second, 1);
    finish(server);
}

TEST(long_history, .judges = SERVER, .stage = ROBUST, .needs = "history", .points = 1,
     .step = 2,
     .name = "a user that joins is not dropped, however long the 100 messages are",
     .hint =
         "The messages of the history can be more than QUEUE_LIMIT: do not count them.")
{
    int port;
    struct program *server = start_with_history(token(), &port);
    struct peer *anna = join(port, "anna");
    /* Each byte is replaced by three. */
    const char *words = random_bytes(TEXT_LIMIT, 0xFF, 0xFF);
    for (size_t i = 0; i < HISTORY_LENGTH; i++) {
        say(anna, "%.*s", TEXT_LIMIT, words);
        expect_next(anna, CLOCK " anna: *");
    }
    struct peer *boris = connect_peer(port);
    say(boris, "/name boris");
    for (size_t i = 0; i < HISTORY_LENGTH; i++)
        expect(boris, CLOCK " anna: *");
    say(boris, "hello");
    expect(boris, CLOCK " boris: hello");
    finish(server);
}

TEST(history_is_clean, .judges = SERVER, .stage = ROBUST, .needs = "history", .points = 1,
     .step = 2,
     .name = "escape sequences that were written into the file do not reach a client",
     .hint = "Clean what comes from the file like what comes from a client.")
{
    const char *file = token();
    int port;
    struct program *server = start_with_history(file, &port);
    struct peer *anna = join(port, "anna");
    say(anna, "MARK-and-text");
    expect(anna, CLOCK " anna: *");
    finish(server);
    size_t length;
    char *bytes = read_file(file, &length);
    char *mark = memmem(bytes, length, "MARK", 4);
    if (mark == NULL)
        fail_test("expected the text in the file, got none");
    *mark = '\x1B';
    write_file(file, bytes, length, 0644);
    server = start_with_history(file, &port);
    struct peer *boris = connect_peer(port);
    say(boris, "/name boris");
    const char *line = expect(boris, "*-and-text*");
    if (strchr(line, '\x1B') != NULL)
        fail_test("expected no escape character from the file, got one");
    finish(server);
}

TEST(
    leaver_does_not_read, .judges = SERVER, .stage = ROBUST, .needs = "quit", .points = 1,
    .step = 8,
    .name =
        "a client that has left and does not close is closed after 5 seconds, also at the "
        "server's end",
    .hint = "Wait with a time limit while there are clients that leave.")
{
    int port;
    struct program *ending = start_server(&port);
    join(port, "anna"); /* and does not close */
    send_signal(ending, SIGINT);
    struct program *server = start_server(&port);
    struct peer *peers[20];
    join(port, "anna");
    struct resources early = resources_of(server);
    for (size_t i = 0; i < 20; i++) {
        peers[i] = enter(port, text("peer%zu", i));
        say(peers[i], "/quit");
        expect(peers[i], "\\* bye");
    }
    double end = now() + LEAVING_SECONDS + 10;
    while (resources_of(server).descriptors > early.descriptors + 5 && now() < end)
        usleep(100000); /* no event shows that a server has closed its socket */
    size_t late = resources_of(server).descriptors;
    if (late > early.descriptors + 5)
        fail_test(
            "expected the connections of 20 clients that have left to be closed, but the "
            "server has %zu descriptors, and had %zu",
            late, early.descriptors);
    if (ending_within(ending, LEAVING_SECONDS + 5) == NULL)
        fail_test("expected the end %d seconds after Ctrl-C, with a client that does not "
                  "close, but the server is still running",
                  LEAVING_SECONDS);
    wait_line(ending, "server: done");
    expect_end(ending, 0);
    finish(server);
}

TEST(
    end_is_read, .judges = SERVER, .stage = ROBUST, .needs = "ctrl_c", .points = 1,
    .step = 9, .unix_only = true,
    .name =
        "after Ctrl-C a user that reads late still gets all its lines, and the notice",
    .hint =
        "Go on until all users have left, up to 5 seconds: what send() does not take now still "
        "waits in the queue.")
{
    enum { LINES = 240 }; /* more than the socket takes, and less than QUEUE_LIMIT */
    struct program *server;
    const char *path = start_at_path(&server);
    struct peer *anna = connect_path(path), *late = connect_path(path);
    const char *words = random_bytes(TEXT_LIMIT, 'a', 'z');
    say(late, "/name late");
    expect(late, "\\* you are late; *");
    say(anna, "/name anna");
    for (int i = 0; i < LINES; i++) {
        say(anna, "%.*s", TEXT_LIMIT, words);
        expect(anna, CLOCK " anna: *");
    }
    send_signal(server, SIGINT);
    expect(anna, NOTICE "the server ends");
    for (int i = 0; i < LINES; i++)
        expect(late, CLOCK " anna: %.*s", TEXT_LIMIT, words);
    expect_next(late, NOTICE "the server ends");
    leave(anna);
    leave(late);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(two_thousand_visits, .judges = SERVER, .stage = ROBUST, .needs = "quit", .points = 2,
     .step = 9,
     .name =
         "after 2,000 users the server has no more memory, descriptors or handles in use",
     .hint = "Close the socket and free the memory of each connection, however it ended.")
{
    int port;
    struct program *server = start_server(&port);
    struct resources early = {0};
    struct peer *anna = join(port, "anna");
    for (int i = 0; i < 2000; i++) {
        if (i == 400)
            early = resources_of(server);
        struct peer *peer = enter(port, "boris");
        if (i % 4 == 0)
            say(peer, "/quit");
        else if (i % 4 == 1)
            send_raw(peer, "unfinished", 10);
        if (i % 4 == 0)
            expect_closed(peer);
        if (i % 4 == 3)
            reset(peer);
        else
            leave(peer);
        expect(anna, NOTICE "boris left");
        free(peer->bytes);
    }
    struct resources late = resources_of(server);
    if (late.descriptors > early.descriptors + 8)
        fail_test(
            "after 400 users the server had %zu descriptors, after 2,000 it has %zu",
            early.descriptors, late.descriptors);
    if (!instrumented() && late.memory > early.memory + 512 * 1024)
        fail_test("after 400 users the server held %zu kB, after 2,000 it holds %zu kB",
                  early.memory / 1024, late.memory / 1024);
    finish(server);
}

TEST(
    stale_pipe, .judges = SERVER, .stage = ROBUST, .needs = "takes_a_name", .points = 1,
    .step = 3,
    .name =
        "a server takes over the pipe of a server that was killed, but not of one that runs",
    .hint_unix =
        "bind() fails with EADDRINUSE if the file is there. Remove it only if it is a socket "
        "and connect() fails with ECONNREFUSED.",
    .hint_win32 =
        "FILE_FLAG_FIRST_PIPE_INSTANCE fails with error 5 if the name has a server.")
{
    const char *address = text("pipe:%s", token());
    struct program *server = start(SERVER, address, NULL);
    wait_line(server, "server: ready %s", address);
    if (under_test() == UNIX || on_windows()) { /* Wine ignores the flag */
        struct program *second = start(SERVER, address, NULL);
        wait_error_like(second, "server: *");
        expect_end(second, 1);
    }
    kill_program(server);
    server = start(SERVER, address, NULL);
    wait_line(server, "server: ready %s", address);
    finish(server);
    if (under_test() == WIN32)
        return;
    write_file("precious", "data", 4, 0644);
    server = start(SERVER, "pipe:./precious", NULL);
    wait_error_like(server, "server: *");
    expect_end(server, 1);
    size_t length;
    const char *bytes = read_file("precious", &length);
    expect_bytes("the file", NULL, 0, "data", 4, bytes, length);
}

TEST(stopped, .judges = SERVER, .stage = ROBUST, .needs = "everybody_gets_it",
     .points = 1, .step = 5, .unix_only = true,
     .name = "a server that is stopped and continued goes on",
     .hint = "epoll_wait() fails with EINTR after SIGSTOP and SIGCONT: call it again.")
{
    int port;
    struct program *server = start_server(&port);
    struct peer *anna = join(port, "anna");
    let_block(); /* it must be stopped in epoll_wait() */
    send_signal(server, SIGSTOP);
    say(anna, "hello");
    send_signal(server, SIGCONT);
    expect(anna, CLOCK " anna: hello");
    let_block();
    send_signal(server, SIGSTOP);
    send_signal(server, SIGCONT);
    let_block();
    say(anna, "again");
    expect(anna, CLOCK " anna: again");
    finish(server);
}

TEST(
    server_streams, .judges = SERVER, .stage = ROBUST, .needs = "everybody_gets_it",
    .points = 1, .step = 1,
    .name = "a server whose output is closed at the other end goes on",
    .hint_unix = "Ignore SIGPIPE: a line that cannot be printed must not end the server.",
    .hint_win32 =
        "A line that cannot be printed must not end the server: do not stop at such an "
        "error.")
{
    int port;
    struct program *server = start_server(&port);
    close_output(server);
    struct peer *anna = join(port, "anna"), *boris = join(port, "boris");
    say(anna, "hello");
    expect(boris, CLOCK " anna: hello");
    if (!is_running(server))
        fail_test("expected the server to run, but it has ended");
    kill_program(server);
}

/* ==== Robust: the client ================================================================ */

TEST(client_is_clean, .judges = CLIENT, .stage = ROBUST, .needs = "prints_lines",
     .points = 2, .step = 6,
     .name = "escape sequences of a server do not reach the terminal",
     .hint = "Clean each line again: do not trust the server.")
{
    struct peer *peer;
    struct program *client = start_client(&peer, (struct start_options){0});
    say(peer, "12:03 eve: \x1B[2J\x07\xFF\xE2\x80\xAE\xC2\x9B MARK");
    const char *line = wait_line_like(client, "12:03 eve: *MARK");
    /* The last character has two bytes: perhaps both are replaced. */
    bool both = strstr(line, REPLACED REPLACED REPLACED REPLACED REPLACED) != NULL;
    const char *expected = text("12:03 eve: " REPLACED
                                "[2J" REPLACED REPLACED REPLACED REPLACED "%s MARK",
                                both ? REPLACED : "");
    expect_bytes("the line", NULL, 0, expected, strlen(expected), line, strlen(line));
    end_client(client, peer);
}

TEST(client_endless_line, .judges = CLIENT, .stage = ROBUST, .needs = "prints_lines",
     .points = 1, .step = 6,
     .name = "a line without an end from the server costs the client no memory",
     .hint = "Print what has no end in pieces, or leave it out.")
{
    struct peer *peer;
    struct start_options options = {.output_limit = 1 << 20};
    struct program *client = start_client(&peer, options);
    expect_next(peer, "/name anna");
    struct resources early = resources_of(client);
    char *much = random_bytes(1 << 20, 'a', 'z');
    for (int i = 0; i < 16; i++)
        send_raw(peer, much, 1 << 20);
    struct resources late = resources_of(client);
    if (!instrumented() && late.memory > early.memory + (4 << 20))
        fail_test("expected no more memory for an endless line, got %zu kB more",
                  (late.memory - early.memory) / 1024);
    close_input(client);
    expect(peer, "/quit");
    leave(peer);
    expect_end(client, 0);
}

TEST(
    busy_server, .judges = CLIENT, .stage = ROBUST, .needs = "prints_lines", .points = 1,
    .step = 4, .name = "a line is sent also while the server sends without a pause",
    .hint_unix = "After each wait look at all descriptors that are ready.",
    .hint_win32 =
        "WaitForMultipleObjects returns the first handle that is signaled: put the keyboard "
        "before the connection, and look at both.")
{
    struct peer *peer;
    struct start_options options = {.output_limit = 1 << 20};
    struct program *client = start_client(&peer, options);
    expect_next(peer, "/name anna");
    const char *words = random_bytes(TEXT_LIMIT, 'a', 'z');
    const char *message = text("12:03 eve: %.*s\n", TEXT_LIMIT, words);
    for (int i = 0; i < 1000; i++) /* more than it reads at once */
        send_raw(peer, message, strlen(message));
    type(client, "typed\n");
    const char *line = NULL;
    for (double end = now() + 10; line == NULL; line = cut_line(peer)) {
        if (now() > end)
            fail_test("expected the line that was typed, got none in 10 seconds");
        send_raw(peer, message, strlen(message));
        take_bytes(peer);
    }
    if (strcmp(line, "typed") != 0)
        fail_test("expected the line that was typed, got \"%s\"", line);
    kill_program(client);
}

TEST(client_keeps_alive, .judges = CLIENT, .stage = ROBUST, .needs = "sends_lines",
     .points = 1, .step = 2,
     .name = "the client finds out by keep-alive, too, that the server is switched off",
     .hint_unix = "Set the options of keep-alive after connect().",
     .hint_win32 = "Call WSAIoctl with SIO_KEEPALIVE_VALS after connect().")
{
    int port, listener = listen_here(&port);
    struct program *client = start(CLIENT, "--name", "anna", address_text(port), NULL);
    struct peer *peer = accept_client(listener, client);
    close(listener);
    expect_next(peer, "/name anna");
    expect_keep_alive(port, true);
    end_client(client, peer);
}

TEST(
    retries, .judges = CLIENT, .stage = ROBUST, .needs = "server_lost", .points = 3,
    .step = 6,
    .name =
        "with --retry the client connects again, after pauses that grow, and takes its name again",
    .hint =
        "After a loss wait 1, 2, 4, ... 32 seconds. Go on with 1 after a connection. A failed send() "
        "and the failed recv() after it are one loss.")
{
    int port, listener = listen_here(&port);
    struct program *client = start(CLIENT, "--retry", "--name", "anna",
                                   address_text(port), NULL);
    struct peer *peer = accept_client(listener, client);
    expect_next(peer, "/name anna");
    leave(peer);
    wait_error_like(client, "client: *next attempt in 1 s*");
    peer = accept_client(listener, client);
    expect_next(peer, "/name anna");
    type(client, "hello\n");
    expect_next(peer, "hello");
    close(listener);
    if (under_test() ==
        UNIX) { /* one wait returns both: the line to send, and the loss */
        send_signal(client, SIGSTOP);
        type(client, "a line that is lost\n");
        reset(peer);
        send_signal(client, SIGCONT);
    } else {
        reset(peer);
    }
    wait_error_like(client, "client: *next attempt in 1 s*");
    double begun = now();
    wait_error_like(client, "client: *next attempt in 2 s*");
    wait_error_like(client, "client: *next attempt in 4 s*");
    if (now() - begun < 2.5)
        fail_test("expected pauses of 1 and 2 seconds, got %.1f seconds for both",
                  now() - begun);
    kill_program(client); /* it may still have that line, and not end at Ctrl-C */
}

TEST(
    retries_at_terminal, .judges = CLIENT, .stage = ROBUST, .needs = "retries",
    .points = 1, .step = 6,
    .name = "at a terminal, too, the line before a pause begins with \"client: \"",
    .hint =
        "Take the line off the screen, print the report on standard error, show the line again.")
{
    int port, listener = listen_here(&port);
    struct program *client = start_with(
        CLIENT, (struct start_options){.terminal_input = true, .terminal_output = true},
        "--retry", "--name", "anna", address_text(port), NULL);
    struct peer *peer = accept_client(listener, client);
    close(listener);
    expect_next(peer, "/name anna");
    leave(peer);
    wait_row(client, "*client: *next attempt in 1 s*");
    kill_program(client);
}

TEST(
    waits_for_server, .judges = CLIENT, .stage = ROBUST, .needs = "retries", .points = 1,
    .step = 2,
    .name =
        "with --retry a client waits for its first server, and sends all that was typed before",
    .hint =
        "An error of getaddrinfo() or connect() is a pause, too. At the end of the input wait until "
        "what is left is sent.")
{
    struct program *client = start(CLIENT, "--retry", "tcp:no such host:7709", NULL);
    wait_error_like(client, "client: *next attempt in 1 s*");
    send_signal(client, SIGINT);
    expect_end(client, 0);

    int port, listener = listen_here(&port);
    close(listener);
    client = start(CLIENT, "--retry", "--name", "anna", address_text(port), NULL);
    wait_error_like(client, "client: *next attempt in 1 s*");
    type(client, "last words");
    close_input(client);
    listener = listen_on(port);
    struct peer *peer = accept_client(listener, client);
    close(listener);
    expect_next(peer, "/name anna");
    expect_next(peer, "last words");
    expect_quit(client, peer);
}

TEST(
    no_bye, .judges = CLIENT, .stage = ROBUST, .needs = "sends_lines", .points = 1,
    .step = 7,
    .name =
        "a client whose server is silent after /quit, or talks on, exits after 5 seconds",
    .hint = "Wait with a time limit after /quit. Each line that comes makes it shorter.")
{
    struct peer *silent, *talking;
    struct program *first = start_client(&silent, (struct start_options){0});
    struct program *second = start_client(&talking, (struct start_options){0});
    close_input(first);
    close_input(second);
    expect(silent, "/quit");
    expect(talking, "/quit");
    double end = now() + LEAVING_SECONDS + 5;
    while (ending_within(second, 0.5) == NULL && now() < end)
        say(talking, "* still here");
    bool ended = ending_within(first, 1) != NULL;
    if (!ended || is_running(second))
        fail_test(
            "expected the client to exit %d seconds after /quit, but it is still running "
            "after %d, with a server that %s",
            LEAVING_SECONDS, LEAVING_SECONDS + 5, ended ? "talks on" : "is silent");
}

TEST(
    finds_address, .judges = PAIR, .stage = ROBUST, .needs = "finds_servers", .points = 1,
    .step = 4, .client_step = 1, .unix_only = true,
    .name = "client --find prints the address where the server listens, not another one",
    .hint =
        "Send the answers from a second UDP socket, which is bound to the server's own address.",
    .client_hint = "HOST is the address from which the answer came.")
{
    struct program *server = start(SERVER, "tcp:127.0.0.2:0", NULL);
    const char *line = wait_line_like(server, "server: ready tcp:127.0.0.2:*");
    int port = atoi(strrchr(line, ':') + 1);
    struct program *client = start(CLIENT, "--find", NULL);
    wait_line(client, "tcp:127.0.0.2:%d", port);
    expect_end(client, 0);
    if (printed_like(client, address_text(port)))
        fail_test("expected no line %s: no server listens there", address_text(port));
    finish(server);
}

TEST(fast_talk, .judges = PAIR, .stage = ROBUST, .needs = "paces_itself", .points = 1,
     .step = 8, .client_step = 6,
     .name = "clients get 3,000 lines without a loss while they send themselves",
     .hint = "Send what waits when the socket is ready again.",
     .client_hint = "Read as much as is there, and print every line.")
{
    int port;
    struct program *server = start_fast(&port);
    struct program *anna = start(CLIENT, "--name", "anna", address_text(port), NULL);
    wait_line_like(anna, NOTICE "anna joined");
    struct peer *boris = join(port, "boris");
    for (int i = 0; i < 3000; i++) {
        say(boris, "line %d", i);
        if (i % 500 == 0)
            type(anna, text("between %d\n", i));
    }
    for (int i = 0; i < 3000; i++)
        expect(boris, CLOCK " boris: line %d", i);
    wait_line_like(anna, CLOCK " boris: line 2999");
    if (count_lines(anna, CLOCK " boris: line *") != 3000)
        fail_test("expected 3000 lines, got %zu",
                  count_lines(anna, CLOCK " boris: line *"));
    close_input(anna);
    expect_end(anna, 0);
    finish(server);
}

/* ---- What `make run` shows ------------------------------------------------------------- */

static void conversation(void)
{
    int port;
    narrate(
        "A server, and two clients in one room. What one types comes to both, with the time and\n"
        "the name that the server has for it.");
    struct program *server = start_server(&port);
    struct program *anna = start(CLIENT, "--name", "anna", address_text(port), NULL);
    wait_line_like(anna, NOTICE "anna joined");
    struct start_options of_unix = {0};
    if (under_test() == WIN32) {
        narrate("The second client is a program of UNIX.");
        of_unix = (struct start_options){
            .file = reference_file("09-messenger", UNIX, "client"), .of_unix = true};
    }
    struct program *boris = start_with(CLIENT, of_unix, "--name", "boris",
                                       address_text(port), NULL);
    wait_line_like(anna, NOTICE "boris joined");
    type(boris, "hello, " CYRILLIC " " EMOJI "\n");
    wait_line_like(anna, CLOCK " boris: hello, *");
    type(anna, "/to boris for you alone\n");
    wait_line_like(boris, CLOCK " anna > boris: *");
    type(anna, "/who\n");
    wait_line_like(anna, "\\* users here: 2");
    narrate(
        "A third one has no client: it sends lines over a plain connection, as nc does. It takes\n"
        "a name that looks like another, and a text that would turn the terminal red.");
    struct peer *peer = connect_peer(port);
    say(peer, "/name \xD0\xB0nna");
    narrate("  the reply: %s", expect(peer, "! *"));
    say(peer, "/name eve");
    expect(peer, NOTICE "eve joined");
    say(peer, "\x1B[31mred");
    wait_line_like(anna, CLOCK " eve: *");
    leave(peer);
    wait_line_like(anna, NOTICE "eve left");
    narrate("A client leaves at the end of its input, or by /quit.");
    type(boris, "/quit\n");
    expect_end(boris, 0);
    wait_line_like(anna, NOTICE "boris left");
    close_input(anna);
    expect_end(anna, 0);
    end_server(server);
}

CHECKER("09-messenger", "the messenger")
