/*
 * endpoint.h - from an ADDRESS to a socket or a pipe: calls that labs 02 and 05 teach.
 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include "ipclab.h"
#include "wire.h"

/* Connects to a server. Returns NULL, or the name of the call that failed, as tcp_try_connect(). */
const char *connect_to(const struct address *address, ipc_file *connection);

/* From now on TCP tests a connection that is silent for so many seconds: a machine that is switched
 * off, or a cable that is cut, sends no end of file. And it sends each line at once. */
void set_keep_alive(ipc_socket socket, long silence);

/* Milliseconds of a clock that nobody sets. */
long long milliseconds(void);

#ifdef _WIN32
/* "\\.\pipe\NAME"; valid until the next call. */
const wchar_t *pipe_path(const struct address *address);

/* Closes what connect_to() has connected, or what a server has accepted. */
void close_endpoint(const struct address *address, HANDLE connection);
#else
/* A socket that listens there. pipe:NAME is a UNIX-domain socket, to which no other user may
 * connect; the file of a server that was killed is replaced. */
int listen_at(const struct address *address);

/* Removes the file of a UNIX-domain socket. */
void remove_socket(const struct address *address);
#endif

#endif
