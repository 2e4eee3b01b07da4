/* The scan with 64 bytes a step, for processors with AVX2; also checks UTF-8 beyond ASCII 32 bytes at a time. */
#include "json/priv.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define SCAN_NAME json_scan_avx2
#define SCAN_FN __attribute__((always_inline, target("avx2,bmi,lzcnt"))) static inline
#define SCAN_ENTRY __attribute__((target("avx2,bmi,lzcnt")))

SCAN_FN __m256i load(const unsigned char *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
SCAN_FN __m256i or (__m256i a, __m256i b) { return _mm256_or_si256(a, b); }
SCAN_FN __m256i and (__m256i a, __m256i b) { return _mm256_and_si256(a, b); }
SCAN_FN __m256i is_byte(__m256i x, char c) { return _mm256_cmpeq_epi8(x, _mm256_set1_epi8(c)); }

/* Quote, backslash, control, over 0x7F (signed: negative). */
SCAN_FN __m256i marks_of(const unsigned char *p)
{
    __m256i x = load(p);
    return or (or (is_byte(x, '"'), is_byte(x, '\\')), _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), x));
}
#define STEP 64
enum { HALF = 32 };
SCAN_FN uint64_t specials(const unsigned char *p)
{
    return (uint32_t)_mm256_movemask_epi8(marks_of(p)) | (uint64_t)(uint32_t)_mm256_movemask_epi8(marks_of(p + HALF)) << HALF;
}

SCAN_FN const unsigned char *plain_run(const unsigned char *p, const unsigned char *end)
{
    for (; end - p >= 2 * STEP; p += 2 * STEP) {
        __m256i any = or (or (marks_of(p), marks_of(p + HALF)), or (marks_of(p + STEP), marks_of(p + STEP + HALF)));
        if (!_mm256_testz_si256(any, any)) break;
    }
    return p;
}

/* UTF-8 by three table look-ups on the halves of neighbouring bytes (Keiser and Lemire, "Validating UTF-8 in less than
 * one instruction per byte", 2020): each bit names an error that is there when all three tables have it. */
enum {
    TOO_SHORT = 1,
    TOO_LONG = 2,
    OVERLONG_3 = 4,
    TOO_LARGE = 8,
    SURROGATE = 16,
    OVERLONG_2 = 32,
    TOO_LARGE_1000 = 64,
    OVERLONG_4 = 64,
    TWO_CONTS = 128,
    CARRY = TOO_SHORT | TOO_LONG | TWO_CONTS,
};
#define TABLE(...) _mm256_broadcastsi128_si256(_mm_setr_epi8(__VA_ARGS__))
#define B(bits) (char)(bits)

SCAN_FN __m256i first_high(__m256i half)
{
    enum {
        C = TOO_SHORT | OVERLONG_2,
        D = TOO_SHORT,
        E = TOO_SHORT | OVERLONG_3 | SURROGATE,
        F = TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4
    };
    __m256i table = TABLE(TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, B(TWO_CONTS),
                          B(TWO_CONTS), B(TWO_CONTS), B(TWO_CONTS), B(C), B(D), B(E), B(F));
    return _mm256_shuffle_epi8(table, half);
}

SCAN_FN __m256i first_low(__m256i half)
{
    enum { L = CARRY | TOO_LARGE | TOO_LARGE_1000 };
    __m256i table = TABLE(B(CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4), B(CARRY | OVERLONG_2), B(CARRY), B(CARRY),
                          B(CARRY | TOO_LARGE), B(L), B(L), B(L), B(L), B(L), B(L), B(L), B(L), B(L | SURROGATE), B(L), B(L));
    return _mm256_shuffle_epi8(table, half);
}

SCAN_FN __m256i second_high(__m256i half)
{
    enum {
        ANY = TOO_LONG | OVERLONG_2 | TWO_CONTS,
        S8 = ANY | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4,
        S9 = ANY | OVERLONG_3 | TOO_LARGE,
        SAB = ANY | SURROGATE | TOO_LARGE
    };
    __m256i table = TABLE(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, B(S8), B(S9),
                          B(SAB), B(SAB), TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT);
    return _mm256_shuffle_epi8(table, half);
}

/* Not zero where x, coming after the 32 bytes of `before`, is no UTF-8. A character cut at x's end is seen next time. */
SCAN_FN __m256i utf8_errors(__m256i x, __m256i before)
{
    __m256i low = _mm256_set1_epi8(0x0F), carried = _mm256_permute2x128_si256(before, x, 0x21);
    __m256i one = _mm256_alignr_epi8(x, carried, 15), two = _mm256_alignr_epi8(x, carried, 14),
            three = _mm256_alignr_epi8(x, carried, 13);
    __m256i special = and(and(first_high(and(_mm256_srli_epi16(one, 4), low)), first_low(and(one, low))),
                          second_high(and(_mm256_srli_epi16(x, 4), low)));
    __m256i third = _mm256_subs_epu8(two, _mm256_set1_epi8((char)(0xE0 - 0x80)));
    __m256i fourth = _mm256_subs_epu8(three, _mm256_set1_epi8((char)(0xF0 - 0x80)));
    return _mm256_xor_si256(and(or (third, fourth), _mm256_set1_epi8((char)0x80)), special);
}

/* The last bytes of a text, one character at a time: p may stand within a character that began before. */
SCAN_FN const unsigned char *utf8_tail(const unsigned char *p, const unsigned char *start, const unsigned char *end)
{
    while (p > start && (p[-1] & 0xC0) == 0x80) p--;
    if (p > start && p[-1] >= 0x80) p--;
    return p < end && *p >= 0x80 ? json_skip_utf8(p, end) : p;
}

/* Until a block without any such character, or to the quote, backslash or control that ends the run. */
SCAN_FN const unsigned char *utf8_run(const unsigned char *p, const unsigned char *end)
{
    const __m256i count = _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
                                           24, 25, 26, 27, 28, 29, 30, 31);
    const unsigned char *start = p;
    __m256i before = _mm256_setzero_si256(), errors = before;
    for (; end - p >= HALF; p += HALF) {
        __m256i x = load(p);
        __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(x, _mm256_set1_epi8(0x1F)), x);
        uint32_t stops = (uint32_t)_mm256_movemask_epi8(or (or (is_byte(x, '"'), is_byte(x, '\\')), control));
        unsigned n = stops ? (unsigned)__builtin_ctz(stops) : HALF;
        /* what comes behind the stop is taken for ASCII: it is not part of this run */
        x = and(x, _mm256_cmpgt_epi8(_mm256_set1_epi8((char)n), count));
        errors = or (errors, utf8_errors(x, before));
        if (stops || !_mm256_movemask_epi8(x)) return _mm256_testz_si256(errors, errors) ? p + n : NULL;
        before = x;
    }
    if (!_mm256_testz_si256(errors, errors)) return NULL;
    return utf8_tail(p, start, end);
}

#include "json/scan_string.h"
#include "json/scan_loop.h"
#endif
