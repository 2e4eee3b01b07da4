/* quick: see quick.h. Called once for each head; pure, owns nothing. */
#include "http/quick.h"

/* RFC 9110 5.6.2: tchar; capitals apart, since received names are made small. */
enum { SMALL = 1, CAPITAL = 2 };
static const unsigned char TCHAR[256] = {
    ['!'] = SMALL, ['#'] = SMALL, ['$'] = SMALL, ['%'] = SMALL,         ['&'] = SMALL,           ['\''] = SMALL,
    ['*'] = SMALL, ['+'] = SMALL, ['-'] = SMALL, ['.'] = SMALL,         ['^'] = SMALL,           ['_'] = SMALL,
    ['`'] = SMALL, ['|'] = SMALL, ['~'] = SMALL, ['0' ... '9'] = SMALL, ['A' ... 'Z'] = CAPITAL, ['a' ... 'z'] = SMALL,
};

size_t quick_name_n(struct str s, bool *ret_upper)
{
    unsigned kinds = 0, kind;
    size_t n = 0;
    while (n < s.n && (kind = TCHAR[(unsigned char)s.p[n]])) kinds |= kind, n++;
    *ret_upper = kinds & CAPITAL;
    return n;
}

/* A top bit is left where one of eight bytes is under 0x20 or is 0x7F. A borrow can only mark bytes above a marked one,
 * so the lowest mark is true. */
static uint64_t controls_in(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101u, deletes = x ^ ones * 0x7F;
    return (((x - ones * 0x20) & ~x) | ((deletes - ones) & ~deletes)) & ones * 0x80;
}

static bool may_stand(unsigned char c) { return (c >= 0x20 && c != 0x7F) || c == '\t'; }

size_t quick_value_n(struct str s)
{
    size_t n = 0;
    for (uint64_t x; s.n - n >= sizeof x;) {
        memcpy(&x, s.p + n, sizeof x);
        uint64_t controls = controls_in(x);
        n += controls ? (unsigned)__builtin_ctzll(controls) / 8 : sizeof x;
        if (!controls) continue;
        if (s.p[n] != '\t') return n;
        n++;
    }
    while (n < s.n && may_stand((unsigned char)s.p[n])) n++;
    return n;
}

void quick_lower(char *bytes, const struct head_slot *slots, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char *name = bytes + slots[i].name_at;
        for (uint32_t k = 0; k < slots[i].name_n; k++)
            if (name[k] >= 'A' && name[k] <= 'Z') name[k] |= 0x20;
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
    struct str value = str_trim(str_make(rest.p, raw_n));
    /* Tabs around a value are as rare as they are odd: llhttp takes them around some values and not around others. */
    if (memchr(rest.p, '\t', (size_t)(value.p - rest.p)) ||
        memchr(value.p + value.n, '\t', raw_n - (size_t)(value.p - rest.p) - value.n))
        return 0;
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
