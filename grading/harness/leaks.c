/*
 * leaks.c - what a test has left: processes, files and named objects.
 */
#include "leaks.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cell.h"
#include "folders.h"
#include "processes.h"
#include "run.h"
#include "system.h"

/* How long the leak check waits for processes that are about to end by themselves: this part of a
 * wait's limit, and at least so long. And for how long it kills those that do not end. */
#define GRACE 0.3
#define LEAST_GRACE_MILLISECONDS 2000
#define FIGHT_MILLISECONDS 10000
#define LOOKS 3
#define MOST_FINDINGS 20 /* that are reported one by one */

/* ---- The leak check ----------------------------------------------------------------- */

static void add_finding(json_t *findings, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_finding(json_t *findings, const char *format, ...)
{
    char sentence[512];
    va_list values;
    va_start(values, format);
    vsnprintf(sentence, sizeof sentence, format, values);
    va_end(values);
    char *safe = printable(sentence, strlen(sentence));
    json_array_append_new(findings, json_string(safe));
    free(safe);
}

static const char *kind_of(mode_t mode, const char *usual)
{
    return S_ISFIFO(mode)   ? "a FIFO"
           : S_ISSOCK(mode) ? "a socket file"
           : S_ISDIR(mode)  ? "a folder"
                            : usual;
}

static long long milliseconds(void)
{
    return (long long)(now() * 1000);
}

/* Waits until `pid` has ended, or until the time `until`. */
static void await_process(pid_t pid, long long until)
{
    int handle = (int)syscall(SYS_pidfd_open, pid, 0);
    long long left = until - milliseconds();
    if (handle == -1)
        return;
    struct pollfd ended = {.fd = handle, .events = POLLIN};
    if (left > 0)
        poll(&ended, 1, (int)left);
    close(handle);
}

static void kill_listed(const struct process *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].state != 'Z')
            kill(list[i].pid, SIGKILL);
    for (size_t i = 0; i < count; i++)
        if (list[i].state != 'Z')
            await_process(list[i].pid, milliseconds() + FIGHT_MILLISECONDS);
}

/* Reaps our own zombies. Zombies of other processes use nothing but a number. Returns how many of
 * the processes still run. */
static size_t reap_listed(const struct process *list, size_t count)
{
    size_t living = 0;
    for (size_t i = 0; i < count; i++)
        if (list[i].state == 'Z')
            waitpid(list[i].pid, NULL, WNOHANG);
        else
            living++;
    return living;
}

/* Returns whether this process has no child. The kernel knows that for certain. A walk through
 * /proc can miss a process that starts another one meanwhile, and ends. */
static bool has_no_child(void)
{
    return waitid(P_ALL, 0, NULL, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD;
}

static void leaks_of_processes(json_t *findings)
{
    long long grace = (long long)(run.limit * 1000 * GRACE);
    if (grace < LEAST_GRACE_MILLISECONDS)
        grace = LEAST_GRACE_MILLISECONDS;
    long long until = milliseconds() + grace, end = until + FIGHT_MILLISECONDS;
    /* All orphans are our children. But under Wine wineserver is our child too, and in a cell the
     * orphans are not ours: then several walks must find no process. */
    for (int looks = 0; looks < LOOKS && !has_no_child() && milliseconds() < end;) {
        struct process *list;
        size_t count = below_runner(&list, false);
        size_t living = reap_listed(list, count);
        looks = living == 0 && (run.system == WIN32 || run.cell) ? looks + 1 : 0;
        bool late = milliseconds() >= until;
        for (size_t i = 0; i < count; i++) {
            if (list[i].state == 'Z')
                continue;
            if (late)
                add_finding(findings, "process %d still runs: %s", (int)list[i].pid,
                            list[i].words);
            else
                await_process(list[i].pid, until);
        }
        if (late && run.cell)
            close_cell(); /* all of them, at once */
        else if (late)
            kill_listed(list, count);
        free(list);
        if (late && run.cell)
            break;
    }
}

void kill_all(void)
{
    long long end = milliseconds() + FIGHT_MILLISECONDS;
    while (!has_no_child() && milliseconds() < end) {
        struct process *list;
        size_t count = descendants(&list);
        kill_listed(list, count);
        reap_listed(list, count);
        free(list);
    }
}

/* Removes what is ours in `folder`, and reports it. */
static void leaks_of_folder(json_t *findings, const char *folder, const char *kind)
{
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        char *path = text("%s/%s", folder, entry->d_name);
        struct stat facts;
        bool ours = !is_baseline_name(path) && !is_of_wine(path) &&
                    (run.private_namespace || strstr(entry->d_name, run.mark) != NULL) &&
                    lstat(path, &facts) == 0 && facts.st_uid == geteuid();
        if (ours) {
            add_finding(findings, "%s: %s", kind_of(facts.st_mode, kind), path);
            if (S_ISDIR(facts.st_mode))
                remove_tree(path);
            else
                unlink(path);
        }
        free(path);
    }
    if (entries != NULL)
        closedir(entries);
}

/* In the scratch folder files are allowed, but FIFOs and sockets are leaks as elsewhere. They are
 * removed with the folder. */
static json_t *scratch_findings;

static int look_for_special(const char *path, const struct stat *facts, int type,
                            struct FTW *where)
{
    (void)where;
    if (type == FTW_F && (S_ISFIFO(facts->st_mode) || S_ISSOCK(facts->st_mode)))
        add_finding(scratch_findings, "%s: %s", kind_of(facts->st_mode, ""), path);
    return 0;
}

static void leaks_of_scratch(json_t *findings)
{
    scratch_findings = findings;
    nftw(run.scratch, look_for_special, 16, FTW_PHYS | FTW_MOUNT);
}

/* System V objects stay after their makers have ended, and have no names that show whose they
 * are. */
static void leaks_of_sysv(json_t *findings, const char *table, const char *kind)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/sysvipc/%s", table);
    FILE *file = run.private_namespace ? fopen(path, "re") : NULL;
    if (file == NULL)
        return;
    if (fgets(line, sizeof line, file) == NULL) /* the heading */
        line[0] = '\0';
    int id;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "%*d %d", &id) == 1) {
            add_finding(findings, "a System V %s, identifier %d", kind, id);
            if (strcmp(table, "shm") == 0)
                shmctl(id, IPC_RMID, NULL);
            else if (strcmp(table, "msg") == 0)
                msgctl(id, IPC_RMID, NULL);
            else
                semctl(id, 0, IPC_RMID);
        }
    fclose(file);
}

json_t *check_for_leaks(void)
{
    json_t *findings = json_array();
    leaks_of_processes(findings);
    leaks_of_scratch(findings);
    for (size_t i = 0; i < watched_count; i++)
        leaks_of_folder(findings, watched_folders[i].path, watched_folders[i].kind);
    leaks_of_sysv(findings, "shm", "shared memory segment");
    leaks_of_sysv(findings, "msg", "message queue");
    leaks_of_sysv(findings, "sem", "semaphore set");
    size_t count = json_array_size(findings);
    for (size_t i = count; i > MOST_FINDINGS; i--)
        json_array_remove(findings, i - 1);
    if (count > MOST_FINDINGS)
        add_finding(findings, "... and %zu more", count - MOST_FINDINGS);
    return findings;
}
