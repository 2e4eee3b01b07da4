/* What a client does about an error hangs on words: a full context is told in the caller's own, whichever vendor said it; an answer
 * that says it failed is one, whatever its status. */
#include "wire/test.h"

static const struct {
    enum wire_format format;
    const char *body, *says; /* as the vendor tells a full context; what its clients look for */
} FULL[] = {
    {WIRE_OPENAI_CHAT,
     "{\"error\":{\"message\":\"This model's maximum context length is 128000 tokens.\",\"type\":\"invalid_request_error\","
     "\"param\":\"messages\",\"code\":\"context_length_exceeded\"}}",
     "\"code\":\"context_length_exceeded\""},
    {WIRE_OPENAI_CHAT, /* llama.cpp's server */
     "{\"error\":{\"code\":400,\"message\":\"request (6 tokens) exceeds the available context size (4 tokens), try increasing "
     "it\","
     "\"type\":\"exceed_context_size_error\"}}",
     "\"code\":\"context_length_exceeded\""},
    {WIRE_OPENAI_RESPONSES,
     "{\"error\":{\"message\":\"Your input exceeds the context window of this model.\",\"type\":\"invalid_request_error\","
     "\"code\":null}}",
     "\"code\":\"context_length_exceeded\""},
    {WIRE_ANTHROPIC_MESSAGES,
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 210000 tokens > "
     "200000\"}}",
     "\"message\":\"prompt is too long"},
    {WIRE_BEDROCK_CONVERSE, "{\"message\":\"Input is too long for requested model.\"}",
     "\"message\":\"Input is too long for requested model"},
    {WIRE_GEMINI_GENERATE,
     "{\"error\":{\"code\":400,\"message\":\"The input token count (1200000) exceeds the maximum number of tokens allowed "
     "(1048576).\","
     "\"status\":\"INVALID_ARGUMENT\"}}",
     "exceeds the maximum number of tokens allowed"},
};

static void retell(unsigned from, unsigned to, int status, const char *body, struct buf *out)
{
    struct bench b;
    struct chat_error e;
    bench_start(&b);
    translator_of(from)->read_error(status, (struct http_fields){NULL, 0}, str_z(body), &b.tape, &b.arena, &e);
    translator_of(to)->write_error(&e, S("id"), out);
    bench_stop(&b);
}

static void expect_words(const struct buf *out, const char *words)
{
    size_t at;
    if (!str_find(buf_view(out), str_z(words), &at)) fail_msg("%s is not in %.*s", words, STR_ARG(buf_view(out)));
}

static void a_full_context_is_told_in_the_callers_words(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTOF(FULL); i++) {
        for (unsigned k = 0; k < COUNTOF(FULL); k++) {
            struct buf out;
            buf_init(&out, KIB(8));
            retell(FULL[i].format, FULL[k].format, 400, FULL[i].body, &out);
            expect_words(&out, FULL[k].says);
            buf_done(&out);
        }
    }
}

/* The same words behind another status are no matter of the context. */
static void a_rate_limit_stays_one(void **state)
{
    struct buf out;
    size_t at;
    (void)state;
    buf_init(&out, KIB(8));
    retell(
        WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT, 429,
        "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"prompt is too long for your rate limit\"}}",
        &out);
    assert_false(str_find(buf_view(&out), S("context_length_exceeded"), &at));
    expect_words(&out, "\"code\":\"rate_limit_exceeded\"");
    buf_done(&out);
}

/* Azure: type null, the code tells. */
static void a_filter_keeps_its_code(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, KIB(8));
    retell(
        WIRE_OPENAI_CHAT, WIRE_OPENAI_RESPONSES, 400,
        "{\"error\":{\"message\":\"The response was filtered\",\"type\":null,\"param\":\"prompt\",\"code\":\"content_filter\"}}",
        &out);
    expect_words(&out, "\"code\":\"content_filter\"");
    buf_done(&out);
}

static const struct {
    enum wire_format format;
    const char *body;
    int status; /* 0: garbage, and no error of the provider's */
} FAILED[] = {
    {WIRE_OPENAI_CHAT, "{\"error\":{\"message\":\"m\",\"code\":502}}", 502},
    {WIRE_OPENAI_CHAT, "{\"error\":{\"message\":\"m\",\"code\":\"rate_limit_exceeded\"}}", 429},
    {WIRE_OPENAI_CHAT, "{\"object\":\"error\",\"message\":\"m\"}", 502},
    {WIRE_OPENAI_CHAT, "{\"error\":null}", 0},
    {WIRE_OPENAI_CHAT, "{\"choices\":[]}", 0},
    {WIRE_OPENAI_RESPONSES,
     "{\"status\":\"failed\",\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"m\"},\"output\":[]}", 429},
    {WIRE_OPENAI_RESPONSES, "{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"m\"},\"output\":[]}", 502},
    {WIRE_OPENAI_RESPONSES, "{\"status\":\"in_progress\",\"output\":[]}", 0},
};

static void an_answer_that_failed_has_the_status_of_its_words(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTOF(FAILED); i++) {
        struct bench b;
        bench_start(&b);
        struct chat_answer answer = {.arena = &b.arena};
        assert_int_equal(json_scan(&b.tape, str_z(FAILED[i].body), &JSON_LIMITS, NULL), OK);
        enum err e = translator_of(FAILED[i].format)->read_answer(&b.tape, &answer, &b.why);
        assert_int_equal(e, FAILED[i].status ? ERR_UPSTREAM_ERROR : ERR_UPSTREAM_GARBAGE);
        assert_int_equal(answer.failure ? answer.failure->status : 0, FAILED[i].status);
        bench_stop(&b);
    }
}

/* Where a stream should begin: what the vendors say, and the status that it would have been. */
static const struct {
    enum wire_format format;
    struct wire_frame frame;
    int status;
    bool is_body; /* the event's data is the body of such an answer */
} BEGINNINGS[] = {
    {WIRE_ANTHROPIC_MESSAGES,
     {.data = {"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}", 75}},
     529,
     true},
    {WIRE_OPENAI_CHAT, {.data = {"{\"error\":{\"message\":\"Overloaded\",\"code\":\"rate_limit_exceeded\"}}", 63}}, 429, true},
    {WIRE_OPENAI_CHAT, {.data = {"{\"object\":\"error\",\"message\":\"Overloaded\",\"code\":503}", 52}}, 503, false},
    {WIRE_OPENAI_RESPONSES,
     {.data = {"{\"type\":\"error\",\"error\":{\"code\":\"server_is_overloaded\",\"message\":\"Overloaded\"}}", 79}},
     503,
     false},
    {WIRE_GEMINI_GENERATE,
     {.data = {"{\"error\":{\"code\":500,\"message\":\"Overloaded\",\"status\":\"INTERNAL\"}}", 65}},
     500,
     true},
    {WIRE_BEDROCK_CONVERSE,
     {.name = {"throttlingException", 19}, .data = {"{\"message\":\"Overloaded\"}", 24}, .exception = true},
     429,
     false},
    {WIRE_BEDROCK_INVOKE,
     {.name = {"serviceUnavailableException", 27}, .data = {"{\"message\":\"Overloaded\"}", 24}, .exception = true},
     503,
     false},
    {WIRE_OPENAI_CHAT, {.data = {"{\"id\":\"no error\"}", 17}}, 502, false},
};

static void an_error_for_a_beginning_has_the_status_of_its_words(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTOF(BEGINNINGS); i++) {
        const struct wire_ops *ops = wire_ops_get(BEGINNINGS[i].format);
        struct bench b;
        struct chat_error e;
        struct buf out;
        bench_start(&b);
        buf_init(&out, KIB(8));
        wire_read_refusal(ops, &BEGINNINGS[i].frame, &b.tape, &b.arena, &e);
        assert_int_equal(e.status, BEGINNINGS[i].status);
        wire_put_refusal(ops, &BEGINNINGS[i].frame, &b.tape, &e, S("id"), &out);
        assert_int_equal(str_eq(buf_view(&out), BEGINNINGS[i].frame.data),
                         BEGINNINGS[i].is_body || BEGINNINGS[i].frame.exception);
        if (i + 1 < COUNTOF(BEGINNINGS)) expect_words(&out, "Overloaded");
        buf_done(&out);
        bench_stop(&b);
    }
}

/* Where the vendor's numbers end, ours go on. */
static void numbers_go_on_behind_the_last_event(void **state)
{
    const struct wire_ops *ops = wire_ops_get(WIRE_OPENAI_RESPONSES);
    const struct str events[] = {S("{\"type\":\"response.created\",\"sequence_number\":41}"), S("{\"type\":\"x\"}")};
    struct usage u = {0};
    struct wire_stream s = {.format = WIRE_OPENAI_RESPONSES, .usage = &u};
    const struct fault f = {.code = ERR_UPSTREAM_CUT, .text = "cut"};
    struct bench b;
    struct buf out;
    (void)state;
    bench_start(&b);
    buf_init(&out, KIB(1));
    for (unsigned i = 0; i < COUNTOF(events); i++) {
        struct wire_step step;
        ops->event(&s, &(struct sse_event){.data = events[i], .has_data = true}, &b.tape, &step);
        assert_int_equal(s.next_number, 42);
    }
    ops->numbered_error_event(&f, S("abc"), s.next_number, &out);
    expect_words(&out, "\"sequence_number\":42,");
    buf_done(&out);
    bench_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_context_is_told_in_the_callers_words),
        cmocka_unit_test(a_rate_limit_stays_one),
        cmocka_unit_test(a_filter_keeps_its_code),
        cmocka_unit_test(an_answer_that_failed_has_the_status_of_its_words),
        cmocka_unit_test(an_error_for_a_beginning_has_the_status_of_its_words),
        cmocka_unit_test(numbers_go_on_behind_the_last_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
