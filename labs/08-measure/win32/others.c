/*
 * others.c - mailslots and TCP.
 */
#include "mechanisms.h"

static size_t length;

/* ---- Mailslots: each process owns the one that it reads ------------------------------------ */

#define LARGEST_LETTER 65536 /* the largest tried; no limit is documented */

static HANDLE slot, letterbox, ready;

static size_t mailslot_limit(void)
{
    return LARGEST_LETTER;
}

static HANDLE own_slot(const char *which)
{
    char name[ADDRESS_SIZE + 32];
    snprintf(name, sizeof name, "\\\\.\\mailslot\\%s-%s", address, which);
    HANDLE made = CreateMailslotA(name, 0, MAILSLOT_WAIT_FOREVER, NULL);
    if (made == INVALID_HANDLE_VALUE)
        sys_error("CreateMailslot");
    return made;
}

static HANDLE open_slot(const char *which)
{
    char name[ADDRESS_SIZE + 32];
    snprintf(name, sizeof name, "\\\\.\\mailslot\\%s-%s", address, which);
    HANDLE opened = CreateFileA(name, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                                NULL, OPEN_EXISTING, 0, NULL);
    if (opened == INVALID_HANDLE_VALUE)
        sys_error("CreateFile");
    return opened;
}

static void create_mailslot(size_t size)
{
    (void)size;
    snprintf(address, sizeof address, "measure-%lu", GetCurrentProcessId());
    slot = own_slot("first");
    if ((ready = CreateEventA(NULL, TRUE, FALSE, address)) == NULL)
        sys_error("CreateEvent");
}

static void join_mailslot(enum side side, size_t size)
{
    length = size;
    if (side == SECOND) {
        slot = own_slot("second");
        letterbox = open_slot("first");
        if ((ready = OpenEventA(EVENT_MODIFY_STATE, FALSE, address)) == NULL)
            sys_error("OpenEvent");
        if (!SetEvent(ready))
            sys_error("SetEvent");
    } else {
        if (WaitForSingleObject(ready, INFINITE) == WAIT_FAILED)
            sys_error("WaitForSingleObject");
        letterbox = open_slot("second");
    }
}

static void send_letter(const void *message)
{
    DWORD written;
    if (!WriteFile(letterbox, message, (DWORD)length, &written, NULL) ||
        written != length)
        sys_error("WriteFile");
}

static const void *receive_letter(void *buffer)
{
    DWORD got;
    if (!ReadFile(slot, buffer, (DWORD)length, &got, NULL))
        sys_error("ReadFile");
    if (got != length)
        fatal("a message of %lu bytes came in place of one of %lu", got,
              (unsigned long)length);
    return buffer;
}

static void close_mailslot(void)
{
    if (!CloseHandle(slot) || !CloseHandle(letterbox) || !CloseHandle(ready))
        sys_error("CloseHandle");
}

const struct mechanism mailslot = {
    "mailslot",      "mailslot",
    mailslot_limit,  "no flow control: a mailslot takes what comes",
    create_mailslot, join_mailslot,
    send_letter,     receive_letter,
    close_mailslot};

/* ---- TCP -------------------------------------------------------------------------------------- */

static SOCKET listener = INVALID_SOCKET, connection;

static void start_winsock(void)
{
    WSADATA data;
    int error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        sys_error_number("WSAStartup", error);
}

static void create_listener(size_t size)
{
    (void)size;
    struct sockaddr_in bound = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int bound_size = sizeof bound;
    start_winsock();
    if ((listener = socket(AF_INET, SOCK_STREAM, 0)) == INVALID_SOCKET)
        sys_error_number("socket", WSAGetLastError());
    if (bind(listener, (struct sockaddr *)&bound, bound_size) != 0)
        sys_error_number("bind", WSAGetLastError());
    if (listen(listener, 1) != 0)
        sys_error_number("listen", WSAGetLastError());
    if (getsockname(listener, (struct sockaddr *)&bound, &bound_size) != 0)
        sys_error_number("getsockname", WSAGetLastError());
    snprintf(address, sizeof address, "%u", ntohs(bound.sin_port));
}

static void join_tcp(enum side side, size_t size)
{
    length = size;
    unsigned port;
    if (side == SECOND) {
        start_winsock();
        if (sscanf(address, "%u", &port) != 1)
            fatal("no port in the arguments");
        struct sockaddr_in server = {.sin_family = AF_INET,
                                     .sin_port = htons((u_short)port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        if ((connection = socket(AF_INET, SOCK_STREAM, 0)) == INVALID_SOCKET)
            sys_error_number("socket", WSAGetLastError());
        if (connect(connection, (struct sockaddr *)&server, sizeof server) != 0)
            sys_error_number("connect", WSAGetLastError());
    } else if ((connection = accept(listener, NULL, NULL)) == INVALID_SOCKET) {
        sys_error_number("accept", WSAGetLastError());
    }
    DWORD yes =
        1; /* without it a small message waits for the acknowledgement of the one before */
    if (setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, (const char *)&yes,
                   sizeof yes) != 0)
        sys_error_number("setsockopt", WSAGetLastError());
}

static void send_all_bytes(const void *message)
{
    if (!send_all(connection, message, length))
        sys_error_number("send", WSAGetLastError());
}

static const void *receive_all_bytes(void *buffer)
{
    for (size_t done = 0; done < length;) {
        int got = recv(connection, (char *)buffer + done, (int)(length - done), 0);
        if (got == SOCKET_ERROR)
            sys_error_number("recv", WSAGetLastError());
        if (got == 0)
            fatal("the other process has ended");
        done += (size_t)got;
    }
    return buffer;
}

static void close_tcp(void)
{
    if (closesocket(connection) != 0 || closesocket(listener) != 0)
        sys_error_number("closesocket", WSAGetLastError());
    WSACleanup();
}

const struct mechanism tcp = {"tcp",
                              "TCP on the loopback network",
                              NULL,
                              NULL,
                              create_listener,
                              join_tcp,
                              send_all_bytes,
                              receive_all_bytes,
                              close_tcp};
