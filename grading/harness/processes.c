/*
 * processes.c - looks at processes from outside: what they wait for, which ones use the processor.
 * It reads all this from proc(5).
 *
 * The runner is a "child subreaper" (prctl(2)). A program under test may fork twice, change its
 * session or detach a Win32 child: its orphans become children of the runner. So the tree below
 * the runner is complete.
 */
#include "processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cell.h"
#include "folders.h"
#include "run.h"

static pid_t baseline[64];
static size_t baseline_size;
static char wine_programs[PATH_MAX]; /* the folder of Wine's own; "" if it is not known */

/* Reads /proc/PID/NAME into `buffer` with a NUL at its end; returns its length, 0 if gone. */
static size_t read_proc(pid_t pid, const char *name, char *buffer, size_t size)
{
    char path[320];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file == -1 ? 0 : read(file, buffer, size - 1);
    if (file != -1)
        close(file);
    buffer[length > 0 ? length : 0] = '\0';
    return length > 0 ? (size_t)length : 0;
}

/* Returns the file name in the `word` of a command line, without the folder. */
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
    /* Room for two paths of the greatest length, the loader's and the program's. */
    static char words[2 * PATH_MAX + 2];
    char stat[512];
    if (read_proc(pid, "stat", stat, sizeof stat) == 0)
        return false;
    char *name = strchr(stat, '('), *end = strrchr(stat, ')');
    int parent;
    unsigned long memory;
    if (name == NULL || end == NULL ||
        sscanf(end + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
               "%*d %*d %*u %lu",
               &process->state, &parent, &memory) != 3)
        return false;
    process->ending = memory == 0 && process->state != 'Z';
    process->pid = pid;
    process->parent = parent;
    size_t length = read_proc(pid, "cmdline", words, sizeof words);
    while (length > 0 && words[length - 1] == '\0')
        length--;
    words[length] = '\0';

    /* "Z:\tmp\client.exe", "/tmp/client", or the word after "/usr/lib/wine/wine64" */
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

/* Before the walk gets to a process, this may start another one and end. The new one has a higher number, so
 * the walk meets it later, but only if it reads the numbers a few at a time: readdir(3) reads 32 KB at once, and
 * on a busy machine the last of these are old. */
static size_t all_processes(struct process **list)
{
    _Alignas(struct dirent64) char some[sizeof(struct dirent64)];
    size_t count = 0, capacity = 0;
    *list = NULL;
    int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ssize_t length = 0, at = 0;
    while (proc != -1) {
        if (at == length) {
            at = 0;
            length = getdents64(proc, some, sizeof some);
            if (length <= 0)
                break;
        }
        const struct dirent64 *entry = (const void *)(some + at);
        at += entry->d_reclen;
        pid_t pid = (pid_t)atoi(entry->d_name);
        if (pid <= 0)
            continue;
        if (count == capacity) {
            capacity = 2 * capacity + 64;
            *list = realloc(*list, capacity * sizeof **list);
            if (*list == NULL)
                kit_error("no memory");
        }
        count += read_process(pid, &(*list)[count]);
    }
    if (proc != -1)
        close(proc);
    return count;
}

/* Returns whether the process runs a program of Wine itself, by the file from which the kernel has
 * mapped it. A program under test may have any name. */
static bool is_wines_own(pid_t pid)
{
    char line[PATH_MAX + 128], file[PATH_MAX] = "";
    size_t folder = strlen(wine_programs);
    FILE *maps = fopen(text("/proc/%d/maps", (int)pid), "re");
    bool found = false;
    while (maps != NULL && !found && fgets(line, sizeof line, maps) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const char *path = strchr(line, '/'), *end = strrchr(line, '.');
        found = path != NULL && end != NULL && strcmp(end, ".exe") == 0;
        if (found)
            snprintf(file, sizeof file, "%s", path);
    }
    if (maps != NULL)
        fclose(maps);
    if (found)
        return folder > 0 && strncmp(file, wine_programs, folder) == 0 &&
               file[folder] == '/';
    ssize_t length = readlink(text("/proc/%d/exe", (int)pid), file, sizeof file - 1);
    file[length > 0 ? length : 0] = '\0';
    return strncmp(file, "/usr/", 5) == 0 &&
           strncmp(base_name(file), "wineserver", 10) == 0;
}

/* Returns whether the process belongs to the cell, or ran before the test. */
static bool is_known(const struct process *process)
{
    if (is_of_cell(process->pid))
        return true;
    for (size_t i = 0; i < baseline_size; i++)
        if (process->pid == baseline[i])
            return process->state != 'Z'; /* then it must be reaped like the others */
    return false;
}

/* Wine's own helpers may start during a test. They are no leak: they serve the whole run. */
static bool is_of_system(const struct process *process)
{
    static const char *const names[] = {"services",   "explorer",     "conhost",
                                        "winedevice", "plugplay",     "svchost",
                                        "rpcss",      "wineboot",     "start",
                                        "wineserver", "wineserver64", "wineserver32"};
    if (is_known(process))
        return true;
    if (run.system != WIN32)
        return false;
    if (process->ending)
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (runs_program(process, names[i]))
            return is_wines_own(process->pid);
    return false;
}

bool strangers_run(void)
{
    struct process *list;
    size_t count = descendants(&list), strangers = 0;
    for (size_t i = 0; i < count; i++)
        strangers += list[i].pid != getpid() && list[i].state != 'Z' && !list[i].ending &&
                     !is_known(&list[i]);
    free(list);
    return strangers > 0;
}

bool runs_program(const struct process *process, const char *name)
{
    size_t length = strlen(name);
    return strncmp(process->program, name, length) == 0 &&
           (process->program[length] == '\0' ||
            strcmp(process->program + length, ".exe") == 0);
}

size_t descendants(struct process **list)
{
    size_t count = all_processes(list), kept = 0;
    struct process *all = *list;
    bool *below = calloc(count + 1, sizeof *below);
    if (below == NULL)
        kit_error("no memory");
    for (size_t i = 0; i < count; i++) {
        /* Go up from the process to the runner, over parents that are also in the list. */
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

size_t below_runner(struct process **list, bool living)
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
    /* Now, before a program under test can change what the prefix contains. */
    const char *programs = text("%s/prefix/drive_c/windows/system32", wine_folder());
    if (run.system == WIN32 && wine_programs[0] == '\0' &&
        realpath(programs, wine_programs) == NULL)
        wine_programs[0] = '\0';
    /* Wine's own, too: strangers_run() must know those that ran before the test. */
    size_t count = descendants(&list);
    for (size_t i = 0; i < count && baseline_size < sizeof baseline / sizeof *baseline;
         i++)
        if (list[i].pid != getpid() && list[i].state != 'Z')
            baseline[baseline_size++] = list[i].pid;
    free(list);
}

void note_baseline(void)
{
    note_processes();
    note_names();
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

size_t thread_times(struct thread_times **list)
{
    struct process *processes;
    size_t count = our_processes(&processes), threads = 0;
    *list = NULL;
    for (size_t i = 0; i < count; i++) {
        DIR *tasks = opendir(text("/proc/%d/task", processes[i].pid));
        for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;) {
            char schedstat[128] = "";
            struct thread_times times = {.thread = atoi(task->d_name)};
            unsigned long long running, queued;
            if (task->d_name[0] == '.')
                continue;
            read_proc(processes[i].pid, text("task/%s/schedstat", task->d_name),
                      schedstat, sizeof schedstat);
            if (sscanf(schedstat, "%llu %llu", &running, &queued) != 2)
                continue;
            times.running = (double)running / 1e9;
            times.queued = (double)queued / 1e9;
            *list = realloc(*list, (threads + 1) * sizeof **list);
            if (*list == NULL)
                kit_error("no memory");
            (*list)[threads++] = times;
        }
        if (tasks != NULL)
            closedir(tasks);
    }
    free(processes);
    return threads;
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

/* ---- What processes wait for -------------------------------------------------------- */

/* The calls that block, and whether their first argument is a descriptor. */
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
    {SYS_restart_syscall, "a call that a signal interrupted (restart_syscall)", false},
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
    {SYS_openat, "open", false},
#ifdef SYS_accept /* calls that newer architectures no longer have */
    {SYS_accept, "accept", true},
    {SYS_poll, "poll", false},
    {SYS_select, "select", false},
    {SYS_epoll_wait, "epoll_wait", false},
    {SYS_pause, "pause", false},
    {SYS_semop, "semop", false},
    {SYS_nanosleep, "a sleep", false},
#endif
};

/* Returns the descriptor by which the process `pid` can write to `pipe`, "pipe:[4711]" or the
 * path of a FIFO, or -1. */
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

/* Returns whether `path` is a pipe or a FIFO. */
static bool is_pipe(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISFIFO(facts.st_mode);
}

/* Returns a text if the process `pid` blocks in read() on a pipe, and only the process itself has
 * its write end open. Else returns "". A FIFO has a name, by which others may open it: a server keeps a write end
 * of its own open so that it never reads end of file. */
static const char *own_pipe(pid_t pid, const char *pipe)
{
    if (strncmp(pipe, "pipe:", strlen("pipe:")) != 0)
        return "";
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

/* Returns the string at this address of the process, or "a file". */
static const char *string_of(pid_t pid, unsigned long address)
{
    char bytes[256] = "";
    int memory = open(text("/proc/%d/mem", (int)pid), O_RDONLY | O_CLOEXEC);
    ssize_t length = memory == -1
                         ? -1
                         : pread(memory, bytes, sizeof bytes - 1, (off_t)address);
    if (memory != -1)
        close(memory);
    return length > 0 && *bytes != '\0' ? text("%s", bytes) : "a file";
}

/* Describes a thread that blocks in the kernel, in a call with these two arguments: "read on
 * descriptor 3, pipe:[4711]". */
static void describe_wait(pid_t pid, long number, unsigned long first,
                          unsigned long second, char *out, size_t size)
{
    for (size_t i = 0; i < sizeof waiting_calls / sizeof *waiting_calls; i++) {
        if (waiting_calls[i].number != number)
            continue;
        char link[64], target[128];
        snprintf(link, sizeof link, "/proc/%d/fd/%lu", (int)pid, first);
        ssize_t length = waiting_calls[i].on_descriptor
                             ? readlink(link, target, sizeof target - 1)
                             : -1;
        if (number == SYS_openat) {
            snprintf(out, size, "waits in open of %s, a FIFO without a peer?",
                     string_of(pid, second));
        } else if (length > 0) {
            target[length] = '\0';
            snprintf(out, size, "waits in %s on descriptor %lu, %s%s",
                     waiting_calls[i].name, first, target,
                     number == SYS_read && is_pipe(link) ? own_pipe(pid, target) : "");
        } else {
            snprintf(out, size, "waits in %s", waiting_calls[i].name);
        }
        return;
    }
    snprintf(out, size, "waits in system call %ld", number);
}

/* What is shown of a thread whose call is not known; of a process's other threads nothing. */
#define JUST_WAITS "waits"

static void describe_thread(pid_t pid, const char *thread, char *out, size_t size)
{
    char name[300], buffer[256];
    long number;
    unsigned long first, second;
    snprintf(name, sizeof name, "task/%s/syscall", thread);
    read_proc(pid, name, buffer, sizeof buffer);
    if (strncmp(buffer, "running", 7) == 0)
        snprintf(out, size, "is running");
    else if (run.system == WIN32)
        snprintf(out, size, JUST_WAITS); /* in which call, wineserver knows */
    else if (sscanf(buffer, "%ld %lx %lx", &number, &first, &second) == 3)
        describe_wait(pid, number, first, second, out, size);
    else
        snprintf(out, size, JUST_WAITS);
}

json_t *who_waits(const char *(*name_of)(pid_t pid))
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
            if (task->d_name[0] == '.' || threads == 8)
                continue;
            threads++;
            describe_thread(list[i].pid, task->d_name, doing, sizeof doing);
            if (threads > 1 && strcmp(doing, JUST_WAITS) == 0)
                continue;
            const char *known = name_of(list[i].pid);
            /* A command line and a file name may contain any bytes. */
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
