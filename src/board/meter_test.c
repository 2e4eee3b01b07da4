/* Meters under many threads, over rollovers, with dead cleaners. Includes the .c: the windows' clock is its argument. */
#include "board/meter.c"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { THREADS = 8, ROUNDS = 4000, PERIODS = 40 };

static void test_sums_and_saturation(void **state)
{
    (void)state;
    struct key_meter *m = mem_alloc(sizeof *m);
    int32_t day = clock_day(clock_wall_ms()), month = clock_month(clock_wall_ms());
    assert_int_equal(meter_spent_day(m, day), 0);
    meter_add_spent(m, day, month, 75);
    meter_add_spent(m, day, month, 25);
    meter_add_spent(m, day - 1, month, 7);
    assert_int_equal(meter_spent_day(m, day), 100);
    assert_int_equal(meter_spent_day(m, day - 1), 7);
    assert_int_equal(meter_spent_day(m, day + 1), 0);
    assert_int_equal(meter_spent_month(m, month), 107);
    assert_int_equal(meter_spent_month(m, month + 2), 0);
    meter_add_spent(m, day, month, INT64_MAX);
    assert_true(meter_spent_day(m, day) == INT64_MAX);
    free(m);
}

static void test_seed_is_idempotent(void **state)
{
    (void)state;
    struct key_meter *m = mem_alloc(sizeof *m);
    int32_t day = clock_day(clock_wall_ms()), month = clock_month(clock_wall_ms());
    for (int i = 0; i < 2; i++) meter_seed_spent(m, day, 30, month, 90);
    meter_add_spent(m, day, month, 5);
    assert_int_equal(meter_spent_day(m, day), 35);
    assert_int_equal(meter_spent_month(m, month), 95);
    free(m);
}

static void test_old_money_spares_the_new_window(void **state)
{
    (void)state;
    struct money_window w = {0};
    assert_true(window_enter(&w, 102, 102));
    window_add(&w, 50);
    assert_false(window_enter(&w, 100, 102)); /* a stream that ran for two days */
    assert_int_equal(atomic_load(&w.spent), 50);
    assert_true(window_enter(&w, 100, 100)); /* the clock was set back: now 100 is today */
    assert_int_equal(atomic_load(&w.spent), 0);
}

static void test_dead_cleaner_is_replaced(void **state)
{
    (void)state;
    struct money_window w = {0};
    atomic_store(&w.spent, 999); /* the former period's; its cleaner was killed after announcing period 8 */
    atomic_store(&w.tag, 8 | MONEY_WINDOW_BUSY);
    assert_true(window_enter(&w, 8, 8));
    window_add(&w, 1);
    assert_int_equal(atomic_load(&w.spent), 1);
    atomic_store(&w.tag, 10 | MONEY_WINDOW_BUSY); /* killed for 10, found by one who comes for 12 */
    assert_true(window_enter(&w, 12, 12));
    assert_int_equal(atomic_load(&w.spent), 0);
}

struct race {
    struct money_window w[2];
    pthread_barrier_t gate;
    int64_t seen[PERIODS]; /* written by thread 0 between two barriers */
};

/* All threads go through the periods together; in each one every thread adds ROUNDS times. */
static void *race_run(void *at)
{
    struct race *r = at;
    for (int32_t period = 1; period < PERIODS; period++) {
        pthread_barrier_wait(&r->gate);
        for (int i = 0; i < ROUNDS / PERIODS; i++) {
            struct money_window *w = window_of(r->w, period);
            if (window_enter(w, (uint64_t)period, (uint64_t)period)) window_add(w, 3);
        }
        if (pthread_barrier_wait(&r->gate) == PTHREAD_BARRIER_SERIAL_THREAD) r->seen[period] = window_spent(r->w, period);
    }
    return NULL;
}

static void test_threads_over_rollovers(void **state)
{
    (void)state;
    struct race *r = mem_alloc(sizeof *r);
    pthread_t threads[THREADS];
    pthread_barrier_init(&r->gate, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, race_run, r), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 1; i < PERIODS; i++) assert_int_equal(r->seen[i], (int64_t)3 * THREADS * (ROUNDS / PERIODS));
    pthread_barrier_destroy(&r->gate);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_and_saturation),
        cmocka_unit_test(test_seed_is_idempotent),
        cmocka_unit_test(test_old_money_spares_the_new_window),
        cmocka_unit_test(test_dead_cleaner_is_replaced),
        cmocka_unit_test(test_threads_over_rollovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
