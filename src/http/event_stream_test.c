/* AWS event stream: the published vectors, what is refused, that no cut of the bytes changes anything, and that what is
 * written is read back. */
#include <zlib.h>

#include "http/cuts_test.h"
#include "http/http.h"

#define FRAME_MAX 4096

/* ---- running a reader ---------------------------------------------------------------------------------------------------- */

/* All that a frame says, so that two runs can be compared. */
static void tell(const struct event_stream_frame *f, struct buf *out)
{
    static const char *const KINDS[] = {"event", "exception", "error"};
    struct str rest = f->headers;
    struct event_stream_header h;
    buf_fmt(out, "%s:%.*s:%.*s:%.*s{", KINDS[f->kind], STR_ARG(f->type), STR_ARG(f->content_type), STR_ARG(f->error_message));
    while (event_stream_header(&rest, &h)) {
        buf_fmt(out, "%.*s=%u/%lld/", STR_ARG(h.name), (unsigned)h.type, (long long)h.number);
        buf_str(out, h.value);
        buf_char(out, ' ');
    }
    buf_char(out, '}');
    buf_str(out, f->payload);
    buf_fmt(out, "(%zu);", f->raw.n);
}

static bool feed(void *reader, struct str piece, struct buf *out)
{
    struct event_stream_reader *r = reader;
    struct event_stream_frame f;
    struct fault why = {0};
    bool more = true;
    enum err got = OK;
    event_stream_feed(r, piece);
    while (more && (got = event_stream_next(r, &f, &more, &why)) == OK)
        if (more) tell(&f, out);
    if (got == OK) return true;
    assert_int_equal(got, ERR_UPSTREAM_GARBAGE);
    assert_int_equal(event_stream_next(r, &f, &more, &why), ERR_UPSTREAM_GARBAGE);
    assert_int_equal(r->carry.cap, 0);
    buf_str(out, S("!"));
    return false;
}

static void run(struct str all, const size_t *cuts, size_t n_cuts, struct buf *out)
{
    struct event_stream_reader r;
    event_stream_init(&r, FRAME_MAX);
    if (feed_cuts(feed, &r, all, (struct cuts){cuts, n_cuts}, out)) buf_fmt(out, "pending %zu", event_stream_pending(&r));
    event_stream_done(&r);
}

static void assert_reads(struct str bytes, const char *want) { assert_runs(run, bytes, want); }

/* ---- vectors (published with the protocol's open-source implementations) --------------------------------------------------- */

#define EMPTY "\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xff"
#define NO_HEADERS "\x00\x00\x00\x1d\x00\x00\x00\x00\xfd\x52\x8c\x5a{'foo':'bar'}\xc3\x65\x39\x36"
#define ONE_TEXT                                           \
    "\x00\x00\x00\x3d\x00\x00\x00\x20\x07\xfd\x83\x96\x0c" \
    "content-type\x07\x00\x10"                             \
    "application/json{'foo':'bar'}\x8d\x9c\x08\xb1"
#define ONE_INT                                            \
    "\x00\x00\x00\x2d\x00\x00\x00\x10\x41\xc4\x24\xb8\x0a" \
    "event-type\x04\x00\x00\xa0\x0c{'foo':'bar'}\x36\xf4\x80\xa0"

static void the_published_vectors(void **state)
{
    (void)state;
    assert_reads(S(EMPTY), "event:::{}(16);pending 0");
    assert_reads(S(NO_HEADERS), "event:::{}{'foo':'bar'}(29);pending 0");
    assert_reads(S(ONE_TEXT), "event:::{content-type=7/0/application/json }{'foo':'bar'}(61);pending 0");
    assert_reads(S(EMPTY NO_HEADERS EMPTY), "event:::{}(16);event:::{}{'foo':'bar'}(29);event:::{}(16);pending 0");
    assert_reads(S(EMPTY "\x00\x00"), "event:::{}(16);pending 2");
}

/* A frame around any headers and payload, right or wrong. */
static void put_frame(struct buf *out, struct str headers, struct str payload)
{
    size_t n = 16 + headers.n + payload.n, start = out->n;
    const uint32_t lengths[2] = {(uint32_t)n, (uint32_t)headers.n};
    for (int i = 0; i < 8; i++) buf_char(out, (char)(lengths[i / 4] >> (24 - 8 * (i % 4))));
    for (int part = 0; part < 2; part++) {
        uint32_t crc = (uint32_t)crc32_z(0, (const unsigned char *)out->p + start, out->n - start);
        for (int i = 0; i < 4; i++) buf_char(out, (char)(crc >> (24 - 8 * i)));
        if (part) break;
        buf_str(out, headers);
        buf_str(out, payload);
    }
}

static void assert_frame(struct str headers, const char *want)
{
    struct buf all;
    buf_init(&all, MIB(1));
    put_frame(&all, headers, S("p"));
    assert_reads(buf_view(&all), want);
    buf_done(&all);
}

static void headers_of_every_type(void **state)
{
    (void)state;
    static const struct {
        struct str headers;
        const char *want;
    } CASES[] = {
        {S("\1a\0\1b\1"), "event:::{a=0/1/ b=1/0/ }p(23);pending 0"},
        {S("\1a\2\xff"), "event:::{a=2/-1/\xff }p(21);pending 0"},
        {S("\1a\3\x80\x41"), "event:::{a=3/-32703/\x80\x41 }p(22);pending 0"},
        {S("\1a\5ABCDEFGH"), "event:::{a=5/4702394921427289928/ABCDEFGH }p(28);pending 0"},
        {S("\1a\6\0\3xyz"), "event:::{a=6/0/xyz }p(25);pending 0"},
        {S("\1a\7\0\0"), "event:::{a=7/0/ }p(22);pending 0"},
        {S("\1a\010ABCDEFGH"), "event:::{a=8/4702394921427289928/ABCDEFGH }p(28);pending 0"},
        {S("\1a\0110123456789abcdef"), "event:::{a=9/0/0123456789abcdef }p(36);pending 0"},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) assert_frame(CASES[i].headers, CASES[i].want);
}

static void what_the_protocol_names_is_found(void **state)
{
    (void)state;
    assert_frame(S("\x0d:message-type\7\0\x05"
                   "event\x0b:event-type\7\0\5chunk\x0d:content-type\7\0\1j"),
                 "event:chunk:j:{:message-type=7/0/event :event-type=7/0/chunk :content-type=7/0/j }p(77);pending 0");
    assert_frame(S("\x0f:exception-type\7\0\1T\x0d:message-type\7\0\x09"
                   "exception"),
                 "exception:T::{:exception-type=7/0/T :message-type=7/0/exception }p(63);pending 0");
    assert_frame(S("\x0d:message-type\7\0\5error\x0b:error-code\7\0\1C\x0e:error-message\7\0\1M"),
                 "error:C::M{:message-type=7/0/error :error-code=7/0/C :error-message=7/0/M }p(74);pending 0");
}

/* ---- refused --------------------------------------------------------------------------------------------------------------- */

static void malformed_headers_are_refused(void **state)
{
    (void)state;
    static const struct str CASES[] = {
        S("\0"),
        S("\0a\0"),
        S("\1a"),
        S("\2a\0"),
        S("\1a\x0a"),
        S("\1a\2"),
        S("\1a\5ABCDEFG"),
        S("\1a\7\0"),
        S("\1a\7\0\2x"),
        S("\1a\0110123456789abcde"),
        S("\x0d:message-type\7\0\5other"),
        S("\x0d:message-type\0"),
        S("\x0b:event-type\7\0\1a\x0b:event-type\7\0\1a"),
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) assert_frame(CASES[i], "!");
}

/* Each of the first 8 bytes says something impossible, too long, or breaks their CRC. */
static void lengths_are_checked_before_anything_is_kept(void **state)
{
    (void)state;
    assert_reads(S("\xff\xff\xff\xff\0\0\0\0"), "!");
    assert_reads(S("\0\0\x10\x01\0\0\0\0"), "!");
    assert_reads(S("\0\0\0\x0f\0\0\0\0"), "!");
    assert_reads(S("\0\0\0\x10\0\0\0\1"), "!");
    assert_reads(S("\0\0\0\x20\xff\xff\xff\xff"), "!");
    assert_reads(S("\0\0\x10\x00\0\0\0\0"), "pending 8");
    assert_reads(S("\0\0\0\x10\0\0\0\0\5\xc2\x48\xec"), "!");
}

static void every_flipped_bit_is_seen(void **state)
{
    (void)state;
    char bytes[sizeof ONE_TEXT - 1];
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        struct buf out;
        buf_init(&out, KIB(4));
        memcpy(bytes, ONE_TEXT, sizeof bytes);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        run(str_make(bytes, sizeof bytes), NULL, 0, &out);
        assert_string_equal(buf_z(&out), "!");
        buf_done(&out);
    }
}

static void a_frame_of_the_largest_size_passes(void **state)
{
    (void)state;
    char *payload = mem_alloc(FRAME_MAX);
    struct buf all, out;
    memset(payload, 'x', FRAME_MAX);
    for (size_t over = 0; over < 2; over++) {
        buf_init(&all, MIB(1));
        buf_init(&out, MIB(1));
        put_frame(&all, S(""), str_make(payload, FRAME_MAX - 16 + over));
        run(buf_view(&all), (size_t[]){100}, 1, &out);
        assert_int_equal(str_eq(buf_view(&out), S("!")), over);
        buf_done(&all);
        buf_done(&out);
    }
    free(payload);
}

/* ---- cuts ------------------------------------------------------------------------------------------------------------------ */

/* Frames as Bedrock sends them, sizes and kinds by chance; sometimes damaged, sometimes not whole. */
static void random_stream(struct buf *all)
{
    static const struct str TYPES[] = {{"chunk", 5}, {"contentBlockDelta", 17}, {"throttlingException", 19}};
    unsigned frames = 1 + (unsigned)(random_u64() % 5);
    for (unsigned i = 0; i < frames; i++) {
        enum event_stream_kind kind = (enum event_stream_kind)(random_u64() % 3);
        struct event_stream_mark m = event_stream_begin(all, kind, TYPES[random_u64() % 3], S("application/json"));
        for (uint64_t n = random_u64() % 60; n; n--) buf_char(all, (char)random_u64());
        event_stream_end(all, m);
    }
    if (random_u64() % 4 == 0) all->p[random_u64() % all->n] ^= (char)(1 << random_u64() % 8);
    if (random_u64() % 4 == 0) all->n -= random_u64() % all->n;
}

static size_t random_cuts(size_t n, size_t cuts[16])
{
    size_t count = random_u64() % 16, at = 0;
    for (size_t i = 0; i < count; i++) cuts[i] = at += random_u64() % (n - at + 1);
    return count;
}

static void no_cut_changes_anything(void **state)
{
    (void)state;
    for (int round = 0; round < 3000; round++) {
        struct buf all;
        size_t cuts[16];
        buf_init(&all, KIB(64));
        random_stream(&all);
        assert_same(run, buf_view(&all), cuts, random_cuts(all.n, cuts));
        buf_done(&all);
    }
}

static void byte_by_byte(void **state)
{
    (void)state;
    struct str all = S(ONE_TEXT EMPTY NO_HEADERS);
    size_t cuts[sizeof ONE_TEXT EMPTY NO_HEADERS];
    struct buf out;
    for (size_t i = 0; i < all.n; i++) cuts[i] = i + 1;
    buf_init(&out, KIB(64));
    run(all, cuts, all.n, &out);
    assert_string_equal(buf_z(&out), "event:::{content-type=7/0/application/json }{'foo':'bar'}(61);event:::{}(16);"
                                     "event:::{}{'foo':'bar'}(29);pending 0");
    buf_done(&out);
}

/* ---- writing --------------------------------------------------------------------------------------------------------------- */

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, KIB(4));
    struct event_stream_mark m = event_stream_begin(&out, EVENT_STREAM_EVENT, S("messageStart"), S("application/json"));
    buf_str(&out, S("{\"role\":\"assistant\"}"));
    event_stream_end(&out, m);
    m = event_stream_begin(&out, EVENT_STREAM_EXCEPTION, S("throttlingException"), S(""));
    event_stream_end(&out, m);
    m = event_stream_begin(&out, EVENT_STREAM_ERROR, S("Code"), S(""));
    event_stream_end(&out, m);
    assert_reads(buf_view(&out),
                 "event:messageStart:application/json:{:event-type=7/0/messageStart :content-type=7/0/application/json "
                 ":message-type=7/0/event }{\"role\":\"assistant\"}(118);"
                 "exception:throttlingException::{:exception-type=7/0/throttlingException :message-type=7/0/exception }(80);"
                 "error:Code::{:error-code=7/0/Code :message-type=7/0/error }(57);pending 0");
    buf_done(&out);
}

static void a_buffer_that_is_over_stays_so(void **state)
{
    (void)state;
    struct buf out;
    for (size_t max = 0; max < 60; max++) {
        buf_init(&out, max);
        struct event_stream_mark m = event_stream_begin(&out, EVENT_STREAM_EVENT, S("chunk"), S(""));
        event_stream_end(&out, m);
        assert_int_equal(out.over, max < 58);
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vectors),
        cmocka_unit_test(headers_of_every_type),
        cmocka_unit_test(what_the_protocol_names_is_found),
        cmocka_unit_test(malformed_headers_are_refused),
        cmocka_unit_test(lengths_are_checked_before_anything_is_kept),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(a_frame_of_the_largest_size_passes),
        cmocka_unit_test(no_cut_changes_anything),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_buffer_that_is_over_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
