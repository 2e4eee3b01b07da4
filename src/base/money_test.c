/* Tests of money as text. */
#include "base/test.h"

static void test_text(void **state)
{
    const struct {
        const char *in, *out; /* out NULL: the same */
    } good[] = {
        {"0", NULL},
        {"0.15", NULL},
        {"0.000000000001", NULL},
        {"12", NULL},
        {"999999999999999.999999999999", NULL},
        {"0.60", "0.6"},
        {"1.000", "1"},
        {"100", NULL},
    };
    struct buf out;
    buf_init(&out, 100);
    for (size_t i = 0; i < COUNTOF(good); i++) {
        money value;
        assert_true(money_parse(str_z(good[i].in), &value));
        buf_clear(&out);
        money_write(&out, value);
        assert_string_equal(buf_z(&out), good[i].out ? good[i].out : good[i].in);
    }
    buf_done(&out);
}

static void test_refused(void **state)
{
    const char *bad[] = {
        "",      ".",  "-1",     "+1",  "1e3", "1.", ".5", "1,5", " 1", "1 ", "0.0000000000001", "01", "00", "1000000000000000",
        "1.5.0", "$1", "1.5e-3", "inf", "nan", "0x1"};
    money value = 42;
    for (size_t i = 0; i < COUNTOF(bad); i++) assert_false(money_parse(str_z(bad[i]), &value));
    assert_true(value == 42);
}

static void test_sums(void **state)
{
    struct buf out;
    buf_init(&out, 100);
    money_write(&out, -MONEY_DOLLAR / 2);
    buf_char(&out, ' ');
    money_write(&out, MONEY_DOLLAR * INT64_MAX); /* far over 64 bits */
    buf_char(&out, ' ');
    money_write(&out, (money)((unsigned __int128)1 << 127));
    assert_str(buf_view(&out), "-0.5 9223372036854775807 -170141183460469231731687303.715884105728");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_refused), cmocka_unit_test(test_sums)};
    return cmocka_run_group_tests_name("money", tests, NULL, NULL);
}
