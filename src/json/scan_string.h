/* A string's end, for the vector twins, 64 bytes a step. The twin defines beforehand:
 *   struct block, block_load()  64 bytes in registers
 *   block_is(), block_controls(), block_high()  one bit for each byte that is c, under 0x20, over 0x7F
 *   block_escapable()  one bit for each byte that may follow a backslash; asked for those in `escaped` only
 *   utf8_good()        whether the block, coming after what stands before it, is UTF-8
 *   plain_run()        skips blocks without any such byte
 * Errors are found here but not named: json_scan_with() lets the scalar twin look again. Nothing is ever read outside of
 * the text. */
#include "json/priv.h"

#ifdef SCAN_NAME /* nothing stands here but within a twin */

/* What the block at `at` holds. It outlives a string: names and short values stand near each other. A run of blocks begins
 * behind an opening quote and goes on until the next string is out of sight; what stands between strings is looked at byte
 * by byte in scan_loop.h, so a backslash or a byte over 0x7F there is an error whatever is made of it here. */
struct window {
    struct scan_spot spot;
    uint64_t quotes; /* those that end a string, or begin one */
    uint64_t backslashes, controls, high;
    uint64_t cut;  /* 1: its last byte is a backslash that escapes the next block's first */
    uint64_t open; /* not 0: its last character may go on in the next block */
};

/* Which bytes have a backslash before them that is not escaped itself: those behind runs of odd length (Langdale and
 * Lemire, "Parsing gigabytes of JSON per second", 2019, 3.1.1). cut: is the first one escaped by the block before? */
SCAN_FN uint64_t escaped_by(uint64_t backslashes, uint64_t *cut)
{
    const uint64_t odd = 0xAAAAAAAAAAAAAAAAu;
    uint64_t starters = backslashes & ~*cut;
    /* Subtracting lets a borrow ripple through each run; what comes out differs from `odd` where a run's parity turns. */
    uint64_t turns = (((starters << 1) | odd) - starters) ^ odd;
    uint64_t escaped = turns ^ (backslashes | *cut);
    *cut = (turns & backslashes) >> 63;
    return escaped;
}

SCAN_FN bool escapes_good(struct scan_spot *s, struct block b, uint64_t escaped)
{
    if (escaped & ~block_escapable(b, escaped)) return false;
    for (uint64_t u = escaped & block_is(b, BYTES_U); u; u &= u - 1) {
        const unsigned char *backslash = s->at + __builtin_ctzll(u) - 1;
        if (backslash < s->unicode_to) continue; /* a pair's second half */
        s->unicode_to = json_skip_unicode(backslash, s->end);
        if (!s->unicode_to) return false;
    }
    return true;
}

/* Moves the window. goes_on: the block is the next one of the run. False: what is in it cannot stand in good text. */
SCAN_FN bool look(struct window *w, const unsigned char *at, bool goes_on)
{
    unsigned char padded[STEP];
    const unsigned char *from = at;
    if (UNLIKELY(w->spot.end - at < STEP)) {
        memset(padded, ' ', STEP);
        memcpy(padded, at, (size_t)(w->spot.end - at));
        from = padded;
    }
    struct block b = block_load(from);
    uint64_t backslashes = block_is(b, BYTES_BACKSLASH), high = block_high(b);
    uint64_t cut = goes_on ? w->cut : 0, open = goes_on ? w->open : 0;
    uint64_t escaped = escaped_by(backslashes, &cut);
    w->spot.at = at;
    if (UNLIKELY(!escapes_good(&w->spot, b, escaped))) return false;
    if ((high | open) && UNLIKELY(!utf8_good(&w->spot, b, high, goes_on))) return false;
    w->quotes = block_is(b, BYTES_QUOTE) & ~escaped;
    w->backslashes = backslashes;
    w->controls = block_controls(b);
    w->cut = cut;
    w->open = high >> (STEP - 3);
    w->high = high;
    return true;
}

/* A string that ends beyond the window or has something in it; p behind its opening quote. */
SCAN_SLOW const unsigned char *string_rest(struct window *kept, const unsigned char *p, const unsigned char *end, unsigned *flags)
{
    struct window w = *kept;
    size_t off = (uintptr_t)p - (uintptr_t)w.spot.at;
    uint64_t backslashes = 0, quotes, inside;
    if (off >= STEP) {
        w.spot.end = end;
        if (UNLIKELY(p >= end) || !look(&w, p, false)) return NULL;
        off = 0;
    }
    for (;; off = 0) {
        quotes = w.quotes >> off, inside = (quotes - 1) & ~quotes;
        if (UNLIKELY(w.controls >> off & inside)) return NULL;
        backslashes |= w.backslashes >> off & inside;
        if (quotes) break;
        const unsigned char *next = w.spot.at + STEP;
        if (!(w.backslashes | w.controls | w.high)) next = plain_run(next, end);
        if (UNLIKELY(next >= end) || !look(&w, next, true)) return NULL;
    }
    if (backslashes) *flags |= JSON_ESCAPED;
    *kept = w;
    return w.spot.at + off + __builtin_ctzll(quotes);
}

SCAN_FN const unsigned char *string_end(struct window *w, const unsigned char *p, const unsigned char *end, unsigned *flags)
{
    size_t off = (uintptr_t)p - (uintptr_t)w->spot.at;
    if (LIKELY(off < STEP)) {
        uint64_t quotes = w->quotes >> off, inside = (quotes - 1) & ~quotes;
        if (LIKELY(quotes) && !((w->controls | w->backslashes) >> off & inside)) return p + __builtin_ctzll(quotes);
    }
    return string_rest(w, p, end, flags);
}

#endif
