/*
 * contract.h - what all programs of this lab agree on, on both systems.
 *
 * A server and its clients talk over TCP: a stream of bytes each way, without messages in it.
 * The server sends every byte back, in order. The one thing that it looks for is QUIT, and as
 * a stream has no messages, what QUIT means speaks of turns: a client has its turn when all
 * that it has sent has come back. The four bytes QUIT, sent then in one piece with nothing
 * behind them, end the session.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

/* Where the server listens, and the client connects, when nobody says otherwise. */
#define DEFAULT_HOST "127.0.0.1"
#define DEFAULT_PORT "5050"

/* What ends a session, without the NUL. */
#define QUIT "QUIT"
#define QUIT_SIZE 4

/* The longest piece that the server is bound to take for one. The report's programs have
 * buffers of 1,024 bytes, and put a NUL behind what they read. */
#define PIECE_SIZE 1000

/* How many bytes one read asks for. A line that tells of as much text goes into a pipe in one
 * piece (PIPE_BUF is 4,096 on Linux), which matters where several processes write such lines. */
#define READ_SIZE 2048

/* How many clients a server holds at a time; more wait in the listening socket's queue. */
#define MAX_CLIENTS 500

/* server_udp and client_udp. The largest datagram over IPv4 has 65,507 bytes: 65,535 less the
 * two headers. How long the client waits for an echo, in milliseconds, and how often it sends
 * before it gives a line up. */
#define MAX_DATAGRAM 65536
#define UDP_TIMEOUT 1000
#define UDP_ATTEMPTS 2

/* server_file and client_file: what stands before and behind the file, and how many bytes one
 * call may be asked to send, and the client writes at a time. */
#define FILE_HEADER "FILE %" PRId64 "\n"
#define ERROR_HEADER "ERROR %d\n"
#define FILE_TRAILER "END\n"
#define HEADER_ROOM 64
#define SENDFILE_PART (1024 * 1024 * 1024)
#define FILE_PORTION 65536

/* How long a server waits for a worker that it has started, in milliseconds, when nobody says
 * otherwise: on a busy machine many programs at once take their time to start. */
#define HANDOFF_TIMEOUT 30000

#ifdef _WIN32
/* What a worker gets over its pipe: the connection's description, and the client's number.
 * Whoever includes this has included winsock2.h. */
struct handoff {
    WSAPROTOCOL_INFOW info;
    long number;
};

/* Room for the name of that pipe, and for a command line, the NUL included. */
#define PIPE_NAME_ROOM 80
#define COMMAND_LINE_ROOM 32767
#endif

/* Room for an address and a port as text, "[fe80::1%eth0]:65535". */
#define ADDRESS_ROOM 128

#endif
