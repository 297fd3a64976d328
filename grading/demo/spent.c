/*
 * spent.c - runs a command and tells what it has cost: the seconds of the clock, and those that it
 * and all that it started have used of processors.
 *
 * Usage: spent FILE COMMAND [ARGUMENT...]      appends "CLOCK PROCESSOR" to FILE
 *
 * `times` of a shell counts only whom somebody has waited for, and bubblewrap does not wait for the
 * first process of what it has made. Here every orphan comes to us (PR_SET_CHILD_SUBREAPER).
 * Returns what the command returns, 2 for wrong arguments, 125 if it cannot be measured.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

_Noreturn static void give_up(const char *what)
{
    perror(what);
    exit(125);
}

int main(int argc, char *argv[])
{
    if (argc < 3) {
        fputs("usage: spent FILE COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    FILE *file = fopen(argv[1], "ae");
    if (file == NULL)
        give_up(argv[1]);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
        give_up("prctl");
    double start = clock_seconds(), end = start;
    int status, code = 125;
    pid_t command = fork();
    if (command == -1)
        give_up("fork");
    if (command == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    /* When the command has ended, the last orphans are about to. */
    for (pid_t ended; (ended = waitpid(-1, &status, 0)) != -1;)
        if (ended == command) {
            end = clock_seconds();
            code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
    struct rusage used;
    if (getrusage(RUSAGE_CHILDREN, &used) == -1)
        give_up("getrusage");
    double processor = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
    if (fprintf(file, "%.3f %.3f\n", end - start, processor) < 0 || fclose(file) == EOF)
        give_up(argv[1]);
    return code;
}
