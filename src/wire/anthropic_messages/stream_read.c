/* A Messages stream read into events (A1…A9). Blocks come one after the other; neighbouring texts are parts of one message.
 * Pure; what must outlive an event (a signature in pieces, the open block's names) is kept in the arena. */
#include "wire/anthropic_messages/priv.h"

enum { NO_ITEM = UINT32_MAX, SIGNATURE_MAX = 256 * 1024 };

enum block { BLOCK_NONE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_REDACTED, BLOCK_TOOL, BLOCK_RAW };

struct messages_reader {
    struct arena *arena;
    struct wire_emitter emit;
    struct usage usage;
    struct chat_stop stop;
    enum block block;
    uint32_t item;         /* of the open block */
    uint32_t message;      /* the open message; NO_ITEM */
    uint32_t parts;        /* of it */
    bool any_input;        /* of the open call: a piece of its arguments has come */
    struct str input;      /* of the open call: what its start told already, raw; absent: {} */
    struct str signature;  /* of the open thought, so far */
    struct chat_item call; /* kind and choice of the open item, for its end */
    bool met, stopped, ended;
};
_Static_assert(sizeof(struct messages_reader) <= ANTHROPIC_MESSAGES_READER_SIZE, "told in priv.h");

static struct wire_spot spot(uint32_t item, uint32_t part) { return (struct wire_spot){.item = item, .part = part}; }

static enum err full(const struct messages_reader *r)
{
    return FAIL(r->emit.why, ERR_UPSTREAM_TOO_LARGE, "the provider's stream is too large to be translated");
}

/* ---- blocks start ---------------------------------------------------------------------------------------------------------- */

static enum err close_message(struct messages_reader *r)
{
    uint32_t item = r->message;
    if (item == NO_ITEM) return OK;
    r->message = NO_ITEM;
    return wire_emit_item_end(&r->emit, item, &(struct chat_item){.kind = ITEM_MESSAGE});
}

static enum err start_text(struct messages_reader *r, const struct json_tape *t, uint32_t block)
{
    if (r->message == NO_ITEM) {
        r->parts = 0;
        TRY(wire_emit_item(&r->emit, &(struct chat_item){.kind = ITEM_MESSAGE}, &r->message));
    }
    r->block = BLOCK_TEXT;
    r->item = r->message;
    TRY(wire_emit_part(&r->emit, spot(r->item, r->parts), &(struct chat_part){.kind = PART_TEXT}));
    return wire_emit_delta(&r->emit, spot(r->item, r->parts), DELTA_TEXT, wire_text_in(t, block, "text"));
}

static enum err start_item(struct messages_reader *r, enum block block, const struct chat_item *node)
{
    r->block = block;
    r->call = (struct chat_item){.kind = node->kind, .form = node->form};
    return wire_emit_item(&r->emit, node, &r->item);
}

static enum err start_thinking(struct messages_reader *r, const struct json_tape *t, uint32_t block)
{
    r->signature = STR_NONE;
    TRY(start_item(r, BLOCK_THINKING, &(struct chat_item){.kind = ITEM_REASONING}));
    TRY(wire_emit_part(&r->emit, spot(r->item, 0), &(struct chat_part){.kind = PART_THOUGHT}));
    return wire_emit_delta(&r->emit, spot(r->item, 0), DELTA_TEXT, wire_text_in(t, block, "thinking"));
}

/* Comes whole in its start. */
static enum err start_redacted(struct messages_reader *r, const struct json_tape *t, uint32_t block)
{
    struct chat_opaque data = {.kind = OPAQUE_REDACTED, .span = wire_text_in(t, block, "data"), .origin.family = S("anthropic")};
    struct chat_part part = {.kind = PART_REDACTED, .opaque = data.span.n ? &data : NULL};
    if (part.opaque) chat_has(&part.node, PART_HAS_OPAQUE);
    TRY(start_item(r, BLOCK_REDACTED, &(struct chat_item){.kind = ITEM_REASONING}));
    TRY(wire_emit_part(&r->emit, spot(r->item, 0), &part));
    return wire_emit_part_end(&r->emit, spot(r->item, 0), &part);
}

/* A4: the input is {} here, and comes in pieces; some servers tell it at once. */
static enum err start_tool(struct messages_reader *r, const struct json_tape *t, uint32_t block)
{
    uint32_t input = json_find(t, block, S("input"));
    struct chat_item node = {
        .kind = ITEM_TOOL_CALL, .call_id = wire_text_in(t, block, "id"), .name = wire_text_in(t, block, "name")};
    r->any_input = false;
    r->input = STR_NONE;
    if (input && json_is(t, input, JSON_OBJECT) && json_count(t, input) && !arena_str(r->arena, json_raw(t, input), &r->input))
        return full(r);
    return start_item(r, BLOCK_TOOL, &node);
}

static enum err start_raw(struct messages_reader *r, const struct json_tape *t, uint32_t block)
{
    struct str type = wire_text_in(t, block, "type");
    bool call = anthropic_messages_is_server_call(type), result = anthropic_messages_is_server_result(type);
    struct chat_item node = {.kind = call     ? ITEM_SERVER_CALL
                                     : result ? ITEM_SERVER_RESULT
                                              : ITEM_UNKNOWN,
                             .word = type,
                             .raw = json_raw(t, block)};
    chat_has(&node.node, ITEM_HAS_RAW);
    return start_item(r, BLOCK_RAW, &node);
}

static const struct {
    struct str type;
    enum err (*start)(struct messages_reader *, const struct json_tape *, uint32_t block);
} STARTS[] = {
    {{"thinking", 8}, start_thinking},
    {{"redacted_thinking", 17}, start_redacted},
    {{"tool_use", 8}, start_tool},
};

static enum err on_block_start(struct messages_reader *r, struct json_tape *t)
{
    uint32_t block = json_find(t, 0, S("content_block"));
    struct str type = wire_text_in(t, block, "type");
    if (!block || r->block != BLOCK_NONE)
        return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider began a content block within another one");
    if (str_eq(type, S("text"))) return start_text(r, t, block);
    TRY(close_message(r));
    for (unsigned i = 0; i < COUNTOF(STARTS); i++)
        if (str_eq(STARTS[i].type, type)) return STARTS[i].start(r, t, block);
    return start_raw(r, t, block);
}

/* ---- deltas (A3) -------------------------------------------------------------------------------------------------------------- */

static enum err text_delta(struct messages_reader *r, const struct json_tape *t, uint32_t delta)
{
    if (r->block != BLOCK_TEXT) return wire_emit_raw(&r->emit, S("text_delta"), json_raw(t, delta));
    return wire_emit_delta(&r->emit, spot(r->item, r->parts), DELTA_TEXT, wire_text_in(t, delta, "text"));
}

static enum err thinking_delta(struct messages_reader *r, const struct json_tape *t, uint32_t delta)
{
    if (r->block != BLOCK_THINKING) return wire_emit_raw(&r->emit, S("thinking_delta"), json_raw(t, delta));
    return wire_emit_delta(&r->emit, spot(r->item, 0), DELTA_TEXT, wire_text_in(t, delta, "thinking"));
}

/* Usually whole, just before the block's end. */
static enum err signature_delta(struct messages_reader *r, const struct json_tape *t, uint32_t delta)
{
    struct buf whole;
    buf_init(&whole, SIGNATURE_MAX);
    buf_str(&whole, r->signature);
    buf_str(&whole, wire_text_in(t, delta, "signature"));
    bool fits = !whole.over && arena_str(r->arena, buf_view(&whole), &r->signature);
    buf_done(&whole);
    return fits ? OK : full(r);
}

static enum err input_delta(struct messages_reader *r, const struct json_tape *t, uint32_t delta)
{
    struct str piece = wire_text_in(t, delta, "partial_json");
    if (r->block != BLOCK_TOOL) return wire_emit_raw(&r->emit, S("input_json_delta"), json_raw(t, delta));
    if (piece.n && !r->any_input && r->input.p) TRY(wire_emit_raw(&r->emit, S("input"), r->input)); /* the pieces count */
    r->any_input |= piece.n > 0;
    return wire_emit_delta(&r->emit, spot(r->item, 0), DELTA_ARGUMENTS, piece);
}

static enum err citations_delta(struct messages_reader *r, const struct json_tape *t, uint32_t delta)
{
    uint32_t citation = json_find(t, delta, S("citation"));
    struct chat_annotation note;
    if (!citation || r->block != BLOCK_TEXT) return OK;
    anthropic_messages_read_citation(t, citation, &note);
    return wire_emit_note(&r->emit, spot(r->item, r->parts), &note);
}

static const struct {
    struct str type;
    enum err (*on)(struct messages_reader *, const struct json_tape *, uint32_t delta);
} DELTAS[] = {
    {{"text_delta", 10}, text_delta},           {{"input_json_delta", 16}, input_delta},
    {{"thinking_delta", 14}, thinking_delta},   {{"signature_delta", 15}, signature_delta},
    {{"citations_delta", 15}, citations_delta},
};

static enum err on_block_delta(struct messages_reader *r, struct json_tape *t)
{
    uint32_t delta = json_find(t, 0, S("delta"));
    struct str type = wire_text_in(t, delta, "type");
    for (unsigned i = 0; i < COUNTOF(DELTAS); i++)
        if (str_eq(DELTAS[i].type, type)) return DELTAS[i].on(r, t, delta);
    return wire_emit_raw(&r->emit, type, json_raw(t, delta));
}

/* ---- blocks end ------------------------------------------------------------------------------------------------------------------ */

static enum err end_thinking(struct messages_reader *r)
{
    struct chat_opaque signature = {.kind = OPAQUE_SIGNATURE, .span = r->signature, .origin.family = S("anthropic")};
    struct chat_part part = {.kind = PART_THOUGHT, .opaque = r->signature.n ? &signature : NULL};
    if (part.opaque) chat_has(&part.node, PART_HAS_OPAQUE);
    return wire_emit_part_end(&r->emit, spot(r->item, 0), &part);
}

/* A4: a call without any input has an empty object. */
static enum err end_input(struct messages_reader *r)
{
    struct buf span;
    if (r->any_input) return OK;
    if (!r->input.p) return wire_emit_delta(&r->emit, spot(r->item, 0), DELTA_ARGUMENTS, S("{}"));
    buf_init(&span, r->input.n * 6 + 16);
    json_escape(&span, r->input);
    enum err e = wire_emit_delta(&r->emit, spot(r->item, 0), DELTA_ARGUMENTS, buf_view(&span));
    buf_done(&span);
    return e;
}

static enum err on_block_stop(struct messages_reader *r, struct json_tape *t)
{
    enum block block = r->block;
    (void)t;
    r->block = BLOCK_NONE;
    if (block == BLOCK_NONE) return OK;
    if (block == BLOCK_TEXT)
        return wire_emit_part_end(&r->emit, spot(r->item, r->parts++), &(struct chat_part){.kind = PART_TEXT});
    if (block == BLOCK_THINKING) TRY(end_thinking(r));
    if (block == BLOCK_TOOL) TRY(end_input(r));
    return wire_emit_item_end(&r->emit, r->item, &r->call);
}

/* ---- the message ------------------------------------------------------------------------------------------------------------------ */

static enum err on_start(struct messages_reader *r, struct json_tape *t)
{
    uint32_t message = json_find(t, 0, S("message"));
    struct chat_meta meta = {
        .id = wire_text_in(t, message, "id"), .model = wire_text_in(t, message, "model"), .family = S("anthropic")};
    if (r->met) return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider began a message within another one");
    r->met = true;
    anthropic_messages_read_usage(t, json_find(t, message, S("usage")), &r->usage);
    TRY(wire_emit(&r->emit, &(struct chat_event){.kind = EVENT_META, .meta = &meta}));
    return wire_emit_usage(&r->emit, &r->usage);
}

/* A6: cumulative; what it does not tell stays. The stop may come before the last usage, so it waits for the end. */
static enum err on_message_delta(struct messages_reader *r, struct json_tape *t)
{
    uint32_t delta = json_find(t, 0, S("delta"));
    struct chat_stop stop;
    anthropic_messages_read_stop(t, delta, &stop);
    if (stop.word.p) {
        r->stop = (struct chat_stop){.kind = stop.kind};
        if (!arena_str(r->arena, stop.word, &r->stop.word)) return full(r);
        if (stop.sequence.p && !arena_str(r->arena, stop.sequence, &r->stop.sequence)) return full(r);
    }
    if (!anthropic_messages_read_usage(t, json_find(t, 0, S("usage")), &r->usage)) return OK;
    return wire_emit_usage(&r->emit, &r->usage);
}

static enum err on_stop(struct messages_reader *r, struct json_tape *t)
{
    if (r->block != BLOCK_NONE) TRY(on_block_stop(r, t));
    TRY(close_message(r));
    r->ended = true;
    TRY(wire_emit_stop(&r->emit, 0, &r->stop));
    return wire_emit_plain(&r->emit, EVENT_END);
}

static enum err on_error(struct messages_reader *r, struct json_tape *t)
{
    struct chat_error error;
    r->ended = true;
    anthropic_messages_read_error_object(t, r->arena, &error);
    return wire_emit_error(&r->emit, &error);
}

static enum err on_ping(struct messages_reader *r, struct json_tape *t)
{
    (void)t;
    return wire_emit_plain(&r->emit, EVENT_PING);
}

static const struct {
    struct str type;
    enum err (*on)(struct messages_reader *, struct json_tape *);
    bool first; /* may come before the message has begun */
} EVENTS[] = {
    {{"content_block_delta", 19}, on_block_delta, false},
    {{"content_block_start", 19}, on_block_start, false},
    {{"content_block_stop", 18}, on_block_stop, false},
    {{"message_start", 13}, on_start, true},
    {{"message_delta", 13}, on_message_delta, false},
    {{"message_stop", 12}, on_stop, false},
    {{"error", 5}, on_error, true},
    {{"ping", 4}, on_ping, true},
};

/* ---- the room's door ------------------------------------------------------------------------------------------------------------ */

void anthropic_messages_reader_start(void *reader, struct arena *a)
{
    *(struct messages_reader *)reader = (struct messages_reader){.arena = a, .message = NO_ITEM, .stop.kind = STOP_UNKNOWN};
}

enum err anthropic_messages_read_event(void *reader, const struct wire_frame *f, struct json_tape *t,
                                       const struct chat_sink *sink, struct fault *why)
{
    struct messages_reader *r = reader;
    r->emit.sink = sink;
    r->emit.why = why;
    if (r->ended || !f->data.n) return OK;
    if (json_scan(t, f->data, &JSON_LIMITS, NULL) != OK || !json_is(t, 0, JSON_OBJECT))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider sent an event that is not one of this format");
    struct str type = wire_text_in(t, 0, "type");
    TRY(wire_emit_unknown(&r->emit, t, &anthropic_messages_known));
    for (unsigned i = 0; i < COUNTOF(EVENTS); i++) {
        if (!str_eq(EVENTS[i].type, type)) continue;
        if (!r->met && !EVENTS[i].first) return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's stream has no message_start");
        return EVENTS[i].on(r, t);
    }
    return wire_emit_raw(&r->emit, type, json_raw(t, 0));
}

enum err anthropic_messages_read_end(void *reader, const struct chat_sink *sink, struct fault *why)
{
    const struct messages_reader *r = reader;
    (void)sink;
    return r->ended ? OK : FAIL(why, ERR_UPSTREAM_CUT, "the provider's stream ended without its last event");
}
