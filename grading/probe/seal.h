/*
 * seal.h - what the harness and a probe that a program under test starts agree on.
 *
 * Such a probe prints on a stream that it shares with the program under test, which could print
 * the same. So the harness puts a key into each copy of the probe, with the script that it
 * follows, and the probe seals each of its lines by this key. Nobody can read the copy on UNIX
 * (mode 0111, on a mount that is read-only), so no other program knows the key. The probe is
 * linked statically: no library of somebody else can be loaded into it.
 *
 * A sealed line is "test:PROCESS.NUMBER.COUNT.SUM.SEAL TEXT". NUMBER counts the lines of this
 * process. COUNT and SUM are those of the bytes that it has received until then. So the file with
 * these bytes can be trusted, too.
 *
 * The seal is SipHash-2-4: short, and made for short messages and a secret key.
 */
#ifndef SEAL_H
#define SEAL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BRIEF_MARK "a brief of tests" /* 16 characters */
#define KEY_SIZE 16
#define MOST_SCRIPT (1 << 16)

/* What the harness writes into the copy of a probe. */
struct brief {
    char mark[16]; /* BRIEF_MARK: so the harness finds the place */
    unsigned char key[KEY_SIZE];
    char given;          /* 1 in a copy */
    char received[1024]; /* the file for what it receives */
    char script[MOST_SCRIPT];
};

/* A seal in the making. */
struct seal {
    uint64_t v[4];
    uint64_t tail; /* bytes that are not yet a word */
    uint64_t length;
};

static inline uint64_t seal_rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void seal_round(uint64_t v[4])
{
    v[0] += v[1], v[2] += v[3];
    v[1] = seal_rotate(v[1], 13) ^ v[0], v[3] = seal_rotate(v[3], 16) ^ v[2];
    v[0] = seal_rotate(v[0], 32);
    v[2] += v[1], v[0] += v[3];
    v[1] = seal_rotate(v[1], 17) ^ v[2], v[3] = seal_rotate(v[3], 21) ^ v[0];
    v[2] = seal_rotate(v[2], 32);
}

static inline void seal_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    seal_round(v);
    seal_round(v);
    v[0] ^= word;
}

static inline uint64_t seal_load(const unsigned char *bytes)
{
    uint64_t word = 0;
    for (int i = 0; i < 8; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

static inline void seal_begin(struct seal *seal, const unsigned char key[KEY_SIZE])
{
    uint64_t one = seal_load(key), two = seal_load(key + 8);
    *seal = (struct seal){{one ^ 0x736f6d6570736575, two ^ 0x646f72616e646f6d,
                           one ^ 0x6c7967656e657261, two ^ 0x7465646279746573},
                          0,
                          0};
}

static inline void seal_add(struct seal *seal, const void *bytes, size_t length)
{
    for (const unsigned char *next = bytes, *end = next + length; next < end; next++) {
        seal->tail |= (uint64_t)*next << (8 * (seal->length % 8));
        if (++seal->length % 8 == 0) {
            seal_word(seal->v, seal->tail);
            seal->tail = 0;
        }
    }
}

/* Returns the seal of the bytes so far. More may be added afterwards. */
static inline uint64_t seal_end(struct seal seal)
{
    seal_word(seal.v, seal.tail | seal.length << 56);
    seal.v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        seal_round(seal.v);
    return seal.v[0] ^ seal.v[1] ^ seal.v[2] ^ seal.v[3];
}

static inline uint64_t seal_of(const unsigned char key[KEY_SIZE], const char *text)
{
    struct seal seal;
    seal_begin(&seal, key);
    seal_add(&seal, text, strlen(text));
    return seal_end(seal);
}

#endif
