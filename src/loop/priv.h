/* The inside of a loop, for the files of this room only. */
#pragma once

#include <sys/epoll.h>
#include <uv.h>

#include "loop/loop.h"

enum { LOOP_BATCH = 256 }; /* events taken from the kernel at once */

struct defers {
    struct defer *first, **end; /* end: only while first is not NULL */
};

struct loop {
    int epoll; /* all watches: the owners', the bell's, libuv's own descriptor */
    int rings; /* an eventfd: something was posted, or the loop shall stop */
    struct watch bell, inner;
    struct epoll_event events[LOOP_BATCH];
    int at_event, n_events; /* of this turn: which is told, how many there are */
    struct watch *ripe;     /* edge watches with something left that their owner waits for */
    uint64_t now;
    uv_loop_t uv;        /* signals and blocking work, nothing else */
    bool uv_asked;       /* something may have begun in it that its descriptor does not tell yet */
    struct timer **heap; /* [1..n_timers], earliest first */
    uint32_t n_timers, cap_timers;
    struct defers turn_end, idle;
    uint64_t idle_since;          /* when the first of `idle` began to wait */
    _Atomic(struct post *) posts; /* newest first */
    atomic_bool stopping;
    char *scratch;
};

/* timer.c: runs what is due; then how long until the next (-1: there is none). */
void timers_run(struct loop *l);
int timers_wait_ms(const struct loop *l);
/* watch.c: tells what came with the events of this turn, and what was left over of earlier ones. */
void watches_tell(struct loop *l);
