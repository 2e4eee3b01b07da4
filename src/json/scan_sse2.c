/* The scan with 64 bytes a step, for every x86-64 processor. UTF-8 beyond ASCII is checked one character at a time. */
#include "json/priv.h"

#if defined(__x86_64__)
#include <emmintrin.h>

#define SCAN_NAME json_scan_sse2
#define SCAN_FN static inline __attribute__((always_inline))
#define SCAN_ENTRY

/* One bit for each byte that a plain run of a string cannot have: quote, backslash, control, over 0x7F. */
SCAN_FN uint64_t specials_16(const unsigned char *p)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i marks = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')), _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
    /* signed: bytes over 0x7F are negative */
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(marks, _mm_cmplt_epi8(x, _mm_set1_epi8(0x20))));
}
#define STEP 64
SCAN_FN uint64_t specials(const unsigned char *p)
{
    return specials_16(p) | specials_16(p + 16) << 16 | specials_16(p + 32) << 32 | specials_16(p + 48) << 48;
}
SCAN_FN const unsigned char *plain_run(const unsigned char *p, const unsigned char *end)
{
    while (end - p >= STEP && !specials(p)) p += STEP;
    return p;
}
SCAN_FN const unsigned char *utf8_run(const unsigned char *p, const unsigned char *end) { return json_skip_utf8(p, end); }

#include "json/scan_string.h"
#include "json/scan_loop.h"
#endif
