/*
 * server_broadcast.c - one of many readers of one message: UDP broadcast or multicast.
 *
 * Usage: server_broadcast [-m] [PORT [COUNT]]
 *
 * Reads the messages that anybody sends to everybody on PORT (7703) of this machine's loopback
 * network, 127.255.255.255, with -m to the multicast group 239.255.3.3, and prints them, until
 * COUNT (0: no end) have come, or Ctrl-C or SIGTERM. Any number of servers may share a port, and
 * each reads every message. Exit code 0, or 1 where a call fails.
 *
 * A pair of its own with client_broadcast.c; the same steps as server.c. What Windows does by
 * the name \\*\mailslot\NAME, with the names of slots, UDP does with ports.
 * To try: three of it, and one client_broadcast; then all of them with -m.
 */
#define PROGRAM "server"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static bool is_number(const char *text, long low, long high);
static int catch_signals(void);
static int join(const struct sockaddr_in *address, bool multicast);
static bool wait_for_message(int slot, int signals);
static void print_message(int slot);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: which port, and how many messages to read. */
    bool multicast = argc > 1 && strcmp(argv[1], "-m") == 0;
    if (multicast) {
        argc--;
        argv++;
    }
    if (argc > 3 || (argc > 1 && !is_number(argv[1], 1, UINT16_MAX)) ||
        (argc > 2 && !is_number(argv[2], 0, MAX_COUNT))) {
        say(stderr, "usage: server_broadcast [-m] [PORT [COUNT]], COUNT from 0 to %d",
            MAX_COUNT);
        return 2;
    }
    const char *network = multicast ? MULTICAST_ADDRESS : BROADCAST_ADDRESS;
    uint16_t port = (uint16_t)(argc > 1 ? atoi(argv[1]) : DEFAULT_PORT);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = inet_addr(network)};
    long count = argc > 2 ? atol(argv[2]) : 0;

    /* STEP 2: Ask to be told of Ctrl-C, instead of being ended by it. */
    int signals = catch_signals();

    /* STEP 3: Become one of the readers. */
    int slot = join(&address, multicast);
    say(stdout, "server: ready %s:%u", network, port);

    for (long number = 0; count == 0 || number < count; number++) {
        /* STEP 4: Wait for a message or for Ctrl-C, whichever comes first. */
        if (!wait_for_message(slot, signals))
            break;

        /* STEP 5: Read one message, whole, and print it. */
        print_message(slot);
    }

    /* STEP 6: Close the socket. An address of the network leaves nothing behind. */
    if (close(slot) == -1 || close(signals) == -1)
        fail("close");
    say(stdout, "server: done");
    return EXIT_SUCCESS;
}

static bool is_number(const char *text, long low, long high)
{
    char *end;
    long number = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && number >= low &&
           number <= high;
}

/* Returns a descriptor that becomes readable when Ctrl-C (SIGINT) or SIGTERM comes. So poll can
 * wait for it beside the slot; elsewhere than on Linux a handler writes into a pipe for that. */
static int catch_signals(void)
{
    sigset_t ending;
    if (sigemptyset(&ending) == -1 || sigaddset(&ending, SIGINT) == -1 ||
        sigaddset(&ending, SIGTERM) == -1)
        fail("sigaddset");
    if (sigprocmask(SIG_BLOCK, &ending, NULL) == -1)
        fail("sigprocmask");
    int signals = signalfd(-1, &ending, SFD_CLOEXEC);
    if (signals == -1)
        fail("signalfd");
    return signals;
}

/* A socket that reads what is sent to `address`, beside whoever else does so. */
static int join(const struct sockaddr_in *address, bool multicast)
{
    int slot = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (slot == -1)
        fail("socket");
    /* All readers of a port must say so, the first one too, or the second is refused. */
    if (setsockopt(slot, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1)
        fail("setsockopt");
    /* Bound to the group's own address, we get what is sent to it, and nothing else. */
    if (bind(slot, (const struct sockaddr *)address, sizeof *address) == -1)
        fail("bind");
    struct ip_mreq group = {.imr_multiaddr = address->sin_addr,
                            .imr_interface.s_addr = inet_addr(INTERFACE_ADDRESS)};
    if (multicast &&
        setsockopt(slot, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) == -1)
        fail("setsockopt");
    return slot;
}

/* Returns true when a message waits, false when a signal has come. The signal counts first: or
 * a server that is never out of messages would never end. */
static bool wait_for_message(int slot, int signals)
{
    struct pollfd ready[] = {{.fd = signals, .events = POLLIN},
                             {.fd = slot, .events = POLLIN}};
    if (poll(ready, 2, -1) == -1)
        fail("poll");
    return ready[0].revents == 0;
}

/* Reads the next message, of whatever length, and prints it. */
static void print_message(int slot)
{
    /* A buffer that is too small would cut the message, without an error. So look first:
     * MSG_PEEK leaves it there, MSG_TRUNC returns its real length. */
    char first;
    ssize_t length = recv(slot, &first, sizeof first, MSG_PEEK | MSG_TRUNC);
    if (length == -1)
        fail("recv");
    char *bytes = malloc((size_t)length + 1);
    if (bytes == NULL)
        fail("malloc");
    /* 0 bytes are no end here, as they are on a stream: they are an empty message. */
    length = recv(slot, bytes, (size_t)length, 0);
    if (length == -1)
        fail("recv");
    char *text = quoted(bytes, (size_t)length);
    say(stdout, "server: received %s", text);
    free(text);
    free(bytes);
}
