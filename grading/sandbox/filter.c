/*
 * filter.c - writes a filter of system calls, a BPF program for seccomp(2), to standard output.
 *
 * Usage: filter           for any program that must not be trusted: `bwrap --seccomp`, a checker's cell
 *        filter --trace   the same, but ptrace(2) is allowed: for a probe of ours that needs it
 *
 * The walls of the sandbox are its namespaces. The filter is for what namespaces do not cover: parts of
 * the kernel that no lab needs and that have had many security holes, ways to make further namespaces,
 * and ways into another process. A refused call fails with EPERM, so that a program continues and can
 * report it. Only calls of a foreign architecture, whose numbers have other meanings, end the process.
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Calls that always fail with EPERM. Not every architecture has all of them. */
static const char *const refused[] = {
    /* new namespaces, and changes of those that are there */
    "unshare",
    "setns",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "open_tree",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "name_to_handle_at",
    "open_by_handle_at",
    /* into other processes */
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "move_pages",
    "migrate_pages",
    "pidfd_getfd",
    "process_madvise",
    /* large parts of the kernel that no lab is about */
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "add_key",
    "request_key",
    "keyctl",
    "fanotify_init",
    "quotactl_fd",
    /* memory that no process is seen to hold */
    "memfd_create",
    "memfd_secret",
    /* the machine itself; all of them need a privilege, which no program here has */
    "acct",
    "swapon",
    "swapoff",
    "reboot",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "syslog",
    "quotactl",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "sethostname",
    "setdomainname",
    "iopl",
    "ioperm",
    "modify_ldt",
    "uselib",
    "ustat",
    "_sysctl",
};

/* The families of sockets that the labs use, and netlink, by which the C library lists addresses. Some
 * others, such as the one to the host of a virtual machine, are not covered by namespaces. */
static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
#define HIGHEST_FAMILY AF_NETLINK

#define MOST_SEMAPHORES 250 /* in a set, as many as System V allowed */

static const int namespaces[] = {CLONE_NEWUSER,  CLONE_NEWNS,  CLONE_NEWPID,
                                 CLONE_NEWNET,   CLONE_NEWIPC, CLONE_NEWUTS,
                                 CLONE_NEWCGROUP};

/* A call that this architecture does not have needs no rule. */
static int refuse(scmp_filter_ctx filter, const char *name)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR)
        fprintf(stderr, "filter: libseccomp does not know %s: it is not refused\n", name);
    return number < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
}

/* clone3 has its flags in memory, which a filter cannot read. If it fails with ENOSYS, the C library
 * calls clone. The flags of clone are bits of its first argument. */
static int refuse_namespaces(scmp_filter_ctx filter)
{
    int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    for (size_t i = 0; error == 0 && i < sizeof namespaces / sizeof *namespaces; i++) {
        scmp_datum_t flag = (scmp_datum_t)namespaces[i];
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                 SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
    }
    return error;
}

static bool is_allowed(int family)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (families[i] == family)
            return true;
    return false;
}

/* libseccomp compares an argument once in a rule: every other family needs a rule of its own. */
static int refuse_sockets(scmp_filter_ctx filter)
{
    const unsigned int action = SCMP_ACT_ERRNO(EAFNOSUPPORT);
    int error = seccomp_rule_add(filter, action, SCMP_SYS(socket), 1,
                                 SCMP_A0(SCMP_CMP_GT, HIGHEST_FAMILY));
    for (int family = 0; error == 0 && family < HIGHEST_FAMILY; family++)
        if (!is_allowed(family))
            error = seccomp_rule_add(filter, action, SCMP_SYS(socket), 1,
                                     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
    return error;
}

/* The kernel's memory for a set of semaphores is in no limit of a process. */
static int refuse_large_sets(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(semget), 1,
                            SCMP_A1(SCMP_CMP_GT, MOST_SEMAPHORES));
}

/* Returns 0, or an error as libseccomp returns it: a negative errno. */
static int add_rules(scmp_filter_ctx filter, bool may_trace)
{
    int error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    /* A search by halves: at every start of a program the kernel runs the filter for each call. */
    if (error == 0)
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    for (size_t i = 0; error == 0 && i < sizeof refused / sizeof *refused; i++)
        error = refuse(filter, refused[i]);
    if (error == 0 && !may_trace)
        error = refuse(filter, "ptrace");
    if (error == 0)
        error = refuse_namespaces(filter);
    if (error == 0)
        error = refuse_sockets(filter);
    if (error == 0)
        error = refuse_large_sets(filter);
    return error;
}

int main(int argc, char *argv[])
{
    bool may_trace = argc == 2 && strcmp(argv[1], "--trace") == 0;
    if (argc > 1 && !may_trace) {
        fputs("usage: filter [--trace]\n", stderr);
        return 2;
    }
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int error = filter == NULL ? -ENOMEM : add_rules(filter, may_trace);
    if (error == 0)
        error = seccomp_export_bpf(filter, STDOUT_FILENO);
    seccomp_release(filter);
    if (error != 0)
        fprintf(stderr, "filter: libseccomp: %s\n", strerror(-error));
    return error == 0 ? 0 : 1;
}
