/* Unit tests of HTTP/1.1 on the server's side: golden requests and answers in every cut, smuggling and garbage. */
#include "base/test.h"

#include "http/server_bench.h"

struct golden {
    const char *title;
    struct str in;
    const char *events; /* what the handler was told */
    const char *out;    /* what the client got, without date */
    bool ends;          /* the server closes the connection */
};
#define IN(text) {text, sizeof(text) - 1}

static const struct golden GOLDEN[] = {
    {"a simple request", IN("GET /a?b=c HTTP/1.1\r\n" HOST "\r\n"), "head GET /a ?b=c @a\nrequest 0 \nclosed whole\n",
     OK_HEAD "content-length: 6\r\n\r\nhello\n", false},
    {"a body of known length", IN("POST /e HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcde"),
     "head POST /e ? @a\nrequest 5 abcde\nclosed whole\n", OK_HEAD "content-length: 5\r\n\r\nabcde", false},
    {"a chunked body with extension and trailer",
     IN("POST /e HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"),
     "head POST /e ? @a\nrequest 5 abcde\nclosed whole\n", OK_HEAD "content-length: 5\r\n\r\nabcde", false},
    {"a stream", IN("GET /stream HTTP/1.1\r\n" HOST "\r\n"), "head GET /stream ? @a\nrequest 0 \nclosed whole\n",
     OK_HEAD "transfer-encoding: chunked\r\n\r\n3\r\none\r\n6\r\ntwotwo\r\n5\r\nthree\r\n0\r\n\r\n", false},
    {"a stream of known length", IN("GET /known HTTP/1.1\r\n" HOST "\r\n"), "head GET /known ? @a\nrequest 0 \nclosed whole\n",
     OK_HEAD "content-length: 6\r\n\r\nabcdef", false},
    {"HEAD", IN("HEAD /a HTTP/1.1\r\n" HOST "\r\n"), "head HEAD /a ? @a\nrequest 0 \nclosed whole\n",
     OK_HEAD "content-length: 6\r\n\r\n", false},
    {"HEAD of a stream", IN("HEAD /stream HTTP/1.1\r\n" HOST "\r\n"), "head HEAD /stream ? @a\nrequest 0 \nclosed whole\n",
     OK_HEAD "transfer-encoding: chunked\r\n\r\n", false},
    {"HEAD after release", IN("HEAD /released HTTP/1.1\r\n" HOST "\r\n"), "head HEAD /released ? @a\nrequest 0 \nclosed whole\n",
     OK_HEAD "content-length: 8\r\n\r\n", false},
    {"204 has neither length nor coding", IN("GET /empty HTTP/1.1\r\n" HOST "\r\n"),
     "head GET /empty ? @a\nrequest 0 \nclosed whole\n", "HTTP/1.1 204 No Content\r\ncontent-type: text/plain\r\n\r\n", false},
    {"Connection: close", IN("GET /a HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"),
     "head GET /a ? @a\nrequest 0 \nclosed whole\n", OK_HEAD "connection: close\r\ncontent-length: 6\r\n\r\nhello\n", true},
    {"HTTP/1.0", IN("GET /a HTTP/1.0\r\n\r\n"), "head GET /a ? @\nrequest 0 \nclosed whole\n",
     OK_HEAD "connection: close\r\ncontent-length: 6\r\n\r\nhello\n", true},
    {"HTTP/1.0 keeps alive on request", IN("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
     "head GET /a ? @\nrequest 0 \nclosed whole\n", OK_HEAD "connection: keep-alive\r\ncontent-length: 6\r\n\r\nhello\n", false},
    {"a stream to HTTP/1.0 ends with the connection", IN("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
     "head GET /stream ? @\nrequest 0 \nclosed whole\n", OK_HEAD "connection: close\r\n\r\nonetwotwothree", true},
    {"100-continue", IN("POST /e HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"),
     "head POST /e ? @a\nrequest 2 hi\nclosed whole\n", "HTTP/1.1 100 Continue\r\n\r\n" OK_HEAD "content-length: 2\r\n\r\nhi",
     false},
    {"an early answer, the body is skipped",
     IN("POST /early HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nxyzGET /a HTTP/1.1\r\n" HOST "\r\n"),
     "head POST /early ? @a\nclosed whole\nhead GET /a ? @a\nrequest 0 \nclosed whole\n",
     "HTTP/1.1 403 Forbidden\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nno\n" OK_HEAD
     "content-length: 6\r\n\r\nhello\n",
     false},
    {"an early answer to a chunked body closes",
     IN("POST /early HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
     "head POST /early ? @a\nclosed whole\n",
     "HTTP/1.1 403 Forbidden\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 3\r\n\r\nno\n", true},
    {"three in a pipeline",
     IN("GET /1 HTTP/1.1\r\n" HOST "\r\nPOST /2 HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx"
        "GET /3 HTTP/1.1\r\n" HOST "\r\n"),
     "head GET /1 ? @a\nrequest 0 \nclosed whole\nhead POST /2 ? @a\nrequest 1 x\nclosed whole\n"
     "head GET /3 ? @a\nrequest 0 \nclosed whole\n",
     OK_HEAD "content-length: 6\r\n\r\nhello\n" OK_HEAD "content-length: 1\r\n\r\nx" OK_HEAD "content-length: 6\r\n\r\nhello\n",
     false},
    {"the second of a pipeline breaks", IN("GET /1 HTTP/1.1\r\n" HOST "\r\nGET /abort HTTP/1.1\r\n" HOST "\r\n"),
     "head GET /1 ? @a\nrequest 0 \nclosed whole\nhead GET /abort ? @a\nrequest 0 \nclosed broken\n",
     OK_HEAD "content-length: 6\r\n\r\nhello\n" OK_HEAD "transfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n", true},
    {"empty lines before a request", IN("\r\n\r\nGET /a HTTP/1.1\r\n" HOST "\r\n"),
     "head GET /a ? @a\nrequest 0 \nclosed whole\n", OK_HEAD "content-length: 6\r\n\r\nhello\n", false},
    {"an absolute target overrides Host", IN("GET http://b:1/p?q HTTP/1.1\r\n" HOST "\r\n"),
     "head GET /p ?q @b:1\nrequest 0 \nclosed whole\n", OK_HEAD "content-length: 6\r\n\r\nhello\n", false},
    {"OPTIONS *", IN("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), "head OPTIONS * ? @a\nrequest 0 \nclosed whole\n",
     OK_HEAD "content-length: 6\r\n\r\nhello\n", false},
    {"an upgrade is not taken up",
     IN("GET /a HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        "GET /b HTTP/1.1\r\n" HOST "\r\n"),
     "head GET /a ? @a\nrequest 0 \nclosed whole\nhead GET /b ? @a\nrequest 0 \nclosed whole\n",
     OK_HEAD "content-length: 6\r\n\r\nhello\n" OK_HEAD "content-length: 6\r\n\r\nhello\n", false},
    {"another protocol is not answered", IN("INVALID CONNECTION PREFACE\r\n\r\n"), "", "", true},
    {"a broken answer is seen as broken", IN("GET /abort HTTP/1.1\r\n" HOST "\r\n"),
     "head GET /abort ? @a\nrequest 0 \nclosed broken\n", OK_HEAD "transfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n", true},
    {"an answer shorter than promised is not finished", IN("GET /short HTTP/1.1\r\n" HOST "\r\n"),
     "head GET /short ? @a\nrequest 0 \nclosed broken\n", OK_HEAD "content-length: 10\r\n\r\n", true},
    {"a fault in a chunked body", IN("POST /e HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n"),
     "head POST /e ? @a\nbad bad_http\nclosed whole\n", NULL, true},
};

static void check(const char *title, struct str got, const char *want)
{
    if (str_eq(got, str_z(want))) return;
    print_error("%s\n got: %.*s\nwant: %s\n", title, STR_ARG(got), want);
    fail();
}

static void check_golden(struct bench *b, const struct golden *g)
{
    bench_turn(b);
    bench_read(b);
    check(g->title, buf_view(&b->events), g->events);
    if (g->out) check(g->title, bench_undated(b), g->out);
    if (g->ends != b->saw_end) print_error("%s: end %d\n", g->title, b->saw_end);
    assert_int_equal(g->ends, b->saw_end);
}

static void test_golden(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    for (size_t i = 0; i < COUNTOF(GOLDEN); i++) {
        bench_connect(b);
        bench_send(b, GOLDEN[i].in);
        check_golden(b, &GOLDEN[i]);
    }
    bench_free(b);
}

static void test_any_cut_gives_the_same(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    for (size_t i = 0; i < COUNTOF(GOLDEN); i++) {
        struct str in = GOLDEN[i].in;
        for (size_t cut = 1; cut < in.n; cut++) {
            bench_connect(b);
            bench_send(b, str_make(in.p, cut));
            bench_send(b, str_from(in, cut));
            check_golden(b, &GOLDEN[i]);
        }
        bench_connect(b);
        for (size_t at = 0; at < in.n; at++) bench_send(b, str_make(in.p + at, 1));
        check_golden(b, &GOLDEN[i]);
    }
    bench_free(b);
}

/* Every one is refused with a fault, answered, and the connection is closed; in one piece and byte by byte. */
static const struct bad {
    const char *title;
    struct str in;
    const char *code;
} BAD[] = {
    {"CL with TE", IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "bad_http"},
    {"TE with CL", IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"), "bad_http"},
    {"two CLs", IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde"), "bad_http"},
    {"two equal CLs", IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd"), "bad_http"},
    {"a list of CLs", IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 4, 4\r\n\r\nabcd"), "bad_http"},
    {"a signed CL", IN("POST / HTTP/1.1\r\n" HOST "Content-Length: +4\r\n\r\nabcd"), "bad_http"},
    {"a negative CL", IN("POST / HTTP/1.1\r\n" HOST "Content-Length: -4\r\n\r\nabcd"), "bad_http"},
    {"an empty CL", IN("POST / HTTP/1.1\r\n" HOST "Content-Length: \r\n\r\n"), "bad_http"},
    {"a CL with a space in it", IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 4 4\r\n\r\n"), "bad_http"},
    {"a hexadecimal CL", IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x4\r\n\r\nabcd"), "bad_http"},
    {"a CL over 64 bits", IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551617\r\n\r\na"), "bad_http"},
    {"TE not chunked", IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n"), "bad_http"},
    {"TE chunked not last", IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, gzip\r\n\r\n"), "bad_http"},
    {"TE a second coding", IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "bad_http"},
    {"TE twice", IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     "bad_http"},
    {"TE with a vertical tab", IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n"), "bad_http"},
    {"TE quoted", IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"), "bad_http"},
    {"TE in HTTP/1.0", IN("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "bad_http"},
    {"bare LF after the request line", IN("GET / HTTP/1.1\n" HOST "\r\n"), "bad_http"},
    {"bare LF after a field", IN("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"), "bad_http"},
    {"bare LF at the end", IN("GET / HTTP/1.1\r\n" HOST "\n"), "bad_http"},
    {"bare CR in a value", IN("GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n"), "bad_http"},
    {"obs-fold", IN("GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n"), "bad_http"},
    {"obs-fold with a tab", IN("GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n\r\n"), "bad_http"},
    {"a space before the first field", IN("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), "bad_http"},
    {"a space before the colon", IN("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), "bad_http"},
    {"a field without a colon", IN("GET / HTTP/1.1\r\n" HOST "X\r\n\r\n"), "bad_http"},
    {"a field without a name", IN("GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n"), "bad_http"},
    {"NUL in a value", IN("GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n"), "bad_http"},
    {"NUL in a name", IN("GET / HTTP/1.1\r\n" HOST "X\0: a\r\n\r\n"), "bad_http"},
    {"NUL in the target", IN("GET /\0 HTTP/1.1\r\n" HOST "\r\n"), "bad_http"},
    {"a control in a value", IN("GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n"), "bad_http"},
    {"no Host", IN("GET / HTTP/1.1\r\n\r\n"), "bad_http"},
    {"two Hosts", IN("GET / HTTP/1.1\r\n" HOST HOST "\r\n"), "bad_http"},
    {"a Host that is none", IN("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), "bad_http"},
    {"user information in Host", IN("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), "bad_http"},
    {"a target without a slash", IN("GET a HTTP/1.1\r\n" HOST "\r\n"), "bad_http"},
    {"a target with a fragment", IN("GET /a#b HTTP/1.1\r\n" HOST "\r\n"), "bad_http"},
    {"a target over ASCII", IN("GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"), "bad_http"},
    {"a target with a tab", IN("GET /a\tb HTTP/1.1\r\n" HOST "\r\n"), "bad_http"},
    {"* without OPTIONS", IN("GET * HTTP/1.1\r\n" HOST "\r\n"), "bad_http"},
    {"CONNECT", IN("CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n"), "bad_http"},
    {"an unknown method", IN("GRAB / HTTP/1.1\r\n" HOST "\r\n"), "bad_http"},
    {"not HTTP at all", IN("GARBAGE\r\n\r\n"), "bad_http"},
    {"a method in small letters", IN("get / HTTP/1.1\r\n" HOST "\r\n"), "bad_http"},
    {"HTTP/1.2", IN("GET / HTTP/1.2\r\n" HOST "\r\n"), "bad_http"},
    {"HTTP/2.0 as text", IN("GET / HTTP/2.0\r\n" HOST "\r\n"), "bad_http"},
    {"HTTP/0.9", IN("GET /\r\n\r\n"), "bad_http"},
    {"two spaces before the target", IN("GET  / HTTP/1.1\r\n" HOST "\r\n"), "bad_http"},
    {"two spaces behind the target", IN("GET /  HTTP/1.1\r\n" HOST "\r\n"), "bad_http"},
    {"a space behind the version", IN("GET / HTTP/1.1 \r\n" HOST "\r\n"), "bad_http"},
    {"a TLS hello", IN("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "bad_http"},
    {"a chunk size that is none", IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nxyz\r\n"), "bad_http"},
    {"a chunk size with 0x", IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n"), "bad_http"},
    {"a chunk size over 64 bits", IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc"),
     "bad_http"},
    {"a chunk with bare LF", IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"), "bad_http"},
    {"a chunk longer than said", IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"),
     "bad_http"},
    {"a chunk's data ends in LF", IN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n"),
     "bad_http"},
    {"a body over the limit", IN("POST / HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\nx"), "body_too_large"},
    {"an unknown coding", IN("POST / HTTP/1.1\r\n" HOST "Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx"),
     "unsupported_content_encoding"},
    {"two codings",
     IN("POST / HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"),
     "unsupported_content_encoding"},
    {"not gzip", IN("POST / HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nplaintext"),
     "bad_content_encoding"},
};

static void check_bad(struct bench *b, const struct bad *row)
{
    char want[64];
    snprintf(want, sizeof want, "bad %s\nclosed whole\n", row->code);
    bench_turn(b);
    bench_read(b);
    size_t at;
    if (!str_find(buf_view(&b->events), str_z(want), &at) || !str_ends(buf_view(&b->events), str_z(want)))
        check(row->title, buf_view(&b->events), want);
    if (!b->saw_end) print_error("%s: still open\n", row->title);
    assert_true(b->saw_end);
    assert_true(b->got.n > 0);
    if (str_find(buf_view(&b->events), S("request"), &at)) print_error("%s: was taken for a request\n", row->title);
    assert_false(str_find(buf_view(&b->events), S("request "), &at));
}

static void test_smuggling_and_garbage(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->options.limits.body_max = 1000;
    http_server_set_options(b->server, &b->options);
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        bench_connect(b);
        bench_send(b, BAD[i].in);
        check_bad(b, &BAD[i]);
        bench_connect(b);
        for (size_t at = 0; at < BAD[i].in.n; at++) bench_send(b, str_make(BAD[i].in.p + at, 1));
        check_bad(b, &BAD[i]);
    }
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_any_cut_gives_the_same),
        cmocka_unit_test(test_smuggling_and_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
