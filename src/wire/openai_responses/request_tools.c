/* The tools of a Responses request, read from it and written into it; of `additional_tools` items as well. Facts: OpenAI API
 * reference "Create a model response", tools. Pure. */
#include "wire/openai_responses/priv.h"

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

static enum err take_children(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_tool *t = into;
    chat_has(&t->node, TOOL_HAS_CHILDREN);
    return openai_responses_read_tools(in, &t->children, at);
}

static const struct wire_member FUNCTION[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("name", struct chat_tool, name, TOOL_HAS_NAME),
    WIRE_SPAN("description", struct chat_tool, description, TOOL_HAS_DESCRIPTION),
    WIRE_RAW("parameters", WANT_OBJECT, struct chat_tool, schema, TOOL_HAS_SCHEMA),
    WIRE_RAW("output_schema", WANT_OBJECT, struct chat_tool, output_schema, TOOL_HAS_OUTPUT),
    WIRE_FLAG("strict", struct chat_tool, strict, TOOL_HAS_STRICT),
    WIRE_FLAG("defer_loading", struct chat_tool, deferred, TOOL_HAS_DEFERRED),
};
static const struct wire_member CUSTOM[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("name", struct chat_tool, name, TOOL_HAS_NAME),
    WIRE_SPAN("description", struct chat_tool, description, TOOL_HAS_DESCRIPTION),
    WIRE_RAW("format", WANT_OBJECT, struct chat_tool, grammar, TOOL_HAS_GRAMMAR),
    WIRE_FLAG("defer_loading", struct chat_tool, deferred, TOOL_HAS_DEFERRED),
};
static const struct wire_member NAMESPACE[] = {
    WIRE_SKIP("type", WANT_STRING),
    WIRE_MUST_SPAN("name", struct chat_tool, name, TOOL_HAS_NAME),
    WIRE_SPAN("description", struct chat_tool, description, TOOL_HAS_DESCRIPTION),
    WIRE_MUST_CALL("tools", WANT_ARRAY, take_children),
};
static const struct wire_shape SHAPES[] = {
    [TOOL_FUNCTION] = WIRE_SHAPE(FUNCTION),
    [TOOL_CUSTOM] = WIRE_SHAPE(CUSTOM),
    [TOOL_NAMESPACE] = WIRE_SHAPE(NAMESPACE),
};
static const struct wire_kind TYPES[] = {
    {WIRE_STR("function"), TOOL_FUNCTION, NULL},
    {WIRE_STR("custom"), TOOL_CUSTOM, NULL},
    {WIRE_STR("namespace"), TOOL_NAMESPACE, NULL},
};

static enum err take_tool(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_tool **list = into;
    const struct wire_kind *kind;
    TRY(wire_pick(in, at, "type", TYPES, COUNTOF(TYPES), &kind));
    struct chat_tool *tool = chat_add_tool(in->a, list, kind ? (enum chat_tool_kind)kind->value : TOOL_SERVER);
    if (!tool) return wire_full(in);
    tool->node.at = wire_at(in, at);
    if (kind) return wire_walk(in, at, &SHAPES[kind->value], tool);
    return wire_raw_tool(in, tool, wire_type_of(in, at), at);
}

enum err openai_responses_read_tools(struct wire_in *in, struct chat_tool **list, uint32_t at)
{
    return wire_each(in, at, take_tool, list);
}

/* ---- writing ---------------------------------------------------------------------------------------------------------------- */

/* A function is strict here unless it says otherwise; in other formats it is not. */
static void put_function(struct openai_responses_writing *w, struct chat_tool *t)
{
    struct json_writer *j = &w->o.w;
    struct str none = S("{\"type\":\"object\",\"properties\":{}}");
    bool told = chat_told(&t->node, TOOL_HAS_STRICT);
    if (chat_told(&t->node, TOOL_HAS_SCHEMA)) json_add_raw(j, S("parameters"), t->schema);
    else if (!w->same_format) json_add_raw(j, S("parameters"), none);
    if (told || !w->same_format) json_add_bool(j, S("strict"), told && t->strict == FLAG_YES);
    if (w->same_format) wire_put_field_raw(&w->o, &t->node, TOOL_HAS_OUTPUT, "output_schema", t->output_schema);
    chat_lose(w->o.losses, &t->node, TOOL_HAS_OUTPUT, LOSS_HINT);
}

static enum err put_tool(struct openai_responses_writing *w, struct chat_tool *t, unsigned depth)
{
    static const struct str WORDS[] = {
        [TOOL_FUNCTION] = {"function", 8}, [TOOL_CUSTOM] = {"custom", 6}, [TOOL_NAMESPACE] = {"namespace", 9}};
    struct json_writer *j = &w->o.w;
    if (t->kind == TOOL_SERVER) {
        if (w->same_format && chat_told(&t->node, TOOL_HAS_RAW)) json_put_raw(j, t->raw);
        return OK;
    }
    json_put_object(j);
    json_add_str(j, S("type"), WORDS[t->kind]);
    wire_put_field(&w->o, &t->node, TOOL_HAS_NAME, "name", t->name);
    wire_put_field(&w->o, &t->node, TOOL_HAS_DESCRIPTION, "description", t->description);
    if (t->kind == TOOL_FUNCTION) put_function(w, t);
    if (t->kind == TOOL_CUSTOM) wire_put_field_raw(&w->o, &t->node, TOOL_HAS_GRAMMAR, "format", t->grammar);
    if (w->same_format && chat_told(&t->node, TOOL_HAS_DEFERRED)) json_add_bool(j, S("defer_loading"), t->deferred == FLAG_YES);
    chat_lose(w->o.losses, &t->node, TOOL_HAS_DEFERRED, LOSS_HINT);
    chat_lose(w->o.losses, &t->node, TOOL_HAS_CACHE, LOSS_CACHE);
    if (chat_told(&t->node, TOOL_HAS_CHILDREN)) {
        json_put_name(j, S("tools"));
        TRY(openai_responses_put_tools(w, t->children, depth + 1));
    }
    wire_put_extra(&w->o, &t->node, STR_NONE, LOSS_EXTRA);
    json_put_end(j);
    return OK;
}

/* The array's value. */
enum err openai_responses_put_tools(struct openai_responses_writing *w, struct chat_tool *tools, unsigned depth)
{
    enum { DEPTH_MAX = 20 };
    if (depth > DEPTH_MAX) return FAIL(w->why, ERR_BAD_REQUEST, "tools: namespaces lie deeper than %d in each other", DEPTH_MAX);
    json_put_array(&w->o.w);
    for (struct chat_tool *t = tools; t; t = t->next) TRY(put_tool(w, t, depth));
    json_put_end(&w->o.w);
    return OK;
}

static void put_chosen(struct json_writer *j, struct str name, enum chat_call_form form)
{
    json_put_object(j);
    json_add_str(j, S("type"), form == CALL_CUSTOM ? S("custom") : S("function"));
    json_put_name(j, S("name"));
    json_put_span(j, name);
    json_put_end(j);
}

void openai_responses_put_choice(struct openai_responses_writing *w)
{
    const struct chat_choice *choice = &w->c->choice;
    struct json_writer *j = &w->o.w;
    if (!wire_put_choice(j, w->c, put_chosen)) return;
    json_add_str(j, S("mode"), wire_choice_word(choice->within));
    json_add_array(j, S("tools"));
    for (unsigned i = 0; i < choice->n_names; i++) put_chosen(j, choice->names[i], choice->form);
    json_put_end(j);
    json_put_end(j);
}
