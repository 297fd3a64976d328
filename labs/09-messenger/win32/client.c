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
 * At a console the client edits the line itself (../line.c), because a message that arrives must
 * not destroy it. If its input or output is no console, it is a filter: lines in, lines out. It
 * does not send faster than the server permits, so that a file can be sent, too.
 *
 * Why WaitForMultipleObjects and not two threads: both threads would print on one screen, and one
 * would have to end the other, which blocks in a read. A console's handle is signaled when a key
 * was pressed; the connection has a receive under way, whose event is signaled when bytes came.
 * Only a pipe or file as standard input cannot be waited for: for that, a thread reads.
 *
 * Counterpart: ../unix/client.c. Not here: arrow keys; a connect() that can be interrupted.
 * To try: client --name anna; echo hello | client --name script; client --name x <NUL.
 */
#include "contract.h"
#include "endpoint.h"
#include "find.h"
#include "ipclab.h"
#include "session.h"

#define PORTION 4096

static struct session session;
static HANDLE connection;    /* a socket or a pipe; NULL: lost, to be tried again */
static OVERLAPPED receiving; /* the receive that is under way; its event */
static OVERLAPPED sending;   /* the same for a send */
static char portion[BUFFER_SIZE];

static struct line line; /* what is being typed at the console */
static bool interactive; /* the console shows it */
static HANDLE keyboard;  /* signaled: there is input */
static HANDLE input, output;
static DWORD as_found; /* how the console was */
static HANDLE taken;   /* an event for the thread that reads: its bytes are taken */
static char read_bytes[PORTION]; /* which are here */
static long read_length;

static void prepare_console(void);
static void connect_to_server(void);
static HANDLE wait_for_events(HANDLE interrupt);
static void read_keyboard(void);
static void send_bytes(const struct buffer *bytes);
static void send_lines(void);
static void start_receive(void);
static void receive(void);
static void disconnect(void);
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
    HANDLE interrupt = interrupt_event();

    /* STEP 2: Connect, and take the name. */
    receiving.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    sending.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (receiving.hEvent == NULL || sending.hEvent == NULL)
        sys_error("CreateEvent");
    connect_to_server();

    /* STEP 3: Take the keyboard: from now on each key comes at once, and is not shown. */
    prepare_console();
    redraw();

    while (connection != NULL || !session.leaving) {
        /* STEP 4: Wait for the connection, the keyboard and Ctrl-C, all in one call. */
        HANDLE happened = wait_for_events(interrupt);
        if (connection == NULL && milliseconds() >= session.next_attempt)
            connect_to_server();

        /* STEP 5: The keyboard: edit the line, or take it. */
        if (happened == keyboard)
            read_keyboard();
        if (session.leaving && milliseconds() >= session.leave_by)
            break; /* the server does not close the connection */
        if (happened == interrupt) {
            session.input_ended = true;
            session.typed.length = 0;
        }
        send_lines();

        /* STEP 6: The connection: print what has come. */
        if (connection != NULL &&
            WaitForSingleObject(receiving.hEvent, 0) == WAIT_OBJECT_0)
            receive(); /* also if a key was pressed: neither makes the other wait */
    }

    /* STEP 7: End. The console becomes what it was (at exit). */
    return EXIT_SUCCESS;
}

/* Returns the handle that is signaled; NULL after the time limit. Lines that still have to be sent go
 * first: meanwhile the keyboard is left alone. */
static HANDLE wait_for_events(HANDLE interrupt)
{
    HANDLE handles[3]; /* of several that are signaled, the first is returned */
    DWORD count = 0;
    if (!session.leaving)
        handles[count++] = interrupt; /* it stays signaled */
    if (!session.input_ended && !session_waits(&session))
        handles[count++] = keyboard;
    if (connection != NULL)
        handles[count++] = receiving.hEvent;
    /* -1, no limit, is INFINITE. */
    DWORD limit = (DWORD)session_wait(&session, connection != NULL, milliseconds());
    // LEVEL 1: DWORD result;
    DWORD result = WaitForMultipleObjects(count, handles, FALSE, limit);
    if (result == WAIT_FAILED)
        sys_error("WaitForMultipleObjects");
    // END
    return result < WAIT_OBJECT_0 + count ? handles[result] : NULL;
}

/* ---- The console ----------------------------------------------------------------------- */

/* In UTF-16: a console would show bytes in its code page. */
static void write_console(const struct buffer *text)
{
    wchar_t *wide = allocate((text->length + 1) * sizeof *wide);
    int units = MultiByteToWideChar(CP_UTF8, 0, text->bytes, (int)text->length, wide,
                                    (int)text->length);
    DWORD written;
    WriteConsoleW(output, wide, (DWORD)units, &written, NULL);
    free(wide);
}

/* Writes and frees what is in `out`. */
static void put(struct buffer *out)
{
    if (interactive)
        write_console(out);
    else if (!write_all(output, out->bytes, out->length))
        sys_error("WriteFile"); /* nobody reads what this filter prints */
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

static void restore_console(void)
{
    hide();
    SetConsoleMode(input, as_found);
}

/* A pipe or a file cannot be waited for: this thread reads it, a portion at a time. A read of 0 bytes
 * from a pipe is another program's write of 0 bytes, and no end. */
static void read_input(void *argument)
{
    (void)argument;
    do {
        DWORD length = 0;
        bool ok;
        do
            ok = ReadFile(input, read_bytes, PORTION, &length, NULL);
        while (ok && length == 0 && GetNamedPipeInfo(input, NULL, NULL, NULL, NULL));
        if (!ok && GetLastError() != ERROR_BROKEN_PIPE)
            log_sys_error("ReadFile");
        read_length = (long)length;
        if (!SetEvent(keyboard) || WaitForSingleObject(taken, INFINITE) == WAIT_FAILED)
            sys_error("SetEvent");
    } while (read_length > 0);
}

/* Without ENABLE_LINE_INPUT a key comes when it is pressed, and without ENABLE_ECHO_INPUT we show the
 * line. Ctrl-C remains an event (ENABLE_PROCESSED_INPUT). */
static void prepare_console(void)
{
    DWORD mode;
    input = GetStdHandle(STD_INPUT_HANDLE);
    output = GetStdHandle(STD_OUTPUT_HANDLE);
    bool console = GetConsoleMode(input, &as_found);
    interactive = console && GetConsoleMode(output, &mode);
    if (interactive) {
        keyboard = input;
        // LEVEL 2
        if (atexit(restore_console) != 0 ||
            !SetConsoleMode(input, ENABLE_PROCESSED_INPUT))
            sys_error("SetConsoleMode");
        // END
        return;
    }
    keyboard = CreateEventW(NULL, FALSE, FALSE, NULL);
    taken = CreateEventW(NULL, FALSE, FALSE, NULL);
    if (keyboard == NULL || taken == NULL)
        sys_error("CreateEvent");
    if (!start_thread(read_input, NULL))
        sys_error("_beginthreadex");
}

static size_t console_columns(void)
{
    CONSOLE_SCREEN_BUFFER_INFO info;
    bool known = GetConsoleScreenBufferInfo(output, &info) && info.dwSize.X > 0;
    return known ? (size_t)info.dwSize.X : 80;
}

/* Prints a complete line; the line that is being typed moves down. */
static void show(const char *text, size_t length)
{
    struct buffer out = {0};
    if (interactive) {
        line_print(&line, &out, console_columns(), text, length);
    } else {
        buffer_append(&out, text, length);
        buffer_append(&out, "\r\n", 2);
    }
    put(&out);
}

static void redraw(void)
{
    if (!interactive)
        return;
    struct buffer out = {0};
    line_hide(&line, &out);
    line_show(&line, &out, console_columns());
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
        connection = NULL;
        lose("no server is there");
        return;
    }
    start_receive();
    struct buffer first = {0};
    session_connected(&session, &first);
    send_bytes(&first);
    free(first.bytes);
}

/* Closes the connection. A receive that is under way still uses `portion`: it must end first. */
static void disconnect(void)
{
    DWORD length;
    if (connection == NULL)
        return;
    if (CancelIoEx(connection, &receiving))
        GetOverlappedResult(connection, &receiving, &length, TRUE);
    close_endpoint(&session.address, connection);
    connection = NULL;
}

/* The server is gone. With --retry this is a pause. */
static void lose(const char *why)
{
    disconnect();
    hide();
    if (!session.retry)
        fatal("%s", why);
    log_error("%s", session_lost(&session, why, milliseconds()));
    redraw();
}

/* A receive is always under way. Its event is signaled when it is done, also if it is done at once. */
static void start_receive(void)
{
    HANDLE event = receiving.hEvent;
    receiving = (OVERLAPPED){.hEvent = event};
    // LEVEL 2
    if (!ReadFile(connection, portion, sizeof portion, NULL, &receiving) &&
        GetLastError() != ERROR_IO_PENDING)
        SetEvent(event); /* receive() gets the error */
    // END
}

/* Takes what has been received, and prints the lines that are complete. */
static void receive(void)
{
    DWORD length = 0;
    // LEVEL 2: bool done;
    bool done = GetOverlappedResult(connection, &receiving, &length, FALSE) && length > 0;
    // END
    ResetEvent(receiving.hEvent);
    if (!done && session.leaving) {
        disconnect();
        return;
    }
    if (!done) {
        lose("the server has closed the connection");
        return;
    }
    session_received(&session, portion, length);
    const char *text;
    for (size_t size; (text = session_text(&session, &size)) != NULL;)
        show(text, size);
    start_receive();
}

/* ---- The keyboard ---------------------------------------------------------------------- */

/* A character outside the first 65,536, such as an emoji, comes as two units. */
static void take_unit(wchar_t unit)
{
    static wchar_t units[2];
    static size_t count;
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        units[0] = unit;
        count = 1;
        return;
    }
    if (unit < 0xDC00 || unit > 0xDFFF)
        count = 0;
    units[count++] = unit;
    char *text = to_utf8(units, count);
    for (const char *byte = text; *byte != '\0'; byte++)
        session_key(&session, &line, (unsigned char)*byte);
    free(text);
    count = 0;
}

/* Takes all events that the console has: only keys that are pressed, and that mean a character. A
 * character that was pasted can come with the release of the Alt key. */
static void read_console(void)
{
    INPUT_RECORD events[64];
    DWORD count = 0;
    // LEVEL 2
    if (!ReadConsoleInputW(input, events, 64, &count))
        sys_error("ReadConsoleInput");
    // END
    for (DWORD i = 0; i < count; i++) {
        const KEY_EVENT_RECORD *key = &events[i].Event.KeyEvent;
        if (events[i].EventType != KEY_EVENT || key->uChar.UnicodeChar == 0 ||
            (!key->bKeyDown && key->wVirtualKeyCode != VK_MENU))
            continue;
        for (WORD repeated = 0; repeated < key->wRepeatCount; repeated++)
            take_unit(key->uChar.UnicodeChar);
    }
    redraw();
}

/* Takes what is there. A filter takes bytes; at the console keys change the line. */
static void read_keyboard(void)
{
    if (interactive) {
        read_console();
        return;
    }
    if (read_length == 0)
        session.input_ended = true;
    // LEVEL 2
    session_bytes(&session, read_bytes, (size_t)read_length);
    if (!SetEvent(taken))
        sys_error("SetEvent");
    // END
}

/* Sends all bytes. A server that does not read must not hold us here. */
static void send_bytes(const struct buffer *bytes)
{
    DWORD sent = 0;
    bool ok = true;
    for (size_t done = 0; ok && done < bytes->length; done += sent) {
        ok = WriteFile(connection, bytes->bytes + done, (DWORD)(bytes->length - done),
                       NULL, &sending) ||
             GetLastError() == ERROR_IO_PENDING;
        if (ok &&
            WaitForSingleObject(sending.hEvent, 1000 * LEAVING_SECONDS) == WAIT_TIMEOUT)
            CancelIoEx(connection, &sending);
        ok = ok && GetOverlappedResult(connection, &sending, &sent, TRUE);
    }
    if (!ok)
        lose("the connection is lost");
}

/* Sends the lines that are complete, as fast as the server permits. */
static void send_lines(void)
{
    struct buffer next = {0};
    while (session_next_line(&session, connection != NULL, milliseconds(), &next))
        send_bytes(&next);
    free(next.bytes);
}
