/* Tests of strings both ways: every character escaped comes back, escapes resolve, broken text is replaced. */
#include "base/test.h"
#include "json/json.h"

static struct json_tape tape;

static struct str unescaped(struct str text, struct buf *out)
{
    struct fault why;
    assert_int_equal(json_scan(&tape, text, NULL, &why), OK);
    buf_clear(out);
    assert_true(json_unescape(&tape, 0, out));
    return buf_view(out);
}

static void test_resolve(void **state)
{
    struct buf out;
    buf_init(&out, 1000);
    assert_str(unescaped(S("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\""), &out), "a\"\\/\b\f\n\r\tz");
    assert_str(unescaped(S("\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\\u0000\""), &out), "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\0");
    assert_str(unescaped(S("\"plain\""), &out), "plain");
    assert_str(unescaped(S("\"\\uD800\\uDC00\\uDBFF\\uDFFF\\uFFFF\\u07ff\\u0800\""), &out),
               "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\xef\xbf\xbf\xdf\xbf\xe0\xa0\x80");
    buf_done(&out);
}

static void test_equal(void **state)
{
    struct fault why;
    assert_int_equal(json_scan(&tape, S("[\"mod\\u0065l\",\"\\n\",\"model\",1,\"\",\"\\ud83d\\ude00!\"]"), NULL, &why), OK);
    assert_true(json_eq(&tape, 1, S("model")));
    assert_false(json_eq(&tape, 1, S("mod")));
    assert_false(json_eq(&tape, 1, S("models")));
    assert_false(json_eq(&tape, 1, S("modal")));
    assert_false(json_eq(&tape, 1, S("mod\\u0065l")));
    assert_true(json_eq(&tape, 2, S("\n")));
    assert_false(json_eq(&tape, 2, S("")));
    assert_true(json_eq(&tape, 3, S("model")));
    assert_false(json_eq(&tape, 4, S("1")));
    assert_true(json_eq(&tape, 5, STR_NONE));
    assert_true(json_eq(&tape, 6, S("\xf0\x9f\x98\x80!")));
}

static void test_str(void **state)
{
    struct fault why;
    struct buf out;
    buf_init(&out, 3);
    assert_int_equal(json_scan(&tape, S("[\"abcdef\",\"\\u0061b\",1]"), NULL, &why), OK);
    assert_ptr_equal(json_str(&tape, 1, &out).p, json_text(&tape, 1).p); /* without an escape nothing is copied */
    assert_str(json_str(&tape, 2, &out), "ab");
    assert_null(json_str(&tape, 3, &out).p);
    assert_null(json_str(&tape, 2, &out).p); /* over: no half strings */
    assert_true(out.over);
    buf_done(&out);
}

/* Every character, at changing places, written and read again; what is written is ASCII-safe and valid. */
static void test_round(void **state)
{
    struct buf in, out, back;
    buf_init(&in, 1000), buf_init(&out, 10000), buf_init(&back, 1000);
    for (uint32_t point = 0; point <= 0x10FFFF; point += point < 0x3000 ? 1 : 7) {
        char c[4] = {(char)(0xF0 | point >> 18), (char)(0x80 | (point >> 12 & 0x3F)), (char)(0x80 | (point >> 6 & 0x3F)),
                     (char)(0x80 | (point & 0x3F))};
        if (point >= 0xD800 && point <= 0xDFFF) continue;
        buf_clear(&in);
        buf_clear(&out);
        buf_fmt(&in, "%.*s", (int)(point % 11), "0123456789a");
        if (point < 0x80) buf_char(&in, (char)point);
        else if (point < 0x800) buf_char(&in, (char)(0xC0 | point >> 6)), buf_char(&in, c[3]);
        else if (point < 0x10000) buf_char(&in, (char)(0xE0 | point >> 12)), buf_add(&in, c + 2, 2);
        else buf_add(&in, c, 4);
        buf_str(&in, S(" tail"));
        buf_char(&out, '"');
        json_escape(&out, buf_view(&in));
        buf_char(&out, '"');
        assert_true(str_eq(unescaped(buf_view(&out), &back), buf_view(&in)));
    }
    buf_done(&in), buf_done(&out), buf_done(&back);
}

static void test_broken(void **state)
{
    struct buf out;
    buf_init(&out, 1000);
    json_escape(&out, S("a\x80z\xc3(\xed\xa0\x80 12345678\xff\"\\\x01\x1f\x7f"));
    assert_str(
        buf_view(&out),
        "a\xef\xbf\xbdz\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd 12345678\xef\xbf\xbd\\\"\\\\\\u0001\\u001f\\u007f");
    buf_clear(&out);
    json_escape(&out, STR_NONE);
    assert_int_equal(out.n, 0);
    buf_done(&out);
}

static void test_is_span(void **state)
{
    static const char *const GOOD[] = {"", "a", "\\n\\/\\\"", "\\u00e4", "\\ud83d\\ude00", "ä€😀", "\x7f"};
    static const char *const BAD[] = {
        "\"", "\n", "\\", "a\\", "\\x", "\\u12", "\\u12g4", "\\ud83d", "\\ud83dx", "\\ude00\\ud83d", "\xc3", "\xe2\x82", "\x80x"};
    for (size_t k = 0; k < COUNTOF(GOOD); k++) assert_true(json_is_span(str_z(GOOD[k])));
    for (size_t k = 0; k < COUNTOF(BAD); k++)
        if (json_is_span(str_z(BAD[k]))) fail_msg("%s", BAD[k]);
    assert_false(json_is_span(str_make("a\0b", 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve), cmocka_unit_test(test_equal),  cmocka_unit_test(test_str),
        cmocka_unit_test(test_round),   cmocka_unit_test(test_broken), cmocka_unit_test(test_is_span),
    };
    json_tape_init(&tape, 0);
    int failed = cmocka_run_group_tests_name("string", tests, NULL, NULL);
    json_tape_done(&tape);
    return failed;
}
