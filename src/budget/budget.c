/* Reserving and settling. Each counter is moved by compare-and-swap from a value that was within its limit to one that
 * still is; a later counter's refusal gives the earlier ones back. */
#include "budget/budget.h"

#define TICKS_PER_MINUTE 600u /* windows are counted in 100 ms */

static uint32_t window_start(uint64_t packed) { return (uint32_t)(packed >> 32); }
static uint32_t window_count(uint64_t packed) { return (uint32_t)packed; }
static uint64_t window_pack(uint32_t start, uint32_t count) { return (uint64_t)start << 32 | count; }
static uint32_t ticks_of(int64_t wall_ms) { return (uint32_t)(wall_ms / 100); } /* wraps in 13 years; differences hold */

/* A window opens with its first request and lasts a minute. One that lies a little ahead was opened by another loop, which
 * read the clock later; one further ahead means that the clock was set back: the clock decides. */
static bool is_over(uint64_t packed, uint32_t now)
{
    uint32_t age = now - window_start(packed);
    return age >= TICKS_PER_MINUTE && age <= UINT32_MAX - TICKS_PER_MINUTE;
}

/* Takes n of a minute's `limit`. False: *ret_wait_s until the window ends. A single wish above the whole limit is let
 * through alone in a fresh window: else it could never be served. */
static bool window_take(_Atomic uint64_t *window, uint64_t n, uint64_t limit, uint32_t now, uint32_t *ret_start,
                        uint32_t *ret_wait_s)
{
    if (limit > UINT32_MAX) limit = UINT32_MAX;
    if (n > limit) n = limit;
    uint64_t seen = atomic_load(window), next;
    do {
        bool fresh = is_over(seen, now);
        uint32_t start = fresh ? now : window_start(seen);
        uint64_t used = fresh ? 0 : window_count(seen);
        if (used + n > limit) {
            uint32_t left = start + TICKS_PER_MINUTE - now;
            *ret_wait_s = (left + 9) / 10;
            return false;
        }
        *ret_start = start;
        next = window_pack(start, (uint32_t)(used + n));
    } while (!atomic_compare_exchange_weak(window, &seen, next));
    return true;
}

/* Corrects what was taken to what was used, in the same window only; what an over-long answer used beyond stays counted. */
static void window_correct(_Atomic uint64_t *window, uint32_t start, uint64_t taken, uint64_t used)
{
    uint64_t seen = atomic_load(window), next;
    do {
        if (window_start(seen) != start) return;
        uint64_t count = window_count(seen);
        count = count > taken ? count - taken + used : used;
        if (count > UINT32_MAX) count = UINT32_MAX;
        next = window_pack(start, (uint32_t)count);
    } while (!atomic_compare_exchange_weak(window, &seen, next));
}

static int64_t others_running(struct key_meter *m, unsigned mine)
{
    int64_t sum = 0;
    for (unsigned g = 0; g < BOARD_GATEWAYS; g++)
        if (g != mine) sum += atomic_load(&m->running[g]);
    return sum;
}

/* Two gateways (one draining) count apart; after adding we look again, so that together they never exceed. */
static bool take_run(struct key_meter *m, unsigned g, uint32_t limit)
{
    int32_t seen = atomic_load(&m->running[g]);
    do {
        if (limit && seen + others_running(m, g) >= limit) return false;
    } while (!atomic_compare_exchange_weak(&m->running[g], &seen, seen + 1));
    if (!limit || atomic_load(&m->running[g]) + others_running(m, g) <= limit) return true;
    atomic_fetch_sub(&m->running[g], 1);
    return false;
}

static int64_t others_reserved(struct key_meter *m, unsigned mine)
{
    int64_t sum = 0;
    for (unsigned g = 0; g < BOARD_GATEWAYS; g++)
        if (g != mine) sum += atomic_load(&m->reserved[g]);
    return sum;
}

static int64_t add_capped(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* The spent money is entered first (journal_settle) and the reservation freed after; reading goes the other way round, so that
 * money on its way between the two is seen at least once. */
static enum err check_caps(struct key_meter *m, const struct key_limits *limits, int64_t held, int64_t wish, int64_t now_ms)
{
    int64_t need = add_capped(held, wish);
    if (limits->spend_day >= 0 && add_capped(meter_spent_day(m, clock_day(now_ms)), need) > limits->spend_day)
        return ERR_SPEND_DAY;
    if (limits->spend_month >= 0 && add_capped(meter_spent_month(m, clock_month(now_ms)), need) > limits->spend_month)
        return ERR_SPEND_MONTH;
    return OK;
}

/* `whole`: what the exchange wishes, with what it holds already. What would fit once the others are done is worth waiting for. */
static enum err why_not(struct key_meter *m, const struct key_limits *limits, int64_t whole, int64_t now_ms, enum err e)
{
    return check_caps(m, limits, 0, whole, now_ms) == OK ? ERR_SPEND_RESERVED : e;
}

static enum err take_money(struct key_meter *m, unsigned g, const struct key_limits *limits, int64_t wish, int64_t now_ms)
{
    int64_t seen = atomic_load(&m->reserved[g]);
    do {
        enum err e = check_caps(m, limits, add_capped(seen, others_reserved(m, g)), wish, now_ms);
        if (e != OK) return e;
    } while (!atomic_compare_exchange_weak(&m->reserved[g], &seen, add_capped(seen, wish)));
    enum err e = check_caps(m, limits, add_capped(atomic_load(&m->reserved[g]), others_reserved(m, g)), 0, now_ms);
    if (e != OK) atomic_fetch_sub(&m->reserved[g], wish);
    return e;
}

static enum err refuse_rate(enum err code, uint32_t wait_s, uint64_t limit, const char *what, struct fault *why)
{
    FAIL(why, code, "this key may use %llu %s; try again in %u s", (unsigned long long)limit, what, wait_s);
    if (why) why->retry_after_s = wait_s ? wait_s : 1;
    return code;
}

static void money_text(int64_t pico, char out[40])
{
    struct buf b;
    buf_init(&b, 64);
    money_write(&b, pico);
    struct str s = buf_view(&b);
    size_t n = s.n < 39 ? s.n : 39;
    memcpy(out, s.p, n);
    out[n] = '\0';
    buf_done(&b);
}

static enum err refuse_reserved(struct fault *why)
{
    enum { WAIT_S = 2 };
    FAIL(why, ERR_SPEND_RESERVED,
         "requests of this key that are under way have reserved what is left of its spend cap; try again when one of them is "
         "done, or lower max_tokens");
    if (why) why->retry_after_s = WAIT_S;
    return ERR_SPEND_RESERVED;
}

static enum err refuse_money(enum err code, const struct key_limits *limits, struct fault *why)
{
    char cap[40];
    if (code == ERR_SPEND_RESERVED) return refuse_reserved(why);
    bool day = code == ERR_SPEND_DAY;
    money_text(day ? limits->spend_day : limits->spend_month, cap);
    return FAIL(why, code,
                "this key's spend cap of %s dollars a %s (UTC) leaves no room for this request; lower max_tokens, wait for "
                "the next %s, or have the cap raised",
                cap, day ? "day" : "month", day ? "day" : "month");
}

enum err budget_reserve(struct key_meter *m, unsigned gateway, const struct key_limits *limits, const struct budget_wish *wish,
                        struct budget_hold *ret_hold, struct fault *why)
{
    struct budget_hold h = {.meter = m, .gateway = gateway};
    uint32_t now = ticks_of(wish->now_ms), wait = 0;
    enum err e = OK;
    *ret_hold = (struct budget_hold){0};

    h.runs = take_run(m, gateway, limits->concurrency);
    if (!h.runs) return refuse_rate(ERR_CONCURRENCY, 1, limits->concurrency, "requests at the same time", why);
    if (limits->requests_per_minute) {
        h.requests_taken = window_take(&m->requests_window, 1, limits->requests_per_minute, now, &h.requests_start, &wait);
        if (!h.requests_taken) e = refuse_rate(ERR_RATE_REQUESTS, wait, limits->requests_per_minute, "requests a minute", why);
    }
    if (e == OK && limits->tokens_per_minute) {
        if (window_take(&m->tokens_window, wish->tokens, limits->tokens_per_minute, now, &h.tokens_start, &wait))
            h.tokens = wish->tokens < limits->tokens_per_minute ? wish->tokens : limits->tokens_per_minute;
        else e = refuse_rate(ERR_RATE_TOKENS, wait, limits->tokens_per_minute, "tokens a minute", why);
    }
    if (e == OK && (limits->spend_day >= 0 || limits->spend_month >= 0)) {
        e = take_money(m, gateway, limits, wish->pico, wish->now_ms);
        if (e == OK) h.pico = wish->pico;
        else e = refuse_money(why_not(m, limits, wish->pico, wish->now_ms, e), limits, why);
    }
    if (e == OK) *ret_hold = h;
    else budget_undo(&h);
    return e;
}

/* What was taken in a window that is over counts no more: then the whole wish is the present one's. */
static enum err widen_tokens(struct budget_hold *h, uint64_t limit, const struct budget_wish *wish, struct fault *why)
{
    uint32_t start, wait = 0;
    uint64_t whole = wish->tokens < limit ? wish->tokens : limit, seen = atomic_load(&h->meter->tokens_window);
    uint64_t held = window_start(seen) == h->tokens_start && !is_over(seen, ticks_of(wish->now_ms)) ? h->tokens : 0;
    if (whole <= held) return OK;
    if (!window_take(&h->meter->tokens_window, whole - held, limit, ticks_of(wish->now_ms), &start, &wait))
        return refuse_rate(ERR_RATE_TOKENS, wait, limit, "tokens a minute", why);
    h->tokens = start == h->tokens_start ? whole : whole - held;
    h->tokens_start = start;
    return OK;
}

static enum err widen_money(struct budget_hold *h, const struct key_limits *limits, const struct budget_wish *wish,
                            struct fault *why)
{
    int64_t more = wish->pico - h->pico;
    if (more <= 0) {
        atomic_fetch_add(&h->meter->reserved[h->gateway], more);
        h->pico = wish->pico;
        return OK;
    }
    enum err e = take_money(h->meter, h->gateway, limits, more, wish->now_ms);
    if (e != OK) return refuse_money(why_not(h->meter, limits, wish->pico, wish->now_ms, e), limits, why);
    h->pico = wish->pico;
    return OK;
}

enum err budget_widen(struct budget_hold *h, const struct key_limits *limits, const struct budget_wish *wish, struct fault *why)
{
    int64_t pico = h->pico;
    if (limits->spend_day >= 0 || limits->spend_month >= 0) TRY(widen_money(h, limits, wish, why));
    enum err e = limits->tokens_per_minute ? widen_tokens(h, limits->tokens_per_minute, wish, why) : OK;
    if (e == OK || pico >= h->pico) return e;
    atomic_fetch_sub(&h->meter->reserved[h->gateway], h->pico - pico);
    h->pico = pico;
    return e;
}

void budget_settle(struct budget_hold *h, uint64_t tokens)
{
    struct key_meter *m = h->meter;
    if (!m) return;
    if (h->pico) atomic_fetch_sub(&m->reserved[h->gateway], h->pico);
    if (h->tokens_start) window_correct(&m->tokens_window, h->tokens_start, h->tokens, tokens);
    if (h->runs) atomic_fetch_sub(&m->running[h->gateway], 1);
    h->meter = NULL;
}

void budget_undo(struct budget_hold *h)
{
    if (h->meter && h->requests_taken) window_correct(&h->meter->requests_window, h->requests_start, 1, 0);
    budget_settle(h, 0);
}
