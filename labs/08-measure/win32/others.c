/*
 * others.c - mailslots and TCP.
 */
#include <winsock2.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

#include "mechanisms.h"

static size_t length;

/* ---- Mailslots: each process owns the one that it reads ------------------------------------ */

#define LARGEST_LETTER 65536 /* what was tried; the documentation names no limit */

static HANDLE slot, letterbox, ready;

static size_t mailslot_limit(void)
{
    return LARGEST_LETTER;
}

static HANDLE own_slot(const char *which)
{
    char name[ADDRESS_ROOM + 32];
    snprintf(name, sizeof name, "\\\\.\\mailslot\\%s-%s", address, which);
    HANDLE made = CreateMailslotA(name, 0, MAILSLOT_WAIT_FOREVER, NULL);
    if (made == INVALID_HANDLE_VALUE)
        fail("CreateMailslot");
    return made;
}

static HANDLE open_slot(const char *which)
{
    char name[ADDRESS_ROOM + 32];
    snprintf(name, sizeof name, "\\\\.\\mailslot\\%s-%s", address, which);
    HANDLE opened = CreateFileA(name, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                                NULL, OPEN_EXISTING, 0, NULL);
    if (opened == INVALID_HANDLE_VALUE)
        fail("CreateFile");
    return opened;
}

static void create_mailslot(size_t size)
{
    (void)size;
    snprintf(address, sizeof address, "measure-%lu", GetCurrentProcessId());
    slot = own_slot("first");
    if ((ready = CreateEventA(NULL, TRUE, FALSE, address)) == NULL)
        fail("CreateEvent");
}

static void join_mailslot(enum side side, size_t size)
{
    length = size;
    if (side == SECOND) {
        slot = own_slot("second");
        letterbox = open_slot("first");
        if ((ready = OpenEventA(EVENT_MODIFY_STATE, FALSE, address)) == NULL)
            fail("OpenEvent");
        if (!SetEvent(ready))
            fail("SetEvent");
    } else {
        if (WaitForSingleObject(ready, INFINITE) == WAIT_FAILED)
            fail("WaitForSingleObject");
        letterbox = open_slot("second");
    }
}

static void send_letter(const void *message)
{
    DWORD written;
    if (!WriteFile(letterbox, message, (DWORD)length, &written, NULL) ||
        written != length)
        fail("WriteFile");
}

static const void *receive_letter(void *room)
{
    DWORD got;
    if (!ReadFile(slot, room, (DWORD)length, &got, NULL))
        fail("ReadFile");
    if (got != length)
        give_up("a letter of %lu bytes came in place of one of %lu", got,
                (unsigned long)length);
    return room;
}

static void close_mailslot(void)
{
    if (!CloseHandle(slot) || !CloseHandle(letterbox) || !CloseHandle(ready))
        fail("CloseHandle");
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
        fail_with((unsigned long)error, "WSAStartup");
}

static void create_listener(size_t size)
{
    (void)size;
    struct sockaddr_in bound = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int room = sizeof bound;
    start_winsock();
    if ((listener = socket(AF_INET, SOCK_STREAM, 0)) == INVALID_SOCKET)
        fail_with((unsigned long)WSAGetLastError(), "socket");
    if (bind(listener, (struct sockaddr *)&bound, room) != 0)
        fail_with((unsigned long)WSAGetLastError(), "bind");
    if (listen(listener, 1) != 0)
        fail_with((unsigned long)WSAGetLastError(), "listen");
    if (getsockname(listener, (struct sockaddr *)&bound, &room) != 0)
        fail_with((unsigned long)WSAGetLastError(), "getsockname");
    snprintf(address, sizeof address, "%u", ntohs(bound.sin_port));
}

static void join_tcp(enum side side, size_t size)
{
    length = size;
    unsigned port;
    if (side == SECOND) {
        start_winsock();
        if (sscanf(address, "%u", &port) != 1)
            give_up("no port in the arguments");
        struct sockaddr_in server = {.sin_family = AF_INET,
                                     .sin_port = htons((u_short)port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        if ((connection = socket(AF_INET, SOCK_STREAM, 0)) == INVALID_SOCKET)
            fail_with((unsigned long)WSAGetLastError(), "socket");
        if (connect(connection, (struct sockaddr *)&server, sizeof server) != 0)
            fail_with((unsigned long)WSAGetLastError(), "connect");
    } else if ((connection = accept(listener, NULL, NULL)) == INVALID_SOCKET) {
        fail_with((unsigned long)WSAGetLastError(), "accept");
    }
    DWORD yes =
        1; /* a small message is not to wait for the acknowledgement of the one before */
    if (setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, (const char *)&yes,
                   sizeof yes) != 0)
        fail_with((unsigned long)WSAGetLastError(), "setsockopt");
}

static void send_all(const void *message)
{
    for (size_t done = 0; done < length;) {
        int sent = send(connection, (const char *)message + done, (int)(length - done),
                        0);
        if (sent == SOCKET_ERROR)
            fail_with((unsigned long)WSAGetLastError(), "send");
        done += (size_t)sent;
    }
}

static const void *receive_all(void *room)
{
    for (size_t done = 0; done < length;) {
        int got = recv(connection, (char *)room + done, (int)(length - done), 0);
        if (got == SOCKET_ERROR)
            fail_with((unsigned long)WSAGetLastError(), "recv");
        if (got == 0)
            give_up("the other process has ended");
        done += (size_t)got;
    }
    return room;
}

static void close_tcp(void)
{
    if (closesocket(connection) != 0 || closesocket(listener) != 0)
        fail_with((unsigned long)WSAGetLastError(), "closesocket");
    WSACleanup();
}

const struct mechanism tcp = {"tcp",
                              "TCP on the loopback network",
                              NULL,
                              NULL,
                              create_listener,
                              join_tcp,
                              send_all,
                              receive_all,
                              close_tcp};
