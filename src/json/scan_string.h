/* A string's end, for the vector twins. The twin defines STEP (bytes a step), specials() for STEP bytes, plain_run()
 * that skips steps without any special byte, and utf8_run() that checks characters beyond ASCII.
 * Texts have at least SCAN_LEAST bytes: near the end the last STEP bytes are loaded and the mask is shifted, so nothing
 * is ever read outside of the text. */
#include "json/priv.h"

#ifdef SCAN_NAME /* nothing stands here but within a twin */

/* The marks of the bytes from w->at on. It outlives a string: names and short values are near each other, and clearing
 * bits of a mask at hand is faster than loading and comparing again for each string. */
struct window {
    const unsigned char *at;
    uint64_t marks;
};

SCAN_FN uint64_t look_from(struct window *w, const unsigned char *p, const unsigned char *end)
{
    size_t moved = (uintptr_t)p - (uintptr_t)w->at;
    if (moved < STEP) {
        w->marks = w->marks >> moved << moved;
        return w->marks;
    }
    w->at = p;
    if (LIKELY(end - p >= STEP)) w->marks = specials(p);
    else w->marks = p < end ? specials(end - STEP) >> (STEP - (end - p)) : 0;
    return w->marks;
}

/* p at the backslash. NULL: no such escape. */
SCAN_FN const unsigned char *escape_end(const unsigned char *p, const unsigned char *end)
{
    if (UNLIKELY(end - p < 2)) return NULL;
    if (LIKELY(JSON_SHORT_ESCAPE[p[1]])) return p + 2;
    return json_skip_unicode(p, end);
}

SCAN_FN const unsigned char *string_end(struct window *w, const unsigned char *p, const unsigned char *end, unsigned *flags)
{
    for (;;) {
        uint64_t marks = look_from(w, p, end);
        if (!marks) {
            if (UNLIKELY(end - w->at <= STEP)) return NULL;
            p = plain_run(w->at + STEP, end);
            continue;
        }
        p = w->at + __builtin_ctzll(marks);
        if (LIKELY(*p == '"')) return p;
        if (*p == '\\') {
            *flags |= JSON_ESCAPED;
            p = escape_end(p, end);
        } else if (*p >= 0x80) {
            p = utf8_run(p, end);
        } else {
            return NULL;
        }
        if (UNLIKELY(!p)) return NULL;
    }
}

#endif
