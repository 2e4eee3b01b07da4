/* All of a Converse request but its conversation, read into the form: tools, settings, the model's own fields. Facts: Amazon
 * Bedrock API reference, "Converse", "ToolConfiguration", "OutputConfig". Pure. */
#include "wire/bedrock_converse/priv.h"

#include "wire/anthropic_messages/priv.h"

/* ---- tools ------------------------------------------------------------------------------------------------------------------- */

static enum err take_schema_json(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_tool *tool = into;
    tool->schema = json_raw(in->t, at);
    chat_has(&tool->node, TOOL_HAS_SCHEMA);
    return OK;
}
static const struct wire_member SCHEMA[] = {WIRE_MUST_CALL("json", WANT_OBJECT, take_schema_json)};
static enum err take_schema(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(SCHEMA);
    return wire_walk_inside(in, at, &shape, into, "inputSchema");
}
static const struct wire_member SPEC[] = {
    WIRE_MUST_SPAN("name", struct chat_tool, name, TOOL_HAS_NAME),
    WIRE_SPAN("description", struct chat_tool, description, TOOL_HAS_DESCRIPTION),
    WIRE_MUST_CALL("inputSchema", WANT_OBJECT, take_schema),
    WIRE_FLAG("strict", struct chat_tool, strict, TOOL_HAS_STRICT),
};
static enum err take_spec(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(SPEC);
    return wire_walk_inside(in, at, &shape, into, "toolSpec");
}
static const struct wire_member TOOL[] = {WIRE_MUST_CALL("toolSpec", WANT_OBJECT, take_spec)};

static enum err take_tool_mark(struct wire_in *in, uint32_t at)
{
    struct chat_tool *last = in->c->tools ? in->c->tools->last : NULL;
    struct bedrock_converse_mark m = {NULL, NULL, TOOL_HAS_CACHE};
    if (last && !(last->node.has & 1ull << TOOL_HAS_CACHE)) {
        m.node = &last->node;
        m.cache = &last->cache;
    }
    return bedrock_converse_take_mark(in, m, at);
}

static enum err take_tool(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(TOOL);
    static const struct wire_kind WORDS[] = {{WIRE_STR("toolSpec"), 0, NULL}, {WIRE_STR("cachePoint"), 1, NULL}};
    const struct wire_kind *kind;
    (void)into;
    TRY(bedrock_converse_pick(in, at, WORDS, COUNTOF(WORDS), &kind));
    if (kind && kind->value) return take_tool_mark(in, at);
    struct chat_tool *tool = chat_add_tool(in->a, &in->c->tools, kind ? TOOL_FUNCTION : TOOL_SERVER);
    if (!tool) return wire_full(in);
    tool->node.at = wire_at(in, at);
    if (kind) return wire_walk(in, at, &shape, tool);
    return wire_raw_tool(in, tool, bedrock_converse_first_name(in, at), at);
}
static enum err take_tools(struct wire_in *in, void *into, uint32_t at) { return wire_each(in, at, take_tool, into); }

static const struct wire_member CHOSEN[] = {WIRE_MUST_CALL("name", WANT_STRING, wire_take_choice_name)};
static enum err take_chosen(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(CHOSEN);
    return wire_walk_inside(in, at, &shape, into, "tool");
}
static const struct wire_shape EMPTY = {.rows = NULL, .n = 0};
static enum err take_auto(struct wire_in *in, void *into, uint32_t at) { return wire_walk_inside(in, at, &EMPTY, into, "auto"); }
static enum err take_any(struct wire_in *in, void *into, uint32_t at) { return wire_walk_inside(in, at, &EMPTY, into, "any"); }
static const struct wire_member CHOICE[] = {
    WIRE_CALL("auto", WANT_OBJECT, take_auto),
    WIRE_CALL("any", WANT_OBJECT, take_any),
    WIRE_CALL("tool", WANT_OBJECT, take_chosen),
};
static const struct wire_kind CHOICES[] = {
    {WIRE_STR("auto"), CHOICE_AUTO, NULL}, {WIRE_STR("any"), CHOICE_REQUIRED, NULL}, {WIRE_STR("tool"), CHOICE_NAMED, NULL}};
static enum err take_choice(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(CHOICE);
    const struct wire_kind *kind;
    struct chat *c = into;
    TRY(bedrock_converse_pick(in, at, CHOICES, COUNTOF(CHOICES), &kind));
    if (!kind) return wire_bad(in, at, "must hold auto, any or tool");
    c->choice.mode = (enum chat_choice_mode)kind->value;
    chat_has(&c->node, CHAT_HAS_CHOICE);
    return wire_walk_inside(in, at, &shape, c, "toolChoice");
}
static const struct wire_member TOOL_CONFIG[] = {
    WIRE_MUST_CALL("tools", WANT_ARRAY, take_tools),
    WIRE_CALL("toolChoice", WANT_OBJECT, take_choice),
};
static enum err take_tool_config(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(TOOL_CONFIG);
    return wire_walk_inside(in, at, &shape, into, "toolConfig");
}

/* ---- settings ---------------------------------------------------------------------------------------------------------------- */

static enum err take_inference(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = {.settings = bedrock_converse_settings, .place = PLACE_INFERENCE};
    return wire_walk_inside(in, at, &shape, into, "inferenceConfig");
}

static enum err take_tier(struct wire_in *in, void *into, uint32_t at)
{
    (void)into;
    return wire_keep_setting(in, SET_SERVICE_TIER, at);
}
static enum err take_latency(struct wire_in *in, void *into, uint32_t at)
{
    (void)into;
    return wire_keep_setting(in, SET_LATENCY, at);
}
static const struct wire_member TIER[] = {WIRE_MUST_CALL("type", WANT_STRING, take_tier)};
static const struct wire_member PERFORMANCE[] = {WIRE_CALL("latency", WANT_STRING, take_latency)};
static enum err take_service_tier(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(TIER);
    return wire_walk_inside(in, at, &shape, into, "serviceTier");
}
static enum err take_performance(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(PERFORMANCE);
    return wire_walk_inside(in, at, &shape, into, "performanceConfig");
}

static enum err take_schema_text(struct wire_in *in, void *into, uint32_t at)
{
    struct chat *c = into;
    c->schema = (struct chat_json){json_text(in->t, at), true};
    return OK;
}
static const struct wire_member JSON_SCHEMA[] = {
    WIRE_MUST_CALL("schema", WANT_STRING, take_schema_text),
    WIRE_SPAN("name", struct chat, schema_name, WIRE_NO_FIELD),
    WIRE_SPAN("description", struct chat, schema_description, WIRE_NO_FIELD),
};
static enum err take_json_schema(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(JSON_SCHEMA);
    return wire_walk_inside(in, at, &shape, into, "jsonSchema");
}
static const struct wire_member STRUCTURE[] = {WIRE_MUST_CALL("jsonSchema", WANT_OBJECT, take_json_schema)};
static enum err take_structure(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(STRUCTURE);
    return wire_walk_inside(in, at, &shape, into, "structure");
}
static const struct wire_member TEXT_FORMAT[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_CALL("structure", WANT_OBJECT, take_structure),
};
static enum err take_text_format(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(TEXT_FORMAT);
    TRY(wire_take_output_kind(in, at, OUTPUTS_SCHEMA_ONLY));
    return wire_walk_inside(in, at, &shape, into, "textFormat");
}
static const struct wire_member OUTPUT[] = {WIRE_CALL("textFormat", WANT_OBJECT, take_text_format)};
static enum err take_output(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(OUTPUT);
    return wire_walk_inside(in, at, &shape, into, "outputConfig");
}

/* ---- the model's own fields: those that have a place in the form are the form's ----------------------------------------------- */

/* AWS's place for Claude's effort ("output_config"); an answer's form stands in the root's outputConfig. */
static const struct wire_member OUTPUT_CONFIG[] = {WIRE_SPAN("effort", struct chat, effort, CHAT_HAS_EFFORT)};
static enum err take_output_config(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(OUTPUT_CONFIG);
    struct chat *c = into;
    c->has_output_config = true;
    return wire_walk_inside(in, at, &shape, into, "output_config");
}

static const struct wire_member MORE[] = {
    WIRE_CALL("thinking", WANT_OBJECT, anthropic_messages_take_thinking),
    WIRE_SPAN("reasoning_effort", struct chat, effort, CHAT_HAS_EFFORT),
    WIRE_CALL("output_config", WANT_OBJECT, take_output_config),
};
static enum err take_more(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(MORE, .settings = bedrock_converse_settings, .place = PLACE_MORE);
    return wire_walk_inside(in, at, &shape, into, "additionalModelRequestFields");
}

/* ---- the root ------------------------------------------------------------------------------------------------------------------ */

static const struct wire_member ROOT[] = {
    WIRE_MUST_CALL("messages", WANT_ARRAY, bedrock_converse_take_messages),
    WIRE_CALL("toolConfig", WANT_OBJECT, take_tool_config),
    WIRE_CALL("inferenceConfig", WANT_OBJECT, take_inference),
    WIRE_CALL("additionalModelRequestFields", WANT_OBJECT, take_more),
    WIRE_CALL("outputConfig", WANT_OBJECT, take_output),
    WIRE_CALL("serviceTier", WANT_OBJECT, take_service_tier),
    WIRE_CALL("performanceConfig", WANT_OBJECT, take_performance),
    WIRE_SKIP("system", WANT_ARRAY), /* comes first, wherever it stands */
};

enum err bedrock_converse_read_request(const struct json_tape *t, struct chat *c, struct fault *why)
{
    static const struct wire_shape shape = WIRE_SHAPE(ROOT, .settings = bedrock_converse_settings, .place = PLACE_ROOT);
    struct wire_in in = WIRE_IN_REQUEST(t, c, why);
    uint32_t system = json_find(t, 0, S("system"));
    c->family = S("bedrock");
    c->format = S("bedrock_converse");
    if (system && !json_is(t, system, JSON_NULL)) TRY(bedrock_converse_take_system(&in, system));
    return wire_walk(&in, 0, &shape, c);
}
