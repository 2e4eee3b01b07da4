/* The upstream client against scripted servers: reuse, framing, refusals, retry. */
#include "http/client_test.h"

/* ---- reuse and framing ---------------------------------------------------------------------------------------------- */

static void answer_three(struct peer *p)
{
    char text[1000];
    int fd = peer_accept(p);
    while (peer_read_request(p, fd, text, sizeof text)) {
        if (p->requests == 1) {
            assert_string_equal(text, p->user);
            peer_send(fd, S("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello"));
        }
        if (p->requests == 2)
            peer_send(fd, S("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nTransfer-Encoding: "
                            "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
        if (p->requests == 3) peer_send(fd, S("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")); /* to HEAD */
        if (p->requests == 4) break;
    }
    peer_send(fd, S("HTTP/1.1 200 OK\r\n\r\nto the end"));
    close(fd);
}

static void one_connection_serves_many_calls(void **state)
{
    (void)state;
    struct peer p = {0};
    char want[400];
    p.user = want;
    peer_start(&p, answer_three);
    snprintf(want, sizeof want,
             "POST /v1/chat?x=1 HTTP/1.1\r\nhost: 127.0.0.1:%u\r\nx-a: 1\r\ncontent-length: 13\r\n\r\n{\"model\":\"m\"}", p.port);
    struct http_origin *o = origin_of(&p);
    struct seen s[4] = {0};
    run(&s[0], o);
    run(&s[1], o);
    start_with(&s[2], o, "HEAD", &PATIENT);
    run_until(loop, &s[2].over);
    run(&s[3], o);
    assert_int_equal(s[0].status, 200);
    assert_string_equal(s[0].type, "a/b");
    assert_string_equal(s[0].body, "hello");
    assert_int_equal(s[1].status, 404);
    assert_string_equal(s[1].body, "abcde");
    assert_int_equal(s[2].status, 200);
    assert_int_equal(s[2].body_n, 0);
    assert_string_equal(s[3].body, "to the end");
    for (int i = 0; i < 4; i++) assert_int_equal(s[i].ends, 1);
    assert_int_equal(p.accepted, 1);
    assert_int_equal(STAT(reused), 3);
    assert_int_equal(STAT(connects), 1);
    assert_int_equal(STAT(idle), 0);
    http_origin_unref(o);
    peer_join(&p);
}

static void send_too_much(struct peer *p)
{
    char text[1000];
    int fd = peer_accept(p);
    peer_read_request(p, fd, text, sizeof text);
    peer_send(fd, S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"));
    assert_true(peer_sees_close(fd));
    close(fd);
    fd = peer_accept(p);
    peer_read_request(p, fd, text, sizeof text);
    peer_send(fd, S("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"));
    close(fd);
}

static void what_follows_an_answer_is_never_another(void **state)
{
    (void)state;
    struct peer p = {0};
    struct seen s[2] = {0};
    peer_start(&p, send_too_much);
    struct http_origin *o = origin_of(&p);
    run(&s[0], o);
    assert_string_equal(s[0].body, "ok");
    run(&s[1], o);
    assert_string_equal(s[1].body, "good");
    assert_int_equal(p.accepted, 2);
    http_origin_unref(o);
    peer_join(&p);
}

static void answer_bytewise(struct peer *p)
{
    char text[1000];
    int fd = peer_accept(p);
    peer_read_request(p, fd, text, sizeof text);
    struct str all = S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n");
    for (size_t i = 0; i < all.n; i++) {
        peer_send(fd, str_make(all.p + i, 1));
        usleep(200);
    }
    peer_sees_close(fd);
    close(fd);
}

static void a_byte_at_a_time_is_enough(void **state)
{
    (void)state;
    struct peer p = {0};
    struct seen s = {0};
    with_peer(&s, &p, answer_bytewise);
    assert_string_equal(s.body, "abc");
    assert_int_equal(s.ends, 1);
    http_client_free(client); /* closes the idle connection, which the script waits for */
    client = NULL;
    peer_join(&p);
}

/* ---- hostile servers ------------------------------------------------------------------------------------------------ */

static void answer_and_close(struct peer *p)
{
    const struct disaster *d = p->user;
    static char text[KIB(70)];
    int fd = peer_accept(p);
    peer_read_request(p, fd, text, sizeof text);
    peer_send(fd, d->answer);
    shutdown(fd, SHUT_WR);
    peer_sees_close(fd);
    close(fd);
}

static void each_disaster_has_its_error(void **state)
{
    (void)state;
    static const struct disaster DISASTERS[] = {
        {S(""), ERR_UPSTREAM_CUT, "closed the connection without an answer"},
        {S("HTTP/1.1 200 OK\r\nConte"), ERR_UPSTREAM_CUT, "inside the answer's head"},
        {S("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), ERR_UPSTREAM_CUT, "5 bytes"},
        {S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), ERR_UPSTREAM_CUT, "middle"},
        {S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX"), ERR_UPSTREAM_GARBAGE, "chunk"},
        {S("HELO\r\n\r\n"), ERR_UPSTREAM_GARBAGE, "not HTTP"},
        {S("220 smtp.example.com ready\r\n"), ERR_UPSTREAM_GARBAGE, "not HTTP"},
    };
    for (size_t i = 0; i < COUNTOF(DISASTERS); i++) {
        struct peer p = {.user = (void *)(uintptr_t)&DISASTERS[i]};
        struct seen s = {0};
        with_peer(&s, &p, answer_and_close);
        assert_fails(&s, &p, DISASTERS[i].code, DISASTERS[i].words);
        peer_join(&p);
    }
    assert_int_equal(STAT(stale_retries), 0);
}

static void answer_without_end(struct peer *p)
{
    struct str part = S("x-filler: 0123456789012345678901234567890123456789\r\n");
    static char text[1000];
    int fd = peer_accept(p);
    peer_read_request(p, fd, text, sizeof text);
    if (p->user) part = S("HTTP/1.1 102 Wait\r\n\r\n");
    else peer_send(fd, S("HTTP/1.1 200 OK\r\n"));
    while (peer_send(fd, part)) continue;
    close(fd);
}

static void endless_heads_are_bounded(void **state)
{
    (void)state;
    struct peer fields = {0}, interim = {.user = "1xx"};
    struct seen s[2] = {0};
    with_peer(&s[0], &fields, answer_without_end);
    assert_fails(&s[0], &fields, ERR_UPSTREAM_TOO_LARGE, "too many header fields");
    with_peer(&s[1], &interim, answer_without_end);
    assert_fails(&s[1], &interim, ERR_UPSTREAM_GARBAGE, "interim");
    peer_join(&fields);
    peer_join(&interim);
}

static void nobody_listens(void **state)
{
    (void)state;
    struct peer p = {0};
    struct seen s = {0};
    close(listen_on("127.0.0.1", &p.port));
    struct http_origin *o = origin_of(&p);
    run(&s, o);
    assert_fails(&s, &p, ERR_UPSTREAM_CONNECT, "refused");
    assert_int_equal(STAT(connect_failures), 1);
    http_origin_unref(o);
}

static void bad_fields_are_refused_later(void **state)
{
    (void)state;
    static const struct http_field FIELDS[] = {{S("x"), S("a\r\nevil: 1")}};
    struct http_origin *o = origin_at("http://127.0.0.1:9");
    struct seen s = {0};
    struct http_call_request r = {S("POST"), S("/"), {FIELDS, 1}, NULL, 0};
    s.call = http_call_start(client, o, &r, &PATIENT, &SEEN, &s);
    assert_false(s.over);
    run_until(loop, &s.over);
    assert_int_equal(s.error, ERR_INTERNAL);
    assert_null(strstr(s.text, "evil"));
    struct seen gone = {0}; /* cancelled before it could be told */
    gone.call = http_call_start(client, o, &r, &PATIENT, &SEEN, &gone);
    http_call_cancel(gone.call);
    loop_turn(loop, false);
    assert_false(gone.over);
    http_origin_unref(o);
}

/* ---- stale connections ---------------------------------------------------------------------------------------------- */

/* Answers once, then closes as soon as the next request begins to come. */
static void close_on_second(struct peer *p)
{
    static char text[1000];
    int fd = peer_accept(p);
    peer_read_request(p, fd, text, sizeof text);
    peer_send(fd, S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    assert_true(recv(fd, text, 1, 0) == 1);
    if (p->user) peer_send(fd, S("HTTP/1.1 2")); /* a byte of an answer: no more stale */
    if (p->user) shutdown(fd, SHUT_WR);
    if (p->user) peer_sees_close(fd);
    close(fd); /* with unread bytes: a reset */
    if (p->user) return;
    for (int i = 0; i < 2; i++) { /* the second time the fresh one closes, too */
        fd = peer_accept(p);
        if (fd < 0) return;
        if (!peer_read_request(p, fd, text, sizeof text)) continue;
        if (i == 0) peer_send(fd, S("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nagain"));
        close(fd);
    }
}

static void a_stale_connection_costs_one_retry(void **state)
{
    (void)state;
    struct peer p = {0};
    struct seen s[3] = {0};
    peer_start(&p, close_on_second);
    struct http_origin *o = origin_of(&p);
    run(&s[0], o);
    run(&s[1], o);
    assert_string_equal(s[1].body, "again");
    assert_int_equal(STAT(stale_retries), 1);
    assert_int_equal(p.requests, 2);
    run(&s[2], o); /* a fresh connection that closes is never tried again */
    assert_fails(&s[2], &p, ERR_UPSTREAM_CUT, "without an answer");
    assert_int_equal(STAT(stale_retries), 1);
    assert_int_equal(p.accepted, 3);
    http_origin_unref(o);
    peer_join(&p);
}

static void one_byte_of_answer_forbids_the_retry(void **state)
{
    (void)state;
    struct peer p = {.user = "byte"};
    struct seen s[2] = {0};
    peer_start(&p, close_on_second);
    struct http_origin *o = origin_of(&p);
    run(&s[0], o);
    run(&s[1], o);
    assert_fails(&s[1], &p, ERR_UPSTREAM_CUT, "head");
    assert_int_equal(STAT(stale_retries), 0);
    assert_int_equal(p.accepted, 1);
    http_origin_unref(o);
    peer_join(&p);
}

static void close_late(struct peer *p)
{
    char text[1000];
    int fd = peer_accept(p);
    peer_read_request(p, fd, text, sizeof text);
    peer_send(fd, S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    peer_read_request(p, fd, text, sizeof text);
    while (!*(_Atomic bool *)p->user) usleep(1000);
    close(fd);
}

static void what_may_have_been_done_is_not_done_again(void **state)
{
    (void)state;
    _Atomic bool may_close = false;
    struct peer p = {.user = &may_close};
    struct seen s[2] = {0};
    peer_start(&p, close_late);
    struct http_origin *o = origin_of(&p);
    run(&s[0], o);
    start(&s[1], o);
    s[1].call->sent_at -= 6000; /* as if the server had thought for so long */
    may_close = true;
    run_until(loop, &s[1].over);
    assert_fails(&s[1], &p, ERR_UPSTREAM_STALE, "not sent again");
    assert_int_equal(p.accepted, 1);
    http_origin_unref(o);
    peer_join(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_connection_serves_many_calls),
        TEST(what_follows_an_answer_is_never_another),
        TEST(a_byte_at_a_time_is_enough),
        TEST(each_disaster_has_its_error),
        TEST(endless_heads_are_bounded),
        TEST(nobody_listens),
        TEST(bad_fields_are_refused_later),
        TEST(a_stale_connection_costs_one_retry),
        TEST(one_byte_of_answer_forbids_the_retry),
        TEST(what_may_have_been_done_is_not_done_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
