/* Unit tests of the server on HTTP/1.1: limits, deadlines, the client going away, output and back-pressure, drain. */
#include "base/test.h"

#include "http/server_bench.h"

/* ---- limits ------------------------------------------------------------------------------------------------------------- */

static void send_long_head(struct bench *b, size_t n)
{
    struct buf head;
    buf_init(&head, MIB(1));
    buf_str(&head, S("GET / HTTP/1.1\r\n" HOST "X: "));
    while (head.n < n - 4) buf_char(&head, 'x');
    buf_str(&head, S("\r\n\r\n"));
    bench_send(b, buf_view(&head));
    buf_done(&head);
    bench_read(b);
}

static void test_head_limit(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->options.limits.head_max = 2000;
    http_server_set_options(b->server, &b->options);
    bench_connect(b);
    send_long_head(b, 2000);
    assert_str(buf_view(&b->events), "head GET / ? @a\nrequest 0 \nclosed whole\n");
    bench_connect(b);
    send_long_head(b, 2001);
    assert_str(buf_view(&b->events), "bad head_too_large\nclosed whole\n");
    assert_true(b->saw_end);
    bench_free(b);
}

static void test_fields_limit(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->options.limits.fields_max = 3;
    http_server_set_options(b->server, &b->options);
    bench_connect(b);
    bench_send(b, S("GET / HTTP/1.1\r\n" HOST "A: 1\r\nB: 2\r\n\r\n"));
    assert_str(buf_view(&b->events), "head GET / ? @a\nrequest 0 \nclosed whole\n");
    bench_connect(b);
    bench_send(b, S("GET / HTTP/1.1\r\n" HOST "A: 1\r\nB: 2\r\nC: 3\r\n\r\n"));
    assert_str(buf_view(&b->events), "bad head_too_large\nclosed whole\n");
    bench_free(b);
}

static void test_chunk_extension_without_end(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1;a="));
    struct buf x;
    buf_init(&x, MIB(1));
    while (x.n < KIB(80)) buf_char(&x, 'x');
    bench_send(b, buf_view(&x));
    buf_done(&x);
    assert_str(buf_view(&b->events), "head POST / ? @a\nbad bad_http\nclosed whole\n");
    bench_free(b);
}

static void test_large_bodies_arrive_whole(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct buf body;
    buf_init(&body, MIB(8));
    while (body.n < MIB(3) + 17) buf_u64(&body, body.n);
    for (int chunked = 0; chunked < 2; chunked++) {
        char head[128];
        bench_connect(b);
        if (chunked) snprintf(head, sizeof head, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", body.n);
        else snprintf(head, sizeof head, "POST / HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", body.n);
        bench_send(b, str_z(head));
        bench_send(b, buf_view(&body));
        if (chunked) bench_send(b, S("\r\n0\r\n\r\n"));
        for (int i = 0; i < 1000 && b->got.n < body.n; i++) bench_turn(b), bench_read(b);
        assert_true(str_ends(buf_view(&b->got), buf_view(&body)));
        assert_int_equal(b->memory, 0);
    }
    buf_done(&body);
    bench_free(b);
}

/* A client may promise much: memory is taken only as bytes come. */
static void test_content_length_is_not_believed(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("POST / HTTP/1.1\r\n" HOST "Content-Length: 30000000\r\n\r\nx"));
    assert_true(b->memory > 0 && b->memory <= (int64_t)KIB(256));
    bench_free(b);
}

static void test_memory_ceiling(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->memory_max = 1000;
    bench_connect(b);
    bench_send(b, S("POST / HTTP/1.1\r\n" HOST "Content-Length: 2000\r\n\r\nx"));
    bench_read(b);
    assert_str(buf_view(&b->events), "head POST / ? @a\nbad overloaded\nclosed whole\n");
    assert_true(str_starts(buf_view(&b->got), S("HTTP/1.1 503 ")));
    assert_int_equal(b->memory, 0);
    bench_free(b);
}

#define CROWD 8

/* Heads that never end are held too: they count, and when there is no more room the next one is refused. */
static void test_memory_ceiling_counts_heads(void **state)
{
    (void)state;
    static char part[KIB(40)];
    struct bench *b = bench_new();
    int clients[CROWD];
    b->memory_max = (int64_t)KIB(256);
    memset(part, 'x', sizeof part);
    for (int i = 0; i < CROWD; i++) {
        bench_connect(b);
        bench_send(b, S("GET / HTTP/1.1\r\n" HOST "X: "));
        bench_send(b, str_make(part, sizeof part));
        clients[i] = b->client;
        b->client = -1; /* stays connected */
    }
    assert_true(b->memory >= (int64_t)KIB(128) && b->memory <= b->memory_max);
    assert_str(buf_view(&b->events), "bad overloaded\nclosed whole\n"); /* the last one's */
    for (int i = 0; i < CROWD; i++) close(clients[i]);
    for (int i = 0; i < 20000 && http_server_stats_get(b->server)->connections; i++) bench_turn(b);
    assert_int_equal(b->memory, 0);
    bench_connect(b);
    bench_send(b, S("GET / HTTP/1.1\r\n" HOST "\r\n"));
    assert_str(buf_view(&b->events), "head GET / ? @a\nrequest 0 \nclosed whole\n");
    bench_free(b);
}

/* So do answers that a client does not take, and what is pipelined behind them. */
static void test_memory_ceiling_counts_buffers(void **state)
{
    (void)state;
    static char much[MIB(2)];
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    memset(much, '\n', sizeof much);
    bench_send(b, str_make(much, KIB(80)));
    assert_true(b->memory >= (int64_t)KIB(64));
    int64_t before = b->memory;
    http_stream_answer(b->held, 200, bench_fields(), str_make(much, sizeof much));
    assert_true(b->memory >= before + (int64_t)MIB(1));
    for (int i = 0; i < 20000 && b->memory; i++) bench_turn(b), bench_read(b);
    assert_int_equal(b->memory, 0);
    assert_int_equal(http_server_stats_get(b->server)->connections, 1);
    bench_free(b);
}

static void test_slow_clients(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->options.limits.head_ms = b->options.limits.body_gap_ms = 20;
    http_server_set_options(b->server, &b->options);
    bench_connect(b);
    bench_send(b, S("GET / HT"));
    assert_true(bench_until(b, bench_ended));
    assert_str(buf_view(&b->events), "bad request_timeout\nclosed whole\n");
    assert_true(str_starts(buf_view(&b->got), S("HTTP/1.1 408 ")));
    bench_connect(b);
    bench_send(b, S("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab"));
    assert_true(bench_until(b, bench_ended));
    assert_str(buf_view(&b->events), "head POST / ? @a\nbad request_timeout\nclosed whole\n");
    bench_free(b);
}

/* One byte at a time resets the gap but not the patience. */
static void test_dripping_body(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->options.limits.body_gap_ms = 50;
    http_server_set_options(b->server, &b->options);
    bench_connect(b);
    bench_send(b, S("POST / HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n"));
    for (int i = 0; i < 5000 && !b->saw_end; i++) {
        bench_send(b, S("x"));
        bench_read(b);
        poll(NULL, 0, 10);
    }
    assert_str(buf_view(&b->events), "head POST / ? @a\nbad request_timeout\nclosed whole\n");
    bench_free(b);
}

static void test_idle_connection_is_closed(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->options.limits.idle_ms = 20;
    http_server_set_options(b->server, &b->options);
    bench_connect(b);
    assert_true(bench_until(b, bench_ended));
    assert_str(buf_view(&b->events), "");
    assert_int_equal(b->got.n, 0);
    bench_free(b);
}

/* ---- the client goes away ------------------------------------------------------------------------------------------------- */

static void test_client_gone_while_waiting(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    assert_non_null(b->held);
    shutdown(b->client, SHUT_WR); /* half-closed is gone */
    bench_turn(b);
    assert_str(buf_view(&b->events), "head GET /hold ? @a\nrequest 0 \nclosed broken\n");
    assert_int_equal(http_server_stats_get(b->server)->connections, 0);
    assert_int_equal(http_server_stats_get(b->server)->streams, 0);
    bench_free(b);
}

static void test_client_gone_while_streaming(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    http_stream_head(b->held, 200, bench_fields(), -1);
    http_stream_write(b->held, S("x"));
    bench_turn(b);
    close(b->client);
    b->client = -1;
    bench_turn(b);
    assert_str(buf_view(&b->events), "head GET /hold ? @a\nrequest 0 \nclosed broken\n");
    bench_free(b);
}

/* What the handler says after the client went, and before it is told so, goes nowhere. */
static void test_writing_to_a_client_that_is_gone(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    close(b->client);
    b->client = -1;
    http_stream_head(b->held, 200, bench_fields(), -1);
    http_stream_write(b->held, S("x"));
    http_stream_write(b->held, S("y"));
    http_stream_finish(b->held, S("z"));
    assert_str(buf_view(&b->events), "head GET /hold ? @a\nrequest 0 \n");
    bench_turn(b);
    assert_str(buf_view(&b->events), "head GET /hold ? @a\nrequest 0 \nclosed broken\n");
    bench_free(b);
}

static void test_client_gone_in_a_body(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("POST / HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nabc"));
    close(b->client);
    b->client = -1;
    bench_turn(b);
    assert_str(buf_view(&b->events), "head POST / ? @a\nclosed broken\n");
    assert_int_equal(b->memory, 0);
    bench_free(b);
}

/* ---- output ------------------------------------------------------------------------------------------------------------------ */

static void test_head_alone_leaves_at_the_end_of_the_turn(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    http_stream_head(b->held, 200, bench_fields(), -1);
    bench_read(b);
    assert_int_equal(b->got.n, 0);
    bench_turn(b);
    bench_read(b);
    assert_str(bench_undated(b), OK_HEAD "transfer-encoding: chunked\r\n\r\n");
    http_stream_finish(b->held, S(""));
    bench_turn(b);
    bench_read(b);
    assert_true(str_ends(buf_view(&b->got), S("\r\n0\r\n\r\n")));
    bench_free(b);
}

static struct str packet(struct bench *b)
{
    char room[4096];
    ssize_t n = recv(b->client, room, sizeof room, 0);
    buf_clear(&b->got);
    buf_add(&b->got, room, n > 0 ? (size_t)n : 0);
    return bench_undated(b);
}

static void test_one_send_each(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->kind = SOCK_SEQPACKET;
    bench_connect(b);
    bench_send(b, S("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"));
    assert_str(packet(b), OK_HEAD "content-length: 3\r\n\r\nabc");
    bench_send(b, S("GET /stream HTTP/1.1\r\n" HOST "\r\n"));
    assert_str(packet(b), OK_HEAD "transfer-encoding: chunked\r\n\r\n3\r\none\r\n");
    assert_str(packet(b), "6\r\ntwotwo\r\n");
    assert_str(packet(b), "5\r\nthree\r\n0\r\n\r\n");
    assert_str(packet(b), "");
    bench_send(b, S("GET /known HTTP/1.1\r\n" HOST "\r\n"));
    assert_str(packet(b), OK_HEAD "content-length: 6\r\n\r\nabc");
    assert_str(packet(b), "def");
    bench_free(b);
}

static void test_fields_cannot_split_an_answer(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    const struct http_field fields[] = {
        {S("x-good"), S("v")},
        {S("x-bad"), S("a\r\nset-cookie: b")},
        {S("x bad"), S("v")},
        {S("Content-Length"), S("5")},
    };
    http_stream_answer(b->held, 200, (struct http_fields){fields, COUNTOF(fields)}, S(""));
    bench_turn(b);
    bench_read(b);
    assert_str(bench_undated(b), "HTTP/1.1 200 OK\r\nx-good: v\r\ncontent-length: 0\r\n\r\n");
    bench_free(b);
}

#define PIECE KIB(4)
/* A handler that follows the rules: 100 MB to a client that reads a little at a time. */
static void test_slow_reader_bounds_the_queue(void **state)
{
    (void)state;
    static char piece[PIECE], room[KIB(64)];
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    http_stream_head(b->held, 200, bench_fields(), (int64_t)MIB(100));
    size_t sent = 0, got = 0, most = 0;
    struct http_stream *s = b->held;
    while (b->held || got < sent) {
        unsigned told = b->writable;
        while (b->held && sent < MIB(100) && http_stream_queued(s) < HTTP_QUEUE_HIGH) {
            size_t queued = http_stream_write(s, str_make(piece, PIECE));
            sent += PIECE;
            most = queued > most ? queued : most;
        }
        if (b->held && sent == MIB(100) && told != UINT32_MAX) http_stream_finish(s, S(""));
        ssize_t n = recv(b->client, room, got < MIB(1) ? 1024 : sizeof room, 0);
        if (n > 0) got += (size_t)n;
        bench_turn(b);
    }
    assert_true(got > MIB(100));
    assert_true(most <= HTTP_QUEUE_HIGH + PIECE);
    assert_true(b->writable > 100);
    assert_true(str_ends(buf_view(&b->events), S("closed whole\n")));
    bench_free(b);
}

static void test_client_that_takes_nothing(void **state)
{
    (void)state;
    static char much[MIB(1)];
    struct bench *b = bench_new();
    b->options.limits.write_gap_ms = 20;
    http_server_set_options(b->server, &b->options);
    bench_connect(b);
    bench_send(b, S("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    http_stream_answer(b->held, 200, bench_fields(), str_make(much, sizeof much));
    for (int i = 0; i < 5000 && b->held; i++) bench_turn(b), poll(NULL, 0, 1);
    assert_str(buf_view(&b->events), "head GET /hold ? @a\nrequest 0 \nclosed broken\n");
    bench_free(b);
}

static void test_pipelining_is_bounded(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    size_t sent = 0;
    const struct str next = S("GET /next HTTP/1.1\r\n" HOST "\r\n");
    for (int idle = 0; idle < 10;) {
        ssize_t n = send(b->client, next.p, next.n, MSG_NOSIGNAL);
        if (n > 0) sent += (size_t)n;
        idle = n > 0 ? 0 : idle + 1;
        bench_turn(b);
        if (n > 0 && (size_t)n < next.n) break;
    }
    assert_true(sent < MIB(4)); /* ours and the kernel's */
    http_stream_answer(b->held, 200, bench_fields(), S("held"));
    for (int i = 0; i < 2000; i++) bench_turn(b), bench_read(b);
    assert_int_equal(http_server_stats_get(b->server)->requests, 1 + sent / next.n);
    bench_free(b);
}

/* So much is pipelined that nothing more is read; the client's end is noticed all the same. */
static void test_client_that_goes_away_behind_its_pipeline(void **state)
{
    (void)state;
    static char more[KIB(96)];
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    memset(more, '\n', sizeof more);
    bench_send(b, str_make(more, sizeof more));
    assert_false(b->server->conns->link.reading);
    close(b->client);
    b->client = -1;
    for (int i = 0; i < 20000 && http_server_stats_get(b->server)->connections; i++) bench_turn(b);
    assert_str(buf_view(&b->events), "head GET /hold ? @a\nrequest 0 \nclosed broken\n");
    bench_free(b);
}

/* ---- drain --------------------------------------------------------------------------------------------------------------------- */

static void test_drain(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    http_server_drain(b->server, bench_on_empty);
    bench_turn(b);
    assert_false(b->emptied);
    http_stream_answer(b->held, 200, bench_fields(), S("bye"));
    bench_turn(b);
    bench_read(b);
    assert_str(bench_undated(b), OK_HEAD "connection: close\r\ncontent-length: 3\r\n\r\nbye");
    assert_true(b->saw_end);
    assert_true(b->emptied);
    bench_free(b);
}

static bool is_emptied(struct bench *b) { return b->emptied; }

static void test_drain_closes_idle_connections(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("GET /a HTTP/1.1\r\n" HOST "\r\n"));
    http_server_drain(b->server, bench_on_empty);
    assert_false(b->emptied);
    assert_true(bench_until(b, is_emptied));
    assert_true(b->saw_end);
    bench_free(b);
}

/* A request that was on its way when the drain began is served, and is the connection's last. */
static void test_drain_serves_what_is_on_its_way(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("GET /a HTTP/1.1\r\n" HOST "\r\n"));
    http_server_drain(b->server, bench_on_empty);
    bench_read(b);
    buf_clear(&b->got);
    bench_send(b, S("GET /a HTTP/1.1\r\n" HOST "\r\n"));
    bench_read(b);
    assert_str(bench_undated(b), OK_HEAD "connection: close\r\ncontent-length: 6\r\n\r\nhello\n");
    assert_true(b->saw_end && b->emptied);
    bench_free(b);
}

static void test_drain_waits_as_long_as_its_options_say(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->options.limits.drain_ms = 600000;
    http_server_set_options(b->server, &b->options);
    bench_connect(b);
    bench_send(b, S("GET /a HTTP/1.1\r\n" HOST "\r\n"));
    http_server_drain(b->server, bench_on_empty);
    usleep(700000); /* more than the default */
    bench_read(b);
    assert_false(b->emptied || b->saw_end);
    buf_clear(&b->got);
    bench_send(b, S("GET /a HTTP/1.1\r\n" HOST "\r\n"));
    bench_read(b);
    assert_str(bench_undated(b), OK_HEAD "connection: close\r\ncontent-length: 6\r\n\r\nhello\n");
    bench_free(b);
}

static void test_new_options_hold_for_the_next_request(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("GET /a HTTP/1.1\r\n" HOST "\r\n"));
    b->options.path_prefix = S("/llm");
    http_server_set_options(b->server, &b->options);
    buf_clear(&b->events);
    bench_send(b, S("GET /llm/a HTTP/1.1\r\n" HOST "\r\n"));
    assert_str(buf_view(&b->events), "head GET /a ? @a\nrequest 0 \nclosed whole\n");
    bench_free(b);
}

static void test_drain_lets_an_open_stream_end(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    http_stream_head(b->held, 200, bench_fields(), -1);
    http_stream_write(b->held, S("a"));
    bench_turn(b);
    http_server_drain(b->server, bench_on_empty);
    bench_turn(b);
    http_stream_write(b->held, S("b"));
    bench_turn(b);
    assert_false(b->emptied);
    http_stream_finish(b->held, S("c"));
    assert_true(bench_until(b, is_emptied));
    assert_true(str_ends(buf_view(&b->got), S("1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")));
    assert_true(b->saw_end);
    bench_free(b);
}

static void test_free_aborts_what_is_left(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    bench_connect(b);
    bench_send(b, S("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    http_server_free(b->server);
    b->server = NULL;
    assert_str(buf_view(&b->events), "head GET /hold ? @a\nrequest 0 \nclosed broken\n");
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_limit),
        cmocka_unit_test(test_fields_limit),
        cmocka_unit_test(test_chunk_extension_without_end),
        cmocka_unit_test(test_large_bodies_arrive_whole),
        cmocka_unit_test(test_content_length_is_not_believed),
        cmocka_unit_test(test_memory_ceiling),
        cmocka_unit_test(test_memory_ceiling_counts_heads),
        cmocka_unit_test(test_memory_ceiling_counts_buffers),
        cmocka_unit_test(test_slow_clients),
        cmocka_unit_test(test_dripping_body),
        cmocka_unit_test(test_idle_connection_is_closed),
        cmocka_unit_test(test_client_gone_while_waiting),
        cmocka_unit_test(test_client_gone_while_streaming),
        cmocka_unit_test(test_writing_to_a_client_that_is_gone),
        cmocka_unit_test(test_client_gone_in_a_body),
        cmocka_unit_test(test_head_alone_leaves_at_the_end_of_the_turn),
        cmocka_unit_test(test_one_send_each),
        cmocka_unit_test(test_fields_cannot_split_an_answer),
        cmocka_unit_test(test_slow_reader_bounds_the_queue),
        cmocka_unit_test(test_client_that_takes_nothing),
        cmocka_unit_test(test_pipelining_is_bounded),
        cmocka_unit_test(test_client_that_goes_away_behind_its_pipeline),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_closes_idle_connections),
        cmocka_unit_test(test_drain_serves_what_is_on_its_way),
        cmocka_unit_test(test_drain_waits_as_long_as_its_options_say),
        cmocka_unit_test(test_drain_lets_an_open_stream_end),
        cmocka_unit_test(test_new_options_hold_for_the_next_request),
        cmocka_unit_test(test_free_aborts_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
