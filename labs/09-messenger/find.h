/*
 * find.h - how a client finds servers on the network: a question by UDP broadcast, and answers.
 * On Windows also by mailslot.
 */
#ifndef FIND_H
#define FIND_H

#include <stdbool.h>
#include <stddef.h>

/* The server listens at `address`, "127.0.0.1:7709" or "0.0.0.0:7709". From now on a thread answers
 * questions, from that address. A server that listens on the loopback interface alone answers this
 * machine alone, and one that listens on an IPv6 address alone answers nobody. */
void answer_questions(const char *address);

/* Asks on all networks, waits FIND_MILLISECONDS, and prints "tcp:HOST:PORT" for each server. Returns
 * how many there are. */
int find_servers(void);

#ifdef _WIN32
/* The same by mailslot, for find.c: mailslot.c. A thread answers; `port` is the server's. */
void answer_by_mailslot(const char *port, bool own_computer_alone);

/* Asks this computer and all others. Returns the slot for the answers. */
void *ask_by_mailslot(void);

/* Takes an answer that is there: "messenger PORT", and the server's host. Returns false if there is none. */
bool read_mailslot(void *slot, char *bytes, size_t size, const char **host);
#endif

#endif
