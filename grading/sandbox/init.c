/*
 * init.c - the first process of a cell: it says that the cell is there, takes in the orphans of
 * the programs under test, and does nothing else. Its end, by SIGKILL from outside, is the end of
 * every process in the cell; from inside no signal ends it.
 *
 * Descriptor 3 is the pipe on which it says so. The harness starts it by bubblewrap (cell.c).
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    sigset_t deaths;
    sigemptyset(&deaths);
    sigaddset(&deaths, SIGCHLD);
    if (prctl(PR_SET_DUMPABLE, 0) == -1 || sigprocmask(SIG_BLOCK, &deaths, NULL) == -1 ||
        write(3, "+", 1) != 1)
        return 1;
    close(3);
    for (;;) {
        int number;
        sigwait(&deaths, &number);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
}
