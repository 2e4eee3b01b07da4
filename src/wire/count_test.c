/* Counts between formats: what is asked about comes out as a request, what generating alone needs does not go up. */
#include "base/test.h"
#include "wire/formats.h"

static struct json_tape tape;
static struct buf out;

static int setup(void **state)
{
    (void)state;
    json_tape_init(&tape, 0);
    buf_init(&out, KIB(16));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    json_tape_done(&tape);
    buf_done(&out);
    return 0;
}

static void opens(void **state)
{
    static const struct {
        enum wire_format f, inner;
        const char *body, *want; /* want NULL: refused */
    } CASES[] = {
        {WIRE_ANTHROPIC_MESSAGES, WIRE_ANTHROPIC_MESSAGES, "{\"model\":\"m\",\"messages\":[1.50]}",
         "{\"model\":\"m\",\"messages\":[1.50],\"max_tokens\":1000000}"},
        {WIRE_ANTHROPIC_MESSAGES, WIRE_ANTHROPIC_MESSAGES, "{\"max_tokens\":7,\"messages\":[]}",
         "{\"messages\":[],\"max_tokens\":1000000}"},
        {WIRE_OPENAI_RESPONSES, WIRE_OPENAI_RESPONSES, "{ \"input\": \"x\" }", "{ \"input\": \"x\" }"},
        {WIRE_BEDROCK_CONVERSE, WIRE_BEDROCK_CONVERSE, "{\"input\":{\"converse\":{\"messages\":[]}}}", "{\"messages\":[]}"},
        {WIRE_BEDROCK_CONVERSE, WIRE_BEDROCK_INVOKE, "{\"input\":{\"invokeModel\":{\"body\":\"eyJhIjoxfQ==\"}}}", "{\"a\":1}"},
        {WIRE_BEDROCK_CONVERSE, WIRE_BEDROCK_CONVERSE, "{\"input\":{\"invokeModel\":{\"body\":\"e!\"}}}", NULL},
        {WIRE_BEDROCK_CONVERSE, WIRE_BEDROCK_CONVERSE, "{\"input\":{}}", NULL},
        {WIRE_BEDROCK_CONVERSE, WIRE_BEDROCK_CONVERSE, "{\"input\":{\"converse\":7}}", NULL},
        {WIRE_GEMINI_GENERATE, WIRE_GEMINI_GENERATE, "{\"contents\":[]}", "{\"contents\":[]}"},
        {WIRE_GEMINI_GENERATE, WIRE_GEMINI_GENERATE, "{\"generateContentRequest\":{\"model\":\"models/m\",\"contents\":[1]}}",
         "{\"contents\":[1]}"},
        {WIRE_GEMINI_GENERATE, WIRE_GEMINI_GENERATE, "{\"generate_content_request\":{\"contents\":[2]}}", "{\"contents\":[2]}"},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        enum wire_format inner;
        struct fault why = {0};
        buf_clear(&out);
        assert_int_equal(json_scan(&tape, str_z(CASES[i].body), NULL, &why), OK);
        enum err e = wire_count_open(CASES[i].f, &tape, &inner, &out, &why);
        if (e != (CASES[i].want ? OK : ERR_BAD_REQUEST)) fail_msg("%s: %s", CASES[i].body, why.text);
        if (!CASES[i].want) continue;
        assert_string_equal(buf_z(&out), CASES[i].want);
        assert_int_equal(CASES[i].inner, inner);
    }
}

static void closes(void **state)
{
    static const struct {
        enum wire_format f;
        uint32_t quirks;
        const char *model, *body, *want;
    } CASES[] = {
        {WIRE_ANTHROPIC_MESSAGES, 0, "m",
         "{\"model\":\"m\",\"max_tokens\":1,\"temperature\":0.50,\"stream\":true,\"system\":\"s\",\"messages\":[],\"tools\":[]}",
         "{\"model\":\"m\",\"system\":\"s\",\"messages\":[],\"tools\":[]}"},
        {WIRE_OPENAI_RESPONSES, 0, "m", "{\"model\":\"m\",\"store\":false,\"input\":[],\"max_output_tokens\":9,\"include\":[]}",
         "{\"model\":\"m\",\"input\":[]}"},
        {WIRE_BEDROCK_CONVERSE, 0, "m", "{\"messages\":[],\"inferenceConfig\":{\"maxTokens\":1},\"toolConfig\":{}}",
         "{\"input\":{\"converse\":{\"messages\":[],\"toolConfig\":{}}}}"},
        {WIRE_GEMINI_GENERATE, 0, "m\"", "{\"contents\":[],\"generationConfig\":{},\"systemInstruction\":{}}",
         "{\"generateContentRequest\":{\"model\":\"models/m\\\"\",\"contents\":[],\"systemInstruction\":{}}}"},
        {WIRE_GEMINI_GENERATE, 0, "tunedModels/t", "{\"contents\":[]}",
         "{\"generateContentRequest\":{\"model\":\"tunedModels/t\",\"contents\":[]}}"},
        {WIRE_GEMINI_GENERATE, QUIRK_BARE_COUNT, "m", "{\"contents\":[],\"toolConfig\":{},\"tools\":[]}",
         "{\"contents\":[],\"tools\":[]}"},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        const struct wire_target to = {.model = str_z(CASES[i].model), .quirks = CASES[i].quirks};
        struct fault why = {0};
        buf_clear(&out);
        assert_int_equal(json_scan(&tape, str_z(CASES[i].body), NULL, &why), OK);
        assert_int_equal(wire_count_close(CASES[i].f, &tape, &to, &out, &why), OK);
        assert_string_equal(buf_z(&out), CASES[i].want);
    }
}

static void answers(void **state)
{
    static const struct {
        enum wire_format f;
        const char *body;
    } CASES[] = {
        {WIRE_ANTHROPIC_MESSAGES, "{\"input_tokens\":7}"},
        {WIRE_OPENAI_RESPONSES, "{\"object\":\"response.input_tokens\",\"input_tokens\":7}"},
        {WIRE_BEDROCK_CONVERSE, "{\"inputTokens\":7}"},
        {WIRE_GEMINI_GENERATE, "{\"totalTokens\":7}"},
    };
    (void)state;
    assert_false(wire_counts(WIRE_OPENAI_CHAT));
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        uint64_t n = 0;
        struct fault why = {0};
        assert_true(wire_counts(CASES[i].f));
        buf_clear(&out);
        wire_count_write(CASES[i].f, 7, &out);
        assert_string_equal(buf_z(&out), CASES[i].body);
        assert_int_equal(json_scan(&tape, buf_view(&out), NULL, &why), OK);
        assert_int_equal(wire_count_read(CASES[i].f, &tape, &n, &why), OK);
        assert_int_equal(n, 7);
        assert_int_equal(json_scan(&tape, S("{\"tokens\":\"7\"}"), NULL, &why), OK);
        assert_int_equal(wire_count_read(CASES[i].f, &tape, &n, &why), ERR_UPSTREAM_GARBAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens),
        cmocka_unit_test(closes),
        cmocka_unit_test(answers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
