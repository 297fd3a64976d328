/*
 * prisoner.c - a program under test that tries the walls of its cell, one after the other, and
 * tells on standard error which does not hold. grading/sandbox/canary starts it in the place of a
 * student's client.
 *
 * Under the name "hog" it takes memory, as "bomb" it makes processes, until somebody ends it.
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
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
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
    fprintf(stderr, "prisoner: %s\n", what);
    holes++;
}

/* What must fail, and has not. */
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
            /* where the kit lies below /tmp its folder's parent is there, and empty */
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
    kill(1, SIGKILL); /* of which the first process of a name space takes no notice */
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
    struct rlimit core;
    if (getrlimit(RLIMIT_CORE, &core) == -1 || core.rlim_max != 0)
        hole("it can dump core");
}

int main(int argc, char *argv[])
{
    (void)argc;
    const char *name = strrchr(argv[0], '/');
    for (size_t size = 0; name != NULL && strcmp(name, "/hog") == 0;) {
        static char *all; /* kept, that it may not be called lost */
        char *more = realloc(all, size + (1 << 20));
        if (more == NULL)
            continue;
        all = more;
        memset(all + size, 1, 1 << 20);
        size += 1 << 20;
    }
    while (name != NULL && strcmp(name, "/bomb") == 0)
        fork();
    try_files(argv[0]);
    try_processes();
    try_network();
    try_privileges();
    try_limits();
    if (holes == 0)
        fputs("prisoner: every wall holds\n", stderr);
    return 1;
}
