/*
 * server_mqueue.c - the slot as a POSIX message queue, whose messages have priorities.
 *
 * Usage: server_mqueue [QUEUE [COUNT]]
 *
 * Makes QUEUE (/sample_mailslot), reads messages, the highest priority first, and prints them,
 * until COUNT (0: no end) have come, or Ctrl-C or SIGTERM; then removes QUEUE. Messages that
 * came before a server was killed are there for the next. Exit code 0, or 1 where the queue has
 * a reader already or a call fails.
 *
 * A pair of its own with client_mqueue.c; the same steps as server.c.
 * To try: server_mqueue & ls -l /dev/mqueue; kill -STOP %1, then client_mqueue with and
 * without -p 9, then kill -CONT %1: which comes first?
 */
#define PROGRAM "server"

#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static bool is_count(const char *text);
static int catch_signals(void);
static mqd_t own(const char *name, struct mq_attr *limits);
static bool wait_for_message(mqd_t queue, int signals);
static void print_message(mqd_t queue, char *bytes, size_t room);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: which queue, and how many messages to read. */
    if (argc > 3 || (argc > 2 && !is_count(argv[2]))) {
        say(stderr, "usage: server_mqueue [QUEUE [COUNT]], COUNT from 0 to %d",
            MAX_COUNT);
        return 2;
    }
    const char *name = argc > 1 ? argv[1] : "/" DEFAULT_NAME;
    long count = argc > 2 ? atol(argv[2]) : 0;

    /* STEP 2: Ask to be told of Ctrl-C, instead of being ended by it: a queue outlives all
     * processes until somebody removes it. */
    int signals = catch_signals();

    /* STEP 3: Make the queue. From now on messages may come, and wait until they are read. */
    struct mq_attr limits;
    mqd_t queue = own(name, &limits);
    say(stdout, "server: ready %s", name);
    say(stdout, "server: room for %ld messages of %ld bytes, %ld wait", limits.mq_maxmsg,
        limits.mq_msgsize, limits.mq_curmsgs);
    char *bytes = malloc((size_t)limits.mq_msgsize);
    if (bytes == NULL)
        fail("malloc");

    for (long number = 0; count == 0 || number < count; number++) {
        /* STEP 4: Wait for a message or for Ctrl-C, whichever comes first. On Linux a queue
         * is a descriptor that poll can wait for; elsewhere there is mq_notify. */
        if (!wait_for_message(queue, signals))
            break;

        /* STEP 5: Read one message, whole, and print it. */
        print_message(queue, bytes, (size_t)limits.mq_msgsize);
    }

    /* STEP 6: Remove the queue's name. With the last descriptor its messages go, too. */
    free(bytes);
    if (mq_unlink(name) == -1)
        fail("mq_unlink");
    if (mq_close(queue) == -1)
        fail("mq_close");
    if (close(signals) == -1)
        fail("close");
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

static bool is_count(const char *text)
{
    char *end;
    long count = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && count <= MAX_COUNT;
}

/* Returns a descriptor that becomes readable when Ctrl-C (SIGINT) or SIGTERM comes. So poll can
 * wait for it beside the slot; elsewhere than on Linux a handler writes into a pipe for that. */
static int catch_signals(void)
{
    sigset_t ending;
    if (sigemptyset(&ending) == -1 || sigaddset(&ending, SIGINT) == -1 ||
        sigaddset(&ending, SIGTERM) == -1)
        fail("sigaddset");
    if (sigprocmask(SIG_BLOCK, &ending, NULL) == -1)
        fail("sigprocmask");
    int signals = signalfd(-1, &ending, SFD_CLOEXEC);
    if (signals == -1)
        fail("signalfd");
    return signals;
}

/* Makes the queue, or opens the one that a killed server left; ends the program if it has a
 * reader already. */
static mqd_t own(const char *name, struct mq_attr *limits)
{
    /* Without attributes, the system's usual ones: msg_default messages of msgsize_default
     * bytes, from /proc/sys/fs/mqueue; a user may ask for msg_max of msgsize_max. */
    mqd_t queue = mq_open(name, O_RDONLY | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR, NULL);
    if (queue == (mqd_t)-1)
        fail("mq_open");
    /* Any number of processes may read from a queue, each message going to one of them. So
     * that there is one owner takes a lock, which goes with the process. */
    if (flock(queue, LOCK_EX | LOCK_NB) == -1) {
        int error = errno; /* the next call may change errno */
        if (error == EWOULDBLOCK)
            say(stderr, "server: another server reads %s", name);
        fail_with(error, "flock");
    }
    /* The owner before may have removed the name in between: a queue without one is no slot. */
    struct stat facts;
    if (fstat(queue, &facts) == -1)
        fail("fstat");
    if (facts.st_nlink == 0) {
        if (mq_close(queue) == -1)
            fail("mq_close");
        return own(name, limits);
    }
    if (mq_getattr(queue, limits) == -1)
        fail("mq_getattr");
    return queue;
}

/* Returns true when a message waits, false when a signal has come. The signal counts first: or
 * a server that is never out of messages would never end. */
static bool wait_for_message(mqd_t queue, int signals)
{
    struct pollfd ready[] = {{.fd = signals, .events = POLLIN},
                             {.fd = queue, .events = POLLIN}};
    if (poll(ready, 2, -1) == -1)
        fail("poll");
    return ready[0].revents == 0;
}

/* Reads the next message and prints it. `room` is the queue's limit, or the read is refused. */
static void print_message(mqd_t queue, char *bytes, size_t room)
{
    unsigned priority;
    ssize_t length = mq_receive(queue, bytes, room, &priority);
    if (length == -1)
        fail("mq_receive");
    char *text = quoted(bytes, (size_t)length);
    say(stdout, "server: received %s", text);
    free(text);
    if (priority > 0)
        say(stdout, "server: its priority was %u", priority);
}
