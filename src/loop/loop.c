/* The loop itself: turn, posts, deferred work, blocking work. Watches are in watch.c, timers in timer.c.
 * One per thread, in every process; owns the uv loop and the shared receive buffer. */
#include "priv.h"

#include <poll.h>
#include <stdlib.h>

static void run_all(struct defers *list)
{
    while (list->first) {
        struct defer *d = list->first;
        list->first = d->next;
        d->queued = false;
        d->run(d);
    }
}

static void on_turn(uv_check_t *check)
{
    struct loop *l = check->data;
    run_all(&l->turn_end);
}

static bool is_idle(const struct loop *l)
{
    struct pollfd ready = {.fd = uv_backend_fd(&l->uv), .events = POLLIN};
    return uv_now(&l->uv) - l->idle_since >= LOOP_IDLE_MS || poll(&ready, 1, 0) == 0;
}

/* Timers may defer too; this hook runs between them and the sleep. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *l = prepare->data;
    run_all(&l->turn_end);
    if (!l->idle.first || !is_idle(l)) return;
    run_all(&l->idle);
    run_all(&l->turn_end);
}

static struct post *in_order(struct post *newest_first)
{
    struct post *oldest_first = NULL;
    while (newest_first) {
        struct post *next = newest_first->next;
        newest_first->next = oldest_first;
        oldest_first = newest_first;
        newest_first = next;
    }
    return oldest_first;
}

static void on_wake(uv_async_t *async)
{
    struct loop *l = async->data;
    struct post *p = in_order(atomic_exchange_explicit(&l->posts, NULL, memory_order_acquire));
    while (p) {
        struct post *next = p->next;
        p->run(p);
        p = next;
    }
    if (atomic_load(&l->stopping)) uv_stop(&l->uv);
}

struct loop *loop_new(void)
{
    struct loop *l = mem_alloc(sizeof *l);
    must(uv_loop_init(&l->uv) == 0);
    must(uv_async_init(&l->uv, &l->wake, on_wake) == 0);
    must(uv_check_init(&l->uv, &l->turn) == 0);
    must(uv_prepare_init(&l->uv, &l->prepare) == 0);
    l->wake.data = l->turn.data = l->prepare.data = l;
    must(uv_check_start(&l->turn, on_turn) == 0);
    must(uv_prepare_start(&l->prepare, on_prepare) == 0);
    timers_init(l);
    l->scratch = mem_alloc(LOOP_SCRATCH);
    return l;
}

static void close_forgotten(uv_handle_t *h, void *unused)
{
    (void)unused;
    if (!uv_is_closing(h)) uv_close(h, NULL);
}

void loop_free(struct loop *l)
{
    if (!l) return;
    run_all(&l->turn_end);
    run_all(&l->idle);
    timers_done(l);
    uv_walk(&l->uv, close_forgotten, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    must(uv_loop_close(&l->uv) == 0);
    free(l->scratch);
    free(l);
}

void loop_run(struct loop *l)
{
    while (!atomic_load(&l->stopping)) uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stopping, true);
    uv_async_send(&l->wake);
}

uint64_t loop_now(const struct loop *l) { return uv_now(&l->uv); }
struct uv_loop_s *loop_uv(struct loop *l) { return &l->uv; }
char *loop_scratch(struct loop *l) { return l->scratch; }

static void append(struct defers *list, struct defer *d, void (*run)(struct defer *))
{
    *d = (struct defer){.run = run, .queued = true};
    struct defer **end = list->first ? list->end : &list->first;
    *end = d;
    list->end = &d->next;
}

static bool removed(struct defers *list, struct defer *d)
{
    struct defer **at = &list->first;
    while (*at && *at != d) at = &(*at)->next;
    if (!*at) return false;
    *at = d->next;
    if (!d->next) list->end = at;
    return true;
}

void loop_defer(struct loop *l, struct defer *d, void (*run)(struct defer *))
{
    if (!d->queued) append(&l->turn_end, d, run);
}

void loop_when_idle(struct loop *l, struct defer *d, void (*run)(struct defer *))
{
    if (d->queued) return;
    if (!l->idle.first) l->idle_since = uv_now(&l->uv);
    append(&l->idle, d, run);
}

void loop_undefer(struct loop *l, struct defer *d)
{
    if (!d->queued) return;
    must(removed(&l->turn_end, d) || removed(&l->idle, d));
    d->queued = false;
}

void loop_post(struct loop *l, struct post *p, void (*run)(struct post *))
{
    p->run = run;
    struct post *head = atomic_load_explicit(&l->posts, memory_order_relaxed);
    do p->next = head;
    while (!atomic_compare_exchange_weak_explicit(&l->posts, &head, p, memory_order_release, memory_order_relaxed));
    if (!head) uv_async_send(&l->wake); /* not empty before: the wake is already on its way */
}

struct pool_request {
    uv_work_t uv;
    struct work *work;
};

static void on_pool(uv_work_t *req)
{
    struct work *w = CONTAINER_OF(req, struct pool_request, uv)->work;
    w->work(w);
}

static void on_pool_done(uv_work_t *req, int status)
{
    (void)status; /* never cancelled */
    struct pool_request *r = CONTAINER_OF(req, struct pool_request, uv);
    struct work *w = r->work;
    free(r);
    w->done(w);
}

void loop_work(struct loop *l, struct work *w, void (*work)(struct work *), void (*done)(struct work *))
{
    struct pool_request *r = mem_alloc(sizeof *r);
    *w = (struct work){.work = work, .done = done};
    r->work = w;
    must(uv_queue_work(&l->uv, &r->uv, on_pool, on_pool_done) == 0);
}
