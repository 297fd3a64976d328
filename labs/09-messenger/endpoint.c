/*
 * endpoint.c - from an ADDRESS to a socket or a pipe: see endpoint.h.
 */
#include "endpoint.h"

#ifdef _WIN32

#include <mstcpip.h>
#include <ws2tcpip.h>

#define PIPE_PREFIX L"\\\\.\\pipe\\"
#define BUSY_MILLISECONDS 5000

#ifndef TCP_KEEPCNT /* MinGW's headers do not have these */
#define TCP_MAXRT 5
#define TCP_KEEPCNT 16
#endif

const wchar_t *pipe_path(const struct address *address)
{
    static wchar_t path[300];
    wchar_t *name = to_utf16(address->host);
    wcscpy(path, PIPE_PREFIX);
    wcsncat(path, name, sizeof path / sizeof *path - wcslen(path) - 1);
    free(name);
    return path;
}

static HANDLE connect_to_pipe(const wchar_t *path)
{
    for (;;) {
        /* The last two flags: the server must not act in our name. */
        HANDLE pipe = CreateFileW(
            path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
            FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL);
        /* Busy: the server is making its next instance. */
        if (pipe != INVALID_HANDLE_VALUE || GetLastError() != ERROR_PIPE_BUSY ||
            !WaitNamedPipeW(path, BUSY_MILLISECONDS))
            return pipe;
    }
}

const char *connect_to(const struct address *address, HANDLE *connection)
{
    if (address->pipe) {
        *connection = connect_to_pipe(pipe_path(address));
        return *connection != INVALID_HANDLE_VALUE ? NULL : "CreateFile";
    }
    SOCKET made;
    const char *failed = tcp_try_connect(address->host, address->port, &made);
    if (failed == NULL)
        set_keep_alive(made, SILENCE);
    *connection = (HANDLE)made;
    return failed;
}

void close_endpoint(const struct address *address, HANDLE connection)
{
    if (address->pipe)
        CloseHandle(connection);
    else
        closesocket((SOCKET)connection);
}

/* Errors are printed: the other side may have left, and then the next receive fails. */
void set_keep_alive(SOCKET socket, long silence)
{
    struct tcp_keepalive values = {1, 1000 * (ULONG)silence,
                                   1000 * (ULONG)silence / KEEP_ALIVE_PROBES};
    DWORD length, yes = 1;
    if (setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, (char *)&yes, sizeof yes) != 0)
        log_sys_error("setsockopt");
    if (WSAIoctl(socket, SIO_KEEPALIVE_VALS, &values, sizeof values, NULL, 0, &length,
                 NULL, NULL) != 0)
        log_sys_error("WSAIoctl");
    /* Windows before 10 makes ten tests: there this fails. The second limit is for bytes that we have sent
     * and nobody has acknowledged. */
    DWORD probes = KEEP_ALIVE_PROBES, most = 2 * (DWORD)silence;
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, (char *)&probes, sizeof probes);
    setsockopt(socket, IPPROTO_TCP, TCP_MAXRT, (char *)&most, sizeof most);
}

long long milliseconds(void)
{
    return (long long)GetTickCount64();
}

#else

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

/* A new socket, and its name: a NAME with a / is a path. */
static int path_socket(const struct address *address, struct sockaddr_un *name)
{
    const char *path = strchr(address->host, '/') != NULL ? address->host
                                                          : runtime_path(address->host);
    if (strlen(path) >= sizeof name->sun_path)
        fatal("the path %s is too long", path);
    *name = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(name->sun_path, path, strlen(path) + 1);
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made == -1)
        sys_error("socket");
    return made;
}

const char *connect_to(const struct address *address, int *connection)
{
    struct sockaddr_un name;
    if (!address->pipe) {
        const char *failed = tcp_try_connect(address->host, address->port, connection);
        if (failed == NULL)
            set_keep_alive(*connection, SILENCE);
        return failed;
    }
    *connection = path_socket(address, &name);
    if (connect(*connection, (struct sockaddr *)&name, sizeof name) == 0)
        return NULL;
    int error = errno;
    close(*connection);
    errno = error;
    return "connect";
}

/* The file of a server that was killed is still there. It is removed if it is a socket, and no process
 * listens there: connect() is refused. A file of another kind refuses, too, and must stay. */
static void remove_stale(int socket, const struct sockaddr_un *name)
{
    struct stat status;
    if (stat(name->sun_path, &status) == -1 || !S_ISSOCK(status.st_mode))
        return;
    if (connect(socket, (const struct sockaddr *)name, sizeof *name) == 0) {
        errno = EADDRINUSE; /* a server runs there */
        sys_error("bind");
    }
    if (errno == ECONNREFUSED && unlink(name->sun_path) == -1)
        sys_error("unlink");
}

int listen_at(const struct address *address)
{
    struct sockaddr_un name;
    if (!address->pipe)
        return tcp_listen(address->host, address->port);
    int listening = path_socket(address, &name);
    remove_stale(listening, &name);
    mode_t mask = umask(0077); /* no other user may connect */
    if (bind(listening, (struct sockaddr *)&name, sizeof name) == -1)
        sys_error("bind");
    umask(mask);
    if (listen(listening, SOMAXCONN) == -1)
        sys_error("listen");
    return listening;
}

void remove_socket(const struct address *address)
{
    struct sockaddr_un name;
    close(path_socket(address, &name));
    if (unlink(name.sun_path) == -1)
        sys_error("unlink");
}

/* TCP_USER_TIMEOUT is for bytes that we have sent and nobody has acknowledged. It also ends a
 * connection whose machine answers and whose program does not read for so long. */
void set_keep_alive(int socket, long silence)
{
    int seconds = (int)silence;
    const struct {
        int level, option, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, seconds},
        {IPPROTO_TCP, TCP_KEEPINTVL, seconds / KEEP_ALIVE_PROBES},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEP_ALIVE_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, 2 * 1000 * seconds},
        {IPPROTO_TCP, TCP_NODELAY, 1}, /* a line must not wait for the next one */
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (setsockopt(socket, options[i].level, options[i].option, &options[i].value,
                       sizeof(int)) == -1)
            sys_error("setsockopt");
}

long long milliseconds(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) == -1)
        sys_error("clock_gettime");
    return 1000LL * now.tv_sec + now.tv_nsec / 1000000;
}

#endif
