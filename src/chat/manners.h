/* What a model takes of a wish to reason, and what it refuses beside it: data of the catalogue (families.yaml), by the model's id; carried
 * in the generation and in struct wire_target. Part of chat/chat.h, which includes it; the words are in effort.c. */
#pragma once

#include "base/base.h"

enum chat_effort { EFFORT_NONE, EFFORT_MINIMAL, EFFORT_LOW, EFFORT_MEDIUM, EFFORT_HIGH, EFFORT_XHIGH, EFFORT_MAX, EFFORTS };
enum chat_off { OFF_OMITTED /* it does not reason unless asked */, OFF_SAID, OFF_NEVER, OFFS };
/* Function tools over Chat Completions (C10). */
enum chat_over {
    OVER_ALL,
    OVER_UNLESS_EFFORT,
    OVER_EFFORT_NONE /* only with that said */,
    OVER_NOTHING /* not even without tools */,
    OVERS
};
/* temperature, top_p, top_k; with no_stop also log probabilities. */
enum chat_fixed { FIXED_NOT, FIXED_ALWAYS, FIXED_UNLESS_NONE /* taken where no effort is said, or none */, FIXEDS };
struct chat_manners {
    bool known;   /* false: nobody told; what is safe */
    bool reasons; /* false: no wish for it may be told */
    bool adaptive;
    bool one_sampler;  /* temperature or top_p, not both */
    bool no_stop;      /* no stop sequences, penalties, bias */
    bool no_schema;    /* no JSON schema for its answer */
    bool json_alone;   /* no format for its answer beside tools */
    bool no_prefill;   /* does not go on with a turn of the assistant's (A12) */
    bool later_system; /* takes system messages where they stand in a conversation, at Bedrock too */
    enum chat_fixed fixed_sampling;
    enum chat_off off;
    enum chat_over over;
    unsigned efforts;                /* bits of enum chat_effort: words that it takes */
    uint64_t budget_min, budget_max; /* tokens; 0 and 0: it takes no budget */
    uint64_t scale[EFFORTS];         /* what an effort is in tokens (G11) */
    uint64_t stops_max;              /* stop sequences; 0: any number */
    uint64_t max_output;             /* tokens that every model of the family can write; 0: unknown */
};
extern const struct chat_manners CHAT_MANNERS_UNKNOWN;
struct str chat_effort_name(enum chat_effort e);
bool chat_effort_find(struct str span, enum chat_effort *ret_effort);
struct str chat_off_name(enum chat_off o);
bool chat_off_find(struct str word, enum chat_off *ret_off);
struct str chat_over_name(enum chat_over o);
bool chat_fixed_find(struct str word, enum chat_fixed *ret_fixed);
bool chat_over_find(struct str word, enum chat_over *ret_over);
/* The nearest of a mask, from below if there is one; the mask is not empty. */
enum chat_effort chat_effort_nearest(unsigned mask, enum chat_effort e);
/* The strongest whose budget is not above it: a budget is a ceiling. At least EFFORT_MINIMAL. */
enum chat_effort chat_effort_of(const struct chat_manners *m, uint64_t budget);
