/* A Converse request read into the form. Its objects are unions: each holds one member that we know, and what stands beside it
 * unknown is kept as extra. Facts: Amazon Bedrock API reference, "Converse", "ContentBlock"; docs/wire.md. Pure. */
#include "wire/bedrock_converse/priv.h"

#include "wire/anthropic_messages/priv.h"

/* What the blocks of one message are read into. */
struct blocks {
    struct chat_group *group;
    struct chat_item *message;         /* the open one: neighbouring texts and media are one item */
    struct bedrock_converse_mark mark; /* the block before, which a cache point would mark */
};

enum err bedrock_converse_pick(struct wire_in *in, uint32_t at, const struct wire_kind *table, size_t n,
                               const struct wire_kind **ret_kind)
{
    uint32_t key, value;
    *ret_kind = NULL;
    TRY(wire_want(in, at, WANT_OBJECT));
    for (struct json_iter it = json_each(in->t, at); json_next_member(in->t, &it, &key, &value);) {
        const struct wire_kind *found = NULL;
        for (size_t i = 0; i < n && !found; i++)
            if (json_eq(in->t, key, table[i].word)) found = &table[i];
        if (!found || json_is(in->t, value, JSON_NULL)) continue;
        if (*ret_kind) return wire_bad(in, at, "is a union: exactly one member must be set");
        *ret_kind = found;
    }
    return OK;
}

/* ---- cache points ---------------------------------------------------------------------------------------------------------- */

static enum err take_cache_inner(struct wire_in *in, void *into, uint32_t at)
{
    struct bedrock_converse_mark *m = in->own;
    uint32_t key, value;
    (void)into;
    TRY(wire_once(in, at));
    m->cache->kind = S("ephemeral");
    for (struct json_iter it = json_each(in->t, at); json_next_member(in->t, &it, &key, &value);) {
        bool type = json_eq(in->t, key, S("type")), ttl = json_eq(in->t, key, S("ttl"));
        if (type || ttl) TRY(wire_want(in, value, WANT_STRING));
        if (type && !json_eq(in->t, value, S("default"))) m->cache->kind = json_text(in->t, value);
        if (ttl) m->cache->ttl = json_text(in->t, value);
        if (type || ttl) continue;
        if (!chat_add_extra(in->a, m->node, json_text(in->t, key), json_raw(in->t, value), wire_at(in, key)))
            return wire_full(in);
        m->node->extra->last->inside = S("cachePoint");
    }
    return OK;
}

static const struct wire_member CACHE_OUTER[] = {WIRE_CALL("cachePoint", WANT_OBJECT, take_cache_inner)};
enum err bedrock_converse_take_mark(struct wire_in *in, struct bedrock_converse_mark m, uint32_t at)
{
    static const struct wire_shape outer = WIRE_SHAPE(CACHE_OUTER);
    if (!m.node) return wire_bad(in, at, "marks nothing: a cache point stands behind what it marks, and only once");
    in->own = &m;
    chat_has(m.node, m.field);
    enum err e = wire_walk_inside(in, at, &outer, m.node, "cache block");
    in->own = NULL;
    return e;
}

static enum err take_cache_point(struct wire_in *in, void *into, uint32_t at)
{
    struct blocks *b = into;
    struct bedrock_converse_mark m = b->mark;
    b->mark.node = NULL;
    return bedrock_converse_take_mark(in, m, at);
}

static void may_mark(struct blocks *b, struct chat_node *n, struct chat_cache *cache, unsigned field)
{
    b->mark = (struct bedrock_converse_mark){n, cache, field};
}

/* ---- parts ------------------------------------------------------------------------------------------------------------------ */

static enum err take_bytes(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    p->media.form = MEDIA_BASE64;
    p->media.value = json_text(in->t, at);
    return OK;
}
static const struct wire_member LOCATION[] = {
    WIRE_MUST_SPAN("uri", struct chat_part, media.value, WIRE_NO_FIELD),
    WIRE_SPAN("bucketOwner", struct chat_part, media.owner, WIRE_NO_FIELD),
};
static enum err take_location(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(LOCATION);
    struct chat_part *p = into;
    p->media.form = MEDIA_OBJECT;
    return wire_walk_inside(in, at, &shape, p, "s3Location");
}
static enum err take_plain(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    p->media.form = MEDIA_TEXT;
    p->media.value = json_text(in->t, at);
    return OK;
}
static enum err take_blocks_source(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    p->raw = json_raw(in->t, at);
    chat_has(&p->node, PART_HAS_RAW);
    return OK;
}
static const struct wire_member SOURCE[] = {
    WIRE_CALL("bytes", WANT_STRING, take_bytes),
    WIRE_CALL("s3Location", WANT_OBJECT, take_location),
    WIRE_CALL("text", WANT_STRING, take_plain),
    WIRE_CALL("content", WANT_ARRAY, take_blocks_source),
};
static const struct wire_kind SOURCES[] = {
    {WIRE_STR("bytes"), 0, NULL}, {WIRE_STR("s3Location"), 0, NULL}, {WIRE_STR("text"), 0, NULL}, {WIRE_STR("content"), 0, NULL}};
static enum err take_source(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(SOURCE);
    const struct wire_kind *kind;
    struct chat_part *p = into;
    TRY(bedrock_converse_pick(in, at, SOURCES, COUNTOF(SOURCES), &kind));
    if (!kind) return wire_bad(in, at, "must hold bytes, s3Location, text or content");
    chat_has(&p->node, PART_HAS_MEDIA);
    return wire_walk_inside(in, at, &shape, p, "source");
}
static enum err take_media_format(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    p->media.type = bedrock_converse_type_of(in->a, p->kind, json_text(in->t, at));
    return p->media.type.p ? OK : wire_full(in);
}
static const struct wire_member MEDIA[] = {
    WIRE_MUST_CALL("format", WANT_STRING, take_media_format),
    WIRE_MUST_CALL("source", WANT_OBJECT, take_source),
};
static const struct wire_member DOCUMENT[] = {
    WIRE_CALL("format", WANT_STRING, take_media_format), /* text and content have none */
    WIRE_MUST_CALL("source", WANT_OBJECT, take_source),
    WIRE_MUST_SPAN("name", struct chat_part, name, PART_HAS_NAME),
    WIRE_SPAN("context", struct chat_part, context, PART_HAS_CONTEXT),
    WIRE_RAW("citations", WANT_OBJECT, struct chat_part, citations, PART_HAS_CITATIONS),
};
static enum err take_media(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape media = WIRE_SHAPE(MEDIA), document = WIRE_SHAPE(DOCUMENT);
    const struct chat_part *p = into;
    struct str word = bedrock_converse_media_word(p->kind);
    return wire_walk_inside(in, at, p->kind == PART_DOCUMENT ? &document : &media, into, word.p);
}

/* JSON as a tool's result: other formats have it as text. */
static enum err take_json(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    struct chat_json j = {json_raw(in->t, at), false};
    p->raw = j.text;
    p->word = S("json");
    chat_has(&p->node, PART_HAS_TEXT);
    return chat_json_span(&j, in->a, &p->text) ? OK : wire_full(in);
}

/* A cited text is one text with its citations. */
static enum err take_cited(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    struct buf text;
    uint32_t list, one;
    TRY(wire_once(in, at));
    buf_init(&text, json_node(in->t, at)->len);
    list = json_find(in->t, at, S("content"));
    for (struct json_iter it = json_each(in->t, list); list && json_next(in->t, &it, &one);)
        buf_str(&text, wire_text_in(in->t, one, "text"));
    bool fits = arena_str(in->a, buf_view(&text), &p->text);
    buf_done(&text);
    if (!fits) return wire_full(in);
    chat_has(&p->node, PART_HAS_TEXT);
    list = json_find(in->t, at, S("citations"));
    for (struct json_iter it = json_each(in->t, list); list && json_next(in->t, &it, &one);) {
        struct chat_annotation *note = chat_add_annotation(in->a, &p->annotations);
        if (!note) return wire_full(in);
        note->raw = json_raw(in->t, one);
        chat_has(&p->node, PART_HAS_ANNOTATIONS);
    }
    return OK;
}

static const struct wire_member TEXT_BLOCK[] = {WIRE_MUST_SPAN("text", struct chat_part, text, PART_HAS_TEXT)};
static const struct wire_member JSON_BLOCK[] = {WIRE_MUST_CALL("json", WANT_ANY, take_json)};
static const struct wire_member CITED_BLOCK[] = {WIRE_MUST_CALL("citationsContent", WANT_OBJECT, take_cited)};
static const struct wire_member IMAGE_BLOCK[] = {WIRE_MUST_CALL("image", WANT_OBJECT, take_media)};
static const struct wire_member VIDEO_BLOCK[] = {WIRE_MUST_CALL("video", WANT_OBJECT, take_media)};
static const struct wire_member AUDIO_BLOCK[] = {WIRE_MUST_CALL("audio", WANT_OBJECT, take_media)};
static const struct wire_member DOCUMENT_BLOCK[] = {WIRE_MUST_CALL("document", WANT_OBJECT, take_media)};

static const struct {
    struct wire_kind kind;
    struct wire_shape shape;
} PARTS[] = {
    {{WIRE_STR("text"), PART_TEXT, NULL}, WIRE_SHAPE(TEXT_BLOCK)},
    {{WIRE_STR("image"), PART_IMAGE, NULL}, WIRE_SHAPE(IMAGE_BLOCK)},
    {{WIRE_STR("document"), PART_DOCUMENT, NULL}, WIRE_SHAPE(DOCUMENT_BLOCK)},
    {{WIRE_STR("video"), PART_VIDEO, NULL}, WIRE_SHAPE(VIDEO_BLOCK)},
    {{WIRE_STR("audio"), PART_AUDIO, NULL}, WIRE_SHAPE(AUDIO_BLOCK)},
    {{WIRE_STR("json"), PART_TEXT, NULL}, WIRE_SHAPE(JSON_BLOCK)},
    {{WIRE_STR("citationsContent"), PART_TEXT, NULL}, WIRE_SHAPE(CITED_BLOCK)},
};

/* The first name that stands there: of a block that nobody knows. */
struct str bedrock_converse_first_name(struct wire_in *in, uint32_t at)
{
    uint32_t key, value;
    struct json_iter it = json_each(in->t, at);
    return json_next_member(in->t, &it, &key, &value) ? wire_plain(in, key) : STR_NONE;
}

static enum err take_part(struct wire_in *in, struct chat_item *i, struct str word, uint32_t at)
{
    unsigned k = 0;
    while (k < COUNTOF(PARTS) && !str_eq(PARTS[k].kind.word, word)) k++;
    bool known = k < COUNTOF(PARTS);
    struct chat_part *p = wire_new_part(in, i, known ? (enum chat_part_kind)PARTS[k].kind.value : PART_UNKNOWN, at);
    if (!p) return wire_full(in);
    if (known) return wire_walk(in, at, &PARTS[k].shape, p);
    return wire_raw_part(in, p, bedrock_converse_first_name(in, at), at);
}

/* ---- reasoning -------------------------------------------------------------------------------------------------------------- */

static enum err take_signature(struct wire_in *in, void *into, uint32_t at)
{
    return anthropic_messages_take_opaque(in, into, OPAQUE_SIGNATURE, at);
}
static enum err take_redacted(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    p->kind = PART_REDACTED;
    return anthropic_messages_take_opaque(in, p, OPAQUE_REDACTED, at);
}
static enum err take_thought_text(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    p->text = json_text(in->t, at);
    chat_has(&p->node, PART_HAS_TEXT);
    return OK;
}
static const struct wire_member THOUGHT[] = {
    WIRE_MUST_CALL("text", WANT_STRING, take_thought_text),
    WIRE_CALL("signature", WANT_STRING, take_signature),
};
static enum err take_thought(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(THOUGHT);
    return wire_walk_inside(in, at, &shape, into, "reasoningText");
}
static const struct wire_member REASONING[] = {
    WIRE_CALL("reasoningText", WANT_OBJECT, take_thought),
    WIRE_CALL("redactedContent", WANT_STRING, take_redacted),
};
static const struct wire_kind REASONINGS[] = {{WIRE_STR("reasoningText"), 0, NULL}, {WIRE_STR("redactedContent"), 0, NULL}};
static enum err take_reasoning_content(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(REASONING);
    const struct wire_kind *kind;
    TRY(bedrock_converse_pick(in, at, REASONINGS, COUNTOF(REASONINGS), &kind));
    if (!kind) return wire_bad(in, at, "must hold reasoningText or redactedContent");
    return wire_walk_inside(in, at, &shape, into, "reasoningContent");
}
static const struct wire_member REASONING_BLOCK[] = {WIRE_MUST_CALL("reasoningContent", WANT_OBJECT, take_reasoning_content)};
static enum err take_reasoning(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(REASONING_BLOCK);
    struct blocks *b = into;
    struct chat_item *i = wire_new_item(in, ITEM_REASONING, b->group, at);
    struct chat_part *p = wire_new_part(in, i, PART_THOUGHT, at);
    if (!p) return wire_full(in);
    chat_has(&i->node, ITEM_HAS_PARTS);
    return wire_walk(in, at, &shape, p);
}

/* ---- calls and results ------------------------------------------------------------------------------------------------------ */

static const struct wire_member TOOL_USE[] = {
    WIRE_MUST_SPAN("toolUseId", struct chat_item, call_id, ITEM_HAS_CALL_ID),
    WIRE_MUST_SPAN("name", struct chat_item, name, ITEM_HAS_NAME),
    WIRE_RAW("input", WANT_OBJECT, struct chat_item, arguments.text, ITEM_HAS_ARGUMENTS),
};
static enum err take_tool_use_inner(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(TOOL_USE);
    return wire_walk_inside(in, at, &shape, into, "toolUse");
}
static const struct wire_member TOOL_USE_BLOCK[] = {WIRE_MUST_CALL("toolUse", WANT_OBJECT, take_tool_use_inner)};
static enum err take_tool_use(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(TOOL_USE_BLOCK);
    struct blocks *b = into;
    struct chat_item *i = wire_new_item(in, ITEM_TOOL_CALL, b->group, at);
    if (!i) return wire_full(in);
    may_mark(b, &i->node, &i->cache, ITEM_HAS_CACHE);
    return wire_walk(in, at, &shape, i);
}

static enum err take_result_part(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_kind WORDS[] = {{WIRE_STR("text"), 0, NULL},  {WIRE_STR("image"), 0, NULL},
                                             {WIRE_STR("json"), 0, NULL},  {WIRE_STR("document"), 0, NULL},
                                             {WIRE_STR("video"), 0, NULL}, {WIRE_STR("audio"), 0, NULL}};
    const struct wire_kind *kind;
    TRY(bedrock_converse_pick(in, at, WORDS, COUNTOF(WORDS), &kind));
    return take_part(in, into, kind ? kind->word : STR_NONE, at);
}
static enum err take_result_content(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_item *i = into;
    chat_has(&i->node, ITEM_HAS_PARTS);
    i->shape = SHAPE_ARRAY;
    return wire_each(in, at, take_result_part, i);
}
static enum err take_status(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_item *i = into;
    bool failed = json_eq(in->t, at, S("error"));
    if (!failed && !json_eq(in->t, at, S("success"))) return wire_bad(in, at, "must be success or error");
    i->error = failed ? FLAG_YES : FLAG_NO;
    chat_has(&i->node, ITEM_HAS_ERROR);
    return OK;
}
static const struct wire_member TOOL_RESULT[] = {
    WIRE_MUST_SPAN("toolUseId", struct chat_item, call_id, ITEM_HAS_CALL_ID),
    WIRE_MUST_CALL("content", WANT_ARRAY, take_result_content),
    WIRE_CALL("status", WANT_STRING, take_status),
};
static enum err take_tool_result_inner(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(TOOL_RESULT);
    return wire_walk_inside(in, at, &shape, into, "toolResult");
}
static const struct wire_member TOOL_RESULT_BLOCK[] = {WIRE_MUST_CALL("toolResult", WANT_OBJECT, take_tool_result_inner)};
static enum err take_tool_result(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(TOOL_RESULT_BLOCK);
    struct blocks *b = into;
    struct chat_item *i = wire_new_item(in, ITEM_TOOL_RESULT, b->group, at);
    if (!i) return wire_full(in);
    may_mark(b, &i->node, &i->cache, ITEM_HAS_CACHE);
    return wire_walk(in, at, &shape, i);
}

/* ---- messages ---------------------------------------------------------------------------------------------------------------- */

static const struct wire_kind BLOCKS[] = {
    {WIRE_STR("text"), 0, NULL},
    {WIRE_STR("image"), 0, NULL},
    {WIRE_STR("document"), 0, NULL},
    {WIRE_STR("video"), 0, NULL},
    {WIRE_STR("audio"), 0, NULL},
    {WIRE_STR("citationsContent"), 0, NULL},
    {WIRE_STR("toolUse"), 0, take_tool_use},
    {WIRE_STR("toolResult"), 0, take_tool_result},
    {WIRE_STR("reasoningContent"), 0, take_reasoning},
    {WIRE_STR("cachePoint"), 0, take_cache_point},
};
static enum err take_block(struct wire_in *in, void *into, uint32_t at)
{
    struct blocks *b = into;
    const struct wire_kind *kind;
    TRY(bedrock_converse_pick(in, at, BLOCKS, COUNTOF(BLOCKS), &kind));
    bool other = kind && kind->take && kind->take != take_cache_point;
    if (other) {
        b->message = NULL;
        b->mark.node = NULL;
    }
    if (kind && kind->take) return kind->take(in, b, at);
    if (!b->message) b->message = wire_new_item(in, ITEM_MESSAGE, b->group, at);
    if (!b->message) return wire_full(in);
    TRY(take_part(in, b->message, kind ? kind->word : STR_NONE, at));
    struct chat_part *p = b->message->parts_last;
    may_mark(b, &p->node, &p->cache, PART_HAS_CACHE);
    return OK;
}

static enum err take_content(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_group *g = into;
    struct blocks b = {.group = g};
    g->shape = SHAPE_ARRAY;
    return wire_each(in, at, take_block, &b);
}

static const struct wire_member MESSAGE[] = {
    WIRE_SKIP("role", WANT_STRING),
    WIRE_MUST_CALL("content", WANT_ARRAY, take_content),
};
static const struct wire_kind ROLES[] = {{WIRE_STR("user"), ROLE_USER, NULL}, {WIRE_STR("assistant"), ROLE_ASSISTANT, NULL}};
static enum err take_message(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(MESSAGE);
    const struct wire_kind *kind;
    (void)into;
    TRY(wire_pick(in, at, "role", ROLES, COUNTOF(ROLES), &kind));
    if (!kind) return wire_bad(in, json_find(in->t, at, S("role")), "must be user or assistant");
    struct chat_group *g = chat_add_group(in->a, (enum chat_role)kind->value, wire_at(in, at));
    return g ? wire_walk(in, at, &shape, g) : wire_full(in);
}
enum err bedrock_converse_take_messages(struct wire_in *in, void *into, uint32_t at)
{
    return wire_each(in, at, take_message, into);
}

static enum err take_system_block(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_kind WORDS[] = {{WIRE_STR("text"), 0, NULL}, {WIRE_STR("cachePoint"), 0, NULL}};
    struct blocks *b = into;
    const struct wire_kind *kind;
    TRY(bedrock_converse_pick(in, at, WORDS, COUNTOF(WORDS), &kind));
    if (kind && str_eq(kind->word, S("cachePoint"))) return take_cache_point(in, b, at);
    TRY(take_part(in, b->message, kind ? kind->word : STR_NONE, at));
    struct chat_part *p = b->message->parts_last;
    may_mark(b, &p->node, &p->cache, PART_HAS_CACHE);
    return OK;
}
enum err bedrock_converse_take_system(struct wire_in *in, uint32_t at)
{
    struct blocks b = {.group = chat_add_group(in->a, ROLE_SYSTEM, wire_at(in, at))};
    if (!b.group) return wire_full(in);
    b.group->apart = true;
    b.group->shape = SHAPE_ARRAY;
    b.message = wire_new_item(in, ITEM_MESSAGE, b.group, at);
    return b.message ? wire_each(in, at, take_system_block, &b) : wire_full(in);
}
