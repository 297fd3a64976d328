/*
 * compare_uv.c - an echo server with libuv, which Node.js uses, to compare lab 06's with.
 *
 * Usage: compare_uv [PORT]
 *
 * Written like libuv's own example (docs/code/tcp-echo-server of libuv): read, write what was
 * read, free it when it is written. It does less than lab 06's server: it sends no welcome, and
 * prints no lines.
 */
#include <netinet/in.h>
#include <uv.h>

#include "ipclab.h"

struct write {
    uv_write_t request;
    uv_buf_t buffer;
};

/* Ends the program if a call of libuv failed. */
static void check(int result, const char *call)
{
    if (result < 0)
        fatal("%s: %s", call, uv_strerror(result));
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void make_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    *buffer = uv_buf_init(allocate(suggested), (unsigned)suggested);
}

static void written(uv_write_t *request, int status)
{
    struct write *write = (struct write *)request;
    if (status < 0 && !uv_is_closing((uv_handle_t *)request->handle))
        uv_close((uv_handle_t *)request->handle, free_handle);
    free(write->buffer.base);
    free(write);
}

static void echo(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    if (length > 0) {
        struct write *write = allocate(sizeof *write);
        write->buffer = uv_buf_init(buffer->base, (unsigned)length);
        check(uv_write(&write->request, stream, &write->buffer, 1, written), "uv_write");
        return;
    }
    free(buffer->base);
    if (length < 0 && !uv_is_closing((uv_handle_t *)stream))
        uv_close((uv_handle_t *)stream, free_handle);
}

static void accept_client(uv_stream_t *listener, int status)
{
    check(status, "listen");
    uv_tcp_t *client = allocate(sizeof *client);
    check(uv_tcp_init(listener->loop, client), "uv_tcp_init");
    check(uv_accept(listener, (uv_stream_t *)client), "uv_accept");
    check(uv_read_start((uv_stream_t *)client, make_buffer, echo), "uv_read_start");
}

int main(int argc, char *argv[])
{
    begin_program("compare_uv", "[PORT]", &argv);
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    struct sockaddr_in address;
    int size = sizeof address;
    check(uv_ip4_addr("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0, &address),
          "uv_ip4_addr");
    check(uv_tcp_init(loop, &listener), "uv_tcp_init");
    check(uv_tcp_bind(&listener, (struct sockaddr *)&address, 0), "uv_tcp_bind");
    check(uv_listen((uv_stream_t *)&listener, SOMAXCONN, accept_client), "uv_listen");
    check(uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size),
          "uv_tcp_getsockname");
    log_event("server: ready 127.0.0.1:%d", ntohs(address.sin_port));
    return uv_run(loop, UV_RUN_DEFAULT);
}
