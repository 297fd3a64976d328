/*
 * report.c - verdicts, for people on a terminal or in a file, and as JSON for programs.
 *
 * What a program under test printed is shown only as quoted() or printable() write it, and
 * behind a margin, so no output of theirs can move the cursor, change a colour or forge a line
 * of the report.
 */
#include "inside.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARGIN "             "

static const char *colour(const char *code)
{
    static int terminal = -1;
    if (terminal == -1) /* make, which collects our output, tells where it will put it */
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

/* Prints which stage begins, if it is another than that of the test before. */
static void print_stage(enum stage stage)
{
    static const char *const subjects[] = {
        "one client, a few short messages, a clean end",
        "the whole contract, with peers that behave well",
        "peers that are killed, silent or flooding; restarts; leaks"};
    static int last = -1;
    if (!run.staged || (int)stage <= last)
        return;
    last = (int)stage;
    printf("  %s%s: %s%s\n", DIM, stage_name(stage), subjects[stage], PLAIN);
}

static void print_excerpt(const char *name, const json_t *excerpt, bool mark)
{
    if (excerpt == NULL)
        return;
    long long from = json_integer_value(json_object_get(excerpt, "from"));
    long long bytes = json_integer_value(json_object_get(excerpt, "bytes"));
    int column = (int)json_integer_value(json_object_get(excerpt, "mark"));
    const char *string = json_string_value(json_object_get(excerpt, "text"));
    printf(MARGIN "%-10s %s  (%lld byte%s", name, string, bytes, bytes == 1 ? "" : "s");
    printf(from > 0 ? ", from byte %lld)\n" : ")\n", from);
    if (!mark)
        return;
    /* The mark stands under a character; what counts is columns, not bytes of UTF-8. */
    int columns = 0;
    for (int i = 0; i < column; i++)
        columns += (string[i] & 0xC0) != 0x80;
    printf(MARGIN "%-10s %*s%s^ the first difference%s\n", "", columns, "", RED, PLAIN);
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

/* Prints a title from where it begins in its source, on to further lines of the comment: its
 * first sentence, or what of that stands before a colon. */
static void print_sentence(const char *title, FILE *source)
{
    char line[512];
    do {
        size_t length = strcspn(title, ".:*\n");
        printf(" %.*s", (int)length, title);
        if (title[length] != '\n' || fgets(line, sizeof line, source) == NULL)
            break;
        title = line + strspn(line, " \t");
        if (title[0] == '*' && title[1] == ' ')
            title += 2;
    } while (true);
}

/* What to look at in one of the programs that are judged: a STEP, or 0, and a hint, or NULL. */
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

/* The advice for each program that `plan` judges, in `advice`, which has room for two. Returns how
 * many there are. A pair's test has advice for the server and for the client: only the program
 * that is judged gets its own. */
static size_t advice_for(const struct plan *plan, const json_t *evidence,
                         struct advice *advice)
{
    const struct test *test = plan->test;
    size_t count = 0;
    const char *hint = hint_of_system(test->hint, test->hint_unix, test->hint_win32);
    if (strstr(plan->cast, "our server") == NULL)
        advice[count++] = (struct advice){test->only != NULL       ? test->only
                                          : test->judges == CLIENT ? "client"
                                                                   : "server",
                                          test->step, hint};
    if (test->judges == PAIR && test->only == NULL &&
        strstr(plan->cast, "our client") == NULL)
        advice[count++] = (struct advice){"client", test->client_step,
                                          hint_of_system(test->client_hint,
                                                         test->client_hint_unix,
                                                         test->client_hint_win32)};
    /* The test has been at another place than the one that it is about. */
    const json_t *place = json_object_get(evidence, "look_at");
    for (size_t i = 0; i < count && place != NULL; i++)
        if (strcmp(advice[i].program,
                   json_string_value(json_object_get(place, "program"))) == 0) {
            advice[i].step = (int)json_integer_value(json_object_get(place, "step"));
            advice[i].hint = json_string_value(json_object_get(place, "hint"));
        }
    return count;
}

/* Prints which STEP to look at, in the words of our own program. */
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

/* Prints for each program that `plan` judges which STEP to look at, and what to look for. */
static void print_advice(const struct plan *plan, const json_t *evidence)
{
    struct advice advice[2];
    size_t count = advice_for(plan, evidence, advice);
    for (size_t i = 0; i < count; i++) {
        if (advice[i].step > 0)
            print_step(plan->test, &advice[i]);
        /* With two programs about, a hint says which of them it is for. */
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
    print_list("note", json_object_get(evidence, "notes"));
    print_excerpt("sent", json_object_get(evidence, "sent"), false);
    print_excerpt("expected", json_object_get(evidence, "expected"), false);
    print_excerpt("received", json_object_get(evidence, "received"), true);
    print_list("waiting", json_object_get(evidence, "waiting"));
    print_list("left", json_object_get(evidence, "left"));
    print_list("transcript", json_object_get(evidence, "transcript"));
    print_advice(plan, evidence);
    printf(MARGIN "%-10s %s TEST=%s SEED=0x%08llx\n", "again", run.command, test->id,
           (unsigned long long)run.seed);
}

/* What went wrong, a line for each test, repeated at the end: by then the tests themselves may have
 * scrolled away. And the first failure: what to mend first. */
static json_t *gone_wrong;
static const struct plan *first_failed;
static json_t *first_evidence;

/* Tests that were blocked since the last line about them, and why. */
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

/* Prints the verdict of a test that was run, and what explains it. */
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
    if (failed)
        print_failure(plan, evidence);
    else
        print_list("left", json_object_get(evidence, "left"));
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
    if (failed && first_failed == NULL) {
        first_failed = plan;
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
        print_stage(test->stage);
        print_result(plan, evidence, verdict);
    }

    /* Readers of the time before "advice" find the first program's step and hint in the test. */
    struct advice advice[2] = {0};
    size_t count = advice_for(plan, evidence, advice);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:i, s:s*}", "program", advice[i].program,
                                        "step", advice[i].step, "hint", advice[i].hint));
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

/* Prints the points of each stage in one line, and which were not run. */
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

/* Prints the failure to mend first once more, with its hints: all else may come of it. */
static void print_first(const char *lesson)
{
    printf("  %sfix first%s  %s%s%s: %s\n", BOLD, PLAIN, first_failed->test->id,
           *first_failed->cast != '\0' ? ", " : "", first_failed->cast,
           json_string_value(json_object_get(first_evidence, "reason")));
    if (lesson != NULL)
        printf(MARGIN "%-10s a known mistake fails the same tests: %s\n", "lesson",
               lesson);
    print_list("note", json_object_get(first_evidence, "notes"));
    print_list("waiting", json_object_get(first_evidence, "waiting"));
    print_advice(first_failed, first_evidence);
}

void report_end(const struct totals *totals, const char *lesson)
{
    print_blocked();
    size_t i;
    json_t *line;
    json_array_foreach(gone_wrong, i, line)
    {
        printf("  %s\n", json_string_value(line));
    }
    if (first_failed != NULL && (totals->failed + totals->blocked > 1 || lesson != NULL))
        print_first(lesson);
    if (run.staged)
        print_stages(totals);
    const char *shade = totals->failed + totals->errors > 0 ? RED : GREEN;
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
static size_t abridged_left; /* how many such lines are shown yet, and then the "..." */

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
    /* The server speaks on the left, the client on the right, whichever stream it came by. */
    bool right = strncmp(line, "client", 6) == 0 ||
                 (strncmp(line, "server", 6) != 0 && strcmp(program, "client") == 0);
    printf("  %*s%s%s%s\n", right ? 40 : 0, "", right ? GREEN : YELLOW, safe, PLAIN);
    fflush(stdout);
    free(safe);
}
