/* A Chat Completions stream read into events. One chunk may carry several choices and several calls at once; what of one
 * choice comes behind its reasoning or its text closes them, calls stay open until the choice's finish_reason, because their
 * fragments may interleave (C3). Facts: rules C1…C9 in docs/wire.md. Pure; owns nothing but its arena's pieces. */
#include "wire/openai_chat/priv.h"

/* Both bound what a hostile upstream can make us remember. */
enum { CALLS_MAX = 512, NO_ITEM = UINT32_MAX };

struct call {
    uint32_t choice, index, item;
    struct str id; /* as its first fragment told it */
    struct call *next;
};

/* What is open of one choice. */
struct choice {
    uint32_t number;
    uint32_t reasoning, message; /* item numbers; NO_ITEM */
    uint32_t parts;              /* of the message so far */
    uint32_t calls;              /* so far */
    enum chat_part_kind part;    /* the open one */
    bool part_open, called, stopped;
    struct choice *next;
};

struct chat_reader {
    struct arena *arena;
    struct choice *choices;
    struct call *calls;
    unsigned n_choices, n_calls;
    struct wire_emitter emit;
    bool met, ended;
};

static enum err too_many(struct chat_reader *r, const char *what)
{
    return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider's stream has too many %s", what);
}

static enum err too_large(struct chat_reader *r)
{
    return FAIL(r->emit.why, ERR_UPSTREAM_TOO_LARGE, "the provider's stream is too large to be translated");
}

/* ---- items ---------------------------------------------------------------------------------------------------------- */

static struct wire_spot spot(const struct choice *c, uint32_t item, uint32_t part)
{
    return (struct wire_spot){.choice = c->number, .item = item, .part = part};
}

static enum err start_item(struct chat_reader *r, const struct choice *c, enum chat_item_kind kind, uint32_t *ret_number)
{
    return wire_emit_item(&r->emit, &(struct chat_item){.kind = kind, .choice = c->number}, ret_number);
}

static enum err end_item(const struct chat_reader *r, const struct choice *c, uint32_t *number, enum chat_item_kind kind)
{
    uint32_t item = *number;
    *number = NO_ITEM;
    return wire_emit_item_end(&r->emit, item, &(struct chat_item){.kind = kind, .choice = c->number});
}

static enum err close_reasoning(struct chat_reader *r, struct choice *c)
{
    if (c->reasoning == NO_ITEM) return OK;
    TRY(wire_emit_part_end(&r->emit, spot(c, c->reasoning, 0), &(struct chat_part){.kind = PART_THOUGHT}));
    return end_item(r, c, &c->reasoning, ITEM_REASONING);
}

static enum err close_part(struct chat_reader *r, struct choice *c)
{
    if (!c->part_open) return OK;
    c->part_open = false;
    return wire_emit_part_end(&r->emit, spot(c, c->message, c->parts - 1), &(struct chat_part){.kind = c->part});
}

static enum err close_message(struct chat_reader *r, struct choice *c)
{
    if (c->message == NO_ITEM) return OK;
    TRY(close_part(r, c));
    return end_item(r, c, &c->message, ITEM_MESSAGE);
}

static enum err close_calls(struct chat_reader *r, const struct choice *c)
{
    struct call **at = &r->calls;
    while (*at) {
        struct call *call = *at;
        if (call->choice != c->number) {
            at = &call->next;
            continue;
        }
        *at = call->next;
        TRY(end_item(r, c, &call->item, ITEM_TOOL_CALL));
    }
    return OK;
}

static enum err close_choice(struct chat_reader *r, struct choice *c)
{
    TRY(close_reasoning(r, c));
    TRY(close_message(r, c));
    return close_calls(r, c);
}

static enum err choice_of(struct chat_reader *r, uint32_t number, struct choice **ret_choice)
{
    for (struct choice *c = r->choices; c; c = c->next) {
        if (c->number != number) continue;
        *ret_choice = c;
        return OK;
    }
    struct choice *c = r->n_choices < CHAT_CHOICES_MAX ? arena_alloc(r->arena, sizeof *c) : NULL;
    if (!c) return too_many(r, "choices");
    *c = (struct choice){.number = number, .reasoning = NO_ITEM, .message = NO_ITEM, .next = r->choices};
    r->choices = c;
    r->n_choices++;
    *ret_choice = c;
    return OK;
}

/* ---- deltas ----------------------------------------------------------------------------------------------------------- */

static enum err on_reasoning(struct chat_reader *r, struct choice *c, const struct json_tape *t, uint32_t at)
{
    struct str text = json_text(t, at);
    if (!json_is(t, at, JSON_STRING) || !text.n) return OK;
    if (c->reasoning == NO_ITEM) {
        TRY(close_message(r, c));
        TRY(start_item(r, c, ITEM_REASONING, &c->reasoning));
        TRY(wire_emit_part(&r->emit, spot(c, c->reasoning, 0), &(struct chat_part){.kind = PART_THOUGHT}));
    }
    return wire_emit_delta(&r->emit, spot(c, c->reasoning, 0), DELTA_TEXT, text);
}

static enum err open_part(struct chat_reader *r, struct choice *c, enum chat_part_kind kind)
{
    TRY(close_reasoning(r, c));
    if (c->message == NO_ITEM) {
        TRY(start_item(r, c, ITEM_MESSAGE, &c->message));
        c->parts = 0;
    }
    if (c->part_open && c->part == kind) return OK;
    TRY(close_part(r, c));
    c->part = kind;
    c->part_open = true;
    return wire_emit_part(&r->emit, spot(c, c->message, c->parts++), &(struct chat_part){.kind = kind});
}

static enum err on_text(struct chat_reader *r, struct choice *c, const struct json_tape *t, uint32_t at, enum chat_part_kind kind)
{
    struct str text = json_text(t, at);
    if (!json_is(t, at, JSON_STRING) || !text.n) return OK;
    TRY(open_part(r, c, kind));
    return wire_emit_delta(&r->emit, spot(c, c->message, c->parts - 1), DELTA_TEXT, text);
}

static enum err on_unknown(struct chat_reader *r, struct choice *c, const struct openai_chat_piece *piece)
{
    struct chat_part part = {.kind = PART_UNKNOWN, .word = piece->word, .raw = piece->raw};
    chat_has(&part.node, PART_HAS_RAW);
    TRY(open_part(r, c, PART_TEXT)); /* the item is there, and nothing else is open in it */
    TRY(close_part(r, c));
    TRY(wire_emit_part(&r->emit, spot(c, c->message, c->parts), &part));
    return wire_emit_part_end(&r->emit, spot(c, c->message, c->parts++), &(struct chat_part){.kind = PART_UNKNOWN});
}

/* Mistral's reasoning models give content in pieces. */
static enum err on_pieces(struct chat_reader *r, struct choice *c, const struct json_tape *t, uint32_t pieces)
{
    uint32_t one, thought;
    for (struct json_iter it = json_each(t, pieces); json_next(t, &it, &one);) {
        struct openai_chat_piece piece;
        openai_chat_read_piece(t, one, &piece);
        if (piece.kind == PART_TEXT) TRY(on_text(r, c, t, piece.text, PART_TEXT));
        else if (piece.kind == PART_UNKNOWN) TRY(on_unknown(r, c, &piece));
        for (struct json_iter th = json_each(t, piece.thoughts); piece.thoughts && json_next(t, &th, &thought);)
            TRY(on_reasoning(r, c, t, openai_chat_thought_text(t, thought)));
    }
    return OK;
}

static enum err on_content(struct chat_reader *r, struct choice *c, const struct json_tape *t, uint32_t at)
{
    if (json_is(t, at, JSON_ARRAY)) return on_pieces(r, c, t, at);
    return on_text(r, c, t, at, PART_TEXT);
}

static enum err on_refusal(struct chat_reader *r, struct choice *c, const struct json_tape *t, uint32_t at)
{
    return on_text(r, c, t, at, PART_REFUSAL);
}

static enum err on_annotations(struct chat_reader *r, struct choice *c, const struct json_tape *t, uint32_t at)
{
    uint32_t one;
    for (struct json_iter it = json_each(t, at); json_next(t, &it, &one);) {
        struct chat_annotation note;
        openai_chat_read_annotation(t, one, &note);
        TRY(open_part(r, c, PART_TEXT));
        TRY(wire_emit_note(&r->emit, spot(c, c->message, c->parts - 1), &note));
    }
    return OK;
}

/* ---- calls (C3) --------------------------------------------------------------------------------------------------------- */

/* Some servers give every call whole, and all of them index 0: one with a name and another id begins a call. (A fragment that only
 * goes on has no name, and an id of its own at some servers.) */
static struct call *find_call(struct chat_reader *r, uint32_t choice, uint32_t index, const struct chat_item *fragment)
{
    struct call *found = NULL;
    for (struct call *k = r->calls; k; k = k->next)
        if (k->choice == choice && k->index == index) found = k;
    bool begins = found && fragment->name.n && fragment->call_id.n && found->id.n && !str_eq(fragment->call_id, found->id);
    return begins ? NULL : found;
}

static enum err start_call(struct chat_reader *r, struct choice *c, struct chat_item *node, uint32_t index,
                           struct call **ret_call)
{
    node->arguments = (struct chat_json){0}; /* they come as deltas, this fragment's too */
    struct call *k = r->n_calls < CALLS_MAX ? arena_alloc(r->arena, sizeof *k) : NULL;
    if (!k) return too_many(r, "tool calls");
    TRY(close_reasoning(r, c));
    TRY(close_message(r, c));
    *k = (struct call){.choice = c->number, .index = index};
    if (!arena_str(r->arena, node->call_id, &k->id)) return too_large(r);
    struct call **end = &r->calls;
    while (*end) end = &(*end)->next;
    *end = k;
    r->n_calls++;
    c->called = true;
    *ret_call = k;
    return wire_emit_item(&r->emit, node, &k->item);
}

static enum err on_call(struct chat_reader *r, struct choice *c, const struct json_tape *t, uint32_t at, uint32_t place)
{
    struct chat_item first = {0};
    uint64_t index = place;
    uint32_t told = json_find(t, at, S("index"));
    if (told && (!json_u64(t, told, &index) || index > UINT32_MAX)) return too_many(r, "tool calls");
    TRY(openai_chat_read_call(t, at, &first, r->emit.why));
    first.choice = c->number;
    struct str arguments;
    if (!chat_json_span(&first.arguments, r->arena, &arguments)) return too_large(r);
    struct call *k = find_call(r, c->number, (uint32_t)index, &first);
    if (!k && !openai_chat_name_call(t, c->calls++, r->arena, &first)) return too_large(r);
    if (!k) TRY(start_call(r, c, &first, (uint32_t)index, &k));
    return wire_emit_delta(&r->emit, spot(c, k->item, 0), DELTA_ARGUMENTS, arguments);
}

static enum err on_calls(struct chat_reader *r, struct choice *c, const struct json_tape *t, uint32_t at)
{
    uint32_t one, place = 0;
    for (struct json_iter it = json_each(t, at); json_next(t, &it, &one);) TRY(on_call(r, c, t, one, place++));
    return OK;
}

/* ---- chunks --------------------------------------------------------------------------------------------------------------- */

static enum err on_nothing(struct chat_reader *r, struct choice *c, const struct json_tape *t, uint32_t at)
{
    (void)r, (void)c, (void)t, (void)at;
    return OK;
}

static const struct delta_field {
    struct str name;
    enum err (*on)(struct chat_reader *, struct choice *, const struct json_tape *, uint32_t at);
} DELTA_FIELDS[] = {
    {{"content", 7}, on_content},          {{"tool_calls", 10}, on_calls}, {{"reasoning_content", 17}, on_reasoning},
    {{"reasoning", 9}, on_reasoning},      {{"role", 4}, on_nothing},      {{"refusal", 7}, on_refusal},
    {{"annotations", 11}, on_annotations},
};

static enum err on_delta(struct chat_reader *r, struct choice *c, const struct json_tape *t, uint32_t delta)
{
    uint32_t key, value;
    for (struct json_iter it = json_each(t, delta); json_next_member(t, &it, &key, &value);) {
        const struct delta_field *f = NULL;
        for (unsigned i = 0; i < COUNTOF(DELTA_FIELDS) && !f; i++)
            if (json_eq(t, key, DELTA_FIELDS[i].name)) f = &DELTA_FIELDS[i];
        if (f) TRY(f->on(r, c, t, value));
    }
    return OK;
}

static enum err on_finish(struct chat_reader *r, struct choice *c, const struct json_tape *t, uint32_t at)
{
    if (!at || !json_is(t, at, JSON_STRING) || c->stopped) return OK;
    struct chat_stop stop;
    openai_chat_read_stop(t, at, c->called, &stop);
    TRY(close_choice(r, c));
    c->stopped = true;
    return wire_emit_stop(&r->emit, c->number, &stop);
}

/* Log probabilities come beside the text that they are of. */
static enum err on_logprobs(struct chat_reader *r, struct choice *c, const struct json_tape *t, uint32_t at)
{
    uint32_t tokens = at && c->part_open ? openai_chat_logprobs(t, at, c->part) : 0;
    return tokens ? wire_emit_delta(&r->emit, spot(c, c->message, c->parts - 1), DELTA_LOGPROBS, json_raw(t, tokens)) : OK;
}

static enum err on_choice(struct chat_reader *r, const struct json_tape *t, uint32_t at)
{
    uint64_t number = 0;
    uint32_t index = json_find(t, at, S("index"));
    struct choice *c = NULL;
    if (index && (!json_u64(t, index, &number) || number >= CHAT_CHOICES_MAX)) return too_many(r, "choices");
    TRY(choice_of(r, (uint32_t)number, &c));
    uint32_t delta = json_find(t, at, S("delta"));
    if (delta && !c->stopped) TRY(on_delta(r, c, t, delta));
    TRY(on_logprobs(r, c, t, json_find(t, at, S("logprobs"))));
    return on_finish(r, c, t, json_find(t, at, S("finish_reason")));
}

static enum err on_meta(struct chat_reader *r, const struct json_tape *t)
{
    if (r->met) return OK;
    struct chat_meta meta;
    r->met = true;
    openai_chat_read_meta(t, &meta);
    return wire_emit(&r->emit, &(struct chat_event){.kind = EVENT_META, .meta = &meta});
}

static enum err on_usage(struct chat_reader *r, const struct json_tape *t)
{
    uint32_t usage = json_find(t, 0, S("usage"));
    if (!usage || !json_is(t, usage, JSON_OBJECT)) return OK;
    struct usage u = {0};
    openai_chat_read_usage(t, &u);
    return wire_emit_usage(&r->emit, &u);
}

static enum err on_chunk(struct chat_reader *r, const struct json_tape *t, struct str name)
{
    uint32_t choices = json_find(t, 0, S("choices")), one;
    if (openai_chat_is_error(t, name)) {
        struct chat_error error;
        r->ended = true;
        openai_chat_event_error(t, r->arena, &error);
        return wire_emit_error(&r->emit, &error);
    }
    TRY(on_meta(r, t));
    for (struct json_iter it = json_each(t, choices); choices && json_next(t, &it, &one);) TRY(on_choice(r, t, one));
    TRY(on_usage(r, t));
    return wire_emit_unknown(&r->emit, t, &openai_chat_known);
}

/* ---- the room's door -------------------------------------------------------------------------------------------------------- */

_Static_assert(sizeof(struct chat_reader) <= OPENAI_CHAT_READER_SIZE, "told in priv.h");

void openai_chat_reader_start(void *reader, struct arena *a) { *(struct chat_reader *)reader = (struct chat_reader){.arena = a}; }

/* [DONE] before a finish_reason is how some servers end an answer that was stopped: it is closed as unknown. */
static enum err on_done(struct chat_reader *r)
{
    const struct chat_stop unknown = {.kind = STOP_UNKNOWN};
    if (!r->choices) return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider's stream ended without an answer");
    r->ended = true;
    for (struct choice *c = r->choices; c; c = c->next) {
        if (c->stopped) continue;
        TRY(close_choice(r, c));
        TRY(wire_emit_stop(&r->emit, c->number, &unknown));
    }
    return wire_emit_plain(&r->emit, EVENT_END);
}

enum err openai_chat_read_event(void *reader, const struct wire_frame *f, struct json_tape *t, const struct chat_sink *sink,
                                struct fault *why)
{
    struct chat_reader *r = reader;
    r->emit.sink = sink;
    r->emit.why = why;
    if (r->ended || !f->data.n) return OK;
    if (str_eq(str_trim(f->data), S("[DONE]"))) return on_done(r);
    if (json_scan(t, f->data, &JSON_LIMITS, NULL) != OK || !json_is(t, 0, JSON_OBJECT))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider sent an event that is not a chat completion chunk");
    return on_chunk(r, t, f->name);
}

enum err openai_chat_read_end(void *reader, const struct chat_sink *sink, struct fault *why)
{
    const struct chat_reader *r = reader;
    (void)sink;
    return r->ended ? OK : FAIL(why, ERR_UPSTREAM_CUT, "the provider's stream ended without its last event");
}
