/* Settings that a model or its vendor refuses do not go up: both samplers, stops, long names of users, forms of the answer (docs/wire.md,
 * A12, A19, C10). */
#include "wire/target_test.h"

#define BIT(e) (1u << EFFORT_##e)
static const struct chat_manners HAIKU_45 = {.known = true, .one_sampler = true};
static const struct chat_manners HAIKU_35 = {.known = true, .no_schema = true};
static const struct chat_manners FLASH_25 = {.known = true, .json_alone = true};
static const struct chat_manners GPT_4O = {.known = true, .stops_max = 4};
static const struct chat_manners GPT_5 = {
    .known = true, .reasons = true, .off = OFF_NEVER, .no_stop = true, .fixed_sampling = FIXED_ALWAYS, .efforts = BIT(LOW)};
static const struct chat_manners GPT_51 = {.known = true,
                                           .reasons = true,
                                           .off = OFF_SAID,
                                           .no_stop = true,
                                           .fixed_sampling = FIXED_UNLESS_NONE,
                                           .efforts = BIT(NONE) | BIT(LOW)};

#define CHAT(rest) "{\"model\":\"m\"," TURN "," rest "}"
#define MESSAGES(rest) "{\"model\":\"m\",\"max_tokens\":9," TURN "," rest "}"
#define RESPONSES(rest) "{\"model\":\"m\",\"input\":\"hi\"," rest "}"
#define USER(u) MESSAGES("\"metadata\":{\"user_id\":\"" u "\"}")
#define PENALTIES "\"presence_penalty\":0.5,\"frequency_penalty\":0,\"logit_bias\":{\"1\":2}"

struct limit_row {
    const struct chat_manners *manners;
    struct row row;
};

static void hold_each(const struct limit_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct wire_target more = {.manners = rows[i].manners};
        hold(&rows[i].row, 1, &more);
    }
}

static void one_sampler_goes_up(void **state)
{
#define BOTH(t, p) CHAT("\"temperature\":" t ",\"top_p\":" p)
    static const struct limit_row ROWS[] = {
        {&HAIKU_45,
         {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES, BOTH("0.5", "0.9"), {"\"temperature\":0.5"}, {"top_p"}, LOSS_SAMPLING, 1}},
        {&HAIKU_45,
         {WIRE_OPENAI_CHAT, WIRE_BEDROCK_CONVERSE, BOTH("0.5", "0.9"), {"\"temperature\":0.5"}, {"topP"}, LOSS_SAMPLING, 1}},
        {&HAIKU_45,
         {WIRE_OPENAI_CHAT, WIRE_BEDROCK_INVOKE, BOTH("0.5", "1"), {"\"temperature\":0.5"}, {"top_p"}, LOSS_SAMPLING, 0}},
        {&HAIKU_45,
         {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES, BOTH("1", "0.9"), {"\"top_p\":0.9"}, {"temperature"}, LOSS_SAMPLING, 0}},
        {&HAIKU_45,
         {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES, CHAT("\"top_p\":0.9"), {"\"top_p\":0.9"}, {NULL}, LOSS_SAMPLING, 0}},
        {&HAIKU_35, {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES, BOTH("0.5", "0.9"), {"\"top_p\":0.9"}, {NULL}, LOSS_SAMPLING, 0}},
    };
    (void)state;
    hold_each(ROWS, COUNTOF(ROWS));
}

static void who_reasons_takes_no_stops(void **state)
{
    static const struct limit_row ROWS[] = {
        {&GPT_5,
         {WIRE_ANTHROPIC_MESSAGES,
          WIRE_OPENAI_CHAT,
          MESSAGES("\"stop_sequences\":[\"a\"],\"temperature\":0.5"),
          {"messages"},
          {"stop", "temperature"},
          LOSS_SAMPLING,
          2}},
        {&GPT_5, /* which has no word for stops: they must not stand in the way */
         {WIRE_ANTHROPIC_MESSAGES,
          WIRE_OPENAI_RESPONSES,
          MESSAGES("\"stop_sequences\":[\"a\"]"),
          {"input"},
          {"stop"},
          LOSS_SAMPLING,
          1}},
        {&GPT_5,
         {WIRE_OPENAI_CHAT,
          WIRE_OPENAI_RESPONSES,
          CHAT(PENALTIES ",\"logprobs\":true,\"top_logprobs\":3"),
          {"input"},
          {"penalty", "log"},
          LOSS_SAMPLING,
          4}},
        {&GPT_51,
         {WIRE_OPENAI_CHAT,
          WIRE_OPENAI_RESPONSES,
          CHAT("\"temperature\":0.5,\"stop\":\"a\""),
          {"\"temperature\":0.5"},
          {"stop"},
          LOSS_SAMPLING,
          1}},
        {&GPT_51,
         {WIRE_OPENAI_CHAT,
          WIRE_OPENAI_RESPONSES,
          CHAT("\"temperature\":0.5,\"reasoning_effort\":\"none\""),
          {"\"temperature\":0.5"},
          {NULL},
          LOSS_SAMPLING,
          0}},
        {&GPT_51,
         {WIRE_OPENAI_CHAT,
          WIRE_OPENAI_RESPONSES,
          CHAT("\"temperature\":0.5,\"reasoning_effort\":\"low\""),
          {"\"effort\":\"low\""},
          {"temperature"},
          LOSS_SAMPLING,
          1}},
    };
    (void)state;
    hold_each(ROWS, COUNTOF(ROWS));
}

/* What is not to be kept is not kept where it is not said, either; OpenAI's Chat takes notes only of what is stored. */
static void only_what_is_kept_has_notes(void **state)
{
    static const struct limit_row ROWS[] = {
        {&GPT_51, {WIRE_OPENAI_RESPONSES, WIRE_OPENAI_CHAT, RESPONSES("\"store\":false"), {"messages"}, {"store"}, LOSS_HINT, 0}},
        {&GPT_51,
         {WIRE_OPENAI_RESPONSES, WIRE_ANTHROPIC_MESSAGES, RESPONSES("\"store\":false"), {"messages"}, {"store"}, LOSS_HINT, 0}},
        {&GPT_51,
         {WIRE_OPENAI_RESPONSES,
          WIRE_OPENAI_CHAT,
          RESPONSES("\"store\":false,\"metadata\":{\"a\":\"b\"}"),
          {"messages"},
          {"store", "metadata"},
          LOSS_HINT,
          1}},
        {&GPT_51,
         {WIRE_OPENAI_RESPONSES,
          WIRE_OPENAI_CHAT,
          RESPONSES("\"store\":true,\"metadata\":{\"a\":\"b\"}"),
          {"\"store\":true", "\"metadata\":{\"a\":\"b\"}"},
          {NULL},
          LOSS_HINT,
          0}},
    };
    (void)state;
    hold_each(ROWS, COUNTOF(ROWS));
}

static void blank_stops_do_not_go_up(void **state)
{
    static const struct limit_row ROWS[] = {
        {NULL,
         {WIRE_OPENAI_CHAT,
          WIRE_ANTHROPIC_MESSAGES,
          CHAT("\"stop\":[\"\\n\\n\",\"END\",\" \"]"),
          {"\"stop_sequences\":[\"END\"]"},
          {NULL},
          LOSS_SAMPLING,
          2}},
        {NULL,
         {WIRE_OPENAI_CHAT, WIRE_BEDROCK_INVOKE, CHAT("\"stop\":\"\\n\""), {"messages"}, {"stop_sequences"}, LOSS_SAMPLING, 1}},
        {NULL,
         {WIRE_OPENAI_CHAT, WIRE_BEDROCK_CONVERSE, CHAT("\"stop\":\"\\n\""), {"messages"}, {"stopSequences"}, LOSS_SAMPLING, 1}},
        {NULL,
         {WIRE_OPENAI_CHAT,
          WIRE_GEMINI_GENERATE,
          CHAT("\"stop\":\"\\n\""),
          {"\"stopSequences\":[\"\\n\"]"},
          {NULL},
          LOSS_SAMPLING,
          0}},
    };
    (void)state;
    hold_each(ROWS, COUNTOF(ROWS));
}

/* Claude Code's are of 130 letters and more. */
static void long_users_go_up_as_their_hash(void **state)
{
#define HASH "\"d0bfaa4bd3160982b6f6ac02560687a6e1db323550c1b2d8a55282b68228f953\""
    static const struct limit_row ROWS[] = {
        {NULL, {WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT, USER(A100), {"\"user\":", HASH}, {"aaaa"}, LOSS_HINT, 1}},
        {NULL, {WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_RESPONSES, USER(A100), {"\"user\":", HASH}, {"aaaa"}, LOSS_HINT, 1}},
        {NULL,
         {WIRE_OPENAI_RESPONSES,
          WIRE_OPENAI_CHAT,
          RESPONSES("\"safety_identifier\":\"" A100 "\""),
          {"\"safety_identifier\":", HASH},
          {"aaaa"},
          LOSS_HINT,
          1}},
        {NULL, {WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT, USER("u-1"), {"\"user\":\"u-1\""}, {NULL}, LOSS_HINT, 0}},
        {NULL,
         {WIRE_OPENAI_CHAT,
          WIRE_ANTHROPIC_MESSAGES,
          CHAT("\"user\":\"" A100 "\""),
          {"\"user_id\":\"" A100 "\""},
          {NULL},
          LOSS_HINT,
          0}},
    };
    (void)state;
    hold_each(ROWS, COUNTOF(ROWS));
}

static void jpegs_have_their_own_name(void **state)
{
#define JPG(data)                                                                                                           \
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:" \
    "image/" data ";base64,QUJD\"}}]}]}"
    static const struct limit_row ROWS[] = {
        {NULL, {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES, JPG("jpg"), {"\"image/jpeg\""}, {"image/jpg"}, LOSS_DETAIL, 0}},
        {NULL, {WIRE_OPENAI_CHAT, WIRE_BEDROCK_INVOKE, JPG("jpg"), {"\"image/jpeg\""}, {"image/jpg"}, LOSS_DETAIL, 0}},
        {NULL, {WIRE_OPENAI_CHAT, WIRE_GEMINI_GENERATE, JPG("jpg"), {"\"image/jpeg\""}, {"image/jpg"}, LOSS_DETAIL, 0}},
        {NULL, {WIRE_OPENAI_CHAT, WIRE_BEDROCK_CONVERSE, JPG("jpg"), {"\"format\":\"jpeg\""}, {"jpg"}, LOSS_DETAIL, 0}},
        {NULL, {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES, JPG("png"), {"\"image/png\""}, {NULL}, LOSS_DETAIL, 0}},
    };
    (void)state;
    hold_each(ROWS, COUNTOF(ROWS));
}

static void what_would_change_the_answer_is_refused(void **state)
{
    static const char SCHEMA[] = CHAT_SCHEMA("{\"type\":\"object\"}"), FOUR[] = CHAT("\"stop\":[\"a\",\"b\",\"c\",\"d\"]"),
                      STOPS_5[] = MESSAGES("\"stop_sequences\":[\"a\",\"b\",\"c\",\"d\",\"e\"]"),
                      STOPS_6[] = MESSAGES("\"stop_sequences\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"]"),
                      BOTH[] = "{\"model\":\"m\"," TURN
                               ",\"response_format\":{\"type\":\"json_object\"},\"tools\":[" CHAT_TOOL("f", "") "]}";
    static const struct {
        const struct chat_manners *manners;
        unsigned from, to;
        const char *body, *why; /* NULL: it goes up */
    } ROWS[] = {
        {&HAIKU_35, WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES, SCHEMA, "takes no JSON schema"},
        {&HAIKU_35, WIRE_OPENAI_CHAT, WIRE_BEDROCK_CONVERSE, SCHEMA, "takes no JSON schema"},
        {&HAIKU_35, WIRE_OPENAI_RESPONSES, WIRE_OPENAI_CHAT, RESPONSES("\"temperature\":1"), NULL},
        {&HAIKU_45, WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES, SCHEMA, NULL},
        {&FLASH_25, WIRE_OPENAI_CHAT, WIRE_GEMINI_GENERATE, BOTH, "no response format beside tools"},
        {&FLASH_25, WIRE_OPENAI_CHAT, WIRE_GEMINI_GENERATE, SCHEMA, NULL},
        {NULL, WIRE_OPENAI_CHAT, WIRE_GEMINI_GENERATE, BOTH, NULL},
        {&FLASH_25, WIRE_OPENAI_CHAT, WIRE_GEMINI_GENERATE, FOUR, NULL},
        {NULL, WIRE_ANTHROPIC_MESSAGES, WIRE_GEMINI_GENERATE, STOPS_5, NULL},
        {NULL, WIRE_ANTHROPIC_MESSAGES, WIRE_GEMINI_GENERATE, STOPS_6, "takes 5 stop sequences at most, not 6"},
        {&GPT_4O, WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT, STOPS_5, "takes 4 stop sequences at most, not 5"},
        {NULL, WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT, STOPS_6, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(ROWS); i++) {
        struct bench b;
        struct wire_name *names;
        const struct wire_target more = {.manners = ROWS[i].manners};
        bench_start(&b);
        struct str out = told(&b, ROWS[i].from, ROWS[i].to, str_z(ROWS[i].body), &more, &names);
        if ((out.p == NULL) != (ROWS[i].why != NULL)) fail_msg("row %zu: %s", i, b.why.text);
        if (!out.p) assert_int_equal(b.why.code, ERR_FORMAT_UNSUPPORTED);
        if (!out.p && !strstr(b.why.text, ROWS[i].why)) fail_msg("row %zu: %s", i, b.why.text);
        bench_stop(&b);
    }
}

static void notes_of_a_request_fit_bedrock(void **state)
{
#define NOTE(k, v) "\"" k "\":\"" v "\""
#define LONG64 "0123456789012345678901234567890123456789012345678901234567890123"
#define LONG256 LONG64 LONG64 LONG64 LONG64
#define NOTES(rest) CHAT("\"metadata\":{" rest "}")
#define TEN(a)                                                                                                    \
    NOTE(a "0", "")                                                                                               \
    "," NOTE(a "1", "") "," NOTE(a "2", "") "," NOTE(a "3", "") "," NOTE(a "4", "") "," NOTE(a "5", "") "," NOTE( \
        a "6", "") "," NOTE(a "7", "") "," NOTE(a "8", "") "," NOTE(a "9", "")
    static const struct limit_row ROWS[] = {
        {NULL,
         {WIRE_OPENAI_CHAT,
          WIRE_BEDROCK_CONVERSE,
          NOTES(NOTE("a b", "x@y.z, 1\\n")),
          {"\"a b\":\"x@y.z, 1\\n\""},
          {NULL},
          LOSS_HINT,
          0}},
        {NULL,
         {WIRE_OPENAI_CHAT,
          WIRE_BEDROCK_CONVERSE,
          NOTES(NOTE("a", "good") "," NOTE("b", "gr\xc3\xbc\xc3\x9f") "," NOTE("q?", "1")),
          {"{\"a\":\"good\"}"},
          {"\"b\"", "q?"},
          LOSS_HINT,
          2}},
        {NULL, {WIRE_OPENAI_CHAT, WIRE_BEDROCK_CONVERSE, NOTES(NOTE("a", LONG256)), {LONG256}, {NULL}, LOSS_HINT, 0}},
        {NULL,
         {WIRE_OPENAI_CHAT,
          WIRE_BEDROCK_CONVERSE,
          NOTES(NOTE("a", LONG256 "0")),
          {"messages"},
          {"requestMetadata"},
          LOSS_HINT,
          1}},
        {NULL, {WIRE_OPENAI_CHAT, WIRE_BEDROCK_CONVERSE, NOTES(""), {"messages"}, {"requestMetadata"}, LOSS_HINT, 0}},
        {NULL,
         {WIRE_OPENAI_CHAT,
          WIRE_BEDROCK_CONVERSE,
          NOTES(TEN("a") "," TEN("b")),
          {"\"a9\":\"\"", "\"b5\":\"\""},
          {"\"b6\""},
          LOSS_HINT,
          4}},
    };
    (void)state;
    hold_each(ROWS, COUNTOF(ROWS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_sampler_goes_up),
        cmocka_unit_test(who_reasons_takes_no_stops),
        cmocka_unit_test(only_what_is_kept_has_notes),
        cmocka_unit_test(blank_stops_do_not_go_up),
        cmocka_unit_test(long_users_go_up_as_their_hash),
        cmocka_unit_test(notes_of_a_request_fit_bedrock),
        cmocka_unit_test(jpegs_have_their_own_name),
        cmocka_unit_test(what_would_change_the_answer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
