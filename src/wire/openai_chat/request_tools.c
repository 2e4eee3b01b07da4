/* The tools of a Chat Completions request, and which of them shall be called, written from the form. Pure. */
#include "wire/openai_chat/priv.h"

/* ---- tools --------------------------------------------------------------------------------------------------------------- */

static void put_tool_body(struct openai_chat_writing *w, struct chat_tool *t)
{
    struct json_writer *j = &w->o.w;
    bool custom = t->kind == TOOL_CUSTOM;
    json_add_object(j, custom ? S("custom") : S("function"));
    wire_put_field(&w->o, &t->node, TOOL_HAS_NAME, "name", t->name);
    wire_put_field(&w->o, &t->node, TOOL_HAS_DESCRIPTION, "description", t->description);
    wire_put_field_raw(&w->o, &t->node, TOOL_HAS_SCHEMA, "parameters", t->schema);
    if (custom) wire_put_field_raw(&w->o, &t->node, TOOL_HAS_GRAMMAR, "format", t->grammar);
    if (chat_told(&t->node, TOOL_HAS_STRICT)) json_add_bool(j, S("strict"), t->strict == FLAG_YES);
    chat_lose(w->o.losses, &t->node, TOOL_HAS_CACHE, LOSS_CACHE);
    chat_lose(w->o.losses, &t->node, TOOL_HAS_OUTPUT, LOSS_HINT);
    if (t->deferred == FLAG_NO) chat_told(&t->node, TOOL_HAS_DEFERRED);
    else chat_lose(w->o.losses, &t->node, TOOL_HAS_DEFERRED, LOSS_HINT);
    wire_put_extra(&w->o, &t->node, custom ? S("custom") : S("function"), LOSS_EXTRA);
    json_put_end(j);
}

static void put_tool(struct openai_chat_writing *w, struct chat_tool *t)
{
    if (w->same_format && t->kind == TOOL_SERVER && chat_told(&t->node, TOOL_HAS_RAW)) json_put_raw(&w->o.w, t->raw);
    if (t->kind != TOOL_FUNCTION && t->kind != TOOL_CUSTOM) return;
    json_put_object(&w->o.w);
    json_add_str(&w->o.w, S("type"), t->kind == TOOL_CUSTOM ? S("custom") : S("function"));
    put_tool_body(w, t);
    wire_put_extra(&w->o, &t->node, STR_NONE, LOSS_EXTRA);
    json_put_end(&w->o.w);
}

void openai_chat_put_tools(struct openai_chat_writing *w)
{
    if (!w->c->tools) return;
    json_add_array(&w->o.w, S("tools"));
    for (struct chat_tool *t = w->c->tools; t; t = t->next) put_tool(w, t);
    json_put_end(&w->o.w);
}

static void put_chosen(struct json_writer *j, struct str name, enum chat_call_form form)
{
    struct str type = form == CALL_CUSTOM ? S("custom") : S("function");
    json_put_object(j);
    json_add_str(j, S("type"), type);
    json_add_object(j, type);
    json_put_name(j, S("name"));
    json_put_span(j, name);
    json_put_end(j);
    json_put_end(j);
}

void openai_chat_put_choice(struct openai_chat_writing *w)
{
    const struct chat_choice *choice = &w->c->choice;
    struct json_writer *j = &w->o.w;
    if (!wire_put_choice(j, w->c, put_chosen)) return;
    json_add_object(j, S("allowed_tools"));
    json_add_str(j, S("mode"), wire_choice_word(choice->within));
    json_add_array(j, S("tools"));
    for (unsigned i = 0; i < choice->n_names; i++) put_chosen(j, choice->names[i], CALL_FUNCTION);
    json_put_end(j);
    json_put_end(j);
    json_put_end(j);
}
