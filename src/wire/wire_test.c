/* Golden cases of both formats: what a request asks, how it is edited, what an answer says of usage, and how
 * our errors look. Rules are named as in docs/wire.md. */

#include "wire/tape_test.h"
#include "wire/wire.h"

static enum err read_request(enum wire_format f, const char *body, struct wire_request *r, struct fault *why)
{
    TRY(json_scan(&tape, str_z(body), &WIRE_LIMITS, why));
    return wire_ops_get(f)->read(WIRE_GENERATE, &tape, &arena, r, why);
}

/* The body as it goes up, edited for `model`. */
static void edited(enum wire_format f, const char *body, const char *quoted_model, struct buf *out)
{
    struct wire_request r;
    struct fault why = {0};
    struct json_edit edits[WIRE_EDITS];
    struct str pieces[JSON_PIECES(WIRE_EDITS)];
    assert_int_equal(read_request(f, body, &r, &why), OK);
    unsigned n = wire_ops_get(f)->edits(&r, str_z(quoted_model), edits);
    size_t n_pieces = json_splice(str_z(body), edits, n, pieces);
    buf_clear(out);
    for (size_t i = 0; i < n_pieces; i++) buf_str(out, pieces[i]);
}

static void the_closed_table_of_edits(void **state)
{
    (void)state;
    static const struct {
        enum wire_format format;
        const char *body, *model, *up;
    } CASES[] = {
        /* Number spelling, key order, unknown fields and spaces stay. */
        {WIRE_OPENAI_CHAT, "{ \"x\":1.50e+01, \"model\":\"fast\",\"messages\":[] }", "\"gpt\"",
         "{ \"x\":1.50e+01, \"model\":\"gpt\",\"messages\":[] }"},
        {WIRE_OPENAI_CHAT, "{\"model\":\"fast\",\"messages\":[]}", "", "{\"model\":\"fast\",\"messages\":[]}"},
        {WIRE_OPENAI_CHAT, "{\"messages\":[],\"stream\":true,\"model\":\"f\"}", "\"g\"",
         "{\"stream_options\":{\"include_usage\":true},\"messages\":[],\"stream\":true,\"model\":\"g\"}"},
        {WIRE_OPENAI_CHAT, "{\"model\":\"f\",\"messages\":[],\"stream\":true,\"stream_options\":null}", "",
         "{\"model\":\"f\",\"messages\":[],\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
        {WIRE_OPENAI_CHAT, "{\"model\":\"f\",\"messages\":[],\"stream\":true,\"stream_options\":{}}", "",
         "{\"model\":\"f\",\"messages\":[],\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
        {WIRE_OPENAI_CHAT, "{\"model\":\"f\",\"messages\":[],\"stream\":true,\"stream_options\":{\"a\":1}}", "",
         "{\"model\":\"f\",\"messages\":[],\"stream\":true,\"stream_options\":{\"include_usage\":true,\"a\":1}}"},
        {WIRE_OPENAI_CHAT, "{\"model\":\"f\",\"messages\":[],\"stream\":true,\"stream_options\":{\"include_usage\":false}}", "",
         "{\"model\":\"f\",\"messages\":[],\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
        {WIRE_OPENAI_CHAT, "{\"model\":\"f\",\"messages\":[],\"stream\":true,\"stream_options\":{\"include_usage\":true}}", "",
         "{\"model\":\"f\",\"messages\":[],\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
        /* Not a stream: no options are added. */
        {WIRE_OPENAI_CHAT, "{\"model\":\"f\",\"messages\":[],\"stream\":false}", "",
         "{\"model\":\"f\",\"messages\":[],\"stream\":false}"},
        {WIRE_ANTHROPIC_MESSAGES, "{\"mod\\u0065l\":\"c\\u006caude\",\"messages\":[],\"max_tokens\":5,\"stream\":true}", "\"o\"",
         "{\"mod\\u0065l\":\"o\",\"messages\":[],\"max_tokens\":5,\"stream\":true}"},
        {WIRE_OPENAI_RESPONSES, "{\"input\":\"hi\",\"model\":\"f\",\"stream\":true,\"new\":1e0}", "\"o\"",
         "{\"input\":\"hi\",\"model\":\"o\",\"stream\":true,\"new\":1e0}"},
    };
    struct buf out;
    buf_init(&out, KIB(4));
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        edited(CASES[i].format, CASES[i].body, CASES[i].model, &out);
        assert_string_equal(buf_z(&out), CASES[i].up);
    }
    buf_done(&out);
}

static void requests_that_cannot_go(void **state)
{
    (void)state;
    static const struct {
        enum wire_format format;
        const char *body, *says;
    } CASES[] = {
        {WIRE_OPENAI_CHAT, "[]", "the body must be a JSON object"},
        {WIRE_OPENAI_CHAT, "{\"model\":7,\"messages\":[]}", "model: must be a string"},
        {WIRE_OPENAI_CHAT, "{\"model\":\"\",\"messages\":[]}", "model: is empty"},
        {WIRE_OPENAI_CHAT, "{\"model\":\"a b\",\"messages\":[]}", "model: must not hold spaces"},
        {WIRE_OPENAI_CHAT, "{\"model\":\"a\\u0000b\",\"messages\":[]}", "model: must not hold spaces"},
        {WIRE_OPENAI_CHAT, "{\"model\":\"a\"}", "messages: missing"},
        {WIRE_OPENAI_CHAT, "{\"model\":\"a\",\"messages\":{}}", "messages: must be an array"},
        {WIRE_OPENAI_CHAT, "{\"model\":\"a\",\"messages\":[],\"stream\":\"yes\"}", "stream: must be true or false"},
        {WIRE_OPENAI_CHAT, "{\"model\":\"a\",\"messages\":[],\"max_tokens\":-1}", "max_tokens: must be a whole number"},
        {WIRE_OPENAI_CHAT, "{\"model\":\"a\",\"messages\":[],\"stream\":true,\"stream_options\":[]}",
         "stream_options: must be an object"},
        {WIRE_OPENAI_CHAT, "{\"model\":\"a\",\"messages\":[],\"stream\":true,\"stream_options\":{\"include_usage\":1}}",
         "stream_options.include_usage: must be true or false"},
        {WIRE_OPENAI_CHAT,
         "{\"model\":\"a\",\"messages\":[],\"stream\":true,\"stream_options\":{\"include_usage\":true,\"include_us\\u0061ge\":"
         "false}}",
         "stream_options.include_us\\u0061ge: is given twice"},
        {WIRE_BEDROCK_CONVERSE, "{\"messages\":[],\"inferenceConfig\":{\"maxTokens\":1,\"maxTokens\":9}}",
         "inferenceConfig.maxTokens: is given twice"},
        {WIRE_GEMINI_GENERATE, "{\"contents\":[],\"generationConfig\":{\"maxOutputTokens\":1,\"maxOutputTokens\":9}}",
         "generationConfig.maxOutputTokens: is given twice"},
        {WIRE_GEMINI_GENERATE, "{\"contents\":[],\"generationConfig\":{\"maxOutputTokens\":1,\"max_output_tokens\":9}}",
         "maxOutputTokens: is given twice"},
        {WIRE_GEMINI_GENERATE, "{\"contents\":[],\"generationConfig\":{},\"generation_config\":{}}",
         "generationConfig: is given twice"},
        {WIRE_ANTHROPIC_MESSAGES, "{\"messages\":[],\"max_tokens\":1}", "model: missing"},
        {WIRE_OPENAI_RESPONSES, "{\"model\":\"a\"}", "input: missing"},
        {WIRE_OPENAI_RESPONSES, "{\"model\":\"a\",\"input\":{}}", "input: must be a string or an array"},
        {WIRE_OPENAI_RESPONSES, "{\"model\":\"a\",\"input\":[],\"max_output_tokens\":\"9\"}", "max_output_tokens: must be"},
        {WIRE_ANTHROPIC_MESSAGES, "{\"model\":\"a\",\"messages\":[],\"max_tokens\":1.5}", "max_tokens: must be a whole number"},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct wire_request r;
        struct fault why = {0};
        assert_int_equal(read_request(CASES[i].format, CASES[i].body, &r, &why), ERR_BAD_REQUEST);
        assert_non_null(strstr(why.text, CASES[i].says));
    }
}

static void bounds_count_all_choices(void **state)
{
    (void)state;
    struct wire_request r;
    struct fault why = {0};
    assert_int_equal(read_request(WIRE_OPENAI_CHAT,
                                  "{\"model\":\"a\",\"messages\":[],\"max_tokens\":10,\"max_completion_tokens\":7,\"n\":3}", &r,
                                  &why),
                     OK);
    assert_int_equal(r.max_output, 30); /* servers differ in which of the two they obey */
    assert_int_equal(r.choices, 3);
    assert_int_equal(
        read_request(WIRE_OPENAI_CHAT, "{\"model\":\"a\",\"messages\":[],\"max_tokens\":18446744073709551615,\"n\":9}", &r, &why),
        OK);
    assert_true(r.max_output == UINT64_MAX);
}

/* Every vendor's own inclusion rule (C6, A7, A8). */
static void answers_tell_their_usage(void **state)
{
    (void)state;
    static const struct {
        enum wire_format format;
        const char *body;
        uint64_t input, output, fresh, read, write, write_5m, write_1h, reasoning;
    } CASES[] = {
        {WIRE_OPENAI_CHAT,
         "{\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":50,\"prompt_tokens_details\":{\"cached_tokens\":"
         "40,\"cache_write_tokens\":10},\"completion_tokens_details\":{\"reasoning_tokens\":30}}}",
         100, 50, 50, 40, 10, 0, 0, 30},
        {WIRE_OPENAI_CHAT,
         "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1,\"prompt_tokens_details\":{\"cached_tokens\":99}"
         "}}",
         5, 1, 0, 5, 0, 0, 0, 0},
        {WIRE_OPENAI_CHAT,
         "{\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":2,\"prompt_cache_hit_tokens\":4,\"prompt_cache_"
         "miss_tokens\":6}}",
         10, 2, 6, 4, 0, 0, 0, 0},
        {WIRE_ANTHROPIC_MESSAGES,
         "{\"type\":\"message\",\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":20,\"cache_creation_input_tokens\":7,"
         "\"cache_creation\":{\"ephemeral_5m_input_tokens\":4,\"ephemeral_1h_input_tokens\":3},\"output_tokens\":9,\"output_"
         "tokens_details\":{\"thinking_tokens\":5}}}",
         37, 9, 10, 20, 0, 4, 3, 5},
        {WIRE_OPENAI_RESPONSES,
         "{\"object\":\"response\",\"output\":[],\"usage\":{\"input_tokens\":100,\"input_tokens_details\":{\"cached_tokens\":"
         "40,\"cache_write_tokens\":10},\"output_tokens\":50,\"output_tokens_details\":{\"reasoning_tokens\":30}}}",
         100, 50, 50, 40, 10, 0, 0, 30},
        {WIRE_ANTHROPIC_MESSAGES,
         "{\"type\":\"message\",\"usage\":{\"input_tokens\":1,\"cache_creation_input_tokens\":7,\"output_tokens\":2}}", 8, 2, 1,
         0, 7, 0, 0, 0},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct usage u;
        struct fault why = {0};
        assert_int_equal(wire_ops_get(CASES[i].format)->answer(WIRE_GENERATE, str_z(CASES[i].body), &tape, &u, &why), OK);
        assert_int_equal(usage_input(&u), CASES[i].input);
        assert_int_equal(usage_output(&u), CASES[i].output);
        assert_int_equal(u.n[USAGE_IN_FRESH], CASES[i].fresh);
        assert_int_equal(u.n[USAGE_IN_CACHE_READ], CASES[i].read);
        assert_int_equal(u.n[USAGE_IN_CACHE_WRITE], CASES[i].write);
        assert_int_equal(u.n[USAGE_IN_CACHE_WRITE_5M], CASES[i].write_5m);
        assert_int_equal(u.n[USAGE_IN_CACHE_WRITE_1H], CASES[i].write_1h);
        assert_int_equal(u.n[USAGE_OUT_REASONING], CASES[i].reasoning);
    }
}

/* What no answer can have used was not told. */
static void absurd_counts_are_none(void **state)
{
    (void)state;
    static const struct {
        enum wire_format format;
        const char *body;
        uint64_t input, output;
    } CASES[] = {
        {WIRE_OPENAI_CHAT,
         "{\"choices\":[],\"usage\":{\"prompt_tokens\":1e30,\"completion_tokens\":-4,\"prompt_tokens_details\":{\"cached_"
         "tokens\":4}"
         "}}",
         0, 0},
        {WIRE_OPENAI_CHAT,
         "{\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":1000000001,\"prompt_tokens_details\":{\"cached_"
         "tokens\":18446744073709551615}}}",
         10, 0},
        {WIRE_ANTHROPIC_MESSAGES,
         "{\"type\":\"message\",\"usage\":{\"input_tokens\":1.5,\"cache_read_input_tokens\":9223372036854775807,\"output_"
         "tokens\":2}"
         "}",
         0, 2},
        {WIRE_OPENAI_RESPONSES,
         "{\"object\":\"response\",\"output\":[],\"usage\":{\"input_tokens\":10000000000,\"output_tokens\":1000000000}}", 0,
         1000000000},
        {WIRE_GEMINI_GENERATE,
         "{\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":1e18,\"candidatesTokenCount\":3}"
         "}",
         0, 3},
        {WIRE_BEDROCK_CONVERSE,
         "{\"output\":{\"message\":{\"content\":[]}},\"usage\":{\"inputTokens\":-1,\"outputTokens\":1e19}}", 0, 0},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct usage u;
        struct fault why = {0};
        assert_int_equal(wire_ops_get(CASES[i].format)->answer(WIRE_GENERATE, str_z(CASES[i].body), &tape, &u, &why), OK);
        assert_int_equal(usage_input(&u), CASES[i].input);
        assert_int_equal(usage_output(&u), CASES[i].output);
    }
}

static void usage_is_read_from_a_tail(void **state)
{
    (void)state;
    static const struct {
        enum wire_format format;
        const char *tail;
        bool told;
        uint64_t input, output;
    } CASES[] = {
        {WIRE_OPENAI_CHAT, "xt\"}}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5},\"service_tier\":\"default\"}\n",
         true, 7, 5},
        {WIRE_ANTHROPIC_MESSAGES, "t\"}],\"usage\" : {\"input_tokens\":7,\"output_tokens\":5}}", true, 7, 5},
        {WIRE_OPENAI_RESPONSES, "t\"}]}],\"usage\":{\"input_tokens\":7,\"output_tokens\":5},\"user\":null}", true, 7, 5},
        /* an earlier one stands in a string, or deeper; the last one at the root counts */
        {WIRE_OPENAI_CHAT, "\\\"usage\\\":{\"}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}", true, 1, 2},
        {WIRE_OPENAI_CHAT, ",\"x\":{\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}}", false, 0, 0},
        {WIRE_OPENAI_CHAT, "},\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}", false, 0, 0}, /* cut */
        {WIRE_OPENAI_CHAT, "so \\\"usage\\\":{\\\"prompt_tokens\\\":7}\"}}]}", false, 0, 0},
        {WIRE_OPENAI_CHAT, "\"usage\":{}}", false, 0, 0}, /* what stands before it is not known */
        {WIRE_OPENAI_CHAT, "", false, 0, 0},
        {WIRE_OPENAI_CHAT, "\"usage\"", false, 0, 0},
    };
    struct buf room;
    buf_init(&room, KIB(4));
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct usage u = {0};
        const struct wire_ops *ops = wire_ops_get(CASES[i].format);
        assert_int_equal(wire_read_tail(ops, str_z(CASES[i].tail), &tape, &room, &u), CASES[i].told);
        assert_int_equal(usage_input(&u), CASES[i].input);
        assert_int_equal(usage_output(&u), CASES[i].output);
    }
    buf_done(&room);
}

static void answers_that_are_none(void **state)
{
    (void)state;
    static const struct {
        enum wire_format format;
        const char *body;
    } CASES[] = {
        {WIRE_OPENAI_CHAT, "{\"choices\":[{\"message\":"},
        {WIRE_OPENAI_CHAT, ""},
        {WIRE_OPENAI_CHAT, "<html>"},
        {WIRE_OPENAI_CHAT, "{\"id\":1}"},
        {WIRE_OPENAI_CHAT, "[1]"},
        {WIRE_ANTHROPIC_MESSAGES, "{\"type\":\"error\"}"},
        {WIRE_ANTHROPIC_MESSAGES, "{\"type\":\"message\""},
        {WIRE_OPENAI_RESPONSES, "{\"object\":\"response\"}"},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct usage u;
        struct fault why = {0};
        assert_int_equal(wire_ops_get(CASES[i].format)->answer(WIRE_GENERATE, str_z(CASES[i].body), &tape, &u, &why),
                         ERR_UPSTREAM_GARBAGE);
    }
}

static void errors_in_the_callers_words(void **state)
{
    (void)state;
    struct fault f = {0};
    struct buf out;
    buf_init(&out, KIB(4));
    FAIL(&f, ERR_RATE_REQUESTS, "slow \"down\"");
    wire_ops_get(WIRE_OPENAI_CHAT)->error(&f, S("abc"), &out);
    assert_string_equal(buf_z(&out), "{\"error\":{\"message\":\"slow \\\"down\\\"\",\"type\":\"rate_limit_error\",\"param\":null,"
                                     "\"code\":\"rate_requests\"},\"request_id\":\"abc\"}");
    buf_clear(&out);
    wire_ops_get(WIRE_ANTHROPIC_MESSAGES)->error_event(&f, S("abc"), &out);
    assert_string_equal(buf_z(&out),
                        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":"
                        "\"slow \\\"down\\\"\",\"code\":\"rate_requests\"},\"request_id\":\"abc\"}\n\n");
    buf_clear(&out);
    wire_ops_get(WIRE_OPENAI_RESPONSES)->error_event(&f, S("abc"), &out);
    assert_string_equal(
        buf_z(&out),
        "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":2147483647,\"response\":"
        "{\"id\":\"resp_abc\",\"object\":\"response\",\"status\":\"failed\",\"error\":{\"code\":\"rate_limit_exceeded\","
        "\"message\":\"slow \\\"down\\\"\"},\"output\":[]}}\n\n");
    buf_done(&out);
}

static void the_word_of_a_failed_provider(void **state)
{
    (void)state;
    static const char *const CASES[][2] = {
        {"{\"error\":{\"type\":\"rate_limit\",\"message\":\"slow\"}}", "rate_limit: slow"},
        {"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}", "overloaded_error: busy"},
        {"{\"message\":\"no\"}", "no"},
        {"{\"error\":\"plain\"}", "plain"},
        {"<html>", ""},
        {"", ""},
        {"[]", ""},
    };
    struct buf out;
    buf_init(&out, KIB(1));
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        buf_clear(&out);
        wire_ops_get(WIRE_OPENAI_CHAT)->blame(str_z(CASES[i][0]), &tape, &out);
        assert_string_equal(buf_z(&out), CASES[i][1]);
    }
    static const char *const EVENTS[][2] = {
        {"{\"type\":\"error\",\"code\":\"server_error\",\"message\":\"busy\"}", "server_error: busy"},
        {"{\"type\":\"error\",\"error\":{\"type\":\"server_error\",\"message\":\"busy\"}}", "server_error: busy"},
        {"{\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"a\",\"message\":\"b\"}}}", "a: b"},
    };
    for (unsigned i = 0; i < COUNTOF(EVENTS); i++) {
        buf_clear(&out);
        wire_ops_get(WIRE_OPENAI_RESPONSES)->blame(str_z(EVENTS[i][0]), &tape, &out);
        assert_string_equal(buf_z(&out), EVENTS[i][1]);
    }
    buf_done(&out);
}

static void endpoints_and_fields(void **state)
{
    (void)state;
    bool wrong;
    assert_non_null(wire_endpoint_find(S("POST"), S("/v1/messages/count_tokens"), &wrong));
    assert_non_null(wire_endpoint_find(S("HEAD"), S("/v1/models"), &wrong));
    assert_null(wire_endpoint_find(S("GET"), S("/v1/messages"), &wrong));
    assert_true(wrong);
    assert_null(wire_endpoint_find(S("GET"), S("/v1/message"), &wrong));
    assert_false(wrong);
    static const char *const UP[] = {"anthropic-beta", "x-stainless-lang", "openai-organization", "content-type"};
    static const char *const NEVER[] = {"authorization", "x-api-key",       "cookie",          "host",
                                        "connection",    "accept-encoding", "x-forwarded-for", "api-key"};
    for (unsigned i = 0; i < COUNTOF(UP); i++) assert_true(wire_header_goes_up(str_z(UP[i])));
    for (unsigned i = 0; i < COUNTOF(NEVER); i++) assert_false(wire_header_goes_up(str_z(NEVER[i])));
    assert_true(wire_header_comes_down(S("x-ratelimit-remaining-requests")));
    assert_false(wire_header_comes_down(S("set-cookie")));
}

static void a_path_has_the_model(void **state)
{
    static const struct {
        const char *template, *path, *hole; /* hole NULL: no match */
    } CASES[] = {
        {"/m/{id}/converse", "/m/a.b-v1:0/converse", "a.b-v1:0"},
        {"/m/{id}/converse", "/m/arn%3Aaws%3Ax%2Fy/converse", "arn%3Aaws%3Ax%2Fy"},
        {"/m/{id}/converse", "/m/a/b/converse", NULL},
        {"/m/{id}/converse", "/m//converse", NULL},
        {"/m/{id}/converse", "/m/converse", NULL},
        {"/m/{id}/converse", "/m/a/converse/", NULL},
        {"/m/{id}/converse", "/m/a/converse-stream", NULL},
        {"/v1/models/{+m}:go", "/v1/models/a:b/c:go", "a:b/c"},
        {"/v1/models/{+m}:go", "/v1/models/:go", NULL},
        {"/v1/models/{+m}:go", "/v1/models/a:gone", NULL},
        {"/v1/p/{p}/l/{l}/m/{+m}:go", "/v1/p/x/l/y/m/z:go", "z"},
        {"/v1/p/{p}/l/{l}/m/{+m}:go", "/v1/p//l/y/m/z:go", NULL},
        {"/v1/p/{p}/l/{l}/m/{+m}:go", "/v1/p/x/y/l/y/m/z:go", NULL},
        {"/v1/p/{p}/l/{l}/m/{+m}:go", "/v1/p/x", NULL},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct str hole = STR_NONE;
        bool is = wire_path_match(str_z(CASES[i].template), str_z(CASES[i].path), &hole);
        assert_int_equal(is, CASES[i].hole != NULL);
        if (is) assert_true(str_eq(hole, str_z(CASES[i].hole)));
    }
}

static void what_the_path_tells(void **state)
{
    static const struct wire_endpoint E = {"POST", "/m/{id}/s", WIRE_OPENAI_CHAT, WIRE_GENERATE, PATH_STREAM};
    static const struct {
        const char *path, *model, *says; /* says NULL: fine */
    } CASES[] = {
        {"/m/a%2Fb:1/s", "a/b:1", NULL}, {"/m/a%2/s", NULL, "broken"},       {"/m/a%20b/s", NULL, "spaces"},
        {"/m/a%00b/s", NULL, "control"}, {"/m/a%ffb/s", NULL, "UTF-8"},
#define A32 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A256 A32 A32 A32 A32 A32 A32 A32 A32
        {"/m/" A256 "/s", A256, NULL},   {"/m/a" A256 "/s", NULL, "longer"},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct wire_request r = {0};
        struct fault why = {0};
        enum err e = wire_read_path(&E, str_z(CASES[i].path), &arena, &r, &why);
        assert_int_equal(e, CASES[i].says ? ERR_BAD_REQUEST : OK);
        if (CASES[i].says) assert_non_null(strstr(why.text, CASES[i].says));
        else assert_true(r.stream && str_eq(r.model, str_z(CASES[i].model)));
    }
}

#define CLAUDES "/v1/projects/p/locations/l/publishers/anthropic/models/"
static void claude_on_vertex_ai(void **state)
{
    static const struct {
        const char *path, *body, *model, *says; /* says NULL: fine */
        bool stream;
    } CASES[] = {
        {CLAUDES "claude-5@1:rawPredict", "{\"anthropic_version\":\"vertex-2023-10-16\",\"messages\":[]}", "claude-5@1", NULL,
         false},
        {CLAUDES "c:streamRawPredict", "{\"anthropic_version\":\"2026-10-21\",\"messages\":[]}", "c", NULL, true},
        {CLAUDES "c:rawPredict", "{\"anthropic_version\":\"v\",\"stream\":true,\"messages\":[]}", "c", NULL, true},
        {CLAUDES "count-tokens:rawPredict", "{\"anthropic_version\":\"v\",\"model\":\"c\",\"messages\":[]}", "c", NULL, false},
        {CLAUDES "count-tokens:rawPredict", "{\"anthropic_version\":\"v\",\"messages\":[]}", NULL, "model: missing", false},
        {CLAUDES "c:rawPredict", "{\"anthropic_version\":\"v\",\"model\":\"c\",\"messages\":[]}", NULL, "in the path", false},
        {CLAUDES "c:rawPredict", "{\"messages\":[]}", NULL, "model: missing", false},
        {CLAUDES "c:rawPredict", "{\"anthropic_version\":\"\",\"messages\":[]}", NULL, "anthropic_version", false},
        {CLAUDES "c:rawPredict", "[]", NULL, "object", false},
    };
    (void)state;
    bool wrong;
    assert_null(wire_endpoint_find(S("POST"), S(CLAUDES "c:predict"), &wrong));
    assert_int_equal(wire_guess(S(CLAUDES "c:predict"), (struct http_fields){NULL, 0}), WIRE_ANTHROPIC_MESSAGES);
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct wire_request r;
        struct fault why = {0};
        const struct wire_endpoint *e = wire_endpoint_find(S("POST"), str_z(CASES[i].path), &wrong);
        assert_true(e && wire_is_vertex(e));
        assert_int_equal(json_scan(&tape, str_z(CASES[i].body), &WIRE_LIMITS, &why), OK);
        enum err got = wire_ops_get(e->format)->read(e->operation, &tape, &arena, &r, &why);
        if (got == OK) got = wire_read_path(e, str_z(CASES[i].path), &arena, &r, &why);
        assert_int_equal(got, CASES[i].says ? ERR_BAD_REQUEST : OK);
        if (CASES[i].says) assert_non_null(strstr(why.text, CASES[i].says));
        else assert_true(r.stream == CASES[i].stream && str_eq(r.model, str_z(CASES[i].model)));
    }
}

static void the_list_of_models(void **state)
{
    (void)state;
    const struct wire_model m[] = {{S("a"), STR_NONE, 0, 0}, {S("b"), S("Bee"), 0, 0}, {S("c"), STR_NONE, 0, 0}};
    struct buf out;
    buf_init(&out, KIB(4));
    wire_models_anthropic(m, 3, S("limit=1&after_id=a"), &out);
    assert_string_equal(buf_z(&out), "{\"data\":[{\"type\":\"model\",\"id\":\"b\",\"display_name\":\"Bee\",\"created_at\":"
                                     "\"1970-01-01T00:00:00.000Z\"}],\"has_more\":true,\"first_id\":\"b\",\"last_id\":\"b\"}");
    buf_clear(&out);
    wire_models_anthropic(m, 3, S("limit=1&before_id=c"), &out);
    assert_non_null(strstr(buf_z(&out), "\"first_id\":\"b\""));
    buf_clear(&out);
    wire_models_anthropic(m, 3, S("after_id=c"), &out);
    assert_string_equal(buf_z(&out), "{\"data\":[],\"has_more\":false,\"first_id\":null,\"last_id\":null}");
    buf_clear(&out);
    assert_false(wire_models_codex(m, 3, S("limit=1"), &out));
    assert_true(wire_models_codex(m, 2, S("client_version=0.169.0"), &out));
    assert_int_equal(json_scan(&tape, buf_view(&out), NULL, NULL), OK);
    assert_int_equal(json_count(&tape, json_find(&tape, 0, S("models"))), 2);
    assert_non_null(strstr(buf_z(&out), "{\"slug\":\"b\",\"display_name\":\"Bee\",\"priority\":1,\"context_window\":null,"));
    buf_clear(&out);
    wire_models_openai(m, 1, &out);
    assert_string_equal(
        buf_z(&out),
        "{\"object\":\"list\",\"data\":[{\"id\":\"a\",\"object\":\"model\",\"created\":0,\"owned_by\":\"aquifer\"}]}");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_closed_table_of_edits),     cmocka_unit_test(requests_that_cannot_go),
        cmocka_unit_test(bounds_count_all_choices),      cmocka_unit_test(answers_tell_their_usage),
        cmocka_unit_test(absurd_counts_are_none),        cmocka_unit_test(usage_is_read_from_a_tail),
        cmocka_unit_test(answers_that_are_none),         cmocka_unit_test(errors_in_the_callers_words),
        cmocka_unit_test(the_word_of_a_failed_provider), cmocka_unit_test(endpoints_and_fields),
        cmocka_unit_test(a_path_has_the_model),          cmocka_unit_test(what_the_path_tells),
        cmocka_unit_test(claude_on_vertex_ai),           cmocka_unit_test(the_list_of_models),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
