/* Streams of InvokeModelWithResponseStream: a Messages stream in chunks. Pure; the scratch memory of an event goes with it. */
#include "wire/bedrock_invoke/priv.h"

enum { EVENT_MAX = 64 << 20 };

struct invoke_reader {
    struct arena *arena;
    bool ended;
    _Alignas(16) char inner[ANTHROPIC_MESSAGES_READER_SIZE];
};
_Static_assert(sizeof(struct invoke_reader) <= BEDROCK_INVOKE_READER_SIZE, "told in priv.h");

void bedrock_invoke_reader_start(void *reader, struct arena *a)
{
    struct invoke_reader *r = reader;
    r->arena = a;
    r->ended = false;
    anthropic_messages_reader_start(r->inner, a);
}

static enum err take_exception(struct invoke_reader *r, const struct wire_frame *f, struct json_tape *t,
                               const struct wire_emitter *m)
{
    struct chat_error error;
    r->ended = true;
    bedrock_converse_read_exception(f, t, r->arena, &error);
    return wire_emit_error(m, &error);
}

/* What stands in a frame beside its bytes; "p" is padding. */
static enum err tell_unknown(const struct wire_emitter *m, const struct json_tape *t)
{
    static const struct wire_known FRAME[] = {WIRE_LEAF("bytes"), WIRE_LEAF("p")};
    static const struct wire_tree tree = {FRAME, COUNTOF(FRAME)};
    return wire_emit_unknown(m, t, &tree);
}

enum err bedrock_invoke_read_event(void *reader, const struct wire_frame *f, struct json_tape *t, const struct chat_sink *sink,
                                   struct fault *why)
{
    struct invoke_reader *r = reader;
    const struct wire_emitter m = {.sink = sink, .why = why};
    struct buf event;
    if (r->ended) return OK;
    if (f->exception) return take_exception(r, f, t, &m);
    if (!str_eq(f->name, S("chunk"))) return wire_emit_raw(&m, f->name, f->data);
    buf_init(&event, EVENT_MAX);
    enum err e = OK;
    if (!bedrock_invoke_open(t, f->data, &event))
        e = FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider sent a chunk that is not one of this format");
    if (e == OK) e = tell_unknown(&m, t);
    if (e == OK) {
        const struct wire_frame inner = {.data = buf_view(&event)};
        e = anthropic_messages_read_event(r->inner, &inner, t, sink, why);
    }
    buf_done(&event);
    return e;
}

enum err bedrock_invoke_read_end(void *reader, const struct chat_sink *sink, struct fault *why)
{
    struct invoke_reader *r = reader;
    return r->ended ? OK : anthropic_messages_read_end(r->inner, sink, why);
}

/* The state is the inner writer's. An error is an exception of the framing, not an event in a chunk. */
enum err bedrock_invoke_write_event(void *writer, const struct chat_event *e, struct buf *out, struct fault *why)
{
    struct buf sse;
    buf_init(&sse, EVENT_MAX);
    enum err err = anthropic_messages_write_event(writer, e, &sse, why);
    if (err == OK && sse.over) err = FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the answer is too long to be written anew");
    if (err == OK && sse.n && e->kind == EVENT_ERROR) bedrock_converse_write_exception(e->error, out);
    else if (err == OK) bedrock_invoke_put_chunks(buf_view(&sse), out);
    buf_done(&sse);
    return err;
}
