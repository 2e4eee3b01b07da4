/* Tests of splicing and of planned changes: exact texts, and a property over every choice of changes. */
#include "base/test.h"
#include "json/json.h"

static struct json_tape tape;
static struct buf joined;

static struct str join(struct str src, const struct json_edit *edits, size_t n)
{
    struct str pieces[JSON_PIECES(64)];
    size_t n_pieces = json_splice(src, edits, n, pieces);
    assert_true(n_pieces <= JSON_PIECES(n));
    buf_clear(&joined);
    for (size_t i = 0; i < n_pieces; i++) {
        assert_true(pieces[i].n > 0);
        buf_str(&joined, pieces[i]);
    }
    assert_int_equal(joined.n, json_pieces_len(pieces, n_pieces));
    return buf_view(&joined);
}

static void test_splice(void **state)
{
    const struct json_edit edits[] = {{0, 1, S("A")}, {1, 0, S("+")}, {1, 0, S("-")}, {3, 2, STR_NONE}, {6, 0, S("!")}};
    assert_str(join(S("abcdef"), edits, 5), "A+-bcf!");
    assert_str(join(S("abcdef"), edits, 0), "abcdef");
    assert_str(join(STR_NONE, NULL, 0), "");
    const struct json_edit all[] = {{0, 6, STR_NONE}};
    assert_str(join(S("abcdef"), all, 1), "");
    struct json_edit mixed[] = {{5, 1, S("F")}, {2, 0, S("1")}, {0, 1, S("A")}, {2, 0, S("2")}};
    json_sort_edits(mixed, 4);
    assert_str(join(S("abcdef"), mixed, 4), "Ab12cdeF");
    struct json_edit within[] = {{1, 4, S("-")}, {2, 1, S("no")}, {4, 0, S("no")}, {1, 0, S("+")}, {5, 0, S("!")}};
    json_sort_edits(within, 5);
    assert_str(join(S("abcdef"), within, 5), "a+-!f");
}

static struct str changed(struct str text, const struct json_change *changes, size_t n)
{
    struct json_edit edits[JSON_EDITS(8)];
    struct fault why;
    assert_int_equal(json_scan(&tape, text, NULL, &why), OK);
    size_t n_edits = json_plan(&tape, 0, changes, n, edits);
    assert_true(n_edits <= JSON_EDITS(n));
    return join(text, edits, n_edits);
}

static void test_plan(void **state)
{
    const struct json_change set[] = {{JSON_SET, S("model"), S("\"x\"")}};
    assert_str(changed(S("{ \"mod\\u0065l\" : \"long name\" , \"n\":1.50}"), set, 1), "{ \"mod\\u0065l\" : \"x\" , \"n\":1.50}");
    assert_str(changed(S("{\"n\":1 }"), set, 1), "{\"n\":1 ,\"model\":\"x\"}");
    assert_str(changed(S("{ }"), set, 1), "{ \"model\":\"x\"}");
    const struct json_change keep[] = {{JSON_DEFAULT, S("n"), S("5")}, {JSON_DEFAULT, S("m"), S("6")}};
    assert_str(changed(S("{\"n\":null}"), keep, 2), "{\"n\":null,\"m\":6}");
    const struct json_change drop[] = {
        {JSON_DROP, S("a"), STR_NONE}, {JSON_DROP, S("b"), STR_NONE}, {JSON_DEFAULT, S("z"), S("{}")}};
    assert_str(changed(S("{\"a\":1, \"b\":2, \"c\":3}"), drop, 2), "{\"c\":3}");
    assert_str(changed(S("{\"c\":3, \"a\":1 , \"b\":2 }"), drop, 2), "{\"c\":3 }");
    assert_str(changed(S("{\"a\":1,\"c\":3,\"b\":[1,2],\"d\":0}"), drop, 3), "{\"c\":3,\"d\":0,\"z\":{}}");
    assert_str(changed(S("{\"a\":1,\"b\":2}"), drop, 3), "{\"z\":{}}");
    assert_str(changed(S("{\"a\":{\"a\":1}}"), drop, 2), "{}");
}

static void test_plan_nested(void **state)
{
    struct json_edit edits[JSON_EDITS(2)];
    struct fault why;
    struct str text = S("{\"model\":\"m\",\"stream_options\":{\"x\":1,\"x\":2}}");
    const struct json_change usage[] = {{JSON_SET, S("include_usage"), S("true")}},
                             model[] = {{JSON_SET, S("model"), S("\"q\"")}};
    const struct json_change twice[] = {{JSON_DROP, S("x"), STR_NONE}};
    assert_int_equal(json_scan(&tape, text, NULL, &why), OK);
    size_t n = json_plan(&tape, json_find(&tape, 0, S("stream_options")), usage, 1, edits);
    n += json_plan(&tape, 0, model, 1, edits + n);
    json_sort_edits(edits, n);
    assert_str(join(text, edits, n), "{\"model\":\"q\",\"stream_options\":{\"x\":1,\"x\":2,\"include_usage\":true}}");
    assert_true(json_plan(&tape, json_find(&tape, 0, S("stream_options")), twice, 1, edits) == JSON_TWICE);
}

static bool has(struct str text, struct str name, struct str value)
{
    struct fault why;
    assert_int_equal(json_scan(&tape, text, NULL, &why), OK);
    uint32_t found = json_find(&tape, 0, name);
    return value.p ? found && str_eq(json_raw(&tape, found), value) : !found;
}

/* Five members with every combination of dropped, set and kept: the result is valid and holds what it should. */
static void test_every_choice(void **state)
{
    static const struct str NAMES[] = {S("a"), S("b"), S("c"), S("d"), S("e")};
    struct str text = S("{ \"a\" : 0,\"b\":[0 ] , \"c\":\"0\", \"d\":{\"a\":0}\n,\"e\":null }");
    static const struct str VALUES[] = {S("0"), S("[0 ]"), S("\"0\""), S("{\"a\":0}"), S("null")};
    for (int choice = 0; choice < 3 * 3 * 3 * 3 * 3; choice++) {
        struct json_change changes[6];
        struct buf result;
        size_t n = 0;
        int rest = choice;
        for (size_t i = 0; i < COUNTOF(NAMES); i++, rest /= 3)
            if (rest % 3) changes[n++] = (struct json_change){rest % 3 == 1 ? JSON_DROP : JSON_SET, NAMES[i], S("\"new\"")};
        changes[n++] = (struct json_change){JSON_DEFAULT, S("f"), S("1")};
        buf_init(&result, 1000);
        buf_str(&result, changed(text, changes, n));
        rest = choice;
        for (size_t i = 0; i < COUNTOF(NAMES); i++, rest /= 3)
            assert_true(has(buf_view(&result), NAMES[i], rest % 3 == 0 ? VALUES[i] : rest % 3 == 1 ? STR_NONE : S("\"new\"")));
        assert_true(has(buf_view(&result), S("f"), S("1")));
        buf_done(&result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splice),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_plan_nested),
        cmocka_unit_test(test_every_choice),
    };
    json_tape_init(&tape, 0);
    buf_init(&joined, 10000);
    int failed = cmocka_run_group_tests_name("splice", tests, NULL, NULL);
    json_tape_done(&tape);
    buf_done(&joined);
    return failed;
}
