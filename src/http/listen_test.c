/* Unit tests of the server on real sockets: listening, TLS with ALPN, PROXY v2 before TLS, what the kernel may hold. */
#include "base/test.h"

#include <stdio.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/resource.h>

#include "http/certs_test.h"
#include "http/server_bench.h"

static struct cert good;
static struct tls_server *tls;

struct door {
    struct bench *bench;
    int fd;
    struct sockaddr_in at;
};

static struct door door_open(struct bench *b, struct tls_server *t)
{
    struct door d = {.bench = b, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    socklen_t n = sizeof d.at;
    d.at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(d.fd, (const struct sockaddr *)(const void *)&d.at, sizeof d.at), 0);
    assert_int_equal(listen(d.fd, 64), 0);
    assert_int_equal(getsockname(d.fd, (struct sockaddr *)(void *)&d.at, &n), 0);
    assert_int_equal(http_server_listen(b->server, d.fd, t, NULL), OK);
    return d;
}

static int door_enter(const struct door *d, int receive_buffer)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&d->at, sizeof d->at), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* ---- a TLS client ------------------------------------------------------------------------------------------------------ */

struct visitor {
    struct bench *bench;
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

/* alpn as on the wire: "\x02h2"; NULL: none. */
static struct visitor visitor_new(const struct door *d, const char *alpn)
{
    struct visitor v = {.bench = d->bench, .context = SSL_CTX_new(TLS_client_method()), .fd = door_enter(d, 0)};
    v.ssl = SSL_new(v.context);
    if (alpn) assert_int_equal(SSL_set_alpn_protos(v.ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn)), 0);
    SSL_set_fd(v.ssl, v.fd);
    SSL_set_connect_state(v.ssl);
    return v;
}

static bool visitor_shake(struct visitor *v)
{
    for (int i = 0; i < 5000; i++) {
        bench_turn(v->bench);
        if (SSL_do_handshake(v->ssl) == 1) return true;
        poll(NULL, 0, 1);
    }
    return false;
}

/* Sends, and reads until the answer ends in `until`. */
static void visitor_talk(struct visitor *v, struct str bytes, struct str until)
{
    static char room[1 << 16];
    buf_clear(&v->bench->got);
    if (bytes.n) assert_int_equal(SSL_write(v->ssl, bytes.p, (int)bytes.n), (int)bytes.n);
    for (int i = 0; i < 20000 && !str_ends(buf_view(&v->bench->got), until); i++) {
        bench_turn(v->bench);
        int n = SSL_read(v->ssl, room, sizeof room);
        if (n > 0) buf_add(&v->bench->got, room, (size_t)n);
        else poll(NULL, 0, 1);
    }
    assert_true(str_ends(buf_view(&v->bench->got), until));
}

static void visitor_free(struct visitor *v)
{
    SSL_free(v->ssl);
    SSL_CTX_free(v->context);
    if (v->fd >= 0) close(v->fd);
}

static void test_alpn_chooses(void **state)
{
    (void)state;
    static const struct {
        const char *offer, *chosen;
    } ROWS[] = {{NULL, ""}, {"\x08http/1.1", "http/1.1"}, {"\x08http/1.1\x02h2", "h2"}, {"\x02h2", "h2"}};
    struct bench *b = bench_new();
    struct door d = door_open(b, tls);
    for (size_t i = 0; i < COUNTOF(ROWS); i++) {
        struct visitor v = visitor_new(&d, ROWS[i].offer);
        const unsigned char *name = NULL;
        unsigned n = 0;
        assert_true(visitor_shake(&v));
        SSL_get0_alpn_selected(v.ssl, &name, &n);
        assert_true(str_eq(str_make((const char *)name, n), str_z(ROWS[i].chosen)));
        if (str_eq(str_z(ROWS[i].chosen), S("h2"))) /* preface, empty SETTINGS; theirs are acknowledged */
            visitor_talk(&v, S("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"), S("\0\0\0\x04\x01\0\0\0\0"));
        else visitor_talk(&v, S("GET /a HTTP/1.1\r\n" HOST "\r\n"), S("\r\n\r\nhello\n"));
        visitor_free(&v);
    }
    bench_free(b);
    close(d.fd);
}

static void test_large_answer_and_body_over_tls(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct door d = door_open(b, tls);
    struct visitor v = visitor_new(&d, NULL);
    struct buf body;
    buf_init(&body, MIB(2));
    while (body.n < MIB(1)) buf_u64(&body, body.n);
    assert_true(visitor_shake(&v));
    char head[100];
    snprintf(head, sizeof head, "POST / HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", body.n);
    assert_true(SSL_write(v.ssl, head, (int)strlen(head)) > 0);
    for (size_t at = 0; at < body.n;) {
        int n = SSL_write(v.ssl, body.p + at, (int)(body.n - at < 16000 ? body.n - at : 16000));
        if (n > 0) at += (size_t)n;
        bench_turn(b);
    }
    visitor_talk(&v, STR_NONE, buf_view(&body));
    assert_int_equal(b->memory, 0);
    buf_done(&body);
    visitor_free(&v);
    bench_free(b);
    close(d.fd);
}

static bool nobody_left(struct bench *b) { return http_server_stats_get(b->server)->connections == 0; }

static void test_tls_client_gone_while_streaming(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct door d = door_open(b, tls);
    struct visitor v = visitor_new(&d, NULL);
    assert_true(visitor_shake(&v));
    assert_true(SSL_write(v.ssl, "GET /hold HTTP/1.1\r\n" HOST "\r\n", 31) > 0);
    for (int i = 0; i < 5000 && !b->held; i++) bench_turn(b);
    http_stream_head(b->held, 200, bench_fields(), -1);
    http_stream_write(b->held, S("x"));
    close(v.fd);
    v.fd = -1;
    assert_true(bench_until(b, nobody_left));
    assert_true(str_ends(buf_view(&b->events), S("closed broken\n")));
    visitor_free(&v);
    bench_free(b);
    close(d.fd);
}

static void test_handshake_that_stops(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->options.limits.head_ms = 20;
    http_server_set_options(b->server, &b->options);
    struct door d = door_open(b, tls);
    int fd = door_enter(&d, 0);
    assert_int_equal(send(fd, "\x16\x03\x01", 3, 0), 3);
    for (int i = 0; i < 1000 && nobody_left(b); i++) bench_turn(b);
    assert_true(bench_until(b, nobody_left));
    close(fd);
    bench_free(b);
    close(d.fd);
}

static void test_garbage_instead_of_tls(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct door d = door_open(b, tls);
    int fd = door_enter(&d, 0);
    assert_true(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, 0) == 18);
    for (int i = 0; i < 1000 && nobody_left(b); i++) bench_turn(b);
    assert_true(bench_until(b, nobody_left));
    assert_int_equal(b->events.n, 0);
    close(fd);
    bench_free(b);
    close(d.fd);
}

static void test_proxy_header_before_tls(void **state)
{
    (void)state;
    struct http_network local;
    assert_int_equal(http_network_parse(S("127.0.0.0/8"), &local, NULL), OK);
    struct bench *b = bench_new();
    b->options.proxy_protocol = true;
    b->options.trusted = &local;
    b->options.n_trusted = 1;
    http_server_set_options(b->server, &b->options);
    struct door d = door_open(b, tls);
    struct visitor v = visitor_new(&d, NULL);
    static const char HEADER[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x05\x06\x07\x08\x0a\0\0\x01\x12\x34\x01\xbb";
    assert_int_equal(send(v.fd, HEADER, sizeof HEADER - 1, 0), sizeof HEADER - 1);
    assert_true(visitor_shake(&v));
    visitor_talk(&v, S("GET /peer HTTP/1.1\r\n" HOST "\r\n"), S("\r\n\r\n5.6.7.8"));
    visitor_free(&v);
    bench_free(b);
    close(d.fd);
}

/* ---- plain ----------------------------------------------------------------------------------------------------------------- */

/* All that is held for a client that reads nothing: our queue and the kernel's, as 100 MB want to pass. */
static void test_unread_answer_is_bounded(void **state)
{
    (void)state;
    static char piece[KIB(4)], room[1024];
    struct bench *b = bench_new();
    struct door d = door_open(b, NULL);
    b->client = door_enter(&d, 4096);
    bench_turn(b);
    bench_send(b, S("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    for (int i = 0; i < 1000 && !b->held; i++) bench_turn(b);
    http_stream_head(b->held, 200, bench_fields(), (int64_t)MIB(100));
    size_t sent = 0, got = 0;
    for (int i = 0; i < 2000; i++) { /* a reader of 1 KB now and then */
        while (http_stream_queued(b->held) < HTTP_QUEUE_HIGH && sent < MIB(100)) {
            http_stream_write(b->held, str_make(piece, sizeof piece));
            sent += sizeof piece;
        }
        ssize_t n = i % 20 ? 0 : recv(b->client, room, sizeof room, 0);
        if (n > 0) got += (size_t)n;
        bench_turn(b);
    }
    assert_true(got > KIB(16));
    assert_true(sent - got <= KIB(256));
    bench_free(b);
    close(d.fd);
}

/* A client whose machine died says nothing: the kernel asks. Every accepted socket inherits that. */
static void test_dead_clients_are_noticed(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct door d = door_open(b, NULL);
    int on = 0, idle_s = 0;
    socklen_t n = sizeof on;
    b->client = door_enter(&d, 0);
    for (int i = 0; i < 1000 && !b->server->conns; i++) bench_turn(b);
    assert_int_equal(getsockopt(b->server->conns->link.fd, SOL_SOCKET, SO_KEEPALIVE, &on, &n), 0);
    assert_int_equal(getsockopt(b->server->conns->link.fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, &n), 0);
    assert_true(on && idle_s == 60);
    bench_free(b);
    close(d.fd);
}

static void test_drain_stops_accepting(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct door d = door_open(b, NULL), second = door_open(b, NULL);
    b->client = door_enter(&d, 0);
    bench_turn(b);
    bench_send(b, S("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    for (int i = 0; i < 1000 && !b->held; i++) bench_turn(b);
    http_server_drain(b->server, bench_on_empty);
    int late = door_enter(&second, 0); /* waits in the kernel for whoever takes over */
    for (int i = 0; i < 10; i++) bench_turn(b);
    assert_int_equal(http_server_stats_get(b->server)->accepted, 1);
    http_stream_answer(b->held, 200, bench_fields(), S("bye"));
    bench_turn(b);
    assert_true(b->emptied);
    close(late);
    bench_free(b);
    close(d.fd);
    close(second.fd);
}

static bool was_answered(struct bench *b) { return b->got.n > 0; }

/* Without descriptors to spare the connections wait, and are served when there are some again. */
static void test_descriptors_run_out(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct door d = door_open(b, NULL);
    struct rlimit before, none;
    b->client = door_enter(&d, 0);
    assert_int_equal(send(b->client, "GET /a HTTP/1.1\r\n" HOST "\r\n", 28, 0), 28);
    int next = dup(b->client);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){(rlim_t)next, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    log_threshold = LOG_ERROR; /* it is told to the operator */
    for (int i = 0; i < 10; i++) bench_turn(b);
    assert_int_equal(http_server_stats_get(b->server)->accepted, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(bench_until(b, was_answered));
    bench_free(b);
    close(d.fd);
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
        cmocka_unit_test(test_alpn_chooses),
        cmocka_unit_test(test_large_answer_and_body_over_tls),
        cmocka_unit_test(test_tls_client_gone_while_streaming),
        cmocka_unit_test(test_handshake_that_stops),
        cmocka_unit_test(test_garbage_instead_of_tls),
        cmocka_unit_test(test_proxy_header_before_tls),
        cmocka_unit_test(test_unread_answer_is_bounded),
        cmocka_unit_test(test_dead_clients_are_noticed),
        cmocka_unit_test(test_drain_stops_accepting),
        cmocka_unit_test(test_descriptors_run_out),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
