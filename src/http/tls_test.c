/* TLS: who is trusted and who is not, resumption over many connections and threads, ends that are cuts; and the link as
 * a server under the client. */
#include "http/calls_test.h"
#include "http/certs_test.h"

#include <stdio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define BIG MIB(8)

static struct loop *loop;
static struct http_client *client;
static struct cert ca, other_ca, good, far, wrong_host, expired, strange;

/* What the TLS peer does with each connection. */
struct manner {
    const struct cert *cert;
    int version; /* 0: any */
    int connections;
    int requests;     /* by connection, kept alive; 0: one, and the end */
    bool is_big;      /* the answer */
    bool is_to_close; /* no length: ends with the connection */
    bool is_rude;     /* closes without close_notify */
    bool is_proxy;    /* is asked to connect on first, and pretends to */
    SSL_CTX *ctx;
};

static void say(SSL *ssl, const char *text) { SSL_write(ssl, text, (int)strlen(text)); }

static void answer_many(SSL *ssl, int n)
{
    char text[2000];
    for (int i = 0; i < n && SSL_read(ssl, text, sizeof text) > 0; i++)
        say(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

static void answer_over(SSL *ssl, const struct manner *m)
{
    char text[2000];
    if (m->requests) {
        answer_many(ssl, m->requests);
        return;
    }
    int n = SSL_read(ssl, text, sizeof text);
    if (n <= 0) return;
    if (m->is_to_close) say(ssl, "HTTP/1.1 200 OK\r\n\r\nhello");
    else if (!m->is_big) say(ssl, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
    else {
        say(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n");
        for (size_t sent = 0; sent < BIG; sent += sizeof text < BIG - sent ? sizeof text : BIG - sent) {
            memset(text, 'a' + (int)(sent / sizeof text % 26), sizeof text);
            SSL_write(ssl, text, (int)(sizeof text < BIG - sent ? sizeof text : BIG - sent));
        }
    }
}

static void tunnel(struct peer *p, int fd)
{
    char text[600];
    assert_true(peer_read_request(p, fd, text, sizeof text));
    assert_ptr_equal(strstr(text, "CONNECT model.example:443 HTTP/1.1\r\nhost: model.example:443\r\n"), text);
    assert_non_null(strstr(text, "\r\nproxy-authorization: Basic bWU6YSBi\r\n"));
    peer_send(fd, S("HTTP/1.1 200 Connected\r\nx: y\r\n\r\n"));
}

static void tls_script(struct peer *p)
{
    const struct manner *m = p->user;
    for (int i = 0; i < m->connections; i++) {
        int fd = peer_accept(p);
        if (fd < 0) return;
        if (m->is_proxy) tunnel(p, fd);
        SSL *ssl = SSL_new(m->ctx);
        SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) == 1) answer_over(ssl, m);
        if (m->is_rude) SSL_set_quiet_shutdown(ssl, 1);
        SSL_shutdown(ssl);
        shutdown(fd, SHUT_WR);
        peer_sees_close(fd);
        SSL_free(ssl);
        close(fd);
        ERR_clear_error();
    }
}

static void tls_peer_start(struct peer *p, struct manner *m)
{
    m->ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(m->ctx, m->cert->x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(m->ctx, m->cert->key), 1);
    SSL_CTX_set_session_id_context(m->ctx, (const unsigned char *)"t", 1);
    if (m->version) SSL_CTX_set_max_proto_version(m->ctx, m->version);
    p->user = m;
    peer_start(p, tls_script);
}

static void tls_peer_join(struct peer *p)
{
    struct manner *m = p->user;
    peer_join(p);
    SSL_CTX_free(m->ctx);
}

static struct http_origin *secure_origin(const struct peer *p, const char *ca_file)
{
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%u/v1", p->port);
    return origin_with(url, ca_file, "");
}

static void call_on(struct http_client *c, struct loop *l, struct seen *s, struct http_origin *o)
{
    static const struct str BODY = S("{}");
    struct http_call_request r = {S("POST"), S("/v1/x"), {NULL, 0}, &BODY, 1};
    s->call = http_call_start(c, o, &r, &PATIENT, &SEEN, s);
    run_until(l, &s->over);
}

static void call(struct seen *s, struct http_origin *o) { call_on(client, loop, s, o); }

/* ---- trust ---------------------------------------------------------------------------------------------------------- */

static void only_the_right_certificate_will_do(void **state)
{
    (void)state;
    const struct {
        const struct cert *cert;
        const char *words;
    } CASES[] = {{&good, NULL}, {&wrong_host, "IP address mismatch"}, {&expired, "expired"}, {&strange, "issuer certificate"}};
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct manner m = {.cert = CASES[i].cert, .connections = 1};
        struct peer p = {0};
        struct seen s = {0};
        tls_peer_start(&p, &m);
        struct http_origin *o = secure_origin(&p, ca.cert_file);
        call(&s, o);
        if (CASES[i].words) assert_failed(&s, ERR_UPSTREAM_TLS, CASES[i].words);
        else assert_string_equal(s.body, "hello");
        http_origin_unref(o);
        tls_peer_join(&p);
    }
    assert_int_equal(STAT_OF(client, tls_handshakes), 1);
    assert_int_equal(STAT_OF(client, connect_failures), 3);
}

static void the_systems_authorities_do_not_know_ours(void **state)
{
    (void)state;
    struct manner m = {.cert = &good, .connections = 1};
    struct peer p = {0};
    struct seen s = {0};
    tls_peer_start(&p, &m);
    struct http_origin *o = secure_origin(&p, "");
    call(&s, o);
    assert_failed(&s, ERR_UPSTREAM_TLS, "issuer certificate");
    http_origin_unref(o);
    tls_peer_join(&p);
}

static void speak_plainly(struct peer *p)
{
    char text[600];
    int fd = peer_accept(p);
    assert_true(recv(fd, text, sizeof text, 0) > 0);
    if (p->user) peer_send(fd, S("HTTP/1.1 400 Bad\r\n\r\n"));
    shutdown(fd, SHUT_WR);
    peer_sees_close(fd);
    close(fd);
}

static void a_server_without_tls_is_told_apart(void **state)
{
    (void)state;
    for (int speaks = 0; speaks < 2; speaks++) {
        struct peer p = {.user = speaks ? "plain" : NULL};
        struct seen s = {0};
        peer_start(&p, speak_plainly);
        struct http_origin *o = secure_origin(&p, ca.cert_file);
        call(&s, o);
        assert_failed(&s, ERR_UPSTREAM_TLS, speaks ? "wrong version" : "during the TLS handshake");
        http_origin_unref(o);
        peer_join(&p);
    }
}

/* The name is the proxy's to resolve; the certificate is the origin's. */
static void a_proxy_only_carries(void **state)
{
    (void)state;
    struct manner m = {.cert = &far, .connections = 1, .is_proxy = true};
    struct peer p = {0};
    struct seen s = {0};
    char proxy[64];
    tls_peer_start(&p, &m);
    snprintf(proxy, sizeof proxy, "http://me:a%%20b@127.0.0.1:%u", p.port);
    struct http_origin *o = origin_with("https://model.example", ca.cert_file, proxy);
    call(&s, o);
    assert_string_equal(s.body, "hello");
    http_origin_unref(o);
    tls_peer_join(&p);
}

/* ---- resumption ----------------------------------------------------------------------------------------------------- */

static void the_second_connection_resumes(void **state)
{
    (void)state;
    static const int VERSIONS[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < COUNTOF(VERSIONS); i++) {
        struct manner m = {.cert = &good, .version = VERSIONS[i], .connections = 3};
        struct peer p = {0};
        struct seen s[3] = {0};
        uint64_t before = STAT_OF(client, tls_resumed);
        tls_peer_start(&p, &m);
        struct http_origin *o = secure_origin(&p, ca.cert_file);
        for (int j = 0; j < 3; j++) {
            call(&s[j], o);
            assert_string_equal(s[j].body, "hello");
        }
        assert_int_equal(STAT_OF(client, tls_resumed) - before, 2);
        http_origin_unref(o);
        tls_peer_join(&p);
    }
}

static void contexts_of_one_file_are_one(void **state)
{
    (void)state;
    struct tls_client *a, *b, *c;
    struct fault why;
    assert_int_equal(tls_client_new(ca.cert_file, &a, &why), OK);
    assert_int_equal(tls_client_new(ca.cert_file, &b, &why), OK);
    assert_int_equal(tls_client_new(other_ca.cert_file, &c, &why), OK);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    tls_client_unref(a);
    tls_client_unref(b);
    tls_client_unref(c);
    assert_int_equal(tls_client_new(ca.key_file, &a, &why), ERR_CONFIG);
    assert_non_null(strstr(why.text, ca.key_file));
    assert_int_equal(tls_client_new("/nonexistent/ca.pem", &a, &why), ERR_CONFIG);
    struct tls_server *s;
    assert_int_equal(tls_server_new(good.cert_file, strange.key_file, &s, &why), ERR_CONFIG);
    assert_non_null(strstr(why.text, "mismatch"));
    assert_int_equal(tls_server_new("/nonexistent/c.pem", good.key_file, &s, &why), ERR_CONFIG);
}

/* The peer serves one connection at a time: the second handshake only begins when the first connection is closed. */
static void a_free_connection_is_taken_before_one_that_dials(void **state)
{
    (void)state;
    static const struct str BODY = S("{}");
    struct http_call_request r = {S("POST"), S("/"), {NULL, 0}, &BODY, 1};
    struct manner m = {.cert = &good, .connections = 2, .requests = 3};
    struct peer p = {0};
    struct seen s[4] = {0};
    tls_peer_start(&p, &m);
    struct http_origin *o = secure_origin(&p, ca.cert_file);
    call(&s[0], o);
    for (int i = 1; i < 3; i++) s[i].call = http_call_start(client, o, &r, &PATIENT, &SEEN, &s[i]);
    run_until(loop, &s[1].over);
    run_until(loop, &s[2].over);
    assert_int_equal(STAT_OF(client, connects), 2);
    assert_int_equal(STAT_OF(client, tls_handshakes), 1);
    assert_int_equal(STAT_OF(client, reused), 2);
    call(&s[3], o); /* takes over what was dialled for the third */
    assert_string_equal(s[3].body, "hello");
    assert_int_equal(STAT_OF(client, connects), 2);
    http_client_free(client);
    client = NULL;
    http_origin_unref(o);
    tls_peer_join(&p);
}

#define THREADS 3
#define CALLS_EACH 8

struct many {
    pthread_t thread;
    struct http_origin *origin;
    uint64_t resumed;
    int ends;
};

static void *call_often(void *user)
{
    struct many *m = user;
    struct loop *l = loop_new();
    struct http_client *c = http_client_new(l, NULL);
    for (int i = 0; i < CALLS_EACH; i++) {
        struct seen s = {0};
        call_on(c, l, &s, m->origin);
        m->ends += s.ends;
    }
    m->resumed = STAT_OF(c, tls_resumed);
    http_client_free(c);
    loop_free(l);
    return NULL;
}

static void loops_share_sessions(void **state)
{
    (void)state;
    struct manner m = {.cert = &good, .connections = THREADS * CALLS_EACH};
    struct peer p = {0};
    struct many many[THREADS] = {0};
    uint64_t resumed = 0;
    tls_peer_start(&p, &m);
    struct http_origin *o = secure_origin(&p, ca.cert_file);
    for (int i = 0; i < THREADS; i++) {
        many[i].origin = o;
        assert_int_equal(pthread_create(&many[i].thread, NULL, call_often, &many[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(many[i].thread, NULL);
        assert_int_equal(many[i].ends, CALLS_EACH);
        resumed += many[i].resumed;
    }
    assert_true(resumed >= THREADS * CALLS_EACH - THREADS); /* at most the first of each did not know one yet */
    http_origin_unref(o);
    tls_peer_join(&p);
}

/* ---- bytes and ends ------------------------------------------------------------------------------------------------- */

static size_t checked;

static void check_letters(struct seen *s) { checked = s->body_n; }

static void a_big_answer_arrives_whole(void **state)
{
    (void)state;
    struct manner m = {.cert = &good, .connections = 1, .is_big = true};
    struct peer p = {0};
    struct seen s = {.on_body = check_letters};
    tls_peer_start(&p, &m);
    struct http_origin *o = secure_origin(&p, ca.cert_file);
    call(&s, o);
    assert_int_equal(s.ends, 1);
    assert_int_equal(checked, BIG);
    for (size_t i = 0; i < sizeof s.body - 1; i++) assert_int_equal(s.body[i], 'a' + (int)(i / 2000));
    http_origin_unref(o);
    tls_peer_join(&p);
}

static void an_end_without_close_notify_is_a_cut(void **state)
{
    (void)state;
    for (int rude = 0; rude < 2; rude++) {
        struct manner m = {.cert = &good, .connections = 1, .is_to_close = true, .is_rude = rude};
        struct peer p = {0};
        struct seen s = {0};
        tls_peer_start(&p, &m);
        struct http_origin *o = secure_origin(&p, ca.cert_file);
        call(&s, o);
        assert_string_equal(s.body, "hello");
        if (rude) assert_failed(&s, ERR_UPSTREAM_CUT, "TLS");
        else assert_int_equal(s.ends, 1);
        http_origin_unref(o);
        tls_peer_join(&p);
    }
}

struct resting {
    struct seen seen;
    struct timer timer;
};

static void go_on(struct timer *t) { http_call_resume(CONTAINER_OF(t, struct resting, timer)->seen.call); }

static void rest(struct seen *s)
{
    http_call_pause(s->call);
    timer_set(loop, &CONTAINER_OF(s, struct resting, seen)->timer, 20, go_on);
}

/* The last bytes and the end come in one read, while the call is told to rest at the first of them. */
static void an_end_during_a_rest_waits(void **state)
{
    (void)state;
    struct manner m = {.cert = &good, .connections = 1, .is_to_close = true};
    struct peer p = {0};
    struct resting r = {.seen.on_body = rest};
    tls_peer_start(&p, &m);
    struct http_origin *o = secure_origin(&p, ca.cert_file);
    call(&r.seen, o);
    assert_string_equal(r.seen.body, "hello");
    assert_int_equal(r.seen.ends, 1);
    http_origin_unref(o);
    tls_peer_join(&p);
}

/* ---- our own server side under it ----------------------------------------------------------------------------------- */

#define ECHO_BODY MIB(4)

/* Reads a head, then its body straight into a buffer; sends the body back. */
struct echo {
    struct link link;
    struct watch listener;
    struct tls_server *tls;
    struct buf head;
    char *body;
    size_t body_n, straight_n;
    bool is_open, is_closed;
    char alpn[16];
};

static void echo_open(struct link *k)
{
    struct echo *e = CONTAINER_OF(k, struct echo, link);
    struct str alpn = link_alpn(k);
    e->is_open = true;
    snprintf(e->alpn, sizeof e->alpn, "%.*s", STR_ARG(alpn));
}

static void echo_answer(struct echo *e)
{
    char head[100];
    int n = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n", e->body_n);
    struct iovec v[2] = {{head, (size_t)n}, {e->body, e->body_n}};
    assert_true(link_send(&e->link, v, 2));
}

static void echo_data(struct link *k, struct str bytes)
{
    struct echo *e = CONTAINER_OF(k, struct echo, link);
    size_t at;
    if (e->body && bytes.p == e->body + e->body_n) {
        e->body_n += bytes.n;
        e->straight_n += bytes.n;
    } else {
        if (!e->body) {
            buf_str(&e->head, bytes);
            if (!str_find(buf_view(&e->head), S("\r\n\r\n"), &at)) return;
            e->body = mem_alloc(ECHO_BODY);
            bytes = str_from(buf_view(&e->head), at + 4);
        }
        assert_true(bytes.n <= ECHO_BODY - e->body_n);
        if (bytes.n) memcpy(e->body + e->body_n, bytes.p, bytes.n);
        e->body_n += bytes.n;
    }
    link_read_into(k, e->body + e->body_n, ECHO_BODY - e->body_n);
    if (e->body_n == ECHO_BODY) echo_answer(e);
}

static void echo_drained(struct link *k) { (void)k; }

static void echo_closed(struct link *k, const struct fault *why)
{
    struct echo *e = CONTAINER_OF(k, struct echo, link);
    assert_int_equal(why->code, OK); /* close_notify came */
    e->is_closed = true;
    link_close(k);
}

static const struct link_handler ECHO_HANDLER = {echo_open, echo_data, echo_drained, echo_closed};

static void echo_accept(struct watch *w, unsigned events)
{
    (void)events;
    struct echo *e = CONTAINER_OF(w, struct echo, listener);
    struct fault why;
    int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(link_accept(&e->link, loop, fd, e->tls, &ECHO_HANDLER, &why), OK);
}

static void a_body_goes_there_and_back(void **state)
{
    (void)state;
    struct echo e = {0};
    struct peer p = {0};
    struct fault why;
    struct seen s = {.on_body = check_letters};
    int fd = listen_on("127.0.0.1", &p.port);
    char *body = mem_alloc(ECHO_BODY);
    for (size_t i = 0; i < ECHO_BODY; i++) body[i] = (char)('a' + i / 100 % 26);
    struct str pieces[2] = {{body, 1000}, {body + 1000, ECHO_BODY - 1000}};
    assert_int_equal(tls_server_new(good.cert_file, good.key_file, &e.tls, &why), OK);
    assert_int_equal(watch_start(loop, &e.listener, fd, WATCH_READ, echo_accept), OK);
    buf_init(&e.head, MIB(1));
    struct http_origin *o = secure_origin(&p, ca.cert_file);
    struct http_call_request r = {S("POST"), S("/"), {NULL, 0}, pieces, 2};
    s.call = http_call_start(client, o, &r, &PATIENT, &SEEN, &s);
    run_until(loop, &s.over);
    assert_int_equal(s.ends, 1);
    assert_int_equal(s.body_n, ECHO_BODY);
    assert_memory_equal(e.body, body, ECHO_BODY);
    assert_string_equal(e.alpn, "http/1.1");
    assert_true(e.straight_n > ECHO_BODY / 2);
    http_client_free(client);
    client = NULL;
    run_until(loop, &e.is_closed);
    watch_stop(&e.listener);
    close(fd);
    tls_server_unref(e.tls);
    http_origin_unref(o);
    buf_done(&e.head);
    free(e.body);
    free(body);
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    client = http_client_new(loop, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_client_free(client);
    loop_free(loop);
    return 0;
}

static int make_certs(void **state)
{
    (void)state;
    certs_open();
    cert_make(&ca, "ca", NULL, NULL, 10);
    cert_make(&other_ca, "other-ca", NULL, NULL, 10);
    cert_make(&good, "good", "DNS:localhost,IP:127.0.0.1", &ca, 10);
    cert_make(&far, "far", "DNS:*.example,DNS:model.example", &ca, 10);
    cert_make(&wrong_host, "wrong-host", "DNS:example.com,IP:127.0.0.2", &ca, 10);
    cert_make(&expired, "expired", "IP:127.0.0.1", &ca, -1);
    cert_make(&strange, "strange", "IP:127.0.0.1", &other_ca, 10);
    return 0;
}

static int drop_certs(void **state)
{
    (void)state;
    struct cert *all[] = {&ca, &other_ca, &good, &far, &wrong_host, &expired, &strange};
    for (size_t i = 0; i < COUNTOF(all); i++) cert_free(all[i]);
    certs_close();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_the_right_certificate_will_do),
        TEST(the_systems_authorities_do_not_know_ours),
        TEST(a_server_without_tls_is_told_apart),
        TEST(a_proxy_only_carries),
        TEST(the_second_connection_resumes),
        TEST(contexts_of_one_file_are_one),
        TEST(a_free_connection_is_taken_before_one_that_dials),
        TEST(loops_share_sessions),
        TEST(a_big_answer_arrives_whole),
        TEST(an_end_without_close_notify_is_a_cut),
        TEST(an_end_during_a_rest_waits),
        TEST(a_body_goes_there_and_back),
    };
    return cmocka_run_group_tests(tests, make_certs, drop_certs);
}
