/*
 * sandbox_probe.c - a program under test that tries to leave its cell in many ways, and prints on
 * standard error which ones succeed. grading/sandbox/canary starts it in place of a student's
 * client.
 *
 * Under the name "hog" it takes memory, as "bomb" it makes processes, as "buffers" it fills the
 * buffers of sockets, as "opener" it opens files, until it is ended. As "keeper" it is in two tests
 * with a partner of ours: it must not be able to read it, and must not find what it has left.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef KIT /* the kit's folder */
#define KIT "/kit"
#endif

extern char **environ;

static int holes;

static void hole(const char *what)
{
    fprintf(stderr, "sandbox_probe: %s\n", what);
    holes++;
}

/* Reports something that must fail, but did not. */
static void refused(const char *what, long result)
{
    if (result != -1)
        hole(what);
}

static int open_file(const char *path, int flags)
{
    return open(path, flags | O_CLOEXEC, 0600);
}

static void try_files(const char *self)
{
    static const char *const hidden[] = {"/home", "/root",       "/var",  "/opt",
                                         "/srv",  "/mnt",        "/boot", "/run",
                                         "/sys",  "/etc/shadow", KIT};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (access(hidden[i], F_OK) == 0 && i + 1 == sizeof hidden / sizeof *hidden)
            /* if the kit is in /tmp, its folder's parent exists, but is empty */
            refused("it sees the kit", open_file(KIT "/Makefile", O_RDONLY));
        else if (access(hidden[i], F_OK) == 0)
            hole(hidden[i]);
    refused("it can write into /", open_file("/x", O_WRONLY | O_CREAT));
    refused("it can write into /usr", open_file("/usr/x", O_WRONLY | O_CREAT));
    refused("it can write into /etc", open_file("/etc/passwd", O_WRONLY));
    refused("it can change its own program", chmod(self, 0777));
    refused("it can write its own program", open_file(self, O_WRONLY));
    char beside[4096];
    snprintf(beside, sizeof beside, "%s.x", self);
    refused("it can write beside its own program", open_file(beside, O_WRONLY | O_CREAT));
    struct statvfs here;
    if (statvfs(".", &here) == -1 || (here.f_flag & ST_NOSUID) == 0)
        hole("a program of its own may be setuid");
    refused("it can make a device",
            mknod("device", S_IFCHR | 0600, 0x103 /* /dev/null */));
}

static void try_processes(void)
{
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc != NULL && (entry = readdir(proc)) != NULL;)
        if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != getpid())
            hole("it sees another process");
    if (proc != NULL)
        closedir(proc);
    refused("it finds others to kill", kill(-1, SIGKILL));
    kill(1, SIGKILL); /* the first process of a namespace ignores it */
    if (getppid() != 0)
        hole("it sees who has started it");
    refused("it reads the memory of another process", open_file("/proc/1/mem", O_RDONLY));
    refused("it reads the environment of another process",
            open_file("/proc/1/environ", O_RDONLY));
    DIR *descriptors = opendir("/proc/self/fd");
    for (struct dirent *entry; descriptors != NULL && (entry = readdir(descriptors));)
        if (atoi(entry->d_name) > 2 && atoi(entry->d_name) != dirfd(descriptors))
            hole("it has inherited a descriptor");
    if (descriptors != NULL)
        closedir(descriptors);
    for (char **variable = environ; *variable != NULL; variable++) {
        static const char *const usual[] = {"PATH=", "HOME=", "TMPDIR=",
                                            "XDG_RUNTIME_DIR=", "LC_ALL="};
        bool known = false;
        for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
            known = known || strncmp(*variable, usual[i], strlen(usual[i])) == 0;
        if (!known)
            hole("it has inherited a variable of the environment");
    }
}

static void try_network(void)
{
    struct sockaddr_in outside = {.sin_family = AF_INET,
                                  .sin_port = htons(53),
                                  .sin_addr.s_addr = htonl(0x01010101)};
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    refused("it reaches the network",
            connect(any, (struct sockaddr *)&outside, sizeof outside));
    close(any);
    refused("it reaches the host of a virtual machine",
            socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static void try_privileges(void)
{
    struct __user_cap_header_struct version = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct has[2] = {{0}};
    if (geteuid() == 0)
        hole("it is root");
    if (syscall(SYS_capget, &version, has) == -1 || has[0].permitted != 0 ||
        has[1].permitted != 0)
        hole("it has a capability");
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        hole("it may gain privileges");
    refused("it can make a name space", unshare(CLONE_NEWUSER));
    refused("it can mount", mount("none", "/tmp", "tmpfs", 0, NULL));
    refused("it can trace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    refused("it has bpf", syscall(SYS_bpf, 0, NULL, 0));
    refused("it has io_uring", syscall(SYS_io_uring_setup, 1, NULL));
    refused("it has userfaultfd", syscall(SYS_userfaultfd, 0));
    refused("it has keyrings", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
    refused("it has perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}

static void try_limits(void)
{
    signal(SIGXFSZ, SIG_IGN);
    int file = open_file("large", O_WRONLY | O_CREAT);
    refused("it can write a file of any size", ftruncate(file, (off_t)1 << 30));
    close(file);
    refused("it can make a set of 32,000 semaphores",
            semget(IPC_PRIVATE, 32000, IPC_CREAT | 0600));
    struct rlimit most;
    if (getrlimit(RLIMIT_CORE, &most) == -1 || most.rlim_max != 0)
        hole("it can dump core");
    if (getrlimit(RLIMIT_SIGPENDING, &most) == -1 || most.rlim_max > 4096)
        hole("it can let any number of signals wait");
    if (getrlimit(RLIMIT_MSGQUEUE, &most) == -1 || most.rlim_max > 400000)
        hole("it can take the memory for message queues of all tests");
}

/* Tries to read the programs beside this one's folder, and to find what an earlier test has left. */
static void try_partner(const char *self)
{
    char folder[600], path[1200];
    int here = (int)(strrchr(self, '/') - self), found = 0;
    while (here > 0 && self[here - 1] != '/')
        here--;
    for (int number = 1; number < 10; number++) {
        snprintf(folder, sizeof folder, "%.*s%d", here, self, number);
        DIR *entries = opendir(folder);
        for (struct dirent *entry; entries != NULL && (entry = readdir(entries));) {
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            if (entry->d_name[0] == '.' || strcmp(path, self) == 0)
                continue;
            found++;
            refused("it can read its partner", open_file(path, O_RDONLY));
            refused("it can change its partner", chmod(path, 0777));
        }
        if (entries != NULL)
            closedir(entries);
    }
    if (found == 0)
        hole("it does not find its partner, and cannot try to read it");
    /* So deep that a walk by paths does not come there. */
    char name[251] = "";
    memset(name, 'd', sizeof name - 1);
    for (int i = 0; i < 20; i++)
        if ((mkdir(name, 0700) == -1 && errno != EEXIST) || chdir(name) == -1)
            hole("it cannot try to leave a file");
    refused("an earlier test has left a file", access("left", F_OK));
    close(open_file("left", O_WRONLY | O_CREAT));
}

static void take_memory(void)
{
    static char *all; /* kept, so that it does not count as lost */
    for (size_t size = 0;;) {
        char *more = realloc(all, size + (1 << 20));
        if (more == NULL)
            continue;
        all = more;
        memset(all + size, 1, 1 << 20);
        size += 1 << 20;
    }
}

static void make_processes(void)
{
    for (;;)
        fork();
}

static void fill_sockets(void)
{
    static char bytes[65536];
    const int large = 1 << 24;
    for (;;) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == -1)
            pause();
        setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
        while (write(ends[1], bytes, sizeof bytes) > 0)
            ;
    }
}

/* Not pipes: these would take the memory of pipes from other tests. */
static void open_files(void)
{
    for (;;) {
        int file = open_file("/dev/null", O_RDONLY); /* stays open */
        if (file == -1 && fork() != 0)
            pause(); /* the child has the same ones */
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} hogs[] = {{"/hog", take_memory},
            {"/bomb", make_processes},
            {"/buffers", fill_sockets},
            {"/opener", open_files}};

int main(int argc, char *argv[])
{
    (void)argc;
    const char *name = strrchr(argv[0], '/');
    for (size_t i = 0; name != NULL && i < sizeof hogs / sizeof *hogs; i++)
        if (strcmp(name, hogs[i].name) == 0)
            hogs[i].run();
    if (name != NULL && strcmp(name, "/keeper") == 0) {
        try_partner(argv[0]);
    } else {
        try_files(argv[0]);
        try_processes();
        try_network();
        try_privileges();
        try_limits();
    }
    if (holes == 0)
        fputs("sandbox_probe: every wall holds\n", stderr);
    return 1;
}
