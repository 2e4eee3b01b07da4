/* State of tool calls: taken out of an answer, kept as a text, put back before the calls that it belongs to. */
#include "base/test.h"
#include "chat/chat.h"

static struct arena arena;
static struct json_tape tape;
static struct chat_seal seal;
static const struct chat_origin ORIGIN = {{"anthropic", 9}, 7};

static int begin(void **state)
{
    arena_init(&arena, KIB(4), MIB(1));
    json_tape_init(&tape, 0);
    chat_seal_key(&seal, S("0123456789abcdef0123456789abcdef"), S("a project"));
    return 0;
}

static int end(void **state)
{
    arena_done(&arena);
    json_tape_done(&tape);
    return 0;
}

static struct chat_item *add(struct chat_item **first, struct chat_item **last, enum chat_item_kind kind, struct chat_group *g)
{
    struct chat_item *i = chat_add_item(&arena, first, last, kind, g);
    assert_non_null(i);
    return i;
}

static struct chat_part *add_part(struct chat_item *i, enum chat_part_kind kind, const char *text, const char *signature)
{
    struct chat_part *p = chat_add_part(&arena, i, kind);
    assert_non_null(p);
    p->text = str_z(text);
    chat_has(&p->node, PART_HAS_TEXT);
    if (!signature) return p;
    assert_non_null(chat_add_opaque(&arena, &p->opaque, OPAQUE_SIGNATURE, str_z(signature)));
    chat_has(&p->node, PART_HAS_OPAQUE);
    return p;
}

static struct chat_item *add_call(struct chat_item **first, struct chat_item **last, struct chat_group *g, const char *id)
{
    struct chat_item *i = add(first, last, ITEM_TOOL_CALL, g);
    i->call_id = str_z(id);
    return i;
}

/* A thought, a text, two calls of which the second has a state of its own. */
static struct str kept_of(const char *second, unsigned want)
{
    struct chat_answer a = {.arena = &arena};
    struct chat_group *g = chat_add_group(&arena, ROLE_ASSISTANT, 0);
    struct buf out;
    struct str kept;
    struct chat_item *thought = add(&a.items, &a.items_last, ITEM_REASONING, g);
    struct chat_part *p = add_part(thought, PART_THOUGHT, "say \\\"hm\\\"", "c2ln");
    add_part(add(&a.items, &a.items_last, ITEM_MESSAGE, g), PART_TEXT, "Well.", NULL);
    add_call(&a.items, &a.items_last, g, "call_1");
    struct chat_item *call = add_call(&a.items, &a.items_last, g, second);
    assert_non_null(chat_add_opaque(&arena, &call->opaque, OPAQUE_THOUGHT_SIGNATURE, S("dGhvdWdodA==")));
    chat_has(&call->node, ITEM_HAS_OPAQUE);
    buf_init(&out, KIB(64));
    assert_int_equal(chat_calls_keep(&a, &seal, ORIGIN, &out), want);
    assert_int_equal(p->node.has & ~p->node.told & 1ull << PART_HAS_OPAQUE, 0);
    assert_true(arena_str(&arena, buf_view(&out), &kept));
    buf_done(&out);
    return kept;
}

/* A conversation with one message of an assistant: text and two calls. */
static void conversation(struct chat *c, const char *second)
{
    *c = (struct chat){.arena = &arena};
    struct chat_group *user = chat_add_group(&arena, ROLE_USER, 0), *g = chat_add_group(&arena, ROLE_ASSISTANT, 0);
    add_part(add(&c->items, &c->items_last, ITEM_MESSAGE, user), PART_TEXT, "hi", NULL);
    add_part(add(&c->items, &c->items_last, ITEM_MESSAGE, g), PART_TEXT, "Well.", NULL);
    add_call(&c->items, &c->items_last, g, "call_1");
    add_call(&c->items, &c->items_last, g, second);
}

static void restore(struct chat *c, struct str kept)
{
    assert_int_equal(json_scan(&tape, kept, NULL, NULL), OK);
    assert_int_equal(chat_calls_restore(c, &tape, NULL), OK);
}

static void what_was_thought_stands_before_the_message_that_calls(void **state)
{
    static const enum chat_item_kind WANT[] = {ITEM_MESSAGE, ITEM_REASONING, ITEM_MESSAGE, ITEM_TOOL_CALL, ITEM_TOOL_CALL};
    struct chat c;
    unsigned n = 0;
    struct str kept = kept_of("call_2", 2);
    conversation(&c, "call_2");
    restore(&c, kept);
    assert_int_equal(chat_unseal_all(&c, &seal, NULL), OK);
    for (struct chat_item *i = c.items; i; i = i->next) assert_int_equal(i->kind, WANT[n++]);
    assert_int_equal(n, COUNTOF(WANT));
    struct chat_item *thought = c.items->next, *second = thought->next->next->next;
    assert_ptr_equal(thought->group, thought->next->group);
    assert_true(str_eq(thought->parts->text, S("say \\\"hm\\\"")));
    assert_int_equal(thought->parts->opaque->kind, OPAQUE_SIGNATURE);
    assert_true(str_eq(thought->parts->opaque->span, S("c2ln")));
    assert_true(str_eq(thought->parts->opaque->origin.family, S("anthropic")));
    assert_int_equal(thought->parts->opaque->origin.deployment, 7);
    assert_int_equal(second->opaque->kind, OPAQUE_THOUGHT_SIGNATURE);
    assert_true(str_eq(second->opaque->span, S("dGhvdWdodA==")));
    assert_ptr_equal(c.items_last, second);
}

/* Gemini signs the call: what stands between its words and the call is the call's, and goes back there. */
static void what_was_signed_behind_the_words_stands_at_the_call(void **state)
{
    static const enum chat_item_kind WANT[] = {ITEM_MESSAGE,   ITEM_REASONING, ITEM_MESSAGE,  ITEM_REASONING,
                                               ITEM_TOOL_CALL, ITEM_REASONING, ITEM_TOOL_CALL};
    struct chat_answer a = {.arena = &arena};
    struct chat_group *g = chat_add_group(&arena, ROLE_ASSISTANT, 0);
    struct buf out;
    struct chat c;
    unsigned n = 0;
    add_part(add(&a.items, &a.items_last, ITEM_REASONING, g), PART_THOUGHT, "hm", "Zmlyc3Q=");
    add_part(add(&a.items, &a.items_last, ITEM_MESSAGE, g), PART_TEXT, "Well.", NULL);
    add_part(add(&a.items, &a.items_last, ITEM_REASONING, g), PART_REDACTED, "", "c2Vjb25k");
    add_call(&a.items, &a.items_last, g, "call_1");
    add_part(add(&a.items, &a.items_last, ITEM_REASONING, g), PART_REDACTED, "", "dGhpcmQ=");
    add_call(&a.items, &a.items_last, g, "call_2");
    buf_init(&out, KIB(64));
    assert_int_equal(chat_calls_keep(&a, &seal, ORIGIN, &out), 2);
    conversation(&c, "call_2");
    restore(&c, buf_view(&out));
    assert_int_equal(chat_unseal_all(&c, &seal, NULL), OK);
    for (struct chat_item *i = c.items; i; i = i->next) assert_int_equal(i->kind, WANT[n++]);
    assert_int_equal(n, COUNTOF(WANT));
    const struct chat_item *first = c.items->next, *second = first->next->next, *third = second->next->next;
    assert_true(str_eq(first->parts->opaque->span, S("Zmlyc3Q=")));
    assert_true(str_eq(second->parts->opaque->span, S("c2Vjb25k")));
    assert_true(str_eq(third->parts->opaque->span, S("dGhpcmQ=")));
    buf_done(&out);
}

static void calls_that_nobody_knows_stay_as_they_are(void **state)
{
    struct chat c;
    struct str kept = kept_of("call_2", 2);
    conversation(&c, "call_3");
    c.items->next->next->call_id = S("call_0");
    restore(&c, kept);
    unsigned n = 0;
    for (struct chat_item *i = c.items; i; i = i->next, n++) assert_null(i->opaque);
    assert_int_equal(n, 4);
}

static void an_id_that_is_no_plain_word_is_not_kept(void **state)
{
    size_t at;
    assert_true(str_find(kept_of("call_2", 2), S("\"call_2\""), &at));
    assert_false(str_find(kept_of("call\\u0032", 1), S("u0032"), &at));
    static const char *const ODD[] = {"", "a b", "a\\\"b", "\xc3\xa9", "a/b"};
    for (unsigned i = 0; i < COUNTOF(ODD); i++) assert_false(chat_call_id_is_plain(str_z(ODD[i])));
    assert_true(chat_call_id_is_plain(S("toolu_01A-b.c:2")));
}

/* Of an answer without calls, or without state, nothing is kept. */
static void nothing_is_kept_of_what_has_none(void **state)
{
    struct chat_answer a = {.arena = &arena};
    struct chat_group *g = chat_add_group(&arena, ROLE_ASSISTANT, 0);
    struct buf out;
    buf_init(&out, KIB(4));
    struct chat_part *p = add_part(add(&a.items, &a.items_last, ITEM_REASONING, g), PART_THOUGHT, "hm", "c2ln");
    assert_int_equal(chat_calls_keep(&a, &seal, ORIGIN, &out), 0);
    assert_true(p->node.has & ~p->node.told & 1ull << PART_HAS_OPAQUE); /* the writer will count it */
    buf_clear(&out);
    p->opaque = NULL;
    add_call(&a.items, &a.items_last, g, "call_1");
    assert_int_equal(chat_calls_keep(&a, &seal, ORIGIN, &out), 0);
    buf_done(&out);
}

/* What comes from the store is ours, and its shape is looked at all the same. */
static void odd_texts_restore_nothing(void **state)
{
    static const char *const TEXTS[] = {
        "{}",
        "[]",
        "{\"call_1\":7}",
        "{\"call_1\":{\"before\":7,\"state\":7}}",
        "{\"call_1\":{\"before\":[],\"state\":\"no seal\"}}",
    };
    for (unsigned i = 0; i < COUNTOF(TEXTS); i++) {
        struct chat c;
        unsigned n = 0;
        conversation(&c, "call_2");
        restore(&c, str_z(TEXTS[i]));
        for (struct chat_item *item = c.items; item; item = item->next, n++) assert_null(item->opaque);
        assert_int_equal(n, 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_thought_stands_before_the_message_that_calls, begin, end),
        cmocka_unit_test_setup_teardown(what_was_signed_behind_the_words_stands_at_the_call, begin, end),
        cmocka_unit_test_setup_teardown(calls_that_nobody_knows_stay_as_they_are, begin, end),
        cmocka_unit_test_setup_teardown(an_id_that_is_no_plain_word_is_not_kept, begin, end),
        cmocka_unit_test_setup_teardown(nothing_is_kept_of_what_has_none, begin, end),
        cmocka_unit_test_setup_teardown(odd_texts_restore_nothing, begin, end),
    };
    return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
