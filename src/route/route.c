/* See route.h. The registry of states is the only thing here with a lock, and only the loader takes it. */
#include "route/route.h"

#include <pthread.h>

#define BACKOFF_MS 1000u
#define BACKOFF_MAX_MS 60000u
#define ASKED_MAX_MS 600000u

/* One word, so that who ends a rest ends the one he looked at. */
enum { SPAN_BITS = 20, SPAN_MAX = (1 << SPAN_BITS) - 1 };
_Static_assert(ASKED_MAX_MS <= SPAN_MAX, "the longest rest has room");

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct map registry; /* identity → state; both live as long as the process, bounded by the configurations seen */

static struct deployment_state *state_of(struct str identity)
{
    struct deployment_state *s = map_find(&registry, identity);
    if (s) return s;
    s = mem_alloc(sizeof *s);
    must(map_add(&registry, str_z(str_dup_z(identity)), s));
    return s;
}

static bool speaks(const struct deployment *d, uint32_t formats)
{
    for (unsigned i = 0; i < d->formats.n; i++)
        if (formats >> d->formats.at[i] & 1) return true;
    return false;
}

static void bind(const struct route *r, struct deployment *d, struct board *b)
{
    struct buf identity;
    buf_init(&identity, KIB(1));
    /* A unit separator stands in no name. */
    buf_fmt(&identity, "%.*s\x1f%.*s\x1f%.*s\x1f%.*s", STR_ARG(d->provider->name), STR_ARG(d->model), STR_ARG(d->region),
            STR_ARG(d->tier));
    d->state = state_of(buf_view(&identity));
    d->identity = (uint64_t)crc32c(1, identity.p, identity.n) << 32 | crc32c(2, identity.p, identity.n);
    buf_done(&identity);
    for (unsigned f = 0; f < WIRE_FORMATS; f++)
        if (speaks(d, wire_reach((enum wire_format)f, WIRE_GENERATE)))
            d->rows[f] = board_row_get(b, r->name, d->provider->name, d->model, str_z(wire_format_name((enum wire_format)f)));
}

void route_bind(struct generation *g, struct board *b)
{
    pthread_mutex_lock(&registry_lock);
    if (!registry.n_slots) map_init(&registry);
    for (unsigned i = 0; i < g->n_routes; i++)
        for (unsigned k = 0; k < g->routes[i].n_deployments; k++) bind(&g->routes[i], &g->routes[i].deployments[k], b);
    for (unsigned i = 0; i < g->n_kept; i++) bind(&g->kept[i], &g->kept[i].deployments[0], b);
    pthread_mutex_unlock(&registry_lock);
}

bool route_speaks(const struct route *r, uint32_t formats)
{
    for (unsigned i = 0; i < r->n_deployments; i++)
        if (speaks(&r->deployments[i], formats)) return true;
    return false;
}

static int64_t rest_until(uint64_t rest) { return (int64_t)(rest >> SPAN_BITS); }
static int64_t rest_told(uint64_t rest) { return rest_until(rest) - (int64_t)(rest & SPAN_MAX); }

int64_t route_rest_ms(const struct deployment *d, int64_t now_ms)
{
    int64_t until = rest_until(atomic_load_explicit(&d->state->rest, memory_order_relaxed));
    return until > now_ms ? until - now_ms : 0;
}

const struct deployment *route_choose(const struct route *r, uint32_t formats, struct route_walk *w, int64_t now_ms)
{
    unsigned chosen = r->n_deployments;
    int64_t shortest = INT64_MAX;
    for (unsigned i = 0; i < r->n_deployments && i < ROUTE_DEPLOYMENTS_MAX; i++) {
        const struct deployment *d = &r->deployments[i];
        if (w->tried >> i & 1 || !speaks(d, formats)) continue;
        int64_t rest = route_rest_ms(d, now_ms);
        if (rest >= shortest) continue;
        shortest = rest;
        chosen = i;
        if (rest == 0) break;
    }
    if (chosen == r->n_deployments || (shortest > 0 && w->attempts > 0)) return NULL;
    w->tried |= 1ull << chosen;
    w->attempts++;
    return &r->deployments[chosen];
}

bool route_has_more(const struct route *r, uint32_t formats, const struct route_walk *w, int64_t now_ms)
{
    struct route_walk trial = *w;
    return route_choose(r, formats, &trial, now_ms) != NULL;
}

void route_succeeded(const struct deployment *d, int64_t began_ms)
{
    struct deployment_state *s = d->state;
    if (atomic_load_explicit(&s->failures, memory_order_relaxed) == 0) return; /* do not dirty the line for nothing */
    uint64_t rest = atomic_load(&s->rest);
    if (rest && began_ms <= rest_told(rest)) return;
    if (!atomic_compare_exchange_strong(&s->rest, &rest, 0)) return; /* somebody failed meanwhile */
    atomic_store(&s->failures, 0);
}

static uint64_t backoff_ms(uint32_t failures)
{
    uint64_t ms = failures > 6 ? BACKOFF_MAX_MS : (uint64_t)BACKOFF_MS << (failures ? failures - 1 : 0);
    if (ms > BACKOFF_MAX_MS) ms = BACKOFF_MAX_MS;
    return ms - random_u64() % (ms / 2 + 1);
}

void route_rest(const struct deployment *d, uint64_t ms, int64_t now_ms)
{
    struct deployment_state *s = d->state;
    uint64_t old = atomic_load(&s->rest), rest;
    if (ms > ASKED_MAX_MS) ms = ASKED_MAX_MS;
    do {
        int64_t until = now_ms + (int64_t)ms, span;
        if (rest_until(old) > until) until = rest_until(old);
        span = until - now_ms < SPAN_MAX ? until - now_ms : SPAN_MAX; /* more: the clock was put back */
        rest = (uint64_t)until << SPAN_BITS | (uint64_t)span;
    } while (!atomic_compare_exchange_weak(&s->rest, &old, rest));
}

void route_failed(const struct deployment *d, uint64_t retry_after_ms, int64_t now_ms)
{
    uint32_t failures = atomic_fetch_add(&d->state->failures, 1) + 1;
    route_rest(d, retry_after_ms ? retry_after_ms : backoff_ms(failures), now_ms);
}
