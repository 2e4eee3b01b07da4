/* The scan for processors with AVX-512 BW and VBMI: 64 bytes in one register, a comparison is a mask at once. */
#include "json/priv.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define SCAN_NAME json_scan_avx512
#define SCAN_FN __attribute__((always_inline, target("avx512bw,avx512vbmi,avx2,bmi,lzcnt"))) static inline
#define SCAN_SLOW __attribute__((noinline, target("avx512bw,avx512vbmi,avx2,bmi,lzcnt"))) static
#define SCAN_ENTRY __attribute__((target("avx512bw,avx512vbmi,avx2,bmi,lzcnt")))

typedef __m512i vec;
SCAN_FN vec v_load(const unsigned char *p) { return _mm512_loadu_si512(p); }
SCAN_FN vec v_or(vec a, vec b) { return _mm512_or_si512(a, b); }
SCAN_FN vec v_and(vec a, vec b) { return _mm512_and_si512(a, b); }
SCAN_FN vec v_xor(vec a, vec b) { return _mm512_xor_si512(a, b); }
SCAN_FN vec v_minus(vec a, vec b) { return _mm512_subs_epu8(a, b); }
SCAN_FN vec v_bytes(enum scan_bytes which) { return _mm512_load_si512(JSON_BYTES[which]); }
SCAN_FN vec v_look_up(vec table, vec x) { return _mm512_shuffle_epi8(table, x); }
SCAN_FN vec v_high_half(vec x) { return v_and(_mm512_srli_epi16(x, 4), v_bytes(BYTES_HALF)); }
#define v_behind(x, before, n) _mm512_alignr_epi8(x, _mm512_alignr_epi32(x, before, 12), 16 - (n))

#include "json/scan_utf8.h"

enum { STEP = 64 };
struct block {
    vec x;
};

SCAN_FN struct block block_load(const unsigned char *p) { return (struct block){v_load(p)}; }
SCAN_FN uint64_t block_is(struct block b, enum scan_bytes which)
{
    uint64_t mask = _mm512_cmpeq_epi8_mask(b.x, v_bytes(which));
    __asm__("" : "+r"(mask)); /* else the compiler moves what is done with it back into mask registers, which is slower */
    return mask;
}
SCAN_FN uint64_t block_controls(struct block b) { return _mm512_cmplt_epu8_mask(b.x, v_bytes(BYTES_BLANK)); }
SCAN_FN uint64_t block_high(struct block b) { return (uint64_t)_mm512_movepi8_mask(b.x); }
/* A table of 128 bytes is looked up by seven bits; what is over 0x7F must be taken out again. */
SCAN_FN uint64_t block_short_escapes(struct block b, UNUSED uint64_t escaped)
{
    const vec *table = (const vec *)(const void *)JSON_SHORT_ESCAPES;
    return (uint64_t)_mm512_movepi8_mask(_mm512_permutex2var_epi8(table[0], b.x, table[1])) & ~block_high(b);
}

/* Quote, backslash, control, over 0x7F (signed: negative). */
SCAN_FN uint64_t marks_of(vec x)
{
    return _mm512_cmpeq_epi8_mask(x, v_bytes(BYTES_QUOTE)) | _mm512_cmpeq_epi8_mask(x, v_bytes(BYTES_BACKSLASH)) |
           _mm512_cmplt_epi8_mask(x, v_bytes(BYTES_BLANK));
}

SCAN_FN const unsigned char *plain_run(const unsigned char *p, const unsigned char *end)
{
    while (end - p >= 2 * STEP && !(marks_of(v_load(p)) | marks_of(v_load(p + STEP)))) p += 2 * STEP;
    return p;
}

SCAN_FN bool utf8_good(struct block b, const unsigned char *at, UNUSED const unsigned char *end, bool goes_on,
                       UNUSED struct scan_seen *seen)
{
    vec errors = utf8_errors(b.x, goes_on ? v_load(at - STEP) : _mm512_setzero_si512());
    return !_mm512_test_epi8_mask(errors, errors);
}

#include "json/scan_string.h"
#include "json/scan_loop.h"
#endif
