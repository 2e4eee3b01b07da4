/* Timers: a binary heap of embedded structs; the loop waits no longer than for its first. Part of the loop; owns nothing
 * but the heap. */
#include "priv.h"

#include <limits.h>

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

void timers_run(struct loop *l)
{
    while (l->n_timers && l->heap[1]->at <= l->now) {
        struct timer *t = l->heap[1];
        timer_cancel(l, t);
        t->on_time(t);
    }
}

int timers_wait_ms(const struct loop *l)
{
    if (!l->n_timers) return -1;
    uint64_t at = l->heap[1]->at;
    return at <= l->now ? 0 : at - l->now < INT_MAX ? (int)(at - l->now) : INT_MAX;
}

void timer_set(struct loop *l, struct timer *t, uint64_t after_ms, void (*on_time)(struct timer *))
{
    timer_cancel(l, t);
    if (l->n_timers + 2 > l->cap_timers) {
        l->cap_timers = l->cap_timers ? l->cap_timers * 2 : 64;
        l->heap = mem_resize(l->heap, l->cap_timers * sizeof(struct timer *));
    }
    t->at = l->now + (after_ms ? after_ms : 1); /* 0 could keep timers_run() in its loop for ever */
    t->on_time = on_time;
    sift_up(l, ++l->n_timers, t);
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
