/* Events written to a stream whose blocks stand one after the other: of items that are open at once one is written, and the calls
 * among the others wait, bounded (waiting.c). Called by the stream writers of Messages and Converse, which say in struct
 * wire_blocks_ops how their blocks look; the state lives in the exchange's arena. Private to this room. */
#include "wire/parts.h"

void wire_blocks_start(struct wire_blocks *b, const struct wire_blocks_ops *ops, const struct wire_reply *to, struct arena *a)
{
    *b = (struct wire_blocks){.ops = ops, .arena = a, .to = to, .open = WIRE_NO_ITEM};
}

static void begin(struct wire_blocks *b, const struct chat_meta *meta, struct buf *out)
{
    if (b->begun) return;
    b->begun = true;
    b->ops->begin(b, meta, out);
}

/* ---- items and parts ---------------------------------------------------------------------------------------------------------- */

/* The open item is over: those that have waited come, as far as they have come. */
static void next_waiting(struct wire_blocks *b, struct buf *out)
{
    b->open = WIRE_NO_ITEM;
    for (struct wire_waiting *x; b->open == WIRE_NO_ITEM && (x = wire_waiting_next(&b->waiting));) {
        b->ops->call(b, x->call_id, x->name, out);
        if (x->said.n) b->ops->arguments(b, x->said, out);
        if (x->ended) b->ops->block_end(b, out);
        else b->open = x->number;
        b->kind = ITEM_TOOL_CALL;
    }
}

static enum err on_item_start(struct wire_blocks *b, const struct chat_event *e, struct buf *out, struct fault *why)
{
    bool call = e->node->kind == ITEM_TOOL_CALL;
    if (b->open != WIRE_NO_ITEM && call) return wire_waiting_add(&b->waiting, b->arena, e, why);
    if (b->open != WIRE_NO_ITEM)
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider interleaves texts, which this format cannot say");
    b->open = e->item;
    b->kind = e->node->kind;
    if (call) b->ops->call(b, e->node->call_id, e->node->name, out);
    else if (b->kind != ITEM_MESSAGE && b->kind != ITEM_REASONING) b->ops->other(b, e->node, out);
    return OK;
}

static enum err on_part_start(struct wire_blocks *b, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)why;
    wire_lose_unsaid_part(b->to->losses, e->what->kind, WIRE_SAYS_TEXT);
    b->refused |= e->what->kind == PART_REFUSAL;
    if (e->item != b->open) return OK;
    b->ops->block_end(b, out); /* of a thought that nobody signed */
    b->part = e->what->kind;
    return OK;
}

static void put_text(struct wire_blocks *b, struct str text, struct buf *out)
{
    bool thought = b->part == PART_THOUGHT || b->part == PART_SUMMARY;
    if (thought || b->part == PART_TEXT || b->part == PART_REFUSAL) b->ops->text(b, thought, text, out);
}

static enum err on_delta(struct wire_blocks *b, const struct chat_event *e, struct buf *out, struct fault *why)
{
    if (e->item != b->open) {
        struct wire_waiting *x = wire_waiting_find(&b->waiting, e->item);
        return x && e->field == DELTA_ARGUMENTS ? wire_waiting_say(&b->waiting, b->arena, x, e->text, why) : OK;
    }
    if (e->field == DELTA_LOGPROBS) b->to->losses->n[LOSS_ANSWER_FIELD]++;
    else if (e->field == DELTA_ANNOTATION) b->ops->note(b, e->annotation, out);
    else if (e->field == DELTA_TEXT) put_text(b, e->text, out);
    else if (b->kind == ITEM_TOOL_CALL) b->ops->arguments(b, e->text, out);
    return OK;
}

/* Just before the block's end, which comes with it. */
static void put_opaque(struct wire_blocks *b, const struct chat_opaque *o, struct buf *out)
{
    struct str span;
    if (b->ops->carries(b->to, o, b->arena, &span)) b->ops->opaque(b, o, span, out);
    else b->to->losses->n[LOSS_OPAQUE_FOREIGN]++;
}

/* The block of a thought stays open for what the item's end may bring (Responses tells it there). */
static enum err on_part_end(struct wire_blocks *b, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)why;
    if (e->item != b->open) return OK;
    if (b->kind != ITEM_REASONING && e->what) wire_lose_state(b->to->losses, e->what->opaque, true, false);
    if (b->kind != ITEM_REASONING) b->ops->block_end(b, out);
    else if (e->what && e->what->opaque) put_opaque(b, e->what->opaque, out);
    return OK;
}

static enum err on_item_end(struct wire_blocks *b, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)why;
    struct wire_waiting *x = wire_waiting_find(&b->waiting, e->item);
    if (x) x->ended = true;
    if (e->item != b->open) return OK;
    if (b->kind == ITEM_REASONING && e->node && e->node->opaque) put_opaque(b, e->node->opaque, out);
    else if (e->node && e->node->opaque) b->to->losses->n[LOSS_OPAQUE_FOREIGN]++;
    b->ops->block_end(b, out);
    next_waiting(b, out);
    return OK;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------ */

static enum err on_meta(struct wire_blocks *b, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)why;
    begin(b, e->meta, out);
    return OK;
}

static enum err on_usage(struct wire_blocks *b, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)out, (void)why;
    b->usage = *e->usage;
    return OK;
}

static enum err on_stop(struct wire_blocks *b, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)out;
    b->stop = (struct chat_stop){.kind = e->stop->kind};
    if (!e->stop->sequence.p || arena_str(b->arena, e->stop->sequence, &b->stop.sequence)) return OK;
    return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider interleaves more than one exchange may hold back");
}

static enum err on_end(struct wire_blocks *b, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)e, (void)why;
    b->ended = true;
    b->ops->block_end(b, out);
    b->ops->end(b, out);
    return OK;
}

static enum err on_error(struct wire_blocks *b, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)why;
    b->ended = true;
    b->ops->error(b, e->error, out);
    return OK;
}

static enum err on_ping(struct wire_blocks *b, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)e, (void)why;
    b->ops->ping(out);
    return OK;
}

static enum err on_raw(struct wire_blocks *b, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)e, (void)out, (void)why;
    b->to->losses->n[LOSS_ANSWER_FIELD]++;
    return OK;
}

static enum err (*const ON[EVENT_KINDS])(struct wire_blocks *, const struct chat_event *, struct buf *, struct fault *) = {
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

enum err wire_blocks_write(void *writer, const struct chat_event *e, struct buf *out, struct fault *why)
{
    struct wire_blocks *b = writer;
    bool early = e->kind == EVENT_META || e->kind == EVENT_USAGE || e->kind == EVENT_ERROR || e->kind == EVENT_RAW;
    if (b->ended || (e->kind == EVENT_PING && !b->ops->ping)) return OK;
    if (e->choice) return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider gave more than one answer, and this format has one");
    if (!early) begin(b, &(struct chat_meta){0}, out);
    return ON[e->kind](b, e, out, why);
}
