/*
 * find.c - how a client finds servers: see find.h.
 *
 * The calls are the same on both systems: Winsock took them from BSD UNIX. A thread of its own may
 * block in recvfrom(), because it touches nothing that the room has.
 */
#include "find.h"

#include <stdint.h>

#include "contract.h"
#include "endpoint.h"
#include "ipclab.h"

#ifdef _WIN32
#include <ws2tcpip.h>
typedef int socklen;
#else
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#define INVALID_SOCKET (-1)
#define closesocket close
typedef socklen_t socklen;
#endif

#define LONGEST_MESSAGE 64
#define MOST_ANSWERS 100

static ipc_socket asked, answers; /* the server's sockets for questions and for answers */
static char answer[LONGEST_MESSAGE];
static bool for_this_machine; /* the server can be reached from here alone */
static char found[MOST_ANSWERS + 1][LONGEST_MESSAGE];
static int count; /* of these */

static ipc_socket udp_socket(void)
{
#ifdef _WIN32
    WSADATA winsock;
    int error;
    if ((error = WSAStartup(MAKEWORD(2, 2), &winsock)) != 0)
        sys_error_number("WSAStartup", error);
    return socket(AF_INET, SOCK_DGRAM, 0);
#else
    return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
#endif
}

static bool set_option(ipc_socket socket, int option)
{
    int yes = 1;
    return setsockopt(socket, SOL_SOCKET, option, (char *)&yes, sizeof yes) == 0;
}

/* ---- The server ------------------------------------------------------------------------ */

static void answer_all(void *argument)
{
    (void)argument;
    for (;;) {
        char question[LONGEST_MESSAGE];
        struct sockaddr_in from = {0};
        socklen size = sizeof from;
        long length = (long)recvfrom(asked, question, sizeof question, 0,
                                     (struct sockaddr *)&from, &size);
        if (length == -1) {
#ifdef _WIN32
            if (WSAGetLastError() == WSAECONNRESET || WSAGetLastError() == WSAEMSGSIZE)
                continue; /* an answer reached no client; a datagram that is too long */
#endif
            log_sys_error("recvfrom");
            return;
        }
        bool local = ntohl(from.sin_addr.s_addr) >> 24 == 127;
        if (length == (long)strlen(FIND_QUESTION) &&
            memcmp(question, FIND_QUESTION, (size_t)length) == 0 &&
            (local || !for_this_machine))
            sendto(answers, answer, strlen(answer), 0, (struct sockaddr *)&from, size);
    }
}

/* Several servers share the port: a broadcast comes to all of them. Answers leave from the address where
 * the server listens, because the client takes it from there. Questions come by IPv4 only. A server
 * that cannot be found is still a server: errors are printed, and that is all. */
void answer_questions(const char *address)
{
    struct sockaddr_in all = {.sin_family = AF_INET, .sin_port = htons(FIND_PORT)};
    struct sockaddr_in own = {.sin_family = AF_INET};
    char host[LONGEST_MESSAGE];
    const char *port = strrchr(address, ':') + 1;
    snprintf(host, sizeof host, "%.*s", (int)(port - 1 - address), address);
    if (strcmp(host, "[::]") != 0 && inet_pton(AF_INET, host, &own.sin_addr) != 1)
        return;
    snprintf(answer, sizeof answer, FIND_ANSWER "%s", port);
    for_this_machine = ntohl(own.sin_addr.s_addr) >> 24 == 127;
#ifdef _WIN32
    /* Here the client knows the computer alone, and takes 127.0.0.1 for its own. */
    if (own.sin_addr.s_addr == htonl(INADDR_ANY) ||
        own.sin_addr.s_addr == htonl(INADDR_LOOPBACK))
        answer_by_mailslot(port, for_this_machine);
#endif
    asked = udp_socket();
    answers = udp_socket();
    if (asked == INVALID_SOCKET || answers == INVALID_SOCKET)
        log_sys_error("socket");
    else if (!set_option(asked, SO_REUSEADDR))
        log_sys_error("setsockopt");
    else if (bind(asked, (struct sockaddr *)&all, sizeof all) != 0 ||
             bind(answers, (struct sockaddr *)&own, sizeof own) != 0)
        log_sys_error("bind");
    else if (!start_thread(answer_all, NULL))
        log_sys_error("start_thread");
}

/* ---- The client ------------------------------------------------------------------------ */

static void ask(ipc_socket socket, uint32_t network)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(FIND_PORT),
                             .sin_addr.s_addr = network};
    sendto(socket, FIND_QUESTION, strlen(FIND_QUESTION), 0, (struct sockaddr *)&to,
           sizeof to);
}

#ifndef _WIN32
static uint32_t address_in(const struct sockaddr *address)
{
    return ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr;
}
#endif

/* Asks on each network of this machine, and this machine itself. A network that is down takes no
 * question: that is no error. */
static void ask_all(ipc_socket socket)
{
    ask(socket, htonl(0x7FFFFFFF)); /* 127.255.255.255 */
#ifdef _WIN32
    ask(socket, htonl(INADDR_BROADCAST));
#else
    struct ifaddrs *list;
    if (getifaddrs(&list) == -1)
        sys_error("getifaddrs");
    for (const struct ifaddrs *one = list; one != NULL; one = one->ifa_next)
        if (one->ifa_addr != NULL && one->ifa_addr->sa_family == AF_INET &&
            (one->ifa_flags & IFF_BROADCAST) != 0 && one->ifa_netmask != NULL)
            ask(socket, address_in(one->ifa_addr) | ~address_in(one->ifa_netmask));
    freeifaddrs(list);
#endif
}

/* Waits for an answer. Returns its length; -1 if none comes before `end`. */
static long receive_answer(ipc_socket socket, char *bytes, size_t size,
                           struct sockaddr_in *from, long long end)
{
    for (long long left; (left = end - milliseconds()) > 0;) {
#ifdef _WIN32
        WSAPOLLFD file = {.fd = socket, .events = POLLIN};
        if (WSAPoll(&file, 1, (int)left) != 1)
            continue;
#else
        struct pollfd file = {.fd = socket, .events = POLLIN};
        if (poll(&file, 1, (int)left) != 1)
            continue;
#endif
        socklen length = sizeof *from;
        long got = (long)recvfrom(socket, bytes, size - 1, 0, (struct sockaddr *)from,
                                  &length);
        if (got > 0)
            return got;
    }
    return -1;
}

/* Prints the server that has answered so. Anybody can answer anything: the port must be a number. A server
 * that answers twice counts once. */
static void take_answer(const char *bytes, const char *host)
{
    char *rest;
    if (count == MOST_ANSWERS || *host == '\0' ||
        strncmp(bytes, FIND_ANSWER, strlen(FIND_ANSWER)) != 0)
        return;
    long port = strtol(bytes + strlen(FIND_ANSWER), &rest, 10);
    if (*rest != '\0' || port < 1 || port > MAX_PORT)
        return;
    snprintf(found[count], sizeof found[count], "tcp:%s:%ld", host, port);
    int same = 0;
    while (strcmp(found[same], found[count]) != 0)
        same++;
    if (same == count)
        log_event("%s", found[count++]);
}

int find_servers(void)
{
    char bytes[LONGEST_MESSAGE], host[INET_ADDRSTRLEN];
    struct sockaddr_in from;
    ipc_socket socket = udp_socket();
    if (socket == INVALID_SOCKET)
        sys_error("socket");
    if (!set_option(socket, SO_BROADCAST))
        sys_error("setsockopt");
#ifdef _WIN32
    HANDLE slot = ask_by_mailslot(); /* meanwhile the answers wait there */
#endif
    ask_all(socket);
    long long end = milliseconds() + FIND_MILLISECONDS;
    for (long length;
         (length = receive_answer(socket, bytes, sizeof bytes, &from, end)) > 0;) {
        bytes[length] = '\0';
        if (inet_ntop(AF_INET, &from.sin_addr, host, sizeof host) != NULL)
            take_answer(bytes, host);
    }
#ifdef _WIN32
    for (const char *computer; read_mailslot(slot, bytes, sizeof bytes, &computer);)
        take_answer(bytes, computer);
    CloseHandle(slot);
#endif
    closesocket(socket);
    return count;
}
