/* Events written as a Messages stream (A1). Its blocks stand one after the other, so of items that are open at once one is
 * written and the others wait, bounded. It cannot emit a delta outside of its block. Pure; the state lives in the exchange's
 * arena. */
#include "wire/anthropic_messages/priv.h"

struct messages_writer {
    struct wire_blocks b;
    bool same_family; /* as the provider: its own blocks are passed on */
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

static struct messages_writer *writer_of(struct wire_blocks *b) { return (struct messages_writer *)(void *)b; }

static void begin(struct wire_blocks *b, const struct chat_meta *meta, struct buf *out)
{
    struct json_writer j;
    writer_of(b)->same_family = str_eq(meta->family, S("anthropic"));
    event_begin(&j, "message_start", out);
    json_add_object(&j, S("message"));
    anthropic_messages_put_id(&j, b->to, meta);
    json_add_str(&j, S("type"), S("message"));
    json_add_str(&j, S("role"), S("assistant"));
    json_put_name(&j, S("model"));
    if (meta->model.p) json_put_span(&j, meta->model);
    else json_put_str(&j, b->to->model);
    json_add_raw(&j, S("content"), S("[]"));
    json_add_null(&j, S("stop_reason"));
    json_add_null(&j, S("stop_sequence"));
    json_put_name(&j, S("usage"));
    anthropic_messages_put_usage(&j, &b->usage);
    json_put_end(&j);
    event_end(&j, out);
}

static void block_begin(struct wire_blocks *b, struct json_writer *j, struct str type, struct buf *out)
{
    b->in_block = true;
    event_begin(j, "content_block_start", out);
    json_add_u64(j, S("index"), b->block);
    json_add_object(j, S("content_block"));
    json_add_str(j, S("type"), type);
}

static void block_begun(struct json_writer *j, struct buf *out)
{
    json_put_end(j);
    event_end(j, out);
}

static void block_end(struct wire_blocks *b, struct buf *out)
{
    struct json_writer j;
    if (!b->in_block) return;
    b->in_block = false;
    event_begin(&j, "content_block_stop", out);
    json_add_u64(&j, S("index"), b->block++);
    event_end(&j, out);
}

/* One delta with one member, a span. */
static void put_delta(struct wire_blocks *b, const char *type, const char *member, struct str span, struct buf *out)
{
    struct json_writer j;
    event_begin(&j, "content_block_delta", out);
    json_add_u64(&j, S("index"), b->block);
    json_add_object(&j, S("delta"));
    json_add_str(&j, S("type"), str_z(type));
    json_put_name(&j, str_z(member));
    json_put_span(&j, span);
    json_put_end(&j);
    event_end(&j, out);
}

/* ---- calls ------------------------------------------------------------------------------------------------------------------ */

static void call_begin(struct wire_blocks *b, struct str call_id, struct str name, struct buf *out)
{
    struct json_writer j;
    block_begin(b, &j, S("tool_use"), out);
    json_put_name(&j, S("id"));
    json_put_span(&j, call_id);
    json_put_name(&j, S("name"));
    json_put_span(&j, name);
    json_add_raw(&j, S("input"), S("{}"));
    block_begun(&j, out);
}

static void put_arguments(struct wire_blocks *b, struct str text, struct buf *out)
{
    put_delta(b, "input_json_delta", "partial_json", text, out);
}

/* ---- items and parts --------------------------------------------------------------------------------------------------------- */

static void put_raw_block(struct wire_blocks *b, const struct chat_item *i, struct buf *out)
{
    struct json_writer j;
    if (!writer_of(b)->same_family || !i->raw.p) {
        b->to->losses->n[LOSS_ANSWER_FIELD]++;
        return;
    }
    b->in_block = true;
    event_begin(&j, "content_block_start", out);
    json_add_u64(&j, S("index"), b->block);
    json_add_raw(&j, S("content_block"), i->raw);
    event_end(&j, out);
}

static void thought_begin(struct wire_blocks *b, struct buf *out)
{
    struct json_writer j;
    block_begin(b, &j, S("thinking"), out);
    json_add_str(&j, S("thinking"), S(""));
    json_add_str(&j, S("signature"), S(""));
    block_begun(&j, out);
}

/* A text's block begins with its first piece, so that there is never an empty one. */
static void text_begin(struct wire_blocks *b, struct buf *out)
{
    struct json_writer j;
    if (b->in_block) return;
    if (b->part == PART_THOUGHT || b->part == PART_SUMMARY) {
        thought_begin(b, out);
        return;
    }
    block_begin(b, &j, S("text"), out);
    json_add_str(&j, S("text"), S(""));
    block_begun(&j, out);
}

static void put_note(struct wire_blocks *b, const struct chat_annotation *note, struct buf *out)
{
    struct json_writer j;
    if (!writer_of(b)->same_family) {
        b->to->losses->n[LOSS_CITATION]++;
        return;
    }
    text_begin(b, out);
    event_begin(&j, "content_block_delta", out);
    json_add_u64(&j, S("index"), b->block);
    json_add_object(&j, S("delta"));
    json_add_str(&j, S("type"), S("citations_delta"));
    json_add_raw(&j, S("citation"), note->raw);
    json_put_end(&j);
    event_end(&j, out);
}

static void put_text(struct wire_blocks *b, bool thought, struct str text, struct buf *out)
{
    text_begin(b, out);
    if (thought) put_delta(b, "thinking_delta", "thinking", text, out);
    else put_delta(b, "text_delta", "text", text, out);
}

/* A5: state without a text becomes a redacted block, but for a signature: the vendor may keep the text to itself. */
static void put_opaque(struct wire_blocks *b, const struct chat_opaque *o, struct str span, struct buf *out)
{
    struct json_writer j;
    if (!b->in_block && o->kind == OPAQUE_SIGNATURE) thought_begin(b, out);
    if (b->in_block) {
        put_delta(b, "signature_delta", "signature", span, out);
    } else {
        block_begin(b, &j, S("redacted_thinking"), out);
        json_put_name(&j, S("data"));
        json_put_span(&j, span);
        block_begun(&j, out);
    }
    block_end(b, out);
}

/* ---- the message ---------------------------------------------------------------------------------------------------------------- */

static void put_end(struct wire_blocks *b, struct buf *out)
{
    struct json_writer j;
    event_begin(&j, "message_delta", out);
    json_add_object(&j, S("delta"));
    json_add_str(&j, S("stop_reason"), anthropic_messages_stop_word(b->stop.kind, b->refused));
    json_put_name(&j, S("stop_sequence"));
    if (b->stop.sequence.p) json_put_span(&j, b->stop.sequence);
    else json_put_null(&j);
    json_put_end(&j);
    json_put_name(&j, S("usage"));
    anthropic_messages_put_usage(&j, &b->usage);
    event_end(&j, out);
    event_begin(&j, "message_stop", out);
    event_end(&j, out);
}

static void put_error(struct wire_blocks *b, const struct chat_error *error, struct buf *out)
{
    buf_str(out, S("event: error\ndata: "));
    anthropic_messages_write_error(error, b->to->id, out);
    buf_str(out, S("\n\n"));
}

static void put_ping(struct buf *out) { buf_str(out, S("event: ping\ndata: {\"type\":\"ping\"}\n\n")); }

/* ---- the room's door -------------------------------------------------------------------------------------------------------------- */

static const struct wire_blocks_ops BLOCKS = {
    .begin = begin,
    .call = call_begin,
    .arguments = put_arguments,
    .text = put_text,
    .note = put_note,
    .carries = anthropic_messages_signature,
    .opaque = put_opaque,
    .other = put_raw_block,
    .block_end = block_end,
    .end = put_end,
    .error = put_error,
    .ping = put_ping,
};

void anthropic_messages_writer_start(void *writer, const struct wire_reply *to, struct arena *a)
{
    struct messages_writer *w = writer;
    w->same_family = false;
    wire_blocks_start(&w->b, &BLOCKS, to, a);
}

enum err anthropic_messages_write_event(void *writer, const struct chat_event *e, struct buf *out, struct fault *why)
{
    return wire_blocks_write(writer, e, out, why);
}
