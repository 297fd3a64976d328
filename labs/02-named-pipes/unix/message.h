/*
 * message.h - messages on a FIFO, for server.c and client.c. A FIFO itself carries only bytes.
 *
 * A message travels as its length in 4 bytes, the most significant first, and then its text:
 * "hi" is 00 00 00 02 'h' 'i'.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "contract.h"
#include "ipclab.h"

/* Sends one message of at most MAX_MESSAGE bytes, which the caller must check. Length and text go
 * in one call: write() may send less than it is asked for, write_all() goes on. Returns false if no
 * process has the FIFO open for reading (EPIPE). */
static inline bool send_message(int fifo, const char *text, size_t length)
{
    char bytes[HEADER_SIZE + MAX_MESSAGE];
    for (int i = 0; i < HEADER_SIZE; i++)
        bytes[i] = (char)(length >> 8 * (HEADER_SIZE - 1 - i));
    memcpy(bytes + HEADER_SIZE, text, length);
    return write_all(fifo, bytes, HEADER_SIZE + length);
}

/* Receives one message into `text`, which has room for MAX_MESSAGE bytes. One read() may
 * return a part of it; read_full() goes on. Returns false at end of file, also in the middle
 * of a message, and if the message is too long. */
static inline bool receive_message(int fifo, char *text, size_t *length)
{
    unsigned char header[HEADER_SIZE];
    if (read_full(fifo, header, HEADER_SIZE) != HEADER_SIZE)
        return false;
    *length = 0;
    for (int i = 0; i < HEADER_SIZE; i++)
        *length = *length << 8 | header[i];
    if (*length > MAX_MESSAGE) {
        log_error("a message of %zu bytes is too long", *length);
        return false;
    }
    return read_full(fifo, text, *length) == (long)*length;
}

/* Whether the whole text is "exit", with or without a newline: "exitus" is not. */
static inline bool is_exit(const char *text, size_t length)
{
    if (length > 0 && text[length - 1] == '\n')
        length--;
    return length == strlen(EXIT_TEXT) && memcmp(text, EXIT_TEXT, length) == 0;
}

#endif
