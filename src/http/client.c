/* The pooled upstream client of one loop: pools by origin, names, free lists, counters.
 * Made by whoever runs a loop and calls out; owns everything below it. */
#include "http/client.h"

#include <stdlib.h>

static const struct http_client_options DEFAULTS = {
    .idle_max_per_origin = 1024,
    .idle_ms = 55 * 1000,
    .head_max = KIB(64),
};

struct http_client *http_client_new(struct loop *l, const struct http_client_options *o)
{
    struct http_client *c = mem_alloc(sizeof *c);
    c->loop = l;
    c->options = o ? *o : DEFAULTS;
    if (!c->options.idle_max_per_origin) c->options.idle_max_per_origin = DEFAULTS.idle_max_per_origin;
    if (!c->options.idle_ms) c->options.idle_ms = DEFAULTS.idle_ms;
    if (!c->options.head_max) c->options.head_max = DEFAULTS.head_max;
    c->account = (struct account){.take = c->options.take_memory, .user = c->options.user};
    c->dns = dns_new(l);
    return c;
}

static void free_lists(struct http_client *c)
{
    for (struct request *r = c->free_requests, *next; r; r = next) {
        next = r->next;
        buf_done(&r->head);
        free(r);
    }
    for (struct http_call *call = c->free_calls, *next; call; call = next) {
        next = call->next;
        free(call);
    }
    for (struct lent_head *h = c->free_heads, *next; h; h = next) {
        next = h->next;
        answer_head_done(&h->head);
        free(h);
    }
}

static struct http_call *call_of(const struct pool *p)
{
    for (const struct lane *lane = p->lanes; lane; lane = lane->next)
        if (lane->call) return lane->call;
    return NULL;
}

void http_client_fail_calls(struct http_client *c)
{
    struct fault why = {0};
    struct http_call *call;
    ignore_err(FAIL(&why, ERR_UPSTREAM_CUT, "Aquifer is ending"));
    for (unsigned i = 0; i < POOL_BUCKETS; i++)
        for (struct pool *p = c->buckets[i]; p; p = p->next)
            while ((call = call_of(p))) call_fail(call, &why);
}

void http_client_free(struct http_client *c)
{
    if (!c) return;
    for (unsigned i = 0; i < POOL_BUCKETS; i++) {
        while (c->buckets[i]) pool_free(c->buckets[i]);
    }
    dns_free(c->dns);
    free_lists(c);
    free(c);
}

const struct http_client_stats *http_client_stats_get(const struct http_client *c) { return &c->stats; }
