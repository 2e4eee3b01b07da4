/* Answers: every framing, every refusal, and that no cut of the bytes changes either. */
#include <stdlib.h>

#include "base/test.h"
#include "http/answer.h"

#define HEAD_MAX 1000

static struct answer_head head;

static void write_head(const struct answer *a, struct buf *out)
{
    buf_fmt(out, "%d%s", a->status, a->can_reuse ? "+" : "-");
    for (size_t i = 0; i < head.fields.n; i++)
        buf_fmt(out, " %.*s=%.*s", STR_ARG(head.fields.at[i].name), STR_ARG(head.fields.at[i].value));
    buf_char(out, '|');
}

/* Writes what one piece of input gave; false after the end. */
static bool feed_piece(struct answer *a, struct str piece, struct buf *out)
{
    char *copy = str_dup_z(piece), *at = copy;
    size_t n = piece.n;
    struct fault why = {0};
    enum answer_event event;
    do {
        event = answer_next(a, &at, &n, &why);
        if (event == ANSWER_HEAD) write_head(a, out);
        if (event == ANSWER_BODY) buf_str(out, a->body);
        if (event == ANSWER_BAD) buf_fmt(out, "!%s", err_code(why.code));
    } while (event == ANSWER_HEAD || event == ANSWER_BODY);
    if (event == ANSWER_END) buf_fmt(out, "|end%s", n ? " and more" : "");
    free(copy);
    return event == ANSWER_MORE;
}

static void run(struct str all, bool is_head, size_t piece, struct buf *out)
{
    struct answer a;
    answer_init(&a, is_head);
    answer_lend(&a, &head);
    bool more = feed_piece(&a, S(""), out);
    while (more && all.n > 0) {
        size_t n = all.n < piece ? all.n : piece;
        more = feed_piece(&a, str_make(all.p, n), out);
        all = str_from(all, n);
    }
    struct fault why;
    if (!more) return;
    enum err e = answer_close(&a, &why);
    if (e == OK) buf_str(out, S("|closed"));
    else buf_fmt(out, "!%s", err_code(e));
}

static void strip(struct buf *b, const char *what)
{
    size_t at;
    if (str_find(buf_view(b), str_z(what), &at)) b->n = at;
}

/* The same result for pieces of every size. How much is left behind the end depends on the pieces, of course. */
static void assert_answer(struct str bytes, bool is_head, const char *want)
{
    struct buf whole, cut;
    buf_init(&whole, MIB(1));
    buf_init(&cut, MIB(1));
    run(bytes, is_head, SIZE_MAX, &whole);
    assert_string_equal(buf_z(&whole), want);
    strip(&whole, " and more");
    for (size_t piece = 1; piece < bytes.n && piece < 200; piece++) {
        buf_clear(&cut);
        run(bytes, is_head, piece, &cut);
        strip(&cut, " and more");
        assert_string_equal(buf_z(&cut), buf_z(&whole));
    }
    buf_done(&whole);
    buf_done(&cut);
}

static void reads_every_framing(void **state)
{
    (void)state;
    assert_answer(S("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello"), false,
                  "200+ content-length=5 x-a=b|hello|end");
    assert_answer(S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0a;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\n"),
                  false, "200+ transfer-encoding=chunked|abc0123456789|end");
    assert_answer(S("HTTP/1.1 200 OK\r\n\r\nto the end"), false, "200-|to the end|closed");
    assert_answer(S("HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n"), false, "200+ content-length=0||end");
    assert_answer(S("HTTP/1.1 204 None\r\n\r\n"), false, "204+||end");
    assert_answer(S("HTTP/1.1 304 Same\r\nContent-Length: 10\r\n\r\n"), false, "304+ content-length=10||end");
    assert_answer(S("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"), true, "200+ content-length=10||end");
    assert_answer(S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), true, "200+ transfer-encoding=chunked||end");
    assert_answer(S("HTTP/1.1 200 OK\r\nx-empty:\r\nContent-Length: 1\r\n\r\nx"), false, "200+ x-empty= content-length=1|x|end");
}

static void knows_when_to_close(void **state)
{
    (void)state;
    assert_answer(S("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), false,
                  "200- connection=close content-length=0||end");
    assert_answer(S("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), false, "200- content-length=0||end");
    assert_answer(S("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"), false,
                  "200+ connection=keep-alive content-length=0||end");
}

static void swallows_interim_heads(void **state)
{
    (void)state;
    assert_answer(
        S("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        false, "200+ content-length=2|ok|end");
    struct buf many;
    buf_init(&many, MIB(1));
    for (int i = 0; i < 33; i++) buf_str(&many, S("HTTP/1.1 100 C\r\n\r\n"));
    assert_answer(buf_view(&many), false, "!upstream_garbage");
    buf_clear(&many);
    for (int i = 0; i < 3; i++) buf_fmt(&many, "HTTP/1.1 100 C\r\nx: %0*d\r\n\r\n", 400, 0); /* head_max is for all */
    assert_answer(buf_view(&many), false, "!upstream_too_large");
    buf_done(&many);
}

static void sees_what_is_left_over(void **state)
{
    (void)state;
    assert_answer(S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"), false,
                  "200+ content-length=2|ok|end and more");
    assert_answer(S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx"), false,
                  "200+ transfer-encoding=chunked||end and more");
    assert_answer(S("HTTP/1.1 204 None\r\n\r\nx"), false, "204+||end and more");
}

static void sees_what_was_cut(void **state)
{
    (void)state;
    static const struct str CUT[] = {S(""), S("HTTP/1.1 200 OK\r\nContent-Le"), S("HTTP/1.1 200 OK\r\n\r")};
    for (size_t i = 0; i < COUNTOF(CUT); i++) assert_answer(CUT[i], false, "!upstream_cut");
    assert_answer(S("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"), false, "200+ content-length=5|hell!upstream_cut");
    assert_answer(S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), false,
                  "200+ transfer-encoding=chunked|hello!upstream_cut");
    assert_answer(S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"), false,
                  "200+ transfer-encoding=chunked|hello!upstream_cut");
}

static void refuses_garbage(void **state)
{
    (void)state;
    static const struct str BAD[] = {
        S("\r\nHTTP/1.1 200 OK\r\n\r\n"),
        S("HTTP/2.0 200 OK\r\n\r\n"),
        S("HTTP/1.1 2000 OK\r\n\r\n"),
        S("SSH-2.0-x\r\n"),
        S("HTTP/1.1 099 OK\r\n\r\n"),
        S("HTTP/1.1 600 OK\r\n\r\n"),
        S("HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        S("HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
        S("HTTP/1.1 200 OK\r\nA : b\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nA\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
        S("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"),
    };
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        assert_answer(BAD[i], false, "!upstream_garbage");
    }
}

static void refuses_broken_chunks(void **state)
{
    (void)state;
    static const struct str BAD[] = {S("x\r\n"),   S("5\nhello"), S("2\r\nabc\r\n"), S("-1\r\n"), S("fffffffffffffffff\r\n"),
                                     S("0x5\r\n"), S(" 5\r\n")};
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        struct buf all, got;
        buf_init(&all, 500);
        buf_init(&got, 500);
        buf_fmt(&all, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s", BAD[i].p);
        for (size_t piece = 1; piece < all.n; piece++) {
            buf_clear(&got);
            run(buf_view(&all), false, piece, &got);
            assert_true(str_starts(buf_view(&got), S("200+ transfer-encoding=chunked|")));
            assert_true(str_ends(buf_view(&got), S("!upstream_garbage")));
        }
        buf_done(&all);
        buf_done(&got);
    }
}

static void bounds_what_has_no_end(void **state)
{
    (void)state;
    struct buf all;
    buf_init(&all, MIB(1));
    buf_fmt(&all, "HTTP/1.1 200 OK\r\nx: %0*d\r\n\r\n", HEAD_MAX, 0);
    assert_answer(buf_view(&all), false, "!upstream_too_large");
    buf_clear(&all);
    buf_str(&all, S("HTTP/1.1 200 OK\r\n"));
    for (int i = 0; i < 257; i++) buf_str(&all, S("a:\r\n"));
    buf_str(&all, S("\r\n"));
    answer_head_done(&head);
    answer_head_init(&head, KIB(64));
    assert_answer(buf_view(&all), false, "!upstream_too_large");
    for (int kind = 0; kind < 3; kind++) {
        static const char *const BEFORE[] = {"5;x=", "", "0\r\nx: "};
        buf_clear(&all);
        buf_fmt(&all, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s%0*d", BEFORE[kind], 20000, 0);
        assert_answer(buf_view(&all), false, "200+ transfer-encoding=chunked|!upstream_garbage");
    }
    buf_done(&all);
    answer_head_done(&head);
    answer_head_init(&head, HEAD_MAX);
}

/* A sea of one-byte chunks must cost no more than its bytes, and come as one piece. */
static void small_chunks_come_together(void **state)
{
    (void)state;
    struct buf all, got;
    buf_init(&all, MIB(1));
    buf_init(&got, MIB(1));
    buf_str(&all, S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
    size_t head_n = all.n;
    for (int i = 0; i < 20000; i++) buf_str(&all, S("1\r\nx\r\n"));
    struct answer a;
    answer_init(&a, false);
    answer_lend(&a, &head);
    char *at = all.p;
    size_t n = head_n;
    struct fault why;
    assert_int_equal(answer_next(&a, &at, &n, &why), ANSWER_HEAD);
    n = all.n - head_n;
    assert_int_equal(answer_next(&a, &at, &n, &why), ANSWER_BODY);
    assert_int_equal(a.body.n, 20000);
    for (size_t i = 0; i < a.body.n; i++) assert_int_equal(a.body.p[i], 'x');
    assert_int_equal(answer_next(&a, &at, &n, &why), ANSWER_MORE);
    buf_done(&all);
    buf_done(&got);
}

static int set_up(void **state)
{
    (void)state;
    answer_head_init(&head, HEAD_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    answer_head_done(&head);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_framing),        cmocka_unit_test(knows_when_to_close),
        cmocka_unit_test(swallows_interim_heads),     cmocka_unit_test(sees_what_is_left_over),
        cmocka_unit_test(sees_what_was_cut),          cmocka_unit_test(refuses_garbage),
        cmocka_unit_test(refuses_broken_chunks),      cmocka_unit_test(bounds_what_has_no_end),
        cmocka_unit_test(small_chunks_come_together),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
