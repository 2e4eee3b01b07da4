/* Fuzz: the first byte says how long the pieces are; the same events must come as from the whole. */
#include <stdlib.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Sum over all that an event says, order included. */
static uint32_t digest(struct str all, size_t piece)
{
    struct sse_reader r;
    struct sse_event ev;
    struct fault why;
    uint32_t sum = 0;
    sse_init(&r, 512);
    for (bool last = false; !last;) {
        struct str part = str_make(all.p, piece < all.n ? piece : all.n);
        all = str_from(all, part.n);
        last = part.n == 0;
        enum err e = last ? sse_finish(&r, &why) : sse_feed(&r, part, &why);
        if (e != OK) break;
        while (sse_next(&r, &ev)) {
            sum = crc32c(sum, ev.raw.p, ev.raw.n) + ev.has_data;
            sum = crc32c(sum, ev.name.p, ev.name.n) + 1;
            sum = crc32c(sum, ev.data.p, ev.data.n) + 1;
        }
        must(r.carry.n <= 512);
    }
    sse_done(&r);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2) return 0;
    struct str all = str_make((const char *)data + 1, n - 1);
    must(digest(all, 1 + data[0] % 32) == digest(all, all.n));
    return 0;
}
