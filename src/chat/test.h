/* What the tests of this room and of the wire formats share: dice, random conversations, and a form shown as text, in which two
 * that mean the same read the same. Only *_test.c files use it. */
#pragma once

#include "chat/chat.h"

/* A seeded sequence: the same on every machine. */
struct dice {
    uint64_t state;
};
uint64_t dice_next(struct dice *d);
static inline uint32_t dice_roll(struct dice *d, uint32_t sides) { return (uint32_t)(dice_next(d) >> 32) % sides; }
static inline bool dice_one_in(struct dice *d, uint32_t n) { return dice_roll(d, n) == 0; }

/* What a random form may hold beside text. */
enum random_with {
    RANDOM_TOOLS = 1,     /* tools, calls, results */
    RANDOM_IMAGES = 2,    /* base64 and by URL */
    RANDOM_DOCUMENTS = 4, /* base64 */
    RANDOM_REASONING = 8, /* thoughts, and in answers with a signature of `family` */
    RANDOM_SETTINGS = 16, /* those that most formats have: temperature, top_p, bound, stop */
    RANDOM_ALL_SETTINGS = 32,
    RANDOM_SYSTEM = 64,   /* before the first turn */
    RANDOM_CHOICES = 128, /* answers with several */
    RANDOM_ANNOTATIONS = 256,
    RANDOM_LOGPROBS = 512,
    RANDOM_EXTRA = 1024,  /* members without a place */
    RANDOM_OUTPUT = 2048, /* a JSON schema for the answer; effort */
    RANDOM_ALL = 4095,
};
/* Valid conversations: turns alternate, every call has its result. `has` is as a reader sets it. */
void chat_random(struct dice *d, struct arena *a, unsigned with, struct chat *ret_chat);
void chat_random_answer(struct dice *d, struct arena *a, unsigned with, struct chat_answer *ret_answer);
void chat_random_usage(struct dice *d, struct usage *ret_usage); /* reported; only cells that chat formats tell */

/* One line for each thing that it holds; escapes resolved, arguments as plain JSON, offsets and ticks left out. */
void chat_show(const struct chat *c, struct buf *out);
void chat_show_answer(const struct chat_answer *a, struct buf *out);
void chat_show_event(const struct chat_event *e, struct buf *out);
