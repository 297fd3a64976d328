/*
 * deny.c - runs a command in which ptrace(2) is not allowed, as in a hardened container.
 *
 * Usage: deny COMMAND [ARGUMENT...]
 *
 * Becomes the command, with a filter of system calls that it and its children cannot remove.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "ipclab.h"

int main(int argc, char *argv[])
{
    begin_program("deny", "COMMAND [ARGUMENT...]", &argv);
    if (argc < 2)
        usage_exit();
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof steps / sizeof *steps, steps};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == -1)
        sys_error("prctl");
    execvp(argv[1], argv + 1);
    sys_error("exec");
}
