/*
 * client_mqueue.c - as client.c, with a POSIX message queue, which has priorities.
 *
 * Usage: client_mqueue [-p PRIORITY] [QUEUE [MESSAGE...]]
 *
 * Sends each MESSAGE (by default the report's three) to the server that owns QUEUE
 * (/sample_mailslot), with PRIORITY, from 0 (the default) to 31. Of the messages that
 * wait, the server reads the one with the highest priority first. Exit code 0 if all
 * were sent, else 1.
 *
 * Its server: server_mqueue.c. The steps are those of client.c.
 * To try: client_mqueue -p 9 /sample_mailslot urgent; client_mqueue /nobody.
 */
#include <fcntl.h>
#include <mqueue.h>

#include "contract.h"
#include "ipclab.h"

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: the priority, the queue's name, and the messages. */
    static char *defaults[] = {DEFAULT_MESSAGES, NULL};
    begin_program("client", "[-p PRIORITY] [QUEUE [MESSAGE...]]", &argv);
    unsigned priority = 0;
    if (argc > 1 && strcmp(argv[1], "-p") == 0) {
        if (argc == 2)
            usage_exit();
        priority = (unsigned)parse_long("PRIORITY", argv[2], 0, HIGHEST_PRIORITY);
        argc -= 2;
        argv += 2;
    }
    const char *name = argc > 1 ? argv[1] : "/" SLOT_NAME;
    char **messages = argc > 2 ? argv + 2 : defaults;

    /* STEP 2: Open the queue. mq_open() fails with ENOENT if no server has created it. It
     * succeeds if the server was killed: the queue takes messages for the next server. */
    mqd_t queue = mq_open(name, O_WRONLY);
    if (queue == (mqd_t)-1)
        sys_error("mq_open");

    /* STEP 3: Write each message with one call. A message that is longer than the queue
     * allows is refused: EMSGSIZE. While the queue is full, mq_send() blocks. */
    for (size_t i = 0; messages[i] != NULL; i++) {
        if (mq_send(queue, messages[i], strlen(messages[i]), priority) == -1)
            sys_error("mq_send");
        log_text("client: sent", messages[i], strlen(messages[i]));
    }

    /* STEP 4: Close the queue. The server does not notice it: there is no connection. */
    if (mq_close(queue) == -1)
        sys_error("mq_close");
    log_event("client: done");
    return EXIT_SUCCESS;
}
