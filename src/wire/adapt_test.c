/* What only Responses says, told in Chat's and Messages' words and turned back: free-text tools, namespaces, tools from
 * mid-conversation, sealed state, compaction. The request is shaped as Codex sends it. */
#include "wire/test.h"

static const char CODEX[] =
    "{\"model\":\"m\",\"stream\":true,\"store\":false,\"include\":[\"reasoning.encrypted_content\"],\"input\":["
    "{\"type\":\"additional_tools\",\"role\":\"developer\",\"id\":\"at_1\",\"tools\":[{\"type\":\"namespace\",\"name\":"
    "\"functions\","
    "\"description\":\"All.\",\"tools\":[{\"type\":\"custom\",\"name\":\"exec\",\"description\":\"Runs.\",\"format\":{\"type\":"
    "\"grammar\","
    "\"syntax\":\"lark\",\"definition\":\"start: "
    "X\"}},{\"type\":\"function\",\"name\":\"wait\",\"parameters\":{\"type\":\"object\"}}]}]},"
    "{\"type\":\"message\",\"role\":\"developer\",\"content\":[{\"type\":\"input_text\",\"text\":\"Be good.\"}]},"
    "{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"Go.\"}]},"
    "{\"type\":\"custom_tool_call\",\"namespace\":\"functions\",\"name\":\"exec\",\"call_id\":\"c1\",\"input\":\"a\\n\\\"b\\\"\"}"
    ","
    "{\"type\":\"custom_tool_call_output\",\"call_id\":\"c1\",\"output\":[{\"type\":\"input_text\",\"text\":\"done\"}]}],"
    "\"tools\":[{\"type\":\"function\",\"name\":\"shell\",\"parameters\":{\"type\":\"object\"},\"strict\":false},"
    "{\"type\":\"web_search\",\"external_web_access\":false},{\"type\":\"tool_search\",\"execution\":\"client\"}],"
    "\"tool_choice\":\"auto\",\"parallel_tool_calls\":true}";

static struct wire_target target_of(struct bench *b, enum wire_format f)
{
    return (struct wire_target){.model = S("a-model"),
                                .origin = {str_z(ops_of(f)->family), 7},
                                .stream = true,
                                .max_output = 4096,
                                .losses = &b->losses,
                                .tape = &b->tape,
                                .memo = &b->arena};
}

/* STR_NONE: refused, by what b->why says. */
static struct str translated(struct bench *b, enum wire_format f, struct str body, struct wire_name **ret_names)
{
    struct chat c = {.arena = &b->arena, .source = body, .stream = true};
    struct wire_target to = target_of(b, f);
    struct buf out;
    b->losses = (struct chat_losses){0};
    assert_int_equal(json_scan(&b->tape, body, NULL, &b->why), OK);
    enum err e = translator_of(WIRE_OPENAI_RESPONSES)->read_request(&b->tape, &c, &b->why);
    if (e == OK) e = chat_unseal_all(&c, &b->seal, &b->why);
    if (e == OK) e = wire_adapt(&c, f, &to, ret_names, &b->why);
    buf_init(&out, MIB(1));
    if (e == OK) e = translator_of(f)->write_request(&c, &to, &out, &b->why);
    if (e == OK) e = chat_account(&c, ops_of(f)->name, &b->why);
    if (e == OK) return keep(b, &out);
    buf_done(&out);
    return STR_NONE;
}

static void has(struct str text, const char *piece)
{
    size_t at;
    if (!str_find(text, str_z(piece), &at)) fail_msg("%s is not in %.*s", piece, STR_ARG(text));
}

static void codex_asks_in_chats_words(void **state)
{
    struct bench b;
    struct wire_name *names;
    bench_start(&b);
    struct str out = translated(&b, WIRE_OPENAI_CHAT, str_z(CODEX), &names);
    if (!out.p) fail_msg("%s", b.why.text);
    has(out, "{\"type\":\"function\",\"function\":{\"name\":\"functions__exec\",\"description\":\"All.\\n\\nRuns.\\n\\nPut the "
             "whole free "
             "text into `input`. It must have this format: {\\\"type\\\":\\\"grammar\\\"");
    has(out, "\"name\":\"functions__exec\",\"arguments\":\"{\\\"input\\\":\\\"a\\\\n\\\\\\\"b\\\\\\\"\\\"}\"");
    has(out, "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"done\"}");
    has(out, "\"name\":\"functions__wait\"");
    has(out, "\"name\":\"shell\"");
    assert_int_equal(b.losses.n[LOSS_SERVER_TOOL], 2);
    assert_int_equal(b.losses.n[LOSS_GRAMMAR], 1);
    bench_stop(&b);
}

static void codex_asks_in_messages_words(void **state)
{
    struct bench b;
    struct wire_name *names;
    bench_start(&b);
    struct str out = translated(&b, WIRE_ANTHROPIC_MESSAGES, str_z(CODEX), &names);
    if (!out.p) fail_msg("%s", b.why.text);
    has(out, "\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"functions__exec\",\"input\":{\"input\":\"a\\n\\\"b\\\"\"}");
    has(out, "\"tool_use_id\":\"c1\"");
    bench_stop(&b);
}

static struct str answered(struct bench *b, enum wire_format f, const char *body, struct wire_name *names, bool compact)
{
    struct chat_answer answer = {.arena = &b->arena};
    struct wire_reply reply = reply_of(b);
    struct buf out;
    reply.compact = compact;
    assert_int_equal(json_scan(&b->tape, str_z(body), NULL, &b->why), OK);
    assert_int_equal(translator_of(f)->read_answer(&b->tape, &answer, &b->why), OK);
    assert_int_equal(wire_restore_answer(&answer, names, &b->why), OK);
    buf_init(&out, MIB(1));
    assert_int_equal(translator_of(WIRE_OPENAI_RESPONSES)->write_answer(&answer, &reply, &out, &b->why), OK);
    return keep(b, &out);
}

static void calls_get_their_names_and_text_back(void **state)
{
    struct bench b;
    struct wire_name *names;
    bench_start(&b);
    assert_non_null(translated(&b, WIRE_OPENAI_CHAT, str_z(CODEX), &names).p);
    struct str out =
        answered(&b, WIRE_OPENAI_CHAT,
                 "{\"choices\":[{\"message\":{\"tool_calls\":[{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":"
                 "\"functions__exec\",\"arguments\":\"{\\\"input\\\": \\\"x\\\\ny\\\"}\"}},{\"id\":\"c3\",\"type\":\"function\","
                 "\"function\":{\"name\":\"functions__wait\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}",
                 names, false);
    has(out,
        "\"type\":\"custom_tool_call\",\"status\":\"completed\",\"call_id\":\"c2\",\"namespace\":\"functions\",\"name\":\"exec\","
        "\"input\":\"x\\ny\"");
    has(out,
        "\"type\":\"function_call\",\"status\":\"completed\",\"call_id\":\"c3\",\"namespace\":\"functions\",\"name\":\"wait\"");
    bench_stop(&b);
}

static void free_text_comes_back_whatever_the_model_made_of_it(void **state)
{
    static const char *const CASES[][2] = {
        {"{\\\"input\\\":\\\"a\\\"}", "\"input\":\"a\""},
        {"{\\\"patch\\\":\\\"a\\\"}", "\"input\":\"a\""},
        {"just text", "\"input\":\"just text\""},
        {"{\\\"a\\\":1}", "\"input\":\"{\\\"a\\\":1}\""},
        {"", "\"input\":\"\""},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct bench b;
        struct buf body;
        bench_start(&b);
        buf_init(&body, KIB(4));
        buf_fmt(&body,
                "{\"choices\":[{\"message\":{\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"x\","
                "\"arguments\":\"%s\"}}]},\"finish_reason\":\"tool_calls\"}]}",
                CASES[i][0]);
        struct wire_name name = {.ours = S("exec"), .theirs = S("x"), .form = CALL_CUSTOM};
        has(answered(&b, WIRE_OPENAI_CHAT, buf_z(&body), &name, false), CASES[i][1]);
        buf_done(&body);
        bench_stop(&b);
    }
}

/* The same events, whole and through the restorer, make the same answer. */
static void streams_are_turned_back_as_answers_are(void **state)
{
    static const char CHUNKS[] =
        "data: "
        "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":\"function\",\"function\":{"
        "\"name\":"
        "\"x\",\"arguments\":\"\"}}]}}]}\n\n"
        "data: "
        "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"inp\"}}]}}]}\n\n"
        "data: "
        "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"ut\\\":\\\"a\\\\n\\\"}"
        "\"}}]}}]}\n\n"
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"
        "data: [DONE]\n\n";
    static struct frames frames;
    struct wire_name name = {.ours = S("exec"), .theirs = S("x"), .name_space = S("functions"), .form = CALL_CUSTOM};
    struct bench b;
    struct outflow o;
    bench_start(&b);
    struct wire_reply reply = reply_of(&b);
    outflow_start(&b, &o, WIRE_OPENAI_RESPONSES, &reply);
    struct wire_restorer *r = wire_restorer_new(&b.arena, &name, &(struct chat_sink){outflow_event, &o});
    assert_non_null(r);
    frames_of(&b, WIRE_OPENAI_CHAT, str_z(CHUNKS), NULL, &frames);
    assert_int_equal(read_frames(&b, WIRE_OPENAI_CHAT, &frames, &(struct chat_sink){wire_restore_event, r}), OK);
    struct str out = keep(&b, &o.out);
    has(out, "event: response.custom_tool_call_input.delta");
    has(out, "\"delta\":\"a\\n\"");
    has(out,
        "\"type\":\"custom_tool_call\",\"status\":\"completed\",\"call_id\":\"c\",\"namespace\":\"functions\",\"name\":\"exec\","
        "\"input\":\"a\\n\"");
    bench_stop(&b);
}

/* ---- compaction --------------------------------------------------------------------------------------------------------------- */

static struct str sealed_item_of(struct bench *b, struct str answer)
{
    uint32_t output;
    assert_int_equal(json_scan(&b->tape, answer, NULL, NULL), OK);
    output = json_find(&b->tape, 0, S("output"));
    assert_int_equal(json_count(&b->tape, output), 1);
    struct json_iter it = json_each(&b->tape, output);
    uint32_t item;
    assert_true(json_next(&b->tape, &it, &item));
    assert_true(json_eq(&b->tape, json_find(&b->tape, item, S("type")), S("compaction")));
    return copy_of(b, json_raw(&b->tape, item));
}

static void a_summary_travels_sealed_and_comes_back_as_text(void **state)
{
    struct bench b;
    struct wire_name *names;
    struct buf next;
    bench_start(&b);
    struct str asked =
        translated(&b, WIRE_OPENAI_CHAT,
                   S("{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"hi\"},{\"type\":\"compaction_trigger\"}],"
                     "\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]}"),
                   &names);
    has(asked, "Write a summary");
    has(asked, "\"tool_choice\":\"none\"");
    struct str item = sealed_item_of(&b, answered(&b, WIRE_OPENAI_CHAT,
                                                  "{\"choices\":[{\"message\":{\"reasoning_content\":\"hm\",\"content\":\"We "
                                                  "\\\"did\\\" it.\"},\"finish_reason\":\"stop\"}]}",
                                                  NULL, true));
    has(item, "\"encrypted_content\":\"aq1.");
    buf_init(&next, KIB(16));
    buf_fmt(&next, "{\"model\":\"m\",\"input\":[%.*s,{\"role\":\"user\",\"content\":\"go on\"}]}", STR_ARG(item));
    static const enum wire_format TO[] = {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES, WIRE_OPENAI_RESPONSES};
    for (size_t i = 0; i < COUNTOF(TO); i++) has(translated(&b, TO[i], buf_view(&next), &names), "\\n\\nWe \\\"did\\\" it.");
    buf_done(&next);
    bench_stop(&b);
}

/* Responses has a way of its own to ask for one; a provider that lacks it is asked in words. */
static void a_summary_is_asked_for_in_words_where_it_must(void **state)
{
    static const char BODY[] = "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
    struct bench b;
    size_t at;
    bench_start(&b);
    for (unsigned in_words = 0; in_words < 2; in_words++) {
        struct chat c = {.arena = &b.arena, .source = str_z(BODY)};
        struct wire_target to = target_of(&b, WIRE_OPENAI_RESPONSES);
        struct wire_name *names;
        struct buf out;
        to.sums_up = in_words;
        assert_int_equal(json_scan(&b.tape, c.source, NULL, NULL), OK);
        assert_int_equal(translator_of(WIRE_OPENAI_RESPONSES)->read_request(&b.tape, &c, &b.why), OK);
        c.compact = true;
        assert_int_equal(wire_adapt(&c, WIRE_OPENAI_RESPONSES, &to, &names, &b.why), OK);
        buf_init(&out, KIB(16));
        assert_int_equal(translator_of(WIRE_OPENAI_RESPONSES)->write_request(&c, &to, &out, &b.why), OK);
        assert_int_equal(str_find(buf_view(&out), S("compaction_trigger"), &at), !in_words);
        assert_int_equal(str_find(buf_view(&out), S("Write a summary"), &at), in_words);
        buf_done(&out);
    }
    bench_stop(&b);
}

/* ---- state of other vendors --------------------------------------------------------------------------------------------------------- */

static void a_signature_travels_sealed_and_comes_back_to_its_maker(void **state)
{
    struct bench b;
    struct wire_name *names;
    struct chat_answer answer = {.arena = &b.arena};
    struct buf out, next;
    bench_start(&b);
    struct wire_reply reply = reply_of(&b);
    reply.origin = (struct chat_origin){S("anthropic"), 7};
    assert_int_equal(
        json_scan(&b.tape,
                  S("{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"c\",\"content\":[{\"type\":"
                    "\"thinking\",\"thinking\":\"hm\",\"signature\":\"c2ln\"},{\"type\":\"text\",\"text\":\"yes\"}],"
                    "\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}"),
                  NULL, &b.why),
        OK);
    assert_int_equal(translator_of(WIRE_ANTHROPIC_MESSAGES)->read_answer(&b.tape, &answer, &b.why), OK);
    buf_init(&out, KIB(16));
    assert_int_equal(translator_of(WIRE_OPENAI_RESPONSES)->write_answer(&answer, &reply, &out, &b.why), OK);
    struct str body = keep(&b, &out);
    has(body, "\"content\":[{\"type\":\"reasoning_text\",\"text\":\"hm\"}],\"encrypted_content\":\"aq1.");
    assert_int_equal(json_scan(&b.tape, body, NULL, NULL), OK);
    buf_init(&next, KIB(16));
    buf_fmt(&next, "{\"model\":\"m\",\"input\":%.*s}", STR_ARG(json_raw(&b.tape, json_find(&b.tape, 0, S("output")))));
    has(translated(&b, WIRE_ANTHROPIC_MESSAGES, buf_view(&next), &names),
        "{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"c2ln\"}");
    buf_done(&next);
    bench_stop(&b);
}

/* ---- who begins -------------------------------------------------------------------------------------------------------------------- */

static void the_user_begins_where_he_must(void **state)
{
    static const char ASSISTANT[] = "{\"model\":\"m\",\"input\":[{\"role\":\"system\",\"content\":\"s\"},"
                                    "{\"role\":\"assistant\",\"content\":\"Four.\"},{\"role\":\"user\",\"content\":\"Again.\"}]}";
    static const char USER[] =
        "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":"
        "\"y\"},{\"role\":\"user\",\"content\":\"z\"}]}";
    static const enum wire_format STRICT[] = {WIRE_ANTHROPIC_MESSAGES, WIRE_BEDROCK_CONVERSE, WIRE_BEDROCK_INVOKE};
    struct bench b;
    struct wire_name *names;
    size_t at;
    bench_start(&b);
    for (unsigned i = 0; i < COUNTOF(STRICT); i++) {
        struct str out = translated(&b, STRICT[i], str_z(ASSISTANT), &names);
        if (!out.p) fail_msg("%s", b.why.text);
        has(out, "\"messages\":[{\"role\":\"user\",\"content\":");
        assert_true(str_find(out, S("\"(The assistant begins.)\""), &at));
        has(str_from(out, at), "{\"role\":\"assistant\",\"content\":");
        assert_int_equal(b.losses.n[LOSS_OPENING], 1);
        out = translated(&b, STRICT[i], str_z(USER), &names);
        assert_false(str_find(out, S("begins"), &at));
        assert_int_equal(b.losses.n[LOSS_OPENING], 0);
    }
    assert_false(str_find(translated(&b, WIRE_OPENAI_CHAT, str_z(ASSISTANT), &names), S("begins"), &at));
    bench_stop(&b);
}

/* ---- what cannot be said ----------------------------------------------------------------------------------------------------------- */

static void the_rest_is_refused_by_its_path(void **state)
{
    static const struct {
        const char *body, *says;
    } CASES[] = {
        {"{\"input\":[{\"type\":\"item_reference\",\"id\":\"msg_1\"}]}", "input[0]"},
        {"{\"input\":[{\"type\":\"compaction\",\"encrypted_content\":\"theirs\"}]}", "opaque state of input[0]"},
        {"{\"input\":[{\"type\":\"compaction\",\"encrypted_content\":\"aq1.forged\"}]}", "that Aquifer sealed"},
        {"{\"input\":[{\"type\":\"compaction_trigger\"},{\"role\":\"user\",\"content\":\"x\"}]}", "nothing may follow"},
        {"{\"input\":\"x\",\"tools\":[{\"type\":\"code_interpreter\",\"container\":{}}]}", "server tool of tools[0]"},
        {"{\"input\":[{\"role\":\"tool\",\"content\":\"x\"}]}", "input[0].role: must be user"},
        {"{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\"}]}]}", "has neither an address"},
        {"{\"input\":[{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"}]}", "has no call_id"},
        {"{\"input\":\"x\",\"tool_choice\":{\"type\":\"file_search\"}}", "tool_choice: only tools of type"},
        {"{\"input\":\"x\",\"text\":{\"format\":{\"type\":\"json_schema\"}}}", "must have a name and a schema"},
        {"{\"input\":\"x\",\"prompt\":{\"id\":\"p\"}}", "prompt template"},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct bench b;
        struct wire_name *names;
        bench_start(&b);
        struct str out = translated(&b, WIRE_OPENAI_CHAT, str_z(CASES[i].body), &names);
        if (out.p) fail_msg("%s is taken", CASES[i].body);
        if (!strstr(b.why.text, CASES[i].says)) fail_msg("%s: %s", CASES[i].body, b.why.text);
        bench_stop(&b);
    }
}

/* Each added item and part has its done, and the numbers rise, when the provider breaks off in the middle. */
static void what_was_opened_is_closed_when_it_breaks_off(void **state)
{
    struct bench b;
    struct outflow o;
    bench_start(&b);
    struct wire_reply reply = reply_of(&b);
    const struct chat_meta meta = {.id = S("x"), .model = S("m")};
    struct chat_group group = {.role = ROLE_ASSISTANT};
    const struct chat_item message = {.kind = ITEM_MESSAGE, .group = &group};
    const struct chat_part part = {.kind = PART_TEXT};
    const struct chat_error error = {.class = CLASS_RATE, .word = S("rate"), .message = S("Please wait.")};
    const struct chat_event events[] = {
        {.kind = EVENT_META, .meta = &meta},       {.kind = EVENT_ITEM_START, .node = &message},
        {.kind = EVENT_PART_START, .what = &part}, {.kind = EVENT_DELTA, .field = DELTA_TEXT, .text = S("Hel")},
        {.kind = EVENT_ERROR, .error = &error},
    };
    outflow_start(&b, &o, WIRE_OPENAI_RESPONSES, &reply);
    for (size_t i = 0; i < COUNTOF(events); i++) assert_int_equal(outflow_event(&o, &events[i], &b.why), OK);
    static const char *const ORDER[] = {
        "created\"",
        "in_progress\"",
        "output_item.added\"",
        "content_part.added\"",
        "output_text.delta\"",
        "output_text.done\"",
        "content_part.done\"",
        "output_item.done\"",
        "failed\"",
    };
    struct str rest = keep(&b, &o.out);
    for (size_t i = 0; i < COUNTOF(ORDER); i++) {
        char want[120];
        size_t at;
        snprintf(want, sizeof want, "\"type\":\"response.%s,\"sequence_number\":%zu,", ORDER[i], i);
        if (!str_find(rest, str_z(want), &at)) fail_msg("%s does not follow in %.*s", want, STR_ARG(rest));
        rest = str_from(rest, at);
    }
    has(rest, "\"code\":\"rate_limit_exceeded\",\"message\":\"Please wait.\"");
    bench_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codex_asks_in_chats_words),
        cmocka_unit_test(codex_asks_in_messages_words),
        cmocka_unit_test(calls_get_their_names_and_text_back),
        cmocka_unit_test(free_text_comes_back_whatever_the_model_made_of_it),
        cmocka_unit_test(streams_are_turned_back_as_answers_are),
        cmocka_unit_test(a_summary_travels_sealed_and_comes_back_as_text),
        cmocka_unit_test(a_summary_is_asked_for_in_words_where_it_must),
        cmocka_unit_test(a_signature_travels_sealed_and_comes_back_to_its_maker),
        cmocka_unit_test(the_user_begins_where_he_must),
        cmocka_unit_test(the_rest_is_refused_by_its_path),
        cmocka_unit_test(what_was_opened_is_closed_when_it_breaks_off),
    };
    return cmocka_run_group_tests_name("adapt", tests, NULL, NULL);
}
