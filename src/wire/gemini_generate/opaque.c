/* Thought signatures as callers carry them. Facts: Gemini API "Thought signatures"; G6…G8 in docs/wire.md. Pure but for the
 * sealing's random nonce. */
#include "wire/gemini_generate/priv.h"

/* "aq1." and the URL's alphabet without padding there; "aq1/", the common alphabet and padding here. */
#define SEALED S("aq1.")
#define CARRIED S("aq1/")

static char respell(char c, bool back)
{
    if (back) return c == '+' ? '-' : c == '/' ? '_' : c;
    return c == '-' ? '+' : c == '_' ? '/' : c;
}

bool gemini_signature_read(struct arena *a, struct str span, struct str *ret_span)
{
    *ret_span = span;
    if (!str_starts(span, CARRIED)) return true;
    while (span.n && span.p[span.n - 1] == '=') span.n--;
    char *text = arena_alloc(a, span.n);
    if (!text) return false;
    for (size_t i = SEALED.n; i < span.n; i++) text[i] = respell(span.p[i], true);
    memcpy(text, SEALED.p, SEALED.n);
    *ret_span = str_make(text, span.n);
    return true;
}

static void carry(struct buf *sealed)
{
    for (size_t i = SEALED.n; i < sealed->n; i++) sealed->p[i] = respell(sealed->p[i], false);
    memcpy(sealed->p, CARRIED.p, CARRIED.n);
    while (sealed->n % 4 && !sealed->over) buf_char(sealed, '=');
}

bool gemini_signature_write(const struct wire_reply *to, const struct chat_opaque *o, struct arena *a, struct str *ret_span)
{
    bool ours = o->kind == OPAQUE_THOUGHT_SIGNATURE && str_eq(to->origin.family, S("gemini"));
    *ret_span = o->span;
    return ours || wire_seal(to, o, a, carry, ret_span);
}
