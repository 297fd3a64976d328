/*
 * sabotage.c - an echo server that does one thing wrong: the load client must notice.
 *
 * Usage: sabotage good|corrupts|drops|doubles
 *
 * good does nothing wrong. corrupts changes the last byte of a message; drops closes one
 * connection; doubles sends an echo twice: each after AFTER messages, so that the fault lies
 * among what is measured.
 */
#define PROGRAM "sabotage"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../fail.h"
#include "../../say.h"

#define AFTER 500

/* Sends an echo back, but for the fault. */
static void answer(int client, char *bytes, size_t length, const char *fault)
{
    static long messages;
    int times = 1;
    if (++messages == AFTER) {
        if (strcmp(fault, "corrupts") == 0)
            bytes[length - 1] ^= 1;
        if (strcmp(fault, "doubles") == 0)
            times = 2;
        if (strcmp(fault, "drops") == 0) {
            if (close(client) == -1)
                fail("close");
            return;
        }
    }
    /* Short messages, one at a time: a socket has room for them. */
    for (int i = 0; i < times; i++)
        if (send(client, bytes, length, MSG_NOSIGNAL) == -1 && errno != EPIPE &&
            errno != ECONNRESET)
            fail("send");
}

int main(int argc, char *argv[])
{
    open_missing_streams();
    if (argc != 2) {
        say(stderr, "usage: sabotage good|corrupts|drops|doubles");
        return 2;
    }
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int queue = epoll_create1(EPOLL_CLOEXEC);
    if (listener == -1 || queue == -1)
        fail("socket");
    if (bind(listener, (struct sockaddr *)&address, size) == -1 ||
        listen(listener, SOMAXCONN) == -1 ||
        getsockname(listener, (struct sockaddr *)&address, &size) == -1)
        fail("listen");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_ctl(queue, EPOLL_CTL_ADD, listener, &event) == -1)
        fail("epoll_ctl");
    say(stdout, "server: ready 127.0.0.1:%d", ntohs(address.sin_port));
    for (;;) {
        char bytes[1024];
        if (epoll_wait(queue, &event, 1, -1) == -1)
            fail("epoll_wait");
        int ready = event.data.fd;
        if (ready == listener) {
            event.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            if (event.data.fd == -1 ||
                epoll_ctl(queue, EPOLL_CTL_ADD, event.data.fd, &event) == -1)
                fail("accept4");
            continue;
        }
        ssize_t length = recv(ready, bytes, sizeof bytes, 0);
        if (length > 0)
            answer(ready, bytes, (size_t)length, argv[1]);
        else if (close(ready) == -1)
            fail("close");
    }
}
