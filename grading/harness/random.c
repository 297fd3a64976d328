/*
 * random.c - random texts, the same for the same seed.
 */
#include "random.h"

#include <stdlib.h>

#include "run.h"

static uint64_t random_state;

/* splitmix64, by Sebastiano Vigna; in the public domain. */
static uint64_t random_number(void)
{
    uint64_t z = (random_state += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

void seed_random(const char *what)
{
    random_state = run.seed;
    for (const char *c = what; *c != '\0'; c++)
        random_state = random_number() ^ (uint64_t)(unsigned char)*c;
}

void random_word(char *word, size_t length)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; i < length; i++)
        word[i] = letters[random_number() % (sizeof letters - 1)];
    word[length] = '\0';
}

const char *token(void)
{
    char word[9];
    random_word(word, 8);
    return text("%s%s", run.mark, word);
}

char *random_bytes(size_t length, unsigned char low, unsigned char high)
{
    char *bytes = malloc(length + 1);
    if (bytes == NULL)
        kit_error("no memory");
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(low + random_number() % (high - low + 1u));
    bytes[length] = '\0';
    return bytes;
}
