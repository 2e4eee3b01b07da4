/* Thousands of calls with everything happening at once: servers that answer, lie, stop, cut and close at random, callers
 * that rest, go on and cancel at random, deadlines that pass. Each call must end exactly once, and nothing may be left. */
#include "http/calls_test.h"

#include <stdio.h>
#include <poll.h>

#define CALLS 4000
#define AT_A_TIME 60
#define SOCKETS_MAX 512
#define BIG 300000

static struct loop *loop;
static struct http_client *client;
static struct http_origin *origin;
static uint64_t seed = 20261123;
static int left = CALLS, live, ends, fails, cancels;
static bool all_over;

static unsigned below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

/* ---- the server ----------------------------------------------------------------------------------------------------- */

static char big[BIG];

static void say(int fd, const char *text) { peer_send(fd, str_z(text)); }

static void say_chunks(int fd, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        say(fd, "1000\r\n");
        peer_send(fd, str_make(big, 4096));
        say(fd, "\r\n");
    }
}

/* False: closes after it. */
static bool behave(int fd, unsigned how)
{
    static const struct {
        const char *text;
        bool stays;
    } SIMPLE[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", true},
        {"HTTP/1.1 204 None\r\n\r\n", true},
        {"", true},
        {"", false},
        {"HTTP/1.1 200 OK\r\nContent-Le", false},
        {"garbage\r\n\r\n", true},
        {"HTTP/1.1 200 OK\r\n\r\nto the end", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", true},
        {"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true},
    };
    how %= COUNTOF(SIMPLE);
    say(fd, SIMPLE[how].text);
    if (how == 12) peer_send(fd, str_make(big, BIG));
    if (how == 13) say_chunks(fd, 30);
    if (how == 13) say(fd, fd % 2 ? "0\r\n\r\n" : "0\r\n");
    return SIMPLE[how].stays;
}

/* One socket is readable: reads, and when a request's last byte is there, does something. False: it is closed. */
static bool serve(int fd, unsigned *how)
{
    static char room[KIB(64)];
    ssize_t n = recv(fd, room, sizeof room, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (n > 0 && room[n - 1] != '}') return true;
    if (n > 0 && behave(fd, (*how += 5) / 3)) return true;
    close(fd);
    return false;
}

static void random_server(struct peer *p)
{
    struct pollfd fds[SOCKETS_MAX] = {{.fd = p->listener, .events = POLLIN}};
    nfds_t n = 1;
    unsigned how = 0;
    while (poll(fds, n, PATIENCE_S * 1000) > 0) {
        for (nfds_t i = n; i-- > 1;) {
            if (fds[i].revents && !serve(fds[i].fd, &how)) fds[i] = fds[--n];
        }
        if (!fds[0].revents) continue;
        int fd = peer_accept(p);
        if (fd < 0) break; /* the test is over */
        if (n < SOCKETS_MAX) fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
        else close(fd);
    }
    while (n > 1) close(fds[--n].fd);
}

/* ---- the callers ---------------------------------------------------------------------------------------------------- */

struct caller {
    struct http_call *call;
    struct timer timer;
    bool is_resting, is_over;
};

static void start_one(void);

static void end_one(struct caller *c)
{
    assert_false(c->is_over);
    c->is_over = true;
    timer_cancel(loop, &c->timer);
    free(c);
    live--;
    if (left > 0) start_one();
    if (left > 0 && below(3) == 0) start_one();
    all_over = left == 0 && live == 0;
}

static void cancel(struct caller *c)
{
    http_call_cancel(c->call);
    cancels++;
    end_one(c);
}

static void on_timer(struct timer *t)
{
    struct caller *c = CONTAINER_OF(t, struct caller, timer);
    if (!c->is_resting) {
        cancel(c);
        return;
    }
    c->is_resting = false;
    http_call_resume(c->call);
}

static void on_head(struct http_call *call, int status, struct http_fields fields, void *user)
{
    struct caller *c = user;
    (void)fields;
    assert_ptr_equal(call, c->call);
    assert_true(status == 200 || status == 204);
    if (below(30) == 0) cancel(c);
}

static bool on_body(struct http_call *call, struct str bytes, void *user)
{
    struct caller *c = user;
    assert_ptr_equal(call, c->call);
    assert_false(c->is_resting);
    for (size_t i = 0; i < bytes.n; i += 97) assert_true(bytes.p[i] >= ' ');
    unsigned what = below(20);
    if (what == 0) {
        cancel(c);
    } else if (what < 6) {
        http_call_pause(call);
        c->is_resting = true;
        timer_set(loop, &c->timer, below(5), on_timer);
    } else if (what == 7) {
        http_call_pause(call);
        http_call_resume(call);
    }
    return true;
}

static void on_end(struct http_call *call, void *user)
{
    (void)call;
    assert_false(((struct caller *)user)->is_resting);
    ends++;
    end_one(user);
}

static void on_fail(struct http_call *call, const struct fault *why, void *user)
{
    (void)call;
    assert_true(why->code != OK && why->text[0]);
    fails++;
    end_one(user);
}

static void start_one(void)
{
    static const struct http_call_handler CALLER = {on_head, on_body, on_end, on_fail};
    static const struct str PIECES[2] = {S("{\"a\": "), S("1}")};
    if (live >= AT_A_TIME) return;
    left--;
    live++;
    struct caller *c = mem_alloc(sizeof *c);
    struct http_call_request r = {S("POST"), S("/"), {NULL, 0}, PIECES, 2};
    struct http_deadlines d = {
        .connect_ms = 5000, .first_byte_ms = below(5) ? 100 : 3, .gap_ms = 100, .total_ms = below(9) ? 0 : 5};
    c->call = http_call_start(client, origin, &r, &d, &CALLER, c);
    if (below(20) == 0) timer_set(loop, &c->timer, below(10), on_timer);
    if (below(50) == 0) cancel(c);
}

static void every_call_ends_once(void **state)
{
    (void)state;
    struct peer p = {0};
    char url[64];
    struct http_client_options options = {.idle_max_per_origin = 20, .idle_ms = 30};
    memset(big, 'z', sizeof big);
    peer_start(&p, random_server);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", p.port);
    loop = loop_new();
    client = http_client_new(loop, &options);
    origin = origin_with(url, "", "");
    for (int i = 0; i < AT_A_TIME / 2; i++) start_one();
    run_until(loop, &all_over);
    assert_int_equal(ends + fails + cancels, CALLS);
    assert_true(ends > 0 && fails > 0 && cancels > 0);
    assert_true(STAT_OF(client, reused) > 0);
    assert_int_equal(STAT_OF(client, calls), CALLS);
    assert_int_equal(STAT_OF(client, open), STAT_OF(client, idle));
    http_client_free(client);
    http_origin_unref(origin);
    loop_free(loop);
    shutdown(p.listener, SHUT_RDWR);
    peer_join(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_call_ends_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
