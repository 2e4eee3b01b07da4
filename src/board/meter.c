/* Settled money of one key: two windows that alternate, entered without a lock by every loop and by control.
 * Called by budget (each settled attempt) and by ledger (seeding, interrupted attempts). Owns nothing: the meters stand
 * on the board, so any user may be killed between any two of these instructions. */
#include "board/board.h"

#include <sched.h>

enum { PATIENCE = 200 }; /* turns to wait for the one who cleans a window; then it may be dead and we finish for it */

static struct money_window *window_of(struct money_window w[2], int32_t period) { return &w[period & 1]; }

/* Sets the window to zero for the tag that `busy` announces. Several may do it at once: money of the new period is added
 * only after the tag is final, and the tag was still busy after `old` was read, so `old` is the former period's sum. */
static void window_clean(struct money_window *w, uint64_t busy)
{
    for (;;) {
        int64_t old = atomic_load(&w->spent);
        if (atomic_load(&w->tag) != busy) return;
        if (atomic_compare_exchange_strong(&w->spent, &old, 0)) break;
    }
    atomic_compare_exchange_strong(&w->tag, &busy, busy & ~MONEY_WINDOW_BUSY);
}

static void window_await(struct money_window *w, uint64_t busy)
{
    for (int i = 0; i < PATIENCE; i++) {
        if (atomic_load(&w->tag) != busy) return;
        sched_yield();
    }
    window_clean(w, busy);
}

/* Makes the window belong to `period`. False: it holds another one that is not to be replaced. A tag that is ahead of a
 * current period means that the clock was set back: the clock decides. */
static bool window_enter(struct money_window *w, uint64_t period, uint64_t now)
{
    for (;;) {
        uint64_t tag = atomic_load_explicit(&w->tag, memory_order_acquire);
        if (LIKELY(tag == period)) return true;
        if (tag & MONEY_WINDOW_BUSY) {
            window_await(w, tag);
            continue;
        }
        if (period + 1 < now) return false;
        if (atomic_compare_exchange_strong(&w->tag, &tag, period | MONEY_WINDOW_BUSY))
            window_clean(w, period | MONEY_WINDOW_BUSY);
    }
}

static void window_add(struct money_window *w, int64_t pico)
{
    int64_t old = atomic_load_explicit(&w->spent, memory_order_relaxed), sum;
    do {
        if (__builtin_add_overflow(old, pico, &sum)) sum = pico < 0 ? INT64_MIN : INT64_MAX;
    } while (!atomic_compare_exchange_weak_explicit(&w->spent, &old, sum, memory_order_acq_rel, memory_order_relaxed));
}

/* The clock is read only where a window changes hands. */
void meter_add_spent(struct key_meter *m, int32_t day, int32_t month, int64_t pico)
{
    struct money_window *of_day = window_of(m->day, day), *of_month = window_of(m->month, month);
    bool same_day = atomic_load_explicit(&of_day->tag, memory_order_acquire) == (uint64_t)day;
    bool same_month = atomic_load_explicit(&of_month->tag, memory_order_acquire) == (uint64_t)month;
    int64_t now = same_day && same_month ? 0 : clock_wall_ms();
    if (same_day || window_enter(of_day, (uint64_t)day, (uint64_t)clock_day(now))) window_add(of_day, pico);
    if (same_month || window_enter(of_month, (uint64_t)month, (uint64_t)clock_month(now))) window_add(of_month, pico);
}

/* A window that is being cleaned, or belongs to another period, has nothing of this one. */
static int64_t window_spent(struct money_window w[2], int32_t period)
{
    struct money_window *of = window_of(w, period);
    if (atomic_load(&of->tag) != (uint64_t)period) return 0;
    return atomic_load(&of->spent);
}

int64_t meter_spent_day(struct key_meter *m, int32_t day) { return window_spent(m->day, day); }

int64_t meter_spent_month(struct key_meter *m, int32_t month) { return window_spent(m->month, month); }

static void window_seed(struct money_window w[2], int32_t period, int64_t pico)
{
    struct money_window *of = window_of(w, period);
    atomic_store(&of->spent, pico);
    atomic_store(&of->tag, (uint64_t)period);
}

void meter_seed_spent(struct key_meter *m, int32_t day, int64_t day_pico, int32_t month, int64_t month_pico)
{
    window_seed(m->day, day, day_pico);
    window_seed(m->month, month, month_pico);
}

void meter_correct_spent(struct key_meter *m, int32_t day, int64_t day_pico, int32_t month, int64_t month_pico)
{
    struct money_window *of_day = window_of(m->day, day), *of_month = window_of(m->month, month);
    int64_t now = clock_wall_ms();
    if (window_enter(of_day, (uint64_t)day, (uint64_t)clock_day(now))) window_add(of_day, day_pico);
    if (window_enter(of_month, (uint64_t)month, (uint64_t)clock_month(now))) window_add(of_month, month_pico);
}

void meter_forget(struct board *b, unsigned gateway)
{
    uint32_t places = atomic_load(&b->key_places);
    for (struct key_meter *m = b->keys; m < b->keys + places; m++) {
        atomic_store(&m->reserved[gateway], 0);
        atomic_store(&m->running[gateway], 0);
    }
}
