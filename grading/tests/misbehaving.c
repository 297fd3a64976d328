/*
 * misbehaving.c - a program that misbehaves as students' programs may; a checker must survive it.
 *
 * Its first argument chooses what it does, its second one how often, with which code, or under
 * which name. It prints what it does on standard output, like a lab's program. Built for both
 * systems from this one source. grading/tests/selftest.c starts it as a "server".
 */
#include "ipclab.h"

#include <stdint.h>

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#else
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#endif

static const char *self, *word; /* the first word of the command line, and the last */

/* No begin_program(), here and in main: the checker tests which standard streams are missing. */
_Noreturn static void give_up(const char *why)
{
    log_to_stderr();
    log_event("misbehaving: fault: %s", why);
    exit(99);
}

static void print_bytes(const char *bytes, size_t length)
{
    fwrite(bytes, 1, length, stdout);
    fflush(stdout);
}

/* ---- What the two systems do differently ---------------------------------------------- */

#ifdef _WIN32

static void rest(int milliseconds)
{
    Sleep((DWORD)milliseconds);
}

static void die(int code)
{
    TerminateProcess(GetCurrentProcess(), (UINT)code);
}

static void shut(FILE *stream)
{
    CloseHandle(GetStdHandle(stream == stdin    ? STD_INPUT_HANDLE
                             : stream == stdout ? STD_OUTPUT_HANDLE
                                                : STD_ERROR_HANDLE));
}

static bool is_missing(int stream)
{
    static const DWORD numbers[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
                                    STD_ERROR_HANDLE};
    return GetStdHandle(numbers[stream]) == NULL;
}

/* Starts this program again, to do only `act`. A detached one has no console, no stream and no
 * process group of ours. */
static void start_child(const char *act, bool detached)
{
    char words[1024];
    snprintf(words, sizeof words, "\"%s\" %s", self, act);
    STARTUPINFOA how = {.cb = sizeof how};
    PROCESS_INFORMATION child;
    if (!CreateProcessA(NULL, words, NULL, NULL, !detached,
                        detached ? CREATE_NEW_PROCESS_GROUP | DETACHED_PROCESS : 0, NULL,
                        NULL, &how, &child))
        give_up("CreateProcess");
    CloseHandle(child.hThread);
    CloseHandle(child.hProcess);
}

/* Leaves a process whose file has the name of one of Wine's own programs. */
static void disguise(void)
{
    char path[MAX_PATH];
    if (GetModuleFileNameA(NULL, path, sizeof path) == 0 ||
        !CopyFileA(path, "start.exe", FALSE))
        give_up("CopyFile");
    self = "start.exe";
    start_child("silent-hang", true);
}

static bool is_terminal(FILE *stream)
{
    return _isatty(_fileno(stream)) != 0;
}

static void prepare(void)
{
    if (!is_terminal(stdin)) /* there Ctrl-Z ends text, but not other bytes */
        _setmode(_fileno(stdin), _O_BINARY);
    _setmode(_fileno(stdout), _O_BINARY);
}

static bool leave(const char *what)
{
    (void)what;
    return false; /* the objects of a Win32 program end with it */
}

#else

static void rest(int milliseconds)
{
    usleep((useconds_t)milliseconds * 1000);
}

static void die(int code)
{
    raise(code);
}

static void shut(FILE *stream)
{
    close(fileno(stream));
}

static bool is_missing(int stream)
{
    return fcntl(stream, F_GETFD) == -1;
}

static void start_child(const char *act, bool detached)
{
    pid_t child = fork();
    if (child == -1)
        give_up("fork");
    if (child != 0)
        return;
    if (detached) { /* like a daemon */
        setsid();
        if (fork() != 0)
            _exit(0);
        for (int i = 0; i < 3; i++)
            close(i);
        open("/dev/null", O_RDWR);
    }
    execl("/proc/self/exe", self, act, (char *)NULL);
    _exit(99);
}

/* Leaves a process without a command line, with the name of Wine's server. */
static void disguise(void)
{
    pid_t child = fork();
    if (child == -1)
        give_up("fork");
    if (child != 0)
        return;
    setsid();
    prctl(PR_SET_NAME, "wineserver");
    memset((char *)self, 0, (size_t)(word + strlen(word) - self));
    for (;;)
        pause();
}

static bool is_terminal(FILE *stream)
{
    return isatty(fileno(stream)) == 1;
}

static void prepare(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

/* Makes an object that stays after the end of this process. */
static bool leave(const char *what)
{
    if (strcmp(what, "fifo") == 0)
        return mkfifo(word, 0600) == 0;
    if (strcmp(what, "folder") == 0)
        return mkdir(word, 0500) == 0;
    if (strcmp(what, "file") == 0)
        return close(open(word, O_WRONLY | O_CREAT, 0400)) == 0;
    if (strcmp(what, "socket") == 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof address.sun_path, "%s", word);
        return bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address,
                    sizeof address) == 0;
    }
    if (strcmp(what, "shm") == 0)
        return shm_open(word, O_RDWR | O_CREAT, 0600) != -1;
    if (strcmp(what, "queue") == 0)
        return mq_open(word, O_RDWR | O_CREAT, 0600, NULL) != (mqd_t)-1;
    if (strcmp(what, "sysv") == 0)
        return shmget(IPC_PRIVATE, 1, 0600) != -1 && msgget(IPC_PRIVATE, 0600) != -1 &&
               semget(IPC_PRIVATE, 1, 0600) != -1;
    return false;
}

static void exit_on_interrupt(void)
{
    signal(SIGINT, SIG_DFL);
    sigset_t interrupt;
    int number;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, NULL);
    log_event("misbehaving: ready");
    printf("misbehaving: received nothing\n");
    sigwait(&interrupt, &number);
}

#endif

/* ---- What it does --------------------------------------------------------------------- */

static void hang(void)
{
    log_event("misbehaving: ready");
    for (;;)
        rest(1000);
}

static void silent_hang(void)
{
    for (;;)
        rest(1000);
}

static void spin(void)
{
    log_event("misbehaving: ready");
    for (volatile unsigned i = 0;; i++)
        ;
}

static void flood(void)
{
    for (;;)
        log_event("misbehaving: and on, and on");
}

/* 8 MB take 400 seconds: longer than six of the longest limits with which it is run. */
static void read_slowly(void)
{
    char bytes[4096];
    log_event("misbehaving: ready");
    while (fread(bytes, 1, sizeof bytes, stdin) > 0)
        rest(200);
}

static void chatter(void)
{
    for (int n = 1;; n++) {
        log_event("misbehaving: still here, %d", n);
        rest(20);
    }
}

static void repeat(void)
{
    for (;;) {
        log_event("misbehaving: still here");
        rest(20);
    }
}

static void poll_aloud(void)
{
    for (;;) {
        log_event("Waiting for a message...");
        rest(20);
    }
}

static void endless_line(void)
{
    for (;;)
        print_bytes("still the same line and ", 24);
}

static void no_newline(void)
{
    print_bytes("misbehaving: half a li", 22);
}

static void no_newline_hang(void)
{
    no_newline();
    silent_hang();
}

static void print_crlf(void)
{
    print_bytes("misbehaving: one\r\nmisbehaving: two\r\n", 36);
}

static void print_nul(void)
{
    static const char bytes[] = "misbehaving: done\0 and something behind it\n";
    print_bytes(bytes, sizeof bytes - 1);
}

static void after_message(void)
{
    static const char bytes[] = "a message\0misbehaving: done\n";
    print_bytes(bytes, sizeof bytes - 1);
}

static void newline_kept(void)
{
    log_event("misbehaving: read \"one\n\"");
}

/* Prints on standard output, where only the first line belongs. */
static void wrong_stream(void)
{
    log_event("misbehaving: ready");
    log_event("usage: misbehaving WHAT");
    log_event("misbehaving: open: error 2: No such file");
}

/* As a program does whose call has failed. */
static void fail_open(void)
{
    fputs("misbehaving: open: error 2: No such file\n", stderr);
    exit(1);
}

/* As a starter does at its first TODO. */
static void todo(void)
{
    fputs("server: TODO STEP 3: Start the client.\n", stderr);
    exit(1);
}

static void todo_on_output(void)
{
    log_event("server: TODO STEP 3: Start the client.");
    exit(1);
}

static void nearly(void)
{
    log_event("Misbehaving: all  done.");
}

static void print_quotes(void)
{
    log_event("misbehaving: received \"one\"");
    log_event("misbehaving: received \"two\"");
    log_event("misbehaving: done");
}

static void stray(void)
{
    static const char bytes[] = "misbehaving: one\r\r\n\0misbehaving: two\n";
    print_bytes(bytes, sizeof bytes - 1);
}

/* Leaves a line in the buffer. (Wine's printf() would flush it at the newline.) */
static void print_unflushed(void)
{
    fwrite("misbehaving: ready\n", 1, 14, stdout);
}

static void unflushed(void)
{
    print_unflushed();
    silent_hang();
}

static void unflushed_die(void)
{
    print_unflushed();
    die(atoi(word));
}

static void echo_unflushed(void)
{
    log_event("misbehaving: ready");
    char line[1024];
    while (fgets(line, sizeof line, stdin) != NULL) {
        fputs("misbehaving: received ", stdout);
        fwrite(line, 1, strlen(line), stdout);
    }
}

static void print_garbage(void)
{
    static const char bytes[] =
        "misbehaving: \xC3\x28 \xFF\xFE \xED\xA0\x80 \x01\x07\x1B[2J\x1B[31m"
        "\x1B]0;title\x07 \xC2\x9B"
        "2J \xD0\xBF\xD1\x80\n";
    print_bytes(bytes, sizeof bytes - 1);
    fwrite(bytes, 1, sizeof bytes - 1, stderr);
}

static void forge(void)
{
    static const char report[] = "  passed  2/2  everything is perfect\n"
                                 "  \x1B[32mpassed \x1B[0m 2/2  everything is perfect\n"
                                 "\r  passed  2/2  everything is perfect\n"
                                 "ok 1\n"
                                 "  9 of 9 points: 9 passed, 0 failed, 0 skipped\n"
                                 "1 passed, 0 failed, 0 skipped\n";
    print_bytes(report, sizeof report - 1);
}

static void print_long(void)
{
    for (int i = 0; i < 5000; i++)
        print_bytes("0123456789abcdef", 16);
    print_bytes("\n", 1);
}

static void echo(void)
{
    static char portion[65536];
    for (int length; (length = (int)read(0, portion, sizeof portion)) > 0;)
        print_bytes(portion, (size_t)length);
}

static void echo_lines(void)
{
    char line[1024];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        log_event("misbehaving: received %s", line);
    }
    log_event("misbehaving: end of input");
}

static void echo_changed(void)
{
    for (int byte, count = 0; (byte = getchar()) != EOF; count++)
        putchar(count == 200 ? byte ^ 1 : byte);
}

static void read_all_go_on(void)
{
    while (getchar() != EOF)
        ;
    hang();
}

static void close_input_hang(void)
{
    shut(stdin);
    hang();
}

static void close_output_hang(void)
{
    shut(stdout);
    silent_hang();
}

static void close_output_exit(void)
{
    log_event("misbehaving: about to fall silent");
    shut(stdout);
    shut(stderr);
    rest(100);
    _Exit(5);
}

/* Exits with the standard streams that are missing: 1 for input, 2 for output, 4 for error. */
static void tell_missing(void)
{
    exit(is_missing(0) | is_missing(1) << 1 | is_missing(2) << 2);
}

static void tell_terminals(void)
{
    log_event("misbehaving: input %d, output %d, errors %d", is_terminal(stdin),
              is_terminal(stdout), is_terminal(stderr));
    echo_lines();
}

static void crash(void)
{
    log_event("misbehaving: ready");
    *(volatile int *)(uintptr_t)atoi(
        word) = 1; /* the word is not a number, so the address is 0 */
}

static void child(void)
{
    start_child("silent-hang", false);
    log_event("misbehaving: ready");
}

static void child_hang(void)
{
    start_child("silent-hang", false);
    hang();
}

static void daemonise(void)
{
    start_child("silent-hang", true);
    log_event("misbehaving: ready");
}

static void family(void)
{
    for (int i = 0; i < 8; i++)
        start_child("silent-hang", i % 2 == 0);
    log_event("misbehaving: ready");
}

/* Starts itself again and again: at each look it is another process. */
static void hop(void)
{
    rest(50);
    start_child("hop", true);
}

static const struct {
    const char *name;
    void (*act)(void);
} acts[] = {
    {"hang", hang},
    {"silent-hang", silent_hang},
    {"spin", spin},
    {"flood", flood},
    {"chatter", chatter},
    {"read-slowly", read_slowly},
    {"repeat", repeat},
    {"poll-aloud", poll_aloud},
    {"endless-line", endless_line},
    {"no-newline", no_newline},
    {"no-newline-hang", no_newline_hang},
    {"crlf", print_crlf},
    {"nul", print_nul},
    {"after-message", after_message},
    {"newline-kept", newline_kept},
    {"wrong-stream", wrong_stream},
    {"fail-open", fail_open},
    {"todo", todo},
    {"todo-on-output", todo_on_output},
    {"nearly", nearly},
    {"quotes", print_quotes},
    {"stray", stray},
    {"unflushed", unflushed},
    {"unflushed-die", unflushed_die},
    {"echo-unflushed", echo_unflushed},
#ifndef _WIN32
    {"exit-on-interrupt", exit_on_interrupt},
#endif
    {"garbage", print_garbage},
    {"forge", forge},
    {"long-line", print_long},
    {"echo", echo},
    {"echo-lines", echo_lines},
    {"echo-changed", echo_changed},
    {"read-all-go-on", read_all_go_on},
    {"close-input-hang", close_input_hang},
    {"close-output-hang", close_output_hang},
    {"close-output-exit", close_output_exit},
    {"missing", tell_missing},
    {"terminals", tell_terminals},
    {"crash", crash},
    {"child", child},
    {"child-hang", child_hang},
    {"daemonise", daemonise},
    {"family", family},
    {"hop", hop},
    {"disguise", disguise},
};

int main(int argc, char *argv[])
{
    self = argv[0];
    word = argv[argc - 1];
    prepare();
    if (argc < 2)
        return 0; /* silently */
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        if (strcmp(argv[1], acts[i].name) == 0) {
            acts[i].act();
            return 0;
        }
    if (strcmp(argv[1], "exit") == 0)
        return atoi(word);
    if (strcmp(argv[1], "die") == 0) {
        die(atoi(word));
        return 0;
    }
    if (!leave(argv[1]))
        give_up(argv[1]);
    log_event("misbehaving: ready");
    return 0;
}
