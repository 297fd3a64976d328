/*
 * watch.c - look at processes from outside: who waits for whom, who uses the processor, and
 * what a test has left behind. All of it is read from proc(5).
 *
 * The runner is a "child subreaper" (prctl(2)): whatever a program under test does, fork
 * twice, change its session, detach a Win32 child, its orphans become children of the runner.
 * So the tree below the runner is complete.
 */
#include "inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
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

/* How long the census waits for processes that are about to end by themselves: this part of
 * a wait's limit, and at least so long. And how long it fights those that do not. */
#define GRACE 0.3
#define LEAST_GRACE_MILLISECONDS 2000
#define FIGHT_MILLISECONDS 10000
#define LOOKS 3
#define MOST_FINDINGS 20 /* that are told one by one */

static pid_t baseline[64];
static size_t baseline_size;
static json_t *baseline_names; /* paths, as the keys of an object */

/* Where named objects stand, beside the scratch folder. */
static const struct {
    const char *path, *kind;
} folders[] = {
    {"/tmp", "a file"},
    {"/dev/shm", "shared memory or a semaphore"},
    {"/dev/mqueue", "a message queue"},
};

/* Reads /proc/PID/NAME into `buffer` with a NUL at its end; returns its length, 0 if gone. */
static size_t read_proc(pid_t pid, const char *name, char *buffer, size_t room)
{
    char path[320];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file == -1 ? 0 : read(file, buffer, room - 1);
    if (file != -1)
        close(file);
    buffer[length > 0 ? length : 0] = '\0';
    return length > 0 ? (size_t)length : 0;
}

/* The name of the file in the `word` of a command line, without the folder. */
static const char *base_name(const char *word)
{
    const char *base = word;
    for (const char *c = word; *c != '\0'; c++)
        if (*c == '/' || *c == '\\')
            base = c + 1;
    return base;
}

/* Fills in `process` for `pid`; returns false if there is no such process. */
static bool read_process(pid_t pid, struct process *process)
{
    /* Room for two paths, the loader's and the program's, of the greatest length there is. */
    static char words[2 * PATH_MAX + 2];
    char stat[512];
    if (read_proc(pid, "stat", stat, sizeof stat) == 0)
        return false;
    char *name = strchr(stat, '('), *end = strrchr(stat, ')');
    int parent;
    if (name == NULL || end == NULL ||
        sscanf(end + 1, " %c %d", &process->state, &parent) != 2)
        return false;
    process->pid = pid;
    process->parent = parent;
    size_t length = read_proc(pid, "cmdline", words, sizeof words);
    while (length > 0 && words[length - 1] == '\0')
        length--;
    words[length] = '\0';

    /* "Z:\tmp\client.exe", "/tmp/client", or the word behind "/usr/lib/wine/wine64" */
    const char *base = base_name(words);
    if (strncmp(base, "wine", 4) == 0 && strlen(words) < length)
        base = base_name(words + strlen(words) + 1);
    snprintf(process->program, sizeof process->program, "%s", base);

    if (length >= sizeof process->words)
        length = sizeof process->words - 1;
    for (size_t i = 0; i < length; i++)
        process->words[i] = words[i] == '\0' ? ' ' : words[i];
    process->words[length] = '\0';
    if (length == 0)
        snprintf(process->words, sizeof process->words, "[%.*s]", (int)(end - name - 1),
                 name + 1);
    return true;
}

static size_t all_processes(struct process **list)
{
    size_t count = 0, room = 0;
    *list = NULL;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc != NULL && (entry = readdir(proc)) != NULL;) {
        pid_t pid = (pid_t)atoi(entry->d_name);
        if (pid <= 0)
            continue;
        if (count == room) {
            room = 2 * room + 64;
            *list = realloc(*list, room * sizeof **list);
            if (*list == NULL)
                kit_error("no memory");
        }
        count += read_process(pid, &(*list)[count]);
    }
    if (proc != NULL)
        closedir(proc);
    return count;
}

/* Wine's own helpers may start in the middle of a test; they are nobody's fault, and serve
 * the whole run. */
static bool is_of_system(const struct process *process)
{
    static const char *const names[] = {"services",   "explorer",     "conhost",
                                        "winedevice", "plugplay",     "svchost",
                                        "rpcss",      "wineboot",     "start",
                                        "wineserver", "wineserver64", "wineserver32"};
    if (is_of_cell(process->pid))
        return true;
    for (size_t i = 0; i < baseline_size; i++)
        if (process->pid == baseline[i])
            return true;
    if (strncmp(process->words, "[wineserver", 11) == 0)
        return true; /* about to end */
    for (size_t i = 0; run.system == WIN32 && i < sizeof names / sizeof *names; i++)
        if (runs_program(process, names[i]))
            return true;
    return false;
}

bool runs_program(const struct process *process, const char *name)
{
    size_t length = strlen(name);
    return strncmp(process->program, name, length) == 0 &&
           (process->program[length] == '\0' ||
            strcmp(process->program + length, ".exe") == 0);
}

/* Every process that stands below the runner in the tree, dead ones too. */
static size_t descendants(struct process **list)
{
    size_t count = all_processes(list), kept = 0;
    struct process *all = *list;
    bool *below = calloc(count + 1, sizeof *below);
    if (below == NULL)
        kit_error("no memory");
    for (size_t i = 0; i < count; i++) {
        /* Climb from the process to the runner, over parents that are in the list too. */
        pid_t ancestor = all[i].parent;
        for (size_t steps = 0; ancestor > 1 && ancestor != run.runner && steps < count;
             steps++) {
            size_t p = 0;
            while (p < count && all[p].pid != ancestor)
                p++;
            ancestor = p < count ? all[p].parent : 0;
        }
        below[i] = ancestor == run.runner && all[i].state != 'X';
    }
    for (size_t i = 0; i < count; i++)
        if (below[i])
            all[kept++] = all[i];
    free(below);
    return kept;
}

/* Of these, those that are neither this process nor the system's own. */
static size_t below_runner(struct process **list, bool living)
{
    size_t count = descendants(list), kept = 0;
    struct process *all = *list;
    for (size_t i = 0; i < count; i++)
        if (all[i].pid != getpid() && !is_of_system(&all[i]) &&
            (!living || all[i].state != 'Z'))
            all[kept++] = all[i];
    return kept;
}

size_t our_processes(struct process **list)
{
    return below_runner(list, true);
}

size_t count_zombies(pid_t parent)
{
    struct process *list;
    size_t count = all_processes(&list), zombies = 0;
    for (size_t i = 0; i < count; i++)
        zombies += list[i].parent == parent && list[i].state == 'Z';
    free(list);
    return zombies;
}

void note_processes(void)
{
    struct process *list;
    baseline_size = 0;
    size_t count = below_runner(&list, true);
    for (size_t i = 0; i < count && baseline_size < sizeof baseline / sizeof *baseline;
         i++)
        baseline[baseline_size++] = list[i].pid;
    free(list);
}

bool is_baseline_name(const char *path)
{
    return json_object_get(baseline_names, path) != NULL;
}

void note_baseline(void)
{
    note_processes();
    baseline_names = json_object();
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        DIR *entries = opendir(folders[i].path);
        for (struct dirent *entry; entries && (entry = readdir(entries)) != NULL;)
            json_object_set_new_nocheck(baseline_names,
                                        text("%s/%s", folders[i].path, entry->d_name),
                                        json_true());
        if (entries != NULL)
            closedir(entries);
    }
}

double processor_time(void)
{
    struct process *list;
    size_t count = our_processes(&list);
    unsigned long long ticks = 0;
    for (size_t i = 0; i < count; i++) {
        char stat[512];
        unsigned long user = 0, kernel = 0;
        read_proc(list[i].pid, "stat", stat, sizeof stat);
        const char *end = strrchr(stat, ')');
        if (end != NULL &&
            sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                   &kernel) == 2)
            ticks += user + kernel;
    }
    free(list);
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* The second number of /proc/PID/task/TID/schedstat: nanoseconds on the queue of those that
 * could run. Absent where the kernel does not count it: then 0. */
double queueing_time(void)
{
    struct process *list;
    size_t count = our_processes(&list);
    unsigned long long nanoseconds = 0;
    for (size_t i = 0; i < count; i++) {
        DIR *tasks = opendir(text("/proc/%d/task", list[i].pid));
        for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;) {
            char schedstat[128] = "";
            unsigned long long delay;
            if (task->d_name[0] == '.')
                continue;
            read_proc(list[i].pid, text("task/%s/schedstat", task->d_name), schedstat,
                      sizeof schedstat);
            if (sscanf(schedstat, "%*u %llu", &delay) == 1)
                nanoseconds += delay;
        }
        if (tasks != NULL)
            closedir(tasks);
    }
    free(list);
    return (double)nanoseconds / 1e9;
}

struct resources look_at_resources(pid_t pid)
{
    struct resources found = {0};
    char path[64], statm[128];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        found.descriptors += entry->d_name[0] != '.';
    if (folder != NULL)
        closedir(folder);
    unsigned long all, held;
    if (read_proc(pid, "statm", statm, sizeof statm) > 0 &&
        sscanf(statm, "%lu %lu", &all, &held) == 2) {
        found.memory = held * (size_t)sysconf(_SC_PAGESIZE);
        found.addresses = all * (size_t)sysconf(_SC_PAGESIZE);
    }
    return found;
}

/* ---- Who waits for whom ------------------------------------------------------------- */

/* The calls in which a program waits, and whether their first argument is a descriptor. */
static const struct {
    long number;
    const char *name;
    bool on_descriptor;
} waiting_calls[] = {
    {SYS_read, "read", true},
    {SYS_readv, "readv", true},
    {SYS_write, "write", true},
    {SYS_writev, "writev", true},
    {SYS_recvfrom, "recvfrom", true},
    {SYS_recvmsg, "recvmsg", true},
    {SYS_sendto, "sendto", true},
    {SYS_sendmsg, "sendmsg", true},
    {SYS_accept4, "accept", true},
    {SYS_connect, "connect", true},
    {SYS_flock, "flock", true},
    {SYS_fcntl, "fcntl", true},
    {SYS_mq_timedsend, "mq_send", true},
    {SYS_mq_timedreceive, "mq_receive", true},
    {SYS_ppoll, "poll", false},
    {SYS_pselect6, "select", false},
    {SYS_epoll_pwait, "epoll_wait", false},
    {SYS_futex, "futex (a lock, a condition or a thread)", false},
    {SYS_wait4, "wait", false},
    {SYS_waitid, "waitid", false},
    {SYS_clock_nanosleep, "a sleep", false},
    {SYS_rt_sigtimedwait, "sigwait", false},
    {SYS_rt_sigsuspend, "sigsuspend", false},
    {SYS_semtimedop, "semop", false},
    {SYS_msgrcv, "msgrcv", false},
    {SYS_msgsnd, "msgsnd", false},
    {SYS_openat, "open (of a FIFO without a peer?)", false},
#ifdef SYS_accept /* the calls that newer architectures have no more */
    {SYS_accept, "accept", true},
    {SYS_poll, "poll", false},
    {SYS_select, "select", false},
    {SYS_epoll_wait, "epoll_wait", false},
    {SYS_pause, "pause", false},
    {SYS_semop, "semop", false},
    {SYS_nanosleep, "a sleep", false},
#endif
};

/* The descriptor by which the process `pid` can write to `pipe`, "pipe:[4711]" or the path of a FIFO, or
 * -1. */
static int write_end(pid_t pid, const char *pipe)
{
    int found = -1;
    DIR *folder = opendir(text("/proc/%d/fd", (int)pid));
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char target[128] = "", line[128];
        unsigned flags = 0;
        if (readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1) == -1 ||
            strcmp(target, pipe) != 0)
            continue;
        FILE *facts = fopen(text("/proc/%d/fdinfo/%s", (int)pid, entry->d_name), "re");
        while (facts != NULL && fgets(line, sizeof line, facts) != NULL)
            sscanf(line, "flags: %o", &flags);
        if (facts != NULL)
            fclose(facts);
        if ((flags & O_ACCMODE) != O_RDONLY)
            found = atoi(entry->d_name);
    }
    if (folder != NULL)
        closedir(folder);
    return found;
}

/* Whether `path` is a pipe or a FIFO. */
static bool is_pipe(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISFIFO(facts.st_mode);
}

/* Where the process `pid` waits in read() for the end of a pipe, and is itself the only one that keeps
 * it from coming: words about that. Else "". */
static const char *own_pipe(pid_t pid, const char *pipe)
{
    struct process *list;
    size_t count = our_processes(&list);
    bool others = false;
    for (size_t i = 0; i < count; i++)
        others = others || (list[i].pid != pid && write_end(list[i].pid, pipe) != -1);
    free(list);
    int own = others ? -1 : write_end(pid, pipe);
    return own == -1
               ? ""
               : text(": only this process has its write end open, as descriptor %d",
                      own);
}

/* "read on descriptor 3, pipe:[4711]" for a thread that waits in the kernel. */
static void describe_wait(pid_t pid, long number, unsigned long first, char *out,
                          size_t room)
{
    for (size_t i = 0; i < sizeof waiting_calls / sizeof *waiting_calls; i++) {
        if (waiting_calls[i].number != number)
            continue;
        char link[64], target[128];
        snprintf(link, sizeof link, "/proc/%d/fd/%lu", (int)pid, first);
        ssize_t length = waiting_calls[i].on_descriptor
                             ? readlink(link, target, sizeof target - 1)
                             : -1;
        if (length > 0) {
            target[length] = '\0';
            snprintf(out, room, "waits in %s on descriptor %lu, %s%s",
                     waiting_calls[i].name, first, target,
                     number == SYS_read && is_pipe(link) ? own_pipe(pid, target) : "");
        } else {
            snprintf(out, room, "waits in %s", waiting_calls[i].name);
        }
        return;
    }
    snprintf(out, room, "waits in system call %ld", number);
}

static void describe_thread(pid_t pid, const char *thread, char *out, size_t room)
{
    char name[300], buffer[256];
    long number;
    unsigned long first;
    snprintf(name, sizeof name, "task/%s/syscall", thread);
    read_proc(pid, name, buffer, sizeof buffer);
    if (strncmp(buffer, "running", 7) == 0)
        snprintf(out, room, "is running");
    else if (run.system == WIN32)
        snprintf(out, room, "waits"); /* for wineserver, whatever the Win32 call */
    else if (sscanf(buffer, "%ld %lx", &number, &first) == 2)
        describe_wait(pid, number, first, out, room);
    else
        snprintf(out, room, "waits");
}

json_t *who_waits(void)
{
    json_t *sentences = json_array();
    struct process *list;
    size_t count = our_processes(&list);
    for (size_t i = 0; i < count && i < 8; i++) {
        char path[64];
        const char *last = "";
        snprintf(path, sizeof path, "/proc/%d/task", (int)list[i].pid);
        DIR *tasks = opendir(path);
        int threads = 0;
        for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;) {
            char doing[256];
            if (task->d_name[0] == '.' || threads++ == 8)
                continue;
            describe_thread(list[i].pid, task->d_name, doing, sizeof doing);
            const char *known = program_name(list[i].pid);
            /* A command line and the name of a file may hold anything. */
            const char *sentence = text("%s (process %d)%s %s",
                                        known != NULL ? known : list[i].words,
                                        (int)list[i].pid,
                                        threads > 1 ? ", another thread," : "", doing);
            if (strcmp(sentence, last) != 0)
                json_array_append_new(sentences,
                                      json_string(printable(sentence, strlen(sentence))));
            last = sentence;
        }
        if (tasks != NULL)
            closedir(tasks);
    }
    free(list);
    return sentences;
}

/* ---- The census --------------------------------------------------------------------- */

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

/* Waits until `pid` has ended or the clock shows `until`. */
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

/* Reaps the zombies that are ours; those of others are theirs, and take nothing but a number.
 * Returns how many of the processes live. */
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

/* Whether this process has no child, which the kernel knows for certain: a look around in /proc
 * does not see who starts a new process while it lasts, and ends. */
static bool has_no_child(void)
{
    return waitid(P_ALL, 0, NULL, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD;
}

static void census_of_processes(json_t *findings)
{
    long long grace = (long long)(run.limit * 1000 * GRACE);
    if (grace < LEAST_GRACE_MILLISECONDS)
        grace = LEAST_GRACE_MILLISECONDS;
    long long until = milliseconds() + grace, end = until + FIGHT_MILLISECONDS;
    /* All orphans are our children, but under Wine so are wineserver and the like, and in a cell
     * they are not: there no one must be seen for several looks. */
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

/* Removes what stands in `folder` and is ours, and tells so. */
static void census_of_folder(json_t *findings, const char *folder, const char *kind)
{
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        char *path = text("%s/%s", folder, entry->d_name);
        struct stat facts;
        bool ours = !is_baseline_name(path) && !is_of_wine(path) &&
                    (run.private_room || strstr(entry->d_name, run.mark) != NULL) &&
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

/* In the scratch folder files are welcome, but FIFOs and sockets are left there as elsewhere.
 * They go with the folder. */
static json_t *scratch_findings;

static int look_for_special(const char *path, const struct stat *facts, int type,
                            struct FTW *where)
{
    (void)where;
    if (type == FTW_F && (S_ISFIFO(facts->st_mode) || S_ISSOCK(facts->st_mode)))
        add_finding(scratch_findings, "%s: %s", kind_of(facts->st_mode, ""), path);
    return 0;
}

static void census_of_scratch(json_t *findings)
{
    scratch_findings = findings;
    nftw(run.scratch, look_for_special, 16, FTW_PHYS | FTW_MOUNT);
}

/* System V objects outlive their makers, and have no names to tell by whose they are. */
static void census_of_sysv(json_t *findings, const char *table, const char *kind)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/sysvipc/%s", table);
    FILE *file = run.private_room ? fopen(path, "re") : NULL;
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

json_t *take_census(void)
{
    json_t *findings = json_array();
    census_of_processes(findings);
    census_of_scratch(findings);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        census_of_folder(findings, folders[i].path, folders[i].kind);
    census_of_sysv(findings, "shm", "shared memory segment");
    census_of_sysv(findings, "msg", "message queue");
    census_of_sysv(findings, "sem", "semaphore set");
    size_t count = json_array_size(findings);
    for (size_t i = count; i > MOST_FINDINGS; i--)
        json_array_remove(findings, i - 1);
    if (count > MOST_FINDINGS)
        add_finding(findings, "... and %zu more", count - MOST_FINDINGS);
    return findings;
}

pid_t process_in_cell(pid_t number)
{
    struct process *list;
    size_t count = our_processes(&list);
    pid_t found = 0;
    for (size_t i = 0; i < count && found == 0; i++) {
        /* "NSpid: 4711 17": its number here, and in the cell. */
        char status[4096];
        read_proc(list[i].pid, "status", status, sizeof status);
        const char *line = strstr(status, "\nNSpid:");
        int here, there;
        if (line != NULL && sscanf(line, "\nNSpid: %d %d", &here, &there) == 2 &&
            there == number)
            found = list[i].pid;
    }
    free(list);
    return found;
}

static int remove_inner(const char *path, const struct stat *facts, int type,
                        struct FTW *where)
{
    (void)facts, (void)type;
    return where->level == 0 || remove(path) == 0 ? 0 : -1;
}

void clear_folder(const char *path)
{
    int how = FTW_DEPTH | FTW_PHYS | FTW_MOUNT;
    const char *const unlock[] = {"chmod", "-R", "u+rwx", path, NULL};
    if (nftw(path, remove_inner, 16, how) != 0 && run_command(unlock) == 0)
        nftw(path, remove_inner, 16, how);
}

void remove_tree(const char *path)
{
    const char *const remove[] = {"rm", "-rf", "--one-file-system", path, NULL};
    const char *const unlock[] = {"chmod", "-R", "u+rwx", path, NULL};
    /* A student's program may have left a folder that even its owner cannot write to. */
    if (run_command(remove) != 0 && run_command(unlock) == 0)
        run_command(remove);
}
