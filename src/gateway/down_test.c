/* What of a provider's answer comes down besides its body: fields of a refusal, waits that SDKs can read, arrays, betas. */
#include "gateway/test.h"

static struct http_field fields[16];

static void put(const char *name, const char *value)
{
    x.down = fields;
    fields[x.n_down++] = (struct http_field){str_z(name), str_z(value)};
}

/* "name: value" of all that goes down, one after the other. */
static const char *told(void)
{
    buf_clear(&loop.room);
    for (unsigned i = 0; i < x.n_down; i++)
        buf_fmt(&loop.room, "%s%.*s: %.*s", i ? ", " : "", STR_ARG(x.down[i].name), STR_ARG(x.down[i].value));
    return buf_z(&loop.room);
}

static void a_wait_is_told_in_whole_seconds(void **state)
{
    static const struct {
        const char *name, *value;
        uint64_t ms; /* as the provider's answer was judged */
        const char *told;
    } CASES[] = {
        {"retry-after", "7", 7000, "retry-after: 7"},
        {"retry-after", "1.5", 1500, "retry-after: 2"},
        {"retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", 0, ""},
        {"retry-after", "-5", 0, ""},
        {"retry-after", "2678400", 600000, "retry-after: 2678400"},
        {"retry-after", "2678401", 600000, "retry-after: 600"},
        {"retry-after-ms", "250", 250, "retry-after-ms: 250, retry-after: 1"},
        {"retry-after-ms", "2678400001", 1, "retry-after: 1"},
        {"x-other", "1", 1001, "x-other: 1, retry-after: 2"},
        {"x-other", "1", 0, "x-other: 1"},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        x.n_down = 0;
        x.attempt.verdict.retry_after_ms = CASES[i].ms;
        put(CASES[i].name, CASES[i].value);
        down_refused(&x);
        assert_string_equal(told(), CASES[i].told);
    }
}

static void a_spent_quota_is_not_worth_another_try(void **state)
{
    x.attempt.verdict.spent = true;
    x.attempt.verdict.retry_after_ms = 600000;
    put("x-one", "1");
    down_refused(&x);
    assert_string_equal(told(), "x-one: 1, x-should-retry: false");
    x.n_down = 0;
    put("x-should-retry", "true"); /* the provider knows better */
    down_refused(&x);
    assert_string_equal(told(), "x-should-retry: true");
}

static void an_error_that_we_wrote_has_none_of_the_answers_fields(void **state)
{
    put("content-type", "text/event-stream");
    put("x-aquifer-losses", "hint=1");
    put("request-id", "r");
    put("x-amzn-errortype", "Other");
    down_failed(&x, CLASS_OVERLOADED);
    assert_string_equal(told(), "request-id: r, content-type: application/json");
}

static void what_is_kept_outlives_the_call(void **state)
{
    char name[] = "x-ratelimit-limit-requests", value[] = "60";
    struct http_field theirs = {str_z(name), str_z(value)};
    x.status = 429;
    assert_true(down_keep(&x, (struct http_fields){&theirs, 1}));
    memset(name, '!', sizeof name - 1);
    memset(value, '!', sizeof value - 1);
    assert_non_null(strstr(told(), "x-ratelimit-limit-requests: 60"));
    static char large[KIB(65)];
    memset(large, 'l', sizeof large);
    theirs = (struct http_field){S("x-ratelimit-limit-requests"), str_make(large, sizeof large)};
    assert_false(down_keep(&x, (struct http_fields){&theirs, 1}));
    assert_int_equal(x.n_down, 0);
}

static void an_array_is_one_value_from_its_first_byte_to_its_last(void **state)
{
    static const struct str EVENT = {"data: {\"n\":1}\n\n", 15};
    assert_str(array_whole(&x, S("{}")), "{}");
    assert_true(array_heartbeat(&x).n == 0);
    x.wants_array = true;
    assert_str(array_whole(&x, S("{\"n\":0}")), "[{\"n\":0}]");
    assert_str(array_whole(&x, S("[{\"n\":0}]")), "[{\"n\":0}]");
    struct buf all;
    buf_init(&all, KIB(1));
    for (unsigned i = 0; i < 2; i++) buf_str(&all, array_events(&x, EVENT));
    buf_str(&all, array_heartbeat(&x));
    buf_str(&all, array_end(&x, EVENT));
    assert_int_equal(json_scan(&loop.tape, buf_view(&all), &JSON_LIMITS, NULL), OK);
    uint32_t one, n = 0;
    for (struct json_iter it = json_each(&loop.tape, 0); json_next(&loop.tape, &it, &one);) n++;
    assert_int_equal(n, 3);
    buf_done(&all);
}

static void betas_of_a_body_cannot_leave_their_field(void **state)
{
    struct str field = STR_NONE;
    static const char *const NONE[] = {
        "", "{}", "\"a\"", "[", "[]", "[1,null,{}]", "[\"a b\",\"a\\r\\nx: 1\",\"a,b\",\"\",\"\\\\\"]"};
    for (unsigned i = 0; i < COUNTOF(NONE); i++) assert_false(betas_of_body(&x, str_z(NONE[i]), &field));
    /* nobody spells one with escapes */
    assert_true(betas_of_body(&x, S("[\"one-2025\", 7, \"tw\\u006f\", \"no\\nthing\", \"three\"]"), &field));
    assert_str(field, "one-2025,three");
}

static void the_ceiling_counts_what_came_since_the_last_look(void **state)
{
    static struct gateway_slot slot;
    static struct gateway g;
    g = (struct gateway){.slot = &slot};
    atomic_store(&slot.memory, 0);
    assert_true(memory_take(&g, INT64_MAX / 2)); /* no ceiling, no refusal */
    atomic_store(&slot.memory, 1000);
    atomic_store(&g.held_at_rss, 1000);
    atomic_store(&g.rss_seen, 5000);
    memory_set_max(&g, 6000);
    assert_false(memory_take(&g, 1001));
    assert_true(memory_take(&g, 1000));
    assert_false(memory_take(&g, 1));
    assert_true(memory_take(&g, -1500)); /* what is given back was seen as resident, so it makes no room before the next look */
    assert_int_equal(atomic_load(&slot.memory), 500);
    assert_false(memory_take(&g, 1001));
    assert_true(memory_take(&g, 1000));
    assert_false(memory_is_short(&g));
    atomic_store(&g.rss_seen, 6001);
    assert_true(memory_is_short(&g));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_wait_is_told_in_whole_seconds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_spent_quota_is_not_worth_another_try, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_error_that_we_wrote_has_none_of_the_answers_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_kept_outlives_the_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_array_is_one_value_from_its_first_byte_to_its_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(betas_of_a_body_cannot_leave_their_field, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_ceiling_counts_what_came_since_the_last_look, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
