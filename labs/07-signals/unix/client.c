/*
 * client.c - start the server, send it signals, and report how it ended.
 *
 * Usage: client [SERVER [EVENT...]]
 *
 * Starts the program SERVER ("server" in the folder of this program). Sends it each EVENT
 * (SIGINT SIGUSR1 SIGTERM) when the server has reported the one before; the value of a
 * signal is its number in the list. Passes on what the server prints. Exit code 0 if every
 * event was reported and the server then ended as it should, else 1.
 *
 * Mirrors the keyboard of listing 13. Counterpart: ../win32/client.c.
 * Not here, but in client_robust.c: a SIGCHLD that is ignored when this program starts;
 * Ctrl-\ on the keyboard.
 * To try: client; client ./server SIGINT SIGRTMIN SIGQUIT; client /bin/false; client /no.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "contract.h"
#include "ipclab.h"

static pid_t start_server(const char *path, int input, int output);
static void send_event(pid_t server, const struct event *event, int value);
static bool wait_line(FILE *output, const char *beginning);
static bool report_end(pid_t server, const struct event *last);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: which server, and which events to send. */
    begin_program("client", "[SERVER [EVENT...]], with EVENT as SIGINT", &argv);
    const char *path = argc > 1 ? argv[1] : program_beside("server");
    int count = argc > 2 ? argc - 2 : (int)DEFAULT_EVENTS;
    char *const *names = argc > 2 ? argv + 2 : default_events;
    for (int i = 0; i < count; i++)
        if (event_named(names[i]) == NULL)
            usage_exit();

    /* STEP 2: Create two pipes: for what the server prints, and for its standard input. */
    int from_server[2], to_server[2]; /* [0] is the read end, [1] the write end */
    if (pipe2(from_server, O_CLOEXEC) == -1 || pipe2(to_server, O_CLOEXEC) == -1)
        sys_error("pipe2");

    /* STEP 3: Start the server. It gets one end of each pipe: close these ends here. */
    pid_t server = start_server(path, to_server[0], from_server[1]);
    if (close(to_server[0]) == -1 || close(from_server[1]) == -1)
        sys_error("close");
    FILE *output = fdopen(from_server[0], "r");
    if (output == NULL)
        sys_error("fdopen");

    /* STEP 4: Wait until the server is ready: before it has its handler, a signal ends it. */
    bool success = wait_line(output, READY_LINE);

    /* STEP 5: Send each event when the one before is reported: two that wait can merge. */
    for (int i = 0; i < count && success; i++) {
        const struct event *event = event_named(names[i]);
        char line[LINE_SIZE];
        snprintf(line, sizeof line, RECEIVED_LINE, event->name);
        send_event(server, event, i + 1);
        success = wait_line(output, line);
    }
    if (!success)
        log_error("the server ended before it printed the expected line");

    /* STEP 6: Close the server's standard input, at which it ends. Read what it prints. */
    if (close(to_server[1]) == -1)
        sys_error("close");
    while (wait_line(output, ""))
        ;
    fclose(output);

    /* STEP 7: Wait for the server, and report how it ended. */
    success = report_end(server, event_named(names[count - 1])) && success;
    log_event("client: done");
    return success ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Ignores SIGINT here, and starts the program `path` with `input` and `output` as its
 * standard input and output. Returns its process ID. */
static pid_t start_server(const char *path, int input, int output)
{
    // LEVEL 2
    /* Ctrl-C on the keyboard goes to both programs. It is meant for the server: this one
     * ignores it, as system(3) does. The server would inherit that, even through exec. */
    void (*before)(int) = signal(SIGINT, SIG_IGN);
    pid_t server = fork();
    if (server == -1)
        sys_error("fork");
    if (server == 0) {
        signal(SIGINT, before);
        if (dup2(input, STDIN_FILENO) == -1 || dup2(output, STDOUT_FILENO) == -1) {
            log_sys_error("dup2");
            _exit(EXEC_FAILED); /* not exit(): this is still a copy of the client */
        }
        execlp(path, path, (char *)NULL);
        log_sys_error("execlp"); /* it returns only if it fails */
        _exit(EXEC_FAILED);
    }
    return server;
    // END
}

/* Sends the event to the server. Until waitpid() has returned the server's status, no
 * other process gets its process ID: so the signal cannot reach a wrong process. */
static void send_event(pid_t server, const struct event *event, int value)
{
    // LEVEL 1
    if (sigqueue(server, event_number(event), (union sigval){.sival_int = value}) == -1)
        sys_error("sigqueue");
    log_event("client: sent \"%s\", value %d", event->name, value);
    // END
}

/* Passes on the server's lines, up to the first that begins with `beginning`. Returns
 * false if end of file came before. */
static bool wait_line(FILE *output, const char *beginning)
{
    char *line = NULL;
    size_t size = 0;
    bool found = false;
    while (!found && getline(&line, &size, output) != -1) {
        line[strcspn(line, "\n")] = '\0';
        log_event("%s", line);
        found = strncmp(line, beginning, strlen(beginning)) == 0;
    }
    if (ferror(output))
        sys_error("read");
    free(line);
    return found;
}

/* Waits for the server and reports how it ended. Returns whether that is right: by the
 * `last` event if that ends a process, else with exit code 0. */
static bool report_end(pid_t server, const struct event *last)
{
    // LEVEL 2
    int status;
    if (waitpid(server, &status, 0) == -1)
        sys_error("waitpid");
    if (WIFSIGNALED(status))
        log_event("client: server was ended by signal %d", WTERMSIG(status));
    else
        log_event("client: server exited with code %d", WEXITSTATUS(status));
    if (last->ends)
        return WIFSIGNALED(status) && WTERMSIG(status) == event_number(last);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    // END
}
