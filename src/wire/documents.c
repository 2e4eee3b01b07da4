/* Documents as Claude takes them: a PDF, or plain text. Other kinds of text are told as plain text, what is neither stays as it is and
 * the writer refuses it. Anthropic API reference, DocumentBlockParam (Base64PDFSource, PlainTextSource). Called by adapt.c; pure. */
#include <sodium.h>

#include "wire/adapt.h"

static bool is_text(struct str type)
{
    static const struct str KINDS[] = {WIRE_STR("text/"), WIRE_STR("application/json"), WIRE_STR("application/xml")};
    for (unsigned i = 0; i < COUNTOF(KINDS); i++)
        if (str_starts(type, KINDS[i])) return true;
    return false;
}

/* False: it is no base64, or no text; then it is not changed. */
static bool decode(struct str value, struct buf *bytes, struct buf *span)
{
    size_t n;
    if (!buf_reserve(bytes, value.n + 1)) return false;
    if (sodium_base642bin((unsigned char *)bytes->p, bytes->cap, value.p, value.n, NULL, &n, NULL,
                          sodium_base64_VARIANT_ORIGINAL))
        return false;
    bytes->n = n;
    if (!str_is_utf8(buf_view(bytes), NULL)) return false;
    json_escape(span, buf_view(bytes));
    return !span->over;
}

static enum err as_text(struct adapting *w, struct chat_media *m)
{
    enum { ESCAPED = 6 }; /* \u0001 */
    struct buf bytes, span;
    buf_init(&bytes, m->value.n + 1);
    buf_init(&span, ESCAPED * m->value.n + 1);
    bool is = decode(m->value, &bytes, &span), fits = !is || arena_str(w->c->arena, buf_view(&span), &m->value);
    if (is) *m = (struct chat_media){.form = MEDIA_TEXT, .type = S("text/plain"), .value = m->value};
    buf_done(&bytes);
    buf_done(&span);
    return fits ? OK : adapting_full(w);
}

static enum err fit(struct adapting *w, struct chat_media *m)
{
    if (m->form == MEDIA_TEXT) m->type = S("text/plain");
    if (m->form != MEDIA_BASE64) return OK;
    if (!m->type.n) m->type = S("application/pdf"); /* as Gemini is told it */
    return is_text(m->type) ? as_text(w, m) : OK;
}

enum err documents_for_claude(struct adapting *w)
{
    for (struct chat_item *i = w->c->items; i; i = i->next)
        for (struct chat_part *p = i->parts; p; p = p->next)
            if (p->kind == PART_DOCUMENT) TRY(fit(w, &p->media));
    return OK;
}
