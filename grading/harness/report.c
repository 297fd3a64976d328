/*
 * report.c - prints verdicts for people, and writes them as JSON for programs.
 *
 * The output of programs under test is shown by quoted() or printable(), and after a margin. So
 * it cannot move the cursor, change a colour or forge a line of the report.
 */
#include "report.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "steps.h"
#include "system.h"

#define MARGIN "             "
#define MOST_WAITING 5    /* lines that say what programs wait for */
#define NOT_STARTED 10093 /* WSANOTINITIALISED */
#define NOBODY_READS                                                                   \
    "nobody reads any more: write no more, read to the end, and report how the other " \
    "program ended"
#define INTERRUPTED "a signal has interrupted it, or a stop (Ctrl-Z): call it again"
#define NO_DATAGRAM \
    "a stream socket must be connected first; the type of datagrams is SOCK_DGRAM"
#define FULL                                                                            \
    "the limit on descriptors is reached: raise it with setrlimit(RLIMIT_NOFILE), and " \
    "close the sockets of clients that have left"
#define NOT_YET                                                                    \
    "O_NONBLOCK is set, and nothing has come: open it without that flag, or wait " \
    "with poll() and clear it"
#define NO_LISTEN "call listen() before accept()"
#define NO_STREAM                                                                  \
    "this is no socket of a stream: its type is SOCK_STREAM, in the hints and in " \
    "socket()"
#define NOT_BOUND "call bind() first"
#define BOUND "the socket has an address already: call bind() once, and before listen()"

static const char *colour(const char *code)
{
    static int terminal = -1;
    if (terminal == -1) /* make collects our output, and sets this variable */
        terminal = (isatty(STDOUT_FILENO) || getenv("MAKE_TERMOUT") != NULL) &&
                   getenv("NO_COLOR") == NULL;
    return terminal ? code : "";
}

#define GREEN colour("\033[32m")
#define RED colour("\033[31m")
#define YELLOW colour("\033[33m")
#define BOLD colour("\033[1m")
#define DIM colour("\033[2m")
#define PLAIN colour("\033[0m")

static const char *system_name(void)
{
    return run.system == UNIX ? "UNIX" : "Win32";
}

void report_title(void)
{
    printf("%sLab %.2s, %s, %s%s", BOLD, run.lab, run.title, system_name(), PLAIN);
    if (run.system == WIN32)
        printf(" %s", win32_runner());
    if (*run.pair != '\0')
        printf(" (server_%s, client_%s)", run.pair, run.pair);
    else if (*run.variant != '\0')
        printf(" (%s)", run.variant);
}

void report_start(void)
{
    report_title();
    printf("%s  SEED=0x%08llx%s\n", DIM, (unsigned long long)run.seed, PLAIN);
}

const char *stage_name(enum stage stage)
{
    static const char *const names[] = {"basic", "complete", "robust"};
    return names[stage];
}

/* Prints the stage if it is not the same as that of the last test. */
static void print_stage(const struct plan *plan)
{
    static const char *const subjects[] = {
        "one client, a few short messages, a clean end",
        "the whole contract, with peers that behave well",
        "peers that are killed, silent or flooding; restarts; leaks"};
    static int last = -1;
    enum stage stage = plan->test->stage;
    if (!run.staged || (int)stage == last || plan->comes_last)
        return;
    last = (int)stage;
    printf("  %s%s: %s%s\n", DIM, stage_name(stage), subjects[stage], PLAIN);
}

/* Adds "name       text" to `facts`. */
static void add_fact(json_t *facts, const char *name, const char *fact)
{
    json_array_append_new(facts, json_sprintf("%-10s %s", name, fact));
}

static void add_excerpt(json_t *facts, const char *name, const json_t *excerpt, bool mark)
{
    if (excerpt == NULL)
        return;
    long long from = json_integer_value(json_object_get(excerpt, "from"));
    long long bytes = json_integer_value(json_object_get(excerpt, "bytes"));
    int column = (int)json_integer_value(json_object_get(excerpt, "mark"));
    const char *string = json_string_value(json_object_get(excerpt, "text"));
    add_fact(facts, name,
             text("%s  (%lld byte%s%s)", string, bytes, bytes == 1 ? "" : "s",
                  from > 0 ? text(", from byte %lld", from) : ""));
    if (!mark)
        return;
    /* The mark is under a character: count columns, not bytes of UTF-8. */
    int columns = 0;
    for (int i = 0; i < column; i++)
        columns += (string[i] & 0xC0) != 0x80;
    add_fact(facts, "", text("%*s^ the first difference", columns, ""));
}

static void add_list(json_t *facts, const char *name, const json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        add_fact(facts, i == 0 ? name : "", json_string_value(item));
    }
}

/* Adds what the programs wait for, in at most MOST_WAITING lines. Other threads of a process come last, and
 * are left out first. */
static void add_waiting(json_t *facts, const json_t *list)
{
    json_t *shown = json_array();
    size_t i,
        most = json_array_size(list) > MOST_WAITING ? MOST_WAITING - 1 : MOST_WAITING;
    json_t *sentence;
    for (int threads = 0; threads < 2; threads++)
        json_array_foreach(list, i, sentence)
        {
            const char *words = json_string_value(sentence);
            if ((strstr(words, ", another thread, ") != NULL) == threads &&
                json_array_size(shown) < most)
                json_array_append(shown, sentence);
        }
    if (json_array_size(list) > MOST_WAITING)
        json_array_append_new(shown, json_sprintf("... and %zu more",
                                                  json_array_size(list) - most));
    add_list(facts, "waiting", shown);
    json_decref(shown);
}

/* Returns what explains the reason, in lines: what is most to the point comes first. */
static json_t *facts_of(const json_t *evidence)
{
    json_t *facts = json_array();
    add_list(facts, "note", json_object_get(evidence, "notes"));
    add_list(facts, "stderr", json_object_get(evidence, "stderr"));
    add_excerpt(facts, "sent", json_object_get(evidence, "sent"), false);
    add_excerpt(facts, "expected", json_object_get(evidence, "expected"), false);
    add_excerpt(facts, "received", json_object_get(evidence, "received"), true);
    add_waiting(facts, json_object_get(evidence, "waiting"));
    return facts;
}

static void print_facts(const json_t *evidence)
{
    json_t *facts = facts_of(evidence);
    size_t i;
    json_t *fact;
    json_array_foreach(facts, i, fact)
    {
        printf(MARGIN "%s\n", json_string_value(fact));
    }
    json_decref(facts);
}

static void print_list(const char *name, const json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        printf(MARGIN "%-10s %s\n", i == 0 ? name : "", json_string_value(item));
    }
}

/* Prints the title of a STEP from the comment in the source, which may have more lines: its first
 * sentence, up to a colon. */
static void print_sentence(const char *title, FILE *source)
{
    char line[512];
    do {
        size_t length = strcspn(title, ".:*\n");
        while (title[length] == '.' && isdigit((unsigned char)title[length + 1]))
            length += 1 + strcspn(title + length + 1, ".:*\n"); /* "version 2.2" */
        printf(" %.*s", (int)length, title);
        if (title[length] != '\n' || fgets(line, sizeof line, source) == NULL)
            break;
        title = line + strspn(line, " \t");
        if (title[0] == '*' && title[1] == ' ')
            title += 2;
    } while (true);
}

/* The advice for one judged program: a STEP, or 0, and a hint, or NULL. */
struct advice {
    const char *program; /* "server", "client", or the one program that the test is for */
    int step;
    const char *hint;
};

static const char *hint_of_system(const char *both, const char *on_unix,
                                  const char *win32)
{
    const char *own = run.system == UNIX ? on_unix : win32;
    return own != NULL ? own : both;
}

/* Returns the hint without the words; FLUSH_AT_ONCE ends a sentence. */
static const char *without(const char *hint, const char *words)
{
    const char *found = hint != NULL ? strstr(hint, words) : NULL;
    if (found == NULL)
        return hint;
    return text("%.*s%s%s", (int)(found - hint), hint,
                strcmp(words, FLUSH_AT_ONCE) == 0 ? "." : "", found + strlen(words));
}

/* Errors of calls that say more than their number does: what to do, and the call to blame if it is another.
 * An error of every call has no name. What has only one cause is said also if the advice has that STEP already. */
static const struct {
    const char *call, *blamed, *cause;
    enum system system;
    int error;
    bool certain;
} known_errors[] = {
    {NULL, "WSAStartup", "call WSAStartup first", WIN32, NOT_STARTED, false},
    {"ReadFile", "CreateMailslot",
     "the time limit of CreateMailslot is over: give it MAILSLOT_WAIT_FOREVER", WIN32,
     121, false},
    {"CreateFile", NULL,
     "another process has it open: every one must give FILE_SHARE_READ | "
     "FILE_SHARE_WRITE",
     WIN32, 32, false},
    {"WriteFile", NULL, NOBODY_READS, WIN32, 232, false},
    {"write", NULL, NOBODY_READS, UNIX, EPIPE, false},
    {NULL, NULL, INTERRUPTED, UNIX, EINTR, false},
    {"accept", NULL, FULL, UNIX, EMFILE, false},
    {"accept4", NULL, FULL, UNIX, EMFILE, false},
    {"recv", "socket", NO_DATAGRAM, UNIX, EINVAL, false},
    {"recvfrom", "socket", NO_DATAGRAM, UNIX, EINVAL, false},
    {"accept", "listen", NO_LISTEN, UNIX, EINVAL, true},
    {"accept", "listen", NO_LISTEN, WIN32, 10022, true},
    {"listen", NULL, NO_STREAM, UNIX, EOPNOTSUPP, true},
    {"listen", NULL, NO_STREAM, WIN32, 10045, true},
    {"listen", NULL, NOT_BOUND, WIN32, 10022, true}, /* UNIX chooses a port */
    {"bind", NULL, BOUND, UNIX, EINVAL, true},
    {"bind", NULL, BOUND, WIN32, 10022, true},
    {"read", NULL, NOT_YET, UNIX, EAGAIN, true},
    {"fgets", NULL, NOT_YET, UNIX, EAGAIN, true},
    {"getline", NULL, NOT_YET, UNIX, EAGAIN, true},
};

/* What to do about an error that is not among them. */
static const char *unknown_error(void)
{
    if (run.system == UNIX)
        return "see ERRORS in its man page, its arguments, and the calls before it";
    return "see its page in Microsoft's documentation, its arguments, and the calls before it";
}

/* If a call of the program has failed that is not in the advice's STEP, the STEP is that of the call. */
static void advise_on_call(struct advice *advice, const json_t *evidence)
{
    char call[64];
    int error;
    const char *failed = json_string_value(
        json_object_get(evidence, text("failed_%s", advice->program)));
    if (failed == NULL || sscanf(failed, "%63[^:]: error %d", call, &error) != 2)
        return;
    const char *blamed = call, *cause = NULL;
    bool certain = false;
    for (size_t i = 0; i < sizeof known_errors / sizeof *known_errors; i++)
        if (known_errors[i].system == run.system && known_errors[i].error == error &&
            (known_errors[i].call == NULL || strcmp(known_errors[i].call, call) == 0)) {
            cause = known_errors[i].cause;
            certain = known_errors[i].certain;
            if (known_errors[i].blamed != NULL)
                blamed = known_errors[i].blamed;
        }
    int step = step_of_call(advice->program, blamed, advice->step);
    if (!certain && (step == -1 || step == advice->step))
        return;
    if (cause == NULL && step == 0) /* a call of several steps: the test knows more */
        return;
    if (step != -1)
        advice->step = step;
    advice->hint = text("%s failed with error %d: %s.", call, error,
                        cause != NULL ? cause : unknown_error());
}

/* Writes the advice for each program that `plan` judges to `advice`, which has room for two.
 * Returns their number. A PAIR test has advice for the server and for the client: each judged
 * program gets its own, unless it has passed the test with our partner. */
static size_t advice_for(const struct plan *plan, const json_t *evidence,
                         struct advice *advice)
{
    const struct test *test = plan->test;
    size_t count = 0;
    const char *hint = hint_of_system(test->hint, test->hint_unix, test->hint_win32);
    if (strstr(plan->cast, "our server") == NULL && !plan->cleared[SERVER])
        advice[count++] = (struct advice){test->only != NULL       ? test->only
                                          : test->judges == CLIENT ? "client"
                                                                   : "server",
                                          test->step, hint};
    if (test->judges == PAIR && test->only == NULL &&
        strstr(plan->cast, "our client") == NULL && !plan->cleared[CLIENT])
        advice[count++] = (struct advice){"client", test->client_step,
                                          hint_of_system(test->client_hint,
                                                         test->client_hint_unix,
                                                         test->client_hint_win32)};
    /* The test has called look_at(). */
    for (size_t i = 0; i < count; i++) {
        const char *role = test->only == NULL       ? advice[i].program
                           : test->judges == CLIENT ? "client"
                                                    : "server";
        const json_t *place = json_object_get(evidence, text("look_at_%s", role));
        if (place != NULL) {
            advice[i].step = (int)json_integer_value(json_object_get(place, "step"));
            advice[i].hint = json_string_value(json_object_get(place, "hint"));
        }
        if (json_is_true(json_object_get(evidence, "flushed")))
            advice[i].hint = without(without(advice[i].hint, EACH_AT_ONCE),
                                     FLUSH_AT_ONCE);
        if (test->only == NULL && *run.pair == '\0')
            advise_on_call(&advice[i], evidence);
    }
    /* A step that is still to be written explains all: the other program has no part in it. */
    if (count == 2 && json_object_get(evidence, "unwritten") != NULL) {
        if (json_object_get(evidence, "look_at_server") == NULL)
            advice[0] = advice[1];
        count = 1;
    }
    /* Nor has a client that was not started, because the server is not ready. */
    if (count == 2 && json_object_get(evidence, "look_at_client") == NULL &&
        json_is_false(json_object_get(evidence, "client_started")) &&
        advice[0].hint != NULL && strstr(advice[0].hint, READY_AT_ONCE) != NULL)
        count = 1;
    /* The same hint for both need not name one of them. */
    if (count == 2 && advice[0].step == 0 && advice[1].step == 0 &&
        advice[0].hint != NULL && advice[1].hint != NULL &&
        strcmp(advice[0].hint, advice[1].hint) == 0)
        count = 1;
    return count;
}

/* Prints the STEP to look at, with its title from our own program. */
static void print_step(const struct test *test, const struct advice *advice)
{
    const char *program = advice->program;
    if (test->only == NULL && *run.pair != '\0')
        program = text("%s_%s", program, run.pair);
    printf(MARGIN "%-10s STEP %d of %s", "step", advice->step, program);
    if (run.labs != NULL) {
        char label[32], line[512];
        snprintf(label, sizeof label, "/* STEP %d: ", advice->step);
        FILE *source = fopen(text("%s/%s/%s/%s.c", run.labs, run.lab,
                                  run.system == UNIX ? "unix" : "win32", program),
                             "re");
        while (source != NULL && fgets(line, sizeof line, source) != NULL) {
            char *found = strstr(line, label);
            if (found == NULL)
                continue;
            putchar(':');
            print_sentence(found + strlen(label), source);
            break;
        }
        if (source != NULL)
            fclose(source);
    }
    putchar('\n');
}

/* Prints the STEP and the hint for each program that `plan` judges. */
static void print_advice(const struct plan *plan, const json_t *evidence)
{
    struct advice advice[2];
    size_t count = advice_for(plan, evidence, advice);
    for (size_t i = 0; i < count; i++) {
        if (advice[i].step > 0)
            print_step(plan->test, &advice[i]);
        /* If two programs are judged, a hint names its program. */
        if (advice[i].hint != NULL)
            printf(MARGIN "%-10s %s%s%s\n", "hint", count > 1 ? advice[i].program : "",
                   count > 1 ? ": " : "", advice[i].hint);
    }
}

static void print_failure(const struct plan *plan, const json_t *evidence)
{
    const struct test *test = plan->test;
    printf(MARGIN "%-10s %s\n", "reason",
           json_string_value(json_object_get(evidence, "reason")));
    print_facts(evidence);
    print_list("left", json_object_get(evidence, "left"));
    print_list("transcript", json_object_get(evidence, "transcript"));
    print_advice(plan, evidence);
    printf(MARGIN "%-10s %s TEST=%s SEED=0x%08llx\n", "again", run.command, test->id,
           (unsigned long long)run.seed);
}

/* The failures, one line for each test, repeated at the end because the tests may have scrolled
 * away. And the first failure, which must be fixed first. */
static json_t *gone_wrong;
static const struct plan *first_failed;
static json_t *first_evidence;

/* The tests that were blocked since the last line about them, and why. */
static const char *block;
static int blocked_tests, blocked_points;

/* Prints one line about them. */
static void print_blocked(void)
{
    if (blocked_tests > 0)
        printf("  %s%-7s%s 0/%d  %d test%s: %s\n", YELLOW, "blocked", PLAIN,
               blocked_points, blocked_tests, blocked_tests == 1 ? "" : "s", block);
    blocked_tests = blocked_points = 0;
}

static void note_blocked(const struct test *test, const char *reason)
{
    if (blocked_tests > 0 && strcmp(block, reason) != 0)
        print_blocked();
    block = text("%s", reason);
    blocked_tests++;
    blocked_points += test->points;
}

/* Prints the verdict of a test that was run, and its explanation. */
static void print_result(const struct plan *plan, const json_t *evidence,
                         const char *verdict)
{
    const struct test *test = plan->test;
    const char *reason = json_string_value(json_object_get(evidence, "reason"));
    bool passed = strcmp(verdict, "passed") == 0, failed = strcmp(verdict, "failed") == 0;
    const char *shade = passed ? GREEN : failed ? RED : YELLOW;
    if (passed || failed)
        printf("  %s%-7s%s %d/%d  %s", shade, verdict, PLAIN, passed ? test->points : 0,
               test->points, test->name);
    else
        printf("  %s%-7s%s  -   %s", shade, verdict, PLAIN, test->name);
    if (*plan->cast != '\0')
        printf(" (%s)", plan->cast);
    putchar('\n');
    const char *disturbed = json_string_value(json_object_get(evidence, "disturbed"));
    if (disturbed != NULL)
        printf(MARGIN "%-10s %s\n", "repeated", disturbed);
    if (failed) {
        print_failure(plan, evidence);
    } else {
        print_list("left", json_object_get(evidence, "left"));
        print_list("transcript", json_object_get(evidence, "transcript"));
    }
    bool skipped = strcmp(verdict, "skipped") == 0;
    if (!passed && !failed)
        printf(MARGIN "%-10s %s\n", skipped ? "because" : "kit error", reason);
    if (!passed && !skipped) {
        if (gone_wrong == NULL)
            gone_wrong = json_array();
        json_array_append_new(
            gone_wrong,
            json_sprintf("%s%s%s %s: %s", test->id, *plan->cast != '\0' ? ", " : "",
                         plan->cast, failed ? "failed" : "could not be judged", reason));
    }
    if (failed &&
        (first_failed == NULL || plan->test->stage < first_failed->test->stage)) {
        static struct plan copy; /* the plans are sorted later */
        copy = *plan;
        first_failed = &copy;
        json_decref(first_evidence);
        first_evidence = json_deep_copy(evidence);
    }
}

json_t *report_result(const struct plan *plan, json_t *evidence, double seconds)
{
    const struct test *test = plan->test;
    const char *verdict = json_string_value(json_object_get(evidence, "verdict"));
    bool passed = strcmp(verdict, "passed") == 0;
    if (strcmp(verdict, "blocked") == 0) {
        note_blocked(test, json_string_value(json_object_get(evidence, "reason")));
    } else {
        print_blocked();
        print_stage(plan);
        print_result(plan, evidence, verdict);
    }

    /* Programs written before "advice" existed find the first program's step and hint in the
     * test. */
    struct advice advice[2] = {0};
    size_t count = advice_for(plan, evidence, advice);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:i, s:s*}", "program", advice[i].program,
                                        "step", advice[i].step, "hint", advice[i].hint));
    if (strcmp(verdict, "failed") == 0)
        json_object_set_new(evidence, "facts", facts_of(evidence));
    json_object_del(evidence, "flushed");
    json_object_del(evidence, "client_started");
    json_object_update_new(
        evidence,
        json_pack("{s:s, s:s, s:s*, s:s*, s:s, s:i, s:i, s:i, s:f, s:s*, s:s, s:o}", "id",
                  test->id, "name", test->name, "stage",
                  run.staged ? stage_name(test->stage) : NULL, "needs", test->needs,
                  "judges",
                  test->judges == SERVER   ? "server"
                  : test->judges == CLIENT ? "client"
                                           : "pair",
                  "points", passed ? test->points : 0, "maximum", test->points, "step",
                  advice[0].step, "seconds", seconds, "hint", advice[0].hint, "cast",
                  plan->cast, "advice", list));
    return evidence;
}

/* Prints the points of each stage in one line, and the stages that were not run. */
static void print_stages(const struct totals *totals)
{
    bool stopped = false, any = false;
    for (enum stage stage = BASIC; stage <= ROBUST; stage++) {
        const struct stage_totals *sum = &totals->stages[stage];
        if (sum->run == 0 && sum->maximum == 0)
            continue;
        const char *shade = sum->run == 0                 ? YELLOW
                            : sum->points == sum->maximum ? GREEN
                                                          : RED;
        printf("  %s ", stage_name(stage));
        any = true;
        if (sum->run == 0)
            printf("%snot run%s", shade, PLAIN);
        else
            printf("%s%d/%d%s", shade, sum->points, sum->maximum, PLAIN);
        stopped = stopped || sum->stopped > 0;
    }
    if (any)
        puts(stopped ? "  (ALL=yes runs all stages)" : "");
}

/* Prints the failure to fix first once more, with its hints: it may have caused all others. */
static void print_first(const struct totals *totals)
{
    printf("  %sfix first%s  %s%s%s: %s\n", BOLD, PLAIN, first_failed->test->id,
           *first_failed->cast != '\0' ? ", " : "", first_failed->cast,
           json_string_value(json_object_get(first_evidence, "reason")));
    if (totals->lesson != NULL && totals->lesson_test != NULL)
        printf(MARGIN "%-10s a known mistake fails this test, too: %s\n", "lesson",
               totals->lesson);
    else if (totals->lesson != NULL)
        printf(MARGIN "%-10s a known mistake fails the same tests: %s\n", "lesson",
               totals->lesson);
    print_facts(first_evidence);
    print_advice(first_failed, first_evidence);
}

/* The same for programs that do not compile: what the compiler has printed. */
static void print_unbuilt(void)
{
    for (enum role role = SERVER; role <= CLIENT; role++) {
        if (run.unbuilt[role] == NULL)
            continue;
        printf("  %sfix first%s  %s\n", BOLD, PLAIN,
               printable(run.unbuilt[role], strlen(run.unbuilt[role])));
        char *rest = text("%s", run.compiler[role]);
        for (char *line; (line = strsep(&rest, "\n")) != NULL;)
            if (*line != '\0')
                printf(MARGIN "%s\n", printable(line, strlen(line)));
    }
}

/* After a failure of the basic stage, whose conversation it draws, names the command that draws what a
 * student's programs do. */
static void print_trace(void)
{
    static const char check[] = "make check";
    const char *work = getenv("WORK"); /* make exports it */
    bool possible = strcmp(run.lab, "08") < 0 && !on_windows() &&
                    system("command -v strace >/dev/null 2>&1") == 0;
    if (possible && !run.cell && strncmp(run.command, check, strlen(check)) == 0 &&
        work != NULL && *work != '\0')
        printf("  to see the calls and messages: make trace%s\n",
               run.command + strlen(check));
}

void report_end(const struct totals *totals)
{
    print_blocked();
    size_t i;
    json_t *line;
    json_array_foreach(gone_wrong, i, line)
    {
        printf("  %s\n", json_string_value(line));
    }
    if (totals->unbuilt > 0)
        print_unbuilt();
    else if (first_failed != NULL)
        print_first(totals);
    if (first_failed != NULL && first_failed->test->stage == BASIC &&
        totals->unbuilt == 0 && !totals->unfinished)
        print_trace();
    if (run.staged)
        print_stages(totals);
    const char *shade = totals->failed + totals->errors + totals->unbuilt > 0 ? RED
                                                                              : GREEN;
    printf("  %s%d of %d points%s: %d passed, %d failed, %d skipped", shade,
           totals->points, totals->maximum, PLAIN, totals->passed, totals->failed,
           totals->skipped);
    if (totals->blocked > 0)
        printf(", %d blocked", totals->blocked);
    if (totals->errors > 0)
        printf(", %d could not be judged (an error of the kit, not of the programs)",
               totals->errors);
    putchar('\n');
}

/* ---- The conversation --------------------------------------------------------------- */

void narrate(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    fputs(DIM, stdout);
    vprintf(format, values);
    puts(PLAIN);
    va_end(values);
    fflush(stdout);
}

static const char *abridged; /* the pattern, or NULL */
static size_t abridged_left; /* how many such lines are still shown before the "..." */

void abridge(const char *pattern, size_t count)
{
    abridged = pattern;
    abridged_left = count + 1;
}

void show_line(const char *program, const char *line, size_t length)
{
    if (abridged != NULL && fnmatch(abridged, line, 0) == 0) {
        if (abridged_left == 0)
            return;
        if (--abridged_left == 0)
            line = "...", length = 3;
    }
    char *safe = printable(line, length);
    /* The server's lines are on the left, the client's on the right, from either stream. */
    bool right = strncmp(line, "client", 6) == 0 ||
                 (strncmp(line, "server", 6) != 0 && strcmp(program, "client") == 0);
    printf("  %*s%s%s%s\n", right ? 40 : 0, "", right ? GREEN : YELLOW, safe, PLAIN);
    fflush(stdout);
    free(safe);
}
