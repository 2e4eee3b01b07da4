/* Fuzz: any text is unsealed without harm and never taken for ours; and what is sealed from the same bytes comes back, unless one
 * bit of it was changed. */
#include "chat/chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void any_text(const struct chat_seal *s, struct arena *a, struct str text)
{
    struct chat_opaque back;
    struct fault why = {0};
    struct buf sealed;
    buf_init(&sealed, text.n + 8);
    if (!chat_is_sealed(text)) buf_str(&sealed, S("aq1."));
    buf_str(&sealed, text);
    must(chat_unseal(s, a, buf_view(&sealed), &back, &why) == ERR_BAD_REQUEST);
    buf_done(&sealed);
}

static void round_trip(const struct chat_seal *s, struct arena *a, struct str bytes, uint8_t where)
{
    struct chat_opaque o = {.kind = (enum chat_opaque_kind)(where % OPAQUE_KINDS), .span = bytes}, back;
    struct buf sealed;
    o.origin = (struct chat_origin){str_make(bytes.p, bytes.n % 20), where * 0x0101010101010101u};
    buf_init(&sealed, bytes.n * 2 + 300);
    chat_seal_text(s, &o, &sealed);
    must(chat_unseal(s, a, buf_view(&sealed), &back, NULL) == OK);
    must(back.kind == o.kind && str_eq(back.span, o.span) && str_eq(back.origin.family, o.origin.family));
    must(back.origin.deployment == o.origin.deployment);
    sealed.p[where % sealed.n] ^= 2;
    must(chat_unseal(s, a, buf_view(&sealed), &back, NULL) != OK);
    buf_done(&sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct chat_seal s;
    struct arena a;
    if (n < 1) return 0;
    struct str rest = str_make((const char *)data + 1, n - 1);
    arena_init(&a, KIB(16), MIB(64));
    chat_seal_key(&s, S("0123456789abcdef0123456789abcdef"), str_make(rest.p, rest.n < 8 ? rest.n : 8));
    any_text(&s, &a, rest);
    round_trip(&s, &a, rest, data[0]);
    arena_done(&a);
    return 0;
}
