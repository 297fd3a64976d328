/*
 * harness.h - what every check.c is written with: start a program, talk to it, watch it,
 * judge it. The harness knows the two systems apart, so that a check need not.
 *
 * A check is a sentence and a few lines that act it out:
 *
 *     TEST(echoes_a_message, .judges = SERVER, .points = 1, .step = 5,
 *          .name = "a message comes back as it was sent",
 *          .hint = "Send back what was read, and as much of it as was read.")
 *     {
 *         struct program *server = start(SERVER, NULL);
 *         wait_line(server, "server: ready");
 *         ...
 *     }
 *
 *     CHECKER("05-sockets", "sockets")
 *
 * Every function below that can fail ends the test: with the verdict "failed" where the
 * program under test is to blame, with "error" where the kit is. None returns an error code.
 * Each waits for an event, never for a time; the limit is generous, in seconds, scaled at the
 * start of the run to the speed of the machine, and reaching it is a failure that tells who
 * was waiting for what. It starts anew with every line that comes, but not for ever: a whole
 * test may last as long as 30 such waits. A program that cannot be started, because there is
 * no such file or it is no program, fails the test too.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- Tests (judge.c) ---------------------------------------------------------------- */

/* Whom a test judges. With a student's programs in play, a PAIR test runs three times: their
 * server with our client, our server with their client, and their two together. */
enum role { SERVER, CLIENT, PAIR };

enum system { UNIX, WIN32 };

/* What a test asks for: a short conversation, the whole contract with peers that behave well, or
 * peers that do not. Tests run stage after stage. */
enum stage { BASIC, COMPLETE, ROBUST };

struct test {
    const char *id;   /* the C identifier; `make check TEST=id` runs this test alone */
    const char *name; /* the sentence that people read */
    enum role judges;
    enum stage stage;
    /* The id of a test without which this one explains nothing. If a program has failed that test,
     * or was blocked from it, this test is blocked: it does not run and has no points. */
    const char *needs;
    int points;
    /* What a failure shows beside its reason: the STEP of the program to look at, or 0, and what to
     * look for, in one or two sentences. Of a pair's test these are about the server. The hint for
     * one system goes before the hint for both. */
    int step;
    const char *hint, *hint_unix, *hint_win32;
    /* The same for the client, of a pair's test alone. */
    int client_step;
    const char *client_hint, *client_hint_unix, *client_hint_win32;
    const char *only; /* the one program it is for ("capacity"), NULL for the pair */
    const char *pair; /* which pair it is for: "" for server and client, "mqueue" for
                         server_mqueue and client_mqueue, NULL for all of them */
    bool win32_only;  /* it has no meaning on UNIX */
    bool unix_only;   /* it has no meaning on Windows */
    bool
        sanitized; /* start() starts the judged program as it was built with ASan and UBSan,
                         NAME.asan beside NAME, and their reports fail the test; it is skipped if
                         there is no such file. SERVER and CLIENT tests, with unix_only */
    void (*run)(void);
};

/* Defines a test and puts it on the list; tests run in the order of the source. */
#define TEST(identifier, ...)                                          \
    static void identifier(void);                                      \
    __attribute__((constructor)) static void identifier##_enlist(void) \
    {                                                                  \
        static const struct test test = {.id = #identifier,            \
                                         .run = identifier,            \
                                         __VA_ARGS__};                 \
        enlist(&test);                                                 \
    }                                                                  \
    static void identifier(void)

/* Puts `test`, which must stay valid, on the list. TEST does it. */
void enlist(const struct test *test);

/* Runs the tests that the command line asks for. `lab` is the lab's folder ("01-anon-pipes"),
 * `title` its subject, `conversation` what --run shows. Returns the exit code of the process:
 * 0 all passed (or skipped), 1 something failed, 2 wrong usage, or no test fits, 3 the kit
 * itself failed, if only in one test. With --must-fail: 0 if just those tests failed. */
int check_main(int argc, char *argv[], const char *lab, const char *title,
               void (*conversation)(void));

/* The main function of a check.c. */
#define CHECKER(lab, title)                                      \
    int main(int argc, char *argv[])                             \
    {                                                            \
        return check_main(argc, argv, lab, title, conversation); \
    }

/* The system that this run is about. */
enum system under_test(void);

/* Which pair this run is about: "mqueue" for server_mqueue and client_mqueue, "" for server
 * and client. A test that is for every pair asks where the wire differs. */
const char *pair_under_test(void);

/* Whether nobody else sees the names that the programs make: a test of default names, which
 * two runs at once would share, is skipped otherwise. Under Wine always. */
bool private_names(void);

/* The seconds since some moment in the past, by a clock that nobody sets. */
double now(void);

/* Ends the test as failed, with a reason in the manner of printf. */
_Noreturn void fail_test(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the test as skipped: "needs Windows: ..." or another reason. It counts as neither
 * passed nor failed, and its points leave the maximum. */
_Noreturn void skip_test(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the test as an error of the kit, for which nobody loses points. */
_Noreturn void kit_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* From now on a failure shows this step and this hint for the program that plays `role`, not those of
 * the test: where a test begins with what others are about. With step 0 it shows the test's own again.
 * `hint` must stay valid. */
void look_at(enum role role, int step, const char *hint);

/* Fails the test unless the `length` bytes at `got` are the `expected_length` at `expected`.
 * `what` names them: "the echo of the third message". `sent` may be NULL. */
void expect_bytes(const char *what, const void *sent, size_t sent_length,
                  const void *expected, size_t expected_length, const void *got,
                  size_t length);

/* A random word of lower-case letters and digits, new at each call, the same for the same
 * SEED and test: whoever echoes it has read it. The string lives as long as the test. */
const char *token(void);

/* `format` filled in; the string lives as long as the test. */
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* `length` bytes from the seed, each from `low` to `high`; they live as long as the test. */
char *random_bytes(size_t length, unsigned char low, unsigned char high);

/* ---- Programs (program.c) ----------------------------------------------------------- */

struct program;

/* How start() starts a program, where that differs from the usual. */
struct start_options {
    const char *name;  /* which program instead of the role's own: "capacity" */
    const char *file;  /* or which file: a path that copy_program() or reference_file()
                         has returned */
    const char *probe; /* or which probe: see start_probe() */
    bool of_unix;      /* the file is a program of UNIX, whatever the run is about */
    const char *const
        *environment; /* "NAME=value", NULL at the end: added to the usual */
    bool
        terminal_input; /* standard input is a terminal (pseudo-terminal), else a pipe; it
                            does not echo what is typed, but a console does */
    bool
        terminal_output; /* standard output and error are that terminal, else pipes; under
                             Wine lines are taken out of what it paints there */
    bool closed_input;   /* standard input is at its end from the start */
    unsigned closed; /* the standard streams that it does not have at all: 1 for input,
                              2 for output, 4 for error, added up. On UNIX the descriptor is
                              closed, on Windows the handle is NULL; there the probe "without"
                              starts the program, and signals and a kill go to the probe */
    bool
        ignores_children; /* SIGCHLD is ignored, as a program inherits it from its caller */
    size_t descriptors; /* how many it may have open, until it sets RLIMIT_NOFILE itself;
                             0: as many as usual */
    size_t
        taken; /* UNIX: all descriptors below this one are open already, on /dev/null */
    size_t output_limit; /* bytes kept of each output, 0 for the usual 16 MiB; the rest is
                             read and thrown away, and the report says so */
};

/* Starts the program that plays `role` (SERVER or CLIENT) with the arguments given, NULL at
 * their end, in the scratch folder. It is ended with the test whatever happens. */
struct program *start(enum role role, ... /* const char *argument, NULL */)
    __attribute__((sentinel));
struct program *start_with(enum role role, struct start_options options, ...)
    __attribute__((sentinel));

/* The file of our own program `name` ("client") of a lab ("05-sockets") for a system: for
 * conversations across labs, or across the two systems. The latter is for runs about Win32,
 * in which a program of UNIX may play; in the others there is no Wine. Labs whose programs a
 * check borrows stand in its Makefile: BORROWS := 05-sockets. */
const char *reference_file(const char *lab, enum system system, const char *name);

/* The file of the script tools/NAME, which make copies to where everything built is: a checker
 * knows where that is, wherever the kit may have been moved. */
const char *tool_file(const char *name);

/* Starts a probe (grading/probe/NAME), the checker's own hand at the far end, of the system
 * under test. In reports it is the test's client or
 * server: whichever is not judged. */
struct program *start_probe(const char *probe, ... /* const char *argument, NULL */)
    __attribute__((sentinel));

/* Starts a probe of UNIX whatever the run is about (grading/probe/unix/NAME): for what
 * programs of both systems can be spoken to by, TCP and UDP. */
struct program *start_unix_probe(const char *probe, ...) __attribute__((sentinel));

/* The path of the program that plays `role`, of `name` beside it if not NULL, written as its
 * own system writes paths: fit to be an argument. */
const char *path_of(enum role role, const char *name);

/* Sends bytes to standard input, all of them, while reading whatever the program prints.
 * A program that has closed its input fails the test. */
void send_bytes(struct program *program, const void *bytes, size_t length);

/* The same, one byte at a time, each once the program has read the one before. */
void trickle_bytes(struct program *program, const void *bytes, size_t length);

/* As send_bytes, but a closed input ends the sending. Returns how many bytes went out. */
size_t offer_bytes(struct program *program, const void *bytes, size_t length);

/* Closes the program's standard input: it will read the end of file. On a terminal the key
 * for that is typed (Ctrl-D, on a console Ctrl-Z and Enter), at the beginning of a line. */
void close_input(struct program *program);

/* Hangs up the terminal that is its standard input, and not its output: as when the window is
 * closed. */
void hang_up(struct program *program);

/* Closes our reading end of its standard output: whatever it writes there next fails. */
void close_output(struct program *program);

/* Waits until the program has printed, on standard output or standard error, a line equal to
 * `format` filled in, after the line that the wait before found. Other lines may stand
 * between. Returns the line; it lives as long as the test. */
const char *wait_line(struct program *program, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for a line that fits a pattern of fnmatch(3), which is taken as it is. */
const char *wait_line_like(struct program *program, const char *pattern);

/* The same for standard error alone, where failures are told. */
const char *wait_error_like(struct program *program, const char *pattern);

/* The same two, for a pattern that explains nothing: a failure says that `meaning` was waited for,
 * "the answer to \"connect 2\"". Without it a failure quotes the pattern, with "..." for what may
 * be anything. */
const char *wait_line_that(struct program *program, const char *pattern,
                           const char *meaning);
const char *wait_error_that(struct program *program, const char *pattern,
                            const char *meaning);

/* Whether such a line is there now, anywhere in the transcript. A line with a NUL byte in it
 * is equal to no line, and fits no pattern. */
bool printed_like(struct program *program, const char *pattern);

/* How many lines that fit the pattern are there now. */
size_t count_lines(struct program *program, const char *pattern);

/* Reads the program's standard output as bytes, not lines, up to and including `end`. The
 * bytes live as long as the test; `*length` counts them with `end`. */
char *receive_until(struct program *program, char end, size_t *length);

/* All that the program has printed on standard output up to now, and how much that is. */
const char *output_of(struct program *program, size_t *length);

/* The same for standard error. */
const char *errors_of(struct program *program, size_t *length);

/* Waits until `descriptor`, one of the checker's own, can be read from, or a program has
 * printed something or ended: look, and wait again. A descriptor of epoll(7) stands for as many
 * sockets as one likes. Fails the test with `what` is waited for, "the echo", when nothing has
 * happened at all. */
void wait_descriptor(int descriptor, const char *what);

/* Waits for the program's end. Returns its exit code, or 128 + the signal that ended it. Under
 * Wine an exit code is what UNIX leaves of it, the low 8 bits: 5 for an access violation. */
int wait_end(struct program *program);

/* Waits for the program's end and fails the test unless it ended with `code`. Under Wine the
 * code is not known, and taken for right, of a program that took more than a second to end, which
 * wineserver then kills, and of one that has said "done" and then fell by SIGSEGV: to programs of
 * Windows that is an exception, and no signal; so it is Wine that fell. */
void expect_end(struct program *program, int code);

/* Waits for the program's end and fails the test unless that signal ended it. An exit code of 128 +
 * the signal is something else: only a shell shows both alike. Only for a program of UNIX. */
void expect_signal(struct program *program, int number);

/* Waits until nobody holds the program's standard error any more: it and whoever inherited
 * it have ended, or closed it. */
void wait_silence(struct program *program);

/* Whether the program is still running. */
bool is_running(struct program *program);

/* Waits up to `seconds` for the program's end. Returns how it ended, "exited with code 3", or NULL
 * if it is still running. For a failure that another one may explain: when a program crashes, its
 * connections are closed a moment before its end can be seen. */
const char *ending_within(struct program *program, double seconds);

/* Sends a UNIX signal (under Wine, SIGINT arrives as Ctrl-C). With SIGSTOP it returns when the
 * program stands still, or has ended. */
void send_signal(struct program *program, int number);

/* Lets the programs run for a tenth of a second, so that one gets to the call in which it blocks: no event
 * reports that. What they print is read meanwhile. */
void let_block(void);

/* Sends the signals that a program ignores by default, while it blocks in a call: if it has a handler
 * without SA_RESTART, that call fails with EINTR. Then lets it get to its next call, before bytes come,
 * with which a read returns as well. Only for a program of UNIX. */
void interrupt_calls(struct program *program);

/* Kills the program at once, without its knowledge, and waits until it is gone. */
void kill_program(struct program *program);

/* Kills every other process of this test that runs the executable `name` ("client"), whoever
 * its parent is by now, and waits until it is gone; fails the test if there is none. */
void kill_child(struct program *program, const char *name);

/* Fails the test if the program and its children use the processor while nothing happens: more
 * than `percent` of one during `seconds`, three times in a row, as what was begun before may still
 * be going on (the one place where time itself is measured). */
void expect_idle(struct program *program, double seconds, double percent);

/* How many descriptors the program has open, how many bytes of memory it holds, and of how many
 * bytes it has the addresses, now. */
struct resources {
    size_t descriptors, memory, addresses;
};
struct resources resources_of(struct program *program);

/* How many children of the program have ended without a wait() by it. */
size_t zombies_of(struct program *program);

/* How many processes of this test run that the test has not started itself. */
size_t helper_count(void);

/* From now on the program can get no more than `more` bytes of addresses beyond those that it
 * has (RLIMIT_AS): room for a few threads. Only for a program of UNIX. */
void limit_addresses(struct program *program, size_t more);

/* Programs that run in a cell (--cell) count processes differently. A program tells the number of
 * one: which is it? Fails the test if there is none. */
pid_t process_told(pid_t number);

/* The number that programs see as the sender of this test's signals. */
pid_t our_number(void);

/* The number, as programs count, of a process that lives as long as the test. */
pid_t living_number(void);

/* Whether the programs run under valgrind or with sanitizers, where memory tells nothing. */
bool instrumented(void);

/* ---- The scratch folder and the probe ----------------------------------------------- */

/* Writes a file into the scratch folder, the folder that programs run in, removed after the
 * test. `mode` as for chmod. Returns its path. */
const char *write_file(const char *name, const void *bytes, size_t length, mode_t mode);

/* Reads a file of the scratch folder; the bytes live as long as the test. */
char *read_file(const char *name, size_t *length);

/* Puts a probe (grading/probe/NAME) of the system under test into the scratch folder as
 * `name`, with `script` for it to follow. Returns its path as an argument. */
const char *place_probe(const char *probe, const char *name, const char *script);

/* Copies the program that plays `role` into the scratch folder as `name`, "server", or "folder/server" in
 * a folder that it creates. Returns the path
 * of the copy, for start_options. */
const char *copy_program(enum role role, const char *name);

/* Whether Windows programs run on Windows itself, and not under Wine. */
bool on_windows(void);

/* ---- For the conversation that --run shows ------------------------------------------ */

/* Prints a sentence of explanation between the lines of the programs. */
void narrate(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Shows from now on only the next `count` lines that fit `pattern`, as for fnmatch(3), which must
 * stay valid; for all others one "..." stands. For what a program says too often to be read. */
void abridge(const char *pattern, size_t count);

#endif
