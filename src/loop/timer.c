/* Timers: a binary heap of embedded structs above one uv timer, so that setting and cancelling touch no libuv handle.
 * Part of the loop; owns nothing but the heap. */
#include "priv.h"

#include <stdlib.h>

static void put(struct loop *l, uint32_t place, struct timer *t)
{
    l->heap[place] = t;
    t->place = place;
}

static void sift_up(struct loop *l, uint32_t place, struct timer *t)
{
    while (place > 1 && l->heap[place / 2]->at > t->at) {
        put(l, place, l->heap[place / 2]);
        place /= 2;
    }
    put(l, place, t);
}

static void sift_down(struct loop *l, uint32_t place, struct timer *t)
{
    for (;;) {
        uint32_t child = place * 2;
        if (child > l->n_timers) break;
        if (child < l->n_timers && l->heap[child + 1]->at < l->heap[child]->at) child++;
        if (l->heap[child]->at >= t->at) break;
        put(l, place, l->heap[child]);
        place = child;
    }
    put(l, place, t);
}

static void on_tick(uv_timer_t *tick);

static void arm(struct loop *l)
{
    uint64_t at = l->n_timers ? l->heap[1]->at : UINT64_MAX;
    if (at >= l->tick_at) return; /* an early tick only looks and arms again */
    uint64_t now = uv_now(&l->uv);
    l->tick_at = at;
    uv_timer_start(&l->tick, on_tick, at > now ? at - now : 0, 0);
}

static void on_tick(uv_timer_t *tick)
{
    struct loop *l = tick->data;
    l->tick_at = UINT64_MAX;
    while (l->n_timers && l->heap[1]->at <= uv_now(&l->uv)) {
        struct timer *t = l->heap[1];
        timer_cancel(l, t);
        t->on_time(t);
    }
    arm(l);
}

void timers_init(struct loop *l)
{
    must(uv_timer_init(&l->uv, &l->tick) == 0);
    l->tick.data = l;
    l->tick_at = UINT64_MAX;
}

void timers_done(struct loop *l)
{
    uv_close((uv_handle_t *)&l->tick, NULL);
    free(l->heap);
    l->heap = NULL;
}

void timer_set(struct loop *l, struct timer *t, uint64_t after_ms, void (*on_time)(struct timer *))
{
    timer_cancel(l, t);
    if (l->n_timers + 2 > l->cap_timers) {
        l->cap_timers = l->cap_timers ? l->cap_timers * 2 : 64;
        l->heap = mem_resize(l->heap, l->cap_timers * sizeof(struct timer *));
    }
    t->at = uv_now(&l->uv) + (after_ms ? after_ms : 1); /* 0 could keep on_tick() in its loop for ever */
    t->on_time = on_time;
    sift_up(l, ++l->n_timers, t);
    arm(l);
}

void timer_cancel(struct loop *l, struct timer *t)
{
    uint32_t place = t->place;
    if (!place) return;
    t->place = 0;
    struct timer *last = l->heap[l->n_timers--];
    if (last == t) return;
    if (place > 1 && l->heap[place / 2]->at > last->at) sift_up(l, place, last);
    else sift_down(l, place, last);
}
