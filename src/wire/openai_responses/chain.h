/* chain: conversations of Responses that are kept here and not at the provider: what a request asks for, earlier items put in
 * front of its own, the items of an answer gathered, and the answer told as the caller asked for it. Called by the gateway for
 * kept responses, and for the chains that live as long as a WebSocket. Pure: memory is the caller's, nothing is looked up.
 *
 * Item lists are texts as they stand inside a JSON array, without its brackets: items with commas between them; "" is none. */
#pragma once

#include "base/base.h"
#include "json/json.h"

/* ---- the request ---------------------------------------------------------------------------------------------------------- */

/* What a request asks of kept state. OpenAI API reference, "Create a model response". */
struct responses_ask {
    struct str previous;     /* previous_response_id; STR_NONE: not named */
    struct str conversation; /* id of a conversation, given as text or as {"id"}; STR_NONE: not named */
    bool store;              /* shall be kept; what is not said means yes, as at OpenAI */
    bool store_said;         /* … and was asked for by name */
    bool background, stream;
    bool reasons; /* it has the member `reasoning` */
    bool names;   /* its input may have items that only name a kept one; who keeps them looks closer (item_reference) */
};
/* The tape holds the body, recorded to depth 2 or more; texts are copied to the arena when they had escapes. ERR_BAD_REQUEST
 * names the member: a wrong type, both kinds of state at once, background without store. */
MUST_USE enum err responses_ask_read(const struct json_tape *t, struct arena *a, struct responses_ask *ret_ask,
                                     struct fault *why);

/* Appends the request's own input as an item list; a text becomes a message of the user. ERR_BAD_REQUEST: of another type. */
MUST_USE enum err responses_chain_input(const struct json_tape *t, struct buf *out, struct fault *why);

/* Appends the request as a provider gets it that keeps nothing: `earlier`, an item list, stands in front of the own input;
 * previous_response_id, conversation and background are gone; store is false. All else stays as it is spelled; instructions are
 * the request's own, never an earlier one's. `sealed`: asks for encrypted reasoning, which alone lets a model take up its
 * thoughts where nobody kept them. `stream`: asks for a stream, whatever it asked. The tape is recorded to depth 2 or more. ERR_LIMIT: `out` is full. */
struct responses_compose {
    struct str earlier;
    bool sealed, stream;
    bool bare; /* a call that knows no store: counting, compacting */
};
MUST_USE enum err responses_chain_compose(const struct json_tape *t, const struct responses_compose *how, struct buf *out,
                                          struct fault *why);

/* ---- the answer ------------------------------------------------------------------------------------------------------------- */

/* The output items of one response, out of its stream or its whole answer. Some providers end a stream with an empty output,
 * so items are taken from their own events, in the order of output_index, and the last event's list counts where it has one. */
struct responses_gather {
    struct buf text;   /* items one behind the other */
    struct buf places; /* their output_index, start and length: struct responses_item */
    bool over;         /* more than the bound: not whole */
};
struct responses_item {
    uint64_t index;
    size_t start, n;
};
void responses_gather_init(struct responses_gather *g, size_t max_bytes);
void responses_gather_done(struct responses_gather *g); /* frees; usable again */

enum responses_event {
    RESPONSES_EVENT_PLAIN, /* says nothing of the response as a whole */
    RESPONSES_EVENT_STATE, /* carries the response object in its member `response` */
    RESPONSES_EVENT_LAST,  /* … for the last time: completed, incomplete or failed */
};
/* One event's data; the tape is scratch and holds the event (to depth 3) when one that carries the response comes back. What is
 * no JSON object is PLAIN. */
enum responses_event responses_gather_event(struct responses_gather *g, struct str data, struct json_tape *t);
/* A whole answer, or the `response` of an event (0: the root): its output counts when it has items. */
void responses_gather_answer(struct responses_gather *g, const struct json_tape *t, uint32_t response);
void responses_gather_items(struct responses_gather *g, struct buf *out); /* appends an item list */

/* How the caller shall see a response that the provider was not asked to keep. */
struct responses_view {
    struct str id;           /* ours; STR_NONE: the provider's stays */
    struct str previous;     /* STR_NONE: null */
    struct str conversation; /* STR_NONE: null */
    bool store, background;
};
/* Appends the tape's text with these members of `response` (0: the root) as the view says; `output`, an item list, takes the
 * place of an empty or missing output (STR_NONE: as it is). ERR_UPSTREAM_GARBAGE: a member stands twice. */
MUST_USE enum err responses_view_put(const struct json_tape *t, uint32_t response, const struct responses_view *v,
                                     struct str output, struct buf *out, struct fault *why);

/* The object of a response that has only been taken in: `request`'s model, tools and all that it repeats are told once it is
 * worked on. created_s: Unix seconds. */
void responses_queued_put(const struct json_tape *request, const struct responses_view *v, int64_t created_s, struct buf *out);
/* The response as a failed one, for the reason that `message` tells (escaped already, as it stands in JSON). Uses the tape. */
void responses_failed_put(struct json_tape *t, struct str response, struct str message, struct buf *out);
