/*
 * lint.c - checks the advice of a lab's tests: check --lint.
 *
 * A failed test shows a hint about one program on one system. Two faults are common: a PAIR test
 * has advice for its server only, or a hint names only calls of the other system.
 */
#include "lint.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run.h"
#include "tests.h"

/* Words of one system only. "*" at the end matches any rest of a word. "(" must follow words that
 * are also English words. */
static const char *const unix_words[] = {
    "fork",        "vfork",        "exec",         "execv*",    "execl*",    "waitpid",
    "dup2",        "mkfifo",       "mknod",        "FIFO",      "sigaction", "sigwait*",
    "sigprocmask", "sigsuspend",   "signalfd",     "pthread_*", "epoll*",    "io_uring*",
    "eventfd",     "pidfd_*",      "shm_*",        "sem_*",     "mq_*",      "mmap",
    "munmap",      "ftruncate",    "shmget",       "shmat",     "semop",     "semget",
    "semctl",      "msgget",       "msgsnd",       "msgrcv",    "SEM_UNDO",  "unlink",
    "flock",       "fcntl",        "ioctl",        "O_*",       "F_*",       "SA_*",
    "FD_CLOEXEC",  "MSG_NOSIGNAL", "PIPE_BUF",     "PTHREAD_*", "SIGIO",     "sendmsg",
    "recvmsg",     "SCM_RIGHTS",   "SO_REUSEPORT", "open(",     "close(",    "read(",
    "write(",      "pipe(",        "poll(",        "kill(",     "wait(",     "pause(",
    "alarm("};
static const char *const win32_words[] = {
    "WSA*",           "ERROR_*",       "WAIT_*",          "INVALID_HANDLE_VALUE",
    "HANDLE",         "OVERLAPPED",    "CTRL_*",          "FILE_FLAG_*",
    "FILE_MAP_*",     "PIPE_ACCESS_*", "PIPE_READMODE_*", "PIPE_TYPE_*",
    "Winsock",        "closesocket",   "ioctlsocket",     "_setmode",
    "_beginthreadex", "DWORD",         "HANDLE_FLAG_*"};

static bool fits_word(const char *word, size_t length, char behind, const char *known)
{
    size_t size = strlen(known);
    char last = known[size - 1];
    if (last == '*')
        return length >= size - 1 && strncmp(word, known, size - 1) == 0;
    if (last == '(')
        return behind == '(' && length == size - 1 && strncmp(word, known, length) == 0;
    return length == size && strncmp(word, known, size) == 0;
}

static bool is_listed(const char *word, size_t length, const char *name)
{
    return name != NULL && strlen(name) == length && strncmp(word, name, length) == 0;
}

/* An error of errno(3), a signal, a call with its section of the manual: open(2). */
static bool is_unix_word(const char *word, size_t length)
{
    if (word[length] == '(' && isdigit((unsigned char)word[length + 1]) &&
        word[length + 2] == ')')
        return true;
    for (int number = 1; number < 200; number++)
        if (is_listed(word, length, strerrorname_np(number)))
            return true;
    for (int number = 1; number < NSIG; number++)
        if (length > 3 && strncmp(word, "SIG", 3) == 0 &&
            is_listed(word + 3, length - 3, sigabbrev_np(number)))
            return true;
    for (size_t i = 0; i < sizeof unix_words / sizeof *unix_words; i++)
        if (fits_word(word, length, word[length], unix_words[i]))
            return true;
    return false;
}

/* A name like CreateFile, or one of the list. The listings' own names begin with My. */
static bool is_win32_word(const char *word, size_t length)
{
    if (strncmp(word, "My", 2) == 0)
        return false;
    for (size_t i = 2; i < length && isupper((unsigned char)word[0]); i++)
        if (islower((unsigned char)word[i - 1]) && isupper((unsigned char)word[i]))
            return true;
    for (size_t i = 0; i < sizeof win32_words / sizeof *win32_words; i++)
        if (fits_word(word, length, word[length], win32_words[i]))
            return true;
    return false;
}

/* Returns the first word in a hint for `system` that belongs to the other one. Returns NULL if
 * there is none, or if there is also a word of `system`. */
static const char *foreign_word(const char *hint, enum system system)
{
    static char found[64];
    found[0] = '\0';
    while (*hint != '\0') {
        size_t length = 0;
        while (isalnum((unsigned char)hint[length]) || hint[length] == '_')
            length++;
        if (length == 0) {
            hint++;
            continue;
        }
        bool of_unix = is_unix_word(hint, length), of_win32 = is_win32_word(hint, length);
        if (system == UNIX ? of_unix : of_win32)
            return NULL;
        if ((of_unix || of_win32) && found[0] == '\0')
            snprintf(found, sizeof found, "%.*s", (int)length, hint);
        hint += length;
    }
    return found[0] != '\0' ? found : NULL;
}

static int lint_hint(const struct test *test, const char *field, const char *hint,
                     enum system system, bool needed)
{
    const char *name = system == UNIX ? "UNIX" : "Win32";
    const char *word = hint != NULL ? foreign_word(hint, system) : NULL;
    if (word != NULL)
        printf("%s, %s: its %s on %s names %s\n", run.lab, test->id, field, name, word);
    if (hint == NULL && needed)
        printf("%s, %s: it has no %s on %s\n", run.lab, test->id, field, name);
    return word != NULL || (hint == NULL && needed);
}

/* Returns whether the test has a program on that system. Without the sources it returns true. */
static bool is_played(const struct test *test, enum system system)
{
    if (system == UNIX ? test->win32_only : test->unix_only)
        return false;
    bool pair = test->pair != NULL && *test->pair != '\0';
    if (run.labs == NULL || (test->only == NULL && !pair))
        return true;
    const char *program = test->only != NULL ? test->only : text("server_%s", test->pair);
    return access(text("%s/%s/%s/%s.c", run.labs, run.lab,
                       system == UNIX ? "unix" : "win32", program),
                  F_OK) == 0;
}

/* A test must come before the tests that need it. */
static int lint_needs(const struct test *test)
{
    const struct test *needed = test->needs != NULL ? test_before(test, test->needs)
                                                    : NULL;
    if (test->needs == NULL || needed != NULL)
        return 0;
    printf("%s, %s: it needs %s, which is no test, or comes later\n", run.lab, test->id,
           test->needs);
    return 1;
}

int lint_test(const struct test *test)
{
    int faults = lint_needs(test);
    /* A PAIR test also runs with a student's client and our server. */
    bool client = test->judges == PAIR && test->only == NULL && test->points > 0;
    if (client && test->client_step == 0)
        faults += printf("%s, %s: it has no client_step\n", run.lab, test->id) > 0;
    for (int system = UNIX; system <= WIN32; system++) {
        if (!is_played(test, system))
            continue;
        const char *own = system == UNIX ? test->hint_unix : test->hint_win32;
        const char *client_own = system == UNIX ? test->client_hint_unix
                                                : test->client_hint_win32;
        faults += lint_hint(test, "hint", own != NULL ? own : test->hint, system, false);
        faults += lint_hint(test, "client_hint",
                            client_own != NULL ? client_own : test->client_hint, system,
                            client);
    }
    return faults;
}
