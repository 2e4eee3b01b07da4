/* The scan for every x86-64 processor: 64 bytes in four registers. There are no table look-ups: escapes and characters
 * beyond ASCII are checked one at a time. */
#include "json/priv.h"

#if defined(__x86_64__)
#include <emmintrin.h>

#define SCAN_NAME json_scan_sse2
#define SCAN_FN static inline __attribute__((always_inline))
#define SCAN_SLOW static __attribute__((noinline))
#define SCAN_ENTRY

typedef __m128i vec;
enum { STEP = 64 };
struct block {
    vec x[4];
    const unsigned char *from;
};

SCAN_FN vec load(const unsigned char *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
SCAN_FN struct block block_load(const unsigned char *p)
{
    return (struct block){{load(p), load(p + 16), load(p + 32), load(p + 48)}, p};
}

SCAN_FN uint64_t bits(vec a, vec b, vec c, vec d)
{
    uint32_t low = (uint32_t)_mm_movemask_epi8(a) | (uint32_t)_mm_movemask_epi8(b) << 16;
    uint32_t high = (uint32_t)_mm_movemask_epi8(c) | (uint32_t)_mm_movemask_epi8(d) << 16;
    return low | (uint64_t)high << 32;
}

SCAN_FN uint64_t block_is(struct block b, enum scan_bytes which)
{
    vec all = load(JSON_BYTES[which]);
    return bits(_mm_cmpeq_epi8(b.x[0], all), _mm_cmpeq_epi8(b.x[1], all), _mm_cmpeq_epi8(b.x[2], all),
                _mm_cmpeq_epi8(b.x[3], all));
}

SCAN_FN vec controls(vec x) { return _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1F)), x); }
SCAN_FN uint64_t block_controls(struct block b)
{
    return bits(controls(b.x[0]), controls(b.x[1]), controls(b.x[2]), controls(b.x[3]));
}
SCAN_FN uint64_t block_high(struct block b) { return bits(b.x[0], b.x[1], b.x[2], b.x[3]); }

SCAN_FN uint64_t block_short_escapes(struct block b, uint64_t escaped)
{
    uint64_t good = 0;
    for (uint64_t left = escaped; left; left &= left - 1) {
        unsigned at = (unsigned)__builtin_ctzll(left);
        good |= (uint64_t)JSON_SHORT_ESCAPE[b.from[at]] << at;
    }
    return good;
}

/* Quote, backslash, control, over 0x7F (signed: negative). */
SCAN_FN vec marks_of(const unsigned char *p)
{
    vec x = load(p), quotes = _mm_cmpeq_epi8(x, _mm_set1_epi8('"')), backslashes = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
    return _mm_or_si128(_mm_or_si128(quotes, backslashes), _mm_cmplt_epi8(x, _mm_set1_epi8(0x20)));
}

SCAN_FN const unsigned char *plain_run(const unsigned char *p, const unsigned char *end)
{
    for (; end - p >= STEP; p += STEP) {
        vec any = _mm_or_si128(_mm_or_si128(marks_of(p), marks_of(p + 16)), _mm_or_si128(marks_of(p + 32), marks_of(p + 48)));
        if (_mm_movemask_epi8(any)) break;
    }
    return p;
}

/* Those of the block's marks that stand at p or behind it. */
SCAN_FN uint64_t marks_from(uint64_t marks, const unsigned char *at, const unsigned char *p)
{
    if (p <= at) return marks;
    size_t n = (size_t)(p - at);
    return n < STEP ? marks >> n << n : 0;
}

/* Whole characters, also those that reach into the next block. */
SCAN_FN bool utf8_good(struct block b, const unsigned char *at, const unsigned char *end, UNUSED bool goes_on,
                       struct scan_seen *seen)
{
    uint64_t high = marks_from(block_high(b), at, seen->utf8_to);
    for (; high; high = marks_from(high, at, seen->utf8_to)) {
        seen->utf8_to = json_skip_utf8(at + __builtin_ctzll(high), end);
        if (!seen->utf8_to) return false;
    }
    return true;
}

#include "json/scan_string.h"
#include "json/scan_loop.h"
#endif
