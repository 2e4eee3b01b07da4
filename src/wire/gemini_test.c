/* Gemini on the same-format road: edits, usage, streams that end by their close, errors, endpoints. */

#include "wire/tape_test.h"
#include "wire/wire.h"

static const struct wire_ops *ops(void) { return wire_ops_get(WIRE_GEMINI_GENERATE); }

static void requests(void **state)
{
    static const struct {
        enum wire_operation op;
        const char *body, *up; /* up: with the upstream's model, or what the refusal says */
        uint64_t most, choices;
        bool fine;
    } CASES[] = {
        {WIRE_GENERATE, "{ \"contents\":[], \"x\":1.0 }", "{ \"contents\":[], \"x\":1.0 }", 0, 1, true},
        {WIRE_GENERATE, "{\"model\":\"models/a\",\"contents\":[]}", "{\"model\":\"models/up\",\"contents\":[]}", 0, 1, true},
        {WIRE_GENERATE, "{\"contents\":[],\"generationConfig\":{\"maxOutputTokens\":7,\"candidateCount\":2}}", NULL, 14, 2, true},
        {WIRE_GENERATE, "{\"contents\":[],\"generation_config\":{\"max_output_tokens\":7}}", NULL, 7, 1, true},
        {WIRE_COUNT_TOKENS, "{\"generateContentRequest\":{\"model\":\"models/a\",\"contents\":[]}}",
         "{\"generateContentRequest\":{\"model\":\"models/up\",\"contents\":[]}}", 0, 1, true},
        {WIRE_GENERATE, "{}", "contents: missing", 0, 0, false},
        {WIRE_GENERATE, "[]", "JSON object", 0, 0, false},
        {WIRE_GENERATE, "{\"contents\":\"hi\"}", "contents: must be an array", 0, 0, false},
        {WIRE_GENERATE, "{\"contents\":[],\"generationConfig\":3}", "must be an object", 0, 0, false},
        {WIRE_GENERATE, "{\"contents\":[],\"generationConfig\":{\"maxOutputTokens\":-1}}", "maxOutputTokens", 0, 0, false},
        {WIRE_GENERATE, "{\"contents\":[],\"model\":3}", "model: must be", 0, 0, false},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct wire_request r;
        struct fault why = {0};
        struct json_edit edits[WIRE_EDITS];
        struct str pieces[JSON_PIECES(WIRE_EDITS)];
        struct buf out;
        assert_int_equal(json_scan(&tape, str_z(CASES[i].body), &WIRE_LIMITS, &why), OK);
        enum err e = ops()->read(CASES[i].op, &tape, &arena, &r, &why);
        assert_int_equal(e, CASES[i].fine ? OK : ERR_BAD_REQUEST);
        if (e != OK) assert_non_null(strstr(why.text, CASES[i].up));
        if (e != OK) continue;
        assert_int_equal(r.max_output, CASES[i].most);
        assert_int_equal(r.choices, CASES[i].choices);
        buf_init(&out, 1000);
        unsigned n = ops()->edits(&r, S("\"up\""), edits);
        size_t k = json_splice(str_z(CASES[i].body), edits, n, pieces);
        for (size_t p = 0; p < k; p++) buf_str(&out, pieces[p]);
        if (CASES[i].up) assert_string_equal(buf_z(&out), CASES[i].up);
        assert_int_equal(ops()->edits(&r, STR_NONE, edits), 0);
        buf_done(&out);
    }
}

/* G3: thoughts are an addend; the prompt includes what was cached; modalities are cut out. */
static void usage_is_a_partition(void **state)
{
    struct usage u;
    struct fault why = {0};
    const char *body =
        "{\"candidates\":[],\"usageMetadata\":{\"promptTokenCount\":100,\"cachedContentTokenCount\":40,\"candidatesTokenCount\":"
        "20,\"thoughtsTokenCount\":30,\"toolUsePromptTokenCount\":5,\"totalTokenCount\":155,\"promptTokensDetails\":[{"
        "\"modality\":\"TEXT\",\"tokenCount\":70},{\"modality\":\"AUDIO\",\"tokenCount\":30}],\"cacheTokensDetails\":[{"
        "\"modality\":\"AUDIO\",\"tokenCount\":10}],\"candidatesTokensDetails\":[{\"modality\":\"IMAGE\",\"tokenCount\":8}]}}";
    (void)state;
    assert_int_equal(ops()->answer(WIRE_GENERATE, str_z(body), &tape, &u, &why), OK);
    assert_int_equal(usage_input(&u), 105);
    assert_int_equal(usage_output(&u), 50);
    assert_int_equal(u.n[USAGE_IN_FRESH], 40);
    assert_int_equal(u.n[USAGE_IN_AUDIO], 20);
    assert_int_equal(u.n[USAGE_IN_AUDIO_CACHE_READ], 10);
    assert_int_equal(u.n[USAGE_IN_CACHE_READ], 30);
    assert_int_equal(u.n[USAGE_IN_TOOL_PROMPT], 5);
    assert_int_equal(u.n[USAGE_OUT_REASONING], 30);
    assert_int_equal(u.n[USAGE_OUT_IMAGE], 8);
    assert_int_equal(u.n[USAGE_OUT_VISIBLE], 12);
    /* shares that are larger than their whole never wrap */
    body =
        "{\"candidates\":[],\"usageMetadata\":{\"promptTokenCount\":1,\"cachedContentTokenCount\":9,\"candidatesTokenCount\":1,"
        "\"candidatesTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":9},{\"modality\":\"AUDIO\",\"tokenCount\":"
        "18446744073709551615}]}}";
    assert_int_equal(ops()->answer(WIRE_GENERATE, str_z(body), &tape, &u, &why), OK);
    assert_int_equal(usage_input(&u), 1);
    assert_int_equal(usage_output(&u), 1);
}

static void answers(void **state)
{
    static const struct {
        enum wire_operation op;
        const char *body;
        enum err err;
    } CASES[] = {
        {WIRE_COUNT_TOKENS, "{\"totalTokens\":3}", OK},
        {WIRE_COUNT_TOKENS, "{\"candidates\":[]}", ERR_UPSTREAM_GARBAGE},
        {WIRE_GENERATE, "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}", OK},
        {WIRE_GENERATE, "{\"error\":{}}", ERR_UPSTREAM_GARBAGE},
        {WIRE_GENERATE, "[{}]", ERR_UPSTREAM_GARBAGE},
        {WIRE_GENERATE, "{\"candidates\":[", ERR_UPSTREAM_GARBAGE},
    };
    struct usage u;
    struct buf room;
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct fault why = {0};
        assert_int_equal(ops()->answer(CASES[i].op, str_z(CASES[i].body), &tape, &u, &why), CASES[i].err);
    }
    buf_init(&room, KIB(4));
    assert_true(wire_read_tail(ops(), S("x\"}],\"usageMetadata\":{\"promptTokenCount\":7,\"candidatesTokenCount\":5}}"), &tape,
                               &room, &u));
    assert_int_equal(usage_input(&u), 7);
    assert_int_equal(usage_output(&u), 5);
    buf_done(&room);
}

/* G1: the close ends a stream; whether it was whole shows in a reason to end. */
static void the_close_ends_it(void **state)
{
    static const struct {
        const char *events[4];
        bool whole, error, garbage;
    } CASES[] = {
        {{"{\"candidates\":[{\"content\":{}}],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":1}}",
          "{\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":2}}"},
         true,
         false,
         false},
        {{"{\"promptFeedback\":{\"blockReason\":\"OTHER\"},\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":2}"
          "}"},
         true,
         false,
         false},
        {{"{\"candidates\":[{\"content\":{}}],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":2}}"},
         false,
         false,
         false},
        {{"{\"candidates\":[],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":2}}",
          "{\"error\":{\"code\":503}}"},
         false,
         true,
         false},
        {{"{\"candidates\":[],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":2}}", "[DONE]"},
         false,
         false,
         true},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct usage u = {0};
        struct wire_stream s = {.format = WIRE_GEMINI_GENERATE, .usage = &u};
        struct wire_step step = {0};
        for (unsigned k = 0; CASES[i].events[k]; k++) {
            const struct sse_event e = {.data = str_z(CASES[i].events[k]), .has_data = true};
            ops()->event(&s, &e, &tape, &step);
            assert_int_equal(step.starts, k == 0);
            assert_false(step.last || step.hide);
        }
        assert_int_equal(step.error, CASES[i].error);
        assert_int_equal(step.garbage, CASES[i].garbage);
        assert_int_equal(ops()->end(&s), CASES[i].whole);
        assert_int_equal(usage_input(&u), 3);
        assert_int_equal(usage_output(&u), 2);
    }
}

static void errors(void **state)
{
    struct fault f = {0};
    struct buf out;
    (void)state;
    buf_init(&out, KIB(4));
    FAIL(&f, ERR_RATE_REQUESTS, "slow \"down\"");
    f.retry_after_s = 7;
    ops()->error_event(&f, S("abc"), &out);
    assert_string_equal(buf_z(&out),
                        "data: {\"error\":{\"code\":429,\"message\":\"slow \\\"down\\\"\",\"status\":\"RESOURCE_EXHAUSTED\","
                        "\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"rate_requests\","
                        "\"domain\":\"aquifer\",\"metadata\":{\"request_id\":\"abc\"}},{\"@type\":\"type.googleapis.com/"
                        "google.rpc.RetryInfo\",\"retryDelay\":\"7s\"}]}}\n\n");
    buf_clear(&out);
    ops()->blame(S("[{\"error\":{\"code\":404,\"message\":\"no\",\"status\":\"NOT_FOUND\"}}]"), &tape, &out);
    assert_string_equal(buf_z(&out), "NOT_FOUND: no");
    buf_clear(&out);
    ops()->blame(S("[]"), &tape, &out);
    ops()->blame(S("{\"error\":\"x\"}"), &tape, &out);
    ops()->blame(S("<html>"), &tape, &out);
    assert_int_equal(out.n, 0);
    buf_done(&out);
}

static void endpoints(void **state)
{
    static const struct {
        const char *path, *model;
        enum wire_operation op;
        bool stream;
    } CASES[] = {
        {"/v1beta/models/g-2.5:generateContent", "g-2.5", WIRE_GENERATE, false},
        {"/v1/models/a/b:streamGenerateContent", "a/b", WIRE_GENERATE, true},
        {"/v1beta/models/a%2Fb:1:countTokens", "a/b:1", WIRE_COUNT_TOKENS, false},
        {"/v1/projects/p/locations/l/publishers/google/models/m:generateContent", "m", WIRE_GENERATE, false},
        {"/v1beta1/publishers/google/models/m:streamGenerateContent", "m", WIRE_GENERATE, true},
    };
    static const struct http_field GOOG[] = {{{"x-goog-api-key", 14}, {"k", 1}}};
    bool wrong;
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct wire_request r = {0};
        struct fault why = {0};
        const struct wire_endpoint *e = wire_endpoint_find(S("POST"), str_z(CASES[i].path), &wrong);
        assert_non_null(e);
        assert_int_equal(e->format, WIRE_GEMINI_GENERATE);
        assert_int_equal(e->operation, CASES[i].op);
        assert_int_equal(wire_read_path(e, str_z(CASES[i].path), &arena, &r, &why), OK);
        assert_true(str_eq(r.model, str_z(CASES[i].model)));
        assert_int_equal(r.stream, CASES[i].stream);
    }
    assert_null(wire_endpoint_find(S("POST"), S("/v1beta/interactions"), &wrong));
    assert_non_null(strstr(wire_endpoint_advice(S("/v1beta/interactions")), "generateContent"));
    assert_null(wire_endpoint_advice(S("/v1/messages")));
    assert_int_equal(wire_guess(S("/v1beta/nothing"), (struct http_fields){NULL, 0}), WIRE_GEMINI_GENERATE);
    assert_int_equal(wire_guess(S("/v1/models"), (struct http_fields){GOOG, 1}), WIRE_GEMINI_GENERATE);
}

/* G1: without alt=sse a stream is one array. */
static void a_stream_as_an_array(void **state)
{
    static const struct {
        const char *path, *query;
        bool array;
    } WANTS[] = {
        {"/v1beta/models/g:streamGenerateContent", "", true},
        {"/v1beta/models/g:streamGenerateContent", "key=k&alt=json", true},
        {"/v1beta/models/g:streamGenerateContent", "key=k&alt=sse", false},
        {"/v1beta/models/g:streamGenerateContent", "$alt=sse&x", false},
        {"/v1beta/models/g:streamGenerateContent", "xalt=sse", true},
        {"/v1beta/models/g:generateContent", "", false},
    };
    static const struct {
        const char *events, *pieces;
    } WRITES[] = {
        {"data: {\"a\":1}\r\n\r\ndata:{\"a\":2}\n\n", "[{\"a\":1},\r\n{\"a\":2}"},
        {": heartbeat\n\n", ""},
        {"event: x\nid: 7\ndata: {\ndata: \"a\":3}\n\n", ",\r\n{\n\"a\":3}"},
        {"data: {}\r\r", ",\r\n{}"},
    };
    struct wire_array a = {0}, empty = {0};
    struct buf out;
    (void)state;
    buf_init(&out, KIB(4));
    for (unsigned i = 0; i < COUNTOF(WANTS); i++)
        assert_int_equal(wire_wants_array(str_z(WANTS[i].path), str_z(WANTS[i].query)), WANTS[i].array);
    for (unsigned i = 0; i < COUNTOF(WRITES); i++) {
        buf_clear(&out);
        wire_array_put(&a, str_z(WRITES[i].events), &out);
        assert_string_equal(buf_z(&out), WRITES[i].pieces);
    }
    buf_clear(&out);
    wire_array_end(&a, &out);
    wire_array_end(&empty, &out);
    assert_string_equal(buf_z(&out), "\n][]");
    buf_done(&out);
}

static void models(void **state)
{
    const struct wire_model m[] = {{S("a\"b"), STR_NONE, 0}};
    struct buf out;
    (void)state;
    buf_init(&out, KIB(1));
    wire_models_gemini(m, 1, &out);
    assert_string_equal(buf_z(&out), "{\"models\":[{\"name\":\"models/a\\\"b\",\"displayName\":\"a\\\"b\","
                                     "\"supportedGenerationMethods\":[\"generateContent\",\"countTokens\"]}]}");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests), cmocka_unit_test(usage_is_a_partition),
        cmocka_unit_test(answers),  cmocka_unit_test(the_close_ends_it),
        cmocka_unit_test(errors),   cmocka_unit_test(endpoints),
        cmocka_unit_test(models),   cmocka_unit_test(a_stream_as_an_array),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
