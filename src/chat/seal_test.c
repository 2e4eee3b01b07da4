/* Sealed state: what was sealed comes back; what was touched, cut, or is another project's does not. */
#include "base/test.h"
#include "chat/chat.h"

static struct arena arena;
static struct fault why;
static const char MASTER[] = "0123456789abcdef0123456789abcdef";

static int start(void **state)
{
    arena_init(&arena, KIB(16), MIB(16));
    return 0;
}

static int stop(void **state)
{
    arena_done(&arena);
    return 0;
}

static struct chat_seal key_of(const char *master, const char *project)
{
    struct chat_seal s;
    chat_seal_key(&s, str_z(master), str_z(project));
    return s;
}

static const struct chat_opaque OPAQUE = {
    .kind = OPAQUE_THOUGHT_SIGNATURE, .span = {"sig+/=\\u0041", 12}, .origin = {{"gemini", 6}, 0x1122334455667788u}};

static void seal(const struct chat_seal *s, const struct chat_opaque *o, struct buf *out)
{
    buf_init(out, MIB(2));
    chat_seal_text(s, o, out);
    assert_true(!out->over && json_is_span(buf_view(out)));
}

static void what_was_sealed_comes_back(void **state)
{
    struct chat_seal s = key_of(MASTER, "p1");
    for (size_t n = 0; n < 70000; n = n * 3 + 1) {
        struct chat_opaque o = OPAQUE, back;
        struct buf text;
        char *bytes = arena_alloc(&arena, n + 1);
        memset(bytes, 'x', n);
        o.span = str_make(bytes, n);
        seal(&s, &o, &text);
        assert_true(chat_is_sealed(buf_view(&text)) && str_starts(buf_view(&text), S("aq1.")));
        assert_int_equal(chat_unseal(&s, &arena, buf_view(&text), &back, &why), OK);
        assert_true(str_eq(back.span, o.span) && back.kind == o.kind && back.origin.deployment == o.origin.deployment);
        assert_str(back.origin.family, "gemini");
        buf_done(&text);
    }
}

static void the_same_sealed_twice_differs(void **state)
{
    struct chat_seal s = key_of(MASTER, "p1");
    struct buf a, b;
    seal(&s, &OPAQUE, &a), seal(&s, &OPAQUE, &b);
    assert_false(str_eq(buf_view(&a), buf_view(&b)));
    buf_done(&a), buf_done(&b);
}

static void refused(const struct chat_seal *s, struct str text)
{
    struct chat_opaque back;
    assert_int_equal(chat_unseal(s, &arena, text, &back, &why), ERR_BAD_REQUEST);
}

static void what_was_touched_is_refused(void **state)
{
    struct chat_seal s = key_of(MASTER, "p1"), other = key_of(MASTER, "p2");
    struct chat_seal elsewhere = key_of("fedcba98fedcba98fedcba98fedcba98", "p1");
    struct buf text;
    seal(&s, &OPAQUE, &text);
    struct str sealed = buf_view(&text);
    refused(&other, sealed);
    assert_non_null(strstr(why.text, "another project"));
    refused(&elsewhere, sealed);
    for (size_t n = 0; n < sealed.n; n++) refused(&s, str_make(sealed.p, n));
    for (size_t i = 0; i < sealed.n; i++) {
        text.p[i] ^= 1;
        refused(&s, sealed);
        text.p[i] ^= 1;
    }
    buf_char(&text, 'A');
    refused(&s, buf_view(&text));
    refused(&s, S("aq1.!!!"));
    assert_non_null(strstr(why.text, "broken"));
    refused(&s, S("sk-other"));
    refused(&s, S(""));
    buf_done(&text);
}

/* A reader took the sealed text for the state of its own vendor, as it must. */
static void a_request_is_opened_where_it_stands(void **state)
{
    struct chat_seal s = key_of(MASTER, "p1"), other = key_of(MASTER, "p2");
    struct chat c = {.arena = &arena, .source = S("{\"messages\":[{\"content\":[{\"type\":\"thinking\"}]}]}")};
    struct chat_item *i = chat_add_item(&arena, &c.items, &c.items_last, ITEM_REASONING, NULL);
    struct chat_part *p = chat_add_part(&arena, i, PART_THOUGHT);
    struct buf text;
    seal(&s, &OPAQUE, &text);
    struct chat_opaque *o = chat_add_opaque(&arena, &p->opaque, OPAQUE_SIGNATURE, buf_view(&text));
    struct chat_opaque *plain = chat_add_opaque(&arena, &i->opaque, OPAQUE_SIGNATURE, S("EqQB"));
    o->origin.family = plain->origin.family = S("anthropic");
    p->node.at = 25;
    assert_int_equal(chat_unseal_all(&c, &other, &why), ERR_BAD_REQUEST);
    assert_true(str_starts(str_z(why.text), S("messages[0].content[0]: the opaque state that Aquifer sealed was changed")));
    assert_int_equal(chat_unseal_all(&c, &s, &why), OK);
    assert_true(o->kind == OPAQUE.kind && o->origin.deployment == OPAQUE.origin.deployment && str_eq(o->span, OPAQUE.span));
    assert_str(o->origin.family, "gemini");
    assert_str(plain->origin.family, "anthropic"); /* not sealed: as the reader said */
    o->span = buf_view(&text);
    assert_int_equal(chat_unseal_all(&c, NULL, &why), OK);
    assert_true(!o->origin.family.n && o->span.p == text.p); /* nobody's: no writer sends it on */
    buf_done(&text);
}

static void a_full_arena_is_told(void **state)
{
    struct chat_seal s = key_of(MASTER, "p1");
    struct chat_opaque back;
    struct arena small;
    struct buf text;
    seal(&s, &OPAQUE, &text);
    arena_init(&small, 64, 16);
    assert_int_equal(chat_unseal(&s, &small, buf_view(&text), &back, &why), ERR_LIMIT);
    arena_done(&small);
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sealed_comes_back),  cmocka_unit_test(the_same_sealed_twice_differs),
        cmocka_unit_test(what_was_touched_is_refused), cmocka_unit_test(a_request_is_opened_where_it_stands),
        cmocka_unit_test(a_full_arena_is_told),
    };
    return cmocka_run_group_tests_name("seal", tests, start, stop);
}
