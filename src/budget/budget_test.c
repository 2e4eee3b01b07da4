/* Reserving and settling: each limit alone, all together, and exactness under threads. */
#include "base/test.h"

#include <pthread.h>
#include <stdlib.h>

#include "budget/budget.h"

static const struct key_limits NONE = {.spend_day = -1, .spend_month = -1};
static int64_t NOON; /* of today, or of yesterday when tomorrow is another month: meters believe the clock */

static enum err wish(struct key_meter *m, const struct key_limits *l, uint64_t tokens, int64_t pico, int64_t now,
                     struct budget_hold *h, struct fault *why)
{
    const struct budget_wish w = {tokens, pico, now};
    return budget_reserve(m, 0, l, &w, h, why);
}

/* As an exchange ends: the journal enters the money, then the reservation goes. */
static void spend(struct budget_hold *h, int64_t pico, int64_t now)
{
    meter_add_spent(h->meter, clock_day(now), clock_month(now), pico);
    budget_settle(h, 0);
}

static void without_limits_all_pass(void **state)
{
    (void)state;
    struct key_meter m = {0};
    struct budget_hold h[50];
    for (unsigned i = 0; i < 50; i++) assert_int_equal(wish(&m, &NONE, 1 << 30, INT64_MAX / 2, NOON, &h[i], NULL), OK);
    assert_int_equal(atomic_load(&m.running[0]), 50);
    for (unsigned i = 0; i < 50; i++) budget_settle(&h[i], 0);
    assert_int_equal(atomic_load(&m.running[0]), 0);
    budget_settle(&h[0], 0); /* idempotent */
    assert_int_equal(atomic_load(&m.running[0]), 0);
}

static void requests_of_a_minute(void **state)
{
    (void)state;
    struct key_meter m = {0};
    struct key_limits l = NONE;
    struct budget_hold h;
    struct fault why = {0};
    l.requests_per_minute = 3;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wish(&m, &l, 0, 0, NOON + i * 1000, &h, NULL), OK);
        budget_settle(&h, 0);
    }
    assert_int_equal(wish(&m, &l, 0, 0, NOON + 45000, &h, &why), ERR_RATE_REQUESTS);
    assert_int_equal(why.retry_after_s, 15);
    assert_int_equal(atomic_load(&m.running[0]), 0); /* a refusal holds nothing */
    assert_int_equal(wish(&m, &l, 0, 0, NOON + 60000, &h, NULL), OK);
    budget_undo(&h); /* nothing was sent: the request is given back */
    for (int i = 0; i < 3; i++) assert_int_equal(wish(&m, &l, 0, 0, NOON + 61000, &h, NULL), OK);
    assert_int_equal(wish(&m, &l, 0, 0, NOON + 61000, &h, NULL), ERR_RATE_REQUESTS);
}

static void a_loop_with_an_older_clock_opens_no_new_window(void **state)
{
    (void)state;
    struct key_meter m = {0};
    struct key_limits l = NONE;
    struct budget_hold h;
    l.requests_per_minute = 2;
    assert_int_equal(wish(&m, &l, 0, 0, NOON + 100, &h, NULL), OK);
    assert_int_equal(wish(&m, &l, 0, 0, NOON, &h, NULL), OK);
    assert_int_equal(wish(&m, &l, 0, 0, NOON, &h, NULL), ERR_RATE_REQUESTS);
    assert_int_equal(wish(&m, &l, 0, 0, NOON + 100, &h, NULL), ERR_RATE_REQUESTS);
    assert_int_equal(wish(&m, &l, 0, 0, NOON - 3600000, &h, NULL), OK); /* the clock was set back */
}

static void tokens_are_corrected_to_what_was_used(void **state)
{
    (void)state;
    struct key_meter m = {0};
    struct key_limits l = NONE;
    struct budget_hold a, b;
    l.tokens_per_minute = 1000;
    assert_int_equal(wish(&m, &l, 900, 0, NOON, &a, NULL), OK);
    assert_int_equal(wish(&m, &l, 200, 0, NOON, &b, NULL), ERR_RATE_TOKENS);
    budget_settle(&a, 100);
    assert_int_equal(wish(&m, &l, 900, 0, NOON, &b, NULL), OK);
    budget_settle(&b, 5000); /* used more than was reserved: counted all the same */
    assert_int_equal(wish(&m, &l, 1, 0, NOON, &b, NULL), ERR_RATE_TOKENS);
    assert_int_equal(wish(&m, &l, 5000, 0, NOON + 60000, &b, NULL), OK); /* more than the limit: alone in a window */
    assert_int_equal(wish(&m, &l, 1, 0, NOON + 60000, &a, NULL), ERR_RATE_TOKENS);
}

static void money_is_held_before_and_entered_after(void **state)
{
    (void)state;
    struct key_meter m = {0};
    struct key_limits l = NONE;
    struct budget_hold a, b;
    l.spend_day = 1000;
    assert_int_equal(wish(&m, &l, 0, 600, NOON, &a, NULL), OK);
    struct fault why = {0};
    assert_int_equal(wish(&m, &l, 0, 401, NOON, &b, &why), ERR_SPEND_RESERVED); /* it fits once the other is done */
    assert_int_equal(why.code, ERR_SPEND_RESERVED);
    assert_int_equal(why.retry_after_s, 2);
    assert_int_equal(wish(&m, &l, 0, 1001, NOON, &b, NULL), ERR_SPEND_DAY); /* nor would it alone */
    assert_int_equal(wish(&m, &l, 0, 400, NOON, &b, NULL), OK);
    spend(&a, 100, NOON);
    spend(&b, 100, NOON);
    assert_int_equal(meter_spent_day(&m, clock_day(NOON)), 200);
    assert_int_equal(wish(&m, &l, 0, 800, NOON, &a, NULL), OK);
    spend(&a, 800, NOON);
    assert_int_equal(wish(&m, &l, 0, 1, NOON, &a, NULL), ERR_SPEND_DAY);
    assert_int_equal(wish(&m, &l, 0, 1, NOON + 86400000, &a, NULL), OK); /* the next day */
    spend(&a, 1, NOON + 86400000);
    l.spend_month = 1001;
    assert_int_equal(wish(&m, &l, 0, 1, NOON + 86400000, &a, NULL), ERR_SPEND_MONTH);
    l = NONE;
    l.spend_day = 0;
    assert_int_equal(wish(&m, &l, 0, 1, NOON, &a, NULL), ERR_SPEND_DAY);
}

static enum err widen(struct budget_hold *h, const struct key_limits *l, uint64_t tokens, int64_t pico, int64_t now)
{
    const struct budget_wish w = {tokens, pico, now};
    return budget_widen(h, l, &w, NULL);
}

static void what_is_held_is_widened_in_place(void **state)
{
    (void)state;
    struct key_meter m = {0};
    struct key_limits l = {
        .concurrency = 1, .requests_per_minute = 1, .tokens_per_minute = 100, .spend_day = 1000, .spend_month = -1};
    struct budget_hold h, other;
    assert_int_equal(wish(&m, &l, 10, 100, NOON, &h, NULL), OK);
    assert_int_equal(widen(&h, &l, 60, 900, NOON), OK); /* the one request and run that the key has */
    assert_int_equal(atomic_load(&m.running[0]), 1);
    assert_int_equal(atomic_load(&m.reserved[0]), 900);
    assert_int_equal(wish(&m, &l, 0, 0, NOON, &other, NULL), ERR_CONCURRENCY);
    assert_int_equal(widen(&h, &l, 60, 1001, NOON), ERR_SPEND_DAY);
    assert_int_equal(atomic_load(&m.reserved[0]), 900); /* a refusal changes nothing */
    atomic_fetch_add(&m.reserved[1], 100);              /* another's */
    assert_int_equal(widen(&h, &l, 60, 1000, NOON), ERR_SPEND_RESERVED);
    assert_int_equal(widen(&h, &l, 60, 1001, NOON), ERR_SPEND_DAY);
    atomic_fetch_sub(&m.reserved[1], 100);
    assert_int_equal(widen(&h, &l, 60, 50, NOON), OK);
    assert_int_equal(atomic_load(&m.reserved[0]), 50);
    budget_settle(&h, 7);
    assert_int_equal(atomic_load(&m.running[0]), 0);
    assert_int_equal(atomic_load(&m.reserved[0]), 0);
    assert_int_equal((uint32_t)atomic_load(&m.tokens_window), 7);
}

static void tokens_are_widened_in_their_minute(void **state)
{
    (void)state;
    struct key_meter m = {0};
    struct key_limits l = NONE;
    struct budget_hold one, two;
    l.tokens_per_minute = 100;
    l.spend_day = 1000;
    assert_int_equal(wish(&m, &l, 40, 0, NOON, &one, NULL), OK);
    assert_int_equal(wish(&m, &l, 40, 10, NOON, &two, NULL), OK);
    assert_int_equal(widen(&two, &l, 60, 10, NOON), OK);
    assert_int_equal(widen(&two, &l, 61, 500, NOON), ERR_RATE_TOKENS);
    assert_int_equal(atomic_load(&m.reserved[0]), 10);           /* the money of a wish that failed is given back */
    assert_int_equal(widen(&two, &l, 80, 10, NOON + 60000), OK); /* another minute: all of it is that one's */
    assert_int_equal((uint32_t)atomic_load(&m.tokens_window), 80);
    budget_undo(&two);
    budget_undo(&one); /* of a minute that is over */
    assert_int_equal((uint32_t)atomic_load(&m.tokens_window), 0);
}

static void a_draining_gateway_counts_too(void **state)
{
    (void)state;
    struct key_meter m = {0};
    struct key_limits l = NONE;
    struct budget_hold a, b;
    const struct budget_wish w = {0, 600, NOON};
    l.concurrency = 1;
    assert_int_equal(budget_reserve(&m, 0, &l, &w, &a, NULL), OK);
    assert_int_equal(budget_reserve(&m, 1, &l, &w, &b, NULL), ERR_CONCURRENCY);
    l.concurrency = 0;
    l.spend_day = 1000;
    budget_undo(&a);
    assert_int_equal(budget_reserve(&m, 0, &l, &w, &a, NULL), OK);
    assert_int_equal(budget_reserve(&m, 1, &l, &w, &b, NULL), ERR_SPEND_RESERVED);
}

/* ---- threads ------------------------------------------------------------------------------------------------------------ */

enum { THREADS = 4, ROUNDS = 20000 };
struct race {
    struct key_meter meter;
    struct key_limits limits;
    _Atomic int64_t running, most, passed;
};

static void *racer(void *arg)
{
    struct race *r = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct budget_hold h;
        if (wish(&r->meter, &r->limits, 0, 10, NOON, &h, NULL) != OK) continue;
        int64_t now = atomic_fetch_add(&r->running, 1) + 1, most = atomic_load(&r->most);
        while (now > most && !atomic_compare_exchange_weak(&r->most, &most, now)) {
        }
        atomic_fetch_add(&r->passed, 1);
        atomic_fetch_sub(&r->running, 1);
        spend(&h, 7, NOON);
    }
    return NULL;
}

static void run_race(struct race *r)
{
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&t[i], NULL, racer, r), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    assert_int_equal(atomic_load(&r->meter.running[0]), 0);
    assert_int_equal(atomic_load(&r->meter.reserved[0]), 0);
}

static void concurrency_is_exact_under_threads(void **state)
{
    (void)state;
    struct race *r = calloc(1, sizeof *r);
    r->limits = NONE;
    r->limits.concurrency = 2;
    run_race(r);
    assert_true(atomic_load(&r->most) <= 2);
    free(r);
}

static void requests_are_exact_under_threads(void **state)
{
    (void)state;
    struct race *r = calloc(1, sizeof *r);
    r->limits = NONE;
    r->limits.requests_per_minute = 777;
    run_race(r);
    assert_int_equal(atomic_load(&r->passed), 777);
    free(r);
}

static void money_is_never_overspent_under_threads(void **state)
{
    (void)state;
    struct race *r = calloc(1, sizeof *r);
    r->limits = NONE;
    r->limits.spend_day = 70000;
    run_race(r);
    int64_t spent = meter_spent_day(&r->meter, clock_day(NOON));
    assert_int_equal(spent, atomic_load(&r->passed) * 7);
    assert_true(spent <= 70000 && spent > 70000 - 10); /* up to the last reservation that still fits */
    free(r);
}

int main(void)
{
    enum { DAY_MS = 86400000 };
    NOON = (int64_t)clock_day(clock_wall_ms()) * DAY_MS + DAY_MS / 2;
    if (clock_month(NOON + DAY_MS) != clock_month(NOON)) NOON -= DAY_MS;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_limits_all_pass),
        cmocka_unit_test(requests_of_a_minute),
        cmocka_unit_test(a_loop_with_an_older_clock_opens_no_new_window),
        cmocka_unit_test(tokens_are_corrected_to_what_was_used),
        cmocka_unit_test(money_is_held_before_and_entered_after),
        cmocka_unit_test(what_is_held_is_widened_in_place),
        cmocka_unit_test(tokens_are_widened_in_their_minute),
        cmocka_unit_test(a_draining_gateway_counts_too),
        cmocka_unit_test(concurrency_is_exact_under_threads),
        cmocka_unit_test(requests_are_exact_under_threads),
        cmocka_unit_test(money_is_never_overspent_under_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
