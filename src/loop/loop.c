/* The loop itself: turn, posts, deferred work, blocking work. Watches are in watch.c, timers in timer.c. libuv's loop turns
 * inside ours, when its descriptor says so: for signals and its thread pool.
 * One per thread, in every process; owns the epoll, the uv loop and the shared receive buffer. */
#include "priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void run_all(struct defers *list)
{
    while (list->first) {
        struct defer *d = list->first;
        list->first = d->next;
        d->queued = false;
        d->run(d);
    }
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

static void on_rings(struct watch *w, unsigned events)
{
    (void)events;
    struct loop *l = CONTAINER_OF(w, struct loop, bell);
    uint64_t times;
    ignore_err(read(l->rings, &times, sizeof times) < 0 ? ERR_IO : OK); /* before the list is taken: none goes unheard */
    struct post *p = in_order(atomic_exchange_explicit(&l->posts, NULL, memory_order_acquire));
    while (p) {
        struct post *next = p->next;
        p->run(p);
        p = next;
    }
}

static void ring(struct loop *l)
{
    static const uint64_t once = 1;
    ssize_t n;
    do n = write(l->rings, &once, sizeof once);
    while (n < 0 && errno == EINTR); /* EAGAIN: it has rung 2^64 - 1 times, and will be heard */
}

static void run_inner(struct loop *l)
{
    l->uv_asked = false;
    uv_run(&l->uv, UV_RUN_NOWAIT);
}

static void on_inner(struct watch *w, unsigned events)
{
    (void)events;
    run_inner(CONTAINER_OF(w, struct loop, inner));
}

static void read_clock(struct loop *l) { l->now = clock_mono_ns() / 1000000; }

struct loop *loop_new(void)
{
    struct loop *l = mem_alloc(sizeof *l);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->rings = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(l->epoll >= 0 && l->rings >= 0 && uv_loop_init(&l->uv) == 0);
    must(watch_start(l, &l->bell, l->rings, WATCH_READ, on_rings) == OK);
    must(watch_start(l, &l->inner, uv_backend_fd(&l->uv), WATCH_READ, on_inner) == OK);
    l->scratch = mem_alloc(LOOP_SCRATCH);
    read_clock(l);
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
    uv_walk(&l->uv, close_forgotten, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    watch_stop(&l->inner);
    watch_stop(&l->bell);
    must(uv_loop_close(&l->uv) == 0);
    close(l->rings);
    close(l->epoll);
    free(l->heap);
    free(l->scratch);
    free(l);
}

static int wait_ms(const struct loop *l, bool may_wait)
{
    bool is_busy = l->turn_end.first || l->idle.first || l->ripe || atomic_load(&l->stopping);
    return !may_wait || is_busy ? 0 : timers_wait_ms(l);
}

/* Only a turn in which nothing was ready is an idle one; in a loop that always has work it comes late. */
static void run_idle(struct loop *l, bool was_busy)
{
    if (!l->idle.first || (was_busy && l->now - l->idle_since < LOOP_IDLE_MS)) return;
    run_all(&l->idle);
    run_all(&l->turn_end);
}

void loop_turn(struct loop *l, bool may_wait)
{
    if (l->uv_asked) run_inner(l);
    int n = epoll_wait(l->epoll, l->events, LOOP_BATCH, wait_ms(l, may_wait));
    bool was_busy = n > 0 || l->ripe;
    l->n_events = n > 0 ? n : 0; /* EINTR: the next turn waits again */
    read_clock(l);
    watches_tell(l);
    run_all(&l->turn_end);
    read_clock(l);
    timers_run(l);
    run_all(&l->turn_end); /* timers may defer, too */
    run_idle(l, was_busy);
}

void loop_run(struct loop *l)
{
    while (!atomic_load(&l->stopping)) loop_turn(l, true);
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stopping, true);
    ring(l);
}

uint64_t loop_now(const struct loop *l) { return l->now; }

struct uv_loop_s *loop_uv(struct loop *l)
{
    l->uv_asked = true;
    return &l->uv;
}

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
    if (!l->idle.first) l->idle_since = l->now;
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
    if (!head) ring(l); /* not empty before: it has rung already */
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
    must(uv_queue_work(loop_uv(l), &r->uv, on_pool, on_pool_done) == 0);
}
