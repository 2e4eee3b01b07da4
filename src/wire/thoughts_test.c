/* Reasoning that nobody encrypted, on its way to a provider of Responses: what the look finds, what must stay out, and that the writer
 * agrees with both. */
#include "wire/target_test.h"

#define TEXT "[{\"type\":\"reasoning_text\",\"text\":\"Hm.\"}]"
#define SUM "[{\"type\":\"summary_text\",\"text\":\"Hm.\"}]"
#define LOOSE (THOUGHTS_BARE | THOUGHTS_LOOSE)
#define OURS "rs_aq_01hzxw3q4r5s6t7v8w9xaybzcd_0"

/* One item of the input, and for whom it must stay out. */
static const struct {
    const char *item;
    unsigned look;
    bool anybody, openai; /* stays out for a server that nothing is known of; for one that refuses what it did not encrypt */
} ITEMS[] = {
    {"{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[],\"encrypted_content\":\"gAAA\"}", 0, false, false},
    {"{ \"id\" : \"rs_1\", \"summary\":" SUM ", \"type\": \"reasoning\", \"encrypted_content\" : \"gAAA\" }", 0, false, false},
    {"{\"role\":\"user\",\"content\":\"what does \\\"type\\\":\\\"reasoning\\\" mean?\"}", 0, false, false},
    {"{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"\\\"reasoning\\\"\"}]}", 0, false,
     false},
    {"{}", 0, false, false},
    /* its own, of a server that does not encrypt */
    {"{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[],\"content\":" TEXT "}", THOUGHTS_BARE, false, true},
    {"{\"id\":\"rs_1\",\"type\":\"reasoning\",\"summary\":[],\"content\":" TEXT ",\"encrypted_content\":null}", THOUGHTS_BARE,
     false, true},
    {"{\"content\":" TEXT ",\"encrypted_content\":\"\",\"id\":\"rs_1\",\"summary\":[],\"type\":\"reasoning\"}", THOUGHTS_BARE,
     false, true},
    /* kept by the provider, which knows it by its id */
    {"{\"id\":\"rs_1\",\"type\":\"reasoning\",\"summary\":" SUM "}", THOUGHTS_BARE, false, false},
    /* ours; and without an id, as Codex sends it */
    {"{\"id\":\"" OURS "\",\"type\":\"reasoning\",\"summary\":[],\"content\":" TEXT "}", LOOSE, true, true},
    {"{\"id\":\"" OURS "\",\"summary\":" SUM ",\"type\":\"reasoning\"}", LOOSE, true, true},
    {"{\"type\":\"reasoning\",\"summary\":" SUM ",\"content\":null,\"encrypted_content\":null}", LOOSE, true, true},
    {"{\"summary\":" SUM ",\"type\":\"reasoning\"}", LOOSE, true, true},
    {"{\"type\":\"reasoning\",\"id\":\"" OURS "\",\"summary\":[],\"encrypted_content\":\"gAAA\"}", 0, false, false},
};

/* Whether the writer put it, and that it counted what it did not. */
static bool is_written(struct bench *b, struct str body, uint32_t quirks)
{
    struct wire_name *names;
    const struct wire_target more = {.quirks = quirks};
    size_t at;
    struct str out = told(b, WIRE_OPENAI_RESPONSES, WIRE_OPENAI_RESPONSES, body, &more, &names);
    assert_true(out.n);
    bool there = str_find(out, S("\"type\":\"reasoning\""), &at);
    if (there) assert_int_equal(b->losses.n[LOSS_REASONING], 0);
    return there;
}

static void check_for(struct bench *b, unsigned i, uint32_t quirks, bool stays_out)
{
    char text[512];
    int n = snprintf(text, sizeof text, "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"hi\"},%s]}", ITEMS[i].item);
    struct str body = str_make(text, (size_t)n);
    assert_true(n > 0 && (size_t)n < sizeof text);
    assert_int_equal(json_scan(&b->tape, body, NULL, &b->why), OK);
    uint32_t input = json_find(&b->tape, 0, S("input"));
    uint32_t item = json_node(&b->tape, input + 1)->next;
    uint32_t type = json_find(&b->tape, item, S("type"));
    bool reasons = type && json_eq(&b->tape, type, S("reasoning"));
    assert_int_equal(responses_thoughts_stay_out(&b->tape, quirks), stays_out);
    if (stays_out) assert_true(responses_thoughts_matter(responses_thoughts_look(&b->tape), quirks)); /* else nobody would see */
    if (reasons) assert_int_equal(is_written(b, body, quirks), !stays_out);
}

static void what_stays_out(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTOF(ITEMS); i++) {
        struct bench b;
        bench_start(&b);
        check_for(&b, i, 0, ITEMS[i].anybody);
        check_for(&b, i, QUIRK_OWN_REASONING, ITEMS[i].openai);
        check_for(&b, i, QUIRK_ANY_REASONING, false);
        check_for(&b, i, QUIRK_OWN_REASONING | QUIRK_ANY_REASONING, false);
        bench_stop(&b);
    }
}

/* As the same-format road reads it: items are recorded, what is in them is not. */
static void the_look_finds_it(void **state)
{
    (void)state;
    struct json_tape tape;
    json_tape_init(&tape, 0);
    for (unsigned i = 0; i < COUNTOF(ITEMS); i++) {
        char text[512];
        struct wire_request r;
        struct fault why;
        struct arena a;
        int n = snprintf(text, sizeof text, "{\"model\":\"m\",\"input\":[\"x\",%s]}", ITEMS[i].item);
        arena_init(&a, KIB(1), KIB(4));
        assert_int_equal(json_scan(&tape, str_make(text, (size_t)n), &WIRE_LIMITS, &why), OK);
        assert_int_equal(wire_ops_get(WIRE_OPENAI_RESPONSES)->read(WIRE_GENERATE, &tape, &a, &r, &why), OK);
        if (r.thoughts != ITEMS[i].look) fail_msg("%s: %u", ITEMS[i].item, r.thoughts);
        arena_done(&a);
    }
    json_tape_done(&tape);
}

static void who_has_to_look(void **state)
{
    (void)state;
    assert_false(responses_thoughts_matter(0, QUIRK_OWN_REASONING));
    assert_false(responses_thoughts_matter(THOUGHTS_BARE, 0));
    assert_true(responses_thoughts_matter(THOUGHTS_BARE, QUIRK_OWN_REASONING));
    assert_true(responses_thoughts_matter(LOOSE, 0));
    assert_false(responses_thoughts_matter(LOOSE, QUIRK_OWN_REASONING | QUIRK_ANY_REASONING));
}

static void what_stays_out_is_counted(void **state)
{
    (void)state;
    struct bench b;
    struct wire_name *names;
    bench_start(&b);
    struct str body =
        S("{\"model\":\"m\",\"input\":[{\"type\":\"reasoning\",\"summary\":[],\"content\":" TEXT
          "},{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"Yes.\"}]}]}");
    struct str out = told(&b, WIRE_OPENAI_RESPONSES, WIRE_OPENAI_RESPONSES, body,
                          &(struct wire_target){.quirks = QUIRK_OWN_REASONING}, &names);
    size_t at;
    assert_false(str_find(out, S("Hm."), &at));
    assert_true(str_find(out, S("Yes."), &at));
    assert_true(b.losses.n[LOSS_REASONING] > 0);
    bench_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stays_out),
        cmocka_unit_test(the_look_finds_it),
        cmocka_unit_test(who_has_to_look),
        cmocka_unit_test(what_stays_out_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
