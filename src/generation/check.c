/* What a configuration must pass before it comes into force. Called by control and by `aquifer config check`. Owns
 * nothing. */
#include "catalog/catalog.h"
#include "config/config.h"
#include "generation/priv.h"

enum { CATALOGS_MAX = 64 }; /* 16 shipped, 32 of one's own */

enum err generation_catalog(const struct config *c, struct catalog **ret_catalog, struct fault *why)
{
    struct arena a;
    struct str files[CATALOGS_MAX];
    arena_init(&a, KIB(8), MIB(1));
    unsigned n = catalog_shipped(&a, files);
    for (unsigned i = 0; i < c->catalog.n && n < CATALOGS_MAX; i++) files[n++] = c->catalog.at[i];
    enum err got = catalog_load(files, n, ret_catalog, why);
    arena_done(&a);
    return got;
}

void seal_reference(const struct config *c, struct buf *out)
{
    if (c->seal_key.n) buf_str(out, c->seal_key);
    else buf_fmt(out, "file:%.*s/" SEAL_KEY_FILE, STR_ARG(c->data));
}

enum err generation_seal_key(const struct config *c, struct seal_key *ret_key, struct fault *why)
{
    struct buf reference, text;
    buf_init(&reference, KIB(8));
    buf_init(&text, KIB(65));
    seal_reference(c, &reference);
    enum err got = config_secret(buf_view(&reference), &text, why);
    if (got == OK && !seal_key_read(buf_view(&text), ret_key))
        got = FAIL(why, ERR_CONFIG, "seal_key (%.180s) must be 64 hexadecimal digits in lower case", buf_z(&reference));
    if (text.cap) explicit_bzero(text.p, text.cap);
    buf_done(&text);
    buf_done(&reference);
    return got;
}

enum err generation_check_seal(const struct config *c, struct fault *why)
{
    struct seal_key k;
    if (c->seal_key.n == 0) return OK;
    enum err got = generation_seal_key(c, &k, why);
    explicit_bzero(&k, sizeof k);
    return got;
}
