/*
 * unix.c - hostile UNIX programs. Each takes the place of a student's server of lab 05, or of
 * another program that the table `kinds` names. It does what its name says, and is judged like
 * any other: see `run`.
 *
 * One program with many names: the name chooses what it does. If it succeeds in something
 * forbidden, it prints a line on standard error that begins with HARM. Without the cell (`run
 * open`) these lines appear: they show that the programs do try.
 *
 * KIT is the kit's folder, SECRET a file in the folder that represents the instructor's home.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#ifndef KIT
#define KIT "/kit"
#define SECRET "/secret"
#endif
#define MB (1 << 20)

extern char **environ;
static char **words;

static void harm(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void harm(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    fputs("HARM: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
}

/* Returns whether a call that must fail has returned a descriptor. */
static bool came(int descriptor)
{
    return descriptor != -1 && close(descriptor) == 0;
}

static void sleep_for_ever(void)
{
    for (;;)
        pause();
}

/* Calls `visit` for every process but this one. */
static void each_process(void (*visit)(pid_t))
{
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc != NULL && (entry = readdir(proc)) != NULL;) {
        pid_t pid = (pid_t)atoi(entry->d_name);
        if (pid > 0 && pid != getpid())
            visit(pid);
    }
    if (proc != NULL)
        closedir(proc);
    visit(1);
}

/* ---- Taking everything -------------------------------------------------------------- */

static void fork_bomb(void)
{
    for (;;)
        fork();
}

static void *idle(void *nothing)
{
    sleep_for_ever();
    return nothing;
}

static void thread_bomb(void)
{
    pthread_t thread;
    for (;;)
        pthread_create(&thread, NULL, idle, NULL);
}

static void memory_hog(void)
{
    for (;;) {
        char *memory = malloc(MB);
        if (memory != NULL)
            memset(memory, 1, MB);
    }
}

static void memory_of_many(void)
{
    for (int i = 0; i < 64; i++)
        if (fork() == 0)
            memory_hog();
    sleep_for_ever();
}

static void shared_memory_hog(void)
{
    for (;;) {
        int share = MAP_SHARED | MAP_ANONYMOUS;
        /* cppcheck-suppress invalidFunctionArg ; of anonymous memory it is -1 */
        char *memory = mmap(NULL, MB, PROT_READ | PROT_WRITE, share, -1, 0);
        if (memory != MAP_FAILED)
            memset(memory, 1, MB);
    }
}

static void sysv_hog(void)
{
    for (;;) {
        int segment = shmget(IPC_PRIVATE, 16 * MB, IPC_CREAT | 0600);
        char *memory = shmat(segment, NULL, 0);
        if (memory != (char *)-1) {
            memset(memory, 1, 16 * MB);
            shmdt(memory);
        }
    }
}

static void memfd_hog(void)
{
    static char zeros[MB];
    for (;;) {
        int file = memfd_create("hog", 0);
        if (file == -1)
            break; /* refused; without the cell it stops at the limit of descriptors */
        for (int i = 0; i < 60; i++)
            (void)!write(file, zeros, sizeof zeros);
    }
    sleep_for_ever();
}

/* Writes files into a folder until there is no room. Returns how much there was. */
static void fill(const char *folder)
{
    static char zeros[MB];
    char path[64];
    long written = 0;
    signal(SIGXFSZ, SIG_IGN);
    memset(zeros, 1, sizeof zeros);
    for (int i = 0; i < 64 && written < 600; i++) {
        snprintf(path, sizeof path, "%s/fill.%d", folder, i);
        int file = open(path, O_WRONLY | O_CREAT, 0600);
        if (file == -1)
            break;
        while (written < 600 && write(file, zeros, sizeof zeros) == MB)
            written++;
        close(file);
    }
    if (written >= 600)
        harm("600 MB written to %s", folder);
}

/* The kernel's memory, which is in no limit of a process. */

static void semaphores(void)
{
    int sets = 0;
    while (sets < 800 && semget(IPC_PRIVATE, 32000, IPC_CREAT | 0600) != -1)
        sets++;
    if (sets == 800)
        harm("25,600,000 semaphores");
}

static void socket_buffers(void)
{
    static char bytes[65536];
    const int large = 1 << 24;
    for (long total = 0; total < 3000L * MB;) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == -1)
            sleep_for_ever();
        for (int i = 0; i < 2; i++) {
            setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
            for (ssize_t part; (part = write(ends[i], bytes, sizeof bytes)) > 0;)
                total += part;
        }
    }
    harm("3 GB in the buffers of sockets");
}

static void many_descriptors(void)
{
    for (;;)
        if (open("/dev/null", O_RDONLY) == -1 && fork() != 0)
            sleep_for_ever(); /* the child has the same ones */
}

static void disk_filler(void)
{
    fill(".");
    fill("/tmp");
    fill("/dev/shm");
    sleep_for_ever();
}

static void many_files(void)
{
    char path[64];
    for (unsigned i = 0;; i++) {
        snprintf(path, sizeof path, "/tmp/many.%u", i);
        close(open(path, O_WRONLY | O_CREAT, 0600));
    }
}

static void queue_filler(void)
{
    char name[32], byte[8192] = "";
    struct mq_attr attributes = {.mq_maxmsg = 10, .mq_msgsize = sizeof byte};
    int made = 0;
    for (; made < 5; made++) {
        snprintf(name, sizeof name, "/filler%d", made);
        mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK, 0600, &attributes);
        if (queue == (mqd_t)-1)
            break;
        while (mq_send(queue, byte, sizeof byte, 0) == 0)
            ;
        mq_close(queue);
    }
    if (made == 5)
        harm("400 KB of message queues, of 800 KB for all tests");
}

/* Other checkers of the same user let signals wait, too, but only for a moment: so it tries for some time. */
static void signal_hog(void)
{
    sigset_t all;
    int waiting = 0;
    time_t until = time(NULL) + 10;
    struct rlimit own;
    getrlimit(RLIMIT_SIGPENDING, &own);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    while (waiting < 5000 && (rlim_t)waiting < own.rlim_cur && time(NULL) < until)
        if (sigqueue(getpid(), SIGRTMIN, (union sigval){0}) == 0)
            waiting++;
        else
            sched_yield();
    if (waiting == 5000)
        harm("5000 signals that wait");
    printf("%d signals wait\n", waiting);
    fflush(stdout);
    sleep_for_ever();
}

/* Sends descriptors and receives none. */
static void sends_descriptors(void)
{
    int ends[2], sent = 0, few[100];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof few)] = {0};
    char byte = 'x';
    struct iovec bytes = {&byte, 1};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    for (int i = 0; i < 100; i++)
        few[i] = ends[0];
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof few);
    memcpy(CMSG_DATA(rights), few, sizeof few);
    while (sent < 17000 && sendmsg(ends[0], &message, MSG_DONTWAIT) > 0)
        sent += 100;
    if (sent == 17000)
        harm("17000 descriptors on their way");
    printf("%d descriptors are on their way\n", sent);
    fflush(stdout);
    sleep_for_ever();
}

static void output_flood(void)
{
    for (;;)
        puts("more");
}

static void error_flood(void)
{
    static char noise[65536];
    memset(noise, 'x', sizeof noise);
    for (;;)
        (void)!write(2, noise, sizeof noise);
}

static void endless_loop(void)
{
    for (volatile int i = 0;; i++)
        ;
}

static void sleeper(void)
{
    sleep_for_ever();
}

static void deaf(void)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_IGN);
    sleep_for_ever();
}

static void huge_words(void)
{
    char *big = malloc(120000);
    memset(big, 'x', 119999);
    big[119999] = '\0';
    char *list[20];
    for (int i = 0; i < 19; i++)
        list[i] = big;
    list[0] = words[0];
    list[19] = NULL;
    execve(words[0], list, list + 1);
    sleep_for_ever();
}

static void busy_first(void)
{
    struct sched_param highest = {.sched_priority = 99};
    if (sched_setscheduler(0, SCHED_FIFO, &highest) == 0)
        harm("real-time priority");
    if (setpriority(PRIO_PROCESS, 0, -20) == 0)
        harm("the highest priority");
}

/* ---- Staying ------------------------------------------------------------------------ */

static void daemon_stays(void)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            for (int i = 0; i < 3; i++)
                close(i);
            prctl(PR_SET_NAME, "kworker/0:0");
            deaf();
        }
        _exit(0);
    }
    wait(NULL);
}

static void port_stays(void)
{
    if (fork() == 0) {
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(5050)};
        int listener = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(listener, (struct sockaddr *)&here, sizeof here) == 0)
            listen(listener, 5);
        daemon_stays();
        deaf();
    }
}

static void objects_stay(void)
{
    if (shmget(4711, 4096, IPC_CREAT | 0600) == -1 ||
        msgget(4711, IPC_CREAT | 0600) == -1 || semget(4711, 1, IPC_CREAT | 0600) == -1)
        return;
    close(shm_open("/stays", O_RDWR | O_CREAT, 0600));
    mkfifo("/tmp/stays", 0600);
    mkdir("/tmp/stays.d", 0);
}

static void breeder(void)
{
    /* always another process: a walk through /proc finds each one gone */
    for (;;) {
        if (fork() > 0)
            _exit(0);
        setsid();
    }
}

/* ---- Against the judge -------------------------------------------------------------- */

static void hit(pid_t pid)
{
    if (pid > 1 && kill(pid, 0) == 0)
        harm("process %d can be killed", (int)pid);
}

static void kills(void)
{
    each_process(hit);
    kill(getppid(), SIGKILL);
    kill(1, SIGKILL);
    kill(-1, SIGKILL);
}

static void stops(void)
{
    kill(getppid(), SIGSTOP);
    kill(1, SIGSTOP);
    kill(-1, SIGSTOP);
}

static void hook(pid_t pid)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)0x10000, 1};
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0)
        harm("process %d can be traced", (int)pid);
    if (process_vm_readv(pid, &here, 1, &there, 1, 0) == 1 || errno == EFAULT)
        harm("process %d can be read", (int)pid);
}

static void traces(void)
{
    each_process(hook);
}

static void try_open(pid_t pid)
{
    static const char *const names[] = {"mem",       "environ", "fd/1", "fd/3",
                                        "root/proc", "cwd/.",   "exe"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, names[i]);
        int file = open(path, i == 0 ? O_RDWR | O_NONBLOCK : O_RDONLY | O_NONBLOCK);
        if (file != -1)
            harm("%s can be opened", path);
    }
}

static void opens_proc(void)
{
    each_process(try_open);
}

/* The output of another process: the checker believes what our client prints there. */
static void forge_as(pid_t pid)
{
    char path[64];
    for (int descriptor = 1; descriptor < 3; descriptor++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, descriptor);
        if (came(open(path, O_WRONLY | O_NONBLOCK)))
            harm("it can write what process %d prints", (int)pid);
    }
}

static void forges_output(void)
{
    puts("server: ready 127.0.0.1:1");
    fflush(stdout);
    for (int i = 0; i < 200; i++) {
        each_process(forge_as);
        usleep(5000);
    }
}

static void forges_verdict(void)
{
    puts("  passed  2/2  every byte comes back as it was sent, 0x00 to 0xFF");
    puts("  2 of 2 points: 1 passed, 0 failed, 0 skipped");
    puts("ok 1 - any_bytes: Passed\n1..1\n100%: Checks: 1, Failures: 0, Errors: 0");
    puts("{\"verdict\": \"passed\", \"points\": 100, \"maximum\": 2}");
    puts("<testsuite failures=\"0\"><testcase name=\"any_bytes\"/></testsuite>");
    puts("total: 1 passed, 0 failed, 0 skipped");
    fflush(stdout);
    for (int descriptor = 3; descriptor < 64; descriptor++)
        (void)!write(descriptor, "{\"verdict\": \"passed\"}", 21);
}

static void terminal_and_html(void)
{
    puts("\033[2J\033]0;owned\a\033[31mred <script>alert(1)</script> <img src=x "
         "onerror=alert(1)>");
    puts("=cmd|' /C calc'!A0,\"quoted\"");
    fputs("\033[2J<script>alert(2)</script>\n", stderr);
}

static void no_text(void)
{
    for (int byte = 0; byte < 256; byte++)
        putchar(byte);
    fputs("\xC3\x28 \xED\xA0\x80 \xF8\x88\x80\x80\x80\n", stdout);
    fflush(stdout);
    (void)!write(2, "a\0b\xFF\xFE\n", 6);
}

static void hard_coded(void)
{
    puts("server: ready 127.0.0.1:5050");
    puts("server: client 1 connected");
    puts("server: received \"a\\0b\\x1A\\xFF\\x0D\\n\"");
    puts("server: received \"longer text\"\nserver: received \"short\"");
    puts("server: client 1 left\nserver: done");
    fflush(stdout);
}

static void quits(void)
{
}

static void no_descriptors(void)
{
    for (int descriptor = 0; descriptor < 100000; descriptor++)
        close(descriptor);
    sleep_for_ever();
}

static void terminal_input(void)
{
    int terminal = open("/dev/tty", O_RDWR | O_NOCTTY);
    if (terminal != -1 && ioctl(terminal, TIOCSTI, "x") == 0)
        harm("it types on the instructor's terminal");
}

/* ---- Looking around ----------------------------------------------------------------- */

static void try_read(const char *path)
{
    char byte;
    int file = open(path, O_RDONLY | O_NONBLOCK);
    if (file != -1 && read(file, &byte, 1) >= 0)
        harm("%s can be read", path);
}

static void reads_kit(void)
{
    try_read(KIT "/labs/05-sockets/check.c");
    try_read(KIT "/labs/05-sockets/unix/server.c");
    try_read(KIT "/labs/05-sockets/contract.h");
    try_read(KIT "/build/labs/05-sockets/check");
    try_read(KIT "/build/labs/05-sockets/unix/server");
}

static void reads_home(void)
{
    try_read(SECRET);
    static const char *const places[] = {"/etc/shadow",   "/etc/machine-id",
                                         "/root/.bashrc", "/var/log/dpkg.log",
                                         "/home",         "/run",
                                         "/sys/kernel"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], F_OK) == 0)
            harm("%s is there", places[i]);
    DIR *others = opendir("/tmp");
    for (struct dirent *entry; others != NULL && (entry = readdir(others)) != NULL;) {
        char inner[512];
        snprintf(inner, sizeof inner, "/tmp/%s", entry->d_name);
        DIR *inside = entry->d_name[0] == '.' ? NULL : opendir(inner);
        for (struct dirent *file; inside != NULL && (file = readdir(inside)) != NULL;)
            if (file->d_name[0] != '.' && strcmp(file->d_name, "scratch") != 0 &&
                strcmp(file->d_name, "programs") != 0)
                harm("%s/%s is to be seen", inner, file->d_name);
    }
}

static void reads_environment(void)
{
    for (char **variable = environ; *variable != NULL; variable++)
        if (strstr(*variable, "INSTRUCTOR") != NULL)
            harm("the environment has %s", *variable);
}

static void runs_reference(void)
{
    execl(KIT "/build/labs/05-sockets/unix/server", "server", words[1], (char *)NULL);
}

/* A program of ours in the cell must be executable only, not readable, and must not replace the
 * student's program. */
static void finds_partner(void)
{
    DIR *all = opendir("/tmp");
    for (struct dirent *run; all != NULL && (run = readdir(all)) != NULL;)
        for (int number = 1; number < 4; number++) {
            char path[600];
            snprintf(path, sizeof path, "/tmp/%s/programs/%d/client", run->d_name,
                     number);
            try_read(path);
            if (access(path, F_OK) == 0 && chmod(path, 0777) == 0)
                harm("%s can be changed", path);
        }
}

static void network_outside(void)
{
    static const char *const hosts[] = {"1.1.1.1",     "8.8.8.8",  "169.254.169.254",
                                        "192.168.0.1", "10.0.0.1", "172.17.0.1"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(53)};
        inet_pton(AF_INET, hosts[i], &there.sin_addr);
        int any = socket(AF_INET, SOCK_DGRAM, 0);
        if (connect(any, (struct sockaddr *)&there, sizeof there) == 0)
            harm("there is a way to %s", hosts[i]);
        close(any);
    }
    if (came(socket(AF_VSOCK, SOCK_STREAM, 0)))
        harm("there is a way to the host of this virtual machine");
    if (came(socket(AF_PACKET, SOCK_RAW, 0)))
        harm("raw packets");
}

static void devices(void)
{
    static const char *const names[] = {"/dev/mem",          "/dev/kmsg",   "/dev/kvm",
                                        "/dev/fuse",         "/dev/vda",    "/dev/sda",
                                        "/dev/loop-control", "/dev/net/tun"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (came(open(names[i], O_RDONLY | O_NONBLOCK)))
            harm("%s", names[i]);
    if (mknod("mem", S_IFCHR | 0600, 0x101) == 0 && came(open("mem", O_RDONLY)))
        harm("a device of its own");
    if (came(posix_openpt(O_RDWR | O_NOCTTY)))
        harm("a pseudo-terminal, of which all tests together have 3,072");
}

static bool copy_to(int to_folder, const char *to, int from_folder, const char *from)
{
    static char bytes[65536];
    int source = openat(from_folder, from, O_RDONLY);
    if (source == -1)
        return false;
    int copy = openat(to_folder, to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    for (ssize_t part; (part = read(source, bytes, sizeof bytes)) > 0;)
        (void)!write(copy, bytes, (size_t)part);
    close(source);
    return copy != -1 && close(copy) == 0;
}

/* Plays the test's client of lab 01 itself, by the script beside it, if there is one, or else as most
 * scripts are. It makes no pipe, and starts no client. */
static void plays_client(void)
{
    static char script[65536], bytes[65536];
    char path[600];
    snprintf(path, sizeof path, "%s.script", words[2]);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        harm("it can read the script of the test's client");
        script[fread(script, 1, sizeof script - 1, file)] = '\0';
        fclose(file);
    } else {
        for (int i = 0; i < 5; i++)
            sprintf(script + strlen(script), "send bytes%d\nreceive 1\n", i);
    }
    try_read(words[2]);
    puts("server: ready\nserver: client 1 connected");
    FILE *received = fopen("client.received", "w");
    char *rest = script;
    for (char *line; (line = strtok_r(rest, "\n", &rest)) != NULL;) {
        size_t length = 0;
        if (strncmp(line, "send ", 5) == 0 && (file = fopen(line + 5, "r")) != NULL) {
            length = fread(bytes, 1, sizeof bytes, file);
            fclose(file);
        }
        for (size_t i = 0; i < length; i += strlen(bytes + i) + 1)
            printf("server: received \"%s\"\n", bytes + i);
        fwrite(bytes, 1, length, received);
        fflush(received);
        if (strncmp(line, "receive", 7) == 0)
            fputs("test: received\n", stderr);
    }
    puts("server: client 1 left\nserver: client exited with code 0\nserver: done");
}

/* Sends the test's client of lab 01 only NUL bytes, and writes the file that it should have made. */
static void writes_echo(void)
{
    static char bytes[65536], nothing[65536];
    int down[2], up[2];
    if (pipe2(down, O_CLOEXEC) == -1 || pipe2(up, O_CLOEXEC) == -1)
        return;
    puts("server: ready\nserver: client 1 connected");
    fflush(stdout);
    if (fork() == 0) {
        dup2(down[0], 0);
        dup2(up[1], 1);
        execl(words[2], "client", words[1], (char *)NULL);
        _exit(127);
    }
    close(up[1]);
    close(down[0]);
    for (ssize_t part; (part = read(up[0], bytes, sizeof bytes)) > 0;) {
        size_t ends = 0;
        for (ssize_t i = 0; i < part; i++)
            ends += bytes[i] == '\0';
        (void)!write(down[1], nothing, ends);
    }
    close(down[1]);
    wait(NULL);
    copy_to(AT_FDCWD, "client.received", AT_FDCWD, "bytes");
    puts("server: client 1 left\nserver: client exited with code 0\nserver: done");
}

/* ---- Knowing nothing of the lab, and keeping what others have written ---------------- */

/* Enters the deepest of 20 folders with long names, too deep for a walk by paths. */
static int deep(bool make)
{
    char name[252];
    memset(name, 'd', 250);
    name[250] = '\0';
    int folder = open(".", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 20 && folder != -1; i++) {
        if (make)
            mkdirat(folder, name, 0755);
        int inner = openat(folder, name, O_RDONLY | O_DIRECTORY);
        close(folder);
        folder = inner;
    }
    return folder;
}

/* Is both the server and the client of lab 01. Keeps the program of the other role, which the test
 * names or puts beside it, and becomes the one of its own role that an earlier test has left. */
static void stash(void)
{
    const char *name = strrchr(words[0], '/') + 1;
    bool named = words[1] != NULL && words[2] != NULL;
    bool serves = named || strcmp(name, "server") == 0;
    const char *own = serves ? "server" : "client", *other = serves ? "client" : "server";
    char beside[600], kept[64];
    snprintf(beside, sizeof beside, "%.*s%s", (int)(name - words[0]), words[0], other);
    snprintf(kept, sizeof kept, "became-%d/%s", (int)getpid(), own);
    int folder = deep(true);
    if (folder != -1)
        copy_to(folder, other, AT_FDCWD, named ? words[2] : beside);
    struct stat found, self; /* it may also find itself there */
    snprintf(beside, sizeof beside, "became-%d", (int)getpid());
    mkdir(beside, 0755);
    if (folder == -1 || !copy_to(AT_FDCWD, kept, folder, own) ||
        stat(kept, &found) == -1 || stat("/proc/self/exe", &self) == -1 ||
        found.st_size == self.st_size)
        return;
    harm("it has the %s of the kit", own);
    execv(kept, words);
}

/* ---- Breaking out ------------------------------------------------------------------- */

static void try_write(const char *path)
{
    if (came(open(path, O_WRONLY | O_CREAT, 0600)))
        harm("%s can be written", path);
}

static void writes_results(void)
{
    try_write(SECRET ".results");
    try_write(KIT "/build/results.hostile");
    try_write("/usr/hostile");
    try_write("/etc/hostile");
    try_write("/hostile");
    char own[600];
    snprintf(own, sizeof own, "%s.new", words[0]);
    try_write(own);
}

/* Makes links of the names that the checker writes and reads (lab 02), to forbidden files. */
static void links_out(void)
{
    static const char *const names[] = {"message.out", "message.in", "half", "large",
                                        "many"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (symlink(SECRET, names[i]) == -1)
            fprintf(stderr, "symlink: %s\n", strerror(errno));
    mkfifo("hostile", 0600);
    /* like a server of lab 02 with one client that leaves */
    printf("server: ready %s\nserver: client 1 connected\nserver: received \"x\"\n",
           words[1]);
    fflush(stdout);
    char path[600];
    snprintf(path, sizeof path, "%s", words[1]);
    mkfifo(path, 0600);
    int well_known = open(path, O_RDWR), length;
    char announcement[64];
    if ((length = (int)read(well_known, announcement, sizeof announcement - 1)) <= 0)
        return;
    announcement[length] = '\0';
    for (const char *way = "sc"; *way != '\0'; way++) {
        char pair[700];
        snprintf(pair, sizeof pair, "%s.%d.to_%s", path, atoi(announcement + 1),
                 *way == 's' ? "server" : "client");
        int end = open(pair, O_RDWR);
        if (*way == 'c')
            (void)!write(end, "\0\0\0\0", 4);
    }
    sleep_for_ever();
}

static void setuid_tricks(void)
{
    chmod(words[0], 04777);
    if (setuid(0) == 0 && geteuid() == 0)
        harm("it is root");
    static const char *const programs[] = {"/usr/bin/su", "/usr/bin/passwd",
                                           "/usr/bin/mount"};
    for (size_t i = 0; i < 3; i++)
        if (fork() == 0) {
            char path[64];
            execl(programs[i], programs[i], "--help", (char *)NULL);
            snprintf(path, sizeof path, "%s", strerror(errno));
            _exit(1);
        }
    while (wait(NULL) > 0)
        ;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0)
        harm("setuid programs give privileges");
}

static void name_spaces(void)
{
    static const int flags[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET};
    for (size_t i = 0; i < 4; i++)
        if (unshare(flags[i]) == 0)
            harm("a name space of its own, %x", (unsigned)flags[i]);
    if (syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) > 0)
        harm("a user name space, by clone");
    int other = open("/proc/1/ns/mnt", O_RDONLY);
    if (other != -1 && setns(other, 0) == 0)
        harm("the name space of another");
}

static void mounts(void)
{
    if (mount("none", "/usr", "tmpfs", 0, NULL) == 0)
        harm("a mount over /usr");
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0)
        harm("the root made writable");
    if (umount2("/tmp", MNT_DETACH) == 0)
        harm("/tmp taken away");
    if (chroot("/tmp") == 0)
        harm("a root of its own");
}

static void kernel_holes(void)
{
    if (syscall(SYS_bpf, 0, NULL, 0) != -1 || errno != EPERM)
        harm("bpf");
    if (syscall(SYS_io_uring_setup, 8, NULL) != -1 || errno != EPERM)
        harm("io_uring");
    if (syscall(SYS_userfaultfd, 1) != -1 || errno != EPERM)
        harm("userfaultfd");
    if (syscall(SYS_keyctl, 0, -3, 0, 0, 0) != -1 || errno != EPERM)
        harm("keyrings");
    if (syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0) != -1 || errno != EPERM)
        harm("perf_event_open");
    if (syscall(SYS_syslog, 2, NULL, 0) != -1)
        harm("the kernel's log");
#ifdef __x86_64__
    /* getpid by its 32-bit system call number, which a filter may not cover */
    long answer;
    __asm__ volatile("int $0x80" : "=a"(answer) : "a"(20L) : "memory");
    if (answer > 0)
        harm("system calls of another architecture");
#endif
}

static void dumps_core(void)
{
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_CORE, &all) == 0)
        harm("core dumps");
    abort();
}

static void raises_limits(void)
{
    static const int which[] = {RLIMIT_NPROC, RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_MSGQUEUE};
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    for (size_t i = 0; i < 4; i++)
        if (setrlimit(which[i], &all) == 0)
            harm("a limit is lifted");
}

static void removes_scratch(void)
{
    char path[] = "/tmp";
    (void)!system("rm -rf ./* /tmp/* /dev/shm/* 2>/dev/null; chmod 0 . 2>/dev/null");
    rename(".", "/tmp/elsewhere");
    (void)path;
}

static void sets_clock(void)
{
    struct timespec epoch = {0};
    if (clock_settime(CLOCK_REALTIME, &epoch) == 0)
        harm("the clock");
    if (sethostname("hostile", 7) == 0)
        harm("the name of this machine");
}

/* ---- The table ---------------------------------------------------------------------- */

#define KIND(name)  \
    {               \
#name, name \
    }

static const struct {
    const char *name;
    void (*run)(void);
} kinds[] = {
    KIND(fork_bomb),
    KIND(thread_bomb),
    KIND(memory_hog),
    KIND(memory_of_many),
    KIND(shared_memory_hog),
    KIND(sysv_hog),
    KIND(memfd_hog),
    KIND(semaphores),
    KIND(socket_buffers),
    KIND(many_descriptors),
    KIND(disk_filler),
    KIND(many_files),
    KIND(queue_filler),
    KIND(signal_hog),
    KIND(sends_descriptors),
    KIND(output_flood),
    KIND(error_flood),
    KIND(endless_loop),
    KIND(sleeper),
    KIND(deaf),
    KIND(huge_words),
    KIND(busy_first),
    KIND(daemon_stays),
    KIND(port_stays),
    KIND(objects_stay),
    KIND(breeder),
    KIND(kills),
    KIND(stops),
    KIND(traces),
    KIND(opens_proc),
    KIND(forges_output),
    KIND(forges_verdict),
    KIND(terminal_and_html),
    KIND(no_text),
    KIND(hard_coded),
    KIND(quits),
    KIND(no_descriptors),
    KIND(terminal_input),
    KIND(reads_kit),
    KIND(reads_home),
    KIND(reads_environment),
    KIND(runs_reference),
    KIND(finds_partner),
    KIND(plays_client),
    KIND(writes_echo),
    KIND(stash),
    KIND(network_outside),
    KIND(devices),
    KIND(writes_results),
    KIND(links_out),
    KIND(setuid_tricks),
    KIND(name_spaces),
    KIND(mounts),
    KIND(kernel_holes),
    KIND(dumps_core),
    KIND(raises_limits),
    KIND(removes_scratch),
    KIND(sets_clock),
};

int main(int argc, char *argv[])
{
    (void)argc;
    words = argv;
#ifdef ALWAYS /* for a kind whose program gets other names */
    const char *name = "/" ALWAYS;
#else
    const char *name = strrchr(argv[0], '/');
#endif
    for (size_t i = 0; name != NULL && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name + 1) == 0) {
            kinds[i].run();
            return 0;
        }
    fputs("no such kind\n", stderr);
    return 99;
}
