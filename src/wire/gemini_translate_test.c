/* What is Gemini's own in translation: pairing of results, signatures, thinking, schemas, blocked prompts (G5…G14). What every
 * format must hold is in the law tests. */
#include "wire/test.h"

static const char *target_model = "gemini-3-pro";

static struct str translated(struct bench *b, enum wire_format f, enum wire_format g, const char *body, uint32_t quirks)
{
    struct chat c = {.arena = &b->arena, .source = str_z(body)};
    struct wire_name *names = NULL;
    struct wire_target to = {.model = str_z(target_model),
                             .origin = {str_z(ops_of(g)->family), 7},
                             .quirks = quirks,
                             .max_output = 4096,
                             .losses = &b->losses,
                             .tape = &b->tape,
                             .memo = &b->arena};
    struct buf out;
    buf_init(&out, MIB(1));
    enum err e = json_scan(&b->tape, c.source, NULL, &b->why);
    if (e == OK) e = translator_of(f)->read_request(&b->tape, &c, &b->why);
    if (e == OK) e = chat_unseal_all(&c, &b->seal, &b->why);
    if (e == OK) e = wire_adapt(&c, (enum wire_format)g, &to, &names, &b->why);
    if (e == OK) e = translator_of(g)->write_request(&c, &to, &out, &b->why);
    if (e == OK) e = chat_account(&c, ops_of(g)->name, &b->why);
    if (e == OK) return keep(b, &out);
    buf_done(&out);
    return str_z(b->why.text);
}

struct pair {
    enum wire_format from, to;
    uint32_t quirks;
    const char *body;
    const char *says[6], *never[3];
};

static const struct pair REQUESTS[] = {
    /* G5, G9: results stand alone in their turn, in the order of the calls, with name and id */
    {WIRE_OPENAI_CHAT,
     WIRE_GEMINI_GENERATE,
     0,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":\"hi\"},"
     "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
     "\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]"
     "},{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"two\"},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":"
     "\"one\"},{\"role\":\"user\",\"content\":\"go on\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
     "\"parameters\":{\"type\":\"object\"}}}],\"reasoning_effort\":\"low\",\"temperature\":0.50}",
     {"{\"systemInstruction\":{\"parts\":[{\"text\":\"be brief\"}]},",
      "{\"functionCall\":{\"id\":\"c1\",\"name\":\"f\",\"args\":{\"a\":1}},\"thoughtSignature\":\"skip_thought_signature_"
      "validator\"},{\"functionCall\":{\"id\":\"c2\",\"name\":\"g\",\"args\":{}}}]}",
      "{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"id\":\"c1\",\"name\":\"f\",\"response\":{\"output\":\"one\"}}},{"
      "\"functionResponse\":{\"id\":\"c2\",\"name\":\"g\",\"response\":{\"output\":\"two\"}}}]},{\"role\":\"user\",\"parts\":[{"
      "\"text\":\"go on\"}]}",
      "{\"name\":\"f\",\"parametersJsonSchema\":{\"type\":\"object\"}}",
      "\"generationConfig\":{\"temperature\":0.50,\"thinkingConfig\":{\"thinkingLevel\":\"low\"}}"},
     {"\"model\":", "\"stream\""}},
    /* G5: Vertex takes no ids */
    {WIRE_OPENAI_CHAT,
     WIRE_GEMINI_GENERATE,
     QUIRK_NO_CALL_ID,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":"
     "\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]},{\"role\":\"tool\",\"tool_call_id\":"
     "\"c1\",\"content\":\"one\"}]}",
     {"{\"functionCall\":{\"name\":\"f\",\"args\":{}}", "{\"functionResponse\":{\"name\":\"f\","},
     {"c1"}},
    {WIRE_OPENAI_CHAT,
     WIRE_GEMINI_GENERATE,
     0,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
     "\"https://pictures.example/a.png\"}}]}]}",
     {"media"}, /* G16: refused */
     {"contents\""}},
    /* mixed cases in one request; ids made up; the vendor's schema becomes JSON schema */
    {WIRE_GEMINI_GENERATE,
     WIRE_OPENAI_CHAT,
     0,
     "{\"system_instruction\":{\"parts\":[{\"text\":\"be brief\"}]},\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":"
     "\"hi\"}]},{\"role\":\"model\",\"parts\":[{\"function_call\":{\"name\":\"f\",\"args\":{\"a\":1}},\"thought_signature\":"
     "\"YWJj\"}]},{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"name\":\"f\",\"response\":{\"n\":2}}}]}],\"tools\":[{"
     "\"function_declarations\":[{\"name\":\"f\",\"parameters\":{\"type\":\"OBJECT\",\"properties\":{\"a\":{\"type\":\"NUMBER\","
     "\"nullable\":true},\"l\":{\"type\":\"ARRAY\",\"minItems\":\"2\",\"items\":{\"type\":\"STRING\"}}}}}]}],"
     "\"generationConfig\":{\"max_output_tokens\":7,\"topP\":0.9,\"responseMimeType\":\"application/json\"}}",
     {"\"id\":\"aq-call-1\"", "\"tool_call_id\":\"aq-call-1\"", "{\\\"n\\\":2}",
      "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"number\",\"null\"]},\"l\":{\"type\":\"array\",\"minItems\":2,"
      "\"items\":{\"type\":\"string\"}}}}",
      "\"top_p\":0.9", "json_object"},
     {"YWJj", "OBJECT"}},
    /* a turn that its SDK gives back in the pieces that were streamed */
    {WIRE_GEMINI_GENERATE,
     WIRE_ANTHROPIC_MESSAGES,
     0,
     "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]},{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\"}}]},{"
     "\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\"}}]},{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]},{"
     "\"parts\":[{\"functionResponse\":{\"name\":\"f\",\"response\":{\"output\":\"1\"}}},{\"functionResponse\":{\"name\":\"f\","
     "\"response\":{\"error\":\"2\"}}}]}]}",
     {"\"id\":\"aq-call-1\",\"name\":\"f\",\"input\":{}},{\"type\":\"tool_use\",\"id\":\"aq-call-2\"",
      "\"tool_use_id\":\"aq-call-1\"", "\"tool_use_id\":\"aq-call-2\"", "\"is_error\":true"},
     {"\"text\":\"\""}},
    {WIRE_GEMINI_GENERATE,
     WIRE_OPENAI_CHAT,
     0,
     "{\"contents\":[{\"parts\":[{\"functionResponse\":{\"name\":\"f\",\"response\":{}}}]}]}",
     {"contents[0].parts[0]: answers no functionCall"},
     {"messages\""}},
    {WIRE_GEMINI_GENERATE,
     WIRE_ANTHROPIC_MESSAGES,
     0,
     "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}],\"safetySettings\":[{\"category\":\"X\",\"threshold\":\"Y\"}]}",
     {"safety settings"},
     {"messages\""}},
    /* G17: what blocks nothing asks for nothing */
    {WIRE_GEMINI_GENERATE,
     WIRE_OPENAI_RESPONSES,
     0,
     "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}],\"safetySettings\":[{\"category\":\"X\",\"threshold\":\"BLOCK_NONE\"},{"
     "\"category\":\"Z\",\"threshold\":\"OFF\"}]}",
     {"\"input\""},
     {"safety", "BLOCK_NONE"}},
    {WIRE_GEMINI_GENERATE,
     WIRE_ANTHROPIC_MESSAGES,
     0,
     "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}],\"safetySettings\":[{\"category\":\"X\",\"threshold\":\"OFF\"},{"
     "\"category\":\"Z\",\"threshold\":\"BLOCK_ONLY_HIGH\"}]}",
     {"safety settings"},
     {"messages\""}},
    {WIRE_GEMINI_GENERATE,
     WIRE_BEDROCK_CONVERSE,
     0,
     "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}],\"safetySettings\":[{\"category\":\"X\"}]}",
     {"safety settings"},
     {"messages\""}},
    {WIRE_GEMINI_GENERATE,
     WIRE_ANTHROPIC_MESSAGES,
     0,
     "{\"contents\":[{\"role\":\"owner\",\"parts\":[{\"text\":\"hi\"}]}]}",
     {"contents[0].role: must be user or model"},
     {"messages\""}},
    /* G10: for models that know no JSON schema */
    {WIRE_OPENAI_CHAT,
     WIRE_GEMINI_GENERATE,
     QUIRK_SCHEMA_SUBSET,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"tools\":[{\"type\":\"function\",\"function\":{"
     "\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"$schema\":\"x\",\"additionalProperties\":false,\"$defs\":{\"C\":{"
     "\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"integer\",\"format\":\"int32\"}},\"required\":[\"x\",\"gone\"]}},"
     "\"properties\":{\"a\":{\"$ref\":\"#/$defs/"
     "C\",\"description\":\"d\"},\"b\":{\"type\":[\"string\",\"null\"],\"format\":\"uri\"},\"c\":{\"const\":\"k\"},\"d\":{"
     "\"type\":\"array\"},\"e\":{\"anyOf\":[{\"type\":\"number\"},{\"type\":\"null\"}]}},\"required\":[\"a\"]}}}]}",
     {"\"parameters\":{\"type\":\"OBJECT\",\"properties\":{\"a\":{\"type\":\"OBJECT\",\"description\":\"d\",\"properties\":{"
      "\"x\":{\"type\":\"INTEGER\",\"format\":\"int32\"}},\"required\":[\"x\"]},",
      "\"b\":{\"type\":\"STRING\",\"nullable\":true},\"c\":{\"type\":\"STRING\",\"enum\":[\"k\"]},\"d\":{\"type\":\"ARRAY\","
      "\"items\":{\"type\":\"STRING\"}},\"e\":{\"type\":\"NUMBER\",\"nullable\":true}},\"required\":[\"a\"]}"},
     {"parametersJsonSchema", "additionalProperties", "$defs"}},
    {WIRE_OPENAI_CHAT,
     WIRE_GEMINI_GENERATE,
     QUIRK_SCHEMA_SUBSET,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"tools\":[{\"type\":\"function\",\"function\":{"
     "\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{\"allOf\":[{\"type\":\"object\",\"properties\":{"
     "\"x\":{\"type\":\"string\"}}},{\"properties\":{\"y\":{\"type\":\"boolean\"}},\"required\":[\"y\"]}]},\"b\":{\"oneOf\":[{"
     "\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"type\":\"number\",\"minimum\":0}}]},\"c\":{\"enum\":[\"r\",null]},"
     "\"d\":{\"type\":\"integer\",\"enum\":[1,2]},\"e\":{\"type\":[\"string\",\"number\"]}}}}}]}",
     {"\"a\":{\"type\":\"OBJECT\",\"properties\":{\"x\":{\"type\":\"STRING\"},\"y\":{\"type\":\"BOOLEAN\"}},\"required\":[\"y\"]"
      "}",
      "\"b\":{\"anyOf\":[{\"type\":\"STRING\"},{\"type\":\"ARRAY\",\"items\":{\"type\":\"NUMBER\",\"minimum\":0}}]}",
      "\"c\":{\"type\":\"STRING\",\"enum\":[\"r\"]},\"d\":{\"type\":\"INTEGER\"},\"e\":{\"anyOf\":[{\"type\":\"STRING\"},{"
      "\"type\":\"NUMBER\"}]}"},
     {}},
    {WIRE_OPENAI_CHAT,
     WIRE_GEMINI_GENERATE,
     QUIRK_SCHEMA_SUBSET,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"tools\":[{\"type\":\"function\",\"function\":{"
     "\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{}}}}]}",
     {"{\"functionDeclarations\":[{\"name\":\"f\"}]}"},
     {"\"parameters"}},
    {WIRE_OPENAI_CHAT,
     WIRE_GEMINI_GENERATE,
     QUIRK_SCHEMA_SUBSET,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"tools\":[{\"type\":\"function\",\"function\":{"
     "\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"$defs\":{\"N\":{\"type\":\"object\",\"properties\":{\"next\":{\"$"
     "ref\":\"#/$defs/N\"}}}},\"properties\":{\"n\":{\"$ref\":\"#/$defs/N\"}}}}}]}",
     {"refers to itself (#/$defs/N)"},
     {}},
    {WIRE_OPENAI_CHAT,
     WIRE_GEMINI_GENERATE,
     QUIRK_SCHEMA_SUBSET,
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"tools\":[{\"type\":\"function\",\"function\":{"
     "\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{\"n\":{\"$ref\":\"https://example.com/x\"}}}}}]}",
     {"is not in it"},
     {}},
    /* documents of plain text, and media in results */
    {WIRE_ANTHROPIC_MESSAGES,
     WIRE_GEMINI_GENERATE,
     0,
     "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"source\":{"
     "\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"All of "
     "it.\"},\"title\":\"T\"}]},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"f\","
     "\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"c1\",\"content\":[{\"type\":"
     "\"text\",\"text\":\"see\"},{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/"
     "png\",\"data\":\"AAAA\"}},{\"type\":\"document\",\"source\":{\"type\":\"text\",\"media_type\":\"text/"
     "plain\",\"data\":\"plain\"}}]}]}]}",
     {"{\"text\":\"T\\n\\nAll of it.\"}", "\"response\":{\"output\":[\"see\",\"plain\"]},\"parts\":[{\"inlineData\":{"
                                          "\"mimeType\":\"image/png\",\"data\":\"AAAA\"}}]}"}},
    {WIRE_GEMINI_GENERATE,
     WIRE_ANTHROPIC_MESSAGES,
     0,
     "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]},{\"role\":\"model\",\"parts\":[{\"functionCall\":{"
     "\"name\":\"f\",\"args\":{}}}]},{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"name\":\"f\",\"parts\":[{\"inline_"
     "data\":{\"mime_type\":\"image/"
     "png\",\"data\":\"AAAA\"}}],\"response\":{\"output\":\"see\"}}}]}],\"generationConfig\":{\"maxOutputTokens\":9}}",
     {"{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"AAAA\"}}",
      "\"text\":\"see\""}},
};

static void requests(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTOF(REQUESTS); i++) {
        const struct pair *p = &REQUESTS[i];
        struct bench b;
        size_t at;
        bench_start(&b);
        struct str out = translated(&b, p->from, p->to, p->body, p->quirks);
        for (unsigned k = 0; k < COUNTOF(p->says) && p->says[k]; k++)
            if (!str_find(out, str_z(p->says[k]), &at)) broken(p->from, p->to, p->says[k], str_z(p->body), out);
        for (unsigned k = 0; k < COUNTOF(p->never) && p->never[k]; k++)
            if (str_find(out, str_z(p->never[k]), &at)) broken(p->from, p->to, p->never[k], str_z(p->body), out);
        bench_stop(&b);
    }
}

/* Before the third generation a result holds no media: refused by its path. */
static void no_media_in_results(void **state)
{
    struct bench b;
    size_t at;
    (void)state;
    bench_start(&b);
    target_model = "gemini-2.5-pro";
    struct str out = translated(
        &b, WIRE_ANTHROPIC_MESSAGES, WIRE_GEMINI_GENERATE,
        "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"source\":{"
        "\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"All of "
        "it.\"},\"title\":\"T\"}]},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"f\","
        "\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"c1\",\"content\":[{\"type\":"
        "\"text\",\"text\":\"see\"},{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/"
        "png\",\"data\":\"AAAA\"}},{\"type\":\"document\",\"source\":{\"type\":\"text\",\"media_type\":\"text/"
        "plain\",\"data\":\"plain\"}}]}]}]}",
        0);
    target_model = "gemini-3-pro";
    if (!str_find(out, S("messages[2].content[0].content[1]"), &at)) fail_msg("%.*s", STR_ARG(out));
    bench_stop(&b);
}

/* However deep a schema is, it is read or passed on as it stands. */
static void deep_schemas(void **state)
{
    static const char *const OPEN[] = {"{\"type\":\"ARRAY\",\"items\":", "{\"properties\":{\"a\":", "{\"anyOf\":["};
    static const char *const SHUT[] = {"}", "}}", "]}"};
    (void)state;
    for (unsigned k = 0; k < COUNTOF(OPEN); k++) {
        struct bench b;
        struct buf body;
        size_t at;
        bench_start(&b);
        buf_init(&body, MIB(1));
        buf_str(&body, S("{\"contents\":[{\"parts\":[{\"text\":\"q\"}]}],\"generationConfig\":{\"responseSchema\":"));
        for (int i = 0; i < 90; i++) buf_str(&body, str_z(OPEN[k]));
        buf_str(&body, S("{\"type\":\"STRING\"}"));
        for (int i = 0; i < 90; i++) buf_str(&body, str_z(SHUT[k]));
        buf_str(&body, S("}}"));
        struct str text = keep(&b, &body);
        struct str out = translated(&b, WIRE_GEMINI_GENERATE, WIRE_OPENAI_CHAT, text.p, 0);
        if (!str_find(out, S("\"STRING\""), &at)) broken(WIRE_GEMINI_GENERATE, WIRE_OPENAI_CHAT, "the schema is gone", text, out);
        bench_stop(&b);
    }
}

/* An answer of f in the words of g. */
static struct str answer_in(struct bench *b, enum wire_format f, enum wire_format g, const char *body, enum err *ret_err)
{
    struct chat_answer a = {.arena = &b->arena};
    struct wire_reply reply = reply_of(b);
    struct buf out;
    reply.origin = (struct chat_origin){str_z(ops_of(f)->family), 7};
    assert_int_equal(json_scan(&b->tape, str_z(body), NULL, NULL), OK);
    *ret_err = translator_of(f)->read_answer(&b->tape, &a, &b->why);
    if (*ret_err != OK) return STR_NONE;
    buf_init(&out, MIB(1));
    assert_int_equal(translator_of(g)->write_answer(&a, &reply, &out, &b->why), OK);
    return keep(b, &out);
}

/* G6, G8: Gemini's signature of a call travels through a Messages client and stands on the call again. */
static void a_signature_comes_back_to_its_call(void **state)
{
    struct bench b;
    enum err e;
    size_t at;
    struct buf body;
    (void)state;
    bench_start(&b);
    struct str out = answer_in(&b, WIRE_GEMINI_GENERATE, WIRE_ANTHROPIC_MESSAGES,
                               "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{}},"
                               "\"thoughtSignature\":\"c2lnbmVk\"}]},\"finishReason\":\"STOP\"}],\"responseId\":\"r\"}",
                               &e);
    assert_int_equal(e, OK);
    assert_true(str_find(out, S("\"stop_reason\":\"tool_use\""), &at));
    assert_false(str_find(out, S("c2lnbmVk"), &at)); /* sealed */
    assert_int_equal(json_scan(&b.tape, out, NULL, NULL), OK);
    uint32_t content = json_find(&b.tape, 0, S("content")), call = 0, one;
    for (struct json_iter it = json_each(&b.tape, content); json_next(&b.tape, &it, &one);) call = one;
    struct str id = json_text(&b.tape, json_find(&b.tape, call, S("id")));
    buf_init(&body, MIB(1));
    buf_fmt(&body,
            "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\","
            "\"content\":%.*s},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"%.*s\",\"content\":"
            "\"x\"}]}]}",
            STR_ARG(json_raw(&b.tape, content)), STR_ARG(id));
    struct str text = keep(&b, &body);
    out = translated(&b, WIRE_ANTHROPIC_MESSAGES, WIRE_GEMINI_GENERATE, text.p, 0);
    if (!str_find(out, S("\"name\":\"f\",\"args\":{}},\"thoughtSignature\":\"c2lnbmVk\"}"), &at))
        broken(WIRE_ANTHROPIC_MESSAGES, WIRE_GEMINI_GENERATE, "the signature is gone", text, out);
    bench_stop(&b);
}

/* Another vendor's state is carried in the alphabet that Google's SDKs decode, and comes back byte for byte. */
static void foreign_state_travels_in_a_signature(void **state)
{
    struct bench b;
    enum err e;
    size_t from, to, at;
    struct buf body;
    (void)state;
    bench_start(&b);
    struct str out = answer_in(&b, WIRE_ANTHROPIC_MESSAGES, WIRE_GEMINI_GENERATE,
                               "{\"type\":\"message\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":"
                               "\"EqRk+/==\"},{\"type\":\"text\",\"text\":\"hi\"}],\"stop_reason\":\"end_turn\"}",
                               &e);
    assert_int_equal(e, OK);
    assert_true(str_find(out, S("\"thoughtSignature\":\"aq1/"), &from));
    struct str signature = str_from(out, from + 20);
    assert_true(str_find(signature, S("\""), &to));
    signature.n = to;
    assert_int_equal(signature.n % 4, 0);
    for (size_t i = 0; i < signature.n; i++) assert_true(signature.p[i] != '-' && signature.p[i] != '_' && signature.p[i] != '.');
    buf_init(&body, MIB(1));
    buf_fmt(&body,
            "{\"contents\":[{\"parts\":[{\"text\":\"q\"}]},{\"role\":\"model\",\"parts\":[{\"text\":\"hm\",\"thought\":true,"
            "\"thoughtSignature\":\"%.*s\"},{\"text\":\"hi\"}]},{\"parts\":[{\"text\":\"q\"}]}]}",
            STR_ARG(signature));
    struct str text = keep(&b, &body);
    out = translated(&b, WIRE_GEMINI_GENERATE, WIRE_ANTHROPIC_MESSAGES, text.p, 0);
    if (!str_find(out, S("{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"EqRk+/==\"}"), &at))
        broken(WIRE_GEMINI_GENERATE, WIRE_ANTHROPIC_MESSAGES, "the state is gone", text, out);
    bench_stop(&b);
}

static void answers(void **state)
{
    static const struct {
        const char *body, *says; /* says NULL: refused */
    } CASES[] = {
        /* G13 */
        {"{\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"usageMetadata\":{\"promptTokenCount\":3}}",
         "\"finish_reason\":\"content_filter\""},
        {"{\"candidates\":[{\"finishReason\":\"MALFORMED_FUNCTION_CALL\"}]}", NULL}, /* G12 */
        {"{\"candidates\":[{\"finishReason\":\"MISSING_THOUGHT_SIGNATURE\"}]}", NULL},
        {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"finishReason\":\"RECITATION\"}]}",
         "\"finish_reason\":\"content_filter\""},
        {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}", NULL}, /* no reason: cut */
        {"{\"candidates\":[]}", NULL},
        {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"t\",\"thought\":true},{\"text\":\"a\"},{\"text\":\"b\"}]},"
         "\"finishReason\":\"STOP\"}]}",
         "\"content\":\"ab\""},
        {"{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"args\":{}}}]},\"finishReason\":\"STOP\"}]}", NULL},
        {"{\"candidates\":[{\"content\":{\"parts\":[]},\"index\":99,\"finishReason\":\"STOP\"}]}", NULL},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct bench b;
        enum err e;
        size_t at;
        bench_start(&b);
        struct str out = answer_in(&b, WIRE_GEMINI_GENERATE, WIRE_OPENAI_CHAT, CASES[i].body, &e);
        assert_int_equal(e == OK, CASES[i].says != NULL);
        if (e == OK && !str_find(out, str_z(CASES[i].says), &at))
            broken(WIRE_GEMINI_GENERATE, WIRE_OPENAI_CHAT, CASES[i].says, str_z(CASES[i].body), out);
        bench_stop(&b);
    }
}

/* G14. */
static void errors(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum err_class class;
        uint64_t retry_after_ms;
    } CASES[] = {
        {429,
         "{\"error\":{\"code\":429,\"message\":\"m\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":\"x/RetryInfo\","
         "\"retryDelay\":\"45.837906927s\"}]}}",
         CLASS_RATE, 45838},
        {429,
         "[{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\",\"message\":\"m\",\"details\":[{\"violations\":[{\"quotaId\":"
         "\"GenerateRequestsPerDayPerProject\"}]}]}}]",
         CLASS_BILLING, 0},
        {503, "<html>", CLASS_OVERLOADED, 0},
        {400, "{\"error\":{\"details\":[{\"retryDelay\":\"-1s\"},{\"retryDelay\":\"x\"},{\"retryDelay\":7}]}}", CLASS_REQUEST, 0},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct bench b;
        struct chat_error e;
        bench_start(&b);
        translator_of(WIRE_GEMINI_GENERATE)
            ->read_error(CASES[i].status, (struct http_fields){NULL, 0}, str_z(CASES[i].body), &b.tape, &b.arena, &e);
        assert_int_equal(e.class, CASES[i].class);
        assert_int_equal(e.retry_after_ms, CASES[i].retry_after_ms);
        assert_int_equal(e.status, CASES[i].status);
        bench_stop(&b);
    }
}

static void errors_have_googles_words(void **state)
{
    static const struct {
        int status;
        enum err_class class;
        const char *word;
    } CASES[] = {{500, CLASS_UPSTREAM, "INTERNAL"},
                 {409, CLASS_REQUEST, "ABORTED"},
                 {503, CLASS_OVERLOADED, "UNAVAILABLE"},
                 {502, CLASS_UPSTREAM, "UNAVAILABLE"},
                 {504, CLASS_TIMEOUT, "DEADLINE_EXCEEDED"}};
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        char want[64];
        size_t at;
        struct buf out;
        const struct chat_error e = {.class = CASES[i].class, .status = CASES[i].status, .message = S("m")};
        buf_init(&out, KIB(4));
        translator_of(WIRE_GEMINI_GENERATE)->write_error(&e, S("id"), &out);
        snprintf(want, sizeof want, "\"status\":\"%s\"", CASES[i].word);
        if (!str_find(buf_view(&out), str_z(want), &at)) fail_msg("%d: %s", CASES[i].status, buf_z(&out));
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(deep_schemas),
        cmocka_unit_test(no_media_in_results),
        cmocka_unit_test(a_signature_comes_back_to_its_call),
        cmocka_unit_test(foreign_state_travels_in_a_signature),
        cmocka_unit_test(answers),
        cmocka_unit_test(errors),
        cmocka_unit_test(errors_have_googles_words),
    };
    return cmocka_run_group_tests_name("gemini in translation", tests, NULL, NULL);
}
