/* The writer: objects, arrays and values into a buffer, commas and colons by themselves.
 * Called by everyone who makes JSON. Owns nothing but its few words; the buffer is the caller's. */
#include "json/json.h"

void json_write(struct json_writer *w, struct buf *out) { *w = (struct json_writer){.out = out}; }

bool json_write_done(struct json_writer *w)
{
    must(w->depth == 0 && !w->has_name);
    return !w->out->over;
}

/* A value is about to come: in an object its name must have been written, in an array the comma stands before it. Returns
 * whether that comma is still to be written. */
static bool value_wants_comma(struct json_writer *w)
{
    if (w->is_object & 1) {
        must(w->has_name);
        w->has_name = false;
        return false;
    }
    bool comma = w->has_items & 1;
    w->has_items |= w->depth > 0;
    return comma;
}

static void before_value(struct json_writer *w)
{
    if (value_wants_comma(w)) buf_char(w->out, ',');
}

static bool name_wants_comma(struct json_writer *w)
{
    must((w->is_object & 1) && !w->has_name);
    bool comma = w->has_items & 1;
    w->has_items |= 1;
    w->has_name = true;
    return comma;
}

/* Comma, quotes, `inside` as it stands, a colon: with one look at the room instead of one for each. */
static void put_quoted(struct buf *out, bool comma, struct str inside, bool colon)
{
    if (!buf_reserve(out, inside.n + 2 + comma + colon)) return;
    char *p = out->p + out->n;
    if (comma) *p++ = ',';
    *p++ = '"';
    if (inside.n) memcpy(p, inside.p, inside.n);
    p += inside.n;
    *p++ = '"';
    if (colon) *p++ = ':';
    out->n = (size_t)(p - out->p);
}

/* Hardly anything that is written has something to escape. */
static void put_escaped(struct buf *out, bool comma, struct str s, bool colon)
{
    if (LIKELY(str_plain_run(s, 0) == s.n)) {
        put_quoted(out, comma, s, colon);
        return;
    }
    buf_str(out, comma ? S(",\"") : S("\""));
    json_escape(out, s);
    buf_str(out, colon ? S("\":") : S("\""));
}

static void open_container(struct json_writer *w, bool is_object)
{
    before_value(w);
    must(w->depth < JSON_WRITE_DEPTH);
    w->depth++;
    w->is_object = w->is_object << 1 | is_object;
    w->has_items <<= 1;
    buf_char(w->out, is_object ? '{' : '[');
}

void json_put_object(struct json_writer *w) { open_container(w, true); }
void json_put_array(struct json_writer *w) { open_container(w, false); }

void json_put_end(struct json_writer *w)
{
    must(w->depth > 0 && !w->has_name);
    buf_char(w->out, w->is_object & 1 ? '}' : ']');
    w->depth--;
    w->is_object >>= 1;
    w->has_items >>= 1;
}

void json_put_name(struct json_writer *w, struct str name) { put_escaped(w->out, name_wants_comma(w), name, true); }
void json_put_name_span(struct json_writer *w, struct str escaped) { put_quoted(w->out, name_wants_comma(w), escaped, true); }
void json_put_str(struct json_writer *w, struct str s) { put_escaped(w->out, value_wants_comma(w), s, false); }
void json_put_span(struct json_writer *w, struct str escaped) { put_quoted(w->out, value_wants_comma(w), escaped, false); }

void json_put_string_begin(struct json_writer *w)
{
    before_value(w);
    buf_char(w->out, '"');
}

void json_put_string_end(struct json_writer *w) { buf_char(w->out, '"'); }

void json_put_u64(struct json_writer *w, uint64_t v)
{
    before_value(w);
    buf_u64(w->out, v);
}

void json_put_i64(struct json_writer *w, int64_t v)
{
    before_value(w);
    buf_i64(w->out, v);
}

void json_put_raw(struct json_writer *w, struct str json)
{
    must(json.n > 0);
    before_value(w);
    buf_str(w->out, json);
}

void json_put_around(struct json_writer *w, struct str before, struct str inside, struct str behind)
{
    struct buf *out = w->out;
    bool comma = value_wants_comma(w);
    if (!buf_reserve(out, comma + before.n + inside.n + behind.n)) return;
    char *p = out->p + out->n;
    if (comma) *p++ = ',';
    p = mempcpy(p, before.p, before.n);
    if (inside.n) p = mempcpy(p, inside.p, inside.n);
    p = mempcpy(p, behind.p, behind.n);
    out->n = (size_t)(p - out->p);
}

void json_put_members(struct json_writer *w, struct str object)
{
    must((w->is_object & 1) && !w->has_name && object.n >= 2);
    if (object.n == 2) return;
    if (w->has_items & 1) buf_char(w->out, ',');
    w->has_items |= 1;
    buf_str(w->out, str_make(object.p + 1, object.n - 2));
}

void json_put_bool(struct json_writer *w, bool v) { json_put_raw(w, v ? S("true") : S("false")); }
void json_put_null(struct json_writer *w) { json_put_raw(w, S("null")); }

void json_add_object(struct json_writer *w, struct str name)
{
    json_put_name(w, name);
    json_put_object(w);
}

void json_add_array(struct json_writer *w, struct str name)
{
    json_put_name(w, name);
    json_put_array(w);
}

void json_add_str(struct json_writer *w, struct str name, struct str s)
{
    json_put_name(w, name);
    json_put_str(w, s);
}

void json_add_u64(struct json_writer *w, struct str name, uint64_t v)
{
    json_put_name(w, name);
    json_put_u64(w, v);
}

void json_add_i64(struct json_writer *w, struct str name, int64_t v)
{
    json_put_name(w, name);
    json_put_i64(w, v);
}

void json_add_bool(struct json_writer *w, struct str name, bool v)
{
    json_put_name(w, name);
    json_put_bool(w, v);
}

void json_add_null(struct json_writer *w, struct str name)
{
    json_put_name(w, name);
    json_put_null(w);
}

void json_add_raw(struct json_writer *w, struct str name, struct str json)
{
    json_put_name(w, name);
    json_put_raw(w, json);
}
