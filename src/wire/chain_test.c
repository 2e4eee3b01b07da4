/* Conversations of Responses that are kept here: what is asked, composed, gathered, and told to the caller. */
#include "base/test.h"
#include "wire/openai_responses/chain.h"
#include "wire/wire.h"

#include <stdio.h>

static struct arena arena;
static struct json_tape tape, other;
static struct buf out;
static struct fault why;

static int start(void **state)
{
    arena_init(&arena, KIB(4), MIB(4));
    json_tape_init(&tape, 0);
    json_tape_init(&other, 0);
    buf_init(&out, MIB(1));
    why = (struct fault){0};
    return 0;
}

static int stop(void **state)
{
    arena_done(&arena);
    json_tape_done(&tape);
    json_tape_done(&other);
    buf_done(&out);
    return 0;
}

static void scan(const char *text) { assert_int_equal(json_scan(&tape, str_z(text), &WIRE_LIMITS, &why), OK); }

static enum err ask(const char *body, struct responses_ask *ret_ask)
{
    scan(body);
    return responses_ask_read(&tape, &arena, ret_ask, &why);
}

static void test_asks(void **state)
{
    struct responses_ask a;
    assert_int_equal(ask("{\"model\":\"m\"}", &a), OK);
    assert_true(a.store && !a.store_said && !a.background && !a.previous.p && !a.conversation.p && !a.reasons);
    assert_int_equal(ask("{\"store\":false,\"stream\":true,\"reasoning\":{}}", &a), OK);
    assert_true(!a.store && a.store_said && a.stream && a.reasons);
    assert_int_equal(ask("{\"previous_response_id\":\"resp_\\u0031\",\"conversation\":null,\"store\":null}", &a), OK);
    assert_str(a.previous, "resp_1");
    assert_true(a.store && !a.store_said);
    assert_int_equal(ask("{\"conversation\":\"conv_a\",\"background\":true}", &a), OK);
    assert_str(a.conversation, "conv_a");
    assert_true(a.background);
    assert_int_equal(ask("{\"conversation\":{\"id\":\"conv_b\"}}", &a), OK);
    assert_str(a.conversation, "conv_b");
}

static void test_names_kept_items(void **state)
{
    static const struct {
        const char *input;
        bool names;
    } INPUTS[] = {
        {"\"item_reference\"", false},
        {"[{\"type\":\"item_reference\",\"id\":\"msg_1\"}]", true},
        {"[{\"role\":\"user\",\"content\":\"x\"},{ \"id\" : \"msg_1\" }]", true},
        {"[{\"id\":\"msg_1\",\"type\":null}]", true},
        {"[{\"id\":\"msg_1\",\"role\":\"user\",\"content\":\"x\"}]", false},
        {"[{\"id\":\"fc_1\",\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"x\"}]", false},
        {"[{\"role\":\"user\",\"content\":\"{\\\"type\\\":\\\"item_reference\\\"}\"}]", false},
        {"[7,[]]", false},
    };
    char body[256];
    struct responses_ask a;
    for (unsigned i = 0; i < COUNTOF(INPUTS); i++) {
        snprintf(body, sizeof body, "{\"store\":false,\"tools\":[\"item_reference\"],\"input\":%s}", INPUTS[i].input);
        assert_int_equal(ask(body, &a), OK);
        assert_int_equal(a.names, INPUTS[i].names);
    }
}

static void test_asks_that_are_refused(void **state)
{
    static const char *const BAD[][2] = {
        {"{\"previous_response_id\":7}", "previous_response_id: must be a string"},
        {"{\"previous_response_id\":\"\"}", "previous_response_id: must not be empty"},
        {"{\"conversation\":{}}", "conversation.id: missing"},
        {"{\"conversation\":[\"x\"]}", "conversation: must be a string"},
        {"{\"store\":\"yes\"}", "store: must be true or false"},
        {"{\"background\":1}", "background: must be true or false"},
    };
    struct responses_ask a;
    for (unsigned i = 0; i < COUNTOF(BAD); i++) {
        assert_int_equal(ask(BAD[i][0], &a), ERR_BAD_REQUEST);
        assert_string_equal(why.text, BAD[i][1]);
    }
    assert_int_equal(ask("{\"conversation\":\"c\",\"previous_response_id\":\"r\"}", &a), ERR_BAD_REQUEST);
    assert_int_equal(ask("{\"background\":true,\"store\":false}", &a), ERR_BAD_REQUEST);
}

static struct str composed(const char *body, const char *earlier, bool sealed)
{
    const struct responses_compose how = {.earlier = str_z(earlier), .sealed = sealed};
    buf_clear(&out);
    scan(body);
    assert_int_equal(responses_chain_compose(&tape, &how, &out, &why), OK);
    assert_int_equal(json_scan(&other, buf_view(&out), NULL, &why), OK);
    return buf_view(&out);
}

static void test_composes(void **state)
{
    assert_str(composed("{\"model\":\"m\",\"input\":\"hi\"}", "", false), "{\"model\":\"m\",\"input\":\"hi\",\"store\":false}");
    assert_str(composed("{\"input\":\"h\\\"i\",\"store\":true,\"previous_response_id\":\"r\",\"x\":1e2}", "{\"a\":1}", false),
               "{\"input\":[{\"a\":1},{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":"
               "\"h\\\"i\"}]}],\"store\":false,\"x\":1e2}");
    assert_str(
        composed("{\"conversation\":{\"id\":\"c\"},\"background\":true,\"input\":[ {\"b\":2} ]}", "{\"a\":1},{\"a\":2}", false),
        "{\"input\":[{\"a\":1},{\"a\":2}, {\"b\":2} ],\"store\":false}");
    assert_str(composed("{\"input\":[]}", "{\"a\":1}", false), "{\"input\":[{\"a\":1}],\"store\":false}");
    assert_str(composed("{\"conversation\":\"c\",\"model\":\"m\"}", "{\"a\":1}", false),
               "{\"model\":\"m\",\"store\":false,\"input\":[{\"a\":1}]}");
}

static void test_asks_for_sealed_reasoning(void **state)
{
    assert_str(composed("{\"store\":false}", "", true), "{\"store\":false,\"include\":[\"reasoning.encrypted_content\"]}");
    assert_str(composed("{\"store\":false,\"include\":[\"a\", \"b\"]}", "", true),
               "{\"store\":false,\"include\":[\"a\",\"b\",\"reasoning.encrypted_content\"]}");
    assert_str(composed("{\"include\":[\"reasoning.encrypted_content\"],\"store\":true}", "", true),
               "{\"include\":[\"reasoning.encrypted_content\"],\"store\":false}");
    assert_str(composed("{\"include\":null,\"store\":false}", "", true),
               "{\"include\":[\"reasoning.encrypted_content\"],\"store\":false}");
}

static void test_composed_too_long(void **state)
{
    struct buf small;
    const struct responses_compose how = {.earlier = S("{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":1}")};
    buf_init(&small, 40);
    scan("{\"input\":\"x\"}");
    assert_int_equal(responses_chain_compose(&tape, &how, &small, &why), ERR_BODY_TOO_LARGE);
    buf_done(&small);
}

static void test_own_input(void **state)
{
    scan("{\"input\":[{\"a\":[1]} , {\"b\":2}]}");
    assert_int_equal(responses_chain_input(&tape, &out, &why), OK);
    assert_str(buf_view(&out), "{\"a\":[1]} , {\"b\":2}");
    buf_clear(&out);
    scan("{\"input\":[ ]}");
    assert_int_equal(responses_chain_input(&tape, &out, &why), OK);
    assert_int_equal(out.n, 0);
    scan("{\"input\":7}");
    assert_int_equal(responses_chain_input(&tape, &out, &why), ERR_BAD_REQUEST);
}

static struct str gathered(struct responses_gather *g)
{
    buf_clear(&out);
    responses_gather_items(g, &out);
    return buf_view(&out);
}

static void test_gathers_a_stream(void **state)
{
    struct responses_gather g;
    responses_gather_init(&g, KIB(1));
    assert_int_equal(responses_gather_event(&g, S("{\"type\":\"response.created\",\"response\":{\"output\":[]}}"), &tape),
                     RESPONSES_EVENT_STATE);
    assert_int_equal(
        responses_gather_event(&g, S("{\"type\":\"response.output_item.done\",\"output_index\":1,\"item\":{\"b\":1}}"), &tape),
        RESPONSES_EVENT_PLAIN);
    assert_int_equal(
        responses_gather_event(&g, S("{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"a\":1}}"), &tape),
        RESPONSES_EVENT_PLAIN);
    assert_int_equal(responses_gather_event(&g, S("no json"), &tape), RESPONSES_EVENT_PLAIN);
    assert_int_equal(responses_gather_event(&g, S("{\"type\":\"response.completed\",\"response\":{\"output\":[]}}"), &tape),
                     RESPONSES_EVENT_LAST);
    assert_str(gathered(&g), "{\"a\":1},{\"b\":1}");
    assert_int_equal(
        responses_gather_event(&g, S("{\"type\":\"response.incomplete\",\"response\":{\"output\":[{\"c\":[2]}]}}"), &tape),
        RESPONSES_EVENT_LAST);
    assert_str(gathered(&g), "{\"c\":[2]}");
    assert_false(g.over);
    responses_gather_done(&g);
}

static void test_gathers_within_its_bound(void **state)
{
    struct responses_gather g;
    responses_gather_init(&g, 16);
    scan("{\"output\":[{\"a\":1},{\"b\":\"0123456789\"}]}");
    responses_gather_answer(&g, &tape, 0);
    assert_true(g.over);
    scan("{\"output\":[{\"a\":1}]}");
    responses_gather_answer(&g, &tape, 0);
    assert_false(g.over);
    assert_str(gathered(&g), "{\"a\":1}");
    responses_gather_done(&g);
}

static void test_tells_as_asked(void **state)
{
    const struct responses_view v = {S("resp_ours"), S("resp_before"), STR_NONE, true, false};
    scan("{\"id\":\"resp_theirs\",\"store\":false,\"previous_response_id\":null,\"output\":[{}],\"background\":false}");
    assert_int_equal(responses_view_put(&tape, 0, &v, S("{\"n\":1}"), &out, &why), OK);
    assert_str(buf_view(&out), "{\"id\":\"resp_ours\",\"store\":true,\"previous_response_id\":\"resp_before\",\"output\":[{}],"
                               "\"background\":false}");
}

static void test_tells_events(void **state)
{
    const struct responses_view v = {S("resp_ours"), STR_NONE, S("conv_a"), false, true};
    struct responses_gather g;
    responses_gather_init(&g, KIB(1));
    assert_int_equal(
        responses_gather_event(
            &g, S("{\"type\":\"response.completed\",\"response\":{\"id\":\"x\",\"output\":[]},\"sequence_number\":4}"), &tape),
        RESPONSES_EVENT_LAST);
    assert_int_equal(responses_view_put(&tape, json_find(&tape, 0, S("response")), &v, S("{\"n\":1}"), &out, &why), OK);
    assert_str(buf_view(&out),
               "{\"type\":\"response.completed\",\"response\":{\"id\":\"resp_ours\",\"output\":[{\"n\":1}],"
               "\"previous_response_id\":null,\"conversation\":{\"id\":\"conv_a\"},\"store\":false,\"background\":true},"
               "\"sequence_number\":4}");
    responses_gather_done(&g);
}

static void test_refuses_doubled_members(void **state)
{
    const struct responses_view v = {.id = S("r")};
    static const struct json_limits limits = {.max_depth = 512, .record_depth = 3};
    assert_int_equal(json_scan(&tape, S("{\"response\":{\"id\":\"a\",\"id\":\"b\"}}"), &limits, &why), OK);
    assert_int_equal(responses_view_put(&tape, json_find(&tape, 0, S("response")), &v, STR_NONE, &out, &why),
                     ERR_UPSTREAM_GARBAGE);
}

/* The data of the n-th event, scanned. */
static void scan_event(struct str events, unsigned n)
{
    struct sse_reader r;
    struct sse_event e = {0};
    sse_init(&r, MIB(1));
    assert_int_equal(sse_feed(&r, events, &why), OK);
    for (unsigned i = 0; i <= n; i++) assert_true(sse_next(&r, &e));
    assert_int_equal(json_scan(&other, e.data, NULL, &why), OK);
    assert_str_is(json_text(&other, json_find(&other, 0, S("type"))), e.name, __FILE__, __LINE__);
    sse_done(&r);
}

static struct str said(const char *const *path)
{
    uint32_t at = json_find_path(&other, 0, path);
    assert_true(at != 0);
    return json_raw(&other, at);
}
#define SAID(...) said((const char *const[]){__VA_ARGS__, NULL})

static void test_warms(void **state)
{
    struct wire_reply to = {.model = S("m \"1\""), .id = S("x1"), .now_s = 1700000000};
    static const char *const STATUS[] = {"\"in_progress\"", "\"completed\""};
    assert_int_equal(
        json_scan(&tape, S("{\"model\":\"m\",\"instructions\":\"Be brief.\",\"tools\":[{\"type\":\"web_search\"}]}"), NULL, &why),
        OK);
    responses_warm_put(&tape, &arena, &to, &out);
    for (unsigned n = 0; n < 2; n++) {
        scan_event(buf_view(&out), n);
        assert_str(SAID("response", "id"), "\"resp_x1\"");
        assert_str(SAID("response", "model"), "\"m \\\"1\\\"\"");
        assert_str(SAID("response", "created_at"), "1700000000");
        assert_str(SAID("response", "output"), "[]");
        assert_str(SAID("response", "instructions"), "\"Be brief.\"");
        assert_str(SAID("response", "tools"), "[{\"type\":\"web_search\"}]");
        assert_str_is(SAID("response", "status"), str_z(STATUS[n]), __FILE__, __LINE__);
        assert_int_equal(SAID("sequence_number").p[0], '0' + (int)n);
    }
    assert_str(SAID("response", "usage", "total_tokens"), "0");
    assert_str(SAID("response", "usage", "input_tokens_details", "cached_tokens"), "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_asks, start, stop),
        cmocka_unit_test_setup_teardown(test_names_kept_items, start, stop),
        cmocka_unit_test_setup_teardown(test_asks_that_are_refused, start, stop),
        cmocka_unit_test_setup_teardown(test_composes, start, stop),
        cmocka_unit_test_setup_teardown(test_asks_for_sealed_reasoning, start, stop),
        cmocka_unit_test_setup_teardown(test_composed_too_long, start, stop),
        cmocka_unit_test_setup_teardown(test_own_input, start, stop),
        cmocka_unit_test_setup_teardown(test_gathers_a_stream, start, stop),
        cmocka_unit_test_setup_teardown(test_gathers_within_its_bound, start, stop),
        cmocka_unit_test_setup_teardown(test_tells_as_asked, start, stop),
        cmocka_unit_test_setup_teardown(test_tells_events, start, stop),
        cmocka_unit_test_setup_teardown(test_refuses_doubled_members, start, stop),
        cmocka_unit_test_setup_teardown(test_warms, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
