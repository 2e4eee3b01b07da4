/* A string's end, for the vector twins. The twin defines STEP (bytes a step), specials() for STEP bytes, plain_run()
 * that skips steps without any special byte, and utf8_run() that checks characters beyond ASCII.
 * Texts have at least SCAN_LEAST bytes: near the end the last STEP bytes are loaded and the mask is shifted, so nothing
 * is ever read outside of the text. */

SCAN_FN uint64_t specials_within(const unsigned char *p, const unsigned char *end)
{
    if (LIKELY(end - p >= STEP)) return specials(p);
    if (UNLIKELY(p >= end)) return 0;
    return (uint64_t)specials(end - STEP) >> (STEP - (end - p));
}

/* p at the backslash. NULL: no such escape. */
SCAN_FN const unsigned char *escape_end(const unsigned char *p, const unsigned char *end)
{
    if (UNLIKELY(end - p < 2)) return NULL;
    if (LIKELY(JSON_SHORT_ESCAPE[p[1]])) return p + 2;
    return json_skip_unicode(p, end);
}

SCAN_FN const unsigned char *string_end(const unsigned char *p, const unsigned char *end, unsigned *flags)
{
    uint64_t marks = specials_within(p, end);
    for (;;) {
        if (!marks) {
            if (UNLIKELY(end - p <= STEP)) return NULL;
            p = plain_run(p + STEP, end);
            marks = specials_within(p, end);
            continue;
        }
        unsigned at = (unsigned)__builtin_ctzll(marks), c = p[at];
        if (LIKELY(c == '"')) return p + at;
        const unsigned char *next;
        if (c == '\\') {
            *flags |= JSON_ESCAPED;
            next = escape_end(p + at, end);
        } else if (c >= 0x80) {
            next = utf8_run(p + at, end);
        } else {
            return NULL;
        }
        if (UNLIKELY(!next)) return NULL;
        size_t moved = (size_t)(next - p);
        if (moved < STEP) { /* go on with the marks at hand */
            marks = marks >> moved << moved;
            continue;
        }
        p = next;
        marks = specials_within(p, end);
    }
}
