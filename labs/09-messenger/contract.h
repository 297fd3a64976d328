/*
 * contract.h - what the programs of this lab agree on, on both systems.
 *
 * Both sides send lines of UTF-8, which end with "\n" or "\r\n". Any client that can send lines
 * takes part: ours, nc, telnet.
 *
 *     client to server                 server to client
 *     /name NAME    take a name        HH:MM NAME: TEXT           a message to everybody
 *     TEXT          to everybody       HH:MM NAME > NAME: TEXT    a message to one
 *     //TEXT        "/TEXT"            HH:MM * TEXT               a notice: joined, left
 *     /to NAME TEXT to one             * TEXT                     the reply to a command
 *     /who                             ! TEXT                     an error, for this client alone
 *     /help
 *     /quit         or end of file
 */
#ifndef CONTRACT_H
#define CONTRACT_H

/* Where the server listens, and where a client looks for it. */
#define DEFAULT_ADDRESS "tcp:127.0.0.1:7709"
#define MAX_PORT 65535

/* The most bytes in a client's line, without its end. The server refuses a longer one. */
#define TEXT_LIMIT 1000

/* A name has at most so many characters: letters, digits, - and _. Each takes up to 4 bytes. */
#define NAME_LIMIT 16
#define NAME_SIZE (4 * NAME_LIMIT + 1)

/* Room for any line of the server with its end and a NUL: a clean TEXT can be three times as long as
 * what the client has sent, because U+FFFD replaces one byte by three. */
#define LINE_SIZE (3 * TEXT_LIMIT + 2 * NAME_SIZE + 32)

/* Flooding. A client can send LINE_BURST lines at once, and LINE_RATE a second after that. A line
 * counts once more for each TEXT_LIMIT bytes. Lines that are too fast are not sent on; after
 * FLOOD_LIMIT of these in a row the client is dropped. /quit is never too fast. The server's option
 * --rate replaces LINE_RATE. */
#define LINE_RATE 20
#define LINE_BURST 60
#define FLOOD_LIMIT 100
#define MAX_RATE 1000000

/* Our client sends fewer lines at once: the network may bring lines together that it sent apart. */
#define CLIENT_BURST 30

/* The most bytes that may wait for a client that does not read. With more, it is dropped. The messages of
 * --history do not count. */
#define QUEUE_LIMIT 262144

/* A client that has left, or was dropped for flooding, has so many seconds to read what waits for
 * it; each client, when the server ends. So long a client waits after /quit, and in one send. */
#define LEAVING_SECONDS 5

/* In a room with more users than this, joining and leaving is not announced. */
#define ANNOUNCE_LIMIT 100

/* A connection without traffic is tested after SILENCE seconds, then after each third of that. After
 * KEEP_ALIVE_PROBES tests without an answer it is closed: 60 seconds after the last sign of life.
 * The server's option --silence replaces SILENCE. */
#define SILENCE 30
#define LEAST_SILENCE 3
#define LONGEST_SILENCE 3600
#define KEEP_ALIVE_PROBES 3

/* How many messages the file of --history keeps. */
#define HISTORY_LENGTH 100

/* client --retry: the pause before the first new attempt, and the longest, in seconds. Before each there is a
 * line on standard error: "client: REASON; next attempt in N s". */
#define FIRST_PAUSE 1
#define LONGEST_PAUSE 32

/* client --find: the UDP port where servers answer, what they are asked, what an answer begins with
 * (the port of the room follows), and how long the client waits for answers. */
#define FIND_PORT 7709
#define FIND_QUESTION "messenger?"
#define FIND_ANSWER "messenger "
#define FIND_MILLISECONDS 1000

/* How many bytes one receive asks for. For each user they can become 40 times as many: "x\n" gets a
 * time and a name. These must not fill the queue of a user that reads. */
#define BUFFER_SIZE 4096

#endif
