/* A Responses request read into the form: the root and its settings. Facts: OpenAI API reference "Create a model response";
 * docs/wire.md. Pure. */
#include "wire/openai_responses/priv.h"

/* ---- tool choice ---------------------------------------------------------------------------------------------------------- */

static const struct wire_member CHOSEN[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_CALL("name", WANT_STRING, wire_take_choice_name),
};
static const struct wire_kind CHOSEN_TYPES[] = {
    {WIRE_STR("function"), CALL_FUNCTION, NULL},
    {WIRE_STR("custom"), CALL_CUSTOM, NULL},
};

static enum err take_chosen(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(CHOSEN);
    const struct wire_kind *kind;
    (void)into;
    TRY(wire_pick(in, at, "type", CHOSEN_TYPES, COUNTOF(CHOSEN_TYPES), &kind));
    if (!kind) return wire_bad(in, at, "only tools of type function and custom can be chosen when the request is translated");
    in->c->choice.form = (enum chat_call_form)kind->value;
    return wire_walk(in, at, &shape, NULL);
}

static enum err take_allowed_tools(struct wire_in *in, void *into, uint32_t at) { return wire_each(in, at, take_chosen, into); }
static const struct wire_member ALLOWED[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_CALL("mode", WANT_STRING, wire_take_choice_mode),
    WIRE_MUST_CALL("tools", WANT_ARRAY, take_allowed_tools),
};

static enum err take_choice_object(struct wire_in *in, struct chat *c, uint32_t at)
{
    static const struct wire_shape allowed = WIRE_SHAPE(ALLOWED);
    static const struct wire_kind TYPES[] = {{WIRE_STR("allowed_tools"), CHOICE_ALLOWED, NULL}};
    const struct wire_kind *kind;
    TRY(wire_pick(in, at, "type", TYPES, COUNTOF(TYPES), &kind));
    c->choice.mode = kind ? CHOICE_ALLOWED : CHOICE_NAMED;
    TRY(kind ? wire_walk(in, at, &allowed, NULL) : take_chosen(in, NULL, at));
    return c->choice.n_names ? OK : wire_bad(in, at, "names no tool");
}

static enum err take_choice(struct wire_in *in, void *into, uint32_t at)
{
    struct chat *c = into;
    chat_has(&c->node, CHAT_HAS_CHOICE);
    return json_is(in->t, at, JSON_STRING) ? wire_take_choice_word(in, at) : take_choice_object(in, c, at);
}

/* ---- text and reasoning ------------------------------------------------------------------------------------------------------ */

static const struct wire_member FORMAT[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_SPAN("name", struct chat, schema_name, WIRE_NO_FIELD),
    WIRE_SPAN("description", struct chat, schema_description, WIRE_NO_FIELD),
    WIRE_RAW("schema", WANT_OBJECT, struct chat, schema.text, WIRE_NO_FIELD),
    WIRE_FLAG("strict", struct chat, schema_strict, WIRE_NO_FIELD),
};
static enum err take_format(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(FORMAT);
    const struct chat *c = into;
    TRY(wire_take_output_kind(in, at, OUTPUTS_ALL));
    TRY(wire_walk_inside(in, at, &shape, into, "format"));
    bool whole = c->output != OUTPUT_SCHEMA || (c->schema_name.p && c->schema.text.p);
    return whole ? OK : wire_bad(in, at, "a json_schema must have a name and a schema");
}
static const struct wire_member TEXT[] = {WIRE_CALL("format", WANT_OBJECT, take_format)};
static enum err take_text(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape =
        WIRE_SHAPE(TEXT, .settings = openai_responses_settings, .place = OPENAI_RESPONSES_TEXT);
    return wire_walk_inside(in, at, &shape, into, "text");
}

/* The older name of `summary`. */
static enum err take_older_summary(struct wire_in *in, void *into, uint32_t at)
{
    struct chat *c = into;
    if (c->node.has & 1ull << CHAT_HAS_SUMMARY) return OK;
    c->summary = json_text(in->t, at);
    chat_has(&c->node, CHAT_HAS_SUMMARY);
    return OK;
}
static const struct wire_member REASONING[] = {
    WIRE_SPAN("effort", struct chat, effort, CHAT_HAS_EFFORT),
    WIRE_SPAN("summary", struct chat, summary, CHAT_HAS_SUMMARY),
    WIRE_CALL("generate_summary", WANT_STRING, take_older_summary),
};
static enum err take_reasoning(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(REASONING);
    return wire_walk_inside(in, at, &shape, into, "reasoning");
}

/* ---- the root ------------------------------------------------------------------------------------------------------------------ */

static const struct wire_member STREAM_OPTIONS[] = {WIRE_SKIP("include_obfuscation", WANT_BOOL)};
static enum err take_stream_options(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(STREAM_OPTIONS);
    return wire_walk_inside(in, at, &shape, into, "stream_options");
}

static enum err take_tools(struct wire_in *in, void *into, uint32_t at)
{
    struct chat *c = into;
    return openai_responses_read_tools(in, &c->tools, at);
}

static const struct wire_member ROOT[] = {
    WIRE_SKIP("model", WANT_STRING),
    WIRE_SKIP("stream", WANT_BOOL),
    WIRE_SKIP("instructions", WANT_STRING), /* read first, whatever its place */
    WIRE_CALL("stream_options", WANT_OBJECT, take_stream_options),
    WIRE_MUST_CALL("input", WANT_VALUE, openai_responses_take_input),
    WIRE_CALL("tools", WANT_ARRAY, take_tools),
    WIRE_CALL("tool_choice", WANT_VALUE, take_choice),
    WIRE_FLAG("parallel_tool_calls", struct chat, parallel, CHAT_HAS_PARALLEL),
    WIRE_CALL("text", WANT_OBJECT, take_text),
    WIRE_CALL("reasoning", WANT_OBJECT, take_reasoning),
};

static enum err read_instructions(struct wire_in *in)
{
    uint32_t at = json_find(in->t, 0, S("instructions"));
    if (!at || !json_is(in->t, at, JSON_STRING)) return OK; /* the walk refuses other types */
    struct chat_group *g = chat_add_group(in->a, ROLE_SYSTEM, wire_at(in, at));
    struct chat_item *i = g ? chat_add_item(in->a, &in->c->items, &in->c->items_last, ITEM_MESSAGE, g) : NULL;
    if (!i) return wire_full(in);
    g->apart = true;
    return wire_content(in, i, at, NULL, &g->shape);
}

enum err openai_responses_read_request(const struct json_tape *t, struct chat *c, struct fault *why)
{
    static const struct wire_shape shape = WIRE_SHAPE(ROOT, .settings = openai_responses_settings);
    struct wire_in in = WIRE_IN_REQUEST(t, c, why);
    c->family = S("openai");
    c->format = S("openai_responses");
    TRY(read_instructions(&in));
    return wire_walk(&in, 0, &shape, c);
}
