/*
 * streams.c - pipes, FIFOs and stream sockets: bytes without message boundaries. A message is
 * written and read in as many calls as it takes.
 */
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "mechanisms.h"

#define LARGE_PIPE (1 << 20) /* the default limit for an ordinary user */

static int down[2], up[2]; /* pipes from the first process to the second, and back */
static int in, out;        /* this process's ends */
static size_t length;

static void send_all_bytes(const void *message)
{
    if (!write_all(out, message, length))
        sys_error("write");
}

static const void *receive_all_bytes(void *buffer)
{
    long got = read_full(in, buffer, length);
    if (got == -1)
        sys_error("read");
    if ((size_t)got < length)
        fatal("the other process has ended");
    return buffer;
}

static void close_ends(void)
{
    if (close(in) == -1 || (out != in && close(out) == -1))
        sys_error("close");
}

/* ---- Pipes ----------------------------------------------------------------------------- */

static void create_pipes(size_t size)
{
    (void)size;
    if (pipe(down) == -1 || pipe(up) == -1)
        sys_error("pipe");
}

static void create_large_pipes(size_t size)
{
    create_pipes(size);
    if (fcntl(down[1], F_SETPIPE_SZ, LARGE_PIPE) == -1 ||
        fcntl(up[1], F_SETPIPE_SZ, LARGE_PIPE) == -1)
        sys_error("fcntl");
}

static void join_pipes(enum side side, size_t size)
{
    length = size;
    in = side == FIRST ? up[0] : down[0];
    out = side == FIRST ? down[1] : up[1];
    if (close(side == FIRST ? down[0] : down[1]) == -1 ||
        close(side == FIRST ? up[1] : up[0]) == -1)
        sys_error("close");
}

/* vmsplice(2) puts our pages themselves into the pipe, and the reader copies from them. They must
 * not change until then. This holds: the prepared messages use several places in turn, more than
 * a pipe holds. */
static void splice_all(const void *message)
{
    struct iovec rest = {(void *)(uintptr_t)message, length};
    while (rest.iov_len > 0) {
        ssize_t put = vmsplice(out, &rest, 1, 0);
        if (put == -1)
            sys_error("vmsplice");
        rest.iov_base = (char *)rest.iov_base + put;
        rest.iov_len -= (size_t)put;
    }
}

const struct mechanism pipe_usual = {
    "pipe",         "anonymous pipe, 64 KB", NULL,      NULL, create_pipes, join_pipes,
    send_all_bytes, receive_all_bytes,       close_ends};
const struct mechanism pipe_large = {"pipe-1m",      "anonymous pipe, 1 MB", NULL,
                                     NULL,           create_large_pipes,     join_pipes,
                                     send_all_bytes, receive_all_bytes,      close_ends};
const struct mechanism pipe_vmsplice = {
    "vmsplice", "anonymous pipe, vmsplice", NULL,      NULL, create_pipes, join_pipes,
    splice_all, receive_all_bytes,          close_ends};

/* ---- FIFOs ----------------------------------------------------------------------------- */

static char folder[PATH_MAX], down_name[PATH_MAX + 8], up_name[PATH_MAX + 8];

static void create_fifos(size_t size)
{
    (void)size;
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/measure-XXXXXX",
             parent == NULL ? "/tmp" : parent);
    if (mkdtemp(folder) == NULL)
        sys_error("mkdtemp");
    snprintf(down_name, sizeof down_name, "%s/down", folder);
    snprintf(up_name, sizeof up_name, "%s/up", folder);
    if (mkfifo(down_name, 0600) == -1 || mkfifo(up_name, 0600) == -1)
        sys_error("mkfifo");
}

/* open() of a FIFO blocks until the other side opens it too. So both sides open them in the same
 * order. */
static void join_fifos(enum side side, size_t size)
{
    length = size;
    if (side == FIRST) {
        out = open(down_name, O_WRONLY);
        in = open(up_name, O_RDONLY);
    } else {
        in = open(down_name, O_RDONLY);
        out = open(up_name, O_WRONLY);
    }
    if (in == -1 || out == -1)
        sys_error("open");
}

static void remove_fifos(void)
{
    close_ends();
    if (unlink(down_name) == -1 || unlink(up_name) == -1 || rmdir(folder) == -1)
        sys_error("unlink");
}

const struct mechanism fifo = {"fifo",         "FIFO",
                               NULL,           NULL,
                               create_fifos,   join_fifos,
                               send_all_bytes, receive_all_bytes,
                               remove_fifos};

/* ---- Stream sockets -------------------------------------------------------------------- */

static void create_pair(size_t size)
{
    (void)size;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, down) == -1)
        sys_error("socketpair");
}

static void join_pair(enum side side, size_t size)
{
    length = size;
    in = out = down[side];
    if (close(down[!side]) == -1)
        sys_error("close");
}

const struct mechanism unix_stream = {
    "unix-stream",  "UNIX-domain stream socket", NULL,      NULL, create_pair, join_pair,
    send_all_bytes, receive_all_bytes,           close_ends};

static struct sockaddr_in address;

static void create_listener(size_t size)
{
    (void)size;
    socklen_t address_size = sizeof address;
    address = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if ((down[0] = socket(AF_INET, SOCK_STREAM, 0)) == -1)
        sys_error("socket");
    if (bind(down[0], (struct sockaddr *)&address, sizeof address) == -1)
        sys_error("bind");
    if (listen(down[0], 1) == -1)
        sys_error("listen");
    if (getsockname(down[0], (struct sockaddr *)&address, &address_size) == -1)
        sys_error("getsockname");
}

static void join_tcp(enum side side, size_t size)
{
    length = size;
    if (side == SECOND) {
        if ((in = accept(down[0], NULL, NULL)) == -1)
            sys_error("accept");
    } else {
        if ((in = socket(AF_INET, SOCK_STREAM, 0)) == -1)
            sys_error("socket");
        if (connect(in, (struct sockaddr *)&address, sizeof address) == -1)
            sys_error("connect");
    }
    out = in;
    /* Without TCP_NODELAY a small message waits for the acknowledgement of the one before. */
    if (setsockopt(in, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) == -1)
        sys_error("setsockopt");
    if (close(down[0]) == -1)
        sys_error("close");
}

const struct mechanism tcp = {"tcp",
                              "TCP on the loopback network",
                              NULL,
                              NULL,
                              create_listener,
                              join_tcp,
                              send_all_bytes,
                              receive_all_bytes,
                              close_ends};
