/*
 * measure.c - measures one mechanism with one message size, and prints two figures.
 *
 * Usage: measure MECHANISM SIZE [CORES [MILLISECONDS]]
 *        measure memcpy SIZE [CORES [MILLISECONDS]]
 *        measure --list
 *
 * Starts a second process, and exchanges messages with it over the mechanism: first each message
 * is sent back, then messages go one way. CORES is 1 (the default: both processes on the same
 * core), 2 (each on its own core) or 0 (the system chooses). Each figure takes about MILLISECONDS
 * (20), after a warm-up. Prints one line of JSON:
 *
 *     {"what": "pipe", "size": 64, "cores": 1, "round_trip": 9.1, "one_way": 1.3}
 *
 * Both figures are in microseconds for a message. If there is no figure, a text gives the reason.
 * Exit code 0, or 1 if a call failed or a message arrived changed.
 *
 * Both processes compare every byte of every message with its expected value. The figures include
 * the time for that, the same for all mechanisms.
 */
#include "measure.h"

#define MOST_SLOTS 32      /* prepared messages, all different */
#define SLOTS_BYTES 131072 /* ... at most as many as fit into this, but at least 4 */
#define LEAST_SIZE 16      /* room for the number of a message, and some text */
#define LARGEST_SIZE (16 << 20)
#define PARTS 4
#define WARM_UP 0.25 /* of the time for a figure */

/* What the second process must do with a message. */
enum kind { KEEP_IT, SEND_IT_BACK, STOP };

/* The beginning of each message; the rest is text that depends on the number. */
struct head {
    uint64_t number_and_kind;
};

/* The text of messages, prepared before the clock runs. */
static char *slots;
static uint64_t slot_count;

static void prepare(size_t size)
{
    slot_count = SLOTS_BYTES / size;
    slot_count = slot_count > MOST_SLOTS ? MOST_SLOTS : slot_count < 4 ? 4 : slot_count;
    size_t length = slot_count * size;
    slots = allocate(length);
    uint64_t state =
        88172645463325252u; /* xorshift64: both processes make the same text */
    for (size_t i = 0; i < length; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        slots[i] = (char)state;
    }
}

static const void *message(uint64_t number, enum kind kind, size_t size)
{
    char *slot = slots + number % slot_count * size;
    struct head head = {number << 2 | kind};
    memcpy(slot, &head, sizeof head);
    return slot;
}

/* Returns the kind of this message. Ends the process if any byte is wrong. */
static enum kind check(const void *got, uint64_t number, size_t size)
{
    const char *slot = slots + number % slot_count * size;
    struct head head;
    memcpy(&head, got, sizeof head);
    if (head.number_and_kind >> 2 != number)
        fatal("message %llu came in place of %llu",
              (unsigned long long)(head.number_and_kind >> 2),
              (unsigned long long)number);
    if (memcmp((const char *)got + sizeof head, slot + sizeof head, size - sizeof head) !=
        0)
        fatal("message %llu came with another content", (unsigned long long)number);
    return (enum kind)(head.number_and_kind & 3);
}

void answer(const struct mechanism *mechanism, size_t size)
{
    void *buffer = allocate(size);
    prepare(size);
    mechanism->join(SECOND, size);
    enum kind kind = KEEP_IT;
    for (uint64_t number = 0; kind != STOP; number++) {
        kind = check(mechanism->receive(buffer), number, size);
        if (kind != KEEP_IT)
            mechanism->send(message(number, KEEP_IT, size));
    }
    free(buffer);
    free(slots);
}

/* The conversation as the first process sees it. */
struct conversation {
    const struct mechanism *mechanism;
    size_t size;
    void *buffer;
    uint64_t number; /* of the next message */
};

static void talk(struct conversation *talk, enum kind kind)
{
    const struct mechanism *mechanism = talk->mechanism;
    mechanism->send(message(talk->number, kind, talk->size));
    if (kind != KEEP_IT)
        check(mechanism->receive(talk->buffer), talk->number, talk->size);
    talk->number++;
}

/* Returns the seconds for `count` messages. In turn, each one is sent back; else only the last
 * one. */
static double batch(struct conversation *conversation, uint64_t count, bool in_turn)
{
    double start = now();
    for (uint64_t i = 1; i < count; i++)
        talk(conversation, in_turn ? SEND_IT_BACK : KEEP_IT);
    talk(conversation, SEND_IT_BACK);
    return now() - start;
}

/* Returns microseconds for one message. Batches grow until one takes the time of the warm-up.
 * That shows how many messages fill `seconds`, and only then the clock counts. It counts in
 * PARTS, and the quickest part is the figure: interrupts and other programs can only make a part
 * slower. */
static double figure(struct conversation *conversation, double seconds, bool in_turn)
{
    uint64_t count = 1;
    double taken, least = 0;
    while ((taken = batch(conversation, count, in_turn)) < seconds * WARM_UP)
        count *= 2;
    count = (uint64_t)(seconds / PARTS / taken * (double)count) + 1;
    for (int part = 0; part < PARTS; part++) {
        taken = batch(conversation, count, in_turn);
        if (part == 0 || taken < least)
            least = taken;
    }
    return least / (double)count * 1e6;
}

/* Returns microseconds for a copy of `size` bytes in memory, and the comparison that every
 * message gets. No mechanism that copies can be faster. */
static double copy_figure(size_t size, double seconds)
{
    char *buffer = allocate(size);
    uint64_t count = 0;
    double start = now(), taken;
    while ((taken = now() - start) < seconds)
        for (int i = 0; i < 64; i++, count++) {
            memcpy(buffer, message(count, KEEP_IT, size), size);
            __asm__ volatile("" : : "r"(buffer) : "memory"); /* it may have changed */
            check(buffer, count, size);
        }
    free(buffer);
    return taken / (double)count * 1e6;
}

static const struct mechanism *find(const char *name)
{
    for (const struct mechanism *const *m = mechanisms; *m != NULL; m++)
        if (strcmp((*m)->name, name) == 0)
            return *m;
    return NULL;
}

int main(int argc, char *argv[])
{
    begin_program("measure", "MECHANISM SIZE [CORES [MILLISECONDS]], or measure --list",
                  &argv);
    answer_if_second(argc, argv);
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (const struct mechanism *const *m = mechanisms; *m != NULL; m++)
            printf("%s\t%s\n", (*m)->name, (*m)->title);
        return 0;
    }

    /* STEP 1: Read the arguments. */
    const struct mechanism *mechanism = argc > 2 ? find(argv[1]) : NULL;
    long size = argc > 2 ? atol(argv[2]) : 0;
    int cores = argc > 3 ? atoi(argv[3]) : 1;
    double seconds = (argc > 4 ? atof(argv[4]) : 20) / 1000;
    bool known = mechanism != NULL || (argc > 2 && strcmp(argv[1], "memcpy") == 0);
    if (!known || argc > 5 || size < LEAST_SIZE || size > LARGEST_SIZE || cores < 0 ||
        cores > 2 || !(seconds > 0))
        usage_exit();
    printf("{\"what\": \"%s\", \"size\": %ld, \"cores\": %d", argv[1], size, cores);
    if (mechanism == NULL) {
        if (cores != 0)
            pin(0);
        prepare((size_t)size);
        printf(", \"one_way\": %.4f}\n", copy_figure((size_t)size, seconds));
        return 0;
    }
    size_t limit = mechanism->limit == NULL ? 0 : mechanism->limit();
    if (limit != 0 && (size_t)size > limit) {
        printf(", \"round_trip\": \"limit %zu\", \"one_way\": \"limit %zu\"}\n", limit,
               limit);
        return 0;
    }

    /* STEP 2: Create what both processes need, start the second process, open our own end. */
    fflush(stdout);
    struct conversation conversation = {mechanism, (size_t)size, allocate((size_t)size),
                                        0};
    prepare((size_t)size);
    apart = cores != 1;
    mechanism->create((size_t)size);
    start_second(mechanism, (size_t)size, cores == 0 ? -1 : cores - 1);
    if (cores != 0)
        pin(0);
    mechanism->join(FIRST, (size_t)size);

    /* When its first message is there, the second process has started. */
    talk(&conversation, SEND_IT_BACK);

    /* STEP 3: Exchange messages, and read the clock before and after. */
    printf(", \"round_trip\": %.4f", figure(&conversation, seconds, true));
    if (mechanism->no_one_way != NULL)
        printf(", \"one_way\": \"%s\"}\n", mechanism->no_one_way);
    else
        printf(", \"one_way\": %.4f}\n", figure(&conversation, seconds, false));

    /* STEP 4: End the conversation. The second process has checked all that it received. */
    talk(&conversation, STOP);
    if (!await_second())
        fatal("the second process did not end well");
    mechanism->destroy();
    free(conversation.buffer);
    free(slots);
    return 0;
}
