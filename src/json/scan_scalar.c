/* The scan, one byte at a time: for short texts and for processors without vectors; the measure for its twins. */
#include "json/priv.h"

#define SCAN_NAME json_scan_scalar
#define SCAN_FN static inline __attribute__((always_inline))
#define SCAN_ENTRY

struct window {
    char unused;
};

SCAN_FN const unsigned char *string_end(UNUSED struct window *w, const unsigned char *p, const unsigned char *end,
                                        unsigned *flags)
{
    while (p < end) {
        if (*p == '"') return p;
        if (*p == '\\') {
            *flags |= JSON_ESCAPED;
            if (end - p < 2) return NULL;
            if (JSON_SHORT_ESCAPE[p[1]]) p += 2;
            else if (!(p = json_skip_unicode(p, end))) return NULL;
        } else if (*p >= 0x80) {
            if (!(p = json_skip_utf8(p, end))) return NULL;
        } else if (*p < 0x20) {
            return NULL;
        } else {
            p++;
        }
    }
    return NULL;
}

#include "json/scan_loop.h"
