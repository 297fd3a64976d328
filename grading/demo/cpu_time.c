/*
 * cpu_time.c - runs a command and reports its cost: the elapsed seconds, and the seconds in which
 * the processors of this machine were busy meanwhile.
 *
 * Usage: cpu_time FILE COMMAND [ARGUMENT...]      appends "CLOCK PROCESSOR" to FILE
 *
 * It reads the times of the whole machine. When a process namespace ends, nobody waits for its
 * processes, so their times are added to no process (proc(5), getrusage(2)). So the figure
 * includes what other programs do meanwhile. Returns what the command returns, 2 for wrong
 * arguments, 125 if it cannot be measured.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

_Noreturn static void give_up(const char *what)
{
    perror(what);
    exit(125);
}

/* Returns the time since the start of the machine, in all modes except idle and waiting for a
 * disk. */
static double busy_seconds(void)
{
    unsigned long long user, nice, system, irq, softirq;
    FILE *file = fopen("/proc/stat", "re");
    if (file == NULL || fscanf(file, "cpu %llu %llu %llu %*u %*u %llu %llu", &user, &nice,
                               &system, &irq, &softirq) != 5)
        give_up("/proc/stat");
    fclose(file);
    return (double)(user + nice + system + irq + softirq) / (double)sysconf(_SC_CLK_TCK);
}

int main(int argc, char *argv[])
{
    if (argc < 3) {
        fputs("usage: cpu_time FILE COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    FILE *file = fopen(argv[1], "ae");
    if (file == NULL)
        give_up(argv[1]);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
        give_up("prctl");
    double start = clock_seconds(), end = start, busy = busy_seconds();
    int status, code = 125;
    pid_t command = fork();
    if (command == -1)
        give_up("fork");
    if (command == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    /* When the command has ended, its last orphans are about to end. */
    for (pid_t ended; (ended = waitpid(-1, &status, 0)) != -1;)
        if (ended == command) {
            end = clock_seconds();
            code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
    if (fprintf(file, "%.3f %.3f\n", end - start, busy_seconds() - busy) < 0 ||
        fclose(file) == EOF)
        give_up(argv[1]);
    return code;
}
