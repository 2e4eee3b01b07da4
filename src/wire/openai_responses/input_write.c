/* The input of a Responses request written from the form: items and the parts of their content. Pure. */
#include "wire/openai_responses/priv.h"

/* ---- what has no place here ------------------------------------------------------------------------------------------------------ */

void openai_responses_lose_group(struct openai_responses_writing *w, struct chat_group *g)
{
    struct chat_losses *l = w->o.losses;
    chat_told(&g->node, GROUP_HAS_ROLE);
    chat_lose(l, &g->node, GROUP_HAS_NAME, LOSS_NAME);
    chat_lose(l, &g->node, GROUP_HAS_ID, LOSS_ITEM_ID);
    chat_lose(l, &g->node, GROUP_HAS_CACHE, LOSS_CACHE);
    chat_lose_extra(l, &g->node, LOSS_EXTRA);
}

/* ---- parts ---------------------------------------------------------------------------------------------------------------------- */

static void put_media(struct openai_responses_writing *w, struct chat_part *p, const char *data, const char *url)
{
    struct json_writer *j = &w->o.w;
    bool base64 = p->media.form == MEDIA_BASE64;
    chat_told(&p->node, PART_HAS_MEDIA);
    json_put_name(j, p->media.form == MEDIA_FILE ? S("file_id") : str_z(base64 ? data : url));
    if (base64) wire_put_data_url(&w->o.w, &p->media);
    else json_put_span(j, p->media.value);
}

static void put_image(struct openai_responses_writing *w, struct chat_part *p)
{
    json_add_str(&w->o.w, S("type"), S("input_image"));
    put_media(w, p, "image_url", "image_url");
    wire_put_field(&w->o, &p->node, PART_HAS_DETAIL, "detail", p->detail);
}

static void put_document(struct openai_responses_writing *w, struct chat_part *p)
{
    json_add_str(&w->o.w, S("type"), S("input_file"));
    put_media(w, p, "file_data", "file_url");
    if (!p->name.p) wire_put_field(&w->o, &p->node, PART_HAS_TITLE, "filename", p->title);
    else chat_lose(w->o.losses, &p->node, PART_HAS_TITLE, LOSS_NAME);
    wire_put_field(&w->o, &p->node, PART_HAS_NAME, "filename", p->name);
    wire_put_field(&w->o, &p->node, PART_HAS_DETAIL, "detail", p->detail);
}

static void put_notes(struct openai_responses_writing *w, struct chat_part *p)
{
    if (!w->same_format || !chat_told(&p->node, PART_HAS_ANNOTATIONS)) return;
    json_add_array(&w->o.w, S("annotations"));
    for (struct chat_annotation *n = p->annotations; n; n = n->next) json_put_raw(&w->o.w, n->raw);
    json_put_end(&w->o.w);
}

static void put_text(struct openai_responses_writing *w, struct chat_part *p, bool said)
{
    json_add_str(&w->o.w, S("type"), said ? S("output_text") : S("input_text"));
    wire_put_field(&w->o, &p->node, PART_HAS_TEXT, "text", p->text);
    put_notes(w, p);
    if (w->same_format) wire_put_field_raw(&w->o, &p->node, PART_HAS_LOGPROBS, "logprobs", p->logprobs);
}

/* Documents of plain text are told as text, under their title. */
static void put_plain_document(struct openai_responses_writing *w, struct chat_part *p)
{
    json_add_str(&w->o.w, S("type"), S("input_text"));
    json_put_name(&w->o.w, S("text"));
    wire_put_plain_document(&w->o, p);
}

/* Which forms of media each kind of part can be written from; the rest is left for chat_account() to refuse. */
static bool can_put(const struct openai_responses_writing *w, const struct chat_part *p)
{
    unsigned form = 1u << p->media.form, plain = 1u << MEDIA_BASE64 | 1u << MEDIA_URL;
    bool ours = str_eq(w->c->family, S("openai")); /* a file's id belongs to an account */
    unsigned media = plain | (ours ? 1u << MEDIA_FILE : 0);
    if (p->kind == PART_TEXT || p->kind == PART_REFUSAL) return true;
    if (p->kind == PART_DOCUMENT) return (media | 1u << MEDIA_TEXT) & form;
    return p->kind == PART_IMAGE && media & form;
}

static void put_part(struct openai_responses_writing *w, struct chat_part *p, bool said)
{
    struct json_writer *j = &w->o.w;
    if (p->kind == PART_UNKNOWN && w->same_format && chat_told(&p->node, PART_HAS_RAW)) json_put_raw(j, p->raw);
    if (!can_put(w, p)) return;
    if (p->kind == PART_TEXT && !p->text.n && !w->same_format) { /* says nothing */
        chat_told(&p->node, PART_HAS_TEXT);
        wire_lose_part(&w->o, p);
        chat_lose_extra(w->o.losses, &p->node, LOSS_EXTRA);
        return;
    }
    json_put_object(j);
    if (p->kind == PART_TEXT) put_text(w, p, said);
    else if (p->kind == PART_IMAGE) put_image(w, p);
    else if (p->kind == PART_DOCUMENT && p->media.form == MEDIA_TEXT) put_plain_document(w, p);
    else if (p->kind == PART_DOCUMENT) put_document(w, p);
    else {
        json_add_str(j, S("type"), S("refusal"));
        wire_put_field(&w->o, &p->node, PART_HAS_TEXT, "refusal", p->text);
    }
    wire_lose_part(&w->o, p);
    wire_put_extra(&w->o, &p->node, STR_NONE, LOSS_EXTRA);
    json_put_end(j);
}

static bool as_string(const struct openai_responses_writing *w, const struct chat_part *p, enum chat_shape shape)
{
    if (!p || p->next || p->kind != PART_TEXT || p->node.extra) return false;
    return shape == SHAPE_STRING || !w->same_format;
}

/* A value: a string or an array. */
static void put_content(struct openai_responses_writing *w, struct chat_part *first, enum chat_shape shape, bool said)
{
    if (as_string(w, first, shape)) {
        wire_lose_part(&w->o, first);
        chat_told(&first->node, PART_HAS_TEXT);
        json_put_span(&w->o.w, first->text);
        return;
    }
    json_put_array(&w->o.w);
    for (struct chat_part *p = first; p; p = p->next) put_part(w, p, said);
    json_put_end(&w->o.w);
}

/* ---- items ---------------------------------------------------------------------------------------------------------------------- */

static void item_begin(struct openai_responses_writing *w, struct chat_item *i, struct str type)
{
    json_put_object(&w->o.w);
    json_add_str(&w->o.w, S("type"), type);
    if (w->same_format) wire_put_field(&w->o, &i->node, ITEM_HAS_ID, "id", i->id);
}

static void item_end(struct openai_responses_writing *w, struct chat_item *i)
{
    if (w->same_format) wire_put_field(&w->o, &i->node, ITEM_HAS_STATUS, "status", i->status);
    wire_lose_marked_item(&w->o, i);
    wire_put_extra(&w->o, &i->node, STR_NONE, LOSS_EXTRA);
    json_put_end(&w->o.w);
}

static enum err put_message(struct openai_responses_writing *w, struct chat_item *i)
{
    static const struct str ROLES[] = {[ROLE_NONE] = {"user", 4},
                                       [ROLE_SYSTEM] = {"system", 6},
                                       [ROLE_DEVELOPER] = {"developer", 9},
                                       [ROLE_USER] = {"user", 4},
                                       [ROLE_ASSISTANT] = {"assistant", 9}};
    if (!i->parts && !w->same_format) { /* says nothing */
        wire_lose_marked_item(&w->o, i);
        chat_lose_extra(w->o.losses, &i->node, LOSS_EXTRA);
        return OK;
    }
    item_begin(w, i, S("message"));
    json_add_str(&w->o.w, S("role"), ROLES[i->group->role]);
    json_put_name(&w->o.w, S("content"));
    put_content(w, i->parts, i->group->shape, i->group->role == ROLE_ASSISTANT);
    if (w->same_format) wire_put_field(&w->o, &i->node, ITEM_HAS_PHASE, "phase", i->phase);
    item_end(w, i);
    return OK;
}

static enum err put_call(struct openai_responses_writing *w, struct chat_item *i)
{
    bool custom = i->form == CALL_CUSTOM;
    struct str arguments;
    if (!chat_json_span(&i->arguments, w->o.a, &arguments)) return wire_request_full(w->why);
    item_begin(w, i, custom ? S("custom_tool_call") : S("function_call"));
    wire_put_field(&w->o, &i->node, ITEM_HAS_CALL_ID, "call_id", i->call_id);
    wire_put_field(&w->o, &i->node, ITEM_HAS_NAMESPACE, "namespace", i->name_space);
    wire_put_field(&w->o, &i->node, ITEM_HAS_NAME, "name", i->name);
    chat_told(&i->node, ITEM_HAS_ARGUMENTS);
    json_put_name(&w->o.w, custom ? S("input") : S("arguments"));
    json_put_span(&w->o.w, arguments.n || custom || w->same_format ? arguments : S("{}"));
    item_end(w, i);
    return OK;
}

/* The flag has no place of its own here. */
static void put_failed_output(struct openai_responses_writing *w, struct chat_item *i)
{
    w->o.losses->n[LOSS_RESULT_ERROR]++;
    json_put_array(&w->o.w);
    json_put_raw(&w->o.w, S("{\"type\":\"input_text\",\"text\":\"The tool failed:\"}"));
    for (struct chat_part *p = i->parts; p; p = p->next) put_part(w, p, false);
    json_put_end(&w->o.w);
}

static enum err put_result(struct openai_responses_writing *w, struct chat_item *i)
{
    bool failed = chat_told(&i->node, ITEM_HAS_ERROR) && i->error == FLAG_YES;
    bool custom = w->same_format ? i->form == CALL_CUSTOM : map_find(&w->customs, i->call_id) != NULL;
    item_begin(w, i, custom ? S("custom_tool_call_output") : S("function_call_output"));
    wire_put_field(&w->o, &i->node, ITEM_HAS_CALL_ID, "call_id", i->call_id);
    if (w->same_format) wire_put_field(&w->o, &i->node, ITEM_HAS_NAME, "name", i->name);
    chat_told(&i->node, ITEM_HAS_NAME); /* the call says it */
    chat_told(&i->node, ITEM_HAS_PARTS);
    json_put_name(&w->o.w, S("output"));
    if (failed) put_failed_output(w, i);
    else if (!i->parts && !w->same_format) json_put_str(&w->o.w, S(""));
    else put_content(w, i->parts, i->shape, false);
    item_end(w, i);
    return OK;
}

#define THOUGHTS \
    (1u << PART_SUMMARY | 1u << PART_THOUGHT) /* to OpenAI's models only sums of them go back, whatever the caller has */
static void put_thoughts(struct openai_responses_writing *w, struct chat_item *i, uint32_t kinds, struct str type)
{
    json_put_array(&w->o.w);
    for (struct chat_part *p = i->parts; p; p = p->next) {
        bool empty = !p->text.n && !w->same_format && chat_told(&p->node, PART_HAS_TEXT);
        if (!(kinds >> p->kind & 1) || empty) continue;
        json_put_object(&w->o.w);
        json_add_str(&w->o.w, S("type"), type);
        wire_put_field(&w->o, &p->node, PART_HAS_TEXT, "text", p->text);
        wire_lose_part(&w->o, p);
        wire_put_extra(&w->o, &p->node, STR_NONE, LOSS_EXTRA);
        json_put_end(&w->o.w);
    }
    json_put_end(&w->o.w);
}

static bool is_ours(const struct openai_responses_writing *w, const struct chat_opaque *o, enum chat_opaque_kind kind)
{
    const struct chat_origin *to = &w->to->origin;
    bool family = o->kind == kind && str_eq(o->origin.family, S("openai")) && str_eq(to->family, S("openai"));
    return family && (!o->origin.deployment || o->origin.deployment == to->deployment);
}

/* What this vendor encrypted: of the item, or of one of its parts when another format carried it. */
static const struct chat_opaque *own_opaque(const struct openai_responses_writing *w, struct chat_item *i,
                                            enum chat_opaque_kind kind)
{
    for (const struct chat_opaque *o = i->opaque; o; o = o->next)
        if ((is_ours(w, o, kind) || (w->same_format && !o->origin.deployment)) && chat_told(&i->node, ITEM_HAS_OPAQUE)) return o;
    for (struct chat_part *p = i->parts; p; p = p->next)
        for (const struct chat_opaque *o = p->opaque; o; o = o->next)
            if (is_ours(w, o, kind) && chat_told(&p->node, PART_HAS_OPAQUE)) return o;
    return NULL;
}

/* Another vendor's thoughts, and what we gave for reasoning that nobody signed, are not taken here. */
static void lose_reasoning(struct openai_responses_writing *w, struct chat_item *i)
{
    for (struct chat_part *p = i->parts; p; p = p->next) {
        wire_lose_part(&w->o, p);
        chat_lose(w->o.losses, &p->node, PART_HAS_TEXT, LOSS_REASONING);
        chat_lose_extra(w->o.losses, &p->node, LOSS_EXTRA);
    }
    if (w->same_format) chat_told(&i->node, ITEM_HAS_ID); /* goes with it */
    wire_lose_marked_item(&w->o, i);
    chat_lose(w->o.losses, &i->node, ITEM_HAS_PARTS, LOSS_REASONING);
    chat_lose_extra(w->o.losses, &i->node, LOSS_EXTRA);
}

static bool has_kind(const struct chat_item *i, enum chat_part_kind kind)
{
    for (const struct chat_part *p = i->parts; p; p = p->next)
        if (p->kind == kind) return true;
    return false;
}

static enum err put_reasoning(struct openai_responses_writing *w, struct chat_item *i)
{
    const struct chat_opaque *o = own_opaque(w, i, OPAQUE_ENCRYPTED);
    bool foreign = !o && i->opaque && i->opaque->origin.deployment, said = has_kind(i, PART_THOUGHT);
    bool refused = !(o && o->span.n) && responses_thought_stays_out(w->to->quirks, i->id, said);
    if (foreign || refused || (!o && !w->same_format)) {
        lose_reasoning(w, i);
        return OK;
    }
    chat_told(&i->node, ITEM_HAS_PARTS);
    item_begin(w, i, S("reasoning"));
    json_put_name(&w->o.w, S("summary"));
    put_thoughts(w, i, w->same_format ? 1u << PART_SUMMARY : THOUGHTS, S("summary_text"));
    if (w->same_format && said) {
        json_put_name(&w->o.w, S("content"));
        put_thoughts(w, i, 1u << PART_THOUGHT, S("reasoning_text"));
    }
    if (o) json_put_name(&w->o.w, S("encrypted_content"));
    if (o) json_put_span(&w->o.w, o->span);
    for (struct chat_part *p = i->parts; p; p = p->next) wire_lose_part(&w->o, p);
    item_end(w, i);
    return OK;
}

static enum err put_compaction(struct openai_responses_writing *w, struct chat_item *i)
{
    const struct chat_opaque *o = own_opaque(w, i, OPAQUE_COMPACTION);
    if (!o) return OK; /* left for chat_account() */
    item_begin(w, i, S("compaction"));
    json_put_name(&w->o.w, S("encrypted_content"));
    json_put_span(&w->o.w, o->span);
    item_end(w, i);
    return OK;
}

static enum err put_more_tools(struct openai_responses_writing *w, struct chat_item *i)
{
    item_begin(w, i, S("additional_tools"));
    json_add_str(&w->o.w, S("role"), S("developer"));
    chat_told(&i->node, ITEM_HAS_TOOLS);
    json_put_name(&w->o.w, S("tools"));
    TRY(openai_responses_put_tools(w, i->tools, 0));
    item_end(w, i);
    return OK;
}

static enum err put_raw(struct openai_responses_writing *w, struct chat_item *i)
{
    if (w->same_format && chat_told(&i->node, ITEM_HAS_RAW)) json_put_raw(&w->o.w, i->raw);
    return OK;
}

static enum err (*const PUT_ITEM[ITEM_KINDS])(struct openai_responses_writing *, struct chat_item *) = {
    [ITEM_MESSAGE] = put_message,       [ITEM_REASONING] = put_reasoning, [ITEM_TOOL_CALL] = put_call,
    [ITEM_TOOL_RESULT] = put_result,    [ITEM_SERVER_CALL] = put_raw,     [ITEM_SERVER_RESULT] = put_raw,
    [ITEM_COMPACTION] = put_compaction, [ITEM_TOOLS] = put_more_tools,    [ITEM_REFERENCE] = put_raw,
    [ITEM_UNKNOWN] = put_raw,
};

enum err openai_responses_put_item(struct openai_responses_writing *w, struct chat_item *i)
{
    TRY(PUT_ITEM[i->kind](w, i));
    openai_responses_lose_group(w, i->group);
    return OK;
}
