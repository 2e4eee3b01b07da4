/* The form written as a Responses request: one item for each of the form's. Facts: OpenAI API reference "Create a model response";
 * docs/wire.md. Pure. */
#include "wire/openai_responses/priv.h"

/* ---- settings ------------------------------------------------------------------------------------------------------------------ */

static enum err put_format(struct openai_responses_writing *w)
{
    static const struct str TYPES[] = {
        [OUTPUT_TEXT] = {"text", 4}, [OUTPUT_JSON] = {"json_object", 11}, [OUTPUT_SCHEMA] = {"json_schema", 11}};
    struct chat *c = w->c;
    struct json_writer *j = &w->o.w;
    struct str schema = S("{}");
    if (!chat_told(&c->node, CHAT_HAS_OUTPUT) || c->output == OUTPUT_ABSENT) return OK;
    json_add_object(j, S("format"));
    json_add_str(j, S("type"), TYPES[c->output]);
    if (c->output == OUTPUT_SCHEMA) {
        json_put_name(j, S("name"));
        json_put_span(j, c->schema_name.p ? c->schema_name : S("answer"));
        if (c->schema_description.p) json_put_name(j, S("description"));
        if (c->schema_description.p) json_put_span(j, c->schema_description);
        if (c->schema.text.p) TRY(chat_json_raw(&c->schema, w->o.a, w->to->tape, &schema, w->why));
        json_add_raw(j, S("schema"), schema);
        if (c->schema_strict != FLAG_ABSENT) json_add_bool(j, S("strict"), c->schema_strict == FLAG_YES);
    }
    wire_put_extra(&w->o, &c->node, S("format"), LOSS_EXTRA);
    json_put_end(j);
    return OK;
}

static enum err put_text(struct openai_responses_writing *w)
{
    struct chat *c = w->c;
    bool any = c->output != OUTPUT_ABSENT || wire_has_settings(c, openai_responses_settings, OPENAI_RESPONSES_TEXT) ||
               (w->same_format && wire_has_extra(&c->node, S("text")));
    chat_told(&c->node, CHAT_HAS_OUTPUT);
    if (!any) return OK;
    json_add_object(&w->o.w, S("text"));
    TRY(put_format(w));
    wire_put_settings(&w->o.w, c, openai_responses_settings, OPENAI_RESPONSES_TEXT);
    wire_put_extra(&w->o, &c->node, S("text"), LOSS_EXTRA);
    json_put_end(&w->o.w);
    return OK;
}

static void put_reasoning(struct openai_responses_writing *w)
{
    struct chat *c = w->c;
    struct str effort = chat_told(&c->node, CHAT_HAS_EFFORT) ? c->effort : STR_NONE;
    bool summary = chat_told(&c->node, CHAT_HAS_SUMMARY);
    chat_told(&c->node, CHAT_HAS_THINKING); /* models here decide by themselves: that is adaptive */
    if (!effort.p && !summary && !(w->same_format && wire_has_extra(&c->node, S("reasoning")))) return;
    json_add_object(&w->o.w, S("reasoning"));
    if (effort.p) json_put_name(&w->o.w, S("effort"));
    if (effort.p) json_put_span(&w->o.w, effort);
    if (summary) json_put_name(&w->o.w, S("summary"));
    if (summary) json_put_span(&w->o.w, c->summary);
    wire_put_extra(&w->o, &c->node, S("reasoning"), LOSS_EXTRA);
    json_put_end(&w->o.w);
}

/* Others' conversations come whole each time, so nothing is to be kept, and what was thought must travel with them. */
static void put_include(struct openai_responses_writing *w)
{
    struct chat *c = w->c;
    bool logprobs = chat_told(&c->node, SET_LOGPROBS) && str_eq(c->settings[SET_LOGPROBS], S("true"));
    bool thinks = !w->same_format && (c->effort.p || c->budget.p || c->thinking > THINKING_OFF);
    if (chat_told(&c->node, SET_INCLUDE)) {
        json_add_raw(&w->o.w, S("include"), c->settings[SET_INCLUDE]);
        return;
    }
    if (!logprobs && !thinks) return;
    json_add_array(&w->o.w, S("include"));
    if (logprobs) json_put_str(&w->o.w, S("message.output_text.logprobs"));
    if (thinks) json_put_str(&w->o.w, S("reasoning.encrypted_content"));
    json_put_end(&w->o.w);
}

static void put_limit(struct openai_responses_writing *w)
{
    struct chat *c = w->c;
    uint64_t most = 0;
    if (!chat_told(&c->node, SET_MAX_OUTPUT)) return;
    bool few = !w->same_format && str_u64(c->settings[SET_MAX_OUTPUT], &most) && most < WIRE_RESPONSES_LEAST;
    if (few) w->o.losses->n[LOSS_LIMIT]++;
    if (few) json_add_u64(&w->o.w, S("max_output_tokens"), WIRE_RESPONSES_LEAST);
    else json_add_raw(&w->o.w, S("max_output_tokens"), c->settings[SET_MAX_OUTPUT]);
}

static void put_own_settings(struct openai_responses_writing *w)
{
    struct chat *c = w->c;
    struct json_writer *j = &w->o.w;
    struct str tier = c->settings[SET_SERVICE_TIER];
    bool ours = str_eq(c->family, S("openai")), automatic = tier.p && str_eq(tier, S("\"auto\""));
    bool stored = chat_told(&c->node, SET_STORE) && ours;
    if (stored) json_add_raw(j, S("store"), c->settings[SET_STORE]);
    else if (!w->same_format) json_add_bool(j, S("store"), false);
    put_include(w);
    put_limit(w);
    if (ours && chat_told(&c->node, SET_METADATA)) json_add_raw(j, S("metadata"), c->settings[SET_METADATA]);
    if ((ours || automatic) && chat_told(&c->node, SET_SERVICE_TIER)) json_add_raw(j, S("service_tier"), tier);
    if (w->same_format && chat_told(&c->node, SET_CONTEXT)) json_add_raw(j, S("context_management"), c->settings[SET_CONTEXT]);
    if (c->settings[SET_N].p && str_eq(c->settings[SET_N], S("1"))) chat_told(&c->node, SET_N);
    if (c->settings[SET_BACKGROUND].p && str_eq(c->settings[SET_BACKGROUND], S("false"))) chat_told(&c->node, SET_BACKGROUND);
    chat_lose(w->o.losses, &c->node, SET_METADATA, LOSS_HINT);
    chat_lose(w->o.losses, &c->node, SET_SERVICE_TIER, LOSS_TIER);
    chat_lose(w->o.losses, &c->node, SET_CONTEXT, LOSS_HINT);
}

/* ---- the root ------------------------------------------------------------------------------------------------------------------ */

/* The one text that stands apart, when there is one and it is the first. */
static struct chat_item *instructions_of(const struct chat *c)
{
    struct chat_item *i = c->items;
    bool apart = i && i->kind == ITEM_MESSAGE && i->group->apart && (!i->next || i->next->group != i->group);
    struct chat_part *p = apart ? i->parts : NULL;
    return p && !p->next && p->kind == PART_TEXT && i->group->shape == SHAPE_STRING ? i : NULL;
}

static void put_instructions(struct openai_responses_writing *w, struct chat_item *i)
{
    json_put_name(&w->o.w, S("instructions"));
    json_put_span(&w->o.w, i->parts->text);
    wire_lose_part(&w->o, i->parts);
    chat_told(&i->parts->node, PART_HAS_TEXT);
    chat_lose_extra(w->o.losses, &i->parts->node, LOSS_EXTRA);
    wire_lose_marked_item(&w->o, i);
    chat_lose_extra(w->o.losses, &i->node, LOSS_EXTRA);
    openai_responses_lose_group(w, i->group);
}

static enum err put_input(struct openai_responses_writing *w)
{
    struct chat_item *i = w->c->items, *apart = instructions_of(w->c);
    if (apart) {
        put_instructions(w, apart);
        i = i->next;
    }
    json_add_array(&w->o.w, S("input"));
    for (; i; i = i->next) TRY(openai_responses_put_item(w, i));
    if (w->c->compact) json_put_raw(&w->o.w, S("{\"type\":\"compaction_trigger\"}"));
    json_put_end(&w->o.w);
    return OK;
}

static void find_customs(struct openai_responses_writing *w)
{
    for (struct chat_item *i = w->c->items; i && !w->same_format; i = i->next)
        if (i->kind == ITEM_TOOL_CALL && i->form == CALL_CUSTOM) map_add(&w->customs, i->call_id, i);
}

static enum err put_root(struct openai_responses_writing *w)
{
    struct chat *c = w->c;
    const struct wire_target *to = w->to;
    struct json_writer *j = &w->o.w;
    json_put_object(j);
    json_add_str(j, S("model"), to->model);
    TRY(put_input(w));
    if (to->stream) json_add_raw(j, S("stream"), S("true"));
    if (c->tools) {
        json_put_name(j, S("tools"));
        TRY(openai_responses_put_tools(w, c->tools, 0));
    }
    openai_responses_put_choice(w);
    if (c->tools && chat_told(&c->node, CHAT_HAS_PARALLEL)) json_add_bool(j, S("parallel_tool_calls"), c->parallel == FLAG_YES);
    chat_told(&c->node, CHAT_HAS_PARALLEL);
    TRY(put_text(w));
    put_reasoning(w);
    put_own_settings(w);
    wire_put_settings(j, c, openai_responses_settings, 0);
    wire_lose_settings(c, openai_responses_settings, to->losses);
    if (w->same_format && wire_has_extra(&c->node, S("stream_options"))) {
        json_add_object(j, S("stream_options"));
        wire_put_extra(&w->o, &c->node, S("stream_options"), LOSS_EXTRA);
        json_put_end(j);
    }
    wire_put_extra(&w->o, &c->node, STR_NONE, LOSS_EXTRA);
    return wire_request_done(j, w->why);
}

enum err openai_responses_write_request(struct chat *c, const struct wire_target *to, struct buf *out, struct fault *why)
{
    bool same = str_eq(c->format, S("openai_responses"));
    struct openai_responses_writing w = {
        .o = {.a = c->arena, .losses = to->losses, .same_family = same},
        .c = c,
        .to = to,
        .same_format = same,
        .why = why,
    };
    map_init(&w.customs);
    find_customs(&w);
    json_write(&w.o.w, out);
    enum err e = put_root(&w);
    map_done(&w.customs);
    return e;
}
