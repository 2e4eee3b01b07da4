/* Tests of the document reader: values, and that each error names what and where. */
#include "base/test.h"
#include "json/json.h"

static struct json_doc *doc_of(struct str text)
{
    struct json_doc *doc = NULL;
    struct fault why;
    assert_int_equal(json_doc_read(S("t.json"), text, &doc, &why), OK);
    return doc;
}

static void test_values(void **state)
{
    struct json_doc *doc =
        doc_of(S("{\"s\":\"a\\u0062\",\"n\":0.15000,\"u\":1e3,\"i\":-5,\"t\":true,\"f\":false,\"z\":null,\"a\":[1,{\"x\":2}]}"));
    struct json_ref root = json_doc_root(doc), ref;
    struct fault why;
    struct str s = STR_NONE;
    uint64_t u = 0;
    int64_t i = 0;
    bool b = false;
    assert_int_equal(json_get_str(root, "s", &s, &why), OK);
    assert_str(s, "ab");
    assert_int_equal(json_get(root, "n", JSON_NUMBER, &ref, &why), OK);
    assert_str(json_ref_text(ref), "0.15000");
    assert_int_equal(json_get_u64(root, "u", &u, &why), OK);
    assert_int_equal(u, 1000);
    assert_int_equal(json_opt_i64(root, "i", &i, &why), OK);
    assert_int_equal(i, -5);
    assert_int_equal(json_opt_bool(root, "t", &b, &why), OK);
    assert_true(b);
    assert_int_equal(json_opt_bool(root, "f", &b, &why), OK);
    assert_false(b);
    s = S("as it was");
    assert_int_equal(json_opt_str(root, "z", &s, &why), OK);
    assert_int_equal(json_opt_str(root, "missing", &s, &why), OK);
    assert_str(s, "as it was");
    assert_int_equal(json_ref_count(json_ref_find(root, "a")), 2);
    assert_int_equal(json_ref_count(json_ref_find(root, "s")), 0);
    json_doc_free(doc);
    json_doc_free(NULL);
}

static void test_walk(void **state)
{
    struct json_doc *doc = doc_of(S("{\"a\":[[1,2],3],\"b\":{},\"c\":\"x\"}"));
    struct json_ref value;
    struct str name;
    struct buf seen;
    buf_init(&seen, 1000);
    for (struct json_walk w = json_walk(json_doc_root(doc)); json_walk_next(&w, &name, &value);)
        buf_fmt(&seen, "%.*s:%d ", STR_ARG(name), (int)json_ref_type(value));
    for (struct json_walk w = json_walk(json_ref_find(json_doc_root(doc), "a")); json_walk_next(&w, &name, &value);)
        buf_fmt(&seen, "[%zu]%d ", name.n, (int)json_ref_type(value));
    for (struct json_walk w = json_walk(json_ref_find(json_doc_root(doc), "c")); json_walk_next(&w, NULL, &value);)
        buf_str(&seen, S("no"));
    assert_str(buf_view(&seen), "a:5 b:6 c:4 [0]5 [0]3 ");
    buf_done(&seen);
    json_doc_free(doc);
}

static void test_errors_of_reading(void **state)
{
    static const struct {
        struct str text;
        const char *said;
    } CASES[] = {
        {S("{\n\"a\":1,\n\"b\"}"), "t.json: line 3: This is not valid JSON: "},
        {S(""), "t.json: line 1: This is not valid JSON: "},
        {S("{\"a\":{\"b\":1,\"\\u0062\":2}}"), "t.json: a has the name \"b\" twice."},
        {S("[{\"b\":1,\"b\":2}]"), "t.json: [0] has the name \"b\" twice."},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct json_doc *doc = NULL;
        struct fault why;
        assert_int_equal(json_doc_read(S("t.json"), CASES[i].text, &doc, &why), ERR_BAD_JSON);
        assert_memory_equal(why.text, CASES[i].said, strlen(CASES[i].said));
        assert_null(doc);
    }
    struct buf deep;
    struct json_doc *doc = NULL;
    struct fault why;
    buf_init(&deep, SIZE_MAX);
    for (int i = 0; i < 65; i++) buf_char(&deep, '[');
    for (int i = 0; i < 65; i++) buf_char(&deep, ']');
    assert_int_equal(json_doc_read(STR_NONE, buf_view(&deep), &doc, &why), ERR_BAD_JSON);
    assert_string_equal(why.text, "the document is nested deeper than 64 levels.");
    assert_int_equal(json_doc_read(STR_NONE, str_make(deep.p + 1, 128), &doc, &why), OK);
    json_doc_free(doc);
    buf_done(&deep);
}

static void test_errors_of_values(void **state)
{
    struct json_doc *doc = doc_of(S("{\"models\":[0,{\"price\":{\"input\":1,\"big\":1e20,\"half\":0.5}}]}"));
    struct json_ref root = json_doc_root(doc), models, price, value;
    struct fault why;
    struct str s;
    uint64_t u;
    assert_int_equal(json_get(root, "models", JSON_ARRAY, &models, &why), OK);
    struct json_walk w = json_walk(models);
    assert_true(json_walk_next(&w, NULL, &value) && json_walk_next(&w, NULL, &value));
    assert_int_equal(json_get(value, "price", JSON_OBJECT, &price, &why), OK);
    assert_int_equal(json_get_str(price, "input", &s, &why), ERR_BAD_REQUEST);
    assert_string_equal(why.text, "t.json: models[1].price.input must be a string, but is a number.");
    assert_int_equal(json_get_str(price, "output", &s, &why), ERR_BAD_REQUEST);
    assert_string_equal(why.text, "t.json: models[1].price lacks the member \"output\", which must be a string.");
    assert_int_equal(json_opt_u64(price, "big", &u, &why), ERR_BAD_REQUEST);
    assert_int_equal(json_opt_u64(price, "half", &u, &why), ERR_BAD_REQUEST);
    assert_string_equal(why.text, "t.json: models[1].price.half must be a whole number from 0 to 18446744073709551615.");
    assert_int_equal(json_get_str(models, "x", &s, &why), ERR_BAD_REQUEST);
    assert_string_equal(why.text, "t.json: models must be an object, but is an array.");
    const char *const known[] = {"input", "bigger", "half", NULL}, *const others[] = {"input", "big", "quite_different", NULL};
    assert_int_equal(json_ref_only(price, known, &why), ERR_BAD_REQUEST);
    assert_string_equal(why.text, "t.json: models[1].price has the unknown member \"big\".");
    assert_int_equal(json_ref_only(price, others, &why), ERR_BAD_REQUEST);
    assert_string_equal(why.text, "t.json: models[1].price has the unknown member \"half\".");
    const char *const near[] = {"input", "bug", "half", NULL};
    assert_int_equal(json_ref_only(price, near, &why), ERR_BAD_REQUEST);
    assert_non_null(strstr(why.text, "\"big\"; did you mean \"bug\"?"));
    json_doc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_errors_of_reading),
        cmocka_unit_test(test_errors_of_values),
    };
    return cmocka_run_group_tests_name("doc", tests, NULL, NULL);
}
