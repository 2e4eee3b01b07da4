/* All of a Converse request but its conversation, written from the form: tools and their names, settings, the model's own fields.
 * Facts: Amazon Bedrock API reference, "ToolConfiguration", "ToolSpecification", "InferenceConfiguration"; docs/wire.md. Pure. */
#include "wire/bedrock_converse/priv.h"

#include <stdlib.h>

typedef struct bedrock_converse_writing writing;

/* ---- tools -------------------------------------------------------------------------------------------------------------------- */

static void put_tool(writing *w, struct chat_tool *t)
{
    struct json_writer *j = &w->o.w;
    if (t->kind == TOOL_SERVER && w->same_format && chat_told(&t->node, TOOL_HAS_RAW)) json_put_raw(j, t->raw);
    if (t->kind == TOOL_FUNCTION) {
        json_put_object(j);
        json_add_object(j, S("toolSpec"));
        wire_put_field(&w->o, &t->node, TOOL_HAS_NAME, "name", t->name);
        wire_put_field(&w->o, &t->node, TOOL_HAS_DESCRIPTION, "description", t->description);
        chat_told(&t->node, TOOL_HAS_SCHEMA);
        json_add_object(j, S("inputSchema"));
        json_add_raw(j, S("json"), t->schema.p ? t->schema : S("{\"type\":\"object\",\"properties\":{}}"));
        wire_put_extra(&w->o, &t->node, S("inputSchema"), LOSS_EXTRA);
        json_put_end(j);
        if (w->same_format && chat_told(&t->node, TOOL_HAS_STRICT)) json_add_bool(j, S("strict"), t->strict == FLAG_YES);
        wire_put_extra(&w->o, &t->node, S("toolSpec"), LOSS_EXTRA);
        json_put_end(j);
        wire_put_extra(&w->o, &t->node, STR_NONE, LOSS_EXTRA);
        json_put_end(j);
    }
    if (t->strict == FLAG_YES) chat_lose(w->o.losses, &t->node, TOOL_HAS_STRICT, LOSS_STRICT);
    chat_told(&t->node, TOOL_HAS_STRICT);
    if (t->deferred == FLAG_YES) chat_lose(w->o.losses, &t->node, TOOL_HAS_DEFERRED, LOSS_HINT);
    chat_told(&t->node, TOOL_HAS_DEFERRED);
    chat_lose(w->o.losses, &t->node, TOOL_HAS_OUTPUT, LOSS_HINT);
    if (t->kind == TOOL_FUNCTION || t->kind == TOOL_SERVER) bedrock_converse_put_cache(w, &t->node, TOOL_HAS_CACHE, &t->cache);
}

static void put_choice(writing *w)
{
    static const struct str WORDS[] = {[CHOICE_AUTO] = {"auto", 4}, [CHOICE_REQUIRED] = {"any", 3}, [CHOICE_NAMED] = {"tool", 4}};
    struct chat *c = w->c;
    struct json_writer *j = &w->o.w;
    enum chat_choice_mode mode = c->choice.mode;
    if (mode != CHOICE_AUTO && mode != CHOICE_REQUIRED && mode != CHOICE_NAMED) return; /* ALLOWED: left for chat_account() */
    if (!chat_told(&c->node, CHAT_HAS_CHOICE)) return;
    json_add_object(j, S("toolChoice"));
    json_add_object(j, WORDS[mode]);
    if (mode == CHOICE_NAMED) json_put_name(j, S("name"));
    if (mode == CHOICE_NAMED) json_put_span(j, c->choice.names[0]);
    if (w->same_format) wire_put_extra(&w->o, &c->node, WORDS[mode], LOSS_EXTRA);
    json_put_end(j);
    if (w->same_format) wire_put_extra(&w->o, &c->node, S("toolChoice"), LOSS_EXTRA);
    json_put_end(j);
}

static bool history_has_tools(const struct chat *c)
{
    for (const struct chat_item *i = c->items; i; i = i->next)
        if (i->kind == ITEM_TOOL_CALL || i->kind == ITEM_TOOL_RESULT) return true;
    return false;
}

static void tick_tool(writing *w, struct chat_tool *t)
{
    t->node.told = t->node.has;
    chat_lose_extra(w->o.losses, &t->node, LOSS_EXTRA);
}

/* No tool may be called: there is no such choice, so that they are left out; where earlier turns called some the vendor demands
 * that there is one. */
static void put_no_tools(writing *w)
{
    struct json_writer *j = &w->o.w;
    bool forbidden = w->c->choice.mode == CHOICE_NONE;
    for (struct chat_tool *t = w->c->tools; t; t = t->next) tick_tool(w, t);
    if (forbidden) chat_lose(w->o.losses, &w->c->node, CHAT_HAS_CHOICE, LOSS_CHOICE);
    if (!history_has_tools(w->c) || w->same_format) return;
    w->o.losses->n[LOSS_CHOICE] += !forbidden;
    json_add_object(j, S("toolConfig"));
    json_add_raw(j, S("tools"),
                 S("[{\"toolSpec\":{\"name\":\"no_tool\",\"description\":\"Nothing can be called now. Do not call this.\","
                   "\"inputSchema\":{\"json\":{\"type\":\"object\",\"properties\":{}}}}}]"));
    json_put_end(j);
}

void bedrock_converse_put_tools(writing *w)
{
    struct chat *c = w->c;
    struct json_writer *j = &w->o.w;
    if (c->parallel == FLAG_NO) chat_lose(w->o.losses, &c->node, CHAT_HAS_PARALLEL, LOSS_PARALLEL);
    chat_told(&c->node, CHAT_HAS_PARALLEL);
    if (!w->same_format && (!c->tools || c->choice.mode == CHOICE_NONE)) {
        if (!c->tools && c->choice.mode != CHOICE_NONE) chat_told(&c->node, CHAT_HAS_CHOICE);
        put_no_tools(w);
        return;
    }
    bool any = c->tools || c->node.has & 1ull << CHAT_HAS_CHOICE || wire_has_extra(&c->node, S("toolConfig"));
    if (!any) return;
    json_add_object(j, S("toolConfig"));
    json_add_array(j, S("tools"));
    for (struct chat_tool *t = c->tools; t; t = t->next) put_tool(w, t);
    json_put_end(j);
    put_choice(w);
    if (w->same_format) wire_put_extra(&w->o, &c->node, S("toolConfig"), LOSS_EXTRA);
    json_put_end(j);
}

/* ---- settings ------------------------------------------------------------------------------------------------------------------ */

static bool is_raw(const struct chat *c, enum chat_setting s, struct str raw)
{
    return c->settings[s].p && str_eq(c->settings[s], raw);
}

static bool over_one(struct str number)
{
    char text[32];
    if (number.n >= sizeof text) return true;
    memcpy(text, number.p, number.n);
    text[number.n] = '\0';
    return strtod(text, NULL) > 1.0;
}

static void put_inference(writing *w)
{
    struct chat *c = w->c;
    struct json_writer *j = &w->o.w;
    bool own = w->same_format && wire_has_extra(&c->node, S("inferenceConfig"));
    bool warm = c->node.has & 1ull << SET_TEMPERATURE;
    if (!warm && !own && !wire_has_settings(c, bedrock_converse_settings, PLACE_INFERENCE)) return;
    json_add_object(j, S("inferenceConfig"));
    wire_put_settings(j, c, bedrock_converse_settings, PLACE_INFERENCE);
    bool hot = warm && !w->same_format && over_one(c->settings[SET_TEMPERATURE]);
    if (hot) w->o.losses->n[LOSS_SAMPLING]++;
    if (chat_told(&c->node, SET_TEMPERATURE)) json_add_raw(j, S("temperature"), hot ? S("1") : c->settings[SET_TEMPERATURE]);
    if (w->same_format) wire_put_extra(&w->o, &c->node, S("inferenceConfig"), LOSS_EXTRA);
    json_put_end(j);
}

static bool is_anthropic(const writing *w) { return str_eq(w->to->origin.family, S("anthropic")); }

static void put_thinking(writing *w)
{
    static const struct str TYPES[] = {
        [THINKING_OFF] = {"disabled", 8}, [THINKING_ON] = {"enabled", 7}, [THINKING_ADAPTIVE] = {"adaptive", 8}};
    struct chat *c = w->c;
    struct json_writer *j = &w->o.w;
    json_add_object(j, S("thinking"));
    json_add_str(j, S("type"), TYPES[c->thinking]);
    chat_told(&c->node, CHAT_HAS_THINKING);
    wire_put_field_raw(&w->o, &c->node, CHAT_HAS_BUDGET, "budget_tokens", c->budget);
    if (w->same_format) wire_put_extra(&w->o, &c->node, S("thinking"), LOSS_EXTRA);
    json_put_end(j);
}

/* Claude has an object for it, the open models OpenAI's word. */
static void put_effort(writing *w)
{
    struct chat *c = w->c;
    bool claude = w->same_format ? c->has_output_config : is_anthropic(w);
    if (claude) json_add_object(&w->o.w, S("output_config"));
    if (c->effort.p) wire_put_field(&w->o, &c->node, CHAT_HAS_EFFORT, claude ? "effort" : "reasoning_effort", c->effort);
    if (claude && w->same_format) wire_put_extra(&w->o, &c->node, S("output_config"), LOSS_EXTRA);
    if (claude) json_put_end(&w->o.w);
}

/* The model's own fields, by its family: Claude's thinking and top_k. A field that the model does not know would be refused. */
static void put_more(writing *w)
{
    struct chat *c = w->c;
    struct json_writer *j = &w->o.w;
    bool thinks = c->node.has & 1ull << CHAT_HAS_THINKING && (w->same_format || is_anthropic(w));
    bool effort = c->effort.p || (w->same_format && c->has_output_config);
    bool top_k = c->node.has & 1ull << SET_TOP_K && (w->same_format || (is_anthropic(w) && !thinks));
    bool extra = w->same_format && wire_has_extra(&c->node, S("additionalModelRequestFields"));
    if (thinks || effort || top_k || extra || wire_has_settings(c, bedrock_converse_settings, PLACE_MORE)) {
        json_add_object(j, S("additionalModelRequestFields"));
        if (thinks) put_thinking(w);
        if (effort) put_effort(w);
        if (top_k && chat_told(&c->node, SET_TOP_K)) json_add_raw(j, S("top_k"), c->settings[SET_TOP_K]);
        wire_put_settings(j, c, bedrock_converse_settings, PLACE_MORE);
        if (w->same_format) wire_put_extra(&w->o, &c->node, S("additionalModelRequestFields"), LOSS_EXTRA);
        json_put_end(j);
    }
    chat_told(&c->node, CHAT_HAS_THINKING);
    chat_lose(w->o.losses, &c->node, SET_TOP_K, LOSS_SAMPLING);
    chat_lose(w->o.losses, &c->node, CHAT_HAS_SUMMARY, LOSS_HINT);
}

static enum err put_output(writing *w)
{
    struct chat *c = w->c;
    struct json_writer *j = &w->o.w;
    struct str schema;
    bool own = w->same_format && wire_has_extra(&c->node, S("outputConfig"));
    if (c->output == OUTPUT_TEXT) chat_told(&c->node, CHAT_HAS_OUTPUT);
    bool format = c->output == OUTPUT_SCHEMA && c->schema.text.p;
    if (!format && !own) return OK;
    json_add_object(j, S("outputConfig"));
    if (format) {
        if (!chat_json_span(&c->schema, w->o.a, &schema)) return wire_request_full(w->why);
        chat_told(&c->node, CHAT_HAS_OUTPUT);
        json_add_object(j, S("textFormat"));
        json_add_str(j, S("type"), S("json_schema"));
        json_add_object(j, S("structure"));
        json_add_object(j, S("jsonSchema"));
        json_put_name(j, S("schema"));
        json_put_span(j, schema);
        if (c->schema_name.p) json_put_name(j, S("name"));
        if (c->schema_name.p) json_put_span(j, c->schema_name);
        if (c->schema_description.p) json_put_name(j, S("description"));
        if (c->schema_description.p) json_put_span(j, c->schema_description);
        if (w->same_format) wire_put_extra(&w->o, &c->node, S("jsonSchema"), LOSS_EXTRA);
        json_put_end(j);
        if (w->same_format) wire_put_extra(&w->o, &c->node, S("structure"), LOSS_EXTRA);
        json_put_end(j);
        if (w->same_format) wire_put_extra(&w->o, &c->node, S("textFormat"), LOSS_EXTRA);
        json_put_end(j);
    }
    if (own) wire_put_extra(&w->o, &c->node, S("outputConfig"), LOSS_EXTRA);
    json_put_end(j);
    return OK;
}

/* {"type": "priority"}, {"latency": "optimized"}. */
static void put_small(writing *w, enum chat_setting s, const char *object, const char *member)
{
    struct chat *c = w->c;
    bool extra = w->same_format && wire_has_extra(&c->node, str_z(object));
    if (!(c->node.has & 1ull << s) && !extra) return;
    json_add_object(&w->o.w, str_z(object));
    if (chat_told(&c->node, s)) json_add_raw(&w->o.w, str_z(member), c->settings[s]);
    if (extra) wire_put_extra(&w->o, &c->node, str_z(object), LOSS_EXTRA);
    json_put_end(&w->o.w);
}

static bool sells_tier(const writing *w)
{
    static const struct str TIERS[] = {{"\"default\"", 9}, {"\"flex\"", 6}, {"\"priority\"", 10}, {"\"reserved\"", 10}};
    for (unsigned i = 0; i < COUNTOF(TIERS); i++)
        if (is_raw(w->c, SET_SERVICE_TIER, TIERS[i])) return true;
    return w->same_format;
}

/* Wishes that ask for what this format does anyway. */
static void tick_defaults(struct chat *c)
{
    if (is_raw(c, SET_N, S("1"))) chat_told(&c->node, SET_N);
    if (is_raw(c, SET_LOGPROBS, S("false"))) chat_told(&c->node, SET_LOGPROBS);
    if (is_raw(c, SET_MODALITIES, S("[\"text\"]"))) chat_told(&c->node, SET_MODALITIES);
    if (is_raw(c, SET_BACKGROUND, S("false"))) chat_told(&c->node, SET_BACKGROUND);
    if (is_raw(c, SET_SERVICE_TIER, S("\"auto\""))) chat_told(&c->node, SET_SERVICE_TIER);
}

enum err bedrock_converse_put_config(writing *w)
{
    struct chat *c = w->c;
    put_inference(w);
    put_more(w);
    TRY(put_output(w));
    if (!w->same_format) tick_defaults(c);
    if (sells_tier(w)) put_small(w, SET_SERVICE_TIER, "serviceTier", "type");
    else if (!(c->node.told & 1ull << SET_SERVICE_TIER)) chat_lose(w->o.losses, &c->node, SET_SERVICE_TIER, LOSS_TIER);
    put_small(w, SET_LATENCY, "performanceConfig", "latency");
    wire_put_settings(&w->o.w, c, bedrock_converse_settings, PLACE_ROOT);
    wire_lose_settings(c, bedrock_converse_settings, w->o.losses);
    return OK;
}
