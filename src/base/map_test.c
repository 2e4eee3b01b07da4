/* Tests of the map. */
#include "base/test.h"

#include <stdio.h>

static void test_many(void **state)
{
    enum { N = 5000 };
    static char keys[N][12];
    struct map m;
    map_init(&m);
    assert_null(map_find(&m, S("k1")));
    for (int i = 0; i < N; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        assert_true(map_add(&m, str_z(keys[i]), keys[i]));
    }
    assert_int_equal(m.n, N);
    for (int i = 0; i < N; i++) {
        char again[12]; /* equal bytes at another address */
        memcpy(again, keys[i], sizeof again);
        assert_ptr_equal(map_find(&m, str_z(again)), keys[i]);
        assert_ptr_equal(m.entries[i].value, keys[i]); /* insertion order */
    }
    assert_null(map_find(&m, S("k5000")));
    map_done(&m);
    assert_null(map_find(&m, S("k1")));
    map_done(&m);
}

static void test_no_second(void **state)
{
    struct map m;
    int one, two;
    map_init(&m);
    assert_true(map_add(&m, S("a"), &one));
    assert_false(map_add(&m, S("a"), &two));
    assert_ptr_equal(map_find(&m, S("a")), &one);
    assert_true(map_add(&m, STR_NONE, &two)); /* the empty key is a key */
    assert_ptr_equal(map_find(&m, S("")), &two);
    assert_true(map_add(&m, S("a\0b"), &two));
    assert_ptr_equal(map_find(&m, S("a")), &one);
    assert_int_equal(m.n, 3);
    map_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many), cmocka_unit_test(test_no_second)};
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
