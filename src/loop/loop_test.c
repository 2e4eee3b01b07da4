/* Tests of the loop's order: what waits for the end of a turn, and what waits until nothing else is ready. */
#include "base/test.h"
#include "loop/loop.h"

#include <unistd.h>

static struct loop *loop;
static char told[64];
static size_t n_told;

static void tell(char c) { told[n_told++ % sizeof told] = c; }

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    memset(told, 0, sizeof told);
    n_told = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

static struct defer first, second, third;

static void tell_2(struct defer *d)
{
    (void)d;
    tell('2');
}
static void tell_1(struct defer *d)
{
    (void)d;
    tell('1');
    loop_defer(loop, &second, tell_2); /* still in this turn */
}
static void tell_and_stop(struct defer *d)
{
    (void)d;
    tell('.');
    loop_stop(loop);
}

static void idle_comes_after_the_turn(void **state)
{
    (void)state;
    loop_when_idle(loop, &third, tell_and_stop);
    loop_when_idle(loop, &third, tell_and_stop); /* no-op */
    loop_defer(loop, &first, tell_1);
    loop_run(loop);
    assert_string_equal(told, "12.");
}

static void taken_back_from_either_list(void **state)
{
    (void)state;
    struct defer gone = {0}, gone_too = {0};
    loop_when_idle(loop, &gone, tell_1);
    loop_when_idle(loop, &third, tell_and_stop);
    loop_when_idle(loop, &gone_too, tell_1);
    loop_undefer(loop, &gone);
    loop_undefer(loop, &gone_too);
    loop_undefer(loop, &gone);
    loop_defer(loop, &gone, tell_1);
    loop_defer(loop, &second, tell_2);
    loop_undefer(loop, &gone);
    loop_run(loop);
    assert_string_equal(told, "2.");
}

/* ---- with a descriptor that is always ready ---------------------------------------------------------------------------- */

static int ends[2];
static unsigned turns;
static uint64_t asked;
static bool was_late;

static void note_and_stop(struct defer *d)
{
    was_late = loop_now(loop) - asked >= LOOP_IDLE_MS;
    tell_and_stop(d);
}

static void read_one(struct watch *w, unsigned events)
{
    (void)events;
    char c;
    if (!n_told) {
        asked = loop_now(loop);
        loop_when_idle(loop, &third, note_and_stop);
    }
    assert_int_equal(read(w->fd, &c, 1), 1);
    tell('r');
}

static void idle_waits_for_what_is_ready(void **state)
{
    (void)state;
    struct watch w;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    assert_int_equal(watch_start(loop, &w, ends[0], WATCH_READ, read_one), OK);
    loop_run(loop);
    assert_non_null(strchr(told, '.'));
    if (!was_late) assert_string_equal(told, "rrr."); /* a slow machine may take longer for the three */
    watch_stop(&w);
    close(ends[0]);
    close(ends[1]);
}

static void read_nothing(struct watch *w, unsigned events)
{
    (void)w;
    (void)events;
    turns++;
}

static void a_busy_loop_does_not_starve_it(void **state)
{
    (void)state;
    struct watch w;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "a", 1), 1);
    turns = 0;
    assert_int_equal(watch_start(loop, &w, ends[0], WATCH_READ, read_nothing), OK);
    loop_when_idle(loop, &third, tell_and_stop);
    loop_run(loop); /* ends at all */
    assert_true(turns > 0);
    assert_string_equal(told, ".");
    watch_stop(&w);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(idle_comes_after_the_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(taken_back_from_either_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(idle_waits_for_what_is_ready, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_busy_loop_does_not_starve_it, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
