/*
 * line.c - the line that a user types at a terminal: see line.h.
 */
#include "line.h"

#include "wire.h"

#define PROMPT "> "
#define LONGEST_SHOWN 500 /* columns, also on a wider terminal */

enum {
    CTRL_D = 4,
    BACKSPACE = 8,
    CTRL_U = 21,
    CTRL_W = 23,
    CTRL_Z = 26,
    ESCAPE = 27,
    RUBOUT = 127
};

void line_clear(struct line *line)
{
    line->length = 0;
    line->text[0] = '\0';
}

/* Removes the last character, all of its bytes. */
static void remove_last(struct line *line)
{
    while (line->length > 0 &&
           ((unsigned char)line->text[line->length - 1] & 0xC0) == 0x80)
        line->length--;
    if (line->length > 0)
        line->length--;
}

static void remove_word(struct line *line)
{
    while (line->length > 0 && line->text[line->length - 1] == ' ')
        line->length--;
    while (line->length > 0 && line->text[line->length - 1] != ' ')
        line->length--;
}

/* Escape sequences begin with ESC and "[" or "O", and end with a letter or "~". Returns whether the
 * byte belongs to one. A control character, such as Enter, is part of none. */
static bool is_of_sequence(struct line *line, unsigned char byte)
{
    if (byte == ESCAPE) {
        line->escape = 1;
    } else if (byte < ' ') {
        line->escape = 0;
        return false;
    } else if (line->escape == 1) {
        line->escape = byte == '[' || byte == 'O' ? 2 : 0;
    } else if (line->escape == 2) {
        if (byte >= '@' && byte <= '~')
            line->escape = 0;
    } else {
        return false;
    }
    return true;
}

/* A character of text: it counts when all its bytes are there. A line that is full takes no more. */
static enum key add_byte(struct line *line, unsigned char byte)
{
    if (byte < 0x80 || (byte & 0xC0) != 0x80)
        line->partial_length = 0;
    if (line->partial_length == sizeof line->partial)
        return KEY_NONE;
    line->partial[line->partial_length++] = (char)byte;
    if (byte >= 0x80 &&
        utf8_length((const unsigned char *)line->partial, line->partial_length) == 0)
        return KEY_NONE;
    size_t length = line->partial_length;
    line->partial_length = 0;
    if (line->length + length > TEXT_LIMIT)
        return KEY_NONE;
    memcpy(line->text + line->length, line->partial, length);
    line->length += length;
    return KEY_CHANGED;
}

enum key line_key(struct line *line, unsigned char byte)
{
    enum key key = KEY_CHANGED;
    if (is_of_sequence(line, byte))
        return KEY_NONE;
    if (byte == '\r' || byte == '\n')
        key = KEY_ENTER;
    else if (byte == CTRL_D || byte == CTRL_Z)
        key = line->length == 0 ? KEY_END : KEY_NONE;
    else if (byte == BACKSPACE || byte == RUBOUT)
        remove_last(line);
    else if (byte == CTRL_U)
        line->length = 0;
    else if (byte == CTRL_W)
        remove_word(line);
    else
        key = byte < ' ' && byte != '\t' ? KEY_NONE
                                         : add_byte(line, byte == '\t' ? ' ' : byte);
    line->text[line->length] = '\0';
    return key;
}

void line_hide(struct line *line, struct buffer *out)
{
    buffer_append(out, "\r", 1);
    for (size_t i = 0; i < line->shown; i++)
        buffer_append(out, " ", 1);
    buffer_append(out, "\r", 1);
    line->shown = 0;
}

/* The columns that the text takes from the byte `from` on. */
static size_t columns_from(const struct line *line, size_t from)
{
    size_t columns = 0;
    for (size_t size; from < line->length; from += size)
        columns += columns_of(
            next_character(line->text + from, line->length - from, &size));
    return columns;
}

/* The last column stays free: a terminal that has filled it moves the cursor in its own way. */
void line_show(struct line *line, struct buffer *out, size_t columns)
{
    size_t room = columns < LONGEST_SHOWN ? columns : LONGEST_SHOWN, from = 0, size;
    room = room > sizeof PROMPT + 2 ? room - sizeof PROMPT : 2;
    while (columns_from(line, from) > room) {
        next_character(line->text + from, line->length - from, &size);
        from += size;
    }
    buffer_append(out, PROMPT, strlen(PROMPT));
    buffer_append(out, line->text + from, line->length - from);
    line->shown = strlen(PROMPT) + columns_from(line, from);
}

void line_print(struct line *line, struct buffer *out, size_t columns, const char *text,
                size_t length)
{
    line_hide(line, out);
    buffer_append(out, text, length);
    buffer_append(out, "\r\n", 2);
    line_show(line, out, columns);
}
