/*
 * init.c - the first process of a cell. It reports that the cell exists, becomes the parent of
 * orphans of the programs under test, and does nothing else. SIGKILL from outside ends it, and
 * with it every process in the cell. Signals from inside do not end it.
 *
 * Descriptor 3 is the pipe for this report. The harness starts it by bubblewrap (cell.c).
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
