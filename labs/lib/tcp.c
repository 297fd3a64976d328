/*
 * tcp.c - sockets that listen or are connected. Lab 05's pair shows these calls themselves.
 *
 * Everything that needs Winsock is in this file, so that only programs that call it load
 * ws2_32.dll.
 */
#include "inside.h"

#ifdef _WIN32
#include <ws2tcpip.h>
#define CLOSE_ON_EXEC 0 /* a child gets no handle that is not inheritable */
#else
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#define INVALID_SOCKET (-1)
#define CLOSE_ON_EXEC SOCK_CLOEXEC
#endif

#define MOST_AT_ONCE (1u << 30) /* bytes for one call: Windows counts them in 31 bits */
#define ADDRESS_SIZE 80         /* room for the longest address and port */

static void start_sockets(void)
{
#ifdef _WIN32
    static bool started;
    WSADATA data;
    int error = started ? 0 : WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        sys_error_number("WSAStartup", error);
    started = true;
#endif
}

/* Returns 0 and the list of addresses, or the error: on UNIX a number of its own, not errno. */
static int resolve(const char *host, const char *port, int flags, struct addrinfo **list)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    start_sockets();
    return getaddrinfo(host, port, &hints, list);
}

static void set_option(ipc_socket socket, int level, int option, int value)
{
    if (setsockopt(socket, level, option, (const char *)&value, sizeof value) != 0)
        sys_error("setsockopt");
}

ipc_socket tcp_listen(const char *host, const char *port)
{
    struct addrinfo *address;
    int error = resolve(host, port, AI_PASSIVE, &address);
    if (error != 0)
        sys_error_number("getaddrinfo", error);
    ipc_socket listener = socket(address->ai_family, SOCK_STREAM | CLOSE_ON_EXEC, 0);
    if (listener == INVALID_SOCKET)
        sys_error("socket");
        /* UNIX: a server that is started again gets its port, although connections of the one before
     * are in TIME_WAIT. Windows: no other program can take the port while we listen on it. */
#ifdef _WIN32
    set_option(listener, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
#else
    set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1);
#endif
    if (address->ai_family == AF_INET6) /* :: means IPv4 as well */
        set_option(listener, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(listener, address->ai_addr, (socklen_t)address->ai_addrlen) != 0)
        sys_error("bind");
    if (listen(listener, SOMAXCONN) != 0)
        sys_error("listen");
    freeaddrinfo(address);
    return listener;
}

static void close_socket(ipc_socket socket)
{
#ifdef _WIN32
    closesocket(socket);
#else
    close(socket);
#endif
}

/* A name may have several addresses: the first that answers is taken. To close a socket, and to free the list,
 * may change the last error, which is the reason. Winsock's last error is GetLastError()'s. */
const char *tcp_try_connect(const char *host, const char *port, ipc_socket *connection)
{
    struct addrinfo *list = NULL;
    int error = resolve(host, port, 0, &list);
    const char *failed = error != 0 ? "getaddrinfo" : "socket";
    for (struct addrinfo *one = list; one != NULL && failed != NULL; one = one->ai_next) {
        *connection = socket(one->ai_family, SOCK_STREAM | CLOSE_ON_EXEC, 0);
        failed = *connection == INVALID_SOCKET ? "socket" : NULL;
        error = ipclab_last_error();
        if (failed != NULL)
            continue;
        if (connect(*connection, one->ai_addr, (socklen_t)one->ai_addrlen) == 0)
            continue;
        failed = "connect";
        error = ipclab_last_error();
        close_socket(*connection);
    }
    if (list != NULL)
        freeaddrinfo(list);
#ifdef _WIN32
    SetLastError((DWORD)error);
#else
    errno = error;
#endif
    return failed;
}

ipc_socket tcp_connect(const char *host, const char *port)
{
    ipc_socket connection;
    const char *failed = tcp_try_connect(host, port, &connection);
    if (failed != NULL)
        sys_error(failed);
    return connection;
}

const char *socket_address(ipc_socket socket)
{
    static char text[ADDRESS_SIZE];
    char host[64], port[8];
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getsockname(socket, (struct sockaddr *)&address, &size) != 0)
        sys_error("getsockname");
    if (getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        fatal("getnameinfo: the socket has no address");
    bool ipv6 = address.ss_family ==
                AF_INET6; /* whose colons must not run into the port's */
    snprintf(text, sizeof text, ipv6 ? "[%s]:%s" : "%s:%s", host, port);
    return text;
}

/* Sends a part. A signal handler that runs meanwhile ends send() with EINTR: it is called again. */
static long send_some(ipc_socket socket, const void *bytes, size_t length)
{
    size_t portion = length < MOST_AT_ONCE ? length : MOST_AT_ONCE;
#ifdef _WIN32
    return send(socket, bytes, (int)portion, 0);
#else
    ssize_t sent;
    do
        sent = send(socket, bytes, portion, 0);
    while (sent == -1 && errno == EINTR);
    return sent;
#endif
}

bool send_all(ipc_socket socket, const void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        long sent = send_some(socket, (const char *)bytes + done, length - done);
        if (sent == -1)
            return false;
        done += (size_t)sent;
    }
    return true;
}
