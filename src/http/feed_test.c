/* Request bodies that are fed while they go up: whole, with a known length and in chunks, no faster than they are taken, and never sent
 * again once some of them is gone. */
#include "http/client_test.h"

#define SIZE MIB(5)

static char body[SIZE];
static char taken[SIZE + KIB(128)];

/* One upload: the test feeds while fewer than HTTP_QUEUE_HIGH bytes wait, and again when it is asked for more. */
struct upload {
    struct seen seen;
    size_t fed, most;
    unsigned hungry;
    bool stops; /* nothing more comes by itself */
};
static struct upload *up;

static void feed(struct upload *u)
{
    size_t waits = 0;
    while (u->fed < SIZE && waits <= HTTP_QUEUE_HIGH) {
        size_t n = SIZE - u->fed < 10000 ? SIZE - u->fed : 10000;
        waits = http_call_feed(u->seen.call, str_make(body + u->fed, n));
        u->fed += n;
        if (waits > u->most) u->most = waits;
    }
    if (u->fed == SIZE) http_call_feed_end(u->seen.call);
}

static void on_hungry(struct http_call *c, void *user)
{
    (void)user;
    assert_ptr_equal(c, up->seen.call);
    up->hungry++;
    if (!up->stops) feed(up);
}

static const struct http_call_handler FED = {seen_head, seen_body, seen_end, seen_fail, on_hungry};

static void begin(struct upload *u, struct http_origin *o, uint64_t length)
{
    const struct http_call_request r = {.method = S("POST"), .target = S("/up"), .is_fed = true, .fed_length = length};
    for (size_t i = 0; i < SIZE; i++) body[i] = (char)(i * 7 + i / 777);
    up = u;
    u->seen.call = http_call_start(client, o, &r, &PATIENT, &FED, &u->seen);
}

static bool read_some(int fd, size_t *n)
{
    ssize_t got = recv(fd, taken + *n, sizeof taken - 1 - *n, 0);
    if (got > 0) *n += (size_t)got;
    return got > 0;
}

static const char *behind_head(const char *text) { return strstr(text, "\r\n\r\n"); }

/* Takes the whole upload and answers. */
static void take(struct peer *p)
{
    int fd = peer_accept(p);
    size_t n = 0, behind = 0;
    memset(taken, 0, sizeof taken);
    while (n - behind < SIZE && read_some(fd, &n))
        if (!behind && behind_head(taken)) behind = (size_t)(behind_head(taken) + 4 - taken);
    peer_send(fd, S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    peer_sees_close(fd);
    close(fd);
}

static void a_known_length(void **state)
{
    (void)state;
    struct peer p = {0};
    struct upload u = {0};
    peer_start(&p, take);
    struct http_origin *o = origin_of(&p);
    begin(&u, o, SIZE);
    feed(&u);
    run_until(loop, &u.seen.over);
    assert_int_equal(u.seen.status, 200);
    assert_true(u.hungry > 0 && u.most <= HTTP_QUEUE_HIGH + 10000);
    assert_non_null(strstr(taken, "content-length: 5242880\r\n"));
    assert_memory_equal(behind_head(taken) + 4, body, SIZE);
    assert_int_equal(http_client_stats_get(client)->idle, 1);
    http_origin_unref(o);
    http_client_free(client); /* so that the peer sees the end */
    client = http_client_new(loop, NULL);
    peer_join(&p);
}

/* Un-chunks in place what was taken; the body's length, or 0 while it is not whole. */
static size_t unchunk(char *at)
{
    size_t sum = 0;
    char *to = at, *end;
    for (;;) {
        size_t n = strtoul(at, &end, 16);
        if (end == at || memcmp(end, "\r\n", 2) != 0) return 0;
        at = end + 2;
        if (n == 0) return memcmp(at, "\r\n", 2) == 0 ? sum : 0;
        memmove(to, at, n);
        if (memcmp(at + n, "\r\n", 2) != 0) return 0;
        at += n + 2;
        to += n;
        sum += n;
    }
}

static void take_chunks(struct peer *p)
{
    int fd = peer_accept(p);
    size_t n = 0;
    memset(taken, 0, sizeof taken);
    while ((n < 5 || memcmp(taken + n - 5, "0\r\n\r\n", 5) != 0) && read_some(fd, &n)) continue;
    peer_send(fd, S("HTTP/1.1 204 No Content\r\n\r\n"));
    peer_sees_close(fd);
    close(fd);
}

static void chunks(void **state)
{
    (void)state;
    struct peer p = {0};
    struct upload u = {0};
    peer_start(&p, take_chunks);
    struct http_origin *o = origin_of(&p);
    begin(&u, o, HTTP_BODY_UNKNOWN);
    feed(&u);
    run_until(loop, &u.seen.over);
    assert_int_equal(u.seen.status, 204);
    assert_non_null(strstr(taken, "transfer-encoding: chunked\r\n"));
    assert_null(strstr(taken, "content-length"));
    char *at = strstr(taken, "\r\n\r\n") + 4;
    assert_int_equal(unchunk(at), SIZE);
    assert_memory_equal(at, body, SIZE);
    http_origin_unref(o);
    http_client_free(client);
    client = http_client_new(loop, NULL);
    peer_join(&p);
}

/* A server that has seen enough says so; the rest is not sent, and the connection not used again. */
static void refuse_early(struct peer *p)
{
    int fd = peer_accept(p);
    size_t n = 0;
    read_some(fd, &n);
    peer_send(fd, S("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"));
    peer_sees_close(fd);
    close(fd);
}

static void an_early_answer(void **state)
{
    (void)state;
    struct peer p = {0};
    struct upload u = {0};
    peer_start(&p, refuse_early);
    struct http_origin *o = origin_of(&p);
    begin(&u, o, SIZE);
    u.stops = true;
    http_call_feed(u.seen.call, str_make(body, KIB(100)));
    run_until(loop, &u.seen.over);
    assert_int_equal(u.seen.status, 413);
    assert_int_equal(http_client_stats_get(client)->idle, 0);
    http_origin_unref(o);
    peer_join(&p);
}

static void break_off(struct peer *p)
{
    int fd = peer_accept(p);
    size_t n = 0;
    read_some(fd, &n);
    close(fd);
}

static void a_break_is_told_and_nothing_is_sent_again(void **state)
{
    (void)state;
    struct peer p = {0};
    struct upload u = {0};
    peer_start(&p, break_off);
    struct http_origin *o = origin_of(&p);
    begin(&u, o, SIZE);
    feed(&u);
    run_until(loop, &u.seen.over);
    assert_int_equal(u.seen.error, ERR_UPSTREAM_CUT);
    assert_int_equal(p.accepted, 1);
    assert_int_equal(http_client_stats_get(client)->stale_retries, 0);
    http_origin_unref(o);
    peer_join(&p);
}

/* Nobody feeds: the deadline of the answer runs from the last bytes on. */
static void a_body_that_stops(void **state)
{
    (void)state;
    struct peer p = {0};
    struct upload u = {0};
    const struct http_deadlines d = {.connect_ms = 30000, .first_byte_ms = 60};
    const struct http_call_request r = {.method = S("POST"), .target = S("/up"), .is_fed = true, .fed_length = SIZE};
    peer_start(&p, take);
    struct http_origin *o = origin_of(&p);
    up = &u;
    u.seen.call = http_call_start(client, o, &r, &d, &FED, &u.seen);
    http_call_feed(u.seen.call, S("abc"));
    run_until(loop, &u.seen.over);
    assert_int_equal(u.seen.error, ERR_UPSTREAM_TIMEOUT);
    http_origin_unref(o);
    peer_join(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_known_length),    TEST(chunks), TEST(an_early_answer), TEST(a_break_is_told_and_nothing_is_sent_again),
        TEST(a_body_that_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
