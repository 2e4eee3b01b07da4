/* A Chat Completions request read into the form. Facts: OpenAI API reference "Create chat completion"; docs/wire.md. Pure. */
#include "wire/openai_chat/priv.h"

/* ---- parts ------------------------------------------------------------------------------------------------------------ */

static const struct wire_member TEXT[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("text", struct chat_part, text, PART_HAS_TEXT),
};
static const struct wire_member REFUSAL[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("refusal", struct chat_part, text, PART_HAS_TEXT),
};

static const struct wire_member IMAGE_URL[] = {
    WIRE_MUST_CALL("url", WANT_STRING, wire_take_url),
    WIRE_SPAN("detail", struct chat_part, detail, PART_HAS_DETAIL),
};
static enum err take_image_url(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(IMAGE_URL);
    return wire_walk_inside(in, at, &shape, into, "image_url");
}
static const struct wire_member IMAGE[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_CALL("image_url", WANT_OBJECT, take_image_url),
};

static enum err take_audio_data(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    p->media.form = MEDIA_BASE64;
    p->media.value = json_text(in->t, at);
    chat_has(&p->node, PART_HAS_MEDIA);
    return OK;
}
static enum err take_audio_format(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    struct buf type;
    buf_init(&type, 64);
    buf_str(&type, S("audio/"));
    buf_str(&type, json_text(in->t, at));
    bool fits = !type.over && arena_str(in->a, buf_view(&type), &p->media.type);
    buf_done(&type);
    return fits ? OK : wire_bad(in, at, "is too long");
}
static const struct wire_member INPUT_AUDIO[] = {
    WIRE_MUST_CALL("data", WANT_STRING, take_audio_data),
    WIRE_MUST_CALL("format", WANT_STRING, take_audio_format),
};
static enum err take_input_audio(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(INPUT_AUDIO);
    return wire_walk_inside(in, at, &shape, into, "input_audio");
}
static const struct wire_member AUDIO[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_CALL("input_audio", WANT_OBJECT, take_input_audio),
};

static enum err take_file_id(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    p->media = (struct chat_media){.form = MEDIA_FILE, .value = json_text(in->t, at)};
    chat_has(&p->node, PART_HAS_MEDIA);
    return OK;
}
static const struct wire_member FILE_BODY[] = {
    WIRE_CALL("file_data", WANT_STRING, wire_take_url),
    WIRE_CALL("file_id", WANT_STRING, take_file_id),
    WIRE_SPAN("filename", struct chat_part, name, PART_HAS_NAME),
};
static enum err take_file_body(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(FILE_BODY);
    return wire_walk_inside(in, at, &shape, into, "file");
}
static const struct wire_member DOCUMENT[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_CALL("file", WANT_OBJECT, take_file_body),
};

static const struct wire_shape PARTS[PART_KINDS] = {
    [PART_TEXT] = WIRE_SHAPE(TEXT),   [PART_REFUSAL] = WIRE_SHAPE(REFUSAL),   [PART_IMAGE] = WIRE_SHAPE(IMAGE),
    [PART_AUDIO] = WIRE_SHAPE(AUDIO), [PART_DOCUMENT] = WIRE_SHAPE(DOCUMENT),
};
static const struct wire_kind PART_TYPES[] = {
    {WIRE_STR("text"), PART_TEXT, NULL},         {WIRE_STR("image_url"), PART_IMAGE, NULL},
    {WIRE_STR("input_audio"), PART_AUDIO, NULL}, {WIRE_STR("file"), PART_DOCUMENT, NULL},
    {WIRE_STR("refusal"), PART_REFUSAL, NULL},
};

static enum err take_part(struct wire_in *in, void *into, uint32_t at)
{
    const struct wire_kind *kind;
    TRY(wire_pick(in, at, "type", PART_TYPES, COUNTOF(PART_TYPES), &kind));
    struct chat_part *p = wire_new_part(in, into, kind ? (enum chat_part_kind)kind->value : PART_UNKNOWN, at);
    if (!p) return wire_full(in);
    if (kind) return wire_walk(in, at, &PARTS[kind->value], p);
    return wire_raw_part(in, p, wire_type_of(in, at), at);
}

/* ---- messages --------------------------------------------------------------------------------------------------------- */

/* Members of a message whose items have an order of their own. */
struct message {
    uint32_t content, refusal, reasoning, calls;
};

static enum err keep_content(struct wire_in *in, void *into, uint32_t at)
{
    (void)into;
    ((struct message *)in->own)->content = at;
    return OK;
}
static enum err keep_refusal(struct wire_in *in, void *into, uint32_t at)
{
    (void)into;
    ((struct message *)in->own)->refusal = at;
    return OK;
}
static enum err keep_reasoning(struct wire_in *in, void *into, uint32_t at)
{
    (void)into;
    ((struct message *)in->own)->reasoning = at;
    return OK;
}
static enum err keep_calls(struct wire_in *in, void *into, uint32_t at)
{
    (void)into;
    ((struct message *)in->own)->calls = at;
    return OK;
}
static enum err refuse_legacy(struct wire_in *in, void *into, uint32_t at)
{
    (void)into;
    return wire_bad(in, at, "this older form cannot be translated; use tools and tool_calls");
}

static const struct wire_member MESSAGE[] = {
    WIRE_SKIP("role", WANT_STRING),
    WIRE_CALL("content", WANT_ANY, keep_content),
    WIRE_SPAN("name", struct chat_group, name, GROUP_HAS_NAME),
};
static const struct wire_member ASSISTANT[] = {
    WIRE_SKIP("role", WANT_STRING),
    WIRE_CALL("content", WANT_ANY, keep_content),
    WIRE_SPAN("name", struct chat_group, name, GROUP_HAS_NAME),
    WIRE_CALL("refusal", WANT_STRING, keep_refusal),
    WIRE_CALL("reasoning_content", WANT_STRING, keep_reasoning),
    WIRE_CALL("tool_calls", WANT_ARRAY, keep_calls),
    WIRE_RAW("audio", WANT_OBJECT, struct chat_group, audio, GROUP_HAS_AUDIO),
    WIRE_CALL("function_call", WANT_OBJECT, refuse_legacy),
};

static const struct wire_member FUNCTION_CALL[] = {
    WIRE_MUST_SPAN("name", struct chat_item, name, ITEM_HAS_NAME),
    WIRE_MUST_SPAN("arguments", struct chat_item, arguments.text, ITEM_HAS_ARGUMENTS),
};
static const struct wire_member CUSTOM_CALL[] = {
    WIRE_MUST_SPAN("name", struct chat_item, name, ITEM_HAS_NAME),
    WIRE_MUST_SPAN("input", struct chat_item, arguments.text, ITEM_HAS_ARGUMENTS),
};
static enum err take_function_call(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(FUNCTION_CALL);
    return wire_walk_inside(in, at, &shape, into, "function");
}
static enum err take_custom_call(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(CUSTOM_CALL);
    ((struct chat_item *)into)->form = CALL_CUSTOM;
    return wire_walk_inside(in, at, &shape, into, "custom");
}
static const struct wire_member CALL[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("id", struct chat_item, call_id, ITEM_HAS_CALL_ID),
    WIRE_CALL("function", WANT_OBJECT, take_function_call),
    WIRE_CALL("custom", WANT_OBJECT, take_custom_call),
};
static const struct wire_shape CALL_SHAPE = WIRE_SHAPE(CALL);

static enum err take_call(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_item *i = wire_new_item(in, ITEM_TOOL_CALL, into, at);
    if (!i) return wire_full(in);
    i->arguments.quoted = true;
    TRY(wire_walk(in, at, &CALL_SHAPE, i));
    return i->name.p ? OK : wire_bad(in, at, "has no function");
}

static enum err add_text(struct wire_in *in, struct chat_item *i, enum chat_part_kind kind, uint32_t at)
{
    struct chat_part *p = wire_new_part(in, i, kind, at);
    if (!p) return wire_full(in);
    p->text = json_text(in->t, at);
    chat_has(&p->node, PART_HAS_TEXT);
    return OK;
}

static enum err add_content(struct wire_in *in, struct chat_group *g, const struct message *m)
{
    struct chat_item *i = NULL;
    bool there = m->content && !json_is(in->t, m->content, JSON_NULL);
    if (m->content) g->shape = SHAPE_NULL;
    if (there || m->refusal) {
        i = wire_new_item(in, ITEM_MESSAGE, g, there ? m->content : m->refusal);
        if (!i) return wire_full(in);
    }
    if (there) TRY(wire_content(in, i, m->content, take_part, &g->shape));
    return m->refusal ? add_text(in, i, PART_REFUSAL, m->refusal) : OK;
}

static enum err take_message_of(struct wire_in *in, struct chat_group *g, const struct wire_shape *shape, uint32_t at)
{
    struct message m = {0};
    in->own = &m;
    TRY(wire_walk(in, at, shape, g));
    if (m.reasoning) TRY(add_text(in, wire_new_item(in, ITEM_REASONING, g, m.reasoning), PART_THOUGHT, m.reasoning));
    TRY(add_content(in, g, &m));
    return m.calls ? wire_each(in, m.calls, take_call, g) : OK;
}

static enum err take_plain(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(MESSAGE);
    return take_message_of(in, into, &shape, at);
}
static enum err take_assistant(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(ASSISTANT);
    return take_message_of(in, into, &shape, at);
}

static enum err take_result_content(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_item *i = into;
    chat_has(&i->node, ITEM_HAS_PARTS);
    return wire_content(in, i, at, take_part, &i->shape);
}
static const struct wire_member RESULT[] = {
    WIRE_SKIP("role", WANT_STRING),
    WIRE_MUST_SPAN("tool_call_id", struct chat_item, call_id, ITEM_HAS_CALL_ID),
    WIRE_MUST_CALL("content", WANT_ANY, take_result_content),
    WIRE_SPAN("name", struct chat_item, name, ITEM_HAS_NAME),
};
static enum err take_result(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(RESULT);
    struct chat_item *i = wire_new_item(in, ITEM_TOOL_RESULT, into, at);
    return i ? wire_walk(in, at, &shape, i) : wire_full(in);
}

static enum err refuse_function(struct wire_in *in, void *into, uint32_t at) { return refuse_legacy(in, into, at); }

enum { SPEAKING = 4 }; /* the first roles */
static const struct wire_kind ROLES[] = {
    {WIRE_STR("user"), ROLE_USER, take_plain},     {WIRE_STR("assistant"), ROLE_ASSISTANT, take_assistant},
    {WIRE_STR("system"), ROLE_SYSTEM, take_plain}, {WIRE_STR("developer"), ROLE_DEVELOPER, take_plain},
    {WIRE_STR("tool"), ROLE_USER, take_result},    {WIRE_STR("function"), ROLE_NONE, refuse_function},
};

static enum err take_message(struct wire_in *in, void *into, uint32_t at)
{
    const struct wire_kind *kind;
    bool taken;
    (void)into;
    TRY(wire_take_said(in, at, ROLES, SPEAKING, &taken));
    if (taken) return OK;
    TRY(wire_pick(in, at, "role", ROLES, COUNTOF(ROLES), &kind));
    if (!kind) return wire_bad(in, json_find(in->t, at, S("role")), "must be system, developer, user, assistant or tool");
    struct chat_group *g = chat_add_group(in->a, (enum chat_role)kind->value, wire_at(in, at));
    return g ? kind->take(in, g, at) : wire_full(in);
}

static enum err take_messages(struct wire_in *in, void *into, uint32_t at) { return wire_each(in, at, take_message, into); }

/* ---- tools ------------------------------------------------------------------------------------------------------------ */

static const struct wire_member FUNCTION[] = {
    WIRE_MUST_SPAN("name", struct chat_tool, name, TOOL_HAS_NAME),
    WIRE_SPAN("description", struct chat_tool, description, TOOL_HAS_DESCRIPTION),
    WIRE_RAW("parameters", WANT_OBJECT, struct chat_tool, schema, TOOL_HAS_SCHEMA),
    WIRE_FLAG("strict", struct chat_tool, strict, TOOL_HAS_STRICT),
};
static enum err take_function(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(FUNCTION);
    return wire_walk_inside(in, at, &shape, into, "function");
}
static const struct wire_member CUSTOM[] = {
    WIRE_MUST_SPAN("name", struct chat_tool, name, TOOL_HAS_NAME),
    WIRE_SPAN("description", struct chat_tool, description, TOOL_HAS_DESCRIPTION),
    WIRE_RAW("format", WANT_OBJECT, struct chat_tool, grammar, TOOL_HAS_GRAMMAR),
};
static enum err take_custom(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(CUSTOM);
    ((struct chat_tool *)into)->kind = TOOL_CUSTOM;
    return wire_walk_inside(in, at, &shape, into, "custom");
}
static const struct wire_member FUNCTION_TOOL[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_CALL("function", WANT_OBJECT, take_function),
};
static const struct wire_member CUSTOM_TOOL[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_CALL("custom", WANT_OBJECT, take_custom),
};

static enum err take_tool(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape SHAPES[] = {
        [TOOL_FUNCTION] = WIRE_SHAPE(FUNCTION_TOOL),
        [TOOL_CUSTOM] = WIRE_SHAPE(CUSTOM_TOOL),
    };
    static const struct wire_kind TYPES[] = {
        {WIRE_STR("function"), TOOL_FUNCTION, NULL},
        {WIRE_STR("custom"), TOOL_CUSTOM, NULL},
    };
    const struct wire_kind *kind;
    (void)into;
    TRY(wire_pick(in, at, "type", TYPES, COUNTOF(TYPES), &kind));
    struct chat_tool *tool = chat_add_tool(in->a, &in->c->tools, kind ? (enum chat_tool_kind)kind->value : TOOL_SERVER);
    if (!tool) return wire_full(in);
    tool->node.at = wire_at(in, at);
    if (kind) return wire_walk(in, at, &SHAPES[kind->value], tool);
    return wire_raw_tool(in, tool, wire_type_of(in, at), at);
}
static enum err take_tools(struct wire_in *in, void *into, uint32_t at) { return wire_each(in, at, take_tool, into); }

/* ---- tool choice -------------------------------------------------------------------------------------------------------- */

static const struct wire_member CHOICE_BODY[] = {WIRE_MUST_CALL("name", WANT_STRING, wire_take_choice_name)};
static enum err take_choice_body(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(CHOICE_BODY);
    (void)into;
    return wire_walk(in, at, &shape, NULL);
}
static enum err take_choice_custom(struct wire_in *in, void *into, uint32_t at)
{
    in->c->choice.form = CALL_CUSTOM;
    return take_choice_body(in, into, at);
}
static const struct wire_member CHOICE_TOOL[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_CALL("function", WANT_OBJECT, take_choice_body),
    WIRE_CALL("custom", WANT_OBJECT, take_choice_custom),
};
static enum err take_choice_tool(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(CHOICE_TOOL);
    (void)into;
    return wire_walk(in, at, &shape, NULL);
}
static enum err take_choice_tools(struct wire_in *in, void *into, uint32_t at)
{
    return wire_each(in, at, take_choice_tool, into);
}
static const struct wire_member ALLOWED_BODY[] = {
    WIRE_MUST_CALL("mode", WANT_STRING, wire_take_choice_mode),
    WIRE_MUST_CALL("tools", WANT_ARRAY, take_choice_tools),
};
static enum err take_allowed(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(ALLOWED_BODY);
    (void)into;
    in->c->choice.mode = CHOICE_ALLOWED;
    return wire_walk(in, at, &shape, NULL);
}
static const struct wire_member CHOICE[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_CALL("function", WANT_OBJECT, take_choice_body),
    WIRE_CALL("custom", WANT_OBJECT, take_choice_custom),
    WIRE_CALL("allowed_tools", WANT_OBJECT, take_allowed),
};

static enum err take_choice(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(CHOICE);
    struct chat *c = into;
    chat_has(&c->node, CHAT_HAS_CHOICE);
    if (json_is(in->t, at, JSON_STRING)) return wire_take_choice_word(in, at);
    c->choice.mode = CHOICE_NAMED;
    TRY(wire_walk(in, at, &shape, NULL));
    return c->choice.n_names ? OK : wire_bad(in, at, "names no tool");
}

/* ---- output ------------------------------------------------------------------------------------------------------------- */

static const struct wire_member SCHEMA[] = {
    WIRE_MUST_SPAN("name", struct chat, schema_name, WIRE_NO_FIELD),
    WIRE_SPAN("description", struct chat, schema_description, WIRE_NO_FIELD),
    WIRE_RAW("schema", WANT_OBJECT, struct chat, schema.text, WIRE_NO_FIELD),
    WIRE_FLAG("strict", struct chat, schema_strict, WIRE_NO_FIELD),
};
static enum err take_schema(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(SCHEMA);
    return wire_walk_inside(in, at, &shape, into, "json_schema");
}
static const struct wire_member FORMAT[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_CALL("json_schema", WANT_OBJECT, take_schema),
};
static enum err take_format(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(FORMAT);
    TRY(wire_take_output_kind(in, at, OUTPUTS_ALL));
    return wire_walk_inside(in, at, &shape, into, "response_format");
}

/* ---- the root ------------------------------------------------------------------------------------------------------------ */

/* Always an array in the form. */
static enum err take_stop(struct wire_in *in, void *into, uint32_t at)
{
    struct chat *c = into;
    struct buf list;
    chat_has(&c->node, SET_STOP);
    c->settings[SET_STOP] = json_raw(in->t, at);
    if (json_is(in->t, at, JSON_ARRAY)) return wire_want(in, at, WANT_STRINGS);
    TRY(wire_want(in, at, WANT_STRING));
    buf_init(&list, c->settings[SET_STOP].n + 2);
    buf_char(&list, '[');
    buf_str(&list, c->settings[SET_STOP]);
    buf_char(&list, ']');
    bool fits = arena_str(in->a, buf_view(&list), &c->settings[SET_STOP]);
    buf_done(&list);
    return fits ? OK : wire_full(in);
}

/* C14: of two the newer is meant. */
static enum err take_max_tokens(struct wire_in *in, void *into, uint32_t at)
{
    const struct chat *c = into;
    return c->node.has & 1ull << SET_MAX_OUTPUT ? OK : wire_keep_setting(in, SET_MAX_OUTPUT, at);
}
static enum err take_max_completion_tokens(struct wire_in *in, void *into, uint32_t at)
{
    (void)into;
    return wire_keep_setting(in, SET_MAX_OUTPUT, at);
}

static const struct wire_member STREAM_OPTIONS[] = {WIRE_SKIP("include_usage", WANT_BOOL)};

static enum err take_stream_options(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(STREAM_OPTIONS);
    return wire_walk_inside(in, at, &shape, into, "stream_options");
}

static const struct wire_member ROOT[] = {
    WIRE_SKIP("model", WANT_STRING),
    WIRE_SKIP("stream", WANT_BOOL),
    WIRE_CALL("stream_options", WANT_OBJECT, take_stream_options),
    WIRE_MUST_CALL("messages", WANT_ARRAY, take_messages),
    WIRE_CALL("tools", WANT_ARRAY, take_tools),
    WIRE_CALL("tool_choice", WANT_VALUE, take_choice),
    WIRE_FLAG("parallel_tool_calls", struct chat, parallel, CHAT_HAS_PARALLEL),
    WIRE_CALL("response_format", WANT_OBJECT, take_format),
    WIRE_SPAN("reasoning_effort", struct chat, effort, CHAT_HAS_EFFORT),
    WIRE_CALL("stop", WANT_VALUE, take_stop),
    WIRE_CALL("max_tokens", WANT_WHOLE, take_max_tokens),
    WIRE_CALL("max_completion_tokens", WANT_WHOLE, take_max_completion_tokens),
    WIRE_CALL("functions", WANT_ARRAY, refuse_legacy),
    WIRE_CALL("function_call", WANT_VALUE, refuse_legacy),
};

enum err openai_chat_read_request(const struct json_tape *t, struct chat *c, struct fault *why)
{
    static const struct wire_shape shape = WIRE_SHAPE(ROOT, .settings = openai_chat_settings);
    struct wire_in in = WIRE_IN_REQUEST(t, c, why);
    c->family = S("openai");
    c->format = S("openai_chat");
    return wire_walk(&in, 0, &shape, c);
}
