/*
 * cell.c - the sandbox around the programs of a test.
 *
 * With --cell every program that a test starts, the student's and ours, runs in a cell: a world of
 * its own inside of the checker's room (tools/room --bare). There are this machine's programs,
 * read-only, the test's scratch folder, copies of the programs that play, and /tmp, /dev/shm,
 * message queues and the loopback of the room. The checker itself stays outside: no program in
 * the cell sees it, or can signal, trace or read it.
 *
 * Bubblewrap makes the walls of all cells of a run, once: the mould, which is but name spaces that
 * nobody lives in. What a program could write to there is the room's, and looked after by the census.
 * Each cell has a copy of the mould's mounts, and process numbers and a /proc of its own; it takes
 * a tenth of the time that bubblewrap would.
 *
 * The harness starts the programs itself, as children of its own: so that it is the kernel that
 * tells how they ended, and no helper whom they could outwit. What is ours in the cell is there in
 * copies that nobody may read (mode 0111): the kernel lets nobody look into a process that runs
 * such a file, or write into its output, or see it in /proc.
 *
 * A watcher, outside, looks every few milliseconds at how many processes, how much memory and
 * how many files there are, and ends the cell when it is too much. It ends the cell with the test, too, and with it
 * whatever is left in it.
 */
#include "inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filter.h"

#define MB ((rlim_t)1 << 20)
#define STACK (8 * MB) /* what a thread reserves for its stack */
#define LOOK_MILLISECONDS 20
#define MOST_FILES 20000 /* in the room's /tmp and /dev/shm together */
#define LONGEST_REASON 200

/* What a program may have, and what all of a cell together. Files in /tmp and /dev/shm are limited
 * by the room (tools/room --bare): 384 and 64 MB. */
static const struct limits {
    rlim_t processes; /* processes and threads, of the whole cell */
    rlim_t files;     /* descriptors of a process */
    rlim_t file_size; /* bytes of a file */
    rlim_t processor; /* seconds of processor time of a process */
    rlim_t data; /* bytes of private memory that a process may ask for, without stacks */
    rlim_t queues; /* bytes of POSIX message queues */
    rlim_t memory; /* bytes in use, of the whole cell */
} usual[] = {
    [UNIX] = {200, 16384, 64 * MB, 60, 512 * MB, 800 << 10, 512 * MB},
    [WIN32] = {400, 65536, 64 * MB, 60, 4096 * MB, 800 << 10, 1536 * MB},
};

/* The walls of all cells: name spaces, by descriptors. The user name space of the programs has no
 * rights over the others, which another one owns, the owner, and allows no further one. */
static struct {
    int owner, user, mounts, host_name;
    int init; /* the file with the first process of a cell */
} mould = {-1, -1, -1, -1, -1};

/* What the watcher, and who runs a test, tell the runner. */
static struct news {
    pid_t init;
    bool entered;                /* some program has been started in the cell */
    char reason[LONGEST_REASON]; /* why it has ended the cell; "" if it has not */
} * news;

static pid_t watcher;
static int watch_end = -1;   /* closed, it ends the cell */
static int init_handle = -1; /* pidfd of the cell's first process */

/* The programs that are visible in the cell: what they are outside, and inside. */
static struct {
    const char *outside, *inside;
} visible[64];
static size_t visible_count;

static const char *programs_folder(void)
{
    return text("%s/programs", run.folder);
}

/* ---- Making it ---------------------------------------------------------------------- */

static const char **add_words(const char **at, ...)
{
    va_list words;
    va_start(words, at);
    for (const char *word; (word = va_arg(words, const char *)) != NULL;)
        *at++ = word;
    va_end(words);
    return at;
}

/* Folders of the root that are there, and links as the links that they are. */
static const char **add_system_folders(const char **at)
{
    static const char *const folders[] = {"/usr",   "/bin",   "/sbin",   "/lib",
                                          "/lib32", "/lib64", "/libx32", "/etc"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char target[256];
        ssize_t length = readlink(folders[i], target, sizeof target - 1);
        if (length > 0) {
            target[length] = '\0';
            at = add_words(at, "--symlink", text("%s", target), folders[i], NULL);
        } else if (access(folders[i], F_OK) == 0) {
            at = add_words(at, "--ro-bind", folders[i], folders[i], NULL);
        }
    }
    return at;
}

/* Covers what else the room has in its /tmp: the kit, where it lies there. */
static const char **cover_the_rest(const char **at, const char **end)
{
    DIR *entries = opendir("/tmp");
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        const char *path = text("/tmp/%s", entry->d_name);
        if (entry->d_name[0] == '.' || strcmp(path, run.folder) == 0 || end - at < 40 ||
            !is_baseline_name(path))
            continue;
        struct stat facts;
        if (lstat(path, &facts) == 0 && S_ISDIR(facts.st_mode))
            at = add_words(at, "--tmpfs", path, "--remount-ro", path, NULL);
        else
            at = add_words(at, "--ro-bind", "/dev/null", path, NULL);
    }
    if (entries != NULL)
        closedir(entries);
    return at;
}

/* Becomes bubblewrap, which makes the walls around a first process. /dev has files of its own and is
 * closed, too: nothing that a program has written is to reach the next cell. */
_Noreturn static void become_bubblewrap(int info, int ready)
{
    const char *words[1024], **at = words, **end = words + 1024;
    at = add_words(at, "bwrap", "--unshare-user", "--unshare-pid", "--unshare-uts",
                   "--hostname", "lab", "--disable-userns", "--cap-drop", "ALL",
                   "--new-session", "--die-with-parent", "--as-pid-1", "--info-fd",
                   text("%d", info), NULL);
    at = add_system_folders(at);
    at = add_words(at, "--proc", "/proc", "--dev", "/dev", "--bind", "/dev/shm",
                   "/dev/shm", "--bind", "/dev/mqueue", "/dev/mqueue", "--bind", "/tmp",
                   "/tmp", NULL);
    at = cover_the_rest(at, end);
    at = add_words(at, "--size", "65536", "--tmpfs", run.folder, "--bind", run.scratch,
                   run.scratch, "--ro-bind", programs_folder(), programs_folder(), NULL);
    if (run.system == WIN32)
        at = add_words(at, "--bind", wine_folder(), wine_folder(), NULL);
    at = add_words(at, "--remount-ro", run.folder, "--remount-ro", "/dev", "--remount-ro",
                   "/", "--chdir", "/", "--", text("%s/init", programs_folder()), NULL);
    *at = NULL;
    if (dup2(ready, 3) == -1)
        _exit(126);
    /* An environment could be read from inside: it has none. */
    execve("/usr/bin/bwrap", (char *const *)words, (char *const[]){NULL});
    _exit(127);
}

/* Copies a file, by descriptors; false with errno. */
static bool copy_file(const char *from, const char *to, mode_t mode)
{
    int source = open(from, O_RDONLY | O_CLOEXEC);
    int copy = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t part = source == -1 || copy == -1 ? -1 : 1;
    while (part > 0)
        part = sendfile(copy, source, NULL, (size_t)1 << 30);
    bool good = part == 0 && fchmod(copy, mode) == 0;
    int error = errno;
    if (source != -1)
        close(source);
    if (copy != -1 && close(copy) == -1)
        good = false;
    errno = error;
    return good;
}

static int name_space(pid_t pid, const char *kind)
{
    return open(text("/proc/%d/ns/%s", (int)pid, kind), O_RDONLY | O_CLOEXEC);
}

static void make_mould(void)
{
    int info[2], up[2];
    char said[512] = "", plus;
    mkdir(programs_folder(), 0755);
    const char *init = text("%s/grading/sandbox/init", run.build);
    const char *copy = text("%s/init", programs_folder());
    if (!copy_file(init, copy, 0555))
        kit_error("%s: %s", init, strerror(errno));
    mould.init = open(init, O_PATH | O_CLOEXEC);
    if (mould.init == -1 || pipe2(info, O_CLOEXEC) == -1 || pipe2(up, O_CLOEXEC) == -1)
        kit_error("%s: %s", init, strerror(errno));
    pid_t bubblewrap = fork();
    if (bubblewrap == -1)
        kit_error("fork: %s", strerror(errno));
    if (bubblewrap == 0) {
        fcntl(info[1], F_SETFD, 0);
        become_bubblewrap(info[1], up[1]);
    }
    close(info[1]);
    close(up[1]);
    for (size_t length = 0; strchr(said, '}') == NULL;) {
        ssize_t part = read(info[0], said + length, sizeof said - 1 - length);
        if (part <= 0)
            break;
        length += (size_t)part;
    }
    const char *number = strchr(said, ':');
    pid_t first = number == NULL ? 0 : (pid_t)strtol(number + 1, NULL, 10);
    if (first <= 0 || read(up[0], &plus, 1) != 1)
        kit_error("bubblewrap makes no cell here; make doctor tells why");
    close(info[0]);
    close(up[0]);
    mould.user = name_space(first, "user");
    mould.mounts = name_space(first, "mnt");
    mould.host_name = name_space(first, "uts");
    mould.owner = mould.mounts == -1 ? -1 : ioctl(mould.mounts, NS_GET_USERNS);
    if (mould.user == -1 || mould.host_name == -1 || mould.owner == -1 ||
        fcntl(mould.owner, F_SETFD, FD_CLOEXEC) == -1)
        kit_error("the walls of the cell cannot be had: %s", strerror(errno));
    kill(first, SIGKILL);
    waitpid(bubblewrap, NULL, 0);
    unlink(copy); /* nobody needs it there any more */
}

/* Gives up every right there is in this user name space, and any way to gain one. Returns NULL, or
 * the call that failed. */
static const char *drop_rights(void)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
        if (prctl(PR_CAPBSET_DROP, capability) == -1)
            return "PR_CAPBSET_DROP";
    struct __user_cap_header_struct version = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}};
    if (syscall(SYS_capset, &version, none) == -1)
        return "capset";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        return "PR_SET_NO_NEW_PRIVS";
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1) /* which a change of rights has reset */
        return "PR_SET_PDEATHSIG";
    return NULL;
}

/* In the first process of a new cell, with the rights of the owner of its walls: furnishes it, and
 * becomes init, which writes to `ready`. No program shall see processes that it may not look into.
 * And the numbers of processes shall have as many digits as elsewhere: lab 02 sends them. */
_Noreturn static void become_init(int ready)
{
    char *const words[] = {"init", NULL}, *const environment[] = {NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2") ==
        -1)
        _exit(1);
    int last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    if (last == -1 || write(last, "1000", 4) != 4 ||
        setns(mould.user, CLONE_NEWUSER) == -1 || drop_rights() != NULL ||
        setsid() == -1 || chdir("/") == -1)
        _exit(1);
    for (int i = 0; i < 3; i++)
        if (dup2(null, i) == -1)
            _exit(1);
    if (dup2(ready, 3) == -1)
        _exit(1);
    syscall(SYS_close_range, 4u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
    execveat(mould.init, "", words, environment, AT_EMPTY_PATH);
    _exit(127);
}

/* Starts the first process of a new cell. Returns its number, -1 on failure. It is our child, made by
 * one who has gone behind the walls. */
static pid_t start_init(int ready)
{
    int status;
    pid_t helper = fork();
    if (helper == 0) {
        if (prctl(PR_SET_DUMPABLE, 0) == -1 || setns(mould.owner, CLONE_NEWUSER) == -1 ||
            setns(mould.mounts, CLONE_NEWNS) == -1 ||
            setns(mould.host_name, CLONE_NEWUTS) == -1)
            _exit(1);
        long flags = CLONE_PARENT | CLONE_NEWPID | CLONE_NEWNS | SIGCHLD;
        pid_t init = (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
        if (init == 0)
            become_init(ready);
        news->init = init;
        _exit(init == -1 ? 1 : 0);
    }
    if (helper == -1 || waitpid(helper, &status, 0) != helper || status != 0)
        return -1;
    return news->init;
}

/* ---- The watcher -------------------------------------------------------------------- */

struct usage {
    unsigned long long threads,
        memory; /* bytes that are private, or shared without a file */
};

/* The number after `field` in `text`, or 0. */
static unsigned long long field_of(const char *text, const char *field)
{
    const char *found = strstr(text, field);
    return found == NULL ? 0 : strtoull(found + strlen(field), NULL, 10);
}

/* Reads the file `name` of the process `process` in `proc` into `buffer`, with a NUL at its end. */
static const char *read_in(int proc, const char *process, const char *name, char *buffer,
                           size_t room)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", process, name);
    int file = openat(proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file == -1 ? -1 : read(file, buffer, room - 1);
    if (file != -1)
        close(file);
    buffer[length > 0 ? length : 0] = '\0';
    return buffer;
}

/* What all processes of the cell, whose /proc is given, hold together; `exactly`, or with the
 * pages of files, which is soon told. */
static struct usage look_around(int proc, bool exactly)
{
    struct usage all = {0};
    int again = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = again == -1 ? NULL : fdopendir(again);
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        const char *process = entry->d_name;
        char path[300], said[4096];
        struct stat tasks;
        unsigned long long pages = 0;
        if (*process < '1' || *process > '9')
            continue;
        snprintf(path, sizeof path, "%s/task", process);
        if (fstatat(proc, path, &tasks, 0) ==
            0) /* a folder with one in it for each thread */
            all.threads += tasks.st_nlink - 2;
        if (exactly) {
            read_in(proc, process, "status", said, sizeof said);
            all.memory += (field_of(said, "\nRssAnon:") + field_of(said, "\nRssShmem:"))
                          << 10;
        } else if (sscanf(read_in(proc, process, "statm", said, sizeof said), "%*u %llu",
                          &pages) == 1) {
            all.memory += pages * (unsigned long long)sysconf(_SC_PAGESIZE);
        }
    }
    if (entries != NULL)
        closedir(entries);
    return all;
}

/* Bytes of the System V segments that are in memory, attached or not. */
static unsigned long long segments_in_use(void)
{
    char line[512];
    unsigned long long bytes = 0, resident;
    FILE *table = fopen("/proc/sysvipc/shm", "re");
    while (table != NULL && fgets(line, sizeof line, table) != NULL)
        if (sscanf(line, "%*d %*d %*o %*u %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %llu",
                   &resident) == 1)
            bytes += resident;
    if (table != NULL)
        fclose(table);
    return bytes;
}

static unsigned long long files_in(const char *path)
{
    struct statvfs facts;
    return statvfs(path, &facts) == -1 ? 0 : facts.f_files - facts.f_ffree;
}

/* Notes it if the cell holds more than it may. */
static bool is_too_much(int proc)
{
    const struct limits *most = &usual[run.system];
    unsigned long long segments = segments_in_use();
    struct usage all = look_around(proc, false);
    if (all.memory + segments > most->memory)
        all = look_around(proc, true);
    if (all.threads > most->processes)
        snprintf(
            news->reason, sizeof news->reason,
            "the programs started more than %llu processes and threads, and were ended",
            (unsigned long long)most->processes);
    else if (all.memory + segments > most->memory)
        snprintf(news->reason, sizeof news->reason,
                 "the programs took more than %llu MB of memory, and were ended",
                 (unsigned long long)(most->memory / MB));
    else if (files_in("/tmp") + files_in("/dev/shm") > MOST_FILES)
        snprintf(news->reason, sizeof news->reason,
                 "the programs made more than %d files, and were ended", MOST_FILES);
    return news->reason[0] != '\0';
}

/* What the watcher does: makes the cell, tells `ready` when it is there, looks at it, and ends it
 * when it holds too much, or `stop` is closed. */
_Noreturn static void watch(int stop, int ready)
{
    int up[2];
    char plus;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGCHLD, SIG_DFL);
    if (pipe2(up, O_CLOEXEC) == -1)
        _exit(1);
    pid_t init = start_init(up[1]);
    close(up[1]);
    if (init == -1 || read(up[0], &plus, 1) != 1)
        _exit(1);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/root/proc", (int)init);
    int proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc == -1 || write(ready, &plus, 1) != 1)
        _exit(1);
    close(ready);

    struct pollfd over = {.fd = stop, .events = POLLIN};
    while (poll(&over, 1, LOOK_MILLISECONDS) == 0)
        if (news->reason[0] == '\0' && is_too_much(proc))
            kill(init, SIGKILL);
    kill(init, SIGKILL);
    waitpid(init, NULL, 0);
    _exit(0);
}

/* ---- For the harness ---------------------------------------------------------------- */

void forget_programs(void)
{
    clear_folder(programs_folder());
    visible_count = 0;
}

void open_cell(void)
{
    if (news == NULL) {
        int share = MAP_SHARED | MAP_ANONYMOUS;
        /* cppcheck-suppress invalidFunctionArg ; of anonymous memory it is -1 */
        news = mmap(NULL, sizeof *news, PROT_READ | PROT_WRITE, share, -1, 0);
        if (news == MAP_FAILED)
            kit_error("mmap: %s", strerror(errno));
    }
    *news = (struct news){0};
    if (mould.mounts == -1)
        make_mould();
    forget_programs();

    int stop[2], ready[2];
    char plus;
    if (pipe2(stop, O_CLOEXEC) == -1 || pipe2(ready, O_CLOEXEC) == -1)
        kit_error("pipe2: %s", strerror(errno));
    watcher = fork();
    if (watcher == -1)
        kit_error("fork: %s", strerror(errno));
    if (watcher == 0) {
        close(stop[1]);
        close(ready[0]);
        watch(stop[0], ready[1]);
    }
    close(stop[0]);
    close(ready[1]);
    watch_end = stop[1];
    if (read(ready[0], &plus, 1) != 1)
        kit_error("no cell can be made here; make doctor tells why");
    close(ready[0]);
    init_handle = (int)syscall(SYS_pidfd_open, news->init, 0);
    if (init_handle == -1)
        kit_error("the cell cannot be entered: %s", strerror(errno));
}

void close_cell(void)
{
    if (watch_end == -1)
        return;
    close(watch_end);
    close(init_handle);
    watch_end = init_handle = -1;
    /* The programs have become our children, and the cell is not over before they are reaped. */
    for (pid_t pid = 0; pid != watcher && pid != -1;)
        pid = waitpid(-1, NULL, 0);
}

bool is_of_cell(pid_t pid)
{
    return watch_end != -1 && (pid == watcher || pid == news->init);
}

bool was_entered(void)
{
    return news->entered;
}

void note_entries(void)
{
    news->entered = false;
}

const char *end_of_cell(void)
{
    return run.cell && news->reason[0] != '\0' ? news->reason : NULL;
}

const char *cell_path(const char *file)
{
    size_t scratch = strlen(run.scratch);
    if (!run.cell || (strncmp(file, run.scratch, scratch) == 0 && file[scratch] == '/'))
        return file;
    for (size_t i = 0; i < visible_count; i++)
        if (strcmp(visible[i].outside, file) == 0)
            return visible[i].inside;
    if (visible_count == sizeof visible / sizeof *visible)
        kit_error("too many programs in one test");
    /* Each in a folder of its own: two may have one name. Wine reads programs as files. */
    const char *folder = text("%s/%zu", programs_folder(), visible_count + 1);
    const char *inside = text("%s/%s", folder, strrchr(file, '/') + 1);
    mode_t mode = is_ours(file) && strstr(inside, ".exe") == NULL ? 0111 : 0555;
    mkdir(folder, 0755);
    if (!copy_file(file, inside, mode))
        fail_test("%s could not be read: %s", file, strerror(errno));
    visible[visible_count].outside = file;
    visible[visible_count++].inside = inside;
    return inside;
}

pid_t fork_into_cell(void)
{
    /* The helper has our memory, as it is gone before we go on: so what it copies, for the program
     * to be, is this process and not a copy of it. That it calls more than exec is Linux's leave.
     * NOLINTBEGIN(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */
    volatile pid_t answer = -1;
    volatile int error = 0;
    news->entered = true;
    pid_t helper = vfork();
    if (helper == 0) {
        /* Nobody inside may look into a copy of the judge before it is another. */
        if (prctl(PR_SET_DUMPABLE, 0) != -1 &&
            setns(init_handle,
                  CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS) != -1)
            answer = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
        if (answer == 0)
            return 0;
        error = errno;
        _exit(0);
    } /* NOLINTEND(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */
    if (helper == -1)
        return -1;
    while (waitpid(helper, NULL, 0) == -1 && errno == EINTR)
        ;
    errno = error;
    return answer;
}

static bool limit(int resource, rlim_t soft, rlim_t hard)
{
    struct rlimit both;
    if (getrlimit(resource, &both) == -1)
        return false;
    if (hard < both.rlim_max)
        both.rlim_max = hard;
    if (soft < both.rlim_cur || both.rlim_cur > both.rlim_max)
        both.rlim_cur = soft < both.rlim_max ? soft : both.rlim_max;
    return setrlimit(resource, &both) == 0;
}

const char *lock_in(bool serves, bool may_trace)
{
    const struct limits *all = &usual[run.system];
    rlim_t processes = all->processes + 64; /* the watcher ends those who come so far */
    if (!limit(RLIMIT_NPROC, processes, processes) ||
        !limit(RLIMIT_NOFILE, all->files, all->files) ||
        !limit(RLIMIT_FSIZE, all->file_size, all->file_size) ||
        (!serves && !limit(RLIMIT_CPU, all->processor, all->processor + 1)) ||
        !limit(RLIMIT_STACK, STACK, RLIM_INFINITY) ||
        /* ASan reserves more addresses than there is memory, and uses little of it. */
        ((serves || !run.plan->test->sanitized) &&
         !limit(RLIMIT_DATA, all->data + processes * STACK,
                all->data + processes * STACK)) ||
        !limit(RLIMIT_MSGQUEUE, all->queues, all->queues) || !limit(RLIMIT_CORE, 0, 0))
        return "setrlimit";

    const char *failing = drop_rights();
    if (failing != NULL)
        return failing;
    struct sock_filter instructions[MOST_INSTRUCTIONS];
    struct sock_fprog filter = {.filter = instructions};
    filter.len = (unsigned short)make_filter(instructions, may_trace);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == -1)
        return "seccomp";
    return NULL;
}
