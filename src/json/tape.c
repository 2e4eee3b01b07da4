/* Reading the tape: members, elements, numbers and truth values by node number.
 * Called by wire and gateway between a scan and the next. Owns nothing: spans borrow from the text. */
#include "json/priv.h"

struct json_iter json_each(const struct json_tape *t, uint32_t container)
{
    const struct json_node *node = &t->nodes[container];
    must(container < t->n && !(node->flags & JSON_SHUT));
    if (node->type < JSON_ARRAY) return (struct json_iter){0, 0};
    return (struct json_iter){container + 1, node->next};
}

bool json_next(const struct json_tape *t, struct json_iter *it, uint32_t *ret_value)
{
    if (it->at >= it->end) return false;
    uint32_t at = it->at;
    if (t->nodes[at].flags & JSON_KEY) at++;
    *ret_value = at;
    it->at = t->nodes[at].next;
    return true;
}

bool json_next_member(const struct json_tape *t, struct json_iter *it, uint32_t *ret_key, uint32_t *ret_value)
{
    if (it->at >= it->end || !(t->nodes[it->at].flags & JSON_KEY)) return false;
    *ret_key = it->at;
    return json_next(t, it, ret_value);
}

uint32_t json_count(const struct json_tape *t, uint32_t container)
{
    uint32_t n = 0, value;
    for (struct json_iter it = json_each(t, container); json_next(t, &it, &value);) n++;
    return n;
}

uint32_t json_find(const struct json_tape *t, uint32_t object, struct str name)
{
    const struct json_node *nodes = t->nodes;
    uint32_t found = 0;
    if (nodes[object].type != JSON_OBJECT) return 0;
    struct json_iter it = json_each(t, object);
    for (uint32_t key = it.at; key < it.end; key = nodes[key + 1].next) {
        if (!json_eq(t, key, name)) continue;
        found = key + 1;
        if (object == 0) break; /* the scan has seen to it that there is no other */
    }
    return found;
}

uint32_t json_find_path(const struct json_tape *t, uint32_t at, const char *const *names)
{
    for (; *names; names++) {
        at = json_find(t, at, str_z(*names));
        if (!at) return 0;
    }
    return at;
}

/* How many digits the point moves to the right; clipped where no number could still fit. */
static int64_t exponent_of(struct str text)
{
    enum { FAR = 1 << 30 };
    bool negative = text.n && text.p[0] == '-';
    int64_t value = 0;
    for (size_t i = text.n && (negative || text.p[0] == '+'); i < text.n; i++)
        if (value < FAR) value = value * 10 + (text.p[i] - '0');
    return negative ? -value : value;
}

/* Appends one decimal digit behind `zeros` waiting ones. */
static bool append_digit(uint64_t *value, uint64_t zeros, unsigned digit)
{
    for (; zeros; zeros--)
        if (__builtin_mul_overflow(*value, 10, value)) return false;
    return !__builtin_mul_overflow(*value, 10, value) && !__builtin_add_overflow(*value, digit, value);
}

/* The size of a number that is whole by value: 100, 100.0, 1e2, 10.0e1. False: not whole, or over 64 bits. */
static bool whole_size(struct str text, uint64_t *ret_size)
{
    struct str mantissa = text, exponent = STR_NONE;
    if (!str_cut(text, 'e', &mantissa, &exponent)) str_cut(text, 'E', &mantissa, &exponent);
    uint64_t value = 0, zeros = 0;
    int64_t shift = exponent_of(exponent);
    bool behind_point = false;
    for (size_t i = 0; i < mantissa.n; i++) {
        char c = mantissa.p[i];
        if (c == '.') {
            behind_point = true;
            continue;
        }
        shift -= behind_point;
        if (c == '0') zeros += value > 0;
        else if (!append_digit(&value, zeros, (unsigned)(c - '0'))) return false;
        else zeros = 0;
    }
    shift += (int64_t)zeros; /* zeros at the end only move the point */
    if (value == 0) shift = 0;
    if (shift < 0) return false;
    for (; shift; shift--)
        if (__builtin_mul_overflow(value, 10, &value)) return false;
    *ret_size = value;
    return true;
}

bool json_text_u64(struct str text, uint64_t *ret_value)
{
    uint64_t size;
    if (str_u64(text, ret_value)) return true;
    bool negative = str_starts(text, S("-"));
    if (!whole_size(str_from(text, negative), &size) || (negative && size)) return false;
    *ret_value = size;
    return true;
}

bool json_text_i64(struct str text, int64_t *ret_value)
{
    uint64_t size;
    bool negative = str_starts(text, S("-"));
    if (!whole_size(str_from(text, negative), &size) || size > (uint64_t)INT64_MAX + negative) return false;
    *ret_value = negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

bool json_u64(const struct json_tape *t, uint32_t at, uint64_t *ret_value)
{
    return t->nodes[at].type == JSON_NUMBER && json_text_u64(json_text(t, at), ret_value);
}

bool json_i64(const struct json_tape *t, uint32_t at, int64_t *ret_value)
{
    return t->nodes[at].type == JSON_NUMBER && json_text_i64(json_text(t, at), ret_value);
}

bool json_bool(const struct json_tape *t, uint32_t at, bool *ret_value)
{
    if (t->nodes[at].type != JSON_TRUE && t->nodes[at].type != JSON_FALSE) return false;
    *ret_value = t->nodes[at].type == JSON_TRUE;
    return true;
}

/* ---- where a byte stands ------------------------------------------------------------------------------------------ */

/* The bytes of a value, quotes included. */
static bool covers(const struct json_tape *t, uint32_t at, size_t offset)
{
    const struct json_node *node = &t->nodes[at];
    size_t quote = node->type == JSON_STRING;
    return offset >= node->start - quote && offset < node->start + node->len + quote;
}

/* One step down from a container towards the byte; 0: it belongs to the container itself. */
static uint32_t step_down(const struct json_tape *t, uint32_t container, size_t offset, struct buf *path)
{
    uint32_t value, index = 0;
    for (struct json_iter it = json_each(t, container); it.at < it.end; index++) {
        uint32_t first = it.at; /* the name, where there is one */
        json_next(t, &it, &value);
        if (!covers(t, first, offset) && !covers(t, value, offset)) continue;
        if (first == value) buf_fmt(path, "[%u]", index);
        else buf_fmt(path, path->n ? ".%.*s" : "%.*s", STR_ARG(json_text(t, first)));
        return value;
    }
    return 0;
}

void json_where(const struct json_tape *t, size_t offset, struct buf *out)
{
    struct buf path;
    buf_init(&path, JSON_WHERE_MAX);
    for (uint32_t at = 0; t->n && t->nodes[at].type >= JSON_ARRAY && !(t->nodes[at].flags & JSON_SHUT);) {
        at = step_down(t, at, offset, &path);
        if (!at) break;
    }
    buf_str(out, buf_view(&path));
    if (path.over) buf_str(out, S("…"));
    buf_done(&path);
}
