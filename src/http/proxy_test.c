/* Unit tests of who the client is: networks, X-Forwarded-For, PROXY v2, the path prefix. */
#include "base/test.h"

#include "http/server_bench.h"

static struct http_network network(const char *text)
{
    struct http_network n;
    assert_int_equal(http_network_parse(str_z(text), &n, NULL), OK);
    return n;
}

static bool has(const char *net, uint32_t ip)
{
    struct http_network n = network(net);
    struct peer p;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ip)};
    peer_set(&p, (const struct sockaddr *)(const void *)&sa);
    return peer_is_in(p.addr, &n, 1);
}

static void test_networks(void **state)
{
    (void)state;
    assert_true(has("10.0.0.0/8", 0x0a010203));
    assert_false(has("10.0.0.0/8", 0x0b010203));
    assert_true(has("10.1.2.3", 0x0a010203));
    assert_false(has("10.1.2.3", 0x0a010204));
    assert_true(has("10.1.2.0/23", 0x0a0103ff));
    assert_false(has("10.1.2.0/23", 0x0a010401));
    assert_true(has("0.0.0.0/0", 0xffffffff));
    assert_true(has("::/0", 0x01020304));
    assert_true(has("::ffff:10.0.0.0/104", 0x0a010203));
    assert_false(has("fd00::/8", 0x0a010203));
    static const char *const WRONG[] = {"", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "fd00::/129", "a/8", "/8"};
    for (size_t i = 0; i < COUNTOF(WRONG); i++) {
        struct http_network n;
        struct fault why;
        assert_int_equal(http_network_parse(str_z(WRONG[i]), &n, &why), ERR_PARSE);
        assert_true(why.text[0]);
    }
}

/* What the request's peer is, with 10.0.0.0/8 and fd00::/8 trusted. */
static const struct {
    uint32_t from;
    const char *fields, *want;
} FORWARDED[] = {
    {0xcb007107, "", "203.0.113.7"},
    {0xcb007107, "X-Forwarded-For: 1.2.3.4\r\n", "203.0.113.7"}, /* not from a proxy of ours */
    {0x0a000001, "", "10.0.0.1"},
    {0x0a000001, "X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4"},
    {0x0a000001, "x-forwarded-for:1.2.3.4\r\n", "1.2.3.4"},
    {0x0a000001, "X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n", "1.2.3.4"}, /* the client may write the first */
    {0x0a000001, "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.2\r\n", "1.2.3.4"},
    {0x0a000001, "X-Forwarded-For: 6.6.6.6,1.2.3.4\r\nX-Forwarded-For: 10.0.0.2, fd00::1\r\n", "1.2.3.4"},
    {0x0a000001, "X-Forwarded-For: 1.2.3.4:5678\r\n", "1.2.3.4"},
    {0x0a000001, "X-Forwarded-For: [2001:db8::1]:5678\r\n", "2001:db8::1"},
    {0x0a000001, "X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"},
    {0x0a000001, "X-Forwarded-For: 1.2.3.4, unknown, 10.0.0.2\r\n", "10.0.0.2"}, /* nothing behind nonsense counts */
    {0x0a000001, "X-Forwarded-For: unknown\r\n", "10.0.0.1"},
    {0x0a000001, "X-Forwarded-For: \r\n", "10.0.0.1"},
    {0x0a000001, "X-Forwarded-For: ,,\r\n", "10.0.0.1"},
    {0x0a000001, "X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3"},
};

static void trust(struct bench *b, struct http_network nets[2])
{
    nets[0] = network("10.0.0.0/8");
    nets[1] = network("fd00::/8");
    b->options.trusted = nets;
    b->options.n_trusted = 2;
    http_server_set_options(b->server, &b->options);
}

static void assert_peer(struct bench *b, const char *want)
{
    bench_turn(b);
    bench_read(b);
    size_t at;
    assert_true(str_find(buf_view(&b->got), S("\r\n\r\n"), &at));
    struct str got = str_from(buf_view(&b->got), at + 4);
    if (!str_eq(got, str_z(want))) print_error("got %.*s, want %s\n", STR_ARG(got), want ? want : "none");
    assert_true(str_eq(got, str_z(want)));
}

static void test_forwarded_for(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct http_network nets[2];
    trust(b, nets);
    for (size_t i = 0; i < COUNTOF(FORWARDED); i++) {
        bench_connect_from(b, FORWARDED[i].from);
        bench_send(b, S("GET /peer HTTP/1.1\r\n" HOST));
        bench_send(b, str_z(FORWARDED[i].fields));
        bench_send(b, S("\r\n"));
        assert_peer(b, FORWARDED[i].want);
    }
    bench_free(b);
}

/* ---- PROXY v2 -------------------------------------------------------------------------------------------------------- */

#define SIGN "\r\n\r\n\0\r\nQUIT\n"
#define PROXY_V4            \
    SIGN "\x21\x11\0\x0c"   \
         "\x05\x06\x07\x08" \
         "\x0a\0\0\x01"     \
         "\x12\x34"         \
         "\x01\xbb"
#define ASK "GET /peer HTTP/1.1\r\n" HOST "\r\n"
#define IN(text) {text, sizeof(text) - 1}

static const struct {
    struct str in;
    const char *peer; /* NULL: refused */
} PROXY[] = {
    {IN(PROXY_V4 ASK), "5.6.7.8"},
    {IN(SIGN "\x21\x11\0\x10"
             "\x05\x06\x07\x08"
             "\x0a\0\0\x01"
             "\x12\x34"
             "\x01\xbb"
             "\x04\0\x01x" ASK),
     "5.6.7.8"},
    {IN(SIGN "\x21\x21\0\x24"
             "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09"
             "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
             "\x12\x34"
             "\x01\xbb" ASK),
     "2001:db8::9"},
    {IN(SIGN "\x20\0\0\0" ASK), "10.0.0.1"}, /* LOCAL: a health check */
    {IN(SIGN "\x20\x11\0\x0c"
             "\x05\x06\x07\x08"
             "\x0a\0\0\x01"
             "\x12\x34"
             "\x01\xbb" ASK),
     "10.0.0.1"},
    {IN(SIGN "\x21\0\0\0" ASK), "10.0.0.1"}, /* AF_UNSPEC */
    {IN(SIGN "\x21\x11\0\x0b"
             "\x05\x06\x07\x08"
             "\x0a\0\0\x01"
             "\x12\x34"
             "\x01" ASK),
     NULL}, /* too short */
    {IN(SIGN "\x21\x21\0\x0c"
             "\x05\x06\x07\x08"
             "\x0a\0\0\x01"
             "\x12\x34"
             "\x01\xbb" ASK),
     NULL},
    {IN(SIGN "\x11\x11\0\x0c"
             "\x05\x06\x07\x08"
             "\x0a\0\0\x01"
             "\x12\x34"
             "\x01\xbb" ASK),
     NULL}, /* version 1 */
    {IN(SIGN "\x22\x11\0\x0c"
             "\x05\x06\x07\x08"
             "\x0a\0\0\x01"
             "\x12\x34"
             "\x01\xbb" ASK),
     NULL}, /* a command unknown */
    {IN(SIGN "\x21\x11\xff\xff"), NULL},
    {IN("PROXY TCP4 1.2.3.4 10.0.0.1 1 2\r\n" ASK), NULL}, /* version 1 in text */
    {IN(ASK), NULL},
};

static void test_proxy_header(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct http_network nets[2];
    b->options.proxy_protocol = true;
    trust(b, nets);
    log_threshold = LOG_ERROR; /* the refusals are told to the operator */
    for (size_t i = 0; i < COUNTOF(PROXY); i++) {
        for (size_t cut = 0; cut < PROXY[i].in.n; cut++) {
            bench_connect_from(b, 0x0a000001);
            bench_send(b, str_make(PROXY[i].in.p, cut));
            bench_send(b, str_from(PROXY[i].in, cut));
            if (PROXY[i].peer) assert_peer(b, PROXY[i].peer);
            bench_read(b);
            assert_int_equal(b->saw_end, !PROXY[i].peer);
        }
    }
    bench_free(b);
}

static void test_proxy_header_of_a_stranger(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct http_network nets[2];
    b->options.proxy_protocol = true;
    trust(b, nets);
    bench_connect(b);
    bench_send(b, S(ASK)); /* needs none */
    assert_peer(b, "203.0.113.7");
    bench_connect(b);
    bench_send(b, S(PROXY_V4 ASK)); /* and gets nothing for it */
    bench_read(b);
    assert_str(buf_view(&b->events), "bad bad_http\nclosed whole\n");
    bench_free(b);
}

/* A client behind a proxy that speaks for it may write X-Forwarded-For as it likes. */
static void test_proxy_header_outweighs_forwarded_for(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct http_network nets[2];
    b->options.proxy_protocol = true;
    trust(b, nets);
    bench_connect_from(b, 0x0a000001);
    bench_send(b, S(PROXY_V4 "GET /peer HTTP/1.1\r\n" HOST "X-Forwarded-For: 1.2.3.4\r\n\r\n"));
    assert_peer(b, "5.6.7.8");
    bench_free(b);
}

static void test_proxy_header_that_does_not_come(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct http_network nets[2];
    b->options.proxy_protocol = true;
    b->options.limits.head_ms = 20;
    trust(b, nets);
    bench_connect_from(b, 0x0a000001);
    bench_send(b, S(SIGN));
    assert_true(bench_until(b, bench_ended));
    assert_int_equal(http_server_stats_get(b->server)->connections, 0);
    bench_free(b);
}

/* ---- the prefix --------------------------------------------------------------------------------------------------------- */

static void test_path_prefix(void **state)
{
    (void)state;
    static const struct {
        const char *path, *events;
    } ROWS[] = {
        {"/llm/v1?q", "head GET /v1 ?q @a\nrequest 0 \nclosed whole\n"},
        {"/llm", "head GET / ? @a\nrequest 0 \nclosed whole\n"},
        {"/llm/", "head GET / ? @a\nrequest 0 \nclosed whole\n"},
        {"/llm?q", "head GET / ?q @a\nrequest 0 \nclosed whole\n"},
        {"/llmx", "bad not_found\nclosed whole\n"},
        {"/v1", "bad not_found\nclosed whole\n"},
        {"/", "bad not_found\nclosed whole\n"},
    };
    struct bench *b = bench_new();
    b->options.path_prefix = S("/llm/");
    http_server_set_options(b->server, &b->options);
    for (size_t i = 0; i < COUNTOF(ROWS); i++) {
        bench_connect(b);
        bench_send(b, S("GET "));
        bench_send(b, str_z(ROWS[i].path));
        bench_send(b, S(" HTTP/1.1\r\n" HOST "\r\n"));
        if (!str_eq(buf_view(&b->events), str_z(ROWS[i].events))) print_error("%s\n", ROWS[i].path);
        assert_string_equal(buf_z(&b->events), ROWS[i].events);
    }
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_forwarded_for),
        cmocka_unit_test(test_proxy_header),
        cmocka_unit_test(test_proxy_header_of_a_stranger),
        cmocka_unit_test(test_proxy_header_outweighs_forwarded_for),
        cmocka_unit_test(test_proxy_header_that_does_not_come),
        cmocka_unit_test(test_path_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
