/* The tables that formats are made of, with a small format that is nobody's. */
#include "base/test.h"
#include "wire/parts.h"

static struct arena arena;
static struct json_tape tape;
static struct chat chat;
static struct fault why;

static int start(void **state)
{
    arena_init(&arena, KIB(4), MIB(4));
    json_tape_init(&tape, 0);
    return 0;
}

static int stop(void **state)
{
    arena_done(&arena);
    json_tape_done(&tape);
    return 0;
}

static enum err take_text(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_part *p = chat_add_part(in->a, into, PART_TEXT);
    if (!p) return wire_full(in);
    TRY(wire_want(in, at, WANT_STRING));
    p->text = json_text(in->t, at);
    return OK;
}

static const struct wire_member FUNCTION[] = {
    WIRE_MUST_SPAN("name", struct chat_item, name, ITEM_HAS_NAME),
    WIRE_RAW("arguments", WANT_OBJECT, struct chat_item, arguments.text, ITEM_HAS_ARGUMENTS),
};
static const struct wire_shape FUNCTION_SHAPE = WIRE_SHAPE(FUNCTION);

static enum err take_function(struct wire_in *in, void *into, uint32_t at)
{
    return wire_walk_inside(in, at, &FUNCTION_SHAPE, into, "function");
}

static enum err take_content(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_item *i = into;
    return wire_content(in, i, at, take_text, &i->shape);
}

static const struct wire_member ITEM[] = {
    WIRE_SPAN("itemId", struct chat_item, id, ITEM_HAS_ID),
    WIRE_FLAG("isError", struct chat_item, error, ITEM_HAS_ERROR),
    WIRE_CALL("function", WANT_OBJECT, take_function),
    WIRE_CALL("content", WANT_ANY, take_content),
    WIRE_SKIP("type", WANT_STRING),
};
static const struct wire_shape ITEM_SHAPE = WIRE_SHAPE(ITEM);

static enum err take_item(struct wire_in *in, void *into, uint32_t at)
{
    struct chat_item *i = chat_add_item(in->a, &in->c->items, &in->c->items_last, ITEM_TOOL_CALL, NULL);
    if (!i) return wire_full(in);
    i->node.at = wire_at(in, at);
    return wire_walk(in, at, &ITEM_SHAPE, i);
}

static enum err take_items(struct wire_in *in, void *into, uint32_t at) { return wire_each(in, at, take_item, into); }

static const struct wire_setting SETTINGS[CHAT_SETTINGS_N] = {
    [SET_TEMPERATURE] = WIRE_SET("temperature"),      [SET_MAX_OUTPUT] = WIRE_SET_IN(1, "maxTokens"),
    [SET_STOP] = WIRE_SET_IN(1, "stopSequences"),     [SET_SEED] = WIRE_SET_LOSE(LOSS_SAMPLING),
    [SET_SERVICE_TIER] = WIRE_SET_OWN("serviceTier"),
};
static const struct wire_shape CONFIG_SHAPE = {.settings = SETTINGS, .place = 1};

static enum err take_config(struct wire_in *in, void *into, uint32_t at)
{
    return wire_walk_inside(in, at, &CONFIG_SHAPE, into, "config");
}

static const struct wire_member ROOT[] = {
    WIRE_MUST_CALL("items", WANT_ARRAY, take_items),
    WIRE_CALL("config", WANT_OBJECT, take_config),
};
static const struct wire_shape ROOT_SHAPE = WIRE_SHAPE(ROOT, .settings = SETTINGS);

static enum err read_text(const char *text, bool snake_too)
{
    chat = (struct chat){.arena = &arena, .source = str_z(text)};
    assert_int_equal(json_scan(&tape, chat.source, NULL, &why), OK);
    struct wire_in in = WIRE_IN_REQUEST(&tape, &chat, &why);
    in.snake_too = snake_too;
    return wire_walk(&in, 0, &ROOT_SHAPE, &chat);
}

static void rows_put_members_where_they_belong(void **state)
{
    assert_int_equal(
        read_text("{\"temperature\":1.50,\"items\":[{\"itemId\":\"a\\n\",\"isError\":false,\"content\":\"x\","
                  "\"function\":{\"name\":\"f\",\"arguments\":{\"b\" : 1},\"strange\":2},\"odd\":[1],\"type\":\"t\"}],"
                  "\"config\":{\"maxTokens\":5,\"why\":0},\"stopSequences\":1}",
                  false),
        OK);
    struct chat_item *i = chat.items;
    assert_str(i->id, "a\\n");
    assert_str(i->name, "f");
    assert_str(i->arguments.text, "{\"b\" : 1}");
    assert_true(i->error == FLAG_NO && i->shape == SHAPE_STRING);
    assert_str(i->parts->text, "x");
    assert_true(i->node.has == (1u << ITEM_HAS_ID | 1u << ITEM_HAS_ERROR | 1u << ITEM_HAS_NAME | 1u << ITEM_HAS_ARGUMENTS));
    assert_str(i->node.extra->name, "strange");
    assert_str(i->node.extra->inside, "function");
    assert_str(i->node.extra->next->name, "odd");
    assert_true(!i->node.extra->next->inside.n);
    assert_str(chat.settings[SET_TEMPERATURE], "1.50");
    assert_str(chat.settings[SET_MAX_OUTPUT], "5");
    assert_str(chat.node.extra->inside, "config");
    assert_str(chat.node.extra->next->name, "stopSequences"); /* another place's name is not the root's */
}

static void null_is_absent(void **state)
{
    assert_int_equal(read_text("{\"temperature\":null,\"config\":null,\"items\":[{\"itemId\":null,\"content\":null}]}", false),
                     OK);
    assert_true(chat.node.has == 0 && chat.items->node.has == 0 && chat.items->shape == SHAPE_NULL);
}

static void both_spellings(void **state)
{
    assert_int_equal(
        read_text("{\"items\":[{\"item_id\":\"a\",\"is_error\":true}],\"config\":{\"max_tokens\":5,\"maxtokens\":1}}", true), OK);
    assert_str(chat.items->id, "a");
    assert_str(chat.settings[SET_MAX_OUTPUT], "5");
    assert_str(chat.node.extra->name, "maxtokens");
    assert_int_equal(read_text("{\"items\":[],\"config\":{\"max_tokens\":5}}", false), OK);
    assert_true(chat.node.has == 0 && chat.node.extra);
}

static void wrong_shapes_name_their_path(void **state)
{
    static const struct {
        const char *text, *fault;
    } CASES[] = {
        {"[]", "the body: must be an object, but is an array"},
        {"{}", "the body: has no items"},
        {"{\"items\":null}", "items: must be an array, but is null"},
        {"{\"items\":[{\"itemId\":1}]}", "items[0].itemId: must be a string, but is a number"},
        {"{\"items\":[{},{\"function\":{}}]}", "items[1].function: has no name"},
        {"{\"items\":[{\"isError\":\"\"}]}", "items[0].isError: must be true or false, but is a string"},
        {"{\"items\":[{\"content\":[1]}]}", "items[0].content[0]: must be a string, but is a number"},
        {"{\"items\":[{\"content\":{}}]}", "items[0].content: must be a string or an array"},
        {"{\"items\":[{\"itemId\":\"\",\"itemId\":\"\"}]}", "items[0].itemId: is given twice"},
        {"{\"items\":[],\"config\":{\"maxTokens\":1,\"maxTokens\":1}}", "config.maxTokens: is given twice"},
        {"{\"items\":[],\"config\":{\"maxTokens\":1.5}}", "config.maxTokens: must be a whole number"},
        {"{\"items\":[],\"config\":{\"maxTokens\":-1}}", "config.maxTokens: must be a whole number"},
        {"{\"items\":[],\"config\":{\"stopSequences\":[\"\",2]}}", "config.stopSequences: must be an array of strings"},
        {"{\"items\":[],\"temperature\":\"1\"}", "temperature: must be a number, but is a string"},
    };
    for (size_t k = 0; k < COUNTOF(CASES); k++) {
        assert_int_equal(read_text(CASES[k].text, false), ERR_BAD_REQUEST);
        assert_string_equal(why.text, CASES[k].fault);
    }
}

static void settings_are_written_from_the_table(void **state)
{
    struct buf out;
    struct json_writer w;
    struct chat_losses losses = {0};
    assert_int_equal(
        read_text("{\"items\":[],\"temperature\":1e0,\"serviceTier\":\"x\",\"config\":{\"stopSequences\":[\"a\"]}}", false), OK);
    chat_has(&chat.node, SET_SEED);
    buf_init(&out, KIB(1));
    json_write(&w, &out);
    json_put_object(&w);
    wire_put_settings(&w, &chat, SETTINGS, 0);
    assert_true(wire_has_settings(&chat, SETTINGS, 1) && !wire_has_settings(&chat, SETTINGS, 2));
    json_add_object(&w, S("config"));
    wire_put_settings(&w, &chat, SETTINGS, 1);
    json_put_end(&w), json_put_end(&w);
    wire_lose_settings(&chat, SETTINGS, &losses);
    assert_str(buf_view(&out), "{\"temperature\":1e0,\"config\":{\"stopSequences\":[\"a\"]}}");
    assert_int_equal(losses.n[LOSS_SAMPLING], 1);
    assert_int_equal(chat_account(&chat, "f", &why), ERR_FORMAT_UNSUPPORTED); /* LACK_OWN is the writer's */
    assert_true(chat_told(&chat.node, SET_SERVICE_TIER) && chat_account(&chat, "f", NULL) == OK);
    buf_done(&out);
}

static void extra_members_stay_in_the_family(void **state)
{
    struct buf out;
    struct chat_losses losses = {0};
    struct wire_out o = {.losses = &losses, .same_family = true};
    assert_int_equal(read_text("{\"items\":[{\"x\":1,\"function\":{\"name\":\"n\",\"y\\u0061\":[2]}}]}", false), OK);
    struct chat_node *n = &chat.items->node;
    buf_init(&out, KIB(1));
    json_write(&o.w, &out);
    json_put_object(&o.w);
    wire_put_extra(&o, n, STR_NONE, LOSS_EXTRA);
    json_add_object(&o.w, S("function"));
    wire_put_field(&o, n, ITEM_HAS_NAME, "name", chat.items->name);
    wire_put_field(&o, n, ITEM_HAS_ID, "id", chat.items->id); /* is not there */
    wire_put_extra(&o, n, S("function"), LOSS_EXTRA);
    json_put_end(&o.w), json_put_end(&o.w);
    assert_str(buf_view(&out), "{\"x\":1,\"function\":{\"name\":\"n\",\"y\\u0061\":[2]}}");
    assert_int_equal(losses.n[LOSS_EXTRA], 0);
    buf_done(&out);
    assert_int_equal(read_text("{\"items\":[{\"x\":1,\"function\":{\"name\":\"n\",\"y\":2}}]}", false), OK);
    wire_put_extra(&(struct wire_out){.losses = &losses}, &chat.items->node, STR_NONE, LOSS_EXTRA);
    assert_int_equal(losses.n[LOSS_EXTRA], 2);
}

static void words_and_kinds(void **state)
{
    static const struct wire_word WORDS[] = {
        {WIRE_STR("stop"), STOP_END}, {WIRE_STR("length"), STOP_LIMIT}, {WIRE_STR("eos"), STOP_END}};
    static const struct wire_kind KINDS[] = {{WIRE_STR("text"), 1, NULL}, {WIRE_STR("image"), 2, NULL}};
    const struct wire_kind *kind;
    assert_int_equal(wire_word_value(WORDS, 3, S("e\\u006fs"), STOP_UNKNOWN), STOP_END);
    assert_int_equal(wire_word_value(WORDS, 3, S("new"), STOP_UNKNOWN), STOP_UNKNOWN);
    assert_str(wire_word_of(WORDS, 3, STOP_END), "stop");
    assert_true(!wire_word_of(WORDS, 3, STOP_TOOL).p);
    assert_int_equal(json_scan(&tape, S("[{\"type\":\"image\"},{\"type\":\"new\"},{},{\"type\":1}]"), NULL, &why), OK);
    struct wire_in in = WIRE_IN_ANSWER(&tape, &arena, &why);
    assert_true(wire_pick(&in, 1, "type", KINDS, 2, &kind) == OK && kind == &KINDS[1]);
    assert_true(wire_pick(&in, 4, "type", KINDS, 2, &kind) == OK && !kind);
    assert_int_equal(wire_pick(&in, 7, "type", KINDS, 2, &kind), ERR_UPSTREAM_GARBAGE);
    assert_string_equal(why.text, "the provider's answer: [2]: has no type");
    assert_int_equal(wire_pick(&in, 8, "type", KINDS, 2, &kind), ERR_UPSTREAM_GARBAGE);
    assert_str(wire_plain(&in, 3), "image");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_put_members_where_they_belong),
        cmocka_unit_test(null_is_absent),
        cmocka_unit_test(both_spellings),
        cmocka_unit_test(wrong_shapes_name_their_path),
        cmocka_unit_test(settings_are_written_from_the_table),
        cmocka_unit_test(extra_members_stay_in_the_family),
        cmocka_unit_test(words_and_kinds),
    };
    return cmocka_run_group_tests_name("parts", tests, start, stop);
}
