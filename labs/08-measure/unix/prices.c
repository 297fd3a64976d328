/*
 * prices.c - measures what it costs to start something, to connect, and to be woken.
 *
 * Usage: prices [MILLISECONDS]
 *
 * Prints a line of JSON for each price, in microseconds. Each takes about MILLISECONDS (50). All
 * run on one core, unless the name contains another one. Counterpart: ../win32/prices.c.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "measure.h"

extern char **environ;

static char *self; /* this program; with the argument "-" it exits at once */

static void fork_and_wait(void)
{
    pid_t child = fork();
    if (child == -1)
        sys_error("fork");
    if (child == 0)
        _exit(0);
    if (waitpid(child, NULL, 0) == -1)
        sys_error("waitpid");
}

static void spawn_and_wait(void)
{
    char nothing[] = "-", *words[] = {self, nothing, NULL};
    pid_t child;
    if ((errno = posix_spawn(&child, self, NULL, NULL, words, environ)) != 0)
        sys_error("posix_spawn");
    if (waitpid(child, NULL, 0) == -1)
        sys_error("waitpid");
}

static void *nothing(void *argument)
{
    return argument;
}

static void thread_and_join(void)
{
    pthread_t thread;
    if ((errno = pthread_create(&thread, NULL, nothing, NULL)) !=
        0) /* returns its error */
        sys_error("pthread_create");
    if ((errno = pthread_join(thread, NULL)) != 0)
        sys_error("pthread_join");
}

/* ---- Connecting ---------------------------------------------------------------------------- */

static int listener;
static struct sockaddr_in address;

static void start_listening(void)
{
    socklen_t size = sizeof address;
    address = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if ((listener = socket(AF_INET, SOCK_STREAM, 0)) == -1)
        sys_error("socket");
    if (bind(listener, (struct sockaddr *)&address, size) == -1)
        sys_error("bind");
    if (listen(listener, 1) == -1)
        sys_error("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &size) == -1)
        sys_error("getsockname");
}

/* Closes by a reset, so that no port stays in TIME_WAIT. */
static void connect_and_accept(void)
{
    int client = socket(AF_INET, SOCK_STREAM, 0);
    if (client == -1)
        sys_error("socket");
    if (connect(client, (struct sockaddr *)&address, sizeof address) == -1)
        sys_error("connect");
    int server = accept(listener, NULL, NULL);
    if (server == -1)
        sys_error("accept");
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == -1)
        sys_error("setsockopt");
    if (close(client) == -1 || close(server) == -1)
        sys_error("close");
}

/* ---- Waking, and changing from one thread to another ----------------------------------------- */

static sem_t ping, pong;
static atomic_bool over;

static void *wake_back(void *core)
{
    pin(*(int *)core);
    while (sem_wait(&ping) == 0 && !over)
        sem_post(&pong);
    return NULL;
}

static void wake_and_be_woken(void)
{
    if (sem_post(&ping) == -1 || sem_wait(&pong) == -1)
        sys_error("sem_wait");
}

static void *yield(void *core)
{
    pin(*(int *)core);
    while (!over)
        sched_yield();
    return NULL;
}

static void yield_once(void)
{
    if (sched_yield() == -1)
        sys_error("sched_yield");
}

/* ---- The figures ------------------------------------------------------------------------------ */

static double price(void (*once)(void), double seconds)
{
    long count = 0;
    double taken, start;
    for (int warm = 0; warm < 3; warm++)
        once();
    start = now();
    do {
        once();
        count++;
    } while ((taken = now() - start) < seconds);
    return taken / (double)count * 1e6;
}

static void print(const char *what, double microseconds)
{
    printf("{\"what\": \"%s\", \"price\": %.4f}\n", what, microseconds);
}

/* Prints the price of `once` while a thread runs `partner` on `core`. One call of `once` contains
 * `per` events. */
static void print_beside(const char *what, void *(*partner)(void *), void (*once)(void),
                         int core, int per, double seconds)
{
    pthread_t thread;
    over = false;
    if (sem_init(&ping, 0, 0) == -1 || sem_init(&pong, 0, 0) == -1)
        sys_error("sem_init");
    if ((errno = pthread_create(&thread, NULL, partner, &core)) != 0)
        sys_error("pthread_create");
    print(what, price(once, seconds) / per);
    over = true;
    if (sem_post(&ping) == -1)
        sys_error("sem_post");
    if ((errno = pthread_join(thread, NULL)) != 0)
        sys_error("pthread_join");
    if (sem_destroy(&ping) == -1 || sem_destroy(&pong) == -1)
        sys_error("sem_destroy");
}

int main(int argc, char *argv[])
{
    begin_program("prices", "[MILLISECONDS]", &argv);
    self = argv[0];
    if (argc == 2 && strcmp(argv[1], "-") == 0)
        return 0;
    double seconds = (argc == 2 ? atof(argv[1]) : 50) / 1000;
    if (argc > 2 || !(seconds > 0))
        usage_exit();
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    /* If our caller ignores SIGCHLD, so do we, and waitpid would fail with ECHILD. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        sys_error("signal");
    pin(0);
    start_listening();
    print("a process: fork, exit, wait", price(fork_and_wait, seconds));
    print("a program: posix_spawn, exit, wait", price(spawn_and_wait, seconds));
    print("a thread: create, end, join", price(thread_and_join, seconds));
    print("a TCP connection: connect, accept, close", price(connect_and_accept, seconds));
    print_beside("a wake-up on the same core", wake_back, wake_and_be_woken, 0, 2,
                 seconds);
    if (cores > 1)
        print_beside("a wake-up on another core", wake_back, wake_and_be_woken, 1, 2,
                     seconds);
    print_beside("a change of threads: sched_yield", yield, yield_once, 0, 2, seconds);
    return 0;
}
