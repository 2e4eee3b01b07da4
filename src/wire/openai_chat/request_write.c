/* The form written as a Chat Completions request. Results become tool messages; what of an assistant's turn stands together
 * becomes one message; pictures in results come in a user's message behind them. Facts: OpenAI API reference "Create chat
 * completion"; docs/wire.md. Pure. */
#include "wire/openai_chat/priv.h"

/* ---- assistant --------------------------------------------------------------------------------------------------------- */

static bool is_assistant(const struct chat_item *i) { return i && i->group && i->group->role == ROLE_ASSISTANT; }

/* May `next` come into the message that `i` is in? */
static bool goes_on(const struct chat_item *i, const struct chat_item *next)
{
    if (!is_assistant(next)) return false;
    if (next->group == i->group) return true;
    return i->group->loose && next->group->loose && !(next->kind == ITEM_MESSAGE && i->kind == ITEM_MESSAGE);
}

static void lose_reasoning(struct openai_chat_writing *w, struct chat_item *i)
{
    for (struct chat_part *p = i->parts; p; p = p->next) {
        wire_lose_part(&w->o, p);
        chat_lose(w->o.losses, &p->node, PART_HAS_TEXT, LOSS_REASONING);
        wire_put_extra(&w->o, &p->node, STR_NONE, LOSS_EXTRA);
    }
    chat_lose(w->o.losses, &i->node, ITEM_HAS_PARTS, LOSS_REASONING);
    chat_lose_extra(w->o.losses, &i->node, LOSS_EXTRA);
}

/* Servers that think in reasoning_content take it back there; OpenAI's own do not know the field. */
static void put_reasoning(struct openai_chat_writing *w, struct chat_item *i)
{
    bool takes = w->same_format || w->to->quirks & QUIRK_REASONING_CONTENT;
    wire_lose_marked_item(&w->o, i);
    if (!takes || !i->parts) {
        lose_reasoning(w, i);
        return;
    }
    chat_told(&i->node, ITEM_HAS_PARTS);
    json_put_name(&w->o.w, S("reasoning_content"));
    json_put_string_begin(&w->o.w);
    for (struct chat_part *p = i->parts; p; p = p->next) {
        wire_lose_part(&w->o, p);
        if (chat_told(&p->node, PART_HAS_TEXT)) buf_str(w->o.w.out, p->text);
        chat_lose_extra(w->o.losses, &p->node, LOSS_EXTRA);
    }
    json_put_string_end(&w->o.w);
    chat_lose_extra(w->o.losses, &i->node, LOSS_EXTRA);
}

static enum err put_call(struct openai_chat_writing *w, struct chat_item *i)
{
    bool custom = i->form == CALL_CUSTOM;
    struct str arguments;
    if (!chat_json_span(&i->arguments, w->o.a, &arguments)) return wire_request_full(w->why);
    wire_lose_marked_item(&w->o, i);
    chat_told(&i->node, ITEM_HAS_CALL_ID);
    json_put_object(&w->o.w);
    json_put_name(&w->o.w, S("id"));
    json_put_span(&w->o.w, i->call_id);
    json_add_str(&w->o.w, S("type"), custom ? S("custom") : S("function"));
    json_add_object(&w->o.w, custom ? S("custom") : S("function"));
    wire_put_field(&w->o, &i->node, ITEM_HAS_NAME, "name", i->name);
    chat_told(&i->node, ITEM_HAS_ARGUMENTS);
    json_put_name(&w->o.w, custom ? S("input") : S("arguments"));
    json_put_span(&w->o.w, arguments.n || custom ? arguments : S("{}"));
    wire_put_extra(&w->o, &i->node, custom ? S("custom") : S("function"), LOSS_EXTRA);
    json_put_end(&w->o.w);
    wire_put_extra(&w->o, &i->node, STR_NONE, LOSS_EXTRA);
    json_put_end(&w->o.w);
    return OK;
}

/* What one assistant's message is made of. */
struct turn {
    struct chat_item *first, *end; /* end: the one behind */
    unsigned texts, others, calls; /* parts, parts that are not text, calls */
    struct chat_part *only;
};

/* Empty text is never made where it did not stand. */
static bool is_told_empty(const struct openai_chat_writing *w, struct chat_part *p)
{
    if (w->same_format || !openai_chat_is_empty_text(p)) return false;
    chat_told(&p->node, PART_HAS_TEXT);
    return true;
}

static struct turn turn_of(struct openai_chat_writing *w, struct chat_item *first)
{
    struct turn t = {.first = first};
    struct chat_item *i = first, *before;
    do {
        for (struct chat_part *p = i->parts; i->kind == ITEM_MESSAGE && p; p = p->next) {
            if (is_told_empty(w, p)) continue;
            t.texts++;
            t.others += p->kind != PART_TEXT || p->node.extra;
            t.only = p;
        }
        if (i->kind == ITEM_MESSAGE && t.calls) w->o.losses->n[LOSS_ORDER]++;
        t.calls += i->kind == ITEM_TOOL_CALL;
        before = i;
        i = i->next;
    } while (goes_on(before, i));
    t.end = i;
    return t;
}

static void put_turn_content(struct openai_chat_writing *w, const struct turn *t)
{
    const struct chat_group *g = t->first->group;
    if (t->texts == 0 && g->shape == SHAPE_ABSENT && (w->same_format || t->calls == 0)) return;
    json_put_name(&w->o.w, S("content"));
    if (t->texts == 0) {
        if (g->shape == SHAPE_ARRAY && w->same_format) json_put_raw(&w->o.w, S("[]"));
        else json_put_null(&w->o.w);
        return;
    }
    if (t->texts == 1 && t->others == 0 && openai_chat_as_string(w, t->only, g->shape)) {
        openai_chat_put_string(w, t->only);
        return;
    }
    json_put_array(&w->o.w);
    for (struct chat_item *i = t->first; i != t->end; i = i->next)
        for (struct chat_part *p = i->parts; i->kind == ITEM_MESSAGE && p; p = p->next)
            if (!is_told_empty(w, p)) openai_chat_put_part(w, p);
    json_put_end(&w->o.w);
}

static void put_group(struct openai_chat_writing *w, struct chat_group *g)
{
    wire_put_field(&w->o, &g->node, GROUP_HAS_NAME, "name", g->name);
    if (w->same_format) wire_put_field_raw(&w->o, &g->node, GROUP_HAS_AUDIO, "audio", g->audio);
    chat_lose(w->o.losses, &g->node, GROUP_HAS_ID, LOSS_ITEM_ID);
    chat_lose(w->o.losses, &g->node, GROUP_HAS_CACHE, LOSS_CACHE);
    chat_told(&g->node, GROUP_HAS_ROLE);
    wire_put_extra(&w->o, &g->node, STR_NONE, LOSS_EXTRA);
}

static enum err put_calls(struct openai_chat_writing *w, const struct turn *t)
{
    json_add_array(&w->o.w, S("tool_calls"));
    for (struct chat_item *i = t->first; i != t->end; i = i->next)
        if (i->kind == ITEM_TOOL_CALL) TRY(put_call(w, i));
    json_put_end(&w->o.w);
    return OK;
}

/* A turn that was only reasoning, and that cannot be told, leaves no message. */
static bool is_silent(const struct openai_chat_writing *w, const struct turn *t)
{
    bool reasons = w->same_format || w->to->quirks & QUIRK_REASONING_CONTENT;
    return t->texts == 0 && t->calls == 0 && t->first->kind == ITEM_REASONING && !reasons;
}

static enum err put_assistant(struct openai_chat_writing *w, struct chat_item **at)
{
    struct turn t = turn_of(w, *at);
    *at = t.end;
    if (is_silent(w, &t)) {
        for (struct chat_item *i = t.first; i != t.end; i = i->next) put_reasoning(w, i);
        return OK;
    }
    json_put_object(&w->o.w);
    json_add_str(&w->o.w, S("role"), S("assistant"));
    for (struct chat_item *i = t.first; i != t.end; i = i->next)
        if (i->kind == ITEM_REASONING) put_reasoning(w, i);
    put_turn_content(w, &t);
    for (struct chat_item *i = t.first; i != t.end; i = i->next) {
        if (i->kind == ITEM_MESSAGE) wire_lose_marked_item(&w->o, i);
        if (i->kind == ITEM_MESSAGE) wire_put_extra(&w->o, &i->node, STR_NONE, LOSS_EXTRA);
    }
    if (t.calls) TRY(put_calls(w, &t));
    put_group(w, t.first->group);
    json_put_end(&w->o.w);
    return OK;
}

/* ---- results, and all others -------------------------------------------------------------------------------------------- */

static bool is_text_part(const struct chat_part *p)
{
    return p->kind == PART_TEXT || (p->kind == PART_DOCUMENT && p->media.form == MEDIA_TEXT);
}

static void put_result_parts(struct openai_chat_writing *w, struct chat_item *i, bool failed)
{
    json_put_array(&w->o.w);
    if (failed) {
        json_put_object(&w->o.w);
        json_add_str(&w->o.w, S("type"), S("text"));
        json_add_str(&w->o.w, S("text"), S("The tool failed:"));
        json_put_end(&w->o.w);
    }
    for (struct chat_part *p = i->parts; p; p = p->next)
        if (is_text_part(p)) openai_chat_put_part(w, p);
    json_put_end(&w->o.w);
}

/* The flag has no place of its own here. */
static void put_result_content(struct openai_chat_writing *w, struct chat_item *i)
{
    bool failed = i->error == FLAG_YES, says = w->same_format && i->parts;
    for (const struct chat_part *p = i->parts; p; p = p->next) says |= is_text_part(p);
    if (chat_told(&i->node, ITEM_HAS_ERROR) && failed) w->o.losses->n[LOSS_RESULT_ERROR]++;
    json_put_name(&w->o.w, S("content"));
    if (!says && !failed) json_put_str(&w->o.w, S(""));
    else if (!failed && openai_chat_as_string(w, i->parts, i->shape)) openai_chat_put_string(w, i->parts);
    else put_result_parts(w, i, failed);
}

static void put_result(struct openai_chat_writing *w, struct chat_item *i)
{
    json_put_object(&w->o.w);
    json_add_str(&w->o.w, S("role"), S("tool"));
    wire_put_field(&w->o, &i->node, ITEM_HAS_CALL_ID, "tool_call_id", i->call_id);
    chat_told(&i->node, ITEM_HAS_PARTS);
    put_result_content(w, i);
    if (w->same_format) wire_put_field(&w->o, &i->node, ITEM_HAS_NAME, "name", i->name);
    else chat_told(&i->node, ITEM_HAS_NAME); /* the call says it */
    wire_lose_marked_item(&w->o, i);
    wire_put_extra(&w->o, &i->node, STR_NONE, LOSS_EXTRA);
    json_put_end(&w->o.w);
}

static bool has_media(const struct chat_item *i)
{
    for (const struct chat_part *p = i->parts; p; p = p->next)
        if (!is_text_part(p) && openai_chat_can_put(p)) return true;
    return false;
}

/* Results of parallel calls must follow each other, so what they cannot hold comes behind the last. */
static void put_media_behind(struct openai_chat_writing *w, struct chat_item *from, const struct chat_item *end)
{
    bool any = false;
    for (struct chat_item *i = from; i != end; i = i->next) any |= has_media(i);
    if (!any) return;
    json_put_object(&w->o.w);
    json_add_str(&w->o.w, S("role"), S("user"));
    json_add_array(&w->o.w, S("content"));
    for (struct chat_item *i = from; i != end; i = i->next) {
        if (has_media(i)) w->o.losses->n[LOSS_RESULT_MEDIA]++;
        for (struct chat_part *p = i->parts; p; p = p->next)
            if (!is_text_part(p)) openai_chat_put_part(w, p);
    }
    json_put_end(&w->o.w);
    json_put_end(&w->o.w);
}

static void put_results(struct openai_chat_writing *w, struct chat_item **at)
{
    struct chat_item *from = *at, *i = from;
    for (; i && i->kind == ITEM_TOOL_RESULT; i = i->next) {
        put_result(w, i);
        put_group(w, i->group);
    }
    put_media_behind(w, from, i);
    *at = i;
}

static struct str role_word(const struct openai_chat_writing *w, const struct chat_item *i)
{
    enum chat_role role = i->group->role;
    if (role == ROLE_DEVELOPER) return w->to->quirks & QUIRK_NO_DEVELOPER ? S("system") : S("developer");
    return role == ROLE_SYSTEM ? S("system") : S("user");
}

/* A message of the user or of the system. Without content it would be refused, and says nothing. */
static void put_message(struct openai_chat_writing *w, struct chat_item *i)
{
    bool string = openai_chat_as_string(w, i->parts, i->group->shape);
    json_put_object(&w->o.w);
    json_add_str(&w->o.w, S("role"), role_word(w, i));
    json_put_name(&w->o.w, S("content"));
    if (string) openai_chat_put_string(w, i->parts);
    else json_put_array(&w->o.w);
    for (struct chat_part *p = i->parts; !string && p; p = p->next)
        if (!openai_chat_is_empty_text(p) || w->same_format) openai_chat_put_part(w, p);
        else chat_told(&p->node, PART_HAS_TEXT);
    if (!string) json_put_end(&w->o.w);
    wire_lose_marked_item(&w->o, i);
    wire_put_extra(&w->o, &i->node, STR_NONE, LOSS_EXTRA);
    put_group(w, i->group);
    json_put_end(&w->o.w);
}

/* Most messages: a text and nothing that could be lost, with nothing beside it that comes into the same. */
static bool is_alone(const struct openai_chat_writing *w, const struct chat_item *i)
{
    return chat_is_said(i) && (i->parts->text.n || w->same_format) && !(is_assistant(i) && goes_on(i, i->next));
}

static void put_alone(struct openai_chat_writing *w, struct chat_item *i)
{
    bool user = i->group->role == ROLE_USER, assistant = i->group->role == ROLE_ASSISTANT;
    struct str before = user ? S("{\"role\":\"user\",\"content\":\"") : S("{\"role\":\"assistant\",\"content\":\"");
    if (!user && !assistant) {
        put_message(w, i);
        return;
    }
    json_put_around(&w->o.w, before, i->parts->text, S("\"}"));
    chat_told_said(i);
}

static enum err put_items(struct openai_chat_writing *w)
{
    struct chat_item *i = w->c->items;
    json_add_array(&w->o.w, S("messages"));
    while (i) {
        bool spoken = i->kind == ITEM_MESSAGE || i->kind == ITEM_REASONING || i->kind == ITEM_TOOL_CALL;
        if (is_alone(w, i)) {
            put_alone(w, i);
            i = i->next;
        } else if (spoken && is_assistant(i)) {
            TRY(put_assistant(w, &i));
        } else if (i->kind == ITEM_TOOL_RESULT) {
            put_results(w, &i);
        } else {
            if (i->kind == ITEM_MESSAGE) put_message(w, i);
            i = i->next; /* of the others nothing was told: chat_account() refuses them */
        }
    }
    json_put_end(&w->o.w);
    return OK;
}

/* ---- the root -------------------------------------------------------------------------------------------------------------- */

static enum err put_schema(struct openai_chat_writing *w)
{
    struct chat *c = w->c;
    struct json_writer *j = &w->o.w;
    struct str schema = STR_NONE;
    json_add_object(j, S("json_schema"));
    json_put_name(j, S("name"));
    json_put_span(j, c->schema_name.p ? c->schema_name : S("answer")); /* OpenAI wants one, others have none */
    if (c->schema_description.p) json_put_name(j, S("description"));
    if (c->schema_description.p) json_put_span(j, c->schema_description);
    if (c->schema.text.p) TRY(chat_json_raw(&c->schema, w->o.a, w->to->tape, &schema, w->why));
    if (schema.p) json_add_raw(j, S("schema"), schema);
    if (c->schema_strict != FLAG_ABSENT) json_add_bool(j, S("strict"), c->schema_strict == FLAG_YES);
    wire_put_extra(&w->o, &c->node, S("json_schema"), LOSS_EXTRA);
    json_put_end(j);
    return OK;
}

static enum err put_output(struct openai_chat_writing *w)
{
    static const struct str TYPES[] = {
        [OUTPUT_TEXT] = {"text", 4}, [OUTPUT_JSON] = {"json_object", 11}, [OUTPUT_SCHEMA] = {"json_schema", 11}};
    struct chat *c = w->c;
    if (!chat_told(&c->node, CHAT_HAS_OUTPUT) || c->output == OUTPUT_ABSENT) return OK;
    json_add_object(&w->o.w, S("response_format"));
    json_add_str(&w->o.w, S("type"), TYPES[c->output]);
    if (c->output == OUTPUT_SCHEMA) TRY(put_schema(w));
    wire_put_extra(&w->o, &c->node, S("response_format"), LOSS_EXTRA);
    json_put_end(&w->o.w);
    return OK;
}

/* wire_adapt() has told all of it as an effort. */
static void put_reasoning_settings(struct openai_chat_writing *w)
{
    struct chat *c = w->c;
    wire_put_field(&w->o, &c->node, CHAT_HAS_EFFORT, "reasoning_effort", c->effort);
    chat_told(&c->node, CHAT_HAS_THINKING); /* models here decide by themselves: that is adaptive */
    chat_lose(w->o.losses, &c->node, CHAT_HAS_SUMMARY, LOSS_HINT);
}

static void put_bounds(struct openai_chat_writing *w)
{
    struct chat *c = w->c;
    if (chat_told(&c->node, SET_MAX_OUTPUT))
        json_add_raw(&w->o.w, w->to->quirks & QUIRK_MAX_TOKENS ? S("max_tokens") : S("max_completion_tokens"),
                     c->settings[SET_MAX_OUTPUT]);
    if (chat_told(&c->node, SET_STOP)) json_add_raw(&w->o.w, S("stop"), c->settings[SET_STOP]);
}

/* C12, C13: the vendor's own words, to the vendor's own. */
static void put_vendor_settings(struct openai_chat_writing *w)
{
    struct chat *c = w->c;
    struct str tier = c->settings[SET_SERVICE_TIER];
    bool ours = str_eq(c->family, S("openai")); /* of Responses too */
    bool says_it = ours || (tier.p && str_eq(tier, S("\"auto\"")));
    bool noted = w->same_format || (ours && str_eq(c->settings[SET_STORE], S("true")));
    if (noted && chat_told(&c->node, SET_METADATA)) json_add_raw(&w->o.w, S("metadata"), c->settings[SET_METADATA]);
    if (says_it && chat_told(&c->node, SET_SERVICE_TIER)) json_add_raw(&w->o.w, S("service_tier"), tier);
    chat_lose(w->o.losses, &c->node, SET_METADATA, LOSS_HINT);
    chat_lose(w->o.losses, &c->node, SET_SERVICE_TIER, LOSS_TIER);
}

static void put_stream_options(struct openai_chat_writing *w)
{
    json_add_object(&w->o.w, S("stream_options"));
    json_add_bool(&w->o.w, S("include_usage"), true);
    wire_put_extra(&w->o, &w->c->node, S("stream_options"), LOSS_EXTRA);
    json_put_end(&w->o.w);
}

enum err openai_chat_write_request(struct chat *c, const struct wire_target *to, struct buf *out, struct fault *why)
{
    struct openai_chat_writing w = {
        .o = {.a = c->arena, .losses = to->losses, .same_family = str_eq(c->format, S("openai_chat"))},
        .c = c,
        .to = to,
        .same_format = str_eq(c->format, S("openai_chat")),
        .why = why,
    };
    struct json_writer *j = &w.o.w;
    json_write(j, out);
    json_put_object(j);
    json_add_str(j, S("model"), to->model);
    TRY(put_items(&w));
    if (to->stream) json_add_raw(j, S("stream"), S("true"));
    if (to->stream) put_stream_options(&w);
    openai_chat_put_tools(&w);
    openai_chat_put_choice(&w);
    if (c->tools && chat_told(&c->node, CHAT_HAS_PARALLEL)) json_add_bool(j, S("parallel_tool_calls"), c->parallel == FLAG_YES);
    chat_told(&c->node, CHAT_HAS_PARALLEL);
    TRY(put_output(&w));
    put_reasoning_settings(&w);
    put_bounds(&w);
    put_vendor_settings(&w);
    wire_put_settings(j, c, openai_chat_settings, 0);
    wire_lose_settings(c, openai_chat_settings, to->losses);
    wire_put_extra(&w.o, &c->node, STR_NONE, LOSS_EXTRA);
    return wire_request_done(j, why);
}
