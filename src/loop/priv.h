/* The inside of a loop, for the files of this room only. */
#pragma once

#include <uv.h>

#include "loop/loop.h"

struct defers {
    struct defer *first, **end; /* end: only while first is not NULL */
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_check_t turn;
    uv_prepare_t prepare;
    uv_timer_t tick;     /* armed for the earliest timer of the heap */
    struct timer **heap; /* [1..n_timers], earliest first */
    uint32_t n_timers, cap_timers;
    uint64_t tick_at; /* when `tick` fires; UINT64_MAX: not armed */
    struct defers turn_end, idle;
    uint64_t idle_since;          /* when the first of `idle` began to wait */
    _Atomic(struct post *) posts; /* newest first */
    atomic_bool stopping;
    char *scratch;
};

void timers_init(struct loop *l);
void timers_done(struct loop *l);
