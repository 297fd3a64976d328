/*
 * client_mqueue.c - write messages into a POSIX message queue, with a priority.
 *
 * Usage: client_mqueue [-p PRIORITY] [QUEUE [MESSAGE...]]
 *
 * Sends each MESSAGE (the three of the report) to the server that made QUEUE
 * (/sample_mailslot), with PRIORITY (0), from 0 to 31: of the messages that wait, the highest
 * is read first. Exit code 0 if all were sent, else 1.
 *
 * A pair of its own with server_mqueue.c; the same steps as client.c.
 * To try: client_mqueue -p 9 /sample_mailslot urgent; client_mqueue /nobody.
 */
#define PROGRAM "client"

#include <fcntl.h>
#include <mqueue.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static bool is_priority(const char *text);
static mqd_t open_queue(const char *name);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: which queue, and what to write into it, how urgently. */
    static const char *const usual[] = DEFAULT_MESSAGES();
    bool urgent = argc > 1 && strcmp(argv[1], "-p") == 0;
    if (urgent && (argc == 2 || !is_priority(argv[2]))) {
        say(stderr,
            "usage: client_mqueue [-p PRIORITY] [QUEUE [MESSAGE...]], "
            "PRIORITY from 0 to %d",
            HIGHEST_PRIORITY);
        return 2;
    }
    unsigned priority = urgent ? (unsigned)atoi(argv[2]) : 0;
    if (urgent) {
        argc -= 2;
        argv += 2;
    }
    const char *const *messages = argc > 2 ? (const char *const *)argv + 2 : usual;
    size_t count = argc > 2 ? (size_t)argc - 2 : sizeof usual / sizeof *usual;

    /* STEP 2: Open the queue. That fails if no server has made it. A queue whose server was
     * killed is there still, and takes messages for the next. */
    mqd_t queue = open_queue(argc > 1 ? argv[1] : "/" DEFAULT_NAME);

    /* STEP 3: Write each message with one call. While the queue is full, it waits. A message
     * longer than the queue's limit is refused whole: EMSGSIZE. */
    for (size_t i = 0; i < count; i++) {
        if (mq_send(queue, messages[i], strlen(messages[i]), priority) == -1)
            fail("mq_send");
        char *text = quoted(messages[i], strlen(messages[i]));
        say(stdout, "client: sent %s", text);
        free(text);
    }

    /* STEP 4: Close the queue. The owner does not notice: there is no connection. */
    if (mq_close(queue) == -1)
        fail("mq_close");
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

static bool is_priority(const char *text)
{
    char *end;
    long priority = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && priority <= HIGHEST_PRIORITY;
}

static mqd_t open_queue(const char *name)
{
    mqd_t queue = mq_open(name, O_WRONLY | O_CLOEXEC);
    if (queue == (mqd_t)-1) {
        int error = errno; /* the next call may change errno */
        if (error == ENOENT)
            say(stderr, "client: no server owns %s", name);
        fail_with(error, "mq_open");
    }
    return queue;
}
