/*
 * stages.c - a checker whose tests fail if FAIL names them, for the script tests/stages, which
 * checks what is run, blocked and counted.
 *
 * FAIL is a list of ids with blanks between them: those tests fail. "ID@server" fails only if
 * that file is the server, "ID%client" only if that file is the client.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fails the test `id` if FAIL lists it. The server prints its own name. */
static void obey(const char *id)
{
    const char *list = getenv("FAIL");
    for (char *rest = text("%s", list != NULL ? list : ""), *word;
         (word = strsep(&rest, " ")) != NULL;) {
        char *file = strpbrk(word, "@%");
        enum role role = file != NULL && *file == '%' ? CLIENT : SERVER;
        if (file != NULL)
            *file++ = '\0';
        if (strcmp(word, id) == 0 &&
            (file == NULL || strstr(path_of(role, NULL), file) != NULL))
            fail_test("made to fail");
    }
}

TEST(last, .stage = ROBUST, .needs = "second", .judges = PAIR, .points = 4,
     .name = "the last stage comes last, wherever it is in the source",
     .hint = "hint of last")
{
    obey("last");
}

TEST(first, .judges = PAIR, .points = 1, .step = 1, .name = "the pair's first test",
     .hint = "hint of first", .client_step = 1, .client_hint = "client hint of first")
{
    look_at(SERVER, 7, "hint of the start");
    obey("start");
    look_at(SERVER, 6, "Listen, then " LINE_AT_ONCE);
    obey("ready");
    look_at(SERVER, 7, "hint of the start");
    look_at(CLIENT, 8, "client hint of the start");
    look_at_error(CLIENT, "write: *", 8, "client hint of an error at the start");
    obey("both");
    look_at(CLIENT, 0, NULL);
    struct program *server = start(SERVER, NULL);
    wait_line_like(server, "server: *");
    look_at(SERVER, 0, NULL);
    if (getenv("SILENT") != NULL) { /* the client prints nothing for that many seconds */
        look_at(CLIENT, 9, "client hint of the end." EACH_AT_ONCE);
        look_at_waiting(CLIENT, "open", "client hint of a wait");
        look_at_error(CLIENT, "open: error *", 8, "client hint of an error");
        wait_line(start(CLIENT, getenv("SILENT"), NULL), "slow");
    }
    obey("first");
}

TEST(second, .stage = COMPLETE, .needs = "first", .judges = SERVER, .points = 2,
     .name = "a test that needs the first", .hint = "hint of second")
{
    wait_line_like(start(SERVER, NULL), "server: *");
    obey("second");
}

TEST(alone, .stage = COMPLETE, .judges = CLIENT, .points = 2,
     .name = "a test of the client", .needs = "first", .hint = "hint of alone")
{
    obey("alone");
}

TEST(third, .stage = COMPLETE, .judges = SERVER, .points = 3,
     .name = "a test that needs none", .hint = "hint of third")
{
    obey("third");
}

/* SLOW: the server prints its line after that many seconds. */
TEST(slow_1, .stage = ROBUST, .judges = SERVER, .points = 1,
     .name = "the first slow test", .hint = "hint of slow_1")
{
    wait_line(start(SERVER, getenv("SLOW"), NULL), "slow");
}

TEST(slow_2, .stage = ROBUST, .judges = SERVER, .points = 1,
     .name = "the second slow test", .hint = "hint of slow_2")
{
    wait_line(start(SERVER, getenv("SLOW"), NULL), "slow");
}

TEST(slow_3, .stage = ROBUST, .judges = SERVER, .points = 1,
     .name = "the third slow test", .hint = "hint of slow_3")
{
    wait_line(start(SERVER, getenv("SLOW"), NULL), "slow");
}

TEST(elsewhere, .stage = ROBUST, .win32_only = true, .judges = SERVER, .points = 1,
     .name = "a test of the other system", .hint = "hint of elsewhere")
{
}

TEST(tool, .stage = ROBUST, .win32_only = true, .only = "tool", .points = 1,
     .name = "a test of another program of the lab", .hint = "hint of tool")
{
}

static void conversation(void)
{
}

CHECKER("stages", "the stages of tests")
