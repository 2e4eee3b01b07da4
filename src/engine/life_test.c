/* The life of a local model: every road through the state machine, with a clock of the test's own. */
#include "base/test.h"
#include "engine/priv.h"

static const struct life_rules RULES = {.idle_ms = 900000, .start_ms = 300000};

static struct life_facts at(uint64_t now, int64_t wanted, uint64_t unused_ms)
{
    return (struct life_facts){.now = now, .wanted = wanted, .unused_ms = unused_ms};
}

static enum life_act tick(struct life *l, struct life_facts f) { return life_tick(l, &RULES, &f); }

static struct life fresh(void) { return (struct life){.state = ENGINE_STOPPED}; }

static struct life ready(uint64_t now)
{
    struct life l = fresh();
    life_started(&l, now);
    life_healthy(&l, now);
    return l;
}

static void starts_only_when_wanted(void **state)
{
    struct life l = fresh();
    assert_int_equal(tick(&l, at(1000, 0, 0)), ACT_NONE);
    assert_int_equal(l.state, ENGINE_STOPPED);
    assert_int_equal(tick(&l, at(1000, 77, RULES.idle_ms)), ACT_NONE); /* wanted too long ago */
    assert_int_equal(tick(&l, at(1000, 77, 0)), ACT_START);
    life_started(&l, 1000);
    assert_int_equal(l.state, ENGINE_STARTING);
    assert_int_equal(tick(&l, at(1200, 77, 200)), ACT_NONE);
    life_healthy(&l, 2000);
    assert_int_equal(l.state, ENGINE_READY);
}

static void a_slow_start_is_ended(void **state)
{
    struct life l = fresh();
    life_started(&l, 1000);
    assert_int_equal(life_deaf(&l), ACT_NONE);
    assert_int_equal(tick(&l, at(1000 + RULES.start_ms - 1, 77, 0)), ACT_NONE);
    assert_int_equal(tick(&l, at(1000 + RULES.start_ms, 77, 0)), ACT_KILL_SLOW);
    life_gone(&l, 400000);
    assert_int_equal(l.failures, 1);
    assert_int_equal(l.state, ENGINE_WANTED);
}

static void crashes_back_off_and_then_show(void **state)
{
    static const uint64_t wait[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct life l = fresh();
    uint64_t now = 5000;
    for (size_t i = 0; i < COUNTOF(wait); i++) {
        assert_int_equal(tick(&l, at(now, 77, 0)), ACT_START);
        life_started(&l, now);
        life_gone(&l, now);
        assert_int_equal(l.state, i < 2 ? ENGINE_WANTED : ENGINE_FAILED);
        assert_int_equal(tick(&l, at(now + wait[i] - 1, 77, 0)), ACT_NONE);
        now += wait[i];
    }
    assert_int_equal(tick(&l, at(now, 77, 0)), ACT_START);
    life_started(&l, now);
    life_healthy(&l, now);
    assert_int_equal(tick(&l, at(now + 59999, 77, 0)), ACT_NONE);
    assert_int_equal(l.failures, COUNTOF(wait));
    assert_int_equal(tick(&l, at(now + 60000, 77, 0)), ACT_NONE);
    assert_int_equal(l.failures, 0);
}

static void a_failure_that_nobody_wants_is_forgotten(void **state)
{
    struct life l = fresh();
    life_refused(&l, 1000);
    assert_int_equal(l.state, ENGINE_FAILED);
    assert_int_equal(tick(&l, at(1500, 77, RULES.idle_ms)), ACT_NONE);
    assert_int_equal(l.state, ENGINE_FAILED);
    assert_int_equal(tick(&l, at(2000, 77, RULES.idle_ms)), ACT_NONE);
    assert_int_equal(l.state, ENGINE_STOPPED);
    assert_int_equal(tick(&l, at(2001, 78, 0)), ACT_START);
}

static void idle_leaves_the_board_before_it_ends(void **state)
{
    struct life l = ready(1000);
    uint64_t end = 1000 + RULES.idle_ms;
    assert_int_equal(tick(&l, at(end - 1, 77, RULES.idle_ms)), ACT_NONE);
    assert_int_equal(l.state, ENGINE_READY);
    assert_int_equal(tick(&l, at(end, 77, RULES.idle_ms)), ACT_NONE);
    assert_int_equal(l.state, ENGINE_STOPPED);
    assert_int_equal(tick(&l, at(end + 1000, 77, RULES.idle_ms)), ACT_TERM);
    assert_int_equal(tick(&l, at(end + 5999, 77, RULES.idle_ms)), ACT_NONE);
    assert_int_equal(tick(&l, at(end + 6000, 77, RULES.idle_ms)), ACT_KILL);
    life_gone(&l, end + 6001);
    assert_int_equal(l.state, ENGINE_STOPPED);
    assert_int_equal(l.failures, 0);
    assert_int_equal(tick(&l, at(end + 7000, 77, 1)), ACT_NONE); /* the same wish was served already */
    assert_int_equal(tick(&l, at(end + 7000, 78, 1)), ACT_START);
}

static void who_came_in_at_the_last_moment_is_served(void **state)
{
    struct life l = ready(1000);
    uint64_t end = 1000 + RULES.idle_ms;
    assert_int_equal(tick(&l, at(end, 77, RULES.idle_ms)), ACT_NONE);
    assert_int_equal(l.state, ENGINE_STOPPED);
    assert_int_equal(tick(&l, at(end + 1000, 78, 5)), ACT_NONE);
    assert_int_equal(l.state, ENGINE_READY);
}

static void a_busy_child_is_not_idle(void **state)
{
    struct life l = ready(1000);
    struct life_facts f = at(1000 + RULES.idle_ms, 77, RULES.idle_ms);
    f.busy = true; /* a long answer to an old request */
    assert_int_equal(tick(&l, f), ACT_NONE);
    assert_int_equal(l.state, ENGINE_READY);
    f = at(1000 + RULES.idle_ms + 5000, 77, RULES.idle_ms + 5000);
    assert_int_equal(tick(&l, f), ACT_NONE);
    assert_int_equal(l.state, ENGINE_READY);
    f.now = 1000 + 2 * RULES.idle_ms;
    assert_int_equal(tick(&l, f), ACT_NONE);
    assert_int_equal(l.state, ENGINE_STOPPED);
}

static void no_idle_limit_means_never(void **state)
{
    struct life l = ready(1000);
    struct life_rules r = {.idle_ms = 0, .start_ms = 1000};
    struct life_facts f = at(1ull << 40, 77, 1ull << 40);
    assert_int_equal(life_tick(&l, &r, &f), ACT_NONE);
    assert_int_equal(l.state, ENGINE_READY);
}

static void a_deaf_child_is_ended_at_the_third_time(void **state)
{
    struct life l = ready(1000);
    assert_int_equal(life_deaf(&l), ACT_NONE);
    assert_int_equal(life_deaf(&l), ACT_NONE);
    life_healthy(&l, 2000);
    assert_int_equal(life_deaf(&l), ACT_NONE);
    assert_int_equal(life_deaf(&l), ACT_NONE);
    assert_int_equal(life_deaf(&l), ACT_KILL_DEAF);
    life_gone(&l, 3000);
    assert_int_equal(l.state, ENGINE_WANTED);
}

static void an_end_from_above_is_no_failure(void **state)
{
    struct life l = ready(1000);
    assert_int_equal(life_end(&l, 2000, 77), ACT_TERM);
    assert_int_equal(life_end(&l, 2001, 77), ACT_NONE);
    assert_int_equal(l.state, ENGINE_STOPPED);
    life_gone(&l, 2100);
    assert_int_equal(l.failures, 0);
    assert_int_equal(life_end(&l, 2200, 77), ACT_NONE);
}

static void no_room_waits_but_a_failure_stays_told(void **state)
{
    struct life l = fresh();
    life_waits(&l);
    assert_int_equal(l.state, ENGINE_WANTED);
    life_refused(&l, 1000);
    life_waits(&l);
    assert_int_equal(l.state, ENGINE_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_only_when_wanted),
        cmocka_unit_test(a_slow_start_is_ended),
        cmocka_unit_test(crashes_back_off_and_then_show),
        cmocka_unit_test(a_failure_that_nobody_wants_is_forgotten),
        cmocka_unit_test(idle_leaves_the_board_before_it_ends),
        cmocka_unit_test(who_came_in_at_the_last_moment_is_served),
        cmocka_unit_test(a_busy_child_is_not_idle),
        cmocka_unit_test(no_idle_limit_means_never),
        cmocka_unit_test(a_deaf_child_is_ended_at_the_third_time),
        cmocka_unit_test(an_end_from_above_is_no_failure),
        cmocka_unit_test(no_room_waits_but_a_failure_stays_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
