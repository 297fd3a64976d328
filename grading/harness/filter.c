/*
 * filter.c - the system calls that a program under test may not make, as a filter of seccomp(2).
 *
 * The walls are those of the namespaces. This is for what stands beside them: parts of the kernel
 * that no lab needs and that have had more than their share of holes, ways to build walls of one's
 * own, and ways to reach into another process. What is refused fails with EPERM, so that a program
 * goes on and can tell of it; only a foreign architecture's calls, whose numbers mean something
 * else, end the process.
 */
#include "filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined __x86_64__
#define THIS_ARCHITECTURE AUDIT_ARCH_X86_64
#define FIRST_FOREIGN_CALL 0x40000000 /* x32: 64-bit registers, numbers of its own */
#elif defined __aarch64__
#define THIS_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "filter.c: say here which AUDIT_ARCH_ this machine is"
#endif

static const unsigned int refused[] = {
    /* new walls, and doors in those that are there */
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
#ifdef SYS_mount_setattr
    SYS_mount_setattr,
#endif
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    /* into other processes */
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_move_pages,
    SYS_migrate_pages,
#ifdef SYS_pidfd_getfd
    SYS_pidfd_getfd,
#endif
#ifdef SYS_process_madvise
    SYS_process_madvise,
#endif
    /* large parts of the kernel that no lab is about */
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_fanotify_init,
#ifdef SYS_quotactl_fd
    SYS_quotactl_fd,
#endif
    /* memory that no process is seen to hold */
    SYS_memfd_create,
#ifdef SYS_memfd_secret
    SYS_memfd_secret,
#endif
    /* the machine itself; all of it needs a privilege, which nobody here has */
    SYS_acct,
    SYS_swapon,
    SYS_swapoff,
    SYS_reboot,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_syslog,
    SYS_quotactl,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef __x86_64__
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_uselib,
    SYS_ustat,
    SYS__sysctl,
#endif
};

/* Of the kinds of sockets those of the labs, and netlink, by which a C library lists addresses.
 * Some others, as that to the host of a virtual machine, know nothing of namespaces. */
static const unsigned int sockets[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

#define NAMESPACES                                                              \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | \
     CLONE_NEWUTS | CLONE_NEWCGROUP)

#define FIELD(name) ((unsigned int)offsetof(struct seccomp_data, name))
#define LOAD(name) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(name))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
#define REFUSE(error) RETURN(SECCOMP_RET_ERRNO | (error))

/* A jump to the refusal at the end, which is not yet there. */
#define TO_REFUSAL 255
#define FEW 4

static int compare_numbers(const void *one, const void *other)
{
    unsigned int a = *(const unsigned int *)one, b = *(const unsigned int *)other;
    return (a > b) - (a < b);
}

/* Adds the search for a number among `count`, which are in order, at `n`; returns where it ends. By
 * halves: the kernel walks the filter for each call that there is whenever a program is started. */
static size_t add_search(struct sock_filter filter[MOST_INSTRUCTIONS], size_t n,
                         const unsigned int *numbers, size_t count)
{
    if (count <= FEW) {
        for (size_t i = 0; i < count; i++)
            filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                       numbers[i], TO_REFUSAL, 0);
        filter[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
        return n;
    }
    size_t half = count / 2, branch = n;
    n = add_search(filter, n + 1, numbers, half);
    filter[branch] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K,
                                                  numbers[half],
                                                  (unsigned char)(n - branch - 1), 0);
    return add_search(filter, n, numbers + half, count - half);
}

size_t make_filter(struct sock_filter filter[MOST_INSTRUCTIONS], bool may_trace)
{
    unsigned int numbers[sizeof refused / sizeof *refused + 1];
    size_t n = 0, count = sizeof refused / sizeof *refused;
    memcpy(numbers, refused, sizeof refused);
    if (!may_trace)
        numbers[count++] = SYS_ptrace;
    qsort(numbers, count, sizeof *numbers, compare_numbers);
#define ADD(...) filter[n++] = (struct sock_filter)__VA_ARGS__
    ADD(LOAD(arch));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCHITECTURE, 1, 0));
    ADD(RETURN(SECCOMP_RET_KILL_PROCESS));
    ADD(LOAD(nr));
#ifdef FIRST_FOREIGN_CALL
    ADD(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST_FOREIGN_CALL, 0, 1));
    ADD(RETURN(SECCOMP_RET_KILL_PROCESS));
#endif
    /* clone3 has its flags in memory, where a filter does not see them. A C library that is
     * told that there is no such call takes clone. */
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1));
    ADD(REFUSE(ENOSYS));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3));
    ADD(LOAD(args[0]));
    ADD(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NAMESPACES, TO_REFUSAL, 0));
    ADD(RETURN(SECCOMP_RET_ALLOW));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0,
                 2 + sizeof sockets / sizeof *sockets * 2));
    ADD(LOAD(args[0]));
    for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, sockets[i], 0, 1));
        ADD(RETURN(SECCOMP_RET_ALLOW));
    }
    ADD(REFUSE(EAFNOSUPPORT));
    n = add_search(filter, n, numbers, count);
    if (n > TO_REFUSAL) /* jumps reach no farther: no filter is better than a wrong one */
        return 0;
    for (size_t i = 0; i < n; i++)
        if (BPF_CLASS(filter[i].code) == BPF_JMP && filter[i].jt == TO_REFUSAL)
            filter[i].jt = (unsigned char)(n - i - 1);
    ADD(REFUSE(EPERM));
    return n;
}
