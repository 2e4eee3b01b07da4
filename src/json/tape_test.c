/* Tests of reading the tape: members, elements, numbers. */
#include "base/test.h"
#include "json/json.h"

static struct json_tape tape;

static void scan(struct str text)
{
    struct fault why;
    assert_int_equal(json_scan(&tape, text, NULL, &why), OK);
}

static void test_find(void **state)
{
    scan(S("{\"a\":1,\"b\":{\"c\":[true],\"d\":\"x\\n\",\"c\":2},\"\\u0065\":null}"));
    assert_str(json_raw(&tape, json_find(&tape, 0, S("a"))), "1");
    assert_str(json_raw(&tape, json_path(&tape, 0, "b", "c")), "2"); /* the last of two nested ones */
    assert_str(json_raw(&tape, json_path(&tape, 0, "b", "d")), "\"x\\n\"");
    assert_str(json_text(&tape, json_path(&tape, 0, "b", "d")), "x\\n");
    assert_true(json_is(&tape, json_find(&tape, 0, S("e")), JSON_NULL));
    assert_int_equal(json_find(&tape, 0, S("x")), 0);
    assert_int_equal(json_path(&tape, 0, "a", "b"), 0);
    assert_int_equal(json_path(&tape, 0, "x", "b"), 0);
    scan(S("[1]"));
    assert_int_equal(json_find(&tape, 0, S("a")), 0);
}

static void test_holds(void **state)
{
    static const char text[] = "{\"a\":[1]}", same[] = "{\"a\":[1]}";
    struct str body = str_make(text, sizeof text - 1);
    assert_int_equal(json_scan(&tape, body, &JSON_LIMITS_TOP, NULL), OK);
    assert_true(json_tape_holds(&tape, body, &JSON_LIMITS_TOP));
    assert_false(json_tape_holds(&tape, body, &JSON_LIMITS)); /* not as deep */
    assert_int_equal(json_scan(&tape, body, NULL, NULL), OK);
    assert_true(json_tape_holds(&tape, body, &JSON_LIMITS));
    assert_false(json_tape_holds(&tape, str_make(text, sizeof text - 2), &JSON_LIMITS));
    assert_false(json_tape_holds(&tape, str_make(same, sizeof same - 1), &JSON_LIMITS)); /* equal, but elsewhere */
    assert_int_equal(json_scan(&tape, str_make(text, sizeof text - 2), NULL, NULL), ERR_BAD_JSON);
    assert_false(json_tape_holds(&tape, str_make(text, sizeof text - 2), &JSON_LIMITS));
    scan(body);
    json_tape_trim(&tape, 1);
    assert_false(json_tape_holds(&tape, body, &JSON_LIMITS));
}

static void test_each(void **state)
{
    scan(S("{\"a\":[1,[2,3],{\"x\":4}],\"b\":\"s\",\"c\":{}}"));
    uint32_t key, value, array = json_find(&tape, 0, S("a"));
    struct buf seen;
    buf_init(&seen, 1000);
    for (struct json_iter it = json_each(&tape, 0); json_next_member(&tape, &it, &key, &value);)
        buf_fmt(&seen, "%.*s=%.*s;", STR_ARG(json_text(&tape, key)), STR_ARG(json_raw(&tape, value)));
    for (struct json_iter it = json_each(&tape, array); json_next(&tape, &it, &value);)
        buf_fmt(&seen, "%.*s;", STR_ARG(json_raw(&tape, value)));
    for (struct json_iter it = json_each(&tape, 0); json_next(&tape, &it, &value);)
        buf_fmt(&seen, "%d;", (int)json_type(&tape, value));
    assert_str(buf_view(&seen), "a=[1,[2,3],{\"x\":4}];b=\"s\";c={};1;[2,3];{\"x\":4};5;4;6;");
    struct json_iter it = json_each(&tape, array);
    assert_false(json_next_member(&tape, &it, &key, &value)); /* elements have no names */
    it = json_each(&tape, json_find(&tape, 0, S("b")));
    assert_false(json_next(&tape, &it, &value));
    assert_int_equal(json_count(&tape, 0), 3);
    assert_int_equal(json_count(&tape, array), 3);
    assert_int_equal(json_count(&tape, json_find(&tape, 0, S("c"))), 0);
    buf_done(&seen);
}

static void test_whole_numbers(void **state)
{
    static const struct {
        const char *text;
        bool fits_u, fits_i;
        uint64_t u;
        int64_t i;
    } CASES[] = {
        {"0", true, true, 0, 0},
        {"-0", true, true, 0, 0},
        {"100", true, true, 100, 100},
        {"100.0", true, true, 100, 100},
        {"1e2", true, true, 100, 100},
        {"1.5E1", true, true, 15, 15},
        {"1500e-2", true, true, 15, 15},
        {"1050e-1", true, true, 105, 105},
        {"0e99999999999999999999", true, true, 0, 0},
        {"0.000", true, true, 0, 0},
        {"-7", false, true, 0, -7},
        {"-1e1", false, true, 0, -10},
        {"18446744073709551615", true, false, UINT64_MAX, 0},
        {"9223372036854775807", true, true, INT64_MAX, INT64_MAX},
        {"-9223372036854775808", false, true, 0, INT64_MIN},
        {"-9223372036854775809", false, false, 0, 0},
        {"9223372036854775808", true, false, (uint64_t)INT64_MAX + 1, 0},
        {"18446744073709551616", false, false, 0, 0},
        {"1e20", false, false, 0, 0},
        {"1e99999999999999999999", false, false, 0, 0},
        {"0.5", false, false, 0, 0},
        {"15e-1", false, false, 0, 0},
        {"1e-99999999999999999999", false, false, 0, 0},
        {"1.00000000000000000000000000", true, true, 1, 1},
        {"100000000000000000000000000e-24", true, true, 100, 100},
        {"1000000000000000000000000001e-24", false, false, 0, 0},
        {"0.0000000000000000000000001e25", true, true, 1, 1},
        {"\"1\"", false, false, 0, 0},
        {"true", false, false, 0, 0},
    };
    for (size_t k = 0; k < COUNTOF(CASES); k++) {
        uint64_t u = 77;
        int64_t i = 77;
        scan(str_z(CASES[k].text));
        if (json_u64(&tape, 0, &u) != CASES[k].fits_u || json_i64(&tape, 0, &i) != CASES[k].fits_i) fail_msg("%s", CASES[k].text);
        assert_true(u == (CASES[k].fits_u ? CASES[k].u : 77));
        assert_true(i == (CASES[k].fits_i ? CASES[k].i : 77));
    }
}

static void test_bool(void **state)
{
    bool b = false;
    scan(S("[true,false,null,1]"));
    assert_true(json_bool(&tape, 1, &b) && b);
    assert_true(json_bool(&tape, 2, &b) && !b);
    assert_false(json_bool(&tape, 3, &b));
    assert_false(json_bool(&tape, 4, &b));
}

static void test_where(void **state)
{
    static const char TEXT[] = "{\"a\":[1,{\"b c\":\"\",\"d\":[]}],\"e\\n\":\"x\"}";
    static const struct {
        const char *from; /* the place of this in the text */
        const char *path;
    } CASES[] = {
        {"{\"a\"", ""},        {"a\":", "a"},          {"[1", "a"},      {"1,", "a[0]"},    {"{\"b c", "a[1]"},
        {"\"b c", "a[1].b c"}, {"\",\"d", "a[1].b c"}, {"[]", "a[1].d"}, {"]}]", "a[1].d"}, {"x\"}", "e\\n"},
    };
    struct buf out;
    buf_init(&out, 200);
    scan(str_z(TEXT));
    for (size_t k = 0; k < COUNTOF(CASES); k++) {
        buf_clear(&out);
        json_where(&tape, (size_t)(strstr(TEXT, CASES[k].from) - TEXT), &out);
        assert_str_is(buf_view(&out), str_z(CASES[k].path), __FILE__, __LINE__);
    }
    buf_done(&out);
}

static void test_where_is_bounded(void **state)
{
    struct buf text, out;
    buf_init(&text, 2000), buf_init(&out, 1000);
    for (int i = 0; i < 100; i++) buf_str(&text, S("{\"name\":"));
    buf_char(&text, '1');
    for (int i = 0; i < 100; i++) buf_char(&text, '}');
    scan(buf_view(&text));
    json_where(&tape, 800, &out);
    assert_true(out.n <= JSON_WHERE_MAX + 3 && str_starts(buf_view(&out), S("name.name.")) && str_ends(buf_view(&out), S("…")));
    buf_clear(&out);
    assert_int_equal(json_scan(&tape, S("{\"a\":{\"b\":1}}"), &JSON_LIMITS_TOP, NULL), OK);
    json_where(&tape, 10, &out); /* what was not recorded is told by what holds it */
    assert_str(buf_view(&out), "a");
    buf_done(&text), buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_holds),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_bool),
        cmocka_unit_test(test_where),
        cmocka_unit_test(test_where_is_bounded),
    };
    json_tape_init(&tape, 0);
    int failed = cmocka_run_group_tests_name("tape", tests, NULL, NULL);
    json_tape_done(&tape);
    return failed;
}
