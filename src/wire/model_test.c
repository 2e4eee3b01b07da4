/* What a model does not take does not go up: effort, budget and sampling are told as its family has them (A11, A12, C10, C11, G11,
 * docs/wire.md). */
#include "wire/target_test.h"

/* ---- what a model takes (A11, A12, C10, G11) ------------------------------------------------------------------------------------ */

#define SCALE {0, 1024, 2048, 4096, 8192, 16384, 32768}
#define BIT(e) (1u << EFFORT_##e)
static const struct chat_manners GPT_4O = {.known = true, .scale = SCALE};
static const struct chat_manners GPT_51 = {
    .known = true, .reasons = true, .efforts = BIT(NONE) | BIT(LOW) | BIT(MEDIUM) | BIT(HIGH), .scale = SCALE};
static const struct chat_manners GPT_5 = {.known = true,
                                          .reasons = true,
                                          .off = OFF_NEVER,
                                          .fixed_sampling = true,
                                          .efforts = BIT(MINIMAL) | BIT(LOW) | BIT(MEDIUM) | BIT(HIGH),
                                          .scale = SCALE};
static const struct chat_manners GPT_54 = {
    .known = true, .reasons = true, .over = OVER_UNLESS_EFFORT, .efforts = BIT(NONE) | BIT(HIGH), .scale = SCALE};
static const struct chat_manners GPT_56 = {
    .known = true, .reasons = true, .over = OVER_EFFORT_NONE, .efforts = BIT(NONE) | BIT(HIGH), .scale = SCALE};
static const struct chat_manners OPUS_47 = {.known = true,
                                            .reasons = true,
                                            .adaptive = true,
                                            .fixed_sampling = true,
                                            .no_prefill = true,
                                            .efforts = BIT(LOW) | BIT(MEDIUM) | BIT(HIGH) | BIT(XHIGH) | BIT(MAX),
                                            .scale = SCALE};
static const struct chat_manners OPUS_45 = {
    .known = true, .reasons = true, .budget_min = 1024, .budget_max = 200000, .scale = SCALE};
static const struct chat_manners OPUS_5 = {
    .known = true, .reasons = true, .adaptive = true, .off = OFF_SAID, .efforts = BIT(HIGH), .scale = SCALE};
static const struct chat_manners GEMINI_3 = {
    .known = true, .reasons = true, .off = OFF_NEVER, .efforts = BIT(LOW) | BIT(HIGH), .scale = SCALE};
static const struct chat_manners FLASH_25 = {
    .known = true, .reasons = true, .off = OFF_SAID, .adaptive = true, .budget_min = 1, .budget_max = 24576, .scale = SCALE};

#define CHAT_EFFORT(e) "{\"model\":\"m\"," TURN ",\"reasoning_effort\":\"" e "\"}"
#define CHAT_BOUND(e, n) "{\"model\":\"m\"," TURN ",\"max_completion_tokens\":" n ",\"reasoning_effort\":\"" e "\"}"
#define THINK(t) "{\"model\":\"m\",\"max_tokens\":40000," TURN ",\"thinking\":{" t "}}"
#define BUDGET(n) THINK("\"type\":\"enabled\",\"budget_tokens\":" n)

static const char FORCED[] =
    "{\"model\":\"m\"," TURN ",\"tools\":[" CHAT_TOOL("f", "") "],\"tool_choice\":\"required\",\"reasoning_effort\":\"high\"}";

static const struct {
    const struct chat_manners *manners;
    struct row row;
} EFFORT_ROWS[] = {
    {&OPUS_47,
     {WIRE_OPENAI_CHAT,
      WIRE_ANTHROPIC_MESSAGES,
      CHAT_EFFORT("high"),
      {"\"thinking\":{\"type\":\"adaptive\"}", "\"output_config\":{\"effort\":\"high\"}"},
      {"budget"},
      LOSS_EFFORT,
      0}},
    {&OPUS_47,
     {WIRE_OPENAI_RESPONSES,
      WIRE_BEDROCK_INVOKE,
      "{\"model\":\"m\",\"input\":\"hi\",\"reasoning\":{\"effort\":\"minimal\"}}",
      {"{\"type\":\"adaptive\"}", "\"effort\":\"low\""},
      {"budget"},
      LOSS_EFFORT,
      1}},
    {&OPUS_47,
     {WIRE_OPENAI_CHAT,
      WIRE_BEDROCK_CONVERSE,
      CHAT_EFFORT("xhigh"),
      {"\"additionalModelRequestFields\":{\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"xhigh\"}}"},
      {"reasoning_effort"},
      LOSS_EFFORT,
      0}},
    {&OPUS_47, {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES, FORCED, {"\"effort\":\"high\""}, {"thinking"}, LOSS_EFFORT, 1}},
    {&OPUS_47,
     {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES, CHAT_EFFORT("none"), {"max_tokens"}, {"thinking", "effort"}, LOSS_EFFORT, 0}},
    {&OPUS_47,
     {WIRE_OPENAI_CHAT, WIRE_BEDROCK_CONVERSE, CHAT_EFFORT("none"), {"messages"}, {"thinking", "effort"}, LOSS_EFFORT, 0}},
    {&OPUS_5,
     {WIRE_OPENAI_CHAT,
      WIRE_ANTHROPIC_MESSAGES,
      CHAT_EFFORT("none"),
      {"\"thinking\":{\"type\":\"disabled\"}"},
      {"effort"},
      LOSS_EFFORT,
      0}},
    {&OPUS_47,
     {WIRE_OPENAI_CHAT,
      WIRE_ANTHROPIC_MESSAGES,
      "{\"model\":\"m\"," TURN ",\"temperature\":0.5,\"top_p\":1}",
      {"\"top_p\":1"},
      {"temperature"},
      LOSS_SAMPLING,
      1}},
    {&OPUS_45,
     {WIRE_OPENAI_CHAT,
      WIRE_ANTHROPIC_MESSAGES,
      CHAT_BOUND("high", "40000"),
      {"\"budget_tokens\":8192"},
      {"effort"},
      LOSS_EFFORT,
      1}},
    {&OPUS_45,
     {WIRE_OPENAI_CHAT,
      WIRE_ANTHROPIC_MESSAGES,
      CHAT_BOUND("high", "1500"),
      {"\"budget_tokens\":1125"},
      {"effort"},
      LOSS_EFFORT,
      1}},
    {&OPUS_45,
     {WIRE_OPENAI_CHAT,
      WIRE_ANTHROPIC_MESSAGES,
      CHAT_BOUND("high", "1200"),
      {"\"max_tokens\":1200"},
      {"thinking"},
      LOSS_EFFORT,
      1}},
    {&GPT_4O, {WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT, BUDGET("1024"), {"messages"}, {"effort"}, LOSS_EFFORT, 1}},
    {&GPT_4O, {WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_RESPONSES, BUDGET("31999"), {"input"}, {"reasoning"}, LOSS_EFFORT, 1}},
    {&GPT_4O,
     {WIRE_OPENAI_RESPONSES,
      WIRE_OPENAI_CHAT,
      "{\"model\":\"m\",\"input\":\"hi\",\"reasoning\":{\"effort\":\"none\"}}",
      {"messages"},
      {"effort"},
      LOSS_EFFORT,
      0}},
    {&GPT_51,
     {WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT, BUDGET("1024"), {"\"reasoning_effort\":\"low\""}, {NULL}, LOSS_EFFORT, 1}},
    {&GPT_51,
     {WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT, BUDGET("31999"), {"\"reasoning_effort\":\"high\""}, {NULL}, LOSS_EFFORT, 1}},
    {&GPT_51,
     {WIRE_ANTHROPIC_MESSAGES,
      WIRE_OPENAI_RESPONSES,
      THINK("\"type\":\"disabled\""),
      {"\"effort\":\"none\""},
      {NULL},
      LOSS_EFFORT,
      0}},
    {&GPT_5,
     {WIRE_ANTHROPIC_MESSAGES,
      WIRE_OPENAI_CHAT,
      THINK("\"type\":\"disabled\""),
      {"\"reasoning_effort\":\"minimal\""},
      {NULL},
      LOSS_EFFORT,
      1}},
    {&GPT_5,
     {WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT, THINK("\"type\":\"adaptive\""), {"messages"}, {"effort"}, LOSS_EFFORT, 0}},
    {&GEMINI_3,
     {WIRE_OPENAI_CHAT, WIRE_GEMINI_GENERATE, CHAT_EFFORT("minimal"), {"\"thinkingLevel\":\"low\""}, {NULL}, LOSS_EFFORT, 1}},
    {&GEMINI_3,
     {WIRE_OPENAI_CHAT, WIRE_GEMINI_GENERATE, CHAT_EFFORT("none"), {"\"thinkingLevel\":\"low\""}, {NULL}, LOSS_EFFORT, 1}},
    {&GEMINI_3,
     {WIRE_OPENAI_CHAT, WIRE_GEMINI_GENERATE, CHAT_EFFORT("high"), {"\"thinkingLevel\":\"high\""}, {NULL}, LOSS_EFFORT, 0}},
    {&FLASH_25,
     {WIRE_OPENAI_CHAT, WIRE_GEMINI_GENERATE, CHAT_EFFORT("none"), {"\"thinkingBudget\":0"}, {"Level"}, LOSS_EFFORT, 0}},
    {&FLASH_25,
     {WIRE_ANTHROPIC_MESSAGES,
      WIRE_GEMINI_GENERATE,
      BUDGET("31999"),
      {"\"thinkingConfig\":{\"thinkingBudget\":24576,\"includeThoughts\":true}"},
      {"Level"},
      LOSS_EFFORT,
      1}},
    {&FLASH_25,
     {WIRE_ANTHROPIC_MESSAGES,
      WIRE_GEMINI_GENERATE,
      THINK("\"type\":\"adaptive\""),
      {"\"thinkingConfig\":{\"thinkingBudget\":-1,\"includeThoughts\":true}"},
      {"Level"},
      LOSS_EFFORT,
      0}},
    {&GPT_54,
     {WIRE_OPENAI_RESPONSES,
      WIRE_OPENAI_CHAT,
      RESPONSES_WITH("{\"type\":\"function\",\"name\":\"f\"}"),
      {"tools"},
      {"effort"},
      LOSS_EFFORT,
      0}},
};

static void efforts_are_told_as_the_model_has_them(void **state)
{
    for (size_t i = 0; i < COUNTOF(EFFORT_ROWS); i++) {
        const struct wire_target more = {.manners = EFFORT_ROWS[i].manners};
        hold(&EFFORT_ROWS[i].row, 1, &more);
    }
}

/* C10: refused, so that another format of the provider's is tried; where there is none, without the effort. */
static void tools_and_effort_leave_chat(void **state)
{
    static const char TOOL[] = MESSAGES_WITH("{\"name\":\"f\",\"input_schema\":{}}"), PLAIN[] = BUDGET("8192"),
                      BOTH[] = "{\"model\":\"m\",\"max_tokens\":40000," TURN
                               ",\"tools\":[{\"name\":\"f\",\"input_schema\":{}}],\"thinking\":"
                               "{\"type\":\"enabled\",\"budget_tokens\":8192}}";
    static const struct {
        const struct chat_manners *manners;
        const char *body;
        bool leaves;
    } ROWS[] = {{&GPT_54, BOTH, true}, {&GPT_54, TOOL, false},  {&GPT_54, PLAIN, false}, {&GPT_56, BOTH, true},
                {&GPT_56, TOOL, true}, {&GPT_56, PLAIN, false}, {&GPT_51, BOTH, false}};
    for (size_t i = 0; i < COUNTOF(ROWS); i++) {
        struct bench b;
        struct wire_name *names;
        size_t at;
        bench_start(&b);
        struct wire_target more = {.manners = ROWS[i].manners};
        struct str out = told(&b, WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT, str_z(ROWS[i].body), &more, &names);
        if ((out.p == NULL) != ROWS[i].leaves) fail_msg("row %zu: %s", i, b.why.text);
        if (!out.p) assert_int_equal(b.why.code, ERR_FORMAT_UNSUPPORTED);
        assert_non_null(told(&b, WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_RESPONSES, str_z(ROWS[i].body), &more, &names).p);
        more.as_it_goes = true;
        out = told(&b, WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT, str_z(ROWS[i].body), &more, &names);
        assert_non_null(out.p);
        if (ROWS[i].leaves) assert_true(str_find(out, S("\"reasoning_effort\":\"none\""), &at) && b.losses.n[LOSS_EFFORT] > 0);
        bench_stop(&b);
    }
}

/* A12. */
static void an_answer_begun_is_refused(void **state)
{
    static const char BEGUN[] =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":\"{\"}]}";
    struct bench b;
    struct wire_name *names;
    bench_start(&b);
    struct wire_target more = {.manners = &OPUS_47};
    assert_null(told(&b, WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES, str_z(BEGUN), &more, &names).p);
    assert_int_equal(b.why.code, ERR_FORMAT_UNSUPPORTED);
    more.manners = &OPUS_45;
    assert_non_null(told(&b, WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES, str_z(BEGUN), &more, &names).p);
    bench_stop(&b);
}

/* C11: marks for the cache never go up to Chat, which takes them from few models and not on all parts; they are counted. */
static void chat_gets_no_cache_marks(void **state)
{
    static const struct row ROWS[] = {
        {WIRE_ANTHROPIC_MESSAGES,
         WIRE_OPENAI_CHAT,
         "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\","
         "\"cache_control\":{\"type\":\"ephemeral\"}},{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/"
         "png\","
         "\"data\":\"AAAA\"},\"cache_control\":{\"type\":\"ephemeral\"}}]}]}",
         {"image_url"},
         {"cache", "breakpoint"},
         LOSS_CACHE,
         2},
    };
    hold(ROWS, COUNTOF(ROWS), NULL);
}

/* B14 */
static void invoke_has_later_system_messages_where_they_are_taken(void **state)
{
    static const struct chat_manners OPUS_48 = {.known = true, .later_system = true};
    const struct wire_target old = {.manners = &OPUS_47}, fresh = {.manners = &OPUS_48};
#define LATER(system)                                                                                                          \
    "{\"model\":\"m\",\"max_tokens\":9," system "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\"," \
    "\"content\":\"b\"},{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"system\",\"content\":\"Be brief.\"}]}"
    static const struct row MOVED[] = {
        {WIRE_ANTHROPIC_MESSAGES,
         WIRE_BEDROCK_INVOKE,
         LATER("\"system\":\"Be kind.\","),
         {"\"system\":[{\"type\":\"text\",\"text\":\"Be kind.\"},{\"type\":\"text\",\"text\":\"Be brief.\"}]",
          "{\"role\":\"user\",\"content\":\"c\"}]"},
         {"\"role\":\"system\""},
         LOSS_SYSTEM_PLACE,
         1},
        {WIRE_ANTHROPIC_MESSAGES,
         WIRE_BEDROCK_INVOKE,
         LATER(""),
         {"\"system\":\"Be brief.\""},
         {"\"role\":\"system\""},
         LOSS_SYSTEM_PLACE,
         1},
    };
    static const struct row STAYS[] = {
        {WIRE_ANTHROPIC_MESSAGES,
         WIRE_BEDROCK_INVOKE,
         LATER("\"system\":\"Be kind.\","),
         {"\"system\":\"Be kind.\"", "{\"role\":\"system\",\"content\":\"Be brief.\"}]"},
         {NULL},
         LOSS_SYSTEM_PLACE,
         0},
    };
    (void)state;
    hold(MOVED, COUNTOF(MOVED), NULL);
    hold(MOVED, COUNTOF(MOVED), &old);
    hold(STAYS, COUNTOF(STAYS), &fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(efforts_are_told_as_the_model_has_them),
        cmocka_unit_test(tools_and_effort_leave_chat),
        cmocka_unit_test(an_answer_begun_is_refused),
        cmocka_unit_test(chat_gets_no_cache_marks),
        cmocka_unit_test(invoke_has_later_system_messages_where_they_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
