/*
 * prices.c - measures what it costs to start something, to connect, and to be woken.
 *
 * Usage: prices [MILLISECONDS]
 *
 * Prints a line of JSON for each price, in microseconds. Each takes about MILLISECONDS (50). All
 * run on one core, unless the name contains another one. Counterpart: ../unix/prices.c.
 */
#include <process.h>
#include <stdatomic.h>

#include "mechanisms.h"

static char self[MAX_PATH]; /* this program; with the argument "-" it exits at once */

static void start_and_wait(void)
{
    char command[MAX_PATH + 8];
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION process;
    snprintf(command, sizeof command, "\"%s\" -", self);
    if (!CreateProcessA(self, command, NULL, NULL, FALSE, 0, NULL, NULL, &startup,
                        &process))
        sys_error("CreateProcess");
    if (WaitForSingleObject(process.hProcess, INFINITE) != WAIT_OBJECT_0)
        sys_error("WaitForSingleObject");
    if (!CloseHandle(process.hThread) || !CloseHandle(process.hProcess))
        sys_error("CloseHandle");
}

static unsigned __stdcall nothing(void *argument)
{
    (void)argument;
    return 0;
}

static HANDLE begin_thread(unsigned(__stdcall *function)(void *), void *argument)
{
    HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, function, argument, 0, NULL);
    if (thread == NULL)
        sys_error_number("_beginthreadex",
                         (int)_doserrno); /* it leaves GetLastError alone */
    return thread;
}

static void await_thread(HANDLE thread)
{
    if (WaitForSingleObject(thread, INFINITE) != WAIT_OBJECT_0)
        sys_error("WaitForSingleObject");
    if (!CloseHandle(thread))
        sys_error("CloseHandle");
}

static void thread_and_join(void)
{
    await_thread(begin_thread(nothing, NULL));
}

/* ---- Connecting ---------------------------------------------------------------------------- */

static SOCKET listener;
static struct sockaddr_in server_address;

static void start_listening(void)
{
    WSADATA data;
    int size = sizeof server_address, error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        sys_error_number("WSAStartup", error);
    server_address = (struct sockaddr_in){.sin_family = AF_INET,
                                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if ((listener = socket(AF_INET, SOCK_STREAM, 0)) == INVALID_SOCKET)
        sys_error_number("socket", WSAGetLastError());
    if (bind(listener, (struct sockaddr *)&server_address, size) != 0)
        sys_error_number("bind", WSAGetLastError());
    if (listen(listener, 1) != 0)
        sys_error_number("listen", WSAGetLastError());
    if (getsockname(listener, (struct sockaddr *)&server_address, &size) != 0)
        sys_error_number("getsockname", WSAGetLastError());
}

/* Closes by a reset, so that no port stays in TIME_WAIT. */
static void connect_and_accept(void)
{
    SOCKET client = socket(AF_INET, SOCK_STREAM, 0);
    if (client == INVALID_SOCKET)
        sys_error_number("socket", WSAGetLastError());
    if (connect(client, (struct sockaddr *)&server_address, sizeof server_address) != 0)
        sys_error_number("connect", WSAGetLastError());
    SOCKET server = accept(listener, NULL, NULL);
    if (server == INVALID_SOCKET)
        sys_error_number("accept", WSAGetLastError());
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (setsockopt(client, SOL_SOCKET, SO_LINGER, (const char *)&at_once,
                   sizeof at_once) != 0)
        sys_error_number("setsockopt", WSAGetLastError());
    if (closesocket(client) != 0 || closesocket(server) != 0)
        sys_error_number("closesocket", WSAGetLastError());
}

/* ---- Waking, and changing from one thread to another ----------------------------------------- */

static HANDLE ping, pong;
static atomic_bool over;

/* A thread on another core, or on ours. */
static void pin_thread(int core)
{
    if (SetThreadAffinityMask(GetCurrentThread(), (DWORD_PTR)1 << core) == 0)
        sys_error("SetThreadAffinityMask");
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
        sys_error("SetEvent");
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

/* Prints the price of `once` while a thread runs `partner` on `core`. One call of `once` contains
 * `per` events. */
static void print_beside(const char *what, unsigned(__stdcall *partner)(void *),
                         void (*once)(void), int core, int per, double seconds)
{
    over = false;
    HANDLE thread = begin_thread(partner, &core);
    print(what, price(once, seconds) / per);
    over = true;
    if (!SetEvent(ping))
        sys_error("SetEvent");
    await_thread(thread);
    if (!ResetEvent(ping) || !ResetEvent(pong))
        sys_error("ResetEvent");
}

int main(int argc, char *argv[])
{
    /* Started by itself, to be measured: it ends at once. */
    if (argc == 2 && strcmp(argv[1], "-") == 0)
        return 0;
    double seconds = (argc == 2 ? atof(argv[1]) : 50) / 1000;
    if (argc > 2 || !(seconds > 0)) {
        fprintf(stderr, "usage: prices [MILLISECONDS]\n");
        return 2;
    }
    DWORD length = GetModuleFileNameA(NULL, self, sizeof self);
    if (length == 0 || length == sizeof self)
        sys_error("GetModuleFileName");
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
        sys_error("CreateEvent");
    print_beside("a wake-up on the same core", wake_back, wake_and_be_woken, 0, 2,
                 seconds);
    if (system.dwNumberOfProcessors > 1)
        print_beside("a wake-up on another core", wake_back, wake_and_be_woken, 1, 2,
                     seconds);
    print_beside("a change of threads: SwitchToThread", yield, yield_once, 0, 2, seconds);
    return 0;
}
