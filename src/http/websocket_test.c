/* Unit tests of WebSockets: the handshake, every rule about frames (cut anywhere), closing, deadlines, back-pressure, memory. */
#include "base/test.h"

#include "http/websocket_bench.h"

/* ---- handshake --------------------------------------------------------------------------------------------------------------- */

static void test_handshake(void **state)
{
    (void)state;
    struct sock k;
    sock_init(&k);
    bench_connect(k.b);
    bench_send(k.b, S(SOCK_SHAKE));
    bench_read(k.b);
    assert_str(bench_undated(k.b), "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                                   "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nx-a: 1\r\n\r\n"); /* RFC 6455 1.3 */
    assert_non_null(k.ws);
    assert_str(buf_view(&k.b->events), "");
    sock_done(&k);
}

#define REST HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define KEY "Sec-WebSocket-Key: " SOCK_KEY "\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

static void test_refused_handshakes(void **state)
{
    static const struct {
        const char *request;
        enum err code;
    } CASES[] = {
        {"GET /ws HTTP/1.1\r\n" HOST "\r\n", ERR_UPGRADE},
        {"GET /ws HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n" KEY VERSION "\r\n", ERR_UPGRADE},
        {"GET /ws HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n" KEY VERSION "\r\n", ERR_UPGRADE},
        {"GET /ws HTTP/1.0\r\n" REST KEY VERSION "\r\n", ERR_UPGRADE},
        {"GET /ws HTTP/1.1\r\n" REST KEY "\r\n", ERR_UPGRADE},
        {"GET /ws HTTP/1.1\r\n" REST KEY "Sec-WebSocket-Version: 8\r\n\r\n", ERR_UPGRADE},
        {"GET /ws HTTP/1.1\r\n" REST KEY VERSION VERSION "\r\n", ERR_UPGRADE},
        {"POST /ws HTTP/1.1\r\n" REST KEY VERSION "\r\n", ERR_BAD_HTTP},
        {"GET /ws HTTP/1.1\r\n" REST VERSION "\r\n", ERR_BAD_HTTP},
        {"GET /ws HTTP/1.1\r\n" REST KEY KEY VERSION "\r\n", ERR_BAD_HTTP},
        {"GET /ws HTTP/1.1\r\n" REST "Sec-WebSocket-Key: c2hvcnQ=\r\n" VERSION "\r\n", ERR_BAD_HTTP},
        {"GET /ws HTTP/1.1\r\n" REST "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n" VERSION "\r\n", ERR_BAD_HTTP},
        {"GET /ws HTTP/1.1\r\n" REST KEY VERSION "Content-Length: 1\r\n\r\nx", ERR_BAD_HTTP},
    };
    (void)state;
    struct sock k;
    sock_init(&k);
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        bench_connect(k.b);
        bench_send(k.b, str_z(CASES[i].request));
        bench_read(k.b);
        assert_int_equal(k.why.code, CASES[i].code);
        assert_null(k.ws);
        size_t at;
        bool tells = str_find(buf_view(&k.b->got), S("upgrade: websocket\r\n"), &at);
        assert_int_equal(tells, CASES[i].code == ERR_UPGRADE);
    }
    sock_done(&k);
}

/* Frames that come with the handshake, or in pieces with it, are not lost. */
static void test_frames_behind_the_handshake(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < sizeof SOCK_SHAKE + 10; cut += 7) {
        struct sock k;
        struct buf all;
        sock_init(&k);
        buf_init(&all, KIB(4));
        buf_str(&all, S(SOCK_SHAKE));
        sock_frame(&k, FIN | 1, S("early"));
        buf_str(&all, buf_view(&k.frames));
        bench_connect(k.b);
        bench_send(k.b, str_make(all.p, cut));
        bench_send(k.b, str_from(buf_view(&all), cut));
        assert_str(buf_view(&k.b->events), "message early\n");
        sock_done(&k);
        buf_done(&all);
    }
}

/* ---- frames ------------------------------------------------------------------------------------------------------------------ */

/* Sends k->frames in pieces of `step` bytes and says all that came of it. */
static struct str run(struct sock *k, size_t step)
{
    static struct buf out;
    struct str all = buf_view(&k->frames);
    if (!out.max) buf_init(&out, MIB(1));
    buf_clear(&out);
    buf_clear(&k->b->got);
    buf_clear(&k->b->events);
    for (size_t at = 0; at < all.n; at += step) bench_send(k->b, str_make(all.p + at, all.n - at < step ? all.n - at : step));
    buf_str(&out, buf_view(&k->b->events));
    buf_str(&out, S("--\n"));
    buf_str(&out, sock_got(k));
    return buf_view(&out);
}

/* The same whatever the cuts. */
static void expect(void (*make)(struct sock *k), const char *want)
{
    static const size_t STEPS[] = {1, 2, 3, 5, 7, 11, 64, MIB(1)};
    for (size_t i = 0; i < COUNTOF(STEPS); i++) {
        struct sock k;
        sock_init(&k);
        sock_open(&k);
        make(&k);
        assert_str_is(run(&k, STEPS[i]), str_z(want), __FILE__, (int)STEPS[i]);
        assert_int_equal(k.b->memory, 0);
        sock_done(&k);
    }
}

static void a_message(struct sock *k) { sock_frame(k, FIN | 1, S("Hello")); }
static void two_messages(struct sock *k) { a_message(k), sock_frame(k, FIN | 1, S("")); }
static void in_fragments(struct sock *k)
{
    sock_frame(k, 1, S("Hel"));
    sock_frame(k, 0, S(""));
    sock_frame(k, FIN | 9, S("amid"));
    sock_frame(k, 0, S("lo"));
    sock_frame(k, FIN | 0, S("!"));
    sock_frame(k, FIN | 1, S("next"));
}
static void utf8_across_frames(struct sock *k)
{
    sock_frame(k, 1, S("\xce"));
    sock_frame(k, 0, S("\xba\xf0\x9f"));
    sock_frame(k, FIN, S("\x8c\x8a"));
}
static void pings(struct sock *k)
{
    static char most[125];
    memset(most, 'p', sizeof most);
    sock_frame(k, FIN | 9, S(""));
    sock_frame(k, FIN | 9, S("a"));
    sock_frame(k, FIN | 10, S("never asked"));
    sock_frame(k, FIN | 9, str_make(most, sizeof most));
}

static void test_messages(void **state)
{
    (void)state;
    expect(a_message, "message Hello\n--\ntext Hello\n");
    expect(two_messages, "message Hello\nmessage \n--\ntext Hello\ntext \n");
    expect(in_fragments, "message Hello!\nmessage next\n--\npong amid\ntext Hello!\ntext next\n");
    expect(utf8_across_frames, "message \xce\xba\xf0\x9f\x8c\x8a\n--\ntext \xce\xba\xf0\x9f\x8c\x8a\n");
    expect(pings, "--\npong \npong a\npong of 125\n");
}

static void test_lengths(void **state)
{
    static const size_t SIZES[] = {125, 126, 127, 128, 4096, 65535, 65536, 300000};
    (void)state;
    struct sock k;
    struct buf text;
    sock_init(&k);
    buf_init(&text, MIB(1));
    sock_open(&k);
    for (size_t i = 0; i < COUNTOF(SIZES); i++) {
        while (text.n < SIZES[i]) buf_char(&text, 'x');
        buf_clear(&k.frames);
        sock_frame(&k, FIN | 1, buf_view(&text));
        (void)run(&k, MIB(1));
        for (int turns = 0; turns < 1000 && k.b->got.n < SIZES[i]; turns++) bench_turn(k.b), bench_read(k.b);
        char want[64];
        snprintf(want, sizeof want, "text of %zu\n", SIZES[i]);
        assert_str_is(sock_got(&k), str_z(want), __FILE__, __LINE__);
    }
    assert_int_equal(k.b->memory, 0);
    buf_done(&text);
    sock_done(&k);
}

/* ---- rules that are broken -------------------------------------------------------------------------------------------------- */

static void rsv1(struct sock *k) { sock_frame(k, FIN | 0x40 | 1, S("x")); }
static void rsv2(struct sock *k) { sock_frame(k, FIN | 0x20 | 1, S("")); }
static void rsv3_on_ping(struct sock *k) { sock_frame(k, FIN | 0x10 | 9, S("x")); }
static void opcode_3(struct sock *k) { sock_frame(k, FIN | 3, S("x")); }
static void opcode_7(struct sock *k) { sock_frame(k, FIN | 7, S("")); }
static void opcode_11(struct sock *k) { sock_frame(k, FIN | 11, S("x")); }
static void opcode_15(struct sock *k) { sock_frame(k, FIN | 15, S("")); }
static void long_ping(struct sock *k)
{
    static char most[126];
    sock_frame(k, FIN | 9, str_make(most, sizeof most));
}
static void ping_in_pieces(struct sock *k) { sock_frame(k, 9, S("x")); }
static void continues_nothing(struct sock *k) { sock_frame(k, FIN, S("x")); }
static void message_in_message(struct sock *k) { sock_frame(k, 1, S("x")), sock_frame(k, FIN | 1, S("y")); }
static void binary_in_message(struct sock *k) { sock_frame(k, 1, S("x")), sock_frame(k, FIN | 2, S("y")); }
static void not_masked(struct sock *k) { buf_str(&k->frames, S("\x81\x01x")); }
static void not_minimal(struct sock *k) { buf_add(&k->frames, "\x81\xfe\x00\x05maskhello", 13); }
static void not_minimal_8(struct sock *k) { buf_add(&k->frames, "\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff", 10); }
static void top_bit(struct sock *k) { buf_add(&k->frames, "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00", 10); }
static void binary(struct sock *k) { sock_frame(k, FIN | 2, S("x")); }
static void bad_utf8(struct sock *k) { sock_frame(k, FIN | 1, S("\xce\xba\xed\xa0\x80")); }
static void cut_utf8(struct sock *k) { sock_frame(k, 1, S("a")), sock_frame(k, FIN, S("\xf0\x9f\x8c")); }
static void huge(struct sock *k) { buf_add(&k->frames, "\x81\xff\x00\x00\x01\x00\x00\x00\x00\x00maskx", 15); }

static void test_broken_rules(void **state)
{
    static const struct {
        void (*make)(struct sock *k);
        const char *code;
    } CASES[] = {
        {rsv1, "1002"},
        {rsv2, "1002"},
        {rsv3_on_ping, "1002"},
        {opcode_3, "1002"},
        {opcode_7, "1002"},
        {opcode_11, "1002"},
        {opcode_15, "1002"},
        {long_ping, "1002"},
        {ping_in_pieces, "1002"},
        {continues_nothing, "1002"},
        {message_in_message, "1002"},
        {binary_in_message, "1002"},
        {not_masked, "1002"},
        {not_minimal, "1002"},
        {not_minimal_8, "1002"},
        {top_bit, "1002"},
        {binary, "1003"},
        {bad_utf8, "1007"},
        {cut_utf8, "1007"},
        {huge, "1009"},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        char want[64];
        snprintf(want, sizeof want, "closed\n--\nclose %s\n", CASES[i].code);
        expect(CASES[i].make, want);
    }
}

static void after_the_failure(struct sock *k)
{
    a_message(k);
    not_masked(k);
    a_message(k);
}

static void test_nothing_counts_behind_a_failure(void **state)
{
    (void)state;
    expect(after_the_failure, "message Hello\nclosed\n--\ntext Hello\nclose 1002\n");
}

static void test_message_limit(void **state)
{
    (void)state;
    struct sock k;
    sock_init(&k);
    k.b->options.limits.body_max = 10;
    http_server_set_options(k.b->server, &k.b->options);
    sock_open(&k);
    sock_frame(&k, 1, S("12345"));
    sock_frame(&k, FIN, S("67890"));
    assert_str(run(&k, 3), "message 1234567890\n--\ntext 1234567890\n");
    buf_clear(&k.frames);
    sock_frame(&k, 1, S("12345"));
    sock_frame(&k, FIN, S("67890+"));
    assert_str(run(&k, 3), "closed\n--\nclose 1009\n");
    sock_done(&k);
}

static void test_memory_ceiling(void **state)
{
    static char much[KIB(100)];
    (void)state;
    struct sock k;
    sock_init(&k);
    sock_open(&k);
    k.b->memory_max = KIB(64);
    memset(much, 'm', sizeof much);
    sock_frame(&k, 1, str_make(much, sizeof much));
    assert_str(run(&k, KIB(8)), "closed\n--\nclose 1013\n");
    assert_int_equal(k.b->memory, 0);
    sock_done(&k);
}

/* ---- closing ----------------------------------------------------------------------------------------------------------------- */

static void test_close_codes(void **state)
{
    static const struct {
        unsigned code;
        const char *want;
    } CASES[] = {
        {1000, "1000"}, {1001, "1001"}, {1002, "1002"}, {1003, "1003"}, {1007, "1007"}, {1011, "1011"},
        {1012, "1012"}, {1014, "1014"}, {3000, "3000"}, {3999, "3999"}, {4000, "4000"}, {4999, "4999"},
        {0, "1002"},    {999, "1002"},  {1004, "1002"}, {1005, "1002"}, {1006, "1002"}, {1015, "1002"},
        {1016, "1002"}, {1100, "1002"}, {2000, "1002"}, {2999, "1002"}, {5000, "1002"}, {65535, "1002"},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct sock k;
        char want[64];
        sock_init(&k);
        sock_open(&k);
        sock_close_frame(&k, CASES[i].code, S("because"));
        snprintf(want, sizeof want, "closed\n--\nclose %s\n", CASES[i].want);
        assert_str_is(run(&k, 1 + i % 3), str_z(want), __FILE__, (int)CASES[i].code);
        assert_true(k.b->saw_end); /* the server says its end first: RFC 6455 7.1.1 */
        sock_done(&k);
    }
}

static void close_empty(struct sock *k) { sock_frame(k, FIN | 8, S("")); }
static void close_of_one(struct sock *k) { sock_frame(k, FIN | 8, S("x")); }
static void close_bad_text(struct sock *k) { sock_close_frame(k, 1000, S("\xce\xba\xff")); }
static void close_good_text(struct sock *k) { sock_close_frame(k, 1000, S("\xce\xba\xf0\x9f\x8c\x8a")); }
static void close_amid(struct sock *k)
{
    sock_frame(k, 1, S("half"));
    sock_close_frame(k, 1001, S(""));
    sock_frame(k, FIN, S("late"));
}

static void test_close(void **state)
{
    (void)state;
    expect(close_empty, "closed\n--\nclose\n");
    expect(close_of_one, "closed\n--\nclose 1002\n");
    expect(close_bad_text, "closed\n--\nclose 1007\n");
    expect(close_good_text, "closed\n--\nclose 1000\n");
    expect(close_amid, "closed\n--\nclose 1001\n");
}

static void test_we_close(void **state)
{
    (void)state;
    struct sock k;
    sock_init(&k);
    sock_open(&k);
    http_ws_send(k.ws, S("last"));
    http_ws_close(k.ws, 1001, S("bye"));
    http_ws_send(k.ws, S("too late"));
    bench_turn(k.b);
    assert_str(sock_got(&k), "text last\nclose 1001\n");
    assert_str(buf_view(&k.b->events), "");
    a_message(&k); /* on its way when we closed: nobody hears it, and a ping needs no answer */
    sock_frame(&k, FIN | 9, S("x"));
    assert_str(run(&k, 4), "--\n");
    assert_false(k.b->saw_end);
    buf_clear(&k.frames);
    sock_close_frame(&k, 1001, S(""));
    assert_str(run(&k, 4), "closed\n--\n");
    assert_true(k.b->saw_end);
    sock_done(&k);
}

static void test_client_goes_without_a_word(void **state)
{
    (void)state;
    struct sock k;
    sock_init(&k);
    sock_open(&k);
    sock_frame(&k, 1, S("half"));
    (void)run(&k, 100);
    assert_true(k.b->memory > 0);
    close(k.b->client);
    k.b->client = -1;
    bench_turn(k.b);
    assert_str(buf_view(&k.b->events), "closed\n");
    assert_int_equal(k.b->memory, 0);
    assert_int_equal(http_server_stats_get(k.b->server)->connections, 0);
    sock_done(&k);
}

/* ---- deadlines ---------------------------------------------------------------------------------------------------------------- */

static bool got_something(struct bench *b) { return b->got.n > 0; }
static bool was_closed(struct bench *b) { return str_ends(buf_view(&b->events), S("closed\n")); }

static void test_heartbeat(void **state)
{
    (void)state;
    struct sock k;
    sock_init(&k);
    k.options.heartbeat_ms = 5;
    sock_open(&k);
    assert_true(bench_until(k.b, got_something));
    assert_true(str_starts(sock_got(&k), S("ping \n")));
    sock_done(&k);
}

static void test_idle(void **state)
{
    (void)state;
    struct sock k;
    sock_init(&k);
    k.options.idle_ms = 20;
    sock_open(&k);
    http_ws_busy(k.ws, true);
    for (int i = 0; i < 60; i++) bench_wait(k.b), bench_turn(k.b);
    assert_str(sock_got(&k), ""); /* an answer is under way */
    http_ws_busy(k.ws, false);
    assert_true(bench_until(k.b, got_something));
    assert_str(sock_got(&k), "close 1000\n");
    sock_done(&k);
}

static void test_slow_message(void **state)
{
    (void)state;
    struct sock k;
    sock_init(&k);
    k.b->options.limits.body_gap_ms = 10;
    http_server_set_options(k.b->server, &k.b->options);
    sock_open(&k);
    sock_frame(&k, 1, S("half"));
    bench_send(k.b, buf_view(&k.frames));
    assert_true(bench_until(k.b, was_closed));
    assert_str(sock_got(&k), "close 1008\n");
    sock_done(&k);
}

static void test_client_that_does_not_read(void **state)
{
    static char much[MIB(1)];
    (void)state;
    struct sock k;
    sock_init(&k);
    k.b->options.limits.write_gap_ms = 20;
    http_server_set_options(k.b->server, &k.b->options);
    memset(much, 'm', sizeof much);
    sock_open(&k);
    for (int i = 0; i < 4; i++) http_ws_send(k.ws, str_make(much, sizeof much));
    assert_true(http_ws_queued(k.ws) > HTTP_QUEUE_HIGH);
    assert_false(k.b->server->conns->link.reading); /* nothing more is asked of us meanwhile */
    for (int i = 0; i < 5000 && k.ws; i++) bench_turn(k.b), poll(NULL, 0, 1);
    assert_null(k.ws);
    sock_done(&k);
}

static void test_back_pressure(void **state)
{
    static char much[MIB(1)];
    (void)state;
    struct sock k;
    sock_init(&k);
    memset(much, 'm', sizeof much);
    sock_open(&k);
    http_ws_send(k.ws, str_make(much, sizeof much));
    assert_true(http_ws_queued(k.ws) > 0);
    a_message(&k);
    bench_send(k.b, buf_view(&k.frames));
    for (int i = 0; i < 1000 && http_ws_queued(k.ws); i++) bench_read(k.b), bench_turn(k.b);
    bench_turn(k.b);
    assert_true(k.b->writable > 0);
    assert_str(sock_got(&k), "text of 1048576\ntext Hello\n");
    assert_str(buf_view(&k.b->events), "message Hello\n");
    sock_done(&k);
}

/* ---- the server's end ---------------------------------------------------------------------------------------------------------- */

static void test_drain(void **state)
{
    (void)state;
    struct sock k;
    sock_init(&k);
    sock_open(&k);
    http_server_drain(k.b->server, bench_on_empty);
    bench_turn(k.b);
    assert_str(buf_view(&k.b->events), "drain\n");
    assert_str(sock_got(&k), "close 1012\n");
    assert_false(k.b->emptied);
    sock_close_frame(&k, 1012, S(""));
    (void)run(&k, 100);
    shutdown(k.b->client, SHUT_WR);
    bench_turn(k.b);
    assert_true(k.b->emptied);
    sock_done(&k);
}

static void test_server_freed(void **state)
{
    (void)state;
    struct sock k;
    sock_init(&k);
    sock_open(&k);
    sock_frame(&k, 1, S("half"));
    (void)run(&k, 100);
    http_server_free(k.b->server);
    assert_str(buf_view(&k.b->events), "closed\n");
    assert_int_equal(k.b->memory, 0);
    k.b->server = NULL;
    sock_done(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_refused_handshakes),
        cmocka_unit_test(test_frames_behind_the_handshake),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_broken_rules),
        cmocka_unit_test(test_nothing_counts_behind_a_failure),
        cmocka_unit_test(test_message_limit),
        cmocka_unit_test(test_memory_ceiling),
        cmocka_unit_test(test_close_codes),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_we_close),
        cmocka_unit_test(test_client_goes_without_a_word),
        cmocka_unit_test(test_heartbeat),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_slow_message),
        cmocka_unit_test(test_client_that_does_not_read),
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_server_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
