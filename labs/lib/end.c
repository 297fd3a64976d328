/*
 * end.c - threads, and what a program does when the user interrupts it.
 */
#include "ipclab.h"

#include "inside.h"

#include <stdatomic.h>

#define END_SECONDS 2 /* how long the last line may wait for a reader */

struct start {
    void (*function)(void *);
    void *argument;
};

static void (*clean_up_function)(void);

static void wait_seconds(unsigned seconds);

void claim_end(void)
{
    static atomic_flag claimed = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&claimed))
        for (;;)
            wait_seconds(END_SECONDS);
}

/* A thread that ends the program without its last line: the output is full, and nobody reads it. */
static void give_up(void *unused)
{
    (void)unused;
    wait_seconds(END_SECONDS);
    _exit(EXIT_FAILURE);
}

/* Cleans up, prints the last line and ends the program. _exit(), because exit() takes the lock of
 * every stream since glibc 2.41: it would block if another thread is blocked in fgets(). */
_Noreturn static void end_now(void)
{
    claim_end();
    if (clean_up_function != NULL)
        clean_up_function();
    start_thread(give_up, NULL);
    fflush(stdout); /* log_last() flushes only the stream that it prints to */
    log_last("%s: done", ipclab_name);
    _exit(EXIT_SUCCESS);
}

static void run(struct start *given)
{
    struct start start = *given;
    free(given);
    start.function(start.argument);
}

static struct start *new_start(void (*function)(void *), void *argument)
{
    struct start *start = allocate(sizeof *start);
    *start = (struct start){function, argument};
    return start;
}

#ifdef _WIN32

#include <process.h>

static HANDLE interrupted; /* the event of interrupt_event(), or NULL */

static void wait_seconds(unsigned seconds)
{
    Sleep(seconds * 1000);
}

static unsigned __stdcall run_thread(void *start)
{
    run(start);
    return 0;
}

/* _beginthreadex, not CreateThread: the C library prepares itself for the thread. */
bool start_thread(void (*function)(void *), void *argument)
{
    struct start *start = new_start(function, argument);
    HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, run_thread, start, 0, NULL);
    if (thread == NULL) {
        free(start);
        SetLastError(ERROR_NOT_ENOUGH_MEMORY); /* the call itself sets only errno */
        return false;
    }
    CloseHandle(thread);
    return true;
}

/* Windows calls this in a thread of its own, and ends the program when it returns from the
 * closing of the console. So it does not return from that before main has ended. */
static BOOL WINAPI handle_event(DWORD event)
{
    if (interrupted == NULL)
        end_now();
    SetEvent(interrupted);
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
        Sleep(INFINITE);
    return TRUE;
}

/* Ctrl-C may be ignored since the program's start, which is inherited: undone first. */
static void handle_events(void)
{
    if (!SetConsoleCtrlHandler(NULL, FALSE) || !SetConsoleCtrlHandler(handle_event, TRUE))
        sys_error("SetConsoleCtrlHandler");
}

void end_on_interrupt(void (*clean_up)(void))
{
    clean_up_function = clean_up;
    handle_events();
}

ipc_file interrupt_event(void)
{
    interrupted = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (interrupted == NULL)
        sys_error("CreateEvent");
    handle_events();
    return interrupted;
}

#else

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>

static void wait_seconds(unsigned seconds)
{
    sleep(seconds);
}

static void *run_thread(void *start)
{
    run(start);
    return NULL;
}

bool start_thread(void (*function)(void *), void *argument)
{
    struct start *start = new_start(function, argument);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run_thread, start);
    if (error != 0) {
        free(start);
        errno = error;
        return false;
    }
    pthread_detach(thread);
    return true;
}

/* Blocks the signals that ask a program to end, here and in every thread that starts later. If
 * SIGHUP is ignored, the program was started by nohup: it stays when the terminal is closed. */
static void block_signals(sigset_t *signals)
{
    struct sigaction hang_up;
    if (sigaction(SIGHUP, NULL, &hang_up) == -1)
        sys_error("sigaction");
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    if (hang_up.sa_handler != SIG_IGN)
        sigaddset(signals, SIGHUP);
    int error = pthread_sigmask(SIG_BLOCK, signals, NULL);
    if (error != 0)
        sys_error_number("pthread_sigmask", error);
}

/* A thread waits for the signals: a handler must not even print. */
static void wait_for_signal(void *argument)
{
    int number, error = sigwait(argument, &number);
    if (error != 0)
        sys_error_number("sigwait", error);
    end_now();
}

void end_on_interrupt(void (*clean_up)(void))
{
    static sigset_t signals;
    clean_up_function = clean_up;
    block_signals(&signals);
    if (!start_thread(wait_for_signal, &signals))
        sys_error("pthread_create");
}

ipc_file interrupt_event(void)
{
    sigset_t signals;
    block_signals(&signals);
    int file = signalfd(-1, &signals, SFD_CLOEXEC);
    if (file == -1)
        sys_error("signalfd");
    return file;
}

#endif
