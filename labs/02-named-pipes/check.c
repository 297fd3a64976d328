/*
 * check.c - judges lab 02 from outside, by the contract alone.
 *
 * The test's client and the test's server are one program (grading/probe/pipe_peer.c). It plays any
 * number of clients to judge a server, and a server to judge a client, and behaves well or
 * badly. It obeys commands on its standard input and reports on its standard output. Messages
 * are put into files, in the form that they have on the wire: wire() makes it from a text.
 */
#include <fcntl.h>
#include <iconv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract.h"
#include "harness.h"

#define CYRILLIC "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82" /* "привет" */
#define MEGABYTE (1024 * 1024)

/* How long a server may take to end after Ctrl-C where that is not what the test judges. */
#define END_SECONDS 1.0

/* What the reports of the test's client and server mean, for wait_report(). */
#define OF_CLIENT "the report of the test's client that "
#define CONNECTED OF_CLIENT "it has connected"
#define CONNECTED_OR_NOT OF_CLIENT "it has connected, or was refused"
#define SENT OF_CLIENT "it has sent a message"
#define RECEIVED OF_CLIENT "it has received a message"
#define AT_END OF_CLIENT "the server has ended the session"
#define EMPTY OF_CLIENT "the server has read all that it sent"
#define CLOSED OF_CLIENT "it has left"
#define SERVED OF_CLIENT "every one of many clients was served"
#define DENIED OF_CLIENT "CreateNamedPipe of the server fails, or works again"
#define ANNOUNCED OF_CLIENT "it has written to the well-known FIFO"
#define ABOUT_PIPE OF_CLIENT "says what the pipe is"
#define OF_SERVER "the report of the test's server that "
#define LISTENING OF_SERVER "it is ready"
#define MESSAGE OF_SERVER "it has received a message"
#define REPLIED OF_SERVER "it has sent a reply"
#define CLIENT_LEFT OF_SERVER "the client has left"
#define REFUSED OF_SERVER "it has refused the client"
#define RIVAL OF_SERVER "another client has taken the instance"
#define FILLED OF_SERVER "its FIFO is full"
#define BLOCKED OF_SERVER "a client has made its FIFOs, and waits"
#define SQUEEZED \
    OF_SERVER "its FIFO has room for all but the last byte of an announcement"
#define SPILLED OF_SERVER "it has seen what came into that room"
#define REMOVED OF_SERVER "it has removed the name"

/* ---- What the tests share ----------------------------------------------------------- */

static bool speaks_seqpacket(void)
{
    return strcmp(pair_under_test(), "seqpacket") == 0;
}

static bool speaks_fifo(void)
{
    return under_test() == UNIX && !speaks_seqpacket();
}

/* The most letters that a message has room for, beside the NUL where the wire has one. */
static size_t most_letters(void)
{
    return under_test() == WIN32 ? MAX_MESSAGE / 2 - 1
                                 : MAX_MESSAGE - (speaks_seqpacket() ? 1 : 0);
}

static const char *last_address; /* of the server that was started last */

static const char *fresh_address(void)
{
    last_address = under_test() == WIN32 ? text("\\\\.\\pipe\\%s", token())
                                         : text("pipe-%s", token());
    return last_address;
}

/* `words`, in UTF-8, as one message on the wire: `*size` bytes that live as long as the test. */
static char *wire(const char *words, size_t *size)
{
    size_t length = strlen(words);
    if (under_test() == UNIX) {
        *size = length + (speaks_seqpacket() ? 1 : 0); /* with its NUL */
        return text("%s", words);
    }
    size_t room = 2 * (length + 1), left = room;
    char *bytes = random_bytes(room, 'x', 'x'), *in = text("%s", words), *out = bytes;
    size_t in_left = length + 1;
    iconv_t converter = iconv_open("UTF-16LE", "UTF-8");
    if (converter == (iconv_t)-1 ||
        iconv(converter, &in, &in_left, &out, &left) == (size_t)-1)
        kit_error("iconv cannot turn UTF-8 into UTF-16");
    iconv_close(converter);
    *size = room - left;
    return bytes;
}

/* Any `length` bytes of ASCII as one message on the wire: as wire(), but they may contain NULs. */
static char *wire_bytes(const char *bytes, size_t length, size_t *size)
{
    size_t width = under_test() == WIN32 ? 2 : 1;
    char *message = random_bytes((length + 1) * width, 0, 0);
    for (size_t i = 0; i < length; i++)
        message[i * width] = bytes[i];
    *size = speaks_fifo() ? length : (length + 1) * width;
    return message;
}

/* Gives the test's client or server a command. */
static void command(struct program *probe, const char *line)
{
    send_bytes(probe, text("%s\n", line), strlen(line) + 1);
}

/* Waits for a report of the test's client or server, and returns it. `pattern` is as for
 * fnmatch(3). A failure shows `meaning`, and not the report. */
static const char *wait_report(struct program *probe, const char *pattern,
                               const char *meaning)
{
    return wait_line_that(probe, text("test: %s", pattern), meaning);
}

/* Starts the server at a fresh address, which goes to `*address`. */
static struct program *start_server_with(struct start_options options,
                                         const char **address)
{
    *address = fresh_address();
    look_at(SERVER, 2, "Create the name that clients open, then " LINE_AT_ONCE);
    look_at_waiting(SERVER, "open",
                    "open() of a FIFO for reading blocks until a process opens it for "
                    "writing: open it with O_RDWR, both ends at once.");
    struct program *server = start_with(SERVER, options, *address, NULL);
    wait_line(server, "server: ready %s", *address);
    look_at(SERVER, 0, NULL);
    return server;
}

static struct program *start_server(const char **address)
{
    return start_server_with((struct start_options){0}, address);
}

/* The path of the FIFO or the socket `address`, which is in the scratch folder. */
static const char *path_in_scratch(const char *address)
{
    if (*address == '/')
        return address;
    const char *file = write_file("here", "", 0, 0600);
    return text("%.*s/%s", (int)(strrchr(file, '/') - file), file, address);
}

/* Removes the name that a killed server has left. */
static void remove_left_name(const char *address)
{
    if (under_test() == UNIX && unlink(path_in_scratch(address)) == -1)
        kit_error("%s: the name of a killed server is not there", address);
}

/* Ends the server by Ctrl-C. Whether it does that well is judged by the tests of Ctrl-C
 * alone: here a server that goes on is killed, and the name that it leaves is removed. */
static void finish(struct program *server)
{
    const char *ending = ending_within(server, 0);
    if (ending != NULL)
        fail_test("expected the server to run until Ctrl-C, but it %s", ending);
    send_signal(server, SIGINT);
    if (instrumented())
        expect_end(server, 0); /* it reports what is wrong when it ends */
    else if (ending_within(server, END_SECONDS) == NULL)
        kill_program(server);
    if (wait_end(server) != 0 && under_test() == UNIX)
        unlink(path_in_scratch(last_address));
}

/* Starts the test's client and connects it; from now on it is number `number`. */
static struct program *connect_probe(const char *address, int number)
{
    struct program *probe = start_probe("pipe_peer", NULL);
    command(probe, text("connect %d %s", number, address));
    wait_report(probe, text("%d connected", number), CONNECTED);
    return probe;
}

/* Lets the test's client `number` send these bytes as one message. */
static void send_message(struct program *probe, int number, const void *bytes,
                         size_t size)
{
    write_file("message.out", bytes, size, 0644);
    command(probe, text("send %d message.out", number));
    wait_report(probe, text("%d sent", number), SENT);
}

/* Waits until the test's client has received a message, which must be these bytes. */
static void expect_message(struct program *probe, int number, const void *bytes,
                           size_t size)
{
    command(probe, text("receive %d", number));
    wait_report(probe, text("%d received *", number), RECEIVED);
    size_t length;
    char *received = read_file(text("received.%d", number), &length);
    expect_bytes("the echo", bytes, size, bytes, size, received, length);
}

static void expect_end_of(struct program *probe, int number)
{
    command(probe, text("receive %d", number));
    wait_report(probe, text("%d is at its end", number), AT_END);
}

/* Lets the test's client send one message, and receive its echo. */
static void exchange(struct program *probe, int number, const void *bytes, size_t size)
{
    send_message(probe, number, bytes, size);
    expect_message(probe, number, bytes, size);
}

static void exchange_words(struct program *probe, int number, const char *words)
{
    size_t size;
    char *bytes = wire(words, &size);
    exchange(probe, number, bytes, size);
}

/* A new client must be served now. */
static void expect_service(const char *address)
{
    struct program *probe = connect_probe(address, 1);
    exchange_words(probe, 1, token());
    command(probe, "close 1");
    wait_report(probe, "1 closed", CLOSED);
}

/* A text with bytes that are not text, and how a program must print it. */
static const char raw_text[] = "a\nb\"c\\d\0e\x01\x1B[31m\x7F\r\t\n";
static const char shown_text[] =
    "\"a\\nb\\\"c\\\\d\\0e\\x01\\x1B[31m\\x7F\\x0D\\x09\\n\"";

/* Whether the server lets in one more client, number `number`, and serves it. */
static bool is_let_in(struct program *probe, int number, const char *address)
{
    command(probe, text("connect %d %s", number, address));
    if (strstr(wait_report(probe, text("%d *ed*", number), CONNECTED_OR_NOT),
               "refused") != NULL)
        return false;
    size_t size;
    /* A socket may report only now that the server has let this client go. */
    char *bytes = wire(token(), &size);
    write_file("message.out", bytes, size, 0644);
    command(probe, text("send %d message.out", number));
    wait_report(probe, text("%d *sen[dt]*", number), SENT);
    command(probe, text("receive %d", number));
    return strstr(wait_report(probe, text("%d *", number), RECEIVED), "received") != NULL;
}

/* Lets clients come to a server that has no room for 60, until it refuses one. Those that
 * are in must be served, and others after they have left. A server that lets in all 60 is
 * right, too. */
static void crowd_out(struct program *server, const char *address)
{
    struct program *first = connect_probe(address, 1);
    exchange_words(first, 1, token());
    struct program *probe = start_probe("pipe_peer", NULL);
    int others = 0;
    while (others < 60 && is_let_in(probe, others, address))
        others++;
    if (others < 60)
        wait_error_like(server, "server: *");
    exchange_words(first, 1, token());
    kill_program(probe);
    for (int i = 0; i < others; i++)
        wait_line_like(server, "server: client * left");
    expect_service(address);
    exchange_words(first, 1, token());
    finish(server);
}

/* Waits until clients can reach the server, which may have no standard output to report it. */
static void await_server(struct program *server, const char *address)
{
    struct program *probe = speaks_fifo() ? NULL : start_probe("pipe_peer", NULL);
    while (is_running(server)) {
        int fifo = -1;
        if (speaks_fifo()) /* fails until the server has opened it for reading */
            fifo = open(path_in_scratch(address), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        else
            command(probe, text("connect 1 %s", address));
        if (fifo != -1)
            close(fifo);
        if (fifo != -1 ||
            (probe != NULL &&
             strstr(wait_report(probe, "1 *", CONNECTED_OR_NOT), "refused") == NULL))
            break;
        usleep(2000);
    }
    if (probe != NULL)
        kill_program(probe);
}

/* Starts the test's server at a fresh address. */
static struct program *start_listener(const char **address)
{
    *address = fresh_address();
    struct program *probe = start_probe("pipe_peer", NULL);
    command(probe, text("listen %s %s", *address,
                        under_test() == WIN32 ? "pipe"
                        : speaks_fifo()       ? "fifo"
                                              : "seqpacket"));
    wait_report(probe, "listening", LISTENING);
    return probe;
}

/* Waits for the client's next message, which must be these bytes. */
static void expect_next(struct program *probe, const char *bytes, size_t size)
{
    command(probe, "next");
    wait_report(probe, "message of *", MESSAGE);
    size_t length;
    char *received = read_file("message", &length);
    expect_bytes("the client's message", NULL, 0, bytes, size, received, length);
}

static void expect_words(struct program *probe, const char *words)
{
    size_t size;
    char *bytes = wire(words, &size);
    expect_next(probe, bytes, size);
}

static void reply_words(struct program *probe, const char *words)
{
    size_t size;
    char *bytes = wire(words, &size);
    write_file("reply", bytes, size, 0644);
    command(probe, "reply reply");
    wait_report(probe, "replied", REPLIED);
}

static void remove_name(struct program *probe)
{
    command(probe, "unlisten");
    wait_report(probe, "gone", REMOVED);
}

static void type(struct program *client, const char *line)
{
    send_bytes(client, line, strlen(line));
}

/* Sends a line of a client, and waits for its echo. */
static void echo_word(struct program *client)
{
    const char *word = token();
    type(client, text("%s\n", word));
    wait_line(client, "client: received \"%s\"", word);
}

/* Ends the client's input: it must leave, and exit with 0. The test's server closes its ends as soon as it
 * reads the end, for which the client may wait. */
static void end_input(struct program *client, struct program *probe)
{
    close_input(client);
    command(probe, "left");
    wait_line(client, "client: done");
    expect_end(client, 0);
}

#define ONE_LINE                                                                        \
    "Print one line for each event, and none for what did not come. After fork() both " \
    "processes have what is in the buffer of stdout: call fflush(stdout) before it."

/* Each event is one line: fails the test unless the program has printed `count` lines like this one. */
static void expect_count(struct program *program, const char *pattern, size_t count)
{
    size_t printed = count_lines(program, pattern);
    if (printed != count)
        fail_test("expected %zu line%s like '%s', one for each event, got %zu", count,
                  count == 1 ? "" : "s", pattern, printed);
}

/* The program has ended with an error: that is one line on standard error which begins with `name`. */
static void expect_one_error(struct program *program, const char *name)
{
    size_t length, count = 0;
    const char *errors = errors_of(program, &length);
    const char *end = errors + length;
    for (const char *line = errors; line != NULL && line < end;) {
        size_t size = (size_t)(end - line);
        count += size > strlen(name) && memcmp(line, name, strlen(name)) == 0;
        line = memchr(line, '\n', size);
        line = line == NULL ? NULL : line + 1;
    }
    if (count != 1)
        fail_test("expected one error line that begins with \"%s\", got %zu", name,
                  count);
}

/* ==== Basic ========================================================================== */

/* What to look for in a client that does not begin to send. */
static const char *connecting(void)
{
    return under_test() == WIN32
               ? "Open the pipe with CreateFile. Print each line at once: call "
                 "fflush(stdout), or use log_event()."
               : "Open both FIFOs, then announce yourself: the server opens its ends when it "
                 "reads the announcement, once. That is \"\\nPID\\n\", with both newlines, and "
                 "the names are PIPE.PID.to_server and PIPE.PID.to_client. Wait for the greeting with poll(): until the "
                 "server opens its end, read() returns 0. Print each line at once: call "
                 "fflush(stdout), or use log_event().";
}

#define SKIP_EMPTY_LINE                                                                  \
    "open() found no such name. An announcement is \"\\nPID\\n\": skip the empty line, " \
    "which has no number. The names are PIPE.PID.to_server and PIPE.PID.to_client."

#define OPEN_BOTH_ENDS                                                                       \
    "Open PIPE with O_RDWR, and without O_NONBLOCK. With O_RDONLY a read returns 0 (end of " \
    "file) while no client has it open, with O_NONBLOCK it fails with EAGAIN (error 11)."

/* What to look for in a server to which a client does not begin to send. If the server has printed that the client
 * is connected, only the greeting is missing. */
static void look_at_connection(struct program *server, struct program *client)
{
    if (under_test() == WIN32) {
        look_at(SERVER, 3, "Let the client connect: wait for it with ConnectNamedPipe.");
        return;
    }
    look_at(
        SERVER, 4,
        "Read the announcement \"\\nPID\\n\": skip the empty line, and take the client's "
        "process ID from the next. Open its two FIFOs, and clear O_NONBLOCK if you have set "
        "it: fcntl(fd, F_SETFL, 0). Then start the thread that greets the client.");
    look_at_error(SERVER, "open: error 2", 3, SKIP_EMPTY_LINE);
    look_at_error(SERVER, "fgets: error *", 2, OPEN_BOTH_ENDS);
    look_at_error(SERVER, "read: error *", 2, OPEN_BOTH_ENDS);
    for (double end = now() + 1; speaks_fifo() && now() < end &&
                                 !printed_like(client, "client: sent *") &&
                                 ending_within(client, 0.01) == NULL;)
        ;
    if (speaks_fifo() && printed_like(server, "server: client * connected"))
        look_at(SERVER, 5,
                "Send the greeting, a message of 0 bytes: 4 bytes that are 0. The client "
                "waits for it.");
}

#define LENGTH_ORDER                                                                   \
    "The first byte of the length is the most significant one: \"hi\" is 00 00 00 02 " \
    "'h' 'i'. In the memory of this machine an int begins with its least significant byte."

#define REPLY_HINT                                                                        \
    "Wait for the reply, and read all of it. Print the text in quotes, and no more than " \
    "the reply contains." EACH_AT_ONCE

/* After a line of the client, `word`. A program may report a length with its bytes in the wrong order. A
 * client may take the greeting for the reply, or exit because there is nothing to read yet: by luck not
 * at its first line. */
static void look_at_reply(struct program *server, struct program *client,
                          const char *word)
{
    const char *ending = NULL;
    for (double end = now() + 1;
         speaks_fifo() && ending == NULL && now() < end &&
         !printed_like(client, text("client: received \"%s\"", word));)
        ending = ending_within(client, 0.01);
    const char *swapped = text("*%u*", __builtin_bswap32((unsigned)strlen(word)));
    look_at(SERVER, 0, NULL);
    if (speaks_fifo() &&
        (printed_like(server, swapped) || printed_like(client, swapped))) {
        look_at(SERVER, 5, LENGTH_ORDER);
        look_at(CLIENT, 4, LENGTH_ORDER);
    } else if (printed_like(client, "client: received \"\"") ||
               (ending != NULL && strncmp(ending, "exited", 6) == 0)) {
        look_at(
            CLIENT, 3,
            "If the client took the greeting for its reply, or had nothing to read: wait with "
            "poll() until the greeting comes, clear O_NONBLOCK with fcntl(fd, F_SETFL, 0), "
            "and read the greeting. While the flag is set, read() fails with EAGAIN (error 11) "
            "if the reply has not come yet.");
    } else {
        look_at(CLIENT, 5, REPLY_HINT);
    }
}

TEST(
    lines_and_echoes, .judges = PAIR, .stage = BASIC, .points = 3, .step = 5,
    .client_step = 4,
    .name =
        "lines of input are sent, received and echoed in order, and the client exits with 0",
    .hint_unix =
        "Send each message back as it came, with its length before it, until the client leaves. If you opened its FIFOs with O_NONBLOCK, clear the flag before you read: fcntl(fd, F_SETFL, 0). Print each line at once: call fflush(stdout), or use log_event().",
    .hint_win32 =
        "Send each message back as it came, until the client leaves. Print each line at once: call fflush(stdout), or use log_event().",
    .client_hint =
        "Send a line, wait for its reply, and go on until the end of the input. Print each line at once: call fflush(stdout), or use log_event().")
{
    const char *address, *words[4];
    struct program *server = start_server(&address);
    struct program *client = start(CLIENT, address, NULL);
    look_at(CLIENT, 3, connecting());
    look_at_waiting(
        CLIENT, "open",
        "open() of a FIFO blocks until a process opens its other end. Open both "
        "FIFOs before you announce yourself: the server opens its ends when it "
        "reads the announcement, once. For writing, open a spare read end first, "
        "with O_NONBLOCK.");
    for (int i = 0; i < 4; i++) {
        /* Some are shorter than the one before: of that nothing may come back. */
        words[i] = i % 2 == 0 ? text("%s%s", token(), token()) : token();
        send_bytes(client, text("%s\n", words[i]), strlen(words[i]) + 1);
        if (i == 0)
            look_at_connection(server, client);
        wait_line(client, "client: sent \"%s\"", words[i]);
        look_at_reply(server, client, words[i]);
        wait_line(client, "client: received \"%s\"", words[i]);
        look_at(CLIENT, 0, NULL);
        look_at(SERVER, 0, NULL);
        wait_line(server, "server: received \"%s\"", words[i]);
    }
    close_input(client);
    look_at(
        CLIENT, 6,
        "At the end of the input close the connection, print \"client: done\" and exit "
        "with 0." EACH_AT_ONCE);
    wait_line(client, "client: done");
    expect_end(client, 0);
    look_at(CLIENT, 0, NULL);
    wait_line_like(server, "server: client * left");
    finish(server);
    expect_count(client, "client: sent *", 4);
}

TEST(
    echoes_a_message, .judges = SERVER, .stage = BASIC, .needs = "lines_and_echoes",
    .points = 2, .step = 5, .name = "each message comes back as it was sent, at once",
    .hint_unix =
        "Open the client's two FIFOs, remove their names, and send an empty message. Then send back each message: its length in 4 bytes, and as many bytes as were read.",
    .hint_win32 = "Send back the bytes that were read, and as many as were read.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    wait_line(server, "server: client 1 connected");
    for (int i = 0; i < 5; i++) {
        const char *word = token();
        exchange_words(probe, 1, word);
        wait_line(server, "server: received \"%s\"", word);
    }
    command(probe, "close 1");
    wait_line(server, "server: client 1 left");
    finish(server);
}

TEST(sends_lines, .judges = CLIENT, .stage = BASIC, .needs = "lines_and_echoes",
     .points = 2, .step = 4,
     .name = "each line of the input is one message, and the reply is printed as it came",
     .hint_unix = "Send the line without its newline.",
     .hint_win32 = "Send the line without its newline, as UTF-16 with a NUL.")
{
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    for (int i = 0; i < 4; i++) {
        const char *word = token(), *reply = token();
        type(client, text("%s\n", word));
        expect_words(probe, word);
        reply_words(probe, reply);
        wait_line(client, "client: sent \"%s\"", word);
        wait_line(client, "client: received \"%s\"", reply);
    }
    end_input(client, probe);
    if (printed_like(probe, "test: no announcement*"))
        fail_test(
            "the client wrote something to the well-known FIFO that is not an announcement");
    remove_name(probe);
}

TEST(exit_line, .judges = CLIENT, .stage = BASIC, .needs = "sends_lines", .points = 1,
     .step = 4,
     .name = "the line \"exit\" is sent, and ends the client though there is more input",
     .hint =
         "After the reply to \"exit\" leave the loop, though there is more input: close "
         "the pipe and exit with 0.")
{
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    type(client, "exitus\n");
    expect_words(probe, "exitus");
    reply_words(probe, "ok");
    type(client, "exit\nmore\n");
    expect_words(probe, "exit");
    reply_words(probe, "exit");
    command(probe, "left");
    wait_line(client, "client: done");
    expect_end(client, 0);
    wait_report(probe, "client left", CLIENT_LEFT);
    if (printed_like(client, "client: sent \"more\""))
        fail_test("the client sent the line after \"exit\"");
    remove_name(probe);
}

/* ==== Complete: the pair ============================================================= */

TEST(
    default_name, .judges = PAIR, .stage = COMPLETE, .needs = "lines_and_echoes",
    .points = 1, .step = 1, .client_step = 1,
    .name = "without arguments both programs use the default name",
    .hint_unix =
        "Use $XDG_RUNTIME_DIR/$$MyPipe$$, or /tmp/$$MyPipe$$.UID if that variable is not set: runtime_path(PIPE_NAME).",
    .hint_win32 = "Use \\\\.\\pipe\\$$MyPipe$$ (contract.h).",
    .client_hint_unix =
        "Use $XDG_RUNTIME_DIR/$$MyPipe$$, or /tmp/$$MyPipe$$.UID if that variable is not set: runtime_path(PIPE_NAME).",
    .client_hint_win32 = "Use \\\\.\\pipe\\$$MyPipe$$ (contract.h).")
{
    if (!private_names())
        skip_test("needs private names: other programs may use the default name now");
    const char *const unset[] = {"XDG_RUNTIME_DIR", NULL};
    for (int round = 0; round < (speaks_fifo() ? 2 : 1); round++) {
        struct start_options options = {.environment = round == 0 ? NULL : unset};
        struct program *server = start_with(SERVER, options, NULL);
        const char *line = round == 0 ? wait_line_like(server, "server: ready *MyPipe*")
                                      : wait_line(server, "server: ready /tmp/%s.%ld",
                                                  PIPE_NAME, (long)getuid());
        last_address = strchr(line, 'y') + 2;
        struct program *client = start_with(CLIENT, options, NULL);
        echo_word(client);
        close_input(client);
        expect_end(client, 0);
        finish(server);
    }
}

TEST(three_clients, .judges = PAIR, .stage = COMPLETE, .needs = "lines_and_echoes",
     .points = 2, .step = 4, .client_step = 5,
     .name = "three clients at once each get their own echo, in any order",
     .hint = "Give each client a thread, or a state of its own.",
     .client_hint = "Wait for the reply to a line before the next line is read.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *clients[3];
    /* One after the other: fifty_at_once is for clients that announce themselves together. */
    for (int i = 0; i < 3; i++) {
        clients[i] = start(CLIENT, address, NULL);
        echo_word(clients[i]);
    }
    for (int round = 0; round < 2; round++)
        for (int i = 2; i >= 0; i--)
            echo_word(clients[i]);
    for (int i = 0; i < 3; i++) {
        close_input(clients[i]);
        expect_end(clients[i], 0);
    }
    finish(server);
}

TEST(cyrillic, .judges = PAIR, .stage = COMPLETE, .needs = "lines_and_echoes",
     .points = 1, .step = 5, .client_step = 5,
     .name = "Cyrillic text is sent, received and echoed, and printed as UTF-8",
     .hint_unix = "Print the text of a message as it came: it is UTF-8.",
     .hint_win32 = "A message is UTF-16. Print it as UTF-8: call log_utf16().",
     .client_hint_unix = "Print the text of a reply as it came: it is UTF-8.",
     .client_hint_win32 =
         "The input is UTF-8, a message UTF-16. Call read_line_utf16() and log_utf16().")
{
    const char *address, *word = text("%s %s", CYRILLIC, token());
    struct program *server = start_server(&address);
    struct program *client = start(CLIENT, address, NULL);
    type(client, text("%s\n", word));
    wait_line(client, "client: sent \"%s\"", word);
    wait_line(server, "server: received \"%s\"", word);
    wait_line(client, "client: received \"%s\"", word);
    close_input(client);
    expect_end(client, 0);
    finish(server);
}

TEST(
    keyboard, .judges = PAIR, .stage = COMPLETE, .needs = "cyrillic", .points = 2,
    .step = 4, .client_step = 4,
    .name = "Cyrillic text passes from the keyboard to the screen",
    .hint = "Print the text of a message as UTF-8.",
    .client_hint_unix =
        "Read lines of UTF-8 from the terminal, and print replies as they came.",
    .client_hint_win32 =
        "Read UTF-16 from a console with ReadConsoleW, or call read_line_utf16(): the C library returns text in the console's code page.")
{
    const char *address, *word = token();
    struct program *server = start_server(&address);
    struct program *client = start_with(
        CLIENT, (struct start_options){.terminal_input = true, .terminal_output = true},
        address, NULL);
    send_bytes(client, text("%s %s\n", CYRILLIC, word),
               strlen(CYRILLIC) + strlen(word) + 2);
    wait_line(server, "server: received \"%s %s\"", CYRILLIC, word);
    wait_line_like(client, text("*client: received \"%s %s\"*", CYRILLIC, word));
    send_bytes(client, "exit\n", 5);
    wait_end(client);
    finish(server);
}

/* ==== Complete: the server =========================================================== */

TEST(
    single_bytes, .judges = SERVER, .pair = "", .unix_only = true, .stage = COMPLETE,
    .needs = "echoes_a_message", .points = 2, .step = 5,
    .name = "a message that comes one byte at a time is one message",
    .hint =
        "One read() can return a part of the message, and a part of its length: read on.")
{
    const char *address, *word = token();
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    write_file("message.out", word, strlen(word), 0644);
    command(probe, "trickle 1 message.out");
    wait_report(probe, "1 sent", SENT);
    expect_message(probe, 1, word, strlen(word));
    wait_line(server, "server: received \"%s\"", word);
    finish(server);
}

TEST(
    many_in_one_write, .judges = SERVER, .pair = "", .unix_only = true, .stage = COMPLETE,
    .needs = "echoes_a_message", .points = 2, .step = 5,
    .name = "40 messages that come in one write are 40 messages",
    .hint =
        "Read exactly as many bytes as the length says: the next message can follow at once.")
{
    const char *address, *words[40];
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    char bytes[4096];
    size_t length = 0;
    for (int i = 0; i < 40; i++) {
        words[i] = token();
        size_t size = strlen(words[i]);
        memcpy(bytes + length, (char[]){0, 0, 0, (char)size}, 4);
        memcpy(bytes + length + 4, words[i], size);
        length += 4 + size;
    }
    write_file("many", bytes, length, 0644);
    command(probe, "raw 1 many");
    wait_report(probe, "1 sent", SENT);
    for (int i = 0; i < 40; i++)
        expect_message(probe, 1, words[i], strlen(words[i]));
    finish(server);
}

TEST(
    several_waiting, .judges = SERVER, .stage = COMPLETE, .needs = "echoes_a_message",
    .points = 1, .step = 5,
    .name = "messages sent before the first reply is read come back one by one, in order",
    .hint_unix =
        "Send one message back for each that came, in order. Do not merge messages that one read() returns.",
    .hint_win32 =
        "Send one message back for each that came, in order. Create the pipe with PIPE_TYPE_MESSAGE and PIPE_READMODE_MESSAGE.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    char *bytes[10];
    size_t sizes[10];
    for (int i = 0; i < 10; i++) {
        bytes[i] = wire(token(), &sizes[i]);
        send_message(probe, 1, bytes[i], sizes[i]);
    }
    for (int i = 0; i < 10; i++)
        expect_message(probe, 1, bytes[i], sizes[i]);
    command(probe, "close 1");
    wait_line(server, "server: client 1 left");
    look_at(SERVER, 5, ONE_LINE);
    expect_count(server, "server: received \"*\"", 10);
    expect_service(address); /* by then a second line about the first client has come */
    expect_count(server, "server: client 1 connected", 1);
    expect_count(server, "server: client 1 left", 1);
    finish(server);
}

TEST(
    any_length, .judges = SERVER, .stage = COMPLETE, .needs = "echoes_a_message",
    .points = 2, .step = 5, .name = "messages of any length up to 64 KiB come back whole",
    .hint_unix = "Read until the whole message has come, into a buffer of 65,536 bytes.",
    .hint_win32 =
        "ERROR_MORE_DATA (234) is not a failure: the rest of the message can be read. Read on, or read into 65,536 bytes.")
{
    static const size_t sizes[] = {2,    510,  511,   512,   513,   514,   4095, 4096,
                                   4097, 5120, 32768, 65534, 65535, 65536, 1,    4};
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        exchange(probe, 1, random_bytes(sizes[i], 'a', 'z'), sizes[i]);
    finish(server);
}

TEST(short_behind_long, .judges = SERVER, .stage = COMPLETE, .needs = "any_length",
     .points = 1, .step = 5,
     .name = "the line of a short text after a long one shows nothing of the long one",
     .hint = "Print and send as many bytes as came, not up to a NUL.")
{
    const char *address, *word = token();
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    exchange(probe, 1, random_bytes(4000, 'a', 'z'), 4000);
    size_t size;
    char *bytes = wire(word, &size);
    if (under_test() == WIN32)
        size -= 2; /* without its NUL: the message ends there all the same */
    else if (speaks_seqpacket())
        size -= 1;
    exchange(probe, 1, bytes, size);
    wait_line(server, "server: received \"%s\"", word);
    finish(server);
}

TEST(empty_message, .judges = SERVER, .stage = COMPLETE, .needs = "echoes_a_message",
     .points = 1, .step = 5, .name = "an empty text is a message, and comes back as one",
     .hint = "A message without text is not the end of the session.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    exchange_words(probe, 1, "");
    wait_line(server, "server: received \"\"");
    exchange_words(probe, 1, "a");
    wait_line(server, "server: received \"a\"");
    finish(server);
}

TEST(
    zero_bytes, .judges = SERVER, .win32_only = true, .stage = COMPLETE,
    .needs = "empty_message", .points = 1, .step = 5,
    .name = "a message of 0 bytes comes back as one, and the session goes on",
    .hint =
        "ReadFile returns TRUE with 0 bytes for such a message. A client has left only if ReadFile fails.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    exchange_words(probe, 1, token());
    exchange(probe, 1, "", 0);
    wait_line(server, "server: received \"\"");
    exchange_words(probe, 1, token());
    finish(server);
}

TEST(any_byte, .judges = SERVER, .stage = COMPLETE, .needs = "any_length", .points = 1,
     .step = 5, .name = "bytes 0x00 to 0xFF come back unchanged",
     .hint = "A message is its bytes and its length: NUL, 0x1A and 0xFF have no meaning.")
{
    char bytes[512];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7 + i / 256);
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    exchange(probe, 1, bytes, sizeof bytes);
    exchange(probe, 1, "\0\x1A\xFF\0", 4);
    finish(server);
}

TEST(
    escapes, .judges = SERVER, .stage = COMPLETE, .needs = "echoes_a_message",
    .points = 1, .step = 5,
    .name = "the server's lines show bytes that are not text as escapes",
    .hint =
        "Print \\n, \\0, \\\", \\\\, and \\xNN for any other byte that is not text: call quoted() or log_text().")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    size_t size;
    char *bytes = wire_bytes(raw_text, sizeof raw_text - 1, &size);
    exchange(probe, 1, bytes, size);
    wait_line(server, "server: received %s", shown_text);
    if (under_test() == UNIX) { /* bytes that are not UTF-8; UTF-16 has none like them */
        const char *odd = "\xC3(\xFF\xED\xA0\x80\xC2\x9B\xD0";
        exchange(probe, 1, odd, speaks_fifo() ? strlen(odd) : strlen(odd) + 1);
        wait_line(server,
                  "server: received \"\\xC3(\\xFF\\xED\\xA0\\x80\\xC2\\x9B\\xD0\"");
    }
    finish(server);
}

TEST(
    exit_ends_one, .judges = SERVER, .stage = COMPLETE, .needs = "three_clients",
    .points = 2, .step = 5,
    .name = "\"exit\" is answered and ends that session, with and without a newline",
    .hint_unix =
        "Send the reply, then close this client's descriptors. Compare with \"exit\" and \"exit\\n\". If the text of another client came back, threads share a variable: a static or global one is one for all.",
    .hint_win32 =
        "Send the reply and call FlushFileBuffers before DisconnectNamedPipe, which discards what has not been read. The report's client sends \"exit\\n\" and a NUL, 12 bytes.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *other = connect_probe(address, 1);
    static const char *const exits[] = {"exit", "exit\n"};
    for (size_t i = 0; i < 2; i++) {
        struct program *probe = connect_probe(address, 2);
        size_t size;
        char *bytes = wire(exits[i], &size);
        send_message(probe, 2, bytes, size);
        /* Until the client reads its reply, it must not be discarded. */
        for (int round = 0; round < 20; round++)
            exchange_words(other, 1, token());
        expect_message(probe, 2, bytes, size);
        wait_line_like(server, "server: client * left");
        look_at(
            SERVER, 6,
            under_test() == WIN32
                ? "Disconnect and close this client's instance: only then does it read the end."
                : "close() this client's descriptors: it reads the end only if no process has "
                  "the write end open.");
        expect_end_of(probe, 2);
        look_at(SERVER, 0, NULL);
    }
    finish(server);
}

TEST(only_exit_ends, .judges = SERVER, .stage = COMPLETE, .needs = "exit_ends_one",
     .points = 1, .step = 5,
     .name = "a text that only begins with \"exit\" is a message like others",
     .hint = "Compare the whole text, not its first letters.")
{
    static const char *const words[] = {"exitus", "exit now", "exi",
                                        "EXIT",   " exit",    "exit\nexit"};
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        in_case("with the text \"%s\"", words[i]);
        exchange_words(probe, 1, words[i]);
        exchange_words(probe, 1, token()); /* the session has not ended */
    }
    in_case("with \"exit\", a NUL and \"more\"");
    size_t size;
    char *bytes = wire_bytes("exit\0more", 9, &size);
    exchange(probe, 1, bytes, size);
    exchange_words(probe, 1, token());
    finish(server);
}

TEST(
    more_behind_exit, .judges = SERVER, .stage = COMPLETE, .needs = "exit_ends_one",
    .points = 1, .step = 6,
    .name =
        "a client that has sent more after \"exit\" still gets its reply, and the end",
    .hint_unix =
        "close() of a socket with unread bytes resets the connection: call shutdown() for reading, and read what has come before.",
    .hint_win32 =
        "Create the pipe with an nInBufferSize of MAX_MESSAGE. With less, the client's WriteFile waits for the server to read, while FlushFileBuffers waits for the client.")
{
    bool win32 = under_test() == WIN32;
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    exchange_words(probe, 1, token());
    if (!win32) {
        send_signal(server, SIGSTOP); /* so that both have come when it reads the first */
        expect_idle(server, 0.1, 50);
    }
    size_t size, more_size = MAX_MESSAGE;
    char *bytes = wire("exit", &size),
         *more = win32 ? random_bytes(MAX_MESSAGE, 'a', 'z') : wire("more", &more_size);
    send_message(probe, 1, bytes, size);
    write_file("more.out", more, more_size, 0644);
    command(probe, "send 1 more.out");
    wait_report(probe, "1 *sen[dt]*", SENT);
    if (!win32) {
        send_signal(server, SIGCONT);
        wait_line(server, "server: client 1 left");
    }
    expect_message(probe, 1, bytes, size);
    expect_end_of(probe, 1);
    finish(server);
}

TEST(
    two_interleaved, .judges = SERVER, .stage = COMPLETE, .needs = "three_clients",
    .points = 2, .step = 4, .name = "two clients that take turns each get their own echo",
    .hint =
        "Keep everything that belongs to one client in variables of its own, not in global ones.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *first = connect_probe(address, 1),
                   *second = connect_probe(address, 2);
    wait_line(server, "server: client 2 connected");
    for (int round = 0; round < 5; round++) {
        size_t one_size, other_size;
        char *one = wire(token(), &one_size), *other = wire(token(), &other_size);
        send_message(first, 1, one, one_size);
        send_message(second, 2, other, other_size);
        expect_message(second, 2, other, other_size);
        expect_message(first, 1, one, one_size);
    }
    finish(server);
}

#define NEXT_ANNOUNCEMENT                                                                    \
    "Does one read() bring several announcements? Then all but one are lost. Read the next " \
    "announcement while others are served."

#define OWN_VARIABLES                                                                       \
    "All 50 were let in, and one got a wrong reply, or none: do threads share a buffer? A " \
    "static or global variable is one for all. Keep a client's message in variables of "    \
    "its own."

TEST(
    fifty_at_once, .judges = SERVER, .stage = COMPLETE, .needs = "two_interleaved",
    .points = 2, .step = 2,
    .name = "50 clients at once are all let in, and all are served",
    .hint_unix = NEXT_ANNOUNCEMENT,
    .hint_win32 =
        "Create many free instances: a client that finds none gets ERROR_PIPE_BUSY (231).")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = start_probe("pipe_peer", NULL);
    if (speaks_fifo()) /* on Windows too few instances are the usual cause */
        look_at(SERVER, 3, NEXT_ANNOUNCEMENT);
    command(probe, text("%s %s 50 3", speaks_fifo() ? "long-crowd" : "crowd", address));
    for (double end = now() + 2; now() < end && is_running(server) &&
                                 !printed_like(server, "server: client 50 connected") &&
                                 !printed_like(probe, "test: * at once*");)
        let_block();
    if (printed_like(server, "server: client 50 connected")) {
        in_case("with all 50 connected");
        look_at(SERVER, 5, OWN_VARIABLES);
    }
    wait_report(probe, "all 50 were served at once", SERVED);
    finish(server);
}

TEST(
    quick_client, .judges = SERVER, .win32_only = true, .stage = COMPLETE,
    .needs = "echoes_a_message", .points = 1, .step = 3,
    .name = "a client that connects before ConnectNamedPipe is called is served",
    .hint =
        "If ConnectNamedPipe fails with ERROR_PIPE_CONNECTED (535) the client is connected already: serve it.")
{
    /* It takes luck to connect between two calls: so several times. */
    for (int round = 0; round < 5; round++) {
        const char *address = fresh_address();
        struct program *probe = start_probe("pipe_peer", NULL);
        command(probe, text("eager 1 %s", address));
        struct program *server = start(SERVER, address, NULL);
        wait_report(probe, "1 connected", CONNECTED);
        exchange_words(probe, 1, token());
        wait_line(server, "server: ready %s", address);
        command(probe, "close 1");
        wait_report(probe, "1 closed", CLOSED);
        expect_service(address);
        finish(server);
    }
}

TEST(idle_server, .judges = SERVER, .stage = COMPLETE, .needs = "echoes_a_message",
     .points = 1, .step = 5,
     .name = "the server uses no processor time while its clients are silent",
     .hint = "Wait in a blocking read. Do not ask again and again.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    exchange_words(probe, 1, token());
    command(probe, "close 1");
    wait_line(server, "server: client 1 left"); /* and none for one that has left */
    connect_probe(address, 2);
    expect_idle(server, 1.0, 5);
    finish(server);
}

TEST(
    ends_on_ctrl_c, .judges = SERVER, .stage = COMPLETE, .needs = "echoes_a_message",
    .points = 2, .step = 7,
    .name =
        "on Ctrl-C the server prints \"done\" and exits with 0, and its clients read the end",
    .hint_unix =
        "Handle SIGINT (sigwait, a handler, or end_on_interrupt()): unlink the name, print \"server: done\" and exit with 0. If you call end_on_interrupt(): it must run before the loop.",
    .hint_win32 =
        "Install a handler with SetConsoleCtrlHandler, or call end_on_interrupt(): print \"server: done\" and exit with 0. It must run before the loop.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    exchange_words(probe, 1, token());
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_end_of(probe, 1);
    if (under_test() == UNIX && access(path_in_scratch(address), F_OK) == 0)
        fail_test("the name %s is still there", address);
}

TEST(
    restart_at_once, .judges = SERVER, .stage = COMPLETE, .needs = "ends_on_ctrl_c",
    .points = 1, .step = 2, .name = "a server can be started again at once after Ctrl-C",
    .hint_unix = "Unlink the name on Ctrl-C: mkfifo() fails if it exists.",
    .hint_win32 =
        "Let no other process inherit the pipe's handles: the name exists as long as one of them is open.")
{
    const char *address;
    struct program *server = start_server(&address);
    for (int i = 0; i < 2; i++) {
        struct program *probe = connect_probe(address, 1);
        exchange_words(probe, 1, token());
        send_signal(server, SIGINT);
        expect_end(server, 0);
        expect_end_of(probe, 1);
        server = start(SERVER, address, NULL);
        wait_line(server, "server: ready %s", address);
    }
    expect_service(address);
    finish(server);
}

TEST(
    second_server, .judges = SERVER, .stage = COMPLETE, .needs = "echoes_a_message",
    .points = 2, .step = 2,
    .name = "a second server on the same name is refused, and the first one goes on",
    .hint_unix =
        "If mkfifo() fails with EEXIST, print an error line and exit with 1. To use a FIFO that exists, first find out that no other server does: hold a lock on it (flock).",
    .hint_win32 =
        "Create the first instance with FILE_FLAG_FIRST_PIPE_INSTANCE: it fails if another server has the name.")
{
    if (under_test() == WIN32 && !on_windows())
        skip_test("needs Windows: Wine ignores FILE_FLAG_FIRST_PIPE_INSTANCE");
    const char *address;
    struct program *server = start_server(&address);
    struct program *second = start(SERVER, address, NULL);
    wait_error_like(second, "server: *");
    expect_end(second, 1);
    expect_service(address);
    finish(server);
}

TEST(
    file_in_the_way, .judges = SERVER, .unix_only = true, .stage = COMPLETE, .points = 1,
    .step = 2,
    .name =
        "a file of another kind with the server's name is an error line, and is not changed",
    .hint =
        "Do not remove a name before you create it: only a FIFO that a killed server left may be removed or used.")
{
    const char *name = token();
    write_file(name, "precious", 8, 0644);
    struct program *server = start(SERVER, name, NULL);
    wait_error_like(server, "server: *");
    expect_end(server, 1);
    expect_one_error(server, "server: ");
    size_t length;
    char *bytes = read_file(name, &length);
    expect_bytes("the file", NULL, 0, "precious", 8, bytes, length);
}

TEST(
    message_pipe, .judges = SERVER, .win32_only = true, .stage = COMPLETE,
    .needs = "echoes_a_message", .points = 1, .step = 2,
    .name =
        "the pipe carries messages, and only the owner, administrators and the system may open it",
    .hint =
        "Create it with PIPE_TYPE_MESSAGE and a security descriptor. A NULL list allows everything to everybody.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = start_probe("pipe_peer", NULL);
    command(probe, text("info %s", address));
    wait_report(probe, "type message", ABOUT_PIPE);
    const char *security = wait_report(probe, "security *", ABOUT_PIPE);
    const char *list = strstr(security, "D:");
    if (list == NULL || strstr(list, "(A;") == NULL ||
        strstr(list, "NO_ACCESS_CONTROL") != NULL)
        fail_test("expected a list of who may open the pipe, got: %s", security);
    if (strstr(list, ";WD)") != NULL || strstr(list, ";AN)") != NULL ||
        strstr(list, ";AU)") != NULL)
        fail_test("the list allows more than the contract says: %s", security);
    finish(server);
}

TEST(
    remote_option, .judges = SERVER, .win32_only = true, .stage = COMPLETE,
    .needs = "message_pipe", .points = 1, .step = 2,
    .name = "with --remote, authenticated users may open the pipe, too",
    .hint =
        "Choose the security descriptor by the option: with --remote add (A;;GRGW;;;AU).")
{
    const char *address = fresh_address();
    struct program *server = start(SERVER, "--remote", address, NULL);
    wait_line(server, "server: ready %s", address);
    struct program *probe = start_probe("pipe_peer", NULL);
    command(probe, text("info %s", address));
    const char *security = wait_report(probe, "security *", ABOUT_PIPE);
    if (strstr(security, ";AU)") == NULL)
        fail_test("expected authenticated users (AU) in the list, got: %s", security);
    expect_service(address);
    finish(server);
}

TEST(
    removes_names, .judges = SERVER, .pair = "", .unix_only = true, .stage = COMPLETE,
    .needs = "echoes_a_message", .points = 1, .step = 4,
    .name =
        "the server removes the names of a client's FIFOs before it greets the client",
    .hint =
        "Call unlink() for both names when both FIFOs are open, then send the empty message.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    exchange_words(probe, 1, token());
    if (printed_like(probe, "test: names are left"))
        fail_test("the names of the client's FIFOs were still there when it was greeted");
    finish(server);
}

TEST(mode_of_fifo, .judges = SERVER, .pair = "", .unix_only = true, .stage = COMPLETE,
     .needs = "echoes_a_message", .points = 1, .step = 2,
     .name = "only its owner may open the well-known FIFO",
     .hint = "Give mkfifo() the mode 0600, or call fchmod().")
{
    const char *address;
    struct program *server = start_server(&address);
    struct stat status;
    if (stat(path_in_scratch(address), &status) == -1)
        kit_error("stat");
    if (status.st_mode & (S_IRWXG | S_IRWXO))
        fail_test("expected no rights for others, got mode %03o",
                  (unsigned)status.st_mode & 0777);
    finish(server);
}

TEST(
    server_usage, .judges = SERVER, .stage = COMPLETE, .points = 1, .step = 1,
    .name =
        "wrong arguments to the server are a usage line on standard error, and exit code 2",
    .hint =
        "Print a line that begins with \"usage: \" on standard error, or call usage_exit().")
{
    in_case("with two arguments");
    struct program *server = start(SERVER, "one", "two", NULL);
    wait_error_like(server, "usage: *");
    expect_end(server, 2);
    in_case("PIPE is \"--no-such-option\"");
    server = start(SERVER, "--no-such-option", NULL);
    wait_error_like(server, "usage: *");
    expect_end(server, 2);
}

/* ==== Complete: the client =========================================================== */

TEST(waits_for_reply, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines",
     .points = 1, .step = 5,
     .name = "the client sends a line only after the reply to the line before",
     .hint = "Read the reply before you send the next line.")
{
    const char *address, *first = token(), *second = token();
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    type(client, text("%s\n%s\n", first, second));
    expect_words(probe, first);
    let_block();
    if (printed_like(client, text("client: sent \"%s\"", second)))
        fail_test("the client sent its second line before it had a reply to the first");
    reply_words(probe, "ok");
    expect_words(probe, second);
    reply_words(probe, "ok");
    end_input(client, probe);
    remove_name(probe);
}

/* A line with a NUL, and on UNIX one that is not UTF-8, which is an error on Windows: bad_text. */
static void send_any_bytes(struct program *client, struct program *probe)
{
    static const char with_nul[] = "a\0b\n", not_utf8[] = "\xC3(\xFF";
    size_t size;
    char *bytes = wire_bytes(with_nul, sizeof with_nul - 2, &size);
    look_at(
        CLIENT, 4,
        "A line can contain a NUL, and fgets() does not report the length: call getline() or read_line().");
    send_bytes(client, with_nul, sizeof with_nul - 1);
    expect_next(probe, bytes, size);
    reply_words(probe, "ok");
    look_at(
        CLIENT, 4,
        "The message was right, the line that is printed is not: \"%s\" of printf() stops at a "
        "NUL. Print as many bytes as were sent, NUL as \\0: call log_text() or quoted().");
    wait_line(client, "client: sent \"a\\0b\"");
    look_at(CLIENT, 4, "Send the line as it was read: a message is any bytes.");
    if (under_test() == UNIX) {
        type(client, text("%s\n", not_utf8));
        expect_words(probe, not_utf8);
        reply_words(probe, "ok");
    }
    look_at(CLIENT, 0, NULL);
}

TEST(
    odd_lines, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines", .points = 2,
    .step = 4,
    .name =
        "empty lines, CR LF, blanks, any bytes, and a last line without a newline are lines",
    .hint =
        "Remove the newline, and a CR before it, and nothing else: as read_line() does.")
{
    static const char *const lines[] = {"\n", "carriage return\r\n", " two  words \n",
                                        "a\ttab \x1A and more\n", "last\r"};
    static const char *const words[] = {"", "carriage return", " two  words ",
                                        "a\ttab \x1A and more", "last\r"};
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        bool last = i + 1 == sizeof lines / sizeof *lines;
        if (last)
            send_any_bytes(client, probe);
        type(client, lines[i]);
        if (last)
            close_input(client);
        expect_words(probe, words[i]);
        reply_words(probe, "ok");
    }
    command(probe, "left");
    wait_line(client, "client: done");
    expect_end(client, 0);
    const size_t count = under_test() == UNIX ? 7 : 6;
    expect_count(client, "client: sent *", count);
    look_at(CLIENT, 5, ONE_LINE);
    expect_count(client, "client: received \"*\"", count);
    remove_name(probe);
}

TEST(
    no_input, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines", .points = 1,
    .step = 4, .name = "at the end of the input the client sends nothing more",
    .hint =
        "Check what fgets() or getline() returns: at the end of the input the buffer still contains the last line.")
{
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    type(client, "once\n");
    expect_words(probe, "once");
    close_input(client);
    reply_words(probe, "ok");
    command(probe, "left");
    wait_line(client, "client: done");
    expect_end(client, 0);
    wait_report(probe, "client left", CLIENT_LEFT);
    expect_count(client, "client: sent *", 1);
    remove_name(probe);
}

TEST(
    odd_replies, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines", .points = 1,
    .step = 5, .name = "the client's lines show bytes that are not text as escapes",
    .hint =
        "Print \\n, \\0, \\\", \\\\, and \\xNN for any other byte that is not text: call quoted() or log_text().")
{
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    type(client, "say \"a\\b\"\x7F\n");
    expect_words(probe, "say \"a\\b\"\x7F");
    size_t size;
    char *bytes = wire_bytes(raw_text, sizeof raw_text - 1, &size);
    write_file("reply", bytes, size, 0644);
    command(probe, "reply reply");
    wait_line(client, "client: sent \"say \\\"a\\\\b\\\"\\x7F\"");
    wait_line(client, "client: received %s", shown_text);
    end_input(client, probe);
    remove_name(probe);
}

TEST(
    any_reply, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines", .points = 2,
    .step = 5, .name = "replies of any length up to 64 KiB are printed whole",
    .hint_unix = "Read until the whole reply has come, into a buffer of 65,536 bytes.",
    .hint_win32 =
        "ERROR_MORE_DATA (234) is not a failure: the rest of the reply can be read. Read on.")
{
    const size_t lengths[] = {1, 255, 256, 257, 511, 512, 513, 2560, 5120, most_letters(),
                              2};
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char *reply = text("%.*s", (int)lengths[i], random_bytes(lengths[i], 'a', 'z'));
        type(client, "next\n");
        expect_words(probe, "next");
        reply_words(probe, reply);
        wait_line(client, "client: received \"%s\"", reply);
    }
    end_input(client, probe);
    remove_name(probe);
}

TEST(
    empty_reply, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines", .points = 1,
    .step = 5, .name = "an empty reply is a reply, and not the end of the server",
    .hint_unix =
        "A message without text is a message. Only a read() that returns 0 is the end.",
    .hint_win32 =
        "ReadFile returns TRUE with 0 bytes for a message of 0 bytes. The server has left only if ReadFile fails.")
{
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    for (int i = 0; i < 2; i++) {
        type(client, "next\n");
        expect_words(probe, "next");
        write_file("reply", "", speaks_seqpacket() ? 1 : 0, 0644); /* which needs a NUL */
        command(probe, "reply reply");
        wait_report(probe, "replied", REPLIED);
        wait_line(client, "client: received \"\"");
    }
    end_input(client, probe);
    remove_name(probe);
}

TEST(
    long_line, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines", .points = 1,
    .step = 4, .name = "a line of 64 KiB is one message; a longer one is refused",
    .hint =
        "Read the whole line, as read_line() does. Compare its length with MAX_MESSAGE before you send it: send_message() does not. Report a line that is too long, and exit with 1.")
{
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    /* Before it is connected it need not read its input, and a pipe is soon full. */
    type(client, "first\n");
    expect_words(probe, "first");
    reply_words(probe, "ok");
    size_t length = most_letters();
    char *line = text("%.*s", (int)length, random_bytes(length, 'a', 'z'));
    type(client, text("%s\n", line));
    expect_words(probe, line);
    reply_words(probe, "ok");
    wait_line(client, "client: received \"ok\"");
    const char *longer = text("%.*s\n", MAX_MESSAGE + 1,
                              random_bytes(MAX_MESSAGE + 1, 'a', 'z'));
    offer_bytes(client, longer, strlen(longer));
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    remove_name(probe);
}

TEST(
    bad_text, .judges = CLIENT, .win32_only = true, .stage = COMPLETE,
    .needs = "sends_lines", .points = 1, .step = 4,
    .name = "input that is not UTF-8 is an error line, and exit code 1",
    .hint =
        "Call MultiByteToWideChar with MB_ERR_INVALID_CHARS and check what it returns, or call read_line_utf16().")
{
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    type(client, "\xFF\xFE\n");
    close_input(client);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    remove_name(probe);
}

TEST(patient_client, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines",
     .points = 1, .step = 5,
     .name = "the client uses no processor time while it waits for its reply",
     .hint = "Wait in a blocking read. Do not ask again and again.")
{
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    type(client, "hello\n");
    expect_words(probe, "hello");
    expect_idle(client, 1.0, 5);
    reply_words(probe, "late");
    wait_line(client, "client: received \"late\"");
    end_input(client, probe);
    remove_name(probe);
}

TEST(
    waits_for_greeting, .judges = CLIENT, .pair = "", .unix_only = true,
    .stage = COMPLETE, .needs = "sends_lines", .points = 1, .step = 3,
    .name = "the client waits for the greeting without using the processor",
    .hint = "Wait with poll(): until the server opens its end, read() returns 0 at once.")
{
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    type(client, "hello\n"); /* it may connect only now */
    expect_idle(client, 1.0, 10);
    if (!is_running(client))
        fail_test("the client did not wait for the greeting: it exited with code %d",
                  wait_end(client));
    expect_words(probe, "hello");
    reply_words(probe, "ok");
    wait_line(client, "client: received \"ok\"");
    end_input(client, probe);
    remove_name(probe);
}

TEST(mode_of_pair, .judges = CLIENT, .pair = "", .unix_only = true, .stage = COMPLETE,
     .needs = "sends_lines", .points = 1, .step = 3,
     .name = "only their owner may open the client's FIFOs",
     .hint = "Give mkfifo() the mode 0600.")
{
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    type(client, "hello\n");
    expect_words(probe, "hello");
    reply_words(probe, "ok");
    wait_line(client, "client: received \"ok\"");
    end_input(client, probe);
    if (printed_like(probe, "test: others may open the FIFOs"))
        fail_test("other users can open the client's FIFOs: their mode is not 0600");
    remove_name(probe);
}

TEST(
    one_announcement, .judges = CLIENT, .pair = "", .unix_only = true, .stage = COMPLETE,
    .needs = "sends_lines", .points = 2, .step = 3,
    .name = "a client announces itself in one write, which no other bytes can split",
    .hint =
        "Send the announcement with one write(): up to PIPE_BUF bytes of one write() stay together, two writes do not. Write without O_NONBLOCK.")
{
    const char *address;
    struct program *probe = start_listener(&address);
    command(probe, "fill");
    wait_report(probe, "filled", FILLED);
    struct program *client = start(CLIENT, address, NULL);
    type(client, "hello\n");
    command(probe, "await");
    wait_report(probe, "blocked", BLOCKED);
    send_signal(client, SIGSTOP); /* or it would write while there is more room */
    command(probe, "squeeze");
    wait_report(probe, "squeezed", SQUEEZED);
    send_signal(client, SIGCONT);
    command(probe, "spill");
    const char *came = strchr(wait_report(probe, "* bytes came *", SPILLED), '"');
    if (strncmp(came, "\"\\n", 3) != 0 && strcmp(came, "\"\"") != 0)
        fail_test("expected an announcement that begins with a newline, got %s", came);
    if (strcmp(came, "\"\"") != 0)
        fail_test("a part of an announcement came alone, %s: it was written in several "
                  "writes",
                  came);
    expect_words(probe, "hello");
    reply_words(probe, "ok");
    wait_line(client, "client: received \"ok\"");
    end_input(client, probe);
    remove_name(probe);
}

TEST(waits_while_busy, .judges = CLIENT, .win32_only = true, .stage = COMPLETE,
     .needs = "sends_lines", .points = 2, .step = 2,
     .name = "a client that finds all instances busy waits for one",
     .hint = "After ERROR_PIPE_BUSY (231) call WaitNamedPipe, then CreateFile again.")
{
    const char *address;
    struct program *probe = start_listener(&address);
    command(probe, "occupy");
    struct program *client = start(CLIENT, address, NULL);
    type(client, "hello\n");
    expect_idle(client, 1.0, 10);
    if (!is_running(client))
        fail_test("the client did not wait: it exited with code %d", wait_end(client));
    command(probe, "vacate");
    expect_words(probe, "hello");
    reply_words(probe, "ok");
    wait_line(client, "client: received \"ok\"");
    end_input(client, probe);
    remove_name(probe);
}

TEST(
    waits_again, .judges = CLIENT, .win32_only = true, .stage = COMPLETE,
    .needs = "waits_while_busy", .points = 1, .step = 2,
    .name = "a client waits again if another one takes the instance that became free",
    .hint =
        "Call WaitNamedPipe and CreateFile in a loop: CreateFile can fail with ERROR_PIPE_BUSY (231) again.")
{
    if (on_windows())
        skip_test("needs Wine: on Windows no signal stops a program");
    const char *address;
    struct program *probe = start_listener(&address);
    command(probe, "occupy");
    struct program *client = start(CLIENT, address, NULL);
    type(client, "hello\n");
    expect_idle(client, 0.3, 50);
    send_signal(client, SIGSTOP); /* while it waits: the other one is quicker */
    command(probe, "rival");
    wait_report(probe, "the rival is there", RIVAL);
    send_signal(client, SIGCONT);
    expect_idle(client, 0.3, 50);
    if (!is_running(client))
        fail_test("the client did not wait again: it exited with code %d",
                  wait_end(client));
    command(probe, "vacate");
    expect_words(probe, "hello");
    reply_words(probe, "ok");
    wait_line(client, "client: received \"ok\"");
    end_input(client, probe);
    remove_name(probe);
}

TEST(other_machine, .judges = CLIENT, .win32_only = true, .stage = COMPLETE,
     .needs = "sends_lines", .points = 1, .step = 2,
     .name = "the client opens a pipe of another machine, \\\\HOST\\pipe\\NAME",
     .hint = "Pass the name to CreateFile as it was given.")
{
    if (!on_windows())
        skip_test("needs Windows: Wine knows no pipes of other machines (error 3)");
    const char *name = token(), *word = token();
    struct program *server = start(SERVER, "--remote", text("\\\\.\\pipe\\%s", name),
                                   NULL);
    wait_line_like(server, "server: ready *");
    struct program *client = start(CLIENT, text("\\\\localhost\\pipe\\%s", name), NULL);
    type(client, text("%s\n", word));
    wait_line(client, "client: received \"%s\"", word);
    close_input(client);
    expect_end(client, 0);
    finish(server);
}

TEST(
    server_goes, .judges = CLIENT, .stage = COMPLETE, .needs = "sends_lines", .points = 2,
    .step = 5,
    .name = "a server that ends before it has replied is an error line, and exit code 1",
    .hint_unix =
        "The end of the pipe is not an empty reply: report it, and exit with 1. Open the FIFO to read from with O_RDONLY: with O_RDWR, read() never returns 0.",
    .hint_win32 =
        "The end of the pipe is not an empty reply: report it, and exit with 1.")
{
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    type(client, "one\n");
    expect_words(probe, "one");
    kill_program(probe);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    if (printed_like(client, "client: received *"))
        fail_test("no reply came, and the client printed one");
    if (printed_like(client, "client: done"))
        fail_test(
            "the client printed \"done\", which only a client without an error does");
    expect_one_error(client, "client: ");
    remove_left_name(address);
    if (!speaks_fifo())
        return;

    probe = start_listener(&address);
    client = start(CLIENT, address, NULL);
    type(client, "one\n");
    expect_words(probe, "one");
    reply_words(probe, "ok");
    wait_line(client, "client: received \"ok\"");
    look_at(
        CLIENT, 3,
        "Close the spare read end when the greeting has come: while the client itself has it open, "
        "write() to a full FIFO blocks, and does not fail with EPIPE when the server ends.");
    type(client, text("%.*s\n", MAX_MESSAGE, random_bytes(MAX_MESSAGE, 'a', 'z')));
    let_block(); /* the length and the text are more than the FIFO has room for */
    kill_program(probe);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    remove_left_name(address);
}

TEST(
    no_server, .judges = CLIENT, .stage = COMPLETE, .points = 1, .step = 2,
    .name = "without a server the client reports it and exits with 1",
    .hint_unix =
        "Check what open() returns. Open the FIFO with O_NONBLOCK, or open() blocks if there is a FIFO and no server.",
    .hint_win32 =
        "CreateFile fails with ERROR_FILE_NOT_FOUND (2): print a line on standard error and exit with 1.")
{
    struct program *client = start(CLIENT, fresh_address(), NULL);
    offer_bytes(client, "hello\n", 6);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    if (printed_like(client, "client: received *"))
        fail_test("the client printed a reply, and there is no server");
    expect_one_error(client, "client: ");
}

TEST(
    not_a_pipe, .judges = CLIENT, .unix_only = true, .stage = COMPLETE, .points = 1,
    .step = 2,
    .name =
        "a name that is a file of another kind is an error line, and the file is not changed",
    .hint = "Check what was opened with fstat() before you write to it.")
{
    const char *name = token();
    write_file(name, "precious", 8, 0644);
    struct program *client = start(CLIENT, name, NULL);
    offer_bytes(client, "hello\n", 6); /* it may connect only now */
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    size_t length;
    char *bytes = read_file(name, &length);
    expect_bytes("the file", NULL, 0, "precious", 8, bytes, length);
}

TEST(
    client_usage, .judges = CLIENT, .stage = COMPLETE, .points = 1, .step = 1,
    .name =
        "wrong arguments to the client are a usage line on standard error, and exit code 2",
    .hint =
        "Print a line that begins with \"usage: \" on standard error, or call usage_exit().")
{
    in_case("with two arguments");
    struct program *client = start(CLIENT, "one", "two", NULL);
    wait_error_like(client, "usage: *");
    expect_end(client, 2);
}

/* ==== Robust: the pair =============================================================== */

TEST(
    server_killed, .judges = PAIR, .stage = ROBUST, .needs = "lines_and_echoes",
    .points = 2, .step = 5, .client_step = 5,
    .name = "when the server is killed the client reports it and exits with 1",
    .hint =
        "Let no other process inherit the server's ends of the pipe: otherwise its client never reads the end.",
    .client_hint_unix =
        "If read() returns 0, or write() fails with EPIPE, the server has ended: report it and exit with 1. Ignore SIGPIPE.",
    .client_hint_win32 =
        "If a call fails with ERROR_BROKEN_PIPE (109), ERROR_NO_DATA (232) or ERROR_PIPE_NOT_CONNECTED (233), the server has ended: report it and exit with 1.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *client = start(CLIENT, address, NULL);
    send_bytes(client, "one\n", 4);
    wait_line(client, "client: received \"one\"");
    kill_with_children(server);
    offer_bytes(client, "two\n", 4); /* it may have exited already */
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    if (printed_like(client, "client: done"))
        fail_test("the client printed \"done\", and its server was killed");
    remove_left_name(address);
}

TEST(
    client_killed, .judges = PAIR, .stage = ROBUST, .needs = "lines_and_echoes",
    .points = 2, .step = 6, .client_step = 4,
    .name =
        "when a client is killed the server prints that it has left, and serves the others",
    .hint_unix =
        "Close this client's descriptors when read() returns 0, and go on: it is not an error of the server.",
    .hint_win32 =
        "Close this client's instance when ReadFile fails with ERROR_BROKEN_PIPE (109), and go on: it is not an error of the server.",
    .client_hint = "Print \"client: received\" at once, before the next line is read.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *other = start(CLIENT, address, NULL);
    send_bytes(other, "one\n", 4);
    wait_line(other, "client: received \"one\"");
    struct program *client = start(CLIENT, address, NULL);
    send_bytes(client, "two\n", 4);
    wait_line(client, "client: received \"two\"");
    kill_program(client);
    wait_line_like(server, "server: client * left");
    send_bytes(other, "three\n", 6);
    wait_line(other, "client: received \"three\"");
    close_input(other);
    expect_end(other, 0);
    expect_service(address);
    finish(server);
}

/* ==== Robust: the server ============================================================= */

TEST(
    killed_in_conversation, .judges = SERVER, .stage = ROBUST, .needs = "two_interleaved",
    .points = 2, .step = 6,
    .name =
        "a client that is killed, or stops in the middle of a message, disturbs no other",
    .hint =
        "If a read or a write fails, or transfers too little, end that session and nothing else.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *other = connect_probe(address, 1);
    struct program *probe = connect_probe(address, 2);
    exchange_words(probe, 2, token());
    if (speaks_fifo()) {
        write_file("half", "\0\0\0\x10half", 8, 0644);
        command(probe, "raw 2 half");
        wait_report(probe, "2 sent", SENT);
        look_at(
            SERVER, 5,
            "The rest of a message can come late: read it in this client's own thread, or "
            "keep what has come, and wait for all clients.");
        command(probe, "empty 2"); /* it has been read */
        wait_report(probe, "2 is empty", EMPTY);
        exchange_words(other, 1, token());
        look_at(SERVER, 0, NULL);
    }
    kill_program(probe);
    wait_line(server, "server: client 2 left");
    if (printed_like(server, "server: received \"half*"))
        fail_test("the server printed half a message as if it were whole");
    exchange_words(other, 1, token());
    expect_service(address);
    finish(server);
}

TEST(
    leaves_without_reading, .judges = SERVER, .stage = ROBUST,
    .needs = "killed_in_conversation", .points = 1, .step = 5,
    .name = "a client that leaves before its echo has come disturbs no other",
    .hint_unix =
        "Ignore SIGPIPE so that write() to a client that has left fails with EPIPE.",
    .hint_win32 =
        "If WriteFile fails with ERROR_NO_DATA (232) or ERROR_BROKEN_PIPE (109), end that session and nothing else.")
{
    const char *address;
    struct program *server = start_server(&address);
    for (int i = 1; i <= 10; i++) {
        struct program *probe = connect_probe(address, 1);
        write_file("message.out", random_bytes(30000, 'a', 'z'), 30000, 0644);
        send_bytes(probe, "send 1 message.out\nsend 1 message.out\n", 38);
        wait_line_like(server, "server: received *");
        kill_program(probe);
        wait_line(server, "server: client %d left", i);
    }
    expect_service(address);
    finish(server);
}

TEST(
    unread_reply, .judges = SERVER, .stage = ROBUST, .needs = "exit_ends_one",
    .points = 1, .step = 6,
    .name = "a client that does not read its last reply does not make others wait",
    .hint_unix =
        "Wait for a client only in its own thread: the thread that lets clients in must go on.",
    .hint_win32 =
        "FlushFileBuffers blocks until the client has read: call it in this client's own thread, not in the one that lets clients in.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *idle = connect_probe(address, 1);
    size_t size;
    char *bytes = wire("exit", &size);
    send_message(idle, 1, bytes, size);
    wait_line(server, "server: received \"exit\"");
    struct program *probe = start_probe("pipe_peer", NULL);
    command(probe, text("many %s 100", address)); /* more than there are free instances */
    wait_report(probe, "all 100 were served", SERVED);
    kill_program(idle);
    finish(server);
}

TEST(
    never_reads, .judges = SERVER, .stage = ROBUST, .needs = "two_interleaved",
    .points = 2, .step = 5,
    .name = "a client that never reads its echoes does not make others wait",
    .hint_unix = "write() to a full pipe blocks: only this client's thread may block.",
    .hint_win32 = "WriteFile to a full pipe blocks: only this client's thread may block.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *other = connect_probe(address, 1);
    struct program *mute = connect_probe(address, 2);
    write_file("large", random_bytes(60000, 'a', 'z'), 60000, 0644);
    for (int i = 0; i < 40; i++)
        command(mute, "send 2 large");
    wait_line_like(server, "server: received *");
    exchange_words(other, 1, token());
    expect_service(address);
    exchange_words(other, 1, token());
    kill_program(mute);
    wait_line(server, "server: client 2 left");
    finish(server);
}

TEST(
    too_long, .judges = SERVER, .stage = ROBUST, .needs = "any_length", .points = 1,
    .step = 5,
    .name =
        "a message over the limit ends that session with an error line, and no other session",
    .hint_unix =
        "Print a line on standard error, close that client's descriptors, and serve the others.",
    .hint_win32 =
        "If ReadFile into 65,536 bytes fails with ERROR_MORE_DATA (234), print a line on standard error, disconnect that client, and serve the others.")
{
    static const size_t sizes[] = {MAX_MESSAGE + 2, 150000};
    const char *address;
    struct program *server = start_server(&address);
    struct program *other = connect_probe(address, 1);
    for (size_t i = 0; i < 2; i++) {
        struct program *probe = connect_probe(address, 2);
        write_file("message.out", random_bytes(sizes[i], 'a', 'z'), sizes[i], 0644);
        command(probe, "send 2 message.out");
        wait_error_like(server, "server: *");
        wait_line_like(server, "server: client * left");
        wait_report(probe, "2 *sen[dt]*", SENT);
        expect_end_of(probe, 2);
        exchange_words(other, 1, token());
    }
    finish(server);
}

TEST(lying_length, .judges = SERVER, .pair = "", .unix_only = true, .stage = ROBUST,
     .needs = "any_length", .points = 1, .step = 5,
     .name = "a length over the limit ends that session with an error line",
     .hint = "Check the length before you use it.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *other = connect_probe(address, 1);
    static const char *const lengths[] = {"\xFF\xFF\xFF\xFF", "\x7F\xFF\xFF\xFF",
                                          "\0\x01\0\x01"};
    for (size_t i = 0; i < 3; i++) {
        struct program *probe = connect_probe(address, 2);
        write_file("length", lengths[i], 4, 0644);
        command(probe, "raw 2 length");
        wait_error_like(server, "server: *");
        expect_end_of(probe, 2);
        exchange_words(other, 1, token());
    }
    finish(server);
}

/* Writes these bytes to the well-known FIFO. */
static void announce(struct program *probe, const char *address, const char *bytes)
{
    write_file("announcement", bytes, strlen(bytes), 0644);
    command(probe, text("announce %s announcement", address));
    wait_report(probe, "announced", ANNOUNCED);
}

/* Lines that contain the process ID of a client, which has made and opened its FIFOs. It has not announced
 * itself. */
static void announce_falsely(struct program *probe, const char *address)
{
    const size_t fills[] = {ANNOUNCEMENT_SIZE - 1, 63, 127,
                            255}; /* a buffer, without its NUL */
    const long pid = living_number();
    const char *to_server = path_in_scratch(text(TO_SERVER, address, pid));
    const char *to_client = path_in_scratch(text(TO_CLIENT, address, pid));
    if (mkfifo(to_server, FIFO_MODE) == -1 || mkfifo(to_client, FIFO_MODE) == -1)
        kit_error("mkfifo");
    int from = open(to_server, O_RDWR | O_CLOEXEC);
    int to = open(to_client, O_RDWR | O_CLOEXEC);
    for (size_t i = 0; i <= sizeof fills / sizeof *fills; i++) {
        const char *before = i == 0 ? "" : random_bytes(fills[i - 1], 'x', 'x');
        const char *line = i == 0 ? text("%ldjunk", pid)
                                  : text("%.*s%ld", (int)fills[i - 1], before, pid);
        announce(probe, address, text("\n%s\n", line));
        expect_service(address);
        if (access(to_server, F_OK) == -1 || access(to_client, F_OK) == -1)
            fail_test("the server let in a client for the line \"%s\", which is not an "
                      "announcement",
                      line);
    }
    unlink(to_server);
    unlink(to_client);
    close(from);
    close(to);
}

/* Clients that are killed after their announcement: their FIFOs are there, and nobody has opened them. */
static void announce_killed(struct program *server, struct program *probe,
                            const char *address)
{
    enum { FIRST_PID = 4194305, COUNT = 50 }; /* too large for Linux */
    expect_service(address);
    size_t before = resources_of(server).descriptors;
    for (long pid = FIRST_PID; pid < FIRST_PID + COUNT; pid++) {
        const char *to_server = path_in_scratch(text(TO_SERVER, address, pid));
        const char *to_client = path_in_scratch(text(TO_CLIENT, address, pid));
        if (mkfifo(to_server, FIFO_MODE) == -1 || mkfifo(to_client, FIFO_MODE) == -1)
            kit_error("mkfifo");
        announce(probe, address, text(ANNOUNCEMENT, pid));
    }
    expect_service(address);
    size_t after = resources_of(server).descriptors;
    for (long pid = FIRST_PID; pid < FIRST_PID + COUNT; pid++) {
        unlink(path_in_scratch(text(TO_SERVER, address, pid))); /* or the server has */
        unlink(path_in_scratch(text(TO_CLIENT, address, pid)));
    }
    if (after > before + COUNT / 2)
        fail_test(
            "after %d clients that were killed before their greeting the server had "
            "%zu descriptors open, before %zu",
            COUNT, after, before);
}

TEST(
    bad_announcements, .judges = SERVER, .pair = "", .unix_only = true, .stage = ROBUST,
    .needs = "two_interleaved", .points = 2, .step = 3,
    .name =
        "lines that are not announcements, and clients that are killed after theirs, stop no other client",
    .hint =
        "Skip a line that is not exactly a number, up to its newline: it can be longer than your buffer.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = start_probe("pipe_peer", NULL);
    static const char *const bytes[] = {"\n",      "hello\n",
                                        "\n12x\n", "\n99999999999999999999\n",
                                        "\n-1\n",  "\n12",
                                        "\n0\n",   "\n"};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++)
        announce(probe, address, bytes[i]);
    expect_service(address);
    announce_falsely(probe, address);
    look_at(
        SERVER, 4,
        "Open the client's FIFOs with O_NONBLOCK: a client that announced itself can have been killed, "
        "and open() must fail then, not block. Close the one that you have opened if the other fails. "
        "If both are open, clear the flag: fcntl(fd, F_SETFL, 0).");
    announce_killed(server, probe, address);
    look_at(SERVER, 0, NULL);
    finish(server);
}

TEST(
    stale_pairs, .judges = SERVER, .pair = "", .unix_only = true, .stage = ROBUST,
    .needs = "echoes_a_message", .points = 1, .step = 2,
    .name = "FIFOs of clients that were killed are removed when a server starts",
    .hint =
        "The names contain the client's process ID: remove them if kill(pid, 0) fails with ESRCH.")
{
    const char *folder = token();
    if (mkdir(path_in_scratch(folder), 0700) == -1)
        kit_error("mkdir");
    for (int round = 0; round < 2; round++) {
        const char *address = fresh_address();
        if (round == 1) /* not in the folder in which the server runs */
            address = last_address = text("%s/%s", folder, address);
        /* A process ID that is too large for Linux, and that of a process that is running. */
        const char *stale = path_in_scratch(text("%s.4194305.to_server", address));
        const char *living = path_in_scratch(
            text("%s.%d.to_server", address, (int)living_number()));
        if (mkfifo(stale, 0600) == -1 || mkfifo(living, 0600) == -1)
            kit_error("mkfifo");
        struct program *server = start(SERVER, address, NULL);
        wait_line(server, "server: ready %s", address);
        expect_service(address);
        if (access(stale, F_OK) == 0)
            fail_test("the FIFO of a process that does not exist was not removed");
        if (access(living, F_OK) == -1)
            fail_test("the FIFO of a living process was removed");
        unlink(living);
        finish(server);
    }
}

TEST(
    restart_after_kill, .judges = SERVER, .stage = ROBUST, .needs = "echoes_a_message",
    .points = 1, .step = 2,
    .name = "a server can be started again at once after it was killed",
    .hint_unix =
        "A killed server leaves its name. Use the FIFO that exists, unless another process reads it or holds a lock on it (flock).",
    .hint_win32 =
        "Let no other process inherit the pipe's handles: the name exists as long as one of them is open.")
{
    const char *address;
    struct program *server = start_server(&address);
    for (int i = 0; i < 2; i++) {
        struct program *probe = connect_probe(address, 1);
        exchange_words(probe, 1, token());
        kill_with_children(server); /* it can have a process for each client */
        expect_end_of(probe, 1);
        server = start(SERVER, address, NULL);
        wait_line(server, "server: ready %s", address);
    }
    expect_service(address);
    finish(server);
}

TEST(
    name_in_use, .judges = SERVER, .pair = "", .unix_only = true, .stage = ROBUST,
    .needs = "second_server", .points = 1, .step = 2,
    .name = "a FIFO that another process reads is left to it, also if that holds no lock",
    .hint =
        "Before you use a FIFO that exists, open it with O_WRONLY | O_NONBLOCK: that fails with ENXIO only if no process reads it.")
{
    const char *address = fresh_address(), *path = path_in_scratch(address);
    int reader = mkfifo(path, 0600) == -1 ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (reader == -1)
        kit_error("mkfifo");
    struct program *server = start(SERVER, address, NULL);
    wait_error_like(server, "server: *");
    expect_end(server, 1);
    if (access(path, F_OK) == -1)
        fail_test("the FIFO %s was removed", address);
    close(reader);
    unlink(path);
}

/* Waits until `count` clients have left. Sessions that end at almost the same time may be reported in any
 * order: each can have a thread of its own. */
static void wait_until_left(struct program *server, int count)
{
    wait_line(server, "server: client %d left", count);
    while (count_lines(server, "server: client * left") < (size_t)count)
        wait_line_like(server, "server: client * left");
}

TEST(
    many_clients, .judges = SERVER, .stage = ROBUST, .needs = "fifty_at_once",
    .points = 2, .step = 6,
    .name =
        "many clients one after the other, and many messages, leave no memory and no handle in use",
    .hint_unix =
        "Close both descriptors, free the memory and detach or join the thread on every way out of a session.",
    .hint_win32 =
        "Disconnect and close the instance, free the memory and close the thread's handle on every way out of a session.")
{
    /* Under Wine a client takes much longer. */
    const int first = under_test() == UNIX ? 500 : 200, rest = 3 * first,
              all = first + rest;
    const size_t slack = under_test() == UNIX ? 2 * MEGABYTE : MEGABYTE;
    const char *address, *message = random_bytes(MAX_MESSAGE, 'a', 'z');
    struct program *server = start_server(&address);
    struct program *probe = start_probe("pipe_peer", NULL);
    command(probe, text("many %s %d", address, first));
    wait_report(probe, text("all %d were served", first), SERVED);
    wait_until_left(server, first);
    struct resources early = resources_of(server);
    command(probe, text("many %s %d", address, rest));
    wait_report(probe, text("all %d were served", rest), SERVED);
    wait_until_left(server, all);
    struct resources late = resources_of(server);
    if (under_test() == WIN32) {
        /* UNIX does not show a handle that the program left open. The number of instances does. */
        command(probe, text("info %s", address));
        const char *line = wait_report(probe, "instances *", ABOUT_PIPE);
        if (strtol(strrchr(line, ' '), NULL, 10) > all / 2)
            fail_test("after %d clients, and without one now, the pipe has %s instances",
                      all, strrchr(line, ' ') + 1);
    }
    if (late.descriptors > early.descriptors + 40)
        fail_test("after %d clients the server had %zu descriptors open, after %d %zu",
                  first, early.descriptors, all, late.descriptors);
    if (!instrumented() && late.memory > early.memory + slack) {
        /* More sessions at once than before take more memory, once. A leak goes on. */
        command(probe, text("many %s %d", address, rest));
        wait_report(probe, text("all %d were served", rest), SERVED);
        wait_until_left(server, all + rest);
        struct resources last = resources_of(server);
        if (last.memory > late.memory + slack)
            fail_test(
                "after %d clients the server held %zu kB, after %d %zu, after %d %zu",
                first, early.memory / 1024, all, late.memory / 1024, all + rest,
                last.memory / 1024);
    }
    look_at(
        SERVER, 5,
        "Free what you allocate for a message, or use one buffer for all messages of a client.");
    probe = connect_probe(address, 1);
    size_t before = 0;
    for (int i = 0; i < 20 + 100; i++) {
        if (i == 20)
            before = resources_of(server).memory;
        exchange(probe, 1, message, MAX_MESSAGE);
    }
    size_t after = resources_of(server).memory;
    if (!instrumented() && after > before + 2 * MEGABYTE)
        fail_test("after 20 messages of %d bytes the server held %zu kB, after 120 %zu",
                  MAX_MESSAGE, before / 1024, after / 1024);
    finish(server);
}

TEST(
    no_descriptors, .judges = SERVER, .unix_only = true, .stage = ROBUST,
    .needs = "two_interleaved", .points = 2, .step = 4,
    .name =
        "a server without a free descriptor refuses one client, and serves the others",
    .hint =
        "If a call fails with EMFILE, let this client go, and no other. Keep one descriptor free, so that you can open and close the client's end.")
{
    const char *address;
    struct program *server = start_server_with((struct start_options){.descriptors = 40},
                                               &address);
    crowd_out(server, address);
}

TEST(
    no_threads, .judges = SERVER, .unix_only = true, .stage = ROBUST,
    .needs = "two_interleaved", .points = 2, .step = 4,
    .name =
        "a server without memory for a thread refuses one client, and serves the others",
    .hint =
        "Check what pthread_create() or start_thread() returns: if it fails with EAGAIN, let this client go, and no other.")
{
    if (instrumented())
        skip_test("valgrind and the sanitizers need more memory than this test leaves");
    /* One heap for all threads: a second one takes 64 MB of addresses, if it finds them at a
     * multiple of 64 MB, which is a matter of luck. */
    const char *const environment[] = {"MALLOC_ARENA_MAX=1", NULL};
    const char *address;
    struct program *server =
        start_server_with((struct start_options){.environment = environment}, &address);
    limit_addresses(server, 64 * MEGABYTE); /* beyond what it has now */
    crowd_out(server, address);
}

/* In a sandbox no program can change another one's memory. Two of our own find out, so that the server
 * that is judged has no part in it. */
static void skip_if_memory_is_safe(void)
{
    const char *address;
    struct program *other = start_listener(&address);
    struct program *one = connect_probe(address, 1);
    command(one, "deny 1");
    const char *why = strstr(wait_report(one, "*", DENIED), "not possible: ");
    if (why != NULL)
        skip_test("needs to change a program's memory: %s", why);
    kill_program(one);
    kill_program(other);
}

TEST(
    no_instance, .judges = SERVER, .win32_only = true, .stage = ROBUST,
    .needs = "two_interleaved", .points = 2, .step = 4,
    .name = "CreateNamedPipe fails for a while: clients go on, and later ones are served",
    .hint =
        "If CreateNamedPipe fails, print an error line and go on with the clients. Try again after a pause until it succeeds: otherwise no instance is left, and no client can connect.")
{
    skip_if_memory_is_safe();
    const char *address;
    struct program *server = start_server(&address);
    struct program *first = connect_probe(address, 1);
    exchange_words(first, 1, token());
    wait_line(server, "server: client 1 connected");
    command(first, "deny 1");
    wait_report(first, "denied", DENIED);
    struct program *probe = start_probe("pipe_peer", NULL);
    command(probe, text("crowd %s 200 1", address)); /* takes all instances */
    const char *report = wait_report(probe, "*at once*", SERVED);
    if (strstr(report, "all") != NULL)
        skip_test("the server has created more than 200 instances before");
    /* "client N ...": that one found no instance, those before it did. The last of them may wait for the
     * next instance. */
    long refused = strtol(report + strcspn(report, "0123456789"), NULL, 10);
    for (long number = 2; number < refused; number++)
        wait_line_like(server, "server: client * connected");
    let_block();
    wait_error_like(server, "server: *error *");
    exchange_words(first, 1, token());
    command(first, "permit 1");
    wait_report(first, "permitted", DENIED);
    kill_program(probe);
    expect_service(address);
    exchange_words(first, 1, token());
    finish(server);
}

TEST(
    last_word, .judges = SERVER, .stage = ROBUST, .needs = "ends_on_ctrl_c", .points = 1,
    .step = 7,
    .name = "no line is printed after \"server: done\", whatever clients are doing",
    .hint_unix =
        "Other threads print until the process has ended: take the lock of stdout (flockfile) for \"done\" and keep it, or call log_last().",
    .hint_win32 =
        "Other threads print until the process has ended: print each line under a lock, take it for \"done\" and keep it, or call log_last().")
{
    /* It takes luck to find a line after it: so many times. */
    int rounds = instrumented() ? 3 : under_test() == WIN32 ? 8 : 40;
    for (int round = 0; round < rounds; round++) {
        const char *address;
        struct program *server = start_server(&address);
        struct program *probe = start_probe("pipe_peer", NULL);
        command(probe, text("crowd %s 50 1000000", address));
        wait_line(server, "server: client 50 connected");
        wait_line_like(server, "server: received *");
        usleep(20000); /* by then all of them send */
        send_signal(server, SIGINT);
        wait_line(server, "server: done");
        /* Under Wine 8 a process that ends while many of its threads work sometimes blocks in
         * a lock of Wine's that one of them held. Then judge only its lines. */
        bool wine = under_test() == WIN32 && !on_windows();
        for (double end = now() + 3; wine && is_running(server) && now() < end;)
            usleep(2000);
        if (wine && is_running(server))
            kill_program(server);
        else
            expect_end(server, 0);
        size_t length, size = strlen("server: done");
        const char *output = output_of(server, &length);
        while (length > size && strchr("\r\n", output[length - 1]) != NULL)
            length--;
        if (memcmp(output + length - size, "server: done", size) != 0)
            fail_test("\"server: done\" is not the last line");
        kill_program(probe);
    }
}

TEST(
    server_without_streams, .judges = SERVER, .stage = ROBUST,
    .needs = "echoes_a_message", .points = 1, .step = 2,
    .name = "the server works without its standard input, output and error",
    .hint_unix =
        "open() returns the lowest descriptor that is free: then what is printed goes to a client. Open /dev/null until descriptors 0 to 2 are in use, or call begin_program().",
    .hint_win32 =
        "GetStdHandle returns NULL here, and the C library's streams have no file: do not exit, or call begin_program().")
{
    static const unsigned missing[] = {1, 3, 7};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        const char *address = fresh_address();
        struct program *server = start_with(SERVER,
                                            (struct start_options){.closed = missing[i]},
                                            address, NULL);
        await_server(server, address);
        for (int client = 0; client < 5; client++) /* each gets a number that is free */
            expect_service(address);
        if (under_test() == WIN32)
            kill_program(server); /* Ctrl-C would go to the probe that started it */
        else
            finish(server);
    }
}

TEST(
    interrupted, .judges = SERVER, .unix_only = true, .stage = ROBUST,
    .needs = "echoes_a_message", .points = 1, .step = 3,
    .name = "signals that interrupt a call of the server change nothing",
    .hint =
        "Install handlers with SA_RESTART, or call read() and poll() again if they fail with EINTR.")
{
    const char *address;
    struct program *server = start_server(&address);
    struct program *probe = connect_probe(address, 1);
    exchange_words(probe, 1, token());
    interrupt_calls(server);
    exchange_words(probe, 1, token());
    command(probe, "close 1");
    wait_report(probe, "1 closed", CLOSED);
    interrupt_calls(server);
    expect_service(address);
    finish(server);
}

/* ==== Robust: the client ============================================================= */

TEST(half_a_reply, .judges = CLIENT, .pair = "", .unix_only = true, .stage = ROBUST,
     .needs = "server_goes", .points = 1, .step = 5,
     .name =
         "half a reply and then the end is not a reply, nor is a length over the limit",
     .hint = "The length says how many bytes must come: fewer are an error.")
{
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    type(client, "one\n");
    expect_words(probe, "one");
    write_file("half", "\0\0\0\x10half", 8, 0644);
    command(probe, "raw-reply half");
    wait_report(probe, "replied", REPLIED);
    kill_program(probe);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    if (printed_like(client, "client: received *"))
        fail_test("the client printed half a reply as if it were whole");
    remove_left_name(address);

    look_at(
        CLIENT, 5,
        "Check the length before you use it: what comes must not exceed your buffer.");
    static const char *const lengths[] = {"\xFF\xFF\xFF\xFF", "\0\x01\0\x01"};
    for (size_t i = 0; i < 2; i++) {
        probe = start_listener(&address);
        client = start(CLIENT, address, NULL);
        type(client, "one\n");
        expect_words(probe, "one");
        write_file("length", lengths[i], 4, 0644);
        command(probe, "raw-reply length");
        wait_report(probe, "replied", REPLIED);
        wait_error_like(client, "client: *");
        expect_end(client, 1);
        remove_name(probe);
    }
}

TEST(
    no_greeting, .judges = CLIENT, .pair = "", .unix_only = true, .stage = ROBUST,
    .needs = "waits_for_greeting", .points = 1, .step = 3,
    .name = "a client reports a server that is killed before its greeting, or refuses it",
    .hint =
        "Wait with poll() for two events: the greeting, and POLLERR on the well-known FIFO, which then has no reader.")
{
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    type(client, "hello\n");      /* it may connect only now */
    expect_idle(client, 0.3, 50); /* by then it has announced itself */
    kill_program(probe);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    remove_left_name(address);

    look_at(
        CLIENT, 3,
        "A server that refuses a client opens to_client and closes it. poll() then reports "
        "POLLHUP without POLLIN: report it, and exit with 1.");
    probe = start_listener(&address);
    client = start(CLIENT, address, NULL);
    type(client, "hello\n");
    command(probe, "refuse");
    wait_report(probe, "refused", REFUSED);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    remove_name(probe);
}

TEST(
    stale_name, .judges = CLIENT, .stage = ROBUST, .needs = "no_server", .points = 1,
    .step = 2,
    .name =
        "after a server was killed the client reports that there is none and exits with 1",
    .hint_unix =
        "Open the FIFO with O_NONBLOCK: it fails with ENXIO if no server reads it.",
    .hint_win32 =
        "CreateFile fails with ERROR_FILE_NOT_FOUND (2): print a line on standard error and exit with 1.")
{
    const char *address;
    struct program *server = start_server(&address);
    kill_program(server);
    struct program *client = start(CLIENT, address, NULL);
    offer_bytes(client, "hello\n", 6);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    if (printed_like(client, "client: received *"))
        fail_test("the client printed a reply, and the server was killed before");
    remove_left_name(address);
}

TEST(
    client_without_streams, .judges = CLIENT, .stage = ROBUST, .needs = "sends_lines",
    .points = 1, .step = 2,
    .name = "the client works without its standard input, output and error",
    .hint_unix =
        "open() returns the lowest descriptor that is free. Open /dev/null until descriptors 0 to 2 are in use, or call begin_program(). Missing input is at its end.",
    .hint_win32 =
        "GetStdHandle returns NULL here. Missing input is at its end: do not exit, or call begin_program().")
{
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start_with(CLIENT, (struct start_options){.closed = 6},
                                        address, NULL);
    for (int i = 0; i < 2; i++) {
        const char *word = token();
        type(client, text("%s\n", word));
        expect_words(probe, word);
        reply_words(probe, word);
    }
    close_input(client);
    command(probe, "left");
    expect_end(client, 0);
    wait_report(probe, "client left", CLIENT_LEFT);
    client = start_with(CLIENT, (struct start_options){.closed = 1}, address, NULL);
    command(probe, "left");
    wait_line(client, "client: done");
    expect_end(client, 0);
    /* It may still wait: a client with nothing to send need not connect. */
    kill_program(probe);
    remove_left_name(address);
}

TEST(
    client_interrupted, .judges = CLIENT, .unix_only = true, .stage = ROBUST,
    .needs = "sends_lines", .points = 1, .step = 5,
    .name = "signals that interrupt a call of the client change nothing",
    .hint =
        "Install handlers with SA_RESTART, or call read() and poll() again if they fail with EINTR.")
{
    const char *address;
    struct program *probe = start_listener(&address);
    struct program *client = start(CLIENT, address, NULL);
    interrupt_calls(client); /* while it waits for the greeting */
    type(client, "hello\n");
    expect_words(probe, "hello");
    interrupt_calls(client); /* for its reply */
    reply_words(probe, "ok");
    wait_line(client, "client: received \"ok\"");
    interrupt_calls(client); /* for a line */
    look_at(
        CLIENT, 4,
        "epoll_wait() fails with EINTR if the program was stopped and continued, also without "
        "a handler: call it again.");
    send_signal(client, SIGSTOP);
    send_signal(client, SIGCONT);
    type(client, "more\n");
    expect_words(probe, "more");
    reply_words(probe, "ok");
    wait_line(client, "client: received \"ok\"");
    end_input(client, probe);
    remove_name(probe);
}

/* ==== Other programs ================================================================= */

TEST(
    idle_limit, .judges = SERVER, .only = "server_overlapped", .win32_only = true,
    .stage = COMPLETE, .points = 1, .step = 3,
    .name =
        "with --idle the server ends when no client comes, but not while a client is connected",
    .hint =
        "Give the wait for a client SECONDS as its limit. When it has timed out, end only if no client is connected.")
{
    const char *address = fresh_address();
    struct program *server =
        start_with(SERVER, (struct start_options){.name = "server_overlapped"}, "--idle",
                   "1", address, NULL);
    wait_line(server, "server: ready %s", address);
    struct program *probe = connect_probe(address, 1);
    exchange_words(probe, 1, token());
    expect_idle(server, 1.5, 5);
    if (!is_running(server))
        fail_test("the server ended, and its client is still connected");
    exchange_words(probe, 1, token());
    command(probe, "close 1");
    wait_line(server, "server: client 1 left");
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(info_tells, .judges = SERVER, .only = "pipe_info", .stage = BASIC, .points = 1,
     .step = 5,
     .name = "pipe_info reports what can be read from a pipe, and what one read returns",
     .hint_unix = "A FIFO carries bytes: one read() returns all that is there.",
     .hint_win32 = "A message pipe returns one message in one read.")
{
    bool win32 = under_test() == WIN32;
    struct program *info = start_with(SERVER, (struct start_options){.name = "pipe_info"},
                                      fresh_address(), NULL);
    wait_line_like(info, "pipe_info: ready *");
    wait_line(info, "pipe_info: carries: %s", win32 ? "messages" : "bytes");
    wait_line_like(info, "pipe_info: who may open it: ?*");
    wait_line_like(info, "pipe_info: room: *");
    wait_line_like(info, "pipe_info: an empty pipe is read without waiting: error *");
    wait_line(info, "pipe_info: reads wait again: yes");
    wait_line_like(info, "pipe_info: waiting: 8 bytes*");
    wait_line(info, "pipe_info: one read brings: %s", win32 ? "\"one\"" : "\"onethree\"");
    wait_line(info, "pipe_info: left: %d bytes", win32 ? 5 : 0);
    wait_line(info, "pipe_info: done");
    expect_end(info, 0);
}

/* ---- What --run shows --------------------------------------------------------------- */

static void conversation(void)
{
    const char *address = under_test() == WIN32 ? "\\\\.\\pipe\\$$MyPipe$$" : "pipe";
    narrate("The server makes the name, and waits.");
    struct program *server = start(SERVER, address, NULL);
    wait_line(server, "server: ready %s", address);
    narrate("Two clients come; each has a session of its own.");
    struct program *one = start(CLIENT, address, NULL);
    type(one, "hello from the first\n");
    wait_line_like(one, "client: received *");
    struct program *other = start(CLIENT, address, NULL);
    type(other, CYRILLIC ", says the second\n");
    wait_line_like(other, "client: received *");
    narrate("\"exit\" ends one session.");
    type(one, "exit\n");
    expect_end(one, 0);
    type(other, "still here\n");
    wait_line_like(other, "client: received *");
    close_input(other);
    expect_end(other, 0);
    narrate("Ctrl-C ends the server.");
    send_signal(server, SIGINT);
    expect_end(server, 0);
}

CHECKER("02-named-pipes", "named pipes")
