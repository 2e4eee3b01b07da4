/* What Bedrock's formats ask beyond the laws (docs/wire.md, B1…): unions, cache points, names, refusals by their path, and errors as
 * frames. */
#include "wire/bedrock_converse/priv.h"
#include "wire/test.h"

#define USER(content) "{\"messages\":[{\"role\":\"user\",\"content\":[" content "]}]}"

static enum err read_body(struct bench *b, unsigned f, struct str body, struct chat *c)
{
    *c = (struct chat){.arena = &b->arena, .source = body};
    TRY(json_scan(&b->tape, body, NULL, &b->why));
    return translator_of(f)->read_request(&b->tape, c, &b->why);
}

/* Read in f and written in g for a model of Claude's; STR_NONE: refused. */
static struct str through(struct bench *b, unsigned f, unsigned g, const char *body, struct wire_name **ret_names)
{
    struct chat c;
    struct buf out;
    const struct wire_target to = {.model = S("m"),
                                   .origin = {S("anthropic"), 7},
                                   .max_output = 4096,
                                   .losses = &b->losses,
                                   .tape = &b->tape,
                                   .memo = &b->arena};
    buf_init(&out, MIB(1));
    enum err e = read_body(b, f, str_z(body), &c);
    if (e == OK) e = wire_adapt(&c, (enum wire_format)g, &to, ret_names, &b->why);
    if (e == OK) e = translator_of(g)->write_request(&c, &to, &out, &b->why);
    if (e == OK) e = chat_account(&c, "it", &b->why);
    if (e == OK) return keep(b, &out);
    buf_done(&out);
    return STR_NONE;
}

static void assert_holds(struct str text, const char *what)
{
    size_t at;
    if (!str_find(text, str_z(what), &at)) fail_msg("no %s in: %.*s", what, STR_ARG(text));
}

static void refusals_tell_the_path(void **state)
{
    static const struct {
        const char *body, *words;
    } ROWS[] = {
        {USER("{\"text\":\"a\",\"image\":{}}"), "messages[0].content[0]: is a union"},
        {USER("{\"cachePoint\":{\"type\":\"default\"}}"), "messages[0].content[0]: marks nothing"},
        {USER("{\"text\":1}"), "messages[0].content[0].text: must be a string"},
        {USER("{\"image\":{\"format\":\"png\",\"source\":{}}}"), "must hold bytes, s3Location"},
        {USER("{\"toolResult\":{\"toolUseId\":\"a\",\"content\":[],\"status\":\"odd\"}}"), "must be success or error"},
        {"{\"messages\":[{\"role\":\"system\",\"content\":[]}]}", "messages[0].role: must be user or assistant"},
        {"{\"messages\":[],\"toolConfig\":{\"tools\":[],\"toolChoice\":{}}}", "must hold auto, any or tool"},
        {"{\"messages\":[],\"inferenceConfig\":{\"maxTokens\":\"x\"}}", "inferenceConfig.maxTokens"},
    };
    for (unsigned i = 0; i < COUNTOF(ROWS); i++) {
        struct bench b;
        struct chat c;
        bench_start(&b);
        assert_int_equal(read_body(&b, WIRE_BEDROCK_CONVERSE, str_z(ROWS[i].body), &c), ERR_BAD_REQUEST);
        assert_holds(str_z(b.why.text), ROWS[i].words);
        bench_stop(&b);
    }
}

#define MODEL "\"model\":\"m\",\"max_tokens\":1,"
#define TURN(part) "{\"contents\":[{\"role\":\"user\",\"parts\":[" part "]}]}"
#define TOOLS(tool) "{\"contents\":[],\"tools\":[" tool "]}"

/* Where code walks an object by itself, too: what we read of it is what every other parser does. */
static void no_name_is_read_twice(void **state)
{
    static const struct {
        unsigned format;
        const char *body, *where;
    } ROWS[] = {
        {WIRE_BEDROCK_CONVERSE, USER("{\"text\":\"a\"},{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"1h\",\"ttl\":\"5m\"}}"),
         "cachePoint.ttl"},
        {WIRE_BEDROCK_CONVERSE, USER("{\"citationsContent\":{\"content\":[],\"content\":[]}}"), "citationsContent.content"},
        {WIRE_ANTHROPIC_MESSAGES,
         "{" MODEL "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":"
         "\"x\",\"type\":"
         "\"y\"}}]}]}",
         "cache_control.type"},
        {WIRE_ANTHROPIC_MESSAGES, "{" MODEL "\"messages\":[],\"tool_choice\":{\"type\":\"any\",\"type\":\"none\"}}",
         "tool_choice.type"},
        {WIRE_OPENAI_CHAT,
         "{\"model\":\"m\",\"messages\":[],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"a\",\"name\":\"b\"}}}",
         "tool_choice.function.name"},
        {WIRE_GEMINI_GENERATE, TURN("{\"text\":\"a\",\"text\":\"b\"}"), "parts[0].text"},
        {WIRE_GEMINI_GENERATE, TURN("{\"functionResponse\":{\"name\":\"f\",\"response\":{\"output\":\"a\",\"output\":\"b\"}}}"),
         "response.output"},
        {WIRE_GEMINI_GENERATE, TOOLS("{\"functionDeclarations\":[],\"function_declarations\":[]}"), "function_declarations"},
        {WIRE_GEMINI_GENERATE,
         TOOLS("{\"functionDeclarations\":[{\"name\":\"f\",\"parameters\":{\"properties\":{\"a\":{\"type\":\"STRING\",\"type\":"
               "\"NUMBER\"}}}}]}"),
         "properties.a.type"},
    };
    for (unsigned i = 0; i < COUNTOF(ROWS); i++) {
        struct bench b;
        struct chat c;
        bench_start(&b);
        assert_int_equal(read_body(&b, ROWS[i].format, str_z(ROWS[i].body), &c), ERR_BAD_REQUEST);
        assert_holds(str_z(b.why.text), ROWS[i].where);
        assert_holds(str_z(b.why.text), "is given twice");
        bench_stop(&b);
    }
}

static void a_cache_point_marks_what_stands_before_it(void **state)
{
    struct bench b;
    struct wire_name *names;
    bench_start(&b);
    struct str out =
        through(&b, WIRE_BEDROCK_CONVERSE, WIRE_ANTHROPIC_MESSAGES,
                "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"a\"},{\"cachePoint\":{\"type\":\"default\","
                "\"ttl\":\"1h\"}},{\"text\":\"b\"}]}],\"inferenceConfig\":{\"maxTokens\":9}}",
                &names);
    assert_holds(
        out, "{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}},{\"type\":\"text\",");
    out = through(
        &b, WIRE_ANTHROPIC_MESSAGES, WIRE_BEDROCK_CONVERSE,
        "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\","
        "\"cache_control\":{\"type\":\"ephemeral\"}}]}]}",
        &names);
    assert_holds(out, "[{\"text\":\"a\"},{\"cachePoint\":{\"type\":\"default\"}}]");
    assert_int_equal(count_losses(&b.losses), 0);
    bench_stop(&b);
}

static void calls_of_earlier_turns_need_tools(void **state)
{
    static const char *const BODY = "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{"
                                    "\"role\":\"assistant\",\"content\":["
                                    "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\","
                                    "\"content\":[{\"type\":\"tool_result\","
                                    "\"tool_use_id\":\"t\",\"content\":\"x\"}]}]}";
    struct bench b;
    struct wire_name *names;
    bench_start(&b);
    assert_holds(through(&b, WIRE_ANTHROPIC_MESSAGES, WIRE_BEDROCK_CONVERSE, BODY, &names),
                 "\"toolConfig\":{\"tools\":[{\"toolSpec\"");
    assert_int_equal(b.losses.n[LOSS_CHOICE], 1);
    bench_stop(&b);
}

static void thinking_is_the_models_own_field(void **state)
{
    struct bench b;
    struct wire_name *names;
    bench_start(&b);
    struct str out =
        through(&b, WIRE_OPENAI_CHAT, WIRE_BEDROCK_CONVERSE,
                "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"reasoning_effort\":\"low\"}", &names);
    assert_holds(out, "\"additionalModelRequestFields\":{\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":");
    out = through(&b, WIRE_BEDROCK_CONVERSE, WIRE_BEDROCK_INVOKE,
                  "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"a\"}]}],\"inferenceConfig\":{\"maxTokens\":2000},"
                  "\"additionalModelRequestFields\":{\"anthropic_beta\":[\"x\"],\"top_k\":5}}",
                  &names);
    assert_holds(out, "{\"anthropic_version\":\"bedrock-2023-05-31\",\"anthropic_beta\":[\"x\"],\"max_tokens\":2000,");
    assert_holds(out, "\"top_k\":5");
    bench_stop(&b);
}

static void claudes_effort_stands_in_output_config(void **state)
{
    static const char REQUEST[] = "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"a\"}]}],"
                                  "\"additionalModelRequestFields\":{\"output_config\":{\"effort\":\"low\",\"zork\":1}}}";
    struct bench b;
    struct wire_name *names;
    (void)state;
    bench_start(&b);
    assert_holds(through(&b, WIRE_BEDROCK_CONVERSE, WIRE_ANTHROPIC_MESSAGES, REQUEST, &names),
                 "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048}"); /* this model takes a budget */
    assert_holds(through(&b, WIRE_BEDROCK_CONVERSE, WIRE_BEDROCK_CONVERSE, REQUEST, &names),
                 "\"additionalModelRequestFields\":{\"output_config\":{\"effort\":\"low\",\"zork\":1}}");
    bench_stop(&b);
}

static void our_errors_are_whole_frames(void **state)
{
    static const unsigned FORMATS[] = {WIRE_BEDROCK_CONVERSE, WIRE_BEDROCK_INVOKE};
    for (unsigned i = 0; i < COUNTOF(FORMATS); i++) {
        struct event_stream_reader r;
        struct event_stream_frame f;
        struct fault why = {0};
        struct buf out;
        bool got = false;
        buf_init(&out, KIB(4));
        ignore_err(FAIL(&why, ERR_RATE_TOKENS, "too \"much\""));
        ops_of(FORMATS[i])->error_event(&why, S("id"), &out);
        event_stream_init(&r, KIB(4));
        event_stream_feed(&r, buf_view(&out));
        assert_int_equal(event_stream_next(&r, &f, &got, &why), OK);
        assert_true(got && f.kind == EVENT_STREAM_EXCEPTION && str_eq(f.type, S("throttlingException")));
        assert_true(str_eq(f.payload, S("{\"message\":\"too \\\"much\\\"\"}")));
        event_stream_done(&r);
        buf_done(&out);
    }
}

static void the_name_of_an_error_is_read_in_all_its_forms(void **state)
{
    static const char *const NAMES[] = {"ThrottlingException", "ThrottlingException:http://internal.amazon.com/coral/",
                                        "com.amazon.coral.service#ThrottlingException"};
    for (unsigned i = 0; i < COUNTOF(NAMES); i++) {
        struct bench b;
        struct chat_error e;
        const struct http_field field = {S("x-amzn-errortype"), str_z(NAMES[i])};
        bench_start(&b);
        bedrock_converse_read_error(400, (struct http_fields){&field, 1}, S("{\"Message\":\"slow\"}"), &b.tape, &b.arena, &e);
        assert_int_equal(e.class, CLASS_RATE);
        assert_true(str_eq(e.word, S("ThrottlingException")) && str_eq(e.message, S("slow")));
        bench_stop(&b);
    }
}

static void errors_have_the_vendors_names(void **state)
{
    static const struct {
        enum err_class class;
        enum err code;
        int status;
        const char *name;
    } CASES[] = {
        {CLASS_AUTH, ERR_SIGNATURE_FORM, 0, "IncompleteSignatureException"},
        {CLASS_AUTH, ERR_SIGNATURE_INVALID, 0, "InvalidSignatureException"},
        {CLASS_AUTH, ERR_SIGNATURE_EXPIRED, 0, "InvalidSignatureException"},
        {CLASS_AUTH, ERR_SIGNATURE_SKEWED, 0, "InvalidSignatureException"},
        {CLASS_AUTH, ERR_SIGNATURE_SCOPE, 0, "InvalidSignatureException"},
        {CLASS_AUTH, ERR_ACCESS_KEY, 0, "UnrecognizedClientException"},
        {CLASS_AUTH, ERR_KEY_INVALID, 0, "UnrecognizedClientException"},
        {CLASS_UPSTREAM, OK, 500, "InternalServerException"},
        {CLASS_UPSTREAM, OK, 424, "ModelErrorException"},
        {CLASS_TIMEOUT, OK, 504, "ModelTimeoutException"},
        {CLASS_OVERLOADED, OK, 503, "ServiceUnavailableException"},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct str name = wire_ops_get(WIRE_BEDROCK_CONVERSE)->error_type(CASES[i].class, CASES[i].code, CASES[i].status);
        if (!str_eq(name, str_z(CASES[i].name))) fail_msg("case %u: %.*s", i, STR_ARG(name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_tell_the_path),
        cmocka_unit_test(no_name_is_read_twice),
        cmocka_unit_test(a_cache_point_marks_what_stands_before_it),
        cmocka_unit_test(calls_of_earlier_turns_need_tools),
        cmocka_unit_test(thinking_is_the_models_own_field),
        cmocka_unit_test(claudes_effort_stands_in_output_config),
        cmocka_unit_test(our_errors_are_whole_frames),
        cmocka_unit_test(the_name_of_an_error_is_read_in_all_its_forms),
        cmocka_unit_test(errors_have_the_vendors_names),
    };
    return cmocka_run_group_tests_name("bedrock", tests, NULL, NULL);
}
