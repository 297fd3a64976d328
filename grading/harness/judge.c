/*
 * judge.c - which tests run with which programs, and what comes of them.
 *
 * Each test is one run of libcheck, which forks a process for it. So an error in one test does
 * not affect the next. What must always happen after a test, for example the leak check, happens
 * here in the runner: libcheck does not run a test's own teardown if the test fails.
 */
#include "harness.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <math.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cell.h"
#include "folders.h"
#include "leaks.h"
#include "lessons.h"
#include "lint.h"
#include "options.h"
#include "processes.h"
#include "program.h"
#include "random.h"
#include "report.h"
#include "run.h"
#include "scratch.h"
#include "steps.h"
#include "system.h"
#include "tests.h"
#include "verdict.h"

#define USUAL_LIMIT 10.0 /* seconds that one wait may last on a usual machine */
#define SHORT_LIMIT 2.0  /* at least so long for a program that has done nothing right */
#define MOST_PLANS 768
#define PIPE_SIZE 65536  /* of a usual pipe */
#define MANY_SIGNALS 500 /* more than any test lets wait */
#define QUEUES 100000    /* bytes that a usual message queue needs */
#define MOST_FALLS 3     /* of Wine's server, in one test */
#define UNBUILT ""       /* in place of the file of a submission that does not compile */

static struct plan plans[MOST_PLANS];
static size_t plan_count;
static double long_limit; /* run.limit is shorter at first, if --first-limit says so */

/* What tests that passed have left, for the last test of the run. */
static json_t *all_findings;

bool private_names(void)
{
    return run.private_namespace || (run.system == WIN32 && !on_windows());
}

bool private_network(void)
{
    return run.private_namespace;
}

/* ---- Running one test --------------------------------------------------------------- */

static const char *explain(const char *verdict, const char *reason)
{
    if (strcmp(verdict, "failed") != 0)
        return reason;
    if (!run.plan->test->sanitized)
        return explain_end(reason);
    const char *report = sanitizer_report();
    return report != NULL ? report
                          : text("the sanitizers reported nothing, but %s", reason);
}

static void testify(json_t *evidence, const char *verdict)
{
    if (strcmp(verdict, "failed") != 0)
        return;
    if (json_object_get(evidence, "transcript") == NULL) {
        json_object_set_new(evidence, "waiting", who_waits(program_name));
        json_object_set_new(evidence, "transcript", transcript());
    }
    json_t *errors = error_lines(json_string_value(json_object_get(evidence, "reason")));
    if (json_array_size(errors) > 0)
        json_object_set_new(evidence, "stderr", errors);
    else
        json_decref(errors);
    for (enum role role = SERVER; role <= CLIENT; role++) {
        const char *call = failed_call(role);
        if (call != NULL)
            json_object_set_new(evidence,
                                role == SERVER ? "failed_server" : "failed_client",
                                json_string(call));
    }
    json_object_set_new(evidence, "flushed", json_boolean(was_flushed(evidence)));
    json_object_set_new(evidence, "client_started", json_boolean(was_started("client")));
    json_object_set_new(evidence, "killed", json_boolean(must_be_killed()));
}

static const struct witness witness = {explain, testify, end_programs};

START_TEST(run_plan)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlive the runner */
    /* If a program closes its input while we write, the write must fail, not kill us. */
    signal(SIGPIPE, SIG_IGN);
    run.plan = &plans[_i];
    seed_random(text("%s/%s", run.plan->test->id, run.plan->cast));
    const struct test *test = run.plan->test;
    if (test->sanitized && access(file_of(test->judges, NULL), X_OK) == -1)
        skip_test("needs a compiler with AddressSanitizer and UBSan");
    test->run();
    if (test->sanitized && sanitizer_report() != NULL)
        fail_test("the sanitizers have reported something");
    expect_written();
    json_t *evidence = json_object();
    if (run.transcript)
        json_object_set_new(evidence, "transcript", transcript());
    end_programs();
    hand_over(evidence, "passed");
}
END_TEST

static bool has_verdict(const json_t *evidence, const char *verdict)
{
    return strcmp(json_string_value(json_object_get(evidence, "verdict")), verdict) == 0;
}

/* Returns a number that tells apart whose programs play in a test. It is never 0. */
static unsigned players_of(const struct plan *plan)
{
    return 1 + !is_ours(plan->server) + 2 * !is_ours(plan->client) +
           4 * (plan->submission != NULL);
}

/* The next four are about what the kernel limits for a user, not for a process: programs of other
 * tests may have taken it. */

static bool pipes_are_small(void)
{
    int ends[2], size = 0;
    if (pipe2(ends, O_CLOEXEC) == 0) {
        size = fcntl(ends[0], F_GETPIPE_SZ);
        close(ends[0]);
        close(ends[1]);
    }
    return size < PIPE_SIZE;
}

static bool signals_are_few(void)
{
    struct rlimit own;
    sigset_t one, before;
    int queued = 0;
    if (getrlimit(RLIMIT_SIGPENDING, &own) == -1 || own.rlim_cur < MANY_SIGNALS)
        return false; /* others are not the reason */
    sigemptyset(&one);
    sigaddset(&one, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &one, &before);
    while (queued < MANY_SIGNALS && sigqueue(getpid(), SIGRTMIN, (union sigval){0}) == 0)
        queued++;
    for (int i = 0; i < queued; i++)
        sigwaitinfo(&one, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return queued < MANY_SIGNALS;
}

static bool queues_are_full(void)
{
    static const char name[] = "/a_queue_of_the_checker";
    struct rlimit own;
    if (getrlimit(RLIMIT_MSGQUEUE, &own) == -1 || own.rlim_cur < QUEUES)
        return false;
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
    if (queue == (mqd_t)-1)
        return errno == EMFILE;
    mq_close(queue);
    mq_unlink(name);
    return false;
}

/* A descriptor that was sent in a message (SCM_RIGHTS) is on its way until it is received. The kernel
 * compares how many of a user's are, with the sender's limit of open descriptors. Take that of a
 * program under test. */
static bool descriptors_are_on_their_way(void)
{
    struct rlimit own;
    int ends[2];
    if (getrlimit(RLIMIT_NOFILE, &own) == -1 ||
        socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == -1)
        return false;
    struct rlimit lower = own;
    if (lower.rlim_cur > most_descriptors())
        lower.rlim_cur = most_descriptors();

    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *sent = CMSG_FIRSTHDR(&message);
    sent->cmsg_level = SOL_SOCKET;
    sent->cmsg_type = SCM_RIGHTS;
    sent->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(sent), &ends[0], sizeof(int));
    setrlimit(RLIMIT_NOFILE, &lower);
    bool too_many = sendmsg(ends[0], &message, 0) == -1 && errno == ETOOMANYREFS;
    setrlimit(RLIMIT_NOFILE, &own);
    close(ends[0]);
    close(ends[1]);
    return too_many;
}

/* Returns what others have taken, or NULL. That must cost nobody points. */
static const char *taken_by_others(void)
{
    if (pipes_are_small())
        return "the memory of pipes";
    if (signals_are_few())
        return "the signals that may wait";
    if (queues_are_full())
        return "the memory of message queues";
    if (descriptors_are_on_their_way())
        return "the descriptors that may be on their way";
    return NULL;
}

/* Runs plan `number` under libcheck. Returns its evidence, which always has a verdict. */
static json_t *judge_once(size_t number)
{
    make_scratch();
    open_place(players_of(&plans[number]));
    clear_evidence();
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
        /* The test's own process has ended early: that is an error of the kit. */
        const char *message = text("the test's own process gave no verdict: %s",
                                   srunner_ntests_run(runner) > 0 ? tr_msg(results[0])
                                                                  : "it did not run");
        evidence = json_pack("{s:s, s:s}", "verdict", "error", "reason",
                             printable(message, strlen(message)));
    }
    free(results);
    srunner_free(runner);

    json_t *left = check_for_leaks();
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
    plans[number].left = passed && json_array_size(left) > 0;
    close_place(!has_verdict(evidence, "failed") && json_array_size(left) == 0);
    const char *taken = NULL;
    if (run.cell && ended == NULL && has_verdict(evidence, "failed"))
        taken = taken_by_others();
    if (taken != NULL) {
        json_object_set_new(evidence, "verdict", json_string("error"));
        json_object_set_new(evidence, "reason",
                            json_sprintf("other programs have taken %s", taken));
    }
    /* What a program leaves that was killed, or that ends at a step not yet written, is no mistake. */
    bool excused = has_verdict(evidence, "failed") &&
                   (json_is_true(json_object_get(evidence, "killed")) ||
                    json_object_get(evidence, "unwritten") != NULL);
    json_object_del(evidence, "killed");
    if (json_array_size(left) > 0 && !excused)
        json_object_set_new(evidence, "left", left);
    else
        json_decref(left);
    return evidence;
}

/* The same, and repeats the test if Wine's server has crashed. It sometimes crashes when many
 * connections break at once, and all Windows programs end with it. That is not the fault of the
 * programs. If it crashes at the end of a test, a new server is started before the next test. */
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

#define TIDY_UP \
    "Wait for what the program starts; close and remove what it creates, on every way out."

/* The last test of every run: it judges what the leak check found after the others. */
static void leaves_nothing_behind(void)
{
    size_t count = json_array_size(all_findings);
    if (count == 0)
        return;
    json_t *evidence = json_object();
    json_object_set(evidence, "left", all_findings);
    look_at(SERVER, last_step("server"), TIDY_UP);
    look_at(CLIENT, last_step("client"), TIDY_UP);
    fail_with_evidence(evidence,
                       "expected nothing to be left after the programs ended, got %zu "
                       "process%s or named object%s: %s",
                       count, count == 1 ? "" : "es", count == 1 ? "" : "s",
                       json_string_value(json_array_get(all_findings, 0)));
}

static const struct test leak_test = {
    .id = "leaves_nothing_behind",
    .name = "no process and no named object is left after a conversation",
    .judges = PAIR,
    .points = 2,
    .hint = TIDY_UP,
    .client_hint = TIDY_UP,
    .run = leaves_nothing_behind,
};

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

static void add_plan(const struct test *test, const char *server, const char *client,
                     const char *submission, const char *cast)
{
    if (plan_count < MOST_PLANS)
        plans[plan_count] = (struct plan){.test = test,
                                          .server = server,
                                          .client = client,
                                          .submission = submission,
                                          .cast = cast,
                                          .number = plan_count};
    plan_count += plan_count < MOST_PLANS;
}

/* Returns the name of the program `path`, or "" if it is "server" or "client". */
static const char *variant_name(const char *path, const char *role)
{
    if (is_named(path, role))
        return "";
    const char *base = strrchr(path, '/') + 1;
    return text("%.*s", (int)(strlen(base) - strlen(program_suffix())), base);
}

/* Returns the file of our own program for `role`: the robust one if there is one, because the
 * partner of a wrong program must not fail with it. */
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

static int by_stage(const void *one, const void *other)
{
    const struct plan *a = one, *b = other;
    if (a->test->stage != b->test->stage)
        return a->test->stage < b->test->stage ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* The order in which the tests run. Under Wine a cell is used again for the same players, so these
 * come together: all stages of the server, then of the client, then of both. */
static int by_place(const void *one, const void *other)
{
    const struct plan *a = one, *b = other;
    if (run.cell && run.system == WIN32 && players_of(a) != players_of(b))
        return players_of(a) < players_of(b) ? -1 : 1;
    return by_stage(one, other);
}

/* Returns whether the test is for the other system only. */
static bool is_for_other(const struct test *test)
{
    return run.system == WIN32 ? test->unix_only : test->win32_only;
}

/* Without a submission our own programs are judged, and every test runs once. A submission is
 * judged with our program as its partner. If there are two, they are also judged together. The
 * stages run in their order, and the tests of a stage in the order of the source. */
static void make_plans(const struct choices *choices)
{
    const char *our_server = our_program("server", choices->plain);
    const char *our_client = our_program("client", choices->plain);
    const char *server = choices->server ? program_in(choices->server, "server")
                         : run.unbuilt[SERVER] != NULL ? UNBUILT
                                                       : our_server;
    const char *client = choices->client ? program_in(choices->client, "client")
                         : run.unbuilt[CLIENT] != NULL ? UNBUILT
                                                       : our_client;
    bool has_server = choices->server != NULL || run.unbuilt[SERVER] != NULL;
    bool has_client = choices->client != NULL || run.unbuilt[CLIENT] != NULL;
    const char *submission = choices->program ? program_in(choices->program, "") : NULL;
    bool submissions = has_server || has_client;
    run.submissions[0] = choices->server != NULL ? server : NULL;
    run.submissions[1] = choices->client != NULL ? client : NULL;
    run.submissions[2] = submission;
    run.variant = submission != NULL                ? variant_name(submission, "")
                  : !choices->server && submissions ? ""
                                                    : variant_name(server, "server");
    if (*run.variant == '\0' && strcmp(client, UNBUILT) != 0)
        run.variant = variant_name(client, "client");

    for (size_t i = 0; i < test_count; i++) {
        const struct test *test = tests[i];
        if (is_for_other(test))
            continue;
        if (test->stage > choices->last_stage)
            continue;
        if (test->pair != NULL && strcmp(test->pair, run.pair) != 0)
            continue;
        if (submission != NULL) {
            if (test->only != NULL && is_named(submission, test->only))
                add_plan(test, our_server, our_client, submission, "");
        } else if (test->only != NULL) {
            if (!submissions && *run.pair == '\0')
                add_plan(test, our_server, our_client, NULL, "");
        } else if (test->judges == SERVER) {
            if (!submissions || has_server)
                add_plan(test, server, our_client, NULL, "");
        } else if (test->judges == CLIENT) {
            if (!submissions || has_client)
                add_plan(test, our_server, client, NULL, "");
        } else if (!submissions) {
            add_plan(test, our_server, our_client, NULL, "");
        } else {
            if (has_server)
                add_plan(test, server, our_client, NULL, "this server, our client");
            if (has_client)
                add_plan(test, our_server, client, NULL, "our server, this client");
            if (has_server && has_client)
                add_plan(test, server, client, NULL, "this server, this client");
        }
    }
    qsort(plans, plan_count, sizeof *plans, by_place);
    add_plan(&leak_test, server, client, NULL, "");
    plans[plan_count - 1].comes_last = true;
}

/* Returns whether `id` matches one of the `patterns`, which commas separate. */
static bool matches(const char *patterns, const char *id)
{
    char *rest = text("%s", patterns);
    for (char *pattern; (pattern = strtok_r(rest, ",", &rest)) != NULL;)
        if (fnmatch(pattern, id, 0) == 0)
            return true;
    return false;
}

static bool chosen(const struct choices *choices, const struct plan *plan)
{
    return choices->only == NULL || matches(choices->only, plan->test->id) ||
           strcmp(choices->only, leak_test.id) == 0;
}

/* Returns whether any test matches one of the `patterns`, even one for other programs than those of
 * this run. */
static bool is_known(const char *patterns)
{
    for (size_t i = 0; i < test_count; i++)
        if (matches(patterns, tests[i]->id))
            return true;
    return false;
}

/* ---- The run ------------------------------------------------------------------------ */

static void open_run(void)
{
    run.runner = getpid();
    const char *private = getenv("PRIVATE_NAMESPACE");
    run.private_namespace = private != NULL && strcmp(private, "yes") == 0;
    if (run.cell && !run.private_namespace)
        kit_error(
            "--cell needs a private namespace around it: grading/harness/private-namespace --bare");
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
        kit_error("prctl: %s", strerror(errno));
    open_evidence();
    call_witness(&witness);

    /* build/labs/LAB/check finds build/ by its own path. */
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
    run.seed &= 0xFFFFFFFF; /* eight digits are short enough to type */
    seed_random("");
    random_word(run.mark, 5);

    if (run.cell)
        own_mounts();
    make_scratch();
}

/* Compares the failures with the expected ones. Returns the exit code. */
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
        if (id[strlen(id) - 1] == '?') /* it may fail: a race decides */
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
    stage->stopped += blocked && json_object_get(result, "blocked_by") == NULL &&
                      json_object_get(result, "unbuilt") == NULL;
    stage->points += points;
    stage->maximum += judged ? plan->test->points : 0;
}

/* Returns whether every submission that takes part in `plan` also takes part in `other`. */
static bool has_submissions_of(const struct plan *other, const struct plan *plan)
{
    return (is_ours(plan->server) || strcmp(plan->server, other->server) == 0) &&
           (is_ours(plan->client) || strcmp(plan->client, other->client) == 0);
}

/* Returns what the test `id` needs, or NULL. */
static const char *needs_of(const char *id)
{
    for (size_t i = 0; i < test_count; i++)
        if (strcmp(tests[i]->id, id) == 0)
            return tests[i]->needs;
    return NULL;
}

/* Returns a plan that judges programs of `plan` by the test that it needs, or NULL. With `failed` only
 * one by which they have failed, or were blocked. If that test judges none of these programs, as a test
 * of servers does not judge a client, what it needs itself counts. */
static const struct plan *needed_by(const struct plan *plan, bool failed)
{
    bool judged = false;
    for (const char *id = plan->test->needs; id != NULL && !judged; id = needs_of(id))
        for (size_t i = 0; i < plan_count; i++)
            if (strcmp(plans[i].test->id, id) == 0 &&
                has_submissions_of(plan, &plans[i])) {
                judged = true;
                if (!failed || plans[i].failed != NULL)
                    return &plans[i];
            }
    return NULL;
}

/* Returns the test that `plan` needs and its programs have not passed, or NULL. If that test was
 * blocked itself, returns the one that blocked it. The leak check needs the first basic test of every
 * program: without a conversation nothing can be left. */
static const struct test *blocker_of(const struct plan *plan)
{
    for (size_t i = 0; run.staged && plan->test == &leak_test && i < plan_count; i++)
        if (plans[i].test->stage == BASIC && plans[i].failed == plans[i].test &&
            needed_by(&plans[i], false) == NULL)
            return plans[i].failed;
    const struct plan *needed = needed_by(plan, true);
    return needed != NULL ? needed->failed : NULL;
}

/* Two submissions have failed the test of `plan` together. If one of them has passed it with our
 * program, and the other has not, the other is to blame. */
static void clear_one(struct plan *plan)
{
    bool server = false, client = false;
    for (size_t i = 0; i < plan_count; i++)
        if (plans[i].test == plan->test && plans[i].passed) {
            server = server || (strcmp(plans[i].server, plan->server) == 0 &&
                                is_ours(plans[i].client));
            client = client || (strcmp(plans[i].client, plan->client) == 0 &&
                                is_ours(plans[i].server));
        }
    plan->cleared[SERVER] = server && !client;
    plan->cleared[CLIENT] = client && !server;
}

/* If only one of the programs has left something with our partner, the other has no part in the failed
 * leak check, whose plan is `last`. */
static void clear_tidy(struct plan *last)
{
    bool server = false, client = false;
    for (size_t i = 0; i < plan_count; i++)
        if (plans[i].left) {
            server = server || is_ours(plans[i].client);
            client = client || is_ours(plans[i].server);
        }
    last->cleared[SERVER] = client && !server;
    last->cleared[CLIENT] = server && !client;
}

/* Returns the evidence of a test that is not run because its programs have failed the test `by`,
 * or a stage. */
static json_t *blocked(const char *reason, const struct test *by)
{
    return json_pack("{s:s, s:s, s:s*}", "verdict", "blocked", "reason", reason,
                     "blocked_by", by != NULL ? by->id : NULL);
}

/* Returns the evidence of a test for which no time was left. That is no verdict: the machine may
 * have been busy. */
static json_t *not_begun(double time)
{
    return json_pack("{s:s, s:o, s:b}", "verdict", "error", "reason",
                     json_sprintf("the test was not started: the tests before it took "
                                  "more than %g seconds",
                                  time),
                     "not_begun", true);
}

/* What the submissions of a plan have shown so far. */
enum record {
    RIGHT,   /* none has failed a test */
    WRONG,   /* one has failed a test */
    HOPELESS /* ... and has passed none */
};

/* Chosen tests and proofs (--test, --all, --must-fail) have whole waits. */
static enum record record_of(const struct choices *choices, const struct plan *plan)
{
    enum record record = RIGHT;
    if (!run.staged || choices->only != NULL || choices->all || choices->must_fail)
        return RIGHT;
    for (enum role role = SERVER; role <= CLIENT; role++) {
        const char *program = role == SERVER ? plan->server : plan->client;
        bool failed = false, passed = is_ours(program);
        for (size_t i = 0; i < plan_count; i++) {
            const char *other = role == SERVER ? plans[i].server : plans[i].client;
            if (strcmp(other, program) == 0) {
                failed = failed || plans[i].failed == plans[i].test;
                passed = passed || plans[i].passed;
            }
        }
        if (failed && !passed)
            return HOPELESS;
        if (failed)
            record = WRONG;
    }
    return record;
}

/* Judges a plan whose programs have this record. Those that are wrong must not take much longer than those
 * that are right: their waits are short, if they do nothing right, or not much longer while lines come. */
static json_t *judge_by_record(size_t number, enum record record)
{
    static const int limits_per_wait[] = {
        [RIGHT] = LIMITS_PER_WAIT, [WRONG] = 2, [HOPELESS] = 1};
    double usual = run.limit;
    run.limits_per_wait = limits_per_wait[record];
    if (record != HOPELESS)
        return judge_in_time(number);
    run.limit = fmin(usual, fmax(SHORT_LIMIT, usual / 3));
    json_t *evidence = judge(number);
    run.limit = usual;
    return evidence;
}

/* Judges plan `number`, or finds a reason not to run it. With --must-fail no test is blocked: all
 * tests named must fail. */
static json_t *judge_or_block(const struct choices *choices, size_t number,
                              const struct totals *totals, double spent)
{
    struct plan *plan = &plans[number];
    enum role role = strcmp(plan->server, UNBUILT) == 0 ? SERVER : CLIENT;
    if (strcmp(role == SERVER ? plan->server : plan->client, UNBUILT) == 0 &&
        (plan->test != &leak_test || run.submissions[1 - role] == NULL))
        return json_pack("{s:s, s:s, s:b}", "verdict", "blocked", "reason",
                         run.unbuilt[role], "unbuilt", true);
    for (enum stage stage = BASIC; choices->stop && stage < plan->test->stage; stage++)
        if (totals->stages[stage].failed > 0)
            return blocked(text("the %s stage has failures", stage_name(stage)), NULL);
    plan->failed = choices->all || choices->must_fail ? NULL : blocker_of(plan);
    if (plan->failed != NULL)
        return blocked(text("fix %s first", plan->failed->id), plan->failed);
    if (choices->time > 0 && spent > choices->time && plan->test != &leak_test)
        return not_begun(choices->time);
    json_t *evidence = judge_by_record(number, record_of(choices, plan));
    if (has_verdict(evidence, "failed")) {
        plan->failed = plan->test;
        plan->reason = text("%s", json_string_value(json_object_get(evidence, "reason")));
        plan->transcript = "";
        size_t i;
        json_t *line;
        json_array_foreach(json_object_get(evidence, "transcript"), i, line)
        {
            plan->transcript = text("%s%s\n", plan->transcript, json_string_value(line));
        }
        if (plan->test == &leak_test)
            clear_tidy(plan);
        else if (!is_ours(plan->server) && !is_ours(plan->client))
            clear_one(plan);
    }
    plan->passed = has_verdict(evidence, "passed");
    return evidence;
}

static json_t *run_plans(const struct choices *choices, struct totals *totals)
{
    static json_t *of_plan[MOST_PLANS];
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
        totals->unfinished = totals->unfinished ||
                             json_object_get(result, "unwritten") != NULL ||
                             json_object_get(result, "unstarted") != NULL;
        of_plan[plans[i].number] = result;
    }
    if (plan_count > 0) /* the last is the leak check */
        qsort(plans, plan_count - 1, sizeof *plans, by_stage);
    for (size_t i = 0; i < plan_count; i++)
        if (of_plan[plans[i].number] != NULL)
            json_array_append_new(results, of_plan[plans[i].number]);
    if (choices->must_fail == NULL && totals->failed > 0 && !totals->unfinished)
        totals->lesson = closest_lesson(plans, plan_count, &totals->lesson_test);
    report_end(totals);
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
        "{s:s, s:s, s:s, s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s*, s:s*, s:f, s:o, s:O}",
        "lab", run.lab, "title", run.title, "system",
        run.system == UNIX ? "unix" : "win32", "seed",
        json_sprintf("0x%08llx", (unsigned long long)run.seed), "passed", totals->passed,
        "failed", totals->failed, "skipped", totals->skipped, "errors", totals->errors,
        "blocked", totals->blocked, "unbuilt", totals->unbuilt, "points", totals->points,
        "maximum", totals->maximum, "lesson", totals->lesson, "lesson_test",
        totals->lesson_test, "limit", long_limit, "stages", stages, "tests", results);
    /* Our caller may have opened a file that we could not open. */
    int number, end = 0;
    if (sscanf(path, "/dev/fd/%d%n", &number, &end) != 1 || path[end] != '\0')
        number = -1;
    if (whole == NULL ||
        (number != -1 ? json_dumpfd(whole, number, JSON_INDENT(2))
                      : json_dump_file(whole, path, JSON_INDENT(2))) == -1)
        kit_error("%s: cannot be written", path);
    json_decref(whole);
}

/* Prints every test, or those of one system, of a pair, or that --test names: id, stage, points, sentence, and
 * its programs, if it is not for all. */
static int list_tests(const struct choices *choices)
{
    for (enum stage stage = BASIC; stage <= ROBUST; stage++)
        for (size_t i = 0; i <= test_count; i++) {
            const struct test *test = i < test_count ? tests[i] : &leak_test;
            bool others = test->only != NULL ||
                          (test->pair != NULL && *test->pair != '\0');
            if (test->stage != stage || (choices->list_pair && others) ||
                (choices->named && is_for_other(test)) ||
                (choices->only != NULL && !matches(choices->only, test->id)))
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

/* Shows the conversation in a child, like a test, and cleans up after it. */
static int show_conversation(void (*conversation)(void))
{
    static struct test shown = {.id = "conversation",
                                .name = "the conversation",
                                .judges = PAIR};
    shown.run = conversation;
    run.show = true;
    report_title();
    putchar('\n');
    plans[0].server =
        plans[plan_count - 1].server; /* the last plan has all submissions */
    plans[0].client = plans[plan_count - 1].client;
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

/* The runner. Returns the exit code of the run. */
static int run_all(const struct choices *options, void (*conversation)(void))
{
    struct choices choices = *options;
    struct totals totals = {.unbuilt = (run.unbuilt[SERVER] != NULL) +
                                       (run.unbuilt[CLIENT] != NULL)};
    open_run();
    make_plans(&choices);
    double factor = open_system();
    long_limit = choices.limit * factor;
    run.limit = choices.first_limit > 0 && choices.first_limit < choices.limit
                    ? choices.first_limit * factor
                    : long_limit;
    run.limits_per_wait = LIMITS_PER_WAIT;
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
               : totals.failed + totals.unbuilt > 0 ? 1
                                                    : 0;
        if (json_array_size(results) == 0 && !is_known(choices.only)) {
            fprintf(stderr, "check: no test fits %s; make list LAB=%.2s shows the ids\n",
                    choices.only, run.lab);
            code = 2;
        }
    }
    close_system();
    return code;
}

/* ---- The keeper --------------------------------------------------------------------- */

/* Waits for the end of `runner`. A signal that asks us to end kills it at once. Returns that
 * signal, or 0, and in `*status` how the runner ended. */
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
        return list_tests(&choices);

    /* If a standard stream is closed, a pipe of ours must not get its number. */
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
        if (usual.sa_handler != SIG_IGN) /* nohup sets it */
            sigaddset(&signals, requests[i]);
    }
    sigprocmask(SIG_BLOCK, &signals, &before);

    run.runner = getpid(); /* for now, and for kill_all() */
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
    if (interruption != 0) { /* our caller must see that a signal ended us */
        signal(interruption, SIG_DFL);
        raise(interruption);
    }
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    fprintf(stderr, "check: the checker itself was ended by signal %d\n",
            WTERMSIG(status));
    return 3;
}
