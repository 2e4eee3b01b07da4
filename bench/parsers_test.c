/* parsers_test: the two HTTP readers of the bench, fed in every possible split. A reader that miscounts would make the
 * figures wrong without a sign, so what it accepts and refuses is pinned here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net.h"
#include "reply.h"
#include "request.h"

struct reply_case {
    const char *bytes;
    enum reply_result result;
    bool good;
    uint64_t events;
};

#define CHUNKED "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n"
#define SSE "content-type: text/event-stream\r\n\r\n"

static const struct reply_case REPLIES[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", REPLY_WHOLE, true, 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}\n", REPLY_WHOLE, true, 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", REPLY_MORE, false, 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", REPLY_WHOLE, false, 0},
    {"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", REPLY_WHOLE, false, 0},
    {"HTTP/1.1 429 Slow\r\nContent-Length: 2\r\n\r\n{}", REPLY_WHOLE, false, 0},
    {CHUNKED "\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", REPLY_WHOLE, true, 0},
    {CHUNKED SSE "9\r\ndata: 1\n\n\r\n12\r\ndata: 2\n\ndata: 3\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n", REPLY_WHOLE, true, 4},
    {CHUNKED SSE "8\r\ndata: 1\n\r\n1\r\n\n\r\n0\r\n\r\n", REPLY_WHOLE, false, 1},
    {CHUNKED SSE "e\r\ndata: [DONE]\n\n\r\n", REPLY_MORE, true, 1},
    {CHUNKED SSE "zz\r\n", REPLY_BAD, false, 0},
    {"SSH-2.0-OpenSSH_9.2 Debian\r\n\r\n", REPLY_BAD, false, 0},
};

struct request_case {
    const char *bytes;
    enum request_result result;
    bool intact, stream, usage;
};

#define POST "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"

static const struct request_case REQUESTS[] = {
    {POST "Content-Length: 2\r\n\r\n{}", REQUEST_WHOLE, true, false, false},
    {POST "Content-Length: 3\r\n\r\n{}", REQUEST_MORE, false, false, false},
    {POST "content-length: 2\r\n\r\n{x", REQUEST_WHOLE, false, false, false},
    {POST "Content-Length: 15\r\n\r\n{\"stream\":true}", REQUEST_WHOLE, true, true, false},
    {POST "Content-Length: 16\r\n\r\n{\"stream\":false}", REQUEST_WHOLE, true, false, false},
    {POST "Content-Length: 59\r\n\r\n{\"stream\": true, \"stream_options\": {\"include_usage\": true}}", REQUEST_WHOLE, true,
     true, true},
    {POST "Transfer-Encoding: chunked\r\n\r\n8\r\n{\"stream\r\n7\r\n\":true}\r\n0\r\n\r\n", REQUEST_WHOLE, true, true, false},
    {POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", REQUEST_MORE, true, false, false},
    {"GET / HTTP/1.1\r\n\r\n", REQUEST_BAD, false, false, false},
};

/* Feeds [0, cut) and the rest; what comes after a final result would be an error of the caller. */
static enum reply_result reply_split(struct reply *r, const char *bytes, size_t cut)
{
    size_t n = strlen(bytes);
    enum reply_result result = cut ? reply_feed(r, bytes, cut) : REPLY_MORE;
    return result == REPLY_MORE && cut < n ? reply_feed(r, bytes + cut, n - cut) : result;
}

static void test_replies_in_every_split(void **state)
{
    (void)state;
    static struct reply r;
    for (size_t i = 0; i < COUNTOF(REPLIES); i++) {
        const struct reply_case *c = &REPLIES[i];
        for (size_t cut = 0; cut < strlen(c->bytes); cut++) {
            reply_clear(&r);
            assert_int_equal(reply_split(&r, c->bytes, cut), c->result);
            if (c->result == REPLY_BAD) continue;
            assert_int_equal(r.events, c->events);
            if (c->result == REPLY_WHOLE) assert_int_equal(reply_is_good(&r), c->good);
        }
    }
}

static enum request_result request_split(struct request *r, const char *bytes, size_t cut)
{
    size_t n = strlen(bytes);
    enum request_result result = cut ? request_feed(r, bytes, cut) : REQUEST_MORE;
    return result == REQUEST_MORE && cut < n ? request_feed(r, bytes + cut, n - cut) : result;
}

static void test_requests_in_every_split(void **state)
{
    (void)state;
    struct request r = {0};
    for (size_t i = 0; i < COUNTOF(REQUESTS); i++) {
        const struct request_case *c = &REQUESTS[i];
        for (size_t cut = 0; cut < strlen(c->bytes); cut++) {
            request_clear(&r);
            assert_int_equal(request_split(&r, c->bytes, cut), c->result);
            if (c->result != REQUEST_WHOLE) continue;
            assert_int_equal(request_is_intact(&r), c->intact);
            assert_int_equal(request_wants_stream(&r), c->stream);
            assert_int_equal(request_wants_usage(&r), c->usage);
        }
    }
    request_clear(&r);
}

/* Both ends of a long body are kept whole, wherever it is cut. */
static void test_long_body_keeps_its_ends(void **state)
{
    (void)state;
    static char bytes[4096];
    int head = snprintf(bytes, sizeof bytes, POST "Content-Length: 2000\r\n\r\n");
    size_t n = (size_t)head + 2000;
    memset(bytes + head, 'x', 2000);
    bytes[head] = '{';
    memcpy(bytes + n - 16, "\"stream\" : true}", 16);
    struct request r = {0};
    for (size_t cut = 1; cut < n; cut++) {
        request_clear(&r);
        assert_int_equal(request_feed(&r, bytes, cut), REQUEST_MORE);
        assert_int_equal(request_feed(&r, bytes + cut, n - cut), REQUEST_WHOLE);
        assert_true(request_is_intact(&r));
        assert_true(request_wants_stream(&r));
    }
    request_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies_in_every_split),
        cmocka_unit_test(test_requests_in_every_split),
        cmocka_unit_test(test_long_body_keeps_its_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
