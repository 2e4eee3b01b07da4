/* Tables that read and write: see wire/parts.h. Called by the readers and writers of all formats; owns nothing. */
#include "wire/parts.h"

#include <stdio.h>

/* ---- errors --------------------------------------------------------------------------------------------------------- */

enum err wire_bad(struct wire_in *in, uint32_t at, const char *fmt, ...)
{
    char rest[160];
    struct buf path;
    va_list args;
    va_start(args, fmt);
    vsnprintf(rest, sizeof rest, fmt, args);
    va_end(args);
    buf_init(&path, JSON_WHERE_MAX + 8);
    json_where(in->t, json_node(in->t, at)->start, &path);
    const char *of = in->code == ERR_UPSTREAM_GARBAGE ? "the provider's answer: " : "";
    struct str where = path.n ? buf_view(&path) : S("the body");
    FAIL(in->why, in->code, "%s%.*s: %s", of, STR_ARG(where), rest);
    buf_done(&path);
    return in->code;
}

enum err wire_full(struct wire_in *in)
{
    if (in->code == ERR_UPSTREAM_GARBAGE)
        return FAIL(in->why, ERR_UPSTREAM_TOO_LARGE, "the provider's answer is too large to be translated");
    return FAIL(in->why, ERR_LIMIT, "the request is too large to be translated; call a model whose provider speaks its format");
}

/* ---- what a value must be ------------------------------------------------------------------------------------------------ */

static const char *const TYPES[] = {
    [JSON_NULL] = "null",       [JSON_FALSE] = "false",    [JSON_TRUE] = "true",        [JSON_NUMBER] = "a number",
    [JSON_STRING] = "a string", [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
};

#define TYPE(t) (1u << JSON_##t)
#define ALL_TYPES (TYPE(NULL) | TYPE(FALSE) | TYPE(TRUE) | TYPE(NUMBER) | TYPE(STRING) | TYPE(ARRAY) | TYPE(OBJECT))
const uint8_t wire_want_types[] = {
    [WANT_ANY] = ALL_TYPES,       [WANT_STRING] = TYPE(STRING),           [WANT_NUMBER] = TYPE(NUMBER),
    [WANT_WHOLE] = TYPE(NUMBER),  [WANT_BOOL] = TYPE(FALSE) | TYPE(TRUE), [WANT_ARRAY] = TYPE(ARRAY),
    [WANT_OBJECT] = TYPE(OBJECT), [WANT_STRINGS] = TYPE(ARRAY),           [WANT_VALUE] = ALL_TYPES & ~TYPE(NULL),
};
static const char *const MUST[] = {
    [WANT_ANY] = "",
    [WANT_STRING] = "must be a string",
    [WANT_NUMBER] = "must be a number",
    [WANT_WHOLE] = "must be a whole number",
    [WANT_BOOL] = "must be true or false",
    [WANT_ARRAY] = "must be an array",
    [WANT_OBJECT] = "must be an object",
    [WANT_STRINGS] = "must be an array of strings",
    [WANT_VALUE] = "must not be null",
};

static bool all_strings(const struct json_tape *t, uint32_t at)
{
    uint32_t value;
    for (struct json_iter it = json_each(t, at); json_next(t, &it, &value);)
        if (!json_is(t, value, JSON_STRING)) return false;
    return true;
}

enum err wire_want_closely(struct wire_in *in, uint32_t at, enum wire_want want)
{
    uint64_t whole;
    enum json_type type = json_type(in->t, at);
    if (!(wire_want_types[want] >> type & 1)) return wire_bad(in, at, "%s, but is %s", MUST[want], TYPES[type]);
    bool wrong = (want == WANT_WHOLE && !json_u64(in->t, at, &whole)) || (want == WANT_STRINGS && !all_strings(in->t, at));
    return wrong ? wire_bad(in, at, "%s", MUST[want]) : OK;
}

enum err wire_once(struct wire_in *in, uint32_t at)
{
    uint32_t twice = json_name_twice(in->t, at);
    return twice ? wire_bad(in, twice, "is given twice") : OK;
}

struct str wire_plain(struct wire_in *in, uint32_t at)
{
    struct str text = json_text(in->t, at);
    if (!(json_node(in->t, at)->flags & JSON_ESCAPED)) return text;
    struct buf plain;
    buf_init(&plain, text.n);
    json_span_unescape(text, &plain);
    if (!arena_str(in->a, buf_view(&plain), &text)) text = STR_NONE;
    buf_done(&plain);
    return text;
}

/* ---- walking -------------------------------------------------------------------------------------------------------------- */

/* protobuf's JSON takes "maxOutputTokens" and "max_output_tokens" for the same. */
static bool is_snake_of(struct str key, struct str camel)
{
    size_t i = 0;
    for (size_t j = 0; j < camel.n; j++, i++) {
        bool upper = camel.p[j] >= 'A' && camel.p[j] <= 'Z';
        if (upper && (i >= key.n || key.p[i++] != '_')) return false;
        if (i >= key.n || key.p[i] != (char)(upper ? camel.p[j] | 32 : camel.p[j])) return false;
    }
    return i == key.n;
}

static bool is_named(const struct wire_in *in, uint32_t key, struct str name)
{
    return json_eq(in->t, key, name) || (in->snake_too && is_snake_of(json_text(in->t, key), name));
}

static enum err store(struct wire_in *in, void *into, uint32_t value, const struct wire_member *row)
{
    struct str *text = (struct str *)(void *)((char *)into + row->to);
    enum chat_flag *flag = (enum chat_flag *)(void *)((char *)into + row->to);
    if (row->what == DO_SPAN) *text = json_text(in->t, value);
    if (row->what == DO_RAW) *text = json_raw(in->t, value);
    if (row->what == DO_FLAG) *flag = json_is(in->t, value, JSON_TRUE) ? FLAG_YES : FLAG_NO;
    if (row->field != WIRE_NO_FIELD) chat_has(into, (unsigned)row->field);
    return row->what == DO_CALL ? row->take(in, into, value) : OK;
}

static enum err take_row(struct wire_in *in, void *into, uint32_t value, const struct wire_member *row)
{
    if (json_is(in->t, value, JSON_NULL) && row->want != WANT_ANY && !row->must) return OK;
    TRY(wire_want(in, value, row->want));
    return row->what == DO_SKIP ? OK : store(in, into, value, row);
}

static enum wire_want setting_want(enum chat_setting s)
{
    switch (chat_setting_type(s)) {
    case 'N': return WANT_NUMBER;
    case 'W': return WANT_WHOLE;
    case 'S': return WANT_STRING;
    case 'B': return WANT_BOOL;
    case 'A': return WANT_STRINGS;
    default: return WANT_VALUE;
    }
}

/* CHAT_SETTINGS_N: the name is none of the table's. */
static unsigned find_setting(const struct wire_in *in, uint32_t key, const struct wire_shape *shape)
{
    unsigned s = 0;
    if (!shape->settings) return CHAT_SETTINGS_N;
    for (; s < CHAT_SETTINGS_N; s++) {
        const struct wire_setting *row = &shape->settings[s];
        if (row->name.n && row->place == shape->place && is_named(in, key, row->name)) break;
    }
    return s;
}

static enum err take_setting(struct wire_in *in, uint32_t key, uint32_t value, unsigned s)
{
    struct chat *c = in->c;
    if (json_is(in->t, value, JSON_NULL)) return OK;
    if (c->node.has & 1ull << s) return wire_bad(in, key, "is given twice");
    TRY(wire_want(in, value, setting_want((enum chat_setting)s)));
    c->settings[s] = json_raw(in->t, value);
    chat_has(&c->node, s);
    return OK;
}

static enum err take_unknown(struct wire_in *in, void *into, uint32_t key, uint32_t value)
{
    struct chat_node *n = into;
    if (!n) return wire_bad(in, key, "is not known here");
    if (!chat_add_extra(in->a, n, json_text(in->t, key), json_raw(in->t, value), wire_at(in, key))) return wire_full(in);
    n->extra->last->inside = in->inside;
    return OK;
}

static enum err take_member(struct wire_in *in, void *into, uint32_t key, uint32_t value, const struct wire_shape *shape,
                            uint64_t *seen)
{
    for (size_t i = 0; i < shape->n; i++) {
        if (!is_named(in, key, shape->rows[i].name)) continue;
        if (*seen & 1ull << i) return wire_bad(in, key, "is given twice");
        *seen |= 1ull << i;
        return take_row(in, into, value, &shape->rows[i]);
    }
    unsigned s = find_setting(in, key, shape);
    return s < CHAT_SETTINGS_N ? take_setting(in, key, value, s) : take_unknown(in, into, key, value);
}

static enum err check_must(struct wire_in *in, uint32_t at, const struct wire_shape *shape, uint64_t seen)
{
    for (size_t i = 0; i < shape->n; i++)
        if (shape->rows[i].must && !(seen & 1ull << i)) return wire_bad(in, at, "has no %.*s", STR_ARG(shape->rows[i].name));
    return OK;
}

static enum err walk(struct wire_in *in, uint32_t at, const struct wire_shape *shape, void *into, struct str inside)
{
    uint32_t key, value;
    uint64_t seen = 0;
    must(shape->n <= WIRE_ROWS_MAX);
    TRY(wire_want(in, at, WANT_OBJECT));
    for (struct json_iter it = json_each(in->t, at); json_next_member(in->t, &it, &key, &value);) {
        in->inside = inside; /* a handler may have walked something else */
        TRY(take_member(in, into, key, value, shape, &seen));
    }
    return check_must(in, at, shape, seen);
}

enum err wire_walk(struct wire_in *in, uint32_t at, const struct wire_shape *shape, void *into)
{
    return walk(in, at, shape, into, STR_NONE);
}

enum err wire_walk_inside(struct wire_in *in, uint32_t at, const struct wire_shape *shape, void *into, const char *name)
{
    return walk(in, at, shape, into, str_z(name));
}

enum err wire_each(struct wire_in *in, uint32_t at, wire_take_fn *take, void *into)
{
    uint32_t value;
    TRY(wire_want(in, at, WANT_ARRAY));
    for (struct json_iter it = json_each(in->t, at); json_next(in->t, &it, &value);) TRY(take(in, into, value));
    return OK;
}

enum err wire_content(struct wire_in *in, struct chat_item *i, uint32_t at, wire_take_fn *take, enum chat_shape *ret_shape)
{
    *ret_shape = json_is(in->t, at, JSON_NULL) ? SHAPE_NULL : json_is(in->t, at, JSON_STRING) ? SHAPE_STRING : SHAPE_ARRAY;
    if (*ret_shape == SHAPE_NULL) return OK;
    if (*ret_shape == SHAPE_ARRAY && !json_is(in->t, at, JSON_ARRAY)) return wire_bad(in, at, "must be a string or an array");
    if (*ret_shape == SHAPE_ARRAY) return wire_each(in, at, take, i);
    struct chat_part *p = chat_add_part(in->a, i, PART_TEXT);
    if (!p) return wire_full(in);
    p->node.at = wire_at(in, at);
    p->text = json_text(in->t, at);
    chat_has(&p->node, PART_HAS_TEXT);
    return OK;
}

enum err wire_pick(struct wire_in *in, uint32_t object, const char *member, const struct wire_kind *table, size_t n,
                   const struct wire_kind **ret_kind)
{
    TRY(wire_want(in, object, WANT_OBJECT));
    uint32_t at = json_find(in->t, object, str_z(member));
    if (!at) return wire_bad(in, object, "has no %s", member);
    TRY(wire_want(in, at, WANT_STRING));
    *ret_kind = NULL;
    for (size_t i = 0; i < n && !*ret_kind; i++)
        if (json_eq(in->t, at, table[i].word)) *ret_kind = &table[i];
    return OK;
}

/* ---- words ---------------------------------------------------------------------------------------------------------------- */

int wire_word_value(const struct wire_word *table, size_t n, struct str span, int otherwise)
{
    for (size_t i = 0; i < n; i++)
        if (json_span_eq(span, table[i].word)) return table[i].value;
    return otherwise;
}

struct str wire_word_of(const struct wire_word *table, size_t n, int value)
{
    for (size_t i = 0; i < n; i++)
        if (table[i].value == value) return table[i].word;
    return STR_NONE;
}

/* ---- writing -------------------------------------------------------------------------------------------------------------- */

static bool is_written(const struct chat *c, const struct wire_setting *row, unsigned s, unsigned place)
{
    return row->lack == LACK_NOTHING && row->name.n && row->place == place && c->node.has & 1ull << s;
}

void wire_put_settings(struct json_writer *w, struct chat *c, const struct wire_setting *table, unsigned place)
{
    for (unsigned s = 0; s < CHAT_SETTINGS_N; s++) {
        if (!is_written(c, &table[s], s, place)) continue;
        json_add_raw(w, table[s].name, c->settings[s]);
        chat_told(&c->node, s);
    }
}

bool wire_has_settings(const struct chat *c, const struct wire_setting *table, unsigned place)
{
    for (unsigned s = 0; s < CHAT_SETTINGS_N; s++)
        if (is_written(c, &table[s], s, place)) return true;
    return false;
}

void wire_lose_settings(struct chat *c, const struct wire_setting *table, struct chat_losses *l)
{
    for (unsigned s = 0; s < CHAT_SETTINGS_N; s++)
        if (table[s].lack == LACK_LOSE) chat_lose(l, &c->node, s, table[s].loss);
}

void wire_put_extra(struct wire_out *o, struct chat_node *n, struct str inside, enum chat_loss how)
{
    if (!o->same_family) chat_lose_extra(o->losses, n, how);
    for (struct chat_extra *e = n->extra; e; e = e->next) {
        if (e->told || !str_eq(e->inside, inside)) continue;
        json_put_name_span(&o->w, e->name);
        json_put_raw(&o->w, e->raw);
        e->told = true;
    }
}

bool wire_has_extra(const struct chat_node *n, struct str inside)
{
    for (const struct chat_extra *e = n->extra; e; e = e->next)
        if (!e->told && str_eq(e->inside, inside)) return true;
    return false;
}

void wire_put_field(struct wire_out *o, struct chat_node *n, unsigned field, const char *name, struct str span)
{
    if (!chat_told(n, field)) return;
    json_put_name(&o->w, str_z(name));
    json_put_span(&o->w, span);
}

void wire_put_field_raw(struct wire_out *o, struct chat_node *n, unsigned field, const char *name, struct str raw)
{
    if (chat_told(n, field)) json_add_raw(&o->w, str_z(name), raw);
}
