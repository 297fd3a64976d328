/*
 * contract.h - what all programs of this lab have in common, on both systems.
 *
 * A server and its clients talk over TCP: a stream of bytes each way, without messages. The
 * server sends every byte back, in order. Only QUIT has a meaning. Because a stream has no
 * messages, that meaning depends on turns: it is a client's turn if all that it has sent has
 * come back. If the client then sends the four bytes QUIT, in one piece and nothing after
 * them, the session ends.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

/* Where the server listens, and the client connects, by default. */
#define DEFAULT_HOST "127.0.0.1"
#define DEFAULT_PORT "5050"
#define MAX_PORT 65535

/* What ends a session. On the wire it has no NUL. */
#define QUIT "QUIT"
#define QUIT_SIZE 4

/* The longest piece that the server must take as one. It may receive a longer one in parts. The
 * report's programs have buffers of 1,024 bytes, and append a NUL to what they read. */
#define PIECE_SIZE 1000

/* How many bytes one recv() asks for. A line that prints so much text goes into a pipe in one
 * piece (PIPE_BUF is 4,096 on Linux), if few bytes become \xNN. That matters where several
 * processes print such lines. */
#define READ_SIZE 2048

/* How many clients a server has at a time. More wait in the queue of the listening socket. */
#define MAX_CLIENTS 500

/* How much memory a robust server takes at most for a client that sends much and never receives. */
#define CLIENT_LIMIT (8 * 1024 * 1024)

/* server_udp and client_udp. The largest datagram over IPv4 has 65,507 bytes: 65,535 less the
 * two headers. (Over IPv6 it has 65,527: the header of IPv6 does not count.) How long the client
 * waits for an echo, in milliseconds, and how often it sends a line. */
#define MAX_DATAGRAM 65536
#define UDP_TIMEOUT 1000
#define UDP_ATTEMPTS 2

/* server_file and client_file: the lines before and after the file, and the room for one. Then
 * how many bytes one call is asked to send, and how many the client writes at a time. */
#define FILE_HEADER "FILE %" PRId64 "\n"
#define ERROR_HEADER "ERROR %d\n"
#define FILE_TRAILER "END\n"
#define HEADER_ROOM 64
#define SENDFILE_PART (1024 * 1024 * 1024)
#define FILE_PORTION 65536

/* How long a server waits for a worker that it has started, in milliseconds, by default. Many
 * programs that start at once on a busy machine need several seconds. */
#define HANDOFF_TIMEOUT 30000

#ifdef _WIN32
/* What a worker gets over its pipe: the description of the connection, and the client's
 * number. Include winsock2.h first. */
struct handoff {
    WSAPROTOCOL_INFOW info;
    long number;
};

/* Room for the name of that pipe, and for a command line, with the NUL. */
#define PIPE_NAME_ROOM 80
#define COMMAND_LINE_ROOM 32767
#endif

/* Room for an address and a port as text, "[fe80::1%eth0]:65535". */
#define ADDRESS_ROOM 128

#endif
