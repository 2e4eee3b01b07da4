/* Strings of JSON, both ways: escapes resolved and compared, plain text escaped (RFC 8259 section 7).
 * Called by everyone who reads or writes JSON. Owns nothing. Spans given here have passed a scan. */
#include "json/priv.h"

static unsigned hex4(const char *p)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++) unit = unit << 4 | (unsigned)(p[i] <= '9' ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
    return unit;
}

static size_t put_utf8(uint32_t point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t n = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, point >>= 6) out[i] = (char)(0x80 | (point & 0x3F));
    out[0] = (char)(0xF00u >> n | point); /* 0xC0, 0xE0, 0xF0 in the low byte */
    return n;
}

/* The character behind the backslash at s.p: its bytes; returns how long the escape is. */
static size_t resolve(struct str s, char out[4], size_t *ret_n)
{
    static const char SHORT[256] = {
        ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t', ['"'] = '"', ['\\'] = '\\', ['/'] = '/'};
    must(s.n >= 2);
    if (s.p[1] != 'u') {
        out[0] = SHORT[(unsigned char)s.p[1]];
        *ret_n = 1;
        return 2;
    }
    must(s.n >= 6);
    uint32_t point = hex4(s.p + 2);
    bool is_pair = point >= 0xD800 && point <= 0xDFFF;
    if (is_pair) {
        must(s.n >= 12);
        point = 0x10000 + ((point - 0xD800) << 10) + (hex4(s.p + 8) - 0xDC00);
    }
    *ret_n = put_utf8(point, out);
    return is_pair ? 12 : 6;
}

void json_span_unescape(struct str s, struct buf *out)
{
    struct str plain, rest;
    while (str_cut(s, '\\', &plain, &rest)) {
        char bytes[4];
        size_t n, used;
        buf_str(out, plain);
        used = resolve(str_from(s, plain.n), bytes, &n);
        buf_add(out, bytes, n);
        s = str_from(s, plain.n + used);
    }
    buf_str(out, plain);
}

/* How long the escape at s.p is; 0: it is none, or the lone half of a pair. */
static size_t escape_len(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n;
    if (s.n < 2) return 0;
    if (p[1] != 'u') return JSON_SHORT_ESCAPE[p[1]] ? 2 : 0;
    const unsigned char *behind = json_skip_unicode(p, end);
    return behind ? (size_t)(behind - p) : 0;
}

bool json_is_span(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == '"') return false;
        size_t n = c == '\\' ? escape_len(str_from(s, i)) : 1;
        if (!n) return false;
        i += n;
    }
    return str_is_utf8(s, NULL);
}

bool json_span_eq(struct str s, struct str want)
{
    struct str plain, rest;
    while (str_cut(s, '\\', &plain, &rest)) {
        char bytes[4];
        size_t n, used;
        if (!str_starts(want, plain)) return false;
        want = str_from(want, plain.n);
        used = resolve(str_from(s, plain.n), bytes, &n);
        if (!str_starts(want, str_make(bytes, n))) return false;
        want = str_from(want, n);
        s = str_from(s, plain.n + used);
    }
    return str_eq(plain, want);
}

bool json_eq_escaped(const struct json_tape *t, uint32_t at, struct str plain) { return json_span_eq(json_text(t, at), plain); }

bool json_unescape(const struct json_tape *t, uint32_t at, struct buf *out)
{
    if (t->nodes[at].type != JSON_STRING) return false;
    if (t->nodes[at].flags & JSON_ESCAPED) json_span_unescape(json_text(t, at), out);
    else buf_str(out, json_text(t, at));
    return true;
}

struct str json_str(const struct json_tape *t, uint32_t at, struct buf *out)
{
    if (t->nodes[at].type != JSON_STRING) return STR_NONE;
    if (!(t->nodes[at].flags & JSON_ESCAPED)) return json_text(t, at);
    size_t from = out->n;
    json_span_unescape(json_text(t, at), out);
    return out->over ? STR_NONE : str_from(buf_view(out), from);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void escape_control(struct buf *out, unsigned char c)
{
    static const char SHORT[256] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['"'] = '"', ['\\'] = '\\'};
    static const char HEX[] = "0123456789abcdef";
    char text[6] = {'\\', SHORT[c], '0', '0', HEX[c >> 4], HEX[c & 15]};
    if (!text[1]) text[1] = 'u';
    buf_add(out, text, SHORT[c] ? 2 : 6);
}

void json_escape(struct buf *out, struct str s)
{
    for (size_t at = 0; at < s.n;) {
        size_t run = str_plain_run(s, at);
        buf_add(out, s.p ? s.p + at : NULL, run);
        at += run;
        if (at >= s.n) break;
        uint32_t point;
        size_t n = str_utf8_at(s, at, &point);
        if (n == 0) buf_str(out, S("\xEF\xBF\xBD")); /* U+FFFD for each byte that is no UTF-8 */
        else if (n == 1) escape_control(out, (unsigned char)s.p[at]);
        else buf_add(out, s.p + at, n);
        at += n ? n : 1;
    }
}
