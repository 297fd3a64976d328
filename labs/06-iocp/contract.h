/*
 * contract.h - what both programs of this lab agree on, on both systems.
 *
 * TCP, and the bytes are the same on both systems: any client talks to any server. The server
 * greets each client with the welcome and its NUL, then sends every byte back, in order. A
 * client that will say no more shuts its half of the connection down; the server sends the
 * rest of the echo, then closes.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

/* Where the server listens, and the client looks for it, when nobody says otherwise. */
#define DEFAULT_HOST "127.0.0.1"
#define DEFAULT_PORT 7710
#define MAX_PORT 65535

/* What the server says first. With its NUL, sizeof WELCOME, it is 19 bytes. */
#define WELCOME "You are connected!"

/* The server holds no more than this of a client that sends and does not read. */
#define CLIENT_LIMIT 65536

/* What ours holds: one buffer for each client, received into and sent from in turn. */
#define BUFFER_SIZE 16384

/* How much the client does when nobody says otherwise, and at the most. */
#define DEFAULT_CONNECTIONS 100
#define MAX_CONNECTIONS 50000
#define DEFAULT_MESSAGES 10
#define MAX_MESSAGES 1000000

/* Message M of connection C, both counted from 1; it is sent with its NUL. All messages of a
 * run differ, so an echo that went to the wrong connection is noticed. */
#define MESSAGE_TEXT "connection %ld message %ld"
#define MESSAGE_ROOM 64

/* How many clients a server's system must hold while the server accepts none: listen's
 * backlog. */
#define BACKLOG_NEEDED 100

/* How many connections the client has under way at once while it builds them all up: so few
 * that the backlog of the report's server, 5, is enough. A full backlog costs a second. */
#define CONNECTING_AT_ONCE 5

/* When nothing has come for so long, in seconds, the client gives up: a server that does not
 * send back would else be waited for for ever. */
#define PATIENCE 10

#endif
