/*
 * program.c - starts programs, exchanges data with them, waits for them.
 *
 * One rule prevents deadlocks: whatever a test waits for, all output of all programs is read all
 * the time. A program under test never blocks because nobody reads its output.
 */
#include "program.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cell.h"
#include "ipclab.h"
#include "likeness.h"
#include "processes.h"
#include "report.h"
#include "run.h"
#include "scratch.h"
#include "system.h"
#include "verdict.h"

#define USUAL_OUTPUT_LIMIT ((size_t)16 << 20)
#define MOST_PROGRAMS 2048
#define MOST_LINES \
    ((size_t)1 << 20)  /* of a test; a flood of them must not fill the memory */
#define BUSY_WAIT 60.0 /* percent of a processor: a program that blocks uses less */
#define BUSY_LOOK 0.3  /* seconds: for so long a program is watched whether it is busy */
#define LEAST_TURN 0.001 /* seconds: a thread that spins is given more, however rarely */
#define IDLE_WATCHES 3
#define LEAST_WATCHED 1.0 /* seconds, all watches together */
#define LINES_IN_REPORT 24
#define LINES_IN_TRANSCRIPT 60 /* the same with --transcript */
#define BYTES_IN_REPORT 120    /* of one line */
#define MOST_ERROR_LINES 3     /* of standard error, one of each program */
#define BYTES_IN_REASON 80     /* of a line that a reason quotes */
#define OUTPUT_BUFFER 4096     /* the C library's, of an output that is no terminal */
#define LONGEST_NEARLY 4096    /* of a line that is compared for near matches */
#define MOST_NEARLY 10000      /* lines that are compared by their words, the last ones */
#define LATE_END 1.0  /* seconds: at least so long for a program that is about to end */
#define LATE_PART 0.1 /* and this part of the limit, which is longer on a slow machine */
#define TIME_TO_FOLLOW 0.3 /* seconds: a program ends that had closed its end before */
#define LAST_ANSWER \
    2.0 /* seconds: at least so long for an answer to what a program sent before it failed */
#define TIME_TO_BLOCK 0.1  /* seconds in which a program gets to its next call */
#define END_OF_FILE "\x04" /* what is typed on a terminal at the end of input: Ctrl-D, */
#define END_OF_FILE_WIN32 "\x1A\r" /* and on a console: Ctrl-Z and Enter */

/* One output of a program: all bytes received, and how many of them are in lines. */
struct stream {
    int fd; /* -1 when it has ended */
    char *bytes;
    size_t length, capacity;
    size_t lost;   /* bytes beyond the limit, read and thrown away */
    size_t cut;    /* bytes before this one are in lines */
    size_t cursor; /* lines before this one were found by a wait */
    size_t taken;  /* bytes before this one were given out by receive_until */
};

struct program {
    const char *name;  /* "server", as in the transcript */
    const char *title; /* "the server", as in a sentence */
    bool probe;        /* it is one of the checker's own programs */
    pid_t pid;
    int handle;               /* of pidfd_open(2), -1 when the program has ended */
    int input;                /* -1 when closed */
    size_t given;             /* bytes that were written to it */
    struct stream outputs[2]; /* standard output, standard error */
    size_t output_limit;
    bool terminal;   /* its input is a terminal */
    bool piped;      /* its output is none */
    bool painted;    /* Wine paints its output on a terminal */
    bool one_output; /* standard error and standard output are the same */
    int status;      /* as by waitpid(2), once it has been reaped */
    bool reaped;
    bool judged;  /* the points are for this program, or for the kit's own pair */
    bool awaited; /* the test has waited for its end */
    bool asked;   /* to end, when the test had given up */
    unsigned long long sent; /* the signals that the test has sent it, a bit for each */
};

struct line {
    struct program *program;
    struct stream *stream;
    char *text;
    size_t length; /* the text may have NUL bytes in it */
    bool found;    /* a wait has returned it */
};

static struct program *programs[MOST_PROGRAMS];
static size_t program_count;
/* The program that the test waits for, or waited for last: the report shows its lines. */
static struct program *subject;
static struct line *lines;
static size_t line_count, line_capacity, lines_lost;
static size_t late_lines =
    SIZE_MAX; /* the first line that came when the test had given up */

static double late_end(void)
{
    return fmax(LATE_END, run.limit * LATE_PART);
}

static int milliseconds_until(double deadline)
{
    double left = (deadline - now()) * 1000;
    return left <= 0 ? 0 : (int)left + 1;
}

/* ---- Lines -------------------------------------------------------------------------- */

/* Wine draws a console on a terminal: with control sequences, and with moves of the cursor in
 * place of blanks. Turns such a line into its text, and returns its length. */
static size_t unpaint(char *line, size_t length)
{
    size_t out = 0;
    for (size_t i = 0; i < length; i++) {
        if (line[i] != '\033' || i + 1 >= length || line[i + 1] != '[') {
            line[out++] = line[i];
            continue;
        }
        size_t end = i + 2;
        while (end < length && ((line[end] >= '0' && line[end] <= '?')))
            end++;
        int number = atoi(line + i + 2);
        for (int n = 0; end < length && line[end] == 'C' && n < number && out < end; n++)
            line[out++] = ' ';
        i = end;
    }
    return out;
}

static void add_line(struct program *program, struct stream *stream, const char *bytes,
                     size_t length)
{
    if (line_count == MOST_LINES) {
        lines_lost++;
        return;
    }
    if (length > 0 &&
        bytes[length - 1] == '\r') /* standard output in Windows' text mode */
        length--;
    if (line_count == line_capacity) {
        line_capacity = 2 * line_capacity + 256;
        lines = realloc(lines, line_capacity * sizeof *lines);
    }
    char *copy = lines == NULL ? NULL : malloc(length + 1);
    if (copy == NULL)
        kit_error("no memory for the transcript");
    memcpy(copy, bytes, length);
    copy[length] = '\0';
    if (program->painted)
        length = unpaint(copy, length);
    copy[length] = '\0';
    if (!program->probe)
        unseal(copy, &length);
    lines[line_count++] = (struct line){program, stream, copy, length, false};
    if (run.show)
        show_line(program->name, copy, length);
}

static void cut_lines(struct program *program, struct stream *stream)
{
    char *newline;
    while (stream->cut < stream->length &&
           (newline = memchr(stream->bytes + stream->cut, '\n',
                             stream->length - stream->cut))) {
        add_line(program, stream, stream->bytes + stream->cut,
                 (size_t)(newline - stream->bytes) - stream->cut);
        stream->cut = (size_t)(newline - stream->bytes) + 1;
    }
}

/* ---- Reading everything, all the time ----------------------------------------------- */

static void keep(struct program *program, struct stream *stream, const char *bytes,
                 size_t length)
{
    size_t limit = program->output_limit, kept = length;
    if (stream->length + kept > limit)
        kept = limit - stream->length;
    stream->lost += length - kept;
    if (stream->length + kept > stream->capacity) {
        stream->capacity = 2 * (stream->length + kept);
        stream->bytes = realloc(stream->bytes, stream->capacity);
        if (stream->bytes == NULL)
            kit_error("no memory for the output of a program");
    }
    if (kept > 0)
        memcpy(stream->bytes + stream->length, bytes, kept);
    /* Search only if a newline has come: otherwise a megabyte without one would be searched at
     * every read. */
    bool ends_line = memchr(bytes, '\n', kept) != NULL;
    stream->length += kept;
    if (ends_line)
        cut_lines(program, stream);
}

static void read_stream(struct program *program, struct stream *stream)
{
    char portion[65536];
    ssize_t length = read(stream->fd, portion, sizeof portion);
    if (length > 0) {
        keep(program, stream, portion, (size_t)length);
        return;
    }
    if (length == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    /* The end of the output; a terminal reports it by EIO. The last line may have no newline. A
     * line that the limit has cut off does not count. */
    if (stream->cut < stream->length && stream->lost == 0)
        add_line(program, stream, stream->bytes + stream->cut,
                 stream->length - stream->cut);
    stream->cut = stream->length;
    close(stream->fd);
    stream->fd = -1;
}

static void note_end(struct program *program)
{
    if (!program->reaped && waitpid(program->pid, &program->status, 0) != program->pid)
        kit_error("waitpid: %s", strerror(errno));
    program->reaped = true;
    close(program->handle);
    program->handle = -1;
}

/* Returns a descriptor that is readable when a child has ended. This process is a subreaper, so
 * the orphans of our programs are its children too. They must be reaped while the test runs: for
 * wineserver a zombie is still a running process. */
static int deaths(void)
{
    static int descriptor = -1;
    if (descriptor == -1) {
        sigset_t death;
        sigemptyset(&death);
        sigaddset(&death, SIGCHLD);
        if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1 ||
            sigprocmask(SIG_BLOCK, &death, NULL) == -1 ||
            (descriptor = signalfd(-1, &death, SFD_CLOEXEC | SFD_NONBLOCK)) == -1)
            kit_error("signalfd: %s", strerror(errno));
    }
    return descriptor;
}

static void reap(void)
{
    struct signalfd_siginfo news;
    while (read(deaths(), &news, sizeof news) > 0)
        ; /* one signal may be for several children: waitpid names them */
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (size_t i = 0; i < program_count; i++)
            if (programs[i]->pid == pid && !programs[i]->reaped) {
                programs[i]->status = status;
                programs[i]->reaped = true;
            }
}

/* ---- Steps that are still to be written --------------------------------------------------- */

/* A starter exits at its first TODO with "server: TODO STEP 3: Start the client." on standard error. A
 * program that it started may have printed the line there, too: its name begins the line. Returns the
 * number of the step, or 0. */
static int unwritten_step(const struct line *line, enum role *role)
{
    static const char *const names[] = {[SERVER] = "server: ", [CLIENT] = "client: "};
    const struct program *program = line->program;
    if (program->probe || (line->stream != &program->outputs[1] && !program->one_output))
        return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int step = 0, end = 0;
        if (strncmp(line->text, names[i], strlen(names[i])) != 0)
            continue;
        sscanf(line->text + strlen(names[i]), "TODO STEP %d:%n", &step, &end);
        *role = (enum role)i;
        return end > 0 ? step : 0;
    }
    return 0;
}

void expect_written(void)
{
    static size_t looked;
    for (; looked < line_count; looked++) {
        enum role role;
        int step = unwritten_step(&lines[looked], &role);
        if (step <= 0)
            continue;
        subject = lines[looked++].program;
        look_at(role, step, NULL);
        look_at(1 - role, 0, NULL);
        fail_with_evidence(json_pack("{s:i, s:[], s:o}", "unwritten", step, "waiting",
                                     "transcript", transcript()),
                           "STEP %d of the %s is still to be written%s", step,
                           role == SERVER ? "server" : "client",
                           strstr(strchr(lines[looked - 1].text, ':') + 1, ":"));
    }
}

/* Waits until a program has printed something or has ended, or `other` is ready for `wanted`
 * (POLLOUT, POLLIN), or until the deadline. Returns false at the deadline, and if there is
 * nothing to wait for. */
static bool pump_with(double deadline, int other, short wanted)
{
    static struct pollfd events[3 * MOST_PROGRAMS + 2];
    static double whole_test;
    size_t count = 0;
    if (whole_test == 0)
        whole_test = now() + run.limit * LIMITS_PER_TEST;
    if (now() > whole_test)
        fail_test("the test was stopped after %.0f seconds, before its end",
                  run.limit * LIMITS_PER_TEST);
    for (size_t i = 0; i < program_count; i++) {
        for (int s = 0; s < 2; s++)
            if (programs[i]->outputs[s].fd != -1)
                events[count++] = (struct pollfd){programs[i]->outputs[s].fd, POLLIN, 0};
        if (programs[i]->handle != -1)
            events[count++] = (struct pollfd){programs[i]->handle, POLLIN, 0};
    }
    if (other != -1)
        events[count++] = (struct pollfd){other, wanted, 0};
    if (count == 0)
        return false;
    events[count++] = (struct pollfd){deaths(), POLLIN, 0};
    int ready = poll(events, count, milliseconds_until(deadline));
    if (ready == -1 && errno != EINTR)
        kit_error("poll: %s", strerror(errno));
    if (ready <= 0)
        return now() < deadline;

    /* The same loop again: read what each program printed before its end is noted. */
    size_t at = 0;
    for (size_t i = 0; i < program_count; i++) {
        for (int s = 0; s < 2; s++)
            if (programs[i]->outputs[s].fd != -1 && events[at++].revents != 0)
                read_stream(programs[i], &programs[i]->outputs[s]);
        if (programs[i]->handle != -1 && events[at++].revents != 0)
            note_end(programs[i]);
    }
    if (events[count - 1].revents != 0)
        reap();
    expect_written();
    return now() < deadline;
}

static bool pump(double deadline, int writer)
{
    return pump_with(deadline, writer, POLLOUT);
}

/* Reads what the outputs of `program` contain now, without waiting. It reads several times,
 * because a terminal returns little at once. It stops after a limit, because a program may write
 * without end. */
static void drain(struct program *program)
{
    for (int s = 0; s < 2; s++) {
        struct stream *stream = &program->outputs[s];
        struct pollfd event = {stream->fd, POLLIN, 0};
        for (int i = 0; i < 64 && stream->fd != -1 && poll(&event, 1, 0) > 0; i++)
            read_stream(program, stream);
    }
}

/* ---- Starting ----------------------------------------------------------------------- */

static int pipe_end(int ends[2], int ours, int theirs)
{
    if (pipe2(ends, O_CLOEXEC) == -1)
        kit_error("pipe2: %s", strerror(errno));
    fcntl(ends[ours], F_SETFL, O_NONBLOCK);
    return ends[theirs];
}

const char *path_of(enum role role, const char *name)
{
    return system_path(cell_path(file_of(role, name)));
}

/* Why a child could not become the program. */
struct excuse {
    int error;           /* errno */
    const char *failing; /* the call that failed; NULL for exec */
};

_Noreturn static void excuse_self(int report, const char *failing)
{
    struct excuse excuse = {errno, failing};
    (void)!write(report, &excuse, sizeof excuse);
    _exit(126);
}

/* In the child: opens all descriptors below `first`, and leaves room for as many after them.
 * Returns the descriptor that replaces `report`. */
static int take_descriptors(int first, int report)
{
    struct rlimit files;
    rlim_t most = 2 * (rlim_t)first;
    if (getrlimit(RLIMIT_NOFILE, &files) == -1 ||
        (files.rlim_cur < most &&
         setrlimit(RLIMIT_NOFILE, &(struct rlimit){most, files.rlim_max}) == -1))
        excuse_self(report, "setrlimit");
    int null = open("/dev/null", O_RDWR), moved = fcntl(report, F_DUPFD_CLOEXEC, first);
    if (null == -1 || moved == -1)
        excuse_self(report, "fcntl");
    for (int number = STDERR_FILENO + 1; number < first; number++)
        if (dup2(null, number) == -1)
            excuse_self(moved, "dup2");
    if (null >= first)
        close(null);
    return moved;
}

/* In the child: until exec nothing may be printed. A failure is written to the pipe `report`,
 * which exec closes. */
_Noreturn static void become(char **words, const int streams[3], int terminal, int report,
                             const struct start_options *options, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);         /* never outlive the test */
    if (getppid() != (run.cell ? 0 : parent)) /* we have no number in a cell */
        _exit(126);
    /* A new session: libcheck kills the test's process group before the leak check. */
    setsid();
    if (terminal != -1 && ioctl(terminal, TIOCSCTTY, 0) == -1)
        excuse_self(report, "TIOCSCTTY");
    for (int i = 0; i < 3; i++)
        if (dup2(streams[i], i) == -1)
            excuse_self(report, "dup2");
    syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC: exec may still fail */);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    if (options->ignores_children)
        signal(SIGCHLD, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    set_environment();
    for (const char *const *more = options->environment; more != NULL && *more != NULL;
         more++)
        putenv((char *)*more);
    if (run.plan->test->sanitized) {
        putenv("ASAN_OPTIONS=detect_leaks=0");
        putenv("UBSAN_OPTIONS=print_stacktrace=1");
    }
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    struct rlimit files;
    if (options->taken > 0)
        report = take_descriptors((int)options->taken, report);
    if (options->descriptors > 0 &&
        (getrlimit(RLIMIT_NOFILE, &files) == -1 ||
         setrlimit(RLIMIT_NOFILE,
                   &(struct rlimit){options->descriptors, files.rlim_max}) == -1))
        excuse_self(report, "setrlimit");
    if (chdir(run.scratch) == -1)
        excuse_self(report, "chdir");
    if (run.cell) {
        /* A program with of_unix is a probe, or one of the kit's own. */
        bool may_trace = options->probe != NULL || options->of_unix;
        const char *failing = lock_in(false, may_trace);
        if (failing != NULL)
            excuse_self(report, failing);
    }
    /* Do not call execvp for a path: it would start a shell for a file that is no program. */
    if (strchr(words[0], '/') != NULL)
        execv(words[0], words);
    else
        execvp(words[0], words);
    excuse_self(report, NULL);
}

_Noreturn static void fail_to_start(const char *title, const char *file, const char *why)
{
    fail_with_evidence(json_pack("{s:b}", "unstarted", true),
                       "%s could not be started: %s: %s", title, file, why);
}

/* Fails the test if its program `file` could not be started. Wine accepts any file, so this also
 * checks that it is a Windows program. */
static void expect_started(const struct program *program, const char *file,
                           const char *const words[], const struct excuse *excuse)
{
    if (excuse->error != 0 && excuse->failing != NULL)
        kit_error("%s: %s", excuse->failing, strerror(excuse->error));
    if (excuse->error != 0 && strcmp(words[0], cell_path(file)) != 0)
        kit_error("%s: %s", words[0], strerror(excuse->error));
    if (excuse->error != 0)
        fail_to_start(program->title, file, strerror(excuse->error));
}

static void expect_program(enum system system, const char *title, const char *file)
{
    char magic[2] = "";
    /* In a cell our own UNIX programs cannot be read. */
    int opened = open(file, (system == WIN32 ? O_RDONLY : O_PATH) | O_CLOEXEC);
    if (opened == -1)
        fail_to_start(title, file, strerror(errno));
    ssize_t length = system == WIN32 ? read(opened, magic, sizeof magic) : 0;
    close(opened);
    if (system == WIN32 && (length != 2 || memcmp(magic, "MZ", 2) != 0))
        fail_to_start(title, file, "it is not a Windows program");
}

/* Returns whether `file` is one of the checker's own programs. */
static bool is_probe(const char *file)
{
    const char *folder = text("%s/grading/probe/", run.build);
    return strncmp(file, folder, strlen(folder)) == 0;
}

/* Returns "server" or "client" if the argument `path` is the file of that program, as either
 * system writes it, else NULL. */
static const char *role_in(const char *path)
{
    const char *const roles[] = {"server", "client"};
    size_t folder = strlen(path);
    while (folder > 0 && path[folder - 1] != '/' && path[folder - 1] != '\\')
        folder--;
    for (enum role role = SERVER; folder > 0 && role <= CLIENT; role++)
        if (strcmp(path + folder, strrchr(file_of(role, NULL), '/') + 1) == 0)
            return roles[role];
    return NULL;
}

/* Opens a pseudo-terminal. Returns the program's end, and ours in `*master`. It does not echo:
 * the transcript contains only what programs print. Wine expects raw keys, and CR for Enter. */
static int make_terminal(int *master)
{
    *master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (*master == -1 || grantpt(*master) == -1 || unlockpt(*master) == -1)
        kit_error("no pseudo-terminal: %s", strerror(errno));
    int terminal = open(ptsname(*master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios mode;
    struct winsize size = {.ws_row = 25, .ws_col = 120};
    if (terminal == -1 || tcgetattr(terminal, &mode) == -1)
        kit_error("pseudo-terminal: %s", strerror(errno));
    if (run.system == WIN32) {
        cfmakeraw(&mode);
        mode.c_iflag |= INLCR;
    } else {
        mode.c_lflag &= ~(tcflag_t)ECHO;
    }
    tcsetattr(terminal, TCSANOW, &mode);
    ioctl(terminal, TIOCSWINSZ, &size);
    return terminal;
}

/* The name of a probe in reports: the role opposite the program that is judged. */
static const char *part_of_probe(void)
{
    static const char *const parts[] = {[SERVER] = "test's client",
                                        [CLIENT] = "test's server",
                                        [PAIR] = "test's program"};
    return parts[run.plan->test->judges];
}

/* Returns whether a program is judged: it is a submission, or there are none. If a probe starts it,
 * `file` is the probe, and the plan names the program. */
static bool is_judged(enum role role, const char *file, const char *name)
{
    bool any = false;
    for (size_t i = 0; i < sizeof run.submissions / sizeof *run.submissions; i++)
        any = any || run.submissions[i] != NULL;
    if (file != NULL && is_probe(file))
        file = strcmp(name, "client") == 0 ? run.plan->client : run.plan->server;
    else if (file == NULL)
        file = file_of(role, strcmp(name, "server") == 0 || strcmp(name, "client") == 0
                                 ? NULL
                                 : name);
    return !any || !is_ours(file);
}

static struct program *start_words(enum role role, struct start_options options,
                                   va_list values)
{
    va_list again;
    va_copy(again, values);
    size_t count = 0;
    while (va_arg(again, const char *) != NULL)
        count++;
    va_end(again);

    if (options.probe != NULL) {
        options.file = probe_file(options.probe);
        options.name = options.probe;
    }
    bool probe = options.file != NULL && is_probe(options.file);
    const char *file = options.file ? options.file : file_of(role, options.name);
    enum system system = options.of_unix ? UNIX : run.system;
    const char *name = probe                  ? part_of_probe()
                       : options.name != NULL ? options.name
                       : role == SERVER       ? "server"
                                              : "client";
    const char *title = text(options.name == NULL || probe ? "the %s" : "%s", name);
    expect_program(system, title, file);
    const char *launcher = text("%s/grading/probe/%s/without%s", run.build,
                                system == UNIX ? "unix" : "win32", suffix_of(system));
    char **words = command_for(system, cell_path(options.closed ? launcher : file),
                               count + 2);
    size_t first = 0;
    while (words[first] != NULL)
        first++;
    if (options.closed != 0) {
        const char *path = cell_path(file);
        words[first++] = text("%u", options.closed);
        words[first++] = text("%s", system == UNIX ? path : system_path(path));
    }
    for (size_t i = 0; i < count; i++)
        words[first + i] = va_arg(values, char *);
    /* If a probe starts the server, its output is the server's. */
    for (size_t i = 0; probe && i < count; i++)
        if (role_in(words[first + i]) != NULL) {
            name = role_in(words[first + i]);
            title = text("the %s, started by the test,", name);
            probe = false;
        }

    struct program *program = calloc(1, sizeof *program);
    if (program == NULL || program_count == MOST_PROGRAMS)
        kit_error("no room for another program");
    program->name = name;
    program->title = title;
    program->probe = probe;
    program->judged = !probe && is_judged(role, options.file, name);
    program->output_limit = options.output_limit != 0 ? options.output_limit
                                                      : USUAL_OUTPUT_LIMIT;
    program->terminal = options.terminal_input;
    program->piped = !options.terminal_output;
    program->painted = options.terminal_output && run.system == WIN32;
    program->input = program->outputs[0].fd = program->outputs[1].fd = -1;

    int streams[3] = {-1, -1, -1}, ends[2], terminal = -1;
    if (options.terminal_input || options.terminal_output) {
        int master;
        terminal = make_terminal(&master);
        program->input = fcntl(master, F_DUPFD_CLOEXEC, 0);
        program->outputs[0].fd = master;
        streams[0] = streams[1] = streams[2] = terminal;
    }
    if (!options.terminal_input) {
        streams[0] = pipe_end(ends, 1, 0);
        if (program->input != -1)
            close(program->input);
        program->input = ends[1];
    }
    if (!options.terminal_output) {
        if (program->outputs[0].fd != -1)
            close(program->outputs[0].fd);
        streams[1] = pipe_end(ends, 0, 1);
        program->outputs[0].fd = ends[0];
        if (run.show) { /* one pipe for both keeps the order of the lines */
            streams[2] = streams[1];
        } else {
            streams[2] = pipe_end(ends, 0, 1);
            program->outputs[1].fd = ends[0];
        }
    }

    program->one_output = streams[1] == streams[2];

    deaths(); /* from now on, and before the first child */
    pid_t parent = getpid();
    int report[2];
    struct excuse excuse = {0};
    if (pipe2(report, O_CLOEXEC) == -1)
        kit_error("pipe2: %s", strerror(errno));
    program->pid = run.cell ? fork_into_cell() : fork();
    if (program->pid == -1 && end_of_cell() != NULL)
        fail_test("%s", end_of_cell());
    if (program->pid == -1)
        kit_error("fork: %s", strerror(errno));
    if (program->pid == 0)
        become(words, streams, terminal, report[1], &options, parent);
    for (int i = 0; i < 3; i++)
        if (i == 0 || streams[i] != streams[i - 1])
            close(streams[i]);
    close(report[1]);
    program->handle = (int)syscall(SYS_pidfd_open, program->pid, 0);
    if (program->handle == -1)
        kit_error("pidfd_open: %s (Linux 5.3 or later is needed)", strerror(errno));
    programs[program_count++] = program;
    while (read(report[0], &excuse, sizeof excuse) == -1 && errno == EINTR)
        ;
    close(report[0]);
    expect_started(program, file, (const char *const *)words, &excuse);
    if (options.closed_input)
        close_input(program);
    return program;
}

struct program *start(enum role role, ...)
{
    va_list values;
    va_start(values, role);
    struct program *program = start_words(role, (struct start_options){0}, values);
    va_end(values);
    return program;
}

struct program *start_with(enum role role, struct start_options options, ...)
{
    va_list values;
    va_start(values, options);
    struct program *program = start_words(role, options, values);
    va_end(values);
    return program;
}

struct program *start_probe(const char *probe, ...)
{
    struct start_options options = {.probe = probe};
    va_list values;
    va_start(values, probe);
    struct program *program = start_words(SERVER, options, values);
    va_end(values);
    return program;
}

struct program *start_unix_probe(const char *probe, ...)
{
    const char *file = text("%s/grading/probe/unix/%s", run.build, probe);
    struct start_options options = {.name = probe, .file = file, .of_unix = true};
    va_list values;
    va_start(values, probe);
    struct program *program = start_words(SERVER, options, values);
    va_end(values);
    return program;
}

/* Use the handle: another process may have the number of one that has ended. */
static bool signal_program(const struct program *program, int number)
{
    return syscall(SYS_pidfd_send_signal, program->handle, number, NULL, 0) == 0 ||
           errno == ESRCH;
}

void end_programs(void)
{
    for (size_t i = 0; i < program_count; i++)
        if (programs[i]->handle != -1) {
            signal_program(programs[i], SIGKILL);
            note_end(programs[i]);
        }
}

const char *program_name(pid_t pid)
{
    for (size_t i = 0; i < program_count; i++)
        if (programs[i]->pid == pid)
            return programs[i]->name;
    return NULL;
}

/* ---- How programs end --------------------------------------------------------------- */

/* Returns how a program ended, for the report: "exited with code 3". */
static const char *ending_of(const struct program *program)
{
    if (program->handle != -1)
        return "is still running";
    if (WIFSIGNALED(program->status))
        return text("was ended by signal %d (%s)", WTERMSIG(program->status),
                    strsignal(WTERMSIG(program->status)));
    return text("exited with code %d", WEXITSTATUS(program->status));
}

/* Returns the usual cause of such an end, or NULL. */
static const char *cause_of_end(const struct program *program)
{
    if (program->handle != -1 || program->probe)
        return NULL;
    int number = WIFSIGNALED(program->status) ? WTERMSIG(program->status) : 0;
    if (number == SIGSEGV || number == SIGBUS)
        return "It used an address outside of its memory. Build it with -g "
               "-fsanitize=address to see in which line.";
    if (number == SIGABRT)
        return "It called abort(), or assert() did, or free() did because memory was "
               "overwritten. Build it with -g -fsanitize=address to see in which line.";
    if (number == SIGPIPE)
        return "It wrote to a pipe or a socket whose reader is gone. Ignore SIGPIPE: then "
               "write() and send() fail with EPIPE.";
    if (number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT ||
        number == SIGUSR1 || number == SIGUSR2 || number == SIGALRM || number == SIGIO)
        return text("It had no handler for SIG%s at that moment. Install one before "
                    "the loop in which it waits, with sigaction().",
                    sigabbrev_np(number));
    if (number == 0 && run.system == WIN32 && WEXITSTATUS(program->status) == 5)
        return "Under Wine this is also the exit code of an access violation "
               "(0xC0000005): the program used an address outside of its memory.";
    return NULL;
}

/* Adds a sentence to the notes in `evidence`, which explain the reason. */
static void add_note(json_t *evidence, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_note(json_t *evidence, const char *format, ...)
{
    char *note;
    va_list values;
    va_start(values, format);
    if (vasprintf(&note, format, values) == -1)
        kit_error("no memory");
    va_end(values);
    json_t *notes = json_object_get(evidence, "notes");
    if (notes == NULL)
        json_object_set_new(evidence, "notes", notes = json_array());
    /* A note may quote what a program printed. */
    json_array_append_new(notes, json_string(printable(note, strlen(note))));
}

/* Adds a note on how the program ended, if that explains something. */
static void add_cause(json_t *evidence, const struct program *program)
{
    const char *cause = cause_of_end(program);
    if (cause != NULL)
        add_note(evidence, "%s", cause);
}

/* ---- Talking ------------------------------------------------------------------------ */

/* "1 of 3 bytes were", "0 of 1 byte was": sent, or read. `before`: as many bytes were sent before these. */
static char *part_of(size_t part, size_t whole, size_t before)
{
    return text("%s%zu of %s%zu byte%s",
                before > 0 ? text("after %zu byte%s, ", before, before == 1 ? "" : "s")
                           : "",
                part, before > 0 ? "the next " : "", whole,
                whole == 1 ? " was" : "s were");
}

/* Returns the new deadline of a wait that began at `begin`, because what it waits for goes on: slow is not
 * blocked. But a program may go on without end, so the wait lasts at most `most` limits. */
static double later(double begin, double limit, int most)
{
    return fmin(now() + limit, begin + most * limit);
}

size_t offer_bytes(struct program *program, const void *bytes, size_t length)
{
    double begin = now(), last = begin, deadline = begin + run.limit;
    size_t sent = 0, before = program->given;
    while (sent < length && program->input != -1) {
        ssize_t written = write(program->input, (const char *)bytes + sent,
                                length - sent);
        if (written > 0) {
            sent += (size_t)written;
            program->given += (size_t)written;
            last = now();
            deadline = later(begin, run.limit, run.limits_per_wait);
        } else if (errno == EPIPE || errno == EIO) {
            break;
        } else if (errno != EAGAIN && errno != EINTR) {
            kit_error("write: %s", strerror(errno));
        } else if (!pump(deadline, program->input)) {
            if (now() - last < run.limit)
                fail_test(
                    "%s reads its standard input too slowly: in %.0f seconds %s sent",
                    program->title, now() - begin, part_of(sent, length, before));
            fail_test("%s did not read its standard input for %.0f seconds: %s sent",
                      program->title, run.limit, part_of(sent, length, before));
        }
    }
    return sent;
}

/* Fails the test, because the program no longer reads its input. */
_Noreturn static void fail_unread(struct program *program, size_t sent, size_t length,
                                  size_t before)
{
    /* The pipe breaks a moment before the end of the program is visible. */
    for (double until = now() + late_end(); program->handle != -1 && pump(until, -1);)
        ;
    subject = program;
    json_t *evidence = json_object();
    add_cause(evidence, program);
    if (program->handle == -1)
        fail_with_evidence(evidence,
                           "%s %s before it read all of its standard input: %s sent",
                           program->title, ending_of(program),
                           part_of(sent, length, before));
    fail_with_evidence(evidence,
                       "%s closed its standard input, and is still running: %s sent",
                       program->title, part_of(sent, length, before));
}

void send_bytes(struct program *program, const void *bytes, size_t length)
{
    size_t before = program->given, sent = offer_bytes(program, bytes, length);
    if (sent < length)
        fail_unread(program, sent, length, before);
}

void trickle_bytes(struct program *program, const void *bytes, size_t length)
{
    size_t before = program->given;
    for (size_t i = 0; i < length; i++) {
        if (offer_bytes(program, (const char *)bytes + i, 1) == 0)
            fail_unread(program, i, length, before);
        double deadline = now() + run.limit;
        int unread = 1;
        /* A pipe has no event for "empty again": check once a millisecond. */
        while (ioctl(program->input, FIONREAD, &unread) == 0 && unread > 0) {
            pump(now() + 0.001, -1);
            /* It may have read the byte, and then ended. */
            if (program->handle == -1 && ioctl(program->input, FIONREAD, &unread) == 0 &&
                unread > 0)
                fail_unread(program, i, length, before);
            if (now() > deadline)
                fail_test("%s did not read its standard input for %.0f seconds: %s read",
                          program->title, run.limit, part_of(i, length, before));
        }
    }
}

void close_input(struct program *program)
{
    if (program->input == -1)
        return;
    if (program->terminal) /* closing it would be a hang-up, not the end of input */
        offer_bytes(program, run.system == UNIX ? END_OF_FILE : END_OF_FILE_WIN32,
                    strlen(run.system == UNIX ? END_OF_FILE : END_OF_FILE_WIN32));
    else
        close(program->input);
    program->input = -1;
}

void hang_up(struct program *program)
{
    if (!program->terminal || program->input == -1)
        kit_error("hang_up: there is no terminal");
    close(program->input);
    program->input = -1;
}

void close_output(struct program *program)
{
    if (program->outputs[0].fd != -1)
        close(program->outputs[0].fd);
    program->outputs[0].fd = -1;
}

/* ---- Waiting ------------------------------------------------------------------------ */

static bool has_output(const struct program *program)
{
    return program->outputs[0].fd != -1 || program->outputs[1].fd != -1;
}

/* How a line is compared. */
enum match { EXACTLY, PATTERN, PATTERN_ON_STDERR };

static bool fits(const struct line *candidate, const char *line, enum match match)
{
    return strlen(candidate->text) == candidate->length && /* no NUL in it */
           (match != EXACTLY ? fnmatch(line, candidate->text, 0) == 0
                             : strcmp(line, candidate->text) == 0);
}

/* Returns whether a wait includes the stream of `candidate`. */
static bool is_watched(const struct program *program, const struct line *candidate,
                       enum match match)
{
    return candidate->program == program &&
           (match != PATTERN_ON_STDERR || candidate->stream == &program->outputs[1]);
}

/* Returns the first line after the cursors that equals `line` (or matches it, if it is a
 * pattern), or NULL. Lines before `*looked` have been compared before. */
static const char *find_line(struct program *program, const char *line, enum match match,
                             size_t *looked)
{
    for (; *looked < line_count; ++*looked) {
        struct line *candidate = &lines[*looked];
        if (is_watched(program, candidate, match) &&
            *looked >= candidate->stream->cursor && fits(candidate, line, match)) {
            candidate->stream->cursor = *looked + 1;
            candidate->found = true;
            return candidate->text;
        }
    }
    return NULL;
}

/* ---- Why a wait was in vain --------------------------------------------------------- */

/* For the report: not all of the output was kept. */
static const char *cut_note(const struct program *program)
{
    size_t lost = program->outputs[0].lost + program->outputs[1].lost;
    return lost == 0 ? ""
                     : text(" (it printed so much that %zu bytes were not kept)", lost);
}

/* Quotes a line for a reason: in single quotes, because most lines contain double ones. */
static const char *cited(const char *line)
{
    size_t length = strlen(line), shown = length;
    if (length > BYTES_IN_REASON)
        for (shown = BYTES_IN_REASON; shown > 0 && (line[shown] & 0xC0) == 0x80;)
            shown--; /* not in the middle of a character */
    return text("'%.*s%s'", (int)shown, line, shown < length ? "..." : "");
}

/* Returns a pattern of fnmatch(3) in a form for readers: "..." for a wildcard, the character for
 * a set of one character. Sets `*exact` if there is no wildcard. */
static const char *plain(const char *pattern, bool *exact)
{
    char *words = text("%s%s%s", pattern, pattern, pattern), *out = words;
    *exact = true;
    while (*pattern != '\0') {
        const char *end = *pattern == '[' && pattern[1] != '\0' ? strchr(pattern + 2, ']')
                                                                : NULL;
        bool one = end != NULL && end == pattern + 2;
        if (*pattern == '*' || *pattern == '?' || (end != NULL && !one)) {
            if (out - words < 3 || strncmp(out - 3, "...", 3) != 0)
                out = stpcpy(out, "...");
            *exact = false;
            pattern = end != NULL ? end + 1 : pattern + 1;
        } else {
            if (*pattern == '\\' && pattern[1] != '\0')
                pattern++;
            *out++ = one ? pattern[1] : *pattern;
            pattern += one ? 3 : 1;
        }
    }
    *out = '\0';
    return words;
}

/* Returns what is expected, for a sentence: "the line 'server: done'". */
static const char *wanted(const char *line, enum match match, const char *meaning)
{
    bool exact = true;
    const char *words = match == EXACTLY ? line : plain(line, &exact);
    return text("%s%s",
                meaning != NULL ? meaning
                : exact         ? text("the line %s", cited(words))
                                : text("a line like %s", cited(words)),
                match == PATTERN_ON_STDERR ? " on standard error" : "");
}

/* Returns whether a pattern matches only few lines; "server: *" matches many. */
static bool is_specific(const char *pattern)
{
    bool exact;
    const char *words = plain(pattern, &exact), *colon = strchr(words, ':');
    const char *rest = colon == NULL || strncmp(words, "usage", 5) == 0 ? words : colon;
    size_t letters = 0;
    for (; *rest != '\0'; rest++)
        letters += isalnum((unsigned char)*rest) != 0;
    return exact || letters >= 3;
}

/* Kinds of characters in which nearly equal lines may differ. */
enum kind { CASE = 1, BLANKS = 2, MARKS = 4, CONTROLS = 8 };

/* Returns a copy of `line` with only the characters of the kinds `kept`. Without CASE letters are
 * small. Sets `*length`. */
static char *sifted(const char *line, size_t *length, unsigned kept)
{
    char *copy = malloc(*length + 1), *out = copy;
    if (copy == NULL)
        kit_error("no memory");
    for (size_t i = 0; i < *length; i++) {
        unsigned char c = (unsigned char)line[i];
        unsigned kind = c == ' ' || c == '\t'  ? BLANKS
                        : c < ' ' || c == 0x7F ? CONTROLS
                        : ispunct(c)           ? MARKS
                                               : CASE;
        if (kind == CASE)
            *out++ = (char)(kept & CASE ? c : tolower(c));
        else if (kept & kind)
            *out++ = (char)c;
    }
    *out = '\0';
    *length = (size_t)(out - copy);
    return copy;
}

static bool same_sifted(const struct line *candidate, const char *line, unsigned kept)
{
    size_t length = strlen(line), other = candidate->length;
    char *one = sifted(line, &length, kept), *two = sifted(candidate->text, &other, kept);
    bool same = length == other && memcmp(one, two, length) == 0;
    free(one);
    free(two);
    return same;
}

/* Returns in what `candidate` differs from `line` if they are nearly equal, else NULL. */
static const char *small_difference(const struct line *candidate, const char *line)
{
    size_t length = strlen(line);
    char *core = sifted(line, &length, 0);
    free(core);
    if (length == 0 || !same_sifted(candidate, line, 0))
        return NULL;
    static const struct {
        enum kind kind;
        const char *name;
    } kinds[] = {{CASE, "upper and lower case"},
                 {BLANKS, "blanks"},
                 {MARKS, "punctuation"},
                 {CONTROLS, "control bytes"}};
    const char *names = "";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!same_sifted(candidate, line, kinds[i].kind))
            names = text("%s%s%s", names, *names == '\0' ? "" : ", ", kinds[i].name);
    return *names == '\0' ? "the order of blanks, punctuation and control bytes" : names;
}

/* The same for a pattern: case, control bytes and additional blanks. */
static bool nearly_fits(const struct line *candidate, const char *pattern)
{
    size_t length = candidate->length;
    char *line = sifted(candidate->text, &length, CASE | MARKS | BLANKS), *out = line;
    for (const char *c = line + strspn(line, " \t"); *c != '\0'; c += *c != '\0') {
        if (isblank((unsigned char)*c)) {
            c += strspn(c, " \t");
            if (*c != '\0')
                *out++ = ' ';
        }
        if (*c != '\0')
            *out++ = *c;
    }
    *out = '\0';
    bool nearly = fnmatch(pattern, line, FNM_CASEFOLD) == 0;
    free(line);
    return nearly;
}

/* Fails the test if the line came in two, because the text in it ends with a newline. */
static void fail_if_newline_kept(const struct program *program, const char *line,
                                 const char *wanted_line)
{
    size_t length = strlen(line);
    if (length == 0 || line[length - 1] != '"')
        return;
    for (size_t i = 0; i + 1 < line_count; i++)
        if (lines[i].program == program && lines[i].length == length - 1 &&
            memcmp(lines[i].text, line, length - 1) == 0 &&
            lines[i + 1].stream == lines[i].stream &&
            strcmp(lines[i + 1].text, "\"") == 0)
            fail_test("expected %s, but %s printed a newline before the last quote: "
                      "remove the newline from the text (fgets() keeps it)",
                      wanted_line, program->title);
}

/* Fails the test if a line after the cursors is nearly the expected one. */
static void fail_if_nearly(const struct program *program, const char *line,
                           enum match match, const char *wanted_line)
{
    if (strlen(line) > LONGEST_NEARLY) /* nobody reads it, and comparing takes time */
        return;
    for (size_t i = 0; i < line_count; i++) {
        if (!is_watched(program, &lines[i], match) || i < lines[i].stream->cursor ||
            lines[i].length > 2 * LONGEST_NEARLY)
            continue;
        const char *what = match == EXACTLY ? small_difference(&lines[i], line)
                           : nearly_fits(&lines[i], line)
                               ? "upper and lower case, blanks or control bytes"
                               : NULL;
        if (what == NULL)
            continue;
        char *safe = printable(lines[i].text, lines[i].length);
        json_t *evidence = json_object();
        if (match == EXACTLY)
            add_difference(evidence, line, strlen(line), lines[i].text, lines[i].length);
        fail_with_evidence(evidence,
                           "expected %s, but %s printed %s, which differs in %s",
                           wanted_line, program->title, cited(safe), what);
    }
}

/* Fails the test if the line has come without its newline. */
static void fail_if_unfinished(const struct program *program, const char *line,
                               enum match match, const char *wanted_line)
{
    for (int s = match == PATTERN_ON_STDERR; s < 2; s++) {
        const struct stream *stream = &program->outputs[s];
        if (stream->cut >= stream->length)
            continue;
        char *rest = text("%.*s", (int)(stream->length - stream->cut),
                          stream->bytes + stream->cut);
        rest[strcspn(rest, "\r")] = '\0';
        if (match == EXACTLY ? strcmp(rest, line) == 0 : fnmatch(line, rest, 0) == 0)
            fail_test("expected %s, but %s printed no newline after it", wanted_line,
                      program->title);
    }
}

/* Fails the test if the line came on standard output after a message that ends with NUL. */
static void fail_if_after_message(const struct program *program, const char *line,
                                  const char *wanted_line)
{
    for (size_t i = 0; i < line_count; i++) {
        const char *end = memrchr(lines[i].text, '\0', lines[i].length);
        if (lines[i].program == program && lines[i].stream == &program->outputs[0] &&
            end != NULL && strcmp(end + 1, line) == 0)
            fail_test("expected %s on standard error, but %s printed it on standard "
                      "output, which carries the messages",
                      wanted_line, program->title);
    }
}

/* Fails the test if the line came on standard output in place of standard error. If the pattern
 * matches nearly every line, only a line that reports an error counts. */
static void fail_if_elsewhere(const struct program *program, const char *pattern,
                              const char *wanted_line)
{
    for (size_t i = 0; i < line_count; i++)
        if (lines[i].program == program && lines[i].stream == &program->outputs[0] &&
            !lines[i].found && fits(&lines[i], pattern, PATTERN) &&
            (is_specific(pattern) || strstr(lines[i].text, "error") != NULL))
            fail_test("expected %s, but %s printed %s on standard output", wanted_line,
                      program->title, cited(lines[i].text));
}

/* Fails the test if the line came before one that the test has found already. Adds a note if that
 * is possible. */
static void fail_if_early(const struct program *program, const char *line,
                          enum match match, const char *wanted_line, json_t *evidence)
{
    bool again = false;
    for (size_t i = 0; i < line_count; i++) {
        if (!is_watched(program, &lines[i], match) || i >= lines[i].stream->cursor ||
            !fits(&lines[i], line, match) || !is_specific(line))
            continue;
        again = again || lines[i].found;
        if (lines[i].found)
            continue;
        const char *last = lines[lines[i].stream->cursor - 1].text; /* there is one */
        if (match == EXACTLY)
            fail_test("expected %s after %s, but %s printed it before that line, too "
                      "early: lines must come in order",
                      wanted_line, cited(last), program->title);
        add_note(evidence,
                 "%s came before %s. If that is the line, it came too early: lines must "
                 "come in order.",
                 cited(lines[i].text), cited(last));
        return;
    }
    if (again && program->handle != -1) /* the end of a program is a better reason */
        add_note(evidence,
                 "Such a line came earlier, as expected. Now another one is due.");
}

/* Returns whether the program is the kit's own, beside one that is judged. */
static bool is_partner(const struct program *program)
{
    return strstr(run.plan->cast, text("our %s", program->name)) != NULL;
}

/* Returns whether output of the program may still be in its buffer: nothing has come, or only
 * whole buffers. The kit's own programs flush theirs. */
static bool held_back(const struct program *program)
{
    const struct stream *output = &program->outputs[0];
    bool lost = program->handle == -1 && WIFSIGNALED(program->status);
    return program->piped && !program->probe && !is_partner(program) &&
           output->length % OUTPUT_BUFFER == 0 && output->lost == 0 &&
           (program->handle != -1 || lost);
}

/* Adds the note about that. `nothing`: no output has come. `running`: the program was still
 * running. */
static void add_held_back(json_t *evidence, bool nothing, bool running)
{
    add_note(
        evidence,
        "%s came on its standard output, which is a pipe: what printf() wrote may %s in "
        "the buffer of the C library. Call fflush(stdout) after each line, or "
        "setvbuf(stdout, NULL, _IONBF, 0) first.",
        nothing ? "Nothing" : "Not all", running ? "still be" : "have been lost");
}

/* Returns the share of the next `seconds` in which the busiest thread is on a processor or waits for a
 * free one, in percent. A thread that has none at all is not spinning: each gets its turn. */
static double watch_threads(double seconds)
{
    struct thread_times *before, *after;
    size_t count = thread_times(&before);
    double begin = now(), most = 0;
    while (pump(begin + seconds, -1))
        ;
    double passed = now() - begin;
    size_t threads = thread_times(&after);
    for (size_t i = 0; i < threads; i++)
        for (size_t k = 0; k < count; k++) {
            double running = after[i].running - before[k].running,
                   queued = after[i].queued - before[k].queued;
            if (after[i].thread == before[k].thread && running > LEAST_TURN &&
                running + queued > most)
                most = running + queued;
        }
    free(before);
    free(after);
    return most / passed * 100;
}

/* If exactly one line came with another text in its quotes, shows it with the expected line, and
 * returns it. */
static const struct line *add_other_text(json_t *evidence, const struct program *program,
                                         const char *line, enum match match)
{
    const char *quote = strchr(line, '"');
    const struct line *other = NULL;
    for (size_t i = 0; match == EXACTLY && quote != NULL && i < line_count; i++) {
        size_t start = (size_t)(quote + 1 - line);
        if (!is_watched(program, &lines[i], match) || i < lines[i].stream->cursor ||
            lines[i].length < start || memcmp(lines[i].text, line, start) != 0)
            continue;
        if (other != NULL)
            return NULL;
        other = &lines[i];
    }
    if (other != NULL)
        add_difference(evidence, line, strlen(line), other->text, other->length);
    return other;
}

/* Returns the line after the cursors that is most like the expected one, or NULL. */
static const struct line *most_like(const struct program *program, const char *line,
                                    enum match match, enum likeness *most)
{
    bool exact;
    const char *expected = match == EXACTLY ? line : plain(line, &exact);
    const struct line *found = NULL;
    *most = UNLIKE;
    if (match == PATTERN_ON_STDERR || strlen(line) > LONGEST_NEARLY)
        return NULL;
    for (size_t i = line_count > MOST_NEARLY ? line_count - MOST_NEARLY : 0;
         i < line_count; i++) {
        if (!is_watched(program, &lines[i], match) || i < lines[i].stream->cursor ||
            strlen(lines[i].text) != lines[i].length || lines[i].length > LONGEST_NEARLY)
            continue;
        enum likeness likeness = likeness_of(expected, lines[i].text,
                                             lines[i].stream->cursor == 0);
        if (likeness > *most) {
            *most = likeness;
            found = &lines[i];
        }
    }
    return found;
}

/* Set if a line came that is like the expected one: then the output is not in a buffer. */
static bool came_otherwise;

/* Adds to the evidence which line came that is like the expected one, if one did. Returns what the program did
 * instead of printing the expected line: `how`, or that it printed the other one. */
static const char *add_likeness(json_t *evidence, const struct program *program,
                                const char *line, enum match match, const char *how)
{
    enum likeness likeness;
    const struct line *like = most_like(program, line, match, &likeness);
    if (like == NULL)
        return how;
    came_otherwise = true;
    const char *shown = cited(printable(like->text, like->length));
    if (likeness != OTHER_WORDS) {
        add_note(evidence, "It printed %s. If that is the line, it has %s.", shown,
                 likeness == OTHER_NUMBER ? "another number" : "other words");
        return how;
    }
    if (match == EXACTLY)
        add_difference(evidence, line, strlen(line), like->text, like->length);
    return program->handle != -1 ? text("printed %s", shown)
                                 : text("printed %s, and %s", shown, how);
}

/* Returns whether the program would treat SIGINT as a request to end: it has a handler, has
 * blocked it, or waits for signals, which unblocks them meanwhile. Under Wine SIGINT is a Ctrl-C,
 * for which every lab's server has a handler. */
static bool takes_interrupt(const struct program *program, const json_t *waiting)
{
    size_t at;
    json_t *sentence;
    json_array_foreach(waiting, at, sentence)
    {
        if (strstr(json_string_value(sentence), "sigwait") != NULL)
            return true;
    }
    if (run.system == WIN32)
        return strncmp(program->name, "server", strlen("server")) == 0;
    FILE *status = fopen(text("/proc/%d/status", (int)program->pid), "re");
    unsigned long long signals = 0, set;
    char line[256];
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "SigCgt: %llx", &set) == 1 ||
            sscanf(line, "SigBlk: %llx", &set) == 1)
            signals |= set;
    if (status != NULL)
        fclose(status);
    return (signals & 1ULL << (SIGINT - 1)) != 0;
}

/* Returns whether a program prints the line because it ends, or a client's connection does. */
static bool is_of_end(const char *line)
{
    static const char *const ends[] = {": done", " left"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (strlen(line) >= strlen(ends[i]) &&
            strcmp(line + strlen(line) - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

/* Asks the program to end, and adds a note if the line then comes. The test has failed already.
 * The line may have been in the buffer of the C library, unless the end has caused it. The report's other
 * facts are noted before. */
static void add_late_line(json_t *evidence, struct program *program, const char *line,
                          enum match match)
{
    if (program->handle == -1 || program->probe || !program->piped || run.show ||
        match == PATTERN_ON_STDERR || program->outputs[0].lost > 0)
        return;
    json_object_set_new(evidence, "waiting", who_waits(program_name));
    json_object_set_new(evidence, "transcript", transcript());
    size_t before = line_count;
    late_lines = before;
    program->asked = true;
    bool interrupted = takes_interrupt(program, json_object_get(evidence, "waiting"));
    if (interrupted)
        send_signal(program, SIGINT);
    else
        close_input(program);
    for (double until = now() + late_end(); program->handle != -1 && pump(until, -1);)
        ;
    drain(program);
    for (size_t i = before; i < line_count && !is_of_end(line); i++)
        if (lines[i].program == program && lines[i].stream == &program->outputs[0] &&
            fits(&lines[i], line, match)) {
            add_note(
                evidence,
                "The line came only when the test had given up and %s. If the program "
                "had printed it before, it was in the buffer of the C library, because "
                "standard output is a pipe: call fflush(stdout) after each line, or "
                "setvbuf(stdout, NULL, _IONBF, 0) first.",
                interrupted ? "sent SIGINT" : "closed standard input");
            return;
        }
}

/* Adds a note if `bytes`, which are messages, contain a line with an event. */
static void add_event_line(json_t *evidence, const char *bytes, size_t length)
{
    const char *event = event_line(bytes, length);
    if (event != NULL)
        add_note(evidence,
                 "Standard output contains the line %s. It carries the messages here: "
                 "print events on standard error.",
                 cited(event));
}

/* Returns whether a sentence of the evidence that begins with `who` says that the program waits in one of
 * these calls. A NULL ends the list. */
static bool waits_in(const json_t *evidence, const char *who, const char *const calls[])
{
    size_t i;
    json_t *sentence;
    json_array_foreach(json_object_get(evidence, "waiting"), i, sentence)
    {
        const char *words = json_string_value(sentence);
        for (size_t k = 0; strncmp(words, who, strlen(who)) == 0 && calls[k] != NULL; k++)
            if (strstr(words, text(" waits in %s", calls[k])) != NULL)
                return true;
    }
    return false;
}

/* Returns whether a program waits until another one opens a FIFO or accepts a connection. A
 * missing line is then not in a buffer. */
static bool waits_for_peer(const json_t *evidence)
{
    return waits_in(evidence, "", (const char *const[]){"open", "connect", NULL});
}

/* Returns whether a client waits in poll() or select(): what it has not printed, it has not read yet. A
 * server that waits so has printed that it is ready. */
static bool waits_for_news(const struct program *program, const json_t *evidence)
{
    return waits_in(evidence, text("client (process %d)", (int)program->pid),
                    (const char *const[]){"poll", "select", "epoll_wait", NULL});
}

/* Returns whether the program has ended with an error that the test has neither waited for nor
 * caused. */
static bool failed_early(const struct program *program)
{
    return program->judged && program->handle == -1 && !program->awaited &&
           !program->asked && program->status != 0 &&
           (!WIFSIGNALED(program->status) ||
            (program->sent & 1ULL << WTERMSIG(program->status)) == 0);
}

/* Returns the first program that has failed so, or NULL. */
static const struct program *failed_program(void)
{
    for (size_t i = 0; i < program_count; i++)
        if (failed_early(programs[i]))
            return programs[i];
    return NULL;
}

/* Returns which programs that are judged have ended well, for the end of a sentence: nobody else may
 * be to blame for a wait in vain. explain_end() names those that failed. */
static const char *who_ended(void)
{
    const char *ended = "";
    for (size_t i = 0; i < program_count; i++)
        if (programs[i]->judged && programs[i]->handle == -1 && !programs[i]->awaited &&
            !failed_early(programs[i]))
            ended = text("%s; %s %s", ended, programs[i]->title, ending_of(programs[i]));
    return ended;
}

/* Returns whether the program is ours, and a judged one has failed: what that had sent arrives soon, and
 * no more will come. */
static bool waits_for_the_dead(const struct program *program)
{
    return (is_partner(program) || program->probe) && failed_program() != NULL;
}

/* Fails the test, whose wait found nothing. `how` is what the program did instead. */
_Noreturn static void fail_without_line(struct program *program, const char *line,
                                        enum match match, const char *meaning,
                                        const char *how)
{
    const char *wanted_line = wanted(line, match, meaning);
    bool ours = is_partner(program);
    const char *title = ours ? text("our %s", program->name) : program->title;
    const char *blamed = ours || program->probe ? who_ended() : "";
    json_t *evidence = json_object();
    if (match == EXACTLY)
        fail_if_newline_kept(program, line, wanted_line);
    fail_if_nearly(program, line, match, wanted_line);
    fail_if_unfinished(program, line, match, wanted_line);
    if (match == EXACTLY)
        fail_if_after_message(program, line, wanted_line);
    if (match == PATTERN_ON_STDERR && !program->one_output)
        fail_if_elsewhere(program, line, wanted_line);
    fail_if_early(program, line, match, wanted_line, evidence);
    add_cause(evidence, program);
    const struct line *other = add_other_text(evidence, program, line, match);
    if (other != NULL) {
        const char *shown = printable(other->text, other->length);
        how = strcmp(shown, line) == 0 ? "printed the bytes themselves, and not as \\xNN"
                                       : text("printed %s", cited(shown));
    }
    if (other == NULL && meaning == NULL && !ours && !program->probe)
        how = add_likeness(evidence, program, line, match, how);
    bool silent = match != PATTERN_ON_STDERR && held_back(program);
    bool nothing = program->outputs[0].length == 0, running = program->handle != -1;
    bool busy = running && program->judged && !run.show &&
                watch_threads(BUSY_LOOK) > BUSY_WAIT;
    add_late_line(evidence, program, line, match); /* it may end the program */
    if (silent && other == NULL && json_object_get(evidence, "notes") == NULL &&
        !waits_for_peer(evidence) && !waits_for_news(program, evidence))
        add_held_back(evidence, nothing, running);
    if (busy)
        add_note(
            evidence,
            "The processor is in use: a program loops, or is too slow. Wait in calls that "
            "block, read many bytes at once, and look at each byte once.");
    if (match == EXACTLY && program->outputs[0].taken > 0 &&
        program->outputs[1].length == 0)
        add_note(evidence,
                 "Nothing came on its standard error. Standard output carries the "
                 "messages here: print events on standard error.");
    fail_with_evidence(evidence, "expected %s, but %s %s%s%s", wanted_line, title, how,
                       cut_note(program), blamed);
}

/* Returns whether line `number` is the same as the one before it of the same program. */
static bool repeats(size_t number)
{
    const struct line *line = &lines[number];
    for (size_t i = number; i-- > 0;)
        if (lines[i].stream == line->stream)
            return lines[i].length == line->length &&
                   memcmp(lines[i].text, line->text, line->length) == 0;
    return false;
}

/* Returns the new deadline of a wait that began at `begin`, and counts all lines as seen. A line of a
 * transcript, "server: text", after the first `*seen` lines shows that a program is not blocked: the wait
 * then lasts `limit` more seconds. Other lines do not: a program that polls may print them without end. It
 * may also print the same line of a transcript. Such lines make a wait at most twice as long, and others at
 * most LIMITS_PER_WAIT times: a program may also count how often it has polled. */
static double extended(double deadline, double begin, double limit, size_t *seen)
{
    for (; *seen < line_count; ++*seen) {
        size_t word = strcspn(lines[*seen].text, " ");
        int most = repeats(*seen) && run.limits_per_wait > 2 ? 2 : run.limits_per_wait;
        if (word > 0 && lines[*seen].text[word - 1] == ':')
            deadline = fmax(deadline, later(begin, limit, most));
    }
    return deadline;
}

/* The test waits for a usage line, or for its exit code. If instead a call fails, it has got the wrong
 * arguments, and is not to blame. */
static bool wrong_arguments;

static const char *await_line(struct program *program, const char *line, enum match match,
                              const char *meaning)
{
    double begin = now(), limit = run.limit, deadline = begin + limit;
    size_t looked = 0, seen = 0;
    bool hopeless = false;
    subject = program;
    wrong_arguments = strncmp(line, "usage: ", strlen("usage: ")) == 0;
    for (;;) {
        const char *found = find_line(program, line, match, &looked);
        if (found != NULL)
            return found;
        if (!has_output(program) && program->handle == -1)
            fail_without_line(program, line, match, meaning, ending_of(program));
        /* Output beyond the limit is not kept, so the line can no longer be found. (If the
         * program has ended, the end of its output comes soon, and is the better reason.) */
        if (program->handle != -1 &&
            program->outputs[match == PATTERN_ON_STDERR].lost > 0)
            fail_without_line(program, line, match, meaning, "did not print it");
        if (!hopeless && waits_for_the_dead(program)) {
            hopeless = true;
            limit = fmin(limit, fmax(LAST_ANSWER, limit / 4));
            deadline = fmin(deadline, now() + limit);
        }
        deadline = extended(deadline, begin, limit, &seen);
        if (!pump(deadline, -1) && now() >= deadline)
            fail_without_line(program, line, match, meaning,
                              text("did not print it in %.0f seconds and %s", limit,
                                   ending_of(program)));
    }
}

const char *wait_line(struct program *program, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *line;
    if (vasprintf(&line, format, values) == -1)
        kit_error("no memory");
    va_end(values);
    return await_line(program, line, EXACTLY, NULL);
}

const char *wait_line_like(struct program *program, const char *pattern)
{
    return await_line(program, pattern, PATTERN, NULL);
}

const char *wait_error_like(struct program *program, const char *pattern)
{
    return await_line(program, pattern, PATTERN_ON_STDERR, NULL);
}

const char *wait_line_that(struct program *program, const char *pattern,
                           const char *meaning)
{
    return await_line(program, pattern, PATTERN, meaning);
}

const char *wait_error_that(struct program *program, const char *pattern,
                            const char *meaning)
{
    return await_line(program, pattern, PATTERN_ON_STDERR, meaning);
}

size_t count_lines(struct program *program, const char *pattern)
{
    size_t count = 0;
    drain(program);
    for (size_t i = 0; i < line_count; i++)
        count += lines[i].program == program && fits(&lines[i], pattern, PATTERN);
    return count;
}

bool printed_like(struct program *program, const char *pattern)
{
    return count_lines(program, pattern) > 0;
}

/* Fails the test, whose wait since `begin` for the end of a message on standard output found nothing. */
_Noreturn static void fail_without_message(struct program *program, char end,
                                           double begin)
{
    struct stream *output = &program->outputs[0];
    double waited = now() - begin;
    bool closed = output->fd == -1, prolonged = waited > 1.5 * run.limit;
    for (double until = now() + late_end();
         closed && program->handle != -1 && pump(until, -1);)
        ;
    size_t rest = output->length - output->taken;
    char *came = quoted(rest == 0 ? "" : output->bytes + output->taken,
                        rest > BYTES_IN_REPORT ? BYTES_IN_REPORT : rest);
    json_t *evidence = json_object();
    add_cause(evidence, program);
    if (held_back(program))
        add_held_back(evidence, program->outputs[0].length == 0, program->handle != -1);
    add_event_line(evidence, rest == 0 ? "" : output->bytes + output->taken, rest);
    fail_with_evidence(
        evidence,
        "expected the byte \\x%02X, the end of a message, on standard output, but %s%s; "
        "after the last complete message came %s",
        (unsigned char)end, program->title,
        !closed                 ? text(" %s %.0f seconds and %s",
                       prolonged ? "did not send it in" : "sent nothing for",
                       prolonged ? waited : run.limit, ending_of(program))
        : program->handle != -1 ? " closed it and is still running"
                                : text(" %s", ending_of(program)),
        rest == 0 ? "nothing" : came);
}

char *receive_until(struct program *program, char end, size_t *length)
{
    double begin = now(), deadline = begin + run.limit;
    struct stream *output = &program->outputs[0];
    subject = program;
    for (size_t looked = output->taken;;) {
        char *found = looked == output->length
                          ? NULL
                          : memchr(output->bytes + looked, end, output->length - looked);
        if (found != NULL) {
            *length = (size_t)(found + 1 - output->bytes) - output->taken;
            char *copy = malloc(*length);
            if (copy == NULL)
                kit_error("no memory");
            memcpy(copy, output->bytes + output->taken, *length);
            output->taken += *length;
            return copy;
        }
        if (output->length > looked)
            deadline = later(begin, run.limit, run.limits_per_wait);
        looked = output->length;
        if (output->lost > 0)
            fail_test("%s printed more than %zu bytes on standard output, and only these "
                      "were kept",
                      program->title, program->output_limit);
        if (output->fd == -1 || (!pump(deadline, -1) && now() >= deadline))
            fail_without_message(program, end, begin);
    }
}

const char *output_of(struct program *program, size_t *length)
{
    drain(program);
    *length = program->outputs[0].length;
    return *length == 0 ? "" : program->outputs[0].bytes;
}

const char *errors_of(struct program *program, size_t *length)
{
    drain(program);
    *length = program->outputs[1].length;
    return *length == 0 ? "" : program->outputs[1].bytes;
}

void wait_descriptor(int descriptor, const char *what)
{
    double deadline = now() + run.limit;
    if (!pump_with(deadline, descriptor, POLLIN) && now() >= deadline)
        fail_test("waited %.0f seconds for %s%s", run.limit, what, who_ended());
}

int wait_end(struct program *program)
{
    double begin = now(), deadline = begin + run.limit;
    size_t seen = 0;
    subject = program;
    while (program->handle != -1) {
        deadline = extended(deadline, begin, run.limit, &seen);
        if (!pump(deadline, -1) && now() >= deadline)
            fail_test("expected %s to end, but after %.0f seconds it is still running",
                      program->title, run.limit);
    }
    drain(program);
    program->awaited = true;
    return WIFSIGNALED(program->status) ? 128 + WTERMSIG(program->status)
                                        : WEXITSTATUS(program->status);
}

void expect_end(struct program *program, int code)
{
    wrong_arguments = code == 2;
    int ended = wait_end(program);
    /* wineserver kills a process that still runs a second after it has called ExitProcess, for
     * example one with many threads on a busy machine. Its exit code is then lost. */
    bool wine = run.system == WIN32 && !on_windows();
    if (wine && ended == 128 + SIGKILL)
        return;
    /* For Wine a fault of the program itself is an exception, with exit code 5. A Wine process
     * sometimes crashes by SIGSEGV when it ends its threads, after the program has finished. Its
     * exit code is not known either. */
    if (wine && ended == 128 + SIGSEGV && printed_like(program, "*: done"))
        return;
    if (ended == code)
        return;
    json_t *evidence = json_object();
    add_cause(evidence, program);
    fail_with_evidence(evidence, "expected %s to %s, but it %s", program->title,
                       code > 128 ? text("be ended by signal %d", code - 128)
                                  : text("exit with code %d", code),
                       ending_of(program));
}

void expect_signal(struct program *program, int number)
{
    wait_end(program);
    if (!WIFSIGNALED(program->status) || WTERMSIG(program->status) != number)
        fail_test("the %s %s; expected: an end by signal %d (%s)", program->name,
                  ending_of(program), number, strsignal(number));
}

void wait_silence(struct program *program)
{
    double deadline = now() + run.limit;
    const struct stream *errors = &program->outputs[program->one_output ? 0 : 1];
    while (errors->fd != -1)
        if (!pump(deadline, -1) && now() >= deadline)
            fail_test("expected the standard error of %s to be closed, but after %.0f "
                      "seconds a process still has it open",
                      program->title, run.limit);
}

bool is_running(struct program *program)
{
    pump(now(), -1);
    return program->handle != -1;
}

const char *ending_within(struct program *program, double seconds)
{
    double deadline = now() + seconds;
    while (program->handle != -1 && now() < deadline)
        pump(deadline, -1);
    return program->handle != -1 ? NULL : ending_of(program);
}

/* ---- Signals, and being killed ------------------------------------------------------ */

void send_signal(struct program *program, int number)
{
    program->sent |= 1ULL << number;
    if (program->handle != -1 && !signal_program(program, number))
        kit_error("pidfd_send_signal: %s", strerror(errno));
    /* Before it stops it may still finish its current system call. */
    siginfo_t news;
    while (number == SIGSTOP && program->handle != -1 && !program->reaped &&
           waitid(P_PID, (id_t)program->pid, &news, WSTOPPED | WEXITED | WNOWAIT) == -1)
        if (errno != EINTR)
            kit_error("waitid: %s", strerror(errno));
}

void let_block(void)
{
    for (double until = now() + TIME_TO_BLOCK; pump(until, -1);)
        ;
}

void interrupt_calls(struct program *program)
{
    static const int signals[] = {SIGCHLD, SIGWINCH, SIGURG, SIGCONT};
    let_block();
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        send_signal(program, signals[i]);
    let_block();
}

void kill_program(struct program *program)
{
    send_signal(program, SIGKILL);
    wait_end(program);
}

/* Kills one of our processes and waits until it is gone. Returns false if there is none any more. */
static bool kill_process(pid_t pid)
{
    int handle = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {handle, POLLIN, 0};
    if (handle == -1)
        return false;
    bool killed = kill(pid, SIGKILL) == 0 &&
                  poll(&ended, 1, (int)(run.limit * 1000)) == 1;
    close(handle);
    return killed;
}

void kill_with_children(struct program *program)
{
    if (run.system == UNIX)
        send_signal(program, SIGSTOP); /* so that it starts no more */
    struct process *list;
    size_t count = our_processes(&list);
    for (size_t i = 0; i < count; i++)
        if (list[i].parent == program->pid)
            kill_process(list[i].pid);
    free(list);
    kill_program(program);
}

void kill_child(struct program *program, const char *name)
{
    struct process *list;
    size_t count = our_processes(&list);
    int killed = 0;
    const char *called = NULL; /* as its first argument */
    for (size_t i = 0; i < count; i++) {
        if (list[i].program[strspn(list[i].program, "0123456789")] == '\0')
            called = text("%s", list[i].program);
        if (list[i].pid != program->pid && runs_program(&list[i], name) &&
            kill_process(list[i].pid))
            killed++;
    }
    free(list);
    if (killed == 0 && called != NULL)
        fail_test(
            "%s's child is called '%s', not '%s': the command line must begin with the program",
            program->title, called, name);
    if (killed == 0)
        fail_test("%s has no child process that runs %s", program->title, name);
}

/* Returns what our programs use of a processor during `seconds`, in percent. Sets `*wanted` to
 * what one thread would use on an idle machine. On a busy one a program that spins gets little of
 * the processor, and waits for it the rest of the time. */
static double watch_idle(struct program *program, double seconds, double *wanted)
{
    double used = processor_time(), begin = now();
    *wanted = watch_threads(seconds);
    if (program->handle == -1)
        fail_test("expected %s to wait, but it %s", program->title, ending_of(program));
    double passed = now() - begin;
    used = processor_time() - used;
    return used / passed * 100;
}

void expect_idle(struct program *program, double seconds, double percent)
{
    double used = 0, wanted = 0,
           most = BUSY_WAIT; /* a program that is woken sometimes uses less */
    if (instrumented()) {    /* everything a program does then takes many times as long */
        percent *= 5;
        most = 1e9;
    }
    /* Work that began before may still go on, and a process that was just woken may have to wait
     * for the processor. A program that does not block uses the processor all the time. */
    double end = now() + LEAST_WATCHED;
    for (int i = 0; i < IDLE_WATCHES || now() < end; i++) {
        used = watch_idle(program, seconds, &wanted);
        if (used <= percent && wanted <= most)
            return;
    }
    if (used > percent)
        fail_test("expected %s to block while nothing happens, but it and its children "
                  "used %.0f %% of a processor",
                  program->title, used);
    fail_test("expected %s to block while nothing happens, but it and its children used "
              "%.0f %% of a processor, and on an idle machine would have used %.0f %%",
              program->title, used, wanted);
}

pid_t process_told(pid_t number)
{
    pid_t pid = run.cell ? process_in_cell(number) : number;
    if (pid <= 0)
        fail_test("there is no process %ld", (long)number);
    return pid;
}

pid_t our_number(void)
{
    return run.cell ? 0 : getpid(); /* programs in the cell see a sender outside as 0 */
}

pid_t living_number(void)
{
    return run.cell ? 1 : getpid();
}

struct resources resources_of(struct program *program)
{
    return look_at_resources(program->pid);
}

size_t zombies_of(struct program *program)
{
    return count_zombies(program->pid);
}

size_t helper_count(void)
{
    struct process *list;
    size_t count = our_processes(&list), helpers = 0;
    for (size_t i = 0; i < count; i++)
        helpers += program_name(list[i].pid) == NULL;
    free(list);
    return helpers;
}

void limit_addresses(struct program *program, size_t more)
{
    rlim_t most = resources_of(program).addresses + more;
    if (prlimit(program->pid, RLIMIT_AS, &(struct rlimit){most, most}, NULL) == -1 &&
        errno != ESRCH) /* it has ended: the next wait reports that */
        kit_error("prlimit: %s", strerror(errno));
}

bool instrumented(void)
{
    return getenv("PROGRAM_PREFIX") != NULL || getenv("SANITIZED") != NULL ||
           run.plan->test->sanitized;
}

/* ---- For the report ----------------------------------------------------------------- */

/* Returns the source place that a line of a sanitizer's report names, " #1 0x55d5 in main
 * /tmp/a.c:7". Returns NULL if it is not in a program's source but, for example, in the C
 * library's. */
static const char *place_in(const char *line)
{
    char function[64], file[256];
    int number;
    if (sscanf(line, " #%*d 0x%*x in %63s %255[^:]:%d", function, file, &number) != 3 ||
        strstr(file, "sanitizer") != NULL || strrchr(file, '/') == NULL)
        return NULL;
    return text("%s, line %d, in %s()", strrchr(file, '/') + 1, number, function);
}

const char *sanitizer_report(void)
{
    static const char *const signs[] = {"ERROR: AddressSanitizer: ", "runtime error: "};
    for (size_t i = 0; i < program_count; i++)
        drain(programs[i]);
    for (size_t i = 0; i < line_count; i++)
        for (size_t k = 0; k < sizeof signs / sizeof *signs; k++) {
            const char *sign = strstr(lines[i].text, signs[k]), *place = NULL;
            if (sign == NULL || lines[i].stream != &lines[i].program->outputs[1])
                continue;
            const char *what = sign + strlen(signs[k]),
                       *end = strstr(what, " on address");
            for (size_t j = i; j < line_count && place == NULL; j++)
                place = place_in(lines[j].text);
            return text("%s: %.*s%s%s", k == 0 ? "AddressSanitizer" : "UBSan",
                        end != NULL ? (int)(end - what) : (int)strcspn(what, "\n"), what,
                        place != NULL ? ": " : "", place != NULL ? place : "");
        }
    return NULL;
}

/* Returns the last line that the program has printed on standard error, or NULL; of one that has not
 * failed, the last that reports an error. */
static const char *last_error(const struct program *program, bool failed)
{
    for (size_t i = line_count < late_lines ? line_count : late_lines; i-- > 0;)
        if (lines[i].program == program && lines[i].length > 0 &&
            lines[i].stream == &program->outputs[program->one_output ? 0 : 1] &&
            (failed || strstr(lines[i].text, ": error ") != NULL))
            return printable(lines[i].text, lines[i].length > BYTES_IN_REPORT
                                                ? BYTES_IN_REPORT
                                                : lines[i].length);
    return NULL;
}

#define BY_CLIENT "client: "

/* Whether the line is of a client, on the standard error of the server that has started it. */
static bool of_its_client(const struct program *program, const char *line)
{
    return strcmp(program->name, "server") == 0 &&
           strncmp(line, BY_CLIENT, strlen(BY_CLIENT)) == 0;
}

/* Returns a line of standard error with its author: "the server: open: error 2". */
static const char *with_author(const struct program *program, const char *line)
{
    const char *who = text("%s%s", program->judged || program->probe ? "the " : "our ",
                           program->name);
    if (of_its_client(program, line))
        return text("the client, on the standard error of %s: %s", who,
                    line + strlen(BY_CLIENT));
    return text("%s: %s", who, line);
}

const char *explain_end(const char *reason)
{
    static bool waiting;
    /* What the test waited for may have ended because a program is about to end. Such a wait may fail
     * the test a second time. */
    bool follows = subject != NULL && !subject->judged && subject->handle == -1 &&
                   !waiting;
    waiting = true;
    for (double until = now() + TIME_TO_FOLLOW;
         follows && failed_program() == NULL && pump(until, -1);)
        ;
    const struct program *failed = failed_program();
    if (failed == NULL || failed == subject)
        return reason;
    for (size_t i = 0; i < program_count; i++)
        drain(programs[i]);
    const char *line = last_error(failed, true);
    if (line == NULL)
        return text("%s %s; %s", failed->title, ending_of(failed), reason);
    if (of_its_client(failed, line))
        return text("%s %s, after %s; %s", failed->title, ending_of(failed),
                    with_author(failed, line), reason);
    return text("%s %s: %s; %s", failed->title, ending_of(failed), line, reason);
}

json_t *error_lines(const char *reason)
{
    json_t *all = json_array();
    /* Programs whose end the test has waited for come last: their errors were mostly expected. */
    for (size_t n = 0; n < 2 * program_count && json_array_size(all) < MOST_ERROR_LINES;
         n++) {
        const struct program *program =
            programs[n < program_count ? n : n - program_count];
        if ((program != subject && program->awaited) != (n >= program_count))
            continue;
        bool failed = program->handle == -1 && program->status != 0 && !program->asked &&
                      (program == subject || !program->awaited);
        const char *line = last_error(program, failed);
        if (line != NULL && strstr(reason, line) == NULL)
            json_array_append_new(all, json_string(with_author(program, line)));
    }
    return all;
}

const char *failed_call(enum role role)
{
    if (wrong_arguments)
        return NULL;
    const char *name = role == SERVER ? "server" : "client";
    for (size_t i = line_count < late_lines ? line_count : late_lines; i-- > 0;) {
        const struct program *program = lines[i].program;
        char call[64];
        int error;
        if (lines[i].stream != &program->outputs[program->one_output ? 0 : 1] ||
            (!program->judged && strcmp(program->name, name) == 0) ||
            sscanf(lines[i].text, text("%s: %%63[A-Za-z_0-9]: error %%d", name), call,
                   &error) != 2)
            continue;
        bool ended = program->handle == -1 && program->status != 0 && !program->asked;
        if (ended || run.plan->test->stage < ROBUST)
            return text("%s: error %d", call, error);
    }
    return NULL;
}

bool was_flushed(const json_t *evidence)
{
    bool ended = false;
    for (size_t i = 0; i < program_count; i++)
        ended = ended || (programs[i]->handle == -1 && !programs[i]->asked &&
                          WIFEXITED(programs[i]->status) &&
                          (programs[i] == subject || failed_early(programs[i])));
    return ended || came_otherwise || json_object_get(evidence, "received") != NULL ||
           waits_for_peer(evidence);
}

bool was_started(const char *name)
{
    for (size_t i = 0; i < program_count; i++)
        if (strcmp(programs[i]->name, name) == 0)
            return true;
    return false;
}

bool must_be_killed(void)
{
    for (size_t i = 0; i < program_count; i++)
        if (!programs[i]->probe && (programs[i]->handle != -1 || programs[i]->asked ||
                                    (programs[i]->sent & 1ULL << SIGKILL) != 0))
            return true;
    return false;
}

static bool in_report(const struct program *program)
{
    return subject == NULL || program == subject ||
           strcmp(program->name, subject->name) != 0;
}

static void append_line(json_t *all, const struct program *program, int stream,
                        const char *bytes, size_t length, const char *note)
{
    size_t shown = length > BYTES_IN_REPORT ? BYTES_IN_REPORT : length;
    char *safe = printable(bytes, shown);
    json_array_append_new(all, json_sprintf("[%s%s] %s%s%s", program->name,
                                            stream == 1 ? ", stderr" : "", safe,
                                            length > shown ? " ..." : "", note));
    free(safe);
}

/* What the end of an output lacks: messages end with a NUL, lines with a newline. */
static const char *lacking_end(const char *bytes, size_t length)
{
    if (bytes[length - 1] == '\0')
        return "";
    return memchr(bytes, '\0', length) != NULL ? " (no NUL yet)" : " (no newline yet)";
}

json_t *transcript(void)
{
    json_t *all = json_array();
    for (size_t i = 0; i < program_count; i++)
        drain(programs[i]);
    /* If several programs have the same name, only the one that the test waited for. */
    size_t most = run.transcript ? LINES_IN_TRANSCRIPT : LINES_IN_REPORT;
    size_t first = line_count, chosen = 0;
    while (first > 0 && chosen < most)
        chosen += in_report(lines[--first].program);
    if (first > 0)
        json_array_append_new(all, json_sprintf("... %zu earlier lines", first));
    for (size_t i = first; i < line_count; i++)
        if (in_report(lines[i].program))
            append_line(all, lines[i].program,
                        lines[i].stream == &lines[i].program->outputs[1], lines[i].text,
                        lines[i].length, "");
    if (lines_lost > 0)
        json_array_append_new(all, json_sprintf("... %zu later lines were not kept",
                                                lines_lost));
    for (size_t i = 0; i < program_count; i++)
        for (int s = 0; s < 2; s++) {
            const struct stream *stream = &programs[i]->outputs[s];
            if (stream->cut < stream->length && in_report(programs[i])) {
                const char *rest = stream->bytes + stream->cut;
                size_t length = stream->length - stream->cut;
                append_line(all, programs[i], s, rest, length, lacking_end(rest, length));
            }
            if (stream->lost > 0)
                json_array_append_new(
                    all,
                    json_sprintf("... the output of the %s was cut: %zu bytes kept, %zu "
                                 "thrown away",
                                 programs[i]->name, stream->length, stream->lost));
        }
    return all;
}
