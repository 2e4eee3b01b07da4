/* Tests of the writer. */
#include "base/test.h"
#include "json/json.h"

static void test_all(void **state)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1000);
    json_write(&w, &out);
    json_put_object(&w);
    json_add_str(&w, S("s\""), S("a\nb"));
    json_add_u64(&w, S("u"), UINT64_MAX);
    json_add_i64(&w, S("i"), INT64_MIN);
    json_add_bool(&w, S("b"), true);
    json_add_null(&w, S("z"));
    json_add_raw(&w, S("cost"), S("0.000075"));
    json_add_array(&w, S("a"));
    json_put_array(&w);
    json_put_end(&w);
    json_put_object(&w);
    json_put_end(&w);
    json_put_span(&w, S("\\u0061"));
    json_put_bool(&w, false);
    json_put_end(&w);
    json_add_object(&w, S("o"));
    json_add_str(&w, S(""), STR_NONE);
    json_put_name_span(&w, S("\\u0062"));
    json_put_null(&w);
    json_put_end(&w);
    json_put_end(&w);
    assert_true(json_write_done(&w));
    assert_str(buf_view(&out), "{\"s\\\"\":\"a\\nb\",\"u\":18446744073709551615,\"i\":-9223372036854775808,\"b\":true,\"z\":null,"
                               "\"cost\":0.000075,\"a\":[[],{},\"\\u0061\",false],\"o\":{\"\":\"\",\"\\u0062\":null}}");
    struct json_tape tape;
    struct fault why;
    json_tape_init(&tape, 0);
    assert_int_equal(json_scan(&tape, buf_view(&out), NULL, &why), OK);
    json_tape_done(&tape);
    buf_done(&out);
}

static void test_scalar_root_and_over(void **state)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 4);
    json_write(&w, &out);
    json_put_null(&w);
    assert_true(json_write_done(&w));
    buf_clear(&out);
    json_write(&w, &out);
    json_put_array(&w);
    json_put_str(&w, S("too long"));
    json_put_end(&w);
    assert_false(json_write_done(&w));
    buf_done(&out);
}

static void test_deep(void **state)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1000);
    json_write(&w, &out);
    for (int i = 0; i < JSON_WRITE_DEPTH / 2; i++) {
        json_put_array(&w);
        json_put_u64(&w, 1);
        json_put_object(&w);
        json_put_name(&w, S("k"));
    }
    json_put_null(&w);
    for (int i = 0; i < JSON_WRITE_DEPTH / 2; i++) {
        json_add_u64(&w, S("n"), 2);
        json_put_end(&w);
        json_put_u64(&w, 3);
        json_put_end(&w);
    }
    assert_true(json_write_done(&w));
    struct json_tape tape;
    struct fault why;
    json_tape_init(&tape, 0);
    assert_int_equal(json_scan(&tape, buf_view(&out), NULL, &why), OK);
    assert_int_equal(json_count(&tape, 0), 3);
    json_tape_done(&tape);
    buf_done(&out);
}

static void test_around(void **state)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 32);
    json_write(&w, &out);
    json_put_object(&w);
    json_put_name(&w, S("k"));
    json_put_array(&w);
    json_put_around(&w, S("{\"a\":\""), S("b"), S("\"}"));
    json_put_around(&w, S("\""), STR_NONE, S("\""));
    json_put_u64(&w, 3);
    json_put_end(&w);
    json_put_name(&w, S("o"));
    json_put_around(&w, S("["), S("1"), S("]"));
    json_put_end(&w);
    assert_true(json_write_done(&w));
    assert_str(buf_view(&out), "{\"k\":[{\"a\":\"b\"},\"\",3],\"o\":[1]}");
    json_write(&w, &out);
    json_put_around(&w, S("\""), S("more than fits"), S("\""));
    assert_false(json_write_done(&w));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all), cmocka_unit_test(test_scalar_root_and_over),
                                       cmocka_unit_test(test_deep), cmocka_unit_test(test_around)};
    return cmocka_run_group_tests_name("write", tests, NULL, NULL);
}
