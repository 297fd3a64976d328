/*
 * stages.c - a checker whose tests fail as FAIL tells them to, for the script beside it, which looks
 * at what is run, blocked and counted.
 *
 * FAIL is a list of ids with blanks between them: those tests fail. "ID@server" fails only where that
 * file is the server.
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
        char *file = strchr(word, '@');
        if (file != NULL)
            *file++ = '\0';
        if (strcmp(word, id) == 0 &&
            (file == NULL || strstr(path_of(SERVER, NULL), file) != NULL))
            fail_test("made to fail");
    }
}

TEST(last, .stage = ROBUST, .needs = "second", .judges = SERVER, .points = 4,
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
    struct program *server = start(SERVER, NULL);
    wait_line_like(server, "server: *");
    look_at(SERVER, 0, NULL);
    obey("first");
}

TEST(second, .stage = COMPLETE, .needs = "first", .judges = SERVER, .points = 2,
     .name = "a test that needs the first", .hint = "hint of second")
{
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

static void conversation(void)
{
}

CHECKER("stages", "the stages of tests")
