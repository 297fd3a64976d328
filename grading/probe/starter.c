/*
 * starter.c - starts a server of lab 07 in circumstances that it has not chosen.
 *
 * Usage: starter HOW PROGRAM [ARGUMENT...]
 *
 *     blocked         with all signals blocked (Windows: as "ignored")
 *     ignored         with all signals ignored (Windows: with Ctrl-C ignored)
 *     colours HEX     Windows: on a console of these colours; says in the end which are there
 *     unread          UNIX: its output a small pipe that nobody reads, but for the first line,
 *                     until a line comes on standard input; then all of it is passed on
 *     steps           UNIX on x86-64: under ptrace(2), see below
 *     send EVENT GROUP PID     Windows: no program; sends the console event of that number to
 *                     the group, or with 0 to all, on the console of the process PID
 *
 * With blocked and ignored it becomes the program (Windows: waits for it, and ends as it).
 * With the others it ends with the program's exit code, or 128 + the signal that ended it.
 *
 * steps: the worst moments. The program prints its first line, and then gets SIGUSR1 again
 * and again. Each time it is followed, one machine instruction at a time, from the moment it
 * wakes up; and at a moment that is every time a later one, or the very last before it waits
 * again, it gets SIGRTMIN with a value. Who looks whether
 * a signal has come, and then waits, loses the last: it comes between the two. Who prints in
 * a handler is caught while he prints. "starter: N rounds of M steps" tells how often, and
 * how many instructions there were, "starter: threads" that there is more than one thread, which cannot be followed so.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "say.h"

_Noreturn static void give_up(const char *why)
{
    say(stderr, "starter: fault: %s", why);
    exit(99);
}

#ifdef _WIN32

/* Runs the program to its end. Returns its exit code. */
static int run(char *const words[], DWORD flags)
{
    char command[32767] = "";
    for (size_t i = 0; words[i] != NULL; i++)
        snprintf(command + strlen(command), sizeof command - strlen(command), "\"%s\" ",
                 words[i]);
    say(stdout, "starter: process %lu", GetCurrentProcessId());
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION program;
    DWORD code = 99;
    if (!CreateProcessA(NULL, command, NULL, NULL, TRUE, flags, NULL, NULL, &startup,
                        &program))
        give_up("CreateProcess");
    WaitForSingleObject(program.hProcess, INFINITE);
    GetExitCodeProcess(program.hProcess, &code);
    return (int)code;
}

static BOOL WINAPI stay(DWORD number)
{
    (void)number;
    return TRUE;
}

int main(int argc, char *argv[])
{
    if (argc >= 4 && strcmp(argv[1], "colours") == 0) {
        HANDLE console = CreateFileW(L"CONOUT$", GENERIC_READ | GENERIC_WRITE,
                                     FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                                     OPEN_EXISTING, 0, NULL);
        CONSOLE_SCREEN_BUFFER_INFO screen;
        SetConsoleCtrlHandler(stay, TRUE);
        if (!SetConsoleTextAttribute(console, (WORD)strtoul(argv[2], NULL, 16)))
            give_up("SetConsoleTextAttribute");
        int code = run(argv + 3, 0);
        if (!GetConsoleScreenBufferInfo(console, &screen))
            give_up("GetConsoleScreenBufferInfo");
        say(stdout, "starter: the colours are %02x", screen.wAttributes & 0xff);
        return code;
    }
    if (argc == 5 && strcmp(argv[1], "send") == 0) {
        FreeConsole();
        if (!AttachConsole((DWORD)atol(argv[4])))
            give_up("AttachConsole");
        SetConsoleCtrlHandler(stay, TRUE);
        if (!GenerateConsoleCtrlEvent((DWORD)atol(argv[2]), (DWORD)atol(argv[3])))
            give_up("GenerateConsoleCtrlEvent");
        FreeConsole();
        return 0;
    }
    if (argc < 3)
        give_up("usage");
    /* In a new group Windows has Ctrl-C ignored. (What a parent ignores is inherited, too, but
     * under Wine a child of such a parent cannot undo it.) */
    return run(argv + 2, CREATE_NEW_PROCESS_GROUP);
}

#else

/* Starts the program, with `output` as its standard output. */
static pid_t start(char *const words[], int output)
{
    pid_t program = fork();
    if (program == -1)
        give_up("fork");
    if (program == 0) {
        dup2(output, STDOUT_FILENO);
        execv(words[0], words);
        _exit(97);
    }
    return program;
}

static int code_of(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_unread(char *const words[])
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1 || fcntl(ends[1], F_SETPIPE_SZ, 4096) == -1)
        give_up("pipe2");
    pid_t program = start(words, ends[1]);
    close(ends[1]);
    char byte, line[256] = "";
    for (size_t i = 0;
         i < sizeof line - 1 && read(ends[0], &byte, 1) == 1 && byte != '\n';)
        line[i++] = byte;
    say(stdout, "%s", line);
    while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
        ;
    for (ssize_t length; (length = read(ends[0], line, sizeof line)) > 0;)
        if (write(STDOUT_FILENO, line, (size_t)length) != length)
            give_up("write");
    int status;
    waitpid(program, &status, 0);
    return code_of(status);
}

#ifdef __x86_64__

#define ROUNDS 6

static bool waits_in(unsigned long long call)
{
    static const long calls[] = {SYS_pause,      SYS_rt_sigsuspend, SYS_ppoll,
                                 SYS_poll,       SYS_pselect6,      SYS_select,
                                 SYS_epoll_wait, SYS_epoll_pwait,   SYS_rt_sigtimedwait,
                                 SYS_read};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (call == (unsigned long long)calls[i])
            return true;
    return false;
}

static struct user_regs_struct registers_of(pid_t program)
{
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, program, NULL, &registers) == -1)
        give_up("PTRACE_GETREGS");
    return registers;
}

/* Whether the program, which stands still, is about to enter the kernel for a call in which
 * programs wait. */
static bool about_to_wait(pid_t program, const struct user_regs_struct *registers)
{
    if (!waits_in(registers->rax))
        return false;
    long code = ptrace(PTRACE_PEEKTEXT, program, (void *)registers->rip, NULL);
    return (code & 0xffff) == 0x050f; /* the instruction syscall */
}

static bool readable(int descriptor)
{
    struct pollfd source = {descriptor, POLLIN, 0};
    return poll(&source, 1, 0) == 1;
}

/* Lets the program, which stands still, go one instruction further; the signal with which it
 * stopped is passed on. Returns false when it has ended. */
static bool go(pid_t program, int *passed_on, int *status)
{
    if (ptrace(PTRACE_SINGLESTEP, program, NULL, (void *)(long)*passed_on) == -1)
        give_up("PTRACE_SINGLESTEP");
    if (waitpid(program, status, 0) == -1)
        give_up("waitpid");
    *passed_on = WIFSTOPPED(*status) && WSTOPSIG(*status) != SIGTRAP ? WSTOPSIG(*status)
                                                                     : 0;
    return WIFSTOPPED(*status);
}

static int thread_count(pid_t program)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)program);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    if (folder != NULL)
        closedir(folder);
    return count;
}

static void wait_until_it_waits(pid_t program)
{
    char path[64], line[64];
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)program);
    for (;;) {
        int file = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length = file == -1 ? -1 : read(file, line, sizeof line - 1);
        if (file != -1)
            close(file);
        if (length <= 0)
            return;
        line[length] = '\0';
        if (line[0] >= '0' && line[0] <= '9' && waits_in(strtoull(line, NULL, 10)))
            return;
        usleep(1000);
    }
}

/* Passes on what the program prints, until `lines` lines have come or it has ended. */
static void pass_on(int output, long lines)
{
    char portion[4096];
    ssize_t length;
    while (lines > 0 && (length = read(output, portion, sizeof portion)) > 0) {
        for (ssize_t i = 0; i < length; i++)
            lines -= portion[i] == '\n';
        if (write(STDOUT_FILENO, portion, (size_t)length) != length)
            give_up("write");
    }
}

/* One round: SIGUSR1, and SIGRTMIN when `at` instructions have been done, or in the last
 * moment. Returns how many there were up to then. */
static long disturb(pid_t program, int output, int round, long at)
{
    int status, passed_on = 0;
    if (ptrace(PTRACE_SEIZE, program, NULL, NULL) == -1 ||
        ptrace(PTRACE_INTERRUPT, program, NULL, NULL) == -1 ||
        waitpid(program, &status, 0) == -1 || !WIFSTOPPED(status))
        give_up("PTRACE_SEIZE");
    unsigned long long waited_at = registers_of(program).rip;
    bool woke = false; /* before, it is the old wait that it is about to enter again */
    kill(program, SIGUSR1);
    for (long step = 0;; step++) {
        struct user_regs_struct registers = registers_of(program);
        woke = woke || (registers.rip != waited_at && registers.rip != waited_at - 2);
        if (step == at || (woke && passed_on == 0 && about_to_wait(program, &registers) &&
                           readable(output))) {
            sigqueue(program, SIGRTMIN, (union sigval){.sival_int = round});
            ptrace(PTRACE_DETACH, program, NULL, (void *)(long)passed_on);
            return step;
        }
        if (!go(program, &passed_on, &status))
            return step; /* it has ended */
    }
}

static int run_steps(char *const words[])
{
    int ends[2], status;
    if (pipe2(ends, O_CLOEXEC) == -1)
        give_up("pipe2");
    /* Both on one processor: they take turns, and it is dear to wake another each time. */
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    pid_t program = start(words, ends[1]);
    close(ends[1]);
    pass_on(ends[0], 1);
    wait_until_it_waits(program);
    if (thread_count(program) > 1) {
        say(stdout, "starter: threads");
    } else {
        long all = 0;
        for (int round = 0; round < ROUNDS; round++) {
            /* The first and the last at the last moment, those between spread over the time. */
            bool last = round == 0 || round == ROUNDS - 1;
            long steps = disturb(program, ends[0], round,
                                 last ? -1 : all * round / ROUNDS);
            if (round == 0)
                all = steps;
            pass_on(ends[0], 2);
            wait_until_it_waits(program);
        }
        say(stdout, "starter: %d rounds of %ld steps", ROUNDS, all);
    }
    kill(program, SIGTERM);
    pass_on(ends[0], 1000000);
    waitpid(program, &status, 0);
    return code_of(status);
}

#else

static int run_steps(char *const words[])
{
    (void)words;
    say(stdout, "starter: no steps");
    return 0;
}

#endif

int main(int argc, char *argv[])
{
    if (argc < 3)
        give_up("usage");
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (strcmp(argv[1], "unread") == 0)
        return run_unread(argv + 2);
    if (strcmp(argv[1], "steps") == 0)
        return run_steps(argv + 2);
    sigset_t all;
    sigfillset(&all);
    if (strcmp(argv[1], "blocked") == 0 && sigprocmask(SIG_BLOCK, &all, NULL) == -1)
        give_up("sigprocmask");
    for (int number = 1; strcmp(argv[1], "ignored") == 0 && number < NSIG; number++)
        signal(number, SIG_IGN);
    execv(argv[2], argv + 2);
    give_up("exec");
}

#endif
