/*
 * likeness.c - compares two lines of a transcript by their words.
 */
#include "likeness.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "harness.h"

#define MOST_WORDS 32 /* of a line */

/* The words by which the transcripts of the labs name what has happened. */
static const char *const event_words[] = {"ready", "connected", "left",   "received",
                                          "sent",  "done",      "exited", "ended"};

/* A line of a transcript, in words. A text in quotes is one word. */
struct words {
    char *word[MOST_WORDS];
    size_t count;
    const char *event; /* or NULL */
    const char *quote; /* the text, or NULL */
    char *numbers;     /* all that are words, with blanks between them */
};

static struct words words_of(const char *line)
{
    struct words words = {.numbers = text("%s", "")};
    char *rest = text("%s", line);
    while (*(rest += strspn(rest, " \t")) != '\0' && words.count < MOST_WORDS) {
        char *word = rest, *last = *rest == '"' ? strrchr(rest, '"') : NULL;
        rest = last != NULL && last != rest ? last + 1 : rest + strcspn(rest, " \t");
        if (*rest != '\0')
            *rest++ = '\0';
        words.word[words.count++] = word;
        if (*word == '"') {
            words.quote = word;
            continue;
        }
        size_t length = strlen(word); /* "left." is "left"; "..." stays */
        while (words.count > 1 && length > 0 &&
               ispunct((unsigned char)word[length - 1]) && word[0] != '.')
            word[--length] = '\0';
        if (length > 0 && strspn(word, "0123456789") == length)
            words.numbers = text("%s %s", words.numbers, word);
        for (size_t i = 0;
             words.event == NULL && i < sizeof event_words / sizeof *event_words; i++)
            if (strcasecmp(word, event_words[i]) == 0)
                words.event = event_words[i];
    }
    return words;
}

/* Returns whether a word of `one` after the first, which is no wildcard, is also one of `two`. */
static bool share_a_word(const struct words *one, const struct words *two)
{
    for (size_t i = 1; i < one->count; i++)
        for (size_t k = 1; k < two->count; k++)
            if (strcmp(one->word[i], "...") != 0 &&
                strcasecmp(one->word[i], two->word[k]) == 0)
                return true;
    return false;
}

enum likeness likeness_of(const char *expected, const char *line, bool first)
{
    struct words one = words_of(expected), two = words_of(line);
    if (one.event == NULL || two.count < 2 || strcasecmp(one.word[0], two.word[0]) != 0)
        return UNLIKE;
    if (two.event == NULL)
        return strstr(line, "error") == NULL &&
                       (share_a_word(&one, &two) ||
                        (first && strcmp(one.event, "ready") == 0))
                   ? NO_EVENT
                   : UNLIKE;
    if (strcmp(one.event, two.event) != 0 ||
        (one.quote != NULL && two.quote != NULL && strcmp(one.quote, two.quote) != 0))
        return UNLIKE;
    return *one.numbers != '\0' && strcmp(one.numbers, two.numbers) != 0 ? OTHER_NUMBER
                                                                         : OTHER_WORDS;
}
