/* Unit tests of request bodies that the handler takes in pieces: whole over both protocols, bounded, and resting when asked to. */
#include "base/test.h"

#include "http/h2_bench.h"

#define SIZE (MIB(3) + 17)
#define ASKED "head POST /pass ? @a\n"

static char body[SIZE];

static struct bench *bench_for_bodies(void)
{
    struct bench *b = bench_new();
    for (size_t i = 0; i < SIZE; i++) body[i] = (char)(i * 31 + i / 1000);
    b->options.limits.body_max = KIB(1);
    b->options.limits.pass_max = SIZE;
    http_server_set_options(b->server, &b->options);
    return b;
}

static void assert_whole(const struct bench *b)
{
    assert_int_equal(b->passed, SIZE);
    assert_int_equal(b->passed_crc, crc32c(0, body, SIZE));
}

static void send_head(struct bench *b, const char *path, size_t length)
{
    char head[128];
    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", path, length);
    bench_send(b, str_z(head));
}

static void test_whole_in_pieces(void **state)
{
    (void)state;
    for (int chunked = 0; chunked < 2; chunked++) {
        struct bench *b = bench_for_bodies();
        char head[128];
        bench_connect(b);
        snprintf(head, sizeof head, "POST /pass HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", (size_t)SIZE);
        if (chunked) bench_send(b, str_z(head));
        else send_head(b, "/pass", SIZE);
        bench_send(b, str_make(body, SIZE));
        assert_int_equal(b->memory, 0);
        if (chunked) bench_send(b, S("\r\n0\r\n\r\n"));
        bench_read(b);
        assert_whole(b);
        assert_str(buf_view(&b->events), ASKED "request 0 \nclosed whole\n");
        send_head(b, "/pass", 0); /* the connection goes on */
        assert_str(buf_view(&b->events), ASKED "request 0 \nclosed whole\n" ASKED "request 0 \nclosed whole\n");
        bench_free(b);
    }
}

static void test_limits(void **state)
{
    (void)state;
    static const struct {
        const char *request, *events;
    } CASES[] = {
        {"POST /pass HTTP/1.1\r\n" HOST "Content-Length: 3145746\r\n\r\n", "bad body_too_large\nclosed whole\n"},
        {"POST /a HTTP/1.1\r\n" HOST "Content-Length: 1025\r\n\r\n", "head POST /a ? @a\nbad body_too_large\nclosed whole\n"},
        {"POST /pass HTTP/1.1\r\n" HOST "Content-Length: 9\r\nContent-Encoding: gzip\r\n\r\n",
         ASKED "bad unsupported_content_encoding\nclosed whole\n"},
        {"POST /pass HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\nx\r\n",
         ASKED "bad bad_http\nclosed whole\n"},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct bench *b = bench_for_bodies();
        bench_connect(b);
        bench_send(b, str_z(CASES[i].request));
        bench_read(b);
        if (!str_eq(buf_view(&b->events), str_z(CASES[i].events))) fail_msg("%s: %s", CASES[i].request, buf_z(&b->events));
        bench_free(b);
    }
}

static void test_too_long_a_chunked_body(void **state)
{
    (void)state;
    struct bench *b = bench_for_bodies();
    bench_connect(b);
    bench_send(b, S("POST /pass HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nffffff\r\n"));
    bench_send(b, str_make(body, SIZE));
    bench_send(b, S("x"));
    assert_str(buf_view(&b->events), ASKED "bad body_too_large\nclosed whole\n");
    bench_free(b);
}

/* What the kernel takes without anybody reading it. */
static size_t push(struct bench *b, size_t from)
{
    ssize_t n;
    for (int quiet = 0; quiet < 50; quiet++) {
        while (from < SIZE && (n = send(b->client, body + from, SIZE - from, MSG_NOSIGNAL)) > 0) {
            from += (size_t)n;
            quiet = 0;
            bench_turn(b);
        }
        bench_turn(b);
    }
    return from;
}

static void test_rest(void **state)
{
    (void)state;
    struct bench *b = bench_for_bodies();
    b->rests = true;
    bench_connect(b);
    send_head(b, "/pass", SIZE);
    size_t sent = push(b, 0);
    assert_true(sent < SIZE && b->passed > 0 && b->passed <= LOOP_SCRATCH);
    for (int rounds = 0; sent < SIZE || b->passed < SIZE; rounds++) {
        assert_true(rounds < 10000);
        size_t before = b->passed;
        http_stream_rest_body(b->held, false);
        sent = push(b, sent);
        assert_true(b->passed <= before + LOOP_SCRATCH);
    }
    assert_whole(b);
    assert_str(buf_view(&b->events), ASKED "request 0 \nclosed whole\n");
    bench_free(b);
}

/* Whoever rests with a body's last piece does not say any more that it goes on: the next request is read all the same. */
static void test_rest_at_the_end(void **state)
{
    (void)state;
    struct bench *b = bench_for_bodies();
    b->rests = true;
    bench_connect(b);
    send_head(b, "/pass", 5);
    bench_send(b, S("hello"));
    assert_str(buf_view(&b->events), ASKED "request 0 \nclosed whole\n");
    buf_clear(&b->events);
    bench_send(b, S("GET /a HTTP/1.1\r\n" HOST "\r\n"));
    assert_str(buf_view(&b->events), "head GET /a ? @a\nrequest 0 \nclosed whole\n");
    bench_free(b);
}

static bool is_refused(struct bench *b) { return b->events.n > sizeof ASKED - 1; }

/* Resting is ours, silence is the client's. */
static void test_rest_stops_the_clock(void **state)
{
    (void)state;
    struct bench *b = bench_for_bodies();
    b->options.limits.body_gap_ms = 50;
    http_server_set_options(b->server, &b->options);
    b->rests = true;
    bench_connect(b);
    send_head(b, "/pass", SIZE);
    bench_send(b, S("abc"));
    for (uint64_t end = clock_mono_ns() + 200000000; clock_mono_ns() < end; bench_wait(b)) bench_turn(b);
    assert_str(buf_view(&b->events), ASKED);
    http_stream_rest_body(b->held, false);
    assert_true(bench_until(b, is_refused));
    assert_str(buf_view(&b->events), ASKED "bad request_timeout\nclosed whole\n");
    bench_free(b);
}

static void test_client_goes_away_while_it_rests(void **state)
{
    (void)state;
    struct bench *b = bench_for_bodies();
    b->rests = true;
    bench_connect(b);
    send_head(b, "/pass", SIZE);
    push(b, 0);
    shutdown(b->client, SHUT_RDWR);
    close(b->client);
    b->client = -1;
    for (int i = 0; i < 20000 && !is_refused(b); i++) bench_turn(b);
    assert_str(buf_view(&b->events), ASKED "closed broken\n");
    bench_free(b);
}

static void test_http2(void **state)
{
    (void)state;
    struct bench *b = bench_for_bodies();
    struct guest *g = guest_new(b);
    struct guest_stream *s = guest_ask(g, "POST", "/pass", "", NULL);
    s->send = str_make(body, SIZE);
    b->rests = true;
    guest_talk(g);
    assert_true(b->passed > 0 && b->passed <= KIB(256) + 1); /* the window that every stream begins with */
    for (int rounds = 0; b->passed < SIZE; rounds++) {
        assert_true(rounds < 10000);
        size_t before = b->passed;
        http_stream_rest_body(b->held, false);
        guest_talk(g);
        assert_true(b->passed <= before + KIB(256) + 1);
    }
    assert_whole(b);
    assert_int_equal(s->status, 200);
    assert_str(buf_view(&b->events), ASKED "request 0 \nclosed whole\n");
    guest_free(g);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_in_pieces),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_too_long_a_chunked_body),
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_rest_stops_the_clock),
        cmocka_unit_test(test_rest_at_the_end),
        cmocka_unit_test(test_client_goes_away_while_it_rests),
        cmocka_unit_test(test_http2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
