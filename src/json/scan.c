/* The scan's front: which twin runs, the tape's memory, slow paths, and the check that top-level names stand once.
 * Called by everyone who reads a body. Owns the tape's nodes. Runs in gateway and control, one thread per tape. */
#include "json/priv.h"

#include <stdlib.h>

enum { DEFAULT_NODES = 4 << 20, FIRST_NODES = 256, KEPT_NODES = 64 << 10 }; /* of 16 bytes */
enum { VECTORS_FROM = 64 };                                                 /* bytes: for less, setting up does not pay */

const bool JSON_SHORT_ESCAPE[256] = {
    ['"'] = true, ['\\'] = true, ['/'] = true, ['b'] = true, ['f'] = true, ['n'] = true, ['r'] = true, ['t'] = true,
};

void json_tape_init(struct json_tape *t, uint32_t max_nodes)
{
    must(max_nodes < UINT32_MAX); /* one more is kept */
    *t = (struct json_tape){.max_nodes = max_nodes ? max_nodes : DEFAULT_NODES};
}

void json_tape_done(struct json_tape *t)
{
    free(t->nodes);
    json_tape_init(t, t->max_nodes);
}

static void set_cap(struct json_tape *t, uint32_t cap)
{
    t->nodes = mem_resize(t->nodes, cap * sizeof *t->nodes);
    t->cap = cap;
}

/* One node more than max_nodes is kept: the loop writes before it counts. */
bool json_tape_grow(struct json_tape *t)
{
    if (t->n > t->max_nodes) return false;
    uint32_t cap = t->cap ? t->cap : FIRST_NODES / 2;
    set_cap(t, cap > t->max_nodes / 2 ? t->max_nodes + 1 : cap * 2);
    return true;
}

void json_tape_trim(struct json_tape *t, uint32_t keep_nodes)
{
    if (t->cap <= keep_nodes) return;
    t->src = STR_NONE;
    t->n = 0;
    if (keep_nodes == 0) json_tape_done(t);
    else set_cap(t, keep_nodes);
}

bool json_tape_holds(const struct json_tape *t, struct str src, const struct json_limits *limits)
{
    return t->n && t->src.p == src.p && t->src.n == src.n && t->record_depth >= limits->record_depth;
}

/* ---- slow paths ------------------------------------------------------------------------------------------------ */

static bool is_blank(unsigned char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

const unsigned char *json_skip_blank(const unsigned char *p, const unsigned char *end)
{
    static const uint64_t EIGHT_SPACES = 0x2020202020202020u;
    while (p < end && is_blank(*p)) {
        p++;
        for (uint64_t next; end - p >= 8 && (memcpy(&next, p, 8), next == EIGHT_SPACES);) p += 8;
    }
    return p;
}

/* A hexadecimal digit's value, with HEX_DIGIT to tell 0 from none. */
enum { HEX_DIGIT = 16 };
static const unsigned char HEX[256] = {
    ['0'] = 16, ['1'] = 17, ['2'] = 18, ['3'] = 19, ['4'] = 20, ['5'] = 21, ['6'] = 22, ['7'] = 23,
    ['8'] = 24, ['9'] = 25, ['a'] = 26, ['b'] = 27, ['c'] = 28, ['d'] = 29, ['e'] = 30, ['f'] = 31,
    ['A'] = 26, ['B'] = 27, ['C'] = 28, ['D'] = 29, ['E'] = 30, ['F'] = 31,
};

/* Four hexadecimal digits behind a backslash and u. */
static bool unicode_at(const unsigned char *p, const unsigned char *end, uint32_t *ret_unit)
{
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u') return false;
    unsigned a = HEX[p[2]], b = HEX[p[3]], c = HEX[p[4]], d = HEX[p[5]];
    *ret_unit = (a & 15) << 12 | (b & 15) << 8 | (c & 15) << 4 | (d & 15);
    return a & b & c & d & HEX_DIGIT;
}

const unsigned char *json_skip_unicode(const unsigned char *p, const unsigned char *end)
{
    uint32_t high, low;
    if (!unicode_at(p, end, &high)) return NULL;
    if (high < 0xD800 || high > 0xDFFF) return p + 6;
    if (high > 0xDBFF || !unicode_at(p + 6, end, &low) || low < 0xDC00 || low > 0xDFFF) return NULL;
    return p + 12;
}

/* The plain cases of two and three bytes, which most text is made of; 0: look closely. */
static size_t utf8_quickly(const unsigned char *p, const unsigned char *end)
{
    if (end - p < 3 || (p[1] & 0xC0) != 0x80) return 0;
    if (p[0] >= 0xC2 && p[0] <= 0xDF) return 2;
    bool is_three = p[0] > 0xE0 && p[0] < 0xF0 && p[0] != 0xED && (p[2] & 0xC0) == 0x80;
    return is_three ? 3 : 0;
}

const unsigned char *json_skip_utf8(const unsigned char *p, const unsigned char *end)
{
    while (p < end && *p >= 0x80) {
        size_t quick = utf8_quickly(p, end);
        if (quick) {
            p += quick;
            continue;
        }
        uint32_t point;
        size_t n = str_utf8_at(str_make((const char *)p, (size_t)(end - p)), 0, &point);
        if (n == 0) return NULL;
        p += n;
    }
    return p;
}

static const char *escape_fault(const unsigned char *p, const unsigned char *end)
{
    uint32_t unit;
    if (end - p < 2) return "the text ends within a string";
    if (p[1] != 'u') return "a string has an unknown escape";
    return unicode_at(p, end, &unit) ? "a \\u escape is one half of a surrogate pair"
                                     : "a \\u escape needs four hexadecimal digits";
}

/* Slowly and in order, so that every twin names the same place. */
struct scan_stop json_string_fault(const unsigned char *p, const unsigned char *end)
{
    while (p < end) {
        const unsigned char *next = p + 1;
        const char *what = NULL;
        if (*p < 0x20) {
            return (struct scan_stop){"a string has a control character that must be escaped", p};
        } else if (*p == '\\') {
            next = end - p >= 2 && JSON_SHORT_ESCAPE[p[1]] ? p + 2 : json_skip_unicode(p, end);
            if (!next) what = escape_fault(p, end);
        } else if (*p >= 0x80) {
            uint32_t point;
            next = p + str_utf8_at(str_make((const char *)p, (size_t)(end - p)), 0, &point);
            if (next == p) what = "a string is not UTF-8";
        }
        if (what) return (struct scan_stop){what, p};
        p = next;
    }
    return (struct scan_stop){"the text ends within a string", end};
}

/* ---- names that stand once -------------------------------------------------------------------------------------- */

enum { FEW_NAMES = 64 }; /* up to here comparing with all before is cheaper than a table */

/* One bit of 64: equal names have equal ones, most different names do not. A name with escapes may equal any other. */
static uint64_t mark_of(const struct json_tape *t, uint32_t key)
{
    struct str name = json_text(t, key);
    if (t->nodes[key].flags & JSON_ESCAPED) return ~(uint64_t)0;
    if (name.n == 0) return 1;
    unsigned first = (unsigned char)name.p[0], last = (unsigned char)name.p[name.n - 1];
    return (uint64_t)1 << ((first * 5 + last * 3 + name.n) & 63);
}

static bool same_name(const struct json_tape *t, uint32_t a, uint32_t b)
{
    bool escaped = (t->nodes[a].flags | t->nodes[b].flags) & JSON_ESCAPED;
    if (!escaped) return str_eq(json_text(t, a), json_text(t, b));
    struct buf plain;
    buf_init(&plain, SIZE_MAX);
    json_unescape(t, a, &plain);
    bool same = json_eq(t, b, buf_view(&plain));
    buf_done(&plain);
    return same;
}

static uint32_t behind_member(const struct json_tape *t, uint32_t key) { return t->nodes[key + 1].next; }

/* The first name that stood before, by comparing each with those before it whose mark it has; 0: none.
 * ret_all false: the object has more than FEW_NAMES, and only those were looked at. */
static uint32_t twice_among_few(const struct json_tape *t, uint32_t object, bool *ret_all)
{
    uint32_t key = object + 1, end = t->nodes[object].next;
    uint64_t seen = 0;
    for (unsigned n = 0; key < end && n < FEW_NAMES; n++, key = behind_member(t, key)) {
        uint64_t mark = mark_of(t, key);
        for (uint32_t before = object + 1; seen & mark && before < key; before = behind_member(t, before))
            if (same_name(t, before, key)) return key;
        seen |= mark;
    }
    *ret_all = key >= end;
    return 0;
}

/* The same for any number, by a map of unescaped names (its hash is seeded: no text can be made to collide). */
static uint32_t twice_among_many(const struct json_tape *t, uint32_t object)
{
    struct map names;
    struct buf plain; /* never grows past the text, so the names in it never move */
    map_init(&names);
    buf_init(&plain, t->src.n);
    buf_reserve(&plain, t->src.n);
    uint32_t key, value, found = 0;
    struct json_iter it = json_each(t, object);
    while (!found && json_next_member(t, &it, &key, &value))
        if (!map_add(&names, json_str(t, key, &plain), &t->nodes[key])) found = key;
    buf_done(&plain);
    map_done(&names);
    return found;
}

uint32_t json_name_twice(const struct json_tape *t, uint32_t object)
{
    bool all = true;
    if (t->nodes[object].type != JSON_OBJECT) return 0;
    uint32_t twice = twice_among_few(t, object, &all);
    return all || twice ? twice : twice_among_many(t, object);
}

/* ---- the front -------------------------------------------------------------------------------------------------- */

bool json_scan_can(scan_fn *fn)
{
#if defined(__x86_64__)
    /* Older processors, which have no VBMI, slow down when they use vectors of 64 bytes. */
    if (fn == json_scan_avx512) return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi");
    if (fn == json_scan_avx2) return __builtin_cpu_supports("avx2");
    return true;
#else
    return fn == json_scan_scalar;
#endif
}

scan_fn *json_scan_best(struct str src)
{
#if defined(__x86_64__)
    if (src.n < VECTORS_FROM) return json_scan_scalar;
    if (json_scan_can(json_scan_avx512)) return json_scan_avx512;
    return json_scan_can(json_scan_avx2) ? json_scan_avx2 : json_scan_sse2;
#else
    (void)src;
    return json_scan_scalar;
#endif
}

static enum err refuse(struct json_tape *t, const char *what, size_t at, struct fault *why)
{
    t->n = 0;
    t->src = STR_NONE;
    return FAIL(why, ERR_BAD_JSON, "This is not valid JSON: %s, at byte %zu.", what, at);
}

struct scan_stop json_scan_once(scan_fn *fn, struct json_tape *t, struct str src, const struct json_limits *limits)
{
    t->n = 0;
    t->src = src;
    t->marked = false;
    if (!t->nodes) json_tape_grow(t);
    return fn(t, limits);
}

enum err json_scan_with(scan_fn *fn, struct json_tape *t, struct str src, const struct json_limits *limits, struct fault *why)
{
    struct json_limits used = limits ? *limits : JSON_LIMITS;
    must(used.max_depth <= JSON_DEPTH_MAX && used.record_depth >= 1);
    if (UNLIKELY(t->cap > KEPT_NODES && t->cap / 16 > src.n)) json_tape_trim(t, KEPT_NODES);
    if (src.n >= UINT32_MAX) return refuse(t, "it is larger than 4 GiB", UINT32_MAX, why);
    struct scan_stop stop = json_scan_once(fn, t, src, &used);
    if (UNLIKELY(stop.what)) stop = json_scan_once(json_scan_scalar, t, src, &used);
    if (stop.what) return refuse(t, stop.what, (size_t)(stop.at - (const unsigned char *)src.p), why);
    uint32_t twice = json_name_twice(t, 0);
    t->record_depth = used.record_depth;
    if (twice) return refuse(t, "a name stands twice in the outermost object", t->nodes[twice].start - 1, why);
    return OK;
}

enum err json_scan(struct json_tape *t, struct str src, const struct json_limits *limits, struct fault *why)
{
    return json_scan_with(json_scan_best(src), t, src, limits, why);
}
