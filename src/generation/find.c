/* Looking things up in a generation: routes, keys, prices, near names. Called by the gateway for every request: nothing
 * here allocates. */
#include "catalog/catalog.h"
#include "generation/priv.h"

static bool matches(struct str pattern, struct str name)
{
    bool open = str_ends(pattern, S("*"));
    return open ? str_starts(name, str_make(pattern.p, pattern.n - 1)) : str_eq(pattern, name);
}

const struct route *generation_route(const struct generation *g, struct str name)
{
    const struct route *exact = map_find(&g->exact, name);
    if (exact) return exact;
    for (unsigned i = 0; i < g->n_patterns; i++)
        if (matches(g->patterns[i]->name, name)) return g->patterns[i];
    return NULL;
}

const struct key *generation_key(const struct generation *g, struct str id) { return map_find(&g->keys, id); }

bool key_may_call(const struct key *k, struct str route_name)
{
    if (k->n_routes == 0) return true;
    for (unsigned i = 0; i < k->n_routes; i++)
        if (matches(k->routes[i], route_name)) return true;
    return false;
}

/* How far a name is from what was asked; a name that contains it, or is contained, is near whatever its length. */
static unsigned far(struct str name, struct str asked)
{
    size_t at;
    unsigned distance = str_distance(name, asked);
    bool inside = asked.n >= 3 && (str_find(name, asked, &at) || (name.n >= 3 && str_find(asked, name, &at)));
    return inside && distance > 2 ? 2 : distance;
}

unsigned generation_nearest(const struct generation *g, const struct key *k, struct str name, struct str ret_names[3])
{
    unsigned best[3], n = 0, limit = name.n < 6 ? 2 : (unsigned)(name.n < 64 ? name.n : 64) / 2;
    for (unsigned i = 0; i < g->n_routes; i++) {
        const struct route *r = &g->routes[i];
        if (k && !key_may_call(k, r->name)) continue;
        unsigned distance = far(r->name, name), at = n;
        if (distance > limit) continue;
        while (at > 0 && best[at - 1] > distance) at--;
        if (at == 3) continue;
        if (n < 3) n++;
        for (unsigned m = n - 1; m > at; m--) {
            best[m] = best[m - 1];
            ret_names[m] = ret_names[m - 1];
        }
        best[at] = distance;
        ret_names[at] = r->name;
    }
    return n;
}

static const struct price *in_force(const struct price_period *periods, unsigned n, int64_t wall_ms)
{
    while (n > 0 && periods[n - 1].from_ms > wall_ms) n--;
    return n > 0 && periods[n - 1].price.known ? &periods[n - 1].price : NULL;
}

const struct price *deployment_price(const struct deployment *d, int64_t wall_ms)
{
    return in_force(d->prices, d->n_prices, wall_ms);
}

const struct model_facts *deployment_facts(const struct deployment *d, struct str asked)
{
    char room[CATALOG_NAME_MAX + 1];
    struct str undated;
    const struct model_facts *f = d->models ? map_find(d->models, asked) : NULL;
    if (!f && d->models && catalog_undate(asked, room, &undated)) f = map_find(d->models, undated);
    return f;
}

/* For limits, not for prices: also the model that the name means in a cloud's spelling. */
static const struct model_facts *find_limits(const struct deployment *d, struct str asked)
{
    char room[CATALOG_NAME_MAX + 1];
    struct str own;
    const struct model_facts *f = deployment_facts(d, asked);
    return !f && d->models && catalog_own_name(asked, room, &own) ? deployment_facts(d, own) : f;
}

const struct price *deployment_price_of(const struct deployment *d, struct str asked, int64_t wall_ms)
{
    const struct model_facts *f = d->n_prices ? NULL : deployment_facts(d, asked);
    return f ? in_force(f->prices, f->n_prices, wall_ms) : deployment_price(d, wall_ms);
}

uint64_t deployment_max_output(const struct deployment *d, struct str asked)
{
    const struct model_facts *f = d->max_output ? NULL : find_limits(d, asked);
    uint64_t most = f ? f->max_output : d->max_output;
    const struct chat_manners *m = most ? NULL : deployment_manners(d, asked);
    return m ? m->max_output : most;
}

uint64_t deployment_context(const struct deployment *d, struct str asked)
{
    const struct model_facts *f = d->context ? NULL : find_limits(d, asked);
    return f ? f->context : d->context;
}

const struct chat_manners *generation_manners(const struct generation *g, struct str model)
{
    for (unsigned i = 0; i < g->n_families; i++)
        for (unsigned k = 0; k < g->families[i].n_match; k++)
            if (catalog_matches(g->families[i].match[k], model)) return &g->families[i].manners;
    return NULL;
}

const struct chat_manners *deployment_manners(const struct deployment *d, struct str asked)
{
    bool any = str_eq(d->model, S("*")) && !d->family.n;
    return any && d->generation ? generation_manners(d->generation, asked) : d->manners;
}
