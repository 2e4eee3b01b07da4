/* Events written as a ConverseStream. Its blocks stand one after the other, so of items that are open at once one is written and
 * the others wait, bounded. It cannot emit a delta outside of its block. Pure; the state lives in the exchange's arena. */
#include "wire/bedrock_converse/priv.h"

#include "wire/anthropic_messages/priv.h"

enum { NO_ITEM = UINT32_MAX };

struct converse_writer {
    struct arena *arena;
    const struct wire_reply *to;
    struct wire_queue waiting;
    uint32_t open, block;     /* item whose block is open (NO_ITEM: none); number of the next block */
    enum chat_item_kind kind; /* of the open item */
    enum chat_part_kind part; /* of its open part */
    bool begun, in_block, ended;
    struct usage usage;
    enum chat_stop_kind stop;
};
_Static_assert(sizeof(struct converse_writer) <= BEDROCK_CONVERSE_WRITER_SIZE, "told in priv.h");

/* ---- frames ------------------------------------------------------------------------------------------------------------------- */

struct frame {
    struct json_writer j;
    struct event_stream_mark mark;
    struct buf *out;
};

static void frame_begin(struct frame *f, struct str type, struct buf *out)
{
    f->out = out;
    f->mark = event_stream_begin(out, EVENT_STREAM_EVENT, type, S("application/json"));
    json_write(&f->j, out);
    json_put_object(&f->j);
}

static void frame_end(struct frame *f)
{
    json_put_end(&f->j);
    event_stream_end(f->out, f->mark);
}

static void begin(struct converse_writer *w, struct buf *out)
{
    struct frame f;
    if (w->begun) return;
    w->begun = true;
    frame_begin(&f, S("messageStart"), out);
    json_add_str(&f.j, S("role"), S("assistant"));
    frame_end(&f);
}

static void block_end(struct converse_writer *w, struct buf *out)
{
    struct frame f;
    if (!w->in_block) return;
    w->in_block = false;
    frame_begin(&f, S("contentBlockStop"), out);
    json_add_u64(&f.j, S("contentBlockIndex"), w->block++);
    frame_end(&f);
}

/* One delta: a span as `member`, within `object` unless that is NULL. */
static void put_delta(struct converse_writer *w, const char *object, const char *member, struct str span, struct buf *out)
{
    struct frame f;
    w->in_block = true;
    frame_begin(&f, S("contentBlockDelta"), out);
    json_add_object(&f.j, S("delta"));
    if (object) json_add_object(&f.j, str_z(object));
    json_put_name(&f.j, str_z(member));
    json_put_span(&f.j, span);
    if (object) json_put_end(&f.j);
    json_put_end(&f.j);
    json_add_u64(&f.j, S("contentBlockIndex"), w->block);
    frame_end(&f);
}

/* ---- calls -------------------------------------------------------------------------------------------------------------------- */

static void call_begin(struct converse_writer *w, struct str call_id, struct str name, struct buf *out)
{
    struct frame f;
    w->in_block = true;
    frame_begin(&f, S("contentBlockStart"), out);
    json_add_object(&f.j, S("start"));
    json_add_object(&f.j, S("toolUse"));
    json_put_name(&f.j, S("toolUseId"));
    json_put_span(&f.j, call_id);
    json_put_name(&f.j, S("name"));
    json_put_span(&f.j, wire_our_name(w->to, name));
    json_put_end(&f.j);
    json_put_end(&f.j);
    json_add_u64(&f.j, S("contentBlockIndex"), w->block);
    frame_end(&f);
}

/* The open item is over: those that have waited come, as far as they have come. */
static void next_waiting(struct converse_writer *w, struct buf *out)
{
    w->open = NO_ITEM;
    for (struct wire_waiting *x; w->open == NO_ITEM && (x = wire_waiting_next(&w->waiting));) {
        call_begin(w, x->call_id, x->name, out);
        if (x->said.n) put_delta(w, "toolUse", "input", x->said, out);
        if (x->ended) block_end(w, out);
        else w->open = x->number;
        w->kind = ITEM_TOOL_CALL;
    }
}

/* ---- items and parts ------------------------------------------------------------------------------------------------------------ */

static enum err on_item_start(struct converse_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    bool call = e->node->kind == ITEM_TOOL_CALL;
    if (w->open != NO_ITEM && call) return wire_waiting_add(&w->waiting, w->arena, e, why);
    if (w->open != NO_ITEM)
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider interleaves texts, which this format cannot say");
    w->open = e->item;
    w->kind = e->node->kind;
    if (call) call_begin(w, e->node->call_id, e->node->name, out);
    else if (w->kind != ITEM_MESSAGE && w->kind != ITEM_REASONING) w->to->losses->n[LOSS_ANSWER_FIELD]++;
    return OK;
}

static enum err on_part_start(struct converse_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)why;
    if (e->item != w->open) return OK;
    block_end(w, out); /* of a thought that nobody signed */
    w->part = e->what->kind;
    return OK;
}

static void put_text(struct converse_writer *w, struct str text, struct buf *out)
{
    bool thought = w->part == PART_THOUGHT || w->part == PART_SUMMARY;
    if (thought) put_delta(w, "reasoningContent", "text", text, out);
    else if (w->part == PART_TEXT || w->part == PART_REFUSAL) put_delta(w, NULL, "text", text, out);
    else w->to->losses->n[LOSS_ANSWER_FIELD]++;
}

static enum err on_delta(struct converse_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    if (e->item != w->open) {
        struct wire_waiting *x = wire_waiting_find(&w->waiting, e->item);
        return x && e->field == DELTA_ARGUMENTS ? wire_waiting_say(&w->waiting, w->arena, x, e->text, why) : OK;
    }
    if (e->field == DELTA_LOGPROBS) w->to->losses->n[LOSS_ANSWER_FIELD]++;
    else if (e->field == DELTA_ANNOTATION) w->to->losses->n[LOSS_CITATION]++;
    else if (e->field == DELTA_TEXT) put_text(w, e->text, out);
    else if (w->kind == ITEM_TOOL_CALL) put_delta(w, "toolUse", "input", e->text, out);
    return OK;
}

/* Just before the block's end, as the vendor has it. */
static void put_opaque(struct converse_writer *w, const struct chat_opaque *o, struct buf *out)
{
    struct str span;
    if (!anthropic_messages_signature(w->to, o, w->arena, &span)) {
        w->to->losses->n[LOSS_OPAQUE_FOREIGN]++;
        return;
    }
    bool redacted = o->kind == OPAQUE_REDACTED && !chat_is_sealed(span);
    put_delta(w, "reasoningContent", redacted ? "redactedContent" : "signature", span, out);
    block_end(w, out);
}

/* The block of a thought stays open for what the item's end may bring (Responses tells it there). */
static enum err on_part_end(struct converse_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)why;
    if (e->item != w->open) return OK;
    if (w->kind != ITEM_REASONING) block_end(w, out);
    else if (e->what && e->what->opaque) put_opaque(w, e->what->opaque, out);
    return OK;
}

static enum err on_item_end(struct converse_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
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

static enum err on_nothing(struct converse_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)w, (void)e, (void)out, (void)why; /* META is begun already; PING has no word here */
    return OK;
}

static enum err on_usage(struct converse_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)out, (void)why;
    w->usage = *e->usage;
    return OK;
}

static enum err on_stop(struct converse_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)out, (void)why;
    w->stop = e->stop->kind;
    return OK;
}

static enum err on_end(struct converse_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    struct frame f;
    (void)e, (void)why;
    w->ended = true;
    block_end(w, out);
    frame_begin(&f, S("messageStop"), out);
    json_add_str(&f.j, S("stopReason"), bedrock_converse_stop_word(w->stop));
    frame_end(&f);
    frame_begin(&f, S("metadata"), out);
    bedrock_converse_put_end(&f.j, &w->usage);
    frame_end(&f);
    return OK;
}

static enum err on_error(struct converse_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)why;
    w->ended = true;
    bedrock_converse_write_exception(e->error->class, e->error->message, out);
    return OK;
}

static enum err on_raw(struct converse_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)e, (void)out, (void)why;
    w->to->losses->n[LOSS_ANSWER_FIELD]++;
    return OK;
}

static enum err (*const ON[EVENT_KINDS])(struct converse_writer *, const struct chat_event *, struct buf *, struct fault *) = {
    [EVENT_META] = on_nothing,
    [EVENT_ITEM_START] = on_item_start,
    [EVENT_PART_START] = on_part_start,
    [EVENT_DELTA] = on_delta,
    [EVENT_PART_END] = on_part_end,
    [EVENT_ITEM_END] = on_item_end,
    [EVENT_USAGE] = on_usage,
    [EVENT_STOP] = on_stop,
    [EVENT_ERROR] = on_error,
    [EVENT_PING] = on_nothing,
    [EVENT_RAW] = on_raw,
    [EVENT_END] = on_end,
};

/* ---- the room's door ------------------------------------------------------------------------------------------------------------ */

void bedrock_converse_writer_start(void *writer, const struct wire_reply *to, struct arena *a)
{
    *(struct converse_writer *)writer = (struct converse_writer){.arena = a, .to = to, .open = NO_ITEM};
}

enum err bedrock_converse_write_event(void *writer, const struct chat_event *e, struct buf *out, struct fault *why)
{
    struct converse_writer *w = writer;
    bool early = e->kind == EVENT_USAGE || e->kind == EVENT_ERROR || e->kind == EVENT_RAW || e->kind == EVENT_PING;
    if (w->ended) return OK;
    if (e->choice) return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider gave more than one answer, and this format has one");
    if (!early) begin(w, out);
    return ON[e->kind](w, e, out, why);
}
