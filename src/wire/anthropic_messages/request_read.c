/* A Messages request read into the form. Facts: Anthropic API reference "Create a message"; docs/wire.md. Pure. */
#include "wire/anthropic_messages/priv.h"

/* What the blocks of one message are read into. */
struct blocks {
    struct chat_group *group;
    struct chat_item *message; /* the open one: neighbouring texts and media are one item */
};

/* ---- cache marks (A10) ---------------------------------------------------------------------------------------------------- */

/* Parts, items, groups and tools hold the same mark at other places. */
static enum err take_cache(struct wire_in *in, struct chat_node *node, struct chat_cache *cache, unsigned field, uint32_t at)
{
    uint32_t key, value;
    TRY(wire_once(in, at));
    chat_has(node, field);
    for (struct json_iter it = json_each(in->t, at); json_next_member(in->t, &it, &key, &value);) {
        bool kind = json_eq(in->t, key, S("type")), ttl = json_eq(in->t, key, S("ttl"));
        if (kind || ttl) TRY(wire_want(in, value, WANT_STRING));
        if (kind) cache->kind = json_text(in->t, value);
        else if (ttl) cache->ttl = json_text(in->t, value);
        else if (!chat_add_extra(in->a, node, json_text(in->t, key), json_raw(in->t, value), wire_at(in, key)))
            return wire_full(in);
        else node->extra->last->inside = S("cache_control");
    }
    return cache->kind.p ? OK : wire_bad(in, at, "has no type");
}
static enum err take_part_cache(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    return take_cache(in, &p->node, &p->cache, PART_HAS_CACHE, at);
}
static enum err take_item_cache(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_item *i = into;
    return take_cache(in, &i->node, &i->cache, ITEM_HAS_CACHE, at);
}
static enum err take_group_cache(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_group *g = into;
    return take_cache(in, &g->node, &g->cache, GROUP_HAS_CACHE, at);
}
static enum err take_tool_cache(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_tool *t = into;
    return take_cache(in, &t->node, &t->cache, TOOL_HAS_CACHE, at);
}

/* ---- text and media --------------------------------------------------------------------------------------------------------- */

static enum err take_citation(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    struct chat_annotation *note = chat_add_annotation(in->a, &p->annotations);
    if (!note) return wire_full(in);
    struct chat_annotation read;
    anthropic_messages_read_citation(in->t, at, &read);
    read.next = note->next;
    read.last = note->last;
    *note = read;
    chat_has(&p->node, PART_HAS_ANNOTATIONS);
    return OK;
}
static enum err take_citations(struct wire_in *in, void *into, uint32_t at) { return wire_each(in, at, take_citation, into); }

static const struct wire_member TEXT[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("text", struct chat_part, text, PART_HAS_TEXT),
    WIRE_CALL("cache_control", WANT_OBJECT, take_part_cache),
    WIRE_CALL("citations", WANT_ARRAY, take_citations),
};

static const struct wire_member BASE64[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("media_type", struct chat_part, media.type, WIRE_NO_FIELD),
    WIRE_MUST_SPAN("data", struct chat_part, media.value, PART_HAS_MEDIA),
};
static const struct wire_member URL[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("url", struct chat_part, media.value, PART_HAS_MEDIA),
};
static const struct wire_member FILE_ID[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("file_id", struct chat_part, media.value, PART_HAS_MEDIA),
};
static enum err take_source(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape SHAPES[] = {
        [MEDIA_BASE64] = WIRE_SHAPE(BASE64),
        [MEDIA_URL] = WIRE_SHAPE(URL),
        [MEDIA_FILE] = WIRE_SHAPE(FILE_ID),
        [MEDIA_TEXT] = WIRE_SHAPE(BASE64),
    };
    static const struct wire_kind TYPES[] = {
        {WIRE_STR("base64"), MEDIA_BASE64, NULL},
        {WIRE_STR("url"), MEDIA_URL, NULL},
        {WIRE_STR("file"), MEDIA_FILE, NULL},
        {WIRE_STR("text"), MEDIA_TEXT, NULL},
    };
    const struct wire_kind *kind;
    struct chat_part *p = into;
    TRY(wire_pick(in, at, "type", TYPES, COUNTOF(TYPES), &kind));
    if (!kind) { /* a document made of blocks: only its own family can read it */
        p->raw = json_raw(in->t, at);
        chat_has(&p->node, PART_HAS_RAW);
        return OK;
    }
    p->media.form = (enum chat_media_form)kind->value;
    return wire_walk_inside(in, at, &SHAPES[kind->value], p, "source");
}

static const struct wire_member IMAGE[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_CALL("source", WANT_OBJECT, take_source),
    WIRE_CALL("cache_control", WANT_OBJECT, take_part_cache),
};
static const struct wire_member DOCUMENT[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_CALL("source", WANT_OBJECT, take_source),
    WIRE_SPAN("title", struct chat_part, title, PART_HAS_TITLE),
    WIRE_SPAN("context", struct chat_part, context, PART_HAS_CONTEXT),
    WIRE_RAW("citations", WANT_OBJECT, struct chat_part, citations, PART_HAS_CITATIONS),
    WIRE_CALL("cache_control", WANT_OBJECT, take_part_cache),
};

static const struct wire_shape PARTS[PART_KINDS] = {
    [PART_TEXT] = WIRE_SHAPE(TEXT),
    [PART_IMAGE] = WIRE_SHAPE(IMAGE),
    [PART_DOCUMENT] = WIRE_SHAPE(DOCUMENT),
};
static const struct wire_kind PART_TYPES[] = {
    {WIRE_STR("text"), PART_TEXT, NULL},
    {WIRE_STR("image"), PART_IMAGE, NULL},
    {WIRE_STR("document"), PART_DOCUMENT, NULL},
};

/* A part of the item: of a message, of a result. */
static enum err take_part(struct wire_in *in, void *into, uint32_t at)
{
    const struct wire_kind *kind;
    TRY(wire_pick(in, at, "type", PART_TYPES, COUNTOF(PART_TYPES), &kind));
    struct chat_part *p = wire_new_part(in, into, kind ? (enum chat_part_kind)kind->value : PART_UNKNOWN, at);
    if (!p) return wire_full(in);
    if (kind) return wire_walk(in, at, &PARTS[kind->value], p);
    return wire_raw_part(in, p, wire_type_of(in, at), at);
}

/* ---- reasoning (A5) ----------------------------------------------------------------------------------------------------------- */

enum err anthropic_messages_take_opaque(struct wire_in *in, struct chat_part *p, enum chat_opaque_kind kind, uint32_t at)
{
    struct str span = json_text(in->t, at);
    if (!span.n) return OK; /* what we gave for reasoning that nobody signed */
    struct chat_opaque *o = chat_add_opaque(in->a, &p->opaque, kind, span);
    if (!o) return wire_full(in);
    o->origin.family = S("anthropic");
    chat_has(&p->node, PART_HAS_OPAQUE);
    return OK;
}
static enum err take_signature(struct wire_in *in, void *into, uint32_t at)
{
    return anthropic_messages_take_opaque(in, into, OPAQUE_SIGNATURE, at);
}
static enum err take_redacted(struct wire_in *in, void *into, uint32_t at)
{
    return anthropic_messages_take_opaque(in, into, OPAQUE_REDACTED, at);
}

static const struct wire_member THINKING[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("thinking", struct chat_part, text, PART_HAS_TEXT),
    WIRE_CALL("signature", WANT_STRING, take_signature),
};
static const struct wire_member REDACTED[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_CALL("data", WANT_STRING, take_redacted),
};
static enum err take_reasoning(struct wire_in *in, struct chat_group *g, uint32_t at, enum chat_part_kind kind)
{
    static const struct wire_shape thinking = WIRE_SHAPE(THINKING), redacted = WIRE_SHAPE(REDACTED);
    struct chat_item *i = wire_new_item(in, ITEM_REASONING, g, at);
    struct chat_part *p = wire_new_part(in, i, kind, at);
    if (!p) return wire_full(in);
    chat_has(&i->node, ITEM_HAS_PARTS);
    return wire_walk(in, at, kind == PART_THOUGHT ? &thinking : &redacted, p);
}
static enum err take_thinking(struct wire_in *in, void *into, uint32_t at) { return take_reasoning(in, into, at, PART_THOUGHT); }
static enum err take_redacted_thinking(struct wire_in *in, void *into, uint32_t at)
{
    return take_reasoning(in, into, at, PART_REDACTED);
}

/* ---- calls and results ---------------------------------------------------------------------------------------------------------- */

static const struct wire_member TOOL_USE[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("id", struct chat_item, call_id, ITEM_HAS_CALL_ID),
    WIRE_MUST_SPAN("name", struct chat_item, name, ITEM_HAS_NAME),
    WIRE_RAW("input", WANT_OBJECT, struct chat_item, arguments.text, ITEM_HAS_ARGUMENTS),
    WIRE_CALL("cache_control", WANT_OBJECT, take_item_cache),
    WIRE_SKIP("caller", WANT_OBJECT), /* says that the model itself called, which is what a call is */
};
static enum err take_tool_use(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(TOOL_USE);
    struct chat_item *i = wire_new_item(in, ITEM_TOOL_CALL, into, at);
    return i ? wire_walk(in, at, &shape, i) : wire_full(in);
}

static enum err take_result_content(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_item *i = into;
    chat_has(&i->node, ITEM_HAS_PARTS);
    return wire_content(in, i, at, take_part, &i->shape);
}
static const struct wire_member TOOL_RESULT[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("tool_use_id", struct chat_item, call_id, ITEM_HAS_CALL_ID),
    WIRE_CALL("content", WANT_VALUE, take_result_content),
    WIRE_FLAG("is_error", struct chat_item, error, ITEM_HAS_ERROR),
    WIRE_CALL("cache_control", WANT_OBJECT, take_item_cache),
};
static enum err take_tool_result(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(TOOL_RESULT);
    struct chat_item *i = wire_new_item(in, ITEM_TOOL_RESULT, into, at);
    return i ? wire_walk(in, at, &shape, i) : wire_full(in);
}

/* ---- blocks ----------------------------------------------------------------------------------------------------------------------- */

static const struct wire_kind BLOCKS[] = {
    {WIRE_STR("thinking"), 0, take_thinking},
    {WIRE_STR("redacted_thinking"), 0, take_redacted_thinking},
    {WIRE_STR("tool_use"), 0, take_tool_use},
    {WIRE_STR("tool_result"), 0, take_tool_result},
};

/* What runs at the provider is known to its family only. */
static enum err take_raw_item(struct wire_in *in, struct chat_group *g, struct str type, uint32_t at)
{
    bool call = anthropic_messages_is_server_call(type), result = anthropic_messages_is_server_result(type);
    enum chat_item_kind kind = call ? ITEM_SERVER_CALL : result ? ITEM_SERVER_RESULT : ITEM_UNKNOWN;
    return wire_raw_item(in, wire_new_item(in, kind, g, at), type, at);
}

static bool is_part(const struct json_tape *t, uint32_t type)
{
    for (unsigned i = 0; i < COUNTOF(PART_TYPES); i++)
        if (json_eq(t, type, PART_TYPES[i].word)) return true;
    return false;
}

static enum err take_block(struct wire_in *in, void *into, uint32_t at)
{
    struct blocks *b = into;
    const struct wire_kind *kind;
    TRY(wire_pick(in, at, "type", BLOCKS, COUNTOF(BLOCKS), &kind));
    uint32_t type = json_find(in->t, at, S("type"));
    if (!is_part(in->t, type)) {
        b->message = NULL;
        return kind ? kind->take(in, b->group, at) : take_raw_item(in, b->group, wire_plain(in, type), at);
    }
    if (!b->message) b->message = wire_new_item(in, ITEM_MESSAGE, b->group, at);
    return b->message ? take_part(in, b->message, at) : wire_full(in);
}

static enum err take_blocks(struct wire_in *in, struct chat_group *g, uint32_t at)
{
    struct blocks b = {.group = g};
    if (json_is(in->t, at, JSON_ARRAY)) {
        g->shape = SHAPE_ARRAY;
        return wire_each(in, at, take_block, &b);
    }
    struct chat_item *i = wire_new_item(in, ITEM_MESSAGE, g, at);
    return i ? wire_content(in, i, at, take_part, &g->shape) : wire_full(in);
}

static enum err take_content(struct wire_in *in, void *into, uint32_t at) { return take_blocks(in, into, at); }

static const struct wire_member MESSAGE[] = {
    WIRE_SKIP("role", WANT_STRING),
    WIRE_MUST_CALL("content", WANT_VALUE, take_content),
    WIRE_CALL("cache_control", WANT_OBJECT, take_group_cache),
};
static const struct wire_kind ROLES[] = {
    {WIRE_STR("user"), ROLE_USER, NULL},
    {WIRE_STR("assistant"), ROLE_ASSISTANT, NULL},
    {WIRE_STR("system"), ROLE_SYSTEM, NULL},
};
static enum err take_message(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(MESSAGE);
    const struct wire_kind *kind;
    bool taken;
    (void)into;
    TRY(wire_take_said(in, at, ROLES, COUNTOF(ROLES), &taken));
    if (taken) return OK;
    TRY(wire_pick(in, at, "role", ROLES, COUNTOF(ROLES), &kind));
    if (!kind) return wire_bad(in, json_find(in->t, at, S("role")), "must be user, assistant or system");
    struct chat_group *g = chat_add_group(in->a, (enum chat_role)kind->value, wire_at(in, at));
    return g ? wire_walk(in, at, &shape, g) : wire_full(in);
}
static enum err take_messages(struct wire_in *in, void *into, uint32_t at) { return wire_each(in, at, take_message, into); }

/* ---- tools ---------------------------------------------------------------------------------------------------------------------------- */

static const struct wire_member TOOL[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("name", struct chat_tool, name, TOOL_HAS_NAME),
    WIRE_SPAN("description", struct chat_tool, description, TOOL_HAS_DESCRIPTION),
    WIRE_RAW("input_schema", WANT_OBJECT, struct chat_tool, schema, TOOL_HAS_SCHEMA),
    WIRE_FLAG("strict", struct chat_tool, strict, TOOL_HAS_STRICT),
    WIRE_FLAG("defer_loading", struct chat_tool, deferred, TOOL_HAS_DEFERRED),
    WIRE_CALL("cache_control", WANT_OBJECT, take_tool_cache),
};
static enum err take_tool(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(TOOL);
    (void)into;
    TRY(wire_want(in, at, WANT_OBJECT));
    uint32_t type = json_find(in->t, at, S("type"));
    bool ours = !type || json_is(in->t, type, JSON_NULL) || json_eq(in->t, type, S("custom"));
    struct chat_tool *tool = chat_add_tool(in->a, &in->c->tools, ours ? TOOL_FUNCTION : TOOL_SERVER);
    if (!tool) return wire_full(in);
    tool->node.at = wire_at(in, at);
    if (ours) return wire_walk(in, at, &shape, tool);
    TRY(wire_want(in, type, WANT_STRING));
    return wire_raw_tool(in, tool, wire_plain(in, type), at);
}
static enum err take_tools(struct wire_in *in, void *into, uint32_t at) { return wire_each(in, at, take_tool, into); }

static enum err take_no_parallel(struct wire_in *in, void *into, uint32_t at)
{
    struct chat *c = into;
    c->parallel = json_is(in->t, at, JSON_TRUE) ? FLAG_NO : FLAG_YES;
    chat_has(&c->node, CHAT_HAS_PARALLEL);
    return OK;
}
static const struct wire_member CHOICE[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_CALL("name", WANT_STRING, wire_take_choice_name),
    WIRE_CALL("disable_parallel_tool_use", WANT_BOOL, take_no_parallel),
};
static enum err take_choice(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(CHOICE);
    static const struct wire_kind TYPES[] = {
        {WIRE_STR("auto"), CHOICE_AUTO, NULL},
        {WIRE_STR("any"), CHOICE_REQUIRED, NULL},
        {WIRE_STR("tool"), CHOICE_NAMED, NULL},
        {WIRE_STR("none"), CHOICE_NONE, NULL},
    };
    const struct wire_kind *kind;
    struct chat *c = into;
    TRY(wire_pick(in, at, "type", TYPES, COUNTOF(TYPES), &kind));
    if (!kind) return wire_bad(in, at, "type must be auto, any, tool or none");
    c->choice.mode = (enum chat_choice_mode)kind->value;
    chat_has(&c->node, CHAT_HAS_CHOICE);
    TRY(wire_walk_inside(in, at, &shape, c, "tool_choice"));
    if (c->choice.mode == CHOICE_NAMED && !c->choice.n_names) return wire_bad(in, at, "has no name");
    return OK;
}

/* ---- the root ---------------------------------------------------------------------------------------------------------------------------- */

static enum err take_system(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_group *g = chat_add_group(in->a, ROLE_SYSTEM, wire_at(in, at));
    (void)into;
    if (!g) return wire_full(in);
    g->apart = true;
    return take_blocks(in, g, at);
}

static enum err take_user_id(struct wire_in *in, void *into, uint32_t at)
{
    (void)into;
    return wire_keep_setting(in, SET_USER, at);
}
static const struct wire_member METADATA[] = {WIRE_CALL("user_id", WANT_STRING, take_user_id)};
static enum err take_metadata(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(METADATA);
    return wire_walk_inside(in, at, &shape, into, "metadata");
}

static const struct wire_member THINK[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_RAW("budget_tokens", WANT_WHOLE, struct chat, budget, CHAT_HAS_BUDGET),
};
enum err anthropic_messages_take_thinking(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(THINK);
    static const struct wire_kind TYPES[] = {
        {WIRE_STR("enabled"), THINKING_ON, NULL},
        {WIRE_STR("disabled"), THINKING_OFF, NULL},
        {WIRE_STR("adaptive"), THINKING_ADAPTIVE, NULL},
    };
    const struct wire_kind *kind;
    struct chat *c = into;
    TRY(wire_pick(in, at, "type", TYPES, COUNTOF(TYPES), &kind));
    if (!kind) return wire_bad(in, at, "type must be enabled, disabled or adaptive");
    c->thinking = (enum chat_thinking)kind->value;
    chat_has(&c->node, CHAT_HAS_THINKING);
    return wire_walk_inside(in, at, &shape, c, "thinking");
}

static const struct wire_member FORMAT[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_RAW("schema", WANT_OBJECT, struct chat, schema.text, WIRE_NO_FIELD),
};
static enum err take_format(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(FORMAT);
    TRY(wire_take_output_kind(in, at, OUTPUTS_SCHEMA_ONLY));
    return wire_walk_inside(in, at, &shape, into, "format");
}
static const struct wire_member OUTPUT[] = {
    WIRE_SPAN("effort", struct chat, effort, CHAT_HAS_EFFORT),
    WIRE_CALL("format", WANT_OBJECT, take_format),
};
static enum err take_output(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(OUTPUT);
    return wire_walk_inside(in, at, &shape, into, "output_config");
}

static enum err take_betas(struct wire_in *in, void *into, uint32_t at)
{
    struct chat *c = into;
    c->settings[SET_BETAS] = json_raw(in->t, at);
    chat_has(&c->node, SET_BETAS);
    return OK;
}

/* Bedrock's and Vertex AI's bodies have version and betas in them, and no model. */
static const struct wire_member ROOT[] = {
    WIRE_SKIP("model", WANT_STRING),
    WIRE_SKIP("anthropic_version", WANT_STRING),
    WIRE_CALL("anthropic_beta", WANT_STRINGS, take_betas),
    WIRE_SKIP("stream", WANT_BOOL),
    WIRE_MUST_CALL("messages", WANT_ARRAY, take_messages),
    WIRE_CALL("tools", WANT_ARRAY, take_tools),
    WIRE_CALL("tool_choice", WANT_OBJECT, take_choice),
    WIRE_CALL("metadata", WANT_OBJECT, take_metadata),
    WIRE_CALL("thinking", WANT_OBJECT, anthropic_messages_take_thinking),
    WIRE_CALL("output_config", WANT_OBJECT, take_output),
    WIRE_CALL("output_format", WANT_OBJECT, take_format), /* the older place (A19) */
    WIRE_SKIP("system", WANT_VALUE),                      /* comes first, wherever it stands */
};

enum err anthropic_messages_read_request(const struct json_tape *t, struct chat *c, struct fault *why)
{
    static const struct wire_shape shape = WIRE_SHAPE(ROOT, .settings = anthropic_messages_settings);
    struct wire_in in = WIRE_IN_REQUEST(t, c, why);
    uint32_t system = json_find(t, 0, S("system"));
    c->family = S("anthropic");
    c->format = S("anthropic_messages");
    if (system && !json_is(t, system, JSON_NULL)) TRY(take_system(&in, c, system));
    TRY(wire_walk(&in, 0, &shape, c));
    if (c->node.has & 1ull << SET_MAX_OUTPUT) return OK;
    return FAIL(why, ERR_BAD_REQUEST, "max_tokens: missing; this format demands a bound");
}
