/*
 * contract.h - what the programs of this lab agree on.
 *
 * The two systems do not share a wire here: a named pipe of Windows is two-way, carries
 * messages and keeps its clients apart; a FIFO is one-way, carries bytes, and all clients meet
 * in it. What a FIFO lacks is made of FIFOs and of the rules at the end.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

/* ---- Both systems ------------------------------------------------------------------- */

/* The longest message in bytes, as it travels; behind the frame's length where there is one,
 * with its NUL where there is one. */
#define MAX_MESSAGE 65536

/* The text that ends a session, with or without a newline behind it. */
#define EXIT_TEXT "exit"
#define WIDE_EXIT_TEXT L"exit"

/* The name of the listings. */
#define PIPE_NAME "$$MyPipe$$"

/* How many bytes a read asks for first. No message needs to fit: the buffer grows. */
#define BUFFER_SIZE 512

/* How long a client waits for a server that is there but busy. */
#define WAIT_MILLISECONDS 20000

/* Room for the default name of pipe_info. */
#define OWN_NAME_SIZE 64

/* ---- Win32 -------------------------------------------------------------------------- */

/* A message is one message of the pipe: text in UTF-16, little-endian, and a NUL. */
#define PIPE_PREFIX "\\\\.\\pipe\\"

/* What WaitNamedPipe waits with NMPWAIT_USE_DEFAULT_WAIT. */
#define DEFAULT_WAIT_MILLISECONDS 5000

/* How many instances of the pipe wait for a client at any time. One wait for all of them, and
 * for a stop event, takes no more than MAXIMUM_WAIT_OBJECTS (64). */
#define FREE_INSTANCES 60

/* How long server_robust waits before it tries again to create an instance. */
#define PAUSE_MILLISECONDS 1000

/* The longest time that server_overlapped --idle takes: a day. */
#define MAX_IDLE_SECONDS 86400

/* Who may do what to the pipe, in the security descriptor definition language:
 *   D:P              this list alone counts; none is inherited
 *   (A;;GA;;;SY)     allow, generic all: the system,
 *   (A;;GA;;;BA)     the administrators,
 *   (A;;GA;;;OW)     and the owner of the pipe: who started the server (as administrator:
 *                    that group, and then a client has to be started so, too).
 * Who is not on the list gets nothing. With --remote, whoever has logged on with a name and
 * a password may read and write, too (AU). */
#define LOCAL_SDDL "D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;OW)"
#define REMOTE_SDDL LOCAL_SDDL "(A;;GRGW;;;AU)"

/* ---- UNIX: server and client -------------------------------------------------------- */

/* The well-known FIFO. A client makes two more beside it, PIPE.PID.to_server and
 * PIPE.PID.to_client, PID being its process identifier in decimal. */
#define TO_SERVER "%s.%ld.to_server"
#define TO_CLIENT "%s.%ld.to_client"
#define FIFO_MODE 0600

/* What a client writes to the well-known FIFO in one write, so that nobody else's bytes get
 * between. A newline at both ends: half an announcement does not spoil the next one. */
#define ANNOUNCEMENT "\n%ld\n"
#define ANNOUNCEMENT_SIZE 32

/* On a pair of FIFOs a message is its length in 4 bytes, the most significant first, and then
 * as many bytes of text in UTF-8. The server's first is empty: it has opened the pair. */
#define HEADER_SIZE 4

/* ---- UNIX: server_seqpacket and client_seqpacket ------------------------------------- */

/* The socket's default name. A message is one packet: text in UTF-8 and a NUL. */
#define SOCKET_NAME PIPE_NAME ".socket"

/* How many clients may wait to be accepted. */
#define BACKLOG 64

#endif
