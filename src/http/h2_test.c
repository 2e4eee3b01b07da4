/* Unit tests of HTTP/2 on the server's side, with nghttp2 as client: requests, flow control, limits, floods, drain. */
#include "base/test.h"

#include "http/h2_bench.h"

static int guest_arrives(void **state)
{
    *state = guest_new(bench_new());
    return 0;
}

static int guest_leaves(void **state)
{
    struct guest *g = *state;
    struct bench *b = g->bench;
    guest_free(g);
    bench_free(b);
    return 0;
}

#define TEST_WITH_GUEST(test) cmocka_unit_test_setup_teardown(test, guest_arrives, guest_leaves)

static void test_requests(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *events, *fields, *out;
    } ROWS[] = {
        {"GET", "/a?b=c", NULL, 200, "head GET /a ?b=c @a\nrequest 0 \nclosed whole\n",
         "content-type: text/plain\ncontent-length: 6\n", "hello\n"},
        {"POST", "/e", "abcde", 200, "head POST /e ? @a\nrequest 5 abcde\nclosed whole\n",
         "content-type: text/plain\ncontent-length: 5\n", "abcde"},
        {"POST", "/e", "", 200, "head POST /e ? @a\nrequest 0 \nclosed whole\n", "content-type: text/plain\ncontent-length: 6\n",
         "hello\n"},
        {"GET", "/stream", NULL, 200, "head GET /stream ? @a\nrequest 0 \nclosed whole\n", "content-type: text/plain\n",
         "onetwotwothree"},
        {"GET", "/known", NULL, 200, "head GET /known ? @a\nrequest 0 \nclosed whole\n",
         "content-type: text/plain\ncontent-length: 6\n", "abcdef"},
        {"HEAD", "/a", NULL, 200, "head HEAD /a ? @a\nrequest 0 \nclosed whole\n",
         "content-type: text/plain\ncontent-length: 6\n", ""},
        {"HEAD", "/stream", NULL, 200, "head HEAD /stream ? @a\nrequest 0 \nclosed whole\n", "content-type: text/plain\n", ""},
        {"GET", "/empty", NULL, 204, "head GET /empty ? @a\nrequest 0 \nclosed whole\n", "content-type: text/plain\n", ""},
        {"GET", "/released", NULL, 200, "head GET /released ? @a\nrequest 0 \nclosed whole\n",
         "content-type: text/plain\ncontent-length: 8\n", "released"},
    };
    struct bench *b = bench_new();
    struct guest *g = guest_new(b);
    for (size_t i = 0; i < COUNTOF(ROWS); i++) {
        buf_clear(&b->events);
        struct guest_stream *s = guest_ask(g, ROWS[i].method, ROWS[i].path, ROWS[i].body, NULL);
        guest_talk(g);
        assert_string_equal(buf_z(&b->events), ROWS[i].events);
        assert_string_equal(buf_z(&s->fields), ROWS[i].fields);
        assert_string_equal(buf_z(&s->body), ROWS[i].out);
        assert_int_equal(s->status, ROWS[i].status);
        assert_true(s->ended && s->over && s->error == 0);
    }
    assert_int_equal(b->memory, 0);
    guest_free(g);
    bench_free(b);
}

static void test_any_cut_gives_the_same(void **state)
{
    struct guest *g = *state;
    struct bench *b = g->bench;
    guest_ask(g, "GET", "/a", NULL, NULL);
    guest_ask(g, "POST", "/e", "some bytes", NULL);
    guest_talk(g);
    struct str in = buf_view(&g->sent);
    struct str want = S("head GET /a ? @a\nrequest 0 \nhead POST /e ? @a\nrequest 10 some bytes\nclosed whole\nclosed whole\n");
    for (size_t cut = 0; cut < in.n; cut++) {
        bench_connect(b);
        bench_send(b, str_make(in.p, cut));
        bench_send(b, str_from(in, cut));
        size_t lines = 0; /* a cut may let the first answer end before the second request */
        for (size_t i = 0; i < b->events.n; i++) lines += b->events.p[i] == '\n';
        assert_int_equal(lines, 6);
        assert_int_equal(b->events.n, want.n);
    }
}

static void test_both_protocols_on_one_port(void **state)
{
    struct guest *g = *state;
    struct bench *b = g->bench;
    guest_ask(g, "GET", "/two", NULL, NULL);
    guest_talk(g);
    assert_str(buf_view(&b->events), "head GET /two ? @a\nrequest 0 \nclosed whole\n");
    bench_connect(b);
    bench_send(b, S("GET /one HTTP/1.1\r\n" HOST "\r\n"));
    assert_str(buf_view(&b->events), "head GET /one ? @a\nrequest 0 \nclosed whole\n");
    bench_connect(b);
    bench_send(b, S("PR"));
    bench_send(b, S("OPFIND /one HTTP/1.1\r\n" HOST "\r\n"));
    assert_str(buf_view(&b->events), "head PROPFIND /one ? @a\nrequest 0 \nclosed whole\n");
}

static void test_100_continue(void **state)
{
    struct guest *g = *state;
    nghttp2_nv expect = NV("expect", "100-continue");
    struct guest_stream *s = guest_ask(g, "POST", "/e", "", &expect);
    s->send_more = true;
    guest_talk(g);
    assert_int_equal(s->informational, 100);
    s->send = S("body");
    s->send_more = false;
    nghttp2_session_resume_data(g->session, s->id);
    guest_talk(g);
    assert_int_equal(s->status, 200);
    assert_str(buf_view(&s->body), "body");
}

/* Clients that take a reset for a failure read the answer all the same. */
static void test_early_answer_lets_the_body_end(void **state)
{
    struct guest *g = *state;
    struct bench *b = g->bench;
    struct guest_stream *s = guest_ask(g, "POST", "/early", "first", NULL);
    s->send_more = true;
    guest_talk(g);
    assert_int_equal(s->status, 403);
    assert_true(s->ended && !s->over);
    assert_str(buf_view(&b->events), "head POST /early ? @a\nclosed whole\n");
    s->send = S("the rest");
    s->send_more = false;
    nghttp2_session_resume_data(g->session, s->id);
    guest_talk(g);
    assert_true(s->over && s->error == NGHTTP2_NO_ERROR && !s->was_reset);
    assert_int_equal(http_server_stats_get(b->server)->streams, 0);
    assert_str(buf_view(&b->events), "head POST /early ? @a\nclosed whole\n");
}

/* Of a body that is not wanted comes what the window allows already; then, or when the client falls silent, it is stopped. */
static void test_early_answer_stops_a_long_body(void **state)
{
    struct guest *g = *state;
    struct bench *b = g->bench;
    char *big = mem_alloc(MIB(2) + 1);
    memset(big, 'x', MIB(2));
    struct guest_stream *s = guest_ask(g, "POST", "/early", big, NULL), *t = guest_ask(g, "POST", "/early", "first", NULL);
    t->send_more = true;
    guest_talk(g);
    assert_true(s->ended && !s->over && t->ended && !t->over);
    assert_true(MIB(2) - s->send.n <= KIB(256));
    for (int i = 0; i < 20000 && !(s->over && t->over); i++) guest_talk(g), bench_wait(b);
    assert_true(s->was_reset && s->error == NGHTTP2_NO_ERROR);
    assert_true(t->was_reset && t->error == NGHTTP2_NO_ERROR);
    assert_int_equal(http_server_stats_get(b->server)->streams, 0);
    struct guest_stream *u = guest_ask(g, "POST", "/e", "goes on", NULL);
    guest_talk(g);
    assert_str(buf_view(&u->body), "goes on");
    free(big);
}

static void test_broken_answers_are_seen(void **state)
{
    struct guest *g = *state;
    struct guest_stream *s = guest_ask(g, "GET", "/abort", NULL, NULL), *t = guest_ask(g, "GET", "/short", NULL, NULL);
    guest_talk(g);
    assert_true(s->over && !s->ended && s->error == NGHTTP2_INTERNAL_ERROR);
    assert_true(t->over && !t->ended && t->error != NGHTTP2_NO_ERROR);
    struct guest_stream *u = guest_ask(g, "GET", "/a", NULL, NULL); /* the connection lives */
    guest_talk(g);
    assert_int_equal(u->status, 200);
}

static void test_reset_by_the_client(void **state)
{
    struct guest *g = *state;
    struct bench *b = g->bench;
    struct guest_stream *s = guest_ask(g, "GET", "/hold", NULL, NULL);
    guest_talk(g);
    http_stream_head(b->held, 200, bench_fields(), -1);
    http_stream_write(b->held, S("x"));
    nghttp2_submit_rst_stream(g->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
    guest_talk(g);
    assert_str(buf_view(&b->events), "head GET /hold ? @a\nrequest 0 \nclosed broken\n");
    assert_int_equal(http_server_stats_get(b->server)->connections, 1);
}

static void test_client_goes_away(void **state)
{
    struct guest *g = *state;
    struct bench *b = g->bench;
    guest_ask(g, "GET", "/hold", NULL, NULL);
    guest_ask(g, "GET", "/hold", NULL, NULL);
    guest_talk(g);
    buf_clear(&b->events);
    close(b->client);
    b->client = -1;
    bench_turn(b);
    assert_str(buf_view(&b->events), "closed broken\nclosed broken\n");
    assert_int_equal(http_server_stats_get(b->server)->streams, 0);
    assert_int_equal(http_server_stats_get(b->server)->connections, 0);
}

/* ---- flow control ----------------------------------------------------------------------------------------------------- */

static void test_flow_control_reaches_the_handler(void **state)
{
    static char piece[KIB(4)];
    struct guest *g = *state;
    struct bench *b = g->bench;
    g->is_greedy = false;
    struct guest_stream *s = guest_ask(g, "GET", "/hold", NULL, NULL);
    guest_talk(g);
    struct http_stream *held = b->held;
    size_t sent = 0, most = 0, given = 0;
    http_stream_head(held, 200, bench_fields(), -1);
    while (sent < MIB(10)) {
        while (sent < MIB(10) && http_stream_queued(held) < HTTP_QUEUE_HIGH) {
            size_t queued = http_stream_write(held, str_make(piece, sizeof piece));
            most = queued > most ? queued : most;
            sent += sizeof piece;
        }
        guest_talk(g);
        if (given == 0) assert_int_equal(s->body.n, 65535); /* the window, and not a byte more */
        nghttp2_session_consume(g->session, s->id, s->body.n - given);
        given = s->body.n;
        guest_talk(g);
    }
    assert_true(most <= HTTP_QUEUE_HIGH + sizeof piece);
    assert_true(b->writable > 10);
    http_stream_finish(held, S("end"));
    g->is_greedy = true;
    for (int i = 0; i < 100 && !s->over; i++) {
        guest_talk(g);
        nghttp2_session_consume(g->session, s->id, s->body.n - given);
        given = s->body.n;
    }
    assert_int_equal(s->body.n, MIB(10) + 3);
    assert_true(str_ends(buf_view(&b->events), S("closed whole\n")));
}

static bool no_stream(struct bench *b) { return http_server_stats_get(b->server)->streams == 0; }

static void test_client_that_gives_no_window(void **state)
{
    (void)state;
    static char much[KIB(200)];
    struct bench *b = bench_new();
    b->options.limits.write_gap_ms = 20;
    http_server_set_options(b->server, &b->options);
    struct guest *g = guest_new(b);
    g->is_greedy = false;
    guest_ask(g, "GET", "/hold", NULL, NULL);
    guest_talk(g);
    http_stream_answer(b->held, 200, bench_fields(), str_make(much, sizeof much));
    assert_true(bench_until(b, no_stream));
    assert_str(buf_view(&b->events), "head GET /hold ? @a\nrequest 0 \nclosed broken\n");
    guest_free(g);
    bench_free(b);
}

static void test_large_body(void **state)
{
    struct guest *g = *state;
    struct bench *b = g->bench;
    char *big = mem_alloc(MIB(5) + 1);
    memset(big, 'x', MIB(5));
    struct guest_stream *s = guest_ask(g, "POST", "/e", big, NULL);
    guest_talk(g);
    assert_int_equal(s->body.n, MIB(5));
    assert_int_equal(b->memory, 0);
    free(big);
}

/* ---- limits ---------------------------------------------------------------------------------------------------------------- */

static void test_limits(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->options.limits.head_max = 2000;
    b->options.limits.body_max = 100;
    http_server_set_options(b->server, &b->options);
    struct guest *g = guest_new(b);
    char big[3000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    nghttp2_nv large = NV("x", big), length = NV("content-length", "101");
    struct guest_stream *s = guest_ask(g, "GET", "/a", NULL, &large);
    guest_talk(g);
    assert_int_equal(s->status, 431);
    big[101] = '\0';
    struct guest_stream *t = guest_ask(g, "POST", "/e", big, NULL), *u = guest_ask(g, "POST", "/e", big, &length);
    guest_talk(g);
    assert_int_equal(t->status, 413);
    assert_int_equal(u->status, 413);
    struct guest_stream *v = guest_ask(g, "GET", "/a", NULL, NULL); /* the connection lives */
    guest_talk(g);
    assert_int_equal(v->status, 200);
    guest_free(g);
    bench_free(b);
}

static void test_memory_ceiling(void **state)
{
    static char big[KIB(60)];
    struct guest *g = *state;
    struct bench *b = g->bench;
    memset(big, '~', sizeof big - 1);
    nghttp2_nv large = NV("x", big);
    b->memory_max = 1000;
    struct guest_stream *s = guest_ask(g, "GET", "/a", NULL, &large);
    guest_talk(g);
    assert_int_equal(s->status, 503);
    struct guest_stream *t = guest_ask(g, "GET", "/a", NULL, NULL);
    guest_talk(g);
    assert_int_equal(t->status, 200);
    b->memory_max = 0;
    struct guest_stream *u = guest_ask(g, "GET", "/hold", NULL, &large);
    guest_talk(g);
    assert_true(b->memory >= (int64_t)KIB(64));
    http_stream_release_request(b->held);
    http_stream_answer(b->held, 200, bench_fields(), S("here"));
    guest_talk(g);
    assert_int_equal(u->status, 200);
    assert_int_equal(b->memory, 0);
}

static void test_bad_requests(void **state)
{
    struct guest *g = *state;
    nghttp2_nv host = NV("host", "other"), coding = NV("content-encoding", "br");
    struct guest_stream *s = guest_ask(g, "GET", "/a", NULL, &host), *t = guest_ask(g, "POST", "/e", "x", &coding);
    guest_talk(g);
    assert_int_equal(s->status, 400);
    assert_int_equal(t->status, 415);
    struct guest_stream *u = guest_ask(g, "GET", "/a#b", NULL, NULL);
    guest_talk(g);
    assert_int_equal(u->status, 400);
}

static void test_concurrent_streams_are_bounded(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->options.limits.h2_streams_max = 4;
    http_server_set_options(b->server, &b->options);
    struct guest *g = guest_new(b);
    for (int i = 0; i < 10; i++) guest_ask(g, "GET", "/hold", NULL, NULL);
    guest_talk(g);
    assert_int_equal(http_server_stats_get(b->server)->streams, 4);
    guest_free(g);
    bench_free(b);
}

static void test_slow_body(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->options.limits.body_gap_ms = 20;
    http_server_set_options(b->server, &b->options);
    struct guest *g = guest_new(b);
    struct guest_stream *s = guest_ask(g, "POST", "/e", "begun", NULL);
    s->send_more = true;
    for (int i = 0; i < 5000 && !s->over; i++) guest_talk(g), bench_wait(b);
    assert_int_equal(s->status, 408);
    assert_str(buf_view(&b->events), "head POST /e ? @a\nbad request_timeout\nclosed whole\n");
    guest_free(g);
    bench_free(b);
}

/* A field block that is begun and not ended holds the connection no longer than a slow head of HTTP/1.1 would. */
static void test_slow_head(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->options.limits.head_ms = 20;
    http_server_set_options(b->server, &b->options);
    struct guest *g = guest_new(b);
    guest_talk(g);
    bench_send(b, S("\0\0\x03\x01\0\0\0\0\x01\x82\x86\x84"));
    assert_true(bench_until(b, bench_ended));
    assert_int_equal(http_server_stats_get(b->server)->streams, 0);
    assert_str(buf_view(&b->events), "");
    guest_free(g);
    bench_free(b);
}

static void test_idle_connection_is_told_to_go(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->options.limits.idle_ms = 20;
    http_server_set_options(b->server, &b->options);
    struct guest *g = guest_new(b);
    for (int i = 0; i < 5000 && !b->saw_end; i++) guest_talk(g), bench_wait(b);
    assert_true(g->goaway && g->goaway_error == NGHTTP2_NO_ERROR && b->saw_end);
    guest_free(g);
    bench_free(b);
}

/* ---- floods ------------------------------------------------------------------------------------------------------------------ */

static void flood_reset(struct guest *g)
{
    g->n = 0; /* their answers are of no interest */
    struct guest_stream *s = guest_ask(g, "GET", "/hold", NULL, NULL);
    guest_talk(g);
    nghttp2_submit_rst_stream(g->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
    guest_talk(g);
    buf_done(&s->fields);
    buf_done(&s->body);
    g->n = 0;
}

static void flood_ping(struct guest *g)
{
    for (int i = 0; i < 10; i++) nghttp2_submit_ping(g->session, NGHTTP2_FLAG_NONE, NULL);
    guest_talk(g);
}

static void flood_settings(struct guest *g)
{
    for (int i = 0; i < 10; i++) nghttp2_submit_settings(g->session, NGHTTP2_FLAG_NONE, NULL, 0);
    guest_talk(g);
}

static void flood_empty_data(struct guest *g)
{
    static const char FRAMES[] = "\0\0\0\0\0\0\0\0\x01"
                                 "\0\0\0\0\0\0\0\0\x01"
                                 "\0\0\0\0\0\0\0\0\x01";
    if (!g->n) guest_ask(g, "POST", "/e", "", NULL)->send_more = true;
    guest_talk(g);
    bench_send(g->bench, str_make(FRAMES, 27));
}

static void test_floods_end_the_connection(void **state)
{
    (void)state;
    static void (*const FLOODS[])(struct guest *) = {flood_reset, flood_ping, flood_settings, flood_empty_data};
    struct bench *b = bench_new();
    for (size_t i = 0; i < COUNTOF(FLOODS); i++) {
        struct guest *g = guest_new(b);
        guest_talk(g);
        for (int n = 0; n < 5000 && !b->saw_end; n++) FLOODS[i](g);
        assert_true(b->saw_end);
        assert_true(g->goaway);
        assert_int_equal(http_server_stats_get(b->server)->streams, 0);
        guest_free(g);
    }
    bench_free(b);
}

/* A field block that never ends, and one that unfolds to a hundred times its size. */
static void test_endless_continuation(void **state)
{
    struct guest *g = *state;
    struct bench *b = g->bench;
    guest_talk(g);
    bench_send(b, S("\0\0\x03\x01\0\0\0\0\x01\x82\x86\x84"));
    for (int i = 0; i < 100000 && !b->saw_end; i++) {
        bench_send(b, S("\0\0\x04\x09\0\0\0\0\x01\0\x01x\0"));
        bench_read(b);
    }
    assert_true(b->saw_end);
    assert_int_equal(http_server_stats_get(b->server)->streams, 0);
}

/* ---- drain ---------------------------------------------------------------------------------------------------------------------- */

static void test_drain(void **state)
{
    struct guest *g = *state;
    struct bench *b = g->bench;
    struct guest_stream *s = guest_ask(g, "GET", "/hold", NULL, NULL);
    guest_talk(g);
    http_stream_head(b->held, 200, bench_fields(), -1);
    http_stream_write(b->held, S("a"));
    guest_talk(g);
    http_server_drain(b->server, bench_on_empty);
    bench_turn(b);
    struct guest_stream *late = guest_ask(g, "GET", "/a", NULL, NULL); /* the client has not read the GOAWAY yet */
    guest_talk(g);
    assert_int_equal(late->status, 200);
    assert_true(g->goaway && g->goaway_error == NGHTTP2_NO_ERROR);
    assert_false(b->saw_end || b->emptied);
    http_stream_write(b->held, S("b"));
    guest_talk(g);
    http_stream_finish(b->held, S("c"));
    for (int i = 0; i < 5000 && !b->saw_end; i++) guest_talk(g), bench_wait(b);
    assert_str(buf_view(&s->body), "abc");
    assert_true(s->ended && b->saw_end);
    close(b->client);
    b->client = -1;
    bench_turn(b);
    assert_true(b->emptied);
}

static void test_free_aborts_what_is_left(void **state)
{
    struct guest *g = *state;
    struct bench *b = g->bench;
    guest_ask(g, "GET", "/hold", NULL, NULL);
    guest_talk(g);
    http_server_free(b->server);
    b->server = NULL;
    assert_str(buf_view(&b->events), "head GET /hold ? @a\nrequest 0 \nclosed broken\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        TEST_WITH_GUEST(test_any_cut_gives_the_same),
        TEST_WITH_GUEST(test_both_protocols_on_one_port),
        TEST_WITH_GUEST(test_100_continue),
        TEST_WITH_GUEST(test_early_answer_lets_the_body_end),
        TEST_WITH_GUEST(test_early_answer_stops_a_long_body),
        TEST_WITH_GUEST(test_broken_answers_are_seen),
        TEST_WITH_GUEST(test_reset_by_the_client),
        TEST_WITH_GUEST(test_client_goes_away),
        TEST_WITH_GUEST(test_flow_control_reaches_the_handler),
        cmocka_unit_test(test_client_that_gives_no_window),
        TEST_WITH_GUEST(test_large_body),
        cmocka_unit_test(test_limits),
        TEST_WITH_GUEST(test_memory_ceiling),
        TEST_WITH_GUEST(test_bad_requests),
        cmocka_unit_test(test_concurrent_streams_are_bounded),
        cmocka_unit_test(test_slow_body),
        cmocka_unit_test(test_slow_head),
        cmocka_unit_test(test_idle_connection_is_told_to_go),
        cmocka_unit_test(test_floods_end_the_connection),
        TEST_WITH_GUEST(test_endless_continuation),
        TEST_WITH_GUEST(test_drain),
        TEST_WITH_GUEST(test_free_aborts_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
