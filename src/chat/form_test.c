/* Building, accounting for loss, and JSON between raw and quoted. */
#include "base/test.h"
#include "chat/chat.h"

static struct arena arena;
static struct json_tape tape;

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

static const char SOURCE[] = "{\"seed\":1,\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\",\"new\":{}}]}]}";

static uint32_t at(const char *text) { return (uint32_t)(strstr(SOURCE, text) - SOURCE); }

/* One message with one part of text; `c` is as a reader leaves it. */
static struct chat_part *small_chat(struct chat *c)
{
    *c = (struct chat){.arena = &arena, .source = str_z(SOURCE)};
    struct chat_group *g = chat_add_group(&arena, ROLE_USER, at("{\"role\""));
    struct chat_item *i = chat_add_item(&arena, &c->items, &c->items_last, ITEM_MESSAGE, g);
    struct chat_part *p = chat_add_part(&arena, i, PART_TEXT);
    assert_true(g && i && p && i->group == g && i->parts == p && i->parts_last == p);
    p->node.at = at("{\"text\"");
    chat_has(&g->node, GROUP_HAS_ROLE);
    chat_has(&p->node, PART_HAS_TEXT);
    return p;
}

static void refused(const struct chat *c, const char *text)
{
    struct fault why = {0};
    assert_int_equal(chat_account(c, "a_format", &why), ERR_FORMAT_UNSUPPORTED);
    assert_string_equal(why.text, text);
}

#define ADVICE "; call a model whose provider speaks the caller's format, or leave it out"

static void what_is_left_over_is_refused_by_name(void **state)
{
    struct chat c;
    struct chat_part *p = small_chat(&c);
    struct chat_losses losses = {0};
    chat_has(&c.node, SET_SEED);
    refused(&c, "a_format cannot express seed" ADVICE);
    chat_lose(&losses, &c.node, SET_SEED, LOSS_SAMPLING);
    chat_lose(&losses, &c.node, SET_SEED, LOSS_SAMPLING);  /* once is enough */
    chat_lose(&losses, &c.node, SET_TOP_K, LOSS_SAMPLING); /* was never there */
    assert_int_equal(losses.n[LOSS_SAMPLING], 1);
    chat_has(&c.node, CHAT_HAS_OUTPUT);
    refused(&c, "a_format cannot express output format" ADVICE);
    assert_true(chat_told(&c.node, CHAT_HAS_OUTPUT) && !chat_told(&c.node, CHAT_HAS_CHOICE));
    refused(&c, "a_format cannot express role of messages[0]" ADVICE);
    assert_true(chat_told(&c.items->group->node, GROUP_HAS_ROLE));
    refused(&c, "a_format cannot express text of messages[0].content[0]" ADVICE);
    assert_true(chat_told(&p->node, PART_HAS_TEXT));
    assert_int_equal(chat_account(&c, "a_format", NULL), OK);
}

static void an_unknown_member_is_refused_by_its_path(void **state)
{
    struct chat c;
    struct chat_part *p = small_chat(&c);
    struct chat_losses losses = {0};
    p->node.told = p->node.has;
    c.items->group->node.told = c.items->group->node.has;
    assert_true(chat_add_extra(&arena, &p->node, S("new"), S("{}"), at("new")));
    assert_true(chat_add_extra(&arena, &p->node, S("b"), S("1"), at("new")));
    assert_str(p->node.extra->name, "new");
    assert_str(p->node.extra->next->name, "b");
    refused(&c, "a_format cannot express messages[0].content[0].new" ADVICE);
    p->node.extra->told = true;
    chat_lose_extra(&losses, &p->node, LOSS_EXTRA);
    assert_int_equal(losses.n[LOSS_EXTRA], 1);
    assert_int_equal(chat_account(&c, "a_format", NULL), OK);
}

static void tools_and_annotations_are_walked(void **state)
{
    struct chat c;
    struct chat_part *p = small_chat(&c);
    p->node.told = p->node.has;
    c.items->group->node.told = c.items->group->node.has;
    struct chat_tool *outer = chat_add_tool(&arena, &c.tools, TOOL_NAMESPACE);
    struct chat_tool *second = chat_add_tool(&arena, &c.tools, TOOL_FUNCTION);
    struct chat_tool *inner = chat_add_tool(&arena, &outer->children, TOOL_FUNCTION);
    assert_true(outer->next == second && c.tools == outer && outer->children == inner);
    chat_has(&inner->node, TOOL_HAS_STRICT);
    refused(&c, "a_format cannot express strict" ADVICE);
    assert_true(chat_told(&inner->node, TOOL_HAS_STRICT));
    struct chat_annotation *n = chat_add_annotation(&arena, &p->annotations);
    assert_true(chat_add_extra(&arena, &n->node, S("x"), S("1"), 0));
    struct fault why = {0};
    assert_int_equal(chat_account(&c, "f", &why), ERR_FORMAT_UNSUPPORTED);
}

static void an_answer_counts_instead(void **state)
{
    struct chat_losses losses = {0};
    struct chat_answer a = {.arena = &arena};
    struct chat_item *i = chat_add_item(&arena, &a.items, &a.items_last, ITEM_MESSAGE, NULL);
    struct chat_part *p = chat_add_part(&arena, i, PART_TEXT);
    chat_has(&p->node, PART_HAS_TEXT), chat_has(&p->node, PART_HAS_LOGPROBS), chat_has(&i->node, ITEM_HAS_ID);
    chat_told(&p->node, PART_HAS_TEXT);
    assert_true(chat_add_extra(&arena, &a.node, S("x"), S("1"), 0));
    chat_lose_answer(&losses, &a);
    assert_int_equal(losses.n[LOSS_ANSWER_FIELD], 3);
    chat_lose_answer(&losses, &a);
    assert_int_equal(losses.n[LOSS_ANSWER_FIELD], 3);
}

static void counts_do_not_wrap(void **state)
{
    struct chat_losses losses = {.n[LOSS_EXTRA] = UINT16_MAX};
    struct chat_node n = {0};
    assert_true(chat_add_extra(&arena, &n, S("x"), S("1"), 0));
    chat_lose_extra(&losses, &n, LOSS_EXTRA);
    assert_int_equal(losses.n[LOSS_EXTRA], UINT16_MAX);
    assert_string_equal(chat_loss_word(LOSS_EXTRA), "extra_field");
    assert_string_equal(chat_loss_how(LOSS_EFFORT), "approximated");
}

static void a_full_arena_is_told(void **state)
{
    struct arena full;
    struct chat_node n = {0};
    struct chat_item *first = NULL, *last = NULL;
    arena_init(&full, 64, 16);
    assert_null(chat_add_group(&full, ROLE_USER, 0));
    assert_null(chat_add_item(&full, &first, &last, ITEM_MESSAGE, NULL));
    assert_true(!first && !last);
    assert_false(chat_add_extra(&full, &n, S("a"), S("1"), 0));
    assert_null(n.extra);
    arena_done(&full);
}

static void arguments_raw(void **state)
{
    static const struct {
        const char *text, *raw;
        bool quoted;
    } CASES[] = {
        {"{\\\"a\\\":1.50}", "{\"a\":1.50}", true},
        {"", "{}", true},
        {" \\n", "{}", true},
        {"{}", "{}", true},
        {"{\"a\" : 1}", "{\"a\" : 1}", false},
        {"[1]", NULL, true},
        {"[1]", NULL, false},
        {"{\\\"a\\\":", NULL, true},
        {" {\\\"\\\\u00e4\\\":{}} ", "{\"\\u00e4\":{}}", true},
        {"null", NULL, true},
    };
    for (size_t k = 0; k < COUNTOF(CASES); k++) {
        struct chat_json j = {str_z(CASES[k].text), CASES[k].quoted};
        struct str raw;
        struct fault why = {0};
        enum err e = chat_json_raw(&j, &arena, &tape, &raw, &why);
        assert_int_equal(e, CASES[k].raw ? OK : ERR_BAD_REQUEST);
        if (CASES[k].raw) assert_str_is(raw, str_z(CASES[k].raw), __FILE__, __LINE__);
    }
}

static void arguments_quoted(void **state)
{
    struct str span;
    assert_true(chat_json_span(&(struct chat_json){S("{\"a\":\"\\n\"}"), false}, &arena, &span));
    assert_str(span, "{\\\"a\\\":\\\"\\\\n\\\"}");
    assert_true(chat_json_span(&(struct chat_json){S("a\\n"), true}, &arena, &span));
    assert_str(span, "a\\n");
    assert_true(chat_json_span(&(struct chat_json){STR_NONE, true}, &arena, &span));
    assert_true(span.p && span.n == 0);
}

static void effort_and_budget_agree(void **state)
{
    const struct chat_manners *m = &CHAT_MANNERS_UNKNOWN;
    enum chat_effort e;
    for (unsigned i = EFFORT_MINIMAL; i < EFFORTS; i++) {
        assert_true(m->scale[i] >= 1024 && m->scale[i] > m->scale[i - 1]);
        assert_int_equal(chat_effort_of(m, m->scale[i]), i);
        assert_int_equal(chat_effort_of(m, m->scale[i] + 1), i);
        assert_true(chat_effort_find(chat_effort_name((enum chat_effort)i), &e) && e == i);
    }
    assert_int_equal(chat_effort_of(m, 0), EFFORT_MINIMAL);
    assert_int_equal(chat_effort_of(m, UINT64_MAX), EFFORT_MAX);
    assert_false(chat_effort_find(S("most"), &e));
}

static void the_nearest_effort_is_from_below(void **state)
{
    unsigned low_high = 1u << EFFORT_LOW | 1u << EFFORT_HIGH;
    assert_int_equal(chat_effort_nearest(low_high, EFFORT_MEDIUM), EFFORT_LOW);
    assert_int_equal(chat_effort_nearest(low_high, EFFORT_MAX), EFFORT_HIGH);
    assert_int_equal(chat_effort_nearest(low_high, EFFORT_MINIMAL), EFFORT_LOW);
    assert_int_equal(chat_effort_nearest(low_high, EFFORT_HIGH), EFFORT_HIGH);
}

/* ---- messages of one text ------------------------------------------------------------------------------------------------ */

static void said_at_once_is_what_three_steps_make(void **state)
{
    struct chat slow, fast = {.arena = &arena};
    struct chat_part *p = small_chat(&slow), *q;
    const uint32_t places[] = {slow.items->group->node.at, slow.items->node.at};
    p->text = S("hi");
    p->node.at = places[1];
    slow.items->group->shape = SHAPE_STRING;
    slow.items->group->node.has = 0;
    assert_true(chat_add_said(&fast, ROLE_USER, S("hi"), places));
    q = fast.items->parts;
    assert_true(fast.items == fast.items_last && fast.items->parts_last == q && !fast.items->next);
    assert_memory_equal(fast.items->group, slow.items->group, sizeof(struct chat_group));
    assert_memory_equal(q, p, sizeof *q);
    assert_memory_equal(&fast.items->node, &slow.items->node, sizeof(struct chat_node));
    assert_int_equal(fast.items->kind, ITEM_MESSAGE);
    assert_true(chat_add_said(&fast, ROLE_ASSISTANT, S("ho"), places) && fast.items->next == fast.items_last);
    assert_true(chat_is_said(fast.items) && chat_is_said(fast.items->next) && chat_is_said(slow.items));
    for (struct chat_item *i = fast.items; i; i = i->next) chat_told_said(i);
    assert_int_equal(chat_account(&fast, "a_format", NULL), OK);
}

/* Whatever is there beside the text, a writer must see. */
static void said_is_only_what_has_nothing_else(void **state)
{
    enum { GROUP, ITEM, PART };
    for (unsigned k = 0; k < 3 * 64; k++) {
        const uint32_t places[] = {1, 2};
        struct chat c = {.arena = &arena};
        assert_true(chat_add_said(&c, ROLE_USER, S("hi"), places));
        struct chat_item *i = c.items;
        struct chat_node *n = k / 64 == GROUP ? &i->group->node : k / 64 == ITEM ? &i->node : &i->parts->node;
        bool of_it = k == GROUP * 64 + GROUP_HAS_ROLE || k == PART * 64 + PART_HAS_TEXT;
        chat_has(n, k % 64);
        assert_int_equal(chat_is_said(i), of_it);
        n->has = k / 64 == PART ? 1ull << PART_HAS_TEXT : 0;
        assert_true(chat_is_said(i));
        assert_true(chat_add_extra(&arena, n, S("new"), S("1"), 3));
        assert_false(chat_is_said(i));
        n->extra = NULL;
        i->kind = ITEM_REASONING;
        assert_false(chat_is_said(i));
        i->kind = ITEM_MESSAGE;
        i->parts->kind = PART_REFUSAL;
        assert_false(chat_is_said(i));
        i->parts->kind = PART_TEXT;
        i->group->shape = SHAPE_ARRAY;
        assert_false(chat_is_said(i));
        i->group->shape = SHAPE_STRING;
        assert_true(chat_is_said(i) && chat_add_part(&arena, i, PART_TEXT));
        assert_false(chat_is_said(i));
        arena_clear(&arena, MIB(1));
    }
}

static void a_census_counts_kinds(void **state)
{
    struct chat c;
    small_chat(&c);
    assert_true(chat_add_item(&arena, &c.items, &c.items_last, ITEM_TOOL_RESULT, NULL));
    assert_true(chat_add_part(&arena, c.items_last, PART_IMAGE));
    struct chat_census all = chat_count(&c);
    assert_int_equal(all.items, 1u << ITEM_MESSAGE | 1u << ITEM_TOOL_RESULT);
    assert_int_equal(all.parts, 1u << PART_TEXT | 1u << PART_IMAGE);
    assert_true(chat_holds(all, ITEM_TOOL_RESULT) && !chat_holds(all, ITEM_TOOL_CALL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_over_is_refused_by_name),
        cmocka_unit_test(an_unknown_member_is_refused_by_its_path),
        cmocka_unit_test(tools_and_annotations_are_walked),
        cmocka_unit_test(an_answer_counts_instead),
        cmocka_unit_test(counts_do_not_wrap),
        cmocka_unit_test(a_full_arena_is_told),
        cmocka_unit_test(arguments_raw),
        cmocka_unit_test(arguments_quoted),
        cmocka_unit_test(effort_and_budget_agree),
        cmocka_unit_test(the_nearest_effort_is_from_below),
        cmocka_unit_test(said_at_once_is_what_three_steps_make),
        cmocka_unit_test(said_is_only_what_has_nothing_else),
        cmocka_unit_test(a_census_counts_kinds),
    };
    return cmocka_run_group_tests_name("form", tests, start, stop);
}
