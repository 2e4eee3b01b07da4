/* Parts, tools and generationConfig of a Gemini request that is written from the form; G10, G11, G16 in docs/wire.md. Pure. */
#include "wire/gemini_generate/request_write.h"

/* ---- parts ---------------------------------------------------------------------------------------------------------------- */

static bool is_media(const struct chat_part *p) { return p->kind >= PART_IMAGE && p->kind <= PART_DOCUMENT; }

/* Documents of plain text are told as text, under their title. */
static bool is_plain_document(const struct chat_part *p) { return p->kind == PART_DOCUMENT && p->media.form == MEDIA_TEXT; }

bool gemini_is_text(const struct chat_part *p) { return p->kind == PART_TEXT || p->kind == PART_REFUSAL || is_plain_document(p); }

void gemini_put_text(struct gemini_writing *w, struct chat_part *p)
{
    if (is_plain_document(p)) wire_put_plain_document(&w->o, p);
    else json_put_span(&w->o.w, chat_told(&p->node, PART_HAS_TEXT) ? p->text : S(""));
}

/* Since the third generation; a file of a bucket's is no part of a result. */
bool gemini_takes_in_result(const struct gemini_writing *w, const struct chat_part *p)
{
    size_t at;
    bool old = str_find(w->to->model, S("gemini-1."), &at) || str_find(w->to->model, S("gemini-2"), &at);
    bool shown = p->kind == PART_IMAGE || p->kind == PART_DOCUMENT;
    return (w->same_format && is_media(p) && gemini_can_put(w, p)) || (!old && shown && p->media.form == MEDIA_BASE64);
}

/* G16: what stands somewhere on the web is not fetched; a file of another vendor's store is not there at all. */
bool gemini_can_put(const struct gemini_writing *w, const struct chat_part *p)
{
    if (gemini_is_text(p)) return true;
    if (!is_media(p)) return false;
    enum chat_media_form form = p->media.form;
    bool here = form == MEDIA_BASE64 || (form == MEDIA_OBJECT && str_starts(p->media.value, S("gs://")));
    return here || (w->o.same_family && (form == MEDIA_URL || form == MEDIA_FILE));
}

static struct str type_of(const struct chat_part *p)
{
    static const struct str TYPES[PART_KINDS] = {
        [PART_IMAGE] = WIRE_STR("image/png"),
        [PART_AUDIO] = WIRE_STR("audio/wav"),
        [PART_VIDEO] = WIRE_STR("video/mp4"),
        [PART_DOCUMENT] = WIRE_STR("application/pdf"),
    };
    return p->media.type.p ? p->media.type : TYPES[p->kind];
}

static void put_media(struct gemini_writing *w, struct chat_part *p)
{
    struct json_writer *j = &w->o.w;
    bool here = p->media.form == MEDIA_BASE64;
    chat_told(&p->node, PART_HAS_MEDIA);
    json_add_object(j, here ? S("inlineData") : S("fileData"));
    if (p->media.type.p || !w->same_format) json_put_name(j, S("mimeType"));
    if (p->media.type.p || !w->same_format) json_put_span(j, type_of(p));
    json_put_name(j, here ? S("data") : S("fileUri"));
    json_put_span(j, p->media.value);
    wire_put_field(&w->o, &p->node, PART_HAS_NAME, "displayName", p->name);
    wire_put_extra(&w->o, &p->node, here ? S("inlineData") : S("fileData"), LOSS_EXTRA);
    json_put_end(j);
}

void gemini_put_part(struct gemini_writing *w, struct chat_part *p)
{
    struct chat_losses *l = w->o.losses;
    if (!gemini_is_text(p)) {
        put_media(w, p);
    } else {
        json_put_name(&w->o.w, S("text"));
        gemini_put_text(w, p);
    }
    chat_lose(l, &p->node, PART_HAS_DETAIL, LOSS_DETAIL);
    chat_lose(l, &p->node, PART_HAS_TITLE, LOSS_NAME);
    chat_lose(l, &p->node, PART_HAS_CITATIONS, LOSS_CITATION);
    chat_lose(l, &p->node, PART_HAS_ANNOTATIONS, LOSS_CITATION);
    chat_lose(l, &p->node, PART_HAS_LOGPROBS, LOSS_ANSWER_FIELD);
    for (struct chat_annotation *n = p->annotations; n; n = n->next) n->node.told = n->node.has;
}

/* ---- tools ---------------------------------------------------------------------------------------------------------------- */

/* G10: the first generation, and the second before 2.5, know the vendor's own schema alone. */
static bool takes_subset(const struct gemini_writing *w)
{
    size_t at;
    if (w->to->quirks & QUIRK_SCHEMA_SUBSET) return true;
    return str_find(w->to->model, S("gemini-1."), &at) || str_find(w->to->model, S("gemini-2.0"), &at);
}

static enum err put_schema(struct gemini_writing *w, const char *json_name, const char *own_name, struct str raw)
{
    struct str own;
    if (!takes_subset(w)) {
        json_add_raw(&w->o.w, str_z(json_name), raw);
        return OK;
    }
    TRY(gemini_schema_write(w, raw, &own));
    if (own.n) json_add_raw(&w->o.w, str_z(own_name), own);
    return OK;
}

static enum err put_function(struct gemini_writing *w, struct chat_tool *t)
{
    json_put_object(&w->o.w);
    wire_put_field(&w->o, &t->node, TOOL_HAS_NAME, "name", t->name);
    wire_put_field(&w->o, &t->node, TOOL_HAS_DESCRIPTION, "description", t->description);
    if (chat_told(&t->node, TOOL_HAS_SCHEMA)) TRY(put_schema(w, "parametersJsonSchema", "parameters", t->schema));
    if (chat_told(&t->node, TOOL_HAS_OUTPUT)) TRY(put_schema(w, "responseJsonSchema", "response", t->output_schema));
    if (t->strict == FLAG_YES) chat_lose(w->o.losses, &t->node, TOOL_HAS_STRICT, LOSS_STRICT);
    chat_told(&t->node, TOOL_HAS_STRICT);
    if (t->deferred == FLAG_YES) chat_lose(w->o.losses, &t->node, TOOL_HAS_DEFERRED, LOSS_HINT);
    chat_told(&t->node, TOOL_HAS_DEFERRED);
    chat_lose(w->o.losses, &t->node, TOOL_HAS_CACHE, LOSS_CACHE);
    wire_put_extra(&w->o, &t->node, STR_NONE, LOSS_EXTRA);
    json_put_end(&w->o.w);
    return OK;
}

/* All functions are one tool, each of the vendor's own is another. */
enum err gemini_put_tools(struct gemini_writing *w)
{
    struct json_writer *j = &w->o.w;
    bool any = false;
    if (!w->c->tools) return OK;
    json_add_array(j, S("tools"));
    for (struct chat_tool *t = w->c->tools; t; t = t->next) {
        if (t->kind != TOOL_FUNCTION) continue;
        if (!any) json_put_object(j);
        if (!any) json_add_array(j, S("functionDeclarations"));
        any = true;
        TRY(put_function(w, t));
    }
    if (any) json_put_end(j);
    if (any) json_put_end(j);
    for (struct chat_tool *t = w->c->tools; t && w->same_format; t = t->next) {
        if (t->kind != TOOL_SERVER || !chat_told(&t->node, TOOL_HAS_RAW)) continue;
        json_put_object(j);
        json_put_name_span(j, t->word);
        json_put_raw(j, t->raw);
        json_put_end(j);
    }
    json_put_end(j);
    return OK;
}

static void put_calling(struct gemini_writing *w)
{
    static const struct str MODES[] = {
        [CHOICE_ABSENT] = WIRE_STR("AUTO"),  [CHOICE_AUTO] = WIRE_STR("AUTO"), [CHOICE_NONE] = WIRE_STR("NONE"),
        [CHOICE_REQUIRED] = WIRE_STR("ANY"), [CHOICE_NAMED] = WIRE_STR("ANY"), [CHOICE_ALLOWED] = WIRE_STR("ANY"),
    };
    struct json_writer *j = &w->o.w;
    const struct chat_choice *choice = &w->c->choice;
    json_add_object(j, S("functionCallingConfig"));
    json_add_str(j, S("mode"), MODES[choice->mode]);
    if (choice->n_names) json_add_array(j, S("allowedFunctionNames"));
    for (unsigned i = 0; i < choice->n_names; i++) json_put_span(j, choice->names[i]);
    if (choice->n_names) json_put_end(j);
    wire_put_extra(&w->o, &w->c->node, S("functionCallingConfig"), LOSS_EXTRA);
    json_put_end(j);
}

/* Without tools there is nothing to choose; an allowed set can only be forced here. */
void gemini_put_choice(struct gemini_writing *w)
{
    struct chat *c = w->c;
    struct json_writer *j = &w->o.w;
    if (c->parallel == FLAG_NO) chat_lose(w->o.losses, &c->node, CHAT_HAS_PARALLEL, LOSS_PARALLEL);
    chat_told(&c->node, CHAT_HAS_PARALLEL);
    if (c->choice.mode == CHOICE_ALLOWED && c->choice.within != CHOICE_REQUIRED) return; /* left for chat_account() */
    bool chosen = chat_told(&c->node, CHAT_HAS_CHOICE) && (c->tools || w->same_format);
    bool inner = w->same_format && wire_has_extra(&c->node, S("functionCallingConfig"));
    if (!chosen && !inner && !(w->same_format && wire_has_extra(&c->node, S("toolConfig")))) return;
    json_add_object(j, S("toolConfig"));
    if (chosen || inner) put_calling(w);
    wire_put_extra(&w->o, &c->node, S("toolConfig"), LOSS_EXTRA);
    json_put_end(j);
}

/* ---- generationConfig ------------------------------------------------------------------------------------------------------- */

static bool has(const struct chat *c, unsigned field) { return c->node.has & 1ull << field; }

/* wire_adapt() has told it as a level or as a budget, of which -1 is as many as it likes and 0 none. Both are refused by the vendor:
 * the number is the stricter one. */
static void put_thinking(struct gemini_writing *w)
{
    struct chat *c = w->c;
    struct json_writer *j = &w->o.w;
    bool level = has(c, CHAT_HAS_EFFORT), budget = has(c, CHAT_HAS_BUDGET), shown = has(c, CHAT_HAS_SUMMARY);
    if (!shown && !level && !budget && !(w->same_format && wire_has_extra(&c->node, S("thinkingConfig")))) return;
    json_add_object(j, S("thinkingConfig"));
    if (budget) wire_put_field_raw(&w->o, &c->node, CHAT_HAS_BUDGET, "thinkingBudget", c->budget);
    else wire_put_field(&w->o, &c->node, CHAT_HAS_EFFORT, "thinkingLevel", c->effort);
    if (budget) chat_lose(w->o.losses, &c->node, CHAT_HAS_EFFORT, LOSS_EFFORT);
    if (shown) json_add_bool(j, S("includeThoughts"), true);
    chat_told(&c->node, CHAT_HAS_SUMMARY);
    wire_put_extra(&w->o, &c->node, S("thinkingConfig"), LOSS_EXTRA);
    json_put_end(j);
}

static enum err put_output(struct gemini_writing *w)
{
    struct chat *c = w->c;
    struct json_writer *j = &w->o.w;
    struct str schema;
    bool named = c->schema_name.p || c->schema_description.p;
    if (!chat_told(&c->node, CHAT_HAS_OUTPUT)) return OK;
    json_add_str(j, S("responseMimeType"), c->output == OUTPUT_TEXT ? S("text/plain") : S("application/json"));
    if (c->output != OUTPUT_SCHEMA || !c->schema.text.p) return OK;
    TRY(chat_json_raw(&c->schema, w->o.a, w->to->tape, &schema, w->why));
    if (named) w->o.losses->n[LOSS_HINT]++; /* schemas have no name here */
    TRY(put_schema(w, "responseJsonSchema", "responseSchema", schema));
    wire_put_extra(&w->o, &c->node, S("format"), LOSS_EXTRA);
    return OK;
}

static bool is_raw(const struct chat *c, enum chat_setting s, struct str raw)
{
    return c->settings[s].p && str_eq(c->settings[s], raw);
}

/* Only the vendor's own words for these; and wishes that ask for what is done anyway. */
static void put_own_settings(struct gemini_writing *w)
{
    static const enum chat_setting OWN[] = {SET_LOGPROBS, SET_TOP_LOGPROBS, SET_MODALITIES, SET_AUDIO};
    struct chat *c = w->c;
    for (unsigned i = 0; w->same_format && i < COUNTOF(OWN); i++)
        if (chat_told(&c->node, OWN[i])) json_add_raw(&w->o.w, gemini_settings[OWN[i]].name, c->settings[OWN[i]]);
    if (is_raw(c, SET_LOGPROBS, S("false"))) chat_told(&c->node, SET_LOGPROBS);
    if (is_raw(c, SET_MODALITIES, S("[\"text\"]"))) chat_told(&c->node, SET_MODALITIES);
    if (is_raw(c, SET_BACKGROUND, S("false"))) chat_told(&c->node, SET_BACKGROUND);
}

enum err gemini_put_config(struct gemini_writing *w)
{
    struct json_writer *j = &w->o.w;
    json_add_object(j, S("generationConfig"));
    wire_put_settings(j, w->c, gemini_settings, GEMINI_CONFIG);
    put_own_settings(w);
    TRY(put_output(w));
    put_thinking(w);
    wire_put_extra(&w->o, &w->c->node, S("generationConfig"), LOSS_EXTRA);
    json_put_end(j);
    return OK;
}
