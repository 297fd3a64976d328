/*
 * wire.c - addresses, clean text and names: see wire.h.
 */
#include "wire.h"

#include "ipclab.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* ---- Addresses ------------------------------------------------------------------------- */

/* Copies `length` characters. Returns false if there is no room for them, or none at all. */
static bool copy_part(char *out, size_t size, const char *text, size_t length)
{
    if (length == 0 || length >= size)
        return false;
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

bool parse_address(const char *text, struct address *address)
{
    address->pipe = strncmp(text, "pipe:", 5) == 0;
    if (address->pipe)
        return copy_part(address->host, sizeof address->host, text + 5, strlen(text + 5));
    if (strncmp(text, "tcp:", 4) != 0)
        return false;
    const char *host = text + 4, *colon = strrchr(host, ':');
    if (colon == NULL)
        return false;
    size_t length = (size_t)(colon - host);
    if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    }
    char *end;
    long port = strtol(colon + 1, &end, 10);
    bool digits = colon[1] >= '0' &&
                  colon[1] <= '9'; /* strtol also takes blanks and a sign */
    return digits && *end == '\0' && port <= MAX_PORT &&
           copy_part(address->host, sizeof address->host, host, length) &&
           copy_part(address->port, sizeof address->port, colon + 1, strlen(colon + 1));
}

/* ---- Text ------------------------------------------------------------------------------ */

uint32_t next_character(const char *text, size_t length, size_t *size)
{
    const unsigned char *byte = (const unsigned char *)text;
    *size = utf8_length(byte, length);
    switch (*size) {
    case 2: return (byte[0] & 0x1Fu) << 6 | (byte[1] & 0x3Fu);
    case 3: return (byte[0] & 0x0Fu) << 12 | (byte[1] & 0x3Fu) << 6 | (byte[2] & 0x3Fu);
    case 4:
        return (byte[0] & 0x07u) << 18 | (byte[1] & 0x3Fu) << 12 |
               (byte[2] & 0x3Fu) << 6 | (byte[3] & 0x3Fu);
    default: *size = 1; return byte[0];
    }
}

struct range {
    uint32_t first, last;
};

static bool is_in(uint32_t character, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (character >= ranges[i].first && character <= ranges[i].last)
            return true;
    return false;
}

#define IS_IN(character, ranges) \
    is_in(character, ranges, sizeof(ranges) / sizeof *(ranges))

/* Characters that are no text: a terminal would obey them, or show text in another order. */
static bool is_unsafe(uint32_t character)
{
    static const struct range unsafe[] = {
        {0x00, 0x1F},     {0x7F, 0x9F},     {0x061C, 0x061C}, {0x200E, 0x200F},
        {0x2028, 0x202E}, {0x2066, 0x2069}, {0xFEFF, 0xFEFF}, {0xE0000, 0xE007F},
    };
    return IS_IN(character, unsafe);
}

size_t clean_text(char *out, const char *bytes, size_t length)
{
    size_t made = 0;
    for (size_t at = 0, size; at < length; at += size) {
        uint32_t character = next_character(bytes + at, length - at, &size);
        if (character == '\t') {
            out[made++] = ' ';
        } else if ((size == 1 && (unsigned char)bytes[at] >= 0x80) ||
                   is_unsafe(character)) {
            memcpy(out + made, REPLACEMENT, 3);
            made += 3;
        } else {
            memcpy(out + made, bytes + at, size);
            made += size;
        }
    }
    out[made] = '\0';
    return made;
}

size_t columns_of(uint32_t character)
{
    static const struct range none[] = {
        {0x0300, 0x036F}, {0x0483, 0x0489}, {0x200B, 0x200D},
        {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0x1F3FB, 0x1F3FF},
    };
    static const struct range two[] = {
        {0x1100, 0x115F}, {0x2E80, 0x303E}, {0x3041, 0xA4CF},   {0xAC00, 0xD7A3},
        {0xF900, 0xFAFF}, {0xFE30, 0xFE6F}, {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
        {0x231A, 0x231B}, {0x23E9, 0x23EC}, {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD},
    };
    return IS_IN(character, none) ? 0 : IS_IN(character, two) ? 2 : 1;
}

/* ---- Names ----------------------------------------------------------------------------- */

/* The letters of Latin, Greek, Cyrillic, Japanese, Chinese and Korean. No combining marks, no
 * invisible characters: two names that differ in these alone would look the same. */
static bool is_name_character(uint32_t character)
{
    static const struct range letters[] = {
        {'0', '9'},       {'A', 'Z'},       {'a', 'z'},       {'-', '-'},
        {'_', '_'},       {0x00C0, 0x00D6}, {0x00D8, 0x00F6}, {0x00F8, 0x017F},
        {0x0386, 0x0386}, {0x0388, 0x03CE}, {0x0400, 0x0481}, {0x048A, 0x052F},
        {0x3041, 0x3096}, {0x30A1, 0x30FA}, {0x4E00, 0x9FFF}, {0xAC00, 0xD7A3},
    };
    return IS_IN(character, letters);
}

bool is_name(const char *text)
{
    size_t characters = 0, length = strlen(text);
    for (size_t at = 0, size; at < length; at += size, characters++) {
        uint32_t character = next_character(text + at, length - at, &size);
        bool malformed = size == 1 && character >= 0x80;
        if (malformed || !is_name_character(character))
            return false;
    }
    return characters >= 1 && characters <= NAME_LIMIT;
}

/* The small letter for a capital of Latin, Greek and Cyrillic, and for the final sigma. */
static uint32_t small_letter(uint32_t letter)
{
    if ((letter >= 'A' && letter <= 'Z') || (letter >= 0xC0 && letter <= 0xDE) ||
        (letter >= 0x0391 && letter <= 0x03AB) || (letter >= 0x0410 && letter <= 0x042F))
        return letter + 0x20;
    if (letter >= 0x0400 && letter <= 0x040F)
        return letter + 0x50;
    if (letter >= 0x0388 && letter <= 0x038A)
        return letter + 0x25;
    switch (letter) { /* the others have no distance in common */
    case 0x0178: return 0x00FF;
    case 0x0386: return 0x03AC;
    case 0x038C: return 0x03CC;
    case 0x038E:
    case 0x038F: return letter + 0x3F;
    case 0x03C2: return 0x03C3;
    default: break;
    }
    bool even_is_capital = (letter >= 0x0100 && letter <= 0x0137) ||
                           (letter >= 0x014A && letter <= 0x0177) ||
                           (letter >= 0x0460 && letter <= 0x0481) ||
                           (letter >= 0x048A && letter <= 0x04BF) ||
                           (letter >= 0x04D0 && letter <= 0x052F);
    bool odd_is_capital = (letter >= 0x0139 && letter <= 0x0148) ||
                          (letter >= 0x0179 && letter <= 0x017E) ||
                          (letter >= 0x04C1 && letter <= 0x04CE);
    if ((even_is_capital && letter % 2 == 0) || (odd_is_capital && letter % 2 == 1))
        return letter + 1;
    return letter;
}

/* A letter and the Latin letter of the same shape. Capitals are looked up before they become small:
 * Cyrillic "Н" has the shape of "H", and "н" has its own. */
static char latin_shape(uint32_t letter)
{
    static const struct {
        uint32_t letter;
        char latin;
    } alike[] = {
        {'0', 'o'},    {'1', 'l'},    {'I', 'l'},    {0x0405, 's'}, {0x0455, 's'},
        {0x0406, 'l'}, {0x0456, 'i'}, {0x0408, 'j'}, {0x0458, 'j'}, {0x0410, 'a'},
        {0x0430, 'a'}, {0x0412, 'b'}, {0x0415, 'e'}, {0x0435, 'e'}, {0x041A, 'k'},
        {0x043A, 'k'}, {0x041C, 'm'}, {0x041D, 'h'}, {0x041E, 'o'}, {0x043E, 'o'},
        {0x0420, 'p'}, {0x0440, 'p'}, {0x0421, 'c'}, {0x0441, 'c'}, {0x0422, 't'},
        {0x0423, 'y'}, {0x0443, 'y'}, {0x0425, 'x'}, {0x0445, 'x'}, {0x04AE, 'y'},
        {0x04BA, 'h'}, {0x04BB, 'h'}, {0x0501, 'd'}, {0x051B, 'q'}, {0x051D, 'w'},
        {0x0391, 'a'}, {0x0392, 'b'}, {0x0395, 'e'}, {0x0396, 'z'}, {0x0397, 'h'},
        {0x0399, 'l'}, {0x039A, 'k'}, {0x039C, 'm'}, {0x039D, 'n'}, {0x039F, 'o'},
        {0x03A1, 'p'}, {0x03A4, 't'}, {0x03A5, 'y'}, {0x03A7, 'x'}, {0x03B1, 'a'},
        {0x03BD, 'v'}, {0x03BF, 'o'}, {0x03C1, 'p'}, {0x03C5, 'u'}, {0x04C0, 'l'},
        {0x04CF, 'l'}, {0x0131, 'i'},
    };
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        if (alike[i].letter == letter)
            return alike[i].latin;
    return '\0';
}

void looks_of(const char *name, char looks[NAME_SIZE])
{
    size_t made = 0, length = strlen(name);
    for (size_t at = 0, size; at < length; at += size) {
        uint32_t letter = next_character(name + at, length - at, &size);
        char latin = latin_shape(letter);
        if (latin != '\0') {
            looks[made++] = latin;
            continue;
        }
        letter = small_letter(letter);
        if (letter < 0x80)
            looks[made++] = (char)letter;
        else if (letter < 0x800) {
            looks[made++] = (char)(0xC0 | letter >> 6);
            looks[made++] = (char)(0x80 | (letter & 0x3F));
        } else { /* letters without capitals: as they are */
            memcpy(looks + made, name + at, size);
            made += size;
        }
    }
    looks[made] = '\0';
}
