/*
 * contract.h - what the programs of this lab agree on.
 *
 * The two systems differ in what a named pipe is. On Windows it is a two-way connection to one
 * client, and carries messages. On UNIX it is a FIFO: one-way, and one queue of bytes for all
 * clients. There, connections are made from several FIFOs, and messages from bytes, by the
 * rules at the end.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

/* ---- Both systems ------------------------------------------------------------------- */

/* The longest message in bytes: without the length that goes before it on a FIFO, with the
 * NUL that ends it elsewhere. */
#define MAX_MESSAGE 65536

/* The text that ends a session, with or without a newline after it. */
#define EXIT_TEXT "exit"
#define WIDE_EXIT_TEXT L"exit"

/* The name that the report's programs use. */
#define PIPE_NAME "$$MyPipe$$"

/* How many bytes one read asks for, where a message may take several. */
#define BUFFER_SIZE 512

/* How long a client waits for a server that is running but busy. */
#define WAIT_MILLISECONDS 20000

/* Room for the default name of pipe_info. */
#define OWN_NAME_SIZE 64

/* ---- Win32 -------------------------------------------------------------------------- */

/* A message is one message of the pipe: text in UTF-16, little-endian, and a NUL. A client may
 * send one more after "exit" before it reads: there must be room for it. */
#define PIPE_PREFIX "\\\\.\\pipe\\"

/* How long WaitNamedPipe waits if it is called with NMPWAIT_USE_DEFAULT_WAIT. */
#define DEFAULT_WAIT_MILLISECONDS 5000

/* How many instances of the pipe wait for a client at any time. server_overlapped waits for
 * all of them, and for Ctrl-C, in one call, which takes at most 64 objects
 * (MAXIMUM_WAIT_OBJECTS). */
#define FREE_INSTANCES 60

/* How long server_robust and server_overlapped wait before they try again to create an
 * instance of the pipe. */
#define PAUSE_MILLISECONDS 1000

/* The longest time that server_overlapped --idle takes: a day. */
#define MAX_IDLE_SECONDS 86400

/* Who may open the pipe, in the security descriptor definition language:
 *   D:P              the DACL, the list of who may do what; it inherits nothing
 *   (A;;GA;;;SY)     allow everything (generic all) to the system,
 *   (A;;GA;;;BA)     to the administrators,
 *   (A;;GA;;;OW)     and to the owner of the pipe: the user who started the server. If it was
 *                    started as administrator, the owner is that group, and a client must be
 *                    started so, too.
 * Others get nothing. With --remote, all users whose logon the system has verified may also
 * read and write (AU, authenticated users). */
#define LOCAL_SDDL "D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;OW)"
#define REMOTE_SDDL LOCAL_SDDL "(A;;GRGW;;;AU)"

/* ---- UNIX: server and client -------------------------------------------------------- */

/* PIPE is the well-known FIFO. A client creates two more beside it, PIPE.PID.to_server and
 * PIPE.PID.to_client. PID is its process ID, in decimal. */
#define TO_SERVER "%s.%ld.to_server"
#define TO_CLIENT "%s.%ld.to_client"
#define FIFO_MODE 0600

/* A client announces itself on the well-known FIFO by its process ID, in one write, so that
 * bytes of other processes cannot split it. It begins with a newline: if another process has
 * written half a line, the announcement is a line of its own all the same. The FIFO can be full:
 * write without O_NONBLOCK, or wait for POLLOUT. */
#define ANNOUNCEMENT "\n%ld\n"
#define ANNOUNCEMENT_SIZE 32

/* On a client's two FIFOs a message is its length in 4 bytes, the most significant first,
 * and then the text in UTF-8. A length over MAX_MESSAGE is an error. The first message of the
 * server is empty: it has opened both FIFOs. The client waits for it. To refuse a client the
 * server opens and closes its end of to_client: the client reads end of file. In the robust
 * stage a server that starts removes the FIFOs of clients that no longer exist. */
#define HEADER_SIZE 4

/* ---- UNIX: server_seqpacket and client_seqpacket ------------------------------------- */

/* The default name of the socket. A message is one packet: text in UTF-8 and a NUL. */
#define SOCKET_NAME PIPE_NAME ".socket"

/* How many clients may wait until they are accepted. */
#define BACKLOG 64

#endif
