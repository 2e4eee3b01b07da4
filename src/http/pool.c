/* The connections of one loop to one origin: the newest idle one is taken first, so that surplus ones grow old and are
 * closed. Found by the origin's key, so that a reload keeps them. Used by call.c and lane.c; owns the connections. */
#include <stdlib.h>

#include "http/client.h"

#define WARM_TRIES 3               /* connections opened ahead in a row, without a call between them */
#define FORGET_MS (10 * 60 * 1000) /* a pool without connections or calls for so long is dropped */

static struct pool **bucket_of(struct http_client *c, uint64_t hash) { return &c->buckets[hash % POOL_BUCKETS]; }

void pool_free(struct pool *p)
{
    struct pool **at = bucket_of(p->client, p->origin->hash);
    must(!p->waiting);
    while (p->lanes) lane_close(p->lanes);
    while (*at != p) at = &(*at)->next;
    *at = p->next;
    p->client->n_pools--;
    http_origin_unref(p->origin);
    free(p);
}

/* Configurations change: the pools of origins that are no more are dropped when a new one is made. */
static void drop_unused(struct http_client *c)
{
    uint64_t now = loop_now(c->loop);
    for (unsigned i = 0; i < POOL_BUCKETS; i++) {
        for (struct pool *p = c->buckets[i], *next; p; p = next) {
            next = p->next;
            if (p->n_lanes == 0 && !p->waiting && now - p->used_at > FORGET_MS) pool_free(p);
        }
    }
}

static struct pool *new_pool(struct http_client *c, struct http_origin *o)
{
    drop_unused(c);
    struct pool **bucket = bucket_of(c, o->hash);
    struct pool *p = mem_alloc(sizeof *p);
    *p = (struct pool){.next = *bucket, .client = c, .origin = o};
    p->waiting_end = &p->waiting;
    http_origin_ref(o);
    *bucket = p;
    c->n_pools++;
    return p;
}

struct pool *pool_get(struct http_client *c, struct http_origin *o)
{
    struct pool *p = *bucket_of(c, o->hash);
    while (p && p->origin != o && !str_eq(p->origin->key, o->key)) p = p->next;
    if (!p) p = new_pool(c, o);
    p->used_at = loop_now(c->loop);
    p->warm_left = WARM_TRIES;
    return p;
}

static void link_into(struct lane **list, struct lane *lane)
{
    lane->idle_next = *list;
    lane->idle_at = list;
    if (lane->idle_next) lane->idle_next->idle_at = &lane->idle_next;
    *list = lane;
}

void pool_unidle(struct lane *lane)
{
    if (!lane->idle_at) return;
    *lane->idle_at = lane->idle_next;
    if (lane->idle_next) lane->idle_next->idle_at = lane->idle_at;
    lane->idle_at = NULL;
    if (!lane->is_open) return;
    lane->pool->n_idle--;
    gauge(&lane->pool->client->stats.idle, -1);
}

struct lane *pool_take_idle(struct pool *p)
{
    struct lane *lane = p->idle;
    if (lane) pool_unidle(lane);
    return lane;
}

struct lane *pool_take_orphan(struct pool *p)
{
    struct lane *lane = p->orphans;
    if (lane) pool_unidle(lane);
    return lane;
}

void pool_wait(struct pool *p, struct http_call *call)
{
    call->is_waiting = true;
    call->next = NULL;
    *p->waiting_end = call;
    p->waiting_end = &call->next;
}

void pool_unwait(struct pool *p, struct http_call *call)
{
    if (!call->is_waiting) return;
    struct http_call **at = &p->waiting;
    while (*at != call) at = &(*at)->next;
    *at = call->next;
    if (!call->next) p->waiting_end = at;
    call->is_waiting = false;
}

/* A call that waited for a connection of its own gets this one; the one being dialled is for the next call, or will be
 * idle. A retried call wants a fresh one, though. */
static struct http_call *take_waiting(struct pool *p)
{
    struct http_call *call = p->waiting;
    while (call && call->was_retried) call = call->next;
    if (call) {
        pool_unwait(p, call);
        call->lane->call = NULL;
        link_into(&p->orphans, call->lane);
        lane_arm(call->lane); /* it has a deadline of its own now */
    }
    return call;
}

void pool_put(struct pool *p, struct lane *lane)
{
    struct http_call *call = take_waiting(p);
    if (call) {
        if (lane->is_kept) count(&p->client->stats.reused);
        lane_assign(lane, call);
        return;
    }
    if (p->n_idle >= p->client->options.idle_max_per_origin) {
        lane_close(lane);
        return;
    }
    lane->is_kept = true;
    lane->since = loop_now(p->client->loop);
    link_into(&p->idle, lane);
    p->n_idle++;
    gauge(&p->client->stats.idle, 1);
    link_read(&lane->link, true);
    lane_arm(lane);
}

void pool_keep_warm(struct pool *p)
{
    if (p->n_lanes > 0 || p->warm_left == 0) return;
    p->warm_left--;
    lane_dial(p, NULL);
}
