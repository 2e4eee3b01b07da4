/* A string's end, for the vector twins, 64 bytes a step. The twin defines beforehand:
 *   struct block, block_load()  64 bytes in registers
 *   block_is(), block_controls(), block_high()  one bit for each byte that is c, under 0x20, over 0x7F
 *   block_short_escapes()  those that, behind a backslash, make an escape of two bytes; asked for those in `escaped` only
 *   utf8_good()        whether the block, coming after what stands before it, is UTF-8
 *   plain_run()        skips blocks without any such byte
 * Errors are found here but not named: json_scan_with() lets the scalar twin look again. Nothing is ever read outside of
 * the text. */
#include "json/priv.h"

#ifdef SCAN_NAME /* nothing stands here but within a twin */

/* What the block at `at` holds. It outlives a string: names and short values stand near each other. A run of blocks begins
 * behind an opening quote and goes on until the next string is out of sight; what stands between strings is looked at byte
 * by byte in scan_loop.h, so a backslash or a byte over 0x7F there is an error whatever is made of it here. */
struct masks {
    uint64_t quotes; /* those that end a string, or begin one */
    uint64_t backslashes, controls, high;
    uint64_t cut;  /* 1: its last byte is a backslash that escapes the next block's first */
    uint64_t open; /* not 0: its last character may go on in the next block */
};
struct window {
    const unsigned char *at;
    struct masks masks;
    struct scan_seen seen;
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

/* `odd`: what is escaped and is no short escape: letters of \u whose digits, and other half, are good? */
SCAN_SLOW bool unicode_good(struct scan_seen *seen, const unsigned char *at, const unsigned char *end, uint64_t odd)
{
    for (; odd; odd &= odd - 1) {
        const unsigned char *backslash = at + __builtin_ctzll(odd) - 1;
        if (backslash < seen->unicode_to) continue; /* a pair's second half */
        seen->unicode_to = json_skip_unicode(backslash, end);
        if (!seen->unicode_to) return false;
    }
    return true;
}

/* One block; m: the block's before it when it goes on in the same run. False: what is in it cannot stand in good text. */
SCAN_FN bool look(struct masks *m, struct scan_seen *seen, const unsigned char *at, const unsigned char *end, bool goes_on)
{
    unsigned char padded[STEP];
    const unsigned char *from = at;
    if (UNLIKELY(end - at < STEP)) {
        memset(padded, ' ', STEP);
        memcpy(padded, at, (size_t)(end - at));
        from = padded;
    }
    struct block b = block_load(from);
    uint64_t cut = goes_on ? m->cut : 0, open = goes_on ? m->open : 0;
    m->backslashes = block_is(b, BYTES_BACKSLASH);
    m->high = block_high(b);
    uint64_t escaped = escaped_by(m->backslashes, &cut), odd = escaped & ~block_short_escapes(b, escaped);
    if (UNLIKELY(odd) && !unicode_good(seen, at, end, odd)) return false;
    if ((m->high | open) && UNLIKELY(!utf8_good(b, at, end, goes_on, seen))) return false;
    m->quotes = block_is(b, BYTES_QUOTE) & ~escaped;
    m->controls = block_controls(b);
    m->cut = cut;
    m->open = m->high >> (STEP - 3);
    return true;
}

/* Member by member: a copy of the whole would be read before its parts have arrived in memory, and wait for them. */
SCAN_FN void keep(struct window *w, const unsigned char *at, const struct masks *m)
{
    w->at = at;
    w->masks.quotes = m->quotes;
    w->masks.backslashes = m->backslashes;
    w->masks.controls = m->controls;
    w->masks.high = m->high;
    w->masks.cut = m->cut;
    w->masks.open = m->open;
}

/* A string that ends beyond the window or has something in it; p behind its opening quote. */
SCAN_SLOW const unsigned char *string_rest(struct window *w, const unsigned char *p, const unsigned char *end, unsigned *flags)
{
    const unsigned char *at = w->at;
    size_t off = (uintptr_t)p - (uintptr_t)at;
    struct masks m = {w->masks.quotes, w->masks.backslashes, w->masks.controls, w->masks.high, w->masks.cut, w->masks.open};
    uint64_t backslashes = 0, quotes, inside;
    if (off >= STEP) {
        at = p;
        off = 0;
        if (UNLIKELY(p >= end) || !look(&m, &w->seen, at, end, false)) return NULL;
    }
    for (;; off = 0) {
        quotes = m.quotes >> off, inside = (quotes - 1) & ~quotes;
        if (UNLIKELY(m.controls >> off & inside)) return NULL;
        backslashes |= m.backslashes >> off & inside;
        if (quotes) break;
        at += STEP;
        if (!(m.backslashes | m.controls | m.high)) at = plain_run(at, end);
        if (UNLIKELY(at >= end) || !look(&m, &w->seen, at, end, true)) return NULL;
    }
    if (backslashes) *flags |= JSON_ESCAPED;
    keep(w, at, &m);
    return at + off + __builtin_ctzll(quotes);
}

SCAN_FN const unsigned char *string_end(struct window *w, const unsigned char *p, const unsigned char *end, unsigned *flags)
{
    size_t off = (uintptr_t)p - (uintptr_t)w->at;
    if (LIKELY(off < STEP)) {
        uint64_t quotes = w->masks.quotes >> off, inside = (quotes - 1) & ~quotes;
        if (LIKELY(quotes) && !((w->masks.controls | w->masks.backslashes) >> off & inside)) return p + __builtin_ctzll(quotes);
    }
    return string_rest(w, p, end, flags);
}

#endif
