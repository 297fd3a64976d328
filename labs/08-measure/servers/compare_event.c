/*
 * compare_event.c - an echo server by libevent, the loop of tmux and Tor: what lab 06's is
 * compared with.
 *
 * Usage: compare_event [PORT]
 *
 * Written as in libevent's book: a bufferevent for each client, and what came in is added to
 * what goes out. Without lab 06's welcome and lines, so it does less.
 */
#define PROGRAM "compare_event"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>

#include "../../fail.h"
#include "../../say.h"

static void echo(struct bufferevent *client, void *context)
{
    (void)context;
    if (evbuffer_add_buffer(bufferevent_get_output(client),
                            bufferevent_get_input(client)) == -1)
        fail("evbuffer_add_buffer");
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
        fail("bufferevent_socket_new");
    bufferevent_setcb(client, echo, NULL, leave, NULL);
    if (bufferevent_enable(client, EV_READ | EV_WRITE) == -1)
        fail("bufferevent_enable");
}

int main(int argc, char *argv[])
{
    open_missing_streams();
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        fail("signal");
    struct event_base *base = event_base_new();
    if (base == NULL)
        fail("event_base_new");
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(
                                      (uint16_t)(argc > 1 ? atoi(argv[1]) : 0)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct evconnlistener *listener = evconnlistener_new_bind(
        base, accept_client, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, SOMAXCONN,
        (struct sockaddr *)&address, sizeof address);
    if (listener == NULL)
        fail("evconnlistener_new_bind");
    socklen_t size = sizeof address;
    if (getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address,
                    &size) == -1)
        fail("getsockname");
    say(stdout, "server: ready 127.0.0.1:%d", ntohs(address.sin_port));
    return event_base_dispatch(base) == -1 ? EXIT_FAILURE : EXIT_SUCCESS;
}
