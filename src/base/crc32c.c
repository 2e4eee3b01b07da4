/* CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum of journal records.
 * Called by the ledger on the request path and by whoever reads segments. Owns nothing. Runs in every process. */
#include "base/base.h"

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc_fast(uint32_t crc, const unsigned char *p, size_t n)
{
    uint64_t wide = crc, word;
    for (; n >= sizeof word; p += sizeof word, n -= sizeof word) {
        memcpy(&word, p, sizeof word);
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    for (; n; p++, n--) crc = _mm_crc32_u8(crc, *p);
    return crc;
}

static bool is_fast(void) { return __builtin_cpu_supports("sse4.2"); }
#endif

/* Four bits a step: the remainders of the 16 values of a nibble, polynomial 0x82F63B78 (reflected). */
static uint32_t crc_plain(uint32_t crc, const unsigned char *p, size_t n)
{
    static const uint32_t NIBBLES[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    for (; n; p++, n--) {
        crc ^= *p;
        crc = crc >> 4 ^ NIBBLES[crc & 15];
        crc = crc >> 4 ^ NIBBLES[crc & 15];
    }
    return crc;
}

uint32_t crc32c(uint32_t seed, const void *p, size_t n)
{
#if defined(__x86_64__)
    if (is_fast()) return ~crc_fast(~seed, p, n);
#endif
    return ~crc_plain(~seed, p, n);
}
