/* quick: see quick.h. Called once for each head; pure, owns nothing. */
#include "http/quick.h"

#if defined(__SSE2__) && !defined(QUICK_PLAIN)
#include <emmintrin.h>
#endif

/* RFC 9110 5.6.2: tchar; capitals apart, since received names are made small. */
enum { SMALL = 1, CAPITAL = 2 };
static const unsigned char TCHAR[256] = {
    ['!'] = SMALL, ['#'] = SMALL, ['$'] = SMALL, ['%'] = SMALL,         ['&'] = SMALL,           ['\''] = SMALL,
    ['*'] = SMALL, ['+'] = SMALL, ['-'] = SMALL, ['.'] = SMALL,         ['^'] = SMALL,           ['_'] = SMALL,
    ['`'] = SMALL, ['|'] = SMALL, ['~'] = SMALL, ['0' ... '9'] = SMALL, ['A' ... 'Z'] = CAPITAL, ['a' ... 'z'] = SMALL,
};

static bool may_stand(unsigned char c) { return (c >= 0x20 && c != 0x7F) || c == '\t'; }

/* ---- a block at once, where the machine can: how many of its first bytes are of a kind ---------------------------------- */

#if defined(__SSE2__) && !defined(QUICK_PLAIN)
enum { LOWER_BLOCK = 16 };

static __m128i load(const char *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }

/* 0xFF where a byte is from..from + span. */
static __m128i in_range(__m128i x, char from, char span)
{
    __m128i above = _mm_sub_epi8(x, _mm_set1_epi8(from));
    return _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8(span)), above);
}

/* One bit for each of 32 bytes. */
static uint32_t bits(__m128i low, __m128i high)
{
    return (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16;
}

static unsigned run_of(uint32_t of_kind) { return of_kind == UINT32_MAX ? QUICK_BLOCK : (unsigned)__builtin_ctz(~of_kind); }

static __m128i capitals_in(__m128i x) { return in_range(x, 'A', 'Z' - 'A'); }

/* Letters, digits and '-': of these nearly all names are made. The others end the run; the table judges them. */
static __m128i names_in(__m128i x)
{
    __m128i letter = in_range(_mm_or_si128(x, _mm_set1_epi8(0x20)), 'a', 'z' - 'a');
    return _mm_or_si128(_mm_or_si128(letter, in_range(x, '0', '9' - '0')), _mm_cmpeq_epi8(x, _mm_set1_epi8('-')));
}

static unsigned name_run(const char *p, uint32_t *ret_capitals)
{
    __m128i low = load(p), high = load(p + 16);
    unsigned n = run_of(bits(names_in(low), names_in(high)));
    *ret_capitals = bits(capitals_in(low), capitals_in(high)) & (uint32_t)((UINT64_C(1) << n) - 1);
    return n;
}

/* Controls but the tab. */
static __m128i controls_in(__m128i x)
{
    __m128i tab = _mm_cmpeq_epi8(x, _mm_set1_epi8('\t')), control = _mm_andnot_si128(tab, in_range(x, 0, 0x1F));
    return _mm_or_si128(control, _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7F)));
}

static unsigned value_run(const char *p) { return run_of(~bits(controls_in(load(p)), controls_in(load(p + 16)))); }

/* The first n of a block may all stand in a name; false: the table judges. */
static bool names_first(const char *p, size_t n)
{
    uint32_t first = (uint32_t)((UINT64_C(1) << n) - 1);
    return (bits(names_in(load(p)), names_in(load(p + 16))) & first) == first;
}

/* Of the block at p, the first n. */
static void lower_block(char *p, size_t n)
{
    const __m128i places = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m128i x = load(p), ours = _mm_cmplt_epi8(places, _mm_set1_epi8((char)(n < LOWER_BLOCK ? n : LOWER_BLOCK)));
    __m128i bit = _mm_and_si128(_mm_and_si128(capitals_in(x), ours), _mm_set1_epi8(0x20));
    _mm_storeu_si128((__m128i *)(void *)p, _mm_or_si128(x, bit));
}
#else
enum { LOWER_BLOCK = 8 };

static unsigned name_run(const char *p, uint32_t *ret_capitals)
{
    unsigned n = 0;
    *ret_capitals = 0;
    for (unsigned kind; n < QUICK_BLOCK && (kind = TCHAR[(unsigned char)p[n]]); n++) *ret_capitals |= kind & CAPITAL;
    return n;
}

static unsigned value_run(const char *p)
{
    unsigned n = 0;
    while (n < QUICK_BLOCK && may_stand((unsigned char)p[n])) n++;
    return n;
}

static bool names_first(const char *p, size_t n)
{
    uint32_t capitals;
    return name_run(p, &capitals) >= n;
}

static void lower_block(char *p, size_t n)
{
    for (size_t i = 0; i < n && i < LOWER_BLOCK; i++)
        if (p[i] >= 'A' && p[i] <= 'Z') p[i] |= 0x20;
}
#endif

/* ---- names and values ------------------------------------------------------------------------------------------------ */

/* Nearly every name and most values end in their first block: so one of 32 bytes costs no branch that is guessed wrong. */
size_t quick_name_n(struct str s, bool *ret_upper)
{
    unsigned kinds = 0, kind;
    uint32_t capitals;
    size_t n = 0;
    for (unsigned run = QUICK_BLOCK; run == QUICK_BLOCK && s.n - n >= QUICK_BLOCK; n += run) {
        run = name_run(s.p + n, &capitals);
        if (capitals) kinds |= CAPITAL;
    }
    while (n < s.n && (kind = TCHAR[(unsigned char)s.p[n]])) kinds |= kind, n++;
    *ret_upper = kinds & CAPITAL;
    return n;
}

size_t quick_value_n(struct str s)
{
    size_t n = 0;
    for (; s.n - n >= QUICK_BLOCK; n += QUICK_BLOCK) {
        unsigned run = value_run(s.p + n);
        if (run < QUICK_BLOCK) return n + run;
    }
    while (n < s.n && may_stand((unsigned char)s.p[n])) n++;
    return n;
}

bool quick_field_is_valid(const char *line, size_t name_n, size_t value_n)
{
    const char *value = line + name_n + 2;
    bool upper, is_name = name_n && name_n <= QUICK_BLOCK && names_first(line, name_n);
    if (!is_name && (!name_n || quick_name_n(str_make(line, name_n), &upper) != name_n)) return false;
    for (; value_n > QUICK_BLOCK; value += QUICK_BLOCK, value_n -= QUICK_BLOCK)
        if (value_run(value) < QUICK_BLOCK) return false;
    return value_run(value) >= value_n;
}

void quick_lower(char *bytes, size_t size, const struct head_slot *slots, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        size_t at = slots[i].name_at, end = at + slots[i].name_n;
        for (; at < end && size - at >= LOWER_BLOCK; at += LOWER_BLOCK) lower_block(bytes + at, end - at);
        for (; at < end; at++)
            if (bytes[at] >= 'A' && bytes[at] <= 'Z') bytes[at] |= 0x20;
    }
}

/* ---- fields that say how the message is framed ---------------------------------------------------------------------- */

static bool read_length(struct quick_head *h, struct str value)
{
    if (h->has_length || value.n > 18 || !str_u64(value, &h->length)) return false;
    return h->has_length = true;
}

/* False: llhttp shall judge. Only few lengths of names need a look. */
static bool check_framing(struct quick_head *h, struct str name, struct str value)
{
    switch (name.n) {
    case 7: return !str_eq_nocase(name, S("upgrade")) && !str_eq_nocase(name, S("trailer"));
    case 10: return !str_eq_nocase(name, S("connection")) || str_eq_nocase(value, S("keep-alive"));
    case 14: return !str_eq_nocase(name, S("content-length")) || read_length(h, value);
    case 16: return !str_eq_nocase(name, S("proxy-connection"));
    case 17: return !str_eq_nocase(name, S("transfer-encoding"));
    default: return true;
    }
}

/* ---- lines ---------------------------------------------------------------------------------------------------------- */

static bool is_end_of_line(struct str bytes, size_t at)
{
    return bytes.n - at >= 2 && bytes.p[at] == '\r' && bytes.p[at + 1] == '\n';
}

/* Three words with single spaces between; the third may hold spaces. Returns how long the line is; 0: something else. */
static size_t read_first_line(struct str bytes, struct quick_head *h)
{
    size_t n = quick_value_n(bytes);
    struct str rest;
    if (!is_end_of_line(bytes, n)) return 0;
    if (!str_cut(str_make(bytes.p, n), ' ', &h->first[0], &rest)) return 0;
    if (!str_cut(rest, ' ', &h->first[1], &h->first[2])) return 0;
    return n + 2;
}

static struct str trim_spaces(struct str s)
{
    while (s.n && s.p[0] == ' ') s.p++, s.n--;
    while (s.n && s.p[s.n - 1] == ' ') s.n--;
    return s;
}

/* Returns how long the field line at `at` is; 0: something else. */
static size_t read_field(struct str bytes, size_t at, struct quick_head *h, struct head_slot *slot)
{
    struct str line = str_from(bytes, at);
    bool upper;
    size_t name_n = quick_name_n(line, &upper);
    if (name_n == 0 || name_n >= line.n || line.p[name_n] != ':') return 0;
    struct str rest = str_from(line, name_n + 1);
    size_t raw_n = quick_value_n(rest);
    if (!is_end_of_line(rest, raw_n)) return 0;
    struct str value = trim_spaces(str_make(rest.p, raw_n));
    /* Tabs around a value are as rare as they are odd: llhttp takes them around some values and not around others. */
    if (value.n && (value.p[0] == '\t' || value.p[value.n - 1] == '\t')) return 0;
    if (!check_framing(h, str_make(line.p, name_n), value)) return 0;
    h->upper |= upper;
    *slot = (struct head_slot){(uint32_t)at, (uint32_t)name_n, (uint32_t)(value.p - bytes.p), (uint32_t)value.n};
    return name_n + 1 + raw_n + 2;
}

bool quick_read(struct str bytes, struct head_slot *slots, unsigned room, struct quick_head *ret_head)
{
    struct quick_head *h = ret_head;
    *h = (struct quick_head){0};
    if (bytes.n > UINT32_MAX) return false;
    size_t at = read_first_line(bytes, h), n;
    if (at == 0) return false;
    while (!is_end_of_line(bytes, at)) {
        if (h->n_slots == room) return false;
        n = read_field(bytes, at, h, &slots[h->n_slots]);
        if (n == 0) return false;
        h->n_slots++;
        at += n;
    }
    h->size = (uint32_t)at + 2;
    return true;
}
