/* Law 3 for answers: whatever a provider said is in what the caller gets, or counted; whole and streamed, in every format. Also
 * providers' own ways of saying it, and where in the text their citations stand. */
#include "wire/formats.h"
#include "wire/test.h"

#define RAW "{\"type\":\"odd\",\"inside\":\"" NEEDLE "\"}"

static void has_text(struct chat_part *p)
{
    p->text = S(NEEDLE);
    chat_has(&p->node, PART_HAS_TEXT);
}
static void has_media(struct chat_part *p)
{
    p->media = (struct chat_media){.form = MEDIA_BASE64, .type = S("image/png"), .value = S(NEEDLE)};
    chat_has(&p->node, PART_HAS_MEDIA);
}
static void has_raw(struct chat_part *p)
{
    p->raw = S(RAW);
    p->word = S("odd");
    chat_has(&p->node, PART_HAS_RAW);
}

/* What a vendor wants back with it; made as the answer's own. */
static void has_state(struct chat_part *p)
{
    static struct chat_opaque o;
    o = (struct chat_opaque){.kind = OPAQUE_THOUGHT_SIGNATURE, .span = S(NEEDLE), .origin.family = S("gemini")};
    o.last = p->opaque = &o;
    p->text = S("said");
    chat_has(&p->node, PART_HAS_TEXT);
    chat_has(&p->node, PART_HAS_OPAQUE);
}

/* One thing in an answer, beside a text that every format can say. */
static const struct {
    const char *what;
    enum chat_item_kind item;
    enum chat_part_kind part; /* PART_KINDS: the item has none */
    void (*fill)(struct chat_part *);
} THINGS[] = {
    {"a text", ITEM_MESSAGE, PART_TEXT, has_text},
    {"a refusal", ITEM_MESSAGE, PART_REFUSAL, has_text},
    {"an image", ITEM_MESSAGE, PART_IMAGE, has_media},
    {"audio", ITEM_MESSAGE, PART_AUDIO, has_media},
    {"video", ITEM_MESSAGE, PART_VIDEO, has_media},
    {"a document", ITEM_MESSAGE, PART_DOCUMENT, has_media},
    {"an unknown part", ITEM_MESSAGE, PART_UNKNOWN, has_raw},
    {"a thought", ITEM_REASONING, PART_THOUGHT, has_text},
    {"a summary", ITEM_REASONING, PART_SUMMARY, has_text},
    {"a text's state", ITEM_MESSAGE, PART_TEXT, has_state},
    {"a thought's state", ITEM_REASONING, PART_THOUGHT, has_state},
    {"a server's call", ITEM_SERVER_CALL, PART_KINDS, NULL},
    {"a server's result", ITEM_SERVER_RESULT, PART_KINDS, NULL},
    {"an unknown item", ITEM_UNKNOWN, PART_KINDS, NULL},
};

static struct chat_answer *answer_with(struct bench *b, unsigned thing)
{
    struct chat_answer *a = arena_alloc(&b->arena, sizeof *a);
    assert_non_null(a);
    a->arena = &b->arena;
    a->meta = (struct chat_meta){.id = S("id"), .model = S("m"), .family = S("nobody"), .created_s = 1};
    a->n_choices = 1;
    a->stops = arena_alloc(&b->arena, sizeof *a->stops);
    struct chat_group *g = chat_add_group(&b->arena, ROLE_ASSISTANT, 0);
    struct chat_item *i = chat_add_item(&b->arena, &a->items, &a->items_last, THINGS[thing].item, g);
    assert_true(a->stops && g && i);
    a->stops->kind = STOP_END;
    if (THINGS[thing].part == PART_KINDS) {
        i->word = S("odd");
        i->raw = S(RAW);
        chat_has(&i->node, ITEM_HAS_RAW);
    } else {
        struct chat_part *p = chat_add_part(&b->arena, i, THINGS[thing].part);
        chat_has(&i->node, ITEM_HAS_PARTS);
        THINGS[thing].fill(p);
    }
    struct chat_item *plain = chat_add_item(&b->arena, &a->items, &a->items_last, ITEM_MESSAGE, g);
    struct chat_part *text = chat_add_part(&b->arena, plain, PART_TEXT);
    chat_has(&plain->node, ITEM_HAS_PARTS);
    text->text = S("and so on");
    chat_has(&text->node, PART_HAS_TEXT);
    return a;
}

static unsigned gone; /* all are named before the test fails */

/* "aq1", also in base64 at each of its three places. */
static bool has_seal(struct str text)
{
    static const struct str SPELLINGS[] = {{"aq1", 3}, {"YXEx", 4}, {"FxMS", 4}, {"hcTE", 4}};
    size_t at;
    for (unsigned i = 0; i < COUNTOF(SPELLINGS); i++)
        if (str_find(text, SPELLINGS[i], &at)) return true;
    return false;
}

static void expect_found_or_counted(struct bench *b, unsigned f, unsigned thing, struct str out, const char *how)
{
    if (has_needle(out) || has_seal(out) || count_losses(&b->losses)) return;
    fprintf(stderr, "%s: %s, %s: gone and not counted\n", wire_format_name((enum wire_format)f), THINGS[thing].what, how);
    gone++;
}

static void whole(unsigned f, unsigned thing)
{
    struct bench b;
    struct buf out;
    bench_start(&b);
    buf_init(&out, MIB(1));
    struct wire_reply to = reply_of(&b);
    assert_int_equal(translator_of(f)->write_answer(answer_with(&b, thing), &to, &out, &b.why), OK);
    expect_found_or_counted(&b, f, thing, keep(&b, &out), "whole");
    bench_stop(&b);
}

static void streamed(unsigned f, unsigned thing)
{
    struct bench b;
    struct outflow o;
    bench_start(&b);
    struct wire_reply to = reply_of(&b);
    outflow_start(&b, &o, f, &to);
    assert_int_equal(chat_unfold(answer_with(&b, thing), &(struct chat_sink){outflow_event, &o}, &b.why), OK);
    expect_found_or_counted(&b, f, thing, keep(&b, &o.out), "streamed");
    bench_stop(&b);
}

static void nothing_in_an_answer_is_gone(void **state)
{
    (void)state;
    for (unsigned f = 0; f < WIRE_FORMATS; f++) {
        for (unsigned thing = 0; is_translated(f) && thing < COUNTOF(THINGS); thing++) {
            whole(f, thing);
            streamed(f, thing);
        }
    }
    assert_int_equal(gone, 0);
}

/* ---- providers' own ways -------------------------------------------------------------------------------------------------------- */

static struct str retold(struct bench *b, unsigned from, unsigned to, const char *answer)
{
    struct chat_answer a = {.arena = &b->arena};
    struct wire_reply reply = reply_of(b);
    struct buf out;
    buf_init(&out, MIB(1));
    assert_int_equal(json_scan(&b->tape, str_z(answer), &JSON_LIMITS, NULL), OK);
    assert_int_equal(translator_of(from)->read_answer(&b->tape, &a, &b->why), OK);
    if (translator_of(to)->write_answer(&a, &reply, &out, &b->why) == OK) return keep(b, &out);
    buf_done(&out);
    return S("garbage");
}

static struct str restreamed(struct bench *b, unsigned from, unsigned to, const char *const *events)
{
    static struct frames frames;
    struct outflow o;
    struct wire_reply reply = reply_of(b);
    frames.n = 0;
    for (; *events; events++) add_frame(b, &frames, STR_NONE, str_z(*events), false);
    outflow_start(b, &o, to, &reply);
    if (read_frames(b, from, &frames, &(struct chat_sink){outflow_event, &o}) == OK) return keep(b, &o.out);
    buf_done(&o.out);
    return S("garbage");
}

static void expect(unsigned to, struct str out, const char *words)
{
    size_t at;
    if (!str_find(out, str_z(words), &at)) broken(WIRE_OPENAI_CHAT, to, words, out, STR_NONE);
}

#define PIECES                                                                                                              \
    "[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"mused\"}]},{\"type\":\"text\",\"text\":\"said\"}," \
    "{\"type\":\"reference\",\"reference_ids\":[1]}]"

/* Mistral's content in pieces: thoughts stay thoughts, texts are said, a reference is counted. */
static void content_in_pieces_is_read(void **state)
{
    static const char *const STREAM[] = {
        "{\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":" PIECES "}}]}",
        "{\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}", "[DONE]", NULL};
    static const char WHOLE[] = "{\"id\":\"i\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":" PIECES
                                "},\"finish_reason\":\"stop\"}]}";
    (void)state;
    for (unsigned f = 0; f < WIRE_FORMATS; f++) {
        for (unsigned streamed = 0; is_translated(f) && streamed < 2; streamed++) {
            struct bench b;
            if (streamed && f == WIRE_BEDROCK_INVOKE) continue; /* Messages' events in base64 */
            bench_start(&b);
            struct str out = streamed ? restreamed(&b, WIRE_OPENAI_CHAT, f, STREAM) : retold(&b, WIRE_OPENAI_CHAT, f, WHOLE);
            expect(f, out, "said");
            expect(f, out, "mused");
            assert_true(count_losses(&b.losses) > 0);
            bench_stop(&b);
        }
    }
}

#define CALL(reason)                                                                                                          \
    "{\"id\":\"i\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"so\",\"tool_calls\":[{\"id\":" \
    "\"c\",\"type\":"                                                                                                         \
    "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":\"}}]},\"finish_reason\":\"" reason "\"}]}"

/* A call that the output's limit cut off is no reason to lose what was paid for; any other half call is the provider's fault. */
static void a_call_cut_off_by_the_limit_ends_well(void **state)
{
    static const char *const WORDS[WIRE_FORMATS] = {
        [WIRE_ANTHROPIC_MESSAGES] = "\"input\":{}",
        [WIRE_BEDROCK_INVOKE] = "\"input\":{}",
        [WIRE_BEDROCK_CONVERSE] = "\"input\":{}",
        [WIRE_GEMINI_GENERATE] = "\"finishReason\":\"MAX_TOKENS\"",
    };
    (void)state;
    for (unsigned f = 0; f < WIRE_FORMATS; f++) {
        struct bench b;
        if (!WORDS[f]) continue;
        bench_start(&b);
        expect(f, retold(&b, WIRE_OPENAI_CHAT, f, CALL("length")), WORDS[f]);
        assert_true(count_losses(&b.losses) > 0);
        expect(f, retold(&b, WIRE_OPENAI_CHAT, f, CALL("tool_calls")), "garbage");
        bench_stop(&b);
    }
}

/* ---- where citations stand ----------------------------------------------------------------------------------------------------- */

static void characters_are_counted(void **state)
{
    static const struct {
        const char *span;
        uint64_t points;
    } SPANS[] = {
        {"", 0},
        {"abc", 3},
        {"caf\xC3\xA9", 4},
        {"\xF0\x9F\x98\x80!", 2},
        {"a\\n\\\"\\\\u00e9", 9},
        {"\\u00e9", 1},
        {"\\uD83D\\uDE00x", 2},
        {"\\ud83d\\ude00\\ud83d\\ude00", 2},
        {"\\udbff\\udfff\\ud7ff", 2},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(SPANS); i++) assert_int_equal(wire_points(str_z(SPANS[i].span)), SPANS[i].points);
}

#define FIRST "A\xC3\xA9\xF0\x9F\x98\x80 " /* four characters, eight bytes */
#define CITED "caf\\u00e9 \\ud83d\\ude00"  /* six */
#define RANGE(start, end) "\"start_index\":" #start ",\"end_index\":" #end ",\"url\":\"https://a.example/\",\"title\":\"T\""
#define WEB "{\"type\":\"web_search_result_location\",\"url\":\"https://a.example/\",\"title\":\"T\",\"cited_text\":\"q\"}"
#define MESSAGE(blocks)                                                                                   \
    "{\"id\":\"i\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[" blocks "]," \
    "\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}"
#define BLOCK(n, delta_1, delta_2)                                                                             \
    "{\"type\":\"content_block_start\",\"index\":" #n ",\"content_block\":{\"type\":\"text\",\"text\":\"\"}}", \
        "{\"type\":\"content_block_delta\",\"index\":" #n ",\"delta\":" delta_1 "}",                           \
        "{\"type\":\"content_block_delta\",\"index\":" #n ",\"delta\":" delta_2 "}",                           \
        "{\"type\":\"content_block_stop\",\"index\":" #n "}"
#define SAYS(text) "{\"type\":\"text_delta\",\"text\":\"" text "\"}"
#define CITES "{\"type\":\"citations_delta\",\"citation\":" WEB "}"
#define MESSAGE_STREAM(block)                                                                                                \
    (const char *const[])                                                                                                    \
    {                                                                                                                        \
        "{\"type\":\"message_start\",\"message\":{\"id\":\"i\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\"," \
        "\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}",                                               \
            BLOCK(0, SAYS("A\xC3\xA9"), SAYS("\xF0\x9F\x98\x80 ")), block, BLOCK(2, SAYS(" e"), SAYS("nd")),                 \
            "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":1}}",         \
            "{\"type\":\"message_stop\"}", NULL                                                                              \
    }
#define CHAT_NOTE \
    "\"annotations\":[{\"type\":\"url_citation\",\"url_citation\":{\"url\":\"https://a.example/\",\"title\":\"T\"}}]"
#define NOTED(text, notes) "{\"type\":\"output_text\",\"text\":\"" text "\",\"annotations\":[" notes "]}"
#define RESPONSE                                                                                                               \
    "{\"id\":\"i\",\"object\":\"response\",\"status\":\"completed\",\"model\":\"m\",\"output\":[{\"type\":\"message\",\"id\":" \
    "\"n\",\"role\":\"assistant\",\"status\":\"completed\",\"content\":[" NOTED(FIRST, "") "," NOTED(                          \
        CITED, "{\"type\":\"url_citation\"," RANGE(1, 3) "}") "]}]}"
#define CONVERSE                                                                                                     \
    "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":\"" FIRST "\"},{\"citationsContent\":{" \
    "\"content\":[{\"text\":\"" CITED "\"}],\"citations\":[{\"title\":\"T\",\"location\":{\"web\":{\"url\":"         \
    "\"https://a.example/\"}}}]}}]}},\"stopReason\":\"end_turn\",\"usage\":{\"inputTokens\":1,\"outputTokens\":1}}"

static const struct {
    enum wire_format from, to;
    const char *whole, *const *stream, *says; /* the answer, or its events */
} CITATIONS[] = {
    {WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT,
     MESSAGE("{\"type\":\"text\",\"text\":\"" FIRST "\"},{\"type\":\"text\",\"text\":\"" CITED "\",\"citations\":[" WEB "]},"
             "{\"type\":\"text\",\"text\":\" end\"}"),
     NULL, RANGE(4, 10)},
    {WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_RESPONSES,
     MESSAGE("{\"type\":\"text\",\"text\":\"" FIRST "\"},{\"type\":\"text\",\"text\":\"" CITED "\",\"citations\":[" WEB "]}"),
     NULL, RANGE(0, 6)},
    {WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT, NULL, MESSAGE_STREAM(BLOCK(1, SAYS(CITED), CITES)), RANGE(4, 10)},
    {WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_CHAT, NULL, MESSAGE_STREAM(BLOCK(1, CITES, SAYS(CITED))), RANGE(4, 10)},
    {WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_RESPONSES, NULL, MESSAGE_STREAM(BLOCK(1, SAYS(CITED), CITES)),
     "\"annotation_index\":0,\"annotation\":{\"type\":\"url_citation\"," RANGE(0, 6)},
    {WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_RESPONSES, NULL, MESSAGE_STREAM(BLOCK(1, CITES, SAYS(CITED))),
     "\"annotation_index\":0,\"annotation\":{\"type\":\"url_citation\"," RANGE(0, 6)},
    {WIRE_BEDROCK_CONVERSE, WIRE_OPENAI_CHAT, CONVERSE, NULL, RANGE(4, 10)},
    {WIRE_BEDROCK_CONVERSE, WIRE_OPENAI_RESPONSES, CONVERSE, NULL, RANGE(0, 6)},
    {WIRE_OPENAI_RESPONSES, WIRE_OPENAI_CHAT, RESPONSE, NULL, RANGE(5, 7)},
    {WIRE_OPENAI_CHAT, WIRE_OPENAI_RESPONSES,
     "{\"id\":\"i\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" CITED "\"," CHAT_NOTE
     "},\"finish_reason\":\"stop\"}]}",
     NULL, RANGE(0, 6)},
    {WIRE_OPENAI_CHAT, WIRE_OPENAI_RESPONSES, NULL,
     (const char *const[]){"{\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"caf\"}}]}",
                           "{\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{" CHAT_NOTE "}}]}",
                           "{\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\u00e9 \\ud83d\\ude00\"}}]}",
                           "{\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}", "[DONE]", NULL},
     RANGE(0, 6)},
};

static void citations_tell_their_range(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CITATIONS); i++) {
        struct bench b;
        enum wire_format from = CITATIONS[i].from, to = CITATIONS[i].to;
        bench_start(&b);
        struct str out =
            CITATIONS[i].stream ? restreamed(&b, from, to, CITATIONS[i].stream) : retold(&b, from, to, CITATIONS[i].whole);
        size_t at;
        if (!str_find(out, str_z(CITATIONS[i].says), &at)) broken(from, to, CITATIONS[i].says, out, S(""));
        assert_int_equal(b.losses.n[LOSS_CITATION], 0);
        bench_stop(&b);
    }
}

/* Nobody's clients hear a tier's word that their vendor does not have. */
static void tiers_are_the_formats_own(void **state)
{
    static const struct {
        const char *told;
        const char *as[WIRE_FORMATS];
    } CASES[] = {
        {"default", {"default", "default", "standard", "default"}},
        {"standard", {"default", "default", "standard", "default"}},
        {"priority", {"priority", "priority", "priority", "priority"}},
        {"flex", {"flex", "flex", "", "flex"}},
        {"batch", {"", "", "batch", ""}},
        {"reserved", {"", "", "", "reserved"}},
        {"", {"", "", "", ""}},
    };
    static const enum wire_format FORMATS[] = {WIRE_OPENAI_CHAT, WIRE_OPENAI_RESPONSES, WIRE_ANTHROPIC_MESSAGES,
                                               WIRE_BEDROCK_CONVERSE};
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++)
        for (unsigned k = 0; k < COUNTOF(FORMATS); k++) {
            struct str word = wire_tier_word(FORMATS[k], CASES[i].told);
            if (!str_eq(word, str_z(CASES[i].as[k]))) fail_msg("%s: %.*s", CASES[i].told, STR_ARG(word));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiers_are_the_formats_own), cmocka_unit_test(nothing_in_an_answer_is_gone),
        cmocka_unit_test(content_in_pieces_is_read), cmocka_unit_test(a_call_cut_off_by_the_limit_ends_well),
        cmocka_unit_test(characters_are_counted),    cmocka_unit_test(citations_tell_their_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
