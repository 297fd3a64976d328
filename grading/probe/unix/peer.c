/*
 * peer.c - the other end of any number of TCP connections, controlled by commands.
 *
 * It reads commands from standard input, one a line, and prints the result of each ("test: ...").
 * K, a number below 64, is a connection. What is received on it is written to the file K.received
 * in the folder in which the peer runs.
 *
 *     connect K ADDRESS PORT   K connected | K refused
 *     reach K ADDRESS PORT     the same without a wait: K reaches out. What is sent on it goes
 *                              when the server's system has taken the connection
 *     listen ADDRESS           listening at PORT (a free one)
 *     accept K                 K accepted, when somebody has come
 *     send K FILE              K sent, when the system has taken all of the file's bytes
 *     trickle K FILE           the same, each byte in a packet of its own
 *     lockstep K FILE          K received all: each byte sent when the one before is back
 *     read K N                 K received all, when N more bytes have come
 *     echo K                   send back what comes, and read no more before that has gone, up
 *                              to the end; no other command meanwhile: K received the end
 *     talk K SIZE COUNT        COUNT messages of SIZE bytes, each when the one before is back: K
 *                              talked N
 *     drain K                  read to the end; before it, and without "read", nothing is read
 *                              (both: K received the end, or K received a reset)
 *     stall K                  K stalled, when no byte of what is to be sent has gone for 0.2 s,
 *                              or K sent
 *     look K                   K has N bytes to read
 *     settle K                 K settled, when the other end's system has all that was sent
 *     shut K                   K will send no more, once all is sent: the half-close
 *     close K, reset K         K closed; with "reset" the other end learns it as an error
 *     crowd N HELD ADDRESS PORT   N connections at once, each sends a text of its own; HELD of
 *                              them stay until all HELD have their echo, the others until they
 *                              have theirs: crowd served N
 *     series N ADDRESS PORT    the same one after the other, ended in turn by close, QUIT and
 *                              reset, for half a second at the most: series served N of N
 *
 *     flood N ADDRESS PORT     N connections that send on and on, and read all that comes: flood
 *                              ended, when one of them has
 *
 *     datagram K ADDRESS PORT  K is a socket for datagrams to and from there; or
 *     bind K ADDRESS           bound to PORT (a free one)
 *     cast K FILE              send the file as a datagram, to there, or to who sent the last
 *     stranger K FILE          the same from another socket
 *     catch K                  K caught N, when a datagram of N bytes has come, which is then
 *                              the file K.caught
 *
 * A UNIX program only: by TCP it reaches the programs of both systems. It ends at the end of its
 * input. Exit code 99: an unknown command.
 */
#include "ipclab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define MOST_PEERS 64
#define MOST_CROWD 1000
#define TO_THE_END (-1)
#define STALL 200       /* milliseconds */
#define SERIES_TIME 0.5 /* seconds */
#define REACH_AGAIN 100 /* milliseconds */
#define NARROW 32768    /* bytes */
#define SEGMENT 1460    /* bytes: those of an Ethernet */

struct peer {
    int socket; /* valid while open */
    bool open;
    char *bytes; /* to send: those from `sent` to `length` */
    size_t length, sent;
    bool single, stepping; /* one byte at a time; each when the one before is back */
    bool stalls;           /* report when no more bytes can be sent */
    bool shut;             /* half-close when all is sent */
    double reaching;       /* when it began to connect to `there`; 0: it is connected */
    struct sockaddr_in there;
    long wanted; /* bytes still to read, or TO_THE_END */
    FILE *received;
};

static struct peer peers[MOST_PEERS];
static int listener = -1;

_Noreturn static void give_up(const char *why)
{
    log_to_stderr();
    log_event("test: fault: %s", why);
    exit(99);
}

static int open_socket(const char *address, const char *port, bool listening)
{
    struct addrinfo *list,
        hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    if (getaddrinfo(address, port, &hints, &list) != 0)
        give_up("this is no address");
    int result = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int yes = 1;
    /* Small buffers on our side, and small segments, by which the other end's system chooses its
     * buffers. So a program that does not read is noticed soon. */
    int narrow = NARROW, segment = SEGMENT;
    setsockopt(result, SOL_SOCKET, SO_RCVBUF, &narrow, sizeof narrow);
    setsockopt(result, SOL_SOCKET, SO_SNDBUF, &narrow, sizeof narrow);
    setsockopt(result, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    if (result == -1 ||
        (listening && setsockopt(result, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes)))
        give_up("no socket");
    int failed = listening ? bind(result, list->ai_addr, list->ai_addrlen)
                           : connect(result, list->ai_addr, list->ai_addrlen);
    if (failed) {
        close(result);
        result = -1;
    } else if (!listening) {
        setsockopt(result, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
    freeaddrinfo(list);
    return result;
}

static void begin(size_t k, int socket)
{
    peers[k] = (struct peer){.socket = socket, .open = true};
    char name[32];
    snprintf(name, sizeof name, "%zu.received", k);
    peers[k].received = fopen(name, "wb");
    if (peers[k].received == NULL)
        give_up("no file for what is received");
}

static void end(size_t k, bool hard)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (hard)
        setsockopt(peers[k].socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(peers[k].socket);
    fclose(peers[k].received);
    free(peers[k].bytes);
    peers[k].open = false;
    log_event("test: %zu closed", k);
}

static void load(struct peer *peer, const char *name)
{
    FILE *file = fopen(name, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        give_up("a file to send is not there");
    free(peer->bytes);
    peer->length = (size_t)ftell(file);
    peer->sent = 0;
    peer->bytes = malloc(peer->length + 1);
    rewind(file);
    if (peer->bytes == NULL || fread(peer->bytes, 1, peer->length, file) != peer->length)
        give_up("a file to send cannot be read");
    fclose(file);
}

/* Sends as much as the system accepts now. */
static void send_more(size_t k)
{
    struct peer *peer = &peers[k];
    size_t size = peer->length - peer->sent;
    ssize_t length = send(peer->socket, peer->bytes + peer->sent, peer->single ? 1 : size,
                          MSG_DONTWAIT | MSG_NOSIGNAL);
    if (length == -1 && errno == EAGAIN)
        return;
    if (length == -1) {
        log_event("test: %zu could not send: %zu bytes are left", k, size);
        peer->sent = peer->length;
        return;
    }
    peer->sent += (size_t)length;
    if (peer->stepping)
        peer->wanted = 1;
    else if (peer->sent == peer->length)
        log_event("test: %zu sent", k);
    if (peer->sent == peer->length && peer->shut)
        shutdown(peer->socket, SHUT_WR);
}

/* Reads what has arrived, but at most what is wanted. */
static void read_more(size_t k)
{
    struct peer *peer = &peers[k];
    static char bytes[65536];
    size_t room = sizeof bytes;
    if (peer->wanted != TO_THE_END && (size_t)peer->wanted < room)
        room = (size_t)peer->wanted;
    ssize_t length = recv(peer->socket, bytes, room, MSG_DONTWAIT);
    if (length == -1 && errno == EAGAIN)
        return;
    if (length <= 0) {
        fflush(peer->received);
        log_event(length == 0 ? "test: %zu received the end"
                              : "test: %zu received a reset",
                  k);
        peer->wanted = 0;
        return;
    }
    fwrite(bytes, 1, (size_t)length, peer->received);
    if (peer->wanted != TO_THE_END)
        peer->wanted -= length;
    if (peer->wanted != 0)
        return;
    fflush(peer->received);
    if (!peer->stepping)
        log_event("test: %zu received all", k);
    else if (peer->sent == peer->length)
        log_event("test: %zu received all", k);
}

/* Sends the text of number `i` and waits for its echo. Returns whether it came back. */
static void speak(int socket, int i)
{
    char text[32];
    int size = snprintf(text, sizeof text, "I am client %d", i);
    send(socket, text, (size_t)size, MSG_NOSIGNAL);
}

static bool hear(int socket, int i)
{
    char text[32], got[32] = "";
    int size = snprintf(text, sizeof text, "I am client %d", i);
    for (int done = 0; done < size;) {
        ssize_t length = recv(socket, got + done, (size_t)(size - done), 0);
        if (length <= 0)
            return false;
        done += (int)length;
    }
    return memcmp(text, got, (size_t)size) == 0;
}

static void crowd(int count, int held, const char *address, const char *port)
{
    static int sockets[MOST_CROWD];
    int served = 0;
    for (int i = 0; i < count; i++)
        sockets[i] = open_socket(address, port, false);
    for (int i = 0; i < count; i++)
        speak(sockets[i], i);
    for (int i = 0; i < held; i++)
        served += hear(sockets[i], i);
    for (int i = 0; i < count; i++) {
        if (i >= held)
            served += hear(sockets[i], i);
        close(sockets[i]);
    }
    log_event("test: crowd served %d", served);
}

static void echo(size_t k)
{
    char bytes[1024];
    ssize_t length;
    int narrow = 4096; /* so that the other end's system also keeps little for us */
    setsockopt(peers[k].socket, SOL_SOCKET, SO_RCVBUF, &narrow, sizeof narrow);
    while ((length = recv(peers[k].socket, bytes, sizeof bytes, 0)) > 0)
        for (ssize_t done = 0, sent; done < length; done += sent)
            if ((sent = send(peers[k].socket, bytes + done, (size_t)(length - done),
                             MSG_NOSIGNAL)) == -1)
                give_up("an echo cannot be sent");
    log_event("test: %zu received the end", k);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void series(int count, const char *address, const char *port)
{
    int served = 0, i = 0;
    char byte;
    double end = seconds() + SERIES_TIME;
    for (; i < count && (i == 0 || seconds() < end); i++) {
        int one = open_socket(address, port, false);
        if (one == -1)
            continue;
        speak(one, i);
        served += hear(one, i);
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        if (i % 3 == 1 && send(one, "QUIT", 4, MSG_NOSIGNAL) == 4)
            while (recv(one, &byte, 1, 0) > 0)
                ;
        if (i % 3 == 2)
            setsockopt(one, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        close(one);
    }
    log_event("test: series served %d of %d", served, i);
}

static void flood(int count, const char *address, const char *port)
{
    static struct pollfd list[MOST_CROWD];
    static char bytes[NARROW];
    memset(bytes, 'x', sizeof bytes);
    for (int i = 0; i < count; i++)
        list[i] = (struct pollfd){.fd = open_socket(address, port, false),
                                  .events = POLLIN | POLLOUT};
    for (bool ended = false; !ended;) {
        if (poll(list, (nfds_t)count, -1) == -1)
            give_up("the connections cannot be waited for");
        for (int i = 0; i < count && !ended; i++) {
            if (list[i].revents & ~POLLOUT) {
                ssize_t length = recv(list[i].fd, bytes, sizeof bytes, MSG_DONTWAIT);
                ended = length == 0 || (length == -1 && errno != EAGAIN);
            }
            if (list[i].revents & POLLOUT)
                send(list[i].fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
    }
    for (int i = 0; i < count; i++)
        close(list[i].fd);
    log_event("test: flood ended");
}

/* ---- Datagrams: they may block, because nothing else is under way then ---- */

static struct sockaddr_storage senders[MOST_PEERS];

static void open_datagrams(size_t k, const char *address, const char *port, bool binding)
{
    struct addrinfo *list,
        hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    if (getaddrinfo(address, port, &hints, &list) != 0)
        give_up("this is no address");
    int one = socket(list->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (one == -1 || (binding && bind(one, list->ai_addr, list->ai_addrlen) == -1))
        give_up("no socket");
    begin(k, one);
    memcpy(&senders[k], list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    struct sockaddr_in bound = {0};
    if (binding &&
        getsockname(one, (struct sockaddr *)&bound, &(socklen_t){sizeof bound}) == 0)
        log_event("test: bound to %d", ntohs(bound.sin_port));
}

static void cast(size_t k, const char *name, bool stranger)
{
    load(&peers[k], name);
    int one = stranger ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : peers[k].socket;
    sendto(one, peers[k].bytes, peers[k].length, 0, (struct sockaddr *)&senders[k],
           sizeof(struct sockaddr_in));
    peers[k].length = 0; /* nothing is for the stream */
    if (stranger)
        close(one);
}

static void catch (size_t k)
{
    static char bytes[65536];
    char name[32];
    ssize_t length = recvfrom(peers[k].socket, bytes, sizeof bytes, 0,
                              (struct sockaddr *)&senders[k],
                              &(socklen_t){sizeof senders[k]});
    snprintf(name, sizeof name, "%zu.caught", k);
    FILE *file = fopen(name, "wb");
    if (length == -1 || file == NULL)
        give_up("no datagram");
    fwrite(bytes, 1, (size_t)length, file);
    fclose(file);
    log_event("test: %zu caught %zd", k, length);
}

/* Sends messages of `size` bytes, each when the one before has come back. Blocks. */
static void talk(size_t k, size_t size, long count)
{
    static char message[NARROW], echo[NARROW];
    memset(message, 'm', sizeof message);
    long done = 0;
    for (; done < count; done++)
        if (size > sizeof message ||
            send(peers[k].socket, message, size, MSG_NOSIGNAL) != (ssize_t)size ||
            recv(peers[k].socket, echo, size, MSG_WAITALL) != (ssize_t)size)
            break;
    log_event("test: %zu talked %ld", k, done);
}

/* Begins to connect, without waiting. */
static int begin_to_connect(const struct sockaddr_in *there)
{
    int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (one == -1 || (connect(one, (const struct sockaddr *)there, sizeof *there) == -1 &&
                      errno != EINPROGRESS))
        give_up("it cannot connect");
    return one;
}

static void reach(size_t k, const char *address, const char *port)
{
    struct sockaddr_in there = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(port))};
    if (inet_pton(AF_INET, address, &there.sin_addr) != 1)
        give_up("this is no address");
    begin(k, begin_to_connect(&there));
    peers[k].there = there;
    peers[k].reaching = seconds();
    log_event("test: %zu reaches out", k);
}

/* If the other end's queue is full, our system tries again only after 1, 3, 7 and 15 seconds. So
 * we try again ourselves. Returns whether any connection still tries. */
static bool reach_again(void)
{
    bool some = false;
    for (size_t k = 0; k < MOST_PEERS; k++) {
        struct peer *peer = &peers[k];
        struct sockaddr_in other;
        if (!peer->open || peer->reaching == 0)
            continue;
        if (getpeername(peer->socket, (struct sockaddr *)&other,
                        &(socklen_t){sizeof other}) == 0) {
            peer->reaching = 0;
            continue;
        }
        some = true;
        if (seconds() - peer->reaching < REACH_AGAIN / 1000.0)
            continue;
        close(peer->socket);
        peer->socket = begin_to_connect(&peer->there);
        peer->reaching = seconds();
    }
    return some;
}

static void obey(char *line)
{
    char *words[6] = {"", "", "", "", "", ""}, *rest = line;
    for (int i = 0; i < 6 && rest != NULL; i++)
        words[i] = strsep(&rest, " ");
    const char *verb = words[0];
    size_t k = strtoul(words[1], NULL, 10);
    struct peer *peer = &peers[k % MOST_PEERS];

    if (strcmp(verb, "crowd") == 0) {
        crowd(atoi(words[1]), atoi(words[2]), words[3], words[4]);
    } else if (strcmp(verb, "series") == 0) {
        series(atoi(words[1]), words[2], words[3]);
    } else if (strcmp(verb, "flood") == 0) {
        flood(atoi(words[1]), words[2], words[3]);
    } else if (strcmp(verb, "listen") == 0) {
        listener = open_socket(words[1], "0", true);
        struct sockaddr_in6 bound = {0};
        if (listener == -1 || listen(listener, SOMAXCONN) == -1 ||
            getsockname(listener, (struct sockaddr *)&bound,
                        &(socklen_t){sizeof bound}) == -1)
            give_up("it cannot listen");
        log_event("test: listening at %d", ntohs(bound.sin6_port)); /* as sin_port */
    } else if (strcmp(verb, "accept") == 0) {
        begin(k, accept(listener, NULL, NULL));
        log_event("test: %zu accepted", k);
    } else if (strcmp(verb, "connect") == 0) {
        int one = open_socket(words[2], words[3], false);
        if (one != -1)
            begin(k, one);
        log_event(one == -1 ? "test: %zu refused" : "test: %zu connected", k);
    } else if (strcmp(verb, "reach") == 0) {
        reach(k, words[2], words[3]);
    } else if (strcmp(verb, "datagram") == 0) {
        open_datagrams(k, words[2], words[3], false);
    } else if (strcmp(verb, "bind") == 0) {
        open_datagrams(k, words[2], "0", true);
    } else if (!peer->open) {
        give_up("no such connection");
    } else if (strcmp(verb, "cast") == 0 || strcmp(verb, "stranger") == 0) {
        cast(k, words[2], verb[0] == 's');
    } else if (strcmp(verb, "catch") == 0) {
        catch (k);
    } else if (strcmp(verb, "send") == 0 || strcmp(verb, "trickle") == 0 ||
               strcmp(verb, "lockstep") == 0) {
        load(peer, words[2]);
        peer->stepping = verb[0] == 'l';
        peer->single = verb[0] != 's';
    } else if (strcmp(verb, "talk") == 0) {
        talk(k, strtoul(words[2], NULL, 10), atol(words[3]));
    } else if (strcmp(verb, "read") == 0) {
        peer->wanted = atol(words[2]);
        if (peer->wanted == 0)
            log_event("test: %zu received all", k);
    } else if (strcmp(verb, "stall") == 0) {
        peer->stalls = true;
    } else if (strcmp(verb, "look") == 0) {
        int unread = 0;
        ioctl(peer->socket, FIONREAD, &unread);
        log_event("test: %zu has %d bytes to read", k, unread);
    } else if (strcmp(verb, "echo") == 0) {
        echo(k);
    } else if (strcmp(verb, "settle") == 0) {
        /* No event reports it: so ask once a millisecond. */
        int left = 1;
        while (ioctl(peer->socket, SIOCOUTQ, &left) == 0 && left > 0)
            poll(NULL, 0, 1);
        log_event("test: %zu settled", k);
    } else if (strcmp(verb, "drain") == 0) {
        peer->wanted = TO_THE_END;
    } else if (strcmp(verb, "shut") == 0) {
        peer->shut = true;
        if (peer->sent == peer->length)
            shutdown(peer->socket, SHUT_WR);
    } else if (strcmp(verb, "close") == 0 || strcmp(verb, "reset") == 0) {
        end(k, verb[0] == 'r');
    } else {
        give_up(line);
    }
}

/* Reads commands, and obeys those that are complete. Returns false at the end of the input. */
static bool take_commands(void)
{
    static char input[65536];
    static size_t length;
    ssize_t more = read(STDIN_FILENO, input + length, sizeof input - 1 - length);
    if (more <= 0)
        return false;
    length += (size_t)more;
    char *line = input, *newline;
    while ((newline = memchr(line, '\n', (size_t)(input + length - line))) != NULL) {
        *newline = '\0';
        obey(line);
        line = newline + 1;
    }
    length -= (size_t)(line - input);
    memmove(input, line, length);
    return true;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int limit = reach_again() ? REACH_AGAIN : -1;
        struct pollfd events[MOST_PEERS + 1];
        size_t whose[MOST_PEERS + 1];
        nfds_t count = 0;
        events[count++] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
        for (size_t k = 0; k < MOST_PEERS; k++) {
            struct peer *peer = &peers[k];
            bool sends = peer->sent < peer->length &&
                         !(peer->stepping && peer->wanted != 0);
            if (!peer->open || (!sends && peer->wanted == 0))
                continue;
            whose[count] = k;
            events[count++] = (struct pollfd){
                peer->socket,
                (short)((sends ? POLLOUT : 0) | (peer->wanted != 0 ? POLLIN : 0)), 0};
        }
        size_t stalling = MOST_PEERS;
        for (size_t k = 0; k < MOST_PEERS; k++)
            if (peers[k].open && peers[k].stalls && peers[k].sent < peers[k].length)
                stalling = k;
        int ready = poll(events, count, stalling < MOST_PEERS ? STALL : limit);
        if (ready == -1)
            give_up("poll");
        if (ready == 0 && stalling < MOST_PEERS) {
            log_event("test: %zu stalled", stalling);
            peers[stalling].stalls = false;
        }
        for (nfds_t i = 1; i < count; i++) {
            size_t k = whose[i];
            if (peers[k].wanted != 0 && (events[i].revents & ~POLLOUT))
                read_more(k);
            if (peers[k].sent < peers[k].length && (events[i].revents & ~POLLIN))
                send_more(k);
        }
        if (events[0].revents != 0 && !take_commands())
            return 0;
    }
}
