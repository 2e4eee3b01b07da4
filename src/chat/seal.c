/* Sealed state: what one vendor wants back, carried by a client that speaks another's format. The client cannot read it, change
 * it or take it to another project. Called by writers of answers (seal) and readers of requests (unseal); owns nothing. The nonce
 * is 24 random bytes: drawn at random it does not repeat within a key's life. */
#include "chat/priv.h"

#include <sodium.h>

#define HEAD S("aq1.") /* also what is authenticated beside the text, so that a later form cannot be taken for this one */
enum {
    NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    FIXED = 1 + 1 + 8, /* kind, length of the family, deployment (little-endian); family and bytes follow */
    BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
};
_Static_assert(CHAT_SEAL_KEY == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the cipher's key");

/* BLAKE2b with the master as its key is a pseudorandom function of the project's name. */
void chat_seal_key(struct chat_seal *s, struct str master, struct str project)
{
    static const unsigned char PURPOSE[] = "aquifer: sealed state, 1";
    crypto_generichash_state state;
    must(sodium_init() >= 0 && master.n == CHAT_SEAL_KEY);
    crypto_generichash_init(&state, (const unsigned char *)master.p, master.n, sizeof s->key);
    crypto_generichash_update(&state, PURPOSE, sizeof PURPOSE);
    crypto_generichash_update(&state, (const unsigned char *)project.p, project.n);
    crypto_generichash_final(&state, s->key, sizeof s->key);
    sodium_memzero(&state, sizeof state);
}

/* ---- sealing -------------------------------------------------------------------------------------------------------------- */

static void put_plain(const struct chat_opaque *o, struct buf *plain)
{
    must(o->origin.family.n <= UINT8_MAX);
    buf_char(plain, (char)o->kind);
    buf_char(plain, (char)o->origin.family.n);
    for (int i = 0; i < 8; i++) buf_char(plain, (char)(o->origin.deployment >> 8 * i));
    buf_str(plain, o->origin.family);
    buf_str(plain, o->span);
}

/* `box`: the nonce, the plain text, room for the tag. */
static void encrypt(const struct chat_seal *s, struct buf *box)
{
    unsigned char *nonce = (unsigned char *)box->p, *text = nonce + NONCE;
    unsigned long long n = box->n - NONCE;
    crypto_aead_xchacha20poly1305_ietf_encrypt(text, &n, text, n, (const unsigned char *)HEAD.p, HEAD.n, NULL, nonce, s->key);
    box->n = NONCE + (size_t)n;
}

void chat_seal_text(const struct chat_seal *s, const struct chat_opaque *o, struct buf *out)
{
    struct buf box;
    char nonce[NONCE];
    size_t n = NONCE + FIXED + o->origin.family.n + o->span.n + TAG;
    buf_init(&box, n);
    random_bytes(nonce, sizeof nonce);
    buf_add(&box, nonce, sizeof nonce);
    put_plain(o, &box);
    must(buf_reserve(&box, TAG));
    encrypt(s, &box);
    size_t text_n = sodium_base64_ENCODED_LEN(box.n, BASE64); /* with its terminator */
    buf_str(out, HEAD);
    if (buf_reserve(out, text_n)) {
        sodium_bin2base64(out->p + out->n, text_n, (const unsigned char *)box.p, box.n, BASE64);
        out->n += text_n - 1;
    }
    buf_done(&box);
}

/* ---- unsealing -------------------------------------------------------------------------------------------------------------- */

bool chat_is_sealed(struct str span) { return str_starts(span, HEAD); }

/* What passed the cipher was made by us; its shape is looked at all the same. */
static bool read_plain(const unsigned char *p, size_t n, struct chat_opaque *ret_opaque)
{
    if (n < FIXED || p[0] >= OPAQUE_KINDS || (size_t)FIXED + p[1] > n) return false;
    *ret_opaque = (struct chat_opaque){.kind = (enum chat_opaque_kind)p[0]};
    for (int i = 7; i >= 0; i--) ret_opaque->origin.deployment = ret_opaque->origin.deployment << 8 | p[2 + i];
    ret_opaque->origin.family = str_make((const char *)p + FIXED, p[1]);
    ret_opaque->span = str_make((const char *)p + FIXED + p[1], n - FIXED - p[1]);
    return true;
}

static bool decrypt(const struct chat_seal *s, unsigned char *box, size_t n, unsigned long long *ret_n)
{
    if (n < NONCE + TAG) return false;
    return crypto_aead_xchacha20poly1305_ietf_decrypt(box + NONCE, ret_n, NULL, box + NONCE, n - NONCE,
                                                      (const unsigned char *)HEAD.p, HEAD.n, box, s->key) == 0;
}

enum err chat_unseal(const struct chat_seal *s, struct arena *a, struct str span, struct chat_opaque *ret_opaque,
                     struct fault *why)
{
    struct str text = str_from(span, HEAD.n);
    size_t n;
    unsigned long long plain_n;
    unsigned char *box = chat_is_sealed(span) ? arena_alloc(a, text.n) : NULL;
    if (!chat_is_sealed(span)) return FAIL(why, ERR_BAD_REQUEST, "this opaque state was not made by Aquifer");
    if (!box) return FAIL(why, ERR_LIMIT, "the request's opaque state is too large");
    if (sodium_base642bin(box, text.n, text.p, text.n, NULL, &n, NULL, BASE64) != 0)
        return FAIL(why, ERR_BAD_REQUEST, "the opaque state that Aquifer sealed came back broken: send it back as it was given");
    if (!decrypt(s, box, n, &plain_n) || !read_plain(box + NONCE, (size_t)plain_n, ret_opaque))
        return FAIL(
            why, ERR_BAD_REQUEST,
            "the opaque state that Aquifer sealed was changed, cut, or sealed for another project: send it back as it was given");
    return OK;
}

/* ---- all of a request -------------------------------------------------------------------------------------------------------- */

static enum err open_one(struct chat *c, const struct chat_seal *s, struct chat_opaque *o, uint32_t at, struct fault *why)
{
    struct chat_opaque opened = {.kind = o->kind, .span = o->span};
    struct fault inner = {0};
    if (!chat_is_sealed(o->span)) return OK;
    enum err e = s ? chat_unseal(s, c->arena, o->span, &opened, &inner) : OK;
    if (e == OK) {
        o->kind = opened.kind;
        o->span = opened.span;
        o->origin = opened.origin;
        return OK;
    }
    struct buf path;
    buf_init(&path, JSON_WHERE_MAX + 8);
    chat_put_path(c->source, at, &path);
    FAIL(why, e, "%.*s%s%s", STR_ARG(buf_view(&path)), path.n ? ": " : "", inner.text);
    buf_done(&path);
    return e;
}

static enum err open_list(struct chat *c, const struct chat_seal *s, struct chat_opaque *list, uint32_t at, struct fault *why)
{
    for (struct chat_opaque *o = list; o; o = o->next) TRY(open_one(c, s, o, at, why));
    return OK;
}

enum err chat_unseal_all(struct chat *c, const struct chat_seal *s, struct fault *why)
{
    for (struct chat_item *i = c->items; i; i = i->next) {
        TRY(open_list(c, s, i->opaque, i->node.at, why));
        for (struct chat_part *p = i->parts; p; p = p->next) {
            TRY(open_list(c, s, p->opaque, p->node.at, why));
            for (struct chat_annotation *n = p->annotations; n; n = n->next) TRY(open_list(c, s, n->opaque, n->node.at, why));
        }
    }
    return OK;
}
