/*
 * verdict.c - how a test ends: verdict, reason and evidence.
 */
#include "verdict.h"

#include <check.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipclab.h"
#include "run.h"

#define BYTES_IN_REPORT 160 /* of a long message, this much around the first difference */
#define BYTES_OF_REASON 360

/* The file in memory by which a test passes its evidence to the runner. */
static int evidence_file = -1;

static const struct witness *witness;

void call_witness(const struct witness *called)
{
    witness = called;
}

void open_evidence(void)
{
    evidence_file = memfd_create("evidence", MFD_CLOEXEC);
    if (evidence_file == -1)
        kit_error("memfd_create: %s", strerror(errno));
}

void clear_evidence(void)
{
    if (ftruncate(evidence_file, 0) == -1)
        kit_error("ftruncate: %s", strerror(errno));
}

json_t *load_evidence(void)
{
    lseek(evidence_file, 0, SEEK_SET);
    json_t *evidence = json_loadfd(evidence_file, 0, NULL);
    if (json_is_string(json_object_get(evidence, "verdict")))
        return evidence;
    json_decref(evidence);
    return NULL;
}

/* The arguments of look_at(), for each role. */
static struct {
    int step;
    const char *hint;
    const char *call, *waiting; /* the hint if the program waits in that call, or NULL */
} places[] = {[SERVER] = {0, NULL, NULL, NULL}, [CLIENT] = {0, NULL, NULL, NULL}};

/* The arguments of look_at_error() and look_at_client_error(): `role` is to look there if a call of the
 * program that plays `failed` matches the pattern. */
#define MOST_ERROR_PLACES 4
static struct {
    enum role failed, role;
    const char *pattern, *hint;
    int step;
} error_places[MOST_ERROR_PLACES];

static size_t error_place_count;

void look_at(enum role role, int step, const char *hint)
{
    places[role].step = step;
    places[role].hint = hint;
    places[role].call = NULL;
    size_t kept = 0;
    for (size_t i = 0; i < error_place_count; i++)
        if (error_places[i].role != role || error_places[i].failed != role)
            error_places[kept++] = error_places[i];
    error_place_count = kept;
}

void look_at_waiting(enum role role, const char *call, const char *hint)
{
    places[role].call = call;
    places[role].waiting = hint;
}

static void note_error(enum role failed, enum role role, const char *pattern, int step,
                       const char *hint)
{
    if (error_place_count == MOST_ERROR_PLACES)
        kit_error("a test looks at more than %d errors", MOST_ERROR_PLACES);
    size_t i = error_place_count++;
    error_places[i].failed = failed;
    error_places[i].role = role;
    error_places[i].pattern = pattern;
    error_places[i].step = step;
    error_places[i].hint = hint;
}

void look_at_error(enum role role, const char *pattern, int step, const char *hint)
{
    note_error(role, role, pattern, step, hint);
}

void look_at_client_error(const char *pattern, int step, const char *hint)
{
    note_error(CLIENT, SERVER, pattern, step, hint);
}

/* What in_case() has noted, or NULL. */
static const char *present_case;

void in_case(const char *format, ...)
{
    va_list values;
    char *words = NULL;
    va_start(values, format);
    if (format != NULL && vasprintf(&words, format, values) == -1)
        abort();
    va_end(values);
    present_case = words;
}

/* Returns the hint of look_at(), or that for a program that waits in a call. */
static const char *hint_for(enum role role, const json_t *evidence)
{
    const char *name = text("%s (process ", role == SERVER ? "server" : "client");
    const char *wait = text(" waits in %s ",
                            places[role].call != NULL ? places[role].call : "");
    size_t i;
    json_t *sentence;
    json_array_foreach(json_object_get(evidence, "waiting"), i, sentence)
    {
        const char *words = json_string_value(sentence);
        if (places[role].call != NULL && strncmp(words, name, strlen(name)) == 0 &&
            strstr(words, wait) != NULL)
            return places[role].waiting;
    }
    return places[role].hint;
}

void hand_over(json_t *evidence, const char *verdict)
{
    for (size_t i = 0; i < error_place_count; i++) {
        const char *name = error_places[i].failed == SERVER ? "failed_server"
                                                            : "failed_client";
        const char *error = json_string_value(json_object_get(evidence, name));
        if (error == NULL || fnmatch(error_places[i].pattern, error, 0) != 0)
            continue;
        enum role role = error_places[i].role;
        places[role].step = error_places[i].step;
        places[role].hint = error_places[i].hint;
        places[role].call = NULL;
        json_object_del(evidence, name); /* the test knows what it means */
    }
    for (enum role role = SERVER; role <= CLIENT; role++)
        if (places[role].step > 0)
            json_object_set_new(evidence,
                                role == SERVER ? "look_at_server" : "look_at_client",
                                json_pack("{s:i, s:s*}", "step", places[role].step,
                                          "hint", hint_for(role, evidence)));
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
    if (run.plan == NULL) { /* no test runs yet, so this is an error of the kit */
        fprintf(stderr, "check: %s\n", reason);
        exit(3);
    }
    reason = text("%s", witness->explain(verdict, reason));
    if (present_case != NULL && strcmp(verdict, "failed") == 0 &&
        json_object_get(evidence, "unwritten") == NULL)
        reason = text("%s: %s", present_case, reason);
    /* A reason may quote what a program printed, and JSON accepts only UTF-8. It is cut, because
     * nobody reads a megabyte. libcheck gets only the verdict: more than 8 kB would end the
     * process. */
    size_t length = strlen(reason);
    json_object_set_new(evidence, "reason",
                        json_sprintf("%s%s",
                                     printable(reason, length > BYTES_OF_REASON
                                                           ? BYTES_OF_REASON
                                                           : length),
                                     length > BYTES_OF_REASON ? " ..." : ""));
    witness->testify(evidence, verdict);
    hand_over(evidence, verdict);
    witness->end_programs();
    if (strcmp(verdict, "skipped") == 0)
        exit(EXIT_SUCCESS); /* libcheck has no skipped tests; see the evidence */
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

/* Returns the part of `bytes` around `where` for a report, quoted, with a note on what is left
 * out. */
static json_t *excerpt(const void *bytes, size_t length, size_t where)
{
    size_t first = where > BYTES_IN_REPORT / 2 ? where - BYTES_IN_REPORT / 2 : 0;
    if (length <= BYTES_IN_REPORT)
        first = 0;
    size_t shown = length - first > BYTES_IN_REPORT ? BYTES_IN_REPORT : length - first;
    if (first > length)
        first = length, shown = 0;
    char *safe = quoted((const char *)bytes + first, shown);
    /* The mark is under a whole character, although the bytes may differ inside of it. */
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

/* Returns where the bytes differ, or their common length if they do not. */
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
