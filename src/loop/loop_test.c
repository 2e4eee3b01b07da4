/* Tests of the loop: its order (what waits for the end of a turn, what until nothing else is ready), and watches. */
#include "base/test.h"
#include "loop/loop.h"

#include <fcntl.h>
#include <sys/socket.h>
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

/* ---- an edge watch: the kernel tells once, what is left is remembered --------------------------------------------------- */

static unsigned told_events;

static void note_events(struct watch *w, unsigned events)
{
    (void)w;
    told_events |= events;
    turns++;
}

static void read_one_and_say(struct watch *w, unsigned events)
{
    char c;
    note_events(w, events);
    if (read(w->fd, &c, 1) == 1) tell(c);
    else watch_used_up(w, WATCH_READ);
}

static void start_edge(struct watch *w, unsigned events, void (*on_ready)(struct watch *, unsigned))
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(watch_start_edge(loop, w, ends[0], events, on_ready), OK);
    turns = told_events = 0;
}

static void end_edge(struct watch *w)
{
    watch_stop(w);
    close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
}

static void turn_loop(int n)
{
    for (int i = 0; i < n; i++) loop_turn(loop, false);
}

static void what_is_left_is_told_again(void **state)
{
    (void)state;
    struct watch w;
    start_edge(&w, WATCH_READ, read_one_and_say);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    turn_loop(3);
    assert_string_equal(told, "abc"); /* one readiness each turn */
    turn_loop(3);
    assert_int_equal(turns, 4); /* the fourth found nothing; then there is quiet */
    assert_int_equal(write(ends[1], "d", 1), 1);
    turn_loop(3);
    assert_string_equal(told, "abcd");
    end_edge(&w);
}

static void a_pause_forgets_nothing(void **state)
{
    (void)state;
    struct watch w;
    start_edge(&w, WATCH_NONE, read_one_and_say);
    assert_int_equal(write(ends[1], "a", 1), 1);
    turn_loop(3);
    assert_int_equal(turns, 0);
    watch_set(&w, WATCH_READ);
    turn_loop(3);
    assert_string_equal(told, "a");
    assert_int_equal(turns, 2);
    end_edge(&w);
}

static void a_paused_one_does_not_keep_the_loop_awake(void **state)
{
    (void)state;
    struct watch w;
    start_edge(&w, WATCH_READ, note_events);
    assert_int_equal(write(ends[1], "a", 1), 1);
    turn_loop(2);
    assert_int_equal(turns, 2);
    watch_set(&w, WATCH_NONE);
    loop_when_idle(loop, &third, tell_and_stop);
    loop_run(loop); /* the first turn finds nothing ready */
    assert_string_equal(told, ".");
    assert_int_equal(turns, 2);
    end_edge(&w);
}

/* The end may come with the last bytes: then no other edge comes, and a short read must not hide it. */
static void the_end_is_never_used_up(void **state)
{
    (void)state;
    struct watch w;
    char bytes[8];
    start_edge(&w, WATCH_READ | WATCH_GONE, note_events);
    assert_int_equal(write(ends[1], "a", 1), 1);
    close(ends[1]);
    ends[1] = -1;
    turn_loop(1);
    assert_int_equal(told_events, WATCH_READ | WATCH_GONE);
    assert_int_equal(read(ends[0], bytes, sizeof bytes), 1);
    watch_used_up(&w, WATCH_READ);
    told_events = 0;
    turn_loop(1);
    assert_true(told_events & WATCH_READ);
    assert_int_equal(read(ends[0], bytes, sizeof bytes), 0);
    end_edge(&w);
}

static void room_to_write_is_told_when_it_is_back(void **state)
{
    (void)state;
    struct watch w;
    static char bytes[65536];
    start_edge(&w, WATCH_NONE, note_events);
    while (write(ends[0], bytes, sizeof bytes) > 0) {
    }
    turn_loop(1); /* told of the room that was there at first, or not */
    watch_used_up(&w, WATCH_WRITE);
    watch_set(&w, WATCH_WRITE);
    turn_loop(2);
    assert_int_equal(turns, 0);
    while (read(ends[1], bytes, sizeof bytes) > 0) {
    }
    turn_loop(1);
    assert_int_equal(told_events, WATCH_WRITE);
    end_edge(&w);
}

static void nobody_blocks(void **state)
{
    (void)state;
    struct watch w;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(watch_start(loop, &w, ends[0], WATCH_READ, note_events), OK);
    assert_true(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    end_edge(&w);
}

static struct watch stopper, victim;

static void stop_the_other(struct watch *w, unsigned events)
{
    note_events(w, events);
    watch_stop(w == &stopper ? &victim : &stopper);
    memset(w == &stopper ? &victim : &stopper, 0xEE, sizeof victim); /* its owner is gone */
}

/* Both became ready in one turn, both were left over: whoever is told first ends the other. */
static void a_stopped_watch_is_told_nothing(void **state)
{
    (void)state;
    int more[2];
    for (int left_over = 0; left_over < 2; left_over++) {
        start_edge(&stopper, left_over ? WATCH_NONE : WATCH_READ, stop_the_other);
        assert_int_equal(pipe2(more, O_NONBLOCK), 0);
        assert_int_equal(watch_start_edge(loop, &victim, more[0], left_over ? WATCH_NONE : WATCH_READ, stop_the_other), OK);
        assert_int_equal(write(ends[1], "a", 1) + write(more[1], "a", 1), 2);
        if (left_over) turn_loop(1);
        if (left_over) watch_set(&stopper, WATCH_READ), watch_set(&victim, WATCH_READ);
        turn_loop(1);
        assert_int_equal(turns, 1);
        watch_stop(stopper.fd == ends[0] ? &stopper : &victim);
        close(more[0]), close(more[1]), close(ends[0]), close(ends[1]);
    }
}

/* ---- what libuv does inside, posts and timers -------------------------------------------------------------------------- */

static void think(struct work *w) { (void)w; }

static void thought(struct work *w)
{
    (void)w;
    tell('w');
    loop_stop(loop);
}

static void work_comes_back(void **state)
{
    (void)state;
    struct work w;
    loop_work(loop, &w, think, thought);
    loop_run(loop);
    assert_string_equal(told, "w");
}

static void tell_post(struct post *p)
{
    (void)p;
    tell('p');
}

static void stop_in_time(struct timer *t)
{
    (void)t;
    tell('t');
    loop_stop(loop);
}

static void posts_come_before_later_timers(void **state)
{
    (void)state;
    struct post one, two;
    struct timer t = {0};
    timer_set(loop, &t, 1, stop_in_time);
    loop_post(loop, &one, tell_post);
    loop_post(loop, &two, tell_post);
    loop_run(loop);
    assert_string_equal(told, "ppt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(idle_comes_after_the_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(taken_back_from_either_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(idle_waits_for_what_is_ready, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_busy_loop_does_not_starve_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_left_is_told_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pause_forgets_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_paused_one_does_not_keep_the_loop_awake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_end_is_never_used_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(room_to_write_is_told_when_it_is_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_blocks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stopped_watch_is_told_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(work_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(posts_come_before_later_timers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
