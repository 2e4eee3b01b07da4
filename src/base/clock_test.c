/* Tests of time: the calendar against libc over every day of it, and the two texts. */
#include "base/test.h"

#include <time.h>

static void test_every_day(void **state)
{
    for (int32_t day = -719528; day <= 2932896; day++) {
        char text[11];
        int32_t back = 1;
        clock_day_text(day, text);
        assert_true(clock_parse_day(str_z(text), &back));
        assert_int_equal(back, day);
    }
    for (int32_t day = -719528; day <= 2932896; day += 97) {
        char text[11], want[16];
        time_t seconds = (time_t)day * 86400;
        struct tm tm;
        gmtime_r(&seconds, &tm);
        assert_true(strftime(want, sizeof want, "-%m-%d", &tm));
        clock_day_text(day, text);
        assert_string_equal(text + 4, want);
        assert_int_equal(clock_month((int64_t)day * 86400000), (tm.tm_year + 1900) * 12 + tm.tm_mon);
    }
}

static void test_day_of_time(void **state)
{
    assert_int_equal(clock_day(0), 0);
    assert_int_equal(clock_day(-1), -1);
    assert_int_equal(clock_day(86399999), 0);
    assert_int_equal(clock_day(86400000), 1);
    char text[11];
    clock_day_text(clock_day(INT64_MAX), text);
    assert_string_equal(text, "9999-12-31"); /* absurd times stay within four digits */
    clock_day_text(INT32_MIN, text);
    assert_string_equal(text, "0000-01-01");
}

static void test_day_text(void **state)
{
    int32_t day = 5;
    assert_true(clock_parse_day(S("2024-02-29"), &day));
    assert_int_equal(day, 19782);
    const char *bad[] = {"",           "2023-02-29", "1900-02-29", "2024-13-01",  "2024-00-01", "2024-01-00",
                         "2024-01-32", "2024-1-1",   "24-01-01",   "2024-01-01 ", "2024/01/01", "-024-01-01"};
    for (size_t i = 0; i < COUNTOF(bad); i++) assert_false(clock_parse_day(str_z(bad[i]), &day));
    assert_int_equal(day, 19782);
}

static void test_month_end(void **state)
{
    int64_t now, end;
    char text[25];
    assert_true(clock_parse_rfc3339(S("2026-12-31T23:59:59.999Z"), &now));
    clock_rfc3339(clock_month_end_ms(now), text);
    assert_string_equal(text, "2027-01-01T00:00:00.000Z");
    end = clock_month_end_ms(now);
    clock_rfc3339(clock_month_end_ms(end), text);
    assert_string_equal(text, "2027-02-01T00:00:00.000Z");
    assert_int_equal(clock_month(now) + 1, clock_month(end));
    assert_int_equal(clock_month(end - 1), clock_month(now));
}

static void test_rfc3339(void **state)
{
    const struct {
        const char *in, *out;
    } good[] = {
        {"2026-11-23T08:16:46Z", "2026-11-23T08:16:46.000Z"},
        {"2026-11-23t08:16:46.5z", "2026-11-23T08:16:46.500Z"},
        {"2026-11-23 08:16:46.123456+02:00", "2026-11-23T06:16:46.123Z"},
        {"2026-11-23T00:16:46.007-01:30", "2026-11-23T01:46:46.007Z"},
        {"1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"},
        {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < COUNTOF(good); i++) {
        int64_t ms;
        char text[25];
        assert_true(clock_parse_rfc3339(str_z(good[i].in), &ms));
        clock_rfc3339(ms, text);
        assert_string_equal(text, good[i].out);
    }
    const char *bad[] = {"",
                         "2026-11-23",
                         "2026-11-23T08:16Z",
                         "2026-11-23T08:16:46",
                         "2026-11-23T24:00:00Z",
                         "2026-11-23T08:60:00Z",
                         "2026-11-23T08:16:61Z",
                         "2026-11-23T08:16:46.Z",
                         "2026-11-23T08:16:46+0200",
                         "2026-11-23T08:16:46+24:00",
                         "2026-11-23T08:16:46Zx",
                         "2026-02-30T00:00:00Z"};
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        int64_t ms;
        assert_false(clock_parse_rfc3339(str_z(bad[i]), &ms));
    }
}

static void test_now(void **state)
{
    uint64_t mono = clock_mono_ns();
    assert_true(clock_mono_ns() >= mono);
    assert_true(clock_wall_ms() > INT64_C(1577836800000));  /* 2020: seconds were not taken for milliseconds */
    assert_true(clock_wall_ms() < INT64_C(95617584000000)); /* 5000 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_day), cmocka_unit_test(test_day_of_time), cmocka_unit_test(test_day_text),
        cmocka_unit_test(test_month_end), cmocka_unit_test(test_rfc3339),     cmocka_unit_test(test_now),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
