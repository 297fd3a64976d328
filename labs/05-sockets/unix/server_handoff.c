/*
 * server_handoff.c - a TCP server that passes each client to a worker process.
 *
 * Usage: server_handoff [PORT [ADDRESS]]
 *
 * The worker is another program, "worker" in the folder of this one. It inherits the
 * connection as its standard input, as the servers that inetd starts. posix_spawn() is
 * fork and exec in one call; its file actions set what the worker inherits.
 *
 * The contract is that of server.c. A signal to the server alone ends only the server:
 * the workers serve their clients to the end. Ctrl-C in a terminal goes to all of them.
 *
 * After an article on passing sockets in Windows. Counterpart:
 * ../win32/server_handoff.c. To a process that is no child: server_scm.c. To try:
 * server_handoff 0, a client, ps --forest; kill the worker; kill the server.
 */
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "contract.h"
#include "ipclab.h"

/* What a thread must know about its client. */
struct client {
    int socket;
    long number; /* counted from 1 */
};

/* How many clients are here, as the thread of main has counted; and a semaphore that each
 * thread posts when its client has left. */
static int here;
static sem_t left;
static const char *worker; /* the path of the program that serves */

static void await_departure(void);
static int accept_client(int listener);
static void serve_client(void *argument);
static void end_session(struct client *client);
static pid_t start_worker(const struct client *client);
static void report_end(pid_t pid, long number);
extern char **environ;

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: on which port and address to listen. */
    begin_program("server", "[PORT [ADDRESS]]", &argv);
    if (argc > 3)
        usage_exit();
    const char *port = argc > 1 ? argv[1] : DEFAULT_PORT;
    const char *host = argc > 2 ? argv[2] : DEFAULT_HOST;
    parse_long("PORT", port, 0, MAX_PORT);
    worker = program_beside("worker");

    /* STEP 2: Prepare for Ctrl-C. If the parent ignores SIGCHLD, this program inherits
     * that, and waitpid() would not return how a worker ended. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        sys_error("signal");
    end_on_interrupt(NULL);
    if (sem_init(&left, 0, 0) == -1)
        sys_error("sem_init");

    /* STEP 3: Create the socket that listens. From now on clients can connect. */
    int listener = tcp_listen(host, port);
    log_event("server: ready %s", socket_address(listener));

    /* STEP 4: Accept one client after the other. Each gets a thread, which starts a
     * worker and waits for it. */
    for (long number = 1;; number++) {
        while (sem_trywait(&left) == 0)
            here--;
        if (here == MAX_CLIENTS)
            await_departure();
        struct client *client = allocate(sizeof *client);
        client->number = number;
        client->socket = accept_client(listener);
        here++;
        log_event("server: client %ld connected", number);
        if (!start_thread(serve_client, client)) {
            log_sys_error("pthread_create");
            if (close(client->socket) == -1)
                sys_error("close");
            end_session(client);
        }
    }
}

/* Waits until a client leaves. Meanwhile others wait in the queue of the listener. */
static void await_departure(void)
{
    log_error("full with %d clients: the next has to wait", here);
    if (sem_wait(&left) == -1)
        sys_error("sem_wait");
    here--;
}

/* Waits for a client, and if there is no descriptor for it, until another leaves. A
 * connection that was reset in the queue is skipped. */
static int accept_client(int listener)
{
    int client;
    while ((client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) == -1) {
        if (here > 0 &&
            (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            log_sys_error("accept");
            await_departure();
        } else if (errno != ECONNABORTED && errno != EPROTO && errno != EINTR) {
            sys_error("accept");
        }
    }
    return client;
}

/* The thread of one client. */
static void serve_client(void *argument)
{
    struct client *client = argument;

    /* STEP 5: Start a worker, and pass the connection to it. */
    pid_t pid = start_worker(client);

    /* STEP 6: Close the connection here. The client receives the end of file when its
     * last copy is closed, and the worker has that. */
    if (close(client->socket) == -1)
        sys_error("close");

    /* STEP 7: Wait for the worker, and report it if it failed. */
    if (pid > 0)
        report_end(pid, client->number);
    end_session(client);
}

/* Ends a session: prints it, and posts the semaphore. */
static void end_session(struct client *client)
{
    log_event("server: client %ld left", client->number);
    free(client);
    if (sem_post(&left) == -1)
        sys_error("sem_post");
}

/* Starts the worker with the connection as its standard input. Every other socket here is
 * close-on-exec: a worker that inherits another client's connection would keep it open.
 * Returns 0 if the worker cannot be started. */
static pid_t start_worker(const struct client *client)
{
    char number[32];
    snprintf(number, sizeof number, "%ld", client->number);
    char *words[] = {(char *)worker, number, NULL};

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none); /* Ctrl-C is blocked here, but must end the worker */
    pid_t pid = 0;
    int error = posix_spawn_file_actions_init(&actions);
    if (error == 0)
        error = posix_spawnattr_init(&attributes);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, client->socket, STDIN_FILENO);
    if (error == 0)
        error = posix_spawnattr_setsigmask(&attributes, &none);
    if (error == 0)
        error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (error != 0)
        sys_error_number("posix_spawn", error);
    error = posix_spawn(&pid, worker, &actions, &attributes, words, environ);
    if (error != 0)
        log_error("posix_spawn %s: error %d: %s", worker, error, strerror(error));
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error == 0 ? pid : 0;
}

/* Waits for the worker. Until then, an ended child stays in the process table, as a
 * zombie. */
static void report_end(pid_t pid, long number)
{
    int status;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            sys_error("waitpid");
    if (WIFSIGNALED(status))
        log_error("client %ld: its worker was ended by signal %d", number,
                  WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        log_error("client %ld: its worker exited with code %d", number,
                  WEXITSTATUS(status));
}
