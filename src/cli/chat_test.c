/* The pieces of `aquifer chat`: an answer is the same however its bytes are cut, only a whole one counts as one, and what it
 * cost is what the ledger says. */
#include "cli/chat_priv.h"

#include <stdlib.h>

#include "base/test.h"

static const char STREAM[] =
    ": a comment\n\n"
    "data: "
    "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"hm\"}}],\"usage\":"
    "null}\n\n"
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Gr\\u00fc\"}}]}\n\n"
    "event: message\r\ndata: "
    "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xc3\x9f\\ud83d\\ude00e\"},\"finish_reason\":null}]}\r\n\r\n"
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n"
    "data: "
    "{\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":4}}}"
    "\n\n"
    "data: [DONE]\n\n";
static const struct str SAID = {"Gr\xc3\xbc\xc3\x9f\xf0\x9f\x98\x80"
                                "e",
                                11};

struct heard {
    struct buf text;
    unsigned thought;
};
static void hear(struct str text, void *user) { buf_str(&((struct heard *)user)->text, text); }
static void think(void *user) { ((struct heard *)user)->thought++; }

/* In pieces of `step` bytes; the last one is cut off when `n` is shorter than the whole. */
static enum err fold(struct str bytes, size_t step, bool stream, struct heard *h, struct chat_tokens *ret_tokens,
                     struct fault *why)
{
    const struct chat_listener to = {hear, think, h};
    struct chat_reply *f = chat_reply_new(stream, &to);
    buf_init(&h->text, KIB(64));
    h->thought = 0;
    for (size_t at = 0; at < bytes.n; at += step) {
        size_t n = bytes.n - at < step ? bytes.n - at : step;
        char *piece = str_dup_z(str_make(bytes.p + at, n)); /* its own memory, so that nobody looks around */
        chat_reply_feed(f, str_make(piece, n));
        free(piece);
    }
    enum err e = chat_reply_end(f, why);
    assert_true(str_eq(chat_reply_text(f), buf_view(&h->text)));
    *ret_tokens = chat_reply_tokens(f);
    if (e == OK && stream) assert_true(str_eq(chat_reply_finish(f), S("length")));
    chat_reply_free(f);
    return e;
}

static void any_cut_gives_the_same_answer(void **state)
{
    for (size_t step = 1; step <= sizeof STREAM; step++) {
        struct heard h;
        struct chat_tokens tokens;
        struct fault why = {0};
        if (fold(str_make(STREAM, sizeof STREAM - 1), step, true, &h, &tokens, &why) != OK)
            fail_msg("step %zu: %s", step, why.text);
        assert_true(str_eq(buf_view(&h.text), SAID));
        assert_int_equal(h.thought, 1);
        assert_true(tokens.known && tokens.input == 12 && tokens.cached == 4 && tokens.output == 3);
        buf_done(&h.text);
    }
}

static void a_stream_without_its_end_is_cut(void **state)
{
    for (size_t n = 0; n < sizeof STREAM - sizeof "\n\n"; n++) {
        struct heard h;
        struct chat_tokens tokens;
        assert_int_not_equal(fold(str_make(STREAM, n), 7, true, &h, &tokens, NULL), OK);
        buf_done(&h.text);
    }
}

static void errors_in_a_stream_are_told(void **state)
{
    static const struct {
        const char *stream, *text;
        enum err err;
    } CASES[] = {
        {"data: {\"error\":{\"message\":\"Over\\u001b[1mloaded\",\"type\":\"x\"}}\n\ndata: [DONE]\n\n", "Over[1mloaded",
         ERR_UPSTREAM_ERROR},
        {"data: {\"error\":\"plain\"}\n\n", "plain", ERR_UPSTREAM_ERROR},
        {"data: {\"broken\": \n\ndata: [DONE]\n\n", "not what Chat Completions", ERR_UPSTREAM_GARBAGE},
        {"data: 7\n\n", "not what Chat Completions", ERR_UPSTREAM_GARBAGE},
        {"", "cut off", ERR_UPSTREAM_CUT},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct heard h;
        struct chat_tokens tokens;
        struct fault why = {0};
        assert_int_equal(fold(str_z(CASES[i].stream), 5, true, &h, &tokens, &why), CASES[i].err);
        if (!strstr(why.text, CASES[i].text)) fail_msg("%u: %s", i, why.text);
        assert_false(tokens.known);
        buf_done(&h.text);
    }
}

static void odd_documents_are_borne(void **state)
{
    static const char *const ODD[] = {
        "{\"choices\":7}",
        "{\"choices\":[]}",
        "{\"choices\":[[]]}",
        "{\"choices\":[{\"message\":\"x\"}]}",
        "{\"choices\":[{\"message\":{\"content\":[1]}}],\"usage\":[]}",
        "{\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":1e99}}",
        "{}",
    };
    for (unsigned i = 0; i < COUNTOF(ODD); i++) {
        struct heard h;
        struct chat_tokens tokens;
        assert_int_equal(fold(str_z(ODD[i]), 3, false, &h, &tokens, NULL), OK);
        assert_int_equal(h.text.n, 0);
        assert_false(tokens.known);
        buf_done(&h.text);
    }
}

static void whole_answers_are_read(void **state)
{
    struct heard h;
    struct chat_tokens tokens;
    assert_int_equal(fold(S("{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":\"No.\"},\"finish_"
                            "reason\":\"stop\"}],"
                            "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}"),
                          4, false, &h, &tokens, NULL),
                     OK);
    assert_true(str_eq(buf_view(&h.text), S("No.")));
    assert_true(tokens.known && tokens.input == 5 && tokens.output == 2);
    buf_done(&h.text);
}

static void the_request_tells_all_again(void **state)
{
    struct chat_history h = {0};
    struct buf out;
    buf_init(&out, KIB(4));
    chat_history_add(&h, CHAT_SYSTEM, S("Be short."));
    for (unsigned i = 0; i < 40; i++) chat_history_add(&h, i % 2 ? CHAT_ASSISTANT : CHAT_USER, S("a \"b\"\n\xe4\xb8\x96"));
    chat_history_cut(&h, 3);
    chat_request(&h, S("m"), true, &out);
    assert_string_equal(buf_z(&out), "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"Be short.\"},"
                                     "{\"role\":\"user\",\"content\":\"a \\\"b\\\"\\n\xe4\xb8\x96\"},"
                                     "{\"role\":\"assistant\",\"content\":\"a \\\"b\\\"\\n\xe4\xb8\x96\"}],"
                                     "\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    buf_clear(&out);
    chat_history_cut(&h, 0);
    chat_request(&h, S("m"), false, &out);
    assert_string_equal(buf_z(&out), "{\"model\":\"m\",\"messages\":[]}");
    buf_done(&out);
    chat_history_done(&h);
}

static void take(struct chat_cost *c, const char *rows)
{
    struct json_doc *doc;
    struct fault why = {0};
    if (json_doc_read(S("rows"), str_z(rows), &doc, &why) != OK) fail_msg("%s", why.text);
    chat_cost_take(c, json_doc_root(doc));
    json_doc_free(doc);
}

static void assert_told(const struct chat_cost *c, const char *text)
{
    struct buf out;
    buf_init(&out, KIB(4));
    chat_cost_tell(c, &out);
    assert_string_equal(buf_z(&out), text);
    buf_done(&out);
}

static void cost_is_what_the_ledger_says(void **state)
{
    struct chat_cost c = {0};
    assert_told(&c, "0 answers, 0 tokens in and 0 out, $0");
    chat_cost_add(&c, "one", (struct chat_tokens){true, 10, 0, 5});
    chat_cost_add(&c, "two", (struct chat_tokens){false, 0, 0, 0});
    assert_told(&c, "2 answers, 10 tokens in and 5 out (1 did not tell); the cost of 2 is not known here");
    take(
        &c,
        "[{\"request_id\":\"one\",\"end\":\"failed\",\"cost\":\"0\"},{\"request_id\":\"other\",\"end\":\"ok\",\"cost\":\"9\"},"
        "{\"request_id\":\"one\",\"end\":\"ok\",\"cost\":\"0.000075\"},{\"request_id\":\"two\",\"end\":\"open\",\"cost\":null}]");
    assert_told(&c, "2 answers, 10 tokens in and 5 out (1 did not tell), $0.000075; the cost of 1 is not known here");
    take(&c, "[{\"request_id\":\"two\",\"end\":\"aborted\",\"cost\":null}]");
    assert_told(&c, "2 answers, 10 tokens in and 5 out (1 did not tell), $0.000075; 1 without a known price");
    take(&c, "[{\"request_id\":\"two\",\"end\":\"aborted\",\"cost\":\"1\"}]"); /* counted once */
    assert_int_equal(c.n_asked, 0);
    assert_true(c.sum == 75 * MONEY_DOLLAR / 1000000);
}

static void cost_of_many_unfound_answers_stays_bounded(void **state)
{
    struct chat_cost c = {0};
    for (unsigned i = 0; i < CHAT_ASKED_MAX + 5; i++)
        chat_cost_add(&c, i ? "later" : "first", (struct chat_tokens){true, 1, 0, 1});
    assert_int_equal(c.n_asked, CHAT_ASKED_MAX);
    assert_int_equal(c.lost, 5);
    take(&c, "[{\"request_id\":\"first\",\"end\":\"ok\",\"cost\":\"5\"}]");
    assert_true(c.sum == 0); /* it was given up */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_cut_gives_the_same_answer), cmocka_unit_test(a_stream_without_its_end_is_cut),
        cmocka_unit_test(errors_in_a_stream_are_told),   cmocka_unit_test(odd_documents_are_borne),
        cmocka_unit_test(whole_answers_are_read),        cmocka_unit_test(the_request_tells_all_again),
        cmocka_unit_test(cost_is_what_the_ledger_says),  cmocka_unit_test(cost_of_many_unfound_answers_stays_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
