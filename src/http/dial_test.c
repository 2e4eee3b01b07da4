/* Dialling: names (a name server of our own), the race of the families, tunnels through a proxy. */
#include "http/dns.c" /* its channel is pointed at our name server, its clock is ours */

#include "http/calls_test.h"

static struct loop *loop;

/* ---- a name server -------------------------------------------------------------------------------------------------- */

struct names {
    int fd;
    uint16_t port;
    pthread_t thread;
    _Atomic int asked;
    _Atomic bool silent;    /* reads and does not answer */
    _Atomic unsigned octet; /* of 127.0.0.x */
};

/* RFC 1035 4.1: the question is sent back with one record for A and none for AAAA; "none.example" does not exist. */
static size_t write_reply(const struct names *n, unsigned char *m, size_t size)
{
    bool missing = size > 17 && memcmp(m + 13, "none", 4) == 0;
    unsigned type = m[size - 3];
    m[2] = 0x81;
    m[3] = missing ? 0x83 : 0x80;
    m[10] = m[11] = 0; /* no additional records (EDNS) */
    m[7] = !missing && type == 1;
    if (!m[7]) return size;
    const unsigned char record[] = {0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, (unsigned char)n->octet};
    memcpy(m + size, record, sizeof record);
    return size + sizeof record;
}

static void *serve_names(void *user)
{
    struct names *n = user;
    unsigned char m[600];
    struct sockaddr_in from;
    for (;;) {
        socklen_t from_n = sizeof from;
        ssize_t size = recvfrom(n->fd, m, 500, 0, (struct sockaddr *)&from, &from_n);
        if (size <= 0) return NULL;
        if (size == 1) return NULL; /* ends the test */
        size_t question = 12;
        while (m[question]) question += m[question] + 1u;
        n->asked++;
        if (!n->silent) sendto(n->fd, m, write_reply(n, m, question + 5), 0, (struct sockaddr *)&from, from_n);
    }
}

static void names_start(struct names *n, struct dns *d)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    char servers[32];
    n->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(n->fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(n->fd, (struct sockaddr *)&at, &size), 0);
    n->port = ntohs(at.sin_port);
    n->octet = 1;
    assert_true(open_channel(d));
    snprintf(servers, sizeof servers, "127.0.0.1:%u", n->port);
    assert_int_equal(ares_set_servers_ports_csv(d->channel, servers), ARES_SUCCESS);
    assert_int_equal(pthread_create(&n->thread, NULL, serve_names, n), 0);
}

static void names_stop(struct names *n)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(n->port)};
    sendto(n->fd, "", 1, 0, (struct sockaddr *)&at, sizeof at);
    pthread_join(n->thread, NULL);
    close(n->fd);
}

/* ---- names ---------------------------------------------------------------------------------------------------------- */

struct asked {
    struct dns_query query;
    struct addresses found;
    struct fault why;
    bool over;
};

static void on_found(struct dns_query *q, const struct addresses *found, const struct fault *why)
{
    struct asked *a = CONTAINER_OF(q, struct asked, query);
    assert_false(a->over);
    a->over = true;
    if (found) a->found = *found;
    else a->why = *why;
}

static bool find(struct dns *d, struct asked *a, const char *host)
{
    *a = (struct asked){.query.on_answer = on_found};
    return dns_find(d, str_z(host), &a->query, &a->found);
}

static unsigned octet_of(const struct asked *a)
{
    assert_int_equal(a->found.n, 1);
    assert_int_equal(a->found.at[0].any.sa_family, AF_INET);
    return ntohl(a->found.at[0].v4.sin_addr.s_addr) & 0xFF;
}

static void literals_need_no_server(void **state)
{
    (void)state;
    struct dns *d = dns_new(loop);
    struct asked a;
    assert_true(find(d, &a, "127.0.0.9"));
    assert_int_equal(octet_of(&a), 9);
    assert_true(find(d, &a, "::1"));
    assert_int_equal(a.found.at[0].any.sa_family, AF_INET6);
    assert_false(d->has_channel);
    if (!find(d, &a, "localhost")) run_until(loop, &a.over); /* from the hosts file, or by itself where there is none */
    assert_true(a.found.n > 0);
    union address *at = &a.found.at[0];
    assert_true(at->any.sa_family == AF_INET ? at->v4.sin_addr.s_addr == htonl(INADDR_LOOPBACK)
                                             : IN6_IS_ADDR_LOOPBACK(&at->v6.sin6_addr));
    dns_free(d);
}

static void a_known_name_never_waits(void **state)
{
    (void)state;
    struct dns *d = dns_new(loop);
    struct names n = {0};
    struct asked a, b, c;
    names_start(&n, d);
    assert_false(find(d, &a, "model.example"));
    assert_false(find(d, &b, "model.example")); /* one lookup serves both */
    run_until(loop, &a.over);
    run_until(loop, &b.over);
    assert_int_equal(octet_of(&a), 1);
    assert_int_equal(octet_of(&b), 1);
    int asked_once = n.asked;
    assert_true(find(d, &c, "model.example"));
    assert_int_equal(n.asked, asked_once);

    struct name *name = find_name(d, S("model.example"));
    assert_true(timer_is_set(&name->timer));
    timer_cancel(loop, &name->timer); /* its time is over, and the server has died */
    n.silent = true;
    n.octet = 2;
    on_expired(&name->timer);
    assert_true(name->asking); /* it was used: asked again behind the back */
    assert_true(find(d, &c, "model.example"));
    assert_int_equal(octet_of(&c), 1);
    while (name->asking) loop_turn(loop, true);
    assert_true(find(d, &c, "model.example")); /* the last good answer is kept */
    assert_int_equal(octet_of(&c), 1);

    n.silent = false; /* and renewed when the server is back */
    timer_cancel(loop, &name->timer);
    assert_true(find(d, &c, "model.example"));
    while (name->asking) loop_turn(loop, true);
    names_stop(&n);
    dns_free(d);
}

static void a_missing_name_is_told(void **state)
{
    (void)state;
    struct dns *d = dns_new(loop);
    struct names n = {0};
    struct asked a, gone;
    names_start(&n, d);
    assert_false(find(d, &a, "none.example"));
    assert_false(find(d, &gone, "none.example"));
    dns_cancel(&gone.query);
    dns_cancel(&gone.query);
    run_until(loop, &a.over);
    assert_int_equal(a.why.code, ERR_UPSTREAM_DNS);
    assert_non_null(strstr(a.why.text, "none.example"));
    assert_false(gone.over);
    names_stop(&n);
    dns_free(d);
}

static void serve_two(struct peer *p)
{
    char text[1000];
    for (int i = 0; i < 2; i++) {
        int fd = peer_accept(p);
        if (peer_read_request(p, fd, text, sizeof text))
            peer_send(fd, S("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"));
        peer_sees_close(fd);
        close(fd);
    }
}

static void call_by_name(struct http_client *client, struct http_origin *o)
{
    struct http_call_request r = {S("GET"), S("/"), {NULL, 0}, NULL, 0};
    struct seen s = {0};
    s.call = http_call_start(client, o, &r, &PATIENT, &SEEN, &s);
    run_until(loop, &s.over);
    assert_string_equal(s.body, "ok");
}

/* The provider has moved while nobody asked: its old address refuses, the new one is on its way. */
static void an_old_answer_that_fails_is_replaced(void **state)
{
    (void)state;
    struct http_client *client = http_client_new(loop, NULL);
    struct names n = {0};
    struct peer p = {0};
    char url[64];
    names_start(&n, client->dns);
    peer_start(&p, serve_two);
    snprintf(url, sizeof url, "http://model.example:%u", p.port);
    struct http_origin *o = origin_with(url, "", "");
    call_by_name(client, o);
    struct name *name = find_name(client->dns, S("model.example"));
    name->good.at[0].v4.sin_addr.s_addr = htonl(0x7F000002); /* yesterday's: nobody listens there */
    timer_cancel(loop, &name->timer);
    call_by_name(client, o);
    assert_int_equal(ntohl(name->good.at[0].v4.sin_addr.s_addr), 0x7F000001);
    http_origin_unref(o);
    http_client_free(client);
    names_stop(&n);
    peer_join(&p);
}

/* ---- the race ------------------------------------------------------------------------------------------------------- */

struct run {
    struct race race;
    int fd, error;
    bool over;
};

static void on_raced_here(struct race *r, int fd, int error)
{
    struct run *run = CONTAINER_OF(r, struct run, race);
    run->fd = fd;
    run->error = error;
    run->over = true;
}

static void add(struct addresses *to, const char *text)
{
    struct addresses one;
    assert_true(read_literal(str_z(text), &one));
    to->at[to->n++] = one.at[0];
}

/* A listener that lets nobody in: its queue is full, Linux drops what knocks. */
static int black_hole(const char *address, uint16_t port, int fill[8])
{
    uint16_t same = port;
    int fd = listen_on(address, &same);
    struct addresses one = {0};
    assert_int_equal(listen(fd, 0), 0);
    add(&one, address);
    if (one.at[0].any.sa_family == AF_INET) one.at[0].v4.sin_port = htons(port);
    else one.at[0].v6.sin6_port = htons(port);
    for (int i = 0; i < 8; i++) {
        fill[i] = socket(one.at[0].any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fill[i], &one.at[0].any, one.at[0].any.sa_family == AF_INET ? sizeof one.at[0].v4 : sizeof one.at[0].v6);
    }
    return fd;
}

static bool has_v6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0) close(fd);
    return has;
}

static void assert_won_by(const struct run *r, const char *address)
{
    union address peer;
    struct addresses want = {0};
    socklen_t n = sizeof peer;
    assert_true(r->fd >= 0);
    assert_int_equal(getpeername(r->fd, &peer.any, &n), 0);
    int keeps_alive = 0;
    socklen_t size = sizeof keeps_alive;
    assert_int_equal(getsockopt(r->fd, SOL_SOCKET, SO_KEEPALIVE, &keeps_alive, &size), 0);
    assert_int_equal(keeps_alive, 1);
    add(&want, address);
    assert_int_equal(peer.any.sa_family, want.at[0].any.sa_family);
    if (peer.any.sa_family == AF_INET) assert_int_equal(peer.v4.sin_addr.s_addr, want.at[0].v4.sin_addr.s_addr);
    close(r->fd);
}

static void race_between(const char *first, const char *second, uint16_t port, const char *winner)
{
    struct run r = {0};
    struct addresses to = {0};
    add(&to, first);
    add(&to, second);
    race_start(&r.race, loop, &to, port, on_raced_here);
    assert_false(r.over);
    run_until(loop, &r.over);
    assert_won_by(&r, winner);
}

static void one_dead_family_does_not_matter(void **state)
{
    (void)state;
    const char *other = has_v6() ? "::1" : "127.0.0.2"; /* without IPv6 two addresses of one family are raced */
    uint16_t port = 0;
    int good = listen_on("127.0.0.1", &port), fill[8];
    race_between(other, "127.0.0.1", port, "127.0.0.1"); /* refused: the next at once */
    race_between("127.0.0.1", other, port, "127.0.0.1");
    int hole = black_hole(other, port, fill);
    race_between(other, "127.0.0.1", port, "127.0.0.1"); /* silent: the next after a while */
    for (int i = 0; i < 8; i++) close(fill[i]);
    close(hole);
    close(good);
}

static void when_all_refuse_it_says_so(void **state)
{
    (void)state;
    struct run r = {0};
    struct addresses to = {0};
    uint16_t port = 0;
    close(listen_on("127.0.0.1", &port));
    add(&to, "127.0.0.1");
    add(&to, "127.0.0.2");
    race_start(&r.race, loop, &to, port, on_raced_here);
    assert_false(r.over);
    run_until(loop, &r.over);
    assert_int_equal(r.fd, -1);
    assert_int_equal(r.error, ECONNREFUSED);
    race_start(&r.race, loop, &to, port, on_raced_here);
    race_cancel(&r.race);
    race_cancel(&r.race);
}

static void families_take_turns(void **state)
{
    (void)state;
    struct run r = {0};
    struct addresses to = {0};
    static const char *const GIVEN[] = {"2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2"};
    static const sa_family_t WANT[] = {AF_INET6, AF_INET, AF_INET6, AF_INET, AF_INET6};
    for (size_t i = 0; i < COUNTOF(GIVEN); i++) add(&to, GIVEN[i]);
    race_start(&r.race, loop, &to, 1, on_raced_here);
    for (size_t i = 0; i < COUNTOF(WANT); i++) assert_int_equal(r.race.to.at[i].any.sa_family, WANT[i]);
    race_cancel(&r.race);
}

/* ---- the proxy ------------------------------------------------------------------------------------------------------ */

static void proxy_script(struct peer *p)
{
    char text[2000];
    int fd = peer_accept(p);
    if (!peer_read_request(p, fd, text, sizeof text)) return;
    assert_ptr_equal(strstr(text, "CONNECT model.example:81 HTTP/1.1\r\nhost: model.example:81\r\n\r\n"), text);
    peer_send(fd, str_z(p->user));
    if (peer_read_request(p, fd, text, sizeof text)) peer_send(fd, S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    peer_sees_close(fd);
    close(fd);
}

static void call_through(struct seen *s, const char *reply)
{
    struct peer p = {.user = (void *)(uintptr_t)reply};
    struct http_client *client = http_client_new(loop, NULL);
    struct http_call_request r = {S("GET"), S("/"), {NULL, 0}, NULL, 0};
    char proxy[64];
    *s = (struct seen){0};
    peer_start(&p, proxy_script);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", p.port);
    struct http_origin *o = origin_with("http://model.example:81", "", proxy);
    s->call = http_call_start(client, o, &r, &PATIENT, &SEEN, s);
    run_until(loop, &s->over);
    http_origin_unref(o);
    http_client_free(client);
    peer_join(&p);
}

static void a_proxy_connects_or_tells_why(void **state)
{
    (void)state;
    struct seen s;
    call_through(&s, "HTTP/1.1 100 Wait\r\n\r\nHTTP/1.0 200 Connection established\r\n\r\n");
    assert_string_equal(s.body, "ok");
    call_through(&s, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno");
    assert_failed(&s, ERR_UPSTREAM_CONNECT, "status 407");
    assert_ptr_equal(strstr(s.text, "model.example:81: the proxy 127.0.0.1:"), s.text);
    call_through(&s, "SSH-2.0\r\n\r\n");
    assert_failed(&s, ERR_UPSTREAM_CONNECT, "not HTTP");
    call_through(&s, "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    assert_failed(&s, ERR_UPSTREAM_CONNECT, "before the connection was used");
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(literals_need_no_server),
        TEST(a_known_name_never_waits),
        TEST(a_missing_name_is_told),
        TEST(an_old_answer_that_fails_is_replaced),
        TEST(one_dead_family_does_not_matter),
        TEST(when_all_refuse_it_says_so),
        TEST(families_take_turns),
        TEST(a_proxy_connects_or_tells_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
