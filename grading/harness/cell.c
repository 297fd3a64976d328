/*
 * cell.c - the sandbox around the programs of a test.
 *
 * With --cell every program that a test starts, the student's and ours, runs in a cell: a world of
 * its own inside of the checker's private namespace (grading/harness/private-namespace --bare). There are this machine's programs,
 * read-only, the test's scratch folder, copies of the programs that play, and /tmp, /dev/shm,
 * message queues and the loopback of the private namespace. The checker itself stays outside: no program in
 * the cell sees it, or can signal, trace or read it.
 *
 * Bubblewrap makes the namespaces for all cells of a run, once. They are the template of the
 * cells, and no process runs in them. The folders in them to which a program could
 * write are the private namespace's, and the leak check looks into these. Each cell has a copy of the
 * template's mounts, its own process numbers and its own /proc. That takes a tenth of the time
 * that bubblewrap needs.
 *
 * The scratch folder is a file system of its own, a new one for each test: what a program hides
 * there is gone with it, however deep it is. The runner makes it in its own mounts, and moves a
 * copy of the mount into the cell.
 *
 * The harness starts the programs itself, as its own children. So the kernel reports how they
 * ended, and no helper that they could manipulate. Our compiled programs are in the cell as copies
 * that nobody may read (mode 0111). The kernel then lets no process look into one that runs such
 * a file, write into its output, or see it in /proc.
 *
 * A watcher outside of the cell checks many times a second how many processes, how much memory
 * and how many files it has. It ends the cell if there are too many. It also ends the cell, and
 * all processes in it, at the end of the test.
 */
#include "cell.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folders.h"
#include "run.h"
#include "verdict.h"

#define MB ((rlim_t)1 << 20)
#define STACK (8 * MB) /* the stack size of a thread */
#define LOOK_MILLISECONDS 50
#define MOST_FILES \
    20000 /* in the private namespace's /tmp, /dev/shm and the scratch folder */
#define SCRATCH "mode=0700,size=192m"
#define FEW_SOCKETS 64      /* so few cannot hold much: their buffers are limited */
#define SHARE_OF_SOCKETS 10 /* a look at many sockets may take a tenth of the time */
#define SEMAPHORE \
    64 /* bytes of the kernel for a semaphore, a set, a message or a queue */
#define LONGEST_REASON 200
#define MOST_INSTRUCTIONS 1024 /* of a filter of system calls */

/* What a program may have, and what all programs of a cell may have together. Files in /tmp and
 * /dev/shm are limited by the private namespace (grading/harness/private-namespace --bare): 384 and 64 MB. */
static const struct limits {
    rlim_t processes; /* processes and threads, of the whole cell */
    rlim_t files;     /* descriptors of a process */
    rlim_t file_size; /* bytes of a file */
    rlim_t processor; /* seconds of processor time of a process */
    rlim_t data; /* bytes of private memory that a process may ask for, without stacks */
    rlim_t queues;    /* bytes of POSIX message queues, of the whole cell */
    rlim_t signals;   /* signals that wait, of the whole cell */
    rlim_t memory;    /* bytes in use, of the whole cell, and of the kernel for it */
    rlim_t all_files; /* descriptors, of the whole cell */
} usual[] = {
    [UNIX] = {200, 16384, 64 * MB, 60, 512 * MB, 200 << 10, 2048, 512 * MB, 24000},
    [WIN32] = {400, 65536, 64 * MB, 60, 4096 * MB, 200 << 10, 2048, 1536 * MB, 131072},
};

/* The namespaces of all cells, as descriptors. The user namespace of the programs has no rights
 * over the others, which belong to another user namespace, the owner. It allows no further user
 * namespace. */
static struct {
    int owner, user, mounts, host_name;
    int init; /* the file with the first process of a cell */
} template = {-1, -1, -1, -1, -1};

/* The filters of system calls, as grading/sandbox/filter.c writes them: the usual one, and the one that
 * allows ptrace(2). */
static struct filter {
    struct sock_filter instructions[MOST_INSTRUCTIONS];
    size_t count;
} usual_filter, trace_filter;

/* What the watcher, and the process that runs a test, report to the runner. */
static struct news {
    pid_t init;
    bool entered;                /* a program was started in the cell */
    char reason[LONGEST_REASON]; /* why it has ended the cell; "" if it has not */
} * news;

static pid_t watcher;
static int watch_end = -1;   /* closing it ends the cell */
static int init_handle = -1; /* pidfd of the cell's first process */

/* The programs that are visible in the cell: their paths outside and inside. */
static struct {
    const char *outside, *inside;
} visible[64];
static size_t visible_count;

static int scratch_tree = -1; /* the mount of the scratch folder, for the next cell */

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

/* Binds the folders of the root that exist, and copies links as links. */
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

/* Hides what else the private namespace has in its /tmp: the kit, if it is there. */
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

/* Becomes bubblewrap, which makes the namespaces around a first process. /dev has its own files
 * and is read-only: nothing that a program writes may reach the next cell. */
_Noreturn static void become_bubblewrap(int info, int ready)
{
    const char *words[1024], **at = words, **end = words + 1024;
    at = add_words(at, "bwrap", "--unshare-user", "--unshare-pid", "--unshare-uts",
                   "--hostname", "lab", "--disable-userns", "--cap-drop", "ALL",
                   "--new-session", "--die-with-parent", "--as-pid-1", "--info-fd",
                   text("%d", info), NULL);
    at = add_system_folders(at);
    /* The kernel has 3,072 pseudo-terminals for all programs: one could take those of other tests. */
    at = add_words(at, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/dev/pts",
                   "--remount-ro", "/dev/pts", "--bind", "/dev/shm", "/dev/shm", "--bind",
                   "/dev/mqueue", "/dev/mqueue", "--bind", "/tmp", "/tmp", NULL);
    at = cover_the_rest(at, end);
    at = add_words(at, "--size", "65536", "--tmpfs", run.folder, "--dir", run.scratch,
                   "--ro-bind", programs_folder(), programs_folder(), NULL);
    if (run.system == WIN32)
        at = add_words(at, "--bind", wine_folder(), wine_folder(), NULL);
    at = add_words(at, "--remount-ro", run.folder, "--remount-ro", "/dev", "--remount-ro",
                   "/", "--chdir", "/", "--", text("%s/init", programs_folder()), NULL);
    *at = NULL;
    if (dup2(ready, 3) == -1)
        _exit(126);
    /* Programs inside could read the environment: so it is empty. */
    execve("/usr/bin/bwrap", (char *const *)words, (char *const[]){NULL});
    _exit(127);
}

static void write_setting(const char *path, const char *value)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file == -1 || write(file, value, strlen(value)) != (ssize_t)strlen(value))
        kit_error("%s: %s", path, strerror(errno));
    close(file);
}

void own_mounts(void)
{
    unsigned user = geteuid(), group = getegid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1)
        kit_error("unshare: %s; run make doctor", strerror(errno));
    write_setting("/proc/self/setgroups", "deny");
    write_setting("/proc/self/uid_map", text("%u %u 1", user, user));
    write_setting("/proc/self/gid_map", text("%u %u 1", group, group));
    if (mkdir(run.scratch, 0700) == -1)
        kit_error("%s: %s", run.scratch, strerror(errno));
}

void new_scratch(void)
{
    if (scratch_tree != -1) {
        close(scratch_tree);
        umount2(run.scratch, MNT_DETACH);
    }
    if (mount("scratch", run.scratch, "tmpfs", MS_NOSUID | MS_NODEV, SCRATCH) == -1)
        kit_error("mounting %s: %s", run.scratch, strerror(errno));
    scratch_tree = (int)syscall(SYS_open_tree, AT_FDCWD, run.scratch,
                                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (scratch_tree == -1)
        kit_error("open_tree: %s", strerror(errno));
}

/* In the mounts of a cell, with the rights of their owner. */
static bool move_scratch_in(void)
{
    return syscall(SYS_move_mount, scratch_tree, "", AT_FDCWD, run.scratch,
                   MOVE_MOUNT_F_EMPTY_PATH) == 0;
}

/* Copies a file, by descriptors. Returns false with errno on failure. */
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

/* Reads a filter that was written when the kit was built. Where libseccomp is missing there is none. */
static void read_filter(const char *name, struct filter *filter)
{
    const char *path = text("%s/grading/sandbox/%s", run.build, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        kit_error("%s: %s; make doctor reports what is missing", path, strerror(errno));
    filter->count = fread(filter->instructions, sizeof *filter->instructions,
                          MOST_INSTRUCTIONS, file);
    bool whole = feof(file) != 0;
    fclose(file);
    if (filter->count == 0 || !whole)
        kit_error("%s: it is not a filter of fewer than %d instructions", path,
                  MOST_INSTRUCTIONS);
}

static void make_template(void)
{
    int info[2], up[2];
    char said[512] = "", plus;
    read_filter("filter.bpf", &usual_filter);
    read_filter("filter-trace.bpf", &trace_filter);
    mkdir(programs_folder(), 0755);
    const char *init = text("%s/grading/sandbox/init", run.build);
    const char *copy = text("%s/init", programs_folder());
    if (!copy_file(init, copy, 0555))
        kit_error("%s: %s", init, strerror(errno));
    template.init = open(init, O_PATH | O_CLOEXEC);
    if (template.init == -1 || pipe2(info, O_CLOEXEC) == -1 || pipe2(up, O_CLOEXEC) == -1)
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
        kit_error("bubblewrap cannot make a cell here; run make doctor");
    close(info[0]);
    close(up[0]);
    template.user = name_space(first, "user");
    template.mounts = name_space(first, "mnt");
    template.host_name = name_space(first, "uts");
    template.owner = template.mounts == -1 ? -1 : ioctl(template.mounts, NS_GET_USERNS);
    if (template.user == -1 || template.host_name == -1 || template.owner == -1 ||
        fcntl(template.owner, F_SETFD, FD_CLOEXEC) == -1)
        kit_error("cannot open the namespaces of the cell: %s", strerror(errno));
    kill(first, SIGKILL);
    waitpid(bubblewrap, NULL, 0);
    unlink(copy); /* no longer needed there */
}

/* Gives up all rights in this user namespace, and every way to gain one. Returns NULL, or the
 * call that failed. */
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
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1) /* the change of rights has reset it */
        return "PR_SET_PDEATHSIG";
    return NULL;
}

/* Runs in the first process of a new cell, with the rights of the owner of its namespaces. Sets
 * up the cell, and becomes init, which writes to `ready`. No program must see processes that it
 * may not look into. Process numbers must have as many digits as elsewhere: lab 02 sends them. */
_Noreturn static void become_init(int ready)
{
    char *const words[] = {"init", NULL}, *const environment[] = {NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2") ==
            -1 ||
        !move_scratch_in())
        _exit(1);
    int last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    if (last == -1 || write(last, "1000", 4) != 4 ||
        setns(template.user, CLONE_NEWUSER) == -1 || drop_rights() != NULL ||
        setsid() == -1 || chdir("/") == -1)
        _exit(1);
    for (int i = 0; i < 3; i++)
        if (dup2(null, i) == -1)
            _exit(1);
    if (dup2(ready, 3) == -1)
        _exit(1);
    syscall(SYS_close_range, 4u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
    execveat(template.init, "", words, environment, AT_EMPTY_PATH);
    _exit(127);
}

/* Starts the first process of a new cell. Returns its number, or -1 on failure. It is our child,
 * made by a helper that has entered the namespaces. */
static pid_t start_init(int ready)
{
    int status;
    pid_t helper = fork();
    if (helper == 0) {
        if (prctl(PR_SET_DUMPABLE, 0) == -1 ||
            setns(template.owner, CLONE_NEWUSER) == -1 ||
            setns(template.mounts, CLONE_NEWNS) == -1 ||
            setns(template.host_name, CLONE_NEWUTS) == -1)
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
    unsigned long long threads, descriptors,
        memory; /* private bytes, and bytes shared without a file */
};

/* Returns the number after `field` in `text`, or 0. */
static unsigned long long field_of(const char *text, const char *field)
{
    const char *found = strstr(text, field);
    return found == NULL ? 0 : strtoull(found + strlen(field), NULL, 10);
}

/* Reads the file `name` of the process `process` in `proc` into `buffer`, with a NUL at its end. */
static const char *read_in(int proc, const char *process, const char *name, char *buffer,
                           size_t size)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", process, name);
    int file = openat(proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file == -1 ? -1 : read(file, buffer, size - 1);
    if (file != -1)
        close(file);
    buffer[length > 0 ? length : 0] = '\0';
    return buffer;
}

/* Returns what all processes of the cell, whose /proc is given, use together. If not `exactly`,
 * it includes pages of files, which is faster to find out. */
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
            0) /* a folder with an entry for each thread */
            all.threads += tasks.st_nlink - 2;
        snprintf(path, sizeof path, "%s/fd", process);
        if (fstatat(proc, path, &tasks, 0) == 0) /* 0 before Linux 6.2 */
            all.descriptors += (unsigned long long)tasks.st_size;
        if (exactly) {
            read_in(proc, process, "status", said, sizeof said);
            all.memory += (field_of(said, "\nRssAnon:") + field_of(said, "\nRssShmem:") +
                           field_of(said, "\nVmPTE:"))
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

/* Returns the bytes of System V objects: of segments those in memory, attached or not. */
static unsigned long long bytes_of_sysv(void)
{
    static const struct {
        const char *path, *format;
    } tables[] = {
        {"/proc/sysvipc/shm",
         "%*d %*d %*o %*u %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %llu"},
        {"/proc/sysvipc/sem", "%*d %*d %*o %llu"},
        {"/proc/sysvipc/msg", "%*d %*d %*o %llu %llu"},
    };
    char line[512];
    unsigned long long bytes = 0;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        FILE *table = fopen(tables[i].path, "re");
        while (table != NULL && fgets(line, sizeof line, table) != NULL) {
            unsigned long long first = 0, messages = 0;
            if (sscanf(line, tables[i].format, &first, &messages) < 1)
                continue; /* the heading */
            bytes += i == 1 ? (first + 4) * SEMAPHORE : first + messages * SEMAPHORE;
        }
        if (table != NULL)
            fclose(table);
    }
    return bytes;
}

/* Returns the number of sockets in this network. */
static unsigned long long count_sockets(void)
{
    char said[128];
    return field_of(read_in(AT_FDCWD, "/proc/net", "sockstat", said, sizeof said),
                    "used");
}

/* Returns the bytes in the buffers of the sockets of one kind. `request` asks for them, and `kind`
 * is the attribute with the answer; `header` is the size of an answer without its attributes. */
static unsigned long long bytes_of_kind(int netlink, const void *request, size_t size,
                                        unsigned short kind, size_t header)
{
    struct {
        struct nlmsghdr head;
        char body[128];
    } question = {.head = {.nlmsg_len = (unsigned)NLMSG_LENGTH(size),
                           .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                           .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
    unsigned long long bytes = 0;
    memcpy(NLMSG_DATA(&question.head), request, size);
    if (send(netlink, &question, question.head.nlmsg_len, 0) == -1)
        return 0;
    for (;;) {
        static union {
            struct nlmsghdr head;
            char bytes[32768];
        } answer;
        ssize_t received = recv(netlink, &answer, sizeof answer, 0);
        unsigned length = received > 0 ? (unsigned)received : 0;
        struct nlmsghdr *one = &answer.head;
        if (!NLMSG_OK(one, length))
            return bytes;
        for (; NLMSG_OK(one, length); one = NLMSG_NEXT(one, length)) {
            if (one->nlmsg_type == NLMSG_DONE || one->nlmsg_type == NLMSG_ERROR)
                return bytes;
            struct rtattr *next = (struct rtattr *)((char *)NLMSG_DATA(one) +
                                                    NLMSG_ALIGN(header));
            int rest = (int)(one->nlmsg_len - NLMSG_SPACE(header));
            for (; RTA_OK(next, rest); next = RTA_NEXT(next, rest)) {
                const unsigned *memory = RTA_DATA(next);
                if (next->rta_type == kind &&
                    RTA_PAYLOAD(next) > SK_MEMINFO_WMEM_QUEUED * sizeof *memory)
                    bytes += memory[SK_MEMINFO_RMEM_ALLOC] +
                             memory[SK_MEMINFO_WMEM_ALLOC] + memory[SK_MEMINFO_FWD_ALLOC];
            }
        }
    }
}

/* Returns the bytes in the buffers of all sockets of this network, which is the cell's. It looks
 * only if there are many, and not all the time. */
static unsigned long long bytes_of_sockets(void)
{
    static int netlink = -1;
    static double next;
    static unsigned long long last;
    double start = now();
    if (count_sockets() <= FEW_SOCKETS)
        return last = 0;
    if (start < next)
        return last;
    if (netlink == -1)
        netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    struct unix_diag_req local = {.sdiag_family = AF_UNIX,
                                  .udiag_states = ~0u,
                                  .udiag_show = UDIAG_SHOW_MEMINFO};
    last = bytes_of_kind(netlink, &local, sizeof local, UNIX_DIAG_MEMINFO,
                         sizeof(struct unix_diag_msg));
    static const unsigned char families[] = {AF_INET, AF_INET6},
                               protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
    for (size_t i = 0; i < 4; i++) {
        struct inet_diag_req_v2 other = {.sdiag_family = families[i / 2],
                                         .sdiag_protocol = protocols[i % 2],
                                         .idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1),
                                         .idiag_states = ~0u};
        last += bytes_of_kind(netlink, &other, sizeof other, INET_DIAG_SKMEMINFO,
                              sizeof(struct inet_diag_msg));
    }
    next = now() + (now() - start) * SHARE_OF_SOCKETS;
    return last;
}

static unsigned long long files_in(const char *path)
{
    struct statvfs facts;
    return statvfs(path, &facts) == -1 ? 0 : facts.f_files - facts.f_ffree;
}

/* Notes the reason if the cell uses more than it may. */
static bool is_too_much(int proc)
{
    const struct limits *most = &usual[run.system];
    unsigned long long kernel = bytes_of_sysv() + bytes_of_sockets();
    struct usage all = look_around(proc, false);
    if (all.memory + kernel > most->memory)
        all = look_around(proc, true);
    if (all.threads > most->processes)
        snprintf(
            news->reason, sizeof news->reason,
            "the programs started more than %llu processes and threads, and were ended",
            (unsigned long long)most->processes);
    else if (all.descriptors > most->all_files)
        snprintf(news->reason, sizeof news->reason,
                 "the programs opened more than %llu descriptors, and were ended",
                 (unsigned long long)most->all_files);
    else if (all.memory + kernel > most->memory)
        snprintf(news->reason, sizeof news->reason,
                 "the programs took more than %llu MB of memory, and were ended",
                 (unsigned long long)(most->memory / MB));
    else if (files_in("/tmp") + files_in("/dev/shm") + files_in(run.scratch) > MOST_FILES)
        snprintf(news->reason, sizeof news->reason,
                 "the programs made more than %d files, and were ended", MOST_FILES);
    return news->reason[0] != '\0';
}

/* The watcher: makes the cell, writes to `ready`, checks the cell, and ends it if it uses too
 * much or `stop` is closed. */
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

const char *placed_folder(void)
{
    if (!run.cell)
        return run.scratch;
    const char *folder = text("%s/placed", programs_folder());
    mkdir(folder, 0755);
    return folder;
}

void refresh_cell(void)
{
    int status;
    pid_t helper = fork();
    if (helper == 0) {
        if (prctl(PR_SET_DUMPABLE, 0) == -1 ||
            setns(template.owner, CLONE_NEWUSER) == -1 ||
            setns(init_handle, CLONE_NEWNS) == -1 ||
            umount2(run.scratch, MNT_DETACH) == -1 || !move_scratch_in())
            _exit(1);
        _exit(0);
    }
    if (helper == -1 || waitpid(helper, &status, 0) != helper || status != 0)
        kit_error("the cell gets no new scratch folder");
}

void open_cell(void)
{
    if (news == NULL) {
        int share = MAP_SHARED | MAP_ANONYMOUS;
        /* cppcheck-suppress invalidFunctionArg ; it is -1 for anonymous memory */
        news = mmap(NULL, sizeof *news, PROT_READ | PROT_WRITE, share, -1, 0);
        if (news == MAP_FAILED)
            kit_error("mmap: %s", strerror(errno));
    }
    *news = (struct news){0};
    if (template.mounts == -1)
        make_template();
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
        kit_error("no cell can be made here; run make doctor");
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
    /* The programs have become our children. The cell ends only when they are reaped. */
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

static bool is_script(const char *file)
{
    char begin[2] = "";
    int opened = open(file, O_RDONLY | O_CLOEXEC);
    bool script = opened != -1 && read(opened, begin, 2) == 2 &&
                  memcmp(begin, "#!", 2) == 0;
    if (opened != -1)
        close(opened);
    return script;
}

const char *cell_path(const char *file)
{
    const char *const folders[] = {run.scratch, programs_folder()};
    for (size_t i = 0; i < 2; i++) {
        size_t length = strlen(folders[i]);
        if (!run.cell || (strncmp(file, folders[i], length) == 0 && file[length] == '/'))
            return file;
    }
    for (size_t i = 0; i < visible_count; i++)
        if (strcmp(visible[i].outside, file) == 0)
            return visible[i].inside;
    if (visible_count == sizeof visible / sizeof *visible)
        kit_error("too many programs in one test");
    /* Each program has its own folder, because two may have the same name. Wine must read
     * programs, and a shell its script. */
    const char *folder = text("%s/%zu", programs_folder(), visible_count + 1);
    const char *inside = text("%s/%s", folder, strrchr(file, '/') + 1);
    bool readable = !is_ours(file) || strstr(inside, ".exe") != NULL || is_script(file);
    mkdir(folder, 0755);
    if (!copy_file(file, inside, readable ? 0555 : 0111))
        fail_test("%s could not be read: %s", file, strerror(errno));
    visible[visible_count].outside = file;
    visible[visible_count++].inside = inside;
    return inside;
}

pid_t fork_into_cell(void)
{
    /* The helper shares our memory, and ends before we go on. So the child copies this process,
     * not a copy of it. Linux allows the helper to call more than exec.
     * NOLINTBEGIN(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */
    volatile pid_t answer = -1;
    volatile int error = 0;
    news->entered = true;
    pid_t helper = vfork();
    if (helper == 0) {
        /* No process inside may look into a copy of the checker before exec. */
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

unsigned long most_descriptors(void)
{
    return usual[run.system].files;
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
    rlim_t processes = all->processes + 64; /* if it is reached, the watcher ends all */
    if (!limit(RLIMIT_NPROC, processes, processes) ||
        !limit(RLIMIT_NOFILE, all->files, all->files) ||
        !limit(RLIMIT_FSIZE, all->file_size, all->file_size) ||
        (!serves && !limit(RLIMIT_CPU, all->processor, all->processor + 1)) ||
        !limit(RLIMIT_STACK, STACK, RLIM_INFINITY) ||
        /* ASan reserves more address space than there is memory, but uses little of it. */
        ((serves || !run.plan->test->sanitized) &&
         !limit(RLIMIT_DATA, all->data + processes * STACK,
                all->data + processes * STACK)) ||
        !limit(RLIMIT_MSGQUEUE, all->queues, all->queues) ||
        !limit(RLIMIT_SIGPENDING, all->signals, all->signals) ||
        !limit(RLIMIT_CORE, 0, 0))
        return "setrlimit";

    const char *failing = drop_rights();
    if (failing != NULL)
        return failing;
    struct filter *filter = may_trace ? &trace_filter : &usual_filter;
    struct sock_fprog program = {(unsigned short)filter->count, filter->instructions};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == -1)
        return "seccomp";
    return NULL;
}
