/*
 * client_broadcast.c - as client.c, but send to many servers at once, by UDP.
 *
 * Usage: client_broadcast [-m] [PORT [MESSAGE...]]
 *
 * Sends each MESSAGE (by default the report's three) once, to all servers at PORT (7703)
 * of this machine's loopback network, 127.255.255.255. With -m it sends to the multicast
 * group 239.255.3.3. Exit code 0 if all were sent, else 1. It cannot know which programs have read
 * them.
 *
 * Its server: server_broadcast.c. The steps are those of client.c.
 * To try: client_broadcast without a server.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <sys/socket.h>

#include "contract.h"
#include "ipclab.h"

static int open_network(const struct sockaddr_in *address);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: broadcast or multicast, the port, and the messages. */
    static char *defaults[] = {DEFAULT_MESSAGES, NULL};
    begin_program("client", "[-m] [PORT [MESSAGE...]]", &argv);
    bool multicast = argc > 1 && strcmp(argv[1], "-m") == 0;
    if (multicast) {
        argc--;
        argv++;
    }
    long port = argc > 1 ? parse_long("PORT", argv[1], 1, UINT16_MAX) : DEFAULT_PORT;
    char **messages = argc > 2 ? argv + 2 : defaults;

    /* STEP 2: Open the way to the servers. That succeeds without any server, too. */
    const char *network = multicast ? MULTICAST_ADDRESS : BROADCAST_ADDRESS;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = inet_addr(network)};
    int slot = open_network(&address);

    /* STEP 3: Write each message with one call. The network copies it for each server.
     * send() does not wait for a server: if its receive buffer is full, it loses the
     * message. */
    for (size_t i = 0; messages[i] != NULL; i++) {
        if (send(slot, messages[i], strlen(messages[i]), 0) == -1)
            sys_error("send");
        log_text("client: sent", messages[i], strlen(messages[i]));
    }

    /* STEP 4: Close the socket. */
    if (close(slot) == -1)
        sys_error("close");
    log_event("client: done");
    return EXIT_SUCCESS;
}

static int open_network(const struct sockaddr_in *address)
{
    int slot = socket(AF_INET, SOCK_DGRAM, 0);
    if (slot == -1)
        sys_error("socket");

    /* Without SO_BROADCAST a send to a broadcast address fails with EACCES. A group
     * needs IP_MULTICAST_IF instead: through which interface. Each has no effect on the
     * other. */
    struct in_addr interface = {.s_addr = inet_addr(INTERFACE_ADDRESS)};
    if (setsockopt(slot, SOL_SOCKET, SO_BROADCAST, &(int){1}, sizeof(int)) == -1 ||
        setsockopt(slot, IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof interface) == -1)
        sys_error("setsockopt");
    if (connect(slot, (const struct sockaddr *)address, sizeof *address) == -1)
        sys_error("connect");
    return slot;
}
