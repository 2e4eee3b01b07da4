/* Prices and the catalogue: exact integers, unit mistakes refused with their line, later files win, dated names found,
 * and the files that ship with Aquifer are sound. */
#include "catalog/catalog.h"

#include <stdio.h>
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

/* What ships is the price that an own catalogue's moves from. */
static void a_leap_across_files_is_refused(void **state)
{
    static const struct {
        const char *text, *want; /* NULL: taken */
    } CASES[] = {
        {HEAD "  - id: a\n    prices:\n      - {input: 20, output: 80}\n",
         "later:6: the price of input moves more than 3 times against f:6"},
        {HEAD "  - id: a\n    prices:\n      - {input: 0.6, output: 8}\n", "input moves more than 3 times"},
        {HEAD "  - id: a\n    prices:\n      - {input: 20, output: 80, confirmed: true}\n", NULL},
        {HEAD "  - id: a\n    prices:\n      - {input: 4, output: 12}\n", NULL},
        {HEAD "  - id: other\n    aliases: [a]\n    prices:\n      - {input: 20, output: 80}\n", NULL},
        {HEAD "  - id: a\n", NULL},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct catalog *c = catalog_new();
        struct fault why = {0};
        assert_int_equal(catalog_add(c, "f", S(HEAD "  - id: a\n    prices:\n      - {input: 2, output: 8}\n"), &why), OK);
        assert_int_equal(catalog_add(c, "later", str_z(CASES[i].text), &why), CASES[i].want ? ERR_CONFIG : OK);
        if (CASES[i].want && !strstr(why.text, CASES[i].want)) fail_msg("\"%s\" lacks \"%s\"", why.text, CASES[i].want);
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

static void a_clouds_spelling_has_the_makers_facts(void **state)
{
    static const char *const IDS[][2] = {
        {"us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"},
        {"anthropic.claude-opus-4-6-v1", "claude-opus-4-6"},
        {"us-gov.anthropic.claude-opus-4-6-v1:0", "claude-opus-4-6"},
        {"openai.gpt-oss-120b-1:0", "gpt-oss-120b"},
        {"arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-opus-5", "claude-opus-5"},
        {"claude-haiku-4-5@20251001", "claude-haiku-4-5-20251001"},
        {"claude-opus-5@default", "claude-opus-5"},
        {"gpt-4", "gpt-4"},
        {"gpt-5.1", "gpt-5.1"},
        {"qwen3:8", "qwen3:8"},
        {"v1:0", "v1:0"},
        {":0", ":0"},
    };
    char room[CATALOG_NAME_MAX + 1], far[CATALOG_NAME_MAX + 2];
    struct str name;
    (void)state;
    for (size_t i = 0; i < COUNTOF(IDS); i++) {
        assert_true(catalog_own_name(str_z(IDS[i][0]), room, &name));
        if (!str_eq(name, str_z(IDS[i][1]))) fail_msg("%s became %.*s", IDS[i][0], STR_ARG(name));
    }
    memset(far, 'a', sizeof far);
    assert_false(catalog_own_name(str_make(far, sizeof far), room, &name));
    assert_false(catalog_own_name(S("a/"), room, &name));
    assert_false(catalog_own_name(S("@default"), room, &name));
}

static void facts_cross_vendors_and_prices_do_not(void **state)
{
    struct fault why;
    struct catalog *c = catalog_new();
    (void)state;
    assert_int_equal(catalog_add(c, "f",
                                 S("catalog: 1\nvendor: anthropic\nsource: https://example.com\nchecked: 2026-01-01\nmodels:\n"
                                   "  - {id: claude-a, aliases: [claude-a-YYYYMMDD], max_output: 64000}\n"),
                                 &why),
                     OK);
    assert_int_equal(catalog_facts(c, S("bedrock"), S("us.anthropic.claude-a-20250929-v1:0"))->max_output, 64000);
    assert_int_equal(catalog_facts(c, S("vertex"), S("claude-a@20250929"))->max_output, 64000);
    assert_null(catalog_find(c, S("bedrock"), S("us.anthropic.claude-a-20250929-v1:0")));
    assert_null(catalog_find(c, S("vertex"), S("claude-a")));
    assert_null(catalog_facts(c, S("bedrock"), S("anthropic.claude-b-v1:0")));
    catalog_free(c);
}

static const struct chat_manners *manners_of(const struct catalog *c, const char *id)
{
    const struct catalog_family *f;
    for (unsigned at = 0; catalog_next_family(c, &at, &f);)
        for (unsigned i = 0; i < f->n_match; i++)
            if (catalog_matches(f->match[i], str_z(id))) return &f->manners;
    return NULL;
}

/* No request to a Claude is cut at what its format would have for any model (A14): also of ids that no catalogue has. */
static void every_claude_has_a_bound(void **state)
{
    static const struct {
        const char *id;
        uint64_t max_output;
    } ROWS[] = {
        {"claude-instant-1.2", 4096},
        {"anthropic.claude-3-opus-20240229-v1:0", 4096},
        {"anthropic.claude-3-5-sonnet-20240620-v1:0", 4096},
        {"claude-3-5-sonnet-v2@20241022", 8192},
        {"us.anthropic.claude-3-5-haiku-20241022-v1:0", 8192},
        {"us.anthropic.claude-3-7-sonnet-20250219-v1:0", 64000},
        {"claude-sonnet-4@20250514", 64000},
        {"us.anthropic.claude-opus-4-20250514-v1:0", 32000},
        {"anthropic/claude-opus-4.1", 32000},
        {"claude-haiku-4-5@20251001", 64000},
        {"anthropic/claude-opus-4.6", 128000},
        {"claude-opus-4-8-20270101", 128000},
        {"claude-fable-5-9", 128000},
        {"claude-haiku-5-9", 128000},
        {"claude-zephyr-7", 64000},
    };
    struct arena a;
    struct str files[16], name;
    struct catalog *c;
    struct fault why;
    const struct catalog_model *model;
    (void)state;
    arena_init(&a, KIB(4), MIB(1));
    if (catalog_load(files, catalog_shipped(&a, files), &c, &why) != OK) fail_msg("%s", why.text);
    for (size_t i = 0; i < COUNTOF(ROWS); i++)
        if (manners_of(c, ROWS[i].id)->max_output != ROWS[i].max_output) fail_msg("%s is otherwise", ROWS[i].id);
    for (unsigned at = 0; catalog_next(c, S("anthropic"), &at, &name, &model);) {
        char id[CATALOG_NAME_MAX + 1] = {0};
        memcpy(id, name.p, name.n);
        uint64_t most = manners_of(c, id)->max_output;
        bool same = !model->max_output || model->max_output == most;
        if (!same || !most) fail_msg("%s: its family has another max_output", id);
    }
    catalog_free(c);
    arena_done(&a);
}

/* The shipped families by the ids that they are for; new ids fall to their family, and nobody's to none. */
static void models_have_the_manners_of_their_family(void **state)
{
#define E(name) (1u << EFFORT_##name)
    static const struct {
        const char *id;
        bool known, reasons, adaptive, budget;
        unsigned has, lacks;
        enum chat_over over;
        enum chat_off off;
    } ROWS[] = {
        {"gpt-4o-2024-11-20", true, false, false, false, 0, E(LOW), OVER_ALL, OFF_OMITTED},
        {"gpt-5-mini", true, true, false, false, E(MINIMAL), E(NONE), OVER_ALL, OFF_NEVER},
        {"gpt-5.1-2025-11-13", true, true, false, false, E(NONE), E(MINIMAL) | E(XHIGH), OVER_ALL, OFF_SAID},
        {"gpt-5.4-mini", true, true, false, false, E(XHIGH), E(MINIMAL), OVER_UNLESS_EFFORT, OFF_SAID},
        {"gpt-5.5", true, true, false, false, E(XHIGH), E(MAX), OVER_EFFORT_NONE, OFF_SAID},
        {"gpt-5.5-pro", true, true, false, false, E(HIGH), E(NONE) | E(LOW), OVER_NOTHING, OFF_NEVER},
        {"openai/gpt-5.5", true, true, false, false, E(XHIGH), E(MAX), OVER_ALL, OFF_SAID},
        {"gpt-9-new", true, true, false, false, E(LOW), E(NONE), OVER_EFFORT_NONE, OFF_NEVER},
        {"o3", true, true, false, false, E(LOW), E(NONE) | E(MINIMAL), OVER_ALL, OFF_NEVER},
        {"claude-haiku-4-5-20251001", true, true, false, true, 0, E(LOW), OVER_ALL, OFF_OMITTED},
        {"claude-3-5-sonnet-20241022", true, false, false, false, 0, E(LOW), OVER_ALL, OFF_OMITTED},
        {"us.anthropic.claude-opus-4-7-v1:0", true, true, true, false, E(XHIGH), E(NONE), OVER_ALL, OFF_OMITTED},
        {"claude-opus-5", true, true, true, false, E(MAX), E(NONE), OVER_ALL, OFF_SAID},
        {"claude-sonnet-5@20260801", true, true, true, false, E(MAX), E(NONE), OVER_ALL, OFF_SAID},
        {"claude-fable-5-2", true, true, true, false, E(MAX), E(NONE), OVER_ALL, OFF_NEVER},
        {"claude-zephyr-7", true, true, true, false, E(HIGH), E(XHIGH), OVER_ALL, OFF_OMITTED},
        {"gemini-2.5-flash", true, true, true, true, 0, E(LOW), OVER_ALL, OFF_SAID},
        {"gemini-3-pro-preview", true, true, false, false, E(LOW) | E(HIGH), E(MINIMAL) | E(MEDIUM), OVER_ALL, OFF_NEVER},
        {"qwen3-32b", false, false, false, false, 0, 0, OVER_ALL, OFF_OMITTED},
    };
    struct arena a;
    struct str files[16];
    struct catalog *c;
    struct fault why;
    arena_init(&a, KIB(4), MIB(1));
    if (catalog_load(files, catalog_shipped(&a, files), &c, &why) != OK) fail_msg("%s", why.text);
    for (size_t i = 0; i < COUNTOF(ROWS); i++) {
        const struct chat_manners *m = manners_of(c, ROWS[i].id);
        if ((m != NULL) != ROWS[i].known) fail_msg("%s", ROWS[i].id);
        if (!m) continue;
        bool good =
            m->known && m->reasons == ROWS[i].reasons && m->adaptive == ROWS[i].adaptive && (m->budget_max > 0) == ROWS[i].budget;
        good &= (m->efforts & ROWS[i].has) == ROWS[i].has && !(m->efforts & ROWS[i].lacks);
        if (!good || m->over != ROWS[i].over || m->off != ROWS[i].off) fail_msg("%s is otherwise", ROWS[i].id);
        assert_int_equal(m->scale[EFFORT_HIGH], 8192);
    }
    catalog_free(c);
    arena_done(&a);
}

/* What they refuse beside that: the families' words, as letters. */
static void models_refuse_what_their_family_refuses(void **state)
{
    static const struct {
        const char *id, *refuses; /* o: one sampler, s: stops, j: schemas, t: JSON beside tools */
        enum chat_fixed fixed;
    } ROWS[] = {
        {"claude-opus-4-1-20250805", "o", FIXED_NOT},
        {"us.anthropic.claude-haiku-4-5-20251001-v1:0", "o", FIXED_NOT},
        {"claude-opus-4-6", "o", FIXED_NOT},
        {"claude-opus-4-7", "", FIXED_ALWAYS},
        {"claude-sonnet-4-20250514", "j", FIXED_NOT},
        {"claude-3-5-haiku-latest", "j", FIXED_NOT},
        {"us.amazon.nova-pro-v1:0", "j", FIXED_NOT},
        {"gemini-2.5-flash", "t", FIXED_NOT},
        {"gemini-3-flash", "", FIXED_NOT},
        {"gpt-4o", "", FIXED_NOT},
        {"o3", "s", FIXED_ALWAYS},
        {"gpt-5", "s", FIXED_ALWAYS},
        {"gpt-5.1", "s", FIXED_UNLESS_NONE},
        {"gpt-5.2", "s", FIXED_UNLESS_NONE},
        {"gpt-5.4-mini", "s", FIXED_UNLESS_NONE},
        {"gpt-5.5", "s", FIXED_ALWAYS},
        {"gemma-3-27b-it", "", FIXED_NOT},
    };
    struct arena a;
    struct str files[16];
    struct catalog *c;
    struct fault why;
    (void)state;
    arena_init(&a, KIB(4), MIB(1));
    if (catalog_load(files, catalog_shipped(&a, files), &c, &why) != OK) fail_msg("%s", why.text);
    for (size_t i = 0; i < COUNTOF(ROWS); i++) {
        char told[8];
        const struct chat_manners *m = manners_of(c, ROWS[i].id);
        if (!m) fail_msg("%s is of no family", ROWS[i].id);
        snprintf(told, sizeof told, "%s%s%s%s", m->one_sampler ? "o" : "", m->no_stop ? "s" : "", m->no_schema ? "j" : "",
                 m->json_alone ? "t" : "");
        if (strcmp(told, ROWS[i].refuses) != 0 || m->fixed_sampling != ROWS[i].fixed) fail_msg("%s: %s", ROWS[i].id, told);
    }
    assert_int_equal(manners_of(c, "gpt-4o")->stops_max, 4);
    assert_true(manners_of(c, "us.anthropic.claude-opus-4-8-v1:0")->later_system &&
                manners_of(c, "claude-fable-5")->later_system);
    assert_false(manners_of(c, "us.anthropic.claude-opus-4-7")->later_system || manners_of(c, "claude-haiku-4-5")->later_system);
    assert_false(manners_of(c, "gemma-3-27b-it")->reasons);
    catalog_free(c);
    arena_done(&a);
}

static void mistakes_in_families_are_refused(void **state)
{
    static const char *const ROWS[][2] = {
        {"- { match: x, efforts: [low] }", "match must be a list"},
        {"- { match: [\"x*\"], efforts: [most] }", "an effort is one of"},
        {"- { match: [\"x*\"], off: perhaps }", "off is one of"},
        {"- { match: [\"x*\"], chat: perhaps }", "chat is one of"},
        {"- { match: [\"x*\"], fixed_sampling: perhaps }", "fixed_sampling is one of"},
        {"- { match: [\"x*\"], no_stop: perhaps }", "no_stop must be true or false"},
        {"- { match: [\"x*\"], reasons: false, efforts: [low] }", "reasons: false, but"},
        {"- { match: [\"x*\"], budget_min: 2000, budget_max: 1000 }", "must not be below"},
        {"- { match: [\"x*\"], patience: 3 }", "not a key here"},
    };
    for (size_t i = 0; i < COUNTOF(ROWS); i++) {
        struct catalog *c = catalog_new();
        struct fault why = {0};
        struct buf text;
        buf_init(&text, KIB(4));
        buf_fmt(&text, "catalog: 1\nsource: https://example.com\nchecked: 2026-11-23\nfamilies:\n  %s\n", ROWS[i][0]);
        assert_int_equal(catalog_add(c, "f.yaml", buf_view(&text), &why), ERR_CONFIG);
        if (!strstr(why.text, ROWS[i][1])) fail_msg("%s: %s", ROWS[i][0], why.text);
        buf_done(&text);
        catalog_free(c);
    }
}

/* A file of one's own stands before those that ship. */
static void later_families_come_first(void **state)
{
    struct catalog *c = catalog_new();
    struct fault why;
#define FAMILIES "catalog: 1\nsource: https://example.com\nchecked: 2026-11-23\nfamilies:\n"
    assert_int_equal(catalog_add(c, "a.yaml", S(FAMILIES "  - { match: [\"my-*\"], efforts: [low] }\n"), &why), OK);
    assert_int_equal(catalog_add(c, "b.yaml", S(FAMILIES "  - { match: [\"*-GPT\", \"x\"], efforts: [high] }\n"), &why), OK);
    assert_int_equal(manners_of(c, "my-gpt")->efforts, 1u << EFFORT_HIGH);
    assert_int_equal(manners_of(c, "my-other")->efforts, 1u << EFFORT_LOW);
    assert_null(manners_of(c, "xx"));
    catalog_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prices_are_exact),
        cmocka_unit_test(missing_cells_follow_the_rule),
        cmocka_unit_test(mistakes_are_refused),
        cmocka_unit_test(a_leap_across_files_is_refused),
        cmocka_unit_test(later_files_win_and_dates_are_found),
        cmocka_unit_test(shipped_files_are_sound),
        cmocka_unit_test(a_clouds_spelling_has_the_makers_facts),
        cmocka_unit_test(facts_cross_vendors_and_prices_do_not),
        cmocka_unit_test(models_have_the_manners_of_their_family),
        cmocka_unit_test(every_claude_has_a_bound),
        cmocka_unit_test(models_refuse_what_their_family_refuses),
        cmocka_unit_test(mistakes_in_families_are_refused),
        cmocka_unit_test(later_families_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
