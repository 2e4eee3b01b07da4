/* What a vendor signed goes back to it as it made it, whichever format carried it: an answer with thoughts, state and a call is
 * given to a caller of each other format, whole and streamed; the caller sends it back with the call's result. */
#include "wire/test.h"

#define ARGS "{\"city\":\"Paris\"}"

/* An answer as the vendor gives it, and what of it the vendor wants back. */
static const struct {
    enum wire_format format;
    const char *answer, *back[2];
} VENDORS[] = {
    {WIRE_ANTHROPIC_MESSAGES,
     "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{\"type\":\"thinking\","
     "\"thinking\":"
     "\"I must \\\"look\\\".\",\"signature\":\"c2ln\"},{\"type\":\"redacted_thinking\",\"data\":\"cmVk\"},{\"type\":\"tool_use\","
     "\"id\":\"toolu_1\",\"name\":\"get_weather\",\"input\":" ARGS "}],\"stop_reason\":\"tool_use\",\"stop_sequence\":null,"
     "\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}",
     {"{\"type\":\"thinking\",\"thinking\":\"I must \\\"look\\\".\",\"signature\":\"c2ln\"}",
      "{\"type\":\"redacted_thinking\",\"data\":\"cmVk\"}"}},
    {WIRE_BEDROCK_CONVERSE,
     "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"I must "
     "look.\","
     "\"signature\":\"c2ln\"}}},{\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"get_weather\",\"input\":" ARGS "}}]}},"
     "\"stopReason\":\"tool_use\",\"usage\":{\"inputTokens\":1,\"outputTokens\":2,\"totalTokens\":3}}",
     {"{\"reasoningText\":{\"text\":\"I must look.\",\"signature\":\"c2ln\"}}"}},
    {WIRE_OPENAI_RESPONSES,
     "{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\",\"model\":\"m\",\"output\":[{\"type\":\"reasoning\","
     "\"id\":"
     "\"rs_1\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"I must look.\"}],\"encrypted_content\":\"gAAA\"},{\"type\":"
     "\"function_call\",\"id\":\"fc_1\",\"call_id\":\"call_1\",\"name\":\"get_weather\",\"arguments\":\"{\\\"city\\\":"
     "\\\"Paris\\\"}\","
     "\"status\":\"completed\"}],\"usage\":{\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":3}}",
     {"\"summary\":[{\"type\":\"summary_text\",\"text\":\"I must look.\"}],\"encrypted_content\":\"gAAA\"}"}},
    {WIRE_GEMINI_GENERATE,
     "{\"candidates\":[{\"index\":0,\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"I must look.\",\"thought\":true},{"
     "\"functionCall\":{\"name\":\"get_weather\",\"args\":" ARGS "},\"thoughtSignature\":\"c2ln\"}]},\"finishReason\":\"STOP\"}],"
     "\"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":2,\"totalTokenCount\":3}}",
     {"\"args\":" ARGS "},\"thoughtSignature\":\"c2ln\"}"}},
};

/* Where a caller's SDK finds the turn in an answer, and the request that it makes of it: around the turn and the call's id. */
static const struct {
    enum wire_format format;
    const char *path[4];
    const char *request[3];
} CALLERS[] = {
    {WIRE_ANTHROPIC_MESSAGES,
     {"content"},
     {"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\","
      "\"content\":",
      "},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"", "\",\"content\":\"sun\"}]}]}"}},
    {WIRE_BEDROCK_CONVERSE,
     {"output", "message", "content"},
     {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]},{\"role\":\"assistant\",\"content\":",
      "},{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"", "\",\"content\":[{\"text\":\"sun\"}]}}]}]}"}},
    {WIRE_OPENAI_RESPONSES,
     {"output"},
     {"{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"hi\"},", ",{\"type\":\"function_call_output\",\"call_id\":\"",
      "\",\"output\":\"sun\"}]}"}},
    {WIRE_GEMINI_GENERATE,
     {"candidates", "0", "content"},
     {"{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]},",
      ",{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"name\":\"get_weather\",\"id\":\"",
      "\",\"response\":{\"output\":\"sun\"}}}]}]}"}},
};

static const char *const CALL_IDS[] = {"\"tool_use\",\"id\":\"", "\"toolUseId\":\"", "\"call_id\":\"", "\"id\":\""};

static struct str call_id(unsigned caller, struct str answer)
{
    size_t at, n = 0;
    const char *mark = strstr(answer.p, CALL_IDS[caller]);
    if (!mark && caller == 3) return S("none"); /* Gemini's calls need none */
    assert_non_null(mark);
    at = (size_t)(mark - answer.p) + strlen(CALL_IDS[caller]);
    while (answer.p[at + n] != '"') n++;
    return str_make(answer.p + at, n);
}

static struct str turn_of(struct bench *b, unsigned caller, struct str answer)
{
    uint32_t at = 0;
    assert_int_equal(json_scan(&b->tape, answer, &JSON_LIMITS, NULL), OK);
    for (unsigned i = 0; i < COUNTOF(CALLERS[caller].path) && CALLERS[caller].path[i]; i++) {
        if (json_is(&b->tape, at, JSON_ARRAY)) {
            struct json_iter it = json_each(&b->tape, at);
            assert_true(json_next(&b->tape, &it, &at));
        } else {
            at = json_find(&b->tape, at, str_z(CALLERS[caller].path[i]));
        }
        assert_true(at != 0);
    }
    struct str raw = json_raw(&b->tape, at);
    bool list = CALLERS[caller].format == WIRE_OPENAI_RESPONSES; /* its items stand beside the others */
    return list ? str_make(raw.p + 1, raw.n - 2) : raw;
}

static struct str model_of(enum wire_format f) { return f == WIRE_BEDROCK_CONVERSE ? S("anthropic.claude") : S("a-model"); }

static struct chat_origin origin_of(unsigned vendor)
{
    return (struct chat_origin){wire_family(ops_of(VENDORS[vendor].format), model_of(VENDORS[vendor].format)), 7};
}

static struct str given(struct bench *b, unsigned vendor, unsigned caller)
{
    struct chat_answer answer = {.arena = &b->arena};
    struct wire_reply to = reply_of(b);
    struct buf out;
    to.origin = origin_of(vendor);
    buf_init(&out, MIB(1));
    assert_int_equal(json_scan(&b->tape, str_z(VENDORS[vendor].answer), &JSON_LIMITS, NULL), OK);
    assert_int_equal(translator_of(VENDORS[vendor].format)->read_answer(&b->tape, &answer, &b->why), OK);
    assert_int_equal(translator_of(CALLERS[caller].format)->write_answer(&answer, &to, &out, &b->why), OK);
    return keep(b, &out);
}

static struct str sent_back(struct bench *b, unsigned vendor, unsigned caller, struct str body)
{
    struct chat c = {.arena = &b->arena, .source = body};
    struct wire_name *names;
    const struct wire_target to = {.model = model_of(VENDORS[vendor].format),
                                   .origin = origin_of(vendor),
                                   .max_output = 4096,
                                   .losses = &b->losses,
                                   .tape = &b->tape,
                                   .memo = &b->arena};
    struct buf out;
    enum wire_format target = VENDORS[vendor].format;
    buf_init(&out, MIB(1));
    enum err e = json_scan(&b->tape, body, &JSON_LIMITS, &b->why);
    if (e == OK) e = translator_of(CALLERS[caller].format)->read_request(&b->tape, &c, &b->why);
    if (e == OK) e = chat_unseal_all(&c, &b->seal, &b->why);
    if (e == OK) e = wire_adapt(&c, target, &to, &names, &b->why);
    if (e == OK) e = translator_of(target)->write_request(&c, &to, &out, &b->why);
    if (e == OK) e = chat_account(&c, ops_of(target)->name, &b->why);
    if (e != OK) broken(CALLERS[caller].format, target, b->why.text, body, STR_NONE);
    return keep(b, &out);
}

static void expect_back(unsigned vendor, unsigned caller, struct str body, struct str back)
{
    size_t at;
    for (unsigned i = 0; i < COUNTOF(VENDORS[vendor].back) && VENDORS[vendor].back[i]; i++)
        if (!str_find(back, str_z(VENDORS[vendor].back[i]), &at))
            broken(CALLERS[caller].format, VENDORS[vendor].format, VENDORS[vendor].back[i], body, back);
    if (str_find(back, S("skip_thought"), &at)) broken(CALLERS[caller].format, VENDORS[vendor].format, "skips", body, back);
}

static void what_a_vendor_signed_comes_back_as_it_was(void **state)
{
    (void)state;
    for (unsigned v = 0; v < COUNTOF(VENDORS); v++) {
        for (unsigned c = 0; c < COUNTOF(CALLERS); c++) {
            if (CALLERS[c].format == VENDORS[v].format) continue; /* spliced, never rebuilt */
            struct bench b;
            struct buf body;
            bench_start(&b);
            struct str answer = given(&b, v, c), turn = turn_of(&b, c, answer), id = call_id(c, answer);
            buf_init(&body, MIB(1));
            const char *const *around = CALLERS[c].request;
            buf_fmt(&body, "%s%.*s%s%.*s%s", around[0], STR_ARG(turn), around[1], STR_ARG(id), around[2]);
            struct str request = keep(&b, &body);
            expect_back(v, c, request, sent_back(&b, v, c, request));
            bench_stop(&b);
        }
    }
}

/* The sealed signature in an answer of ours to a Gemini caller. */
static struct str carried_signature(struct str answer)
{
    const char *mark = strstr(answer.p, "\"thoughtSignature\":\"");
    assert_non_null(mark);
    mark += strlen("\"thoughtSignature\":\"");
    return str_make(mark, strcspn(mark, "\""));
}

/* Gemini's SDK keeps a streamed turn in the pieces that came: texts of thoughts, then what signs them. */
static void a_thought_in_pieces_is_joined(void **state)
{
    struct bench b;
    struct buf body;
    size_t at;
    (void)state;
    bench_start(&b);
    struct str signature = carried_signature(given(&b, 0, 3));
    buf_init(&body, KIB(64));
    buf_fmt(&body,
            "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]},{\"role\":\"model\",\"parts\":[{\"text\":\"I "
            "\",\"thought\":"
            "true}]},{\"role\":\"model\",\"parts\":[{\"text\":\"must look.\",\"thought\":true},{\"text\":\"\",\"thought\":true,"
            "\"thoughtSignature\":\"%.*s\"},{\"text\":\"So.\"}]},{\"role\":\"user\",\"parts\":[{\"text\":\"go on\"}]}]}",
            STR_ARG(signature));
    struct str request = keep(&b, &body), back = sent_back(&b, 0, 3, request);
    if (!str_find(back, S("{\"type\":\"thinking\",\"thinking\":\"I must look.\",\"signature\":\"c2ln\"}"), &at))
        broken(WIRE_GEMINI_GENERATE, WIRE_ANTHROPIC_MESSAGES, "in pieces", request, back);
    bench_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_vendor_signed_comes_back_as_it_was),
        cmocka_unit_test(a_thought_in_pieces_is_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
