/*
 * scripted_server.c - a server of lab 07 that follows a script.
 *
 * A checker copies it to the place where a client of lab 07 starts its server, and writes the script
 * into the copy (seal.h), one command a line. It prints what it does on standard output; its lines
 * "test: ..." are sealed. All
 * signals are blocked from the start (on Windows console events are only counted), so each stays
 * pending until the script takes it. Built for both systems from this one source.
 *
 *     tell WORDS      print the words as a line; part WORDS: without the newline
 *     ready           print "server: ready" and the number of this process
 *     await           wait for the next signal, and print it: "test: got SIGINT, value 1,
 *                     from the parent"
 *     nap N           wait N milliseconds
 *     until FILE      wait until the checker has made this file
 *     pending         print how many kinds of signals are pending: "test: 0 pending"
 *     drain           read standard input to its end, and print "test: end of input"
 *     close-output    close standard output, and so print nothing more
 *     inventory       print each signal that arrived blocked or ignored, and each descriptor
 *                     (Windows: pipe) that is open beside the three standard streams
 *     flood N         print N bytes without a newline
 *     raise N         end by signal N
 *     exit N          end with this exit code (the end of the script: 0)
 *
 * Exit code 99: the script or the program itself is at fault. It has printed why.
 */
#include "briefed.h"

#ifdef _WIN32
#include <io.h>
#include <process.h>
#else
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#endif

_Noreturn static void give_up(const char *why)
{
    log_to_stderr();
    report("fault: %s", why);
    exit(99);
}

#ifdef _WIN32

static const char *const names[] = {"CTRL_C_EVENT", "CTRL_BREAK_EVENT",
                                    "CTRL_CLOSE_EVENT"};
static HANDLE came[3]; /* semaphores */
static LONG waiting;

static BOOL WINAPI count(DWORD number)
{
    if (number >= 3)
        return FALSE;
    InterlockedIncrement(&waiting);
    ReleaseSemaphore(came[number], 1, NULL);
    return TRUE;
}

static void begin(void)
{
    for (int i = 0; i < 3; i++)
        came[i] = CreateSemaphoreW(NULL, 0, 1000000, NULL);
    SetConsoleCtrlHandler(NULL, FALSE);
    if (!SetConsoleCtrlHandler(count, TRUE))
        give_up("SetConsoleCtrlHandler");
}

static void await(void)
{
    DWORD which = WaitForMultipleObjects(3, came, FALSE, INFINITE);
    InterlockedDecrement(&waiting);
    report("got %s", names[which - WAIT_OBJECT_0]);
}

static int pending(void)
{
    return (int)waiting;
}

static void nap(long milliseconds)
{
    Sleep((DWORD)milliseconds);
}

static void drain(void)
{
    char portion[4096];
    DWORD length;
    while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), portion, sizeof portion, &length,
                    NULL) &&
           length > 0)
        ;
}

static void inventory(void)
{
    int extra = 0;
    for (size_t number = 4; number < 0x2000; number += 4) {
        HANDLE handle = (HANDLE)number;
        if (GetFileType(handle) == FILE_TYPE_PIPE &&
            handle != GetStdHandle(STD_INPUT_HANDLE) &&
            handle != GetStdHandle(STD_OUTPUT_HANDLE) &&
            handle != GetStdHandle(STD_ERROR_HANDLE)) {
            report("extra handle 0x%zx, a pipe", number);
            extra++;
        }
    }
    report("%d extra", extra);
}

static void end_by(long number)
{
    ExitProcess((UINT)number);
}

#else

static sigset_t all, mask;
static bool ignored[NSIG];

static void begin(void)
{
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        ignored[number] = sigaction(number, NULL, &action) == 0 &&
                          action.sa_handler == SIG_IGN;
        if (ignored[number])
            signal(number, SIG_DFL);
    }
    sigfillset(&all);
    if (sigprocmask(SIG_BLOCK, &all, &mask) == -1)
        give_up("sigprocmask");
}

static void await(void)
{
    siginfo_t signal;
    int number;
    while ((number = sigwaitinfo(&all, &signal)) == -1)
        ;
    const char *name = number == SIGRTMIN ? "RTMIN" : sigabbrev_np(number);
    char value[32] = "";
    if (signal.si_code == SI_QUEUE)
        snprintf(value, sizeof value, ", value %d", signal.si_value.sival_int);
    bool by_process = signal.si_code == SI_USER || signal.si_code == SI_QUEUE;
    report("got SIG%s%s, from %s", name == NULL ? "?" : name, value,
           !by_process                  ? "the system"
           : signal.si_pid == getppid() ? "the parent"
                                        : "elsewhere");
}

static int pending(void)
{
    int count = 0;
    sigset_t set;
    sigpending(&set);
    for (int number = 1; number < NSIG; number++)
        count += sigismember(&set, number) == 1;
    return count;
}

static void nap(long milliseconds)
{
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void drain(void)
{
    char portion[4096];
    while (read(STDIN_FILENO, portion, sizeof portion) > 0)
        ;
}

static void inventory(void)
{
    int extra = 0;
    for (int number = 1; number < NSIG; number++) {
        if (sigismember(&mask, number) == 1) {
            report("extra: signal %d arrived blocked", number);
            extra++;
        }
        if (ignored[number]) {
            report("extra: signal %d arrived ignored", number);
            extra++;
        }
    }
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        give_up("/proc/self/fd cannot be read");
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        int number = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || number <= 2 || number == dirfd(folder))
            continue;
        char path[256];
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, path, sizeof path);
        report("extra descriptor %d, %.*s", number, length > 0 ? (int)length : 0, path);
        extra++;
    }
    closedir(folder);
    report("%d extra", extra);
}

static void end_by(long number)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    sigset_t none;
    sigemptyset(&none);
    signal((int)number, SIG_DFL);
    raise((int)number);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

#endif

static void obey(char *line)
{
    char *rest = strchr(line, ' ');
    if (rest != NULL)
        *rest++ = '\0';
    else
        rest = line + strlen(line);

    if (strcmp(line, "tell") == 0 && strncmp(rest, "test: ", 6) == 0) {
        report("%s", rest + 6);
    } else if (strcmp(line, "tell") == 0) {
        log_event("%s", rest);
    } else if (strcmp(line, "ready") == 0) {
        log_event("server: ready %ld", (long)getpid());
    } else if (strcmp(line, "part") == 0) {
        fputs(rest, stdout);
        fflush(stdout);
    } else if (strcmp(line, "flood") == 0) {
        for (long i = 0; i < atol(rest); i++)
            putchar('a');
        fflush(stdout);
    } else if (strcmp(line, "await") == 0) {
        await();
    } else if (strcmp(line, "nap") == 0) {
        nap(atol(rest));
    } else if (strcmp(line, "until") == 0) {
        while (access(rest, F_OK) != 0)
            nap(20);
    } else if (strcmp(line, "pending") == 0) {
        report("%d pending", pending());
    } else if (strcmp(line, "drain") == 0) {
        drain();
        report("end of input");
    } else if (strcmp(line, "close-output") == 0) {
        fclose(stdout);
    } else if (strcmp(line, "inventory") == 0) {
        inventory();
    } else if (strcmp(line, "raise") == 0) {
        end_by(atol(rest));
    } else if (strcmp(line, "exit") == 0) {
        exit((int)strtoul(rest, NULL, 0));
    } else if (*line != '\0') {
        give_up(line);
    }
}

int main(void)
{
    begin();
    if (!brief.given)
        give_up("no script");
    seal_begin(&received_seal, brief.key);
    for (char *line = brief.script, *end; (end = strchr(line, '\n')) != NULL;
         line = end + 1) {
        *end = '\0';
        obey(line);
    }
    return 0;
}
