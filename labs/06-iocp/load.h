/*
 * load.h - the part of load that is the same on both systems: arguments, counts, the report.
 */
#ifndef LOAD_H
#define LOAD_H

#include <inttypes.h>

#include "contract.h"
#include "ipclab.h"

#define NANOSECONDS UINT64_C(1000000000) /* in a second */

/* What a connection waits for, in this order: to be connected; the welcome; the welcomes of all
 * others; to have sent a message and to have received its echo, again and again; the server's
 * close. */
enum stage { CONNECTING, GREETING, GREETED, SENDING, RECEIVING, CLOSING };

/* A connection. On Windows one operation is under way for it. */
struct connection {
#ifdef _WIN32
    OVERLAPPED overlapped;    /* where the system keeps the operation's state */
    char bytes[MESSAGE_SIZE]; /* what is received: the system's until it is done */
#endif
    ipc_socket socket;
    long number; /* from 1 */
    enum stage stage;
    long message;            /* the number of the latest message, from 1 */
    size_t done, length;     /* how much of the text is sent, or received */
    uint64_t sent;           /* when sending it began, in nanoseconds */
    char text[MESSAGE_SIZE]; /* what is sent, or must be received, next */
};

static const char *host = DEFAULT_HOST, *port = DEFAULT_PORT;
static long connection_count = DEFAULT_CONNECTIONS, message_count = DEFAULT_MESSAGES;
static struct connection *connections;
static long started, greeted, closed; /* how many connections */
static uint64_t echoes, total;        /* how many echoes, of how many */
static uint64_t *latencies;           /* of each echo, in nanoseconds */
static uint64_t begin, end;           /* the first message, the last echo */

/* The time in nanoseconds, by a clock that cannot be set and never runs backwards. Each system has
 * its own. */
static uint64_t now(void);

static void take_arguments(int argc, char *argv[])
{
    if (argc > 5)
        usage_exit();
    host = argc > 1 ? argv[1] : host;
    port = argc > 2 ? argv[2] : port;
    parse_long("PORT", port, 1, MAX_PORT);
    if (argc > 3)
        connection_count = parse_long("CONNECTIONS", argv[3], 1, MAX_CONNECTIONS);
    if (argc > 4)
        message_count = parse_long("MESSAGES", argv[4], 0, MAX_MESSAGES);
    total = (uint64_t)connection_count * (uint64_t)message_count;
    connections = allocate((size_t)connection_count * sizeof *connections);
    latencies = calloc((size_t)connection_count, /* it checks the product, too */
                       (size_t)(message_count + 1) * sizeof *latencies);
    if (latencies == NULL)
        fatal("not enough memory for the latencies of %" PRIu64 " echoes", total);
}

/* The first text to come is the welcome, and its NUL. */
static void expect_welcome(struct connection *connection)
{
    connection->stage = GREETING;
    memcpy(connection->text, WELCOME, sizeof WELCOME);
    connection->length = sizeof WELCOME;
}

/* The next text is a message, to be sent now with its NUL. */
static void next_message(struct connection *connection)
{
    int length = snprintf(connection->text, MESSAGE_SIZE, LOAD_TEXT, connection->number,
                          ++connection->message);
    connection->length = (size_t)length + 1;
    connection->done = 0;
    connection->sent = now();
}

/* Compares bytes that have come with the rest of the text. Returns whether all of it has come. */
static bool check_bytes(struct connection *connection, const char *bytes, size_t length)
{
    bool expecting = connection->stage == GREETING || connection->stage == RECEIVING;
    if (!expecting || length > connection->length - connection->done)
        fatal("connection %ld: the server sent too much", connection->number);
    if (memcmp(bytes, connection->text + connection->done, length) != 0)
        fatal("connection %ld: the %s is wrong", connection->number,
              connection->stage == GREETING ? "welcome" : "echo");
    connection->done += length;
    return connection->done == connection->length;
}

/* A whole echo has come: notes how long it took. At each tenth of the echoes prints a line. */
static void take_echo(const struct connection *connection)
{
    end = now();
    latencies[echoes++] = end - connection->sent;
    if (echoes * 10 / total != (echoes - 1) * 10 / total)
        log_event("load: echoed %" PRIu64 " of %" PRIu64, echoes, total);
}

static _Noreturn void report_silence(void)
{
    fatal("no event in %d s: %ld connections greeted, %" PRIu64
          " messages echoed, %ld connections closed",
          PATIENCE, greeted, echoes, closed);
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* The latency, in microseconds, that so many of 1000 echoes did not exceed. */
static double percentile(uint64_t of_1000)
{
    uint64_t rank = (total * of_1000 + 999) / 1000; /* from 1; rounded up */
    return (double)latencies[rank - 1] / 1000;
}

/* STEP 8: Report how long it took. */
static void report(void)
{
    double seconds = (double)(end - begin) / (double)NANOSECONDS;
    log_event("load: %" PRIu64 " echoes in %.3f s, %.0f a second", total, seconds,
              seconds > 0 ? (double)total / seconds : 0);
    if (total == 0)
        return;
    qsort(latencies, (size_t)total, sizeof *latencies, compare);
    log_event("load: latency p50 %.0f us, p99 %.0f us, p99.9 %.0f us", percentile(500),
              percentile(990), percentile(999));
}

#endif
