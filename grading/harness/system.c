/*
 * system.c - starts programs on each system: on UNIX, under Wine, and on Windows through WSL.
 */
#include "system.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cell.h"
#include "folders.h"
#include "processes.h"
#include "run.h"
#include "verdict.h"

/* Debian's `wine` is a shell script around this loader. */
#define WINE_LOADER "/usr/lib/wine/wine64"

/* How long the idle probe takes to start and end, in seconds, on the machine for which the limits
 * were chosen. A slower machine gets longer limits, a faster one the same. */
#define USUAL_START_UNIX 0.003
#define USUAL_START_WIN32 0.060
#define LARGEST_FACTOR 20.0

/* The most words in PROGRAM_PREFIX, which are put before a UNIX program ("valgrind -q"). */
#define MOST_PREFIX_WORDS 16

static bool native; /* Windows programs run on a Windows kernel: we are in WSL */
static const char *wine_loader;

static void detect_win32(void)
{
    const char *choice = getenv(
        "WIN32_RUNNER"); /* "wine" or "native", if a machine has both */
    bool wsl = access("/proc/sys/fs/binfmt_misc/WSLInterop", F_OK) == 0 ||
               access("/proc/sys/fs/binfmt_misc/WSLInterop-late", F_OK) == 0;
    native = choice != NULL ? strcmp(choice, "native") == 0 : wsl;
    const char *loader = getenv("WINE"); /* as in grading/harness/wine.sh */
    wine_loader = loader != NULL                   ? loader
                  : access(WINE_LOADER, X_OK) == 0 ? WINE_LOADER
                                                   : "wine";
}

const char *win32_runner(void)
{
    detect_win32();
    return native ? "natively, by WSL" : "under Wine";
}

/* Runs a command of Wine, in the cell if there is one. Like run_command(). */
static int run_in_place(const char *const words[])
{
    if (!run.cell)
        return run_command(words);
    int status = -1;
    pid_t pid = fork_into_cell();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        for (int i = 0; i < 3; i++)
            if (null == -1 || dup2(null, i) == -1)
                _exit(126);
        setsid();
        syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
        set_environment();
        if (chdir("/") == 0 && lock_in(true, false) == NULL)
            execvp(words[0], (char *const *)words);
        _exit(126);
    }
    if (pid == -1 || waitpid(pid, &status, 0) == -1)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void need(bool success, const char *what)
{
    if (!success) {
        fprintf(stderr, "check: %s failed; `make doctor` reports what is missing\n",
                what);
        exit(3);
    }
}

/* Where the server of our prefix has its socket and its lock: SERVER_FOLDER in WINE_TMP, both ""
 * before its first start. Debian's Wine makes a folder /tmp/wine-XXXXXX, and writes its name into
 * a file of the prefix. Other builds have one folder for all servers of a user. TMPDIR would move
 * the folder, but the Wine of Debian 13 crashes at its start if that is set. */
static char wine_tmp[48], server_folder[96];
static bool wine_tmp_is_shared;

static void note_server_folder(void)
{
    const char *prefix = text("%s/prefix", wine_folder());
    struct stat facts;
    char name[32] = "";
    /* A program may have replaced it by something else: opening it must not block. */
    int file = open(text("%s/wineserver", prefix), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t length = file == -1 ? 0 : read(file, name, sizeof name - 1);
    name[length > 0 ? length : 0] = '\0';
    name[strcspn(name, "\n")] = '\0';
    if (file != -1)
        close(file);
    if (stat(prefix, &facts) == -1)
        return;
    wine_tmp_is_shared = strncmp(name, "wine-", 5) != 0 || strchr(name, '/') != NULL;
    if (wine_tmp_is_shared)
        snprintf(wine_tmp, sizeof wine_tmp, "/tmp/.wine-%u", (unsigned)geteuid());
    else
        snprintf(wine_tmp, sizeof wine_tmp, "/tmp/%s", name);
    snprintf(server_folder, sizeof server_folder, "%s/server-%llx-%llx", wine_tmp,
             (unsigned long long)facts.st_dev, (unsigned long long)facts.st_ino);
}

/* Removes what an ended server has left there. In a private namespace that is everything in WINE_TMP:
 * files of programs in a cell must not reach the next cell. */
static void remove_server_folder(void)
{
    const char *folder = wine_tmp_is_shared && !run.private_namespace ? server_folder
                                                                      : wine_tmp;
    if (folder[0] != '\0')
        remove_tree(folder);
    wine_tmp[0] = server_folder[0] = '\0';
}

void clean_up_system(void)
{
    if (run.system != WIN32 ||
        run.cell) /* the cells' private namespace has its own /tmp */
        return;
    note_server_folder();
    remove_server_folder();
}

bool is_of_wine(const char *path)
{
    return strcmp(path, wine_tmp) == 0;
}

/* Returns the server process of our prefix, found by the lock that it holds until it ends, or
 * 0. */
static pid_t wine_server(void)
{
    pid_t server = 0;
    int file = open(text("%s/lock", server_folder), O_RDWR | O_CLOEXEC);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (file != -1 && fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        server = lock.l_pid;
    if (file != -1)
        close(file);
    return server;
}

static pid_t first_server; /* wine_server() at the beginning */

/* The server has descriptors for all programs of its prefix. So it gets as many as this machine
 * allows: the usual 1,024 are too few for 1,000 clients. Programs get the same limit as we
 * have. */
static void start_wine_server(void)
{
    struct rlimit usual, most;
    bool known = getrlimit(RLIMIT_NOFILE, &usual) == 0;
    most = usual;
    most.rlim_cur = most.rlim_max;
    if (known)
        setrlimit(RLIMIT_NOFILE, &most);
    need(run_in_place((const char *[]){"wineserver", "-p", NULL}) == 0, "wineserver");
    if (known)
        setrlimit(RLIMIT_NOFILE, &usual);
    note_server_folder();
}

/* Makes a new Wine prefix and starts its server, in a new cell if there are cells. */
static void open_wine(void)
{
    /* Copy a template, because Wine needs seven seconds to make a prefix. */
    const char *given = getenv("WINE_TEMPLATE");
    const char *template = given != NULL ? text("%s/.", given)
                                         : text("%s/wine-template/.", run.build);
    const char *prefix = text("%s/prefix", wine_folder());
    if (run.cell) {
        mkdir(wine_folder(), 0700);
        /* What the last cell has left could help the programs of the next one. */
        need(clear_folder(wine_folder()), "removing the last Wine prefix");
        remove_server_folder();
    }
    need(run_command((const char *[]){"cp", "-a", template, prefix, NULL}) == 0,
         "copying the Wine template");
    if (run.cell)
        open_cell();
    start_wine_server();
}

/* A probe that ends at once. Under valgrind it must not be a static one, in whose C library valgrind finds
 * errors. */
static char **probe_words(void)
{
    const char *probe = text("%s/grading/probe/%s/pipe_peer%s", run.build,
                             run.system == UNIX ? "unix" : "win32", program_suffix());
    bool inside = run.cell && run.system == WIN32;
    return command_for(run.system, inside ? cell_path(probe) : probe, 0);
}

static int run_probe(void)
{
    const char *const *words = (const char *const *)probe_words();
    return run.system == WIN32 ? run_in_place(words) : run_command(words);
}

/* Whether there is a cell that the next test can use, and whose tests have used it. */
static bool place_is_open;
static unsigned last_players;

static void end_place(void)
{
    close_cell();
    place_is_open = false;
    last_players = 0;
}

void open_place(unsigned players)
{
    if (!run.cell)
        return;
    if (place_is_open && last_players != 0 && last_players != players)
        end_place();
    last_players = players;
    if (place_is_open) {
        refresh_cell();
        forget_programs();
        note_entries();
        return;
    }
    if (run.system == WIN32) {
        open_wine();
        need(run_probe() == 0, "starting the probe");
    } else {
        open_cell();
    }
    note_processes();
    note_entries();
    place_is_open = true;
}

bool wine_has_fallen(void)
{
    return first_server != 0 && wine_server() != first_server;
}

void restart_wine(void)
{
    run_command((const char *[]){"wineserver", "-k", NULL});
    run_command((const char *[]){"wineserver", "-w", NULL});
    start_wine_server();
    need(run_probe() == 0, "starting the probe");
    first_server = wine_server();
    note_baseline();
}

void close_place(bool tidy)
{
    if (!run.cell)
        return;
    bool serves_on = !was_entered() || (tidy && run.system == WIN32 && !strangers_run());
    if (serves_on && end_of_cell() == NULL)
        return;
    end_place();
}

double open_system(void)
{
    if (run.system == WIN32)
        detect_win32();
    if (run.cell && on_windows())
        kit_error("--cell does not work on Windows itself");
    if (run.system == WIN32 && !run.cell)
        set_environment();
    if (run.system == WIN32 && !native) {
        /* Wine needs the page 0x7ffe0000 for the shared user data of Windows. The kernel chooses
         * addresses at random, and about once in a thousand starts it puts a heap there. The
         * program then crashes before its main. So address randomisation is off here. */
        personality(ADDR_NO_RANDOMIZE);
        note_baseline();
        open_wine();
    }

    /* The first start is not measured: it is slow, and under Wine it starts services. These
     * inherit its streams, so the streams are /dev/null. The other starts are measured. */
    need(run_probe() == 0, "starting the probe");
    note_baseline();
    place_is_open = run.cell && run.system == WIN32 && !native;
    if (run.system == WIN32 && !native && !run.cell)
        first_server = wine_server();

    double fastest = LARGEST_FACTOR;
    double usual = run.system == UNIX ? USUAL_START_UNIX : USUAL_START_WIN32;
    for (int i = 0; i < 3 && fastest > usual; i++) {
        double start = now();
        need(run_probe() == 0, "starting the probe");
        double seconds = now() - start;
        if (seconds < fastest)
            fastest = seconds;
    }
    double factor = fastest / usual;
    return factor < 1 ? 1 : factor > LARGEST_FACTOR ? LARGEST_FACTOR : factor;
}

void close_system(void)
{
    close_cell();
    if (run.system == WIN32 && !native && !run.cell) {
        run_command((const char *[]){"wineserver", "-k", NULL});
        run_command((const char *[]){"wineserver", "-w", NULL});
    }
}

void set_environment(void)
{
    if (run.cell) {
        clearenv();
        setenv("PATH", "/usr/bin:/bin", 1);
        setenv("HOME", run.scratch, 1);
    }
    if (run.system == WIN32 && !native)
        unsetenv("TMPDIR"); /* see server_folder */
    else
        setenv("TMPDIR", run.scratch, 1);
    setenv("XDG_RUNTIME_DIR", run.scratch, 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    if (run.system == WIN32 && !native) {
        setenv("WINEPREFIX", text("%s/prefix", wine_folder()), 1);
        setenv("WINEDEBUG", "-all", 1);
        /* No debugger that prints a crash on standard output, no dialogs to install things. */
        setenv("WINEDLLOVERRIDES", "winedbg.exe=d;mscoree=;mshtml=;winemenubuilder.exe=d",
               1);
        setenv("WINELOADER", wine_loader, 1);
    }
}

char **command_for(enum system system, const char *path, size_t more)
{
    char **words = calloc(more + MOST_PREFIX_WORDS + 2, sizeof *words);
    size_t n = 0;
    if (words == NULL)
        kit_error("no memory");
    const char *prefix = getenv("PROGRAM_PREFIX");
    if (system == WIN32 && !native) {
        words[n++] = text("%s", wine_loader);
    } else if (prefix != NULL) {
        char *rest = text("%s", prefix), *word;
        while ((word = strtok_r(rest, " ", &rest)) != NULL && n < MOST_PREFIX_WORDS)
            words[n++] = word;
    }
    words[n] = text("%s", path);
    return words;
}

const char *system_path(const char *path)
{
    if (run.system == UNIX)
        return path;
    if (native) {
        FILE *pipe = popen(text("wslpath -w '%s'", path), "r");
        char line[4096] = "";
        if (pipe == NULL || fgets(line, sizeof line, pipe) == NULL || pclose(pipe) != 0)
            kit_error("wslpath does not translate %s", path);
        line[strcspn(line, "\n")] = '\0';
        return text("%s", line);
    }
    char *windows = text("Z:%s", path);
    for (char *c = windows; *c != '\0'; c++)
        if (*c == '/')
            *c = '\\';
    return windows;
}

bool on_windows(void)
{
    return run.system == WIN32 && native;
}
