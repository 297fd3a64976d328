/*
 * check.c - judges lab 04 from outside, by the contract alone.
 *
 * What stands in shared memory is in nobody's transcript, so a probe (grading/probe/mapping.c)
 * plays the server to a client and the client to a server, by contract.h, one move at a time:
 * it can stop with the mutex in hand, write half a number, or be killed between two moves.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>
#include <unistd.h>

#include "contract.h"
#include "harness.h"

/* How many numbers are many: a hand-off under Wine goes through wineserver, several times. */
static long many(void)
{
    return instrumented() ? 500 : under_test() == UNIX ? 10000 : 800;
}

/* How long a program is watched that has every reason to wait. */
#define WATCH 0.15

static struct program *start_server(const char *name, const char *count)
{
    struct program *server = start(SERVER, name, count, NULL);
    wait_line(server, "server: ready %s", name);
    return server;
}

/* Starts the probe as "server", "client", "looker" or "unready". */
static struct program *start_mapping(const char *role, const char *name)
{
    struct program *mapping = start_probe("mapping", role, name, NULL);
    wait_line(mapping, "mapping: attached");
    return mapping;
}

/* Gives the probe a command, without waiting for what comes of it. */
static void tell(struct program *mapping, const char *command)
{
    const char *line = text("%s\n", command);
    send_bytes(mapping, line, strlen(line));
}

/* The same, and waits until it is done. */
static void order(struct program *mapping, const char *command)
{
    tell(mapping, command);
    wait_line(mapping, "mapping: did %.*s", (int)strcspn(command, " "), command);
}

/* Waits until `who` has told of the `count` numbers that come next in the sequence. */
static void expect_numbers(struct program *program, const char *what, long count,
                           uint32_t *state)
{
    for (long i = 0; i < count; i++)
        wait_line(program, "%s \"%u\"", what, next_number(state));
}

static void expect_lines(struct program *program, const char *pattern, size_t count)
{
    size_t lines = count_lines(program, pattern);
    if (lines != count)
        fail_test("there are %zu lines \"%s\", and should be %zu", lines, pattern, count);
}

/* The number in a line, or -1. */
static long number_in(const char *line)
{
    const char *quote = strchr(line, '"');
    return quote != NULL && quote[1] >= '0' && quote[1] <= '9' ? atol(quote + 1) : -1;
}

/* The number at `position` of the sequence, counted from 1. */
static long number_at(long position)
{
    static uint32_t state = FIRST_STATE;
    static long known;
    static unsigned sequence[1 << 20];
    while (known < position && known < (1 << 20) - 1)
        sequence[++known] = next_number(&state);
    return position < 1 << 20 ? (long)sequence[position] : -1;
}

/* Goes through the numbers that `client` has told of, each of which must stand at most `most`
 * places behind the one before, which stood at `position`. Returns where the last stands, and
 * counts the steps of 0 and of more than 1. */
static long follow(struct program *client, long position, long most, long *repeats,
                   long *gaps)
{
    size_t length;
    const char *output = output_of(client, &length);
    char *rest = text("%.*s", (int)length, output), *end;
    for (; (end = strchr(rest, '\n')) != NULL; rest = end + 1) {
        *end = '\0';
        if (strncmp(rest, "client: received ", 17) != 0)
            continue;
        long step = position == 0 ? 1 : 0;
        while (step <= most && number_at(position + step) != number_in(rest))
            step++;
        if (step > most)
            fail_test(
                "%s: this number does not come next, behind number %ld of the sequence",
                rest, position);
        position += step;
        *repeats += step == 0;
        *gaps += step > 1;
    }
    return position;
}

/* ---- The pair ----------------------------------------------------------------------- */

TEST(fifteen_numbers, .pair = "", .judges = PAIR, .points = 3, .step = 5,
     .name =
         "fifteen numbers are written and read, each once, in order, and both end well",
     .hint = "Write the next number when the one before has been read, and not before.")
{
    const char *name = token();
    struct program *server = start_server(name, "15");
    struct program *client = start(CLIENT, name, NULL);
    uint32_t written = FIRST_STATE, read = FIRST_STATE;
    expect_numbers(client, "client: received", 15, &read);
    wait_line(client, "client: done");
    expect_end(client, 0);
    expect_numbers(server, "server: sent", 15, &written);
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_lines(client, "client: received *", 15);
    expect_lines(server, "server: sent *", 15);
}

TEST(many_numbers, .pair = "", .judges = PAIR, .points = 2, .step = 5,
     .name = "many numbers pass fast, each once, in order",
     .hint =
         "Wait for an event, never for a time; what one wakes the other for must not be "
         "lost when it comes before the other sleeps.")
{
    const char *name = token();
    struct program *server = start_server(name, text("%ld", many()));
    struct program *client = start(CLIENT, name, "0", NULL);
    uint32_t read = FIRST_STATE;
    expect_numbers(client, "client: received", many(), &read);
    wait_line(client, "client: done");
    expect_end(client, 0);
    expect_end(server, 0);
    expect_lines(client, "client: received *", (size_t)many());
}

TEST(any_count, .pair = "", .judges = PAIR, .points = 2, .step = 1,
     .name = "COUNT is obeyed on both sides: 1, 2, more than there are, and 0 for all",
     .hint = "A client that wants more than there is ends well when the server does.")
{
    static const char *const counts[][2] = {
        {"1", "1"}, {"2", "2"}, {"5", "15"}, {"3", "0"}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const char *name = token();
        struct program *server = start_server(name, counts[i][0]);
        struct program *client = start(CLIENT, name, counts[i][1], NULL);
        wait_line(client, "client: done");
        expect_end(client, 0);
        wait_line(server, "server: done");
        expect_end(server, 0);
        expect_lines(client, "client: received *", strtoul(counts[i][0], NULL, 10));
    }
}

TEST(
    next_client, .pair = "", .judges = PAIR, .points = 2, .step = 5,
    .name = "the next client goes on where the one before stopped",
    .hint =
        "A number that nobody has read stays: the server waits, with or without a client.")
{
    const char *name = token();
    struct program *server = start_server(name, "6");
    uint32_t state = FIRST_STATE;
    for (int i = 1; i <= 3; i++) {
        struct program *client = start(CLIENT, name, text("%d", i), NULL);
        expect_numbers(client, "client: received", i, &state);
        wait_line(client, "client: done");
        expect_end(client, 0);
        expect_lines(client, "client: received *", (size_t)i);
    }
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(
    default_names, .pair = "", .judges = PAIR, .points = 1, .step = 1,
    .name =
        "without arguments both meet by the name MyFileMappingObject, and the client reads "
        "15 numbers",
    .hint = "The listing's names; the server goes on until Ctrl-C.")
{
    if (!private_names())
        skip_test("needs a room of its own: other runs could use the default name");
    struct program *server = start(SERVER, NULL);
    wait_line(server, "server: ready " DEFAULT_NAME);
    struct program *client = start(CLIENT, NULL);
    uint32_t state = FIRST_STATE;
    expect_numbers(client, "client: received", 15, &state);
    wait_line(client, "client: done");
    expect_end(client, 0);
    struct program *looker = start_mapping("looker", DEFAULT_NAME); /* by its own names */
    order(looker, "lock");
    order(looker, "unlock");
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(second_server, .pair = "", .judges = PAIR, .points = 2, .step = 2,
     .name = "a second server of the same name is refused, and does the first no harm",
     .hint = "To make what is there already is no error by itself: ask whether it was.")
{
    const char *name = token();
    struct program *server = start_server(name, "8");
    wait_line(server, "server: sent \"41\"");
    for (int i = 0; i < 2; i++) {
        struct program *second = start(SERVER, name, "8", NULL);
        wait_error_like(second, "server: *");
        expect_end(second, 1);
        if (printed_like(second, "server: ready*"))
            fail_test("the second server says \"ready\"");
    }
    struct program *client = start(CLIENT, name, "8", NULL);
    uint32_t state = FIRST_STATE;
    expect_numbers(client, "client: received", 8, &state);
    expect_end(client, 0);
    expect_end(server, 0);
}

TEST(second_client, .pair = "", .judges = PAIR, .points = 1, .step = 4,
     .name = "a second client at the same time is refused, and takes no number away",
     .hint =
         "One reader at a time: claim the place by something that a dead client loses.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "2", NULL);
    order(server, "send one");
    wait_line(client, "client: received \"one\"");
    struct program *second = start(CLIENT, name, "1", NULL);
    wait_error_like(second, "client: *");
    expect_end(second, 1);
    order(server, "send two");
    wait_line(client, "client: received \"two\"");
    expect_end(client, 0);
    order(server, "send three");
    kill_program(start(CLIENT, name, "0", NULL));
    tell(server, "end");
    wait_end(server);
}

TEST(
    client_killed, .pair = "", .judges = PAIR, .points = 3, .step = 5,
    .name =
        "a client that is killed at any moment costs one number at most, and no server",
    .hint =
        "What is true stands in the memory. A wake-up that a dead client has taken along "
        "must not be the only sign that a number waits, or that there is room.")
{
    const char *name = token();
    struct program *server = start_server(name, "0");
    int rounds = instrumented() ? 5 : under_test() == UNIX ? 30 : 8;
    const char *moments = random_bytes((size_t)rounds, 0, 40);
    long position = 0, repeats = 0, gaps = 0;
    for (int round = 0; round <= rounds; round++) {
        bool last = round == rounds;
        struct program *client = start(CLIENT, name, last ? "50" : "0", NULL);
        for (int i = 0; i < (last ? 50 : moments[round]); i++)
            wait_line_like(client, "client: received *");
        if (last)
            expect_end(client, 0);
        else
            kill_program(client);
        position = follow(client, position, 2, &repeats, &gaps);
    }
    if (repeats + gaps > rounds)
        fail_test("%d clients were killed, but %ld numbers repeated and %ld lost", rounds,
                  repeats, gaps);
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(
    server_killed, .pair = "", .judges = PAIR, .points = 3, .step = 5,
    .name =
        "a server that is killed at any moment: the client says so, and ends; the next "
        "server starts at once",
    .hint =
        "Wait for a number or the server's death, whichever comes; a mutex that the dead "
        "owned tells of it.")
{
    const char *name = token();
    int rounds = instrumented() ? 5 : under_test() == UNIX ? 30 : 8;
    const char *moments = random_bytes((size_t)rounds, 0, 40);
    for (int round = 0; round < rounds; round++) {
        struct program *server = start_server(name, "0");
        struct program *client = start(CLIENT, name, "0", NULL);
        uint32_t state = FIRST_STATE;
        expect_numbers(client, "client: received", 1 + moments[round], &state);
        kill_program(server);
        wait_error_like(client, "client: *");
        expect_end(client, 1);
        if (printed_like(client, "client: done"))
            fail_test("the client says \"done\" though its server was killed");
    }
    struct program *server = start_server(name, "3"); /* and leaves nothing behind */
    struct program *client = start(CLIENT, name, "0", NULL);
    uint32_t state = FIRST_STATE;
    expect_numbers(client, "client: received", 3, &state);
    expect_end(client, 0);
    expect_end(server, 0);
}

TEST(ctrl_c_with_client, .pair = "", .judges = PAIR, .points = 2, .step = 7,
     .name =
         "on Ctrl-C the server ends in order, and so does the client that waits for it",
     .hint =
         "Ctrl-C is an end in order, as the last number is: set ENDED, release `alive`.")
{
    const char *name = token();
    struct program *server = start_server(name, "0");
    struct program *client = start(CLIENT, name, "0", NULL);
    wait_line(client, "client: received \"41\"");
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(no_torn_text, .pair = "", .judges = CLIENT, .unix_only = true, .points = 2,
     .step = 3, .name = "with --mutex-only, too, no text is told that was never written",
     .hint = "Copy the text while you have the mutex, and not when you have released it.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    tell(server, "flicker 5000000");
    struct program *client = start(CLIENT, "--mutex-only", name, "4000", "0", NULL);
    wait_line(client, "client: done");
    expect_end(client, 0);
    wait_line(server, "mapping: did flicker");
    tell(server, "end");
    wait_end(server);
    if (printed_like(client, "client: received \"*a*b*") ||
        printed_like(client, "client: received \"*b*a*"))
        fail_test("the client tells of a text that is a half of two");
}

TEST(
    repeats_and_gaps, .pair = "", .judges = PAIR, .points = 2, .step = 3,
    .name =
        "with --mutex-only numbers repeat for a fast reader and are lost to a slow one",
    .hint =
        "A mutex keeps two from being inside at once; it does not tell that there is news.")
{
    const char *name = token();
    struct program *server = start(SERVER, "--mutex-only", name, "0", "20", NULL);
    wait_line(server, "server: sent \"41\"");
    static const char *const paces[] = {"2", "100"};
    long position = 0, repeats = 0, gaps = 0;
    for (int i = 0; i < 2; i++) {
        struct program *client = start(CLIENT, "--mutex-only", name, i == 0 ? "40" : "4",
                                       paces[i], NULL);
        wait_line(client, "client: done");
        expect_end(client, 0);
        expect_lines(client, "client: received *", i == 0 ? 40 : 4);
        position = follow(client, position, 1000, &repeats, &gaps);
    }
    if (repeats == 0)
        fail_test("a reader ten times as fast as the writer saw no number twice");
    if (gaps == 0)
        fail_test("a reader five times slower than the writer missed no number");
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

/* ---- The server --------------------------------------------------------------------- */

TEST(
    layout, .pair = "", .judges = SERVER, .points = 2, .step = 5,
    .name =
        "the number stands in the memory as decimal text with its NUL, `unread` behind it",
    .hint = "Text first, its NUL included; then the mark that it is there to be read.")
{
    const char *name = token();
    struct program *server = start_server(name, "3");
    wait_line(server, "server: sent \"41\"");
    struct program *client = start_mapping("client", name);
    order(client, "show");
    if (!printed_like(client, "mapping: \"41\" 1"))
        fail_test("after \"sent\" the memory must hold \"41\", unread");
    order(client, "receive 1");
    wait_line(server, "server: sent \"18467\"");
    order(client, "receive 1");
    order(client, "receive 1"); /* 6334, shorter than 18467 by one */
    if (!printed_like(client, "mapping: received \"6334\""))
        fail_test("a number behind a longer one is not \"6334\"");
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(waits_for_reader, .pair = "", .judges = SERVER, .points = 2, .step = 5,
     .name = "a server that nobody reads from writes one number and waits, at no cost",
     .hint = "Sleep until the reader wakes you; do not ask again and again.")
{
    const char *name = token();
    struct program *server = start_server(name, "0");
    wait_line(server, "server: sent \"41\"");
    struct program *client = start_mapping("client", name);
    expect_idle(server, WATCH, 10);
    expect_lines(server, "server: sent *", 1);
    order(client, "nudge"); /* a wake-up for nothing */
    order(client, "nudge");
    expect_idle(server, 4 * WATCH, 10); /* who goes round does so by Wine's own server */
    expect_lines(server, "server: sent *", 1);
    order(client, "receive 1");
    wait_line(server, "server: sent \"18467\"");
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(server_in_order, .pair = "", .judges = SERVER, .points = 2, .step = 5,
     .name = "a reader that obeys the contract gets many numbers, each once, in order",
     .hint = "Room is when `unread` is 0, looked at with the mutex taken.")
{
    const char *name = token();
    struct program *server = start_server(name, text("%ld", many()));
    struct program *client = start_mapping("client", name);
    order(client, text("sequence %ld", many()));
    if (!printed_like(client, text("mapping: %ld numbers in order", many())))
        fail_test("the reader did not get the numbers in their order");
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(server_needs_mutex, .pair = "", .judges = SERVER, .points = 2, .step = 5,
     .name = "the server writes nothing while a reader owns the mutex",
     .hint = "Take the mutex for every look and every change.")
{
    const char *name = token();
    struct program *server = start_server(name, "2");
    wait_line(server, "server: sent \"41\"");
    struct program *client = start_mapping("client", name);
    order(client, "lock");
    order(client, "clear"); /* from here on there is room, but the reader is not done */
    expect_idle(server, WATCH, 10);
    order(client, "show");
    if (!printed_like(client, "mapping: \"41\" 0"))
        fail_test("the memory changed while a reader owned the mutex");
    order(client, "unlock");
    wait_line(server, "server: sent \"18467\"");
    order(client, "receive 1");
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(
    reader_dies_inside, .pair = "", .judges = SERVER, .points = 3, .step = 5,
    .name = "a reader is killed while it owns the mutex: the server says so, and goes on",
    .hint = "WAIT_ABANDONED; EOWNERDEAD, and then pthread_mutex_consistent.")
{
    const char *name = token();
    struct program *server = start_server(name, "4");
    wait_line(server, "server: sent \"41\"");
    struct program *client = start_mapping("client", name);
    order(client, "lock");
    order(client, "clear"); /* the server wakes, and waits for the mutex */
    kill_program(client);
    wait_line(server, "server: mutex abandoned");
    wait_line(server, "server: sent \"18467\"");
    client = start_mapping("client", name);
    order(client, "lock"); /* and now one that has told nobody */
    kill_program(client);
    client = start_mapping("client", name);
    order(client, "receive 3");
    if (!printed_like(client, "mapping: received \"18467\"") ||
        !printed_like(client, "mapping: received \"26500\""))
        fail_test("the next reader did not get the numbers that were left");
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(last_number_read, .pair = "", .judges = SERVER, .points = 2, .step = 6,
     .name = "the server ends when its last number has been read, and not before",
     .hint = "With the server go the names: wait until `unread` is 0 once more.")
{
    const char *name = token();
    struct program *server = start_server(name, "1");
    wait_line(server, "server: sent \"41\"");
    expect_idle(server, WATCH, 10);
    struct program *client = start_mapping("client", name);
    order(client, "receive 1");
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(ends_on_signal, .pair = "", .judges = SERVER, .points = 2, .step = 7,
     .name = "Ctrl-C ends the server in order, also while it waits: its names are gone",
     .hint = "Wake whatever waits; then remove the names as at the usual end.")
{
    const char *name = token();
    static const int signals[] = {SIGINT, SIGTERM};
    for (int i = 0; i < (under_test() == UNIX ? 2 : 1); i++) {
        struct program *server = start_server(name, "0");
        wait_line(server, "server: sent \"41\"");
        send_signal(server, signals[i]);
        wait_line(server, "server: done");
        expect_end(server, 0);
        struct program *client = start(CLIENT, name, NULL);
        wait_error_like(client, "client: *");
        expect_end(client, 1);
    }
    struct program *server = start(SERVER, "--mutex-only", name, NULL);
    wait_line(server, "server: sent \"41\"");
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(
    takes_over, .pair = "", .judges = SERVER, .points = 3, .step = 2,
    .name =
        "what a killed server has left is no obstacle, though its client still holds it",
    .hint =
        "UNIX: replace the object, for somebody may be in the old one. Windows: it is the "
        "same object, with an old number in it.")
{
    const char *name = token();
    struct program *dead = start_mapping("server", name);
    struct program *holder = start_mapping("looker", name);
    order(dead, "send old");
    order(dead, "lock");
    kill_program(dead);
    struct program *server = start_server(name, "3");
    wait_line(server, "server: sent \"41\"");
    struct program *client = start_mapping("client", name);
    order(client, "sequence 3");
    if (!printed_like(client, "mapping: 3 numbers in order"))
        fail_test("the first numbers of the new server did not come in order");
    wait_line(server, "server: done");
    expect_end(server, 0);
    tell(holder, "end");
    wait_end(holder);
}

TEST(
    takes_over_unready, .pair = "", .judges = SERVER, .points = 1, .step = 2,
    .name =
        "what a server has left that was killed before it was ready is no obstacle either",
    .hint = "Decide by a lock that the dead have lost, not by what the memory says.")
{
    const char *name = token();
    struct program *dead = start_mapping("unready", name);
    kill_program(dead);
    struct program *server = start_server(name, "3");
    struct program *client = start_mapping("client", name);
    order(client, "sequence 3");
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(
    leaves_mutex_free, .pair = "", .judges = SERVER, .points = 2, .step = 5,
    .name = "with --mutex-only the mutex is free while the server lets time pass",
    .hint = "The listing sleeps before it releases the mutex, and starves whoever reads.")
{
    const char *name = token();
    struct program *server = start(SERVER, "--mutex-only", name, "2", "3600000", NULL);
    wait_line(server, "server: sent \"41\"");
    struct program *looker = start_mapping("looker", name);
    order(looker, "lock");
    order(looker, "show");
    if (!printed_like(looker, "mapping: \"41\" *"))
        fail_test("the memory does not hold \"41\"");
    order(looker, "unlock");
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(
    mutex_only_needs_mutex, .pair = "", .judges = SERVER, .points = 2, .step = 5,
    .name =
        "with --mutex-only nothing is written while a reader owns the mutex, and a killed "
        "owner is told of",
    .hint = "Take the mutex for every change; WAIT_ABANDONED and EOWNERDEAD go on.")
{
    const char *name = token();
    struct program *server = start(SERVER, "--mutex-only", name, "10000", "5", NULL);
    wait_line(server, "server: sent \"18467\"");
    struct program *looker = start_mapping("looker", name);
    order(looker, "lock");
    const char *odd = token();
    order(looker, text("put %s", odd));
    expect_idle(server, WATCH, 25); /* were it not waiting, it would write 60 times */
    order(looker, "show");
    if (!printed_like(looker, text("mapping: \"%s\" *", odd)))
        fail_test("the memory changed while somebody else owned the mutex");
    kill_program(looker);
    wait_line(server, "server: mutex abandoned");
    wait_line_like(server, "server: sent *");
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(server_usage, .pair = "", .judges = SERVER, .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "COUNT is a whole number, PACE comes with --mutex-only alone.")
{
    const char *name = token();
    static const char *const wrong[] = {"ten", "-1", "1000000001", "", "1x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *server = start(SERVER, name, wrong[i], NULL);
        wait_error_like(server, "usage: *");
        expect_end(server, 2);
    }
    expect_end(start(SERVER, name, "1", "1", NULL), 2);
    expect_end(start(SERVER, "--mutex-only", name, "1", "x", NULL), 2);
}

/* ---- The client --------------------------------------------------------------------- */

TEST(reads_memory, .pair = "", .judges = CLIENT, .points = 3, .step = 5,
     .name = "the client tells what stands in the memory, whatever it is",
     .hint = "Copy the text to its NUL; what stands behind it is left from a longer one.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "8", NULL);
    for (int i = 0; i < 4; i++) {
        const char *word = i == 2 ? random_bytes(TEXT_SIZE - 1, 'a', 'z') : token();
        order(server, text("send %s", word));
        wait_line(client, "client: received \"%s\"", word);
        order(server, text("send %d", i));
        wait_line(client, "client: received \"%d\"", i);
    }
    wait_line(client, "client: done");
    expect_end(client, 0);
    expect_lines(client, "client: received *", 8);
    tell(server, "end");
    wait_end(server);
}

TEST(client_in_order, .pair = "", .judges = CLIENT, .points = 2, .step = 5,
     .name = "a writer that obeys the contract passes many numbers, each once, in order",
     .hint = "Copy the number, wake the writer, reset `unread`, release the mutex.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "0", NULL);
    tell(server, text("sequence %ld", many()));
    uint32_t state = FIRST_STATE;
    expect_numbers(client, "client: received", many(), &state);
    wait_line(server, "mapping: did sequence");
    tell(server, "end");
    wait_line(client, "client: done");
    expect_end(client, 0);
    expect_lines(client, "client: received *", (size_t)many());
}

TEST(waits_for_number, .pair = "", .judges = CLIENT, .points = 2, .step = 5,
     .name = "a client waits for a number at no cost, and is not taken in by a wake-up",
     .hint =
         "Sleep until the writer wakes you; then look whether there is something unread.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "2", NULL);
    order(server, "send one");
    wait_line(client, "client: received \"one\"");
    expect_idle(client, WATCH, 10);
    order(server, "nudge");
    order(server, "nudge");
    expect_idle(client, WATCH, 10);
    expect_lines(client, "client: received *", 1);
    order(server, "send two");
    wait_line(client, "client: received \"two\"");
    expect_end(client, 0);
    tell(server, "end");
    wait_end(server);
}

TEST(
    client_needs_mutex, .pair = "", .judges = CLIENT, .points = 2, .step = 5,
    .name =
        "a number that is half written, with the mutex held, is not read before it is whole",
    .hint = "Look and copy with the mutex taken, and at no other time.")
{
    const char *name = token(), *word = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "2", NULL);
    order(server, "send ################");
    wait_line(client, "client: received \"################\"");
    expect_idle(client, WATCH / 3,
                50); /* by then it sleeps, and does not wait for the mutex */
    order(server, "lock");
    order(server, text("half %s", word));
    order(server, "mark");
    expect_idle(client, WATCH, 10);
    expect_lines(client, "client: received *", 1);
    order(server, text("put %s", word));
    order(server, "unlock");
    wait_line(client, "client: received \"%s\"", word);
    expect_end(client, 0);
    tell(server, "end");
    wait_end(server);
}

TEST(
    writer_dies_inside, .pair = "", .judges = CLIENT, .points = 3, .step = 5,
    .name =
        "the writer is killed with the mutex in hand and a number half written: the client "
        "says so, and reads no such number",
    .hint =
        "WAIT_ABANDONED, EOWNERDEAD: the mutex is yours, but look what the dead have left.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "0", NULL);
    order(server, "send one");
    wait_line(client, "client: received \"one\"");
    order(server, "lock");
    order(server, "half torntorn");
    order(server, "nudge"); /* the client wakes, and waits for the mutex */
    kill_program(server);
    wait_line(client, "client: mutex abandoned");
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    expect_lines(client, "client: received *", 1);
    /* What a killed server has left, a server takes away: here one that nobody reads. */
    struct program *next = start(SERVER, "--mutex-only", name, "1", "0", NULL);
    expect_end(next, 0);
}

TEST(
    writer_dies_outside, .pair = "", .judges = CLIENT, .points = 3, .step = 5,
    .name =
        "the writer is killed while nobody owns the mutex: the client reads what is left, "
        "says so, and ends",
    .hint =
        "Something must wake the client: a mutex, or a lock, that the server held all its "
        "life.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "0", NULL);
    order(server, "send one");
    wait_line(client, "client: received \"one\"");
    order(server, "lock");
    order(server, "put two");
    order(server, "mark");
    order(server, "unlock");
    kill_program(server);
    wait_line(client, "client: received \"two\"");
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    struct program *next = start(SERVER, "--mutex-only", name, "1", "0", NULL);
    expect_end(next, 0);
}

TEST(
    writer_dies_waking, .pair = "", .judges = CLIENT, .points = 2, .step = 5,
    .unix_only = true,
    .name =
        "the writer is killed in the middle of waking the client: the client says so, and "
        "ends",
    .hint =
        "sem_post raises the semaphore and then calls the sleeper, and its caller can be "
        "killed in between: a semaphore that is 1 already is no sign that somebody is awake.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "0", NULL);
    order(server, "send one");
    wait_line(client, "client: received \"one\"");
    expect_idle(client, WATCH / 3, 50); /* by then it sleeps */
    tell(server, "perish");
    wait_end(server);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    struct program *next = start(SERVER, "--mutex-only", name, "1", "0", NULL);
    expect_end(next, 0);
}

TEST(reader_dies_waking, .pair = "", .judges = CLIENT, .points = 2, .step = 5,
     .unix_only = true,
     .name =
         "a reader is killed in the middle of waking the server: the next one wakes it",
     .hint =
         "Post, whatever the semaphore's value; and take one back where it is above 1.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    order(server, "send one");
    tell(server, "send two"); /* and sleeps, for there is no room */
    struct program *dead = start_mapping("client", name);
    tell(dead, "perish");
    wait_end(dead);
    struct program *client = start(CLIENT, name, "2", NULL);
    wait_line(client, "client: received \"one\"");
    wait_line(client, "client: received \"two\"");
    expect_end(client, 0);
    tell(server, "end");
    wait_end(server);
}

TEST(
    keeps_alive_in_hand, .pair = "", .judges = CLIENT, .points = 1, .step = 5,
    .win32_only = true,
    .name =
        "a client that has seen its server's end keeps the mutex `alive` for its last look",
    .hint = "Release it, and the next server writes its numbers before you have looked.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "0", NULL);
    struct program *looker = start_mapping("looker", name);
    order(server, "send one");
    wait_line(client, "client: received \"one\"");
    expect_idle(client, WATCH / 3, 50); /* by then it waits for a number or the end */
    order(looker, "lock");              /* so that it cannot look */
    kill_program(server);
    expect_idle(client, WATCH / 3, 50);
    order(looker, "seize"); /* as the next server would */
    if (printed_like(looker, "mapping: alive is free"))
        fail_test(
            "the client has released `alive`, and has yet to look for the last time");
    tell(looker, "end");
    wait_end(looker);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    expect_lines(client, "client: received *", 1);
}

TEST(
    mutex_only_end, .pair = "", .judges = CLIENT, .points = 2, .step = 3,
    .name =
        "with --mutex-only the client ends with its server: done if that ended in order, "
        "exit code 1 if it was killed",
    .hint =
        "Ask between two looks whether the server lives: it holds a lock, or a mutex, all "
        "its life.")
{
    for (int killed = 1; killed >= 0; killed--) {
        const char *name = token();
        struct program *server = start_mapping("server", name);
        order(server, "put first");
        struct program *holder = start_mapping("looker", name); /* keeps the memory */
        struct program *clients[2];
        for (int i = 0; i < 2; i++) {
            clients[i] = start(CLIENT, "--mutex-only", name, killed ? "1000" : "0", "20",
                               NULL);
            wait_line(clients[i], "client: received \"first\"");
        }
        if (killed)
            kill_program(server);
        else
            tell(server, "end");
        for (int i = 0; i < 2; i++) {
            if (killed)
                wait_error_like(clients[i], "client: *");
            else
                wait_line(clients[i], "client: done");
            expect_end(clients[i], killed);
            if (killed && printed_like(clients[i], "client: done"))
                fail_test("the client says \"done\" though its server was killed");
        }
        if (killed) {
            /* Nor does one that comes only now tell of the dead server's number. */
            struct program *late = start(CLIENT, "--mutex-only", name, "1", NULL);
            wait_error_like(late, "client: *");
            expect_end(late, 1);
            expect_lines(late, "client: received *", 0);
            tell(holder, "end");
            struct program *next = start(SERVER, "--mutex-only", name, "1", "0", NULL);
            expect_end(next, 0);
        }
    }
}

TEST(reader_before_died, .pair = "", .judges = CLIENT, .points = 2, .step = 5,
     .name = "a client that gets the mutex of a killed reader says so, and reads on",
     .hint = "The server lives: EOWNERDEAD, pthread_mutex_consistent, and go on.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    order(server, "send one");
    struct program *dead = start_mapping("client", name);
    order(dead, "lock");
    kill_program(dead);
    struct program *client = start(CLIENT, name, "2", NULL);
    wait_line(client, "client: mutex abandoned");
    wait_line(client, "client: received \"one\"");
    order(server, "send two");
    wait_line(client, "client: received \"two\"");
    expect_end(client, 0);
    tell(server, "end");
    wait_end(server);
}

TEST(writer_leaves, .pair = "", .judges = CLIENT, .points = 2, .step = 5,
     .name = "the server ends in order: the client reads the last number, and is done",
     .hint =
         "In order or killed: the mutex tells (abandoned or not), or the state in the "
         "memory.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "0", NULL);
    order(server, "send one");
    order(server, "send two");
    tell(server, "end");
    wait_line(client, "client: received \"two\"");
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(
    no_server, .pair = "", .judges = CLIENT, .points = 2, .step = 2,
    .name = "without a server the client says so, and ends with exit code 1",
    .hint =
        "Check every call that opens: the listing goes on with a mutex that is not there.")
{
    const char *name = token();
    struct program *client = start(CLIENT, name, NULL);
    wait_error_like(client, "client: *error 2: *"); /* on both systems: no such thing */
    expect_end(client, 1);
    client = start(CLIENT, "--mutex-only", name, NULL);
    wait_error_like(client, "client: *error 2: *");
    expect_end(client, 1);
}

TEST(server_unready, .pair = "", .judges = CLIENT, .points = 2, .step = 2,
     .name = "a client does not use what its server has not finished making",
     .hint =
         "UNIX: an object is born empty, and a mutex of zeros is no mutex. Windows: the "
         "mapping may be there and the mutex not yet.")
{
    const char *name = token();
    struct program *server = start_mapping("unready", name);
    for (int i = 0; i < 2; i++) {
        struct program *client = i == 0 ? start(CLIENT, name, NULL)
                                        : start(CLIENT, "--mutex-only", name, NULL);
        wait_error_like(client, "client: *");
        expect_end(client, 1);
        expect_lines(client, "client: received *", 0);
    }
    tell(server, "end");
    wait_end(server);
}

TEST(client_leaves_mutex_free, .pair = "", .judges = CLIENT, .points = 1, .step = 3,
     .name = "with --mutex-only the mutex is free between two looks",
     .hint = "Release the mutex before you print, and before you let time pass.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    order(server, "put first");
    struct program *client = start(CLIENT, "--mutex-only", name, "2", "3600000", NULL);
    wait_line(client, "client: received \"first\"");
    order(server, "lock");
    order(server, "unlock");
    kill_program(client);
    tell(server, "end");
    wait_end(server);
}

TEST(
    mutex_only_torn, .pair = "", .judges = CLIENT, .points = 2, .step = 3,
    .name =
        "with --mutex-only a number half written by a killed writer is not read: the client "
        "says so, and ends",
    .hint =
        "The listing takes WAIT_ABANDONED for success, and reads a dead writer for ever.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    order(server, "put first");
    struct program *client = start(CLIENT, "--mutex-only", name, "10000", "1", NULL);
    wait_line(client, "client: received \"first\"");
    order(server, "lock");
    order(server, "half torntorn");
    kill_program(server);
    wait_line(client, "client: mutex abandoned");
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    if (count_lines(client, "client: received *") != count_lines(client, "* \"first\""))
        fail_test("the client read half a number");
    struct program *next = start(SERVER, "--mutex-only", name, "1", "0", NULL);
    expect_end(next, 0);
}

TEST(client_usage, .pair = "", .judges = CLIENT, .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "COUNT is a whole number, PACE comes with --mutex-only alone.")
{
    const char *name = token();
    static const char *const wrong[] = {"ten", "-1", "1000000001", "", "1x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *client = start(CLIENT, name, wrong[i], NULL);
        wait_error_like(client, "usage: *");
        expect_end(client, 2);
    }
    expect_end(start(CLIENT, name, "1", "1", NULL), 2);
    expect_end(start(CLIENT, "--mutex-only", name, "1", "x", NULL), 2);
}

/* ---- server_file and client_file ---------------------------------------------------- */

/* Waits until `client` has told of numbers 1 to `count` of the sequence, and no others. */
static void expect_first_numbers(struct program *client, long count)
{
    uint32_t state = FIRST_STATE;
    expect_numbers(client, "client: received", count, &state);
    wait_line(client, "client: done");
    expect_end(client, 0);
    expect_lines(client, "client: received *", (size_t)count);
}

TEST(
    file_survives, .pair = "file", .judges = PAIR, .points = 3, .step = 6,
    .name =
        "numbers in a mapped file are there after their server has ended, and the next one "
        "goes on behind them",
    .hint = "Map the file itself, shared; start where its count stops.")
{
    struct program *server = start(SERVER, "numbers", "3", NULL);
    wait_line(server, "server: ready numbers");
    uint32_t state = FIRST_STATE;
    expect_numbers(server, "server: sent", 3, &state);
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_first_numbers(start(CLIENT, "numbers", NULL), 3);
    server = start(SERVER, "numbers", "4", NULL);
    expect_numbers(server, "server: sent", 4, &state);
    expect_end(server, 0);
    expect_end(start(SERVER, "numbers", "0", NULL), 0);
    expect_first_numbers(start(CLIENT, "numbers", NULL), 7);
    expect_first_numbers(start(CLIENT, "numbers", "2", NULL), 2);
    expect_first_numbers(start(CLIENT, "numbers", "100", NULL), 7);
}

TEST(file_layout, .pair = "file", .judges = SERVER, .points = 2, .step = 5,
     .name = "the file holds a count and records of 16 bytes, the same on both systems",
     .hint = "struct journal in contract.h; fill a record up with NUL.")
{
    expect_end(start(SERVER, "numbers", "2", NULL), 0);
    static const char expected[3 * RECORD_SIZE] = "\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                                  "41\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                                  "18467\0\0\0\0\0\0\0\0\0\0";
    size_t length;
    char *bytes = read_file("numbers", &length);
    expect_bytes("the file", NULL, 0, expected, sizeof expected, bytes, length);
}

TEST(
    file_reads_tokens, .pair = "file", .judges = CLIENT, .points = 2, .step = 4,
    .name = "the client tells what stands in the file, and no more than is counted",
    .hint =
        "A record is 16 bytes at most; behind the count may stand what a killed server has "
        "begun.")
{
    const char *word = token();
    struct {
        uint32_t count;
        char unused[RECORD_SIZE - sizeof(uint32_t)], records[4][RECORD_SIZE];
    } bytes = {.count = 3, .records = {"", "0123456789abcdef", "x", "uncounted"}};
    snprintf(bytes.records[0], RECORD_SIZE, "%s", word);
    write_file("numbers", &bytes, sizeof bytes, 0644);
    struct program *client = start(CLIENT, "numbers", NULL);
    wait_line(client, "client: received \"%s\"", word);
    wait_line(client, "client: received \"0123456789abcdef\"");
    wait_line(client, "client: received \"x\"");
    wait_line(client, "client: done");
    expect_end(client, 0);
    expect_lines(client, "client: received *", 3);
}

TEST(file_killed, .pair = "file", .judges = PAIR, .points = 2, .step = 5,
     .name =
         "after a killed server the file holds whole numbers alone, and the next goes on",
     .hint = "First the number, then the count.")
{
    long position = 0, none = 0;
    for (int round = 0; round < 5; round++) {
        struct program *server = start(SERVER, "numbers", "50000", NULL);
        for (int i = 0; i < 10; i++)
            wait_line_like(server, "server: sent *");
        kill_program(server);
        struct program *client = start(CLIENT, "numbers", NULL);
        expect_end(client, 0);
        long before = position;
        position = follow(client, 0, 1, &none, &none);
        if (position < before + 10)
            fail_test(
                "10 numbers were sent behind number %ld, and the file ends at number %ld",
                before, position);
    }
}

TEST(file_shared, .pair = "file", .judges = PAIR, .points = 2, .step = 2,
     .name = "a client reads while the server writes, and a second server is refused",
     .hint =
         "Windows: the share mode of CreateFile says what others may do. UNIX: a lock.")
{
    struct program *server = start(SERVER, "numbers", "1000000", NULL);
    wait_line(server, "server: sent \"18467\"");
    struct program *second = start(SERVER, "numbers", "1", NULL);
    wait_error_like(second, "server: *");
    expect_end(second, 1);
    expect_first_numbers(start(CLIENT, "numbers", "2", NULL), 2);
    if (!is_running(server))
        fail_test("the server has ended before its time");
    kill_program(server);
}

TEST(
    file_strange, .pair = "file", .judges = PAIR, .points = 1, .step = 3,
    .name = "a file that is not there, empty, or none of ours is a line, and exit code 1",
    .hint = "Compare the count with the length of the file before you believe it.")
{
    struct program *client = start(CLIENT, "nothing", NULL);
    wait_error_like(client, "client: *error 2: *");
    expect_end(client, 1);
    static const char bytes[2 * RECORD_SIZE] = "This is no file of numbers.";
    for (size_t length = 0; length <= sizeof bytes; length += RECORD_SIZE / 2) {
        write_file("strange", bytes, length, 0644);
        client = start(CLIENT, "strange", NULL);
        wait_error_like(client, "client: *");
        expect_end(client, 1);
        if (length == 0)
            continue; /* a server begins with an empty file */
        struct program *server = start(SERVER, "strange", "1", NULL);
        wait_error_like(server, "server: *");
        expect_end(server, 1);
        size_t left;
        char *file = read_file("strange", &left);
        expect_bytes("the file", NULL, 0, bytes, length, file, left);
    }
}

TEST(file_usage, .pair = "file", .judges = PAIR, .points = 1, .step = 1,
     .name = "wrong arguments of either are a usage line, and exit code 2",
     .hint = "COUNT is a whole number up to 1,000,000.")
{
    for (int role = SERVER; role <= CLIENT; role++) {
        struct program *program = start((enum role)role, "numbers", "1000001", NULL);
        wait_error_like(program, "usage: *");
        expect_end(program, 2);
        expect_end(start((enum role)role, "numbers", "1", "1", NULL), 2);
    }
}

/* ---- server_sysv and client_sysv ---------------------------------------------------- */

/* A key that nobody else uses: from the seed, as token() is. */
static const char *fresh_key(void)
{
    const unsigned char *bytes = (const unsigned char *)random_bytes(3, 1, 255);
    return text("0x4D%02X%02X%02X", bytes[0], bytes[1], bytes[2]);
}

/* System V has no names to tell whose an object is: where others might see them, nobody
 * clears away what a failed test has left. */
static struct program *start_sysv(const char *key, const char *count)
{
    struct program *server = start(SERVER, key, count, NULL);
    wait_line(server, "server: ready %s", key);
    return server;
}

TEST(sysv_numbers, .pair = "sysv", .judges = PAIR, .points = 3, .step = 5,
     .name = "many numbers pass by System V, each once, in order",
     .hint = "semop waits and counts in one step; let it wake, and look in the memory.")
{
    const char *key = fresh_key();
    struct program *server = start_sysv(key, text("%ld", many()));
    struct program *client = start(CLIENT, key, "0", NULL);
    expect_first_numbers(client, many());
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_lines(server, "server: sent *", (size_t)many());
}

TEST(
    sysv_shmctl, .pair = "sysv", .judges = SERVER, .points = 1, .step = 4,
    .name =
        "shmctl tells of the segment, changes its mode, and locks it where that is permitted",
    .hint = "IPC_STAT, IPC_SET, SHM_LOCK, SHM_UNLOCK.")
{
    struct program *server = start_sysv(fresh_key(), "0");
    wait_line_like(server, "server: segment of 260 bytes, mode 640, attached by 1");
    wait_line_like(server, "server: *[lL][oO][cC][kK]*");
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(sysv_next_client, .pair = "sysv", .judges = PAIR, .points = 2, .step = 5,
     .name =
         "the next client goes on, an idle server costs nothing, a second one is refused",
     .hint = "Sleep in semop; SEM_ALIVE tells whether a server lives.")
{
    const char *key = fresh_key();
    struct program *server = start_sysv(key, "0");
    uint32_t state = FIRST_STATE;
    for (int i = 0; i < 2; i++) {
        struct program *client = start(CLIENT, key, "3", NULL);
        expect_numbers(client, "client: received", 3, &state);
        expect_end(client, 0);
    }
    struct program *reader = start(CLIENT, key, "0", NULL);
    wait_line_like(reader, "client: received *");
    struct program *other = start(CLIENT, key, "1", NULL);
    wait_error_like(other, "client: *");
    expect_end(other, 1);
    kill_program(reader);
    expect_idle(server, WATCH, 10);
    struct program *second = start(SERVER, key, "1", NULL);
    wait_error_like(second, "server: *");
    expect_end(second, 1);
    send_signal(server, SIGTERM);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(
    sysv_killed, .pair = "sysv", .judges = PAIR, .points = 3, .step = 5,
    .name =
        "either is killed at any moment: the client says so, or the next one goes on, and the "
        "next server clears away",
    .hint = "SEM_UNDO for the mutex and for SEM_ALIVE, and none for the wake-ups.")
{
    const char *key = fresh_key();
    int rounds = instrumented() ? 3 : 15;
    const char *moments = random_bytes((size_t)rounds, 0, 40);
    for (int round = 0; round < rounds; round++) {
        struct program *server = start_sysv(key, "0");
        struct program *client = start(CLIENT, key, "0", NULL);
        for (int i = 0; i <= moments[round]; i++)
            wait_line_like(client, "client: received *");
        kill_program(client);
        client = start(CLIENT, key, "0", NULL);
        for (int i = 0; i <= moments[round]; i++)
            wait_line_like(client, "client: received *");
        kill_program(server);
        wait_error_like(client, "client: *");
        expect_end(client, 1);
    }
    struct program *server = start_sysv(key, "2");
    expect_first_numbers(start(CLIENT, key, "0", NULL), 2);
    expect_end(server, 0);
}

/* Stops `client` where it does not have the mutex, which its server would wait for. */
static void stop_outside(struct program *client, const char *key)
{
    int set = semget((key_t)strtol(key, NULL, 0), 0, 0);
    for (int tries = 0; tries < 100; tries++) {
        wait_line_like(client, "client: received *");
        send_signal(client, SIGSTOP);
        /* The server comes to rest, too: there is no room, or no mutex. */
        int looks = 0;
        while (semctl(set, SEM_ROOM, GETNCNT) < 1 &&
               semctl(set, SEM_MUTEX, GETNCNT) < 1) {
            if (++looks == 10000)
                fail_test("the server does not sleep though nobody reads its number");
            usleep(1000);
        }
        if (semctl(set, SEM_MUTEX, GETVAL) == 1)
            return;
        send_signal(client, SIGCONT); /* that was a bad moment */
    }
    fail_test("the client was never seen without the mutex");
}

TEST(
    sysv_sleeper, .pair = "sysv", .judges = PAIR, .points = 2, .step = 4,
    .name =
        "a client that slept through its server's end reads the last number, and tells "
        "Ctrl-C from a kill, though the next server has cleared away",
    .hint =
        "That the semaphores are gone says neither: the next server removes them as well. "
        "What the segment holds, it holds as long as you are attached.")
{
    for (int killed = 0; killed <= 1; killed++) {
        const char *key = fresh_key();
        struct program *server = start_sysv(key, "0");
        struct program *client = start(CLIENT, key, "0", NULL);
        stop_outside(client, key);
        struct program *next = NULL;
        if (killed) {
            kill_program(server);
            next = start_sysv(key, "0");
        } else {
            send_signal(server, SIGINT);
            wait_line(server, "server: done");
            expect_end(server, 0);
        }
        send_signal(client, SIGCONT);
        if (killed)
            wait_error_like(client, "client: *");
        else
            wait_line(client, "client: done");
        expect_end(client, killed);
        size_t sent = count_lines(server, "server: sent *"),
               received = count_lines(client, "client: received *");
        if (received != sent)
            fail_test("the server sent %zu numbers, and the client received %zu", sent,
                      received);
        if (killed) {
            send_signal(next, SIGINT);
            wait_line(next, "server: done");
            expect_end(next, 0);
        }
    }
}

TEST(
    sysv_at_once, .pair = "sysv", .judges = SERVER, .points = 2, .step = 2,
    .name =
        "of two servers that start in the same instant one is refused, and one serves",
    .hint =
        "To look whether a server lives, and to be it, must be one step: one semop of both.")
{
    for (int round = 0; round < (instrumented() ? 3 : 100); round++) {
        const char *key = fresh_key();
        struct program *servers[2];
        if (round % 2 == 1) /* what a killed server has left is there to be taken */
            kill_program(start_sysv(key, "0"));
        for (int i = 0; i < 2; i++)
            servers[i] = start(SERVER, key, "3", NULL);
        int serving = 0;
        for (int i = 0; i < 2; i++) {
            wait_line_like(servers[i], "server: *");
            if (printed_like(servers[i], "server: ready *"))
                serving++;
            else
                expect_end(servers[i], 1);
        }
        if (serving != 1)
            fail_test("of two servers %d are ready", serving);
        expect_first_numbers(start(CLIENT, key, "3", NULL), 3);
        for (int i = 0; i < 2; i++)
            if (printed_like(servers[i], "server: ready *"))
                expect_end(servers[i], 0);
    }
}

TEST(sysv_none, .pair = "sysv", .judges = CLIENT, .points = 1, .step = 2,
     .name = "without a server, or with wrong arguments, the client says so",
     .hint = "semget without IPC_CREAT finds nothing: error 2.")
{
    struct program *client = start(CLIENT, fresh_key(), NULL);
    wait_error_like(client, "client: *error 2: *");
    expect_end(client, 1);
    expect_end(start(CLIENT, "0", NULL), 2);
    expect_end(start(CLIENT, "1", "x", NULL), 2);
    expect_end(start(SERVER, "word", NULL), 2);
}

/* ---- server_rwlock and client_rwlock ------------------------------------------------- */

static void press_enter(struct program *program)
{
    send_bytes(program, "\n", 1);
}

/* Lets a client in, where it must read `number`. */
static void let_in(struct program *client, const char *number)
{
    press_enter(client);
    wait_line(client, "client: received \"%s\"", number);
}

static void let_out(struct program *client)
{
    press_enter(client);
    wait_line(client, "client: outside");
}

static struct program *start_board(const char *name)
{
    struct program *server = start(SERVER, name, NULL);
    wait_line(server, "server: ready %s", name);
    press_enter(server);
    wait_line(server, "server: sent \"41\"");
    return server;
}

TEST(many_readers, .pair = "rwlock", .judges = PAIR, .points = 2, .step = 3,
     .name = "several readers are inside at once, and read the latest number",
     .hint = "Readers share the lock; a mutex would let in one.")
{
    const char *name = token();
    struct program *server = start_board(name);
    press_enter(server);
    wait_line(server, "server: sent \"18467\"");
    struct program *clients[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = start(CLIENT, name, NULL);
        let_in(clients[i], "18467");
    }
    for (int i = 0; i < 4; i++) {
        close_input(clients[i]); /* leaves by itself */
        wait_line(clients[i], "client: done");
        expect_end(clients[i], 0);
    }
    send_bytes(server, "last", 4); /* a last line without its newline is a line */
    close_input(server);
    wait_line(server, "server: sent \"6334\"");
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(
    writer_waits, .pair = "rwlock", .judges = PAIR, .points = 3, .step = 4,
    .name =
        "the writer waits until the last reader is outside, whoever that is, and at no cost",
    .hint = "The last reader gives back what the first has taken: that takes a count.")
{
    const char *name = token();
    struct program *server = start_board(name);
    struct program *first = start(CLIENT, name, NULL),
                   *second = start(CLIENT, name, NULL);
    let_in(first, "41");
    let_in(second, "41");
    press_enter(server);
    expect_idle(server, WATCH, 10);
    let_out(first);
    expect_idle(server, WATCH, 10);
    expect_lines(server, "server: sent *", 1);
    let_out(second);
    wait_line(server, "server: sent \"18467\"");
    let_in(second, "18467");
    let_in(first, "18467");
    let_out(first);
    let_out(second);
    for (int i = 0; i < 3; i++) { /* in and out again leaves nothing behind */
        let_in(first, "18467");
        let_out(first);
    }
    press_enter(server);
    wait_line(server, "server: sent \"6334\"");
    close_input(server);
    expect_end(server, 0);
    let_in(first, "6334"); /* who has it mapped may go on */
    close_input(first);
    close_input(second);
    expect_end(first, 0);
    expect_end(second, 0);
}

TEST(
    board_stopped, .pair = "rwlock", .judges = SERVER, .points = 1, .step = 4,
    .unix_only = true,
    .name =
        "Ctrl-C ends the writer in order, also while it waits for a reader that stays inside",
    .hint =
        "pthread_rwlock_wrlock returns for no signal; pthread_rwlock_timedwrlock looks up now "
        "and then.")
{
    const char *name = token();
    struct program *server = start_board(name);
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
    server = start_board(name);
    struct program *client = start(CLIENT, name, NULL);
    let_in(client, "41");
    press_enter(server);
    expect_idle(server, WATCH, 10);
    send_signal(server, SIGTERM);
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_lines(server, "server: sent *", 1);
    close_input(client);
    expect_end(client, 0);
}

TEST(board_alone, .pair = "rwlock", .judges = PAIR, .points = 1, .step = 2,
     .name = "one server per name, no client without one, a killed one is replaced",
     .hint = "As in server.c: ask whether the name is in use.")
{
    const char *name = token();
    struct program *client = start(CLIENT, name, NULL);
    wait_error_like(client, "client: *error 2: *");
    expect_end(client, 1);
    struct program *server = start_board(name);
    struct program *second = start(SERVER, name, NULL);
    wait_error_like(second, "server: *");
    expect_end(second, 1);
    kill_program(server);
    server = start_board(name);
    close_input(server);
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_end(start(SERVER, name, "x", NULL), 2);
    expect_end(start(CLIENT, name, "x", NULL), 2);
}

/* ---- The table ---------------------------------------------------------------------- */

static struct program *start_table(const char *first, const char *second,
                                   const char *third)
{
    return start_with(SERVER, (struct start_options){.name = "table"}, first, second,
                      third, NULL);
}

TEST(
    table_adds_up, .judges = SERVER, .only = "table", .points = 2, .step = 3,
    .name = "many processes change a table at once under a mutex, and the sum is right",
    .hint =
        "The mutex must be shared between processes, and held from the load to the store.")
{
    static const char *const runs[][2] = {
        {"1", "1"}, {"4", "2000"}, {"16", "100"}, {"3", "0"}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        struct program *table = start_table(runs[i][0], runs[i][1], NULL);
        long sum = atol(runs[i][0]) * atol(runs[i][1]);
        wait_line(table, "table: sum %ld of %ld", sum, sum);
        wait_line(table, "table: done");
        expect_end(table, 0);
    }
}

TEST(table_unlocked, .judges = SERVER, .only = "table", .points = 1, .step = 4,
     .name = "without the mutex updates are lost, and table says so",
     .hint = "Load, give the processor away, store: that is what --unlocked shows.")
{
    struct program *table = start_table("--unlocked", "8", "50000");
    const char *line = wait_line_like(table, "table: sum * of 400000");
    expect_end(table, 1);
    if (strtol(line + strlen("table: sum "), NULL, 10) >= 400000)
        fail_test("no update was lost: %s", line);
}

TEST(table_killed, .judges = SERVER, .only = "table", .points = 1, .step = 4,
     .name = "processes that are killed at their work make no right result",
     .hint = "Wait for each, and look at its exit code.")
{
    if (instrumented())
        skip_test("a child that has not called exec goes by the name of valgrind");
    /* So many that they are still at it when we come. Under Wine two are slow enough. */
    const char *processes = under_test() == UNIX ? "64" : "2";
    struct program *table = start_table(processes, "1000000", NULL);
    wait_line(table, "table: %s processes, 1000000 updates each", processes);
    kill_child(table, "table");
    wait_line(table, "table: done");
    expect_end(table, 1);
    /* Under Wine a killed process leaves the exit code 0: only the sum tells. */
    if (under_test() == UNIX || on_windows())
        wait_error_like(table, "table: *");
}

TEST(
    table_child_signal, .judges = SERVER, .only = "table", .unix_only = true, .points = 1,
    .step = 3,
    .name = "started with SIGCHLD ignored, table still waits for its processes",
    .hint =
        "With SIGCHLD ignored wait() fails with ECHILD: set it to SIG_DFL before fork().")
{
    struct program *table = start_with(
        SERVER, (struct start_options){.name = "table", .ignores_children = true}, "2",
        "10", NULL);
    wait_line(table, "table: sum 20 of 20");
    expect_end(table, 0);
}

TEST(table_usage, .judges = SERVER, .only = "table", .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "At most 64 processes and 1,000,000 updates.")
{
    expect_end(start_table("65", NULL, NULL), 2);
    expect_end(start_table("1", "1000001", NULL), 2);
    expect_end(start_table("one", NULL, NULL), 2);
    expect_end(start_table("1", "1", "1"), 2);
}

/* ---- What `make run` shows ---------------------------------------------------------- */

static void conversation(void)
{
    const char *name = token();
    narrate(
        "The server makes 256 bytes of shared memory, writes a random number there, and waits\n"
        "until it has been read. The client opens the same memory by its name.");
    struct program *server = start_server(name, "5");
    struct program *client = start(CLIENT, name, "0", NULL);
    expect_end(client, 0);
    expect_end(server, 0);
    narrate(
        "The same with nothing but a mutex, as the listing has it. The writer writes each 50\n"
        "milliseconds, until Ctrl-C, the reader looks each 20: numbers repeat.");
    server = start(SERVER, "--mutex-only", name, "0", "50", NULL);
    wait_line(server, "server: sent \"41\"");
    client = start(CLIENT, "--mutex-only", name, "6", "20", NULL);
    expect_end(client, 0);
    send_signal(server, SIGINT);
    expect_end(server, 0);
}

CHECKER("04-shared-memory", "shared memory")
