/* Generations: what control writes the gateway loads, with every value in its place; damaged ones are refused whole; look-ups
 * follow the rules of routes and keys. */
#include "generation/generation.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/test.h"
#include "catalog/catalog.h"
#include "config/config.h"

static const char FILE_TEXT[] =
    "data: data\nlisten: 127.0.0.1:8400\ntrusted_proxies: [192.0.2.0/24]\npath_prefix: /llm\nmemory: {max: 1GiB}\n"
    "ledger: {safety: process}\nlog: {access: false}\n"
    "providers:\n"
    "  - {name: main, kind: openai, url: 'http://127.0.0.1:9000/v1', key: env:GENERATION_TEST_KEY, headers: {x-team: a}, "
    "timeouts: {gap: 7s}}\n"
    "  - {name: claude, kind: anthropic, url: 'http://127.0.0.1:9001', key: env:GENERATION_TEST_KEY}\n"
    "  - {name: aws, kind: bedrock, region: eu-central-1, access_key: env:GENERATION_TEST_ACCESS, secret_key: "
    "env:GENERATION_TEST_KEY}\n"
    "  - {name: mantle, kind: bedrock_mantle, region: us-east-2, key: env:GENERATION_TEST_KEY}\n"
    "routes:\n"
    "  - {name: fast, aliases: [quick], total: 9s, deployments: [{provider: main, model: gpt-x, price: {input: 0.15, output: "
    "0.60}, defaults: {temperature: 0.50, stop: [a]}, drop: [user], max_output: 77}]}\n"
    "  - {name: dated, deployments: [{provider: main, model: gpt-dated}]}\n"
    "  - {name: azure, deployments: [{provider: main, model: prod-chat, family: o9-mini, allow_unpriced: true}, {provider: main, "
    "model: prod-chat, tier: t, allow_unpriced: true}]}\n"
    "  - {name: 'prod-*', deployments: [{provider: main, model: '*', family: o9-mini, allow_unpriced: true}]}\n"
    "  - {name: 'claude-*', deployments: [{provider: claude, model: '*'}]}\n"
    "  - {name: 'claude-opus-*', deployments: [{provider: claude, model: '*', allow_unpriced: true}]}\n"
    "  - {name: cloud, deployments: [{provider: aws, model: 'us.anthropic.claude-a-20260801-v1:0', allow_unpriced: true}, "
    "{provider: "
    "main, model: prod, family: claude-a, allow_unpriced: true}]}\n"
    "  - {name: 'eu.*', deployments: [{provider: main, model: '*', allow_unpriced: true}]}\n";
static const char CATALOG[] = "catalog: 1\nvendor: openai\nsource: https://example.com\nchecked: 2026-01-01\nmodels:\n"
                              "  - {id: gpt-dated, context: 1000, max_output: 10, prices: [{from: 2026-01-01, to: 2026-01-31, "
                              "input: 1, output: 2}, {from: 2026-03-01, input: 2, output: 3}]}\n";
static const char CATALOG_CLAUDE[] = "catalog: 1\nvendor: anthropic\nsource: https://example.com\nchecked: 2026-01-01\nmodels:\n"
                                     "  - {id: claude-a, aliases: [claude-a-1, claude-a-YYYYMMDD], context: 5, max_output: 3, "
                                     "prices: [{input: 1, output: 2}]}\n  - {id: claude-b}\n";

static const char CATALOG_FAMILIES[] =
    "catalog: 1\nsource: https://example.com\nchecked: 2026-01-01\nbudgets: { minimal: 1, low: 2, "
    "medium: 3, high: 4, xhigh: 5, max: 6 }\nfamilies:\n  - match: [\"o9*\"]\n    efforts: [low]\n    max_output: 9\n"
    "    no_stop: true\n";

struct world {
    struct config *config;
    struct catalog *catalog;
    struct key keys[2];
    struct str routes[2];
    struct buf json;
};

static int setup(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    struct fault why = {0};
    setenv("GENERATION_TEST_KEY", "upstream-secret", 1);
    setenv("GENERATION_TEST_ACCESS", "AKIDEXAMPLE", 1);
    if (config_read("a.yaml", str_z(FILE_TEXT), &w->config, NULL, &why) != OK) fail_msg("%s", why.text);
    w->catalog = catalog_new();
    assert_int_equal(catalog_add(w->catalog, "c", str_z(CATALOG), &why), OK);
    if (catalog_add(w->catalog, "d", str_z(CATALOG_CLAUDE), &why) != OK) fail_msg("%s", why.text);
    if (catalog_add(w->catalog, "f", str_z(CATALOG_FAMILIES), &why) != OK) fail_msg("%s", why.text);
    w->routes[0] = S("quick");
    w->routes[1] = S("claude-*");
    w->keys[0] = (struct key){
        .id = "000000000000", .name = S("all \"of\" them"), .limits = {.spend_day = -1, .spend_month = -1}, .place = 0};
    w->keys[1] = (struct key){
        .id = "zzzzzzzzzzzz",
        .name = S("some"),
        .project = S("blue"),
        .routes = w->routes,
        .n_routes = 2,
        .place = 5,
        .expires_ms = 99,
        .revoked = true,
        .limits = {.requests_per_minute = 1, .tokens_per_minute = 2, .concurrency = 3, .spend_day = 0, .spend_month = 4}};
    memset(w->keys[1].digest, 0xab, KEY_DIGEST_LEN);
    buf_init(&w->json, MIB(16));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    config_free(w->config);
    catalog_free(w->catalog);
    buf_done(&w->json);
    free(w);
    return 0;
}

static void write_it(struct world *w, uint64_t number)
{
    struct generation_source s = {
        .number = number, .config = w->config, .catalog = w->catalog, .keys = w->keys, .n_keys = 2, .created_s = 1700000000};
    struct fault why = {0};
    buf_clear(&w->json);
    if (generation_write(&s, &w->json, &why) != OK) fail_msg("%s", why.text);
}

static struct generation *load_it(struct world *w)
{
    struct generation *g = NULL;
    struct fault why = {0};
    write_it(w, 3);
    if (generation_load(buf_view(&w->json), NULL, &g, &why) != OK) fail_msg("%s", why.text);
    return g;
}

static void settings_arrive(void **state)
{
    struct generation *g = load_it(*state);
    assert_int_equal(g->number, 3);
    assert_int_equal(strlen(g->hash), 64);
    assert_true(g->settings.memory_max == MIB(1024));
    assert_int_equal(g->settings.server.limits.body_max, MIB(32));
    assert_int_equal(g->settings.server.n_trusted, 1);
    assert_str(g->settings.server.path_prefix, "/llm");
    assert_string_equal(g->settings.journal.dir, "data/journal");
    assert_int_equal(g->settings.journal.safety, LEDGER_PROCESS);
    assert_int_equal(g->settings.heartbeat_ms, 15000);
    assert_false(g->settings.access_log);
    generation_unref(g);
}

static void no_secret_is_published(void **state)
{
    struct world *w = *state;
    write_it(w, 1);
    assert_null(strstr(buf_z(&w->json), "upstream-secret"));
    assert_non_null(strstr(buf_z(&w->json), "env:GENERATION_TEST_KEY"));
}

static void providers_and_routes_arrive(void **state)
{
    struct generation *g = load_it(*state);
    assert_int_equal(g->n_providers, 4);
    const struct provider *p = &g->providers[0];
    assert_str(p->key.value, "upstream-secret");
    assert_str(p->base_path, "/v1");
    assert_int_equal(p->deadlines.gap_ms, 7000);
    assert_int_equal(p->deadlines.connect_ms, 5000);
    assert_str(p->headers[0].value, "a");
    const struct route *r = generation_route(g, S("quick"));
    assert_ptr_equal(r, generation_route(g, S("fast")));
    assert_int_equal(r->total_ms, 9000);
    assert_int_equal(r->created_s, 1700000000);
    const struct deployment *d = &r->deployments[0];
    assert_ptr_equal(d->provider, p);
    assert_str(d->defaults[0].raw, "0.50");
    assert_str(d->defaults[1].raw, "[\"a\"]");
    assert_str(d->drop[0], "user");
    assert_int_equal(deployment_max_output(d, S("gpt-x")), 77);
    assert_int_equal(deployment_price(d, 0)->per[USAGE_OUT_VISIBLE], 600000);
    generation_unref(g);
}

/* What the name of a model does not tell, its deployment may. */
static void a_family_may_be_named(void **state)
{
    struct generation *g = load_it(*state);
    const struct route *named = generation_route(g, S("azure")), *any = generation_route(g, S("prod-x"));
    const struct deployment *told[] = {&named->deployments[0], &any->deployments[0]};
    for (unsigned i = 0; i < COUNTOF(told); i++) {
        const struct chat_manners *m = deployment_manners(told[i], S("prod-x"));
        assert_true(m && m->no_stop);
    }
    assert_null(deployment_manners(&named->deployments[1], S("prod-chat")));
    generation_unref(g);
}

static void an_aws_endpoint_comes_from_its_region(void **state)
{
    struct generation *g = load_it(*state);
    const struct provider *aws = &g->providers[2], *mantle = &g->providers[3];
    assert_str(aws->origin->authority, "bedrock-runtime.eu-central-1.amazonaws.com");
    assert_str(aws->aws.access_key, "AKIDEXAMPLE");
    assert_str(aws->aws.secret_key.value, "upstream-secret");
    assert_str(aws->region, "eu-central-1");
    assert_str(mantle->origin->authority, "bedrock-mantle.us-east-2.api.aws");
    assert_int_equal(mantle->aws.access_key.n, 0);
    generation_unref(g);
}

static void prices_follow_their_dates(void **state)
{
    struct generation *g = load_it(*state);
    const struct deployment *d = &generation_route(g, S("dated"))->deployments[0];
    const int64_t DAY = 86400000;
    int32_t january = 0, march = 0;
    assert_true(clock_parse_day(S("2026-01-01"), &january) && clock_parse_day(S("2026-03-01"), &march));
    assert_null(deployment_price(d, january * DAY - 1));
    assert_int_equal(deployment_price(d, january * DAY)->per[USAGE_IN_FRESH], 1000000);
    assert_int_equal(deployment_price(d, (january + 30) * DAY)->per[USAGE_IN_FRESH], 1000000);
    assert_null(deployment_price(d, (january + 31) * DAY));
    assert_int_equal(deployment_price(d, march * DAY)->per[USAGE_IN_FRESH], 2000000);
    assert_int_equal(deployment_context(d, STR_NONE), 1000);
    generation_unref(g);
}

static void patterns_and_their_prices(void **state)
{
    struct generation *g = load_it(*state);
    const struct route *r = generation_route(g, S("claude-a-1"));
    assert_str(r->name, "claude-*");
    assert_str(generation_route(g, S("claude-opus-9"))->name, "claude-opus-*");
    assert_null(generation_route(g, S("claude")));
    assert_null(generation_route(g, S("claude*")));
    const struct deployment *d = &r->deployments[0];
    assert_int_equal(deployment_price_of(d, S("claude-a-1"), 0)->per[USAGE_IN_FRESH], 1000000);
    assert_int_equal(deployment_price_of(d, S("claude-a-20260102"), 0)->per[USAGE_IN_FRESH], 1000000);
    assert_null(deployment_price_of(d, S("claude-b"), 0));
    assert_null(deployment_price_of(d, S("claude-b-20260102"), 0));
    assert_null(deployment_price_of(d, S("claude-c"), 0));
    assert_int_equal(deployment_max_output(d, S("claude-a")), 3);
    assert_int_equal(deployment_context(d, S("claude-c")), 0);
    assert_int_equal(deployment_max_output(d, S("claude-c")), 0);
    assert_int_equal(deployment_max_output(d, S("o9-c")), 9); /* its family's */
    assert_int_equal(deployment_max_output(&generation_route(g, S("prod-x"))->deployments[0], S("prod-x")), 9);
    assert_true(generation_route(g, S("claude-opus-9"))->deployments[0].allow_unpriced);
    generation_unref(g);
}

/* A model's limits are its own wherever it runs; its price is not. */
static void limits_are_known_in_every_cloud(void **state)
{
    struct generation *g = load_it(*state);
    const struct deployment *cloud = generation_route(g, S("cloud"))->deployments;
    const struct deployment *any = &generation_route(g, S("eu.x"))->deployments[0];
    const struct str asked = S("eu.anthropic.claude-a-20260801-v1:0");
    assert_int_equal(deployment_max_output(&cloud[0], STR_NONE), 3);
    assert_int_equal(deployment_context(&cloud[0], STR_NONE), 5);
    assert_null(deployment_price(&cloud[0], 0));
    assert_int_equal(deployment_max_output(&cloud[1], STR_NONE), 3);
    assert_null(deployment_price(&cloud[1], 0));
    assert_int_equal(deployment_max_output(any, asked), 3);
    assert_null(deployment_price_of(any, asked, 0));
    assert_null(deployment_price_of(any, S("claude-a"), 0));
    generation_unref(g);
}

static void keys_arrive(void **state)
{
    struct generation *g = load_it(*state);
    const struct key *all = generation_key(g, S("000000000000")), *some = generation_key(g, S("zzzzzzzzzzzz"));
    assert_null(generation_key(g, S("111111111111")));
    assert_str(all->name, "all \"of\" them");
    assert_true(all->limits.spend_day == -1 && some->limits.spend_day == 0 && some->limits.spend_month == 4);
    assert_true(some->limits.requests_per_minute == 1 && some->limits.tokens_per_minute == 2 && some->limits.concurrency == 3);
    assert_true(some->revoked && some->expires_ms == 99 && some->place == 5 && some->digest[31] == 0xab);
    assert_true(key_may_call(all, S("anything")));
    assert_true(key_may_call(some, S("fast")) && key_may_call(some, S("claude-x")));
    assert_false(key_may_call(some, S("dated")));
    generation_unref(g);
}

static void keys_of_one_project_share_a_seal(void **state)
{
    struct world *w = *state;
    struct key third = {.id = "aaaaaaaaaaaa", .name = S("third"), .place = 7, .project = S("blue"), .limits = {.spend_day = -1}};
    char hex[SEAL_TEXT_LEN + 1];
    struct buf text;
    seal_key_make(hex);
    buf_init(&text, KIB(8));
    setenv("GENERATION_TEST_SEAL", hex, 1);
    buf_fmt(&text, "seal_key: env:GENERATION_TEST_SEAL\n%s", FILE_TEXT);
    config_free(w->config);
    struct fault why = {0};
    if (config_read("a.yaml", buf_view(&text), &w->config, NULL, &why) != OK) fail_msg("%s", why.text);
    const struct key keys[] = {w->keys[0], w->keys[1], third};
    const struct generation_source s = {.number = 1, .config = w->config, .catalog = w->catalog, .keys = keys, .n_keys = 3};
    buf_clear(&w->json);
    assert_int_equal(generation_write(&s, &w->json, &why), OK);
    struct generation *g;
    if (generation_load(buf_view(&w->json), NULL, &g, &why) != OK) fail_msg("%s", why.text);
    const struct key *all = generation_key(g, S("000000000000")), *blue = generation_key(g, S("zzzzzzzzzzzz"));
    assert_str(all->project, PROJECT_DEFAULT);
    assert_str(blue->project, "blue");
    assert_true(all->seal && blue->seal && all->seal != blue->seal && memcmp(all->seal, blue->seal, sizeof *all->seal) != 0);
    assert_ptr_equal(generation_key(g, S("aaaaaaaaaaaa"))->seal, blue->seal);
    generation_unref(g);
    unsetenv("GENERATION_TEST_SEAL");
    buf_done(&text);
}

static void near_names_are_those_the_key_may_call(void **state)
{
    struct generation *g = load_it(*state);
    const struct key *all = generation_key(g, S("000000000000")), *some = generation_key(g, S("zzzzzzzzzzzz"));
    struct str near[3];
    assert_int_equal(generation_nearest(g, all, S("fsat"), near), 1);
    assert_str(near[0], "fast");
    assert_int_equal(generation_nearest(g, all, S("datd"), near), 1);
    assert_int_equal(generation_nearest(g, some, S("datd"), near), 0);
    assert_int_equal(generation_nearest(g, all, S("nothing-like-it"), near), 0);
    generation_unref(g);
}

static void equal_but_for_the_number(void **state)
{
    struct world *w = *state;
    struct buf first;
    write_it(w, 1);
    buf_init(&first, MIB(1));
    buf_str(&first, buf_view(&w->json));
    write_it(w, 22);
    assert_true(generation_is_same(buf_view(&first), buf_view(&w->json)));
    w->keys[0].revoked = true;
    write_it(w, 22);
    assert_false(generation_is_same(buf_view(&first), buf_view(&w->json)));
    buf_done(&first);
}

static void every_cut_is_refused_whole(void **state)
{
    struct world *w = *state;
    struct generation *g = NULL;
    struct fault why;
    write_it(w, 1);
    for (size_t n = 0; n < w->json.n; n += 7) {
        assert_int_not_equal(generation_load(str_make(w->json.p, n), NULL, &g, &why), OK);
        assert_null(g);
    }
}

static void damage_is_refused(void **state)
{
    static const struct {
        const char *from, *to;
    } CASES[] = {
        {"\"format\":1", "\"format\":2"},
        {"\"number\":1", "\"number\":0"},
        {"\"kind\":\"openai\"", "\"kind\":\"opanai\""},
        {"\"provider\":0", "\"provider\":9"},
        {"\"place\":5", "\"place\":0.5"},
        {"\"digest\":\"ab", "\"digest\":\"xx"},
        {"\"name\":\"fast\"", "\"name\":\"dated\""},
        {"\"output\":600000", "\"autput\":600000"},
        {"\"id\":\"zz", "\"id\":\"z"},
        {"http://127.0.0.1:9000/v1", "http://127.0.0.1:9000000"},
        {"env:GENERATION_TEST_KEY", "env:GENERATION_TEST_NAY"},
    };
    struct world *w = *state;
    struct buf broken;
    buf_init(&broken, MIB(1));
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct generation *g = NULL;
        struct fault why = {0};
        size_t at;
        write_it(w, 1);
        assert_true(str_find(buf_view(&w->json), str_z(CASES[i].from), &at));
        buf_clear(&broken);
        buf_add(&broken, w->json.p, at);
        buf_str(&broken, str_z(CASES[i].to));
        buf_str(&broken, str_from(buf_view(&w->json), at + strlen(CASES[i].from)));
        if (generation_load(buf_view(&broken), NULL, &g, &why) == OK) fail_msg("loaded with %s", CASES[i].to);
        assert_true(why.text[0]);
    }
    buf_done(&broken);
}

static void ten_thousand_keys(void **state)
{
    struct world *w = *state;
    enum { N = 10000 };
    struct key *keys = mem_alloc(N * sizeof *keys);
    struct fault why = {0};
    struct generation *g = NULL;
    for (unsigned i = 0; i < N; i++) {
        keys[i] = (struct key){.name = S("a key"), .place = i, .limits = {.spend_day = -1, .spend_month = -1}};
        snprintf(keys[i].id, sizeof keys[i].id, "%012u", i);
    }
    struct generation_source s = {.number = 1, .config = w->config, .catalog = w->catalog, .keys = keys, .n_keys = N};
    assert_int_equal(generation_write(&s, &w->json, &why), OK);
    uint64_t start = clock_mono_ns();
    assert_int_equal(generation_load(buf_view(&w->json), NULL, &g, &why), OK);
    print_message("10,000 keys: %zu KB, loaded in %u us\n", w->json.n / 1024, (unsigned)((clock_mono_ns() - start) / 1000));
    assert_int_equal(g->keys.n, N);
    generation_unref(g);
    free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(settings_arrive, setup, teardown),
        cmocka_unit_test_setup_teardown(no_secret_is_published, setup, teardown),
        cmocka_unit_test_setup_teardown(providers_and_routes_arrive, setup, teardown),
        cmocka_unit_test_setup_teardown(a_family_may_be_named, setup, teardown),
        cmocka_unit_test_setup_teardown(an_aws_endpoint_comes_from_its_region, setup, teardown),
        cmocka_unit_test_setup_teardown(prices_follow_their_dates, setup, teardown),
        cmocka_unit_test_setup_teardown(patterns_and_their_prices, setup, teardown),
        cmocka_unit_test_setup_teardown(limits_are_known_in_every_cloud, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_arrive, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_of_one_project_share_a_seal, setup, teardown),
        cmocka_unit_test_setup_teardown(near_names_are_those_the_key_may_call, setup, teardown),
        cmocka_unit_test_setup_teardown(equal_but_for_the_number, setup, teardown),
        cmocka_unit_test_setup_teardown(every_cut_is_refused_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(ten_thousand_keys, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
