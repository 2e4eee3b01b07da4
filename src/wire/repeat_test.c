/* What a response object of ours repeats of the request it answers, and what it says where the request was silent. */
#include "wire/test.h"

static struct str remembered(struct bench *b, struct str request)
{
    struct wire_reply to = {0};
    assert_int_equal(json_scan(&b->tape, request, NULL, &b->why), OK);
    translator_of(WIRE_OPENAI_RESPONSES)->remember(&b->tape, &b->arena, &to);
    assert_non_null(to.repeated.p);
    assert_int_equal(json_scan(&b->tape, to.repeated, NULL, &b->why), OK);
    return to.repeated;
}

/* The value of a member of what is on the tape, as it stands there. */
static void is(struct bench *b, const char *name, const char *value)
{
    uint32_t at = json_find(&b->tape, 0, str_z(name));
    if (!at) fail_msg("%s is not there", name);
    struct str raw = json_raw(&b->tape, at);
    if (!str_eq(raw, str_z(value))) fail_msg("%s is %.*s and not %s", name, STR_ARG(raw), value);
}

static void what_was_said_comes_back(void **state)
{
    struct bench b;
    bench_start(&b);
    remembered(&b,
               S("{\"model\":\"m\",\"input\":\"hi\",\"instructions\":\"Be \\\"brief\\\".\",\"temperature\":0.50,\"top_p\":1e-1,"
                 "\"max_output_tokens\":64,\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"},\"parallel_tool_calls\":false,"
                 "\"metadata\":{\"a\":\"b\"},\"user\":\"u\",\"safety_identifier\":\"s\",\"prompt_cache_key\":\"k\","
                 "\"truncation\":\"auto\",\"top_logprobs\":3,\"max_tool_calls\":2,\"store\":true,\"service_tier\":\"flex\"}"));
    is(&b, "instructions", "\"Be \\\"brief\\\".\"");
    is(&b, "temperature", "0.50");
    is(&b, "top_p", "1e-1");
    is(&b, "max_output_tokens", "64");
    is(&b, "tool_choice", "{\"type\":\"function\",\"name\":\"f\"}");
    is(&b, "parallel_tool_calls", "false");
    is(&b, "metadata", "{\"a\":\"b\"}");
    is(&b, "user", "\"u\"");
    is(&b, "safety_identifier", "\"s\"");
    is(&b, "prompt_cache_key", "\"k\"");
    is(&b, "truncation", "\"auto\"");
    is(&b, "top_logprobs", "3");
    is(&b, "max_tool_calls", "2");
    assert_int_equal(json_find(&b.tape, 0, S("model")), 0); /* told by the answer itself */
    assert_int_equal(json_find(&b.tape, 0, S("store")), 0);
    assert_int_equal(json_find(&b.tape, 0, S("service_tier")), 0);
    bench_stop(&b);
}

static void defaults_stand_for_what_was_not(void **state)
{
    static const char *const REQUESTS[] = {
        "{\"model\":\"m\",\"input\":\"hi\"}",
        "{\"model\":\"m\",\"input\":\"hi\",\"temperature\":null,\"tools\":null,\"text\":null,\"reasoning\":null,\"metadata\":"
        "null,"
        "\"tool_choice\":null,\"truncation\":null,\"top_p\":null,\"parallel_tool_calls\":null}",
    };
    for (unsigned i = 0; i < COUNTOF(REQUESTS); i++) {
        struct bench b;
        bench_start(&b);
        remembered(&b, str_z(REQUESTS[i]));
        is(&b, "temperature", "1");
        is(&b, "top_p", "1");
        is(&b, "tools", "[]");
        is(&b, "tool_choice", "\"auto\"");
        is(&b, "parallel_tool_calls", "true");
        is(&b, "truncation", "\"disabled\"");
        is(&b, "metadata", "{}");
        is(&b, "text", "{\"format\":{\"type\":\"text\"}}");
        is(&b, "reasoning", "{\"effort\":null,\"summary\":null}");
        is(&b, "instructions", "null");
        is(&b, "max_output_tokens", "null");
        is(&b, "previous_response_id", "null");
        is(&b, "background", "false");
        assert_int_equal(json_find(&b.tape, 0, S("conversation")), 0);
        bench_stop(&b);
    }
}

static void objects_get_what_the_vendors_types_demand(void **state)
{
    struct bench b;
    bench_start(&b);
    remembered(&b, S("{\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{\"type\":\"object\"}},"
                     "{\"name\":\"g\",\"strict\":true,\"type\":\"function\",\"description\":\"d\"},{\"type\":\"web_search\"}],"
                     "\"reasoning\":{\"effort\":\"high\"},\"text\":{\"verbosity\":\"low\",\"format\":{\"type\":\"json_schema\","
                     "\"name\":\"n\",\"schema\":{}}}}"));
    is(&b, "tools",
       "[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{\"type\":\"object\"},\"description\":null,\"strict\":null},"
       "{\"name\":\"g\",\"strict\":true,\"type\":\"function\",\"description\":\"d\",\"parameters\":null},{\"type\":\"web_"
       "search\"}]");
    is(&b, "reasoning", "{\"effort\":\"high\",\"summary\":null}");
    is(&b, "text",
       "{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{},\"description\":null,\"strict\":false},\"verbosity\":"
       "\"low\"}");
    bench_stop(&b);
}

static void a_pretty_request_does_not_break_a_streams_lines(void **state)
{
    struct bench b;
    size_t at;
    bench_start(&b);
    struct str kept =
        remembered(&b, S("{\r\n  \"tools\": [\n {\"type\":\"function\",\n\"name\":\"f\",\"description\":\"a\\nb\"}\n],\n"
                         "\"tool_choice\":{\n\"type\":\"function\",\r\n\"name\":\"f\"}}"));
    assert_false(str_find(kept, S("\n"), &at) || str_find(kept, S("\r"), &at));
    assert_true(str_find(kept, S("\"a\\nb\""), &at));
    bench_stop(&b);
}

/* One member of a megabyte is told as its default; the others are told as ever. */
static void what_is_too_large_is_left_out(void **state)
{
    struct bench b;
    struct buf text;
    bench_start(&b);
    buf_init(&text, MIB(2));
    buf_str(&text, S("{\"instructions\":\""));
    while (text.n < MIB(1)) buf_str(&text, S("abcdefghijklmnopqrstuvwxyz"));
    buf_str(&text, S("\",\"temperature\":0.1,\"tools\":[{\"type\":\"custom\",\"name\":\"c\"}]}"));
    struct str kept = remembered(&b, buf_view(&text));
    assert_true(kept.n < KIB(4));
    is(&b, "instructions", "null");
    is(&b, "temperature", "0.1");
    is(&b, "tools", "[{\"type\":\"custom\",\"name\":\"c\"}]");
    buf_done(&text);
    bench_stop(&b);
}

/* A whole answer and each response object of a stream. */
static void every_response_object_has_it(void **state)
{
    struct bench b;
    struct chat_answer answer = {0};
    struct buf out;
    bench_start(&b);
    struct wire_reply reply = reply_of(&b);
    assert_int_equal(json_scan(&b.tape, S("{\"temperature\":0.25,\"instructions\":\"x\"}"), NULL, &b.why), OK);
    translator_of(WIRE_OPENAI_RESPONSES)->remember(&b.tape, &b.arena, &reply);
    answer.arena = &b.arena;
    buf_init(&out, MIB(1));
    assert_int_equal(translator_of(WIRE_OPENAI_RESPONSES)->write_answer(&answer, &reply, &out, &b.why), OK);
    assert_int_equal(json_scan(&b.tape, buf_view(&out), NULL, &b.why), OK);
    is(&b, "temperature", "0.25");
    is(&b, "instructions", "\"x\"");
    is(&b, "store", "false");
    buf_done(&out);
    bench_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_said_comes_back),
        cmocka_unit_test(defaults_stand_for_what_was_not),
        cmocka_unit_test(objects_get_what_the_vendors_types_demand),
        cmocka_unit_test(a_pretty_request_does_not_break_a_streams_lines),
        cmocka_unit_test(what_is_too_large_is_left_out),
        cmocka_unit_test(every_response_object_has_it),
    };
    return cmocka_run_group_tests_name("repeat", tests, NULL, NULL);
}
