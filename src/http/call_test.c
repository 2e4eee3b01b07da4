/* Calls against scripted servers: deadlines, back-pressure, cancel, big and early answers; and the pool under them. */
#include "http/client_test.h"

/* ---- deadlines ------------------------------------------------------------------------------------------------------ */

static void stop_somewhere(struct peer *p)
{
    const struct disaster *d = p->user;
    static char text[1000];
    int fd = peer_accept(p);
    peer_read_request(p, fd, text, sizeof text);
    peer_send(fd, d->answer);
    assert_true(peer_sees_close(fd));
    close(fd);
}

static void silence_has_an_end(void **state)
{
    (void)state;
    static const struct {
        struct disaster d;
        struct http_deadlines deadlines;
    } CASES[] = {
        {{S(""), ERR_UPSTREAM_TIMEOUT, "no answer after 60 ms"}, {0, 60, 0, 0}},
        {{S("HTTP/1.1 200 OK\r\n"), ERR_UPSTREAM_TIMEOUT, "no answer after 60 ms"}, {30000, 60, 30000, 0}},
        {{S("HTTP/1.1 200 OK\r\n\r\nsome"), ERR_UPSTREAM_TIMEOUT, "stopped for 60 ms"}, {30000, 30000, 60, 0}},
        {{S("HTTP/1.1 200 OK\r\n\r\nsome"), ERR_UPSTREAM_TIMEOUT, "not whole after 90 ms"}, {30000, 30000, 30000, 90}},
    };
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        struct peer p = {.user = (void *)(uintptr_t)&CASES[i].d};
        struct seen s = {0};
        peer_start(&p, stop_somewhere);
        struct http_origin *o = origin_of(&p);
        start_with(&s, o, "POST", &CASES[i].deadlines);
        run_until(loop, &s.over);
        assert_fails(&s, &p, CASES[i].d.code, CASES[i].d.words);
        http_origin_unref(o);
        peer_join(&p);
    }
}

/* One byte after the other, for ever. */
static void crawl(struct peer *p)
{
    static char text[1000];
    int fd = peer_accept(p);
    peer_read_request(p, fd, text, sizeof text);
    peer_send(fd, S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
    while (peer_send(fd, S("1\r\nx\r\n"))) usleep(10000);
    close(fd);
}

/* A body that gets on with every byte has no end of time here; one that does not is cut although it is never silent. */
static void crawling_has_an_end(void **state)
{
    (void)state;
    struct peer p = {0};
    struct seen s = {.crawls = true};
    const struct http_deadlines d = {.gap_ms = 500};
    peer_start(&p, crawl);
    struct http_origin *o = origin_of(&p);
    start_with(&s, o, "POST", &d);
    run_until(loop, &s.over);
    assert_int_equal(s.error, ERR_UPSTREAM_TIMEOUT);
    assert_non_null(strstr(s.text, "for 500 ms"));
    http_origin_unref(o);
    peer_join(&p);
}

/* A listener whose queue is full lets nobody in: Linux drops the SYN. */
static void connecting_has_an_end(void **state)
{
    (void)state;
    struct peer p = {0};
    int fd = listen_on("127.0.0.1", &p.port), fill[8];
    assert_int_equal(listen(fd, 0), 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(p.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t i = 0; i < COUNTOF(fill); i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fill[i], (struct sockaddr *)&at, sizeof at);
    }
    struct http_origin *o = origin_of(&p);
    struct seen s = {0};
    struct http_deadlines d = {.connect_ms = 100};
    start_with(&s, o, "POST", &d);
    run_until(loop, &s.over);
    assert_fails(&s, &p, ERR_UPSTREAM_CONNECT, "no connection after 100 ms (still connecting)");
    http_origin_unref(o);
    for (size_t i = 0; i < COUNTOF(fill); i++) close(fill[i]);
    close(fd);
}

/* ---- back-pressure, cancel ------------------------------------------------------------------------------------------ */

#define FLOOD MIB(100)

static void flood(struct peer *p)
{
    static char text[KIB(64)];
    int fd = peer_accept(p);
    peer_read_request(p, fd, text, sizeof text);
    memset(text, 'x', sizeof text);
    peer_send(fd, p->user ? S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                          : S("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n"));
    for (size_t sent = 0; sent < FLOOD; sent += sizeof text) {
        if (p->user) peer_send(fd, S("10000\r\n"));
        if (!peer_send(fd, str_make(text, sizeof text))) break;
        if (p->user) peer_send(fd, S("\r\n"));
    }
    if (p->user) peer_send(fd, S("0\r\n\r\n"));
    peer_sees_close(fd);
    close(fd);
}

struct slow {
    struct seen seen;
    struct timer timer;
    size_t carried_max;
};

static void go_on(struct timer *t)
{
    struct slow *s = CONTAINER_OF(t, struct slow, timer);
    size_t carried = s->seen.call->lane->carry.n;
    if (carried > s->carried_max) s->carried_max = carried;
    http_call_resume(s->seen.call);
}

static void rest_often(struct seen *seen)
{
    struct slow *s = CONTAINER_OF(seen, struct slow, seen);
    if (seen->body_n / MIB(1) % 2 == 0) return;
    http_call_pause(seen->call);
    timer_set(loop, &s->timer, 1, go_on);
}

static void a_resting_call_holds_little(void **state)
{
    (void)state;
    for (int chunked = 0; chunked < 2; chunked++) {
        struct peer p = {.user = chunked ? "chunked" : NULL};
        struct slow s = {.seen.on_body = rest_often};
        with_peer(&s.seen, &p, flood);
        assert_int_equal(s.seen.ends, 1);
        assert_int_equal(s.seen.body_n, FLOOD);
        assert_true(s.carried_max <= LOOP_SCRATCH);
        http_client_free(client);
        client = http_client_new(loop, NULL);
        peer_join(&p);
    }
}

static void cancel_now(struct seen *s)
{
    http_call_cancel(s->call);
    s->over = true;
}

static void a_cancelled_call_closes_its_socket(void **state)
{
    (void)state;
    struct peer p = {.user = "chunked"};
    struct seen s = {.on_body = cancel_now};
    with_peer(&s, &p, flood); /* the script ends only when its socket is closed */
    assert_int_equal(s.ends, 0);
    assert_int_equal(STAT(open), 0);
    peer_join(&p);
    struct seen early = {0}; /* while it is still connecting */
    struct http_origin *o = origin_at("http://127.0.0.1:9");
    start(&early, o);
    assert_false(http_call_was_sent(early.call));
    http_call_cancel(early.call);
    assert_int_equal(STAT(open), 0);
    http_origin_unref(o);
}

/* A request much larger than any socket buffer goes out from the caller's memory, in pieces. */
static void swallow_slowly(struct peer *p)
{
    static char text[KIB(64)];
    int fd = peer_accept(p);
    size_t all = 0, want = *(size_t *)p->user;
    ssize_t n;
    while (all < want && (n = recv(fd, text, sizeof text, 0)) > 0) {
        for (ssize_t i = 0; i < n; i++) all += text[i] == 'y';
        usleep(100);
    }
    peer_send(fd, S("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"));
    close(fd);
}

static void a_big_request_is_not_copied(void **state)
{
    (void)state;
    size_t n = MIB(20);
    struct peer p = {.user = &n};
    struct seen s = {0};
    struct str pieces[100];
    char *body = malloc(n);
    assert_non_null(body);
    memset(body, 'y', n);
    for (size_t i = 0; i < 100; i++) pieces[i] = str_make(body + i * (n / 100), i < 99 ? n / 100 : n - 99 * (n / 100));
    peer_start(&p, swallow_slowly);
    struct http_origin *o = origin_of(&p);
    struct http_call_request r = {S("POST"), S("/"), {NULL, 0}, pieces, 100};
    s.call = http_call_start(client, o, &r, &PATIENT, &SEEN, &s);
    while (!s.over && !http_call_was_sent(s.call)) loop_turn(loop, true);
    assert_int_equal(link_queued(&s.call->lane->link), 0);
    run_until(loop, &s.over);
    assert_string_equal(s.body, "ok");
    http_origin_unref(o);
    peer_join(&p);
    free(body);
}

static void refuse_early(struct peer *p)
{
    static char text[1000];
    int fd = peer_accept(p);
    assert_true(recv(fd, text, sizeof text, 0) > 0);
    peer_send(fd, S("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"));
    usleep(20000); /* let the client's kernel have it before the reset */
    close(fd);
}

static void an_early_answer_is_heard(void **state)
{
    (void)state;
    size_t n = MIB(20);
    struct peer p = {0};
    struct seen s = {0};
    char *body = calloc(1, n);
    struct str piece = {body, n};
    peer_start(&p, refuse_early);
    struct http_origin *o = origin_of(&p);
    struct http_call_request r = {S("POST"), S("/"), {NULL, 0}, &piece, 1};
    s.call = http_call_start(client, o, &r, &PATIENT, &SEEN, &s);
    run_until(loop, &s.over);
    assert_int_equal(s.status, 413);
    assert_string_equal(s.body, "no");
    assert_int_equal(STAT(open), 0); /* half a request: not used again */
    http_origin_unref(o);
    peer_join(&p);
    free(body);
}

/* ---- the pool ------------------------------------------------------------------------------------------------------- */

static void serve_forever(struct peer *p)
{
    char text[1000];
    int fds[8], n = 0;
    while (n < 4 && (fds[n] = peer_accept(p)) >= 0) n++;
    for (int i = 0; i < n; i++) peer_read_request(p, fds[i], text, sizeof text);
    for (int i = 0; i < n; i++) peer_send(fds[i], S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    for (int i = 0; i < n; i++) peer_sees_close(fds[i]);
    for (int i = 0; i < n; i++) close(fds[i]);
}

static void calls_at_a_time_have_connections_of_their_own(void **state)
{
    (void)state;
    struct peer p = {0};
    struct seen s[4] = {0};
    struct http_client_options options = {.idle_max_per_origin = 2, .idle_ms = 60000, .head_max = 1000};
    http_client_free(client);
    client = http_client_new(loop, &options);
    peer_start(&p, serve_forever);
    struct http_origin *o = origin_of(&p), *same = origin_of(&p);
    for (int i = 0; i < 4; i++) start(&s[i], i % 2 ? o : same); /* two origins of one key: one pool */
    for (int i = 0; i < 4; i++) run_until(loop, &s[i].over);
    for (int i = 0; i < 4; i++) assert_string_equal(s[i].body, "ok");
    assert_int_equal(client->n_pools, 1);
    assert_int_equal(STAT(idle), 2);
    http_origin_unref(o);
    http_origin_unref(same);
    http_client_free(client);
    client = NULL;
    peer_join(&p);
}

static void see_idle_close(struct peer *p)
{
    char text[1000];
    int fd = peer_accept(p);
    peer_read_request(p, fd, text, sizeof text);
    peer_send(fd, S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    assert_true(peer_sees_close(fd));
    close(fd);
}

static void idle_connections_are_closed_first_by_us(void **state)
{
    (void)state;
    struct peer p = {0};
    struct seen s = {0};
    struct http_client_options options = {.idle_max_per_origin = 2, .idle_ms = 50, .head_max = 1000};
    http_client_free(client);
    client = http_client_new(loop, &options);
    with_peer(&s, &p, see_idle_close);
    assert_string_equal(s.body, "ok");
    while (STAT(open) > 0) loop_turn(loop, true);
    assert_int_equal(STAT(idle), 0);
    peer_join(&p); /* loopback is never kept warm: there was one connection */
    assert_int_equal(STAT(connects), 1);
}

static void announce_the_end(struct peer *p)
{
    char text[1000];
    int fd = peer_accept(p);
    peer_read_request(p, fd, text, sizeof text);
    peer_send(fd, S("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=100\r\nContent-Length: 2\r\n\r\nok"));
    assert_true(peer_sees_close(fd));
    close(fd);
}

/* With idle_ms at its default of 55 s the peer's script would not end in time. */
static void we_close_before_a_server_that_says_when(void **state)
{
    (void)state;
    struct peer p = {0};
    struct seen s = {0};
    with_peer(&s, &p, announce_the_end);
    assert_string_equal(s.body, "ok");
    while (STAT(open) > 0) loop_turn(loop, true);
    peer_join(&p);
}

static void see_warm_connection(struct peer *p)
{
    see_idle_close(p);
    int fd = peer_accept(p);
    assert_true(peer_sees_close(fd));
    close(fd);
}

static void an_origin_in_use_is_kept_warm(void **state)
{
    (void)state;
    struct peer p = {0};
    struct seen s = {0};
    struct http_client_options options = {.idle_max_per_origin = 2, .idle_ms = 50, .head_max = 1000};
    http_client_free(client);
    client = http_client_new(loop, &options);
    peer_start(&p, see_warm_connection);
    struct http_origin *o = origin_of(&p);
    run(&s, o);
    pool_get(client, o)->warm_left = 1; /* loopback never is by itself */
    while (STAT(connects) < 2 || STAT(open) > 0) loop_turn(loop, true);
    assert_int_equal(STAT(connects), 2);
    assert_int_equal(STAT(calls), 1);
    http_origin_unref(o);
    peer_join(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(silence_has_an_end),
        TEST(crawling_has_an_end),
        TEST(connecting_has_an_end),
        TEST(a_resting_call_holds_little),
        TEST(a_cancelled_call_closes_its_socket),
        TEST(a_big_request_is_not_copied),
        TEST(an_early_answer_is_heard),
        TEST(calls_at_a_time_have_connections_of_their_own),
        TEST(idle_connections_are_closed_first_by_us),
        TEST(we_close_before_a_server_that_says_when),
        TEST(an_origin_in_use_is_kept_warm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
