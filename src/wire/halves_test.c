/* Halves of surrogate pairs in events: joined where they belong together, left to be refused where they do not. */
#include "base/test.h"
#include "wire/wire.h"

static struct wire_halves halves;

static void joins(const char *data, bool changed, const char *wanted)
{
    struct buf out;
    buf_init(&out, KIB(4));
    assert_int_equal(wire_join_halves(&halves, str_z(data), &out), changed);
    assert_string_equal(buf_z(&out), wanted);
    buf_done(&out);
}

static void test_across_events(void **state)
{
    (void)state;
    halves = (struct wire_halves){0};
    joins("{\"text\":\"a \\ud83d\"}", true, "{\"text\":\"a \"}");
    assert_true(halves.waits);
    joins("{\"text\":\"\\ude00 b\"}", true, "{\"text\":\"\\ud83d\\ude00 b\"}");
    assert_false(halves.waits);
    joins("{\"text\":\"\\uD83D\"}", true, "{\"text\":\"\"}");
    joins("{\"type\":\"ping\"}", false, "{\"type\":\"ping\"}");
    joins("{\"text\":\"\\uDE00\\uD83D\"}", true, "{\"text\":\"\\uD83D\\uDE00\"}");
    assert_true(halves.waits);
}

static void test_left_alone(void **state)
{
    (void)state;
    static const char *const WHOLE[] = {
        "{\"text\":\"\\ud83d\\ude00\"}", /* a pair */
        "{\"text\":\"\\\\ud83d\"}",      /* a backslash and plain letters */
        "{\"text\":\"\\ude00\"}",        /* a second half without a first */
        "{\"text\":\"\\ud83d x\"}",      /* a first half within a text */
        "{\"text\":\"x\\\"\\ude00\"}",   /* behind a quote of the text itself */
        "{\"text\":\"\\u00fc \\n \\ud8", /* cut within an escape */
        "",
        "\\",
    };
    for (unsigned i = 0; i < COUNTOF(WHOLE); i++) {
        halves = (struct wire_halves){0};
        joins(WHOLE[i], false, WHOLE[i]);
        assert_false(halves.waits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_across_events), cmocka_unit_test(test_left_alone)};
    return cmocka_run_group_tests_name("wire.halves", tests, NULL, NULL);
}
