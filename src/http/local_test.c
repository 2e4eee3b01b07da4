/* Unit tests of local streams: what both sides are told and when, back-pressure, the ends from either side, memory, drain. */
#include "base/test.h"

#include "http/server_bench.h"

struct opener {
    struct http_local *local; /* NULL: over */
    struct buf told;
    bool rest_at_body, cancel_at_body, cancel_at_head;
};

static void on_head(struct http_local *l, int status, struct http_fields fields, void *user)
{
    struct opener *o = user;
    buf_fmt(&o->told, "head %d", status);
    for (size_t i = 0; i < fields.n; i++)
        buf_fmt(&o->told, " %.*s=%.*s", STR_ARG(fields.at[i].name), STR_ARG(fields.at[i].value));
    buf_char(&o->told, '\n');
    if (o->cancel_at_head) http_local_cancel(l);
}

static void on_body(struct http_local *l, struct str bytes, void *user)
{
    struct opener *o = user;
    if (bytes.n > 64) buf_fmt(&o->told, "body of %zu\n", bytes.n);
    else buf_fmt(&o->told, "body %.*s\n", STR_ARG(bytes));
    if (o->rest_at_body) http_local_pause(l);
    if (o->cancel_at_body) http_local_cancel(l);
}

static void on_end(struct http_local *l, bool complete, void *user)
{
    struct opener *o = user;
    assert_ptr_equal(l, o->local);
    o->local = NULL;
    buf_fmt(&o->told, "end %s\n", complete ? "whole" : "broken");
}

static const struct http_local_handler OPENER = {on_head, on_body, on_end};

static struct http_request request_to(struct str path, struct str body)
{
    static const struct http_field FIELDS[] = {{{"authorization", 13}, {"Bearer k", 8}}, {{"x-a", 3}, {"", 0}}};
    return (struct http_request){
        .method = S("POST"),
        .path = path,
        .whole_path = path,
        .query = S("q=1"),
        .authority = S("a"),
        .peer = S("203.0.113.7"),
        .fields = {FIELDS, COUNTOF(FIELDS)},
        .body = body,
    };
}

static void open_to(struct bench *b, struct opener *o, struct str path, struct str body)
{
    struct http_request r = request_to(path, body);
    r.opener = o;
    if (!o->told.max) buf_init(&o->told, MIB(1));
    buf_clear(&o->told);
    buf_clear(&b->events);
    o->local = http_local_open(b->server, &r, &OPENER, o);
}

static void assert_nothing_is_left(struct bench *b)
{
    bench_turn(b);
    assert_int_equal(b->memory, 0);
    assert_int_equal(b->server->account.held, 0);
    assert_int_equal(http_server_stats_get(b->server)->streams, 0);
    assert_int_equal(http_server_stats_get(b->server)->connections, 0);
}

#define HEAD_TOLD "head 200 content-type=text/plain\n"

static void test_an_answer(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct opener o = {0};
    open_to(b, &o, S("/echo"), S("hi there"));
    assert_str(buf_view(&b->events), ""); /* nothing comes before the end of the turn */
    bench_turn(b);
    assert_str(buf_view(&b->events), "head POST /echo ?q=1 @a\nrequest 8 hi there\nclosed whole\n");
    assert_str(buf_view(&o.told), HEAD_TOLD "body hi there\nend whole\n");
    open_to(b, &o, S("/peer"), S(""));
    bench_turn(b);
    assert_str(buf_view(&o.told), HEAD_TOLD "body 203.0.113.7\nend whole\n");
    assert_int_equal(http_server_stats_get(b->server)->requests, 2);
    assert_nothing_is_left(b);
    buf_done(&o.told);
    bench_free(b);
}

/* All manners of answering that the server's handlers have. */
static void test_kinds_of_answers(void **state)
{
    static const struct {
        struct str path, want;
    } CASES[] = {
        {{"/stream", 7},
         {HEAD_TOLD "body onetwotwothree\nend whole\n", sizeof(HEAD_TOLD "body onetwotwothree\nend whole\n") - 1}},
        {{"/known", 6}, {HEAD_TOLD "body abcdef\nend whole\n", sizeof(HEAD_TOLD "body abcdef\nend whole\n") - 1}},
        {{"/released", 9}, {HEAD_TOLD "body released\nend whole\n", sizeof(HEAD_TOLD "body released\nend whole\n") - 1}},
        {{"/empty", 6}, {"head 204 content-type=text/plain\nend whole\n", 43}},
        {{"/early", 6}, {"head 403 content-type=text/plain\nbody no\n\nend whole\n", 52}},
        {{"/abort", 6}, {"end broken\n", 11}},
        {{"/short", 6}, {"end broken\n", 11}},
    };
    (void)state;
    struct bench *b = bench_new();
    struct opener o = {0};
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        open_to(b, &o, CASES[i].path, S("x"));
        bench_turn(b);
        assert_str_is(buf_view(&o.told), CASES[i].want, __FILE__, __LINE__);
        assert_nothing_is_left(b);
    }
    buf_done(&o.told);
    bench_free(b);
}

static void test_pieces_come_turn_by_turn(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct opener o = {0};
    open_to(b, &o, S("/hold"), S("x"));
    bench_turn(b);
    http_stream_head(b->held, 200, bench_fields(), -1);
    bench_turn(b);
    assert_str(buf_view(&o.told), HEAD_TOLD);
    http_stream_write(b->held, S("a"));
    http_stream_write(b->held, S("b"));
    assert_str(buf_view(&o.told), HEAD_TOLD); /* not inside the writer's call */
    bench_turn(b);
    http_stream_write(b->held, S("c"));
    http_stream_finish(b->held, S(""));
    bench_turn(b);
    assert_str(buf_view(&o.told), HEAD_TOLD "body ab\nbody c\nend whole\n");
    assert_str(buf_view(&b->events), "head POST /hold ?q=1 @a\nrequest 1 x\nclosed whole\n");
    assert_nothing_is_left(b);
    buf_done(&o.told);
    bench_free(b);
}

/* The opener rests: the writer sees its queue grow, is asked for more when it has fallen, and the memory is counted. */
static void test_back_pressure(void **state)
{
    static char much[KIB(100)];
    (void)state;
    struct bench *b = bench_new();
    struct opener o = {.rest_at_body = true};
    open_to(b, &o, S("/hold"), S("x"));
    bench_turn(b);
    http_stream_head(b->held, 200, bench_fields(), -1);
    http_stream_write(b->held, S("first"));
    bench_turn(b);
    assert_str(buf_view(&o.told), HEAD_TOLD "body first\n");
    assert_int_equal(http_stream_write(b->held, str_make(much, sizeof much)), sizeof much);
    bench_turn(b);
    assert_int_equal(http_stream_queued(b->held), sizeof much);
    assert_int_equal(b->writable, 0);
    assert_true(b->server->account.held >= (int64_t)sizeof much);
    assert_true(b->memory >= (int64_t)KIB(64));
    http_local_resume(o.local);
    bench_turn(b);
    assert_int_equal(b->writable, 1);
    assert_int_equal(http_stream_queued(b->held), 0);
    http_stream_finish(b->held, S("last"));
    bench_turn(b);
    assert_str(buf_view(&o.told), HEAD_TOLD "body first\nbody of 102400\n"); /* it rests again: the end waits */
    assert_non_null(o.local);
    http_local_resume(o.local);
    bench_turn(b);
    http_local_resume(o.local);
    bench_turn(b);
    assert_str(buf_view(&o.told), HEAD_TOLD "body first\nbody of 102400\nbody last\nend whole\n");
    assert_nothing_is_left(b);
    buf_done(&o.told);
    bench_free(b);
}

static void test_a_broken_end_is_told_at_rest(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct opener o = {.rest_at_body = true};
    open_to(b, &o, S("/hold"), S("x"));
    bench_turn(b);
    http_stream_head(b->held, 200, bench_fields(), -1);
    http_stream_write(b->held, S("first"));
    bench_turn(b);
    http_stream_write(b->held, S("lost"));
    http_stream_abort(b->held);
    bench_turn(b);
    assert_str(buf_view(&o.told), HEAD_TOLD "body first\nend broken\n");
    assert_nothing_is_left(b);
    buf_done(&o.told);
    bench_free(b);
}

/* ---- cancelling ------------------------------------------------------------------------------------------------------- */

static void test_cancel_before_it_began(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct opener o = {0};
    open_to(b, &o, S("/hold"), S("x"));
    http_local_cancel(o.local);
    bench_turn(b);
    assert_str(buf_view(&o.told), "");
    assert_str(buf_view(&b->events), "");
    assert_nothing_is_left(b);
    buf_done(&o.told);
    bench_free(b);
}

static void test_cancel_while_the_handler_works(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct opener o = {0};
    open_to(b, &o, S("/hold"), S("x"));
    bench_turn(b);
    struct http_stream *held = b->held;
    assert_ptr_equal(held->request->opener, &o);
    http_local_cancel(o.local);
    assert_null(held->request->opener);
    http_stream_head(held, 200, bench_fields(), -1); /* in the same turn the handler still may speak */
    http_stream_write(held, S("to nobody"));
    assert_ptr_equal(b->held, held); /* never inside the call */
    bench_turn(b);
    assert_str(buf_view(&o.told), "");
    assert_str(buf_view(&b->events), "head POST /hold ?q=1 @a\nrequest 1 x\nclosed broken\n");
    assert_nothing_is_left(b);
    buf_done(&o.told);
    bench_free(b);
}

static void test_cancel_inside_what_is_told(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct opener o = {.cancel_at_head = true};
    open_to(b, &o, S("/stream"), S("x"));
    bench_turn(b);
    assert_str(buf_view(&o.told), HEAD_TOLD);
    assert_true(str_ends(buf_view(&b->events), S("closed broken\n")));
    o = (struct opener){.cancel_at_body = true, .told = o.told};
    open_to(b, &o, S("/stream"), S("x"));
    bench_turn(b);
    assert_str(buf_view(&o.told), HEAD_TOLD "body onetwotwothree\n");
    assert_true(str_ends(buf_view(&b->events), S("closed broken\n")));
    assert_nothing_is_left(b);
    buf_done(&o.told);
    bench_free(b);
}

/* ---- limits ------------------------------------------------------------------------------------------------------------ */

static void test_body_limit(void **state)
{
    static char much[2001];
    (void)state;
    struct bench *b = bench_new();
    struct opener o = {0};
    b->options.limits.body_max = 2000;
    http_server_set_options(b->server, &b->options);
    open_to(b, &o, S("/hold"), str_make(much, 2001));
    bench_turn(b);
    assert_str(buf_view(&b->events), "bad body_too_large\nclosed whole\n");
    assert_true(str_starts(buf_view(&o.told), S("head 413 content-type=text/plain\nbody ")));
    assert_true(str_ends(buf_view(&o.told), S("end whole\n")));
    open_to(b, &o, S("/hold"), str_make(much, 2000));
    bench_turn(b);
    assert_non_null(b->held);
    assert_int_equal(b->memory, 2000);
    http_stream_release_request(b->held);
    assert_int_equal(b->memory, 0);
    assert_int_equal(b->server->conns->proto->held(b->server->conns) > 0, true);
    http_local_cancel(o.local);
    assert_nothing_is_left(b);
    buf_done(&o.told);
    bench_free(b);
}

static void test_memory_ceiling(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct opener o = {0};
    b->memory_max = 1000;
    open_to(b, &o, S("/hold"), S("this body is small enough"));
    bench_turn(b);
    assert_non_null(b->held);
    http_local_cancel(o.local);
    bench_turn(b);
    b->memory_max = 10;
    open_to(b, &o, S("/hold"), S("this body is too large"));
    bench_turn(b);
    assert_str(buf_view(&b->events), "bad overloaded\nclosed whole\n");
    assert_true(str_starts(buf_view(&o.told), S("head 503 ")));
    assert_nothing_is_left(b);
    buf_done(&o.told);
    bench_free(b);
}

/* ---- the server's end -------------------------------------------------------------------------------------------------- */

static void test_drain_waits(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct opener o = {0};
    open_to(b, &o, S("/hold"), S("x"));
    bench_turn(b);
    http_server_drain(b->server, bench_on_empty);
    bench_turn(b);
    assert_false(b->emptied);
    http_stream_answer(b->held, 200, bench_fields(), S("bye"));
    bench_turn(b);
    assert_str(buf_view(&o.told), HEAD_TOLD "body bye\nend whole\n");
    assert_true(b->emptied);
    assert_nothing_is_left(b);
    buf_done(&o.told);
    bench_free(b);
}

static void test_the_server_ends(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct opener working = {0}, waiting = {0};
    open_to(b, &working, S("/hold"), S("x"));
    bench_turn(b);
    open_to(b, &waiting, S("/hold"), S("x"));
    http_server_free(b->server);
    assert_str(buf_view(&working.told), "end broken\n");
    assert_str(buf_view(&waiting.told), "end broken\n");
    assert_str(buf_view(&b->events), "closed broken\n");
    assert_int_equal(b->memory, 0);
    b->server = NULL;
    buf_done(&working.told);
    buf_done(&waiting.told);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer),
        cmocka_unit_test(test_kinds_of_answers),
        cmocka_unit_test(test_pieces_come_turn_by_turn),
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_a_broken_end_is_told_at_rest),
        cmocka_unit_test(test_cancel_before_it_began),
        cmocka_unit_test(test_cancel_while_the_handler_works),
        cmocka_unit_test(test_cancel_inside_what_is_told),
        cmocka_unit_test(test_body_limit),
        cmocka_unit_test(test_memory_ceiling),
        cmocka_unit_test(test_drain_waits),
        cmocka_unit_test(test_the_server_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
