/* Gemini's own schema, a subset of OpenAPI's, as JSON schema: for targets that know only that one (G10). Facts: Gemini API
 * reference "Schema". Called by the reader of requests; pure. */
#include "wire/gemini_generate/priv.h"

/* A schema within a schema opens two brackets at most, and a type one: the writer holds JSON_WRITE_DEPTH open. */
enum { SCHEMA_MAX = 4 << 20, DEEP = JSON_WRITE_DEPTH / 2 - 3 };

static void put_schema(struct json_writer *w, const struct json_tape *t, uint32_t at, unsigned depth);

static void put_raw(struct json_writer *w, const struct json_tape *t, uint32_t at) { json_put_raw(w, json_raw(t, at)); }

static void put_word(struct json_writer *w, struct str upper)
{
    json_put_string_begin(w);
    for (size_t i = 0; i < upper.n; i++) {
        char c = upper.p[i];
        buf_char(w->out, c >= 'A' && c <= 'Z' ? (char)(c | 32) : c);
    }
    json_put_string_end(w);
}

static void put_type(struct json_writer *w, const struct json_tape *t, uint32_t type, bool nullable)
{
    json_put_name(w, S("type"));
    if (!json_is(t, type, JSON_STRING)) {
        put_raw(w, t, type);
        return;
    }
    if (nullable) json_put_array(w);
    put_word(w, json_text(t, type));
    if (nullable) json_put_str(w, S("null"));
    if (nullable) json_put_end(w);
}

static void put_properties(struct json_writer *w, const struct json_tape *t, uint32_t at, unsigned depth)
{
    uint32_t key, value;
    if (!json_is(t, at, JSON_OBJECT)) {
        put_raw(w, t, at);
        return;
    }
    json_put_object(w);
    for (struct json_iter it = json_each(t, at); json_next_member(t, &it, &key, &value);) {
        json_put_name_span(w, json_text(t, key));
        put_schema(w, t, value, depth);
    }
    json_put_end(w);
}

static void put_list(struct json_writer *w, const struct json_tape *t, uint32_t at, unsigned depth)
{
    uint32_t value;
    if (!json_is(t, at, JSON_ARRAY)) {
        put_raw(w, t, at);
        return;
    }
    json_put_array(w);
    for (struct json_iter it = json_each(t, at); json_next(t, &it, &value);) put_schema(w, t, value, depth);
    json_put_end(w);
}

/* int64 comes in a string in protobuf's JSON. */
static void put_count(struct json_writer *w, const struct json_tape *t, uint32_t at, unsigned depth)
{
    uint64_t n;
    (void)depth;
    if (json_is(t, at, JSON_STRING) && str_u64(json_text(t, at), &n)) json_put_u64(w, n);
    else put_raw(w, t, at);
}

static const struct {
    struct str name, snake;
    struct str as; /* JSON schema's name */
    void (*put)(struct json_writer *, const struct json_tape *, uint32_t, unsigned depth);
} MEMBERS[] = {
    {WIRE_STR("properties"), WIRE_STR("properties"), WIRE_STR("properties"), put_properties},
    {WIRE_STR("items"), WIRE_STR("items"), WIRE_STR("items"), put_schema},
    {WIRE_STR("anyOf"), WIRE_STR("any_of"), WIRE_STR("anyOf"), put_list},
    {WIRE_STR("minItems"), WIRE_STR("min_items"), WIRE_STR("minItems"), put_count},
    {WIRE_STR("maxItems"), WIRE_STR("max_items"), WIRE_STR("maxItems"), put_count},
    {WIRE_STR("minLength"), WIRE_STR("min_length"), WIRE_STR("minLength"), put_count},
    {WIRE_STR("maxLength"), WIRE_STR("max_length"), WIRE_STR("maxLength"), put_count},
    {WIRE_STR("minProperties"), WIRE_STR("min_properties"), WIRE_STR("minProperties"), put_count},
    {WIRE_STR("maxProperties"), WIRE_STR("max_properties"), WIRE_STR("maxProperties"), put_count},
};

static void put_member(struct json_writer *w, const struct json_tape *t, uint32_t key, uint32_t value, unsigned depth)
{
    for (unsigned i = 0; i < COUNTOF(MEMBERS); i++) {
        if (!json_eq(t, key, MEMBERS[i].name) && !json_eq(t, key, MEMBERS[i].snake)) continue;
        json_put_name(w, MEMBERS[i].as);
        MEMBERS[i].put(w, t, value, depth + 1);
        return;
    }
    json_put_name_span(w, json_text(t, key));
    put_raw(w, t, value);
}

static void put_schema(struct json_writer *w, const struct json_tape *t, uint32_t at, unsigned depth)
{
    uint32_t key, value, null = json_find(t, at, S("nullable"));
    bool nullable = null && json_is(t, null, JSON_TRUE), typed = false;
    if (!json_is(t, at, JSON_OBJECT) || depth > DEEP) {
        put_raw(w, t, at);
        return;
    }
    json_put_object(w);
    for (struct json_iter it = json_each(t, at); json_next_member(t, &it, &key, &value);) {
        bool is_type = json_eq(t, key, S("type"));
        if (value == null || (is_type && typed)) continue;
        typed |= is_type;
        if (is_type) put_type(w, t, value, nullable);
        else put_member(w, t, key, value, depth);
    }
    json_put_end(w);
}

enum err gemini_schema_read(struct wire_in *in, uint32_t at, struct str *ret_raw)
{
    struct buf out;
    struct json_writer w;
    uint32_t end = json_node(in->t, at)->next;
    for (uint32_t each = at; each < end; each++) TRY(wire_once(in, each));
    buf_init(&out, SCHEMA_MAX);
    json_write(&w, &out);
    put_schema(&w, in->t, at, 0);
    bool fits = json_write_done(&w) && arena_str(in->a, buf_view(&out), ret_raw);
    buf_done(&out);
    return fits ? OK : wire_full(in);
}
