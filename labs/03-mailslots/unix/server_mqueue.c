/*
 * server_mqueue.c - as server.c, with a POSIX message queue, which has priorities.
 *
 * Usage: server_mqueue [QUEUE [COUNT]]
 *
 * Creates QUEUE (/sample_mailslot). Reads messages, the highest priority first, and
 * prints them, until COUNT messages have come (0, the default: no limit) or until
 * Ctrl-C. Then removes QUEUE. Messages that a killed server has not read are there for
 * the next one. Exit code 0, or 1 if another server reads the queue or a call fails.
 *
 * Its client: client_mqueue.c. The steps are those of server.c.
 * To try: server_mqueue & ls -l /dev/mqueue; kill -STOP %1, client_mqueue with and
 * without -p 9, kill -CONT %1: which message is read first?
 */
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "contract.h"
#include "ipclab.h"

#define QUEUE_MODE 0600

static const char *name; /* of the queue */

static mqd_t create_queue(void);
static void remove_queue(void);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the queue's name, and how many messages to read. */
    begin_program("server", "[QUEUE [COUNT]]", &argv);
    if (argc > 3)
        usage_exit();
    name = argc > 1 ? argv[1] : "/" SLOT_NAME;
    long count = argc > 2 ? parse_long("COUNT", argv[2], 0, MAX_COUNT) : 0;

    /* STEP 2: Create the queue. From now on clients can send messages, which wait in the
     * queue until they are read. */
    mqd_t queue = create_queue();
    end_on_interrupt(remove_queue);
    signal(SIGPIPE, SIG_IGN); /* if nobody reads our output, go on */
    log_event("server: ready %s", name);

    struct mq_attr limits;
    if (mq_getattr(queue, &limits) == -1)
        sys_error("mq_getattr");
    char *message = allocate((size_t)limits.mq_msgsize);

    for (long number = 0; count == 0 || number < count; number++) {
        /* STEP 3: Wait for a message, and read it whole. mq_receive() fails with
         * EMSGSIZE if the buffer has less room than the queue's longest message needs. */
        unsigned priority;
        ssize_t length = mq_receive(queue, message, (size_t)limits.mq_msgsize, &priority);
        if (length == -1)
            sys_error("mq_receive");

        /* STEP 4: Print the message. */
        log_text("server: received", message, (size_t)length);
        if (priority > 0)
            log_event("server: its priority was %u", priority);
    }

    /* STEP 5: Remove the queue's name. The queue and its messages go with the last
     * descriptor. */
    free(message);
    claim_end(); /* so that Ctrl-C does not remove the next server's queue */
    remove_queue();
    if (mq_close(queue) == -1)
        sys_error("mq_close");
    log_last("server: done");
    return EXIT_SUCCESS;
}

/* Creates the queue, or opens the one that a killed server has left, and locks it. Without
 * the lock two servers could read from it, and each message would go to only one of them. The
 * lock goes with the process. */
static mqd_t create_queue(void)
{
    /* No attributes (NULL): the queue gets the usual limits, msg_default messages of at
     * most msgsize_default bytes, both in /proc/sys/fs/mqueue. */
    mqd_t queue = mq_open(name, O_RDONLY | O_CREAT, QUEUE_MODE, NULL);
    if (queue == (mqd_t)-1)
        sys_error("mq_open");
    if (flock(queue, LOCK_EX | LOCK_NB) == -1) /* on Linux a queue is a descriptor */
        sys_error("flock");                    /* EWOULDBLOCK: another server has it */

    /* Another server may have removed the name between mq_open() and flock(). No client
     * can open that queue: create another one. */
    struct stat status;
    if (fstat(queue, &status) == -1)
        sys_error("fstat");
    if (status.st_nlink > 0)
        return queue;
    if (mq_close(queue) == -1)
        sys_error("mq_close");
    return create_queue();
}

/* Removes the queue's name, also on Ctrl-C: it would stay until the system is
 * restarted. */
static void remove_queue(void)
{
    if (mq_unlink(name) == -1)
        log_sys_error("mq_unlink");
}
