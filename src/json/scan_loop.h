/* The loop over one text, included by each twin (scan_scalar.c, scan_sse2.c, scan_avx2.c) so that the compiler makes one
 * function of it with everything in registers. The twin defines beforehand:
 *   SCAN_NAME    the function's name          SCAN_FN  its attributes (target, inlining)
 *   string_end() finds a string's end; NULL: something is wrong in it
 *   struct window, what string_end() remembers from one string to the next; zero at the start
 * Not recursive: what will close stands in a byte per level, so depth costs nothing but its limit. */
#include "json/priv.h"

#ifdef SCAN_NAME /* nothing stands here but within a twin */

struct scan {
    const unsigned char *p, *end, *base;
    struct json_tape *t;
    struct json_node *nodes;
    uint32_t n, cap, record_depth, mark;
    uint32_t depth; /* open containers */
    uint32_t open;  /* number of the innermost recorded one; while it is open its `next` holds its parent's */
    const char *what;
    struct window *window; /* not in here: its address goes into a function, the rest stays in registers */
};

SCAN_FN bool stop(struct scan *s, const char *what)
{
    s->what = what;
    return false;
}

/* The next byte that is no blank; 0 at the end. Compact texts and single blanks stay on the short way. */
SCAN_FN unsigned peek(struct scan *s)
{
    if (UNLIKELY(s->p >= s->end)) return 0;
    if (LIKELY(*s->p > ' ')) return *s->p;
    if (*s->p == ' ' && s->end - s->p > 1 && s->p[1] > ' ') return *++s->p;
    s->p = json_skip_blank(s->p, s->end);
    return s->p < s->end ? *s->p : 0;
}

SCAN_FN bool record(struct scan *s, const unsigned char *start, size_t len, unsigned type_and_flags)
{
    if (s->depth > s->record_depth) return true;
    struct json_node *node = &s->nodes[s->n]; /* member by member: a whole struct would be cleared first */
    node->start = (uint32_t)(start - s->base);
    node->len = (uint32_t)len;
    node->next = ++s->n;
    node->type = (uint8_t)type_and_flags;
    node->flags = (uint8_t)(type_and_flags >> 8);
    node->unused = 0;
    if (LIKELY(s->n < s->cap)) return true;
    s->t->n = s->n;
    if (!json_tape_grow(s->t)) return stop(s, "it has more values than allowed");
    s->nodes = s->t->nodes;
    s->cap = s->t->cap;
    return true;
}

/* p at the opening quote. */
SCAN_FN bool take_string(struct scan *s, unsigned flags)
{
    const unsigned char *start = s->p + 1;
    const unsigned char *quote = string_end(s->window, start, s->end, &flags);
    if (UNLIKELY(!quote)) {
        struct scan_stop why = json_string_fault(start, s->end);
        s->p = why.at;
        return stop(s, why.what);
    }
    size_t len = (size_t)(quote - start);
    if (len >= JSON_MARKED_MIN && UNLIKELY(JSON_MARK(start[0], start[1], start[2]) == s->mark)) s->t->marked = true;
    s->p = quote + 1;
    return record(s, start, len, JSON_STRING | flags << 8);
}

SCAN_FN bool take_name(struct scan *s)
{
    if (UNLIKELY(peek(s) != '"')) return stop(s, "a name in quotes is missing");
    if (!take_string(s, JSON_KEY)) return false;
    if (UNLIKELY(peek(s) != ':')) return stop(s, "the ':' after a name is missing");
    s->p++;
    return true;
}

SCAN_FN bool is_digit(const unsigned char *p, const unsigned char *end) { return p < end && (unsigned)(*p - '0') < 10; }

/* How many of the eight bytes at p are digits, counted from the first: those whose bits beside '0' make 9 at most. */
SCAN_FN unsigned eight_digits(const unsigned char *p)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t x;
    memcpy(&x, p, sizeof x);
    x ^= ones * '0';
    uint64_t others = (((x & ones * 0x7F) + ones * (0x80 - 10)) | x) & ones * 0x80;
    return others ? (unsigned)__builtin_ctzll(others) / 8 : 8;
}

/* At least one digit; NULL: none. */
SCAN_FN const unsigned char *digits(const unsigned char *p, const unsigned char *end)
{
    if (!is_digit(p, end)) return NULL;
    while (end - p >= 8) {
        unsigned n = eight_digits(p);
        p += n;
        if (n < 8) return p;
    }
    while (is_digit(p, end)) p++;
    return p;
}

SCAN_FN bool take_number(struct scan *s)
{
    static const char WHAT[] = "a number is not written as JSON wants it";
    const unsigned char *start = s->p, *p = start + (*start == '-');
    bool zero = p < s->end && *p == '0';
    const unsigned char *after = zero ? p + 1 : digits(p, s->end);
    if (!after || (zero && is_digit(after, s->end))) return stop(s, WHAT);
    if (after < s->end && *after == '.') after = digits(after + 1, s->end);
    if (!after) return stop(s, WHAT);
    if (after < s->end && (*after | 32) == 'e') {
        p = after + 1;
        p += p < s->end && (*p == '+' || *p == '-');
        after = digits(p, s->end);
    }
    if (!after) return stop(s, WHAT);
    s->p = after;
    return record(s, start, (size_t)(after - start), JSON_NUMBER);
}

SCAN_FN bool take_word(struct scan *s, const char *word, size_t n, enum json_type type)
{
    const unsigned char *start = s->p;
    if ((size_t)(s->end - start) < n || memcmp(start, word, n) != 0)
        return stop(s, "an unknown word stands where a value should be");
    s->p += n;
    return record(s, start, n, type);
}

SCAN_FN bool take_scalar(struct scan *s, unsigned c)
{
    if (c == '"') return take_string(s, 0);
    if (c == '-' || c - '0' < 10) return take_number(s);
    if (c == 't') return take_word(s, "true", 4, JSON_TRUE);
    if (c == 'f') return take_word(s, "false", 5, JSON_FALSE);
    if (c == 'n') return take_word(s, "null", 4, JSON_NULL);
    return stop(s, s->p >= s->end ? "the text ends too early" : "a value is missing");
}

SCAN_FN bool open_container(struct scan *s, unsigned opening)
{
    bool is_recorded = s->depth <= s->record_depth;
    unsigned flags = s->depth == s->record_depth ? JSON_SHUT : 0;
    uint32_t at = s->n;
    if (!record(s, s->p, 0, (opening == '{' ? JSON_OBJECT : JSON_ARRAY) | flags << 8)) return false;
    if (is_recorded) {
        s->nodes[at].next = s->open;
        s->open = at;
    }
    s->p++;
    s->depth++;
    return true;
}

/* p behind the closing bracket. */
SCAN_FN void close_container(struct scan *s)
{
    s->depth--;
    if (s->depth > s->record_depth) return;
    struct json_node *node = &s->nodes[s->open];
    s->open = node->next;
    node->next = s->n;
    node->len = (uint32_t)(s->p - s->base) - node->start;
}

/* Behind a value: closes what ends here. True: a comma was read and another value follows. */
SCAN_FN bool go_on(struct scan *s, const unsigned char *closings)
{
    while (s->depth) {
        unsigned c = peek(s);
        if (c != ',' && UNLIKELY(c != closings[s->depth]))
            return stop(s, s->p >= s->end ? "the text ends too early" : "a ',' or the closing bracket is missing");
        s->p++;
        if (c == ',') return true;
        close_container(s);
    }
    if (peek(s), s->p < s->end) return stop(s, "something stands after the value");
    return false;
}

/* One value with all that is in it up to its first scalar or empty container. False: stopped. */
SCAN_FN bool descend(struct scan *s, unsigned char *closings, uint32_t max_depth)
{
    for (;;) {
        unsigned c = peek(s);
        if (c != '{' && c != '[') return take_scalar(s, c);
        if (UNLIKELY(s->depth >= max_depth)) return stop(s, "it is nested deeper than allowed");
        if (!open_container(s, c)) return false;
        closings[s->depth] = (unsigned char)(c + 2); /* '{' + 2 is '}', '[' + 2 is ']' */
        if (peek(s) == c + 2) {
            s->p++;
            close_container(s);
            return true;
        }
        if (c == '{' && !take_name(s)) return false;
    }
}

SCAN_ENTRY struct scan_stop SCAN_NAME(struct json_tape *t, const struct json_limits *limits) {
    const unsigned char *base = (const unsigned char *)t->src.p;
    unsigned char closings[JSON_DEPTH_MAX + 1];
    struct window window = {0};
    struct scan s = {
        .p = base,
        .end = base + t->src.n,
        .base = base,
        .t = t,
        .nodes = t->nodes,
        .cap = t->cap,
        .record_depth = limits->record_depth,
        .mark = limits->mark,
        .window = &window,
    };
    while (descend(&s, closings, limits->max_depth) && go_on(&s, closings))
        if (closings[s.depth] == '}' && !take_name(&s)) break;
    t->n = s.n;
    return (struct scan_stop){s.what, s.p};
}

#endif
