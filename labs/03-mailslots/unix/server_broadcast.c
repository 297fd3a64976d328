/*
 * server_broadcast.c - as server.c, for messages that many servers read, by UDP.
 *
 * Usage: server_broadcast [-m] [PORT [COUNT]]
 *
 * Reads the messages that are sent to PORT (7703) of this machine's loopback network,
 * 127.255.255.255, and prints them, until COUNT messages have come (0, the default: no
 * limit) or until Ctrl-C. With -m it reads those of the multicast group 239.255.3.3. Any
 * number of servers can share a port, and each reads every message. Exit code 0, or 1 if
 * a call fails.
 *
 * On Windows a message to \\*\mailslot\NAME reaches many slots of one name. Here the
 * servers have a port in common. Its client: client_broadcast.c. The steps are those of
 * server.c.
 * To try: three servers and one client_broadcast; the same with -m.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>

#include "contract.h"
#include "ipclab.h"

static int join_network(const struct sockaddr_in *address, bool multicast);

int main(int argc, char *argv[])
{
    /* STEP 1: Take the arguments: broadcast or multicast, the port, and how many
     * messages. */
    begin_program("server", "[-m] [PORT [COUNT]]", &argv);
    bool multicast = argc > 1 && strcmp(argv[1], "-m") == 0;
    if (multicast) {
        argc--;
        argv++;
    }
    if (argc > 3)
        usage_exit();
    long port = argc > 1 ? parse_long("PORT", argv[1], 1, UINT16_MAX) : DEFAULT_PORT;
    long count = argc > 2 ? parse_long("COUNT", argv[2], 0, MAX_COUNT) : 0;

    /* STEP 2: Create a socket at the address that all servers share. */
    const char *network = multicast ? MULTICAST_ADDRESS : BROADCAST_ADDRESS;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = inet_addr(network)};
    int slot = join_network(&address, multicast);
    end_on_interrupt(NULL);
    signal(SIGPIPE, SIG_IGN); /* if nobody reads our output, go on */
    log_event("server: ready %s:%ld", network, port);

    for (long number = 0; count == 0 || number < count; number++) {
        /* STEP 3: Wait for a message, and read it whole: first its length, as in
         * server.c. */
        char byte;
        ssize_t length = recv(slot, &byte, sizeof byte, MSG_PEEK | MSG_TRUNC);
        if (length == -1)
            sys_error("recv");
        char *message = allocate((size_t)length);
        if (recv(slot, message, (size_t)length, 0) == -1)
            sys_error("recv");

        /* STEP 4: Print the message. */
        log_text("server: received", message, (size_t)length);
        free(message);
    }

    /* STEP 5: Close the socket. An address of the network is not a file: nothing
     * stays. */
    if (close(slot) == -1)
        sys_error("close");
    log_last("server: done");
    return EXIT_SUCCESS;
}

/* Returns a socket that reads what is sent to `address`, beside the other servers. */
static int join_network(const struct sockaddr_in *address, bool multicast)
{
    int slot = socket(AF_INET, SOCK_DGRAM, 0);
    if (slot == -1)
        sys_error("socket");

    /* Every server needs SO_REUSEADDR, also the first: otherwise the second bind()
     * fails. */
    if (setsockopt(slot, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1)
        sys_error("setsockopt");
    if (bind(slot, (const struct sockaddr *)address, sizeof *address) == -1)
        sys_error("bind");

    /* To receive what is sent to a group, join it, on one interface. */
    struct ip_mreq group = {.imr_multiaddr = address->sin_addr,
                            .imr_interface.s_addr = inet_addr(INTERFACE_ADDRESS)};
    if (multicast &&
        setsockopt(slot, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) == -1)
        sys_error("setsockopt");
    return slot;
}
