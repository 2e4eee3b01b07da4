/* Tests of the scan: the grammar's corners, what is told about errors, twins against each other and against yyjson. */
#include "base/test.h"
#include "json/oracle.h"

#include <stdlib.h>

static struct json_tape tape;

static char *exact; /* the text at hand, copied into a block of its size so that ASan sees a byte too far */

static enum err scan_all(struct str text, const struct json_limits *limits, struct fault *why)
{
    free(exact);
    exact = malloc(text.n ? text.n : 1);
    if (text.n) memcpy(exact, text.p, text.n);
    return oracle_scan(&tape, str_make(exact, text.n), limits, why);
}

/* Each text is also looked at behind and before spaces, so that it meets every step of the vectors. */
static bool accepts(struct str text)
{
    struct fault why;
    struct buf moved;
    bool accepted = scan_all(text, NULL, &why) == OK;
    buf_init(&moved, 1000);
    for (size_t before = 0; before < 70; before += 3) {
        buf_clear(&moved);
        buf_fmt(&moved, "%*s", (int)before, "");
        buf_str(&moved, text);
        buf_fmt(&moved, "%*s", (int)(70 - before), "");
        assert_int_equal(scan_all(buf_view(&moved), NULL, &why) == OK, accepted);
    }
    buf_done(&moved);
    return accepted;
}

static const struct str ACCEPTED[] = {
    S("null"),
    S("true"),
    S("false"),
    S("0"),
    S("-0"),
    S("1"),
    S("-1"),
    S("10"),
    S("0.0"),
    S("1.5"),
    S("1e5"),
    S("1E5"),
    S("1e+5"),
    S("1e-05"),
    S("0e0"),
    S("1.0E+2"),
    S("123456789012345678901234567890"),
    S("1e999"),
    S("\"\""),
    S("\"a\""),
    S("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    S("\"\\u0000\""),
    S("\"\\uD83D\\uDE00\""),
    S("\"\\ud83d\\ude00x\""),
    S("\"\\uFFFF\""),
    S("\"\\uDBFF\\uDFFF\""),
    S("\"\x7f\""),
    S("\"\xc2\x80\""),
    S("\"\xef\xbf\xbf\""),
    S("\"\xf4\x8f\xbf\xbf\""),
    S("\"\xed\x9f\xbf\""),
    S("\"/\""),
    S("[]"),
    S("{}"),
    S("[[]]"),
    S("[1,2]"),
    S("[ 1 , 2 ]"),
    S("{\"\":0}"),
    S("{\"a\":1,\"b\":2}"),
    S("\t\n\r {\n}\n"),
    S("[{\"a\":1,\"a\":2}]"),
    S("{\"x\":{\"a\":1,\"a\":2}}"),
    S("[{},[],{},[[]],\"\",0,null]"),
    S("{\"a\":\"\\u0061\"}"),
    S("[\"\xe2\x80\xa8\"]"),
    S("{\"a\":[],\"A\":[]}"),
    S("[0,-1.5e-3,true]"),
};

static void test_accepted(void **state)
{
    for (size_t i = 0; i < COUNTOF(ACCEPTED); i++) {
        if (accepts(ACCEPTED[i])) continue;
        print_error("refused: %.*s\n", STR_ARG(ACCEPTED[i]));
        fail();
    }
}

static const struct str REFUSED[] = {
    S(""),
    S(" "),
    S("nul"),
    S("nulll"),
    S("True"),
    S("NaN"),
    S("Infinity"),
    S("-"),
    S("+1"),
    S("01"),
    S("-01"),
    S("1."),
    S(".5"),
    S("1.e1"),
    S("1e"),
    S("1e+"),
    S("0x1"),
    S("1_0"),
    S("--1"),
    S("1 2"),
    S("\""),
    S("\"a"),
    S("\"\\\""),
    S("\"\\"),
    S("\"\\x41\""),
    S("\"\\u12\""),
    S("\"\\u123g\""),
    S("\"\\U0041\""),
    S("\"\\ud83d\""),
    S("\"\\ude00\""),
    S("\"\\ud83d\\u0041\""),
    S("\"\\ud83dx\""),
    S("\"\\ud83d\\ud83d\""),
    S("\"\\ude00\\ud83d\""),
    S("\"a\nb\""),
    S("\"\t\""),
    S("\"\x1f\""),
    S("\"\0\""),
    S("'a'"),
    S("\"\x80\""),
    S("\"\xc0\x80\""),
    S("\"\xc1\xbf\""),
    S("\"\xe0\x9f\xbf\""),
    S("\"\xed\xa0\x80\""),
    S("\"\xf0\x8f\xbf\xbf\""),
    S("\"\xf4\x90\x80\x80\""),
    S("\"\xf5\x80\x80\x80\""),
    S("\"\xff\""),
    S("\"\xe2\x82\""),
    S("\"\xe2\x82"),
    S("["),
    S("]"),
    S("{"),
    S("}"),
    S("[1"),
    S("[1,"),
    S("[1,]"),
    S("[,1]"),
    S("[1 2]"),
    S("[1}"),
    S("{1:2}"),
    S("{\"a\"}"),
    S("{\"a\":}"),
    S("{\"a\":1,}"),
    S("{,}"),
    S("{\"a\":1"),
    S("{\"a\""),
    S("{\"a\":1]"),
    S("{\"a\" 1}"),
    S("{a:1}"),
    S("{\"a\":1 \"b\":2}"),
    S("[1]]"),
    S("{}{}"),
    S("[]x"),
    S("\xef\xbb\xbf{}"),
    S("// x\n1"),
    S("/**/1"),
    S("[1,/**/2]"),
    S("\xc2\xa0 1"),
    S("\x0b"
      "1"),
    S("1\0"),
    S("\0"),
    S("{\"a\":1,\"a\":2}"),
    S("{\"model\":1,\"mod\\u0065l\":2}"),
    S("{\"a\":1,\"b\":2,\"\\u0061\":2}"),
    S("{\"\":1,\"\":2}"),
    S("[truefalse]"),
    S("[1,,2]"),
    S("{\"a\":nul}"),
    S("[\"a\":1]"),
    S("{\"a\":1:2}"),
    S("{[]:1}"),
    S("-a"),
    S("[-]"),
    S("[1e]"),
    S("\"\\u00\""),
    S("\"\\ud83d\\u\""),
};

static void test_refused(void **state)
{
    for (size_t i = 0; i < COUNTOF(REFUSED); i++) {
        if (!accepts(REFUSED[i])) continue;
        print_error("accepted: %.*s\n", STR_ARG(REFUSED[i]));
        fail();
    }
}

static void test_where(void **state)
{
    static const struct {
        struct str text;
        const char *said;
    } CASES[] = {
        {S("{\"a\":1,}"), "a name in quotes is missing, at byte 7."},
        {S("[1 2]"), "a ',' or the closing bracket is missing, at byte 3."},
        {S("[1,"), "the text ends too early, at byte 3."},
        {S(""), "the text ends too early, at byte 0."},
        {S("\"ab\x01\""), "a string has a control character that must be escaped, at byte 3."},
        {S("\"ab\\q\""), "a string has an unknown escape, at byte 3."},
        {S("\"ab\\u12x4\""), "a \\u escape needs four hexadecimal digits, at byte 3."},
        {S("\"\\ud800\""), "a \\u escape is one half of a surrogate pair, at byte 1."},
        {S("\"\xc3\xa9\xc3(\""), "a string is not UTF-8, at byte 3."},
        {S("\"abc"), "the text ends within a string, at byte 4."},
        {S("{\"a\":1,\"\\u0061\":2}"), "a name stands twice in the outermost object, at byte 7."},
        {S("[01]"), "a number is not written as JSON wants it, at byte 1."},
        {S("{}\n x"), "something stands after the value, at byte 4."},
        {S("{\"a\" 1}"), "the ':' after a name is missing, at byte 5."},
        {S("[tru]"), "an unknown word stands where a value should be, at byte 1."},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct fault why;
        assert_int_equal(scan_all(CASES[i].text, NULL, &why), ERR_BAD_JSON);
        assert_string_equal(why.text + strlen("This is not valid JSON: "), CASES[i].said);
        assert_int_equal(tape.n, 0);
    }
}

static void nested_of(struct buf *out, size_t depth, const char *open, const char *close)
{
    buf_clear(out);
    for (size_t i = 0; i < depth; i++) buf_str(out, str_z(open));
    buf_char(out, '1');
    for (size_t i = 0; i < depth; i++) buf_str(out, str_z(close));
}

static void test_depth(void **state)
{
    struct buf text;
    struct fault why;
    buf_init(&text, SIZE_MAX);
    nested_of(&text, 512, "[", "]");
    assert_int_equal(scan_all(buf_view(&text), NULL, &why), OK);
    nested_of(&text, 513, "[", "]");
    assert_int_equal(scan_all(buf_view(&text), NULL, &why), ERR_BAD_JSON);
    assert_non_null(strstr(why.text, "nested deeper than allowed, at byte 512."));
    nested_of(&text, 100000, "{\"a\":", "}");
    assert_int_equal(scan_all(buf_view(&text), NULL, &why), ERR_BAD_JSON);
    struct json_limits deepest = {JSON_DEPTH_MAX, JSON_DEPTH_MAX};
    nested_of(&text, JSON_DEPTH_MAX, "[", "]");
    assert_int_equal(scan_all(buf_view(&text), &deepest, &why), OK);
    nested_of(&text, JSON_DEPTH_MAX + 1, "[", "]");
    assert_int_equal(scan_all(buf_view(&text), &deepest, &why), ERR_BAD_JSON);
    struct json_limits flat = {0, 1};
    assert_int_equal(scan_all(S("1"), &flat, &why), OK);
    assert_int_equal(scan_all(S("[]"), &flat, &why), ERR_BAD_JSON);
    buf_done(&text);
}

static void test_nodes(void **state)
{
    struct fault why;
    json_tape_done(&tape);
    json_tape_init(&tape, 5);
    assert_int_equal(scan_all(S("[1,2,3,4]"), NULL, &why), OK);
    assert_int_equal(scan_all(S("[1,2,3,4,5]"), NULL, &why), ERR_BAD_JSON);
    assert_non_null(strstr(why.text, "more values than allowed"));
    json_tape_done(&tape);
    json_tape_init(&tape, 0);
    struct buf text;
    buf_init(&text, SIZE_MAX);
    buf_str(&text, S("[0"));
    for (int i = 0; i < 3000; i++) buf_str(&text, S(",0"));
    buf_char(&text, ']');
    assert_int_equal(scan_all(buf_view(&text), NULL, &why), OK);
    assert_int_equal(tape.n, 3002);
    struct json_node *kept = tape.nodes;
    assert_int_equal(json_scan(&tape, buf_view(&text), NULL, &why), OK); /* used again without allocating */
    assert_ptr_equal(tape.nodes, kept);
    json_tape_trim(&tape, 100);
    assert_int_equal(tape.cap, 100);
    assert_int_equal(json_scan(&tape, buf_view(&text), NULL, &why), OK);
    json_tape_trim(&tape, 0);
    assert_null(tape.nodes);
    for (int i = 0; i < 100000; i++) buf_str(&text, S(",0"));
    buf_drop_head(&text, text.n - 200000);
    text.p[0] = '[';
    buf_char(&text, ']');
    assert_int_equal(json_scan(&tape, buf_view(&text), NULL, &why), OK);
    assert_true(tape.cap > 90000);
    assert_int_equal(json_scan(&tape, S("{\"a\":1}"), NULL, &why), OK); /* a small one gives the memory back */
    assert_true(tape.cap < 90000);
    assert_int_equal(tape.n, 3);
    buf_done(&text);
}

/* With record_depth the same is checked, and the members that are recorded are the same; what is in them is not. */
/* A long string that begins so, at any depth and place, is noticed by every twin; nothing else is. */
static void test_mark(void **state)
{
    const struct json_limits limits = {.max_depth = 16, .record_depth = 1, .mark = JSON_MARK('a', 'q', '1')};
    static const struct {
        const char *text;
        bool marked;
    } CASES[] = {
        {"{\"a\":[{\"b\":\"aq1.0123456789012345678901234567\"}]}", true},
        {"{\"a\":[{\"b\":\"aq1.012345678901234567890123456\"}]}", false}, /* 31 bytes */
        {"{\"a\":[{\"b\":\"aq2.0123456789012345678901234567\"}]}", false},
        {"{\"a\":[{\"b\":\" aq1.012345678901234567890123456\"}]}", false},
        {"{\"aq1.0123456789012345678901234567\":1}", true},
        {"\"aq1.0123456789012345678901234567\\n\"", true},
        {"[\"aq1\",\"q1.aq1.aq1.aq1.aq1.aq1.aq1.aq1.aq1.\"]", false},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        for (int before = 0; before < 70; before++) {
            struct buf text;
            buf_init(&text, 1000);
            buf_fmt(&text, "%*s%s%70s", before, "", CASES[i].text, "");
            assert_int_equal(scan_all(buf_view(&text), &limits, NULL), OK);
            assert_int_equal(tape.marked, CASES[i].marked);
            assert_int_equal(scan_all(buf_view(&text), NULL, NULL), OK);
            assert_false(tape.marked);
            buf_done(&text);
        }
    }
}

static void test_top(void **state)
{
    struct json_limits top = JSON_LIMITS_TOP;
    struct fault why;
    assert_int_equal(scan_all(S("{\"a\":[1,{\"b\":2}],\"c\":{},\"d\":\"x\",\"e\":[]}"), &top, &why), OK);
    assert_int_equal(tape.n, 9);
    assert_int_equal(tape.nodes[2].flags, JSON_SHUT);
    assert_str(json_raw(&tape, json_find(&tape, 0, S("a"))), "[1,{\"b\":2}]");
    assert_str(json_raw(&tape, json_find(&tape, 0, S("c"))), "{}");
    assert_str(json_raw(&tape, json_find(&tape, 0, S("d"))), "\"x\"");
    assert_str(json_raw(&tape, json_find(&tape, 0, S("e"))), "[]");
    assert_int_equal(scan_all(S("{\"a\":[1,{\"b\":2x}]}"), &top, &why), ERR_BAD_JSON);
    assert_int_equal(scan_all(S("{\"a\":[1,{\"b\":2]]}"), &top, &why), ERR_BAD_JSON);
    assert_int_equal(scan_all(S("{\"a\":[1],\"a\":[2]}"), &top, &why), ERR_BAD_JSON);
    struct json_limits two = {512, 2};
    assert_int_equal(scan_all(S("{\"a\":{\"b\":{\"c\":1}}}"), &two, &why), OK);
    assert_int_equal(tape.n, 5);
    assert_str(json_raw(&tape, json_path(&tape, 0, "a", "b")), "{\"c\":1}");
}

static void test_many_names(void **state)
{
    static const int COUNTS[] = {2, 63, 64, 65, 66, 3000};
    struct buf text;
    struct fault why;
    buf_init(&text, SIZE_MAX);
    for (size_t i = 0; i < COUNTOF(COUNTS); i++) {
        buf_clear(&text);
        for (int k = 0; k < COUNTS[i]; k++) buf_fmt(&text, "%c\"name%d\\t\":%d", k ? ',' : '{', k, k);
        struct str open = buf_view(&text);
        buf_char(&text, '}');
        assert_int_equal(scan_all(buf_view(&text), NULL, &why), OK);
        text.n = open.n;
        buf_str(&text, S(",\"n\\u0061me1\\u0009\":0}"));
        assert_int_equal(scan_all(buf_view(&text), NULL, &why), ERR_BAD_JSON);
        assert_non_null(strstr(why.text, "stands twice"));
    }
    buf_done(&text);
}

/* Every byte at every place of a string, at every distance to the text's end. */
static void test_every_place(void **state)
{
    char text[210];
    struct fault why;
    for (size_t n = 60; n < sizeof text; n += 11) {
        for (size_t at = 1; at < n - 1; at++) {
            for (unsigned c = 0; c < 256; c++) {
                memset(text, 'a', n);
                text[0] = text[n - 1] = '"';
                text[at] = (char)c;
                scan_all(str_make(text, n), NULL, &why);
            }
        }
    }
}

/* All characters of two, three and four bytes' edges, good and bad, across the borders of a vector. */
static void test_utf8_borders(void **state)
{
    static const unsigned char EDGES[] = {0x22, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1,
                                          0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF};
    struct fault why;
    char text[100];
    for (size_t i = 0; i < COUNTOF(EDGES) * COUNTOF(EDGES) * COUNTOF(EDGES) * 3; i++) {
        size_t a = i % 22, b = i / 22 % 22, c = i / 484 % 22, at = (i % 2 ? 28 : 60) + i % 9;
        memset(text, 'x', sizeof text);
        text[0] = text[sizeof text - 1] = '"';
        memcpy(text + 4, "\xc3\xa9", 2); /* begins a run beyond ASCII early */
        text[at] = (char)EDGES[a];
        text[at + 1] = (char)EDGES[b];
        text[at + 2] = (char)EDGES[c];
        text[at + 3] = (char)(i % 2 ? 0x80 : 0xBF);
        scan_all(str_make(text, sizeof text), NULL, &why);
    }
}

/* Runs of backslashes of every length, at every distance to the borders of a block, and what may stand behind them. */
static void test_backslash_borders(void **state)
{
    static const struct str BEHIND[] = {S("\""),           S("n"),  S("x"),        S("u0041"),    S("u00"), S("\xc3\xa9"),
                                        S("ud83d\\ude00"), S("\t"), S("ud83d\\u"), S("\",\"\\\\")};
    struct buf text;
    struct fault why;
    buf_init(&text, SIZE_MAX);
    for (size_t i = 0; i < COUNTOF(BEHIND) * 70 * 140; i++) {
        size_t n = i / COUNTOF(BEHIND) % 70, before = i / COUNTOF(BEHIND) / 70;
        buf_clear(&text);
        buf_str(&text, S("[\""));
        for (size_t k = 0; k < before; k++) buf_char(&text, 'x');
        for (size_t k = 0; k < n; k++) buf_char(&text, '\\');
        buf_str(&text, BEHIND[i % COUNTOF(BEHIND)]);
        buf_str(&text, S("\"]"));
        oracle_scan(&tape, buf_view(&text), NULL, &why);
        buf_str(&text, S("                                                                      "));
        oracle_scan(&tape, buf_view(&text), NULL, &why);
    }
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_where),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_top),
        cmocka_unit_test(test_mark),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_every_place),
        cmocka_unit_test(test_utf8_borders),
        cmocka_unit_test(test_backslash_borders),
    };
    json_tape_init(&tape, 0);
    int failed = cmocka_run_group_tests_name("scan", tests, NULL, NULL);
    json_tape_done(&tape);
    free(exact);
    return failed;
}
