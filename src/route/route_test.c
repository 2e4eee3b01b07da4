/* Choosing: order, formats, resting, the nearest of all that rest; backoff grows and is bounded. */
#include <pthread.h>

#include "base/test.h"

#include "route/route.h"

enum { N = 3 };
static struct deployment_state states[N];
static const struct wire_formats chat_only = {1, {WIRE_OPENAI_CHAT}}, both = {2, {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES}};
enum { CHAT = 1u << WIRE_OPENAI_CHAT, MESSAGES = 1u << WIRE_ANTHROPIC_MESSAGES };
static struct deployment deployments[N];
static const struct route route = {.deployments = deployments, .n_deployments = N};
static const int64_t NOW = 1790000000000;

static int fresh(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N; i++) {
        states[i] = (struct deployment_state){0};
        deployments[i] = (struct deployment){.formats = i == 1 ? both : chat_only, .state = &states[i]};
    }
    return 0;
}

static void in_the_order_of_the_file(void **state)
{
    (void)state;
    struct route_walk w = {0};
    for (unsigned i = 0; i < N; i++) assert_ptr_equal(route_choose(&route, CHAT, &w, NOW), &deployments[i]);
    assert_null(route_choose(&route, CHAT, &w, NOW));
    assert_int_equal(w.attempts, N);
}

static void only_who_speaks_the_format(void **state)
{
    (void)state;
    struct route_walk w = {0};
    assert_ptr_equal(route_choose(&route, MESSAGES, &w, NOW), &deployments[1]);
    assert_null(route_choose(&route, MESSAGES, &w, NOW));
    assert_true(route_speaks(&route, MESSAGES));
    assert_false(route_speaks(&route, 1u << WIRE_GEMINI_GENERATE));
}

static void who_rests_is_passed_over(void **state)
{
    (void)state;
    struct route_walk w = {0};
    route_failed(&deployments[0], 7000, NOW);
    assert_int_equal(route_rest_ms(&deployments[0], NOW), 7000);
    assert_ptr_equal(route_choose(&route, CHAT, &w, NOW), &deployments[1]);
    assert_true(route_has_more(&route, CHAT, &w, NOW));
    assert_ptr_equal(route_choose(&route, CHAT, &w, NOW), &deployments[2]);
    assert_false(route_has_more(&route, CHAT, &w, NOW));
    assert_true(route_has_more(&route, CHAT, &w, NOW + 7000)); /* it has come back */
    assert_int_equal(w.attempts, 2);                           /* asking is no try */
    assert_null(route_choose(&route, CHAT, &w, NOW));          /* after a try nobody is woken */
    w = (struct route_walk){0};
    assert_ptr_equal(route_choose(&route, CHAT, &w, NOW + 7000), &deployments[0]);
    route_succeeded(&deployments[0], NOW + 7000);
    assert_int_equal(atomic_load(&states[0].failures), 0);
}

static void when_all_rest_the_nearest_is_tried(void **state)
{
    (void)state;
    struct route_walk w = {0};
    route_failed(&deployments[0], 9000, NOW);
    route_failed(&deployments[1], 3000, NOW);
    route_failed(&deployments[2], 5000, NOW);
    assert_ptr_equal(route_choose(&route, CHAT, &w, NOW), &deployments[1]);
    assert_null(route_choose(&route, CHAT, &w, NOW));
}

static void backoff_grows_and_is_bounded(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 40; i++) {
        atomic_store(&states[0].rest, 0);
        route_failed(&deployments[0], 0, NOW);
        uint64_t most = i > 6 ? 60000 : 1000u << (i - 1);
        int64_t rest = route_rest_ms(&deployments[0], NOW);
        assert_true(rest >= (int64_t)most / 2 && rest <= (int64_t)most);
    }
    route_failed(&deployments[0], 86400000, NOW); /* what a provider asks for is believed up to ten minutes */
    assert_int_equal(route_rest_ms(&deployments[0], NOW), 600000);
}

/* A provider asked for a minute while other calls were under way: none of them may end it, and no shorter rest may shorten it. */
static void what_was_under_way_ends_no_rest(void **state)
{
    const struct deployment *d = &deployments[0];
    (void)state;
    route_failed(d, 60000, NOW);
    route_succeeded(d, NOW - 1);
    route_succeeded(d, NOW);
    assert_int_equal(route_rest_ms(d, NOW), 60000);
    assert_int_equal(atomic_load(&states[0].failures), 1);
    route_rest(d, 2000, NOW + 10);
    route_failed(d, 3000, NOW + 20);
    assert_int_equal(route_rest_ms(d, NOW), 60000);
    route_succeeded(d, NOW + 15); /* began before the last word */
    assert_int_equal(route_rest_ms(d, NOW), 60000);
    route_succeeded(d, NOW + 21); /* was sent there although it rested, and it works */
    assert_int_equal(route_rest_ms(d, NOW + 22), 0);
    assert_int_equal(atomic_load(&states[0].failures), 0);
    route_rest(d, 600000, NOW); /* a clock that was put back loses nothing */
    route_rest(d, 600000, NOW - 5000000);
    assert_int_equal(route_rest_ms(d, NOW), 600000);
}

struct rest_race {
    _Atomic bool over;
};

static void *succeed_all_the_time(void *arg)
{
    struct rest_race *race = arg;
    while (!atomic_load(&race->over)) route_succeeded(&deployments[0], NOW);
    return NULL;
}

/* Loops share it: whatever the order, a success from before never ends the rest. */
static void old_successes_and_new_failures_may_race(void **state)
{
    struct rest_race race = {false};
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, succeed_all_the_time, &race), 0);
    for (int64_t i = 1; i <= 20000; i++) {
        route_failed(&deployments[0], 60000, NOW + i);
        if (route_rest_ms(&deployments[0], NOW + i) != 60000) fail_msg("the rest %lld was ended", (long long)i);
    }
    atomic_store(&race.over, true);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(in_the_order_of_the_file, fresh),
        cmocka_unit_test_setup(only_who_speaks_the_format, fresh),
        cmocka_unit_test_setup(who_rests_is_passed_over, fresh),
        cmocka_unit_test_setup(when_all_rest_the_nearest_is_tried, fresh),
        cmocka_unit_test_setup(backoff_grows_and_is_bounded, fresh),
        cmocka_unit_test_setup(what_was_under_way_ends_no_rest, fresh),
        cmocka_unit_test_setup(old_successes_and_new_failures_may_race, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
