/*
 * client_broadcast.c - send to everybody at once: UDP broadcast or multicast.
 *
 * Usage: client_broadcast [-m] [PORT [MESSAGE...]]
 *
 * Sends each MESSAGE (the three of the report) once, to all servers on PORT (7703) of this
 * machine's loopback network, 127.255.255.255, with -m of the multicast group 239.255.3.3. Exit
 * code 0 if all were sent, else 1. Whether anybody read them it cannot know.
 *
 * A pair of its own with server_broadcast.c; the same steps as client.c.
 * To try: client_broadcast with no server at all.
 */
#define PROGRAM "client"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contract.h"
#include "fail.h"
#include "say.h"

static bool is_number(const char *text, long low, long high);
static int open_network(const struct sockaddr_in *address);

int main(int argc, char *argv[])
{
    open_missing_streams();

    /* STEP 1: Take the arguments: which port, and what to send there. */
    static const char *const usual[] = DEFAULT_MESSAGES();
    bool multicast = argc > 1 && strcmp(argv[1], "-m") == 0;
    if (multicast) {
        argc--;
        argv++;
    }
    if (argc > 1 && !is_number(argv[1], 1, UINT16_MAX)) {
        say(stderr, "usage: client_broadcast [-m] [PORT [MESSAGE...]]");
        return 2;
    }
    const char *network = multicast ? MULTICAST_ADDRESS : BROADCAST_ADDRESS;
    uint16_t port = (uint16_t)(argc > 1 ? atoi(argv[1]) : DEFAULT_PORT);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = inet_addr(network)};
    const char *const *messages = argc > 2 ? (const char *const *)argv + 2 : usual;
    size_t count = argc > 2 ? (size_t)argc - 2 : sizeof usual / sizeof *usual;

    /* STEP 2: Open the way there. That works whether or not anybody reads. */
    int slot = open_network(&address);

    /* STEP 3: Send each message once: the network copies it, for each reader one. It never
     * waits for them: a reader whose buffer is full does not get this one. */
    for (size_t i = 0; i < count; i++) {
        if (send(slot, messages[i], strlen(messages[i]), 0) == -1)
            fail("send");
        char *text = quoted(messages[i], strlen(messages[i]));
        say(stdout, "client: sent %s", text);
        free(text);
    }

    /* STEP 4: Close the socket. */
    if (close(slot) == -1)
        fail("close");
    say(stdout, "client: done");
    return EXIT_SUCCESS;
}

static bool is_number(const char *text, long low, long high)
{
    char *end;
    long number = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && number >= low &&
           number <= high;
}

static int open_network(const struct sockaddr_in *address)
{
    int slot = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (slot == -1)
        fail("socket");
    /* Nobody shall shout by mistake: without this, sending to a broadcast address is EACCES.
     * For a group it says nothing; there the interface must be chosen. */
    struct in_addr interface = {.s_addr = inet_addr(INTERFACE_ADDRESS)};
    if (setsockopt(slot, SOL_SOCKET, SO_BROADCAST, &(int){1}, sizeof(int)) == -1 ||
        setsockopt(slot, IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof interface) == -1)
        fail("setsockopt");
    if (connect(slot, (const struct sockaddr *)address, sizeof *address) == -1)
        fail("connect");
    return slot;
}
