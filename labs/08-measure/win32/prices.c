/*
 * prices.c - what it costs to start something, to connect, and to be woken.
 *
 * Usage: prices [MILLISECONDS]
 *
 * Prints a line of JSON for each price, in microseconds for one; about so many MILLISECONDS
 * (50) are spent on each. All on one core, where the name does not say otherwise.
 * Its twin: ../unix/prices.c.
 */
#include <winsock2.h>
#include <process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "../../say.h"
#include "mechanisms.h"

static char
    self[MAX_PATH]; /* this program, which does nothing when it is called with "-" */

static void start_and_wait(void)
{
    char command[MAX_PATH + 8];
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION process;
    snprintf(command, sizeof command, "\"%s\" -", self);
    if (!CreateProcessA(self, command, NULL, NULL, FALSE, 0, NULL, NULL, &startup,
                        &process))
        fail("CreateProcess");
    if (WaitForSingleObject(process.hProcess, INFINITE) != WAIT_OBJECT_0)
        fail("WaitForSingleObject");
    if (!CloseHandle(process.hThread) || !CloseHandle(process.hProcess))
        fail("CloseHandle");
}

static unsigned __stdcall nothing(void *argument)
{
    (void)argument;
    return 0;
}

static HANDLE start_thread(unsigned(__stdcall *function)(void *), void *argument)
{
    HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, function, argument, 0, NULL);
    if (thread == NULL)
        fail_with(_doserrno, "_beginthreadex"); /* it leaves GetLastError alone */
    return thread;
}

static void await_thread(HANDLE thread)
{
    if (WaitForSingleObject(thread, INFINITE) != WAIT_OBJECT_0)
        fail("WaitForSingleObject");
    if (!CloseHandle(thread))
        fail("CloseHandle");
}

static void thread_and_join(void)
{
    await_thread(start_thread(nothing, NULL));
}

/* ---- Connecting ---------------------------------------------------------------------------- */

static SOCKET listener;
static struct sockaddr_in server_address;

static void start_listening(void)
{
    WSADATA data;
    int room = sizeof server_address, error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        fail_with((unsigned long)error, "WSAStartup");
    server_address = (struct sockaddr_in){.sin_family = AF_INET,
                                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if ((listener = socket(AF_INET, SOCK_STREAM, 0)) == INVALID_SOCKET)
        fail_with((unsigned long)WSAGetLastError(), "socket");
    if (bind(listener, (struct sockaddr *)&server_address, room) != 0)
        fail_with((unsigned long)WSAGetLastError(), "bind");
    if (listen(listener, 1) != 0)
        fail_with((unsigned long)WSAGetLastError(), "listen");
    if (getsockname(listener, (struct sockaddr *)&server_address, &room) != 0)
        fail_with((unsigned long)WSAGetLastError(), "getsockname");
}

/* Closed by a reset, so that no port stays in TIME_WAIT. */
static void connect_and_accept(void)
{
    SOCKET client = socket(AF_INET, SOCK_STREAM, 0);
    if (client == INVALID_SOCKET)
        fail_with((unsigned long)WSAGetLastError(), "socket");
    if (connect(client, (struct sockaddr *)&server_address, sizeof server_address) != 0)
        fail_with((unsigned long)WSAGetLastError(), "connect");
    SOCKET server = accept(listener, NULL, NULL);
    if (server == INVALID_SOCKET)
        fail_with((unsigned long)WSAGetLastError(), "accept");
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (setsockopt(client, SOL_SOCKET, SO_LINGER, (const char *)&at_once,
                   sizeof at_once) != 0)
        fail_with((unsigned long)WSAGetLastError(), "setsockopt");
    if (closesocket(client) != 0 || closesocket(server) != 0)
        fail_with((unsigned long)WSAGetLastError(), "closesocket");
}

/* ---- Waking, and changing from one thread to another ----------------------------------------- */

static HANDLE ping, pong;
static volatile LONG over;

/* A thread on a core of its own, or on ours. */
static void pin_thread(int core)
{
    if (SetThreadAffinityMask(GetCurrentThread(), (DWORD_PTR)1 << core) == 0)
        fail("SetThreadAffinityMask");
}

static unsigned __stdcall wake_back(void *core)
{
    pin_thread(*(int *)core);
    while (WaitForSingleObject(ping, INFINITE) == WAIT_OBJECT_0 && !over)
        SetEvent(pong);
    return 0;
}

static void wake_and_be_woken(void)
{
    if (!SetEvent(ping) || WaitForSingleObject(pong, INFINITE) != WAIT_OBJECT_0)
        fail("SetEvent");
}

static unsigned __stdcall yield(void *core)
{
    pin_thread(*(int *)core);
    while (!over)
        SwitchToThread();
    return 0;
}

static void yield_once(void)
{
    SwitchToThread();
}

/* ---- The figures ------------------------------------------------------------------------------ */

static double price(void (*once)(void), double seconds)
{
    long count = 0;
    double taken, start;
    for (int warm = 0; warm < 3; warm++)
        once();
    start = now();
    do {
        once();
        count++;
    } while ((taken = now() - start) < seconds);
    return taken / (double)count * 1e6;
}

static void print(const char *what, double microseconds)
{
    printf("{\"what\": \"%s\", \"price\": %.4f}\n", what, microseconds);
}

/* The price of `once` beside a thread that runs `partner` on `core`; `per` such events are in
 * one call of it. */
static void print_beside(const char *what, unsigned(__stdcall *partner)(void *),
                         void (*once)(void), int core, int per, double seconds)
{
    over = 0;
    HANDLE thread = start_thread(partner, &core);
    print(what, price(once, seconds) / per);
    over = 1;
    if (!SetEvent(ping))
        fail("SetEvent");
    await_thread(thread);
    if (!ResetEvent(ping) || !ResetEvent(pong))
        fail("ResetEvent");
}

int main(int argc, char *argv[])
{
    open_missing_streams();
    if (argc == 2 && strcmp(argv[1], "-") == 0)
        return 0;
    double seconds = (argc == 2 ? atof(argv[1]) : 50) / 1000;
    if (argc > 2 || !(seconds > 0)) {
        fprintf(stderr, "usage: prices [MILLISECONDS]\n");
        return 2;
    }
    DWORD length = GetModuleFileNameA(NULL, self, sizeof self);
    if (length == 0 || length == sizeof self)
        fail("GetModuleFileName");
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    pin_thread(0);
    start_listening();
    print("a program: CreateProcess, exit, wait", price(start_and_wait, seconds));
    print("a thread: create, end, wait", price(thread_and_join, seconds));
    print("a TCP connection: connect, accept, close", price(connect_and_accept, seconds));
    ping = CreateEventA(NULL, FALSE, FALSE, NULL);
    pong = CreateEventA(NULL, FALSE, FALSE, NULL);
    if (ping == NULL || pong == NULL)
        fail("CreateEvent");
    print_beside("a wake-up on the same core", wake_back, wake_and_be_woken, 0, 2,
                 seconds);
    if (system.dwNumberOfProcessors > 1)
        print_beside("a wake-up on another core", wake_back, wake_and_be_woken, 1, 2,
                     seconds);
    print_beside("a change of threads: SwitchToThread", yield, yield_once, 0, 2, seconds);
    return 0;
}
