/* Found credentials at the desk: sealed, stored under the provider's name so that a restart of control does not leave the
 * gateways without, and ready for publishing. Lane DESK only. */
#include <stdlib.h>

#include "admin/priv.h"

#define SETTING "aws credentials " /* of all clouds: the name is from when there was one */

static struct found_sealed *place_of(struct desk *d, struct str provider)
{
    for (unsigned i = 0; i < d->n_found; i++)
        if (str_eq(d->found[i].provider, provider)) return &d->found[i];
    d->found = mem_resize(d->found, (d->n_found + 1) * sizeof *d->found);
    d->found[d->n_found] = (struct found_sealed){.provider = {str_dup_z(provider), provider.n}};
    return &d->found[d->n_found++];
}

static void put(struct desk *d, struct str provider, struct str hex)
{
    struct found_sealed *s = place_of(d, provider);
    union {
        const char *read;
        char *owned;
    } was = {.read = s->hex.p};
    s->hex = (struct str){str_dup_z(hex), hex.n};
    free(was.owned);
}

static void drop(struct found_sealed *s)
{
    union {
        const char *read;
        char *owned;
    } name = {.read = s->provider.p}, hex = {.read = s->hex.p};
    free(name.owned);
    free(hex.owned);
}

void desk_done_found(struct desk *d)
{
    for (unsigned i = 0; i < d->n_found; i++) drop(&d->found[i]);
    free(d->found);
    d->found = NULL;
    d->n_found = 0;
}

static bool is_wanted(const struct config *c, struct str provider)
{
    for (unsigned i = 0; i < c->providers.n; i++)
        if (str_eq(c->providers.at[i].name, provider)) return config_finds(&c->providers.at[i]);
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

void desk_forget_found(struct desk *d)
{
    struct fault why = {0};
    unsigned kept = 0;
    for (unsigned i = 0; i < d->n_found; i++) {
        if (is_wanted(d->config, d->found[i].provider) || forget(d, d->found[i].provider, &why) != OK)
            d->found[kept++] = d->found[i];
        else drop(&d->found[i]);
    }
    d->n_found = kept;
}

enum err desk_load_found(struct desk *d, struct fault *why)
{
    struct store_rows rows;
    bool more;
    enum err got = store_query(d->store, "SELECT name, value FROM settings WHERE name LIKE '" SETTING "%'", NULL, &rows, why);
    while (got == OK && (got = store_next(&rows, &more, why)) == OK && more)
        put(d, str_from(store_text(&rows, 0), sizeof SETTING - 1), store_text(&rows, 1));
    store_rows_done(&rows);
    return got;
}

enum err desk_take_found(struct desk *d, struct str provider, const struct found *f, struct fault *why)
{
    struct seal_key seal;
    struct buf hex, name;
    TRY(desk_seal_key(d, &seal, why));
    buf_init(&hex, KIB(64));
    buf_init(&name, 256);
    found_seal(&seal, provider, f, &hex);
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
