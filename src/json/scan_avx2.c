/* The scan for processors with AVX2: 64 bytes in two registers, escapes and UTF-8 checked by table look-ups. */
#include "json/priv.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define SCAN_NAME json_scan_avx2
#define SCAN_FN __attribute__((always_inline, target("avx2,bmi,lzcnt"))) static inline
#define SCAN_SLOW __attribute__((noinline, target("avx2,bmi,lzcnt"))) static
#define SCAN_ENTRY __attribute__((target("avx2,bmi,lzcnt")))

typedef __m256i vec;
SCAN_FN vec v_load(const unsigned char *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
SCAN_FN vec v_or(vec a, vec b) { return _mm256_or_si256(a, b); }
SCAN_FN vec v_and(vec a, vec b) { return _mm256_and_si256(a, b); }
SCAN_FN vec v_xor(vec a, vec b) { return _mm256_xor_si256(a, b); }
SCAN_FN vec v_minus(vec a, vec b) { return _mm256_subs_epu8(a, b); }
SCAN_FN vec v_bytes(enum scan_bytes which) { return _mm256_load_si256((const __m256i *)(const void *)JSON_BYTES[which]); }
SCAN_FN vec v_look_up(vec table, vec x) { return _mm256_shuffle_epi8(table, x); }
SCAN_FN vec v_high_half(vec x) { return v_and(_mm256_srli_epi16(x, 4), v_bytes(BYTES_HALF)); }
#define v_behind(x, before, n) _mm256_alignr_epi8(x, _mm256_permute2x128_si256(before, x, 0x21), 16 - (n))

#include "json/scan_utf8.h"

enum { STEP = 64, HALF = 32 };
struct block {
    vec a, b;
};

SCAN_FN struct block block_load(const unsigned char *p) { return (struct block){v_load(p), v_load(p + HALF)}; }

SCAN_FN uint64_t bits(vec a, vec b)
{
    return (uint32_t)_mm256_movemask_epi8(a) | (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << HALF;
}

SCAN_FN uint64_t block_is(struct block b, enum scan_bytes which)
{
    return bits(_mm256_cmpeq_epi8(b.a, v_bytes(which)), _mm256_cmpeq_epi8(b.b, v_bytes(which)));
}

/* Signed: bytes over 0x7F are negative and have to be taken out again. */
SCAN_FN vec under_blank(vec x) { return _mm256_cmpgt_epi8(v_bytes(BYTES_BLANK), x); }
SCAN_FN uint64_t block_high(struct block b) { return bits(b.a, b.b); }
SCAN_FN uint64_t block_controls(struct block b) { return bits(under_blank(b.a), under_blank(b.b)) & ~block_high(b); }

SCAN_FN uint64_t block_short_escapes(struct block b, UNUSED uint64_t escaped)
{
    vec none = _mm256_setzero_si256();
    return ~bits(_mm256_cmpeq_epi8(short_escapes(b.a), none), _mm256_cmpeq_epi8(short_escapes(b.b), none));
}

/* Quote, backslash, control, over 0x7F (signed: negative). */
SCAN_FN vec marks_of(vec x)
{
    return v_or(v_or(_mm256_cmpeq_epi8(x, v_bytes(BYTES_QUOTE)), _mm256_cmpeq_epi8(x, v_bytes(BYTES_BACKSLASH))), under_blank(x));
}

SCAN_FN const unsigned char *plain_run(const unsigned char *p, const unsigned char *end)
{
    for (; end - p >= 2 * STEP; p += 2 * STEP) {
        struct block x = block_load(p), y = block_load(p + STEP);
        vec any = v_or(v_or(marks_of(x.a), marks_of(x.b)), v_or(marks_of(y.a), marks_of(y.b)));
        if (!_mm256_testz_si256(any, any)) break;
    }
    return p;
}

SCAN_FN bool utf8_good(struct block b, const unsigned char *at, UNUSED const unsigned char *end, bool goes_on,
                       UNUSED struct scan_seen *seen)
{
    vec before = goes_on ? v_load(at - HALF) : _mm256_setzero_si256();
    vec errors = v_or(utf8_errors(b.a, before), utf8_errors(b.b, b.a));
    return _mm256_testz_si256(errors, errors);
}

#include "json/scan_string.h"
#include "json/scan_loop.h"
#endif
