/* Unit tests of request bodies: gzip and zstd, whole and in cuts, several members, garbage, bombs, limits. */
#include "base/test.h"

#include <zlib.h>
#include <zstd.h>

#include "http/server_bench.h"

static void gzip(struct buf *out, struct str in)
{
    z_stream z = {0};
    size_t bound = in.n + in.n / 100 + 64;
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_true(buf_reserve(out, bound));
    z.next_in = (unsigned char *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    z.next_out = (unsigned char *)out->p + out->n;
    z.avail_out = (uInt)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->n += bound - z.avail_out;
    deflateEnd(&z);
}

static void zstd(struct buf *out, struct str in)
{
    size_t bound = ZSTD_compressBound(in.n);
    assert_true(buf_reserve(out, bound));
    size_t n = ZSTD_compress(out->p + out->n, bound, in.p, in.n, 19);
    assert_false(ZSTD_isError(n));
    out->n += n;
}

static const struct {
    const char *name;
    void (*pack)(struct buf *out, struct str in);
} CODINGS[] = {{"gzip", gzip}, {"x-gzip", gzip}, {"ZSTD", zstd}};

/* Feeds a body in pieces of `step` bytes; the fault's code tells how it went. */
static enum err feed(struct body *b, const struct http_server_options *o, const char *coding, struct str in, size_t step)
{
    struct fault why = {0};
    enum err e = body_begin(b, o, str_z(coding), in.n, &why);
    for (size_t at = 0; at < in.n && e == OK; at += step)
        e = body_add(b, o, str_make(in.p + at, in.n - at < step ? in.n - at : step), &why);
    if (e == OK) e = body_end(b, &why);
    assert_int_equal(e, why.code);
    return e;
}

static enum err feed_and_forget(const struct http_server_options *o, const char *coding, struct str in, size_t step)
{
    struct body b;
    enum err e = feed(&b, o, coding, in, step);
    body_done(&b, o);
    return e;
}

static void text(struct buf *out, size_t n)
{
    for (size_t i = 0; out->n < n; i++) buf_u64(out, i * 2654435761u);
}

static void test_every_cut_decodes_to_the_same(void **state)
{
    (void)state;
    struct http_server_options o = {0};
    http_limits_default(&o.limits);
    for (size_t i = 0; i < COUNTOF(CODINGS); i++) {
        struct buf plain, packed;
        buf_init(&plain, MIB(4));
        buf_init(&packed, MIB(4));
        text(&plain, 5000);
        CODINGS[i].pack(&packed, str_make(plain.p, 2000)); /* two members in a row are one body */
        CODINGS[i].pack(&packed, str_from(buf_view(&plain), 2000));
        for (size_t step = 1; step <= packed.n; step++) {
            struct body b;
            assert_int_equal(feed(&b, &o, CODINGS[i].name, buf_view(&packed), step), OK);
            assert_true(str_eq(str_make(b.p, b.n), buf_view(&plain)));
            body_done(&b, &o);
        }
        buf_done(&plain);
        buf_done(&packed);
    }
}

static void test_broken_coding(void **state)
{
    (void)state;
    struct http_server_options o = {0};
    http_limits_default(&o.limits);
    for (size_t i = 0; i < COUNTOF(CODINGS); i++) {
        struct buf packed;
        buf_init(&packed, MIB(1));
        CODINGS[i].pack(&packed, S("some words of a request, long enough to be worth packing, words, words, words"));
        struct str whole = buf_view(&packed);
        for (size_t cut = 1; cut < whole.n; cut++)
            assert_int_equal(feed_and_forget(&o, CODINGS[i].name, str_make(whole.p, cut), whole.n), ERR_BAD_ENCODING);
        buf_str(&packed, S("trailing garbage"));
        assert_int_equal(feed_and_forget(&o, CODINGS[i].name, buf_view(&packed), 7), ERR_BAD_ENCODING);
        assert_int_equal(feed_and_forget(&o, CODINGS[i].name, S("{\"model\":\"plain\"}"), 100), ERR_BAD_ENCODING);
        buf_done(&packed);
    }
}

static void test_codings(void **state)
{
    (void)state;
    struct http_server_options o = {0};
    http_limits_default(&o.limits);
    assert_int_equal(feed_and_forget(&o, "", S("abc"), 1), OK);
    assert_int_equal(feed_and_forget(&o, "identity", S("abc"), 1), OK);
    assert_int_equal(feed_and_forget(&o, " Identity ", S("abc"), 1), OK);
    assert_int_equal(feed_and_forget(&o, "gzip", S(""), 1), OK); /* no body, nothing to decode */
    static const char *const UNKNOWN[] = {"br", "deflate", "gzip, gzip", "compress", "gzip;q=1"};
    for (size_t i = 0; i < COUNTOF(UNKNOWN); i++)
        assert_int_equal(feed_and_forget(&o, UNKNOWN[i], S("abc"), 1), ERR_UNSUPPORTED_ENCODING);
}

static void test_bombs(void **state)
{
    (void)state;
    struct http_server_options o = {0};
    http_limits_default(&o.limits);
    struct buf plain;
    buf_init(&plain, MIB(80));
    assert_true(buf_reserve(&plain, MIB(40)));
    memset(plain.p, ' ', MIB(40));
    for (size_t i = 0; i < COUNTOF(CODINGS); i++) {
        struct buf packed;
        struct body b;
        buf_init(&packed, MIB(80));
        CODINGS[i].pack(&packed, str_make(plain.p, MIB(40)));
        assert_int_equal(feed(&b, &o, CODINGS[i].name, buf_view(&packed), 1000), ERR_BODY_TOO_LARGE);
        assert_true(b.cap <= MIB(4)); /* noticed long before the limit */
        body_done(&b, &o);
        buf_clear(&packed);
        CODINGS[i].pack(&packed, str_make(plain.p, MIB(1))); /* small enough to be no danger */
        assert_int_equal(feed_and_forget(&o, CODINGS[i].name, buf_view(&packed), 1000), OK);
        buf_done(&packed);
    }
    buf_done(&plain);
}

static void test_limit_counts_what_comes_out(void **state)
{
    (void)state;
    struct http_server_options o = {0};
    http_limits_default(&o.limits);
    struct buf plain, packed;
    buf_init(&plain, MIB(4));
    buf_init(&packed, MIB(4));
    text(&plain, KIB(100));
    gzip(&packed, buf_view(&plain));
    o.limits.body_max = plain.n;
    assert_true(packed.n < plain.n);
    assert_int_equal(feed_and_forget(&o, "gzip", buf_view(&packed), 999), OK);
    assert_int_equal(feed_and_forget(&o, "", buf_view(&plain), 999), OK);
    o.limits.body_max = plain.n - 1;
    assert_int_equal(feed_and_forget(&o, "gzip", buf_view(&packed), 999), ERR_BODY_TOO_LARGE);
    assert_int_equal(feed_and_forget(&o, "", buf_view(&plain), 999), ERR_BODY_TOO_LARGE);
    buf_done(&plain);
    buf_done(&packed);
}

/* A frame may ask for a window of gigabytes; only 8 MiB are given. */
static void test_limit_counts_what_comes_in(void **state)
{
    (void)state;
    struct http_server_options o = {0};
    http_limits_default(&o.limits);
    o.limits.body_max = KIB(64);
    for (size_t i = 0; i < COUNTOF(CODINGS); i++) {
        struct body b;
        struct fault why = {0};
        struct buf member;
        buf_init(&member, KIB(1));
        CODINGS[i].pack(&member, STR_NONE);
        size_t sent = 0;
        assert_int_equal(body_begin(&b, &o, str_z(CODINGS[i].name), BODY_UNKNOWN, &why), OK);
        for (; why.code == OK && sent <= KIB(128); sent += member.n) ignore_err(body_add(&b, &o, buf_view(&member), &why));
        assert_int_equal(why.code, ERR_BODY_TOO_LARGE);
        assert_in_range(sent, KIB(64), KIB(65));
        body_done(&b, &o);
        buf_done(&member);
    }
}

static void test_zstd_window_is_bounded(void **state)
{
    (void)state;
    struct http_server_options o = {0};
    http_limits_default(&o.limits);
    /* magic, no content size, window descriptor of 2^31, one raw block of 1 byte, last */
    assert_int_equal(feed_and_forget(&o, "zstd", S("\x28\xb5\x2f\xfd\x00\xa8\x09\x00\x00x"), 100), ERR_BAD_ENCODING);
}

static void test_old_zstd_formats_are_not_read(void **state)
{
    (void)state;
    struct http_server_options o = {0};
    http_limits_default(&o.limits);
    char frame[] = "\x20\xb5\x2f\xfd\x00\x00\xfd\x00\x00";
    for (char version = 0x22; version <= 0x27; version++) { /* 0.2 to 0.7 */
        frame[0] = version;
        struct fault why;
        struct body b;
        assert_int_equal(body_begin(&b, &o, S("zstd"), 9, &why), OK);
        assert_int_equal(body_add(&b, &o, str_make(frame, 9), &why), ERR_BAD_ENCODING);
        size_t at;
        assert_true(str_find(str_z(why.text), S("unknown frame"), &at));
        body_done(&b, &o);
    }
    /* inside of a frame's header stands what could begin another frame: one byte at a time as in one piece */
    const struct str nested = S("\x28\xb5\x2f\xfd\x51\x2a\x4d\x18\x00\x00\x00\x00");
    assert_int_equal(feed_and_forget(&o, "zstd", nested, 1), ERR_BAD_ENCODING);
    assert_int_equal(feed_and_forget(&o, "zstd", nested, nested.n), ERR_BAD_ENCODING);
    /* a skippable frame of 3 bytes may stand between others */
    assert_int_equal(feed_and_forget(&o, "zstd", S("\x50\x2a\x4d\x18\x03\0\0\0abc"), 2), OK);
}

static void test_over_the_wire(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct buf packed, chunked;
    buf_init(&packed, KIB(4));
    buf_init(&chunked, KIB(4));
    gzip(&packed, S("abcdefgh"));
    bench_connect(b);
    buf_fmt(&chunked, "POST / HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", packed.n);
    bench_send(b, buf_view(&chunked));
    for (size_t i = 0; i < packed.n; i++) bench_send(b, str_make(packed.p + i, 1));
    assert_str(buf_view(&b->events), "head POST / ? @a\nrequest 8 abcdefgh\nclosed whole\n");
    buf_clear(&chunked);
    buf_str(&chunked, S("POST / HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for (size_t i = 0; i < packed.n; i++)
        buf_fmt(&chunked, "1\r\n"), buf_char(&chunked, packed.p[i]), buf_str(&chunked, S("\r\n"));
    buf_str(&chunked, S("0\r\n\r\n"));
    buf_clear(&b->events);
    bench_send(b, buf_view(&chunked));
    assert_str(buf_view(&b->events), "head POST / ? @a\nrequest 8 abcdefgh\nclosed whole\n");
    assert_int_equal(b->memory, 0);
    buf_done(&packed);
    buf_done(&chunked);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut_decodes_to_the_same),
        cmocka_unit_test(test_broken_coding),
        cmocka_unit_test(test_codings),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_limit_counts_what_comes_out),
        cmocka_unit_test(test_limit_counts_what_comes_in),
        cmocka_unit_test(test_zstd_window_is_bounded),
        cmocka_unit_test(test_old_zstd_formats_are_not_read),
        cmocka_unit_test(test_over_the_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
