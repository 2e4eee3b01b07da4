/* Fields: lookup, names and values. */
#include "base/test.h"
#include "http/http.h"

static void finds_the_first_in_any_case(void **state)
{
    (void)state;
    const struct http_field at[] = {
        {S("content-type"), S("text/plain")}, {S("x-a"), S("1")}, {S("x-a"), S("2")}, {S("x-empty"), S("")}};
    struct http_fields f = {at, COUNTOF(at)};
    assert_true(str_eq(http_field_get(f, S("x-a")), S("1")));
    assert_true(str_eq(http_field_get(f, S("Content-Type")), S("text/plain")));
    assert_null(http_field_get(f, S("x-b")).p);
    assert_null(http_field_get((struct http_fields){NULL, 0}, S("x-a")).p);
    struct str empty = http_field_get(f, S("x-empty"));
    assert_non_null(empty.p);
    assert_int_equal(empty.n, 0);
}

static void names_are_tokens(void **state)
{
    (void)state;
    assert_true(http_field_is_token(S("x-Request_id.1~")));
    static const struct str BAD[] = {S(""), S("a b"), S("a:"), S("a\r"), S("(x)"), S("\xC3\xA4"), S("a\0b")};
    for (size_t i = 0; i < COUNTOF(BAD); i++) assert_false(http_field_is_token(BAD[i]));
}

static void values_end_no_line(void **state)
{
    (void)state;
    static const struct str GOOD[] = {S(""), S("a b\tc"), S("\xC3\xA4"), S("\"q\"; x=1")};
    static const struct str BAD[] = {S("a\r\nb"), S("\n"), S("a\0b"), S("\x7F"), S("\x01")};
    for (size_t i = 0; i < COUNTOF(GOOD); i++) assert_true(http_field_value_is_valid(GOOD[i]));
    for (size_t i = 0; i < COUNTOF(BAD); i++) assert_false(http_field_value_is_valid(BAD[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_first_in_any_case),
        cmocka_unit_test(names_are_tokens),
        cmocka_unit_test(values_end_no_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
