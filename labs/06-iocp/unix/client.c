/*
 * client.c - one connection to the server: read the welcome, send messages, compare the echoes.
 *
 * Usage: client [HOST [PORT [MESSAGES]]]
 *
 * Connects to HOST (127.0.0.1), PORT (7710). Sends "message num 1" to "message num MESSAGES"
 * (10), each with a NUL at its end, and waits for the echo of each before it sends the next.
 * Exit code 0 if every byte came back and the server then closed the connection, else 1.
 *
 * It waits for one socket, so it needs no queue: recv() may block. Mirrors listing 11 of the
 * report. Counterpart: ../win32/client.c. Many connections in one program: load.c.
 * To try: client 127.0.0.1 7710 3; strace -e trace=network client.
 */
#include <signal.h>
#include <sys/socket.h>

#include "contract.h"
#include "ipclab.h"

static void expect(int connection, const char *text, size_t size);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: where the server is, and how many messages to send. */
    begin_program("client", "[HOST [PORT [MESSAGES]]]", &argv);
    if (argc > 4)
        usage_exit();
    const char *host = argc > 1 ? argv[1] : DEFAULT_HOST;
    const char *port = argc > 2 ? argv[2] : DEFAULT_PORT;
    parse_long("PORT", port, 1, MAX_PORT);
    long messages = argc > 3 ? parse_long("MESSAGES", argv[3], 0, MAX_MESSAGES)
                             : DEFAULT_MESSAGES;

    /* STEP 2: Connect. */
    signal(SIGPIPE, SIG_IGN); /* send() to a server that has ended fails with EPIPE */
    int connection = tcp_connect(host, port);

    /* STEP 3: Receive the welcome. */
    expect(connection, WELCOME, sizeof WELCOME);

    for (long number = 1; number <= messages; number++) {
        /* STEP 4: Send a message with its NUL. */
        char text[MESSAGE_SIZE];
        size_t length = (size_t)snprintf(text, sizeof text, MESSAGE_TEXT, number);
        // LEVEL 2
        if (!send_all(connection, text, length + 1))
            sys_error("send");
        // END
        log_text("client: sent", text, length);

        /* STEP 5: Receive its echo. */
        expect(connection, text, length + 1);
    }

    /* STEP 6: Shut down our half, and wait until the server closes the connection. It reads end
     * of file, sends what is left, which must be nothing, and closes. */
    // LEVEL 2
    if (shutdown(connection, SHUT_WR) == -1)
        sys_error("shutdown");
    char byte;
    ssize_t length = recv(connection, &byte, 1, 0);
    if (length == -1)
        sys_error("recv");
    if (length > 0)
        fatal("the server sent more than it received");
    if (close(connection) == -1)
        sys_error("close");
    // END
    log_event("client: done");
    return EXIT_SUCCESS;
}

/* Receives `size` bytes, which must be those of `text` and its NUL. One recv() can return less:
 * TCP carries bytes, not messages. */
static void expect(int connection, const char *text, size_t size)
{
    // LEVEL 1
    char bytes[MESSAGE_SIZE] = "";
    for (size_t have = 0; have < size;) {
        ssize_t length = recv(connection, bytes + have, size - have, 0);
        if (length == -1)
            sys_error("recv");
        if (length == 0)
            fatal("the server closed the connection; expected \"%s\"", text);
        have += (size_t)length;
    }
    log_text("client: received", bytes, size - 1);
    if (memcmp(bytes, text, size) != 0)
        fatal("expected \"%s\" and its NUL", text);
    // END
}
