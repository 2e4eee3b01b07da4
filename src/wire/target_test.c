/* What a target refuses does not go up: names and ids outside its alphabet, schemas that it does not take, too many tools (A5, A19,
 * B7, docs/wire.md). And what was respelled on the way comes back as the caller knows it. */
#include "wire/target_test.h"

/* ---- names and ids ------------------------------------------------------------------------------------------------------------ */

static void names_are_what_the_target_takes(void **state)
{
    static const struct row ROWS[] = {
        {WIRE_GEMINI_GENERATE,
         WIRE_OPENAI_CHAT,
         GEMINI_WITH("{\"name\":\"a.b:c\"}"),
         {"\"name\":\"a_b_c_"},
         {"a.b"},
         LOSS_TOOL_NAME,
         1},
        {WIRE_GEMINI_GENERATE,
         WIRE_OPENAI_RESPONSES,
         GEMINI_WITH("{\"name\":\"a.b:c\"}"),
         {"\"name\":\"a_b_c_"},
         {"a.b"},
         LOSS_TOOL_NAME,
         1},
        {WIRE_GEMINI_GENERATE,
         WIRE_ANTHROPIC_MESSAGES,
         GEMINI_WITH("{\"name\":\"a.b:c\"}"),
         {"\"name\":\"a_b_c_"},
         {"a.b"},
         LOSS_TOOL_NAME,
         1},
        {WIRE_OPENAI_CHAT, WIRE_BEDROCK_INVOKE, CHAT_WITH(CHAT_TOOL("a.b", "")), {"\"name\":\"a_b_"}, {"a.b"}, LOSS_TOOL_NAME, 1},
        {WIRE_OPENAI_CHAT,
         WIRE_GEMINI_GENERATE,
         CHAT_WITH(CHAT_TOOL("a.b", "")),
         {"\"name\":\"a.b\""},
         {NULL},
         LOSS_TOOL_NAME,
         0},
        {WIRE_OPENAI_CHAT,
         WIRE_GEMINI_GENERATE,
         CHAT_WITH(CHAT_TOOL("1st", "")),
         {"\"name\":\"_1st_"},
         {NULL},
         LOSS_TOOL_NAME,
         1},
        {WIRE_ANTHROPIC_MESSAGES,
         WIRE_OPENAI_CHAT,
         MESSAGES_WITH("{\"name\":\"" A100 "\",\"input_schema\":{}}"),
         {"\"name\":\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeefffff_"},
         {"gggg"},
         LOSS_TOOL_NAME,
         1},
        {WIRE_ANTHROPIC_MESSAGES,
         WIRE_OPENAI_RESPONSES,
         MESSAGES_WITH("{\"name\":\"" A100 "\",\"input_schema\":{}}"),
         {"\"name\":\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeefffff_"},
         {"gggg"},
         LOSS_TOOL_NAME,
         1},
    };
    hold(ROWS, COUNTOF(ROWS), NULL);
}

/* Kimi's ids; and the longest ids there are, for those who take few letters. The call and its result keep together. */
static void ids_are_what_the_target_takes(void **state)
{
#define CALLED(id)                                                                                                             \
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":"   \
    "\"" id                                                                                                                    \
    "\",\"type\":\"function\",\"function\":{\"name\":\"w\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"" id \
    "\",\"content\":\"1\"}],\"tools\":[" CHAT_TOOL("w", "") "]}"
    static const struct row ROWS[] = {
        {WIRE_OPENAI_CHAT,
         WIRE_ANTHROPIC_MESSAGES,
         CALLED("functions.w:0"),
         {"\"type\":\"tool_use\",\"id\":\"functions_w_0_44b18dda\"", "\"tool_use_id\":\"functions_w_0_44b18dda\""},
         {"functions.w"},
         LOSS_TOOL_NAME,
         0},
        {WIRE_OPENAI_CHAT,
         WIRE_BEDROCK_CONVERSE,
         CALLED("functions.w:0"),
         {"\"toolUse\":{\"toolUseId\":\"functions_w_0_44b18dda\"", "\"toolResult\":{\"toolUseId\":\"functions_w_0_44b18dda\""},
         {"functions.w"},
         LOSS_TOOL_NAME,
         0},
        {WIRE_OPENAI_CHAT,
         WIRE_OPENAI_RESPONSES,
         CALLED("functions.w:0"),
         {"\"call_id\":\"functions.w:0\""},
         {NULL},
         LOSS_TOOL_NAME,
         0},
        {WIRE_OPENAI_CHAT,
         WIRE_OPENAI_RESPONSES,
         CALLED(A100),
         {"\"call_id\":\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeefffff_"},
         {"gggg"},
         LOSS_TOOL_NAME,
         0},
    };
    hold(ROWS, COUNTOF(ROWS), NULL);
}

static struct chat_item *one_call(struct bench *b, struct chat_answer *a, struct str name)
{
    struct chat_group *g = chat_add_group(&b->arena, ROLE_ASSISTANT, 0);
    *a = (struct chat_answer){.arena = &b->arena};
    struct chat_item *i = chat_add_item(&b->arena, &a->items, &a->items_last, ITEM_TOOL_CALL, g);
    i->name = name;
    return i;
}

/* For every pair: two names that would become one stay two, calls and choice follow, and the answer has the caller's own. */
static void respelled_names_come_back(void **state)
{
    static const char BODY[] = "{\"model\":\"m\",\"max_tokens\":9," TURN
                               ",\"tools\":[{\"name\":\"a.b\",\"input_schema\":{}},{\"name\":\"a_b\",\"input_schema\":{}},"
                               "{\"name\":\"a b\",\"input_schema\":{}}],\"tool_choice\":{\"type\":\"tool\",\"name\":\"a b\"}}";
    for (unsigned g = 0; g < WIRE_FORMATS; g++) {
        struct bench b;
        struct chat_answer answer;
        struct wire_name *names;
        if (!is_translated(g) || g == WIRE_ANTHROPIC_MESSAGES) continue;
        bench_start(&b);
        struct str out = through(&b, WIRE_ANTHROPIC_MESSAGES, g, str_z(BODY), &names);
        size_t at;
        if (!out.p) fail_msg("%s", b.why.text);
        assert_false(str_find(out, S("\"a b\""), &at));
        assert_true(str_find(out, S("\"a_b\""), &at));
        for (const struct wire_name *n = names; n; n = n->next) {
            struct chat_item *call = one_call(&b, &answer, n->theirs);
            assert_int_equal(wire_restore_answer(&answer, names, &b.why), OK);
            assert_true(str_eq(call->name, S("a.b")) || str_eq(call->name, S("a b")));
            assert_true(n->next == NULL || !str_eq(n->theirs, n->next->theirs));
        }
        assert_int_equal(b.losses.n[LOSS_TOOL_NAME], g == WIRE_GEMINI_GENERATE ? 1 : 2);
        struct chat_item *kept = one_call(&b, &answer, S("a_b"));
        assert_int_equal(wire_restore_answer(&answer, names, &b.why), OK);
        assert_true(str_eq(kept->name, S("a_b")));
        bench_stop(&b);
    }
}

/* A namespaced name that another tool has already: neither is lost. */
static void no_tool_is_lost_to_a_namespace(void **state)
{
    static const struct row ROWS[] = {
        {WIRE_OPENAI_RESPONSES,
         WIRE_OPENAI_CHAT,
         RESPONSES_WITH(
             "{\"type\":\"namespace\",\"name\":\"s\",\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]},{\"type\":\"function\","
             "\"name\":\"s__f\",\"description\":\"other\"}"),
         {"\"name\":\"s__f\"", "\"name\":\"s__f_", "other"},
         {NULL},
         LOSS_TOOL_NAME,
         2},
    };
    hold(ROWS, COUNTOF(ROWS), NULL);
}

static void a_thousand_tools_pass(void **state)
{
    struct bench b;
    struct wire_name *names;
    struct buf body;
    for (unsigned g = 0; g < WIRE_FORMATS; g++) {
        for (unsigned n = 1000; n <= 10001 && is_translated(g) && g != WIRE_OPENAI_CHAT; n += 9001) {
            bench_start(&b);
            buf_init(&body, MIB(8));
            buf_fmt(&body, "{\"model\":\"m\"," TURN ",\"tools\":[");
            for (unsigned i = 0; i < n; i++) buf_fmt(&body, "%s" CHAT_TOOL("t%u", ""), i ? "," : "", i);
            buf_fmt(&body, "]}");
            assert_int_equal(through(&b, WIRE_OPENAI_CHAT, g, buf_view(&body), &names).p != NULL, n == 1000);
            if (n > 1000) assert_int_equal(b.why.code, ERR_BAD_REQUEST);
            buf_done(&body);
            bench_stop(&b);
        }
    }
}

/* ---- schemas ------------------------------------------------------------------------------------------------------------------ */

static void tools_take_objects(void **state)
{
    static const char EMPTY[] = "{\"type\":\"object\",\"properties\":{}}", BARE[] = "{\"type\":\"object\"}";
    static const struct row ROWS[] = {
        {WIRE_ANTHROPIC_MESSAGES,
         WIRE_OPENAI_CHAT,
         MESSAGES_WITH("{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}"),
         {EMPTY},
         {NULL},
         LOSS_SCHEMA,
         0},
        {WIRE_ANTHROPIC_MESSAGES,
         WIRE_OPENAI_RESPONSES,
         MESSAGES_WITH("{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}"),
         {EMPTY},
         {NULL},
         LOSS_SCHEMA,
         0},
        {WIRE_OPENAI_CHAT,
         WIRE_ANTHROPIC_MESSAGES,
         CHAT_WITH(CHAT_TOOL("f", ",\"parameters\":{}")),
         {BARE},
         {NULL},
         LOSS_SCHEMA,
         0},
        {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES, CHAT_WITH(CHAT_TOOL("f", "")), {EMPTY}, {NULL}, LOSS_SCHEMA, 0},
        {WIRE_OPENAI_CHAT,
         WIRE_BEDROCK_CONVERSE,
         CHAT_WITH(CHAT_TOOL("f", ",\"parameters\":{\"properties\":{\"a\":{}}}")),
         {"{\"type\":\"object\",\"properties\":{\"a\":{}}}"},
         {NULL},
         LOSS_SCHEMA,
         0},
        {WIRE_OPENAI_RESPONSES,
         WIRE_BEDROCK_INVOKE,
         RESPONSES_WITH("{\"type\":\"function\",\"name\":\"f\",\"parameters\":{}}"),
         {BARE},
         {NULL},
         LOSS_SCHEMA,
         0},
        {WIRE_OPENAI_RESPONSES,
         WIRE_BEDROCK_CONVERSE,
         RESPONSES_WITH("{\"type\":\"function\",\"name\":\"f\"}"),
         {EMPTY},
         {NULL},
         LOSS_SCHEMA,
         0},
        {WIRE_OPENAI_CHAT,
         WIRE_ANTHROPIC_MESSAGES,
         CHAT_WITH(CHAT_TOOL("f", ",\"parameters\":{\"type\":[\"object\",\"null\"],\"anyOf\":[{\"required\":[\"a\"]}]}")),
         {BARE},
         {"anyOf"},
         LOSS_SCHEMA,
         1},
        {WIRE_ANTHROPIC_MESSAGES,
         WIRE_OPENAI_CHAT,
         MESSAGES_WITH(
             "{\"name\":\"f\",\"input_schema\":{\"type\":\"object\",\"properties\":{\"a\":{\"anyOf\":[]}},\"not\":{}}}"),
         {"{\"type\":\"object\",\"properties\":{\"a\":{\"anyOf\":[]}}}"},
         {"not"},
         LOSS_SCHEMA,
         1},
    };
    hold(ROWS, COUNTOF(ROWS), NULL);
}

/* A19: "additionalProperties must be explicitly set to false", and the rest of the vendor's subset. */
static void answers_have_the_subset_of_schemas(void **state)
{
    static const struct row ROWS[] = {
        {WIRE_GEMINI_GENERATE,
         WIRE_ANTHROPIC_MESSAGES,
         "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}],\"generationConfig\":{\"responseMimeType\":\"application/"
         "json\",\"responseSchema\":"
         "{\"type\":\"OBJECT\",\"properties\":{\"a\":{\"type\":\"OBJECT\",\"properties\":{}}}}}}",
         {"\"schema\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"properties\":{},\"additionalProperties\":"
          "false}},"
          "\"additionalProperties\":false}"},
         {NULL},
         LOSS_SCHEMA,
         1},
        {WIRE_OPENAI_CHAT,
         WIRE_BEDROCK_CONVERSE,
         CHAT_SCHEMA("{\"type\":\"object\",\"properties\":{}}"),
         {"\\\"additionalProperties\\\":false"},
         {NULL},
         LOSS_SCHEMA,
         1},
        {WIRE_OPENAI_CHAT,
         WIRE_ANTHROPIC_MESSAGES,
         CHAT_SCHEMA("{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}"),
         {"\"schema\":{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}"},
         {NULL},
         LOSS_SCHEMA,
         0},
        {WIRE_OPENAI_CHAT,
         WIRE_BEDROCK_INVOKE,
         CHAT_SCHEMA(
             "{\"$schema\":\"x\",\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"minimum\":3,\"description\":"
             "\"D\"},\"s\":{\"type\":\"string\",\"pattern\":\"^\\\"\",\"format\":\"odd\"},\"l\":{\"type\":\"array\",\"minItems\":"
             "1,"
             "\"items\":{\"oneOf\":[{\"type\":\"null\"},{\"$ref\":\"#/$defs/"
             "d\"}]}}},\"required\":[\"n\"],\"$defs\":{\"d\":{\"type\":"
             "[\"object\",\"null\"],\"additionalProperties\":{}}}}"),
         {"{\"type\":\"integer\",\"description\":\"D\\n\\n{minimum: 3}\"}",
          "{\"type\":\"string\",\"description\":\"{pattern: \\\"^\\\\\\\"\\\", format: \\\"odd\\\"}\"}",
          "\"minItems\":1,\"items\":{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#/$defs/d\"}]}",
          "{\"d\":{\"type\":[\"object\",\"null\"],\"additionalProperties\":false}}"},
         {"$schema", "oneOf"},
         LOSS_SCHEMA,
         1},
        {WIRE_OPENAI_CHAT,
         WIRE_GEMINI_GENERATE,
         CHAT_SCHEMA("{\"type\":\"object\",\"properties\":{\"a\":{\"minimum\":1}}}"),
         {"\"minimum\":1"},
         {"additional"},
         LOSS_SCHEMA,
         0},
    };
    hold(ROWS, COUNTOF(ROWS), NULL);
}

/* ---- what says nothing, and what stands in another order ---------------------------------------------------------------------- */

#define CHAT_MESSAGES(list) "{\"model\":\"m\",\"messages\":[" list "]}"
#define SAYS(role, text) "{\"role\":\"" role "\",\"content\":\"" text "\"}"
#define CHAT_CALLS(text)                                                                    \
    "{\"role\":\"assistant\",\"content\":\"" text                                           \
    "\",\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\"," \
    "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"one\"}"
#define ASKED(id) "{\"type\":\"function_call\",\"call_id\":\"" id "\",\"name\":\"f\",\"arguments\":\"{}\"}"
#define TOLD(id) "{\"type\":\"function_call_output\",\"call_id\":\"" id "\",\"output\":\"of " id "\"}"
#define ASIDE "{\"role\":\"user\",\"content\":\"aside\"}"

/* Models of the open kind say "\n\n" before a call; Anthropic and Bedrock refuse a text of that. */
static void blank_texts_do_not_go_up(void **state)
{
    static const struct row ROWS[] = {
        {WIRE_OPENAI_CHAT,
         WIRE_ANTHROPIC_MESSAGES,
         CHAT_MESSAGES(SAYS("system", "") "," SAYS("user", "hi") "," CHAT_CALLS("\\n\\n ")),
         {"\"content\":[{\"type\":\"tool_use\""},
         {"\\n", "\"system\""},
         LOSS_ORDER,
         0},
        {WIRE_OPENAI_CHAT,
         WIRE_BEDROCK_CONVERSE,
         CHAT_MESSAGES(SAYS("user", "one") "," SAYS("assistant", "") "," SAYS("user", "two")),
         {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"one\"},{\"text\":\"two\"}]}]"},
         {NULL},
         LOSS_ORDER,
         0},
        {WIRE_OPENAI_CHAT,
         WIRE_GEMINI_GENERATE,
         CHAT_MESSAGES(SAYS("system", "") "," SAYS("user", "hi")),
         {"\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]"},
         {"systemInstruction"},
         LOSS_ORDER,
         0},
        {WIRE_ANTHROPIC_MESSAGES, /* Chat takes them */
         WIRE_OPENAI_CHAT,
         "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\" \"}]}",
         {"\"content\":\" \""},
         {NULL},
         LOSS_ORDER,
         0},
        {WIRE_OPENAI_CHAT, /* what a name is is not how it was escaped */
         WIRE_BEDROCK_CONVERSE,
         CHAT_MESSAGES(
             "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"t\"},{\"type\":\"file\",\"file\":{"
             "\"filename\":\"a\\u00e4b.pdf\",\"file_data\":\"data:application/pdf;base64,QUJD\"}},{\"type\":\"image_url\","
             "\"image_url\":{\"url\":\"data:image/jpg;base64,QUJD\"}}]}"),
         {"\"name\":\"a-b-pdf\"", "{\"format\":\"jpeg\""},
         {"u00e4"},
         LOSS_NAME,
         1},
        {WIRE_GEMINI_GENERATE, /* Converse wants a text beside it */
         WIRE_BEDROCK_CONVERSE,
         "{\"contents\":[{\"parts\":[{\"inlineData\":{\"mimeType\":\"application/pdf\",\"data\":\"QUJD\"}}]}]}",
         {"\"document\"", "{\"text\":\"(See the document.)\"}"},
         {NULL},
         LOSS_OPENING,
         1},
    };
    (void)state;
    hold(ROWS, COUNTOF(ROWS), NULL);
}

static void results_stand_behind_their_calls(void **state)
{
    static const struct row ROWS[] = {
        {WIRE_OPENAI_RESPONSES,
         WIRE_OPENAI_CHAT,
         "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"hi\"}," ASKED("a") "," ASIDE "," TOLD("a") "]}",
         {"},{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"of a\"},{\"role\":\"user\",\"content\":\"aside\"}]"},
         {NULL},
         LOSS_ORDER,
         1},
        {WIRE_OPENAI_RESPONSES,
         WIRE_ANTHROPIC_MESSAGES,
         "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"hi\"}," ASKED("a") "," ASKED("b") "," TOLD(
             "a") ",{\"role\":\"assistant\",\"content\":\"said\"}," TOLD("b") "]}",
         {"\"tool_use_id\":\"a\",\"content\":\"of a\"},{\"type\":\"tool_result\",\"tool_use_id\":\"b\"",
          "\"of b\"}]},{\"role\":\"assistant\",\"content\":\"said\"}"},
         {NULL},
         LOSS_ORDER,
         1},
        {WIRE_OPENAI_RESPONSES, /* each round by itself */
         WIRE_OPENAI_CHAT,
         "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"hi\"}," ASKED("a") "," TOLD("a") "," ASIDE "," ASKED(
             "b") "," TOLD("b") "]}",
         {"of a\"},{\"role\":\"user\",\"content\":\"aside\"},{\"role\":\"assistant\""},
         {NULL},
         LOSS_ORDER,
         0},
    };
    (void)state;
    hold(ROWS, COUNTOF(ROWS), NULL);
}

static void a_conversation_of_nothing_is_refused(void **state)
{
    static const unsigned TO[] = {WIRE_ANTHROPIC_MESSAGES, WIRE_BEDROCK_CONVERSE, WIRE_BEDROCK_INVOKE, WIRE_GEMINI_GENERATE};
    (void)state;
    for (unsigned i = 0; i < COUNTOF(TO); i++) {
        struct bench b;
        struct wire_name *names;
        bench_start(&b);
        assert_null(
            through(&b, WIRE_OPENAI_CHAT, TO[i], S(CHAT_MESSAGES(SAYS("system", "be brief") "," SAYS("user", ""))), &names).p);
        assert_int_equal(b.why.code, ERR_BAD_REQUEST);
        bench_stop(&b);
    }
}

/* Messages of one text have a short way through reader and writers; one name spelled with an escape takes the long one. */
#define PLAIN(role, text) "{\"role\":\"" role "\",\"content\":\"" text "\"}"
#define ROUND(role, text) "{\"role\":\"" role "\",\"\\u0063ontent\":\"" text "\"}"
#define TALK(SAY)                                                                                                        \
    SAY("system", "be brief")                                                                                            \
    "," SAY("user", "a\\n\\\"b\\u00e9") "," SAY("assistant", "c") "," SAY("assistant", "d") "," SAY("user", "") "," SAY( \
        "user", "e") "," SAY("assistant",                                                                                \
                             " \\n") "," SAY("user", "f") "," SAY("system", "g") "," SAY("assistant",                    \
                                                                                         "") "," SAY("assistant",        \
                                                                                                     "h") "," SAY("user", "i")

static void a_short_way_leads_to_the_same(void **state)
{
    static const char *const BODIES[][2] = {
        {CHAT_MESSAGES(TALK(PLAIN)), CHAT_MESSAGES(TALK(ROUND))},
        {CHAT_MESSAGES(PLAIN("developer", "a") "," PLAIN("user", "b")),
         CHAT_MESSAGES(ROUND("developer", "a") "," ROUND("user", "b"))},
        {"{\"model\":\"m\",\"max_tokens\":9,\"messages\":[" TALK(PLAIN) "]}",
         "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[" TALK(ROUND) "]}"},
    };
    static const unsigned FROM[] = {WIRE_OPENAI_CHAT, WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES};
    (void)state;
    for (unsigned k = 0; k < COUNTOF(BODIES) * WIRE_FORMATS; k++) {
        unsigned body = k / WIRE_FORMATS, to = k % WIRE_FORMATS;
        struct bench b;
        struct wire_name *names;
        if (!is_translated(to)) continue;
        bench_start(&b);
        struct str shortly = through(&b, FROM[body], to, str_z(BODIES[body][0]), &names);
        struct chat_losses losses = b.losses;
        struct str long_way = through(&b, FROM[body], to, str_z(BODIES[body][1]), &names);
        if (!shortly.p || !str_eq(shortly, long_way)) fail_msg("%.*s\n%.*s %s", STR_ARG(shortly), STR_ARG(long_way), b.why.text);
        assert_memory_equal(&losses, &b.losses, sizeof losses);
        bench_stop(&b);
    }
}

/* What is neither of both members, or not as it should be, is seen on the long way. */
static void the_short_way_is_for_nothing_else(void **state)
{
    static const struct {
        const char *message, *why;
    } ROWS[] = {
        {"{\"role\":\"user\",\"content\":1}", "messages[0].content: must be a string or an array"},
        {"{\"role\":\"nobody\",\"content\":\"a\"}", "messages[0].role: must be system, developer, user, assistant or tool"},
        {"{\"role\":\"tool\",\"content\":\"a\"}", "messages[0]: has no tool_call_id"},
        {"{\"role\":\"user\",\"role\":\"user\"}", "messages[0].role: is given twice"},
        {"{\"content\":\"a\",\"content\":\"user\"}", "messages[0]: has no role"},
        {"[\"role\",\"user\",\"content\",\"a\"]", "messages[0]: must be an object, but is an array"},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(ROWS); i++) {
        char body[256];
        struct bench b;
        struct wire_name *names;
        bench_start(&b);
        snprintf(body, sizeof body, "{\"model\":\"m\",\"messages\":[%s]}", ROWS[i].message);
        assert_null(through(&b, WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES, str_z(body), &names).p);
        assert_string_equal(b.why.text, ROWS[i].why);
        bench_stop(&b);
    }
}

#define BROKEN_CALL                                                                                                           \
    "{\"model\":\"m\","                                                                                                       \
    "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c1\","            \
    "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"%s\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\"," \
    "\"content\":\"no JSON\"}]}"

/* What a model broke off or misspelled, and its agent sends back: every target has it as it was, within an object. */
static void broken_arguments_are_told(void **state)
{
    static const struct {
        const char *given, *told;
        unsigned lost;
    } CASES[] = {
        {"{\\\"city\\\": \\\"Par", "{\"INVALID_JSON\":\"{\\\"city\\\": \\\"Par\"}", 1},
        {"Paris\\n", "{\"INVALID_JSON\":\"Paris\\n\"}", 1},
        {"[1]", "{\"INVALID_JSON\":\"[1]\"}", 1},
        {"{\\\"a\\\":1,\\\"a\\\":2}", "{\"INVALID_JSON\":\"{\\\"a\\\":1,\\\"a\\\":2}\"}", 1},
        {" {\\\"a\\\":1} ", "{\"a\":1}", 0},
        {"", "{}", 0},
    };
    static const enum wire_format TARGETS[] = {WIRE_ANTHROPIC_MESSAGES, WIRE_BEDROCK_CONVERSE, WIRE_BEDROCK_INVOKE,
                                               WIRE_GEMINI_GENERATE};
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES) * COUNTOF(TARGETS); i++) {
        unsigned at = i / COUNTOF(TARGETS);
        char body[1024];
        struct bench b;
        struct wire_name *names;
        size_t found;
        int n = snprintf(body, sizeof body, BROKEN_CALL, CASES[at].given);
        bench_start(&b);
        struct str out = through(&b, WIRE_OPENAI_CHAT, TARGETS[i % COUNTOF(TARGETS)], str_make(body, (size_t)n), &names);
        if (!out.n || !str_find(out, str_z(CASES[at].told), &found)) fail_msg("case %u: %.*s %s", at, STR_ARG(out), b.why.text);
        assert_int_equal(b.losses.n[LOSS_ARGUMENTS], CASES[at].lost);
        bench_stop(&b);
    }
}

/* Google looks into it; for all others it would be a guess. */
static void a_file_of_no_type_goes_to_google_only(void **state)
{
    struct str body =
        S("{\"contents\":[{\"parts\":[{\"text\":\"hi\"},{\"fileData\":{\"fileUri\":\"https://example.org/a\"}}]}]}");
    (void)state;
    for (unsigned f = 0; f < WIRE_FORMATS; f++) {
        struct bench b;
        struct wire_name *names;
        size_t at;
        if (!is_translated(f)) continue;
        bench_start(&b);
        struct str out = through(&b, WIRE_GEMINI_GENERATE, f, body, &names);
        if (f == WIRE_GEMINI_GENERATE)
            assert_true(str_find(out, S("{\"fileData\":{\"fileUri\":\"https://example.org/a\"}}"), &at));
        else if (out.n || !strstr(b.why.text, "contents[0].parts[1]")) fail_msg("%.*s %s", STR_ARG(out), b.why.text);
        bench_stop(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blank_texts_do_not_go_up),
        cmocka_unit_test(results_stand_behind_their_calls),
        cmocka_unit_test(a_conversation_of_nothing_is_refused),
        cmocka_unit_test(names_are_what_the_target_takes),
        cmocka_unit_test(ids_are_what_the_target_takes),
        cmocka_unit_test(respelled_names_come_back),
        cmocka_unit_test(no_tool_is_lost_to_a_namespace),
        cmocka_unit_test(a_thousand_tools_pass),
        cmocka_unit_test(tools_take_objects),
        cmocka_unit_test(answers_have_the_subset_of_schemas),
        cmocka_unit_test(a_short_way_leads_to_the_same),
        cmocka_unit_test(the_short_way_is_for_nothing_else),
        cmocka_unit_test(broken_arguments_are_told),
        cmocka_unit_test(a_file_of_no_type_goes_to_google_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
