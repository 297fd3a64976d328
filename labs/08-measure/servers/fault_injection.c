/*
 * fault_injection.c - an echo server that does one thing wrong: the load client must notice.
 *
 * Usage: fault_injection good|corrupts|drops|doubles|loses [chat]
 *
 * good does nothing wrong. corrupts changes the last byte of a message, drops closes one
 * connection, doubles sends an echo twice, loses does not send it. With chat a message is not sent
 * back but to all others, as lines of ncat --chat. Each does so after AFTER messages, so that the fault
 * is in the measured part.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include "ipclab.h"

#define AFTER 500
#define MOST_CLIENTS 64

static int clients[MOST_CLIENTS];
static size_t count;

/* Sends an echo, with the fault if it is due. */
static void answer(int client, char *bytes, size_t length, const char *fault)
{
    static long messages;
    size_t last = length - (bytes[length - 1] == '\n' ? 2 : 1);
    bool corrupts = false;
    int times = 1;
    if (++messages == AFTER) {
        corrupts = strcmp(fault, "corrupts") == 0;
        if (strcmp(fault, "doubles") == 0)
            times = 2;
        if (strcmp(fault, "loses") == 0)
            times = 0;
        if (strcmp(fault, "drops") == 0) {
            if (close(client) == -1)
                sys_error("close");
            return;
        }
    }
    bytes[last] ^= corrupts ? 1 : 0;
    /* Short messages, one at a time: a socket has room for them. */
    for (int i = 0; i < times; i++)
        if (send(client, bytes, length, MSG_NOSIGNAL) == -1 && errno != EPIPE &&
            errno != ECONNRESET)
            sys_error("send");
    bytes[last] ^= corrupts ? 1 : 0; /* others get it whole */
}

/* A client of a chat has come: it gets a line, and from now on the others' messages. */
static void welcome(int client)
{
    static const char line[] = "<announce> you are there\n";
    if (count == MOST_CLIENTS)
        fatal("too many clients");
    clients[count++] = client;
    if (send(client, line, sizeof line - 1, MSG_NOSIGNAL) == -1)
        sys_error("send");
}

static void answer_others(int sender, char *bytes, size_t length, const char *fault)
{
    for (size_t i = 0; i < count; i++)
        if (clients[i] != sender)
            answer(clients[i], bytes, length, fault);
}

int main(int argc, char *argv[])
{
    begin_program("fault_injection", "good|corrupts|drops|doubles|loses [chat]", &argv);
    bool chat = argc == 3 && strcmp(argv[2], "chat") == 0;
    if (argc != 2 && !chat)
        usage_exit();
    int listener = tcp_listen("127.0.0.1", "0");
    int queue = epoll_create1(EPOLL_CLOEXEC);
    if (queue == -1)
        sys_error("epoll_create1");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_ctl(queue, EPOLL_CTL_ADD, listener, &event) == -1)
        sys_error("epoll_ctl");
    log_event("server: ready %s", socket_address(listener));
    for (;;) {
        char bytes[1024];
        if (epoll_wait(queue, &event, 1, -1) == -1)
            sys_error("epoll_wait");
        int ready = event.data.fd;
        if (ready == listener) {
            event.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            if (event.data.fd == -1 ||
                epoll_ctl(queue, EPOLL_CTL_ADD, event.data.fd, &event) == -1)
                sys_error("accept4");
            if (chat)
                welcome(event.data.fd);
            continue;
        }
        ssize_t length = recv(ready, bytes, sizeof bytes, 0);
        if (length > 0 && chat)
            answer_others(ready, bytes, (size_t)length, argv[1]);
        else if (length > 0)
            answer(ready, bytes, (size_t)length, argv[1]);
        else if (close(ready) == -1)
            sys_error("close");
    }
}
