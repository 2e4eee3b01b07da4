/* Money is integers: pico-dollars in 128 bits. Text goes in and comes out exactly, never through a float.
 * Called by catalogue, budget, ledger and the commands. Owns nothing. Runs in every process. */
#include "base/base.h"

enum { DECIMALS = 12, WHOLE_DIGITS = 15 }; /* a quadrillion dollars leaves 11 digits of room for sums */

static bool all_digits(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9') return false;
    return s.n > 0;
}

bool money_parse(struct str text, money *ret_value)
{
    struct str whole, part;
    bool has_part = str_cut(text, '.', &whole, &part);
    if (!all_digits(whole) || whole.n > WHOLE_DIGITS || (whole.n > 1 && whole.p[0] == '0')) return false;
    if (has_part && (!all_digits(part) || part.n > DECIMALS)) return false;
    money value = 0;
    for (size_t i = 0; i < whole.n; i++) value = value * 10 + (whole.p[i] - '0');
    for (size_t i = 0; i < DECIMALS; i++) value = value * 10 + (i < part.n ? part.p[i] - '0' : 0);
    *ret_value = value;
    return true;
}

void money_write(struct buf *out, money value)
{
    char text[48], *end = text + sizeof text, *at = end;
    unsigned __int128 left = value < 0 ? 0 - (unsigned __int128)value : (unsigned __int128)value;
    for (int i = 0; i < DECIMALS; i++, left /= 10) *--at = (char)('0' + (int)(left % 10));
    while (end > at && end[-1] == '0') end--;
    if (end > at) *--at = '.';
    do *--at = (char)('0' + (int)(left % 10));
    while (left /= 10);
    if (value < 0) *--at = '-';
    buf_add(out, at, (size_t)(end - at));
}
