/* Events written as a ConverseStream. Its blocks stand one after the other, so of items that are open at once one is written and
 * the others wait, bounded. It cannot emit a delta outside of its block. Pure; the state lives in the exchange's arena. */
#include "wire/bedrock_converse/priv.h"

#include "wire/anthropic_messages/priv.h"

_Static_assert(sizeof(struct wire_blocks) <= BEDROCK_CONVERSE_WRITER_SIZE, "told in priv.h");

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

static void begin(struct wire_blocks *b, const struct chat_meta *meta, struct buf *out)
{
    struct frame f;
    (void)b, (void)meta;
    frame_begin(&f, S("messageStart"), out);
    json_add_str(&f.j, S("role"), S("assistant"));
    frame_end(&f);
}

static void block_end(struct wire_blocks *b, struct buf *out)
{
    struct frame f;
    if (!b->in_block) return;
    b->in_block = false;
    frame_begin(&f, S("contentBlockStop"), out);
    json_add_u64(&f.j, S("contentBlockIndex"), b->block++);
    frame_end(&f);
}

/* One delta: a span as `member`, within `object` unless that is NULL. */
static void put_delta(struct wire_blocks *b, const char *object, const char *member, struct str span, struct buf *out)
{
    struct frame f;
    b->in_block = true;
    frame_begin(&f, S("contentBlockDelta"), out);
    json_add_object(&f.j, S("delta"));
    if (object) json_add_object(&f.j, str_z(object));
    json_put_name(&f.j, str_z(member));
    json_put_span(&f.j, span);
    if (object) json_put_end(&f.j);
    json_put_end(&f.j);
    json_add_u64(&f.j, S("contentBlockIndex"), b->block);
    frame_end(&f);
}

/* ---- calls -------------------------------------------------------------------------------------------------------------------- */

static void call_begin(struct wire_blocks *b, struct str call_id, struct str name, struct buf *out)
{
    struct frame f;
    b->in_block = true;
    frame_begin(&f, S("contentBlockStart"), out);
    json_add_object(&f.j, S("start"));
    json_add_object(&f.j, S("toolUse"));
    json_put_name(&f.j, S("toolUseId"));
    json_put_span(&f.j, call_id);
    json_put_name(&f.j, S("name"));
    json_put_span(&f.j, name);
    json_put_end(&f.j);
    json_put_end(&f.j);
    json_add_u64(&f.j, S("contentBlockIndex"), b->block);
    frame_end(&f);
}

static void put_arguments(struct wire_blocks *b, struct str text, struct buf *out)
{
    put_delta(b, "toolUse", "input", text, out);
}

/* ---- what blocks hold ------------------------------------------------------------------------------------------------------------ */

static void put_text(struct wire_blocks *b, bool thought, struct str text, struct buf *out)
{
    put_delta(b, thought ? "reasoningContent" : NULL, "text", text, out);
}

static void put_opaque(struct wire_blocks *b, const struct chat_opaque *o, struct str span, struct buf *out)
{
    bool redacted = o->kind == OPAQUE_REDACTED && !chat_is_sealed(span);
    put_delta(b, "reasoningContent", redacted ? "redactedContent" : "signature", span, out);
    block_end(b, out);
}

static void lose_note(struct wire_blocks *b, const struct chat_annotation *note, struct buf *out)
{
    (void)note, (void)out;
    b->to->losses->n[LOSS_CITATION]++;
}

static void lose_other(struct wire_blocks *b, const struct chat_item *item, struct buf *out)
{
    (void)item, (void)out;
    b->to->losses->n[LOSS_ANSWER_FIELD]++;
}

/* ---- the message ---------------------------------------------------------------------------------------------------------------- */

static void put_end(struct wire_blocks *b, struct buf *out)
{
    struct frame f;
    frame_begin(&f, S("messageStop"), out);
    json_add_str(&f.j, S("stopReason"), bedrock_converse_stop_word(b->stop.kind));
    frame_end(&f);
    frame_begin(&f, S("metadata"), out);
    bedrock_converse_put_end(&f.j, &b->usage);
    frame_end(&f);
}

static void put_error(struct wire_blocks *b, const struct chat_error *error, struct buf *out)
{
    (void)b;
    bedrock_converse_write_exception(error, out);
}

/* ---- the room's door ------------------------------------------------------------------------------------------------------------ */

static const struct wire_blocks_ops BLOCKS = {
    .begin = begin,
    .call = call_begin,
    .arguments = put_arguments,
    .text = put_text,
    .note = lose_note,
    .carries = anthropic_messages_signature,
    .opaque = put_opaque,
    .other = lose_other,
    .block_end = block_end,
    .end = put_end,
    .error = put_error,
};

void bedrock_converse_writer_start(void *writer, const struct wire_reply *to, struct arena *a)
{
    wire_blocks_start(writer, &BLOCKS, to, a);
}

enum err bedrock_converse_write_event(void *writer, const struct chat_event *e, struct buf *out, struct fault *why)
{
    return wire_blocks_write(writer, e, out, why);
}
