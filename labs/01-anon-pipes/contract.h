/*
 * contract.h - what both programs of this lab agree on, on both systems.
 *
 * Two anonymous pipes connect a server with the client that it starts: one is the client's
 * standard input, the other its standard output. On each, a message is its text in UTF-8 and
 * a NUL byte that ends it. A pipe carries bytes, not messages: a read may return half a
 * message or three of them, and only the NUL says where one ends.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

/* How many messages the client sends when nobody says otherwise, and at the most. */
#define DEFAULT_COUNT 10
#define MAX_COUNT 100000

/* The text of message N, counted from 1, and the room that the longest needs with its NUL. */
#define MESSAGE_TEXT "message num %ld"
#define MESSAGE_ROOM 32

/* How many bytes one read asks for. No message needs to fit: it is a portion, not a limit. */
#define READ_SIZE 4096

/* How long a command line may be that CreateProcess takes, its NUL included. */
#define COMMAND_LINE_ROOM 32767

#endif
