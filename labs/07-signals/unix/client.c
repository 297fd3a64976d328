/*
 * client.c - start the server, send it signals, report how it ended.
 *
 * Usage: client [SERVER [EVENT...]]
 *
 * Starts SERVER (the program "server" beside this one), waits until it is ready, and sends it
 * the events by name (SIGINT SIGUSR1 SIGTERM), each with its number in the list as its value,
 * each when the server has reported the one before. Passes on what the server prints. Exit
 * code 0 if every event was reported and the server then ended as it was to, else 1.
 *
 * Mirrors listing 13's keyboard. Its twin: ../win32/client.c.
 * To try: client; client ./server SIGINT SIGRTMIN SIGQUIT; client /bin/false; client /no/such.
 */
#define PROGRAM "client"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static const char *program_beside(const char *self, const char *name);
static bool are_events(const char *const names[], int count);
static pid_t start_server(const char *path, int input, int output);
static void send_event(pid_t server, const struct event *event, int value);
static bool wait_line(FILE *output, const char *beginning);
static bool report_end(pid_t server, const struct event *last);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: which server, and which events to send. */
    const char *const *names = default_events;
    int count = (int)DEFAULT_EVENTS;
    if (argc > 2) {
        names = (const char *const *)argv + 2;
        count = argc - 2;
    }
    if (!are_events(names, count)) {
        say(stderr, "usage: client [SERVER [EVENT...]], EVENT as SIGINT");
        return 2;
    }
    const char *path = argc > 1 ? argv[1] : program_beside(argv[0], "server");

    /* STEP 2: Make two pipes: one brings what the server prints, the other is its input,
     * whose end tells it that we are done, or dead. */
    int from_server[2], to_server[2];
    if (pipe2(from_server, O_CLOEXEC) == -1 || pipe2(to_server, O_CLOEXEC) == -1)
        fail("pipe2");

    /* STEP 3: Start the server. */
    pid_t server = start_server(path, to_server[0], from_server[1]);
    if (close(to_server[0]) == -1 || close(from_server[1]) == -1)
        fail("close");
    FILE *output = fdopen(from_server[0], "r");
    if (output == NULL)
        fail("fdopen");

    /* STEP 4: Wait until it is ready: before it has its handlers, a signal would end it. */
    bool well = wait_line(output, READY_LINE);
    if (!well)
        say(stderr, PROGRAM ": the server ended before it was ready");

    const struct event *last = NULL;
    for (int i = 0; i < count && well; i++) {
        /* STEP 5: Send one event. */
        last = event_named(names[i]);
        send_event(server, last, i + 1);

        /* STEP 6: Wait for the server's line about it before the next: a signal that comes
         * while one of its kind still waits is the same signal. */
        char line[64];
        snprintf(line, sizeof line, RECEIVED_LINE, last->name);
        well = wait_line(output, line);
        if (!well)
            say(stderr, PROGRAM ": the server ended before it reported \"%s\"",
                last->name);
    }

    /* STEP 7: Let the server go, by the end of its input, and read on to the end of what it
     * has to say. */
    if (close(to_server[1]) == -1)
        fail("close");
    while (wait_line(output, ""))
        ;
    if (fclose(output) == EOF)
        fail("fclose");

    /* STEP 8: Wait for the server, and report how it ended: until somebody asks for that, a
     * dead child stays in the process table, a zombie. */
    well = report_end(server, last) && well;
    say(stdout, "client: done");
    return well ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The path of the program `name` in the folder that `self`, our argv[0], names. Without a
 * folder in it the shell found us along the PATH, and execvp will find the server there. */
static const char *program_beside(const char *self, const char *name)
{
    const char *slash = strrchr(self, '/');
    int folder = slash == NULL ? 0 : (int)(slash + 1 - self);
    static char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%.*s%s", folder, self, name) >= (int)sizeof path)
        fail_with(ENAMETOOLONG, "program_beside");
    return path;
}

static bool are_events(const char *const names[], int count)
{
    for (int i = 0; i < count; i++)
        if (event_named(names[i]) == NULL)
            return false;
    return true;
}

static pid_t start_server(const char *path, int input, int output)
{
    /* If our caller ignores SIGCHLD, so do we: the exit code of a child would be thrown away, and
     * waitpid would fail with ECHILD. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        fail("signal");
    /* Ctrl-C and Ctrl-\ go to all processes at the terminal, and are meant for the server: we
     * stay, to tell what became of it, as system(3) does. A signal that is ignored stays so in
     * a child, even through exec: there it has to be as it was. */
    struct sigaction ignore = {.sa_handler = SIG_IGN}, interrupt, quit;
    if (sigaction(SIGINT, &ignore, &interrupt) == -1 ||
        sigaction(SIGQUIT, &ignore, &quit) == -1)
        fail("sigaction");
    pid_t server = fork();
    if (server == -1)
        fail("fork");
    if (server == 0) {
        if (sigaction(SIGINT, &interrupt, NULL) != -1 &&
            sigaction(SIGQUIT, &quit, NULL) != -1 && dup2(input, STDIN_FILENO) != -1 &&
            dup2(output, STDOUT_FILENO) != -1)
            execlp(path, path, (char *)NULL);
        say(stderr, PROGRAM ": exec %s: error %d: %s", path, errno, strerror(errno));
        _exit(127);
    }
    return server;
}

static void send_event(pid_t server, const struct event *event, int value)
{
    /* The server is our child, and we have not waited for it yet: so its number is its own,
     * and no other process can have got it by now, be it dead or alive. */
    if (sigqueue(server, number_of(event), (union sigval){.sival_int = value}) == -1)
        fail("sigqueue");
    say(stdout, "client: sent \"%s\", value %d", event->name, value);
}

/* Passes on the server's lines, to the first with that `beginning`. Returns whether it came. */
static bool wait_line(FILE *output, const char *beginning)
{
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    while (!found && getline(&line, &room, output) != -1) {
        line[strcspn(line, "\r\n")] = '\0';
        say(stdout, "%s", line);
        found = strncmp(line, beginning, strlen(beginning)) == 0;
    }
    if (ferror(output))
        fail("read");
    free(line);
    return found;
}

/* Waits for the server and tells how it ended. Returns whether that is as it should be: by the
 * event that was sent last, if that ends a process, else with exit code 0. */
static bool report_end(pid_t server, const struct event *last)
{
    int status;
    if (waitpid(server, &status, 0) == -1)
        fail("waitpid");
    if (WIFSIGNALED(status))
        say(stdout, "client: server was ended by signal %d", WTERMSIG(status));
    else
        say(stdout, "client: server exited with code %d", WEXITSTATUS(status));
    if (last != NULL && last->ends)
        return WIFSIGNALED(status) && WTERMSIG(status) == number_of(last);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
