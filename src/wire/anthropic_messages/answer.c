/* Whole answers of Messages, read and written. Facts: Anthropic API reference "The Message object"; A4…A9 in docs/wire.md.
 * Pure. */
#include "wire/anthropic_messages/priv.h"

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

struct reading {
    struct wire_in in;
    struct chat_answer *answer;
    struct chat_group *group;
    struct chat_item *message; /* the open one */
};

static struct chat_item *new_item(struct reading *r, enum chat_item_kind kind)
{
    return chat_add_item(r->in.a, &r->answer->items, &r->answer->items_last, kind, r->group);
}

static enum err read_citations(struct reading *r, uint32_t block, struct chat_part *p)
{
    uint32_t list = json_find(r->in.t, block, S("citations")), one;
    for (struct json_iter it = json_each(r->in.t, list); list && json_next(r->in.t, &it, &one);) {
        struct chat_annotation *note = chat_add_annotation(r->in.a, &p->annotations), read;
        if (!note) return wire_full(&r->in);
        anthropic_messages_read_citation(r->in.t, one, &read);
        read.next = note->next;
        read.last = note->last;
        *note = read;
        chat_has(&p->node, PART_HAS_ANNOTATIONS);
    }
    return OK;
}

static enum err read_text(struct reading *r, uint32_t block)
{
    struct str text = wire_text_in(r->in.t, block, "text");
    if (!text.n) return OK;
    if (!r->message) r->message = new_item(r, ITEM_MESSAGE);
    struct chat_part *p = r->message ? chat_add_part(r->in.a, r->message, PART_TEXT) : NULL;
    if (!p) return wire_full(&r->in);
    p->text = text;
    chat_has(&p->node, PART_HAS_TEXT);
    return read_citations(r, block, p);
}

static enum err read_reasoning(struct reading *r, uint32_t block, enum chat_part_kind kind, const char *opaque,
                               enum chat_opaque_kind opaque_kind)
{
    struct chat_item *i = new_item(r, ITEM_REASONING);
    struct chat_part *p = i ? chat_add_part(r->in.a, i, kind) : NULL;
    struct str text = wire_text_in(r->in.t, block, "thinking"), span = wire_text_in(r->in.t, block, opaque);
    if (!p) return wire_full(&r->in);
    p->text = text;
    if (text.p) chat_has(&p->node, PART_HAS_TEXT);
    if (!span.n) return OK;
    chat_has(&p->node, PART_HAS_OPAQUE);
    return chat_add_opaque(r->in.a, &p->opaque, opaque_kind, span) ? OK : wire_full(&r->in);
}

static enum err read_thinking(struct reading *r, uint32_t block)
{
    return read_reasoning(r, block, PART_THOUGHT, "signature", OPAQUE_SIGNATURE);
}
static enum err read_redacted(struct reading *r, uint32_t block)
{
    return read_reasoning(r, block, PART_REDACTED, "data", OPAQUE_REDACTED);
}

static enum err read_tool_use(struct reading *r, uint32_t block)
{
    struct chat_item *i = new_item(r, ITEM_TOOL_CALL);
    uint32_t input = json_find(r->in.t, block, S("input"));
    if (!i) return wire_full(&r->in);
    i->call_id = wire_text_in(r->in.t, block, "id");
    i->name = wire_text_in(r->in.t, block, "name");
    i->arguments.text = input && json_is(r->in.t, input, JSON_OBJECT) ? json_raw(r->in.t, input) : S("{}");
    return OK;
}

static const struct {
    struct str type;
    enum err (*read)(struct reading *r, uint32_t block);
} BLOCKS[] = {
    {{"thinking", 8}, read_thinking},
    {{"redacted_thinking", 17}, read_redacted},
    {{"tool_use", 8}, read_tool_use},
};

static enum err read_raw(struct reading *r, uint32_t block, struct str type)
{
    bool call = anthropic_messages_is_server_call(type), result = anthropic_messages_is_server_result(type);
    struct chat_item *i = new_item(r, call ? ITEM_SERVER_CALL : result ? ITEM_SERVER_RESULT : ITEM_UNKNOWN);
    if (!i) return wire_full(&r->in);
    i->word = type;
    i->raw = json_raw(r->in.t, block);
    chat_has(&i->node, ITEM_HAS_RAW);
    return OK;
}

static enum err read_block(struct reading *r, uint32_t block)
{
    struct str type = wire_text_in(r->in.t, block, "type");
    if (str_eq(type, S("text"))) return read_text(r, block);
    r->message = NULL;
    for (unsigned i = 0; i < COUNTOF(BLOCKS); i++)
        if (str_eq(BLOCKS[i].type, type)) return BLOCKS[i].read(r, block);
    return read_raw(r, block, type);
}

enum err anthropic_messages_read_answer(const struct json_tape *t, struct chat_answer *answer, struct fault *why)
{
    struct reading r = {.in = WIRE_IN_ANSWER(t, answer->arena, why), .answer = answer};
    uint32_t content = json_find(t, 0, S("content")), one;
    if (!content || !json_is(t, content, JSON_ARRAY))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer is not a message: it has no content");
    r.group = chat_add_group(answer->arena, ROLE_ASSISTANT, 0);
    answer->stops = arena_alloc(answer->arena, sizeof *answer->stops);
    if (!r.group || !answer->stops) return wire_full(&r.in);
    answer->n_choices = 1;
    answer->meta =
        (struct chat_meta){.id = wire_text_in(t, 0, "id"), .model = wire_text_in(t, 0, "model"), .family = S("anthropic")};
    anthropic_messages_read_stop(t, 0, answer->stops);
    anthropic_messages_read_usage(t, json_find(t, 0, S("usage")), &answer->usage);
    for (struct json_iter it = json_each(t, content); json_next(t, &it, &one);) TRY(read_block(&r, one));
    return wire_keep_unknown(t, &anthropic_messages_known, answer, why);
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

struct out {
    struct json_writer w;
    const struct wire_reply *to;
    struct chat_answer *answer;
    struct fault *why;
    bool same_family;
};

static enum err put_text(struct out *o, const struct chat_part *p)
{
    json_put_object(&o->w);
    json_add_str(&o->w, S("type"), S("text"));
    json_put_name(&o->w, S("text"));
    json_put_span(&o->w, p->text);
    if (p->annotations && o->same_family) json_add_array(&o->w, S("citations"));
    for (const struct chat_annotation *n = p->annotations; n; n = n->next) {
        if (o->same_family) json_put_raw(&o->w, n->raw);
        else o->to->losses->n[LOSS_CITATION]++;
    }
    if (p->annotations && o->same_family) json_put_end(&o->w);
    json_put_end(&o->w);
    return OK;
}

static enum err put_message(struct out *o, const struct chat_item *i)
{
    for (const struct chat_part *p = i->parts; p; p = p->next) {
        bool text = p->kind == PART_TEXT || p->kind == PART_REFUSAL;
        if (text && p->text.n) TRY(put_text(o, p));
        wire_lose_state(o->to->losses, p->opaque, true, false);
        if (!text) o->to->losses->n[LOSS_ANSWER_FIELD]++;
        if (p->logprobs.p) o->to->losses->n[LOSS_ANSWER_FIELD]++;
    }
    return OK;
}

/* A block of thought for each part; state without a text is a redacted one. */
static void put_thought(struct out *o, const struct chat_part *p, const struct chat_opaque *opaque)
{
    struct str span = S("");
    bool signed_only = opaque && opaque->kind == OPAQUE_SIGNATURE; /* the vendor may keep the text to itself */
    bool redacted = p->kind == PART_REDACTED || (!p->text.n && !signed_only);
    if (opaque && !anthropic_messages_signature(o->to, opaque, o->answer->arena, &span)) {
        o->to->losses->n[LOSS_OPAQUE_FOREIGN]++;
        span = S("");
    }
    if (redacted && !span.n) return;
    json_put_object(&o->w);
    json_add_str(&o->w, S("type"), redacted ? S("redacted_thinking") : S("thinking"));
    if (!redacted) json_put_name(&o->w, S("thinking"));
    if (!redacted) json_put_span(&o->w, p->text.p ? p->text : S(""));
    json_put_name(&o->w, redacted ? S("data") : S("signature"));
    json_put_span(&o->w, span);
    json_put_end(&o->w);
}

static enum err put_reasoning(struct out *o, const struct chat_item *i)
{
    static const struct chat_part none = {.kind = PART_REDACTED};
    for (const struct chat_part *p = i->parts; p; p = p->next)
        put_thought(o, p, p->opaque ? p->opaque : p->next ? NULL : i->opaque);
    if (!i->parts && i->opaque) put_thought(o, &none, i->opaque);
    return OK;
}

static enum err put_call(struct out *o, const struct chat_item *i)
{
    struct str input;
    TRY(wire_call_input(i, o->answer, o->to, &input, o->why));
    json_put_object(&o->w);
    json_add_str(&o->w, S("type"), S("tool_use"));
    json_put_name(&o->w, S("id"));
    json_put_span(&o->w, i->call_id);
    json_put_name(&o->w, S("name"));
    json_put_span(&o->w, i->name);
    json_add_raw(&o->w, S("input"), input);
    json_put_end(&o->w);
    return OK;
}

static enum err put_raw(struct out *o, const struct chat_item *i)
{
    if (o->same_family) json_put_raw(&o->w, i->raw);
    else o->to->losses->n[LOSS_ANSWER_FIELD]++;
    return OK;
}

static enum err (*const PUT[ITEM_KINDS])(struct out *, const struct chat_item *) = {
    [ITEM_MESSAGE] = put_message, [ITEM_REASONING] = put_reasoning, [ITEM_TOOL_CALL] = put_call, [ITEM_TOOL_RESULT] = put_raw,
    [ITEM_SERVER_CALL] = put_raw, [ITEM_SERVER_RESULT] = put_raw,   [ITEM_COMPACTION] = put_raw, [ITEM_TOOLS] = put_raw,
    [ITEM_REFERENCE] = put_raw,   [ITEM_UNKNOWN] = put_raw,
};

static bool refuses(const struct chat_answer *answer)
{
    for (const struct chat_item *i = answer->items; i; i = i->next)
        for (const struct chat_part *p = i->parts; p; p = p->next)
            if (p->kind == PART_REFUSAL) return true;
    return false;
}

enum err anthropic_messages_write_answer(struct chat_answer *answer, const struct wire_reply *to, struct buf *out,
                                         struct fault *why)
{
    static const struct chat_stop unknown = {.kind = STOP_UNKNOWN};
    const struct chat_stop *stop = answer->n_choices ? &answer->stops[0] : &unknown;
    struct out o = {.to = to, .answer = answer, .why = why, .same_family = str_eq(answer->meta.family, S("anthropic"))};
    json_write(&o.w, out);
    json_put_object(&o.w);
    anthropic_messages_put_id(&o.w, to, &answer->meta);
    json_add_str(&o.w, S("type"), S("message"));
    json_add_str(&o.w, S("role"), S("assistant"));
    json_put_name(&o.w, S("model"));
    if (answer->meta.model.p) json_put_span(&o.w, answer->meta.model);
    else json_put_str(&o.w, to->model);
    json_add_array(&o.w, S("content"));
    for (const struct chat_item *i = answer->items; i; i = i->next) TRY(PUT[i->kind](&o, i));
    json_put_end(&o.w);
    json_add_str(&o.w, S("stop_reason"), anthropic_messages_stop_word(stop->kind, refuses(answer)));
    json_put_name(&o.w, S("stop_sequence"));
    if (stop->sequence.p) json_put_span(&o.w, stop->sequence);
    else json_put_null(&o.w);
    json_put_name(&o.w, S("usage"));
    anthropic_messages_put_usage(&o.w, &answer->usage);
    json_put_end(&o.w);
    return wire_answer_done(&o.w, to, answer, why);
}
