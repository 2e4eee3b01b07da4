/* Fuzz: the first byte says how long the pieces are; the same frames and the same end must come as from the whole. The CRCs
 * are put right first, or hardly any input would come past them; its second byte may say to leave them. */
#include <stdlib.h>
#include <zlib.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { FRAME_MAX = 512 };

static uint32_t add_frame(uint32_t sum, const struct event_stream_frame *f)
{
    struct str rest = f->headers;
    struct event_stream_header h;
    while (event_stream_header(&rest, &h)) {
        sum = crc32c(sum, h.name.p, h.name.n);
        sum = crc32c(sum, h.value.p, h.value.n) + (uint32_t)h.number;
    }
    must(rest.n == 0);
    sum = crc32c(sum, f->type.p, f->type.n) + (uint32_t)f->kind;
    sum = crc32c(sum, f->content_type.p, f->content_type.n);
    return crc32c(sum, f->payload.p, f->payload.n) + (uint32_t)f->raw.n;
}

/* Sum over all that the frames say, order and end included. */
static uint32_t digest(struct str all, size_t piece)
{
    struct event_stream_reader r;
    struct event_stream_frame f;
    uint32_t sum = 0;
    enum err got = OK;
    event_stream_init(&r, FRAME_MAX);
    while (all.n && got == OK) {
        struct str part = str_make(all.p, piece < all.n ? piece : all.n);
        bool more = true;
        all = str_from(all, part.n);
        event_stream_feed(&r, part);
        while (more && (got = event_stream_next(&r, &f, &more, NULL)) == OK)
            if (more) sum = add_frame(sum, &f);
        must(r.carry.n <= FRAME_MAX);
    }
    sum += got == OK ? (uint32_t)event_stream_pending(&r) : 7777;
    event_stream_done(&r);
    return sum;
}

static void put(char *p, uint32_t v)
{
    for (int i = 3; i >= 0; i--, v >>= 8) p[i] = (char)v;
}

static void mend(char *p, size_t n)
{
    while (n >= 16) {
        const unsigned char *u = (const unsigned char *)p;
        size_t total = (size_t)u[0] << 24 | (size_t)u[1] << 16 | (size_t)u[2] << 8 | u[3];
        put(p + 8, (uint32_t)crc32_z(0, u, 8));
        if (total < 16 || total > n) return;
        put(p + total - 4, (uint32_t)crc32_z(0, u, total - 4));
        p += total;
        n -= total;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 3) return 0;
    char *copy = mem_alloc(n - 2);
    memcpy(copy, data + 2, n - 2);
    if (data[1] != 255) mend(copy, n - 2);
    struct str all = str_make(copy, n - 2);
    must(digest(all, 1 + data[0] % 64) == digest(all, all.n));
    free(copy);
    return 0;
}
