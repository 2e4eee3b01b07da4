/* A ConverseStream read into events. Texts and thoughts have no contentBlockStart: their blocks begin with the first delta of
 * their index. The usage comes behind messageStop. Facts: Amazon Bedrock API reference, "ConverseStreamOutput"; docs/wire.md.
 * Pure; what must outlive an event is kept in the arena. */
#include "wire/bedrock_converse/priv.h"

enum { NO_ITEM = UINT32_MAX, SIGNATURE_MAX = 256 * 1024 };

enum block { BLOCK_NONE, BLOCK_TEXT, BLOCK_THOUGHT, BLOCK_REDACTED, BLOCK_TOOL, BLOCK_OTHER };

struct converse_reader {
    struct arena *arena;
    struct wire_emitter emit;
    struct usage usage;
    struct chat_stop stop;
    enum block block;
    uint64_t index;    /* of the open block */
    uint32_t item;     /* of the open block */
    uint32_t message;  /* the open message; NO_ITEM */
    uint32_t parts;    /* of it */
    bool any_input;    /* of the open call */
    struct str opaque; /* of the open thought, so far */
    bool met, stopped, ended;
};
_Static_assert(sizeof(struct converse_reader) <= BEDROCK_CONVERSE_READER_SIZE, "told in priv.h");

static struct wire_spot spot(uint32_t item, uint32_t part) { return (struct wire_spot){.item = item, .part = part}; }

static enum err full(const struct converse_reader *r)
{
    return FAIL(r->emit.why, ERR_UPSTREAM_TOO_LARGE, "the provider's stream is too large to be translated");
}

/* ---- blocks end -------------------------------------------------------------------------------------------------------------- */

static enum err close_message(struct converse_reader *r)
{
    uint32_t item = r->message;
    if (item == NO_ITEM) return OK;
    r->message = NO_ITEM;
    return wire_emit_item_end(&r->emit, item, &(struct chat_item){.kind = ITEM_MESSAGE});
}

static enum err end_thought(struct converse_reader *r, enum block block)
{
    bool redacted = block == BLOCK_REDACTED;
    struct chat_opaque opaque = {
        .kind = redacted ? OPAQUE_REDACTED : OPAQUE_SIGNATURE, .span = r->opaque, .origin.family = S("anthropic")};
    struct chat_part part = {.kind = redacted ? PART_REDACTED : PART_THOUGHT, .opaque = r->opaque.n ? &opaque : NULL};
    if (part.opaque) chat_has(&part.node, PART_HAS_OPAQUE);
    TRY(wire_emit_part_end(&r->emit, spot(r->item, 0), &part));
    return wire_emit_item_end(&r->emit, r->item, &(struct chat_item){.kind = ITEM_REASONING});
}

static enum err close_block(struct converse_reader *r)
{
    enum block block = r->block;
    r->block = BLOCK_NONE;
    if (block == BLOCK_TEXT)
        return wire_emit_part_end(&r->emit, spot(r->item, r->parts++), &(struct chat_part){.kind = PART_TEXT});
    if (block == BLOCK_THOUGHT || block == BLOCK_REDACTED) return end_thought(r, block);
    if (block != BLOCK_TOOL) return OK;
    if (!r->any_input) TRY(wire_emit_delta(&r->emit, spot(r->item, 0), DELTA_ARGUMENTS, S("{}")));
    return wire_emit_item_end(&r->emit, r->item, &(struct chat_item){.kind = ITEM_TOOL_CALL});
}

/* ---- blocks begin ------------------------------------------------------------------------------------------------------------ */

static enum err begin_text(struct converse_reader *r)
{
    if (r->message == NO_ITEM) {
        r->parts = 0;
        TRY(wire_emit_item(&r->emit, &(struct chat_item){.kind = ITEM_MESSAGE}, &r->message));
    }
    r->item = r->message;
    return wire_emit_part(&r->emit, spot(r->item, r->parts), &(struct chat_part){.kind = PART_TEXT});
}

static enum err begin_thought(struct converse_reader *r, enum block block)
{
    enum chat_part_kind kind = block == BLOCK_REDACTED ? PART_REDACTED : PART_THOUGHT;
    TRY(close_message(r));
    r->opaque = STR_NONE;
    TRY(wire_emit_item(&r->emit, &(struct chat_item){.kind = ITEM_REASONING}, &r->item));
    return wire_emit_part(&r->emit, spot(r->item, 0), &(struct chat_part){.kind = kind});
}

/* The block that a delta of this kind belongs to: the open one, or a new one. */
static enum err want_block(struct converse_reader *r, enum block block)
{
    if (r->block == block) return OK;
    if (r->block != BLOCK_NONE)
        return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider sent deltas of two kinds in one content block");
    TRY(block == BLOCK_TEXT ? begin_text(r) : begin_thought(r, block));
    r->block = block;
    return OK;
}

/* Another index means that the block before is over, whether that was said or not. */
static enum err at_index(struct converse_reader *r, const struct json_tape *t)
{
    uint64_t index = 0;
    uint32_t at = json_find(t, 0, S("contentBlockIndex"));
    if (at && !json_u64(t, at, &index))
        return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider sent a content block whose index is no number");
    if (r->block != BLOCK_NONE && index != r->index) TRY(close_block(r));
    r->index = index;
    return OK;
}

static enum err begin_other(struct converse_reader *r, const struct json_tape *t, uint32_t start)
{
    r->block = BLOCK_OTHER;
    return wire_emit_raw(&r->emit, S("contentBlockStart"), json_raw(t, start));
}

static enum err on_block_start(struct converse_reader *r, struct json_tape *t)
{
    uint32_t start = json_find(t, 0, S("start")), use = json_path(t, 0, "start", "toolUse");
    TRY(at_index(r, t));
    if (r->block != BLOCK_NONE)
        return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider began a content block within another one");
    if (!use) return start && json_count(t, start) ? begin_other(r, t, start) : OK;
    TRY(close_message(r));
    r->block = BLOCK_TOOL;
    r->any_input = false;
    struct chat_item node = {
        .kind = ITEM_TOOL_CALL, .call_id = wire_text_in(t, use, "toolUseId"), .name = wire_text_in(t, use, "name")};
    return wire_emit_item(&r->emit, &node, &r->item);
}

/* ---- deltas ------------------------------------------------------------------------------------------------------------------- */

static enum err text_delta(struct converse_reader *r, const struct json_tape *t, uint32_t value)
{
    struct str text = json_is(t, value, JSON_STRING) ? json_text(t, value) : STR_NONE;
    if (!text.n) return OK;
    TRY(want_block(r, BLOCK_TEXT));
    return wire_emit_delta(&r->emit, spot(r->item, r->parts), DELTA_TEXT, text);
}

static enum err tool_delta(struct converse_reader *r, const struct json_tape *t, uint32_t value)
{
    struct str piece = wire_text_in(t, value, "input");
    if (r->block != BLOCK_TOOL) return wire_emit_raw(&r->emit, S("toolUse"), json_raw(t, value));
    r->any_input |= piece.n > 0;
    return wire_emit_delta(&r->emit, spot(r->item, 0), DELTA_ARGUMENTS, piece);
}

static enum err add_opaque(struct converse_reader *r, struct str piece)
{
    struct buf whole;
    buf_init(&whole, SIGNATURE_MAX);
    buf_str(&whole, r->opaque);
    buf_str(&whole, piece);
    bool fits = !whole.over && arena_str(r->arena, buf_view(&whole), &r->opaque);
    buf_done(&whole);
    return fits ? OK : full(r);
}

static enum err reasoning_delta(struct converse_reader *r, const struct json_tape *t, uint32_t value)
{
    struct str text = wire_text_in(t, value, "text"), signature = wire_text_in(t, value, "signature");
    struct str redacted = wire_text_in(t, value, "redactedContent");
    if (!text.n && !signature.n && !redacted.n) return OK;
    TRY(want_block(r, redacted.n ? BLOCK_REDACTED : BLOCK_THOUGHT));
    if (text.n && r->block == BLOCK_THOUGHT) TRY(wire_emit_delta(&r->emit, spot(r->item, 0), DELTA_TEXT, text));
    return redacted.n || signature.n ? add_opaque(r, redacted.n ? redacted : signature) : OK;
}

static enum err citation_delta(struct converse_reader *r, const struct json_tape *t, uint32_t value)
{
    struct chat_annotation note;
    TRY(want_block(r, BLOCK_TEXT));
    bedrock_converse_read_citation(t, value, &note);
    return wire_emit_note(&r->emit, spot(r->item, r->parts), &note);
}

static const struct str DELTAS[] = {{"text", 4}, {"toolUse", 7}, {"reasoningContent", 16}, {"citation", 8}};
static enum err (*const ON_DELTA[])(struct converse_reader *, const struct json_tape *,
                                    uint32_t value) = {text_delta, tool_delta, reasoning_delta, citation_delta};

static enum err on_delta(struct converse_reader *r, struct json_tape *t)
{
    uint32_t delta = json_find(t, 0, S("delta")), value;
    size_t which;
    TRY(at_index(r, t));
    if (!delta) return OK;
    if (bedrock_converse_member(t, delta, DELTAS, COUNTOF(DELTAS), &which, &value)) return ON_DELTA[which](r, t, value);
    return wire_emit_raw(&r->emit, S("delta"), json_raw(t, delta));
}

static enum err on_block_stop(struct converse_reader *r, struct json_tape *t)
{
    TRY(at_index(r, t));
    return close_block(r);
}

/* ---- the message -------------------------------------------------------------------------------------------------------------- */

static enum err begin(struct converse_reader *r)
{
    if (r->met) return OK;
    r->met = true;
    return wire_emit(&r->emit, &(struct chat_event){.kind = EVENT_META, .meta = &(struct chat_meta){.family = S("bedrock")}});
}

static enum err on_start(struct converse_reader *r, struct json_tape *t)
{
    (void)t;
    if (r->met) return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider began a message within another one");
    return begin(r);
}

static enum err on_message_stop(struct converse_reader *r, struct json_tape *t)
{
    struct str word = wire_text_in(t, 0, "stopReason");
    TRY(close_block(r));
    TRY(close_message(r));
    r->stopped = true;
    r->stop.kind = bedrock_converse_read_stop(word);
    return arena_str(r->arena, word, &r->stop.word) ? OK : full(r);
}

/* Behind the stop there is only the metadata. */
static enum err check_order(struct converse_reader *r, bool is_metadata, bool is_start)
{
    if (r->stopped && !is_metadata)
        return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider's message went on after its stop");
    return is_start ? OK : begin(r);
}

static enum err finish(struct converse_reader *r)
{
    r->ended = true;
    TRY(wire_emit_stop(&r->emit, 0, &r->stop));
    return wire_emit_plain(&r->emit, EVENT_END);
}

static enum err on_metadata(struct converse_reader *r, struct json_tape *t)
{
    if (bedrock_converse_read_usage(t, json_find(t, 0, S("usage")), &r->usage)) {
        wire_read_tier(t, json_path(t, 0, "serviceTier", "type"), &r->usage);
        TRY(wire_emit_usage(&r->emit, &r->usage));
    }
    return r->stopped ? finish(r) : OK;
}

static const struct {
    struct str name;
    enum err (*on)(struct converse_reader *, struct json_tape *);
} EVENTS[] = {
    {{"contentBlockDelta", 17}, on_delta}, {{"contentBlockStart", 17}, on_block_start}, {{"contentBlockStop", 16}, on_block_stop},
    {{"messageStart", 12}, on_start},      {{"messageStop", 11}, on_message_stop},      {{"metadata", 8}, on_metadata},
};

/* ---- the room's door ------------------------------------------------------------------------------------------------------------ */

void bedrock_converse_reader_start(void *reader, struct arena *a)
{
    *(struct converse_reader *)reader = (struct converse_reader){.arena = a, .message = NO_ITEM};
}

static enum err take_exception(struct converse_reader *r, const struct wire_frame *f, struct json_tape *t)
{
    struct chat_error error;
    r->ended = true;
    bedrock_converse_read_exception(f, t, r->arena, &error);
    return wire_emit_error(&r->emit, &error);
}

enum err bedrock_converse_read_event(void *reader, const struct wire_frame *f, struct json_tape *t, const struct chat_sink *sink,
                                     struct fault *why)
{
    struct converse_reader *r = reader;
    r->emit.sink = sink;
    r->emit.why = why;
    if (r->ended) return OK;
    if (f->exception) return take_exception(r, f, t);
    if (json_scan(t, f->data, &JSON_LIMITS, NULL) != OK || !json_is(t, 0, JSON_OBJECT))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider sent an event that is not one of this format");
    TRY(wire_emit_unknown(&r->emit, t, &bedrock_converse_known));
    for (unsigned i = 0; i < COUNTOF(EVENTS); i++) {
        if (!str_eq(EVENTS[i].name, f->name)) continue;
        TRY(check_order(r, EVENTS[i].on == on_metadata, EVENTS[i].on == on_start));
        return EVENTS[i].on(r, t);
    }
    return wire_emit_raw(&r->emit, f->name, json_raw(t, 0));
}

/* A stream that has stopped and only lacks its metadata is whole, though nobody knows what it used. */
enum err bedrock_converse_read_end(void *reader, const struct chat_sink *sink, struct fault *why)
{
    struct converse_reader *r = reader;
    r->emit.sink = sink;
    r->emit.why = why;
    if (r->ended) return OK;
    return r->stopped ? finish(r) : FAIL(why, ERR_UPSTREAM_CUT, "the provider's stream ended without its last event");
}
