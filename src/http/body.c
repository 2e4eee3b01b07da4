/* body: collects a request's body, decoded, within its limits. Called by h1 and h2 as bytes arrive; owns the buffer until
 * the stream is released. Memory follows what was really received, never what Content-Length promises. */
#include <stdlib.h>

#include "server_priv.h"

#define FIRST_MAX KIB(256)  /* the most that is allocated before any byte has come */
#define BOMB_FROM MIB(1)    /* below this size no growth is suspicious */
#define DECODE_STEP KIB(16) /* room kept for a decoder's output */

static enum err over(size_t max, struct fault *why)
{
    return FAIL(why, ERR_BODY_TOO_LARGE, "The request body is larger than the limit of %zu bytes. Send less.", max);
}

static enum err too_large(const struct http_server_options *o, struct fault *why) { return over(o->limits.body_max, why); }

static enum err ask(struct body *b, const struct http_server_options *o, size_t more, struct fault *why)
{
    if (o->take_memory && !o->take_memory(o->user, (int64_t)more))
        return FAIL(why, ERR_OVERLOADED, "The memory for request bodies is used up. Try again in a moment.");
    b->taken += more;
    return OK;
}

static enum err grow(struct body *b, const struct http_server_options *o, size_t cap, struct fault *why)
{
    if (cap <= b->cap) return OK;
    TRY(ask(b, o, cap - b->cap, why));
    b->p = mem_resize(b->p, cap);
    b->cap = cap;
    return OK;
}

/* The next capacity: doubling, but not beyond what can still come. */
static size_t next_cap(const struct body *b, const struct http_server_options *o)
{
    size_t most = o->limits.body_max;
    if (!b->decoder && b->expected < most) most = (size_t)b->expected;
    size_t cap = b->cap ? b->cap * 2 : FIRST_MAX;
    if (!b->cap && (b->decoder || b->expected == BODY_UNKNOWN)) cap = KIB(16);
    return cap < most ? cap : most;
}

enum err body_begin(struct body *b, const struct http_server_options *o, struct str coding, uint64_t expected, struct fault *why)
{
    *b = (struct body){.expected = expected};
    size_t most = o->limits.pass_max > o->limits.body_max ? o->limits.pass_max : o->limits.body_max; /* on_head() tells which */
    if (expected != BODY_UNKNOWN && expected > most) return over(most, why);
    if (expected == 0) return OK;
    TRY(decoder_new(coding, &b->decoder, why));
    return b->decoder ? ask(b, o, decoder_size(b->decoder), why) : OK;
}

enum err body_check(const struct body *b, const struct http_server_options *o, bool passes, struct fault *why)
{
    size_t most = passes ? o->limits.pass_max : o->limits.body_max;
    if (b->expected != BODY_UNKNOWN && b->expected > most) return over(most, why);
    if (!passes || !b->decoder) return OK;
    return FAIL(why, ERR_UNSUPPORTED_ENCODING, "This body is passed on as it comes and must not be compressed.");
}

enum err body_pass(struct body *b, const struct http_server_options *o, size_t n, struct fault *why)
{
    b->wire += n;
    return b->wire > o->limits.pass_max ? over(o->limits.pass_max, why) : OK;
}

static enum err add_plain(struct body *b, const struct http_server_options *o, struct str bytes, struct fault *why)
{
    if (bytes.n > o->limits.body_max - b->n) return too_large(o, why);
    if (b->expected != BODY_UNKNOWN && bytes.n > b->expected - b->n)
        return FAIL(why, ERR_BAD_HTTP, "The request body is longer than its Content-Length.");
    while (b->cap - b->n < bytes.n) TRY(grow(b, o, next_cap(b, o), why));
    memcpy(b->p + b->n, bytes.p, bytes.n);
    b->n += bytes.n;
    return OK;
}

static enum err check_bomb(const struct body *b, const struct http_server_options *o, uint64_t wire, struct fault *why)
{
    if (b->n <= BOMB_FROM || b->n / o->limits.inflate_ratio <= wire) return OK;
    return FAIL(why, ERR_BODY_TOO_LARGE, "The compressed request body grows more than %u times. Send it uncompressed.",
                o->limits.inflate_ratio);
}

/* A decoder's window may have grown since it was last looked at. */
static enum err ask_for_decoder(struct body *b, const struct http_server_options *o, size_t before, struct fault *why)
{
    size_t after = decoder_size(b->decoder);
    return after > before ? ask(b, o, after - before, why) : OK;
}

static enum err add_coded(struct body *b, const struct http_server_options *o, struct str bytes, struct fault *why)
{
    size_t before = decoder_size(b->decoder);
    for (;;) {
        char one_more; /* at the limit: does anything still come? */
        bool full = b->n == o->limits.body_max;
        if (!full && b->cap - b->n < DECODE_STEP) TRY(grow(b, o, next_cap(b, o), why));
        struct iovec room = {b->p + b->n, b->cap - b->n};
        if (full) room = (struct iovec){&one_more, 1};
        size_t n;
        TRY(decoder_step(b->decoder, &bytes, room, &n, why));
        if (full && n) return too_large(o, why);
        b->n += n;
        TRY(check_bomb(b, o, b->wire - bytes.n, why));
        if (!n && !bytes.n) return ask_for_decoder(b, o, before, why);
    }
}

enum err body_add(struct body *b, const struct http_server_options *o, struct str bytes, struct fault *why)
{
    if (!bytes.n) return OK;
    b->wire += bytes.n;
    if (b->wire > o->limits.body_max) return too_large(o, why); /* empty members in a row grow nothing and never end */
    return b->decoder ? add_coded(b, o, bytes, why) : add_plain(b, o, bytes, why);
}

enum err body_room(struct body *b, const struct http_server_options *o, struct str *ret_room, struct fault *why)
{
    *ret_room = STR_NONE;
    if (b->decoder || b->expected == BODY_UNKNOWN || b->n == b->expected) return OK;
    if (b->n == b->cap) TRY(grow(b, o, next_cap(b, o), why));
    *ret_room = str_make(b->p + b->n, b->cap - b->n);
    return OK;
}

void body_took(struct body *b, size_t n)
{
    must(n <= b->cap - b->n);
    b->n += n;
    b->wire += n;
}

enum err body_end(struct body *b, struct fault *why)
{
    if (!b->decoder) return OK;
    if (b->wire && !decoder_is_whole(b->decoder))
        return FAIL(why, ERR_BAD_ENCODING, "The compressed request body ends in the middle.");
    return OK;
}

enum err body_copy(struct body *b, const struct http_server_options *o, struct str bytes, struct fault *why)
{
    *b = (struct body){.expected = bytes.n};
    if (bytes.n > o->limits.body_max) return too_large(o, why);
    TRY(grow(b, o, bytes.n, why));
    if (bytes.n) memcpy(b->p, bytes.p, bytes.n);
    b->n = bytes.n;
    return OK;
}

void body_done(struct body *b, const struct http_server_options *o)
{
    free(b->p);
    decoder_free(b->decoder);
    if (b->taken && o->take_memory) (void)o->take_memory(o->user, -(int64_t)b->taken);
    *b = (struct body){0};
}
