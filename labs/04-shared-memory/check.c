/*
 * check.c - judges lab 04 from outside, by the contract alone.
 *
 * No transcript shows what the memory contains. So a probe (grading/probe/mapping_peer.c)
 * is the client of a server, or the server of a client, one move at a time. It can stop
 * while it owns the mutex, write half a number, or be killed between two moves. It gets the
 * layout of contract.h as arguments.
 */
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "contract.h"
#include "harness.h"

/* How many numbers are many. A hand-off under Wine is slow: several calls of wineserver. */
static long many(void)
{
    return instrumented() ? 500 : under_test() == UNIX ? 10000 : 800;
}

/* For how many seconds the checker watches a program that must block. */
#define WATCH 0.15
/* For how many milliseconds, if the program may give up after a second or two. */
#define LONG_WATCH 2200

static struct program *start_server(const char *name, const char *count)
{
    struct program *server = start(SERVER, name, count, NULL);
    wait_line(server, "server: ready %s", name);
    return server;
}

/* Returns "KEY=NAME" for the probe: the name that `format` of contract.h makes of `name`. */
static const char *key_and_name(const char *key, const wchar_t *format, const char *name)
{
    wchar_t wide[NAME_SIZE], full[NAME_SIZE];
    if (swprintf(wide, NAME_SIZE, L"%hs", name) < 0 ||
        swprintf(full, NAME_SIZE, format, wide) < 0)
        kit_error("the name %s is too long", name);
    return text("%s=%ls", key, full);
}

/* Starts the probe in a role: "server", "client", "looker", "unready" or "empty". */
static struct program *start_mapping(const char *role, const char *name)
{
    bool usual = strcmp(name, DEFAULT_NAME) == 0;
    const char *unread = text("unread=%zu", offsetof(struct slot, unread));
    struct program *mapping =
        under_test() == UNIX
            ? start_probe("mapping_peer", role, name, unread,
                          text("size=%zu", sizeof(struct shared)),
                          text("state=%zu", offsetof(struct shared, state)),
                          text("mutex=%zu", offsetof(struct shared, mutex)),
                          text("value=%zu", offsetof(struct shared, value)),
                          text("room=%zu", offsetof(struct shared, room)),
                          text("ready=%d", READY_LOCKED), text("ended=%d", ENDED),
                          text("server=%d", LOCK_SERVER), text("alive=%d", LOCK_ALIVE),
                          text("client=%d", LOCK_CLIENT), NULL)
            : start_probe("mapping_peer", role, name, unread,
                          text("size=%zu", sizeof(struct slot)),
                          key_and_name("mutex", usual ? DEFAULT_MUTEX_NAME : MUTEX_NAME,
                                       name),
                          key_and_name("value", VALUE_NAME, name),
                          key_and_name("room", ROOM_NAME, name),
                          key_and_name("alive", ALIVE_NAME, name),
                          key_and_name("server", SERVER_NAME, name),
                          key_and_name("client", CLIENT_NAME, name), NULL);
    wait_line(mapping, "test: attached");
    return mapping;
}

/* Sends the probe a command, and does not wait. */
static void send_command(struct program *mapping, const char *command)
{
    const char *line = text("%s\n", command);
    send_bytes(mapping, line, strlen(line));
}

/* Sends the probe a command, and waits until it has carried it out. */
static void run_command(struct program *mapping, const char *command)
{
    send_command(mapping, command);
    wait_line(mapping, "test: did %.*s", (int)strcspn(command, " "), command);
}

/* Waits until `program` has printed the next `count` numbers of the sequence. */
static void expect_numbers(struct program *program, const char *what, long count,
                           uint32_t *state)
{
    for (long i = 0; i < count; i++)
        wait_line(program, "%s \"%u\"", what, next_number(state));
}

/* Lets the probe, a server, write the next `count` numbers, and does not wait. So few that
 * the commands fit into a pipe: until then the probe may not read them. */
static void send_numbers(struct program *mapping, long count, uint32_t *state)
{
    for (long i = 0; i < count; i++)
        send_command(mapping, text("send %u", next_number(state)));
}

/* Waits until the probe, a client, has read the next `count` numbers, each once. */
static void expect_received(struct program *mapping, long count)
{
    uint32_t state = FIRST_STATE;
    send_command(mapping, text("receive %ld", count));
    for (long i = 0; i < count; i++) {
        const char *line = wait_line_like(mapping, "test: received *");
        const char *expected = text("test: received \"%u\"", next_number(&state));
        if (strcmp(line, expected) != 0)
            fail_test("number %ld: expected \"%s\", got \"%s\"", i + 1, expected, line);
    }
    wait_line(mapping, "test: did receive");
}

/* Ends a server that has passed its test. Whether it ends in order on Ctrl-C is not judged
 * here: one mistake must not cost the points of all tests. Under Wine no name is left. */
static void end_server(struct program *server)
{
    if (under_test() == WIN32 && !on_windows()) {
        if (!is_running(server))
            fail_test("expected a running server, but it has exited");
        kill_program(server);
        return;
    }
    send_signal(server, SIGINT);
    int code = wait_end(server);
    if (code != 0 && code != 128 + SIGINT)
        expect_end(server, 0);
}

/* Removes what a killed server has left. On Windows it goes with the last handle. */
static void remove_memory(const char *name)
{
    if (under_test() == UNIX && shm_unlink(text("/%s", name)) == -1)
        fail_test("expected the memory of the killed server, but it is gone");
}

/* Fails the test if `program`, which is in a long pause, owns the mutex. It must be asleep
 * first: after its line it may still lock the mutex for its pause. */
static void expect_free_mutex(struct program *program, const char *title,
                              struct program *mapping)
{
    expect_idle(program, WATCH, 10);
    run_command(mapping, "try");
    if (!printed_like(mapping, "test: mutex is free"))
        fail_test("the %s sleeps while it owns the mutex", title);
}

/* Fails the test unless `program` has printed `expected` lines that begin with `start`. */
static void expect_lines(struct program *program, const char *start, size_t expected)
{
    size_t count = count_lines(program, text("%s *", start));
    if (count != expected)
        fail_test("expected %zu line%s that begin%s with %s, got %zu", expected,
                  expected == 1 ? "" : "s", expected == 1 ? "s" : "", start, count);
}

/* Windows: fails the test unless the server owns the mutex `alive`, for whose end clients
 * wait. `looker` is the probe. */
static void expect_owned_alive(struct program *looker)
{
    send_command(looker, "try_alive");
    const char *line = wait_line_like(looker, "test: alive *");
    if (strcmp(line, "test: alive is owned") != 0)
        fail_test(
            "expected the server to own the mutex `alive` after \"ready\", got \"%s\"",
            line + strlen("test: "));
}

/* The hint for a client that has read all numbers and does not end with its server. */
static const char *client_ends(void)
{
    return under_test() == UNIX
               ? "The server has ended. It sets `state` to ENDED and posts `value`: look at "
                 "`state` after each wake-up."
               : "The server has ended, and so has released `alive`: wait for `value` and "
                 "`alive` together, with WaitForMultipleObjects.";
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

/* Follows the numbers that `client` has printed through the sequence. The one before them was
 * at `position`. Each must be 0 to `most` places after the one before it. Returns the place of
 * the last, and counts the steps of 0 and of more than 1. */
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
                "%s: this is not the number that follows number %ld of the sequence",
                rest, position);
        position += step;
        *repeats += step == 0;
        *gaps += step > 1;
    }
    return position;
}

/* ---- The pair ----------------------------------------------------------------------- */

TEST(
    fifteen_numbers, .pair = "", .judges = PAIR, .points = 3, .step = 5,
    .name = "fifteen numbers are written and read, each once, in order, and both "
            "programs exit with 0",
    .hint_unix =
        "Write the text with its NUL, set `unread` to 1, and post `value`. Write the next "
        "number only when `unread` is 0. If both programs wait, the mutex or the semaphores "
        "are not process-shared: sem_init() needs 1 as its second argument.",
    .hint_win32 =
        "Write the text with its NUL, set `unread` to 1, and set `value`. Write the next "
        "number only when `unread` is 0. If both programs wait, compare the names of the "
        "objects with contract.h.",
    .client_step = 5,
    .client_hint_unix =
        "Copy the text when `unread` is 1, set it to 0, and post `room`, with the mutex "
        "locked. If both programs wait, map the memory with MAP_SHARED, not MAP_PRIVATE.",
    .client_hint_win32 =
        "Copy the text when `unread` is 1, set it to 0, and set `room`, with the mutex "
        "locked. If both programs wait, compare the names of the events with contract.h, "
        "and map the memory with FILE_MAP_ALL_ACCESS, not FILE_MAP_COPY.")
{
    const char *name = token();
    look_at(SERVER, 2, "Create the memory NAME and what is in it, then " LINE_AT_ONCE);
    struct program *server = start_server(name, "15");
    look_at(SERVER, 0, NULL);
    uint32_t written = FIRST_STATE, read = FIRST_STATE;
    const char *first = text("server: sent \"%u\"", next_number(&written));
    const char *line = wait_line_like(server, "server: sent *"); /* printed at once */
    if (strcmp(line, first) != 0)
        fail_test("expected the first number of next_number(), '%s', got '%s'", first,
                  line);
    if (under_test() == WIN32) {
        look_at(
            SERVER, 4,
            "Own the mutex `alive`, NAME-alive, before you print \"ready\": create it "
            "with TRUE. Compare the names of all objects with contract.h.");
        struct program *looker = start_mapping("looker", name);
        expect_owned_alive(looker);
        send_command(looker, "end");
        wait_end(looker);
        look_at(SERVER, 0, NULL);
    }
    struct program *client = start(CLIENT, name, NULL);
    expect_numbers(client, "client: received", 15, &read);
    wait_line(client, "client: done");
    expect_end(client, 0);
    expect_numbers(server, "server: sent", 14, &written);
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_lines(client, "client: received", 15);
    expect_lines(server, "server: sent", 15);
}

TEST(
    many_numbers, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
    .judges = PAIR, .points = 2, .step = 5,
    .name = "many numbers pass fast, each once, in order",
    .hint_unix =
        "Wait with sem_wait() on `room`, never for a time. Post `value` for each "
        "number.",
    .hint_win32 =
        "Wait for the event `room`, never for a time. Set `value` for each number. Both "
        "events are auto-reset.",
    .client_step = 5,
    .client_hint_unix =
        "Wait with sem_wait() on `value`, never for a time. Post `room` for each number.",
    .client_hint_win32 =
        "Wait for the event `value`, never for a time. Set `room` for each number.")
{
    const char *name = token();
    struct program *server = start_server(name, text("%ld", many()));
    struct program *client = start(CLIENT, name, "0", NULL);
    uint32_t read = FIRST_STATE;
    expect_numbers(client, "client: received", many(), &read);
    look_at(CLIENT, 5, client_ends());
    wait_line(client, "client: done");
    expect_end(client, 0);
    expect_end(server, 0);
    expect_lines(client, "client: received", (size_t)many());
}

TEST(any_count, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "", .judges = PAIR,
     .points = 2, .step = 1,
     .name = "COUNT is obeyed on both sides: 1, 2, more than there are, and 0 for all",
     .hint = "Write COUNT numbers, wait until the last one has been read, and exit with "
             "0.",
     .client_step = 5,
     .client_hint =
         "Stop after COUNT numbers; with 0, or if there are fewer, when the server "
         "has ended in order. Exit with 0.")
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
        expect_lines(client, "client: received", strtoul(counts[i][0], NULL, 10));
    }
}

TEST(next_client, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = PAIR, .points = 2, .step = 5,
     .name = "the next client continues where the one before stopped",
     .hint = "Keep an unread number in the memory. Wait for room without asking whether "
             "there is a client.",
     .client_step = 5,
     .client_hint =
         "Set `unread` to 0 only for a number that you have printed or are going to "
         "print.")
{
    const char *name = token();
    struct program *server = start_server(name, "6");
    uint32_t state = FIRST_STATE;
    for (int i = 1; i <= 3; i++) {
        struct program *client = start(CLIENT, name, text("%d", i), NULL);
        expect_numbers(client, "client: received", i, &state);
        wait_line(client, "client: done");
        expect_end(client, 0);
        expect_lines(client, "client: received", (size_t)i);
    }
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(default_names, .needs = "fifteen_numbers", .pair = "", .judges = PAIR, .points = 1,
     .step = 1,
     .name = "without arguments both use the name MyFileMappingObject, and the client "
             "reads 15 numbers",
     .hint_unix = "The default name is \"/MyFileMappingObject\". The server runs until "
                  "Ctrl-C.",
     .hint_win32 =
         "The default names are MyFileMappingObject and, for the mutex, SyncMutex. "
         "The server runs until Ctrl-C.",
     .client_step = 1,
     .client_hint_unix =
         "The default name is \"/MyFileMappingObject\", and the default COUNT is 15.",
     .client_hint_win32 =
         "The default names are MyFileMappingObject and, for the mutex, SyncMutex; "
         "the default COUNT is 15.")
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
    struct program *looker = start_mapping("looker",
                                           DEFAULT_NAME); /* finds the objects */
    run_command(looker, "lock");
    run_command(looker, "unlock");
    end_server(server);
}

TEST(second_server, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = PAIR, .points = 2, .step = 2,
     .name = "a second server of the same name is refused and does not disturb the first",
     .hint_unix =
         "Lock the byte LOCK_SERVER with fcntl(F_SETLK) before you change anything. "
         "EAGAIN or EACCES means that a server runs.",
     .hint_win32 = "Check GetLastError() after CreateMutex of NAME-server: "
                   "ERROR_ALREADY_EXISTS means that a server runs.",
     .client_step = 2,
     .client_hint = "Open the memory by its name, and read eight numbers.")
{
    const char *name = token();
    struct program *server = start_server(name, "8");
    wait_line(server, "server: sent \"41\"");
    for (int i = 0; i < 2; i++) {
        struct program *second = start(SERVER, name, "8", NULL);
        wait_error_like(second, "server: *");
        expect_end(second, 1);
        if (printed_like(second, "server: ready*"))
            fail_test("the second server prints \"ready\"");
    }
    look_at(
        SERVER, 4,
        "The server that was refused has disturbed the first: end before you create or "
        "change anything that both use.");
    struct program *client = start(CLIENT, name, "8", NULL);
    uint32_t state = FIRST_STATE;
    expect_numbers(client, "client: received", 8, &state);
    expect_end(client, 0);
    expect_end(server, 0);
}

TEST(second_client, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
     .judges = PAIR, .points = 1, .step = 4,
     .name = "a second client at the same time is refused and takes no number",
     .hint = "Write the next number only when `unread` is 0.", .client_step = 4,
     .client_hint_unix =
         "Lock the byte LOCK_CLIENT with fcntl(F_SETLK). EAGAIN or EACCES means "
         "that another client reads.",
     .client_hint_win32 = "Check GetLastError() after CreateMutex of NAME-client: "
                          "ERROR_ALREADY_EXISTS means that another client reads.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "2", NULL);
    run_command(server, "send one");
    wait_line(client, "client: received \"one\"");
    struct program *second = start(CLIENT, name, "1", NULL);
    wait_error_like(second, "client: *");
    expect_end(second, 1);
    run_command(server, "send two");
    wait_line(client, "client: received \"two\"");
    expect_end(client, 0);
    /* Another program counts, too, if it has what the contract names. */
    struct program *other = start_mapping("client", name);
    second = start(CLIENT, name, "1", NULL);
    wait_error_like(second, "client: *");
    expect_end(second, 1);
    send_command(other, "end");
    wait_end(other);
    run_command(server, "send three");
    kill_program(start(CLIENT, name, "0", NULL));
    send_command(server, "end");
    wait_end(server);
}

TEST(client_killed, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
     .judges = PAIR, .points = 3, .step = 5,
     .name = "a client that is killed at any moment costs at most one number, and never "
             "the server",
     .hint_unix =
         "Decide by `unread`, not by the count of a semaphore: a killed client may "
         "have taken the post. After EOWNERDEAD call pthread_mutex_consistent().",
     .hint_win32 =
         "Decide by `unread`, not by an event: a killed client may have reset it. "
         "After WAIT_ABANDONED you own the mutex: continue.",
     .client_step = 5,
     .client_hint =
         "Wake the server first and set `unread` to 0 after that, with the mutex "
         "taken.")
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
    end_server(server);
}

TEST(
    server_killed, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
    .judges = PAIR, .points = 3, .step = 5,
    .name = "if the server is killed at any moment, the client reports it and exits; "
            "the next server starts at once",
    .hint_unix = "Replace the object of a killed server: its locks (fcntl) are gone. "
                 "shm_unlink() it and make a new one.",
    .hint_win32 = "Use the memory of a killed server again, and set `unread` to 0 first.",
    .client_step = 5,
    .client_hint_unix =
        "Wait for the lock LOCK_ALIVE in a thread (F_SETLKW), and post `value` "
        "when you get it.",
    .client_hint_win32 =
        "Wait for `alive` and `value` together, with WaitForMultipleObjects. "
        "WAIT_ABANDONED means that the server was killed.")
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
            fail_test("the client prints \"done\" though its server was killed");
    }
    struct program *server = start_server(name, "3"); /* one that is not killed */
    struct program *client = start(CLIENT, name, "0", NULL);
    uint32_t state = FIRST_STATE;
    expect_numbers(client, "client: received", 3, &state);
    expect_end(client, 0);
    expect_end(server, 0);
}

TEST(ctrl_c_with_client, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = PAIR, .points = 2, .step = 7,
     .name = "on Ctrl-C the server ends in order, and so does the client that waits for "
             "it",
     .hint_unix = "After Ctrl-C set `state` to ENDED before you exit, as after the last "
                  "number.",
     .hint_win32 =
         "After Ctrl-C call ReleaseMutex(alive), in the thread that owns it: in another "
         "thread, as that of end_on_interrupt(), the call fails. Wait for "
         "interrupt_event() in main, and end as after the last number.",
     .client_step = 5,
     .client_hint_unix =
         "If the server is gone and `state` is ENDED, print \"done\" and exit with "
         "0.",
     .client_hint_win32 =
         "If the wait for `alive` returns WAIT_OBJECT_0, the server ended in order: "
         "print \"done\" and exit with 0.")
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

TEST(repeats_and_gaps, .pair = "mutex_only", .judges = PAIR, .points = 2, .step = 3,
     .name = "numbers repeat for a fast reader, and a slow reader "
             "misses some",
     .hint = "Write a number every PACE milliseconds, whether or not it has been read.",
     .client_step = 3,
     .client_hint =
         "Print what is there every PACE milliseconds, whether or not it is new.")
{
    const char *name = token();
    struct program *server = start(SERVER, name, "0", "20", NULL);
    wait_line(server, "server: sent \"41\"");
    static const char *const paces[] = {"2", "100"};
    long position = 0, repeats = 0, gaps = 0;
    for (int i = 0; i < 2; i++) {
        struct program *client = start(CLIENT, name, i == 0 ? "40" : "4", paces[i], NULL);
        wait_line(client, "client: done");
        expect_end(client, 0);
        expect_lines(client, "client: received", i == 0 ? 40 : 4);
        position = follow(client, position, 1000, &repeats, &gaps);
    }
    if (repeats == 0)
        fail_test("a reader ten times as fast as the writer saw no number twice");
    if (gaps == 0)
        fail_test("a reader five times slower than the writer missed no number");
    end_server(server);
}

TEST(no_torn_text, .stage = COMPLETE, .needs = "repeats_and_gaps", .pair = "mutex_only",
     .judges = CLIENT, .unix_only = true, .points = 2, .step = 3,
     .name = "no text is printed that was never written",
     .hint_unix =
         "Copy the text between pthread_mutex_lock() and pthread_mutex_unlock(), "
         "and print the copy.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    send_command(server, "alternate 5000000");
    struct program *client = start(CLIENT, name, "4000", "0", NULL);
    wait_line(client, "client: done");
    expect_end(client, 0);
    wait_line(server, "test: did alternate");
    send_command(server, "end");
    wait_end(server);
    if (printed_like(client, "client: received \"*a*b*") ||
        printed_like(client, "client: received \"*b*a*"))
        fail_test("the client prints a text that is a mixture of two");
}

/* ---- The server --------------------------------------------------------------------- */

TEST(layout, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "", .judges = SERVER,
     .points = 2, .step = 5,
     .name = "the memory contains the number as decimal text with its NUL, then `unread`",
     .hint = "Write the text with its NUL, and set `unread` to 1 after that.")
{
    const char *name = token();
    struct program *server = start_server(name, "3");
    wait_line(server, "server: sent \"41\"");
    struct program *client = start_mapping("client", name);
    run_command(client, "show");
    if (!printed_like(client, "test: \"41\" 1"))
        fail_test("after \"sent\" the memory must hold \"41\", unread");
    run_command(client, "receive 1");
    wait_line(server, "server: sent \"18467\"");
    run_command(client, "receive 1");
    run_command(client, "receive 1"); /* 6334, shorter than 18467 by one */
    if (!printed_like(client, "test: received \"6334\""))
        fail_test("expected \"6334\" after the longer number \"18467\"");
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(waits_for_reader, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = SERVER, .points = 2, .step = 5,
     .name = "a server without a reader writes one number and waits, without using the "
             "processor",
     .hint_unix =
         "Wait with sem_wait() on `room`, then look at `unread` again. A wake-up "
         "does not promise room.",
     .hint_win32 =
         "Wait for the event `room` with INFINITE, then look at `unread` again. A "
         "wake-up does not promise room.")
{
    const char *name = token();
    struct program *server = start_server(name, "0");
    wait_line(server, "server: sent \"41\"");
    struct program *client = start_mapping("client", name);
    expect_idle(server, WATCH, 10);
    expect_lines(server, "server: sent", 1);
    run_command(client, "wake_both"); /* a wake-up for nothing */
    run_command(client, "wake_both");
    expect_idle(server, 4 * WATCH, 4); /* a loop is half the work of wineserver */
    expect_lines(server, "server: sent", 1);
    run_command(client, "receive 1");
    wait_line(server, "server: sent \"18467\"");
    end_server(server);
}

/* A new key, made from the seed as token() is. */
static const char *fresh_key(void)
{
    const unsigned char *bytes = (const unsigned char *)random_bytes(3, 1, 255);
    return text("0x4D%02X%02X%02X", bytes[0], bytes[1], bytes[2]);
}

/* A server that waits for room with a limit overwrites a number at last. */
static void expect_no_overwriting(struct program *server)
{
    wait_line(server, "server: sent \"41\"");
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec watch = {
        .it_value = {LONG_WATCH / 1000, LONG_WATCH % 1000 * 1000000}};
    struct pollfd expired = {.fd = timer, .events = POLLIN};
    if (timer == -1 || timerfd_settime(timer, 0, &watch, NULL) == -1)
        kit_error("no timer");
    while (poll(&expired, 1, 0) == 0) {
        wait_descriptor(timer, "the end of the watch");
        if (count_lines(server, "server: sent *") != 1)
            fail_test("the server has written another number though the first is unread");
        if (!is_running(server))
            fail_test("the server has exited though its number is unread");
    }
    close(timer);
}

#define KEEPS_UNREAD                          \
    .judges = SERVER, .points = 2, .step = 5, \
    .name = "an unread number stays in the memory, without a limit"

TEST(keeps_unread, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     KEEPS_UNREAD,
     .hint_unix =
         "Wait for room without a limit: sem_wait(). If sem_timedwait() fails with "
         "ETIMEDOUT, there is still no room.",
     .hint_win32 =
         "Wait for room with INFINITE. WAIT_TIMEOUT means that there is still no room.")
{
    const char *name = token();
    struct program *server = start_server(name, "0");
    struct program *client = start_mapping("client", name);
    expect_no_overwriting(server);
    run_command(client, "show");
    if (!printed_like(client, "test: \"41\" 1"))
        fail_test("the memory no longer holds \"41\", unread");
    run_command(client, "receive 1");
    wait_line(server, "server: sent \"18467\"");
    end_server(server);
}

TEST(mutex_shared, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = SERVER, .points = 1, .step = 4, .unix_only = true,
     .name = "the mutex is process-shared",
     .hint_unix = "Before pthread_mutex_init() call pthread_mutexattr_setpshared() with "
                  "PTHREAD_PROCESS_SHARED, and pass the attributes.")
{
    const char *name = token();
    struct program *server = start_server(name, "0");
    struct program *client = start_mapping("client", name);
    run_command(client, "attributes");
    if (!printed_like(client, "test: mutex is process-shared, *"))
        fail_test("expected a mutex that is process-shared, got one that is private");
    end_server(server);
}

TEST(mutex_robust, .stage = ROBUST, .needs = "mutex_shared", .pair = "", .judges = SERVER,
     .points = 1, .step = 4, .unix_only = true, .name = "the mutex is robust",
     .hint_unix = "Before pthread_mutex_init() call pthread_mutexattr_setrobust() with "
                  "PTHREAD_MUTEX_ROBUST, too.")
{
    const char *name = token();
    struct program *server = start_server(name, "0");
    struct program *client = start_mapping("client", name);
    run_command(client, "attributes");
    if (!printed_like(client, "test: mutex is *, robust"))
        fail_test("expected a robust mutex, got one that is not robust");
    end_server(server);
}

TEST(semaphores_shared, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = SERVER, .points = 1, .step = 4, .unix_only = true,
     .name = "another process can wake the server by the semaphore `room`",
     .hint_unix =
         "Call sem_init() with 1 as its second argument: the semaphore is then shared "
         "between processes.")
{
    const char *name = token();
    struct program *server = start_server(name, "0");
    wait_line(server, "server: sent \"41\"");
    struct program *client = start_mapping("client", name);
    expect_idle(server, WATCH / 3, 10); /* by then it sleeps */
    run_command(client, "receive 1");
    wait_line(server, "server: sent \"18467\"");
    end_server(server);
}

TEST(server_in_order, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = SERVER, .points = 2, .step = 5,
     .name = "a reader that obeys the contract receives many numbers, each once, in "
             "order",
     .hint = "Look at `unread` with the mutex taken: there is room when it is 0.")
{
    const char *name = token();
    struct program *server = start_server(name, text("%ld", many()));
    struct program *client = start_mapping("client", name);
    expect_received(client, many());
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(server_needs_mutex, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = SERVER, .points = 2, .step = 5,
     .name = "the server writes nothing while a reader owns the mutex",
     .hint_unix =
         "Call pthread_mutex_lock() before each look and each change. If the server "
         "never wakes, the mutex is private: call pthread_mutexattr_setpshared() "
         "with PTHREAD_PROCESS_SHARED.",
     .hint_win32 =
         "Wait for the mutex with WaitForSingleObject before each look and each "
         "change.")
{
    const char *name = token();
    struct program *server = start_server(name, "2");
    wait_line(server, "server: sent \"41\"");
    struct program *client = start_mapping("client", name);
    run_command(client, "lock");
    run_command(client, "clear"); /* there is room, but the reader still owns the mutex */
    expect_idle(server, WATCH, 10);
    run_command(client, "show");
    if (!printed_like(client, "test: \"41\" 0"))
        fail_test("the memory changed while a reader owned the mutex");
    run_command(client, "unlock");
    wait_line(server, "server: sent \"18467\"");
    run_command(client, "receive 1");
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(reader_killed_inside, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
     .judges = SERVER, .points = 3, .step = 5,
     .name = "a reader is killed while it owns the mutex: the server reports it and "
             "continues",
     .hint_unix = "After EOWNERDEAD print \"mutex abandoned\" and call "
                  "pthread_mutex_consistent().",
     .hint_win32 =
         "After WAIT_ABANDONED print \"mutex abandoned\" and continue: you own the "
         "mutex.")
{
    const char *name = token();
    struct program *server = start_server(name, "4");
    wait_line(server, "server: sent \"41\"");
    struct program *client = start_mapping("client", name);
    run_command(client, "lock");
    run_command(client, "clear"); /* the server wakes, and waits for the mutex */
    kill_program(client);
    wait_line(server, "server: mutex abandoned");
    wait_line(server, "server: sent \"18467\"");
    client = start_mapping("client", name);
    run_command(client, "lock"); /* this one has not woken the server */
    kill_program(client);
    client = start_mapping("client", name);
    run_command(client, "receive 3");
    if (!printed_like(client, "test: received \"18467\"") ||
        !printed_like(client, "test: received \"26500\""))
        fail_test("the next reader did not get the numbers that were left");
    wait_line(server, "server: done");
    expect_end(server, 0);
}

/* Fails the test if `title`, the program under test, wakes the probe after it has released the
 * mutex. Killed in between, it would leave a change for which the other is not woken. So many
 * rounds, because not each shows it. */
static void expect_early_wakes(struct program *mapping, const char *title)
{
    run_command(mapping, "watch_wakes 400");
    size_t count = count_lines(mapping, "test: woken too late");
    if (count > 0)
        fail_test(
            "the %s changed `unread` and released the mutex %zu times before it set "
            "the event",
            title, count);
}

TEST(server_wakes_first, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
     .judges = SERVER, .points = 1, .step = 5, .win32_only = true,
     .name = "the server sets `value` before it releases the mutex",
     .hint_win32 =
         "Call SetEvent(value) with the mutex taken, then set `unread` to 1, then "
         "call ReleaseMutex().")
{
    const char *name = token();
    struct program *server = start_server(name, "0");
    wait_line(server, "server: sent \"41\"");
    expect_early_wakes(start_mapping("client", name), "server");
    end_server(server);
}

TEST(last_number_read, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = SERVER, .points = 2, .step = 6,
     .name = "the server ends when its last number has been read, and not before",
     .hint = "After the last number wait until `unread` is 0, and remove the names "
             "after that.")
{
    const char *name = token();
    struct program *server = start_server(name, "1");
    wait_line(server, "server: sent \"41\"");
    expect_idle(server, WATCH, 10);
    struct program *client = start_mapping("client", name);
    run_command(client, "receive 1");
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(ends_on_signal, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = SERVER, .points = 2, .step = 7,
     .name = "Ctrl-C ends the server in order, also while it waits, and its names are "
             "gone",
     .hint_unix =
         "Let the handler set a flag and call sem_post(&room), so that sem_wait() "
         "returns. Then shm_unlink() the name.",
     .hint_win32 =
         "Wait for interrupt_event() and `room` with WaitForMultipleObjects, and "
         "end as after the last number. No other thread can release `alive`.")
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
}

TEST(takes_over, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
     .judges = SERVER, .points = 3, .step = 2,
     .name =
         "a server is refused while another one runs, and starts when that was killed, "
         "though a client still holds its memory",
     .hint_unix =
         "Unlink the old object and make a new one: a client may still have the old "
         "one mapped.",
     .hint_win32 =
         "Set `unread` to 0 at the start: the section still contains the number of "
         "the killed server.")
{
    const char *name = token();
    struct program *killed = start_mapping("server", name);
    struct program *holder = start_mapping("looker", name);
    run_command(killed, "send old");
    look_at(
        SERVER, 2,
        under_test() == UNIX
            ? "Lock LOCK_SERVER with fcntl(F_SETLK). No other program looks for a lock of "
              "flock(), or of another byte."
            : "Create the mutex by its name in contract.h, NAME-server. "
              "ERROR_ALREADY_EXISTS means that a server runs.");
    struct program *refused = start(SERVER, name, "3", NULL);
    wait_error_like(refused, "server: *");
    expect_end(refused, 1);
    look_at(SERVER, 0, NULL);
    run_command(killed, "lock");
    kill_program(killed);
    struct program *server = start_server(name, "3");
    if (under_test() == WIN32) {
        look_at(
            SERVER, 4,
            "If CreateMutex of `alive` returns ERROR_ALREADY_EXISTS, TRUE has no effect: "
            "wait for `alive` until you own it.");
        expect_owned_alive(holder);
        look_at(SERVER, 0, NULL);
    }
    wait_line(server, "server: sent \"41\"");
    struct program *client = start_mapping("client", name);
    expect_received(client, 3);
    wait_line(server, "server: done");
    expect_end(server, 0);
    send_command(holder, "end");
    wait_end(holder);
}

TEST(takes_over_unready, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
     .judges = SERVER, .points = 1, .step = 2,
     .name = "a server starts though another was killed before it was ready",
     .hint_unix =
         "Decide by the lock LOCK_SERVER, which a killed server loses, not by what "
         "the memory contains.",
     .hint_win32 =
         "Decide by the object NAME-server, which goes with its server, not by what "
         "the memory contains.")
{
    const char *name = token();
    struct program *killed = start_mapping("unready", name);
    kill_program(killed);
    struct program *server = start_server(name, "3");
    struct program *client = start_mapping("client", name);
    expect_received(client, 3);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(takes_over_empty, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
     .judges = SERVER, .points = 1, .step = 3, .unix_only = true,
     .name = "a server starts though another was killed before its object had a size",
     .hint_unix =
         "Give the object its size with ftruncate() or posix_fallocate() also if it "
         "exists. Access to an object of 0 bytes is SIGBUS.")
{
    const char *name = token();
    kill_program(start_mapping("empty", name));
    struct program *server = start_server(name, "3");
    struct program *client = start_mapping("client", name);
    expect_received(client, 3);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

#define UNREAD_HINT                                                           \
    "A pipe that nobody reads any more is the server's output here. On UNIX " \
    "ignore SIGPIPE: by default it ends the server."

/* Each bit of `closed` is a standard stream: 1 input, 2 output, 4 errors. Without output the
 * server prints no "ready". So clients try until one has been served. */
TEST(server_streams, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
     .judges = SERVER, .points = 1, .step = 1,
     .name = "a server without any of its standard streams writes its numbers",
     .hint_unix =
         "Open /dev/null first until the numbers 0 to 2 are in use. Otherwise the object "
         "becomes standard output, and the transcript is written into the memory.",
     .hint_win32 = "Do not depend on a standard handle: GetStdHandle may return NULL.")
{
    for (unsigned closed = 1; closed <= 7; closed++) {
        const char *name = token();
        struct program *server = start_with(SERVER,
                                            (struct start_options){.closed = closed},
                                            name, "20", NULL);
        struct program *client = NULL;
        double end = now() + 10;
        do {
            if (now() > end)
                fail_test("the server does not serve a client for 10 seconds");
            client = start(CLIENT, name, "20", NULL);
        } while (wait_end(client) != 0);
        uint32_t state = FIRST_STATE;
        expect_numbers(client, "client: received", 20, &state);
        expect_end(server, 0);
    }
    look_at(SERVER, 4, UNREAD_HINT);
    const char *name = token();
    struct program *server = start_server(name, "2");
    close_output(server);
    expect_end(start(CLIENT, name, "2", NULL), 0);
    expect_end(server, 0);
}

TEST(leaves_mutex_free, .stage = COMPLETE, .needs = "repeats_and_gaps",
     .pair = "mutex_only", .judges = SERVER, .points = 2, .step = 5,
     .name = "the mutex is free while the server pauses",
     .hint_unix =
         "Call pthread_mutex_unlock() before the pause: do not sleep while you own "
         "the mutex.",
     .hint_win32 =
         "Call ReleaseMutex before the pause: do not sleep while you own the mutex, "
         "as the listing does.")
{
    const char *name = token();
    struct program *server = start(SERVER, name, "2", "3600000", NULL);
    wait_line(server, "server: sent \"41\"");
    struct program *looker = start_mapping("looker", name);
    expect_free_mutex(server, "server", looker);
    run_command(looker, "lock");
    run_command(looker, "show");
    if (!printed_like(looker, "test: \"41\" *"))
        fail_test("the memory does not hold \"41\"");
    run_command(looker, "unlock");
    end_server(server);
}

TEST(mutex_only_needs_mutex, .stage = ROBUST, .needs = "repeats_and_gaps",
     .pair = "mutex_only", .judges = SERVER, .points = 2, .step = 5,
     .name = "nothing is written while a reader owns the mutex, and a "
             "killed owner is reported",
     .hint_unix = "Call pthread_mutex_lock() before each change. After EOWNERDEAD print "
                  "\"mutex abandoned\" and call pthread_mutex_consistent().",
     .hint_win32 =
         "Wait for the mutex before each change. After WAIT_ABANDONED print \"mutex "
         "abandoned\" and continue.")
{
    const char *name = token();
    struct program *server = start(SERVER, name, "10000", "5", NULL);
    wait_line(server, "server: sent \"18467\"");
    struct program *looker = start_mapping("looker", name);
    run_command(looker, "lock");
    const char *odd = token();
    run_command(looker, text("put %s", odd));
    expect_idle(server, WATCH, 25); /* else it would write 30 times */
    run_command(looker, "show");
    if (!printed_like(looker, text("test: \"%s\" *", odd)))
        fail_test("the memory changed while a reader owned the mutex");
    kill_program(looker);
    wait_line(server, "server: mutex abandoned");
    wait_line_like(server, "server: sent *");
    end_server(server);
}

TEST(server_usage, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = SERVER, .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "COUNT is a whole number from 0 to 1,000,000,000. "
             "Otherwise print a usage line and exit with 2.")
{
    const char *name = token();
    static const char *const wrong[] = {"ten", "-1",        "1000000001", "",
                                        "1x",  "4294967298"}; /* 2, cut to 32 bits */
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *server = start(SERVER, name, wrong[i], NULL);
        wait_error_like(server, "usage: *");
        expect_end(server, 2);
    }
    expect_end(start(SERVER, name, "1", "1", NULL), 2);
}

/* ---- The client --------------------------------------------------------------------- */

TEST(reads_memory, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = CLIENT, .points = 3, .step = 5,
     .name = "the client prints the text in the memory, whatever it is",
     .hint = "Print the text up to its NUL: the bytes after it are left from a longer "
             "text.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "8", NULL);
    for (int i = 0; i < 4; i++) {
        const char *word = i == 2 ? random_bytes(TEXT_SIZE - 1, 'a', 'z') : token();
        run_command(server, text("send %s", word));
        wait_line(client, "client: received \"%s\"", word);
        run_command(server, text("send %d", i));
        wait_line(client, "client: received \"%d\"", i);
    }
    wait_line(client, "client: done");
    expect_end(client, 0);
    expect_lines(client, "client: received", 8);
    send_command(server, "end");
    wait_end(server);
}

TEST(client_in_order, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = CLIENT, .points = 2, .step = 5,
     .name = "a writer that obeys the contract passes many numbers, each once, in order",
     .hint = "Copy the text, wake the server, set `unread` to 0, release the mutex.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "0", NULL);
    uint32_t written = FIRST_STATE, read = FIRST_STATE;
    for (long left = many(), next; left > 0; left -= next) {
        next = left < 100 ? left : 100;
        send_numbers(server, next, &written);
        expect_numbers(client, "client: received", next, &read);
    }
    send_command(server, "end");
    look_at(CLIENT, 5, client_ends());
    wait_line(client, "client: done");
    expect_end(client, 0);
    expect_lines(client, "client: received", (size_t)many());
}

TEST(waits_for_number, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = CLIENT, .points = 2, .step = 5,
     .name = "a client waits for a number without using the processor, and ignores a "
             "wake-up without a number",
     .hint_unix =
         "Wait with sem_wait() on `value`, then look at `unread` again. A wake-up "
         "does not promise a number.",
     .hint_win32 =
         "Wait for `value` with INFINITE, then look at `unread` again. A wake-up "
         "does not promise a number.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "2", NULL);
    run_command(server, "send one");
    wait_line(client, "client: received \"one\"");
    expect_idle(client, WATCH, 10);
    run_command(server, "wake_both");
    run_command(server, "wake_both");
    expect_idle(client, WATCH, 10);
    expect_lines(client, "client: received", 1);
    run_command(server, "send two");
    wait_line(client, "client: received \"two\"");
    expect_end(client, 0);
    send_command(server, "end");
    wait_end(server);
}

TEST(client_needs_mutex, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = CLIENT, .points = 2, .step = 5,
     .name = "a number that is half written, with the mutex held, is not read before it "
             "is whole",
     .hint = "Look at `unread` and copy the text only with the mutex taken.")
{
    const char *name = token(), *word = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "2", NULL);
    run_command(server, "send ################");
    wait_line(client, "client: received \"################\"");
    expect_idle(client, WATCH / 3,
                50); /* by then it sleeps, and does not wait for the mutex */
    run_command(server, "lock");
    run_command(server, text("half %s", word));
    run_command(server, "mark");
    expect_idle(client, WATCH, 10);
    expect_lines(client, "client: received", 1);
    run_command(server, text("put %s", word));
    run_command(server, "unlock");
    wait_line(client, "client: received \"%s\"", word);
    expect_end(client, 0);
    send_command(server, "end");
    wait_end(server);
}

TEST(writer_killed_inside, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
     .judges = CLIENT, .points = 3, .step = 5,
     .name = "the writer is killed while it owns the mutex and has written half a "
             "number: the client reports it and does not read that number",
     .hint_unix =
         "After EOWNERDEAD call pthread_mutex_consistent() and look at `unread`: it "
         "is 0, so there is no number.",
     .hint_win32 =
         "After WAIT_ABANDONED look at `unread`: it is 0, so there is no number.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "0", NULL);
    run_command(server, "send one");
    wait_line(client, "client: received \"one\"");
    run_command(server, "lock");
    run_command(server, "half torntorn");
    run_command(server, "wake_both"); /* the client wakes, and waits for the mutex */
    kill_program(server);
    wait_line(client, "client: mutex abandoned");
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    expect_lines(client, "client: received", 1);
    remove_memory(name);
}

TEST(
    writer_killed_outside, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
    .judges = CLIENT, .points = 3, .step = 5,
    .name = "the writer is killed while the mutex is free: the client reads what "
            "is left, reports the kill, and exits",
    .hint_unix = "Wait for the lock LOCK_ALIVE in a thread (F_SETLKW), post `value`, and "
                 "look once more before you exit.",
    .hint_win32 = "Wait for `alive` together with `value`, and look once more before you "
                  "exit.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "0", NULL);
    run_command(server, "send one");
    wait_line(client, "client: received \"one\"");
    run_command(server, "lock");
    run_command(server, "put two");
    run_command(server, "mark");
    run_command(server, "unlock");
    kill_program(server);
    wait_line(client, "client: received \"two\"");
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    remove_memory(name);
}

TEST(writer_killed_waking, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
     .judges = CLIENT, .points = 2, .step = 5, .unix_only = true,
     .name = "the writer is killed in the middle of waking the client: the client "
             "reports the kill and exits",
     .hint_unix = "Call sem_post() also if the semaphore is 1 already: the program that "
                  "raised it may have been killed before it woke the sleeper.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "0", NULL);
    run_command(server, "send one");
    wait_line(client, "client: received \"one\"");
    expect_idle(client, WATCH / 3, 50); /* by then it sleeps */
    send_command(server, "wake_killed");
    wait_end(server);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    remove_memory(name);
}

TEST(reader_killed_waking, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
     .judges = CLIENT, .points = 2, .step = 5, .unix_only = true,
     .name = "a reader is killed in the middle of waking the server: the next reader "
             "wakes it",
     .hint_unix =
         "Call sem_post() whatever the semaphore's value is. The server that waits can "
         "call sem_trywait() before it looks, so that posts do not add up.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    run_command(server, "send one");
    send_command(server, "send two"); /* and sleeps, for there is no room */
    struct program *killed = start_mapping("client", name);
    send_command(killed, "wake_killed");
    wait_end(killed);
    struct program *client = start(CLIENT, name, "2", NULL);
    wait_line(client, "client: received \"one\"");
    wait_line(client, "client: received \"two\"");
    expect_end(client, 0);
    send_command(server, "end");
    wait_end(server);
}

TEST(keeps_alive, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
     .judges = CLIENT, .points = 1, .step = 5, .win32_only = true,
     .name = "a client that has seen the end of its server keeps the mutex `alive` for "
             "its last look",
     .hint_win32 =
         "Call ReleaseMutex(alive) after the last look. Otherwise the next server "
         "writes its numbers before it.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "0", NULL);
    struct program *looker = start_mapping("looker", name);
    run_command(server, "send one");
    wait_line(client, "client: received \"one\"");
    expect_idle(client, WATCH / 3, 50); /* by then it waits for a number or the end */
    run_command(looker, "lock");        /* so that the client cannot look */
    kill_program(server);
    expect_idle(client, WATCH / 3, 50);
    run_command(looker, "try_alive"); /* as the next server would */
    if (printed_like(looker, "test: alive is free"))
        fail_test(
            "the client has released `alive`, and has yet to look for the last time");
    send_command(looker, "end");
    wait_end(looker);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    expect_lines(client, "client: received", 1);
}

TEST(client_wakes_first, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
     .judges = CLIENT, .points = 1, .step = 5, .win32_only = true,
     .name = "the client sets `room` before it releases the mutex",
     .hint_win32 =
         "Call SetEvent(room) with the mutex taken, then set `unread` to 0, then "
         "call ReleaseMutex().")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "0", NULL);
    run_command(server, "send one");
    wait_line(client, "client: received \"one\"");
    expect_early_wakes(server, "client");
    send_command(server, "end");
    wait_end(server);
}

TEST(mutex_only_end, .stage = ROBUST, .needs = "repeats_and_gaps", .pair = "mutex_only",
     .judges = CLIENT, .points = 2, .step = 3,
     .name = "the client ends with its server: \"done\" if that ended "
             "in order, exit code 1 if it was killed",
     .hint_unix =
         "Ask for the lock LOCK_ALIVE with F_GETLK after each look and before you "
         "print. Without a lock the server has ended.",
     .hint_win32 = "Wait for `alive` instead of sleeping. WAIT_ABANDONED means killed, "
                   "WAIT_OBJECT_0 ended in order.")
{
    for (int killed = 1; killed >= 0; killed--) {
        const char *name = token();
        struct program *server = start_mapping("server", name);
        run_command(server, "put first");
        struct program *holder = start_mapping("looker", name); /* the memory stays */
        struct program *clients[2];
        for (int i = 0; i < 2; i++) {
            clients[i] = start(CLIENT, name, killed ? "1000" : "0", "20", NULL);
            wait_line(clients[i], "client: received \"first\"");
        }
        if (killed)
            kill_program(server);
        else
            send_command(server, "end");
        for (int i = 0; i < 2; i++) {
            if (killed)
                wait_error_like(clients[i], "client: *");
            else
                wait_line(clients[i], "client: done");
            expect_end(clients[i], killed);
            if (killed && printed_like(clients[i], "client: done"))
                fail_test("the client prints \"done\" though its server was killed");
        }
        if (killed) {
            /* A client that starts now does not print the number either. */
            struct program *late = start(CLIENT, name, "1", NULL);
            wait_error_like(late, "client: *");
            expect_end(late, 1);
            expect_lines(late, "client: received", 0);
            send_command(holder, "end");
            remove_memory(name);
        }
    }
}

TEST(reader_killed_before, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
     .judges = CLIENT, .points = 2, .step = 5,
     .name = "a client that gets the mutex of a killed reader reports it and continues",
     .hint_unix = "After EOWNERDEAD print \"mutex abandoned\", call "
                  "pthread_mutex_consistent(), and continue.",
     .hint_win32 =
         "After WAIT_ABANDONED print \"mutex abandoned\" and continue: the server "
         "still runs.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    run_command(server, "send one");
    struct program *killed = start_mapping("client", name);
    run_command(killed, "lock");
    kill_program(killed);
    struct program *client = start(CLIENT, name, "2", NULL);
    wait_line(client, "client: mutex abandoned");
    wait_line(client, "client: received \"one\"");
    run_command(server, "send two");
    wait_line(client, "client: received \"two\"");
    expect_end(client, 0);
    send_command(server, "end");
    wait_end(server);
}

TEST(writer_leaves, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = CLIENT, .points = 2, .step = 5,
     .name = "the server ends in order: the client reads the last number and prints "
             "\"done\"",
     .hint_unix = "When `state` is ENDED, look once more for a number, and do not wait "
                  "before that: one post can be for both.",
     .hint_win32 =
         "When you get `alive`, look once more for a number. WAIT_OBJECT_0 means "
         "that the server ended in order.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    struct program *client = start(CLIENT, name, "0", NULL);
    run_command(server, "send one");
    wait_line(client, "client: received \"one\"");
    if (under_test() == UNIX) { /* it sees the last number and the end at once */
        expect_idle(client, WATCH / 3, 50);
        send_signal(client, SIGSTOP);
    }
    run_command(server, "send two");
    send_command(server, "end");
    wait_end(server);
    if (under_test() == UNIX)
        send_signal(client, SIGCONT);
    wait_line(client, "client: received \"two\"");
    wait_line(client, "client: done");
    expect_end(client, 0);
}

TEST(no_server, .needs = "fifteen_numbers", .pair = "", .judges = CLIENT, .points = 2,
     .step = 2, .name = "without a server the client reports error 2 and exits with 1",
     .hint_unix = "Check shm_open(): it fails with ENOENT if there is no server.",
     .hint_win32 =
         "Check OpenFileMapping and OpenMutex: they fail with error 2 if there is "
         "no server.")
{
    const char *name = token();
    struct program *client = start(CLIENT, name, NULL);
    wait_error_like(client, "client: *error 2: *"); /* not found, on both systems */
    expect_end(client, 1);
}

TEST(server_unready, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = CLIENT, .points = 2, .step = 2,
     .name = "a client does not use what its server has not finished making",
     .hint_unix = "Use the mutex only if `state` is READY: a mutex of zeros is not "
                  "initialised.",
     .hint_win32 = "Check OpenMutex and OpenEvent: the mapping may exist before them.")
{
    const char *name = token();
    struct program *server = start_mapping("unready", name);
    struct program *client = start(CLIENT, name, NULL);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    expect_lines(client, "client: received", 0);
    send_command(server, "end");
    wait_end(server);
}

TEST(object_empty, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = CLIENT, .points = 1, .step = 2, .unix_only = true,
     .name = "a client does not use an object that has no size yet",
     .hint_unix =
         "Compare the size of fstat() with sizeof(struct shared) before mmap(). Access "
         "beyond the end of the object is SIGBUS.")
{
    const char *name = token();
    struct program *server = start_mapping("empty", name);
    struct program *client = start(CLIENT, name, NULL);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    send_command(server, "end");
    wait_end(server);
}

TEST(client_streams, .stage = ROBUST, .needs = "fifteen_numbers", .pair = "",
     .judges = CLIENT, .points = 1, .step = 1,
     .name = "a client without any of its standard streams reads its numbers",
     .hint_unix =
         "Open /dev/null first until the numbers 0 to 2 are in use. Otherwise the object "
         "becomes standard output, and the transcript is written into the memory.",
     .hint_win32 = "Do not depend on a standard handle: GetStdHandle may return NULL.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    uint32_t state = FIRST_STATE;
    for (unsigned closed = 1; closed <= 7; closed++) {
        send_numbers(server, 20, &state);
        struct program *client = start_with(CLIENT,
                                            (struct start_options){.closed = closed},
                                            name, "20", NULL);
        expect_end(client, 0);
        for (int i = 0; i < 20; i++)
            wait_line(server, "test: did send");
        if ((closed & 2) == 0)
            expect_lines(client, "client: received", 20);
    }
    run_command(server, "show");
    if (printed_like(server, "test: \"*client*"))
        fail_test("the memory contains the client's transcript");
    send_command(server, "end");
    wait_end(server);
}

TEST(client_leaves_mutex_free, .stage = COMPLETE, .needs = "repeats_and_gaps",
     .pair = "mutex_only", .judges = CLIENT, .points = 1, .step = 3,
     .name = "the mutex is free between two looks",
     .hint_unix =
         "Call pthread_mutex_unlock() before you print and before the pause: do not "
         "sleep while you own the mutex.",
     .hint_win32 =
         "Call ReleaseMutex before you print and before the pause: do not sleep "
         "while you own the mutex.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    run_command(server, "put first");
    struct program *client = start(CLIENT, name, "2", "3600000", NULL);
    wait_line(client, "client: received \"first\"");
    expect_free_mutex(client, "client", server);
    kill_program(client);
    send_command(server, "end");
    wait_end(server);
}

TEST(mutex_only_torn, .stage = ROBUST, .needs = "repeats_and_gaps", .pair = "mutex_only",
     .judges = CLIENT, .points = 2, .step = 3,
     .name = "half a number of a killed writer is not read: the "
             "client reports it and exits",
     .hint_unix =
         "After EOWNERDEAD do not print the text: it may be half written. Exit with "
         "1.",
     .hint_win32 =
         "After WAIT_ABANDONED do not print the text: it may be half written. Exit "
         "with 1. The listing takes it for success.")
{
    const char *name = token();
    struct program *server = start_mapping("server", name);
    run_command(server, "put first");
    struct program *client = start(CLIENT, name, "10000", "1", NULL);
    wait_line(client, "client: received \"first\"");
    run_command(server, "lock");
    run_command(server, "half torntorn");
    kill_program(server);
    wait_line(client, "client: mutex abandoned");
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    if (count_lines(client, "client: received *") != count_lines(client, "* \"first\""))
        fail_test("the client read half a number");
    remove_memory(name);
}

TEST(client_usage, .stage = COMPLETE, .needs = "fifteen_numbers", .pair = "",
     .judges = CLIENT, .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint =
         "Check the arguments before you look for the server. Accept at most two, and "
         "for COUNT a whole number from 0 to 1,000,000,000. Otherwise print a usage "
         "line and exit with 2.")
{
    const char *name = token();
    static const char *const wrong[] = {"ten", "-1",        "1000000001", "",
                                        "1x",  "4294967298"}; /* 2, cut to 32 bits */
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        in_case("COUNT is \"%s\"", wrong[i]);
        struct program *client = start(CLIENT, name, wrong[i], NULL);
        wait_error_like(client, "usage: *");
        expect_end(client, 2);
    }
    in_case("with three arguments");
    expect_end(start(CLIENT, name, "1", "1", NULL), 2);
}

/* ---- server_mutex_only and client_mutex_only ---------------------------------------- */

TEST(mutex_only_signal, .stage = COMPLETE, .needs = "repeats_and_gaps",
     .pair = "mutex_only", .judges = SERVER, .points = 1, .step = 6,
     .name = "Ctrl-C ends the server in its pause",
     .hint_unix = "Wait for PACE milliseconds and for the signal at the same time.",
     .hint_win32 = "Wait for an event for PACE milliseconds, and let the handler set it.")
{
    struct program *server = start(SERVER, token(), NULL);
    wait_line(server, "server: sent \"41\"");
    send_signal(server, SIGINT);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(mutex_only_none, .stage = COMPLETE, .needs = "repeats_and_gaps",
     .pair = "mutex_only", .judges = CLIENT, .points = 1, .step = 2,
     .name = "a client without a server, or with one that is not ready, exits with 1",
     .hint_unix = "Check shm_open(), then the size of the object, then `state`.",
     .hint_win32 =
         "Check OpenFileMapping and OpenMutex: they fail with error 2 if there is "
         "no server.")
{
    struct program *client = start(CLIENT, token(), NULL);
    wait_error_like(client, "client: *error 2: *");
    expect_end(client, 1);
    static const char *const roles[] = {"unready", "empty"};
    for (int i = 0; i < (under_test() == UNIX ? 2 : 1); i++) {
        const char *name = token();
        struct program *server = start_mapping(roles[i], name);
        client = start(CLIENT, name, NULL);
        wait_error_like(client, "client: *");
        expect_end(client, 1);
        expect_lines(client, "client: received", 0);
        send_command(server, "end");
        wait_end(server);
    }
}

#define PACE_USAGE                                                                      \
    "Accept at most three arguments, and for PACE a whole number from 0 to 3,600,000. " \
    "Otherwise print a usage line and exit with 2."

TEST(mutex_only_usage, .stage = COMPLETE, .needs = "repeats_and_gaps",
     .pair = "mutex_only", .judges = PAIR, .points = 1, .step = 1,
     .name = "wrong arguments of either are a usage line, and exit code 2",
     .hint = PACE_USAGE, .client_step = 1, .client_hint = PACE_USAGE)
{
    const char *name = token();
    for (int i = 0; i < 2; i++) {
        enum role role = i == 0 ? SERVER : CLIENT;
        struct program *program = start(role, name, "1", "x", NULL);
        wait_error_like(program, "usage: *");
        expect_end(program, 2);
        expect_end(start(role, name, "1", "1", "1", NULL), 2);
    }
}

/* ---- server_file and client_file ---------------------------------------------------- */

/* Waits until `client` has printed numbers 1 to `count` of the sequence, and no others. */
static void expect_first_numbers(struct program *client, long count)
{
    uint32_t state = FIRST_STATE;
    expect_numbers(client, "client: received", count, &state);
    wait_line(client, "client: done");
    expect_end(client, 0);
    expect_lines(client, "client: received", (size_t)count);
}

TEST(file_survives, .pair = "file", .judges = PAIR, .points = 3, .step = 6,
     .name = "numbers in a mapped file are there after their server has ended, and the "
             "next one continues after them",
     .hint_unix = "Map the file with MAP_SHARED, and start after the records that are "
                  "counted.",
     .hint_win32 = "Map the file itself, not INVALID_HANDLE_VALUE, and start after the "
                   "records that are counted.",
     .client_step = 3,
     .client_hint = "Read `count` first, and print as many records, or COUNT of them.")
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

static void expect_two_numbers(const char *name)
{
    static const char expected[3 * RECORD_SIZE] = "\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                                  "41\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                                  "18467\0\0\0\0\0\0\0\0\0\0";
    size_t length;
    char *bytes = read_file(name, &length);
    expect_bytes("the file", NULL, 0, expected, sizeof expected, bytes, length);
}

TEST(file_layout, .stage = COMPLETE, .needs = "file_survives", .pair = "file",
     .judges = SERVER, .points = 2, .step = 5,
     .name = "the file contains a count and records of 16 bytes, the same on both "
             "systems",
     .hint = "Write a struct journal of contract.h, and fill each record up with NUL.")
{
    expect_end(start(SERVER, "numbers", "2", NULL), 0);
    expect_two_numbers("numbers");
}

TEST(file_reads_tokens, .stage = COMPLETE, .needs = "file_survives", .pair = "file",
     .judges = CLIENT, .points = 2, .step = 4,
     .name = "the client prints what the file contains, and no more than is counted",
     .hint = "A record is at most 16 bytes, perhaps without a NUL: use strnlen(). Stop "
             "after `count` records.")
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
    expect_lines(client, "client: received", 3);
}

TEST(file_killed, .stage = ROBUST, .needs = "file_survives", .pair = "file",
     .judges = PAIR, .points = 2, .step = 5,
     .name = "after a killed server the file contains only whole numbers, and the next "
             "server continues",
     .hint = "Write the number first and raise the count after that.", .client_step = 3,
     .client_hint = "Read `count` first, and print no record beyond it.")
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
                "10 numbers were sent after number %ld, but the file ends at number %ld",
                before, position);
    }
}

TEST(file_shared, .stage = COMPLETE, .needs = "file_survives", .pair = "file",
     .judges = PAIR, .points = 2, .step = 2,
     .name = "a client reads while the server writes, and a second server is refused",
     .hint_unix = "Lock the file with flock(LOCK_EX | LOCK_NB): EWOULDBLOCK means that "
                  "another server writes.",
     .hint_win32 =
         "Open the file with FILE_SHARE_READ alone: CreateFile of a second server "
         "then fails with error 32.",
     .client_step = 2,
     .client_hint_unix = "Open the file with O_RDONLY and without a lock.",
     .client_hint_win32 =
         "Open the file with FILE_SHARE_READ | FILE_SHARE_WRITE. Otherwise "
         "CreateFile fails with error 32 while a server writes.")
{
    struct program *server = start(SERVER, "numbers", "1000000", NULL);
    wait_line(server, "server: sent \"18467\"");
    struct program *second = start(SERVER, "numbers", "1", NULL);
    wait_error_like(second, "server: *");
    expect_end(second, 1);
    expect_first_numbers(start(CLIENT, "numbers", "2", NULL), 2);
    if (!is_running(server))
        fail_test("expected a running server, but it has exited");
    kill_program(server);
}

/* Both programs must refuse a file of these bytes, and leave it as it is. A server begins with an empty one. */
static void expect_strange(const void *bytes, size_t length)
{
    const char *path = write_file("strange", bytes, length, 0644);
    struct program *client = start(CLIENT, "strange", NULL);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    if (length == 0)
        return;
    struct program *server = start(SERVER, "strange", "1", NULL);
    wait_error_like(server, "server: *");
    expect_end(server, 1);
    struct stat status; /* it may be too long to be read */
    if (stat(path, &status) == 0 && (size_t)status.st_size != length)
        fail_test("expected the file to keep its length, %zu bytes, but now it has %lld",
                  length, (long long)status.st_size);
    size_t left;
    char *file = read_file("strange", &left);
    expect_bytes("the file", NULL, 0, bytes, length, file, left);
}

TEST(file_strange, .stage = COMPLETE, .needs = "file_survives", .pair = "file",
     .judges = PAIR, .points = 1, .step = 3,
     .name = "a file that does not exist, is empty, or has other contents is an error "
             "line and exit code 1",
     .hint = "Compare the count with the file's length before you write. Leave a file "
             "alone that does not fit.",
     .client_step = 3,
     .client_hint_unix =
         "Compare the file's length with the struct and with the count. Access "
         "beyond the end of the file is SIGBUS.",
     .client_hint_win32 = "Compare the file's length with the struct and with the count. "
                          "CreateFileMapping of an empty file fails with error 1006.")
{
    struct program *client = start(CLIENT, "nothing", NULL);
    wait_error_like(client, "client: *error 2: *");
    expect_end(client, 1);
    /* First: a server that does not compare makes a file of gigabytes of the others. */
    static const struct {
        uint32_t count;
        char unused[RECORD_SIZE - sizeof(uint32_t)], record[RECORD_SIZE];
    } cut = {.count = 2, .record = "41"};
    in_case("a file that counts two records and has one");
    expect_strange(&cut, sizeof cut);
    static const char bytes[2 * RECORD_SIZE] = "This is no file of numbers.";
    for (size_t length = 0; length <= sizeof bytes; length += RECORD_SIZE / 2) {
        in_case("a file of %zu bytes, which are no numbers", length);
        expect_strange(bytes, length);
    }
}

TEST(file_streams, .stage = ROBUST, .needs = "file_survives", .pair = "file",
     .judges = SERVER, .points = 1, .step = 1,
     .name =
         "a server without any of its standard streams writes its numbers, and only them",
     .hint_unix =
         "Open /dev/null first until the numbers 0 to 2 are in use. Otherwise the file "
         "becomes standard output, and the transcript is written into it.",
     .hint_win32 = "Do not depend on a standard handle: GetStdHandle may return NULL.")
{
    for (unsigned closed = 1; closed <= 7; closed++) {
        const char *name = text("numbers%u", closed);
        expect_end(start_with(SERVER, (struct start_options){.closed = closed}, name, "2",
                              NULL),
                   0);
        expect_two_numbers(name);
    }
}

#define RECORDS_USAGE                                                              \
    "Accept at most two arguments, and for COUNT a whole number up to 1,000,000. " \
    "Otherwise print a usage line and exit with 2."

TEST(file_usage, .stage = COMPLETE, .needs = "file_survives", .pair = "file",
     .judges = PAIR, .points = 1, .step = 1,
     .name = "wrong arguments of either are a usage line, and exit code 2",
     .hint = RECORDS_USAGE, .client_step = 1, .client_hint = RECORDS_USAGE)
{
    for (int role = SERVER; role <= CLIENT; role++) {
        struct program *program = start((enum role)role, "numbers", "1000001", NULL);
        wait_error_like(program, "usage: *");
        expect_end(program, 2);
        expect_end(start((enum role)role, "numbers", "1", "1", NULL), 2);
    }
}

/* ---- server_sysv and client_sysv ---------------------------------------------------- */

/* System V objects have no names that show which test made them. So the checker does not
 * remove what a failed test has left, if other processes can see it. */
static struct program *start_sysv(const char *key, const char *count)
{
    struct program *server = start(SERVER, key, count, NULL);
    wait_line(server, "server: ready %s", key);
    return server;
}

#define KEY_USAGE                                                                   \
    "Accept for KEY a number as in C, from 1 to 0x7FFFFFFF, and for COUNT a whole " \
    "number. Otherwise print a usage line and exit with 2."

TEST(sysv_numbers, .pair = "sysv", .judges = PAIR, .points = 3, .step = 5,
     .name = "many numbers pass by System V, each once, in order",
     .hint_unix =
         "Create the semaphores and the segment with KEY, not with IPC_PRIVATE. Let "
         "semop() only wake; decide by `unread`, with SEM_MUTEX taken.",
     .client_step = 5,
     .client_hint_unix =
         "Open the semaphores and the segment with KEY. Let semop() only wake; decide by "
         "`unread`, with SEM_MUTEX taken.")
{
    const char *key = fresh_key();
    struct program *server = start_sysv(key, text("%ld", many()));
    struct program *client = start(CLIENT, key, "0", NULL);
    expect_first_numbers(client, many());
    wait_line(server, "server: done");
    expect_end(server, 0);
    expect_lines(server, "server: sent", (size_t)many());
}

TEST(sysv_keeps_unread, .stage = COMPLETE, .needs = "sysv_numbers", .pair = "sysv",
     KEEPS_UNREAD, .unix_only = true,
     .hint_unix =
         "Wait for room without a limit: semop(). If semtimedop() fails with EAGAIN, "
         "there is still no room.")
{
    struct program *server = start(SERVER, fresh_key(), "0", NULL);
    expect_no_overwriting(server);
    end_server(server);
}

TEST(sysv_shmctl, .stage = COMPLETE, .needs = "sysv_numbers", .pair = "sysv",
     .judges = SERVER, .points = 1, .step = 4,
     .name = "shmctl() shows the segment, changes its mode, and locks it if that is "
             "permitted",
     .hint_unix = "Call shmctl() with IPC_STAT, IPC_SET, SHM_LOCK and SHM_UNLOCK.")
{
    struct program *server = start_sysv(fresh_key(), "0");
    wait_line_like(server, "server: segment of 260 bytes, mode 640, attached by 1");
    wait_line_like(server, "server: *[lL][oO][cC][kK]*");
    end_server(server);
    look_at(SERVER, 1, KEY_USAGE);
    expect_end(start(SERVER, "word", NULL), 2);
}

TEST(sysv_next_client, .stage = COMPLETE, .needs = "sysv_numbers", .pair = "sysv",
     .judges = PAIR, .points = 2, .step = 5,
     .name = "the next client continues, an idle server uses no processor, a second "
             "program of either kind is refused",
     .hint_unix = "Wait in semop(). With IPC_NOWAIT on SEM_ALIVE it fails with EAGAIN if "
                  "another server runs.",
     .client_step = 3,
     .client_hint_unix =
         "Take SEM_CLIENT with SEM_UNDO | IPC_NOWAIT: EAGAIN means that another "
         "client reads.")
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

TEST(sysv_killed, .stage = ROBUST, .needs = "sysv_numbers", .pair = "sysv",
     .judges = PAIR, .points = 3, .step = 5,
     .name = "either program is killed at any moment: the client reports it, or the "
             "next one continues, and the next server cleans up",
     .hint_unix = "Use SEM_UNDO for SEM_MUTEX and SEM_ALIVE, and not for the wake-ups. "
                  "Remove the segment and the set of a killed server.",
     .client_step = 4,
     .client_hint_unix =
         "Use SEM_UNDO for SEM_MUTEX and SEM_CLIENT. If SEM_ALIVE is 0, or semop() "
         "fails with EIDRM, look once more and exit.")
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

/* Stops `client` at a moment when it does not own the mutex: the server would wait for it. */
static void stop_outside(struct program *client, const char *key)
{
    int set = semget((key_t)strtol(key, NULL, 0), 0, 0);
    for (int tries = 0; tries < 100; tries++) {
        wait_line_like(client, "client: received *");
        send_signal(client, SIGSTOP);
        /* The server blocks then, too: it has no room, or not the mutex. */
        int looks = 0;
        while (semctl(set, SEM_ROOM, GETNCNT) < 1 &&
               semctl(set, SEM_MUTEX, GETNCNT) < 1) {
            if (++looks == 10000)
                fail_test("the server does not sleep though its number is unread");
            usleep(1000);
        }
        if (semctl(set, SEM_MUTEX, GETVAL) == 1)
            return;
        send_signal(client, SIGCONT); /* it owned the mutex: try again, later */
        let_block();
    }
    fail_test("the client always owns the mutex when it is stopped");
}

TEST(sysv_sleeper, .stage = ROBUST, .needs = "sysv_numbers", .pair = "sysv",
     .judges = PAIR, .points = 2, .step = 4,
     .name = "a client that was stopped while its server ended reads the last number, "
             "and reports a kill but not Ctrl-C",
     .hint_unix = "Set `state` to ENDED before you remove the semaphores.",
     .client_step = 4,
     .client_hint_unix =
         "Call semop() again if it fails with EINTR: so it does after SIGSTOP and "
         "SIGCONT. Decide by `state`, not by the semaphores: the next server "
         "removes them as well.")
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
    sysv_at_once, .stage = COMPLETE, .needs = "sysv_numbers", .pair = "sysv",
    .judges = SERVER, .points = 2, .step = 2,
    .name = "of two servers that start at the same time one is refused, and one serves",
    .hint_unix = "Test SEM_ALIVE for 0 and add 1 to it in one semop() of two operations.")
{
    for (int round = 0; round < (instrumented() ? 3 : 100); round++) {
        const char *key = fresh_key();
        struct program *servers[2];
        if (round % 2 == 1) /* a killed server has left its objects */
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

TEST(sysv_none, .stage = COMPLETE, .needs = "sysv_numbers", .pair = "sysv",
     .judges = CLIENT, .points = 1, .step = 2,
     .name = "without a server, or with wrong arguments, the client reports it",
     .hint_unix =
         "Call semget() without IPC_CREAT: it fails with ENOENT (error 2) if there "
         "is no server.")
{
    const char *key = fresh_key();
    struct program *client = start(CLIENT, key, NULL);
    wait_error_like(client, "client: *error 2: *");
    expect_end(client, 1);
    key_t made = (key_t)strtol(key, NULL, 0);
    if (semget(made, 0, 0) != -1 || shmget(made, 0, 0) != -1)
        fail_test("expected the client to create nothing, but it has created semaphores "
                  "or a segment of KEY");
    look_at(CLIENT, 1, KEY_USAGE);
    expect_end(start(CLIENT, "0", NULL), 2);
    expect_end(start(CLIENT, "1", "x", NULL), 2);
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

TEST(
    many_readers, .pair = "rwlock", .judges = PAIR, .points = 2, .step = 3,
    .name = "several readers are inside at once, and read the latest number",
    .hint_unix =
        "Write with pthread_rwlock_timedwrlock() or pthread_rwlock_wrlock(), and "
        "release the lock before you print.",
    .hint_win32 = "Release the semaphore after each number, so that readers can come in.",
    .client_step = 3,
    .client_hint_unix =
        "Take the lock with pthread_rwlock_rdlock(): many readers can hold it. A "
        "mutex lets in only one.",
    .client_hint_win32 =
        "Let only the first reader take the semaphore. A mutex around the whole "
        "visit lets in only one.")
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
        close_input(clients[i]); /* it leaves at end of file */
        wait_line(clients[i], "client: done");
        expect_end(clients[i], 0);
    }
    send_bytes(server, "last", 4); /* a last line without its newline is a line */
    close_input(server);
    wait_line(server, "server: sent \"6334\"");
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(writer_waits, .stage = COMPLETE, .needs = "many_readers", .pair = "rwlock",
     .judges = PAIR, .points = 3, .step = 4,
     .name = "the writer waits until the last reader is outside, without using the "
             "processor",
     .hint_unix =
         "Take the lock for writing. If it never wakes, the lock is private: call "
         "pthread_rwlockattr_setpshared() with PTHREAD_PROCESS_SHARED.",
     .hint_win32 = "Wait for the semaphore with INFINITE.", .client_step = 3,
     .client_hint_unix =
         "Call pthread_rwlock_unlock() once for each pthread_rwlock_rdlock().",
     .client_hint_win32 =
         "Let the last reader release the semaphore that the first one took. Count "
         "the readers in the memory.")
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
    expect_lines(server, "server: sent", 1);
    let_out(second);
    wait_line(server, "server: sent \"18467\"");
    let_in(second, "18467");
    let_in(first, "18467");
    let_out(first);
    let_out(second);
    for (int i = 0; i < 3; i++) { /* in and out, several times */
        let_in(first, "18467");
        let_out(first);
    }
    press_enter(server);
    wait_line(server, "server: sent \"6334\"");
    close_input(server);
    expect_end(server, 0);
    let_in(first, "6334"); /* it still has the memory mapped */
    close_input(first);
    close_input(second);
    expect_end(first, 0);
    expect_end(second, 0);
}

TEST(board_stopped, .stage = COMPLETE, .needs = "many_readers", .pair = "rwlock",
     .judges = SERVER, .points = 1, .step = 4, .unix_only = true,
     .name = "Ctrl-C ends the writer in order, also while it waits for a reader that "
             "stays inside",
     .hint_unix = "Use pthread_rwlock_timedwrlock() and look at the flag when it returns "
                  "ETIMEDOUT. No signal ends pthread_rwlock_wrlock().")
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
    expect_lines(server, "server: sent", 1);
    close_input(client);
    expect_end(client, 0);
}

TEST(board_alone, .stage = ROBUST, .needs = "many_readers", .pair = "rwlock",
     .judges = PAIR, .points = 1, .step = 2,
     .name = "one server per name, no client without a server, and a killed server is "
             "replaced",
     .hint_unix =
         "Lock the byte LOCK_SERVER with fcntl(F_SETLK), and replace an object that "
         "nobody has locked.",
     .hint_win32 = "Check GetLastError() after CreateMutex of NAME-server for "
                   "ERROR_ALREADY_EXISTS.",
     .client_step = 2,
     .client_hint_unix = "Check shm_open(): it fails with ENOENT if there is no server.",
     .client_hint_win32 =
         "Check OpenFileMapping: it fails with error 2 if there is no server.")
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
    static const char usage[] = "Accept at most one argument. Otherwise print a usage "
                                "line and exit with 2.";
    look_at(SERVER, 1, usage);
    look_at(CLIENT, 1, usage);
    expect_end(start(SERVER, name, "x", NULL), 2);
    expect_end(start(CLIENT, name, "x", NULL), 2);
}

TEST(
    board_empty, .stage = ROBUST, .needs = "many_readers", .pair = "rwlock",
    .judges = PAIR, .points = 1, .step = 2, .unix_only = true,
    .name =
        "an object without a size is refused by a client, and is no obstacle to a server",
    .hint_unix =
        "Give the object its size with ftruncate() or posix_fallocate() also if it "
        "exists. Access to an object of 0 bytes is SIGBUS.",
    .client_step = 2,
    .client_hint_unix =
        "Compare the size of fstat() with sizeof(struct board) before mmap(). "
        "Access beyond the end of the object is SIGBUS.")
{
    const char *name = token();
    struct program *killed = start_mapping("empty", name);
    struct program *client = start(CLIENT, name, NULL);
    wait_error_like(client, "client: *");
    expect_end(client, 1);
    kill_program(killed);
    struct program *server = start_board(name);
    close_input(server);
    wait_line(server, "server: done");
    expect_end(server, 0);
}

TEST(board_streams, .stage = ROBUST, .needs = "many_readers", .pair = "rwlock",
     .judges = SERVER, .points = 1, .step = 1,
     .name = "a server without standard output or standard error writes its numbers",
     .hint_unix =
         "Open /dev/null first until the numbers 0 to 2 are in use. Otherwise the object "
         "becomes standard output, and the transcript is written over the lock.",
     .hint_win32 = "Do not depend on a standard handle: GetStdHandle may return NULL.")
{
    for (unsigned closed = 2; closed <= 6; closed += 2) {
        struct program *server =
            start_with(SERVER, (struct start_options){.closed = closed}, token(), NULL);
        for (int i = 0; i < 30; i++)
            press_enter(server);
        close_input(server);
        expect_end(server, 0);
        if ((closed & 2) == 0)
            expect_lines(server, "server: sent", 30);
    }
    look_at(SERVER, 3, UNREAD_HINT);
    const char *name = token();
    struct program *server = start(SERVER, name, NULL);
    wait_line(server, "server: ready %s", name);
    close_output(server);
    press_enter(server);
    press_enter(server);
    close_input(server);
    expect_end(server, 0);
}

/* ---- The table ---------------------------------------------------------------------- */

static struct program *start_table(const char *first, const char *second,
                                   const char *third)
{
    return start_with(SERVER, (struct start_options){.name = "table"}, first, second,
                      third, NULL);
}

TEST(table_adds_up, .judges = SERVER, .only = "table", .points = 2, .step = 3,
     .name = "many processes change a table at once under a mutex, and the sum is right",
     .hint_unix =
         "Call pthread_mutexattr_setpshared() with PTHREAD_PROCESS_SHARED, and hold "
         "the mutex from the load to the store.",
     .hint_win32 =
         "Let the processes inherit one mutex, and hold it from the load to the "
         "store.")
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

TEST(table_unlocked, .stage = COMPLETE, .needs = "table_adds_up", .judges = SERVER,
     .only = "table", .points = 1, .step = 4,
     .name = "without the mutex updates are lost, and table reports the sum",
     .hint_unix = "With --unlocked call sched_yield() between the load and the store.",
     .hint_win32 = "With --unlocked call SwitchToThread between the load and the store.")
{
    /* On a busy machine each yield can take milliseconds, and a few updates are enough to
     * lose one. On a quiet one a process may be done before the next has started. */
    static const char *const runs[][2] = {{"1000", "table: sum * of 8000"},
                                          {"10000", "table: sum * of 80000"},
                                          {"50000", "table: sum * of 400000"}};
    const char *line = NULL;
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        struct program *table = start_table("--unlocked", "8", runs[i][0]);
        line = wait_line_like(table, runs[i][1]);
        long sum = strtol(line + strlen("table: sum "), NULL, 10);
        bool lost = sum < 8 * atol(runs[i][0]);
        look_at(SERVER, 4,
                "Compare the sum with PROCESSES * UPDATES: exit with 0 if they "
                "are equal, else with 1.");
        expect_end(table, lost ? 1 : 0);
        look_at(SERVER, 0, NULL);
        if (lost)
            return;
    }
    fail_test("no update was lost: %s", line);
}

TEST(table_killed, .stage = ROBUST, .needs = "table_adds_up", .judges = SERVER,
     .only = "table", .points = 1, .step = 4,
     .name = "a process that is killed at its work is an error",
     .hint_unix = "Call waitpid() for each process, and check its status.",
     .hint_win32 =
         "Wait for each process, and check its exit code with GetExitCodeProcess.")
{
    if (instrumented())
        skip_test("a child that has not called exec goes by the name of valgrind");
    /* So much work that the processes still run when they are killed. */
    const char *processes = under_test() == UNIX ? "64" : "2";
    struct program *table = start_table(processes, "30000000", NULL);
    wait_line(table, "table: %s processes, 30000000 updates each", processes);
    kill_child(table, "table");
    wait_line(table, "table: done");
    expect_end(table, 1);
    /* Under Wine the exit code of a killed process is 0: only the sum is wrong. */
    if (under_test() == UNIX || on_windows())
        wait_error_like(table, "table: *");
}

TEST(
    table_child_signal, .stage = ROBUST, .needs = "table_adds_up", .judges = SERVER,
    .only = "table", .unix_only = true, .points = 1, .step = 3,
    .name =
        "table waits for its own processes, also if it was started with SIGCHLD ignored or has another child",
    .hint =
        "With SIGCHLD ignored waitpid() fails with ECHILD: set it to SIG_DFL before fork().")
{
    struct program *table = start_with(
        SERVER, (struct start_options){.name = "table", .ignores_children = true}, "2",
        "10", NULL);
    wait_line(table, "table: sum 20 of 20");
    expect_end(table, 0);
    look_at(
        SERVER, 4,
        "Call waitpid() with the number of each process: wait() also returns children "
        "that the process had before exec().");
    const char *script = text("#!/bin/sh\nsleep 100 & echo child $!\nexec '%s' \"$@\"\n",
                              path_of(SERVER, "table"));
    struct start_options other = {
        .name = "table", .file = write_file("starter", script, strlen(script), 0755)};
    /* That child ends while the table's processes are at work, which takes some tenths of a second. */
    long updates = instrumented() ? 10 : 10000000;
    table = start_with(SERVER, other, "2", text("%ld", updates), NULL);
    pid_t child = process_told(
        (pid_t)strtol(wait_line_like(table, "child *") + 6, NULL, 10));
    wait_line_like(table, "table: 2 processes*");
    kill(child, SIGKILL);
    wait_line(table, "table: sum %ld of %ld", 2 * updates, 2 * updates);
    expect_end(table, 0);
}

TEST(table_usage, .stage = COMPLETE, .needs = "table_adds_up", .judges = SERVER,
     .only = "table", .points = 1, .step = 1,
     .name = "wrong arguments are a usage line on standard error, and exit code 2",
     .hint = "Accept at most two numbers, of up to 64 processes and 30,000,000 updates. "
             "Otherwise print a line that begins with \"usage: \" on standard error, and "
             "exit with 2.")
{
    static const char *const wrong[][3] = {
        {"65"}, {"1", "30000001"}, {"one"}, {"1", "1", "1"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct program *table = start_table(wrong[i][0], wrong[i][1], wrong[i][2]);
        wait_error_like(table, "usage: *");
        expect_end(table, 2);
    }
}

/* ---- What `make run` shows ---------------------------------------------------------- */

static void conversation(void)
{
    const char *name = token();
    narrate(
        "The server creates 256 bytes of shared memory, writes a random number there, and\n"
        "waits until it has been read. The client opens the same memory by its name.");
    struct program *server = start_server(name, "5");
    struct program *client = start(CLIENT, name, "0", NULL);
    expect_end(client, 0);
    expect_end(server, 0);
    if (only_pair())
        return;
    narrate("The same with only a mutex, as in the listing. The server writes every 50\n"
            "milliseconds, until Ctrl-C. The client looks every 20: numbers repeat.");
    server = start_with(SERVER, (struct start_options){.name = "server_mutex_only"}, name,
                        "0", "50", NULL);
    wait_line(server, "server: sent \"41\"");
    client = start_with(CLIENT, (struct start_options){.name = "client_mutex_only"}, name,
                        "6", "20", NULL);
    expect_end(client, 0);
    send_signal(server, SIGINT);
    expect_end(server, 0);
}

CHECKER("04-shared-memory", "shared memory")
