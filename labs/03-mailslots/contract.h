/*
 * contract.h - what the programs of this lab agree on.
 *
 * A slot has one owner, which reads from it. Any number of clients write to it. Each
 * write is one message, and each read returns one message, whole.
 *
 * On Windows a message is text in UTF-16, little-endian, and a NUL: the report's
 * programs send the NUL, too. On UNIX a message is text in UTF-8, and nothing else.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

/* ---- The pair ---------------------------------------------------------------------- */

/* What the client sends if it has no MESSAGE arguments. */
#define DEFAULT_MESSAGES                                      \
    "Message one for mailslot.", "Message two for mailslot.", \
        "Message three for mailslot."

/* The default name. On UNIX it is a file (runtime_path() in ipclab.h); on Windows it
 * comes after the prefix that all mailslots of this machine have. */
#define SLOT_NAME "sample_mailslot"
#define LOCAL_PREFIX "\\\\.\\mailslot\\"

/* A message of this many bytes (on Windows, with its NUL) arrives whole. A longer one
 * may be refused, but is never cut. */
#define MAX_MESSAGE 65536

/* How many messages a server can be asked to read. */
#define MAX_COUNT 1000000

/* Windows: how many bytes one message to all slots of a name, \\*\mailslot\NAME, can
 * have. */
#define EVERY_SLOT_PREFIX "\\\\*\\"
#define EVERY_SLOT_MAX 424

/* ---- The other pairs --------------------------------------------------------------- */

/* client_echo: how long it waits for a reply, because a reply may never come. */
#define REPLY_MILLISECONDS 3000

/* client_mqueue: the highest priority that POSIX promises. */
#define HIGHEST_PRIORITY 31

/* server_broadcast, client_broadcast: where a message reaches every server of this
 * machine. */
#define BROADCAST_ADDRESS "127.255.255.255"
#define MULTICAST_ADDRESS "239.255.3.3"
#define INTERFACE_ADDRESS "127.0.0.1"
#define DEFAULT_PORT 7703

#endif
