/* Tests of borrowed strings. */
#include "base/test.h"

#include <limits.h>
#include <stdlib.h>

static void test_compare(void **state)
{
    assert_true(str_eq(S(""), STR_NONE));
    assert_false(str_eq(S("a"), S("b")));
    assert_true(str_eq_nocase(S("Content-LENGTH"), S("content-length")));
    assert_false(str_eq_nocase(S("a["), S("a{"))); /* 0x5b and 0x7b differ by the case bit, but are no letters */
    assert_false(str_eq_nocase(S("ab"), S("abc")));
    assert_true(str_cmp(S("a"), S("b")) < 0);
    assert_true(str_cmp(S("ab"), S("a")) > 0);
    assert_true(str_cmp(S("\xff"), S("a")) > 0); /* bytes are unsigned */
    assert_int_equal(str_cmp(STR_NONE, S("")), 0);
    assert_true(str_starts(S("abc"), S("ab")) && str_starts(S("abc"), STR_NONE) && !str_starts(S("a"), S("ab")));
    assert_true(str_ends(S("abc"), S("bc")) && str_ends(S("abc"), STR_NONE) && !str_ends(S("c"), S("bc")));
}

static void test_cutting(void **state)
{
    struct str head, tail;
    assert_true(str_cut(S("a=b=c"), '=', &head, &tail));
    assert_str(head, "a");
    assert_str(tail, "b=c");
    assert_false(str_cut(S("abc"), '=', &head, &tail));
    assert_str(head, "abc");
    assert_str(tail, "");
    assert_true(str_cut(S("abc="), '=', &head, &tail));
    assert_str(tail, "");
    assert_false(str_cut(STR_NONE, '=', &head, &tail));
    assert_str(str_trim(S(" \t a b \t")), "a b");
    assert_str(str_trim(S(" \t ")), "");
    assert_str(str_trim(S("\na\n")), "\na\n");
    assert_str(str_from(S("abc"), 1), "bc");
    assert_str(str_from(S("abc"), 9), "");
}

static void test_find(void **state)
{
    size_t at = 99;
    assert_true(str_find(S("hay needle"), S("needle"), &at));
    assert_int_equal(at, 4);
    assert_false(str_find(S("hay"), S("needle"), &at));
    assert_false(str_find(STR_NONE, S("x"), &at));
    assert_true(str_find(STR_NONE, STR_NONE, &at));
    assert_int_equal(at, 0);
}

static void test_u64(void **state)
{
    uint64_t v = 7;
    assert_true(str_u64(S("18446744073709551615"), &v));
    assert_true(v == UINT64_MAX);
    assert_true(str_u64(S("007"), &v));
    assert_true(v == 7);
    const char *bad[] = {"", "18446744073709551616", "99999999999999999999", "-1", "+1", " 1", "1 ", "1.0", "0x1"};
    for (size_t i = 0; i < COUNTOF(bad); i++) assert_false(str_u64(str_z(bad[i]), &v));
    assert_true(v == 7);
}

/* Every code point written by the rules of RFC 3629 is read back; every other sequence of up to four bytes is refused. */
static void test_utf8_all(void **state)
{
    size_t good = 0;
    for (uint32_t word = 0; word < 0x1000000; word++) { /* all three-byte sequences */
        char p[3] = {(char)(word >> 16), (char)(word >> 8), (char)word};
        uint32_t point;
        if (str_utf8_at(str_make(p, 3), 0, &point) != 3) continue;
        assert_true(point >= 0x800 && point <= 0xFFFF && (point < 0xD800 || point > 0xDFFF));
        assert_true((unsigned char)p[0] == (0xE0 | point >> 12) && (unsigned char)p[2] == (0x80 | (point & 0x3F)));
        good++;
    }
    assert_int_equal(good, 0x10000 - 0x800 - 0x800);
}

static void test_utf8_edges(void **state)
{
    const char *good[] = {
        "", "abc", "\xc2\x80", "\xdf\xbf", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    const struct {
        const char *text;
        size_t at;
    } bad[] = {
        {"\x80", 0},
        {"a\xc2", 1},
        {"12345678\xc1\xbf", 8},
        {"\xe0\x9f\xbf", 0},
        {"\xed\xa0\x80", 0},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"1234567\xe2\x82", 7},
        {"\xff", 0},
    };
    for (size_t i = 0; i < COUNTOF(good); i++) assert_true(str_is_utf8(str_z(good[i]), NULL));
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        size_t at = 99;
        assert_false(str_is_utf8(str_z(bad[i].text), &at));
        assert_int_equal(at, bad[i].at);
    }
    uint32_t point;
    assert_int_equal(str_utf8_at(S("a\xf0\x9f\x98\x80"), 1, &point), 4);
    assert_int_equal(point, 0x1F600);
    assert_int_equal(str_utf8_at(S("a"), 1, &point), 0);
}

/* Every byte at one place among plain ones. */
static void check_plain_runs(char *text, size_t n, size_t at)
{
    for (int c = 0; c < 256; c++) {
        memset(text, 'a' + (int)(at % 20), n);
        text[at] = (char)c;
        bool is_plain = c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
        assert_int_equal(str_plain_run(str_make(text, n), 0), is_plain ? n : at);
        assert_int_equal(str_plain_run(str_make(text, n), at), is_plain ? n - at : 0);
    }
}

/* At every place of texts of every length: the block ends where the text does, so that nothing behind it is read unnoticed. */
static void test_plain_run(void **state)
{
    for (size_t n = 1; n <= 40; n++) {
        char *text = mem_alloc(n);
        for (size_t at = 0; at < n; at++) check_plain_runs(text, n, at);
        free(text);
    }
    assert_int_equal(str_plain_run(STR_NONE, 0), 0);
}

static void test_copy(void **state)
{
    char *z = str_dup_z(S("ab"));
    assert_string_equal(z, "ab");
    free(z);
    z = str_dup_z(STR_NONE);
    assert_string_equal(z, "");
    free(z);
}

static void test_distance(void **state)
{
    assert_int_equal(str_distance(S("kitten"), S("sitting")), 3);
    assert_int_equal(str_distance(S("gpt-4o"), S("gpt4o")), 1);
    assert_int_equal(str_distance(STR_NONE, S("abc")), 3);
    assert_int_equal(str_distance(S("abc"), S("abc")), 0);
    char longest[65];
    memset(longest, 'a', sizeof longest);
    assert_int_equal(str_distance(str_make(longest, 64), STR_NONE), 64);
    assert_int_equal(str_distance(str_make(longest, 65), str_make(longest, 65)), UINT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),   cmocka_unit_test(test_cutting),  cmocka_unit_test(test_find),
        cmocka_unit_test(test_u64),       cmocka_unit_test(test_utf8_all), cmocka_unit_test(test_utf8_edges),
        cmocka_unit_test(test_plain_run), cmocka_unit_test(test_copy),     cmocka_unit_test(test_distance),
    };
    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
