/*
 * text.c - text that is fit to be printed, UTF-16, and memory that grows.
 */
#include "ipclab.h"

#include <stdint.h>

size_t utf8_length(const unsigned char *text, size_t length)
{
    unsigned char low = 0x80, high = 0xBF; /* what the second byte may be */
    size_t size = text[0] < 0xC2   ? 0
                  : text[0] < 0xE0 ? 2
                  : text[0] < 0xF0 ? 3
                  : text[0] < 0xF5 ? 4
                                   : 0;
    if (size == 0 || size > length)
        return 0;
    switch (text[0]) {
    case 0xC2: low = 0xA0; break; /* below are control characters, which terminals obey */
    case 0xE0: low = 0xA0; break; /* overlong */
    case 0xED: high = 0x9F; break; /* surrogates of UTF-16 */
    case 0xF0: low = 0x90; break;  /* overlong */
    case 0xF4: high = 0x8F; break; /* above U+10FFFF */
    default: break;
    }
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    return size;
}

char *quoted(const void *bytes, size_t length)
{
    const unsigned char *in = bytes;
    char *text = allocate(length * 4 + 3), *out = text; /* \xNN is four bytes for one */
    *out++ = '"';
    for (size_t i = 0, size; i < length; i += size) {
        size = utf8_length(in + i, length - i);
        if (size > 0) {
            memcpy(out, in + i, size);
            out += size;
            continue;
        }
        size = 1;
        if (in[i] == '\n' || in[i] == '\0' || in[i] == '"' || in[i] == '\\') {
            *out++ = '\\';
            *out++ = in[i] == '\n' ? 'n' : in[i] == '\0' ? '0' : (char)in[i];
        } else if (in[i] >= ' ' && in[i] <= '~') {
            *out++ = (char)in[i];
        } else {
            out += snprintf(out, 5, "\\x%02X", in[i]);
        }
    }
    *out++ = '"';
    *out = '\0';
    return text;
}

void *allocate(size_t size)
{
    return reallocate(NULL, size);
}

void *reallocate(void *memory, size_t size)
{
    void *moved = realloc(memory, size > 0 ? size : 1); /* realloc(m, 0) may free it */
    if (moved == NULL)
        fatal("no memory for %zu bytes", size);
    return moved;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
    if (length > buffer->capacity - buffer->length) {
        buffer->capacity = 2 * (buffer->length + length);
        buffer->bytes = reallocate(buffer->bytes, buffer->capacity);
    }
    if (length > 0) /* memcpy must not be given NULL, even for nothing */
        memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

void buffer_remove(struct buffer *buffer, size_t length)
{
    buffer->length -= length;
    if (length > 0)
        memmove(buffer->bytes, buffer->bytes + length, buffer->length);
}

size_t buffer_find(const struct buffer *buffer, char end)
{
    char *found = buffer->length > 0 ? memchr(buffer->bytes, end, buffer->length) : NULL;
    return found != NULL ? (size_t)(found + 1 - buffer->bytes) : 0;
}

#ifdef _WIN32

wchar_t *to_utf16(const char *text)
{
    int units = MultiByteToWideChar(CP_UTF8, 0, text, -1, NULL, 0); /* the NUL included */
    wchar_t *wide = allocate((size_t)units * sizeof *wide);
    MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, units);
    return wide;
}

char *to_utf8(const wchar_t *text, size_t units)
{
    int bytes = units == 0 ? 0 /* for which the call would fail */
                           : WideCharToMultiByte(CP_UTF8, 0, text, (int)units, NULL, 0,
                                                 NULL, NULL);
    char *utf8 = allocate((size_t)bytes + 1);
    if (bytes > 0)
        WideCharToMultiByte(CP_UTF8, 0, text, (int)units, utf8, bytes, NULL, NULL);
    utf8[bytes] = '\0';
    return utf8;
}

#endif
