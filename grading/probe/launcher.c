/*
 * launcher.c - starts a program of lab 07 with unusual signal settings, console or output.
 *
 * Usage: launcher HOW PROGRAM [ARGUMENT...]
 *
 *     blocked         with all signals blocked (Windows: as "ignored")
 *     ignored         with all signals ignored (Windows: with Ctrl-C ignored)
 *     colours HEX     Windows: on a console of these colours; prints the colours at the end
 *     unread          UNIX: its output is a small pipe. Only the first line is read, until a line
 *                     comes on standard input; then all of it is passed on. The program has
 *                     another standard input, whose writer is launcher
 *     send EVENT GROUP PID     Windows: no program; sends the console event of that number to
 *                     the group, or with 0 to all, on the console of the process PID
 *
 * With blocked and ignored it becomes the program (Windows: waits for it, and returns its exit
 * code). With the others it returns the program's exit code, or 128 + the signal that ended it.
 */
#include "ipclab.h"

#ifndef _WIN32
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#endif

/* fatal() needs begin_program(), which opens closed standard streams: the program would get them. */
_Noreturn static void give_up(const char *why)
{
    log_to_stderr();
    log_event("test: fault: %s", why);
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
    log_event("test: process %lu", GetCurrentProcessId());
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
        log_event("test: the colours are %02x", screen.wAttributes & 0xff);
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
    /* In a new process group Ctrl-C is ignored on Windows. (A child also inherits what its parent
     * ignores, but under Wine it cannot undo that.) */
    return run(argv + 2, CREATE_NEW_PROCESS_GROUP);
}

#else

/* Starts the program with `input` and `output` as its standard input and output. */
static pid_t start(char *const words[], int input, int output)
{
    pid_t program = fork();
    if (program == -1)
        give_up("fork");
    if (program == 0) {
        dup2(input, STDIN_FILENO);
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
    /* The line on standard input is for us. The program may read, so it gets another input, which
     * ends when we end. */
    int ends[2], input[2];
    if (pipe2(ends, O_CLOEXEC) == -1 || pipe2(input, O_CLOEXEC) == -1 ||
        fcntl(ends[1], F_SETPIPE_SZ, 4096) == -1)
        give_up("pipe2");
    pid_t program = start(words, input[0], ends[1]);
    close(ends[1]);
    close(input[0]);
    char byte, line[256] = "";
    for (size_t i = 0;
         i < sizeof line - 1 && read(ends[0], &byte, 1) == 1 && byte != '\n';)
        line[i++] = byte;
    log_event("%s", line);
    while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
        ;
    for (ssize_t length; (length = read(ends[0], line, sizeof line)) > 0;)
        if (write(STDOUT_FILENO, line, (size_t)length) != length)
            give_up("write");
    int status;
    waitpid(program, &status, 0);
    return code_of(status);
}

int main(int argc, char *argv[])
{
    if (argc < 3)
        give_up("usage");
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (strcmp(argv[1], "unread") == 0)
        return run_unread(argv + 2);
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
