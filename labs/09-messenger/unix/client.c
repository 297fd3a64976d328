/*
 * client.c - the messenger's client: the keyboard and the connection in one wait.
 *
 * Usage: client [--name NAME] [--retry] [ADDRESS]
 *        client --find
 *
 * ADDRESS is tcp:HOST:PORT (tcp:127.0.0.1:7709) or pipe:NAME. Each line that is typed goes to the
 * server; each line that comes is printed. --name takes a name at once. With --retry a lost server
 * is no end: the client connects again, after pauses that grow from 1 to 32 seconds.
 *
 * --find prints the addresses of the servers on the network (../find.c).
 *
 * At a terminal the client edits the line itself (../line.c), because a message that arrives must
 * not destroy it. If its input or output is no terminal, it is a filter: lines in, lines out. It
 * does not send faster than the server permits, so that a file can be sent, too.
 *
 * Why poll() and not two threads: both threads would print on one screen, and one would have to
 * end the other, which blocks in a read. With one wait there is one order of events, and no lock.
 * poll() is enough for three descriptors; the server has thousands, and takes epoll.
 *
 * Counterpart: ../win32/client.c. Not here: arrow keys; a connect() that can be interrupted.
 * To try: client --name anna; echo hello | client --name script; client --name x </dev/null.
 */
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <termios.h>

#include "contract.h"
#include "endpoint.h"
#include "find.h"
#include "ipclab.h"
#include "session.h"

static struct session session;
static int connection = -1; /* -1: lost, to be tried again */

static struct line line;        /* what is being typed at the terminal */
static bool interactive;        /* the terminal shows it */
static struct termios as_found; /* how the terminal was */

enum { KEYBOARD = 1, CONNECTION = 2, INTERRUPT = 4 };

static void prepare_terminal(void);
static void connect_to_server(void);
static unsigned wait_for_events(int interrupt);
static void read_keyboard(void);
static void send_bytes(const struct buffer *bytes);
static void send_lines(void);
static void receive(void);
static void lose(const char *why);
static void show(const char *text, size_t length);
static void redraw(void);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the options and the session.address. */
    (void)argc;
    begin_program("client", "[--name NAME] [--retry] [ADDRESS], or --find", &argv);
    session_begin(&session, argv, milliseconds());
    if (session.find && find_servers() == 0)
        fatal("no server has answered");
    if (session.find)
        return EXIT_SUCCESS;
    signal(SIGPIPE, SIG_IGN); /* send() to a server that has ended fails with EPIPE */
    int interrupt = interrupt_event();

    /* STEP 2: Connect, and take the name. */
    connect_to_server();

    /* STEP 3: Take the keyboard: from now on each key comes at once, and is not shown. */
    prepare_terminal();
    redraw();

    while (connection != -1 || !session.leaving) {
        /* STEP 4: Wait for the connection, the keyboard and Ctrl-C, all in one call. */
        unsigned happened = wait_for_events(interrupt);
        if (connection == -1 && milliseconds() >= session.next_attempt)
            connect_to_server();

        /* STEP 5: The keyboard: edit the line, or take it. */
        if ((happened & KEYBOARD) != 0)
            read_keyboard();
        if (session.leaving && milliseconds() >= session.leave_by)
            break; /* the server does not close the connection */
        if ((happened & INTERRUPT) != 0) {
            session.input_ended = true;
            session.typed.length = 0;
        }
        send_lines();

        /* STEP 6: The connection: print what has come. */
        if ((happened & CONNECTION) != 0 && connection != -1)
            receive();
    }

    /* STEP 7: End. The terminal becomes what it was (at exit). */
    if (connection != -1 && close(connection) == -1)
        sys_error("close");
    return EXIT_SUCCESS;
}

/* Returns what has happened. Lines that still have to be sent go first: meanwhile the keyboard is left
 * alone. */
static unsigned wait_for_events(int interrupt)
{
    bool wanted = !session.input_ended && !session_waits(&session);
    struct pollfd files[] = {
        {.fd = session.leaving ? -1 : interrupt, .events = POLLIN}, /* it stays ready */
        {.fd = connection, .events = POLLIN}, /* poll() ignores -1 */
        {.fd = wanted ? STDIN_FILENO : -1, .events = POLLIN},
    };
    // LEVEL 1: int count;
    int count = poll(files, sizeof files / sizeof *files,
                     session_wait(&session, connection != -1, milliseconds()));
    if (count == -1 && errno != EINTR)
        sys_error("poll");
    // END
    if (count == -1)
        return 0;
    return (files[0].revents != 0 ? INTERRUPT : 0u) |
           (files[1].revents != 0 ? CONNECTION : 0u) |
           (files[2].revents != 0 ? KEYBOARD : 0u);
}

/* ---- The terminal ---------------------------------------------------------------------- */

/* Writes and frees what is in `out`. */
static void put(struct buffer *out)
{
    if (!write_all(STDOUT_FILENO, out->bytes, out->length) && !interactive)
        sys_error("write"); /* nobody reads what this filter prints */
    free(out->bytes);
}

/* Takes the line off the screen. */
static void hide(void)
{
    if (!interactive)
        return;
    struct buffer out = {0};
    line_hide(&line, &out);
    put(&out);
}

static void restore_terminal(void)
{
    hide();
    tcsetattr(STDIN_FILENO, TCSANOW, &as_found);
}

/* ICANON off: a key comes when it is pressed, not when the line is complete. ECHO off: we show the
 * line. Ctrl-C remains a signal; Ctrl-Z and Ctrl-\ are turned off, because a client that is stopped or
 * killed would leave the terminal like this. */
static void prepare_terminal(void)
{
    interactive = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (!interactive)
        return;
    if (tcgetattr(STDIN_FILENO, &as_found) == -1)
        sys_error("tcgetattr");
    // LEVEL 2
    struct termios mode = as_found;
    mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    mode.c_cc[VSUSP] = mode.c_cc[VQUIT] = _POSIX_VDISABLE;
    if (atexit(restore_terminal) != 0 || tcsetattr(STDIN_FILENO, TCSANOW, &mode) == -1)
        sys_error("tcsetattr");
    // END
}

static size_t terminal_columns(void)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : 80;
}

/* Prints a complete line; the line that is being typed moves down. */
static void show(const char *text, size_t length)
{
    struct buffer out = {0};
    if (interactive) {
        line_print(&line, &out, terminal_columns(), text, length);
    } else {
        buffer_append(&out, text, length);
        buffer_append(&out, "\n", 1);
    }
    put(&out);
}

static void redraw(void)
{
    if (!interactive)
        return;
    struct buffer out = {0};
    line_hide(&line, &out);
    line_show(&line, &out, terminal_columns());
    put(&out);
}

/* ---- The connection -------------------------------------------------------------------- */

static void connect_to_server(void)
{
    // LEVEL 2: const char *failed;
    const char *failed = connect_to(&session.address, &connection);
    // END
    if (failed != NULL && !session.retry)
        sys_error(failed);
    if (failed != NULL) {
        connection = -1;
        lose("no server is there");
        return;
    }
    /* A server that does not read must not hold us in send(): that fails then. */
    struct timeval limit = {.tv_sec = LEAVING_SECONDS};
    if (setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == -1)
        sys_error("setsockopt");
    struct buffer first = {0};
    session_connected(&session, &first);
    send_bytes(&first);
    free(first.bytes);
}

/* The server is gone. With --retry this is a pause. */
static void lose(const char *why)
{
    if (connection != -1)
        close(connection);
    connection = -1;
    hide();
    if (!session.retry)
        fatal("%s", why);
    log_error("%s", session_lost(&session, why, milliseconds()));
    redraw();
}

/* Receives once, and prints the lines that are complete. */
static void receive(void)
{
    char bytes[BUFFER_SIZE];
    // LEVEL 2: ssize_t length;
    ssize_t length = recv(connection, bytes, sizeof bytes, 0);
    // END
    if (length == -1 && errno == EINTR)
        return;
    if (length <= 0 && session.leaving) {
        close(connection);
        connection = -1;
        return;
    }
    if (length <= 0) {
        lose(length == 0 ? "the server has closed the connection"
                         : "the connection is lost");
        return;
    }
    session_received(&session, bytes, (size_t)length);
    const char *text;
    for (size_t size; (text = session_text(&session, &size)) != NULL;)
        show(text, size);
}

static void send_bytes(const struct buffer *bytes)
{
    if (!send_all(connection, bytes->bytes, bytes->length))
        lose("the connection is lost");
}

/* Sends the lines that are complete, as fast as the server permits. */
static void send_lines(void)
{
    struct buffer next = {0};
    while (session_next_line(&session, connection != -1, milliseconds(), &next))
        send_bytes(&next);
    free(next.bytes);
}

/* ---- The keyboard ---------------------------------------------------------------------- */

/* Reads what is there. A filter reads bytes; at the terminal keys change the line. */
static void read_keyboard(void)
{
    char bytes[4096];
    // LEVEL 2: ssize_t length;
    ssize_t length = read(STDIN_FILENO, bytes, sizeof bytes);
    // END
    if (length == -1 && errno == EINTR)
        return;
    if (length == -1 && errno != EIO) /* EIO: the terminal is gone */
        sys_error("read");
    if (length <= 0)
        session.input_ended = true;
    if (!interactive && length > 0)
        session_bytes(&session, bytes, (size_t)length);
    for (ssize_t i = 0; interactive && i < length; i++)
        session_key(&session, &line, (unsigned char)bytes[i]);
    redraw();
}
