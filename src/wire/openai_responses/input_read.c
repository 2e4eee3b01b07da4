/* The input of a Responses request read into the form: items, and the parts of their content. Facts: OpenAI API reference "Create a
 * model response", input. Pure. */
#include "wire/openai_responses/priv.h"

/* ---- parts ------------------------------------------------------------------------------------------------------------------ */

static enum err take_annotation(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    struct chat_annotation *n = chat_add_annotation(in->a, &p->annotations);
    if (!n) return wire_full(in);
    TRY(wire_want(in, at, WANT_OBJECT));
    openai_responses_read_annotation(in->t, at, n);
    chat_has(&p->node, PART_HAS_ANNOTATIONS);
    return OK;
}
static enum err take_annotations(struct wire_in *in, void *into, uint32_t at) { return wire_each(in, at, take_annotation, into); }

static enum err take_logprobs(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    if (!json_count(in->t, at)) return OK;
    p->logprobs = json_raw(in->t, at);
    chat_has(&p->node, PART_HAS_LOGPROBS);
    return OK;
}

static const struct wire_member TEXT[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("text", struct chat_part, text, PART_HAS_TEXT),
    WIRE_CALL("annotations", WANT_ARRAY, take_annotations),
    WIRE_CALL("logprobs", WANT_ARRAY, take_logprobs),
};
static const struct wire_member THOUGHT[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("text", struct chat_part, text, PART_HAS_TEXT),
};
static const struct wire_member REFUSAL[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("refusal", struct chat_part, text, PART_HAS_TEXT),
};

static enum err take_file_id(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    if (p->node.has & 1ull << PART_HAS_MEDIA)
        return wire_bad(in, at, "only one of an address, data and a file id may stand here");
    p->media = (struct chat_media){.form = MEDIA_FILE, .value = json_text(in->t, at)};
    chat_has(&p->node, PART_HAS_MEDIA);
    return OK;
}
static enum err take_source(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    if (p->node.has & 1ull << PART_HAS_MEDIA)
        return wire_bad(in, at, "only one of an address, data and a file id may stand here");
    return wire_take_url(in, into, at);
}

static const struct wire_member IMAGE[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_CALL("image_url", WANT_STRING, take_source),
    WIRE_CALL("file_id", WANT_STRING, take_file_id),
    WIRE_SPAN("detail", struct chat_part, detail, PART_HAS_DETAIL),
};
static const struct wire_member DOCUMENT[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_CALL("file_data", WANT_STRING, take_source),
    WIRE_CALL("file_url", WANT_STRING, take_source),
    WIRE_CALL("file_id", WANT_STRING, take_file_id),
    WIRE_SPAN("filename", struct chat_part, name, PART_HAS_NAME),
    WIRE_SPAN("detail", struct chat_part, detail, PART_HAS_DETAIL),
};

static const struct wire_shape PARTS[PART_KINDS] = {
    [PART_TEXT] = WIRE_SHAPE(TEXT),       [PART_REFUSAL] = WIRE_SHAPE(REFUSAL), [PART_IMAGE] = WIRE_SHAPE(IMAGE),
    [PART_THOUGHT] = WIRE_SHAPE(THOUGHT), [PART_SUMMARY] = WIRE_SHAPE(THOUGHT), [PART_DOCUMENT] = WIRE_SHAPE(DOCUMENT),
};
static const struct wire_kind PART_TYPES[] = {
    {WIRE_STR("input_text"), PART_TEXT, NULL},     {WIRE_STR("output_text"), PART_TEXT, NULL},
    {WIRE_STR("text"), PART_TEXT, NULL},           {WIRE_STR("input_image"), PART_IMAGE, NULL},
    {WIRE_STR("input_file"), PART_DOCUMENT, NULL}, {WIRE_STR("refusal"), PART_REFUSAL, NULL},
};
static const struct wire_kind THOUGHT_TYPES[] = {{WIRE_STR("reasoning_text"), PART_THOUGHT, NULL},
                                                 {WIRE_STR("text"), PART_THOUGHT, NULL}};
static const struct wire_kind SUMMARY_TYPES[] = {{WIRE_STR("summary_text"), PART_SUMMARY, NULL}};

static enum err take_part_of(struct wire_in *in, struct chat_item *i, uint32_t at, const struct wire_kind *types, size_t n)
{
    const struct wire_kind *kind;
    TRY(wire_pick(in, at, "type", types, n, &kind));
    struct chat_part *p = wire_new_part(in, i, kind ? (enum chat_part_kind)kind->value : PART_UNKNOWN, at);
    if (!p) return wire_full(in);
    if (!kind) return wire_raw_part(in, p, wire_type_of(in, at), at);
    TRY(wire_walk(in, at, &PARTS[kind->value], p));
    bool media = kind->value == PART_IMAGE || kind->value == PART_DOCUMENT;
    return media && !p->media.value.p ? wire_bad(in, at, "has neither an address nor data nor a file id") : OK;
}
static enum err take_part(struct wire_in *in, void *into, uint32_t at)
{
    return take_part_of(in, into, at, PART_TYPES, COUNTOF(PART_TYPES));
}
static enum err take_thought(struct wire_in *in, void *into, uint32_t at)
{
    return take_part_of(in, into, at, THOUGHT_TYPES, COUNTOF(THOUGHT_TYPES));
}
static enum err take_summary(struct wire_in *in, void *into, uint32_t at)
{
    return take_part_of(in, into, at, SUMMARY_TYPES, COUNTOF(SUMMARY_TYPES));
}

/* ---- items: each has a group of its own; neighbours may come together elsewhere ------------------------------------------------------ */

static struct chat_item *new_item(struct wire_in *in, enum chat_item_kind kind, enum chat_role role, uint32_t at)
{
    struct chat_group *g = chat_add_group(in->a, role, wire_at(in, at));
    if (!g) return NULL;
    g->loose = true;
    return chat_add_item(in->a, &in->c->items, &in->c->items_last, kind, g);
}

static enum err take_content(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_item *i = into;
    return wire_content(in, i, at, take_part, &i->group->shape);
}
static const struct wire_member MESSAGE[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_SKIP("role", WANT_STRING),
    WIRE_SPAN("id", struct chat_item, id, ITEM_HAS_ID),
    WIRE_SPAN("status", struct chat_item, status, ITEM_HAS_STATUS),
    WIRE_SPAN("phase", struct chat_item, phase, ITEM_HAS_PHASE),
    WIRE_MUST_CALL("content", WANT_VALUE, take_content),
};
static const struct wire_kind ROLES[] = {
    {WIRE_STR("user"), ROLE_USER, NULL},
    {WIRE_STR("assistant"), ROLE_ASSISTANT, NULL},
    {WIRE_STR("system"), ROLE_SYSTEM, NULL},
    {WIRE_STR("developer"), ROLE_DEVELOPER, NULL},
};
static enum err read_message(struct wire_in *in, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(MESSAGE);
    const struct wire_kind *role;
    TRY(wire_pick(in, at, "role", ROLES, COUNTOF(ROLES), &role));
    if (!role) return wire_bad(in, json_find(in->t, at, S("role")), "must be user, assistant, system or developer");
    struct chat_item *i = new_item(in, ITEM_MESSAGE, (enum chat_role)role->value, at);
    return i ? wire_walk(in, at, &shape, i) : wire_full(in);
}

static const struct wire_member CALL[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_SPAN("id", struct chat_item, id, ITEM_HAS_ID),
    WIRE_MUST_SPAN("call_id", struct chat_item, call_id, ITEM_HAS_CALL_ID),
    WIRE_SPAN("namespace", struct chat_item, name_space, ITEM_HAS_NAMESPACE),
    WIRE_MUST_SPAN("name", struct chat_item, name, ITEM_HAS_NAME),
    WIRE_MUST_SPAN("arguments", struct chat_item, arguments.text, ITEM_HAS_ARGUMENTS),
    WIRE_SPAN("status", struct chat_item, status, ITEM_HAS_STATUS),
};
static const struct wire_member CUSTOM_CALL[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_SPAN("id", struct chat_item, id, ITEM_HAS_ID),
    WIRE_MUST_SPAN("call_id", struct chat_item, call_id, ITEM_HAS_CALL_ID),
    WIRE_SPAN("namespace", struct chat_item, name_space, ITEM_HAS_NAMESPACE),
    WIRE_MUST_SPAN("name", struct chat_item, name, ITEM_HAS_NAME),
    WIRE_MUST_SPAN("input", struct chat_item, arguments.text, ITEM_HAS_ARGUMENTS),
    WIRE_SPAN("status", struct chat_item, status, ITEM_HAS_STATUS),
};
static enum err read_call_of(struct wire_in *in, uint32_t at, enum chat_call_form form)
{
    static const struct wire_shape SHAPES[] = {[CALL_FUNCTION] = WIRE_SHAPE(CALL), [CALL_CUSTOM] = WIRE_SHAPE(CUSTOM_CALL)};
    struct chat_item *i = new_item(in, ITEM_TOOL_CALL, ROLE_ASSISTANT, at);
    if (!i) return wire_full(in);
    i->form = form;
    i->arguments.quoted = true;
    return wire_walk(in, at, &SHAPES[form], i);
}
static enum err read_call(struct wire_in *in, uint32_t at) { return read_call_of(in, at, CALL_FUNCTION); }
static enum err read_custom_call(struct wire_in *in, uint32_t at) { return read_call_of(in, at, CALL_CUSTOM); }

static enum err take_output(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_item *i = into;
    chat_has(&i->node, ITEM_HAS_PARTS);
    return wire_content(in, i, at, take_part, &i->shape);
}
static const struct wire_member RESULT[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_SPAN("id", struct chat_item, id, ITEM_HAS_ID),
    WIRE_MUST_SPAN("call_id", struct chat_item, call_id, ITEM_HAS_CALL_ID),
    WIRE_SPAN("name", struct chat_item, name, ITEM_HAS_NAME),
    WIRE_MUST_CALL("output", WANT_VALUE, take_output),
    WIRE_SPAN("status", struct chat_item, status, ITEM_HAS_STATUS),
};
static enum err read_result_of(struct wire_in *in, uint32_t at, enum chat_call_form form)
{
    static const struct wire_shape shape = WIRE_SHAPE(RESULT);
    struct chat_item *i = new_item(in, ITEM_TOOL_RESULT, ROLE_USER, at);
    if (!i) return wire_full(in);
    i->form = form;
    return wire_walk(in, at, &shape, i);
}
static enum err read_result(struct wire_in *in, uint32_t at) { return read_result_of(in, at, CALL_FUNCTION); }
static enum err read_custom_result(struct wire_in *in, uint32_t at) { return read_result_of(in, at, CALL_CUSTOM); }

static enum err take_opaque(struct wire_in *in, struct chat_item *i, enum chat_opaque_kind kind, uint32_t at)
{
    struct chat_opaque *o = chat_add_opaque(in->a, &i->opaque, kind, json_text(in->t, at));
    if (!o) return wire_full(in);
    o->origin.family = S("openai");
    chat_has(&i->node, ITEM_HAS_OPAQUE);
    return OK;
}
static enum err take_encrypted(struct wire_in *in, void *into, uint32_t at)
{
    return take_opaque(in, into, OPAQUE_ENCRYPTED, at);
}
static enum err take_compacted(struct wire_in *in, void *into, uint32_t at)
{
    return take_opaque(in, into, OPAQUE_COMPACTION, at);
}

static enum err take_summaries(struct wire_in *in, void *into, uint32_t at) { return wire_each(in, at, take_summary, into); }
static enum err take_thoughts(struct wire_in *in, void *into, uint32_t at) { return wire_each(in, at, take_thought, into); }
static const struct wire_member REASONING[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_SPAN("id", struct chat_item, id, ITEM_HAS_ID),
    WIRE_CALL("summary", WANT_ARRAY, take_summaries),
    WIRE_CALL("content", WANT_ARRAY, take_thoughts),
    WIRE_CALL("encrypted_content", WANT_STRING, take_encrypted),
    WIRE_SPAN("status", struct chat_item, status, ITEM_HAS_STATUS),
};
static enum err read_reasoning(struct wire_in *in, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(REASONING);
    struct chat_item *i = new_item(in, ITEM_REASONING, ROLE_ASSISTANT, at);
    return i ? wire_walk(in, at, &shape, i) : wire_full(in);
}

static const struct wire_member COMPACTION[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_SPAN("id", struct chat_item, id, ITEM_HAS_ID),
    WIRE_MUST_CALL("encrypted_content", WANT_STRING, take_compacted),
};
static enum err read_compaction(struct wire_in *in, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(COMPACTION);
    struct chat_item *i = new_item(in, ITEM_COMPACTION, ROLE_USER, at);
    return i ? wire_walk(in, at, &shape, i) : wire_full(in);
}

/* Only ever the last: what stands before it shall be summed up. */
static const struct wire_member TRIGGER[] = {WIRE_SKIP("type", WANT_STRING)};
static enum err read_trigger(struct wire_in *in, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(TRIGGER);
    in->c->compact = true;
    return wire_walk(in, at, &shape, NULL);
}

static enum err take_more_tools(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_item *i = into;
    chat_has(&i->node, ITEM_HAS_TOOLS);
    return openai_responses_read_tools(in, &i->tools, at);
}
static const struct wire_member MORE_TOOLS[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_SKIP("role", WANT_STRING),
    WIRE_SPAN("id", struct chat_item, id, ITEM_HAS_ID),
    WIRE_MUST_CALL("tools", WANT_ARRAY, take_more_tools),
};
static enum err read_more_tools(struct wire_in *in, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(MORE_TOOLS);
    struct chat_item *i = new_item(in, ITEM_TOOLS, ROLE_DEVELOPER, at);
    return i ? wire_walk(in, at, &shape, i) : wire_full(in);
}

/* Items of hosted tools, and whatever is new: they go back to their own format as they are. */
static enum err read_raw(struct wire_in *in, uint32_t at, enum chat_item_kind kind)
{
    return wire_raw_item(in, new_item(in, kind, ROLE_ASSISTANT, at), wire_type_of(in, at), at);
}
static enum err read_reference(struct wire_in *in, uint32_t at) { return read_raw(in, at, ITEM_REFERENCE); }

static const struct {
    struct str type;
    enum err (*read)(struct wire_in *in, uint32_t at);
} ITEMS[] = {
    {WIRE_STR("message"), read_message},
    {WIRE_STR("function_call"), read_call},
    {WIRE_STR("function_call_output"), read_result},
    {WIRE_STR("reasoning"), read_reasoning},
    {WIRE_STR("custom_tool_call"), read_custom_call},
    {WIRE_STR("custom_tool_call_output"), read_custom_result},
    {WIRE_STR("additional_tools"), read_more_tools},
    {WIRE_STR("compaction"), read_compaction},
    {WIRE_STR("compaction_summary"), read_compaction}, /* its older name */
    {WIRE_STR("compaction_trigger"), read_trigger},
    {WIRE_STR("item_reference"), read_reference},
};

static enum err take_item(struct wire_in *in, void *into, uint32_t at)
{
    (void)into;
    TRY(wire_want(in, at, WANT_OBJECT));
    if (in->c->compact) return wire_bad(in, at, "nothing may follow a compaction_trigger");
    uint32_t type = json_find(in->t, at, S("type"));
    if (!type || json_is(in->t, type, JSON_NULL)) return read_message(in, at);
    TRY(wire_want(in, type, WANT_STRING));
    for (unsigned i = 0; i < COUNTOF(ITEMS); i++)
        if (json_eq(in->t, type, ITEMS[i].type)) return ITEMS[i].read(in, at);
    return read_raw(in, at, ITEM_UNKNOWN);
}

enum err openai_responses_take_input(struct wire_in *in, void *into, uint32_t at)
{
    if (json_is(in->t, at, JSON_ARRAY)) return wire_each(in, at, take_item, into);
    if (!json_is(in->t, at, JSON_STRING)) return wire_bad(in, at, "must be a string or an array");
    struct chat_item *i = new_item(in, ITEM_MESSAGE, ROLE_USER, at);
    return i ? wire_content(in, i, at, take_part, &i->group->shape) : wire_full(in);
}
