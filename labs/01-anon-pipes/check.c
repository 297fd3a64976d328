#include "harness.h"
#include "contract.h"
static void conversation(void)
{
    narrate("The server makes two pipes and starts the client with them.");
    expect_end(start(SERVER, "3", NULL), 0);
}
TEST(ten_messages, .judges = PAIR, .points = 2, .step = 5, .name = "ten messages are echoed in order", .hint="x")
{
    struct program *server = start(SERVER, NULL);
    for (int i = 1; i <= 10; i++) wait_line(server, "server: received \"message num %d\"", i);
    wait_line(server, "server: done");
    expect_end(server, 0);
}
TEST(bad, .judges = PAIR, .points = 2, .step = 5, .name = "bad", .hint="x")
{
    struct program *server = start(SERVER, NULL);
    wait_line(server, "server: donex");
}
CHECKER("01-anon-pipes", "anonymous pipes")
