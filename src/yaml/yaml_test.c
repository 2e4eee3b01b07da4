/* YAML: what is read, and that everything with two meanings is refused with its line. */
#include "yaml/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void refusals(void **state)
{
    static const struct {
        const char *text, *want;
    } CASES[] = {
        {"a: 1\na: 2\n", "f:2: \"a\" stands twice"},
        {"a: {b: 1, c: 2, b: 3}\n", "f:1: \"b\" stands twice"},
        {"a: &x 1\n", "f:1: anchors (&)"},
        {"a: &x {b: 1}\n", "f:1: anchors (&)"},
        {"a: *x\n", "f:1: aliases (*)"},
        {"a: !!str 1\n", "f:1: anchors (&) and tags"},
        {"- !x [1]\n", "f:1: anchors (&) and tags"},
        {"a: 1\n---\nb: 2\n", "a second document"},
        {"%YAML 1.1\n---\na: 1\n", "directives (%)"},
        {"? [a]\n: 1\n", "f:1: the name of a key must be plain text"},
        {"a: [1\nb: 2\n", "not YAML"},
        {"a: b: c\n", "f:1: not YAML"},
        {"\ta: 1\n", "not YAML"},
        {"a: \"\\0\"\n", "NUL"},
        {"a: \xff\n", "not text in UTF-8"},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct arena a;
        struct yaml_node *root;
        struct fault why = {0};
        arena_init(&a, KIB(4), MIB(1));
        assert_int_equal(yaml_read("f", str_z(CASES[i].text), &a, &root, &why), ERR_CONFIG);
        if (!strstr(why.text, CASES[i].want)) fail_msg("%s: \"%s\" lacks \"%s\"", CASES[i].text, why.text, CASES[i].want);
        assert_null(root);
        arena_done(&a);
    }
}

static void depth_is_bounded(void **state)
{
    char text[200];
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    struct arena a;
    struct yaml_node *root;
    struct fault why = {0};
    arena_init(&a, KIB(4), MIB(1));
    assert_int_equal(yaml_read("f", str_make(text, 200), &a, &root, &why), ERR_CONFIG);
    assert_non_null(strstr(why.text, "nested too deep"));
    arena_done(&a);
}

static void reads_the_tree(void **state)
{
    struct arena a;
    struct yaml_node *root;
    struct fault why;
    arena_init(&a, KIB(4), MIB(1));
    assert_int_equal(yaml_read("f", S("a: 1\nlist:\n  - x: 'y'\n  - ~\nempty:\n"), &a, &root, &why), OK);
    assert_int_equal(root->n, 3);
    struct yaml_node *list = yaml_find(root, S("list"));
    assert_int_equal(list->line, 2);
    assert_int_equal(list->n, 2);
    struct yaml_node *x = yaml_find(list->first, S("x"));
    assert_true(str_eq(x->text, S("y")));
    assert_false(x->plain);
    assert_true(yaml_is_null(list->first->next));
    assert_true(yaml_is_null(yaml_find(root, S("empty"))));
    assert_null(yaml_find(root, S("none")));
    assert_int_equal(yaml_read("f", S(""), &a, &root, &why), OK);
    assert_null(root);
    arena_done(&a);
}

static void writes_json(void **state)
{
    struct arena a;
    struct yaml_node *root;
    struct fault why;
    struct buf out;
    arena_init(&a, KIB(4), MIB(1));
    buf_init(&out, KIB(4));
    assert_int_equal(
        yaml_read("f", S("{a: 1, b: '1', c: [true, null, -1.5e3, 01, .5, 1., yes], d: {e: \"x\\ny\"}}"), &a, &root, &why), OK);
    yaml_write_json(root, &out);
    assert_string_equal(buf_z(&out),
                        "{\"a\":1,\"b\":\"1\",\"c\":[true,null,-1.5e3,\"01\",\".5\",\"1.\",\"yes\"],\"d\":{\"e\":\"x\\ny\"}}");
    buf_done(&out);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(reads_the_tree),
        cmocka_unit_test(writes_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
