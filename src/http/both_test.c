/* Unit tests of the two sides together: our client calls our server over real sockets, plain and TLS, in one loop. */
#include "base/test.h"

#include "http/certs_test.h"
#include "http/server_bench.h"

#define CALLS 120
#define AT_ONCE 16
#define BODY_MAX KIB(300)

static struct cert good;
static struct tls_server *tls;

struct call {
    struct both *both;
    struct str body, piece;
    struct buf got;
    int status;
};
struct both {
    struct bench *bench;
    struct http_client *client;
    struct http_origin *origin;
    struct call calls[CALLS];
    struct buf text; /* what bodies are cut from */
    unsigned started, ended, failed;
    int fd;
    int64_t memory; /* held by the client */
};

static void start_next(struct both *t);

static void on_head(struct http_call *c, int status, struct http_fields fields, void *user)
{
    (void)c, (void)fields;
    ((struct call *)user)->status = status;
}

static bool on_body(struct http_call *c, struct str bytes, void *user)
{
    (void)c;
    struct call *call = user;
    buf_str(&call->got, bytes);
    return true;
}

static void on_end(struct http_call *c, void *user)
{
    (void)c;
    struct both *t = ((struct call *)user)->both;
    t->ended++;
    start_next(t);
}

static void on_fail(struct http_call *c, const struct fault *why, void *user)
{
    (void)c;
    print_error("%s\n", why->text);
    ((struct call *)user)->both->failed++;
}

static const struct http_call_handler ON_CALL = {on_head, on_body, on_end, on_fail};

/* Sizes from nothing to more than any buffer between, in an order that mixes them. */
static size_t size_of(unsigned i) { return (size_t)i * 7919 * 13 % BODY_MAX * (i % 5 != 0); }

static void start_next(struct both *t)
{
    if (t->started == CALLS) return;
    struct call *c = &t->calls[t->started];
    const struct http_deadlines d = {.connect_ms = 60000, .first_byte_ms = 60000, .gap_ms = 60000};
    c->both = t;
    c->body = str_make(t->text.p, size_of(t->started++));
    c->piece = c->body;
    buf_init(&c->got, MIB(1));
    const struct http_call_request r = {
        .method = S("POST"), .target = S("/echo"), .pieces = &c->piece, .n_pieces = c->body.n ? 1 : 0};
    must(http_call_start(t->client, t->origin, &r, &d, &ON_CALL, c) != NULL);
}

static void listen_on_loopback(struct both *t, struct tls_server *with, char url[64])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    t->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(t->fd, (const struct sockaddr *)(const void *)&at, n), 0);
    assert_int_equal(listen(t->fd, 64), 0);
    assert_int_equal(getsockname(t->fd, (struct sockaddr *)(void *)&at, &n), 0);
    assert_int_equal(http_server_listen(t->bench->server, t->fd, with, NULL), OK);
    snprintf(url, 64, "%s://127.0.0.1:%u", with ? "https" : "http", ntohs(at.sin_port));
}

static bool count_memory(void *user, int64_t bytes)
{
    struct both *t = user;
    t->memory += bytes;
    return true;
}

static struct both *both_new(struct tls_server *with)
{
    struct both *t = mem_alloc(sizeof *t);
    struct fault why;
    struct str base;
    char url[64];
    t->bench = bench_new();
    t->client = http_client_new(t->bench->loop, &(struct http_client_options){.take_memory = count_memory, .user = t});
    buf_init(&t->text, MIB(1));
    for (uint64_t i = 0; t->text.n < BODY_MAX; i++) buf_u64(&t->text, i * 2654435761u);
    listen_on_loopback(t, with, url);
    struct http_origin_options o = {.url = str_z(url), .ca_file = with ? str_z(good.cert_file) : S("")};
    assert_int_equal(http_origin_new(&o, &t->origin, &base, &why), OK);
    return t;
}

static void both_free(struct both *t)
{
    for (unsigned i = 0; i < t->started; i++) buf_done(&t->calls[i].got);
    http_client_free(t->client);
    http_origin_unref(t->origin);
    buf_done(&t->text);
    bench_free(t->bench);
    close(t->fd);
    free(t);
}

static void echo_all(struct tls_server *with)
{
    struct both *t = both_new(with);
    for (int i = 0; i < AT_ONCE; i++) start_next(t);
    for (int i = 0; i < 1000000 && t->ended + t->failed < CALLS; i++) bench_turn(t->bench);
    assert_int_equal(t->failed, 0);
    for (unsigned i = 0; i < CALLS; i++) {
        struct str want = t->calls[i].body.n ? t->calls[i].body : S("hello\n");
        assert_int_equal(t->calls[i].status, 200);
        assert_true(str_eq(buf_view(&t->calls[i].got), want));
    }
    assert_true(http_server_stats_get(t->bench->server)->accepted <= AT_ONCE + 1); /* connections are kept */
    if (with) assert_true(t->memory >= (int64_t)KIB(64)); /* AT_ONCE connections with what TLS holds for each */
    http_client_free(t->client);
    t->client = NULL;
    assert_int_equal(t->memory, 0);
    for (int i = 0; i < 20000 && http_server_stats_get(t->bench->server)->connections; i++) bench_turn(t->bench);
    assert_int_equal(t->bench->memory, 0);
    both_free(t);
}

static void test_echo_plain(void **state)
{
    (void)state;
    echo_all(NULL);
}

static void test_echo_tls(void **state)
{
    (void)state;
    echo_all(tls);
}

/* A call that is cancelled is noticed by the server, as a stream that broke. */
static void test_cancel_reaches_the_handler(void **state)
{
    (void)state;
    struct both *t = both_new(NULL);
    struct call call = {.both = t};
    buf_init(&call.got, KIB(4));
    const struct http_deadlines d = {.connect_ms = 60000};
    const struct http_call_request r = {.method = S("GET"), .target = S("/hold")};
    struct http_call *c = http_call_start(t->client, t->origin, &r, &d, &ON_CALL, &call);
    for (int i = 0; i < 100000 && !t->bench->held; i++) bench_turn(t->bench);
    assert_non_null(t->bench->held);
    http_call_cancel(c);
    bench_turn(t->bench);
    bench_turn(t->bench);
    assert_true(str_ends(buf_view(&t->bench->events), S("closed broken\n")));
    buf_done(&call.got);
    both_free(t);
}

static int set_up(void **state)
{
    (void)state;
    struct fault why;
    certs_open();
    cert_make(&good, "good", "IP:127.0.0.1", NULL, 1);
    return tls_server_new(good.cert_file, good.key_file, &tls, &why) == OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    tls_server_unref(tls);
    cert_free(&good);
    certs_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_plain),
        cmocka_unit_test(test_echo_tls),
        cmocka_unit_test(test_cancel_reaches_the_handler),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
