/*
 * judge.c - the list of tests, the command line, and the verdicts.
 *
 * Each test is one run of libcheck, which forks a process for it, so that nothing that goes
 * wrong in one test reaches the next. What must happen after a test whatever its verdict,
 * above all the census, happens here in the runner: libcheck leaves a test's own teardown out
 * when the test fails.
 */
#include "inside.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipclab.h"

#define USUAL_LIMIT 10.0 /* seconds that one wait may last on a usual machine */
#define MOST_TESTS 256
#define MOST_PLANS (3 * MOST_TESTS)
#define BYTES_IN_REPORT 160 /* of a long message, this much around the first difference */
#define BYTES_OF_REASON 360
#define LONGEST_LIMIT 3600
#define MOST_FALLS 3 /* of Wine's server, in one test */

struct run run;

static const struct test *tests[MOST_TESTS];
static size_t test_count;
static struct plan plans[MOST_PLANS];
static size_t plan_count;
static double long_limit; /* run.limit is shorter at first, if --first-limit says so */

/* What tests that passed have left behind, for the last test of the run. */
static json_t *all_findings;

void enlist(const struct test *test)
{
    if (test_count < MOST_TESTS)
        tests[test_count++] = test;
}

enum system under_test(void)
{
    return run.system;
}

const char *pair_under_test(void)
{
    return run.pair;
}

bool private_names(void)
{
    return run.private_room || (run.system == WIN32 && !on_windows());
}

/* ---- How a test ends ---------------------------------------------------------------- */

/* The file in memory through which a test hands its evidence to the runner. */
static int evidence_file = -1;

char *printable(const char *bytes, size_t length)
{
    char *clean = malloc(4 * length + 1), *out = clean;
    if (clean == NULL)
        abort();
    for (size_t i = 0, size; i < length; i += size) {
        size = utf8_length((const unsigned char *)bytes + i, length - i);
        if (size == 0 && bytes[i] >= ' ' && bytes[i] <= '~')
            size = 1;
        if (size > 0) {
            memcpy(out, bytes + i, size);
            out += size;
        } else {
            out += snprintf(out, 5, "\\x%02X", (unsigned char)bytes[i]);
            size = 1;
        }
    }
    *out = '\0';
    return clean;
}

/* What look_at() was told. */
static struct {
    enum role role;
    int step;
    const char *hint;
} place;

void look_at(enum role role, int step, const char *hint)
{
    place.role = role;
    place.step = step;
    place.hint = hint;
}

static void hand_over(json_t *evidence, const char *verdict)
{
    if (place.step > 0)
        json_object_set_new(evidence, "look_at",
                            json_pack("{s:s, s:i, s:s*}", "program",
                                      place.role == SERVER ? "server" : "client", "step",
                                      place.step, "hint", place.hint));
    json_object_set_new(evidence, "verdict", json_string(verdict));
    if (ftruncate(evidence_file, 0) == -1 || lseek(evidence_file, 0, SEEK_SET) == -1 ||
        json_dumpfd(evidence, evidence_file, 0) == -1)
        fprintf(stderr, "check: the evidence is lost: %s\n", strerror(errno));
}

_Noreturn void end_test(json_t *evidence, const char *verdict, const char *format,
                        va_list values)
{
    char *reason;
    if (vasprintf(&reason, format, values) == -1)
        abort();
    if (run.plan == NULL) { /* no test runs yet: so it is the kit that fails */
        fprintf(stderr, "check: %s\n", reason);
        exit(3);
    }
    const char *report = run.plan->test->sanitized && strcmp(verdict, "failed") == 0
                             ? sanitizer_report()
                             : NULL;
    if (report != NULL)
        reason = text("%s", report);
    else if (run.plan->test->sanitized && strcmp(verdict, "failed") == 0)
        reason = text("the sanitizers reported nothing, but %s", reason);
    /* A reason may quote what a program printed, and JSON takes nothing but UTF-8. Nobody reads
     * a megabyte of it; libcheck, which ends the process over 8 kB, gets the verdict alone. */
    size_t length = strlen(reason);
    json_object_set_new(evidence, "reason",
                        json_sprintf("%s%s",
                                     printable(reason, length > BYTES_OF_REASON
                                                           ? BYTES_OF_REASON
                                                           : length),
                                     length > BYTES_OF_REASON ? " ..." : ""));
    if (strcmp(verdict, "failed") == 0 &&
        json_object_get(evidence, "transcript") == NULL) {
        json_object_set_new(evidence, "waiting", who_waits());
        json_object_set_new(evidence, "transcript", transcript());
    }
    hand_over(evidence, verdict);
    end_programs();
    if (strcmp(verdict, "skipped") == 0)
        exit(EXIT_SUCCESS); /* libcheck knows no skipping; the evidence tells */
    ck_abort_msg("%s", verdict);
}

void fail_test(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    end_test(json_object(), "failed", format, values);
}

void skip_test(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    end_test(json_object(), "skipped", format, values);
}

void kit_error(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    if (getpid() != run.runner)
        end_test(json_object(), "error", format, values);
    fputs("check: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    exit(3);
}

/* The part of `bytes` around `where` that fits a report, quoted; says what it leaves out. */
static json_t *excerpt(const void *bytes, size_t length, size_t where)
{
    size_t first = where > BYTES_IN_REPORT / 2 ? where - BYTES_IN_REPORT / 2 : 0;
    if (length <= BYTES_IN_REPORT)
        first = 0;
    size_t shown = length - first > BYTES_IN_REPORT ? BYTES_IN_REPORT : length - first;
    if (first > length)
        first = length, shown = 0;
    char *safe = quoted((const char *)bytes + first, shown);
    /* The mark stands under a whole character, though the bytes may differ inside of it. */
    size_t marked = first;
    for (size_t size; where <= first + shown && marked < where; marked += size) {
        size = utf8_length((const unsigned char *)bytes + marked, first + shown - marked);
        size = size == 0 ? 1 : size;
        if (marked + size > where)
            break;
    }
    char *before = quoted((const char *)bytes + first, marked - first);
    json_t *object = json_pack("{s:s, s:I, s:I, s:I}", "text", safe, "bytes",
                               (json_int_t)length, "from", (json_int_t)first, "mark",
                               (json_int_t)strlen(before) - 1);
    free(safe);
    free(before);
    return object;
}

void fail_with_evidence(json_t *evidence, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    end_test(evidence, "failed", format, values);
}

/* Where the bytes differ; their common length if they do not. */
static size_t first_difference(const void *expected, size_t expected_length,
                               const void *got, size_t length)
{
    size_t same = 0;
    while (same < length && same < expected_length &&
           ((const char *)expected)[same] == ((const char *)got)[same])
        same++;
    return same;
}

void add_difference(json_t *evidence, const void *expected, size_t expected_length,
                    const void *got, size_t length)
{
    size_t same = first_difference(expected, expected_length, got, length);
    json_object_set_new(evidence, "expected", excerpt(expected, expected_length, same));
    json_object_set_new(evidence, "received", excerpt(got, length, same));
    json_object_set_new(evidence, "difference", json_integer((json_int_t)same));
}

const char *event_line(const void *bytes, size_t length)
{
    static const char *const starts[] = {"server: ", "client: "};
    const char *first = NULL;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        const char *found = length == 0
                                ? NULL
                                : memmem(bytes, length, starts[i], strlen(starts[i]));
        if (found != NULL && (first == NULL || found < first))
            first = found;
    }
    if (first == NULL)
        return NULL;
    size_t rest = length - (size_t)(first - (const char *)bytes);
    const char *end = memchr(first, '\n', rest);
    return printable(first, end != NULL ? (size_t)(end - first) : rest);
}

void expect_bytes(const char *what, const void *sent, size_t sent_length,
                  const void *expected, size_t expected_length, const void *got,
                  size_t length)
{
    size_t same = first_difference(expected, expected_length, got, length);
    if (same == length && same == expected_length)
        return;
    json_t *evidence = json_object();
    if (sent != NULL)
        json_object_set_new(evidence, "sent", excerpt(sent, sent_length, same));
    add_difference(evidence, expected, expected_length, got, length);
    const char *event = event_line(got, length);
    if (event != NULL && event_line(expected, expected_length) == NULL) {
        const char *note =
            text("The bytes contain the line '%.80s'. Where standard output "
                 "carries messages, print events on standard error.",
                 event);
        json_object_set_new(evidence, "notes",
                            json_pack("[s]", printable(note, strlen(note))));
    }
    if (same == length || same == expected_length)
        fail_with_evidence(evidence, "%s is too %s: expected %zu byte%s, got %zu", what,
                           same == length ? "short" : "long", expected_length,
                           expected_length == 1 ? "" : "s", length);
    fail_with_evidence(evidence, "%s differs from what was expected, from byte %zu on",
                       what, same);
}

/* ---- Random things, the same for the same seed -------------------------------------- */

static uint64_t random_state;

/* splitmix64, by Sebastiano Vigna, who placed it in the public domain. */
static uint64_t random_number(void)
{
    uint64_t z = (random_state += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

static void random_word(char *word, size_t length)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; i < length; i++)
        word[i] = letters[random_number() % (sizeof letters - 1)];
    word[length] = '\0';
}

const char *token(void)
{
    char word[9];
    random_word(word, 8);
    return text("%s%s", run.mark, word);
}

char *random_bytes(size_t length, unsigned char low, unsigned char high)
{
    char *bytes = malloc(length + 1);
    if (bytes == NULL)
        kit_error("no memory");
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(low + random_number() % (high - low + 1u));
    bytes[length] = '\0';
    return bytes;
}

char *text(const char *format, ...)
{
    char *string;
    va_list values;
    va_start(values, format);
    if (vasprintf(&string, format, values) == -1)
        kit_error("no memory");
    va_end(values);
    return string;
}

/* ---- The scratch folder and the probe ----------------------------------------------- */

/* Opens a file of the scratch folder. A program under test may have made a link of that name that
 * leads out of it, which is not followed, or a FIFO, which is not waited for. */
static int open_in_scratch(const char *name, int flags, mode_t mode)
{
    int folder = open(run.scratch, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC | O_NONBLOCK),
                           .mode = flags & O_CREAT ? mode & 07777 : 0,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    int file = folder == -1 ? -1
                            : (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
    int error = errno;
    if (folder != -1)
        close(folder);
    errno = error;
    return file;
}

const char *write_file(const char *name, const void *bytes, size_t length, mode_t mode)
{
    const char *path = text("%s/%s", run.scratch, name);
    int file = open_in_scratch(name, O_WRONLY | O_CREAT | O_TRUNC, mode);
    if (file == -1 || write(file, bytes, length) != (ssize_t)length ||
        fchmod(file, mode) == -1 || close(file) == -1) {
        /* In a cell the folder is theirs, and its space is limited. */
        if (run.cell)
            fail_test("the file %s cannot be written into the programs' folder: %s", name,
                      strerror(errno));
        kit_error("%s: %s", path, strerror(errno));
    }
    return path;
}

/* Reads what is opened as `file`, of `path`, and closes it. Returns NULL if it cannot. */
static char *read_whole(int file, const char *path, size_t *length)
{
    struct stat facts;
    if (file == -1 || fstat(file, &facts) == -1)
        return NULL;
    char *bytes = malloc((size_t)facts.st_size + 1);
    if (bytes == NULL)
        kit_error("no memory for %s", path);
    ssize_t got = read(file, bytes, (size_t)facts.st_size);
    close(file);
    if (got < 0) {
        free(bytes);
        return NULL;
    }
    *length = (size_t)got;
    return bytes;
}

char *read_file(const char *name, size_t *length)
{
    char *bytes = read_whole(open_in_scratch(name, O_RDONLY, 0), name, length);
    if (bytes == NULL)
        fail_test("the file %s was not written", name);
    return bytes;
}

/* Copies the program file `from` into the scratch folder. Returns the path of the copy. */
static const char *copy_into_scratch(const char *from, const char *name)
{
    const char *slash = strchr(name, '/');
    if (slash != NULL &&
        mkdir(text("%s/%.*s", run.scratch, (int)(slash - name), name), 0755) == -1 &&
        errno != EEXIST)
        kit_error("%s: %s", name, strerror(errno));
    size_t length;
    char *bytes = read_whole(open(from, O_RDONLY | O_CLOEXEC), from, &length);
    if (bytes == NULL)
        kit_error("%s: %s", from, strerror(errno));
    const char *path = write_file(text("%s%s", name, program_suffix()), bytes, length,
                                  0755);
    free(bytes);
    return path;
}

const char *copy_program(enum role role, const char *name)
{
    return copy_into_scratch(file_of(role, NULL), name);
}

const char *place_probe(const char *probe, const char *name, const char *script)
{
    const char *path = copy_into_scratch(probe_file(probe), name);
    write_file(text("%s.script", name), script, strlen(script), 0644);
    return system_path(path);
}

/* ---- Running one test --------------------------------------------------------------- */

static void seed_for(const struct plan *plan)
{
    random_state = run.seed;
    for (const char *c = text("%s/%s", plan->test->id, plan->cast); *c != '\0'; c++)
        random_state = random_number() ^ (uint64_t)(unsigned char)*c;
}

START_TEST(run_plan)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlive the runner */
    /* A program that closes its input while we write to it is an event, not our end. */
    signal(SIGPIPE, SIG_IGN);
    run.plan = &plans[_i];
    seed_for(run.plan);
    const struct test *test = run.plan->test;
    if (test->sanitized && access(file_of(test->judges, NULL), X_OK) == -1)
        skip_test("needs a compiler with AddressSanitizer and UBSan");
    test->run();
    if (test->sanitized && sanitizer_report() != NULL)
        fail_test("the sanitizers have reported something");
    end_programs();
    hand_over(json_object(), "passed");
}
END_TEST

static void make_scratch(void)
{
    if (run.cell && access(run.scratch, F_OK) == 0) { /* a cell may hold on to it */
        clear_folder(run.scratch);
        chmod(run.scratch, 0700);
        return;
    }
    remove_tree(run.scratch);
    if (mkdir(run.scratch, 0700) == -1)
        kit_error("%s: %s", run.scratch, strerror(errno));
}

static bool has_verdict(const json_t *evidence, const char *verdict)
{
    return strcmp(json_string_value(json_object_get(evidence, "verdict")), verdict) == 0;
}

/* What the test has handed over, or NULL. */
static json_t *load_evidence(void)
{
    lseek(evidence_file, 0, SEEK_SET);
    json_t *evidence = json_loadfd(evidence_file, 0, NULL);
    if (json_is_string(json_object_get(evidence, "verdict")))
        return evidence;
    json_decref(evidence);
    return NULL;
}

/* Runs plan `number` under libcheck. Returns what it handed over, with a verdict always. */
static json_t *judge_once(size_t number)
{
    make_scratch();
    open_place();
    if (ftruncate(evidence_file, 0) == -1)
        kit_error("ftruncate: %s", strerror(errno));
    Suite *suite = suite_create(run.lab);
    TCase *one = tcase_create(plans[number].test->id);
    /* The harness ends a test that takes too long; if it does not, libcheck does. */
    tcase_set_timeout(one, run.limit * LIMITS_PER_TEST + USUAL_LIMIT);
    tcase_add_loop_test(one, run_plan, (int)number, (int)number + 1);
    suite_add_tcase(suite, one);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_SILENT);

    json_t *evidence = load_evidence();
    TestResult **results = srunner_results(runner);
    if (evidence == NULL) {
        /* The test's own process has ended before its time: that is the kit's failure. */
        const char *message = text("the test's own process has given no verdict: %s",
                                   srunner_ntests_run(runner) > 0 ? tr_msg(results[0])
                                                                  : "it did not run");
        evidence = json_pack("{s:s, s:s}", "verdict", "error", "reason",
                             printable(message, strlen(message)));
    }
    free(results);
    srunner_free(runner);

    json_t *left = take_census();
    const char *ended = end_of_cell();
    if (ended != NULL) {
        json_object_set_new(evidence, "verdict", json_string("failed"));
        json_object_set_new(evidence, "reason", json_string(ended));
    }
    bool passed = has_verdict(evidence, "passed");
    for (size_t i = 0; passed && i < json_array_size(left); i++)
        json_array_append_new(all_findings,
                              json_sprintf("after \"%s\": %s", plans[number].test->name,
                                           json_string_value(json_array_get(left, i))));
    close_place(!has_verdict(evidence, "failed") && json_array_size(left) == 0);
    if (json_array_size(left) > 0)
        json_object_set_new(evidence, "left", left);
    else
        json_decref(left);
    return evidence;
}

/* The same. Now and then Wine's server falls where many connections break at once, and every
 * program of Windows falls with it. That is none of their faults: such a test is repeated; and
 * if it falls when all has been said, the next test shall not meet one that is just starting. */
static json_t *judge(size_t number)
{
    json_t *evidence = judge_once(number);
    for (int i = 0; i < MOST_FALLS && wine_has_fallen(); i++) {
        restart_wine();
        if (!has_verdict(evidence, "failed"))
            break;
        json_decref(evidence);
        evidence = judge_once(number);
        json_object_set_new(evidence, "disturbed",
                            json_string("Wine's server had crashed; the test was run "
                                        "again"));
    }
    return evidence;
}

/* The same, with short waits at first. A test that fails after such a wait runs again with long
 * ones, because the machine may be slow. If it passes then, the machine is slow, and all further
 * waits are long. If it fails again, the programs are wrong, and all further waits stay short. */
static json_t *judge_in_time(size_t number)
{
    static bool in_vain;
    double start = now();
    json_t *evidence = judge(number);
    if (run.limit >= long_limit || !has_verdict(evidence, "failed") ||
        now() - start < run.limit || in_vain)
        return evidence;
    double short_limit = run.limit;
    run.limit = long_limit;
    json_decref(evidence);
    evidence = judge(number);
    if (has_verdict(evidence, "failed")) {
        run.limit = short_limit;
        in_vain = true;
    }
    return evidence;
}

/* The last test of every run: it judges what the census found after the others. */
static void leaves_nothing_behind(void)
{
    size_t count = json_array_size(all_findings);
    if (count == 0)
        return;
    json_t *evidence = json_object();
    json_object_set(evidence, "left", all_findings);
    fail_with_evidence(evidence,
                       "expected nothing to be left after the programs ended, got %zu "
                       "process%s or named object%s: %s",
                       count, count == 1 ? "" : "es", count == 1 ? "" : "s",
                       json_string_value(json_array_get(all_findings, 0)));
}

#define TIDY_UP \
    "Wait for what the program starts; close and remove what it creates, on every way out."

static const struct test census_test = {
    .id = "leaves_nothing_behind",
    .name = "no process and no named object is left after a conversation",
    .judges = PAIR,
    .points = 2,
    .hint = TIDY_UP,
    .client_hint = TIDY_UP,
    .run = leaves_nothing_behind,
};

/* ---- The command line --------------------------------------------------------------- */

struct choices {
    const char *server, *client; /* the guests: a file or a folder, or NULL */
    const char *program;         /* a guest that is neither, or NULL */
    const char *only;            /* a pattern for the ids of tests */
    const char *json;            /* where the JSON goes */
    const char *must_fail;       /* ids that must fail, and no other */
    bool conversation, list, lint;
    bool plain; /* our own pair is server and client, though there are robust ones */
    bool all;   /* no test is blocked */
    bool stop;  /* a stage with failures is the last one */
    enum stage last_stage; /* later ones are not judged at all */
    double limit;
    double first_limit; /* of a wait, before a test is repeated, or 0 */
    double time;        /* seconds for all tests together, or 0 */
};

static void usage(FILE *stream)
{
    fputs(
        "usage: check [OPTION...]\n"
        "  --system unix|win32   whose programs (unix)\n"
        "  --server PATH         judge this server, a program or a folder with one\n"
        "  --client PATH         judge this client\n"
        "  --program PATH        judge this program by the tests of its name alone\n"
        "  --pair NAME           judge server_NAME and client_NAME, or guests in their place\n"
        "  --plain               our own pair is server and client, not the robust ones\n"
        "  --stage STAGE         only tests up to this stage: basic, complete, robust\n"
        "  --all                 block no test, although one that it needs was failed\n"
        "  --stop                run no further stage after one with failures\n"
        "  --test PATTERN        only tests whose id fits (a pattern of fnmatch)\n"
        "  --seed NUMBER         the seed of a former run: the same random texts again\n"
        "  --json FILE           write the results as JSON too\n"
        "  --must-fail ID,...    succeed if exactly these tests fail (ID?: may fail)\n"
        "  --limit SECONDS       how long one wait may last (10)\n"
        "  --first-limit SECONDS how long at first; --limit is for tests that are repeated\n"
        "  --time SECONDS        how long all may last; what has not begun by then fails\n"
        "  --labs FOLDER         where the labs' sources are, to quote a STEP from\n"
        "  --command TEXT        the command that runs this again, for the report\n"
        "  --cell                run all programs in a sandbox, inside of tools/room --bare\n"
        "  --run                 show the conversation instead of checking\n"
        "  --list                list the tests\n"
        "  --lint                read the steps and hints of the tests: what is missing?\n",
        stream);
}

static const char *program_in(const char *path, const char *name)
{
    struct stat facts;
    char *full = realpath(path, NULL);
    if (full == NULL || stat(full, &facts) == -1) {
        fprintf(stderr, "check: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    return S_ISDIR(facts.st_mode) ? text("%s/%s%s", full, name, program_suffix()) : full;
}

static enum stage stage_of(const char *name)
{
    for (enum stage stage = BASIC; stage <= ROBUST; stage++)
        if (strcmp(name, stage_name(stage)) == 0)
            return stage;
    fprintf(stderr, "check: the stages are basic, complete and robust, not %s\n", name);
    exit(2);
}

static void read_options(int argc, char *argv[], struct choices *choices)
{
    static const struct option options[] = {
        {"system", required_argument, NULL, 's'},
        {"server", required_argument, NULL, 'S'},
        {"client", required_argument, NULL, 'C'},
        {"program", required_argument, NULL, 'P'},
        {"pair", required_argument, NULL, 'p'},
        {"plain", no_argument, NULL, 'O'},
        {"stage", required_argument, NULL, 'g'},
        {"all", no_argument, NULL, 'a'},
        {"stop", no_argument, NULL, 'o'},
        {"test", required_argument, NULL, 't'},
        {"seed", required_argument, NULL, 'e'},
        {"json", required_argument, NULL, 'j'},
        {"must-fail", required_argument, NULL, 'm'},
        {"limit", required_argument, NULL, 'l'},
        {"first-limit", required_argument, NULL, 'f'},
        {"time", required_argument, NULL, 'T'},
        {"labs", required_argument, NULL, 'b'},
        {"command", required_argument, NULL, 'c'},
        {"cell", no_argument, NULL, 'E'},
        {"run", no_argument, NULL, 'r'},
        {"list", no_argument, NULL, 'L'},
        {"lint", no_argument, NULL, 'A'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    char *end;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 's':
            if (strcmp(optarg, "unix") != 0 && strcmp(optarg, "win32") != 0) {
                fprintf(stderr, "check: the systems are unix and win32, not %s\n",
                        optarg);
                exit(2);
            }
            run.system = strcmp(optarg, "win32") == 0 ? WIN32 : UNIX;
            break;
        case 'S': choices->server = optarg; break;
        case 'C': choices->client = optarg; break;
        case 'P': choices->program = optarg; break;
        case 'p': run.pair = optarg; break;
        case 'O': choices->plain = true; break;
        case 'g': choices->last_stage = stage_of(optarg); break;
        case 'a': choices->all = true; break;
        case 'o': choices->stop = true; break;
        case 't': choices->only = optarg; break;
        case 'e':
            run.seed = strtoull(optarg, &end, 0);
            if (*end != '\0' || end == optarg) {
                fprintf(stderr, "check: %s is no seed\n", optarg);
                exit(2);
            }
            break;
        case 'j': choices->json = optarg; break;
        case 'm': choices->must_fail = optarg; break;
        case 'l': choices->limit = strtod(optarg, NULL); break;
        case 'f': choices->first_limit = strtod(optarg, NULL); break;
        case 'T': choices->time = strtod(optarg, NULL); break;
        case 'b': run.labs = optarg; break;
        case 'c': run.command = optarg; break;
        case 'E': run.cell = true; break;
        case 'r': choices->conversation = true; break;
        case 'L': choices->list = true; break;
        case 'A': choices->lint = true; break;
        case 'h': usage(stdout); exit(0);
        default: usage(stderr); exit(2);
        }
    }
    if (optind != argc || !(choices->limit > 0 && choices->limit <= LONGEST_LIMIT)) {
        usage(stderr);
        exit(2);
    }
}

static void add_plan(const struct test *test, const char *server, const char *client,
                     const char *guest, const char *cast)
{
    if (plan_count < MOST_PLANS)
        plans[plan_count] = (struct plan){test, server,     client, guest,
                                          cast, plan_count, NULL,   false};
    plan_count += plan_count < MOST_PLANS;
}

bool is_named(const char *path, const char *name)
{
    const char *base = strrchr(path, '/') + 1;
    return strcmp(base, text("%s%s", name, program_suffix())) == 0;
}

bool is_ours(const char *path)
{
    for (size_t i = 0; i < sizeof run.guests / sizeof *run.guests; i++)
        if (run.guests[i] != NULL && strcmp(run.guests[i], path) == 0)
            return false;
    const char *const folders[] = {"labs", "grading"};
    for (size_t i = 0; i < 2; i++) {
        const char *folder = text("%s/%s/", run.build, folders[i]);
        if (strncmp(path, folder, strlen(folder)) == 0)
            return true;
    }
    return false;
}

/* The name of the program `path`, "" if that is its role's own. */
static const char *variant_name(const char *path, const char *role)
{
    if (is_named(path, role))
        return "";
    const char *base = strrchr(path, '/') + 1;
    return text("%.*s", (int)(strlen(base) - strlen(program_suffix())), base);
}

/* The file of our own program that plays `role`: the robust one where there is one, because the
 * partner of a wrong program must bear with it. */
static const char *our_program(const char *role, bool plain)
{
    const char *folder = text("%s/labs/%s/%s", run.build, run.lab,
                              run.system == UNIX ? "unix" : "win32");
    if (*run.pair != '\0')
        return text("%s/%s_%s%s", folder, role, run.pair, program_suffix());
    const char *robust = text("%s/%s_robust%s", folder, role, program_suffix());
    return !plain && access(robust, F_OK) == 0
               ? robust
               : text("%s/%s%s", folder, role, program_suffix());
}

const struct test *test_before(const struct test *test, const char *id)
{
    bool passed_by =
        false; /* whether `test` itself was seen, in the order of the source */
    for (size_t i = 0; i < test_count; i++) {
        if (strcmp(tests[i]->id, id) == 0 &&
            (passed_by ? tests[i]->stage < test->stage : tests[i]->stage <= test->stage))
            return tests[i] != test ? tests[i] : NULL;
        passed_by = passed_by || tests[i] == test;
    }
    return NULL;
}

static int by_stage(const void *one, const void *other)
{
    const struct plan *a = one, *b = other;
    if (a->test->stage != b->test->stage)
        return a->test->stage < b->test->stage ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* Without guests the reference plays, and every test runs once. A guest is judged alone
 * against the reference, and where both are guests the two together as well. Stage after stage, and
 * in a stage in the order of the source. */
static void make_plans(const struct choices *choices)
{
    const char *our_server = our_program("server", choices->plain);
    const char *our_client = our_program("client", choices->plain);
    const char *server = choices->server ? program_in(choices->server, "server")
                                         : our_server;
    const char *client = choices->client ? program_in(choices->client, "client")
                                         : our_client;
    const char *guest = choices->program ? program_in(choices->program, "") : NULL;
    bool guests = choices->server != NULL || choices->client != NULL;
    run.guests[0] = choices->server != NULL ? server : NULL;
    run.guests[1] = choices->client != NULL ? client : NULL;
    run.guests[2] = guest;
    run.variant = guest != NULL                         ? variant_name(guest, "")
                  : choices->client && !choices->server ? ""
                                                        : variant_name(server, "server");
    if (*run.variant == '\0')
        run.variant = variant_name(client, "client");

    for (size_t i = 0; i < test_count; i++) {
        const struct test *test = tests[i];
        if (run.system == WIN32 ? test->unix_only : test->win32_only)
            continue;
        if (test->stage > choices->last_stage)
            continue;
        if (test->pair != NULL && strcmp(test->pair, run.pair) != 0)
            continue;
        if (guest != NULL) {
            if (test->only != NULL && is_named(guest, test->only))
                add_plan(test, our_server, our_client, guest, "");
        } else if (test->only != NULL) {
            if (!guests && *run.pair == '\0')
                add_plan(test, our_server, our_client, NULL, "");
        } else if (test->judges == SERVER) {
            if (!guests || choices->server != NULL)
                add_plan(test, server, our_client, NULL, "");
        } else if (test->judges == CLIENT) {
            if (!guests || choices->client != NULL)
                add_plan(test, our_server, client, NULL, "");
        } else if (!guests) {
            add_plan(test, our_server, our_client, NULL, "");
        } else {
            if (choices->server != NULL)
                add_plan(test, server, our_client, NULL, "this server, our client");
            if (choices->client != NULL)
                add_plan(test, our_server, client, NULL, "our server, this client");
            if (choices->server != NULL && choices->client != NULL)
                add_plan(test, server, client, NULL, "this server, this client");
        }
    }
    qsort(plans, plan_count, sizeof *plans, by_stage);
    add_plan(&census_test, server, client, NULL, "");
}

static bool chosen(const struct choices *choices, const struct plan *plan)
{
    return choices->only == NULL || fnmatch(choices->only, plan->test->id, 0) == 0 ||
           strcmp(choices->only, census_test.id) == 0;
}

/* Whether some test fits `pattern`, be it for other programs than those of this run. */
static bool is_known(const char *pattern)
{
    for (size_t i = 0; i < test_count; i++)
        if (fnmatch(pattern, tests[i]->id, 0) == 0)
            return true;
    return false;
}

/* ---- The run ------------------------------------------------------------------------ */

static void open_run(void)
{
    run.runner = getpid();
    const char *private = getenv("PRIVATE_ROOM");
    run.private_room = private != NULL && strcmp(private, "yes") == 0;
    if (run.cell && !run.private_room)
        kit_error("--cell needs a room around it: tools/room --bare");
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
        kit_error("prctl: %s", strerror(errno));
    evidence_file = memfd_create("evidence", MFD_CLOEXEC);
    if (evidence_file == -1)
        kit_error("memfd_create: %s", strerror(errno));

    /* build/labs/LAB/check knows by its own place where build/ is. */
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length == -1)
        kit_error("/proc/self/exe: %s", strerror(errno));
    self[length] = '\0';
    for (int up = 0; up < 3; up++)
        *strrchr(self, '/') = '\0';
    run.build = text("%s", self);

    if (run.seed == 0 && getrandom(&run.seed, sizeof run.seed, 0) == -1)
        kit_error("getrandom: %s", strerror(errno));
    run.seed &= 0xFFFFFFFF; /* eight digits are enough to tell runs apart, and to type */
    random_state = run.seed;
    random_word(run.mark, 5);

    make_scratch();
}

/* Compares the failures with those that must be. Returns the exit code. */
static int compare_failures(const char *must_fail, const json_t *results)
{
    int unexpected = 0;
    char *ids = text("%s", must_fail);
    size_t i;
    json_t *result;
    json_array_foreach(results, i, result)
    {
        const char *id = json_string_value(json_object_get(result, "id"));
        bool may;
        if (has_verdict(result, "failed") && !is_among(must_fail, id, &may)) {
            printf("not expected to fail: %s\n", id);
            unexpected++;
        }
    }
    char *rest = ids;
    for (char *id; (id = strtok_r(rest, ",", &rest)) != NULL;) {
        if (id[strlen(id) - 1] == '?') /* it may fail, it need not: a race decides */
            continue;
        bool failed = false;
        json_array_foreach(results, i, result)
        {
            failed = failed ||
                     (strcmp(id, json_string_value(json_object_get(result, "id"))) == 0 &&
                      has_verdict(result, "failed"));
        }
        if (!failed) {
            printf("did not fail: %s\n", id);
            unexpected++;
        }
    }
    return unexpected == 0 ? 0 : 1;
}

static void count_result(struct totals *totals, const struct plan *plan,
                         const json_t *result)
{
    int points = has_verdict(result, "passed") ? plan->test->points : 0;
    bool judged = !has_verdict(result, "skipped") && !has_verdict(result, "error");
    bool blocked = has_verdict(result, "blocked");
    struct stage_totals *stage = &totals->stages[plan->test->stage];
    totals->passed += has_verdict(result, "passed");
    totals->failed += has_verdict(result, "failed");
    totals->skipped += has_verdict(result, "skipped");
    totals->errors += has_verdict(result, "error");
    totals->blocked += blocked;
    totals->points += points;
    totals->maximum += judged ? plan->test->points : 0;
    stage->failed += has_verdict(result, "failed");
    stage->run += !blocked;
    stage->stopped += blocked && json_object_get(result, "blocked_by") == NULL;
    stage->points += points;
    stage->maximum += judged ? plan->test->points : 0;
}

/* Whether every guest that plays in `plan` plays in `other`, too. */
static bool has_guests_of(const struct plan *other, const struct plan *plan)
{
    return (is_ours(plan->server) || strcmp(plan->server, other->server) == 0) &&
           (is_ours(plan->client) || strcmp(plan->client, other->client) == 0);
}

/* The test that `plan` needs and its programs have not passed, or NULL: if that one was blocked
 * itself, the one that blocked it. */
static const struct test *blocker_of(const struct plan *plan)
{
    for (size_t i = 0; plan->test->needs != NULL && i < plan_count; i++)
        if (strcmp(plans[i].test->id, plan->test->needs) == 0 &&
            plans[i].failed != NULL && has_guests_of(plan, &plans[i]))
            return plans[i].failed;
    return NULL;
}

/* The evidence of a test that is not run, because its programs have failed `by`, or a stage. */
static json_t *blocked(const char *reason, const struct test *by)
{
    return json_pack("{s:s, s:s, s:s*}", "verdict", "blocked", "reason", reason,
                     "blocked_by", by != NULL ? by->id : NULL);
}

/* The evidence of a test for which no time was left. */
static json_t *not_begun(double time)
{
    return json_pack("{s:s, s:o, s:[], s:[]}", "verdict", "failed", "reason",
                     json_sprintf("the test was not started: the tests before it took "
                                  "more than %g seconds",
                                  time),
                     "waiting", "transcript");
}

/* Judges plan `number`, or finds a reason not to run it. A proof that a mistake is caught blocks none,
 * because it must fail all tests that it names. */
static json_t *judge_or_block(const struct choices *choices, size_t number,
                              const struct totals *totals, double spent)
{
    struct plan *plan = &plans[number];
    for (enum stage stage = BASIC; choices->stop && stage < plan->test->stage; stage++)
        if (totals->stages[stage].failed > 0)
            return blocked(text("the %s stage has failures", stage_name(stage)), NULL);
    plan->failed = choices->all || choices->must_fail ? NULL : blocker_of(plan);
    if (plan->failed != NULL)
        return blocked(text("fix %s first", plan->failed->id), plan->failed);
    if (choices->time > 0 && spent > choices->time && plan->test != &census_test)
        return not_begun(choices->time);
    json_t *evidence = judge_in_time(number);
    if (has_verdict(evidence, "failed"))
        plan->failed = plan->test;
    plan->passed = has_verdict(evidence, "passed");
    return evidence;
}

static json_t *run_plans(const struct choices *choices, struct totals *totals)
{
    json_t *results = json_array();
    report_start();
    double first = now();
    for (size_t i = 0; i < plan_count; i++) {
        if (!chosen(choices, &plans[i]))
            continue;
        double start = now();
        json_t *evidence = judge_or_block(choices, i, totals, start - first);
        json_t *result = report_result(&plans[i], evidence, now() - start);
        count_result(totals, &plans[i], result);
        json_array_append_new(results, result);
    }
    report_end(totals, choices->must_fail == NULL && totals->failed > 0
                           ? closest_lesson(plans, plan_count)
                           : NULL);
    return results;
}

static void write_json(const char *path, const json_t *results,
                       const struct totals *totals)
{
    json_t *stages = json_array();
    for (enum stage stage = BASIC; run.staged && stage <= ROBUST; stage++)
        json_array_append_new(stages, json_pack("{s:s, s:b, s:i, s:i}", "stage",
                                                stage_name(stage), "run",
                                                totals->stages[stage].run > 0, "points",
                                                totals->stages[stage].points, "maximum",
                                                totals->stages[stage].maximum));
    json_t *whole = json_pack(
        "{s:s, s:s, s:s, s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:O}", "lab",
        run.lab, "title", run.title, "system", run.system == UNIX ? "unix" : "win32",
        "seed", json_sprintf("0x%08llx", (unsigned long long)run.seed), "passed",
        totals->passed, "failed", totals->failed, "skipped", totals->skipped, "errors",
        totals->errors, "blocked", totals->blocked, "points", totals->points, "maximum",
        totals->maximum, "stages", stages, "tests", results);
    /* A file that was opened for us may be one that we could not open. */
    int number, end = 0;
    if (sscanf(path, "/dev/fd/%d%n", &number, &end) != 1 || path[end] != '\0')
        number = -1;
    if (whole == NULL ||
        (number != -1 ? json_dumpfd(whole, number, JSON_INDENT(2))
                      : json_dump_file(whole, path, JSON_INDENT(2))) == -1)
        kit_error("%s: cannot be written", path);
    json_decref(whole);
}

/* Prints every test: id, stage, points, sentence, and for which programs it is, if not for all. */
static int list_tests(void)
{
    for (enum stage stage = BASIC; stage <= ROBUST; stage++)
        for (size_t i = 0; i <= test_count; i++) {
            const struct test *test = i < test_count ? tests[i] : &census_test;
            if (test->stage != stage)
                continue;
            printf("%-32s ", test->id);
            if (run.staged)
                printf("%-8s ", stage_name(stage));
            printf("%2d  %s", test->points, test->name);
            if (test->only != NULL)
                printf(" (%s)", test->only);
            if (test->pair != NULL)
                printf(*test->pair != '\0' ? " (server_%s, client_%s)"
                                           : " (server, client)",
                       test->pair, test->pair);
            printf("%s\n", test->unix_only    ? " (UNIX)"
                           : test->win32_only ? " (Win32)"
                                              : "");
        }
    return 0;
}

/* Shows the conversation in a child, as a test would run, and cleans up after it. */
static int show_conversation(void (*conversation)(void))
{
    static struct test shown = {.id = "conversation",
                                .name = "the conversation",
                                .judges = PAIR};
    shown.run = conversation;
    run.show = true;
    report_title();
    putchar('\n');
    plans[0].test = &shown;
    plans[0].cast = "";
    json_t *evidence = judge(0);
    if (has_verdict(evidence, "passed"))
        return 0;
    printf("%s: %s\n", json_string_value(json_object_get(evidence, "verdict")),
           json_string_value(json_object_get(evidence, "reason")));
    return has_verdict(evidence, "skipped") ? 0 : 1;
}

/* Returns the exit code of the run. */
static int lint_tests(void)
{
    int faults = 0;
    for (size_t i = 0; i < test_count; i++)
        faults += lint_test(tests[i]);
    return faults > 0 ? 1 : 0;
}

/* What the runner does. Returns the exit code of the run. */
static int run_all(const struct choices *options, void (*conversation)(void))
{
    struct choices choices = *options;
    struct totals totals = {0};
    open_run();
    make_plans(&choices);
    double factor = open_system();
    long_limit = choices.limit * factor;
    run.limit = choices.first_limit > 0 && choices.first_limit < choices.limit
                    ? choices.first_limit * factor
                    : long_limit;
    all_findings = json_array();

    int code;
    if (choices.conversation) {
        code = show_conversation(conversation);
    } else {
        json_t *results = run_plans(&choices, &totals);
        if (choices.json != NULL)
            write_json(choices.json, results, &totals);
        code = totals.errors > 0   ? 3
               : choices.must_fail ? compare_failures(choices.must_fail, results)
               : totals.failed > 0 ? 1
                                   : 0;
        if (json_array_size(results) == 0 && !is_known(choices.only)) {
            fprintf(stderr, "check: no test fits %s\n", choices.only);
            code = 2;
        }
    }
    close_system();
    return code;
}

/* ---- The keeper --------------------------------------------------------------------- */

/* Waits for the end of `runner`, which a signal that asks us to end brings about at once.
 * Returns that signal, or 0, and in `*status` how the runner ended. */
static int await_runner(pid_t runner, const sigset_t *signals, int *status)
{
    int interruption = 0;
    while (waitpid(runner, status, WNOHANG) != runner) {
        int number = sigwaitinfo(signals, NULL);
        if (number > 0 && number != SIGCHLD) {
            interruption = number;
            kill(runner, SIGKILL);
        }
    }
    return interruption;
}

int check_main(int argc, char *argv[], const char *lab, const char *title,
               void (*conversation)(void))
{
    struct choices choices = {.limit = USUAL_LIMIT, .last_stage = ROBUST};
    run.lab = lab;
    run.title = title;
    run.pair = "";
    run.command = text("make check LAB=%.2s", lab);
    setvbuf(stdout, NULL, _IOLBF, 0);
    read_options(argc, argv, &choices);
    for (size_t i = 0; i < test_count; i++)
        run.staged = run.staged || tests[i]->stage != BASIC;
    if (choices.lint)
        return lint_tests();
    if (choices.list)
        return list_tests();

    /* Where a standard stream is closed, a pipe of ours must not take its number. */
    int null;
    do {
        null = open("/dev/null", O_RDWR);
    } while (null >= 0 && null <= STDERR_FILENO);
    close(null);

    static const int requests[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct sigaction usual;
        sigaction(requests[i], NULL, &usual);
        if (usual.sa_handler != SIG_IGN) /* as nohup would have it */
            sigaddset(&signals, requests[i]);
    }
    sigprocmask(SIG_BLOCK, &signals, &before);

    run.runner = getpid(); /* for the time being, and for kill_all() */
    strcpy(run.folder, "/tmp/ipclab.XXXXXX");
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1 || mkdtemp(run.folder) == NULL)
        kit_error("%s: %s", run.folder, strerror(errno));
    snprintf(run.scratch, sizeof run.scratch, "%s/scratch", run.folder);

    pid_t runner = fork();
    if (runner == -1)
        kit_error("fork: %s", strerror(errno));
    if (runner == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlive the keeper */
        sigprocmask(SIG_SETMASK, &before, NULL);
        exit(run_all(&choices, conversation));
    }

    int status;
    int interruption = await_runner(runner, &signals, &status);
    kill_all();
    clean_up_system();
    remove_tree(run.folder);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (interruption !=
        0) { /* whoever started us shall see that we did not end by ourselves */
        signal(interruption, SIG_DFL);
        raise(interruption);
    }
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    fprintf(stderr, "check: the checker itself was ended by signal %d\n",
            WTERMSIG(status));
    return 3;
}
