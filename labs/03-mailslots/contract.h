/*
 * contract.h - what both programs of this lab agree on, on both systems.
 *
 * A slot has one owner, who reads, and any number of writers. Each write is one message, and
 * each read brings one message, whole: the mechanism keeps the boundaries, so no message needs
 * an end mark. On Windows a text ends with a NUL all the same, because the report's programs
 * send it so; on UNIX the message is the text and nothing else.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

/* What the client sends when nobody says otherwise. An empty prefix makes them narrow texts, L
 * wide ones. */
#define DEFAULT_MESSAGES(prefix)                                                  \
    {                                                                             \
        prefix##"Message one for mailslot.", prefix##"Message two for mailslot.", \
            prefix##"Message three for mailslot."                                 \
    }

/* The slot's name when nobody says otherwise. On UNIX it is a file in the user's runtime
 * folder, or in /tmp with the user's number behind it; as a message queue it has a slash. */
#define DEFAULT_NAME "sample_mailslot"
#define LOCAL_PREFIX L"\\\\.\\mailslot\\"
#define DEFAULT_SLOT LOCAL_PREFIX L"sample_mailslot"

/* A message of this many bytes (on Windows, with its NUL) passes whole; a longer one may be
 * refused, but is never cut. The report's slot has no such limit. */
#define MAX_MESSAGE 65536

/* How many bytes Windows carries in one message to every slot of a name, \\*\mailslot\NAME. */
#define EVERYBODY_PREFIX L"\\\\*\\"
#define EVERYBODY_MAX 424

/* How many messages a server may be told to read before it ends. */
#define MAX_COUNT 1000000

/* The pair "echo": how long a client waits for a reply, since it may never come. */
#define REPLY_MILLISECONDS 3000

/* The pair "mqueue": the highest priority that POSIX promises. */
#define HIGHEST_PRIORITY 31

/* The pair "broadcast": where a message reaches every server of this machine. */
#define BROADCAST_ADDRESS "127.255.255.255"
#define MULTICAST_ADDRESS "239.255.3.3"
#define INTERFACE_ADDRESS "127.0.0.1"
#define DEFAULT_PORT 7703

#endif
