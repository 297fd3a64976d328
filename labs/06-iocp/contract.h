/*
 * contract.h - what the programs of this lab agree on, on both systems.
 *
 * The bytes on the connection are the same on both systems: any client talks to any server. The
 * server greets each client with the welcome and its NUL, then sends every byte back, in order.
 * A client that has sent its last byte shuts down its half of the connection (end of file). The
 * server sends the rest of the echo, then closes.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

/* Where the server listens, and where a client looks for it, without arguments. */
#define DEFAULT_HOST "127.0.0.1"
#define DEFAULT_PORT "7710"
#define MAX_PORT 65535

/* The first bytes from the server. With its NUL, sizeof WELCOME, it is 19 bytes long. */
#define WELCOME "You are connected!"

/* How many bytes one receive asks for. */
#define BUFFER_SIZE 16384

/* A robust server holds no more than this of a client that sends and does not read. */
#define CLIENT_LIMIT 65536

/* How many clients the system must hold while the server accepts none: listen's backlog. */
#define BACKLOG_NEEDED 100

/* ---- client ------------------------------------------------------------------------- */

/* How many messages it sends. Each is sent with its NUL. */
#define DEFAULT_MESSAGES 10
#define MAX_MESSAGES 1000000
#define MESSAGE_TEXT "message num %ld"

/* Room for a message of any program of this lab. */
#define MESSAGE_SIZE 64

/* ---- load --------------------------------------------------------------------------- */

/* How many connections it makes. */
#define DEFAULT_CONNECTIONS 100
#define MAX_CONNECTIONS 50000

/* Message M of connection C, both counted from 1; it is sent with its NUL. All messages of a
 * run differ, so that an echo on the wrong connection is noticed. */
#define LOAD_TEXT "connection %ld message %ld"

/* How many connections are being made at the same time: few enough for the backlog of the
 * report's server, which is 5. A connection that finds the backlog full takes a second. */
#define CONNECTING_AT_ONCE 5

/* After so many seconds without an event load exits with an error. */
#define PATIENCE 10

#endif
