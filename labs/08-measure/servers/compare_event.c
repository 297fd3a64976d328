/*
 * compare_event.c - an echo server with libevent, which tmux and Tor use, to compare lab 06's
 * with.
 *
 * Usage: compare_event [PORT]
 *
 * Written as in libevent's book: each client has a bufferevent, and its input is added to its
 * output. It does less than lab 06's server: it sends no welcome, and prints no lines.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <signal.h>

#include "ipclab.h"

static void echo(struct bufferevent *client, void *context)
{
    (void)context;
    if (evbuffer_add_buffer(bufferevent_get_output(client),
                            bufferevent_get_input(client)) == -1)
        sys_error("evbuffer_add_buffer");
}

static void leave(struct bufferevent *client, short what, void *context)
{
    (void)context;
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
        bufferevent_free(client);
}

static void accept_client(struct evconnlistener *listener, evutil_socket_t socket,
                          struct sockaddr *address, int size, void *context)
{
    (void)address, (void)size, (void)context;
    struct bufferevent *client = bufferevent_socket_new(evconnlistener_get_base(listener),
                                                        socket, BEV_OPT_CLOSE_ON_FREE);
    if (client == NULL)
        sys_error("bufferevent_socket_new");
    bufferevent_setcb(client, echo, NULL, leave, NULL);
    if (bufferevent_enable(client, EV_READ | EV_WRITE) == -1)
        sys_error("bufferevent_enable");
}

int main(int argc, char *argv[])
{
    begin_program("compare_event", "[PORT]", &argv);
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        sys_error("signal");
    struct event_base *base = event_base_new();
    if (base == NULL)
        sys_error("event_base_new");
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(
                                      (uint16_t)(argc > 1 ? atoi(argv[1]) : 0)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct evconnlistener *listener = evconnlistener_new_bind(
        base, accept_client, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, SOMAXCONN,
        (struct sockaddr *)&address, sizeof address);
    if (listener == NULL)
        sys_error("evconnlistener_new_bind");
    socklen_t size = sizeof address;
    if (getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address,
                    &size) == -1)
        sys_error("getsockname");
    log_event("server: ready 127.0.0.1:%d", ntohs(address.sin_port));
    return event_base_dispatch(base) == -1 ? EXIT_FAILURE : EXIT_SUCCESS;
}
