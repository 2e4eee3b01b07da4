/* The usage vector: sides, sums that cannot wrap, certainty, exact cost. */
#include "chat/chat.h"

#include "base/test.h"

static void names_are_found_again(void **state)
{
    for (unsigned c = 0; c < USAGE_CELLS; c++) {
        enum usage_cell found;
        assert_true(usage_cell_find(str_z(usage_cell_name((enum usage_cell)c)), &found));
        assert_int_equal(found, c);
    }
    enum usage_cell none;
    assert_false(usage_cell_find(S("nothing"), &none));
    assert_int_equal(usage_cell_side(USAGE_IN_VIDEO), USAGE_INPUT);
    assert_int_equal(usage_cell_side(USAGE_OUT_REASONING), USAGE_OUTPUT);
    assert_int_equal(usage_cell_side(USAGE_UNIT_WEB_SEARCH), USAGE_UNITS);
}

static void sides_are_summed(void **state)
{
    struct usage u = {0};
    usage_set(&u, USAGE_IN_FRESH, 10, USAGE_REPORTED);
    usage_set(&u, USAGE_IN_CACHE_READ, 5, USAGE_REPORTED);
    usage_set(&u, USAGE_OUT_VISIBLE, 7, USAGE_ESTIMATED);
    usage_set(&u, USAGE_OUT_REASONING, 3, USAGE_REPORTED);
    usage_set(&u, USAGE_UNIT_WEB_SEARCH, 2, USAGE_REPORTED);
    u.n[USAGE_IN_VIDEO] = 99; /* unknown: a number nobody told counts nothing */
    assert_int_equal(usage_input(&u), 15);
    assert_int_equal(usage_output(&u), 10);
    assert_int_equal(usage_worst(&u, USAGE_INPUT), USAGE_REPORTED);
    assert_int_equal(usage_worst(&u, USAGE_OUTPUT), USAGE_ESTIMATED);
    usage_make_partial(&u);
    assert_int_equal(usage_worst(&u, USAGE_INPUT), USAGE_PARTIAL);
    assert_int_equal(u.quality[USAGE_OUT_VISIBLE], USAGE_ESTIMATED);
    usage_set(&u, USAGE_IN_FRESH, UINT64_MAX, USAGE_REPORTED);
    assert_true(usage_input(&u) == UINT64_MAX);
}

static void cost_is_exact(void **state)
{
    struct usage u = {0};
    struct price p = {.known = true};
    p.per[USAGE_IN_FRESH] = 150000; /* $0.15 per million */
    p.per[USAGE_OUT_VISIBLE] = 600000;
    usage_set(&u, USAGE_IN_FRESH, 9, USAGE_REPORTED);
    usage_set(&u, USAGE_OUT_VISIBLE, 12, USAGE_REPORTED);
    struct buf out;
    buf_init(&out, 64);
    money_write(&out, price_cost(&p, &u));
    assert_str(buf_view(&out), "0.00000855");
    buf_clear(&out);
    usage_set(&u, USAGE_OUT_VISIBLE, UINT64_MAX, USAGE_REPORTED);
    assert_true(price_cost(&p, &u) > 0);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_again),
        cmocka_unit_test(sides_are_summed),
        cmocka_unit_test(cost_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
