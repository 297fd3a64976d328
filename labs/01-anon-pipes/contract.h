/*
 * contract.h - what both programs of this lab agree on, on both systems.
 *
 * Two anonymous pipes connect a server with the client that it starts. One pipe is the
 * client's standard input, the other its standard output. In each, a message is its text
 * in UTF-8 and a NUL byte that ends it. A pipe carries bytes, not messages: one read can
 * return half a message or three messages. Only the NUL marks where a message ends.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

/* How many messages the client sends by default, and at most. */
#define DEFAULT_COUNT 10
#define MAX_COUNT 100000

/* The text of message N, counted from 1. The longest has fewer than MESSAGE_SIZE
 * bytes. */
#define MESSAGE_TEXT "message num %ld"
#define MESSAGE_SIZE 32

/* How many bytes one read asks for. It does not limit a message: a longer one takes more
 * reads. */
#define READ_SIZE 4096

/* UNIX: the exit code of a child that cannot become the client. Shells use the same. */
#define EXEC_FAILED 127

/* Windows: the longest command line of CreateProcess, with its NUL. */
#define COMMAND_LINE_SIZE 32767

#endif
