/* JSON schema as Gemini's own, for models that know only that one (G10): references are put in place, `allOf` is one schema, `const` an
 * enum, a list of types `nullable` or `anyOf`; what is left over is dropped and counted. Facts: Gemini API reference "Schema". Called by
 * the writer of requests; pure. */
#include "wire/gemini_generate/request_write.h"

enum { LAYERS_MAX = 32, REFS_MAX = 64, TYPES_MAX = 8, SCHEMA_MAX = 1 << 20, DEEP = JSON_WRITE_DEPTH / 2 - 3 };

struct writing {
    struct json_writer w;
    const struct json_tape *t;
    uint32_t refs[REFS_MAX]; /* what is being put in place, from the outermost in */
    unsigned n_refs, depth;
    bool lossy;
    struct fault *why;
};

/* All that holds for one value: the schema itself, what it refers to, what `allOf` adds. The first that says a thing counts. */
struct layers {
    uint32_t at[LAYERS_MAX];
    unsigned n;
    bool nullable;
};

static enum err put_schema(struct writing *s, uint32_t at);

/* ---- what holds ------------------------------------------------------------------------------------------------------------------- */

static uint32_t find(const struct writing *s, const struct layers *l, const char *name)
{
    for (unsigned i = 0; i < l->n; i++) {
        uint32_t value = json_find(s->t, l->at[i], str_z(name));
        if (value) return value;
    }
    return 0;
}

/* "#/$defs/Name": from the root down; what is elsewhere is not fetched. */
static uint32_t resolve(const struct writing *s, struct str ref)
{
    uint32_t at = 0;
    struct str one;
    if (!str_starts(ref, S("#/")) || memchr(ref.p, '~', ref.n) || memchr(ref.p, '%', ref.n)) return 0;
    for (struct str rest = str_from(ref, 2); rest.n;) {
        str_cut(rest, '/', &one, &rest);
        at = json_is(s->t, at, JSON_OBJECT) ? json_find(s->t, at, one) : 0;
        if (!at) return 0;
    }
    return at;
}

static enum err collect(struct writing *s, struct layers *l, uint32_t at);

static enum err collect_ref(struct writing *s, struct layers *l, uint32_t ref)
{
    struct str name = json_text(s->t, ref);
    uint32_t to = json_is(s->t, ref, JSON_STRING) ? resolve(s, name) : 0;
    int shown = (int)(name.n < 80 ? name.n : 80);
    if (!to)
        return FAIL(s->why, ERR_FORMAT_UNSUPPORTED,
                    "the schema refers to %.*s, which is not in it: this model takes no references", shown, name.p);
    for (unsigned i = 0; i < s->n_refs; i++)
        if (s->refs[i] == to)
            return FAIL(s->why, ERR_FORMAT_UNSUPPORTED,
                        "the schema refers to itself (%.*s): this model takes no recursive schemas", shown, name.p);
    if (s->n_refs == REFS_MAX)
        return FAIL(s->why, ERR_LIMIT, "the schema has more than %d references within each other", REFS_MAX);
    s->refs[s->n_refs++] = to;
    return collect(s, l, to);
}

static enum err collect(struct writing *s, struct layers *l, uint32_t at)
{
    uint32_t one;
    if (!json_is(s->t, at, JSON_OBJECT)) return OK; /* true: all holds */
    if (l->n == LAYERS_MAX) return FAIL(s->why, ERR_LIMIT, "the schema has more than %d parts in one place", LAYERS_MAX);
    l->at[l->n++] = at;
    uint32_t ref = json_find(s->t, at, S("$ref")), all = json_find(s->t, at, S("allOf"));
    if (ref) TRY(collect_ref(s, l, ref));
    if (!all || !json_is(s->t, all, JSON_ARRAY)) return OK;
    for (struct json_iter it = json_each(s->t, all); json_next(s->t, &it, &one);) TRY(collect(s, l, one));
    return OK;
}

/* ---- types -------------------------------------------------------------------------------------------------------------------------- */

struct types {
    struct str at[TYPES_MAX];
    unsigned n;
};

static void add_type(struct writing *s, struct layers *l, struct types *types, uint32_t at)
{
    struct str name = json_text(s->t, at);
    if (!json_is(s->t, at, JSON_STRING)) return;
    if (str_eq(name, S("null"))) l->nullable = true;
    else if (types->n < TYPES_MAX) types->at[types->n++] = name;
}

/* What the values of an enum are, when nobody says. */
static struct str type_of_value(const struct json_tape *t, uint32_t at)
{
    static const struct str TYPES[] = {
        [JSON_NULL] = WIRE_STR("string"),   [JSON_FALSE] = WIRE_STR("boolean"), [JSON_TRUE] = WIRE_STR("boolean"),
        [JSON_NUMBER] = WIRE_STR("number"), [JSON_STRING] = WIRE_STR("string"), [JSON_ARRAY] = WIRE_STR("array"),
        [JSON_OBJECT] = WIRE_STR("object"),
    };
    return TYPES[json_type(t, at)];
}

static struct str guess_type(struct writing *s, const struct layers *l)
{
    uint32_t value = find(s, l, "const"), list = find(s, l, "enum");
    struct json_iter it = json_each(s->t, list);
    if (find(s, l, "properties")) return S("object");
    if (find(s, l, "items")) return S("array");
    if (!value && list && json_is(s->t, list, JSON_ARRAY) && !json_next(s->t, &it, &value)) value = 0;
    s->lossy |= !value; /* anything at all: the nearest is a text */
    return value ? type_of_value(s->t, value) : S("string");
}

static void read_types(struct writing *s, struct layers *l, struct types *types)
{
    uint32_t one, type = find(s, l, "type");
    *types = (struct types){.n = 0};
    if (type && json_is(s->t, type, JSON_ARRAY))
        for (struct json_iter it = json_each(s->t, type); json_next(s->t, &it, &one);) add_type(s, l, types, one);
    else if (type) add_type(s, l, types, type);
    if (!types->n) types->at[types->n++] = guess_type(s, l);
}

static void put_type(struct writing *s, struct str lower)
{
    json_put_name(&s->w, S("type"));
    json_put_string_begin(&s->w);
    for (size_t i = 0; i < lower.n; i++)
        buf_char(s->w.out, lower.p[i] >= 'a' && lower.p[i] <= 'z' ? (char)(lower.p[i] & ~32) : lower.p[i]);
    json_put_string_end(&s->w);
}

/* ---- members ------------------------------------------------------------------------------------------------------------------------ */

/* As they are. */
static const char *const SAME[] = {"title",     "description", "minItems", "maxItems", "minProperties", "maxProperties",
                                   "minLength", "maxLength",   "pattern",  "minimum",  "maximum"};
/* Dealt with by name, or saying nothing about the value. */
static const char *const KNOWN[] = {"type",        "properties", "required", "items",    "anyOf",   "oneOf",
                                    "allOf",       "$ref",       "enum",     "const",    "format",  "$defs",
                                    "definitions", "$schema",    "$id",      "$comment", "nullable"};

static bool is_listed(const struct json_tape *t, uint32_t key, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (json_eq(t, key, str_z(list[i]))) return true;
    return false;
}

static void note_losses(struct writing *s, const struct layers *l)
{
    uint32_t key, value;
    for (unsigned i = 0; i < l->n; i++)
        for (struct json_iter it = json_each(s->t, l->at[i]); json_next_member(s->t, &it, &key, &value);)
            s->lossy |= !is_listed(s->t, key, SAME, COUNTOF(SAME)) && !is_listed(s->t, key, KNOWN, COUNTOF(KNOWN));
}

static void put_same(struct writing *s, const struct layers *l)
{
    for (unsigned i = 0; i < COUNTOF(SAME); i++) {
        uint32_t value = find(s, l, SAME[i]);
        if (value) json_add_raw(&s->w, str_z(SAME[i]), json_raw(s->t, value));
    }
}

static void put_format(struct writing *s, const struct layers *l, struct str type)
{
    static const struct {
        const char *type, *format;
    } TAKEN[] = {{"string", "date-time"}, {"string", "enum"},   {"number", "float"},
                 {"number", "double"},    {"integer", "int32"}, {"integer", "int64"}};
    uint32_t format = find(s, l, "format");
    if (!format) return;
    for (unsigned i = 0; i < COUNTOF(TAKEN); i++) {
        if (!str_eq(type, str_z(TAKEN[i].type)) || !json_eq(s->t, format, str_z(TAKEN[i].format))) continue;
        json_add_raw(&s->w, S("format"), json_raw(s->t, format));
        return;
    }
    s->lossy = true;
}

/* Texts alone can be listed. */
static void put_enum(struct writing *s, const struct layers *l)
{
    uint32_t one, value = find(s, l, "const"), list = value ? 0 : find(s, l, "enum");
    bool texts = value ? json_is(s->t, value, JSON_STRING) : list && json_is(s->t, list, JSON_ARRAY);
    for (struct json_iter it = json_each(s->t, list); texts && list && json_next(s->t, &it, &one);)
        texts = json_is(s->t, one, JSON_STRING) || json_is(s->t, one, JSON_NULL);
    s->lossy |= (value || list) && !texts;
    if (!texts) return;
    json_add_array(&s->w, S("enum"));
    if (value) json_put_raw(&s->w, json_raw(s->t, value));
    for (struct json_iter it = json_each(s->t, list); list && json_next(s->t, &it, &one);)
        if (json_is(s->t, one, JSON_STRING)) json_put_raw(&s->w, json_raw(s->t, one));
    json_put_end(&s->w);
}

static bool is_property(const struct writing *s, const struct layers *l, unsigned n, struct str name)
{
    for (unsigned i = 0; i < n; i++) {
        uint32_t all = json_find(s->t, l->at[i], S("properties"));
        if (all && json_is(s->t, all, JSON_OBJECT) && json_find(s->t, all, name)) return true;
    }
    return false;
}

static enum err put_properties(struct writing *s, const struct layers *l)
{
    uint32_t key, value;
    if (!find(s, l, "properties")) return OK;
    json_add_object(&s->w, S("properties"));
    for (unsigned i = 0; i < l->n; i++) {
        uint32_t all = json_find(s->t, l->at[i], S("properties"));
        if (!all || !json_is(s->t, all, JSON_OBJECT)) continue;
        for (struct json_iter it = json_each(s->t, all); json_next_member(s->t, &it, &key, &value);) {
            if (is_property(s, l, i, json_text(s->t, key))) continue;
            json_put_name_span(&s->w, json_text(s->t, key));
            TRY(put_schema(s, value));
        }
    }
    json_put_end(&s->w);
    return OK;
}

/* What is not described cannot be demanded here. */
static void put_required(struct writing *s, const struct layers *l)
{
    uint32_t one;
    bool any = false;
    for (unsigned i = 0; i < l->n; i++) {
        uint32_t list = json_find(s->t, l->at[i], S("required"));
        if (!list || !json_is(s->t, list, JSON_ARRAY)) continue;
        for (struct json_iter it = json_each(s->t, list); json_next(s->t, &it, &one);) {
            if (!json_is(s->t, one, JSON_STRING) || !is_property(s, l, l->n, json_text(s->t, one))) continue;
            if (!any) json_add_array(&s->w, S("required"));
            any = true;
            json_put_raw(&s->w, json_raw(s->t, one));
        }
    }
    if (any) json_put_end(&s->w);
}

/* ---- choices ------------------------------------------------------------------------------------------------------------------------ */

static bool is_null(const struct writing *s, uint32_t at)
{
    uint32_t type = json_is(s->t, at, JSON_OBJECT) ? json_find(s->t, at, S("type")) : 0;
    return type && json_eq(s->t, type, S("null"));
}

/* The alternatives that are no null; one alone is no choice. */
static enum err read_choice(struct writing *s, struct layers *l, uint32_t *ret_choice)
{
    uint32_t one, last = 0, n = 0, list = find(s, l, "anyOf");
    *ret_choice = 0;
    if (!list) list = find(s, l, "oneOf");
    if (!list || !json_is(s->t, list, JSON_ARRAY)) return OK;
    for (struct json_iter it = json_each(s->t, list); json_next(s->t, &it, &one);) {
        if (is_null(s, one)) {
            l->nullable = true;
            continue;
        }
        last = one;
        n++;
    }
    if (n == 1) return collect(s, l, last);
    if (n > 1) *ret_choice = list;
    return OK;
}

/* Beside anyOf the vendor takes nothing else. */
static enum err put_choice(struct writing *s, uint32_t list)
{
    uint32_t one;
    json_add_array(&s->w, S("anyOf"));
    for (struct json_iter it = json_each(s->t, list); json_next(s->t, &it, &one);)
        if (!is_null(s, one)) TRY(put_schema(s, one));
    json_put_end(&s->w);
    return OK;
}

static void put_types(struct writing *s, const struct types *types)
{
    s->lossy = true;
    json_add_array(&s->w, S("anyOf"));
    for (unsigned i = 0; i < types->n; i++) {
        json_put_object(&s->w);
        put_type(s, types->at[i]);
        json_put_end(&s->w);
    }
    json_put_end(&s->w);
}

/* ---- a schema ----------------------------------------------------------------------------------------------------------------------- */

static enum err put_one(struct writing *s, const struct layers *l, struct str type)
{
    uint32_t items = find(s, l, "items");
    put_type(s, type);
    if (l->nullable) json_add_bool(&s->w, S("nullable"), true);
    put_same(s, l);
    put_format(s, l, type);
    put_enum(s, l);
    if (str_eq(type, S("array"))) json_put_name(&s->w, S("items"));
    if (str_eq(type, S("array"))) TRY(put_schema(s, items));
    TRY(put_properties(s, l));
    put_required(s, l);
    return OK;
}

static enum err put_layers(struct writing *s, struct layers *l)
{
    struct types types;
    uint32_t choice, flag = find(s, l, "nullable");
    l->nullable = flag && json_is(s->t, flag, JSON_TRUE);
    TRY(read_choice(s, l, &choice));
    note_losses(s, l);
    json_put_object(&s->w);
    if (choice) {
        TRY(put_choice(s, choice));
    } else {
        read_types(s, l, &types);
        if (types.n > 1) put_types(s, &types);
        else TRY(put_one(s, l, types.at[0]));
    }
    json_put_end(&s->w);
    return OK;
}

/* at 0 is the root, but for items that nobody described: those are texts. */
static enum err put_schema(struct writing *s, uint32_t at)
{
    struct layers l = {.n = 0};
    unsigned refs = s->n_refs;
    if (++s->depth > DEEP) return FAIL(s->why, ERR_LIMIT, "the schema is nested too deeply");
    if (s->w.out->over)
        return FAIL(s->why, ERR_LIMIT, "the schema is too large without its references"); /* and goes on growing */
    bool untold = at == 0 && s->depth > 1;
    s->lossy |= untold;
    if (!untold) TRY(collect(s, &l, at));
    TRY(put_layers(s, &l));
    s->n_refs = refs;
    s->depth--;
    return OK;
}

/* Of a function without parameters: the vendor wants no schema then. */
static bool is_empty(const struct json_tape *t)
{
    static const char *const ELSE[] = {"$ref", "allOf", "anyOf", "oneOf", "items", "enum"};
    uint32_t type = json_is(t, 0, JSON_OBJECT) ? json_find(t, 0, S("type")) : 0;
    uint32_t properties = type ? json_find(t, 0, S("properties")) : 0;
    for (unsigned i = 0; type && i < COUNTOF(ELSE); i++)
        if (json_find(t, 0, str_z(ELSE[i]))) return false;
    return type && json_eq(t, type, S("object")) && (!properties || json_count(t, properties) == 0);
}

enum err gemini_schema_write(struct gemini_writing *w, struct str raw, struct str *ret_schema)
{
    struct buf out;
    struct writing s = {.t = w->to->tape, .why = w->why};
    *ret_schema = STR_NONE;
    TRY(json_scan(w->to->tape, raw, &JSON_LIMITS, w->why));
    if (is_empty(s.t)) return OK;
    buf_init(&out, SCHEMA_MAX);
    json_write(&s.w, &out);
    enum err e = put_schema(&s, 0);
    bool kept = e == OK && json_write_done(&s.w) && arena_str(w->o.a, buf_view(&out), ret_schema);
    buf_done(&out);
    if (e != OK) return e;
    if (s.lossy) w->o.losses->n[LOSS_SCHEMA]++;
    return kept ? OK : FAIL(w->why, ERR_LIMIT, "the schema is too large without its references");
}
