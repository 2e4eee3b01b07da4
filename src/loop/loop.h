/* loop: one event loop per thread (epoll, with libuv inside): sockets, timers, deferred work, messages from other threads.
 * Used by every process that waits for anything. A loop and all it owns belong to its thread; only loop_post() and
 * loop_stop() may be called from others. */
#pragma once

#include "base/base.h"

struct loop;
struct uv_loop_s;

struct loop *loop_new(void);
void loop_free(struct loop *l);                /* after loop_run() returned; all watches and timers stopped before */
void loop_run(struct loop *l);                 /* until loop_stop() */
void loop_turn(struct loop *l, bool may_wait); /* one round of loop_run(), for tests */
void loop_stop(struct loop *l);                /* from any thread */
uint64_t loop_now(const struct loop *l);       /* monotonic milliseconds, cached once per turn */
struct uv_loop_s *loop_uv(struct loop *l);     /* for processes and signals only */

/* A buffer to receive into, shared by all of the loop's connections; its bytes are valid until the callback returns. */
#define LOOP_SCRATCH KIB(128)
char *loop_scratch(struct loop *l);

/* ---- file descriptors: readiness --------------------------------------------------------------------------------- */

/* WATCH_GONE: the peer closed its side or the connection broke, whatever is still unread. After an error all are told. */
enum watch_events { WATCH_NONE = 0, WATCH_READ = 1, WATCH_WRITE = 2, WATCH_GONE = 4 };

/* Embedded in its owner, who may be freed right after watch_stop(). */
struct watch {
    struct loop *loop;
    void (*on_ready)(struct watch *w, unsigned events);
    struct watch *ripe_next, **ripe_at; /* the rest is the loop's own */
    int fd;
    unsigned char events, ready;
    bool started, registered, is_edge;
};
/* Told again in each turn as long as it is so. The descriptor becomes non-blocking, as with the next one. */
MUST_USE enum err watch_start(struct loop *l, struct watch *w, int fd, unsigned events,
                              void (*on_ready)(struct watch *, unsigned events));
/* The same for an owner who says with watch_used_up() when the descriptor had nothing more to give or took no more: then
 * changing what is waited for is no system call, and the kernel looks at each readiness once. For stream sockets. */
MUST_USE enum err watch_start_edge(struct loop *l, struct watch *w, int fd, unsigned events,
                                   void (*on_ready)(struct watch *, unsigned events));
/* After EAGAIN, or when less was read or written than was asked for. */
void watch_used_up(struct watch *w, unsigned events);
void watch_set(struct watch *w, unsigned events); /* no-op when unchanged; WATCH_NONE pauses */
void watch_stop(struct watch *w);                 /* does not close the fd; idempotent */

/* ---- timers: embedded, O(log n), cheap to move ------------------------------------------------------------------- */

struct timer {
    uint64_t at;    /* loop_now() milliseconds */
    uint32_t place; /* 1-based place in the loop's heap; 0: not set */
    void (*on_time)(struct timer *t);
};
/* Sets or moves; at least 1 ms ahead. A deadline that moves often is better left in place: compare when it fires and
 * set it again. */
void timer_set(struct loop *l, struct timer *t, uint64_t after_ms, void (*on_time)(struct timer *));
void timer_cancel(struct loop *l, struct timer *t); /* idempotent */
static inline bool timer_is_set(const struct timer *t) { return t->place != 0; }

/* ---- later in this turn: freeing, flushing ----------------------------------------------------------------------- */

/* Runs once, after the callbacks of this turn, so that nobody frees its caller. */
struct defer {
    struct defer *next;
    void (*run)(struct defer *d);
    bool queued;
};
void loop_defer(struct loop *l, struct defer *d, void (*run)(struct defer *)); /* no-op while queued */
void loop_undefer(struct loop *l, struct defer *d);

/* Runs once, when a turn has ended and nothing else is ready, or after LOOP_IDLE_MS in a loop that always has work: for
 * what is the cheaper the more there is of it. loop_undefer() takes it back. */
#define LOOP_IDLE_MS 2
void loop_when_idle(struct loop *l, struct defer *d, void (*run)(struct defer *)); /* no-op while queued */

/* ---- from other threads ------------------------------------------------------------------------------------------ */

struct post {
    struct post *next;
    void (*run)(struct post *p);
};
/* Wakes the loop and runs there, in order. The post belongs to the loop until run() is called. Any thread. */
void loop_post(struct loop *l, struct post *p, void (*run)(struct post *));

/* Blocking work on a small thread pool; `done` runs on the loop. */
struct work {
    void (*work)(struct work *w); /* on a pool thread */
    void (*done)(struct work *w); /* on the loop; w may be freed here */
};
void loop_work(struct loop *l, struct work *w, void (*work)(struct work *), void (*done)(struct work *));
