/*
 * messages.c - datagrams, packets and message queues: the system keeps the messages apart, and
 * has a limit for each.
 */
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <sys/msg.h>
#include <sys/socket.h>

#include "mechanisms.h"

#define LARGEST_UDP 65507 /* 65535 minus the headers of IP and UDP */

static size_t length;

/* Returns the number in a file of /proc/sys. */
static size_t setting(const char *name)
{
    FILE *file = fopen(name, "r");
    size_t value;
    if (file == NULL || fscanf(file, "%zu", &value) != 1)
        sys_error(name);
    fclose(file);
    return value;
}

/* ---- UNIX-domain sockets ----------------------------------------------------------------- */

static int pair[2], mine;

/* A message and the kernel's data about it must fit into the sender's buffer. A program can have
 * at most twice the setting. */
static size_t socket_limit(void)
{
    return setting("/proc/sys/net/core/wmem_max") / 4 * 3;
}

static void create_sockets(int type)
{
    int buffer = (int)setting("/proc/sys/net/core/wmem_max");
    if (socketpair(AF_UNIX, type, 0, pair) == -1)
        sys_error("socketpair");
    for (int i = 0; i < 2; i++)
        if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer) == -1)
            sys_error("setsockopt");
}

static void create_datagram(size_t size)
{
    (void)size;
    create_sockets(SOCK_DGRAM);
}

static void create_seqpacket(size_t size)
{
    (void)size;
    create_sockets(SOCK_SEQPACKET);
}

static void join_sockets(enum side side, size_t size)
{
    length = size;
    mine = pair[side];
    if (close(pair[!side]) == -1)
        sys_error("close");
}

static void send_packet(const void *message)
{
    if (send(mine, message, length, 0) != (ssize_t)length)
        sys_error("send");
}

static const void *receive_packet(void *buffer)
{
    ssize_t got = recv(mine, buffer, length, MSG_TRUNC);
    if (got == -1)
        sys_error("recv");
    if (got != (ssize_t)length)
        fatal("a message of %zd bytes came in place of one of %zu", got, length);
    return buffer;
}

static void close_socket(void)
{
    if (close(mine) == -1)
        sys_error("close");
}

const struct mechanism unix_datagram = {"unix-datagram", "UNIX-domain datagram socket",
                                        socket_limit,    NULL,
                                        create_datagram, join_sockets,
                                        send_packet,     receive_packet,
                                        close_socket};
const struct mechanism unix_seqpacket = {"unix-seqpacket", "UNIX-domain packet socket",
                                         socket_limit,     NULL,
                                         create_seqpacket, join_sockets,
                                         send_packet,      receive_packet,
                                         close_socket};

/* ---- UDP ----------------------------------------------------------------------------------- */

static size_t udp_limit(void)
{
    return LARGEST_UDP;
}

/* Two sockets, each connected to the other one. Both addresses are known before the fork. */
static void create_udp(size_t size)
{
    (void)size;
    struct sockaddr_in address[2];
    socklen_t address_size = sizeof address[0];
    for (int i = 0; i < 2; i++) {
        address[i] = (struct sockaddr_in){.sin_family = AF_INET,
                                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        if ((pair[i] = socket(AF_INET, SOCK_DGRAM, 0)) == -1)
            sys_error("socket");
        if (bind(pair[i], (struct sockaddr *)&address[i], address_size) == -1)
            sys_error("bind");
        if (getsockname(pair[i], (struct sockaddr *)&address[i], &address_size) == -1)
            sys_error("getsockname");
    }
    for (int i = 0; i < 2; i++)
        if (connect(pair[i], (struct sockaddr *)&address[!i], address_size) == -1)
            sys_error("connect");
}

const struct mechanism udp = {"udp",       "UDP on the loopback network",
                              udp_limit,   "no flow control: what comes too fast is lost",
                              create_udp,  join_sockets,
                              send_packet, receive_packet,
                              close_socket};

/* ---- POSIX message queues ------------------------------------------------------------------ */

static mqd_t queue_down, queue_up, queue_in, queue_out;

static size_t posix_limit(void)
{
    return setting("/proc/sys/fs/mqueue/msgsize_max");
}

/* The name is needed for a moment only. The descriptors stay open after mq_unlink and fork. */
static mqd_t make_queue(const char *which, size_t size)
{
    char name[64];
    snprintf(name, sizeof name, "/measure-%ld-%s", (long)getpid(), which);
    struct mq_attr attributes = {.mq_maxmsg = (long)setting(
                                     "/proc/sys/fs/mqueue/msg_max"),
                                 .mq_msgsize = (long)size};
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    if (queue == (mqd_t)-1)
        sys_error("mq_open");
    if (mq_unlink(name) == -1)
        sys_error("mq_unlink");
    return queue;
}

static void create_queues(size_t size)
{
    queue_down = make_queue("down", size);
    queue_up = make_queue("up", size);
}

static void join_queues(enum side side, size_t size)
{
    length = size;
    queue_in = side == FIRST ? queue_up : queue_down;
    queue_out = side == FIRST ? queue_down : queue_up;
}

static void send_to_queue(const void *message)
{
    if (mq_send(queue_out, message, length, 0) == -1)
        sys_error("mq_send");
}

static const void *receive_from_queue(void *buffer)
{
    ssize_t got = mq_receive(queue_in, buffer, length, NULL);
    if (got == -1)
        sys_error("mq_receive");
    if (got != (ssize_t)length)
        fatal("a message of %zd bytes came in place of one of %zu", got, length);
    return buffer;
}

static void close_queues(void)
{
    if (mq_close(queue_down) == -1 || mq_close(queue_up) == -1)
        sys_error("mq_close");
}

const struct mechanism posix_queue = {"posix-queue", "POSIX message queue", posix_limit,
                                      NULL,          create_queues,         join_queues,
                                      send_to_queue, receive_from_queue,    close_queues};

/* ---- System V message queues ----------------------------------------------------------------- */

struct sysv_message {
    long type;
    char text[];
};

static int sysv_down, sysv_up, sysv_in, sysv_out;
static struct sysv_message *parcel;

static size_t sysv_limit(void)
{
    return setting("/proc/sys/kernel/msgmax");
}

static void create_sysv(size_t size)
{
    (void)size;
    if ((sysv_down = msgget(IPC_PRIVATE, 0600)) == -1 ||
        (sysv_up = msgget(IPC_PRIVATE, 0600)) == -1)
        sys_error("msgget");
}

static void join_sysv(enum side side, size_t size)
{
    length = size;
    sysv_in = side == FIRST ? sysv_up : sysv_down;
    sysv_out = side == FIRST ? sysv_down : sysv_up;
    parcel = allocate(sizeof *parcel + size);
}

/* msgsnd needs a number before the text, so the text must be copied. */
static void send_sysv(const void *message)
{
    parcel->type = 1;
    memcpy(parcel->text, message, length);
    if (msgsnd(sysv_out, parcel, length, 0) == -1)
        sys_error("msgsnd");
}

static const void *receive_sysv(void *buffer)
{
    (void)buffer;
    ssize_t got = msgrcv(sysv_in, parcel, length, 1, 0);
    if (got == -1)
        sys_error("msgrcv");
    if (got != (ssize_t)length)
        fatal("a message of %zd bytes came in place of one of %zu", got, length);
    return parcel->text;
}

static void remove_sysv(void)
{
    free(parcel);
    if (msgctl(sysv_down, IPC_RMID, NULL) == -1 || msgctl(sysv_up, IPC_RMID, NULL) == -1)
        sys_error("msgctl");
}

const struct mechanism sysv_queue = {"sysv-queue", "System V message queue",
                                     sysv_limit,   NULL,
                                     create_sysv,  join_sysv,
                                     send_sysv,    receive_sysv,
                                     remove_sysv};
