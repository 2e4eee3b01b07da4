/* Borrowed strings: comparing, cutting, numbers, UTF-8.
 * Called from every room. Owns nothing but what str_dup_z() hands out. Runs in every process. */
#include "base/base.h"

#include <limits.h>

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.n != b.n) return false;
    for (size_t i = 0; i < a.n; i++)
        if (a.p[i] != b.p[i] && lower(a.p[i]) != lower(b.p[i])) return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    if (order) return order < 0 ? -1 : 1;
    return (a.n > b.n) - (a.n < b.n);
}

bool str_cut(struct str s, char at, struct str *ret_head, struct str *ret_tail)
{
    const char *found = s.n ? memchr(s.p, at, s.n) : NULL;
    size_t n = found ? (size_t)(found - s.p) : s.n;
    *ret_head = str_make(s.p, n);
    *ret_tail = str_from(s, found ? n + 1 : n);
    return found;
}

bool str_find(struct str hay, struct str needle, size_t *ret_at)
{
    const char *found = needle.n == 0 ? hay.p : hay.n ? memmem(hay.p, hay.n, needle.p, needle.n) : NULL;
    if (!found && needle.n) return false;
    *ret_at = needle.n ? (size_t)(found - hay.p) : 0;
    return true;
}

bool str_u64(struct str s, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (s.n == 0) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value)) return false;
    }
    *ret_value = value;
    return true;
}

/* One row per shape of the first byte (RFC 3629): its range, the length, and the least code point allowed. */
static const struct {
    unsigned char from, to, n;
    uint32_t least;
} UTF8_HEADS[] = {{0xC2, 0xDF, 2, 0x80}, {0xE0, 0xEF, 3, 0x800}, {0xF0, 0xF4, 4, 0x10000}};

static size_t utf8_long(const unsigned char *p, size_t n, uint32_t *ret_point)
{
    size_t row = 0;
    while (row < COUNTOF(UTF8_HEADS) && (p[0] < UTF8_HEADS[row].from || p[0] > UTF8_HEADS[row].to)) row++;
    if (row == COUNTOF(UTF8_HEADS) || n < UTF8_HEADS[row].n) return 0;
    uint32_t point = p[0] & (0x7Fu >> UTF8_HEADS[row].n);
    for (size_t i = 1; i < UTF8_HEADS[row].n; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
        point = point << 6 | (p[i] & 0x3F);
    }
    if (point < UTF8_HEADS[row].least || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return 0;
    *ret_point = point;
    return UTF8_HEADS[row].n;
}

size_t str_utf8_at(struct str s, size_t at, uint32_t *ret_point)
{
    if (at >= s.n) return 0;
    const unsigned char *p = (const unsigned char *)s.p + at;
    if (p[0] >= 0x80) return utf8_long(p, s.n - at, ret_point);
    *ret_point = p[0];
    return 1;
}

bool str_is_utf8(struct str s, size_t *ret_bad_at)
{
    for (size_t at = 0; at < s.n;) {
        uint64_t eight;
        if (s.n - at >= sizeof eight) {
            memcpy(&eight, s.p + at, sizeof eight);
            if (!(eight & 0x8080808080808080u)) {
                at += sizeof eight;
                continue;
            }
        }
        uint32_t point;
        size_t n = str_utf8_at(s, at, &point);
        if (n == 0) {
            if (ret_bad_at) *ret_bad_at = at;
            return false;
        }
        at += n;
    }
    return true;
}

static bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; }

typedef uint8_t sixteen __attribute__((vector_size(16)));

/* All of sixteen bytes? */
static bool are_plain(sixteen x)
{
    uint64_t marks[2];
    sixteen found = (sixteen)((x < 0x20) | (x >= 0x7F) | (x == '"') | (x == '\\'));
    memcpy(marks, &found, sizeof marks);
    return !(marks[0] | marks[1]);
}

static sixteen load_sixteen(const char *p)
{
    sixteen x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* Four to fifteen bytes, those in the middle twice. */
static sixteen load_short(const char *p, size_t n)
{
    uint32_t first, last;
    uint64_t both[2];
    sixteen x;
    if (n >= 8) {
        memcpy(&both[0], p, 8);
        memcpy(&both[1], p + n - 8, 8);
    } else {
        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        both[0] = both[1] = (uint64_t)last << 32 | first;
    }
    memcpy(&x, both, sizeof x);
    return x;
}

/* Most of what is asked about is a short word of our own, or a long text with nothing in it. */
size_t str_plain_run(struct str s, size_t at)
{
    size_t end = at;
    while (s.n - end >= 16 && are_plain(load_sixteen(s.p + end))) end += 16;
    size_t left = s.n - end;
    if (left >= 4 && left < 16 && are_plain(load_short(s.p + end, left))) return s.n - at;
    while (end < s.n && is_plain((unsigned char)s.p[end])) end++;
    return end - at;
}

char *str_dup_z(struct str s)
{
    must(s.n < SIZE_MAX);
    char *z = mem_alloc(s.n + 1);
    if (s.n) memcpy(z, s.p, s.n);
    return z;
}

unsigned str_distance(struct str a, struct str b)
{
    enum { LONGEST = 64 };
    if (a.n > LONGEST || b.n > LONGEST) return UINT_MAX;
    unsigned row[LONGEST + 1];
    for (unsigned j = 0; j <= b.n; j++) row[j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            unsigned change = diagonal + (a.p[i - 1] != b.p[j - 1]);
            unsigned step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < step ? change : step;
        }
    }
    return row[b.n];
}
