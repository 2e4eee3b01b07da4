/* Where in an answer a citation stands, for callers whose format tells it: OpenAI's url_citation counts characters, code points as
 * its SDKs' users slice strings, and the end is the first one behind it. Vendors without a range cite a block as a whole.
 * Pure; private to this room. */
#include "wire/formats.h"

/* An escape is one character, but for the second one of a surrogate pair (RFC 8259, 7): \udc00 to \udfff. */
static bool is_low_half(struct str escape)
{
    return escape.n >= 4 && escape.p[1] == 'u' && (escape.p[2] | 0x20) == 'd' && (escape.p[3] | 0x20) >= 'c';
}

static size_t escape_length(struct str escape) { return escape.n > 1 && escape.p[1] == 'u' ? 6 : 2; }

uint64_t wire_points(struct str span)
{
    uint64_t n = 0;
    while (span.n) {
        bool escape = span.p[0] == '\\', goes_on = ((unsigned char)span.p[0] & 0xC0) == 0x80;
        n += escape ? !is_low_half(span) : !goes_on;
        size_t step = escape ? escape_length(span) : 1;
        span = str_from(span, step < span.n ? step : span.n);
    }
    return n;
}

bool wire_cites_block(const struct chat_annotation *n) { return n->unit == UNIT_BLOCK; }

struct wire_range wire_cited(const struct chat_annotation *n, uint64_t before, uint64_t length)
{
    if (wire_cites_block(n)) return (struct wire_range){before, before + length};
    return (struct wire_range){before + n->start, before + n->end};
}
