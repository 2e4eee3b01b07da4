/* Halves of surrogate pairs: a provider that cuts its text by UTF-16 units may end one event with \ud83d and begin the next with
 * \ude00. Neither is a text by itself (RFC 8259, 8.2); the first half waits here for the other. Called by the gateway with an event
 * that could not be read, so that whole events pay nothing for it. Pure. */
#include "wire/wire.h"

#include <string.h>

static unsigned digit(char c)
{
    if (c >= '0' && c <= '9') return (unsigned)(c - '0');
    unsigned low = (unsigned char)c | 0x20u;
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : 16;
}

/* The unit that a \u escape at the beginning names; 0: there is no such escape. */
static unsigned unit_of(struct str s)
{
    unsigned unit = 0;
    if (s.n < 6 || s.p[0] != '\\' || s.p[1] != 'u') return 0;
    for (unsigned i = 2; i < 6; i++) {
        if (digit(s.p[i]) > 15) return 0;
        unit = unit << 4 | digit(s.p[i]);
    }
    return unit;
}

static bool is_high(unsigned unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
static bool is_low(unsigned unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

/* What stands at the beginning of `rest`: its length, and whether a half was taken out of it or put before it. */
static size_t take(struct wire_halves *h, struct str rest, bool begins, struct buf *out, bool *ret_changed)
{
    unsigned unit = unit_of(rest);
    if (is_high(unit) && rest.n > 6 && rest.p[6] == '"' && !h->waits) {
        memcpy(h->high, rest.p, sizeof h->high);
        h->waits = *ret_changed = true;
        return 6;
    }
    if (is_low(unit) && begins && h->waits) {
        buf_str(out, str_make(h->high, sizeof h->high));
        h->waits = false;
        *ret_changed = true;
    }
    bool pair = is_high(unit) && is_low(unit_of(str_from(rest, 6)));
    size_t n = pair ? 12 : unit ? 6 : rest.p[0] == '\\' && rest.n > 1 ? 2 : 1;
    buf_str(out, str_make(rest.p, n));
    return n;
}

bool wire_join_halves(struct wire_halves *h, struct str data, struct buf *out)
{
    bool changed = false, begins = false;
    while (data.n) {
        bool quote = data.p[0] == '"';
        data = str_from(data, take(h, data, begins, out, &changed));
        begins = quote;
    }
    return changed;
}
