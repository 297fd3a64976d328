/*
 * harness.h - the functions for every check.c: start a program, exchange data with it, watch it,
 * judge it. The harness handles the differences between the two systems, so a check need not.
 *
 * A check is a sentence, and a few lines that test it:
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
 * Every function below that can fail ends the test: as "failed" if the program under test is to
 * blame, as "error" if the kit is. None returns an error code. Each waits for an event, never for
 * a time. The limit is generous, in seconds, and longer on a slow machine. If a wait reaches it,
 * the test fails, and the report names which process waited for what. The limit starts again with
 * every line "server: text" that comes, until the wait has lasted six limits; two limits if the
 * program has failed a test before. A whole test may last at most 30 limits. If a program
 * cannot be started, because the file does not exist or is no program, the test fails too.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- Tests -------------------------------------------------------------------------- */

/* Which program a test judges. If a student's programs are judged, a PAIR test runs three times:
 * their server with our client, our server with their client, their server with their client. */
enum role { SERVER, CLIENT, PAIR };

enum system { UNIX, WIN32 };

/* What a test requires: a short conversation, the whole contract with peers that behave well, or
 * peers that do not. The stages run in this order. */
enum stage { BASIC, COMPLETE, ROBUST };

struct test {
    const char *id;   /* the C identifier; `make check TEST=id` runs this test alone */
    const char *name; /* the sentence in the report */
    enum role judges;
    enum stage stage;
    /* The id of a test without which a failure of this one explains nothing. If a program has
     * failed that test, or was blocked from it, this test is blocked: it does not run, and gives
     * no points. */
    const char *needs;
    int points;
    /* What a failure shows in addition to its reason: the STEP of the program to look at, or 0,
     * and a hint of one or two sentences. For a PAIR test these are about the server. A hint for
     * one system replaces the hint for both. */
    int step;
    const char *hint, *hint_unix, *hint_win32;
    /* The same for the client; only in a PAIR test. */
    int client_step;
    const char *client_hint, *client_hint_unix, *client_hint_win32;
    const char *only; /* the one program it is for ("capacity"), NULL for the pair */
    const char *pair; /* which pair it is for: "" for server and client, "mqueue" for
                         server_mqueue and client_mqueue, NULL for all of them */
    bool win32_only;  /* it is not for UNIX */
    bool unix_only;   /* it is not for Windows */
    bool
        sanitized; /* start() starts NAME.asan, the judged program built with ASan and UBSan;
                         their reports fail the test. If there is no such file, the test is
                         skipped. For SERVER and CLIENT tests with unix_only */
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

/* Puts `test`, which must stay valid, on the list. TEST calls this. */
void enlist(const struct test *test);

/* Runs the tests that the command line selects. `lab` is the lab's folder ("01-anon-pipes"),
 * `title` its subject, `conversation` what --run shows. Returns the exit code of the process: 0
 * if all passed or were skipped, 1 if one failed, 2 for wrong usage or if no test was selected.
 * It returns 3 if the kit itself failed in at least one test. With --must-fail it returns 0 if
 * exactly those tests failed. */
int check_main(int argc, char *argv[], const char *lab, const char *title,
               void (*conversation)(void));

/* The main function of a check.c. */
#define CHECKER(lab, title)                                      \
    int main(int argc, char *argv[])                             \
    {                                                            \
        return check_main(argc, argv, lab, title, conversation); \
    }

/* The system that this run judges. */
enum system under_test(void);

/* The pair that this run judges: "mqueue" for server_mqueue and client_mqueue, "" for server and
 * client. A test for every pair calls this where the bytes on the wire differ. */
const char *pair_under_test(void);

/* Returns true if no other program sees the names that the programs make; under Wine always.
 * Otherwise tests of default names are skipped: two runs at the same time would share them. */
bool private_names(void);

/* Returns true if no other program uses the network that the programs see, nor its ports. */
bool private_network(void);

/* Returns seconds since a moment in the past, by a clock that nobody sets. */
double now(void);

/* Ends the test as failed, with a reason as for printf(). */
_Noreturn void fail_test(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the test as skipped, with a reason: "needs Windows: ...". It counts as neither passed nor
 * failed, and its points do not count in the maximum. */
_Noreturn void skip_test(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the test as an error of the kit. Nobody loses points for it. */
_Noreturn void kit_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* From now on a failure shows this step and this hint for the program that plays `role`, in place
 * of the test's own. Each role has its own. Call it where a test does something that is not its subject. With step 0 the
 * test's own are shown again. `hint` must stay valid. */
void look_at(enum role role, int step, const char *hint);

/* After look_at(): if the program waits in a call named `call` ("open", as the report names it) when the
 * test fails, the failure shows this hint. Under Wine no call is known. */
void look_at_waiting(enum role role, const char *call, const char *hint);

/* After look_at(): if the program reports a failed call that matches `pattern`, of fnmatch(3), such as
 * "WriteFile: error 6", the failure shows this step and hint. The next look_at() for this role ends that. */
void look_at_error(enum role role, const char *pattern, int step, const char *hint);

/* The same for the server that has started the client, if the client reports such a call. It holds to the end
 * of the test. */
void look_at_client_error(const char *pattern, int step, const char *hint);

/* From now on the reason of a failure begins with these words, as for printf(): "with an empty SLOT". For a
 * test that tries several cases. NULL ends the case. */
void in_case(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The end of the hint about the line "server: ready". A client that the test has not started has then no
 * advice. The advice to flush is left out where the output cannot be in a buffer. */
#define FLUSH_AT_ONCE ": call fflush(stdout), or use log_event()."
#define EACH_AT_ONCE " Print each line at once" FLUSH_AT_ONCE
#define READY_AT_ONCE "print the line \"server: ready\" at once"
#define LINE_AT_ONCE READY_AT_ONCE FLUSH_AT_ONCE

/* Fails the test unless the `length` bytes at `got` are the `expected_length` at `expected`.
 * `what` names them: "the echo of the third message". `sent` may be NULL. */
void expect_bytes(const char *what, const void *sent, size_t sent_length,
                  const void *expected, size_t expected_length, const void *got,
                  size_t length);

/* Returns a random word of lower-case letters and digits: a new one at each call, the same ones
 * for the same SEED and test. A program that echoes it must have read it. The string is valid
 * until the test ends. */
const char *token(void);

/* Returns the formatted text. The string is valid until the test ends. */
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Returns `length` random bytes from the seed, each from `low` to `high`. They are valid until
 * the test ends. */
char *random_bytes(size_t length, unsigned char low, unsigned char high);

/* ---- Programs ------------------------------------------------------------------------ */

struct program;

/* How start_with() starts a program. 0 everywhere is the default. */
struct start_options {
    const char *name;  /* which program instead of the role's own: "capacity" */
    const char *file;  /* or which file: a path that copy_program() or reference_file()
                         has returned */
    const char *probe; /* or which probe: see start_probe() */
    bool of_unix;      /* the file is a UNIX program, also in a run for Win32 */
    const char *const *environment; /* "NAME=value" is added, "NAME" removed; then NULL */
    bool terminal_input; /* standard input is a terminal (pseudo-terminal), else a pipe; a
                            console echoes what is typed, a terminal does not */
    bool terminal_output; /* standard output and error are that terminal, else pipes; Wine
                             draws on it, and the harness finds the lines */
    bool closed_input;    /* standard input is at its end from the start */
    unsigned
        closed; /* the standard streams that are missing, added up: 1 for input, 2 for
                              output, 4 for error. On UNIX the descriptor is closed, on
                              Windows the handle is NULL; there the probe "without" starts
                              the program, and signals and a kill go to the probe */
    bool ignores_children; /* SIGCHLD is ignored, inherited from the caller */
    size_t descriptors;  /* how many it may have open, until it sets RLIMIT_NOFILE itself;
                             0: the default */
    size_t taken;        /* UNIX: all descriptors below this one are open on /dev/null */
    size_t output_limit; /* bytes kept of each output, 0 for 16 MiB; the rest is read and
                             dropped, and the report states that */
};

/* Starts the program that plays `role` (SERVER or CLIENT) in the scratch folder, with the
 * arguments given, NULL at the end. It is always ended with the test. */
struct program *start(enum role role, ... /* const char *argument, NULL */)
    __attribute__((sentinel));
struct program *start_with(enum role role, struct start_options options, ...)
    __attribute__((sentinel));

/* Returns the file of our own program `name` ("client") of a lab ("05-sockets") for a system.
 * Used for conversations between labs, or between the two systems. Only a run for Win32 can use
 * programs of both systems: the others have no Wine. The Makefile of a check names the labs whose
 * programs it uses: DEPENDS := 05-sockets. */
const char *reference_file(const char *lab, enum system system, const char *name);

/* Returns the file of the script grading/harness/NAME. make copies it into the build folder, which a
 * checker finds even if the kit was moved. */
const char *tool_file(const char *name);

/* Starts a probe (grading/probe/NAME) of the system under test: the checker's own program at the
 * other end. Reports call it the test's client or the test's server, whichever is not judged. */
struct program *start_probe(const char *probe, ... /* const char *argument, NULL */)
    __attribute__((sentinel));

/* Starts a UNIX probe (grading/probe/unix/NAME) on both systems. For TCP and UDP, by which it
 * reaches programs of both. */
struct program *start_unix_probe(const char *probe, ...) __attribute__((sentinel));

/* Returns the path of the program that plays `role`, or of `name` in the same folder if it is not
 * NULL. It is written as the program's system writes paths, so it can be an argument. */
const char *path_of(enum role role, const char *name);

/* Sends all bytes to standard input, while reading whatever the program prints. Fails the test if
 * the program has closed its input. */
void send_bytes(struct program *program, const void *bytes, size_t length);

/* The same, one byte at a time: each when the program has read the one before. */
void trickle_bytes(struct program *program, const void *bytes, size_t length);

/* Like send_bytes(), but stops if the input is closed. Returns how many bytes were sent. */
size_t offer_bytes(struct program *program, const void *bytes, size_t length);

/* Closes the program's standard input: the program reads the end of file. On a terminal it types
 * the key for that at the beginning of a line (Ctrl-D, on a console Ctrl-Z and Enter). */
void close_input(struct program *program);

/* Hangs up the terminal that is its standard input, but not its output: as when the window is
 * closed. */
void hang_up(struct program *program);

/* Closes our reading end of its standard output: its next write there fails. */
void close_output(struct program *program);

/* Waits until the program has printed a line, on standard output or standard error, that equals
 * the formatted text. The line must come after the one that the last wait found; other lines may
 * be between them. Returns the line, which is valid until the test ends. */
const char *wait_line(struct program *program, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for a line that matches `pattern`, a pattern of fnmatch(3). */
const char *wait_line_like(struct program *program, const char *pattern);

/* The same for standard error alone, where programs report failures. */
const char *wait_error_like(struct program *program, const char *pattern);

/* The same two, for a pattern that is hard to read: a failure then names `meaning`, for example
 * "the answer to \"connect 2\"". Without it a failure quotes the pattern, with "..." for each
 * wildcard. */
const char *wait_line_that(struct program *program, const char *pattern,
                           const char *meaning);
const char *wait_error_that(struct program *program, const char *pattern,
                            const char *meaning);

/* Returns whether the transcript contains such a line now, at any place. A line with a NUL byte
 * equals no text, and matches no pattern. */
bool printed_like(struct program *program, const char *pattern);

/* Returns how many lines match the pattern now. */
size_t count_lines(struct program *program, const char *pattern);

/* Reads the program's standard output as bytes, not lines, up to and including `end`. The bytes
 * are valid until the test ends. `*length` is their number, `end` included. */
char *receive_until(struct program *program, char end, size_t *length);

/* Returns all that the program has printed on standard output up to now, and its length. */
const char *output_of(struct program *program, size_t *length);

/* The same for standard error. */
const char *errors_of(struct program *program, size_t *length);

/* Waits until `descriptor`, one of the checker's own, is readable, or a program has printed
 * something or ended. The caller then looks, and waits again. A descriptor of epoll(7) waits for
 * many sockets. If nothing happens at all, fails the test with `what`, for example "the echo". */
void wait_descriptor(int descriptor, const char *what);

/* Waits for the program's end. Returns its exit code, or 128 + the signal that ended it. Under
 * Wine UNIX keeps only the low 8 bits of an exit code: 5 for an access violation. */
int wait_end(struct program *program);

/* Waits for the program's end, and fails the test unless its exit code is `code`. In two cases
 * under Wine the code is not known, and the test goes on. wineserver kills a program that takes
 * more than a second to end. And a program that has printed "done" may end by SIGSEGV: that is a
 * crash of Wine, since a fault of the program itself is an exception, not a signal. */
void expect_end(struct program *program, int code);

/* Waits for the program's end, and fails the test unless that signal ended it. An exit code of
 * 128 + the signal is something else; only a shell shows both as the same. For UNIX programs
 * only. */
void expect_signal(struct program *program, int number);

/* Waits until no process has the program's standard error open: the program and the processes
 * that inherited it have ended, or closed it. */
void wait_silence(struct program *program);

/* Returns whether the program is still running. */
bool is_running(struct program *program);

/* Waits up to `seconds` for the program's end. Returns how it ended, for example "exited with
 * code 3", or NULL if it is still running. When a program crashes, its connections are closed a
 * moment before its end is visible: the crash may explain a failure. */
const char *ending_within(struct program *program, double seconds);

/* Sends a UNIX signal. Under Wine SIGINT arrives as Ctrl-C. With SIGSTOP it returns when the
 * program has stopped or ended. */
void send_signal(struct program *program, int number);

/* Lets the programs run for a tenth of a second, so that one reaches the call in which it blocks:
 * no event reports that. Reads what they print meanwhile. */
void let_block(void);

/* Sends the signals that a program ignores by default, while it blocks in a call. If it has a
 * handler without SA_RESTART, that call fails with EINTR. Then waits until it reaches its next
 * call, before bytes arrive that would also end a read. For UNIX programs only. */
void interrupt_calls(struct program *program);

/* Kills the program at once, and waits until it is gone. */
void kill_program(struct program *program);

/* The same, and kills the processes that it has started: a server can have one for each client. */
void kill_with_children(struct program *program);

/* Kills every other process of this test that runs the executable `name` ("client"), whatever its
 * parent is, and waits until it is gone. Fails the test if there is none. */
void kill_child(struct program *program, const char *name);

/* Fails the test if the program and its children use the processor while nothing happens: more
 * than `percent` of one during `seconds`. It measures three times, because work that began before
 * may still go on. This is the only place that measures time. */
void expect_idle(struct program *program, double seconds, double percent);

/* The number of descriptors that the program has open now, its memory in bytes, and its address
 * space in bytes. */
struct resources {
    size_t descriptors, memory, addresses;
};
struct resources resources_of(struct program *program);

/* Returns how many children of the program have ended without a wait() by it. */
size_t zombies_of(struct program *program);

/* Returns how many processes of this test run that the test did not start itself. */
size_t helper_count(void);

/* From now on the program's address space can grow by at most `more` bytes (RLIMIT_AS): enough
 * for a few threads. For UNIX programs only. */
void limit_addresses(struct program *program, size_t more);

/* In a cell (--cell) processes have other numbers. Returns our number for the process that a
 * program calls `number`. Fails the test if there is none. */
pid_t process_told(pid_t number);

/* Returns the number that programs see as the sender of this test's signals. */
pid_t our_number(void);

/* Returns the number, as programs see it, of a process that runs until the test ends. */
pid_t living_number(void);

/* Returns whether the programs run under valgrind or with sanitizers. Memory sizes then mean
 * nothing. */
bool instrumented(void);

/* ---- The scratch folder and the probe ----------------------------------------------- */

/* Writes a file into the scratch folder, in which the programs run; it is removed after the test.
 * `mode` is as for chmod. Returns its path. */
const char *write_file(const char *name, const void *bytes, size_t length, mode_t mode);

/* Reads a file of the scratch folder. The bytes are valid until the test ends. */
char *read_file(const char *name, size_t *length);

/* Copies a probe (grading/probe/NAME) of the system under test to `name`, with the script that it
 * follows, for a program under test to start. No other program can read its script on UNIX in a
 * cell, or print its lines "test: ...". Returns its path as an argument. */
const char *place_probe(const char *probe, const char *name, const char *script);

/* Copies the program that plays `role`, or the program beside it that start_options names `original`, or the
 * program `file`, to `name`: "server", or "folder/server" in a new folder. All that are placed in a test are in
 * the same folder, which is not the scratch folder. Returns the path of the copy, for start_options. */
const char *copy_program(enum role role, const char *name);
const char *copy_named(enum role role, const char *original, const char *name);
const char *place_program(const char *file, const char *name);

/* Returns whether Windows programs run on Windows itself, not under Wine. */
bool on_windows(void);

/* ---- For the conversation that --run shows ------------------------------------------ */

/* Prints a sentence of explanation between the lines of the programs. */
void narrate(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Returns whether only the conversation of server and client is to be shown: --run-pair. */
bool only_pair(void);

/* From now on shows only the next `count` lines that match `pattern` of fnmatch(3), which must
 * stay valid, and one "..." for all others. For lines that a program prints too often. */
void abridge(const char *pattern, size_t count);

#endif
