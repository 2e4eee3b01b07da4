/* AWS credentials at the desk: sealed, stored under the provider's name so that a restart of control does not leave the
 * gateways without, and ready for publishing. Lane DESK only. */
#include <stdlib.h>

#include "admin/priv.h"

#define SETTING "aws credentials "

static struct aws_sealed *place_of(struct desk *d, struct str provider)
{
    for (unsigned i = 0; i < d->n_aws; i++)
        if (str_eq(d->aws[i].provider, provider)) return &d->aws[i];
    d->aws = mem_resize(d->aws, (d->n_aws + 1) * sizeof *d->aws);
    d->aws[d->n_aws] = (struct aws_sealed){.provider = {str_dup_z(provider), provider.n}};
    return &d->aws[d->n_aws++];
}

static void put(struct desk *d, struct str provider, struct str hex)
{
    struct aws_sealed *s = place_of(d, provider);
    union {
        const char *read;
        char *owned;
    } was = {.read = s->hex.p};
    s->hex = (struct str){str_dup_z(hex), hex.n};
    free(was.owned);
}

static void drop(struct aws_sealed *s)
{
    union {
        const char *read;
        char *owned;
    } name = {.read = s->provider.p}, hex = {.read = s->hex.p};
    free(name.owned);
    free(hex.owned);
}

void desk_done_aws(struct desk *d)
{
    for (unsigned i = 0; i < d->n_aws; i++) drop(&d->aws[i]);
    free(d->aws);
    d->aws = NULL;
    d->n_aws = 0;
}

static bool is_wanted(const struct config *c, struct str provider)
{
    for (unsigned i = 0; i < c->providers.n; i++)
        if (str_eq(c->providers.at[i].name, provider)) return c->providers.at[i].credentials != AWS_GIVEN;
    return false;
}

static enum err forget(struct desk *d, struct str provider, struct fault *why)
{
    struct buf name;
    buf_init(&name, 256);
    buf_fmt(&name, SETTING "%.*s", STR_ARG(provider));
    enum err got = store_exec(d->store, "DELETE FROM settings WHERE name = ?1", BINDS(V_TEXT(buf_view(&name))), NULL, why);
    buf_done(&name);
    return got;
}

void desk_forget_aws(struct desk *d)
{
    struct fault why = {0};
    unsigned kept = 0;
    for (unsigned i = 0; i < d->n_aws; i++) {
        if (is_wanted(d->config, d->aws[i].provider) || forget(d, d->aws[i].provider, &why) != OK) d->aws[kept++] = d->aws[i];
        else drop(&d->aws[i]);
    }
    d->n_aws = kept;
}

enum err desk_load_aws(struct desk *d, struct fault *why)
{
    struct store_rows rows;
    bool more;
    enum err got = store_query(d->store, "SELECT name, value FROM settings WHERE name LIKE '" SETTING "%'", NULL, &rows, why);
    while (got == OK && (got = store_next(&rows, &more, why)) == OK && more)
        put(d, str_from(store_text(&rows, 0), sizeof SETTING - 1), store_text(&rows, 1));
    store_rows_done(&rows);
    return got;
}

enum err desk_take_aws(struct desk *d, struct str provider, const struct aws_found *f, struct fault *why)
{
    struct seal_key seal;
    struct buf hex, name;
    TRY(desk_seal_key(d, &seal, why));
    buf_init(&hex, KIB(64));
    buf_init(&name, 256);
    aws_seal(&seal, provider, f, &hex);
    explicit_bzero(&seal, sizeof seal);
    buf_fmt(&name, SETTING "%.*s", STR_ARG(provider));
    enum err got =
        store_exec(d->store, "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
                   BINDS(V_TEXT(buf_view(&name)), V_TEXT(buf_view(&hex))), NULL, why);
    if (got == OK) put(d, provider, buf_view(&hex));
    buf_done(&hex);
    buf_done(&name);
    return got;
}
