/* Tests of the growing writer. */
#include "base/test.h"

#include <stdlib.h>

static void test_grows_to_its_bound(void **state)
{
    struct buf b;
    buf_init(&b, 100);
    for (int i = 0; i < 100; i++) buf_char(&b, 'x');
    assert_false(b.over);
    assert_int_equal(b.n, 100);
    assert_int_equal(strlen(buf_z(&b)), 100); /* the terminator has no claim on the bound */
    buf_char(&b, 'y');
    assert_true(b.over);
    assert_int_equal(b.n, 100);
    assert_string_equal(buf_z(&b), "");
    assert_false(buf_reserve(&b, 0)); /* over stays */
    buf_clear(&b);
    buf_str(&b, S("again"));
    assert_str(buf_view(&b), "again");
    buf_done(&b);
    buf_str(&b, S("usable"));
    assert_str(buf_view(&b), "usable");
    buf_done(&b);
}

static void test_all_or_nothing(void **state)
{
    struct buf b;
    buf_init(&b, 4);
    buf_str(&b, S("ab"));
    buf_str(&b, S("cde"));
    assert_true(b.over);
    assert_str(buf_view(&b), "ab");
    buf_char(&b, 'c'); /* would fit, but a text with a hole is worse than a short one */
    assert_str(buf_view(&b), "ab");
    buf_done(&b);
    buf_init(&b, 10);
    assert_false(buf_reserve(&b, SIZE_MAX));
    buf_done(&b);
    buf_init(&b, 0);
    buf_add(&b, NULL, 0);
    assert_false(b.over);
    assert_string_equal(buf_z(&b), "");
    buf_done(&b);
}

static void test_numbers(void **state)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    buf_u64(&b, 0);
    buf_char(&b, ' ');
    buf_u64(&b, UINT64_MAX);
    buf_char(&b, ' ');
    buf_i64(&b, INT64_MIN);
    buf_char(&b, ' ');
    buf_i64(&b, -1);
    assert_str(buf_view(&b), "0 18446744073709551615 -9223372036854775808 -1");
    buf_done(&b);
}

static void test_fmt(void **state)
{
    struct buf b;
    buf_init(&b, 12);
    buf_fmt(&b, "%s-%d", "abc", 42);
    assert_str(buf_view(&b), "abc-42");
    buf_fmt(&b, "%s", "123456"); /* exactly to the bound */
    assert_false(b.over);
    assert_str(buf_view(&b), "abc-42123456");
    buf_fmt(&b, "%d", 1);
    assert_true(b.over);
    assert_str(buf_view(&b), "abc-42123456");
    buf_done(&b);
}

static void test_drop_head(void **state)
{
    struct buf b;
    buf_init(&b, 100);
    buf_str(&b, S("abcdef"));
    buf_drop_head(&b, 2);
    assert_str(buf_view(&b), "cdef");
    buf_drop_head(&b, 0);
    buf_drop_head(&b, 4);
    assert_str(buf_view(&b), "");
    buf_done(&b);
}

static void test_percent(void **state)
{
    static const char *const BROKEN[] = {"%", "%4", "a%4", "%4g", "%g4", "%%41"};
    struct buf b;
    buf_init(&b, 100);
    buf_percent_encode(&b, S("a-Z_0.9~/: %\xc3\xa4"));
    assert_str(buf_view(&b), "a-Z_0.9~%2F%3A%20%25%C3%A4");
    buf_clear(&b);
    assert_true(buf_percent_decode(&b, S("a%2fb%3A+%c3%A4%00")));
    assert_int_equal(b.n, 8);
    assert_memory_equal(b.p, "a/b:+\xc3\xa4\0", 8);
    for (unsigned i = 0; i < COUNTOF(BROKEN); i++) assert_false(buf_percent_decode(&b, str_z(BROKEN[i])));
    buf_done(&b);
    buf_init(&b, 2);
    assert_false(buf_percent_decode(&b, S("abc")));
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_to_its_bound),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_fmt),
        cmocka_unit_test(test_drop_head),
        cmocka_unit_test(test_percent),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
