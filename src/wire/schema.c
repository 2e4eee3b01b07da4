/* JSON schemas so that the target takes them: of tools, which must be objects, and of answers, for which Claude takes a subset (A19).
 * What had to give way stands in the description, as the vendor's own SDKs do it, and is counted. Called by adapt.c; pure. */
#include "wire/adapt.h"

enum { SCHEMA_MAX = 4 << 20, DEEP = JSON_WRITE_DEPTH / 2 - 4 };

static enum err not_json(struct adapting *w, const char *where)
{
    return FAIL(w->why, ERR_BAD_REQUEST, "%s: the schema must be a JSON object", where);
}

/* ---- tools --------------------------------------------------------------------------------------------------------------------- */

/* At the root alternatives are refused: by OpenAI and by Anthropic. */
static bool is_refused_at_root(enum wire_format f, const struct json_tape *t, uint32_t key)
{
    static const struct str WORDS[] = {WIRE_STR("oneOf"), WIRE_STR("anyOf"), WIRE_STR("allOf"), WIRE_STR("not"),
                                       WIRE_STR("enum")};
    unsigned n = f == WIRE_OPENAI_CHAT || f == WIRE_OPENAI_RESPONSES ? COUNTOF(WORDS) : 3;
    for (unsigned i = 0; i < n && f != WIRE_GEMINI_GENERATE; i++)
        if (json_eq(t, key, WORDS[i])) return true;
    return false;
}

static bool is_object_type(const struct json_tape *t, uint32_t type) { return type && json_eq(t, type, S("object")); }

/* True: nothing had to be done. */
static bool put_tool_schema(struct adapting *w, const struct json_tape *t, struct json_writer *j)
{
    bool openai = w->target == WIRE_OPENAI_CHAT || w->target == WIRE_OPENAI_RESPONSES, lossy = false;
    uint32_t key, value, type = json_find(t, 0, S("type"));
    bool typed = is_object_type(t, type), bare = openai && !json_find(t, 0, S("properties"));
    json_put_object(j);
    if (!typed) json_add_str(j, S("type"), S("object"));
    for (struct json_iter it = json_each(t, 0); json_next_member(t, &it, &key, &value);) {
        bool refused = is_refused_at_root(w->target, t, key);
        lossy |= refused;
        if (refused || (!typed && json_eq(t, key, S("type")))) continue;
        json_put_name_span(j, json_text(t, key));
        json_put_raw(j, json_raw(t, value));
    }
    if (bare) json_add_raw(j, S("properties"), S("{}"));
    json_put_end(j);
    lossy |= type && !typed;
    w->to->losses->n[LOSS_SCHEMA] += lossy;
    return typed && !bare && !lossy;
}

enum err schema_of_tool(struct adapting *w, struct chat_tool *t)
{
    struct json_tape *tape = w->to->tape;
    struct json_writer j;
    struct buf out;
    if (!t->schema.p) return OK; /* the writer says that there are no arguments */
    TRY(json_scan(tape, t->schema, &JSON_LIMITS_TOP, w->why));
    if (!json_is(tape, 0, JSON_OBJECT)) return not_json(w, "tools");
    buf_init(&out, SIZE_MAX / 4);
    json_write(&j, &out);
    bool same = put_tool_schema(w, tape, &j);
    bool kept = json_write_done(&j) && (same || arena_str(w->c->arena, buf_view(&out), &t->schema));
    buf_done(&out);
    return kept ? OK : adapting_full(w);
}

/* ---- answers: the subset --------------------------------------------------------------------------------------------------------- */

struct reducing {
    const struct json_tape *t;
    struct arena *a;
    struct json_writer j;
    bool changed, full;
};

static void put_schema(struct reducing *r, uint32_t at, unsigned depth);

static void put_same(struct reducing *r, uint32_t at, unsigned depth)
{
    (void)depth;
    json_put_raw(&r->j, json_raw(r->t, at));
}

static void put_each(struct reducing *r, uint32_t at, unsigned depth)
{
    uint32_t value;
    if (!json_is(r->t, at, JSON_ARRAY)) {
        put_same(r, at, depth);
        return;
    }
    json_put_array(&r->j);
    for (struct json_iter it = json_each(r->t, at); json_next(r->t, &it, &value);) put_schema(r, value, depth + 1);
    json_put_end(&r->j);
}

static void put_named(struct reducing *r, uint32_t at, unsigned depth)
{
    uint32_t key, value;
    if (!json_is(r->t, at, JSON_OBJECT)) {
        put_same(r, at, depth);
        return;
    }
    json_put_object(&r->j);
    for (struct json_iter it = json_each(r->t, at); json_next_member(r->t, &it, &key, &value);) {
        json_put_name_span(&r->j, json_text(r->t, key));
        put_schema(r, value, depth + 1);
    }
    json_put_end(&r->j);
}

static bool is_format(const struct json_tape *t, uint32_t at)
{
    static const struct str FORMATS[] = {WIRE_STR("date-time"), WIRE_STR("time"),     WIRE_STR("date"), WIRE_STR("duration"),
                                         WIRE_STR("email"),     WIRE_STR("hostname"), WIRE_STR("uri"),  WIRE_STR("ipv4"),
                                         WIRE_STR("ipv6"),      WIRE_STR("uuid")};
    for (unsigned i = 0; i < COUNTOF(FORMATS); i++)
        if (json_eq(t, at, FORMATS[i])) return true;
    return false;
}

static bool is_none_or_one(const struct json_tape *t, uint32_t at)
{
    uint64_t n;
    return json_is(t, at, JSON_NUMBER) && json_u64(t, at, &n) && n <= 1;
}

/* Anthropic API documentation "Structured outputs", JSON schema limitations, and the transformation of its SDKs. */
static const struct {
    struct str name, as; /* as: empty, the same */
    void (*put)(struct reducing *, uint32_t, unsigned);
    bool (*good)(const struct json_tape *t, uint32_t at); /* NULL: any */
} MEMBERS[] = {
    {WIRE_STR("type"), WIRE_STR(""), put_same, NULL},        {WIRE_STR("title"), WIRE_STR(""), put_same, NULL},
    {WIRE_STR("enum"), WIRE_STR(""), put_same, NULL},        {WIRE_STR("const"), WIRE_STR(""), put_same, NULL},
    {WIRE_STR("default"), WIRE_STR(""), put_same, NULL},     {WIRE_STR("required"), WIRE_STR(""), put_same, NULL},
    {WIRE_STR("$ref"), WIRE_STR(""), put_same, NULL},        {WIRE_STR("properties"), WIRE_STR(""), put_named, NULL},
    {WIRE_STR("$defs"), WIRE_STR(""), put_named, NULL},      {WIRE_STR("definitions"), WIRE_STR(""), put_named, NULL},
    {WIRE_STR("items"), WIRE_STR(""), put_schema, NULL},     {WIRE_STR("anyOf"), WIRE_STR(""), put_each, NULL},
    {WIRE_STR("allOf"), WIRE_STR(""), put_each, NULL},       {WIRE_STR("oneOf"), WIRE_STR("anyOf"), put_each, NULL},
    {WIRE_STR("format"), WIRE_STR(""), put_same, is_format}, {WIRE_STR("minItems"), WIRE_STR(""), put_same, is_none_or_one},
};

static bool put_known(struct reducing *r, uint32_t key, uint32_t value, unsigned depth)
{
    for (unsigned i = 0; i < COUNTOF(MEMBERS); i++) {
        if (!json_eq(r->t, key, MEMBERS[i].name) || (MEMBERS[i].good && !MEMBERS[i].good(r->t, value))) continue;
        r->changed |= MEMBERS[i].as.n > 0;
        json_put_name(&r->j, MEMBERS[i].as.n ? MEMBERS[i].as : MEMBERS[i].name);
        MEMBERS[i].put(r, value, depth);
        return true;
    }
    return false;
}

/* Says nothing about what is valid. */
static bool is_about_schema(const struct json_tape *t, uint32_t key)
{
    return json_eq(t, key, S("$schema")) || json_eq(t, key, S("$id")) || json_eq(t, key, S("$comment"));
}

static bool is_object_schema(const struct json_tape *t, uint32_t at)
{
    uint32_t type = json_find(t, at, S("type")), one;
    if (!type) return json_find(t, at, S("properties")) != 0;
    if (!json_is(t, type, JSON_ARRAY)) return is_object_type(t, type);
    for (struct json_iter it = json_each(t, type); json_next(t, &it, &one);)
        if (is_object_type(t, one)) return true;
    return false;
}

/* The description, with what the subset has no word for behind it: "{minimum: 3, pattern: "x"}". */
static void put_description(struct reducing *r, uint32_t at, const struct buf *more)
{
    const struct chat_json inside = {buf_view(more), false};
    struct str span = STR_NONE;
    uint32_t text = json_find(r->t, at, S("description"));
    bool told = text && json_is(r->t, text, JSON_STRING);
    if (!told && !more->n) return;
    r->full |= more->over || (more->n && !chat_json_span(&inside, r->a, &span));
    json_put_name(&r->j, S("description"));
    json_put_string_begin(&r->j);
    if (told) buf_add(r->j.out, json_text(r->t, text).p, json_text(r->t, text).n);
    if (told && more->n) buf_str(r->j.out, S("\\n\\n"));
    buf_str(r->j.out, span);
    json_put_string_end(&r->j);
}

static void put_members(struct reducing *r, uint32_t at, unsigned depth, struct buf *more)
{
    uint32_t key, value;
    for (struct json_iter it = json_each(r->t, at); json_next_member(r->t, &it, &key, &value);) {
        bool closed = json_eq(r->t, key, S("additionalProperties"));
        if (closed || json_eq(r->t, key, S("description")) || put_known(r, key, value, depth)) continue;
        r->changed = true;
        if (is_about_schema(r->t, key)) continue;
        buf_fmt(more, "%s%.*s: ", more->n ? ", " : "{", STR_ARG(json_text(r->t, key)));
        buf_str(more, json_raw(r->t, value));
    }
    if (more->n) buf_str(more, S("}"));
}

static void put_schema(struct reducing *r, uint32_t at, unsigned depth)
{
    struct buf more;
    if (!json_is(r->t, at, JSON_OBJECT) || depth > DEEP) {
        put_same(r, at, depth);
        return;
    }
    uint32_t closed = json_find(r->t, at, S("additionalProperties"));
    bool object = is_object_schema(r->t, at);
    buf_init(&more, SCHEMA_MAX);
    json_put_object(&r->j);
    put_members(r, at, depth, &more);
    put_description(r, at, &more);
    if (object) json_add_bool(&r->j, S("additionalProperties"), false);
    r->changed |= object != (closed && json_is(r->t, closed, JSON_FALSE));
    json_put_end(&r->j);
    buf_done(&more);
}

enum err schema_of_output(struct adapting *w)
{
    static const uint32_t SUBSET = 1u << WIRE_ANTHROPIC_MESSAGES | 1u << WIRE_BEDROCK_INVOKE | 1u << WIRE_BEDROCK_CONVERSE;
    struct chat *c = w->c;
    struct reducing r = {.t = w->to->tape, .a = c->arena};
    struct str raw;
    struct buf out;
    if (!(SUBSET >> w->target & 1) || c->output != OUTPUT_SCHEMA || !c->schema.text.p) return OK;
    TRY(chat_json_raw(&c->schema, c->arena, w->to->tape, &raw, w->why));
    TRY(json_scan(w->to->tape, raw, &JSON_LIMITS, w->why));
    if (!json_is(r.t, 0, JSON_OBJECT)) return not_json(w, "the answer's format");
    buf_init(&out, SCHEMA_MAX);
    json_write(&r.j, &out);
    put_schema(&r, 0, 0);
    bool kept = json_write_done(&r.j) && !r.full && (!r.changed || arena_str(c->arena, buf_view(&out), &raw));
    buf_done(&out);
    if (!kept) return adapting_full(w);
    if (r.changed) c->schema = (struct chat_json){raw, false};
    w->to->losses->n[LOSS_SCHEMA] += r.changed;
    return OK;
}
