/* Whole answers of Converse, read and written. Facts: Amazon Bedrock API reference, "Converse", response. Pure. */
#include "wire/bedrock_converse/priv.h"

#include "wire/anthropic_messages/priv.h"

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

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

void bedrock_converse_read_citation(const struct json_tape *t, uint32_t at, struct chat_annotation *ret_note)
{
    uint32_t place = json_find(t, at, S("location")), web = place ? json_find(t, place, S("web")) : 0;
    *ret_note = (struct chat_annotation){
        .node = {.at = json_node(t, at)->start},
        .kind = S("citation"),
        .url = web ? wire_text_in(t, web, "url") : STR_NONE,
        .title = wire_text_in(t, at, "title"),
        .unit = UNIT_BLOCK,
        .raw = json_raw(t, at),
    };
}

static enum err add_text(struct reading *r, struct str text, struct chat_part **ret_part)
{
    *ret_part = NULL;
    if (!text.n) return OK;
    if (!r->message) r->message = new_item(r, ITEM_MESSAGE);
    struct chat_part *p = r->message ? chat_add_part(r->in.a, r->message, PART_TEXT) : NULL;
    if (!p) return wire_full(&r->in);
    p->text = text;
    chat_has(&p->node, PART_HAS_TEXT);
    *ret_part = p;
    return OK;
}

static enum err read_text(struct reading *r, uint32_t value)
{
    struct chat_part *p;
    return add_text(r, json_is(r->in.t, value, JSON_STRING) ? json_text(r->in.t, value) : STR_NONE, &p);
}

/* Its texts are one; so does the stream tell them. */
static enum err read_cited(struct reading *r, uint32_t value)
{
    const struct json_tape *t = r->in.t;
    uint32_t texts = json_find(t, value, S("content")), list = json_find(t, value, S("citations")), one;
    struct chat_part *p;
    struct buf all;
    struct str text;
    buf_init(&all, json_node(t, value)->len);
    for (struct json_iter it = json_each(t, texts); texts && json_next(t, &it, &one);)
        buf_str(&all, wire_text_in(t, one, "text"));
    bool fits = arena_str(r->in.a, buf_view(&all), &text);
    buf_done(&all);
    if (!fits) return wire_full(&r->in);
    TRY(add_text(r, text, &p));
    for (struct json_iter it = json_each(t, list); list && p && json_next(t, &it, &one);) {
        struct chat_annotation *note = chat_add_annotation(r->in.a, &p->annotations), read;
        if (!note) return wire_full(&r->in);
        bedrock_converse_read_citation(t, one, &read);
        read.next = note->next;
        read.last = note->last;
        *note = read;
        chat_has(&p->node, PART_HAS_ANNOTATIONS);
    }
    return OK;
}

static enum err read_reasoning(struct reading *r, uint32_t value)
{
    const struct json_tape *t = r->in.t;
    uint32_t text = json_find(t, value, S("reasoningText"));
    struct str redacted = wire_text_in(t, value, "redactedContent");
    struct str span = text ? wire_text_in(t, text, "signature") : redacted;
    struct chat_item *i = new_item(r, ITEM_REASONING);
    struct chat_part *p = i ? chat_add_part(r->in.a, i, text ? PART_THOUGHT : PART_REDACTED) : NULL;
    if (!p) return wire_full(&r->in);
    r->message = NULL;
    if (text) p->text = wire_text_in(t, text, "text");
    if (!p->text.n) p->text = STR_NONE;
    if (p->text.p) chat_has(&p->node, PART_HAS_TEXT);
    if (!span.n) return OK;
    chat_has(&p->node, PART_HAS_OPAQUE);
    return chat_add_opaque(r->in.a, &p->opaque, text ? OPAQUE_SIGNATURE : OPAQUE_REDACTED, span) ? OK : wire_full(&r->in);
}

static enum err read_tool_use(struct reading *r, uint32_t value)
{
    const struct json_tape *t = r->in.t;
    struct chat_item *i = new_item(r, ITEM_TOOL_CALL);
    uint32_t input = json_find(t, value, S("input"));
    if (!i) return wire_full(&r->in);
    r->message = NULL;
    i->call_id = wire_text_in(t, value, "toolUseId");
    i->name = wire_text_in(t, value, "name");
    i->arguments.text = input && json_is(t, input, JSON_OBJECT) ? json_raw(t, input) : S("{}");
    return OK;
}

static const struct str BLOCKS[] = {{"text", 4}, {"toolUse", 7}, {"reasoningContent", 16}, {"citationsContent", 16}};
static enum err (*const READ[])(struct reading *, uint32_t value) = {read_text, read_tool_use, read_reasoning, read_cited};

static enum err read_block(struct reading *r, uint32_t block)
{
    const struct json_tape *t = r->in.t;
    size_t which;
    uint32_t value;
    if (bedrock_converse_member(t, block, BLOCKS, COUNTOF(BLOCKS), &which, &value)) return READ[which](r, value);
    struct chat_item *i = new_item(r, ITEM_UNKNOWN);
    if (!i) return wire_full(&r->in);
    r->message = NULL;
    i->word = bedrock_converse_first_name(&r->in, block);
    i->raw = json_raw(t, block);
    chat_has(&i->node, ITEM_HAS_RAW);
    return OK;
}

enum err bedrock_converse_read_answer(const struct json_tape *t, struct chat_answer *answer, struct fault *why)
{
    struct reading r = {.in = WIRE_IN_ANSWER(t, answer->arena, why), .answer = answer};
    uint32_t content = json_path(t, 0, "output", "message", "content"), one;
    if (!content || !json_is(t, content, JSON_ARRAY))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer is not one of Converse: it has no output.message.content");
    r.group = chat_add_group(answer->arena, ROLE_ASSISTANT, 0);
    answer->stops = arena_alloc(answer->arena, sizeof *answer->stops);
    if (!r.group || !answer->stops) return wire_full(&r.in);
    answer->n_choices = 1;
    answer->meta.family = S("bedrock");
    answer->stops[0].word = wire_text_in(t, 0, "stopReason");
    answer->stops[0].kind = bedrock_converse_read_stop(answer->stops[0].word);
    bedrock_converse_read_usage(t, json_find(t, 0, S("usage")), &answer->usage);
    wire_read_tier(t, json_path(t, 0, "serviceTier", "type"), &answer->usage);
    TRY(wire_check_stop(&answer->stops[0], why));
    for (struct json_iter it = json_each(t, content); json_next(t, &it, &one);) TRY(read_block(&r, one));
    return wire_keep_unknown(t, &bedrock_converse_known, answer, why);
}

/* ---- writing ---------------------------------------------------------------------------------------------------------------- */

struct out {
    struct json_writer w;
    const struct wire_reply *to;
    struct chat_answer *answer;
    struct fault *why;
};

static enum err put_message(struct out *o, const struct chat_item *i)
{
    for (const struct chat_part *p = i->parts; p; p = p->next) {
        bool text = p->kind == PART_TEXT || p->kind == PART_REFUSAL;
        wire_lose_state(o->to->losses, p->opaque, true, false);
        if (!text || p->logprobs.p) o->to->losses->n[LOSS_ANSWER_FIELD]++;
        for (const struct chat_annotation *n = p->annotations; n; n = n->next) o->to->losses->n[LOSS_CITATION]++;
        if (!text || !p->text.n) continue;
        json_put_object(&o->w);
        json_put_name(&o->w, S("text"));
        json_put_span(&o->w, p->text);
        json_put_end(&o->w);
    }
    return OK;
}

/* A vendor's own redacted state stays such; all else is a signature, beside a text that may be empty. */
static void put_thought(struct out *o, const struct chat_part *p, const struct chat_opaque *opaque)
{
    struct str span = STR_NONE;
    if (opaque && !anthropic_messages_signature(o->to, opaque, o->answer->arena, &span)) {
        o->to->losses->n[LOSS_OPAQUE_FOREIGN]++;
        span = STR_NONE;
    }
    if (!p->text.n && !span.n) return;
    bool redacted = opaque && opaque->kind == OPAQUE_REDACTED && !chat_is_sealed(span);
    json_put_object(&o->w);
    json_add_object(&o->w, S("reasoningContent"));
    if (redacted) {
        json_put_name(&o->w, S("redactedContent"));
        json_put_span(&o->w, span);
    } else {
        json_add_object(&o->w, S("reasoningText"));
        json_put_name(&o->w, S("text"));
        json_put_span(&o->w, p->text.p ? p->text : S(""));
        if (span.n) json_put_name(&o->w, S("signature"));
        if (span.n) json_put_span(&o->w, span);
        json_put_end(&o->w);
    }
    json_put_end(&o->w);
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
    json_add_object(&o->w, S("toolUse"));
    json_put_name(&o->w, S("toolUseId"));
    json_put_span(&o->w, i->call_id);
    json_put_name(&o->w, S("name"));
    json_put_span(&o->w, i->name);
    json_add_raw(&o->w, S("input"), input);
    json_put_end(&o->w);
    json_put_end(&o->w);
    return OK;
}

static enum err put_raw(struct out *o, const struct chat_item *i)
{
    (void)i;
    o->to->losses->n[LOSS_ANSWER_FIELD]++;
    return OK;
}

static enum err (*const PUT[ITEM_KINDS])(struct out *, const struct chat_item *) = {
    [ITEM_MESSAGE] = put_message, [ITEM_REASONING] = put_reasoning, [ITEM_TOOL_CALL] = put_call, [ITEM_TOOL_RESULT] = put_raw,
    [ITEM_SERVER_CALL] = put_raw, [ITEM_SERVER_RESULT] = put_raw,   [ITEM_COMPACTION] = put_raw, [ITEM_TOOLS] = put_raw,
    [ITEM_REFERENCE] = put_raw,   [ITEM_UNKNOWN] = put_raw,
};

void bedrock_converse_put_end(struct json_writer *w, const struct usage *u)
{
    json_put_name(w, S("usage"));
    bedrock_converse_put_usage(w, u);
    json_add_raw(w, S("metrics"), S("{\"latencyMs\":0}")); /* the SDKs want one; only the vendor knows it */
    struct str tier = wire_tier_word(WIRE_BEDROCK_CONVERSE, u->tier);
    if (!tier.n) return;
    json_add_object(w, S("serviceTier"));
    json_add_str(w, S("type"), tier);
    json_put_end(w);
}

enum err bedrock_converse_write_answer(struct chat_answer *answer, const struct wire_reply *to, struct buf *out,
                                       struct fault *why)
{
    struct out o = {.to = to, .answer = answer, .why = why};
    enum chat_stop_kind stop = answer->n_choices ? answer->stops[0].kind : STOP_UNKNOWN;
    json_write(&o.w, out);
    json_put_object(&o.w);
    json_add_object(&o.w, S("output"));
    json_add_object(&o.w, S("message"));
    json_add_str(&o.w, S("role"), S("assistant"));
    json_add_array(&o.w, S("content"));
    for (const struct chat_item *i = answer->items; i; i = i->next) TRY(PUT[i->kind](&o, i));
    json_put_end(&o.w);
    json_put_end(&o.w);
    json_put_end(&o.w);
    json_add_str(&o.w, S("stopReason"), bedrock_converse_stop_word(stop));
    bedrock_converse_put_end(&o.w, &answer->usage);
    json_put_end(&o.w);
    return wire_answer_done(&o.w, to, answer, why);
}
