/* Events written as a Messages stream (A1). Its blocks stand one after the other, so of items that are open at once one is
 * written and the others wait, bounded. It cannot emit a delta outside of its block. Pure; the state lives in the exchange's
 * arena. */
#include "wire/anthropic_messages/priv.h"

enum { NO_ITEM = UINT32_MAX };

struct messages_writer {
    struct arena *arena;
    const struct wire_reply *to;
    struct wire_queue waiting;
    uint32_t open, block;     /* item whose block is open (NO_ITEM: none); number of the next block */
    enum chat_item_kind kind; /* of the open item */
    enum chat_part_kind part; /* of its open part */
    bool begun, in_block, ended, same_family;
    bool thought_signed; /* the open thought's signature was written */
    struct usage usage;
    struct chat_stop stop;
    bool refused;
};
_Static_assert(sizeof(struct messages_writer) <= ANTHROPIC_MESSAGES_WRITER_SIZE, "told in priv.h");

/* ---- events ---------------------------------------------------------------------------------------------------------------- */

static void event_begin(struct json_writer *j, const char *type, struct buf *out)
{
    buf_fmt(out, "event: %s\ndata: ", type);
    json_write(j, out);
    json_put_object(j);
    json_add_str(j, S("type"), str_z(type));
}

static void event_end(struct json_writer *j, struct buf *out)
{
    json_put_end(j);
    buf_str(out, S("\n\n"));
}

static void begin(struct messages_writer *w, const struct chat_meta *meta, struct buf *out)
{
    struct json_writer j;
    if (w->begun) return;
    w->begun = true;
    w->same_family = str_eq(meta->family, S("anthropic"));
    event_begin(&j, "message_start", out);
    json_add_object(&j, S("message"));
    anthropic_messages_put_id(&j, w->to, meta);
    json_add_str(&j, S("type"), S("message"));
    json_add_str(&j, S("role"), S("assistant"));
    json_put_name(&j, S("model"));
    if (meta->model.p) json_put_span(&j, meta->model);
    else json_put_str(&j, w->to->model);
    json_add_raw(&j, S("content"), S("[]"));
    json_add_null(&j, S("stop_reason"));
    json_add_null(&j, S("stop_sequence"));
    json_put_name(&j, S("usage"));
    anthropic_messages_put_usage(&j, &w->usage);
    json_put_end(&j);
    event_end(&j, out);
}

static void block_begin(struct messages_writer *w, struct json_writer *j, struct str type, struct buf *out)
{
    w->in_block = true;
    event_begin(j, "content_block_start", out);
    json_add_u64(j, S("index"), w->block);
    json_add_object(j, S("content_block"));
    json_add_str(j, S("type"), type);
}

static void block_begun(struct json_writer *j, struct buf *out)
{
    json_put_end(j);
    event_end(j, out);
}

static void block_end(struct messages_writer *w, struct buf *out)
{
    struct json_writer j;
    if (!w->in_block) return;
    w->in_block = false;
    event_begin(&j, "content_block_stop", out);
    json_add_u64(&j, S("index"), w->block++);
    event_end(&j, out);
}

/* One delta with one member, a span. */
static void put_delta(struct messages_writer *w, const char *type, const char *member, struct str span, struct buf *out)
{
    struct json_writer j;
    event_begin(&j, "content_block_delta", out);
    json_add_u64(&j, S("index"), w->block);
    json_add_object(&j, S("delta"));
    json_add_str(&j, S("type"), str_z(type));
    json_put_name(&j, str_z(member));
    json_put_span(&j, span);
    json_put_end(&j);
    event_end(&j, out);
}

/* ---- calls ------------------------------------------------------------------------------------------------------------------ */

static void call_begin(struct messages_writer *w, struct str call_id, struct str name, struct buf *out)
{
    struct json_writer j;
    block_begin(w, &j, S("tool_use"), out);
    json_put_name(&j, S("id"));
    json_put_span(&j, call_id);
    json_put_name(&j, S("name"));
    json_put_span(&j, name);
    json_add_raw(&j, S("input"), S("{}"));
    block_begun(&j, out);
}

static enum err too_much(struct fault *why)
{
    return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider interleaves more than one exchange may hold back");
}

/* The open item is over: those that have waited come, as far as they have come. */
static void next_waiting(struct messages_writer *w, struct buf *out)
{
    w->open = NO_ITEM;
    for (struct wire_waiting *x; w->open == NO_ITEM && (x = wire_waiting_next(&w->waiting));) {
        call_begin(w, x->call_id, x->name, out);
        if (x->said.n) put_delta(w, "input_json_delta", "partial_json", x->said, out);
        if (x->ended) block_end(w, out);
        else w->open = x->number;
        w->kind = ITEM_TOOL_CALL;
    }
}

/* ---- items and parts --------------------------------------------------------------------------------------------------------- */

static void put_raw_block(struct messages_writer *w, const struct chat_item *i, struct buf *out)
{
    struct json_writer j;
    if (!w->same_family || !i->raw.p) {
        w->to->losses->n[LOSS_ANSWER_FIELD]++;
        return;
    }
    w->in_block = true;
    event_begin(&j, "content_block_start", out);
    json_add_u64(&j, S("index"), w->block);
    json_add_raw(&j, S("content_block"), i->raw);
    event_end(&j, out);
}

static enum err on_item_start(struct messages_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    bool call = e->node->kind == ITEM_TOOL_CALL;
    if (w->open != NO_ITEM && call) return wire_waiting_add(&w->waiting, w->arena, e, why);
    if (w->open != NO_ITEM)
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider interleaves texts, which this format cannot say");
    w->open = e->item;
    w->kind = e->node->kind;
    if (call) call_begin(w, e->node->call_id, e->node->name, out);
    else if (w->kind != ITEM_MESSAGE && w->kind != ITEM_REASONING) put_raw_block(w, e->node, out);
    return OK;
}

static void thought_begin(struct messages_writer *w, struct buf *out)
{
    struct json_writer j;
    w->thought_signed = false;
    block_begin(w, &j, S("thinking"), out);
    json_add_str(&j, S("thinking"), S(""));
    json_add_str(&j, S("signature"), S(""));
    block_begun(&j, out);
}

/* A text's block begins with its first piece, so that there is never an empty one. */
static void text_begin(struct messages_writer *w, struct buf *out)
{
    struct json_writer j;
    if (w->in_block) return;
    if (w->part == PART_THOUGHT || w->part == PART_SUMMARY) {
        thought_begin(w, out);
        return;
    }
    block_begin(w, &j, S("text"), out);
    json_add_str(&j, S("text"), S(""));
    block_begun(&j, out);
}

static enum err on_part_start(struct messages_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)why;
    w->refused |= e->what->kind == PART_REFUSAL;
    if (e->item != w->open) return OK;
    block_end(w, out); /* of a thought that nobody signed */
    w->part = e->what->kind;
    return OK;
}

static void put_note(struct messages_writer *w, const struct chat_event *e, struct buf *out)
{
    struct json_writer j;
    if (!w->same_family) {
        w->to->losses->n[LOSS_CITATION]++;
        return;
    }
    text_begin(w, out);
    event_begin(&j, "content_block_delta", out);
    json_add_u64(&j, S("index"), w->block);
    json_add_object(&j, S("delta"));
    json_add_str(&j, S("type"), S("citations_delta"));
    json_add_raw(&j, S("citation"), e->annotation->raw);
    json_put_end(&j);
    event_end(&j, out);
}

static void put_text(struct messages_writer *w, struct str text, struct buf *out)
{
    bool thought = w->part == PART_THOUGHT || w->part == PART_SUMMARY;
    if (!thought && w->part != PART_TEXT && w->part != PART_REFUSAL) {
        w->to->losses->n[LOSS_ANSWER_FIELD]++;
        return;
    }
    text_begin(w, out);
    if (thought) put_delta(w, "thinking_delta", "thinking", text, out);
    else put_delta(w, "text_delta", "text", text, out);
}

static enum err on_delta(struct messages_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    if (e->item != w->open) {
        struct wire_waiting *x = wire_waiting_find(&w->waiting, e->item);
        return x && e->field == DELTA_ARGUMENTS ? wire_waiting_say(&w->waiting, w->arena, x, e->text, why) : OK;
    }
    if (e->field == DELTA_LOGPROBS) w->to->losses->n[LOSS_ANSWER_FIELD]++;
    else if (e->field == DELTA_ANNOTATION) put_note(w, e, out);
    else if (e->field == DELTA_TEXT) put_text(w, e->text, out);
    else if (w->kind == ITEM_TOOL_CALL) put_delta(w, "input_json_delta", "partial_json", e->text, out);
    return OK;
}

/* A5: just before the block's end. State without a text becomes a redacted block. */
static void put_opaque(struct messages_writer *w, const struct chat_opaque *o, struct buf *out)
{
    struct json_writer j;
    struct str span;
    if (!anthropic_messages_signature(w->to, o, w->arena, &span)) {
        w->to->losses->n[LOSS_OPAQUE_FOREIGN]++;
        return;
    }
    if (!w->in_block && o->kind == OPAQUE_SIGNATURE) thought_begin(w, out); /* the vendor may keep the text to itself */
    if (w->in_block) {
        put_delta(w, "signature_delta", "signature", span, out);
        w->thought_signed = true;
        return;
    }
    block_begin(w, &j, S("redacted_thinking"), out);
    json_put_name(&j, S("data"));
    json_put_span(&j, span);
    block_begun(&j, out);
    block_end(w, out);
}

/* The block of a thought stays open for what the item's end may bring (Responses tells it there). */
static enum err on_part_end(struct messages_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)why;
    if (e->item != w->open) return OK;
    if (w->kind == ITEM_REASONING) {
        if (e->what && e->what->opaque) put_opaque(w, e->what->opaque, out);
        if (!w->thought_signed) return OK;
    }
    block_end(w, out);
    return OK;
}

static enum err on_item_end(struct messages_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)why;
    struct wire_waiting *x = wire_waiting_find(&w->waiting, e->item);
    if (x) x->ended = true;
    if (e->item != w->open) return OK;
    if (w->kind == ITEM_REASONING && e->node && e->node->opaque) put_opaque(w, e->node->opaque, out);
    else if (e->node && e->node->opaque) w->to->losses->n[LOSS_OPAQUE_FOREIGN]++;
    block_end(w, out);
    next_waiting(w, out);
    return OK;
}

/* ---- the message ---------------------------------------------------------------------------------------------------------------- */

static enum err on_meta(struct messages_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)why;
    begin(w, e->meta, out);
    return OK;
}

static enum err on_usage(struct messages_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)out, (void)why;
    w->usage = *e->usage;
    return OK;
}

static enum err on_stop(struct messages_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)out;
    w->stop = (struct chat_stop){.kind = e->stop->kind};
    if (e->stop->sequence.p && !arena_str(w->arena, e->stop->sequence, &w->stop.sequence)) return too_much(why);
    return OK;
}

static enum err on_end(struct messages_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    struct json_writer j;
    (void)e, (void)why;
    w->ended = true;
    block_end(w, out);
    event_begin(&j, "message_delta", out);
    json_add_object(&j, S("delta"));
    json_add_str(&j, S("stop_reason"), anthropic_messages_stop_word(w->stop.kind, w->refused));
    json_put_name(&j, S("stop_sequence"));
    if (w->stop.sequence.p) json_put_span(&j, w->stop.sequence);
    else json_put_null(&j);
    json_put_end(&j);
    json_put_name(&j, S("usage"));
    anthropic_messages_put_usage(&j, &w->usage);
    event_end(&j, out);
    event_begin(&j, "message_stop", out);
    event_end(&j, out);
    return OK;
}

static enum err on_error(struct messages_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)why;
    w->ended = true;
    buf_str(out, S("event: error\ndata: "));
    anthropic_messages_write_error(e->error, w->to->id, out);
    buf_str(out, S("\n\n"));
    return OK;
}

static enum err on_ping(struct messages_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)w, (void)e, (void)why;
    buf_str(out, S("event: ping\ndata: {\"type\":\"ping\"}\n\n"));
    return OK;
}

static enum err on_raw(struct messages_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)e, (void)out, (void)why;
    w->to->losses->n[LOSS_ANSWER_FIELD]++;
    return OK;
}

static enum err (*const ON[EVENT_KINDS])(struct messages_writer *, const struct chat_event *, struct buf *, struct fault *) = {
    [EVENT_META] = on_meta,
    [EVENT_ITEM_START] = on_item_start,
    [EVENT_PART_START] = on_part_start,
    [EVENT_DELTA] = on_delta,
    [EVENT_PART_END] = on_part_end,
    [EVENT_ITEM_END] = on_item_end,
    [EVENT_USAGE] = on_usage,
    [EVENT_STOP] = on_stop,
    [EVENT_ERROR] = on_error,
    [EVENT_PING] = on_ping,
    [EVENT_RAW] = on_raw,
    [EVENT_END] = on_end,
};

/* ---- the room's door -------------------------------------------------------------------------------------------------------------- */

void anthropic_messages_writer_start(void *writer, const struct wire_reply *to, struct arena *a)
{
    *(struct messages_writer *)writer = (struct messages_writer){.arena = a, .to = to, .open = NO_ITEM};
}

enum err anthropic_messages_write_event(void *writer, const struct chat_event *e, struct buf *out, struct fault *why)
{
    struct messages_writer *w = writer;
    bool early = e->kind == EVENT_META || e->kind == EVENT_USAGE || e->kind == EVENT_ERROR || e->kind == EVENT_RAW;
    if (w->ended) return OK;
    if (e->choice) return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider gave more than one answer, and this format has one");
    if (!early) begin(w, &(struct chat_meta){0}, out);
    return ON[e->kind](w, e, out, why);
}
