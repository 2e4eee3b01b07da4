/* Prices and the catalogue: exact integers, unit mistakes refused with their line, later files win, dated names found,
 * and the files that ship with Aquifer are sound. */
#include "catalog/catalog.h"

#include <stdlib.h>

#include "base/test.h"

static void prices_are_exact(void **state)
{
    static const struct {
        enum usage_cell cell;
        const char *text;
        uint64_t want; /* 0: refused */
        const char *says;
    } CASES[] = {
        {USAGE_IN_FRESH, "0.15", 150000, NULL},
        {USAGE_IN_FRESH, "0.000001", 0, "per token?"},
        {USAGE_IN_FRESH, "2.5", 2500000, NULL},
        {USAGE_OUT_VISIBLE, "600", 600000000, NULL},
        {USAGE_OUT_VISIBLE, "150000", 0, "cannot be meant"},
        {USAGE_IN_FRESH, "0.0000001", 0, "at most 6 decimals"},
        {USAGE_IN_FRESH, "1e3", 0, "plain decimal"},
        {USAGE_IN_FRESH, "-1", 0, "plain decimal"},
        {USAGE_IN_FRESH, "$1", 0, "plain decimal"},
        {USAGE_UNIT_WEB_SEARCH, "10", 10000000000, NULL},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        uint64_t got = 0;
        struct fault why = {0};
        enum err e = price_parse(CASES[i].cell, str_z(CASES[i].text), &got, &why);
        assert_int_equal(e == OK, CASES[i].want != 0);
        assert_true(got == CASES[i].want);
        if (CASES[i].says && !strstr(why.text, CASES[i].says)) fail_msg("%s: %s", CASES[i].text, why.text);
    }
}

static struct price read_price(const char *yaml)
{
    struct arena a;
    struct yaml_node *root;
    struct fault why;
    struct price p;
    uint32_t cells;
    arena_init(&a, KIB(4), MIB(1));
    assert_int_equal(yaml_read("f", str_z(yaml), &a, &root, &why), OK);
    if (price_read(root, &p, &cells, &why) != OK) fail_msg("%s", why.text);
    arena_done(&a);
    return p;
}

static void missing_cells_follow_the_rule(void **state)
{
    struct price p = read_price("{input: 3, output: 15}");
    assert_int_equal(p.per[USAGE_IN_CACHE_READ], 3000000);
    assert_int_equal(p.per[USAGE_IN_CACHE_WRITE], 3750000);
    assert_int_equal(p.per[USAGE_IN_CACHE_WRITE_5M], 3750000);
    assert_int_equal(p.per[USAGE_IN_CACHE_WRITE_1H], 6000000);
    assert_int_equal(p.per[USAGE_OUT_REASONING], 15000000);
    assert_int_equal(p.per[USAGE_IN_AUDIO_CACHE_READ], 3000000);
    p = read_price("{input: 3, output: 15, cache_read: 0.3, cache_write: 4, audio_input: 40, reasoning: 20}");
    assert_int_equal(p.per[USAGE_IN_CACHE_READ], 300000);
    assert_int_equal(p.per[USAGE_IN_CACHE_WRITE], 4000000);
    assert_int_equal(p.per[USAGE_IN_CACHE_WRITE_5M], 4000000);
    assert_int_equal(p.per[USAGE_IN_AUDIO_CACHE_READ], 40000000);
    assert_int_equal(p.per[USAGE_OUT_REASONING], 20000000);
    assert_int_equal(p.per[USAGE_OUT_AUDIO], 15000000);
    p = read_price("{input: 0, output: 0}");
    assert_true(p.known && p.per[USAGE_IN_CACHE_WRITE_1H] == 0);
}

#define HEAD "catalog: 1\nvendor: openai\nsource: https://example.com/prices\nchecked: 2026-11-01\nmodels:\n"

static void mistakes_are_refused(void **state)
{
    static const struct {
        const char *text, *want;
    } CASES[] = {
        {"vendor: openai\nmodels: []\n", "f:1: catalog is missing"},
        {"catalog: 2\nvendor: openai\n", "another version"},
        {HEAD "  - id: a\n    price: 1\n", "f:7: \"price\" is not a key"},
        {HEAD "  - id: a\n  - id: a\n", "f:7: the name a stands twice"},
        {HEAD "  - id: a\n    aliases: [b]\n  - id: b\n", "f:8: the name b stands twice"},
        {HEAD "  - id: a\n    prices:\n      - {input: 1}\n", "f:8: a price needs input and output"},
        {HEAD "  - id: a\n    prices:\n      - {input: 0.00000015, output: 0.0000006}\n", "f:8: input"},
        {HEAD "  - id: a\n    prices:\n      - {input: 0.00015, output: 0.0006}\n", "per token?"},
        {HEAD "  - id: a\n    prices:\n      - {input: 150000, output: 600000}\n", "cannot be meant"},
        {HEAD "  - id: a\n    prices:\n      - {input: 1, output: 2}\n      - {from: 2026-01-01, input: 4, output: 2}\n",
         "f:9: the price of input moves more than 3 times"},
        {HEAD "  - id: a\n    prices:\n      - {input: 1, output: 7}\n      - {from: 2026-01-01, input: 1, output: 2}\n",
         "output moves more than 3 times"},
        {HEAD "  - id: a\n    prices:\n      - {from: 2026-01-01, input: 1, output: 2}\n      - {from: 2026-01-01, input: 1, "
              "output: 2}\n",
         "in the order of their days"},
        {HEAD "  - id: a\n    prices:\n      - {to: 2026-02-01, input: 1, output: 2}\n      - {from: 2026-01-01, input: 1, "
              "output: 2}\n",
         "overlaps"},
        {HEAD "  - id: a\n    prices:\n      - {from: 2026-02-30, input: 1, output: 2}\n", "must be a day"},
        {"catalog: 1\nvendor: openai\nmodels:\n  - id: a\n    prices:\n      - {input: 1, output: 2}\n", "needs its source"},
        {HEAD "  - id: a\n    can: [fly]\n", "\"fly\" is not a capability"},
        {HEAD "  - id: a\n    prices:\n      - {input: 1, output: 2, reasoning: 1, output_reasoning: 1}\n", "two prices"},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct catalog *c = catalog_new();
        struct fault why = {0};
        assert_int_equal(catalog_add(c, "f", str_z(CASES[i].text), &why), ERR_CONFIG);
        if (!strstr(why.text, CASES[i].want)) fail_msg("\"%s\" lacks \"%s\"", why.text, CASES[i].want);
        catalog_free(c);
    }
}

static void later_files_win_and_dates_are_found(void **state)
{
    struct catalog *c = catalog_new();
    struct fault why;
    assert_int_equal(
        catalog_add(c, "f",
                    S(HEAD "  - id: a\n    context: 100\n    aliases: [a-YYYY-MM-DD, a-YYYYMMDD]\n    can: [tools, vision]\n"),
                    &why),
        OK);
    const struct catalog_model *m = catalog_find(c, S("openai"), S("a-2026-01-31"));
    assert_non_null(m);
    assert_int_equal(m->context, 100);
    assert_int_equal(m->capabilities, CAN_TOOLS | CAN_VISION);
    assert_ptr_equal(catalog_find(c, S("openai"), S("a-20260131")), m);
    assert_null(catalog_find(c, S("openai"), S("a-2026-01-3x")));
    assert_null(catalog_find(c, S("anthropic"), S("a")));
    assert_int_equal(catalog_add(c, "g",
                                 S(HEAD "  - id: a\n    context: 200\n    prices:\n      - {input: 1, output: 9}\n"
                                        "      - {from: 2026-03-01, input: 4, output: 9, confirmed: true}\n"),
                                 &why),
                     OK);
    m = catalog_find(c, S("openai"), S("a"));
    assert_int_equal(m->context, 200);
    assert_int_equal(m->n_periods, 2);
    assert_int_equal(m->periods[1].price.per[USAGE_IN_FRESH], 4000000);
    assert_int_equal(m->periods[0].from_day, INT32_MIN);
    assert_str(m->periods[1].source, "https://example.com/prices");
    catalog_free(c);
}

/* Built beside the source tree, so the shipped files are found as they are at run time. */
static void shipped_files_are_sound(void **state)
{
    struct arena a;
    struct str files[16], name;
    struct catalog *c;
    struct fault why;
    const struct catalog_model *m;
    unsigned at = 0, priced = 0;
    arena_init(&a, KIB(4), MIB(1));
    unsigned n = catalog_shipped(&a, files);
    assert_true(n >= 2);
    if (catalog_load(files, n, &c, &why) != OK) fail_msg("%s", why.text);
    while (catalog_next(c, S("openai"), &at, &name, &m)) priced += m->n_periods > 0;
    assert_true(priced > 10);
    m = catalog_find(c, S("openai"), S("gpt-4o-mini-2024-07-18"));
    assert_non_null(m);
    assert_int_equal(m->periods[0].price.per[USAGE_IN_FRESH], 150000);
    m = catalog_find(c, S("anthropic"), S("claude-haiku-4-5-20251001"));
    assert_non_null(m);
    assert_int_equal(m->periods[0].price.per[USAGE_IN_CACHE_WRITE_1H], 2000000);
    catalog_free(c);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prices_are_exact),        cmocka_unit_test(missing_cells_follow_the_rule),
        cmocka_unit_test(mistakes_are_refused),    cmocka_unit_test(later_files_win_and_dates_are_found),
        cmocka_unit_test(shipped_files_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
