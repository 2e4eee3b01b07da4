/* The growing writer: bytes are added up to a bound set at birth; past it `over` stays set until it is cleared.
 * Called by everybody who makes text or wire bytes. Owns its one block of memory. Runs in every process. */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t max) { *b = (struct buf){.max = max}; }

void buf_done(struct buf *b)
{
    free(b->p);
    buf_init(b, b->max);
}

/* Room for `bytes` in all, bound not looked at. */
static void grow_to(struct buf *b, size_t bytes)
{
    size_t cap = b->cap ? b->cap : 64;
    while (cap < bytes) cap = cap > SIZE_MAX / 2 ? bytes : cap * 2;
    if (cap > b->max && b->max < SIZE_MAX) cap = b->max + 1; /* one more for the terminator of buf_z() */
    if (cap < bytes) cap = bytes;
    b->p = mem_resize(b->p, cap);
    b->cap = cap;
}

bool buf_grow(struct buf *b, size_t more)
{
    if (b->over) return false;
    if (UNLIKELY(b->n > b->max || more > b->max - b->n)) {
        b->over = true;
        return false;
    }
    if (UNLIKELY(more > b->cap - b->n)) grow_to(b, b->n + more);
    return true;
}

void buf_u64(struct buf *b, uint64_t v)
{
    char text[20], *at = text + sizeof text;
    do *--at = (char)('0' + v % 10);
    while (v /= 10);
    buf_add(b, at, (size_t)(text + sizeof text - at));
}

void buf_i64(struct buf *b, int64_t v)
{
    if (v < 0) buf_char(b, '-');
    buf_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_fmt(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    must(n >= 0);
    if (buf_reserve(b, (size_t)n)) {
        /* vsnprintf() always terminates; the terminator has no claim on the bound. */
        if (b->cap - b->n < (size_t)n + 1) grow_to(b, b->n + (size_t)n + 1);
        vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void buf_drop_head(struct buf *b, size_t n)
{
    must(n <= b->n);
    b->n -= n;
    if (n && b->n) memmove(b->p, b->p + n, b->n);
}

static bool is_unreserved(char c) /* RFC 3986 2.3 */
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

void buf_percent_encode(struct buf *b, struct str s)
{
    static const char DIGITS[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        const char code[3] = {'%', DIGITS[c >> 4], DIGITS[c & 15]};
        if (is_unreserved(s.p[i])) buf_char(b, s.p[i]);
        else buf_add(b, code, sizeof code);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool buf_percent_decode(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '%') {
            buf_char(b, s.p[i]);
            continue;
        }
        int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1, low = high >= 0 ? hex_digit(s.p[i + 2]) : -1;
        if (low < 0) return false;
        buf_char(b, (char)(high << 4 | low));
        i += 2;
    }
    return !b->over;
}

const char *buf_z(struct buf *b)
{
    if (b->over) return "";
    if (b->cap - b->n < 1) grow_to(b, b->n + 1);
    b->p[b->n] = '\0';
    return b->p;
}
