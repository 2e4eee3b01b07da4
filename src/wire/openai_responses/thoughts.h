/* Reasoning in the input of a request of Responses that nobody encrypted: what another vendor thought, told to the caller as an item of
 * this format, or what a server that does not encrypt thought itself. OpenAI refuses what it did not make ("input[n].content: array too
 * long. Expected an array with maximum length 0"; an id that it does not know), servers such as vLLM want their own back. Part of
 * wire/wire.h, which includes it; pure. */
#pragma once

#include "wire/wire.h"

/* What a first look finds: bits, and only a hint, since an item may be spelled in many ways. */
enum responses_thoughts {
    THOUGHTS_BARE = 1,  /* some reasoning has nothing encrypted */
    THOUGHTS_LOOSE = 2, /* and is not of whom the request may go to: it has our id, or none */
};
/* Of a body of which at least root and items were recorded. */
uint8_t responses_thoughts_look(const struct json_tape *t);
/* May something of it have to stay out for a target with these quirks? */
bool responses_thoughts_matter(uint8_t look, uint32_t quirks);
/* Must it? The tape holds all (JSON_LIMITS). */
bool responses_thoughts_stay_out(const struct json_tape *t, uint32_t quirks);
/* Of one item that has nothing encrypted: its id, "" none; `said`: it has text in `content`. */
bool responses_thought_stays_out(uint32_t quirks, struct str id, bool said);
#define RESPONSES_THOUGHT_ID "rs_aq_" /* how ids begin that we give to other vendors' thoughts: a hint, never trusted */
