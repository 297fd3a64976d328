/*
 * program.c - start a program, talk to it, wait for it.
 *
 * One rule keeps everybody moving: whatever the test waits for, all output of all programs is
 * read all the time. A program under test never stands still because nobody listens.
 */
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "say.h"

#define USUAL_OUTPUT_LIMIT ((size_t)16 << 20)
#define MOST_PROGRAMS 2048
#define LINES_IN_REPORT 24

/* One output of a program: all bytes that came, and how far they were cut into lines. */
struct stream {
    int fd; /* -1 when it has ended */
    char *bytes;
    size_t length, room;
    size_t lost;   /* bytes beyond the limit, read and thrown away */
    size_t cut;    /* bytes before this one are in lines */
    size_t cursor; /* lines before this one were found by a wait */
    size_t taken;  /* bytes before this one were given out by receive_until */
};

struct program {
    const char *name; /* "server", as in the transcript */
    pid_t pid;
    int handle;               /* of pidfd_open(2), -1 when the program has ended */
    int input;                /* -1 when closed */
    struct stream outputs[2]; /* standard output, standard error */
    size_t output_limit;
    int status; /* as by waitpid(2), once it has been reaped */
    bool reaped;
};

struct line {
    struct program *program;
    struct stream *stream;
    char *text;
};

static struct program *programs[MOST_PROGRAMS];
static size_t program_count;
/* The program that the test waits for, or waited for last: the report tells its story. */
static struct program *subject;
static struct line *lines;
static size_t line_count, line_room;

/* ---- Time --------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int milliseconds_until(double deadline)
{
    double left = (deadline - now()) * 1000;
    return left <= 0 ? 0 : (int)left + 1;
}

/* ---- Lines -------------------------------------------------------------------------- */

static void add_line(struct program *program, struct stream *stream, const char *bytes,
                     size_t length)
{
    if (length > 0 &&
        bytes[length - 1] == '\r') /* standard output in Windows' text mode */
        length--;
    if (line_count == line_room) {
        line_room = 2 * line_room + 256;
        lines = realloc(lines, line_room * sizeof *lines);
    }
    char *copy = lines == NULL ? NULL : malloc(length + 1);
    if (copy == NULL)
        kit_error("no memory for the transcript");
    memcpy(copy, bytes, length);
    copy[length] = '\0';
    lines[line_count++] = (struct line){program, stream, copy};
    if (run.show)
        show_line(program->name, copy);
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
    if (stream->length + kept > stream->room) {
        stream->room = 2 * (stream->length + kept);
        stream->bytes = realloc(stream->bytes, stream->room);
        if (stream->bytes == NULL)
            kit_error("no memory for the output of a program");
    }
    if (kept > 0)
        memcpy(stream->bytes + stream->length, bytes, kept);
    /* Only a line's end makes lines: a megabyte without one is not searched at every read. */
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
    /* The end; a terminal tells it by EIO. A last line may lack its newline. */
    if (stream->cut < stream->length)
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

/* A descriptor that can be read from when a child has ended. The orphans of our programs are
 * our children too, as this process is a subreaper, and they must be reaped while the test
 * runs: wineserver takes a process for alive as long as there is a zombie of it. */
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
        ; /* several deaths may be one signal: waitpid tells who it was */
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (size_t i = 0; i < program_count; i++)
            if (programs[i]->pid == pid && !programs[i]->reaped) {
                programs[i]->status = status;
                programs[i]->reaped = true;
            }
}

/* Waits until a program has printed something or has ended, or `writer` can be written to, or
 * the deadline has come. Returns false in the last case, and when there is nobody to wait for. */
static bool pump(double deadline, int writer)
{
    static struct pollfd events[3 * MOST_PROGRAMS + 2];
    size_t count = 0;
    for (size_t i = 0; i < program_count; i++) {
        for (int s = 0; s < 2; s++)
            if (programs[i]->outputs[s].fd != -1)
                events[count++] = (struct pollfd){programs[i]->outputs[s].fd, POLLIN, 0};
        if (programs[i]->handle != -1)
            events[count++] = (struct pollfd){programs[i]->handle, POLLIN, 0};
    }
    if (writer != -1)
        events[count++] = (struct pollfd){writer, POLLOUT, 0};
    if (count == 0)
        return false;
    events[count++] = (struct pollfd){deaths(), POLLIN, 0};
    int ready = poll(events, count, milliseconds_until(deadline));
    if (ready == -1 && errno != EINTR)
        kit_error("poll: %s", strerror(errno));
    if (ready <= 0)
        return now() < deadline;

    /* The same walk again: what each program printed is read before its end is noted. */
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
    return now() < deadline;
}

/* Reads what the outputs of `program` hold by now, without waiting. */
static void drain(struct program *program)
{
    for (int s = 0; s < 2; s++) {
        struct stream *stream = &program->outputs[s];
        struct pollfd event = {stream->fd, POLLIN, 0};
        while (stream->fd != -1 && poll(&event, 1, 0) > 0)
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

/* The folder or file that plays `role`, and in a folder the program `name` or the role's. */
const char *file_of(enum role role, const char *name)
{
    const char *given = role == SERVER ? run.plan->server : run.plan->client;
    if (name == NULL)
        return given;
    return text("%.*s/%s%s", (int)(strrchr(given, '/') - given), given, name,
                program_suffix());
}

const char *path_of(enum role role, const char *name)
{
    return system_path(file_of(role, name));
}

/* In the child: from here to exec nothing may print, and a failure is exit code 126. */
_Noreturn static void become(char **words, const int streams[3], int terminal,
                             const struct start_options *options, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlive the test */
    if (getppid() != parent)
        _exit(126);
    /* A session of its own: libcheck kills the test's process group, before the census. */
    setsid();
    if (terminal != -1 && ioctl(terminal, TIOCSCTTY, 0) == -1)
        _exit(126);
    for (int i = 0; i < 3; i++)
        if (dup2(streams[i], i) == -1)
            _exit(126);
    syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC: exec may still fail */);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    set_environment();
    for (const char *const *more = options->environment; more != NULL && *more != NULL;
         more++)
        putenv((char *)*more);
    if (chdir(run.scratch) == -1)
        _exit(126);
    execvp(words[0], words);
    _exit(126);
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

    const char *file = options.file ? options.file : file_of(role, options.name);
    if (access(file, F_OK) == -1)
        fail_test("there is no program %s", file);
    char **words = command_for(file, count);
    size_t first = 0;
    while (words[first] != NULL)
        first++;
    for (size_t i = 0; i < count; i++)
        words[first + i] = va_arg(values, char *);

    struct program *program = calloc(1, sizeof *program);
    if (program == NULL || program_count == MOST_PROGRAMS)
        kit_error("no room for another program");
    program->name = options.name != NULL ? options.name
                    : role == SERVER     ? "server"
                                         : "client";
    program->output_limit = options.output_limit != 0 ? options.output_limit
                                                      : USUAL_OUTPUT_LIMIT;
    program->input = program->outputs[0].fd = program->outputs[1].fd = -1;

    int streams[3] = {-1, -1, -1}, ends[2], terminal = -1;
    if (options.terminal_input || options.terminal_output) {
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        if (master == -1 || grantpt(master) == -1 || unlockpt(master) == -1)
            kit_error("no pseudo-terminal: %s", strerror(errno));
        terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (terminal == -1)
            kit_error("pseudo-terminal: %s", strerror(errno));
        struct winsize size = {.ws_row = 25, .ws_col = 120};
        ioctl(terminal, TIOCSWINSZ, &size);
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
        if (run.show) { /* one pipe for both keeps the order in which things happened */
            streams[2] = streams[1];
        } else {
            streams[2] = pipe_end(ends, 0, 1);
            program->outputs[1].fd = ends[0];
        }
    }

    deaths(); /* from now on, and before the first child */
    pid_t parent = getpid();
    program->pid = fork();
    if (program->pid == -1)
        kit_error("fork: %s", strerror(errno));
    if (program->pid == 0)
        become(words, streams, terminal, &options, parent);
    for (int i = 0; i < 3; i++)
        if (i == 0 || streams[i] != streams[i - 1])
            close(streams[i]);
    program->handle = (int)syscall(SYS_pidfd_open, program->pid, 0);
    if (program->handle == -1)
        kit_error("pidfd_open: %s (Linux 5.3 or later is needed)", strerror(errno));
    programs[program_count++] = program;
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

void end_programs(void)
{
    for (size_t i = 0; i < program_count; i++)
        if (programs[i]->handle != -1) {
            kill(programs[i]->pid, SIGKILL);
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

/* ---- Talking ------------------------------------------------------------------------ */

size_t offer_bytes(struct program *program, const void *bytes, size_t length)
{
    double deadline = now() + run.limit;
    size_t sent = 0;
    while (sent < length && program->input != -1) {
        ssize_t written = write(program->input, (const char *)bytes + sent,
                                length - sent);
        if (written > 0) {
            sent += (size_t)written;
            deadline = now() + run.limit; /* slow is not stuck */
        } else if (errno == EPIPE || errno == EIO) {
            break;
        } else if (errno != EAGAIN && errno != EINTR) {
            kit_error("write: %s", strerror(errno));
        } else if (!pump(deadline, program->input)) {
            fail_test("for %.0f seconds the %s has not read its standard input: "
                      "%zu of %zu bytes are sent",
                      run.limit, program->name, sent, length);
        }
    }
    return sent;
}

void send_bytes(struct program *program, const void *bytes, size_t length)
{
    size_t sent = offer_bytes(program, bytes, length);
    if (sent < length)
        fail_test("the %s closed its standard input after %zu of %zu bytes",
                  program->name, sent, length);
}

void trickle_bytes(struct program *program, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        send_bytes(program, (const char *)bytes + i, 1);
        double deadline = now() + run.limit;
        int unread = 1;
        /* A pipe has no event for "empty again": look once a millisecond. */
        while (ioctl(program->input, FIONREAD, &unread) == 0 && unread > 0) {
            pump(now() + 0.001, -1);
            if (now() > deadline)
                fail_test("the %s does not read its standard input", program->name);
        }
    }
}

void close_input(struct program *program)
{
    if (program->input != -1)
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

/* How a program ended, for the report: "exited with code 3". */
static const char *ending_of(const struct program *program)
{
    if (program->handle != -1)
        return "is still running";
    if (WIFSIGNALED(program->status))
        return text("was ended by signal %d (%s)", WTERMSIG(program->status),
                    strsignal(WTERMSIG(program->status)));
    return text("exited with code %d", WEXITSTATUS(program->status));
}

/* How a line is to be matched. */
enum match { EXACTLY, PATTERN, PATTERN_ON_STDERR };

/* The first line after the cursors that is `line` (or fits it, a pattern), or NULL. Lines
 * before `*looked` have been looked at. */
static const char *find_line(struct program *program, const char *line, enum match match,
                             size_t *looked)
{
    for (; *looked < line_count; ++*looked) {
        struct line *candidate = &lines[*looked];
        bool stream_fits = match != PATTERN_ON_STDERR ||
                           candidate->stream == &program->outputs[1];
        if (candidate->program == program && stream_fits &&
            *looked >= candidate->stream->cursor &&
            (match != EXACTLY ? fnmatch(line, candidate->text, 0) == 0
                              : strcmp(line, candidate->text) == 0)) {
            candidate->stream->cursor = *looked + 1;
            return candidate->text;
        }
    }
    return NULL;
}

static const char *await_line(struct program *program, const char *line, enum match match)
{
    double deadline = now() + run.limit;
    size_t looked = 0, seen = 0;
    subject = program;
    for (;;) {
        const char *found = find_line(program, line, match, &looked);
        if (found != NULL)
            return found;
        if (!has_output(program) && program->handle == -1)
            fail_test("the %s %s without a line %s%s", program->name, ending_of(program),
                      match != EXACTLY ? "like " : "", line);
        if (line_count > seen) { /* as long as lines come, it is not stuck */
            seen = line_count;
            deadline = now() + run.limit;
        }
        if (!pump(deadline, -1) && now() >= deadline)
            fail_test("waited %.0f seconds for a line %s%s; the %s %s", run.limit,
                      match != EXACTLY ? "like " : "", line, program->name,
                      ending_of(program));
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
    return await_line(program, line, EXACTLY);
}

const char *wait_line_like(struct program *program, const char *pattern)
{
    return await_line(program, pattern, PATTERN);
}

const char *wait_error_like(struct program *program, const char *pattern)
{
    return await_line(program, pattern, PATTERN_ON_STDERR);
}

size_t count_lines(struct program *program, const char *pattern)
{
    size_t count = 0;
    drain(program);
    for (size_t i = 0; i < line_count; i++)
        count += lines[i].program == program && fnmatch(pattern, lines[i].text, 0) == 0;
    return count;
}

bool printed_like(struct program *program, const char *pattern)
{
    return count_lines(program, pattern) > 0;
}

char *receive_until(struct program *program, char end, size_t *length)
{
    double deadline = now() + run.limit;
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
            deadline = now() + run.limit;
        looked = output->length;
        if (output->fd == -1 || (!pump(deadline, -1) && now() >= deadline)) {
            size_t rest = output->length - output->taken;
            char *came = quoted(rest == 0 ? "" : output->bytes + output->taken, rest);
            fail_test(
                "%s, and the byte \\x%02X that ends a message has not come; after the last "
                "whole message came %.200s",
                output->fd == -1
                    ? text("standard output of the %s has ended", program->name)
                    : text("the %s has sent nothing for %.0f seconds", program->name,
                           run.limit),
                (unsigned char)end, came);
        }
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

int wait_end(struct program *program)
{
    double deadline = now() + run.limit;
    size_t seen = 0;
    subject = program;
    while (program->handle != -1) {
        if (line_count > seen) {
            seen = line_count;
            deadline = now() + run.limit;
        }
        if (!pump(deadline, -1) && now() >= deadline)
            fail_test("the %s has not ended; waited for %.0f seconds", program->name,
                      run.limit);
    }
    drain(program);
    return WIFSIGNALED(program->status) ? 128 + WTERMSIG(program->status)
                                        : WEXITSTATUS(program->status);
}

void expect_end(struct program *program, int code)
{
    if (wait_end(program) != code)
        fail_test("the %s %s; expected: exit code %d", program->name, ending_of(program),
                  code);
}

void wait_silence(struct program *program)
{
    double deadline = now() + run.limit;
    while (program->outputs[1].fd != -1)
        if (!pump(deadline, -1) && now() >= deadline)
            fail_test(
                "somebody still holds the standard error of the %s after %.0f seconds",
                program->name, run.limit);
}

bool is_running(struct program *program)
{
    pump(now(), -1);
    return program->handle != -1;
}

/* ---- Signals, and being killed ------------------------------------------------------ */

void send_signal(struct program *program, int number)
{
    if (program->handle != -1 && kill(program->pid, number) == -1)
        kit_error("kill: %s", strerror(errno));
}

void kill_program(struct program *program)
{
    send_signal(program, SIGKILL);
    wait_end(program);
}

void kill_child(struct program *program, const char *name)
{
    struct process *list;
    size_t count = our_processes(&list);
    int killed = 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i].pid == program->pid || !runs_program(&list[i], name))
            continue;
        int handle = (int)syscall(SYS_pidfd_open, list[i].pid, 0);
        struct pollfd ended = {handle, POLLIN, 0};
        if (handle == -1 || kill(list[i].pid, SIGKILL) == -1)
            continue;
        poll(&ended, 1, (int)(run.limit * 1000));
        close(handle);
        killed++;
    }
    free(list);
    if (killed == 0)
        fail_test("the %s has no child that runs %s", program->name, name);
}

void expect_idle(struct program *program, double seconds, double percent)
{
    double before = processor_time(), until = now() + seconds;
    while (pump(until, -1))
        ;
    if (program->handle == -1)
        fail_test("the %s %s while it had every reason to wait", program->name,
                  ending_of(program));
    double used = (processor_time() - before) / seconds * 100;
    if (used > percent)
        fail_test(
            "while nothing happened the %s and its children used %.0f %% of a processor",
            program->name, used);
}

struct resources resources_of(struct program *program)
{
    return look_at_resources(program->pid);
}

bool instrumented(void)
{
    return getenv("PROGRAM_PREFIX") != NULL || getenv("SANITIZED") != NULL;
}

/* ---- For the report ----------------------------------------------------------------- */

static bool in_report(const struct line *line)
{
    return subject == NULL || line->program == subject ||
           strcmp(line->program->name, subject->name) != 0;
}

json_t *transcript(void)
{
    json_t *all = json_array();
    /* With several programs of one name about, only the one that the test waited for. */
    size_t first = line_count, chosen = 0;
    while (first > 0 && chosen < LINES_IN_REPORT)
        chosen += in_report(&lines[--first]);
    if (first > 0)
        json_array_append_new(all, json_sprintf("... %zu earlier lines", first));
    for (size_t i = first; i < line_count; i++) {
        if (!in_report(&lines[i]))
            continue;
        const char *line = lines[i].text;
        size_t length = strlen(line) > 300 ? 300 : strlen(line);
        char *safe = printable(line, length);
        json_array_append_new(
            all,
            json_sprintf("[%s%s] %s%s", lines[i].program->name,
                         lines[i].stream == &lines[i].program->outputs[1] ? ", stderr"
                                                                          : "",
                         safe, strlen(line) > length ? " ..." : ""));
        free(safe);
    }
    for (size_t i = 0; i < program_count; i++)
        for (int s = 0; s < 2; s++)
            if (programs[i]->outputs[s].lost > 0)
                json_array_append_new(
                    all,
                    json_sprintf("... the output of the %s was cut: %zu bytes kept, %zu "
                                 "thrown away",
                                 programs[i]->name, programs[i]->outputs[s].length,
                                 programs[i]->outputs[s].lost));
    return all;
}
