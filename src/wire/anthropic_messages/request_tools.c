/* Tools, thinking and output of a Messages request written from the form; A11, A14, A19 in docs/wire.md. Pure. */
#include "wire/anthropic_messages/priv.h"

/* A14: what stands in for a bound that neither caller nor catalogue told. */

/* ---- tools ---------------------------------------------------------------------------------------------------------------------------- */

static void put_tool(struct anthropic_messages_writing *w, struct chat_tool *t)
{
    struct json_writer *j = &w->o.w;
    if (t->kind == TOOL_SERVER && w->o.same_family && chat_told(&t->node, TOOL_HAS_RAW)) json_put_raw(j, t->raw);
    if (t->kind != TOOL_FUNCTION) return;
    json_put_object(j);
    wire_put_field(&w->o, &t->node, TOOL_HAS_NAME, "name", t->name);
    wire_put_field(&w->o, &t->node, TOOL_HAS_DESCRIPTION, "description", t->description);
    chat_told(&t->node, TOOL_HAS_SCHEMA);
    json_add_raw(j, S("input_schema"), t->schema.p ? t->schema : S("{\"type\":\"object\",\"properties\":{}}"));
    if (w->o.same_family && chat_told(&t->node, TOOL_HAS_STRICT)) json_add_bool(j, S("strict"), t->strict == FLAG_YES);
    if (t->strict == FLAG_YES) chat_lose(w->o.losses, &t->node, TOOL_HAS_STRICT, LOSS_STRICT);
    chat_told(&t->node, TOOL_HAS_STRICT);
    if (chat_told(&t->node, TOOL_HAS_DEFERRED)) json_add_bool(j, S("defer_loading"), t->deferred == FLAG_YES);
    chat_lose(w->o.losses, &t->node, TOOL_HAS_OUTPUT, LOSS_HINT);
    anthropic_messages_put_cache(w, &t->node, TOOL_HAS_CACHE, &t->cache);
    wire_put_extra(&w->o, &t->node, STR_NONE, LOSS_EXTRA);
    json_put_end(j);
}

void anthropic_messages_put_tools(struct anthropic_messages_writing *w)
{
    if (!w->c->tools) return;
    json_add_array(&w->o.w, S("tools"));
    for (struct chat_tool *t = w->c->tools; t; t = t->next) put_tool(w, t);
    json_put_end(&w->o.w);
}

/* Without tools there is nothing to choose, and the vendor refuses a choice. */
void anthropic_messages_put_choice(struct anthropic_messages_writing *w)
{
    static const struct str TYPES[] = {
        [CHOICE_ABSENT] = {"auto", 4},  [CHOICE_AUTO] = {"auto", 4},  [CHOICE_NONE] = {"none", 4},
        [CHOICE_REQUIRED] = {"any", 3}, [CHOICE_NAMED] = {"tool", 4},
    };
    struct chat *c = w->c;
    struct json_writer *j = &w->o.w;
    bool parallel = c->parallel != FLAG_ABSENT && (w->same_format || c->parallel == FLAG_NO);
    if (c->choice.mode == CHOICE_ALLOWED) return; /* left for chat_account() */
    bool chosen = chat_told(&c->node, CHAT_HAS_CHOICE);
    chat_told(&c->node, CHAT_HAS_PARALLEL);
    if (!c->tools || (!chosen && !parallel)) return;
    json_add_object(j, S("tool_choice"));
    json_add_str(j, S("type"), TYPES[c->choice.mode]);
    if (c->choice.mode == CHOICE_NAMED) json_put_name(j, S("name"));
    if (c->choice.mode == CHOICE_NAMED) json_put_span(j, c->choice.names[0]);
    if (parallel && c->choice.mode != CHOICE_NONE) json_add_bool(j, S("disable_parallel_tool_use"), c->parallel == FLAG_NO);
    wire_put_extra(&w->o, &c->node, S("tool_choice"), LOSS_EXTRA);
    json_put_end(j);
}

/* ---- reasoning (A11) -------------------------------------------------------------------------------------------------------------------- */

uint64_t anthropic_messages_max_tokens(const struct anthropic_messages_writing *w)
{
    uint64_t n = 0;
    if (str_u64(w->c->settings[SET_MAX_OUTPUT], &n)) return n;
    return w->to->max_output ? w->to->max_output : WIRE_MESSAGES_MOST;
}

void anthropic_messages_put_thinking(struct anthropic_messages_writing *w)
{
    static const struct str TYPES[] = {
        [THINKING_OFF] = {"disabled", 8}, [THINKING_ON] = {"enabled", 7}, [THINKING_ADAPTIVE] = {"adaptive", 8}};
    struct chat *c = w->c;
    struct json_writer *j = &w->o.w;
    if (!w->o.same_family) chat_lose(w->o.losses, &c->node, CHAT_HAS_SUMMARY, LOSS_HINT);
    if (!chat_told(&c->node, CHAT_HAS_THINKING)) return;
    json_add_object(j, S("thinking"));
    json_add_str(j, S("type"), TYPES[c->thinking]);
    wire_put_field_raw(&w->o, &c->node, CHAT_HAS_BUDGET, "budget_tokens", c->budget);
    wire_put_extra(&w->o, &c->node, S("thinking"), LOSS_EXTRA);
    json_put_end(j);
}

enum err anthropic_messages_put_output(struct anthropic_messages_writing *w)
{
    struct chat *c = w->c;
    struct json_writer *j = &w->o.w;
    struct str schema;
    bool effort = c->node.has & 1ull << CHAT_HAS_EFFORT;
    bool format = c->output == OUTPUT_SCHEMA && c->schema.text.p;
    if (c->output == OUTPUT_TEXT) chat_told(&c->node, CHAT_HAS_OUTPUT);
    if (!effort && !format) return OK;
    bool named = c->schema_name.p || c->schema_description.p;
    if (format && named) w->o.losses->n[LOSS_HINT]++; /* the vendor's schemas have no name */
    if (format) TRY(chat_json_raw(&c->schema, w->o.a, w->to->tape, &schema, w->why));
    json_add_object(j, S("output_config"));
    if (effort) wire_put_field(&w->o, &c->node, CHAT_HAS_EFFORT, "effort", c->effort);
    if (format) {
        chat_told(&c->node, CHAT_HAS_OUTPUT);
        json_add_object(j, S("format"));
        json_add_str(j, S("type"), S("json_schema"));
        json_add_raw(j, S("schema"), schema);
        wire_put_extra(&w->o, &c->node, S("format"), LOSS_EXTRA);
        json_put_end(j);
    }
    wire_put_extra(&w->o, &c->node, S("output_config"), LOSS_EXTRA);
    json_put_end(j);
    return OK;
}
