/* A Gemini request read into the form. Facts: Gemini API reference "GenerateContentRequest"; G5…G11 in docs/wire.md. Calls and
 * results may come without ids: they are paired by name and order. Pure. */
#include "wire/gemini_generate/priv.h"

#include <stdio.h>

enum { CALLS_MAX = 512 }; /* of one turn */

/* What the reading of one body must know. */
struct reading {
    struct chat_group *group;
    struct chat_item *message; /* the open one: neighbouring texts and media are one item */
    struct chat_item *calls[CALLS_MAX];
    bool answered[CALLS_MAX];
    unsigned n_calls, numbered;
};

static struct reading *reading_of(struct wire_in *in) { return in->own; }

static struct chat_item *new_item(struct wire_in *in, enum chat_item_kind kind, uint32_t at)
{
    struct chat_item *i = chat_add_item(in->a, &in->c->items, &in->c->items_last, kind, reading_of(in)->group);
    if (i) i->node.at = wire_at(in, at);
    reading_of(in)->message = kind == ITEM_MESSAGE ? i : NULL;
    return i;
}

static struct chat_part *message_part(struct wire_in *in, enum chat_part_kind kind, uint32_t at)
{
    struct chat_item *i = reading_of(in)->message;
    if (!i) i = new_item(in, ITEM_MESSAGE, at);
    return wire_new_part(in, i, kind, at);
}

/* ---- signatures (G6) -------------------------------------------------------------------------------------------------------- */

static enum err take_opaque(struct wire_in *in, struct chat_opaque **list, struct chat_node *node, unsigned field, uint32_t at)
{
    struct str span;
    if (!gemini_signature_read(in->a, json_text(in->t, at), &span)) return wire_full(in);
    if (!span.n) return OK;
    struct chat_opaque *o = chat_add_opaque(in->a, list, OPAQUE_THOUGHT_SIGNATURE, span);
    if (!o) return wire_full(in);
    o->origin.family = S("gemini");
    chat_has(node, field);
    return OK;
}
static enum err take_part_signature(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = into;
    return take_opaque(in, &p->opaque, &p->node, PART_HAS_OPAQUE, at);
}
static enum err take_item_signature(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_item *i = into;
    return take_opaque(in, &i->opaque, &i->node, ITEM_HAS_OPAQUE, at);
}

/* ---- text and media --------------------------------------------------------------------------------------------------------- */

static const struct wire_member TEXT[] = {
    WIRE_MUST_SPAN("text", struct chat_part, text, PART_HAS_TEXT),
    WIRE_SKIP("thought", WANT_BOOL),
    WIRE_CALL("thoughtSignature", WANT_STRING, take_part_signature),
};
static enum err take_text(struct wire_in *in, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(TEXT);
    uint32_t thought = json_find(in->t, at, S("thought"));
    struct chat_part *p = NULL;
    if (thought && json_is(in->t, thought, JSON_TRUE)) {
        struct chat_item *i = new_item(in, ITEM_REASONING, at);
        if (i) chat_has(&i->node, ITEM_HAS_PARTS);
        p = wire_new_part(in, i, PART_THOUGHT, at);
    } else {
        p = message_part(in, PART_TEXT, at);
    }
    return p ? wire_walk(in, at, &shape, p) : wire_full(in);
}

static const struct wire_member BLOB[] = {
    WIRE_MUST_SPAN("mimeType", struct chat_part, media.type, WIRE_NO_FIELD),
    WIRE_MUST_SPAN("data", struct chat_part, media.value, PART_HAS_MEDIA),
    WIRE_SPAN("displayName", struct chat_part, name, PART_HAS_NAME),
};
static const struct wire_member FILE_DATA[] = {
    WIRE_SPAN("mimeType", struct chat_part, media.type, WIRE_NO_FIELD),
    WIRE_MUST_SPAN("fileUri", struct chat_part, media.value, PART_HAS_MEDIA),
    WIRE_SPAN("displayName", struct chat_part, name, PART_HAS_NAME),
};
static enum err take_blob(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(BLOB);
    return wire_walk_inside(in, at, &shape, into, "inlineData");
}
static enum err take_file_data(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(FILE_DATA);
    return wire_walk_inside(in, at, &shape, into, "fileData");
}
static const struct wire_member MEDIA[] = {
    WIRE_CALL("inlineData", WANT_OBJECT, take_blob),
    WIRE_CALL("fileData", WANT_OBJECT, take_file_data),
    WIRE_CALL("thoughtSignature", WANT_STRING, take_part_signature),
};

static enum chat_part_kind kind_of(struct str type)
{
    static const struct {
        struct str head;
        enum chat_part_kind kind;
    } KINDS[] = {{WIRE_STR("image/"), PART_IMAGE}, {WIRE_STR("audio/"), PART_AUDIO}, {WIRE_STR("video/"), PART_VIDEO}};
    for (unsigned i = 0; i < COUNTOF(KINDS); i++)
        if (str_starts(type, KINDS[i].head)) return KINDS[i].kind;
    return PART_DOCUMENT;
}

/* Files of the vendor's own store stand under its address; what is in a bucket of the caller's, under gs:. */
static enum chat_media_form form_of(struct str uri)
{
    size_t at;
    if (str_starts(uri, S("gs://"))) return MEDIA_OBJECT;
    return str_find(uri, S("googleapis.com/"), &at) ? MEDIA_FILE : MEDIA_URL;
}

static enum err end_media(struct wire_in *in, struct chat_part *p, uint32_t at)
{
    if (!(p->node.has & 1ull << PART_HAS_MEDIA)) return wire_bad(in, at, "has no data");
    bool inline_data = gemini_find(in->t, at, "inlineData", "inline_data") != 0;
    p->kind = kind_of(p->media.type);
    p->media.form = inline_data ? MEDIA_BASE64 : form_of(p->media.value);
    return OK;
}

/* Code that ran at the vendor and the like: only its own family can read it. */
static enum err take_other(struct wire_in *in, uint32_t at)
{
    return wire_raw_item(in, new_item(in, ITEM_UNKNOWN, at), S("part"), at);
}

/* Google looks into such a file for what it is; nobody else does, and a picture told as a document would be nonsense. */
static bool is_untyped(const struct wire_in *in, uint32_t at)
{
    uint32_t file = gemini_find(in->t, at, "fileData", "file_data");
    if (!file || !json_is(in->t, file, JSON_OBJECT)) return false;
    uint32_t type = gemini_find(in->t, file, "mimeType", "mime_type");
    return !type || json_is(in->t, type, JSON_NULL);
}

static enum err take_media(struct wire_in *in, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(MEDIA);
    if (is_untyped(in, at)) return take_other(in, at);
    struct chat_part *p = message_part(in, PART_DOCUMENT, at);
    if (!p) return wire_full(in);
    TRY(wire_walk(in, at, &shape, p));
    return end_media(in, p, at);
}

/* ---- calls and results (G5) --------------------------------------------------------------------------------------------------- */

static const struct wire_member CALL[] = {
    WIRE_MUST_SPAN("name", struct chat_item, name, ITEM_HAS_NAME),
    WIRE_RAW("args", WANT_OBJECT, struct chat_item, arguments.text, ITEM_HAS_ARGUMENTS),
    WIRE_SPAN("id", struct chat_item, call_id, ITEM_HAS_CALL_ID),
};
static enum err take_call_inside(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(CALL);
    return wire_walk_inside(in, at, &shape, into, "functionCall");
}
static const struct wire_member CALL_PART[] = {
    WIRE_MUST_CALL("functionCall", WANT_OBJECT, take_call_inside),
    WIRE_CALL("thoughtSignature", WANT_STRING, take_item_signature),
};
static enum err take_call(struct wire_in *in, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(CALL_PART);
    struct reading *r = reading_of(in);
    struct chat_item *i = new_item(in, ITEM_TOOL_CALL, at);
    char id[32];
    if (!i) return wire_full(in);
    i->form = CALL_FUNCTION;
    TRY(wire_walk(in, at, &shape, i));
    if (r->n_calls == CALLS_MAX) return wire_bad(in, at, "is more than the %d calls that a turn may have", CALLS_MAX);
    r->answered[r->n_calls] = false;
    r->calls[r->n_calls++] = i;
    r->numbered++;
    if (!i->arguments.text.p) i->arguments.text = S("{}");
    chat_has(&i->node, ITEM_HAS_ARGUMENTS);
    if (i->call_id.n) return OK;
    int n = snprintf(id, sizeof id, GEMINI_CALL_ID "%u", r->numbered);
    chat_has(&i->node, ITEM_HAS_CALL_ID);
    return arena_str(in->a, str_make(id, (size_t)n), &i->call_id) ? OK : wire_full(in);
}

/* The first call of the last turn that has the result's id or, without one, its name, and no result yet. */
static struct chat_item *find_call(struct reading *r, const struct chat_item *result)
{
    for (unsigned k = 0; k < r->n_calls; k++) {
        struct chat_item *call = r->calls[k];
        bool same = result->call_id.n ? str_eq(call->call_id, result->call_id) : str_eq(call->name, result->name);
        if (!same || r->answered[k]) continue;
        r->answered[k] = true;
        return call;
    }
    return NULL;
}

static enum err result_text(struct wire_in *in, struct chat_item *i, uint32_t at, const struct chat_part *like)
{
    struct chat_part *p = wire_new_part(in, i, PART_TEXT, at);
    if (!p) return wire_full(in);
    p->text = like->text;
    p->raw = like->raw;
    chat_has(&p->node, PART_HAS_TEXT);
    return OK;
}

/* {"output": "…"} and {"error": "…"} are the vendor's own forms of a text; any other object is told as JSON. */
static enum err take_response(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_item *i = into;
    uint32_t output = json_find(in->t, at, S("output")), error = json_find(in->t, at, S("error"));
    uint32_t only = json_count(in->t, at) == 1 ? output ? output : error : 0;
    struct chat_part like = {.kind = PART_TEXT};
    TRY(wire_once(in, at));
    i->shape = SHAPE_ARRAY;
    chat_has(&i->node, ITEM_HAS_PARTS);
    if (only && json_is(in->t, only, JSON_STRING)) {
        i->error = only == error ? FLAG_YES : FLAG_ABSENT;
        if (only == error) chat_has(&i->node, ITEM_HAS_ERROR);
        like.text = json_text(in->t, only);
        return result_text(in, i, only, &like);
    }
    const struct chat_json raw = {json_raw(in->t, at), false};
    if (!chat_json_span(&raw, in->a, &like.text)) return wire_full(in);
    like.raw = raw.text;
    return result_text(in, i, at, &like);
}

/* Since the third generation: pictures and documents beside the response. */
static const struct wire_member RESULT_MEDIA[] = {
    WIRE_CALL("inlineData", WANT_OBJECT, take_blob),
    WIRE_CALL("fileData", WANT_OBJECT, take_file_data),
};
static enum err take_result_part(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(RESULT_MEDIA);
    struct chat_part *p = wire_new_part(in, into, PART_DOCUMENT, at);
    if (!p) return wire_full(in);
    TRY(wire_want(in, at, WANT_OBJECT));
    TRY(wire_walk(in, at, &shape, p));
    return end_media(in, p, at);
}
static enum err take_result_parts(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_item *i = into;
    chat_has(&i->node, ITEM_HAS_PARTS);
    return wire_each(in, at, take_result_part, into);
}
static const struct wire_member RESPONSE[] = {
    WIRE_MUST_SPAN("name", struct chat_item, name, ITEM_HAS_NAME),
    WIRE_SPAN("id", struct chat_item, call_id, ITEM_HAS_CALL_ID),
    WIRE_MUST_CALL("response", WANT_OBJECT, take_response),
    WIRE_CALL("parts", WANT_ARRAY, take_result_parts),
};
static enum err take_response_inside(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(RESPONSE);
    return wire_walk_inside(in, at, &shape, into, "functionResponse");
}
static const struct wire_member RESPONSE_PART[] = {WIRE_MUST_CALL("functionResponse", WANT_OBJECT, take_response_inside)};
static enum err take_result(struct wire_in *in, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(RESPONSE_PART);
    struct chat_item *i = new_item(in, ITEM_TOOL_RESULT, at);
    if (!i) return wire_full(in);
    i->form = CALL_FUNCTION;
    TRY(wire_walk(in, at, &shape, i));
    const struct chat_item *call = find_call(reading_of(in), i);
    if (!call) return wire_bad(in, at, "answers no functionCall of the turn before");
    i->call_id = call->call_id;
    chat_has(&i->node, ITEM_HAS_CALL_ID);
    return OK;
}

/* ---- turns ---------------------------------------------------------------------------------------------------------------------- */

static enum err take_part(struct wire_in *in, void *into, uint32_t at)
{
    static const struct {
        const char *camel, *snake;
        enum err (*take)(struct wire_in *in, uint32_t at);
    } KINDS[] = {
        {"text", "text", take_text},
        {"functionCall", "function_call", take_call},
        {"functionResponse", "function_response", take_result},
        {"inlineData", "inline_data", take_media},
        {"fileData", "file_data", take_media},
    };
    (void)into;
    TRY(wire_want(in, at, WANT_OBJECT));
    for (unsigned i = 0; i < COUNTOF(KINDS); i++)
        if (gemini_find(in->t, at, KINDS[i].camel, KINDS[i].snake)) return KINDS[i].take(in, at);
    return take_other(in, at);
}

static enum err take_parts(struct wire_in *in, void *into, uint32_t at) { return wire_each(in, at, take_part, into); }

static const struct wire_member CONTENT[] = {
    WIRE_SKIP("role", WANT_STRING),
    WIRE_MUST_CALL("parts", WANT_ARRAY, take_parts),
};
static enum err take_turn(struct wire_in *in, struct chat_group *g, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(CONTENT);
    struct reading *r = reading_of(in);
    if (!g) return wire_full(in);
    g->shape = SHAPE_ARRAY;
    g->loose = g->role == ROLE_ASSISTANT;
    r->group = g;
    r->message = NULL;
    return wire_walk(in, at, &shape, g);
}

static const struct wire_word ROLES[] = {
    {WIRE_STR("user"), ROLE_USER}, {WIRE_STR("model"), ROLE_ASSISTANT}, {WIRE_STR("function"), ROLE_USER}};

static enum err take_content(struct wire_in *in, void *into, uint32_t at)
{
    (void)into;
    TRY(wire_want(in, at, WANT_OBJECT));
    uint32_t role = json_find(in->t, at, S("role"));
    if (role) TRY(wire_want(in, role, WANT_STRING));
    int value = role ? wire_word_value(ROLES, COUNTOF(ROLES), json_text(in->t, role), ROLE_NONE) : ROLE_USER;
    if (value == ROLE_NONE) return wire_bad(in, role, "must be user or model");
    /* SDKs that streamed a turn give it back as a row of contents. */
    const struct chat_group *before = reading_of(in)->group;
    if (value == ROLE_ASSISTANT && (!before || before->role != ROLE_ASSISTANT)) reading_of(in)->n_calls = 0;
    return take_turn(in, chat_add_group(in->a, (enum chat_role)value, wire_at(in, at)), at);
}
static enum err take_contents(struct wire_in *in, void *into, uint32_t at) { return wire_each(in, at, take_content, into); }

static enum err take_system(struct wire_in *in, uint32_t at)
{
    TRY(wire_want(in, at, WANT_OBJECT));
    struct chat_group *g = chat_add_group(in->a, ROLE_SYSTEM, wire_at(in, at));
    if (g) g->apart = true;
    return take_turn(in, g, at);
}

/* ---- tools ---------------------------------------------------------------------------------------------------------------------- */

static enum err take_parameters(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_tool *tool = into;
    if (tool->node.has & 1ull << TOOL_HAS_SCHEMA) return wire_bad(in, at, "stands beside parametersJsonSchema");
    chat_has(&tool->node, TOOL_HAS_SCHEMA);
    return gemini_schema_read(in, at, &tool->schema);
}
static enum err take_output_schema(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_tool *tool = into;
    if (tool->node.has & 1ull << TOOL_HAS_OUTPUT) return wire_bad(in, at, "stands beside responseJsonSchema");
    chat_has(&tool->node, TOOL_HAS_OUTPUT);
    return gemini_schema_read(in, at, &tool->output_schema);
}
static const struct wire_member FUNCTION[] = {
    WIRE_MUST_SPAN("name", struct chat_tool, name, TOOL_HAS_NAME),
    WIRE_SPAN("description", struct chat_tool, description, TOOL_HAS_DESCRIPTION),
    WIRE_RAW("parametersJsonSchema", WANT_VALUE, struct chat_tool, schema, TOOL_HAS_SCHEMA),
    WIRE_RAW("responseJsonSchema", WANT_VALUE, struct chat_tool, output_schema, TOOL_HAS_OUTPUT),
    WIRE_CALL("parameters", WANT_OBJECT, take_parameters),
    WIRE_CALL("response", WANT_OBJECT, take_output_schema),
};
static enum err take_function(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(FUNCTION);
    struct chat_tool *tool = chat_add_tool(in->a, &in->c->tools, TOOL_FUNCTION);
    (void)into;
    if (!tool) return wire_full(in);
    tool->node.at = wire_at(in, at);
    return wire_walk(in, at, &shape, tool);
}

static enum err take_tool(struct wire_in *in, void *into, uint32_t at)
{
    uint32_t key, value;
    bool declared = false;
    TRY(wire_want(in, at, WANT_OBJECT));
    for (struct json_iter it = json_each(in->t, at); json_next_member(in->t, &it, &key, &value);) {
        if (json_is(in->t, value, JSON_NULL)) continue;
        if (json_eq(in->t, key, S("functionDeclarations")) || json_eq(in->t, key, S("function_declarations"))) {
            if (declared) return wire_bad(in, key, "is given twice");
            declared = true;
            TRY(wire_each(in, value, take_function, into));
            continue;
        }
        struct chat_tool *tool = chat_add_tool(in->a, &in->c->tools, TOOL_SERVER);
        if (!tool) return wire_full(in);
        tool->node.at = wire_at(in, key);
        tool->word = json_text(in->t, key);
        tool->raw = json_raw(in->t, value);
        chat_has(&tool->node, TOOL_HAS_RAW);
    }
    return OK;
}
static enum err take_tools(struct wire_in *in, void *into, uint32_t at) { return wire_each(in, at, take_tool, into); }

static enum err take_allowed_name(struct wire_in *in, void *into, uint32_t at)
{
    struct chat *c = into;
    TRY(wire_want(in, at, WANT_STRING));
    if (c->choice.n_names == COUNTOF(c->choice.names)) return wire_bad(in, at, "is one name too many");
    c->choice.names[c->choice.n_names++] = json_text(in->t, at);
    return OK;
}
static enum err take_allowed(struct wire_in *in, void *into, uint32_t at) { return wire_each(in, at, take_allowed_name, into); }

static enum err take_mode(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_word MODES[] = {
        {WIRE_STR("AUTO"), CHOICE_AUTO}, {WIRE_STR("ANY"), CHOICE_REQUIRED}, {WIRE_STR("NONE"), CHOICE_NONE}};
    struct chat *c = into;
    int mode = wire_word_value(MODES, COUNTOF(MODES), json_text(in->t, at), CHOICE_ABSENT);
    if (mode == CHOICE_ABSENT) return wire_bad(in, at, "must be AUTO, ANY or NONE where the request is translated");
    c->choice.mode = (enum chat_choice_mode)mode;
    chat_has(&c->node, CHAT_HAS_CHOICE);
    return OK;
}
static const struct wire_member CALLING[] = {
    WIRE_CALL("mode", WANT_STRING, take_mode),
    WIRE_CALL("allowedFunctionNames", WANT_ARRAY, take_allowed),
};
static enum err take_calling(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(CALLING);
    struct chat *c = into;
    TRY(wire_walk_inside(in, at, &shape, c, "functionCallingConfig"));
    if (!c->choice.n_names) return OK;
    if (c->choice.mode != CHOICE_REQUIRED) return wire_bad(in, at, "allowedFunctionNames goes with mode ANY only");
    c->choice.within = CHOICE_REQUIRED;
    c->choice.mode = c->choice.n_names == 1 ? CHOICE_NAMED : CHOICE_ALLOWED;
    return OK;
}
static const struct wire_member TOOL_CONFIG[] = {WIRE_CALL("functionCallingConfig", WANT_OBJECT, take_calling)};
static enum err take_tool_config(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(TOOL_CONFIG);
    return wire_walk_inside(in, at, &shape, into, "toolConfig");
}

/* ---- generationConfig (G11) ------------------------------------------------------------------------------------------------------- */

/* Enum words come in capitals from the SDKs and small in the documents. */
static enum err take_level(struct wire_in *in, void *into, uint32_t at)
{
    struct chat *c = into;
    struct str level = json_text(in->t, at);
    char *text = arena_alloc(in->a, level.n + 1);
    if (!text) return wire_full(in);
    for (size_t i = 0; i < level.n; i++) text[i] = level.p[i] >= 'A' && level.p[i] <= 'Z' ? (char)(level.p[i] | 32) : level.p[i];
    c->effort = str_make(text, level.n);
    enum chat_effort known;
    if (!chat_effort_find(c->effort, &known) || known == EFFORT_NONE)
        return wire_bad(in, at, "must be minimal, low, medium or high");
    chat_has(&c->node, CHAT_HAS_EFFORT);
    return OK;
}
static enum err take_include(struct wire_in *in, void *into, uint32_t at)
{
    struct chat *c = into;
    if (!json_is(in->t, at, JSON_TRUE)) return OK;
    c->summary = S("auto");
    chat_has(&c->node, CHAT_HAS_SUMMARY);
    return OK;
}
static const struct wire_member THINKING[] = {
    WIRE_RAW("thinkingBudget", WANT_NUMBER, struct chat, budget, CHAT_HAS_BUDGET),
    WIRE_CALL("thinkingLevel", WANT_STRING, take_level),
    WIRE_CALL("includeThoughts", WANT_BOOL, take_include),
};
static enum err take_thinking(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(THINKING);
    return wire_walk_inside(in, at, &shape, into, "thinkingConfig");
}

static enum err take_mime(struct wire_in *in, void *into, uint32_t at)
{
    struct chat *c = into;
    bool json = json_eq(in->t, at, S("application/json"));
    if (!json && !json_eq(in->t, at, S("text/plain"))) {
        if (!chat_add_extra(in->a, &c->node, S("responseMimeType"), json_raw(in->t, at), wire_at(in, at))) return wire_full(in);
        c->node.extra->last->inside = S("generationConfig");
        return OK;
    }
    chat_has(&c->node, CHAT_HAS_OUTPUT);
    if (c->output != OUTPUT_SCHEMA) c->output = json ? OUTPUT_JSON : OUTPUT_TEXT;
    return OK;
}
static enum err has_schema(struct wire_in *in, struct chat *c, uint32_t at)
{
    if (c->output == OUTPUT_SCHEMA) return wire_bad(in, at, "is a second schema for the answer");
    c->output = OUTPUT_SCHEMA;
    chat_has(&c->node, CHAT_HAS_OUTPUT);
    return OK;
}
static enum err take_json_schema(struct wire_in *in, void *into, uint32_t at)
{
    struct chat *c = into;
    c->schema = (struct chat_json){json_raw(in->t, at), false};
    return has_schema(in, c, at);
}
static enum err take_schema(struct wire_in *in, void *into, uint32_t at)
{
    struct chat *c = into;
    TRY(has_schema(in, c, at));
    return gemini_schema_read(in, at, &c->schema.text);
}
static const struct wire_member CONFIG[] = {
    WIRE_CALL("responseMimeType", WANT_STRING, take_mime),
    WIRE_CALL("responseJsonSchema", WANT_OBJECT, take_json_schema),
    WIRE_CALL("responseSchema", WANT_OBJECT, take_schema),
    WIRE_CALL("thinkingConfig", WANT_OBJECT, take_thinking),
};
static enum err take_config(struct wire_in *in, void *into, uint32_t at)
{
    static const struct wire_shape shape = WIRE_SHAPE(CONFIG, .settings = gemini_settings, .place = GEMINI_CONFIG);
    return wire_walk_inside(in, at, &shape, into, "generationConfig");
}

/* ---- the root ----------------------------------------------------------------------------------------------------------------------- */

static const struct wire_member ROOT[] = {
    WIRE_SKIP("model", WANT_STRING),
    WIRE_MUST_CALL("contents", WANT_ARRAY, take_contents),
    WIRE_CALL("tools", WANT_ARRAY, take_tools),
    WIRE_CALL("toolConfig", WANT_OBJECT, take_tool_config),
    WIRE_CALL("generationConfig", WANT_OBJECT, take_config),
    WIRE_SKIP("systemInstruction", WANT_VALUE), /* comes first, wherever it stands */
};

enum err gemini_read_request(const struct json_tape *t, struct chat *c, struct fault *why)
{
    static const struct wire_shape shape = WIRE_SHAPE(ROOT, .settings = gemini_settings);
    struct reading r = {0};
    struct wire_in in = WIRE_IN_REQUEST(t, c, why);
    in.snake_too = true;
    in.own = &r;
    c->family = S("gemini");
    c->format = S("gemini_generate");
    uint32_t system = gemini_find(t, 0, "systemInstruction", "system_instruction");
    if (system && !json_is(t, system, JSON_NULL)) TRY(take_system(&in, system));
    return wire_walk(&in, 0, &shape, c);
}
