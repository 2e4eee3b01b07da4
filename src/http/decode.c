/* decode: gzip and zstd request bodies, streaming, as RFC 1952 and RFC 8878 say, several members or frames in a row.
 * Called by body.c only, which bounds the output; owns the library's state. */
#include <stdlib.h>
#include <sys/uio.h>
#include <zlib.h>
#include <zstd.h>

#include "server_priv.h"

#define ZSTD_WINDOW_LOG_MAX 23 /* 8 MiB, the most that RFC 8878 3.1.1.1.2 asks decoders to take */
#define GZIP_SIZE KIB(44)      /* zlib: inflate needs about 44 KB with a 32 KB window */

#define MAGIC_SIZE 4
#define HEADER_MIN 5 /* a frame's first bytes tell how long its header is */
#define HEADER_MAX 18

struct decoder {
    ZSTD_DCtx *zstd; /* NULL: gzip */
    z_stream gzip;
    bool whole;                    /* at the end of a member or frame */
    uint8_t header[HEADER_MAX];    /* zstd: of the frame under way */
    uint8_t n_header, header_size; /* bytes known of it; its size, as far as they tell */
};

static enum err gzip_new(struct decoder *d) { return inflateInit2(&d->gzip, 15 + 16) == Z_OK ? OK : ERR_INTERNAL; }

static enum err zstd_new(struct decoder *d)
{
    d->zstd = ZSTD_createDCtx();
    d->header_size = HEADER_MIN;
    if (!d->zstd) return ERR_INTERNAL;
    return ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)) ? ERR_INTERNAL : OK;
}

static const struct coding {
    struct str name;
    enum err (*start)(struct decoder *d); /* NULL: nothing to decode */
} CODINGS[] = {
    {{"", 0}, NULL}, {{"identity", 8}, NULL}, {{"gzip", 4}, gzip_new}, {{"x-gzip", 6}, gzip_new}, {{"zstd", 4}, zstd_new},
};

static const struct coding *coding_find(struct str name)
{
    for (size_t i = 0; i < COUNTOF(CODINGS); i++)
        if (str_eq_nocase(CODINGS[i].name, name)) return &CODINGS[i];
    return NULL;
}

enum err decoder_new(struct str coding, struct decoder **ret_decoder, struct fault *why)
{
    *ret_decoder = NULL;
    const struct coding *c = coding_find(str_trim(coding));
    if (!c)
        return FAIL(why, ERR_UNSUPPORTED_ENCODING, "The content-encoding '%.*s' is not understood. Use gzip, zstd or none.",
                    STR_ARG(coding));
    if (!c->start) return OK;
    struct decoder *d = mem_alloc(sizeof *d);
    if (c->start(d) != OK) {
        decoder_free(d);
        return FAIL(why, ERR_OVERLOADED, "No memory to decompress the request body. Try again in a moment.");
    }
    *ret_decoder = d;
    return OK;
}

void decoder_free(struct decoder *d)
{
    if (!d) return;
    if (d->zstd) ZSTD_freeDCtx(d->zstd);
    else inflateEnd(&d->gzip);
    free(d);
}

size_t decoder_size(const struct decoder *d) { return sizeof *d + (d->zstd ? ZSTD_sizeof_DCtx(d->zstd) : GZIP_SIZE); }

static enum err broken(struct fault *why, const char *what, const char *detail)
{
    return FAIL(why, ERR_BAD_ENCODING, "The request body is not valid %s: %s.", what, detail ? detail : "broken data");
}

static enum err gzip_step(struct decoder *d, struct str *in, struct iovec out, size_t *ret_n, struct fault *why)
{
    z_stream *z = &d->gzip;
    if (d->whole && in->n) { /* the next member begins */
        if (inflateReset(z) != Z_OK) return broken(why, "gzip", z->msg);
        d->whole = false;
    }
    union {
        const char *in;
        unsigned char *zlib;
    } from = {in->p}; /* zlib 1.2 takes no const */
    z->next_in = from.zlib;
    z->avail_in = (uInt)in->n;
    z->next_out = out.iov_base;
    z->avail_out = (uInt)out.iov_len;
    int r = inflate(z, Z_NO_FLUSH);
    *in = str_from(*in, in->n - z->avail_in);
    *ret_n = out.iov_len - z->avail_out;
    if (r == Z_STREAM_END) d->whole = true;
    if (r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR) return OK;
    return broken(why, "gzip", z->msg);
}

static bool is_skippable(uint32_t magic) { return (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START; }

/* RFC 8878 3.1.1.1: window, dictionary and content size are there or not, as the descriptor says. 0: not zstd.
 * libzstd also reads the formats of its youth. Nobody sends them, so nobody needs their decoders behind this door. */
static uint8_t header_size(const uint8_t h[HEADER_MIN])
{
    static const uint8_t DICTIONARY[4] = {0, 1, 2, 4}, CONTENT[4] = {0, 2, 4, 8};
    uint32_t magic = (uint32_t)h[0] | (uint32_t)h[1] << 8 | (uint32_t)h[2] << 16 | (uint32_t)h[3] << 24;
    if (is_skippable(magic)) return MAGIC_SIZE + 4;
    if (magic != ZSTD_MAGICNUMBER) return 0;
    uint8_t descriptor = h[MAGIC_SIZE], content = CONTENT[descriptor >> 6];
    bool is_single = descriptor & 0x20;
    if (is_single && !content) content = 1;
    return (uint8_t)(HEADER_MIN + !is_single + DICTIONARY[descriptor & 3] + content);
}

static enum err zstd_run(struct decoder *d, ZSTD_inBuffer *from, struct iovec out, size_t *ret_n, struct fault *why)
{
    ZSTD_outBuffer to = {out.iov_base, out.iov_len, 0};
    size_t r = ZSTD_decompressStream(d->zstd, &to, from);
    if (ZSTD_isError(r)) return broken(why, "zstd", ZSTD_getErrorName(r));
    if (from->pos || to.pos) d->whole = r == 0;
    if (d->whole) {
        d->n_header = 0;
        d->header_size = HEADER_MIN;
    }
    *ret_n = to.pos;
    return OK;
}

/* libzstd gets a frame's header in one piece: given in several it looks for the frame's beginning at a wrong place. */
static enum err zstd_begin(struct decoder *d, struct str *in, struct iovec out, size_t *ret_n, struct fault *why)
{
    *ret_n = 0;
    d->whole = d->whole && !in->n;
    for (; d->n_header < d->header_size && in->n; *in = str_from(*in, 1)) d->header[d->n_header++] = (uint8_t)in->p[0];
    if (d->n_header == HEADER_MIN && d->header_size == HEADER_MIN) d->header_size = header_size(d->header);
    if (!d->header_size) return broken(why, "zstd", "unknown frame");
    if (d->n_header < d->header_size) return OK;
    ZSTD_inBuffer from = {d->header, d->header_size, 0};
    return zstd_run(d, &from, out, ret_n, why);
}

static enum err zstd_step(struct decoder *d, struct str *in, struct iovec out, size_t *ret_n, struct fault *why)
{
    if (d->n_header < d->header_size) return zstd_begin(d, in, out, ret_n, why);
    ZSTD_inBuffer from = {in->p, in->n, 0};
    TRY(zstd_run(d, &from, out, ret_n, why));
    *in = str_from(*in, from.pos);
    return OK;
}

enum err decoder_step(struct decoder *d, struct str *in, struct iovec out, size_t *ret_n, struct fault *why)
{
    return d->zstd ? zstd_step(d, in, out, ret_n, why) : gzip_step(d, in, out, ret_n, why);
}

bool decoder_is_whole(const struct decoder *d) { return d->whole; }
